"""Stopping a command at once, whatever it is at: signals that cancel, and imports that need not be waited for.

Imported for every ``--help``, so it must stay light.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from core.jobs import JobControl

EXIT_INTERRUPTED = 130

_IMPORT_POLL_S = 0.05
_imports: list[threading.Thread] = []


def import_aside(control: JobControl, module: str) -> None:
    """Import what takes seconds (torch, with all that stands on it) while Ctrl+C keeps its effect.

    A handler cannot break an import off: raised inside, an exception may be swallowed or leave half a module, and
    none runs while the system maps a library. So it happens on a thread of its own, and whoever stops meanwhile
    does not wait for it: see :func:`leave_if_importing`. Raises Cancelled, and what the import raises.
    """
    if module in sys.modules:
        return
    failures: list[BaseException] = []

    def work() -> None:
        try:
            importlib.import_module(module)
        except BaseException as error:  # goes on where it was asked for
            failures.append(error)

    thread = threading.Thread(target=work, name=f"import {module}", daemon=True)
    _imports.append(thread)
    thread.start()
    while thread.is_alive():
        control.checkpoint()
        thread.join(_IMPORT_POLL_S)
    _imports.remove(thread)
    if failures:
        raise failures[0]


def leave_if_importing(code: int) -> None:
    """End the process here and now if an import is still under way: Python cannot be taken down around it."""
    if any(thread.is_alive() for thread in _imports):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


_stopped_by: list[int] = []  # the signal that stopped this command last


def forget_signals() -> None:
    """A command begins."""
    _stopped_by.clear()


def exit_code(code: int) -> int:
    """What the shell is told: of a command that a signal stopped, 128 and its number."""
    return 128 + _stopped_by[-1] if code == EXIT_INTERRUPTED and _stopped_by else code


def _stopping_signals() -> list[int]:
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]  # Windows has no SIGHUP
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


@contextlib.contextmanager
def interruptible() -> Iterator[JobControl]:
    """A control that Ctrl+C (or SIGTERM, or a terminal that closes) cancels; a second Ctrl+C breaks off wherever the
    program is. Who was started with ``nohup`` goes on without its terminal."""
    control = JobControl()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield control
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        if control.cancelled and number == signal.SIGINT:
            raise KeyboardInterrupt
        _stopped_by[:] = [number]
        control.cancel()

    before = {number: signal.signal(number, stop) for number in _stopping_signals()}
    try:
        yield control
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
