"""The light inside a shadow, taken from the photo beside it.

A network that is told where a shadow lies knows well what is under it and less well how bright: its brightening
is off by a factor that a glance across the shadow's border corrects. Every pixel near the border is compared with
the lit photo straight across it, beyond the penumbra; what differs is gathered

* by distance from the border, so that the penumbra gets a course of its own (the thin dark or bright outline goes),
* by place, so that a wide shadow on several grounds gets the light of each,
* like with like: what is found most often counts, so that another material across the border does not,
* where it is a shadow's border at all: brighter across it. Beside what casts it, or where a mask ends too soon, it is not,
* and ends at the photo's own edge, which a mask never follows to the pixel; what the mask covers and is lit stays as it is
  (:mod:`core.restoring.shadow_lit`).

Where photo and shadow are too restless to tell, the network's own light stays. No torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.cv import cv2
from core.restoring import copies
from core.restoring.shadow_lit import AXES, spared

WORKED_PX = 900  # longest edge of the copy that the light is measured on
_INSIDE_PX, _OUTSIDE_PX = 48, 32  # how far from the border it is measured
_ENDS_PX = 24  # outside: from here on nothing is changed
_TAPER_PX = 8
_STEP_PX = 2  # of the distances that are told apart
_CELL_PX = 8  # of the places that are told apart
_FLAT_PX = 8  # inside: deeper, the penumbra is over and distances are told apart ever less
_NEAR_PX, _WIDE_PX = (
    30.0,
    90.0,
)  # places share what they know over this range; the wide one where the near is poor
_NEAR_PRIOR, _WIDE_PRIOR = 0.05, 0.02  # samples a pixel of a ring at which the range beyond counts as much
_LIGHT_BAND, _TINT_BAND = 0.15, 0.08  # log; differences this close to the most frequent count as like
_FIRST_WIDER, _WIDER = 2.5, 1.3
_STEADY = 10.0  # samples' worth of trust in the neighbouring distance
_NETWORK_ERROR = 0.15  # log; by how much the network's own light is off, measured
_MOST_SAMPLES = 8.0  # that count as independent, however long the border
_BORDER_PX = 24.0  # of border that count as one of them
_DEEP_PX, _LEAST_STEP = 8.0, 0.12  # log; a border is the shadow's where it is by this much brighter across it
_LARGEST = 1.0  # log; no light is changed by more
_PENUMBRA = 0.03  # log; what differs less is no penumbra any more
_LEAST_PX, _OWN_PX, _MOST_SHADOWS = (
    50,
    600,
    24,
)  # a shadow is one from, has a course of its own from; of the largest
_SOFT_PX = 1.2
_LEVELS_UP = 2.0  # of 255, added before logarithms: what is nearly black has no light to tell
_GUIDE_BLUR_PX = 0.4
_FIT_RADIUS_PX, _FIT_EPS, _FIT_PX = 3, 0.02, 5.0  # the last: how far from the border the gain is fitted
_SURE_PX, _SIDE_PX = 7.0, 16  # from the border: what lies surely on one side, and how much of it is asked
_ALONG_PX, _AS_FAR_PX = 8, 0.7  # along the border, and how alike in distance from it
_NOISE_WIDER = 2.5  # times the ground's own spread: what differs by less may be its texture
_GAMMA = 2.2  # of stored values
_CLEAR = 4.0  # times the spread of the ground on both sides: an edge that is higher stands clear of it
_BANDS = np.array([_LIGHT_BAND, _TINT_BAND, _TINT_BAND], np.float32)
_DISTANCES = np.arange(-_INSIDE_PX, _OUTSIDE_PX + 1, _STEP_PX).astype(np.float32)
_START = int(np.argmin(np.abs(_DISTANCES - 4)))  # where a course is begun: most alike on both sides


def relit(photo: np.ndarray, mask: np.ndarray, restored: np.ndarray) -> np.ndarray:
    """``restored`` with the light of the photo around each shadow of ``mask``.

    Args:
        photo, restored: (H, W, 3) uint8 | uint16 of one depth, before and after the network.
        mask: (H, W) uint8, 255 in shadow, 0 lit.

    Returns:
        An array of its own where something is changed, else ``restored`` itself. More than 24 px (of a photo of
        900 px; in proportion in larger ones) outside the mask every pixel is ``restored``'s.
    """
    height, width = mask.shape
    by = 1
    while max(height, width) / by > WORKED_PX:
        by *= 2
    before, after, small = photo, restored, mask
    if by > 1:
        before, after = copies.reduced(photo, by), copies.reduced(restored, by)
        small = copies.reduced_mask(mask, by)
    border = _Border.of(small)
    change = None if border is None else _change(before, border, after)
    if border is None or change is None:
        return restored
    lit = _sharpened(before, _changed(after, change), border)
    lit = spared(before, lit, border.distance, border.shadow)
    if by == 1:
        return lit
    return copies.Correction(after, lit, by, "light").put_all(restored)


def _changed(pixels: np.ndarray, change: np.ndarray) -> np.ndarray:
    """``pixels`` times exp(``change``), both (H, W, 3); exactly themselves where it is 0."""
    top = np.iinfo(pixels.dtype).max
    return np.asarray(np.rint(np.clip(pixels * np.exp(change), 0, top)), pixels.dtype)


def _change(photo: np.ndarray, border: _Border, restored: np.ndarray) -> np.ndarray | None:
    """By how much the light is off, (H, W, 3) float32, log; None where it cannot be told."""
    samples = _samples(photo, restored, border)
    if samples is None:
        return None
    courses = _courses(samples, border)
    lattice = _lattice(samples, courses, border)
    change = _read(lattice, courses, border)
    change = cv2.GaussianBlur(np.clip(change, -_LARGEST, _LARGEST), (0, 0), _SOFT_PX)
    change[border.distance > _ENDS_PX] = 0  # the blur reaches a pixel or two further
    return np.asarray(change, np.float32)


def _log(pixels: np.ndarray, blur_px: float) -> np.ndarray:
    """Logarithm of the stored values, smoothed, in units of an 8-bit level."""
    levels = pixels.astype(np.float32) / (np.iinfo(pixels.dtype).max / 255)
    return np.asarray(np.log(np.maximum(cv2.GaussianBlur(levels, (0, 0), blur_px), 1.0)))


# --- the edge: where the light ends ------------------------------------------------------------------------------


def _sharpened(photo: np.ndarray, lit: np.ndarray, border: _Border) -> np.ndarray:
    """``lit`` with a gain that ends where the photo's own edge is, not where the mask's is: the rims beside it go.

    Beside every border the gain is fitted to the photo's luminance (a guided filter, He et al. 2013). Where plain ground lies on
    both sides, so that the edge stands clear of it, the luminance between both sides is taken for the share of shadow, averaged
    along the border against the ground's own texture, and the gain of the depth is given in this share.
    """
    top = np.iinfo(photo.dtype).max
    log, off = (np.log(pixels * np.float32(255 / top) + _LEVELS_UP) for pixels in (photo, lit))
    gain = off - log
    guide = cv2.GaussianBlur(log.mean(2), (0, 0), _GUIDE_BLUR_PX)
    away = np.abs(border.distance)
    near = np.clip((_FIT_PX + 4 - away) / 4, 0, 1)[..., None]
    gain += (_fitted(gain, guide) - gain) * near
    between, clear = _between(gain, guide, border)
    clear = clear * np.clip((_SURE_PX + 3 - away) / 3, 0, 1)
    gain += (between - gain) * clear[..., None]
    found = (np.exp(log + gain) - _LEVELS_UP) * np.float32(top / 255)
    is_edge = np.maximum(near, clear[..., None]) > 0
    return np.where(is_edge, np.rint(np.clip(found, 0, top)), lit).astype(lit.dtype)


def _box(values: np.ndarray, radius_px: int, border_type: int = cv2.BORDER_REFLECT_101) -> np.ndarray:
    """Means over squares of (H, W) or (H, W, 3)."""
    size = 2 * radius_px + 1, 2 * radius_px + 1
    return np.asarray(cv2.blur(values, size, borderType=border_type), np.float32)


def _fitted(gain: np.ndarray, guide: np.ndarray) -> np.ndarray:
    """``gain`` (H, W, 3) as a line over ``guide`` (H, W) around each place."""
    centre, middle = _box(guide, _FIT_RADIUS_PX), _box(gain, _FIT_RADIUS_PX)
    spread = _box(guide * guide, _FIT_RADIUS_PX) - centre * centre
    slope = _box(gain * guide[..., None], _FIT_RADIUS_PX) - centre[..., None] * middle
    slope /= (spread + _FIT_EPS)[..., None]
    rest = middle - slope * centre[..., None]
    return _box(slope, _FIT_RADIUS_PX) * guide[..., None] + _box(rest, _FIT_RADIUS_PX)


def _between(gain: np.ndarray, guide: np.ndarray, border: _Border) -> tuple[np.ndarray, np.ndarray]:
    """The gain between what it is on both sides, by where the guide is between both, (H, W, 3); and how clearly the edge
    stands above the ground of both sides, (H, W) in 0..1."""
    sides = []
    for depth in (-border.distance, border.distance):
        is_side = ((depth > _SURE_PX) & (depth < _SIDE_PX)).astype(np.float32)
        share = _box(is_side, _SIDE_PX, cv2.BORDER_CONSTANT) + np.float32(1e-6)

        def mean(values: np.ndarray, is_side: np.ndarray = is_side, share: np.ndarray = share) -> np.ndarray:
            where, of = (is_side, share) if values.ndim == 2 else (is_side[..., None], share[..., None])
            return _box(values * where, _SIDE_PX, cv2.BORDER_CONSTANT) / of

        level = mean(guide)
        sides.append((level, np.maximum(mean(guide * guide) - level * level, 0), mean(gain), share))
    (dark, dark_spread, deep, dark_share), (light, light_spread, far, light_share) = sides
    step = light - dark
    spread = np.sqrt(dark_spread + light_spread)
    clear = np.clip((step / (spread + 0.02) - _CLEAR) / 2, 0, 1)
    clear[(dark_share < 0.02) | (light_share < 0.02) | (step < 2 * _LEAST_STEP)] = 0
    at = np.nonzero((clear > 0) & (np.abs(border.distance) < _SURE_PX + 3))
    step = np.maximum(step, 0.05)
    shadow = np.clip(_along((light - guide) / step, spread / step, border, at), 0, 1)
    between = np.zeros_like(gain)
    between[at] = far[at] + _split((deep - far)[at], shadow)
    return between, clear


def _along(shadow: np.ndarray, noise: np.ndarray, border: _Border, at: tuple[np.ndarray, ...]) -> np.ndarray:
    """The share of shadow (H, W) at some places ``at`` (N,), averaged along the border over what is as far from it and differs by
    no more than the ground's own texture, ``noise`` (H, W), makes it: texture is not taken for shadow, nor relit to nothing."""
    own, away = shadow[at], border.distance[at]
    rows, columns = at
    along_y, along_x = border.across_x[at], -border.across_y[at]
    band = _NOISE_WIDER * noise[at] + np.float32(0.03)
    total, weights = own.copy(), np.ones(len(own), np.float32)
    height, width = shadow.shape
    for step in (*range(-_ALONG_PX, 0), *range(1, _ALONG_PX + 1)):
        y, x = np.rint(rows + step * along_y).astype(int), np.rint(columns + step * along_x).astype(int)
        is_in = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
        there = shadow[y, x]
        off = np.square((there - own) / band) + np.square((border.distance[y, x] - away) / _AS_FAR_PX)
        weight = is_in * np.exp(-0.5 * (off + (step / (0.6 * _ALONG_PX)) ** 2)).astype(np.float32)
        total += weight * there
        weights += weight
    return np.asarray(total / weights)


