"""A slider that says its name and value above, and below what its two ends mean."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from memorynet_gui.widgets.parts import DirectSlider, heading


class SliderWithEnds(QWidget):
    """``slider`` is the caller's own; the words never move it."""

    def __init__(self, name: str, slider: DirectSlider, left: str, right: str) -> None:
        super().__init__()
        self.slider = slider
        slider.setAccessibleName(name)
        self.value = QLabel()
        self.left, self.right = QLabel(left), QLabel(right)
        self.left.setProperty("role", "caption")
        self.right.setProperty("role", "caption")
        above, below = QHBoxLayout(), QHBoxLayout()
        above.addWidget(heading(name))
        above.addStretch(1)
        above.addWidget(self.value)
        below.addWidget(self.left)
        below.addStretch(1)
        below.addWidget(self.right)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(above)
        layout.addWidget(slider)
        layout.addLayout(below)

    def set_ends(self, left: str, right: str) -> None:
        """Other words below; a sentence goes into ``left`` with ``right`` empty."""
        self.left.setText(left)
        self.right.setText(right)
