"""What the next restoration will do: task, model, thoroughness, scale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QLabel, QWidget

from core import tasks
from core.model.memory_edit import LEAST_THOROUGH
from core.restoring.records import Choice
from memorynet_gui.restore.panel.scale import OUTDATED, Scale
from memorynet_gui.restore.panel.thoroughness import Thoroughness
from memorynet_gui.widgets.parts import DetailCombo, column, labelled

if TYPE_CHECKING:
    from core.model.catalog import ModelEntry

OPEN_MODEL = "open…"
_AUTO_HELP = (
    "Looks which damage each photo shows and takes it out; where that is not sure, it asks. Several are taken one "
    f"after the other: {', '.join(task.noun for task in tasks.TASKS.values())}."
)


@dataclass(frozen=True, slots=True)
class Machine:
    """What changes how long a restoration takes, not what comes of it."""

    device: str = "auto"
    precision: str = "auto"
    tile_px: int | None = None  # None: as free memory allows


class Choices(QWidget):
    """The lists. ``between`` is shown after the model: it belongs there to the eye, not to the next run."""

    changed = Signal()
    open_model_requested = Signal()

    def __init__(self, between: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: tuple[ModelEntry, ...] = ()
        self._opened: tuple[ModelEntry, ...] = ()
        self.machine = Machine()
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
        self.undo = QCheckBox("Undo the smear first")
        self.undo.setChecked(True)
        self.undo.setAccessibleName("Undo the smear first")
        self.undo.setToolTip(
            "Where the photo itself tells how far and which way it was shaken, that is undone before the network goes over it. "
            "Not, if edges look doubled"
        )
        self.undo_caption = QLabel(OUTDATED)
        self.undo_caption.setProperty("role", "caption")
        self.undo_caption.hide()
        layout = column(8)
        layout.addLayout(labelled("Task", self.task))
        layout.addLayout(labelled("Model", self.model))
        layout.addWidget(self.model_error)
        layout.addSpacing(4)
        layout.addWidget(between)
        layout.addSpacing(4)
        layout.addWidget(self.thoroughness)
        layout.addSpacing(4)
        layout.addWidget(self.scale)
        layout.addWidget(self.undo)
        layout.addWidget(self.undo_caption)
        self.setLayout(layout)
        self.task.currentIndexChanged.connect(self._task_picked)
        self.model.activated.connect(self._model_picked)
        self.thoroughness.changed.connect(self.changed)
        self.scale.changed.connect(self.changed)
        self.undo.toggled.connect(self.changed)

    def set_models(self, entries: Sequence[ModelEntry], opened: Sequence[ModelEntry] = ()) -> None:
        """The catalogue's models and those opened by hand; tasks without a usable one cannot be chosen."""
        from core.tasks import TASKS

        before = self.choice()
        self._opened = tuple(opened)
        self._entries = (*entries, *opened)
        usable = {entry.task for entry in self._entries if entry.error is None}
        with QSignalBlocker(self.task):
            self.task.clear()
            if len(usable) > 1:
                self.task.add("Auto", "by photo", tasks.AUTO, True, _AUTO_HELP)
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
                before.task
                if before.task in usable or (before.task == tasks.AUTO and len(usable) > 1)
                else next((key for key in TASKS if key in usable), None)
            )
            self.task.setCurrentIndex(-1 if wanted is None else self.task.findData(wanted))
        self._fill_models(before.model)

    @property
    def usable_tasks(self) -> tuple[str, ...]:
        """Those with a model, in the order in which they are offered."""
        usable = {entry.task for entry in self._entries if entry.error is None}
        return tuple(key for key in (*tasks.TASKS, *sorted(usable - set(tasks.TASKS))) if key in usable)

    def choice_of(self, task: str) -> Choice:
        """What is chosen, for a task and the model that is taken for it."""
        names = [self._argument(entry) for entry in self._usable(task)]
        wanted = self.remembered.get(task, "")
        return replace(self.choice(), task=task, model=wanted if wanted in names else next(iter(names), ""))

    def _fill_models(self, wanted: str) -> None:
        task = self.task.currentData()
        if task == tasks.AUTO:
            with QSignalBlocker(self.model):
                self.model.clear()
                self.model.add("each task's own", "", tasks.AUTO)
            self.model.setEnabled(False)
            self._last_model = tasks.AUTO
            self._model_problem("")
            self._follow_model()
            self.changed.emit()
            return
        self.model.setEnabled(True)
        with QSignalBlocker(self.model):
            self.model.clear()
            for entry in self._entries:
                if entry.error is None and entry.task != task:
                    continue
                name = self._argument(entry)
                size = f"{entry.parameters / 1e6:.1f} million parameters" if entry.parameters else ""
                self.model.add(
                    entry.name,
                    "cannot be used" if entry.error else "" if entry.bundled else "yours",
                    name,
                    tooltip="\n".join(part for part in (str(entry.path), size, entry.error or "") if part),
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

    def set_machine(self, machine: Machine) -> None:
        """Where and how the next run is computed; chosen in the settings."""
        if machine != self.machine:
            self.machine = machine
            self.changed.emit()

    def choice(self) -> Choice:
        """What is chosen now; ``model`` is empty when none can be used."""
        model = self.model.currentData()
        return Choice(
            self.task.currentData() or tasks.DEFAULT,
            "" if model in (None, OPEN_MODEL) or self.model_error.isVisibleTo(self) else model,
            self.machine.device,
            self.machine.precision,
            self.machine.tile_px,
            self.thoroughness.percent / 100 if self._more_is_stronger() else LEAST_THOROUGH,
            self.scale.value,
            self.undo.isChecked() or not self._smears(),
        )

    @property
    def remembered_choice(self) -> Choice:
        """What is chosen whenever the model can: what lasts beyond it."""
        wanted = self.thoroughness.wanted_percent / 100
        return replace(self.choice(), thoroughness=wanted, undo=self.undo.isChecked())

    def show_outdated(self, made_with: Choice | None) -> None:
        """Which of the choices the result in sight was not made with; None: there is no result."""
        now = self.choice()
        can = self.thoroughness.slider.isEnabledTo(self.thoroughness)
        self.thoroughness.set_outdated(
            can and made_with is not None and made_with.thoroughness != now.thoroughness
        )
        self.scale.set_outdated(made_with is not None and made_with.scale != now.scale)
        self.undo_caption.setVisible(made_with is not None and made_with.undo != now.undo)

    def set_choice(self, choice: Choice) -> None:
        """As far as it can be had here: a device or model that is gone leaves the present one."""
        row = self.task.findData(choice.task)
        if row >= 0 and self.task.model().index(row, 0).flags() & Qt.ItemFlag.ItemIsEnabled:
            self.task.setCurrentIndex(row)
        if self.model.findData(choice.model) >= 0 and choice.model:
            self.model.setCurrentIndex(self.model.findData(choice.model))
            self._model_picked(self.model.currentIndex())
        self.machine = Machine(choice.device, choice.precision, choice.tile_px)
        self.thoroughness.set_wanted(round(100 * choice.thoroughness))
        self.scale.set_value(choice.scale)
        with QSignalBlocker(self.undo):
            self.undo.setChecked(choice.undo)
        self.changed.emit()

    def pick_model(self, entry: ModelEntry) -> None:
        """Choose this model, with its task; a broken one says why below the list."""
        if entry.error is None:
            self.task.setCurrentIndex(self.task.findData(entry.task))
        self.model.setCurrentIndex(self.model.findData(self._argument(entry)))
        self._model_picked(self.model.currentIndex())

    def _task_picked(self, _row: int) -> None:
        self._fill_models(self.remembered.get(self.task.currentData(), self._last_model))

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
        self.thoroughness.setVisible(self._more_is_stronger())
        self.undo.setVisible(self._smears())

    def _smears(self) -> bool:
        task = self.task.currentData() or tasks.DEFAULT
        return task != tasks.AUTO and tasks.of(task).smears

    def _more_is_stronger(self) -> bool:
        task = self.task.currentData() or tasks.DEFAULT
        return task != tasks.AUTO and tasks.of(task).more_is_stronger

    def _model_problem(self, text: str) -> None:
        self.model_error.setText(text)
        self.model_error.setVisible(bool(text))
