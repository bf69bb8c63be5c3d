"""Passes of a network over a photo, tile by tile: what they see, and how they go on when memory runs short.

Pixels stay in their stored depth; floating point exists for one tile at a time.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import psutil
import torch
from torch.nn import functional

from core import tasks
from core.data import taught as taughts
from core.events import LadderStep, RestoreStarted, TileDone
from core.jobs import Emit, JobControl
from core.model import catalog, checkpoint
from core.model.config import STRIDE_PX
from core.model.memory import Address, RowEdit
from core.model.network import MemoryNet
from core.model.tensors import choose_device, choose_precision, dtype_of, to_pixels, to_tensor
from core.problems import speaks_of_short_memory
from core.restoring import scales, shadow_light, smear, tiling
from core.restoring.records import SMALLEST_TILE_PX, RestoreError, RestoreRequest
from core.restoring.verdict import Measure, Thresholds
from core.restoring.views import (
    given_actual,
    is_reduced,
    network_input,
    summary_address,
    taught_on_grid,
)

LARGEST_TILE_PX = 1024  # larger tiles gain little speed and make progress and cancelling coarse
# Most working memory a window pixel takes at width 32 in fp32. Growth of the process over a window of 1024 px square:
# 260, 426, 580 bytes a pixel at widths 32, 64, 96; in bf16 206, 249, 352, which half of this covers.
_BYTES_PER_WINDOW_PX = 450


class Network:
    """The model on its device, for as many passes over as many copies of a photo as it takes."""

    def __init__(self, request: RestoreRequest, emit: Emit, control: JobControl) -> None:
        self.request, self.emit, self.control = request, emit, control
        self.path = request.model if request.model is not None else catalog.default_model(request.task)
        self.device = choose_device(request.device)
        self.precision = choose_precision(request.precision, self.device)
        self.tile_px = request.tile_px or 0
        self.notes: list[str] = []
        self.responses: np.ndarray | None = None  # of the last pass, (h, w) float32 on the memory's grid
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
    def unsmears(self) -> bool:
        """Whether the network is to be shown photos with their smear undone."""
        return self.model.unsmears

    @property
    def thresholds(self) -> Thresholds | None:
        """The model's own; none for a memory that is muted, whose responses they were not measured on."""
        return None if self.request.mute_memory else Thresholds.of(self.model.provenance)

    def restore(
        self,
        pixels: np.ndarray,
        mask: np.ndarray | None,
        focus: tiling.Region | None,
        emit: Emit,
    ) -> tuple[np.ndarray, Measure]:
        """One pass over all of a photo or copy (H, W, 3); its pixels in their depth and what was seen."""
        # a place that is guessed is guessed by the model's own eye, and amended by what is taught then
        taught = None if self.request.guess and mask is None else self.request.taught
        if taught is not None:
            taught = taughts.reduced(taught, pixels.shape[1], pixels.shape[0])
        request = replace(self.request, mask=mask, focus=focus, taught=taught)
        job = _Job(pixels, request, self.model, self.device, self.precision, emit, self.control)
        out = job.run()
        self.model, self.device, self.precision, self.tile_px = (
            job.model,
            job.device,
            job.precision,
            job.tile_px,
        )
        self.notes += job.notes
        self.responses = job.responses if job.tally.has_memory else None
        if mask is not None and tasks.of(self.request.task).changes_light:
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


@lru_cache(maxsize=4)  # one for each task, for --task auto
def _load(path: Path, _changed_ns: int, _size: int, device: str, precision: str) -> checkpoint.LoadedModel:
    model = checkpoint.load(path, device)
    model.network.to(dtype_of(precision))
    return model


def shown(
    pixels: np.ndarray, model: checkpoint.LoadedModel, request: RestoreRequest, between: Callable[[], None]
) -> np.ndarray:
    """A photo or copy (H, W, 3) as the network is shown it to restore it: with a straight smear undone where the model learned
    from such photos, it is to be undone and can be told, else ``pixels`` itself."""
    return smear.sharper(pixels, between, request.smear) if model.unsmears and request.undo else pixels


