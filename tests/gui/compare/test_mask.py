"""Laws of the mask under the hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memorynet_gui.compare.masks.mask import STEPS, TILE_PX, Box, Brush, Mask

SIZE = (330, 600)
HARD = Brush(40, 0.0, 1.0)


def stroke(mask: Mask, *points: tuple[float, float], brush: Brush = HARD, erases: bool = False) -> Box | None:
    mask.begin(brush, erases)
    touched = None
    for start, to in zip(points, points[1:] or points, strict=False):
        touched = mask.line(start, to)
    mask.end()
    return touched


def test_a_stroke_covers_its_way_and_no_more() -> None:
    mask = Mask(*SIZE)
    assert stroke(mask, (100, 100), (400, 100)) == (79, 79, 342, 42)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    distance = np.hypot(y - 100, x - np.clip(x, 100, 400))
    assert (mask.values[distance < 18.9] == 255).all()
    assert (mask.values[distance > 20] == 0).all()


def test_the_feather_falls_smoothly_from_the_middle_to_the_rim() -> None:
    mask = Mask(*SIZE)
    stroke(mask, (200.5, 150.5), brush=Brush(200, 1.0, 1.0))
    across = mask.values[150, 200:310].astype(int)
    assert across[0] == 255 and across[50] == pytest.approx(128, abs=3) and across[105] == 0
    assert (np.diff(across) <= 0).all()


def test_within_a_stroke_paint_does_not_pile_up_and_a_second_one_adds() -> None:
    mask = Mask(*SIZE)
    soft = Brush(60, 0.0, 0.5)
    stroke(mask, (100, 100), (200, 100), (100, 100), (200, 100), brush=soft)
    assert mask.values[100, 150] == 128
    stroke(mask, (100, 100), (200, 100), brush=soft)
    assert mask.values[100, 150] == pytest.approx(192, abs=1)


def test_the_eraser_takes_away() -> None:
    mask = Mask(*SIZE, np.full(SIZE, 255, np.uint8))
    stroke(mask, (300, 150), erases=True)
    assert mask.values[150, 300] == 0 and mask.values[10, 10] == 255


def test_a_pen_pressed_lightly_draws_a_thin_line() -> None:
    mask = Mask(*SIZE)
    mask.begin(HARD)
    mask.line((100, 100), (200, 100), 0.25)
    mask.end()
    assert mask.values[100, 150] == 255 and mask.values[110, 150] == 0


@given(
    st.lists(
        st.tuples(
            st.floats(-50, 650), st.floats(-50, 380), st.floats(1, 200), st.floats(0, 1), st.booleans()
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=20, deadline=None)
def test_undo_brings_back_every_bit_and_redo_too(
    strokes: list[tuple[float, float, float, float, bool]],
) -> None:
    mask = Mask(*SIZE)
    seen = [mask.values.copy()]
    for x, y, size, feather, erases in strokes:
        stroke(mask, (x, y), (y, x), brush=Brush(size, feather, 0.7), erases=erases)
        if not np.array_equal(seen[-1], mask.values) or mask.can_undo:
            seen.append(mask.values.copy())
    while mask.can_undo:
        mask.undo()
    assert np.array_equal(mask.values, seen[0])
    while mask.can_redo:
        mask.redo()
    assert np.array_equal(mask.values, seen[-1])


def test_steps_are_kept_as_what_changed_and_at_most_a_hundred() -> None:
    mask = Mask(4000, 6000)
    for index in range(STEPS + 20):
        stroke(mask, (100 + index * 40, 300))
    kept_bytes = sum(tile.nbytes for step in mask._undo for tile in step.tiles.values())
    assert kept_bytes <= STEPS * 4 * TILE_PX**2
    count = 0
    while mask.undo() is not None:
        count += 1
    assert count == STEPS


def test_whole_changes_and_their_undo() -> None:
    mask = Mask(*SIZE)
    stroke(mask, (300, 150))
    painted = mask.values.copy()
    mask.grow(5)
    assert mask.values[150, 323] == 255 and painted[150, 323] == 0
    mask.grow(-5)
    assert mask.values[150, 323] == 0
    mask.invert()
    assert mask.values[0, 0] == 255
    mask.feather(4)
    for _ in range(4):
        mask.undo()
    assert np.array_equal(mask.values, painted)
    assert mask.replace(mask.values) is None, "what changes nothing is no step"


def test_a_lasso_encloses() -> None:
    mask = Mask(*SIZE)
    mask.lasso([(100, 100), (300, 100), (300, 250), (100, 250)])
    assert mask.values[200, 200] == 255 and mask.values[50, 200] == 0
    mask.lasso([(150, 150), (250, 150), (250, 200), (150, 200)], erases=True)
    assert mask.values[175, 200] == 0
    assert mask.lasso([(1, 1), (9, 9)]) is None


def test_a_click_takes_a_patch_and_another_gives_it_back() -> None:
    photo = np.full((*SIZE, 3), 180, np.uint8)
    photo[100:200, 200:400] = 60
    mask = Mask(*SIZE)
    mask.patch(photo, (300, 150))
    assert mask.values[150, 210] == 255 and mask.values[50, 50] == 0
    mask.patch(photo, (300, 150), erases=True)
    assert mask.is_empty
    assert mask.patch(photo, (900, 150)) is None


def test_what_is_no_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="need"):
        Mask(10, 10, np.zeros((10, 11), np.uint8))
    with pytest.raises(ValueError, match="begin one first"):
        Mask(10, 10).line((1, 1), (2, 2))
