"""What the Train page puts into the window's toolbar."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QPushButton, QWidget

from memorynet_gui.base.actions import ACTIONS

CURVES, CONTRAST = "curves", "contrast"


class TrainToolbar(QWidget):
    """Owns the widgets; the window lays them out. ``wanted(action id)`` for a press that is an action."""

    wanted = Signal(str)
    part_chosen = Signal(str)  # CURVES CONTRAST
    smoothed_chosen = Signal(bool)
    log_chosen = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.new = self._button("new_run")
        self.open = self._button("open_recipe")
        self.export = self._button("export_run")
        self.parts, part_buttons = self._segments(
            (("Curves", "How training went, step by step"), ("Contrast", "What is pulled together and apart"))
        )
        self.smoothing, smoothing_buttons = self._segments(
            (("Raw", "Every value as it was reported"), ("Smoothed", "Averaged, the raw values faint behind"))
        )
        self.scale, scale_buttons = self._segments(
            (
                ("Linear", "Equal steps are equal distances"),
                ("Log", "Equal ratios are equal distances, for losses"),
            )
        )
        self._part_buttons = dict(zip((CURVES, CONTRAST), part_buttons, strict=True))
        self._smoothing_buttons = dict(zip((False, True), smoothing_buttons, strict=True))
        self._scale_buttons = dict(zip((False, True), scale_buttons, strict=True))
        for part, button in self._part_buttons.items():
            button.clicked.connect(lambda _on=False, part=part: self.part_chosen.emit(part))
        for on, button in self._smoothing_buttons.items():
            button.clicked.connect(lambda _on=False, on=on: self.smoothed_chosen.emit(on))
        for on, button in self._scale_buttons.items():
            button.clicked.connect(lambda _on=False, on=on: self.log_chosen.emit(on))

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
        self._part_buttons[part].setChecked(True)

    def set_looks(self, smoothed: bool, log: bool) -> None:
        self._smoothing_buttons[smoothed].setChecked(True)
        self._scale_buttons[log].setChecked(True)

    def _segments(self, entries: Sequence[tuple[str, str]]) -> tuple[QFrame, list[QPushButton]]:
        frame = QFrame()
        frame.setProperty("role", "segments")
        row = QHBoxLayout(frame)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        group = QButtonGroup(self)
        buttons = []
        for text, tooltip in entries:
            button = QPushButton(text)
            button.setProperty("role", "segment")
            button.setCheckable(True)
            button.setToolTip(tooltip)
            button.setAccessibleName(text)
            group.addButton(button)
            row.addWidget(button)
            buttons.append(button)
        buttons[0].setChecked(True)
        return frame, buttons

    def _button(self, action_id: str) -> QPushButton:
        action = ACTIONS[action_id]
        button = QPushButton(action.text)
        button.setAccessibleName(action.text.rstrip("…"))
        button.setToolTip(action.full_tooltip)
        button.clicked.connect(lambda: self.wanted.emit(action_id))
        return button
