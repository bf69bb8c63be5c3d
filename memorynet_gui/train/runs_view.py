"""The list of runs: which one is shown, which lie over its curves, how each went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QContextMenuEvent, QFont, QKeyEvent, QMouseEvent, QPainter, QPalette, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from core.training.run_folder import DONE, FAILED, INTERRUPTED, PAUSED, RUNNING, STOPPED

if TYPE_CHECKING:
    from core.training.runs import Difference, Run

Index = QModelIndex | QPersistentModelIndex
RUN_ROLE = Qt.ItemDataRole.UserRole + 1
SHOWN_ROLE = Qt.ItemDataRole.UserRole + 2
ROW_PX = 28
ROWS_MAX = 7
_TICK_PX = 26  # where a press changes the tick
_DOT_PX = 9.0
_TOLD_MAX = 3
OVERLAYS_MAX = 6


def score_text(psnr_db: float | None) -> str:
    """ "34.71 dB", or "" """
    return "" if psnr_db is None else f"{psnr_db:.2f} dB"


def state_word(run: Run, is_here: bool) -> str:
    """ "training", "paused", "interrupted", ...; "" for a run that is done: its score says enough."""
    state = run.state.state if run.state is not None else ""
    if is_here:
        return "paused" if state == PAUSED else "training"
    return {
        RUNNING: "running elsewhere",
        PAUSED: "paused elsewhere",
        INTERRUPTED: "interrupted",
        STOPPED: "stopped",
        FAILED: "failed",
        DONE: "",
    }.get(state, "not started")


def detail_text(run: Run, is_here: bool) -> str:
    """What stands at the right of a row."""
    if run.error is not None and run.state is None:
        return "cannot be read"
    score = score_text(run.best_psnr_db)
    word = state_word(run, is_here)
    return " · ".join(part for part in (score, word) if part) or "no score yet"


def can_continue(run: Run, is_here: bool) -> bool:
    """Whether it can go on from where it stopped: it is nobody's now, and not at its end."""
    if is_here or run.recipe is None or run.state is None:
        return False
    state = run.state
    return state.state in (INTERRUPTED, STOPPED, FAILED) and state.step < run.recipe.steps


def is_elsewhere(run: Run, is_here: bool) -> bool:
    return not is_here and run.state is not None and run.state.state in (RUNNING, PAUSED)


def difference_text(shown: str, other: str, differences: Iterable[Difference], most: int = _TOLD_MAX) -> str:
    """ "rain-13 differs from rain-12: contrastive weight 0.01 → 0.003". ``differences`` are of (other, shown)."""
    parts = []
    for one in differences:
        before, after = one.values
        parts.append(f"{one.title[:1].lower()}{one.title[1:]} {_value(before)} → {_value(after)}")
    if not parts:
        return f"{shown} has the recipe of {other}"
    more = len(parts) - most
    listed = ", ".join(parts[:most]) + (f" and {more} more" if more > 0 else "")
    return f"{shown} differs from {other}: {listed}"


def _value(value: Any) -> str:
    if value is None:
        return "not stated"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return ", ".join(_value(each) for each in value) or "none"
    return str(value) or "none"


