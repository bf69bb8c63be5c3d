"""Whether the memory uses what it has: dead slots, duplicates, how evenly the work is shared, and why in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QColor, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from memorynet_gui.memory import words
from memorynet_gui.memory.slots.matrix import CosineMatrix
from memorynet_gui.widgets.parts import SnugScroll, wrapped

if TYPE_CHECKING:
    from core.model.health import GroupHealth, MemoryHealth
    from core.restoring.memory.record import MemoryLook

_TABLE_PX = 356  # where the longest name is whole
COLUMNS = (
    ("Slots", "Polarity and granularity"),
    ("Used", "How many of them do more than a hundredth of an equal share; the others are dead"),
    ("Twins", "How many say the same as an earlier one"),
    ("Even", "How evenly they share the work. 0: one slot does all the work, 1: all do alike"),
)


def group_values(group: GroupHealth) -> tuple[str, str, str]:
    """Of a kind of slots what :data:`COLUMNS` has after its name."""
    return (
        f"{group.slots - len(group.dead)} of {group.slots}",
        str(len(group.duplicates)),
        f"{group.entropy:.2f}",
    )


def colour_kinds(table: QTableWidget, colours: Callable[[str], QColor]) -> None:
    """Kinds of slots, named in the first column, in the colour of their polarity."""
    for row in range(table.rowCount()):
        item = table.item(row, 0)
        if item is not None and item.text():
            item.setForeground(colours(item.text().partition(" ")[0]))


class HealthView(QWidget):
    slot_hovered = Signal(int)  # row of the table of all slots, -1: none
    slot_chosen = Signal(int)

    def __init__(self, colours: Callable[[str], QColor], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colours = colours
        self._look: MemoryLook | None = None
        self._health: MemoryHealth | None = None
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setHorizontalHeaderLabels([name for name, _tip in COLUMNS])
        for number, (_name, tip) in enumerate(COLUMNS):
            item = self.table.horizontalHeaderItem(number)
            if item is not None:
                item.setToolTip(tip)
        self.table.verticalHeader().hide()
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setShowGrid(False)
        self.table.setAccessibleName("Health of the slots, kind by kind")
        self.table.setTabKeyNavigation(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        first = self.table.horizontalHeaderItem(0)
        if first is not None:
            first.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setMinimumWidth(_TABLE_PX)
        self.matrix = CosineMatrix()
        self.reasons = wrapped("secondary")
        self.reasons.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.reasons.setAccessibleName("What that means")
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.reasons)
        column.addStretch(1)
        told = SnugScroll(inside)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(12)
        layout.addWidget(self.table, 4)
        layout.addWidget(self.matrix, 3)
        layout.addWidget(told, 3, Qt.AlignmentFlag.AlignTop)
        self.table.currentCellChanged.connect(lambda *_at: self._show_group())
        self.matrix.hovered.connect(lambda slot: self.slot_hovered.emit(self._row_of(slot)))
        self.matrix.chosen.connect(lambda slot: self.slot_chosen.emit(self._row_of(slot)))

    def show_health(self, look: MemoryLook | None, health: MemoryHealth | None) -> None:
        """Over what ``health`` was measured says the drawer; None: there is nothing to tell."""
        at = max(0, self.table.currentRow())
        self._look, self._health = look, health
        groups = health.groups if health is not None else ()
        self.table.setRowCount(len(groups))
        for row, group in enumerate(groups):
            values = f"{group.polarity} {group.granularity}", *group_values(group)
            for column, value in enumerate(values):
                item = QTableWidgetItem(value)
                if column:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(row, column, item)
            self.table.setRowHeight(row, 24)
        colour_kinds(self.table, self._colours)
        if groups:
            self.table.setCurrentCell(min(at, len(groups) - 1), 0)
        self._show_group()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The matrix is square: what it does not need goes to table and words."""
        super().resizeEvent(event)
        self.matrix.setMaximumWidth(max(self.matrix.minimumWidth(), self.height()))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:  # another theme has other colours
            colour_kinds(self.table, self._colours)

    def _group(self) -> GroupHealth | None:
        groups = self._health.groups if self._health is not None else ()
        row = self.table.currentRow()
        return groups[row] if 0 <= row < len(groups) else None

    def _row_of(self, slot: int) -> int:
        group = self._group()
        if slot < 0 or group is None or self._look is None:
            return -1
        return self._look.slices[group.polarity, group.granularity].start + slot

    def _show_group(self) -> None:
        from core.model.health import in_clusters

        group, look = self._group(), self._look
        self.reasons.setVisible(group is not None)
        if group is None or look is None or self._health is None:
            return
        table = look.held.table[look.slices[group.polarity, group.granularity]]
        order, clusters = in_clusters(table)
        self.matrix.show_slots(table, order, clusters, group.granularity, self._colours(group.polarity))
        is_read = look.is_read[group.polarity, group.granularity]
        self.reasons.setText(words.health_words(group, clusters, is_read, self._health.silent))
