"""Masks of the photos in the list, as grey PNG files named by what is in them: they outlive the window, a mask that
is changed is another file, and the command line can be given what a result was made with."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection
from pathlib import Path

import numpy as np

log = logging.getLogger(__name__)


class MaskStore:
    """May be called from any thread: a file is whole or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        return self._folder / f"{name}.png"

    def put(self, values: np.ndarray) -> str:
        """Keep a mask (H, W) uint8; its name. Raises ImageError or OSError where it cannot be written."""
        from core.restoring import outputs

        text = f"{values.shape[1]}x{values.shape[0]}:".encode()
        name = hashlib.sha256(text + np.ascontiguousarray(values).tobytes()).hexdigest()[:32]
        if not self.path(name).exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            outputs.save_mask(values, self.path(name), overwrite=True)
        return name

    def get(self, name: str) -> np.ndarray:
        """(H, W) uint8. Raises MaskError where the file is gone or was exchanged."""
        from core.data import guidance
        from core.images.types import ImageError

        try:
            return guidance.read_mask(self.path(name))
        except ImageError as error:
            raise guidance.MaskError(
                "the mask painted for this photo is not where it was kept, or damaged; paint it again (M)"
            ) from error

    def keep_only(self, names: Collection[str]) -> None:
        """Remove what no photo refers to."""
        try:
            for file in self._folder.glob("*.png"):
                if file.stem not in names:
                    file.unlink(missing_ok=True)
        except OSError as error:
            log.warning("masks in %s could not be cleared: %s", self._folder, error)
