"""Restored pixels that wait to be looked at or saved: one raw file per photo in the cache folder, and one for each result
that is kept beside it.

Nothing restored is lost silently. The store has a byte budget. When it is full, results whose photo has been
saved go first (the saved file is still there). Unsaved ones never go by themselves: :meth:`has_room` turns
false, and the page stops the queue and says so. When the disk refuses a file the pixels stay in memory.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
from collections.abc import Collection
from pathlib import Path

import numpy as np

from core import atomic

log = logging.getLogger(__name__)

BUDGET_BYTES = 8 << 30
DISK_SHARE = 0.5  # of what is free when the program starts
MEMORY_BUDGET_BYTES = 1 << 30


class ResultStore:
    """Arrays (H, W, 3) uint8 | uint16 by item id. Every method may be called from any thread."""

    def __init__(self, folder: Path, budget_bytes: int | None = None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}  # insertion order is age
        self._memory: dict[str, np.ndarray] = {}
        self._expendable: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for file in sorted(folder.glob("*.npy"), key=lambda found: found.stat().st_mtime_ns):
                self._sizes[file.stem] = file.stat().st_size
            for part in folder.glob("*.part"):  # of earlier versions
                part.unlink(missing_ok=True)
            atomic.remove_leftovers(folder)
            free = shutil.disk_usage(folder).free
        except OSError as exc:
            log.warning("results folder %s cannot be used: %s", folder, exc)
            free = 0
        self.budget_bytes = (
            min(BUDGET_BYTES, int((free + self.used_bytes) * DISK_SHARE))
            if budget_bytes is None
            else budget_bytes
        )

    @property
    def used_bytes(self) -> int:
        with self._lock:
            return sum(self._sizes.values()) + sum(kept.nbytes for kept in self._memory.values())

    def has(self, item_id: str) -> bool:
        with self._lock:
            return item_id in self._sizes or item_id in self._memory

    def set_expendable(self, item_id: str, expendable: bool) -> None:
        """Say that this result is safe elsewhere (saved as it is), or that it is not (any more)."""
        with self._lock:
            if expendable:
                self._expendable.add(item_id)
            else:
                self._expendable.discard(item_id)

    def has_room(self, need_bytes: int) -> bool:
        """Whether one more result fits, once those that may go have gone."""
        with self._lock:
            on_disk = sum(size for key, size in self._sizes.items() if key not in self._expendable)
            in_memory = sum(kept.nbytes for key, kept in self._memory.items() if key not in self._expendable)
        if in_memory and in_memory + need_bytes > MEMORY_BUDGET_BYTES:
            return False  # the disk refused before and may again
        kept = on_disk + in_memory
        # a single picture larger than the whole budget must still be possible
        return kept == 0 or kept + need_bytes <= self.budget_bytes

    def put(self, item_id: str, pixels: np.ndarray) -> OSError | None:
        """Keep ``pixels``. The error says why they are in memory rather than on disk; None: all is well."""
        self.make_room(pixels.nbytes)
        final = self._file(item_id)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)  # cache folders get swept
            atomic.write_atomically(final, lambda part: _save(part, pixels), flush=False)
        except OSError as exc:
            with contextlib.suppress(OSError):  # an older result must not pass for this one after a restart
                final.unlink(missing_ok=True)
            log.warning("result %s stays in memory: %s", item_id, exc)
            with self._lock:
                self._expendable.discard(item_id)
                self._sizes.pop(item_id, None)
                self._memory[item_id] = pixels
            return exc
        with self._lock:
            self._expendable.discard(item_id)  # what was saved was an earlier result
            self._sizes.pop(item_id, None)
            self._memory.pop(item_id, None)
            self._sizes[item_id] = pixels.nbytes
        return None

    def get(self, item_id: str) -> np.ndarray | None:
        """The pixels, or None when they are not kept (any more) or damaged."""
        with self._lock:
            if item_id in self._memory:
                return self._memory[item_id]
            if item_id not in self._sizes:
                return None
        try:
            pixels: np.ndarray = np.load(self._file(item_id), allow_pickle=False)
        except (OSError, ValueError, EOFError) as exc:
            log.warning("result %s cannot be read: %s", item_id, exc)
            self.drop(item_id)
            return None
        return pixels

    def copy(self, item_id: str, key: str) -> OSError | None:
        """Keep the result under another name as well; as :meth:`put`. Raises KeyError where there is none."""
        pixels = self.get(item_id)
        if pixels is None:
            raise KeyError(item_id)
        return self.put(key, pixels)

    def exchange(self, one: str, other: str) -> None:
        """Each becomes what the other was. Raises KeyError where one is not kept."""
        first, second = self.get(one), self.get(other)
        if first is None or second is None:
            raise KeyError(one if first is None else other)
        for key, pixels in ((one, second), (other, first)):
            self.put(key, pixels)  # what the disk refuses stays in memory

    def drop(self, item_id: str) -> None:
        with self._lock:
            self._sizes.pop(item_id, None)
            self._memory.pop(item_id, None)
            self._expendable.discard(item_id)
        try:
            self._file(item_id).unlink(missing_ok=True)
        except OSError as exc:
            log.warning("result %s cannot be removed: %s", item_id, exc)

    def make_room(self, need_bytes: int) -> None:
        """Drop the oldest expendable results until ``need_bytes`` fit, or none is left to drop."""
        excess = self.used_bytes + need_bytes - self.budget_bytes
        with self._lock:
            by_age = {key: kept.nbytes for key, kept in self._memory.items()} | self._sizes
            going = [(key, size) for key, size in by_age.items() if key in self._expendable]
        for key, size in going:
            if excess <= 0:
                return
            self.drop(key)
            excess -= size

    def in_memory_only(self) -> set[str]:
        """Results that would be gone when the program ends."""
        with self._lock:
            return set(self._memory)

    def keep_only(self, item_ids: Collection[str]) -> None:
        """Drop results whose photo has left the queue for good."""
        with self._lock:
            gone = [key for key in (*self._sizes, *self._memory) if key not in item_ids]
        for key in gone:
            self.drop(key)

    def _file(self, item_id: str) -> Path:
        return self._folder / f"{item_id}.npy"


def _save(path: Path, pixels: np.ndarray) -> None:
    with path.open("wb") as stream:  # a file: to a bare path its own ending would be added
        np.save(stream, pixels, allow_pickle=False)
