"""What the Train page puts into the window's toolbar."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from memorynet_gui.widgets.buttons import action_button
from memorynet_gui.widgets.segments import Segments

CURVES, CONTRAST = "curves", "contrast"
_PLAIN, _OTHER = "plain", "other"


class TrainToolbar(QWidget):
    """Owns the widgets; the window lays them out. ``wanted(action id)`` for a press that is an action."""

    wanted = Signal(str)
    part_chosen = Signal(str)  # CURVES CONTRAST
    smoothed_chosen = Signal(bool)
    log_chosen = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.new, self.open, self.export = (
            action_button(action_id, self.wanted) for action_id in ("new_run", "open_recipe", "export_run")
        )
        self.parts = Segments(
            (
                (CURVES, "Curves", "How training went, step by step"),
                (CONTRAST, "Contrast", "What is pulled together and apart"),
            )
        )
        self.smoothing = Segments(
            (
                (_PLAIN, "Raw", "Every value as it was reported"),
                (_OTHER, "Smoothed", "Averaged, the raw values faint behind"),
            )
        )
        self.scale = Segments(
            (
                (_PLAIN, "Linear", "Equal steps are equal distances"),
                (_OTHER, "Log", "Equal ratios are equal distances, for losses"),
            )
        )
        self.parts.chosen.connect(self.part_chosen)
        self.smoothing.chosen.connect(lambda key: self.smoothed_chosen.emit(key == _OTHER))
        self.scale.chosen.connect(lambda key: self.log_chosen.emit(key == _OTHER))
        self.parts.choose(CURVES)
        self.set_looks(False, False)

    def widgets(self) -> dict[str, list[QWidget]]:
        return {
            "left": [self.new, self.open],
            "centre": [self.parts],
            "right": [self.smoothing, self.scale, self.export],
        }

    def show_run(self, has_run: bool, can_export: bool, part: str) -> None:
        """The tools for curves are there while curves are."""
        for widget in (self.parts, self.export):
            widget.setVisible(has_run)
        for widget in (self.smoothing, self.scale):
            widget.setVisible(has_run and part == CURVES)
        self.export.setEnabled(can_export)
        self.parts.choose(part)

    def set_looks(self, smoothed: bool, log: bool) -> None:
        self.smoothing.choose(_OTHER if smoothed else _PLAIN)
        self.scale.choose(_OTHER if log else _PLAIN)
