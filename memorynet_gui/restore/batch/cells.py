"""How a photo of the queue is drawn in the strip: a thumbnail with name and state, or these alone."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPalette, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from memorynet_gui.look import icons
from memorynet_gui.restore.queue_item import Item, ItemState
from memorynet_gui.restore.session import Session
from memorynet_gui.widgets.parts import elided_within

ITEM_ROLE = Qt.ItemDataRole.UserRole + 1
STATUS_ROLE = Qt.ItemDataRole.UserRole + 3  # the few words under the thumbnail
FAILED_ROLE = Qt.ItemDataRole.UserRole + 2  # no thumbnail can be made
THUMB = QSize(136, 76)  # wide enough for "✓ much shadow" and some of a name below it
PAD = 4
_GAP_PX = 20  # between name and state where the photo is not above them
_NAME_PX = 38  # of a caption, at the least
CAPTION_PX = 20
CELL = QSize(THUMB.width() + 2 * PAD, THUMB.height() + CAPTION_PX + 2 * PAD)
SLIM = QSize(360, CAPTION_PX + 2 * PAD)  # of the only photo, which is seen large: its words alone
STATE_PX = 56  # at the right of the caption: the state, which can be clicked

Index = QModelIndex | QPersistentModelIndex


class FilmstripDelegate(QStyledItemDelegate):
    """Draws one cell: photo cropped to fill, name at the left, state at the right; without the photo where it is slim."""

    def __init__(self, session: Session, keys_are_used: Callable[[], bool], parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._keys_are_used = session, keys_are_used
        self.slim = False

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return SLIM if self.slim else CELL

    def thumb(self, cell: QRect) -> QRect:
        """Where a cell shows the photo; without height where it is slim."""
        size = QSize(SLIM.width() - 2 * PAD, 0) if self.slim else THUMB
        return QRect(cell.topLeft() + QPoint(PAD, PAD), size)

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

        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        photo = self.thumb(rect)
        if not self.slim:
            self._photo(painter, photo, index, item, palette, selected, current)
        if focused:
            around = -1.5 if self.slim else 3.5
            ring = QRectF(rect if self.slim else photo).adjusted(-around, -around, around, around)
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Text), 1, Qt.PenStyle.DotLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(ring, 6, 6)
        self._caption(painter, photo, index, item, palette, current)
        painter.restore()

    def _photo(
        self,
        painter: QPainter,
        photo: QRect,
        index: Index,
        item: Item,
        palette: QPalette,
        selected: bool,
        current: bool,
    ) -> None:
        secondary = palette.color(QPalette.ColorRole.PlaceholderText)
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

    def _caption(
        self, painter: QPainter, photo: QRect, index: Index, item: Item, palette: QPalette, current: bool
    ) -> None:
        secondary = palette.color(QPalette.ColorRole.PlaceholderText)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        metrics = painter.fontMetrics()
        caption = QRect(photo.left() + 1, photo.bottom() + 1, photo.width() - 2, CAPTION_PX)
        status = str(index.data(STATUS_ROLE))
        # a name that is only dots says nothing: it keeps some room
        status = metrics.elidedText(status, Qt.TextElideMode.ElideRight, caption.width() - _NAME_PX)
        width = metrics.horizontalAdvance(status)
        if self.slim:  # nothing stands above that would hold the two together
            caption.setWidth(min(caption.width(), metrics.horizontalAdvance(item.name) + width + _GAP_PX))
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
