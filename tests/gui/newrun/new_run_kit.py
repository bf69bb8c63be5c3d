"""What the tests of setting up a run share: the view, photos, and answers to its questions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication

from core.doctor.examination import DoctorReport, Finding, PairThumbnail
from core.training.estimate import Estimate
from memorynet_gui.base.jobs import JobRunner
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.settings import Settings
from memorynet_gui.look.theme import Theme
from memorynet_gui.newrun.view import NewRunView
from tests.restore_page_kit import Bar, write
from tests.small import photo
from tests.ui import settle, wait_until


@pytest.fixture
def view(qapp: QApplication, tmp_path: Path) -> Iterator[NewRunView]:
    settings = Settings(tmp_path / "settings")
    settings.runs_folder = tmp_path / "runs"
    context = AppContext(settings, JobRunner(), Theme(qapp, "dark"), lambda *_a, **_k: lambda: None, Bar())
    made = NewRunView(context)
    made.resize(760, 560)
    made.show()
    yield made
    made.shut_down()
    made.deleteLater()
    settle()


def looked(view: NewRunView) -> None:
    wait_until(lambda: view.why_not() != "Looking at the photos…", 60)


def folder_of(tmp_path: Path, name: str, count: int = 3) -> Path:
    folder = tmp_path / name
    for number in range(count):
        write(folder / f"{number}.png", photo(64, 48, number))
    return folder


def pairs_of(tmp_path: Path, name: str, count: int = 8) -> Path:
    folder = tmp_path / name
    for number in range(count):
        for side in ("rain", "norain"):
            write(folder / side / f"scene{number}_1.png", photo(48, 48, number))
    return folder


def report(*findings: Finding) -> DoctorReport:
    tiny = np.zeros((16, 24, 3), np.uint8)
    return DoctorReport(findings, 0, 13, 4, "photos", (PairThumbnail("a", tiny, tiny, True),), 17, 0.1)


def estimated(batch: int, patch_px: int) -> Estimate:
    return Estimate(0.5, 7200.0, 2100.0, batch, patch_px, "it uses the free memory", "cpu", "bf16", 3, 8.0, 0.01, 60.0, 9000.0, None, True)  # fmt: skip
