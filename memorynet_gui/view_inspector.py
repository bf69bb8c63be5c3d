"""The Restore page's inspector: what to do, how, how well it went, and what to do with the result."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from core.problems import Problem
from memorynet_gui.actions import ACTIONS
from memorynet_gui.inspector_parts import (
    ChangeRow,
    DetailCombo,
    DragHandle,
    DropButton,
    Elided,
    Row,
    SnugScroll,
    column,
    heading,
)
from memorynet_gui.queue_item import Choice, Item, ItemState
from memorynet_gui.theme import set_role
from memorynet_gui.view_glyph import GlyphButton

if TYPE_CHECKING:
    from core.catalog import ModelEntry
    from core.image_io import PictureInfo
    from core.metrics import Score
    from core.tensors import Device
    from memorynet_gui.restore_job import Quality

GLYPH = QSize(32, 28)
TILES_PX = (256, 384, 512, 768, 1024, 1536)
OPEN_MODEL = "open…"


class Inspector(QWidget):
    """Shows one photo and the choices for the next run. Every wish is a signal; the page fulfils it."""

    choice_changed = Signal()
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
    show_saved_requested = Signal()
    open_model_requested = Signal()
    reference_chosen = Signal(object)  # Path, or None to take it away
    reference_browse_requested = Signal()
    details_requested = Signal(str)  # text for the clipboard

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: tuple[ModelEntry, ...] = ()
        self._opened: tuple[ModelEntry, ...] = ()
        self._devices: tuple[Device, ...] = ()
        self._item: Item | None = None
        self._problem: Problem | None = None
        self._last_model = ""

        self._build_problem()
        self._build_choices()
        self._build_quality()
        self._build_receipt()
        inside = QWidget()
        inside_layout = QVBoxLayout(inside)
        inside_layout.setContentsMargins(16, 16, 16, 8)
        inside_layout.setSpacing(16)
        for part in (self.problem_box, self._choices, self._quality, self._receipt):
            inside_layout.addWidget(part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(SnugScroll(inside))
        layout.addWidget(self._build_buttons())
        layout.addStretch(1)
        self.setMinimumWidth(248)
        self.show_item(None)

    # --- building --------------------------------------------------------------------------------

    def _build_problem(self) -> None:
        self.problem_box = QFrame()
        self.problem_box.setProperty("role", "problem")
        self.problem_what, self.problem_why, self.problem_todo = QLabel(), QLabel(), QLabel()
        self.problem_what.setProperty("role", "strong")
        self.problem_what.setAccessibleName("What happened")
        self.problem_why.setAccessibleName("Why")
        self.problem_todo.setAccessibleName("What to do")
        for label in (self.problem_why, self.problem_todo):
            label.setProperty("role", "secondary")
        for label in (self.problem_what, self.problem_why, self.problem_todo):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.copy_details = _button("Copy details", "Copy the technical details for a report")
        self.copy_details.clicked.connect(
            lambda: self.details_requested.emit(self._problem.details if self._problem else "")
        )
        inner = column(4, self.problem_what, self.problem_why, self.problem_todo)
        inner.setContentsMargins(12, 10, 12, 10)
        row = QHBoxLayout()
        row.addWidget(self.copy_details)
        row.addStretch(1)
        inner.addSpacing(4)
        inner.addLayout(row)
        self.problem_box.setLayout(inner)

    def _build_choices(self) -> None:
        self.task = DetailCombo("Task", "What to take out of the photo")
        self.model = DetailCombo("Model", "The network that does it")
        self.model_error = QLabel()
        self.model_error.setProperty("role", "warning")
        self.model_error.setWordWrap(True)
        self.model_error.hide()
        self.strength = QSlider(Qt.Orientation.Horizontal)
        self.strength.setRange(0, 100)
        self.strength.setPageStep(10)
        self.strength.setAccessibleName("Strength")
        self.strength.setToolTip(
            "How much of the restored photo is blended over the original. Takes effect at once, nothing is run again."
        )
        self.strength_row = Row("Blend with the original", "100 %")
        self.device = DetailCombo("Device", "Where the network runs; auto takes the fastest")
        self.precision = DetailCombo(
            "Precision", "auto takes bf16 where the hardware has it (twice as fast), fp32 elsewhere"
        )
        self.tile = DetailCombo(
            "Tile", "Edge of the pieces the photo is restored in; auto follows the free memory"
        )
        self.tile.add("auto", "", None)
        for edge in TILES_PX:
            self.tile.add(f"{edge} px", "", edge)
        self.set_devices(())
        self._choices = QWidget()
        layout = column(8)
        for title, widgets in (
            ("Task", (self.task,)),
            ("Model", (self.model, self.model_error)),
            ("Strength", (self.strength, self.strength_row)),
        ):
            layout.addWidget(heading(title))
            for widget in widgets:
                layout.addWidget(widget)
            layout.addSpacing(8)
        layout.addWidget(heading("How"))
        how = column(4)
        for title, combo in (("Device", self.device), ("Precision", self.precision), ("Tile", self.tile)):
            how.addLayout(_labelled(title, combo))
        layout.addLayout(how)
        self._choices.setLayout(layout)
        self.task.currentIndexChanged.connect(self._task_picked)
        self.model.activated.connect(self._model_picked)
        self.strength.valueChanged.connect(self._strength_moved)
        self.device.currentIndexChanged.connect(self._device_picked)
        for combo in (self.precision, self.tile):
            combo.currentIndexChanged.connect(lambda _row: self.choice_changed.emit())

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

    def _build_receipt(self) -> None:
        self._receipt = QWidget()
        self._receipt_rows = column(6)
        self._receipt.setLayout(column(8, heading("Receipt")))
        layout = self._receipt.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.addLayout(self._receipt_rows)

    def _build_buttons(self) -> QWidget:
        self.restore = _button("Restore", "Restore this photo")
        self.save = _button("Save", "Save the result beside the original (Ctrl+S)")
        set_role(self.save, "primary")
        self.save_as = _button("Save as…", "Choose name, format, quality and bit depth (Ctrl+Shift+S)")
        self.copy = _glyph("Copy the result to the clipboard", "mdi6.content-copy", "copy")
        self.comparison = _glyph(
            "Save one picture with the photo before and after", "mdi6.compare", "save_comparison"
        )
        self.command = _glyph("Copy the command line that does exactly this", "mdi6.console", "copy_command")
        self.drag = DragHandle("Drag the result out", GLYPH)
        self.drag.setToolTip("Drag from here into another program or folder to hand the result over")
        first, second = QHBoxLayout(), QHBoxLayout()
        for row in (first, second):
            row.setSpacing(8)
        first.addWidget(self.restore, 1)
        for glyph in (self.comparison, self.command, self.drag):
            first.addWidget(glyph)
        second.addWidget(self.save, 1)
        second.addWidget(self.save_as)
        second.addWidget(self.copy)
        box = QWidget()
        layout = column(8)
        layout.setContentsMargins(16, 8, 16, 16)
        layout.addLayout(first)
        layout.addLayout(second)
        box.setLayout(layout)
        self.restore.clicked.connect(self._restore_or_cancel)
        self.save.clicked.connect(self.save_requested)
        self.save_as.clicked.connect(self.save_as_requested)
        self.copy.clicked.connect(self.copy_requested)
        self.comparison.clicked.connect(self.comparison_requested)
        self.command.clicked.connect(self.command_requested)
        self.drag.pressed.connect(self.drag_prepare_requested)
        self.drag.drag_started.connect(self.drag_requested)
        return box

    # --- what can be chosen ----------------------------------------------------------------------

    def set_models(self, entries: Sequence[ModelEntry], opened: Sequence[ModelEntry] = ()) -> None:
        """The catalogue's models and those opened by hand; tasks without a usable one cannot be chosen."""
        from core.catalog import TASKS

        before = self.choice()
        self._opened = tuple(opened)
        self._entries = (*entries, *opened)
        usable = {entry.task for entry in self._entries if entry.error is None}
        with QSignalBlocker(self.task):
            self.task.clear()
            for key, info in TASKS.items():
                able = key in usable
                self.task.add(
                    info.verb,
                    "" if able else "no model yet",
                    key,
                    able,
                    key if able else f"{key}: no model for this task is at hand",
                )
            wanted = before.task if before.task in usable else next(iter(usable & set(TASKS)), None)
            self.task.setCurrentIndex(-1 if wanted is None else self.task.findData(wanted))
        self._fill_models(before.model)

    def _fill_models(self, wanted: str) -> None:
        task = self.task.currentData()
        with QSignalBlocker(self.model):
            self.model.clear()
            for entry in self._entries:
                if entry.error is None and entry.task != task:
                    continue
                name = self._argument(entry)
                size = f"{entry.parameters / 1e6:.1f} M" if entry.parameters else ""
                origin = "bundled" if entry.bundled else "yours"
                detail = " · ".join(part for part in (size, origin) if part)
                self.model.add(
                    entry.name,
                    "cannot be used" if entry.error else detail,
                    name,
                    tooltip=f"{entry.path}\n{entry.error or ''}".strip(),
                )
            self.model.add("Open a model file…", "", OPEN_MODEL)
            names = [self._argument(entry) for entry in self._usable(task)]
            choice = wanted if wanted in names else next(iter(names), "")
            self.model.setCurrentIndex(self.model.findData(choice) if choice else -1)
        self._last_model = choice
        self._model_problem("" if choice else "No model for this task is at hand.")
        self.choice_changed.emit()

    def _argument(self, entry: ModelEntry) -> str:
        """What ``--model`` takes for it: its name when the catalogue finds it by that, else its path."""
        first = next((other for other in self._entries if other.name == entry.name), entry)
        return entry.name if first is entry and entry not in self._opened else str(entry.path)

    def _usable(self, task: str | None) -> Iterable[ModelEntry]:
        found = [entry for entry in self._entries if entry.error is None and entry.task == task]
        # as catalog.default_model: the small bundled one first
        return sorted(found, key=lambda entry: (not entry.bundled, entry.name != f"{task}-s"))

    def set_devices(self, devices: Sequence[Device]) -> None:
        """What the machine has; empty while torch is still loading: then only "auto" is there."""
        before = self.choice() if self.device.count() else None
        self._devices = tuple(devices)
        with QSignalBlocker(self.device):
            self.device.clear()
            self.device.add("auto", _kind(devices[0]) if devices else "", "auto")
            for device in devices:
                self.device.add(device.name, _kind(device), device.name, tooltip=device.title)
            row = self.device.findData(before.device) if before else 0
            self.device.setCurrentIndex(max(row, 0))
        self._fill_precisions(before.precision if before else "auto")

    def _fill_precisions(self, wanted: str) -> None:
        name = self.device.currentData()
        chosen = next((device for device in self._devices if device.name == name), None)
        chosen = chosen or (self._devices[0] if self._devices else None)
        with QSignalBlocker(self.precision):
            self.precision.clear()
            best = chosen.precisions[0] if chosen else ""
            self.precision.add("auto", best, "auto")
            for precision in chosen.precisions if chosen else ("fp32", "bf16"):
                self.precision.add(precision, "", precision)
            self.precision.setCurrentIndex(max(self.precision.findData(wanted), 0))

    def choice(self) -> Choice:
        model = self.model.currentData()
        return Choice(
            self.task.currentData() or "derain",
            "" if model in (None, OPEN_MODEL) or self.model_error.isVisibleTo(self) else model,
            self.device.currentData() or "auto",
            self.precision.currentData() or "auto",
            self.tile.currentData(),
        )

    def set_choice(self, choice: Choice) -> None:
        """As far as it can be had here: a device or model that is gone leaves the present one."""
        for combo, value in ((self.task, choice.task), (self.device, choice.device)):
            row = combo.findData(value)
            if row >= 0 and combo.model().index(row, 0).flags() & Qt.ItemFlag.ItemIsEnabled:
                combo.setCurrentIndex(row)
        if self.model.findData(choice.model) >= 0 and choice.model:
            self.model.setCurrentIndex(self.model.findData(choice.model))
            self._model_picked(self.model.currentIndex())
        self.precision.setCurrentIndex(max(self.precision.findData(choice.precision), 0))
        row = self.tile.findData(choice.tile_px)
        if row < 0 and choice.tile_px is not None:
            self.tile.add(f"{choice.tile_px} px", "", choice.tile_px)
            row = self.tile.count() - 1
        self.tile.setCurrentIndex(max(row, 0))

    def pick_model(self, entry: ModelEntry) -> None:
        """Choose this model, with its task; a broken one says why below the list."""
        if entry.error is None:
            self.task.setCurrentIndex(self.task.findData(entry.task))
        self.model.setCurrentIndex(self.model.findData(self._argument(entry)))
        self._model_picked(self.model.currentIndex())

    def _task_picked(self, _row: int) -> None:
        self._fill_models(self._last_model)

    def _device_picked(self, _row: int) -> None:
        self._fill_precisions(self.precision.currentData() or "auto")
        self.choice_changed.emit()

    def _model_picked(self, row: int) -> None:
        name = self.model.itemData(row)
        if name == OPEN_MODEL:
            self.model.setCurrentIndex(max(self.model.findData(self._last_model), -1))
            self.open_model_requested.emit()
            return
        broken = next((e for e in self._entries if e.error and self._argument(e) == name), None)
        self._model_problem(f"{broken.name} cannot be used: {broken.error}" if broken else "")
        if broken is None:
            self._last_model = name
        self.choice_changed.emit()

    def _model_problem(self, text: str) -> None:
        self.model_error.setText(text)
        self.model_error.setVisible(bool(text))

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
        self._show_problem(problem or (item.problem if item is not None else None))
        with QSignalBlocker(self.strength):
            self.strength.setValue(item.strength_percent if item is not None else 100)
        self._say_strength()
        baked = done and not can_blend
        self.strength.setEnabled(item is not None and not baked)
        self.strength_row.setToolTip(
            "The full result is not kept any more; restore again to change the strength." if baked else ""
        )
        self.strength_row.setEnabled(not baked)
        self._quality.setEnabled(item is not None)
        self._show_receipt(item, info)

        failed = item is not None and item.state is ItemState.FAILED
        self.restore.setText(
            "Cancel" if running else "Restore again" if done else "Try again" if failed else "Restore"
        )
        self.restore.setToolTip(
            "Stop; what was finished before is kept (Esc)"
            if running
            else "Restore this photo with the choices above"
        )
        set_role(self.restore, "primary" if item is not None and not (done or running) else "")
        set_role(self.save, "primary" if done and item is not None and not item.is_saved else "")
        self.restore.setEnabled(item is not None)
        saved = item is not None and item.is_saved
        self.save.setText("Saving…" if saving else "Saved ✓" if done and saved else "Save")
        if done and saved and item is not None and item.saved is not None:
            self.save.setToolTip(f"Saved as {item.saved.path}. Click to show it in its folder.")
        else:
            self.save.setToolTip("Save the result beside the original (Ctrl+S)")
        for widget in (self.save_as, self.copy):
            widget.setEnabled(done and not saving and can_blend)
        for widget in (self.save, self.drag):
            widget.setEnabled(done and not saving and (can_blend or saved))
        self.comparison.setEnabled(done and can_blend)
        self.command.setEnabled(done)

    def _restore_or_cancel(self) -> None:
        if self._item is not None and self._item.state is ItemState.RUNNING:
            self.cancel_requested.emit()
        else:
            self.restore_requested.emit()

    def _strength_moved(self, percent: int) -> None:
        self._say_strength()
        self.strength_changed.emit(percent)

    def _say_strength(self) -> None:
        self.strength_row.set_value(f"{self.strength.value()} %")

    def _show_problem(self, problem: Problem | None) -> None:
        self._problem = problem
        self.problem_box.setVisible(problem is not None)
        if problem is None:
            return
        self.problem_what.setText(problem.what)
        self.problem_why.setText(problem.why)
        self.problem_why.setVisible(bool(problem.why))
        self.problem_todo.setText(problem.todo)
        self.problem_todo.setVisible(bool(problem.todo))

    def _show_receipt(self, item: Item | None, info: PictureInfo | None) -> None:
        while self._receipt_rows.count():
            taken = self._receipt_rows.takeAt(0)
            widget = taken.widget() if taken is not None else None
            if widget is not None:
                widget.deleteLater()
        rows = [] if item is None else receipt_rows(item, info)
        for name, value, tooltip in rows:
            self._receipt_rows.addWidget(Row(name, value, tooltip))
        self._receipt.setVisible(bool(rows))

    # --- quality ---------------------------------------------------------------------------------

    def show_quality(
        self, reference: Path | None, quality: Quality | None = None, note: str = "", task: str = "derain"
    ) -> None:
        """No reference, being measured (``note``), a sentence why it cannot be, or the numbers."""
        from core.metrics import PROTOCOLS, TASK_PROTOCOL

        protocol = quality.before.protocol if quality else TASK_PROTOCOL[task]
        for row, name in ((self.psnr, "PSNR"), (self.ssim, "SSIM")):
            row.name.setText(f"{name} ({protocol})")
            row.setToolTip(PROTOCOLS[protocol])
            row.setVisible(quality is not None)
        if quality is not None:
            before = _number(quality.before, "psnr_db")
            after = _number(quality.after, "psnr_db")
            self.psnr.set_values(before.removesuffix(" dB") if after else before, after)
            self.ssim.set_values(_number(quality.before, "ssim"), _number(quality.after, "ssim"))
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


