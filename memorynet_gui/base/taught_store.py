"""What people taught about photos, as grey PNG files named by what is in the photo's file: a photo that is moved or renamed
keeps it, one that is changed is another photo."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np

log = logging.getLogger(__name__)


class TaughtStore:
    """May be called from any thread: a file is whole or not there."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "taught"

    @staticmethod
    def key(photo: Path, task: str) -> str:
        """What is no rain may be a shadow: each task has a word of its own. Raises OSError: the photo cannot be read."""
        with photo.open("rb") as file:
            return f"{hashlib.file_digest(file, 'sha256').hexdigest()[:32]}-{task}"

    def of(self, photo: Path, task: str) -> np.ndarray | None:
        """What is kept about a photo; None where there is nothing."""
        try:
            return self.get(self.key(photo, task))
        except OSError:
            return None

    def path(self, key: str) -> Path:
        return self._folder / f"{key}.png"

    def get(self, key: str) -> np.ndarray | None:
        """(H, W) uint8, see :mod:`core.data.taught`; None where nothing was taught, or its file is damaged."""
        from core.data import guidance

        if not self.path(key).exists():
            return None
        try:
            return guidance.read_mask(self.path(key))
        except Exception as error:  # whatever is wrong with the file, the photo can be looked into
            log.warning("%s: %s", self.path(key), error)
            return None

    def put(self, key: str, values: np.ndarray | None) -> None:
        """Keep it, or forget what was kept. Raises ImageError and OSError."""
        from core.restoring import outputs

        if values is None:
            self.path(key).unlink(missing_ok=True)
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        outputs.save_mask(values, self.path(key), overwrite=True)
