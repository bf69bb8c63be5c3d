"""The drawing area of one chart. Imports pyqtgraph, so it is imported when the first chart is shown.

pyqtgraph brings the scene, the range and what the hand does to it (wheel, drag, limits). Its axes work out their
ticks and play a recording of themselves at every repaint, and its curves are given every point: four linked charts
of a million points took several times what a repaint may take. So ticks come worked out, curves come merged to the
columns of the picture, and one item paints all of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pyqtgraph as pg
from pyqtgraph import functions
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFontMetricsF,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPen,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from memorynet_gui.look.theme import caption_font

_BLEED_PX = 4.0  # dots and thick lines at the edge are not cut in half
_EDGE_PX = 6  # the newest point, with the mark on it, lies on the right edge
_LABEL_GAP_PX = 6.0
_SHIFTS = (QPointF(0.0, 0.7), QPointF(0.7, 0.0))
"""A line of one pixel is drawn twenty times as fast as a wider one: bold is the same line twice or thrice."""
_BOTTOM_PX, _TOP_PX, _TOP_BARE_PX = 20, 18, 6
_KEY_ZOOM = 1.5
_CAPTION_PX = 14.0


@dataclass(frozen=True, slots=True)
class Stroke:
    """A curve in pixels of the plot's rectangle."""

    polygon: QPolygonF
    colour: QColor
    weight: int = 1  # 1, 2 or 3
    has_dots: bool = False
    dash: tuple[float, ...] = ()


@dataclass(slots=True)
class Scene:
    """What one chart shows; places are shares of the plot's width and height, from the lower left."""

    grid: list[float] = field(default_factory=list)
    strokes: list[Stroke] = field(default_factory=list)
    reference: tuple[float, str] | None = None  # a level and its words
    mark: tuple[float, float] | None = None
    corner: str = ""  # the unit of the left axis, at the upper left
    right_corner: str = ""
    words: str = ""  # in the middle, where there is nothing to draw
    crosshair: float | None = None
    dots: list[tuple[float, float, QColor]] = field(default_factory=list)  # on the crosshair


@dataclass(frozen=True, slots=True)
class Look:
    """The theme's colours, by what they are for here."""

    panel: QColor
    line: QColor
    text: QColor
    secondary: QColor
    accent: QColor


def polygon(points: np.ndarray) -> QPolygonF:
    """Of (n, 2) float64, without a Python object for every point."""
    found: QPolygonF = functions.arrayToQPolygonF(points[:, 0], points[:, 1])
    return found


def zigzag(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(n,) columns as one line of (2n, 2) points that goes up one column and down the next."""
    points = np.empty((2 * len(x), 2))
    points[:, 0] = np.repeat(x, 2)
    points[0::4, 1], points[1::4, 1] = low[0::2], high[0::2]
    points[2::4, 1], points[3::4, 1] = high[1::2], low[1::2]
    return points


class _Axis(pg.AxisItem):
    """Draws the ticks it is given; ``show_ticks`` takes (share of its length, text)."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self.enableAutoSIPrefix(False)
        self.setStyle(tickLength=0)
        self.setZValue(1)
        self.ticks: list[tuple[float, str]] = []
        self.colour = QColor("grey")
        self._font = caption_font()

    def show_ticks(self, ticks: list[tuple[float, str]], colour: QColor) -> None:
        self.ticks, self.colour = ticks, colour
        self.update()

    def room_px(self) -> int:
        """How wide the words are."""
        metrics = QFontMetricsF(self._font)
        return math.ceil(max((metrics.horizontalAdvance(text) for _, text in self.ticks), default=0.0))

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None) -> None:
        view = self.linkedView()
        if view is None or not self.ticks:
            return
        painter.setFont(self._font)
        painter.setPen(self.colour)
        along = view.mapRectToItem(self, view.rect())
        if self.orientation == "bottom":
            self._paint_bottom(painter, along)
            return
        align = Qt.AlignmentFlag.AlignVCenter
        align |= Qt.AlignmentFlag.AlignRight if self.orientation == "left" else Qt.AlignmentFlag.AlignLeft
        width = self.size().width() - _LABEL_GAP_PX
        left = 0.0 if self.orientation == "left" else _LABEL_GAP_PX
        for share, text in self.ticks:
            y = along.bottom() - share * along.height()
            painter.drawText(QRectF(left, y - 10, width, 20), align, text)

    def _paint_bottom(self, painter: QPainter, along: QRectF) -> None:
        metrics = QFontMetricsF(self._font)
        free = -math.inf  # words that would touch are left out, from the left; the last one stays
        placed: list[tuple[float, float, str]] = []
        for share, text in self.ticks:
            width = metrics.horizontalAdvance(text)
            x = along.left() + share * along.width() - width / 2
            x = min(max(x, along.left() - 8), along.right() - width)
            while placed and text == self.ticks[-1][1] and x < placed[-1][1] + 8:
                placed.pop()
            if x >= free or text == self.ticks[-1][1]:
                placed.append((x, x + width, text))
                free = x + width + 8
        for x, end, text in placed:
            painter.drawText(QRectF(x, 3, end - x + 1, 16), Qt.AlignmentFlag.AlignLeft, text)


