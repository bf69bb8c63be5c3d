"""What a person calls a slot, and what they note about it; kept with the model."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, QTimer, Signal
from PySide6.QtWidgets import QLabel, QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget

from core.model.slot_names import LONGEST_NAME, LONGEST_NOTE, SlotNote
from memorynet_gui.widgets.parts import heading

_NOTE_PX = 56
_KEEP_MS = 800  # after the last letter


class NotePanel(QWidget):
    """Shown once a slot is chosen."""

    changed = Signal(int, object)  # row of the table of all slots, SlotNote

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._row = -1
        self.title = QLabel()
        self.title.setProperty("role", "secondary")
        self.name = QLineEdit()
        self.name.setPlaceholderText("A name of your own")
        self.name.setMaxLength(LONGEST_NAME)
        self.name.setAccessibleName("Name of the slot")
        self.note = QPlainTextEdit()
        self.note.setPlaceholderText("What you found out about it")
        self.note.setAccessibleName("Note about the slot")
        self.note.setTabChangesFocus(True)
        self.note.setFixedHeight(_NOTE_PX)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 8)
        layout.setSpacing(6)
        layout.addWidget(heading("Slot"))
        for widget in (self.title, self.name, self.note):
            layout.addWidget(widget)
        self._soon = QTimer(self, singleShot=True, interval=_KEEP_MS)
        self._soon.timeout.connect(self.keep)
        self.name.textEdited.connect(lambda _text: self._soon.start())
        self.note.textChanged.connect(self._soon.start)
        for widget in (self.name, self.note):
            widget.installEventFilter(self)
        self.hide()

    def show_slot(self, row: int, title: str, note: SlotNote) -> None:
        """Another slot; ``row`` -1 hides it. What was typed for the one before is kept first."""
        self.keep()
        self._row = row
        self.setVisible(row >= 0)
        self.title.setText(title)
        with QSignalBlocker(self.note):
            self.name.setText(note.name)
            self.note.setPlainText(note.note)

    def keep(self) -> None:
        """Tell what was typed and not told yet."""
        if self._soon.isActive():
            self._soon.stop()
            note = SlotNote(self.name.text().strip(), self.note.toPlainText().strip()[:LONGEST_NOTE])
            self.changed.emit(self._row, note)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.FocusOut:
            self.keep()
        return super().eventFilter(watched, event)
