"""The film of a run: the same validation crops after every validation, beside what came in and the truth."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QEvent, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from memorynet_gui.base.thumbnails import Thumbnails
from memorynet_gui.look import icons
from memorynet_gui.look.theme import caption_font, set_role
from memorynet_gui.train.film_files import MOST_CROPS, Crop, FilmFiles
from memorynet_gui.train.film_large import FilmLarge, Picture
from memorynet_gui.widgets.parts import DirectSlider

_CROP_PX = 256
_GAP_PX, _CAPTION_PX = 8, 18
_LEAST_PX = 40
NO_RUN = "The film of a run appears here: the same photos, restored again and again while it learns."
NO_FRAMES = "The first pictures come with the first validation."
_NO_CROP = Crop(Path())


@dataclass(frozen=True, slots=True)
class _Cell:
    caption: str
    path: Path | None
    step: int | None = None  # None: input or truth
    is_chosen: bool = False


def sampled(count: int, most: int, chosen: int) -> list[int]:
    """At most ``most`` of 0..count-1, spread evenly, first and last among them and ``chosen`` in any case."""
    if count <= most:
        return list(range(count))
    if most == 1:
        return [chosen]
    spread = sorted({round(at * (count - 1) / (most - 1)) for at in range(most)})
    if chosen not in spread:
        inner = range(1, len(spread) - 1) if len(spread) > 2 else range(1)
        nearest = min(inner, key=lambda at: abs(spread[at] - chosen))
        spread[nearest] = chosen
    return sorted(spread)


class _Strip(QWidget):
    """The cells side by side. Left and right go from step to step, up and down from crop to crop.

    A click chooses a step; one on the chosen step, on what came in or on the truth enlarges them.
    """

    step_clicked = Signal(int)
    enlarge_requested = Signal()
    moved = Signal(int)  # frames
    jumped = Signal(bool)  # to the last (True) or the first
    crop_moved = Signal(int)

    def __init__(self, thumbnails: Thumbnails) -> None:
        super().__init__()
        self._thumbnails = thumbnails
        self._crop, self._chosen = _NO_CROP, 0
        self._shown: dict[str, QImage] = {}  # by what a cell is for: stays until the next picture is there
        self._aspect = 1.0  # width over height
        self._by_keys = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Film of the validation crop")
        self.setToolTip(
            "Click a step to choose it, and once more (or Enter) to enlarge it. "
            "Left and right go through the steps, up and down through the crops"
        )
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(2 * _LEAST_PX, _LEAST_PX + _CAPTION_PX)

    def sizeHint(self) -> QSize:
        return QSize(640, 84 + _CAPTION_PX)

    def show_crop(self, crop: Crop, chosen: int) -> None:
        """``chosen``: index of the step that is looked at."""
        if crop is not self._crop:
            self._shown.clear()
        self._crop, self._chosen = crop, chosen
        self.update()

    def forget_pictures(self) -> None:
        self._shown.clear()

    # --- cells -------------------------------------------------------------------------------------

    def cells(self) -> list[tuple[QRectF, _Cell]]:
        """What stands where. The chosen step is always among them."""
        height = float(max(self.height() - _CAPTION_PX, _LEAST_PX))
        width = height * self._aspect
        ends = sum(path is not None for path in (self._crop.input, self._crop.truth))
        if width * (ends + 1) + _GAP_PX * ends > self.width():  # three in any case, smaller
            width = max((self.width() - _GAP_PX * ends) / (ends + 1), 8.0)
            height = width / self._aspect
        room = int((self.width() + _GAP_PX) // (width + _GAP_PX)) - ends
        crop = self._crop
        cells = [] if crop.input is None else [_Cell("input", crop.input)]
        for index in sampled(len(crop.steps), max(room, 1), self._chosen):
            step = crop.steps[index]
            cells.append(_Cell(f"{step:,}", crop.frame(step), step, index == self._chosen))
        if crop.truth is not None:
            cells.append(_Cell("truth", crop.truth))
        return [(QRectF(at * (width + _GAP_PX), 0, width, height), cell) for at, cell in enumerate(cells)]

    def mousePressEvent(self, event: QMouseEvent) -> None:
        for rect, cell in self.cells():
            whole = rect.adjusted(0, 0, 0, _CAPTION_PX)
            if not whole.contains(event.position()):
                continue
            if cell.step is None or cell.is_chosen:
                self.enlarge_requested.emit()
            else:
                self.step_clicked.emit(cell.step)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier):
            event.ignore()
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.moved.emit(1 if key == Qt.Key.Key_Right else -1)
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            self.moved.emit(10 if key == Qt.Key.Key_PageDown else -10)
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self.jumped.emit(key == Qt.Key.Key_End)
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.crop_moved.emit(1 if key == Qt.Key.Key_Down else -1)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.enlarge_requested.emit()
        else:
            event.ignore()
            return
        self._by_keys = True
        self.update()

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._by_keys = event.reason() != Qt.FocusReason.MouseFocusReason
        super().focusInEvent(event)

    def large_pictures(self) -> list[Picture]:
        """The chosen step between what came in and the truth, as they are stored."""
        crop = self._crop
        named = [("input", crop.input)]
        if crop.steps:
            step = crop.steps[self._chosen]
            named.append((f"step {step:,}", crop.frame(step)))
        named.append(("truth", crop.truth))
        return [(caption, self._thumbnails.get(path)) for caption, path in named if path is not None]

    # --- painting ----------------------------------------------------------------------------------

    def _picture(self, cell: _Cell) -> QImage | None:
        """The cell's picture, or what stood there while it is being read; None when there is none."""
        assert cell.path is not None
        place = _place(cell)
        if self._thumbnails.has_failed(cell.path):
            return None
        image = self._thumbnails.get(cell.path)
        if image is not None:
            self._shown[place] = image
            if not image.isNull():
                self._aspect = image.width() / image.height()
        return self._shown.get(place)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        painter.setFont(caption_font())
        palette = self.palette()
        quiet = palette.color(QPalette.ColorRole.PlaceholderText)
        bright = palette.color(QPalette.ColorRole.Text)
        aspect, cells = self._aspect, self.cells()
        places = {_place(cell) for _, cell in cells}
        self._shown = {place: image for place, image in self._shown.items() if place in places}
        for rect, cell in cells:
            shape = QPainterPath()
            shape.addRoundedRect(rect, 4, 4)
            painter.fillPath(shape, palette.color(QPalette.ColorRole.Midlight))
            image = self._picture(cell)
            if image is not None:
                painter.save()
                painter.setClipPath(shape)
                painter.drawImage(rect, image)
                painter.restore()
            elif cell.path is not None and self._thumbnails.has_failed(cell.path):
                square = QRectF(0, 0, 20, 20)
                square.moveCenter(rect.center())
                icons.draw(painter, "mdi6.image-broken-variant", square, quiet)
            if cell.is_chosen:
                self._paint_ring(painter, rect, palette.color(QPalette.ColorRole.Highlight), bright)
            painter.setPen(bright if cell.is_chosen else quiet)
            below = QRectF(rect.left(), rect.bottom() + 2, rect.width(), _CAPTION_PX - 2)
            painter.drawText(below, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, cell.caption)
        painter.end()
        if aspect != self._aspect:  # the first picture says how wide the cells are
            self.update()

    def _paint_ring(self, painter: QPainter, rect: QRectF, accent: QColor, bright: QColor) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(accent, 2))
        painter.drawRoundedRect(rect.adjusted(1, 1, -1, -1), 4, 4)
        if self.hasFocus() and self._by_keys:
            painter.setPen(QPen(bright, 1, Qt.PenStyle.DotLine))
            painter.drawRoundedRect(rect.adjusted(4, 4, -4, -4), 3, 3)


