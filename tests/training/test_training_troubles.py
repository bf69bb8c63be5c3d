"""What goes wrong around a run, made to go wrong: nothing learned is lost, and the run says what happened."""

from __future__ import annotations

import errno
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core import atomic
from core.events import CheckpointSaved, Notice, StepDone, TrainStarted, TrainWaiting, Validated
from core.jobs import Cancelled, JobControl, TrainControl, ignore
from core.model import checkpoint
from core.training import curve as training_curve
from core.training import steering as training_steering
from core.training.guard import Guard
from core.training.learning import losses
from core.training.learning.learner import Learner
from core.training.run_folder import DONE, FAILED, PAUSED, RUNNING, STOPPED, RunBusy, RunFolder, TrainingError
from core.training.state import read_state
from core.training.trainer import train
from tests.training_kit import RECIPE, curve_of, make_data

TINY = replace(
    RECIPE,
    width=4,
    steps=12,
    patch_px=16,
    validate_every=4,
    validate_crop_px=32,
    log_every=1,
    contrastive_every=2,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing happened to."""
    run = tmp_path_factory.mktemp("whole") / "run"
    train(TINY, (data,), run, ignore, JobControl())
    return run


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_steering, "RETRY_S", 0.02)


def state_of(run: Path) -> str:
    state = RunFolder(run).state()
    assert state is not None
    return state.state


def steps_kept(run: Path) -> list[int]:
    return sorted(int(file.stem[5:]) for file in (run / "checkpoints").glob("step-*.safetensors"))


def at_step(step: int, action: Callable[[], object]) -> Callable[[object], None]:
    def emit(event: object) -> None:
        if isinstance(event, StepDone) and event.step == step:
            action()

    return emit


# --- a loss that explodes --------------------------------------------------------------------------------


def spoil_loss(monkeypatch: pytest.MonkeyPatch, calls: range, factor: float) -> None:
    """Multiply the pixel loss in some of its calls, counted from 1."""
    charbonnier, made = losses.charbonnier, []

    def spoiled(restored: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        made.append(1)
        return charbonnier(restored, truth) * (factor if len(made) in calls else 1.0)

    monkeypatch.setattr(losses, "charbonnier", spoiled)


def test_a_loss_that_is_no_number_sends_the_run_back_with_a_lower_rate(
    data: Path, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[object] = []
    with monkeypatch.context() as patch:
        spoil_loss(patch, range(7, 8), float("nan"))  # between the checkpoints at 4 and 8
        result = train(TINY, (data,), tmp_path / "run", events.append, JobControl())
    assert result.steps == 12
    (notice,) = [event.text for event in events if isinstance(event, Notice)]
    assert "step 7 the loss is nan" in notice and "step 4" in notice and "0.5 times" in notice
    curve = curve_of(tmp_path / "run")
    untroubled = curve_of(whole)
    at = next(index for index, line in enumerate(curve) if line["kind"] == "setback")
    assert curve[:at] == untroubled[:at]  # up to the validation of step 4
    assert curve[at]["step"] == 4 and curve[at]["from_step"] == 7 and curve[at]["lr_scale"] == 0.5
    rates = [
        {line["step"]: line["lr"] for line in lines if line["kind"] == "step"}
        for lines in (curve, untroubled)
    ]
    assert all(
        rates[0][step] == pytest.approx(rates[1][step] * (0.5 if step > 4 else 1)) for step in range(1, 13)
    )
    assert len([line for line in curve if line["kind"] == "step"]) == 12
    # stopped after the setback and gone on with, it is the same run
    control = JobControl()
    with monkeypatch.context() as patch:
        spoil_loss(patch, range(7, 8), float("nan"))
        seen: list[int] = []

        def emit(event: object) -> None:
            if isinstance(event, StepDone):
                seen.append(event.step)
                if len(seen) > 6 and event.step == 6:
                    control.cancel()

        with pytest.raises(Cancelled):
            train(TINY, (data,), tmp_path / "parts", emit, control)
    train(TINY, (data,), tmp_path / "parts", ignore, JobControl(), resume=True)
    assert curve_of(tmp_path / "parts") == curve


def test_save_now_never_puts_exploded_weights_in_the_place_of_good_ones(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    charbonnier, made, control, events = losses.charbonnier, [], TrainControl(), []

    def spoiled(restored: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        made.append(1)
        if 5 <= len(made) <= 8:  # between two reports
            control.save_now()
            return charbonnier(restored, truth) * float("nan")
        return charbonnier(restored, truth)

    monkeypatch.setattr(losses, "charbonnier", spoiled)
    result = train(replace(TINY, log_every=4), (data,), tmp_path / "run", events.append, control)
    told = [event.text for event in events if isinstance(event, Notice)]
    assert "Step 5 is not kept" in told[0]
    back = next(text for text in told if "went back" in text)
    assert back.startswith("In step 8 the loss is nan: went back to step 4")
    assert result.steps == 12 and state_of(tmp_path / "run") == DONE
    assert len([line for line in curve_of(tmp_path / "run") if line["kind"] == "setback"]) == 1


def test_a_loss_that_always_explodes_ends_the_run_with_a_sentence(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_loss(monkeypatch, range(1, 100), float("nan"))
    events: list[object] = []
    with pytest.raises(TrainingError, match=r"the loss is nan, also after going back to step 0 5 times"):
        train(TINY, (data,), tmp_path / "run", events.append, JobControl())
    assert len([event for event in events if isinstance(event, Notice)]) == 5
    assert steps_kept(tmp_path / "run") == [0]
    state = RunFolder(tmp_path / "run").state()
    assert state is not None and state.state == FAILED and "lower learning rate" in state.reason
    scales = [line["lr_scale"] for line in curve_of(tmp_path / "run")]
    assert scales == [0.5, 0.25, 0.125, 0.0625, 0.03125]


def test_a_loss_that_stays_far_too_high_counts_as_exploded(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_loss(monkeypatch, range(7, 10), 1000.0)
    events: list[object] = []
    recipe = replace(TINY, checkpoint_minutes=0.0)  # also on the way up
    train(recipe, (data,), tmp_path / "run", events.append, JobControl())
    (notice,) = [event.text for event in events if isinstance(event, Notice)]
    assert "step 9 the loss has grown from" in notice
    assert "went back to step 6" in notice, "what was kept on the way up is not gone back to"
    assert state_of(tmp_path / "run") == DONE


def test_a_peak_is_no_explosion() -> None:
    guard = Guard()
    for loss in [1.0, 0.9, 0.8, 0.9, 0.7, 30.0, 30.0, 0.8, 30.0, 0.7]:
        assert guard.judge(loss, True) is None
    assert guard.judge(30.0, True) is None and guard.judge(30.0, True) is None
    assert "from 0.8 to 30" in str(guard.judge(30.0, True))
    assert Guard.from_dict(guard.as_dict()) == guard
    assert "not finite" in str(Guard().judge(1.0, False))
    assert Guard().judge(1e9, True) is None  # nothing to compare it with


def test_going_back_further_than_before_starts_a_new_count() -> None:
    guard = Guard()
    for step in (0, 0, 4, 4, 4):
        guard.note_setback(step, step + 3, "the loss is nan")
    assert guard.in_a_row == 3
    assert guard.lr_scale == pytest.approx(0.5**5)
    assert Guard.from_dict(guard.as_dict()) == guard


# --- a device without memory -----------------------------------------------------------------------------

GROUPS = replace(TINY, batch=8, crops_per_photo=2, steps=4, validate_every=2)


def short_of_memory(monkeypatch: pytest.MonkeyPatch, most: int, error: Callable[[], Exception]) -> list[int]:
    """A device on which no more than ``most`` crops fit; the sizes that were tried."""
    real, tried = Learner._backward, []

    def limited(self: Learner, samples: Any, share: float) -> Any:
        tried.append(len(samples[0]))
        if len(samples[0]) > most:
            raise error()
        return real(self, samples, share)

    monkeypatch.setattr(Learner, "_backward", limited)
    return tried


@pytest.mark.parametrize(
    "error",
    [
        lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"),
    ],
)
def test_without_memory_for_a_batch_it_goes_through_in_parts(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception]
) -> None:
    events: list[object] = []
    control = JobControl()
    with monkeypatch.context() as patch:
        tried = short_of_memory(patch, 2, error)

        def emit(event: object) -> None:
            events.append(event)
            at_step(2, control.cancel)(event)

        with pytest.raises(Cancelled):
            train(GROUPS, (data,), tmp_path / "run", emit, control)
    assert tried == [8, 4, 2, 2, 2, 2] + [2] * 4
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert ["parts of 4" in notices[0], "parts of 2" in notices[1], len(notices)] == [True, True, 2]
    newest = max((tmp_path / "run" / "checkpoints").iterdir())
    assert read_state(newest)["part"] == 2
    events.clear()
    with monkeypatch.context() as patch:
        tried = short_of_memory(patch, 2, error)
        train(GROUPS, (data,), tmp_path / "run", events.append, JobControl(), resume=True)
    assert set(tried) == {2}
    assert not [event for event in events if isinstance(event, Notice)]


def test_without_memory_for_one_photo_s_crops_the_run_ends_with_a_sentence(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(monkeypatch, 1, lambda: torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(TrainingError, match=r"not enough memory on cpu even for 2 crops of 16 px"):
        train(GROUPS, (data,), tmp_path / "run", ignore, JobControl(), device="cpu")
    assert state_of(tmp_path / "run") == FAILED


def test_other_errors_of_the_device_are_not_taken_for_want_of_memory(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(monkeypatch, 1, lambda: RuntimeError("CUDA error: device-side assert triggered"))
    with pytest.raises(RuntimeError, match="device-side assert"):
        train(GROUPS, (data,), tmp_path / "run", ignore, JobControl())


@pytest.mark.parametrize(
    ("part", "terms", "tolerance"), [(2, "means", 1e-4), (6, "means", 1e-4), (4, "all", 0.1)]
)
def test_parts_have_the_gradient_of_the_batch(part: int, terms: str, tolerance: float) -> None:
    """Exact for terms that are means over crops; near for those that look at a batch as a whole."""
    recipe = replace(GROUPS, precision="fp32")
    if terms == "means":
        recipe = replace(recipe, balance_weight=0.0, contrastive_weight=0.0, contrastive_every=1000)
    generator = torch.Generator().manual_seed(3)
    clean = torch.rand(8, 16, 16, 3, generator=generator)
    rain = (torch.rand(8, 16, 16, 1, generator=generator) > 0.7).float() * 0.4
    samples = tuple(tensor.numpy() for tensor in (clean + rain, clean, torch.zeros(8, 16, 16, 1)))
    gradients = []
    for size in (8, part):
        learner = Learner(recipe, "cpu", "fp32", False)
        learner.step = 1 if terms == "means" else 0
        learner.part = size
        with torch.no_grad():  # a new network says nothing yet
            for weight in (learner.network.last.weight, learner.network.memory.out.weight):  # type: ignore[union-attr]
                weight.copy_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(4)))
        learner._gradients(samples)  # type: ignore[arg-type]
        gradients.append(
            torch.cat([p.grad.flatten() for p in learner.network.parameters() if p.grad is not None])
        )
    difference = (gradients[0] - gradients[1]).norm() / gradients[0].norm()
    assert float(difference) < tolerance


# --- disks -----------------------------------------------------------------------------------------------


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


# --- control ---------------------------------------------------------------------------------------------


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
