"""Training samples: sample *i* depends on (seed, *i*) alone, whoever asks for it and in whatever order.

That is what makes a resumed run equal an uninterrupted one, and a prefetching thread harmless.
"""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from core.cv import cv2
from core.data import guidance
from core.data.degrade import MaskedDegradation, PairDegradation
from core.data.degrade.base import smooth_field
from core.images import io as image_io
from core.images import metrics

Sample = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Degraded and clean crop, each (P, P, 3), and where it is damaged (P, P, 1), all float32 in 0..1.

The mask is zero all over where it is unknown or withheld."""

FindMask = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(degraded, truth), both (H, W, 3) uint8 -> (H, W) uint8, 255 where it is damaged."""

_ROUGH = 0.5  # share of the masks given that are as rough as a painted one
_REDUCED = 1.8  # a camera's picture is larger than what is made of it by up to this
_COMPRESSED, _QUALITY = 0.8, (55, 97)  # share of JPEGs, and their quality
_SHARP_PX, _SHARP = (0.5, 1.5), (0.2, 1.5)  # radius and amount of a camera's sharpening
_NOISE = 0.02  # largest standard deviation of a camera's noise at mid-grey, of 1
_SOFT_PX = (
    0.8,
    6.0,
)  # standard deviations of a photo's blur where it is out of focus, drawn evenly in their logarithm


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
        """(H, W, 3) uint8. Raises what :func:`core.images.io.read` raises."""
        kept = self._kept.get(index)
        if kept is not None:
            return kept
        pixels = metrics.to_8bit(image_io.read(self.paths[index]).pixels)
        with self._lock:
            if pixels.nbytes <= self._left:
                self._kept[index] = pixels
                self._left -= pixels.nbytes
        return pixels

    def still_to_come(self) -> int:
        """Bytes that it will yet hold, judged by the photos it holds so far."""
        with self._lock:
            if not self._kept:
                return 0
            mean = sum(pixels.nbytes for pixels in self._kept.values()) / len(self._kept)
            return int(min(self._left, mean * (len(self.paths) - len(self._kept))))


class MaskPool:
    """Masks of real pairs, read or found once and kept while the budget lasts, as in :class:`PhotoPool`.

    ``files`` has a place for each pair: its mask's file, or None where the mask is to be found in the pair.
    """

    def __init__(
        self,
        inputs: PhotoPool,
        truths: PhotoPool,
        find: FindMask,
        budget_bytes: int = 1 << 30,
        files: Sequence[Path | None] = (),
    ) -> None:
        if files and len(files) != len(truths):
            raise ValueError(f"{len(files)} places for masks, {len(truths)} pairs")
        self._inputs, self._truths, self._find, self._files = inputs, truths, find, tuple(files)
        self._kept: dict[int, np.ndarray] = {}
        self._left = budget_bytes
        self._lock = threading.Lock()

    def __getitem__(self, index: int) -> np.ndarray:
        """(H, W) uint8. Raises what :func:`core.images.io.read` raises, MaskError."""
        kept = self._kept.get(index)
        if kept is not None:
            return kept
        file = self._files[index] if self._files else None
        if file is None:
            mask = self._find(self._inputs[index], self._truths[index])
        else:
            mask = guidance.read_mask(file)
            height, width = self._truths[index].shape[:2]
            guidance.check_size(mask, width, height, file.name)
        with self._lock:
            if mask.nbytes <= self._left:
                self._kept[index] = mask
                self._left -= mask.nbytes
        return mask


