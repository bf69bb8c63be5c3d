"""Thumbnails made in the background, asked for only when a cell is painted, kept within a budget."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QRunnable, Qt, QThreadPool, Signal
from PySide6.QtGui import QImage

log = logging.getLogger(__name__)

CACHE_ENTRIES = 600  # 256 px on the long side: about 160 kB each, 100 MB at most
WAITING_LIMIT = 120  # what was scrolled past need not be made
THREADS = 1  # decoding competes with restoring for the cores


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

    _made = Signal(object, object)  # Path, QImage | None: from the pool's thread to this object's

    def __init__(self, max_px: int = 256, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.max_px = max_px
        self._cache: OrderedDict[Path, QImage | None] = OrderedDict()  # None: could not be made
        self._lock = threading.Lock()
        self._waiting: OrderedDict[Path, None] = OrderedDict()
        self._busy: set[Path] = set()
        self._stale: set[Path] = set()  # busy ones that were forgotten meanwhile
        self._closed = False
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(THREADS)
        self._made.connect(self._keep, Qt.ConnectionType.QueuedConnection)

    def get(self, path: Path) -> QImage | None:
        if path in self._cache:
            self._cache.move_to_end(path)
            return self._cache[path]
        with self._lock:
            if self._closed or path in self._busy:
                return None
            known = path in self._waiting
            self._waiting[path] = None
            self._waiting.move_to_end(path)
            while len(self._waiting) > WAITING_LIMIT:
                self._waiting.popitem(last=False)
        if not known:
            self._pool.start(_Make(self))
        return None

    def has_failed(self, path: Path) -> bool:
        return path in self._cache and self._cache[path] is None

    def forget(self, path: Path) -> None:
        """Make it anew when it is asked for again: the file may have changed."""
        self._cache.pop(path, None)
        with self._lock:
            if path in self._busy:  # made of what the file was before
                self._stale.add(path)

    def __len__(self) -> int:
        return len(self._cache)

    def shut_down(self) -> None:
        with self._lock:
            self._closed = True
            self._waiting.clear()
        self._pool.clear()
        self._pool.waitForDone()

    def _make_one(self) -> None:
        """On the pool's thread: the newest waiting one. Fewer may wait than were started."""
        with self._lock:
            if not self._waiting:
                return
            path, _ = self._waiting.popitem(last=True)
            self._busy.add(path)
        image: QImage | None = None
        try:
            from core.images.io import thumbnail  # here: it takes its time to load

            image = image_from_rgb(thumbnail(path, self.max_px))
        except (
            Exception
        ) as exc:  # any file may be in a queue; the photo itself says what is wrong when opened
            log.info("no thumbnail of %s: %s", path.name, exc)
        self._made.emit(path, image)

    def _keep(self, path: Path, image: QImage | None) -> None:
        with self._lock:
            self._busy.discard(path)
            is_stale = path in self._stale
            self._stale.discard(path)
        if is_stale:
            self.get(path)
            return
        self._cache[path] = image
        while len(self._cache) > CACHE_ENTRIES:
            self._cache.popitem(last=False)
        (self.ready if image is not None else self.failed).emit(path)


class _Make(QRunnable):
    def __init__(self, thumbnails: Thumbnails) -> None:
        super().__init__()
        self._thumbnails = thumbnails

    def run(self) -> None:
        self._thumbnails._make_one()
