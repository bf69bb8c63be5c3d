"""Fixtures that several files of this folder share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cli.cli_kit import write
from tests.small import photo, save_small_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_small_model(tmp_path / "small")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for index, name in enumerate(("a.png", "b.png", "deeper/c.png")):
        write(folder / name, photo(40, 30 + index, index))
    return folder


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    folder = tmp_path / "pairs"
    for index in range(2):
        truth = photo(40, 30, index)
        write(folder / f"rain/rain-{index}.png", np.minimum(truth.astype(int) + 40, 255).astype(np.uint8))
        write(folder / f"norain/norain-{index}.png", truth)
    return folder
