"""The rail at the left: one button, icon over word, for every page."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFont, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QButtonGroup, QVBoxLayout, QWidget

from memorynet_gui.look import icons
from memorynet_gui.look.theme import set_surface
from memorynet_gui.widgets.buttons import PaintedButton

WIDTH_PX = 72
_BUTTON = QSize(60, 58)
_ICON_PX = 20
_CAPTION_PX = 11


class RailButton(PaintedButton):
    """Icon over word; the current page's lies on a control's grey."""

    def __init__(self, title: str, icon_name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icon_name = icon_name
        self.setText(title)
        self.setAccessibleName(title)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setFixedSize(_BUTTON)

    def sizeHint(self) -> QSize:
        return _BUTTON

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        lit = self.isChecked() or self.underMouse()
        shape = QRectF(self.rect())
        if self.isChecked() or self.isDown():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(palette.color(QPalette.ColorRole.Button))
            painter.drawRoundedRect(shape, 4, 4)
        role = QPalette.ColorRole.Text if lit else QPalette.ColorRole.PlaceholderText
        square = QRectF((self.width() - _ICON_PX) / 2, 11, _ICON_PX, _ICON_PX)
        icons.draw(painter, self._icon_name, square, palette.color(role))
        font = QFont(self.font())
        font.setPixelSize(_CAPTION_PX)
        painter.setFont(font)
        painter.setPen(palette.color(role))
        word = painter.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width() - 2)
        painter.drawText(QRect(0, 34, self.width(), 18), Qt.AlignmentFlag.AlignCenter, word)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Highlight), 2))
            painter.drawRoundedRect(shape.adjusted(1, 1, -1, -1), 4, 4)
        painter.end()


class Rail(QWidget):
    """Buttons for the pages, in the order they were added."""

    chosen = Signal(str)  # page_id

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._buttons: dict[str, RailButton] = {}
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        set_surface(self, "panel")
        self.setFixedWidth(WIDTH_PX)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(6, 11, 6, 6)
        self._layout.setSpacing(4)
        self._layout.addStretch(1)

    def add(self, page_id: str, title: str, icon_name: str) -> None:
        button = RailButton(title, icon_name, self)
        button.setToolTip(f"{title} (Alt+{len(self._buttons) + 1})")
        button.clicked.connect(lambda _on=False: self.chosen.emit(page_id))
        self._buttons[page_id] = button
        self._group.addButton(button)
        self._layout.insertWidget(self._layout.count() - 1, button)

    def show_current(self, page_id: str) -> None:
        self._buttons[page_id].setChecked(True)

    def buttons(self) -> dict[str, RailButton]:
        return dict(self._buttons)
