"""How long the smear of a blurred photo is, and which way it runs, from the photo's spectrum alone. No torch.

Along a smear of length L the power of every frequency f falls by sinc(f L)^2; across it, it stays. What a sharp
photo's power looks like is not known, but it is smooth: it falls with the frequency as a parabola does on logarithmic
scales and differs by direction in a low, even way. So the logarithm of the mean power of many windows is fitted by
both, for every length and direction of a grid, and the share of what smoothness leaves over that a smear explains is its
*evidence*. The photo is looked at in its own size and in halves of it, since a window shows smears of 3 to 15 px best;
evidence of the same smear in two neighbouring sizes counts together.

Streaks of rain look alike to the spectrum; where the photo's edges are too sharp for a smear (:mod:`core.restoring.steepness`),
there is none.

Honest: below :data:`CERTAIN_FROM` nothing is said. Curved, uneven and moving blur explains less, and a sharp photo of
stripes explains something. What was measured stands in ``docs/blur.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from core.cv import cv2
from core.data import unsmear
from core.restoring import copies, steepness

CERTAIN_FROM = (
    0.3  # of the evidence: 4 of 123 sharp photos of clean/ and clean_val/ reach it, 60 of 99 smeared
)
MOST_CHANGE = 25.0  # levels of 255, root mean square: undoing it changed 60 smeared photos by at most 24, four sharp ones by 41 and more
LEAST_SHOWN = (
    0.55  # of a smear's fall, in half of a photo's parts: 9 in 10 smeared photos show 0.65, sharp ones less
)
_SHOWN = (0.35, 0.65)  # of it, from where on a part counts in part and in full
_WINDOW_SHOWS_PX = 14
SMALLEST_PX = 192  # shorter edge of a copy that is looked at
_WINDOW_PX = 128
_MOST_WINDOWS = 48  # of a copy
_KEPT = 0.9  # of the windows, those with most structure
_GAMMA = 2.2
_LOWEST, _HIGHEST = 0.03, 0.42  # cycles per pixel
_AXIS = 1.5 / _WINDOW_PX  # near the axes stand the photo's borders and the blocks of JPEG
_FLOOR = 0.004  # of the power that noise leaves
_PER_OCTAVE = 3
_LENGTHS = 1.5 * 2 ** (np.arange(16) / _PER_OCTAVE)  # px, 1.5 to 48
_ANGLES_DEG = np.arange(0.0, 180.0, 7.5)
_LONGEST_IN = 12  # lengths of a smear that a photo's shorter edge must hold, for less says nothing
_STEEPEST = 2.2  # of 220 smeared photos of clean/ that the spectrum tells two are steeper, of 46 rainy and sharp ones 40
_SEEN_LONGER = (
    1.07  # than a path's spread makes it: the median of 56 told of 75 seeded smears on photos of clean/
)
_BLOCK_PX = 960  # of a photo whose smear is undone at a time, and how much around it is looked at
_AROUND_PX = 96
_MOST = 1.2  # how many times a smear's fall may be seen


def amount(response: float | None, change: float, seen: Smear | None) -> float:
    """How much speaks for blur: what a network's memory takes for it (mean negative response, 0..1; without a memory
    the root mean square it changes, levels) and what the spectrum says, each alone being often wrong."""
    evidence = seen.evidence if seen is not None else 0.0
    return 10 * (change if response is None else response) * (max(evidence, 0.0) + 0.03) ** 0.5


@dataclass(frozen=True, slots=True)
class Smear:
    """A smear as a straight line would make it. ``length_px`` of the photo's own pixels; ``angle_deg`` 0..180, from the
    horizontal, counter-clockwise as one looks at the photo; ``evidence`` 0..1."""

    length_px: float
    angle_deg: float
    evidence: float

    @property
    def is_certain(self) -> bool:
        return self.evidence >= CERTAIN_FROM


def find(pixels: np.ndarray) -> Smear | None:
    """The smear that explains most of a photo (H, W, 3) uint8 | uint16; None: the photo is too small to tell."""
    height, width = pixels.shape[:2]
    if min(height, width) < _WINDOW_PX:
        return None
    shares: list[np.ndarray] = []
    by = 1
    while not shares or min(height, width) / by >= SMALLEST_PX:
        shares.append(_evidence(_power(pixels, by)))
        by *= 2
    total = np.zeros((len(_LENGTHS) + _PER_OCTAVE * (len(shares) - 1), len(_ANGLES_DEG)))
    if len(shares) == 1:
        total = shares[0]
    for level, (fine, coarse) in enumerate(pairwise(shares)):
        first = _PER_OCTAVE * level
        both = np.zeros((len(_LENGTHS) + _PER_OCTAVE, len(_ANGLES_DEG)))
        both[: len(_LENGTHS)] += fine / 2
        both[_PER_OCTAVE:] += coarse / 2
        there = total[first : first + len(both)]
        np.maximum(there, both, out=there)
    longest = 1 + int(_PER_OCTAVE * np.log2(max(min(height, width) / _LONGEST_IN / 1.5, 1)))
    row, column = map(int, np.unravel_index(int(np.argmax(total[:longest])), total[:longest].shape))
    above, below = max(row - 1, 0), min(row + 1, len(total) - 1)
    before, after = column - 1, (column + 1) % len(_ANGLES_DEG)
    best = float(total[row, column])
    length = row + _summit(float(total[above, column]), best, float(total[below, column]))
    angle = column + _summit(float(total[row, before]), best, float(total[row, after]))
    angle *= 180 / len(_ANGLES_DEG)
    length = 1.5 * 2 ** (length / _PER_OCTAVE) / _SEEN_LONGER
    angle = (180 - angle) % 180  # rows of an image run downwards
    return Smear(length, angle, best if steepness.of(pixels, length, angle) <= _STEEPEST else 0.0)


def sharper(pixels: np.ndarray, between: Callable[[], None]) -> np.ndarray:
    """A photo or copy (H, W, 3) uint8 | uint16 with its smear undone where one is seen, else ``pixels`` itself.

    Only where the photo's parts show it, too: what moves otherwise stays. A smear that is not there, taken out of a sharp photo,
    changes it by more than one that is: then nothing is undone. ``between`` is called again and again and may raise to stop.
    """
    seen = find(pixels)
    shown = where(pixels, seen) if seen is not None else None
    if seen is None or shown is None:
        return pixels
    found = undone(pixels, seen, between)
    change = cv2.norm(found, pixels, cv2.NORM_L2) / found.size**0.5 / np.iinfo(pixels.dtype).max * 255
    if change > MOST_CHANGE:
        return pixels
    height, width = pixels.shape[:2]
    shown = cv2.resize(shown, (width, height), interpolation=cv2.INTER_LINEAR)
    for y in range(0, height, _BLOCK_PX):
        between()
        rows = slice(y, y + _BLOCK_PX)
        share = shown[rows, :, None].astype(np.float32) / 255
        found[rows] = np.rint(pixels[rows] + share * (found[rows].astype(np.float32) - pixels[rows]))
    return found


def where(pixels: np.ndarray, seen: Smear) -> np.ndarray | None:
    """Where the parts of a photo show the smear that the whole tells: (h, w) uint8 on a coarse grid, 255 where they do. None: it
    cannot be told, or most parts do not."""
    if not seen.is_certain or seen.length_px < unsmear.SHORTEST_PX:
        return None
    by = 1
    while seen.length_px / by > _WINDOW_SHOWS_PX:
        by *= 2
    copy = copies.reduced(pixels, by) if by > 1 else pixels
    height, width = copy.shape[:2]
    if min(height, width) < _WINDOW_PX:
        return None
    use, weight, smooth, _falls, _sizes = _grid()
    down, right = _frequencies()
    turned = np.deg2rad(seen.angle_deg)
    along = (right[use] * np.cos(turned) - down[use] * np.sin(turned)) * (seen.length_px * _SEEN_LONGER / by)
    fall = _fall(along) * weight
    fall -= smooth @ (smooth.T @ fall)
    fall /= np.square(fall).sum()
    tops, lefts = (
        np.rint(np.linspace(0, edge - _WINDOW_PX, int(np.clip(-(-2 * edge // _WINDOW_PX) - 1, 2, 20))))
        for edge in (height, width)
    )
    times = np.empty((len(tops), len(lefts)), np.float32)
    for row, top in enumerate(tops.astype(int)):
        for column, left in enumerate(lefts.astype(int)):
            power, _detail = _window(copy, top, left)
            rest = np.log(power + 1e-6) * weight
            times[row, column] = fall @ (rest - smooth @ (smooth.T @ rest))
    if np.median(times) < LEAST_SHOWN:
        return None
    share = np.clip((times - _SHOWN[0]) / (_SHOWN[1] - _SHOWN[0]), 0, 1)
    return np.rint(cv2.GaussianBlur(share, (3, 3), 0) * 255).astype(np.uint8)


def undone(pixels: np.ndarray, seen: Smear, between: Callable[[], None]) -> np.ndarray:
    """A photo or copy (H, W, 3) uint8 | uint16 without a smear of that length in its pixels, its own array.

    Block by block, always the same ones, which is why tiles of the result equal the whole. ``between`` is called between
    blocks and may raise to stop.
    """
    height, width = pixels.shape[:2]
    top = float(np.iinfo(pixels.dtype).max)
    out = np.empty_like(pixels)
    for y in range(0, height, _BLOCK_PX):
        for x in range(0, width, _BLOCK_PX):
            between()
            high, wide = min(_BLOCK_PX, height - y), min(_BLOCK_PX, width - x)
            above, left = min(y, _AROUND_PX), min(x, _AROUND_PX)
            part = pixels[y - above : y + high + _AROUND_PX, x - left : x + wide + _AROUND_PX]
            found = unsmear.undo(part.astype(np.float32) / top, seen.length_px, seen.angle_deg)
            out[y : y + high, x : x + wide] = np.rint(found[above : above + high, left : left + wide] * top)
    return out


def _summit(before: float, here: float, after: float) -> float:
    """Where between its neighbours, -0.5 to 0.5, a parabola through three values has its highest point."""
    bend = before - 2 * here + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))


def _power(pixels: np.ndarray, by: int) -> np.ndarray:
    """Logarithm of the power of a copy's windows at the frequencies that are looked at, (F,), its mean over the windows: a few
    windows of stripes say less so than in the mean of the power itself."""
    copy = copies.reduced(pixels, by) if by > 1 else pixels
    height, width = copy.shape[:2]
    tops, lefts = _places(height), _places(width)
    found, detail = zip(*(_window(copy, top, left) for top in tops for left in lefts), strict=True)
    most = np.argsort(detail)[::-1][: max(4, round(_KEPT * len(found)))]
    return np.asarray(np.log(np.stack([found[index] for index in most]) + 1e-6).mean(0))


def _window(copy: np.ndarray, top: int, left: int) -> tuple[np.ndarray, float]:
    """The power of a window at the frequencies that are looked at, (F,) of mean 1, and how much structure it has."""
    part = copy[top : top + _WINDOW_PX, left : left + _WINDOW_PX].astype(np.float32)
    part /= np.iinfo(copy.dtype).max
    light = cv2.pow(part, _GAMMA) @ np.array([0.3, 0.59, 0.11], np.float32)  # (P, P)
    detail = float(np.abs(np.diff(light, axis=0)).mean() + np.abs(np.diff(light, axis=1)).mean())
    taper = np.outer(*2 * [np.hanning(_WINDOW_PX + 2)[1:-1]])
    power = np.abs(np.fft.rfft2((light - light.mean()) * taper))[_grid()[0]] ** 2
    return power / max(float(power.mean()), 1e-12), detail


def _places(edge: int) -> np.ndarray:
    count = min(round(_MOST_WINDOWS**0.5), 1 + -(-2 * (edge - _WINDOW_PX) // _WINDOW_PX))
    return np.rint(np.linspace(0, edge - _WINDOW_PX, max(1, count))).astype(int)


def _evidence(power: np.ndarray) -> np.ndarray:
    """(lengths, angles): the share of what smoothness leaves of ``power`` that each smear explains."""
    _use, weight, smooth, falls, sizes = _grid()
    rest = power * weight
    rest = rest - smooth @ (smooth.T @ rest)
    seen = falls @ rest  # (lengths * angles,)
    times = np.clip(seen / sizes, 0, _MOST)
    share = (2 * times * seen - times**2 * sizes) / max(float(rest @ rest), 1e-12)
    return np.asarray(share.reshape(len(_LENGTHS), len(_ANGLES_DEG)))


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
