"""What tests of the window share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from memorynet_gui.base.page import AppContext, Page
from memorynet_gui.frame.main_window import MainWindow


class Notepad(Page):
    """A page that does nothing but remember what the window asked of it."""

    page_id, title, icon = "first", "First", "mdi6.image-outline"

    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.context = context
        self.opened: list[list[Path]] = []
        self.handled: list[str] = []
        self.possible: set[str] = set()
        self.blocker: str | None = None
        self.question: str | None = None
        self.shut_downs = 0
        self.field = QLineEdit(accessibleName="Notes")
        layout = QVBoxLayout(self)
        layout.addWidget(self.field)
        self.panel = QWidget()
        inner = QVBoxLayout(self.panel)
        self.panel_button = QPushButton(f"{self.title} panel")
        inner.addWidget(self.panel_button)
        inner.addWidget(QLabel("\n".join(f"line {number}" for number in range(100))))
        self.tool = QPushButton(f"{self.title} tool")

    def inspector(self) -> QWidget:
        return self.panel

    def toolbar_widgets(self) -> dict[str, list[QWidget]]:
        return {"left": [self.tool]}

    def open_paths(self, paths: list[Path]) -> None:
        self.opened.append(paths)

    def handle(self, action_id: str) -> None:
        self.handled.append(action_id)
        if action_id == "cancel":
            self.context.runner.cancel()

    def stop_long_work(self) -> None:
        self.handled.append("stop")

    def can(self, action_id: str) -> bool:
        return action_id in self.possible

    def close_blockers(self) -> str | None:
        return self.blocker

    def stop_question(self) -> str | None:
        return self.question

    def shut_down(self) -> None:
        self.shut_downs += 1


class Second(Notepad):
    page_id, title, icon = "second", "Second", "mdi6.chart-line"


Make = Callable[..., MainWindow]


def page_of(window: MainWindow) -> Notepad:
    page = window.page
    assert isinstance(page, Notepad)
    return page
