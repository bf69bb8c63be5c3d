"""A run's curve on the disk: one line of JSON a report, validation or setback."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core import atomic
from core.run_folder import RunFolder, read_curve
from core.training_guard import Setback


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
    ) -> None:
        """Make it that of a checkpoint: lines past it will be written again. Raises OSError.

        Args:
            setbacks: all until then; which of them stand in the file does not matter.
            unwritten: lines that the checkpoint brings because there was no room for them in the file.
        """
        until = {"validation": validated_step, "setback": -1}
        lines = read_curve(self.folder) if step else []
        kept: list[Mapping[str, Any]] = [
            line for line in lines if line["step"] <= until.get(line["kind"], step)
        ]
        kept += [line for line in unwritten if line not in kept and line["kind"] != "setback"]
        kept += [setback.line() for setback in setbacks]
        kept.sort(key=lambda line: int(line["step"]))  # stable: a setback follows what it went back to
        atomic.write_bytes(self.file, _lines(kept))


def _lines(entries: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(entry) + "\n" for entry in entries).encode()


def _write_all(file: Any, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]
