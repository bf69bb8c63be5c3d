"""What the Memory page puts into the window's toolbar."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QPushButton, QWidget

from memorynet_gui.base.actions import ACTIONS
from memorynet_gui.compare.controls import mode_segments


class MemoryToolbar(QWidget):
    """Owns the widgets; the window lays them out. ``wanted(action id)`` for every press."""

    wanted = Signal(str)
    explore_wanted = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.open = self._button("Open…", "open")
        self.open.setToolTip("Look into another photo (Ctrl+O)")
        self.from_restore = QPushButton("Photo of Restore")
        self.from_restore.setToolTip("Look into the photo of the Restore page")
        self.export = QPushButton("Export…")
        self.export.setToolTip(
            "The picture, the slots as a table, the pinned places or the whole record, as a file"
        )
        self.export.setAccessibleName("Export what the memory sees")
        self.teach = self._button("Teach", "teach")
        self.teach.setCheckable(True)
        self.explore = QPushButton("Explore")
        self.explore.setCheckable(True)
        self.explore.setToolTip(
            "Below the photo: every slot of the memory, its health, and what restoring moved"
        )
        self.explore.setAccessibleName("Explore the memory")
        self.explore.toggled.connect(self.explore_wanted)
        self.segments = mode_segments()
        self.modes = self.segments.buttons
        self.segments.chosen.connect(lambda mode: self.wanted.emit(f"mode_{mode}"))
        self.zoom = QLabel()
        self.zoom.setProperty("role", "secondary")
        self.zoom.setAccessibleName("Zoom")
        self.zoom.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.zoom.setFixedWidth(self.zoom.fontMetrics().horizontalAdvance("3200 %") + 4)
        self.fit = self._button("Fit", "zoom_fit")
        self.actual = self._button("100 %", "zoom_100")

    def widgets(self) -> dict[str, list[QWidget]]:
        return {
            "left": [self.open, self.from_restore, self.export, self.teach],
            "centre": [self.segments],
            "right": [self.explore, self.zoom, self.fit, self.actual],
        }

    def set_zoom(self, zoom: float) -> None:
        self.zoom.setText(f"{100 * zoom:.0f} %" if zoom >= 0.1 else f"{100 * zoom:.1f} %" if zoom > 0 else "")

    def set_mode(self, mode: str) -> None:
        self.modes[mode].setChecked(True)

    def set_shown(self, on: bool) -> None:
        """Whether there is a photo to compare and zoom."""
        for button in (*self.modes.values(), self.fit, self.actual):
            button.setEnabled(on)

    def _button(self, text: str, action_id: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(ACTIONS[action_id].full_tooltip)
        button.setAccessibleName(ACTIONS[action_id].text.rstrip("…"))
        button.clicked.connect(lambda: self.wanted.emit(action_id))
        return button
