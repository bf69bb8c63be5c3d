"""What follows when the run that trains here begins, tells something and ends: curves, film, job bar, banner, notice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.events import CheckpointSaved, ContrastDrawn, FilmFrame, TrainStarted, Validated
from core.problems import Problem
from core.training.run_folder import RunFolder
from memorynet_gui.train.flow import DONE, FAILED, TrainEnding, TrainOrder
from memorynet_gui.train.notice import DesktopNotice
from memorynet_gui.train.starts import discard
from memorynet_gui.train.words import ending_text, stored_problem

if TYPE_CHECKING:
    from core.training.runs import Run
    from memorynet_gui.train.page import TrainPage


class Follower:
    """Listens to the page's flow. ``contrast`` is what the run that trains drew last."""

    def __init__(self, page: TrainPage) -> None:
        self._page = page
        self._problems: dict[Path, Problem] = {}
        self._has_job = self._shut = False
        self.contrast: ContrastDrawn | None = None
        self._notice = DesktopNotice(page)
        self._notice.clicked.connect(self.come_forward)
        flow = page.flow
        flow.began.connect(self._began)
        flow.event_came.connect(self._event)
        flow.told.connect(lambda text: page.context.banner(text, kind="warning"))
        flow.ended.connect(self._ended)

    # --- asked by the page -----------------------------------------------------------------------

    def problem_of(self, run: Run) -> Problem | None:
        """Why it stopped: as it was told here, else as its folder says."""
        return self._problems.get(run.folder) or stored_problem(run)

    def forget(self, folder: Path) -> None:
        self._problems.pop(folder, None)

    def show_job(self) -> None:
        """In the job bar, as long as something trains; what others show there is left alone."""
        flow, bar = self._page.flow, self._page.context.job_bar
        if flow.busy:
            self._has_job = True
            bar.set_job(flow.text(), flow.share(), flow.seconds_left())
        elif self._has_job:
            self._has_job = False
            bar.clear_job()

    def come_forward(self, folder: Path | None = None) -> None:
        """Bring the window to the front, with this run where one is named."""
        page, window = self._page, self._page.window()
        if window.isMinimized():
            window.showNormal()
        window.raise_()
        window.activateWindow()
        self._notice.withdraw()
        page.context.page_wanted.emit(page.page_id)
        if folder is not None:
            page.show_run(folder)

    def shut_down(self) -> None:
        self._shut = True
        self._notice.withdraw()

    # --- told by the flow ------------------------------------------------------------------------

    def _began(self, order: TrainOrder) -> None:
        self.forget(order.folder)
        self.contrast = None
        self._page.stores().begin(order.folder, order.resume)
        self._page.show_run(order.folder)
        self._page.library.refresh()

    def _event(self, event: Any) -> None:
        page, order = self._page, self._page.flow.order
        if order is None:
            return
        page.stores().append(order.folder, event)
        is_seen = order.folder == page.shown
        if isinstance(event, ContrastDrawn):
            self.contrast = event
            if is_seen:
                page.show_contrast()
        elif isinstance(event, FilmFrame) and is_seen:
            page.stage().film.frame_came(event.step)
        elif isinstance(event, (TrainStarted, Validated, CheckpointSaved)):
            page.library.refresh()

    def _ended(self, ending: TrainEnding) -> None:
        page, order = self._page, ending.order
        if ending.problem is not None:
            self._problems[order.folder] = ending.problem
        if self._shut:
            return
        if ending.kind == FAILED and not RunFolder(order.folder).recipe_file.exists():
            self._not_begun(order, ending)
            return
        page.library.refresh()
        page.refresh()
        self._say_ending(ending)
        if page.context.settings.notify_at_end and not ending.asked:
            title = "Training ended" if ending.kind != FAILED else "Training stopped"
            self._notice.tell(title, ending_text(ending))

    def _say_ending(self, ending: TrainEnding) -> None:
        page, folder = self._page, ending.order.folder
        is_seen = page.isVisible() and page.shown == folder
        has_card = is_seen and page.inspector().isVisible()  # which says what went wrong at full length
        text, kind = ending_text(ending, has_card), "warning" if ending.kind == FAILED else "info"
        say = page.context.banner
        if ending.kind == DONE and ending.best_psnr_db is not None:
            say(text, "Restore with this model", lambda: page.restore_with(folder), kind=kind)
        elif is_seen:
            say(text, kind=kind)
        else:
            say(text, "Show", lambda: self.come_forward(folder), kind=kind)

    def _not_begun(self, order: TrainOrder, ending: TrainEnding) -> None:
        """It failed before anything was written: back to the form, which still has everything."""
        assert ending.problem is not None
        discard(order)
        if self._page.shown == order.folder:
            self._page.new_run()
        self._page.context.banner(f"{order.name} was not started. {ending.problem.sentence}", kind="warning")
        self._page.refresh()
