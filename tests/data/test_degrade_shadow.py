from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cv import cv2
from core.data.degrade import DEGRADATIONS, DegradationError
from core.data.degrade.base import Bounds
from core.data.degrade.shadow import _OUTLINES, ShadowParams, _penumbra, find_shadow, shadow
from tests.small import photo

ALWAYS = ShadowParams(untouched=0.0, jpeg=0.0)
PLAIN = ShadowParams(
    untouched=0.0, jpeg=0.0, unevenness=0.0, relief=Bounds(0, 0), veil=Bounds(0, 0), tint=Bounds(0.2, 0.2),
    ambient=Bounds(0.25, 0.25),
)  # fmt: skip


def clean(seed: int = 0, width: int = 128, height: int = 96) -> np.ndarray:
    return photo(width, height, seed).astype(np.float32) / 255


@given(st.integers(0, 2**31 - 1), st.integers(1, 70), st.integers(1, 70))
@settings(max_examples=60, deadline=None)
def test_shadows_are_seeded_bounded_and_leave_their_input_alone(seed: int, width: int, height: int) -> None:
    before = clean(seed % 7, width, height)
    kept = before.copy()
    first, mask = shadow(before, np.random.default_rng(seed))
    again, mask_again = shadow(before, np.random.default_rng(seed))
    assert np.array_equal(first, again)
    assert np.array_equal(mask, mask_again)
    assert np.array_equal(before, kept)
    assert first.shape == before.shape and mask.shape == before.shape[:2]
    assert first.dtype == mask.dtype == np.float32
    assert first.min() >= 0 and first.max() <= 1
    assert mask.min() >= 0 and mask.max() <= 1
    assert np.allclose(first * 255, np.rint(first * 255), atol=1e-3)  # as an 8-bit file would hold it


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=40, deadline=None)
def test_shadow_only_takes_light_and_only_where_the_mask_says(seed: int) -> None:
    before = clean(1)
    after, mask = shadow(before, np.random.default_rng(seed), PLAIN)
    assert (after - before).max() <= 0.5 / 255 + 1e-6
    outside = mask < 1e-4
    assert np.abs(after - before)[outside].max(initial=0) <= 0.5 / 255 + 1e-3


def test_what_is_left_is_the_ambient_share_bluer_than_the_light() -> None:
    before = np.full((160, 160, 3), 0.9, np.float32)
    seen = 0
    for seed in range(20):
        after, mask = shadow(before, np.random.default_rng(seed), PLAIN)
        full = mask > 0.999
        if full.sum() < 50:
            continue
        seen += 1
        left = (after / before)[full].mean(0) ** 2.2
        assert left[0] == pytest.approx(0.25, abs=0.01)
        assert left[2] == pytest.approx(0.25**0.8, abs=0.01)
        assert left[0] < left[1] < left[2]
    assert seen > 10


def test_no_black_holes() -> None:
    """Even in the deepest shadow a lit grey stays well above black."""
    before = np.full((96, 128, 3), 0.5, np.float32)
    darkest = [shadow(before, np.random.default_rng([3, i]), ALWAYS)[0].min() for i in range(80)]
    assert min(darkest) > 0.08
    assert np.median(darkest) < 0.35  # and yet these are shadows


def test_shadows_are_of_many_sizes_and_leave_some_light_to_compare_with() -> None:
    before = clean(2, 512, 128)
    masks = [shadow(before, np.random.default_rng([5, i]), ALWAYS)[1] for i in range(100)]
    covers = [float(mask.mean()) for mask in masks]
    assert max(covers) <= 0.82
    assert np.quantile(covers, 0.15) < 0.15
    assert np.quantile(covers, 0.85) > 0.45
    # some are wider than the network's field: a whole crop of 128 px in the dark
    darkest = [mask.reshape(128, 4, 128).mean((0, 2)).max() for mask in masks]
    assert np.mean(np.array(darkest) > 0.9) > 0.2


@pytest.mark.parametrize("outline", _OUTLINES)
def test_every_outline_has_an_inside_and_an_outside(outline: object) -> None:
    assert callable(outline)
    params = ShadowParams(size_px=Bounds(30, 60), thickness_px=Bounds(8, 16))
    covers = []
    for seed in range(12):
        drawn = outline(160, 200, np.array([100.0, 80.0]), np.random.default_rng(seed), params)
        assert drawn.shape == (160, 200)
        assert drawn.dtype == np.float32
        assert drawn.min() >= 0 and drawn.max() <= 1
        covers.append(float(drawn.mean()))
    assert np.median(covers) > 0.01
    assert np.median(covers) < 0.9


