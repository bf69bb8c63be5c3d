"""The filmstrip: the queue as thumbnails with name and state, and the words about all of it at the right."""

from __future__ import annotations

from collections.abc import Callable
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
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPalette,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QListView,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from core.restoring.verdict import words
from memorynet_gui.base.thumbnails import Thumbnails
from memorynet_gui.look import icons
from memorynet_gui.restore.batch.shown import Shown
from memorynet_gui.restore.queue_item import Item, ItemState
from memorynet_gui.restore.session import Session
from memorynet_gui.widgets.parts import elided_within

ITEM_ROLE = Qt.ItemDataRole.UserRole + 1
STATUS_ROLE = Qt.ItemDataRole.UserRole + 3  # the few words under the thumbnail
FAILED_ROLE = Qt.ItemDataRole.UserRole + 2  # no thumbnail can be made
THUMB = QSize(120, 68)
PAD = 4
_NAME_PX = 38  # of a caption, at the least
CAPTION_PX = 20
CELL = QSize(THUMB.width() + 2 * PAD, THUMB.height() + CAPTION_PX + 2 * PAD)
STATE_PX = 56  # at the right of the caption: the state, which can be clicked
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
            told = words(item.result.made.verdict, item.result.made.task) if item.result is not None else ""
            return f"{told}; {kept}" if told else kept
        case ItemState.FAILED:
            return item.problem.sentence if item.problem else "needs a look"
        case ItemState.CANCELLED:
            return "cancelled; restore it again whenever you like"
    told = item.look.words if item.look is not None else ""
    state = f"waits its turn: {batch}" if batch else "not restored yet"
    return f"{told}; {state}" if told else state


class FilmstripDelegate(QStyledItemDelegate):
    """Draws one cell: photo cropped to fill, name at the left, state at the right."""

    def __init__(self, session: Session, keys_are_used: Callable[[], bool], parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._keys_are_used = session, keys_are_used

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return CELL

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        item: Item | None = index.data(ITEM_ROLE)
        if item is None:
            return
        # PySide's stubs leave out the option's data members
        rect: QRect = option.rect
        palette: QPalette = option.palette
        state: QStyle.StateFlag = option.state
        selected = bool(state & QStyle.StateFlag.State_Selected)
        focused = bool(state & QStyle.StateFlag.State_HasFocus) and self._keys_are_used()
        current = item == self._session.current
        secondary = palette.color(QPalette.ColorRole.PlaceholderText)

        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        photo = QRect(rect.topLeft() + QPoint(PAD, PAD), THUMB)
        shape = QPainterPath()
        shape.addRoundedRect(QRectF(photo), 4, 4)
        # the style sheet has made the view's own Base and Button transparent
        painter.fillPath(shape, palette.color(QPalette.ColorRole.Midlight))
        image = index.data(Qt.ItemDataRole.DecorationRole)
        if image is not None:
            painter.setClipPath(shape)
            if item.state is ItemState.CANCELLED:
                painter.setOpacity(0.55)
            painter.drawImage(photo, image, _cover(image.size(), photo.size()))
            painter.setOpacity(1.0)
            painter.setClipping(False)
        elif index.data(FAILED_ROLE):
            square = QRectF(0, 0, 24, 24)
            square.moveCenter(QRectF(photo).center())
            icons.draw(painter, "mdi6.image-broken-variant", square, secondary)
        if item.state is ItemState.RUNNING and item.tile_count:
            self._bar(painter, photo, item.tile / item.tile_count, palette)
        if current or selected:
            accent = palette.color(QPalette.ColorRole.Highlight)
            if not current:
                accent.setAlphaF(0.55)
            painter.setPen(QPen(accent, 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(photo).adjusted(-1, -1, 1, 1), 5, 5)
        if focused:
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Text), 1, Qt.PenStyle.DotLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(photo).adjusted(-3.5, -3.5, 3.5, 3.5), 6, 6)

        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        metrics = painter.fontMetrics()
        caption = QRect(photo.left() + 1, photo.bottom() + 1, photo.width() - 2, CAPTION_PX)
        status = str(index.data(STATUS_ROLE))
        # a name that is only dots says nothing: it keeps some room
        status = metrics.elidedText(status, Qt.TextElideMode.ElideRight, caption.width() - _NAME_PX)
        width = metrics.horizontalAdvance(status)
        bright = palette.color(QPalette.ColorRole.Text)
        needs_a_look = item.state is ItemState.FAILED
        painter.setPen(bright if needs_a_look or item.state is ItemState.RUNNING else secondary)
        painter.drawText(caption, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, status)
        name_rect = caption.adjusted(0, 0, -(width + 4), 0)
        painter.setPen(bright if current else secondary)
        name = item.name
        if metrics.horizontalAdvance(name) > name_rect.width():  # the number matters more than ".JPG"
            name = elided_within(metrics, item.path.stem, name_rect.width())
        painter.drawText(name_rect, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)
        painter.restore()

    @staticmethod
    def _bar(painter: QPainter, photo: QRect, share: float, palette: QPalette) -> None:
        track = QRectF(photo.left() + 6, photo.bottom() - 8, photo.width() - 12, 3)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 150))
        painter.drawRoundedRect(track, 1.5, 1.5)
        painter.setBrush(palette.color(QPalette.ColorRole.Highlight))
        painter.drawRoundedRect(QRectF(track.left(), track.top(), track.width() * share, 3), 1.5, 1.5)


def _cover(image: QSize, cell: QSize) -> QRect:
    """The part of the image that fills the cell without distorting it."""
    scale = max(cell.width() / image.width(), cell.height() / image.height())
    width, height = cell.width() / scale, cell.height() / scale
    return QRectF((image.width() - width) / 2, (image.height() - height) / 2, width, height).toRect()


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
        self.setItemDelegate(FilmstripDelegate(session, lambda: self._keys_are_used, self))
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setFixedHeight(CELL.height() + 14)
        self.setMouseTracking(True)
        self.setAcceptDrops(False)

    def set_grid(self, on: bool) -> None:
        off, needed = Qt.ScrollBarPolicy.ScrollBarAlwaysOff, Qt.ScrollBarPolicy.ScrollBarAsNeeded
        self.setWrapping(on)
        self.setResizeMode(QListView.ResizeMode.Adjust if on else QListView.ResizeMode.Fixed)
        self.setVerticalScrollBarPolicy(needed if on else off)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        if on:
            self.setMinimumHeight(CELL.height() + 14)
            self.setMaximumHeight(_NO_LIMIT_PX)
        else:
            self.setFixedHeight(CELL.height() + 14)

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
            inside = at - self.visualRect(index).topLeft()
            if inside.y() > PAD + THUMB.height() and inside.x() > CELL.width() - STATE_PX:
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
        self.retry.setToolTip("Restore every photo again that failed or was cancelled")
        self.save_all = QPushButton("Save all")
        self.save_all.setToolTip("Save every restored photo that is not saved yet")
        for button in (self.retry, self.save_all):
            button.setAccessibleName(button.toolTip())
            button.setProperty("compact", True)
            button.hide()
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch(1)
        buttons.addWidget(self.retry)
        buttons.addWidget(self.save_all)
        self._side = QWidget()
        side = QVBoxLayout(self._side)
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
        again = summary.failed + summary.cancelled
        self._show_button(self.retry, again > 0)
        self.retry.setText(f"Retry {again:,}")

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
