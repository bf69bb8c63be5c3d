"""A run's curve on the disk: one line of JSON a report or validation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core import atomic
from core.run_folder import RunFolder, read_curve


class Curve:
    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, RunFolder(folder).curve_file

    def append(self, entry: Mapping[str, Any]) -> None:
        """Raises OSError."""
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def truncate(self, step: int, validated_step: int) -> None:
        """Lines past what is gone on from will be written again. Raises OSError."""
        until = {"validation": validated_step}
        lines = read_curve(self.folder) if step else []
        kept = [line for line in lines if line["step"] <= until.get(line["kind"], step)]
        atomic.write_text(self.file, "".join(json.dumps(line) + "\n" for line in kept))
