"""One run at a time through the window's worker: starting, steering, ending, standing back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication

from core.events import CheckpointSaved, Notice, StepDone, TrainStarted, TrainWaiting, Validated
from core.jobs import Emit, JobControl, TrainControl
from core.training.recipe import RecipeError, TrainRecipe
from memorynet_gui.base.jobs import JobRunner
from memorynet_gui.train.awake import StayAwake
from memorynet_gui.train.flow import DONE, FAILED, STOPPED, TrainEnding, TrainFlow, TrainOrder
from memorynet_gui.train.starts import Starts
from tests.ui import settle, wait_until

STEPS = 40
RECIPE = TrainRecipe(name="tiny", steps=STEPS)


class Result:
    def __init__(self, stopped: bool) -> None:
        self.stopped = stopped


class Trainer:
    """A run without a network: real events, real control, a step a millisecond."""

    def __init__(self) -> None:
        self.gate, self.last = threading.Event(), threading.Event()
        self.gate.set()
        self.last.set()  # what comes after the last step
        self.stands = threading.Event()  # held by a pause
        self.steps_made = 0
        self.fails_at: int | None = None
        self.orders: list[TrainOrder] = []

    def __call__(self, order: TrainOrder, emit: Emit, control: JobControl) -> Any:
        assert isinstance(control, TrainControl)
        self.orders.append(order)
        emit(TrainStarted(0, order.recipe.steps, 1000, 5, "cpu", "fp32", None))
        for step in range(1, order.recipe.steps + 1):
            self.gate.wait(20)
            if step == self.fails_at:
                raise RecipeError("DATA/clean: no such folder")
            left = float(order.recipe.steps - step)
            self.steps_made = step
            emit(StepDone(step, 1 / step, {"pixel": 1 / step}, 1e-3, 0.1, 10.0, 0.0, left))
            if control.take_save():
                emit(CheckpointSaved(step, "x", False))
            if step % 10 == 0:
                emit(Validated(step, 20.0 + step, 0.9, 18.0, "Y", True, 0.1))
            if control.stopping:
                emit(CheckpointSaved(step, "x", False))
                return Result(True)
            if control.paused:
                self.stands.set()
            control.checkpoint()
            self.stands.clear()
            time.sleep(0.001)
        self.last.wait(20)
        return Result(False)


class Awake(StayAwake):
    def __init__(self) -> None:
        super().__init__(lambda _fail: nullcontext())


class Desk:
    def __init__(self) -> None:
        self.runner = JobRunner()
        self.trainer = Trainer()
        self.awake = Awake()
        self.flow = TrainFlow(self.runner, self.awake, self.trainer)
        self.events: list[object] = []
        self.endings: list[TrainEnding] = []
        self.told: list[str] = []
        self.flow.event_came.connect(self.events.append)
        self.flow.ended.connect(self.endings.append)
        self.flow.notice.connect(self.told.append)

    def order(self, folder: Path, **options: Any) -> TrainOrder:
        return TrainOrder(RECIPE, (), folder, **options)

    def wait_step(self, step: int) -> None:
        wait_until(lambda: self.flow.step >= step)

    def wait_end(self) -> TrainEnding:
        wait_until(lambda: bool(self.endings) and not self.flow.busy)
        return self.endings[-1]


@pytest.fixture
def desk(qapp: QApplication) -> Iterator[Desk]:
    made = Desk()
    yield made
    made.trainer.gate.set()
    made.flow.shut_down()
    made.runner.shut_down()


def test_a_run_tells_everything_and_ends_once(desk: Desk, tmp_path: Path) -> None:
    flow, folder = desk.flow, tmp_path / "rain-3"
    assert flow.start(desk.order(folder))
    assert flow.busy and flow.trains(folder) and flow.text() == "Training rain-3 · getting ready"
    assert desk.awake.is_held
    ending = desk.wait_end()
    assert (ending.kind, ending.step, ending.best_psnr_db) == (DONE, STEPS, 60.0)
    assert [event.step for event in desk.events if isinstance(event, StepDone)] == [*range(1, STEPS + 1)]
    assert len(desk.endings) == 1 and not desk.runner.busy and not desk.awake.is_held
    assert not flow.trains(folder) and flow.text() == ""


def test_what_is_started_while_a_run_finishes_begins_when_it_has(desk: Desk, tmp_path: Path) -> None:
    said: list[tuple[str, str, Any]] = []

    def banner(text: str, action: str = "", then: Any = None, **_more: Any) -> Any:
        said.append((text, action, then))
        return lambda: None

    starts = Starts(SimpleNamespace(banner=banner), desk.flow, None)  # type: ignore[arg-type]

    def order(name: str) -> TrainOrder:
        (tmp_path / name).mkdir()
        return desk.order(tmp_path / name)

    desk.trainer.last.clear()
    starts.begin(order("one"))
    desk.wait_step(1)
    if not desk.flow.finishing:
        starts.begin(order("early"))
        assert "is training. Stop it first" in said.pop()[0] and not (tmp_path / "early").exists()
    desk.wait_step(STEPS)
    assert desk.flow.finishing and desk.flow.text() == "Training one · finishing"
    starts.begin(order("two"))
    assert said[-1][:2] == ("two starts as soon as one has finished.", "Do not start")
    said[-1][2]()
    assert not (tmp_path / "two").exists()
    starts.begin(order("three"))
    desk.trainer.last.set()
    wait_until(lambda: [done.order.name for done in desk.endings] == ["one", "three"])
    assert [run.name for run in desk.trainer.orders] == ["one", "three"]


def test_the_words_for_the_job_bar(desk: Desk, tmp_path: Path) -> None:
    desk.trainer.gate.clear()
    recipe = TrainRecipe(name="tiny", steps=10_000)
    desk.flow.start(TrainOrder(recipe, (), tmp_path / "rain-3"))
    wait_until(lambda: desk.flow.started is not None)
    assert desk.flow.text() == "Training rain-3 · step 0 of 10,000"
    assert desk.flow.share() == 0 and desk.flow.seconds_left() is None
    desk.trainer.gate.set()
    desk.wait_step(3)
    assert 0 < (desk.flow.share() or 0) < 1 and (desk.flow.seconds_left() or 0) > 1000
    desk.flow.stop()
    desk.wait_end()


def test_pause_stands_the_clock_still_and_lets_the_machine_sleep(desk: Desk, tmp_path: Path) -> None:
    flow = desk.flow
    flow.start(TrainOrder(TrainRecipe(name="tiny", steps=100_000), (), tmp_path / "run"))
    desk.wait_step(2)
    flow.pause()
    assert flow.paused and not desk.awake.is_held
    stood = flow.elapsed_s
    wait_until(desk.trainer.stands.is_set)
    made = desk.trainer.steps_made
    desk.wait_step(made)  # what it told before it stood
    time.sleep(0.03)
    settle()
    assert flow.elapsed_s == stood
    assert flow.step == desk.trainer.steps_made == made
    flow.resume()
    assert not flow.paused and desk.awake.is_held
    desk.wait_step(made + 5)
    assert flow.elapsed_s > stood
    flow.pause()
    flow.stop()  # wakes it up
    assert desk.wait_end().kind == STOPPED


def test_save_now_and_stop_keep_what_was_learned(desk: Desk, tmp_path: Path) -> None:
    flow = desk.flow
    flow.start(TrainOrder(TrainRecipe(name="tiny", steps=100_000), (), tmp_path / "run"))
    desk.wait_step(3)
    assert flow.kept_age_s is None
    flow.save_now()
    wait_until(lambda: flow.kept is not None)
    assert flow.kept_age_s is not None and flow.kept_age_s < 10
    flow.stop()
    assert flow.stopping and desk.runner.cancelling
    ending = desk.wait_end()
    assert ending.kind == STOPPED and ending.asked and ending.kept_step == ending.step > 3
    assert not flow.stopping


def test_a_failure_comes_as_a_problem(desk: Desk, tmp_path: Path) -> None:
    desk.trainer.fails_at = 5
    desk.flow.start(desk.order(tmp_path / "run"))
    ending = desk.wait_end()
    assert ending.kind == FAILED and ending.problem is not None and not ending.asked
    assert "DATA/clean" in ending.problem.why and ending.problem.todo
    assert not desk.awake.is_held


def test_a_run_that_is_held_works_no_time_and_can_be_ended(desk: Desk, tmp_path: Path) -> None:
    flow = desk.flow
    desk.runner.hold()
    flow.start(TrainOrder(TrainRecipe(name="tiny", steps=100_000), (), tmp_path / "run"))
    wait_until(lambda: flow.step == 1)  # this trainer looks after its first step
    assert flow.held and flow.elapsed_s == 0 and desk.awake.is_held
    assert flow.text() == "Training run · step 1 of 100,000 · lets other work go first"
    flow.pause()
    desk.runner.let_go()
    assert flow.paused and not flow.held and flow.elapsed_s == 0
    flow.resume()
    desk.wait_step(5)
    assert flow.elapsed_s > 0
    desk.runner.hold()
    flow.stop()  # wakes it up
    assert desk.wait_end().kind == STOPPED


def test_others_work_is_none_of_its_business(desk: Desk) -> None:
    desk.runner.start(lambda emit, _control: emit(Notice("a tile")))
    wait_until(lambda: not desk.runner.busy)
    assert desk.events == desk.told == desk.endings == []


def test_notices_and_waiting_are_told(desk: Desk, tmp_path: Path) -> None:
    step = threading.Event()

    def train(_order: TrainOrder, emit: Emit, _control: JobControl) -> Any:
        emit(TrainStarted(0, STEPS, 1000, 5, "cpu", "fp32", None))
        emit(Notice("the loss exploded"))
        emit(TrainWaiting("The disk is full."))
        step.wait(20)
        emit(TrainWaiting(None))
        return Result(False)

    flow = TrainFlow(desk.runner, desk.awake, train)
    told: list[str] = []
    flow.notice.connect(told.append)
    flow.start(desk.order(tmp_path / "run"))
    wait_until(lambda: flow.waits_because is not None)
    assert flow.text() == "Training run · waiting" and flow.waits_because == "The disk is full."
    worked_s = flow.elapsed_s
    time.sleep(0.05)
    assert flow.elapsed_s == worked_s
    flow.pause()
    flow.resume()
    time.sleep(0.05)
    assert flow.elapsed_s == worked_s
    step.set()
    wait_until(lambda: not flow.busy)
    assert flow.waits_because is None and told == ["run: the loss exploded"]


def test_closing_waits_for_the_end(desk: Desk, tmp_path: Path) -> None:
    desk.flow.start(TrainOrder(TrainRecipe(name="tiny", steps=100_000), (), tmp_path / "run"))
    desk.wait_step(2)
    desk.flow.shut_down()
    assert not desk.flow.busy and desk.endings[-1].kind == STOPPED
    assert not desk.flow.start(desk.order(tmp_path / "other"))


# --- staying awake -------------------------------------------------------------------------------


class Platform:
    """What would talk to the system: counts, and can refuse, raise or hang."""

    def __init__(self, how: str = "works") -> None:
        self.how = how
        self.entered = self.left = 0
        self.hang = threading.Event()
        self.threads: set[int] = set()

    def __call__(self, on_fail: Any) -> AbstractContextManager[Any]:
        return self._context(on_fail)

    @contextmanager
    def _context(self, on_fail: Any) -> Iterator[None]:
        self.threads.add(threading.get_ident())
        if self.how == "hangs":
            self.hang.wait(20)
        if self.how == "raises":
            raise OSError("no bus")
        if self.how == "refuses":
            on_fail("org.freedesktop.PowerManagement is not there")
        self.entered += 1
        yield
        self.left += 1


def test_awake_is_held_and_let_go_off_the_window_thread() -> None:
    platform = Platform()
    awake = StayAwake(platform)
    awake.hold()
    awake.hold()  # twice is once
    wait_until(lambda: platform.entered == 1)
    assert platform.left == 0 and threading.get_ident() not in platform.threads
    awake.release()
    awake.release()
    wait_until(lambda: platform.left == 1)
    awake.hold()
    wait_until(lambda: platform.entered == 2)
    awake.shut_down()
    assert platform.left == 2


@pytest.mark.parametrize("how", ["refuses", "raises"])
def test_a_refusal_is_noted_once(how: str, caplog: pytest.LogCaptureFixture) -> None:
    awake = StayAwake(Platform(how))
    with caplog.at_level("INFO"):
        for _ in range(3):
            awake.hold()
            awake.shut_down(5)
    lines = [record for record in caplog.records if "fall asleep" in record.message]
    assert len(lines) == 1 and lines[0].levelname == "INFO"


def test_what_keeps_awake_here_says_why_not_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """The real thing: it works where there is a message bus, and is noted briefly where there is none."""
    awake = StayAwake()
    with caplog.at_level("INFO"):
        awake.hold()
        awake.shut_down(30)
    assert len(caplog.records) <= 1
    assert all(len(record.getMessage()) < 400 for record in caplog.records)


def test_a_platform_that_hangs_holds_up_nobody() -> None:
    platform = Platform("hangs")
    awake = StayAwake(platform)
    began = time.monotonic()
    awake.hold()
    awake.release()
    awake.hold()
    awake.shut_down(0.05)
    assert time.monotonic() - began < 10
    platform.hang.set()
