"""Short work on another thread (saving, measuring, decoding) with its answer on the window's thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QRunnable, Qt, QThreadPool, Signal

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    work: Callable[[], Any]
    then: Callable[[Any], object] | None
    failed: Callable[[Exception], object] | None
    key: Hashable | None


class Background(QObject):
    """Calls run one after the other in the order given, or the newest first; answers come in the order of the work.

    A call with a key takes the place of one of the same key that still waits, which is never done. With ``limit`` no more
    than so many wait: the oldest go undone. Answers that come after :meth:`shut_down` vanish.
    """

    _done = Signal(object, object, object)  # _Call, result, error

    def __init__(
        self, parent: QObject | None = None, newest_first: bool = False, limit: int | None = None
    ) -> None:
        super().__init__(parent)
        self._newest_first, self._limit = newest_first, limit
        self._lock = threading.Lock()
        self._waiting: list[_Call] = []
        self._running: _Call | None = None
        self._closed = False
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._done.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        """Whether a call runs or waits for its turn."""
        with self._lock:
            return self._running is not None or bool(self._waiting)

    def is_running(self, key: Hashable) -> bool:
        with self._lock:
            return self._running is not None and self._running.key == key

    def call(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], object] | None = None,
        failed: Callable[[Exception], object] | None = None,
        key: Hashable | None = None,
    ) -> None:
        """Run ``work`` elsewhere; ``then(result)`` or ``failed(exception)`` follows here."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the background pool is shut down")
            self._drop(key)
            self._waiting.append(_Call(work, then, failed, key))
            if self._limit is not None:
                del self._waiting[: -self._limit]
        self._pool.start(_Turn(self))

    def forget(self, key: Hashable) -> None:
        """The call of this key is not wanted any more, unless it runs already."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: Hashable | None) -> None:
        if key is not None:
            self._waiting = [call for call in self._waiting if call.key != key]

    def wait(self) -> None:
        """Until everything given so far is done; its answers follow."""
        self._pool.waitForDone()

    def shut_down(self, finish: bool = True) -> None:
        """Wait for everything given so far (a save that was promised is kept), or for what runs alone."""
        with self._lock:
            self._closed = True
            if not finish:
                self._waiting.clear()
        self._pool.waitForDone()

    def _turn(self) -> None:
        """On the pool's thread: the next call. Fewer may wait than turns were given."""
        with self._lock:
            if not self._waiting:
                return
            call = self._running = self._waiting.pop(-1 if self._newest_first else 0)
        result, error = None, None
        try:
            result = call.work()
        except Exception as exc:  # handed to ``failed``, which says it to the person
            log.info("background work failed", exc_info=exc)
            error = exc
        with self._lock:
            self._running = None
        self._done.emit(call, result, error)

    def _deliver(self, call: _Call, result: Any, error: Exception | None) -> None:
        if self._closed:
            return
        if error is None:
            if call.then is not None:
                call.then(result)
        elif call.failed is not None:
            call.failed(error)


class _Turn(QRunnable):
    def __init__(self, owner: Background) -> None:
        super().__init__()
        self._owner = owner

    def run(self) -> None:
        self._owner._turn()
