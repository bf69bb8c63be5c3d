"""Training is real here, only small: a tiny network, a few photos, a handful of steps."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core import checkpoint, training
from core.cv import cv2
from core.events import CheckpointSaved, Notice, StepDone, TrainStarted, Validated
from core.jobs import Cancelled, JobControl, ignore
from core.recipe import RecipeError, TrainRecipe
from core.sampling import PhotoPool, Prefetcher, SampleSource
from core.training import TrainingError, learning_rate, read_curve, train
from tests.small import photo

RECIPE = TrainRecipe(
    name="tiny", preset="custom", width=8, steps=24, batch=2, patch_px=32, warmup_steps=4, lr=2e-3,
    train=("DATA/clean",), validation=("DATA/val",), validate_every=8, validate_crop_px=48, log_every=2,
    contrastive_every=3, checkpoint_minutes=1000.0, ema=0.9, precision="bf16",
)  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for folder, seeds in (("clean", range(5)), ("val", range(50, 52))):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for seed in seeds:
            cv2.imwrite(str(tmp_path / "data" / folder / f"{seed}.png"), photo(72, 64, seed))
    return tmp_path / "data"


def curve_of(run: Path) -> list[dict[str, Any]]:
    timing = {"images_per_s", "data_wait"}
    return [{k: v for k, v in line.items() if k not in timing} for line in read_curve(run)]


def test_the_rate_warms_up_and_follows_a_cosine() -> None:
    recipe = TrainRecipe(steps=100, warmup_steps=10, lr=1.0, lr_end=0.1)
    rates = [learning_rate(recipe, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.55)
    assert rates[100] == pytest.approx(0.1)
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates[10:]))


def test_training_learns_reports_and_leaves_a_model(data: Path, tmp_path: Path) -> None:
    events: list[object] = []
    recipe = replace(RECIPE, steps=60, validate_every=20, degradation={"untouched": 0.0})
    result = train(recipe, (data,), tmp_path / "run", events.append, JobControl())
    assert isinstance(events[0], TrainStarted)
    scores = [event.psnr_db for event in events if isinstance(event, Validated)]
    assert len(scores) == 3
    assert result.best_psnr_db == max(scores)
    first = next(event for event in events if isinstance(event, Validated))
    assert result.best_psnr_db > first.input_psnr_db + 0.3  # it removes some rain already
    steps = [event for event in events if isinstance(event, StepDone)]
    assert [event.step for event in steps] == list(range(2, 61, 2))
    assert {"pixel", "edge", "contrastive", "polarity", "distance_positive"} <= set().union(
        *(e.terms for e in steps)
    )
    assert steps[-1].seconds_left == pytest.approx(0, abs=1e-6)
    model = checkpoint.load(result.model)
    assert model.provenance["recipe_sha256"] == recipe.sha256()
    assert model.provenance["validation"]["psnr_db"] == pytest.approx(result.best_psnr_db, abs=1e-3)
    assert str(tmp_path) not in json.dumps(dict(model.provenance))  # no paths of this machine in a model
    assert TrainRecipe.from_toml(tmp_path / "run" / "recipe.toml") == recipe


def stop_after(control: JobControl, step: int) -> Any:
    def emit(event: object) -> None:
        if isinstance(event, StepDone) and event.step >= step:
            control.cancel()

    return emit


def test_a_stopped_run_goes_on_as_if_nothing_had_happened(data: Path, tmp_path: Path) -> None:
    train(RECIPE, (data,), tmp_path / "whole", ignore, JobControl())
    control = JobControl()
    with pytest.raises(Cancelled):
        train(RECIPE, (data,), tmp_path / "parts", stop_after(control, 10), control)
    events: list[object] = []
    train(RECIPE, (data,), tmp_path / "parts", events.append, JobControl(), resume=True)
    started = events[0]
    assert isinstance(started, TrainStarted)
    assert started.step == 10
    assert curve_of(tmp_path / "parts") == curve_of(tmp_path / "whole")
    one, other = (
        checkpoint.load(tmp_path / name / "model").network.state_dict() for name in ("whole", "parts")
    )
    assert all(torch.equal(one[key], other[key]) for key in one)


_CHILD = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from core.jobs import JobControl
from core.recipe import TrainRecipe
from core.training import train
from core.events import StepDone
def emit(event):
    if isinstance(event, StepDone):
        print(event.step, flush=True)
train(TrainRecipe.from_toml(Path(sys.argv[1])), (Path(sys.argv[2]),), Path(sys.argv[3]), emit, JobControl())
"""


