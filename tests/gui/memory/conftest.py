"""Fixtures that the files of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from core.model import checkpoint, exemplars
from core.training.exemplar_fill import fill
from tests.gui.memory.memory_kit import Desk
from tests.restore_page_kit import write
from tests.small import photo, save_small_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With samples of its own; tests that change a model change a copy."""
    folder = save_small_model(tmp_path_factory.mktemp("models") / "small")
    loaded = checkpoint.load(folder)
    samples = fill(
        loaded.network,
        [("a.png", photo(96, 96, 1)), ("b.png", photo(96, 96, 2))],
        lambda x, _rng: x * 0.6,
        weights_sha256=loaded.sha256,
    )
    exemplars.save(samples, folder)
    return folder


@pytest.fixture
def desk(qapp: QApplication, tmp_path: Path, model: Path) -> Iterator[Desk]:
    made = Desk(qapp, tmp_path / "home", model)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "street.png", photo(160, 120, 7))
