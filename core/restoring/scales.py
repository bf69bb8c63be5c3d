"""At which size of a photo its damage is looked for: reduced copies, and the way back to the photo's own pixels.

The network knows damage of the size that it was trained on. A camera's photo shows the same rain ten times as
wide, so it is restored as a copy of 1/2, 1/4, 1/8, ..., and what was changed there, the *correction*, is
enlarged and added to the photo: its detail, grain and depth stay (:mod:`core.restoring.copies`). Nothing but names
and numbers here.
"""

from __future__ import annotations

import re

AUTO = "auto"
WHOLE = "1"  # the photo itself
COARSEST_PX = 320  # least longer edge of a copy that is tried; at least half of the copies' longest, 640
LEARNED_PX = 1000  # longest edge of the photos in training
SEEN_WHOLE_PX = 2240
"""Longest edge of a photo or copy whose own content is collected at the size it is restored at; of larger ones from a reduced
copy, which shows no thin streaks, so that passes over them leave such streaks and automatic scales do without these passes."""
SMALLEST = 64  # a scale of 1/64 makes a copy of 300 px of 400 megapixels


class ScaleError(ValueError):
    """A scale that is none; the message says which there are."""

    problem_key = "scale"


def divisor(scale: str) -> int:
    """``"1"`` -> 1, ``"1/4"`` -> 4. Raises :class:`ScaleError` for anything else, ``"auto"`` included."""
    found = re.fullmatch(r"1(?:/(\d{1,3}))?", scale)
    value = int(found[1] or 1) if found else 0
    if not 1 <= value <= SMALLEST or value & (value - 1):
        raise ScaleError(f"scale {scale!r}: need auto, 1, 1/2, 1/4, ... or 1/{SMALLEST}")
    return value


def name(divisor: int) -> str:
    """1 -> ``"1"``, 4 -> ``"1/4"``."""
    return WHOLE if divisor == 1 else f"1/{divisor}"


def check(scale: str, width: int = 0, height: int = 0) -> None:
    """Raises :class:`ScaleError`: no scale, or one at which nothing is left of a photo of this size (0: not known)."""
    if scale == AUTO:
        return
    by = divisor(scale)
    if by > 1 and width and max(width, height) < 16 * by:
        raise ScaleError(f"scale {scale}: leaves less than 16 px of a photo of {width}x{height} px")


def candidates(width: int, height: int, known_px: int = LEARNED_PX) -> tuple[int, ...]:
    """Divisors to try for a photo of this size, coarsest first; the last is 1.

    A photo no larger than those that models learn from (``known_px``) shows damage at the size they know: it is
    restored as it is. Smears are as long as the hand shook: none is known by the photo's size (0).
    """
    if max(width, height) <= known_px:
        return (1,)
    by = 1
    while max(width, height) / (2 * by) >= COARSEST_PX and 2 * by <= SMALLEST:
        by *= 2
    found = [by]
    while by > 1:
        by //= 2
        found.append(by)
    return tuple(found)


def learned(width: int, height: int) -> int:
    """Divisor of the largest copy that is no longer than the photos that models learn from."""
    by = 1
    while max(width, height) / by > LEARNED_PX and by < SMALLEST:
        by *= 2
    return by
