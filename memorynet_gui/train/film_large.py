"""Pictures of a run's film as large as the window has room for: what came in, a step, and the truth beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QWidget

from memorynet_gui.look.theme import caption_font

_MARGIN_PX, _GAP_PX, _CAPTION_PX = 16, 12, 22
_SHARE = 0.92  # of the window
_MOST_TIMES = 6  # as large as stored: more shows nothing but squares

Picture = tuple[str, QImage | None]


class FilmLarge(QWidget):
    """Lies over the window until it is clicked or Esc is pressed. Left and right go from step to step."""

    moved = Signal(int)  # frames

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._pictures: tuple[Picture, ...] = ()
        self.setAccessibleName("Enlarged pictures of the film")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """What stands there, from left to right."""
        return self._pictures

    def show_pictures(self, pictures: Sequence[Picture]) -> None:
        """Captions and pictures; None: being read, or cannot be."""
        self._pictures = tuple(pictures)
        self.setAccessibleDescription(", ".join(caption for caption, _ in pictures))
        self.update()

    def open_over(self, window: QWidget) -> None:
        """In the middle of ``window``, as large as its pictures get there."""
        most = QSize(round(window.width() * _SHARE), round(window.height() * _SHARE))
        size = self._size_within(most)
        middle = window.mapToGlobal(window.rect().center())
        self.setGeometry(QRect(middle.x() - size.width() // 2, middle.y() - size.height() // 2, size.width(), size.height()))  # fmt: skip
        self.show()
        self.setFocus(Qt.FocusReason.PopupFocusReason)

    def _size_within(self, most: QSize) -> QSize:
        count = max(len(self._pictures), 1)
        stored = self._stored()
        around = QSize(2 * _MARGIN_PX + (count - 1) * _GAP_PX, 2 * _MARGIN_PX + _CAPTION_PX)
        times = min(
            (most.width() - around.width()) / (count * stored.width()),
            (most.height() - around.height()) / stored.height(),
            _MOST_TIMES,
        )
        return QSize(round(count * stored.width() * times), round(stored.height() * times)) + around

    def _stored(self) -> QSize:
        """Of a picture (px); all of a crop are of one size."""
        known = [image.size() for _, image in self._pictures if image is not None and not image.isNull()]
        return known[0] if known else QSize(256, 256)

    def places(self) -> list[QRectF]:
        """Where each picture lies."""
        count = max(len(self._pictures), 1)
        width = (self.width() - 2 * _MARGIN_PX - (count - 1) * _GAP_PX) / count
        height = self.height() - 2 * _MARGIN_PX - _CAPTION_PX
        return [QRectF(_MARGIN_PX + at * (width + _GAP_PX), _MARGIN_PX, width, height) for at in range(count)]

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        palette = self.palette()
        painter.fillRect(self.rect(), palette.color(QPalette.ColorRole.Base))
        painter.setPen(QPen(palette.color(QPalette.ColorRole.Mid), 1))
        painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.setFont(caption_font())
        painter.setPen(palette.color(QPalette.ColorRole.Text))
        for rect, (caption, image) in zip(self.places(), self._pictures, strict=False):
            shape = QPainterPath()
            shape.addRoundedRect(rect, 4, 4)
            painter.fillPath(shape, palette.color(QPalette.ColorRole.Midlight))
            if image is not None:
                painter.save()
                painter.setClipPath(shape)
                painter.drawImage(rect, image)
                painter.restore()
            below = QRectF(rect.left(), rect.bottom() + 4, rect.width(), _CAPTION_PX - 4)
            painter.drawText(below, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, caption)
        painter.end()

    def mousePressEvent(self, _event: QMouseEvent) -> None:
        self.close()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.moved.emit(1 if event.key() == Qt.Key.Key_Right else -1)
        else:
            self.close()
