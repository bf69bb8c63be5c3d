"""What goes with a canvas on every page that has one: the modes to choose from, and the zoom."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QPushButton, QWidget

from memorynet_gui.base.actions import ACTIONS
from memorynet_gui.compare.canvas import MODES
from memorynet_gui.widgets.buttons import action_button
from memorynet_gui.widgets.segments import Segments


class CanvasToolbar(QWidget):
    """Owns the widgets; the window lays them out. ``wanted(action id)`` for every press."""

    wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        actions = [(mode, ACTIONS[f"mode_{mode}"]) for mode in MODES]
        self.segments = Segments([(mode, action.text, action.full_tooltip) for mode, action in actions])
        self.modes = self.segments.buttons
        self.segments.chosen.connect(lambda mode: self.wanted.emit(f"mode_{mode}"))
        self.zoom = QLabel()
        self.zoom.setProperty("role", "secondary")
        self.zoom.setAccessibleName("Zoom")
        self.zoom.setToolTip("Zoom: pixels of the screen for each pixel of the photo")
        self.zoom.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.zoom.setFixedWidth(self.zoom.fontMetrics().horizontalAdvance("3200 %") + 4)
        keeps_place = self.zoom.sizePolicy()
        keeps_place.setRetainSizeWhenHidden(True)
        self.zoom.setSizePolicy(keeps_place)
        self.fit = self._button("zoom_fit", "Fit")
        self.actual = self._button("zoom_100", "100 %")

    def set_zoom(self, zoom: float) -> None:
        """Screen pixels for each of the photo's; 0 without a photo."""
        self.zoom.setText(f"{100 * zoom:.0f} %" if zoom >= 0.1 else f"{100 * zoom:.1f} %" if zoom > 0 else "")

    def set_mode(self, mode: str) -> None:
        """ "": none, while the photo itself is painted on."""
        self.segments.choose(mode)

    def set_shown(self, on: bool) -> None:
        """Whether there is a photo to compare and zoom."""
        for button in (*self.modes.values(), self.fit, self.actual):
            button.setEnabled(on)
        self.zoom.setVisible(on)

    def _button(self, action_id: str, text: str = "") -> QPushButton:
        return action_button(action_id, self.wanted, text)
