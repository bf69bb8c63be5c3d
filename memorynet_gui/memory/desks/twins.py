"""Looks at the photo with another model, and shows both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from core.jobs import Emit, JobControl
from core.model.catalog import ModelEntry
from memorynet_gui.base.models import as_model, checkpoint_entries, name_of, run_of, trained_entries
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.problems import describe
from memorynet_gui.memory.bench import trying
from memorynet_gui.memory.bench.records import Bench, Twin
from memorynet_gui.memory.drawer import TWINS, Drawer
from memorynet_gui.memory.flow import MemoryFlow
from memorynet_gui.memory.slots.twins import facts, health_rows
from memorynet_gui.memory.stage import MemoryStage


class TwinsDesk(QObject):
    changed = Signal()  # what the canvas shows
    first_wanted = Signal(object)  # Path of a model that is to be the one at hand
    slot_hovered = Signal(int)  # of the model at hand, row of its table; -1: none
    slot_chosen = Signal(int)

    def __init__(
        self, context: AppContext, stage: MemoryStage, flow: MemoryFlow, drawer: Drawer, over: QWidget
    ) -> None:
        super().__init__(over)
        self._context, self._stage, self._flow, self._over = context, stage, flow, over
        self._drawer, self._view = drawer, drawer.twins
        self._bench: Bench | None = None
        self._opened: tuple[ModelEntry, ...] = ()
        self._waits = ""  # name of the model that is being looked with
        self.hot_slot = -1  # of the other model, row of its table
        self._made: dict[
            Path, tuple[Path, str]
        ] = {}  # model -> the checkpoint it was made of, and what that is called
        self._view.first_chosen.connect(self.look_first_with)
        self._view.model_chosen.connect(self.look_with)
        self._view.model_wanted.connect(self._ask)
        self._view.shown_changed.connect(self._show_both)
        self._view.slots.hovered.connect(self._light)
        self._view.slots.chosen.connect(self.slot_chosen)
        drawer.view_changed.connect(lambda _view: self.refresh())
        stage.changed.connect(self.refresh)
        flow.failed.connect(self._failed)

    def refresh(self) -> None:
        bench = self._stage.bench
        if bench is not self._bench:
            self._bench = bench
            self._waits = ""
            self._view.set_ready(False)
        if not self._drawer.isVisible() or self._drawer.view != TWINS:
            return
        twin = self._stage.twin_model
        entries = self._entries()
        first = None if bench is None else self._place(bench.look.model)
        others = [entry for entry in entries if entry.path != first]
        self._view.set_models(others, None if twin is None else self._place(twin.look.model))
        self._view.set_first(entries, first)
        self._view.set_ready(twin is not None and self._stage.base is not None)
        if bench is None:
            self._view.show_facts((), "", "")
            self._view.show_health(())
            for side in (0, 1):
                self._view.slots.show_slots(side, (), "")
            return
        said = ""
        if self._waits:
            said = f"Looking at the photo with {self._waits}…"
        elif twin is None:
            said = "Choose another model of this task, or the run of one, to see both side by side."
        found = facts(bench, self._stage.base, self._stage.after_look, twin)
        name, other = self.names
        self._view.show_facts(found, name, other, said)
        self._view.show_health(health_rows(bench.health, None if twin is None else twin.health, self.names))
        self._view.slots.show_slots(0, bench.slots, name)
        self._view.slots.show_slots(
            1, () if twin is None else twin.slots, other or "No other model is chosen"
        )

    @property
    def names(self) -> tuple[str, str]:
        """Of the model at hand and of the other."""
        bench, twin = self._bench, self._stage.twin_model
        return (
            "" if bench is None else self._name(bench.look.model),
            "" if twin is None else self._name(twin.look.model),
        )

    def _place(self, model: Path) -> Path:
        """As it stands in the list: a model that was made of a checkpoint is that checkpoint."""
        place = model.parent if model.is_file() else model
        return self._made[place][0] if place in self._made else place.resolve()

    def _name(self, model: Path) -> str:
        place = model.parent if model.suffix else model
        return self._made[place][1] if place in self._made else name_of(place)

    def _entries(self) -> list[ModelEntry]:
        """Every model of the task, and of runs the checkpoints they keep."""
        from core.model import catalog
        from core.training import runs

        bench = self._bench
        if bench is None:
            return []
        settings = self._context.settings
        folder = settings.runs_folder or runs.default_folder()
        trained = {*settings.trained_models, *runs.models(folder)}
        every = (*catalog.models(), *trained_entries(sorted(trained)), *self._opened)
        found: dict[Path, ModelEntry] = {}
        for entry in every:
            if entry.error is not None or entry.task != bench.look.task:
                continue
            found[entry.path.resolve()] = replace(entry, path=entry.path.resolve())
            run = run_of(entry.path)
            for kept in () if run is None else checkpoint_entries(run.resolve(), entry.task):
                found[kept.path] = kept
        return list(found.values())

    def _ask(self) -> None:
        start = str(self._context.settings.model_folder or Path.home())
        dialog = QFileDialog(self._over, "Open the folder of a model or of a training run", start)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda name: self.open(Path(name)))
        dialog.open()

    def open(self, folder: Path) -> None:
        """The folder of a model, or of a run, whose best weights are looked with; its checkpoints join the list."""
        from core.model import catalog
        from core.training import runs

        bench = self._bench
        if bench is None:
            return
        model: Path | None = folder
        if not (folder / catalog.WEIGHTS_NAME).is_file():
            model = runs.read(folder).model if runs.is_run(folder) else None
        if model is None:
            self._context.banner(f"{folder.name}: holds no model, and no run with one yet.")
            return
        entry = replace(catalog.entry(model), name=name_of(model))
        if entry.error is not None or entry.task != bench.look.task:
            why = entry.error or f"it is for {entry.task}, the photo is looked at for {bench.look.task}"
            self._context.banner(f"{entry.name} cannot be shown beside this model: {why}.")
            return
        self._opened = (*(each for each in self._opened if each.path != model), entry)
        self.look_with(model)

    def look_first_with(self, model: Path) -> None:
        """Make another model the one at hand; the photo is looked into anew."""
        kept = self._kept
        self._flow.want(
            "model", lambda _emit, _control: as_model(model, kept), lambda place: self._first(model, place)
        )

    def _first(self, model: Path, place: Path) -> None:
        self._note(model, place)
        self.first_wanted.emit(place)

    def _note(self, model: Path, place: Path) -> None:
        if place != model:
            from core.export.from_run import checkpoint_name

            self._made[place] = model, checkpoint_name(model)

    @property
    def _kept(self) -> Path:
        return self._context.settings.cache_dir / "checkpoints"

    def look_with(self, model: Path | None) -> None:
        bench, focus = self._bench, self._stage.focus
        self._flow.drop("model")
        self._stage.set_twin_model(None)
        self._waits, self.hot_slot = "", -1
        if bench is not None and model is not None:
            self._waits, kept = self._name(model), self._kept

            def job(emit: Emit, control: JobControl) -> tuple[Path, Twin]:
                place = as_model(model, kept)
                return place, trying.look_with(bench, place, focus, emit, control)

            self._flow.want("model", job, lambda found: self._looked(model, *found))
        self.refresh()

    def _looked(self, model: Path, place: Path, twin: Twin) -> None:
        self._waits = ""
        self._note(model, place)
        self._stage.set_twin_model(twin)
        self.refresh()
        self._view.show_both.setChecked(self._view.show_both.isEnabled())

    def _light(self, side: int, row: int) -> None:
        """Show in the photo where a slot is looked up, each model's in its own half."""
        if side == 0:
            self.slot_hovered.emit(row)
        elif row != self.hot_slot:
            self.hot_slot = row
            self.changed.emit()

    def _show_both(self, on: bool) -> None:
        self._stage.show_twin_model(on)
        self.changed.emit()

    def _failed(self, kind: str, error: BaseException) -> None:
        if kind == "model":
            self._waits = ""
            self._context.banner(f"The other model cannot be used. {describe(error).sentence}")
            self.refresh()
