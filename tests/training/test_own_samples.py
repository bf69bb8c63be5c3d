"""Samples of a person's own model: by command, and left by a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.cli.program import main
from core.events import Notice
from core.jobs import JobControl
from core.model import checkpoint, exemplars
from core.training.trainer import train
from tests.small import save_small_model
from tests.training_kit import RECIPE, make_data


def test_the_command_fills_a_model_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_data(tmp_path / "data")
    model = save_small_model(tmp_path / "mine")
    assert main(["samples", str(model), "--from", str(data), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    samples, problem = exemplars.load_beside(model)
    assert samples is not None and problem is None
    for kind, filled in told["kinds"].items():
        assert filled["count"] == samples.count(kind)
    assert told["kinds"]["positive"]["count"] > 0 and told["kinds"]["positive"]["photos"] == 7


def test_what_cannot_be_filled_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save_small_model(tmp_path / "mine")
    (tmp_path / "empty").mkdir()
    for words, said in (
        (("derain-s", "--from", str(tmp_path)), "ships with samples"),
        ((str(model), "--from", str(tmp_path / "nowhere")), "no such folder"),
        ((str(model), "--from", str(tmp_path / "empty")), "no photos"),
    ):
        assert main(["samples", *words]) == 2
        assert said in capsys.readouterr().err


def test_a_run_leaves_samples_of_its_own_photos(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    recipe = replace(RECIPE, steps=4, validate_every=4)
    events: list[object] = []
    result = train(recipe, (data,), tmp_path / "run", events.append, JobControl())
    samples, problem = exemplars.load_beside(result.model)
    assert samples is not None and problem is None
    said = next(event.text for event in events if isinstance(event, Notice))
    assert said.startswith("Samples of 5 photos") and f"{samples.count('positive')} positive" in said
    assert samples.sources == tuple(
        f"{seed}.png" for seed in range(5)
    )  # those trained on, not those validated on
    assert samples.weights_sha256 == checkpoint.load(result.model).sha256


def test_samples_that_cannot_be_kept_leave_the_run_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.training import own_samples

    def fails(*_words: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(own_samples, "fill_from_run", fails)
    events: list[object] = []
    recipe = replace(RECIPE, steps=4, validate_every=4)
    result = train(recipe, (make_data(tmp_path / "data"),), tmp_path / "run", events.append, JobControl())
    assert result.steps == 4 and not result.stopped
    assert any(isinstance(event, Notice) and "No samples" in event.text for event in events)