class TrainFilm(QFrame):
    """Scrubs through what a run made of its validation crops. ``refresh`` looks for new pictures."""

    step_changed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder: Path | None = None
        self._files = FilmFiles(None)
        self._failed: set[Path] = set()
        self._crop_number = 0
        self._step: int | None = None
        self._thumbnails = Thumbnails(_CROP_PX, self)
        set_role(self, "card")
        self.setAccessibleName("Film of the run")
        title = QLabel("Filmstrip")
        title.setProperty("role", "strong")
        self.words = QLabel(NO_RUN)
        self.words.setProperty("role", "secondary")
        self.words.setWordWrap(True)
        self.strip = _Strip(self._thumbnails)
        self.slider = DirectSlider(takes_wheel=True)
        self.slider.setAccessibleName("Step of the film")
        self.slider.setToolTip("Drag through the validations of the run")
        self.slider.setPageStep(10)
        self.slider.setMinimumWidth(80)
        self.caption = QLabel()
        self.caption.setProperty("role", "caption")
        self.caption.setFont(caption_font())
        self._chooser = QFrame()
        self._chooser.setProperty("role", "segments")
        inner = QHBoxLayout(self._chooser)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(0)
        self._group = QButtonGroup(self)
        self.crop_buttons: list[QPushButton] = []
        for number in range(MOST_CROPS):
            button = QPushButton(str(number + 1))
            button.setProperty("role", "segment")
            button.setProperty("compact", True)
            button.setCheckable(True)
            button.setAccessibleName(f"Crop {number + 1}")
            button.setToolTip(f"Show validation crop {number + 1}")
            button.clicked.connect(lambda _on=False, number=number: self.set_crop(number))
            self._group.addButton(button)
            self.crop_buttons.append(button)
            inner.addWidget(button)
        side = QVBoxLayout()
        side.setSpacing(6)
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(title)
        top.addStretch(1)
        top.addWidget(self._chooser)
        side.addLayout(top)
        side.addWidget(self.slider)
        side.addWidget(self.caption)
        side.addStretch(1)
        self._side = QWidget()
        self._side.setLayout(side)
        side.setContentsMargins(0, 0, 0, 0)
        self._side.setFixedWidth(184)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 8)
        layout.setSpacing(16)
        layout.addWidget(self._side)
        layout.addWidget(self.strip, 1)
        layout.addWidget(self.words, 1)
        self.large = FilmLarge(self)
        self.large.moved.connect(self._go)
        self.strip.enlarge_requested.connect(self.enlarge)
        self._thumbnails.ready.connect(self._picture_came)
        self._thumbnails.failed.connect(self._could_not_read)
        self.slider.valueChanged.connect(self._slid)
        self.strip.step_clicked.connect(self.set_step)
        self.strip.moved.connect(self._go)
        self.strip.jumped.connect(lambda last: self._go(10**9 if last else -(10**9)))
        self.strip.crop_moved.connect(self._next_crop)
        self._show()

    # --- which -------------------------------------------------------------------------------------

    def set_run(self, folder: Path | None) -> None:
        """Show the film of this run, from its newest pictures; None: of none."""
        self._folder = folder
        self._files, self._step = FilmFiles(folder), None
        self.strip.forget_pictures()
        self.refresh()

    def refresh(self) -> None:
        """Look for pictures that have come or gone. Who looks at the newest goes on to the new ones."""
        # what was damaged may be whole by now: it is read again
        self._renew(lambda: self._files.scan() | self._failed)

    def frame_came(self, step: int) -> None:
        """The run that is shown has just made its pictures of ``step``; the others are not looked for."""
        self._renew(lambda: self._files.frame_came(step))

    def _renew(self, look: Callable[[], set[Path]]) -> None:
        crop = self._crop
        at_newest = self._step is None or not crop.steps or self._step == crop.steps[-1]
        anew = look()
        for path in anew:
            self._thumbnails.forget(path)
        if anew:
            self._failed -= anew
            self.strip.forget_pictures()
        if self._crop_number not in self._crops:
            self._crop_number = min(self._crops, default=0)
        steps = self._crop.steps
        if at_newest or not steps:
            self._step = steps[-1] if steps else None
        else:
            self._step = _nearest(steps, self._step)
        self._show()

    def set_crop(self, number: int) -> None:
        """Another crop at the same step, from 0. Raises ValueError for one that there is not."""
        if number not in self._crops:
            raise ValueError(f"crop {number}: there are {sorted(self._crops)}")
        self._crop_number = number
        self._step = _nearest(self._crop.steps, self._step)
        self._show()

    def set_step(self, step: int) -> None:
        """The picture of that step, or of the nearest that there is."""
        before, self._step = self._step, _nearest(self._crop.steps, step)
        self._show()
        if self._step is not None and self._step != before:
            self.step_changed.emit(self._step)

    @property
    def step(self) -> int | None:
        return self._step

    @property
    def steps(self) -> tuple[int, ...]:
        """Those of the crop at hand."""
        return tuple(self._crop.steps)

    @property
    def crop(self) -> int:
        return self._crop_number

    def enlarge(self) -> None:
        """The step that is looked at, between what came in and the truth, over the window."""
        self.large.show_pictures(self.strip.large_pictures())
        self.large.open_over(self.window())

    def shut_down(self) -> None:
        self.large.close()
        self._thumbnails.shut_down()

    @property
    def _crops(self) -> dict[int, Crop]:
        return self._files.crops

    @property
    def _crop(self) -> Crop:
        return self._crops.get(self._crop_number) or _NO_CROP

    # --- showing -----------------------------------------------------------------------------------

    def _show(self) -> None:
        crop, steps = self._crop, self._crop.steps
        index = 0 if self._step is None else steps.index(self._step)
        has_any = bool(self._crops)
        self.strip.setVisible(has_any)
        self.words.setVisible(not has_any)
        self.words.setText(NO_RUN if self._folder is None else NO_FRAMES)
        self._chooser.setVisible(len(self._crops) > 1)
        for number, button in enumerate(self.crop_buttons):
            button.setVisible(number in self._crops)
            button.setChecked(number == self._crop_number)
        self.slider.setVisible(bool(steps))
        self.slider.setEnabled(len(steps) > 1)
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, max(len(steps) - 1, 0))
            self.slider.setValue(index)
        if self._step is None:
            description = NO_FRAMES if self._folder is not None else ""
            self.caption.setText("")
        else:
            description = (
                f"Crop {self._crop_number + 1}, step {self._step:,}, picture {index + 1} of {len(steps)}"
            )
            self.caption.setText(f"step {self._step:,} of {steps[-1]:,}")
        self.strip.setAccessibleDescription(description)
        self.strip.show_crop(crop, index)
        self._renew_large()

    def _picture_came(self, _path: Path) -> None:
        self.strip.update()
        self._renew_large()

    def _renew_large(self) -> None:
        if self.large.isVisible():
            self.large.show_pictures(self.strip.large_pictures())

    def _could_not_read(self, path: Path) -> None:
        self._failed.add(path)
        self.strip.update()

    def _slid(self, index: int) -> None:
        if index < len(self._crop.steps):
            self.set_step(self._crop.steps[index])

    def _go(self, frames: int) -> None:
        steps = self._crop.steps
        if self._step is not None and steps:
            self.set_step(steps[min(max(steps.index(self._step) + frames, 0), len(steps) - 1)])

    def _next_crop(self, by: int) -> None:
        numbers = sorted(self._crops)
        if numbers:
            self.set_crop(numbers[(numbers.index(self._crop_number) + by) % len(numbers)])

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "strip"):
            self.strip.update()


def _place(cell: _Cell) -> str:
    """What a cell is for: its picture stays until the next one for that place is there."""
    return cell.caption if cell.step is None else "chosen" if cell.is_chosen else str(cell.step)


def _nearest(steps: list[int], step: int | None) -> int | None:
    if not steps:
        return None
    if step is None:
        return steps[-1]
    after = min(bisect.bisect_left(steps, step), len(steps) - 1)
    before = max(after - 1, 0)
    return steps[before] if step - steps[before] < steps[after] - step else steps[after]
