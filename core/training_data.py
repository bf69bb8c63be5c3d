"""What a recipe trains and validates on, read from its folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import catalog, image_io
from core.dataset import Pair, find_pairs
from core.degrade import DEGRADATIONS
from core.metrics import SSIM_MIN_PX
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
        RecipeError: a folder does not exist or holds nothing usable, a photo stands in training and in
            validation or is too small to validate on, the two sides of a pair differ in size.
        PairingError: a folder's pictures could not be paired.
        DegradationError: a parameter of the degradation is unknown or out of range.
        ImageError: a photo to validate on, or the header of a pair's, could not be read.
    """
    if recipe.kind == "clean":
        make = DEGRADATIONS[recipe.task]
        params = make.params(recipe.degradation)
        truths = _photos(recipe.train, data)
        held_out = _photos(recipe.validation, data)
        _refuse_common(truths, held_out)
        source = SampleSource(
            PhotoPool(truths), None, make.bind(params), recipe.patch_px, recipe.seed, recipe.crops_per_photo
        )
        examples = _synthetic_examples(recipe, held_out)
    else:
        pairs, apart = _pairs(recipe.train, data), _pairs(recipe.validation, data)
        truths = [pair.target for pair in pairs]
        _refuse_common(truths, [pair.target for pair in apart])
        inputs = PhotoPool([pair.input for pair in pairs])
        source = SampleSource(
            PhotoPool(truths), inputs, None, recipe.patch_px, recipe.seed, recipe.crops_per_photo
        )
        examples = [
            Example(pair.name, *(_centre(_eight_bit(path), recipe.validate_crop_px) for path in (pair.input, pair.target)))
            for pair in apart
        ]  # fmt: skip
    for example in examples:
        if min(example.truth.shape[:2]) < SSIM_MIN_PX:
            height, width = example.truth.shape[:2]
            raise RecipeError(f"{example.name}: {width}x{height} px are too few to validate on")
    return source, examples, len(truths)


def _refuse_common(train: list[Path], validation: list[Path]) -> None:
    seen = {path.resolve() for path in train}
    if both := [path.name for path in validation if path.resolve() in seen]:
        raise RecipeError(f"{', '.join(both[:3])}: stands in training and in validation")


def _pairs(folders: tuple[str, ...], data: tuple[Path, ...]) -> list[Pair]:
    """Pairs of equal size: a crop at the same place of both would else show two different things."""
    if bundled := [folder for folder in folders if folder in BUNDLED]:
        raise RecipeError(f"{bundled[0]}: holds clean photos, no pairs")
    found = [pair for folder in resolve_folders(folders, data) for pair in find_pairs(folder).pairs]
    for pair in found:
        one, other = (image_io.read_info(path) for path in (pair.input, pair.target))
        if (one.width, one.height) != (other.width, other.height):
            raise RecipeError(
                f"{pair.input}: {one.width}x{one.height} px, its target {other.width}x{other.height} px"
            )
    return found


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
