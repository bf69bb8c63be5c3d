"""How a run begins, or why not now; and how a run goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer

from core import extras
from core.training.run_folder import RunFolder
from memorynet_gui.base.page import AppContext
from memorynet_gui.train.flow import TrainFlow, TrainOrder
from memorynet_gui.train.library import RunLibrary
from memorynet_gui.train.runs_view import can_continue

if TYPE_CHECKING:
    from core.training.recipe import TrainRecipe


class Starts:
    """Says why it cannot be now. What is started while another run is about to end begins when that has ended."""

    def __init__(self, context: AppContext, flow: TrainFlow, library: RunLibrary) -> None:
        self._context, self._flow, self._library = context, flow, library
        self._waiting: TrainOrder | None = None
        self._take_back: Callable[[], None] = lambda: None
        flow.ended.connect(lambda _ending: QTimer.singleShot(0, self._begin_waiting))

    def shut_down(self) -> None:
        self._forget_waiting()

    def order(
        self, recipe: TrainRecipe, data: tuple[Path, ...], folder: Path, resume: bool = False
    ) -> TrainOrder:
        """Frozen, with what the settings say now."""
        settings = self._context.settings
        board = settings.tensorboard and not extras.missing("tensorboard")
        return TrainOrder(recipe, data, folder, resume, settings.device, board)

    def go_on(self, folder: Path | None) -> None:
        """Go on with a run, by its own recipe and data; one that cannot is left alone."""
        run = self._library.find(folder)
        if run is None or run.recipe is None or run.state is None or not can_continue(run, False):
            return
        data = tuple(Path(name) for name in run.state.data)
        self.begin(self.order(run.recipe, data, run.folder, True))

    def begin(self, order: TrainOrder) -> None:
        running = self._flow.order
        if running is None:
            if not self._flow.start(order):
                discard(order)
                self._context.banner(f"{order.name} was not started: something else is at work. Try again.")
        elif self._flow.finishing:
            if self._waiting is not order:
                self._forget_waiting()
            self._waiting = order
            self._take_back = self._context.banner(
                f"{order.name} starts as soon as {running.name} has finished.",
                "Do not start",
                self._forget_waiting,
            )
        else:
            discard(order)
            self._context.banner(f"{running.name} is training. Stop it first, or wait until it is done.")

    def _forget_waiting(self) -> None:
        order, self._waiting = self._waiting, None
        self._take_back()
        self._take_back = lambda: None
        if order is not None:
            discard(order)

    def _begin_waiting(self) -> None:
        order, self._waiting = self._waiting, None
        if order is not None:
            self._take_back()
            self.begin(order)


def discard(order: TrainOrder) -> None:
    """A new run that is not begun after all leaves no folder; one that holds more than its lock is left alone."""
    if not order.resume:
        lock = RunFolder(order.folder).lock_file
        with contextlib.suppress(OSError):
            if list(order.folder.iterdir()) == [lock]:
                lock.unlink()
            order.folder.rmdir()
