"""How a run begins: at once, after what the worker does now, or not; and how a run goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core import extras
from core.training.run_folder import RunFolder
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.problems import describe
from memorynet_gui.train.flow import TrainFlow, TrainOrder
from memorynet_gui.train.library import RunLibrary
from memorynet_gui.train.runs_view import can_continue

if TYPE_CHECKING:
    from core.training.recipe import TrainRecipe


class Starts:
    """Says why it cannot be now, and offers to wait. ``who_works`` names what else the worker is at."""

    def __init__(
        self, context: AppContext, flow: TrainFlow, library: RunLibrary, who_works: Callable[[], str]
    ) -> None:
        self._context, self._flow, self._library, self._who_works = context, flow, library, who_works

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
        flow, say = self._flow, self._context.banner
        if flow.order is not None:
            discard(order)
            say(f"{flow.order.name} is training. Stop it first, or wait until it is done.")
        elif flow.worker_is_taken:
            discard(order)  # made again when it is told to wait
            say(
                f"{self._who_works()} {order.name} can start when that is done.",
                "Wait and start",
                lambda: self._wait_and_start(order),
            )
        else:
            flow.start(order)

    def forget_waiting(self) -> None:
        """Take back what waits for its turn."""
        if self._flow.waiting is not None:
            discard(self._flow.waiting)
            self._flow.forget_waiting()

    def _wait_and_start(self, order: TrainOrder) -> None:
        if self._flow.waiting is not None:
            discard(self._flow.waiting)
        if not order.resume:
            from core.training import runs

            try:
                order = replace(order, folder=runs.new_folder(order.folder.parent, order.folder.name))
            except OSError as error:
                self._context.banner(describe(error).sentence, kind="warning")
                return
        self._flow.wait_and_start(order)


def discard(order: TrainOrder) -> None:
    """A new run that is not begun after all leaves no folder; one that holds more than its lock is left alone."""
    if not order.resume:
        lock = RunFolder(order.folder).lock_file
        with contextlib.suppress(OSError):
            if list(order.folder.iterdir()) == [lock]:
                lock.unlink()
            order.folder.rmdir()
