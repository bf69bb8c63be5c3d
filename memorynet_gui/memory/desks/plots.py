"""Keeps the plots true to the photo and its pins; those that nobody sees wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from core.tasks import damage
from memorynet_gui.base.problems import describe
from memorynet_gui.memory.bench import trying
from memorynet_gui.memory.bench.records import Bench
from memorynet_gui.memory.drawer import MAP, MOVES, Drawer
from memorynet_gui.memory.flow import MemoryFlow
from memorynet_gui.memory.pins import Pins
from memorynet_gui.memory.plots.map import LIKENESS, SPREAD
from memorynet_gui.memory.stage import MemoryStage

if TYPE_CHECKING:
    from core.restoring.memory.map import MemoryMap


class PlotsDesk(QObject):
    slot_hovered = Signal(int)  # row of the table of all slots, -1: none
    slot_chosen = Signal(int)
    sample_hovered = Signal(object)  # (kind, index), or None

    def __init__(
        self,
        stage: MemoryStage,
        drawer: Drawer,
        pins: Pins,
        names: Callable[[int], str],
        flow: MemoryFlow,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._flow = flow
        self._alike: tuple[str, MemoryMap] | None = None  # by likeness, and the weights it is of
        self._stage, self._drawer, self._pins, self._names = stage, drawer, pins, names
        self._mapped: Bench | None = None
        self._moved: tuple[object, ...] = ()  # what the moves shown were made of
        plot = drawer.map.plot
        plot.slot_hovered.connect(self.slot_hovered)
        plot.slot_chosen.connect(self.slot_chosen)
        plot.sample_hovered.connect(self.sample_hovered)
        drawer.map.arrangement_chosen.connect(lambda _key: self._arrange())
        flow.failed.connect(self._failed)
        drawer.moves.plot.chosen.connect(self._choose)
        drawer.view_changed.connect(lambda _view: self.refresh())
        stage.changed.connect(self.refresh)
        pins.changed.connect(self.refresh)

    def light_slot(self, row: int) -> None:
        self._drawer.map.plot.light_slot(row)

    def refresh(self) -> None:
        if not self._drawer.isVisible():
            return
        if self._drawer.view == MOVES:
            self._show_moves()
        elif self._drawer.view == MAP:
            self._show_map()

    def _choose(self, name: str) -> None:
        if name.isdigit():
            self._pins.choose(int(name) - 1)

    def _show_moves(self) -> None:
        bench, after = self._stage.bench, self._stage.after_look
        view = self._drawer.moves
        made_of = (id(bench), id(after), *self._pins.places, self._pins.chosen)
        if made_of == self._moved:  # the pointer has moved, no more
            return
        self._moved = made_of
        if bench is None or after is None:
            view.show_moves((), "damage", "")
            return
        from core.restoring.memory import map as memory_map

        regions = [bench.region(spot) for spot in self._pins.places]
        found = memory_map.moves(bench.look, after, regions)
        picked = str(self._pins.chosen + 1) if self._pins.chosen >= 0 else ""
        view.show_moves(found, damage(bench.look.task), picked)

    def _show_map(self) -> None:
        bench, after = self._stage.bench, self._stage.after_look
        view = self._drawer.map
        if bench is None:
            if self._mapped is not None:
                view.show_map(None, None, None, self._names, "")
            self._mapped = None
            return
        if bench is not self._mapped:
            self._mapped = bench
            self._arrange()
        arrows = []
        for number, spot in enumerate(self._pins.places, 1):
            place = bench.place(spot)
            before = bench.look.query_of(place)
            arrows.append((str(number), before, before if after is None else after.query_of(place)))
        view.plot.show_arrows(arrows)
        looked = self._pins.looked
        query = None if looked is None else bench.look.query_of(bench.place((*looked, 0, 0)))
        view.plot.show_place(query)

    def _arrange(self) -> None:
        """The map as it is to be arranged; by likeness it has to be worked out first, and the other shows meanwhile."""
        bench, view = self._mapped, self._drawer.map
        if bench is None:
            return
        is_wanted = view.arrangements.key == LIKENESS
        sha, alike = self._alike if self._alike is not None else ("", bench.map)
        is_there = is_wanted and sha == bench.look.model_sha256
        shown = alike if is_there else bench.map
        view.show_map(bench.look, shown, bench.samples, self._names, bench.without_samples)
        if is_wanted and not is_there:
            view.say("Arranging samples and slots by likeness…")
            self._flow.want(
                "map",
                lambda _emit, _control: trying.likeness_map(bench),
                lambda found: self._arranged(bench, found),
            )
        else:
            self._flow.drop("map")
            self._show_map()

    def _arranged(self, bench: Bench, found: MemoryMap) -> None:
        self._alike = bench.look.model_sha256, found
        self._arrange()

    def _failed(self, kind: str, error: BaseException) -> None:
        if kind == "map":
            view = self._drawer.map
            view.arrangements.choose(SPREAD)
            self._arrange()
            view.say(describe(error).sentence)
