"""The pictures behind the comparison canvas: mip pyramids and tiles that stream in, without Qt.

Level ``k`` of a picture is reduced ``2**k`` times: its pixel ``(i, j)`` is the mean of the image pixels
``[i * 2**k, (i + 1) * 2**k)`` by ``[j * 2**k, ...)``; the last row and column may stand for fewer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from core.cv import cv2

TOP_LEVEL_PX = 256
"""The pyramid ends with the first level whose longer edge is not longer than this."""
_STRIP_PX = 512


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
    """A whole picture. Until its levels are built a plain subsample stands in for them.

    ``base`` is (H, W, 3) uint8, or (H, W) uint8 / uint16 for alpha; it is kept, never copied or written.
    """

    def __init__(self, base: np.ndarray, levels: list[np.ndarray] | None = None) -> None:
        self.base = base
        self.levels = levels

    @property
    def shape(self) -> tuple[int, int]:
        return self.base.shape[0], self.base.shape[1]

    @property
    def top(self) -> int:
        return top_level(self.base.shape[1], self.base.shape[0])

    def crop(self, level: int, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        """Pixels ``[y0:y1, x0:x1]`` of ``level``: a view, not to be written."""
        if level == 0:
            return self.base[y0:y1, x0:x1]
        if self.levels is not None:
            return self.levels[level - 1][y0:y1, x0:x1]
        step = 1 << level
        return self.base[y0 << level : y1 << level : step, x0 << level : x1 << level : step]


class Streamed:
    """A picture that arrives tile by tile over another one, which shows where nothing has arrived yet.

    Memory is kept in blocks. The first tile to touch a block fills the rest of it from the picture below, so
    every level can be refreshed from the blocks around the tile alone.
    """

    def __init__(self, under: Layer) -> None:
        h, w = under.shape
        self.under = under
        self._top = top_level(w, h)
        self._block_px = 1 << max(8, self._top)
        # np.empty reserves address space only; memory is used where tiles arrive
        self._levels = [
            np.empty((level_size(h, k), level_size(w, k), 3), np.uint8) for k in range(self._top + 1)
        ]
        self._touched = np.zeros((-(-h // self._block_px), -(-w // self._block_px)), bool)

    @property
    def shape(self) -> tuple[int, int]:
        return self.under.shape

    @property
    def top(self) -> int:
        return self._top

    def write(self, x: int, y: int, rgb: np.ndarray) -> None:
        """Put a tile, (h, w, 3) uint8, at image pixel ``(x, y)``; it must lie inside the picture."""
        tile_h, tile_w = rgb.shape[:2]
        block = self._block_px
        rows = range(y // block, -(-(y + tile_h) // block))
        columns = range(x // block, -(-(x + tile_w) // block))
        base = self._levels[0]
        for row in rows:
            for column in columns:
                if not self._touched[row, column]:
                    self._touched[row, column] = True
                    x0, y0, x1, y1 = self._block_rect(0, row, column)
                    inside = x <= x0 and y <= y0 and x1 <= x + tile_w and y1 <= y + tile_h
                    if not inside:
                        base[y0:y1, x0:x1] = self.under.crop(0, x0, y0, x1, y1)
        base[y : y + tile_h, x : x + tile_w] = rgb
        # Blocks end on whole pixels of every level, so each level needs nothing but the one before it.
        for k in range(1, self._top + 1):
            x0, y0 = (columns.start * block) >> k, (rows.start * block) >> k
            below = self._levels[k - 1]
            part = below[2 * y0 : (rows.stop * block) >> (k - 1), 2 * x0 : (columns.stop * block) >> (k - 1)]
            small = halve(part)
            self._levels[k][y0 : y0 + small.shape[0], x0 : x0 + small.shape[1]] = small

    def crop(self, level: int, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        """Pixels ``[y0:y1, x0:x1]`` of ``level``, not to be written."""
        size = self._block_px >> level
        row0, row1 = y0 // size, -(-y1 // size)
        column0, column1 = x0 // size, -(-x1 // size)
        touched = self._touched[row0:row1, column0:column1]
        if touched.all():
            return self._levels[level][y0:y1, x0:x1]
        below = self.under.crop(level, x0, y0, x1, y1)
        if not touched.any():
            return below
        out = below.copy()
        for row, column in np.argwhere(touched):
            bx0, by0, bx1, by1 = self._block_rect(level, row0 + int(row), column0 + int(column))
            bx0, by0, bx1, by1 = max(bx0, x0), max(by0, y0), min(bx1, x1), min(by1, y1)
            out[by0 - y0 : by1 - y0, bx0 - x0 : bx1 - x0] = self._levels[level][by0:by1, bx0:bx1]
        return out

    def finished_levels(self) -> list[np.ndarray] | None:
        """Levels 1, 2, ... when tiles have touched every block, else None."""
        return self._levels[1:] if self._touched.all() else None

    def _block_rect(self, level: int, row: int, column: int) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 of a block in pixels of ``level``."""
        size = self._block_px >> level
        h, w = self._levels[level].shape[:2]
        return column * size, row * size, min(w, (column + 1) * size), min(h, (row + 1) * size)
