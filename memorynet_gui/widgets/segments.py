"""A few choices side by side, of which one holds: the modes of the canvas, the uses of a mask, what a view shows."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QPushButton, QWidget


class Segments(QFrame):
    """Args:
    entries: (key, words, tooltip) of each choice.
    names: what the buttons are called by a screen reader, with ``{}`` for the words.
    """

    chosen = Signal(str)  # key, when a hand has chosen it

    def __init__(
        self,
        entries: Sequence[tuple[str, str, str]],
        parent: QWidget | None = None,
        *,
        names: str = "{}",
        compact: bool = False,
        stretched: bool = False,
    ) -> None:
        super().__init__(parent)
        self.setProperty("role", "segments")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        group = self._group = QButtonGroup(self)
        self.buttons: dict[str, QPushButton] = {}
        for key, words, tooltip in entries:
            button = QPushButton(words)
            button.setProperty("role", "segment")
            if compact:
                button.setProperty("compact", True)
            button.setCheckable(True)
            button.setToolTip(tooltip)
            button.setAccessibleName(names.format(words))
            button.clicked.connect(lambda _on=False, key=key: self.chosen.emit(key))
            group.addButton(button)
            row.addWidget(button, 1 if stretched else 0)
            self.buttons[key] = button

    @property
    def key(self) -> str:
        """Of what is chosen; "" while nothing is."""
        return next((key for key, button in self.buttons.items() if button.isChecked()), "")

    def choose(self, key: str) -> None:
        """Without a signal; "" takes the choice back. Raises KeyError for none of the choices."""
        if key:
            self.buttons[key].setChecked(True)
            return
        self._group.setExclusive(False)
        for button in self.buttons.values():
            button.setChecked(False)
        self._group.setExclusive(True)
