"""What the charts of a run are: which curves on which axis, in which colour and words; ticks and numbers. No Qt."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

LEFT, RIGHT, SHARE = "left", "right", "share"
"""Axes. A curve on SHARE runs from 0 at the bottom to 1 at the top; its value is told in the legend only."""


def number_text(value: float, digits: int = 3) -> str:
    """``digits`` significant ones: "0.0213", "24.1", "1.2e-05"."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    exponent = math.floor(math.log10(abs(value)))
    if not -4 <= exponent < 6:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(digits - 1 - exponent, 0)}f}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _decibels(value: float) -> str:
    return f"{value:.2f} dB"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %" if value < 0.0995 else f"{100 * value:.0f} %"


def _gigabytes(value: float) -> str:
    return f"{value:.2f} GB"


@dataclass(frozen=True, slots=True)
class Line:
    """One curve of a chart. ``colour``: a token of the theme, or of :data:`PALETTE`."""

    series: str
    title: str
    colour: str
    text: Callable[[float], str] = number_text
    axis: str = LEFT
    scale: float = 1.0  # from the series' unit to the axis'
    is_main: bool = True  # drawn for other runs, too, and raw behind its smoothed course
    dash: tuple[float, ...] = ()  # where its colour is that of another one, too


@dataclass(frozen=True, slots=True)
class Chart:
    key: str
    title: str
    lines: tuple[Line, ...]
    waiting: str  # what to expect while there is nothing to draw
    unit: str = ""  # of the left axis
    right_unit: str = ""
    can_log: bool = False
    from_zero: bool = False
    smooths: bool = True
    of_validations: bool = False  # few points, shown one by one


PALETTE: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        # (on dark, on light): far apart in lightness as well, and none of them one of the three meanings
        "teal": ("#58b8a8", "#12776a"),
        "violet": ("#b795e6", "#6f42b5"),
        "yellow": ("#d9c65f", "#7d6a06"),
        "rose": ("#e085a3", "#b02f5c"),
        "green": ("#8fc08f", "#3c7d3f"),
        "brown": ("#b3957a", "#7a5636"),
    }
)
DASHED, DOTTED = (5.0, 3.0), (2.0, 3.0)
OTHERS: tuple[tuple[str, str], ...] = (("#8c8c8c", "#8a8a8a"), ("#6f6f6f", "#a6a6a6"), ("#b0b0b0", "#6e6e6e"))
"""Greys (on dark, on light) of the runs laid under the one at hand."""

_STEPS_WAIT = "Comes with the first report"
_VALIDATION_WAIT = "Comes with the first validation"

CHARTS: tuple[Chart, ...] = (
    Chart(
        "loss",
        "Loss",
        (
            Line("loss", "total", "actual"),
            Line("pixel", "pixel", "teal", is_main=False),
            Line("edge", "edge", "violet", is_main=False),
            Line("contrastive", "contrastive", "yellow", is_main=False),
            Line("polarity", "polarity", "rose", is_main=False),
            Line("polarity_truth", "truth's polarity", "brown", is_main=False),
            Line("balance", "balance", "green", is_main=False),
            Line("smooth", "smooth", "teal", is_main=False, dash=DASHED),
            Line("spread", "spread", "violet", is_main=False, dash=DASHED),
        ),
        _STEPS_WAIT,
        can_log=True,
    ),
    Chart(
        "psnr",
        "Validation PSNR",
        (
            Line("psnr_db", "PSNR", "accent", _decibels),
            Line("psnr_guided_db", "with masks", "teal", _decibels, is_main=False),
            Line("psnr_deciding_db", "mean of both", "violet", _decibels, is_main=False),
        ),
        _VALIDATION_WAIT,
        unit="dB",
        smooths=False,
        of_validations=True,
    ),
    Chart(
        "ssim",
        "Validation SSIM",
        (
            Line("ssim", "SSIM", "accent", lambda value: f"{value:.4f}"),
            Line("ssim_guided", "with masks", "teal", lambda value: f"{value:.4f}", is_main=False),
        ),
        _VALIDATION_WAIT,
        smooths=False,
        of_validations=True,
    ),
    Chart(
        "distances",
        "Distances",
        (
            Line("distance_positive", "to positive", "positive"),
            Line("distance_negative", "to negative", "negative"),
        ),
        "Comes with the first contrastive term",
    ),
    Chart(
        "speed",
        "Speed and memory",
        (
            Line("images_per_s", "images/s", "actual"),
            Line("data_wait", "data wait", "yellow", _percent, SHARE, is_main=False),
            Line("process_mb", "memory", "green", _gigabytes, RIGHT, 1e-3, is_main=False),
            Line("device_mb", "device", "violet", _gigabytes, RIGHT, 1e-3, is_main=False),
        ),
        _STEPS_WAIT,
        unit="images/s",
        right_unit="GB",
        from_zero=True,
    ),
    Chart("rate", "Learning rate", (Line("lr", "rate", "actual"),), _STEPS_WAIT, can_log=True, smooths=False),
    Chart("gradient", "Gradient norm", (Line("grad_norm", "norm", "actual"),), _STEPS_WAIT, can_log=True),
    Chart(
        "slots",
        "Memory slots",
        (
            Line("memory_entropy", "entropy", "actual", lambda value: f"{value:.3f}"),
            Line("memory_silent", "silent", "teal", _percent, is_main=False),
            Line("memory_dead", "dead", "rose", _count, RIGHT, is_main=False),
            Line("memory_duplicates", "duplicates", "yellow", _count, RIGHT, is_main=False),
            Line("memory_renewed", "renewed", "green", _count, RIGHT, is_main=False),
        ),
        "Comes with the first validation of a network with slots",
        unit="0 to 1",
        right_unit="slots",
        from_zero=True,
        smooths=False,
        of_validations=True,
    ),
)
BY_KEY: Mapping[str, Chart] = MappingProxyType({chart.key: chart for chart in CHARTS})
FIRST = ("loss", "psnr", "distances", "speed")
"""The charts of a new board, by key, in reading order."""


