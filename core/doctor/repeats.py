"""Photos that stand in a data set more than once, and photos that are trained and validated on."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.doctor.data import ERROR, NOTE, WARNING, Finding, names_of
from core.doctor.pixels import Fingerprint, alike
from core.jobs import JobControl

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Known:
    """A clean photo, or the target of a pair."""

    path: Path
    validates: bool
    is_paired: bool
    file_bytes: int
    print: Fingerprint


def find_repeats(known: Sequence[Known], control: JobControl) -> list[Finding]:
    """Exact repeats by the files' content, near ones by their looks. Raises Cancelled."""
    photos = _once(known)
    exact = list(_same_content(photos, control))
    inside, crossing = _near(photos, exact, control)
    return [
        *_overlap_of_files(known),
        *_overlap(photos, _crossing(exact, photos), ERROR, exact),
        *_overlap(photos, crossing, WARNING, exact),
        *_repeated(photos, exact),
        *_nearly_repeated(photos, inside),
    ]


def _near(
    photos: Sequence[Known], exact: Sequence[Sequence[int]], control: JobControl
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pairs that look the same within training, and between training and validation; for each photo one or few.

    Of files with the same content only the first is looked at: of a group that stands on both sides that is one
    trained on, and the overlap is known.
    """
    copies = {index for group in exact for index in group[1:]}
    left = [index for index in range(len(photos)) if index not in copies]
    settled = np.zeros(len(left), bool)
    inside, crossing = [], []
    for i, j in alike([photos[index].print for index in left], control, settled):
        one, other = left[i], left[j]
        if photos[one].validates is not photos[other].validates:
            crossing.append((one, other))
            settled[i if photos[one].validates else j] = True
        elif not photos[one].validates:
            inside.append((one, other))
            settled[i] = settled[j] = True
    return inside, crossing


def _once(known: Sequence[Known]) -> list[Known]:
    """Every file once: several inputs may share a target, and a file trained on counts as that."""
    seen: dict[Path, Known] = {}
    for item in sorted(known, key=lambda item: item.validates):
        seen.setdefault(item.path.resolve(), item)
    return list(seen.values())


def _overlap_of_files(known: Sequence[Known]) -> list[Finding]:
    trained = {item.path.resolve() for item in known if not item.validates}
    both = list(
        dict.fromkeys(item.path for item in known if item.validates and item.path.resolve() in trained)
    )
    if not both:
        return []
    return [Finding("overlap", ERROR, f"{_photos(len(both))} {_stand(both)} in training and in validation: {names_of(both)}. "
                    "Scores on what was trained on say nothing.", tuple(both))]  # fmt: skip


def _same_content(photos: Sequence[Known], control: JobControl) -> Iterator[list[int]]:
    """Groups of indices whose files hold the same bytes. Only files of one length are read."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, item in enumerate(photos):
        by_length[item.file_bytes].append(index)
    for indices in by_length.values():
        if len(indices) < 2:
            continue
        by_content: dict[bytes, list[int]] = defaultdict(list)
        for index in indices:
            try:
                by_content[_digest(photos[index].path, control)].append(index)
            except OSError:  # it has just been read; gone meanwhile is no repeat
                continue
        yield from (group for group in by_content.values() if len(group) > 1)


def _digest(path: Path, control: JobControl) -> bytes:
    found = hashlib.blake2b(digest_size=20)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            control.checkpoint()
            found.update(block)
    return found.digest()


def _crossing(groups: Sequence[Sequence[int]], photos: Sequence[Known]) -> list[tuple[int, int]]:
    """For each validation photo of a group that training has, too, itself with one of training's."""
    found = []
    for group in groups:
        trained = [index for index in group if not photos[index].validates]
        if trained:
            found += [(index, trained[0]) for index in group if photos[index].validates]
    return found


def _overlap(
    photos: Sequence[Known],
    crossing: Sequence[tuple[int, int]],
    severity: str,
    groups: Sequence[Sequence[int]],
) -> list[Finding]:
    """``groups``: photos with the same content. All that are trained on of one validated on could be spared."""
    partner: dict[int, int] = {}
    for pair in crossing:
        apart, trained = sorted(pair, key=lambda index: not photos[index].validates)
        partner.setdefault(apart, trained)
    if not partner:
        return []
    copies = {index: group for group in groups for index in group}
    going = [
        index
        for trained in partner.values()
        for index in copies.get(trained, (trained,))
        if not photos[index].validates
    ]
    first = [f"{photos[apart].path.name} ({photos[trained].path.name})" for apart, trained in partner.items()]
    how = "are the same as" if severity == ERROR else "look nearly the same as"
    if len(partner) == 1:
        how = "is the same as" if severity == ERROR else "looks nearly the same as"
    why = "say nothing" if severity == ERROR else "flatter"
    text = (
        f"{_photos(len(partner))} to validate on {how} one trained on: {names_of(first)}. "
        f"Scores on what was trained on {why}."
    )
    paths = tuple(photos[index].path for pair in partner.items() for index in pair)
    # what is scored on stays as it is
    spare = tuple(dict.fromkeys(photos[trained].path for trained in going))
    return [Finding("overlap", severity, text, paths, spare)]


def _repeated(photos: Sequence[Known], groups: Sequence[Sequence[int]]) -> list[Finding]:
    """Copies within training. The same truth under several inputs is how some data sets are made."""
    found = []
    for paired in (False, True):
        copies: list[Path] = []
        spare: list[Path] = []
        first: list[str] = []
        for group in groups:
            here = [
                photos[i].path for i in group if not photos[i].validates and photos[i].is_paired is paired
            ]
            if len(here) > 1:
                copies += here
                spare += [] if paired else here[1:]
                first.append(" = ".join(path.name for path in here[:3]) + (" = ..." if len(here) > 3 else ""))
        if copies:
            what = "targets" if paired else "photos"
            text = f"{len(copies):,} {what} are copies of one another: {names_of(first)}."
            if not paired:
                text += " Each copy is trained on as often as any other photo."
            found.append(Finding("duplicate", NOTE if paired else WARNING, text, tuple(copies), tuple(spare)))
    return found


def _nearly_repeated(photos: Sequence[Known], near: Sequence[tuple[int, int]]) -> list[Finding]:
    inside = [(i, j) for i, j in near if not photos[i].validates and not photos[j].validates]
    if not inside:
        return []
    involved = sorted({index for pair in inside for index in pair})
    first = [f"{photos[i].path.name} and {photos[j].path.name}" for i, j in inside]
    trained = sum(not item.validates for item in photos)
    text = f"{len(involved):,} of {_photos(trained)} trained on look nearly the same as another: {names_of(first)}."
    # a scene that was shot more than once is how pairs come about
    spare = tuple(photos[j].path for i, j in inside if not (photos[i].is_paired or photos[j].is_paired))
    return [Finding("near_duplicate", NOTE, text, tuple(photos[index].path for index in involved), spare)]


def _photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count:,} photos"


def _stand(things: Sequence[object]) -> str:
    return "stands" if len(things) == 1 else "stand"
