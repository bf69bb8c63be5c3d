"""Before a batch of shadow photos is restored: the mask of each is guessed and looked at, used, corrected or left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from core import tasks
from core.restoring.records import Choice
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.problems import Problem, describe
from memorynet_gui.restore.mask_store import MaskStore
from memorynet_gui.restore.masks.guessing import LookingFor, Seen, Wanted, look_for_shadows, small
from memorynet_gui.restore.queue_item import Item, ItemState
from memorynet_gui.restore.session import Session


class TileState(StrEnum):
    WAITS = "waits"  # not looked at yet
    LOOKS = "looks"
    GUESS = "guess"  # what the program takes for the shadow, nobody has looked at it
    NONE = "none"  # no cast shadow found
    USED = "used"  # accepted
    OWN = "own"  # painted or corrected
    OUT = "out"  # left out of this run
    FAILED = "failed"  # cannot be looked at


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One photo of the batch with its mask."""

    item_id: str
    path: Path
    state: TileState = TileState.WAITS
    mask: str = ""  # a name in the store
    share: float = 0.0  # of the photo in shadow, 0..1
    small: np.ndarray | None = None  # (h, w) uint8, what is drawn over the thumbnail
    problem: Problem | None = None
    before: TileState = TileState.WAITS  # of a tile that is left out: what it was

    @property
    def words(self) -> str:
        share = f"{100 * self.share:.0f} %" if self.share >= 0.01 else "less than 1 %"
        return {
            TileState.WAITS: "not looked at yet",
            TileState.LOOKS: "looking…",
            TileState.GUESS: f"guess: {share} in shadow",
            TileState.NONE: "no cast shadow found",
            TileState.USED: f"guess accepted: {share} in shadow",
            TileState.OWN: f"drawn by you: {share} in shadow",
            TileState.OUT: "not here: stays as it is",
            TileState.FAILED: "cannot be looked at",
        }[self.state]


_MASKED = (TileState.GUESS, TileState.USED, TileState.OWN)


