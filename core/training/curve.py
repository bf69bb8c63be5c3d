"""A run's curve on the disk: one line of JSON a report, validation or setback."""

from __future__ import annotations

import contextlib
import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core import atomic
from core.training.guard import Setback
from core.training.run_folder import RunDamaged, RunFolder, iterate_curve


class Curve:
    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, RunFolder(folder).curve_file

    def append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """All of them or none. Raises OSError."""
        with self.file.open("ab", buffering=0) as file:
            before = file.seek(0, 2)
            try:
                _write_all(file, _lines(entries))
            except OSError:
                with contextlib.suppress(OSError):  # half a line would hide those that follow
                    file.truncate(before)
                raise

    def truncate(
        self,
        step: int,
        validated_step: int,
        setbacks: Sequence[Setback] = (),
        unwritten: Sequence[Mapping[str, Any]] = (),
    ) -> int:
        """Make it that of a checkpoint: lines past it will be written again. Raises OSError.

        Returns how many lines could not be read and are lost.

        Args:
            setbacks: all until then; which of them stand in the file does not matter.
            unwritten: lines that the checkpoint brings because there was no room for them in the file.
        """
        lost: set[int] = set()
        until = {"validation": validated_step, "setback": -1}

        def kept() -> Iterator[Mapping[str, Any]]:
            with contextlib.suppress(RunDamaged):  # what cannot be read is gone, the run is not
                for line in iterate_curve(self.folder, lost.add) if step else ():
                    if line["step"] <= until.get(line["kind"], step):
                        yield line

        missing = [line for line in unwritten if line["kind"] != "setback"]
        if missing:
            for line in kept():
                missing = [other for other in missing if other != line]
        # stable: a setback follows what it went back to
        brought = sorted([*missing, *(setback.line() for setback in setbacks)], key=_step_of)

        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:
                for line in heapq.merge(
                    kept(), brought, key=_step_of
                ):  # line by line: there may be a million
                    file.write(_lines((line,)))

        atomic.write_atomically(self.file, write)
        return len(lost)


def _step_of(entry: Mapping[str, Any]) -> int:
    return int(entry["step"])


def _lines(entries: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(entry) + "\n" for entry in entries).encode()


def _write_all(file: Any, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]
