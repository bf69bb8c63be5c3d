"""What is seen of a batch's masks before it runs: words and buttons above, the photos as tiles below."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QVBoxLayout, QWidget

from memorynet_gui.base.thumbnails import Thumbnails
from memorynet_gui.restore.masks.review import GuessReview, TileState
from memorynet_gui.restore.masks.tiles import ACCEPT, CORRECT, LEAVE_OUT, WORDS, TileList, TileModel
from memorynet_gui.widgets.buttons import text_button
from memorynet_gui.widgets.parts import Elided


class ReviewView(QWidget):
    """Shows a :class:`GuessReview` and does with it what is asked; ``correct_wanted`` needs the photo, so the page does it."""

    correct_wanted = Signal(str)  # item id

    def __init__(self, review: GuessReview, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._review = review
        self.title = QLabel("What is taken for shadow")
        self.title.setProperty("role", "strong")
        self.says = Elided("", Qt.TextElideMode.ElideRight)
        self.says.setProperty("role", "secondary")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(4)
        self.progress.setAccessibleName("Photos that were looked at")
        self.stop = text_button("Stop looking", "Make no more guesses; those that are made stay (Esc)")
        self.accept, self.leave, self.correct = (
            text_button(words, f"{tip} ({keys})")
            for words, tip, keys in (WORDS[name] for name in (ACCEPT, LEAVE_OUT, CORRECT))
        )
        self.back = text_button("Back", "Back to the photos; what was accepted stays with them (Esc)")
        self.go = text_button(
            "Restore",
            "Restore all but those that stay as they are; guesses are used as they are (Ctrl+Shift+Enter)",
        )
        self.go.setProperty("role", "primary")
        self.list = TileList(TileModel(review, thumbnails, self))
        self._lay_out()
        self.stop.clicked.connect(review.stop)
        self.back.clicked.connect(review.close)
        self.go.clicked.connect(review.go)
        for button, name in ((self.accept, ACCEPT), (self.leave, LEAVE_OUT), (self.correct, CORRECT)):
            button.clicked.connect(lambda _on=False, name=name: self._do_selected(name))
        self.list.key_wish.connect(self._do_selected)
        self.list.wish.connect(self._do)
        self.list.selectionModel().currentChanged.connect(lambda *_: self._show())
        self.list.selectionModel().selectionChanged.connect(lambda *_: self._show())
        review.counted.connect(self._show)
        review.reset.connect(self._show)

    def _lay_out(self) -> None:
        bar = QFrame()
        bar.setProperty("surface", "panel")
        bar.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        first, second = QHBoxLayout(), QHBoxLayout()
        for row in (first, second):
            row.setSpacing(8)
        first.addWidget(self.title)
        first.addWidget(self.says, 1)
        first.addWidget(self.stop)
        for button in (self.accept, self.leave, self.correct):
            second.addWidget(button)
        second.addStretch(1)
        second.addWidget(self.back)
        second.addWidget(self.go)
        column = QVBoxLayout(bar)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(8)
        column.addLayout(first)
        column.addLayout(second)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(bar)
        layout.addWidget(self.progress)
        layout.addWidget(self.list, 1)

    def show_first(self) -> None:
        """The tiles have the keys."""
        if not self.list.currentIndex().isValid():
            self.list.go_to(0)
        self.list.setFocus()

    # --- what it shows ---------------------------------------------------------------------------

    def _show(self) -> None:
        review = self._review
        self.says.set_full(review.words if review.active else "")
        done, count = review.progress
        self.progress.setRange(0, max(count, 1))
        self.progress.setValue(done)
        self.progress.setVisible(review.looking)
        self.stop.setVisible(review.looking)
        number = review.to_restore
        self.go.setText(f"Restore {number:,}" if number else "Leave all as they are")
        self.go.setAccessibleName(
            f"Restore {number:,} photo{'s' if number != 1 else ''}" if number else self.go.text()
        )
        tiles = [review.tiles[row] for row in self.list.selected_rows() if row < len(review.tiles)]
        self.accept.setEnabled(
            any(tile.state in (TileState.GUESS, TileState.OUT, TileState.WAITS) for tile in tiles)
        )
        self.leave.setEnabled(bool(tiles))
        all_out = bool(tiles) and all(tile.state is TileState.OUT for tile in tiles)
        self.leave.setText("Take back" if all_out else WORDS[LEAVE_OUT][0])
        self.leave.setAccessibleName(self.leave.text())
        self.correct.setEnabled(len(tiles) == 1)

    # --- what is done ----------------------------------------------------------------------------

    def _do_selected(self, name: str) -> None:
        """With all that are selected; after one alone the next is the current one."""
        rows = self.list.selected_rows()
        if name == CORRECT:
            rows = rows[:1]
        for row in rows:
            self._do(name, row)
        if name != CORRECT and len(rows) == 1:
            self.list.go_to(rows[0] + 1)

    def _do(self, name: str, row: int) -> None:
        if row >= len(self._review.tiles):
            return
        item_id = self._review.tiles[row].item_id
        if name == ACCEPT:
            self._review.accept(item_id)
        elif name == LEAVE_OUT:
            self._review.leave_out(item_id)
        else:
            self.correct_wanted.emit(item_id)
