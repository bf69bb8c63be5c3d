"""The picture of a photo before and after holds both, untouched, with their captions."""

from __future__ import annotations

import numpy as np
import pytest

from core.images.before_after import before_after
from tests.small import photo


def test_it_holds_both_at_full_size_above_their_captions() -> None:
    before, after = photo(400, 300, 1), photo(400, 300, 2)
    made = before_after(before, after)
    assert np.array_equal(made[:300, :400], before) and np.array_equal(made[:300, -400:], after)
    assert made.shape[1] > 800 and made.shape[0] >= 318
    caption = made[300:]
    assert caption.max() > 150 and caption.min() < 40, "words on dark paper"
    assert not np.array_equal(caption, before_after(before, after, ("Original", "Restored"))[300:])


def test_a_panorama_stands_one_above_the_other() -> None:
    before, after = photo(450, 100, 1), photo(450, 100, 2)
    made = before_after(before, after)
    assert made.shape[1] == 450
    lower = len(made) // 2
    assert np.array_equal(made[:100], before)
    assert any(np.array_equal(made[y : y + 100], after) for y in range(lower, lower + 20))


def test_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="two equal"):
        before_after(photo(40, 30), photo(30, 40))