def _split(deep: np.ndarray, shadow: np.ndarray) -> np.ndarray:
    """A share (N,) of the gain of the depth (N, 3) by channel.

    What is in half-shade gets part of the sun, and sun is added to the skylight in linear light: near the lit end the channels
    need nearly the same gain, however far apart they are in the depth. The same share in every channel would leave a rim in the
    sun's colour.
    """
    full = np.maximum(deep, 0)
    ratio = np.exp(_GAMMA * full)  # of sun and sky to sky alone
    wanted = full.mean(1) * shadow
    low, high = np.zeros(len(full), np.float32), np.ones(len(full), np.float32)
    for _ in range(
        12
    ):  # of the sun, so much comes through; halved until the mean of the channels is what is wanted
        sun = (low + high) / 2
        is_less = (np.log(ratio / (1 + sun[:, None] * (ratio - 1))).mean(1) / _GAMMA) > wanted
        low, high = np.where(is_less, sun, low), np.where(is_less, high, sun)
    sun = ((low + high) / 2)[:, None]
    gain = np.log(ratio / (1 + sun * (ratio - 1))) / _GAMMA
    return np.asarray(gain + (deep - full) * shadow[:, None])  # darkening has no such law


# --- the border ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Border:
    """Where every pixel lies to the border of the shadow next to it; all (H, W)."""

    distance: np.ndarray  # px, positive in the light
    across_y: np.ndarray  # unit vector from shadow to light, straight across the border
    across_x: np.ndarray
    shadow: np.ndarray  # number of the shadow next to it, from 1
    areas: np.ndarray  # (N + 1,), px by number

    @staticmethod
    def of(mask: np.ndarray) -> _Border | None:
        """None for a mask without a border."""
        inside = (mask > 127).astype(np.uint8)
        if inside.sum() < _LEAST_PX or inside.all():
            return None
        deep, deep_y, deep_x = nearest_zero(inside)
        high, high_y, high_x = nearest_zero(1 - inside)
        _count, labels, stats, _ = cv2.connectedComponentsWithStats(inside)
        rows, columns = np.indices(mask.shape)
        is_in = inside > 0
        across_y = np.where(is_in, deep_y - rows, rows - high_y).astype(np.float32)
        across_x = np.where(is_in, deep_x - columns, columns - high_x).astype(np.float32)
        length = np.maximum(np.hypot(across_y, across_x), 1e-6)
        return _Border(
            np.where(is_in, 0.5 - deep, high - 0.5).astype(np.float32),
            across_y / length,
            across_x / length,
            np.where(is_in, labels, labels[high_y, high_x]),
            stats[:, cv2.CC_STAT_AREA],
        )


