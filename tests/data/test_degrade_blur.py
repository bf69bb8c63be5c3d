from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cv import cv2
from core.data.degrade import DEGRADATIONS, DegradationError, blur_from
from core.data.degrade.base import Bounds
from core.data.degrade.blur import (
    MARGIN_PX,
    BlurParams,
    Motion,
    MotionError,
    average,
    blur,
    blur_pair,
    random_path,
)
from core.data.degrade.blur import (
    Path as Way,
)
from core.data.sampling import PhotoPool, SampleSource
from core.model import catalog
from core.training.recipe import RecipeError, TrainRecipe
from core.training.recipe_folders import resolve_file
from tests.small import photo

PLAIN = BlurParams(
    untouched=0.0, nearly=0.0, moving=0.0, unfocused=0.0, highlights=Bounds(1, 1), dark=0.0, noise=0.0, tone=0.0,
    sharpened=0.0, jpeg=0.0,
)  # fmt: skip
STILL = replace(PLAIN, untouched=1.0, noise=1.0, jpeg=0.5, tone=0.5, sharpened=0.5)


def clean(seed: int = 0, width: int = 128, height: int = 96) -> np.ndarray:
    return photo(width, height, seed).astype(np.float32) / 255


@given(st.integers(0, 2**31 - 1), st.integers(1, 70), st.integers(1, 70))
@settings(max_examples=30, deadline=None)
def test_blur_is_seeded_bounded_and_leaves_its_input_alone(seed: int, width: int, height: int) -> None:
    before = clean(seed % 7, width, height)
    kept = before.copy()
    first, again = (blur_pair(before, np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(before, kept)
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one, other)
        assert one.shape == before.shape and one.dtype == np.float32
        assert one.min() >= 0 and one.max() <= 1
        assert np.allclose(one * 255, np.rint(one * 255), atol=1e-3)  # as an 8-bit file would hold it


@given(st.integers(0, 2**31 - 1), st.floats(0.01, 0.99))
@settings(max_examples=30, deadline=None)
def test_blur_of_a_constant_is_that_constant(seed: int, level: float) -> None:
    flat = np.full((40, 56, 3), level, np.float32)
    blurred, sharp = blur_pair(flat, np.random.default_rng(seed), replace(PLAIN, moving=0.5, unfocused=0.5))
    assert np.abs(blurred - sharp).max() <= 1 / 255 + 1e-6
    assert np.ptp(blurred, axis=(0, 1)).max() <= 1 / 255 + 1e-6


@given(st.integers(0, 2**31 - 1), st.floats(1.0, 30.0))
@settings(max_examples=30, deadline=None)
def test_blur_keeps_the_light_there_is(seed: int, length_px: float) -> None:
    light = np.zeros((160, 160, 3), np.float32)
    light[70:90, 60:100] = np.random.default_rng(seed).uniform(0, 8, (20, 40, 3))
    path = random_path(length_px, np.random.default_rng(seed), replace(PLAIN, forward=Bounds(0, 0)))
    assert path.weights.min() >= 0 and path.weights.sum() == pytest.approx(1)
    moved = average(light, path)
    assert moved.sum() == pytest.approx(float(light.sum()), rel=0.02)
    assert moved.max() <= light.max() * 1.1  # short paths are sampled by cubics


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=30, deadline=None)
def test_a_photo_without_motion_is_its_own_truth_whatever_the_camera_did(seed: int) -> None:
    blurred, sharp = blur_pair(clean(seed % 5), np.random.default_rng(seed), STILL)
    assert np.array_equal(blurred, sharp)
    path = random_path(0.0, np.random.default_rng(seed))
    assert path.is_still
    light = clean(1)
    assert np.array_equal(average(light, path), light)


def test_without_motion_and_camera_a_photo_comes_back_to_the_level_but_for_its_exposure() -> None:
    before = clean(2)
    after = blur(before, np.random.default_rng(3), replace(PLAIN, untouched=1.0))
    assert np.array_equal(after, np.rint(before * 255).astype(np.float32) / 255)


@pytest.mark.parametrize("length_px", [3.0, 12.0, 40.0])
def test_a_point_is_smeared_as_long_as_asked_and_without_gaps(length_px: float) -> None:
    for seed in range(6):
        light = np.zeros((161, 161, 3), np.float32)
        light[80, 80] = 1
        params = replace(PLAIN, straight=1.0, roll=Bounds(0, 0), forward=Bounds(0, 0))
        path = random_path(length_px, np.random.default_rng(seed), params)
        smear = average(light, path)[..., 0]
        seen = smear > 0.02 * smear.max()
        ends = np.argwhere(seen)
        reach = float(np.hypot(*np.ptp(ends, axis=0)))
        assert 0.5 * length_px <= reach <= length_px + 6  # the samples are interpolated
        assert cv2.connectedComponents(seen.astype(np.uint8))[0] == 2, "one piece: no ghosts"


