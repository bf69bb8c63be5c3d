"""Photos as tiles with what is taken for their shadow drawn over them, and what a hand and keys do with a tile."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import (
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
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolTip,
    QWidget,
)

from memorynet_gui.base.thumbnails import Thumbnails
from memorynet_gui.look import icons
from memorynet_gui.restore.masks.review import GuessReview, Tile, TileState
from memorynet_gui.widgets.hold import HoldSpace
from memorynet_gui.widgets.parts import elided_within

TILE_ROLE = Qt.ItemDataRole.UserRole + 1
PHOTO = QSize(200, 150)  # three of them in a row of the smallest window
PAD = 6
LINE_PX = 17  # of the two lines below the photo
CELL = QSize(PHOTO.width() + 2 * PAD, PHOTO.height() + 2 * LINE_PX + 2 * PAD + 2)
SHADOW = QColor("#e0483e")
_OPACITY = 0.55  # of the overlay where the mask is full
_BUTTON_PX, _BUTTON_ROOM_PX = 28, 4
ACCEPT, LEAVE_OUT, CORRECT = "accept", "leave out", "correct"
_BUTTONS = ((ACCEPT, "mdi6.check"), (LEAVE_OUT, "mdi6.close"), (CORRECT, "mdi6.brush-variant"))
WORDS = {
    ACCEPT: ("Use guess", "What is tinted is the shadow", "Enter"),
    LEAVE_OUT: (
        "Not here",
        "No shadow to take out here: this photo stays as it is; again takes it back",
        "Del",
    ),
    CORRECT: (
        "Draw by hand…",
        "Correct the guess, or paint the shadow, with a brush",
        "E, or a double click",
    ),
}
"""What stands on a button, what it does, its keys"""

Index = QModelIndex | QPersistentModelIndex


def overlay(small: np.ndarray, colour: QColor = SHADOW) -> QImage:
    """A picture to lay over a photo: ``colour`` where the mask (h, w) uint8 is, clear elsewhere."""
    alpha = np.rint(small.astype(np.float32) * _OPACITY).astype(np.uint32)
    red, green, blue = ((alpha * part + 127) // 255 for part in (colour.red(), colour.green(), colour.blue()))
    pixels = np.ascontiguousarray((alpha << 24) | (red << 16) | (green << 8) | blue)
    height, width = pixels.shape
    return QImage(pixels.data, width, height, width * 4, QImage.Format.Format_ARGB32_Premultiplied).copy()


class TileModel(QAbstractListModel):
    """The review's tiles for Qt's view; thumbnails are asked for only when a tile is painted."""

    def __init__(self, review: GuessReview, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._review, self._thumbnails = review, thumbnails
        self._overlays: dict[str, tuple[np.ndarray, QImage]] = {}
        review.reset.connect(self._reset)
        review.changed.connect(lambda row: self.dataChanged.emit(self.index(row), self.index(row)))
        thumbnails.ready.connect(self._came)
        thumbnails.failed.connect(self._came)

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._review.tiles)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self._review.tiles):
            return None
        tile = self._review.tiles[index.row()]
        if role == TILE_ROLE:
            return tile
        if role == Qt.ItemDataRole.DisplayRole:
            return tile.path.name
        if role == Qt.ItemDataRole.DecorationRole:
            return self._thumbnails.get(tile.path)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            why = f": {tile.problem.sentence}" if tile.problem is not None else ""
            first = tile.path.name if role == Qt.ItemDataRole.AccessibleTextRole else f"{tile.path}\n"
            return f"{first}{', ' if first == tile.path.name else ''}{tile.words}{why}"
        return None

    def overlay_of(self, tile: Tile) -> QImage | None:
        if tile.small is None or tile.state is TileState.OUT:
            return None
        known = self._overlays.get(tile.item_id)
        if known is None or known[0] is not tile.small:
            known = self._overlays[tile.item_id] = (tile.small, overlay(tile.small))
        return known[1]

    def _reset(self) -> None:
        self.beginResetModel()
        self._overlays.clear()
        self.endResetModel()

    def _came(self, path: object) -> None:
        for row, tile in enumerate(self._review.tiles):
            if tile.path == path:
                self.dataChanged.emit(self.index(row), self.index(row))


class TileDelegate(QStyledItemDelegate):
    """The whole photo, its mask over it, name and state below; three buttons on the tile that is pointed at."""

    def __init__(self, model: TileModel, parent: TileList) -> None:
        super().__init__(parent)
        self._model, self._list = model, parent

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return CELL

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        tile: Tile | None = index.data(TILE_ROLE)
        if tile is None:
            return
        # PySide's stubs leave out the option's data members
        rect: QRect = option.rect
        palette: QPalette = option.palette
        state: QStyle.StateFlag = option.state
        selected = bool(state & QStyle.StateFlag.State_Selected)
        current = index.row() == self._list.currentIndex().row()
        secondary = palette.color(QPalette.ColorRole.PlaceholderText)
        out = tile.state is TileState.OUT

        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        frame = photo_rect(rect)
        shape = QPainterPath()
        shape.addRoundedRect(QRectF(frame), 4, 4)
        painter.fillPath(shape, palette.color(QPalette.ColorRole.Midlight))
        image = index.data(Qt.ItemDataRole.DecorationRole)
        if image is not None:
            painter.setClipPath(shape)
            place = QRect(QPoint(), image.size().scaled(frame.size(), Qt.AspectRatioMode.KeepAspectRatio))
            place.moveCenter(frame.center())
            painter.setOpacity(0.3 if out else 1.0)
            painter.drawImage(place, image)
            over = self._model.overlay_of(tile)
            if over is not None and self._list.masks_shown:
                painter.drawImage(place, over)
            painter.setOpacity(1.0)
            painter.setClipping(False)
        if tile.state in (TileState.USED, TileState.OWN, TileState.OUT):
            self._badge(painter, frame, palette, out)
        if selected or current:
            accent = palette.color(QPalette.ColorRole.Highlight)
            if not current:
                accent.setAlphaF(0.55)
            painter.setPen(QPen(accent, 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(frame).adjusted(-2, -2, 2, 2), 5, 5)
        if index.row() == self._list.pointed_row or (self._list.pointed_row < 0 and current):
            self._buttons(painter, rect)
        self._words(painter, frame, tile, palette, secondary, current)
        painter.restore()

    @staticmethod
    def _badge(painter: QPainter, frame: QRect, palette: QPalette, out: bool) -> None:
        """A tick for what a person has accepted or painted, a cross for what is left out."""
        round_ = QRectF(frame.left() + 6, frame.top() + 6, 22, 22)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 170) if out else palette.color(QPalette.ColorRole.Highlight))
        painter.drawEllipse(round_)
        ink = QColor("#ffffff") if out else palette.color(QPalette.ColorRole.HighlightedText)
        icons.draw(painter, "mdi6.close" if out else "mdi6.check", round_.adjusted(4, 4, -4, -4), ink)

    @staticmethod
    def _buttons(painter: QPainter, cell: QRect) -> None:
        for (_name, icon), place in zip(_BUTTONS, button_rects(cell), strict=True):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(0, 0, 0, 170))
            painter.drawRoundedRect(QRectF(place), 4, 4)
            icons.draw(painter, icon, QRectF(place).adjusted(5, 5, -5, -5), QColor("#ffffff"))

    @staticmethod
    def _words(
        painter: QPainter, frame: QRect, tile: Tile, palette: QPalette, secondary: QColor, current: bool
    ) -> None:
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        metrics = painter.fontMetrics()
        line = QRect(frame.left() + 1, frame.bottom() + 3, frame.width() - 2, LINE_PX)
        bright = palette.color(QPalette.ColorRole.Text)
        middle = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.setPen(bright)
        name = tile.path.name
        if metrics.horizontalAdvance(name) > line.width():
            name = elided_within(metrics, tile.path.stem, line.width())
        painter.drawText(line, middle, name)
        needs = tile.state in (TileState.NONE, TileState.FAILED)
        painter.setPen(bright if needs else secondary)
        words = metrics.elidedText(tile.words, Qt.TextElideMode.ElideRight, line.width())
        painter.drawText(line.translated(0, LINE_PX), middle, words)


def photo_rect(cell: QRect) -> QRect:
    return QRect(cell.topLeft() + QPoint(PAD, PAD), PHOTO)


def button_rects(cell: QRect) -> list[QRect]:
    """Of a tile's three buttons: at the lower right of its photo."""
    frame = photo_rect(cell)
    step = _BUTTON_PX + _BUTTON_ROOM_PX
    left = frame.right() - len(_BUTTONS) * step
    top = frame.bottom() - step
    return [QRect(left + step * number, top, _BUTTON_PX, _BUTTON_PX) for number in range(len(_BUTTONS))]


