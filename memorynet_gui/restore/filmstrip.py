"""The filmstrip: the queue as thumbnails with name and state, and the words about all of it at the right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QBoxLayout,
    QHBoxLayout,
    QLabel,
    QListView,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core.restoring.verdict import words
from memorynet_gui.base.thumbnails import Thumbnails
from memorynet_gui.restore.batch.cells import (
    CELL,
    FAILED_ROLE,
    ITEM_ROLE,
    SLIM,
    STATE_PX,
    STATUS_ROLE,
    FilmstripDelegate,
)
from memorynet_gui.restore.batch.shown import Shown
from memorynet_gui.restore.queue_item import Item, ItemState
from memorynet_gui.restore.session import Session

_BAR_PX = 14  # below the cells, to scroll
_NO_LIMIT_PX = 16_777_215  # as Qt calls it
SUMMARY_WIDTH_PX, SUMMARY_NARROW_PX = 208, 148
ROOMY_PX = 840

_BACK_AGAIN = (
    Qt.FocusReason.ActiveWindowFocusReason,
    Qt.FocusReason.PopupFocusReason,
    Qt.FocusReason.MenuBarFocusReason,
)
"""The focus returns to where it was: what was used before still is."""
_MOVES = (
    *(Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down),
    *(Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown),
)

Index = QModelIndex | QPersistentModelIndex


class FilmstripModel(QAbstractListModel):
    """The session's queue for Qt's views; thumbnails are asked for only when a cell is painted."""

    def __init__(self, session: Session, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._thumbnails = thumbnails
        self.batch = (
            ""  # what every photo that waits is being restored with, in words; empty: nothing runs by itself
        )
        session.about_to_insert.connect(lambda first, last: self.beginInsertRows(QModelIndex(), first, last))
        session.inserted.connect(self.endInsertRows)
        session.about_to_remove.connect(lambda first, last: self.beginRemoveRows(QModelIndex(), first, last))
        session.removed.connect(self.endRemoveRows)
        session.about_to_reset.connect(self.beginResetModel)
        session.was_reset.connect(self.endResetModel)
        session.changed.connect(self._row_changed)
        session.many_changed.connect(lambda a, b: self.dataChanged.emit(self.index(a), self.index(b)))
        thumbnails.ready.connect(self._thumbnail_came)
        thumbnails.failed.connect(self._thumbnail_came)

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.session)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self.session):
            return None
        item = self.session.at(index.row())
        if role == ITEM_ROLE:
            return item
        if role == Qt.ItemDataRole.DisplayRole:
            return item.name
        if role == Qt.ItemDataRole.DecorationRole:
            return self._thumbnails.get(item.path)
        if role == FAILED_ROLE:
            return self._thumbnails.has_failed(item.path)
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{item.path}\n{spoken_state(item, self.batch)}"
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{item.name}, {spoken_state(item, self.batch)}"
        if role == STATUS_ROLE:
            if item.state is ItemState.DONE and item.is_saved:
                return "✓ saved"
            return "waiting" if self.batch and item.state is ItemState.WAITING else item.status
        return None

    def _row_changed(self, row: int) -> None:
        index = self.index(row)
        self.dataChanged.emit(index, index)

    def _thumbnail_came(self, path: Path) -> None:
        item = self.session.find(path)
        row = None if item is None else self.session.row_of(item.id)
        if row is not None:
            index = self.index(row)
            self.dataChanged.emit(index, index, [Qt.ItemDataRole.DecorationRole])


def spoken_state(item: Item, batch: str = "") -> str:
    """The state in words, for the tooltip and for screen readers; ``batch``: what photos that wait are restored with."""
    match item.state:
        case ItemState.RUNNING:
            return f"restoring, piece {item.tile} of {item.tile_count}" if item.tile_count else "starting"
        case ItemState.DONE:
            kept = (
                f"restored and saved as {item.saved.path.name}" if item.saved else "restored, not saved yet"
            )
            kept = f"{kept}; another result is kept" if item.kept is not None else kept
            told = words(item.result.made.verdict, item.result.made.task) if item.result is not None else ""
            return f"{told}; {kept}" if told else kept
        case ItemState.FAILED:
            return item.problem.sentence if item.problem else "needs a look"
        case ItemState.CANCELLED:
            return "cancelled; restore it again whenever you like"
        case ItemState.LEFT:
            return "left as it is, as you said; restore it whenever you like"
    told = item.look.words if item.look is not None else ""
    state = f"waits its turn: {batch}" if batch else "not restored yet"
    return f"{told}; {state}" if told else state


class FilmstripList(QListView):
    """One row of cells. The plain wheel scrolls it sideways, Delete asks for removal.

    The ring of the focus shows while the keyboard is used: it says where keys go, and who clicks knows.
    """

    remove_requested = Signal()
    state_clicked = Signal(int)  # row whose words at the lower right were clicked

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setFrameShape(QListView.Shape.NoFrame)
        self._keys_are_used = False
        self.setProperty("ring", False)
        self._cells = FilmstripDelegate(session, lambda: self._keys_are_used, self)
        self.setItemDelegate(self._cells)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setFixedHeight(CELL.height() + _BAR_PX)
        self.setMouseTracking(True)
        self.setAcceptDrops(False)

    def set_slim(self, on: bool) -> None:
        """Whether a cell is its words alone."""
        if on != self._cells.slim:
            self._cells.slim = on
            self.setFixedHeight(SLIM.height() if on else CELL.height() + _BAR_PX)
            self.scheduleDelayedItemsLayout()

    def set_grid(self, on: bool) -> None:
        off, needed = Qt.ScrollBarPolicy.ScrollBarAlwaysOff, Qt.ScrollBarPolicy.ScrollBarAsNeeded
        self.setWrapping(on)
        self.setResizeMode(QListView.ResizeMode.Adjust if on else QListView.ResizeMode.Fixed)
        self.setVerticalScrollBarPolicy(needed if on else off)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        if on:
            self.setMinimumHeight(CELL.height() + _BAR_PX)
            self.setMaximumHeight(_NO_LIMIT_PX)
        else:
            self.setFixedHeight(CELL.height() + _BAR_PX)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.isWrapping():
            super().wheelEvent(event)
            return
        delta = event.pixelDelta() if not event.pixelDelta().isNull() else event.angleDelta()
        by = delta.x() or delta.y()
        bar = self.horizontalScrollBar()
        bar.setValue(bar.value() - by)
        event.accept()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The current photo stays in sight, unless it was scrolled out of it on purpose."""
        before = QRect(QPoint(), event.oldSize())
        cell = self.visualRect(self.currentIndex())
        super().resizeEvent(event)
        if cell.isValid() and (before.isEmpty() or before.intersects(cell)):
            self.scrollTo(self.currentIndex())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        at = event.position().toPoint()
        index = self.indexAt(at)
        if index.isValid() and event.button() == Qt.MouseButton.LeftButton:
            cell = self.visualRect(index)
            if at.y() > self._cells.thumb(cell).bottom() and at.x() > cell.right() - STATE_PX:
                self.state_clicked.emit(index.row())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.remove_requested.emit()
            event.accept()
            return
        if event.key() == Qt.Key.Key_Space or event.text().strip():
            event.ignore()  # Space and 1..4 belong to the photo, not to the list's type-ahead
            return
        if event.key() in _MOVES:
            self._show_ring(True)
        super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        if event.reason() not in _BACK_AGAIN:
            self._show_ring(event.reason() != Qt.FocusReason.MouseFocusReason)
        super().focusInEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._show_ring(False)
        super().mousePressEvent(event)

    def _show_ring(self, shown: bool) -> None:
        if shown == self._keys_are_used:
            return
        self._keys_are_used = shown
        self.setProperty("ring", shown)
        self.style().unpolish(self)
        self.style().polish(self)
        self.viewport().update()


