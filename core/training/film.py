"""A few validation photos over time: what the averaged weights make of the same crops at each validation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from core import atomic
from core.cv import cv2
from core.training.data import Example

MOST = 4
EDGE_PX = 256
_QUALITY = 90  # of WebP, 1 to 100
_FRAME = re.compile(r"step-(\d+)-\d+\.webp")


class Film:
    """Pictures in a run's film folder: ``input-I.webp``, ``truth-I.webp`` and a ``step-N-I.webp`` each validation.

    I counts the crops from 0; which photos they are of is fixed by the photos there are.
    """

    def __init__(self, folder: Path, examples: Sequence[Example]) -> None:
        self.folder = folder
        count = min(MOST, len(examples))
        self.chosen = {round(i * (len(examples) - 1) / max(1, count - 1)): i for i in range(count)}
        self._sides = {
            f"{side}-{number}.webp": picture
            for index, number in self.chosen.items()
            for side, picture in (("input", examples[index].degraded), ("truth", examples[index].truth))
        }
        self._frames: dict[int, np.ndarray] = {}

    def watch(self, index: int, restored: np.ndarray) -> None:
        """Take in photo ``index`` of the validation, (H, W, 3) uint8; most are passed over."""
        if index in self.chosen:
            self._frames[self.chosen[index]] = crop(restored)

    def begin(self, write: Callable[[Callable[[], None]], object]) -> None:
        """Inputs and truths, where they are not there already. ``write`` does what it is given, as a disk does."""
        for name, picture in self._sides.items():
            file = self.folder / name
            if not file.exists():
                write(lambda file=file, picture=picture: _put(file, crop(picture)))  # type: ignore[misc]

    def keep(self, step: int, write: Callable[[Callable[[], None]], object]) -> None:
        """The frames taken in since the last time, as those of ``step``."""
        frames: Mapping[int, np.ndarray] = self._frames
        for number, picture in frames.items():
            file = self.folder / f"step-{step:08d}-{number}.webp"
            write(lambda file=file, picture=picture: _put(file, picture))  # type: ignore[misc]
        self._frames = {}

    def trim(self, step: int) -> None:
        """Frames of later steps will be made again. Raises OSError."""
        for file in self.folder.glob("step-*.webp"):
            found = _FRAME.fullmatch(file.name)
            if found and int(found[1]) > step:
                file.unlink(missing_ok=True)


def crop(picture: np.ndarray) -> np.ndarray:
    """The centre of (H, W, 3), at most :data:`EDGE_PX` wide and high."""
    height, width = (min(n, EDGE_PX) for n in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def _put(file: Path, picture: np.ndarray) -> None:
    # OpenCV wants blue first
    done, data = cv2.imencode(
        ".webp", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_WEBP_QUALITY, _QUALITY]
    )
    if not done:
        raise ValueError(f"{file.name}: {picture.shape} cannot be encoded as WebP")
    atomic.write_bytes(file, data.tobytes())
