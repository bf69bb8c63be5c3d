"""The light beside a shadow is the light inside it: on made scenes whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from core.cv import cv2
from core.restoring import copies, shadow_light


def ground(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(H, W, 3) float levels of rough ground, bright enough that nothing clips."""
    rng = np.random.default_rng(seed)
    rough = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 1.0)
    return np.asarray(np.array([150.0, 130.0, 110.0]) * np.exp(0.12 * rough)[..., None])


def disc(height: int, width: int, radius: float) -> np.ndarray:
    y, x = np.ogrid[:height, :width]
    inside = np.hypot(y - height / 2, x - width / 2) < radius
    return np.where(inside, np.uint8(255), np.uint8(0))


def levels(values: np.ndarray, dtype: type = np.uint8) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.rint(np.clip(values * (top / 255), 0, top)).astype(dtype)


def brightened(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """By the same grey factor wherever the mask is, with an edge softer than none."""
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 3)[..., None]
    return np.asarray(photo / np.exp(soft * np.log(0.42)))


def scene(
    penumbra_px: float = 2.0, dtype: type = np.uint8, size: tuple[int, int] = (200, 260)
) -> tuple[np.ndarray, ...]:
    """Truth, photo, mask, and what a network made of it that leaves the light off by a factor and an outline."""
    truth = ground(*size)
    mask = disc(*size, 60)
    matte = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), penumbra_px)[..., None]
    photo = truth * (1 - matte * (1 - np.array([0.35, 0.4, 0.48])))
    restored = brightened(photo, mask)
    return levels(truth, dtype), levels(photo, dtype), mask, levels(restored, dtype)


def error(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    """Root mean square difference in levels of 255."""
    scale = np.iinfo(a.dtype).max / 255
    return float(np.sqrt(np.mean(np.square((a.astype(float) - b)[where] / scale))))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_shadow_gets_the_light_of_its_surroundings(dtype: type) -> None:
    truth, photo, mask, restored = scene(dtype=dtype)
    relit = shadow_light.relit(photo, mask, restored)
    assert relit.dtype == dtype
    deep = cv2.erode(mask, np.ones((21, 21), np.uint8)) > 0
    assert error(restored, truth, deep) > 15
    assert error(relit, truth, deep) < 1.5
    assert error(relit, truth, mask > 0) < 0.4 * error(restored, truth, mask > 0)


def test_the_outline_goes_and_a_wide_penumbra_with_it() -> None:
    truth, photo, mask, restored = scene(penumbra_px=5)
    border = cv2.dilate(mask, np.ones((13, 13), np.uint8)) > cv2.erode(mask, np.ones((13, 13), np.uint8))
    relit = shadow_light.relit(photo, mask, restored)
    assert error(relit, truth, border) < 0.5 * error(restored, truth, border)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_far_from_the_shadow_not_a_bit_changes(dtype: type) -> None:
    _truth, photo, mask, restored = scene(dtype=dtype)
    relit = shadow_light.relit(photo, mask, restored)
    far = cv2.distanceTransform(255 - mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > 26
    assert far.any()
    assert np.array_equal(relit[far], restored[far])


def test_each_ground_gets_its_own_light() -> None:
    """A wide shadow over two grounds that a network brightens differently."""
    truth = ground(220, 300)
    truth[:, 150:] *= np.array([0.5, 0.8, 1.3])
    mask = np.zeros((220, 300), np.uint8)
    mask[60:160] = 255
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 2)[..., None]
    photo = truth * np.exp(soft * np.log(0.4))
    left = (np.arange(300) < 150)[None, :, None]
    restored = photo / np.exp(soft * np.log(np.where(left, 0.48, 0.42)))
    relit = shadow_light.relit(levels(photo), mask, levels(restored))
    for half in (slice(10, 120), slice(180, 290)):
        where = np.zeros(mask.shape, bool)
        where[70:150, half] = True
        assert error(relit, levels(truth), where) < 0.75 * error(levels(restored), levels(truth), where)


@pytest.mark.parametrize("grown_px", [-5, 5])
def test_a_mask_may_be_a_little_off(grown_px: int) -> None:
    truth, photo, mask, _restored = scene()
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(grown_px) + 1,) * 2)
    off = (cv2.dilate if grown_px > 0 else cv2.erode)(mask, kernel)
    restored = levels(brightened(photo, off))
    near = cv2.dilate(mask, np.ones((21, 21), np.uint8)) > 0
    relit = shadow_light.relit(photo, off, restored)
    assert error(relit, truth, near) < 0.4 * error(restored, truth, near)


