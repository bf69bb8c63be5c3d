"""Photos and pairs that a recipe leaves out, by name: whose name matches, and which name says one and no other.

A name is a file's stem ("gong_h32_1"), its whole name ("gong_h32_1.jpg"), or either with folders before it where
names repeat ("input/001"). A pair goes by the name of either of its sides. Only names are looked at; nothing of
anybody's files is changed.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath


class LeftOut:
    """The names of a recipe's ``leave_out``, ready to be compared with many files."""

    def __init__(self, names: Sequence[str]) -> None:
        self._by_last: dict[str, list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
        for name in names:
            if parts := _parts(PurePath(name)):
                self._by_last[parts[-1]].append((name, parts))

    def __bool__(self) -> bool:
        return bool(self._by_last)

    def matching(self, files: Iterable[Path]) -> tuple[str, ...]:
        """The names that leave these out, which belong together: one photo, or the two sides of a pair."""
        if not self:
            return ()
        found = []
        for file in files:
            parts = _parts(file)
            for last in _lasts(file):
                found += [
                    name
                    for name, wanted in self._by_last.get(last, ())
                    if wanted[:-1] == parts[-len(wanted) : -1]
                ]
        return tuple(dict.fromkeys(found))


class Namer:
    """Finds the shortest name that leaves out one photo or pair and nothing else of the data."""

    def __init__(self, groups: Iterable[Sequence[Path]]) -> None:
        """``groups``: all photos as (file,), all pairs as (input, target). The first file gives the name."""
        self._by_last: dict[str, set[tuple[Path, Path]]] = defaultdict(set)  # last part -> (owner, file)
        for files in groups:
            for file in files:
                for last in _lasts(file):
                    self._by_last[last].add((files[0], file))

    def name(self, owner: Path) -> str:
        """For the photo, or for the pair whose input this is."""
        folders = _parts(owner.parent)
        lasts = _lasts(owner)
        # without the root: a full path says more of a machine than a recipe should
        for depth in range(len(folders) + 1):
            for last in lasts:
                name = "/".join((*folders[len(folders) - depth :], last))
                if name.startswith("/"):
                    continue
                entry = LeftOut((name,))
                if not any(one != owner and entry.matching((file,)) for one, file in self._by_last[last]):
                    return name
        return lasts[-1]


def _parts(path: PurePath) -> tuple[str, ...]:
    # file systems differ in how they compose an accented letter
    return tuple(unicodedata.normalize("NFC", part) for part in path.parts)


def _lasts(file: PurePath) -> tuple[str, ...]:
    stem, name = (unicodedata.normalize("NFC", text) for text in (file.stem, file.name))
    return (stem, name) if stem != name else (name,)
