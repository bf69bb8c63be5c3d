"""Pausing and cancelling a job, in whatever order they come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from core.jobs import Cancelled, JobControl, TrainControl


def test_a_pause_after_the_cancel_does_not_hold_the_job_up() -> None:
    control, endings = JobControl(), []

    def job() -> None:
        try:
            control.checkpoint()
        except Cancelled:
            endings.append("cancelled")

    control.cancel()
    control.pause()
    thread = threading.Thread(target=job, daemon=True)
    thread.start()
    thread.join(5)
    assert endings == ["cancelled"]
    assert not control.paused


def test_a_pause_after_the_stop_does_not_hold_the_run_up() -> None:
    control = TrainControl()
    control.stop()
    control.pause()
    assert control.stopping and not control.paused
    assert control.wait(0)


def test_a_paused_job_wakes_up_to_be_cancelled() -> None:
    control = JobControl()
    control.pause()
    threading.Timer(0.05, control.cancel).start()
    with pytest.raises(Cancelled):
        control.checkpoint()


def test_to_be_held_and_to_be_paused_are_two_things() -> None:
    control = JobControl()
    control.hold()
    assert control.held and not control.paused and not control.wait(0)
    control.pause()
    control.let_go()
    assert control.paused and not control.held and not control.wait(0)
    control.hold()
    control.resume()
    assert not control.wait(0)
    control.let_go()
    assert control.wait(0)


@pytest.mark.parametrize("end", [TrainControl.cancel, TrainControl.stop])
def test_what_is_held_wakes_up_to_end(end: Callable[[TrainControl], None]) -> None:
    control = TrainControl()
    control.hold()
    end(control)
    assert control.wait(0) and not control.held
    control.hold()
    assert control.wait(0)


def test_what_was_waited_is_known() -> None:
    control = JobControl()
    control.checkpoint()
    assert control.waited_s == 0
    control.pause()
    threading.Timer(0.1, control.resume).start()
    began = time.monotonic()
    control.checkpoint()
    assert 0.05 < control.waited_s <= time.monotonic() - began
