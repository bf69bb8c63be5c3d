"""What the memory says, drawn over the photo: a tint on a fixed scale, pins, and lines to where content came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QLinearGradient, QPainter, QPen

CELL_PX = 8  # of the memory's grid, in pixels of the photo when that is looked at in its own size
PIN_RADIUS = 9.0  # logical px
_PLATE = QColor(16, 16, 16, 200)
_INK = QColor(255, 255, 255)
_INSET = 12.0
_PIN_ROOM = 24.0
_BADGE_ROOM = 44.0
_RAMP_W, _SHORT_RAMP_W, _RAMP_H = 120.0, 48.0, 8.0
_TIMES_LEGEND = 8  # as much as the whole legend a photo must show to have it


@dataclass(frozen=True, slots=True)
class Tint:
    """Values of the memory's grid as a colour over the photo: none at or below ``threshold``, all of ``opacity`` at 1.

    The scale is fixed from 0 to 1: nothing is stretched to a photo's own largest value, so what is clean stays clean.
    """

    values: np.ndarray = field(repr=False)  # (h, w) float32, 0..1
    colour: str  # "#rrggbb"
    title: str  # for the legend
    low: str = "0"
    high: str = "1"
    threshold: float = 0.0
    opacity: float = 0.75
    cell_px: tuple[float, float] = (CELL_PX, CELL_PX)  # width and height of a cell in pixels of the photo
    smooth: bool = True

    def alpha(self) -> np.ndarray:
        """(h, w) float32, 0..opacity."""
        span = max(1e-6, 1.0 - self.threshold)
        share = np.clip((self.values - self.threshold) / span, 0, 1)
        # begins to show at once above the threshold, or the weakest third would be lost on a photo
        return np.where(share > 0, self.opacity * (0.25 + 0.75 * share), 0).astype(np.float32)

    def image(self) -> QImage:
        """One pixel a cell, premultiplied."""
        alpha = np.clip(self.alpha() * 255 + 0.5, 0, 255)
        colour = QColor(self.colour)
        rows, columns = alpha.shape
        bgra = np.empty((rows, columns, 4), np.uint8)
        for channel, level in enumerate((colour.blue(), colour.green(), colour.red())):
            bgra[..., channel] = alpha * (level / 255)
        bgra[..., 3] = alpha
        made = QImage(bgra.data, columns, rows, bgra.strides[0], QImage.Format.Format_ARGB32_Premultiplied)
        return made.copy()  # owns its pixels


@dataclass(frozen=True, slots=True)
class Mark:
    """A rectangle of the photo, in its pixels, and how it is drawn."""

    x: int
    y: int
    width: int
    height: int
    label: str = ""
    share: float = 1.0  # of the strongest among several

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


def draw_box(painter: QPainter, rect: QRectF, colour: QColor, strong: bool) -> None:
    """A box that shows on any photo: light within dark."""
    least = 7.0
    if rect.width() < least or rect.height() < least:
        middle = rect.center()
        rect = QRectF(0, 0, max(least, rect.width()), max(least, rect.height()))
        rect.moveCenter(middle)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(0, 0, 0, 170), 4 if strong else 3))
    painter.drawRect(rect)
    painter.setPen(QPen(colour, 2 if strong else 1.4))
    painter.drawRect(rect)


def draw_pin(painter: QPainter, at: QPointF, label: str, font: QFont, chosen: bool, accent: QColor) -> None:
    painter.setPen(QPen(QColor(0, 0, 0, 150), 1.5))
    painter.setBrush(accent if chosen else QColor(24, 24, 24, 225))
    painter.drawEllipse(at, PIN_RADIUS, PIN_RADIUS)
    painter.setFont(font)
    painter.setPen(QColor(15, 22, 32) if chosen and accent.lightness() > 128 else _INK)
    box = QRectF(at.x() - PIN_RADIUS, at.y() - PIN_RADIUS, 2 * PIN_RADIUS, 2 * PIN_RADIUS)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, label)


def draw_line(painter: QPainter, start: QPointF, end: QPointF, colour: QColor, share: float) -> None:
    """From a place to where its content came from; ``share`` 0..1 of the strongest."""
    width = 1.0 + 1.5 * share
    painter.setPen(QPen(QColor(0, 0, 0, 130), width + 2))
    painter.drawLine(start, end)
    painter.setPen(QPen(colour, width))
    painter.drawLine(start, end)


def legend_rect(tint: Tint, font: QFont, photo: QRectF, pins: Sequence[QRectF] = ()) -> QRectF | None:
    """Where the legend lies: at the photo's lower right; where a pin stands there, at the lower left or under the badges above, the
    first that is free. On a small photo it has no title and a short ramp, see :func:`draw_legend`; None where even that would
    cover too much."""
    metrics = QFontMetricsF(font)
    title_w = metrics.horizontalAdvance(tint.title)
    ends = metrics.horizontalAdvance(tint.low) + metrics.horizontalAdvance(tint.high)
    w, h = max(title_w, _RAMP_W + 12 + ends) + 20, 2 * metrics.height() + 14
    if photo.width() * photo.height() < _TIMES_LEGEND * w * h:
        w, h = _SHORT_RAMP_W + 12 + ends + 20, metrics.height() + 10
    if photo.width() < w + 2 * _INSET or photo.height() < 3 * h:
        return None
    rect = QRectF(round(photo.right() - _INSET - w), round(photo.bottom() - _INSET - h), round(w), round(h))
    left, top = round(photo.left() + _INSET), round(photo.top() + _BADGE_ROOM)
    for x, y in ((rect.left(), rect.top()), (left, rect.top()), (rect.left(), top), (left, top)):
        there = QRectF(x, y, rect.width(), rect.height())
        near = there.adjusted(-_PIN_ROOM, 0, _PIN_ROOM, _PIN_ROOM)  # the disc stands above and beside its box
        if not any(near.intersects(pin) for pin in pins):
            return there
    return rect


def draw_legend(painter: QPainter, tint: Tint, rect: QRectF, font: QFont) -> None:
    """The colour as it lies over a middle grey, from 0 to 1, with the threshold as a tick; in a rectangle of one line no title."""
    metrics = QFontMetricsF(font)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_PLATE)
    painter.drawRoundedRect(rect, 4, 4)
    painter.setFont(font)
    painter.setPen(_INK)
    inner = rect.adjusted(10, 5, -10, -5)
    middle = Qt.AlignmentFlag.AlignVCenter
    line_h = metrics.height()
    has_title = rect.height() > 2 * line_h
    if has_title:
        title = QRectF(inner.left(), inner.top(), inner.width(), line_h)
        painter.drawText(title, middle | Qt.AlignmentFlag.AlignLeft, tint.title)
    y = inner.top() + (line_h + 4 if has_title else 0)
    low_w = metrics.horizontalAdvance(tint.low)
    painter.drawText(QRectF(inner.left(), y, low_w + 2, line_h), middle, tint.low)
    ramp = QRectF(
        inner.left() + low_w + 6, y + (line_h - _RAMP_H) / 2, _RAMP_W if has_title else _SHORT_RAMP_W, _RAMP_H
    )
    painter.fillRect(ramp, QColor(112, 112, 112))
    colour = QColor(tint.colour)
    shade = QLinearGradient(ramp.topLeft(), ramp.topRight())
    for stop, alpha in ((0.0, 0.25 * tint.opacity), (1.0, tint.opacity)):
        shown = QColor(colour)
        shown.setAlphaF(min(1.0, alpha))
        shade.setColorAt(stop, shown)
    begin = ramp.left() + ramp.width() * tint.threshold
    painter.fillRect(QRectF(begin, ramp.top(), ramp.right() - begin, ramp.height()), shade)
    if tint.threshold > 0:
        painter.setPen(QPen(_INK, 1.5))
        painter.drawLine(QPointF(begin, ramp.top() - 2), QPointF(begin, ramp.bottom() + 2))
    painter.setPen(_INK)
    painter.drawText(QRectF(ramp.right() + 6, y, 200, line_h), middle, tint.high)
