"""The before/after picture for saving and sharing."""

from __future__ import annotations

import math

from PySide6.QtCore import QPoint, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter

from memorynet_gui.compare.scene import CHECKER_LIGHT, ORIGINAL, RESTORED, Grid, Scene, to_qimage

_MAX_EDGE_PX = 32767  # what QImage and most viewers take
_MAX_PIXELS = 400_000_000
_STRIP_PX = 1024
_PAPER, _INK = QColor(0x1B, 0x1B, 0x1B), QColor(0xE6, 0xE6, 0xE6)
_STACKS_FROM = 2.0  # photos wider than this many heights stand one above the other
_CAPTION_FROM_PX = 96  # smaller pictures go without captions


def comparison_image(scene: Scene, max_px: int | None, font: QFont) -> QImage:
    """Original and restored (at the scene's strength) with a caption each, as one RGB picture.

    Side by side, or one above the other for very wide photos. ``max_px`` limits the longer edge of the
    result; photos are never enlarged. Raises ``ValueError`` when there is nothing to compare.
    """
    if scene.original is None or scene.restored is None:
        raise ValueError(
            f"nothing to compare: {'no photo' if scene.original is None else 'not restored yet'}"
        )
    if max_px is not None and max_px < 1:
        raise ValueError(f"max_px is {max_px}, need at least 1")
    h, w = scene.original.shape
    stacked = w > _STACKS_FROM * h
    zoom = _zoom(w, h, stacked, max_px)
    photo_w, photo_h = max(1, math.ceil(w * zoom - 1e-3)), max(1, math.ceil(h * zoom - 1e-3))
    strip, gap = _furniture(photo_w, photo_h)
    total_w = photo_w if stacked else 2 * photo_w + gap
    total_h = 2 * (photo_h + strip) + gap if stacked else photo_h + strip
    out = QImage(total_w, total_h, QImage.Format.Format_RGB32)
    if out.isNull():
        raise MemoryError(f"no memory for a comparison of {total_w}x{total_h} px")
    out.fill(_PAPER)
    painter = QPainter(out)
    grid = Grid(zoom, photo_w, photo_h, max(4, round(min(photo_w, photo_h) / 64)), CHECKER_LIGHT)
    strength = round(100 * scene.strength)
    captions = ("Original", "Restored" if strength == 100 else f"Restored, strength {strength} %")
    for index, (kind, caption) in enumerate(zip((ORIGINAL, RESTORED), captions, strict=True)):
        x = 0 if stacked else index * (photo_w + gap)
        y = index * (photo_h + strip + gap) if stacked else 0
        _paint_photo(painter, scene, kind, grid, QPoint(x, y))
        if strip:
            face = QFont(font)
            face.setPixelSize(max(9, round(strip * 0.5)))
            painter.setFont(face)
            painter.setPen(_INK)
            label = QRectF(x + strip * 0.35, y + photo_h, photo_w - strip * 0.7, strip)
            painter.drawText(label, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, caption)
    painter.end()
    return out


def _furniture(photo_w: int, photo_h: int) -> tuple[int, int]:
    """Height of a caption strip and width of the gap, in pixels; none on a picture too small for words."""
    if photo_w < _CAPTION_FROM_PX or photo_h < _CAPTION_FROM_PX / 2:
        return 0, min(2, photo_w, photo_h)
    edge = min(0.035 * max(photo_w, photo_h), 0.08 * min(photo_w, photo_h))
    return max(18, round(edge)), max(2, round(0.15 * edge))


def _zoom(w: int, h: int, stacked: bool, max_px: int | None) -> float:
    """The largest zoom up to 100 % at which the whole picture stays within its limits."""
    limit = min(_MAX_EDGE_PX, max_px or _MAX_EDGE_PX)

    def fits(zoom: float) -> bool:
        photo_w, photo_h = max(1, math.ceil(w * zoom - 1e-3)), max(1, math.ceil(h * zoom - 1e-3))
        strip, gap = _furniture(photo_w, photo_h)
        total_w = photo_w if stacked else 2 * photo_w + gap
        total_h = 2 * (photo_h + strip) + gap if stacked else photo_h + strip
        return max(total_w, total_h) <= limit and total_w * total_h <= _MAX_PIXELS

    if fits(1.0):
        return 1.0
    low, high = 1e-9, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _paint_photo(painter: QPainter, scene: Scene, kind: str, grid: Grid, at: QPoint) -> None:
    for y in range(0, grid.height, _STRIP_PX):
        for x in range(0, grid.width, _STRIP_PX):
            x1, y1 = min(grid.width, x + _STRIP_PX), min(grid.height, y + _STRIP_PX)
            pixels = scene.pixels(kind, grid, x, y, x1, y1)
            image, _buffer = to_qimage(pixels)
            painter.drawImage(at + QPoint(x, y), image)
