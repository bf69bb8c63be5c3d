"""Where things lie in the space in which the memory looks up: samples and slots as a map, and how restoring moves places.

Two plots of one space. The *map* is its two widest directions (principal components) over the stored samples and the
slots: what lies close is alike, as far as two of many directions can tell. The *moves* need no projection: how like the
learned slots of clean structure and those of damage a place is, before and after restoring. The memory's own response
is the logistic function of their difference times its sharpness, so a place that crosses the diagonal has changed sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.model.config import POLARITIES
from core.model.exemplars import NEGATIVE, POSITIVE, SampleMemory
from core.restoring.memory.inspection import DAMAGED_FROM
from core.restoring.memory.record import MemoryLook

Region = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """A plane through the space of D numbers, and where samples and slots lie in it."""

    centre: np.ndarray  # (D,) float32
    axes: np.ndarray  # (2, D) float32, orthonormal
    explained: float  # 0..1, share of the spread that these two directions show
    samples: np.ndarray  # (M, 2) float32
    sample_of: tuple[tuple[str, int], ...]  # kind ("positive" | "negative") and index of each
    slots: np.ndarray  # (R, 2) float32, by row of the table

    def place(self, queries: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, 2)."""
        found: np.ndarray = (queries - self.centre) @ self.axes.T
        return found

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, lowest, right, highest of all that lies in it."""
        everything = np.concatenate((self.samples, self.slots))
        left, low = (float(value) for value in everything.min(0))
        right, high = (float(value) for value in everything.max(0))
        return left, low, right, high


def memory_map(look: MemoryLook, samples: SampleMemory | None) -> MemoryMap:
    """The map of a model's samples and slots; without samples (or with another model's) of the slots alone."""
    table = look.held.table.astype(np.float32)
    members = [np.zeros((0, table.shape[1]), np.float32)]
    names: list[tuple[str, int]] = []
    if samples is not None and samples.dim == table.shape[1]:
        for kind in (POSITIVE, NEGATIVE):
            members.append(samples.embeddings(kind).numpy())
            names += [(kind, index) for index in range(samples.count(kind))]
    stored = np.concatenate(members)
    everything = np.concatenate((stored, table))
    centre = everything.mean(0)
    _left, sizes, directions = np.linalg.svd(everything - centre, full_matrices=False)
    spread = sizes.astype(np.float64) ** 2
    axes = directions[:2]
    # a direction has no sign of its own: the same memory is to give the same map
    axes = axes * np.where(axes[np.arange(2), np.abs(axes).argmax(1)] < 0, -1, 1)[:, None]
    total = float(spread.sum())
    return MemoryMap(
        centre,
        axes.astype(np.float32),
        float(spread[:2].sum()) / total if total > 0 else 0.0,
        ((stored - centre) @ axes.T).astype(np.float32),
        tuple(names),
        ((table - centre) @ axes.T).astype(np.float32),
    )


@dataclass(frozen=True, slots=True)
class Sides:
    """How like what was learned a place is, -1..1."""

    positive: float  # clean structure
    negative: float  # damage
    response: float  # 0..1: how much it looks like damage

    def as_dict(self) -> dict[str, float]:
        return {
            "positive": round(self.positive, 4),
            "negative": round(self.negative, 4),
            "response": round(self.response, 4),
        }


@dataclass(frozen=True, slots=True)
class Move:
    """A place, a region or the whole photo, before restoring and after it."""

    name: str  # "1" for the first place, "photo", "damaged"
    before: Sides
    after: Sides

    @property
    def crosses(self) -> bool:
        """Whether it looked like damage and does no longer."""
        return self.before.response > DAMAGED_FROM >= self.after.response

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "before": self.before.as_dict(), "after": self.after.as_dict()}


PHOTO, DAMAGED = "photo", "damaged"


def moves(before: MemoryLook, after: MemoryLook, regions: Sequence[Region] = ()) -> tuple[Move, ...]:
    """The whole photo, those of its places that looked like damage (where there are any), then ``regions``.

    Args:
        before, after: of one photo and its restoration, by one model.
        regions: x, y, width, height in pixels of what was looked at, within it.

    Raises ValueError: looks of different sizes or models.
    """
    if before.grid != after.grid or before.model_sha256 != after.model_sha256:
        raise ValueError(f"looks of {before.grid} and {after.grid} cells: need one photo and one model")
    sides = [(*likeness(one), one.before.values) for one in (before, after)]
    whole = np.ones(before.grid, bool)
    damaged = before.before.values > DAMAGED_FROM
    found = [_move(PHOTO, sides, whole)]
    if damaged.any():
        found.append(_move(DAMAGED, sides, damaged))
    for number, (x, y, width, height) in enumerate(regions, 1):
        seen = before.region(x, y, width, height)
        where = np.zeros(before.grid, bool)
        where[seen.row : seen.row + seen.rows, seen.column : seen.column + seen.columns] = True
        found.append(_move(str(number), sides, where))
    return tuple(found)


def likeness(look: MemoryLook) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) float32 each: how like the learned part slots of clean structure, and those of damage, each cell is,
    whatever a mask says of it.

    A soft maximum of the cosines: the memory's response is the logistic function of ``sharpness`` times their difference.
    """
    found = []
    sharp = max(look.held.sharpness, 1e-6)
    for polarity in POLARITIES:
        scores = sharp * (look.unguided @ look.held.table[look.slices[polarity, "part"]].T)  # (h, w, M)
        top = scores.max(-1, keepdims=True)
        total = np.log(np.exp(scores - top).sum(-1)) + top[..., 0]
        found.append((total / sharp).astype(np.float32))
    return found[0], found[1]


def _move(name: str, sides: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], where: np.ndarray) -> Move:
    before, after = (Sides(*(float(values[where].mean()) for values in one)) for one in sides)
    return Move(name, before, after)