def test_the_penumbra_widens_across_the_picture() -> None:
    strip = np.zeros((64, 400), np.float32)
    strip[32:] = 1
    widths = []
    for seed in range(30):
        matte = _penumbra(strip, 1.0, 10.0, np.random.default_rng(seed))
        soft = ((matte > 0.1) & (matte < 0.9)).sum(0)
        widths.append((soft.min(), soft.max()))
    assert min(low for low, _ in widths) <= 4
    assert max(high for _, high in widths) >= 18
    assert np.mean([high > 2 * low for low, high in widths]) > 0.5


def test_some_pictures_stay_clean() -> None:
    before = clean(3)
    untouched = ShadowParams(untouched=1.0)
    after, mask = shadow(before, np.random.default_rng(1), untouched)
    assert np.array_equal(after, before)
    assert not mask.any()
    always = DEGRADATIONS["deshadow"].always(untouched)
    assert not np.array_equal(shadow(before, np.random.default_rng(1), always)[0], before)


def test_the_registry_gives_pictures_with_and_without_masks() -> None:
    before, shadows, rain = clean(4), DEGRADATIONS["deshadow"], DEGRADATIONS["derain"]
    assert shadows.has_mask and not rain.has_mask
    params = shadows.params({"ambient": [0.2, 0.3], "untouched": 0})
    plain = shadows.bind(params)(before, np.random.default_rng(6))
    with_mask, mask = shadows.bind_with_mask(params)(before, np.random.default_rng(6))
    assert np.array_equal(plain, with_mask)
    assert mask.any()
    rainy, unknown = rain.bind_with_mask(rain.defaults)(before, np.random.default_rng(6))
    assert np.array_equal(rainy, rain.bind(rain.defaults)(before, np.random.default_rng(6)))
    assert unknown.shape == before.shape[:2] and not unknown.any()


@pytest.mark.parametrize(
    "bad",
    [
        {"mist": 0.5}, {"ambient": [0, 0.5]}, {"ambient": [0.5, 1.5]}, {"outlines": [0.5, 0.5]}, {"shadows": [0.9]},
        {"widening": [0.5, 2]}, {"jpeg": 2}, {"tint": [0, 2]}, {"size_px": [10, 1e9]}, {"shadows": [0.3333333] * 3},
    ],
)  # fmt: skip
def test_bad_parameters_are_named(bad: dict[str, object]) -> None:
    with pytest.raises(DegradationError, match=next(iter(bad))):
        DEGRADATIONS["deshadow"].params(bad)


# --- masks of real pairs -------------------------------------------------------------------------------


def test_the_shadow_of_a_pair_is_found() -> None:
    lit = photo(320, 240, 3)
    matte = np.zeros((240, 320), np.float32)
    cv2.circle(matte, (110, 120), 60, 1.0, -1)
    truth = matte > 0.5
    soft = cv2.GaussianBlur(matte, (0, 0), 3)[..., None]
    dark = (lit / 255.0) ** 2.2 * (1 - 0.7 * soft)
    noise = np.random.default_rng(0).normal(0, 2, lit.shape)
    shaded = np.clip(dark ** (1 / 2.2) * 255 + noise, 0, 255).astype(np.uint8)
    found = find_shadow(shaded, lit)
    assert found.shape == truth.shape and found.dtype == np.uint8
    inside = found > 127
    assert (inside & truth).sum() / (inside | truth).sum() > 0.9
    assert len(np.unique(found)) > 2  # the edge is soft
    # another exposure of the whole picture is no shadow
    darker = np.rint(shaded * 0.97).astype(np.uint8)
    again = find_shadow(darker, lit) > 127
    assert (again & truth).sum() / (again | truth).sum() > 0.9


def test_a_pair_without_a_shadow_has_an_empty_mask() -> None:
    lit = photo(160, 120, 4)
    noise = np.random.default_rng(1).normal(0, 3, lit.shape)
    assert not find_shadow(np.clip(lit + noise, 0, 255).astype(np.uint8), lit).any()
