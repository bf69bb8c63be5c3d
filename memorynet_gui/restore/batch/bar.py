"""The line above the filmstrip about all of the photos: where results go, and why nothing goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, Signal, SignalInstance
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QMenu, QPushButton, QToolButton, QWidget

from memorynet_gui.look.theme import set_role
from memorynet_gui.restore.batch.shown import ADDED, ALL, FILTERS, ORDERS
from memorynet_gui.widgets.parts import Elided

_PLACE_PX = 176
BESIDE = "Beside originals"


class BatchBar(QFrame):
    """Every wish is a signal."""

    as_they_finish = Signal(bool)
    beside_wanted = Signal()
    folder_wanted = Signal()
    save_and_go_on = Signal()
    preset_chosen = Signal(str)
    filter_chosen = Signal(str)  # a key of FILTERS
    order_chosen = Signal(str)  # a key of ORDERS
    grid_wanted = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.says = Elided("", Qt.TextElideMode.ElideRight)
        self.says.setProperty("role", "caption")
        self.go_on = QPushButton("Save all and go on")
        self.go_on.setAccessibleName("Save all and go on")
        self.go_on.setToolTip("Save every result that is not saved yet; restoring goes on by itself")
        self.go_on.setProperty("compact", True)
        self.go_on.clicked.connect(self.save_and_go_on)
        self.save = QCheckBox("Save as they finish")
        self.save.setAccessibleName("Save as they finish")
        self.save.setToolTip(
            "Write each result as soon as it is there, by the settings for saving. A photo in which nothing was found "
            "stays as it is and is not written"
        )
        self.save.toggled.connect(self.as_they_finish)
        self.place = QToolButton()
        self.place.setProperty("compact", True)
        self.place.setAccessibleName("Where results are saved")
        self.place.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.place.setMaximumWidth(_PLACE_PX)
        self.menu = QMenu(self.place)
        self.place.setMenu(self.menu)
        self.only = QToolButton()
        self.only.setProperty("compact", True)
        self.only.setAccessibleName("Which photos are shown, and in which order")
        self.only.setToolTip("Which photos are shown, and in which order")
        self.only.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._build_only()
        self.grid = QPushButton("Grid")
        self.grid.setCheckable(True)
        self.grid.setProperty("compact", True)
        self.grid.setAccessibleName("Grid of all photos")
        self.grid.setToolTip("All photos at once (G); a double click shows one large again")
        self.grid.toggled.connect(self.grid_wanted)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 4, 16, 2)
        row.setSpacing(12)
        row.addWidget(self.only)
        row.addWidget(self.grid)
        row.addWidget(self.says, 1)
        row.addWidget(self.go_on)
        row.addWidget(self.save)
        row.addWidget(self.place)
        self.set_place(None)
        self.say("", paused=False)

    def _build_only(self) -> None:
        menu = QMenu(self.only)
        self._choices: dict[str, QAction] = {}
        for kinds, chosen, first in ((FILTERS, self.filter_chosen, ALL), (ORDERS, self.order_chosen, ADDED)):
            group = QActionGroup(menu)
            for key, (text, _) in kinds.items():
                action = QAction(text, group)
                action.setCheckable(True)
                action.setChecked(key == first)
                action.triggered.connect(lambda _on=False, key=key, chosen=chosen: chosen.emit(key))
                menu.addAction(action)
                self._choices[key] = action
            menu.addSeparator()
        self.only.setMenu(menu)
        self.set_shown(ALL, 0)

    def set_shown(self, only: str, count: int) -> None:
        """Which filter is on, and how many photos pass it."""
        self._choices[only].setChecked(True)
        text = FILTERS[only][0]
        self.only.setText(text if only == ALL else f"{text}: {count:,}")
        set_role(self.only, "" if only == ALL else "on")

    def set_grid(self, on: bool) -> None:
        with QSignalBlocker(self.grid):
            self.grid.setChecked(on)

    def say(self, text: str, paused: bool) -> None:
        """``paused``: nothing goes on until results are saved."""
        self.says.set_full(text)
        set_role(self.says, "warning" if paused else "caption")
        self.go_on.setVisible(paused)

    def set_saving(self, on: bool) -> None:
        with QSignalBlocker(self.save):
            self.save.setChecked(on)

    def set_place(self, folder: Path | None, presets: Sequence[str] = (), preset: str = "") -> None:
        """None: each beside its original. ``presets``: ways of saving that are kept, ``preset`` the one in use."""
        word = preset or (BESIDE if folder is None else folder.name or str(folder))
        metrics = self.place.fontMetrics()
        self.place.setText(metrics.elidedText(word, Qt.TextElideMode.ElideMiddle, _PLACE_PX - 40))
        self.place.setToolTip(f"Where results are saved: {folder or BESIDE.lower()}")
        self.menu.clear()
        self._add(BESIDE, self.beside_wanted, folder is None)
        if folder is not None:
            self._add(metrics.elidedText(str(folder), Qt.TextElideMode.ElideMiddle, 360), None, True)
        self._add("Another folder…", self.folder_wanted)
        if presets:
            self.menu.addSeparator()
        for name in presets:
            action = QAction(name, self.menu)
            action.setCheckable(True)
            action.setChecked(name == preset)
            action.triggered.connect(lambda _on=False, name=name: self.preset_chosen.emit(name))
            self.menu.addAction(action)

    def _add(self, text: str, wish: SignalInstance | None, is_on: bool | None = None) -> None:
        action = QAction(text, self.menu)
        if is_on is not None:
            action.setCheckable(True)
            action.setChecked(is_on)
        if wish is not None:
            action.triggered.connect(wish)
        self.menu.addAction(action)
