"""What a recipe trains and validates on, read from its folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.data import guidance
from core.data.dataset import Pair, find_pairs, is_held_out, scene_of
from core.data.degrade import (
    DEGRADATIONS,
    MaskedDegradation,
    PairDegradation,
    RegisteredDegradation,
    blur_from,
)
from core.data.degrade.blur import Motion
from core.data.degrade.layers import rain_from
from core.data.left_out import LeftOut
from core.data.sampling import MaskPool, MixedSource, Mixture, PhotoPool, SampleSource, Source
from core.data.source import BUNDLED, DataSource
from core.images import io as image_io
from core.images.metrics import SSIM_MIN_PX
from core.model import catalog
from core.model.config import STRIDE_PX
from core.training.recipe import RecipeError, TrainRecipe
from core.training.recipe_folders import resolve_file, resolve_folders


@dataclass(frozen=True, slots=True)
class Example:
    """A photo to validate on, both sides (H, W, 3) uint8 with edges that are multiples of the stride."""

    name: str
    degraded: np.ndarray
    truth: np.ndarray
    mask: np.ndarray | None = (
        None  # (H, W) uint8, 255 where it is damaged; None where the network is trained without
    )
    group: str = ""  # the source of a mixture that it stands for


def clean_photos(recipe: TrainRecipe, data: tuple[Path, ...], leave_out: LeftOut) -> list[Path]:
    """Clean photos that a recipe trains on: its photos, and of pairs the undamaged side. Raises as :func:`read_data`."""
    if recipe.kind == "clean":
        return _photos(recipe.train, data, leave_out, "train")
    if recipe.kind in ("pairs", "mixed"):
        folders = recipe.pairs if recipe.kind == "mixed" else recipe.train
        pairs, _apart = _split_pairs(folders, recipe.validation, recipe.hold_out, data, leave_out)
        found = [pair.target for pair in pairs]
        return found + (_photos(recipe.train, data, leave_out, "train") if recipe.kind == "mixed" else [])
    photos: dict[Path, None] = {}
    for each in recipe.sources:
        if each.kind == "pairs":
            pairs, _apart = _split_pairs(
                each.folders, each.folders if each.hold_out else (), each.hold_out, data, leave_out
            )
            photos.update(dict.fromkeys(pair.target for pair in pairs))
        else:
            photos.update(dict.fromkeys(_photos(each.folders or recipe.train, data, leave_out, "train")))
    return list(photos)


def read_data(recipe: TrainRecipe, data: tuple[Path, ...]) -> tuple[Source, list[Example], int]:
    """Training samples, validation examples and the number of training photos.

    Raises:
        RecipeError: a folder does not exist or holds nothing usable, a photo stands in training and in
            validation or is too small to validate on, the two sides of a pair differ in size, holding scenes out
            leaves none on one side, or leaving photos out does.
        PairingError: a folder's pictures could not be paired.
        DegradationError: a parameter of the degradation is unknown or out of range.
        ImageError: a photo to validate on, or the header of a pair's, could not be read.
        MaskError: a mask to validate with is no grey picture of its photo's size.
    """
    leave_out = LeftOut(recipe.leave_out)
    source: Source
    if recipe.kind == "sources":
        source, examples, count = _mixture(recipe, data, leave_out)
    elif recipe.kind == "clean":
        photos = _photos(recipe.train, data, leave_out, "train")
        held_out = _photos(recipe.validation, data, leave_out, "validate")
        _refuse_common(photos, held_out)
        make = _degradation(recipe, data)
        source = _synthetic_source(recipe, photos, make)
        params = make.always(make.params(recipe.degradation))
        sure, sure_pair = make.bind_with_mask(params), make.bind_pair(params)
        with_mask = make.has_mask and recipe.guidance_share > 0
        examples, count = _synthetic_examples(recipe, held_out, sure, with_mask, sure_pair), len(photos)
    else:
        folders = recipe.pairs if recipe.kind == "mixed" else recipe.train
        pairs, apart = _split_pairs(folders, recipe.validation, recipe.hold_out, data, leave_out)
        _refuse_common([pair.target for pair in pairs], [pair.target for pair in apart])
        source, count = _paired_source(recipe, pairs), len(pairs)
        if recipe.kind == "mixed":
            photos = _photos(recipe.train, data, leave_out, "train")
            _refuse_common(photos, [pair.target for pair in apart])
            drawn = _synthetic_source(recipe, photos, _degradation(recipe, data))
            source = MixedSource(drawn, source, recipe.pairs_share)
            count += len(photos)
        examples = [_paired_example(recipe, pair) for pair in apart]
    for example in examples:
        if min(example.truth.shape[:2]) < SSIM_MIN_PX:
            height, width = example.truth.shape[:2]
            raise RecipeError(f"{example.name}: {width}x{height} px are too few to validate on")
    return source, examples, count


def _mixture(
    recipe: TrainRecipe, data: tuple[Path, ...], leave_out: LeftOut
) -> tuple[Source, list[Example], int]:
    """Every source with what it is validated on: photos of the recipe's validation folders, damaged as its own are,
    or its scenes held out."""
    held_out = _photos(recipe.validation, data, leave_out, "validate")
    sources: list[Source] = []
    examples: list[Example] = []
    files: set[Path] = set()
    kept: dict[tuple[Path, ...], PhotoPool] = {}  # sources that draw on the same photos read them once

    def pool(photos: Sequence[Path]) -> PhotoPool:
        return kept.setdefault(tuple(photos), PhotoPool(photos))

    for number, each in enumerate(recipe.sources, 1):
        group = f"{number} {each.kind}"
        if each.kind == "pairs":
            pairs, apart = _pairs_of(each, data, leave_out)
            _refuse_common([pair.target for pair in pairs], held_out)
            sources.append(_paired_source(recipe, pairs, each.camera_share, each.noise_share))
            examples += [replace(_paired_example(recipe, pair), group=group) for pair in apart]
            files.update(pair.target for pair in pairs)
            continue
        photos = _photos(each.folders or recipe.train, data, leave_out, "train")
        _refuse_common(photos, held_out)
        damage = _damage(recipe, each, data, pool)
        sources.append(_damaged_source(recipe, each, pool(photos), damage))
        examples += [
            replace(example, group=group)
            for example in _synthetic_examples(
                recipe, held_out, damage.sure, damage.has_mask and recipe.guidance_share > 0, damage.sure_pair
            )
        ]
        files.update(photos)
    shares = tuple(each.share for each in recipe.sources)
    return Mixture(tuple(sources), shares, recipe.seed), examples, len(files)


def read_source(
    recipe: TrainRecipe, number: int, data: tuple[Path, ...], pool: Callable[[Sequence[Path]], PhotoPool]
) -> SampleSource:
    """One source of a mixture by itself, to look at: its samples are those of training, with nothing left clean.

    Args:
        number: of the source, from 1.
        pool: opens photos.

    Raises what :func:`read_data` raises, for this source alone.
    """
    each, leave_out = recipe.sources[number - 1], LeftOut(recipe.leave_out)
    if each.kind == "pairs":
        pairs, _ = _pairs_of(each, data, leave_out)
        return _paired_source(recipe, pairs, each.camera_share, each.noise_share, pool)
    photos = _photos(each.folders or recipe.train, data, leave_out, "train")
    damage = _damage(recipe, each, data, pool)
    sure = replace(damage, degrade=damage.sure, pair=damage.sure_pair)
    return _damaged_source(recipe, each, pool(photos), sure)


def _pairs_of(
    source: DataSource, data: tuple[Path, ...], leave_out: LeftOut
) -> tuple[list[Pair], list[Pair]]:
    validation = source.folders if source.hold_out else ()
    return _split_pairs(source.folders, validation, source.hold_out, data, leave_out)


@dataclass(frozen=True, slots=True)
class _Damage:
    """What damages the photos of a source; ``sure`` the same with nothing left clean. ``pair`` where the truth is made
    with the damage."""

    degrade: MaskedDegradation
    sure: MaskedDegradation
    pair: PairDegradation | None = None
    sure_pair: PairDegradation | None = None
    has_mask: bool = False  # whether it tells where
    margin_px: int = 0


def _damage(
    recipe: TrainRecipe,
    source: DataSource,
    data: tuple[Path, ...],
    pool: Callable[[Sequence[Path]], PhotoPool],
) -> _Damage:
    if source.kind == "clean":
        return _Damage(_untouched, _untouched)
    if source.kind == "drawn":
        make = _degradation(recipe, data)
        params = make.params(source.degradation or recipe.degradation)
    else:
        make = rain_from(pool(_photos((source.layers,), data, LeftOut(()), "train")))
        params = make.params(source.degradation)
    always = make.always(params)
    return _Damage(
        make.bind_with_mask(params), make.bind_with_mask(always), make.bind_pair(params), make.bind_pair(always),
        make.has_mask, make.margin_px,
    )  # fmt: skip


def _damaged_source(
    recipe: TrainRecipe, source: DataSource, photos: PhotoPool, damage: _Damage
) -> SampleSource:
    return SampleSource(
        photos, None, damage.degrade, recipe.patch_px, recipe.seed, recipe.crops_per_photo,
        recipe.guidance_share if damage.has_mask else 0.0, camera_share=source.camera_share,
        sharp_share=source.sharp_share, noise_share=source.noise_share, soft_share=source.soft_share, degrade_pair=damage.pair,
        margin_px=damage.margin_px,
    )  # fmt: skip


def _untouched(clean: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return clean.copy(), np.zeros(clean.shape[:2], np.float32)


def _degradation(recipe: TrainRecipe, data: tuple[Path, ...]) -> RegisteredDegradation:
    """That of the recipe's task, with the movement it names. Raises RecipeError, MotionError, OSError."""
    if recipe.task not in DEGRADATIONS:
        raise RecipeError(
            f"the damage of {recipe.task} is made by {recipe.code}, which is run only when it is named on the command "
            f"line: memorynet train ... --code PATH/{recipe.code}"
        )
    return (
        blur_from(Motion.read(resolve_file(recipe.motion, data)))
        if recipe.motion
        else DEGRADATIONS[recipe.task]
    )


