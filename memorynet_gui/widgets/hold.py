"""Space held down: something else is seen meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent


class HoldSpace(QObject):
    """Calls ``then`` with True when the key goes down in one of ``places`` and with False when it comes up.

    What a widget within them needs Space for, it keeps. Lives as long as the first place.
    """

    def __init__(self, then: Callable[[bool], object], *places: QObject) -> None:
        super().__init__(places[0])
        self._then = then
        for place in places:
            place.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if not isinstance(event, QKeyEvent) or kind not in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            return False
        if event.key() != Qt.Key.Key_Space or event.modifiers():
            return False
        if not event.isAutoRepeat():
            self._then(kind == QEvent.Type.KeyPress)
        event.accept()
        return True