def test_where_a_thing_moves_before_a_still_background_only_its_surroundings_change() -> None:
    moving = replace(PLAIN, moving=1.0, length_px=Bounds(8, 12))
    changed = []
    for seed in range(24):
        blurred, sharp = blur_pair(clean(3, 160, 160), np.random.default_rng(seed), moving)
        changed.append(float((np.abs(blurred - sharp).max(axis=2) > 4 / 255).mean()))
    assert min(changed) < 0.75 < max(changed)


def test_what_is_brighter_than_the_sensor_holds_stays_white_along_its_path_and_free_of_noise() -> None:
    before = np.full((96, 96, 3), 0.1, np.float32)
    before[40:56, 40:56] = 1
    bright = replace(PLAIN, highlights=Bounds(8, 8), length_px=Bounds(20, 20), straight=1.0, noise=1.0)
    dim = replace(bright, highlights=Bounds(1, 1))
    for seed in range(4):
        white, less = (
            (blur_pair(before, np.random.default_rng(seed), p)[0] >= 1).all(axis=2).sum()
            for p in (bright, dim)
        )
        assert white > 1.3 * less
        sharp = blur_pair(before, np.random.default_rng(seed), bright)[1]
        assert (sharp[42:54, 42:54] == 1).all()
        assert sharp[:30].std() > 0


def test_noise_is_the_same_on_both_sides() -> None:
    flat = np.full((64, 64, 3), 0.5, np.float32)
    for seed in range(4):
        blurred, sharp = blur_pair(flat, np.random.default_rng(seed), replace(PLAIN, noise=1.0))
        assert sharp.std() > 0.003
        assert np.abs(blurred - sharp).max() <= 1 / 255 + 1e-6


