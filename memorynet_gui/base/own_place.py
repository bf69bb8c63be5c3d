"""A queue file and a results folder that no other window uses.

Two windows that wrote one queue would drop each other's photos and clear away each other's results. The first
window has the usual place, a second one the place beside it, with a queue of its own that waits there for the
next second window.
"""

from __future__ import annotations

import logging
from pathlib import Path

from PySide6.QtCore import QLockFile

_MOST_WINDOWS = 32

log = logging.getLogger(__name__)


class OwnPlace:
    """``queue_file``, ``masks_dir`` and ``results_dir`` are this window's until :meth:`release`, or until its process ends."""

    def __init__(self, data_dir: Path, cache_dir: Path) -> None:
        self._lock: QLockFile | None = None
        self.number = 1
        for number in range(1, _MOST_WINDOWS + 1):
            lock = self._try(data_dir / f"queue{_suffix(number)}.lock")
            if lock is None:
                break  # no lock can be made here at all, so nothing can be written here either
            if lock.isLocked():
                self._lock, self.number = lock, number
                break
        self.queue_file = data_dir / f"queue{_suffix(self.number)}.json"
        self.masks_dir = data_dir / f"masks{_suffix(self.number)}"
        self.results_dir = cache_dir / f"results{_suffix(self.number)}"

    @staticmethod
    def _try(path: Path) -> QLockFile | None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            log.warning("%s: %s", path.parent, error)
            return None
        lock = QLockFile(str(path))
        lock.setStaleLockTime(0)  # never by age: a window may stay open for weeks; a dead process is noticed
        if not lock.tryLock(0) and lock.error() != QLockFile.LockError.LockFailedError:
            log.warning("%s: cannot be locked (%s)", path, lock.error().name)
            return None
        return lock

    def release(self) -> None:
        if self._lock is not None:
            self._lock.unlock()
            self._lock = None


def _suffix(number: int) -> str:
    return "" if number == 1 else f"-{number}"
