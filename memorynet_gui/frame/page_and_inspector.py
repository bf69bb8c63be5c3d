"""The page, and beside it its inspector: as wide as it was left, dragged shut is hidden."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QWidget

from memorynet_gui.base.settings import Settings

INSPECTOR_PX = 300
_INSPECTOR_MIN_PX = 248
_PANEL = "window"


class PageAndInspector(QSplitter):
    """Whether the inspector is shown is a setting; how wide it is, too."""

    def __init__(self, settings: Settings, page: QWidget, inspector: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._settings, self._inspector = settings, inspector
        inspector.setMinimumWidth(_INSPECTOR_MIN_PX)
        self.setHandleWidth(1)
        self.addWidget(page)
        self.addWidget(inspector)
        self.setCollapsible(0, False)
        self.setCollapsible(1, True)
        self.setStretchFactor(0, 1)
        self.setStretchFactor(1, 0)
        self.splitterMoved.connect(self._moved)

    def show_inspector(self, is_shown: bool) -> None:
        if is_shown == (not self._inspector.isHidden()):
            return
        self.remember()
        self._inspector.setVisible(is_shown)
        if is_shown:
            self._place()

    def restore(self) -> None:
        """As it was left."""
        self._inspector.setVisible(self._settings.inspector_shown)
        self._place()

    def remember(self) -> None:
        """How wide the inspector is, while it shows."""
        sizes = self.sizes()
        if not self._inspector.isHidden() and sizes[1] > 0:
            self._settings.set_panel(_PANEL, sizes)

    def _place(self) -> None:
        sizes = self._settings.panel(_PANEL)
        width = sizes[1] if sizes and len(sizes) == 2 and sizes[1] else INSPECTOR_PX
        self.setSizes([max(self.width() - width, 1), width])

    def _moved(self) -> None:
        """Dragged shut is hidden: the same action brings it back, as wide as it was."""
        if self.sizes()[1] == 0:
            self._settings.inspector_shown = False
        else:
            self.remember()
