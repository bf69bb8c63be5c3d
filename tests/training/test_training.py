"""Training is real here, only small: a tiny network, a few photos, a handful of steps."""

from __future__ import annotations

import gc
import itertools
import json
import shutil
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.cv import cv2
from core.events import CheckpointSaved, Notice, StepDone, TrainStarted, Validated
from core.jobs import Cancelled, JobControl, ignore
from core.model import checkpoint
from core.training import kept as training_kept
from core.training import trainer as training
from core.training.learning import optimizers
from core.training.learning.learner import Learner
from core.training.recipe import RecipeError, TrainRecipe
from core.training.run_folder import INTERRUPTED, RunFolder, read_curve
from core.training.trainer import TrainingError, TrainResult, learning_rate, train
from tests.forked import Forked
from tests.small import photo
from tests.training_kit import RECIPE, curve_of, make_data, train_and_tell

WholeRun = Callable[[TrainRecipe], tuple[Path, TrainResult]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data(tmp_path / "data")


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> WholeRun:
    """The run of a recipe that nothing happens to: trained once on photos like everybody's, and only looked at."""
    place = tmp_path_factory.mktemp("whole")
    photos = make_data(place / "data")
    trained: dict[str, TrainResult] = {}

    def of(recipe: TrainRecipe) -> tuple[Path, TrainResult]:
        key, run = recipe.to_toml(), place / f"run-{len(trained)}"
        if key not in trained:
            trained[key] = train(recipe, (photos,), run, ignore, JobControl())
        return trained[key].model.parent, trained[key]

    return of


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
    recipe = replace(
        pairs_recipe(data), width=8, patch_px=32, steps=48, validate_every=16
    )  # a fault that is learnt in seconds
    result = train(recipe, (data,), tmp_path / "run", events.append, JobControl())
    assert isinstance(events[0], TrainStarted)
    scores = [event.psnr_db for event in events if isinstance(event, Validated)]
    assert len(scores) == 3
    assert result.best_psnr_db == max(scores)
    first = next(event for event in events if isinstance(event, Validated))
    assert result.best_psnr_db > first.input_psnr_db + 3
    steps = [event for event in events if isinstance(event, StepDone)]
    assert [event.step for event in steps] == list(range(2, 49, 2))
    assert {"pixel", "edge", "contrastive", "polarity", "distance_positive"} <= set().union(
        *(e.terms for e in steps)
    )
    assert steps[-1].seconds_left == pytest.approx(0, abs=1e-6)
    model = checkpoint.load(result.model)
    assert model.provenance["recipe_sha256"] == recipe.sha256()
    assert model.provenance["validation"]["psnr_db"] == pytest.approx(result.best_psnr_db, abs=1e-3)
    assert str(tmp_path) not in json.dumps(dict(model.provenance))  # no paths of this machine in a model
    assert TrainRecipe.from_toml(tmp_path / "run" / "recipe.toml") == recipe
    lines = [line for line in read_curve(tmp_path / "run") if line["kind"] == "validation"]
    assert [line["psnr_db"] for line in lines] == scores
    assert {(line["input_psnr_db"], line["protocol"]) for line in lines} == {(first.input_psnr_db, "Y")}


def stop_after(control: JobControl, step: int) -> Any:
    def emit(event: object) -> None:
        if isinstance(event, StepDone) and event.step >= step:
            control.cancel()

    return emit


def test_a_stopped_run_goes_on_as_if_nothing_had_happened(
    data: Path, tmp_path: Path, whole_run: WholeRun
) -> None:
    whole, _ = whole_run(RECIPE)
    control = JobControl()
    with pytest.raises(Cancelled):
        train(RECIPE, (data,), tmp_path / "parts", stop_after(control, 10), control)
    events: list[object] = []
    train(RECIPE, (data,), tmp_path / "parts", events.append, JobControl(), resume=True)
    started = events[0]
    assert isinstance(started, TrainStarted)
    assert started.step == 10
    assert curve_of(tmp_path / "parts") == curve_of(whole)
    one, other = (checkpoint.load(run / "model").network.state_dict() for run in (whole, tmp_path / "parts"))
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("step", [7, 9])
def test_a_run_stopped_between_reports_writes_the_same_curve(
    data: Path, tmp_path: Path, whole_run: WholeRun, step: int
) -> None:
    recipe = replace(RECIPE, log_every=5, steps=16)
    whole, _ = whole_run(recipe)
    control = _CancelAt(step)
    with pytest.raises(Cancelled):
        train(recipe, (data,), tmp_path / "parts", ignore, control)
    train(recipe, (data,), tmp_path / "parts", ignore, JobControl(), resume=True)
    assert curve_of(tmp_path / "parts") == curve_of(whole)


class _CancelAt(JobControl):
    """Cancels at its nth checkpoint; in the first steps there is one after each."""

    def __init__(self, nth: int) -> None:
        super().__init__()
        self._left = nth

    def checkpoint(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.cancel()
        super().checkpoint()


@pytest.mark.parametrize("steps", [8, 16])
def test_a_run_stopped_while_it_validates_validates_when_it_goes_on(
    data: Path, tmp_path: Path, whole_run: WholeRun, steps: int
) -> None:
    recipe = replace(RECIPE, steps=steps)
    run, whole = whole_run(recipe)
    with pytest.raises(Cancelled):  # after seven steps, in the first validation
        train(recipe, (data,), tmp_path / "parts", ignore, _CancelAt(8))
    assert not [line for line in read_curve(tmp_path / "parts") if line["kind"] == "validation"]
    result = train(recipe, (data,), tmp_path / "parts", ignore, JobControl(), resume=True)
    assert curve_of(tmp_path / "parts") == curve_of(run)
    assert (result.best_psnr_db, result.best_step) == (whole.best_psnr_db, whole.best_step)
    assert checkpoint.load(result.model).provenance["step"] == whole.best_step


def test_a_killed_run_goes_on_exactly(data: Path, tmp_path: Path, whole_run: WholeRun) -> None:
    """kill -9 between checkpoints, mid-epoch, with rain, averaging and bf16 on."""
    recipe = replace(RECIPE, steps=15, validate_every=6)
    whole, _ = whole_run(recipe)
    stored = tmp_path / "recipe.toml"
    stored.write_text(recipe.to_toml())
    run = tmp_path / "killed"
    child = Forked(tmp_path, train_and_tell, stored, data, run)
    while child.is_alive and (not child.out.exists() or "8" not in child.out.read_text().splitlines()):
        time.sleep(0.005)
    child.kill()  # the last checkpoint is at 6
    state = RunFolder(run).state()
    assert state is not None and (state.state, state.data) == (INTERRUPTED, (str(data),))
    events: list[object] = []
    train(recipe, (), run, events.append, JobControl(), resume=True)
    assert isinstance(events[0], TrainStarted)
    assert 0 < events[0].step < 15
    assert curve_of(run) == curve_of(whole)


def test_a_truncated_checkpoint_is_passed_over(data: Path, tmp_path: Path, whole_run: WholeRun) -> None:
    (whole, _), run = whole_run(RECIPE), tmp_path / "run"
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


def test_a_run_none_of_whose_checkpoints_loads_is_left_alone(
    data: Path, tmp_path: Path, whole_run: WholeRun
) -> None:
    """Beginning anew would write over its curve and its best model."""
    run, recipe = tmp_path / "run", replace(RECIPE, steps=16)
    shutil.copytree(whole_run(recipe)[0], run)
    for file in (run / "checkpoints").iterdir():
        file.write_bytes(file.read_bytes()[:1000])
    kept = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(TrainingError, match="none of its 2 checkpoints"):
        train(recipe, (data,), run, ignore, JobControl(), resume=True)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == kept


def test_a_step_broken_off_in_its_midst_is_not_kept(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: torch.optim.AdamW, *_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(torch.optim.AdamW, "step", stop)
    with pytest.raises(KeyboardInterrupt):
        train(RECIPE, (data,), tmp_path / "run", ignore, JobControl())
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_step_broken_off_before_its_update_leaves_no_trace(
    data: Path, tmp_path: Path, whole_run: WholeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was seen in it must not stand in the sample memory when it is done again."""
    recipe = replace(RECIPE, steps=16, contrastive_weight=1.0)
    whole, _ = whole_run(recipe)
    clip, calls = torch.nn.utils.clip_grad_norm_, []

    def failing(*arguments: Any) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 7:  # a step with contrast
            raise MemoryError("no room for gradients")
        return clip(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.utils, "clip_grad_norm_", failing)
        with pytest.raises(MemoryError):
            train(recipe, (data,), tmp_path / "parts", ignore, JobControl())
    train(recipe, (data,), tmp_path / "parts", ignore, JobControl(), resume=True)
    assert curve_of(tmp_path / "parts") == curve_of(whole)


def test_a_run_killed_after_a_validation_made_up_for_tells_of_it_once(
    data: Path, tmp_path: Path, whole_run: WholeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(RECIPE, steps=16)
    whole, _ = whole_run(recipe)
    with pytest.raises(Cancelled):  # in the first validation
        train(recipe, (data,), tmp_path / "parts", ignore, _CancelAt(8))

    class Killed(BaseException):
        pass

    def kill(event: object) -> None:
        if isinstance(event, StepDone) and event.step >= 10:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(training.KeptRun, "save_checkpoint", lambda *_, **__: None)  # it has no time to
        with pytest.raises(Killed):
            train(recipe, (data,), tmp_path / "parts", kill, JobControl(), resume=True)
    train(recipe, (data,), tmp_path / "parts", ignore, JobControl(), resume=True)
    assert curve_of(tmp_path / "parts") == curve_of(whole)


def test_an_optimizer_s_state_is_restored_where_its_parameter_lies() -> None:
    parameter = torch.nn.Parameter(torch.empty(4, 3, 3, 3, device="meta"))
    for stored in (torch.tensor(5.0), torch.zeros(4, 3, 3, 3)):  # steps done, momentum
        assert optimizers.beside(parameter, stored).device == parameter.device
    stored = torch.tensor(5.0)  # of a file, which must not stay mapped for the sake of it
    assert optimizers.beside(torch.nn.Parameter(torch.zeros(4)), stored).data_ptr() != stored.data_ptr()
    laid_out = torch.nn.Parameter(torch.rand(4, 3, 3, 3).contiguous(memory_format=torch.channels_last))
    momentum = torch.rand(4, 3, 3, 3)
    found = optimizers.beside(laid_out, momentum)
    assert found.stride() == laid_out.stride()
    assert torch.equal(found, momentum)


def test_going_back_leaves_nothing_of_later_steps() -> None:
    learner = Learner(RECIPE, "cpu", "fp32", has_masks=False)
    before = {name: tensor.clone() for name, tensor in learner.tensors().items()}
    assert not any(name.startswith("optimizer.") for name in before)
    for parameter in learner.network.parameters():
        parameter.grad = torch.ones_like(parameter)
    for optimizer in learner.optimizers:
        optimizer.step()
    assert any(name.startswith("optimizer.") for name in learner.tensors())
    learner.restore(before, 0)
    after = learner.tensors()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_training_draws_nothing_from_torch_s_generator(data: Path, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    train(replace(RECIPE, steps=4, validate_every=2), (data,), tmp_path / "run", ignore, JobControl())
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_of_a_run_stays_in_memory(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_data, kept = training_kept.read_data, []

    def watched(*args: Any) -> Any:
        found = read_data(*args)
        kept.append(weakref.ref(found[0]))
        return found

    monkeypatch.setattr(training_kept, "read_data", watched)
    gc.disable()
    train(replace(RECIPE, steps=1), (data,), tmp_path / "run", ignore, JobControl())
    assert kept[0]() is None


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
    recipe = pairs_recipe(data)
    result = train(recipe, (data,), tmp_path / "run", ignore, JobControl())
    assert np.isfinite(result.best_psnr_db)


def pairs_recipe(data: Path) -> TrainRecipe:
    for folder, seeds in (("pairs", range(3)), ("apart", range(3, 5))):
        for side in ("input", "target"):
            (data / folder / side).mkdir(parents=True)
        for seed in seeds:
            clean = photo(64, 48, seed)
            cv2.imwrite(str(data / folder / "target" / f"{seed}.png"), clean)
            cv2.imwrite(str(data / folder / "input" / f"{seed}.png"), np.minimum(clean.astype(int) + 40, 255))
    return replace(
        RECIPE, kind="pairs", train=("DATA/pairs",), validation=("DATA/apart",), steps=4, validate_every=4
    )


def test_pairs_that_teach_nonsense_are_refused(data: Path, tmp_path: Path) -> None:
    recipe = pairs_recipe(data)
    for changes, said in (
        ({"validation": ("DATA/pairs",)}, "training and in validation"),
        ({"train": ("SAMPLES/train",)}, "SAMPLES/train: holds clean photos, no pairs"),
    ):
        with pytest.raises(RecipeError, match=said):
            train(replace(recipe, **changes), (data,), tmp_path / "run", ignore, JobControl())
    cv2.imwrite(str(data / "pairs" / "input" / "1.png"), photo(48, 64, 1))
    with pytest.raises(RecipeError, match=r"1\.png: 48x64 px, its target 64x48 px; both"):
        train(recipe, (data,), tmp_path / "run", ignore, JobControl())


def test_photos_too_small_to_validate_on_are_named_at_once(data: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(data / "val" / "tiny.png"), photo(40, 9))
    with pytest.raises(RecipeError, match=r"tiny\.png: 40x8 px"):
        train(replace(RECIPE, validate_crop_px=48), (data,), tmp_path / "run", ignore, JobControl())


def test_fine_tuning_starts_where_the_model_stands(data: Path, tmp_path: Path) -> None:
    first = train(replace(RECIPE, steps=8), (data,), tmp_path / "one", ignore, JobControl())
    recipe = replace(
        RECIPE, start_from=str(first.model), steps=2, validate_every=2, lr=1e-6, lr_end=0.0, ema=0.0,
        train=(str(data / "clean"),),
    )  # fmt: skip
    events: list[object] = []
    second = train(recipe, (data,), tmp_path / "two", events.append, JobControl())
    before, after = (event for event in events if isinstance(event, Validated))
    assert (before.step, after.step) == (0, 2) and before.is_best
    lines = [line for line in read_curve(tmp_path / "two") if line["kind"] == "validation"]
    assert [line["step"] for line in lines] == [0, 2] and (
        tmp_path / "two" / "film" / "step-00000000-0.webp"
    ).exists()
    assert second.best_psnr_db == max(before.psnr_db, after.psnr_db)
    told = checkpoint.load(second.model).provenance
    assert str(tmp_path) not in json.dumps(dict(told))  # a model goes to others
    assert told["recipe"]["network"]["start_from"] == "model"
    assert told["recipe"]["data"]["train"] == ["clean"]
    one, two = (checkpoint.load(result.model).network.state_dict() for result in (first, second))
    assert all(torch.allclose(one[key], two[key], atol=1e-4) for key in one)


@pytest.mark.parametrize("way", ["at once", "killed at the start", "killed later"])
def test_fine_tuning_that_only_harms_keeps_the_model_it_started_from_and_says_so(
    data: Path, tmp_path: Path, way: str
) -> None:
    start = train(
        replace(RECIPE, steps=2, validate_every=2), (data,), tmp_path / "one", ignore, JobControl()
    ).model
    harmful = {"lr": 0.03, "lr_end": 0.03, "ema": 0.0, "warmup_steps": 0, "clip_norm": 100.0}
    recipe = replace(RECIPE, start_from=str(start), steps=6, validate_every=3, **harmful)
    events: list[object] = []
    run = tmp_path / "two"
    if way != "at once":
        control = JobControl()
        stop_at = 0 if way == "killed at the start" else 3

        def emit(event: object) -> None:
            if isinstance(event, Validated) and event.step == stop_at:
                control.cancel()

        with pytest.raises(Cancelled):
            train(recipe, (data,), run, emit, control)
    result = train(recipe, (data,), run, events.append, JobControl(), resume=run.exists())
    lines = [line for line in read_curve(run) if line["kind"] == "validation"]
    assert [line["step"] for line in lines] == [0, 3, 6]
    assert result.best_step == 0 and result.best_psnr_db == lines[0]["psnr_db"] > lines[1]["psnr_db"]
    (said,) = (event.text for event in events if isinstance(event, Notice))
    assert "No step was better" in said and f"{result.best_psnr_db:.2f} dB" in said
    one, two = (checkpoint.load(model) for model in (start, result.model))
    assert two.provenance["step"] == 0
    theirs = two.network.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in one.network.state_dict().items())