class Source(ABC):
    """Crops for training, ``crops_per_photo`` neighbours of one photo."""

    crops_per_photo: int

    @property
    @abstractmethod
    def has_masks(self) -> bool:
        """Whether any sample's mask says something."""

    @abstractmethod
    def photo(self, index: int) -> list[Sample]:
        """The crops of one visit to a photo, which depend on the seed and ``index`` alone."""

    def sample(self, index: int) -> Sample:
        return self.photo(index // self.crops_per_photo)[index % self.crops_per_photo]

    def batch(self, step: int, size: int, share: slice = slice(None)) -> Sample:
        """The ``size`` samples of step ``step`` (from 0), stacked: (size, P, P, 3) twice and (size, P, P, 1).

        ``share`` says which of the step's visits to a photo are wanted, where several processes share a batch.

        Raises ValueError: ``size`` is no multiple of ``crops_per_photo``.
        """
        if size % self.crops_per_photo:
            raise ValueError(f"batch {size}: need a multiple of the crops per photo, {self.crops_per_photo}")
        photos = size // self.crops_per_photo
        samples = [sample for offset in range(photos)[share] for sample in self.photo(step * photos + offset)]
        degraded, clean, mask = (np.stack(parts) for parts in zip(*samples, strict=True))
        return degraded, clean, mask


@dataclass(frozen=True)
class SampleSource(Source):
    """With ``inputs`` None, ``degrade`` makes the degraded side; else pairs are cropped.

    Neighbours show one photo, degraded in one go, so that they share what is the same all over a photo. A photo
    smaller than the patch is mirrored up to it. ``guidance_share`` of the visits come with their mask, half of
    these as a person would paint it: with a hard edge, a little too large or too small, corners cut.
    """

    truths: PhotoPool
    inputs: PhotoPool | None
    degrade: MaskedDegradation | None
    patch_px: int
    seed: int
    crops_per_photo: int = 1
    guidance_share: float = 0.0
    masks: MaskPool | None = None  # of pairs
    camera_share: float = 0.0  # see :func:`_camera`
    noise_share: float = 0.0  # see :func:`_noisy`
    sharp_share: float = 0.0  # see :func:`_sharpened`
    soft_share: float = 0.0  # see :func:`_out_of_focus`
    degrade_pair: PairDegradation | None = None  # instead of ``degrade``, where the truth is made with it
    margin_px: int = 0  # around a crop, for ``degrade_pair``

    @property
    def has_masks(self) -> bool:
        return self.guidance_share > 0 and (self.inputs is None or self.masks is not None)

    def photo(self, index: int) -> list[Sample]:
        epoch, place = divmod(index, len(self.truths))
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.truths))
        rng = np.random.default_rng([self.seed, 1, index])
        number = int(order[place])
        if self.inputs is None:
            degraded, cleans, masks = self._degraded(number, index, rng)
        else:
            degraded, cleans, masks = self._paired(number, index, self.inputs, rng)
        # a generator of its own: whether a mask is given changes nothing else
        telling = np.random.default_rng([self.seed, 2, index])
        if not telling.random() < self.guidance_share:
            masks = [np.zeros_like(mask) for mask in masks]
        elif telling.random() < _ROUGH:
            blur_px, level = telling.uniform(1.0, 4.0), telling.uniform(0.15, 0.85)
            masks = [_rough(mask, blur_px, level) for mask in masks]
        return [
            (one, clean, np.ascontiguousarray(mask[..., None]))
            for one, clean, mask in zip(degraded, cleans, masks, strict=True)
        ]

    def _degraded(
        self, number: int, index: int, rng: np.random.Generator
    ) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        count, truth = self.crops_per_photo, self.truths[number]
        camera = _Camera(self, index, truth)
        wide_px = camera.edge_px + 2 * self.margin_px
        cleans = [_unit(_same_crop([truth], wide_px, rng, may_turn=True)[0]) for _ in range(count)]
        focus = np.random.default_rng([self.seed, 5, index])  # of its own: without it nothing else changes
        if self.soft_share and focus.random() < self.soft_share:
            cleans = [_out_of_focus(clean, focus) for clean in cleans]
        if self.degrade_pair is not None:
            seed = int(rng.integers(2**63))  # neighbours were taken by one hand
            made = [self.degrade_pair(clean, np.random.default_rng(seed), self.margin_px) for clean in cleans]
            unknown = np.zeros((camera.edge_px, camera.edge_px), np.float32)
            return camera.take([one for one, _ in made], [other for _, other in made], [unknown] * count)
        assert self.degrade is not None
        degraded, mask = self.degrade(np.concatenate(cleans, axis=1), rng)
        damaged, masks = (np.split(part, count, axis=1) for part in (degraded, mask))
        return camera.take(damaged, cleans, masks)

    def _paired(
        self, number: int, index: int, inputs: PhotoPool, rng: np.random.Generator
    ) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        pictures = [self.truths[number], inputs[number]]
        if self.masks is not None and self.guidance_share > 0:
            pictures.append(self.masks[number])
        camera = _Camera(self, index, pictures[0])
        crops = [
            [_unit(crop) for crop in _same_crop(pictures, camera.edge_px, rng, may_turn=True)]
            for _ in range(self.crops_per_photo)
        ]
        unknown = np.zeros((camera.edge_px, camera.edge_px), np.float32)
        return camera.take(
            [crop[1] for crop in crops],
            [crop[0] for crop in crops],
            [crop[2] if len(crop) > 2 else unknown for crop in crops],
        )


