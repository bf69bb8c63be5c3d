"""Which results may make room for others, and which photos have none any more."""

from __future__ import annotations

from PySide6.QtCore import QObject

from memorynet_gui.restore.queue_item import Item, ItemState
from memorynet_gui.restore.results import ResultStore
from memorynet_gui.restore.session import Session


class Room(QObject):
    """Keeps the store true to the queue: a result that is saved as it is may go, one that is not never does by itself."""

    def __init__(self, session: Session, store: ResultStore, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._store = session, store
        session.changed.connect(lambda row: self._look_at(session.at(row)))
        session.many_changed.connect(self._look_at_rows)

    def read(self) -> None:
        """The queue of last time is there: what its photos say they have is compared with what lies on the disk."""
        for item in self._session.items():
            self._store.set_expendable(item.id, item.state is ItemState.DONE and not item.wants_saving)
            if item.state is ItemState.DONE and not item.is_saved and not self._store.has(item.id):
                self._session.update(item.id, state=ItemState.WAITING)  # its result is gone: make it anew
            if item.kept is not None and not self._store.has(item.kept.key):
                self._session.update(item.id, kept=None)
        self.sweep()

    def sweep(self) -> None:
        """Forget the results of photos that are no longer in the queue."""
        self._store.keep_only(self._session.known_ids())

    def _look_at_rows(self, first: int, last: int) -> None:
        for row in range(first, last + 1):
            self._look_at(self._session.at(row))

    def _look_at(self, item: Item) -> None:
        if item.state is ItemState.DONE:
            self._store.set_expendable(item.id, not item.wants_saving)
