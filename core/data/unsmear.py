"""A straight smear undone by what is known of it: its length and direction. No torch, no learning.

While a camera moves evenly along a line of length L, every frequency f along it is multiplied by sinc(f L). The inverse
is that of Wiener's filter: frequencies are divided by it where more than noise is left of them,

    kept / (kept^2 + noise),     noise(f) = 0.02 + 0.1 |f|,

f in cycles per pixel. It works on stored values, not on light: of highlights less rings, and of 30 photos of ``clean/``
smeared along drawn and recorded paths more came back so. What it leaves (rings beside edges, the rest of a path that was
not straight) is for a network that has learned from pictures treated alike (``undone`` of
:class:`core.data.degrade.blur.BlurParams`).
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from core.cv import cv2

SHORTEST_PX = 1.5  # what is shorter is no smear to speak of
_FLOOR, _SLOPE = 0.02, 0.1  # of the noise against the photo, at frequency 0 and for each cycle per pixel
_PAD_PX = 24  # mirrored around the picture, so that its opposite edges do not meet


def undo(picture: np.ndarray, length_px: float, angle_deg: float) -> np.ndarray:
    """``picture`` (H, W, C) float32 in 0..1 without a smear of ``length_px``, ``angle_deg`` from the horizontal,
    counter-clockwise as one looks at it; itself where the smear is shorter than :data:`SHORTEST_PX`."""
    if length_px < SHORTEST_PX:
        return picture
    height, width = picture.shape[:2]
    high, wide = (fft.next_fast_len(n + 2 * _PAD_PX, real=True) for n in (height, width))
    bottom, right = high - height - _PAD_PX, wide - width - _PAD_PX
    padded = cv2.copyMakeBorder(picture, _PAD_PX, bottom, _PAD_PX, right, cv2.BORDER_REFLECT)
    turned = np.deg2rad(angle_deg)
    down, across = fft.fftfreq(high)[:, None], fft.rfftfreq(wide)[None]
    kept = np.sinc((across * np.cos(turned) - down * np.sin(turned)) * length_px)
    noise = _FLOOR + _SLOPE * np.hypot(down, across)
    by = (kept * ((1 + _FLOOR) / (kept * kept + noise))).astype(np.float32)
    spectrum = fft.rfft2(padded.reshape(high, wide, -1), axes=(0, 1))
    spectrum *= by[..., None]
    found = fft.irfft2(spectrum, s=(high, wide), axes=(0, 1))
    found = found[_PAD_PX : _PAD_PX + height, _PAD_PX : _PAD_PX + width]
    return np.clip(found, 0, 1).astype(np.float32, copy=False)
