"""The one list that says at which size of the photo the damage is looked for."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from core.restoring.scales import AUTO, WHOLE
from memorynet_gui.widgets.parts import DetailCombo, labelled

SCALES = (
    (AUTO, "Automatic", ""),
    (WHOLE, "Full size", "fine rain"),
    ("1/2", "1/2", ""),
    ("1/4", "1/4", ""),
    ("1/8", "1/8", "large drops"),
    ("1/16", "1/16", "very large ones"),
)
OUTDATED = "Restore again to see it"


class Scale(QWidget):
    """``"auto"``, ``"1"``, ``"1/2"``, ...: holds for the next run."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = DetailCombo(
            "Scale",
            "How large the damage is in the photo. Large drops are recognised in a smaller copy of it; what is found "
            "there is taken out of the photo's own pixels, so that its detail and grain stay",
        )
        for value, text, detail in SCALES:
            self.combo.add(text, detail, value)
        self.caption = QLabel(OUTDATED)
        self.caption.setProperty("role", "caption")
        self.caption.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(labelled("Scale", self.combo))
        layout.addWidget(self.caption)
        self.combo.currentIndexChanged.connect(lambda _row: self.changed.emit())

    @property
    def value(self) -> str:
        return str(self.combo.currentData() or AUTO)

    def set_value(self, scale: str) -> None:
        """Without a signal; a scale the list does not have joins it."""
        with QSignalBlocker(self.combo):
            if self.combo.findData(scale) < 0:
                self.combo.add(scale, "", scale)
            self.combo.setCurrentIndex(self.combo.findData(scale))

    def set_outdated(self, outdated: bool) -> None:
        """Whether the result in sight was made with another choice."""
        self.caption.setVisible(outdated)
