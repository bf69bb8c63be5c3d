"""What the contrastive term compares while a run trains: anchors, what pulls them and what pushes them away."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedLayout,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from core.events import ContrastDrawn, ContrastSample
from core.tasks import TASKS
from memorynet_gui.base.thumbnails import image_from_rgb
from memorynet_gui.look.theme import CORNER_PX, GRID_PX, Theme, app_font, caption_font, set_role

PULL = ("truth", "positive")
SMALLEST_PX, LARGEST_PX = 64, 144  # edge of a picture
_LINE_FROM_PX = 84  # as many a picture need before all of a row stand in one line
_PAD, _GAP, _SECTION_GAP = 12, GRID_PX, 3 * GRID_PX
_FRAME_PX, _BAR_PX = 2, 4
_HEADING_PX, _CAPTION_PX, _NUMBER_PX = 20, 18, 20

_EMPTY = (
    "While a run trains, this shows a few damaged places of its photos: how they are restored now, what the "
    "contrastive term pulls them towards, and what it pushes them away from."
)
_WORDS = (
    "A square frames the 8 × 8 pixels that one place of the memory stands for; × says how much that place counts, by its "
    "damage, in means over all places. Training pulls what is restored towards the truth and the clean sample most "
    "like it, and pushes it away from the input and from the damaged samples and earlier results most like it. "
    "Numbers are cosine similarities to what is restored: 1.00 is alike, 0.00 unrelated."
)
_LOST = "Its picture was not kept when the run was continued; its similarity was."


def caption_of(kind: str, task: str) -> str:
    """What stands under a picture ("rain, nearest")."""
    damage = TASKS[task].noun if task in TASKS else "damage"
    words = {
        "anchor": "restored now",
        "truth": "truth",
        "positive": "clean, nearest",
        "input": "input",
        "degraded": f"{damage}, nearest",
        "wrong": "earlier result",
    }
    return words.get(kind, kind)


def number(similarity: float) -> str:
    """Two decimals, with a true minus; a dash for what is no number."""
    if not math.isfinite(similarity):
        return "–"
    text = f"{similarity:.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", "−")


def weight_text(weight: float) -> str:
    """ "× 3.2": beside the mean place."""
    return f"× {weight:.1f}" if math.isfinite(weight) else "–"


class ContrastView(QWidget):
    """Rows of anchors, each with its positives and negatives; the newest that was shown, unless it is held."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._shown: ContrastDrawn | None = None
        self._newest: ContrastDrawn | None = None
        title = QLabel("What the contrastive term compares")
        set_role(title, "strong")
        self.step = QLabel()
        set_role(self.step, "caption")
        self.hold = QPushButton("Hold")
        self.hold.setCheckable(True)
        self.hold.setProperty("compact", True)
        self.hold.setAccessibleName("Hold what is shown")
        self.hold.setToolTip("Keep these pictures while the run goes on")
        self.hold.toggled.connect(self._held)
        head = QHBoxLayout()
        head.setSpacing(GRID_PX)
        head.addWidget(title)
        head.addStretch(1)
        head.addWidget(self.step)
        head.addWidget(self.hold)
        self._rows = _Rows(theme)
        words = QLabel(_WORDS)
        set_role(words, "secondary")
        words.setWordWrap(True)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(_PAD)
        column.addWidget(words)
        column.addWidget(self._rows)
        column.addStretch(1)
        self.area = QScrollArea()
        self.area.setWidget(inside)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # its rows take it, and scroll it
        self._rows.area = self.area
        full = QWidget()
        layout = QVBoxLayout(full)
        layout.setContentsMargins(16, 12, 8, 0)
        layout.setSpacing(GRID_PX)
        layout.addLayout(head)
        layout.addWidget(self.area, 1)
        self._empty = _Empty()
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(full)
        theme.changed.connect(self._rows.repaint_all)
        self.setAccessibleName("What the contrastive term compares")
        self.clear()

    @property
    def shown(self) -> ContrastDrawn | None:
        return self._shown

    def show_drawn(self, drawn: ContrastDrawn) -> None:
        """Show what a step compared; while held, only remember it."""
        self._newest = drawn
        if self.hold.isChecked() and self._shown is not None:
            return
        self._shown = drawn
        self.step.setText(f"step {drawn.step:,}")
        self._rows.show_drawn(drawn)
        self._stack.setCurrentIndex(1)

    def clear(self, why: str = "") -> None:
        """Nothing to show; ``why`` says what to expect instead of the usual words."""
        self._shown = self._newest = None
        self.hold.setChecked(False)
        self._empty.words.setText(why or _EMPTY)
        self._rows.clear()
        self._stack.setCurrentIndex(0)

    def _held(self, on: bool) -> None:
        if not on and self._newest is not None and self._newest is not self._shown:
            self.show_drawn(self._newest)


