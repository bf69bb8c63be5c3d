"""How steep a photo's edges are along a direction: what tells a smear from streaks of rain. No torch.

No edge across a smear of length L is steeper than its height over L. Streaks of rain that run one way look like a smear to a
spectrum, since they add across them what a smear takes along it; but the edges of the photo behind them are as sharp as ever.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.cv import cv2
from core.restoring import copies

LONGEST_PX = 28  # of a copy, a smear: the longer it is, the steeper is what is none
_WINDOW_PX, _MOST_WINDOWS = 128, 7  # along an edge of the copy
_EDGES = 99.0  # percentile: what changes most is an edge
_STEP_PX = 1.5  # from one pixel to the next
_GRAIN_PX = 0.7  # standard deviation; finer than what tells an edge


def of(pixels: np.ndarray, line: Callable[[float, float], tuple[float, float]]) -> float:
    """How fast a photo (H, W, 3) uint8 | uint16 changes from one pixel to the next at its edges, times the length of a smear over how
    much it changes over that length, both along the smear.

    ``line`` gives the smear's length, px, and angle, degrees from the horizontal and counter-clockwise, at a place: (0, 0) is the middle of
    the photo, and 1 half its longer edge. About 1 where it is smeared by so much, up to that length where its edges are sharp. The median of its parts, for
    things may move otherwise, of the half with most of an edge.
    """
    by = 1
    while line(0.0, 0.0)[0] / by > LONGEST_PX:
        by *= 2
    copy = copies.reduced(pixels, by) if by > 1 else pixels
    height, width = copy.shape[:2]
    half = max(height, width) / 2
    changes, lengths = [], []
    for top in _places(height):
        for left in _places(width):
            part = copy[top : top + _WINDOW_PX, left : left + _WINDOW_PX].astype(np.float32)
            light = cv2.GaussianBlur(part @ np.array([0.3, 0.59, 0.11], np.float32), (0, 0), _GRAIN_PX)
            middle = left + part.shape[1] / 2 - width / 2, top + part.shape[0] / 2 - height / 2
            length_px, angle_deg = line(middle[0] / half, middle[1] / half)
            lengths.append(max(length_px / by, _STEP_PX))
            changes.append([_change(light, over_px, angle_deg) for over_px in (_STEP_PX, lengths[-1])])
    step, whole = np.array(changes).T
    times = np.array(lengths) * step / _STEP_PX / np.maximum(whole, 1e-3)
    return float(np.median(times[whole >= np.median(whole)]))


def _places(edge: int) -> np.ndarray:
    count = min(_MOST_WINDOWS, 1 + max(0, -(-2 * (edge - _WINDOW_PX) // _WINDOW_PX)))
    return np.rint(np.linspace(0, max(0, edge - _WINDOW_PX), count)).astype(int)


def _change(light: np.ndarray, over_px: float, angle_deg: float) -> float:
    """By how much a part of a photo (h, w) changes at its edges over so many pixels along a direction."""
    turned = np.deg2rad(angle_deg)
    right, up = over_px / 2 * np.cos(turned), over_px / 2 * np.sin(turned)
    height, width = light.shape
    ahead, behind = (
        cv2.warpAffine(
            light,
            np.array([[1, 0, sign * right], [0, 1, -sign * up]], np.float32),
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
        for sign in (1, -1)
    )
    return float(np.percentile(cv2.absdiff(ahead, behind), _EDGES))
