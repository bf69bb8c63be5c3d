"""The slot that is chosen: what is known of it, what a person calls it and notes about it, which is kept with the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtWidgets import QLabel, QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget

from core.model.slot_names import LONGEST_NAME, LONGEST_NOTE, SlotNote
from memorynet_gui.memory.likeness import Likeness, Patch, image_of
from memorynet_gui.memory.words import beside_words, percent, slot_words
from memorynet_gui.widgets.parts import heading, wrapped

if TYPE_CHECKING:
    from core.restoring.memory.slots import SlotFacts
    from memorynet_gui.memory.bench.records import SlotEffect

_NOTE_PX = 56
_KEEP_MS = 800  # after the last letter


class NotePanel(QWidget):
    """Shown once a slot is chosen."""

    changed = Signal(int, object)  # row of the table of all slots, SlotNote
    slot_chosen = Signal(int)  # another one that is named here
    slot_hovered = Signal(int)  # -1: none

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
        self.typical = Likeness("Stored samples that look this slot up, from strong to weak")
        self.about = wrapped("caption")
        self.others = wrapped("caption")
        self.others.setTextFormat(Qt.TextFormat.RichText)
        self.others.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.others.setAccessibleName("Slots like this one, and those it is made of")
        self.others.linkActivated.connect(lambda row: self.slot_chosen.emit(int(row)))
        self.others.linkHovered.connect(lambda row: self.slot_hovered.emit(int(row) if row else -1))
        for widget in (self.title, self.typical, self.about, self.others, self.name, self.note):
            layout.addWidget(widget)
        self._soon = QTimer(self, singleShot=True, interval=_KEEP_MS)
        self._soon.timeout.connect(self.keep)
        self.name.textEdited.connect(lambda _text: self._soon.start())
        self.note.textChanged.connect(self._soon.start)
        for widget in (self.name, self.note):
            widget.installEventFilter(self)
        self.hide()

    @property
    def row(self) -> int:
        """Of the slot that is shown, in the table of all; -1: none."""
        return self._row

    def show_slot(self, row: int, title: str, note: SlotNote) -> None:
        """Another slot; ``row`` -1 hides it. What was typed for the one before is kept first."""
        self.keep()
        self._row = row
        self.setVisible(row >= 0)
        self.title.setText(title)
        with QSignalBlocker(self.note):
            self.name.setText(note.name)
            self.note.setPlainText(note.note)

    def show_facts(self, facts: SlotFacts | None, effect: SlotEffect | None, over: str) -> None:
        """What is known of the slot; ``over``: "here", or where else its use was counted."""
        for widget in (self.typical, self.about, self.others):
            widget.setVisible(facts is not None)
        if facts is None:
            return
        patches = []
        for sample, weight in facts.typical:
            tip = f"{sample.source}\nlooks it up with weight {weight:.2f}"
            patches.append(Patch(image_of(sample.thumbnail), f"{weight:.2f}", tip))
        self.typical.show_these(patches)
        self.typical.setVisible(bool(patches))
        self.about.setText(slot_words(facts, effect, over))
        start = facts.row - facts.slot
        lines = []
        if facts.made_of:
            made = [_link(e.row, f"{e.granularity} {e.slot}", percent(e.share)) for e in facts.made_of]
            lines.append(f"Made of {', '.join(made)}")
        if facts.near:
            near = [
                _link(start + each.slot, f"{facts.granularity} {each.slot}", f"{each.cosine:.2f}")
                for each in facts.near
            ]
            lines.append(f"Most alike{beside_words(facts)}: {', '.join(near)}")
        self.others.setText("<br>".join(lines))
        self.others.setVisible(bool(lines))

    def keep(self) -> None:
        """Tell what was typed and not told yet."""
        if self._soon.isActive():
            self._soon.stop()
            note = SlotNote(self.name.text().strip(), self.note.toPlainText().strip()[:LONGEST_NOTE])
            self.changed.emit(self._row, note)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:  # links keep the colour they were written with
            said = self.others.text()
            self.others.clear()
            self.others.setText(said)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.FocusOut:
            self.keep()
        return super().eventFilter(watched, event)


def _link(row: int, name: str, value: str) -> str:
    return f'<a href="{row}">{name}</a> {value}'
