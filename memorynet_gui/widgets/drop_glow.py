"""The edge of light around what takes the files that are being dragged over it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRectF, Qt
from PySide6.QtGui import QDropEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QWidget

_LINE_PX = 3
_FILL_ALPHA = 28


def files_from_outside(event: QDropEvent) -> list[str]:
    """Local files of a drag that another program has begun. A result dragged out and back again is none to be added."""
    if event.source() is not None:
        return []
    return [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]


class DropGlow(QWidget):
    """Covers ``over`` while it is shown; mouse and drags go through it."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAccessibleName("Drop to add to the list")
        self.hide()
        over.installEventFilter(self)

    def light(self, on: bool) -> None:
        if on:
            self.setGeometry(self._over.rect())
            self.raise_()
        self.setVisible(on)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self.setGeometry(self._over.rect())
        elif event.type() in (QEvent.Type.DragLeave, QEvent.Type.Drop):
            self.light(False)
        return super().eventFilter(watched, event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        accent = self.palette().color(QPalette.ColorRole.Highlight)
        painter.setPen(QPen(accent, _LINE_PX))
        accent.setAlpha(_FILL_ALPHA)
        painter.setBrush(accent)
        half = _LINE_PX / 2
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(half, half, -half, -half), 4, 4)
        painter.end()
