"""Fixtures that several files of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QThreadPool
from pytestqt.qtbot import QtBot

from memorynet_gui.compare.view import CompareView
from tests.gui.compare.compare_kit import BLUE, RED, flat


@pytest.fixture
def view(qtbot: QtBot) -> Iterator[CompareView]:
    view = CompareView()
    qtbot.addWidget(view)
    view.resize(640, 480)
    view.show()
    qtbot.waitExposed(view)
    yield view
    QThreadPool.globalInstance().waitForDone()


@pytest.fixture
def compared(view: CompareView) -> CompareView:
    view.set_original(flat(592, 432, RED))  # exactly 100 % within the margin
    view.set_restored(flat(592, 432, BLUE))
    assert view.zoom == 1.0
    return view