def test_a_margin_is_what_moves_in_and_is_cut_away() -> None:
    wide = clean(4, 96 + 2 * MARGIN_PX, 96 + 2 * MARGIN_PX)
    inner = np.s_[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    p = replace(PLAIN, length_px=Bounds(10, 10))
    blurred, sharp = blur_pair(wide, np.random.default_rng(1), p, MARGIN_PX)
    assert blurred.shape == sharp.shape == (96, 96, 3)
    assert np.array_equal(sharp, np.rint(wide * 255)[inner] / np.float32(255))
    whole = blur_pair(wide, np.random.default_rng(1), p)[0]
    assert np.abs(blurred - whole[inner]).max() < 3 / 255, "the same place of a larger picture"


def test_a_training_sample_has_the_truth_that_the_camera_took() -> None:
    made = DEGRADATIONS["deblur"]
    photos = PhotoPool([Path(path) for path in catalog.sample_photos(False)[:3]])

    def source(params: BlurParams) -> SampleSource:
        return SampleSource(
            photos, None, made.bind_with_mask(params), 64, 1, 2, camera_share=1.0,
            degrade_pair=made.bind_pair(params), margin_px=made.margin_px,
        )  # fmt: skip

    for index in range(6):
        degraded, truth, mask = source(STILL).sample(index)
        assert np.array_equal(degraded, truth)
        assert degraded.shape == (64, 64, 3) and mask.shape == (64, 64, 1) and not mask.any()
    differ = [np.abs(d - t).mean() for d, t, _ in map(source(BlurParams(untouched=0.0)).sample, range(6))]
    assert min(differ) > 0
    assert np.mean([t.mean() - d.mean() for d, t, _ in map(source(PLAIN).sample, range(8))]) < 0.01


@pytest.mark.parametrize(
    "bad",
    [{"noise": 1.5}, {"length_px": (0, 4)}, {"roll": (-1, 0)}, {"highlights": (0.5, 2)}, {"shutter": 1}],
)
def test_parameters_that_cannot_be_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(DegradationError):
        DEGRADATIONS["deblur"].params(bad)


def test_the_recipe_of_the_task_is_one() -> None:
    recipe = TrainRecipe.from_toml(catalog.recipe("deblur"))
    assert recipe.task == "deblur"
    DEGRADATIONS["deblur"].params(recipe.degradation)


# --- a recorded movement -------------------------------------------------------------------------


def recording(folder: Path, count: int = 60) -> Path:
    """A camera that swings to the side and turns a little."""
    rows = [
        [1.0, -0.001 * i / count, 0.004 * np.cos(i / 9), 0.001 * i / count, 1.0, 0.001, 0.0, 0.0, 1.0]
        for i in range(count)
    ]
    file = folder / "motion.json"
    file.write_text(json.dumps({"fps": 240, "homographies": rows}), "utf-8")
    return file


def test_pieces_of_a_recording_are_as_long_as_is_asked(tmp_path: Path) -> None:
    motion = Motion.read(recording(tmp_path))
    assert motion.speeds.shape == (60, 4)
    always = replace(BlurParams(), recorded=1.0)
    for seed in range(6):
        way = random_path(14.0, np.random.default_rng(seed), always, motion)
        steps = np.linalg.norm(np.diff(way.warps[:, :, 2], axis=0), axis=1)
        assert steps.sum() == pytest.approx(14.0, rel=0.02) and way.weights.sum() == pytest.approx(1)
        again = random_path(14.0, np.random.default_rng(seed), always, motion)
        assert np.array_equal(way.warps, again.warps)
    assert random_path(0.0, np.random.default_rng(1), always, motion).is_still


def test_without_a_recording_nothing_is_drawn_otherwise(tmp_path: Path) -> None:
    motion = Motion.read(recording(tmp_path))
    never = replace(BlurParams(), recorded=0.0, untouched=0.0, nearly=0.0)
    photo = clean(3)
    drawn = DEGRADATIONS["deblur"].bind_pair(never)
    with_it = blur_from(motion).bind_pair(replace(never, recorded=1.0))
    assert drawn is not None and with_it is not None
    one, other = (make(photo, np.random.default_rng(5), 0)[0] for make in (drawn, with_it))
    assert one.shape == other.shape and not np.array_equal(one, other)


@pytest.mark.parametrize("text", ["{}", '{"homographies": [[1, 2]]}', '{"homographies": [1]}', "[]"])
def test_a_recording_that_is_none_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "odd.json"
    file.write_text(text, "utf-8")
    with pytest.raises(MotionError, match=r"odd\.json"):
        Motion.read(file)


def test_a_recipe_names_its_recording(tmp_path: Path) -> None:
    recording(tmp_path)
    recipe = TrainRecipe(task="deblur", motion="DATA/motion.json")
    assert resolve_file(recipe.motion, (tmp_path,)) == tmp_path / "motion.json"
    with pytest.raises(RecipeError, match=r"gone.json: no such file"):
        resolve_file("DATA/gone.json", (tmp_path,))
    with pytest.raises(RecipeError, match="movement makes blur"):
        TrainRecipe(task="derain", motion="DATA/motion.json")
    assert "motion" not in TrainRecipe(task="deblur").as_dict()["data"]


def test_white_balance_makes_red_and_blue_noisier() -> None:
    grey = np.full((96, 96, 3), 0.5, np.float32)
    params = replace(
        BlurParams(), untouched=1.0, noise=1.0, dark=0.0, tone=0.0, sharpened=0.0, jpeg=0.0,
        balance=Bounds(2.0, 2.0), shot_noise=Bounds(0.002, 0.002), highlights=Bounds(1.0, 1.0),
    )  # fmt: skip
    noisy, _ = blur_pair(grey, np.random.default_rng(2), params)
    red, green, blue = noisy.reshape(-1, 3).std(0)
    assert min(red, blue) > 1.1 * green


def test_undoing_a_smear_changes_the_blurred_side_alone(tmp_path: Path) -> None:
    before, straight = clean(3, 200, 160), replace(PLAIN, straight=1.0, length_px=Bounds(6, 12))
    changed = 0
    for seed in range(6):
        blurred, sharp = blur_pair(before, np.random.default_rng(seed), straight, MARGIN_PX)
        undone, same = blur_pair(
            before, np.random.default_rng(seed), replace(straight, undone=1.0), MARGIN_PX
        )
        assert undone.shape == same.shape == blurred.shape
        assert np.array_equal(same, sharp)
        assert undone.min() >= 0 and undone.max() <= 1
        changed += not np.array_equal(undone, blurred)
    assert changed >= 5  # a few paths bend all the same, and those are told by half


def test_a_sharp_photo_is_hardly_ever_undone() -> None:
    before, sharp = clean(5, 96, 96), replace(PLAIN, untouched=1.0, undone=1.0)
    pairs = [blur_pair(before, np.random.default_rng(seed), sharp, MARGIN_PX) for seed in range(40)]
    changed = sum(not np.array_equal(*pair) for pair in pairs)
    assert 0 <= changed <= 10


@given(st.floats(2.0, 30.0), st.floats(0, 180))
@settings(max_examples=20, deadline=None)
def test_a_line_is_told_by_its_path(length_px: float, angle_deg: float) -> None:
    steps = np.linspace(-0.5, 0.5, 41) * length_px
    warps = np.repeat(np.eye(2, 3)[None], len(steps), axis=0)
    warps[:, 0, 2] = np.cos(np.deg2rad(angle_deg)) * steps
    warps[:, 1, 2] = -np.sin(np.deg2rad(angle_deg)) * steps
    length, angle, bent = Way(warps, np.full(len(steps), 1 / len(steps))).line
    assert length == pytest.approx(length_px, rel=0.06)
    assert abs((angle - angle_deg + 90) % 180 - 90) < 0.1 and bent < 0.01
