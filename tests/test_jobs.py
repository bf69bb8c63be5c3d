"""Pausing and cancelling a job, in whatever order they come."""

from __future__ import annotations

import threading
import time

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


def test_what_was_waited_is_known() -> None:
    control = JobControl()
    control.checkpoint()
    assert control.waited_s == 0
    control.pause()
    threading.Timer(0.1, control.resume).start()
    began = time.monotonic()
    control.checkpoint()
    assert 0.05 < control.waited_s <= time.monotonic() - began