def _synthetic_source(recipe: TrainRecipe, photos: list[Path], make: RegisteredDegradation) -> SampleSource:
    params = make.params(recipe.degradation)
    return SampleSource(
        PhotoPool(photos), None, make.bind_with_mask(params), recipe.patch_px, recipe.seed,
        recipe.crops_per_photo, recipe.guidance_share if make.has_mask else 0.0, camera_share=recipe.camera_share,
        degrade_pair=make.bind_pair(params), margin_px=make.margin_px,
    )  # fmt: skip


def _paired_source(
    recipe: TrainRecipe,
    pairs: list[Pair],
    camera_share: float = 0.0,
    noise_share: float = 0.0,
    pool: Callable[[Sequence[Path]], PhotoPool] = PhotoPool,
) -> SampleSource:
    truths, inputs = pool([pair.target for pair in pairs]), pool([pair.input for pair in pairs])
    find = _mask_finder(recipe)
    masks = None if find is None else MaskPool(inputs, truths, find, files=[pair.mask for pair in pairs])
    return SampleSource(
        truths,
        inputs,
        None,
        recipe.patch_px,
        recipe.seed,
        recipe.crops_per_photo,
        recipe.guidance_share,
        masks,
        camera_share,
        noise_share,
    )


def _mask_finder(recipe: TrainRecipe) -> Callable[[np.ndarray, np.ndarray], np.ndarray] | None:
    """None for a task whose damage has no place, and for a person's own."""
    make = DEGRADATIONS.get(recipe.task)
    return None if make is None else make.find_mask


