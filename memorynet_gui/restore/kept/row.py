"""The lines of the panel about a result that is put aside."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, QSize, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from memorynet_gui.restore.queue_item import Item, ItemState
from memorynet_gui.widgets.glyph import GlyphButton
from memorynet_gui.widgets.parts import column


class KeptRow(QWidget):
    """Offers to put the present result aside, and what can be done once one is. ``wanted(action id)``."""

    wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.keep = self._button("Keep this result", "keep_result", "Put this result aside (K), so that one with other settings can be seen beside it")  # fmt: skip
        self.says = QLabel()
        self.says.setProperty("role", "caption")
        self.says.setWordWrap(True)
        self.says.setAccessibleName("The result that is kept")
        self.compare = self._button("Compare", "compare_kept", "See the kept result and the present one in the same place, instead of before and after (Shift+K)")  # fmt: skip
        self.compare.setCheckable(True)
        self.take = self._button(
            "Exchange",
            "exchange_kept",
            "Make the kept result the present one, which is saved; this one is kept",
        )
        self.let_go = GlyphButton("Let go of the kept result", "mdi6.close", QSize(20, 20))
        self.let_go.clicked.connect(lambda: self.wanted.emit("drop_kept"))
        buttons = QHBoxLayout()
        buttons.setContentsMargins(0, 0, 0, 0)
        buttons.setSpacing(4)
        buttons.addWidget(self.compare)
        buttons.addWidget(self.take)
        buttons.addStretch(1)
        buttons.addWidget(self.let_go)
        self._of_kept = QWidget()
        self._of_kept.setLayout(buttons)
        self.setLayout(column(4, self.keep, self.says, self._of_kept))

    def _button(self, text: str, action_id: str, tooltip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tooltip)
        button.setAccessibleName(tooltip.partition(" (")[0].partition(",")[0])
        button.clicked.connect(lambda: self.wanted.emit(action_id))
        return button

    def show_item(self, item: Item | None, can_keep: bool, offers: bool, comparing: bool) -> None:
        """Args:
        can_keep: whether the present result is there whole.
        offers: whether keeping it is to be offered now, because what is chosen makes another one.
        comparing: whether the canvas shows both.
        """
        kept = item.kept if item is not None else None
        done = item is not None and item.state is ItemState.DONE
        self.keep.setVisible(kept is None and done and can_keep and offers)
        self.says.setVisible(kept is not None)
        self._of_kept.setVisible(kept is not None)
        self.setVisible(kept is not None or self.keep.isVisibleTo(self))
        if kept is None or item is None:
            return
        beside = item.result if done else None
        self.says.setText(f"Kept: {kept.words(beside, item.strength_percent)}")
        self.compare.setEnabled(done and can_keep)
        self.take.setEnabled(done and can_keep)
        with QSignalBlocker(self.compare):
            self.compare.setChecked(comparing)
