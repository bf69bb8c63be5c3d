"""The pictures of a run's film, as far as they are on the disk. A folder that has not changed is not listed again, and of a
run that trains here only the pictures are looked for that it tells of: the window's thread does this.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from core.training.run_folder import RunFolder

MOST_CROPS = 4
_NAME = re.compile(r"(?:(input|truth)|step-(\d+))-(\d)\.webp")
_SETTLED_NS = 2_000_000_000  # the clocks of some disks tick every two seconds


@dataclass(slots=True)
class Crop:
    """The files of one crop. ``steps`` rise; ``frames`` holds the file's name of each."""

    folder: Path
    input: Path | None = None
    truth: Path | None = None
    steps: list[int] = field(default_factory=list)
    frames: dict[int, str] = field(default_factory=dict)

    def frame(self, step: int) -> Path:
        """Raises KeyError for a step without a picture."""
        return self.folder / self.frames[step]

    @property
    def is_empty(self) -> bool:
        return self.input is None and self.truth is None and not self.frames


class FilmFiles:
    """``crops`` by number, from 0. What ``scan`` and ``frame_came`` answer are pictures not to be shown from memory."""

    def __init__(self, folder: Path | None) -> None:
        """``folder``: of the run; None: there is no film."""
        self._folder = None if folder is None else RunFolder(folder).film
        self.crops: dict[int, Crop] = {}
        self._names: set[str] = set()
        self._stamps: dict[str, int] = {}  # newest frames -> nanoseconds of their last change
        self._listed_ns: int | None = None  # the folder's last change, once what it held was surely all

    def scan(self) -> set[Path]:
        """Look for what has come or gone; says which pictures are others than before. Raises nothing: a folder that
        is not there (any more) holds none."""
        if self._folder is None:
            return set()
        try:
            changed_ns = self._folder.stat().st_mtime_ns
            if changed_ns == self._listed_ns:
                return set()
            with os.scandir(self._folder) as entries:
                names = {entry.name for entry in entries}
            is_settled = time.time_ns() - changed_ns > _SETTLED_NS
        except OSError:
            names, is_settled, changed_ns = set(), False, 0
        self._listed_ns = changed_ns if is_settled else None
        gone = self._names - names
        anew = {self._folder / name for name in gone}
        self._put(names - self._names, gone)
        if self._went_back():
            anew |= {crop.frame(step) for crop in self.crops.values() for step in crop.steps}
        return anew

    def frame_came(self, step: int) -> set[Path]:
        """The run has just made the pictures of ``step``, its newest; says which are others than before.

        Later ones belong to a past that the run has given up.
        """
        if self._folder is None:
            return set()
        later = {name for crop in self.crops.values() for at, name in crop.frames.items() if at > step}
        came = {f"step-{step:08d}-{number}.webp" for number in range(MOST_CROPS)}
        came = {name for name in came if _stamp(self._folder / name) is not None}
        anew = {self._folder / name for name in later | (came & self._names)}
        self._put(came - self._names, later)
        self._went_back()  # takes in the stamps
        if any(crop.input is None or crop.truth is None for crop in self.crops.values()):
            anew |= self.scan()
        return anew

    def _put(self, new: set[str], gone: set[str]) -> None:
        touched = set()
        for names, is_new in ((gone, False), (new, True)):
            for name in names:
                parts = _NAME.fullmatch(name)
                if parts is None or int(parts[3]) >= MOST_CROPS:
                    continue
                number = int(parts[3])
                self._put_one(self._crop(number), name, parts[1], parts[2], is_new)
                touched.add(number)
        for number in touched:
            crop = self.crops[number]
            crop.steps = sorted(crop.frames)
            if crop.is_empty:
                del self.crops[number]

    def _crop(self, number: int) -> Crop:
        assert self._folder is not None
        return self.crops.setdefault(number, Crop(self._folder))

    def _put_one(self, crop: Crop, name: str, side: str | None, step: str, is_new: bool) -> None:
        path = crop.folder / name if side and is_new else None
        if side == "input":
            crop.input = path
        elif side == "truth":
            crop.truth = path
        elif is_new:
            crop.frames[int(step)] = name
        else:
            crop.frames.pop(int(step), None)
        (self._names.add if is_new else self._names.discard)(name)

    def _went_back(self) -> bool:
        """Whether the newest pictures were made anew since they were last looked at: then those before them may be too."""
        assert self._folder is not None
        newest = {crop.frames[crop.steps[-1]] for crop in self.crops.values() if crop.steps}
        now = {name: _stamp(self._folder / name) for name in newest | (self._stamps.keys() & self._names)}
        went_back = any(now.get(name, stamp) != stamp for name, stamp in self._stamps.items())
        self._stamps = {name: stamp for name in newest if (stamp := now[name]) is not None}
        return went_back


def _stamp(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
