"""Fixtures that several files of this folder share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from memorynet_gui.base.page import Page
from memorynet_gui.base.settings import Settings
from memorynet_gui.frame.main_window import MainWindow
from memorynet_gui.look import theme as look
from memorynet_gui.look.theme import Theme
from tests.gui.window_kit import Make, Notepad, Second
from tests.ui import settle


@pytest.fixture(autouse=True)
def _undressed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a window does is the same without its style sheet, which takes a third of the time that making one costs.

    Tests of how something looks, or whether it fits, are marked ``dressed``. None wears what another has left.
    """
    app = QApplication.instance()
    if isinstance(app, QApplication) and app.styleSheet():
        app.setStyleSheet("")
    if request.node.get_closest_marker("dressed") is None:
        monkeypatch.setattr(look, "sheet", lambda *_: "")


@pytest.fixture
def app(qapp: QApplication) -> Iterator[QApplication]:
    """To be dressed: undressed again afterwards."""
    sheet, palette, font, style = qapp.styleSheet(), qapp.palette(), qapp.font(), qapp.style().objectName()
    yield qapp
    qapp.setStyleSheet(sheet)
    qapp.setStyle(style)
    qapp.setPalette(palette)
    qapp.setFont(font)


@pytest.fixture
def make(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> Iterator[Make]:
    made: list[MainWindow] = []
    theme = Theme(qapp, "dark")

    def build(*pages: type[Page]) -> MainWindow:
        window = MainWindow(Settings(tmp_path / "home"), theme, pages or (Notepad, Second))
        made.append(window)
        window.show()
        settle()
        return window

    yield build
    for window in made:
        window.close_now()
        window.deleteLater()
    settle()
    assert not [t for t in threading.enumerate() if t.name.startswith("memorynet-job")]


@pytest.fixture
def window(make: Make) -> MainWindow:
    return make()
