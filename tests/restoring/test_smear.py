"""The smear that a blurred photo tells: its length and direction, on blur made along known ways."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.degrade.base import Bounds
from core.data.degrade.blur import Path as Way
from core.data.degrade.blur import average
from core.data.degrade.rain import RainParams, rain
from core.images import io as image_io
from core.images import metrics
from core.model import catalog
from core.restoring import smear, steepness
from core.restoring.smear import Smear
from core.restoring.verdict import LITTLE, MUCH, NOTHING, Verdict, words


def sample(name: str) -> np.ndarray:
    path = next(path for path in catalog.sample_photos(validation=False) if path.stem == name)
    return metrics.to_8bit(image_io.read(path).pixels)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return sample("gravel")


def smeared(photo: np.ndarray, length_px: float, angle_deg: float) -> np.ndarray:
    """``photo`` (H, W, 3) uint8 averaged in light along a straight line, rising by ``angle_deg``."""
    steps = np.linspace(-0.5, 0.5, 2 * int(length_px) + 1) * length_px
    warps = np.repeat(np.eye(2, 3)[None], len(steps), axis=0)
    warps[:, 0, 2], warps[:, 1, 2] = (
        np.cos(np.deg2rad(angle_deg)) * steps,
        -np.sin(np.deg2rad(angle_deg)) * steps,
    )
    light = average((photo.astype(np.float32) / 255) ** 2.2, Way(warps, np.full(len(steps), 1 / len(steps))))
    return np.rint(np.clip(light, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)


def streaky(photo: np.ndarray, seed: int) -> np.ndarray:
    """``photo`` (H, W, 3) uint8 under dense rain, all of one direction."""
    params = RainParams(
        layers=(1.0,), drawn=0.0, deep=0.0, untouched=0.0, mist=0.0, jpeg=0.0, any_angle=0.0,
        cover=Bounds(0.1, 0.16), strength=Bounds(0.7, 0.9), length_px=Bounds(25, 50), width_px=Bounds(1, 2),
        scatter_deg=Bounds(0.2, 1.0),
    )  # fmt: skip
    rainy = rain(photo.astype(np.float32) / 255, np.random.default_rng(seed), params)
    return np.rint(np.clip(rainy, 0, 1) * 255).astype(np.uint8)


@pytest.mark.parametrize("seed", [0, 1])
def test_streaks_of_rain_are_no_smear(photo: np.ndarray, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = streaky(photo, seed)
    found = smear.find(pixels)
    assert found is not None and not found.is_certain
    assert smear.sharper(pixels, lambda: None) is pixels
    monkeypatch.setattr(smear, "_STEEPEST", np.inf)
    found = smear.find(pixels)
    assert found is not None and found.is_certain, "to the spectrum alone they are one"


@pytest.mark.parametrize(("length_px", "angle_deg"), [(4, 0), (8, 60), (8, 120), (14, 90)])
def test_a_straight_smear_is_told(photo: np.ndarray, length_px: float, angle_deg: float) -> None:
    found = smear.find(smeared(photo, length_px, angle_deg))
    assert found is not None and found.is_certain
    assert length_px / 1.4 < found.length_px < length_px * 1.4
    apart = abs((found.angle_deg - angle_deg + 90) % 180 - 90)
    assert apart <= 10


def test_a_smear_leaves_no_steep_edge_along_it(photo: np.ndarray) -> None:
    pixels = smeared(photo, 12, 60)
    along, across = Smear(12, 60, 1.0).line, Smear(12, 150, 1.0).line
    assert steepness.of(pixels, along) < 1.8
    assert steepness.of(pixels, across) > 2 * steepness.of(pixels, along), "across it they are sharp"
    assert steepness.of(photo, along) > 2 * steepness.of(pixels, along)
    deep = steepness.of(pixels.astype(np.uint16) * 257, along)
    assert deep == pytest.approx(steepness.of(pixels, along), rel=0.01)
    assert np.isfinite(steepness.of(np.full((60, 90, 3), 7, np.uint8), Smear(40, 0, 1.0).line))


def test_its_length_grows_with_the_photo(photo: np.ndarray) -> None:
    small = smeared(photo[:256, :256], 6, 30)
    large = np.repeat(np.repeat(small, 2, axis=0), 2, axis=1)
    one, two = smear.find(small), smear.find(large)
    assert one is not None and two is not None
    assert two.length_px == pytest.approx(2 * one.length_px, rel=0.3)


def test_a_sharp_photo_tells_none_and_a_small_one_cannot(photo: np.ndarray) -> None:
    found = smear.find(photo)
    assert found is not None and not found.is_certain
    assert smear.find(photo[:100, :300]) is None
    sixteen = smear.find(photo.astype(np.uint16) * 257)
    assert sixteen is not None and sixteen.evidence == pytest.approx(found.evidence, abs=1e-3)


def test_flat_pictures_tell_nothing() -> None:
    for level in (0, 128, 255):
        found = smear.find(np.full((200, 200, 3), level, np.uint8))
        assert found is None or not found.is_certain


def test_more_evidence_and_more_response_speak_for_blur() -> None:
    none, much = Smear(5, 0, 0.05), Smear(5, 0, 0.4)
    assert smear.amount(0.3, 1, none) < smear.amount(0.3, 1, much) < smear.amount(0.5, 1, much)
    assert smear.amount(0.3, 1, None) <= smear.amount(0.3, 1, none)
    assert smear.amount(None, 2, much) > smear.amount(None, 1, much)


@pytest.mark.parametrize(
    ("degrees", "way"), [(5, "level"), (175, "level"), (90, "upright"), (40, "rising"), (130, "falling")]
)
def test_what_is_said(degrees: float, way: str) -> None:
    told = words(Verdict(MUCH, 0.8, smear_px=12.3, smear_deg=degrees), "deblur")
    assert told.startswith("Much blur found (about 12 px long, ") and way in told
    assert told.endswith("most of it gone")
    assert "cannot be told" in words(Verdict(LITTLE), "deblur")
    assert words(Verdict(NOTHING, unchanged=True), "deblur") == "Already sharp, nothing changed"
    assert words(Verdict(MUCH), "derain") == "Much rain found"


def turned(photo: np.ndarray, right_px: float, turn_px: float) -> np.ndarray:
    """``photo`` averaged in light while the camera moves to the side and turns: ``turn_px`` more upright at the right edge."""
    height, width = photo.shape[:2]
    half = max(height, width) / 2
    steps = np.linspace(-0.5, 0.5, 2 * int(abs(right_px) + abs(turn_px)) + 1)
    warps = np.repeat(np.eye(2, 3)[None], len(steps), axis=0)
    by = turn_px * steps / half
    warps[:, 0, 1], warps[:, 1, 0] = -by, by
    warps[:, 0, 2] = right_px * steps
    light = average((photo.astype(np.float32) / 255) ** 2.2, Way(warps, np.full(len(steps), 1 / len(steps))))
    return np.rint(np.clip(light, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)


@pytest.mark.parametrize(("name", "right_px", "turn_px"), [("gravel", 8, 6), ("path", 2, 14)])
def test_of_a_camera_that_turned_it_tells_the_smear_of_each_place(
    name: str, right_px: float, turn_px: float
) -> None:
    photo = sample(name)
    blurred = turned(photo, right_px, turn_px)
    found = smear.find(blurred)
    assert found is not None and found.is_certain
    for x, y in ((-0.8, 0.0), (0.0, 0.0), (0.8, 0.0), (0.0, 0.6), (0.6, -0.6)):
        right, down = right_px - turn_px * y, turn_px * x
        length, angle = found.line(x, y)
        assert length == pytest.approx(np.hypot(right, down), abs=2.5), (x, y)
        if np.hypot(right, down) > 4:
            apart = abs((angle + np.rad2deg(np.arctan2(down, right)) + 90) % 180 - 90)
            assert apart <= 15, (x, y)
    sharper = smear.sharper(blurred, lambda: None)

    def error(pixels: np.ndarray) -> float:
        return float(np.square(pixels.astype(float) - photo)[16:-16, 16:-16].mean())

    assert error(sharper) < 0.85 * error(blurred)
    line = Smear(found.length_px, found.angle_deg, found.evidence)  # the same everywhere
    assert error(sharper) < error(smear.undone(blurred, line, lambda: None))
