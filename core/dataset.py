"""Folders of photos: which layout they have and which two pictures belong together.

One rule has to explain a whole folder, and what it cannot pair is named; nothing is dropped silently.
Only file names are read here, no pixels.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.image_io import PassedOver, UnreadableFile, find_images

# fmt: off
INPUT_FOLDERS = frozenset({
    "input", "inputs", "in", "lq", "lr", "degraded", "rain", "rainy", "rainy_image", "blur", "blurry",
    "blurred", "shadow", "shadowed", "noisy", "hazy", "haze",
})
TARGET_FOLDERS = frozenset({
    "target", "targets", "out", "gt", "gts", "hq", "hr", "groundtruth", "ground_truth", "truth", "reference",
    "norain", "no_rain", "clean", "clear", "sharp", "shadow_free", "shadowfree", "shadow-free", "noshadow",
    "no_shadow", "free",
})
_ROLE_WORDS = frozenset({
    "input", "in", "lq", "lr", "degraded", "rain", "rainy", "blur", "blurry", "blurred", "shadow", "shadowed",
    "noisy", "hazy", "haze", "target", "out", "gt", "hq", "hr", "groundtruth", "ground", "truth", "reference",
    "norain", "no", "clean", "clear", "sharp", "free", "shadowfree", "noshadow", "image", "img",
})
# fmt: on
"""Folder names of the published sets, and the words in file names that say which side a picture is on;
all in lower case. ``*_A`` with ``*_C`` (ISTD, whose ``*_B`` holds masks) come on top."""

_NAMED_IN_ERROR = 8


class PairingError(ValueError):
    """The folder has no known layout, or pictures in it have no partner: ``unpaired`` names them all."""

    def __init__(self, message: str, unpaired: Sequence[Path] = ()) -> None:
        super().__init__(message)
        self.unpaired = tuple(unpaired)


@dataclass(frozen=True, slots=True)
class Pair:
    input: Path
    target: Path
    name: str  # the input's path below its folder, without extension: unique within a pairing


@dataclass(frozen=True, slots=True)
class Pairing:
    """Every picture of the folder is in ``pairs`` or in ``unpaired``."""

    pairs: tuple[Pair, ...]  # in the inputs' natural order
    unpaired: tuple[Path, ...]
    layout: str = ""  # "rain/norain"
    rule: str = ""  # how names were matched, in words


def find_pairs(
    folder: Path, strict: bool = True, on_passed_over: Callable[[PassedOver], None] | None = None
) -> Pairing:
    """Pair the pictures of a data set's folder by name, whatever their extensions and case.

    Raises :class:`PairingError` when no known layout is found and, if ``strict``, when any picture is left
    without a partner. ``strict=False`` returns what is left in ``Pairing.unpaired`` instead. Raises
    UnreadableFile when a folder cannot be listed. ``on_passed_over`` is told of pictures that cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PairingError(f"{folder} is not a folder" if folder.exists() else f"{folder} does not exist")
    inputs_dir, targets_dir = _layout(folder)
    inputs, targets = _Side(inputs_dir, on_passed_over), _Side(targets_dir, on_passed_over)
    for side, other in ((inputs, targets), (targets, inputs)):
        if not side.paths:
            raise PairingError(f"{side.root}: no pictures in it", other.paths)
    pairing = _match(inputs, targets, f"{inputs_dir.name}/{targets_dir.name}")
    if strict and pairing.unpaired:
        raise PairingError(_unpaired_message(folder, pairing), pairing.unpaired)
    return pairing


# --- which folder is which -----------------------------------------------------------------------


def _layout(folder: Path) -> tuple[Path, Path]:
    children = _folders(folder)
    found = _candidates(children)
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"{a.name}/{b.name}" for a, b in found)
        raise PairingError(f"{folder}: more than one layout in it ({names}); name the folder that holds one")
    deeper = [child.name for child in children if _candidates(_folders(child))]
    hint = f"; it holds data sets of its own, choose one: {', '.join(deeper)}" if deeper else ""
    present = ", ".join(child.name for child in children) or "no folders"
    raise PairingError(
        f"{folder}: no pairs found; expected two folders such as input/target, rain/norain, rainy/gt, "
        f"blur/sharp or NAME_A/NAME_C, found {present}{hint}"
    )


def _folders(folder: Path) -> list[Path]:
    try:
        return [
            child for child in sorted(folder.iterdir()) if child.is_dir() and not child.name.startswith(".")
        ]
    except OSError as error:
        raise UnreadableFile(folder, error.strerror or str(error), error.errno) from error


def _candidates(children: Sequence[Path]) -> list[tuple[Path, Path]]:
    inputs = [child for child in children if child.name.casefold() in INPUT_FOLDERS]
    targets = [child for child in children if child.name.casefold() in TARGET_FOLDERS]
    found = [(a, b) for a in inputs for b in targets]
    by_name = {child.name.casefold(): child for child in children}
    for name, child in by_name.items():
        if name == "a" or name.endswith("_a"):
            truth = by_name.get(name[:-1] + "c")
            if truth is not None:
                found.append((child, truth))
    return found


# --- which picture is whose ----------------------------------------------------------------------

_Name = tuple[str, ...]
"""Folders below the side's own and the stem, comparable: case folded, composed Unicode."""
_Key = tuple[object, ...]


