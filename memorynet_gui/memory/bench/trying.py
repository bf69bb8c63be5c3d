"""What is asked about an open photo: restore it, look at the result, try changes of the memory.

Plain functions of frozen orders on the worker, which import what is slow to load (OpenCV, torch) themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core import tasks
from core.events import TileDone
from core.jobs import Emit, JobControl
from core.restoring.scales import AUTO
from memorynet_gui.memory.bench.opening import with_mask
from memorynet_gui.memory.bench.records import (
    Base,
    Bench,
    PlaceEffect,
    Region,
    SlotEffect,
    TileArrived,
    Trial,
    Tried,
    Twin,
)

if TYPE_CHECKING:
    from core.restoring.memory.map import MemoryMap
    from core.restoring.memory.record import MemoryLook
    from core.restoring.memory.usage import Usage
    from core.restoring.records import RestoreRequest


def restore_base(bench: Bench, focus: Region | None, emit: Emit, control: JobControl) -> Base:
    """The photo restored as the Restore page would, with the memory as it is. Emits TileArrived."""
    # asked for once more, for the verdict tells what the guess has found
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
    told = with_mask(bench.picture, replace(bench.request, model=model), painted, control)
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
