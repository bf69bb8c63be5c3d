"""The menu of a photo in the filmstrip, and showing files where they lie."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QAction, QDesktopServices
from PySide6.QtWidgets import QMenu

from memorynet_gui.base.actions import ACTIONS

if TYPE_CHECKING:
    from memorynet_gui.base.page import Page
    from memorynet_gui.restore.queue_item import Item

KEEPING = ("keep_result", "compare_kept", "exchange_kept", "drop_kept")
_ENTRIES = (
    "run",
    "retry",
    "",
    *KEEPING,
    "",
    "save",
    "save_as",
    "copy",
    "copy_command",
    "",
    "folder",
    "remove",
)


def photo_menu(page: Page, item: Item | None) -> QMenu:
    """What the page can do with its current photo now; shows itself by ``popup``."""
    menu = QMenu(page)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    for action_id in _ENTRIES:
        if not action_id:
            menu.addSeparator()
            continue
        if action_id in KEEPING[1:] and (item is None or item.kept is None):
            continue  # until a result is kept there is nothing to say of it
        if action_id == "folder":
            action = QAction("Show in folder", menu)
            if item is not None:
                place = item.saved.path if item.saved is not None and item.is_saved else item.path
                action.triggered.connect(lambda _on=False, path=place: show_in_folder(path))
            action.setEnabled(item is not None)
        else:
            action = QAction(ACTIONS[action_id].text, menu)
            action.setShortcut(ACTIONS[action_id].shortcut_text)
            action.triggered.connect(lambda _on=False, wanted=action_id: page.handle(wanted))
            action.setEnabled(page.can(action_id))
        menu.addAction(action)
    return menu


def show_in_folder(path: Path) -> None:
    """Open the file manager on the file's folder, with the file selected where the system can."""
    if sys.platform == "win32":
        subprocess.Popen(["explorer", f"/select,{path}"])
    elif sys.platform == "darwin":
        subprocess.Popen(["open", "-R", str(path)])
    else:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.parent)))
