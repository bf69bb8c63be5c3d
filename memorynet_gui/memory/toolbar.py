"""What the Memory page puts into the window's toolbar."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from memorynet_gui.compare.controls import CanvasToolbar
from memorynet_gui.widgets.buttons import text_button


class MemoryToolbar(CanvasToolbar):
    """A canvas's, and what is done with the photo and the memory."""

    explore_wanted = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.open = self._button("open", "Open…")
        self.open.setToolTip("Look into another photo (Ctrl+O)")
        self.from_restore = text_button("Photo of Restore", "Look into the photo of the Restore page")
        self.export = text_button(
            "Export…", "The picture, the slots as a table, the pinned places or the whole record, as a file"
        )
        self.export.setAccessibleName("Export what the memory sees")
        self.teach = self._button("teach", "Teach")
        self.teach.setCheckable(True)
        self.explore = text_button(
            "Explore", "Below the photo: every slot of the memory, its health, and what restoring moved"
        )
        self.explore.setCheckable(True)
        self.explore.setAccessibleName("Explore the memory")
        self.explore.toggled.connect(self.explore_wanted)

    def widgets(self) -> dict[str, list[QWidget]]:
        return {
            "left": [self.open, self.from_restore, self.export, self.teach],
            "centre": [self.segments],
            "right": [self.explore, self.zoom, self.fit, self.actual],
        }
