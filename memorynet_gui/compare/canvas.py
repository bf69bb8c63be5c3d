"""The comparison canvas without its hands: pictures in, modes, zoom and painting.

Mouse, keys and drops are in :mod:`memorynet_gui.compare.view`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QWidget

from memorynet_gui.compare.build import PyramidBuilder
from memorynet_gui.compare.layers import Layer, Pyramid, Streamed
from memorynet_gui.compare.paint import paint_sheet
from memorynet_gui.compare.scene import (
    CHECKER_DARK,
    CHECKER_LIGHT,
    DIFFERENCE,
    ORIGINAL,
    RESTORED,
    TILE_PX,
    Grid,
    Scene,
    TileCache,
)
from memorynet_gui.compare.transform import ViewTransform, side_panes

MODES = ("wipe", "side", "difference", "restored")
_FIT_MARGIN = 24  # logical px
_SIDE_GAP = 2  # logical px
_REGION_MS = 150
_HURRY_MS = 120  # a gesture goes on while its steps come at least this fast
_LINE_ROOM = 24  # what the wipe line, its handle and the badges may cover, logical px


class Pane(NamedTuple):
    """A window onto the photo, in device pixels of the widget, and what it shows from left to right."""

    x: int
    y: int
    width: int
    height: int
    parts: tuple[tuple[str, int, int], ...]  # kind, from x, to x (device px of the widget)


class CompareCanvas(QWidget):
    """Shows a photo before and after restoring; zooms, pans, blends and compares without a re-run.

    Pictures are (H, W, 3) uint8 sRGB and are kept, not copied: hand over arrays that nobody writes to.
    """

    visible_region_changed = Signal(object)
    """``(x, y, w, h)`` in image pixels, some 150 ms after the view has come to rest."""
    zoom_changed = Signal(float)
    """Device pixels per image pixel; 1.0 is 100 %."""
    mode_changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = Scene()
        self._tiles = TileCache(self._scene)
        self._builder = PyramidBuilder()
        self._builder.built.connect(self._on_built)
        self._transform: ViewTransform | None = None
        self._fitted = True
        self._mode = "wipe"
        self._wipe = 0.5
        self._show_original = False
        self._title = ""
        self._told_zoom = 0.0
        self._told_region: tuple[int, int, int, int] | None = None
        self._region_timer = QTimer(self)
        self._region_timer.setSingleShot(True)
        self._region_timer.setInterval(_REGION_MS)
        self._region_timer.timeout.connect(self._tell_region)
        self._hurry_timer = QTimer(self)
        self._hurry_timer.setSingleShot(True)
        self._hurry_timer.setInterval(_HURRY_MS)
        self._hurry_timer.timeout.connect(self._sharpen)
        self._drafted = False
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(160, 120)

    # --- pictures --------------------------------------------------------------------------------

    def set_original(self, rgb: np.ndarray | None, alpha: np.ndarray | None = None, title: str = "") -> None:
        """Show another photo, fitted, with nothing restored yet; None empties the canvas.

        ``rgb`` is (H, W, 3) uint8 sRGB, ``alpha`` (H, W) uint8 or uint16. Raises ``ValueError`` for others.
        """
        if rgb is not None:
            _check_rgb(rgb, "photo")
            if alpha is not None and (
                alpha.shape != rgb.shape[:2] or alpha.dtype not in (np.uint8, np.uint16)
            ):
                raise ValueError(
                    f"alpha is {alpha.dtype} {alpha.shape}, need uint8 or uint16 {rgb.shape[:2]}"
                )
        self._scene.original = None if rgb is None else self._pyramid(rgb)
        self._scene.alpha = None if rgb is None or alpha is None else self._pyramid(alpha)
        self._scene.restored = None
        self._title = title
        self._transform = None
        self._tiles.clear()
        self._told_region = None
        self.fit()

    def set_restored(self, rgb: np.ndarray | None) -> None:
        """The whole restored photo at full strength, (H, W, 3) uint8; None takes it away.

        Raises ``ValueError`` when there is no photo to compare it with, or one of another size.
        """
        before = self._scene.restored
        if rgb is None:
            self._scene.restored = None
        else:
            _check_rgb(rgb, "restored photo")
            h, w = self._need_photo("restored photo")
            if rgb.shape[:2] != (h, w):
                raise ValueError(
                    f"restored photo is {rgb.shape[1]}x{rgb.shape[0]} px, the original {w}x{h} px"
                )
            streamed = isinstance(before, Streamed) and before.reaches_everywhere
            self._scene.restored = self._pyramid(rgb, meanwhile=before if streamed else None)
        self._restored_changed()

    def update_tile(self, x: int, y: int, rgb: np.ndarray) -> None:
        """A tile of the restored photo arrives, (h, w, 3) uint8 with its corner at image pixel ``(x, y)``.

        The tile is copied. Where nothing has arrived, what was shown before stays: the original, or the
        restored photo set last. Raises ``ValueError`` for a tile that reaches beyond the photo.
        """
        _check_rgb(rgb, "tile")
        h, w = self._need_photo("tile")
        tile_h, tile_w = rgb.shape[:2]
        if x < 0 or y < 0 or x + tile_w > w or y + tile_h > h:
            raise ValueError(f"tile {tile_w}x{tile_h} px at ({x}, {y}) lies outside the photo of {w}x{h} px")
        scene = self._scene
        first = scene.restored is None
        if not isinstance(scene.restored, Streamed):
            assert scene.original is not None
            scene.restored = Streamed(scene.restored or scene.original)
        scene.restored.write(x, y, rgb)
        if first:
            self._restored_changed()
        else:
            self._tiles.forget(x, y, x + tile_w, y + tile_h)
            for rect in self._restored_rects(x, y, tile_w, tile_h):
                self.update(rect.toAlignedRect().adjusted(-2, -2, 2, 2))

    def set_strength(self, strength: float) -> None:
        """Blend the restored photo with the original, 0..1. Raises ``ValueError`` outside that range."""
        if not 0 <= strength <= 1:
            raise ValueError(f"strength is {strength}, need 0..1")
        if strength != self._scene.strength:
            self._scene.strength = float(strength)
            self._hurry_timer.start()
            self._restored_changed()

    @property
    def strength(self) -> float:
        return self._scene.strength

    def _restored_changed(self) -> None:
        self._tiles.clear(RESTORED, DIFFERENCE)
        self.update()
        self._region_timer.start()

    def _pyramid(self, pixels: np.ndarray, meanwhile: Layer | None = None) -> Pyramid:
        pyramid = Pyramid(pixels, meanwhile)
        self._builder.start(pyramid)
        return pyramid

    def _on_built(self, pyramid: Pyramid, levels: list[np.ndarray]) -> None:
        pyramid.finish(levels)
        if self._tiles.grid.zoom < 1:
            self._tiles.clear()
            self.update()

    def _need_photo(self, what: str) -> tuple[int, int]:
        if self._scene.original is None:
            raise ValueError(f"a {what} without an original")
        return self._scene.original.shape

    # --- how it is shown -------------------------------------------------------------------------

    @property
    def mode(self) -> str:
        return self._mode

    def set_mode(self, mode: str) -> None:
        """ "wipe", "side", "difference" or "restored". Raises ``ValueError`` for others."""
        if mode not in MODES:
            raise ValueError(f"mode {mode!r} is none of {', '.join(MODES)}")
        if mode == self._mode:
            return
        self._mode = mode
        self._resize_view()
        self.update()
        self.mode_changed.emit(mode)

    @property
    def showing_original(self) -> bool:
        return self._show_original

    def set_show_original(self, on: bool) -> None:
        """Hold to see the original, whatever the mode."""
        if on != self._show_original:
            self._show_original = on
            self.update()

    @property
    def wipe(self) -> float:
        """Where the line stands across the visible part of the photo: 0 is its left, 1 its right edge."""
        return self._wipe

    def set_wipe(self, position: float) -> None:
        """Move the wipe line; positions beyond 0..1 stop at the edge."""
        position = min(1.0, max(0.0, float(position)))
        if position == self._wipe:
            return
        before = self._line_device_x()
        self._wipe = position
        self._region_timer.start()
        after = self._line_device_x()
        if before is None or after is None:
            return
        ratio = self.devicePixelRatioF()
        left, right = min(before, after) / ratio - _LINE_ROOM, max(before, after) / ratio + _LINE_ROOM
        self.update(QRectF(left, 0, right - left, self.height()).toAlignedRect())
        # the badges come and go as their side grows and shrinks; they lie along the photo's top
        top = self._photo_rect(self._panes()[0]).top()
        self.update(QRect(0, math.floor(top), self.width(), _LINE_ROOM * 2))

    def sample(self, x: int, y: int) -> tuple[int, int, int]:
        """Red, green, blue now shown for image pixel ``(x, y)``, at full size and before any checkerboard.

        Side by side this is the restored side. Raises ``IndexError`` outside the photo.
        """
        h, w = self._need_photo("sample")
        if not (0 <= x < w and 0 <= y < h):
            raise IndexError(f"pixel ({x}, {y}) lies outside the photo of {w}x{h} px")
        kind = DIFFERENCE if self._mode == "difference" else RESTORED
        line = self._line_device_x()
        if self._show_original:
            kind = ORIGINAL
        elif line is not None and self._transform is not None:
            kind = ORIGINAL if self._transform.to_view(x + 0.5, 0)[0] < line else RESTORED
        return self._scene.pixel(kind, x, y)

    # --- zoom and pan ----------------------------------------------------------------------------

    @property
    def zoom(self) -> float:
        """Device pixels per image pixel; 0.0 without a photo."""
        return self._transform.zoom if self._transform else 0.0

    @property
    def fitted(self) -> bool:
        """The whole photo is kept in sight, also when the window changes its size."""
        return self._fitted

    def fit(self) -> None:
        """Show the whole photo; a small one is enlarged up to 400 %."""
        self._fitted = True
        if self._scene.original is None:
            self._set_transform(None)
            return
        h, w = self._scene.original.shape
        self._set_transform(ViewTransform.fitted(w, h, *self._pane_size(), self._margin()))

    def actual_size(self, at: QPointF | None = None) -> None:
        """100 %: one image pixel per device pixel, around widget point ``at`` or the middle."""
        if self._transform is not None:
            self._fitted = False
            self._set_transform(self._transform.at_zoom(1.0, *self._to_pane(at)))

    def toggle_fit(self, at: QPointF | None = None) -> None:
        """From fit to 100 %, from any other zoom to fit."""
        if self._fitted:
            self.actual_size(at)
        else:
            self.fit()

    def zoom_by(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom so that the image point under widget point ``at`` (or the middle) stays there."""
        if not factor > 0:
            raise ValueError(f"zoom factor is {factor}, need more than 0")
        if self._transform is not None:
            zoomed = self._transform.zoomed(factor, *self._to_pane(at))
            self._fitted = zoomed.zoom == zoomed.fit_zoom  # zoomed out until all shows: keep it so
            self._hurry_timer.start()
            self._set_transform(zoomed)

    def pan_by(self, dx: float, dy: float) -> None:
        """Drag the photo by logical pixels."""
        if self._transform is not None:
            ratio = self.devicePixelRatioF()
            self._set_transform(self._transform.panned(dx * ratio, dy * ratio))

    def visible_region(self) -> tuple[int, int, int, int] | None:
        """``(x, y, w, h)`` of the image pixels in sight, or None without a photo."""
        return self._transform.visible() if self._transform else None

    def to_image(self, at: QPointF) -> QPointF | None:
        """The image point under a widget point (outside the photo where there is none)."""
        return QPointF(*self._transform.to_image(*self._to_pane(at))) if self._transform else None

    def from_image(self, x: float, y: float) -> QPointF:
        """The widget point of an image point, in the first pane; the origin without a photo.

        The photo is placed on whole pixels of the screen, and so is this.
        """
        if self._transform is None:
            return QPointF()
        pane, ratio, zoom = self._pane_rects()[0], self.devicePixelRatioF(), self._transform.zoom
        left, top = self._transform.origin
        return QPointF((pane[0] + left + x * zoom) / ratio, (pane[1] + top + y * zoom) / ratio)

    def _set_transform(self, transform: ViewTransform | None) -> None:
        if transform == self._transform:
            return
        self._transform = transform
        self._set_grid()
        self.update()
        self._region_timer.start()
        if self.zoom != self._told_zoom:
            self._told_zoom = self.zoom
            self.zoom_changed.emit(self.zoom)

    def _set_grid(self) -> None:
        if self._transform is not None:
            width, height = self._transform.canvas_size
            cell = max(1, round(8 * self.devicePixelRatioF()))
            dark = self.palette().color(QPalette.ColorRole.Window).lightness() < 128
            checker = CHECKER_DARK if dark else CHECKER_LIGHT
            self._tiles.set_grid(Grid(self._transform.zoom, width, height, cell, checker))

    def _resize_view(self) -> None:
        ratio = self.devicePixelRatioF()
        columns = math.ceil(self.width() * ratio / TILE_PX) + 1
        rows = math.ceil(self.height() * ratio / TILE_PX) + 1
        self._tiles.limit = 3 * columns * rows
        if self._transform is None or self._fitted:
            self.fit()
        else:
            self._set_transform(self._transform.resized(*self._pane_size(), self._margin()))

    def _margin(self) -> float:
        return _FIT_MARGIN * self.devicePixelRatioF()

    def _device_size(self) -> tuple[int, int]:
        ratio = self.devicePixelRatioF()
        return max(1, round(self.width() * ratio)), max(1, round(self.height() * ratio))

    def _pane_rects(self) -> tuple[tuple[int, int, int, int], ...]:
        """x, y, width, height of the panes in device pixels."""
        w, h = self._device_size()
        if self._mode != "side" or self._scene.original is None:
            return ((0, 0, w, h),)
        image_h, image_w = self._scene.original.shape
        gap = round(_SIDE_GAP * self.devicePixelRatioF())
        return side_panes(w, h, gap, image_w, image_h)

    def _pane_size(self) -> tuple[int, int]:
        _, _, w, h = self._pane_rects()[0]
        return w, h

    def _panes(self) -> list[Pane]:
        rects = self._pane_rects()
        if len(rects) == 2:
            kinds = (ORIGINAL, ORIGINAL if self._show_original else RESTORED)
            return [
                Pane(*rect, ((kind, rect[0], rect[0] + rect[2]),))
                for rect, kind in zip(rects, kinds, strict=True)
            ]
        w = rects[0][2]
        line = self._line_device_x()
        if line is not None:
            return [Pane(*rects[0], ((ORIGINAL, 0, line), (RESTORED, line, w)))]
        kind = DIFFERENCE if self._mode == "difference" else RESTORED
        return [Pane(*rects[0], ((ORIGINAL if self._show_original else kind, 0, w),))]

    def _to_pane(self, at: QPointF | None) -> tuple[float, float]:
        """A widget point as device pixels of the pane under it; None is the middle of a pane."""
        if at is None:
            w, h = self._pane_size()
            return w / 2, h / 2
        ratio = self.devicePixelRatioF()
        x, y = at.x() * ratio, at.y() * ratio
        rects = self._pane_rects()
        pane = rects[-1] if x >= rects[-1][0] and y >= rects[-1][1] else rects[0]
        return x - pane[0], y - pane[1]

    def _photo_rect(self, pane: Pane) -> QRectF:
        """What the photo covers of a pane, in logical pixels of the widget."""
        assert self._transform is not None
        left, top, right, bottom = self._transform.shown_rect
        ratio = self.devicePixelRatioF()
        x, y = pane.x + left, pane.y + top
        return QRectF(x / ratio, y / ratio, (right - left) / ratio, (bottom - top) / ratio)

    def _restored_rects(self, x: int, y: int, w: int, h: int) -> list[QRectF]:
        """Where a rectangle of image pixels shows as restored, in logical pixels of the widget."""
        if self._transform is None:
            return []
        ratio, zoom = self.devicePixelRatioF(), self._transform.zoom
        left, top = self._transform.to_view(x, y)
        rects = []
        for pane in self._panes():
            for kind, x0, x1 in pane.parts:
                if kind == ORIGINAL:
                    continue
                there = QRectF(pane.x + left, pane.y + top, w * zoom, h * zoom)
                there = there.intersected(QRectF(x0, pane.y, x1 - x0, pane.height))
                if not there.isEmpty():
                    rects.append(
                        QRectF(
                            there.x() / ratio,
                            there.y() / ratio,
                            there.width() / ratio,
                            there.height() / ratio,
                        )
                    )
        return rects

    def _line_device_x(self) -> int | None:
        """The line's place in device pixels; None where none is shown."""
        if self._transform is None or self._scene.restored is None:
            return None
        if self._mode != "wipe" or self._show_original:
            return None
        left, _, right, _ = self._transform.shown_rect
        return round(left + self._wipe * (right - left))

    # --- painting --------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(event.rect(), self.palette().color(QPalette.ColorRole.Window))
        if self._transform is not None:
            ratio = self.devicePixelRatioF()
            dirty = event.rect()
            x0, y0 = math.floor(dirty.left() * ratio), math.floor(dirty.top() * ratio)
            x1, y1 = math.ceil((dirty.right() + 1) * ratio), math.ceil((dirty.bottom() + 1) * ratio)
            painter.scale(1 / ratio, 1 / ratio)  # whole device pixels from here on
            self._paint_photo(painter, QRect(x0, y0, x1 - x0, y1 - y0))
        painter.end()

    def _paint_photo(self, painter: QPainter, dirty: QRect) -> None:
        assert self._transform is not None
        left, top, right, bottom = self._transform.shown_rect
        origin = QPoint(*self._transform.origin)
        hurried = self._hurry_timer.isActive()
        for pane in self._panes():
            shown = QRect(pane.x + left, pane.y + top, right - left, bottom - top)
            shown = shown.intersected(QRect(*pane[:4])).intersected(dirty)
            for kind, x0, x1 in pane.parts:
                part = shown.intersected(QRect(x0, pane.y, x1 - x0, pane.height))
                if not part.isEmpty():
                    sheet = QPoint(pane.x, pane.y) + origin
                    sharp = paint_sheet(painter, self._tiles, kind, sheet, part, hurried)
                    self._drafted = self._drafted or not sharp

    def _sharpen(self) -> None:
        if self._drafted:
            self._drafted = False
            self.update()

    # --- the widget's own events -----------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._resize_view()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._resize_view()
        return super().event(event)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self._set_grid()  # the checkerboard follows the theme
            self.update()
        super().changeEvent(event)

    def _tell_region(self) -> None:
        region = self.visible_region()
        if region is not None and region != self._told_region:
            self._told_region = region
            self.visible_region_changed.emit(region)


def _check_rgb(rgb: np.ndarray, what: str) -> None:
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or 0 in rgb.shape:
        raise ValueError(f"{what} is {rgb.dtype} {rgb.shape}, need uint8 (H, W, 3) with at least 1x1 px")
