"""The estimate runs real steps, writes nothing, and knows when memory will not do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from core.data.sampling import PhotoPool, Sample
from core.events import ItemDone, ItemStarted
from core.jobs import Cancelled, JobControl, ignore
from core.training import estimate as training_estimate
from core.training.estimate import Estimate, estimate
from core.training.learning.learner import Learner
from core.training.recipe import RecipeError, TrainRecipe
from tests.doctor.test_doctor import pairs, photos

RECIPE = TrainRecipe(
    name="tiny", preset="custom", width=8, steps=100, batch=4, patch_px=32, warmup_steps=4,
    train=("DATA/clean",), validation=("DATA/val",), validate_every=30, validate_crop_px=48,
    contrastive_every=3, precision="fp32",
)  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return photos(tmp_path / "data", 5, 2)


def listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((path.as_posix(), path.stat().st_mtime_ns) for path in folder.rglob("*"))


def test_real_steps_are_measured_and_nothing_is_left(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = listing(tmp_path)
    events: list[object] = []
    learnt: list[tuple[int, bool]] = []
    real = Learner.learn

    def spy(learner: Learner, samples: Sample) -> dict[str, torch.Tensor]:
        learnt.append((len(samples[0]), learner.step % RECIPE.contrastive_every == 0))
        return real(learner, samples)

    monkeypatch.setattr(Learner, "learn", spy)
    state = torch.get_rng_state()
    found = estimate(RECIPE, (data,), events.append, JobControl(), "cpu")
    assert listing(tmp_path) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert learnt[:2] == [(2, True)] * 2  # crops of one photo first
    assert all(size == 4 for size, _ in learnt[2:])
    assert {contrasts for _, contrasts in learnt[4:]} == {True, False}
    assert found.measured_steps == len(learnt) - 4 >= 2
    assert found.seconds_per_step > 0
    assert found.images_per_s == pytest.approx(4 / found.seconds_per_step)
    assert found.validation_seconds > 0
    assert found.total_seconds == pytest.approx(100 * found.seconds_per_step + found.validation_seconds)
    assert 0 <= found.data_wait < 1
    assert 50 < found.peak_mb < 1e5
    assert found.fits
    assert (found.suggested_batch, found.suggested_patch_px) == (4, 32)
    assert (found.device, found.precision, found.device_peak_mb) == ("cpu", "fp32", None)
    started = [event for event in events if isinstance(event, ItemStarted)]
    assert len(started) == len([event for event in events if isinstance(event, ItemDone)]) == len(learnt) + 1
    assert all(event.index <= event.count for event in started)


def test_pairs_with_masks_and_without_a_memory(tmp_path: Path) -> None:
    data = pairs(tmp_path / "data", 6)
    recipe = replace(
        RECIPE, task="deshadow", kind="pairs", train=("DATA/set",), validation=("DATA/set",), hold_out=0.3, memory="none"
    )  # fmt: skip
    found = estimate(recipe, (data,), ignore, JobControl(), "cpu")
    assert found.seconds_per_step > 0


def test_rare_steps_count_as_rare() -> None:
    timed = training_estimate._Timed(8, [5.0, 5.0], [1.0, 1.0, 9.0], 0.5, [0.1])
    assert timed.compute_s(4) == pytest.approx((5 + 3 * 1) / 4)
    assert timed.step_s(4) == pytest.approx(2.0 + 0.5 / 5)
    slow = training_estimate._Timed(8, [1.0], [1.0], 0.0, [6.0, 6.0])
    assert slow.step_s(4) == pytest.approx(3.0)  # two threads that make batches, each in 6 s
    assert training_estimate._Timed(8, [2.0], [], 0.0, []).compute_s(1) == 2.0


def small_machine(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Only the estimate believes in it."""
    machine = SimpleNamespace(Process=psutil.Process, virtual_memory=lambda: SimpleNamespace(available=free))
    monkeypatch.setattr(training_estimate, "psutil", machine)