def colour(name: str, tokens: Mapping[str, str], is_dark: bool) -> str:
    """ "#rrggbb" of a line's colour. Raises KeyError."""
    if name in PALETTE:
        return PALETTE[name][0 if is_dark else 1]
    return tokens[name]


# --- ticks ---------------------------------------------------------------------------------------


def nice_step(span: float, most: int) -> float:
    """The smallest of 1, 2, 5, 10, ... that cuts ``span`` into at most ``most`` parts."""
    if not span > 0 or most < 1:
        raise ValueError(f"span {span}, most {most}: need both above zero")
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * part for part in (1, 2, 5, 10) if power * part >= raw * (1 - 1e-9))


def ticks(low: float, high: float, most: int) -> tuple[list[float], float]:
    """Round numbers within low..high and the step between them."""
    step = nice_step(high - low, max(most, 1))
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return [(first + index) * step for index in range(max(count, 0))], step


def step_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """For the axis of steps, which are whole: "0", "2k", "4k"."""
    found, step = ticks(low, high, most)
    if step < 1:
        found, step = [float(value) for value in range(math.ceil(low), math.floor(high) + 1)], 1.0
    return [(value, step_text(value, step)) for value in found]


def step_text(value: float, step: float) -> str:
    """ "6k" among thousands, "1.5M" among half millions, "6,020" among tens."""
    if value and step >= 100_000 and abs(value) >= 1_000_000:
        return f"{value / 1_000_000:.{0 if step >= 1_000_000 else 1}f}M"
    if value and step >= 100 and abs(value) >= 1_000 and (step >= 1_000 or abs(value) < 100_000):
        return f"{value / 1000:.{0 if step >= 1000 else 1}f}k"
    return f"{value:,.0f}"


def value_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    found, step = ticks(low, high, most)
    largest = max((abs(value) for value in found), default=0.0)
    if largest and (largest < 1e-3 or largest >= 1e6):
        return [(value, "0" if value == 0 else f"{value:.{_digits(value, step)}e}") for value in found]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(value, f"{value:,.{decimals}f}") for value in found]


def _digits(value: float, step: float) -> int:
    return max(0, math.floor(math.log10(abs(value)) + 1e-9) - math.floor(math.log10(step) + 1e-9))


def log_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Of the values low..high, both above zero: decades and their parts where there is room for them."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for parts in ((1, 2, 5), (1, 3), (1,)):
        found = [
            part * 10.0**power
            for power in range(first, last + 1)
            for part in parts
            if low * (1 - 1e-9) <= part * 10.0**power <= high * (1 + 1e-9)
        ]
        if len(found) <= most:
            break
    else:
        found = found[:: -(-len(found) // max(most, 1))]
    if len(found) < 2:  # less than a decade: round numbers tell more
        return value_ticks(low, high, most)
    return [(value, number_text(value, 1)) for value in found]


def padded(low: float, high: float, is_log: bool = False, from_zero: bool = False) -> tuple[float, float]:
    """A range with air around the curves that does not move with every point.

    Its ends lie on a grid as fine as a quarter of a tick. ``is_log``: of logarithms.
    """
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    is_positive = low >= 0 and not is_log  # what is never negative has no axis that says so
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-9):
        air = 0.5 if is_log else max(abs(high) * 0.1, 1e-9)
        low, high = max(low - air, 0.0) if is_positive else low - air, high + air
    span = high - low
    grid = nice_step(span, 4) / 4
    bottom = math.floor((low - 0.04 * span) / grid) * grid
    if is_positive:
        bottom = max(bottom, 0.0)
    return bottom, math.ceil((high + 0.04 * span) / grid) * grid