class RunsModel(QAbstractListModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._runs: tuple[Run, ...] = ()
        self._here: Path | None = None
        self.shown: Path | None = None
        self.overlays: list[Path] = []

    def set_runs(self, runs: Sequence[Run], here: Path | None) -> None:
        runs = tuple(runs)
        same_rows = [run.folder for run in runs] == [run.folder for run in self._runs]
        if same_rows:
            self._runs, self._here = runs, here
            self.renew()
            return
        self.beginResetModel()
        self._runs, self._here = runs, here
        self.overlays = [folder for folder in self.overlays if any(run.folder == folder for run in runs)]
        self.endResetModel()

    def renew(self) -> None:
        if self._runs:
            self.dataChanged.emit(self.index(0), self.index(len(self._runs) - 1))

    def run_at(self, index: Index) -> Run:
        return self._runs[index.row()]

    def is_here(self, run: Run) -> bool:
        return run.folder == self._here

    def row_of(self, folder: Path | None) -> int:
        return next((row for row, run in enumerate(self._runs) if run.folder == folder), -1)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._runs)

    def flags(self, index: Index) -> Qt.ItemFlag:
        return super().flags(index) | Qt.ItemFlag.ItemIsUserCheckable

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        run = self._runs[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return run.name
        if role == RUN_ROLE:
            return run
        if role == SHOWN_ROLE:
            return run.folder == self.shown
        if role == Qt.ItemDataRole.CheckStateRole:
            on = run.folder in self.overlays
            return Qt.CheckState.Checked if on else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{run.name}, {detail_text(run, self.is_here(run))}"
        if role == Qt.ItemDataRole.ToolTipRole:
            compare = (
                "" if run.folder == self.shown else "\nIts dot (Space) lays its curves under those shown"
            )
            return tooltip(run, self.is_here(run)) + compare
        return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        if role != Qt.ItemDataRole.CheckStateRole or not index.isValid():
            return False
        folder = self._runs[index.row()].folder
        if Qt.CheckState(value) == Qt.CheckState.Checked:
            self.overlays = [*[each for each in self.overlays if each != folder], folder][-OVERLAYS_MAX:]
        else:
            self.overlays = [each for each in self.overlays if each != folder]
        self.renew()
        return True


def tooltip(run: Run, is_here: bool) -> str:
    """All that is known, line by line."""
    from memorynet_gui.base.words import size_text

    lines = [str(run.folder), detail_text(run, is_here)]
    if run.state is not None and run.recipe is not None:
        lines.append(f"Step {run.state.step:,} of {run.recipe.steps:,}")
    if run.state is not None and run.state.reason:
        lines.append(run.state.reason)
    lines.append(size_text(run.size_bytes))
    if run.notes:
        lines.append(run.notes if len(run.notes) < 200 else f"{run.notes[:200]}…")
    if run.error:
        lines.append(run.error)
    return "\n".join(lines)


class _Rows(QStyledItemDelegate):
    """A dot (hollow: not drawn; grey: lies over the curves; bright: the run that is shown), name, score and state."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        self.initStyleOption(option, index)
        model = index.model()
        assert isinstance(model, RunsModel)
        run = model.run_at(index)
        palette, rect = option.palette, QRect(option.rect)
        shown = bool(index.data(SHOWN_ROLE))
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        over = bool(option.state & QStyle.StateFlag.State_MouseOver)
        has_focus = bool(option.state & QStyle.StateFlag.State_HasFocus)
        if shown or over:
            role = QPalette.ColorRole.Button if shown else QPalette.ColorRole.AlternateBase
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(palette.color(role))
            painter.drawRoundedRect(rect, 4, 4)
        if has_focus:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Highlight), 2))
            painter.drawRoundedRect(QRectF(rect).adjusted(1, 1, -1, -1), 4, 4)
        text = palette.color(QPalette.ColorRole.Text)
        quiet = palette.color(QPalette.ColorRole.PlaceholderText)
        is_over = index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked
        self._dot(painter, rect, text if shown else quiet, shown or is_over)
        font = QFont(option.font)
        metrics = option.fontMetrics
        detail = detail_text(run, model.is_here(run))
        inner = rect.adjusted(_TICK_PX, 0, -8, 0)
        # the score goes first, a long name is cut in its middle
        most_px = inner.width() * 3 // 5
        word = state_word(run, model.is_here(run))
        if metrics.horizontalAdvance(detail) > most_px and word:
            detail = word  # the state matters more than the score, which stands in the tooltip and beside the curves
        detail_px = min(metrics.horizontalAdvance(detail), most_px)
        name_px = max(inner.width() - detail_px - 10, 40)
        painter.setFont(font)
        painter.setPen(text if shown else quiet)
        align = Qt.AlignmentFlag.AlignVCenter
        name = metrics.elidedText(run.name, Qt.TextElideMode.ElideMiddle, name_px)
        painter.drawText(inner, Qt.AlignmentFlag.AlignLeft | align, name)
        detail = metrics.elidedText(
            detail,
            Qt.TextElideMode.ElideRight,
            inner.width() - min(metrics.horizontalAdvance(name), name_px) - 10,
        )
        painter.drawText(inner, Qt.AlignmentFlag.AlignRight | align, detail)
        painter.restore()

    @staticmethod
    def _dot(painter: QPainter, rect: QRect, colour: QColor, filled: bool) -> None:
        dot = QRectF(0, 0, _DOT_PX, _DOT_PX)
        dot.moveCenter(QRectF(rect.left() + 6, rect.top(), _DOT_PX + 4, rect.height()).center())
        painter.setPen(QPen(colour, 1.4))
        painter.setBrush(colour if filled else Qt.BrushStyle.NoBrush)
        painter.drawEllipse(dot)

    def editorEvent(
        self, _event: QEvent, _model: QAbstractItemModel, _option: QStyleOptionViewItem, _index: Index
    ) -> bool:
        """Nothing: the style's own check box lies elsewhere than the dot, and the list looks after that."""
        return False

    def sizeHint(self, option: QStyleOptionViewItem, _index: Index) -> QSize:
        return QSize(120, ROW_PX)


def _toggle(model: QAbstractItemModel, index: Index) -> bool:
    checked = index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked
    return model.setData(
        index,
        Qt.CheckState.Unchecked if checked else Qt.CheckState.Checked,
        Qt.ItemDataRole.CheckStateRole,
    )


class RunList(QListView):
    """One row a run. Enter or a click shows it, Space or its dot lays it over the shown one's curves."""

    shown = Signal(object)  # Path of the run to show
    overlays_changed = Signal()
    menu_requested = Signal(object, QPoint)  # Path, where (global)
    trash_requested = Signal(object)  # Path

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = RunsModel(self)
        self.setModel(self._model)
        self.setItemDelegate(_Rows(self))
        self.setProperty("ring", False)
        self.setAccessibleName("Runs")
        self.setAccessibleDescription("Enter shows a run, Space lays its curves over those shown")
        self.setMouseTracking(True)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.clicked.connect(self._clicked)
        self._model.dataChanged.connect(self._maybe_overlays)
        self._model.modelReset.connect(self._fit)
        self._told: list[Path] = []
        self._pressed_on_tick = False
        self._fit()

    def set_runs(self, runs: Sequence[Run], here: Path | None, shown: Path | None) -> None:
        """``here``: the run that trains in this window; ``shown``: the one whose curves are seen."""
        self._model.shown = shown
        current = self.currentIndex()
        keep = self._model.run_at(current).folder if current.isValid() else shown
        self._model.set_runs(runs, here)
        row = self._model.row_of(keep)
        if row >= 0 and row != self.currentIndex().row():
            self.setCurrentIndex(self._model.index(row))
        self._maybe_overlays()

    def overlays(self) -> tuple[Path, ...]:
        """Folders ticked to lie over the shown run, in the order they were ticked; never the shown one."""
        return tuple(folder for folder in self._model.overlays if folder != self._model.shown)

    def tick(self, folders: Iterable[Path]) -> None:
        """Lay these runs over the shown one, as pressing their dots does; the first ones when they are many."""
        for folder in [*folders][:OVERLAYS_MAX]:
            row = self._model.row_of(folder)
            if row >= 0 and folder not in self._model.overlays:
                _toggle(self._model, self._model.index(row))

    def turn(self, folder: Path) -> None:
        """Lay this run over the shown one, or take it off again."""
        row = self._model.row_of(folder)
        if row >= 0:
            _toggle(self._model, self._model.index(row))

    def _maybe_overlays(self) -> None:
        now = list(self.overlays())
        if now != self._told:
            self._told = now
            self.overlays_changed.emit()

    def _fit(self) -> None:
        rows = min(max(self._model.rowCount(), 1), ROWS_MAX)
        self.setFixedHeight(rows * ROW_PX + 4)

    def _clicked(self, index: QModelIndex) -> None:
        if self._pressed_on_tick:
            _toggle(self._model, index)
        else:
            self.shown.emit(self._model.run_at(index).folder)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed_on_tick = event.position().x() < _TICK_PX
        super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        index = self.currentIndex()
        if index.isValid() and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            key = event.key()
            folder = self._model.run_at(index).folder
            if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self.shown.emit(folder)
                return
            if key == Qt.Key.Key_Space:
                _toggle(self._model, index)
                return
            if key == Qt.Key.Key_Delete:
                self.trash_requested.emit(folder)
                return
        super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        index = self.indexAt(event.pos())
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            index = self.currentIndex()
        if not index.isValid():
            return
        where = event.globalPos()
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            where = self.viewport().mapToGlobal(self.visualRect(index).bottomLeft())
        self.menu_requested.emit(self._model.run_at(index).folder, where)
