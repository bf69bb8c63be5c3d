"""The curves at hand: of the run that trains, of the one that is shown, of those laid over it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from memorynet_gui.curves.store import CurveStore

if TYPE_CHECKING:
    from core.training.runs import Run


class Stores(QObject):
    """One store a run folder. That of a run which trains here follows its events, the others their file."""

    failed = Signal(object, object)  # Path of the run, Exception: its curves cannot be read

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._stores: dict[Path, CurveStore] = {}
        self._written_at: dict[Path, float] = {}  # when the run last wrote, as it was known

    def of(self, folder: Path, is_here: bool) -> CurveStore:
        """The run's curves; read from its folder unless it trains here."""
        store = self._stores.get(folder)
        if store is None:
            store = self._stores[folder] = CurveStore(self)
            store.failed.connect(lambda error: self.failed.emit(folder, error))
            if not is_here:
                store.load(folder)
        return store

    def begin(self, folder: Path, resume: bool) -> None:
        """A run starts or goes on here; from which step on, its own event will say."""
        store = self.of(folder, True)
        if resume:
            store.load(folder)
        else:
            store.clear()

    def append(self, folder: Path, event: object) -> None:
        self.of(folder, True).append(event)

    def renew(self, runs: Iterable[Run], here: Path | None) -> set[Path]:
        """Read those again that another program has written to; says which."""
        renewed = set()
        for run in runs:
            if run.folder not in self._stores or run.folder == here:
                continue
            before = self._written_at.get(run.folder, run.updated)
            self._written_at[run.folder] = run.updated
            if before != run.updated:
                self._stores[run.folder].load(run.folder, keep=True)
                renewed.add(run.folder)
        return renewed

    def keep_only(self, folders: Collection[Path]) -> None:
        for folder in [each for each in self._stores if each not in folders]:
            self.drop(folder)

    def drop(self, folder: Path) -> None:
        self._written_at.pop(folder, None)
        store = self._stores.pop(folder, None)
        if store is not None:
            store.shut_down()
            store.deleteLater()

    def shut_down(self) -> None:
        for store in self._stores.values():
            store.shut_down()
