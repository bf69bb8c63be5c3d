"""Between steps: what a run's control asks for, and disks that have no room just now."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from core.events import TrainWaiting
from core.jobs import Cancelled, Emit, JobControl, TrainControl
from core.problems import describe
from core.training.run_folder import TrainingError

RETRY_S = 5.0
"""From one try to write to a full disk to the next."""

_POLL_S = 0.1
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

T = TypeVar("T")


class StopAsked(Exception):
    """The run is to end now, as finished and not as cancelled."""

    problem_key = "stopped"


def is_full(error: BaseException) -> bool:
    """Whether there was no room on the disk, or in this person's share of it."""
    return isinstance(error, OSError) and error.errno in _FULL


class Steering:
    """Looks at a control between steps, and also while the run is paused.

    Args:
        save: makes a checkpoint.
        tell_paused: hears that the run is paused, and that it goes on.
    """

    def __init__(
        self, control: JobControl, save: Callable[[], object], tell_paused: Callable[[bool], object]
    ) -> None:
        self._control, self._save, self._tell_paused = control, save, tell_paused

    def look(self) -> None:
        """Waits while paused or held, saves when asked to. Raises Cancelled, :class:`StopAsked`, what saving raises."""
        control = self._control
        self._save_if_asked()
        was_paused = False
        while control.paused or control.held:
            if control.paused != was_paused:  # other work that goes first is no pause
                was_paused = control.paused
                self._tell_paused(was_paused)
            control.wait(_POLL_S)
            self._save_if_asked()
        if was_paused:
            self._tell_paused(False)
        control.checkpoint()
        self.refuse_if_stopping()

    def refuse_if_stopping(self) -> None:
        """Raises Cancelled, :class:`StopAsked`; waits for nothing."""
        if self._control.cancelled:
            raise Cancelled
        if isinstance(self._control, TrainControl) and self._control.stopping:
            raise StopAsked

    def _save_if_asked(self) -> None:
        if isinstance(self._control, TrainControl) and self._control.take_save():
            self._save()


class Disk:
    """Where a run writes. A full disk is waited for; whatever else goes wrong is raised.

    Args:
        folder: of the run, which must stay where it is.
        refuse: raises when the run is asked to end, for then nothing is waited for.
        tell_waiting: hears why the run waits, and "" when it goes on.
    """

    def __init__(
        self, folder: Path, emit: Emit, refuse: Callable[[], object], tell_waiting: Callable[[str], object]
    ) -> None:
        self._folder, self._emit, self._refuse, self._tell_waiting = folder, emit, refuse, tell_waiting
        self.waited_s = 0.0

    def write(self, action: Callable[[], T]) -> T:
        """Do ``action``, again and again while it fails for want of room.

        Raises Cancelled, :class:`StopAsked`, OSError; TrainingError: the run's folder is gone.
        """
        is_waiting = False
        while True:
            try:
                done = self.write_once(action)
            except OSError as error:
                if not is_full(error):
                    raise
                # its advice is to try again elsewhere: here that is done, and a run stays where it is
                what = describe(error).what
                reason = f"{what} Free some space where the run is kept: it goes on by itself."
            else:
                if is_waiting:
                    self._tell_waiting("")
                    self._emit(TrainWaiting(None))
                return done
            if not is_waiting:
                is_waiting = True
                self._tell_waiting(reason)
                self._emit(TrainWaiting(reason))
            since = time.monotonic()
            try:
                self._sleep()
            finally:  # also when it is told to stop
                self.waited_s += time.monotonic() - since

    def write_once(self, action: Callable[[], T]) -> T:
        """Raises OSError; TrainingError: the run's folder is gone."""
        if not self._folder.is_dir():  # to make it anew would leave a run without its past
            raise TrainingError(
                f"{self._folder}: the run's folder is gone, nothing can be kept in it any more"
            )
        return action()

    def _sleep(self) -> None:
        until = time.monotonic() + RETRY_S
        while True:
            self._refuse()
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(_POLL_S, left))
