"""What lies below the photo: the slots, their health, how places moved, the map, another model; one at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from memorynet_gui.look.theme import set_surface
from memorynet_gui.memory.plots.map import MapView
from memorynet_gui.memory.plots.moves import MovesView
from memorynet_gui.memory.slots.browser import SlotBrowser
from memorynet_gui.memory.slots.health import HealthView
from memorynet_gui.memory.slots.twins import TwinView
from memorynet_gui.widgets.parts import DetailCombo
from memorynet_gui.widgets.segments import Segments

SLOTS, HEALTH, MOVES, MAP, TWINS = "slots", "health", "moves", "map", "twins"
VIEWS = (
    (SLOTS, "Slots", "Every slot: what answers to it, how much it is used, what muting it changes"),
    (MOVES, "Before → after", "How pinned places and the photo moved from damage to clean structure"),
    (MAP, "Map", "Stored samples and slots side by side: what lies close is alike"),
    (HEALTH, "Health", "Dead slots, duplicates, how evenly the work is shared"),
    (TWINS, "Two models", "Another model beside this one, on the same photo"),
)
HERE, FOLDER, OTHER_FOLDER = "here", "folder", "other"


class Drawer(QWidget):
    usage_wanted = Signal(str)  # HERE | FOLDER: over what usage is told
    folder_wanted = Signal()  # another folder is to be chosen
    view_changed = Signal(str)

    def __init__(self, colours: Callable[[str], QColor], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_surface(self, "panel")
        self.views = Segments(VIEWS, compact=True)
        self.browser = SlotBrowser(colours)
        self.health = HealthView(colours)
        self.moves = MovesView(colours)
        self.map = MapView(colours)
        self.twins = TwinView(colours)
        self.pages: dict[str, QWidget] = {
            SLOTS: self.browser,
            MOVES: self.moves,
            MAP: self.map,
            HEALTH: self.health,
            TWINS: self.twins,
        }
        self.over = DetailCombo("Used in", "Over what it is told how much each slot is used")
        self.over.setMaximumWidth(240)
        self.stack = QStackedWidget()
        for page in self.pages.values():
            self.stack.addWidget(page)
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self.views)
        top.addWidget(self.browser.count, 1)
        top.addStretch(0)
        top.addWidget(self.over, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 6)
        layout.setSpacing(6)
        layout.addLayout(top)
        layout.addWidget(self.stack, 1)
        self.setMinimumHeight(190)
        self.views.choose(SLOTS)
        self.set_folder(None, 0)
        self.views.chosen.connect(self.show_view)
        self.over.activated.connect(lambda _row: self._over_chosen())

    @property
    def view(self) -> str:
        return self.views.key

    def show_view(self, view: str) -> None:
        self.views.choose(view)
        self.stack.setCurrentWidget(self.pages[view])
        self.over.setVisible(view in (SLOTS, HEALTH))
        self.browser.count.setVisible(view == SLOTS)
        self.view_changed.emit(view)

    def set_folder(self, folder: Path | None, photos: int) -> None:
        """The folder over which usage was measured, and is told now; None: only over this photo."""
        with QSignalBlocker(self.over):
            self.over.clear()
            self.over.add("In this photo", "", HERE)
            if folder is not None:
                self.over.add(f"In {folder.name}", f"{photos} photos", FOLDER)
                self.over.setCurrentIndex(1)
            self.over.add("In the photos of a folder…", "", OTHER_FOLDER)

    def _over_chosen(self) -> None:
        chosen = self.over.currentData()
        if chosen == OTHER_FOLDER:
            with QSignalBlocker(self.over):
                self.over.setCurrentIndex(0 if self.over.count() == 2 else 1)
            self.folder_wanted.emit()
        else:
            self.usage_wanted.emit(chosen)
