"""A straight smear undone: laws of the inverse, and that it brings a smeared photo nearer to what it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data import unsmear
from core.images import io as image_io
from core.images import metrics
from core.model import catalog
from tests.restoring.test_smear import smeared
from tests.small import photo


def unit(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.float32) / 255


@given(st.floats(0.0, 40.0), st.floats(0, 180), st.floats(0, 1), st.integers(1, 90), st.integers(1, 90))
@settings(max_examples=25, deadline=None)
def test_a_constant_stays_and_nothing_leaves_the_range(
    length_px: float, angle_deg: float, level: float, width: int, height: int
) -> None:
    flat = np.full((height, width, 3), level, np.float32)
    assert np.allclose(unsmear.undo(flat, length_px, angle_deg), level, atol=1e-4)
    found = unsmear.undo(unit(photo(width, height, 3)), length_px, angle_deg)
    assert found.shape == (height, width, 3) and found.dtype == np.float32
    assert found.min() >= 0 and found.max() <= 1


def test_what_is_too_short_is_left_alone() -> None:
    picture = unit(photo(64, 48, 1))
    assert unsmear.undo(picture, unsmear.SHORTEST_PX * 0.99, 30) is picture


@given(st.floats(2.0, 20.0), st.floats(0, 180))
@settings(max_examples=20, deadline=None)
def test_half_a_turn_is_the_same_smear_and_a_mirror_image_the_mirrored_one(
    length_px: float, angle_deg: float
) -> None:
    picture = unit(photo(72, 72, 2))
    found = unsmear.undo(picture, length_px, angle_deg)
    assert np.allclose(unsmear.undo(picture, length_px, angle_deg + 180), found, atol=1e-4)
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    inner = slice(24, -24)  # what is mirrored around a picture is padded unevenly
    assert np.allclose(
        unsmear.undo(mirrored, length_px, 180 - angle_deg)[inner, ::-1][:, inner],
        found[inner, inner],
        atol=0.02,
    )


@pytest.mark.parametrize(("length_px", "angle_deg"), [(5, 0), (9, 60), (9, 130), (15, 90)])
def test_a_smeared_photo_comes_nearer_to_what_it_was(length_px: float, angle_deg: float) -> None:
    path = next(path for path in catalog.sample_photos(validation=False) if path.stem == "gravel")
    sharp = metrics.to_8bit(image_io.read(path).pixels)[:300, :300]
    blurred = smeared(sharp, length_px, angle_deg)

    def gain(length_px: float, angle_deg: float) -> float:
        found = unsmear.undo(unit(blurred), length_px, angle_deg)
        return float(((unit(blurred) - unit(sharp)) ** 2).mean() / ((found - unit(sharp)) ** 2).mean())

    assert gain(length_px, angle_deg) > 1.2
    assert gain(length_px, angle_deg + 90) < 1