def _paired_example(recipe: TrainRecipe, pair: Pair) -> Example:
    degraded, truth = _eight_bit(pair.input), _eight_bit(pair.target)
    find, edge_px = _mask_finder(recipe), recipe.validate_crop_px
    mask = None
    if find is not None and recipe.guidance_share:
        if pair.mask is None:
            mask = find(degraded, truth)
        else:
            mask = guidance.read_mask(pair.mask)
            guidance.check_size(mask, truth.shape[1], truth.shape[0], pair.mask.name)
        mask = _centre(mask, edge_px)
    return Example(pair.name, _centre(degraded, edge_px), _centre(truth, edge_px), mask)


def _split_pairs(
    train: tuple[str, ...],
    validation: tuple[str, ...],
    hold_out: float,
    data: tuple[Path, ...],
    leave_out: LeftOut,
) -> tuple[list[Pair], list[Pair]]:
    """Pairs to train and to validate on. Folders that stand in both are split by scene, if ``hold_out`` says so."""
    if bundled := [folder for folder in (*train, *validation) if folder in BUNDLED]:
        raise RecipeError(f"{bundled[0]}: holds clean photos, no pairs")
    both = {path.resolve() for path in resolve_folders(train, data)} & {
        path.resolve() for path in resolve_folders(validation, data)
    }
    if not hold_out:
        both = set()
    kept, kept_left = _pairs(
        train, data, lambda folder, scene: folder not in both or not is_held_out(scene, hold_out), leave_out
    )
    apart, apart_left = _pairs(
        validation, data, lambda folder, scene: folder not in both or is_held_out(scene, hold_out), leave_out
    )
    for found, left, purpose in ((kept, kept_left, "train"), (apart, apart_left, "validate")):
        if left and not found:
            raise RecipeError(f"leave_out: leaves none of {_count(left, 'pair')} to {purpose} on")
    if not kept or (validation and not apart):
        raise RecipeError(
            f"hold_out {hold_out}: leaves {len(kept)} pairs to train on and {len(apart)} to validate on"
        )
    return kept, apart


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _refuse_common(train: list[Path], validation: list[Path]) -> None:
    seen = {path.resolve() for path in train}
    if both := [path.name for path in validation if path.resolve() in seen]:
        raise RecipeError(f"{', '.join(both[:3])}: stands in training and in validation")


