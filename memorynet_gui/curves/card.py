"""One card of the board: a chart's name, its legend with values, and its curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup, QColor, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QVBoxLayout, QWidget

from memorynet_gui.curves.charts import (
    CHARTS,
    LEFT,
    RIGHT,
    SHARE,
    Chart,
    Line,
    log_ticks,
    step_text,
    step_ticks,
    value_ticks,
)
from memorynet_gui.curves.draw import (
    Drawn,
    State,
    Tone,
    collect,
    course,
    is_hidden,
    is_log,
    level,
    lines_of,
    stroke,
)
from memorynet_gui.curves.legend import Entry, Legend
from memorynet_gui.curves.plot import CurvePlot, Look, Scene
from memorynet_gui.curves.series import Series
from memorynet_gui.curves.store import CurveStore
from memorynet_gui.look.theme import caption_font
from memorynet_gui.widgets.glyph import GlyphButton

_TICK_X_PX, _TICK_Y_PX = 64, 36


class CurveCard(QFrame):
    """Shows what its board's state says. ``show_state`` is all there is to do to it."""

    chart_chosen = Signal(str)
    line_toggled = Signal(str)  # a key of State.hidden
    moved = Signal(float, float)
    pointed = Signal(object)  # step or None
    stepped = Signal(int)
    jumped = Signal(bool)
    fit_requested = Signal()

    def __init__(self, chart: Chart, state: State, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.chart = chart
        self._state = state
        self._tone = Tone.of_application()
        self._ring = False
        self._scene = Scene()
        self._levels: dict[str, tuple[float, float]] = {LEFT: (0, 1), RIGHT: (0, 1), SHARE: (0, 1)}
        self._left_ticks: list[tuple[float, str]] = []
        self.setProperty("role", "card")
        self.title = QLabel()
        self.title.setProperty("role", "strong")
        self.choose = GlyphButton("Choose what this card shows", "mdi6.chevron-down", QSize(22, 22))
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        self.choose.clicked.connect(
            lambda: self._menu.popup(self.choose.mapToGlobal(self.choose.rect().bottomLeft()))
        )
        self.readout = QLabel()
        self.readout.setProperty("role", "caption")
        self.readout.setFont(caption_font())
        self.legend = Legend()
        self.plot = CurvePlot(self._look())
        header = QHBoxLayout()
        header.setContentsMargins(12, 0, 12, 0)
        header.setSpacing(4)
        header.addWidget(self.title)
        header.addWidget(self.choose)
        header.addStretch(1)
        header.addWidget(self.readout)
        below = QVBoxLayout()
        below.setContentsMargins(12, 0, 12, 0)
        below.setSpacing(6)
        below.addWidget(self.legend)
        below.addWidget(self.plot, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 8)
        layout.setSpacing(2)
        layout.addLayout(header)
        layout.addLayout(below, 1)
        self.setMinimumSize(220, 150)

        plot = self.plot
        plot.moved.connect(self.moved)
        plot.pointed.connect(self.pointed)
        plot.stepped.connect(self.stepped)
        plot.jumped.connect(self.jumped)
        plot.fit_requested.connect(self.fit_requested)
        plot.resized.connect(self.refresh)
        plot.focused.connect(self._show_ring)
        self.legend.toggled.connect(self.line_toggled)
        self.set_chart(chart)

    # --- what is shown -----------------------------------------------------------------------------

    def set_chart(self, chart: Chart) -> None:
        self.chart = chart
        self.refresh()

    def show_state(self, state: State) -> None:
        self._state = state
        self.refresh()

    def show_crosshair(self, state: State) -> None:
        """``state`` differs in the crosshair only: the curves stay as they are."""
        self._state = state
        self._cross(self._scene, self._levels)
        self.plot.show_scene(self._scene)
        self._show_words()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in {QEvent.Type.PaletteChange, QEvent.Type.StyleChange}:
            tone = Tone.of_application()
            if tone != self._tone:
                self._tone = tone
                self.plot.set_look(self._look())
                self.refresh()

    def _look(self) -> Look:
        return Look(*(self._tone.token(name) for name in ("panel", "line", "text", "secondary", "accent")))

    @property
    def is_log(self) -> bool:
        return is_log(self.chart, self._state)

    def lines(self) -> tuple[Line, ...]:
        """Those of the chart, with the terms of the loss that nobody has described yet."""
        return lines_of(self.chart, self._state)

    def is_hidden(self, line: Line) -> bool:
        return is_hidden(self.chart, line, self._state)

    def _colour(self, line: Line) -> QColor:
        return self._tone.of(line)

    @property
    def _input_db(self) -> float | None:
        return None if self._state.run is None else self._state.run.store.input_psnr_db

    def refresh(self) -> None:
        """Everything anew from the stores; costs the same for ten points and for a million."""
        state, plot = self._state, self.plot
        plot.set_range(state.first, state.last)
        plot.set_headroom(bool(self.chart.unit or self.is_log))
        drawn = collect(self.chart, state, self._tone, max(int(plot.area().width()), 8))
        levels = {axis: level(self.chart, state, drawn, axis) for axis in (LEFT, RIGHT)}
        levels[SHARE] = (0.0, 1.0)
        self._show_ticks(levels, {item.line.axis for item in drawn})
        area = plot.area()
        scene = Scene(
            grid=[share for share, _ in self._left_ticks],
            strokes=[stroke(self.chart, state, item, levels[item.line.axis], area) for item in drawn],
            words=self._words(drawn),
        )
        if drawn:
            log = "log" if self.is_log else ""
            scene.corner = " · ".join(part for part in (self.chart.unit, log) if part)
            scene.right_corner = self.chart.right_unit if any(d.line.axis == RIGHT for d in drawn) else ""
        self._mark(scene, levels[LEFT])
        self._cross(scene, levels)
        self._scene, self._levels = scene, levels
        plot.show_scene(scene)
        self._show_words()

    # --- axes, marks, words ----------------------------------------------------------------------------

    def _show_ticks(self, levels: Mapping[str, tuple[float, float]], axes: set[str]) -> None:
        area = self.plot.area()
        most = max(2, int(area.height() / _TICK_Y_PX))
        low, high = levels[LEFT]
        if self.is_log:
            found = [(math.log10(value), text) for value, text in log_ticks(10**low, 10**high, most)]
        else:
            found = value_ticks(low, high, most)
        self._left_ticks = [((value - low) / (high - low), text) for value, text in found]
        right: list[tuple[float, str]] = []
        if RIGHT in axes:
            low, high = levels[RIGHT]
            right = [((value - low) / (high - low), text) for value, text in value_ticks(low, high, most)]
        first, last = self._state.first, self._state.last
        bottom = [
            ((value - first) / (last - first), text)
            for value, text in step_ticks(first, last, max(2, int(area.width() / _TICK_X_PX)))
        ]
        if bottom:
            bottom[-1] = (bottom[-1][0], f"{bottom[-1][1]} steps")
        # without a curve there are no values to read off, only room for them
        left = self._left_ticks if axes & {LEFT} else [(share, "") for share, _ in self._left_ticks]
        self.plot.set_ticks(bottom, left, right)

    def _mark(self, scene: Scene, level: tuple[float, float]) -> None:
        run = self._state.run
        if self.chart.key != "psnr" or run is None or not scene.strokes:
            return
        span = level[1] - level[0]
        if self._input_db is not None and level[0] <= self._input_db <= level[1]:
            scene.reference = ((self._input_db - level[0]) / span, f"input {self._input_db:.2f} dB")
        line = self.chart.lines[0]
        best = run.store.best
        if best is not None and not self.is_hidden(line):
            x = (best[0] - self._state.first) / (self._state.last - self._state.first)
            if 0 <= x <= 1:
                scene.mark = (x, (best[1] - level[0]) / span)

    def _cross(self, scene: Scene, levels: Mapping[str, tuple[float, float]]) -> None:
        state, run = self._state, self._state.run
        scene.crosshair, scene.dots = None, []
        if state.crosshair is None:
            return
        span = state.last - state.first
        scene.crosshair = (state.crosshair - state.first) / span
        for line in self.lines():
            point = None if run is None or self.is_hidden(line) else self._point(run.store, line)
            if point is None:
                continue
            step, value = point
            low, high = levels[line.axis]
            value *= line.scale
            if self.is_log and line.axis == LEFT:
                if value <= 0:
                    continue
                value = math.log10(value)
            scene.dots.append(((step - state.first) / span, (value - low) / (high - low), self._colour(line)))

    def _point(self, store: CurveStore, line: Line) -> tuple[int, float] | None:
        """(step, value in the series' unit) at the crosshair, or the newest."""
        series = store.series(line.series)
        if series is None:
            return None
        at = len(series) - 1
        if self._state.crosshair is not None:
            found = series.nearest(self._state.crosshair)
            assert found is not None
            at = found
        return int(series.steps[at]), float(course(self.chart, self._state, series)[at])

    def _words(self, drawn: Sequence[Drawn]) -> str:
        if drawn:
            return ""
        run = self._state.run
        if run is None:
            return self.chart.waiting
        if run.store.is_loading:
            return "Reading the curve…"
        has_some = any(run.store.series(line.series) for line in self.lines())
        return "Nothing of it lies here" if has_some else self.chart.waiting

    def _show_words(self) -> None:
        run, state = self._state.run, self._state
        protocol = (
            f" ({run.store.protocol})"
            if run and run.store.protocol and self.chart.key in {"psnr", "ssim"}
            else ""
        )
        title = f"{self.chart.title}{protocol}"
        if self.title.text() != title:
            self.title.setText(title)
            self.choose.setAccessibleName(f"{title}: choose what this card shows")
            self.plot.setAccessibleName(f"{title}, curve over the steps")
        entries = []
        for line in self.lines():
            point = None if run is None else self._point(run.store, line)
            if point is not None:
                key = f"{self.chart.key}/{line.series}"
                text = line.text(point[1] * line.scale)
                entries.append(
                    Entry(key, line.title, text, self._colour(line), not self.is_hidden(line), line.dash)
                )
        for number, other in enumerate(state.others):
            grey = self._tone.grey(number)
            entries.append(Entry(other.key, other.name, "", grey, other.key not in state.hidden))
        self.legend.set_most_rows(2 if self.height() < 220 else 3)
        self.legend.set_entries(entries)
        self.readout.setText(self._aside())
        description = self.summary()
        if description != self.plot.accessibleDescription():
            self.plot.setAccessibleDescription(description)

    def _aside(self) -> str:
        run, crosshair = self._state.run, self._state.crosshair
        if run is None:
            return ""
        if crosshair is not None:
            return f"step {round(crosshair):,}"
        best = run.store.best
        if self.chart.key == "psnr" and best is not None:
            when = step_text(best[0], 1) if best[0] else "the start"
            return f"best {best[1]:.2f} at {when}"
        return ""

    def summary(self) -> str:
        """The values in a sentence: at the crosshair where there is one, else the newest."""
        values = [
            f"{entry.name} {entry.value}" for entry in self.legend.entries if entry.value and entry.is_shown
        ]
        if not values or self._state.run is None:
            return f"{self.chart.title}: nothing yet."
        crosshair = self._state.crosshair
        step = self._state.run.store.last_step if crosshair is None else round(crosshair)
        aside = self._aside() if crosshair is None else ""
        return f"{self.title.text()} at step {step:,}: {', '.join([*values, aside] if aside else values)}."

    # --- the crosshair ---------------------------------------------------------------------------------

    def _main_series(self) -> Series | None:
        """The one whose points the crosshair goes along."""
        run = self._state.run
        if run is None:
            return None
        shown = sorted(self.lines(), key=self.is_hidden)  # stable: those that are shown first
        return next((found for line in shown if (found := run.store.series(line.series))), None)

    def snap(self, step: float) -> float | None:
        """The step of the point nearest to ``step``; None while this card has none."""
        series = self._main_series()
        at = None if series is None else series.nearest(min(step, 2.0**31))
        return None if series is None or at is None else float(series.steps[at])

    def neighbour(self, step: float | None, points: int) -> float | None:
        """The step that many points on; from nowhere, the newest in sight."""
        series = self._main_series()
        if series is None:
            return None
        at = series.nearest(self._state.last if step is None else step)
        assert at is not None
        at += 0 if step is None else points
        return float(series.steps[min(max(at, 0), len(series) - 1)])

    # --- menu, ring ------------------------------------------------------------------------------------

    def _fill_menu(self) -> None:
        self._menu.clear()
        group = QActionGroup(self._menu)
        for chart in CHARTS:
            action = QAction(chart.title, self._menu, checkable=True)
            action.setChecked(chart.key == self.chart.key)
            action.triggered.connect(partial(self.chart_chosen.emit, chart.key))
            group.addAction(action)
            self._menu.addAction(action)
        if self.legend.entries:
            self._menu.addSeparator()
        for entry in self.legend.entries:
            action = QAction(f"Show {entry.name}", self._menu, checkable=True)
            action.setChecked(entry.is_shown)
            action.triggered.connect(partial(self.line_toggled.emit, entry.key))
            self._menu.addAction(action)

    def _show_ring(self, shown: bool) -> None:
        if shown != self._ring:
            self._ring = shown
            self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.legend.set_most_rows(2 if self.height() < 220 else 3)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._ring:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(self._tone.token("focus"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
            painter.end()
