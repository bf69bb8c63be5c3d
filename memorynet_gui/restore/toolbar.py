"""What the Restore page puts into the window's toolbar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QMenu,
    QToolButton,
    QWidget,
)

from memorynet_gui.base.actions import ACTIONS
from memorynet_gui.base.words import short_folder
from memorynet_gui.compare.controls import CanvasToolbar
from memorynet_gui.look.theme import set_role
from memorynet_gui.widgets.buttons import serve
from memorynet_gui.widgets.parts import elided_within

_MIDDLE = Qt.TextElideMode.ElideMiddle
_NAME_PX, _FOLDER_PX = 320, 240  # of a recent file, in the menu


class RestoreToolbar(CanvasToolbar):
    """A canvas's, and what is done with the queue."""

    recent_wanted = Signal(object)  # Path

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.open = QToolButton()
        self.open.setText("Open…")
        self.open.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        serve(self.open, "open")
        self.menu = QMenu(self.open)
        self.open.setMenu(self.menu)
        self.open.clicked.connect(lambda: self.wanted.emit("open"))
        self.paste = self._button("paste", "Paste")
        self.run = self._button("run_all", "Restore all")
        self.run.setProperty("role", "primary")
        self.paint = self._button("paint_mask")
        self.paint.setCheckable(True)
        self.open.setFixedHeight(self.paste.sizeHint().height())
        self.set_recent(())

    def widgets(self) -> dict[str, list[QWidget]]:
        return {
            "left": [self.open, self.paste, self.run, self.paint],
            "centre": [self.segments],
            "right": [self.zoom, self.fit, self.actual],
        }

    def set_running(self, running: bool, waiting: int, again: int = 0) -> None:
        """The one accent button starts the queue, and stops it while it runs.

        ``again`` counts photos whose results are of other settings: once none waits, those are offered.
        """
        offers_again = not running and not waiting and again > 0
        if offers_again:
            word = f"Restore {again:,} again" if again > 1 else "Restore again"
        else:
            word = "Cancel" if running else "Restore all" if waiting != 1 else "Restore"
        self.run.setText(word)
        set_role(self.run, "" if running else "primary")
        serve(self.run, "cancel" if running else "run_all")
        if offers_again:
            self.run.setToolTip(
                "The settings have changed since these were restored: make them anew"
                f" ({ACTIONS['run_all'].shortcut_text})"
            )

    def set_recent(self, paths: Sequence[Path]) -> None:
        self.menu.clear()
        self._menu_action("open_folder", ACTIONS["open_folder"].text)
        if paths:
            self.menu.addSeparator()
        for path in paths:
            metrics = self.menu.fontMetrics()
            name = elided_within(metrics, path.name, _NAME_PX)
            folder = metrics.elidedText(short_folder(path.parent), _MIDDLE, _FOLDER_PX)
            action = QAction(f"{name}\t{folder}", self.menu)
            action.setToolTip(str(path))
            action.triggered.connect(lambda _on=False, path=path: self.recent_wanted.emit(path))
            self.menu.addAction(action)
        self.menu.setToolTipsVisible(True)

    def _menu_action(self, action_id: str, text: str) -> None:
        action = QAction(text, self.menu)
        action.setToolTip(ACTIONS[action_id].full_tooltip)
        action.triggered.connect(lambda: self.wanted.emit(action_id))
        self.menu.addAction(action)
