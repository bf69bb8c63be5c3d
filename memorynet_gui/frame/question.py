"""What the window asks before work is lost."""

from __future__ import annotations

from PySide6.QtWidgets import QMessageBox, QWidget


class Question:
    """One at a time, with two answers; Esc and Enter keep everything as it is."""

    def __init__(self, window: QWidget) -> None:
        self._window = window
        self.is_open = False

    def ask(self, title: str, question: str, text: str, yes: str, no: str) -> bool:
        """Whether the answer was ``yes``. False while another question is open."""
        if self.is_open:
            return False
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle(title)
        box.setText(question)
        box.setInformativeText(text)
        agree = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
        keep = box.addButton(no, QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        self.is_open = True
        try:
            box.exec()
        finally:
            self.is_open = False
        return box.clickedButton() is agree
