"""Runs the queue: one photo at a time through the runner, what comes back goes into the session.

A batch's choices are frozen when it starts; photos added while it runs join it. A photo asked for by name is restored
with what was chosen when it was asked for. One photo that fails becomes a row with a sentence, and the batch goes on.
What would fail every photo alike (model, device) stops it. Where there is no room for another result, the batch is held.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QObject, Signal

from core.events import LadderStep, Notice, PassTile, RestoreStarted
from core.restoring.records import Choice
from core.restoring.scales import AUTO
from memorynet_gui.base import pace
from memorynet_gui.base.jobs import JobRunner
from memorynet_gui.base.pace import Pace
from memorynet_gui.base.problems import describe
from memorynet_gui.base.taught_store import TaughtStore
from memorynet_gui.restore.job import RestoreOrder, RestoreOutcome, TileShown, restore_photo
from memorynet_gui.restore.mask_store import MaskStore
from memorynet_gui.restore.queue_item import Item, ItemState, choice_words
from memorynet_gui.restore.results import ResultStore
from memorynet_gui.restore.session import Session

Region = tuple[int, int, int, int]

FIRST_GUESS_BYTES = 72_000_000  # a 24-megapixel photo
_USUAL_PX = (4000, 3000)
_COUNTED_S = 1.0
_SAME_FOR_ALL = frozenset({"model", "catalog", "device", "request"})  # keys of problems


class RestoreFlow(QObject):
    """``run_all`` and ``run_one`` start, ``cancel`` stops; states are the session's, pixels come by signal."""

    tile_came = Signal(object)  # TileShown
    started = Signal(str)  # item id
    finished = Signal(object)  # RestoreOutcome
    failed = Signal(str)  # item id
    cancelled = Signal(str)  # item id
    told = Signal(str)  # a sentence for the banner
    stopped_by = Signal(object)  # Problem that ended the whole batch
    out_of_room = Signal()  # unsaved results fill their budget; the batch is held until go_on()
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
        self.taught: TaughtStore | None = None
        self.size_of: Callable[[Item], tuple[int, int] | None] = lambda _item: None  # of a photo that waits
        self._choice: Choice | None = None  # of the batch; of what was asked for first, where that is all
        self._running_choice: Choice | None = None
        self._all = False
        self._first: dict[str, Choice] = {}  # asked for by name, in this order
        self._held = False
        self._running_id: str | None = None
        self._tiles: list[TileShown] = []
        self._item_began = 0.0
        self._done_count = 0
        self._done_effort = 0.0  # of this batch, in megapixels; see memorynet_gui.base.pace
        self._pace = Pace()
        self._to_do: tuple[float, float] = (0.0, 0.0)  # effort of what waits, and until when that counts
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

    @property
    def held(self) -> bool:
        """Whether the batch waits for room: nothing runs, and :meth:`go_on` goes on."""
        return self._held

    @property
    def batch_choice(self) -> Choice | None:
        """What every photo that waits is restored with, also one that is added now; None: nothing runs by itself."""
        return self._choice if self._all else None

    def tiles(self, item_id: str) -> tuple[TileShown, ...]:
        """What has arrived of the photo being restored, for a canvas that comes to it late."""
        return tuple(self._tiles) if item_id == self._running_id else ()

    def text(self) -> str:
        """ "Remove rain · thoroughness +50 % · picos.jpg · 2 of 6" """
        if self._held:
            return f"Paused: save results to go on · {self.to_do:,} to do"
        item = self._session.get(self._running_id)
        if item is None or self._running_choice is None:
            return ""
        parts = [choice_words(self._running_choice), item.name]
        total = self._done_count + 1 + self.to_do
        if total > 1:
            parts.append(f"{self._done_count + 1} of {total}")
        if not item.tile_count:
            parts.append("reading")
        return " · ".join(parts)

    def share(self) -> float | None:
        """0..1 of the whole batch, by what it costs; None until the first tile."""
        item = self._session.get(self._running_id)
        here, to_do = self._effort_here(), self._effort_to_do()
        done = self._done_effort
        if item is not None and item.tile_count:
            done += here * item.tile / item.tile_count
        elif not self._held and not self._done_count:
            return None
        return done / max(self._done_effort + here + to_do, 1e-9)

    def seconds_left(self) -> float | None:
        """For the whole batch: what the present photo says, and what the others cost at the pace of those done."""
        item = self._session.get(self._running_id)
        if item is None:
            return None
        gone = time.monotonic() - self._item_began
        here, to_do = item.seconds_left, self._effort_to_do()
        if here is None:
            whole = self._pace.seconds(self._effort_here())
            if whole is None:
                return None
            here = max(0.0, whole - gone)
        others = self._pace.with_present(self._effort_here(), gone + here).seconds(to_do)
        return here + (others or 0.0)

    def _effort_here(self) -> float:
        item = self._session.get(self._running_id)
        if item is None or self._running_choice is None:
            return 0.0
        return self._effort(item, self._running_choice)

    def _effort(self, item: Item, choice: Choice) -> float:
        """What the photo costs; one whose size is not known counts as 12 megapixels."""
        width, height = self.size_of(item) or _USUAL_PX
        scale = choice.scale
        if scale == AUTO and item.look is not None:
            scale = item.look.verdict.scale
        return pace.effort(width, height, scale)

    def _effort_to_do(self) -> float:
        """Of all that waits; counted at most once a second, for ten thousand photos take a while."""
        effort, until = self._to_do
        now = time.monotonic()
        if now > until:
            effort = sum(self._effort(item, choice) for item, choice in self._waiting())
            self._to_do = (effort, now + _COUNTED_S)
        return effort

    def _waiting(self) -> Iterator[tuple[Item, Choice]]:
        """What is still to be restored, with what."""
        if self._all and self._choice is not None:
            for item in self._session.items():
                if item.state is ItemState.WAITING:
                    yield item, self._first.get(item.id, self._choice)
            return
        for item_id, choice in self._first.items():
            found = self._session.get(item_id)
            if found is not None:
                yield found, choice

    @property
    def to_do(self) -> int:
        """How many photos come after the present one."""
        return self._session.summary.waiting if self._all else len(self._first)

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
        self._first.update({item.id: choice for item in items if item.state is ItemState.WAITING})
        return bool(self._first) and self._begin(choice, everything=False)

    def _begin(self, choice: Choice, everything: bool) -> bool:
        if self.busy:
            if everything and not self._all:
                self._all, self._choice = True, choice
            elif everything and choice != self._choice:
                self.told.emit(
                    "The photos that wait are restored as the rest of them. Cancel first to change that."
                )
            self.progressed.emit()
            return True
        self._choice = choice
        self._all = everything
        self._done_count = 0
        self._done_effort = 0.0
        self._pace = Pace()
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
        if self._held:
            self._forget_asked()
            self._end()
        elif self.busy:
            self._skipping = False
            self._forget_asked()
            self._runner.cancel()

    def go_on(self) -> None:
        """A held batch tries again; it stays held while there is no room, or while other work has the runner."""
        if self._held and not self._runner.busy:
            self._held = False
            self._next()

    def skip(self) -> None:
        """Stop the present photo only; the batch goes on with the next."""
        if self.busy:
            self._skipping = True
            self._runner.cancel()

    # --- one after the other ---------------------------------------------------------------------

    def _next(self) -> None:
        item, choice = self._take()
        if item is None or choice is None:
            self._end()
            return
        if not self._store.has_room(self._last_bytes):
            self._first = {item.id: choice, **self._first}
            self._held = True
            self.out_of_room.emit()
            self.progressed.emit()
            return
        order = RestoreOrder(item, choice, self._focus(item), self._store, self.masks, self.taught)
        self._running_id, self._running_choice = item.id, choice
        self._skipping = False
        self._ours = True
        self._tiles = []
        self._item_began = time.monotonic()
        self._to_do = (0.0, 0.0)
        self._session.update(
            item.id, state=ItemState.RUNNING, tile=0, tile_count=0, seconds_left=None, problem=None
        )
        self._runner.start(lambda emit, control: restore_photo(order, emit, control))
        self.started.emit(item.id)
        self.progressed.emit()

    def _end(self) -> None:
        self._all = self._held = False
        self._choice = None
        self.idle.emit()

    def _take(self) -> tuple[Item | None, Choice | None]:
        while self._first:
            item_id = next(iter(self._first))
            choice = self._first.pop(item_id)
            item = self._session.get(item_id)
            if item is not None and item.state is ItemState.WAITING:
                return item, choice
        return (self._session.next_waiting() if self._all else None), self._choice

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
                f"Memory ran short, so it goes on with pieces of {event.tile_px} px on {event.device}."
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
        effort, seconds = self._effort_here(), time.monotonic() - self._item_began
        self._pace.measured(effort, seconds)
        self._done_effort += effort
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
        effort = self._effort_here()
        item_id = self._release()
        if item_id is None:
            return
        problem = describe(error)
        if problem.key in _SAME_FOR_ALL:
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
            self._done_effort += effort
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
