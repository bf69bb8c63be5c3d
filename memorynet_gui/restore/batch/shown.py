"""Which photos of the queue the strip shows, and in which order. The queue itself stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QModelIndex,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Signal,
)

from core.images.find import natural_key
from memorynet_gui.restore.queue_item import Item, ItemState

Index = QModelIndex | QPersistentModelIndex

ALL, ADDED = "all", "added"


def found(item: Item) -> str | None:
    """ "much", "little" or "nothing", restored or only looked at; None: nobody can say."""
    if item.state is ItemState.DONE and item.result is not None:
        return item.result.made.verdict.found
    return item.look.verdict.found if item.look is not None else None


_NOT_RESTORED = (ItemState.WAITING, ItemState.CANCELLED, ItemState.LEFT)
FILTERS: Mapping[str, tuple[str, Callable[[Item], bool]]] = MappingProxyType(
    {
        ALL: ("All photos", lambda _item: True),
        "todo": ("Not restored", lambda item: item.state in _NOT_RESTORED),
        "failed": ("Need a look", lambda item: item.state is ItemState.FAILED),
        "unsaved": ("Not saved", lambda item: item.wants_saving),
        "nothing": ("Nothing found", lambda item: found(item) == "nothing"),
    }
)
"""Key -> what it is called, and which photos it keeps."""

_name_key = lru_cache(maxsize=1 << 15)(natural_key)
_FOUND = {"much": 0, "little": 1, "nothing": 2, None: 3}
_STATES = {
    ItemState.RUNNING: 0,
    ItemState.FAILED: 1,
    ItemState.CANCELLED: 2,
    ItemState.WAITING: 3,
    ItemState.DONE: 4,
    ItemState.LEFT: 5,
}
ORDERS: Mapping[str, tuple[str, Callable[[Item], Any] | None]] = MappingProxyType(
    {
        ADDED: ("As added", None),
        "name": ("By name", lambda item: _name_key(item.name)),
        "found": ("By what was found", lambda item: _FOUND[found(item)]),
        "state": ("By state", lambda item: (_STATES[item.state], item.is_saved)),
    }
)
"""Key -> what it is called, and by what it sorts; equal ones stay in the order of the queue."""


class Shown(QSortFilterProxyModel):
    """Between the queue's model and the strip's list."""

    changed = Signal()  # filter, order, or how many it shows

    def __init__(self, source: QAbstractItemModel, item_at: Callable[[int], Item]) -> None:
        super().__init__(source)
        self._item_at = item_at
        self.filter, self.order = ALL, ADDED
        self.setSourceModel(source)
        for signal in (self.rowsInserted, self.rowsRemoved, self.modelReset):
            signal.connect(lambda *_: self.changed.emit())

    def show_only(self, name: str) -> None:
        """A key of FILTERS."""
        self.beginFilterChange()
        self.filter = name
        self.endFilterChange()
        self.changed.emit()

    def sort_by(self, name: str) -> None:
        """A key of ORDERS."""
        self.order = name
        self.invalidate()
        self.sort(-1 if name == ADDED else 0)
        self.changed.emit()

    def filterAcceptsRow(self, row: int, _parent: Index) -> bool:
        return FILTERS[self.filter][1](self._item_at(row))

    def lessThan(self, left: Index, right: Index) -> bool:
        key = ORDERS[self.order][1]
        if key is None:
            return left.row() < right.row()
        first, second = key(self._item_at(left.row())), key(self._item_at(right.row()))
        return bool((first, left.row()) < (second, right.row()))
