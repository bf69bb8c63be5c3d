"""The place and the slot that are looked at: panel, canvas and tints tell of them what is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QColor

from core.model.memory_edit import Slots
from memorynet_gui.memory.bench import trying
from memorynet_gui.memory.bench.records import PlaceEffect
from memorynet_gui.memory.canvas import MemoryCanvas
from memorynet_gui.memory.desks.slots import SlotsDesk
from memorynet_gui.memory.desks.teaching import TeachDesk
from memorynet_gui.memory.flow import MemoryFlow
from memorynet_gui.memory.overlay import Mark
from memorynet_gui.memory.panel.panel import MemoryPanel
from memorynet_gui.memory.panel.place import SOURCES_SHOWN
from memorynet_gui.memory.pins import Pins, Spot
from memorynet_gui.memory.slots.browser import SlotBrowser
from memorynet_gui.memory.stage import MemoryStage
from memorynet_gui.memory.tints import on_photo, sample_tint, tints

if TYPE_CHECKING:
    from core.restoring.memory.places import PlaceSeen, SlotShare


class PlacesDesk(QObject):
    slot_lit = Signal(int)  # row of the table of the slot under the pointer, -1: none

    def __init__(
        self,
        stage: MemoryStage,
        flow: MemoryFlow,
        canvas: MemoryCanvas,
        panel: MemoryPanel,
        browser: SlotBrowser,
        slots: SlotsDesk,
        pins: Pins,
        teach: TeachDesk,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self.stage, self.flow, self.canvas, self.panel = stage, flow, canvas, panel
        self.browser, self.slots, self.pins, self.teach = browser, slots, pins, teach
        self.effects: dict[Spot, PlaceEffect] = {}  # of pins, as far as they were measured
        self.hot_slot = -1
        self.twin_slot: Callable[[], int] = lambda: -1  # under the pointer, of another model that is shown
        pins.changed.connect(self.show)
        pins.chosen_changed.connect(self.measure)
        panel.overlay_changed.connect(self.show_tints)
        panel.place.slot_hovered.connect(self.light_slot)
        panel.place.slot_chosen.connect(self.choose_slot)
        panel.note.slot_hovered.connect(self.light_slot)
        panel.note.slot_chosen.connect(self.choose_slot)
        panel.edit.target.currentIndexChanged.connect(lambda _row: self._slot_chosen())
        browser.hovered.connect(self.light_slot)
        browser.chosen.connect(self.choose_slot)

    # --- places ----------------------------------------------------------------------------------

    def measure(self) -> None:
        """What the memory does to the pixels of the chosen pin: the network is asked once."""
        bench, at = self.stage.bench, self.pins.place
        if bench is None or at is None or at in self.effects or not self._is_within(at):
            return
        self.flow.want(
            "place", lambda emit, control: trying.place_effect(bench, at, emit, control), self._place_measured
        )

    def _place_measured(self, effect: PlaceEffect) -> None:
        self.effects[effect.spot] = effect
        if self.pins.place == effect.spot:
            self.panel.place.show_effect(effect)

    def _is_within(self, at: Spot) -> bool:
        bench = self.stage.bench
        if bench is None:
            return False
        height, width = bench.rgb.shape[:2]
        return 0 <= at[0] < width and 0 <= at[1] < height

    def show(self) -> None:
        """Panel and canvas follow the place looked at, from what is recorded."""
        bench, at = self.stage.bench, self.pins.place
        self.canvas.set_pins(self.pins.marks(), self.pins.chosen)
        panel = self.panel.place
        if bench is None or at is None or not self._is_within(at):
            self.canvas.set_looked(None)
            self.canvas.set_sources((), QColor())
            panel.show_place(None, None, None, None, None, "", None, pinned="")
            self.browser.set_lit({})
            self.show_tints()
            return
        look = bench.look
        place, by = bench.place(at), bench.by
        negative = positive = None
        if bench.samples is not None and bench.samples.dim == look.query.shape[-1]:
            negative = look.nearest(place, bench.samples, "negative")
            positive = look.nearest(place, bench.samples, "positive")
        self.browser.set_lit({slot.row: slot.weight for slot in place.slots})
        slot = self._slot_of(place)
        origin = look.origin(place, slot, count=SOURCES_SHOWN)
        panel.show_place(
            look,
            place,
            bench.seen_rgb,
            negative,
            positive,
            bench.without_samples,
            origin,
            self.pins.number,
            by,
            slot,
            self.stage.is_kept,
        )
        self.canvas.setAccessibleDescription(f"{panel.title.full}. {panel.judged.text()}")
        effect = self.effects.get(at)
        panel.show_effect(effect)
        self.canvas.set_looked(self.pins.mark(at))
        polarity = slot.polarity if slot is not None else "positive"
        self.canvas.set_sources(
            [
                self._mark(each.box_px, by, each.share / max(origin.places[0].share, 1e-12))
                for each in origin.places
            ],
            on_photo(polarity),
        )
        if self.panel.overlay == "sources":
            self.show_tints()

    @staticmethod
    def _mark(box_px: tuple[int, int, int, int], by: int, share: float) -> Mark:
        x, y, width, height = box_px
        return Mark(x * by, y * by, width * by, height * by, share=share)

    def _slot_of(self, place: PlaceSeen) -> SlotShare | None:
        """The slot under the pointer, else that which is chosen, if this place looks it up."""
        rows = [row for row in (self.hot_slot, self._chosen_slot) if row >= 0]
        return next((slot for slot in place.slots if rows and slot.row == rows[0]), None)

    @property
    def _chosen_slot(self) -> int:
        """Row of the one slot that the panel would change; -1: several."""
        bench, chosen = self.stage.bench, self.panel.edit.chosen
        if bench is None or len(chosen.numbers) != 1 or not (chosen.polarity and chosen.granularity):
            return -1
        return bench.look.slices[chosen.polarity, chosen.granularity].start + chosen.numbers[0]

    def _slot_chosen(self) -> None:
        """Another slot, or several, is what the panel changes: bars and sources follow."""
        for bars in self.panel.place.bars.values():
            bars.set_picked(self._chosen_slot)
        self.show()

    # --- slots -----------------------------------------------------------------------------------

    def light_slot(self, row: int) -> None:
        """Show where in the photo a slot of the table is looked up; -1 goes back."""
        if row == self.hot_slot:
            return
        self.hot_slot = row
        self.slot_lit.emit(row)
        self.show_tints()
        self.show()

    def light_sample(self, sample: tuple[str, int] | None) -> None:
        """Show where the photo is like a stored sample; None goes back."""
        bench = self.stage.bench
        if bench is None or sample is None:
            self.show_tints()
        else:
            tint = sample_tint(bench, *sample, self.panel.opacity.value() / 100)
            self.canvas.set_tints(tint, tint)

    def choose_slot(self, row: int) -> None:
        """Make a slot what the panel changes, and whose content is asked about; chosen again, it is let go."""
        bench, edit = self.stage.bench, self.panel.edit
        if bench is None:
            return
        if row == self._chosen_slot and not edit.swaps:
            edit.choose(Slots())
            self.browser.pick(-1)
            self.slots.choose(-1)
            return
        (polarity, granularity), number = bench.look.group_of(row)
        edit.choose(Slots(polarity, granularity, (number,)))
        self.browser.pick(row)
        self.slots.choose(row)

    def show_tints(self) -> None:
        at = self.pins.place
        within = at if at is not None and self._is_within(at) else None
        painting = self.teach.active
        said = self.teach.values if painting else None
        bench = self.stage.bench
        slot = None if bench is None or within is None else self._slot_of(bench.place(within))
        self.canvas.set_tints(
            *tints(self.stage, self.panel, self.hot_slot, self.twin_slot(), within, slot, said, painting)
        )
