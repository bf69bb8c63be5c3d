"""Folders of photos: which layout they have and which two pictures belong together.

One rule has to explain a whole folder, and what it cannot pair is named; nothing is dropped silently.
Only file names are read here, no pixels.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from core.data.left_out import LeftOut
from core.images.io import PassedOver, UnreadableFile, find_images
from core.tasks import TASKS

INPUT_FOLDERS = frozenset({"input", "inputs", "in", "lq", "lr", "degraded", "noisy", "hazy", "haze"}).union(
    *(task.input_words for task in TASKS.values())
)
TARGET_FOLDERS = frozenset(
    {"target", "targets", "out", "gt", "gts", "hq", "hr", "groundtruth", "ground_truth", "truth", "reference"}
    | {"clean", "clear", "free"}
).union(*(task.target_words for task in TASKS.values()))
ROLE_WORDS = frozenset(word for word in INPUT_FOLDERS | TARGET_FOLDERS if word.isalpha()) - {
    "inputs",
    "targets",
    "gts",
} | {"ground", "no", "image", "img"}
"""Folder names of the published sets, and the words in file names that say which side a picture is on;
all in lower case. ``*_A`` with ``*_C`` (ISTD, whose ``*_B`` holds masks) come on top."""

MASK_FOLDERS = frozenset({"mask", "masks", "shadow_mask", "shadow_masks"})
_MASK_WORDS = ROLE_WORDS | {"mask", "masks"}

_NAMED_IN_ERROR = 8


_FEW = 10


def few_photos(count: int) -> str:
    """A sentence where ``count`` photos or pairs are too few to learn more than these; else nothing."""
    if not 0 < count < _FEW:
        return ""
    them = "1 photo to train on: expect it" if count == 1 else f"{count} photos to train on: expect them"
    return f"Only {them} to be learnt by heart. Some hundred are a good start."


class PairingError(ValueError):
    """The folder has no known layout, or pictures in it have no partner: ``unpaired`` names them all."""

    problem_key = "pairs"

    def __init__(self, message: str, unpaired: Sequence[Path] = ()) -> None:
        super().__init__(message)
        self.unpaired = tuple(unpaired)


@dataclass(frozen=True, slots=True)
class Pair:
    input: Path
    target: Path
    name: str  # the input's path below its folder, without extension: unique within a pairing
    mask: Path | None = None  # a grey picture that says where the damage is, where the data set has one


@dataclass(frozen=True, slots=True)
class Pairing:
    """Every picture of the folder is in ``pairs``, in ``unpaired`` or in ``left_out``."""

    pairs: tuple[Pair, ...]  # in the inputs' natural order
    unpaired: tuple[Path, ...]
    layout: str = ""  # "rain/norain"
    rule: str = ""  # how names were matched, in words
    masks: Path | None = None  # the folder of masks beside the two; a pair without one of its own has None
    left_out: tuple[tuple[Path, ...], ...] = ()  # files that belong together: (input, target), or one alone


def find_pairs(
    folder: Path,
    strict: bool = True,
    on_passed_over: Callable[[PassedOver], None] | None = None,
    leave_out: LeftOut | None = None,
) -> Pairing:
    """Pair the pictures of a data set's folder by name, whatever their extensions and case.

    Raises :class:`PairingError` when no known layout is found and, if ``strict``, when any picture is left
    without a partner. ``strict=False`` returns what is left in ``Pairing.unpaired`` instead. Raises
    UnreadableFile when a folder cannot be listed. ``on_passed_over`` is told of pictures that cannot be read.
    What ``leave_out`` names is paired with the others, and only then put apart.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PairingError(f"{folder} is not a folder" if folder.exists() else f"{folder} does not exist")
    inputs_dir, targets_dir, masks_dir = _layout(folder)
    inputs, targets = _Side(inputs_dir, on_passed_over), _Side(targets_dir, on_passed_over)
    for side, other in ((inputs, targets), (targets, inputs)):
        if not side.paths:
            raise PairingError(f"{side.root}: no pictures in it", other.paths)
    pairing = _match(inputs, targets, f"{inputs_dir.name}/{targets_dir.name}")
    if masks_dir is not None:
        pairing = _with_masks(pairing, masks_dir, inputs_dir)
    if leave_out:
        pairing = _without(pairing, leave_out)
    if strict and pairing.unpaired:
        raise PairingError(_unpaired_message(folder, pairing), pairing.unpaired)
    return pairing


def _without(pairing: Pairing, leave_out: LeftOut) -> Pairing:
    pairs: list[Pair] = []
    unpaired: list[Path] = []
    left: list[tuple[Path, ...]] = []
    for pair in pairing.pairs:
        if leave_out.matching((pair.input, pair.target)):
            left.append((pair.input, pair.target))
        else:
            pairs.append(pair)
    for path in pairing.unpaired:
        if leave_out.matching((path,)):
            left.append((path,))
        else:
            unpaired.append(path)
    return replace(pairing, pairs=tuple(pairs), unpaired=tuple(unpaired), left_out=tuple(left))


# --- which folder is which -----------------------------------------------------------------------


def scene_of(name: str) -> str:
    """The scene a picture shows: ``gong_h32`` of ``gong_h32_1``. A name of less than three parts is its own."""
    stem = PurePosixPath(name).name
    head, _, _ = stem.rpartition("_")
    return head.casefold() if "_" in head else stem.casefold()


