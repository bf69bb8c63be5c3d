"""What follows when the run that trains here begins, tells something and ends: curves, film, job bar, banner, notice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from core.events import CheckpointSaved, ContrastDrawn, FilmFrame, TrainStarted, Validated
from core.problems import Problem
from core.training.run_folder import RunFolder
from memorynet_gui.base.page import AppContext, Page
from memorynet_gui.train.flow import DONE, FAILED, TrainEnding, TrainFlow, TrainOrder
from memorynet_gui.train.notice import DesktopNotice
from memorynet_gui.train.starts import discard
from memorynet_gui.train.words import ending_text, stored_problem

if TYPE_CHECKING:
    from core.training.runs import Run


class Follower(QObject):
    """Listens to the flow and says what there is to do. ``contrast`` is what the run that trains drew last."""

    begun = Signal(object)  # TrainOrder
    came = Signal(object, object)  # folder of the run, one of its events
    frame_came = Signal(object, int)  # folder of the run, step: a new picture of its film
    contrast_came = Signal(object)  # folder of the run
    records_changed = Signal()  # the run's folder says something new
    ended = Signal()
    run_wanted = Signal(object)  # folder of the run to show
    restore_wanted = Signal(object)  # folder of the run to restore with
    not_begun = Signal(object)  # folder of a run that failed before anything was written

    def __init__(
        self, page: Page, context: AppContext, flow: TrainFlow, is_shown: Callable[[Path], bool]
    ) -> None:
        super().__init__(page)
        self._page, self._context, self._flow = page, context, flow
        self._is_shown = is_shown
        self._problems: dict[Path, Problem] = {}
        self._shut = False
        self.contrast: ContrastDrawn | None = None
        self._notice = DesktopNotice(page)
        self._notice.clicked.connect(self.come_forward)
        flow.began.connect(self._began)
        flow.event_came.connect(self._event)
        flow.notice.connect(lambda text: context.banner(text, kind="warning"))
        flow.ended.connect(self._ended)

    # --- asked by the page -----------------------------------------------------------------------

    def problem_of(self, run: Run) -> Problem | None:
        """Why it stopped: as it was told here, else as its folder says."""
        return self._problems.get(run.folder) or stored_problem(run)

    def forget(self, folder: Path) -> None:
        self._problems.pop(folder, None)

    def show_job(self) -> None:
        """In the job bar, as long as something trains."""
        flow, bar = self._flow, self._context.job_bar
        if flow.order is not None:
            bar.set_long(flow.order.name, flow.text(), flow.share(), flow.seconds_left())
        else:
            bar.clear_long()

    def come_forward(self, folder: Path | None = None) -> None:
        """Bring the window to the front, with this run where one is named."""
        window = self._page.window()
        if window.isMinimized():
            window.showNormal()
        window.raise_()
        window.activateWindow()
        self._notice.withdraw()
        self._context.page_wanted.emit(self._page.page_id)
        if folder is not None:
            self.run_wanted.emit(folder)

    def shut_down(self) -> None:
        self._shut = True
        self._notice.withdraw()

    # --- told by the flow ------------------------------------------------------------------------

    def _began(self, order: TrainOrder) -> None:
        self.forget(order.folder)
        self.contrast = None
        self.begun.emit(order)

    def _event(self, event: Any) -> None:
        order = self._flow.order
        if order is None:
            return
        self.came.emit(order.folder, event)
        if isinstance(event, ContrastDrawn):
            self.contrast = event
            self.contrast_came.emit(order.folder)
        elif isinstance(event, FilmFrame):
            self.frame_came.emit(order.folder, event.step)
        elif isinstance(event, (TrainStarted, Validated, CheckpointSaved)):
            self.records_changed.emit()

    def _ended(self, ending: TrainEnding) -> None:
        order = ending.order
        if ending.problem is not None:
            self._problems[order.folder] = ending.problem
        if self._shut:
            return
        if ending.kind == FAILED and not RunFolder(order.folder).recipe_file.exists():
            self._back_to_the_form(order, ending)
            return
        self.records_changed.emit()
        self.ended.emit()
        self._say_ending(ending)
        if self._context.settings.notify_at_end and not ending.asked:
            title = "Training ended" if ending.kind != FAILED else "Training stopped"
            self._notice.tell(title, ending_text(ending))

    def _say_ending(self, ending: TrainEnding) -> None:
        folder, say = ending.order.folder, self._context.banner
        is_seen = self._page.isVisible() and self._is_shown(folder)
        panel = self._page.inspector()
        has_card = is_seen and panel is not None and panel.isVisible()  # which says it at full length
        text, kind = ending_text(ending, has_card), "warning" if ending.kind == FAILED else "info"
        if ending.kind == DONE and ending.best_psnr_db is not None:
            say(text, "Restore with this model", lambda: self.restore_wanted.emit(folder), kind=kind)
        elif is_seen:
            say(text, kind=kind)
        else:
            say(text, "Show", lambda: self.come_forward(folder), kind=kind)

    def _back_to_the_form(self, order: TrainOrder, ending: TrainEnding) -> None:
        """It failed before anything was written; the form still has everything."""
        assert ending.problem is not None
        discard(order)
        self.not_begun.emit(order.folder)
        self._context.banner(f"{order.name} was not started. {ending.problem.sentence}", kind="warning")
        self.ended.emit()
