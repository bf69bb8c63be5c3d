"""Says what a photo needs where "Auto" is chosen: a click overrules what was seen in it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from core import tasks


class SaidRow(QWidget):
    """A button for each task that has a model; the one that is down is what the person said."""

    said = Signal(str)  # a task; "" when it is taken back

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: dict[str, QPushButton] = {}
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(4)
        self._row.addStretch(1)

    def set_tasks(self, names: Sequence[str]) -> None:
        if list(names) == list(self.buttons):
            return
        for button in self.buttons.values():
            self._row.removeWidget(button)
            button.deleteLater()
        self.buttons = {}
        for at, name in enumerate(names):
            noun = tasks.of(name).noun
            button = QPushButton(noun.capitalize())
            button.setCheckable(True)
            button.setToolTip(f"It is {noun} that this photo needs taken out, whatever was seen in it")
            button.setAccessibleName(f"It is {noun}")
            button.clicked.connect(lambda down, name=name: self.said.emit(name if down else ""))
            self._row.insertWidget(at, button)
            self.buttons[name] = button

    def show_said(self, name: str) -> None:
        for task, button in self.buttons.items():
            button.setChecked(task == name)
