"""The slider that says how strongly the next run reads the memory of damage."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QWidget

from memorynet_gui.restore.queue_item import thoroughness_words
from memorynet_gui.widgets.ends import SliderWithEnds
from memorynet_gui.widgets.parts import DirectSlider, column

LEAST_PERCENT, MOST_PERCENT, STEP_PERCENT = 100, 200, 5
_ENDS, _OUTDATED = ("As learnt", "Takes more"), "Restore again to see it"
_TOOLTIP = (
    "Takes more of heavy rain, and sooner or later fine detail with it. Holds for the next run. "
    "Exactly: how strongly the memory of damage is read, from 1 to 2 times."
)
_UNAVAILABLE = "This model has no memory of damage to read more strongly"


class Thoroughness(QWidget):
    """100 to 200 % in steps of 5. A model without a memory of damage has 100 %, whatever was wanted before."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._wanted = LEAST_PERCENT
        self.slider = _Slider()
        self.slider.setRange(LEAST_PERCENT, MOST_PERCENT)
        self.slider.setSingleStep(STEP_PERCENT)
        self.slider.setPageStep(2 * STEP_PERCENT)
        self.ends = SliderWithEnds("Thoroughness", self.slider, *_ENDS)
        self.setLayout(column(0, self.ends))
        self.slider.valueChanged.connect(self._moved)
        self.slider.sliderReleased.connect(self._show)  # the handle comes to rest on a step
        self.set_available(True)

    @property
    def percent(self) -> int:
        """What the next run does."""
        return self._wanted if self.slider.isEnabledTo(self) else LEAST_PERCENT

    @property
    def wanted_percent(self) -> int:
        """What it does with every model that can."""
        return self._wanted

    def set_wanted(self, percent: int) -> None:
        """Without a signal; rounded to a step within the range."""
        self._wanted = _on_step(percent)
        self._show()

    def set_available(self, available: bool) -> None:
        """Whether the chosen model has what is read more strongly."""
        self.slider.setEnabled(available)
        self.ends.setEnabled(available)
        for widget in (self.slider, self.ends):
            widget.setToolTip(_TOOLTIP if available else _UNAVAILABLE)
        self._show()

    def set_outdated(self, outdated: bool) -> None:
        """Whether the result in sight was made with another thoroughness."""
        self.ends.set_ends(*(_OUTDATED, "") if outdated else _ENDS)

    def _moved(self, value: int) -> None:
        percent = _on_step(value)  # the handle itself follows the pointer smoothly
        if percent != self._wanted:
            self._wanted = percent
            self._say()
            self.changed.emit()

    def _show(self) -> None:
        if not self.slider.isSliderDown():
            with QSignalBlocker(self.slider):
                self.slider.setValue(self.percent)
        self._say()

    def _say(self) -> None:
        self.ends.value.setText(thoroughness_words(self.percent / 100))


class _Slider(DirectSlider):
    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()  # scrolling the inspector must not change a setting on the way


def _on_step(percent: int) -> int:
    return min(max(STEP_PERCENT * round(percent / STEP_PERCENT), LEAST_PERCENT), MOST_PERCENT)
