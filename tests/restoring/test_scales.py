"""Damage is found at its own size, and what was changed in a copy is put on the photo's own pixels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cv import cv2
from core.data.degrade.rain import RainParams, rain
from core.events import Looked, PassTile, TileDone
from core.images import io as image_io
from core.images.metrics import psnr_db
from core.jobs import Cancelled, JobControl, ignore
from core.model import catalog, checkpoint
from core.restoring import calibration, copies, outputs, scaled, scales
from core.restoring.passes import load_model
from core.restoring.restore import RestoreError, RestoreRequest, preview, restore
from core.restoring.verdict import (
    LITTLE,
    MUCH,
    NOTHING,
    RECORD,
    Measure,
    Thresholds,
    Verdict,
    advice,
    behind,
    features,
    words,
)
from tests.small import photo, save_small_model

KINDS = ("plain", "light", "streaks")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_model(tmp_path_factory.mktemp("model") / "small", seed=1)


def with_thresholds(folder: Path, low: float, high: float) -> Path:
    made = save_small_model(folder / "small", seed=1)
    calibration.keep(made, Thresholds(low, high))
    return made


# --- names and numbers ---------------------------------------------------------------------------


def test_scales_have_names() -> None:
    assert [scales.divisor(text) for text in ("1", "1/2", "1/64")] == [1, 2, 64]
    assert [scales.name(by) for by in (1, 2, 64)] == ["1", "1/2", "1/64"]
    for wrong in ("auto", "2", "1/3", "1/128", "0.5", "1/0", ""):
        with pytest.raises(scales.ScaleError):
            scales.divisor(wrong)
    with pytest.raises(RestoreError, match="1/3"):
        RestoreRequest(scale="1/3")


@given(st.integers(1, 20000), st.integers(1, 20000))
def test_the_coarsest_copy_has_the_size_the_model_learned(width: int, height: int) -> None:
    tries = scales.candidates(width, height)
    assert tries[-1] == 1 and list(tries) == sorted(tries, reverse=True)
    longest = max(width, height) / tries[0]
    if max(width, height) <= scales.LEARNED_PX:  # the model knows damage of this size
        assert tries == (1,)
        return
    assert longest < 2 * scales.COARSEST_PX or tries[0] == scales.SMALLEST
    assert longest >= scales.COARSEST_PX or tries == (1,)


# --- copies and corrections ----------------------------------------------------------------------


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 2, 4, 8]), st.sampled_from([8, 16]))
@settings(max_examples=30, deadline=None)
def test_a_copy_is_made_of_means_and_in_parts_equals_the_whole(
    width: int, height: int, by: int, bits: int
) -> None:
    pixels = photo(width, height, width + height, np.uint8 if bits == 8 else np.uint16)
    whole = copies.reduced(pixels, by)
    padded = np.pad(pixels, ((0, -height % by), (0, -width % by), (0, 0)), mode="edge").astype(float)
    means = padded.reshape(whole.shape[0], by, whole.shape[1], by, 3).mean((1, 3))
    assert np.abs(whole - means * (257 if bits == 8 else 1)).max() <= 1
    h, w = whole.shape[:2]
    region = w // 3, h // 3, w - w // 3, h - h // 3
    part = copies.reduced(pixels, by, region)
    assert (part == whole[region[1] :, region[0] :]).all()


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_a_correction_put_in_tiles_equals_the_whole(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(9, 90)), data.draw(st.integers(9, 90))
    by = data.draw(st.sampled_from([1, 2, 4, 8]))
    dtype = data.draw(st.sampled_from([np.uint8, np.uint16]))
    kind = data.draw(st.sampled_from(KINDS))
    pixels = photo(width, height, 3, dtype)
    before = copies.reduced(pixels, by)
    after = np.clip(
        before.astype(int) - 9000 + photo(before.shape[1], before.shape[0], 5, np.uint16) // 8, 0, 65535
    )
    correction = copies.Correction(before, after.astype(np.uint16), by, kind)
    whole = correction.put_all(pixels)
    assert whole.dtype == dtype and whole.shape == pixels.shape
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    w, h = data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y))
    part = correction.put(pixels, (x, y, w, h))
    assert np.abs(part.astype(int) - whole[y : y + h, x : x + w]).max() <= 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_no_correction_leaves_every_bit(dtype: type, kind: str) -> None:
    pixels = photo(61, 43, 4, dtype)
    before = copies.reduced(pixels, 4)
    assert (copies.Correction(before, before, 4, kind).put_all(pixels) == pixels).all()


def test_the_photos_grain_stays() -> None:
    """What the copy cannot hold passes through: only the smooth change is added."""
    rng = np.random.default_rng(1)
    pixels = np.clip(128 + rng.normal(0, 12, (160, 240, 3)), 0, 255).astype(np.uint8)
    before = copies.reduced(pixels, 8)
    darker = (before.astype(int) - 20 * 257).clip(0).astype(np.uint16)
    for kind in ("plain", "streaks"):
        out = copies.Correction(before, darker, 8, kind).put_all(pixels)
        assert np.abs(out.astype(int) - (pixels.astype(int) - 20)).max() <= 1


def test_light_ends_at_the_photos_own_edge() -> None:
    """Half a photo is brightened: a bicubic enlargement would ring over the edge, light does not."""
    pixels = np.full((160, 160, 3), 60, np.uint8)
    pixels[:, 83:] = 180  # within a pixel of the copy
    before = copies.reduced(pixels, 8)
    truth = pixels.copy()
    truth[:, :83] = 150
    out = copies.Correction(before, copies.reduced(truth, 8), 8, "light").put_all(pixels)
    plain = copies.Correction(before, copies.reduced(truth, 8), 8).put_all(pixels)
    error, plain_error = (np.abs(got.astype(int) - truth)[:, 60:110].mean() for got in (out, plain))
    assert error < plain_error


def test_a_streak_goes_up_to_its_own_edge() -> None:
    """A bright line eleven pixels wide on a grainy wall, taken away in a copy of 1/8: nothing of it stays beside, and the
    grain does."""
    rng = np.random.default_rng(2)
    truth = np.clip(rng.normal(90, 3, (160, 160, 1)).repeat(3, 2), 0, 255).astype(np.uint8)
    rainy = truth.copy()
    rainy[:, 77:88] += 60
    before, wanted = copies.reduced(rainy, 8), copies.reduced(truth, 8)
    out = copies.Correction(before, wanted, 8, "streaks").put_all(rainy).astype(int)
    enlarged = copies.Correction(before, wanted, 8).put_all(rainy).astype(int)
    left, left_enlarged = (np.abs(got - truth)[:, 66:100].mean() for got in (out, enlarged))
    assert left < left_enlarged / 2
    assert np.array_equal(out[:, :48], truth[:, :48]) and np.array_equal(out[:, 120:], truth[:, 120:])


def test_a_small_mask_is_not_lost() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[5, 9] = 255
    small = copies.reduced_mask(mask, 8)
    assert small.shape == (8, 8) and small[0, 1] > 0 and (small > 0).sum() == 1


# --- restoring -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tile_px", [64, 136])
def test_at_a_scale_tiles_equal_the_whole(model: Path, tile_px: int) -> None:
    what = image_io.from_array(photo(430, 310, 2))
    request = RestoreRequest(model=model, device="cpu", precision="fp32", scale="1/2", tile_px=4096)
    whole = restore(what, request, ignore, JobControl())
    events: list[object] = []
    tiled = restore(what, replace(request, tile_px=tile_px, focus=(0, 0, 9, 9)), events.append, JobControl())
    assert np.abs(tiled.pixels.astype(int) - whole.pixels).max() <= 1
    assert np.abs(whole.pixels.astype(int) - what.pixels).max() > 1
    assert (whole.verdict.scale, whole.scale) == ("1/2", "1/2")
    assert any(isinstance(event, PassTile) for event in events)
    seen = np.zeros((310, 430), int)
    for event in events:
        if isinstance(event, TileDone):
            seen[event.y : event.y + event.height, event.x : event.x + event.width] += 1
            region = tiled.pixels[event.y : event.y + event.height, event.x : event.x + event.width]
            assert (event.pixels == region).all()
    assert (seen == 1).all()


def test_at_scale_1_every_pixel_is_what_the_network_itself_says(model: Path) -> None:
    """Nothing of copies, looks or corrections stands between: the network's own output, to the bit."""
    what = image_io.from_array(photo(128, 96, 2))
    request = RestoreRequest(model=model, device="cpu", precision="fp32", scale="1")
    done = restore(what, request, ignore, JobControl())
    network = checkpoint.load(model).network.eval()
    image = torch.from_numpy(what.pixels.astype(np.float32) / 255).permute(2, 0, 1).unsqueeze(0)
    with torch.inference_mode():
        said = network(image).restored[0].permute(1, 2, 0).clamp(0, 1).numpy()
    assert np.array_equal(done.pixels, np.rint(said * 255).astype(np.uint8))
    assert (done.pixels != what.pixels).any()