class TileList(QListView):
    """Tiles in rows. Keys: Enter accepts, Delete leaves out, E corrects, Space held shows the photos bare."""

    wish = Signal(str, int)  # ACCEPT, LEAVE_OUT, CORRECT; row
    key_wish = Signal(str)  # the same, for all that are selected

    def __init__(self, model: TileModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.masks_shown = True
        self.pointed_row = -1
        self.setModel(model)
        self.setItemDelegate(TileDelegate(model, self))
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(True)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QListView.Shape.NoFrame)
        self.setMouseTracking(True)
        self.setProperty("ring", False)  # the frame of the current tile says where keys go
        self.setAccessibleName("Photos with what is taken for their shadow")
        self.doubleClicked.connect(lambda index: self.wish.emit(CORRECT, index.row()))
        HoldSpace(lambda held: self.show_masks(not held), self)

    def show_masks(self, shown: bool) -> None:
        if shown != self.masks_shown:
            self.masks_shown = shown
            self.viewport().update()

    def selected_rows(self) -> list[int]:
        """Ascending; the current one where none is selected."""
        rows = sorted(index.row() for index in self.selectedIndexes())
        current = self.currentIndex()
        return rows or ([current.row()] if current.isValid() else [])

    def go_to(self, row: int) -> None:
        """Make a tile the current one, as far as there is one."""
        index = self.model().index(min(row, self.model().rowCount() - 1), 0)
        if index.isValid():
            self.setCurrentIndex(index)
            self.scrollTo(index)

    # --- events ----------------------------------------------------------------------------------

    def _button_at(self, at: QPoint) -> tuple[str, int] | None:
        index = self.indexAt(at)
        if not index.isValid():
            return None
        for (name, _icon), place in zip(_BUTTONS, button_rects(self.visualRect(index)), strict=True):
            if place.contains(at):
                return name, index.row()
        return None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        found = self._button_at(event.position().toPoint())
        if found is not None and event.button() == Qt.MouseButton.LeftButton:
            name, row = found
            self.setCurrentIndex(self.model().index(row, 0))
            self.wish.emit(name, row)
            return
        super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self._button_at(event.position().toPoint()) is not None:
            self.mousePressEvent(event)  # two quick clicks on a button are two clicks
        else:
            super().mouseDoubleClickEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._point(self.indexAt(event.position().toPoint()).row())
        super().mouseMoveEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._point(-1)
        super().leaveEvent(event)

    def _point(self, row: int) -> None:
        if row != self.pointed_row:
            self.pointed_row = row
            self.viewport().update()

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            found = self._button_at(event.pos())
            if found is not None:
                words, tip, keys = WORDS[found[0]]
                QToolTip.showText(event.globalPos(), f"{words}\n{tip} ({keys})", self)
                return True
        return super().viewportEvent(event)

    def event(self, event: QEvent) -> bool:
        """Keys that mean something else elsewhere in the window belong to the tiles while these have them."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            space = event.key() == Qt.Key.Key_Space and not event.modifiers()
            if space or self._meaning(event):
                event.accept()
                return True
        return super().event(event)

    @staticmethod
    def _meaning(event: QKeyEvent) -> str:
        if event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            return ""
        return {
            Qt.Key.Key_Return: ACCEPT,
            Qt.Key.Key_Enter: ACCEPT,
            Qt.Key.Key_Delete: LEAVE_OUT,
            Qt.Key.Key_Backspace: LEAVE_OUT,
            Qt.Key.Key_E: CORRECT,
            Qt.Key.Key_M: CORRECT,
        }.get(Qt.Key(event.key()), "")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        meaning = self._meaning(event)
        if meaning:
            self.key_wish.emit(meaning)
            event.accept()
        elif event.text().strip() and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            event.ignore()  # no type-ahead
        else:
            super().keyPressEvent(event)
