"""What a folder that somebody chose is: pairs in a known layout, clean photos, or neither; and what a recipe says of it.

As in :mod:`core.data.dataset`, only names are read, no pixels.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data.dataset import (
    INPUT_FOLDERS,
    ROLE_WORDS,
    PairingError,
    candidates,
    find_pairs,
    folders_in,
    is_held_out,
    refuse,
    scene_of,
    words_in,
)
from core.data.source import BUNDLED
from core.images.io import PassedOver, UnreadableFile, find_images, passed_over_line

_VALIDATION_NAMES = frozenset({"val", "valid", "validation", "test", "testing", "eval", "dev"})
_SHARES = (0.1, 0.2, 0.3, 0.5)
_SCENE_FOLDERS = 6  # so many sets are scenes rather than collections, and a scene is not divided
_SETS_AT_MOST = 2000  # folders looked into below the one given
_SHOWN_NAMES = 3


@dataclass(frozen=True, slots=True)
class LayoutFound:
    """What a folder holds, and what a recipe would say about it.

    ``suggestion`` maps fields of :class:`core.training.recipe.TrainRecipe` to values, so that ``replace(recipe, **it)`` trains
    on this folder; empty for kind "empty". Fields that it does not name stay as they are. ``notes`` are sentences.
    """

    kind: str  # "pairs" | "clean" | "empty"
    layout: str  # "rain/norain", "photos"; of several sets that of the first
    pairs: int
    photos: int  # clean ones
    suggestion: Mapping[str, object]
    unpaired: int = 0  # pictures that have no partner
    masks: int = 0  # pairs with a mask of their own
    notes: tuple[str, ...] = ()


def recognise(folder: Path) -> LayoutFound:
    """What a folder that somebody chose is: pairs in a known layout, clean photos, or neither.

    Looks at names only, two levels deep: one data set, several (``train`` and ``test``, one folder for each scene),
    or one side of a set, which stands for the set. Never raises for what the folder holds: that is said in
    ``notes``.
    """
    folder = Path(folder)
    try:
        return _recognise(folder)
    except (PairingError, UnreadableFile) as error:
        return LayoutFound("empty", "", 0, 0, {}, notes=(f"{error}.",))


def _recognise(folder: Path) -> LayoutFound:
    if not folder.is_dir():
        raise PairingError(f"{folder} is not a folder" if folder.exists() else f"{folder} does not exist")
    children = folders_in(folder)
    if candidates(children):
        return _pairs_found([folder], [], ())
    passed_over: list[PassedOver] = []
    photos = list(find_images(folder, False, refuse, passed_over.append))
    notes = (passed_over_line(passed_over),) if passed_over else ()
    if photos:
        if folder.name.casefold() in INPUT_FOLDERS and _is_side(folder):
            return _pairs_found(
                [folder.parent], [], (*notes, f"{folder.name} is one side of pairs; both are taken.")
            )
        if looks_like_pairs(photos):
            notes = (
                *notes,
                "The names look as if both sides of pairs lay in one folder; put them into two, input and target.",
            )
        if below := [child.name for child in children if any(find_images(child, False, lambda _error: None))]:
            shown = ", ".join(below[:_SHOWN_NAMES]) + (" and more" if len(below) > _SHOWN_NAMES else "")
            notes = (*notes, f"Photos in folders below are not taken ({shown}); add those folders, too.")
        return _photos_found([folder], [], len(photos), notes)
    train, apart = _sets_below(children, lambda below: bool(candidates(folders_in(below))))
    if train or apart:
        return _pairs_found(train, apart, notes)
    train, apart = _sets_below(children, lambda below: any(find_images(below, False, refuse)))
    if train or apart:
        count = sum(len(list(find_images(below, False, refuse))) for below in train or apart)
        return _photos_found(train, apart, count, notes)
    return LayoutFound("empty", "", 0, 0, {}, notes=notes or (f"{folder}: no photos in it.",))


def _is_side(folder: Path) -> bool:
    """Whether the folder is the degraded side of a set that can be paired without rest."""
    try:
        pairing = find_pairs(folder.parent)
    except (PairingError, UnreadableFile):
        return False
    return pairing.layout.split("/")[0] == folder.name


def looks_like_pairs(photos: Sequence[Path]) -> bool:
    """Whether most names come twice but for the words that name a side: 1_input.png and 1_gt.png."""
    stems = [unicodedata.normalize("NFC", path.stem).casefold() for path in photos]
    bare = Counter(tuple(word for word in words_in(stem) if word not in ROLE_WORDS) for stem in stems)
    twice = sum(count for key, count in bare.items() if key and count == 2)
    return len(photos) > 1 and len(set(stems)) == len(stems) and twice > 0.8 * len(photos)


def _sets_below(children: Sequence[Path], is_set: Callable[[Path], bool]) -> tuple[list[Path], list[Path]]:
    """Sets one or two levels below, those named for training and those named for validation or testing."""
    train: list[Path] = []
    apart: list[Path] = []
    looked = 0
    for child in children:
        try:
            below = [child] if is_set(child) else [inner for inner in folders_in(child) if is_set(inner)]
        except UnreadableFile:  # what else there is can be used
            continue
        words = set(words_in(child.name.casefold()))
        for found in below:
            (apart if (words | set(words_in(found.name.casefold()))) & _VALIDATION_NAMES else train).append(
                found
            )
        looked += 1 + len(below)
        if looked > _SETS_AT_MOST:
            break
    return train, apart


def _pairs_found(train: list[Path], apart: list[Path], notes: tuple[str, ...]) -> LayoutFound:
    if not train:
        train, apart = apart, []
    found = {path: find_pairs(path, strict=False) for path in (*train, *apart)}
    names = [pair.name for path in train for pair in found[path].pairs]
    suggestion: dict[str, object] = {"kind": "pairs", "pairs": (), "train": _texts(train), "hold_out": 0.0}
    if apart:
        suggestion["validation"] = _texts(apart)
    elif len(train) >= _SCENE_FOLDERS:
        last = round(_SHARES[0] * len(train)) or 1
        suggestion |= {"train": _texts(train[:-last]), "validation": _texts(train[-last:])}
    else:
        suggestion["validation"] = _texts(train)
        share = _share_to_hold_out(names)
        if share is None and names:
            notes = (
                *notes,
                "No scene can be held out for validation; name a second folder of pairs for that.",
            )
        suggestion["hold_out"] = share or 0.0
    first = found[train[0]]
    return LayoutFound(
        kind="pairs" if names else "empty",
        layout=first.layout,
        pairs=sum(len(pairing.pairs) for pairing in found.values()),
        photos=0,
        suggestion=suggestion if names else {},
        unpaired=sum(len(pairing.unpaired) for pairing in found.values()),
        masks=sum(pair.mask is not None for pairing in found.values() for pair in pairing.pairs),
        notes=notes if names else (*notes, f"{train[0]}: no two pictures in {first.layout} belong together."),
    )


def _share_to_hold_out(names: Sequence[str]) -> float | None:
    """The smallest share that leaves scenes on both sides; None when there is none."""
    scenes = {scene_of(name) for name in names}
    for share in _SHARES:
        held = sum(is_held_out(scene, share) for scene in scenes)
        if 0 < held < len(scenes):
            return share
    return None


def _photos_found(train: list[Path], apart: list[Path], count: int, notes: tuple[str, ...]) -> LayoutFound:
    if not train:
        train, apart = apart, []
    if named := [path.name for path in train if path.name.casefold() in INPUT_FOLDERS]:
        notes = (
            *notes,
            f"{', '.join(named)}: named as if it held damaged photos; clean ones are needed here.",
        )
    suggestion: dict[str, object] = {"kind": "clean", "pairs": (), "train": _texts(train), "hold_out": 0.0}
    if apart:
        suggestion["validation"] = _texts(apart)
    else:
        suggestion["validation"] = tuple(name for name, kept_apart in BUNDLED.items() if kept_apart)
        notes = (*notes, "The photos that ship are validated on, unless another folder is named for that.")
    return LayoutFound("clean", "photos", 0, count, suggestion, notes=notes)


def _texts(folders: Sequence[Path]) -> tuple[str, ...]:
    return tuple(str(path) for path in folders)
