"""Restoration as a job: a picture and a frozen request in, tiles streaming out, one restored picture.

Pixels stay in their stored depth; floating point exists for one tile at a time.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import psutil
import torch
from torch.nn import functional

from core.cv import cv2
from core.data import guidance
from core.events import LadderStep, Looked, RestoreStarted, TileDone
from core.images.blend import blend, within
from core.images.io import Picture
from core.jobs import Emit, JobControl, ignore
from core.model import catalog, checkpoint, memory_edit
from core.model.config import STRIDE_PX
from core.model.memory import Address, RowEdit
from core.model.memory_edit import MemoryEdit
from core.model.network import MemoryNet
from core.model.tensors import choose_device, choose_precision, dtype_of, to_pixels, to_tensor
from core.problems import speaks_of_short_memory
from core.restoring import scaled, scales, shadow_guess, shadow_light, tiling
from core.restoring.verdict import LITTLE, MUCH, NO_VERDICT, NOTHING, Measure, Thresholds, Verdict

__all__ = ["RestoreError", "RestoreRequest", "Restored", "blend", "restore"]

GUESSED_TASK = "deshadow"  # the one whose damage can be guessed and whose light is measured beside it
_MUCH_SHARE = 0.05  # of the photo in shadow, from which on that is much
SMALLEST_TILE_PX = 64
LARGEST_TILE_PX = 1024  # larger tiles gain little speed and make progress and cancelling coarse
SUMMARY_WHOLE_PX = 640  # photos with a longer edge give their actual memory from a reduced copy
SUMMARY_PX = 448  # of this longer edge, so that it costs less than a tenth of the time from 1 MP on
# Most working memory a window pixel takes at width 32 in fp32. Growth of the process over a window of 1024 px square:
# 260, 426, 580 bytes a pixel at widths 32, 64, 96; in bf16 206, 249, 352, which half of this covers.
_BYTES_PER_WINDOW_PX = 450


class RestoreError(ValueError):
    """The request cannot be carried out; the message says why."""


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What to do with a picture.

    Args:
        task: a key of :data:`core.model.catalog.TASKS`.
        model: folder or file of the model; None is the task's own.
        device: ``"auto"``, ``"cpu"``, ``"cuda:N"`` or ``"mps"``.
        precision: ``"auto"``, ``"fp32"`` or ``"bf16"``.
        tile_px: owned edge of a tile, at least 64; None chooses by free memory.
        focus: x, y, width, height in pixels, restored first.
        mute_memory: leave out what the network's memory adds.
        memory_edit: read other contents of the memory than those held; not together with ``mute_memory``.
        mask: (H, W) uint8 of the picture's size, where the damage is (255) and is not (0); None is unknown. For
            models trained with masks only.
        guess: where there is no mask, guess one first (:mod:`core.restoring.shadow_guess`); a picture in which no
            cast shadow is found comes back as it is. For shadows, and models trained with masks.
        only: (H, W) uint8 of the picture's size: what is restored at all (255), to the bit what is not (0), and how
            much between them.
        actual: (R, D) float32, what the slots are to hold of a photo instead of this one's own content: of another
            photo of the same place, from :attr:`core.restoring.memory_look.MemoryLook.actual`.
        scale: at which the damage is looked for: ``"auto"``, ``"1"`` (the photo itself), ``"1/2"``, ``"1/4"``, ...

    Raises:
        RestoreError: a tile too small, a memory both muted and edited or filled, a mask or a scale that is none.
    """

    task: str = "derain"
    model: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    tile_px: int | None = None
    focus: tiling.Region | None = None
    mute_memory: bool = False
    memory_edit: MemoryEdit | None = None
    mask: np.ndarray | None = field(default=None, compare=False, repr=False)  # arrays do not compare as one
    actual: np.ndarray | None = field(default=None, compare=False, repr=False)
    scale: str = scales.AUTO
    guess: bool = False
    only: np.ndarray | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.tile_px is not None and self.tile_px < SMALLEST_TILE_PX:
            raise RestoreError(f"tile {self.tile_px} px: need at least {SMALLEST_TILE_PX}")
        if self.mute_memory and self.memory_edit is not None:
            raise RestoreError("a muted memory cannot be edited: ask for one of both")
        if self.mute_memory and self.actual is not None:
            raise RestoreError("a muted memory holds no photo: ask for one of both")
        for mask in (self.mask, self.only):
            if mask is not None and (mask.ndim != 2 or mask.dtype != np.uint8):
                raise RestoreError(f"mask of {mask.shape} {mask.dtype}: need (height, width) uint8")
        if self.guess and self.task != GUESSED_TASK:
            raise RestoreError(f"a mask can be guessed for shadows, not for {self.task}")
        try:
            scales.check(self.scale)
        except scales.ScaleError as error:
            raise RestoreError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Restored:
    """The restored picture at full strength and how it came about."""

    pixels: np.ndarray  # (H, W, 3), the picture's depth
    task: str
    model_name: str
    model_sha256: str
    device: str
    precision: str
    tile_px: int
    seconds: float  # without loading the model and without pauses
    megapixels_per_s: float
    notes: tuple[str, ...]  # what the person should know, such as steps down the memory ladder
    memory: str = memory_edit.UNCHANGED  # what was read: see core.model.memory_edit.note
    mask: str = guidance.NO_MASK  # what told where the damage is: see core.data.guidance.note
    verdict: Verdict = NO_VERDICT  # what was found, at which scale, and how much of it is gone
    scale_asked: str = scales.WHOLE  # "auto" or the scale that was asked for
    only: str = guidance.NO_MASK  # what it was restricted to: see core.data.guidance.note
    guide: np.ndarray | None = field(
        default=None, compare=False, repr=False
    )  # (H, W) uint8, the mask that was used


