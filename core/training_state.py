"""A run's checkpoints: one safetensors file each, with all that going on from it needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from core import checkpoint

_KEPT = 2
Stored = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors, and what is plain numbers."""


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Those of one folder, by the step they were made after."""

    folder: Path

    def files(self) -> list[Path]:
        """Newest first."""
        return sorted(self.folder.glob("step-*.safetensors"), reverse=True)

    def save(self, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Path:
        """Atomic; the oldest go once the new one lies on the disk. Raises OSError."""
        file = self.folder / f"step-{step:08d}.safetensors"
        checkpoint.save_tensors(file, tensors, {"training": json.dumps(state)})
        for old in self.files()[_KEPT:]:
            old.unlink(missing_ok=True)
        return file


def read(file: Path) -> Stored:
    """Raises :class:`core.checkpoint.CheckpointError`, KeyError, ValueError: damaged or no training checkpoint."""
    tensors, header = checkpoint.read_tensors(file)
    return tensors, json.loads(header["training"])
