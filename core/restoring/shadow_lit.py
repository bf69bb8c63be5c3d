"""Lit places that a shadow's mask covers, such as slivers of sun between an arm and its body: relit, they are overexposed.

What gives them away is the light itself. Relit they are brighter than the lit ground beside the shadow ever gets, and before they
were, in light and tint, nearer to that ground than to the shadow. Paler things in a shadow are one or the other at most. No torch.
"""

from __future__ import annotations

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
_BRIGHTEST, _BRIGHT, _ROOM = 99.5, 90.0, 1.1  # percent of the ground that is darker; times the brightest
_LEAST_PX, _OVER = 40, 0.3  # a piece is one from, and by so much of it brighter than the brightest
_LIT, _SOFT = 0.5, 0.25  # shares of the way from lit to shaded: nearer to lit, and how softly that ends
_BLUR_PX = 0.7
_DARK = 2.0  # levels, added before logarithms


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
    light, now = before.mean(2), after.mean(2)
    tints = cv2.GaussianBlur(np.log(before + _DARK), (0, 0), _BLUR_PX) @ AXES.T
    out = after
    for number in range(1, int(shadow.max()) + 1):
        own = shadow == number
        ground = own & (distance > _NEAR_PX) & (distance < _FAR_PX)
        zone, dim = own & (distance <= _REACH_PX), own & (distance < 0)
        if ground.sum() < _LEAST_GROUND_PX or dim.sum() < _LEAST_SHADOW_PX:
            continue
        brightest = np.percentile(light[ground], _BRIGHTEST) * _ROOM
        over = zone & (now > brightest)
        if not over.any():
            continue
        lit, dark = np.median(tints[ground], 0), np.median(tints[dim], 0)
        share = (tints - lit) @ (dark - lit) / max(float((dark - lit) @ (dark - lit)), 1e-6)
        most = np.maximum(brightest, light)  # not darker than it was
        capped = after * np.where(over, np.minimum(most / np.maximum(now, 1), 1), 1)[..., None]
        bright = zone & (share < _LIT) & (now > np.percentile(light[ground], _BRIGHT))
        weight = _pieces(bright, over) * np.clip((_LIT + _SOFT - share) / _SOFT, 0, 1)[..., None]
        out = np.where(zone[..., None], capped + (before - capped) * weight, out)
    if out is after:
        return relit
    return np.where(out == after, relit, np.rint(out * np.float32(top / 255))).astype(relit.dtype)


def _pieces(bright: np.ndarray, over: np.ndarray) -> np.ndarray:
    """(H, W, 1) float32 0..1, soft: pieces of ``bright`` that are no specks and hold enough of ``over``."""
    opened = cv2.morphologyEx(bright.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened)
    area = stats[:, cv2.CC_STAT_AREA]
    is_piece = (area >= _LEAST_PX) & (np.bincount(labels[over], minlength=count) >= _OVER * area)
    is_piece[0] = False
    round_ = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    grown = cv2.dilate(is_piece[labels].astype(np.float32), round_)
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), 1.0))[..., None]
