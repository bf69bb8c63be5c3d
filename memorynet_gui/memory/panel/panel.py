"""The Memory page's panel: what lies over the photo, the place looked at, and what is changed."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from memorynet_gui.memory.edits import Edits
from memorynet_gui.memory.panel.edit import EditPanel
from memorynet_gui.memory.panel.place import PlacePanel
from memorynet_gui.memory.slots.note import NotePanel
from memorynet_gui.widgets.parts import DirectSlider, ProblemBox, Row, column, heading
from memorynet_gui.widgets.segments import Segments

OVERLAYS = (
    ("damage", "Damage", "Tint what looks like damage to the memory, before and after (O)"),
    ("sources", "Sources", "Tint where in the photo the content of the place looked at came from"),
    ("none", "Nothing", "The photo alone"),
)


class MemoryPanel(QWidget):
    overlay_changed = Signal()  # overlay, opacity or threshold

    def __init__(self, edits: Edits, colours: Callable[[str], QColor], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.overlays = Segments(OVERLAYS, names="Overlay: {}", compact=True, stretched=True)
        self.overlays.choose("damage")
        self.overlays.chosen.connect(lambda _key: self.overlay_changed.emit())
        self.opacity = self._slider("Opacity", 55, "How strongly the tint covers the photo")
        self.threshold = self._slider(
            "Threshold",
            50,
            "From where on a place is tinted: 0 is clean, 1 is damage, on the same scale for every photo",
        )
        self.model = Row("Model", tooltip="The network whose memory is looked into")
        self.told = Row(
            "Where it lies",
            tooltip="What the network is told of where the shadow lies, as when it is restored: painted on the Restore page, "
            "or guessed",
        )
        self.problem = ProblemBox()
        self.place = PlacePanel(colours)
        self.edit = EditPanel(edits)
        self.note = NotePanel()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 16, 14, 16)
        layout.setSpacing(8)
        self._over = QWidget()
        over = column(8, heading("Over the photo"), self.overlays)
        over.addLayout(self._labelled("Opacity", self.opacity))
        over.addLayout(self._labelled("Threshold", self.threshold))
        over.addWidget(self.model)
        over.addWidget(self.told)
        over.addSpacing(8)
        self._over.setLayout(over)
        layout.addWidget(self.problem)
        layout.addWidget(self._over)
        layout.addWidget(self.place)
        layout.addSpacing(8)
        layout.addWidget(self.note)
        layout.addWidget(self.edit)
        layout.addStretch(1)
        self.problem.hide()
        self.told.hide()

    def _slider(self, name: str, percent: int, tooltip: str) -> DirectSlider:
        slider = DirectSlider()
        slider.setRange(0, 100)
        slider.setValue(percent)
        slider.setAccessibleName(name)
        slider.setToolTip(tooltip)
        slider.valueChanged.connect(lambda _value: self.overlay_changed.emit())
        return slider

    @staticmethod
    def _labelled(text: str, slider: DirectSlider) -> QHBoxLayout:
        label = QLabel(text)
        label.setProperty("role", "secondary")
        label.setFixedWidth(72)
        value = QLabel()
        value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        value.setFixedWidth(34)

        def say(percent: int) -> None:
            value.setText(f"{percent / 100:.2f}")

        slider.valueChanged.connect(say)
        say(slider.value())
        line = QHBoxLayout()
        for widget, stretch in ((label, 0), (slider, 1), (value, 0)):
            line.addWidget(widget, stretch)
        return line

    def set_open(self, on: bool) -> None:
        """Whether there is a photo that can be questioned: without one there is nothing to set."""
        self._over.setVisible(on)
        self.edit.setVisible(on)

    def show_told(self, text: str) -> None:
        """What is known of where the damage lies; "": it is not asked."""
        self.told.set_value(text)
        self.told.setVisible(bool(text))

    @property
    def overlay(self) -> str:
        return self.overlays.key

    def set_overlay(self, key: str) -> None:
        self.overlays.choose(key)
        self.overlay_changed.emit()
