"""Lit places that a shadow's mask covers, such as slivers of sun between an arm and its body: relit, they are overexposed.

What gives them away is the light itself. Relit they are brighter than the lit ground beside the shadow gets, and before they were, in
light and tint, nearer to that ground than to the shadow. Paler things in a shadow are one or the other at most. Looked for twice: pixel
by pixel, for the narrow ones, and smoothed, since rough ground has bright grains. No torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.cv import cv2

# log differences as light and two tints, an orthonormal basis
AXES = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2]], np.float32) / np.sqrt([[3], [2], [6]]).astype(np.float32)
_NEAR_PX, _FAR_PX, _REACH_PX = (
    6.0,
    40.0,
    2.0,
)  # of the lit ground beside the border; beyond the border, of the shadow
_LEAST_GROUND_PX, _LEAST_SHADOW_PX = 200, 50
_BRIGHTEST, _BRIGHT = 99.5, 90.0  # percent of the ground that is darker
_LEAST_PX, _OVER = 40, 0.3  # a piece is one from, and by so much of it brighter than the brightest
_SOFT = 0.25  # of the way from lit to shaded: how softly a piece ends
_DARK = 2.0  # levels, added before logarithms


@dataclass(frozen=True, slots=True)
class _Look:
    """How closely it is looked: ``blur_px`` of the light, ``tint_px`` of the tints; ``room``: times the brightest; ``lit``: of the
    way from lit to shaded, what counts as lit."""

    blur_px: float
    tint_px: float
    room: float
    lit: float


_CLOSELY, _SMOOTHED = _Look(0.0, 0.7, 1.1, 0.5), _Look(3.0, 1.7, 1.05, 0.3)


def spared(photo: np.ndarray, relit: np.ndarray, distance: np.ndarray, shadow: np.ndarray) -> np.ndarray:
    """``relit`` with pieces that were lit as they are in ``photo``, and nothing brighter than the lit ground beside a shadow gets.

    Args:
        photo, relit: (H, W, 3) uint8 | uint16 of one depth, at most about 1,000 px.
        distance: (H, W) px from the border of the shadow, positive in the light.
        shadow: (H, W) the number of the shadow next to each pixel, from 1.

    Returns ``relit`` itself where there is nothing of it.
    """
    top = np.iinfo(photo.dtype).max
    before, after = (pixels.astype(np.float32) * np.float32(255 / top) for pixels in (photo, relit))
    log = np.log(before + _DARK)
    seen = [
        (
            look,
            _smooth(before.mean(2), look.blur_px),
            _smooth(after.mean(2), look.blur_px),
            _smooth(log, look.tint_px) @ AXES.T,
        )
        for look in (_CLOSELY, _SMOOTHED)
    ]
    out = after
    for number in range(1, int(shadow.max()) + 1):
        own = shadow == number
        ground = own & (distance > _NEAR_PX) & (distance < _FAR_PX)
        zone, dim = own & (distance <= _REACH_PX), own & (distance < 0)
        if ground.sum() < _LEAST_GROUND_PX or dim.sum() < _LEAST_SHADOW_PX:
            continue
        for look, light, now, tints in seen:
            brightest = np.percentile(light[ground], _BRIGHTEST) * look.room
            over = zone & (now > brightest)
            if not over.any():
                continue
            if look is _CLOSELY:
                most = np.maximum(brightest, light)  # not darker than it was
                out = out * np.where(over, np.minimum(most / np.maximum(now, 1), 1), 1)[..., None]
            lit, dark = np.median(tints[ground], 0), np.median(tints[dim], 0)
            share = (tints - lit) @ (dark - lit) / max(float((dark - lit) @ (dark - lit)), 1e-6)
            bright = zone & (share < look.lit) & (now > np.percentile(light[ground], _BRIGHT))
            weight = _pieces(bright, over) * zone * np.clip((look.lit + _SOFT - share) / _SOFT, 0, 1)
            out = out + (before - out) * weight[..., None]
    if out is after:
        return relit
    return np.where(out == after, relit, np.rint(out * np.float32(top / 255))).astype(relit.dtype)


def _smooth(values: np.ndarray, blur_px: float) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), blur_px)) if blur_px else values


def _pieces(bright: np.ndarray, over: np.ndarray) -> np.ndarray:
    """(H, W) float32 0..1, soft: pieces of ``bright`` that are no specks and hold enough of ``over``."""
    opened = cv2.morphologyEx(bright.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened)
    area = stats[:, cv2.CC_STAT_AREA]
    is_piece = (area >= _LEAST_PX) & (np.bincount(labels[over], minlength=count) >= _OVER * area)
    is_piece[0] = False
    round_ = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    grown = cv2.dilate(is_piece[labels].astype(np.float32), round_)
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), 1.0))
