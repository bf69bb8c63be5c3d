"""What two pictures have in common, judged on reduced copies: whether they lie on each other, whether they are one.

Everything here is made to see through the damage that a network is to learn: rain, shadows and blur change
brightness and add edges, but what is below them stays where it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import imagehash
import numpy as np
from PIL import Image

from core.cv import cv2
from core.jobs import JobControl

_AROUND_PX = 4.0  # structure finer than this is compared; the light, which damage changes, is coarser
_MARGIN_PX = 8
_PLAIN = 0.0004  # mean square of the structure: below it there is nothing to find a shift by
_SHIFT_PX = 0.75
_GAIN = 0.04  # what the correlation has to gain by moving one picture
_LEFT, _MANIFOLD = (
    0.87,
    1.5,
)  # and either most of what was missing goes, or much comes where nearly nothing was
_PEAK = 0.1  # height of the peak among what is only noise
_TELLING, _DROWNED = 0.001, 1 / 12  # structure, at all and against the other's, that damage does not drown
_STRANGE = 0.12  # correlation below which two pictures do not show the same
_DARKER, _BRIGHTER = -0.25, 0.1  # in the logarithm: a fifth darker, a tenth brighter
_SHADED_SHARE = 0.03  # of the area

_TINY_PX = 24
_CHUNK = 512
_BITS = 8  # of 64 that may differ
_ALIKE = 0.985  # correlation of two tiny copies
_LEVELS = 9.0  # mean difference of two tiny copies, of 255


# --- lying on each other -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Alignment:
    """How the second picture lies to the first."""

    dx_px: float
    dy_px: float  # both at the size that was looked at
    peak: float  # 0..1, how clearly one shift stands out
    before: float  # correlation of the structure as it lies, -1..1
    after: float  # and moved back by the shift
    is_telling: bool  # there is enough in both to say that they do not show the same

    @property
    def shift_px(self) -> float:
        return math.hypot(self.dx_px, self.dy_px)

    @property
    def is_shifted(self) -> bool:
        """A blur's own movement also looks like a shift, but undoing it makes nothing fit better."""
        gains = self.after > self.before + _GAIN and (
            1 - self.after < _LEFT * (1 - self.before) or self.after > _MANIFOLD * self.before
        )
        return self.shift_px > _SHIFT_PX and self.peak > _PEAK and gains

    @property
    def is_strange(self) -> bool:
        return self.is_telling and self.before < _STRANGE and self.peak < _PEAK


def align(one: np.ndarray, other: np.ndarray) -> Alignment | None:
    """Both (h, w, 3) uint8 of one size. None where there is too little in them to tell: plain, or too small."""
    a, b = _structure(one), _structure(other)
    least, most = sorted((float((a * a).mean()), float((b * b).mean())))
    if min(a.shape) < 6 * _MARGIN_PX or least < _PLAIN:
        return None
    is_telling = least > max(_TELLING, _DROWNED * most)
    window = cv2.createHanningWindow((a.shape[1], a.shape[0]), cv2.CV_32F)
    (dx, dy), peak = cv2.phaseCorrelate(a, b, window)
    return Alignment(dx, dy, peak, _fit(a, b, 0.0, 0.0), _fit(a, b, dx, dy), is_telling)


def _structure(picture: np.ndarray) -> np.ndarray:
    """(h, w) float32: how much brighter, in the logarithm, a place is than its surroundings."""
    light = cv2.log(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) + 8)
    found: np.ndarray = light - cv2.GaussianBlur(light, (0, 0), _AROUND_PX)
    return found


def _fit(a: np.ndarray, b: np.ndarray, dx: float, dy: float) -> float:
    """Correlation of ``a`` with ``b`` moved back by (dx, dy); -1 where nothing would be left to compare."""
    height, width = a.shape
    margin = math.ceil(max(abs(dx), abs(dy))) + _MARGIN_PX
    if 2 * margin > min(height, width) - _MARGIN_PX:
        return -1.0
    if dx or dy:
        move = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        b = cv2.warpAffine(b, move, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    inside = slice(margin, height - margin), slice(margin, width - margin)
    return correlation(a[inside], b[inside])


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """-1..1 of two arrays of one shape; 0 where one of them is even."""
    a, b = a - a.mean(dtype=np.float32), b - b.mean(dtype=np.float32)
    power = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / power if power > 0 else 0.0


def is_shaded(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether large parts of ``one`` are darker and hardly any is brighter: what shadows do and rain and blur do not.

    Both (h, w, 3) uint8 of one size.
    """
    a, b = (
        cv2.log(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) + 8) for picture in (one, other)
    )
    light = cv2.GaussianBlur(a - b, (0, 0), _AROUND_PX)
    darker, brighter = float((light < _DARKER).mean()), float((light > _BRIGHTER).mean())
    return darker > _SHADED_SHARE and darker > 5 * brighter


# --- being one -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of a picture to know it again: under 2 kB."""

    bits: np.uint64  # perceptual hash
    tiny: np.ndarray  # (24, 24, 3) uint8

    @staticmethod
    def of(picture: np.ndarray) -> Fingerprint:
        """``picture`` (h, w, 3) uint8, a thumbnail."""
        found = imagehash.phash(Image.fromarray(picture)).hash
        bits = np.packbits(found.reshape(-1)).view(np.uint64)[0]
        tiny = cv2.resize(picture, (_TINY_PX, _TINY_PX), interpolation=cv2.INTER_AREA)
        return Fingerprint(bits, np.asarray(tiny))

    def is_like(self, other: Fingerprint) -> bool:
        """Whether both show the same photo, perhaps saved or scaled anew."""
        a, b = self.tiny.astype(np.float32), other.tiny.astype(np.float32)
        return float(np.abs(a - b).mean()) < _LEVELS and correlation(a, b) > _ALIKE


def alike(
    prints: Sequence[Fingerprint], control: JobControl, settled: np.ndarray | None = None
) -> Iterator[tuple[int, int]]:
    """Index pairs (i, j), i < j, of pictures that show the same. Memory does not grow with their square.

    ``settled`` (N,) bool may be changed while this runs: two that are both settled are passed over, so that a
    thousand frames of one scene need not all be held against one another.
    """
    bits = np.array([item.bits for item in prints], np.uint64)
    done = np.zeros(len(bits), bool) if settled is None else settled
    for top in range(0, len(bits), _CHUNK):
        for left in range(top, len(bits), _CHUNK):
            control.checkpoint()
            rows, columns = slice(top, top + _CHUNK), slice(left, left + _CHUNK)
            near = np.bitwise_count(bits[rows, None] ^ bits[None, columns]) <= _BITS
            near &= ~(done[rows, None] & done[None, columns])
            for row, column in np.argwhere(near).tolist():
                i, j = top + row, left + column
                if i < j and not (done[i] and done[j]) and prints[i].is_like(prints[j]):
                    yield i, j
