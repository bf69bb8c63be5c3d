"""Slot weights of a place as bars: in the colour of their polarity what was learned, in grey what is the photo's own; hatched
where it pulls against the rest of what is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from core.model.config import GRANULARITIES

if TYPE_CHECKING:
    from core.restoring.memory.places import PlaceSeen, SlotShare

ROW_PX = 20
SHOWN = 3  # of a group, unless all are asked for
_LEAST = 0.005  # of weight: less is written as 0.00 and shown only among all
_LABEL_PX = 84
_NUMBER_PX = 38
_BAR_PX = 10
_WITH, _AGAINST = Qt.BrushStyle.SolidPattern, Qt.BrushStyle.BDiagPattern  # the rest of what is read


@dataclass(frozen=True, slots=True)
class _Row:
    slot: SlotShare
    is_read: bool


class SlotBars(QWidget):
    """One polarity. Hovering tells which slot, a click or Enter chooses it."""

    hovered = Signal(int)  # row of the table; -1: none
    chosen = Signal(int)

    def __init__(
        self, polarity: str, colours: Callable[[str], QColor], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.polarity = polarity
        self._colours = colours
        self._rows: tuple[_Row, ...] = ()
        self._hot = -1
        self._picked = -1  # row of the table
        self._all = False
        self._place: PlaceSeen | None = None
        self._is_read: Mapping[tuple[str, str], bool] = {}
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        words = "clean structure" if polarity == "positive" else "damage"
        self.setAccessibleName(f"Slots of {words} that this place looks up")

    @property
    def pulls(self) -> bool:
        """Whether one of those shown pulls against the rest."""
        return any(min(row.slot.learned, row.slot.actual) < 0 for row in self._rows)

    @property
    def slots(self) -> tuple[SlotShare, ...]:
        """What is shown, from top to bottom."""
        return tuple(row.slot for row in self._rows)

    def set_all(self, on: bool) -> None:
        self._all = on
        self._fill()

    def show_place(self, place: PlaceSeen | None, is_read: Mapping[tuple[str, str], bool]) -> None:
        self._place, self._is_read = place, is_read
        self._fill()

    def set_picked(self, row: int) -> None:
        """Mark the slot that is chosen, by its row in the table."""
        if row != self._picked:
            self._picked = row
            self.update()

    def _fill(self) -> None:
        rows: list[_Row] = []
        if self._place is not None:
            groups: dict[str, list[SlotShare]] = {}
            for slot in self._place.of(self.polarity):
                groups.setdefault(slot.granularity, []).append(slot)
            for granularity in GRANULARITIES:
                found = groups.get(granularity, [])
                if not self._all:
                    found = [slot for slot in found[:SHOWN] if slot.weight >= _LEAST]
                for slot in found:
                    rows.append(_Row(slot, self._is_read.get((slot.polarity, slot.granularity), True)))
        height = len(self._rows)
        self._rows, self._hot = tuple(rows), min(self._hot, len(rows) - 1)
        told = [f"{row.slot.granularity} {row.slot.slot}, weight {row.slot.weight:.2f}" for row in rows[:6]]
        self.setAccessibleDescription("; ".join(told) or "none")
        if height != len(rows):
            self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(200, max(1, len(self._rows)) * ROW_PX)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        palette = self.palette()
        ink, quiet = palette.color(QPalette.ColorRole.Text), palette.color(QPalette.ColorRole.PlaceholderText)
        if not self._rows:
            painter.setPen(quiet)
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter, "none")
        room = self.width() - _LABEL_PX - _NUMBER_PX
        for index, row in enumerate(self._rows):
            slot, top = row.slot, index * ROW_PX
            if slot.row == self._picked or index == self._hot:
                painter.fillRect(
                    QRectF(0, top, self.width(), ROW_PX), palette.color(QPalette.ColorRole.Midlight)
                )
            painter.setPen(ink if row.is_read else quiet)
            align = Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(4, top, _LABEL_PX - 8, ROW_PX), align, f"{slot.granularity} {slot.slot}")
            bar = QRectF(_LABEL_PX, top + (ROW_PX - _BAR_PX) / 2, room, _BAR_PX)
            painter.fillRect(bar, palette.color(QPalette.ColorRole.Mid))
            length = room * min(1.0, slot.weight)
            amount = abs(slot.learned) + abs(slot.actual)
            learned = length * (abs(slot.learned) / amount if amount > 0 else 1.0)
            own = QRectF(bar.left() + learned, bar.top(), length - learned, _BAR_PX)
            first = QRectF(bar.left(), bar.top(), learned, _BAR_PX)
            for part, colour, share in ((first, self.polarity, slot.learned), (own, "actual", slot.actual)):
                painter.fillRect(part, QBrush(self._colours(colour), _AGAINST if share < 0 else _WITH))
            painter.setPen(ink)
            number = QRectF(self.width() - _NUMBER_PX, top, _NUMBER_PX - 4, ROW_PX)
            painter.drawText(number, align | Qt.AlignmentFlag.AlignRight, f"{slot.weight:.2f}")
        if self.hasFocus():
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Highlight), 2))
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        painter.end()

    # --- hand ------------------------------------------------------------------------------------

    def _row_at(self, at: QPoint) -> int:
        row = at.y() // ROW_PX
        return row if 0 <= row < len(self._rows) else -1

    def _set_hot(self, row: int) -> None:
        if row != self._hot:
            self._hot = row
            self.hovered.emit(self._rows[row].slot.row if row >= 0 else -1)
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._set_hot(self._row_at(event.position().toPoint()))

    def leaveEvent(self, event: QEvent) -> None:
        self._set_hot(-1)
        super().leaveEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        row = self._row_at(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and row >= 0:
            self.chosen.emit(self._rows[row].slot.row)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and self._rows:
            step = 1 if key == Qt.Key.Key_Down else -1
            self._set_hot(min(max(0, self._hot + step), len(self._rows) - 1))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and 0 <= self._hot < len(
            self._rows
        ):
            self.chosen.emit(self._rows[self._hot].slot.row)
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            row = self._row_at(event.pos())
            if row >= 0:
                QToolTip.showText(event.globalPos(), self._words(self._rows[row]), self)
                return True
            QToolTip.hideText()
        return super().event(event)

    @staticmethod
    def _words(row: _Row) -> str:
        slot = row.slot
        lines = [
            f"{slot.polarity} {slot.granularity} {slot.slot}",
            f"looked up with weight {slot.weight:.3f}, cosine {slot.cosine:.3f}",
            f"of all that is read here: learned {slot.learned * 100:+.1f} %, the photo's own {slot.actual * 100:+.1f} %",
        ]
        if not row.is_read:
            lines.append("This model looks these slots up, but does not read them.")
        return "\n".join(lines)
