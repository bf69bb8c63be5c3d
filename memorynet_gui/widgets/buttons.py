"""Buttons that say what they do: in words, as an action of the window, or painted by their own hand."""

from __future__ import annotations

from PySide6.QtCore import Qt, SignalInstance
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QPushButton, QToolButton, QWidget

from memorynet_gui.base.actions import ACTIONS


def text_button(text: str, tooltip: str, *, compact: bool = False) -> QPushButton:
    """One with words on it, which are its name, too. Enter presses it only while it has the keys."""
    made = QPushButton(text)
    made.setToolTip(tooltip)
    made.setAccessibleName(text.rstrip("…"))
    made.setAutoDefault(False)
    if compact:
        made.setProperty("compact", True)
    return made


def action_button(action_id: str, wanted: SignalInstance, text: str = "") -> QPushButton:
    """One that emits ``wanted(action id)``: that which :func:`serve` has given it last. ``text`` is shorter than the action's."""
    made = QPushButton(text or ACTIONS[action_id].text)
    serve(made, action_id)
    made.clicked.connect(lambda: wanted.emit(str(made.property("action_id"))))
    return made


def serve(made: QPushButton | QToolButton, action_id: str) -> None:
    """Let a button's tooltip and name be those of an action."""
    action = ACTIONS[action_id]
    made.setProperty("action_id", action_id)
    made.setToolTip(action.full_tooltip)
    made.setAccessibleName(action.text.rstrip("…"))


class PaintedButton(QAbstractButton):
    """Enter presses it, as Space does any; it is painted anew when the pointer comes and goes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)
