"""Which places of a photo may be cast shadows, and what speaks for each of them.

Places are what lies beyond a threshold of how much a first pass brightens, or of how dark the photo is, at many
thresholds: one of them nearly always outlines a shadow well (the best of them has a mean intersection over union of
0.94 with the shadows of 91 real pairs). Which one it is, the comparison across its border tells: every pixel inside
with the one mirrored in the border. Across a shadow's border light is what differs, so the photo is brighter there by
nearly the same factor everywhere, with little tint and the same texture; across a thing's border the factors scatter.

What speaks for and against is added up as log odds. The weights were fitted (logistic regression, evenly by photo) to
50 real pairs, 27 photos of them without the shadow, 29 photos with drawn shadows and 80 photos without any; other scenes
were kept for measuring. They were fitted to what the weights of then brightened; so what is *clear* is counted whatever the odds,
by signs that do not hang on how strongly a network brightens. No torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.cv import cv2
from core.restoring.shadow_light import nearest_zero

WORKED_PX = 420  # longest edge of the copy that places are looked for on; all lengths here are of it
DARK = 8.0  # levels; added before logarithms, so that noise in the dark says little
_GAINS = (0.05, 0.1, 0.15, 0.22, 0.32, 0.44, 0.58)  # log; a first pass brightens by more
_DEPTHS = 8  # how many thresholds of darkness,
_DEPTHS_FROM, _DEPTHS_TO = 3, 85  # percentiles of the photo between which they lie
_LEAST_SHARE, _MOST_SHARE = 0.004, 0.8  # of the photo
_HOLE_SHARE = 0.01  # of the photo; what is enclosed and smaller lies in the shadow, too
_EDGE_PX, _NEAR_PX, _FAR_PX = 1.0, 2.5, 16.0  # from the border; beyond the penumbra from the second on
_AT_EDGE_PX = 3.5
_LEAST_COMPARED, _MOST_COMPARED = 30, 800  # places beside one border
_SMOOTH_PX = 6  # half the window in which each side is averaged by itself, against texture
_BANDS = 0.5, 0.3, 0.2, 0.2, 0.2  # log; differences this close to the most frequent agree with it
_DARKER = 0.15  # log
_MORE = 0.02  # log
_LEAST_RATIO = 0.2  # log; below, nothing to speak of is missing

_BIAS = -5.6  # log odds, of which 0 is even
_WEIGHTS = {
    "brightened": 4.89,  # log; by how much more a first pass brightens it than what is beside it
    "share_of_brightening": 2.6,  # of all that it brightens more than most of the photo
    "brightened_all_over": 1.67,  # log; where it brightens most of the photo, that says less
    "alike": 3.39,  # 0..1; mean agreement across the border,
    "alike_smoothed": 1.89,  # and between means of each side, which texture does not disturb
    "darker": 3.03,  # 0..1; share of the border across which the photo is brighter
    "warmer": -3.66,  # log, blue less red: skylight, which is left in a shadow, is blue
    "greener": -2.99,  # log, either way
    "hard": -2.31,  # 0..1.2; how much of the difference lies at the border: dark things end at once
    "other_texture": -1.29,  # log
    "faint": -2.65,  # log below _PLAIN
    "size": 0.48,  # log share of the photo
    "cut": -0.28,  # 0..4; how much of its border is the photo's
}
_PLAIN = 0.45
# light has no tints beyond these, however alike they are all around: 91 real shadows lie from -0.27 to 0.42 and 0.22
_TINTS, _GREEN = (-0.3, 0.5), 0.35  # log, red less blue; green against both, either way
# a wide shadow's long border says nearly the same everywhere: 13 real ones of this share agree by 0.42 to 0.78. Dark animals, and what
# lies in the dark behind or before the light, by 0.2 to 0.3
_WIDE_SHARE, _WIDE_ALIKE = 0.3, 0.36
# however little of the photo it is, and whatever else a first pass brightens: a place like this is a shadow. How much is given back is
# measured by what is missing, so that a network of a lighter hand says the same
_CLEAR = {
    "given_back": 0.5,  # of the light that is missing
    "all_along": 0.95,  # share of the border across which the first pass brightens it more
    "darker_smoothed": 0.7,
    "alike_smoothed": 0.45,
    "ratio": 0.32,
}
_CLEAR_TEXTURE = 0.5  # log
# on plain ground the border alone says it, whatever a first pass sees: by one factor darker all around, and softly. Of 50 real pairs
# three are found by nothing else; of 134 ordinary photos none is marked
_EVEN = {"alike": 0.9, "alike_smoothed": 0.9, "darker_smoothed": 0.8, "ratio": 0.18}
_SOFT = 0.7  # of "hard", at most
_CLEAR_TINTS = -0.05, 0.3  # log, red less blue
_SEEN = 0.15  # log; a first pass that brightens a place by more has an opinion on what in it is lit
_LIT_RATIO, _LIT_GAIN = 0.6, 0.3  # of a place's own
_CLEAR_GREEN = 0.12  # log, either way


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A place that may be a shadow."""

    box: tuple[slice, slice]  # rows, columns
    inside: np.ndarray  # (h, w) bool, of the box
    odds: float  # log; above 0 it is more likely a shadow than not
    clear: bool  # whether it is one whatever the odds
    ratio: float  # log; how much brighter it is across the border
    is_ground: bool  # too wide for how little its border agrees: what lies in the dark, not in a shadow

    def meets(self, other: Place) -> bool:
        (rows, columns), (their_rows, their_columns) = self.box, other.box
        top, left = max(rows.start, their_rows.start), max(columns.start, their_columns.start)
        bottom, right = min(rows.stop, their_rows.stop), min(columns.stop, their_columns.stop)
        if top >= bottom or left >= right:
            return False
        return bool(
            (
                self.inside[
                    top - rows.start : bottom - rows.start, left - columns.start : right - columns.start
                ]
                & other.inside[
                    top - their_rows.start : bottom - their_rows.start,
                    left - their_columns.start : right - their_columns.start,
                ]
            ).any()
        )