def takes_masks(model: checkpoint.LoadedModel) -> bool:
    """Whether the model's record says ``"guidance": true``."""
    return model.provenance.get("guidance") is True


def check_takes_masks(model: checkpoint.LoadedModel) -> None:
    """Raises RestoreError unless the model takes masks: to a network that has never seen one in training, its channel
    is noise that ruins the picture."""
    if not takes_masks(model):
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
        self.tile_px = request.tile_px or self._tile_for()
        self.edit = _rows(request, model)
        self.notes: list[str] = []
        self.summary: torch.Tensor | None = None  # the actual memory, shared by the tiles
        self.tally = _Tally()
        grid = -(-self.height // STRIDE_PX), -(-self.width // STRIDE_PX)
        self.responses = np.zeros(grid, np.float32)
        if request.actual is not None:
            self.summary = given_actual(request.actual, model, device)

    def _tile_for(self) -> int:
        network, by_area = self.model.network, self.request.scale != scales.WHOLE
        return tile_for(network, self.width, self.height, self.device, self.precision, by_area=by_area)

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
        if self.request.taught is not None:  # which has a say in what is collected
            return True
        return (tile.width, tile.height) != (self.width, self.height) or is_reduced(self.width, self.height)

    def _summarise(self) -> torch.Tensor:
        """The photo's own content, (1, R, D), from a copy of bounded size, seen in pieces no larger than a tile:
        so it takes no more memory than what comes after it, and the ladder holds for it too."""
        memory = self.model.network.memory
        assert memory is not None
        with torch.inference_mode():
            address, guide = summary_address(
                self.model.network,
                self.pixels,
                self.request.mask,
                self.tile_px,
                self.device,
                self.control.checkpoint,
                self.request.taught,
            )
            return memory.summarise(address, guide)

    def _restore_tile(self, tile: tiling.Tile) -> np.ndarray:
        region = tiling.window(tile, self.width, self.height, self.halo_px, STRIDE_PX)
        owned = tiling.owned(tile, region)
        with torch.inference_mode():
            x, guide = network_input(self.pixels, self.request.mask, region, self.device)
            output = self.model.network(
                x,
                guide,
                None if self.summary is None else self.summary.to(x.device),
                edit=self.edit,
                mute_memory=self.request.mute_memory,
                taught=taught_on_grid(self.request.taught, region, x.device, guide is not None),
                between=self.control.checkpoint,
            )
            responses = self.tally.add(x, output.restored, output.address, owned)
            if responses is not None:
                rows, columns = responses.shape[-2:]
                top, left = tile.y // STRIDE_PX, tile.x // STRIDE_PX
                self.responses[top : top + rows, left : left + columns] = responses[0].float().cpu().numpy()
            return to_pixels(output.restored[..., *owned], self.pixels.dtype)

    def _step_down(self, reason: str) -> None:
        """Smaller tiles first, then the processor; raises MemoryError when there is nothing below."""
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
        gc.collect()
        largest_used = min(self.tile_px, max(self.width, self.height))
        if largest_used > SMALLEST_TILE_PX:
            self.tile_px = max(SMALLEST_TILE_PX, largest_used // 2 // STRIDE_PX * STRIDE_PX)
            note = f"memory ran short; went on with pieces of {self.tile_px} px"
        elif self.device != "cpu":
            self.device = "cpu"
            self.precision = choose_precision(self.request.precision, "cpu")
            path = self.request.model or catalog.default_model(self.request.task)
            self.model = load_model(path, self.device, self.precision)
            self.tile_px = self.request.tile_px or self._tile_for()
            note = "the device's memory ran short even for small pieces; went on with the processor"
        else:
            raise MemoryError(f"not enough memory even for pieces of {self.tile_px} px: {reason}")
        self._report(LadderStep(reason, self.device, self.tile_px), note)

    def _report(self, step: LadderStep, note: str) -> None:
        self.notes.append(note)
        self.emit(step)


class _Tally:
    """Sums over the memory's cells (8 x 8 px) of what passes saw and changed."""

    def __init__(self) -> None:
        self.changes2 = self.weighted = self.responses = 0.0
        self.cells = 0
        self.has_memory = False

    def add(
        self, x: torch.Tensor, restored: torch.Tensor, address: Address | None, owned: tuple[slice, slice]
    ) -> torch.Tensor | None:
        """``x`` and ``restored`` (B, 3, H, W) in 0..1; of them the ``owned`` rows and columns count. Returns the negative responses
        of their cells (B, h, w), None without a memory."""
        change = (restored[..., *owned].clamp(0, 1) - x[..., *owned]).abs().mul(255)
        cells = functional.avg_pool2d(change.mean(1, keepdim=True), STRIDE_PX, ceil_mode=True)[:, 0]
        self.changes2 += float(change.square().mean()) * cells.numel()
        self.cells += cells.numel()
        if address is None:  # no memory, or it is muted: every place has the same say
            self.weighted += float(cells.sum())
            self.responses += cells.numel()
            return None
        self.has_memory = True
        top, left = ((side.start or 0) // STRIDE_PX for side in owned)
        rows, columns = cells.shape[-2:]
        response = torch.sigmoid(address.polarity_logit[:, top : top + rows, left : left + columns])
        self.weighted += float((cells * response).sum())
        self.responses += float(response.sum())
        return response

    def measure(self) -> Measure:
        return Measure.of(self.changes2, self.weighted, self.responses, self.cells, self.has_memory)


def _rows(request: RestoreRequest, model: checkpoint.LoadedModel) -> RowEdit | None:
    """What a request's edit does to this model's memory; None where it changes nothing."""
    edit, config = request.memory_edit, model.network.config
    return edit.rows(config) if edit is not None and edit.changes(config) else None


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


def tile_for(
    network: MemoryNet, width: int, height: int, device: str, precision: str, *, by_area: bool = False
) -> int:
    """Largest tile that takes at most a third of the free memory, within bounds that keep progress fine.

    ``by_area``: not a tile's edge is bound but the pixels of its window, so that a copy that is little longer than the largest
    tile is one tile, without a halo and with its own content from the one pass. Tiles differ in the last bit, so a photo
    whose scale is named as 1 keeps those it always had.
    """
    if device.startswith("cuda"):
        free = torch.cuda.mem_get_info(torch.device(device))[0]
    else:
        free = psutil.virtual_memory().available
    per_px = _BYTES_PER_WINDOW_PX * network.config.width / 32 * (0.5 if precision == "bf16" else 1.0)
    window_edge = int((free / 3 / per_px) ** 0.5)
    halo_px = network.config.halo_px
    edge = min(LARGEST_TILE_PX, window_edge - 2 * halo_px) // STRIDE_PX * STRIDE_PX
    edge = max(SMALLEST_TILE_PX, edge)
    # tiles of equal size waste less than one large and one thin rest
    longest = max(width, height)
    count = -(-longest // edge)
    if by_area:
        bound_px = (edge + 2 * halo_px) ** 2
        count = next(
            n for n in range(1, count + 1) if n == count or _window_px(width, height, n, halo_px) <= bound_px
        )
        edge = -(-longest // STRIDE_PX) * STRIDE_PX
    even = -(-longest // count)
    return max(SMALLEST_TILE_PX, min(edge, -(-even // STRIDE_PX) * STRIDE_PX))


def _window_px(width: int, height: int, count: int, halo_px: int) -> int:
    """Pixels of the largest window of tiles of which ``count`` lie along the longer edge."""
    edge = -(-max(width, height) // count)

    def side(length: int) -> int:
        if length <= edge:
            return length
        return min(length, edge + halo_px * (1 if length <= 2 * edge else 2))

    return side(width) * side(height)