def test_sixteen_bits_stay_sixteen(model: Path) -> None:
    what = image_io.from_array(photo(300, 200, 2, np.uint16))
    done = restore(what, RestoreRequest(model=model, device="cpu", scale="1/4"), ignore, JobControl())
    assert done.pixels.dtype == np.uint16
    assert len(np.unique(done.pixels % 257)) > 100


def test_a_scale_too_small_for_the_photo_is_refused(model: Path) -> None:
    what = image_io.from_array(photo(100, 80))
    with pytest.raises(RestoreError, match="1/32"):
        restore(what, RestoreRequest(model=model, scale="1/32"), ignore, JobControl())


def test_camera_size_rain_is_found_and_goes() -> None:
    """Rain four times as wide as the model knows it, with the weights that ship."""
    sample = next(iter(catalog.samples()))
    small = image_io.read(sample.truth or sample.path).pixels[:180, :270]
    large = cv2.resize(small, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(1).normal(0, 2, large.shape)
    clean = np.clip(large + noise, 0, 255).astype(np.uint8)
    light = rain(
        np.zeros((180, 270, 3), np.float32), np.random.default_rng(5), RainParams(untouched=0, mist=0)
    )
    layer = cv2.resize(light, (large.shape[1], large.shape[0]), interpolation=cv2.INTER_CUBIC)
    rainy = np.clip(clean + 255 * layer.clip(0), 0, 255).astype(np.uint8)
    events: list[object] = []
    done = restore(image_io.from_array(rainy), RestoreRequest(device="cpu"), events.append, JobControl())
    assert done.verdict.scale in ("1/4", "1/2")
    assert psnr_db(done.pixels, clean, "Y") > psnr_db(rainy, clean, "Y") + 2
    assert [type(event) for event in events].count(Looked) == 1
    seen, pixels = preview(image_io.from_array(rainy), RestoreRequest(device="cpu"), JobControl())
    assert seen.scale == done.verdict.scale
    assert psnr_db(pixels, clean, "Y") > psnr_db(rainy, clean, "Y") + 2


def test_where_nothing_is_found_nothing_changes(tmp_path: Path) -> None:
    for size in ((300, 200), (900, 700)):
        what = image_io.from_array(photo(*size))
        sure = with_thresholds(tmp_path / f"never-{size[0]}", 1e6, 1e6)
        done = restore(what, RestoreRequest(model=sure, device="cpu"), ignore, JobControl())
        assert done.verdict.found == NOTHING and done.verdict.unchanged
        assert (done.pixels == what.pixels).all()
    asked = restore(what, RestoreRequest(model=sure, device="cpu", scale="1"), ignore, JobControl())
    assert (asked.pixels != what.pixels).any(), "who names a scale gets what is found there"


def test_a_model_without_thresholds_gives_no_verdict(model: Path) -> None:
    done = restore(image_io.from_array(photo(90, 70)), RestoreRequest(model=model), ignore, JobControl())
    assert done.verdict.found is None and words(done.verdict, "derain") == ""
    record = outputs.provenance(done, 1.0)
    assert record["scale"] == "auto" and record["scale_used"] == "1" and "found" not in record


def test_one_pass_goes_over_the_finest_copy_of_a_megapixel_that_shows_the_damage() -> None:
    def best(width: int, height: int, *sights: float, task: str = "derain") -> int:
        levels = [
            (by, Measure(sight, sight, 1.0, sight))
            for by, sight in zip(scales.candidates(width, height), sights, strict=False)
        ]
        found, is_one_pass = scaled._best(levels, width * height, RestoreRequest(task=task))
        assert is_one_pass == (task == "derain" and sights[-1] <= 9)
        return found

    assert best(4224, 3168, 10, 8, 9) == 4, "1/2 is more than a sixteenth of a large photo"
    assert best(4224, 3168, 10, 6, 9) == 8, "what 1/4 hardly shows is left to the coarser copy"
    assert best(4224, 3168, 1, 6, 10) == 4 and best(4224, 3168, 1, 2, 10) == 2, "none of a megapixel shows it"
    assert best(2048, 1536, 10, 9, 9) == 2
    assert best(1024, 768, 10, 9) == 1
    assert best(4224, 3168, 10, 8, 9, task="deshadow") == 8, "light is found small"


def test_what_is_in_sight_stands_there_before_the_pass_that_counts(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaled, "_best", lambda *_: (2, True))
    monkeypatch.setattr(scaled, "PREFER_COARSE", 0.0)
    what, focus = image_io.from_array(photo(1500, 1100)), (1100, 10, 50, 50)
    events: list[object] = []
    request = RestoreRequest(model=model, device="cpu", precision="fp32", focus=focus)
    done = restore(what, request, events.append, JobControl())
    tiles = [event for event in events if isinstance(event, TileDone)]
    first, after = tiles[0], tiles[1:]
    assert (first.x, first.y) == (1024, 0) and (first.pixels != what.pixels[:1024, 1024:]).any()
    passes_of = [event.scale for event in events[: events.index(first)] if isinstance(event, PassTile)]
    assert passes_of == ["1/4"], "of the coarsest copy, before the next pass began"
    seen = what.pixels.copy()
    for event in after:
        seen[event.y : event.y + event.height, event.x : event.x + event.width] = event.pixels
    assert (seen == done.pixels).all()


def test_a_look_can_be_cancelled(model: Path) -> None:
    control = JobControl()

    def stop(event: object) -> None:
        if isinstance(event, PassTile):
            control.cancel()

    with pytest.raises(Cancelled):
        restore(image_io.from_array(photo(1200, 800)), RestoreRequest(model=model), stop, control)


# --- verdicts ------------------------------------------------------------------------------------


def test_verdicts_speak_plainly() -> None:
    assert words(Verdict(MUCH, 0.9), "derain") == "Much rain found, most of it gone"
    assert words(Verdict(LITTLE, 0.4), "deshadow") == "A little shadow found, about a third of it gone"
    assert words(Verdict(MUCH, None), "derain") == "Much rain found"
    assert words(Verdict(MUCH, 0.9), "derain", restored=False) == "Much rain found"
    assert words(Verdict(NOTHING, unchanged=True), "derain") == "No rain found, nothing changed"
    assert advice(Verdict(MUCH, 0.1), "derain") == "Another scale may take more."
    assert "thoroughness" in advice(Verdict(MUCH, 0.1), "dehaze"), (
        "it stands in the window for tasks that gain by it"
    )
    assert "another task" in advice(Verdict(NOTHING), "derain")
    assert advice(Verdict(MUCH, 0.9), "derain") == ""
    assert Verdict(NOTHING).short("derain", "✓") == "✓ no rain"


@given(st.floats(0, 1), st.floats(0, 1))
def test_all_words_of_how_much_is_gone_agree(one: float, other: float) -> None:
    """The sentence, the words under a thumbnail, the advice: none has a number, and more is never called less."""

    def told(share: float) -> tuple[str, str, bool]:
        verdict = Verdict(MUCH, share, why="seen best there")
        said = words(verdict, "derain"), verdict.short("derain", "✓"), bool(advice(verdict, "derain"))
        assert not any(sign.isdigit() for sign in "".join(said[:2]) + behind(verdict))
        return said

    ladder = list(dict.fromkeys(told(share / 100) for share in range(101)))
    assert len(ladder) == 8 and len({row[0] for row in ladder}) == len({row[1] for row in ladder}) == 8
    low, high = sorted((one, other))
    assert ladder.index(told(low)) <= ladder.index(told(high))
    assert [row[2] for row in ladder] == [True, True, *[False] * 6]
    assert "estimate" in behind(Verdict(MUCH, 0.0)) and not behind(Verdict(NOTHING))


@given(st.floats(0, 300), st.floats(0, 300), st.floats(0, 1))
def test_what_tells_how_much_is_gone_is_finite(change: float, amount: float, response: float) -> None:
    told = features(Measure(change, amount, response, amount), None)
    assert np.isfinite(told).all()


def test_thresholds_belong_to_the_model_and_stand_in_its_config(tmp_path: Path) -> None:
    made = save_small_model(tmp_path / "small")
    assert Thresholds.of(load_model(made, "cpu", "fp32").provenance) is None
    before = checkpoint.load(made).sha256
    kept = Thresholds(0.5, 2.0, (0.1,) * 6, 0.8, {"clean": {"count": 4}})
    calibration.keep(made, kept)
    loaded = load_model(made, "cpu", "fp32")  # not the one held in memory
    assert Thresholds.of(loaded.provenance) == kept and loaded.sha256 == before
    assert json.loads((made / "config.json").read_text())["provenance"][RECORD]["much_from"] == 2.0
    assert [kept.found(Measure(0, amount, 0, 0)) for amount in (0.1, 1.0, 3.0)] == [NOTHING, LITTLE, MUCH]
    for broken in ({}, {"nothing_below": 3, "much_from": 1}, {"nothing_below": "x", "much_from": 1}, [1]):
        assert Thresholds.of({RECORD: broken}) is None


def test_calibration_measures_a_model(model: Path) -> None:
    photos = [photo(72, 64, seed) for seed in range(4)]
    found = calibration.calibrate(model, "derain", photos, damaged=4, camera=0, device="cpu")
    assert 0 < found.nothing_below <= found.much_from
    assert found.photos is not None and found.photos["clean"]["count"] == 4
    assert found.photos["full"]["damage_levels"] > found.photos["clean"]["damage_levels"]
    again = calibration.calibrate(model, "derain", photos, damaged=4, camera=0, device="cpu")
    assert again == found, "seeded"
    with pytest.raises(calibration.CalibrationError, match="at least 4"):
        calibration.calibrate(model, "derain", photos[:3])


def test_a_number_is_told_only_where_it_ranks_as_the_truth_does() -> None:
    rng = np.random.default_rng(0)
    rows = [(1.0, *rng.normal(size=5).tolist()) for _ in range(40)]
    told = [0.5 + 0.1 * row[1] for row in rows]
    assert (calibration._fit(rows, told)[1] or 0) > 0.95
    chance = calibration._fit(rows, rng.uniform(size=40).tolist())[1]
    assert chance is not None and chance < calibration.LEAST_RANK
