from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.config import STRIDE_PX
from core.restoring import tiling

SIZES = st.integers(1, 400)


@given(SIZES, SIZES, st.integers(1, 200), st.one_of(st.none(), st.tuples(SIZES, SIZES, SIZES, SIZES)))
@settings(max_examples=150, deadline=None)
def test_owned_rectangles_partition_the_picture(
    width: int, height: int, tile_px: int, focus: tiling.Region | None
) -> None:
    covered = np.zeros((height, width), np.int32)
    for tile in tiling.plan(width, height, tile_px, STRIDE_PX, focus):
        assert tile.x % STRIDE_PX == tile.y % STRIDE_PX == 0
        covered[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] += 1
    assert (covered == 1).all()


@given(SIZES, SIZES, st.integers(16, 200), st.integers(8, 64))
@settings(max_examples=100, deadline=None)
def test_splitting_a_tile_keeps_its_ground(width: int, height: int, tile_px: int, smaller: int) -> None:
    covered = np.zeros((height, width), np.int32)
    for tile in tiling.plan(width, height, tile_px, STRIDE_PX):
        for part in tiling.split(tile, smaller, STRIDE_PX):
            assert part.x % STRIDE_PX == part.y % STRIDE_PX == 0
            covered[part.y : part.y + part.height, part.x : part.x + part.width] += 1
    assert (covered == 1).all()


@given(SIZES, SIZES, st.integers(8, 200), st.integers(0, 100))
@settings(max_examples=150, deadline=None)
def test_windows_hold_the_halo_or_end_where_the_picture_ends(
    width: int, height: int, tile_px: int, halo: int
) -> None:
    picture = np.arange(width * height, dtype=np.float32).reshape(height, width, 1)
    for tile in tiling.plan(width, height, tile_px, STRIDE_PX):
        region = tiling.window(tile, width, height, halo, STRIDE_PX)
        x, y, w, h = region
        assert x % STRIDE_PX == y % STRIDE_PX == w % STRIDE_PX == h % STRIDE_PX == 0
        assert x == 0 or tile.x - x >= halo
        assert y == 0 or tile.y - y >= halo
        assert x + w >= width or x + w - tile.x - tile.width >= halo
        assert y + h >= height or y + h - tile.y - tile.height >= halo
        seen = tiling.cut(picture, region)
        assert seen.shape == (h, w, 1)
        rows, columns = tiling.owned(tile, region)
        assert np.array_equal(
            seen[rows, columns], picture[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
        )


def test_what_is_looked_at_comes_first() -> None:
    focus = (300, 200, 50, 50)
    tiles = tiling.plan(1000, 800, 64, STRIDE_PX, focus)
    first = tiles[0]
    assert first.x <= 325 <= first.x + first.width
    assert first.y <= 225 <= first.y + first.height
    seen = [
        tile.x < 350 and tile.x + tile.width > 300 and tile.y < 250 and tile.y + tile.height > 200
        for tile in tiles
    ]
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("arguments", [(0, 5, 8), (5, 0, 8), (5, 5, 0)])
def test_impossible_sizes_are_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        tiling.plan(*arguments, STRIDE_PX)
