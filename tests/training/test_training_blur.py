"""Training to undo blur: the truth of a sample is what the camera made, in training as in validation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.data.source import DataSource
from core.jobs import JobControl, ignore
from core.model import checkpoint
from core.training.data import read_data
from core.training.trainer import train
from tests.training_kit import RECIPE, curve_of, make_data

BLUR = replace(RECIPE, name="sharp", task="deblur", steps=8, pixel_loss="relative", crops_per_photo=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


def test_a_tiny_run_learns_and_is_measured_in_rgb(data: Path, tmp_path: Path) -> None:
    result = train(BLUR, (data,), tmp_path / "run", ignore, JobControl())
    validation = [line for line in curve_of(tmp_path / "run") if line["kind"] == "validation"]
    assert validation and validation[-1]["protocol"] == "RGB"
    model = checkpoint.load(result.model)
    assert model.task == "deblur" and not model.unsmears


def test_a_model_remembers_that_it_learned_from_photos_whose_smear_was_undone(
    data: Path, tmp_path: Path
) -> None:
    undone = replace(BLUR, steps=2, degradation={"undone": 0.5})
    assert checkpoint.load(train(undone, (data,), tmp_path / "run", ignore, JobControl()).model).unsmears
    mixed = replace(
        BLUR, kind="sources", sources=(DataSource("clean"), DataSource(degradation={"undone": 0.5}))
    )
    assert mixed.unsmears and not replace(mixed, sources=(DataSource("clean"),)).unsmears
    assert not replace(undone, kind="pairs").unsmears


def test_validation_photos_differ_by_the_blur_alone(data: Path) -> None:
    noisy = replace(
        BLUR, degradation={"noise": 1.0, "shot_noise": [0.002, 0.004], "length_px": [4.0, 8.0], "nearly": 0.0}
    )
    _, examples, _ = read_data(noisy, (data,))
    _, again, _ = read_data(noisy, (data,))
    for one, other in zip(examples, again, strict=True):
        assert np.array_equal(one.degraded, other.degraded) and np.array_equal(one.truth, other.truth)
        assert not np.array_equal(one.degraded, one.truth)
        assert one.mask is None


def test_a_source_of_a_mixture_blurs_with_the_truth_of_its_camera(data: Path) -> None:
    sharp = {"untouched": 1.0, "noise": 1.0, "shot_noise": [0.002, 0.004]}
    mixture = replace(
        BLUR,
        kind="sources",
        train=("DATA/clean",),
        sources=(DataSource(degradation=sharp), DataSource("clean")),
    )
    source, _, _ = read_data(mixture, (data,))
    for index in range(6):
        degraded, truth, _ = source.sample(index)
        assert np.array_equal(degraded, truth)
