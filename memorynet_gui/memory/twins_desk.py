"""Looks at the photo with another model, and shows both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from core.model.catalog import ModelEntry
from memorynet_gui.base.models import name_of, trained_entries
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.problems import describe
from memorynet_gui.memory import work
from memorynet_gui.memory.drawer import TWINS, Drawer
from memorynet_gui.memory.flow import MemoryFlow
from memorynet_gui.memory.slots.twins import facts
from memorynet_gui.memory.stage import MemoryStage
from memorynet_gui.memory.work import Bench, Twin


class TwinsDesk(QObject):
    changed = Signal()  # what the canvas shows

    def __init__(
        self, context: AppContext, stage: MemoryStage, flow: MemoryFlow, drawer: Drawer, over: QWidget
    ) -> None:
        super().__init__(over)
        self._context, self._stage, self._flow, self._over = context, stage, flow, over
        self._drawer, self._view = drawer, drawer.twins
        self._bench: Bench | None = None
        self._opened: tuple[ModelEntry, ...] = ()
        self._waits = ""  # name of the model that is being looked with
        self._view.model_chosen.connect(self.look_with)
        self._view.model_wanted.connect(self._ask)
        self._view.shown_changed.connect(self._show_both)
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
        self._view.set_models(self._entries(), None if twin is None else twin.look.model)
        self._view.set_ready(twin is not None and self._stage.base is not None)
        if bench is None:
            self._view.show_facts((), "", "")
            return
        said = ""
        if self._waits:
            said = f"Looking at the photo with {self._waits}…"
        elif twin is None:
            said = "Choose another model of this task, or the run of one, to see both side by side."
        found = facts(bench, self._stage.base, self._stage.after_look, twin)
        other = "" if twin is None else self._name(twin.look.model)
        self._view.show_facts(found, self._name(bench.look.model), other, said)

    @staticmethod
    def _name(model: Path) -> str:
        return name_of(model.parent if model.suffix else model)

    def _entries(self) -> list[ModelEntry]:
        from core.model import catalog

        bench = self._bench
        if bench is None:
            return []
        every = (*catalog.models(), *trained_entries(self._context.settings.trained_models), *self._opened)
        fitting = {
            entry.path.resolve(): entry
            for entry in every
            if entry.error is None and entry.task == bench.look.task
        }
        fitting.pop(bench.look.model.resolve(), None)
        return list(fitting.values())

    def _ask(self) -> None:
        start = str(self._context.settings.model_folder or Path.home())
        dialog = QFileDialog(self._over, "Open the folder of a model or of a training run", start)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda name: self.open(Path(name)))
        dialog.open()

    def open(self, folder: Path) -> None:
        """The folder of a model, or of a run, which stands for its best weights."""
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

    def look_with(self, model: Path | None) -> None:
        bench, focus = self._bench, self._stage.focus
        self._flow.drop("model")
        self._stage.set_twin_model(None)
        self._waits = ""
        if bench is not None and model is not None:
            self._waits = self._name(model)
            self._flow.want(
                "model",
                lambda emit, control: work.look_with(bench, model, focus, emit, control),
                self._looked,
            )
        self.refresh()

    def _looked(self, twin: Twin) -> None:
        self._waits = ""
        self._stage.set_twin_model(twin)
        self.refresh()
        self._view.show_both.setChecked(self._view.show_both.isEnabled())

    def _show_both(self, on: bool) -> None:
        self._stage.show_twin_model(on)
        self.changed.emit()

    def _failed(self, kind: str, error: BaseException) -> None:
        if kind == "model":
            self._waits = ""
            self._context.banner(f"The other model cannot be used. {describe(error).sentence}")
            self.refresh()
