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
from core.model.catalog import CatalogError
from core.tasks import TASKS
from core.training.recipe import RecipeError, TrainRecipe
from core.training.recipe_check import source_problems
from memorynet_gui.base.problems import describe
from memorynet_gui.look.theme import set_role
from memorynet_gui.newrun import mixing, photos_desk
from memorynet_gui.newrun.data_view import DataPanel
from memorynet_gui.newrun.degrade_preview import DegradePreview, ShownSource
from memorynet_gui.newrun.parts import RecipeHead, RunsPlace, StartBar, card, line, step
from memorynet_gui.newrun.photos_desk import PhotosDesk
from memorynet_gui.newrun.preset_cards import PresetCards
from memorynet_gui.newrun.presets import (
    PRESETS,
    DataFound,
    Preset,
    load,
    needs_folder,
)
from memorynet_gui.newrun.questions import Questions
from memorynet_gui.newrun.recipe_form import RecipeForm
from memorynet_gui.newrun.sources_view import SourcesPanel
from memorynet_gui.newrun.start_model import StartModel

if TYPE_CHECKING:
    from core.data.source import DataSource
    from core.doctor.examination import DoctorReport
    from core.training.estimate import Estimate
    from memorynet_gui.base.page import AppContext

_STOPS = "The check found something in the photos that would stop training; see step 3."
_COLUMN_PX = 760


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
        self._preset: Preset | None = None
        self._began: dict[str, Any] = {}  # the values a preset or file brought
        self._source = ""
        self._kind = "clean"  # of data, before what is being changed
        # what mixing made, or taking it back, and what it was made of, which the other button brings back
        self._turned: tuple[dict[str, Any], dict[str, Any]] | None = None
        self._was_valid = False
        self._build()
        self._connect()
        self.choose_preset(PRESETS[0])

    # --- building --------------------------------------------------------------------------------

    def _build(self) -> None:
        self.form, self.cards, self.data = RecipeForm(), PresetCards(PRESETS), DataPanel()
        self.sources = SourcesPanel()
        self.data.add_button(self.sources.mix)
        self._start_model = StartModel(self.form)
        self.preview = DegradePreview()
        self.photos = PhotosDesk(self.form, self.data, self)
        self.questions = Questions(self.form, lambda: self.photos.data, self)
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
        self.data.bundled_chosen.connect(self.photos.use_bundled)
        self.photos.looking.connect(self._refresh)
        self.photos.found_out.connect(self._show_found)
        self.photos.data_changed.connect(self._form_changed)
        self.photos.none_found.connect(self.questions.take_other_photos)
        self.photos.damage_kept.connect(self._damage_kept)
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
        if self.photos.folders and needs_folder(self.form.values()):
            self.photos.apply()

    def set_recipe(self, recipe: TrainRecipe) -> None:
        """Somebody's own: a file's, or that of a run."""
        self._preset = None
        self.photos.folders = ()
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
        self.photos.begin()
        self._source = source
        self._start_model.forget()
        self.form.set_recipe(recipe)
        self._began = self.form.values()
        self._say_source()

    def _say_source(self, text: str | None = None, is_problem: bool = False) -> None:
        values = self.form.values()
        if text is None:
            own = {name for name in values if values[name] != self._began.get(name)}
            changed = own - (set(photos_desk.FIELDS) - {"task"})
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
        brought = {*photos_desk.FIELDS, "degradation"} | (
            {"start_from"} if self._start_model.is_out else set()
        )
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
        self.photos.form_changed()
        self._show_sources()
        self._show_damage()
        self._kind = self.form.value("kind")
        self._say_source()
        self.questions.check_stale()
        self._refresh()
        self.changed.emit()

    def _show_sources(self) -> None:
        """The rows of a mixture, with what the recipe's check says of each."""
        sources: tuple[DataSource, ...] = self.form.value("sources") if self._is_mixture else ()
        task = str(self.form.value("task"))
        problems = source_problems(task, sources) if sources and task in TASKS else {}
        self.sources.show_mixture(task, sources, self.photos.data, problems)

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
        is_ready = not wrong and self.sources.rows[at].problem is None and not self.photos.lacks_data
        return ShownSource(
            at + 1,
            source,
            tuple(self.form.value("train")),
            self.photos.data,
            tuple(self.form.value("leave_out")),
            is_ready,
        )

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

    def set_data(self, folders: tuple[Path, ...]) -> None:
        """Learn from these; none: from what the recipe learned from."""
        self.photos.choose(folders)
        if folders:
            return
        if self._preset is not None:
            self.choose_preset(self._preset)
        else:
            self.photos.data = ()
            self._form_changed()

    def _damage_kept(self, drawn: dict[str, Any]) -> None:
        """As the recipe brought it."""
        self._began |= drawn

    def _show_found(self) -> None:
        found = self.photos.found
        assert found is not None
        self.sources.show_found(found.sources)
        self.preview.set_photos(found.photos)
        self._show_damage()
        self._refresh()

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
        if self.photos.found is None:
            return "Looking at the photos…"
        if self.photos.found.problem is not None:
            return self.photos.found.problem
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
        self.start_requested.emit(recipe, self.photos.data, folder)

    def shut_down(self) -> None:
        """Wait for what is being looked at; nothing follows."""
        self.preview.shut_down()
        self.photos.shut_down()

    def _refresh(self) -> None:
        why = self.why_not()
        self.head.show_name(str(self.form.value("name")), self.form.is_valid)
        found = self.photos.found
        if found is None or not self.form.is_valid or self.questions.is_open:
            found = DataFound(problem="not now")
        self.questions.allow(found.problem is None or found.can_be_examined, found.problem is None)
        waits = self.photos.found is None and self.form.is_valid
        text = why if why is not None else self._summary()
        is_of_photos = self.photos.found is not None and why == self.photos.found.problem
        if (
            why is not None
            and is_of_photos
            and self.photos.found is not None
            and self.photos.found.can_be_examined
        ):
            text = "A picture has no partner; see step 2."
            self.data.point_to("The check in step 3 says what to do." if self.doctor.stops else None)
        is_said_above = why is not None and (is_of_photos or why == _STOPS)
        self.bar.say(text, why is None, why is not None and not waits, is_said_above)
        if (why is None) is not self._was_valid:
            self._was_valid = why is None
            self.valid_changed.emit(self._was_valid)

    def _summary(self) -> str:
        recipe = self.form.recipe()
        photos = self.photos.found.what if self.photos.found is not None else "no photos"
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
        elif self.photos.found is not None and any(found.problem for found in self.photos.found.sources):
            target = self.sources.reveal()
        elif self.photos.found is not None and self.photos.found.problem is not None:
            target = self.data
            self.data.choose.setFocus(Qt.FocusReason.OtherFocusReason)
        else:
            target = self.doctor
        # a part that was just unfolded has its place only after the layout was made
        QTimer.singleShot(0, self, lambda: self.area.ensureWidgetVisible(target, 0, 80))
