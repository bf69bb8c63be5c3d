"""Runs the queue: one photo at a time through the runner, what comes back goes into the session.

A batch's choices are frozen when it starts; photos added while it runs join it. One photo that fails becomes a
row with a sentence, and the batch goes on. What would fail every photo alike (model, device) stops it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QObject, Signal

from core.events import LadderStep, Notice, PassTile, RestoreStarted
from core.restoring.records import Choice
from memorynet_gui.base.jobs import JobRunner
from memorynet_gui.base.problems import describe
from memorynet_gui.restore.job import RestoreOrder, RestoreOutcome, TileShown, restore_photo
from memorynet_gui.restore.mask_store import MaskStore
from memorynet_gui.restore.queue_item import Item, ItemState
from memorynet_gui.restore.results import ResultStore
from memorynet_gui.restore.session import Session

Region = tuple[int, int, int, int]

FIRST_GUESS_BYTES = 72_000_000  # a 24-megapixel photo
_SAME_FOR_ALL = frozenset(
    {
        ("core.model.checkpoint", "CheckpointError"),
        ("core.model.catalog", "CatalogError"),
        ("core.model.tensors", "DeviceError"),
        ("core.restoring.records", "RestoreError"),
    }
)


class RestoreFlow(QObject):
    """``run_all`` and ``run_one`` start, ``cancel`` stops; states are the session's, pixels come by signal."""

    tile_came = Signal(object)  # TileShown
    started = Signal(str)  # item id
    finished = Signal(object)  # RestoreOutcome
    failed = Signal(str)  # item id
    cancelled = Signal(str)  # item id
    told = Signal(str)  # a sentence for the banner
    stopped_by = Signal(object)  # Problem that ended the whole batch
    out_of_room = Signal()  # unsaved results fill their budget; the batch waits
    progressed = Signal()  # text(), share() or seconds_left() have changed
    idle = Signal()  # nothing runs any more

    def __init__(
        self,
        session: Session,
        runner: JobRunner,
        store: ResultStore,
        focus: Callable[[Item], Region | None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._runner, self._store, self._focus = session, runner, store, focus
        self.masks: MaskStore | None = None
        self._choice: Choice | None = None
        self._all = False
        self._first: dict[str, None] = {}  # asked for by name, in this order
        self._running_id: str | None = None
        self._tiles: list[TileShown] = []
        self._began = self._item_began = 0.0
        self._done_count = 0
        self._closing = self._ours = self._skipping = False
        self._last_bytes = FIRST_GUESS_BYTES
        runner.event.connect(self._event)
        runner.finished.connect(self._finished)
        runner.failed.connect(self._failed)
        runner.cancelled.connect(self._cancelled)
        runner.ended.connect(self._ended)

    # --- state -----------------------------------------------------------------------------------

    @property
    def running_id(self) -> str | None:
        return self._running_id

    @property
    def busy(self) -> bool:
        """From the start of a batch to its end, also between two photos."""
        return self._choice is not None

    def tiles(self, item_id: str) -> tuple[TileShown, ...]:
        """What has arrived of the photo being restored, for a canvas that comes to it late."""
        return tuple(self._tiles) if item_id == self._running_id else ()

    def text(self) -> str:
        """ "Restoring picos.jpg · 2 of 6 · tile 8 of 20" """
        item = self._session.get(self._running_id)
        if item is None:
            return ""
        parts = [f"Restoring {item.name}"]
        total = self._done_count + 1 + self._still_to_do()
        if total > 1:
            parts.append(f"{self._done_count + 1} of {total}")
        parts.append(f"tile {item.tile} of {item.tile_count}" if item.tile_count else "reading")
        return " · ".join(parts)

    def share(self) -> float | None:
        """0..1 of the whole batch; None until the first tile."""
        item = self._session.get(self._running_id)
        if item is None or not item.tile_count:
            return None if not self._done_count else self._done_count / self._total()
        return (self._done_count + item.tile / item.tile_count) / self._total()

    def seconds_left(self) -> float | None:
        """For the whole batch; from the photos done so far, else from the present one."""
        item = self._session.get(self._running_id)
        if item is None:
            return None
        now = time.monotonic()
        here = item.seconds_left
        if self._done_count:
            each = (self._item_began - self._began) / self._done_count
            if here is None:
                here = max(0.0, each - (now - self._item_began))
        elif here is None:
            return None
        else:
            each = now - self._item_began + here
        return here + each * self._still_to_do()

    def _still_to_do(self) -> int:
        return self._session.summary.waiting if self._all else len(self._first)

    def _total(self) -> int:
        return self._done_count + 1 + self._still_to_do()

    # --- asking ----------------------------------------------------------------------------------

    def run_all(self, choice: Choice) -> bool:
        """Restore every waiting photo. False when there is none or another job runs."""
        if self._session.next_waiting() is None or (not self.busy and self._refuse()):
            return False
        return self._begin(choice, everything=True)

    def _refuse(self) -> bool:
        """Whether another page's work has the runner; says so."""
        if self._runner.busy:
            self.told.emit("Something else is running. Wait for it or cancel it, then restore.")
        return self._runner.busy

    def run_these(self, item_ids: Iterable[str], choice: Choice) -> bool:
        """Restore these photos (again) now; while a batch runs, right after the present photo."""
        wanted = list(item_ids)
        if not self.busy and self._refuse():
            return False
        self._session.set_waiting(wanted)
        items = [item for item in map(self._session.get, wanted) if item is not None]
        self._first.update({item.id: None for item in items if item.state is ItemState.WAITING})
        return bool(self._first) and self._begin(choice, everything=False)

    def _begin(self, choice: Choice, everything: bool) -> bool:
        if self.busy:
            self._all = self._all or everything
            self.progressed.emit()
            return True
        self._choice = choice
        self._all = everything
        self._began = time.monotonic()
        self._done_count = 0
        self._next()
        return self.busy

    def shut_down(self) -> None:
        """Cancel and wait; the photo at hand waits for the next start."""
        self._closing = True
        if self.busy:
            self.cancel()
            self._runner.shut_down()

    def cancel(self) -> None:
        """Stop the present photo and the batch; what was finished is kept."""
        if self.busy:
            self._skipping = False
            self._forget_asked()
            self._runner.cancel()

    def skip(self) -> None:
        """Stop the present photo only; the batch goes on with the next."""
        if self.busy:
            self._skipping = True
            self._runner.cancel()

    # --- one after the other ---------------------------------------------------------------------

    def _next(self) -> None:
        item = self._take()
        if item is None or self._choice is None:
            self._all = False
            self._choice = None
            self.idle.emit()
            return
        if not self._store.has_room(self._last_bytes):
            self._forget_asked()
            self._choice = None
            self.out_of_room.emit()
            self.idle.emit()
            return
        order = RestoreOrder(item, self._choice, self._focus(item), self._store, self.masks)
        self._running_id = item.id
        self._skipping = False
        self._ours = True
        self._tiles = []
        self._item_began = time.monotonic()
        self._session.update(
            item.id, state=ItemState.RUNNING, tile=0, tile_count=0, seconds_left=None, problem=None
        )
        self._runner.start(lambda emit, control: restore_photo(order, emit, control))
        self.started.emit(item.id)
        self.progressed.emit()

    def _take(self) -> Item | None:
        while self._first:
            item_id = next(iter(self._first))
            del self._first[item_id]
            item = self._session.get(item_id)
            if item is not None and item.state is ItemState.WAITING:
                return item
        return self._session.next_waiting() if self._all else None

    def _event(self, event: Any) -> None:
        if self._running_id is None:
            return
        if isinstance(event, TileShown):
            self._tiles.append(event)
            self._session.update(
                event.item_id, tile=event.index, tile_count=event.count, seconds_left=event.seconds_left
            )
            self.tile_came.emit(event)
        elif isinstance(event, PassTile):
            self._session.update(
                self._running_id, tile=event.index, tile_count=event.count, seconds_left=event.seconds_left
            )
        elif isinstance(event, RestoreStarted):
            self._session.update(self._running_id, tile=0, tile_count=event.tile_count)
        elif isinstance(event, LadderStep):
            self.told.emit(
                f"Memory ran short, so it goes on with tiles of {event.tile_px} px on {event.device}."
            )
        elif isinstance(event, Notice):
            self.told.emit(event.text)
        else:
            return
        self.progressed.emit()

    def _release(self) -> str | None:
        item_id, self._running_id = self._running_id, None
        self._tiles = []
        return item_id

    def _finished(self, outcome: Any) -> None:
        if not isinstance(outcome, RestoreOutcome) or outcome.item_id != self._running_id:
            return
        item_id = self._release()
        assert item_id is not None
        before = self._session.get(item_id)
        saved = before.saved if before is not None else None
        self._session.update(
            item_id,
            state=ItemState.DONE,
            result=outcome.note,
            # what was saved of an earlier run is not this result, but the place may be used again
            saved=None if saved is None else replace(saved, strength_percent=None),
            receipt=(),
            tile=0,
            tile_count=0,
            seconds_left=None,
        )
        self._last_bytes = outcome.rgb.nbytes * (2 if outcome.note.bit_depth == 16 else 1)
        self._done_count += 1
        if outcome.kept_in_memory is not None:
            self.told.emit(
                f"The result of {self._name(item_id)} is kept in memory only: {outcome.kept_in_memory.what} "
                "Save it before you close."
            )
        self.finished.emit(outcome)

    def _failed(self, error: Any) -> None:
        item_id = self._release()
        if item_id is None:
            return
        problem = describe(error)
        kind = type(error)
        if (kind.__module__, kind.__qualname__) in _SAME_FOR_ALL:
            self._forget_asked()
            self._session.update(
                item_id,
                state=self._state_before(item_id, ItemState.WAITING),
                tile=0,
                tile_count=0,
                seconds_left=None,
            )
            self.cancelled.emit(item_id)
            self.stopped_by.emit(problem)
        else:
            self._session.update(
                item_id, state=ItemState.FAILED, problem=problem, tile=0, tile_count=0, seconds_left=None
            )
            self._done_count += 1
            self.failed.emit(item_id)

    def _cancelled(self) -> None:
        item_id = self._release()
        if item_id is None:
            return
        if self._skipping:
            self._skipping = False
        else:
            self._forget_asked()
        self._session.update(
            item_id,
            state=self._state_before(item_id, ItemState.WAITING if self._closing else ItemState.CANCELLED),
            tile=0,
            tile_count=0,
            seconds_left=None,
        )
        self.cancelled.emit(item_id)

    def _ended(self) -> None:
        """Only now is the runner free for the next photo, and everybody has heard of this one."""
        if self._ours:
            self._ours = False
            self._next()

    def _state_before(self, item_id: str, otherwise: ItemState) -> ItemState:
        """A photo that was restored before is still that when a second run was stopped."""
        item = self._session.get(item_id)
        kept = item is not None and item.result is not None and self._store.has(item_id)
        return ItemState.DONE if kept else otherwise

    def _forget_asked(self) -> None:
        self._all = False
        asked, self._first = self._first, {}
        waiting = [
            item
            for item in map(self._session.get, asked)
            if item is not None and item.state is ItemState.WAITING
        ]
        done = [item.id for item in waiting if item.result is not None and self._store.has(item.id)]
        self._session.update_many(done, state=ItemState.DONE)

    def _name(self, item_id: str) -> str:
        item = self._session.get(item_id)
        return item.name if item is not None else "a photo"
