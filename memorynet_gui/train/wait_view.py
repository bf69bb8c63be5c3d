"""The strip above the Train page that says which run waits for its turn."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget


class WaitStrip(QWidget):
    """Seen only while a run waits."""

    taken_back = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = QLabel()
        self._words.setWordWrap(True)
        self.stop = QPushButton("Do not wait")
        self.stop.setAccessibleName("Do not wait")
        self.stop.setToolTip("Take the run that waits back; nothing of it was started")
        self.stop.clicked.connect(self.taken_back)
        self.setProperty("surface", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 8, 16, 8)
        row.addWidget(self._words, 1)
        row.addWidget(self.stop)
        self.hide()

    def show_waiting(self, name: str | None) -> None:
        """The run that waits; None: none does."""
        if name is not None:
            self._words.setText(f"{name} starts as soon as what runs now is done.")
        self.setVisible(name is not None)
