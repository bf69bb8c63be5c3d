"""The hand over a photo while a mask is painted: mouse, pen and keys in, strokes and an overlay out.

It listens to the canvas without being one: zooming, panning with the middle button and dropping stay the canvas's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPen,
    QPointingDevice,
    QPolygonF,
    QTabletEvent,
)

from memorynet_gui.compare.masks.mask import Box, Brush, Mask
from memorynet_gui.compare.view import CompareView

TOOLS = ("brush", "eraser", "patch", "lasso")
LEAST_PX, MOST_PX = 1.0, 4000.0
_BIGGER = 1.2  # of the brush, by a press of ] or [
_OPACITY = 0.55  # of the overlay where the mask is full
_ROOM_PX = 4  # around what is painted anew
_STEP_SHARE = 0.004  # of the photo's longer edge: what "wider", "narrower" and "softer" do once
_INK, _SHADE = QColor(255, 255, 255, 230), QColor(0, 0, 0, 150)


class MaskTool(QObject):
    """Paints into one :class:`Mask`; ``start`` shows it, ``stop`` gives the canvas back."""

    edited = Signal()  # a step is done, or undone
    brush_changed = Signal()
    tool_changed = Signal(str)
    shown_changed = Signal(bool)  # whether the overlay is to be seen
    left = Signal()  # Esc or Return: the person is done

    def __init__(self, canvas: CompareView, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._canvas = canvas
        self.mask: Mask | None = None
        self.photo: np.ndarray | None = None  # (H, W, 3) uint8, what patches are looked for in
        self.brush = Brush()
        self.tool = "brush"
        self.shown = True
        self.colour = QColor("#e0483e")
        self.under: Callable[[QPainter], None] | None = None  # paints over the photo, below the mask
        self._lut = np.zeros(256, np.uint32)
        self._last: QPointF | None = None  # of the stroke at hand, in the photo
        self._ended: QPointF | None = None  # where the last one ended: Shift goes on from there
        self._outline: list[QPointF] = []  # of the lasso
        self._pointer: QPointF | None = None  # in the canvas
        self._erasing = False  # what the stroke at hand does
        self._alt = False  # held down: what is painted next takes away
        self._before = ("wipe", False)

    @property
    def active(self) -> bool:
        return self.mask is not None

    @property
    def canvas(self) -> CompareView:
        return self._canvas

    def start(self, mask: Mask, photo: np.ndarray, colour: QColor) -> None:
        """Show and paint into a mask of the size of the photo on the canvas."""
        first = not self.active
        self._finish_stroke()
        self.mask, self.photo, self.colour = mask, photo, colour
        self._ended = None
        alpha = np.rint(np.arange(256) * _OPACITY).astype(np.uint32)
        red, green, blue = (
            (alpha * part + 127) // 255 for part in (colour.red(), colour.green(), colour.blue())
        )
        self._lut = (alpha << 24) | (red << 16) | (green << 8) | blue
        if first:
            self._before = (self._canvas.mode, self._canvas.showing_original)
            self._canvas.set_mode("restored")
            self._canvas.set_show_original(True)
            self._canvas.over_photo = self._paint
            self._canvas.installEventFilter(self)
            self._canvas.setCursor(Qt.CursorShape.BlankCursor)
            self._canvas.setFocus()
        self._canvas.update()

    def stop(self) -> None:
        if not self.active:
            return
        self._finish_stroke()
        self._alt = False
        self.mask = self.photo = None
        self._canvas.removeEventFilter(self)
        self._canvas.over_photo = None
        self._canvas.unsetCursor()
        self._canvas.set_mode(self._before[0])
        self._canvas.set_show_original(self._before[1])
        self._canvas.update()

    # --- how it paints ---------------------------------------------------------------------------

    def set_tool(self, tool: str) -> None:
        if tool not in TOOLS:
            raise ValueError(f"tool {tool!r} is none of {', '.join(TOOLS)}")
        if tool != self.tool:
            self._finish_stroke()
            self.tool = tool
            self._canvas.update()
            self.tool_changed.emit(tool)

    def set_brush(self, brush: Brush) -> None:
        size = min(MOST_PX, max(LEAST_PX, brush.size_px))
        brush = replace(brush, size_px=size)
        if brush != self.brush:
            self.brush = brush
            self._canvas.update()
            self.brush_changed.emit()

    def set_shown(self, shown: bool) -> None:
        if shown != self.shown:
            self.shown = shown
            self._canvas.update()
            self.shown_changed.emit(shown)

    def undo(self) -> None:
        self._did(self.mask.undo() if self.mask is not None else None)

    def redo(self) -> None:
        self._did(self.mask.redo() if self.mask is not None else None)

    def do(self, wish: str) -> bool:
        """A change of the whole mask by its name on the bar; False for anything else, or when nothing is painted into."""
        mask, photo = self.mask, self.photo
        if mask is None or photo is None:
            return False
        step_px = max(1, round(_STEP_SHARE * max(mask.shape)))
        changes: dict[str, Callable[[], Box | None]] = {
            "undo": mask.undo,
            "redo": mask.redo,
            "grow": lambda: mask.grow(step_px),
            "shrink": lambda: mask.grow(-step_px),
            "feather": lambda: mask.feather(step_px),
            "snap": lambda: mask.snap(photo),
            "invert": mask.invert,
            "clear": mask.clear,
        }
        if wish in changes:
            self._did(changes[wish]())
        return wish in changes

    def did(self, box: Box | None) -> None:
        """Something else has changed the mask within a box."""
        self._did(box)

    def _did(self, box: Box | None) -> None:
        if box is not None:
            self._canvas.update(self._on_canvas(box))
            self.edited.emit()

    # --- events ----------------------------------------------------------------------------------

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if self.mask is None:
            return False
        kind = event.type()
        if isinstance(event, QTabletEvent):
            return self._pen(event)
        if isinstance(event, QMouseEvent):
            return self._mouse(event, kind)
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Alt:
            if kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
                self._hold_alt(kind == QEvent.Type.KeyPress)
            return False
        if isinstance(event, QKeyEvent) and kind in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress):
            mine = self._key(event, kind == QEvent.Type.KeyPress)
            if mine:
                event.accept()
            return mine
        if kind == QEvent.Type.Leave:
            self._move_pointer(None)
        elif kind == QEvent.Type.FocusOut:  # the key may come up elsewhere
            self._hold_alt(False)
        return False

    def _hold_alt(self, held: bool) -> None:
        """The cursor says at once what the next stroke will do."""
        if held != self._alt:
            self._alt = held
            if self._pointer is not None:
                self._canvas.update(self._cursor_rect(self._pointer))

    @property
    def takes_away(self) -> bool:
        """Whether the stroke at hand, or the next one, takes away: the cursor shows it."""
        return self._erasing if self._held else self.tool == "eraser" or self._alt

    def _mouse(self, event: QMouseEvent, kind: QEvent.Type) -> bool:
        at = event.position()
        self._hold_alt(bool(event.modifiers() & Qt.KeyboardModifier.AltModifier))
        self._move_pointer(at)
        left = Qt.MouseButton.LeftButton
        if kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick) and event.button() == left:
            self._press(at, event.modifiers(), 1.0)
            return True
        if kind == QEvent.Type.MouseMove and self._held:
            self._drag(at, 1.0)
            return True
        if kind == QEvent.Type.MouseButtonRelease and event.button() == left:
            self._release()
            return True
        # a move without a button is shown by the cursor alone; the middle button pans
        return kind == QEvent.Type.MouseMove and not event.buttons()

    def _pen(self, event: QTabletEvent) -> bool:
        at, pressure = event.position(), float(event.pressure())
        self._move_pointer(at)
        kind = event.type()
        if kind == QEvent.Type.TabletPress:
            eraser = event.pointerType() == QPointingDevice.PointerType.Eraser
            self._press(at, event.modifiers(), pressure, eraser)
        elif kind == QEvent.Type.TabletMove and self._held:
            self._drag(at, pressure)
        elif kind == QEvent.Type.TabletRelease:
            self._release()
        event.accept()  # else the system sends the same again as a mouse
        return True

    def _key(self, event: QKeyEvent, does: bool) -> bool:
        key, plain = event.key(), not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        acts = {
            Qt.Key.Key_BracketLeft: lambda: self._resize(1 / _BIGGER),
            Qt.Key.Key_BracketRight: lambda: self._resize(_BIGGER),
            Qt.Key.Key_B: lambda: self.set_tool("brush"),
            Qt.Key.Key_E: lambda: self.set_tool("eraser"),
            Qt.Key.Key_P: lambda: self.set_tool("patch"),
            Qt.Key.Key_L: lambda: self.set_tool("lasso"),
            Qt.Key.Key_O: lambda: self.set_shown(not self.shown),
            Qt.Key.Key_Escape: self.left.emit,
            Qt.Key.Key_Return: self.left.emit,
            Qt.Key.Key_Enter: self.left.emit,
        }
        act = acts.get(Qt.Key(key)) if plain else None
        if act is None:
            return False
        if does:
            act()
        return True

    def _resize(self, factor: float) -> None:
        self.set_brush(replace(self.brush, size_px=self.brush.size_px * factor))

    # --- strokes ---------------------------------------------------------------------------------

    @property
    def _held(self) -> bool:
        return self._last is not None or bool(self._outline)

    def _press(
        self, at: QPointF, modifiers: Qt.KeyboardModifier, pressure: float, eraser: bool = False
    ) -> None:
        here = self._canvas.to_image(at)
        if here is None or self.mask is None or self.photo is None:
            return
        self._erasing = eraser or self.tool == "eraser" or bool(modifiers & Qt.KeyboardModifier.AltModifier)
        if self.tool == "patch":
            self._did(self.mask.patch(self.photo, (here.x(), here.y()), self._erasing))
            return
        if self.tool == "lasso":
            self._outline = [here]
            return
        straight = bool(modifiers & Qt.KeyboardModifier.ShiftModifier) and self._ended is not None
        self.mask.begin(self.brush, self._erasing)
        self._last = self._ended if straight and self._ended is not None else here
        self._to(here, pressure)

    def _drag(self, at: QPointF, pressure: float) -> None:
        here = self._canvas.to_image(at)
        if here is None:
            return
        if self._outline:
            self._outline.append(here)
            self._canvas.update()
        else:
            self._to(here, pressure)

    def _to(self, here: QPointF, pressure: float) -> None:
        assert self.mask is not None and self._last is not None
        box = self.mask.line((self._last.x(), self._last.y()), (here.x(), here.y()), pressure)
        self._last = here
        if box is not None:
            self._canvas.update(self._on_canvas(box))

    def _release(self) -> None:
        if self._outline:
            outline, self._outline = self._outline, []
            if self.mask is not None:
                self._did(self.mask.lasso([(point.x(), point.y()) for point in outline], self._erasing))
            self._canvas.update()
        elif self._last is not None:
            self._finish_stroke()
            self.edited.emit()

    def _finish_stroke(self) -> None:
        if self.mask is not None:
            self.mask.end()
        self._ended = self._last if self._last is not None else self._ended
        self._last = None
        self._outline = []

    # --- painting --------------------------------------------------------------------------------

    def _move_pointer(self, at: QPointF | None) -> None:
        for place in (self._pointer, at):
            if place is not None:
                self._canvas.update(self._cursor_rect(place))
        self._pointer = at

    def _cursor_rect(self, at: QPointF) -> QRect:
        radius = self._radius() + _ROOM_PX
        return (
            QRectF(at.x() - radius, at.y() - radius, 2 * radius, 2 * radius)
            .toAlignedRect()
            .adjusted(0, 0, 64, 24)
        )

    def _radius(self) -> float:
        """Of the brush, in logical pixels of the canvas."""
        if self.tool in ("patch", "lasso"):
            return 8.0
        return self.brush.size_px / 2 * self._canvas.zoom / self._canvas.devicePixelRatioF()

    def _on_canvas(self, box: Box) -> QRect:
        x, y, width, height = box
        corner, end = self._canvas.from_image(x, y), self._canvas.from_image(x + width, y + height)
        room = _ROOM_PX
        return QRectF(corner, end).toAlignedRect().adjusted(-room, -room, room, room)

    def _paint(self, painter: QPainter, exposed: QRect) -> None:
        if self.mask is None:
            return
        if self.under is not None:
            self.under(painter)
        if self.shown:
            self._paint_mask(painter, exposed, self.mask.values)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if len(self._outline) > 1:
            points = QPolygonF([self._canvas.from_image(point.x(), point.y()) for point in self._outline])
            for ink, width in ((_SHADE, 3.0), (_INK, 1.2)):
                painter.setPen(QPen(ink, width))
                painter.drawPolyline(points)
        if self._pointer is not None:
            self._paint_cursor(painter, self._pointer)

    def _paint_mask(self, painter: QPainter, exposed: QRect, values: np.ndarray) -> None:
        """The mask over what is exposed, one value for each pixel of the screen."""
        ratio = self._canvas.devicePixelRatioF()
        left, top = self._canvas.from_image(0, 0).x() * ratio, self._canvas.from_image(0, 0).y() * ratio
        height, width = values.shape
        zoom = self._canvas.zoom
        x0, y0 = math.floor(exposed.left() * ratio), math.floor(exposed.top() * ratio)
        x1, y1 = math.ceil((exposed.right() + 1) * ratio), math.ceil((exposed.bottom() + 1) * ratio)
        columns = np.floor((np.arange(x0, x1) + 0.5 - left) / zoom).astype(int)
        rows = np.floor((np.arange(y0, y1) + 0.5 - top) / zoom).astype(int)
        inside_x = np.flatnonzero((columns >= 0) & (columns < width))
        inside_y = np.flatnonzero((rows >= 0) & (rows < height))
        if not len(inside_x) or not len(inside_y):
            return
        seen = values[rows[inside_y]][:, columns[inside_x]]
        if not seen.any():
            return
        pixels = np.ascontiguousarray(self._lut[seen])
        image = QImage(
            pixels.data,
            pixels.shape[1],
            pixels.shape[0],
            pixels.shape[1] * 4,
            QImage.Format.Format_ARGB32_Premultiplied,
        )
        image.setDevicePixelRatio(ratio)
        painter.drawImage(QPointF((x0 + inside_x[0]) / ratio, (y0 + inside_y[0]) / ratio), image)

    def _paint_cursor(self, painter: QPainter, at: QPointF) -> None:
        radius = self._radius()
        rings = [(radius, Qt.PenStyle.SolidLine)]
        if self.tool in ("brush", "eraser") and self.brush.feather > 0.05:
            rings.append((radius * (1 - self.brush.feather), Qt.PenStyle.DotLine))
        for reach, style in rings:
            for ink, width in ((_SHADE, 3.0), (_INK, 1.2)):
                painter.setPen(QPen(ink, width, style))
                painter.drawEllipse(at, reach, reach)
        sign = "−" if self.takes_away else {"patch": "+", "lasso": "○"}.get(self.tool, "")
        if self.tool in ("brush", "eraser") and self.brush.flow < 1:
            sign = f"{sign} {100 * self.brush.flow:.0f} %".strip()
        if sign:
            place = QPointF(at.x() + radius + 4, at.y() + 4)
            painter.setPen(_SHADE)
            painter.drawText(place + QPointF(1, 1), sign)
            painter.setPen(_INK)
            painter.drawText(place, sign)
