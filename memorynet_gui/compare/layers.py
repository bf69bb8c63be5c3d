"""The pictures behind the comparison canvas: mip pyramids and tiles that stream in, without Qt.

Level ``k`` of a picture is reduced ``2**k`` times: its pixel ``(i, j)`` is the mean of the image pixels
``[i * 2**k, (i + 1) * 2**k)`` by ``[j * 2**k, ...)``; the last row and column may stand for fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

TOP_LEVEL_PX = 256
"""The pyramid ends with the first level whose longer edge is not longer than this."""
_STRIP_PX = 512
_CELL_LEVELS = 9  # cells of 512 px or more


class Layer(Protocol):
    """What can be drawn: a picture of (H, W) image pixels, readable at every level."""

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def top(self) -> int: ...

    def crop(self, level: int, x0: int, y0: int, x1: int, y1: int) -> np.ndarray: ...


class Abandoned(Exception):
    """The pyramid is no longer wanted."""


def top_level(width: int, height: int) -> int:
    """The last level of a pyramid over ``width`` x ``height`` pixels."""
    level = 0
    while max(-(-width >> level), -(-height >> level)) > TOP_LEVEL_PX:
        level += 1
    return level


def level_size(size: int, level: int) -> int:
    """Pixels along an edge of ``size`` image pixels at ``level``."""
    return -(-size >> level)


def for_cv(pixels: np.ndarray) -> np.ndarray:
    """``pixels`` as OpenCV can read it: a copy only where the memory runs backwards or has gaps."""
    step = pixels.itemsize
    for axis in range(pixels.ndim - 1, 0, -1):
        if pixels.strides[axis] != step:
            return np.ascontiguousarray(pixels)
        step *= pixels.shape[axis]
    return np.ascontiguousarray(pixels) if pixels.strides[0] < step else pixels


def halve(pixels: np.ndarray) -> np.ndarray:
    """Half the size, rounded up: the mean of every 2x2 block; at an odd edge of what is there.

    ``pixels`` is (h, w) or (h, w, 3), uint8 or uint16.
    """
    from core.cv import cv2  # here: it takes its time to load, and the window is to be seen first

    pixels = for_cv(pixels)
    h, w = pixels.shape[:2]
    even_h, even_w = h // 2, w // 2
    out = np.empty(((h + 1) // 2, (w + 1) // 2, *pixels.shape[2:]), pixels.dtype)

    def mean(y: slice, x: slice, height: int, width: int) -> np.ndarray:
        block = for_cv(pixels[y, x])
        small = cv2.resize(block, (width, height), interpolation=cv2.INTER_AREA)
        return small.reshape(height, width, *pixels.shape[2:])

    if even_h and even_w:
        out[:even_h, :even_w] = mean(slice(2 * even_h), slice(2 * even_w), even_h, even_w)
    if h % 2 and even_w:
        out[even_h:, :even_w] = mean(slice(h - 1, h), slice(2 * even_w), 1, even_w)
    if w % 2 and even_h:
        out[:even_h, even_w:] = mean(slice(2 * even_h), slice(w - 1, w), even_h, 1)
    if h % 2 and w % 2:
        out[even_h, even_w] = pixels[h - 1, w - 1]
    return out


def build_levels(base: np.ndarray, wanted: Callable[[], bool]) -> list[np.ndarray]:
    """Levels 1, 2, ... of ``base`` (read only). Runs off the UI thread; OpenCV lets go of Python's lock.

    ``wanted`` is asked between strips of a few milliseconds; raises :class:`Abandoned` once it says no.
    """
    h, w = base.shape[:2]
    levels: list[np.ndarray] = []
    source = base
    for _ in range(top_level(w, h)):
        height, width = source.shape[:2]
        out = np.empty(((height + 1) // 2, (width + 1) // 2, *source.shape[2:]), source.dtype)
        for y in range(0, height, _STRIP_PX):
            if not wanted():
                raise Abandoned
            strip = halve(source[y : y + _STRIP_PX])
            out[y // 2 : y // 2 + len(strip)] = strip
        levels.append(out)
        source = out
    return levels


class Pyramid:
    """A whole picture. Until its levels are built a plain subsample, or ``meanwhile``, stands in for them.

    ``base`` is (H, W, 3) uint8, or (H, W) uint8 / uint16 for alpha; it is kept, never copied or written.
    """

    def __init__(self, base: np.ndarray, meanwhile: Layer | None = None) -> None:
        self.base = base
        self._levels: list[np.ndarray] | None = None
        self._meanwhile = meanwhile

    @property
    def shape(self) -> tuple[int, int]:
        return self.base.shape[0], self.base.shape[1]

    @property
    def top(self) -> int:
        return top_level(self.base.shape[1], self.base.shape[0])

    def finish(self, levels: list[np.ndarray]) -> None:
        """Take the levels that :func:`build_levels` made."""
        self._levels = levels
        self._meanwhile = None

    def crop(self, level: int, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        """Pixels ``[y0:y1, x0:x1]`` of ``level``: a view, not to be written."""
        if level == 0:
            return self.base[y0:y1, x0:x1]
        if self._levels is not None:
            return self._levels[level - 1][y0:y1, x0:x1]
        if self._meanwhile is not None:
            return self._meanwhile.crop(level, x0, y0, x1, y1)
        step = 1 << level
        return self.base[y0 << level : y1 << level : step, x0 << level : x1 << level : step]


class Streamed:
    """A picture that arrives tile by tile over another one, which shows where nothing has arrived yet.

    Memory is taken cell by cell, with a small pyramid in each: one allocation for the whole picture would be
    backed by huge pages, and the first tiles would wait for tens of megabytes to be cleared. A cell starts
    as a copy of the picture below.
    """

    def __init__(self, under: Layer) -> None:
        h, w = under.shape
        self.under = under
        self._top = top_level(w, h)
        self._cell_px = 1 << max(_CELL_LEVELS, self._top)  # whole at every level
        self._cells: dict[tuple[int, int], list[np.ndarray]] = {}
        self._cell_count = -(-h // self._cell_px) * -(-w // self._cell_px)

    @property
    def shape(self) -> tuple[int, int]:
        return self.under.shape

    @property
    def top(self) -> int:
        return self._top

    @property
    def reaches_everywhere(self) -> bool:
        """Tiles have arrived in every cell."""
        return len(self._cells) == self._cell_count

    def write(self, x: int, y: int, rgb: np.ndarray) -> None:
        """Put a tile, (h, w, 3) uint8, at image pixel ``(x, y)``; it must lie inside the picture."""
        h, w = self.shape
        size = self._cell_px
        for row, column, part in self._cells_over(0, x, y, x + rgb.shape[1], y + rgb.shape[0]):
            x0, y0, x1, y1 = part
            left, top = column * size, row * size
            cell = self._cells.get((row, column))
            if cell is None:
                right, bottom = min(w, left + size), min(h, top + size)
                cell = [self.under.crop(0, left, top, right, bottom).copy()]
                self._cells[row, column] = cell
            cell[0][y0 - top : y1 - top, x0 - left : x1 - left] = rgb[y0 - y : y1 - y, x0 - x : x1 - x]
            del cell[1:]
            for _ in range(self._top):
                cell.append(halve(cell[-1]))

    def crop(self, level: int, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        """Pixels ``[y0:y1, x0:x1]`` of ``level``, not to be written."""
        over = list(self._cells_over(level, x0, y0, x1, y1))
        arrived = [(self._cells.get((row, column)), row, column, part) for row, column, part in over]
        size = self._cell_px >> level
        if not any(cell for cell, *_ in arrived):
            return self.under.crop(level, x0, y0, x1, y1)
        if all(cell for cell, *_ in arrived):
            out = np.empty((y1 - y0, x1 - x0, 3), np.uint8)
        else:
            out = self.under.crop(level, x0, y0, x1, y1).copy()
        for cell, row, column, (cx0, cy0, cx1, cy1) in arrived:
            if cell is not None:
                left, top = column * size, row * size
                there = cell[level][cy0 - top : cy1 - top, cx0 - left : cx1 - left]
                out[cy0 - y0 : cy1 - y0, cx0 - x0 : cx1 - x0] = there
        return out

    def _cells_over(
        self, level: int, x0: int, y0: int, x1: int, y1: int
    ) -> Iterator[tuple[int, int, tuple[int, int, int, int]]]:
        """Row and column of every cell a rectangle of ``level`` meets, and the part of it in the cell."""
        size = self._cell_px >> level
        for row in range(y0 // size, -(-y1 // size)):
            for column in range(x0 // size, -(-x1 // size)):
                left, top = max(x0, column * size), max(y0, row * size)
                right, bottom = min(x1, (column + 1) * size), min(y1, (row + 1) * size)
                yield row, column, (left, top, right, bottom)
