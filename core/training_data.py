"""What a recipe trains and validates on, read from its folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import catalog, image_io
from core.dataset import find_pairs
from core.degrade import DEGRADATIONS
from core.network import STRIDE_PX
from core.recipe import BUNDLED, RecipeError, TrainRecipe, resolve_folders
from core.sampling import PhotoPool, SampleSource


@dataclass(frozen=True, slots=True)
class Example:
    """A photo to validate on, both sides (H, W, 3) uint8 with edges that are multiples of the stride."""

    name: str
    degraded: np.ndarray
    truth: np.ndarray


def read_data(recipe: TrainRecipe, data: tuple[Path, ...]) -> tuple[SampleSource, list[Example], int]:
    """Training samples, validation examples and the number of training photos.

    Raises:
        RecipeError: a folder does not exist, holds nothing usable, or stands in training and validation.
    """
    if recipe.kind == "clean":
        make = DEGRADATIONS[recipe.task]
        params = make.params(recipe.degradation)
        truths = _photos(recipe.train, data)
        held_out = _photos(recipe.validation, data)
        seen = {path.resolve() for path in truths}
        if both := [path.name for path in held_out if path.resolve() in seen]:
            raise RecipeError(f"{', '.join(both[:3])}: stands in training and in validation")
        source = SampleSource(PhotoPool(truths), None, make.bind(params), recipe.patch_px, recipe.seed)
        return source, _synthetic_examples(recipe, held_out), len(truths)
    folders, apart = resolve_folders(recipe.train, data), resolve_folders(recipe.validation, data)
    pairs = [pair for folder in folders for pair in find_pairs(folder).pairs]
    source = SampleSource(
        PhotoPool([pair.target for pair in pairs]), PhotoPool([pair.input for pair in pairs]), None, recipe.patch_px, recipe.seed
    )  # fmt: skip
    examples = []
    for pair in (pair for folder in apart for pair in find_pairs(folder).pairs):
        degraded, truth = (
            _centre(_eight_bit(path), recipe.validate_crop_px) for path in (pair.input, pair.target)
        )
        examples.append(Example(pair.name, degraded, truth))
    return source, examples, len(pairs)


def _synthetic_examples(recipe: TrainRecipe, photos: list[Path]) -> list[Example]:
    make = DEGRADATIONS[recipe.task]
    degrade = make.bind(make.always(make.params(recipe.degradation)))
    examples = []
    for index, path in enumerate(photos):
        truth = _centre(_eight_bit(path), recipe.validate_crop_px)
        rng = np.random.default_rng([recipe.validate_seed, index])
        degraded = np.rint(degrade(truth.astype(np.float32) / 255, rng) * 255).astype(np.uint8)
        examples.append(Example(path.name, degraded, truth))
    return examples


def _photos(folders: tuple[str, ...], data: tuple[Path, ...]) -> list[Path]:
    found: list[Path] = []
    for folder in folders:
        if folder in BUNDLED:
            found += catalog.sample_photos(BUNDLED[folder])
            continue
        (path,) = resolve_folders((folder,), data)
        photos = list(image_io.find_images(path, recursive=False))
        if not photos:
            raise RecipeError(f"{path}: no photos in it")
        found += photos
    return found


def _eight_bit(path: Path) -> np.ndarray:
    return PhotoPool([path], budget_bytes=0)[0]


def _centre(picture: np.ndarray, edge_px: int) -> np.ndarray:
    """Centre crop of at most ``edge_px``, edges multiples of the stride; smaller ones mirrored up to it."""
    height, width = (max(STRIDE_PX, min(n, edge_px) // STRIDE_PX * STRIDE_PX) for n in picture.shape[:2])
    top, left = max(0, (picture.shape[0] - height) // 2), max(0, (picture.shape[1] - width) // 2)
    crop = picture[top : top + height, left : left + width]
    pad = ((0, height - crop.shape[0]), (0, width - crop.shape[1]), (0, 0))
    return np.ascontiguousarray(np.pad(crop, pad, mode="symmetric"))
