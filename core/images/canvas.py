"""What decoders fill: the upright picture, and the same memory as the file holds it.

The array is made upright; a decoder fills a view of it that is turned back to the file's own orientation. So a rotated
picture costs no further copy, and a band at a time is all that is converted.
"""

from __future__ import annotations

import numpy as np


class Canvas:
    """The upright result and the same memory seen in the orientation of the file.

    ``pixels`` (H, W, 3) and ``alpha`` (H, W) or None are what the caller gets; ``stored`` and
    ``stored_alpha`` are what a decoder fills.
    """

    def __init__(self, width: int, height: int, dtype: type, has_alpha: bool, orientation: int) -> None:
        upright = (width, height) if orientation >= 5 else (height, width)
        self.pixels: np.ndarray = np.empty((*upright, 3), dtype)
        self.alpha: np.ndarray | None = np.empty(upright, dtype) if has_alpha else None
        self.stored = as_stored(self.pixels, orientation)
        self.stored_alpha = as_stored(self.alpha, orientation) if self.alpha is not None else None

    def put(self, rows: slice | tuple[slice, slice], values: np.ndarray) -> None:
        """Store a part: (h, w) grey, (h, w, 2) grey + alpha, (h, w, 3) RGB or (h, w, 4) RGBA."""
        if values.ndim == 2:
            values = values[..., None]
        channels = values.shape[2]
        self.stored[rows] = values[..., : 3 if channels >= 3 else 1]
        if self.stored_alpha is not None and channels in (2, 4):
            self.stored_alpha[rows] = values[..., -1]


def as_stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """A view of an upright array as the file with this EXIF orientation holds it."""
    match orientation:
        case 2:
            return upright[:, ::-1]
        case 3:
            return upright[::-1, ::-1]
        case 4:
            return upright[::-1]
        case 5:
            return upright.swapaxes(0, 1)
        case 6:
            return np.rot90(upright, 1)
        case 7:
            return upright[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return np.rot90(upright, -1)
    return upright
