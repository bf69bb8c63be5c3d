"""Which file a mask comes from or goes to, asked in a dialog that lets the window go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget


def ask_what_to_load(over: QWidget, title: str, beside: Path, then: Callable[[Path], None]) -> None:
    """``then`` is called with a file that there is; ``beside`` is where the asking begins."""
    _dialog(over, title, beside, then).open()


def ask_where_to_save(over: QWidget, title: str, beside: Path, then: Callable[[Path], None]) -> None:
    """As :func:`ask_what_to_load`; a file that is there is replaced only once that is agreed to."""
    dialog = _dialog(over, title, beside, then)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.open()


def _dialog(over: QWidget, title: str, beside: Path, then: Callable[[Path], None]) -> QFileDialog:
    dialog = QFileDialog(over, title, str(beside))
    dialog.setNameFilters(["Grey pictures (*.png *.tif *.tiff)"])
    dialog.fileSelected.connect(lambda name: then(Path(name)))
    return dialog
