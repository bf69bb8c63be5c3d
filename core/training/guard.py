"""When a loss explodes, and how often a run has gone back because of that.

Looked at with each report, whose numbers are fetched from the device anyway: it costs no step a wait.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

TOO_HIGH = 10.0
"""A loss this many times the running median is suspicious..."""
TOO_LONG = 3
"""...and has exploded when it stays there for so many reports."""
SLOWER = 0.5
"""What the learning rate is multiplied by when a run goes back."""
MOST_IN_A_ROW = 5
"""So often a run goes back to one and the same checkpoint."""

_MEDIAN_OF = 21  # reports
_JUDGED_FROM = 5  # fewer reports than this say nothing about what is usual


@dataclass(frozen=True, slots=True)
class Setback:
    """The run went back from one step to an earlier one."""

    step: int  # gone back to
    from_step: int
    lr_scale: float  # what the learning rate is multiplied by from here on
    reason: str

    def line(self) -> dict[str, Any]:
        """As it stands in the curve."""
        return {"kind": "setback", **asdict(self)}


@dataclass(slots=True)
class Guard:
    """What has to be known about a run's losses so far; part of its checkpoints."""

    usual: list[float] = field(default_factory=list)  # losses of the last reports that were not suspicious
    suspicious: int = 0  # reports in a row
    setbacks: list[Setback] = field(default_factory=list)

    @property
    def lr_scale(self) -> float:
        return self.setbacks[-1].lr_scale if self.setbacks else 1.0

    @property
    def in_a_row(self) -> int:
        """How often in a row the run went back to where it did last."""
        count = 0
        for setback in reversed(self.setbacks):
            if setback.step != self.setbacks[-1].step:
                break
            count += 1
        return count

    def judge(self, loss: float, weights_are_finite: bool) -> str | None:
        """Take in a report's mean loss; what is wrong with it, as a sentence without a full stop."""
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if not weights_are_finite:
            return f"the weights are not finite any more (loss {loss:.4g})"
        usual = statistics.median(self.usual) if len(self.usual) >= _JUDGED_FROM else math.inf
        if loss <= TOO_HIGH * usual:
            self.usual = [*self.usual, loss][-_MEDIAN_OF:]
            self.suspicious = 0
            return None
        self.suspicious += 1
        if self.suspicious < TOO_LONG:
            return None
        return f"the loss has grown from {usual:.4g} to {loss:.4g}"

    def note_setback(self, step: int, from_step: int, reason: str) -> Setback:
        setback = Setback(step, from_step, self.lr_scale * SLOWER, reason)
        self.setbacks = [*self.setbacks, setback]
        return setback

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Guard:
        """Raises KeyError, TypeError, ValueError."""
        return Guard(
            [float(value) for value in values["usual"]],
            int(values["suspicious"]),
            [Setback(**setback) for setback in values["setbacks"]],
        )
