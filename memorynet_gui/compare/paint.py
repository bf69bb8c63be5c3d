"""Puts the tiles of a sheet on the screen, or a coarser draft while a gesture goes on."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QPainter

from memorynet_gui.compare.scene import TILE_PX, TileCache

HURRIED_TILES = 40
"""What one repaint may compute during a gesture: some 12 ms. Only canvases above 2 megapixels need more."""


def paint_sheet(
    painter: QPainter, tiles: TileCache, kind: str, sheet: QPoint, part: QRect, hurried: bool
) -> bool:
    """Paint what lies in ``part`` of a kind's sheet, whose corner is at ``sheet``; False when it is a draft.

    All in device pixels of the widget. A draft is painted only when ``hurried`` and too many tiles are missing.
    """
    x0, y0 = part.left() - sheet.x(), part.top() - sheet.y()
    x1, y1 = x0 + part.width(), y0 + part.height()
    columns = range(x0 // TILE_PX, (x1 - 1) // TILE_PX + 1)
    rows = range(y0 // TILE_PX, (y1 - 1) // TILE_PX + 1)
    if hurried:
        missing = sum(not tiles.has(kind, column, row) for row in rows for column in columns)
        if missing > HURRIED_TILES:
            coarse = 2 if missing <= 4 * HURRIED_TILES else 3
            _paint_draft(painter, tiles, kind, sheet, part, coarse)
            return False
    for row in rows:
        for column in columns:
            image = tiles.tile(kind, column, row)
            left, top = column * TILE_PX, row * TILE_PX
            cut = QRect(
                QPoint(max(x0, left) - left, max(y0, top) - top),
                QPoint(min(x1, left + TILE_PX) - left - 1, min(y1, top + TILE_PX) - top - 1),
            )
            at = QPoint(sheet.x() + left + cut.left(), sheet.y() + top + cut.top())
            painter.drawImage(at, image, cut)
    return True


def _paint_draft(
    painter: QPainter, tiles: TileCache, kind: str, sheet: QPoint, part: QRect, coarse: int
) -> None:
    image, place = tiles.draft(kind, part.translated(-sheet.x(), -sheet.y()), coarse)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.setClipRect(part)
    painter.drawImage(place.translated(sheet), image)
    painter.restore()
