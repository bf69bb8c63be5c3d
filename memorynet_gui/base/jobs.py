"""A worker: runs core's job functions on a thread of its own and reports on the window's.

The window has two: one for what a person waits for, and one for training, which stands while the first has work (see
:class:`Yielding`).

A job is any ``job(emit, control) -> result``. Its events are collected in a mailbox that the window's thread
empties a few milliseconds at a time, so that a flood of them cannot hold up the window; after the last event
comes exactly one ending: ``finished``, ``failed`` or ``cancelled``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal

from core.jobs import Cancelled, Emit, JobControl, TrainControl

Job = Callable[[Emit, JobControl], Any]

_DELIVER_MS = 8.0  # at most this long on the window's thread before it may do something else
_POLL_MS = 15
NICENESS, NICENESS_OF_LONG_WORK = 5, 10
_YIELDS_MS = 400
"""Long work goes on so long after other work has ended: between two photos of a batch it does not."""

log = logging.getLogger(__name__)


class _Thread(QThread):
    def __init__(self, job: Job, control: JobControl, mailbox: deque[object], niceness: int) -> None:
        super().__init__()
        self.setObjectName("memorynet-job")
        self._job, self._control, self._mailbox, self._niceness = job, control, mailbox, niceness
        self.ending: tuple[str, Any] = ("cancelled", None)

    def run(self) -> None:
        _step_back(self._niceness)
        try:
            self.ending = ("finished", self._job(self._mailbox.append, self._control))
        except Cancelled:
            self.ending = ("cancelled", None)
        except BaseException as error:  # out of memory is a RuntimeError; whatever it was, it must be told
            _note(error)
            self.ending = ("failed", error)


def _step_back(niceness: int) -> None:
    """Let the window go first where both want a core: its beats came a third less late.

    On Linux a thread has a niceness of its own, which the threads it starts (torch's) inherit; elsewhere it
    would be the whole program's.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)


def _note(error: BaseException) -> None:
    """Log it, and let go of what its frames hold: pixels and tensors, which the next job may need room for."""
    from core.problems import describe

    try:
        is_expected = describe(error).expected
    except Exception:  # words for an error must not cost its report
        is_expected = False
    log.log(logging.INFO if is_expected else logging.ERROR, "job failed: %s", error, exc_info=error)
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__


def _cancelled(_emit: Emit, _control: JobControl) -> None:
    raise Cancelled


class JobRunner(QObject):
    """Runs one job at a time; all signals arrive on the thread this object lives on."""

    started = Signal()
    event = Signal(object)  # type: ignore[assignment]  # hides QObject.event(), which nobody overrides here
    finished = Signal(object)
    failed = Signal(object)  # the exception
    cancelled = Signal()
    ended = Signal()  # after any of the three
    paused_changed = Signal(bool)
    held_changed = Signal(bool)

    def __init__(self, parent: QObject | None = None, niceness: int = NICENESS) -> None:
        super().__init__(parent)
        self._niceness = niceness
        self._is_held = False
        self._thread: _Thread | None = None
        self._control = JobControl()
        self._mailbox: deque[object] = deque()
        self._is_ending = False
        self._next: tuple[Job, JobControl | None] | None = (
            None  # asked for in a callback of `ended`; starts once all callbacks have run
        )
        self._is_closed = False
        self._poll = QTimer(self)
        self._poll.setTimerType(Qt.TimerType.PreciseTimer)
        self._poll.setInterval(_POLL_MS)
        self._poll.timeout.connect(self._deliver)

    @property
    def busy(self) -> bool:
        return self._thread is not None or self._next is not None

    @property
    def paused(self) -> bool:
        return self.busy and self._control.paused

    @property
    def held(self) -> bool:
        """Whether what runs stands, or will at its next step, so that other work goes first."""
        return self.busy and self._control.held

    @property
    def cancelling(self) -> bool:
        """Asked to end, by :meth:`cancel` or :meth:`stop`, and still at it."""
        is_stopping = isinstance(self._control, TrainControl) and self._control.stopping
        return self.busy and (self._control.cancelled or is_stopping)

    def start(self, job: Job, control: JobControl | None = None) -> None:
        """Run ``job`` on the worker, under ``control`` or a new plain one.

        From within a slot of ``finished``, ``failed`` or ``cancelled`` it starts after ``ended``, so that the
        signals of two jobs never mix. Raises RuntimeError while another one runs and after :meth:`shut_down`.
        """
        if self._is_closed:
            raise RuntimeError("no job is started any more: the window is closing")
        if self.busy:
            raise RuntimeError("a job is running already")
        if self._is_ending:
            self._next = (job, control)
            return
        self._control, self._mailbox = control or JobControl(), deque()
        if self._is_held:
            self._control.hold()
        self._thread = _Thread(job, self._control, self._mailbox, self._niceness)
        self._thread.start()
        self._poll.start()
        self.started.emit()

    def pause(self) -> None:
        if self.busy and not self._control.paused and not self._control.cancelled:
            self._control.pause()
            self.paused_changed.emit(True)

    def resume(self) -> None:
        if self.paused:
            self._control.resume()
            self.paused_changed.emit(False)

    def hold(self) -> None:
        """Let other work go first: what runs stands at its next step, what is started meanwhile does not begin."""
        self._set_held(True)

    def let_go(self) -> None:
        self._set_held(False)

    def _set_held(self, is_held: bool) -> None:
        if is_held != self._is_held:
            self._is_held = is_held
            (self._control.hold if is_held else self._control.let_go)()
            self.held_changed.emit(is_held)

    def stop(self) -> None:
        """Let the job end early as finished, with what it has made so far; one that cannot is cancelled."""
        if self._next is not None or not isinstance(self._control, TrainControl):
            self.cancel()
            return
        was_paused = self.paused
        self._control.stop()
        if was_paused:
            self.paused_changed.emit(False)

    def cancel(self) -> None:
        if self._next is not None:
            self._next = (_cancelled, None)  # it was promised an ending
        if self._thread is not None:
            was_paused = self._control.paused
            self._control.cancel()
            if was_paused:
                self.paused_changed.emit(False)

    def shut_down(self, wait_ms: int = 10_000) -> bool:
        """Cancel and join; True when the thread is gone. Pending events and the ending are delivered.

        Nothing is started after this. False leaves the thread running: who goes on to end the process has to
        do it hard.
        """
        self._is_closed = True
        self._next = None
        self.cancel()
        if self._thread is None:
            return True
        if not self._thread.wait(wait_ms):
            log.error("the job did not stop within %d ms", wait_ms)
            return False
        while self._thread is not None:
            self._deliver()
        return True

    def _deliver(self) -> None:
        thread, mailbox = self._thread, self._mailbox
        if thread is None:
            return
        over = thread.isFinished()  # asked before emptying: nothing can arrive after it was true
        until = time.perf_counter() + _DELIVER_MS / 1000
        while mailbox:
            self.event.emit(mailbox.popleft())
            if time.perf_counter() > until:
                return
        if over and self._thread is thread:
            self._end(thread)

    def _end(self, thread: _Thread) -> None:
        self._poll.stop()
        thread.wait()
        kind, value = thread.ending
        thread.ending = ("cancelled", None)  # a result may be hundreds of megabytes
        was_paused = self.paused
        self._thread = None
        thread.deleteLater()
        self._is_ending = True
        try:
            if was_paused:
                self.paused_changed.emit(False)
            if kind == "finished":
                self.finished.emit(value)
            elif kind == "failed":
                self.failed.emit(value)
            else:
                self.cancelled.emit()
            self.ended.emit()
        finally:
            self._is_ending = False
        follows, self._next = self._next, None
        if follows is not None:
            self.start(*follows)


class Yielding(QObject):
    """Holds ``long`` work while ``other`` has any, and lets it go on by itself a moment later."""

    def __init__(self, long: JobRunner, other: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._long, self._other = long, other
        self._soon = QTimer(self, singleShot=True, interval=_YIELDS_MS)
        self._soon.timeout.connect(self._go_on)
        other.started.connect(self._yield)
        other.ended.connect(self._soon.start)

    def _yield(self) -> None:
        self._soon.stop()
        self._long.hold()

    def _go_on(self) -> None:
        if not self._other.busy:
            self._long.let_go()