class Filmstrip(QWidget):
    """The list and its summary. Says what is wanted; the page does it."""

    remove_requested = Signal(list)  # item ids
    retry_requested = Signal(list)  # item ids; empty: all that failed
    save_all_requested = Signal()
    menu_requested = Signal(QPoint)  # global position
    photo_wanted = Signal()  # the current one, large: it was double-clicked

    def __init__(self, session: Session, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.model = FilmstripModel(session, thumbnails)
        self.list = FilmstripList(session)
        self.shown = Shown(self.model, session.at)
        self.list.setModel(self.shown)
        self.list.setAccessibleName("Queue of photos")
        self.list.setToolTip("Photos to restore. Arrow keys choose, Delete takes one off the list.")
        self.summary = QLabel()
        self.summary.setProperty("role", "caption")
        self.time_left = QLabel()
        self.time_left.setProperty("role", "caption")
        for label in (self.summary, self.time_left):
            label.setAlignment(Qt.AlignmentFlag.AlignRight)
            label.setWordWrap(True)
        self.retry = QPushButton("Retry")
        self.retry.setToolTip(
            "Restore every photo again that failed or was cancelled; those that ask what is to go wait for your answer"
        )
        self.save_all = QPushButton("Save all")
        self.save_all.setToolTip(
            "Save every restored photo that is not saved yet; those in which nothing was found stay as they are"
        )
        for button in (self.retry, self.save_all):
            button.setAccessibleName(button.toolTip().partition(";")[0])
            button.setProperty("compact", True)
            button.hide()
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch(1)
        buttons.addWidget(self.retry)
        buttons.addWidget(self.save_all)
        self._side = QWidget()
        side = self._beside = QVBoxLayout(self._side)
        side.setContentsMargins(8, 4, 0, 4)
        side.setSpacing(4)
        side.addWidget(self.summary)
        side.addWidget(self.time_left)
        side.addStretch(1)
        side.addLayout(buttons)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 4, 16, 4)
        layout.setSpacing(8)
        layout.addWidget(self.list, 1)
        layout.addWidget(self._side)

        self._syncing = False
        self.list.selectionModel().currentChanged.connect(self._view_moved)
        self.list.remove_requested.connect(lambda: self.remove_requested.emit(self.selected_ids()))
        self.list.customContextMenuRequested.connect(
            lambda at: self.menu_requested.emit(self.list.viewport().mapToGlobal(at))
        )
        self.list.state_clicked.connect(self._state_clicked)
        self.list.doubleClicked.connect(lambda _index: self.photo_wanted.emit())
        self.retry.clicked.connect(lambda: self.retry_requested.emit([]))
        self.save_all.clicked.connect(self.save_all_requested)
        session.current_changed.connect(self._session_moved)
        session.was_reset.connect(lambda: self._session_moved(session.current))
        session.summary_changed.connect(self._summarise)
        self._session_moved(session.current)
        self._summarise()

    def selected_ids(self) -> list[str]:
        """Ids of the selected cells in queue order."""
        chosen = self.list.selectionModel().selection()  # few ranges
        if sum(part.height() for part in chosen) == len(self._session):  # type: ignore[attr-defined]
            return [
                item.id for item in self._session.items()
            ]  # each row of ten thousand asked for would take long
        rows = sorted(index.row() for index in self.list.selectedIndexes())
        return [self._item_at(row).id for row in rows]

    def _item_at(self, row: int) -> Item:
        """Of the list, which may leave photos out and sort them."""
        item: Item = self.shown.index(row, 0).data(ITEM_ROLE)
        return item

    def step(self, by: int) -> None:
        """Make the neighbour in the strip the current photo; stops at the ends."""
        count = self.shown.rowCount()
        if not count:
            return
        row = self.list.currentIndex().row()
        target = 0 if row < 0 else min(max(row + by, 0), count - 1)
        self._session.set_current(self._item_at(target).id)

    @property
    def is_grid(self) -> bool:
        return self.list.isWrapping()

    def set_grid(self, on: bool) -> None:
        """All photos at once, in rows, instead of one row of them."""
        self.list.set_grid(on)
        self.setSizePolicy(
            QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding if on else QSizePolicy.Policy.Preferred
        )
        self.list.scrollTo(self.list.currentIndex())

    def set_batch(self, words: str) -> None:
        """What every photo that waits, and every one that is added, is restored with; empty: nothing runs by itself."""
        if words != self.model.batch:
            self.model.batch = words
            self.list.viewport().update()

    def set_time_left(self, text: str) -> None:
        self.time_left.setText(text)

    def set_unsaved(self, count: int) -> None:
        self._show_button(self.save_all, count > 1)
        self.save_all.setText(f"Save all {count:,}")

    def _show_button(self, button: QPushButton, shown: bool) -> None:
        """A button that goes once it has done its work leaves the keys to the photos, not to what comes after it."""
        if not shown and button.hasFocus():
            self.list.setFocus()
        button.setVisible(shown)

    def _summarise(self) -> None:
        summary = self._session.summary
        self.summary.setText(summary.text)
        self._set_slim(summary.total == 1)
        again = summary.failed + summary.cancelled
        self._show_button(self.retry, again > 0)
        self.retry.setText(f"Retry {again:,}")

    def _set_slim(self, on: bool) -> None:
        """A photo alone is seen large above: the strip keeps to one line."""
        self.list.set_slim(on)
        self.summary.setVisible(not on)
        self._beside.setDirection(
            QBoxLayout.Direction.LeftToRight if on else QBoxLayout.Direction.TopToBottom
        )
        self._beside.setContentsMargins(8, 0 if on else 4, 0, 0 if on else 4)

    def _view_moved(self, index: QModelIndex) -> None:
        if not self._syncing and index.isValid():
            self._session.set_current(self._item_at(index.row()).id)

    def _session_moved(self, item: Item | None) -> None:
        row = None if item is None else self._session.row_of(item.id)
        index = QModelIndex() if row is None else self.shown.mapFromSource(self.model.index(row))
        if row is None or (index.isValid() and index.row() == self.list.currentIndex().row()):
            self.list.viewport().update()
            return
        self._syncing = True
        self.list.selectionModel().setCurrentIndex(
            index, QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        )
        if index.isValid():
            self.list.scrollTo(index)
        self._syncing = False
        self.list.viewport().update()

    def _state_clicked(self, row: int) -> None:
        """A click on "⚠ retry" itself retries."""
        item = self._item_at(row)
        if item.state is ItemState.FAILED and not item.asks:
            self.retry_requested.emit([item.id])

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._side.setFixedWidth(SUMMARY_WIDTH_PX if self.width() >= ROOMY_PX else SUMMARY_NARROW_PX)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange:
            self.list.viewport().update()
        super().changeEvent(event)
