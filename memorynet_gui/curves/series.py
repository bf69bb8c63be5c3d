"""One growing curve: its points, their smoothed course, and coarser copies of both.

A view of a million points must cost what a view of a thousand costs, so every curve keeps the lowest and the
highest of each 4, 16, 64, ... points (and the mean of the smoothed ones), made as points come. Blocks are counted
from the curve's first point: while the view moves they stay what they are, and nothing shimmers. No Qt here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SMOOTHING = 0.95
"""Share of the past in the smoothed curve: the last 20 points or so decide."""
FACTOR = 4  # points of one level that become one of the next
_COARSEST = 512  # a level of fewer blocks is not made coarser
_EXACT = 2  # up to this many points a column they are drawn as they are
_BLOCK = 256
_LEAST, _LARGEST = -(2**31), 2**31 - 1  # steps

_Reduce = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Growing:
    """A one-dimensional array that is cheap to add to."""

    def __init__(self, dtype: type) -> None:
        self._data: np.ndarray = np.empty(64, dtype)
        self.size = 0

    @property
    def view(self) -> np.ndarray:
        """(size,); not to be kept over an :meth:`extend` or written to."""
        return self._data[: self.size]

    def extend(self, values: np.ndarray) -> None:
        needed = self.size + len(values)
        if needed > len(self._data):
            grown = np.empty(max(needed, 2 * len(self._data)), self._data.dtype)
            grown[: self.size] = self.view
            self._data = grown
        self._data[self.size : needed] = values
        self.size = needed

    def cut(self, size: int) -> None:
        """Forget what comes after the first ``size``."""
        self.size = min(self.size, size)


@dataclass(frozen=True, slots=True)
class View:
    """What of a curve can be seen. ``low is high`` when every point is there by itself."""

    steps: np.ndarray  # (n,) float64, ascending
    low: np.ndarray  # (n,) float32
    high: np.ndarray  # (n,) float32

    @property
    def is_exact(self) -> bool:
        return self.low is self.high

    def __len__(self) -> int:
        return len(self.steps)


class _Pyramid:
    """Coarser copies of one array: level k, from 1, has one number for FACTOR**k points."""

    def __init__(self, reduce: _Reduce, scale: float = 1.0) -> None:
        self._reduce, self._scale = reduce, scale
        self._levels: list[Growing] = []

    def grow(self, points: np.ndarray) -> None:
        source, at = points, 0
        while len(source) >= FACTOR * _COARSEST:
            if at == len(self._levels):
                self._levels.append(Growing(np.float32))
            level = self._levels[at]
            ready = len(source) // FACTOR
            if ready > level.size:
                fresh = source[level.size * FACTOR : ready * FACTOR]
                a, b, c, d = (fresh[part::FACTOR] for part in range(FACTOR))
                reduced = self._reduce(self._reduce(a, b), self._reduce(c, d))
                level.extend(reduced if self._scale == 1.0 else reduced * np.float32(self._scale))
            source, at = level.view, at + 1

    def cut(self, size: int) -> None:
        for level in self._levels:
            size //= FACTOR
            level.cut(size)

    def depth_for(self, points_per_block: float) -> int:
        """The coarsest level whose blocks have at most that many points; 0: the points themselves."""
        if points_per_block < FACTOR or not self._levels:
            return 0
        return min(int(math.log(points_per_block, FACTOR) + 1e-9), len(self._levels))

    def level(self, depth: int) -> np.ndarray:
        return self._levels[depth - 1].view


class Series:
    """Points (step, value) of one name, steps rising. Values are kept in single precision."""

    def __init__(self, name: str, smoothing: float = SMOOTHING) -> None:
        if not 0.0 <= smoothing < 1.0:
            raise ValueError(f"smoothing {smoothing}: need 0 to below 1")
        self.name = name
        self._keep = smoothing
        self._steps, self._values = Growing(np.int32), Growing(np.float32)
        self._smoothed = Growing(np.float32)
        self._sum = 0.0  # the running mean before its correction for having begun at zero
        self._low, self._high = _Pyramid(np.minimum), _Pyramid(np.maximum)
        self._mean = _Pyramid(np.add, 1.0 / FACTOR)
        self._built = 0  # points that the coarser copies know of

    def __len__(self) -> int:
        return self._steps.size

    @property
    def steps(self) -> np.ndarray:
        """(n,) int32, strictly rising."""
        return self._steps.view

    @property
    def values(self) -> np.ndarray:
        """(n,) float32, all finite."""
        return self._values.view

    @property
    def smoothed(self) -> np.ndarray:
        """(n,) float32: the exponential mean, corrected so that it starts at the first value."""
        return self._smoothed.view

    def append(self, step: int, value: float) -> None:
        """One more point. What is no number is left out. Points at or after ``step`` give way."""
        if not math.isfinite(value):
            return
        self.cut(step)
        self._sum = self._keep * self._sum + (1.0 - self._keep) * value
        self._steps.extend(np.array([step], np.int32))
        self._values.extend(np.array([value], np.float32))
        corrected = self._sum / (1.0 - self._keep ** len(self))
        self._smoothed.extend(np.array([corrected], np.float32))

    def extend(self, steps: np.ndarray, values: np.ndarray) -> None:
        """Many points at once. Raises ValueError unless the steps rise, and from where the curve ends."""
        good = np.isfinite(values)
        steps, values = np.asarray(steps)[good], np.asarray(values, np.float64)[good]
        if not len(steps):
            return
        last = self.steps[-1] if len(self) else -1
        if steps[0] <= last or (np.diff(steps) <= 0).any():
            raise ValueError(
                f"{self.name}: steps must rise, from {last} on; they begin with {steps[:3].tolist()}"
            )
        sums = _running(values, self._keep, self._sum)
        counts = len(self) + 1 + np.arange(len(steps), dtype=np.float64)
        self._steps.extend(steps)
        self._values.extend(values.astype(np.float32))
        self._smoothed.extend((sums / (1.0 - self._keep**counts)).astype(np.float32))
        self._sum = float(sums[-1])

    def cut(self, step: int) -> None:
        """Forget every point at or after ``step``."""
        if not len(self) or self.steps[-1] < step:
            return
        size = self._index_of(step)
        for kept in (self._steps, self._values, self._smoothed):
            kept.cut(size)
        for pyramid in (self._low, self._high, self._mean):
            pyramid.cut(size)
        self._built = min(self._built, size)
        self._sum = float(self.smoothed[-1]) * (1.0 - self._keep**size) if size else 0.0

    def build(self) -> None:
        """Make the coarser copies now, on whatever thread this is, instead of when they are first looked at."""
        if self._built == len(self):
            return
        self._built = len(self)
        self._low.grow(self.values)
        self._high.grow(self.values)
        self._mean.grow(self.smoothed)

    def nearest(self, step: float) -> int | None:
        """Index of the point closest to ``step``; None while there is none."""
        if not len(self):
            return None
        after = min(self._index_of(step), len(self) - 1)
        before = max(after - 1, 0)
        return before if step - self.steps[before] < self.steps[after] - step else after

    def _index_of(self, step: float) -> int:
        """Of the first point at or after ``step``."""
        # a key of another type would have numpy convert all of the steps first
        key = np.int32(min(max(math.ceil(step) if math.isfinite(step) else step, _LEAST), _LARGEST))
        return int(np.searchsorted(self.steps, key))

    def view(self, first: float, last: float, columns: int, smoothed: bool = False) -> View:
        """What lies between steps ``first`` and ``last``, and one point beyond at each side.

        Args:
            columns: how many the picture has; where more than two points fall into one they are merged to their
                lowest and highest, or, ``smoothed``, to their mean.
        """
        begin = max(self._index_of(math.floor(first) + 1) - 1, 0)
        end = min(self._index_of(last) + 1, len(self))
        columns = max(columns, 1)
        source = self.smoothed if smoothed else self.values
        if end - begin <= _EXACT * columns:
            shown = source[begin:end]
            return View(self.steps[begin:end].astype(np.float64), shown, shown)
        self.build()
        pyramids = (self._mean,) if smoothed else (self._low, self._high)
        steps, *levels = _blocks(self.steps, source, pyramids, begin, end, columns)
        width = (last - first) / columns
        column = np.floor(steps / width).astype(np.int64)
        starts = np.concatenate(([0], np.flatnonzero(column[1:] != column[:-1]) + 1))
        middle = (column[starts] + 0.5) * width
        # the outermost points keep their own steps: the line is to end where the curve does
        middle[0], middle[-1] = steps[0], steps[-1]
        if smoothed:
            counts = np.concatenate((starts[1:], [len(steps)])) - starts
            mean = (np.add.reduceat(levels[0], starts) / counts).astype(np.float32)
            return View(middle, mean, mean)
        return View(middle, np.minimum.reduceat(levels[0], starts), np.maximum.reduceat(levels[1], starts))


def _blocks(
    steps: np.ndarray, points: np.ndarray, pyramids: tuple[_Pyramid, ...], begin: int, end: int, columns: int
) -> tuple[np.ndarray, ...]:
    """Steps (float64) and one array a pyramid: the coarsest blocks that still fill every column."""
    depth = pyramids[0].depth_for((end - begin) / columns)
    if depth == 0:
        return (steps[begin:end].astype(np.float64), *(points[begin:end] for _ in pyramids))
    size = FACTOR**depth
    first, past = begin // size, min(end // size, len(pyramids[0].level(depth)))
    parts = [pyramid.level(depth)[first:past] for pyramid in pyramids]
    at = steps[first * size : past * size : size].astype(np.float64)
    rest = points[past * size : end]  # fewer than a block, or what the level does not reach yet
    if len(rest):
        at = np.append(at, float(steps[past * size + len(rest) - 1]))
        ends = (rest.mean(),) if len(pyramids) == 1 else (rest.min(), rest.max())
        parts = [np.append(part, number) for part, number in zip(parts, ends, strict=True)]
    return (at, *parts)


def _running(values: np.ndarray, keep: float, start: float) -> np.ndarray:
    """s[i] = keep * s[i-1] + (1 - keep) * values[i] with s[-1] = start, (n,) float64, a block at a time."""
    count = len(values)
    padded = np.zeros(-(-count // _BLOCK) * _BLOCK)
    padded[:count] = values
    rows = padded.reshape(-1, _BLOCK)
    age = np.arange(_BLOCK)[:, None] - np.arange(_BLOCK)[None, :]
    weights = np.where(age >= 0, (1.0 - keep) * keep ** np.maximum(age, 0), 0.0)
    out = rows @ weights.T  # (blocks, _BLOCK), as if each began at zero
    decay = keep ** (1.0 + np.arange(_BLOCK))
    carried = start
    for block in range(len(out)):
        out[block] += carried * decay
        carried = out[block, -1]
    return out.reshape(-1)[:count]
