"""Time left goes by what photos cost, not by how many there are."""

from __future__ import annotations

import pytest

from memorynet_gui.base.pace import Pace, effort


def test_effort_goes_by_pixels_and_scale() -> None:
    assert effort(6000, 4000, "1") == pytest.approx(24 * effort(1000, 1000, "1"), rel=0.05)
    assert effort(6000, 4000, "1/8") < effort(6000, 4000, "1") / 10
    assert effort(6000, 4000, "auto") == effort(6000, 4000, "1/8")  # 750 px: as models learn
    assert effort(720, 480, "auto") == effort(720, 480, "1")
    assert effort(1, 1, "1") > 0


def test_one_large_photo_does_not_upset_what_is_left() -> None:
    """Fourteen small photos and a large one in the midst of them, at one second a megapixel: time left only falls."""
    sizes = [(1000, 700)] * 7 + [(6000, 4000)] + [(1000, 700)] * 7
    efforts = [effort(*size, "1") for size in sizes]
    pace, lefts = Pace(), []
    for number, one in enumerate(efforts):
        for gone in (0.25, 0.5, 0.75):
            here = one * (1 - gone)
            others = pace.with_present(one, one).seconds(sum(efforts[number + 1 :]))
            assert others is not None
            lefts.append(here + others)
        pace.measured(one, one)
    assert lefts == sorted(lefts, reverse=True)
    assert lefts[0] == pytest.approx(sum(efforts), rel=0.02)


def test_nothing_is_said_before_anything_was_measured() -> None:
    assert Pace().seconds(3.0) is None
