"""Scores on validation photos stay finite and comparable, also where nothing is to be restored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.images import metrics
from core.training.data import Example
from core.training.learning.learner import Learner
from core.training.validation import EQUAL_DB, Scores, score
from tests.small import photo
from tests.training_kit import RECIPE


@pytest.fixture(scope="module")
def network() -> object:
    """A new one, which returns its input."""
    return Learner(replace(RECIPE, width=4, precision="fp32"), "cpu", "fp32", has_masks=False).averaged()


def example(seed: int, levels: int, has_mask: bool = False) -> Example:
    truth = np.clip(photo(32, 32, seed), 0, 235).astype(np.uint8)
    mask = np.full((32, 32), 255, np.uint8) if has_mask else None
    return Example(f"{seed}.png", truth + np.uint8(levels), truth, mask)


def scores(network: object, *examples: Example) -> Scores:
    return score(network, examples, "RGB", "cpu", lambda: None)  # type: ignore[arg-type]


def test_a_photo_that_needs_no_restoring_does_not_hide_the_others(network: object) -> None:
    same, light, heavy = example(1, 0), example(2, 5, has_mask=True), example(3, 20)
    found = scores(network, same, light, heavy)
    expected = np.mean([metrics.psnr_db(one.degraded, one.truth, "RGB") for one in (light, heavy)])
    assert found.psnr_db == pytest.approx(expected, abs=1e-9)
    assert found.input_psnr_db == pytest.approx(expected, abs=1e-9)
    assert found.psnr_guided_db == pytest.approx(metrics.psnr_db(light.degraded, light.truth, "RGB"))
    assert found.photos == 3
    worse = scores(network, light, heavy)
    assert worse.psnr_db == found.psnr_db and worse.ssim < found.ssim, "all have a similarity"


def test_where_nothing_is_to_be_restored_the_score_is_still_a_number(network: object) -> None:
    found = scores(network, example(1, 0, has_mask=True))
    assert (found.psnr_db, found.input_psnr_db, found.psnr_guided_db) == (EQUAL_DB, EQUAL_DB, EQUAL_DB)
    assert found.deciding_db == EQUAL_DB
