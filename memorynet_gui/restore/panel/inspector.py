"""The Restore page's inspector: what to do, how, how well it went, and what to do with the result."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, QSize, Signal, SignalInstance
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core import tasks
from core.problems import Problem
from core.restoring.verdict import NOTHING, advice, behind, words
from core.tasks import AUTO as AUTO_TASK
from memorynet_gui.base.actions import ACTIONS
from memorynet_gui.look.theme import set_role
from memorynet_gui.restore.auto.row import SaidRow
from memorynet_gui.restore.kept.row import KeptRow
from memorynet_gui.restore.outdated import made_with
from memorynet_gui.restore.panel.choices import Choices
from memorynet_gui.restore.panel.receipt import Receipt
from memorynet_gui.restore.queue_item import Choice, Item, ItemState, choice_words, was_marked
from memorynet_gui.widgets.buttons import text_button
from memorynet_gui.widgets.ends import SliderWithEnds
from memorynet_gui.widgets.glyph import GlyphButton
from memorynet_gui.widgets.parts import (
    ChangeRow,
    DirectSlider,
    DragHandle,
    DropButton,
    Elided,
    ProblemBox,
    SnugScroll,
    column,
    heading,
)

if TYPE_CHECKING:
    from core.images.io import PictureInfo
    from core.images.metrics import Score
    from memorynet_gui.restore.job import Quality


_MEASURING = "…"
_SHORT_PX = 640


class Inspector(QWidget):
    """Shows one photo and the choices for the next run. Every wish is a signal; the page fulfils it."""

    strength_changed = Signal(int)  # percent, while dragging
    restore_requested = Signal()
    cancel_requested = Signal()
    save_requested = Signal()
    save_as_requested = Signal()
    copy_requested = Signal()
    comparison_requested = Signal()
    command_requested = Signal()
    drag_prepare_requested = Signal()
    drag_requested = Signal()
    reference_chosen = Signal(object)  # Path, or None to take it away
    reference_browse_requested = Signal()
    details_requested = Signal(str)  # text for the clipboard
    task_said = Signal(str)  # what the shown photo needs; "": the photo is to say it again

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._item: Item | None = None
        self._restore_word = "Restore"
        self._batch: Choice | None = None
        self._build_problem()
        self.choices = Choices(self._build_strength())
        self.choices.changed.connect(self._say_outdated)
        self._build_verdict()
        self.kept = KeptRow()
        self._keeping = False, False  # whether the result can be kept, and is compared with a kept one
        self._build_quality()
        self.receipt = Receipt()
        inside = QWidget()
        self._inside = inside_layout = QVBoxLayout(inside)
        for part in (
            self.problem_box,
            self.outdated,
            self._verdict,
            self.kept,
            self.choices,
            self._quality,
            self.receipt,
        ):
            inside_layout.addWidget(part)
        inside_layout.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        scroll = SnugScroll(inside)
        scroll.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        layout.addWidget(scroll, 1)
        layout.addWidget(self._build_buttons())  # below all that comes and goes, so they never move
        self.setMinimumWidth(248)
        self._set_short(False)
        self.show_item(None)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._set_short(event.size().height() < _SHORT_PX)

    def _set_short(self, on: bool) -> None:
        """In a small window the parts stand closer, so that quality and receipt are seen without scrolling."""
        gap_px = 8 if on else 16
        self._inside.setContentsMargins(16, gap_px, 16, 8)
        self._inside.setSpacing(gap_px)
        self.strength_row.set_short(on)
        self.choices.thoroughness.ends.set_short(on)

    # --- building --------------------------------------------------------------------------------

    def _build_problem(self) -> None:
        box = self.problem_box = ProblemBox()
        self.copy_details = box.copy
        box.details_requested.connect(self.details_requested)

    def _build_verdict(self) -> None:
        self.verdict_words = QLabel()
        self.verdict_words.setWordWrap(True)
        self.verdict_words.setAccessibleName("Verdict")
        self.verdict_note = QLabel()
        self.verdict_note.setProperty("role", "caption")
        self.verdict_note.setWordWrap(True)
        self.outdated = QLabel()
        self.outdated.setProperty("role", "warning")
        self.outdated.setWordWrap(True)
        self.outdated.setAccessibleName("Settings have changed")
        self.outdated.hide()
        self.said = SaidRow()
        self.said.said.connect(self.task_said)
        self._verdict = QWidget()
        self._verdict.setLayout(column(4, self.verdict_words, self.verdict_note, self.said))

    def _show_verdict(self, item: Item | None) -> None:
        """What was found, before and after it is restored; hidden where nothing can be said."""
        verdict, task, done, told = None, "", False, ""
        is_auto = item is not None and self.choices.task.currentData() == AUTO_TASK
        self.said.setVisible(is_auto)
        if item is not None and is_auto:
            self.said.set_tasks(self.choices.usable_tasks)
            self.said.show_said(item.said)
            self.said.setEnabled(item.state is not ItemState.RUNNING)
            if item.state is not ItemState.DONE and not item.said:
                self._show_which(item)
                return
        if item is not None and item.state is ItemState.DONE and item.result is not None:
            verdict, task, done = item.result.made.verdict, item.result.made.task, True
            told = words(verdict, task)
        elif item is not None and item.state is ItemState.WAITING and item.look is not None:
            wanted = item.said if is_auto else self.choices.task.currentData()
            masks = item.mask if wanted and tasks.of(wanted).takes_masks else "", item.only
            # of another task, or other masks, nothing is said while it is looked at anew
            if item.look.choice.task == wanted and item.look.masks == masks:
                verdict, task, told = item.look.verdict, item.look.choice.task, item.look.words
        if item is not None and item.state is ItemState.LEFT:
            told = "Left as it is, as you said"
        elif item is not None and item.result is not None and done and was_marked(item.result.made):
            told = f"The {tasks.of(task).damage} was taken out where you marked it"
        self._verdict.setVisible(bool(told) or is_auto)
        self.verdict_words.setVisible(bool(told))
        self.verdict_note.setVisible(False)
        self.verdict_words.setText(told)
        self.verdict_words.setToolTip(behind(verdict) if verdict is not None else "")
        if verdict is None:
            return
        if done or verdict.found == NOTHING:
            note = advice(verdict, task)
        elif tasks.of(task).takes_masks and item is not None and not item.mask:
            damage = tasks.of(task).damage
            note = f"Preview. Restore to keep it. Mask (M) shows what is taken for {damage}, to correct it."
        else:
            note = "Preview. Restore to keep it."
        self.verdict_note.setText(note)
        self.verdict_note.setVisible(bool(note))

    def _show_which(self, item: Item) -> None:
        """What the photo itself says that it needs."""
        seen = item.look.which if item.look is not None else None
        self._verdict.setVisible(True)
        self.verdict_words.setVisible(True)
        unseen = "Not sure what is to go" if item.asks else "What it shows is seen first"
        self.verdict_words.setText(seen.words if seen is not None else unseen)
        self.verdict_words.setToolTip(seen.behind if seen is not None else "")
        if item.asks or (seen is not None and not seen.is_sure):
            note = "Say what it is; nothing is done otherwise:"
        elif seen is None or not seen.tasks:
            note = "Or say yourself what is to go:"
        else:
            note = "Preview. Restore to keep it. If it is something else:"
        self.verdict_note.setText(note)
        self.verdict_note.setVisible(True)

    def _build_strength(self) -> QWidget:
        self.strength = DirectSlider()
        self.strength.setRange(0, 100)
        self.strength.setPageStep(10)
        self.strength.setToolTip(
            "From the original to the restored photo. Takes effect at once, nothing is run again."
        )
        self.strength_row = SliderWithEnds("Strength", self.strength, "Original", "Restored")
        self.strength.valueChanged.connect(self._strength_moved)
        return self.strength_row

    def _build_quality(self) -> None:
        self.psnr, self.ssim = ChangeRow("PSNR"), ChangeRow("SSIM")
        self.quality_note = QLabel()
        self.quality_note.setProperty("role", "caption")
        self.quality_note.setWordWrap(True)
        self.reference_name = Elided()
        self.reference_name.setProperty("role", "caption")
        self.reference_drop = GlyphButton("Take the reference photo away", "mdi6.close", QSize(20, 20))
        self.reference = DropButton("Compare with a reference…")
        self.reference.setToolTip(
            "Drop or choose the same photo without the damage: PSNR and SSIM say how close the result came"
        )
        self.reference.setAccessibleName("Choose a reference photo")
        against = QHBoxLayout()
        against.setSpacing(4)
        against.addWidget(self.reference_name, 1)
        against.addWidget(self.reference_drop)
        self._against = QWidget()
        against.setContentsMargins(0, 0, 0, 0)
        self._against.setLayout(against)
        self._quality = QWidget()
        self._quality.setLayout(
            column(
                8, heading("Quality"), self.psnr, self.ssim, self.quality_note, self._against, self.reference
            )
        )
        self.reference.clicked.connect(self.reference_browse_requested)
        self.reference.dropped.connect(lambda name: self.reference_chosen.emit(Path(name)))
        self.reference_drop.clicked.connect(lambda: self.reference_chosen.emit(None))

    def _build_buttons(self) -> QWidget:
        self.restore = text_button("Restore", "Restore this photo")
        self.save = text_button("Save", "Save the result beside the original (Ctrl+S)")
        set_role(self.save, "primary")
        self.save_as = text_button("Save as…", "Choose name, format, quality and bit depth (Ctrl+Shift+S)")
        self.more = QToolButton()
        self.more.setText("More")
        self.more.setAccessibleName("More to do with the result")
        self.more.setToolTip(
            "Copy the result, save it with the original in one picture, copy it as a command"
        )
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.more)
        self.copy = _entry(menu, "copy", self.copy_requested)
        self.comparison = _entry(menu, "save_comparison", self.comparison_requested)
        self.command = _entry(menu, "copy_command", self.command_requested)
        menu.setToolTipsVisible(True)
        self.more.setMenu(menu)
        self.drag = DragHandle("Drag out", "Drag the result out")
        self.drag.setToolTip("Drag from here into another program or folder to hand the result over")
        first, second = QHBoxLayout(), QHBoxLayout()
        for row in (first, second):
            row.setSpacing(8)
        first.addWidget(self.restore, 1)
        first.addWidget(self.drag)
        second.addWidget(self.save, 1)
        second.addWidget(self.save_as)
        second.addWidget(self.more)
        box = QWidget()
        layout = column(8)
        layout.setContentsMargins(16, 8, 16, 16)
        layout.addLayout(first)
        layout.addLayout(second)
        box.setLayout(layout)
        self.restore.clicked.connect(self._restore_or_cancel)
        self.save.clicked.connect(self.save_requested)
        self.save_as.clicked.connect(self.save_as_requested)
        self.drag.pressed.connect(self.drag_prepare_requested)
        self.drag.drag_started.connect(self.drag_requested)
        return box

    # --- one photo -------------------------------------------------------------------------------

    def show_item(
        self,
        item: Item | None,
        info: PictureInfo | None = None,
        can_blend: bool = False,
        problem: Problem | None = None,
        saving: bool = False,
    ) -> None:
        """Everything about the current photo. ``problem`` is one that is not the item's own state."""
        self._item = item
        done = item is not None and item.state is ItemState.DONE
        running = item is not None and item.state is ItemState.RUNNING
        asks = item is not None and item.asks
        own = item.problem if item is not None and not asks else None  # the question stands in the verdict
        self.problem_box.show_problem(problem or own)
        with QSignalBlocker(self.strength):
            self.strength.setValue(item.strength_percent if item is not None else 100)
        self._say_strength()
        baked = done and not can_blend
        self.strength.setEnabled(item is not None and not baked)
        self.strength_row.setToolTip(
            "The full result is not kept any more; restore again to change the strength." if baked else ""
        )
        self.strength_row.setEnabled(not baked)
        self._show_verdict(item)
        self._say_outdated()
        self._quality.setEnabled(item is not None)
        self.receipt.show_item(item, info)

        failed = item is not None and item.state is ItemState.FAILED and not asks
        self._restore_word = (
            "Cancel" if running else "Restore again" if done else "Try again" if failed else "Restore"
        )
        self.set_wanted(1, done)
        unsaid = asks and self.choices.task.currentData() == AUTO_TASK  # again would be asked again
        set_role(self.restore, "primary" if item is not None and not (done or running or unsaid) else "")
        set_role(self.save, "primary" if done and item is not None and not item.is_saved else "")
        self.restore.setEnabled(item is not None and not unsaid)
        saved = item is not None and item.is_saved
        self.save.setText("Saving…" if saving else "Saved ✓" if done and saved else "Save")
        if done and saved and item is not None and item.saved is not None:
            self.save.setToolTip(f"Saved as {item.saved.path}. Click to show it in its folder.")
        else:
            self.save.setToolTip("Save the result beside the original (Ctrl+S)")
        self.save_as.setEnabled(done and not saving and can_blend)
        self.copy.setEnabled(done and not saving and can_blend)
        for widget in (self.save, self.drag):
            widget.setEnabled(done and not saving and (can_blend or saved))
        self.comparison.setEnabled(done and can_blend)
        self.command.setEnabled(done)
        self.more.setEnabled(done)

    def show_kept(self, can_keep: bool, comparing: bool) -> None:
        """Whether the present result can be put aside, and whether the canvas compares it with the one that was."""
        if self._keeping != (can_keep, comparing):
            self._keeping = can_keep, comparing
            self._say_outdated()

    def set_batch(self, choice: Choice | None) -> None:
        """What the batch that runs was started with, None when none runs."""
        if choice != self._batch:
            self._batch = choice
            self._say_outdated()

    def set_wanted(self, count: int, all_done: bool) -> None:
        """How many photos the button restores, the shown one among them, and whether all of them have been before."""
        running = self._item is not None and self._item.state is ItemState.RUNNING
        if running or count < 2:
            self.restore.setText(self._restore_word)
        else:
            self.restore.setText(f"Restore {count:,} again" if all_done else f"Restore {count:,}")
        if running:
            self.restore.setToolTip("Stop; what was finished before is kept (Esc)")
        elif count < 2:
            self.restore.setToolTip("Restore this photo with the choices above")
        else:
            self.restore.setToolTip(f"Restore the {count:,} selected photos with the choices above")

    def _restore_or_cancel(self) -> None:
        if self._item is not None and self._item.state is ItemState.RUNNING:
            self.cancel_requested.emit()
        else:
            self.restore_requested.emit()

    def _strength_moved(self, percent: int) -> None:
        self._say_strength()
        self.strength_changed.emit(percent)

    def _say_strength(self) -> None:
        self.strength_row.value.setText(f"{self.strength.value()} %")

    def _say_outdated(self) -> None:
        """Unlike the strength, what is chosen shows only once the network has run again."""
        item = self._item
        choice = self.choices.choice()
        old = made_with(item, choice) if item is not None and choice.model else ""
        if self._batch is not None and choice_words(self._batch) != choice_words(choice):
            text = f"What runs goes on with: {choice_words(self._batch)}. Below is chosen for what you restore after it."
        else:
            text = (
                f"Still the result of before: {old}. Restore again to see what is chosen now." if old else ""
            )
        self.outdated.setText(text)
        self.outdated.setVisible(bool(text))
        note = item.result if item is not None and item.state is ItemState.DONE else None
        self.choices.show_outdated(None if note is None else note.choice)
        can_keep, comparing = self._keeping
        self.kept.show_item(item, can_keep, bool(old), comparing)

    # --- quality ---------------------------------------------------------------------------------

    @property
    def is_measuring(self) -> bool:
        """Whether a score is shown that is still to come."""
        return self.psnr.isVisible() and self.psnr.before.text() == _MEASURING

    def show_quality(
        self,
        reference: Path | None,
        quality: Quality | None = None,
        note: str = "",
        task: str = tasks.DEFAULT,
    ) -> None:
        """No reference; the numbers; a sentence why there are none; or neither yet: they are being measured."""
        from core.images.metrics import PROTOCOLS

        protocol = quality.before.protocol if quality else tasks.of(task).protocol
        for row, name, what in ((self.psnr, "PSNR", "psnr_db"), (self.ssim, "SSIM", "ssim")):
            row.name.setText(f"{name} ({protocol})")
            row.setToolTip(PROTOCOLS[protocol])
            row.setVisible(reference is not None and not note)
            if quality is None:
                row.set_values(_MEASURING, "")
            else:
                before, after = _number(quality.before, what), _number(quality.after, what)
                row.set_values(before.removesuffix(" dB") if after else before, after)
        self.quality_note.setText(note)
        self.quality_note.setVisible(bool(note))
        self._against.setVisible(reference is not None)
        self.reference.setVisible(reference is None)
        if reference is not None:
            same_name = self._item is not None and self._item.name == reference.name
            self.reference_name.set_full(
                f"against {reference.parent.name}/{reference.name}"
                if same_name
                else f"against {reference.name}"
            )
            self.reference_name.setToolTip(f"{reference}\n{PROTOCOLS[protocol]}")


def _number(score: Score | None, what: str) -> str:
    """ "35.10 dB", "0.9610", "equal" for an infinite PSNR; empty without a score."""
    if score is None:
        return ""
    value: float | None = getattr(score, what)
    if value is None:
        return "too small"
    if what == "ssim":
        return f"{value:.4f}"
    return "equal" if math.isinf(value) else f"{value:.2f} dB"


def _entry(menu: QMenu, action_id: str, wish: SignalInstance) -> QAction:
    """The action in words, with its keys beside it; the keys themselves are the window's."""
    known = ACTIONS[action_id]
    action = QAction(f"{known.text}\t{known.shortcut_text}", menu)
    action.setToolTip(known.full_tooltip)
    action.triggered.connect(lambda: wish.emit())  # noqa: PLW0108  # without the "checked" of the menu
    menu.addAction(action)
    return action
