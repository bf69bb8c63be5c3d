"""The Memory page: what the memory sees in a photo, place by place, and what becomes of the photo when it is changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication, QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QLabel, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from core.model.memory_edit import LEAST_THOROUGH
from core.restoring.scales import AUTO
from core.tasks import damage
from memorynet_gui.base.page import AppContext, Page, PhotoAtHand
from memorynet_gui.base.problems import Problem, describe
from memorynet_gui.base.taught_store import TaughtStore
from memorynet_gui.base.thumbnails import Thumbnails
from memorynet_gui.look.theme import set_surface
from memorynet_gui.memory.bench import trying
from memorynet_gui.memory.bench.records import Subject, Trial, Tried
from memorynet_gui.memory.canvas import MemoryCanvas
from memorynet_gui.memory.desks.places import PlacesDesk
from memorynet_gui.memory.desks.plots import PlotsDesk
from memorynet_gui.memory.desks.slots import SlotsDesk
from memorynet_gui.memory.desks.teaching import TeachDesk
from memorynet_gui.memory.desks.twins import TwinsDesk
from memorynet_gui.memory.drawer import Drawer
from memorynet_gui.memory.edits import Edits
from memorynet_gui.memory.empty import EmptyMemory
from memorynet_gui.memory.files import MemoryFiles
from memorynet_gui.memory.flow import MemoryFlow
from memorynet_gui.memory.panel.panel import MemoryPanel
from memorynet_gui.memory.pins import Pins
from memorynet_gui.memory.stage import MemoryStage
from memorynet_gui.memory.toolbar import MemoryToolbar
from memorynet_gui.memory.words import behind_verdict, changed_words, told_words, twins_words, verdict
from memorynet_gui.widgets.hold import HoldSpace

if TYPE_CHECKING:
    from core.model.catalog import Sample

log = logging.getLogger(__name__)

_ZOOM_STEP = 1.5
_DRAWER_PX = 268
_QUIET_KINDS = ("place", "preview", "map")  # over in a moment: no words in the job bar


class MemoryPage(Page):
    page_id = "memory"
    title = "Memory"
    icon = "mdi6.view-grid-outline"

    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.context = context
        self.thumbnails = Thumbnails(parent=self)
        self.edits = Edits(self)
        self.canvas = MemoryCanvas()
        self.flow = MemoryFlow(context.runner, self)
        store = TaughtStore(context.settings.data_dir)
        self.stage = MemoryStage(self.flow, self.canvas, self.edits, store, self)
        self.files = MemoryFiles(context, self.stage, self.edits, self)
        self.panel = MemoryPanel(self.edits, context.theme.token)
        self.toolbar = MemoryToolbar(self)
        self.empty = EmptyMemory(self.thumbnails)
        self.drawer = Drawer(context.theme.token)
        self.browser = self.drawer.browser
        self.slots = SlotsDesk(context, self.stage, self.flow, self.drawer, self.panel.note, self)
        self.pins = Pins(self)
        self.teach = TeachDesk(context, self.stage, self.canvas, self.edits, self)
        self.places = PlacesDesk(
            self.stage,
            self.flow,
            self.canvas,
            self.panel,
            self.browser,
            self.slots,
            self.pins,
            self.teach,
            self,
        )
        self._own_photo = False  # dropped here, so the Restore page's does not take its place
        self._at_hand: PhotoAtHand | None = None
        self._said_job = False
        self._shut = False
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._build()
        self._connect()
        self.canvas.set_mode(context.settings.compare_mode)
        self.toolbar.set_mode(context.settings.compare_mode)
        self._refresh()

    # --- building --------------------------------------------------------------------------------

    def _build(self) -> None:
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setMargin(8)
        self.words.setAccessibleName("What the memory says about the photo")
        set_surface(self.words, "panel")
        content = QWidget()
        self._column = QVBoxLayout(content)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addWidget(self.words)
        self._column.addWidget(self.teach.bar)
        self.split = QSplitter(Qt.Orientation.Vertical)
        self.split.setHandleWidth(1)
        self.split.setChildrenCollapsible(False)
        self.split.addWidget(self.canvas)
        self.split.addWidget(self.drawer)
        self.split.setStretchFactor(0, 1)
        self.drawer.hide()
        self._column.addWidget(self.split, 1)
        self._outer = QStackedWidget()
        self._outer.addWidget(self.empty)
        self._outer.addWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._outer)

    def _connect(self) -> None:
        canvas, panel, stage, flow = self.canvas, self.panel, self.stage, self.flow
        canvas.hovered.connect(self.pins.look)
        canvas.clicked.connect(self.pins.pin)
        canvas.region_drawn.connect(self.pins.pin)
        canvas.unclicked.connect(self.pins.unclick)
        canvas.pin_clicked.connect(self.pins.choose)
        self.pins.chosen_changed.connect(self.status_changed)
        canvas.mode_changed.connect(self._mode_changed)
        canvas.zoom_changed.connect(self.toolbar.set_zoom)
        canvas.files_dropped.connect(lambda names: self.open_paths([Path(name) for name in names]))
        canvas.photo_held.connect(lambda name: self.hold_photo(Path(name)))
        self.toolbar.wanted.connect(self._do)
        self.toolbar.from_restore.clicked.connect(self._take_restore)
        self.empty.open_requested.connect(lambda: self._do("open"))
        self.empty.sample_requested.connect(self.open_sample)
        self.toolbar.explore_wanted.connect(self._show_drawer)
        self.drawer.health.slot_hovered.connect(self.places.light_slot)
        self.drawer.health.slot_chosen.connect(self.places.choose_slot)
        self.slots.progressed.connect(self._say_job)
        self.plots = PlotsDesk(self.stage, self.drawer, self.pins, self.slots.name_of, self.flow, self)
        self.twins = TwinsDesk(self.context, self.stage, self.flow, self.drawer, self)
        self.places.slot_lit.connect(self.plots.light_slot)
        self.places.twin_slot = lambda: self.twins.hot_slot
        self.twins.changed.connect(self.places.show_tints)
        self.twins.first_wanted.connect(self.use_model)
        self.twins.slot_hovered.connect(self.places.light_slot)
        self.twins.slot_chosen.connect(self.places.choose_slot)
        self.twins.changed.connect(self._headline)
        self.plots.slot_hovered.connect(self.places.light_slot)
        self.plots.slot_chosen.connect(self.places.choose_slot)
        self.plots.sample_hovered.connect(self.places.light_sample)
        stage.place_first = lambda: self.pins.place
        stage.changed.connect(self._stage_changed)
        stage.tried.connect(self._tried)
        stage.progressed.connect(self._say_job)
        flow.failed.connect(self._failed)
        flow.changed.connect(self._flow_changed)
        HoldSpace(canvas.set_show_original, self, panel)
        panel.problem.details_requested.connect(lambda text: QGuiApplication.clipboard().setText(text))
        panel.place.unpin_requested.connect(self.pins.unpin)
        panel.edit.save_requested.connect(self.files.ask_save)
        panel.edit.load_requested.connect(self.files.ask_load)
        panel.edit.photo_wanted.connect(self.files.ask_other)
        self.files.photo_chosen.connect(lambda path: self.open_paths([path]))
        self.files.other_chosen.connect(self.hold_photo)
        self.files.places = lambda: self.pins.places
        self.files.place_effects = lambda: self.places.effects
        self.files.slot_effects = lambda: self.browser.list.effects
        self.files.picture = lambda: canvas.grab().toImage()
        self.files.page = lambda: self.window().grab().toImage()
        self.toolbar.export.clicked.connect(self.files.ask_export)
        panel.edit.photo_dropped.connect(lambda name: self.hold_photo(Path(name)))
        self.edits.changed.connect(self.status_changed.emit)
        self.edits.changed.connect(self._headline)
        self.teach.changed.connect(self._teach_changed)
        self.context.theme.changed.connect(self.places.show_tints)

    def _fit_empty(self) -> None:
        if not self._shut:
            self.empty.fit(self.context.settings.task)

    # --- the window's side -----------------------------------------------------------------------

    def inspector(self) -> QWidget:
        return self.panel

    def toolbar_widgets(self) -> dict[str, list[QWidget]]:
        return self.toolbar.widgets()

    def open_paths(self, paths: list[Path]) -> None:
        """The first photo of these is looked into; bundled samples bring their truth."""
        from core.model import catalog

        files = [path for path in paths if path.is_file()]
        if not files:
            self.context.banner("Drop a photo: the Memory page looks into one at a time.")
            return
        root = catalog.RESOURCES / "samples"
        sample = next((s for s in catalog.samples() if s.path == files[0]), None)
        truth = sample.truth if sample is not None and files[0].is_relative_to(root) else None
        if len(files) > 1:
            self.context.banner(f"Looking into {files[0].name}: the Memory page takes one photo at a time.")
        self._own_photo = True
        settings = self.context.settings
        choice = replace(settings.choice, thoroughness=LEAST_THOROUGH, scale=AUTO)
        if sample is not None and sample.task:  # it shows that damage, whatever was taken out last
            choice = replace(choice, task=sample.task, model=settings.models.get(sample.task, ""))
        self._open(Subject(files[0].absolute(), choice), None, truth)

    def open_sample(self, sample: Sample) -> None:
        self.open_paths([sample.path])

    def use_model(self, path: Path) -> None:
        """Look at the same photo with another model."""
        from core.model import catalog

        task = catalog.model_task(path) or self.context.settings.task
        stage = self.stage
        subject = stage.with_model(str(path), task)
        if subject is None:
            return
        at_hand = self._at_hand
        if at_hand is not None:  # what was made of it is the other model's
            at_hand = replace(at_hand, restored_rgb=None, result=None)
        self._open(subject, at_hand, stage.reference)

    def _take_restore(self) -> None:
        """Go back to following the Restore page's photo."""
        self._own_photo, self._at_hand = False, None
        self._follow_restore()

    def _follow_restore(self) -> None:
        at_hand = self.context.photo
        if self._own_photo or at_hand is None:
            return
        if self._at_hand is not None and self._at_hand == at_hand:
            return
        self._at_hand = at_hand
        subject = Subject(at_hand.path, at_hand.choice, at_hand.state, at_hand.verdict)
        self._open(subject, at_hand, at_hand.reference)

    def _teach_changed(self) -> None:
        self.words.setVisible(not self.teach.active)  # the bar has words of its own
        self.toolbar.teach.setChecked(self.teach.active)
        self._mode_changed(self.canvas.mode)
        self.places.show_tints()
        self.status_changed.emit()

    def _open(self, subject: Subject, at_hand: PhotoAtHand | None, reference: Path | None) -> None:
        same_photo = self.stage.subject is not None and self.stage.subject.path == subject.path
        if not same_photo:
            self.pins.clear()
        self.teach.drop()
        self.places.effects.clear()
        self.panel.problem.show_problem(None)
        self.stage.open(subject, at_hand, reference)

    def can(self, action_id: str) -> bool:
        shown = self.stage.rgb is not None
        answers: dict[str, Callable[[], bool]] = {
            "open": lambda: True,
            "undo": lambda: self.teach.active or self.edits.can_undo,
            "redo": lambda: self.teach.active or self.edits.can_redo,
            "teach": lambda: self.teach.can_start,
            "save": lambda: bool(self.edits.now.steps),
            "remove": lambda: self.pins.chosen >= 0,
            "next": lambda: len(self.pins.places) > 1,
            "previous": lambda: len(self.pins.places) > 1,
            "cancel": lambda: bool(self.flow.kind) and self.flow.kind not in _QUIET_KINDS,
        }
        if action_id in answers:
            return answers[action_id]()
        return shown if action_id.startswith(("mode_", "zoom_", "toggle_zoom")) else False

    def handle(self, action_id: str) -> None:
        canvas = self.canvas
        if action_id.startswith("mode_"):
            self.teach.stop()
            canvas.set_mode(action_id.removeprefix("mode_"))
            return
        handlers: dict[str, Callable[[], object]] = {
            "open": self.files.ask_photo,
            "undo": self.teach.tool.undo if self.teach.active else self.edits.undo,
            "redo": self.teach.tool.redo if self.teach.active else self.edits.redo,
            "teach": self.teach.toggle,
            "save": self.files.ask_save,
            "remove": self.pins.unpin,
            "next": lambda: self.pins.step(1),
            "previous": lambda: self.pins.step(-1),
            "cancel": self._cancel,
            "toggle_zoom": canvas.toggle_fit,
            "zoom_fit": canvas.fit,
            "zoom_100": canvas.actual_size,
            "zoom_in": lambda: canvas.zoom_by(_ZOOM_STEP),
            "zoom_out": lambda: canvas.zoom_by(1 / _ZOOM_STEP),
        }
        handlers[action_id]()

    def _cancel(self) -> None:
        """What runs is given up; what was found out stays. A photo that is not open yet is closed."""
        if self.flow.kind == "open":
            self._own_photo, self._at_hand = False, self.context.photo
            self.stage.close()
        else:
            self.flow.drop()
        self._refresh()

    def shut_down(self) -> None:
        if self._shut:
            return
        self._shut = True
        self.panel.note.keep()
        self.flow.shut_down()
        self.files.shut_down()
        self.teach.shut_down()
        self.thumbnails.shut_down()

    def _do(self, action_id: str) -> None:
        if self.can(action_id):
            self.handle(action_id)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        QTimer.singleShot(
            0, self._fit_empty
        )  # not before the first paint; another task may have been chosen meanwhile
        self._follow_restore()
        self.flow.wake()
        self.toolbar.from_restore.setVisible(self._own_photo and self.context.photo is not None)
        (self.canvas if self.stage.rgb is not None else self).setFocus()

    def hideEvent(self, event: QHideEvent) -> None:
        """Other pages get the worker; what was asked is done when this one shows again."""
        self.teach.stop()
        self.flow.rest()
        self._clear_job()
        super().hideEvent(event)

    # --- what lies below the photo -------------------------------------------------------------

    def _show_drawer(self, on: bool) -> None:
        self.drawer.setVisible(on)
        if on:
            height = self.split.height()
            self.split.setSizes([max(120, height - _DRAWER_PX), _DRAWER_PX])
            self.plots.refresh()
            self.twins.refresh()

    # --- changes ---------------------------------------------------------------------------------

    def _tried(self, tried: Tried) -> None:
        self.panel.edit.show_result(tried)

    def hold_photo(self, path: Path) -> None:
        """Let the memory hold what another photo shows."""
        bench = self.stage.bench
        if bench is None:
            return
        self.panel.edit.say(f"Reading {path.name}…")
        self.flow.want(
            "other", lambda emit, control: trying.other_content(bench, path, emit, control), self._other_came
        )

    def _other_came(self, trial: Trial) -> None:
        self.panel.edit.say("")
        self.edits.hold_photo(trial.other_name, trial.other)

    # --- what is said ----------------------------------------------------------------------------

    def _stage_changed(self) -> None:
        bench = self.stage.bench
        self.panel.edit.set_look(bench.look if bench is not None else None)
        self.canvas.can_hold = bench is not None and bench.look.has_actual
        if bench is not None:
            self.pins.cell_px = self.canvas.cell_px = bench.cell_px
        self.slots.show_bench(bench)
        self.places.show_tints()
        self.places.show()
        if bench is not None and self.pins.chosen >= 0:
            self.places.measure()
        self._refresh()

    def _refresh(self) -> None:
        stage = self.stage
        self._outer.setCurrentIndex(0 if stage.subject is None else 1)
        bench = stage.bench
        self.panel.set_open(bench is not None)
        self.toolbar.explore.setEnabled(bench is not None)
        self.toolbar.teach.setEnabled(bench is not None)
        self.toolbar.export.setEnabled(bench is not None)
        if bench is not None:
            scale = "" if bench.by == 1 else f" · at 1/{bench.by} of its size"
            self.panel.model.set_value(f"{bench.look.model_name}{scale}")
            self.panel.show_told(
                told_words(bench.mask is not None, bench.guesses) if bench.takes_masks else ""
            )
            self._headline()
        elif self.panel.problem.isVisibleTo(self.panel):
            self.words.setText("This photo cannot be looked into; the panel says why.")
        elif stage.subject is not None:
            waits = self.flow.waits
            self.words.setText(
                "Waiting for what runs on another page."
                if waits
                else f"Looking into {stage.subject.path.name}…"
            )
            self.panel.model.set_value("")
        self.toolbar.set_shown(stage.rgb is not None)
        self.toolbar.from_restore.setVisible(self._own_photo and self.context.photo is not None)
        self.status_changed.emit()

    def _headline(self) -> None:
        """What the photo shows just now."""
        stage, bench = self.stage, self.stage.bench
        if bench is None:
            return
        task, behind = bench.look.task, ""
        if stage.shows_change:
            untold = bench.takes_masks and bench.mask is None and bench.taught is None
            self.words.setText(changed_words(self.panel.edit.told, damage(task) if untold else ""))
        elif stage.shows_twin_model:
            self.words.setText(twins_words(task, *self.twins.names))
        else:
            found = stage.base.verdict if stage.base is not None else None
            said = verdict(task, bench.look.before, stage.after, found, bench.mask, bench.guesses)
            self.words.setText(said.replace(" %", "\u00a0%"))  # a number and its unit stay in one line
            behind = behind_verdict(task, stage.after, found)
        self.words.setToolTip(behind)
        self.words.setAccessibleDescription(behind)

    def _failed(self, kind: str, error: BaseException) -> None:
        problem: Problem = describe(error)
        log.info("memory page, %s: %s", kind, error)
        if kind == "open":
            self.panel.problem.show_problem(problem)
            self._refresh()
        elif kind in ("preview", "twin", "whole"):
            self.panel.edit.show_result(None, problem.sentence)
        elif kind == "slots":
            self.context.banner(f"The slots could not be measured. {problem.sentence}")
        elif kind == "other":
            self.panel.edit.say(problem.sentence)
        elif kind == "place":
            self.panel.place.effect.setText(problem.sentence)
        elif kind == "usage":
            self.context.banner(f"The folder could not be looked at. {problem.sentence}")
        elif kind in ("base", "after"):
            self.context.banner(f"The photo could not be restored to compare. {problem.sentence}")

    def _flow_changed(self) -> None:
        if not self.flow.kind:
            self._clear_job()
        elif self.flow.kind not in _QUIET_KINDS and not self._said_job:
            self._say_job("Looking into the photo", None, None)
        if self.stage.subject is not None and self.stage.bench is None:
            self._refresh()
        self.status_changed.emit()

    def _say_job(self, text: str, share: float | None, seconds_left: float | None) -> None:
        self._said_job = True
        self.context.job_bar.set_job(text, share, seconds_left)

    def _clear_job(self) -> None:
        if self._said_job:
            self._said_job = False
            self.context.job_bar.clear_job()

    def _mode_changed(self, mode: str) -> None:
        """While something is painted the photo itself shows, which is none of the ways to compare."""
        self.toolbar.set_mode("" if self.teach.active else mode)
        if not self.teach.active:
            self.context.settings.compare_mode = mode

    # --- keys ------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_O and not event.modifiers():
            self.panel.set_overlay("none" if self.panel.overlay == "damage" else "damage")
            event.accept()
        else:
            super().keyPressEvent(event)
