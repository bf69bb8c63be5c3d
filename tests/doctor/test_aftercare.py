"""A run's model is told, once it is trained, from when on it found something."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.cv import cv2
from core.doctor import aftercare
from core.events import Notice
from core.model import checkpoint
from core.restoring import calibration
from core.restoring.verdict import Thresholds
from tests.small import photo, save_small_model
from tests.training_kit import RECIPE, make_data


def test_a_model_is_measured_on_the_runs_own_validation_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data(tmp_path / "data")
    model = save_small_model(tmp_path / "model")
    events: list[object] = []
    assert aftercare.calibrate_run(RECIPE, (data,), model, "cpu", events.append) is None, "a trial"
    monkeypatch.setattr(aftercare, "LEAST_STEPS", 1)
    assert aftercare.calibrate_run(RECIPE, (data,), model, "cpu", events.append) is None, (
        "two photos are too few"
    )
    assert not events
    for seed in (52, 53):
        cv2.imwrite(str(data / "val" / f"{seed}.png"), photo(72, 64, seed))
    monkeypatch.setattr(calibration, "_CELL", (96, 64))  # of the mosaics that stand for camera-size photos
    recipe = replace(RECIPE, validate_crop_px=64)
    found = aftercare.calibrate_run(recipe, (data,), model, "cpu", events.append)
    assert found is not None and isinstance(events[0], Notice)
    assert Thresholds.of(checkpoint.load(model).provenance) == found


def test_a_run_does_not_fail_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aftercare, "LEAST_STEPS", 1)
    events: list[object] = []
    assert aftercare.calibrate_run(RECIPE, (tmp_path,), tmp_path, "cpu", events.append) is None
    assert isinstance(events[0], Notice) and "not measured" in events[0].text
