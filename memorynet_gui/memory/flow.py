"""The Memory page's orders to the window's one worker: the newest of a kind counts, and what matters goes first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal

from core.jobs import Emit, JobControl
from memorynet_gui.base.jobs import JobRunner

KINDS = (
    "open",
    "preview",
    "place",
    "other",
    "base",
    "twin",
    "whole",
    "after",
    "model",
    "map",
    "slots",
    "usage",
)
"""Orders by importance: a kind that stands before the one at work takes its place."""


@dataclass(frozen=True, slots=True)
class _Order:
    kind: str
    job: Callable[[Emit, JobControl], Any]
    then: Callable[[Any], object]
    number: int


class MemoryFlow(QObject):
    """``want`` gives an order; an order of the same kind that waits or is at work is given up for it.

    While somebody else's job has the worker, orders wait. One that a more important order pushed aside is done anew
    after it.
    """

    event = Signal(str, object)  # type: ignore[assignment]  # kind, event: hides QObject.event()
    failed = Signal(str, object)  # kind, exception
    changed = Signal()  # busy, kind or waits may have changed

    def __init__(self, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._wanted: dict[str, _Order] = {}
        self._running: _Order | None = None
        self._is_dropped = False  # nobody wants the answer of what runs any more
        self._numbers = 0
        self._is_awake = False
        runner.event.connect(self._event)
        runner.finished.connect(self._finished)
        runner.failed.connect(self._failed)
        runner.cancelled.connect(self._cancelled)
        runner.ended.connect(self._next)

    # --- state -----------------------------------------------------------------------------------

    @property
    def kind(self) -> str:
        """Of what runs, "" when nothing of ours does."""
        return self._running.kind if self._running is not None and not self._is_dropped else ""

    @property
    def busy(self) -> bool:
        return bool(self.kind) or bool(self._wanted)

    @property
    def waits(self) -> bool:
        """Whether another page's work holds ours up."""
        return bool(self._wanted) and self._running is None and self._runner.busy

    def is_open(self, *kinds: str) -> bool:
        """Whether an order of one of these kinds waits or runs."""
        return any(kind in self._wanted or kind == self.kind for kind in kinds)

    # --- asking ----------------------------------------------------------------------------------

    def want(self, kind: str, job: Callable[[Emit, JobControl], Any], then: Callable[[Any], object]) -> None:
        """Run ``job`` when its turn comes; ``then(result)`` follows, or :attr:`failed`. Raises ValueError: no such kind."""
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r}: known are {', '.join(KINDS)}")
        self._numbers += 1
        self._wanted[kind] = _Order(kind, job, then, self._numbers)
        running = self._running
        if running is not None and KINDS.index(kind) <= KINDS.index(running.kind):
            if kind != running.kind and not self._is_dropped and running.kind not in self._wanted:
                self._wanted[running.kind] = running
            self._is_dropped = True
            self._runner.cancel()
        self._next()
        self.changed.emit()

    def drop(self, *kinds: str) -> None:
        """Give up orders of these kinds, of all when none is named."""
        for kind in kinds or KINDS:
            self._wanted.pop(kind, None)
        if self._running is not None and not self._is_dropped and self._running.kind in (kinds or KINDS):
            self._is_dropped = True
            self._runner.cancel()
        self.changed.emit()

    def wake(self) -> None:
        """The page shows: go on with what waits."""
        self._is_awake = True
        self._next()

    def rest(self) -> None:
        """The page is hidden: the worker is for others. What was at work is done anew when it shows again."""
        self._is_awake = False
        running = self._running
        if running is not None:
            if not self._is_dropped:
                self._wanted.setdefault(running.kind, running)
            self._is_dropped = True
            self._runner.cancel()

    def shut_down(self) -> None:
        self._is_awake = False
        self._wanted.clear()
        if self._running is not None:
            self._is_dropped = True
            self._runner.shut_down()

    # --- the worker ------------------------------------------------------------------------------

    def _next(self) -> None:
        if not self._is_awake or self._running is not None or self._runner.busy or not self._wanted:
            return
        kind = min(self._wanted, key=KINDS.index)
        order = self._wanted.pop(kind)
        self._running, self._is_dropped = order, False
        self._runner.start(order.job)
        self.changed.emit()

    def _event(self, event: object) -> None:
        if self._running is not None and not self._is_dropped:
            self.event.emit(self._running.kind, event)

    def _release(self) -> _Order | None:
        """What ran, or None when it was not ours or nobody wants it any more."""
        order, self._running = self._running, None
        dropped, self._is_dropped = self._is_dropped, False
        return None if dropped else order

    def _finished(self, result: Any) -> None:
        order = self._release()
        if order is not None:
            order.then(result)
        self.changed.emit()

    def _failed(self, error: BaseException) -> None:
        order = self._release()
        if order is not None:
            self.failed.emit(order.kind, error)
        self.changed.emit()

    def _cancelled(self) -> None:
        self._release()
        self.changed.emit()
