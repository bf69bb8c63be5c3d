"""Which files a recipe would train and validate on, found by their names alone, whatever is wrong with some of them.

:mod:`core.training.data` reads the same folders for training and refuses at the first fault; here the faults are
collected and the rest is gone on with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.data.dataset import Pairing, PairingError, find_pairs, is_held_out, scene_of
from core.data.left_out import LeftOut
from core.data.recognise import looks_like_pairs
from core.data.source import BUNDLED
from core.images.io import ImageError, PassedOver, find_images, passed_over_line
from core.model import catalog
from core.training.recipe import RecipeError, TrainRecipe
from core.training.recipe_folders import resolve_folders

ERROR, WARNING, NOTE = "error", "warning", "note"
_NAMED = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the data. ``text`` is one or two full sentences; ``paths`` are all files it is about.

    ``severity``: "error" is what training would stop at, or what would make its scores worthless; "warning" is
    probably not meant so; "note" is good to know. ``spare`` are files without which there were nothing to say;
    ``leave_out`` names what belongs to them as a recipe would. Of kind "left_out" it is what is left out already.
    """

    kind: str
    severity: str
    text: str
    paths: tuple[Path, ...] = ()
    spare: tuple[Path, ...] = ()
    leave_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """What is looked at in one go: a clean photo (``input`` None) or a pair."""

    name: str
    target: Path
    input: Path | None
    mask: Path | None
    folder: str  # as the recipe names it
    validates: bool

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.input, self.target, self.mask) if path is not None)


@dataclass(slots=True)
class Gathered:
    units: list[Unit] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    layouts: list[str] = field(default_factory=list)
    leave_out: LeftOut = field(default_factory=lambda: LeftOut(()))
    # files that belong together and are left out -> the recipe's names that say so
    left: dict[tuple[Path, ...], tuple[str, ...]] = field(default_factory=dict)
    left_roles: Counter[tuple[bool, bool]] = field(default_factory=Counter)  # (validates, is a pair)

    def add(
        self, kind: str, severity: str, text: str, paths: Sequence[Path] = (), spare: Sequence[Path] = ()
    ) -> None:
        finding = Finding(kind, severity, text, tuple(paths), tuple(spare))
        if finding not in self.findings:  # a folder that stands in training and in validation
            self.findings.append(finding)

    def count(self, validates: bool, pairs: bool) -> int:
        return sum(unit.validates is validates and (unit.input is not None) is pairs for unit in self.units)


def gather(recipe: TrainRecipe, data: tuple[Path, ...]) -> Gathered:
    """Never raises for what is wrong with the folders: that is among the findings."""
    found = Gathered(leave_out=LeftOut(recipe.leave_out))
    if recipe.kind == "sources":
        _add_sources(found, recipe, data)
    elif recipe.kind == "clean":
        _add_photos(found, recipe.train, data, False)
        _add_photos(found, recipe.validation, data, True)
    else:
        train = recipe.pairs if recipe.kind == "mixed" else recipe.train
        _add_pairs(found, train, recipe.validation, recipe.hold_out, data)
        if recipe.kind == "mixed":
            _add_photos(found, recipe.train, data, False)
    _say_left_out(found, recipe)
    return found


def _add_sources(found: Gathered, recipe: TrainRecipe, data: tuple[Path, ...]) -> None:
    seen: set[str] = set()  # several sources may draw on the same photos
    for source in recipe.sources:
        if source.kind == "pairs":
            validation = source.folders if source.hold_out else ()
            _add_pairs(found, source.folders, validation, source.hold_out, data)
            continue
        photos = [folder for folder in source.folders or recipe.train if folder not in seen]
        seen.update(photos)
        _add_photos(found, photos, data, False)
        if source.layers and (path := _resolved(found, source.layers, data)) is not None:
            _listed(found, source.layers, path)
    _add_photos(found, recipe.validation, data, True)


def _say_left_out(found: Gathered, recipe: TrainRecipe) -> None:
    for (validates, paired), count in found.left_roles.items():
        if count and not found.count(validates, paired):
            found.add("empty", ERROR, f"All {count:,} {'pairs' if paired else 'photos'} to {'validate' if validates else 'train'}"
                      " on are left out.")  # fmt: skip
    if found.left:
        paths = [file for group in found.left for file in group]
        names = [group[0].stem for group in found.left]
        used = tuple(dict.fromkeys(name for names in found.left.values() for name in names))
        found.findings.append(
            Finding("left_out", NOTE, f"{len(names):,} left out: {names_of(names)}.", tuple(paths), (), used)
        )
    seen = {name for names in found.left.values() for name in names}
    if idle := [name for name in dict.fromkeys(recipe.leave_out) if name not in seen]:
        found.add("unmatched", NOTE, f"{len(idle):,} {'name' if len(idle) == 1 else 'names'} to leave out "
                  f"{'is' if len(idle) == 1 else 'are'} in none of the folders: {names_of(idle)}.")  # fmt: skip


def names_of(paths: Sequence[Path | str]) -> str:
    """ "a.png, b.png and 3 more"."""
    names = [path if isinstance(path, str) else path.name for path in paths[:_NAMED]]
    more = len(paths) - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")


# --- clean photos --------------------------------------------------------------------------------


