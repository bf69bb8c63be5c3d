"""What goes with a canvas on every page that has one: the modes to choose from, and Space to see the original."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent

from memorynet_gui.base.actions import ACTIONS
from memorynet_gui.compare.canvas import MODES, CompareCanvas
from memorynet_gui.widgets.segments import Segments


def mode_segments() -> Segments:
    """Wipe, side by side, difference, restored."""
    actions = [(mode, ACTIONS[f"mode_{mode}"]) for mode in MODES]
    return Segments([(mode, action.text, action.full_tooltip) for mode, action in actions])


class HoldOriginal(QObject):
    """Takes the key from a page and the panel beside it. What a widget within them needs Space for, it keeps."""

    def __init__(self, canvas: CompareCanvas, *places: QObject) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        for place in places:
            place.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if not isinstance(event, QKeyEvent) or kind not in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            return False
        down = kind == QEvent.Type.KeyPress
        if event.key() != Qt.Key.Key_Space or event.modifiers():
            return False
        if not event.isAutoRepeat():
            self._canvas.set_show_original(down)
        event.accept()
        return True
