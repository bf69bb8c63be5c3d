"""A degradation's parameters as rows with sliders, made from the metadata of its dataclass."""

from __future__ import annotations

import math
from dataclasses import Field
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QWidget

from memorynet_gui.look.theme import set_role
from memorynet_gui.widgets.parts import DirectSlider
from memorynet_gui.widgets.range_slider import TICKS, RangeSlider

_LOG_FROM = 20.0  # a range whose ends differ by more than this is spread by ratios
_TITLE_PX, _VALUE_PX = 116, 104


class Scale:
    """Slider ticks to values and back: by ratios where the range spans decades."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self._log = low > 0 and high / low >= _LOG_FROM

    def value(self, tick: int) -> float:
        share = tick / TICKS
        if self._log:
            found = self.low * (self.high / self.low) ** share
        else:
            found = self.low + share * (self.high - self.low)
        return min(max(rounded(found), self.low), self.high)

    def tick(self, value: float) -> int:
        value = min(max(value, self.low), self.high)
        if self._log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return round(share * TICKS)


def rounded(value: float) -> float:
    """Three figures are as many as a slider can mean, and a file stays readable."""
    return float(f"{value:.3g}")


def value_text(value: float, unit: str) -> str:
    """0.16 and "%" -> "16 %", 1000.0 and "px" -> "1,000 px"."""
    if unit == "%":
        value *= 100
    number = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{number.replace('-', '−')}{'' if unit == '°' else ' '}{unit}".rstrip()


class ParameterRow(QWidget):
    """One number, or a range from and to. Emits its new value as a recipe holds it."""

    changed = Signal(str, object)

    def __init__(self, item: Field[Any], is_range: bool) -> None:
        super().__init__()
        meta = item.metadata
        self.name = item.name
        is_share = not is_range and meta["unit"] == "" and (meta["low"], meta["high"]) == (0.0, 1.0)
        self._unit = "%" if is_share else meta["unit"]
        self._scale = Scale(meta["low"], meta["high"])
        title = QLabel(meta["title"])
        title.setFixedWidth(_TITLE_PX)
        self._text = QLabel()
        self._text.setFixedWidth(_VALUE_PX)
        self._text.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        set_role(self._text, "secondary")
        self.slider: DirectSlider | RangeSlider
        if is_range:
            self.slider = RangeSlider(meta["title"])
            self.slider.moved.connect(self._moved_range)
        else:
            self.slider = DirectSlider()
            self.slider.setRange(0, TICKS)
            self.slider.setSingleStep(10)
            self.slider.setPageStep(100)
            self.slider.setAccessibleName(meta["title"])
            self.slider.valueChanged.connect(self._moved)
        for widget in (self.slider, title):
            widget.setToolTip(f"{meta['help']}.\n{item.name} in the file")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(title)
        row.addWidget(self.slider, 1)
        row.addWidget(self._text)

    def set_value(self, value: Any) -> None:
        """A number, or (from, to). Shown without a signal; it stays exact until a handle is moved."""
        if isinstance(self.slider, RangeSlider):
            low, high = value
            self.slider.set_ends(self._scale.tick(low), self._scale.tick(high))
            self._say(low, high)
        else:
            with QSignalBlocker(self.slider):
                self.slider.setValue(self._scale.tick(value))
            self._say(value)

    def _moved(self, tick: int) -> None:
        value = self._scale.value(tick)
        self._say(value)
        self.changed.emit(self.name, value)

    def _moved_range(self, low_tick: int, high_tick: int) -> None:
        low, high = self._scale.value(low_tick), self._scale.value(high_tick)
        self._say(low, high)
        self.changed.emit(self.name, (low, high))

    def _say(self, *values: float) -> None:
        first, last = values[0], values[-1]
        text = value_text(last, self._unit)
        if len(values) == 2 and first != last:
            text = f"{value_text(first, self._unit).removesuffix(self._unit).rstrip()} – {text}"
        self._text.setText(text)
        self.slider.setAccessibleDescription(text)


class SharesRow(QWidget):
    """Shares that sum to 1, a slider each: moving one makes room among the others."""

    changed = Signal(str, object)

    def __init__(self, item: Field[Any]) -> None:
        super().__init__()
        meta = item.metadata
        self.name = item.name
        title = QLabel(meta["title"])
        title.setToolTip(f"{meta['help']}.\n{item.name} in the file")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        grid.setHorizontalSpacing(8)
        grid.addWidget(title, 0, 0, 1, 3)
        self.sliders: list[DirectSlider] = []
        self._texts: list[QLabel] = []
        self._shares: tuple[float, ...] = ()
        for index, name in enumerate(meta["names"]):
            label, slider, text = QLabel(name), DirectSlider(), QLabel()
            for quiet in (label, text):
                set_role(quiet, "secondary")
            label.setFixedWidth(_TITLE_PX)
            label.setIndent(12)
            text.setFixedWidth(_VALUE_PX)
            text.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            slider.setRange(0, TICKS)
            slider.setAccessibleName(f"{meta['title']}: {name}")
            slider.setToolTip(meta["help"] + ".")
            slider.valueChanged.connect(lambda tick, index=index: self._moved(index, tick))
            self.sliders.append(slider)
            self._texts.append(text)
            for column, widget in enumerate((label, slider, text)):
                grid.addWidget(widget, index + 1, column)

    def set_value(self, shares: tuple[float, ...]) -> None:
        self._shares = tuple(shares)
        for slider, text, share in zip(self.sliders, self._texts, shares, strict=False):
            with QSignalBlocker(slider):
                slider.setValue(round(share * TICKS))
            text.setText(value_text(rounded(share), "%"))
            slider.setAccessibleDescription(text.text())

    def _moved(self, index: int, tick: int) -> None:
        self.set_value(with_share(self._shares, index, tick / TICKS))
        self.changed.emit(self.name, self._shares)


def with_share(shares: tuple[float, ...], index: int, share: float) -> tuple[float, ...]:
    """``shares`` with one of them changed and the others scaled so that all sum to 1."""
    rest = sum(shares) - shares[index]
    others = len(shares) - 1
    if not others:
        return (1.0,)
    scaled = [
        share if at == index else (1 - share) * (old / rest if rest > 1e-9 else 1 / others)
        for at, old in enumerate(shares)
    ]
    made = [round(value, 4) for value in scaled]
    largest = max((at for at in range(len(made)) if at != index), key=lambda at: made[at])
    made[largest] = round(made[largest] + 1 - sum(made), 6)  # what rounding lost
    return tuple(made)