class _Canvas(pg.GraphicsObject):
    """Paints everything within the axes, in pixels."""

    def __init__(self, plot: pg.PlotItem, look: Look) -> None:
        super().__init__()
        self._plot = plot
        self.look = look
        self.scene_shown = Scene()
        self._font = caption_font()
        self.setParentItem(plot)
        self.setZValue(2)

    def area(self) -> QRectF:
        """The rectangle between the axes, in the plot's pixels."""
        return QRectF(self._plot.vb.geometry())

    def boundingRect(self) -> QRectF:
        return QRectF(self._plot.rect())

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None) -> None:
        area, scene, look = self.area(), self.scene_shown, self.look
        painter.save()
        painter.setFont(self._font)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(look.line, 1))
        for share in scene.grid:
            y = round(area.bottom() - share * area.height())
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        painter.setClipRect(area.adjusted(-_BLEED_PX, -_BLEED_PX, _BLEED_PX, _BLEED_PX))
        self._paint_reference(painter, area)
        painter.translate(area.topLeft())
        for stroke in scene.strokes:
            self._paint_stroke(painter, stroke)
        painter.translate(-area.topLeft())
        painter.setClipping(False)
        self._paint_words(painter, area)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        if scene.mark is not None:
            at = self._at(area, *scene.mark)
            painter.setPen(QPen(look.text, 1.6))
            painter.setBrush(look.panel)
            painter.drawEllipse(at, 4.0, 4.0)
        self._paint_crosshair(painter, area)
        painter.restore()

    @staticmethod
    def _at(area: QRectF, x: float, y: float) -> QPointF:
        return QPointF(area.left() + x * area.width(), area.bottom() - y * area.height())

    def _paint_reference(self, painter: QPainter, area: QRectF) -> None:
        if self.scene_shown.reference is None:
            return
        level, words = self.scene_shown.reference
        y = area.bottom() - level * area.height()
        pen = QPen(self.look.secondary, 1)
        pen.setDashPattern([4, 4])
        painter.setPen(pen)
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        above = y - area.top() > 24
        top = y - 16 if above else y + 1
        painter.setPen(self.look.secondary)
        painter.drawText(QRectF(area.left(), top, area.width() - 2, 15), Qt.AlignmentFlag.AlignRight, words)

    @staticmethod
    def _paint_stroke(painter: QPainter, stroke: Stroke) -> None:
        polygon = stroke.polygon
        if polygon.isEmpty():
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        pen = QPen(stroke.colour, 1)
        if stroke.dash:
            pen.setDashPattern(list(stroke.dash))
        painter.setPen(pen)
        if polygon.size() > 1:
            painter.drawPolyline(polygon)
            for shift in _SHIFTS[: stroke.weight - 1]:
                painter.translate(shift)
                painter.drawPolyline(polygon)
                painter.translate(-shift)
        if stroke.has_dots or polygon.size() == 1:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(stroke.colour)
            for point in polygon.toList():
                painter.drawEllipse(point, 2.4, 2.4)

    def _paint_words(self, painter: QPainter, area: QRectF) -> None:
        scene = self.scene_shown
        painter.setPen(self.look.secondary)
        whole = self._plot.rect()  # units stand above the numbers
        corner = QRectF(whole.left(), area.top() - _TOP_PX, whole.width(), _CAPTION_PX)
        if scene.corner:
            painter.drawText(corner, Qt.AlignmentFlag.AlignLeft, scene.corner)
        if scene.right_corner:
            painter.drawText(corner, Qt.AlignmentFlag.AlignRight, scene.right_corner)
        if scene.words:
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(area.adjusted(8, 0, -8, 0), flags, scene.words)

    def _paint_crosshair(self, painter: QPainter, area: QRectF) -> None:
        scene = self.scene_shown
        if scene.crosshair is None or not 0.0 <= scene.crosshair <= 1.0:
            return
        x = area.left() + scene.crosshair * area.width()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(self.look.secondary, 1))
        painter.drawLine(QPointF(round(x), area.top()), QPointF(round(x), area.bottom()))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(QPen(self.look.panel, 1.5))
        for along, up, colour in scene.dots:
            painter.setBrush(colour)
            painter.drawEllipse(self._at(area, along, up), 4.0, 4.0)