def test_too_large_a_batch_is_not_tried(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    real = Learner.learn

    def spy(learner: Learner, samples: Sample) -> dict[str, torch.Tensor]:
        sizes.append(len(samples[0]))
        return real(learner, samples)

    monkeypatch.setattr(Learner, "learn", spy)
    monkeypatch.setattr(training_estimate._Meter, "held", lambda self: 10**9)
    monkeypatch.setattr(training_estimate._Meter, "peak", lambda self: 2 * 10**9)  # 1 GB for 2 crops
    small_machine(monkeypatch, 10_100_000_000)
    found = estimate(replace(RECIPE, batch=64), (data,), ignore, JobControl(), "cpu")
    assert set(sizes) == {2}
    assert not found.fits
    assert found.suggested_batch == 16  # in 8 of 10 GB
    assert found.suggested_patch_px == 32
    assert "batch of 64 would need about 33.0 GB of the 10.1 GB that are free" in found.reason
    assert found.peak_mb > 30_000
    assert found.images_per_s == pytest.approx(64 / found.seconds_per_step)


def test_too_large_a_patch_is_made_smaller(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_estimate._Meter, "held", lambda self: 10**9)
    monkeypatch.setattr(training_estimate._Meter, "peak", lambda self: 5 * 10**9)
    small_machine(monkeypatch, 2 * 10**9)
    found = estimate(replace(RECIPE, patch_px=64), (data,), ignore, JobControl(), "cpu")
    assert not found.fits
    assert found.suggested_batch == 2
    assert found.suggested_patch_px == 40  # 1.6 GB of 4: sqrt(0.4) of the edge
    assert "even 2 crops of 64 px would need" in found.reason


def test_it_stops_when_told(data: Path) -> None:
    for when in (1, 3, 5):
        control = JobControl()

        def emit(event: object, when: int = when, control: JobControl = control) -> None:
            if isinstance(event, ItemStarted) and event.index == when:
                control.cancel()

        with pytest.raises(Cancelled):
            estimate(RECIPE, (data,), emit, control, "cpu")
    control = JobControl()
    control.cancel()
    with pytest.raises(Cancelled):
        estimate(RECIPE, (data,), ignore, control, "cpu")


def test_bad_data_is_said_as_in_training(data: Path) -> None:
    with pytest.raises(RecipeError, match="no such folder"):
        estimate(replace(RECIPE, train=("DATA/none",)), (data,), ignore, JobControl(), "cpu")


def test_photos_that_will_be_kept_are_counted(data: Path) -> None:
    paths = sorted((data / "clean").iterdir())
    pool = PhotoPool(paths)
    assert pool.still_to_come() == 0
    size = pool[0].nbytes
    assert pool.still_to_come() == 4 * size
    for number in range(5):
        pool[number]
    assert pool.still_to_come() == 0
    tight = PhotoPool(paths, budget_bytes=2 * size)
    tight[0]
    assert tight.still_to_come() == size


def test_a_card_that_is_bored_gets_a_larger_batch(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card is made up; that it is tried and not guessed is not."""
    bench = object.__new__(training_estimate._Bench)
    bench.recipe, bench.every = RECIPE, 3
    bench.learner = SimpleNamespace(part=4)  # type: ignore[assignment]
    tried = []

    def timed(batch: int, plan: tuple[bool, ...] = ()) -> training_estimate._Timed:
        tried.append(batch)
        bench.learner.part = batch
        return training_estimate._Timed(batch, [1.0 if batch <= 16 else batch / 16], [], 0.0, [])

    monkeypatch.setattr(bench, "_timed", timed)
    first = training_estimate._Timed(4, [1.0], [], 0.0, [])
    assert bench._suggest_larger(first, 0.0, 1.0, 1000.0)[0] == 16
    assert tried == [8, 16, 32]
    batch, patch_px, reason = bench._suggest_larger(first, 0.0, 1.0, 20.0)
    assert (batch, patch_px) == (8, 32)  # 16 crops would not leave enough room
    assert "8 images/s instead of 4; as many photos are seen in 50 steps" in reason


def test_all_of_it_goes_into_json(data: Path) -> None:
    found = Estimate(0.5, 60.0, 900.0, 8, 128, "why", "cpu", "bf16", 9, 16.0, 0.01, 10.0, 8000.0, None, True)
    assert found.as_dict()["seconds_per_step"] == 0.5
    assert found.as_dict()["device_peak_mb"] is None
