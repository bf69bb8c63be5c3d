"""Pausing, saving, stopping, and what a run's folder holds meanwhile and afterwards."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.events import CheckpointSaved, Notice, StepDone, TrainStarted, Validated
from core.jobs import Cancelled, JobControl, TrainControl, ignore
from core.model import checkpoint
from core.training import steering as training_steering
from core.training.run_folder import DONE, PAUSED, RUNNING, STOPPED, RunBusy, RunFolder
from core.training.trainer import train
from tests.training_kit import TINY, at_step, curve_of, state_of, steps_kept


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_steering, "RETRY_S", 0.02)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_paused_run_says_so_and_saves_when_asked(data: Path, tmp_path: Path, whole: Path) -> None:
    run, control, events = tmp_path / "run", TrainControl(), []

    def emit(event: object) -> None:
        events.append(event)
        at_step(6, control.pause)(event)

    worker = threading.Thread(target=lambda: train(TINY, (data,), run, emit, control))
    worker.start()
    try:
        wait_for(lambda: RunFolder(run).state_file.exists() and state_of(run) == PAUSED)
        assert steps_kept(run) == [4]
        control.save_now()
        wait_for(lambda: steps_kept(run) == [4, 6])
        wait_for(lambda: CheckpointSaved in map(type, events[-1:]))
        assert state_of(run) == PAUSED, "saving does not make it run"
    finally:
        control.resume()
        worker.join()
    assert state_of(run) == DONE
    assert curve_of(run) == curve_of(whole)
    assert control.waited_s > 0


def test_save_now_keeps_the_step_at_hand(data: Path, tmp_path: Path) -> None:
    control = TrainControl()
    saved: list[int] = []

    def emit(event: object) -> None:
        if isinstance(event, CheckpointSaved):
            saved.append(event.step)
        at_step(2, control.save_now)(event)

    train(TINY, (data,), tmp_path / "run", emit, control)
    assert saved == [2, 4, 8, 12]


@pytest.mark.parametrize("step", [2, 6])
def test_a_stopped_run_leaves_a_usable_model_and_can_go_on(
    data: Path, tmp_path: Path, whole: Path, step: int
) -> None:
    run, control = tmp_path / "run", TrainControl()
    result = train(TINY, (data,), run, at_step(step, control.stop), control)
    assert result.stopped and result.steps == step
    model = checkpoint.load(result.model)
    assert model.provenance["step"] == (2 if step == 2 else 4)
    assert (model.provenance["validation"] is None) is (step == 2)
    assert state_of(run) == STOPPED
    assert steps_kept(run)[-1] == step
    again = train(TINY, (data,), run, ignore, TrainControl(), resume=True)
    assert not again.stopped
    assert curve_of(run) == curve_of(whole)
    assert checkpoint.load(again.model).sha256 == checkpoint.load(whole / "model").sha256


class _StopAt(TrainControl):
    """Asks to stop at its nth checkpoint."""

    def __init__(self, nth: int) -> None:
        super().__init__()
        self._nth = nth

    def checkpoint(self) -> None:
        self._nth -= 1
        if self._nth == 0:
            self.stop()
        super().checkpoint()


def test_a_run_stopped_while_it_validates_ends_at_once(data: Path, tmp_path: Path, whole: Path) -> None:
    run = tmp_path / "run"
    result = train(TINY, (data,), run, ignore, _StopAt(4))  # after three steps, in the first validation
    assert result.stopped and result.steps == 4
    assert checkpoint.load(result.model).provenance["validation"] is None
    assert not [line for line in curve_of(run) if line["kind"] == "validation"]
    train(TINY, (data,), run, ignore, TrainControl(), resume=True)
    assert curve_of(run) == curve_of(whole)


# --- the folder ------------------------------------------------------------------------------------------


def test_a_run_locks_out_a_second_writer(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    refused: list[Exception] = []

    def emit(event: object) -> None:
        if isinstance(event, TrainStarted):
            try:
                train(TINY, (data,), run, ignore, JobControl(), resume=True)
            except RunBusy as error:
                refused.append(error)

    train(replace(TINY, steps=2), (data,), run, emit, JobControl())
    assert len(refused) == 1 and str(run) in str(refused[0])
    assert not RunFolder(run).is_locked()


def test_the_record_tells_how_far_the_run_is_and_brings_the_data_back(data: Path, tmp_path: Path) -> None:
    run, control = tmp_path / "run", JobControl()
    seen: list[str] = []

    def emit(event: object) -> None:
        if isinstance(event, TrainStarted):
            seen.append(state_of(run))
        at_step(6, control.cancel)(event)

    with pytest.raises(Cancelled):
        train(TINY, (data,), run, emit, control)
    first = RunFolder(run).state()
    assert seen == [RUNNING] and first is not None
    assert (first.state, first.step, first.steps, first.data) == (STOPPED, 6, 12, (str(data),))
    assert first.best_step == 4 and first.best_psnr_db is not None and first.parameters > 0
    result = train(TINY, (), run, ignore, JobControl(), resume=True)
    last = RunFolder(run).state()
    assert last is not None
    assert (last.state, last.step, last.best_step, last.started) == (
        DONE,
        12,
        result.best_step,
        first.started,
    )
    assert last.seconds > first.seconds > 0
    assert last.seconds == pytest.approx(first.seconds + result.seconds, rel=0.2)


def test_a_damaged_record_does_not_stop_a_run_from_going_on(data: Path, tmp_path: Path, whole: Path) -> None:
    run, control = tmp_path / "run", JobControl()
    with pytest.raises(Cancelled):
        train(TINY, (data,), run, at_step(6, control.cancel), control)
    (run / "state.json").write_text('{"state": "runn')
    events: list[object] = []
    train(TINY, (data,), run, events.append, JobControl(), resume=True)
    assert isinstance(events[0], Notice) and "state.json" in events[0].text
    assert curve_of(run) == curve_of(whole)


@pytest.mark.parametrize("harm", ["gone", "flipped"])
def test_a_best_model_that_is_gone_or_damaged_is_told_of_and_made_anew(
    data: Path, tmp_path: Path, harm: str
) -> None:
    run, control = tmp_path / "run", JobControl()
    with pytest.raises(Cancelled):
        train(TINY, (data,), run, at_step(6, control.cancel), control)
    if harm == "gone":
        shutil.rmtree(run / "model")
    else:
        weights = run / "model/model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    lines = (run / "curve.jsonl").read_bytes().splitlines(keepends=True)
    (run / "curve.jsonl").write_bytes(b"".join([*lines[:2], b'{"kind": "step"}\n', *lines[3:]]))
    events: list[object] = []
    result = train(TINY, (data,), run, events.append, JobControl(), resume=True)
    told = " ".join(event.text for event in events if isinstance(event, Notice))
    assert "The best model of this run cannot be used" in told
    assert "curve.jsonl: 1 line could not be read" in told
    assert result.best_step > 6, "the one of step 4 is lost"
    checkpoint.load(run / "model")
    assert [line["step"] for line in curve_of(run) if line["kind"] == "step"] == [1, 2, *range(4, 13)]


def test_reports_tell_of_memory(data: Path, tmp_path: Path) -> None:
    events: list[object] = []
    train(replace(TINY, steps=4), (data,), tmp_path / "run", events.append, JobControl(), device="cpu")
    steps = [event for event in events if isinstance(event, StepDone)]
    assert all(50 < event.process_mb < 50_000 and event.device_mb is None for event in steps)
    (validated,) = [event for event in events if isinstance(event, Validated)]
    assert {"memory_entropy", "memory_dead", "memory_duplicates", "memory_renewed"} <= set(validated.memory)
