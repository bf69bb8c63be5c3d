"""Masks in training: found, given half of the time, split as the crops are; scenes held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.cv import cv2
from core.data.dataset import is_held_out, scene_of
from core.data.degrade import DEGRADATIONS
from core.data.sampling import MaskPool, MixedSource, PhotoPool, SampleSource
from core.events import StepDone, Validated
from core.jobs import Cancelled, JobControl, ignore
from core.model import checkpoint
from core.training.data import read_data
from core.training.recipe import RecipeError, TrainRecipe
from core.training.run_folder import read_curve
from core.training.trainer import train
from tests.small import photo

RECIPE = TrainRecipe(
    name="tiny", task="deshadow", preset="custom", width=8, steps=16, batch=4, crops_per_photo=2, patch_px=32,
    warmup_steps=4, lr=2e-3, kind="mixed", train=("DATA/clean",), pairs=("DATA/pairs",), validation=("DATA/pairs",),
    hold_out=0.3, validate_every=8, validate_crop_px=64, log_every=2, contrastive_every=3,
    checkpoint_minutes=1000.0, ema=0.9, precision="fp32",
)  # fmt: skip
SCENES = 10


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clean photos, and pairs with half of each picture in shadow: ten scenes of two shots."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "clean").mkdir()
    for seed in range(4):
        cv2.imwrite(str(folder / "clean" / f"{seed}.png"), photo(96, 80, seed))
    for side in ("input", "target"):
        (folder / "pairs" / side).mkdir(parents=True)
    for scene in range(SCENES):
        for shot in range(2):
            lit = photo(96, 80, 100 + scene)
            shaded = lit.copy()
            shaded[:, 30 + 10 * shot : 70] = shaded[:, 30 + 10 * shot : 70] * 0.5
            for side, picture in (("input", shaded), ("target", lit)):
                cv2.imwrite(str(folder / "pairs" / side / f"set_s{scene}_{shot}.png"), picture)
    return folder


# --- scenes ----------------------------------------------------------------------------------------------


def test_a_scene_is_what_stands_between_the_underscores() -> None:
    assert scene_of("gong_h32_1") == scene_of("gong_h32_3") == scene_of("night/gong_H32_2") == "gong_h32"
    assert scene_of("uiuc_p5_1") != scene_of("uiuc_p51_1")
    assert scene_of("img_1") != scene_of("img_2")  # no scene in it: every picture is its own
    assert scene_of("7") == "7"


def test_held_out_scenes_go_by_their_name_alone() -> None:
    names = [f"set_s{number}" for number in range(4000)]
    held = {name for name in names if is_held_out(name, 0.2)}
    assert 0.17 < len(held) / len(names) < 0.23
    assert held < {
        name for name in names if is_held_out(name, 0.3)
    }  # a larger share keeps those of a smaller
    assert not any(is_held_out(name, 0.0) for name in names)


def test_training_and_validation_never_share_a_scene(data: Path) -> None:
    source, examples, photos = read_data(RECIPE, (data,))
    assert isinstance(source, MixedSource) and isinstance(source.second, SampleSource)
    trained = [path.stem for path in source.second.truths.paths]
    validated = [example.name for example in examples]
    assert sorted(trained + validated) == sorted(f"set_s{n}_{i}" for n in range(SCENES) for i in range(2))
    assert not {scene_of(name) for name in trained} & {scene_of(name) for name in validated}
    assert photos == 4 + len(trained)


def test_only_a_folder_in_both_is_split(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for side in ("input", "target"):
        (other / side).mkdir(parents=True)
        cv2.imwrite(str(other / side / "new_place_1.png"), photo(64, 64, 5))
    recipe = replace(RECIPE, kind="pairs", train=("DATA/pairs",), pairs=(), validation=(str(other),))
    source, examples, count = read_data(recipe, (data,))
    assert (count, [example.name for example in examples]) == (2 * SCENES, ["new_place_1"])
    assert isinstance(source, SampleSource)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hold_out": 0.0}, "training and in validation"),
        ({"hold_out": 1e-9}, "leaves 20 pairs to train on and 0 to validate on"),
        ({"pairs": ("SAMPLES/train",)}, "holds clean photos, no pairs"),
    ],
)
def test_splits_that_teach_nonsense_are_refused(data: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        read_data(replace(RECIPE, **changes), (data,))  # type: ignore[arg-type]


def test_recipes_that_contradict_themselves_are_refused() -> None:
    for changes, said in (
        ({"pairs": ()}, "kind mixed needs folders of pairs"),
        ({"kind": "pairs"}, "only kind mixed takes them, not pairs"),
        ({"kind": "clean", "pairs": ()}, "only pairs have scenes"),
    ):
        with pytest.raises(RecipeError, match=said):
            replace(RECIPE, **changes)


# --- masks in samples --------------------------------------------------------------------------------------


def marked(clean: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Darkens whole columns, so that picture and mask can be compared."""
    mask = np.zeros(clean.shape[:2], np.float32)
    left = int(rng.integers(0, clean.shape[1] // 2))
    mask[:, left : left + clean.shape[1] // 3] = 1
    return clean * (1 - 0.5 * mask[..., None]), mask


def pool(data: Path, side: str) -> PhotoPool:
    return PhotoPool(sorted((data / "pairs" / side).iterdir()))


def synthetic(data: Path, **changes: object) -> SampleSource:
    source = SampleSource(PhotoPool(sorted((data / "clean").iterdir())), None, marked, 32, 3, 2, 0.5)
    return replace(source, **changes)  # type: ignore[arg-type]


def paired(data: Path, **changes: object) -> SampleSource:
    inputs, truths = pool(data, "input"), pool(data, "target")
    found = DEGRADATIONS["deshadow"].find_mask
    assert found is not None
    source = SampleSource(truths, inputs, None, 32, 3, 2, 0.5, MaskPool(inputs, truths, found))
    return replace(source, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [synthetic, paired])
def test_masks_lie_where_the_damage_is(
    data: Path, make: Callable[..., SampleSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.data.sampling._ROUGH", 0.0)
    source = make(data, guidance_share=1.0)
    assert source.has_masks
    agreeing = []
    for index in range(40):
        degraded, clean, mask = source.sample(index)
        assert mask.shape == (32, 32, 1) and mask.dtype == np.float32
        darker = (clean - degraded).sum(-1) > 0.1 * clean.sum(-1)
        bright = clean.min(-1) > 0.1
        agreeing.append(np.mean((mask[..., 0] > 0.5)[bright] == darker[bright]))
    assert np.mean(agreeing) > 0.95


def test_a_rough_mask_is_near_the_exact_one(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = synthetic(data, guidance_share=1.0)
    monkeypatch.setattr("core.data.sampling._ROUGH", 0.0)
    exact = [source.sample(index) for index in range(30)]
    monkeypatch.setattr("core.data.sampling._ROUGH", 1.0)
    rough = [source.sample(index) for index in range(30)]
    differing = []
    for one, other in zip(exact, rough, strict=True):
        assert np.array_equal(one[0], other[0])
        assert other[2].min() >= 0 and other[2].max() <= 1
        differing.append(np.mean(np.abs(one[2] - other[2])))
    assert 0.005 < np.mean(differing) < 0.2


@pytest.mark.parametrize("make", [synthetic, paired])
def test_a_mask_is_given_or_withheld_for_a_photo_as_a_whole(
    data: Path, make: Callable[..., SampleSource]
) -> None:
    told, whole, none = (make(data, guidance_share=share) for share in (0.5, 1.0, 0.0))
    given = []
    for index in range(200):
        crops, full, bare = told.photo(index), whole.photo(index), none.photo(index)
        withheld = all(not mask.any() for _, _, mask in crops)
        given.append(not withheld)
        if not withheld:
            assert all(np.array_equal(a[2], b[2]) for a, b in zip(crops, full, strict=True))
        # all else is the same, whatever is told
        for a, b, c in zip(crops, full, bare, strict=True):
            assert np.array_equal(a[0], b[0]) and np.array_equal(a[1], c[1]) and np.array_equal(a[0], c[0])
            assert not c[2].any()
    assert 0.35 < np.mean(given) < 0.65


def test_a_task_without_masks_has_none(data: Path) -> None:
    recipe = TrainRecipe(
        train=("DATA/clean",), validation=("DATA/pairs/target",), patch_px=32, batch=4, validate_crop_px=64
    )
    source, examples, _ = read_data(recipe, (data,))
    assert not source.has_masks
    assert not source.batch(0, 4)[2].any()
    assert all(example.mask is None for example in examples)


# --- mixed sources -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.25, 10), (0.5, 20), (1.0, 40)])
def test_a_mixture_takes_turns_and_misses_no_photo(data: Path, share: float, expected: int) -> None:
    first, second = synthetic(data), paired(data)
    mixed = MixedSource(first, second, share)
    seen: list[tuple[int, int]] = []
    for index in range(40):
        crops = mixed.photo(index)
        for number, source in enumerate((first, second)):
            place = sum(1 for kind, _ in seen if kind == number)
            if all(np.array_equal(a[0], b[0]) for a, b in zip(crops, source.photo(place), strict=True)):
                seen.append((number, place))
                break
    assert len(seen) == 40  # each is the next unseen one of one of the two
    assert sum(kind for kind, _ in seen) == expected


def test_a_mixed_batch_has_crops_and_masks_side_by_side(data: Path) -> None:
    mixed = MixedSource(synthetic(data), paired(data), 0.5)
    degraded, clean, mask = mixed.batch(3, 8)
    assert degraded.shape == clean.shape == (8, 32, 32, 3)
    assert mask.shape == (8, 32, 32, 1)
    for index in range(8):
        for part, whole in zip(mixed.sample(24 + index), (degraded, clean, mask), strict=True):
            assert np.array_equal(part, whole[index])
    with pytest.raises(ValueError, match="batch 3"):
        mixed.batch(0, 3)
    with pytest.raises(ValueError, match="must be equal"):
        MixedSource(synthetic(data), paired(data, crops_per_photo=1), 0.5)


# --- training --------------------------------------------------------------------------------------------------


def test_training_with_masks_uses_them_and_scores_both_ways(data: Path, tmp_path: Path) -> None:
    events: list[object] = []
    recipe = replace(RECIPE, steps=36, validate_every=12, log_every=6, guidance_share=0.5, kind="pairs",
                     train=("DATA/pairs",), pairs=(), contrastive_weight=0.0, lr=4e-3)  # fmt: skip
    result = train(recipe, (data,), tmp_path / "run", events.append, JobControl())
    validated = [event for event in events if isinstance(event, Validated)]
    assert len(validated) == 3
    told = [event.psnr_guided_db for event in validated]
    assert all(score is not None for score in told)
    means = [0.5 * (event.psnr_db + (event.psnr_guided_db or 0)) for event in validated]
    assert [event.deciding_db for event in validated] == means
    assert result.best_psnr_db == pytest.approx(max(means))
    assert [event.is_best for event in validated][int(np.argmax(means))]
    best = validated[int(np.argmax(means))]
    assert best.psnr_guided_db is not None
    assert best.psnr_guided_db > best.psnr_db + 0.3  # it listens
    lines = [line for line in read_curve(tmp_path / "run") if line["kind"] == "validation"]
    assert [line["psnr_guided_db"] for line in lines] == told
    model = checkpoint.load(result.model)
    assert model.task == "deshadow"
    assert model.provenance["guidance"] is True
    assert model.provenance["validation"]["psnr_guided_db"] == pytest.approx(best.psnr_guided_db, abs=1e-3)


def test_training_without_masks_says_nothing_of_them(data: Path, tmp_path: Path) -> None:
    events: list[object] = []
    recipe = replace(RECIPE, guidance_share=0.0, steps=2, validate_every=2)
    result = train(recipe, (data,), tmp_path / "run", events.append, JobControl())
    validated = [event for event in events if isinstance(event, Validated)]
    assert [event.psnr_guided_db for event in validated] == [None]
    assert checkpoint.load(result.model).provenance["guidance"] is False
    assert not any("psnr_guided_db" in line for line in read_curve(tmp_path / "run"))


def test_a_stopped_mixed_run_goes_on_as_if_nothing_had_happened(data: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, width=4, patch_px=16, validate_crop_px=32, steps=10, validate_every=5)
    train(recipe, (data,), tmp_path / "whole", ignore, JobControl())
    control = JobControl()

    def stop(event: object) -> None:
        if isinstance(event, StepDone) and event.step >= 6:
            control.cancel()

    with pytest.raises(Cancelled):
        train(recipe, (data,), tmp_path / "parts", stop, control)
    train(recipe, (data,), tmp_path / "parts", ignore, JobControl(), resume=True)

    def curve(run: str) -> list[dict[str, object]]:
        return [
            {
                k: v
                for k, v in line.items()
                if k not in ("images_per_s", "data_wait", "process_mb", "device_mb")
            }
            for line in read_curve(tmp_path / run)
        ]

    assert curve("parts") == curve("whole")
    one, other = (
        checkpoint.load(tmp_path / name / "model").network.state_dict() for name in ("whole", "parts")
    )
    assert all(torch.equal(one[key], other[key]) for key in one)