class GuessReview(QObject):
    """``begin`` takes over a batch before it runs; ``go`` gives it on as ``wanted``, with the masks kept by the photos.

    The guesses are made by the window's one worker. What is guessed is known until the model changes, so that coming
    back is at once. Where each photo says what it needs, those that somebody called shadows are looked at, and the
    others of the batch go along. ``choice_of`` is what is chosen for a task then.
    """

    opened = Signal()
    closed = Signal()
    reset = Signal()  # other tiles
    changed = Signal(int)  # row of a tile
    counted = Signal()  # what can be said of all of them
    wanted = Signal(object, object)  # item ids to be restored, Choice

    def __init__(
        self,
        context: AppContext,
        session: Session,
        store: MaskStore,
        choice_of: Callable[[str], Choice],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._context, self._session, self._store, self._choice_of = context, session, store, choice_of
        self.tiles: list[Tile] = []
        self._rows: dict[str, int] = {}
        self._batch: list[str] = []  # all that were to be restored, also those without a tile
        self._choice: Choice | None = None  # of the batch
        self._guesses: Choice | None = None  # what guesses are made with
        self._known: dict[str, Seen] = {}  # of guesses made for ``_guesses``
        self._ours = False  # whether the worker's job is ours
        self._runs_after = False  # asked to restore while the guesses were still being made
        self._number = self._count = 0
        self._began = 0.0
        runner = context.runner
        runner.event.connect(self._event)
        runner.finished.connect(self._finished)
        runner.failed.connect(self._failed)
        runner.ended.connect(self._ended)
        session.removed.connect(self._drop_removed)
        session.was_reset.connect(self._drop_removed)

    # --- state -----------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        return bool(self.tiles)

    @property
    def looking(self) -> bool:
        """Whether guesses are being made."""
        return self._ours

    @property
    def progress(self) -> tuple[int, int]:
        """How many have been looked at, of how many; (0, 0): nothing is being looked for."""
        return (self._number - 1, self._count) if self._ours and self._number else (0, self._count)

    def count(self, *states: TileState) -> int:
        return sum(tile.state in states for tile in self.tiles)

    @property
    def words(self) -> str:
        """Of all: "12 photos · 9 with a shadow · 2 without · 1 not here"."""
        total = len(self.tiles)
        parts = [f"{total:,} photo{'s' if total != 1 else ''}"]
        for count, what in (
            (self.count(*_MASKED), "with a shadow"),
            (self.count(TileState.NONE), "without"),
            (self.count(TileState.OUT), "not here"),
            (self.count(TileState.FAILED), "cannot be looked at"),
            (self.count(TileState.WAITS, TileState.LOOKS), "not looked at yet"),
        ):
            if count:
                parts.append(f"{count:,} {what}")
        if self._others:
            parts.append(f"{self._others:,} more for what they show")
        return " · ".join(parts)

    @property
    def _others(self) -> int:
        """How many of the batch go along without a tile."""
        return len(self._batch) - len(self.tiles)

    def fits(self, choice: Choice) -> bool:
        """Whether what is guessed is what this choice would guess: scale and device do not matter."""
        now, then = self._choice, self._guesses
        if now is None or then is None or now.task != choice.task:
            return False
        return (choice if choice.task == then.task else self._choice_of(then.task)).model == then.model

    def take(self, choice: Choice) -> None:
        """What the batch is to be restored with, where that guesses the same."""
        if self.fits(choice):
            self._choice = choice

    @property
    def to_restore(self) -> int:
        return len(self._batch) - self.count(TileState.OUT)

    def shut_down(self) -> None:
        if self._ours:
            self._context.runner.shut_down()

    # --- beginning and ending ----------------------------------------------------------------------

    def begin(self, item_ids: Sequence[str], choice: Choice) -> bool:
        """Take over a batch; False where there is nothing to look at first: one photo, other damage, or all painted."""
        batch = [item for item in map(self._session.get, item_ids) if item is not None]
        batch = [item for item in batch if item.state is not ItemState.RUNNING]
        masked = [(item, task) for item in batch if tasks.of(task := self._task(item, choice)).can_guess]
        items = [item for item, task in masked if task == masked[0][1]]
        wants = len(items) > 1 and not all(item.mask for item in items)
        if self.active or not wants or self._context.runner.busy:
            return False
        if not self.fits(choice):
            self._known.clear()
        task = masked[0][1]
        self._choice, self._guesses = choice, choice if choice.task == task else self._choice_of(task)
        self._batch = [item.id for item in batch]
        self.tiles = [self._tile(item) for item in items]
        self._rows = {tile.item_id: row for row, tile in enumerate(self.tiles)}
        self.reset.emit()
        self.opened.emit()
        self.look()
        return True

    @staticmethod
    def _task(item: Item, choice: Choice) -> str:
        return item.said if choice.task == tasks.AUTO and item.said else choice.task

    def _tile(self, item: Item) -> Tile:
        tile = Tile(item.id, item.path)
        seen = None if item.mask else self._known.get(item.id)
        return tile if seen is None else self._as_seen(tile, seen)

    def look(self) -> None:
        """Make the guesses that are not made yet."""
        runner, choice = self._context.runner, self._guesses
        wanted = [
            Wanted(tile.item_id, tile.path, item.mask)
            for tile, item in ((tile, self._session.get(tile.item_id)) for tile in self.tiles)
            if tile.state is TileState.WAITS and item is not None
        ]
        if not wanted or choice is None or runner.busy:
            self.counted.emit()
            return
        store = self._store
        self._ours, self._number, self._count = True, 0, len(wanted)
        self._began = time.monotonic()
        runner.start(lambda emit, control: look_for_shadows(wanted, choice, store, emit, control))
        self._tell()

    def stop(self) -> None:
        """No more guesses; those that are made stay."""
        if self._ours:
            self._context.runner.cancel()

    def close(self) -> None:
        """Back to the photos. What was accepted or corrected stays with them."""
        if not self.active:
            return
        self.stop()
        self._runs_after = False
        self._clear()

    def _clear(self) -> None:
        self.tiles, self._rows, self._batch = [], {}, []
        self.reset.emit()
        self.closed.emit()

    def go(self) -> None:
        """Restore all that is not left out, which the list then says of it; guesses that nobody has looked at are used as
        they are."""
        if not self.active:
            return
        if self._ours:  # the worker is free once it has stopped
            self._runs_after = True
            self.stop()
            return
        for tile in self.tiles:
            if tile.state is TileState.GUESS:
                self._session.update(tile.item_id, mask=tile.mask)
        out = {tile.item_id for tile in self.tiles if tile.state is TileState.OUT}
        ids = [item_id for item_id in self._batch if item_id not in out]
        choice = self._choice
        assert choice is not None
        items = [item for item in map(self._session.get, out) if item is not None]
        left = [item.id for item in items if item.state is not ItemState.DONE]
        self._session.update_many(left, state=ItemState.LEFT, left=choice.task, problem=None)
        self._clear()
        if ids:
            self.wanted.emit(ids, choice)

    # --- what is done with a tile ------------------------------------------------------------------

    def tile(self, item_id: str) -> Tile | None:
        row = self._rows.get(item_id)
        return None if row is None else self.tiles[row]

    def accept(self, item_id: str) -> None:
        """Its guess is right; one that was left out is back."""
        tile = self.tile(item_id)
        if tile is None:
            return
        if tile.state is TileState.OUT:
            tile = replace(tile, state=tile.before)
        if tile.state is TileState.GUESS:
            tile = replace(tile, state=TileState.USED)
            self._session.update(item_id, mask=tile.mask)
        self._put(tile)
        if tile.state is TileState.WAITS:
            self.look()

    def leave_out(self, item_id: str) -> None:
        """Not this one: nothing of it is taken for shadow, and it stays as it is. Said again, it is back."""
        tile = self.tile(item_id)
        if tile is None:
            return
        if tile.state is TileState.OUT:
            self._put(replace(tile, state=tile.before))
            return
        before = tile.state
        if before is TileState.USED:
            self._session.update(item_id, mask="")
            before = TileState.GUESS
        self._put(replace(tile, state=TileState.OUT, before=before))

    def prepare(self, item_id: str) -> None:
        """Before it is corrected by hand: its guess becomes the photo's mask."""
        tile = self.tile(item_id)
        if tile is not None and tile.mask and tile.state in (TileState.GUESS, TileState.OUT):
            self.accept(item_id)

    def follow(self) -> None:
        """Masks were painted elsewhere: tiles show what their photos have now."""
        for tile in list(self.tiles):
            item = self._session.get(tile.item_id)
            if item is None:
                continue
            if item.mask and item.mask != tile.mask:
                self._put(self._own(tile, item.mask))
            elif not item.mask and tile.state in (TileState.USED, TileState.OWN):
                # nothing is left of it: not to be guessed again behind the person's back
                bare = replace(tile, mask="", small=None, share=0.0)
                self._put(replace(bare, state=TileState.OUT, before=TileState.WAITS))

    def _own(self, tile: Tile, name: str) -> Tile:
        from core.data.guidance import share_of

        try:
            mask = self._store.get(name)
        except Exception as error:  # a file that went is told on its tile
            return replace(tile, state=TileState.FAILED, problem=describe(error))
        own = replace(tile, state=TileState.OWN, mask=name, problem=None)
        return replace(own, small=small(mask), share=share_of(mask))

    def _put(self, tile: Tile) -> None:
        row = self._rows.get(tile.item_id)
        if row is not None:
            self.tiles[row] = tile
            self.changed.emit(row)
            self.counted.emit()

    def _drop_removed(self) -> None:
        if self.active:
            self.tiles = [tile for tile in self.tiles if self._session.get(tile.item_id) is not None]
            self._rows = {tile.item_id: row for row, tile in enumerate(self.tiles)}
            self._batch = [item_id for item_id in self._batch if self._session.get(item_id) is not None]
            self.reset.emit()
            if not self.tiles:
                self._clear()

    # --- the worker ------------------------------------------------------------------------------

    def _event(self, event: Any) -> None:
        if not self._ours:
            return
        if isinstance(event, LookingFor):
            self._number = event.number
            tile = self.tile(event.item_id)
            if tile is not None and tile.state is TileState.WAITS:
                self._put(replace(tile, state=TileState.LOOKS))
            self._tell()
        elif isinstance(event, Seen):
            item = self._session.get(event.item_id)
            if item is not None and not item.mask and event.problem is None:
                self._known[event.item_id] = event
            tile = self.tile(event.item_id)
            if tile is not None and tile.state is TileState.LOOKS:
                self._put(self._as_seen(tile, event))
            elif tile is not None and tile.state is TileState.OUT and tile.before is TileState.LOOKS:
                seen = self._as_seen(tile, event)
                self._put(replace(seen, state=TileState.OUT, before=seen.state))

    def _as_seen(self, tile: Tile, seen: Seen) -> Tile:
        item = self._session.get(tile.item_id)
        if seen.problem is not None:
            state = TileState.FAILED
        elif not seen.mask:
            state = TileState.NONE
        else:
            state = TileState.OWN if item is not None and item.mask == seen.mask else TileState.GUESS
        return replace(
            tile, state=state, mask=seen.mask, share=seen.share, small=seen.small, problem=seen.problem
        )

    def _tell(self) -> None:
        """How far it is, in the job bar and above the tiles."""
        done, count = max(self._number - 1, 0), self._count
        left = (time.monotonic() - self._began) / done * (count - done) if done else None
        self._context.job_bar.set_job(
            f"Looking for shadows · {min(done + 1, count)} of {count}", done / count, left
        )
        self.counted.emit()

    def _finished(self, can: Any) -> None:
        if self._ours and can is False and self.active:  # a model without masks: there is nothing to look at
            self._runs_after = True

    def _failed(self, error: Any) -> None:
        if self._ours:
            self._context.banner(f"Shadows could not be looked for. {describe(error).sentence}")

    def _ended(self) -> None:
        """However it ended, the worker is free: what was being looked at waits again."""
        if not self._ours:
            return
        self._ours, self._number, self._count = False, 0, 0
        self._context.job_bar.clear_job()
        for tile in list(self.tiles):
            if tile.state is TileState.LOOKS:
                self._put(replace(tile, state=TileState.WAITS))
            elif tile.before is TileState.LOOKS:
                self._put(replace(tile, before=TileState.WAITS))
        self.counted.emit()
        if self._runs_after:
            self._runs_after = False
            self.go()
