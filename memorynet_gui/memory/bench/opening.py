"""A photo opened for the Memory page: decoded, and looked at as the memory sees it.

Runs on the worker. What is slow to load (OpenCV, torch) is imported where it is used: the page must be there at once.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core import tasks
from core.jobs import Emit, JobControl
from core.model import slot_names
from core.model.memory_edit import LEAST_THOROUGH
from core.model.slot_names import SlotKey, SlotNote
from core.restoring.scales import AUTO
from memorynet_gui.base.page import PhotoAtHand
from memorynet_gui.base.taught_store import TaughtStore
from memorynet_gui.memory.bench.records import (
    Bench,
    PhotoOpened,
    Subject,
)

if TYPE_CHECKING:
    from core.images.io import Picture
    from core.restoring.memory.record import MemoryLook
    from core.restoring.records import Choice, RestoreRequest

log = logging.getLogger(__name__)


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
    told = with_mask(picture, request, painted, control)
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


def with_mask(
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
