"""Small pictures of what a recipe trains on: pairs as they are, clean photos as the registered degradation spoils them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.cv import cv2
from core.data.degrade import DEGRADATIONS, DegradationError, RegisteredDegradation
from core.data.sampling import PhotoPool
from core.data.source import DataSource
from core.images import io as image_io
from core.training.recipe import TrainRecipe

_LONGEST_PX = (
    1600  # of a photo that crops are taken from: a whole camera picture would show a wall, and take seconds
)


def registered(task: str) -> RegisteredDegradation:
    """The degradation that ``task`` undoes. Raises DegradationError where none is known."""
    if task not in DEGRADATIONS:
        raise DegradationError(
            f"task {task!r}: nothing is known that makes its damage; known are {', '.join(DEGRADATIONS)}"
        )
    return DEGRADATIONS[task]


def samples_for_preview(
    task: str,
    parameters: Mapping[str, Any],
    photos: Sequence[Path | np.ndarray],
    seed: int,
    count: int,
    edge_px: int,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """What training by these parameters would show: ``count`` crops, clean and degraded.

    The same seed gives the same crops and the same dice, so that moving one parameter changes what it stands for
    and no more. Nothing is left clean, whatever ``untouched`` says. Photos are read once and kept for the next call.

    Args:
        task: ``"derain"``, ``"deshadow"``, ...
        parameters: as in a recipe's ``[degradation]``; what is not named keeps its default.
        photos: paths or (H, W, 3) uint8, taken in turns.
        edge_px: longest edge of a crop; photos that are smaller give smaller ones. At least 16.

    Returns:
        Pairs (clean, degraded) of (h, w, 3) uint8; clean is what the network is to make of the other. Empty
        without photos.

    Raises:
        DegradationError: a parameter is unknown or out of range, or the task has no degradation.
        ImageError: a photo cannot be read.
    """
    if edge_px < 16:
        raise ValueError(f"edge_px {edge_px}: need at least 16")
    make = registered(task)
    params = make.always(make.params(parameters))
    degrade, degrade_pair = make.bind(params), make.bind_pair(params)
    found = []
    for index in range(count if photos else 0):
        rng = np.random.default_rng([seed, index])
        picture = photos[index % len(photos)]
        if not isinstance(picture, np.ndarray):
            path = Path(picture)
            picture = _photo(path, _version(path))
        clean = _crop(picture, edge_px, rng)
        unit = clean.astype(np.float32) / 255
        if degrade_pair is None:
            found.append((clean, _to_8bit(degrade(unit, rng))))
        else:
            degraded, truth = degrade_pair(unit, rng, 0)
            found.append((_to_8bit(truth), _to_8bit(degraded)))
    return found


def samples_of_source(
    task: str,
    source: DataSource,
    train: Sequence[str],
    data: tuple[Path, ...],
    seed: int,
    count: int,
    edge_px: int,
    leave_out: Sequence[str] = (),
) -> list[tuple[np.ndarray, np.ndarray]]:
    """What training would show of one source of a mixture: ``count`` samples of its own, clean and degraded.

    They are drawn as training draws them, turned, mirrored, reduced and made noisy alike, with nothing left clean; the
    same seed gives the same places and dice. Very large photos are reduced first.

    Args:
        train: the recipe's training folders, where the source names none.
        data: what DATA stands for.
        edge_px: edge of a sample, a multiple of 8 from 16.
        leave_out: as in the recipe.

    Returns:
        Pairs (clean, degraded) of (edge_px, edge_px, 3) uint8.

    Raises:
        RecipeError: a folder does not exist or holds nothing usable, or something is missing or wrong.
        PairingError, DegradationError, ImageError: as :func:`core.training.data.read_data`.
    """
    from core.training.data import read_source  # brings torch along

    recipe = TrainRecipe(
        task=task, kind="sources", train=tuple(train), leave_out=tuple(leave_out), seed=seed, patch_px=edge_px,
        crops_per_photo=1, guidance_share=0.0, sources=(source, _TO_SCORE_ON),
    )  # fmt: skip
    drawn = read_source(recipe, 1, data, _LookedAt)
    return [
        (_to_8bit(clean), _to_8bit(degraded))
        for degraded, clean, _ in (drawn.sample(index) for index in range(count))
    ]


_TO_SCORE_ON = DataSource(
    "clean"
)  # a recipe of pairs alone has to hold scenes out, which are of no interest here


class _LookedAt(PhotoPool):
    """Photos that are large are reduced; those read last are kept for the next look."""

    def __getitem__(self, index: int) -> np.ndarray:
        path = self.paths[index]
        return _photo(path, _version(path))


def reduced(picture: np.ndarray, edge_px: int) -> np.ndarray:
    """(h, w, 3) uint8, no edge longer than ``edge_px``, never enlarged."""
    scale = edge_px / max(picture.shape[:2])
    if scale >= 1:
        return picture
    height, width = (max(1, round(n * scale)) for n in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))


def degraded_thumbnail(
    make: RegisteredDegradation, params: Any, picture: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """All of a reduced photo (h, w, 3) uint8 degraded, to be seen as a thumbnail."""
    return _to_8bit(make.bind(make.always(params))(picture.astype(np.float32) / 255, rng))


def _version(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # reading says what is wrong
        return 0


@lru_cache(maxsize=24)
def _photo(path: Path, _version: int) -> np.ndarray:
    return image_io.thumbnail(path, _LONGEST_PX)


def _crop(picture: np.ndarray, edge_px: int, rng: np.random.Generator) -> np.ndarray:
    height, width = (min(edge_px, n) for n in picture.shape[:2])
    top = int(rng.integers(0, picture.shape[0] - height + 1))
    left = int(rng.integers(0, picture.shape[1] - width + 1))
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


def _to_8bit(picture: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
