"""What is done with the queue: restoring all or some of it, again where it failed, at one strength, and taking photos off it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QTimer, Signal

from core.restoring.records import Choice
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.words import clock
from memorynet_gui.restore.chooser import Chooser
from memorynet_gui.restore.flow import RestoreFlow
from memorynet_gui.restore.outdated import outdated
from memorynet_gui.restore.queue_item import ItemState
from memorynet_gui.restore.session import Session

_TICK_MS = 500  # the time left goes on between tiles
_SPREAD_MS = 250


class QueueWork(QObject):
    """Starts what the flow then does, and says how far it is."""

    changed = Signal()  # what the page shows is true no longer
    afresh = Signal(object)  # Item, whose file may have changed: what was decoded of it is out of date
    stopped_at = Signal(str)  # item id, still on the list
    time_left = Signal(str)

    def __init__(
        self,
        context: AppContext,
        session: Session,
        flow: RestoreFlow,
        chooser: Chooser,
        selected_ids: Callable[[], list[str]],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._context, self._session, self._flow, self._chooser = context, session, flow, chooser
        self._selected_ids = selected_ids
        self.look_first: Callable[[Sequence[str], Choice], bool] = lambda _ids, _choice: False
        # whether somebody looks at a batch before it runs, and gives it to run_these later
        self._removing: dict[str, int] = {}  # a photo that goes once it has stopped -> how many went with it
        self._take_back_offer: Callable[[], None] = lambda: None  # the banner with "Undo"
        self._tick = QTimer(self)
        self._tick.setInterval(_TICK_MS)
        self._tick.timeout.connect(self.say_progress)
        self._strength_for: list[str] = []
        self._spread = QTimer(self, singleShot=True, interval=_SPREAD_MS)
        self._spread.timeout.connect(self._spread_strength)

    def shut_down(self) -> None:
        self._tick.stop()
        self._spread.stop()

    def run_all(self) -> None:
        """Everything that is neither done nor in need of a look; what was cancelled is wanted again. Where all is done,
        what was done with other settings."""
        choice = self._chooser.choice_or_say()
        if choice is None:
            return
        if not self._flow.busy:
            cancelled = [item.id for item in self._session.items() if item.state is ItemState.CANCELLED]
            self._session.set_waiting(cancelled)
            if not self._session.summary.waiting:
                self._flow.run_these(outdated(self._session.items(), choice), choice)
                return
            waiting = [item.id for item in self._session.items() if item.state is ItemState.WAITING]
            if self.look_first(waiting, choice):
                return
        self._flow.run_all(choice)

    def run_one(self) -> None:
        """The shown photo; several when several are selected."""
        choice = self._chooser.choice_or_say()
        item = self._session.current
        if choice is None or item is None:
            return
        selected = self._selected_ids()
        wanted = selected if item.id in selected else [item.id]
        if self._flow.busy or not self.look_first(wanted, choice):
            self._flow.run_these(wanted, choice)

    def run_looked_at(self, item_ids: Sequence[str], choice: Choice) -> None:
        """Those of a batch that are to be restored after somebody has looked at it; all that wait: also what joins."""
        waiting = {item.id for item in self._session.items() if item.state is ItemState.WAITING}
        if waiting and waiting <= set(item_ids):
            self._session.set_waiting(item_ids)
            self._flow.run_all(choice)
        else:
            self._flow.run_these(item_ids, choice)

    def retry(self, item_ids: list[str]) -> None:
        choice = self._chooser.choice_or_say()
        if choice is None:
            return
        again = item_ids or [item.id for item in self._session.items() if item.can_be_retried]
        for item_id in again:
            item = self._session.get(item_id)
            if item is not None:
                self.afresh.emit(item)
        self._flow.run_these(again, choice)

    def started(self) -> None:
        self._tick.start()
        self.changed.emit()

    def stopped(self, item_id: str) -> None:
        if item_id in self._removing:
            self.ended(item_id)
        else:
            self.stopped_at.emit(item_id)

    def ended(self, item_id: str) -> None:
        """One way or the other: a photo that was to go once it had stopped goes now."""
        before = self._removing.pop(item_id, None)
        if before is not None:
            self._tell_removed(before, self._session.remove([item_id]))

    def idle(self) -> None:
        self._tick.stop()
        self.time_left.emit("")
        self._context.job_bar.clear_job()
        self.changed.emit()

    def say_progress(self) -> None:
        if not self._flow.busy:
            return
        left = self._flow.seconds_left()
        self._context.job_bar.set_job(self._flow.text(), self._flow.share(), left)
        self.time_left.emit("" if left is None else f"about {clock(left)} left")

    def spread_strength(self) -> None:
        """The strength of the shown photo has changed: several that are selected follow it."""
        current = self._session.current
        selected = self._selected_ids()
        if current is not None and len(selected) > 1 and current.id in selected:
            self._strength_for = selected
            self._spread.start()  # ten thousand photos need not follow every pixel of the slider

    def _spread_strength(self) -> None:
        """The other selected photos take the strength of the current one."""
        current = self._session.current
        if current is not None and current.id in self._strength_for:
            self._session.update_many(self._strength_for, strength_percent=current.strength_percent)

    def remove(self) -> None:
        wanted = self._selected_ids()
        current = self._session.current
        if not wanted and current is not None:
            wanted = [current.id]
        running = self._flow.running_id
        count = self._session.remove(wanted)
        if running is not None and running in wanted:  # it goes as soon as it has stopped
            self._removing[running] = count
            self._flow.skip()
        else:
            self._tell_removed(count)

    def _tell_removed(self, *counts: int) -> None:
        """One banner, whose "Undo" brings back what went at once and what went after it had stopped."""
        total = sum(counts)
        if not total:
            return
        steps = sum(count > 0 for count in counts)
        noun = "photo" if total == 1 else "photos"
        self._take_back_offer()
        self._take_back_offer = self._context.banner(
            f"{total:,} {noun} taken off the list; the files stay.", "Undo", lambda: self.undo(steps)
        )

    def undo(self, steps: int = 1) -> None:
        self._take_back_offer()  # it would undo something else now
        for _ in range(steps):
            self._session.undo()
