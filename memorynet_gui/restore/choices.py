"""What the next restoration will do: task, model, thoroughness, scale, device, precision, tile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from core.restoring.records import Choice
from memorynet_gui.restore.scale import Scale
from memorynet_gui.restore.thoroughness import Thoroughness
from memorynet_gui.widgets.parts import DetailCombo, column, heading

if TYPE_CHECKING:
    from core.model.catalog import ModelEntry
    from core.model.tensors import Device

TILES_PX = (256, 384, 512, 768, 1024, 1536)
OPEN_MODEL = "open…"


class Choices(QWidget):
    """The lists. ``between`` is shown after the model: it belongs there to the eye, not to the next run."""

    changed = Signal()
    open_model_requested = Signal()

    def __init__(self, between: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: tuple[ModelEntry, ...] = ()
        self._opened: tuple[ModelEntry, ...] = ()
        self._devices: tuple[Device, ...] = ()
        self._last_model = ""
        self.remembered: Mapping[str, str] = MappingProxyType({})  # the model chosen last, by task
        self.task = DetailCombo("Task", "What to take out of the photo")
        self.model = DetailCombo("Model", "The network that does it")
        self.model_error = QLabel()
        self.model_error.setProperty("role", "warning")
        self.model_error.setWordWrap(True)
        self.model_error.hide()
        self.thoroughness = Thoroughness()
        self.scale = Scale()
        self.device = DetailCombo("Device", "Where the network runs; auto takes the fastest")
        self.precision = DetailCombo(
            "Precision", "auto takes bf16 where the hardware has it (twice as fast), fp32 elsewhere"
        )
        self.tile = DetailCombo(
            "Tile", "Edge of the pieces the photo is restored in; auto follows the free memory"
        )
        self.tile.add("auto", "", None)
        for edge in TILES_PX:
            self.tile.add(f"{edge} px", "", edge)
        self.set_devices(())
        layout = column(8, heading("Task"), self.task)
        layout.addSpacing(8)
        for widget in (heading("Model"), self.model, self.model_error):
            layout.addWidget(widget)
        layout.addSpacing(8)
        layout.addWidget(between)
        layout.addSpacing(8)
        layout.addWidget(self.thoroughness)
        layout.addSpacing(8)
        layout.addWidget(self.scale)
        layout.addSpacing(8)
        layout.addWidget(heading("How"))
        how = column(4)
        for title, combo in (("Device", self.device), ("Precision", self.precision), ("Tile", self.tile)):
            how.addLayout(_labelled(title, combo))
        layout.addLayout(how)
        self.setLayout(layout)
        self.task.currentIndexChanged.connect(self._task_picked)
        self.model.activated.connect(self._model_picked)
        self.thoroughness.changed.connect(self.changed)
        self.scale.changed.connect(self.changed)
        self.device.currentIndexChanged.connect(self._device_picked)
        for combo in (self.precision, self.tile):
            combo.currentIndexChanged.connect(lambda _row: self.changed.emit())

    def set_models(self, entries: Sequence[ModelEntry], opened: Sequence[ModelEntry] = ()) -> None:
        """The catalogue's models and those opened by hand; tasks without a usable one cannot be chosen."""
        from core import tasks
        from core.tasks import TASKS

        before = self.choice()
        self._opened = tuple(opened)
        self._entries = (*entries, *opened)
        usable = {entry.task for entry in self._entries if entry.error is None}
        with QSignalBlocker(self.task):
            self.task.clear()
            for key in (*TASKS, *sorted(usable - set(TASKS))):  # those of a person's own at the end
                info, able = tasks.of(key), key in usable
                self.task.add(
                    info.verb,
                    "" if able else "no model yet",
                    key,
                    able,
                    key if able else f"{key}: no model for this task is at hand",
                )
            wanted = (
                before.task if before.task in usable else next((key for key in TASKS if key in usable), None)
            )
            self.task.setCurrentIndex(-1 if wanted is None else self.task.findData(wanted))
        self._fill_models(before.model)

    def _fill_models(self, wanted: str) -> None:
        task = self.task.currentData()
        with QSignalBlocker(self.model):
            self.model.clear()
            for entry in self._entries:
                if entry.error is None and entry.task != task:
                    continue
                name = self._argument(entry)
                size = f"{entry.parameters / 1e6:.1f} M" if entry.parameters else ""
                origin = "bundled" if entry.bundled else "yours"
                detail = " · ".join(part for part in (size, origin) if part)
                self.model.add(
                    entry.name,
                    "cannot be used" if entry.error else detail,
                    name,
                    tooltip=f"{entry.path}\n{entry.error or ''}".strip(),
                )
            self.model.add("Open a model file…", "", OPEN_MODEL)
            names = [self._argument(entry) for entry in self._usable(task)]
            choice = wanted if wanted in names else next(iter(names), "")
            self.model.setCurrentIndex(self.model.findData(choice) if choice else -1)
        self._last_model = choice
        self._model_problem("" if choice else "No model for this task is at hand.")
        self._follow_model()
        self.changed.emit()

    def _argument(self, entry: ModelEntry) -> str:
        """What ``--model`` takes for it: its name when the catalogue finds it by that, else its path."""
        first = next((other for other in self._entries if other.name == entry.name), entry)
        return entry.name if first is entry and entry not in self._opened else str(entry.path)

    def _usable(self, task: str | None) -> Iterable[ModelEntry]:
        found = [entry for entry in self._entries if entry.error is None and entry.task == task]
        # as catalog.default_model: the small bundled one first
        return sorted(found, key=lambda entry: (not entry.bundled, entry.name != f"{task}-s"))

    def set_devices(self, devices: Sequence[Device]) -> None:
        """What the machine has; empty while torch is still loading: then only "auto" is there."""
        before = self.choice() if self.device.count() else None
        self._devices = tuple(devices)
        with QSignalBlocker(self.device):
            self.device.clear()
            self.device.add("auto", _kind(devices[0]) if devices else "", "auto")
            for device in devices:
                self.device.add(device.name, _kind(device), device.name, tooltip=device.title)
            row = self.device.findData(before.device) if before else 0
            self.device.setCurrentIndex(max(row, 0))
        self._fill_precisions(before.precision if before else "auto")

    def _fill_precisions(self, wanted: str) -> None:
        name = self.device.currentData()
        chosen = next((device for device in self._devices if device.name == name), None)
        chosen = chosen or (self._devices[0] if self._devices else None)
        with QSignalBlocker(self.precision):
            self.precision.clear()
            best = chosen.precisions[0] if chosen else ""
            self.precision.add("auto", best, "auto")
            for precision in chosen.precisions if chosen else ("fp32", "bf16"):
                self.precision.add(precision, "", precision)
            self.precision.setCurrentIndex(max(self.precision.findData(wanted), 0))

    def choice(self) -> Choice:
        """What is chosen now; ``model`` is empty when none can be used."""
        model = self.model.currentData()
        return Choice(
            self.task.currentData() or "derain",
            "" if model in (None, OPEN_MODEL) or self.model_error.isVisibleTo(self) else model,
            self.device.currentData() or "auto",
            self.precision.currentData() or "auto",
            self.tile.currentData(),
            1.0 if self.task.currentData() == "deshadow" else self.thoroughness.percent / 100,
            self.scale.value,
        )

    @property
    def remembered_choice(self) -> Choice:
        """What is chosen whenever the model can: what lasts beyond it."""
        return replace(self.choice(), thoroughness=self.thoroughness.wanted_percent / 100)

    def show_outdated(self, made_with: Choice | None) -> None:
        """Which of the choices the result in sight was not made with; None: there is no result."""
        now = self.choice()
        can = self.thoroughness.slider.isEnabledTo(self.thoroughness)
        self.thoroughness.set_outdated(
            can and made_with is not None and made_with.thoroughness != now.thoroughness
        )
        self.scale.set_outdated(made_with is not None and made_with.scale != now.scale)

    def set_choice(self, choice: Choice) -> None:
        """As far as it can be had here: a device or model that is gone leaves the present one."""
        for combo, value in ((self.task, choice.task), (self.device, choice.device)):
            row = combo.findData(value)
            if row >= 0 and combo.model().index(row, 0).flags() & Qt.ItemFlag.ItemIsEnabled:
                combo.setCurrentIndex(row)
        if self.model.findData(choice.model) >= 0 and choice.model:
            self.model.setCurrentIndex(self.model.findData(choice.model))
            self._model_picked(self.model.currentIndex())
        self.precision.setCurrentIndex(max(self.precision.findData(choice.precision), 0))
        row = self.tile.findData(choice.tile_px)
        if row < 0 and choice.tile_px is not None:
            self.tile.add(f"{choice.tile_px} px", "", choice.tile_px)
            row = self.tile.count() - 1
        self.tile.setCurrentIndex(max(row, 0))
        self.thoroughness.set_wanted(round(100 * choice.thoroughness))
        self.scale.set_value(choice.scale)
        self.changed.emit()

    def pick_model(self, entry: ModelEntry) -> None:
        """Choose this model, with its task; a broken one says why below the list."""
        if entry.error is None:
            self.task.setCurrentIndex(self.task.findData(entry.task))
        self.model.setCurrentIndex(self.model.findData(self._argument(entry)))
        self._model_picked(self.model.currentIndex())

    def _task_picked(self, _row: int) -> None:
        self._fill_models(self.remembered.get(self.task.currentData(), self._last_model))

    def _device_picked(self, _row: int) -> None:
        self._fill_precisions(self.precision.currentData() or "auto")
        self.changed.emit()

    def _model_picked(self, row: int) -> None:
        name = self.model.itemData(row)
        if name == OPEN_MODEL:
            self.model.setCurrentIndex(max(self.model.findData(self._last_model), -1))
            self.open_model_requested.emit()
            return
        broken = next((e for e in self._entries if e.error and self._argument(e) == name), None)
        self._model_problem(f"{broken.name} cannot be used: {broken.error}" if broken else "")
        if broken is None:
            self._last_model = name
        self._follow_model()
        self.changed.emit()

    def _follow_model(self) -> None:
        """Thoroughness needs a memory."""
        name = self.model.currentData()
        chosen = next((entry for entry in self._entries if self._argument(entry) == name), None)
        self.thoroughness.set_available(chosen is None or chosen.reads_damage)
        # read more strongly, the memory of shadows spoils what is lit
        self.thoroughness.setVisible(self.task.currentData() != "deshadow")

    def _model_problem(self, text: str) -> None:
        self.model_error.setText(text)
        self.model_error.setVisible(bool(text))


def _kind(device: Device) -> str:
    """ "CPU" of "CPU, 2 threads" """
    return device.title.partition(", ")[0]


def _labelled(name: str, combo: QWidget) -> QHBoxLayout:
    label = QLabel(name)
    label.setProperty("role", "secondary")
    label.setBuddy(combo)
    label.setMinimumWidth(72)
    row = QHBoxLayout()
    row.setSpacing(8)
    row.addWidget(label)
    row.addWidget(combo, 1)
    return row