def nearest_zero(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance in px from each of (H, W) uint8 to the nearest pixel that is 0, and that pixel's row and column."""
    distance, label = cv2.distanceTransformWithLabels(
        values, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(values == 0)
    row_of, column_of = np.zeros((2, label.max() + 1), np.int32)
    row_of[label[rows, columns]], column_of[label[rows, columns]] = rows, columns
    return distance, row_of[label], column_of[label]


def _across(
    border: _Border, rows: np.ndarray, columns: np.ndarray, to_px: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """From each pixel straight across the border to where the distance from it is ``to_px``: rows, columns, and whether that
    lies in the photo."""
    ahead = to_px - border.distance[rows, columns]
    y = np.rint(rows + border.across_y[rows, columns] * ahead).astype(int)
    x = np.rint(columns + border.across_x[rows, columns] * ahead).astype(int)
    height, width = border.distance.shape
    return y, x, (y >= 0) & (y < height) & (x >= 0) & (x < width)


# --- samples: what each place near the border differs by from the light across it ----------------------------------


@dataclass(frozen=True, slots=True)
class _Samples:
    rows: np.ndarray  # (N,)
    columns: np.ndarray
    shadow: np.ndarray
    bins: np.ndarray  # index into _DISTANCES
    missing: np.ndarray  # (N, 3) log; 0 where it is as bright as the light across


def _samples(photo: np.ndarray, restored: np.ndarray, border: _Border) -> _Samples | None:
    """None where there are too few to say anything."""
    distance = border.distance
    rows, columns = np.nonzero((distance >= -_INSIDE_PX) & (distance <= _OUTSIDE_PX))
    lit, here = _log(photo, 2.5), _log(restored, 1.0)[rows, columns]
    deep_y, deep_x, has_deep = _across(border, rows, columns, -_DEEP_PX)
    bins = np.rint((distance[rows, columns] + _INSIDE_PX) / _STEP_PX).astype(int)
    bins = np.clip(bins, 0, len(_DISTANCES) - 1)
    shadow = border.shadow[rows, columns]

    def against(reaches_px: tuple[float, ...]) -> _Samples | None:
        """Compared with the light at the first of these distances that lies in the photo and in the light."""
        there = np.zeros((len(rows), 3), np.float32)
        known = np.zeros(len(rows), bool)
        for reach in reaches_px:
            y, x, in_photo = _across(border, rows, columns, reach)
            fit = np.flatnonzero(~known & in_photo & has_deep)
            fit = fit[distance[y[fit], x[fit]] >= 0.7 * reach]
            # across the edge of a shadow it is brighter; across that of what casts it, or of a mask that ends too soon, not
            step = lit[y[fit], x[fit]] - lit[deep_y[fit], deep_x[fit]]
            fit = fit[step.mean(1) >= _LEAST_STEP]
            there[fit] = lit[y[fit], x[fit]]
            known[fit] = True
        if known.sum() < _LEAST_PX:
            return None
        return _Samples(rows[known], columns[known], shadow[known], bins[known], (there - here)[known])

    far = against((_OUTSIDE_PX, 20, 12))
    if far is None:
        return None
    # the nearer, the more alike: no further than the penumbra demands
    course = _course(far.missing, far.bins)
    outside = (_DISTANCES > 0) & (_DISTANCES < _ENDS_PX)
    off = np.flatnonzero((np.abs(course).max(1) > _PENUMBRA) & outside)
    reach = float(_DISTANCES[off[-1]] if len(off) else 2) + _TAPER_PX
    return against((reach, 0.7 * reach)) or far


# --- courses: the most frequent difference by distance from the border --------------------------------------------


def _course(missing: np.ndarray, bins: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """(distances, 3) log of samples (N, 3), followed from the border to both sides, along ``like`` where samples lack."""
    order = np.argsort(bins, kind="stable")
    missing = missing[order]
    cuts = np.searchsorted(bins[order], np.arange(len(_DISTANCES) + 1))
    first = missing[cuts[max(0, _START - 3)] : cuts[_START + 3]]
    begin = np.median(first, 0) if len(first) else np.zeros(3, np.float32) if like is None else like[_START]
    trust = _STEADY if like is None else 2 * _STEADY
    course = np.zeros((len(_DISTANCES), 3), np.float32)
    for side, back in ((range(_START, len(_DISTANCES)), -1), (range(_START - 1, -1, -1), 1)):
        here = begin
        for at in side:
            expected = here if like is None else here + like[at] - like[min(at + back, len(like) - 1)]
            here = _most_frequent(missing[cuts[at] : cuts[at + 1]], expected, trust)
            course[at] = here
    return _smoothed(course)


def _most_frequent(values: np.ndarray, expected: np.ndarray, trust: float) -> np.ndarray:
    """The mode near ``expected`` of values (N, 3), by mean shift."""
    found = expected
    for _ in range(4):
        weights = _likeness(values - found, 1.0)
        found = (weights @ values + trust * expected) / (weights.sum() + trust)
    return np.asarray(found)


def _likeness(differences: np.ndarray, wider: float) -> np.ndarray:
    """(N,) 1 for no difference, towards 0 for another material."""
    scaled = differences @ AXES.T / (wider * _BANDS)
    return np.asarray(np.exp(-0.5 * np.square(scaled).sum(1)), np.float32)


def _sharing(widens: float) -> np.ndarray:
    """How distances share what they know, (D, D), rows sum to 1: wider with depth."""
    width = 2.0 + widens * np.maximum(0, -_DISTANCES - _FLAT_PX)
    shares = np.exp(-0.5 * np.square((_DISTANCES[None] - _DISTANCES[:, None]) / width[:, None]))
    return np.asarray(shares / shares.sum(1, keepdims=True), np.float32)


def _smoothed(course: np.ndarray) -> np.ndarray:
    return _sharing(0.18) @ course


def _courses(samples: _Samples, border: _Border) -> np.ndarray:
    """(shadows + 1, distances, 3): one for all, and one each for the larger ones; less where little can be told."""
    pooled = _course(samples.missing, samples.bins)
    count = len(border.areas)
    courses = np.repeat(pooled[None], count, 0)
    large = np.argsort(-border.areas[1:], kind="stable")[:_MOST_SHADOWS] + 1
    large = large[border.areas[large] >= _OWN_PX]
    for number in large if len(large) > 1 else ():
        mine = samples.shadow == number
        if mine.sum() >= 4 * _LEAST_PX:
            courses[number] = _course(samples.missing[mine], samples.bins[mine], pooled)
    inside = samples.bins < _START - 4
    for number in range(1, count):
        mine = samples.shadow == number
        known = inside & mine if number in large else inside
        if known.sum() < 20:
            continue
        off = (samples.missing[known] - courses[number][samples.bins[known]]).mean(1)
        spread = 1.48 * float(np.median(np.abs(off - np.median(off))))
        border_px = (mine & (samples.bins == _START)).sum() / _STEP_PX
        independent = min(_MOST_SAMPLES, max(1.0, 2 * border_px / _BORDER_PX))
        courses[number] /= 1 + spread**2 / (independent * _NETWORK_ERROR**2)
    return courses


# --- the lattice: what differs from that by place -------------------------------------------------------------------


def _lattice(samples: _Samples, courses: np.ndarray, border: _Border) -> np.ndarray:
    """(rows, columns, distances, 3) log, beside the courses, on a grid of _CELL_PX.

    Found in two rounds: what is like the course at all, then what is most frequent at each place.
    """
    off = samples.missing - courses[samples.shadow, samples.bins]
    first = _gathered(samples, off, _likeness(off, _FIRST_WIDER), border)
    here = first[samples.rows // _CELL_PX, samples.columns // _CELL_PX, samples.bins]
    return _gathered(samples, off, _likeness(off - here, _WIDER), border)


def _gathered(samples: _Samples, off: np.ndarray, weights: np.ndarray, border: _Border) -> np.ndarray:
    """Weighted means of ``off`` (N, 3) by place and distance, (rows, columns, distances, 3)."""
    height, width = border.distance.shape
    shape = height // _CELL_PX + 2, width // _CELL_PX + 2, len(_DISTANCES)
    cell = np.ravel_multi_index((samples.rows // _CELL_PX, samples.columns // _CELL_PX, samples.bins), shape)
    size = int(np.prod(shape))
    sums = np.stack(
        [
            np.bincount(cell, weights, size),
            *(np.bincount(cell, weights * off[:, channel], size) for channel in range(3)),
        ],
        -1,
    ).reshape(*shape, 4)
    sums = np.einsum("yxbc,db->yxdc", sums.astype(np.float32), _sharing(0.18), optimize=True)
    wide, near = (_spread(sums, reach / _CELL_PX) / _CELL_PX**2 for reach in (_WIDE_PX, _NEAR_PX))
    beyond = wide[..., 1:] / (wide[..., :1] + _WIDE_PRIOR)
    return np.asarray((near[..., 1:] + _NEAR_PRIOR * beyond) / (near[..., :1] + _NEAR_PRIOR), np.float32)


def _spread(sums: np.ndarray, sigma: float) -> np.ndarray:
    """Blurred over the first two axes, whatever comes after."""
    kernel = cv2.getGaussianKernel(2 * int(3 * sigma) + 1, sigma)
    for _ in range(2):
        flat = np.ascontiguousarray(sums, np.float32).reshape(sums.shape[0], -1)
        blurred = cv2.sepFilter2D(flat, -1, np.ones(1), kernel, borderType=cv2.BORDER_CONSTANT)
        sums = blurred.reshape(sums.shape).swapaxes(0, 1)
    return sums


def _read(lattice: np.ndarray, courses: np.ndarray, border: _Border) -> np.ndarray:
    """What is missing at every pixel, (H, W, 3): lattice and courses between their places and distances."""
    change = np.zeros((*border.distance.shape, 3), np.float32)
    rows, columns = np.nonzero(border.distance <= _ENDS_PX)
    shadow = border.shadow[rows, columns]
    place = np.clip((border.distance[rows, columns] + _INSIDE_PX) / _STEP_PX, 0, len(_DISTANCES) - 1.001)
    fades = np.clip((_ENDS_PX - _DISTANCES) / _TAPER_PX, 0, 1)
    y, x = (np.maximum((at + 0.5) / _CELL_PX - 0.5, 0) for at in (rows, columns))
    low_y, low_x, low = y.astype(int), x.astype(int), place.astype(int)
    found = np.zeros((len(rows), 3), np.float32)
    for up in (0, 1):
        part = np.abs(1 - up - (place - low)) * fades[low + up]
        found += part[:, None] * courses[shadow, low + up]
        for down in (0, 1):
            for right in (0, 1):
                share = np.abs(1 - down - (y - low_y)) * np.abs(1 - right - (x - low_x)) * part
                found += share[:, None].astype(np.float32) * lattice[low_y + down, low_x + right, low + up]
    change[rows, columns] = found
    return change
