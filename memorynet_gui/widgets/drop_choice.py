"""What a file that is dragged over something is for, where there are two answers: it is dropped on one of two halves."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QWidget

_GAP_PX = 12
_SHADE = QColor(0, 0, 0, 150)
_LIT_ALPHA = 90


class DropChoice(QWidget):
    """Covers ``over`` while something is dragged; mouse and drags go through it.

    Args:
        choices: left and right: the key of :attr:`chosen`, what happens, and more about it.
    """

    def __init__(self, over: QWidget, choices: tuple[tuple[str, str, str], tuple[str, str, str]]) -> None:
        super().__init__(over)
        self._over, self._choices = over, choices
        self.chosen = ""  # the half under the pointer
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        left, right = (title for _key, title, _more in choices)
        self.setAccessibleName(f"Drop left: {left}. Drop right: {right}.")
        self.hide()
        over.installEventFilter(self)

    def choose(self, at: QPointF) -> None:
        """The drag is here."""
        self.setGeometry(self._over.rect())
        self.chosen = self._choices[int(at.x() >= self.width() / 2)][0]
        self.raise_()
        self.show()
        self.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.DragLeave, QEvent.Type.Drop):
            self.hide()
        return super().eventFilter(watched, event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        accent = self.palette().color(QPalette.ColorRole.Highlight)
        half = (self.width() - 3 * _GAP_PX) / 2
        for index, (key, title, more) in enumerate(self._choices):
            box = QRectF(_GAP_PX + index * (half + _GAP_PX), _GAP_PX, half, self.height() - 2 * _GAP_PX)
            lit = key == self.chosen
            painter.setBrush(_SHADE)
            painter.setPen(QPen(accent if lit else QColor(255, 255, 255, 120), 3 if lit else 1))
            painter.drawRoundedRect(box, 4, 4)
            if lit:
                glow = QColor(accent)
                glow.setAlpha(_LIT_ALPHA)
                painter.setBrush(glow)
                painter.drawRoundedRect(box, 4, 4)
            painter.setPen(QColor(255, 255, 255))
            words = box.adjusted(16, 16, -16, -16)
            painter.drawText(
                words, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, f"{title}\n{more}"
            )
        painter.end()
