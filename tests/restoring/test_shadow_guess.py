"""A guess takes cast shadows and leaves dark things alone."""

from __future__ import annotations

import numpy as np
import pytest

from core.cv import cv2
from core.data import guidance
from core.restoring import shadow_guess
from tests.restoring.test_shadow_light import disc, ground, levels


def guess(photo: np.ndarray, brightened: np.ndarray) -> guidance.Guess | None:
    before, after = (shadow_guess.copy_of(levels(picture)) for picture in (photo, brightened))
    return shadow_guess.guess(before, after, photo.shape[1], photo.shape[0])


def test_a_shadow_is_found_where_it_lies() -> None:
    truth, mask = ground(240, 320), disc(240, 320, 70)
    photo = np.where((mask > 0)[..., None], truth * np.array([0.35, 0.4, 0.45]), truth)
    found = guess(photo, np.where((mask > 0)[..., None], photo * 2, photo))
    assert found is not None
    assert found.mask.shape == (240, 320) and found.mask.dtype == np.uint8
    both, either = (mask > 0) & (found.mask > 127), (mask > 0) | (found.mask > 127)
    assert both.sum() / either.sum() > 0.9
    assert found.share == pytest.approx((mask > 0).mean(), rel=0.1)


def test_what_is_enclosed_is_shadow_too() -> None:
    truth, mask = ground(240, 320), disc(240, 320, 70)
    photo = np.where((mask > 0)[..., None], truth * 0.4, truth)
    passed = (mask > 0) & (disc(240, 320, 10) == 0)  # the first pass left a spot dark
    found = guess(photo, np.where(passed[..., None], photo * 2, photo))
    assert found is not None and found.mask[120, 160] == 255


def test_a_dark_thing_of_another_colour_is_none() -> None:
    """Patches around it differ, so that no one factor leads across its border."""
    rng = np.random.default_rng(3)
    photo, mask = ground(240, 320), disc(240, 320, 70)
    patches = np.exp(rng.normal(0, 0.6, (8, 10, 3))).astype(np.float32)
    photo = photo * cv2.resize(patches, (320, 240), interpolation=cv2.INTER_NEAREST)
    photo = np.where((mask > 0)[..., None], np.array([70.0, 40.0, 30.0]), photo)
    assert guess(photo, np.where((mask > 0)[..., None], photo * 2, photo)) is None


def test_nothing_brightened_is_no_shadow() -> None:
    photo = ground(100, 120)
    assert guess(photo, photo) is None


def test_a_photo_brightened_all_over_has_nothing_to_be_compared_with() -> None:
    photo = ground(100, 120)
    assert guess(photo * 0.5, photo) is None


def test_large_photos_get_a_mask_of_their_own_size() -> None:
    truth, mask = ground(240, 320), disc(240, 320, 70)
    photo = np.where((mask > 0)[..., None], truth * 0.4, truth)
    large = np.asarray(cv2.resize(photo, (1920, 1440)))
    bright = np.asarray(cv2.resize(np.where((mask > 0)[..., None], truth * 0.8, truth), (1920, 1440)))
    found = guess(large, bright)
    assert found is not None and found.mask.shape == (1440, 1920)