def restore(picture: Picture, request: RestoreRequest, emit: Emit, control: JobControl) -> Restored:
    """Restore ``picture`` at the scale asked for, or at that where its damage is seen best.

    Emits :class:`RestoreStarted` for each pass, a :class:`TileDone` for each tile of the picture, a
    :class:`PassTile` for each of a reduced copy, :class:`Looked` once it is known what there is to do, and a
    :class:`LadderStep` whenever the device ran out of memory and the job went on with less. A picture in which
    nothing is found at ``"auto"`` comes back as it is.

    Raises:
        RestoreError, MemoryEditError, MaskError, DeviceError, CheckpointError: the request cannot be met.
        Cancelled: stopped by ``control``, which is asked between the network's blocks.
        RuntimeError, MemoryError: the device failed in a way less memory does not help.
    """
    height, width = picture.pixels.shape[:2]
    try:
        scales.check(request.scale, width, height)
    except scales.ScaleError as error:
        raise RestoreError(str(error)) from error
    network = Network(request, emit, control)
    if request.mask is not None:
        check_takes_masks(network.model)
        guidance.check_size(request.mask, width, height)
        guidance.check_marks(request.mask)
    if request.only is not None:
        guidance.check_size(request.only, width, height, "the mask of what to restore")
        guidance.check_marks(request.only, "the mask of what to restore")
    began = time.monotonic() - control.waited_s
    asked, note = request, guidance.note(request.mask)
    found_mask: shadow_guess.Guess | None = None
    if request.guess and request.mask is None:
        note = guidance.GUESSED
        found_mask = _guessed(picture.pixels, network, emit, control)
        request = replace(request, mask=None if found_mask is None else found_mask.mask)
        if found_mask is not None:
            network.notes.append(f"a shadow was found over {_percent(found_mask.share)} of the photo")
    if asked.guess and request.mask is None:
        network.notes.append("no cast shadow found, nothing changed")
        emit(Looked(NOTHING, scales.WHOLE, _NO_SHADOW.why))
        found = scaled.Found(picture.pixels, _NO_SHADOW, Measure(0.0, 0.0, None, 0.0))
    else:
        found = scaled.restore(picture.pixels, request, network, emit, control)
        if asked.guess and found_mask is not None:
            found = replace(found, verdict=_with_share(found.verdict, found_mask))
    pixels = found.pixels
    if request.only is not None:
        pixels = within(picture.pixels, pixels, request.only)
    seconds = max(time.monotonic() - control.waited_s - began, 1e-9)
    return Restored(
        pixels=pixels,
        task=request.task,
        model_name=network.model.name,
        model_sha256=network.model.sha256,
        device=network.device,
        precision=network.precision,
        tile_px=network.tile_px,
        seconds=seconds,
        megapixels_per_s=width * height / 1e6 / seconds,
        notes=tuple(network.notes),
        memory=_memory_note(request),
        mask=note,
        verdict=found.verdict,
        scale_asked=request.scale,
        only=guidance.note(request.only),
        guide=request.mask,
    )


