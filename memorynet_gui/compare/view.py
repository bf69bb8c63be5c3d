"""The comparison view: the canvas of :mod:`memorynet_gui.compare.canvas` with mouse, keys and drops."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QDragEnterEvent,
    QDragMoveEvent,
    QDropEvent,
    QFocusEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QToolTip, QWidget

from memorynet_gui.compare import overlay
from memorynet_gui.compare.canvas import MODES, CompareCanvas
from memorynet_gui.compare.scene import DIFFERENCE, DIFFERENCE_GAIN, ORIGINAL, RESTORED
from memorynet_gui.widgets.drop_glow import DropGlow, files_from_outside

__all__ = ["MODES", "CompareView"]

_NOTCH = 1.25  # zoom factor of one wheel notch
_KEY_ZOOM = 1.5
_PAN_STEP = 64  # logical px
_WIPE_STEP = 0.02
_ARRIVAL_S = 0.14
_PAN_KEYS = {
    Qt.Key.Key_Left: (_PAN_STEP, 0),
    Qt.Key.Key_Right: (-_PAN_STEP, 0),
    Qt.Key.Key_Up: (0, _PAN_STEP),
    Qt.Key.Key_Down: (0, -_PAN_STEP),
}
_KEY_FOCUS = (
    Qt.FocusReason.TabFocusReason,
    Qt.FocusReason.BacktabFocusReason,
    Qt.FocusReason.ShortcutFocusReason,
)


class _Arrival(NamedTuple):
    rect: tuple[int, int, int, int]  # image pixels: x, y, w, h
    since: float  # time.monotonic()


class CompareView(CompareCanvas):
    """Shows a photo before and after restoring.

    Wheel zooms to the pointer, drag pans, dragging the line wipes, double-click or Z switches between fit and
    100 %. Arrows pan (they are left to the page while the whole photo shows), + and - zoom, Shift+Left and
    Shift+Right move the wipe line. Holding a key to see the original is the page's:
    :meth:`~CompareCanvas.set_show_original`.
    """

    files_dropped = Signal(list)
    """Local paths as ``str``."""
    drag_out_requested = Signal()
    """The badge "Restored" is being dragged: the receiver starts the drag with the result in it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._hot: str | None = None  # what the mouse is over: "line", "badge"
        self._held: str | None = None  # what the mouse holds: "line", "pan", "badge"
        self._press = QPointF()
        self._last = QPointF()
        self._line_grab = 0.0  # pointer to line when it was taken, logical px
        self._focus_ring = False
        self._arrivals: list[_Arrival] = []
        self.over_photo: Callable[[QPainter, QRect], None] | None = None  # paints over the exposed part
        self.words = ("Original", "Restored", "Not restored yet")  # on the badges: left, right, right so far
        self._arrival_timer = QTimer(self)
        self._arrival_timer.setInterval(16)
        self._arrival_timer.timeout.connect(self._on_arrival_tick)
        self._region_timer.timeout.connect(self._describe)
        self.setAccessibleName("Photo before and after")
        self._describe()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAcceptDrops(True)
        self._glow = DropGlow(self)

    # --- what lies over the photo ----------------------------------------------------------------

    def _line(self) -> overlay.WipeLine | None:
        x = self._line_device_x()
        if x is None:
            return None
        photo = self._photo_rect(self._panes()[0])
        return overlay.place_line(x / self.devicePixelRatioF(), photo, QRectF(self.rect()))

    def _drag_line_to(self, x: float) -> None:
        photo = self._photo_rect(self._panes()[0])
        if photo.width() > 0:
            self.set_wipe((x - photo.left()) / photo.width())

    def _badges(self) -> list[overlay.Badge]:
        """The words over the photo; the one on the restored side can be dragged out."""
        font = overlay.caption_font(self.font())
        ratio = self.devicePixelRatioF()
        is_restored = self._scene.restored is not None
        strength = round(100 * self._scene.strength)
        before, after, not_yet = self.words
        restored = after if strength == 100 else f"{after} {strength} %"
        badges = []
        for pane in self._panes():
            photo = self._photo_rect(pane)
            for kind, x0, x1 in pane.parts:
                part = photo.intersected(QRectF(x0 / ratio, photo.top(), (x1 - x0) / ratio, photo.height()))
                if kind == ORIGINAL or (self._mode == "wipe" and not is_restored):
                    badge = overlay.place_badge(before, font, part, right=False)
                elif kind == RESTORED:
                    text = restored if is_restored else not_yet
                    badge = overlay.place_badge(text, font, part, right=True, grip=is_restored)
                else:
                    badge = None
                if badge is not None:
                    badges.append(badge)
        return badges

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        if self._transform is not None and self.over_photo is not None:
            self.over_photo(painter, event.rect())
        elif self._transform is not None:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._paint_overlays(painter)
        if self._focus_ring and self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            overlay.draw_focus(
                painter, QRectF(self.rect()), self.palette().color(QPalette.ColorRole.Highlight)
            )
        painter.end()

    def _paint_overlays(self, painter: QPainter) -> None:
        font = overlay.caption_font(self.font())
        now = time.monotonic()
        for arrival in self._arrivals:
            age = (now - arrival.since) / _ARRIVAL_S
            for rect in self._restored_rects(*arrival.rect) if age < 1 else ():
                overlay.draw_arrival(painter, rect, age)
        for badge in self._badges():
            overlay.draw_badge(painter, badge, font, hot=badge.grip and self._hot == "badge")
        pane = self._panes()[0]
        if pane.parts[0][0] == DIFFERENCE:
            overlay.draw_legend(painter, font, self._photo_rect(pane), self._scene.restored is not None)
        line = self._line()
        if line is not None:
            overlay.draw_line(painter, line, hot="line" in (self._hot, self._held))

    def update_tile(self, x: int, y: int, rgb: np.ndarray) -> None:
        super().update_tile(x, y, rgb)
        if self.isVisible():
            self._arrivals.append(_Arrival((x, y, rgb.shape[1], rgb.shape[0]), time.monotonic()))
            self._arrival_timer.start()

    def _on_arrival_tick(self) -> None:
        for arrival in self._arrivals:
            for rect in self._restored_rects(*arrival.rect):
                self.update(rect.toAlignedRect().adjusted(-2, -2, 2, 2))
        now = time.monotonic()
        self._arrivals = [arrival for arrival in self._arrivals if now - arrival.since < _ARRIVAL_S]
        if not self._arrivals:
            self._arrival_timer.stop()

    def set_original(self, rgb: np.ndarray | None, alpha: np.ndarray | None = None, title: str = "") -> None:
        super().set_original(rgb, alpha, title)
        self._arrivals.clear()
        self._held = None
        self._describe()

    def exchange_original(
        self, rgb: np.ndarray | None, title: str = "", alpha: np.ndarray | None = None
    ) -> None:
        """Another picture of the same photo at the left: zoom and place stay. One of another size is shown anew."""
        old = self._scene.original
        if rgb is None or old is None or old.shape != rgb.shape[:2]:
            self.set_original(rgb, alpha, title)
            return
        transform, fitted = self._transform, self._fitted
        self.set_original(rgb, alpha, title)
        if transform is not None and not fitted:
            self._fitted = False
            self._set_transform(transform)

    def set_mode(self, mode: str) -> None:
        self._held = None
        super().set_mode(mode)

    def _describe(self) -> None:
        """Say in words what the canvas shows, for screen readers."""
        if self._scene.original is None:
            self.setAccessibleDescription("No photo is open.")
            return
        h, w = self._scene.original.shape
        sentences = [f"{self._title or 'Photo'}, {w} by {h} pixels, zoom {100 * self.zoom:.0f} %."]
        if self._scene.restored is None:
            sentences.append("Not restored yet.")
        elif self._mode == "wipe":
            sentences.append(
                f"Original left of the line, restored right of it; the line is at {self._wipe:.0%}."
            )
        else:
            shown = {"side": "Original and restored side by side", "restored": "The restored photo"}
            sentences.append(
                shown.get(self._mode, f"The difference, {DIFFERENCE_GAIN} times amplified") + "."
            )
        if self._scene.strength < 1:
            sentences.append(f"Strength {self._scene.strength:.0%}.")
        self.setAccessibleDescription(" ".join(sentences))

    # --- mouse -----------------------------------------------------------------------------------

    def _thing_at(self, at: QPointF) -> str | None:
        """ "badge", "line" or None."""
        if self._transform is None:
            return None
        for badge in self._badges():
            if badge.grip and badge.rect.contains(at):
                return "badge"
        line = self._line()
        return "line" if line is not None and line.takes(at) else None

    def _touch(self, at: QPointF | None) -> None:
        """Show what the pointer is over."""
        hot = None if at is None else self._thing_at(at)
        if hot != self._hot:
            self._hot = hot
            self.update()
        self._show_cursor()

    def _show_cursor(self) -> None:
        can_pan = self._transform is not None and self._transform.can_pan
        shape = Qt.CursorShape.OpenHandCursor if can_pan else Qt.CursorShape.ArrowCursor
        if self._held == "pan":
            shape = Qt.CursorShape.ClosedHandCursor
        elif "line" in (self._held, self._hot):
            shape = Qt.CursorShape.SplitHCursor
        elif self._hot == "badge":
            shape = Qt.CursorShape.OpenHandCursor
        if self.cursor().shape() != shape:
            self.setCursor(shape)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        button = event.button()
        if button not in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton) or self._transform is None:
            event.ignore()
            return
        self._focus_ring = False
        self._press = self._last = event.position()
        thing = self._thing_at(self._press) if button == Qt.MouseButton.LeftButton else None
        self._held = thing or "pan"
        line = self._line()
        if thing == "line" and line is not None:
            self._line_grab = self._press.x() - line.x
        if self._held == "pan" and not self._transform.can_pan:
            self._held = None
        self._show_cursor()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        if self._held is None:
            self._touch(at)
        elif self._held == "pan":
            self.pan_by(at.x() - self._last.x(), at.y() - self._last.y())
        elif self._held == "line":
            self._drag_line_to(at.x() - self._line_grab)
        elif (at - self._press).manhattanLength() >= QApplication.startDragDistance():
            self._held = None  # the drag that follows swallows the release
            self.drag_out_requested.emit()
        self._last = at

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._held = None
        self._touch(event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._transform is not None:
            self._held = None
            self.toggle_fit(event.position())
            self._touch(event.position())
        else:
            event.ignore()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        event.ignore()  # the page's

    def leaveEvent(self, event: QEvent) -> None:
        self._touch(None)
        super().leaveEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        turned = event.angleDelta().y()
        if turned == 0 or self._transform is None:
            event.ignore()
            return
        self.zoom_by(_NOTCH ** (turned / 120), event.position())
        self._touch(event.position())
        event.accept()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent):
            if event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture and event.value() > -1:
                self.zoom_by(1 + event.value(), event.position())
                return True
        elif isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            if self._thing_at(QPointF(event.pos())) == "badge":
                QToolTip.showText(event.globalPos(), "Drag the restored photo to another program", self)
                return True
            QToolTip.hideText()
        return super().event(event)

    # --- keys ------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self._transform is None or not self._take_key(event):
            event.ignore()
            return
        self._focus_ring = True
        self.update()

    def _take_key(self, event: QKeyEvent) -> bool:
        assert self._transform is not None
        key = Qt.Key(event.key())
        modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        shift = modifiers == Qt.KeyboardModifier.ShiftModifier
        if modifiers and not shift:
            return False
        if shift and key in (Qt.Key.Key_Left, Qt.Key.Key_Right) and self._line() is not None:
            self.set_wipe(self.wipe + (_WIPE_STEP if key == Qt.Key.Key_Right else -_WIPE_STEP))
        elif key in _PAN_KEYS and not shift and self._transform.can_pan:
            self.pan_by(*_PAN_KEYS[key])
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom_by(_KEY_ZOOM)
        elif key in (Qt.Key.Key_Minus, Qt.Key.Key_Underscore):
            self.zoom_by(1 / _KEY_ZOOM)
        elif key == Qt.Key.Key_Z and not shift:
            self.toggle_fit(self._last if self.underMouse() else None)
        else:
            return False
        return True

    def focusInEvent(self, event: QFocusEvent) -> None:
        if event.reason() in _KEY_FOCUS:
            self._focus_ring = True
        elif event.reason() == Qt.FocusReason.MouseFocusReason:
            self._focus_ring = False  # coming back to the window leaves it as it was
        self.update()
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self.update()
        super().focusOutEvent(event)

    # --- drops -----------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if files_from_outside(event):
            event.acceptProposedAction()
            self._glow.light(True)
        else:
            event.ignore()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = files_from_outside(event)
        if paths:
            event.acceptProposedAction()
            self.files_dropped.emit(paths)
