"""Where a cast shadow lies, guessed from the photo and from what a first pass without a mask brightens.

The network brightens places that look shaded to it, dark things among them, and leaves some shadows on plain grounds
alone. What tells shadows from things stands in :mod:`core.restoring.shadow_evidence`; here they are laid along the photo's
edges. If none is found there is no cast shadow, as far as this program can see, and the photo is left alone. No torch.
"""

from __future__ import annotations

import numpy as np

from core.cv import cv2
from core.data.guidance import Guess
from core.images.edges import guided
from core.restoring import copies, shadow_evidence
from core.restoring.shadow_lit import AXES

LOOKED_AT_PX = 800  # longest edge of the copy that is looked at
# of the copy that is worked on: how far a shadow is followed up to what casts it, and how far around it is compared
_GROWN_PX, _BESIDE_PX, _AROUND_PX = 10, 16, 32
_LIGHTER, _DARKER = (
    0.35,
    0.6,
)  # of the step from shadow to light: what differs by less from the shadow beside it may belong to it,
_TINT, _LEAST_STEP = 0.12, 0.2  # log; if no channel differs by more from the mean of all, and the step is one
_OTHER_LIGHT, _OTHER_GROUND = 0.25, 0.15  # log; and that step is most of the border's, or leads to its ground
# guided filter along the photo's edges, eps of squared log of light and two tints: what is left in a shadow is of another colour, which
# joints and stones disturb less
_GUIDE_RADIUS_PX, _GUIDE_EPS = 16, (0.03, 0.001, 0.001)


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
    small = _small(before)
    found = shadow_evidence.shadows(small, _small(after))
    if not found.any():
        return None
    found = _grown(small, found)
    size = before.shape[1], before.shape[0]
    kept = (cv2.resize(found * np.uint8(255), size, interpolation=cv2.INTER_LINEAR) > 127).astype(np.float32)
    light = cv2.GaussianBlur(shadow_evidence.log(before), (0, 0), 1) @ AXES.T
    soft = guided(light, kept, _GUIDE_RADIUS_PX, _GUIDE_EPS)
    soft = np.clip(
        (soft - 0.5) * 4 + 0.5, 0, 1
    )  # the filter leaves a wide ramp; the network knows narrow ones
    mask = np.rint(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR) * 255).astype(np.uint8)
    shadow = Guess.of(mask)
    return shadow if shadow.share > 0 else None


def _grown(photo: np.ndarray, found: np.ndarray) -> np.ndarray:
    """``found`` (h, w) uint8 0 | 1 with the strips beside it that are as dark, of the same colour, and hang together with it.

    A place ends where its threshold says, in front of what casts the shadow: there it is darkest, or the light comes back from
    the thing. On 89 real pairs six of seven of the pixels added lie in the shadow.
    """
    light = shadow_evidence.log(cv2.GaussianBlur(photo, (0, 0), 1))
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    square, wide = np.ones((3, 3), np.uint8), np.ones((5, 5), np.uint8)
    shade, has_shade = _mean_of(light, cv2.erode(found, square), _BESIDE_PX)
    lit, has_lit = _mean_of(light, 1 - cv2.dilate(found, wide), _AROUND_PX)
    has_both = has_shade & has_lit
    ring = has_both & (cv2.dilate(found, square) > found)
    if not ring.any():
        return found
    steps, off = lit - shade, light - shade
    most, ground = np.median(steps[ring], 0), np.median(lit[ring], 0)
    # a dark thing that was taken for shadow leads to another light; beside what casts the shadow another thing lies across
    same = has_both & _is_near(steps, most, _OTHER_LIGHT)
    beside_thing = (
        has_both & ~_is_near(lit, ground, _OTHER_LIGHT) & _is_near(shade + most, ground, _OTHER_GROUND)
    )
    step, grey = np.where(same, steps.mean(2), most.mean()), off.mean(2)
    alike = (same | beside_thing) & (step > _LEAST_STEP) & (grey < _LIGHTER * step) & (grey > -_DARKER * step)
    alike &= np.abs(off - grey[..., None]).max(2) < _TINT
    may = (alike | (found > 0)).astype(np.uint8)
    grown = found
    for _ in range(_GROWN_PX):
        grown = cv2.dilate(grown, cross) & may
    return np.asarray(cv2.morphologyEx(grown, cv2.MORPH_OPEN, square) | found)


def _is_near(values: np.ndarray, to: np.ndarray, within: float) -> np.ndarray:
    return np.asarray(np.abs(values - to).max(2) < within)


def _mean_of(light: np.ndarray, where: np.ndarray, radius_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of ``light`` (h, w, 3) over what is ``where`` (h, w) 0 | 1 around each place; and whether there is any, (h, w) bool."""
    size = (2 * radius_px + 1, 2 * radius_px + 1)
    weight = where.astype(np.float32)
    share = cv2.blur(weight, size)
    return np.asarray(cv2.blur(light * weight[..., None], size) / (share[..., None] + 1e-4)), share > 0.01


def _small(pixels: np.ndarray) -> np.ndarray:
    by = min(1.0, shadow_evidence.WORKED_PX / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[1] * by)), max(1, round(pixels.shape[0] * by))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
