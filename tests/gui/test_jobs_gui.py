"""The one worker: exactly one ending, after the last event, on the window's thread, whatever the job does."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtCore import QThread, QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from core.jobs import Emit, JobControl
from memorynet_gui.base.jobs import JobRunner
from tests.ui import settle, wait_until


class Watched:
    """A runner and all it said, in order."""

    def __init__(self, runner: JobRunner) -> None:
        self.runner = runner
        self.said: list[tuple[str, Any]] = []
        self.threads: set[QThread] = set()
        runner.started.connect(lambda: self._hear("started"))
        runner.event.connect(lambda value: self._hear("event", value))
        runner.finished.connect(lambda value: self._hear("finished", value))
        runner.failed.connect(lambda value: self._hear("failed", value))
        runner.cancelled.connect(lambda: self._hear("cancelled"))
        runner.ended.connect(lambda: self._hear("ended"))
        runner.paused_changed.connect(lambda value: self._hear("paused", value))

    def _hear(self, what: str, value: Any = None) -> None:
        self.threads.add(QThread.currentThread())
        self.said.append((what, value))

    @property
    def kinds(self) -> list[str]:
        return [what for what, _value in self.said]

    def wait(self, timeout_s: float = 10.0) -> None:
        wait_until(lambda: "ended" in self.kinds, timeout_s)


@pytest.fixture
def watched(qtbot: QtBot) -> Iterator[Watched]:
    runner = JobRunner()
    yield Watched(runner)
    assert runner.shut_down()
    settle()
    assert not [t for t in threading.enumerate() if t.name.startswith("memorynet-job")]


def count_to(number: int) -> Any:
    def job(emit: Emit, control: JobControl) -> str:
        for value in range(number):
            control.checkpoint()
            emit(value)
        return "done"

    return job


def forever(emit: Emit, control: JobControl) -> None:
    step = 0
    while True:
        control.checkpoint()
        emit(step)
        step += 1
        time.sleep(0.002)


def test_ending_comes_after_the_last_event_on_the_windows_thread(watched: Watched) -> None:
    watched.runner.start(count_to(1000))
    watched.wait()
    assert watched.kinds == ["started", *["event"] * 1000, "finished", "ended"]
    assert [value for what, value in watched.said if what == "event"] == list(range(1000))
    assert ("finished", "done") in watched.said
    assert watched.threads == {watched.runner.thread()}


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError("no room"),
        SystemExit(3),
        KeyboardInterrupt(),
        OSError(28, "No space left on device"),
        StopIteration("odd"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_job_raises_reaches_failed(watched: Watched, error: BaseException) -> None:
    def job(emit: Emit, _control: JobControl) -> None:
        emit("one")
        raise error

    watched.runner.start(job)
    watched.wait()
    assert watched.kinds == ["started", "event", "failed", "ended"]
    assert dict(watched.said)["failed"] is error
    assert not watched.runner.busy


def test_an_error_keeps_no_frame_of_the_job_alive(watched: Watched) -> None:
    """A traceback holds every local of the job: pixels and tensors of hundreds of megabytes."""
    import gc

    class Big:
        pass

    seen: list[weakref.ref[Big]] = []

    def job(_emit: Emit, _control: JobControl) -> None:
        big = Big()
        seen.append(weakref.ref(big))
        raise RuntimeError("out of memory")

    watched.runner.start(job)
    watched.wait()
    watched.said.clear()
    settle()
    gc.collect()
    assert seen[0]() is None


def test_cancel_ends_with_cancelled_and_nothing_else(watched: Watched) -> None:
    watched.runner.start(forever)
    wait_until(lambda: "event" in watched.kinds)
    asked = time.monotonic()
    watched.runner.cancel()
    assert watched.runner.cancelling
    watched.wait()
    assert time.monotonic() - asked < 2
    assert watched.kinds[-2:] == ["cancelled", "ended"]
    assert "finished" not in watched.kinds
    assert "failed" not in watched.kinds


def test_a_job_that_was_done_before_the_cancel_reached_it_is_finished(watched: Watched) -> None:
    def job(_emit: Emit, control: JobControl) -> str:
        while not control.cancelled:
            time.sleep(0.001)
        return "kept"

    watched.runner.start(job)
    watched.runner.cancel()
    watched.wait()
    assert ("finished", "kept") in watched.said


def test_pause_holds_the_job_and_resume_lets_it_go_on(watched: Watched) -> None:
    watched.runner.start(forever)
    wait_until(lambda: watched.kinds.count("event") > 3)
    watched.runner.pause()
    assert watched.runner.paused
    settle(20)
    time.sleep(0.05)  # the step it was in ends
    settle(20)
    held = watched.kinds.count("event")
    deadline = time.monotonic() + 0.2
    while time.monotonic() < deadline:
        settle(1)
        time.sleep(0.005)
    assert watched.kinds.count("event") == held
    watched.runner.resume()
    assert not watched.runner.paused
    wait_until(lambda: watched.kinds.count("event") > held + 3)
    watched.runner.cancel()
    watched.wait()
    assert [value for what, value in watched.said if what == "paused"] == [True, False]


def test_cancelling_a_paused_job_wakes_it(watched: Watched) -> None:
    watched.runner.start(forever)
    watched.runner.pause()
    watched.runner.cancel()
    watched.wait()
    assert watched.kinds[-2:] == ["cancelled", "ended"]
    assert [value for what, value in watched.said if what == "paused"] == [True, False]


def test_pausing_a_job_that_is_being_cancelled_does_not_hold_it(watched: Watched) -> None:
    watched.runner.start(forever)
    watched.runner.cancel()
    watched.runner.pause()
    assert not watched.runner.paused
    watched.wait()
    assert "paused" not in watched.kinds


def test_a_job_that_ends_while_paused_says_that_the_pause_is_over(watched: Watched) -> None:
    go = threading.Event()

    def job(_emit: Emit, _control: JobControl) -> None:
        go.wait(5)

    watched.runner.start(job)
    watched.runner.pause()
    go.set()
    watched.wait()
    assert [value for what, value in watched.said if what == "paused"] == [True, False]


def test_two_jobs_at_once_are_refused(watched: Watched) -> None:
    watched.runner.start(forever)
    with pytest.raises(RuntimeError, match="running already"):
        watched.runner.start(count_to(1))
    watched.runner.cancel()
    watched.wait()


@pytest.mark.parametrize("signal", ["finished", "ended"])
def test_the_next_job_may_start_from_the_slot_of_the_last(watched: Watched, signal: str) -> None:
    left = [2]

    def again() -> None:
        if left[0]:
            left[0] -= 1
            watched.runner.start(count_to(3))

    getattr(watched.runner, signal).connect(again)
    watched.runner.start(count_to(3))
    wait_until(lambda: watched.kinds.count("ended") == 3)
    settle()
    assert watched.kinds.count("event") == 9
    assert watched.kinds.count("finished") == 3
    assert not watched.runner.busy
    # the first job's ending is told whole before anything of the second: a slot of `ended` may rely on it
    assert watched.kinds == ["started", "event", "event", "event", "finished", "ended"] * 3


def test_a_job_cancelled_before_it_could_start_still_ends(watched: Watched) -> None:
    ran: list[bool] = []

    def second(_emit: Emit, _control: JobControl) -> None:
        ran.append(True)

    def start_and_think_again() -> None:
        if watched.kinds.count("finished") == 1 and watched.kinds.count("started") == 1:
            watched.runner.start(second)
            assert watched.runner.busy
            watched.runner.cancel()

    watched.runner.finished.connect(start_and_think_again)
    watched.runner.start(count_to(1))
    wait_until(lambda: watched.kinds.count("ended") == 2)
    assert watched.kinds == ["started", "event", "finished", "ended", "started", "cancelled", "ended"]
    assert not ran


def test_fifty_thousand_events_do_not_hold_up_the_window(watched: Watched) -> None:
    """Delivered in slices: a 10 ms timer of the window goes on in between."""
    beats: list[float] = []
    heart = QTimer()
    heart.setInterval(10)
    heart.timeout.connect(lambda: beats.append(time.perf_counter()))
    turns: list[float] = []

    def job(emit: Emit, _control: JobControl) -> None:
        for value in range(50_000):
            emit(value)

    spent = [0.0]
    longest = [0.0]
    deliver = watched.runner._deliver

    def timed() -> None:
        started = time.thread_time()
        deliver()
        used = time.thread_time() - started
        spent[0] += used
        longest[0] = max(longest[0], used)
        turns.append(used)

    watched.runner._poll.timeout.disconnect()
    watched.runner._poll.timeout.connect(timed)
    heart.start()
    watched.runner.start(job)
    watched.wait(60)
    heart.stop()
    assert watched.kinds.count("event") == 50_000
    assert len(turns) > 3  # it was sliced at all; a fast machine needs few slices
    # processor time of one slice, not the clock's: the machine may be busy with something else
    assert longest[0] < 0.030
    assert len(beats) > len(turns) / 4


def test_a_slot_that_raises_stops_neither_events_nor_ending(watched: Watched, qtbot: QtBot) -> None:
    def wrong(_value: object) -> None:
        raise ValueError("a view's mistake")

    watched.runner.event.connect(wrong)
    with qtbot.capture_exceptions() as caught:
        watched.runner.start(count_to(3))
        watched.wait()
    assert len(caught) == 3
    assert watched.kinds == ["started", *["event"] * 3, "finished", "ended"]


def test_an_ending_whose_slot_raises_is_still_ended(watched: Watched, qtbot: QtBot) -> None:
    def wrong(_value: object) -> None:
        raise ValueError("a view's mistake")

    watched.runner.finished.connect(wrong)
    with qtbot.capture_exceptions() as caught:
        watched.runner.start(count_to(1))
        watched.wait()
    assert len(caught) == 1
    assert not watched.runner.busy
    watched.said.clear()
    watched.runner.finished.disconnect(wrong)
    watched.runner.start(count_to(1))
    watched.wait()
    assert watched.kinds[-2:] == ["finished", "ended"]


def test_shut_down_joins_and_delivers_what_was_said(watched: Watched) -> None:
    watched.runner.start(forever)
    time.sleep(0.05)
    assert watched.runner.shut_down()
    assert not watched.runner.busy
    assert watched.kinds[-2:] == ["cancelled", "ended"]
    assert watched.runner.shut_down()  # again is harmless
    assert watched.kinds.count("ended") == 1


def test_shut_down_says_when_the_job_does_not_stop(watched: Watched) -> None:
    go = threading.Event()

    def deaf(_emit: Emit, _control: JobControl) -> None:
        go.wait(20)

    watched.runner.start(deaf)
    started = time.monotonic()
    assert not watched.runner.shut_down(wait_ms=100)
    assert time.monotonic() - started < 5
    assert watched.runner.busy
    go.set()
    watched.wait()


def test_shut_down_does_not_let_a_slot_start_the_next_job(watched: Watched) -> None:
    """A queue starts its next photo when one ends; a window that closes wants none of that."""
    refused: list[BaseException] = []

    def next_one() -> None:
        try:
            watched.runner.start(forever)
        except RuntimeError as error:
            refused.append(error)

    watched.runner.ended.connect(next_one)
    watched.runner.start(forever)
    assert watched.runner.shut_down()
    assert not watched.runner.busy
    assert len(refused) == 1


def test_shut_down_from_within_a_slot_of_an_event(watched: Watched) -> None:
    """The person closes the window from a dialog that an event opened."""
    done: list[bool] = []

    def close(_value: object) -> None:
        if not done:
            done.append(True)
            done.append(watched.runner.shut_down())

    watched.runner.event.connect(close)
    watched.runner.start(forever)
    watched.wait()
    settle()
    assert done == [True, True]
    assert watched.kinds.count("ended") == 1


def test_no_thread_is_left_after_many_jobs(watched: Watched) -> None:
    before = threading.active_count()
    for _ in range(20):
        watched.said.clear()
        watched.runner.start(count_to(2))
        watched.wait()
    settle()
    assert threading.active_count() <= before


def test_cancelled_before_the_first_step(watched: Watched) -> None:
    went_on: list[bool] = []

    def job(_emit: Emit, control: JobControl) -> None:
        gate.wait(5)
        control.checkpoint()
        went_on.append(True)

    gate = threading.Event()
    watched.runner.started.connect(watched.runner.cancel)
    watched.runner.start(job)
    gate.set()
    watched.wait()
    assert watched.kinds == ["started", "cancelled", "ended"]
    assert not went_on


def test_what_a_test_drops_is_not_destroyed_by_a_worker(qapp: QApplication) -> None:
    """Its timer would fire all the same. The tests' kit sees to it: see ``conftest.pytest_collection_finish``."""
    timer = QTimer()
    timer.me = timer  # type: ignore[attr-defined]  # only the collector finds it
    timer.start(60_000)
    dropped = weakref.ref(timer)
    del timer
    made: list[object] = []
    worker = threading.Thread(target=lambda: made.extend([] for _ in range(50_000)))
    worker.start()
    worker.join()
    assert dropped() is not None
