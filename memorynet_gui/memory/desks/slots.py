"""The slots of the memory at hand: told over this photo or a folder of photos, measured, named by the person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from core.events import ItemStarted
from core.jobs import Emit, JobControl
from core.model import slot_names
from core.model.slot_names import SlotNamesError, SlotNote
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.problems import describe
from memorynet_gui.memory.bench import trying
from memorynet_gui.memory.bench.records import Bench, SlotEffect
from memorynet_gui.memory.drawer import FOLDER, Drawer
from memorynet_gui.memory.flow import MemoryFlow
from memorynet_gui.memory.slots.note import NotePanel
from memorynet_gui.memory.stage import MemoryStage

if TYPE_CHECKING:
    from core.restoring.memory.usage import Usage


class SlotsDesk(QObject):
    progressed = Signal(str, object, object)  # words, share or None, seconds left or None

    def __init__(
        self,
        context: AppContext,
        stage: MemoryStage,
        flow: MemoryFlow,
        drawer: Drawer,
        note: NotePanel,
        over: QWidget,
    ) -> None:
        super().__init__(over)
        self._context, self._stage, self._flow = context, stage, flow
        self._drawer, self._note, self._over = drawer, note, over
        self._bench: Bench | None = None
        self._folder: Path | None = None
        self._usage: Usage | None = None
        self._usage_sha = ""  # of the weights it was measured with
        self._names: dict[int, SlotNote] = {}
        drawer.browser.effects_wanted.connect(self._measure)
        drawer.folder_wanted.connect(self._ask_folder)
        drawer.usage_wanted.connect(lambda over: self._show(same=True, here=over != FOLDER))
        note.changed.connect(self._named)
        flow.event.connect(self._event)

    def show_bench(self, bench: Bench | None) -> None:
        """Another photo or model; what was measured over a folder stays for the same weights."""
        if bench is self._bench:
            return
        self._note.show_slot(-1, "", SlotNote())
        self._bench = bench
        self._names = {}
        if bench is not None:
            if bench.look.model_sha256 != self._usage_sha:
                self._folder = self._usage = None
            self._names = self._by_row(bench)
        self._drawer.set_folder(self._folder, len(self._usage.photos) if self._usage is not None else 0)
        self._show(same=False, here=self._usage is None)

    def _by_row(self, bench: Bench) -> dict[int, SlotNote]:
        return {
            facts.row: bench.names[key]
            for facts in bench.slots
            if (key := (facts.polarity, facts.granularity, facts.slot)) in bench.names
        }

    def choose(self, row: int) -> None:
        """Show name and note of a slot of the table; -1: of none."""
        bench = self._bench
        if row < 0:
            self._note.show_slot(-1, "", SlotNote())
        elif bench is not None:
            (polarity, granularity), number = bench.look.group_of(row)
            self._note.show_slot(row, f"{polarity} {granularity} {number}", self._names.get(row, SlotNote()))
            self._tell_chosen()

    def _tell_chosen(self) -> None:
        """What is known of the chosen slot, over the photos that are told about."""
        slots, row = self._drawer.browser.list, self._note.row
        facts = next((each for each in slots.everything if each.row == row), None)
        self._note.show_facts(facts, slots.effects.get(row), slots.over)

    def name_of(self, row: int) -> str:
        note = self._names.get(row)
        return note.name if note is not None else ""

    def _show(self, same: bool, here: bool) -> None:
        bench, usage = self._bench, self._usage
        browser, health = self._drawer.browser, self._drawer.health
        if bench is None:
            browser.set_facts(())
            health.show_health(None, None)
        elif here or usage is None:
            browser.set_facts(bench.slots, self._names, "here", same)
            health.show_health(bench.look, bench.health)
        else:
            from core.restoring.memory.slots import slot_facts

            facts = slot_facts(bench.look, bench.samples, used=usage.mean)
            browser.set_facts(facts, self._names, "there", same)
            health.show_health(bench.look, usage.health)
        self._tell_chosen()

    # --- effects ---------------------------------------------------------------------------------

    def _measure(self, rows: list[int]) -> None:
        """What muting each of these does; told one by one."""
        bench = self._bench
        effects = self._drawer.browser.list.effects

        def measure(emit: Emit, control: JobControl) -> int:
            assert bench is not None
            left = [row for row in rows if row not in effects]  # something else may have come between
            return trying.slot_effects(bench, left, emit, control)

        if bench is not None and rows:
            self._flow.want("slots", measure, lambda _count: None)

    def _event(self, kind: str, event: object) -> None:
        browser = self._drawer.browser
        if isinstance(event, SlotEffect):
            browser.show_effect(event)
            self._tell_chosen()
            found = len(browser.list.effects)
            used = sum(facts.usage > 0 and facts.is_read for facts in browser.list.everything)
            text = f"Muting one slot after the other · {found} of {used}"
            self.progressed.emit(text, min(1.0, found / max(1, used)), None)
        elif kind == "usage" and isinstance(event, ItemStarted):
            text = f"Looking into {event.name} · {event.index} of {event.count}"
            self.progressed.emit(text, (event.index - 1) / event.count, None)

    # --- over a folder ---------------------------------------------------------------------------

    def _ask_folder(self) -> None:
        start = str(self._context.settings.open_folder or Path.home())
        dialog = QFileDialog(self._over, "Tell how much each slot is used in the photos of a folder", start)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda name: self.measure_folder(Path(name)))
        dialog.open()

    def measure_folder(self, folder: Path) -> None:
        """Look at the photos of a folder as the memory does; what it uses there is told when it is known."""
        bench = self._bench
        if bench is not None:
            self._flow.want(
                "usage",
                lambda emit, control: trying.folder_usage(bench, folder, emit, control),
                lambda usage: self._measured(folder, usage),
            )

    def _measured(self, folder: Path, usage: Usage) -> None:
        bench = self._bench
        if bench is None:
            return
        self._folder, self._usage, self._usage_sha = folder, usage, bench.look.model_sha256
        self._drawer.set_folder(folder, len(usage.photos))
        self._show(same=True, here=False)
        if usage.failed:
            names = ", ".join(name for name, _error in usage.failed[:3])
            self._context.banner(f"{len(usage.failed)} photos could not be looked at: {names}.")

    # --- names -----------------------------------------------------------------------------------

    def _named(self, row: int, note: SlotNote) -> None:
        bench = self._bench
        if bench is None or row < 0 or self._names.get(row, SlotNote()) == note:
            return
        self._names[row] = note
        keys = {}
        for at, each in self._names.items():
            (polarity, granularity), number = bench.look.group_of(at)
            keys[polarity, granularity, number] = each
        try:
            slot_names.write(bench.look.model, bench.look.model_sha256, {**bench.names, **keys})
        except (OSError, SlotNamesError) as error:
            self._context.banner(f"The name could not be kept. {describe(error).sentence}")
        self._drawer.browser.set_names({at: each for at, each in self._names.items() if each != SlotNote()})
