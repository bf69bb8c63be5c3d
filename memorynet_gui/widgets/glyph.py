"""A button that is one icon, drawn in the palette's own colours: it needs no repainting by hand when they change."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QWidget

from memorynet_gui.look import icons
from memorynet_gui.widgets.buttons import PaintedButton

_ICON_PX = 16


class GlyphButton(PaintedButton):
    """``filled`` ones lie on a control's grey; the others show it under the pointer only."""

    def __init__(
        self,
        name: str,
        icon_name: str,
        size: QSize,
        filled: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._icon_name, self._filled = icon_name, filled
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setFixedSize(size)
        self.set_glyph(name, icon_name)

    def set_glyph(self, name: str, icon_name: str, tooltip: str = "") -> None:
        """``name`` is what a screen reader says, and the tooltip where no better one is given."""
        self._icon_name = icon_name
        self.setAccessibleName(name)
        self.setToolTip(tooltip or name)
        self.update()

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        whole = QRectF(self.rect())
        over = self.isEnabled() and (self.underMouse() or self.isDown())
        if self._filled or over or self.isChecked():
            role = QPalette.ColorRole.Midlight if self._filled and over else QPalette.ColorRole.Button
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(palette.color(role))
            painter.drawRoundedRect(whole, 4, 4)
        square = QRectF(0, 0, _ICON_PX, _ICON_PX)
        square.moveCenter(whole.center())
        if not self.isEnabled():
            colour = palette.color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text)
        elif self._filled or over:
            colour = palette.color(QPalette.ColorRole.Text)
        else:
            colour = palette.color(QPalette.ColorRole.PlaceholderText)
        icons.draw(painter, self._icon_name, square, colour)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Highlight), 2))
            painter.drawRoundedRect(whole.adjusted(1, 1, -1, -1), 4, 4)
        painter.end()
