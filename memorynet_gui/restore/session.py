"""The queue of the Restore page: photos, their states and what became of them. No widgets, no pixels.

Items are frozen; a change replaces the item at its row and says so by a signal, so a snapshot for saving is
one list copy and a background thread can write it out while the queue goes on changing. Ten thousand files
enter in slices between which the event loop runs.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from memorynet_gui.base.background import Background
from memorynet_gui.restore.queue_item import Item, ItemState, Origin, read_queue, write_queue

log = logging.getLogger(__name__)

SLICE = 250  # files inserted per turn of the event loop: about 3 ms with the filmstrip attached
SAVE_DELAY_MS = 800
UNDO_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Summary:
    total: int
    waiting: int
    running: int
    done: int
    failed: int  # those that only ask something are not among them
    cancelled: int
    asking: int = 0  # what they show could not be told
    left: int = 0  # somebody said that they stay as they are

    @property
    def text(self) -> str:
        """ "6 photos · 1 done · 1 failed · 1 asks" """
        if not self.total:
            return ""
        parts = [f"{self.total:,} photo{'s' if self.total != 1 else ''}"]
        if self.done:
            parts.append(f"{self.done:,} done")
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.asking:
            parts.append(f"{self.asking:,} ask{'s' if self.asking == 1 else ''}")
        if self.cancelled:
            parts.append(f"{self.cancelled:,} cancelled")
        if self.left:
            parts.append(f"{self.left:,} left as {'it is' if self.left == 1 else 'they are'}")
        return " · ".join(parts)


@dataclass(frozen=True, slots=True)
class _Removed:
    """One undoable removal: the items with the rows they had, ascending."""

    rows: tuple[int, ...]
    items: tuple[Item, ...]
    current_id: str | None


class Session(QObject):
    """The queue. Rows are positions now; ids stay.

    ``file`` is where the queue is kept (None: nowhere, for tests). Signals come in the order a
    QAbstractListModel wants them: ``about_to_insert`` before and ``inserted`` after the list changes.
    """

    about_to_insert = Signal(int, int)  # first row, last row
    inserted = Signal()
    about_to_remove = Signal(int, int)
    removed = Signal()
    about_to_reset = Signal()
    was_reset = Signal()
    changed = Signal(int)  # row
    many_changed = Signal(int, int)  # first row, last row: some of these
    current_changed = Signal(object)  # Item or None: another photo is shown
    summary_changed = Signal()
    adding_finished = Signal(int, int)  # added, were there already
    notice = Signal(str)  # a sentence for the banner
    loaded = Signal()

    def __init__(self, file: Path | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._file = file
        self._items: list[Item] = []
        self._rows: dict[str, int] | None = {}
        self._paths: dict[Path, str] = {}
        self._counts: Counter[ItemState] = Counter()
        self._asking = 0
        self._current_id: str | None = None
        self._undo: deque[_Removed] = deque(maxlen=UNDO_DEPTH)
        self._redo: deque[tuple[str, ...]] = deque(maxlen=UNDO_DEPTH)
        self._pending: deque[tuple[Path, Origin]] = deque()
        self._added = self._known = 0
        self._first_known: Path | None = None
        self._select_first_added = False
        self._slicer = QTimer(self)
        self._slicer.setInterval(0)
        self._slicer.timeout.connect(self._insert_slice)
        self._may_save = file is not None
        self._saver = QTimer(self)
        self._saver.setSingleShot(True)
        self._saver.setInterval(SAVE_DELAY_MS)
        self._saver.timeout.connect(self._save_in_background)
        self._disk = Background(self)

    # --- reading -----------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._items)

    def at(self, row: int) -> Item:
        return self._items[row]

    def items(self) -> tuple[Item, ...]:
        return tuple(self._items)

    def row_of(self, item_id: str) -> int | None:
        if self._rows is None:
            self._rows = {item.id: row for row, item in enumerate(self._items)}
        return self._rows.get(item_id)

    def get(self, item_id: str | None) -> Item | None:
        row = None if item_id is None else self.row_of(item_id)
        return None if row is None else self._items[row]

    def find(self, path: Path) -> Item | None:
        return self.get(self._paths.get(path))

    @property
    def current(self) -> Item | None:
        return self.get(self._current_id)

    @property
    def current_row(self) -> int | None:
        return None if self._current_id is None else self.row_of(self._current_id)

    @property
    def summary(self) -> Summary:
        count = self._counts
        return Summary(
            len(self._items),
            count[ItemState.WAITING],
            count[ItemState.RUNNING],
            count[ItemState.DONE],
            count[ItemState.FAILED] - self._asking,
            count[ItemState.CANCELLED],
            self._asking,
            count[ItemState.LEFT],
        )

    def _count(self, item: Item, by: int) -> None:
        self._counts[item.state] += by
        self._asking += by * item.asks

    def next_waiting(self) -> Item | None:
        """The photo to restore next: the current one when it waits, otherwise the first that does."""
        current = self.current
        if current is not None and current.state is ItemState.WAITING:
            return current
        if not self._counts[ItemState.WAITING]:
            return None
        return next(item for item in self._items if item.state is ItemState.WAITING)

    # --- adding ------------------------------------------------------------------------------

    def add(self, paths: Iterable[Path], origin: Origin = Origin.FILE, select: bool = True) -> None:
        """Append photos, each path once. The first slice is there on return, the rest between events."""
        if not self._pending:
            self._added = self._known = 0
            self._first_known = None
            self._select_first_added = select
        self._pending.extend((path, origin) for path in paths)
        if not self._slicer.isActive():
            self._insert_slice()
            if self._pending:
                self._slicer.start()

    def _insert_slice(self) -> None:
        batch: dict[Path, Item] = {}
        for _ in range(min(SLICE, len(self._pending))):
            path, origin = self._pending.popleft()
            if path in self._paths or path in batch:
                self._known += 1
                self._first_known = self._first_known or path
            else:
                batch[path] = Item(path, origin=origin)
        if batch:
            items = list(batch.values())
            self._insert(len(self._items), items)
            self._added += len(items)
            if self._select_first_added or self._current_id is None:
                self._select_first_added = False
                self.set_current(items[0].id)
        if not self._pending:
            self._slicer.stop()
            if not self._added and self._select_first_added and self._first_known is not None:
                known = self.find(self._first_known)
                if known is not None:
                    self.set_current(known.id)
            self.adding_finished.emit(self._added, self._known)

    def _insert(self, row: int, items: Sequence[Item]) -> None:
        self.about_to_insert.emit(row, row + len(items) - 1)
        appended = row == len(self._items)
        self._items[row:row] = items
        if appended and self._rows is not None:
            for offset, item in enumerate(items):
                self._rows[item.id] = row + offset
        else:
            self._rows = None
        for item in items:
            self._paths[item.path] = item.id
            self._count(item, 1)
        self.inserted.emit()
        self._touched()

    # --- changing ----------------------------------------------------------------------------

    def update(self, item_id: str, **changes: Any) -> Item | None:
        """Replace fields of one item. None when it has left the queue meanwhile."""
        row = self.row_of(item_id)
        if row is None:
            return None
        old = self._items[row]
        new = replace(old, **changes)
        if new == old:
            return new
        self._items[row] = new
        self._count(old, -1)
        self._count(new, 1)
        self.changed.emit(row)
        only_progress = not (set(changes) - {"tile", "tile_count", "seconds_left"})
        self._touched(save=not only_progress, summary=new.state is not old.state)
        return new

    def update_many(self, item_ids: Iterable[str], **changes: Any) -> int:
        """As :meth:`update` for many at once, told by one ``many_changed``. Returns how many changed."""
        rows = [row for row in map(self.row_of, item_ids) if row is not None]
        changed_rows = []
        for row in rows:
            old = self._items[row]
            new = replace(old, **changes)
            if new != old:
                self._items[row] = new
                self._count(old, -1)
                self._count(new, 1)
                changed_rows.append(row)
        if changed_rows:
            self.many_changed.emit(min(changed_rows), max(changed_rows))
            self._touched()
        return len(changed_rows)

    def set_waiting(self, item_ids: Iterable[str]) -> int:
        """Queue photos (again): failed, cancelled, finished ones and those left out become waiting. Running ones stay."""
        busy = (ItemState.RUNNING, ItemState.WAITING)
        again = [item.id for item in map(self.get, item_ids) if item is not None and item.state not in busy]
        return self.update_many(again, state=ItemState.WAITING, problem=None, left="", tile=0, tile_count=0)

    def set_current(self, item_id: str | None) -> None:
        if item_id is not None and self.row_of(item_id) is None:
            raise KeyError(f"no item {item_id} in the queue")
        if item_id == self._current_id:
            return
        self._current_id = item_id
        self.current_changed.emit(self.current)
        self._touched(summary=False)

    def step(self, by: int) -> None:
        """Make the neighbour ``by`` rows away the current photo; stops at the ends."""
        if not self._items:
            return
        row = self.current_row
        target = 0 if row is None else min(max(row + by, 0), len(self._items) - 1)
        self.set_current(self._items[target].id)

    # --- removing and undo -------------------------------------------------------------------

    def remove(self, item_ids: Iterable[str]) -> int:
        """Take photos off the queue (files stay). A running one must be cancelled first and is left.

        Returns how many went; one :meth:`undo` brings them back.
        """
        self._redo.clear()
        return self._remove(set(item_ids))

    def _remove(self, wanted: set[str]) -> int:
        gone = [
            (row, item)
            for row, item in enumerate(self._items)
            if item.id in wanted and item.state is not ItemState.RUNNING
        ]
        if not gone:
            return 0
        rows = tuple(row for row, _ in gone)
        self._undo.append(_Removed(rows, tuple(item for _, item in gone), self._current_id))
        lost_current = any(item.id == self._current_id for _, item in gone)
        ranges = _ranges(rows)
        if len(ranges) > 64:  # a view lays itself out again after every range
            going = set(rows)
            self.about_to_reset.emit()
            self._items = [item for row, item in enumerate(self._items) if row not in going]
            self._rows = None
            self.was_reset.emit()
        else:
            for first, last in reversed(ranges):
                self.about_to_remove.emit(first, last)
                del self._items[first : last + 1]
                self._rows = None
                self.removed.emit()
        for _, item in gone:
            self._paths.pop(item.path, None)
            self._count(item, -1)
        if lost_current:
            row = min(rows[0], len(self._items) - 1)
            self._current_id = self._items[row].id if row >= 0 else None
            self.current_changed.emit(self.current)
        self._touched()
        return len(gone)

    @property
    def can_undo(self) -> bool:
        return bool(self._undo)

    def undo(self) -> int:
        """Bring back what the last :meth:`remove` took. Returns how many came."""
        if not self._undo:
            return 0
        back = self._undo.pop()
        pairs = [
            (row, item)
            for row, item in zip(back.rows, back.items, strict=True)
            if item.path not in self._paths  # added again by hand meanwhile
        ]
        if not pairs:
            return 0
        if len(_ranges([row for row, _ in pairs])) > 64:
            self.about_to_reset.emit()
            for row, item in pairs:
                self._items.insert(min(row, len(self._items)), item)
            for _, item in pairs:
                self._paths[item.path] = item.id
                self._count(item, 1)
            self._rows = None
            self.was_reset.emit()
            self._touched()
        else:
            for first, last in _ranges([row for row, _ in pairs]):
                batch = [item for row, item in pairs if first <= row <= last]
                self._insert(min(first, len(self._items)), batch)
        self._redo.append(tuple(item.id for _, item in pairs))
        wanted = back.current_id if back.current_id in {item.id for _, item in pairs} else pairs[0][1].id
        self.set_current(wanted)
        return len(pairs)

    @property
    def can_redo(self) -> bool:
        return bool(self._redo)

    def redo(self) -> int:
        """Remove again what :meth:`undo` brought back last. Returns how many went."""
        return self._remove(set(self._redo.pop())) if self._redo else 0

    def known_ids(self) -> set[str]:
        """Ids in the queue or still within reach of undo, and keys of what is put aside: their results must not be thrown
        away."""
        items = [*self._items, *(item for removed in self._undo for item in removed.items)]
        return {item.id for item in items} | {item.kept.key for item in items if item.kept is not None}

    # --- keeping -----------------------------------------------------------------------------

    def _touched(self, save: bool = True, summary: bool = True) -> None:
        if summary:
            self.summary_changed.emit()
        if save and self._may_save and not self._saver.isActive():
            self._saver.start()

    def _snapshot(self) -> tuple[list[Item], str | None]:
        waiting = (Item(path, origin=origin) for path, origin in self._pending if path not in self._paths)
        return [*self._items, *waiting], self._current_id

    def _save_in_background(self) -> None:
        assert self._file is not None
        if self._disk.busy:
            self._saver.start()  # a write is under way; this snapshot would only queue up behind it
            return
        file, (items, current) = self._file, self._snapshot()
        self._disk.call(lambda: write_queue(file, items, current), failed=self._not_written)

    def _not_written(self, error: Exception) -> None:
        """The queue lives on in memory, and every change tries again."""
        log.warning("the queue could not be written to %s: %s", self._file, error)

    def save(self) -> None:
        """Write the queue now and wait for it. Raises OSError. Nothing happens without a file."""
        self._saver.stop()
        self._disk.wait()
        if self._file is not None and self._may_save:
            write_queue(self._file, *self._snapshot())

    def load(self) -> None:
        """Read the queue of last time, in front of what is there already; a damaged file is set aside."""
        if self._file is not None:
            self._take_loaded(*read_queue(self._file))

    def load_in_background(self) -> None:
        """As :meth:`load` off this thread; ``loaded`` follows. Nothing is saved before that."""
        if self._file is None:
            self.loaded.emit()
            return
        self._may_save = False
        file = self._file
        self._disk.call(lambda: read_queue(file), lambda found: self._take_loaded(*found))

    def _take_loaded(self, items: list[Item], current_id: str | None, notice: str) -> None:
        ids = self.known_ids()
        fresh = [item for item in items if item.path not in self._paths and item.id not in ids]
        had_current = self._current_id is not None
        for start in range(0, len(fresh), SLICE * 8):
            self._insert(start, fresh[start : start + SLICE * 8])
        self._may_save = self._file is not None
        if not had_current and fresh:
            known = current_id is not None and self.row_of(current_id) is not None
            self.set_current(current_id if known else fresh[0].id)
        if notice:
            self.notice.emit(notice)
        self.loaded.emit()


def _ranges(rows: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending rows as runs: [1, 2, 3, 7] -> [(1, 3), (7, 7)]."""
    runs: list[tuple[int, int]] = []
    for row in rows:
        if runs and runs[-1][1] == row - 1:
            runs[-1] = (runs[-1][0], row)
        else:
            runs.append((row, row))
    return runs
