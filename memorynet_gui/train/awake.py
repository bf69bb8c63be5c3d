"""Keeps the machine from falling asleep while something runs, where the platform lets us.

Asking for it talks to other programs (D-Bus and the like), which may take its time or fail: that happens on a
thread of its own, and a refusal is noted in the log once. Nothing waits for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

Keep = Callable[[Callable[[Any], None]], AbstractContextManager[Any]]
"""Given what to call with the reason of a refusal: a context in which the machine stays awake."""

_TOLD_MAX = 300  # characters

log = logging.getLogger(__name__)


def by_wakepy(on_fail: Callable[[Any], None]) -> AbstractContextManager[Any]:
    """The screen may go dark; only sleep is held off."""
    from wakepy import keep

    logging.getLogger("wakepy").setLevel(logging.WARNING)  # it tells of every way it tried, at length
    return keep.running(on_fail=on_fail)


class StayAwake:
    """``hold`` and ``release``, from the window's thread, as often as one likes; both return at once."""

    def __init__(self, keep: Keep = by_wakepy) -> None:
        self._keep = keep
        self._let_go: threading.Event | None = None
        self._thread: threading.Thread | None = None
        self._has_told = False

    @property
    def is_held(self) -> bool:
        """Whether it is asked for; the platform may have refused."""
        return self._let_go is not None

    def hold(self) -> None:
        if self._let_go is not None:
            return
        let_go = self._let_go = threading.Event()
        # a daemon: a message bus that never answers must not keep the program from ending
        self._thread = threading.Thread(
            target=self._work, args=(let_go,), name="memorynet-awake", daemon=True
        )
        self._thread.start()

    def release(self) -> None:
        if self._let_go is not None:
            self._let_go.set()
            self._let_go = None

    def shut_down(self, wait_s: float = 1.0) -> None:
        """Release, and give the platform a moment to hear of it."""
        self.release()
        if self._thread is not None:
            self._thread.join(wait_s)

    def _work(self, let_go: threading.Event) -> None:
        try:
            with self._keep(self._refused):
                let_go.wait()
        except Exception as error:  # whatever the platform does, training goes on
            self._refused(error)

    def _refused(self, reason: Any) -> None:
        if not self._has_told:
            self._has_told = True
            tell = getattr(reason, "get_failure_text", None)
            text = " ".join(str(tell("inline") if tell is not None else reason).split())
            log.info(
                "the machine may fall asleep while training: %s", text[:_TOLD_MAX] or type(reason).__name__
            )
