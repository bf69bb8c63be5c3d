from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.degrade import DEGRADATIONS, Bounds, DegradationError
from core.data.degrade.rain import RainParams, _deep_layer, _drawn_layer, _smeared_layer, rain
from tests.small import photo

Layer = Callable[..., np.ndarray]
ALWAYS = RainParams(untouched=0.0, mist=0.0, jpeg=0.0)


def clean(seed: int = 0, width: int = 96, height: int = 80) -> np.ndarray:
    return photo(width, height, seed).astype(np.float32) / 255


@given(st.integers(0, 2**31 - 1), st.integers(1, 70), st.integers(1, 70))
@settings(max_examples=60, deadline=None)
def test_rain_is_seeded_bounded_and_leaves_its_input_alone(seed: int, width: int, height: int) -> None:
    before = clean(seed % 7, width, height)
    kept = before.copy()
    first = rain(before, np.random.default_rng(seed))
    again = rain(before, np.random.default_rng(seed))
    assert np.array_equal(first, again)
    assert np.array_equal(before, kept)
    assert first.shape == before.shape
    assert first.dtype == np.float32
    assert first.min() >= 0 and first.max() <= 1
    assert np.allclose(first * 255, np.rint(first * 255), atol=1e-3)  # as an 8-bit file would hold it


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=60, deadline=None)
def test_rain_without_mist_only_adds_light(seed: int) -> None:
    before = clean(1)
    assert (rain(before, np.random.default_rng(seed), ALWAYS) - before).min() >= -0.5 / 255 - 1e-6


def test_the_model_spans_light_and_heavy_rain() -> None:
    before = clean(2, 128, 128)
    errors = [
        np.mean((rain(before, np.random.default_rng([9, i]), ALWAYS) - before) ** 2) for i in range(150)
    ]
    psnr_db = -10 * np.log10(np.maximum(errors, 1e-9))
    assert np.quantile(psnr_db, 0.1) < 19
    assert np.quantile(psnr_db, 0.9) > 29


def test_some_pictures_stay_clean() -> None:
    before = clean(3)
    untouched = RainParams(untouched=1.0)
    assert np.array_equal(rain(before, np.random.default_rng(1), untouched), before)
    always = DEGRADATIONS["derain"].always(untouched)
    assert not np.array_equal(rain(before, np.random.default_rng(1), always), before)


@pytest.mark.parametrize("angle_deg", [-40.0, 0.0, 40.0])
@pytest.mark.parametrize("layer", [_drawn_layer, _deep_layer, _smeared_layer])
def test_streaks_lie_along_the_direction_of_fall(angle_deg: float, layer: Layer) -> None:
    """The structure tensor of a layer points across its streaks."""
    params = RainParams(scatter_deg=Bounds(0, 0.5), length_px=Bounds(30, 31), cover=Bounds(0.05, 0.06))
    light = layer(192, 192, angle_deg, np.random.default_rng(4), params)
    gy, gx = np.gradient(light)
    across = 0.5 * np.degrees(np.arctan2(2 * (gx * gy).sum(), (gx**2 - gy**2).sum()))
    # 0 degrees is vertical; a fall towards the right (positive) turns the normal towards minus the angle
    assert abs(across + angle_deg) < 6


def test_parameters_come_from_a_recipe_with_clear_refusals() -> None:
    degradation = DEGRADATIONS["derain"]
    params = degradation.params({"mist": 0.5, "length_px": [3, 9], "layers": [0.5, 0.5]})
    assert params.mist == 0.5
    assert params.length_px == Bounds(3, 9)
    assert params.layers == (0.5, 0.5)
    for bad in (
        {"fog": 1},
        {"mist": 2},
        {"length_px": [9, 3]},
        {"length_px": 4},
        {"layers": [0.5]},
        {"layers": [0.3333333, 0.3333333, 0.3333333]},
        {"cover": [0, 1]},
    ):
        with pytest.raises(DegradationError, match=next(iter(bad))):
            degradation.params(bad)
