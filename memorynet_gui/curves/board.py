"""The curves of a run, four charts at a time, with other runs under them.

pyqtgraph is imported when the board is first shown, not with this module: the window's first paint does not wait
for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPoint, QRect, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPalette, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QScrollArea, QVBoxLayout, QWidget

from core.atomic import write_atomically
from memorynet_gui.curves.charts import BY_KEY, FIRST
from memorynet_gui.curves.export import Curve, write_csv
from memorynet_gui.curves.store import CurveStore
from memorynet_gui.look.theme import app_font

if TYPE_CHECKING:
    from memorynet_gui.curves.card import CurveCard, State

GAP_PX = 12
_ONE_COLUMN_BELOW_PX = 540
_LEAST_STEPS = 4.0  # that can be looked at
_FIRST_STEPS = 10.0  # shown while there are fewer
_EXPORT_SCALE = 2
_EXPORT_HEAD_PX = 40


class CurveBoard(QWidget):
    """Cards with linked steps and one crosshair. Follows the newest point while that is in sight."""

    crosshair_moved = Signal(object)  # step, an int; None: there is none
    charts_changed = Signal()  # another chart was chosen for a card
    charts_failed = Signal(object)  # Exception: what draws the charts could not be loaded

    def __init__(self, charts: Sequence[str] = FIRST, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._charts = list(charts)
        for key in self._charts:
            BY_KEY[key]
        self._name, self._store = "", None  # type: tuple[str, CurveStore | None]
        self._others: tuple[tuple[str, CurveStore], ...] = ()
        self._cards: list[CurveCard] = []
        self._state: State | None = None
        self._is_smoothed, self._is_log = True, False
        self._hidden: frozenset[str] = frozenset()
        self._crosshair: float | None = None
        self._first, self._last = 0.0, _FIRST_STEPS
        self._is_fit, self._follows = True, True
        self._is_stale = True
        self._inside = QWidget()
        self._grid = QGridLayout(self._inside)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(GAP_PX)
        scroll = QScrollArea()
        scroll.setWidget(self._inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)
        self.setMinimumSize(240, 160)
        self.setAccessibleName("Curves of the run")

    # --- what is shown -----------------------------------------------------------------------------

    def set_run(self, name: str, store: CurveStore | None) -> None:
        """The run in colour; None: there is none. Shows all of it."""
        self._listen(self._stores(), False)
        self._name, self._store = name, store
        self._listen(self._stores(), True)
        self._crosshair = None
        self.fit()

    def set_overlays(self, runs: Sequence[tuple[str, CurveStore]]) -> None:
        """Other runs, in grey below it."""
        self._listen(self._stores(), False)
        self._others = tuple(runs)
        self._listen(self._stores(), True)
        self._update()

    def set_smoothed(self, smoothed: bool) -> None:
        """Smoothed, with the raw course dim behind the main curve; or raw."""
        self._is_smoothed = smoothed
        self._update()

    def set_log(self, logarithmic: bool) -> None:
        """For the charts where it means something: losses, rates, norms."""
        self._is_log = logarithmic
        self._update()

    @property
    def is_smoothed(self) -> bool:
        return self._is_smoothed

    @property
    def is_log(self) -> bool:
        return self._is_log

    @property
    def charts(self) -> tuple[str, ...]:
        """Keys of :data:`memorynet_gui.curves.charts.CHARTS`, in reading order."""
        return tuple(self._charts)

    def set_charts(self, keys: Sequence[str]) -> None:
        """As many as there are cards. Raises KeyError for one that there is not, ValueError for another number."""
        if len(keys) != len(self._charts):
            raise ValueError(f"{len(keys)} charts {list(keys)}: need {len(self._charts)}")
        charts = [BY_KEY[key] for key in keys]
        self._charts = list(keys)
        for card, chart in zip(self._cards, charts, strict=False):
            card.set_chart(chart)
        self.charts_changed.emit()

    def fit(self) -> None:
        """Every step there is."""
        self._is_fit = self._follows = True
        self._update()

    def show_steps(self, first: float, last: float) -> None:
        """Zoom to these steps, as far as there are any. Raises ValueError unless they rise."""
        if not first < last:
            raise ValueError(f"steps {first} to {last}: the second must be larger")
        self._moved(max(first, 0.0), min(last, self._end()))

    def summary(self) -> str:
        """The newest values (or those at the crosshair) of every card in words."""
        if self._store is None:
            return "No run is shown."
        self._build()
        return "\n".join(card.summary() for card in self._cards)

    # --- building and updating -----------------------------------------------------------------------

    def _build(self) -> None:
        if self._cards:
            return
        from memorynet_gui.curves.card import CurveCard
        from memorynet_gui.curves.draw import State

        state = State()
        for at, key in enumerate(self._charts):
            card = CurveCard(BY_KEY[key], state)
            self._cards.append(card)
            card.chart_chosen.connect(lambda chosen, at=at: self._choose(at, chosen))
            card.line_toggled.connect(self._toggle)
            card.moved.connect(self._moved)
            card.pointed.connect(lambda step, card=card: self._pointed(card, step))
            card.stepped.connect(lambda points, card=card: self._stepped(card, points))
            card.jumped.connect(lambda newest, card=card: self._jumped(card, newest))
            card.fit_requested.connect(self.fit)
        self._lay_out()
        self._is_stale = True
        self._update_now()

    def _lay_out(self) -> None:
        columns = 1 if self.width() < _ONE_COLUMN_BELOW_PX else 2
        for card in self._cards:
            self._grid.removeWidget(card)
        for at, card in enumerate(self._cards):
            self._grid.addWidget(card, at // columns, at % columns)
        for column in range(2):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)
        for row in range(len(self._cards)):
            # the upper charts are looked at most
            used = row < -(-len(self._cards) // columns)
            self._grid.setRowStretch(row, 0 if not used else 4 if row == 0 and columns == 2 else 3)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        try:
            self._build()
        except ImportError as error:
            self.charts_failed.emit(error)
            return
        if self._is_stale:
            self._update_now()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        narrow = (event.size().width() < _ONE_COLUMN_BELOW_PX, event.oldSize().width() < _ONE_COLUMN_BELOW_PX)
        if self._cards and narrow[0] is not narrow[1]:
            self._lay_out()

    def _stores(self) -> list[CurveStore]:
        stores = [] if self._store is None else [self._store]
        return stores + [store for _, store in self._others]

    def _listen(self, stores: Sequence[CurveStore], on: bool) -> None:
        for store in dict.fromkeys(stores):  # a run may be laid under itself
            if on:
                store.changed.connect(self._update)
            else:
                store.changed.disconnect(self._update)

    def _end(self) -> float:
        return max((float(store.last_step) for store in self._stores()), default=0.0) or _FIRST_STEPS

    def _update(self) -> None:
        """Something has changed: at once where it can be seen, else when it can be."""
        self._is_stale = True
        if self._cards and self.isVisible():
            self._update_now()

    def _update_now(self) -> None:
        from memorynet_gui.curves.draw import Run, State

        self._is_stale = False
        end = self._end()
        newest = float(self._store.last_step) if self._store is not None else end
        if self._is_fit:
            self._first, self._last = 0.0, end
        elif self._follows and newest > self._last:
            self._first, self._last = self._first + newest - self._last, newest
        if self._last > end:  # the run went back, or an overlay was taken away
            self._first, self._last = max(0.0, self._first + end - self._last), end
        others = tuple(Run(f"run {at}", name, store) for at, (name, store) in enumerate(self._others))
        state = State(
            run=None if self._store is None else Run("", self._name, self._store),
            others=others,
            is_smoothed=self._is_smoothed,
            is_log=self._is_log,
            first=self._first,
            last=self._last,
            crosshair=self._crosshair,
            hidden=self._hidden,
        )
        self._state = state
        for card in self._cards:
            card.plot.set_limits(end, _LEAST_STEPS)
            card.show_state(state)
        self._describe()

    def _describe(self) -> None:
        description = " ".join(card.plot.accessibleDescription() for card in self._cards)
        if description != self.accessibleDescription():
            self.setAccessibleDescription(description)

    # --- the hand ------------------------------------------------------------------------------------

    def _moved(self, first: float, last: float) -> None:
        end = self._end()
        self._first, self._last = first, last
        width = last - first
        newest = float(self._store.last_step) if self._store is not None else end
        self._is_fit = first <= 0.002 * width and last >= end - 0.002 * width
        self._follows = last >= newest - 0.005 * width
        self._update()

    def _pointed(self, card: CurveCard, step: float | None) -> None:
        self._set_crosshair(None if step is None else card.snap(step))

    def _stepped(self, card: CurveCard, points: int) -> None:
        self._set_crosshair(card.neighbour(self._crosshair, points))
        self._keep_in_sight()

    def _jumped(self, card: CurveCard, newest: bool) -> None:
        self._set_crosshair(card.snap(float("inf") if newest else 0.0))
        self._keep_in_sight()

    def _keep_in_sight(self) -> None:
        at, width = self._crosshair, self._last - self._first
        if at is not None and not self._first <= at <= self._last:
            first = min(max(at - width / 2, 0.0), max(self._end() - width, 0.0))
            self._moved(first, first + width)

    def _set_crosshair(self, step: float | None) -> None:
        if step == self._crosshair or self._state is None:
            return
        self._crosshair = step
        self._state = replace(self._state, crosshair=step)
        for card in self._cards:
            card.show_crosshair(self._state)
        self.crosshair_moved.emit(None if step is None else round(step))

    def _choose(self, at: int, key: str) -> None:
        keys = list(self._charts)
        if key in keys:  # the two cards change places: no chart is there twice
            keys[keys.index(key)] = keys[at]
        keys[at] = key
        self.set_charts(keys)

    def _toggle(self, key: str) -> None:
        self._hidden = self._hidden ^ {key}
        self._update()

    # --- export --------------------------------------------------------------------------------------

    def export_png(self, path: Path) -> None:
        """The board as it is now, twice as fine as on the screen, with the run's name above. Atomic.

        Raises OSError.
        """
        image = self.picture()

        def write(temporary: Path) -> None:
            # the stubs want bytes where only a str will do
            if not image.save(str(temporary), "PNG"):  # type: ignore[call-overload]
                raise OSError(f"{path}: the picture could not be written")

        write_atomically(path, write)

    def picture(self) -> QImage:
        """What :meth:`export_png` writes."""
        self._build()
        if self._is_stale:
            self._update_now()
        inside = self._inside
        size = inside.size()
        margin = GAP_PX
        image = QImage(
            _EXPORT_SCALE * (size.width() + 2 * margin),
            _EXPORT_SCALE * (size.height() + margin + _EXPORT_HEAD_PX),
            QImage.Format.Format_RGB32,
        )
        image.setDevicePixelRatio(_EXPORT_SCALE)
        palette = self.palette()
        image.fill(palette.color(QPalette.ColorRole.Window))
        painter = QPainter(image)
        font = app_font()
        font.setWeight(font.Weight.DemiBold)
        painter.setFont(font)
        head = QRect(margin + 4, 0, size.width() - 8, _EXPORT_HEAD_PX)
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(palette.color(QPalette.ColorRole.WindowText))
        painter.drawText(head, middle | Qt.AlignmentFlag.AlignLeft, self._name)
        painter.setFont(app_font())
        painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
        aside = "" if self._store is None else f"{self._store.last_step:,} steps"
        painter.drawText(head, middle | Qt.AlignmentFlag.AlignRight, aside)
        inside.render(painter, QPoint(margin, _EXPORT_HEAD_PX))
        painter.end()
        return image

    def csv_writer(self) -> Callable[[Path], None]:
        """Writes what is there now, on any thread: a million rows take half a minute."""
        runs = [(self._name, self._store)] if self._store is not None else []
        kept: list[tuple[str, Mapping[str, Curve]]] = []
        for name, store in (*runs, *self._others):
            curves: dict[str, Curve] = {}
            for key in store.names:
                series = store.series(key)
                if series is not None and len(series):
                    curves[key] = (np.array(series.steps), np.array(series.values))
            kept.append((name, curves))
        return lambda path: write_csv(path, kept)
