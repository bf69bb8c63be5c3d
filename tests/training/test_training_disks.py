"""A full disk, one that fails, photos and folders that go away: what is kept, and how the run goes on."""

from __future__ import annotations

import errno
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from core import atomic
from core.events import Notice, StepDone, TrainWaiting
from core.jobs import Cancelled, JobControl, TrainControl, ignore
from core.model import checkpoint
from core.training import curve as training_curve
from core.training import steering as training_steering
from core.training.run_folder import DONE, FAILED, PAUSED, RUNNING, STOPPED, RunFolder, TrainingError
from core.training.trainer import train
from tests.training_kit import TINY, at_step, curve_of, state_of, steps_kept


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_steering, "RETRY_S", 0.02)


class Fault:
    """Makes writing fail for files whose path holds a word, while it is on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, word: str, number: int = errno.ENOSPC) -> None:
        self.word, self.number = word, number
        self.is_on, self.times = True, 0
        put, write_all = atomic._put, training_curve._write_all

        def failing_put(path: Path, content: bytes) -> None:
            if self._fails(str(path)):
                path.write_bytes(content[: len(content) // 2])
                raise OSError(self.number, "made up", str(path))
            put(path, content)

        def failing_write(file: Any, content: bytes) -> None:
            if self._fails("curve"):
                file.write(content[: len(content) // 2])
                raise OSError(self.number, "made up", "curve.jsonl")
            write_all(file, content)

        monkeypatch.setattr(atomic, "_put", failing_put)
        monkeypatch.setattr(training_curve, "_write_all", failing_write)

    def _fails(self, path: str) -> bool:
        fails = self.is_on and self.word in path
        self.times += fails
        return fails


@pytest.mark.parametrize(
    "word", ["checkpoints/.step-", "curve", "model/.model", "model/.config", "film/.step", "state"]
)
def test_a_full_disk_is_waited_for(
    data: Path, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    run = tmp_path / "run"
    fault = Fault(monkeypatch, word)
    events: list[object] = []
    states: list[tuple[str, str]] = []

    def emit(event: object) -> None:
        events.append(event)
        if isinstance(event, TrainWaiting):
            if word != "state":
                state = RunFolder(run).state()
                assert state is not None
                states.append((state.state, state.reason))
            if event.reason is not None:
                threading.Timer(0.3, lambda: setattr(fault, "is_on", False)).start()

    train(TINY, (data,), run, emit, JobControl())
    waits = [event.reason for event in events if isinstance(event, TrainWaiting)]
    assert waits == ["The disk is full. Free some space where the run is kept: it goes on by itself.", None]
    assert fault.times >= 2
    if word != "state":
        assert states[0][0] == PAUSED and "The disk is full" in states[0][1]
        assert states[1] == (RUNNING, "")
    assert curve_of(run) == curve_of(whole)
    assert state_of(run) == DONE
    assert not list(run.rglob("*.tmp"))


def test_waiting_for_the_disk_is_no_work_however_it_ends(tmp_path: Path) -> None:
    asked: list[int] = []

    def refuse() -> None:
        asked.append(1)
        if len(asked) > 1:
            raise Cancelled

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    disk = training_steering.Disk(tmp_path, ignore, refuse, ignore)
    began = time.monotonic()
    with pytest.raises(Cancelled):
        disk.write(full)
    assert 0 < disk.waited_s <= time.monotonic() - began


@pytest.mark.parametrize("word", ["checkpoints/.step-", "curve", "model/.model"])
def test_a_run_that_waits_for_the_disk_can_be_cancelled_and_goes_on_later(
    data: Path, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    run, control = tmp_path / "run", JobControl()
    fault = Fault(monkeypatch, word)
    fault.is_on = False
    events: list[object] = []

    def emit(event: object) -> None:
        events.append(event)
        if isinstance(event, StepDone) and event.step == 6:
            fault.is_on = True
        if isinstance(event, TrainWaiting) and event.reason is not None:
            control.cancel()

    with pytest.raises(Cancelled):
        train(TINY, (data,), run, emit, control)
    unkept = [event.text for event in events if isinstance(event, Notice)]
    if word.startswith("checkpoints"):
        assert steps_kept(run) == [4]
        assert "Step 8 could not be kept, step 4 is kept" in unkept[0]
    else:
        assert not unkept
    assert state_of(run) == STOPPED
    fault.is_on = False
    train(TINY, (data,), run, ignore, JobControl(), resume=True)
    assert curve_of(run) == curve_of(whole)


def test_a_run_that_waits_for_the_disk_can_be_stopped(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, control = tmp_path / "run", TrainControl()
    fault = Fault(monkeypatch, "checkpoints/.step-")
    fault.is_on = False

    def emit(event: object) -> None:
        if isinstance(event, StepDone) and event.step == 6:
            fault.is_on = True
        if isinstance(event, TrainWaiting) and event.reason is not None:
            control.stop()

    result = train(TINY, (data,), run, emit, control)
    assert result.stopped and result.steps == 8
    assert checkpoint.load(result.model).provenance["step"] in (4, 8)
    assert steps_kept(run) == [4]
    assert state_of(run) == STOPPED


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_a_write_that_fails_otherwise_ends_the_run_and_keeps_what_was_there(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    run = tmp_path / "run"
    fault = Fault(monkeypatch, "checkpoints/.step-", number)
    fault.is_on = False
    events: list[object] = []

    def emit(event: object) -> None:
        events.append(event)
        at_step(6, lambda: setattr(fault, "is_on", True))(event)

    with pytest.raises(OSError, match="made up") as caught:
        train(TINY, (data,), run, emit, JobControl())
    assert caught.value.errno == number
    assert steps_kept(run) == [4]
    assert state_of(run) == FAILED
    assert any(isinstance(event, Notice) and "could not be kept" in event.text for event in events)


def test_a_run_s_folder_that_is_gone_is_not_made_anew(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(TrainingError, match="the run's folder is gone"):
        train(TINY, (data,), run, at_step(6, lambda: shutil.rmtree(run)), JobControl())
    assert not run.exists()


def test_a_photo_that_never_was_sound_is_named_with_a_way_out(data: Path, tmp_path: Path) -> None:
    here, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(data, here)
    for photo in (here / "clean").iterdir():
        photo.write_bytes(photo.read_bytes()[:-200])
    with pytest.raises(
        TrainingError, match=r"Step 1: a training photo is no use: \d\.png: .* check the photos"
    ):
        train(TINY, (here,), run, ignore, JobControl())


def test_photos_that_disappear_are_named_and_the_run_goes_on_when_they_are_back(
    data: Path, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, away, run = tmp_path / "data", tmp_path / "away", tmp_path / "run"
    shutil.copytree(data, here)
    monkeypatch.setattr(
        "core.data.sampling.psutil.virtual_memory", lambda: type("Memory", (), {"available": 0})
    )
    emit = at_step(5, lambda: (here / "clean").rename(away))
    with pytest.raises(
        TrainingError, match=r"a training photo cannot be read any more: \d\.png: .*data/clean/\d\.png"
    ):
        train(TINY, (here,), run, emit, JobControl())
    kept = steps_kept(run)
    assert kept[-1] >= 5
    state = RunFolder(run).state()
    assert state is not None and state.state == FAILED and ".png" in state.reason
    away.rename(here / "clean")
    train(TINY, (), run, ignore, JobControl(), resume=True)
    assert curve_of(run) == curve_of(whole)
