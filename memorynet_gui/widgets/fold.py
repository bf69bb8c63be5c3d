"""A line of text that shows and hides what is below it."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from memorynet_gui.look import icons
from memorynet_gui.widgets.buttons import PaintedButton

_ICON_PX, _HEIGHT_PX, _GAP_PX, _PAD_PX = 16, 28, 4, 2


class FoldButton(PaintedButton):
    """Checkable; checked means unfolded. Who owns it shows and hides."""

    def __init__(self, text: str, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(text)
        self.setAccessibleName(text)
        self.setToolTip(tooltip)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        text_px = self.fontMetrics().horizontalAdvance(self.text())
        return QSize(_PAD_PX + _ICON_PX + _GAP_PX + text_px + 2 * _PAD_PX, _HEIGHT_PX)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        lit = self.underMouse() and self.isEnabled()
        colour = palette.color(QPalette.ColorRole.Text if lit else QPalette.ColorRole.PlaceholderText)
        square = QRectF(_PAD_PX, (self.height() - _ICON_PX) / 2, _ICON_PX, _ICON_PX)
        name = "mdi6.chevron-down" if self.isChecked() else "mdi6.chevron-right"
        icons.draw(painter, name, square, colour)
        painter.setPen(colour)
        words = self.rect().adjusted(_PAD_PX + _ICON_PX + _GAP_PX, 0, 0, 0)
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self.text())
        if self.hasFocus():
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Highlight), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
        painter.end()
