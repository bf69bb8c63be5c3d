"""How long the smear of a blurred photo is, and which way it runs in each place, from the photo's spectrum alone. No torch.

Along a smear of length L the power of every frequency f falls by sinc(f L)^2; across it, it stays. What a sharp
photo's power looks like is not known, but it is smooth: it falls with the frequency as a parabola does on logarithmic
scales and differs by direction in a low, even way. So the logarithm of the power of a window is fitted by both, and what
smoothness leaves over is compared with what a smear explains.

A hand that turns smears the corners of a photo otherwise than its middle, so the smear is a vector that changes evenly
over the picture, v(x, y) = a + B (x, y): what turning, tilting and walking ahead make of a short path. Its six numbers are those
that explain most, over all windows of the photo in its own size and in halves of it (a window shows smears of 3 to 15 px best).

Streaks of rain look alike to the spectrum; where the photo's edges are too sharp for a smear (:mod:`core.restoring.steepness`),
there is none.

Honest: where the windows do not show it, nothing is said. Curved, uneven and moving blur explains less, and a sharp photo of
stripes explains something. What was measured stands in ``docs/blur.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy import optimize

from core.cv import cv2
from core.data import unsmear
from core.restoring import copies, steepness

CERTAIN_FROM = 0.3  # of the evidence
MOST_CHANGE = 20.0  # levels of 255, root mean square, that undoing a smear may change
LEAST_SHOWN = 0.4  # of a smear's fall, in half of a photo's parts
_SHOWN = (0.35, 0.65)  # of it, from where on a part counts in part and in full
_WINDOW_SHOWS_PX = 10
SMALLEST_PX = 192  # shorter edge of a copy that is looked at
_WINDOW_PX = 128
_MOST_WINDOWS, _MOST_PARTS = 7, 20  # along an edge of a copy; of one whose parts are asked
_KEPT = 0.9  # of the windows, those with most structure
_GAMMA = 2.2
_LOWEST, _HIGHEST = 0.03, 0.42  # cycles per pixel
_AXIS = 1.5 / _WINDOW_PX  # near the axes stand the photo's borders and the blocks of JPEG
_FLOOR = 0.004  # of the power that noise leaves
_CHANCE = (
    np.pi**2 / 6
)  # variance of the logarithm of a power that is exponentially distributed, as white noise's is
_LEAST_MORE = 0.1  # of the whole, counts as more than chance
_PER_OCTAVE = 4
_LENGTHS = 1.5 * 2 ** (np.arange(21) / _PER_OCTAVE)  # px, 1.5 to 48
_ANGLES_DEG = np.arange(0.0, 180.0, 3.75)
_LONGEST_IN = 12  # lengths of a smear that a photo's shorter edge must hold, for less says nothing
_STEEPEST = 2.2  # of 220 smeared photos of clean/ that the spectrum tells two are steeper, of 46 rainy and sharp ones 40
_SEEN_LONGER = (
    1.07  # than a path's spread makes it: the median of 56 told of 75 seeded smears on photos of clean/
)
_TILE_PX = (96, 960)  # of a photo whose smear is undone at a time, taken for one and the same there
_VARIES_PX = 0.7  # at most so much over a tile
_AROUND_PX, _FEATHER_PX = 48, 16  # what is looked at around a tile, and how far it fades into its neighbours
_CLIPPED, _DARK, _RINGS_REACH = 0.97, 0.3, 1.5  # of the largest value, both; lengths of the smear
_MOST = 1.2  # how many times a smear's fall may be seen
_STARTS, _TURNS = (
    3,
    (4.0, 10.0),
)  # lines and turns about the middle (px at the edge) from where the best is looked for
_TRIES = 700  # for each


def amount(response: float | None, change: float, seen: Smear | None) -> float:
    """How much speaks for blur: what a network's memory takes for it (mean negative response, 0..1; without a memory
    the root mean square it changes, levels) and what the spectrum says, each alone being often wrong."""
    evidence = seen.evidence if seen is not None else 0.0
    return 10 * (change if response is None else response) * (max(evidence, 0.0) + 0.03) ** 0.5


@dataclass(frozen=True, slots=True)
class Smear:
    """A smear as an even motion would make it. ``length_px`` of the photo's own pixels, the root mean square over the picture;
    ``angle_deg`` 0..180, from the horizontal, counter-clockwise as one looks at the photo, the way that most of it runs;
    ``evidence`` 0..1. ``turning``: how much the smear differs from place to place, px to the right and down, at the right edge of
    a square around the photo and at its bottom, against the middle."""

    length_px: float
    angle_deg: float
    evidence: float
    middle: tuple[float, float] | None = (
        None  # px to the right and down, of which the other way round is the same
    )
    turning: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    @property
    def is_certain(self) -> bool:
        return self.evidence >= CERTAIN_FROM

    def line(self, x: float, y: float) -> tuple[float, float]:
        """Its length and angle at a place: (0, 0) is the middle of the photo, and 1 half its longer edge."""
        if self.middle is None:
            return self.length_px, self.angle_deg
        right, down = _at(np.array([*self.middle, *self.turning]), np.array(x), np.array(y))
        return float(np.hypot(right, down)), float(-np.rad2deg(np.arctan2(down, right)) % 180)

    def reduced(self, by: float) -> Smear:
        """The same in a copy whose edges are ``by`` times shorter."""
        shorter = None if self.middle is None else (self.middle[0] / by, self.middle[1] / by)
        right, down, turned_right, turned_down = (each / by for each in self.turning)
        return replace(
            self,
            length_px=self.length_px / by,
            middle=shorter,
            turning=(right, down, turned_right, turned_down),
        )


def find(pixels: np.ndarray) -> Smear | None:
    """The smear that explains most of a photo (H, W, 3) uint8 | uint16; None: the photo is too small to tell."""
    height, width = pixels.shape[:2]
    if min(height, width) < _WINDOW_PX:
        return None
    sizes = [1]
    while min(height, width) / (2 * sizes[-1]) >= SMALLEST_PX:
        sizes.append(2 * sizes[-1])
    windows = _Windows(pixels, sizes, _MOST_WINDOWS, _KEPT)
    longest_px = max(min(height, width) / _LONGEST_IN, 2 * _LENGTHS[0])
    motion = _motion(windows, longest_px)
    right, down = _at(motion, *windows.corners)
    # the direction of most of it: that of the mean vector after all were turned twice as far around
    twice = np.arctan2((2 * right * down).mean(), (right**2 - down**2).mean())
    length = float(np.sqrt((right**2 + down**2).mean())) / _SEEN_LONGER
    evidence = windows.explained(motion) / max(windows.more_than_chance, 1e-9)
    motion = motion / _SEEN_LONGER
    angle = float(-np.rad2deg(twice) / 2 % 180)  # rows of an image run downwards
    found = Smear(length, angle, evidence, tuple(motion[:2]), tuple(motion[2:]))
    return found if steepness.of(pixels, found.line) <= _STEEPEST else replace(found, evidence=0.0)


def agreed(pixels: np.ndarray) -> Smear | None:
    """The smear of a photo (H, W, 3) uint8 | uint16 on which most of its parts agree; None: there is none."""
    seen = find(pixels)
    return seen if seen is not None and where(pixels, seen) is not None else None


def sharper(pixels: np.ndarray, between: Callable[[], None], seen: Smear | None = None) -> np.ndarray:
    """A photo or copy (H, W, 3) uint8 | uint16 with its smear undone where one is seen, else ``pixels`` itself. ``seen``: the
    smear, where it is known from the photo that the copy was made of.

    Only where the photo's parts show it, too: what moves otherwise stays. A smear that is not there, taken out of a sharp photo,
    changes it by more than one that is: then nothing is undone. ``between`` is called again and again and may raise to stop.
    """
    seen = find(pixels) if seen is None else seen
    shown = where(pixels, seen) if seen is not None else None
    if seen is None or shown is None:
        return pixels
    found = undone(pixels, seen, between)
    _keep_from_rings(pixels, found, seen)
    height, width = pixels.shape[:2]
    shown = cv2.resize(shown, (width, height), interpolation=cv2.INTER_LINEAR)
    for y in range(0, height, _TILE_PX[1]):
        between()
        rows = slice(y, y + _TILE_PX[1])
        share = shown[rows, :, None].astype(np.float32) / 255
        found[rows] = np.rint(pixels[rows] + share * (found[rows].astype(np.float32) - pixels[rows]))
    change = cv2.norm(found, pixels, cv2.NORM_L2) / found.size**0.5 / np.iinfo(pixels.dtype).max * 255
    return found if change <= MOST_CHANGE else pixels


def _keep_from_rings(pixels: np.ndarray, found: np.ndarray, seen: Smear) -> None:
    """Leaves dark places beside lights of a night that the sensor could not hold as they were: how bright these were is not known, and
    what is divided by the smear of them comes back as black rings. By day there is less of it than is gained there."""
    top = np.iinfo(pixels.dtype).max
    light = pixels.max(2)
    if light.max() < _CLIPPED * top or np.median(light) >= _DARK * top:
        return
    reach = round(seen.length_px * _RINGS_REACH)
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    soft = max(1.0, seen.length_px / 4)
    margin = reach + round(4 * soft)
    for y in range(0, len(light), _TILE_PX[1]):  # bands, for the sake of memory
        above, rows = max(0, y - margin), slice(y, y + _TILE_PX[1])
        part = light[above : y + _TILE_PX[1] + margin]
        near = cv2.dilate((part >= _CLIPPED * top).astype(np.uint8), around)
        kept = near.astype(np.float32) * (cv2.erode(part, around) < _DARK * top)
        share = cv2.GaussianBlur(kept, (0, 0), soft)[y - above :][: len(light[rows]), :, None]
        found[rows] = np.rint(found[rows] + share * (pixels[rows].astype(np.float32) - found[rows]))


def where(pixels: np.ndarray, seen: Smear) -> np.ndarray | None:
    """Where the parts of a photo show the smear that the whole tells: (h, w) uint8 on a coarse grid, 255 where they do. None: it
    cannot be told, or most parts do not."""
    if not seen.is_certain or seen.length_px < unsmear.SHORTEST_PX:
        return None
    by = 1
    while seen.length_px / by > _WINDOW_SHOWS_PX and min(pixels.shape[:2]) / by >= 2 * _WINDOW_PX:
        by *= 2
    windows = _Windows(pixels, [by], _MOST_PARTS, 1.0)
    assert seen.middle is not None
    falls, sizes = windows.sums(np.array([*seen.middle, *seen.turning]) * _SEEN_LONGER)
    times = (falls / np.maximum(sizes, 1e-9)).reshape(windows.shape).astype(np.float32)
    if np.median(times) < LEAST_SHOWN:
        return None
    share = np.clip((times - _SHOWN[0]) / (_SHOWN[1] - _SHOWN[0]), 0, 1)
    return np.rint(cv2.GaussianBlur(share, (3, 3), 0) * 255).astype(np.uint8)


def undone(pixels: np.ndarray, seen: Smear, between: Callable[[], None]) -> np.ndarray:
    """A photo or copy (H, W, 3) uint8 | uint16 without a smear of that length in its pixels, its own array.

    Tile by tile, each without the smear of its middle and fading into its neighbours. ``between`` is called between tiles and may
    raise to stop.
    """
    height, width = pixels.shape[:2]
    half = max(height, width) / 2
    varies = float(np.abs(seen.turning).sum()) / half  # px of length for each px of the picture
    tile = int(np.clip(_VARIES_PX / max(varies, 1e-9), *_TILE_PX))
    top = float(np.iinfo(pixels.dtype).max)
    out = np.empty_like(pixels)
    carried = np.zeros((0, width, 3), np.float32)  # rows that fade into the next ones
    for upper, lower in _tiles(height, tile):
        low, high, down = _fading(upper, lower, height)
        band = np.zeros((high - low, width, 3), np.float32)
        band[: len(carried)] = carried
        for left, right in _tiles(width, tile):
            between()
            first, last, across = _fading(left, right, width)
            above, before = min(low, _AROUND_PX), min(first, _AROUND_PX)
            part = pixels[low - above : high + _AROUND_PX, first - before : last + _AROUND_PX]
            length, angle = seen.line((left + right - width) / 2 / half, (upper + lower - height) / 2 / half)
            found = unsmear.undo(part.astype(np.float32) / top, length, angle)
            found = found[above : above + high - low, before : before + last - first]
            band[:, first:last] += found * (down[:, None] * across)[..., None]
        done = height if lower == height else lower - _FEATHER_PX
        out[low:done] = np.rint(band[: done - low] * top)
        carried = band[done - low :]
    return out


def _tiles(edge: int, tile: int) -> list[tuple[int, int]]:
    count = max(1, round(edge / tile))
    ends = np.rint(np.linspace(0, edge, count + 1)).astype(int)
    return list(pairwise(ends.tolist()))


def _fading(start: int, end: int, edge: int) -> tuple[int, int, np.ndarray]:
    """From where to where a tile reaches, with what fades into its neighbours, and how much it counts there, (N,)."""
    low, high = max(start - _FEATHER_PX, 0), min(end + _FEATHER_PX, edge)
    at = np.arange(low, high) + 0.5
    counts = np.ones(high - low)
    if start > 0:
        counts = np.minimum(counts, (at - start) / (2 * _FEATHER_PX) + 0.5)
    if end < edge:
        counts = np.minimum(counts, (end - at) / (2 * _FEATHER_PX) + 0.5)
    return low, high, counts.astype(np.float32)


def _motion(windows: _Windows, longest_px: float) -> np.ndarray:
    """The six numbers, px of the photo, of the smear that explains most and is nowhere much longer than ``longest_px``."""

    def cost(motion: np.ndarray) -> float:
        longest = float(np.hypot(*_at(motion, *windows.corners)).max())
        return -windows.explained(motion) + 500 * max(longest / longest_px - 1, 0)

    lines = []
    for length in _LENGTHS[0] * 2 ** (np.arange(40) / _PER_OCTAVE):
        if length > longest_px:
            break
        for angle in np.deg2rad(_ANGLES_DEG):
            line = np.array([length * np.cos(angle), length * np.sin(angle), 0, 0, 0, 0])
            lines.append((cost(line), line))
    starts: list[np.ndarray] = []
    for _cost, line in sorted(lines, key=lambda line: line[0]):
        apart = [min(np.hypot(*(line - start)[:2]), np.hypot(*(line + start)[:2])) for start in starts]
        if min(apart, default=np.inf) > 0.4 * np.hypot(*line[:2]):
            starts.append(line)
        if len(starts) == _STARTS:
            break
    starts += [np.array([0.5, 0.3, 0, turn * longest_px, -turn * longest_px, 0]) for turn in _TURNS]
    options = {"xtol": 0.03, "ftol": 1e-3, "maxfev": _TRIES}
    ends = [optimize.minimize(cost, start, method="Powell", options=options) for start in starts]
    return np.asarray(min(ends, key=lambda end: float(end.fun)).x)


def _at(motion: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return motion[0] + motion[2] * x + motion[4] * y, motion[1] + motion[3] * x + motion[5] * y


class _Windows:
    """Windows of a photo reduced by each of ``sizes``, at most ``most`` along an edge, and of those the share ``kept`` with most
    structure: N in all. ``x``, ``y``: where their middles are, (N,), as :meth:`Smear.at` counts; ``corners`` the same of nine
    places all over the photo; ``more_than_chance``: the squares of what smoothness leaves of the logarithms of their power, less what
    it leaves of white noise. ``shape`` of the last size's rows and columns."""

    def __init__(self, pixels: np.ndarray, sizes: list[int], most: int, kept: float) -> None:
        height, width = pixels.shape[:2]
        half = max(height, width) / 2
        steps = np.array([-1.0, 0.0, 1.0])
        self.corners = np.tile(steps, 3) * width / 2 / half, np.repeat(steps, 3) * height / 2 / half
        _use, weight, smooth, falls, _sizes = _grid()
        rests, xs, ys = [], [], []
        for by in sizes:
            copy = copies.reduced(pixels, by) if by > 1 else pixels
            tops, lefts = _places(copy.shape[0], most), _places(copy.shape[1], most)
            self.shape = len(tops), len(lefts)
            places = np.stack([each.ravel() for each in np.meshgrid(tops, lefts, indexing="ij")], 1)
            powers, details = zip(*(_window(copy, top, left) for top, left in places), strict=True)
            chosen = np.sort(np.argsort(details)[::-1][: max(4, round(kept * len(places)))])
            rest = np.log(np.stack([powers[index] for index in chosen]) + 1e-6) * weight
            rests.append(rest - (rest @ smooth) @ smooth.T)
            middles = (places[chosen] + _WINDOW_PX / 2) * by
            ys.append((middles[:, 0] - height / 2) / half)
            xs.append((middles[:, 1] - width / 2) / half)
        self.x, self.y = np.concatenate(xs), np.concatenate(ys)
        counts = [len(rest) for rest in rests]
        self._by = np.repeat(np.array(sizes, float), counts)
        self._weight = np.repeat([1 / count for count in counts], counts)  # every size counts alike
        rest = np.concatenate(rests)
        total = float(self._weight @ np.square(rest).sum(1))
        chance = len(sizes) * _CHANCE * float(weight @ weight)
        self.more_than_chance = max(total - chance, _LEAST_MORE * total)
        self._seen = (rest @ falls.T).reshape(len(rest), len(_LENGTHS), len(_ANGLES_DEG))

    def sums(self, motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How much of a smear's fall each window shows, and how much it would be: both (N,), their ratio 1 where it is there."""
        right, down = _at(motion, self.x, self.y)
        length = np.hypot(right, down) / self._by
        row = np.clip(_PER_OCTAVE * np.log2(np.maximum(length, 0.1) / _LENGTHS[0]), 0, len(_LENGTHS) - 1.001)
        column = np.rad2deg(np.arctan2(down, right)) % 180 / (180 / len(_ANGLES_DEG))
        above, before = row.astype(int), column.astype(int) % len(_ANGLES_DEG)
        after = (before + 1) % len(_ANGLES_DEG)
        low, aside = row - above, column - np.floor(column)
        each, sizes = np.arange(len(length)), _grid()[4].reshape(len(_LENGTHS), len(_ANGLES_DEG))
        seen, size = np.zeros_like(length), np.zeros_like(length)
        for rows, share in ((above, 1 - low), (above + 1, low)):
            for columns, other in ((before, 1 - aside), (after, aside)):
                seen += share * other * self._seen[each, rows, columns]
                size += share * other * sizes[rows, columns]
        # of what is shorter than the shortest of the grid, the fall is as its square
        short = np.minimum(length / _LENGTHS[0], 1) ** 2
        return short * seen, short**2 * size

    def explained(self, motion: np.ndarray) -> float:
        """How much of :attr:`more_than_chance` a smear explains."""
        seen, size = (float(self._weight @ each) for each in self.sums(motion))
        times = min(max(seen / max(size, 1e-9), 0.0), _MOST)
        return 2 * times * seen - times**2 * size


def _window(copy: np.ndarray, top: int, left: int) -> tuple[np.ndarray, float]:
    """The power of a window at the frequencies that are looked at, (F,) of mean 1, and how much structure it has."""
    part = copy[top : top + _WINDOW_PX, left : left + _WINDOW_PX].astype(np.float32)
    part /= np.iinfo(copy.dtype).max
    light = cv2.pow(part, _GAMMA) @ np.array([0.3, 0.59, 0.11], np.float32)  # (P, P)
    detail = float(np.abs(np.diff(light, axis=0)).mean() + np.abs(np.diff(light, axis=1)).mean())
    taper = np.outer(*2 * [np.hanning(_WINDOW_PX + 2)[1:-1]])
    power = np.abs(np.fft.rfft2((light - light.mean()) * taper))[_grid()[0]] ** 2
    return power / max(float(power.mean()), 1e-12), detail


def _places(edge: int, most: int) -> np.ndarray:
    count = min(most, 1 + -(-2 * (edge - _WINDOW_PX) // _WINDOW_PX))
    return np.rint(np.linspace(0, edge - _WINDOW_PX, max(1, count))).astype(int)


@lru_cache(maxsize=1)
def _grid() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Which frequencies (P, P // 2 + 1), their weights (F,), a base of what is smooth (F, B), what each smear takes off
    that (lengths * angles, F), and the squares of these."""
    down, right = _frequencies()
    radius = np.hypot(right, down)
    use = (radius > _LOWEST) & (radius < _HIGHEST) & (np.abs(right) > _AXIS) & (np.abs(down) > _AXIS)
    down, right, radius = down[use], right[use], radius[use]
    around = np.arctan2(down, right)
    weight = 1 / np.sqrt(radius)  # every octave counts about alike
    base = [np.ones_like(radius), np.log(radius), np.log(radius) ** 2]
    base += [wave(turn * around) for turn in (2, 4) for wave in (np.cos, np.sin)]
    smooth, _ = np.linalg.qr(np.stack(base, 1) * weight[:, None])
    falls = []
    for length in _LENGTHS:
        for angle in np.deg2rad(_ANGLES_DEG):
            along = (right * np.cos(angle) + down * np.sin(angle)) * length
            falls.append(_fall(along))
    made = np.stack(falls) * weight
    made -= (made @ smooth) @ smooth.T
    return use, weight, smooth, made, np.square(made).sum(1)


def _frequencies() -> tuple[np.ndarray, np.ndarray]:
    """Of a window's spectrum, downwards and to the right, both (P, P // 2 + 1), cycles per pixel."""
    down = np.fft.fftfreq(_WINDOW_PX)[:, None] + np.zeros(_WINDOW_PX // 2 + 1)
    return down, np.fft.rfftfreq(_WINDOW_PX)[None] + np.zeros((_WINDOW_PX, 1))


def _fall(along: np.ndarray) -> np.ndarray:
    """Logarithm of what a smear leaves of the power at frequencies times its length along it. The length differs from place to
    place, so that zeros are not seen as such."""
    return np.asarray(np.log(np.mean([np.sinc(along * s) ** 2 for s in (0.75, 0.9, 1.05, 1.25)], 0) + _FLOOR))
