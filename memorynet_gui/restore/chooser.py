"""Remembers what was chosen for restoring, and takes models that are opened by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from core.restoring.records import Choice
from memorynet_gui.base.models import entry_of, trained_entries
from memorynet_gui.base.page import AppContext
from memorynet_gui.restore.panel.choices import Choices, Machine
from memorynet_gui.restore.saves import Saver

if TYPE_CHECKING:
    from core.model.catalog import ModelEntry


class Chooser(QObject):
    """Between the lists of the inspector and the settings."""

    task_changed = Signal(str)

    def __init__(self, context: AppContext, choices: Choices, saver: Saver, over: QWidget) -> None:
        super().__init__(over)
        self._context, self._choices, self._saver, self._over = context, choices, saver, over
        self._opened: tuple[ModelEntry, ...] = ()
        self._is_filling = False
        choices.changed.connect(self._remember)
        choices.open_model_requested.connect(self.ask_for_model)
        context.devices_ready.connect(
            self._take_machine
        )  # only then is a device chosen last time known to be here
        context.settings.changed.connect(self._setting_changed)

    def fill(self) -> None:
        """List the models and choose as last time."""
        # a list that fills is no choice, and must not take the place of the one remembered
        self._is_filling = True
        try:
            self._list_models()
        finally:
            self._is_filling = False
        self._recall()

    def choice_or_say(self) -> Choice | None:
        """What to restore with; a banner when there is nothing."""
        choice = self._choices.choice()
        if choice.model:
            return choice
        self._context.banner("There is no model to restore with.", "Open a model file…", self.ask_for_model)
        return None

    def _setting_changed(self, name: str) -> None:
        if name == "trained_models":  # one may be in the trash by now
            self._opened = tuple(entry for entry in self._opened if entry.path.exists())
            self._list_models()
        elif name in ("device", "precision", "tile_px"):
            self._take_machine()

    def _list_models(self) -> None:
        from core.model import catalog

        known = {entry.path for entry in self._opened}
        trained = [e for e in trained_entries(self._context.settings.trained_models) if e.path not in known]
        self._choices.set_models(catalog.models(), (*self._opened, *trained))

    def _recall(self) -> None:
        settings = self._context.settings
        device, precision, tile_px = self._machine()
        wanted = replace(settings.choice, device=device, precision=precision, tile_px=tile_px)
        self._choices.remembered = settings.models
        self._is_filling = True
        try:
            self._choices.set_choice(wanted)
        finally:
            self._is_filling = False
        self.task_changed.emit(self._choices.choice().task)

    def _machine(self) -> tuple[str, str, int | None]:
        """Device, precision and tile of the settings, as far as they can be had here; before torch is there: automatic."""
        settings, devices = self._context.settings, self._context.devices()
        named = next((device for device in devices if device.name == settings.device), None)
        runs_on = named or next(iter(devices), None)
        can = runs_on is not None and settings.precision in runs_on.precisions
        return named.name if named else "auto", settings.precision if can else "auto", settings.tile_px

    def _take_machine(self) -> None:
        self._choices.set_machine(Machine(*self._machine()))

    def _remember(self) -> None:
        if self._is_filling:
            return
        settings = self._context.settings
        choice = replace(
            self._choices.remembered_choice,  # the machine is chosen in the settings themselves
            device=settings.device,
            precision=settings.precision,
            tile_px=settings.tile_px,
        )
        settings.choice = choice
        self._choices.remembered = settings.models
        self.task_changed.emit(choice.task)

    def ask_for_model(self) -> None:
        settings = self._context.settings
        dialog = QFileDialog(self._over, "Open a model", str(settings.model_folder or Path.home()))
        dialog.setNameFilters(["Models (*.safetensors *.pth *.ckpt *.pt)", "All files (*)"])
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: self.open_model(Path(name)))
        dialog.open()

    def open_model(self, path: Path) -> None:
        """Offer a model file beside the catalogue's; checked in the background, a broken one says why."""
        self._context.settings.model_folder = path.parent
        self._saver.run(lambda: entry_of(path), self._model_opened)

    def use_trained(self, path: Path) -> None:
        """Offer the model of a training run from now on, and choose it."""
        settings = self._context.settings
        settings.trained_models = (path, *(other for other in settings.trained_models if other != path))
        self._saver.run(lambda: entry_of(path), self._model_opened)

    def _model_opened(self, entry: ModelEntry) -> None:
        self._opened = (*(e for e in self._opened if e.path != entry.path), entry)
        self._list_models()
        self._choices.pick_model(entry)
