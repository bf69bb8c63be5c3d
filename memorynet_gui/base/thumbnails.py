"""Thumbnails made in the background, asked for only when a cell is painted, kept within a budget."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from memorynet_gui.base.background import Background

CACHE_ENTRIES = 600  # 256 px on the long side: about 160 kB each, 100 MB at most
WAITING_LIMIT = 120  # what was scrolled past need not be made


def image_from_rgb(rgb: np.ndarray) -> QImage:
    """A QImage with pixels of its own from (H, W, 3) uint8 RGB."""
    rgb = np.ascontiguousarray(rgb)
    height, width = rgb.shape[:2]
    return QImage(rgb.data, width, height, width * 3, QImage.Format.Format_RGB888).copy()


class Thumbnails(QObject):
    """``get(path)`` answers at once: the picture, or None and ``ready(path)`` (or ``failed``) follows.

    The newest request is made first, because it is what is on the screen now.
    """

    ready = Signal(object)  # Path
    failed = Signal(object)  # Path

    def __init__(self, max_px: int = 256, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.max_px = max_px
        self._cache: OrderedDict[Path, QImage | None] = OrderedDict()  # None: could not be made
        self._stale: set[Path] = set()  # being made of what the file was before
        self._closed = False
        self._background = Background(self, newest_first=True, limit=WAITING_LIMIT)

    def get(self, path: Path) -> QImage | None:
        if path in self._cache:
            self._cache.move_to_end(path)
            return self._cache[path]
        if not self._closed and not self._background.is_running(path):
            self._background.call(
                lambda: _make(path, self.max_px),
                lambda image: self._keep(path, image),
                lambda error: self._keep(path, None),
                path,
            )
        return None

    def has_failed(self, path: Path) -> bool:
        return path in self._cache and self._cache[path] is None

    def forget(self, path: Path) -> None:
        """Make it anew when it is asked for again: the file may have changed."""
        self._cache.pop(path, None)
        if self._background.is_running(path):
            self._stale.add(path)

    def __len__(self) -> int:
        return len(self._cache)

    def shut_down(self) -> None:
        self._closed = True
        self._background.shut_down(finish=False)

    def _keep(self, path: Path, image: QImage | None) -> None:
        if path in self._stale:
            self._stale.discard(path)
            self.get(path)
            return
        self._cache[path] = image
        while len(self._cache) > CACHE_ENTRIES:
            self._cache.popitem(last=False)
        (self.ready if image is not None else self.failed).emit(path)


def _make(path: Path, max_px: int) -> QImage:
    """Raises whatever is wrong with the file: the photo itself says it when it is opened."""
    from core.images.io import thumbnail  # here: it takes its time to load

    return image_from_rgb(thumbnail(path, max_px))