class _Range(pg.ViewBox):
    """Zooms at the pointer; a wheel or pad that goes sideways moves along."""

    def wheelEvent(self, event: pg.QtWidgets.QGraphicsSceneWheelEvent, axis: int | None = None) -> None:
        if event.orientation() == Qt.Orientation.Horizontal:
            first, last = self.viewRange()[0]
            self.translateBy(x=-(last - first) * event.delta() / 1200)
            event.accept()
        else:
            super().wheelEvent(event, axis)


class CurvePlot(pg.PlotWidget):
    """One chart's axes and curves. Says what the hand wants; whoever owns it answers with ``show_scene``."""

    moved = Signal(float, float)  # the hand or the keyboard has moved the range: first and last step
    pointed = Signal(object)  # the step under the pointer, a float; None: it left
    stepped = Signal(int)  # the crosshair is to go that many points
    jumped = Signal(bool)  # ... to the newest (True) or the first
    fit_requested = Signal()
    resized = Signal()
    focused = Signal(bool)

    def __init__(self, look: Look) -> None:
        axes = {side: _Axis(side) for side in ("left", "bottom", "right")}
        super().__init__(background=look.panel, axisItems=axes, viewBox=_Range(enableMenu=False))
        self._axes = axes
        self._is_setting = False
        plot = self.getPlotItem()
        plot.hideButtons()
        plot.setMenuEnabled(False)
        plot.setContentsMargins(0, _TOP_BARE_PX, _EDGE_PX, 0)
        axes["bottom"].setHeight(_BOTTOM_PX)
        view = plot.getViewBox()
        view.setMouseEnabled(True, False)
        view.disableAutoRange()
        view.setDefaultPadding(0)
        view.setYRange(0, 1, padding=0)
        self.canvas = _Canvas(plot, look)
        self.setViewportUpdateMode(self.ViewportUpdateMode.FullViewportUpdate)
        self.setCacheMode(self.CacheModeFlag.CacheNone)
        self.setMinimumSize(120, 60)
        self.viewport().setFocusProxy(None)  # one thing to stop at for the Tab key, not two
        self.viewport().setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        view.sigXRangeChanged.connect(self._range_moved)
        self.scene().sigMouseMoved.connect(self._pointer_moved)
        self.set_look(look)

    # --- what is shown ---------------------------------------------------------------------------

    def set_look(self, look: Look) -> None:
        self.canvas.look = look
        self.setBackground(look.panel)
        for axis in self._axes.values():
            axis.show_ticks(axis.ticks, look.secondary)

    @property
    def first(self) -> float:
        return float(self.getViewBox().viewRange()[0][0])

    @property
    def last(self) -> float:
        return float(self.getViewBox().viewRange()[0][1])

    def area(self) -> QRectF:
        """Between the axes, pixels."""
        return self.canvas.area()

    def set_limits(self, last: float, least_steps: float) -> None:
        """The range stays within 0..``last`` and shows at least ``least_steps``."""
        self._is_setting = True
        try:
            self.getViewBox().setLimits(xMin=0, xMax=last, minXRange=min(least_steps, last))
        finally:
            self._is_setting = False

    def set_range(self, first: float, last: float) -> None:
        """Show these steps; not told by ``moved``."""
        self._is_setting = True
        try:
            view = self.getViewBox()
            view.setXRange(first, last, padding=0)
            view.updateMatrix()  # left for the paint event it would ask for another one
        finally:
            self._is_setting = False

    def set_headroom(self, has_units: bool) -> None:
        """Room above the axes for their units."""
        plot, top = self.getPlotItem(), _TOP_PX if has_units else _TOP_BARE_PX
        if plot.getContentsMargins()[1] != top:
            plot.setContentsMargins(0, top, _EDGE_PX, 0)
            plot.layout.activate()

    def set_ticks(
        self, bottom: list[tuple[float, str]], left: list[tuple[float, str]], right: list[tuple[float, str]]
    ) -> None:
        """(share of the axis, text) each. Makes room for the words."""
        changed = False
        for side, ticks in (("bottom", bottom), ("left", left), ("right", right)):
            axis = self._axes[side]
            axis.show_ticks(ticks, self.canvas.look.secondary)
            if side == "bottom":
                continue
            # in steps of 8, and not back again at once: the curves are not to jump with every digit
            room = -(-(axis.room_px() + int(_LABEL_GAP_PX)) // 8) * 8 if ticks else 0
            if room > axis.width() or room < axis.width() - 16 or not room:
                changed = changed or round(axis.width()) != room
                axis.setWidth(room)
        if changed:
            self.getPlotItem().layout.activate()

    def show_scene(self, scene: Scene) -> None:
        self.canvas.scene_shown = scene
        self.canvas.update()

    # --- what the hand does ------------------------------------------------------------------------

    def _range_moved(self, _view: pg.ViewBox, span: tuple[float, float]) -> None:
        if not self._is_setting:
            self.getViewBox().updateMatrix()
            self.moved.emit(float(span[0]), float(span[1]))

    def step_at(self, x: float) -> float | None:
        """The step below ``x`` pixels from this widget's left; None beside the plot."""
        area = self.area()
        if not area.left() - 1 <= x <= area.right() + 1 or area.width() < 1:
            return None
        return self.first + (x - area.left()) / area.width() * (self.last - self.first)

    def _pointer_moved(self, at: QPointF) -> None:
        self.pointed.emit(self.step_at(at.x()))

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.pointed.emit(None)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.fit_requested.emit()
        event.accept()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        if event is not None and hasattr(self, "canvas"):  # pyqtgraph calls it before there is one
            self.getPlotItem().layout.activate()
            self.resized.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, shift = event.key(), bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier):
            event.ignore()
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.stepped.emit((10 if shift else 1) * (1 if key == Qt.Key.Key_Right else -1))
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self.jumped.emit(key == Qt.Key.Key_End)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self._zoom(1 / _KEY_ZOOM)
        elif key == Qt.Key.Key_Minus:
            self._zoom(_KEY_ZOOM)
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            width = self.last - self.first
            self.getViewBox().translateBy(x=(0.5 if key == Qt.Key.Key_PageDown else -0.5) * width)
        elif key == Qt.Key.Key_Z:
            self.fit_requested.emit()
        elif key == Qt.Key.Key_Escape and self.canvas.scene_shown.crosshair is not None:
            self.pointed.emit(None)
        else:
            event.ignore()

    def _zoom(self, factor: float) -> None:
        crosshair = self.canvas.scene_shown.crosshair
        share = crosshair if crosshair is not None and 0 <= crosshair <= 1 else 0.5
        self.getViewBox().scaleBy(x=factor, center=(self.first + share * (self.last - self.first), 0.5))

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.focused.emit(event.reason() != Qt.FocusReason.MouseFocusReason)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.focused.emit(False)
