"""The checks before a run: the doctor looks at the photos, a few real steps say what the run would cost.

Both go through the window's one worker, so that what is measured is measured alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from core.events import ItemDone, ItemStarted
from core.jobs import Emit, JobControl
from core.training.recipe import TrainRecipe
from memorynet_gui.base.problems import describe
from memorynet_gui.newrun import ready

if TYPE_CHECKING:
    from memorynet_gui.base.page import AppContext
    from memorynet_gui.newrun.view import NewRunView


class Checks(QObject):
    """Between the form that asks and the worker that answers."""

    def __init__(self, context: AppContext, view: NewRunView, parent: QObject) -> None:
        super().__init__(parent)
        self._context, self._view = context, view
        self._show: Callable[[Any], None] | None = None  # where the answer goes; None: nothing was asked
        self._words = ""
        self._share: float | None = None
        view.examine_requested.connect(self.examine)
        view.estimate_requested.connect(self.estimate)
        view.cancel_check_requested.connect(self.cancel)
        runner = context.runner
        runner.event.connect(self._event)
        runner.finished.connect(self._finished)
        runner.failed.connect(self._failed)
        runner.cancelled.connect(self._cancelled)

    @property
    def busy(self) -> bool:
        return self._show is not None

    def examine(self, recipe: TrainRecipe, data: tuple[Path, ...]) -> None:
        """Look at every photo."""

        def check(emit: Emit, control: JobControl) -> Any:
            from core.doctor import examination as doctor

            return doctor.examine(recipe, data, emit, control)

        self._start(check, self._view.show_report, "Checking the photos")

    def estimate(self, recipe: TrainRecipe, data: tuple[Path, ...]) -> None:
        """Measure a few steps on the device that was chosen."""
        device = self._context.settings.device

        def check(emit: Emit, control: JobControl) -> Any:
            ready.for_training()
            from core.training import estimate as training_estimate

            return training_estimate.estimate(recipe, data, emit, control, device)

        self._start(check, self._view.show_estimate, "Measuring a few steps")

    def cancel(self) -> None:
        if self.busy:
            self._context.runner.cancel()

    def _start(
        self, check: Callable[[Emit, JobControl], Any], show: Callable[[Any], None], words: str
    ) -> None:
        if self._context.runner.busy:
            self._view.show_problem("Something else is running. Wait for it or cancel it, then check again.")
            return
        self._show, self._words, self._share = show, words, None
        self._context.runner.start(check)
        self._tell("", None)

    def _tell(self, name: str, seconds_left: float | None) -> None:
        self._view.show_progress(name or f"{self._words}…", self._share)
        text = f"{self._words} · {name}" if name else self._words
        self._context.job_bar.set_job(text, self._share, seconds_left)

    def _event(self, event: Any) -> None:
        if not self.busy:
            return
        if isinstance(event, ItemStarted):
            self._share = (event.index - 1) / event.count if event.count else None
            self._tell(event.name, None)
        elif isinstance(event, ItemDone):
            self._share = event.index / event.count if event.count else None
            self._tell(event.name, event.seconds_left)

    def _release(self) -> Callable[[Any], None] | None:
        show, self._show = self._show, None
        if show is not None:
            self._context.job_bar.clear_job()
        return show

    def _finished(self, answer: Any) -> None:
        show = self._release()
        if show is not None:
            show(answer)

    def _failed(self, error: Any) -> None:
        if self._release() is not None:
            self._view.show_problem(describe(error).sentence)

    def _cancelled(self) -> None:
        if self._release() is not None:
            self._view.show_cancelled()
