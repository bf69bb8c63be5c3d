"""What the comparison canvas shows, as pixels: original, restored at a strength, or their difference.

Everything is computed for the few pixels asked for, at the level of the pyramid that the zoom needs.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QRect
from PySide6.QtGui import QImage

from memorynet_gui.compare.layers import Layer, Pyramid, for_cv, level_size
from memorynet_gui.compare.transform import NEAREST_FROM

ORIGINAL, RESTORED, DIFFERENCE = "original", "restored", "difference"
DIFFERENCE_GAIN = 4
"""The difference |original - shown| is drawn this many times stronger, in levels of 255."""
TILE_PX = 256
CHECKER_DARK = (0x46, 0x5C)
CHECKER_LIGHT = (0xFF, 0xDC)


@dataclass(frozen=True, slots=True)
class Grid:
    """The zoomed photo as a sheet of device pixels, cut into tiles."""

    zoom: float
    width: int  # device pixels of the whole sheet
    height: int
    cell_px: int = 8  # edge of a checkerboard square, device pixels
    checker: tuple[int, int] = CHECKER_DARK


def level_for(zoom: float, top: int) -> int:
    """The smallest pyramid level that still has at least one pixel per device pixel."""
    if zoom >= 1:
        return 0
    return min(top, math.floor(math.log2(1 / zoom) + 1e-9))


def resample(source: Layer, grid: Grid, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    """Device pixels ``[y0:y1, x0:x1]`` of the sheet as (h, w[, 3]) in the source's depth; not to be written.

    From 200 % on every device pixel takes the image pixel it lies on; below, the pixels of the nearest larger
    level are interpolated; where a level fits exactly (100 %, 50 %, ...) it is shown untouched.
    """
    image_h, image_w = source.shape
    level = level_for(grid.zoom, source.top)
    scale = grid.zoom * (1 << level)  # device pixels per pixel of this level
    w, h = level_size(image_w, level), level_size(image_h, level)
    if abs(scale - 1) < 1e-9:
        return source.crop(level, x0, y0, x1, y1)
    if scale >= NEAREST_FROM:
        columns = np.minimum(((np.arange(x0, x1) + 0.5) / scale).astype(np.intp), w - 1)
        rows = np.minimum(((np.arange(y0, y1) + 0.5) / scale).astype(np.intp), h - 1)
        left, top = int(columns[0]), int(rows[0])
        part = source.crop(level, left, top, int(columns[-1]) + 1, int(rows[-1]) + 1)
        return part.take(rows - top, axis=0).take(columns - left, axis=1)
    left, right = _span(x0, x1, scale, w)
    top, bottom = _span(y0, y1, scale, h)
    part = for_cv(source.crop(level, left, top, right, bottom))
    to_level = np.array(
        [
            [1 / scale, 0, (x0 + 0.5) / scale - 0.5 - left],
            [0, 1 / scale, (y0 + 0.5) / scale - 0.5 - top],
        ]
    )
    from core.cv import cv2  # here: it takes its time to load, and the window is to be seen first

    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(part, to_level, (x1 - x0, y1 - y0), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _span(start: int, stop: int, scale: float, size: int) -> tuple[int, int]:
    """The pixels of a level that interpolation touches between two device pixels."""
    low = math.floor((start + 0.5) / scale - 0.5)
    high = math.floor((stop - 0.5) / scale - 0.5) + 2
    low = min(max(0, low), size - 1)
    return low, max(low + 1, min(size, high))


class Scene:
    """The pictures compared, and the strength they are blended with."""

    def __init__(self) -> None:
        self.original: Pyramid | None = None
        self.alpha: Pyramid | None = None
        self.restored: Layer | None = None
        self.strength = 1.0

    def pixels(self, kind: str, grid: Grid, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        """Device pixels of the sheet as (h, w, 3) uint8, alpha laid over the checkerboard; not to be written.

        ``kind`` is "original", "restored" (blended by strength) or "difference".
        """
        rgb = resample(_Shown(self, kind), grid, x0, y0, x1, y1)
        if self.alpha is None:
            return rgb
        alpha = resample(self.alpha, grid, x0, y0, x1, y1)
        if alpha.dtype == np.uint16:
            alpha = (alpha >> 8).astype(np.uint8)
        if alpha.min() == 255:
            return rgb
        under = 0 if kind == DIFFERENCE else checkerboard(grid, x0, y0, x1, y1)[..., None]
        cover = alpha[..., None].astype(np.uint32)
        return ((rgb * cover + under * (255 - cover) + 127) // 255).astype(np.uint8)

    def pixel(self, kind: str, x: int, y: int) -> tuple[int, int, int]:
        """The colour of one image pixel at full size, before any checkerboard."""
        red, green, blue = _Shown(self, kind).crop(0, x, y, x + 1, y + 1)[0, 0].tolist()
        return red, green, blue


class _Shown:
    """One kind of picture as a :class:`Layer`: mixed only for the pixels of the level that are asked for."""

    def __init__(self, scene: Scene, kind: str) -> None:
        assert scene.original is not None
        self._scene = scene
        self._kind = kind
        self._original = scene.original

    @property
    def shape(self) -> tuple[int, int]:
        return self._original.shape

    @property
    def top(self) -> int:
        return self._original.top

    def crop(self, level: int, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        restored, strength = self._scene.restored, self._scene.strength
        if restored is not None and self._kind == RESTORED and strength == 1:
            return restored.crop(level, x0, y0, x1, y1)
        original = self._original.crop(level, x0, y0, x1, y1)
        if self._kind == ORIGINAL:
            return original
        shown = original
        if restored is not None:
            shown = blend(original, restored.crop(level, x0, y0, x1, y1), strength)
        return shown if self._kind == RESTORED else difference(original, shown)


def blend(original: np.ndarray, restored: np.ndarray, strength: float) -> np.ndarray:
    """``original + strength * (restored - original)`` for the screen; all (h, w, 3) uint8.

    Far faster than :func:`core.images.blend.blend`, which is what gets saved, so that a slider can be
    dragged; within one level of it (halves are rounded another way).
    """
    if strength <= 0:
        return original
    if strength >= 1:
        return restored
    from core.cv import cv2

    return cv2.addWeighted(for_cv(original), 1 - strength, for_cv(restored), strength, 0)


def difference(original: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """``|original - shown|`` per channel, amplified and clipped, on black; all (h, w, 3) uint8."""
    from core.cv import cv2

    apart = cv2.absdiff(for_cv(original), for_cv(shown))
    return cv2.convertScaleAbs(apart, alpha=DIFFERENCE_GAIN)


def checkerboard(grid: Grid, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    """Grey levels (h, w) uint8 of the squares that shine through alpha; they start at the photo's corner."""
    rows = (np.arange(y0, y1) // grid.cell_px)[:, None]
    columns = (np.arange(x0, x1) // grid.cell_px)[None, :]
    return np.array(grid.checker, np.uint8)[(rows + columns) % 2]


class TileCache:
    """The sheet's tiles, ready to be copied to the screen: panning computes only what comes into sight."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.grid = Grid(1.0, 1, 1)
        self.limit = 256  # tiles; one is 256 KiB
        self._tiles: OrderedDict[tuple[str, int, int], tuple[QImage, np.ndarray]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tiles)

    def set_grid(self, grid: Grid) -> None:
        if grid != self.grid:
            self.grid = grid
            self._tiles.clear()

    def clear(self, *kinds: str) -> None:
        """Forget all tiles, or those of the kinds named."""
        if not kinds:
            self._tiles.clear()
        for key in [key for key in self._tiles if key[0] in kinds]:
            del self._tiles[key]

    def forget(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Image pixels of the restored picture changed: forget the tiles they reach."""
        assert self.scene.original is not None
        reach = 2 << level_for(self.grid.zoom, self.scene.original.top)  # what interpolation may touch
        to_tile = self.grid.zoom / TILE_PX
        columns = range(int(max(0, x0 - reach) * to_tile), int((x1 + reach) * to_tile) + 1)
        rows = range(int(max(0, y0 - reach) * to_tile), int((y1 + reach) * to_tile) + 1)
        for key in list(self._tiles):
            if key[0] != ORIGINAL and key[1] in columns and key[2] in rows:
                del self._tiles[key]

    def has(self, kind: str, column: int, row: int) -> bool:
        return (kind, column, row) in self._tiles

    def draft(self, kind: str, part: QRect, coarse: int) -> tuple[QImage, QRect]:
        """A ``part`` of the sheet at ``1 / coarse`` of its resolution, and the place it is to be spread over.

        The place reaches up to ``coarse`` device pixels beyond the part. Nothing is kept.
        """
        grid = self.grid
        small = Grid(
            grid.zoom / coarse,
            -(-grid.width // coarse),
            -(-grid.height // coarse),
            max(1, grid.cell_px // coarse),
            grid.checker,
        )
        x0, y0 = part.left() // coarse, part.top() // coarse
        x1, y1 = min(small.width, part.right() // coarse + 1), min(small.height, part.bottom() // coarse + 1)
        image, _buffer = to_qimage(self.scene.pixels(kind, small, x0, y0, x1, y1))
        place = QRect(x0 * coarse, y0 * coarse, (x1 - x0) * coarse, (y1 - y0) * coarse)
        return image.copy(), place  # the copy owns its pixels

    def tile(self, kind: str, column: int, row: int) -> QImage:
        key = (kind, column, row)
        found = self._tiles.get(key)
        if found is not None:
            self._tiles.move_to_end(key)
            return found[0]
        x0, y0 = column * TILE_PX, row * TILE_PX
        x1, y1 = min(self.grid.width, x0 + TILE_PX), min(self.grid.height, y0 + TILE_PX)
        pixels = self.scene.pixels(kind, self.grid, x0, y0, x1, y1)
        image, buffer = to_qimage(pixels)
        self._tiles[key] = (image, buffer)
        while len(self._tiles) > self.limit:
            self._tiles.popitem(last=False)
        return image


def to_qimage(rgb: np.ndarray) -> tuple[QImage, np.ndarray]:
    """(h, w, 3) uint8 as the screen's own format; the array must live as long as the image."""
    from core.cv import cv2

    bgra = cv2.cvtColor(for_cv(rgb), cv2.COLOR_RGB2BGRA)
    h, w = rgb.shape[:2]
    return QImage(bgra.data, w, h, bgra.strides[0], QImage.Format.Format_RGB32), bgra
