"""Setting up a run in three steps: what to learn, from which photos, and whether all is ready.

The form holds the values; this view brings ready recipes, folders, the look of the damage and the checks to it. What
needs time is asked for by signals (``examine_requested``, ``estimate_requested``) and comes back through ``show_*``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core import atomic, tasks
from core.data.source import BUNDLED
from core.model.catalog import CatalogError
from core.tasks import TASKS
from core.training.recipe import RecipeError, TrainRecipe
from core.training.recipe_check import source_problems
from memorynet_gui.base.background import Background
from memorynet_gui.base.problems import describe
from memorynet_gui.look.theme import set_role
from memorynet_gui.newrun import mixing
from memorynet_gui.newrun.data_view import DataPanel
from memorynet_gui.newrun.degrade_preview import DegradePreview, ShownSource
from memorynet_gui.newrun.parts import RecipeHead, RunsPlace, StartBar, card, line, step
from memorynet_gui.newrun.preset_cards import PresetCards
from memorynet_gui.newrun.presets import (
    PRESETS,
    DataFound,
    Preset,
    describe_data,
    fits,
    folders_of,
    load,
    needs_folder,
    recognise_all,
)
from memorynet_gui.newrun.questions import Questions
from memorynet_gui.newrun.recipe_form import RecipeForm
from memorynet_gui.newrun.sources_view import SourcesPanel
from memorynet_gui.newrun.start_model import StartModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.data.source import DataSource
    from core.doctor.examination import DoctorReport
    from core.training.estimate import Estimate
    from memorynet_gui.base.page import AppContext

_STOPS = "The check found something in the photos that would stop training; see step 3."
_COLUMN_PX = 760
_REST_MS = 150
_DATA_FIELDS = ("kind", "train", "pairs", "validation", "hold_out", "leave_out", "sources", "task")
_SHIPPED = {
    "kind": "clean", "train": ("SAMPLES/train",), "validation": ("SAMPLES/validation",), "pairs": (), "hold_out": 0.0,
    "leave_out": (), "sources": (),
}  # fmt: skip


class NewRunView(QWidget):
    """``start_requested`` carries what was frozen: the recipe, what DATA stands for, and a new empty folder."""

    start_requested = Signal(object, object, object)  # TrainRecipe, tuple[Path, ...], Path
    examine_requested = Signal(object, object)  # TrainRecipe, tuple[Path, ...]
    estimate_requested = Signal(object, object)
    cancel_check_requested = Signal()
    valid_changed = Signal(bool)
    changed = Signal()

    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.context = context
        self._folders: tuple[Path, ...] = ()  # chosen by the person
        self._data: tuple[Path, ...] = ()  # what DATA stands for
        self._found: DataFound | None = None  # None: being looked at
        self._notes: tuple[str, ...] = ()
        self._ticket = 0  # answers to earlier questions about the photos are passed over
        self._preset: Preset | None = None
        self._began: dict[str, Any] = {}  # the values a preset or file brought
        self._source = ""
        self._kind = "clean"  # of data, before what is being changed
        # what mixing made, or taking it back, and what it was made of, which the other button brings back
        self._turned: tuple[dict[str, Any], dict[str, Any]] | None = None
        self._was_valid = False
        self._background = Background(self)
        self._rest = QTimer(self, singleShot=True, interval=_REST_MS)
        self._rest.timeout.connect(self._look)
        self._build()
        self._connect()
        self.choose_preset(PRESETS[0])

    # --- building --------------------------------------------------------------------------------

    def _build(self) -> None:
        self.form, self.cards, self.data = RecipeForm(), PresetCards(PRESETS), DataPanel()
        self.sources = SourcesPanel()
        self._start_model = StartModel(self.form)
        self.preview = DegradePreview()
        self.questions = Questions(self.form, lambda: self._data, self)
        self.doctor, self.estimate = self.questions.doctor, self.questions.estimate
        settings = self.context.settings
        self.head, self.place, self.bar = RecipeHead(settings), RunsPlace(settings), StartBar()
        self._preview_words = QLabel()
        self._preview_words.setWordWrap(True)
        set_role(self._preview_words, "secondary")
        column = QWidget()
        column.setMaximumWidth(_COLUMN_PX)
        column.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        inside = QVBoxLayout(column)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(12)
        inside.addWidget(self.head)
        inside.addWidget(step("1", "What to learn", self.cards, self.form))
        inside.addWidget(
            step("2", "From which photos", self.data, self.sources, line(), self._preview_words, self.preview)
        )
        inside.addWidget(step("3", "Ready?", self.place, line(), self.doctor, line(), self.estimate))
        inside.addWidget(card(self.form.rest))
        inside.addStretch(1)
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(16, 16, 16, 24)
        row.addStretch(1)
        row.addWidget(column, 100)
        row.addStretch(1)
        self.area = QScrollArea()
        self.area.setWidget(holder)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.area, 1)
        layout.addWidget(self.bar)

    def _connect(self) -> None:
        self.cards.chosen.connect(self.choose_preset)
        self.form.changed.connect(self._form_changed)
        self.form.edited.connect(self._form_edited)
        self.preview.changed.connect(self._damage_changed)
        self.sources.changed.connect(lambda sources: self.form.set_values({"sources": sources}))
        self.sources.selected_changed.connect(self._show_damage)
        self.sources.mix_requested.connect(self.mix_sources)
        self.sources.one_requested.connect(self.use_one_source)
        self.data.folders_chosen.connect(self.set_data)
        self.data.bundled_chosen.connect(self.use_bundled)
        self.questions.examine_requested.connect(self.examine_requested)
        self.questions.estimate_requested.connect(self.estimate_requested)
        self.questions.cancel_requested.connect(self.cancel_check_requested)
        self.questions.changed.connect(self._refresh)
        self.head.load_chosen.connect(self.open_recipe)
        self.head.save_chosen.connect(self.save_recipe)
        self.head.copy_requested.connect(self.duplicate)
        self.bar.start_requested.connect(self.start)
        self.bar.show_requested.connect(self._reveal_problem)

    # --- recipes ---------------------------------------------------------------------------------

    def choose_preset(self, preset: Preset) -> None:
        """A ready recipe, for the task at hand where there is one; folders that were chosen stay."""
        try:
            recipe = load(preset.recipe_name(self.form.value("task")))
        except (CatalogError, RecipeError, OSError) as error:
            self._say_source(describe(error).sentence, is_problem=True)
            return
        wanted = TASKS.get(self.form.value("task"))
        title = preset.title
        if wanted is not None and wanted is not TASKS[recipe.task]:
            title += f" (there is none to {wanted.verb.lower()} yet)"
        self._preset = preset
        self._take(recipe, title)
        if self._folders and needs_folder(self.form.values()):
            self._apply_folders()

    def set_recipe(self, recipe: TrainRecipe) -> None:
        """Somebody's own: a file's, or that of a run."""
        self._preset = None
        self._folders = ()
        self._take(recipe, recipe.name)

    def open_recipe(self, path: Path) -> None:
        """Raises nothing: a file that cannot be used is said beside the title, and the form keeps what it has."""
        try:
            recipe = TrainRecipe.from_toml(path)
        except (RecipeError, OSError) as error:
            self._say_source(describe(error).sentence, is_problem=True)
            return
        self.set_recipe(recipe)
        self._source = path.name
        self._say_source()

    def save_recipe(self, path: Path) -> bool:
        """Write what the form holds; False, said beside the title, when the disk refuses."""
        try:
            recipe = self.form.recipe()
            atomic.write_text(path, recipe.to_toml())
        except (RecipeError, OSError) as error:
            self._say_source(describe(error).sentence, is_problem=True)
            return False
        self._preset, self._source, self._began = None, path.name, self.form.values()
        self._say_source()
        return True

    def duplicate(self) -> None:
        """The same under a name that says so; what it came from stays as it is."""
        name = str(self.form.value("name"))
        head, _, last = name.rpartition("-")
        number = int(last) + 1 if head and last.isdigit() else 2
        self._preset = None
        self._source = f"copy of {name}"
        self.form.set_values({"name": f"{head if number > 2 else name}-{number}"})
        self._began = self.form.values()
        self._say_source()
        self.form.reveal("name")

    def recipe(self) -> TrainRecipe:
        """Raises RecipeError while the form is not valid."""
        return self.form.recipe()

    def _take(self, recipe: TrainRecipe, source: str) -> None:
        self._next_ticket()  # what is still being found was of another recipe
        self._source, self._notes, self._data = source, (), ()
        self.data.set_folders(self._folders)
        self._start_model.forget()
        self.form.set_recipe(recipe)
        self._began = self.form.values()
        self._say_source()

    def _say_source(self, text: str | None = None, is_problem: bool = False) -> None:
        values = self.form.values()
        if text is None:
            own = {name for name in values if values[name] != self._began.get(name)}
            changed = own - (set(_DATA_FIELDS) - {"task"})
            if values["sources"] and "sources" in own:
                changed.add("sources")
            text = f"{self._source}, changed" if changed else self._source
            self.cards.set_chosen(self._preset.key if self._preset is not None else None)
        self.head.say(text, is_problem)

    def _form_edited(self, name: str) -> None:
        """A person's choice of another task, or another kind of data, brings what belongs to it."""
        if name == "kind":
            self._follow_kind()
        if name != "task":
            return
        task = self.form.value("task")
        values = self.form.values()
        brought = {*_DATA_FIELDS, "degradation"} | ({"start_from"} if self._start_model.is_out else set())
        untouched = all(values[key] == self._began.get(key) for key in values if key not in brought)
        sources = values["sources"]
        untouched = untouched and (not sources or sources == self._began.get("sources"))
        if self._preset is not None and untouched and task in self._preset.recipes:
            self.choose_preset(self._preset)
        else:
            plain = tuple(
                replace(source, degradation={}) if source.kind == "drawn" else source for source in sources
            )
            self.form.set_values({"degradation": {}, "sources": plain} | self._start_model.follow(task))
            self._start_model.say()

    def _form_changed(self) -> None:
        self._start_model.look()
        self.data.show_bundled(tuple(self.form.value("train")) == _SHIPPED["train"])
        self._show_sources()
        self._show_damage()
        self._kind = self.form.value("kind")
        self._say_source()
        self._found = None
        self._rest.start()
        self.questions.check_stale()
        self._refresh()
        self.changed.emit()

    def _show_sources(self) -> None:
        """The rows of a mixture, with what the recipe's check says of each."""
        sources: tuple[DataSource, ...] = self.form.value("sources") if self._is_mixture else ()
        task = str(self.form.value("task"))
        problems = source_problems(task, sources) if sources and task in TASKS else {}
        self.sources.show_mixture(task, sources, self._data, problems)

    @property
    def _is_mixture(self) -> bool:
        return bool(self.form.value("kind") == "sources" and self.form.value("sources"))

    def _show_damage(self) -> None:
        """What the samples are of, and the sliders of their damage: the recipe's, or that of a mixture's source."""
        task = TASKS.get(self.form.value("task"))
        noun = task.noun if task else "damage"
        shown = self._shown_source()
        self.preview.set_task(self.form.value("task"), shown)
        if shown is None and self.preview.parameters() != self.form.value("degradation"):
            self.preview.set_parameters(self.form.value("degradation"))
        is_synthetic = self.form.value("kind") != "pairs"
        self.preview.setVisible(is_synthetic)
        words = {
            "pairs": "Pairs bring their own damage; nothing is drawn on them.",
            "clean": "Nothing is drawn on these: they must come back as they went in.",
            "layers": "How layers are laid: every photo draws from between the two handles.",
        }
        self._preview_words.setText(
            words.get(
                shown.source.kind
                if shown is not None
                else self.form.value("kind")
                if not is_synthetic
                else "",
                f"What {noun} may look like: every photo draws from between the two handles.",
            )
        )

    def _shown_source(self) -> ShownSource | None:
        """The source of a mixture that is selected; None without one."""
        if not self._is_mixture:
            return None
        at = self.sources.selected
        source: DataSource = self.form.value("sources")[at]
        if source.kind == "drawn" and not source.degradation:
            source = replace(source, degradation=dict(self.form.value("degradation")))
        wrong = self.form.problems.keys() & {"task", "train", "leave_out"}
        is_ready = not wrong and self.sources.rows[at].problem is None and not self._lacks_data
        return ShownSource(
            at + 1,
            source,
            tuple(self.form.value("train")),
            self._data,
            tuple(self.form.value("leave_out")),
            is_ready,
        )

    @property
    def _lacks_data(self) -> bool:
        return not self._data and needs_folder(self.form.values())

    def _damage_changed(self) -> None:
        values = self.form.values()
        if not self._is_mixture:
            self.form.set_values({"degradation": self.preview.parameters()})
            return
        made = mixing.said_by_each(values)
        sources = list(made.get("sources", values["sources"]))
        at = self.sources.selected
        sources[at] = replace(sources[at], degradation=self.preview.parameters())
        self.form.set_values(made | {"sources": tuple(sources)})

    # --- mixtures --------------------------------------------------------------------------------

    def mix_sources(self) -> None:
        """What is learnt from now as a mixture with the same meaning, or the one that was there before."""
        self._turn(mixing.mixture_of(self.form.values()))

    def use_one_source(self, number: int) -> None:
        """Go on with one source alone, counted from 1, or with what the mixture was made of."""
        self._turn(mixing.one_of(self.form.values(), number))

    def _turn(self, made: dict[str, Any]) -> None:
        now = {name: self.form.value(name) for name in mixing.FIELDS}
        if self._turned is not None and self._turned[0] == now:
            made = self._turned[1]
        self.form.set_values(made)
        self._turned = {name: self.form.value(name) for name in mixing.FIELDS}, now

    def _follow_kind(self) -> None:
        """The kind of data was chosen among all settings."""
        values = self.form.values()
        if values["kind"] == "sources" and not values["sources"]:
            if self._kind != "sources":
                self.form.set_values(mixing.mixture_of(values | {"kind": self._kind}))
        elif values["kind"] != "sources" and values["sources"]:
            wanted = [source.kind == "pairs" for source in values["sources"]]
            pairs = values["kind"] == "pairs" and True in wanted
            self.form.set_values(mixing.one_of(values, wanted.index(pairs) + 1 if pairs in wanted else 1)
                                 | {"kind": values["kind"]})  # fmt: skip

    # --- photos ----------------------------------------------------------------------------------

    @property
    def data_folders(self) -> tuple[Path, ...]:
        """What DATA stands for."""
        return self._data

    def set_data(self, folders: tuple[Path, ...]) -> None:
        """Learn from these: as DATA where the recipe's own folders are found in them, else as what they look like."""
        self._folders = tuple(folders)
        self.data.set_folders(self._folders)
        if self._folders:
            self._apply_folders()
        elif self._preset is not None:
            self.choose_preset(self._preset)
        else:
            self._data = ()
            self._form_changed()

    def use_bundled(self) -> None:
        """Learn from the photos that ship."""
        self._folders, self._data, self._notes = (), (), ()
        self.data.set_folders(())
        self._learn_from(_SHIPPED)

    def _learn_from(self, found: Mapping[str, Any]) -> None:
        """Fields that say which photos. A mixture that does not fit them leaves its damage behind."""
        values = self.form.values()
        if mixing.keeps_mixture(values):
            self.form.set_values(mixing.with_folders(values, found))
            return
        drawn = mixing.drawn_of(values) if values["kind"] == "sources" else {}
        self._began.update(drawn)  # as the recipe brought it
        self.form.set_values({**found, **drawn})

    def _apply_folders(self) -> None:
        folders = self._folders
        values = self.form.values()
        if needs_folder(values) and fits(values, folders):
            self._data, self._notes = folders, ()
            self._form_changed()
            return
        self._found = None
        self.data.show_looking()
        self._refresh()
        ticket = self._next_ticket()
        self._background.call(
            lambda: recognise_all(folders),
            lambda answer: self._recognised(ticket, answer),
            lambda error: self._look_failed(ticket, error),
        )

    def _recognised(self, ticket: int, answer: tuple[dict[str, Any], tuple[str, ...]]) -> None:
        if ticket != self._ticket:
            return
        suggestion, notes = answer
        self._notes, self._data = notes, ()
        if suggestion:
            self._learn_from(suggestion)
            return
        problem = " ".join(notes) or "There are no photos in the folder."
        self._found = DataFound(problem=problem)
        self._notes = ()
        self.questions.take_other_photos()
        self._show_found()

    def _look(self) -> None:
        """Ask what is in the folders that the recipe names now."""
        values = {name: self.form.value(name) for name in _DATA_FIELDS}
        if self.form.problems.keys() & (set(_DATA_FIELDS) - {"sources"}):
            self._found = DataFound(problem="The folders of the recipe need another value; see All settings.")
            self._show_found()
            return
        data, ticket = self._data, self._next_ticket()
        self._background.call(
            lambda: describe_data(values, data),
            lambda found: self._looked(ticket, found),
            lambda error: self._look_failed(ticket, error),
        )

    def _next_ticket(self) -> int:
        self._rest.stop()
        self._ticket += 1
        return self._ticket

    def _looked(self, ticket: int, found: DataFound) -> None:
        if ticket == self._ticket and not self._rest.isActive():  # else the form changed in the meantime
            self._found = found
            self._show_found()

    def _look_failed(self, ticket: int, error: Exception) -> None:
        if ticket == self._ticket and not self._rest.isActive():
            self._found = DataFound(problem=describe(error).sentence)
            self._show_found()

    def _show_found(self) -> None:
        assert self._found is not None
        notes = self._notes
        all_ship = all(folder in BUNDLED for folder in self._named_folders())
        if self._folders and self._found.problem is None and all_ship:
            notes = (*notes, "This recipe does not read the folders above.")
        self.data.show_found(self._found, notes)
        self.sources.show_found(self._found.sources)
        self.preview.set_photos(self._found.photos)
        self._show_damage()
        self._refresh()

    def _named_folders(self) -> list[str]:
        return list(folders_of(self.form.values()))

    # --- checks ----------------------------------------------------------------------------------

    def show_progress(self, text: str, share: float | None) -> None:
        """How far the check is that was asked for last. ``share`` 0..1, None when unknown."""
        self.questions.show_progress(text, share)

    def show_report(self, report: DoctorReport) -> None:
        self.questions.show_report(report)

    def show_estimate(self, estimate: Estimate) -> None:
        self.questions.show_estimate(estimate)

    def show_problem(self, sentence: str) -> None:
        """The check that was asked for ended with this; without one it stands beside the title."""
        if not self.questions.show_problem(sentence):
            self._say_source(sentence, is_problem=True)

    def show_cancelled(self) -> None:
        """The check that was asked for was cancelled."""
        self.questions.show_cancelled()

    # --- ready -----------------------------------------------------------------------------------

    @property
    def is_valid(self) -> bool:
        return self.why_not() is None

    def why_not(self) -> str | None:
        """Why it cannot start, as a sentence; None when it can."""
        problem = self.form.first_problem()
        if problem is not None:
            of_sources = next(iter(self.form.problems)) == "sources"
            return (self.sources.first_problem() if of_sources else None) or problem
        if self._start_model.problem is not None:
            return f"Start from: {self._start_model.problem}."
        if self._found is None:
            return "Looking at the photos…"
        if self._found.problem is not None:
            return self._found.problem
        if self.doctor.stops:
            return _STOPS
        return None

    def start(self) -> None:
        """Freeze and ask. While something is wrong it is shown instead."""
        if not self.is_valid:
            self._reveal_problem()
            return
        from core.training import runs

        recipe = self.form.recipe()
        try:
            folder = runs.new_folder(self.place.folder, recipe.name)
        except OSError as error:
            self.bar.say(describe(error).sentence, True, False)
            set_role(self.bar.reason, "error")
            return
        self.start_requested.emit(recipe, self._data, folder)

    def shut_down(self) -> None:
        """Wait for what is being looked at; nothing follows."""
        self._rest.stop()
        self.preview.shut_down()
        self._background.shut_down()

    def _refresh(self) -> None:
        why = self.why_not()
        self.head.show_name(str(self.form.value("name")), self.form.is_valid)
        found = self._found
        if found is None or not self.form.is_valid or self.questions.is_open:
            found = DataFound(problem="not now")
        self.questions.allow(found.problem is None or found.can_be_examined, found.problem is None)
        waits = self._found is None and self.form.is_valid
        text = why if why is not None else self._summary()
        is_of_photos = self._found is not None and why == self._found.problem
        if why is not None and is_of_photos and self._found is not None and self._found.can_be_examined:
            text = "A picture has no partner; see step 2."
            self.data.point_to("The check in step 3 says what to do." if self.doctor.stops else None)
        is_said_above = why is not None and (is_of_photos or why == _STOPS)
        self.bar.say(text, why is None, why is not None and not waits, is_said_above)
        if (why is None) is not self._was_valid:
            self._was_valid = why is None
            self.valid_changed.emit(self._was_valid)

    def _summary(self) -> str:
        recipe = self.form.recipe()
        photos = self._found.what if self._found is not None else "no photos"
        start = f" · from {Path(recipe.start_from).name}" if recipe.start_from else ""
        return (
            f"{recipe.name} · {tasks.of(recipe.task).verb.lower()} · {photos} · {recipe.steps:,} steps{start}"
        )

    def _reveal_problem(self) -> None:
        if self.form.problems:
            name = next(iter(self.form.problems))
            row: QWidget | None = self.form.reveal(name)
            target = (
                row if row is not None else self.preview if name == "degradation" else self.sources.reveal()
            )
        elif self._start_model.problem is not None:
            row = self.form.reveal("start_from")
            target = row if row is not None else self.form
        elif self._found is not None and any(found.problem for found in self._found.sources):
            target = self.sources.reveal()
        elif self._found is not None and self._found.problem is not None:
            target = self.data
            self.data.choose.setFocus(Qt.FocusReason.OtherFocusReason)
        else:
            target = self.doctor
        # a part that was just unfolded has its place only after the layout was made
        QTimer.singleShot(0, self, lambda: self.area.ensureWidgetVisible(target, 0, 80))
