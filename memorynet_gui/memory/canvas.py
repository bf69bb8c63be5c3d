"""The comparison canvas with what the memory says over it, and a hand that looks and pins."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragMoveEvent,
    QDropEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPalette,
)
from PySide6.QtWidgets import QApplication, QWidget

from memorynet_gui.compare import overlay as badges
from memorynet_gui.compare.canvas import Pane
from memorynet_gui.compare.scene import DIFFERENCE, ORIGINAL
from memorynet_gui.compare.view import CompareView
from memorynet_gui.memory import overlay
from memorynet_gui.memory.overlay import CELL_PX, Mark, Tint
from memorynet_gui.widgets.drop_choice import DropChoice
from memorynet_gui.widgets.drop_glow import files_from_outside

_STEPS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
LOOK, HOLD = "look", "hold"
_DROPPED = (
    (LOOK, "Look into this photo", "instead of the one that shows"),
    (
        HOLD,
        "Let the memory hold it",
        "instead of what this photo shows itself, to see what hangs on it",
    ),
)
_MODIFIERS = (Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt, Qt.Key.Key_Meta)


class MemoryCanvas(CompareView):
    """Hover to look, click to pin, click a pin to choose it; drag for a region while the whole photo shows, with Shift
    always. The arrow keys move the place looked at by a cell while the whole photo shows (with Ctrl always), Enter pins it;
    with Ctrl and Shift they draw a region from there, which Enter pins and Esc lets go."""

    hovered = Signal(object)  # (x, y) pixel of the photo, or None
    clicked = Signal(int, int)  # pixel of the photo
    region_drawn = Signal(int, int, int, int)  # x, y, width, height in pixels of the photo
    pin_clicked = Signal(int)  # index
    unclicked = Signal()  # the click before was the first half of a double-click
    photo_held = Signal(str)  # path of a photo dropped to be held

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._before: tuple[Tint, QImage] | None = None
        self._after: tuple[Tint, QImage] | None = None
        self._pins: tuple[Mark, ...] = ()
        self._chosen = -1
        self._looked: Mark | None = None
        self._sources: tuple[Mark, ...] = ()
        self._source_colour = QColor(255, 255, 255)
        self.cell_px = CELL_PX  # of the memory's grid, in pixels of the photo
        self._was_click = False
        self._corner: tuple[int, int] | None = None  # where a region was begun
        self._drawn: tuple[int, int, int, int] | None = None  # the region while it is drawn
        self._keyed: tuple[tuple[int, int], tuple[int, int]] | None = None  # cells of a region drawn by keys
        self._hover_cell: tuple[int, int] | None = None
        self.can_hold = False  # whether the memory of the photo that shows may hold another one
        self._choice = DropChoice(self, _DROPPED)
        self.setAccessibleName("Photo and what the memory says about it")

    # --- drops -----------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        super().dragEnterEvent(event)
        self._offer(event)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        super().dragMoveEvent(event)
        self._offer(event)

    def _offer(self, event: QDropEvent) -> None:
        """One photo can be looked into or held; several are for the page."""
        if self.can_hold and len(files_from_outside(event)) == 1:
            self._choice.choose(event.position())

    def dropEvent(self, event: QDropEvent) -> None:
        paths = files_from_outside(event)
        if self.can_hold and len(paths) == 1:
            self._choice.choose(event.position())
            self._choice.hide()
            if self._choice.chosen == HOLD:
                event.acceptProposedAction()
                self.photo_held.emit(paths[0])
                return
        super().dropEvent(event)

    # --- what lies over the photo ----------------------------------------------------------------

    def set_tints(self, before: Tint | None, after: Tint | None) -> None:
        """Over what is left (the original) and right (the restored photo) of the wipe line."""
        self._before = None if before is None else (before, before.image())
        self._after = None if after is None else (after, after.image())
        self.update()

    @property
    def tints(self) -> tuple[Tint | None, Tint | None]:
        return (self._before[0] if self._before else None), (self._after[0] if self._after else None)

    def set_pins(self, pins: Sequence[Mark], chosen: int) -> None:
        self._pins, self._chosen = tuple(pins), chosen
        self.update()

    def set_looked(self, cell: Mark | None) -> None:
        """The box of the place that is looked at now."""
        if cell != self._looked:
            self._looked = cell
            self.update()

    def set_sources(self, sources: Sequence[Mark], colour: QColor) -> None:
        """Places that the content of the place looked at came from, strongest first; lines lead there."""
        if tuple(sources) != self._sources or colour != self._source_colour:
            self._sources, self._source_colour = tuple(sources), colour
            self.update()

    @property
    def looked(self) -> Mark | None:
        return self._looked

    # --- places ----------------------------------------------------------------------------------

    def view_rect(self, pane: Pane, x: float, y: float, w: float, h: float) -> QRectF:
        """A rectangle of the photo's pixels within a pane, in logical px of the widget."""
        assert self._transform is not None
        ratio, zoom = self.devicePixelRatioF(), self._transform.zoom
        left, top = self._transform.to_view(x, y)
        return QRectF((pane.x + left) / ratio, (pane.y + top) / ratio, w * zoom / ratio, h * zoom / ratio)

    def pixel_at(self, at: QPointF) -> tuple[int, int] | None:
        """The pixel of the photo under a point of the widget; None beside the photo."""
        if self._transform is None or self._scene.original is None:
            return None
        point = self.to_image(at)
        assert point is not None
        h, w = self._scene.original.shape
        x, y = int(point.x() // 1), int(point.y() // 1)
        return (x, y) if 0 <= x < w and 0 <= y < h else None

    def pin_at(self, at: QPointF) -> int | None:
        if self._transform is None:
            return None
        for index in range(len(self._pins) - 1, -1, -1):
            for pane in self._panes():
                off = self._pin_point(pane, self._pins[index]) - at
                if off.x() ** 2 + off.y() ** 2 <= (overlay.PIN_RADIUS + 2) ** 2:
                    return index
        return None

    def _pin_point(self, pane: Pane, pin: Mark) -> QPointF:
        """The pin's disc stands above and beside the box it belongs to."""
        rect = self.view_rect(pane, pin.x, pin.y, pin.width, pin.height)
        return QPointF(rect.right() + overlay.PIN_RADIUS, rect.top() - overlay.PIN_RADIUS)

    # --- painting --------------------------------------------------------------------------------

    def paint_tints(self, painter: QPainter) -> None:
        """What lies over the photo, without marks and words: while something is painted over it."""
        ratio = self.devicePixelRatioF()
        for pane in self._panes():
            photo = self._photo_rect(pane)
            for kind, x0, x1 in pane.parts:
                held = self._before if kind == ORIGINAL else self._after
                part = photo.intersected(QRectF(x0 / ratio, photo.top(), (x1 - x0) / ratio, photo.height()))
                if held is not None and kind != DIFFERENCE and not part.isEmpty():
                    self._paint_tint(painter, pane, part, *held)

    def _paint_overlays(self, painter: QPainter) -> None:
        ratio = self.devicePixelRatioF()
        self.paint_tints(painter)
        super()._paint_overlays(painter)
        font = badges.caption_font(self.font())
        accent = self.palette().color(QPalette.ColorRole.Highlight)
        for pane in self._panes():
            painter.save()
            painter.setClipRect(
                QRectF(pane.x / ratio, pane.y / ratio, pane.width / ratio, pane.height / ratio)
            )
            self._paint_marks(painter, pane, font, accent)
            painter.restore()
        held = self._after or self._before
        if held is not None:
            pane = self._panes()[-1]
            pins = [self.view_rect(pane, pin.x, pin.y, pin.width, pin.height) for pin in self._pins]
            rect = overlay.legend_rect(held[0], font, self._photo_rect(pane), pins)
            if rect is not None:
                overlay.draw_legend(painter, held[0], rect, font)

    def _paint_tint(self, painter: QPainter, pane: Pane, part: QRectF, tint: Tint, image: QImage) -> None:
        painter.save()
        painter.setClipRect(part)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, tint.smooth)
        cell_w, cell_h = tint.cell_px
        whole = self.view_rect(pane, 0, 0, image.width() * cell_w, image.height() * cell_h)
        painter.drawImage(whole, image, QRectF(image.rect()))
        painter.restore()

    def _paint_marks(self, painter: QPainter, pane: Pane, font: object, accent: QColor) -> None:
        looked = self._looked
        if looked is not None:
            start = self.view_rect(pane, looked.x, looked.y, looked.width, looked.height)
            for source in self._sources:
                end = self.view_rect(pane, source.x, source.y, source.width, source.height)
                overlay.draw_line(painter, start.center(), end.center(), self._source_colour, source.share)
            for source in self._sources:
                end = self.view_rect(pane, source.x, source.y, source.width, source.height)
                overlay.draw_box(painter, end, self._source_colour, strong=False)
            overlay.draw_box(painter, start, QColor(255, 255, 255), strong=True)
        for index, pin in enumerate(self._pins):
            chosen = index == self._chosen
            rect = self.view_rect(pane, pin.x, pin.y, pin.width, pin.height)
            overlay.draw_box(painter, rect, accent if chosen else QColor(255, 255, 255), strong=chosen)
            overlay.draw_pin(painter, self._pin_point(pane, pin), pin.label, font, chosen, accent)  # type: ignore[arg-type]
        if self._drawn is not None:
            overlay.draw_box(painter, self.view_rect(pane, *self._drawn), accent, strong=True)

    # --- mouse -----------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._corner = self._drawn = self._keyed = None
        shift = event.modifiers() == Qt.KeyboardModifier.ShiftModifier
        if event.button() == Qt.MouseButton.LeftButton and self._transform is not None:
            at = event.position()
            free = self._thing_at(at) is None and self.pin_at(at) is None
            if free and (shift or not self._transform.can_pan):
                self._corner = self.pixel_at(at)
        super().mousePressEvent(event)
        if self._corner is not None and self._held == "pan":
            self._held = None
            self._show_cursor()
        self._was_click = (
            event.button() == Qt.MouseButton.LeftButton
            and self._transform is not None
            and self._held in (None, "pan")
        )

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        far = (event.position() - self._press).manhattanLength() >= QApplication.startDragDistance()
        if event.buttons() and far:
            self._was_click = False
        if self._corner is not None and (far or self._drawn is not None):
            self._draw_to(event.position())
            return
        super().mouseMoveEvent(event)
        if not event.buttons():
            self._tell_hover(event.position())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        was_click, self._was_click = self._was_click, False
        drawn, self._drawn, self._corner = self._drawn, None, None
        super().mouseReleaseEvent(event)
        if drawn is not None:
            self.update()
            self.region_drawn.emit(*drawn)
            return
        if not was_click or event.button() != Qt.MouseButton.LeftButton:
            return
        pin = self.pin_at(event.position())
        pixel = self.pixel_at(event.position())
        if pin is not None:
            self.pin_clicked.emit(pin)
        elif pixel is not None:
            self.clicked.emit(*pixel)

    def _draw_to(self, at: QPointF) -> None:
        assert self._corner is not None and self._scene.original is not None
        point = self.to_image(at)
        assert point is not None
        height, width = self._scene.original.shape
        x, y = min(max(0, int(point.x())), width - 1), min(max(0, int(point.y())), height - 1)
        left, top = min(x, self._corner[0]), min(y, self._corner[1])
        self._drawn = left, top, abs(x - self._corner[0]) + 1, abs(y - self._corner[1]) + 1
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._was_click = False
        if event.button() == Qt.MouseButton.LeftButton and self.pin_at(event.position()) is None:
            self.unclicked.emit()
        super().mouseDoubleClickEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._tell_hover(None)
        super().leaveEvent(event)

    def _tell_hover(self, at: QPointF | None) -> None:
        pixel = None if at is None else self.pixel_at(at)
        cell = None if pixel is None else (pixel[0] // self.cell_px, pixel[1] // self.cell_px)
        if cell != self._hover_cell:
            self._hover_cell = cell
            self.hovered.emit(pixel)

    # --- keys ------------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        """Esc lets go of a region that keys have drawn before it stops anything else."""
        esc = isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape
        if esc and self._keyed is not None and event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self._scene.original is not None and self._look_by_key(event):
            event.accept()
            return
        super().keyPressEvent(event)

    def _look_by_key(self, event: QKeyEvent) -> bool:
        assert self._scene.original is not None and self._transform is not None
        modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        ctrl = modifiers == Qt.KeyboardModifier.ControlModifier
        key = Qt.Key(event.key())
        if self._region_by_key(key, modifiers):
            return True
        if key in _STEPS and (ctrl or (not modifiers and not self._transform.can_pan)):
            h, w = self._scene.original.shape
            x, y = (w / 2, h / 2) if self._looked is None else self._looked.centre
            dx, dy = _STEPS[key]
            # from the middle of a cell to that of the next
            cell = self.cell_px
            x = (int(x) // cell + dx) * cell + cell // 2
            y = (int(y) // cell + dy) * cell + cell // 2
            self.hovered.emit((min(max(0, x), w - 1), min(max(0, y), h - 1)))
            return True
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not modifiers and self._looked is not None:
            x, y = self._looked.centre
            h, w = self._scene.original.shape
            self.clicked.emit(min(int(x), w - 1), min(int(y), h - 1))
            return True
        return False

    def _region_by_key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier) -> bool:
        """From the cell looked at to one that Ctrl, Shift and the arrows move away from it."""
        assert self._scene.original is not None
        h, w = self._scene.original.shape
        cell = self.cell_px
        both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        if key in _STEPS and modifiers == both:
            if self._keyed is None:
                x, y = (w / 2, h / 2) if self._looked is None else self._looked.centre
                start = int(x) // cell, int(y) // cell
                self._keyed = start, start
            start, end = self._keyed
            dx, dy = _STEPS[key]
            last = (w - 1) // cell, (h - 1) // cell
            end = min(max(0, end[0] + dx), last[0]), min(max(0, end[1] + dy), last[1])
            self._keyed = start, end
            left, top = min(start[0], end[0]) * cell, min(start[1], end[1]) * cell
            right, bottom = (max(start[0], end[0]) + 1) * cell, (max(start[1], end[1]) + 1) * cell
            self._drawn = left, top, min(right, w) - left, min(bottom, h) - top
            self.setAccessibleDescription(
                f"Region of {self._drawn[2]} × {self._drawn[3]} px at {left}, {top} px; Enter pins it"
            )
            self.update()
            return True
        if self._keyed is None or key in _MODIFIERS:
            return False
        drawn, self._drawn, self._keyed = self._drawn, None, None
        self.update()
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not modifiers and drawn is not None:
            self.region_drawn.emit(*drawn)
            return True
        return key == Qt.Key.Key_Escape