def test_a_killed_run_goes_on_exactly(data: Path, tmp_path: Path) -> None:
    """kill -9 between checkpoints, mid-epoch, with rain, averaging and bf16 on."""
    recipe = replace(RECIPE, steps=30, validate_every=6)
    train(recipe, (data,), tmp_path / "whole", ignore, JobControl())
    stored = tmp_path / "recipe.toml"
    stored.write_text(recipe.to_toml())
    run = tmp_path / "killed"
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(stored), str(data), str(run)],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert child.stdout is not None
    with child, child.stdout as lines:
        for line in lines:
            if int(line) >= 14:  # the last checkpoint is at 12
                os.kill(child.pid, signal.SIGKILL)
                break
    events: list[object] = []
    train(recipe, (data,), run, events.append, JobControl(), resume=True)
    assert isinstance(events[0], TrainStarted)
    assert 0 < events[0].step < 30
    assert curve_of(run) == curve_of(tmp_path / "whole")


def test_a_truncated_checkpoint_is_passed_over(data: Path, tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    train(RECIPE, (data,), whole, ignore, JobControl())
    control = JobControl()
    with pytest.raises(Cancelled):
        train(RECIPE, (data,), run, stop_after(control, 18), control)
    newest = max((run / "checkpoints").iterdir())
    assert "18" in newest.name
    newest.write_bytes(newest.read_bytes()[:1000])
    events: list[object] = []
    train(RECIPE, (data,), run, events.append, JobControl(), resume=True)
    assert isinstance(events[0], Notice)
    assert newest.name in events[0].text
    assert isinstance(events[1], TrainStarted)
    assert events[1].step == 16
    assert curve_of(run) == curve_of(whole)


def test_checkpoints_by_time_and_only_the_newest_kept(data: Path, tmp_path: Path) -> None:
    events: list[object] = []
    recipe = replace(RECIPE, checkpoint_minutes=0.0, steps=12, validate_every=12)
    train(recipe, (data,), tmp_path / "run", events.append, JobControl())
    saved = [event.step for event in events if isinstance(event, CheckpointSaved)]
    assert saved == [2, 4, 6, 8, 10, 12]
    kept = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == ["step-00000010.safetensors", "step-00000012.safetensors"]


def test_a_run_folder_is_never_mixed_up(data: Path, tmp_path: Path) -> None:
    short = replace(RECIPE, steps=2, validate_every=2)
    train(short, (data,), tmp_path / "run", ignore, JobControl())
    with pytest.raises(TrainingError, match="already holds a run"):
        train(short, (data,), tmp_path / "run", ignore, JobControl())
    with pytest.raises(TrainingError, match="another recipe"):
        train(replace(short, seed=9), (data,), tmp_path / "run", ignore, JobControl(), resume=True)


def test_validation_photos_must_not_be_trained_on(data: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, validation=("DATA/clean",))
    with pytest.raises(RecipeError, match="training and in validation"):
        train(recipe, (data,), tmp_path / "run", ignore, JobControl())


def test_empty_and_missing_folders_are_named(data: Path, tmp_path: Path) -> None:
    (data / "empty").mkdir()
    for folder in ("DATA/empty", "DATA/none"):
        with pytest.raises(RecipeError, match=folder.split("/")[1]):
            train(replace(RECIPE, train=(folder,)), (data,), tmp_path / "run", ignore, JobControl())


def test_pairs_train_too(data: Path, tmp_path: Path) -> None:
    for side in ("input", "target"):
        (data / "pairs" / side).mkdir(parents=True)
    for seed in range(3):
        clean = photo(64, 48, seed)
        cv2.imwrite(str(data / "pairs" / "target" / f"{seed}.png"), clean)
        cv2.imwrite(str(data / "pairs" / "input" / f"{seed}.png"), np.minimum(clean.astype(int) + 40, 255))
    recipe = replace(
        RECIPE, kind="pairs", train=("DATA/pairs",), validation=("DATA/pairs",), steps=4, validate_every=4
    )
    result = train(recipe, (data,), tmp_path / "run", ignore, JobControl())
    assert np.isfinite(result.best_psnr_db)


def test_fine_tuning_starts_where_the_model_stands(data: Path, tmp_path: Path) -> None:
    first = train(replace(RECIPE, steps=8), (data,), tmp_path / "one", ignore, JobControl())
    recipe = replace(
        RECIPE, start_from=str(first.model), steps=2, validate_every=2, lr=1e-6, lr_end=0.0, ema=0.0
    )
    second = train(recipe, (data,), tmp_path / "two", ignore, JobControl())
    one, two = (checkpoint.load(result.model).network.state_dict() for result in (first, second))
    assert all(torch.allclose(one[key], two[key], atol=1e-4) for key in one)


def test_a_loss_that_is_no_number_stops_the_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training.losses, "charbonnier", lambda a, b: (a.float() * float("nan")).mean())
    with pytest.raises(TrainingError, match="loss is nan"):
        train(replace(RECIPE, steps=4), (data,), tmp_path / "run", ignore, JobControl())


