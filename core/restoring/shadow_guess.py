"""Where a cast shadow lies, guessed from the photo and from what a first pass without a mask brightens.

The network brightens places that look shaded to it, dark things among them, and leaves some shadows on plain grounds
alone. What tells shadows from things stands in :mod:`core.restoring.shadow_evidence`; here they are laid along the photo's
edges. If none is found there is no cast shadow, as far as this program can see, and the photo is left alone. No torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.cv import cv2
from core.images.edges import guided
from core.restoring import copies, shadow_evidence

LOOKED_AT_PX = 800  # longest edge of the copy that is looked at
_GUIDE_RADIUS_PX, _GUIDE_EPS = 16, 0.05  # guided filter along the photo's edges, eps of squared log


@dataclass(frozen=True, slots=True)
class Guess:
    """A guessed mask."""

    mask: np.ndarray  # (H, W) uint8 of the photo's size, 255 in shadow
    share: float  # of the photo that lies in shadow, 0..1


def copy_of(pixels: np.ndarray) -> np.ndarray:
    """What the first pass sees: the photo (H, W, 3) as uint16, reduced by a whole number if it is large."""
    by = -(-max(pixels.shape[:2]) // LOOKED_AT_PX)
    return copies.reduced(pixels, by)


def guess(before: np.ndarray, after: np.ndarray, width: int, height: int) -> Guess | None:
    """The cast shadows of a photo, or None where there are none to be seen.

    Args:
        before, after: the copy of the photo and what a pass without a mask made of it, (h, w, 3) uint16.
        width, height: of the photo.
    """
    found = shadow_evidence.shadows(_small(before), _small(after))
    if not found.any():
        return None
    size = before.shape[1], before.shape[0]
    kept = (cv2.resize(found * np.uint8(255), size, interpolation=cv2.INTER_LINEAR) > 127).astype(np.float32)
    light = cv2.GaussianBlur(shadow_evidence.log(before), (0, 0), 1).mean(2)
    soft = guided(light, kept, _GUIDE_RADIUS_PX, _GUIDE_EPS)
    soft = np.clip(
        (soft - 0.5) * 4 + 0.5, 0, 1
    )  # the filter leaves a wide ramp; the network knows narrow ones
    mask = np.rint(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR) * 255).astype(np.uint8)
    share = float(np.count_nonzero(mask > 127)) / mask.size
    return Guess(mask, share) if share > 0 else None


def _small(pixels: np.ndarray) -> np.ndarray:
    by = min(1.0, shadow_evidence.WORKED_PX / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[1] * by)), max(1, round(pixels.shape[0] * by))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
