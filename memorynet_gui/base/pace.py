"""How long photos that wait will take, from those that are done. Sizes differ a thousandfold, so photos are not counted."""

from __future__ import annotations

from core.restoring import scales

_FILE_SHARE = 0.05
"""Reading, enlarging the correction and encoding cost this share of what a pass of the network over the photo costs."""
_ALWAYS_MP = 0.05  # opening a file, and what a photo of one pixel takes


def effort(width: int, height: int, scale: str) -> float:
    """What restoring a photo of this size costs, in megapixels that the network sees.

    ``scale`` is what is asked for or was used; "auto" is taken as the scale at which models learn.
    """
    by = scales.learned(width, height) if scale == scales.AUTO else scales.divisor(scale)
    photo_mp = width * height / 1e6
    return photo_mp / by**2 + _FILE_SHARE * photo_mp + _ALWAYS_MP


class Pace:
    """Seconds by effort, over all that was measured."""

    def __init__(self) -> None:
        self._seconds = self._effort = 0.0

    def measured(self, effort: float, seconds: float) -> None:
        """A photo of this effort took ``seconds``."""
        self._effort += effort
        self._seconds += seconds

    def seconds(self, effort: float) -> float | None:
        """What something of this effort will take; None before anything was measured."""
        return self._seconds / self._effort * effort if self._effort else None

    def with_present(self, effort: float, seconds: float) -> Pace:
        """The same, if the photo at hand takes ``seconds`` altogether."""
        both = Pace()
        both.measured(self._effort + effort, self._seconds + seconds)
        return both