# --- samples -----------------------------------------------------------------------------------------


@pytest.fixture
def source(data: Path) -> SampleSource:
    pool = PhotoPool(sorted((data / "clean").iterdir()))
    return SampleSource(
        pool, None, lambda clean, rng: clean + rng.normal(0, 0.1, clean.shape).astype(np.float32), 32, 3
    )


def test_sample_i_depends_on_seed_and_i_alone(source: SampleSource) -> None:
    forwards = [source.sample(i) for i in range(8)]
    backwards = [source.sample(i) for i in reversed(range(8))][::-1]
    for (a, b), (c, d) in zip(forwards, backwards, strict=True):
        assert np.array_equal(a, c)
        assert np.array_equal(b, d)
    other = replace(source, seed=4)
    assert not np.array_equal(other.sample(0)[0], forwards[0][0])


def test_an_epoch_visits_every_photo_once(source: SampleSource) -> None:
    seen: Iterator[int] = iter(())
    for epoch in range(3):
        order = np.random.default_rng([source.seed, 0, epoch]).permutation(len(source.truths))
        seen = iter(sorted(order.tolist()))
        assert list(seen) == list(range(5))


def test_the_prefetcher_keeps_the_order_and_passes_errors_on() -> None:
    def make(step: int) -> Any:
        time.sleep(0.002 * (step % 3))
        if step == 6:
            raise OSError("photo gone")
        return np.full(1, step), np.full(1, step)

    prefetcher = Prefetcher(make, 2, 9, threads=3)
    assert [int(prefetcher.take()[0][0]) for _ in range(4)] == [2, 3, 4, 5]
    with pytest.raises(OSError, match="photo gone"):
        prefetcher.take()
    prefetcher.close()


def test_photos_smaller_than_the_patch_are_mirrored(data: Path) -> None:
    cv2.imwrite(str(data / "clean" / "9.png"), photo(9, 5))
    pool = PhotoPool([data / "clean" / "9.png"])
    degraded, clean = SampleSource(pool, None, lambda c, _rng: c, 32, 1).sample(0)
    assert degraded.shape == clean.shape == (32, 32, 3)


def test_the_pool_reads_again_beyond_its_budget(data: Path) -> None:
    paths = sorted((data / "clean").iterdir())
    rich, poor = PhotoPool(paths), PhotoPool(paths, budget_bytes=0)
    assert rich[0] is rich[0]
    assert poor[0] is not poor[0]
    assert np.array_equal(rich[0], poor[0])
