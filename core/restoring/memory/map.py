"""Where things lie in the space in which the memory looks up: samples and slots as a map, and how restoring moves places.

Two plots of one space. The *map* is its two widest directions (principal components) over the stored samples and the
slots: what lies close is alike, as far as two of many directions can tell; or, by likeness (t-SNE of scikit-learn, where
that is installed), neighbours are kept together and distances mean nothing. The *moves* need no projection: how like the
learned slots of clean structure and those of damage a place is, before and after restoring. The memory's own response
is the logistic function of their difference times its sharpness, so a place that crosses the diagonal has changed sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core import extras
from core.model.config import POLARITIES
from core.model.exemplars import NEGATIVE, POSITIVE, SampleMemory
from core.restoring.memory.inspection import DAMAGED_FROM
from core.restoring.memory.record import MemoryLook

Region = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """Where samples and slots lie in a plane; ``place`` says where anything else of the space of D numbers does."""

    samples: np.ndarray  # (M, 2) float32
    sample_of: tuple[tuple[str, int], ...]  # kind ("positive" | "negative") and index of each
    slots: np.ndarray  # (R, 2) float32, by row of the table
    place: Callable[[np.ndarray], np.ndarray]  # (N, D) -> (N, 2)
    kept: float  # 0..1: of the ten things most like a thing, how many are among the ten that lie closest
    explained: float | None = None  # 0..1, share of the spread that two directions show; None: they are none

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, lowest, right, highest of all that lies in it."""
        everything = np.concatenate((self.samples, self.slots))
        left, low = (float(value) for value in everything.min(0))
        right, high = (float(value) for value in everything.max(0))
        return left, low, right, high


def memory_map(look: MemoryLook, samples: SampleMemory | None) -> MemoryMap:
    """The widest directions of a model's samples and slots; without samples (or with another model's) of the slots alone."""
    stored, names, everything = _members(look, samples)
    centre = everything.mean(0)
    _left, sizes, directions = np.linalg.svd(everything - centre, full_matrices=False)
    spread = sizes.astype(np.float64) ** 2
    axes = directions[:2]
    # a direction has no sign of its own: the same memory is to give the same map
    axes = axes * np.where(axes[np.arange(2), np.abs(axes).argmax(1)] < 0, -1, 1)[:, None]
    total = float(spread.sum())

    def place(queries: np.ndarray) -> np.ndarray:
        found: np.ndarray = ((queries - centre) @ axes.T).astype(np.float32)
        return found

    points = place(everything)
    explained = float(spread[:2].sum()) / total if total > 0 else 0.0
    return MemoryMap(
        points[: len(stored)], names, points[len(stored) :], place, kept(everything, points), explained
    )


def likeness_map(look: MemoryLook, samples: SampleMemory | None) -> MemoryMap:
    """Neighbours together (t-SNE by cosine, always the same for the same memory); about a second. Raises MissingExtra.

    Such a map has no place of its own for what it was not made of: that lies amid the three things it is most like.
    """
    extras.require("map")
    from sklearn.manifold import TSNE

    stored, names, everything = _members(look, samples)
    perplexity = min(30.0, (len(everything) - 1) / 3)
    # what the plane of the widest directions begins, a quarter of the usual steps ends, and no blowing up first: as many
    # neighbours are kept
    fitted = TSNE(
        2,
        init="pca",
        metric="cosine",
        perplexity=perplexity,
        early_exaggeration=1.0,
        learning_rate=50.0,
        max_iter=250,
        random_state=0,
    ).fit_transform(everything)
    points = np.asarray(fitted, np.float32)

    def place(queries: np.ndarray) -> np.ndarray:
        near = np.argsort(-(queries @ everything.T), 1, kind="stable")[:, :3]
        found: np.ndarray = points[near].mean(1)
        return found

    return MemoryMap(points[: len(stored)], names, points[len(stored) :], place, kept(everything, points))


def _members(
    look: MemoryLook, samples: SampleMemory | None
) -> tuple[np.ndarray, tuple[tuple[str, int], ...], np.ndarray]:
    """Samples (M, D), their names, and samples and slots (M + R, D)."""
    table = look.held.table.astype(np.float32)
    members = [np.zeros((0, table.shape[1]), np.float32)]
    names: list[tuple[str, int]] = []
    if samples is not None and samples.dim == table.shape[1]:
        for kind in (POSITIVE, NEGATIVE):
            members.append(samples.embeddings(kind).numpy())
            names += [(kind, index) for index in range(samples.count(kind))]
    stored = np.concatenate(members)
    return stored, tuple(names), np.concatenate((stored, table))


def kept(members: np.ndarray, points: np.ndarray, count: int = 10) -> float:
    """Of the ``count`` members (N, D) most like each, by cosine, the share that is among the closest points (N, 2)."""
    count = min(count, len(members) - 1)
    if count < 1:
        return 1.0
    like = members @ members.T
    apart = np.square(points[:, None] - points[None]).sum(-1)
    np.fill_diagonal(like, -np.inf)
    np.fill_diagonal(apart, np.inf)
    near, close = np.argsort(-like, 1)[:, :count], np.argsort(apart, 1)[:, :count]
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(near, close, strict=True)]))


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
