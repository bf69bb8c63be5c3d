"""What lies over the compared photo: the wipe line with its handle, badges, the legend, the focus ring."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QLinearGradient, QPainter, QPen, QPolygonF

from memorynet_gui.compare.scene import DIFFERENCE_GAIN

HANDLE_RADIUS = 16.0
LINE_REACH = 8.0  # how far beside the line the pointer still takes hold of it, logical px

_PLATE = QColor(16, 16, 16, 190)
_INK = QColor(255, 255, 255)
_SHADE = QColor(0, 0, 0, 90)
_INSET = 12.0  # badge to the photo's edge
_PAD_X, _PAD_Y = 8.0, 4.0
_GRIP_W = 10.0
_RAMP_W, _RAMP_H = 96.0, 8.0


@dataclass(frozen=True, slots=True)
class Badge:
    """A small plate with a word on it. ``grip`` marks the one that can be dragged out of the window."""

    text: str
    rect: QRectF
    grip: bool = False


def caption_font(base: QFont) -> QFont:
    font = QFont(base)
    font.setPixelSize(11)
    return font


def place_badge(text: str, font: QFont, part: QRectF, right: bool, grip: bool = False) -> Badge | None:
    """A badge in a top corner of the visible ``part`` of the photo, or None where it would cover too much."""
    metrics = QFontMetricsF(font)
    w = metrics.horizontalAdvance(text) + 2 * _PAD_X + (_GRIP_W if grip else 0)
    h = metrics.height() + 2 * _PAD_Y
    if part.width() < w + 2 * _INSET or part.height() < 4 * h:
        return None
    x = part.right() - _INSET - w if right else part.left() + _INSET
    return Badge(text, QRectF(round(x), round(part.top() + _INSET), round(w), round(h)), grip)


def draw_badge(painter: QPainter, badge: Badge, font: QFont, hot: bool = False) -> None:
    _plate(painter, badge.rect, hot)
    text = badge.rect
    if badge.grip:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(255, 255, 255, 230 if hot else 140))
        x, y = badge.rect.left() + _PAD_X + 0.5, badge.rect.center().y()
        for column in (0.0, 4.0):
            for row in (-4.0, 0.0, 4.0):
                painter.drawEllipse(QPointF(x + column, y + row), 1.1, 1.1)
        text = badge.rect.adjusted(_GRIP_W, 0, 0, 0)
    painter.setFont(font)
    painter.setPen(_INK)
    painter.drawText(text, Qt.AlignmentFlag.AlignCenter, badge.text)


def draw_legend(painter: QPainter, font: QFont, part: QRectF, restored: bool) -> None:
    """What the grey of the difference means, in the lower left corner; shorter or absent on a small photo."""
    metrics = QFontMetricsF(font)
    title = f"Difference ×{DIFFERENCE_GAIN}" if restored else "No difference: not restored yet"
    top = f"{round(255 / DIFFERENCE_GAIN)} levels of 255"
    title_w = metrics.horizontalAdvance(title)
    low_w, top_w = metrics.horizontalAdvance("0"), metrics.horizontalAdvance(top)
    h = metrics.height() + 2 * _PAD_Y
    short_w = title_w + 2 * _PAD_X
    long_w = short_w + 16 + low_w + 6 + _RAMP_W + 6 + top_w
    if part.height() < 4 * h or part.width() < short_w + 2 * _INSET:
        return
    whole = restored and part.width() >= long_w + 2 * _INSET
    plate = QRectF(
        round(part.left() + _INSET), round(part.bottom() - _INSET - h), round(long_w if whole else short_w), h
    )
    _plate(painter, plate)
    painter.setFont(font)
    painter.setPen(_INK)
    middle = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
    x = plate.left() + _PAD_X
    painter.drawText(QRectF(x, plate.top(), title_w + 2, h), middle, title)
    if not whole:
        return
    x += title_w + 16
    painter.setPen(QColor(255, 255, 255, 190))
    painter.drawText(QRectF(x, plate.top(), low_w + 2, h), middle, "0")
    x += low_w + 6
    ramp = QRectF(x, plate.center().y() - _RAMP_H / 2, _RAMP_W, _RAMP_H)
    grey = QLinearGradient(ramp.topLeft(), ramp.topRight())
    grey.setColorAt(0, QColor(0, 0, 0))
    grey.setColorAt(1, QColor(255, 255, 255))
    painter.fillRect(ramp, grey)
    x += _RAMP_W + 6
    painter.drawText(QRectF(x, plate.top(), top_w + 2, h), middle, top)


@dataclass(frozen=True, slots=True)
class WipeLine:
    """The line between before and after, and the round handle on it; logical px."""

    x: float
    top: float
    bottom: float
    handle: QPointF
    radius: float

    def takes(self, at: QPointF) -> bool:
        """Whether the pointer takes hold of it here."""
        off = at - self.handle
        if off.x() ** 2 + off.y() ** 2 <= self.radius**2:
            return True
        return abs(at.x() - self.x) <= LINE_REACH and self.top <= at.y() <= self.bottom


def place_line(x: float, photo: QRectF, room: QRectF) -> WipeLine | None:
    """The wipe line at ``x`` over the visible ``photo``; None where the photo is too narrow to be divided.

    On a flat photo the handle hangs below it, so as not to cover what it compares.
    """
    if photo.width() < 2 * LINE_REACH:
        return None
    radius = HANDLE_RADIUS
    if photo.height() >= 6 * radius:
        return WipeLine(x, photo.top(), photo.bottom(), QPointF(x, photo.center().y()), radius)
    y = min(photo.bottom() + 1.5 * radius, room.bottom() - radius)
    return WipeLine(x, photo.top() - 4, y - radius, QPointF(x, y), radius)


def draw_line(painter: QPainter, line: WipeLine, hot: bool) -> None:
    height = line.bottom - line.top
    painter.fillRect(QRectF(line.x - 2, line.top, 4, height), QColor(0, 0, 0, 60))
    painter.fillRect(QRectF(line.x - 1, line.top, 2, height), _INK)
    painter.setPen(QPen(_SHADE, 1))
    painter.setBrush(_INK if hot else QColor(244, 244, 244))
    painter.drawEllipse(line.handle, line.radius, line.radius)
    ink = QColor(40, 40, 40)
    painter.setPen(QPen(ink, 1.6, c=Qt.PenCapStyle.RoundCap, j=Qt.PenJoinStyle.RoundJoin))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for side in (-1.0, 1.0):  # two chevrons that point away from the line
        tip = line.handle + QPointF(side * 8.5, 0)
        painter.drawPolyline(QPolygonF([tip + QPointF(-side * 4, -4.5), tip, tip + QPointF(-side * 4, 4.5)]))
    painter.drawLine(line.handle - QPointF(8, 0), line.handle + QPointF(8, 0))


def draw_focus(painter: QPainter, rect: QRectF, colour: QColor) -> None:
    painter.setPen(QPen(colour, 2))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(rect.adjusted(1, 1, -1, -1))


def draw_arrival(painter: QPainter, rect: QRectF, age: float) -> None:
    """A tile has just arrived: its outline fades as ``age`` goes from 0 to 1."""
    painter.setPen(QPen(QColor(255, 255, 255, round(150 * (1 - age))), 1.5))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(rect.adjusted(1, 1, -1, -1))


def _plate(painter: QPainter, rect: QRectF, hot: bool = False) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(16, 16, 16, 215) if hot else _PLATE)
    painter.drawRoundedRect(rect, 4, 4)