class _Side:
    """The pictures of one of the two folders, with their names."""

    def __init__(self, root: Path, on_passed_over: Callable[[PassedOver], None] | None = None) -> None:
        self.root = root
        self.paths = list(find_images(root, True, _refuse, on_passed_over))
        self.names: list[_Name] = [
            tuple(unicodedata.normalize("NFC", part).casefold() for part in self._stem(path).parts)
            for path in self.paths
        ]

    def _stem(self, path: Path) -> Path:
        return path.relative_to(self.root).with_suffix("")

    def pair(self, path: Path, truth: Path) -> Pair:
        return Pair(path, truth, self._stem(path).as_posix())


def _refuse(problem: UnreadableFile) -> None:
    """A folder that cannot be listed may hold pictures, and nothing is dropped silently."""
    raise problem


def _match(inputs: _Side, targets: _Side, layout: str) -> Pairing:
    """The first rule that pairs everything; otherwise the one that leaves the fewest."""
    best: Pairing | None = None
    for rule, key_of in _RULES:
        pairing = _by_key(inputs, key_of(inputs.names), targets, key_of(targets.names))
        pairing = replace(pairing, layout=layout, rule=rule)
        if not pairing.unpaired:
            return pairing
        if best is None or len(pairing.unpaired) < len(best.unpaired):
            best = pairing
    assert best is not None
    versions = None if best.pairs else _versions(inputs, targets)
    return replace(versions, layout=layout) if versions else best


def _by_key(inputs: _Side, input_keys: list[_Key], targets: _Side, target_keys: list[_Key]) -> Pairing:
    # a key that two pictures of one side share says nothing about either, and neither does an empty one
    seen_in, seen_out = Counter(input_keys), Counter(target_keys)
    target_of = dict(zip(target_keys, targets.paths, strict=True))
    pairs, unpaired = [], []
    for key, path in zip(input_keys, inputs.paths, strict=True):
        if key and seen_in[key] == 1 and seen_out[key] == 1:
            pairs.append(inputs.pair(path, target_of[key]))
        else:
            unpaired.append(path)
    taken = {pair.target for pair in pairs}
    unpaired.extend(path for path in targets.paths if path not in taken)
    return Pairing(tuple(pairs), tuple(unpaired))


def _versions(inputs: _Side, targets: _Side) -> Pairing | None:
    """Several degraded versions of one truth, numbered after its name: ``901_1`` to ``901_14`` for ``901``.

    None unless this explains every picture of both folders.
    """
    target_of = dict(zip(targets.names, targets.paths, strict=True))
    pairs = []
    for name, path in zip(inputs.names, inputs.paths, strict=True):
        base = re.fullmatch(r"(.+?)[-_ ]\d+", name[-1])
        truth = target_of.get((*name[:-1], base[1])) if base else None
        if truth is None:
            return None
        pairs.append(inputs.pair(path, truth))
    if len({pair.target for pair in pairs}) != len(targets.paths):
        return None
    return Pairing(tuple(pairs), (), rule="several inputs for each target, numbered after its name")


def _words(stem: str) -> list[str]:
    """Runs of letters and runs of digits; numbers without leading zeros: rain-001x2 is rain, 1, x, 2."""
    words = [str(int(run)) if run.isdecimal() else run for run in re.findall(r"\d+|[^\W\d_]+", stem)]
    return words or [stem]  # a name of signs only is its own word


def _without_roles(name: _Name) -> list[str]:
    return [word for word in _words(name[-1]) if word not in _ROLE_WORDS]


def _same_name(names: Sequence[_Name]) -> list[_Key]:
    return list(names)


def _side_words_dropped(names: Sequence[_Name]) -> list[_Key]:
    """rain-001 and norain-001, 12_input and 12_gt; also input and gt, of which nothing is left."""
    return [(*name[:-1], tuple(_without_roles(name))) for name in names]


def _common_affixes_dropped(names: Sequence[_Name]) -> list[_Key]:
    """What is left of the words after those that all pictures of one side begin and end with."""
    stems = [_without_roles(name) for name in names]
    head = _common_start(stems)
    rests = [stem[head:] for stem in stems]
    tail = _common_start([rest[::-1] for rest in rests])
    rests = [rest[: len(rest) - tail] for rest in rests]
    return [(*name[:-1], tuple(rest)) if rest else () for name, rest in zip(names, rests, strict=True)]


def _common_start(stems: Sequence[Sequence[str]]) -> int:
    """How many words all begin with; 0 for a single one, which has nothing to be told apart from."""
    if len(stems) < 2:
        return 0
    count = 0
    for words in zip(*stems, strict=False):
        if len(set(words)) > 1:
            break
        count += 1
    return count


_RULES: tuple[tuple[str, Callable[[Sequence[_Name]], list[_Key]]], ...] = (
    ("the same name", _same_name),
    ("the same name but for the words that name the side", _side_words_dropped),
    ("the same name but for what all names of a side begin or end with", _common_affixes_dropped),
)


def _unpaired_message(folder: Path, pairing: Pairing) -> str:
    names = [path.relative_to(folder).as_posix() for path in pairing.unpaired]
    more = f" and {len(names) - _NAMED_IN_ERROR} more" if len(names) > _NAMED_IN_ERROR else ""
    return (
        f"{folder}: {len(names)} pictures in {pairing.layout} have no partner "
        f"({len(pairing.pairs)} pairs found): {', '.join(names[:_NAMED_IN_ERROR])}{more}"
    )
