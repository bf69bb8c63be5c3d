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

    problem_key = "cancelled"


class JobControl:
    """Thread-safe switch shared between a job and whoever started it.

    A job stands while it is paused, which a person asks for, and while it is held, because other work goes first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._may_run = threading.Event()
        self._may_run.set()
        self._cancelled = threading.Event()
        self._is_paused = self._is_held = False
        self._waited_s = 0.0

    @property
    def paused(self) -> bool:
        return self._is_paused and not self._is_ending()

    @property
    def held(self) -> bool:
        """Whether it stands, or is to stand at its next step, so that other work goes first."""
        return self._is_held and not self._is_ending()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def waited_s(self) -> float:
        """Seconds the job has spent waiting in :meth:`checkpoint`: what a rate must not count as work."""
        return self._waited_s

    def pause(self) -> None:
        self._set(paused=True)

    def resume(self) -> None:
        self._set(paused=False)

    def hold(self) -> None:
        """Stand until :meth:`let_go`, whatever a person pauses and resumes meanwhile."""
        self._set(held=True)

    def let_go(self) -> None:
        self._set(held=False)

    def cancel(self) -> None:
        self._cancelled.set()
        self._set()  # a job that stands must wake up to see that it is cancelled

    def _is_ending(self) -> bool:
        """Whether it was told to end: then nothing may hold it up."""
        return self._cancelled.is_set()

    def _set(self, paused: bool | None = None, held: bool | None = None) -> None:
        with self._lock:
            self._is_paused = self._is_paused if paused is None else paused
            self._is_held = self._is_held if held is None else held
            if (self._is_paused or self._is_held) and not self._is_ending():
                self._may_run.clear()
            else:
                self._may_run.set()

    def wait(self, at_most_s: float) -> bool:
        """Wait while paused or held, but no longer than so; whether the job may go on. For jobs that look up now and then."""
        if self._may_run.is_set():
            return True
        since = time.monotonic()
        may_run = self._may_run.wait(at_most_s)
        self._waited_s += time.monotonic() - since
        return may_run

    def checkpoint(self) -> None:
        """Wait while paused or held. Raises :class:`Cancelled` once the job was cancelled."""
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
        self._set()

    def _is_ending(self) -> bool:
        return super()._is_ending() or self._stop.is_set()

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
