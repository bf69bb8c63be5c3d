"""The one definition of "strength": how much of the restoration goes into the result."""

from __future__ import annotations

import numpy as np

_BAND_VALUES = 6_000_000
_STEPS = 1 << 20


def blend(original: np.ndarray, restored: np.ndarray, strength: float) -> np.ndarray:
    """``original + strength * (restored - original)``, rounded to nearest, in the stored depth.

    Both arrays (H, W, 3) uint8 or uint16 of equal shape and depth; ``strength`` 0..1. Strength 0 gives
    a copy of ``original``, 1 a copy of ``restored``, exactly. Integer arithmetic on ``strength`` in
    steps of 2**-20 makes the result the same on every machine; halves round up. Works in bands, so that
    it needs no more memory than its result. Raises ValueError for anything else.
    """
    if original.shape != restored.shape or original.dtype != restored.dtype:
        raise ValueError(
            f"cannot blend {original.shape} {original.dtype} with {restored.shape} {restored.dtype}"
        )
    if original.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"cannot blend {original.dtype}; need uint8 or uint16")
    if not 0.0 <= strength <= 1.0:
        raise ValueError(f"strength {strength} is outside 0..1")
    weight = round(strength * _STEPS)
    if weight == 0:
        return original.copy()
    if weight == _STEPS:
        return restored.copy()
    out = np.empty_like(original, order="C")
    kind = np.int32 if original.dtype == np.uint8 else np.int64
    per_row = max(1, original[:1].size)
    rows = max(1, _BAND_VALUES // per_row)
    for y in range(0, original.shape[0], rows):
        before = original[y : y + rows].astype(kind)
        change = restored[y : y + rows].astype(kind)
        np.subtract(change, before, out=change)
        np.multiply(change, weight, out=change)
        np.add(change, _STEPS // 2, out=change)
        np.right_shift(change, 20, out=change)
        np.add(change, before, out=change)
        out[y : y + rows] = change
    return out


def within(original: np.ndarray, restored: np.ndarray, where: np.ndarray) -> np.ndarray:
    """``restored`` where ``where`` is 255, ``original`` where it is 0, to the bit; between them in proportion.

    Both pictures (H, W, 3) uint8 or uint16 of equal shape and depth, ``where`` (H, W) uint8. Raises ValueError for
    anything else. Works in bands, as :func:`blend` does.
    """
    if original.shape != restored.shape or original.dtype != restored.dtype:
        raise ValueError(
            f"cannot blend {original.shape} {original.dtype} with {restored.shape} {restored.dtype}"
        )
    if where.shape != original.shape[:2] or where.dtype != np.uint8:
        raise ValueError(f"mask of {where.shape} {where.dtype}: need {original.shape[:2]} uint8")
    out = np.empty_like(original, order="C")
    rows = max(1, _BAND_VALUES // max(1, original[:1].size))
    for y in range(0, original.shape[0], rows):
        weight = where[y : y + rows, :, None].astype(np.int32)
        # at most 65535 * 255 + 127: fits; 127 rounds to nearest, 255 has no halves
        mixed = original[y : y + rows] * (255 - weight) + restored[y : y + rows] * weight
        out[y : y + rows] = (mixed + 127) // 255
    return out
