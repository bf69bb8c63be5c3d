"""Samples and slots of the memory as a map: what lies close is alike. Linked with the photo and the slots below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPixmap,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QHBoxLayout, QSizePolicy, QToolTip, QVBoxLayout, QWidget

from core import extras
from memorynet_gui.look.theme import caption_font
from memorynet_gui.memory.likeness import image_of
from memorynet_gui.widgets.parts import Elided
from memorynet_gui.widgets.segments import Segments

if TYPE_CHECKING:
    from core.model.exemplars import Exemplar, SampleMemory
    from core.restoring.memory.map import MemoryMap
    from core.restoring.memory.record import MemoryLook

_MARGIN_PX = 16
_THUMB_PX, _LARGEST_THUMB_PX = 12.0, 40.0
_NEAR_PX = 10.0
_ZOOM, _MOST_ZOOM = 1.25, 24.0
_RINGED = 4  # samples most like the place that is looked at
_KEY_PAN_PX = 40
_PAN = {
    Qt.Key.Key_Left: (_KEY_PAN_PX, 0),
    Qt.Key.Key_Right: (-_KEY_PAN_PX, 0),
    Qt.Key.Key_Up: (0, _KEY_PAN_PX),
    Qt.Key.Key_Down: (0, -_KEY_PAN_PX),
}
SPREAD, LIKENESS = "spread", "likeness"
ARRANGEMENTS = (
    (
        SPREAD,
        "Spread",
        "The two directions in which samples and slots differ most (PCA): straight, but much is laid over",
    ),
    (LIKENESS, "Likeness", "What is alike stands together (t-SNE); takes a few seconds"),
)


class MapPlot(QWidget):
    """The wheel zooms, a drag pans, a double-click shows all. Slots are dots, samples are small pictures. The arrow keys go from
    slot to slot, Enter chooses one; with Ctrl they pan, plus and minus zoom."""

    slot_hovered = Signal(int)  # row of the table, -1: none
    slot_chosen = Signal(int)
    sample_hovered = Signal(object)  # (kind, index), or None

    def __init__(self, colours: Callable[[str], QColor], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colours = colours
        self._map: MemoryMap | None = None
        self._look: MemoryLook | None = None
        self._samples: SampleMemory | None = None
        self._images: dict[int, QImage] = {}  # by number of the sample in the map
        self._laid: tuple[tuple[object, ...], QPixmap] | None = (
            None  # all samples as they lie, and for which view
        )
        self._names: Callable[[int], str] = lambda _row: ""
        self._arrows: tuple[tuple[str, np.ndarray, np.ndarray], ...] = ()
        self._place: np.ndarray | None = None  # (2,) of the place looked at
        self._ringed: frozenset[int] = frozenset()
        self._hot_slot = self._hot_sample = -1
        self._lit_slot = -1  # hovered elsewhere
        self._zoom, self._pan = 1.0, QPointF()
        self._press: QPointF | None = None
        self._last = QPointF()
        self._dragged = False
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Map of the memory's samples and slots")
        self.setMinimumSize(200, 110)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_map(
        self,
        look: MemoryLook | None,
        found: MemoryMap | None,
        samples: SampleMemory | None,
        names: Callable[[int], str],
    ) -> None:
        """``names`` gives what a person calls a slot, by its row in the table."""
        self._look, self._map, self._samples, self._names = look, found, samples, names
        self._images.clear()
        self._laid = None
        self._arrows, self._place, self._ringed = (), None, frozenset()
        self._hot_slot = self._hot_sample = self._lit_slot = -1
        self._zoom, self._pan = 1.0, QPointF()
        count = 0 if found is None else len(found.sample_of)
        slots = 0 if found is None else len(found.slots)
        self.setAccessibleDescription(f"{count} samples, {slots} slots")
        self.update()

    def show_arrows(self, arrows: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> None:
        """Places of the photo: (label, query before restoring (D,), query after it (D,))."""
        if self._map is not None:
            self._arrows = tuple(
                (label, self._map.place(before[None])[0], self._map.place(after[None])[0])
                for label, before, after in arrows
            )
            self.update()

    def show_place(self, query: np.ndarray | None) -> None:
        """The place of the photo that is looked at, (D,), with rings around the samples most like it."""
        place, ringed = None, frozenset[int]()
        if query is not None and self._map is not None:
            place = self._map.place(query[None])[0]
            if self._samples is not None and len(self._map.sample_of):
                import torch

                numbers = {key: number for number, key in enumerate(self._map.sample_of)}
                for kind in ("positive", "negative"):
                    near = self._samples.nearest(torch.from_numpy(query[None]), kind, _RINGED)
                    ringed |= {numbers[kind, int(index)] for index in near.indices[0]}
        self._place, self._ringed = place, ringed
        self.update()

    def light_slot(self, row: int) -> None:
        """A slot that is looked at elsewhere; -1: none."""
        if row != self._lit_slot:
            self._lit_slot = row
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(420, 240)

    # --- where things lie --------------------------------------------------------------------------

    def _scale(self) -> np.ndarray:
        """(2,): pixels for each unit of the map, right and up. The room is used as it is: the directions are no lengths."""
        assert self._map is not None
        left, low, right, high = self._map.bounds
        room = max(20, self.width() - 2 * _MARGIN_PX), max(20, self.height() - 2 * _MARGIN_PX)
        return self._zoom * np.array([room[0] / max(right - left, 1e-6), room[1] / max(high - low, 1e-6)])

    def _points(self, where: np.ndarray) -> np.ndarray:
        """(N, 2) of the map -> (N, 2) px of the widget."""
        assert self._map is not None
        left, low, right, high = self._map.bounds
        middle = np.array([(left + right) / 2, (low + high) / 2])
        at = (where - middle) * self._scale() * np.array([1, -1])
        found: np.ndarray = at + np.array(
            [self.width() / 2 + self._pan.x(), self.height() / 2 + self._pan.y()]
        )
        return found

    def _thumb_px(self) -> float:
        return min(_LARGEST_THUMB_PX, _THUMB_PX * self._zoom**0.6)

    def _thing_at(self, at: QPointF) -> tuple[int, int]:
        """Row of a slot and number of a sample, at most one of them not -1; slots lie above samples."""
        if self._map is None:
            return -1, -1
        here = np.array([at.x(), at.y()])
        for where, near in ((self._map.slots, _NEAR_PX), (self._map.samples, self._thumb_px() * 0.7)):
            if len(where):
                away = np.hypot(*(self._points(where) - here).T)
                best = int(away.argmin())
                if away[best] <= near:
                    return (best, -1) if where is self._map.slots else (-1, best)
        return -1, -1

    # --- painting ----------------------------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if self._map is None or self._look is None:
            painter.end()
            return
        self._paint_samples(painter)
        self._paint_slots(painter)
        self._paint_places(painter)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 2))
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        painter.end()

    def _paint_samples(self, painter: QPainter) -> None:
        """Hundreds of pictures are laid out once for each view; a pointer over the photo moves but a few rings."""
        assert self._map is not None
        if not len(self._map.samples):
            return
        points, edge = self._points(self._map.samples), self._thumb_px()
        colours = {kind: self._colours(kind) for kind in {kind for kind, _index in self._map.sample_of}}
        ratio = self.devicePixelRatioF()
        view = (
            *self.size().toTuple(),
            ratio,
            self._zoom,
            *self._pan.toTuple(),
            *(colour.rgba() for colour in colours.values()),
        )
        if self._laid is None or self._laid[0] != view:
            pixmap = QPixmap(self.size() * ratio)
            pixmap.setDevicePixelRatio(ratio)
            pixmap.fill(Qt.GlobalColor.transparent)
            layer = QPainter(pixmap)
            layer.setRenderHints(painter.renderHints())
            for number, (kind, _index) in enumerate(self._map.sample_of):
                self._paint_sample(layer, number, points[number], edge, QPen(colours[kind], 1))
            layer.end()
            self._laid = view, pixmap
        painter.drawPixmap(0, 0, self._laid[1])
        strong = QPen(self.palette().color(QPalette.ColorRole.Text), 2)
        for number in self._ringed - {self._hot_sample}:
            self._paint_sample(painter, number, points[number], edge * 1.4, strong)
        if self._hot_sample >= 0:
            self._paint_sample(painter, self._hot_sample, points[self._hot_sample], edge * 2.2, strong)

    def _paint_sample(
        self, painter: QPainter, number: int, at: np.ndarray, size_px: float, frame: QPen
    ) -> None:
        box = QRectF(0, 0, size_px, size_px)
        box.moveCenter(QPointF(*at))
        if QRectF(self.rect()).intersects(box):
            painter.drawImage(box, self._image(number))
            painter.setPen(frame)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(box)

    def _image(self, number: int) -> QImage:
        if number not in self._images:
            self._images[number] = image_of(self._sample(number).thumbnail)
        return self._images[number]

    def _sample(self, number: int) -> Exemplar:
        assert self._map is not None and self._samples is not None
        return self._samples.exemplar(*self._map.sample_of[number])

    def _paint_slots(self, painter: QPainter) -> None:
        assert self._map is not None and self._look is not None
        points = self._points(self._map.slots)
        around = self.palette().color(QPalette.ColorRole.Window)
        for (polarity, granularity), rows in self._look.slices.items():
            radius = {"part": 3.0, "instance": 4.5}.get(granularity, 6.0)
            painter.setBrush(self._colours(polarity))
            for row in range(rows.start, rows.stop):
                hot = row in (self._hot_slot, self._lit_slot)
                ring = self.palette().color(QPalette.ColorRole.Text) if hot else around
                painter.setPen(QPen(ring, 2 if hot else 1))
                at = QPointF(*points[row])
                painter.drawEllipse(at, radius + 2 * hot, radius + 2 * hot)
        row = self._hot_slot if self._hot_slot >= 0 else self._lit_slot
        if row >= 0:
            painter.setFont(caption_font())
            painter.setPen(self.palette().color(QPalette.ColorRole.Text))
            painter.drawText(QPointF(*points[row]) + QPointF(9, 4), self._slot_words(row))

    def _slot_words(self, row: int) -> str:
        assert self._look is not None
        (polarity, granularity), number = self._look.group_of(row)
        called = self._names(row)
        name = f"{polarity} {granularity} {number}"
        return f"{name} · {called}" if called else name

    def _paint_places(self, painter: QPainter) -> None:
        accent = self.palette().color(QPalette.ColorRole.Highlight)
        painter.setFont(caption_font())
        for label, before, after in self._arrows:
            start, end = (QPointF(*self._points(each[None])[0]) for each in (before, after))
            painter.setPen(QPen(accent, 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(start, 4, 4)
            painter.drawLine(start, end)
            painter.setBrush(accent)
            painter.drawEllipse(end, 3.5, 3.5)
            painter.drawText(start + QPointF(7, -6), label)
        if self._place is not None:
            at = QPointF(*self._points(self._place[None])[0])
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(accent, 2))
            painter.drawEllipse(at, 7, 7)
            painter.drawLine(at - QPointF(11, 0), at + QPointF(11, 0))
            painter.drawLine(at - QPointF(0, 11), at + QPointF(0, 11))

    # --- hand --------------------------------------------------------------------------------------

    def _touch(self, at: QPointF | None) -> None:
        slot, sample = (-1, -1) if at is None else self._thing_at(at)
        if slot != self._hot_slot:
            self._hot_slot = slot
            self.slot_hovered.emit(slot)
            self.update()
        if sample != self._hot_sample:
            self._hot_sample = sample
            assert self._map is not None or sample < 0
            self.sample_hovered.emit(None if sample < 0 or self._map is None else self._map.sample_of[sample])
            self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._press = self._last = event.position()
            self._dragged = False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        if self._press is None:
            self._touch(at)
            return
        if (at - self._press).manhattanLength() >= QApplication.startDragDistance():
            self._dragged = True
        if self._dragged:
            self._pan += at - self._last
            self.update()
        self._last = at

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._press is not None and not self._dragged:
            slot, _sample = self._thing_at(event.position())
            if slot >= 0:
                self.slot_chosen.emit(slot)
        self._press = None

    def mouseDoubleClickEvent(self, _event: QMouseEvent) -> None:
        self._zoom, self._pan = 1.0, QPointF()
        self.update()

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._zoom_by(_ZOOM ** (event.angleDelta().y() / 120), event.position())
        event.accept()

    def _zoom_by(self, factor: float, at: QPointF) -> None:
        zoom = min(_MOST_ZOOM, max(1.0, self._zoom * factor))
        middle = QPointF(self.width() / 2, self.height() / 2)
        away = at - middle - self._pan
        self._pan = at - middle - away * (zoom / self._zoom)
        self._zoom = zoom
        if zoom == 1.0:
            self._pan = QPointF()
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        self._touch(None)
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        middle = QPointF(self.width() / 2, self.height() / 2)
        if key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self._zoom_by(_ZOOM, middle)
        elif key in (Qt.Key.Key_Minus, Qt.Key.Key_Underscore):
            self._zoom_by(1 / _ZOOM, middle)
        elif key in _PAN and event.modifiers() & Qt.KeyboardModifier.ControlModifier and self._zoom > 1:
            self._pan += QPointF(*_PAN[key])
            self.update()
        elif key in _PAN and self._map is not None and len(self._map.slots):
            self._step(*_PAN[key])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self._hot_slot >= 0:
            self.slot_chosen.emit(self._hot_slot)
        else:
            super().keyPressEvent(event)

    def _step(self, dx: float, dy: float) -> None:
        """To the nearest slot that way; ``dx`` and ``dy`` are how the plot would pan to show it."""
        assert self._map is not None
        points = self._points(self._map.slots)
        here = self._hot_slot if self._hot_slot >= 0 else self._lit_slot
        at = points[here] if here >= 0 else np.array([self.width() / 2, self.height() / 2])
        away = points - at
        ahead = -(away @ np.array([np.sign(dx), np.sign(dy)]))
        aside = np.abs(away @ np.array([np.sign(dy), np.sign(dx)]))
        reach = np.where((ahead > 0.5) & (aside <= 2 * ahead), ahead + 2 * aside, np.inf)
        found = int(reach.argmin())
        if np.isfinite(reach[found]):
            self._hot_slot = found
            self.setAccessibleDescription(self._slot_words(found))
            self.slot_hovered.emit(found)
            self.update()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            at: QPoint = event.pos()
            slot, sample = self._thing_at(QPointF(at))
            if slot >= 0:
                QToolTip.showText(event.globalPos(), self._slot_words(slot), self)
                return True
            if sample >= 0:
                found = self._sample(sample)
                kind = {"positive": "clean", "wrong": "wrongly restored"}.get(found.kind, found.kind)
                QToolTip.showText(event.globalPos(), f"{found.source}\n{kind}", self)
                return True
            QToolTip.hideText()
        return super().event(event)


class MapView(QWidget):
    """The map, and a line that says how to read it."""

    arrangement_chosen = Signal(str)  # SPREAD | LIKENESS

    def __init__(self, colours: Callable[[str], QColor], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = MapPlot(colours)
        self.arrangements = Segments(ARRANGEMENTS, names="Arranged by {}", compact=True)
        self.arrangements.choose(SPREAD)
        self.arrangements.chosen.connect(self.arrangement_chosen)
        button = self.arrangements.buttons[LIKENESS]
        try:
            extras.require("map")
        except extras.MissingExtra as error:
            button.setEnabled(False)
            button.setToolTip(f"{error}.")
        self.foot = Elided("", Qt.TextElideMode.ElideRight)
        self.foot.setProperty("role", "caption")
        below = QHBoxLayout()
        below.setSpacing(8)
        below.addWidget(self.arrangements)
        below.addWidget(self.foot, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.plot, 1)
        layout.addLayout(below)

    def say(self, text: str) -> None:
        self.foot.set_full(text)

    def show_map(
        self,
        look: MemoryLook | None,
        found: MemoryMap | None,
        samples: SampleMemory | None,
        names: Callable[[int], str],
        without: str,
    ) -> None:
        """``without`` says why there are no samples."""
        self.plot.show_map(look, found, samples, names)
        if found is None:
            self.foot.set_full("")
            return
        how = (
            "Neighbours stand together, distances mean nothing"
            if found.explained is None
            else f"Shows {100 * found.explained:.0f} % of the spread"
        )
        samples_are = (
            "blue: clean samples, orange: damage" if found.sample_of else f"no samples: {without.rstrip('.')}"
        )
        self.foot.set_full(
            f"{how}; {100 * found.kept:.0f} % of neighbours stay neighbours · {samples_are}; dots: slots; arrows: pins, from "
            "before to after"
        )
