"""Every slot of the memory at hand: filtered, sorted, measured, linked with the photo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from core.model.slot_names import SlotNote
from memorynet_gui.memory.slots.tiles import SHOWN, SORTS, SlotList, TileView
from memorynet_gui.widgets.parts import DetailCombo, Elided

if TYPE_CHECKING:
    from core.restoring.memory.slots import SlotFacts
    from memorynet_gui.memory.bench.records import SlotEffect

_MEASURE_MS = 120


class SlotBrowser(QWidget):
    """Hover lights a slot's area in the photo; a click makes it what the panel changes."""

    hovered = Signal(int)  # row of the table, -1: none
    chosen = Signal(int)
    effects_wanted = Signal(list)  # rows of the table, those in sight first

    def __init__(self, colours: Callable[[str], QColor], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = SlotList(self)
        self.view = TileView(self.list, colours, "Slots of the memory")
        self.polarity = self._combo(
            "Polarity", (("Both", ""), ("Positive", "positive"), ("Negative", "negative"))
        )
        self.granularity = self._combo(
            "Granularity",
            (("All kinds", ""), ("Part", "part"), ("Instance", "instance"), ("Semantic", "semantic")),
        )
        self.shown = self._combo("Which slots", [(words, key) for key, (words, _wanted) in SHOWN.items()])
        self.sort = self._combo("Order", [(words, key) for key, (words, _key) in SORTS.items()])
        self.measure = QPushButton("Measure")
        self.measure.setAccessibleName("Measure effects")
        self.measure.setToolTip(
            "Mute each slot in turn where this photo looks it up most, and tell what changes"
        )
        self.count = Elided()
        self.count.setProperty("role", "caption")  # the drawer has room for it
        bar = QHBoxLayout()
        bar.setSpacing(8)
        for combo in (self.polarity, self.granularity, self.shown, self.sort):
            combo.setMinimumWidth(64)
            combo.setMaximumWidth(150)
            bar.addWidget(combo, 1)
        self.measure.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        bar.addWidget(self.measure)
        bar.addStretch(0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(bar)
        layout.addWidget(self.view, 1)
        self._over = "here"
        self._soon = QTimer(self, singleShot=True, interval=_MEASURE_MS)
        self._soon.timeout.connect(self._resort)
        self.view.hovered.connect(self.hovered)
        self.view.chosen.connect(self.chosen)
        self.measure.clicked.connect(lambda: self.effects_wanted.emit(self._unmeasured()))

    def _combo(self, name: str, entries: Sequence[tuple[str, str]]) -> DetailCombo:
        combo = DetailCombo(name, name)
        for words, key in entries:
            combo.add(words, "", key)
        combo.currentIndexChanged.connect(lambda _row: self._arrange())
        return combo

    def set_facts(
        self,
        facts: Sequence[SlotFacts],
        names: Mapping[int, SlotNote] | None = None,
        over: str = "here",
        same: bool = False,
    ) -> None:
        """Args:
        names: what a person calls them, by row of the table.
        over: what usage is told over, after "used".
        same: see :meth:`SlotList.set_facts`.
        """
        self._over = self.list.over = over
        self.view.tile.forget()
        self.list.set_facts(facts, names or {}, same)
        self._tell_count()
        self.measure.setEnabled(bool(facts))

    def set_names(self, names: Mapping[int, SlotNote]) -> None:
        """What a person calls them has changed."""
        self.list.names = dict(names)
        self.list.arrange()

    def show_effect(self, effect: SlotEffect) -> None:
        self.list.set_effect(effect)
        if self.list.order == "effect":
            self._soon.start()  # not at every one: tiles that jump cannot be looked at

    def _resort(self) -> None:
        self.list.arrange()

    def set_lit(self, lit: dict[int, float]) -> None:
        """Weights of the place looked at, by row of the table."""
        self.list.set_lit(lit)

    def pick(self, row: int) -> None:
        """Mark a slot that was chosen elsewhere; -1: none is."""
        if row < 0:
            self.view.clearSelection()
        at = self.list.at(row)
        if at is not None:
            index = self.list.index(at)
            self.view.setCurrentIndex(index)
            self.view.scrollTo(index)

    def _arrange(self) -> None:
        self.list.polarity = self.polarity.currentData() or ""
        self.list.granularity = self.granularity.currentData() or ""
        self.list.shown = self.shown.currentData() or "all"
        self.list.order = self.sort.currentData() or "usage"
        self.list.arrange()
        self._tell_count()

    def _tell_count(self) -> None:
        total, shown = len(self.list.everything), self.list.rowCount()
        unused = sum(facts.health == "unused" for facts in self.list.everything)
        told = f"{total} slots" if shown == total else f"{shown} of {total} slots"
        self.count.set_full(f"{told}, {unused} unused" if total else "")
        self.count.setToolTip(f"{told}, {unused} of all unused {self._over}")

    def _unmeasured(self) -> list[int]:
        """Of those shown, in their order; what this photo does not use changes nothing and needs no network."""
        return [
            f.row for f in self.list.facts if f.row not in self.list.effects and f.usage > 0 and f.is_read
        ]
