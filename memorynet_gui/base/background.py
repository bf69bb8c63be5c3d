"""Short work on another thread (saving, measuring, copying) with its answer on the window's thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QRunnable, Qt, QThreadPool, Signal

log = logging.getLogger(__name__)


class Background(QObject):
    """Calls run one after the other in the order given; answers come in that order."""

    idle_changed = Signal(bool)

    _done = Signal(object, object, object)  # callback, result, error

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._open = 0
        self._closed = False
        self._done.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    @property
    def open_count(self) -> int:
        """Calls whose answer has not been delivered yet."""
        return self._open

    def call(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], object],
        failed: Callable[[Exception], object],
    ) -> None:
        """Run ``work`` elsewhere; ``then(result)`` or ``failed(exception)`` follows here."""
        if self._closed:
            raise RuntimeError("the background pool is shut down")
        self._open += 1
        if self._open == 1:
            self.idle_changed.emit(False)
        self._pool.start(_Call(self, work, (then, failed)))

    def shut_down(self) -> None:
        """Wait for everything given so far (a save that was promised is kept); answers are not delivered."""
        self._closed = True
        self._pool.waitForDone()

    def _deliver(
        self, callbacks: tuple[Callable[..., None], Callable[..., None]], result: Any, error: Any
    ) -> None:
        self._open = max(0, self._open - 1)
        if not self._closed:
            then, failed = callbacks
            if error is not None:
                failed(error)
            else:
                then(result)
        if self._open == 0:
            self.idle_changed.emit(True)


class _Call(QRunnable):
    def __init__(self, owner: Background, work: Callable[[], Any], callbacks: object) -> None:
        super().__init__()
        self._owner, self._work, self._callbacks = owner, work, callbacks

    def run(self) -> None:
        try:
            result, error = self._work(), None
        except Exception as exc:  # handed to ``failed``, which says it to the person
            log.info("background work failed", exc_info=exc)
            result, error = None, exc
        self._owner._done.emit(self._callbacks, result, error)