def bricks(height: int, width: int) -> np.ndarray:
    """(H, W, 3) float levels of rough bricks with light joints."""
    rows, columns = np.indices((height, width))
    joints = (rows % 24 < 3) | ((columns + 20 * (rows // 24 % 2)) % 40 < 3)
    return np.where(joints[..., None], ground(height, width) * 1.35, ground(height, width))


def overlap(mask: np.ndarray, found: guidance.Guess | None) -> float:
    inside = np.zeros_like(mask) if found is None else found.mask
    return float(((mask > 0) & (inside > 127)).sum() / ((mask > 0) | (inside > 127)).sum())


def test_a_shadow_is_found_where_the_first_pass_brightens_all_of_a_pattern_a_little() -> None:
    truth, mask = bricks(240, 320), disc(240, 320, 60)
    photo = np.where((mask > 0)[..., None], truth * np.array([0.45, 0.47, 0.5]), truth)
    passed = np.where((mask > 0)[..., None], photo * 1.7, photo * np.where(truth > 190, 1.0, 1.25))
    assert overlap(mask, guess(photo, passed)) > 0.85


def soft(mask: np.ndarray) -> np.ndarray:
    """(H, W, 1) 0..1"""
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 3))[..., None]


@pytest.mark.parametrize("hand", [0.5, 0.7, 1.0])
def test_a_small_shadow_is_found_however_light_the_hand_of_the_first_pass_is(hand: float) -> None:
    truth, mask = bricks(300, 420), disc(300, 420, 36)
    shade = 0.8 * soft(mask)
    photo = truth * np.exp(-shade)
    assert overlap(mask, guess(photo, photo * np.exp(hand * shade))) > 0.7


def test_a_soft_shadow_on_plain_ground_needs_no_first_pass() -> None:
    truth, mask = ground(240, 320), disc(240, 320, 70)
    photo = truth * np.exp(-0.3 * soft(mask))
    assert overlap(mask, guess(photo, photo)) > 0.8
    tinted = truth * np.exp(-0.3 * soft(mask) * np.array([1.8, 1.0, 0.2]))
    assert guess(tinted, tinted) is None


@pytest.mark.parametrize("exposure", [0.5, 0.75, 1.25])
def test_exposure_changes_nothing(exposure: float) -> None:
    truth, mask = bricks(240, 320), disc(240, 320, 60)
    photo = np.where((mask > 0)[..., None], truth * 0.45, truth)
    assert (
        overlap(mask, guess(exposure * photo, exposure * np.where((mask > 0)[..., None], photo * 1.8, photo)))
        > 0.85
    )


@pytest.mark.parametrize("paint", [(70, 45, 30), (40, 75, 40), (75, 35, 70)])
def test_dark_paint_of_another_colour_is_no_shadow(paint: tuple[int, int, int]) -> None:
    """However alike it is all around, and however much the first pass brightens it."""
    photo, mask = bricks(240, 320), disc(240, 320, 60)
    photo = np.where((mask > 0)[..., None], np.array(paint), photo)
    assert guess(photo, np.where((mask > 0)[..., None], photo * 1.5, photo)) is None


def test_of_a_shadow_and_a_painted_thing_the_shadow_is_found() -> None:
    photo, mask = bricks(240, 320), disc(240, 320, 50)
    photo = np.where((mask > 0)[..., None], photo * 0.4, photo)
    photo[20:60, 20:80] = 40, 70, 40
    brighter = np.where((mask > 0)[..., None], photo * 2, photo)
    brighter[20:60, 20:80] *= 1.3
    assert overlap(mask, guess(photo, brighter)) > 0.85


def test_a_shadow_that_the_frame_cuts_is_found() -> None:
    truth = bricks(240, 320)
    mask = np.zeros((240, 320), np.uint8)
    mask[90:, :140] = 255
    photo = np.where((mask > 0)[..., None], truth * 0.45, truth)
    assert overlap(mask, guess(photo, np.where((mask > 0)[..., None], photo * 1.8, photo))) > 0.85


def test_a_pocket_of_light_in_a_shadow_is_left_out() -> None:
    truth, mask = ground(240, 320), disc(240, 320, 80)
    mask[110:130, 150:172] = 0
    photo = np.where((mask > 0)[..., None], truth * 0.45, truth)
    found = guess(photo, np.where((mask > 0)[..., None], photo * 2, photo))
    assert overlap(mask, found) > 0.9
    assert found is not None and found.mask[120, 161] == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_half_a_photo_of_other_dark_ground_is_no_shadow(seed: int) -> None:
    """Its border is long, and no one factor leads across it."""
    rng = np.random.default_rng(seed)
    patches = np.exp(rng.normal(0, 0.5, (12, 18, 1))).astype(np.float32)
    dark = np.zeros((280, 420, 1), np.float32)
    dark[:, :230] = 1
    patchy = cv2.resize(patches, (420, 280), interpolation=cv2.INTER_NEAREST)[..., None]
    photo = np.clip(np.array([150, 130, 110]) * patchy * np.exp(-0.6 * dark), 0, 255)
    assert guess(photo, np.clip(photo * np.exp(0.5 * dark), 0, 255)) is None


@pytest.mark.parametrize("short_px", [5, 8])
def test_a_shadow_is_followed_up_to_what_casts_it(short_px: int) -> None:
    """Not into the thing, and not into the light."""
    photo, thing = ground(240, 320), np.s_[60:180, 200:280]
    photo[80:160, 60:200] *= np.array([0.35, 0.4, 0.48])
    photo[thing] = 120, 30, 30
    found = np.zeros((240, 320), np.uint8)
    found[80:160, 60 : 200 - short_px] = 1
    grown = shadow_guess._grown(levels(photo, np.uint16), found)
    assert grown[85:155, 200 - short_px : 197].mean() > 0.8 and not grown[thing].any()
    assert not grown[:76].any() and not grown[165:].any() and not grown[:, :56].any()


def test_the_border_follows_the_colour_of_the_light_where_the_ground_is_restless() -> None:
    """Light joints lie in the shadow as well, and dark bricks outside it."""
    height, width = 240, 320
    rows, columns = np.indices((height, width))
    joints = (rows % 24 < 3) | ((columns + 20 * (rows // 24 % 2)) % 40 < 3)
    truth = np.where(joints[..., None], 190.0, 90.0) * np.ones(3)
    mask = disc(height, width, 70)
    photo = np.where((mask > 0)[..., None], truth * np.array([0.45, 0.52, 0.6]), truth)
    found = guess(photo, np.where((mask > 0)[..., None], photo * 2, photo))
    assert overlap(mask, found) > 0.985  # 0.97 by luminance alone
