"""A mask under the hand: painted, taken away, grown, undone. Numpy and OpenCV, no Qt.

What a step changed is kept in tiles of 256 px as they were before, so that a hundred steps over a large photo take
little memory. Every change returns the box it touched, so that a view paints no more than that again.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

TILE_PX = 256
STEPS = 100
Box = tuple[int, int, int, int]
"""x, y, width, height in pixels of the photo"""
Point = tuple[float, float]
_PATCH_ALIKE = 12.0  # levels; a patch ends where the photo differs by more from one pixel to the next
_PATCH_COPY_PX = 1200  # longest edge of the copy that a patch is looked for on


@dataclass(frozen=True, slots=True)
class Brush:
    """``size_px`` is its diameter; ``feather`` the share of the radius over which it fades; ``flow`` how much it adds."""

    size_px: float = 60.0
    feather: float = 0.3  # 0..1
    flow: float = 1.0  # 0..1


@dataclass(slots=True)
class _Step:
    """Tiles as they are on the other side of the step."""

    tiles: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)


class Mask:
    """(H, W) uint8 of a photo: 0 nothing, 255 all.

    A stroke goes ``begin``, any number of ``line``, ``end``; all else is one step each.
    """

    def __init__(self, height: int, width: int, values: np.ndarray | None = None) -> None:
        if values is not None and (values.shape != (height, width) or values.dtype != np.uint8):
            raise ValueError(f"mask of {values.shape} {values.dtype}: need ({height}, {width}) uint8")
        self.values = np.zeros((height, width), np.uint8) if values is None else values.copy()
        self._undo: deque[_Step] = deque(maxlen=STEPS)
        self._redo: deque[_Step] = deque(maxlen=STEPS)
        self._stroke: _Step | None = None
        self._covered: dict[tuple[int, int], np.ndarray] = {}  # by tile: how much of this stroke lies there
        self._brush, self._erases = Brush(), False

    @property
    def shape(self) -> tuple[int, int]:
        return self.values.shape[0], self.values.shape[1]

    @property
    def is_empty(self) -> bool:
        return not self.values.any()

    @property
    def can_undo(self) -> bool:
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        return bool(self._redo)

    # --- strokes ---------------------------------------------------------------------------------

    def begin(self, brush: Brush, erases: bool = False) -> None:
        """A stroke begins. Within one stroke paint does not pile up: it is as strong as its flow."""
        self.end()
        self._stroke, self._brush, self._erases = _Step(), brush, erases

    def line(self, start: Point, to: Point, pressure: float = 1.0) -> Box | None:
        """Paint from a point to another; ``pressure`` 0..1 of a pen narrows the brush. None: beside the photo."""
        if self._stroke is None:
            raise ValueError("a line outside a stroke: begin one first")
        radius = max(0.5, self._brush.size_px / 2 * max(0.05, min(1.0, pressure)))
        height, width = self.shape
        left = max(0, math.floor(min(start[0], to[0]) - radius) - 1)
        top = max(0, math.floor(min(start[1], to[1]) - radius) - 1)
        right = min(width, math.ceil(max(start[0], to[0]) + radius) + 1)
        bottom = min(height, math.ceil(max(start[1], to[1]) + radius) + 1)
        if left >= right or top >= bottom:
            return None
        for row in range(top // TILE_PX, (bottom - 1) // TILE_PX + 1):
            for column in range(left // TILE_PX, (right - 1) // TILE_PX + 1):
                x, y = column * TILE_PX, row * TILE_PX
                inner = (max(left, x), max(top, y), min(right, x + TILE_PX), min(bottom, y + TILE_PX))
                self._dab((row, column), inner, start, to, radius)
        return left, top, right - left, bottom - top

    def _dab(
        self, tile: tuple[int, int], inner: tuple[int, int, int, int], start: Point, to: Point, radius: float
    ) -> None:
        """The part of a line that lies in a tile."""
        assert self._stroke is not None
        left, top, right, bottom = inner
        cover = _capsule(left, top, right, bottom, start, to, radius, self._brush.feather)
        if cover is None:
            return
        before = self._before(self._stroke, tile)
        y, x = tile[0] * TILE_PX, tile[1] * TILE_PX
        there = slice(top - y, bottom - y), slice(left - x, right - x)
        covered = self._covered.setdefault(tile, np.zeros(before.shape, np.uint8))
        np.maximum(covered[there], cover, out=covered[there])
        amount = covered[there].astype(np.uint16) * round(self._brush.flow * 255)
        amount = (amount + 127) // 255
        target = 0 if self._erases else 255
        base = before[there].astype(np.int32)
        mixed = base + ((target - base) * amount.astype(np.int32) + (127 if target else -127)) // 255
        self.values[top:bottom, left:right] = np.clip(mixed, 0, 255)

    def _before(self, step: _Step, tile: tuple[int, int]) -> np.ndarray:
        if tile not in step.tiles:
            y, x = tile[0] * TILE_PX, tile[1] * TILE_PX
            step.tiles[tile] = self.values[y : y + TILE_PX, x : x + TILE_PX].copy()
        return step.tiles[tile]

    def end(self) -> None:
        """The stroke ends and can be undone."""
        if self._stroke is not None and self._stroke.tiles:
            self._remember(self._stroke)
        self._stroke = None
        self._covered.clear()

    # --- everything else: one step each -------------------------------------------------------------

    def replace(self, values: np.ndarray) -> Box | None:
        """Become another mask (H, W) uint8; None where nothing differs. Raises ValueError for another size."""
        if values.shape != self.shape or values.dtype != np.uint8:
            raise ValueError(f"mask of {values.shape} {values.dtype}: need {self.shape} uint8")
        self.end()
        step, touched = _Step(), []
        for y in range(0, self.shape[0], TILE_PX):
            for x in range(0, self.shape[1], TILE_PX):
                here = self.values[y : y + TILE_PX, x : x + TILE_PX]
                there = values[y : y + TILE_PX, x : x + TILE_PX]
                if not np.array_equal(here, there):
                    step.tiles[y // TILE_PX, x // TILE_PX] = here.copy()
                    here[:] = there
                    touched.append((x, y, here.shape[1], here.shape[0]))
        if not touched:
            return None
        self._remember(step)
        return around(touched)

    def clear(self) -> Box | None:
        return self.replace(np.zeros(self.shape, np.uint8))

    def invert(self) -> Box | None:
        return self.replace(255 - self.values)

    def grow(self, by_px: int) -> Box | None:
        """Wider by so many pixels, narrower for a negative number."""
        from core.cv import cv2

        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(by_px) + 1, 2 * abs(by_px) + 1))
        change = cv2.dilate if by_px > 0 else cv2.erode
        # what lies beyond the photo's edge is as the edge is: a shadow that the frame cuts stays cut there
        return self.replace(np.asarray(change(self.values, kernel, borderType=cv2.BORDER_REPLICATE)))

    def feather(self, sigma_px: float) -> Box | None:
        """Softer borders."""
        from core.cv import cv2

        soft = cv2.GaussianBlur(self.values, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE)
        return self.replace(np.asarray(soft))

    def snap(self, photo: np.ndarray) -> Box | None:
        """Along the edges of the photo (H, W, 3) uint8 near its border."""
        from core.images.edges import snapped

        return self.replace(snapped(self.values, photo))

    def lasso(self, outline: Sequence[Point], erases: bool = False) -> Box | None:
        """All that an outline encloses; fewer than three points enclose nothing."""
        from core.cv import cv2

        if len(outline) < 3:
            return None
        filled = np.zeros(self.shape, np.uint8)
        points = np.rint(np.asarray(outline, np.float64) * 16).astype(np.int32)
        cv2.fillPoly(filled, [points], 255, cv2.LINE_AA, 4)
        return self.replace(
            np.minimum(self.values, 255 - filled) if erases else np.maximum(self.values, filled)
        )

    def patch(self, photo: np.ndarray, at: Point, erases: bool = False) -> Box | None:
        """All that looks like the place around a point of the photo (H, W, 3) uint8 and hangs together with it.

        Where the mask is painted there already and is to be taken away, it is the painted patch that goes.
        """
        x, y = int(at[0]), int(at[1])
        height, width = self.shape
        if not (0 <= x < width and 0 <= y < height):
            return None
        if erases:
            patch = _connected(self.values, x, y)
            return None if patch is None else self.replace(np.where(patch, np.uint8(0), self.values))
        return self.replace(np.maximum(self.values, _alike(photo, x, y)))

    # --- undo ------------------------------------------------------------------------------------

    def _remember(self, step: _Step) -> None:
        self._undo.append(step)
        self._redo.clear()

    def undo(self) -> Box | None:
        """The step before; None where there is none. A stroke at hand ends first."""
        self.end()
        return self._swap(self._undo, self._redo)

    def redo(self) -> Box | None:
        self.end()
        return self._swap(self._redo, self._undo)

    def _swap(self, taken: deque[_Step], given: deque[_Step]) -> Box | None:
        if not taken:
            return None
        step, touched = taken.pop(), []
        for (row, column), tile in step.tiles.items():
            y, x = row * TILE_PX, column * TILE_PX
            here = self.values[y : y + TILE_PX, x : x + TILE_PX]
            step.tiles[row, column] = here.copy()
            here[:] = tile
            touched.append((x, y, here.shape[1], here.shape[0]))
        given.append(step)
        return around(touched)


def around(boxes: Sequence[Box]) -> Box:
    """The box that holds all of them."""
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    return left, top, right - left, bottom - top


def _capsule(
    left: int, top: int, right: int, bottom: int, start: Point, to: Point, radius: float, feather: float
) -> np.ndarray | None:
    """How much a round brush covers of a box on its way, (h, w) uint8, fading by smoothstep; None: not at all."""
    x = np.arange(left, right, dtype=np.float32)[None, :] + np.float32(0.5 - start[0])
    y = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - start[1])
    along_x, along_y = to[0] - start[0], to[1] - start[1]
    length2 = along_x**2 + along_y**2
    if length2 > 1e-6:
        share = np.clip((x * np.float32(along_x) + y * np.float32(along_y)) / np.float32(length2), 0, 1)
        x, y = x - share * np.float32(along_x), y - share * np.float32(along_y)
    distance = np.sqrt(x * x + y * y)
    if distance.min() > radius:
        return None
    fade = max(radius * feather, 1.0)  # a hard brush still has an edge of a pixel
    inside = np.clip((radius - distance) / np.float32(fade), 0, 1)
    return np.asarray(np.rint(inside * inside * (3 - 2 * inside) * 255), np.uint8)


def _connected(values: np.ndarray, x: int, y: int) -> np.ndarray | None:
    """The painted patch at a point, (H, W) bool; None where nothing is painted."""
    from core.cv import cv2

    painted = (values > 0).astype(np.uint8)
    if not painted[y, x]:
        return None
    _count, labels = cv2.connectedComponents(painted)
    return np.asarray(labels == labels[y, x])


def _alike(photo: np.ndarray, x: int, y: int) -> np.ndarray:
    """(H, W) uint8, 255 where the photo hangs together with a point; looked for on a smooth copy."""
    from core.cv import cv2

    height, width = photo.shape[:2]
    scale = min(1.0, _PATCH_COPY_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    copy = cv2.resize(photo, size, interpolation=cv2.INTER_AREA) if scale < 1 else photo
    smooth = cv2.bilateralFilter(cv2.cvtColor(copy, cv2.COLOR_RGB2LAB), 7, 20, 5)
    seed = min(size[0] - 1, int(x * scale)), min(size[1] - 1, int(y * scale))
    found = np.zeros((size[1] + 2, size[0] + 2), np.uint8)
    limit = (2 * _PATCH_ALIKE, _PATCH_ALIKE, _PATCH_ALIKE)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | (255 << 8)
    cv2.floodFill(smooth, found, seed, (0, 0, 0), limit, limit, flags)
    filled = cv2.morphologyEx(found[1:-1, 1:-1], cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    if scale < 1:
        filled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(filled)
