"""What the synthetic degradations share: ranges to draw from, smooth fields, the rounding of a stored photo."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.cv import cv2


@dataclass(frozen=True, slots=True)
class Bounds:
    """A range a parameter is drawn from, ``low`` to ``high`` inclusive."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"range {self.low} to {self.high}: the first must not exceed the second")

    def draw(self, rng: np.random.Generator) -> float:
        return float(rng.uniform(self.low, self.high))

    def draw_log(self, rng: np.random.Generator) -> float:
        return float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))


def parameter(
    default: Any,
    title: str,
    text: str,
    low: float = 0.0,
    high: float = 1.0,
    unit: str = "",
    *,
    basic: bool = False,
    names: tuple[str, ...] = (),
) -> Any:
    """A field of a degradation's parameters that explains itself in its metadata, as a recipe's fields do.

    Args:
        default: a number, :class:`Bounds`, or shares that sum to 1.
        low, high: the sensible range, which a slider spans; what is allowed at all is the dataclass's own affair.
        unit: "px", "°", or "" for what has none; shares are shown in percent.
        basic: among the few that are shown first.
        names: what each of the shares is the share of.
    """
    meta = {
        "title": title,
        "help": text,
        "low": low,
        "high": high,
        "unit": unit,
        "basic": basic,
        "names": names,
    }
    return field(default=default, metadata=meta)


def smooth_field(height: int, width: int, rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """(H, W) float32, slowly varying between ``low`` and ``high``."""
    coarse = rng.uniform(low, high, (4, 4)).astype(np.float32)
    return np.clip(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), low, high)


def as_stored(picture: np.ndarray, rng: np.random.Generator, jpeg: float) -> np.ndarray:
    """``picture`` (H, W, 3) as an 8-bit file would hold it, float32 in 0..1; a share ``jpeg`` of them as a JPEG."""
    levels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    if rng.random() < jpeg:
        quality = int(rng.integers(75, 98))
        ok, data = cv2.imencode(".jpg", levels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        if ok:
            levels = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1]
    return levels.astype(np.float32) / 255