@pytest.mark.parametrize("value", [0, 255])
def test_a_mask_without_a_border_tells_nothing(value: int) -> None:
    _truth, photo, mask, restored = scene()
    assert shadow_light.relit(photo, np.full_like(mask, value), restored) is restored


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (300, 3), (40, 40)])
def test_photos_too_small_to_look_around_in(size: tuple[int, int]) -> None:
    photo = levels(ground(*size))
    mask = np.zeros(size, np.uint8)
    mask[: size[0] // 2 + 1, : size[1] // 2 + 1] = 255
    assert shadow_light.relit(photo, mask, photo).shape == photo.shape


def test_a_dark_thing_beside_the_border_is_not_taken_for_the_light() -> None:
    """Most of the surroundings are the same ground; a black wall along a fifth of the border is not."""
    truth, photo, mask, restored = scene()
    for picture in (truth, photo, restored):
        picture[:, 200:] = 20
    relit = shadow_light.relit(photo, mask, restored)
    deep = (cv2.erode(mask, np.ones((21, 21), np.uint8)) > 0) & (np.arange(260) < 180)
    assert error(relit, truth, deep) < 0.4 * error(restored, truth, deep)


@pytest.mark.parametrize("red", [False, True], ids=["mask ends too soon", "red thing that casts it"])
def test_a_border_that_is_not_the_shadows_says_nothing_of_the_light(red: bool) -> None:
    """Most of the mask's border lies across the shadow itself, or beside what casts it."""
    truth = ground(200, 260)
    mask = np.zeros((200, 260), np.uint8)
    mask[40:110, 70:] = 255
    matte = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 2)[..., None]
    photo = truth * (1 - matte * (1 - np.array([0.35, 0.4, 0.48])))
    mask[:, 150:] = mask[90:] = 0
    beyond = (np.arange(200)[:, None] >= 90) | (np.arange(260) >= 150)
    if red:
        truth[beyond] = photo[beyond] = (200, 40, 20)
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 3)[..., None]
    restored = levels(photo * np.exp(0.2 * soft))  # by far too little
    relit = shadow_light.relit(levels(photo), mask, restored)
    deep = cv2.erode(mask, np.ones((21, 21), np.uint8)) > 0
    assert error(restored, levels(truth), deep) > 50 and error(relit, levels(truth), deep) < 2


@pytest.mark.parametrize("off_px", [-4, -2, 2, 4])
def test_on_plain_ground_the_light_ends_at_the_photos_own_edge(off_px: int) -> None:
    """Wherever the mask's edge is."""
    truth = 200 * np.exp(0.15 * (ground(200, 260).mean(2, keepdims=True) / 130 - 1)) * np.ones(3)
    mask = disc(200, 260, 60)
    photo = np.where(mask[..., None] > 0, truth * np.array([0.35, 0.4, 0.48]), truth)
    photo = cv2.GaussianBlur(photo, (0, 0), 1.0)
    told = disc(200, 260, 60 + off_px)
    relit = shadow_light.relit(levels(photo), told, levels(brightened(photo, told)))
    rim = (disc(200, 260, 68) > 0) & ~(disc(200, 260, 52) > 0)
    assert error(relit, levels(truth), rim) < 12


def test_the_rim_keeps_the_grounds_texture_and_gets_no_colour() -> None:
    truth, mask = ground(200, 260), disc(200, 260, 60)
    sun = 1 - cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 1.5)[..., None]
    sky = np.array([0.10, 0.13, 0.18])  # of the light, linear: what is left is blue
    photo = truth * (sky + (1 - sky) * sun) ** (1 / 2.2)
    relit = shadow_light.relit(levels(photo), mask, levels(brightened(photo, mask))).astype(float)
    rim = (disc(200, 260, 66) > 0) & ~(disc(200, 260, 54) > 0)
    off = np.log(relit[rim] / truth[rim])
    assert np.abs(off[:, 0] - off[:, 2]).mean() < 0.013  # 0.020 with one share for all channels
    texture = np.corrcoef(relit[rim].mean(1), truth[rim].mean(1))[0, 1]
    assert texture > 0.62  # 0.54 where each pixel's own darkness counts as shadow


def test_large_photos_are_measured_on_a_copy() -> None:
    truth, photo, mask, restored = (
        np.asarray(cv2.resize(picture, (1300, 1000), interpolation=cv2.INTER_NEAREST)) for picture in scene()
    )
    relit = shadow_light.relit(photo, mask, restored)
    deep = cv2.erode(mask, np.ones((31, 31), np.uint8)) > 0
    assert error(relit, truth, deep) < 6


def test_carried_up_from_a_copy_the_light_ends_where_the_photo_is_sharp() -> None:
    """In every channel by its own amount, so that no coloured line is left along the edge."""
    truth = cv2.resize(ground(100, 130), (520, 400), interpolation=cv2.INTER_CUBIC)
    shade = cv2.GaussianBlur(disc(400, 520, 150).astype(np.float32) / 255, (0, 0), 1.0)[..., None]
    photo = levels(truth * (1 - shade * (1 - np.array([0.35, 0.4, 0.48]))), np.uint16)
    copy, lit = copies.reduced(photo, 4), copies.reduced(levels(truth, np.uint16), 4)
    relit = copies.Correction(copy, lit, 4, "light").put_all(photo)
    off = (relit.astype(float) - levels(truth, np.uint16)) / 257
    for radius in range(142, 160, 2):
        red, _green, blue = off[(disc(400, 520, radius + 1) > 0) & ~(disc(400, 520, radius - 1) > 0)].mean(0)
        assert abs(red - blue) < 4 and max(red, blue) < 5, radius


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_lit_sliver_that_the_mask_covers_stays_as_it_is_and_pale_paint_is_relit(dtype: type) -> None:
    truth, photo, mask, _restored = scene(dtype=dtype)
    sliver, paint = np.zeros_like(mask, bool), np.zeros_like(mask, bool)
    sliver[80:88, 100:160] = paint[110:118, 100:160] = True
    scale = np.iinfo(dtype).max / 255
    paler = np.where(paint[..., None], truth * 1.3, truth.astype(float)) / scale
    dark = photo.astype(float) / np.maximum(truth, 1)
    photo = levels(np.where(sliver[..., None], paler, paler * dark), dtype)
    restored = levels(brightened(photo / scale, mask), dtype)
    relit = shadow_light.relit(photo, mask, restored)
    lit, painted = (
        cv2.erode(each.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0 for each in (sliver, paint)
    )
    assert error(restored, truth, lit) > 60 and error(photo, paler * scale, painted) > 60
    assert error(relit, truth, lit) < 2 and error(relit, paler * scale, painted) < 20