def _pairs(
    folders: tuple[str, ...],
    data: tuple[Path, ...],
    wanted: Callable[[Path, str], bool],
    leave_out: LeftOut,
) -> tuple[list[Pair], int]:
    """Pairs of equal size (a crop at the same place of both would else show two different things), and how many
    of those wanted were left out."""
    found: list[Pair] = []
    left = 0
    for folder in resolve_folders(folders, data):
        pairing, place = find_pairs(folder, leave_out=leave_out), folder.resolve()
        found += [pair for pair in pairing.pairs if wanted(place, scene_of(pair.name))]
        left += sum(len(files) == 2 and wanted(place, scene_of(files[0].stem)) for files in pairing.left_out)
    for pair in found:
        one, other = (image_io.read_info(path) for path in (pair.input, pair.target))
        if (one.width, one.height) != (other.width, other.height):
            raise RecipeError(
                f"{pair.input}: {one.width}x{one.height} px, its target {other.width}x{other.height} px; both of a "
                "pair must be of one size"
            )
    return found, left


def _synthetic_examples(
    recipe: TrainRecipe,
    photos: list[Path],
    degrade: MaskedDegradation,
    with_mask: bool,
    degrade_pair: PairDegradation | None = None,
) -> list[Example]:
    """``with_mask``: with the mask of the damage. ``degrade_pair``: instead of ``degrade``, where the truth is made with it."""
    examples = []
    for index, path in enumerate(photos):
        truth = _centre(_eight_bit(path), recipe.validate_crop_px)
        rng = np.random.default_rng([recipe.validate_seed, index])
        clean, mask = truth.astype(np.float32) / 255, None
        if degrade_pair is not None:
            degraded, truth = (_levels(side) for side in degrade_pair(clean, rng, 0))
        else:
            degraded, mask = (_levels(part) for part in degrade(clean, rng))
        examples.append(Example(path.name, degraded, truth, mask if with_mask else None))
    return examples


def _levels(part: np.ndarray) -> np.ndarray:
    levels: np.ndarray = np.rint(part * 255).astype(np.uint8)
    return levels


def _photos(folders: tuple[str, ...], data: tuple[Path, ...], leave_out: LeftOut, purpose: str) -> list[Path]:
    """``purpose``: "train" or "validate", for the error."""
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
    kept = [photo for photo in found if not leave_out.matching((photo,))]
    if found and not kept:
        raise RecipeError(f"leave_out: leaves none of {_count(len(found), 'photo')} to {purpose} on")
    return kept


def _eight_bit(path: Path) -> np.ndarray:
    return PhotoPool([path], budget_bytes=0)[0]


def _centre(picture: np.ndarray, edge_px: int) -> np.ndarray:
    """Centre crop of at most ``edge_px``, edges multiples of the stride; smaller ones mirrored up to it."""
    height, width = (max(STRIDE_PX, min(n, edge_px) // STRIDE_PX * STRIDE_PX) for n in picture.shape[:2])
    top, left = max(0, (picture.shape[0] - height) // 2), max(0, (picture.shape[1] - width) // 2)
    crop = picture[top : top + height, left : left + width]
    pad = ((0, height - crop.shape[0]), (0, width - crop.shape[1]), (0, 0))[: crop.ndim]
    return np.ascontiguousarray(np.pad(crop, pad, mode="symmetric"))
