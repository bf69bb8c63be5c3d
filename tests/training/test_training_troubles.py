"""A loss that explodes, a device without memory: nothing learned is lost, and the run says what happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.events import Notice, StepDone
from core.jobs import Cancelled, JobControl, TrainControl, ignore
from core.training.guard import Guard
from core.training.learning import losses
from core.training.learning.learner import Learner
from core.training.run_folder import DONE, FAILED, RunFolder, TrainingError
from core.training.state import read_state
from core.training.trainer import train
from tests.training_kit import TINY, at_step, curve_of, state_of, steps_kept

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
