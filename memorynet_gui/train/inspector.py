"""The Train page's inspector: what runs and how it is steered, the runs there are, what to do with the one shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from core import tasks
from core.images.metrics import PROTOCOLS
from core.problems import Problem
from memorynet_gui.base.actions import ACTIONS
from memorynet_gui.base.words import clock, size_text
from memorynet_gui.look.theme import set_role
from memorynet_gui.train.runs_view import RunList, can_continue, is_elsewhere, score_text, state_word
from memorynet_gui.widgets.buttons import text_button
from memorynet_gui.widgets.glyph import GlyphButton
from memorynet_gui.widgets.parts import Elided, ProblemBox, Row, column, heading

if TYPE_CHECKING:
    from core.training.recipe import TrainRecipe
    from core.training.runs import Run

_GLYPH = QSize(32, 28)
_NOTES_PX = 64
_NOTES_PAUSE_MS = 800


@dataclass(frozen=True, slots=True)
class Live:
    """What is known of a run that trains in this window, at this moment."""

    step: int
    steps: int
    elapsed_s: float
    seconds_left: float | None
    kept_age_s: float | None  # None: no checkpoint in this sitting yet
    best_psnr_db: float | None
    best_step: int
    paused: bool
    stopping: bool
    waits_because: str | None
    state: str  # in a word or two
    state_note: str  # why, in a sentence; may be empty
    photos: int | None  # None: not counted yet
    parameters: int | None
    where: str  # "cpu · bf16", "" when not known yet
    went_on_from: int = 0  # the step of the checkpoint that this sitting began with


class Notes(QPlainTextEdit):
    """A person's words; told when the typing rests or the keyboard goes elsewhere."""

    written = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Notes")
        self.setPlaceholderText("Notes about this run")
        self.setToolTip("Your words, kept with the run")
        self.setTabChangesFocus(True)
        self.setFixedHeight(_NOTES_PX)
        self._rest = QTimer(self, singleShot=True, interval=_NOTES_PAUSE_MS)
        self._rest.timeout.connect(self.tell)
        self.textChanged.connect(self._rest.start)
        self._kept = ""
        self._told: str | None = None  # until the disk says the same
        self._run: Path | None = None

    def show_text(self, run: Path, text: str) -> None:
        """What is kept with ``run``; the person's own words stay while they are not kept yet."""
        if run != self._run:
            self._run, self._told = run, None
        elif self._rest.isActive() or self._told not in (None, text):
            return
        self._told = None
        if text != self.toPlainText().strip():
            with QSignalBlocker(self):
                self.setPlainText(text)
        self._kept = text

    def tell(self) -> None:
        """Tell what was typed and is not kept yet, if there is such."""
        self._rest.stop()
        text = self.toPlainText().strip()
        if text != self._kept:
            self._kept = self._told = text
            self.written.emit(text)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.tell()


