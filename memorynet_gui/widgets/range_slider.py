"""A slider with two handles: a range that something is drawn from."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

TICKS = 1000
_HANDLE_PX, _GROOVE_PX, _HEIGHT_PX = 14, 4, 22
_STEP, _PAGE = 10, 100


class RangeSlider(QWidget):
    """Two handles on one groove, in ticks of 0 to TICKS. The pointer takes the nearer handle; on the keyboard the arrows
    left and right move the handle that is lit, up and down take the other one.
    """

    moved = Signal(int, int)  # by the person only

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ends = [0, TICKS]
        self._active = 1
        self._drags = False
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(80)

    def sizeHint(self) -> QSize:
        return QSize(160, _HEIGHT_PX)

    @property
    def ends(self) -> tuple[int, int]:
        return self._ends[0], self._ends[1]

    def set_ends(self, low: int, high: int) -> None:
        """Shown without a signal. Raises ValueError unless 0 <= low <= high <= TICKS."""
        if not 0 <= low <= high <= TICKS:
            raise ValueError(f"range {low} to {high}: need 0 <= low <= high <= {TICKS}")
        self._ends = [low, high]
        self.update()

    # --- the hand ------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        tick = self._tick_at(event.position().x())
        far = [abs(tick - end) for end in self._ends]
        # both handles in one place: the side of the press says which
        self._active = int(tick > self._ends[0]) if far[0] == far[1] else int(far[1] < far[0])
        self._drags = True
        self._move_to(tick)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drags:
            self._move_to(self._tick_at(event.position().x()))

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        self._drags = False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, at = event.key(), self._ends[self._active]
        targets = {
            Qt.Key.Key_Left: at - _STEP,
            Qt.Key.Key_Right: at + _STEP,
            Qt.Key.Key_PageDown: at - _PAGE,
            Qt.Key.Key_PageUp: at + _PAGE,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: TICKS,
        }
        if key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self._active = 1 - self._active
            self.update()
        elif key in targets:
            self._move_to(targets[Qt.Key(key)])
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def _move_to(self, tick: int) -> None:
        low, high = (0, self._ends[1]) if self._active == 0 else (self._ends[0], TICKS)
        tick = min(max(tick, low), high)
        if tick != self._ends[self._active]:
            self._ends[self._active] = tick
            self.moved.emit(*self._ends)
        self.update()

    # --- geometry and paint --------------------------------------------------------------------------

    def _tick_at(self, x: float) -> int:
        room = max(self.width() - _HANDLE_PX, 1)
        return round(min(max((x - _HANDLE_PX / 2) / room, 0.0), 1.0) * TICKS)

    def _x_of(self, tick: int) -> float:
        return _HANDLE_PX / 2 + tick / TICKS * (self.width() - _HANDLE_PX)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        group = QPalette.ColorGroup.Normal if self.isEnabled() else QPalette.ColorGroup.Disabled
        palette = self.palette()
        middle, half = self.height() / 2, _GROOVE_PX / 2
        first, last = (self._x_of(end) for end in self._ends)

        def bar(left: float, right: float, colour: QColor) -> None:
            painter.setBrush(colour)
            painter.drawRoundedRect(QRectF(left, middle - half, max(right - left, 0), _GROOVE_PX), half, half)

        bar(0, self.width(), palette.color(group, QPalette.ColorRole.Mid))
        accent = QPalette.ColorRole.Highlight if self.isEnabled() else QPalette.ColorRole.PlaceholderText
        bar(first, last, palette.color(group, accent))
        for index, x in enumerate((first, last)):
            lit = self.hasFocus() and index == self._active
            handle = QRectF(x - _HANDLE_PX / 2, middle - _HANDLE_PX / 2, _HANDLE_PX, _HANDLE_PX)
            painter.setBrush(palette.color(group, QPalette.ColorRole.Text))
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Highlight), 2) if lit else Qt.PenStyle.NoPen)
            painter.drawEllipse(handle.adjusted(1, 1, -1, -1) if lit else handle)
        painter.end()
