"""Another model beside the one at hand: the same photo, the same overlay, health and slots of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.tasks import TASKS, damage
from memorynet_gui.memory import words
from memorynet_gui.widgets.parts import DetailCombo, wrapped

if TYPE_CHECKING:
    from core.model.catalog import ModelEntry
    from core.model.health import GroupHealth, MemoryHealth
    from core.restoring.memory.record import MemoryLook
    from memorynet_gui.memory.work import Base, Bench, Twin

Fact = tuple[str, str, str]
"""What it is, of the model at hand, of the other"""


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
    others = {} if twin is None else {(g.polarity, g.granularity): g for g in twin.health.groups}
    for group in bench.health.groups:
        key = group.polarity, group.granularity
        name, other = f"{group.polarity.capitalize()} {group.granularity} slots", others.get(key)
        found.append((f"{name} used", _used(group), _used(other)))
        found.append((f"{name}, how evenly", _evenly(group), _evenly(other)))
    silent = _silent(bench.health), "" if twin is None else _silent(twin.health)
    return [*found, ("Passes nothing on", *silent)]


def _used(group: GroupHealth | None) -> str:
    return "" if group is None else f"{group.slots - len(group.dead)} of {group.slots}"


def _evenly(group: GroupHealth | None) -> str:
    return "" if group is None else f"{group.entropy:.2f} of 1"


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
        self.table = QTableWidget(0, 3)
        self.table.verticalHeader().hide()
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)
        self.table.setAccessibleName("Both models, number by number")
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        header.setHighlightSections(False)
        self.table.setToolTip(
            "Levels are brightness steps of 255, on average over the photo. Of slots: how many this photo uses, and how "
            "evenly (0: one does all the work, 1: all do alike). Units pass on what the memory reads; some may be silent"
        )
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        side = QVBoxLayout()
        side.setSpacing(8)
        side.addWidget(self.first)
        side.addWidget(self.model)
        side.addWidget(self.show_both)
        side.addWidget(self.said)
        side.addStretch(1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(16)
        layout.addLayout(side, 2)
        layout.addWidget(self.table, 5)
        self.show_both.toggled.connect(self.shown_changed)
        self.model.activated.connect(lambda _row: self._chosen())
        self.first.activated.connect(lambda _row: self.first_chosen.emit(self.first.currentData()))
        self.set_models((), None)
        self.show_facts((), "", "")

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
        self.table.setHorizontalHeaderLabels(["", name, other])
        self.table.setColumnHidden(2, not other)
        self.table.setRowCount(len(found))
        for row, fact in enumerate(found):
            for column, text in enumerate(fact):
                item = QTableWidgetItem(text)
                if not column:
                    item.setForeground(self.palette().placeholderText())
                self.table.setItem(row, column, item)
            self.table.setRowHeight(row, 22)
        self.said.setText(said)
        self.said.setVisible(bool(said))

    def set_ready(self, ready: bool) -> None:
        """Whether both can be shown in the photo."""
        self.show_both.setEnabled(ready)
        if not ready:
            self.show_both.setChecked(False)
