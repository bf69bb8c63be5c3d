"""Photos for the canvas, decoded in the background and kept within a byte budget.

Only what is looked at is decoded: the newest wish goes first, a wish that was replaced before its turn is not
decoded at all, and the neighbour in the direction of travel is read ahead.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from memorynet_gui.base.background import Background
from memorynet_gui.base.problems import Problem, describe
from memorynet_gui.restore.queue_item import Item

if TYPE_CHECKING:
    from core.images.io import PictureInfo
    from memorynet_gui.restore.results import ResultStore

BUDGET_BYTES = 768 << 20
_WANTED, _AHEAD = "wanted", "ahead"
READ_AHEAD_PIXELS = 40_000_000  # larger photos are decoded only when asked for


@dataclass(frozen=True, slots=True)
class Shown:
    """A photo as the canvas takes it: (H, W, 3) uint8 sRGB, alpha (H, W) uint8 or None."""

    item_id: str
    path: Path
    info: PictureInfo
    rgb: np.ndarray
    alpha: np.ndarray | None
    restored: np.ndarray | None  # full strength
    restored_is_saved_file: bool  # read back from what was saved: its strength is baked in

    @property
    def nbytes(self) -> int:
        parts = (self.rgb, self.alpha, self.restored)
        return sum(part.nbytes for part in parts if part is not None)


class PhotoLoader(QObject):
    """``open(item)`` answers by ``opened`` or ``failed``; at once when the photo is still there."""

    opened = Signal(object)  # Shown
    failed = Signal(str, object)  # item id, Problem

    def __init__(self, store: ResultStore, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._cache: OrderedDict[str, Shown] = OrderedDict()
        self._generation: Counter[str] = Counter()  # up when what is being decoded is out of date
        self._background = Background(self)

    def open(self, item: Item, ahead: Item | None = None) -> Shown | None:
        """The photo if it is at hand; otherwise None, and a signal follows."""
        shown = self._cache.get(item.id)
        for key in (_WANTED, _AHEAD):
            self._background.forget(key)
        if shown is not None:
            self._cache.move_to_end(item.id)
        else:
            self._load(item, _WANTED)
        if ahead is not None and ahead.id not in self._cache:
            self._load(ahead, _AHEAD)
        return shown

    def _load(self, item: Item, key: str) -> None:
        generation, limit = self._generation[item.id], None if key == _WANTED else READ_AHEAD_PIXELS
        self._background.call(
            lambda: load_photo(item, self._store, limit),
            lambda result: self._arrived(item, generation, result, key == _WANTED),
            key=key,
        )

    def forget(self, item_id: str) -> None:
        """What is decoded of this photo is out of date."""
        self._generation[item_id] += 1
        self._cache.pop(item_id, None)

    def put(self, shown: Shown) -> None:
        """Keep a photo that somebody else decoded, oldest out first. The newest always stays."""
        self._generation[shown.item_id] += 1
        self._cache[shown.item_id] = shown
        self._cache.move_to_end(shown.item_id)
        while len(self._cache) > 1 and self.used_bytes > BUDGET_BYTES:
            self._cache.popitem(last=False)

    @property
    def used_bytes(self) -> int:
        return sum(shown.nbytes for shown in self._cache.values())

    def shut_down(self) -> None:
        self._background.shut_down(finish=False)

    def _arrived(self, item: Item, generation: int, result: Shown | Problem | None, now: bool) -> None:
        if generation != self._generation[item.id]:
            result = self._cache.get(item.id)  # something newer came meanwhile, or is about to
        elif isinstance(result, Shown):
            self.put(result)
        if not now:
            return
        if isinstance(result, Problem):
            self.failed.emit(item.id, result)
        elif result is not None:
            self.opened.emit(result)


def load_photo(item: Item, store: ResultStore, limit: int | None = None) -> Shown | Problem | None:
    """Decode a photo and, when there is one, its result. None: more than ``limit`` pixels, not worth it."""
    from core.images import io as image_io  # here: OpenCV takes its time to load

    try:
        if limit is not None:
            info = image_io.read_info(item.path)
            if info.width * info.height > limit:
                return None
        picture = image_io.read(item.path)
        rgb = image_io.to_srgb(picture.pixels, picture.icc)
        alpha = None if picture.alpha is None else _alpha_8_bit(picture.alpha)
        restored, baked = _restored_rgb(item, store, picture.pixels.shape, picture.icc)
        return Shown(item.id, item.path, picture.info, rgb, alpha, restored, baked)
    except Exception as exc:  # any file may be in a queue: what is wrong with it is shown, not raised
        return describe(exc)


def _restored_rgb(
    item: Item, store: ResultStore, shape: tuple[int, ...], icc: bytes | None
) -> tuple[np.ndarray | None, bool]:
    from core.images import io as image_io

    if item.result is None:
        return None, False
    pixels = store.get(item.id)
    if pixels is not None:
        return (image_io.to_srgb(pixels, icc), False) if pixels.shape == shape else (None, False)
    if item.saved is not None and item.saved.strength_percent is not None and item.saved.path.exists():
        try:
            saved = image_io.read(item.saved.path)
        except image_io.ImageError:
            return None, False
        if saved.pixels.shape == shape:
            return image_io.to_srgb(saved.pixels, saved.icc), True
    return None, False


def _alpha_8_bit(alpha: np.ndarray) -> np.ndarray:
    return alpha if alpha.dtype == np.uint8 else (alpha >> 8).astype(np.uint8)