class _Camera:
    """What happens to a visit's crops after the damage, drawn for (seed, index) from a generator of its own: without it
    nothing else changes."""

    def __init__(self, source: SampleSource, index: int, truth: np.ndarray) -> None:
        self.patch_px = self.edge_px = source.patch_px
        self.quality, self.noise = 0, 0.0
        self.rng = np.random.default_rng([source.seed, 3, index])
        if self.rng.random() < source.camera_share:
            largest = max(self.patch_px, min(int(_REDUCED * self.patch_px), *truth.shape[:2]))
            self.edge_px = int(self.rng.integers(self.patch_px, largest + 1))
            self.quality = int(self.rng.integers(*_QUALITY)) if self.rng.random() < _COMPRESSED else 0
        if source.noise_share and self.rng.random() < source.noise_share:
            self.noise = float(self.rng.uniform(0, _NOISE))
        self.sharp = (0.0, 0.0)  # radius and amount
        hand = np.random.default_rng([source.seed, 6, index])  # of its own, as that of the focus
        if source.sharp_share and hand.random() < source.sharp_share:
            self.sharp = (float(hand.uniform(*_SHARP_PX)), float(hand.uniform(*_SHARP)))

    def take(
        self, degraded: list[np.ndarray], cleans: list[np.ndarray], masks: list[np.ndarray]
    ) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        """Crops (edge_px, edge_px, 3) twice and masks (edge_px, edge_px), as they come out of it: patch_px wide."""
        if self.noise:
            fields = [self.rng.standard_normal(clean.shape, np.float32) for clean in cleans]
            degraded, cleans = (
                [_noisy(side, clean, noise, self.noise) for side, clean, noise in zip(sides, cleans, fields, strict=True)]
                for sides in (degraded, cleans)
            )  # fmt: skip
        if self.edge_px != self.patch_px:
            degraded, cleans, masks = (
                [_reduced(part, self.patch_px) for part in parts] for parts in (degraded, cleans, masks)
            )
        if self.sharp[1]:
            degraded, cleans = (
                [_sharpened(part, *self.sharp) for part in parts] for parts in (degraded, cleans)
            )
        if self.quality:
            degraded, cleans = (
                [_packed(part, self.quality) for part in parts] for parts in (degraded, cleans)
            )
        return degraded, cleans, masks


@dataclass(frozen=True)
class Mixture(Source):
    """Photos of several sources: which one a visit goes to is drawn from the seed and the visit's number."""

    sources: tuple[Source, ...]
    shares: tuple[float, ...]  # of the visits, relative to each other
    seed: int

    def __post_init__(self) -> None:
        if not self.sources or len(self.sources) != len(self.shares):
            raise ValueError(
                f"{len(self.sources)} sources, {len(self.shares)} shares: need one share for each"
            )
        if len({source.crops_per_photo for source in self.sources}) > 1:
            raise ValueError("crops per photo of the sources: must be equal")

    @property
    def crops_per_photo(self) -> int:  # type: ignore[override]
        return self.sources[0].crops_per_photo

    @property
    def has_masks(self) -> bool:
        return any(source.has_masks for source in self.sources)

    def photo(self, index: int) -> list[Sample]:
        upto = np.cumsum(self.shares) / sum(self.shares)
        drawn = np.random.default_rng([self.seed, 4, index]).random()
        return self.sources[int(np.searchsorted(upto[:-1], drawn, side="right"))].photo(index)


