"""A camera after the damage: both sides of a sample go through it alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.data.degrade import DEGRADATIONS
from core.data.sampling import PhotoPool, SampleSource
from core.model import catalog


def source(task: str, share: float, **changes: object) -> SampleSource:
    make = DEGRADATIONS[task]
    photos = PhotoPool([Path(path) for path in catalog.sample_photos(False)[:3]])
    params = replace(make.defaults, **changes)
    return SampleSource(
        photos, None, make.bind_with_mask(params), 64, 1, 2, 1.0, camera_share=share,
        degrade_pair=make.bind_pair(params), margin_px=make.margin_px,
    )  # fmt: skip


@pytest.mark.parametrize("task", DEGRADATIONS)
def test_samples_keep_their_shapes_ranges_and_their_place_in_the_order(task: str) -> None:
    one, other = source(task, 1.0), source(task, 1.0)
    for index in (5, 0, 3):
        for a, b in zip(one.sample(index), other.sample(index), strict=True):
            assert np.array_equal(a, b)
            assert a.shape[:2] == (64, 64) and a.dtype == np.float32
            assert a.min() >= 0 and a.max() <= 1


def test_where_nothing_is_damaged_both_sides_stay_the_same() -> None:
    for index in range(8):
        degraded, clean, _ = source("derain", 1.0, untouched=1.0).sample(index)
        assert np.array_equal(degraded, clean)


def test_the_clean_side_is_reduced_and_compressed_too() -> None:
    plain, taken = source("derain", 0.0), source("derain", 1.0)
    assert any(not np.array_equal(plain.sample(i)[1], taken.sample(i)[1]) for i in range(6))
    # rain darkens nothing: after a camera that took both sides alike it still mostly brightens
    brighter = [(sample[0] - sample[1]).mean() for sample in map(taken.sample, range(12))]
    assert np.mean(brighter) > 0
