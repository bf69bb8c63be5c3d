"""Slots of a memory as tiles: what each answers to, how much the photo uses it, what muting it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFocusEvent, QImage, QKeyEvent, QMouseEvent, QPainter, QPalette, QPen
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from core.model.slot_names import SlotNote
from memorynet_gui.look.theme import caption_font
from memorynet_gui.memory.likeness import image_of
from memorynet_gui.memory.words import beside_words, percent

if TYPE_CHECKING:
    from core.restoring.memory.slots import SlotFacts
    from memorynet_gui.memory.bench.records import SlotEffect

TILE = QSize(172, 92)
_PATCH_PX = 36
_PAD_PX = 8
_ANY = QModelIndex()
FACTS_ROLE = Qt.ItemDataRole.UserRole + 1
_LEAST_LIT = 0.05  # weight of a place from which on a slot's tile is lit
Index = QModelIndex | QPersistentModelIndex

NO_SAMPLE = (
    "No stored sample looks this slot up most. Training keeps samples of its own photos; "
    "memorynet samples adds those of yours to a model of your own."
)

SORTS: dict[str, tuple[str, Callable[[SlotFacts, dict[int, SlotEffect]], tuple[float, ...]]]] = {
    "usage": (  # kind by kind: a kind's weights sum to 1, so they say nothing beside another's
        "By use",
        lambda facts, _effects: (facts.row - facts.slot, -facts.usage, facts.row),
    ),
    "number": ("By number", lambda facts, _effects: (facts.row,)),
    "effect": (
        "By effect",
        lambda facts, effects: (
            -(effects[facts.row].change.mean if facts.row in effects else -1.0),
            facts.row,
        ),
    ),
}
SHOWN: dict[str, tuple[str, Callable[[SlotFacts], bool]]] = {
    "all": ("All slots", lambda _facts: True),
    "used": ("Used", lambda facts: facts.health != "unused"),
    "named": ("Named", lambda _facts: True),
    "look": ("To check", lambda facts: bool(facts.health)),
}


class SlotList(QAbstractListModel):
    """The slots that are shown, in the order they are shown in."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._all: tuple[SlotFacts, ...] = ()
        self._rows: list[SlotFacts] = []
        self.effects: dict[int, SlotEffect] = {}
        self.lit: dict[int, float] = {}  # row of the table -> weight of the place looked at
        self.names: dict[int, SlotNote] = {}  # row of the table -> what a person calls it
        self.polarity, self.granularity, self.shown, self.order = "", "", "all", "usage"
        self.over = "here"

    def set_facts(self, facts: Sequence[SlotFacts], names: Mapping[int, SlotNote], same: bool) -> None:
        """``same``: of the same photo and model, over other photos; what was measured stays."""
        self._all, self.names = tuple(facts), dict(names)
        if not same:
            self.effects, self.lit = {}, {}
        self.arrange()

    def arrange(self) -> None:
        """Filter and sort anew."""
        wanted = SHOWN[self.shown][1]
        found = [
            facts
            for facts in self._all
            if self.polarity in ("", facts.polarity)
            and self.granularity in ("", facts.granularity)
            and wanted(facts)
            and (self.shown != "named" or facts.row in self.names)
        ]
        self.beginResetModel()
        key = SORTS[self.order][1]
        self._rows = sorted(found, key=lambda facts: key(facts, self.effects))
        self.endResetModel()

    def set_effect(self, effect: SlotEffect) -> None:
        self.effects[effect.row] = effect
        self._touch(effect.row)

    def set_lit(self, lit: dict[int, float]) -> None:
        before, self.lit = self.lit, lit
        if before != lit and self._rows:
            self.dataChanged.emit(self.index(0), self.index(len(self._rows) - 1))

    def _touch(self, row: int) -> None:
        at = self.at(row)
        if at is not None:
            self.dataChanged.emit(self.index(at), self.index(at))

    def at(self, row: int) -> int | None:
        """Where a slot of the table is shown."""
        return next((at for at, facts in enumerate(self._rows) if facts.row == row), None)

    @property
    def facts(self) -> tuple[SlotFacts, ...]:
        return tuple(self._rows)

    @property
    def everything(self) -> tuple[SlotFacts, ...]:
        return self._all

    def rowCount(self, parent: Index = _ANY) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        facts = self._rows[index.row()]
        if role == FACTS_ROLE:
            return facts
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            note = self.names.get(facts.row)
            called = f", {note.name}" if note is not None and note.name else ""
            return f"{facts.name}{called}, {usage_words(facts, self.over)}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._words(facts)
        return None

    def _words(self, facts: SlotFacts) -> str:
        note = self.names.get(facts.row, SlotNote())
        lines = [f"{facts.name} · {note.name}" if note.name else facts.name]
        if note.note:
            lines.append(note.note)
        lines.append(f"mean weight {self.over} {facts.usage:.4f} of 1")
        if not facts.is_read:
            lines.append("looked up, but not read by this model")
        effect = self.effects.get(facts.row)
        if effect is not None:
            lines.append(effect_words(effect) + " where it is looked up most")
            if effect.psnr_gain_db is not None:
                lines.append(f"PSNR there {effect.psnr_gain_db:+.3f} dB without it")
        if facts.near:
            near = ", ".join(f"{each.slot} ({each.cosine:.2f})" for each in facts.near)
            lines.append(f"most alike{beside_words(facts)}: {near}")
        if facts.made_of:
            lines.append(
                "made of: "
                + ", ".join(f"{e.granularity} {e.slot} ({percent(e.share)})" for e in facts.made_of)
            )
        if facts.health_words:
            lines.append(facts.health_words)
        if not facts.typical:
            lines.append(NO_SAMPLE)
        return "\n".join(lines)


