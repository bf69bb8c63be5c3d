"""What a person says of places of a photo: "this is not damage", "this is". There the memory's own response is overruled.

One grey picture of the photo's size: black is no damage, white is, middle grey says nothing. Between them it is said so
much and no more. What follows for the restoration:

- Where damage is denied the photo stays as it is, to the bit where it is denied fully, and the memory of damage is not
  read around there; its content counts as clean, and is collected for the rest of the photo.
- Where damage is asserted its content is not collected as clean, and a photo in which nothing would be found is restored
  nevertheless. What is known of a shadow's place, painted or guessed, is amended by both.
"""

from __future__ import annotations

import numpy as np

from core.cv import cv2

NOTHING = 128
"""The grey that says nothing."""
_SILENT = 8  # levels around it that say nothing either: lossy files stir a flat grey


class TaughtError(ValueError):
    """The picture cannot be used; the message says why."""

    problem_key = "taught"


def check(taught: np.ndarray, width: int, height: int, name: str = "what is taught") -> None:
    """Raises TaughtError unless it is (height, width) uint8 and says something."""
    if taught.dtype != np.uint8 or taught.shape != (height, width):
        shape = "x".join(map(str, taught.shape[::-1]))
        raise TaughtError(f"{name}: {shape} px of {taught.dtype}, need the photo's {width}x{height} px")
    if not has_labels(taught):
        raise TaughtError(
            f"{name}: is middle grey all over, so it says nothing; black denies damage, white asserts it"
        )


def has_labels(taught: np.ndarray) -> bool:
    return denies(taught) or asserts(taught)


def denies(taught: np.ndarray) -> bool:
    """Whether damage is denied anywhere."""
    return bool(taught.min(initial=NOTHING) < NOTHING - _SILENT)


def asserts(taught: np.ndarray) -> bool:
    """Whether damage is asserted anywhere."""
    return bool(taught.max(initial=NOTHING) > NOTHING + _SILENT)


def combined(denied: np.ndarray, asserted: np.ndarray) -> np.ndarray:
    """(H, W) uint8 of two masks (H, W) uint8, 255 where it is said; where both are, the stronger holds."""
    label = asserted.astype(np.int16) - denied
    return np.clip(NOTHING + np.rint(label * (np.where(label < 0, 128, 127) / 255)), 0, 255).astype(np.uint8)


def parts(taught: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The reverse of :func:`combined`: where damage is denied and where it is asserted, (H, W) uint8 each."""
    label = signed(taught)
    denied, asserted = (np.rint(255 * np.maximum(0, side)).astype(np.uint8) for side in (-label, label))
    return denied, asserted


def signed(taught: np.ndarray) -> np.ndarray:
    """float32 of the same shape: -1 denied, 1 asserted, 0 where nothing is said."""
    away = taught.astype(np.float32) - NOTHING
    away[np.abs(away) <= _SILENT] = 0
    label: np.ndarray = np.clip(away / np.where(away < 0, 128, 127), -1, 1)
    return label.astype(np.float32)


def kept(taught: np.ndarray) -> np.ndarray | None:
    """(H, W) uint8, how much of the restoration goes into the photo (see :func:`core.images.blend.within`); None: all."""
    return 255 - parts(taught)[0] if denies(taught) else None


def amended(mask: np.ndarray, taught: np.ndarray) -> np.ndarray:
    """A mask of the damage (H, W) uint8 with what is taught of it."""
    denied, asserted = parts(taught)
    return np.maximum(np.minimum(mask, 255 - denied), asserted)


def reduced(taught: np.ndarray, width: int, height: int) -> np.ndarray:
    """For a copy of the photo of this size (see :func:`core.restoring.copies.reduced`), (height, width) uint8."""
    if taught.shape == (height, width):
        return taught
    by = max(1, round(taught.shape[1] / width))
    whole = width * by, height * by
    if (
        whole[0] >= taught.shape[1] and whole[1] >= taught.shape[0]
    ):  # a copy's last cells reach beyond the photo
        taught = _reaching(taught, *whole)
    return np.asarray(cv2.resize(np.ascontiguousarray(taught), (width, height), interpolation=cv2.INTER_AREA))


def on_grid(taught: np.ndarray, rows: int, columns: int, cell_px: int) -> np.ndarray:
    """The mean over each cell of a grid, (rows, columns) uint8."""
    whole = _reaching(taught, columns * cell_px, rows * cell_px)
    means = cv2.resize(np.ascontiguousarray(whole), (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(means).reshape(rows, columns)


def overruled(response: np.ndarray, taught: np.ndarray, cell_px: int) -> np.ndarray:
    """A response (h, w) float32 over cells of ``cell_px`` of the photo, with what is said in place of what was seen."""
    rows, columns = response.shape
    label = signed(on_grid(taught, rows, columns, cell_px))
    target = (label > 0).astype(np.float32)
    found: np.ndarray = response + np.abs(label) * (target - response)
    return found.astype(np.float32)


def _reaching(taught: np.ndarray, width: int, height: int) -> np.ndarray:
    """As far as this, its last row and column repeated."""
    right, down = width - taught.shape[1], height - taught.shape[0]
    return np.pad(taught, ((0, down), (0, right)), mode="edge") if right or down else taught