class _Empty(QWidget):
    def __init__(self) -> None:
        super().__init__()
        title = QLabel("Nothing compared yet")
        set_role(title, "title")
        self.words = QLabel()
        set_role(self.words, "secondary")
        self.words.setWordWrap(True)
        self.words.setMaximumWidth(460)
        self.words.setMinimumWidth(240)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 24)
        layout.setSpacing(GRID_PX)
        layout.addStretch(2)
        for label in (title, self.words):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            row = QHBoxLayout()
            row.addStretch(1)
            row.addWidget(label, 8)
            row.addStretch(1)
            layout.addLayout(row)
        layout.addStretch(3)


class _Rows(QWidget):
    """One below the other, all on one grid."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.rows: list[AnchorRow] = []
        self.area: QScrollArea | None = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, GRID_PX, 16)
        self._column.setSpacing(GRID_PX)

    def show_drawn(self, drawn: ContrastDrawn) -> None:
        while len(self.rows) < len(drawn.groups):
            row = AnchorRow(self._theme, self)
            self.rows.append(row)
            self._column.addWidget(row)
        columns = (
            max((sum(s.kind in PULL for s in group) for group in drawn.groups), default=0),
            max((sum(s.kind not in (*PULL, "anchor") for s in group) for group in drawn.groups), default=0),
        )
        for index, row in enumerate(self.rows):
            if index < len(drawn.groups):
                row.show_group(drawn, index, columns)
            row.setVisible(index < len(drawn.groups))

    def clear(self) -> None:
        for row in self.rows:
            row.hide()

    def repaint_all(self) -> None:
        for row in self.rows:
            row.update()

    def move_from(self, row: AnchorRow, key: Qt.Key) -> bool:
        """Whether the key leads somewhere: up and down to the next row, the others scroll."""
        shown = [each for each in self.rows if each.isVisibleTo(self)]
        at = shown.index(row)
        if self.area is None:
            return False
        bar = self.area.verticalScrollBar()
        if key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            to = at + (1 if key == Qt.Key.Key_Down else -1)
            if not 0 <= to < len(shown):
                bar.setValue(bar.minimum() if to < 0 else bar.maximum())
                return True
            self.enter(shown[to])
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self.enter(shown[0 if key == Qt.Key.Key_Home else -1])
            bar.setValue(bar.minimum() if key == Qt.Key.Key_Home else bar.maximum())
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            bar.setValue(bar.value() + (bar.pageStep() if key == Qt.Key.Key_PageDown else -bar.pageStep()))
        else:
            return False
        return True

    def enter(self, row: AnchorRow) -> None:
        row.setFocus(Qt.FocusReason.OtherFocusReason)
        if self.area is not None:
            self.area.ensureWidgetVisible(row, 0, GRID_PX)


@dataclass(frozen=True, slots=True)
class _Cell:
    """Where a sample stands in its row."""

    sample: ContrastSample
    image: QImage
    frame: QRect


class AnchorRow(QWidget):
    """An anchor, what it is pulled towards and what it is pushed away from.

    In one line where there is width enough; else what it is pushed away from stands below.
    """

    def __init__(self, theme: Theme, rows: _Rows) -> None:
        super().__init__()
        self._theme, self._group_of = theme, rows
        self._group: tuple[ContrastSample, ...] = ()
        self._images: list[QImage] = []
        self._weight: float | None = None
        self._task = ""
        self._columns = (
            0,
            0,
        )  # of pulls and pushes, the most of any row: so that rows stand below each other
        self._cells: list[_Cell] = []
        self._headings: list[tuple[str, str, QRect]] = []  # words, token, place
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def cells(self) -> list[_Cell]:
        return self._cells

    def show_group(self, drawn: ContrastDrawn, index: int, columns: tuple[int, int]) -> None:
        group = drawn.groups[index]
        self._group, self._task, self._columns = group, drawn.task, columns
        self._weight = drawn.weights[index] if index < len(drawn.weights) else None
        self._images = [image_from_rgb(each.picture) if each.picture.size else QImage() for each in group]
        self.setAccessibleName(f"Place {index + 1} of {len(drawn.groups)}, step {drawn.step:,}")
        count = "" if self._weight is None else f"Counts {weight_text(self._weight)}. "
        self.setAccessibleDescription(count + spoken(group, drawn.task))
        self._place()
        self.update()

    # --- where things stand ----------------------------------------------------------------------------

    def _place(self) -> None:
        pulls, pushes = self._columns
        width = max(self.width(), 1) - 2 * _PAD
        edge = _edge(width - 2 * _SECTION_GAP, 1 + pulls + pushes, max(pulls - 1, 0) + max(pushes - 1, 0))
        in_line = edge >= _LINE_FROM_PX or not pushes
        per_line = pushes
        if not in_line:  # what pushes goes below, in as many lines as it takes
            above = _edge(width - _SECTION_GAP, 1 + pulls, max(pulls - 1, 0))
            edge, lines = 0, 0
            while edge < SMALLEST_PX and lines < pushes:
                lines += 1
                per_line = -(-pushes // lines)
                edge = min(above, _edge(width, per_line, per_line - 1))
        edge = min(max(edge, SMALLEST_PX), LARGEST_PX)
        tall = edge + 4 + _BAR_PX + _NUMBER_PX + _CAPTION_PX
        pull_x = _PAD + edge + _SECTION_GAP
        push_x = pull_x + pulls * (edge + _GAP) - _GAP + _SECTION_GAP if in_line else _PAD
        push_y = _PAD if in_line else _PAD + _HEADING_PX + tall + GRID_PX
        room = width + _PAD
        self._headings = [
            ("Pulled towards", "positive", QRect(pull_x, _PAD - 2, room - pull_x, _HEADING_PX)),
            ("Pushed away from", "negative", QRect(push_x, push_y - 2, room - push_x, _HEADING_PX)),
        ]
        self._cells = []
        placed = {"anchor": 0, "pull": 0, "push": 0}
        corner = {"anchor": (_PAD, _PAD), "pull": (pull_x, _PAD), "push": (push_x, push_y)}
        for sample, image in zip(self._group, self._images, strict=True):
            part = _part(sample.kind)
            line, column = divmod(placed[part], per_line) if part == "push" else (0, placed[part])
            x, y = corner[part]
            frame = QRect(x + column * (edge + _GAP), y + _HEADING_PX + line * (tall + _GAP), edge, edge)
            self._cells.append(_Cell(sample, image, frame))
            placed[part] += 1
        lines = -(-pushes // per_line) if pushes else 1
        height = push_y + _HEADING_PX + lines * (tall + _GAP) - _GAP + _PAD - 4
        if height != self.minimumHeight():
            self.setFixedHeight(height)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self._place()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._place()

    # --- painting --------------------------------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        token = self._theme.token
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(token("panel"))
        painter.drawRoundedRect(QRectF(self.rect()), CORNER_PX, CORNER_PX)
        heading = caption_font()
        heading.setWeight(QFont.Weight.DemiBold)
        painter.setFont(heading)
        for words, colour, place in self._headings:
            painter.setPen(token(colour))
            painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)
        for cell in self._cells:
            self._paint_cell(painter, cell)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(token("focus"), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), CORNER_PX, CORNER_PX)
        painter.end()

    def _paint_cell(self, painter: QPainter, cell: _Cell) -> None:
        token, sample, frame = self._theme.token, cell.sample, QRectF(cell.frame)
        colour = token({"anchor": "actual", "pull": "positive", "push": "negative"}[_part(sample.kind)])
        shape = QPainterPath()
        shape.addRoundedRect(frame, CORNER_PX, CORNER_PX)
        if cell.image.isNull():
            painter.fillPath(shape, token("field"))
            self._write(painter, cell.frame, "no picture", "secondary", caption_font())
        else:
            painter.save()
            painter.setClipPath(shape)
            painter.drawImage(frame, cell.image)
            self._mark(painter, cell)
            painter.restore()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(colour, _FRAME_PX))
        inner = _FRAME_PX / 2
        painter.drawRoundedRect(frame.adjusted(inner, inner, -inner, -inner), CORNER_PX - 1, CORNER_PX - 1)
        left, width, top = cell.frame.left(), cell.frame.width(), cell.frame.top() + cell.frame.height()
        if sample.kind != "anchor":
            bar = QRectF(left, top + 4, width, _BAR_PX)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(token("groove"))
            painter.drawRoundedRect(bar, _BAR_PX / 2, _BAR_PX / 2)
            if math.isfinite(sample.similarity) and sample.similarity > 0:
                bar.setWidth(max(_BAR_PX, width * min(sample.similarity, 1.0)))
                painter.setBrush(colour)
                painter.drawRoundedRect(bar, _BAR_PX / 2, _BAR_PX / 2)
            below = QRect(left, top + 4 + _BAR_PX, width, _NUMBER_PX)
            self._write(painter, below, number(sample.similarity), "text", app_font())
            top = below.top() + below.height() - 2
        elif self._weight is not None:
            below = QRect(left, top + 4 + _BAR_PX, width, _NUMBER_PX)
            self._write(painter, below, weight_text(self._weight), "text", app_font())
            top = below.top() + below.height() - 6
        caption = QRect(left - 4, top + (4 if sample.kind == "anchor" else 0), width + 8, _CAPTION_PX)
        self._write(painter, caption, caption_of(sample.kind, self._task), "secondary", caption_font())

    def _mark(self, painter: QPainter, cell: _Cell) -> None:
        """The compared place: light within dark, to be seen on everything."""
        if cell.sample.cell is None:
            return
        x, y, edge = cell.sample.cell
        scale_x = cell.frame.width() / cell.image.width()
        scale_y = cell.frame.height() / cell.image.height()
        place = QRectF(
            cell.frame.left() + x * scale_x, cell.frame.top() + y * scale_y, edge * scale_x, edge * scale_y
        )
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for grown, colour, width in ((1.0, QColor(0, 0, 0, 150), 3.0), (1.0, QColor(255, 255, 255), 1.0)):
            painter.setPen(QPen(colour, width))
            painter.drawRect(place.adjusted(-grown, -grown, grown, grown))

    def _write(self, painter: QPainter, place: QRect, text: str, colour: str, font: QFont) -> None:
        painter.setFont(font)
        painter.setPen(self._theme.token(colour))
        text = QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideRight, place.width())
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)

    # --- asking ----------------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            cell = self.cell_at(event.pos())
            if cell is None:
                QToolTip.hideText()
            else:
                QToolTip.showText(event.globalPos(), about(cell.sample, self._task), self, cell.frame)
            return True
        return super().event(event)

    def cell_at(self, place: QPoint) -> _Cell | None:
        return next((cell for cell in self._cells if cell.frame.contains(place)), None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._group_of.move_from(self, Qt.Key(event.key())):
            super().keyPressEvent(event)


def _edge(width: int, pictures: int, gaps: int) -> int:
    """Of so many pictures in a line of this width."""
    return (width - gaps * _GAP) // pictures


def _part(kind: str) -> str:
    return "anchor" if kind == "anchor" else "pull" if kind in PULL else "push"


def about(sample: ContrastSample, task: str) -> str:
    """The tooltip of one picture."""
    lines = [caption_of(sample.kind, task).capitalize()]
    if sample.kind != "anchor":
        lines.append(f"Similarity to what is restored: {number(sample.similarity)}")
    if not sample.picture.size:
        lines.append(_LOST)
    elif sample.step is not None and sample.kind in ("positive", "degraded", "wrong"):
        lines.append(f"A sample the memory bank has held since step {sample.step:,}")
    return "\n".join(lines)


def spoken(group: tuple[ContrastSample, ...], task: str) -> str:
    """A row in words, for a screen reader."""

    def part(which: str) -> str:
        return ", ".join(
            f"{caption_of(s.kind, task)} {number(s.similarity)}" for s in group if _part(s.kind) == which
        )

    return f"Pulled towards: {part('pull')}. Pushed away from: {part('push')}."
