"""Laws of the comparison canvas below the window: view transform, pyramids, streamed tiles, drawn pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.images.blend import blend as core_blend
from memorynet_gui.compare.layers import (
    Abandoned,
    Pyramid,
    Streamed,
    build_levels,
    halve,
    level_size,
    top_level,
)
from memorynet_gui.compare.scene import (
    DIFFERENCE,
    ORIGINAL,
    RESTORED,
    Grid,
    Scene,
    blend,
    checkerboard,
    difference,
    resample,
)
from memorynet_gui.compare.transform import MAX_ZOOM, ViewTransform, side_panes

EDGE = st.one_of(st.sampled_from([1, 2, 5000, 20_000]), st.integers(1, 20_000))
PANE = st.integers(80, 4000)
SHARE = st.floats(0, 1)


def noise(h: int, w: int, seed: int = 0, channels: int = 3) -> np.ndarray:
    shape = (h, w, channels) if channels > 1 else (h, w)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


# --- view transform ------------------------------------------------------------------------------


@given(EDGE, EDGE, PANE, PANE, st.floats(0, 60))
def test_fit_shows_the_whole_photo_and_enlarges_little(w, h, view_w, view_h, margin):
    t = ViewTransform.fitted(w, h, view_w, view_h, margin)
    assert t.visible() == (0, 0, w, h)
    assert w * t.zoom <= view_w + 1e-6
    assert h * t.zoom <= view_h + 1e-6
    assert t.zoom <= 4
    if t.zoom >= 2:
        assert t.zoom == round(t.zoom)  # squares of equal size
    x, y = t.to_view(w / 2, h / 2)
    assert (x, y) == pytest.approx((view_w / 2, view_h / 2))


STEP = st.tuples(st.floats(-2, 2), SHARE, SHARE)


@given(EDGE, EDGE, PANE, PANE, st.lists(STEP, min_size=1, max_size=12))
def test_zooming_keeps_the_image_point_under_the_pointer(w, h, view_w, view_h, steps):
    t = ViewTransform.fitted(w, h, view_w, view_h, 24)
    for log_factor, share_x, share_y in steps:
        left, top, right, bottom = t.shown_rect
        assert right > left
        assert bottom > top
        pointer = left + share_x * (right - left), top + share_y * (bottom - top)
        before = t.to_image(*pointer)
        # a pointer in the rounding of the photo's outer edge stands for the edge
        on_photo = 0 <= before[0] <= w and 0 <= before[1] <= h
        t = t.zoomed(2**log_factor, *pointer)
        assert t.min_zoom <= t.zoom <= MAX_ZOOM
        if not t.can_pan:
            assert (t.centre_x, t.centre_y) == (w / 2, h / 2)
        elif on_photo:
            assert t.to_view(*before) == pytest.approx(pointer, abs=1e-4)
            painted = t.origin[0] + before[0] * t.zoom, t.origin[1] + before[1] * t.zoom
            assert painted == pytest.approx(pointer, abs=0.51)  # placed on whole device pixels


@given(EDGE, EDGE, PANE, PANE, st.lists(st.tuples(STEP, STEP), max_size=8))
def test_panning_never_loses_the_photo_nor_adds_backdrop(w, h, view_w, view_h, moves):
    t = ViewTransform.fitted(w, h, view_w, view_h, 24)
    for (log_factor, share_x, share_y), (_, dx, dy) in moves:
        t = t.zoomed(2**log_factor, share_x * view_w, share_y * view_h)
        moved = t.panned((dx - 0.5) * 5000, (dy - 0.5) * 5000)
        for now, then in ((moved, t), (moved.panned(1e9, -1e9), moved)):
            x0, y0, x1, y1 = now.shown_rect
            was = then.shown_rect
            assert x1 - x0 >= was[2] - was[0] - 1  # rounding of the place
            assert y1 - y0 >= was[3] - was[1] - 1
        t = moved
        x, y, ww, hh = t.visible()
        assert 0 <= x < x + ww <= w
        assert 0 <= y < y + hh <= h


@given(EDGE, EDGE, PANE, PANE, st.floats(0.01, 32), SHARE, SHARE)
def test_view_and_image_points_are_inverse(w, h, view_w, view_h, zoom, x, y):
    t = ViewTransform.fitted(w, h, view_w, view_h).at_zoom(zoom, view_w / 3, view_h / 3)
    assert t.to_image(*t.to_view(x * w, y * h)) == pytest.approx((x * w, y * h), rel=1e-9, abs=1e-6)


def test_a_zoom_step_across_100_percent_stops_there():
    t = ViewTransform.fitted(3000, 2000, 1000, 700)
    zooms = []
    for _ in range(30):
        t = t.zoomed(1.25, 400, 300)
        zooms.append(t.zoom)
    assert 1.0 in zooms
    assert zooms[-1] == MAX_ZOOM
    back = []
    for _ in range(40):
        t = t.zoomed(0.8, 400, 300)
        back.append(t.zoom)
    assert 1.0 in back
    assert back[-1] == t.fit_zoom


def test_an_empty_photo_is_refused_with_its_size():
    with pytest.raises(ValueError, match="0x5"):
        ViewTransform.fitted(0, 5, 100, 100)


@given(EDGE, EDGE, PANE, PANE)
def test_side_panes_are_equal_and_apart(w, h, view_w, view_h):
    (x0, y0, w0, h0), (x1, y1, w1, h1) = side_panes(view_w, view_h, 2, w, h)
    assert (w0, h0) == (w1, h1)
    assert (x0, y0) == (0, 0)
    assert x1 >= w0 + 2 or y1 >= h0 + 2
    assert x1 + w1 <= view_w
    assert y1 + h1 <= view_h


def test_a_panorama_is_stacked_and_a_portrait_is_not():
    assert side_panes(1200, 800, 2, 20_000, 3000)[1][0] == 0
    assert side_panes(1200, 800, 2, 2000, 3000)[1][1] == 0
    assert side_panes(1200, 800, 2, 3000, 2000)[1][1] == 0


# --- pyramids ------------------------------------------------------------------------------------


def halved_by_hand(a: np.ndarray) -> np.ndarray:
    h, w = a.shape[:2]
    out = np.empty((-(-h // 2), -(-w // 2), *a.shape[2:]))
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x] = a[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean(axis=(0, 1))
    return out


@settings(max_examples=40)
@given(
    st.integers(1, 23), st.integers(1, 23), st.sampled_from([1, 3]), st.sampled_from([np.uint8, np.uint16])
)
def test_halving_is_the_mean_of_blocks_at_odd_edges_too(h, w, channels, depth):
    a = noise(h, w, h * 100 + w, channels).astype(depth)
    if depth == np.uint16:
        a = a * np.uint16(257)
    assert np.abs(halve(a) - halved_by_hand(a)).max() <= 0.5


@pytest.mark.parametrize("turn", [np.s_[::-1], np.s_[:, ::-1], np.s_[:, :, ::-1], np.s_[:, 3:-2]])
def test_arrays_that_run_backwards_are_read_right(turn):
    a = noise(600, 530)
    levels = build_levels(a[turn], lambda: True)
    same = build_levels(np.ascontiguousarray(a[turn]), lambda: True)
    assert len(levels) == len(same) > 0
    for one, other in zip(levels, same, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (257, 256), (1500, 901)])
def test_levels_have_the_sizes_promised(size):
    h, w = size
    levels = build_levels(noise(h, w), lambda: True)
    assert len(levels) == top_level(w, h)
    for k, level in enumerate(levels, start=1):
        assert level.shape == (level_size(h, k), level_size(w, k), 3)
    assert max((levels or [noise(h, w)])[-1].shape[:2]) <= 256


def test_building_stops_when_no_longer_wanted():
    asked = []

    def wanted() -> bool:
        asked.append(1)
        return len(asked) < 3

    with pytest.raises(Abandoned):
        build_levels(noise(3000, 300), wanted)
    assert len(asked) == 3


def test_a_pyramid_keeps_the_array_and_subsamples_until_it_is_built():
    a = noise(700, 900)
    pyramid = Pyramid(a)
    assert pyramid.crop(0, 5, 6, 50, 60).base is a
    np.testing.assert_array_equal(pyramid.crop(2, 10, 20, 30, 45), a[80:180:4, 40:120:4])
    assert pyramid.crop(1, 0, 0, 450, 350).shape == (350, 450, 3)
    pyramid.finish(build_levels(a, lambda: True))
    np.testing.assert_array_equal(pyramid.crop(1, 0, 0, 450, 350), halve(a))


TILINGS = st.tuples(st.integers(1, 700), st.integers(1, 700), st.randoms(use_true_random=False))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 1300), st.integers(1, 1300), TILINGS)
def test_tiles_in_any_order_become_the_same_pyramid_as_the_whole(h, w, tiling):
    tile_w, tile_h, random = tiling
    assume(h * w / (tile_w * tile_h) < 200)
    below, whole = noise(h, w, 1), noise(h, w, 2)
    streamed = Streamed(Pyramid(below))
    tiles = [(x, y) for y in range(0, h, tile_h) for x in range(0, w, tile_w)]
    random.shuffle(tiles)
    for x, y in tiles:
        streamed.write(x, y, whole[y : y + tile_h, x : x + tile_w])
    assert streamed.reaches_everywhere
    for k, level in enumerate([whole, *build_levels(whole, lambda: True)]):
        np.testing.assert_array_equal(streamed.crop(k, 0, 0, level.shape[1], level.shape[0]), level)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 900), st.integers(0, 900), st.integers(1, 700), st.integers(1, 700), st.integers(0, 3))
def test_where_nothing_arrived_the_picture_below_shows(x, y, tile_w, tile_h, level):
    below, above = noise(1000, 1000, 1), noise(1000, 1000, 2)
    pyramid = Pyramid(below)
    pyramid.finish(build_levels(below, lambda: True))
    streamed = Streamed(pyramid)
    tile = above[y : y + tile_h, x : x + tile_w]
    streamed.write(x, y, tile)
    mixed = below.copy()
    mixed[y : y + tile_h, x : x + tile_w] = tile
    expected = [mixed, *build_levels(mixed, lambda: True)][min(level, pyramid.top)]
    got = streamed.crop(min(level, pyramid.top), 0, 0, expected.shape[1], expected.shape[0])
    np.testing.assert_array_equal(got, expected)


def test_a_streamed_tile_is_a_copy():
    streamed = Streamed(Pyramid(noise(64, 64)))
    tile = noise(16, 16, 5)
    streamed.write(8, 8, tile)
    tile[:] = 0
    np.testing.assert_array_equal(streamed.crop(0, 8, 8, 24, 24), noise(16, 16, 5))


# --- drawn pixels --------------------------------------------------------------------------------


def built(a: np.ndarray) -> Pyramid:
    pyramid = Pyramid(a)
    pyramid.finish(build_levels(a, lambda: True))
    return pyramid


def sheet(zoom: float, a: np.ndarray) -> Grid:
    t = ViewTransform(a.shape[1], a.shape[0], 100, 100, zoom, 0, 0)
    return Grid(zoom, *t.canvas_size)


def test_100_percent_and_50_percent_are_shown_untouched():
    a = noise(301, 403)
    grid = sheet(1.0, a)
    np.testing.assert_array_equal(resample(built(a), grid, 0, 0, grid.width, grid.height), a)
    grid = sheet(0.5, a)
    assert (grid.width, grid.height) == (202, 151)
    np.testing.assert_array_equal(resample(built(a), grid, 0, 0, grid.width, grid.height), halve(a))


@pytest.mark.parametrize("zoom", [2.0, 3.0, 4.7, 32.0])
def test_from_200_percent_pixels_are_squares(zoom):
    a = noise(9, 13)
    grid = sheet(zoom, a)
    out = resample(built(a), grid, 0, 0, grid.width, grid.height)
    for y in range(grid.height):
        for x in range(0, grid.width, 3):
            source = a[min(8, int((y + 0.5) / zoom)), min(12, int((x + 0.5) / zoom))]
            np.testing.assert_array_equal(out[y, x], source)


def test_between_levels_a_ramp_stays_a_ramp_in_place():
    ramp = np.repeat(np.linspace(20, 220, 800).astype(np.uint8)[None, :, None], 30, 0).repeat(3, 2)
    for zoom in (0.13, 0.3, 0.61, 0.9, 1.4, 1.9):
        grid = sheet(zoom, ramp)
        row = resample(built(ramp), grid, 0, 0, grid.width, 1)[0, :, 0].astype(float)
        at = (np.arange(grid.width) + 0.5) / zoom  # image x of each device pixel's middle
        inner = (at > 10) & (at < 790)
        assert np.abs(row - (20 + 200 * (at - 0.5) / 799))[inner].max() < 2


@settings(max_examples=60, deadline=None)
@given(st.floats(0.05, 9), st.integers(1, 600), st.integers(1, 600), SHARE, SHARE, SHARE, SHARE)
def test_pieces_of_the_sheet_fit_together(zoom, w, h, left, top, right, bottom):
    """Tiles are computed one by one; seams would show."""
    a = noise(h, w, 3)
    grid = sheet(zoom, a)
    whole = resample(built(a), grid, 0, 0, min(grid.width, 700), min(grid.height, 700)).astype(int)
    x0, x1 = sorted((round(left * (whole.shape[1] - 1)), round(right * (whole.shape[1] - 1))))
    y0, y1 = sorted((round(top * (whole.shape[0] - 1)), round(bottom * (whole.shape[0] - 1))))
    part = resample(built(a), grid, x0, y0, x1 + 1, y1 + 1)
    # interpolation weights are in 1/32 of a pixel, counted from the piece's own corner
    assert np.abs(part - whole[y0 : y1 + 1, x0 : x1 + 1]).max() <= (0 if zoom >= 2 or zoom == 1 else 9)


def test_blend_is_linear_and_exact_at_its_ends():
    a, b = noise(40, 50, 1), noise(40, 50, 2)
    assert blend(a, b, 0.0) is a
    assert blend(a, b, 1.0) is b
    for strength in (0.01, 0.25, 0.5, 0.86, 0.99):
        exact = a + strength * (b.astype(float) - a)
        assert np.abs(blend(a, b, strength) - exact).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("strength", [0.0, 0.13, 0.5, 0.86, 1.0])
def test_the_blend_on_screen_is_the_one_that_is_saved_to_within_a_level(strength):
    a, b = noise(60, 70, 3), noise(60, 70, 4)
    apart = blend(a, b, strength).astype(int) - core_blend(a, b, strength)
    assert np.abs(apart).max() <= 1
    assert np.count_nonzero(apart) < 0.3 * apart.size  # exact halves are rounded another way


def test_difference_is_four_times_the_distance_and_clips():
    a = np.array([[[10, 200, 100]]], np.uint8)
    b = np.array([[[13, 190, 180]]], np.uint8)
    np.testing.assert_array_equal(difference(a, b), [[[12, 40, 255]]])
    np.testing.assert_array_equal(difference(b, a), [[[12, 40, 255]]])


def test_difference_follows_the_strength():
    scene = Scene()
    scene.original, scene.restored = Pyramid(np.full((4, 4, 3), 100, np.uint8)), None
    assert scene.pixel(DIFFERENCE, 1, 1) == (0, 0, 0)
    scene.restored = Pyramid(np.full((4, 4, 3), 140, np.uint8))
    assert scene.pixel(DIFFERENCE, 1, 1) == (160, 160, 160)
    scene.strength = 0.5
    assert scene.pixel(DIFFERENCE, 1, 1) == (80, 80, 80)
    assert scene.pixel(RESTORED, 1, 1) == (120, 120, 120)
    assert scene.pixel(ORIGINAL, 1, 1) == (100, 100, 100)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_alpha_lets_the_checkerboard_through(depth):
    full = np.iinfo(depth).max
    scene = Scene()
    scene.original = Pyramid(np.full((32, 32, 3), 200, np.uint8))
    alpha = np.full((32, 32), full, depth)
    alpha[:, 16:24] = full // 2
    alpha[:, 24:] = 0
    scene.alpha = Pyramid(alpha)
    grid = Grid(1.0, 32, 32, cell_px=8, checker=(0, 100))
    out = scene.pixels(ORIGINAL, grid, 0, 0, 32, 32)
    assert (out[:, :16] == 200).all()
    assert (out[:8, 24:] == 100).all()  # the fourth square of the first row
    assert (out[8:16, 24:] == 0).all()
    assert abs(int(out[0, 20, 0]) - 100) <= 1  # half of 200 over black
    assert abs(int(out[8, 20, 0]) - 150) <= 1  # half of 200 over 100
    assert (scene.pixels(DIFFERENCE, grid, 0, 0, 32, 32) == 0).all()


def test_checkerboard_pieces_fit_together():
    grid = Grid(1.0, 100, 100, cell_px=7, checker=(1, 9))
    whole = checkerboard(grid, 0, 0, 100, 100)
    assert set(np.unique(whole)) == {1, 9}
    np.testing.assert_array_equal(checkerboard(grid, 33, 41, 90, 77), whole[41:77, 33:90])
    assert whole[0, 0] == 1
    assert whole[0, 7] == 9
    assert math.isclose(whole.mean(), 5, abs_tol=0.3)
