"""The slots of two models side by side, those that the photo uses most first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from core.model.config import GRANULARITIES, POLARITIES
from memorynet_gui.memory.slots.tiles import SlotList, TileView
from memorynet_gui.widgets.parts import DetailCombo, Elided

if TYPE_CHECKING:
    from core.restoring.memory.slots import SlotFacts


class TwinSlots(QWidget):
    """Slots of two models have nothing to do with each other but what answers to them, so each list has its own order."""

    hovered = Signal(int, int)  # 0: of the model at hand, 1: of the other; row of its table, -1: none
    chosen = Signal(int)  # of the model at hand, the only one whose memory is changed here

    def __init__(self, colours: Callable[[str], QColor], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kinds = DetailCombo("Kind of slots", "Which slots of both are shown")
        self.kinds.setMinimumWidth(150)
        self.kinds.add("All kinds", "", ("", ""))
        for polarity in POLARITIES:
            for granularity in GRANULARITIES:
                self.kinds.add(f"{polarity} {granularity}".capitalize(), "", (polarity, granularity))
        self.kinds.currentIndexChanged.connect(lambda _row: self._arrange())
        self.lists = SlotList(self), SlotList(self)
        names = "Slots of the model at hand", "Slots of the other model"
        self.views = [TileView(slots, colours, name) for slots, name in zip(self.lists, names, strict=True)]
        self.titles = [Elided("", Qt.TextElideMode.ElideRight) for _view in self.views]
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(12)
        for side, (title, view) in enumerate(zip(self.titles, self.views, strict=True)):
            title.setProperty("role", "caption")
            column = QVBoxLayout()
            column.setSpacing(2)
            column.addWidget(title)
            column.addWidget(view, 1)
            layout.addLayout(column, 1)
            view.hovered.connect(lambda row, side=side: self.hovered.emit(side, row))
        self.views[0].chosen.connect(self.chosen)

    def show_slots(self, side: int, facts: Sequence[SlotFacts], name: str) -> None:
        """``side``: 0 of the model at hand, 1 of the other."""
        unused = sum(each.health == "unused" for each in facts)
        self.titles[side].set_full(f"{name} · {len(facts)} slots, {unused} unused" if facts else name)
        if tuple(facts) != self.lists[side].everything:
            self.views[side].tile.forget()
            self.lists[side].set_facts(facts, {}, False)

    def _arrange(self) -> None:
        for slots in self.lists:
            slots.polarity, slots.granularity = self.kinds.currentData()
            slots.arrange()
