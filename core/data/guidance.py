"""Masks that tell a network where the damage is: grey pictures, white where it is, black where it is not.

Importing this module does not import torch.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.data.dataset import Pair, PairingError
from core.images import io as image_io
from core.images import metrics

NO_MASK = "none"
GUESSED = "auto"  # the program looked for itself
_GREY_LEVELS = 8  # lossy formats colour a grey picture by this much of 255


class MaskError(ValueError):
    """The mask cannot be used; the message names it and says why."""

    problem_key = "mask"


@dataclass(frozen=True, slots=True)
class Guess:
    """A mask that the program found itself."""

    mask: np.ndarray  # (H, W) uint8 of the photo's size, 255 where the damage is
    share: float  # of the photo that is marked, 0..1

    @classmethod
    def of(cls, mask: np.ndarray) -> Guess:
        return cls(mask, share_of(mask))


def share_of(mask: np.ndarray) -> float:
    """How much of a picture a mask marks, 0..1."""
    return float(np.count_nonzero(mask > 127)) / mask.size


def read_mask(path: Path) -> np.ndarray:
    """(H, W) uint8 of a grey picture, upright; 0 no damage, 255 damage.

    Raises:
        MaskError: the picture has colours or transparency.
        ImageError: it could not be read.
    """
    picture = image_io.read(path)
    pixels = metrics.to_8bit(picture.pixels)
    if picture.alpha is not None and picture.alpha.min() < np.iinfo(picture.alpha.dtype).max:
        raise MaskError(f"{path.name}: is transparent in places, need a grey picture (white is damage)")
    if picture.info.mode != "grey" and int(np.ptp(pixels, axis=-1).max()) > _GREY_LEVELS:
        raise MaskError(f"{path.name}: has colours, need a grey picture (white is damage)")
    return np.ascontiguousarray(pixels[..., 1])


def check_size(mask: np.ndarray, width: int, height: int, name: str = "the mask") -> None:
    """Raises MaskError unless the mask is of the picture's size."""
    if mask.shape != (height, width):
        raise MaskError(f"{name}: {mask.shape[1]}x{mask.shape[0]} px, need the photo's {width}x{height} px")


def check_marks(mask: np.ndarray, name: str = "the mask") -> None:
    """Raises MaskError where nothing is marked: to a network a black mask means that it is told nothing."""
    if not mask.any():
        raise MaskError(f"{name}: is black all over, so it marks nothing; white is damage")


def note(mask: np.ndarray | None) -> str:
    """What a result records about its mask: ``"none"``, or a sum of its pixels."""
    if mask is None:
        return NO_MASK
    shape = f"{mask.shape[1]}x{mask.shape[0]}:".encode()
    return hashlib.sha256(shape + np.ascontiguousarray(mask).tobytes()).hexdigest()[:16]


def find_masks(folder: Path, pairs: Iterable[Pair]) -> dict[Path, Path]:
    """Input -> its mask: of the input's name, whatever its extension and case, in the same place below the folder.

    Raises:
        PairingError: an input has no mask, or two; ``.unpaired`` names all that have none.
        UnreadableFile: a folder cannot be listed.
    """
    return find_beside(folder, pairs, "mask")


def find_beside(folder: Path, pairs: Iterable[Pair], what: str, or_target: bool = False) -> dict[Path, Path]:
    """Input -> the picture of its name in another folder, as :func:`find_masks`, which says what is raised.

    ``what`` is what such a picture is called; ``or_target``: one of the truth's file name does, too.
    """
    if not folder.is_dir():
        raise PairingError(f"{folder} is not a folder" if folder.exists() else f"{folder} does not exist")

    def refuse(problem: image_io.UnreadableFile) -> None:
        raise problem

    by_name: dict[str, Path] = {}
    for path in image_io.find_images(folder, recursive=True, on_error=refuse):
        name = _comparable(path.relative_to(folder).with_suffix("").as_posix())
        if name in by_name:
            raise PairingError(f"{folder}: two {what}s of one name, {by_name[name].name} and {path.name}")
        by_name[name] = path
    found, missing = {}, []
    for pair in pairs:
        picture = by_name.get(_comparable(pair.name))
        if picture is None and or_target:
            picture = by_name.get(_comparable(pair.target.stem))
        if picture is None:
            missing.append(pair.input)
        else:
            found[pair.input] = picture
    if missing:
        names = ", ".join(path.name for path in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise PairingError(
            f"{folder}: no {what} for {len(missing)} of the inputs: {names}{more}", tuple(missing)
        )
    return found


def _comparable(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
