"""How much each slot of a memory is used over many photos, each counting alike: one photo says little of what is unused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.events import ItemDone, ItemStarted
from core.images import io as image_io
from core.images.types import ImageError
from core.jobs import Cancelled, Emit, JobControl, ignore
from core.model.health import DEAD_SHARE, MemoryHealth, health
from core.restoring.memory.look import guided, in_copy, look, scale_for
from core.restoring.memory.record import MemoryLook
from core.restoring.restore import RestoreError, RestoreRequest

PHOTOS = 60
"""Of a folder with more, as many are looked at, evenly spread."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Over the photos that could be looked at, of which there is at least one."""

    photos: tuple[str, ...]  # names
    failed: tuple[tuple[str, Exception], ...]  # names of those that could not be looked at, and why
    mean: np.ndarray  # (R,) float32, mean weight of each slot, 0..1; sums to 1 in every group
    used_in: np.ndarray  # (R,) int64: in how many of the photos a slot is more than dead
    health: MemoryHealth

    def as_dict(self) -> dict[str, Any]:
        return {
            "photos": len(self.photos),
            "failed": [name for name, _error in self.failed],
            "usage": [round(float(value), 6) for value in self.mean],
            "used_in": [int(count) for count in self.used_in],
            "health": self.health.as_dict(),
        }


def some_of(paths: Sequence[Path], most: int = PHOTOS) -> list[Path]:
    """All, or ``most`` of them evenly spread over their order."""
    if len(paths) <= most:
        return list(paths)
    return [paths[int(at)] for at in np.linspace(0, len(paths) - 1, most).round()]


def health_of(seen: MemoryLook) -> MemoryHealth:
    """Of the memory as one photo uses it: slots for other photos count as dead here."""
    silent = float(1 - seen.heard().mean())
    return health(seen.usage, seen.held.table, seen.slices, silent=silent)


def usage_over(
    paths: Sequence[Path],
    request: RestoreRequest,
    emit: Emit = ignore,
    control: JobControl | None = None,
) -> Usage:
    """Look at each photo as it is restored, at the scale of its damage. Emits an ItemStarted and an ItemDone for each.

    Raises:
        RestoreError: no photo could be looked at, or the model has no memory.
        CheckpointError, DeviceError, Cancelled.
    """
    control = control or JobControl()
    names, failed, usages, heard = [], [], [], []
    last: MemoryLook | None = None
    for index, path in enumerate(paths, 1):
        control.checkpoint()
        emit(ItemStarted(index, len(paths), path.name))
        error: Exception | None = None
        try:
            picture = image_io.read(path)
            told = guided(picture, request, control)
            last = look(*in_copy(picture, told, scale_for(picture, told, control)), ignore, control)
        except Cancelled:
            raise
        except (ImageError, OSError, MemoryError) as problem:
            error = problem
            failed.append((path.name, problem))
        else:
            names.append(path.name)
            usages.append(last.usage)
            heard.append(last.heard())
        emit(ItemDone(index, len(paths), path.name, error, None))
    if last is None:
        raise RestoreError(f"none of {len(paths)} photos could be looked at")
    each = np.stack(usages)
    mean = each.mean(0)
    alive = np.zeros(len(mean), np.int64)
    for rows in last.slices.values():
        alive[rows] = (each[:, rows] * (rows.stop - rows.start) >= DEAD_SHARE).sum(0)
    silent = float(1 - np.any(heard, axis=0).mean())
    return Usage(
        tuple(names),
        tuple(failed),
        mean,
        alive,
        health(mean, last.held.table, last.slices, silent=silent),
    )
