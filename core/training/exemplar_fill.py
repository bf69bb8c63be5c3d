"""Filling the sample memory from photos: clean places, the same degraded, and what the network made of them.

Photos are looked at in windows of up to :data:`WINDOW_PX`, those of one photo sharing their actual memory, as in
training. Cells whose patch leaves the window are not sampled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.data.degrade import Degradation
from core.data.sampling import PhotoPool
from core.events import ItemDone, ItemStarted, Notice
from core.images import metrics
from core.images.types import ImageError
from core.jobs import Emit, JobControl, ignore
from core.model.config import STRIDE_PX
from core.model.exemplars import DEGRADED, POSITIVE, WRONG, SampleError, SampleMemory
from core.model.network import MemoryNet
from core.problems import describe
from core.training.learning import losses

WINDOW_PX = 256
WINDOWS_PER_PHOTO = 4
_DAMAGED_AT = 0.5  # of core.training.learning.losses.damage_map: certainly degraded, as in training
_WRONG_SHARE = 0.05  # of a photo's cells: those whose result differs most from the truth,
_WRONG_AT = 3 / 255  # if they differ by this on average


def fill(
    network: MemoryNet,
    photos: Sequence[Path | tuple[str, np.ndarray]],
    degrade: Degradation,
    seed: int = 0,
    bounds: Mapping[str, int] | None = None,
    *,
    visits: int = 1,
    older: Sequence[MemoryNet] = (),
    weights_sha256: str = "",
    emit: Emit = ignore,
    control: JobControl | None = None,
) -> SampleMemory:
    """A sample memory from clean photos, without training: a person's own photos bring their own domain.

    Clean cells become positive samples. Of the same photos degraded, cells that are certainly damaged become
    degraded ones; and where the network's result, or that of ``older`` weights, is farthest from the truth, the
    result itself becomes a wrong one. All embeddings are those of ``network``. The same photos in the same order
    and the same seed give the same samples on one machine.

    Args:
        network: in its own precision, on its own device.
        photos: clean ones: paths, or names with (H, W, 3) uint8 | uint16. Those that cannot be read or are
            smaller than a patch are passed over with a Notice.
        degrade: what the network undoes, best bound to parameters that leave nothing clean
            (:meth:`core.data.degrade.RegisteredDegradation.always`).
        visits: how often each photo is looked at, each time in other windows and degraded anew; at least 1.
        older: networks of the same task, as they were earlier in training.
        bounds, weights_sha256: see :class:`core.model.exemplars.SampleMemory`.
        emit: takes an ItemStarted and an ItemDone for each visit to a photo, and Notices.
        control: asked between photos and between the network's blocks.

    Raises:
        SampleError: the network has no memory, or no photo could be used.
        Cancelled: stopped by ``control``.
    """
    if network.memory is None:
        raise SampleError("a network without a memory has no embeddings to keep samples by")
    control = control or JobControl()
    memory = SampleMemory(network.config.memory_dim, bounds, weights_sha256=weights_sha256)
    unusable: set[int] = set()
    count = visits * len(photos)
    for index in range(count):
        control.checkpoint()
        photo = photos[index % len(photos)]
        name = photo.name if isinstance(photo, Path) else photo[0]
        emit(ItemStarted(index + 1, count, name))
        error: Exception | None = None
        try:
            pixels = (
                PhotoPool([photo], budget_bytes=0)[0]
                if isinstance(photo, Path)
                else metrics.to_8bit(photo[1])
            )
            windows = _windows(pixels, name, np.random.default_rng([seed, 0, index]), memory.thumbnail_px)
        except (ImageError, SampleError) as problem:
            error = problem
            if index % len(photos) not in unusable:  # said once
                emit(Notice(f"{name} was passed over. {describe(problem).why}"))
            unusable.add(index % len(photos))
        else:
            rng = np.random.default_rng([seed, 1, index])
            _fill_from(memory, network, older, windows, name, degrade, rng, control)
        emit(ItemDone(index + 1, count, name, error, None))
    if not memory.count(POSITIVE):
        raise SampleError(f"none of {len(photos)} photos could be used to fill it")
    return memory


@dataclass(frozen=True, slots=True)
class _Windows:
    """Windows of one photo, all of one size."""

    pixels: np.ndarray  # (W, h, w, 3) uint8, h and w multiples of the stride
    corners: np.ndarray  # (W, 2), x and y in the photo


def _windows(pixels: np.ndarray, name: str, rng: np.random.Generator, patch_px: int) -> _Windows:
    """Some windows of a regular grid over the photo. Raises SampleError: it is smaller than a patch."""
    height, width = pixels.shape[:2]
    _refuse_small(height, width, name, patch_px)
    h, w = (min(WINDOW_PX, edge // STRIDE_PX * STRIDE_PX) for edge in (height, width))
    rows, columns = height // h, width // w
    corners = []
    for place in sorted(rng.permutation(rows * columns)[:WINDOWS_PER_PHOTO].tolist()):
        row, column = divmod(place, columns)
        # the grid is stretched over the photo, so that its edges are sampled, too
        x = (width - w) * column // max(1, columns - 1) if columns > 1 else (width - w) // 2
        y = (height - h) * row // max(1, rows - 1) if rows > 1 else (height - h) // 2
        corners.append((x, y))
    cut = [pixels[y : y + h, x : x + w] for x, y in corners]
    return _Windows(np.stack(cut), np.array(corners, np.int64))


def _refuse_small(height: int, width: int, name: str, patch_px: int) -> None:
    least = (2 * _margin_cells(patch_px) + 1) * STRIDE_PX
    if min(height, width) < least:
        raise SampleError(f"{name}: {width}x{height} px, need at least {least}x{least}")


def _margin_cells(patch_px: int) -> int:
    """Cells along a window's edge whose patch would leave it."""
    return max(0, -(-(patch_px - STRIDE_PX) // (2 * STRIDE_PX)))


@torch.no_grad()  # not inference mode: what is kept may be used while training
def _fill_from(
    memory: SampleMemory,
    network: MemoryNet,
    older: Sequence[MemoryNet],
    windows: _Windows,
    name: str,
    degrade: Degradation,
    rng: np.random.Generator,
    control: JobControl,
) -> None:
    """Samples of one photo."""
    clean = windows.pixels.astype(np.float32) / 255
    group = len(clean)
    # in one go: what is the same all over a photo stays so
    damaged = np.stack(np.split(degrade(np.concatenate(list(clean), axis=1), rng), group, axis=1))
    truth, x = _tensor(clean, network), _tensor(damaged, network)
    _offer(memory, POSITIVE, windows, windows.pixels, network.embed(truth), name)
    for net in (network, *older):
        output = net(x, group=group, between=control.checkpoint)
        if net is network:
            assert output.address is not None
            where = losses.damage_map(x, truth, STRIDE_PX) > _DAMAGED_AT
            _offer(memory, DEGRADED, windows, _levels(damaged), output.address.query, name, where)
        result = _levels(output.restored.float().permute(0, 2, 3, 1).cpu().numpy())
        seen = _tensor(result.astype(np.float32) / 255, network)
        error = losses.damage_map(seen, truth, STRIDE_PX, full_at=1.0)
        worst = float(torch.quantile(error.flatten(), 1 - _WRONG_SHARE))
        wrong = error >= max(worst, _WRONG_AT)
        if bool(wrong.any()):
            _offer(memory, WRONG, windows, result, network.embed(seen), name, wrong)


def _offer(
    memory: SampleMemory,
    kind: str,
    windows: _Windows,
    shown: np.ndarray,
    queries: Tensor,
    name: str,
    where: Tensor | None = None,
) -> int:
    """Offer the cells ``where`` (W, n, m) is true, or all, of what is ``shown`` (W, h, w, 3) uint8."""
    edge, margin = memory.thumbnail_px, _margin_cells(memory.thumbnail_px)
    first = margin * STRIDE_PX + STRIDE_PX // 2 - edge // 2  # of the first patch
    inner = slice(margin, queries.shape[2] - margin), slice(margin, queries.shape[3] - margin)
    kept = torch.ones_like(queries[:, 0], dtype=torch.bool) if where is None else where
    mask = kept[:, *inner].cpu()
    embedding = queries[:, :, *inner].permute(0, 2, 3, 1).float().cpu()[mask]
    patches = np.lib.stride_tricks.sliding_window_view(shown, (edge, edge), axis=(1, 2))
    patches = np.moveaxis(patches[:, first::STRIDE_PX, first::STRIDE_PX], 3, -1)
    window, row, column = np.nonzero(mask.numpy())
    at = windows.corners[window] + first + STRIDE_PX * np.stack((column, row), -1)
    return memory.add(kind, embedding, patches[window, row, column], name, at)


def _tensor(pictures: np.ndarray, network: MemoryNet) -> Tensor:
    """(W, h, w, 3) float32 in 0..1 -> (W, 3, h, w) where the network is."""
    device = next(network.parameters()).device
    return torch.from_numpy(np.ascontiguousarray(pictures, np.float32)).to(device).permute(0, 3, 1, 2)


def _levels(pictures: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(pictures, 0, 1) * 255).astype(np.uint8)
