"""Another model beside the one at hand: the same photo, the same overlay, health and slots of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QStackedWidget,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.tasks import TASKS, damage
from memorynet_gui.memory import words
from memorynet_gui.memory.slots.health import COLUMNS, colour_kinds, group_values
from memorynet_gui.memory.slots.twin_slots import TwinSlots
from memorynet_gui.widgets.parts import DetailCombo, wrapped
from memorynet_gui.widgets.segments import Segments

if TYPE_CHECKING:
    from core.model.catalog import ModelEntry
    from core.model.health import MemoryHealth
    from core.restoring.memory.record import MemoryLook
    from memorynet_gui.memory.bench.records import Base, Bench, Twin

Fact = tuple[str, ...]
"""What it is, of the model at hand, of the other"""
NUMBERS, SLOTS, HEALTH = "numbers", "slots", "health"
VIEWS = (
    (NUMBERS, "Photo", "What each model takes for damage and makes of the photo"),
    (SLOTS, "Slots", "The slots of both, what answers to them and how much this photo uses them"),
    (HEALTH, "Health", "Dead slots, twins and evenness of both, kind by kind"),
)
_HEALTH = (
    ("Slots", "Polarity and granularity"),
    ("Model", "Whose slots they are"),
    *COLUMNS[1:],
)


def facts(bench: Bench, base: Base | None, after: MemoryLook | None, twin: Twin | None) -> list[Fact]:
    """What is told of both; "" where it is not known."""
    task = bench.look.task
    what = damage(task)
    found: list[Fact] = [
        (
            f"Takes for {what}",
            f"{words.percent(bench.look.before.area)} of the photo",
            "" if twin is None else f"{words.percent(twin.look.before.area)} of the photo",
        ),
        (
            "Still, once restored",
            "" if after is None else f"{words.percent(after.before.area)} of the photo",
            "" if twin is None else f"{words.percent(twin.after.before.area)} of the photo",
        ),
        (
            "Changes a pixel by",
            "" if base is None else _changed(bench, base.pixels),
            "" if twin is None else _changed(bench, twin.base.pixels),
        ),
    ]
    if bench.truth is not None:
        protocol = TASKS[task].protocol if task in TASKS else "RGB"
        found.append(
            (
                f"PSNR ({protocol})",
                "" if base is None else _psnr(bench, base.pixels, protocol),
                "" if twin is None else _psnr(bench, twin.base.pixels, protocol),
            )
        )
    silent = _silent(bench.health), "" if twin is None else _silent(twin.health)
    return [*found, ("Passes nothing on", *silent)]


def health_rows(first: MemoryHealth, other: MemoryHealth | None, names: tuple[str, str]) -> list[Fact]:
    """A line for each kind of slots and model: kind, model, and what :func:`group_values` tells; one model below the
    other, so that what differs stands side by side. A kind that only one has is told of that one."""
    found: list[Fact] = []
    others = {} if other is None else {(group.polarity, group.granularity): group for group in other.groups}
    for group in first.groups:
        kind = f"{group.polarity} {group.granularity}"
        found.append((kind, names[0], *group_values(group)))
        twin = others.pop((group.polarity, group.granularity), None)
        if twin is not None:
            found.append(("", names[1], *group_values(twin)))
    for group in others.values():
        found.append((f"{group.polarity} {group.granularity}", names[1], *group_values(group)))
    return found


def _silent(health: MemoryHealth) -> str:
    return "" if health.silent is None else f"{words.percent(health.silent)} of its units"


def _changed(bench: Bench, pixels: np.ndarray) -> str:
    from core.restoring.memory.probe import change_between

    return f"{change_between(bench.picture.pixels, pixels).mean:.2f} of 255 levels"


def _psnr(bench: Bench, pixels: np.ndarray, protocol: str) -> str:
    from core.images import metrics

    assert bench.truth is not None
    return f"{metrics.psnr_db(pixels, bench.truth, protocol):.2f} dB"


class TwinView(QWidget):
    first_chosen = Signal(object)  # Path of the model at hand to be
    model_chosen = Signal(object)  # Path of the other model, None: none
    model_wanted = Signal()  # one that is not in the list
    shown_changed = Signal(bool)  # both in the photo

    def __init__(self, colours: Callable[[str], QColor], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colours = colours
        self.first = DetailCombo(
            "The model at hand", "The model that the photo is looked into with, left of the line"
        )
        self.model = DetailCombo(
            "The other model",
            "Another model of this task: bundled, your own, the best of a training run or a checkpoint that it keeps",
        )
        self.show_both = QPushButton("Show both in the photo")
        self.show_both.setCheckable(True)
        self.show_both.setToolTip(
            "Left of the line what the model at hand makes of the photo, right of it the other; what each takes for "
            "damage is tinted"
        )
        self.said = wrapped("secondary")
        self.views = Segments(VIEWS, names="Of both models: {}", compact=True)
        self.views.choose(NUMBERS)
        self.table = _table("Both models, number by number")
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        self.table.horizontalHeader().setDefaultAlignment(left)
        self.table.setToolTip(
            "Levels are brightness steps of 255, on average over the photo. Units pass on what the memory reads; some may "
            "be silent"
        )
        self.slots = TwinSlots(colours)
        self.health = _table("Health of both models, kind by kind")
        self.health.horizontalHeader().setDefaultAlignment(left)
        self._pages: dict[str, QWidget] = {NUMBERS: self.table, SLOTS: self.slots, HEALTH: self.health}
        self._stack = QStackedWidget()
        for page in self._pages.values():
            self._stack.addWidget(page)
        side = QVBoxLayout()
        side.setSpacing(8)
        for widget in (self.first, self.model, self.show_both, self.said):
            side.addWidget(widget)
        side.addStretch(1)
        right = QVBoxLayout()
        right.setSpacing(6)
        top = QHBoxLayout()
        top.addWidget(self.views)
        top.addStretch(1)
        top.addWidget(self.slots.kinds)
        right.addLayout(top)
        right.addWidget(self._stack, 1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(16)
        layout.addLayout(side, 2)
        layout.addLayout(right, 5)
        self.show_both.toggled.connect(self.shown_changed)
        self.model.activated.connect(lambda _row: self._chosen())
        self.first.activated.connect(lambda _row: self.first_chosen.emit(self.first.currentData()))
        self.views.chosen.connect(self.show_view)
        self.show_view(NUMBERS)
        self.set_models((), None)
        self.show_facts((), "", "")

    def show_view(self, view: str) -> None:
        self.views.choose(view)
        self._stack.setCurrentWidget(self._pages[view])
        self.slots.kinds.setVisible(view == SLOTS)

    def set_models(self, entries: Sequence[ModelEntry], chosen: object) -> None:
        """Models to choose from; ``chosen`` is the path of that which is looked at."""
        with QSignalBlocker(self.model):
            self.model.clear()
            self.model.add("Choose a model…", "", None)
            self._fill(self.model, entries, chosen)
            self.model.add("Open a model or a run…", "", "open")

    def set_first(self, entries: Sequence[ModelEntry], chosen: object) -> None:
        """Models that may be the one at hand; ``chosen`` is the path of that which is."""
        with QSignalBlocker(self.first):
            self.first.clear()
            self._fill(self.first, entries, chosen)
        self.first.setEnabled(self.first.count() > 1)

    @staticmethod
    def _fill(combo: DetailCombo, entries: Sequence[ModelEntry], chosen: object) -> None:
        for entry in entries:
            detail = "bundled" if entry.bundled else "checkpoint" if entry.path.suffix else ""
            combo.add(entry.name, detail, entry.path)
            if entry.path == chosen:
                combo.setCurrentIndex(combo.count() - 1)

    def _chosen(self) -> None:
        chosen = self.model.currentData()
        if chosen == "open":
            with QSignalBlocker(self.model):
                self.model.setCurrentIndex(0)
            self.model_wanted.emit()
        else:
            self.model_chosen.emit(chosen)

    def show_facts(self, found: Sequence[Fact], name: str, other: str, said: str = "") -> None:
        """``said`` is told below the list: what is awaited, or what went wrong."""
        _fill(self.table, (("", ""), (name, name), (other, other)), found)
        self.table.setColumnHidden(2, not other)
        self.said.setText(said)
        self.said.setVisible(bool(said))

    def set_ready(self, ready: bool) -> None:
        """Whether both can be shown in the photo."""
        self.show_both.setEnabled(ready)
        if not ready:
            self.show_both.setChecked(False)

    def show_health(self, rows: Sequence[Fact]) -> None:
        """See :func:`health_rows`."""
        _fill(self.health, _HEALTH, rows)
        colour_kinds(self.health, self._colours)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:  # another theme has other colours
            colour_kinds(self.health, self._colours)


def _table(name: str) -> QTableWidget:
    """``name`` is for screen readers."""
    table = QTableWidget(0, 0)
    table.verticalHeader().hide()
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setShowGrid(False)
    table.setTabKeyNavigation(False)
    table.setAccessibleName(name)
    table.horizontalHeader().setHighlightSections(False)
    return table


def _fill(table: QTableWidget, columns: Sequence[tuple[str, str]], rows: Sequence[Fact]) -> None:
    """``columns``: what stands above each, and its tooltip. Names of models have the room that is left."""
    table.setColumnCount(len(columns))
    table.setRowCount(len(rows))
    header = table.horizontalHeader()
    for column, (title, tip) in enumerate(columns):
        item = QTableWidgetItem(title)
        item.setToolTip(tip)
        table.setHorizontalHeaderItem(column, item)
        is_wide = column == 1 or (column == 2 and len(columns) == 3)
        mode = QHeaderView.ResizeMode.Stretch if is_wide else QHeaderView.ResizeMode.ResizeToContents
        header.setSectionResizeMode(column, mode)
    for row, fact in enumerate(rows):
        for column, text in enumerate(fact):
            item = QTableWidgetItem(text)
            item.setToolTip(text)
            table.setItem(row, column, item)
        table.setRowHeight(row, 22)
