"""A checkpoint of a run as a model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.export.from_run import checkpoint_model, checkpoint_name
from core.model import checkpoint
from core.model.checkpoint import CheckpointError
from core.training.state import Checkpoints
from tests.small import small_network


@pytest.fixture
def kept(tmp_path: Path) -> Checkpoints:
    run = tmp_path / "mist-4"
    told = {"guidance": True, checkpoint.MEASURED_SINCE: {"nothing_below": 1.0}}
    checkpoint.save(run / "model", small_network(5), name="mist-4", task="deshadow", provenance=told)
    made = Checkpoints(run / "checkpoints")
    made.folder.mkdir()
    return made


def save(kept: Checkpoints, step: int, seed: int) -> Path:
    state = small_network(seed).state_dict()
    raw = {f"network.{key}": value + 1 for key, value in state.items()}
    return kept.save(step, raw | {f"average.{key}": value for key, value in state.items()}, {"step": step})


def test_the_averaged_weights_are_a_model_made_once(kept: Checkpoints, tmp_path: Path) -> None:
    file = save(kept, 1200, 7)
    place = checkpoint_model(file, tmp_path / "cache")
    model = checkpoint.load(place)
    wanted = small_network(7).state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in model.network.state_dict().items())
    assert (
        (model.name, model.task) == (checkpoint_name(file), "deshadow") == ("mist-4 · step 1,200", "deshadow")
    )
    assert model.provenance["guidance"] is True and model.provenance["step"] == 1200
    assert checkpoint.MEASURED_SINCE not in model.provenance, "that was measured of the best weights"
    stamp = (place / checkpoint.WEIGHTS_FILE).stat().st_mtime_ns
    assert checkpoint_model(file, tmp_path / "cache") == place
    assert (place / checkpoint.WEIGHTS_FILE).stat().st_mtime_ns == stamp


def test_no_more_than_a_few_are_kept(kept: Checkpoints, tmp_path: Path) -> None:
    made = [checkpoint_model(save(kept, step, step), tmp_path / "cache") for step in range(1, 11)]
    left = list((tmp_path / "cache").iterdir())
    assert len(left) == 8 and made[-1] in left


def test_what_is_no_checkpoint_says_why(kept: Checkpoints, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="a run keeps its newest checkpoints only"):
        checkpoint_model(kept.folder / "step-00000001.safetensors", tmp_path / "cache")
    other = kept.save(2, {"something": torch.zeros(3)}, {})
    with pytest.raises(CheckpointError, match="holds no averaged weights"):
        checkpoint_model(other, tmp_path / "cache")
    assert not list(tmp_path.glob("cache/*"))