def receipt_rows(item: Item, info: PictureInfo | None) -> list[tuple[str, str, str]]:
    """(name, value, tooltip): what is known of the photo, of its restoration, of the saved file."""
    rows: list[tuple[str, str, str]] = []
    if item.receipt and item.is_saved:
        for line in item.receipt:
            mark = "✓" if line.kept else "✕"
            rows.append((line.what, f"{line.detail} {mark}", line.detail))
    elif info is not None:
        rows.append(("Size, depth", f"{info.width}×{info.height}, {info.bit_depth} bit", ""))
        rows.append(("Format", f"{info.format}{', alpha' if info.has_alpha else ''}", ""))
        if info.icc_name:
            rows.append(("Colour profile", info.icc_name, info.icc_name))
    note = item.result
    if note is not None and item.state is ItemState.DONE:
        rows.append(("Time", f"{note.seconds:.1f} s · {note.megapixels_per_s:.2g} MP/s", ""))
        ran = f"{note.device} · {note.precision} · {note.tile_px} px"
        rows.append(("Ran on", ran, f"Device, precision and tile: {ran}"))
        rows.append(("Model", note.model_name, f"sha256 {note.model_sha256}"))
        rows.extend(("Note", text, text) for text in note.notes)
    if item.saved is not None:
        rows.append(("Saved as", item.saved.path.name, str(item.saved.path)))
    return rows


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


def _kind(device: Device) -> str:
    """ "CPU" of "CPU, 2 threads" """
    return device.title.partition(", ")[0]


def _glyph(tooltip: str, icon: str, action_id: str) -> GlyphButton:
    button = GlyphButton(tooltip, icon, GLYPH, filled=True)
    keys = ACTIONS[action_id].shortcut_text
    button.setToolTip(f"{tooltip} ({keys})" if keys else tooltip)
    return button


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.setAccessibleName(text.rstrip("…"))
    return button


def _labelled(name: str, combo: QWidget) -> QHBoxLayout:
    label = QLabel(name)
    label.setProperty("role", "secondary")
    label.setBuddy(combo)
    label.setMinimumWidth(72)
    row = QHBoxLayout()
    row.setSpacing(8)
    row.addWidget(label)
    row.addWidget(combo, 1)
    return row
