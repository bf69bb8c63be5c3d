"""The Restore page: drop photos, see them restored, keep what is good."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication, QShowEvent
from PySide6.QtWidgets import QFileDialog, QLabel, QStackedWidget, QVBoxLayout, QWidget

from core import tasks
from core.tasks import AUTO, DEFAULT
from memorynet_gui.base import warm_up
from memorynet_gui.base.own_place import OwnPlace
from memorynet_gui.base.page import AppContext, Page, PhotoAtHand
from memorynet_gui.base.taught_store import TaughtStore
from memorynet_gui.base.thumbnails import Thumbnails
from memorynet_gui.compare.view import CompareView
from memorynet_gui.restore.batch.counts import Counts
from memorynet_gui.restore.batch.desk import BatchDesk
from memorynet_gui.restore.batch.room import Room
from memorynet_gui.restore.batch.sizes import Sizes
from memorynet_gui.restore.chooser import Chooser
from memorynet_gui.restore.filmstrip import Filmstrip
from memorynet_gui.restore.flow import RestoreFlow
from memorynet_gui.restore.inputs import PhotosIn
from memorynet_gui.restore.kept.desk import KeptDesk
from memorynet_gui.restore.looker import Looker
from memorynet_gui.restore.mask_store import MaskStore
from memorynet_gui.restore.masks.desk import MaskDesk
from memorynet_gui.restore.masks.review_desk import ReviewDesk
from memorynet_gui.restore.menu import photo_menu
from memorynet_gui.restore.outputs import ResultsOut
from memorynet_gui.restore.panel.inspector import Inspector
from memorynet_gui.restore.queue_item import Item, ItemState, choice_words
from memorynet_gui.restore.results import ResultStore
from memorynet_gui.restore.saves import Saver, sweep_dragged
from memorynet_gui.restore.session import Session
from memorynet_gui.restore.stage import Stage
from memorynet_gui.restore.toolbar import RestoreToolbar
from memorynet_gui.restore.work import QueueWork
from memorynet_gui.widgets.empty import EmptyState
from memorynet_gui.widgets.hold import HoldSpace

if TYPE_CHECKING:
    from core.model.catalog import Sample

log = logging.getLogger(__name__)

_ZOOM_STEP = 1.5
_ALWAYS = ("open", "open_folder", "paste")  # also while something else is in front of the photos


class RestorePage(Page):
    page_id = "restore"
    title = "Restore"
    icon = "mdi6.image-auto-adjust"

    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.context = context
        settings = context.settings
        self.place = OwnPlace(settings.data_dir, settings.cache_dir)
        self.session = Session(self.place.queue_file, self)
        self.store = ResultStore(self.place.results_dir)
        self.thumbnails = Thumbnails(parent=self)
        self.canvas = CompareView()
        self.flow = RestoreFlow(self.session, context.runner, self.store, self._focus, self)
        self.stage = Stage(self.session, self.flow, self.store, self.canvas, self.thumbnails, self)
        self.saver = Saver(self.session, self.store, settings, self)
        self.photos_in = PhotosIn(context, self.session, self.saver, self)
        self.results_out = ResultsOut(context, self.session, self.stage, self.flow, self.saver, self)
        self.filmstrip = Filmstrip(self.session, self.thumbnails)
        self.empty = EmptyState(self.thumbnails)
        self.toolbar = RestoreToolbar(self)
        self._inspector = Inspector()
        self.masks = MaskDesk(
            context,
            self.session,
            self.stage,
            self.canvas,
            self._inspector.choices,
            MaskStore(self.place.masks_dir),
            self,
        )
        self.review = ReviewDesk(
            context,
            self.session,
            self.stage,
            self.masks,
            self._inspector.choices,
            self.thumbnails,
            self,
        )
        self.flow.masks = self.masks.store
        self.flow.taught = TaughtStore(settings.data_dir)
        self.room = Room(self.session, self.store, self)
        self.counts = Counts(self.session, self.saver, self._inspector.choices, self)
        self.sizes = Sizes(self.session, self)
        self.flow.size_of = self.sizes.of
        self.results_out.masks_dir = self.place.masks_dir
        self.looker = Looker(
            self.session, self._inspector.choices, context.runner, settings, self.masks.store, self
        )
        self.looker.painting = lambda: self.masks.active
        self.stage.preview = self.looker.preview
        self.chooser = Chooser(context, self._inspector.choices, self.saver, self)
        self.batch = BatchDesk(settings, self.session, self.store, self.flow, self.saver, self)
        self.kept = KeptDesk(context, self.session, self.store, self.stage, self.flow, self.canvas, self)
        self.work = QueueWork(
            context, self.session, self.flow, self.chooser, self.filmstrip.selected_ids, self
        )
        self.work.look_first = self.review.review.begin
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._shut = False
        self._samples: tuple[Sample, ...] = ()
        self._knows_queue = False
        self._soon = QTimer(self)  # many things change at once: shown once
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._refresh)
        self._build()
        self._connect()
        self.canvas.set_mode(settings.compare_mode)
        self.toolbar.set_mode(settings.compare_mode)
        self.toolbar.set_recent(settings.recent_files)
        self.filmstrip.setVisible(settings.filmstrip_shown)
        self._refresh()
        QTimer.singleShot(0, self._after_first_paint)

    # --- building --------------------------------------------------------------------------------

    def _build(self) -> None:
        self._unseen = QLabel()
        self._unseen.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._unseen.setWordWrap(True)
        self._unseen.setMargin(48)
        self._unseen.setProperty("role", "secondary")
        self._middle = QStackedWidget()
        self._middle.addWidget(self.canvas)
        self._middle.addWidget(self._unseen)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.masks.bar)
        column.addWidget(self._middle, 1)
        column.addWidget(self.batch.bar)
        column.addWidget(self.filmstrip)
        self.filmstrip.setProperty("surface", "panel")
        self.filmstrip.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._outer = QStackedWidget()
        self._outer.addWidget(self.empty)
        self._outer.addWidget(content)
        self._outer.addWidget(self.review.view)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._outer)

    def _connect(self) -> None:
        context, session, flow, out = self.context, self.session, self.flow, self.results_out
        self.chooser.task_changed.connect(self.stage.set_task)
        self.chooser.task_changed.connect(lambda _task: self._fit_empty_to_task())
        session.current_changed.connect(lambda _item: self._refresh())  # at once: the keys follow
        session.changed.connect(self._row_changed)
        session.many_changed.connect(lambda _first, _last: self._soon.start())
        session.summary_changed.connect(self._summary_changed)
        session.notice.connect(context.banner)
        session.loaded.connect(self._queue_loaded)
        session.adding_finished.connect(self._say_what_joins)
        self.photos_in.recent_changed.connect(lambda: self.toolbar.set_recent(context.settings.recent_files))
        self.photos_in.reference_set.connect(self.stage.ask_quality)
        self.stage.changed.connect(self._soon.start)
        self.stage.quality_changed.connect(self._show_quality)
        self.looker.previewed.connect(self.stage.previewed)
        flow.started.connect(lambda _id: self.looker.stop())
        flow.started.connect(self.stage.started)
        flow.started.connect(lambda _id: self.work.started())
        flow.finished.connect(lambda _outcome: self._soon.start())
        flow.finished.connect(self._first_finished)
        flow.finished.connect(lambda outcome: self.work.ended(outcome.item_id))
        flow.failed.connect(self.stage.stopped)
        flow.failed.connect(self.work.ended)
        flow.told.connect(context.banner)
        flow.stopped_by.connect(lambda problem: out.say("Nothing more was restored.", problem))
        flow.progressed.connect(self.work.say_progress)
        flow.cancelled.connect(self.work.stopped)
        flow.idle.connect(self.work.idle)
        out.changed.connect(self._soon.start)
        out.elsewhere_wanted.connect(self.batch.ask_for_folder)
        self.work.changed.connect(self._soon.start)
        self.work.afresh.connect(self._read_anew)
        self.work.stopped_at.connect(self.stage.stopped)
        self.work.time_left.connect(self.filmstrip.set_time_left)
        self.masks.changed.connect(self.looker.wake)
        self.masks.changed.connect(self._refresh)  # at once: what comes in their stead takes the keys
        self.review.changed.connect(self._refresh)
        self.review.review.opened.connect(self.looker.stop)
        self.review.review.wanted.connect(self.work.run_looked_at)
        self.review.review.counted.connect(self.status_changed)
        self.review.review.closed.connect(self.canvas.setFocus)
        self.kept.changed.connect(self._soon.start)
        flow.started.connect(lambda _id: self.masks.stop())
        self.canvas.mode_changed.connect(self._mode_changed)
        self.canvas.files_dropped.connect(lambda names: self.open_paths([Path(name) for name in names]))
        self.canvas.drag_out_requested.connect(out.drag_out)
        self.toolbar.wanted.connect(self._do)
        self.toolbar.recent_wanted.connect(lambda path: self.open_paths([path]))
        self.empty.open_requested.connect(lambda: self._do("open"))
        self.empty.sample_requested.connect(self.photos_in.open_sample)
        self.filmstrip.remove_requested.connect(lambda _ids: self._do("remove"))
        self.filmstrip.retry_requested.connect(self.work.retry)
        self.filmstrip.save_all_requested.connect(lambda: self._do("save_all"))
        bar, shown = self.batch.bar, self.filmstrip.shown
        bar.filter_chosen.connect(shown.show_only)
        bar.order_chosen.connect(shown.sort_by)
        bar.grid_wanted.connect(self._set_grid)
        shown.changed.connect(self._tell_shown)
        self.filmstrip.photo_wanted.connect(lambda: self._set_grid(False))
        self.filmstrip.list.selectionModel().selectionChanged.connect(lambda *_: self._tell_selection())
        self.filmstrip.menu_requested.connect(lambda at: photo_menu(self, self.session.current).popup(at))
        self.canvas.zoom_changed.connect(self.toolbar.set_zoom)
        panel = self._inspector
        HoldSpace(self.canvas.set_show_original, self, panel)
        self.counts.unsaved_counted.connect(self.filmstrip.set_unsaved)
        self.counts.again_changed.connect(self._soon.start)
        panel.task_said.connect(self._task_said)
        panel.choices.task.currentIndexChanged.connect(lambda _row: self._soon.start())
        panel.strength_changed.connect(self.stage.set_strength)
        panel.strength_changed.connect(lambda _percent: self.work.spread_strength())
        panel.strength_changed.connect(lambda _percent: self.kept.strength_moved())
        panel.kept.wanted.connect(self._do)
        panel.restore_requested.connect(lambda: self._do("run"))
        panel.cancel_requested.connect(lambda: self._do("cancel"))
        panel.save_requested.connect(lambda: self._do("save"))
        panel.save_as_requested.connect(lambda: self._do("save_as"))
        panel.copy_requested.connect(lambda: self._do("copy"))
        panel.comparison_requested.connect(lambda: self._do("save_comparison"))
        panel.command_requested.connect(lambda: self._do("copy_command"))
        panel.drag_prepare_requested.connect(out.prepare_drag)
        panel.drag_requested.connect(out.drag_out)
        panel.reference_chosen.connect(self.stage.set_reference)
        panel.reference_browse_requested.connect(self._browse_reference)
        panel.details_requested.connect(lambda text: QGuiApplication.clipboard().setText(text))

    def _after_first_paint(self) -> None:
        """What nobody needs to see the window: models, samples, the queue of last time."""
        if self._shut:
            return
        from core.model import catalog

        self.chooser.fill()
        self._samples = tuple(sample for sample in catalog.samples() if sample.task)
        self._fit_empty_to_task()
        self.session.load_in_background()
        cache_dir = self.context.settings.cache_dir
        self.saver.run(lambda: sweep_dragged(cache_dir), lambda _none: None)

    def _fit_empty_to_task(self) -> None:
        """Words and sample photos that go with what is to be removed."""
        task = self._inspector.choices.choice().task
        fitting = [sample for sample in self._samples if sample.task == task]
        self.empty.set_samples(fitting or self._samples)
        noun = tasks.of(task).noun
        goes = f"{noun.capitalize()} {'go' if noun.endswith('s') else 'goes'}"
        self.empty.say(
            "Drop photos or folders here",
            f"{goes}, the photo stays. Your originals are never overwritten.",
            "or paste with Ctrl+V",
        )

    def _read_anew(self, item: Item) -> None:
        self.stage.loader.forget(item.id)
        self.thumbnails.forget(item.path)

    def _first_finished(self) -> None:
        """The first run has imported the rest of torch."""
        self.flow.finished.disconnect(self._first_finished)
        warm_up.spare_the_collector()

    # --- the window's side -----------------------------------------------------------------------

    def inspector(self) -> QWidget:
        return self._inspector

    def toolbar_widgets(self) -> dict[str, list[QWidget]]:
        return self.toolbar.widgets()

    def open_paths(self, paths: list[Path]) -> None:
        self.photos_in.open_paths(paths)

    def use_model(self, path: Path) -> None:
        self.chooser.use_trained(path)

    def can(self, action_id: str) -> bool:
        if self.review.in_front:
            if action_id == "cancel":  # closing the tiles is no business of another page
                return self.review.review.looking or self.isVisible()
            return action_id in self.review.actions() or action_id in _ALWAYS
        item = self.session.current
        done = item is not None and item.state is ItemState.DONE and self.store.has(item.id)
        shown = self.stage.shown is not None
        summary = self.session.summary
        answers: dict[str, Callable[[], bool]] = {
            "paste": lambda: True,
            "open": lambda: True,
            "open_folder": lambda: True,
            "save": lambda: done,
            "save_as": lambda: done,
            "copy": lambda: done,
            "save_comparison": lambda: done,
            "copy_command": lambda: item is not None and item.result is not None,
            "save_all": lambda: summary.done > 0,
            "next": lambda: len(self.session) > 1,
            "previous": lambda: len(self.session) > 1,
            "select_all": lambda: len(self.session) > 0,
            "remove": lambda: len(self.session) > 0,
            "undo": lambda: self.masks.active or self.session.can_undo,
            "redo": lambda: self.masks.active or self.session.can_redo,
            "paint_mask": lambda: shown and not self.flow.busy,
            "retry": lambda: summary.failed + summary.cancelled > 0,
            "run": lambda: item is not None and item.state is not ItemState.RUNNING,
            "run_all": lambda: summary.waiting + summary.cancelled > 0 or self.counts.again > 0,
            "cancel": lambda: self.flow.busy or self.review.review.looking,
            "keep_result": lambda: self.kept.can_keep,
            "compare_kept": lambda: self.kept.can_compare or self.kept.comparing,
            "exchange_kept": lambda: self.kept.can_compare,
            "drop_kept": lambda: item is not None and item.kept is not None,
            "toggle_filmstrip": lambda: True,
            "toggle_grid": lambda: len(self.session) > 1,
        }
        if action_id in answers:
            return answers[action_id]()
        return shown if action_id.startswith(("mode_", "zoom_", "toggle_zoom")) else False

    def handle(self, action_id: str) -> None:
        if self.review.in_front and action_id in self.review.actions():
            self.review.actions()[action_id]()
            return
        canvas, session, out, work = self.canvas, self.session, self.results_out, self.work
        if action_id.startswith("mode_"):
            self.masks.stop()
            canvas.set_mode(action_id.removeprefix("mode_"))
            return
        handlers: dict[str, Callable[[], object]] = {
            "open": self.photos_in.ask_for_files,
            "open_folder": self.photos_in.ask_for_folder,
            "paste": self.photos_in.paste,
            "save": out.save,
            "save_as": out.save_as,
            "save_all": out.save_all,
            "save_comparison": out.ask_for_comparison,
            "copy": out.copy,
            "copy_command": out.copy_command,
            "next": lambda: self.filmstrip.step(1),
            "previous": lambda: self.filmstrip.step(-1),
            "select_all": self.filmstrip.list.selectAll,
            "remove": work.remove,
            "undo": self.masks.tool.undo if self.masks.active else work.undo,
            "redo": self.masks.tool.redo if self.masks.active else session.redo,
            "paint_mask": self._toggle_masks,
            "keep_result": self.kept.keep,
            "compare_kept": lambda: self.kept.compare(not self.kept.comparing),
            "exchange_kept": self.kept.exchange,
            "drop_kept": self.kept.let_go,
            "retry": lambda: work.retry([]),
            "run": lambda: self._run(work.run_one),
            "run_all": lambda: self._run(work.run_all),
            "cancel": self.flow.cancel if self.flow.busy else self.review.review.stop,
            "toggle_zoom": canvas.toggle_fit,
            "zoom_fit": canvas.fit,
            "zoom_100": canvas.actual_size,
            "zoom_in": lambda: canvas.zoom_by(_ZOOM_STEP),
            "zoom_out": lambda: canvas.zoom_by(1 / _ZOOM_STEP),
            "toggle_filmstrip": self._toggle_filmstrip,
            "toggle_grid": lambda: self._set_grid(not self.filmstrip.is_grid),
        }
        handlers[action_id]()

    def close_blockers(self) -> str | None:
        texts = []
        if self.flow.running_id is not None:
            waiting = self.flow.to_do
            more = f" and {waiting:,} more wait{'s' if waiting == 1 else ''}" if waiting else ""
            texts.append(f"A photo is being restored{more}. The list is kept for the next start.")
        lost = self.store.in_memory_only() & {item.id for item in self.saver.unsaved()}
        if lost:
            texts.append(
                f"{len(lost)} result{'s' if len(lost) != 1 else ''} could not be kept on the disk and "
                "would be lost. Save first."
            )
        return " ".join(texts) or None

    def shut_down(self) -> None:
        if self._shut:
            return
        self._shut = True
        self._soon.stop()
        self.counts.shut_down()
        self.work.shut_down()
        self.looker.shut_down()
        self.masks.shut_down()
        self.review.review.shut_down()
        self.kept.shut_down()
        self.sizes.shut_down()
        self.flow.shut_down()
        self.photos_in.shut_down()
        self.stage.shut_down()
        self.saver.shut_down()
        self.thumbnails.shut_down()
        if self._knows_queue:  # else closed before it was read: what lies on the disk is truer than nothing
            try:
                self.session.save()
            except OSError as exc:
                log.warning("the queue could not be kept: %s", exc)
            self.room.sweep()
            self.masks.sweep()
        self.place.release()

    def _run(self, work: Callable[[], object]) -> None:
        """What is being painted is done, and kept, before a photo is restored with it."""
        self.masks.stop()
        work()

    def _toggle_masks(self) -> None:
        self.kept.compare(False)  # what is painted over is the photo itself
        self.masks.toggle()

    def _do(self, action_id: str) -> None:
        if self.can(action_id):
            self.handle(action_id)

    def _queue_loaded(self) -> None:
        if self._shut:
            return
        self._knows_queue = True
        self.room.read()
        self._soon.start()

    # --- what is shown ---------------------------------------------------------------------------

    def _focus(self, item: Item) -> tuple[int, int, int, int] | None:
        return self.stage.focus(item)

    def _refresh(self) -> None:
        """Make inspector, middle and toolbar say what is true now."""
        self._outer.setCurrentIndex(2 if self.review.in_front else 1 if len(self.session) else 0)
        # only now: a filmstrip that comes into sight with the keys makes its first photo the current one
        item, stage = self.session.current, self.stage
        problem = stage.problem
        self._middle.setCurrentIndex(0 if problem is None else 1)
        if problem is not None:
            self._unseen.setText(
                "\n".join(text for text in (problem.what, problem.why, problem.todo) if text)
            )
        saving = item is not None and item.id in self.saver.saving_ids
        info = stage.shown.info if stage.shown is not None else None
        self._inspector.show_item(item, info, stage.can_blend, problem, saving)
        self._inspector.show_kept(self.kept.can_keep, self.kept.comparing)
        self._tell_selection()
        self._show_quality()
        self._toolbar_state()
        self.context.photo = self._at_hand()
        self.status_changed.emit()

    def _task_said(self, task: str) -> None:
        """Somebody says what the shown photo needs, instead of the photo."""
        item = self.session.current
        if item is None or item.state is ItemState.RUNNING:
            return
        state = ItemState.WAITING if item.state is ItemState.FAILED else item.state
        problem = None if item.state is ItemState.FAILED else item.problem
        self.session.update(item.id, said=task, look=None, state=state, problem=problem)
        self.looker.wake()

    def _at_hand(self) -> PhotoAtHand | None:
        """The photo that is shown, for other pages."""
        item, shown = self.session.current, self.stage.shown
        if item is None or shown is None or shown.item_id != item.id:
            return None
        choice, store = self._inspector.choices.choice(), self.store
        if choice.task == AUTO:
            seen = item.look.which.tasks if item.look is not None and item.look.which is not None else ()
            choice = self._inspector.choices.choice_of(item.said or next(iter(seen), DEFAULT))
        note = item.result if item.state is ItemState.DONE and store.has(item.id) else None
        painted, is_plain = item.mask, True
        if note is not None:
            choice = replace(
                note.choice,
                device=choice.device,
                precision=choice.precision,
                tile_px=choice.tile_px,
                scale=note.made.verdict.scale,
            )
            painted, is_plain = note.mask_name, note.made.task == choice.task and not note.only_name
        if not tasks.of(choice.task).takes_masks:
            painted = ""
        masks = self.masks.store
        return PhotoAtHand(
            item.path,
            (item.id, note, painted),
            choice,
            shown.rgb,
            None if note is None or shown.restored_is_saved_file else shown.restored,
            None if note is None else lambda: store.get(item.id),
            item.reference,
            None if note is None else note.made.verdict,
            (lambda: masks.get(painted)) if painted else None,
            is_plain,
        )

    def _toolbar_state(self) -> None:
        waiting = self.session.summary.waiting + self.session.summary.cancelled
        again = self.counts.again
        self.toolbar.set_running(self.flow.busy, waiting, again)
        self.toolbar.run.setEnabled(self.flow.busy or waiting + again > 0)
        batch = self.flow.batch_choice
        self._inspector.set_batch(batch)
        self.filmstrip.set_batch("" if batch is None else choice_words(batch))
        self.toolbar.set_shown(self.stage.shown is not None and not self.review.in_front)
        self.toolbar.paint.setEnabled(self.can("paint_mask"))
        self.toolbar.paint.setChecked(self.masks.active)
        self._mode_changed(self.canvas.mode)
        self.counts.soon()

    def _say_what_joins(self, added: int, _known: int) -> None:
        """Photos dropped while a batch runs are restored with what it was started with."""
        batch = self.flow.batch_choice
        if added and batch is not None and self._knows_queue:
            what = "1 photo joins" if added == 1 else f"{added:,} photos join"
            self.context.banner(f"{what} what runs: {choice_words(batch)}.")

    def _tell_selection(self) -> None:
        """The button that restores says of how many photos it will."""
        chosen = [self.session.get(item_id) for item_id in self.filmstrip.selected_ids()]
        current = self.session.current
        if current not in chosen:
            chosen = [current]
        self._inspector.set_wanted(
            len(chosen), all(item is not None and item.state is ItemState.DONE for item in chosen)
        )

    def _row_changed(self, row: int) -> None:
        item = self.session.at(row)
        progress = item.state is ItemState.RUNNING and item.tile
        if row == self.session.current_row and not progress:
            self._soon.start()

    def _summary_changed(self) -> None:
        if self.filmstrip.is_grid and len(self.session) < 2:
            self._set_grid(False)
        if (len(self.session) > 0) != (self._outer.currentIndex() > 0):
            self._refresh()  # at once: the keys go from the strip to what stands in its place
        else:
            self._soon.start()

    @property
    def is_measuring(self) -> bool:
        """Whether a score is shown that is still to come."""
        return self._inspector.is_measuring

    def _show_quality(self) -> None:
        item = self.session.current
        answer = self.stage.quality()
        reference = item.reference if item is not None else None
        task = (
            item.result.made.task
            if item is not None and item.result
            else self._inspector.choices.choice().task
        )
        if isinstance(answer, str):
            self._inspector.show_quality(reference, None, answer, task)
        else:
            self._inspector.show_quality(reference, answer, "", task)

    def _mode_changed(self, mode: str) -> None:
        """While something is painted the photo itself shows, which is none of the ways to compare."""
        self.toolbar.set_mode("" if self.masks.active else mode)
        if not self.masks.active:
            self.context.settings.compare_mode = mode

    def _set_grid(self, on: bool) -> None:
        """All photos in the place of the one, or back."""
        if on:
            self.masks.stop()
            self.filmstrip.show()
        self.filmstrip.set_grid(on)
        self._middle.setVisible(not on)
        self.batch.bar.set_grid(on)
        if not on:
            self.filmstrip.setVisible(self.context.settings.filmstrip_shown)
        (self.filmstrip.list if on else self.canvas).setFocus()

    def _tell_shown(self) -> None:
        self.batch.bar.set_shown(self.filmstrip.shown.filter, self.filmstrip.shown.rowCount())

    def _toggle_filmstrip(self) -> None:
        settings = self.context.settings
        settings.filmstrip_shown = not settings.filmstrip_shown
        self.filmstrip.setVisible(settings.filmstrip_shown)

    def _browse_reference(self) -> None:
        settings = self.context.settings
        dialog = QFileDialog(
            self, "Choose the same photo undamaged", str(settings.open_folder or Path.home())
        )
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: self.stage.set_reference(Path(name)))
        dialog.open()

    def showEvent(self, event: QShowEvent) -> None:
        """The photo has the keys, not the first button of the toolbar."""
        super().showEvent(event)
        (self.canvas if len(self.session) else self).setFocus()
