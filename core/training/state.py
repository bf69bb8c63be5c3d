"""A run's checkpoints: one safetensors file each, with all that going on from it needs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
from torch import Tensor

from core import foreign_text
from core.model import checkpoint
from core.training.run_folder import checkpoint_files, checkpoint_step

_KEPT = 2
Stored = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors, and what is plain numbers."""


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Those of one folder, by the step they were made after."""

    folder: Path

    def files(self) -> list[Path]:
        """Newest first."""
        return checkpoint_files(self.folder)

    def save(
        self, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any], keep_all: bool = False
    ) -> Path:
        """Atomic; the oldest go once the new one lies on the disk, unless ``keep_all``. Raises OSError.

        One that cannot be removed, because somebody reads it, goes the next time.
        """
        file = self.folder / f"step-{step:08d}.safetensors"
        checkpoint.save_tensors(file, tensors, {"training": json.dumps(state)})
        if not keep_all:
            for old in self.files()[_KEPT:]:
                with contextlib.suppress(OSError):
                    old.unlink()
        return file

    def remove_later_than(self, step: int) -> None:
        """Raises OSError."""
        for file in self.files():
            if (checkpoint_step(file) or 0) > step:
                file.unlink(missing_ok=True)


def read(file: Path) -> Stored:
    """Raises :class:`core.model.checkpoint.CheckpointError`, KeyError, ValueError: damaged or no training checkpoint."""
    tensors, header = checkpoint.read_tensors(file)
    return tensors, foreign_text.parse_json(header["training"])


def read_state(file: Path) -> dict[str, Any]:
    """The plain numbers alone; empty when the file cannot be read, which :func:`read` says more about."""
    try:
        with safetensors.safe_open(file, framework="pt") as opened:
            state = foreign_text.parse_json((opened.metadata() or {})["training"])
    except (safetensors.SafetensorError, OSError, ValueError, KeyError):
        return {}
    return state if isinstance(state, dict) else {}
