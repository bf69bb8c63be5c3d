"""What the program is: its versions, its licence, and where what it remembers lies."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QUrl, qVersion
from PySide6.QtGui import QDesktopServices, QGuiApplication, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from core import __version__
from core.model.catalog import RESOURCES
from memorynet_gui.frame import settings_parts as parts
from memorynet_gui.widgets.buttons import text_button
from memorynet_gui.widgets.parts import Elided

if TYPE_CHECKING:
    from memorynet_gui.base.settings import Settings

HONESTY = (
    "Nothing leaves this computer: no photo, no number, no list of files. The program never uses the network. "
    "What it remembers lies in the folders named below."
)
LICENCE = (
    "The program is free software under the MIT licence. The photos that some of its models learnt from were "
    "given for research only; the licence file beside the weights says which."
)


class About(QWidget):
    """The last part of the settings."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        mark = QLabel()
        ratio = self.devicePixelRatioF()
        picture = QPixmap(str(RESOURCES / "icons" / "memorynet.png"))
        if not picture.isNull():
            side = round(56 * ratio)
            picture = picture.scaled(
                side, side, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
            picture.setDevicePixelRatio(ratio)
            mark.setPixmap(picture)
        mark.setAccessibleName("MemoryNet's mark")
        name = QLabel("MemoryNet")
        name.setProperty("role", "title")
        self.versions = parts.caption(versions_text())
        self.versions.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(name)
        words.addWidget(self.versions)
        self.copy_versions = text_button("Copy", "Copy the versions, for a report")
        self.copy_versions.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.versions.text()))
        top = QHBoxLayout()
        top.setSpacing(16)
        top.addWidget(mark, 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(words, 1)
        top.addWidget(self.copy_versions, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout()
        column.setSpacing(12)
        column.addLayout(top)
        column.addSpacing(4)
        for text in (HONESTY, LICENCE):
            label = QLabel(text)
            label.setWordWrap(True)
            column.addWidget(label)
        column.addSpacing(4)
        form = parts.form()
        self.open_buttons: dict[str, QPushButton] = {}
        for title, where in (
            ("Settings", lambda: self.settings.config_dir),
            ("Queue", lambda: self.settings.data_dir),
            ("Unsaved results", lambda: self.settings.cache_dir),
            ("Log", lambda: self.settings.log_dir),
            ("Own models", lambda: self.settings.models_dir),
        ):
            form.addRow(title, self._folder_row(title, where))
        column.addLayout(form)
        parts.fill_tab(self, column)

    def show_versions(self) -> None:
        """Once more: torch may have arrived."""
        self.versions.setText(versions_text())

    def _folder_row(self, title: str, where: Callable[[], Path]) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        path = Elided(str(where()))
        path.setProperty("role", "secondary")
        button = text_button("Open", f"Open the folder: {title.lower()}")
        button.setAccessibleName(f"Open the folder: {title.lower()}")
        button.setProperty("compact", True)
        button.clicked.connect(lambda: _open_folder(where()))
        self.open_buttons[title] = button
        row.addWidget(path, 1)
        row.addWidget(button)
        return row


def versions_text() -> str:
    """Program, Python, Qt and (once it is loaded) PyTorch."""
    torch = sys.modules.get("torch")
    parts = [f"Version {__version__}", f"Python {platform.python_version()}", f"Qt {qVersion()}"]
    if torch is not None and hasattr(torch, "__version__"):
        parts.append(f"PyTorch {torch.__version__}")
    return " · ".join(parts)


def _open_folder(path: Path) -> None:
    """In the file manager; a folder that is not there yet is made, its parent shown if that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        path = next((parent for parent in path.parents if parent.is_dir()), path)
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
