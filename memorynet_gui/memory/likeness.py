"""This looks like that: a place of the photo beside the stored samples most like it, and what a usual place gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QColor, QHelpEvent, QImage, QPainter, QPaintEvent, QPalette, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from memorynet_gui.memory.words import STANDS_OUT, cosine

if TYPE_CHECKING:
    from core.restoring.memory.places import NearSamples

PATCH_PX = 32  # of the photo; as the stored samples have
CELL_PX = 8
_SHADE = QColor(0, 0, 0, 115)
_GAP_PX = 6
_CAPTION_PX = 18
_LARGEST_PX = 64
_LARGEST_PAIR_PX = 112.0


@dataclass(frozen=True, slots=True)
class Patch:
    """A square cut around a cell; what is not the cell is shown dimmed."""

    image: QImage
    caption: str
    tooltip: str
    strong: bool = True


def patch_of(rgb: np.ndarray, x: int, y: int) -> QImage:
    """:data:`PATCH_PX` around the cell at (x, y) of (H, W, 3) uint8; beyond the photo its edge repeats."""
    first_x, first_y = x + (CELL_PX - PATCH_PX) // 2, y + (CELL_PX - PATCH_PX) // 2
    rows = np.clip(np.arange(first_y, first_y + PATCH_PX), 0, rgb.shape[0] - 1)
    columns = np.clip(np.arange(first_x, first_x + PATCH_PX), 0, rgb.shape[1] - 1)
    return image_of(rgb[rows[:, None], columns[None, :]])


def image_of(rgb: np.ndarray) -> QImage:
    """(h, w, 3) uint8 as an image that owns its pixels."""
    rgb = np.ascontiguousarray(rgb)
    height, width = rgb.shape[:2]
    return QImage(rgb.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


class Likeness(QWidget):
    """A row of patches: first the place, then the samples, with their similarity below."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._patches: tuple[Patch, ...] = ()
        self._name = name
        self._count = 5
        self._apart = False
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(self._edge(240) + _CAPTION_PX)

    @property
    def patches(self) -> tuple[Patch, ...]:
        return self._patches

    def show_patches(self, place: QImage | None, near: NearSamples | None) -> None:
        patches = []
        if place is not None:
            patches.append(
                Patch(place, "here", "The place looked at; what lies outside of the cell is dimmed")
            )
        for sample, similarity in near.samples if near is not None else ():
            assert near is not None
            words = (
                f"{sample.source}\nsimilarity {similarity:.3f} (cosine)\n"
                f"a usual place of this photo has {near.usual:.3f} with its nearest sample (the median),\n"
                f"and any place {near.random:.3f} with a random one (the mean)"
            )
            patches.append(
                Patch(
                    image_of(sample.thumbnail),
                    cosine(similarity),
                    words,
                    similarity - near.usual >= STANDS_OUT,
                )
            )
        self.show_these(patches, apart=place is not None)

    def show_these(self, patches: Sequence[Patch], apart: bool = False) -> None:
        """Any patches; ``apart``: the first is what the others are compared with."""
        self._patches, self._apart = tuple(patches), apart
        told = ", ".join(patch.caption for patch in patches[int(apart) :])
        self.setAccessibleDescription(told or "none")
        self.updateGeometry()
        self.update()

    def _edge(self, width: int) -> int:
        return max(16, min(_LARGEST_PX, (width - _GAP_PX * self._count) // self._count))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.setFixedHeight(self._edge(self.width()) + _CAPTION_PX)

    def sizeHint(self) -> QSize:
        return QSize(216, self.height())

    def _boxes(self) -> Sequence[QRectF]:
        edge = self._edge(self.width())
        # the place stands a little apart from what it is compared with
        return [
            QRectF(index * (edge + _GAP_PX) + (_GAP_PX if index and self._apart else 0), 0, edge, edge)
            for index in range(len(self._patches))
        ]

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        palette = self.palette()
        for patch, box in zip(self._patches, self._boxes(), strict=True):
            painter.drawImage(box, patch.image)
            cell = box.width() * CELL_PX / PATCH_PX
            inner = QRectF(0, 0, cell, cell)
            inner.moveCenter(box.center())
            for shade in (
                QRectF(box.left(), box.top(), box.width(), inner.top() - box.top()),
                QRectF(box.left(), inner.bottom(), box.width(), box.bottom() - inner.bottom()),
                QRectF(box.left(), inner.top(), inner.left() - box.left(), inner.height()),
                QRectF(inner.right(), inner.top(), box.right() - inner.right(), inner.height()),
            ):
                painter.fillRect(shade, _SHADE)
            painter.setPen(QPen(QColor(255, 255, 255, 220), 1))
            painter.drawRect(inner)
            role = QPalette.ColorRole.Text if patch.strong else QPalette.ColorRole.PlaceholderText
            painter.setPen(palette.color(role))
            words = QRectF(box.left() - 4, box.bottom(), box.width() + 8, _CAPTION_PX)
            painter.drawText(words, Qt.AlignmentFlag.AlignCenter, patch.caption)
        painter.end()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            at: QPoint = event.pos()
            for patch, box in zip(self._patches, self._boxes(), strict=True):
                if box.contains(at):
                    QToolTip.showText(event.globalPos(), patch.tooltip, self)
                    return True
            QToolTip.hideText()
        return super().event(event)


class Pair(QWidget):
    """Two pictures of the same place beside one another, each with its name below."""

    def __init__(self, names: tuple[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names = names
        self.images: tuple[QImage, QImage] | None = None
        self.setAccessibleName(" and ".join(names))
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_images(self, first: np.ndarray, second: np.ndarray) -> None:
        """(h, w, 3) uint8 each, of one size."""
        self.images = image_of(first), image_of(second)
        self._fit()
        self.update()

    def clear(self) -> None:
        """They are not there yet; their room is kept."""
        self.images = None
        self._fit()
        self.update()

    def _fit(self) -> None:
        self.setFixedHeight(round(self._size().height()) + _CAPTION_PX)

    def _size(self) -> QSizeF:
        """Of each picture: as wide as there is room, up to a size that leaves room for what else is told."""
        edge = min(_LARGEST_PAIR_PX, max(16.0, (self.width() - _GAP_PX) / 2))
        whole = QSize(1, 1) if self.images is None else self.images[0].size()
        return QSizeF(whole).scaled(edge, edge, Qt.AspectRatioMode.KeepAspectRatio)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def sizeHint(self) -> QSize:
        return QSize(216, self.height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        if self.images is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setPen(self.palette().color(QPalette.ColorRole.Text))
        size = self._size()
        # of a narrow picture the name is wider
        widest = max(painter.fontMetrics().horizontalAdvance(name) for name in self._names)
        column = max(size.width(), widest) + _GAP_PX
        for index, (image, name) in enumerate(zip(self.images, self._names, strict=True)):
            box = QRectF(QPointF(index * column, 0), size)
            painter.drawImage(box, image)
            below = QRectF(box.left(), box.bottom(), column - _GAP_PX, _CAPTION_PX)
            painter.drawText(below, Qt.AlignmentFlag.AlignCenter, name)
        painter.end()
