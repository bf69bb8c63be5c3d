"""How a run begins, or why not now; and how a run goes on."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from core import extras
from core.training.run_folder import RunFolder
from memorynet_gui.base.page import AppContext
from memorynet_gui.train.flow import TrainFlow, TrainOrder
from memorynet_gui.train.library import RunLibrary
from memorynet_gui.train.runs_view import can_continue

if TYPE_CHECKING:
    from core.training.recipe import TrainRecipe


class Starts:
    """Says why it cannot be now."""

    def __init__(self, context: AppContext, flow: TrainFlow, library: RunLibrary) -> None:
        self._context, self._flow, self._library = context, flow, library

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
        if running is not None:
            discard(order)
            self._context.banner(f"{running.name} is training. Stop it first, or wait until it is done.")
        else:
            self._flow.start(order)


def discard(order: TrainOrder) -> None:
    """A new run that is not begun after all leaves no folder; one that holds more than its lock is left alone."""
    if not order.resume:
        lock = RunFolder(order.folder).lock_file
        with contextlib.suppress(OSError):
            if list(order.folder.iterdir()) == [lock]:
                lock.unlink()
            order.folder.rmdir()
