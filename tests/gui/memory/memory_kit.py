"""What tests of the Memory page share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from memorynet_gui.base.jobs import JobRunner
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.settings import Settings
from memorynet_gui.look.theme import Theme
from memorynet_gui.memory.page import MemoryPage
from tests.restore_page_kit import Bar, Said, wait
from tests.ui import settle


class Desk:
    """A page with everything real around it but the window."""

    def __init__(self, qapp: QApplication, home: Path, model: Path) -> None:
        self.settings = Settings(home)
        self.settings.set_model("derain", str(model))
        self.runner = JobRunner()
        self.said: list[Said] = []
        self.bar = Bar()
        self.theme = Theme(qapp, "dark")
        self.context = AppContext(self.settings, self.runner, self.theme, self._say, self.bar)
        self.page = MemoryPage(self.context)
        self.page.resize(700, 600)
        self.page.show()
        self.panel = self.page.inspector()
        self.panel.resize(300, 1600)
        self.panel.show()

    def _say(self, text: str, action: str | None = None, callback: object = None) -> object:
        self.said.append(Said(text, action, None))
        return self.said[-1].withdraw

    def open(self, path: Path) -> None:
        self.page.open_paths([path])
        wait(lambda: self.page.stage.after is not None)

    def idle(self) -> None:
        wait(lambda: not self.page.flow.busy and not self.runner.busy)

    def at(self, x: int, y: int) -> QPoint:
        """A pixel of the photo as a point of the canvas."""
        canvas = self.page.canvas
        pane = canvas._panes()[-1]
        return canvas.view_rect(pane, x + 0.5, y + 0.5, 0, 0).topLeft().toPoint()

    def click(self, x: int, y: int) -> None:
        QTest.mouseClick(
            self.page.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, self.at(x, y)
        )

    def close(self) -> None:
        self.page.shut_down()
        self.runner.shut_down()
        self.page.deleteLater()
        self.panel.deleteLater()
        settle()


def shown(desk: Desk) -> np.ndarray:
    restored = desk.page.canvas._scene.restored
    assert restored is not None
    return restored.crop(0, 0, 0, 160, 120).copy()
