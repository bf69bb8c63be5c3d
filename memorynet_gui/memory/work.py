"""What the Memory page runs on the worker: open a photo, restore it, look at the result, try changes of the memory.

Plain functions of frozen orders, as the runner takes them. What is slow to load (OpenCV, torch) they import
themselves: the page needs only the records here to be there at once.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core import tasks
from core.events import TileDone
from core.jobs import Emit, JobControl
from core.model import slot_names
from core.model.memory_edit import LEAST_THOROUGH, MemoryEdit, thorough
from core.model.slot_names import SlotKey, SlotNote
from core.restoring.scales import AUTO
from memorynet_gui.base.page import PhotoAtHand
from memorynet_gui.base.taught_store import TaughtStore

if TYPE_CHECKING:
    from core.images.io import Picture
    from core.model.exemplars import SampleMemory
    from core.model.health import MemoryHealth
    from core.restoring.memory.map import MemoryMap
    from core.restoring.memory.places import PlaceSeen
    from core.restoring.memory.probe import Change, Probe
    from core.restoring.memory.record import MemoryLook
    from core.restoring.memory.slots import SlotFacts
    from core.restoring.memory.usage import Usage
    from core.restoring.records import Choice, RestoreRequest
    from core.restoring.verdict import Verdict

log = logging.getLogger(__name__)

Region = tuple[int, int, int, int]
CELL_PX = 8  # of the memory's grid, in pixels of what it sees


@dataclass(frozen=True, slots=True)
class Subject:
    """Which photo is looked at, and with which model; equal orders give equal answers."""

    path: Path
    choice: Choice
    state: object = None  # of the photo where it came from: another one is another order
    verdict: Verdict | None = None  # of the result that came with it


@dataclass(frozen=True, slots=True)
class PhotoOpened:
    """An event: the photo is decoded. Both are (H, W, 3) uint8 sRGB."""

    rgb: np.ndarray
    restored_rgb: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Bench:
    """A photo that can be questioned. ``picture`` and ``probe`` are for the worker.

    The memory sees it at the scale of its damage: ``look``, ``probe`` and ``seen_rgb`` are of the copy whose pixels are
    the mean of ``by`` x ``by`` of the photo's.
    """

    subject: Subject
    picture: Picture
    rgb: np.ndarray  # (H, W, 3) uint8 sRGB
    by: int  # 1: the photo itself
    seen: Picture
    seen_rgb: np.ndarray  # (h, w, 3) uint8 sRGB
    look: MemoryLook
    probe: Probe
    request: RestoreRequest  # without a mask
    mask: (
        np.ndarray | None
    )  # (H, W) uint8: where a shadow is known to lie, painted or guessed as restoring does
    guesses: bool  # a mask is guessed, for none is painted
    samples: SampleMemory | None
    without_samples: str  # why there are none, as a sentence
    slots: tuple[SlotFacts, ...]
    health: MemoryHealth  # as this photo uses it
    names: Mapping[SlotKey, SlotNote]  # what a person calls slots of this model
    map: MemoryMap
    key: str  # of what is taught about this photo, see TaughtStore
    taught: np.ndarray | None  # (H, W), what was taught earlier
    restored: np.ndarray | None  # (H, W, 3) in the file's depth, with the memory as it is
    restored_rgb: np.ndarray | None
    truth: np.ndarray | None = field(default=None, repr=False)  # (H, W, 3), the photo undamaged
    is_plain: bool = True  # what was restored elsewhere is of this choice alone, over all of the photo

    @property
    def cell_px(self) -> int:
        """Edge of a cell of the memory's grid, in pixels of the photo."""
        return CELL_PX * self.by

    def in_copy(self, at: tuple[int, int]) -> tuple[int, int]:
        """A pixel of the photo as one of what the memory sees."""
        return min(at[0] // self.by, self.look.width - 1), min(at[1] // self.by, self.look.height - 1)

    def place(self, spot: Region) -> PlaceSeen:
        """Everything about a place or region of the photo, from what is recorded; of a place width and height are 0."""
        return self.look.region(*self.region(spot))

    def region(self, spot: Region) -> Region:
        """A place or region of the photo as a region of what the memory sees, within it."""
        x, y = self.in_copy(spot[:2])
        last_x, last_y = self.in_copy((spot[0] + max(1, spot[2]) - 1, spot[1] + max(1, spot[3]) - 1))
        return x, y, last_x + 1 - x, last_y + 1 - y

    def in_photo(self, region: Region) -> Region:
        """A region of what the memory sees, in pixels of the photo."""
        height, width = self.rgb.shape[:2]
        x, y, w, h = (value * self.by for value in region)
        return x, y, min(w, width - x), min(h, height - y)

    @property
    def is_comparable(self) -> bool:
        """Whether what was restored elsewhere was made as changes are tried: in one pass at this scale."""
        return (
            self.is_one_pass
            and self.is_plain
            and self.restored is not None
            and self.taught is None
            and not np.array_equal(self.restored, self.picture.pixels)
        )

    @property
    def is_one_pass(self) -> bool:
        """Whether restoring goes over the photo once, at the scale that is looked at: told where a shadow lies, it does."""
        return self.mask is not None if self.takes_masks else self.by == 1

    @property
    def takes_masks(self) -> bool:
        return tasks.of(self.subject.choice.task).takes_masks

    def check(self, edit: MemoryEdit) -> None:
        """Raises MemoryEditError for an edit of slots that this model does not have."""
        self.probe.check(thorough(self.subject.choice.thoroughness, edit))


@dataclass(frozen=True, slots=True)
class Base:
    """The photo restored with the memory as it is."""

    pixels: np.ndarray
    rgb: np.ndarray
    verdict: Verdict | None = None
    is_comparable: bool = True  # made in one pass at the scale that is looked at, as changes are


@dataclass(frozen=True, slots=True)
class Twin:
    """The same photo with another model, looked at on the same scale."""

    look: MemoryLook
    health: MemoryHealth
    slots: tuple[SlotFacts, ...]
    base: Base
    after: MemoryLook  # of the photo as this model restores it


@dataclass(frozen=True, slots=True)
class TileArrived:
    """An event: a tile of a restoration, ready for the screen."""

    x: int
    y: int
    rgb: np.ndarray
    index: int
    count: int
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Tried:
    """A change of the memory tried on a part of the photo, or on all of it."""

    region: Region
    rgb: np.ndarray  # (h, w, 3) uint8 sRGB of the region
    change: Change  # against the memory as it is
    psnr_gain_db: float | None  # where the truth is known
    is_whole: bool


@dataclass(frozen=True, slots=True)
class PlaceEffect:
    """What the memory does to the pixels around a place."""

    spot: Region  # as it was asked for
    of_memory: Change  # with it against without it
    with_rgb: np.ndarray = field(repr=False)  # (h, w, 3) uint8 sRGB, what was compared
    without_rgb: np.ndarray = field(repr=False)


@dataclass(frozen=True, slots=True)
class SlotEffect:
    """What muting one slot changes where this photo uses it most."""

    row: int
    region: Region
    change: Change
    psnr_gain_db: float | None  # of muting it


@dataclass(frozen=True, slots=True)
class Trial:
    """How the memory is to be read instead."""

    edit: MemoryEdit | None = None
    other: np.ndarray | None = field(default=None, repr=False)  # (R, D): another photo's content
    other_name: str = ""
    taught: np.ndarray | None = field(default=None, repr=False)  # (H, W): what is damage and what is not

    @property
    def changes(self) -> bool:
        changed = self.edit is not None and bool(self.edit.steps)
        return changed or self.other is not None or self.taught is not None

    def full_edit(self, thoroughness: float) -> MemoryEdit | None:
        """With what the photo is restored with anyway. Raises MemoryEditError where the two do not go together."""
        return thorough(thoroughness, self.edit)


def open_photo(
    subject: Subject,
    at_hand: PhotoAtHand | None,
    reference: Path | None,
    store: TaughtStore,
    emit: Emit,
    control: JobControl,
) -> Bench:
    """Read a photo and look at it as the memory does; under Auto with the model of what it shows most. Emits PhotoOpened and
    LookProgress.

    Args:
        at_hand: what another page knows of it: its result, and what was painted.

    Raises ImageError, MaskError, CatalogError, CheckpointError, RestoreError, Cancelled.
    """
    from core.images import io as image_io

    control.checkpoint()
    picture = image_io.read(subject.path)
    rgb = image_io.to_srgb(picture.pixels, picture.icc)
    restored = at_hand.result() if at_hand is not None and at_hand.result is not None else None
    if restored is not None and (restored.shape, restored.dtype) != (
        picture.pixels.shape,
        picture.pixels.dtype,
    ):
        restored = None
    restored_rgb = None if restored is None else image_io.to_srgb(restored, picture.icc)
    emit(PhotoOpened(rgb, restored_rgb))
    control.checkpoint()
    from core.model import exemplars
    from core.restoring import scales
    from core.restoring.memory import look as memory_look
    from core.restoring.memory import map as memory_map
    from core.restoring.memory import probe as memory_probe
    from core.restoring.memory import slots as memory_slots
    from core.restoring.memory import usage as memory_usage

    if subject.choice.task == tasks.AUTO:
        subject = replace(subject, choice=_seen_choice(picture, subject.choice, control))
    model = subject.choice.model_path
    # without its thoroughness: that belongs to the changes that are tried, and is put on them
    request = replace(subject.choice, thoroughness=LEAST_THOROUGH, scale=AUTO).request(model=model)
    painted = at_hand.mask() if at_hand is not None and at_hand.mask is not None else None
    told = _told(picture, request, painted, control)
    scale = subject.choice.scale
    by = memory_look.scale_for(picture, told, control) if scale == AUTO else scales.divisor(scale)
    told = replace(told, scale=scales.name(by))
    seen, in_copy = memory_look.in_copy(picture, told, by)
    look = memory_look.look(seen, in_copy, emit, control)
    samples, without = exemplars.load_beside(model)
    key, known = _taught(subject, store, rgb.shape[:2])
    return Bench(
        subject,
        picture,
        rgb,
        by,
        seen,
        rgb if by == 1 else image_io.to_srgb(seen.pixels, picture.icc),
        look,
        memory_probe.Probe(seen, in_copy, look.actual),
        replace(told, mask=None, guess=False),
        told.mask,
        painted is None and (told.guess or told.mask is not None),
        samples,
        without or "",
        memory_slots.slot_facts(look, samples),
        memory_usage.health_of(look),
        _names(look),
        memory_map.memory_map(look, samples),
        key,
        known,
        restored,
        restored_rgb,
        _truth(reference, picture),
        at_hand is None or at_hand.is_plain,
    )


def _told(
    picture: Picture, request: RestoreRequest, painted: np.ndarray | None, control: JobControl
) -> RestoreRequest:
    """The request with the mask that restoring would use, see :func:`core.restoring.memory.look.guided`."""
    from core.restoring import restore
    from core.restoring.memory import look as memory_look

    guessing = restore.guessing(request)
    if guessing.guess and painted is not None:
        return replace(request, mask=painted)
    return memory_look.guided(picture, guessing, control)


def _seen_choice(picture: Picture, choice: Choice, control: JobControl) -> Choice:
    """Of a photo of which nobody said what it shows: what is most likely, even where restoring would ask."""
    from core.model.catalog import CatalogError
    from core.restoring import which

    paths = which.models()
    if not paths:
        raise CatalogError("no model is at hand")
    seen = which.look(picture, paths, control, device=choice.device, precision=choice.precision)
    chances = seen.chances
    return which.choice_of(choice, max(chances, key=lambda task: chances[task]), paths)


def _names(look: MemoryLook) -> dict[SlotKey, SlotNote]:
    try:
        return slot_names.read(look.model, look.model_sha256)
    except slot_names.SlotNamesError as error:  # no reason not to look
        log.warning("names of slots: %s", error)
        return {}


def _taught(subject: Subject, store: TaughtStore, size: tuple[int, ...]) -> tuple[str, np.ndarray | None]:
    """What was taught about a photo, and the key under which it is kept; "" where it cannot be kept."""
    try:
        key = store.key(subject.path, subject.choice.task)
    except OSError:
        return "", None
    known = store.get(key)
    return key, known if known is not None and known.shape == size else None


def _truth(reference: Path | None, picture: Picture) -> np.ndarray | None:
    from core.images import io as image_io

    if reference is None:
        return None
    try:
        truth = image_io.read(reference).pixels
    except image_io.ImageError:
        return None  # the Restore page says so where it is chosen
    return truth if (truth.shape, truth.dtype) == (picture.pixels.shape, picture.pixels.dtype) else None


def restore_base(bench: Bench, focus: Region | None, emit: Emit, control: JobControl) -> Base:
    """The photo restored as the Restore page would, with the memory as it is. Emits TileArrived."""
    # guessed anew, for the verdict tells what the guess has found
    mask = None if bench.guesses else bench.mask
    request = replace(
        bench.request,
        scale=AUTO,
        memory_edit=Trial().full_edit(bench.subject.choice.thoroughness),
        mask=mask,
        guess=bench.guesses,
        focus=focus,
    )
    return _made(bench, request, emit, control)


def restore_twin(bench: Bench, focus: Region | None, emit: Emit, control: JobControl) -> Base:
    """The photo restored as changes are tried: in one pass, at the scale that is looked at. Emits TileArrived."""
    return replace(_whole(bench, Trial(), focus, emit, control), is_comparable=True)


def look_after(bench: Bench, restored: np.ndarray, emit: Emit, control: JobControl) -> MemoryLook:
    """The restored photo as the memory sees it. Emits LookProgress."""
    from core.restoring import copies
    from core.restoring.memory import look as memory_look

    picture = replace(bench.picture, pixels=restored if bench.by == 1 else copies.reduced(restored, bench.by))
    return memory_look.look(picture, bench.request, emit, control)


def look_with(bench: Bench, model: Path, focus: Region | None, emit: Emit, control: JobControl) -> Twin:
    """The photo as another model of the task sees and restores it. Emits LookProgress and TileArrived.

    Raises RestoreError, CheckpointError, Cancelled.
    """
    from core.model import exemplars
    from core.restoring import copies
    from core.restoring.memory import look as memory_look
    from core.restoring.memory import slots as memory_slots
    from core.restoring.memory import usage as memory_usage

    painted = None if bench.guesses else bench.mask
    told = _told(bench.picture, replace(bench.request, model=model), painted, control)
    request = replace(told, mask=None, guess=False)
    guesses = painted is None and (told.guess or told.mask is not None)
    other = replace(bench, request=request, mask=told.mask, guesses=guesses)
    look = memory_look.look(*memory_look.in_copy(bench.picture, told, bench.by), emit, control)
    base = restore_base(other, focus, emit, control)
    restored = base.pixels if bench.by == 1 else copies.reduced(base.pixels, bench.by)
    after = memory_look.look(replace(bench.picture, pixels=restored), other.request, emit, control)
    samples, _without = exemplars.load_beside(model)
    slots = memory_slots.slot_facts(look, samples)
    return Twin(look, memory_usage.health_of(look), slots, base, after)


def try_region(bench: Bench, trial: Trial, region: Region, _emit: Emit, control: JobControl) -> Tried:
    """A part of the photo as it would be with the memory read so.

    Args:
        region: of what the memory sees.
    """
    from core.images import io as image_io

    before = _probed(bench, Trial(), region, control)
    after = _probed(bench, trial, region, control)
    whole = bench.in_photo(region)
    was = _carried(bench, region, before)
    is_now = _with_taught(bench, trial, whole, _carried(bench, region, after))
    return _tried(bench, whole, was, is_now, image_io.to_srgb(is_now, bench.picture.icc), False)


def _with_taught(bench: Bench, trial: Trial, region: Region, after: np.ndarray) -> np.ndarray:
    """The photo's own pixels where damage is denied; ``region`` in pixels of the photo."""
    from core.data import taught
    from core.images.blend import within

    x, y, w, h = region
    kept = None if trial.taught is None else taught.kept(trial.taught[y : y + h, x : x + w])
    return after if kept is None else within(bench.picture.pixels[y : y + h, x : x + w], after, kept)


def _carried(bench: Bench, region: Region, after: np.ndarray) -> np.ndarray:
    """A restored region of what the memory sees, carried up to the photo's own pixels."""
    from core.restoring import copies

    if bench.by == 1:
        return after
    x, y, w, h = region
    correction = copies.Correction(
        bench.seen.pixels[y : y + h, x : x + w],
        after,
        bench.by,
        tasks.of(bench.subject.choice.task).correction,
    )
    left, top, width, height = bench.in_photo(region)
    return correction.put(
        bench.picture.pixels[top : top + height, left : left + width], (0, 0, width, height)
    )


def try_whole(
    bench: Bench, base: np.ndarray, trial: Trial, focus: Region | None, emit: Emit, control: JobControl
) -> Tried:
    """All of the photo with the memory read so, against ``base`` (H, W, 3). Emits TileArrived."""
    found = _whole(bench, trial, focus, emit, control)
    height, width = base.shape[:2]
    return _tried(bench, (0, 0, width, height), base, found.pixels, found.rgb, True)


def place_effect(bench: Bench, spot: Region, _emit: Emit, control: JobControl) -> PlaceEffect:
    """Around a place, or within a region, of the photo, measured in what the memory sees; of a large region in its middle."""
    from core.images import io as image_io
    from core.restoring.memory.probe import around, change_between, preview_region

    look = bench.look
    if spot[2] and spot[3]:
        region = preview_region(bench.region(spot), look.width, look.height)
    else:
        region = around(*bench.in_copy(spot[:2]), look.width, look.height)
    with_memory = _probed(bench, Trial(), region, control)
    without = bench.probe.restore(region, mute_memory=True, control=control)
    with_rgb, without_rgb = (image_io.to_srgb(each, bench.picture.icc) for each in (with_memory, without))
    return PlaceEffect(spot, change_between(without, with_memory), with_rgb, without_rgb)


def slot_effects(bench: Bench, rows: Sequence[int], emit: Emit, control: JobControl) -> int:
    """Emits a SlotEffect for each slot; returns how many were measured."""
    for row in rows:
        control.checkpoint()
        emit(slot_effect(bench, row, emit, control))
    return len(rows)


def slot_effect(bench: Bench, row: int, _emit: Emit, control: JobControl) -> SlotEffect:
    """What muting a slot does around the place that looks it up most."""
    from core.restoring.memory.effects import muting, strongest_region
    from core.restoring.memory.probe import change_between

    region = strongest_region(bench.look, row)
    muted = Trial(muting(bench.look, row))
    before = _probed(bench, Trial(), region, control)
    after = _probed(bench, muted, region, control)
    whole = bench.in_photo(region)
    was, is_now = (_carried(bench, region, each) for each in (before, after))
    return SlotEffect(
        row,
        whole,
        change_between(before, after),
        _tried(bench, whole, was, is_now, is_now, False).psnr_gain_db,
    )


def folder_usage(bench: Bench, folder: Path, emit: Emit, control: JobControl) -> Usage:
    """How much each slot is used over the photos of a folder. Emits ItemStarted and ItemDone.

    Raises RestoreError: there is no photo that could be looked at.
    """
    from core.images import io as image_io
    from core.restoring.memory import usage as memory_usage
    from core.restoring.restore import RestoreError

    paths = sorted(image_io.find_images(folder, True))
    if not paths:
        raise RestoreError(f"{folder.name}: holds no photos")
    request = replace(bench.request, scale=AUTO, guess=bench.guesses)
    return memory_usage.usage_over(memory_usage.some_of(paths), request, emit, control)


def likeness_map(bench: Bench) -> MemoryMap:
    """Samples and slots of the model, what is alike together. Raises MissingExtra."""
    from core.restoring.memory import map as memory_map

    return memory_map.likeness_map(bench.look, bench.samples)


def other_content(bench: Bench, path: Path, _emit: Emit, control: JobControl) -> Trial:
    """What another photo puts into the memory, seen at the same scale."""
    from core.images import io as image_io
    from core.restoring import copies
    from core.restoring.memory import look as memory_look

    picture = image_io.read(path)
    control.checkpoint()
    if bench.by > 1:
        picture = replace(picture, pixels=copies.reduced(picture.pixels, bench.by))
    return Trial(None, memory_look.own_content(picture, bench.request, control), path.name)


def _probed(bench: Bench, trial: Trial, region: Region, control: JobControl) -> np.ndarray:
    edit = trial.full_edit(bench.subject.choice.thoroughness)
    return bench.probe.restore(region, edit, actual=trial.other, taught=trial.taught, control=control)


def _whole(bench: Bench, trial: Trial, focus: Region | None, emit: Emit, control: JobControl) -> Base:
    # no shadow was found: what is taught may still say that there is one, and changes are tried without being told where
    guess = bench.guesses and (bench.mask is not None or trial.taught is not None)
    request = replace(
        bench.request,
        memory_edit=trial.full_edit(bench.subject.choice.thoroughness),
        actual=trial.other,
        taught=trial.taught,
        mask=bench.mask,
        guess=guess,
        focus=focus,
    )
    return _made(bench, request, emit, control)


def _made(bench: Bench, request: RestoreRequest, emit: Emit, control: JobControl) -> Base:
    from core.images import io as image_io
    from core.restoring import restore, scales

    icc = bench.picture.icc

    def pass_on(event: object) -> None:
        if isinstance(event, TileDone):
            rgb = image_io.to_srgb(event.pixels, icc)
            emit(TileArrived(event.x, event.y, rgb, event.index, event.count, event.seconds_left))
        else:
            emit(event)

    found = restore.restore(bench.picture, request, pass_on, control)
    at_scale = found.verdict.scale == scales.name(bench.by)
    in_one_pass = bench.is_one_pass and at_scale and not found.verdict.unchanged
    return Base(found.pixels, image_io.to_srgb(found.pixels, icc), found.verdict, in_one_pass)


def _tried(
    bench: Bench, region: Region, before: np.ndarray, after: np.ndarray, rgb: np.ndarray, is_whole: bool
) -> Tried:
    from core.restoring.memory.probe import change_between

    gain = None
    if bench.truth is not None:
        x, y, w, h = region
        gain = _gain_db(before, after, bench.truth[y : y + h, x : x + w], bench.subject.choice.task)
    return Tried(region, rgb, change_between(before, after), gain, is_whole)


def _gain_db(before: np.ndarray, after: np.ndarray, truth: np.ndarray, task: str) -> float | None:
    """PSNR of the changed against that of the untouched, by the task's protocol; None where one equals the truth."""
    from core.images import metrics

    protocol = tasks.of(task).protocol
    was, is_now = (metrics.psnr_db(each, truth, protocol) for each in (before, after))
    return is_now - was if np.isfinite(was) and np.isfinite(is_now) else None
