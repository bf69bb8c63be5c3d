"""Control of a running job: pause, resume, cancel.

A job is a plain function ``job(request, emit, control)``. It calls :meth:`JobControl.checkpoint` between
its steps (and the network calls it between its blocks), so that a cancel takes hold at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

Emit = Callable[[object], None]
"""Takes one event of :mod:`core.events`; called on the job's own thread."""


class Cancelled(Exception):
    """The job was asked to stop. What it had finished before then is kept."""


class JobControl:
    """Thread-safe switch shared between a job and whoever started it."""

    def __init__(self) -> None:
        self._may_run = threading.Event()
        self._may_run.set()
        self._cancelled = threading.Event()
        self._waited_s = 0.0

    @property
    def paused(self) -> bool:
        return not self._may_run.is_set() and not self._cancelled.is_set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def waited_s(self) -> float:
        """Seconds the job has spent waiting in :meth:`checkpoint`: what a rate must not count as work."""
        return self._waited_s

    def pause(self) -> None:
        self._may_run.clear()
        if self._cancelled.is_set():  # too late, and a cancelled job must not be held up
            self._may_run.set()

    def resume(self) -> None:
        self._may_run.set()

    def cancel(self) -> None:
        self._cancelled.set()
        self._may_run.set()  # a paused job must wake up to see that it is cancelled

    def wait(self, at_most_s: float) -> bool:
        """Wait while paused, but no longer than so; whether the job may go on. For jobs that look up now and then."""
        if self._may_run.is_set():
            return True
        since = time.monotonic()
        may_run = self._may_run.wait(at_most_s)
        self._waited_s += time.monotonic() - since
        return may_run

    def checkpoint(self) -> None:
        """Wait while paused. Raises :class:`Cancelled` once the job was cancelled."""
        if not self._may_run.is_set():
            since = time.monotonic()
            self._may_run.wait()
            self._waited_s += time.monotonic() - since
        if self._cancelled.is_set():
            raise Cancelled


class TrainControl(JobControl):
    """A training run's control: on top of the rest it can be told to save and to end early."""

    def __init__(self) -> None:
        super().__init__()
        self._save = threading.Event()
        self._stop = threading.Event()

    def save_now(self) -> None:
        """A checkpoint after the step at hand, also while paused."""
        self._save.set()

    def stop(self) -> None:
        """End after the step at hand with a checkpoint and a usable model, as finished and not as cancelled."""
        self._stop.set()
        self.resume()

    def pause(self) -> None:
        super().pause()
        if self._stop.is_set():  # too late, as after a cancel
            self.resume()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def take_save(self) -> bool:
        """Whether a checkpoint was asked for since the last time."""
        asked = self._save.is_set()
        self._save.clear()
        return asked


def ignore(_event: object) -> None:
    """An ``emit`` for callers that want the result only."""
