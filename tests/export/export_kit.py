"""What the tests of passing models on share: a model with a history, and what no file may tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from core.cli import program as cli
from core.model import checkpoint
from core.training.recipe import TrainRecipe
from tests.small import photo, small_network

PROTOCOL = "Y channel, MATLAB studio-range rgb2ycbcr (16 to 235)"


def trained_model(folder: Path, place: Path, **more: Any) -> Path:
    """A small model that records about itself what a training run records, and places of this machine beside."""
    recipe = TrainRecipe(
        name="mine", steps=500, train=(str(place / "my photos"),), start_from=str(place / "first")
    )
    provenance = {
        "recipe": recipe.without_places(),
        "recipe_sha256": recipe.sha256(),
        "step": 450,
        "training_photos": 1234,
        "validation": {"psnr_db": 31.456, "ssim": 0.91, "input_psnr_db": 25.5, "protocol": PROTOCOL, "photos": 24},
        "guidance": False,
        "note": f"made from {place}/secret/photos.zip by hand",
        "folders": [str(place), {"deep": f"file://{place}/x"}],
    }  # fmt: skip
    return checkpoint.save(folder, small_network(1), name="mine", task="derain", provenance=provenance | more)


def output_of(model: Path) -> torch.Tensor:
    network = checkpoint.load(model).network
    x = torch.from_numpy(photo(32, 24)).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        restored: torch.Tensor = network(x).restored
    return restored


def assert_tells_no_places(folder: Path, *places_to_hide: Path) -> None:
    files = [folder] if folder.is_file() else list(folder.rglob("*"))
    assert files
    for file in files:
        data = file.read_bytes()
        for place in (
            *places_to_hide,
            Path.home(),
            Path(__file__).parents[2],
            Path(torch.__file__).parents[1],
        ):
            assert str(place).encode() not in data, f"{file.name} names {place}"
        assert b"secret" not in data


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err