def usage_words(facts: SlotFacts, over: str = "here") -> str:
    if facts.usage <= 0:
        return f"not used {over}"
    return f"{facts.usage * 100:.1f} % used {over}" if facts.usage >= 0.001 else f"under 0.1 % used {over}"


def effect_words(effect: SlotEffect) -> str:
    if not effect.change.is_measurable:
        return "muting it changes nothing measurable"
    return f"muting it changes {effect.change.mean:.2f} levels"


class Tile(QStyledItemDelegate):
    def __init__(self, colours: Callable[[str], QColor], parent: QListView) -> None:
        super().__init__(parent)
        self._colours = colours
        self._images: dict[int, tuple[QImage, ...]] = {}

    def forget(self) -> None:
        self._images.clear()

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        return TILE

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        facts: SlotFacts | None = index.data(FACTS_ROLE)
        model = index.model()
        if facts is None or not isinstance(model, SlotList):
            return
        palette = option.palette
        box = option.rect.adjusted(3, 3, -3, -3)
        hot = bool(option.state & (QStyle.StateFlag.State_MouseOver | QStyle.StateFlag.State_Selected))
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(palette.color(QPalette.ColorRole.Midlight if hot else QPalette.ColorRole.Button))
        painter.drawRoundedRect(QRectF(box), 4, 4)
        colour = self._colours(facts.polarity)
        lit = model.lit.get(facts.row, 0.0)
        if option.state & QStyle.StateFlag.State_Selected or lit >= _LEAST_LIT:
            chosen = bool(option.state & QStyle.StateFlag.State_Selected)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Highlight) if chosen else colour, 2))
            painter.drawRoundedRect(QRectF(box).adjusted(1, 1, -1, -1), 4, 4)
        inner = box.adjusted(_PAD_PX, 5, -_PAD_PX, -4)
        painter.setBrush(colour)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(QRectF(inner.left(), inner.top() + 4, 8, 8))
        painter.setPen(
            palette.color(QPalette.ColorRole.Text if facts.is_read else QPalette.ColorRole.PlaceholderText)
        )
        note = model.names.get(facts.row)
        name = note.name if note is not None and note.name else f"{facts.granularity} {facts.slot}"
        room = inner.adjusted(13, -1, -34 if lit >= _LEAST_LIT else 0, 0)
        name = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, name)
        if lit >= _LEAST_LIT:
            painter.setPen(colour)
            painter.drawText(
                inner.adjusted(0, -1, 0, 0),
                Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop,
                f"{lit:.2f}",
            )
        images = self._of(facts)
        if not images:
            self._without(painter, palette, QRect(inner.left(), inner.top() + 18, inner.width(), _PATCH_PX))
        for number, image in enumerate(images):
            place = QRect(inner.left() + number * (_PATCH_PX + 3), inner.top() + 18, _PATCH_PX, _PATCH_PX)
            painter.drawImage(place, image)
        painter.setFont(caption_font())
        painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
        effect = model.effects.get(facts.row)
        words = {
            "unused": "unused",
            "duplicate": "a duplicate",
            "overused": f"overused, {percent(facts.usage)}",
        }.get(facts.health, usage_words(facts, "").strip())
        if effect is not None:
            words += f" · {effect.change.mean:.2f} levels" if effect.change.is_measurable else " · no effect"
        foot = QRect(inner.left(), inner.top() + 18 + _PATCH_PX + 2, inner.width(), 18)
        words = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, foot.width())
        painter.drawText(foot, Qt.AlignmentFlag.AlignVCenter, words)
        painter.restore()

    @staticmethod
    def _without(painter: QPainter, palette: QPalette, place: QRect) -> None:
        painter.setFont(caption_font())
        painter.setPen(QPen(palette.color(QPalette.ColorRole.PlaceholderText), 1, Qt.PenStyle.DotLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(QRectF(place).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, "no sample yet")

    def _of(self, facts: SlotFacts) -> tuple[QImage, ...]:
        if facts.row not in self._images:
            self._images[facts.row] = tuple(image_of(sample.thumbnail) for sample, _weight in facts.typical)
        return self._images[facts.row]


class TileView(QListView):
    """Slots side by side; tells which is under the pointer or reached by keys, and which is chosen."""

    hovered = Signal(int)  # row of the table, -1: none
    chosen = Signal(int)

    def __init__(self, slots: SlotList, colours: Callable[[str], QColor], name: str) -> None:
        """``name`` is for screen readers."""
        super().__init__()
        self.setModel(slots)
        self.tile = Tile(colours, self)
        self.setItemDelegate(self.tile)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setGridSize(TILE)
        self.setMouseTracking(True)
        self.setFrameShape(QListView.Shape.NoFrame)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setAccessibleName(name)
        self.clicked.connect(self._clicked)
        self.selectionModel().currentChanged.connect(self._moved)

    def _clicked(self, index: QModelIndex) -> None:
        facts = index.data(FACTS_ROLE)
        if facts is not None:
            self.chosen.emit(facts.row)

    def _moved(self, now: QModelIndex, _before: QModelIndex) -> None:
        """By keys: lit as under the pointer."""
        facts = now.data(FACTS_ROLE)
        if facts is not None and self.hasFocus():
            self.hovered.emit(facts.row)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        facts = self.indexAt(event.position().toPoint()).data(FACTS_ROLE)
        self.hovered.emit(-1 if facts is None else facts.row)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.hovered.emit(-1)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.hovered.emit(-1)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.clicked.emit(self.currentIndex())
            return
        super().keyPressEvent(event)
