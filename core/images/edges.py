"""Values that end where the photo's edges are: a guided filter, and masks drawn beside an edge laid along it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.cv import cv2

_COPY_PX = 1000  # longest edge of the copy a mask is laid along: how far it reaches is a share of the photo
_RADIUS_PX, _EPS = 16, 0.01  # of the copy; of squared natural logarithm
_STEEP = 4.0  # the filter leaves a wide ramp between inside and outside
_DARK = 8.0  # levels added before the logarithm: below, it is noise


def guided(guide: np.ndarray, values: np.ndarray, radius_px: int, eps: float | Sequence[float]) -> np.ndarray:
    """``values`` (h, w) smoothed but for the edges of ``guide``, (h, w) or (h, w, c) (He et al., Guided Image Filtering, 2013).

    ``eps`` is of the guide's squared units, one or one a channel: what varies less is no edge.
    """
    channels = guide if guide.ndim == 3 else guide[..., None]
    channels = channels - channels.mean((0, 1))  # products of small numbers: a spread is a difference of them
    height, width, count = channels.shape

    def mean(of: np.ndarray) -> np.ndarray:
        size = 2 * radius_px + 1
        return np.asarray(cv2.blur(of, (size, size), borderType=cv2.BORDER_REFLECT)).reshape(of.shape)

    centre, middle = mean(channels), mean(values)
    shared = mean(channels * values[..., None]) - centre * middle[..., None]
    products = (channels[..., None] * channels[..., None, :]).reshape(height, width, count * count)
    spread = mean(products).reshape(height, width, count, count) - centre[..., None] * centre[..., None, :]
    spread += np.diag(np.broadcast_to(np.asarray(eps, np.float32), count))
    slope = shared / spread[..., 0] if count == 1 else np.linalg.solve(spread, shared[..., None])[..., 0]
    rest = middle - (slope * centre).sum(2)
    return np.asarray((mean(slope) * channels).sum(2) + mean(rest), np.float32)


def snapped(mask: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """A mask (H, W) uint8 laid along the edges of its photo (H, W, 3) uint8 where they run near its border.

    Measured on masks of 19 real shadows of about 640 px, drawn 6 px too wide, 6 too narrow and 12 too wide: intersection over
    union 0.86, 0.83, 0.77 -> 0.92, 0.85, 0.82. A mask that was exact loses (0.94), so it is for those drawn by hand.
    """
    height, width = mask.shape
    by = max(1.0, max(height, width) / _COPY_PX)
    size = max(1, round(width / by)), max(1, round(height / by))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    guide = np.asarray(cv2.GaussianBlur(np.log(small + _DARK), (0, 0), 1).mean(2), np.float32)
    inside = cv2.resize(mask, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    for _ in range(2):
        inside = np.clip((guided(guide, inside, _RADIUS_PX, _EPS) - 0.5) * _STEEP + 0.5, 0, 1)
    large = cv2.resize(inside, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.rint(large * 255).astype(np.uint8))