def is_held_out(scene: str, share: float) -> bool:
    """Whether a scene is among the ``share`` kept for validation: by its name alone, whatever else is there."""
    number = int.from_bytes(hashlib.sha256(scene.encode()).digest()[:8], "big")
    return number < share * 2**64


def _layout(folder: Path) -> tuple[Path, Path, Path | None]:
    """The folders of inputs, of targets and, if there is one, of masks."""
    children = folders_in(folder)
    found = candidates(children)
    if len(found) == 1:
        return *found[0], _mask_folder(children, found[0][0])
    if found:
        names = ", ".join(f"{a.name}/{b.name}" for a, b in found)
        raise PairingError(f"{folder}: more than one layout in it ({names}); name the folder that holds one")
    deeper = [child.name for child in children if candidates(folders_in(child))]
    hint = f"; it holds data sets of its own, choose one: {', '.join(deeper)}" if deeper else ""
    present = ", ".join(child.name for child in children) or "no folders"
    raise PairingError(
        f"{folder}: no pairs found; expected two folders such as input/target, rain/norain, rainy/gt, "
        f"blur/sharp or NAME_A/NAME_C, found {present}{hint}"
    )


def folders_in(folder: Path) -> list[Path]:
    try:
        return [
            child for child in sorted(folder.iterdir()) if child.is_dir() and not child.name.startswith(".")
        ]
    except OSError as error:
        raise UnreadableFile(folder, error.strerror or str(error), error.errno) from error


def candidates(children: Sequence[Path]) -> list[tuple[Path, Path]]:
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


def _mask_folder(children: Sequence[Path], inputs: Path) -> Path | None:
    by_name = {child.name.casefold(): child for child in children}
    name = inputs.name.casefold()
    if name == "a" or name.endswith("_a"):
        return by_name.get(name[:-1] + "b")
    return next((by_name[known] for known in sorted(MASK_FOLDERS) if known in by_name), None)


# --- which picture is whose ----------------------------------------------------------------------

_Name = tuple[str, ...]
"""Folders below the side's own and the stem, comparable: case folded, composed Unicode."""
_Key = tuple[object, ...]


class _Side:
    """The pictures of one of the two folders, with their names."""

    def __init__(self, root: Path, on_passed_over: Callable[[PassedOver], None] | None = None) -> None:
        self.root = root
        self.paths = list(find_images(root, True, refuse, on_passed_over))
        self.names = self.names_of(self.paths, root)

    @staticmethod
    def names_of(paths: Sequence[Path], root: Path) -> list[_Name]:
        return [
            tuple(
                unicodedata.normalize("NFC", part).casefold()
                for part in path.relative_to(root).with_suffix("").parts
            )
            for path in paths
        ]

    def _stem(self, path: Path) -> Path:
        return path.relative_to(self.root).with_suffix("")

    def pair(self, path: Path, truth: Path) -> Pair:
        return Pair(path, truth, self._stem(path).as_posix())


def refuse(problem: UnreadableFile) -> None:
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


def _with_masks(pairing: Pairing, folder: Path, inputs_dir: Path) -> Pairing:
    """Each pair with its mask: of the input's name, or of the same but for words that name the side."""
    masks = _Side(folder)
    names = _Side.names_of([pair.input for pair in pairing.pairs], inputs_dir)
    best: list[Path | None] = []
    for key_of in (_same_name, _mask_words_dropped):
        seen = Counter(key_of(masks.names))
        mask_of = {
            key: path for key, path in zip(key_of(masks.names), masks.paths, strict=True) if seen[key] == 1
        }
        found = [mask_of.get(key) for key in key_of(names)]
        if not best or found.count(None) < best.count(None):
            best = found
    pairs = tuple(replace(pair, mask=mask) for pair, mask in zip(pairing.pairs, best, strict=True))
    return replace(pairing, pairs=pairs, masks=folder)


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


def words_in(stem: str) -> list[str]:
    """Runs of letters and runs of digits; numbers without leading zeros: rain-001x2 is rain, 1, x, 2."""
    words = [str(int(run)) if run.isdecimal() else run for run in re.findall(r"\d+|[^\W\d_]+", stem)]
    return words or [stem]  # a name of signs only is its own word


def _without_roles(name: _Name) -> list[str]:
    return [word for word in words_in(name[-1]) if word not in ROLE_WORDS]


def _same_name(names: Sequence[_Name]) -> list[_Key]:
    return list(names)


def _side_words_dropped(names: Sequence[_Name]) -> list[_Key]:
    """rain-001 and norain-001, 12_input and 12_gt; also input and gt, of which nothing is left."""
    return [(*name[:-1], tuple(_without_roles(name))) for name in names]


def _mask_words_dropped(names: Sequence[_Name]) -> list[_Key]:
    """12_mask for 12_input."""
    return [
        (*name[:-1], tuple(word for word in words_in(name[-1]) if word not in _MASK_WORDS)) for name in names
    ]


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
    who = "1 picture" if len(names) == 1 else f"{len(names):,} pictures"
    return (
        f"{folder}: {who} in {pairing.layout} {'has' if len(names) == 1 else 'have'} no partner "
        f"({len(pairing.pairs)} pairs found): {', '.join(names[:_NAMED_IN_ERROR])}{more}"
    )