def _add_photos(found: Gathered, folders: Sequence[str], data: tuple[Path, ...], validates: bool) -> None:
    for folder in folders:
        if folder in BUNDLED:
            photos = list(catalog.sample_photos(BUNDLED[folder]))
        else:
            path = _resolved(found, folder, data)
            if path is None:
                continue
            photos = _listed(found, folder, path)
        for photo in photos:
            if names := found.leave_out.matching((photo,)):
                found.left[photo,] = names
                found.left_roles[validates, False] += 1
            else:
                found.units.append(Unit(photo.stem, photo, None, None, folder, validates))
        found.layouts.append("photos")


def _listed(found: Gathered, folder: str, path: Path) -> list[Path]:
    passed_over: list[PassedOver] = []
    try:
        photos = list(find_images(path, False, on_passed_over=passed_over.append))
    except ImageError as error:
        found.add("folder", ERROR, f"{folder}: cannot be looked into ({error.reason}).", [path])
        return []
    if passed_over:
        found.add("passed_over", NOTE, passed_over_line(passed_over), [item.path for item in passed_over])
    if not photos:
        found.add("empty", ERROR, f"{folder}: no photos in it{_below(path)}.", [path])
    elif looks_like_pairs(photos):
        found.add("layout", WARNING, f"{folder}: the names look as if both sides of pairs lay in one folder "
                  f"({names_of(photos)}); all of them would be taken for clean photos.", [path])  # fmt: skip
    return photos


def _below(path: Path) -> str:
    """What may have been meant, for an empty folder."""
    try:
        holders = [
            child.name
            for child in sorted(path.iterdir())
            if child.is_dir() and any(find_images(child, False))
        ]
    except (OSError, ImageError):
        return ""
    return f"; there are some in {names_of(holders)}, which can be named" if holders else ""


def _resolved(found: Gathered, folder: str, data: tuple[Path, ...]) -> Path | None:
    try:
        (path,) = resolve_folders((folder,), data)
    except RecipeError as error:
        found.add("folder", ERROR, f"{error}.")
        return None
    return path


# --- pairs ---------------------------------------------------------------------------------------


def _add_pairs(
    found: Gathered, train: Sequence[str], validation: Sequence[str], hold_out: float, data: tuple[Path, ...]
) -> None:
    places: dict[str, Path] = {}
    for folder in dict.fromkeys((*train, *validation)):
        if folder in BUNDLED:
            found.add("layout", ERROR, f"{folder}: holds clean photos, no pairs; name a folder of pairs.")
        elif (path := _resolved(found, folder, data)) is not None:
            places[folder] = path
    trained = {places[folder].resolve() for folder in train if folder in places}
    validated = {places[folder].resolve() for folder in validation if folder in places}
    both = trained & validated if hold_out else set()
    pairs = {folder: _paired(found, folder, path) for folder, path in places.items()}
    for folders, validates in ((train, False), (validation, True)):
        for folder in folders:
            split = folder in places and places[folder].resolve() in both
            if (pairing := pairs.get(folder)) is None:
                continue
            for pair in pairing.pairs:
                if not split or is_held_out(scene_of(pair.name), hold_out) is validates:
                    found.units.append(Unit(pair.name, pair.target, pair.input, pair.mask, folder, validates))
            found.left_roles[validates, True] += sum(
                len(files) == 2 and (not split or is_held_out(scene_of(files[0].stem), hold_out) is validates)
                for files in pairing.left_out
            )
    kept, apart = found.count(False, True), found.count(True, True)
    some = any(pairing is not None and pairing.pairs for pairing in pairs.values())
    if both and some and not (kept and apart) and not any(found.left_roles.values()):
        found.add("scenes", ERROR, f"Holding out {hold_out:.0%} of the scenes leaves {kept} pairs to train on and "
                  f"{apart} to validate on; choose another share or a folder of its own for validation.")  # fmt: skip


def _paired(found: Gathered, folder: str, path: Path) -> Pairing | None:
    passed_over: list[PassedOver] = []
    try:
        pairing = find_pairs(path, strict=False, on_passed_over=passed_over.append, leave_out=found.leave_out)
    except PairingError as error:
        found.add("layout", ERROR, f"{error}.", error.unpaired or [path])
        return None
    except ImageError as error:
        found.add("folder", ERROR, f"{folder}: cannot be looked into ({error.reason}).", [error.path])
        return None
    if passed_over:
        found.add("passed_over", NOTE, passed_over_line(passed_over), [item.path for item in passed_over])
    found.layouts.append(pairing.layout)
    found.left |= {files: found.leave_out.matching(files) for files in pairing.left_out}
    if pairing.unpaired:
        one = len(pairing.unpaired) == 1
        found.add("unpaired", ERROR, f"{folder}: {len(pairing.unpaired):,} {'picture has' if one else 'pictures have'} no "
                  f"partner in {pairing.layout} ({len(pairing.pairs):,} pairs found): {names_of(pairing.unpaired)}.",
                  pairing.unpaired, pairing.unpaired if pairing.pairs else ())  # fmt: skip
    without = [pair.input for pair in pairing.pairs if pair.mask is None]
    if pairing.masks is not None and without:
        found.add("masks", NOTE, f"{folder}: {len(without):,} of {len(pairing.pairs):,} pairs have no mask in "
                  f"{pairing.masks.name}: {names_of(without)}; theirs is found in the pair.", without)  # fmt: skip
    return pairing
