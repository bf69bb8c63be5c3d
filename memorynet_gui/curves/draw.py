"""From the stores of a board's runs to the strokes of one chart: which curves, in which colour, on which scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from memorynet_gui.curves.charts import (
    CHARTS,
    DASHED,
    DOTTED,
    LEFT,
    OTHERS,
    PALETTE,
    Chart,
    Line,
    colour,
    padded,
)
from memorynet_gui.curves.plot import Stroke, polygon, zigzag
from memorynet_gui.curves.series import Series, View
from memorynet_gui.curves.store import CurveStore
from memorynet_gui.look.tokens import DARK, LIGHT

_DIM = 0.38  # of the raw course behind the smoothed one
_DASHES: tuple[tuple[float, ...], ...] = ((), DASHED, DOTTED)  # curves of one other run, all grey
_POINTS_FOR_DOTS = 40


@dataclass(frozen=True, slots=True)
class Run:
    """A run on the board. ``key`` tells those laid under it apart, whose names may be equal."""

    key: str
    name: str
    store: CurveStore


@dataclass(frozen=True, slots=True)
class State:
    """What all cards of a board have in common."""

    run: Run | None = None
    others: tuple[Run, ...] = ()
    is_smoothed: bool = True
    is_log: bool = False
    first: float = 0.0
    last: float = 10.0
    crosshair: float | None = None
    hidden: frozenset[str] = frozenset()  # "chart/series" and keys of other runs


@dataclass(frozen=True, slots=True)
class Tone:
    """The theme's colours."""

    tokens: Mapping[str, str]
    is_dark: bool

    @staticmethod
    def of_application() -> Tone:
        # a widget's own palette follows its style sheet, the application's the theme
        is_dark = QApplication.palette().color(QPalette.ColorRole.Window).lightness() < 128
        return Tone(DARK if is_dark else LIGHT, is_dark)

    def token(self, name: str) -> QColor:
        return QColor(self.tokens[name])

    def of(self, line: Line) -> QColor:
        return QColor(colour(line.colour, self.tokens, self.is_dark))

    def grey(self, number: int) -> QColor:
        """Of the run that lies ``number`` places under the one at hand, from 0."""
        return QColor(OTHERS[number % len(OTHERS)][0 if self.is_dark else 1])

    def dimmed(self, full: QColor) -> QColor:
        panel = self.token("panel")
        pairs = ((full.red(), panel.red()), (full.green(), panel.green()), (full.blue(), panel.blue()))
        return QColor(*(round(below + _DIM * (above - below)) for above, below in pairs))


@dataclass(frozen=True, slots=True)
class Drawn:
    """A curve and how it is drawn."""

    line: Line
    view: View  # on the axis' scale, logarithms where the chart is logarithmic
    colour: QColor
    weight: int = 1
    dash: tuple[float, ...] = ()


def lines_of(chart: Chart, state: State) -> tuple[Line, ...]:
    """Those of the chart; the loss also has the terms that nobody has described yet."""
    if chart.key != "loss" or state.run is None:
        return chart.lines
    known = {line.series for chart in CHARTS for line in chart.lines}
    names = tuple(PALETTE)
    extra = (name for name in state.run.store.step_names if name not in known)
    return chart.lines + tuple(
        Line(name, name.replace("_", " "), names[at % len(names)], is_main=False, dash=DOTTED)
        for at, name in enumerate(extra)
    )


def is_hidden(chart: Chart, line: Line, state: State) -> bool:
    return f"{chart.key}/{line.series}" in state.hidden


def is_log(chart: Chart, state: State) -> bool:
    return state.is_log and chart.can_log


def course(chart: Chart, state: State, series: Series) -> np.ndarray:
    """The values that are told: smoothed where the curve is."""
    return series.smoothed if state.is_smoothed and chart.smooths else series.values


def collect(chart: Chart, state: State, tone: Tone, columns: int) -> list[Drawn]:
    """What is drawn, from the bottom up."""
    smoothed = state.is_smoothed and chart.smooths
    found: list[Drawn] = []
    for number, other in enumerate(state.others):
        if other.key in state.hidden:
            continue
        mains = [line for line in chart.lines if line.is_main and not is_hidden(chart, line, state)]
        for at, line in enumerate(mains):
            view = _view(chart, state, other.store, line, columns, smoothed)
            if view is not None:
                dash = _DASHES[at % len(_DASHES)]
                found.append(
                    Drawn(line, view, tone.grey(number), 2 if chart.smooths is smoothed else 1, dash)
                )
    if state.run is None:
        return found
    store = state.run.store
    shown = [line for line in lines_of(chart, state) if not is_hidden(chart, line, state)]
    if smoothed:
        for line in (line for line in shown if line.is_main):
            view = _view(chart, state, store, line, columns, False)
            if view is not None:
                found.append(Drawn(line, view, tone.dimmed(tone.of(line))))
    for line in reversed(shown):  # the first one on top
        view = _view(chart, state, store, line, columns, smoothed)
        if view is not None:
            weight = 3 if line.is_main else 2
            found.append(
                Drawn(line, view, tone.of(line), weight if chart.smooths is smoothed else 1, line.dash)
            )
    return found


def _view(
    chart: Chart, state: State, store: CurveStore, line: Line, columns: int, smoothed: bool
) -> View | None:
    series = store.series(line.series)
    if series is None:
        return None
    view = series.view(state.first, state.last, columns, smoothed)
    low = view.low * np.float32(line.scale) if line.scale != 1.0 else view.low
    high = low if view.is_exact else view.high * np.float32(line.scale)
    steps = view.steps
    if is_log(chart, state) and line.axis == LEFT:
        above = high > 0
        if not above.all():
            steps, low, high = steps[above], low[above], high[above]
        high = np.log10(high)
        low = high if view.is_exact else np.where(low > 0, np.log10(np.maximum(low, 1e-30)), high)
    return View(steps, low, high) if len(steps) else None


def level(chart: Chart, state: State, drawn: Sequence[Drawn], axis: str) -> tuple[float, float]:
    """The range of an axis: that of what is drawn on it."""
    own = [item.view for item in drawn if item.line.axis == axis]
    lows, highs = [float(view.low.min()) for view in own], [float(view.high.max()) for view in own]
    if not own:
        return 0.0, 1.0
    input_db = None if state.run is None else state.run.store.input_psnr_db
    # whoever zooms in wants to tell scores apart, not to see them beside the input's
    if axis == LEFT and chart.key == "psnr" and input_db is not None and state.first <= 0:
        lows.append(input_db)
        highs.append(input_db)
    return padded(min(lows), max(highs), is_log(chart, state) and axis == LEFT, chart.from_zero)


def stroke(chart: Chart, state: State, item: Drawn, span: tuple[float, float], area: QRectF) -> Stroke:
    """``item`` in pixels of ``area``, whose height is the axis' ``span``."""
    view = item.view
    x = (view.steps - state.first) * (area.width() / (state.last - state.first))
    scale = area.height() / (span[1] - span[0])
    low = (span[1] - view.low.astype(np.float64)) * scale
    if view.is_exact:
        points = np.column_stack((x, low))
    else:
        points = zigzag(x, low, (span[1] - view.high.astype(np.float64)) * scale)
    few = len(points) <= _POINTS_FOR_DOTS and chart.of_validations and not item.dash
    return Stroke(polygon(points), item.colour, item.weight, few, item.dash)
