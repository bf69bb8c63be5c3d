"""The part of the panel that changes the memory: mute, read more strongly, swap; several at once, with undo."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from core.model.config import GRANULARITIES, POLARITIES
from core.model.memory_edit import MAX_GAIN, MemoryEditError, Slots
from core.tasks import damage
from memorynet_gui.look.theme import inset
from memorynet_gui.memory import words
from memorynet_gui.memory.edits import Edits
from memorynet_gui.widgets.glyph import GlyphButton
from memorynet_gui.widgets.parts import DetailCombo, DirectSlider, DropButton, column, heading, wrapped

if TYPE_CHECKING:
    from core.restoring.memory.record import MemoryLook
    from memorynet_gui.memory.bench.records import Tried

_TICKS = 12  # of the slider for each doubling
_REMOVE = QSize(22, 22)
CONTENTS = (
    ("Both contents", "learned and the photo's own", "both"),
    ("Learned contents", "", "learned"),
    ("The photo's own", "", "actual"),
)


class EditPanel(QWidget):
    """Shows :class:`Edits` and changes them."""

    save_requested = Signal()
    load_requested = Signal()
    photo_dropped = Signal(str)  # path of a photo whose content is to be held
    photo_wanted = Signal()

    def __init__(self, edits: Edits, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.edits = edits
        self._look: MemoryLook | None = None
        self._is_dragging = self._is_merging = False
        self._swap_first: Slots | None = None
        self._told = ("", "")  # name of what is taught, and its words
        self.target = DetailCombo("What to change", "Which slots of the memory to change")
        self.mute = QPushButton("Mute")
        self.mute.setCheckable(True)
        self.mute.setToolTip("Read nothing of what these slots hold")
        self.slider = DirectSlider()
        self.slider.setRange(0, 3 * _TICKS)
        self.slider.setAccessibleName("How many times it is read, in doublings")
        self.slider.setToolTip("Read it more strongly: each third of the way doubles it")
        self.number = QDoubleSpinBox()
        self.number.setRange(1, MAX_GAIN)
        self.number.setDecimals(2)
        self.number.setSingleStep(0.25)
        self.number.setSuffix(" ×")
        self.number.setFixedWidth(76)
        self.number.setAccessibleName("How many times it is read")
        inset(self.number)
        self.swap = QPushButton("Swap…")
        self.swap.setToolTip("Exchange its content with that of the slot chosen next")
        self.contents = DetailCombo(
            "Which contents", "Whether learned contents are changed, the photo's own, or both"
        )
        for text, detail, key in CONTENTS:
            self.contents.add(text, detail, key)
        self.steps = column(2)
        self._step_buttons: list[GlyphButton] = []
        self.other = DropButton("Hold a photo…")
        self.other.setToolTip(
            "Let the memory hold what another photo shows instead of this one, to see what hangs on it; it seldom restores "
            "better, not even a dry shot of the same place"
        )
        self.result = wrapped("")
        self.result.setAccessibleName("What the change does")
        self.undo, self.redo = self._small("Undo", "mdi6.undo"), self._small("Redo", "mdi6.redo")
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Take back every change")
        self.save, self.load = QPushButton("Save…"), QPushButton("Load…")
        self.save.setToolTip(
            "Write the changes to a file, which can be opened here again or given to the command line"
        )
        self.load.setToolTip("Read changes from such a file")
        self._build()
        self._connect()
        self.show_result(None)
        self._refresh()

    def _build(self) -> None:
        strength = QHBoxLayout()
        strength.setSpacing(4)
        for widget, stretch in ((self.mute, 0), (self.slider, 1), (self.number, 0)):
            strength.addWidget(widget, stretch)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        for button in (self.undo, self.redo, self.reset):
            buttons.addWidget(button)
        buttons.addStretch(1)
        files = QHBoxLayout()
        files.addWidget(self.save)
        files.addWidget(self.load)
        files.addStretch(1)
        self.hint = wrapped("caption")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(heading("Change the memory"))
        layout.addWidget(self.target)
        layout.addLayout(strength)
        row = QHBoxLayout()
        row.addWidget(self.swap)
        row.addWidget(self.other, 1)
        layout.addLayout(row)
        layout.addWidget(self.hint)
        layout.addWidget(self.contents)
        layout.addLayout(self.steps)
        layout.addWidget(self.result)
        layout.addLayout(buttons)
        layout.addLayout(files)

    def _small(self, name: str, icon: str) -> GlyphButton:
        return GlyphButton(name, icon, QSize(28, 28), filled=True)

    def _connect(self) -> None:
        self.edits.changed.connect(self._refresh)
        self.target.currentIndexChanged.connect(lambda _row: self._target_changed())
        self.mute.clicked.connect(lambda on: self._set(0.0 if on else 1.0))
        self.slider.sliderPressed.connect(lambda: self._drag(True))
        self.slider.sliderReleased.connect(lambda: self._drag(False))
        self.slider.valueChanged.connect(self._slid)
        self.number.valueChanged.connect(self._set)
        self.swap.clicked.connect(self._begin_swap)
        self.contents.currentIndexChanged.connect(
            lambda _row: self.edits.set_contents(self.contents.currentData() or "both")
        )
        self.undo.clicked.connect(self.edits.undo)
        self.redo.clicked.connect(self.edits.redo)
        self.reset.clicked.connect(self.edits.reset)
        self.save.clicked.connect(self.save_requested)
        self.load.clicked.connect(self.load_requested)
        self.other.clicked.connect(self._other_clicked)
        self.other.dropped.connect(self.photo_dropped)

    # --- what can be changed ---------------------------------------------------------------------

    def set_look(self, look: MemoryLook | None) -> None:
        """The model's own groups and slots; None: nothing to change. The same one again changes nothing."""
        if look is self._look and look is not None:
            return
        self._look = look
        self.setEnabled(look is not None)
        with QSignalBlocker(self.target):
            self.target.clear()
            self.target.add("The whole memory", "", Slots())
            if look is not None:
                for polarity in POLARITIES:
                    self.target.add(f"All {polarity} slots", "", Slots(polarity))
                for granularity in GRANULARITIES:
                    if any(look.is_read[polarity, granularity] for polarity in POLARITIES):
                        self.target.add(f"All {granularity} slots", "", Slots("", granularity))
        self.other.setEnabled(look is not None and look.has_actual)
        self.contents.setVisible(look is not None and look.has_actual)
        self._refresh()

    @property
    def swaps(self) -> bool:
        """Whether a swap waits for its second slot."""
        return self._swap_first is not None

    @property
    def chosen(self) -> Slots:
        found = self.target.currentData()
        return found if isinstance(found, Slots) else Slots()

    def choose(self, slots: Slots, detail: str = "") -> None:
        """Make these slots what is changed; while a swap waits for its second slot, swap."""
        first, self._swap_first = self._swap_first, None
        if first is not None and first != slots:
            try:
                self.edits.swap(first, slots)
                self.hint.setText("")
            except MemoryEditError as error:
                self.hint.setText(f"These cannot be swapped: {error}.")
            self._refresh()
            return
        row = next((row for row in range(self.target.count()) if self.target.itemData(row) == slots), -1)
        if row < 0:
            self.target.add(words.slots_words(slots).capitalize(), detail, slots)
            row = self.target.count() - 1
        self.target.setCurrentIndex(row)
        self._refresh()

    def _target_changed(self) -> None:
        self._swap_first = None
        self._refresh()

    def _begin_swap(self) -> None:
        """The next slot that is chosen, in the bars or the browser, is the other side."""
        if self._swap_first is not None:
            self._swap_first = None
        else:
            self._swap_first = self.chosen
        self._refresh()

    # --- changing --------------------------------------------------------------------------------

    def _drag(self, on: bool) -> None:
        self._is_dragging, self._is_merging = on, False

    def _slid(self, ticks: int) -> None:
        self._set(float(2 ** (ticks / _TICKS)), merge=self._is_dragging and self._is_merging)
        self._is_merging = self._is_dragging

    def _set(self, gain: float, merge: bool = False) -> None:
        self.edits.set_gain(self.chosen, min(gain, MAX_GAIN), merge=merge)

    def _other_clicked(self) -> None:
        if self.edits.now.other is not None:
            self.edits.hold_photo("", None)
        else:
            self.photo_wanted.emit()

    def _refresh(self) -> None:
        edits, now = self.edits, self.edits.now
        gain = edits.gain_of(self.chosen)
        with QSignalBlocker(self.slider), QSignalBlocker(self.number), QSignalBlocker(self.contents):
            self.slider.setValue(0 if gain <= 1 else round(math.log2(gain) * _TICKS))
            self.number.setValue(max(1.0, gain))
            self.contents.setCurrentIndex(self.contents.findData(now.contents))
        self.mute.setChecked(gain == 0)
        for widget in (self.slider, self.number):
            widget.setEnabled(self.isEnabled() and gain != 0)
        self.swap.setChecked(self._swap_first is not None)
        self.swap.setEnabled(self.isEnabled() and bool(self.chosen.numbers))
        self.swap.setText("Cancel swap" if self._swap_first is not None else "Swap…")
        if self._swap_first is not None:
            self.hint.setText("Now choose the other slot: click a bar or a tile.")
        self.hint.setVisible(bool(self.hint.text()))
        self.other.setText(f"Let go of {now.other_name}" if now.other is not None else "Hold a photo…")
        self._show_steps()
        self.undo.setEnabled(edits.can_undo)
        self.redo.setEnabled(edits.can_redo)
        is_changed = now.trial().changes
        self.reset.setEnabled(is_changed)
        self.save.setEnabled(bool(now.steps))
        if not is_changed:
            self.show_result(None)

    def _show_steps(self) -> None:
        while self.steps.count():
            taken = self.steps.takeAt(0)
            widget = taken.widget() if taken is not None else None
            if widget is not None:
                widget.deleteLater()
        self._step_buttons = []
        now = self.edits.now
        for index, step in enumerate(now.steps):
            self._add_step(words.step_words(step), partial(self.edits.remove, index))
        if now.taught is not None and self._look is not None:
            if self._told[0] != now.taught_name:  # counting a large photo's pixels takes its time
                self._told = now.taught_name, words.taught_words(now.taught, damage(self._look.task))
            self._add_step(self._told[1], lambda: self.edits.teach(None))

    @property
    def told(self) -> list[str]:
        """All that is changed, each as a phrase."""
        now = self.edits.now
        taught = ["what you taught of it"] if now.taught is not None else []
        return [*map(words.step_words, now.steps), *([now.held] if now.held else []), *taught]

    def _add_step(self, text: str, take_back: Callable[[], object]) -> None:
        line = QWidget()
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        label = QLabel(text)
        label.setProperty("role", "secondary")
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        button = GlyphButton(f"Take back: {text}", "mdi6.close", _REMOVE)
        button.clicked.connect(lambda _on=False: take_back())
        row.addWidget(label, 1)
        row.addWidget(button)
        self._step_buttons.append(button)
        self.steps.addWidget(line)

    def show_result(self, tried: Tried | None, problem: str = "") -> None:
        """What the change does; a sentence instead where it cannot be done."""
        text = problem or ("" if tried is None else words.tried_words(tried))
        self.result.setText(text)
        self.result.setVisible(bool(text))

    def say(self, text: str) -> None:
        self.hint.setText(text)
        self.hint.setVisible(bool(text))