def guess(
    picture: Picture, request: RestoreRequest, emit: Emit, control: JobControl
) -> shadow_guess.Guess | None:
    """The mask that restoring with ``request.guess`` would use; None where no cast shadow is found.

    Emits :class:`PassTile` while it looks. Raises what :func:`restore` raises.
    """
    return _guessed(picture.pixels, Network(replace(request, guess=True), emit, control), emit, control)


def _guessed(
    pixels: np.ndarray, network: Network, emit: Emit, control: JobControl
) -> shadow_guess.Guess | None:
    check_takes_masks(network.model)
    before = shadow_guess.copy_of(pixels)
    by = -(-pixels.shape[1] // before.shape[1])
    after, _seen = network.restore(before, None, None, scaled.PassEmit(emit, f"1/{by}" if by > 1 else "1"))
    control.checkpoint()
    return shadow_guess.guess(before, after, pixels.shape[1], pixels.shape[0])


_NO_SHADOW = Verdict(
    NOTHING,
    None,
    scales.WHOLE,
    "nothing in it is darker than its surroundings the way a cast shadow is",
    unchanged=True,
)


def _with_share(verdict: Verdict, found: shadow_guess.Guess) -> Verdict:
    """What was guessed says how much was found, unless the model can say it itself."""
    if verdict.found not in (None, NOTHING):
        return verdict
    return replace(verdict, found=MUCH if found.share >= _MUCH_SHARE else LITTLE)


def can_guess(model: Path, task: str) -> bool:
    """Whether :attr:`RestoreRequest.guess` may be asked of a model; False as well where it cannot be loaded."""
    if task != GUESSED_TASK:
        return False
    try:
        return load_model(model, "cpu", choose_precision("auto", "cpu")).provenance.get("guidance") is True
    except (checkpoint.CheckpointError, RuntimeError, MemoryError):
        return False  # restoring says what is wrong with it


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"


def preview(
    picture: Picture, request: RestoreRequest, control: JobControl, want_pixels: bool = True
) -> tuple[Verdict, np.ndarray]:
    """What there is in ``picture``, and where wanted what it looks like without it: (H, W, 3) in its depth.

    Takes about a second at 12 megapixels. Raises as :func:`restore`.
    """
    network = Network(request, ignore, control)
    if request.guess and request.mask is None:
        guessed = _guessed(picture.pixels, network, ignore, control)
        if guessed is None:
            return _NO_SHADOW, picture.pixels
        told = _with_share(Verdict(), guessed)
        if not want_pixels:
            return told, picture.pixels
        request = replace(request, mask=guessed.mask)
        found = scaled.restore(picture.pixels, request, network, ignore, control)
        return _with_share(found.verdict, guessed), found.pixels
    found = scaled.preview(picture.pixels, request, network, control, want_pixels)
    return found.verdict, found.pixels


class Network:
    """The model on its device, for as many passes over as many copies of a photo as it takes."""

    def __init__(self, request: RestoreRequest, emit: Emit, control: JobControl) -> None:
        self.request, self.emit, self.control = request, emit, control
        self.path = request.model if request.model is not None else catalog.default_model(request.task)
        self.device = choose_device(request.device)
        self.precision = choose_precision(request.precision, self.device)
        self.tile_px = request.tile_px or 0
        self.notes: list[str] = []
        try:
            self.model = load_model(self.path, self.device, self.precision)
        except (RuntimeError, MemoryError) as error:
            if self.device == "cpu" or not is_out_of_memory(error):
                raise
            reason = _first_line(error)
        else:
            self._check_task()
            return
        # a device whose memory others have filled cannot even take the model
        self.device, self.precision = "cpu", choose_precision(request.precision, "cpu")
        self.model = load_model(self.path, self.device, self.precision)
        self._check_task()
        self.notes.append("the device had no memory for the model; used the processor")
        emit(LadderStep(reason, "cpu", self.tile_px))

    def _check_task(self) -> None:
        if self.model.task != self.request.task:
            raise RestoreError(
                f"model {self.model.name} is for {self.model.task}, not for {self.request.task}"
            )

    @property
    def thresholds(self) -> Thresholds | None:
        """The model's own; none for a memory that is muted, whose responses they were not measured on."""
        return None if self.request.mute_memory else Thresholds.of(self.model.provenance)

    def restore(
        self, pixels: np.ndarray, mask: np.ndarray | None, focus: tiling.Region | None, emit: Emit
    ) -> tuple[np.ndarray, Measure]:
        """One pass over all of a photo or copy (H, W, 3); its pixels in their depth and what was seen."""
        request = replace(self.request, mask=mask, focus=focus)
        job = _Job(pixels, request, self.model, self.device, self.precision, emit, self.control)
        out = job.run()
        self.model, self.device, self.precision, self.tile_px = (
            job.model,
            job.device,
            job.precision,
            job.tile_px,
        )
        self.notes += job.notes
        if mask is not None and self.request.task == GUESSED_TASK:
            out = shadow_light.relit(pixels, mask, out)
        return out, job.seen()

    def look(self, windows: np.ndarray, masks: np.ndarray | None) -> Measure:
        """What a pass sees in a few windows (N, H, W, 3) uint16 of one photo, edges multiples of the stride."""
        with torch.inference_mode():
            x = torch.cat([to_tensor(window, self.device) for window in windows])
            guide = None
            if masks is not None:
                guide = torch.cat([to_tensor(mask[..., None], self.device) for mask in masks])
            output = self.model.network(
                x,
                guide,
                group=len(windows),
                edit=_rows(self.request, self.model),
                mute_memory=self.request.mute_memory,
                between=self.control.checkpoint,
            )
            tally = _Tally()
            tally.add(x, output.restored, output.address, (slice(None), slice(None)))
            return tally.measure()


def load_model(path: Path, device: str, precision: str) -> checkpoint.LoadedModel:
    """The model, kept in memory between photos as long as its file does not change."""
    file = path / checkpoint.WEIGHTS_FILE if path.is_dir() else path
    try:
        stat = file.stat()
    except OSError as error:
        raise checkpoint.CheckpointError(f"{path}: no model here: {error}") from error
    try:
        measured_ns = file.with_name(checkpoint.CONFIG_FILE).stat().st_mtime_ns
    except OSError:
        measured_ns = 0
    return _load(path, stat.st_mtime_ns + measured_ns, stat.st_size, device, precision)


@lru_cache(maxsize=2)
def _load(path: Path, _changed_ns: int, _size: int, device: str, precision: str) -> checkpoint.LoadedModel:
    model = checkpoint.load(path, device)
    model.network.to(dtype_of(precision))
    return model


def check_takes_masks(model: checkpoint.LoadedModel) -> None:
    """Raises RestoreError unless the model's record says ``"guidance": true``: to a network that has never seen
    a mask in training, its channel is noise that ruins the picture."""
    if model.provenance.get("guidance") is not True:
        raise RestoreError(f"model {model.name} was trained without masks and cannot use one")


class _Job:
    def __init__(
        self,
        pixels: np.ndarray,
        request: RestoreRequest,
        model: checkpoint.LoadedModel,
        device: str,
        precision: str,
        emit: Emit,
        control: JobControl,
    ) -> None:
        control.checkpoint()
        self.pixels, self.request, self.model = pixels, request, model
        self.device, self.precision, self.emit, self.control = device, precision, emit, control
        self.height, self.width = pixels.shape[:2]
        self.halo_px = model.network.config.halo_px
        self.tile_px = request.tile_px or tile_for(model.network, self.width, self.height, device, precision)
        self.edit = _rows(request, model)
        self.notes: list[str] = []
        self.summary: torch.Tensor | None = None  # the actual memory, shared by the tiles
        self.tally = _Tally()
        if request.actual is not None:
            self.summary = given_actual(request.actual, model, device)

    def seen(self) -> Measure:
        """What the pass saw, once it has run."""
        return self.tally.measure()

    def run(self) -> np.ndarray:
        tiles = tiling.plan(self.width, self.height, self.tile_px, STRIDE_PX, self.request.focus)
        # what is to be done, with the tile of the first plan that it is a part of
        pending = deque((tile, tile) for tile in tiles)
        self.emit(
            RestoreStarted(
                self.width, self.height, len(tiles), self.tile_px, self.halo_px, self.device, self.precision
            )
        )
        out = np.empty_like(self.pixels)
        began = self._worked_s()
        done, done_px, total_px = 0, 0, self.width * self.height
        aside_s = 0.0  # what was worked before the tiles says nothing about those left
        while pending:
            self.control.checkpoint()
            tile, whole = pending.popleft()
            try:
                if self.summary is None and self._needs_summary(tile):
                    since = self._worked_s()
                    self.summary = self._summarise()
                    aside_s += self._worked_s() - since
                pixels = self._restore_tile(tile)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = _first_line(error)
            else:
                out[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] = pixels
                done += 1
                done_px += tile.width * tile.height
                left = (self._worked_s() - began - aside_s) * (total_px - done_px) / done_px
                self.emit(
                    TileDone(done, done + len(pending), tile.x, tile.y, tile.width, tile.height, pixels, left)
                )
                continue
            # outside the except block, so that the failed tile's tensors are let go first
            pending.appendleft((tile, whole))
            had_device = self.device
            self._step_down(reason)
            if self.device != had_device:  # with room again: what was cut up for the old one is put together
                pending = _rejoined(pending)
            pending = deque(
                (part, whole)
                for waiting, whole in pending
                for part in tiling.split(waiting, self.tile_px, STRIDE_PX)
            )
        return out

    def _worked_s(self) -> float:
        """A clock that stands still while the job is paused."""
        return time.monotonic() - self.control.waited_s

    def _needs_summary(self, tile: tiling.Tile) -> bool:
        """A tile that is all of a photo too small to be reduced holds its own actual memory."""
        memory = self.model.network.memory
        if self.request.mute_memory or memory is None or not memory.actual:
            return False
        return (tile.width, tile.height) != (self.width, self.height) or is_reduced(self.width, self.height)

    def _summarise(self) -> torch.Tensor:
        """The photo's own content, (1, R, D), from a copy of bounded size, seen in pieces no larger than a tile:
        so it takes no more memory than what comes after it, and the ladder holds for it too."""
        memory = self.model.network.memory
        assert memory is not None
        with torch.inference_mode():
            address, told = summary_address(
                self.model.network,
                self.pixels,
                self.request.mask,
                self.tile_px,
                self.device,
                self.control.checkpoint,
            )
            return memory.summarise(address, told)

    def _restore_tile(self, tile: tiling.Tile) -> np.ndarray:
        region = tiling.window(tile, self.width, self.height, self.halo_px, STRIDE_PX)
        with torch.inference_mode():
            x, guide = network_input(self.pixels, self.request.mask, region, self.device)
            output = self.model.network(
                x,
                guide,
                None if self.summary is None else self.summary.to(x.device),
                edit=self.edit,
                mute_memory=self.request.mute_memory,
                between=self.control.checkpoint,
            )
            owned = tiling.owned(tile, region)
            self.tally.add(x, output.restored, output.address, owned)
            return to_pixels(output.restored[..., *owned], self.pixels.dtype)

    def _step_down(self, reason: str) -> None:
        """Smaller tiles first, then the processor; raises MemoryError when there is nothing below."""
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
        gc.collect()
        largest_used = min(self.tile_px, max(self.width, self.height))
        if largest_used > SMALLEST_TILE_PX:
            self.tile_px = max(SMALLEST_TILE_PX, largest_used // 2 // STRIDE_PX * STRIDE_PX)
            note = f"memory ran short; went on with tiles of {self.tile_px} px"
        elif self.device != "cpu":
            self.device = "cpu"
            self.precision = choose_precision(self.request.precision, "cpu")
            path = self.request.model or catalog.default_model(self.request.task)
            self.model = load_model(path, self.device, self.precision)
            self.tile_px = self.request.tile_px or tile_for(
                self.model.network, self.width, self.height, "cpu", self.precision
            )
            note = "the device's memory ran short even for small tiles; went on with the processor"
        else:
            raise MemoryError(f"not enough memory even for tiles of {self.tile_px} px: {reason}")
        self.say(LadderStep(reason, self.device, self.tile_px), note)

    def say(self, step: LadderStep, note: str) -> None:
        self.notes.append(note)
        self.emit(step)


def given_actual(actual: np.ndarray, model: checkpoint.LoadedModel, device: str) -> torch.Tensor:
    """(1, R, D) of :attr:`RestoreRequest.actual`. Raises RestoreError when the model has no room for it."""
    memory = model.network.memory
    if memory is None or not memory.actual:
        raise RestoreError(
            f"model {model.name} has no memory of the photo at hand that another could stand in for"
        )
    need = (2 * sum(memory.slots), model.network.config.memory_dim)
    if actual.shape != need or not np.isfinite(actual).all():
        raise RestoreError(
            f"content of another photo {actual.shape}: model {model.name} needs {need}, made by the same model"
        )
    return torch.from_numpy(np.ascontiguousarray(actual, np.float32)).to(device).unsqueeze(0)


def _memory_note(request: RestoreRequest) -> str:
    found = memory_edit.note(request.memory_edit, request.mute_memory)
    return found if request.actual is None else f"{found}, holding another photo"


def network_input(
    pixels: np.ndarray, mask: np.ndarray | None, region: tiling.Region, device: str
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What the network sees of a region of a picture and, where there is one, of its mask."""
    x = to_tensor(tiling.cut(pixels, region), device)
    if mask is None:
        return x, None
    return x, to_tensor(tiling.cut(mask[..., None], region), device)


def summary_address(
    network: MemoryNet,
    pixels: np.ndarray,
    mask: np.ndarray | None,
    tile_px: int,
    device: str,
    between: Callable[[], None],
) -> tuple[Address, torch.Tensor | None]:
    """Where the places of a photo (H, W, 3) look that its actual memory is collected from, and what its mask (H, W)
    says of them: both as :meth:`core.model.memory.PrototypeMemory.summarise` takes them, on the grid of :func:`reduced_copy`.
    """
    pixels = reduced_copy(pixels)
    mask = None if mask is None else reduced_mask(mask)
    height, width = pixels.shape[:2]
    canvas: dict[str, torch.Tensor] = {}
    for tile in tiling.plan(width, height, tile_px, STRIDE_PX):
        region = tiling.window(tile, width, height, network.config.halo_px, STRIDE_PX)
        x, guide = network_input(pixels, mask, region, device)
        address = network.address(x, guide, between=between)
        grid = address.query.shape[-2:]
        found = {
            "query": address.query,
            "value": address.value,
            "weights": address.weights.transpose(1, 2).unflatten(2, grid),  # (1, R, h, w)
            "logit": address.polarity_logit.unsqueeze(1),
        }
        if guide is not None:
            found["told"] = functional.avg_pool2d(guide, STRIDE_PX)
        for name, values in found.items():
            # in the picture's own order, not piece by piece: sums in another order round otherwise,
            # and in bf16 the network makes whole levels of that
            if name not in canvas:
                size = -(-height // STRIDE_PX), -(-width // STRIDE_PX)
                canvas[name] = values.new_empty((1, values.shape[1], *size))
            _put(canvas[name], values, tile, region)
    whole = Address(
        query=canvas["query"],
        value=canvas["value"],
        weights=canvas["weights"].flatten(2).transpose(1, 2).contiguous(),
        polarity_logit=canvas["logit"][:, 0],
    )
    return whole, canvas.get("told")


class _Tally:
    """Sums over the memory's cells (8 x 8 px) of what passes saw and changed."""

    def __init__(self) -> None:
        self.changes2 = self.weighted = self.responses = 0.0
        self.cells = 0
        self.has_memory = False

    def add(
        self, x: torch.Tensor, restored: torch.Tensor, address: Address | None, owned: tuple[slice, slice]
    ) -> None:
        """``x`` and ``restored`` (B, 3, H, W) in 0..1; of them the ``owned`` rows and columns count."""
        change = (restored[..., *owned].clamp(0, 1) - x[..., *owned]).abs().mul(255)
        cells = functional.avg_pool2d(change.mean(1, keepdim=True), STRIDE_PX, ceil_mode=True)[:, 0]
        self.changes2 += float(change.square().mean()) * cells.numel()
        self.cells += cells.numel()
        if address is None:  # no memory, or it is muted: every place has the same say
            self.weighted += float(cells.sum())
            self.responses += cells.numel()
            return
        self.has_memory = True
        top, left = ((side.start or 0) // STRIDE_PX for side in owned)
        rows, columns = cells.shape[-2:]
        response = torch.sigmoid(address.polarity_logit[:, top : top + rows, left : left + columns])
        self.weighted += float((cells * response).sum())
        self.responses += float(response.sum())

    def measure(self) -> Measure:
        return Measure.of(self.changes2, self.weighted, self.responses, self.cells, self.has_memory)


def _rows(request: RestoreRequest, model: checkpoint.LoadedModel) -> RowEdit | None:
    """What a request's edit does to this model's memory; None where it changes nothing."""
    edit, config = request.memory_edit, model.network.config
    return edit.rows(config) if edit is not None and edit.changes(config) else None


def is_reduced(width: int, height: int) -> bool:
    """Whether the actual memory of a photo of this size is made from a smaller copy of it."""
    return max(width, height) > SUMMARY_WHOLE_PX


def reduced_copy(pixels: np.ndarray) -> np.ndarray:
    """What the actual memory is made from: the photo (H, W, 3) itself, or a copy of longer edge SUMMARY_PX."""
    height, width = pixels.shape[:2]
    if not is_reduced(width, height):
        return pixels
    return cv2.resize(pixels, reduced_size(width, height), interpolation=cv2.INTER_AREA)


def reduced_mask(mask: np.ndarray) -> np.ndarray:
    """What the actual memory is split by: the mask (H, W) itself, or a copy as small as the picture's."""
    height, width = mask.shape
    if not is_reduced(width, height):
        return mask
    # 16 bit: a spot that is all the damage there is must not round to a mask that says nothing
    return cv2.resize(mask.astype(np.uint16) * 257, reduced_size(width, height), interpolation=cv2.INTER_AREA)


def reduced_size(width: int, height: int) -> tuple[int, int]:
    """Of the copy of a photo that :func:`is_reduced`."""
    scale = SUMMARY_PX / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _put(canvas: torch.Tensor, grid: torch.Tensor, tile: tiling.Tile, region: tiling.Region) -> None:
    """Positions of a window on the memory's grid (..., h, w): those that the tile owns into their place."""
    rows, columns = -(-tile.height // STRIDE_PX), -(-tile.width // STRIDE_PX)
    left, top = tile.x // STRIDE_PX, tile.y // STRIDE_PX
    inner_left, inner_top = left - region[0] // STRIDE_PX, top - region[1] // STRIDE_PX
    canvas[..., top : top + rows, left : left + columns] = grid[
        ..., inner_top : inner_top + rows, inner_left : inner_left + columns
    ]


def _rejoined(pending: Iterable[tuple[tiling.Tile, tiling.Tile]]) -> deque[tuple[tiling.Tile, tiling.Tile]]:
    """Parts of tiles, each with its whole: wholes of which every part is still waiting stand for their parts."""
    parts_of: dict[tiling.Tile, list[tiling.Tile]] = {}
    for part, whole in pending:
        parts_of.setdefault(whole, []).append(part)
    joined: deque[tuple[tiling.Tile, tiling.Tile]] = deque()
    for whole, parts in parts_of.items():
        waiting_px = sum(part.width * part.height for part in parts)
        joined.extend(
            (part, whole) for part in ([whole] if waiting_px == whole.width * whole.height else parts)
        )
    return joined


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """torch says so with a RuntimeError; only its text tells an exhausted device from a bug."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return speaks_of_short_memory(str(error))


def tile_for(network: MemoryNet, width: int, height: int, device: str, precision: str) -> int:
    """Largest tile that takes at most a third of the free memory, within bounds that keep progress fine."""
    if device.startswith("cuda"):
        free = torch.cuda.mem_get_info(torch.device(device))[0]
    else:
        free = psutil.virtual_memory().available
    per_px = _BYTES_PER_WINDOW_PX * network.config.width / 32 * (0.5 if precision == "bf16" else 1.0)
    window_edge = int((free / 3 / per_px) ** 0.5)
    edge = min(LARGEST_TILE_PX, window_edge - 2 * network.config.halo_px) // STRIDE_PX * STRIDE_PX
    edge = max(SMALLEST_TILE_PX, edge)
    # tiles of equal size waste less than one large and one thin rest
    longest = max(width, height)
    count = -(-longest // edge)
    even = -(-longest // count)
    return max(SMALLEST_TILE_PX, min(edge, -(-even // STRIDE_PX) * STRIDE_PX))
