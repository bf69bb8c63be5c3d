"""A slider that says its name and value above, and what its two ends mean below it, or beside it where room is scarce."""

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
        self._is_short = False
        above, self._line, self._below = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        above.addWidget(heading(name))
        above.addStretch(1)
        above.addWidget(self.value)
        self._line.setSpacing(8)
        self._line.addWidget(slider, 1)
        self._below.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(above)
        layout.addLayout(self._line)
        layout.addLayout(self._below)
        self._place()

    def set_ends(self, left: str, right: str) -> None:
        """Other words below; a sentence goes into ``left`` with ``right`` empty."""
        self.left.setText(left)
        self.right.setText(right)
        self._place()

    def set_short(self, on: bool) -> None:
        """Where there is little height the words of the ends stand beside the slider; a sentence stays below it."""
        self._is_short = on
        self._place()

    def _place(self) -> None:
        row = self._line if self._is_short and self.right.text() else self._below
        row.insertWidget(0, self.left)
        row.addWidget(self.right)
