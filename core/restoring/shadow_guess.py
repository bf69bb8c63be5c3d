"""Where a cast shadow lies, guessed from what a first pass without a mask brightens.

The network brightens places that look shaded to it, and dark things among them. A cast shadow shows itself along
its border: straight across it the photo is brighter by nearly the same factor and tint everywhere, because light
is what differs. A dark thing ends where another material begins, and the factors scatter. Places that the first
pass brightens are kept if they stand that comparison; if none does, there is no cast shadow, as far as this
program can see, and the photo is left alone.

The numbers were chosen on scenes held out of the shadow model's pairs and on photos without cast shadows. No torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.cv import cv2
from core.images.edges import guided
from core.restoring import copies

LOOKED_AT_PX = 800  # longest edge of the copy that is looked at
_BRIGHTENED = 0.15  # log; what a first pass brightens by more may be a shadow
_DARK = 8.0  # levels; added before logarithms, so that noise in the dark says little
_LEAST_SHARE = 0.004  # of the photo
_HOLE_SHARE = 0.01  # of the photo; what is enclosed and smaller lies in the shadow, too
_NEAR_PX, _FAR_PX = 4, 24  # from the border; what is compared across it
_BAND = 0.2  # log; differences this close to the most frequent agree with it
_LEAST_ALIKE = 0.3  # mean agreement, 0..1
_LEAST_DARKER = 0.75  # share of the border across which the photo is brighter
_DARKER = 0.15  # log
_LEAST_RATIO = 0.2  # log; a cast shadow is at least this dark
_TINTS = -0.25, 0.6  # log, red less blue: skylight is bluer than sunlight
_MOST_APART = 0.5  # log; the border's factor and the network's
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
    gain, found = _brightened(before, after)
    kept = _filled(_cast(before, gain, found))
    if not kept.any():
        return None
    light = cv2.GaussianBlur(_log(before), (0, 0), 1).mean(2)
    soft = guided(light, kept.astype(np.float32), _GUIDE_RADIUS_PX, _GUIDE_EPS)
    soft = np.clip(
        (soft - 0.5) * 4 + 0.5, 0, 1
    )  # the filter leaves a wide ramp; the network knows narrow ones
    mask = np.rint(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR) * 255).astype(np.uint8)
    share = float(np.count_nonzero(mask > 127)) / mask.size
    return Guess(mask, share) if share > 0 else None


def _log(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(pixels.astype(np.float32) / 257 + _DARK))


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def _brightened(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log gain of the first pass (h, w, 3), and where it is large, (h, w) uint8 0 | 1."""
    gain = _log(after) - _log(before)
    smooth = cv2.GaussianBlur(gain.mean(2), (0, 0), 1.5)
    radius = max(2, round(min(smooth.shape) / 160))
    found: np.ndarray = (smooth > _BRIGHTENED).astype(np.uint8)
    found = cv2.morphologyEx(found, cv2.MORPH_OPEN, _disc(radius))
    return gain, np.asarray(cv2.morphologyEx(found, cv2.MORPH_CLOSE, _disc(2 * radius)))


def _cast(before: np.ndarray, gain: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Of places (h, w) uint8 0 | 1, those that are cast shadows."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(found)
    light = np.log(cv2.GaussianBlur(before, (0, 0), 1.5).astype(np.float32) / 257 + _DARK)
    inside, row_of, column_of = _nearest_lit(found)
    outside = cv2.distanceTransform(1 - found, cv2.DIST_L2, cv2.DIST_MASK_5)
    kept = np.zeros_like(found)
    for number in range(1, count):
        if stats[number, cv2.CC_STAT_AREA] < _LEAST_SHARE * found.size:
            continue
        place = labels == number
        rows, columns = np.nonzero(place & (inside >= _NEAR_PX) & (inside <= _FAR_PX))
        away = 2 * inside[rows, columns]  # the mirrored place, straight across the border
        down = (row_of[rows, columns] - rows) / inside[rows, columns]
        right = (column_of[rows, columns] - columns) / inside[rows, columns]
        y, x = np.rint(rows + down * away).astype(int), np.rint(columns + right * away).astype(int)
        fit = np.flatnonzero((y >= 0) & (y < found.shape[0]) & (x >= 0) & (x < found.shape[1]))
        fit = fit[outside[y[fit], x[fit]] >= 0.7 * inside[rows[fit], columns[fit]]]
        if len(fit) < 50:
            continue
        across = light[y[fit], x[fit]] - light[rows[fit], columns[fit]]
        if _is_light(across, gain[place].mean()):
            kept[place] = 1
    return kept


def _is_light(across: np.ndarray, gain: float) -> bool:
    """Whether differences across a border (N, 3), log, are those of a shadow that a network brightens by ``gain``."""
    most = np.median(across, 0)
    alike = np.ones(len(across), np.float32)
    for band in (2.5 * _BAND, 1.5 * _BAND, _BAND, _BAND, _BAND):
        alike = np.exp(-0.5 * np.square(across - most).sum(1) / band**2)
        most = alike @ across / max(float(alike.sum()), 1e-6)
    tint = float(most[0] - most[2])
    return bool(
        alike.mean() >= _LEAST_ALIKE
        and (across.mean(1) > _DARKER).mean() >= _LEAST_DARKER
        and most.mean() >= _LEAST_RATIO
        and _TINTS[0] <= tint <= _TINTS[1]
        and abs(most.mean() - gain) <= _MOST_APART
    )


def _nearest_lit(found: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance to the nearest pixel outside, and its row and column."""
    if found.all():  # nothing lies outside, and nothing can be compared
        return np.zeros(found.shape, np.float32), *np.zeros((2, *found.shape), np.int32)
    distance, label = cv2.distanceTransformWithLabels(
        found, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(found == 0)
    row_of, column_of = np.zeros((2, label.max() + 1), np.int32)
    row_of[label[rows, columns]], column_of[label[rows, columns]] = rows, columns
    return distance, row_of[label], column_of[label]


def _filled(kept: np.ndarray) -> np.ndarray:
    """Small places that a shadow encloses belong to it: holes in a mask would stay dark."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(1 - kept, connectivity=4)
    height, width = kept.shape
    filled = kept.copy()
    for number in range(1, count):
        x, y, w, h, area = stats[number]
        if area < _HOLE_SHARE * kept.size and x > 0 and y > 0 and x + w < width and y + h < height:
            filled[labels == number] = 1
    return filled
