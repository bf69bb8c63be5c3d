"""A page without photos: what to do, and three sample photos to try it on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from memorynet_gui.base.thumbnails import Thumbnails
from memorynet_gui.widgets.buttons import PaintedButton

if TYPE_CHECKING:
    from core.model.catalog import Sample

SHOWN = 3
PHOTO = QSize(184, 124)
CAPTION_PX = 24


class SampleButton(PaintedButton):
    """A sample photo that can be clicked."""

    def __init__(self, sample: Sample, thumbnails: Thumbnails) -> None:
        super().__init__()
        self.sample = sample
        self._thumbnails = thumbnails
        self.setText(sample.name)
        self.setAccessibleName(f"Try the sample photo {sample.name}")
        self.setToolTip(f"Try it on “{sample.name}”\n{sample.credit}")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFixedSize(PHOTO.width() + 8, PHOTO.height() + CAPTION_PX + 8)
        thumbnails.ready.connect(self._came)

    def _came(self, path: Path) -> None:
        if path == self.sample.path:
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        palette = self.palette()
        photo = QRect(4, 4, PHOTO.width(), PHOTO.height())
        shape = QPainterPath()
        shape.addRoundedRect(QRectF(photo), 4, 4)
        painter.fillPath(shape, palette.color(QPalette.ColorRole.Button))
        image: QImage | None = self._thumbnails.get(self.sample.path)
        if image is not None:
            scale = max(photo.width() / image.width(), photo.height() / image.height())
            width, height = photo.width() / scale, photo.height() / scale
            source = QRectF((image.width() - width) / 2, (image.height() - height) / 2, width, height)
            painter.setClipPath(shape)
            painter.drawImage(QRectF(photo), image, source)
            painter.setClipping(False)
        if self.hasFocus() or self.underMouse():
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Highlight), 2))
            painter.drawRoundedRect(QRectF(photo).adjusted(-1, -1, 1, 1), 5, 5)
        caption = QRect(4, photo.bottom() + 1, photo.width(), CAPTION_PX)
        role = QPalette.ColorRole.Text if self.underMouse() else QPalette.ColorRole.PlaceholderText
        painter.setPen(palette.color(role))
        text = painter.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, caption.width())
        painter.drawText(caption, Qt.AlignmentFlag.AlignCenter, text)
        painter.end()


class EmptyState(QWidget):
    """Says what this page is for and offers the first step."""

    open_requested = Signal()
    sample_requested = Signal(object)  # Sample

    def __init__(self, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._title = QLabel("Drop photos or folders here")
        self._title.setProperty("role", "title")
        self._title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._words = QLabel("Rain goes, the photo stays. Your originals are never overwritten.")
        self._words.setProperty("role", "secondary")
        self._words.setMaximumWidth(640)
        self.open = QPushButton("Open photos…")
        self.open.setProperty("role", "primary")
        self.open.setToolTip("Choose photos from your disk (Ctrl+O)")
        self.open.setAccessibleName("Open photos")
        self._below = QLabel("or paste with Ctrl+V")
        self._below.setProperty("role", "caption")
        self._try = QLabel("Or try it on one of these")
        self._try.setProperty("role", "secondary")
        for label in (self._words, self._below, self._try):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setWordWrap(True)
        self._samples = QHBoxLayout()
        self._samples.setSpacing(16)
        self.buttons: list[SampleButton] = []
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.open)
        row.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 24)
        layout.addStretch(2)
        layout.addWidget(self._title)
        layout.addSpacing(4)
        words = QHBoxLayout()
        words.addStretch(1)
        words.addWidget(self._words, 8)
        words.addStretch(1)
        layout.addLayout(words)
        layout.addSpacing(16)
        layout.addLayout(row)
        layout.addSpacing(4)
        layout.addWidget(self._below)
        layout.addSpacing(32)
        layout.addWidget(self._try)
        layout.addSpacing(8)
        layout.addLayout(self._samples)
        layout.addStretch(3)
        self._try.hide()
        self.open.clicked.connect(self.open_requested)

    def say(self, title: str, words: str, below: str) -> None:
        """Other words for another page."""
        self._title.setText(title)
        self._words.setText(words)
        self._below.setText(below)

    def set_samples(self, samples: Sequence[Sample]) -> None:
        """Show the first few; nothing is decoded before it is painted."""
        for button in self.buttons:
            button.deleteLater()
        while self._samples.count():
            self._samples.takeAt(0)
        self.buttons = [SampleButton(sample, self._thumbnails) for sample in samples[:SHOWN]]
        self._samples.addStretch(1)
        for button in self.buttons:
            button.clicked.connect(lambda _on=False, sample=button.sample: self.sample_requested.emit(sample))
            self._samples.addWidget(button)
        self._samples.addStretch(1)
        self._try.setVisible(bool(self.buttons))

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange:
            self.update()
        super().changeEvent(event)
