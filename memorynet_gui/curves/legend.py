"""The legend of a chart: every curve with its colour, its name and its value; a click hides or shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QHelpEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from memorynet_gui.look.theme import caption_font, keep_clear

_ROW_PX = 18
_SWATCH_PX = 10
_GAP_PX = 12.0
_LONGEST_NAME_PX = 120.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One curve. ``value`` is empty where there is none to tell."""

    key: str
    name: str
    value: str
    colour: QColor
    is_shown: bool = True
    dash: tuple[float, ...] = ()


class Legend(QWidget):
    """As many rows as its entries need, up to ``most_rows``; what does not fit is counted at the end.

    For the mouse: the same can be done with the keyboard from the menu of the card.
    """

    toggled = Signal(str)  # the key of an entry

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: tuple[Entry, ...] = ()
        self._places: list[tuple[QRectF, Entry]] = []
        self._rest = 0
        self._most_rows = 2
        self._widths: dict[str, float] = {}  # of values: entries do not move while their numbers change
        self._font = caption_font()
        keep_clear(self)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_ROW_PX)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return self._entries

    def set_entries(self, entries: Sequence[Entry]) -> None:
        if tuple(entries) == self._entries:
            return
        known = [entry.key for entry in self._entries]
        self._entries = tuple(entries)
        if known != [entry.key for entry in entries]:
            self._widths.clear()
        self._arrange()
        self.update()

    def set_most_rows(self, rows: int) -> None:
        if rows != self._most_rows:
            self._most_rows = rows
            self._arrange()

    def _arrange(self) -> None:
        metrics = QFontMetricsF(self._font)
        self._places, self._rest = [], 0
        x, row = 0.0, 0
        for at, entry in enumerate(self._entries):
            name = min(metrics.horizontalAdvance(entry.name), _LONGEST_NAME_PX)
            value = max(metrics.horizontalAdvance(entry.value), self._widths.get(entry.key, 0.0))
            self._widths[entry.key] = value
            width = min(_SWATCH_PX + 5 + name + (5 + value if value else 0), self.width())
            if x and x + width > self.width():
                if row + 1 >= self._most_rows:
                    self._rest = len(self._entries) - at
                    break
                x, row = 0.0, row + 1
            self._places.append((QRectF(x, row * _ROW_PX, width, _ROW_PX), entry))
            x += width + _GAP_PX
        no_room = self.width() - x < metrics.horizontalAdvance("+99")
        if self._rest and no_room and len(self._places) > 1:
            self._places.pop()
            self._rest += 1
        rows = 1 + max((int(rect.top()) // _ROW_PX for rect, _ in self._places), default=0)
        if self.height() != rows * _ROW_PX:
            self.setFixedHeight(rows * _ROW_PX)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _entry_at(self, at: QPointF) -> Entry | None:
        return next((entry for rect, entry in self._places if rect.contains(at)), None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        entry = self._entry_at(event.position())
        if entry is not None and event.button() == Qt.MouseButton.LeftButton:
            self.toggled.emit(entry.key)
        else:
            super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        over = self._entry_at(event.position()) is not None
        self.setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)
        super().mouseMoveEvent(event)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            entry = self._entry_at(QPointF(event.pos()))
            if entry is None:
                QToolTip.hideText()
            else:
                QToolTip.showText(
                    event.globalPos(), f"{'Hide' if entry.is_shown else 'Show'} {entry.name}", self
                )
            return True
        return super().event(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._font)
        metrics = painter.fontMetrics()
        text = self.palette().color(QPalette.ColorRole.Text)
        quiet = self.palette().color(QPalette.ColorRole.PlaceholderText)
        off = self.palette().color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text)
        middle = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        for rect, entry in self._places:
            pen = QPen(entry.colour if entry.is_shown else off, 2.5 if entry.is_shown else 1)
            if entry.dash:
                pen.setDashPattern([part / 2.5 for part in entry.dash])
            painter.setPen(pen)
            y = rect.center().y()
            painter.drawLine(QPointF(rect.left() + 1, y), QPointF(rect.left() + _SWATCH_PX - 1, y))
            value = self._widths.get(entry.key, 0.0)
            name = rect.adjusted(_SWATCH_PX + 5, 0, -(value + 5 if value else 0), 0)
            painter.setPen(quiet if entry.is_shown else off)
            words = metrics.elidedText(entry.name, Qt.TextElideMode.ElideMiddle, int(name.width()) + 1)
            painter.drawText(name.adjusted(0, 0, 2, 0), middle, words)
            painter.setPen(text if entry.is_shown else off)
            painter.drawText(
                QRectF(rect.right() - value, rect.top(), value + 2, rect.height()), middle, entry.value
            )
        if self._rest:
            last = self._places[-1][0]
            painter.setPen(quiet)
            painter.drawText(last.translated(last.width() + _GAP_PX, 0), middle, f"+{self._rest}")
        painter.end()
