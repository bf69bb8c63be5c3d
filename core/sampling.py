"""Training samples: sample *i* depends on (seed, *i*) alone, whoever asks for it and in whatever order.

That is what makes a resumed run equal an uninterrupted one, and a prefetching thread harmless.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from core import image_io
from core.cv import cv2
from core.degrade import Degradation

Sample = tuple[np.ndarray, np.ndarray]
"""Degraded and clean crop, each (P, P, 3) float32 in 0..1."""


class PhotoPool:
    """Decoded photos, kept as 8-bit RGB while ``budget_bytes`` lasts and read again beyond it.

    None: a quarter of the memory that is free now, at most 4 GiB; pairs take two pools.
    """

    def __init__(self, paths: Sequence[Path], budget_bytes: int | None = None) -> None:
        if budget_bytes is None:
            budget_bytes = min(4 << 30, psutil.virtual_memory().available // 4)
        self.paths = tuple(paths)
        self._kept: dict[int, np.ndarray] = {}
        self._left = budget_bytes
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8. Raises what :func:`core.image_io.read` raises."""
        kept = self._kept.get(index)
        if kept is not None:
            return kept
        pixels = image_io.read(self.paths[index]).pixels
        if pixels.dtype == np.uint16:
            pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
        with self._lock:
            if pixels.nbytes <= self._left:
                self._kept[index] = pixels
                self._left -= pixels.nbytes
        return pixels


@dataclass(frozen=True, slots=True)
class SampleSource:
    """Crops for training. With ``inputs`` None, ``degrade`` makes the degraded side; else pairs are cropped.

    Neighbours of ``crops_per_photo`` samples show one photo, degraded in one go, so that they share what is
    the same all over a photo. Sizes: a photo smaller than the patch is mirrored up to it.
    """

    truths: PhotoPool
    inputs: PhotoPool | None
    degrade: Degradation | None
    patch_px: int
    seed: int
    crops_per_photo: int = 1

    def photo(self, index: int) -> list[Sample]:
        """The crops of one visit to a photo, which depend on the seed and ``index`` alone."""
        epoch, place = divmod(index, len(self.truths))
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.truths))
        rng = np.random.default_rng([self.seed, 1, index])
        photo = int(order[place])
        pictures = [self.truths[photo]] if self.inputs is None else [self.truths[photo], self.inputs[photo]]
        crops = [_same_crop(pictures, self.patch_px, rng, may_turn=True) for _ in range(self.crops_per_photo)]
        cleans = [crop[0].astype(np.float32) / 255 for crop in crops]
        if self.inputs is not None:
            return [
                (crop[1].astype(np.float32) / 255, clean) for crop, clean in zip(crops, cleans, strict=True)
            ]
        assert self.degrade is not None
        degraded = self.degrade(np.concatenate(cleans, axis=1), rng)
        return list(zip(np.split(degraded, self.crops_per_photo, axis=1), cleans, strict=True))

    def sample(self, index: int) -> Sample:
        return self.photo(index // self.crops_per_photo)[index % self.crops_per_photo]

    def batch(self, step: int, size: int) -> Sample:
        """The ``size`` samples of step ``step`` (from 0): two arrays (size, P, P, 3) float32.

        Raises ValueError: ``size`` is no multiple of ``crops_per_photo``.
        """
        if size % self.crops_per_photo:
            raise ValueError(f"batch {size}: need a multiple of the crops per photo, {self.crops_per_photo}")
        photos = size // self.crops_per_photo
        pairs = [pair for offset in range(photos) for pair in self.photo(step * photos + offset)]
        return np.stack([a for a, _ in pairs]), np.stack([b for _, b in pairs])


def _same_crop(
    pictures: list[np.ndarray], patch: int, rng: np.random.Generator, may_turn: bool
) -> list[np.ndarray]:
    height, width = pictures[0].shape[:2]
    scale = 1.0
    if min(height, width) > 1.2 * patch and rng.random() < 0.3:  # other distances to the scene
        scale = float(rng.uniform(max(0.5, patch / min(height, width)), 1.0))
    source = min(int(np.ceil(patch / scale)), height, width) if min(height, width) >= patch else patch
    top = int(rng.integers(0, max(height - source, 0) + 1))
    left = int(rng.integers(0, max(width - source, 0) + 1))
    flip = rng.random() < 0.5
    turns = int(rng.integers(0, 4)) if may_turn and rng.random() < 0.3 else 0
    out = []
    for picture in pictures:
        crop = picture[top : top + source, left : left + source]
        if crop.shape[0] < patch or crop.shape[1] < patch:
            down, right = max(0, patch - crop.shape[0]), max(0, patch - crop.shape[1])
            crop = np.pad(crop, ((0, down), (0, right), (0, 0)), mode="symmetric")[:patch, :patch]
        if crop.shape[0] != patch:
            crop = cv2.resize(crop, (patch, patch), interpolation=cv2.INTER_AREA)
        if flip:
            crop = crop[:, ::-1]
        out.append(np.ascontiguousarray(np.rot90(crop, turns)))
    return out


class Prefetcher:
    """Batches of consecutive steps, made ahead of need by a few threads (OpenCV releases the GIL)."""

    def __init__(
        self, make: Callable[[int], Sample], first: int, last: int, threads: int = 2, ahead: int = 4
    ) -> None:
        self._make, self._next, self._last, self._ahead = make, first, last, ahead
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="samples")
        self._pending: list[Future[Sample]] = []
        self._top_up()

    def _top_up(self) -> None:
        while len(self._pending) < self._ahead and self._next < self._last:
            self._pending.append(self._pool.submit(self._make, self._next))
            self._next += 1

    def take(self) -> Sample:
        """The next step's batch; raises whatever making it raised."""
        batch = self._pending.pop(0).result()
        self._top_up()
        return batch

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
