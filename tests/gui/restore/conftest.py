"""Fixtures that several files of this folder share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication

from core import tasks
from core.model import catalog
from core.restoring import passes
from core.restoring.tiling import Tile
from tests.restore_page_kit import Desk, desk, rainy, write
from tests.small import small_resources

_SHIPPED = catalog.RESOURCES


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("photos")
    wet, dry = rainy()
    return {
        "png": write(folder / "rain.png", wet),
        "second": write(folder / "second.png", wet[:80, :96]),
        "truth": write(folder / "truth.png", dry),
        "jpeg": write(folder / "Zoë's rain; & more.jpg", wet, quality=90),
    }


@pytest.fixture
def place(photos: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """The photos in a folder of this test's own."""
    folder = tmp_path / "in"
    folder.mkdir()
    own = {}
    for key, path in photos.items():
        own[key] = folder / path.name
        own[key].write_bytes(path.read_bytes())
    return own


@pytest.fixture
def at(qapp: QApplication, tmp_path: Path) -> Iterator[Desk]:
    with desk(qapp, tmp_path / "own") as made:
        yield made


@pytest.fixture
def second_tile(monkeypatch: pytest.MonkeyPatch) -> Callable[[], threading.Event]:
    """Call it, and what runs next stands before its second tile until the event is set. A small photo would be done
    before a test has seen its first."""

    def held() -> threading.Event:
        go, begun, restore_tile = threading.Event(), list[object](), passes._Job._restore_tile

        def waits(job: passes._Job, tile: Tile) -> np.ndarray:
            assert not begun or go.wait(60)
            begun.append(tile)
            return restore_tile(job, tile)

        monkeypatch.setattr(passes._Job, "_restore_tile", waits)
        return go

    return held


@pytest.fixture(scope="session")
def small_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_resources(tmp_path_factory.mktemp("ships") / "resources")


@pytest.fixture
def small_models_ship(small_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what happens around a restoration: a small network takes an eighth of its time."""
    monkeypatch.setattr(catalog, "RESOURCES", small_models)


@pytest.fixture
def rain_reads_firmer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task of these tests' models offers thoroughness."""
    firmer = replace(tasks.TASKS["derain"], more_is_stronger=True)
    monkeypatch.setattr(tasks, "TASKS", MappingProxyType({**tasks.TASKS, "derain": firmer}))


@pytest.fixture
def shipped_models(small_models_ship: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test among those that looks at what comes of it."""
    monkeypatch.setattr(catalog, "RESOURCES", _SHIPPED)
