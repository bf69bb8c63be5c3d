"""Did restoring move it? How like clean structure and how like damage places are, before and after, as arrows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QHelpEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QToolTip, QVBoxLayout, QWidget

from memorynet_gui.look.theme import caption_font
from memorynet_gui.memory import words
from memorynet_gui.widgets.parts import SnugScroll, wrapped

if TYPE_CHECKING:
    from core.restoring.memory.map import Move

_LEFT_PX, _BELOW_PX, _PAD_PX = 34, 34, 20
_LABEL_PX = 124  # at the right, for what begins or ends there
_NEAR_PX = 9
_LEAST_SPAN = 0.1  # of cosine
_HEAD_PX = 8.0


class MovesPlot(QWidget):
    chosen = Signal(str)  # name of the move that was clicked

    def __init__(self, colours: Callable[[str], QColor], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colours = colours
        self._moves: tuple[Move, ...] = ()
        self._titles: dict[str, str] = {}
        self._damage = "damage"
        self._picked = ""
        self.setMouseTracking(True)
        self.setMinimumSize(170, 120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("From damage to clean structure: before and after restoring")

    def show_moves(self, moves: Sequence[Move], titles: dict[str, str], damage: str, picked: str) -> None:
        """Args:
        titles: by name of a move, what it is called at its arrow.
        picked: name of the move that is drawn in the accent.
        """
        self._moves, self._titles, self._damage, self._picked = tuple(moves), titles, damage, picked
        told = [words.move_words(move, titles[move.name], damage) for move in moves]
        self.setAccessibleDescription(" ".join(told) or "none")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(320, 230)

    # --- where things lie --------------------------------------------------------------------------

    def _area(self) -> QRectF:
        """Square, so that the diagonal is where both are alike."""
        edge = max(20.0, min(self.width() - _LEFT_PX - _LABEL_PX, float(self.height() - _BELOW_PX - _PAD_PX)))
        return QRectF(_LEFT_PX, _PAD_PX, edge, edge)

    def _range(self) -> tuple[float, float]:
        values = [
            value
            for move in self._moves
            for side in (move.before, move.after)
            for value in (side.positive, side.negative)
        ]
        if not values:
            return 0.0, 1.0
        low, high = min(values), max(values)
        room = max(_LEAST_SPAN - (high - low), 0.16 * (high - low)) / 2
        return low - room, high + room

    def _at(self, positive: float, negative: float) -> QPointF:
        area, (low, high) = self._area(), self._range()
        return QPointF(
            area.left() + (positive - low) / (high - low) * area.width(),
            area.bottom() - (negative - low) / (high - low) * area.height(),
        )

    def _ends(self, move: Move) -> tuple[QPointF, QPointF]:
        before, after = move.before, move.after
        return self._at(before.positive, before.negative), self._at(after.positive, after.negative)

    def move_at(self, at: QPointF) -> Move | None:
        for move in reversed(self._moves):
            if _distance(at, *self._ends(move)) <= _NEAR_PX:
                return move
        return None

    # --- painting ----------------------------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        quiet, ink = palette.color(QPalette.ColorRole.PlaceholderText), palette.color(QPalette.ColorRole.Text)
        area = self._area()
        for kind, corner in (("negative", area.topLeft()), ("positive", area.bottomRight())):
            tint = QColor(self._colours(kind))
            tint.setAlphaF(0.10)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(tint)
            painter.drawPolygon(QPolygonF([corner, area.topRight(), area.bottomLeft()]))
        painter.setPen(QPen(quiet, 1, Qt.PenStyle.DashLine))
        painter.drawLine(area.bottomLeft(), area.topRight())
        painter.setFont(caption_font())
        self._paint_axes(painter, area, quiet)
        for move in self._moves:
            self._paint_move(painter, move, ink)
        for move, at in self._labels(QFontMetricsF(painter.font())):
            painter.setPen(self._colour_of(move, ink))
            painter.drawText(at, Qt.AlignmentFlag.AlignCenter, self._titles.get(move.name, move.name))
        painter.end()

    def _labels(self, metrics: QFontMetricsF) -> list[tuple[Move, QRectF]]:
        """Where each arrow's name stands: beside one of its ends, where no other name stands if there is such a place."""
        taken: list[QRectF] = []
        for move in self._moves:
            start, end = self._ends(move)
            # the photo is named where it ends: it begins among the pins
            ends = (end, start) if move.name == "photo" else (start, end)
            size = metrics.size(0, self._titles.get(move.name, move.name))
            places = [
                QRectF(QPointF(x, y), size)
                for at in ends
                for y in (at.y() - size.height() - 2, at.y() + 2)
                for x in (at.x() + 6, at.x() - 6 - size.width())
            ]
            inside = [place for place in places if QRectF(self.rect()).contains(place)] or places[:1]
            taken.append(next((p for p in inside if not any(p.intersects(q) for q in taken)), inside[0]))
        return list(zip(self._moves, taken, strict=True))

    def _colour_of(self, move: Move, ink: QColor) -> QColor:
        return self.palette().color(QPalette.ColorRole.Highlight) if move.name == self._picked else ink

    def _paint_axes(self, painter: QPainter, area: QRectF, ink: QColor) -> None:
        low, high = self._range()
        painter.setPen(QPen(ink, 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.drawLine(area.bottomLeft(), area.topLeft())
        right, middle = Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignVCenter
        for value in _ticks(low, high, 3):
            at = self._at(value, value)
            painter.drawText(QRectF(0, at.y() - 8, _LEFT_PX - 5, 16), right | middle, f"{value:.2g}")
            below = QRectF(at.x() - 24, area.bottom() + 1, 48, 15)
            painter.drawText(below, Qt.AlignmentFlag.AlignCenter, f"{value:.2g}")
        name = QRectF(area.left(), area.bottom() + 15, area.width(), 16)
        painter.drawText(name, right | middle, "like clean structure →")
        painter.save()
        painter.setPen(self._colours("negative"))
        above = QRectF(area.left() - _LEFT_PX + 8, 0, area.width(), _PAD_PX - 2)
        painter.drawText(above, middle, f"↑ like {self._damage}")
        painter.restore()

    def _paint_move(self, painter: QPainter, move: Move, ink: QColor) -> None:
        start, end = self._ends(move)
        picked = move.name == self._picked
        colour = self._colour_of(move, ink)
        width = 2.2 if picked or not move.name.isdigit() else 1.4
        painter.setPen(QPen(colour, width))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(start, 3.2, 3.2)
        along = end - start
        length = float(np.hypot(along.x(), along.y()))
        if length > 4:
            painter.drawLine(start + along * (3.2 / length), end)
            unit = along / length
            across = QPointF(-unit.y(), unit.x())
            head = min(_HEAD_PX, length * 0.6)
            back = end - unit * head
            painter.setBrush(colour)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.drawPolygon(QPolygonF([end, back + across * head * 0.45, back - across * head * 0.45]))
        else:
            painter.setBrush(colour)
            painter.drawEllipse(end, 2.5, 2.5)

    # --- hand --------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        move = self.move_at(event.position())
        if move is not None and event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(move.name)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            at: QPoint = event.pos()
            move = self.move_at(QPointF(at))
            if move is not None:
                said = words.move_words(move, self._titles[move.name], self._damage)
                QToolTip.showText(event.globalPos(), said, self)
                return True
            QToolTip.hideText()
        return super().event(event)


class MovesView(QWidget):
    """The plot, and what it says in words."""

    def __init__(self, colours: Callable[[str], QColor], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = MovesPlot(colours)
        self.said = wrapped("secondary")
        self.said.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.said.setAccessibleName("How places moved")
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.said)
        column.addStretch(1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(16)
        layout.addWidget(self.plot, 1)
        layout.addWidget(SnugScroll(inside), 1, Qt.AlignmentFlag.AlignTop)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The plot is square: what it does not need goes to the words."""
        super().resizeEvent(event)
        self.plot.setMaximumWidth(max(self.plot.minimumWidth(), _LEFT_PX + self.height() + _LABEL_PX))

    def show_moves(self, moves: Sequence[Move], damage: str, picked: str) -> None:
        titles = {
            move.name: f"pin {move.name}" if move.name.isdigit() else words.MOVES.get(move.name, move.name)
            for move in moves
        }
        titles = {name: title.format(damage) for name, title in titles.items()}
        self.plot.show_moves(moves, titles, damage, picked)
        told = [words.move_words(move, titles[move.name], damage) for move in moves]
        if moves:
            told.append("Across the dashed line the memory changes its mind.")
        self.said.setText(
            "\n\n".join(told) or "Once the photo is restored, arrows show from where to where it moved."
        )


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers within a range."""
    raw = (high - low) / most
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first = np.ceil(low / step) * step
    return [float(round(value, 6)) for value in np.arange(first, high, step)]


def _distance(at: QPointF, start: QPointF, end: QPointF) -> float:
    """From a point to a line between two others, in px."""
    along = end - start
    square = along.x() ** 2 + along.y() ** 2
    share = 0.0
    if square > 0:
        toward = at - start
        share = min(1.0, max(0.0, (toward.x() * along.x() + toward.y() * along.y()) / square))
    away = at - (start + along * share)
    return float(np.hypot(away.x(), away.y()))
