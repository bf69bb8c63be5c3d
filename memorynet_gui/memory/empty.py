"""The Memory page without a photo: what it is for, and photos to try it on."""

from __future__ import annotations

from core import tasks
from memorynet_gui.base.thumbnails import Thumbnails
from memorynet_gui.widgets.empty import EmptyState


class EmptyMemory(EmptyState):
    def __init__(self, thumbnails: Thumbnails) -> None:
        super().__init__(thumbnails)
        self.say(
            "Look into the memory of a photo",
            f"The network remembers what {tasks.damages('and')} look like, what clean places look like, and what this very "
            "photo shows elsewhere. Drop a photo here, or restore one first: then point at a place and see what it is taken for, "
            "and from where it is rebuilt.",
            "or restore a photo first and come back",
        )
        self._task = ""

    def fit(self, task: str) -> None:
        """Sample photos that show what is to be removed; of every kind where none does."""
        from core.model import catalog

        if task != self._task:
            self._task = task
            samples = [sample for sample in catalog.samples() if sample.task]
            self.set_samples([sample for sample in samples if sample.task == task] or samples)
