"""What training will show the network: photos with the registered degradation on them, live as its sliders move.

Of a mixture the samples of one source are shown, as training draws them. Sliders, titles and ranges come from the
degradation's dataclass (:func:`core.data.degrade.base.parameter`). Samples are made
on another thread; while one set is being made only the newest wish waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core.data.source import DataSource
from memorynet_gui.base.background import Background
from memorynet_gui.base.thumbnails import image_from_rgb
from memorynet_gui.look.theme import set_role
from memorynet_gui.newrun.degrade_rows import ParameterRow, SharesRow
from memorynet_gui.widgets.buttons import text_button
from memorynet_gui.widgets.fold import FoldButton
from memorynet_gui.widgets.hold import HoldSpace

SAMPLES = 3
EDGE_PX = 240
_REST_MS = 60


class SampleStrip(QWidget):
    """Degraded crops side by side; held, the same without the damage."""

    def __init__(self) -> None:
        super().__init__()
        self._pairs: list[tuple[QImage, QImage]] = []  # clean, degraded
        self._message = ""
        self._held = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Samples of what training sees")
        self.setToolTip("Hold the mouse button or Space to see the photos without the damage")
        HoldSpace(self._hold, self)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    @property
    def count(self) -> int:
        return len(self._pairs)

    def image(self, index: int, clean: bool = False) -> QImage:
        return self._pairs[index][0 if clean else 1]

    def set_samples(self, samples: list[tuple[np.ndarray, np.ndarray]]) -> None:
        self._pairs = [(image_from_rgb(clean), image_from_rgb(degraded)) for clean, degraded in samples]
        self._message = ""
        self.update()

    def set_message(self, text: str) -> None:
        """Instead of pictures."""
        self._pairs, self._message = [], text
        self.update()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return min(round((width - 8 * (SAMPLES - 1)) / SAMPLES), EDGE_PX)

    def sizeHint(self) -> QSize:
        return QSize(3 * 200, 200)

    def minimumSizeHint(self) -> QSize:
        return QSize(240, 80)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        palette = self.palette()
        edge = min((self.width() - 8 * (SAMPLES - 1)) / SAMPLES, self.height())
        for index in range(SAMPLES):
            square = QRectF(index * (edge + 8), 0, edge, edge)
            shape = QPainterPath()
            shape.addRoundedRect(square, 4, 4)
            painter.fillPath(shape, palette.color(QPalette.ColorRole.Button))
            if index < len(self._pairs):
                image = self._pairs[index][0 if self._held else 1]
                painter.setClipPath(shape)
                painter.drawImage(square, image, _middle(image))
                painter.setClipping(False)
        if self._message and not self._pairs:
            painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(
                self.rect().adjusted(8, 8, -8, -8),
                Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap,
                self._message,
            )
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Highlight), 2))
            whole = QRectF(1, 1, SAMPLES * edge + 8 * (SAMPLES - 1) - 2, edge - 2)
            painter.drawRoundedRect(whole, 4, 4)
        painter.end()

    def _hold(self, on: bool) -> None:
        self._held = on
        self.update()

    def mousePressEvent(self, _event: QMouseEvent) -> None:
        self._hold(True)

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        self._hold(False)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._hold(False)
        super().focusOutEvent(event)


def _middle(image: QImage) -> QRectF:
    """The largest square in the middle."""
    edge = min(image.width(), image.height())
    return QRectF((image.width() - edge) / 2, (image.height() - edge) / 2, edge, edge)


@dataclass(frozen=True, slots=True)
class ShownSource:
    """A source of a mixture, and what of the recipe its samples depend on. Not ``is_ready``: something is missing."""

    number: int  # of the source, from 1
    source: DataSource
    train: tuple[str, ...]
    data: tuple[Path, ...]
    leave_out: tuple[str, ...]
    is_ready: bool


class DegradePreview(QWidget):
    """``parameters()`` are those that differ from the degradation's own, as a recipe's ``[degradation]`` holds them."""

    changed = Signal()  # by the person

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._task = ""
        self._kind: str | None = None  # of the source that is shown
        self._shown: ShownSource | None = None
        self._defaults: dict[str, Any] = {}
        self._set: dict[str, Any] = {}
        self._rows: dict[str, ParameterRow | SharesRow] = {}
        self._photos: tuple[Path, ...] = ()
        self._seed = 1
        self._running = self._again = False
        self._background = Background(self)
        self._rest = QTimer(self, singleShot=True, interval=_REST_MS)
        self._rest.timeout.connect(self._make)
        self.strip = SampleStrip()
        self.note = QLabel()
        self.note.setWordWrap(True)
        set_role(self.note, "caption")
        self.dice = text_button(
            "Other samples", "Draw other places and other damage by the same settings", compact=True
        )
        self.dice.clicked.connect(self._throw_dice)
        self.reset = text_button("Reset", "Back to the settings that this damage comes with", compact=True)
        self.reset.clicked.connect(self._reset)
        below = QHBoxLayout()
        below.setSpacing(8)
        below.addWidget(self.note, 1)
        below.addWidget(self.dice)
        below.addWidget(self.reset)
        self.fold = FoldButton("More of the damage", "All parameters of this degradation")
        self.fold.toggled.connect(self._unfold)
        self._basics, self._more = QWidget(), QWidget()
        for part in (self._basics, self._more):
            layout = QVBoxLayout(part)
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(6)
        self._more.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.strip)
        layout.addLayout(below)
        layout.addWidget(self._basics)
        layout.addWidget(self.fold, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self._more)
        self._say()

    # --- what is set ---------------------------------------------------------------------------------

    @property
    def task(self) -> str:
        return self._task

    def set_task(self, task: str, shown: ShownSource | None = None) -> None:
        """The sliders of the degradation that ``task`` undoes, at its own settings. An unknown task has none.

        ``shown``: samples are of this source; it brings its parameters, and the sliders are those of its kind.
        """
        kind = None if shown is None else shown.source.kind
        values = self._set if shown is None else _plain_values(shown.source.degradation)
        if shown is not None:
            shown = replace(shown, source=replace(shown.source, share=1.0, degradation={}))
        if (task, kind, shown, values) == (self._task, self._kind, self._shown, self._set):
            return
        if (task, kind) != (self._task, self._kind):
            self._task, self._kind = task, kind
            values = values if shown is not None else {}
            self._make_rows()
        before = self._shown.number if self._shown is not None else None
        if before != (shown.number if shown is not None else None):
            self.strip.set_message("")  # what was shown is of something else
        self._shown, self._set = shown, values
        self._show_values()
        self.refresh()

    def _make_rows(self) -> None:
        from core.data.degrade import DEGRADATIONS
        from core.data.degrade.layers import LAYERS

        made = DEGRADATIONS.get(self._task)
        if self._kind == "layers":
            made = LAYERS
        elif self._kind in {"pairs", "clean"}:
            made = None
        self._defaults = {} if made is None else {
            item.name: _plain(getattr(made.defaults, item.name)) for item in fields(made.defaults)
        }  # fmt: skip
        for row in self._rows.values():
            row.setParent(None)
            row.deleteLater()
        self._rows = {}
        for item in fields(made.defaults) if made is not None else ():
            self._add_row(item)
        for part in (self._basics, self.fold, self.reset):
            part.setVisible(bool(self._rows))
        self._unfold(self.fold.isChecked())

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """As in a recipe; what is not named keeps the degradation's own. Unknown ones are kept for the check to name."""
        self._set = _plain_values(values)
        self._show_values()
        self.refresh()

    def parameters(self) -> dict[str, Any]:
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self._set.items()
            if name not in self._defaults or value != self._defaults[name]
        }

    def set_photos(self, photos: tuple[Path, ...]) -> None:
        if photos != self._photos:
            self._photos = photos
            self.refresh()

    def row(self, name: str) -> ParameterRow | SharesRow:
        """Raises KeyError for a parameter that the degradation does not have."""
        return self._rows[name]

    def refresh(self) -> None:
        """Samples by what is set now, once the hand rests. Nothing is made while nobody sees it."""
        self._say()
        if self.isVisible():
            self._rest.start()

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self._rest.start()

    def shut_down(self) -> None:
        self._rest.stop()
        self._background.shut_down()

    # --- rows ----------------------------------------------------------------------------------------

    def _add_row(self, item: Field[Any]) -> None:
        default = self._defaults[item.name]
        row: ParameterRow | SharesRow
        if item.metadata["names"]:
            row = SharesRow(item)
        else:
            row = ParameterRow(item, isinstance(default, tuple))
        row.changed.connect(self._edit)
        self._rows[item.name] = row
        into = (self._basics if item.metadata["basic"] else self._more).layout()
        assert into is not None
        into.addWidget(row)

    def _unfold(self, on: bool) -> None:
        self._more.setVisible(on and bool(self._rows))

    def _edit(self, name: str, value: Any) -> None:
        self._set[name] = value
        self.refresh()
        self.changed.emit()

    def _reset(self) -> None:
        self._set = {}
        self._show_values()
        self.refresh()
        self.changed.emit()

    def _show_values(self) -> None:
        for name, row in self._rows.items():
            value = self._set.get(name, self._defaults[name])
            try:
                row.set_value(value)
            except (TypeError, ValueError):  # of another shape: the check beside says so
                row.set_value(self._defaults[name])

    def _say(self) -> None:
        self.reset.setEnabled(bool(self.parameters()))

    # --- samples -------------------------------------------------------------------------------------

    def _throw_dice(self) -> None:
        self._seed += 1
        self.refresh()

    def _make(self) -> None:
        if self._running:
            self._again = True
            return
        can = self._shown.is_ready if self._shown is not None else self._photos and self._defaults
        if not can:
            self.strip.set_message("Samples appear here when there are photos.")
            self.note.setText("")
            return
        self._running = True
        self._background.call(self._work(), self._came, self._failed)

    def _work(self) -> Callable[[], list[tuple[np.ndarray, np.ndarray]]]:
        task, parameters, photos, seed = self._task, self.parameters(), self._photos, self._seed
        shown = self._shown

        def work() -> list[tuple[np.ndarray, np.ndarray]]:
            from core.doctor.preview import samples_for_preview, samples_of_source

            if shown is not None:
                source = replace(shown.source, degradation=parameters)
                return samples_of_source(
                    task, source, shown.train, shown.data, seed, SAMPLES, EDGE_PX, shown.leave_out
                )
            return samples_for_preview(task, parameters, photos, seed, SAMPLES, EDGE_PX)

        return work

    def _came(self, samples: list[tuple[np.ndarray, np.ndarray]]) -> None:
        self.strip.set_samples(samples)
        self.note.setText("What the network will see. Hold to see it without the damage.")
        set_role(self.note, "caption")
        self._next()

    def _failed(self, error: Exception) -> None:
        from memorynet_gui.base.problems import describe

        self.note.setText(describe(error).sentence)
        set_role(self.note, "error")
        self._next()

    def _next(self) -> None:
        self._running = False
        if self._again:
            self._again = False
            self._make()


def _plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    """A range or a list as a tuple of numbers, a number as it is."""
    if hasattr(value, "low"):
        return (value.low, value.high)
    return tuple(value) if isinstance(value, list | tuple) else value
