"""How alike the slots of a kind are, each with each, as a square of colours: duplicates stand together, first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

_STEPS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}
_LEGEND_PX = 18


class CosineMatrix(QWidget):
    """The scale is fixed: the surface's own colour for a cosine of 0 or less, all of the colour for 1."""

    hovered = Signal(int)  # slot of the row under the pointer, -1: none
    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cosines = np.zeros((0, 0), np.float32)
        self._order = np.zeros(0, np.int64)
        self._clusters: tuple[tuple[int, ...], ...] = ()
        self._name, self._colour = "", QColor("#888888")
        self._at = (-1, -1)  # row and column of the cell looked at
        self._image = QImage()
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("How alike the slots are")
        self.setMinimumSize(96, 96)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_slots(
        self,
        table: np.ndarray,
        order: np.ndarray,
        clusters: Sequence[Sequence[int]],
        name: str,
        colour: QColor,
    ) -> None:
        """Args:
        table: (M, D), unit length.
        order, clusters: as :func:`core.model.health.in_clusters` gives them.
        name: of the kind, "part".
        """
        self._cosines = table[order] @ table[order].T if len(order) else np.zeros((0, 0), np.float32)
        self._order, self._clusters = order, tuple(tuple(one) for one in clusters)
        self._name, self._colour, self._at = name, colour, (-1, -1)
        told = "; ".join("slots " + ", ".join(map(str, one)) for one in self._clusters[:4])
        self.setAccessibleDescription(f"Duplicates: {told}" if told else "No duplicates")
        self._draw()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw()

    @property
    def looked(self) -> tuple[int, int] | None:
        """The two slots whose cosine is looked at."""
        row, column = self._at
        return None if row < 0 else (int(self._order[row]), int(self._order[column]))

    def sizeHint(self) -> QSize:
        return QSize(220, 220 + _LEGEND_PX)

    def _draw(self) -> None:
        count = len(self._order)
        if count:
            share = np.clip(self._cosines, 0, 1)[..., None]
            low = self.palette().color(QPalette.ColorRole.Base)
            ends = [np.array([c.red(), c.green(), c.blue()], np.float32) for c in (low, self._colour)]
            rgb = np.rint(ends[0] + share * (ends[1] - ends[0])).astype(np.uint8)
            self._image = QImage(rgb.tobytes(), count, count, 3 * count, QImage.Format.Format_RGB888).copy()
        self.update()

    def _square(self) -> QRectF:
        edge = max(8, min(self.width(), self.height() - _LEGEND_PX))
        return QRectF(0, 0, edge, edge)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        count, square = len(self._order), self._square()
        if not count:
            painter.end()
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, square.width() < count)
        painter.drawImage(square, self._image)
        cell = square.width() / count
        ink = self.palette().color(QPalette.ColorRole.Text)
        first = 0
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for cluster in self._clusters:
            painter.setPen(QPen(ink, 1.5))
            painter.drawRect(QRectF(first * cell, first * cell, len(cluster) * cell, len(cluster) * cell))
            first += len(cluster)
        row, column = self._at
        if row >= 0:
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 2))
            painter.drawRect(QRectF(column * cell, row * cell, max(cell, 4), max(cell, 4)))
        foot = QRectF(0, square.bottom() + 2, self.width(), _LEGEND_PX - 2)
        painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
        kind, words = (
            (f"{self._name} ", self._words()) if row >= 0 else (f"{self._name} slots, ", "cosine 0 to 1")
        )
        if painter.fontMetrics().horizontalAdvance(kind + words) <= foot.width():
            words = kind + words  # where it does not fit, the table beside it says of what
        painter.drawText(foot, Qt.AlignmentFlag.AlignVCenter, words)
        if self.hasFocus():
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 2))
            painter.drawRect(square.adjusted(1, 1, -1, -1))
        painter.end()

    def _words(self) -> str:
        row, column = self._at
        first, second = self._order[row], self._order[column]
        return f"{first} and {second}: {self._cosines[row, column]:.2f}"

    # --- hand ------------------------------------------------------------------------------------

    def _cell_at(self, at: QPointF) -> tuple[int, int]:
        square, count = self._square(), len(self._order)
        if not count or not square.contains(at):
            return -1, -1
        cell = square.width() / count
        return min(int(at.y() / cell), count - 1), min(int(at.x() / cell), count - 1)

    def _look(self, at: tuple[int, int]) -> None:
        if at != self._at:
            self._at = at
            self.hovered.emit(int(self._order[at[0]]) if at[0] >= 0 else -1)
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._look(self._cell_at(event.position()))

    def leaveEvent(self, event: QEvent) -> None:
        self._look((-1, -1))
        super().leaveEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._look(self._cell_at(event.position()))
        if event.button() == Qt.MouseButton.LeftButton and self._at[0] >= 0:
            self.chosen.emit(int(self._order[self._at[0]]))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, count = Qt.Key(event.key()), len(self._order)
        if key in _STEPS and count:
            down, right = _STEPS[key]
            row, column = (max(0, value) for value in self._at)
            self._look((min(max(0, row + down), count - 1), min(max(0, column + right), count - 1)))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self._at[0] >= 0:
            self.chosen.emit(int(self._order[self._at[0]]))
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            at: QPoint = event.pos()
            if self._cell_at(QPointF(at))[0] >= 0:
                QToolTip.showText(event.globalPos(), f"{self._name} {self._words()}", self)
                return True
            QToolTip.hideText()
        return super().event(event)