class TrainInspector(QWidget):
    """Shows one run, or none while a new one is set up. Every wish is a signal; the page fulfils it."""

    pause_requested = Signal()
    resume_requested = Signal()
    save_requested = Signal()
    stop_requested = Signal()
    continue_requested = Signal()
    clone_requested = Signal()
    export_requested = Signal()
    trash_requested = Signal()
    folder_requested = Signal()
    restore_requested = Signal()
    notes_written = Signal(object, str)  # Path, text
    details_requested = Signal(str)
    run_shown = Signal(object)  # Path
    overlays_changed = Signal()
    menu_requested = Signal(object, QPoint)  # Path, where
    trash_row_requested = Signal(object)  # Path

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run: Run | None = None
        self._live: Live | None = None
        self.problem_box = ProblemBox()
        self.problem_box.details_requested.connect(self.details_requested)
        self.problem_box.hide()
        self._build_recipe()
        self._build_control()
        self._build_runs()
        self._build_notes()
        self._build_buttons()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(16)
        for part in (
            self.problem_box,
            self.recipe_part,
            self.control_part,
            self.runs_part,
            self.notes_part,
            self.buttons,
        ):
            layout.addWidget(part)
        layout.addStretch(1)
        self.setMinimumWidth(248)
        self.show_run(None, None)

    # --- building --------------------------------------------------------------------------------

    def _build_recipe(self) -> None:
        self.name = Elided("")
        set_role(self.name, "strong")
        self.frozen = QLabel("frozen at start")
        self.frozen.setProperty("role", "caption")
        self.frozen.setToolTip("Changing the form later changes nothing here")
        card = QFrame()
        card.setProperty("role", "field")
        head = QHBoxLayout()
        head.setContentsMargins(8, 6, 8, 6)
        head.setSpacing(8)
        head.addWidget(self.name, 1)
        head.addWidget(self.frozen)
        card.setLayout(head)
        self.task = Row("Task")
        self.photos = Row("Photos")
        self.network = Row("Network")
        self.crops = Row("Patch, batch", tooltip="Edge of a crop, and crops a step")
        self.steps = Row("Steps")
        self.where = Row("Computed on")
        self.recipe_part = QWidget()
        self.recipe_part.setLayout(
            column(
                6,
                heading("Recipe"),
                card,
                self.task,
                self.photos,
                self.network,
                self.crops,
                self.steps,
                self.where,
            )
        )

    def _build_control(self) -> None:
        self.control_heading = heading("Control")
        self.pause = text_button("Pause", "Hold on; nothing is lost (Ctrl+P)")
        self.save = text_button("Save now", f"A checkpoint after the step at hand ({_key('save_run')})")
        self.stop = text_button("Stop", "End after the step at hand, with a usable model")
        self.pause.clicked.connect(self._pause_or_resume)
        self.save.clicked.connect(self.save_requested)
        self.stop.clicked.connect(self.stop_requested)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for button in (self.pause, self.save, self.stop):
            button.setProperty("tight", True)  # the words fit in the narrowest panel with its scroll bar
            row.addWidget(button, 1)
        self.steering = QWidget()
        self.steering.setLayout(row)
        self.proceed = text_button("Continue", "Go on exactly where it stopped, with its own recipe and data")
        self.proceed.clicked.connect(self.continue_requested)
        self.state_row = Row("State")
        self.best_row = Row("Best PSNR")
        self.time_row = Row("Elapsed · left", tooltip="Worked, pauses left out; and an estimate of the rest")
        self.kept_row = Row("Last checkpoint")
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setProperty("role", "warning")
        self.control_part = QWidget()
        self.control_part.setLayout(
            column(
                8,
                self.control_heading,
                self.steering,
                self.note,
                self.state_row,
                self.best_row,
                self.time_row,
                self.kept_row,
                self.proceed,
            )
        )

    def _build_runs(self) -> None:
        self.list = RunList()
        self.list.shown.connect(self.run_shown)
        self.list.overlays_changed.connect(self.overlays_changed)
        self.list.menu_requested.connect(self.menu_requested)
        self.list.trash_requested.connect(self.trash_row_requested)
        self.differences = QLabel()
        self.differences.setProperty("role", "caption")
        self.differences.setWordWrap(True)
        self.differences.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.empty = QLabel("No runs yet. The first one appears here when it starts.")
        self.empty.setProperty("role", "caption")
        self.empty.setWordWrap(True)
        self.runs_part = QWidget()
        self.runs_part.setLayout(column(8, heading("Runs"), self.list, self.empty, self.differences))

    def _build_notes(self) -> None:
        self.notes = Notes()
        self.notes.written.connect(self._notes_written)
        self.notes_part = QWidget()
        self.notes_part.setLayout(column(8, heading("Notes"), self.notes))

    def _build_buttons(self) -> None:
        self.restore = text_button(
            "Restore with this model", "Open the Restore page with this run's best model"
        )
        set_role(self.restore, "primary")
        self.clone = text_button("Clone", "A new run with this recipe, to change something in it")
        self.export = text_button("Export…", f"Model, curves or recipe as files ({_key('export_run')})")
        self.folder = GlyphButton("Show the run's folder", "mdi6.folder-open-outline", _GLYPH, filled=True)
        self.trash = GlyphButton("Move the run to the trash", "mdi6.trash-can-outline", _GLYPH, filled=True)
        self.restore.clicked.connect(self.restore_requested)
        self.clone.clicked.connect(self.clone_requested)
        self.export.clicked.connect(self.export_requested)
        self.folder.clicked.connect(self.folder_requested)
        self.trash.clicked.connect(self.trash_requested)
        row = QGridLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for at, widget in enumerate((self.clone, self.export, self.folder, self.trash)):
            row.addWidget(widget, 0, at)
        row.setColumnStretch(0, 1)
        row.setColumnStretch(1, 1)
        more = QWidget()
        more.setLayout(row)
        self.buttons = QWidget()
        self.buttons.setLayout(column(8, self.restore, more))

    # --- one run ---------------------------------------------------------------------------------

    def show_run(self, run: Run | None, live: Live | None, problem: Problem | None = None) -> None:
        """``live`` is given for the run that trains in this window; ``run`` None: a new one is set up."""
        if run is None or self._run is None or run.folder != self._run.folder:
            self.notes.tell()  # of the run before, while it is still known which that is
        self._run, self._live = run, live
        self.problem_box.show_problem(problem)
        for part in (self.recipe_part, self.control_part, self.notes_part, self.buttons):
            part.setVisible(run is not None)
        if run is None:
            return
        self._show_recipe(run, live)
        self._show_control(run, live)
        self.notes.show_text(run.folder, run.notes)
        here = live is not None
        self.restore.setEnabled(run.model is not None)
        self.restore.setToolTip(
            "Open the Restore page with this run's best model"
            if run.model is not None
            else "There is no model before the first validation"
        )
        set_role(self.restore, "primary" if run.model is not None and not can_continue(run, here) else "")
        self.clone.setEnabled(run.recipe is not None)
        self.export.setEnabled(run.recipe is not None)
        busy = here or is_elsewhere(run, here)
        self.trash.setEnabled(not busy)
        self.trash.setToolTip("A run that trains stays" if busy else "Move the run to the trash")

    def _show_recipe(self, run: Run, live: Live | None) -> None:
        self.name.set_full(run.recipe.name if run.recipe is not None else run.name)
        self.frozen.setVisible(run.recipe is not None)
        recipe = run.recipe
        rows = (self.task, self.photos, self.network, self.crops, self.steps, self.where)
        for row in rows:
            row.setVisible(recipe is not None)
        if recipe is None:
            return
        state = run.state
        parameters = live.parameters if live is not None else None
        parameters = parameters or (state.parameters if state is not None else 0)
        self.task.set_value(task_text(recipe))
        # rows that come late would move what is under the hand: they stand there from the start
        self.photos.set_value(f"{live.photos:,}" if live is not None and live.photos is not None else "…")
        self.photos.setVisible(live is not None)
        self.network.set_value(network_text(recipe, parameters))
        self.crops.set_value(f"{recipe.patch_px} px × {recipe.batch}")
        step = live.step if live is not None else state.step if state is not None else 0
        self.steps.set_value(f"{step:,} of {recipe.steps:,}")
        where = live.where if live is not None else ""
        if not where and state is not None:
            where = " · ".join(part for part in (state.device, state.precision) if part)
        self.where.set_value(where or "…")
        self.where.setVisible(bool(where) or live is not None)

    def _show_control(self, run: Run, live: Live | None) -> None:
        here = live is not None
        elsewhere = is_elsewhere(run, here)
        self.steering.setVisible(here)
        self.proceed.setVisible(can_continue(run, here))
        set_role(self.proceed, "primary" if can_continue(run, here) else "")
        self.control_heading.setText("CONTROL" if here else "STATE")
        self.control_heading.setAccessibleName("Control" if here else "State")
        state = run.state
        best, best_step = (
            (live.best_psnr_db, live.best_step)
            if live is not None and live.best_psnr_db is not None
            else (state.best_psnr_db, state.best_step)
            if state is not None
            else (None, 0)
        )
        if run.recipe is not None:
            key = run.recipe.scored_by
            self.best_row.name.setText(f"Best PSNR ({key})")
            self.best_row.setToolTip(
                f"Of the validation photos, on {PROTOCOLS[key]}; and the step it was reached at. Where masks are "
                "given it is the mean of without and with them. The best weights are chosen by it."
            )
        when = f"at {best_step:,}" if best_step else "at the start"
        self.best_row.set_value("none yet" if best is None else f"{score_text(best)} {when}")
        self.best_row.setVisible(here or best is not None)
        self.kept_row.setVisible(here)
        self.note.setVisible(False)
        if live is not None:
            self._show_live(live)
            return
        word = state_word(run, here) or "done"
        self.state_row.set_value(word)
        seconds = state.seconds if state is not None else 0.0
        self.time_row.name.setText("Worked · size")
        self.time_row.set_value(
            " · ".join(
                part for part in (clock(seconds) if seconds else "", size_text(run.size_bytes)) if part
            )
        )
        if run.error:
            self._say(run.error)
        elif elsewhere:
            self._say("Another program trains here. It can be continued when that one has ended.")

    def _show_live(self, live: Live) -> None:
        self.pause.setText("Resume" if live.paused else "Pause")
        self.pause.setAccessibleName(self.pause.text())
        self.pause.setToolTip("Go on (Ctrl+P)" if live.paused else "Hold on; nothing is lost (Ctrl+P)")
        for button in (self.pause, self.save, self.stop):
            button.setEnabled(not live.stopping)
        self.stop.setText("Stopping…" if live.stopping else "Stop")
        self.state_row.set_value("stopping" if live.stopping else live.state)
        self.state_row.setToolTip(live.state_note)
        self.time_row.name.setText("Elapsed · left")
        left = clock(live.seconds_left) if live.seconds_left is not None else "…"
        self.time_row.set_value(f"{clock(live.elapsed_s)} · {left}")
        kept = f"step {live.went_on_from:,}" if live.went_on_from else "none yet"
        self.kept_row.set_value(kept if live.kept_age_s is None else f"{age_text(live.kept_age_s)} ago")
        if live.waits_because is not None:
            self._say(live.waits_because)

    def _say(self, text: str) -> None:
        self.note.setText(text)
        self.note.setVisible(True)

    # --- the list --------------------------------------------------------------------------------

    def show_runs(self, runs: Sequence[Run], here: Path | None, shown: Path | None, is_read: bool) -> None:
        self.list.set_runs(runs, here, shown)
        self.list.setVisible(bool(runs))
        self.empty.setText(
            "No runs yet. The first one appears here when it starts." if is_read else "Looking for runs…"
        )
        self.empty.setVisible(not runs)

    def show_differences(self, texts: Sequence[str]) -> None:
        self.differences.setText("\n".join(texts))
        self.differences.setVisible(bool(texts))

    def _pause_or_resume(self) -> None:
        is_paused = self._live is not None and self._live.paused
        (self.resume_requested if is_paused else self.pause_requested).emit()

    def _notes_written(self, text: str) -> None:
        if self._run is not None:
            self.notes_written.emit(self._run.folder, text)


_KINDS = {"clean": "synthetic", "pairs": "pairs", "mixed": "pairs and synthetic", "sources": "a mixture"}


def task_text(recipe: TrainRecipe) -> str:
    """ "Remove rain (synthetic)" """
    verb = tasks.of(recipe.task).verb
    return f"{verb} ({_KINDS[recipe.kind]})"


def network_text(recipe: TrainRecipe, parameters: int) -> str:
    """ "S · 1.4 M · memory on" """
    if recipe.start_from:  # which brings its memory
        size, memory = f"from {Path(recipe.start_from).name}", ""
    else:
        size = f"width {recipe.width}" if recipe.preset == "custom" else recipe.preset
        memory = {"all": "memory on", "none": "no memory"}.get(recipe.memory, f"{recipe.memory} memory")
    millions = (
        f"{parameters / 1e6:.1f} M" if parameters >= 50_000 else f"{parameters:,}" if parameters else ""
    )
    return " · ".join(part for part in (size, millions, memory) if part)


def age_text(seconds: float) -> str:
    """ "38 s", "5 min", "2 h" """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


def _key(action_id: str) -> str:
    return ACTIONS[action_id].shortcut_text