@dataclass(frozen=True)
class MixedSource(Source):
    """Photos of two sources in turns, spread evenly: a share ``second_share`` of the visits is the second's."""

    first: Source
    second: Source
    second_share: float

    def __post_init__(self) -> None:
        if not 0 <= self.second_share <= 1:
            raise ValueError(f"second_share {self.second_share}: need 0 to 1")
        if self.first.crops_per_photo != self.second.crops_per_photo:
            raise ValueError(
                f"crops per photo {self.first.crops_per_photo} and {self.second.crops_per_photo}: must be equal"
            )

    @property
    def crops_per_photo(self) -> int:  # type: ignore[override]
        return self.first.crops_per_photo

    @property
    def has_masks(self) -> bool:
        return self.first.has_masks or self.second.has_masks

    def photo(self, index: int) -> list[Sample]:
        before, after = (math.floor(n * self.second_share) for n in (index, index + 1))
        if after > before:
            return self.second.photo(before)
        return self.first.photo(index - before)


# Damage in a photo went through the camera with the scene. Drawn onto a finished file it stands out, sharp on
# what is soft, unpacked on what was packed, and a network learns to see that instead. Both sides of a
# sample go through alike, so that nothing but the damage is to be undone.


def _reduced(picture: np.ndarray, edge_px: int) -> np.ndarray:
    """(N, N, 3) or (N, N), float32 in 0..1, as a picture ``edge_px`` wide."""
    return np.clip(cv2.resize(picture, (edge_px, edge_px), interpolation=cv2.INTER_AREA), 0, 1)


def _sharpened(picture: np.ndarray, radius_px: float, amount: float) -> np.ndarray:
    """(N, N, 3) float32 in 0..1 after an unsharp mask, which phones and newspapers lay over all they show: streaks in
    it have dark rims that rain as it falls has not."""
    soft = cv2.GaussianBlur(picture, (0, 0), radius_px, borderType=cv2.BORDER_REFLECT)
    return np.clip(picture + np.float32(amount) * (picture - soft), 0, 1)


def _packed(picture: np.ndarray, quality: int) -> np.ndarray:
    """(N, N, 3) float32 in 0..1 after being a JPEG."""
    levels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    ok, data = cv2.imencode(".jpg", levels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        return picture
    found = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return _unit(np.ascontiguousarray(found[..., ::-1]))


def _out_of_focus(clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``clean`` (N, N, 3) float32 in 0..1 as a lens shows what lies behind the rain: soft all over, or only in parts.

    Few photos are soft where people stand in the rain, and before something simple rain has to be told by its
    own look. A network that only sees it before detail learns the detail (Gu et al., "Networks are slacking off",
    NeurIPS 2023: fewer, simpler backgrounds remove more rain that was never trained on).
    """
    deviation_px = float(np.exp(rng.uniform(np.log(_SOFT_PX[0]), np.log(_SOFT_PX[1]))))
    soft = cv2.GaussianBlur(clean, (0, 0), deviation_px, borderType=cv2.BORDER_REFLECT)
    if rng.random() < 0.5:
        near = np.clip(smooth_field(len(clean), clean.shape[1], rng, -1.0, 2.0), 0, 1)[..., None]
        soft = clean + near * (soft - clean)
    return soft.astype(np.float32, copy=False)


def _noisy(picture: np.ndarray, clean: np.ndarray, noise: np.ndarray, deviation: float) -> np.ndarray:
    """``picture`` with a camera's noise, all (N, N, 3): its variance grows with the light (shot noise) from a floor.

    Both sides of a sample get the same noise, so that it is not what is to be removed.
    """
    return np.clip(picture + noise * (deviation * np.sqrt(0.1 + 1.8 * clean)), 0, 1).astype(np.float32)


def _rough(mask: np.ndarray, blur_px: float, level: float) -> np.ndarray:
    """(P, P) float32 in 0..1: ``mask`` blurred and cut at ``level``, over about a pixel."""
    blurred = cv2.GaussianBlur(mask, (0, 0), blur_px, borderType=cv2.BORDER_REFLECT)
    return np.clip((blurred - np.float32(level)) * np.float32(2 * blur_px) + np.float32(0.5), 0, 1)


def _unit(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.float32) / 255


def _same_crop(
    pictures: list[np.ndarray], patch: int, rng: np.random.Generator, may_turn: bool
) -> list[np.ndarray]:
    """The same square of pictures (H, W, 3) or (H, W) of one size, scaled, mirrored and turned alike."""
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
            pad = ((0, down), (0, right), (0, 0))[: crop.ndim]
            crop = np.pad(crop, pad, mode="symmetric")[:patch, :patch]
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