def log(pixels: np.ndarray) -> np.ndarray:
    """Natural logarithm of (h, w, 3) uint16, float32."""
    return np.asarray(np.log(pixels.astype(np.float32) / 257 + DARK))


def shadows(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where the cast shadows of a photo lie, (h, w) uint8 0 | 1.

    Args:
        before, after: a copy of the photo of at most about ``WORKED_PX``, and what a pass without a mask made of it, both
            (h, w, 3) uint16.
    """
    looked = _Looked.at(before, after)
    places = [place for found in _outlines(looked) for place in _places(looked, found)]
    places = sorted(
        (place for place in places if place.odds > 0 or place.clear), key=lambda place: -place.odds
    )
    kept: list[Place] = []
    for place in places:  # of nested ones the most likely; pieces of dark ground are none either
        if not any(place.meets(other) and not (other.is_ground and place.clear) for other in kept):
            kept.append(place)
    kept = [place for place in kept if not place.is_ground]
    mask = np.zeros(before.shape[:2], np.uint8)
    lit = np.zeros_like(mask)
    for place in kept:
        mask[place.box] |= place.inside.astype(np.uint8)
    mask = _filled(mask)
    for place in kept:
        lit[place.box] |= _lit(looked, place).astype(np.uint8)
    mask[cv2.morphologyEx(lit, cv2.MORPH_OPEN, _disc(_radius(lit))) > 0] = 0
    return mask


def _lit(looked: _Looked, place: Place) -> np.ndarray:
    """Pockets of light in the box of a place, (h, w) bool: as bright as what is beside it, and not brightened."""
    gain, even = looked.gain[place.box], looked.even[place.box]
    usual = float(np.median(gain[place.inside]))
    if usual < _SEEN:
        return np.zeros(place.inside.shape, bool)
    bright = even > float(np.median(even[place.inside])) + _LIT_RATIO * place.ratio
    return np.asarray(bright & (gain < _LIT_GAIN * usual))


# --- the photo ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Looked:
    """What is compared; (h, w) but for ``light``."""

    light: np.ndarray  # (h, w, 3) log
    texture: np.ndarray  # log of how restless it is
    gain: np.ndarray  # log; what the first pass brightens by
    even: np.ndarray  # log; light without texture
    usual: float  # log; the median gain
    rest: np.ndarray  # what is brightened more than usual

    @staticmethod
    def at(before: np.ndarray, after: np.ndarray) -> _Looked:
        sharp = log(before)
        gain = cv2.GaussianBlur((log(after) - sharp).mean(2), (0, 0), 1)
        grey = sharp.mean(2)
        fine = grey - cv2.GaussianBlur(grey, (0, 0), 2)
        texture = np.log(np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 2.5)) + 0.01)
        low, high = np.log(DARK), np.log(DARK + 255)
        eight = np.clip((grey - low) / (high - low) * 255, 0, 255).astype(np.uint8)
        even = cv2.medianBlur(eight, 4 * _radius(grey) + 1).astype(np.float32) / 255 * (high - low) + low
        usual = float(np.median(gain))
        light = log(cv2.GaussianBlur(before, (0, 0), 1))
        return _Looked(light, texture, gain, even, usual, np.maximum(gain - usual - 0.03, 0))


def _radius(picture: np.ndarray) -> int:
    return max(1, round(min(picture.shape[:2]) / 160))


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def _outlines(looked: _Looked) -> Iterator[np.ndarray]:
    """Maps (h, w) uint8 0 | 1 of what lies beyond each threshold, without specks and holes."""
    radius = _radius(looked.gain)
    low, high = (float(depth) for depth in np.percentile(looked.even, [_DEPTHS_FROM, _DEPTHS_TO]))
    depths = np.linspace(low, high, _DEPTHS + 2)[1:-1]
    for found in (*(looked.gain > gain for gain in _GAINS), *(looked.even < depth for depth in depths)):
        opened = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, _disc(radius))
        closed = _filled(np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, _disc(2 * radius))))
        if closed.any() and not closed.all():
            yield closed


def _filled(found: np.ndarray) -> np.ndarray:
    """Small places that a shadow encloses belong to it: holes in a mask would stay dark."""
    _count, labels, stats, _ = cv2.connectedComponentsWithStats(1 - found, connectivity=4)
    height, width = found.shape
    x, y, w, h, area = stats.T
    small = (area < _HOLE_SHARE * found.size) & (x > 0) & (y > 0) & (x + w < width) & (y + h < height)
    small[0] = False  # what is not enclosed: found itself
    filled = found.copy()
    filled[small[labels]] = 1
    return filled


# --- what is compared across borders -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Across:
    """Pixels inside, each with the one mirrored in the border; all (N,)."""

    rows: np.ndarray
    columns: np.ndarray
    lit_rows: np.ndarray
    lit_columns: np.ndarray
    distance: np.ndarray  # px from the border

    @staticmethod
    def of(found: np.ndarray) -> _Across:
        inside, row_of, column_of = nearest_zero(found)
        outside = cv2.distanceTransform(1 - found, cv2.DIST_L2, cv2.DIST_MASK_5)
        rows, columns = np.nonzero((inside >= _EDGE_PX) & (inside <= _FAR_PX))
        distance = inside[rows, columns]
        lit_rows = rows + np.rint(2 * (row_of[rows, columns] - rows)).astype(int)
        lit_columns = columns + np.rint(2 * (column_of[rows, columns] - columns)).astype(int)
        height, width = found.shape
        fit = np.flatnonzero(
            (lit_rows >= 0) & (lit_rows < height) & (lit_columns >= 0) & (lit_columns < width)
        )
        fit = fit[outside[lit_rows[fit], lit_columns[fit]] >= 0.7 * distance[fit]]
        return _Across(rows[fit], columns[fit], lit_rows[fit], lit_columns[fit], distance[fit])

    def some(self, which: np.ndarray) -> _Across:
        return _Across(*(values[which] for values in (self.rows, self.columns, self.lit_rows, self.lit_columns,
                                                      self.distance)))  # fmt: skip

    def difference(self, lit: np.ndarray, shaded: np.ndarray) -> np.ndarray:
        """Of two pictures, by how much the first is more across the border than the second is inside."""
        return np.asarray(lit[self.lit_rows, self.lit_columns] - shaded[self.rows, self.columns])


def _means(light: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Local means of ``light`` (h, w, 3) over the pixels of ``where`` (h, w) bool alone."""
    size = (2 * _SMOOTH_PX + 1, 2 * _SMOOTH_PX + 1)
    counted = where.astype(np.float32)
    return np.asarray(
        cv2.blur(light * counted[..., None], size) / (cv2.blur(counted, size)[..., None] + 1e-3)
    )


def _places(looked: _Looked, found: np.ndarray) -> Iterator[Place]:
    """The connected places of a map, with what speaks for them; those too small to tell are left out."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(found)
    areas = stats[:, cv2.CC_STAT_AREA]
    wanted = np.flatnonzero((areas >= _LEAST_SHARE * found.size) & (areas <= _MOST_SHARE * found.size))
    wanted = wanted[wanted > 0]
    if not len(wanted):
        return
    across = _Across.of(found)
    shaded, lit = _means(looked.light, found > 0), _means(looked.light, found == 0)
    own = labels[across.rows, across.columns]
    order = np.argsort(own, kind="stable")
    cuts = np.searchsorted(own[order], np.arange(count + 1))
    for number in wanted:
        which = order[cuts[number] : cuts[number + 1]]
        which = which[:: max(1, len(which) // _MOST_COMPARED)]
        mine = across.some(which)
        if np.count_nonzero(mine.distance >= _NEAR_PX) < _LEAST_COMPARED:
            continue
        x, y, width, height, area = stats[number]
        box = slice(y, y + height), slice(x, x + width)
        inside = labels[box] == number
        facts = _compared(looked, mine, shaded, lit)
        if not _TINTS[0] <= facts["tint"] <= _TINTS[1] or facts["greener"] > _GREEN:
            continue
        brightened = float(looked.gain[box][inside].mean()) - facts["gain_beside"]
        facts |= {
            "brightened": float(np.clip(brightened, -0.2, 0.8)),
            "given_back": brightened / max(facts["ratio"], _LEAST_RATIO),
            "share_of_brightening": float(looked.rest[box][inside].sum() / max(looked.rest.sum(), 1e-3)),
            "brightened_all_over": min(looked.usual, 0.3),
            "size": float(np.log(area / found.size)),
            "cut": min(4.0, _on_the_frame(inside, box, found.shape) / float(np.sqrt(area))),
        }
        odds = _BIAS + sum(weight * facts[name] for name, weight in _WEIGHTS.items())
        is_ground = area > _WIDE_SHARE * found.size and facts["alike_smoothed"] < _WIDE_ALIKE
        yield Place(box, inside, float(odds), _is_clear(facts), facts["ratio"], is_ground)


def _compared(looked: _Looked, across: _Across, shaded: np.ndarray, lit: np.ndarray) -> dict[str, float]:
    """What the pixels beside one border say."""
    beyond = across.some(across.distance >= _NEAR_PX)
    at_edge = across.some(across.distance <= _AT_EDGE_PX)
    each = beyond.difference(looked.light, looked.light)
    smoothed = beyond.difference(lit, shaded)
    _, alike = _most_frequent(each)
    light, alike_smoothed = _most_frequent(smoothed)
    red, green, blue = (float(part) for part in light)
    ratio = (red + green + blue) / 3
    edge = at_edge.difference(looked.light, looked.light).mean(1)
    hard = float(np.median(edge)) / max(ratio, 0.1) if len(edge) else 0.0
    gain_beside = looked.gain[beyond.lit_rows, beyond.lit_columns]
    return {
        "alike": alike,
        "alike_smoothed": alike_smoothed,
        "darker": float((each.mean(1) > _DARKER).mean()),
        "darker_smoothed": float((smoothed.mean(1) > _DARKER).mean()),
        "ratio": ratio,
        "faint": max(0.0, _PLAIN - ratio),
        "tint": red - blue,
        "warmer": max(0.0, blue - red - 0.02),
        "greener": min(abs(red + blue - 2 * green), 0.5),
        "hard": float(np.clip(hard, 0, 1.2)),
        "other_texture": min(
            float(np.median(np.abs(beyond.difference(looked.texture, looked.texture)))), 1.5
        ),
        "gain_beside": float(gain_beside.mean()),
        "all_along": float((looked.gain[beyond.rows, beyond.columns] > gain_beside + _MORE).mean()),
    }


def _most_frequent(across: np.ndarray) -> tuple[np.ndarray, float]:
    """The most frequent of differences (N, 3), log, by mean shift, and how much all agree with it, 0..1."""
    most = np.median(across, 0)
    alike = np.ones(len(across), np.float32)
    for band in _BANDS:
        alike = np.exp(-0.5 * np.square(across - most).sum(1) / band**2)
        most = alike @ across / max(float(alike.sum()), 1e-6)
    return most, float(alike.mean())


def _on_the_frame(inside: np.ndarray, box: tuple[slice, slice], shape: tuple[int, ...]) -> float:
    """How many pixels of a place lie at the photo's own border."""
    rows, columns = box
    sides = (
        (rows.start == 0, inside[0]),
        (rows.stop == shape[0], inside[-1]),
        (columns.start == 0, inside[:, 0]),
        (columns.stop == shape[1], inside[:, -1]),
    )
    return float(sum(int(line.sum()) for is_there, line in sides if is_there))


def _is_clear(facts: dict[str, float]) -> bool:
    by_brightening = _exceeds(facts, _CLEAR) and facts["other_texture"] < _CLEAR_TEXTURE
    by_border = _exceeds(facts, _EVEN) and facts["hard"] < _SOFT
    return (
        (by_brightening or by_border)
        and _CLEAR_TINTS[0] < facts["tint"] < _CLEAR_TINTS[1]
        and facts["greener"] < _CLEAR_GREEN
    )


def _exceeds(facts: dict[str, float], least: dict[str, float]) -> bool:
    return all(facts[name] > value for name, value in least.items())
