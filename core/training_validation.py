"""Scores of a network on validation photos, with and without being told where the damage is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core import metrics
from core.health import Listener, usage_of
from core.network import MemoryNet
from core.tensors import to_pixels
from core.training_data import Example


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over the photos, by ``protocol`` (a key of :data:`core.metrics.PROTOCOLS`)."""

    protocol: str
    photos: int
    psnr_db: float
    ssim: float
    input_psnr_db: float
    psnr_guided_db: float | None = None  # with the masks given; None where there are none
    ssim_guided: float | None = None
    usage: Tensor | None = None  # (R,) mean weight of each memory slot; None without a memory
    silent: float | None = None  # share of the units behind the memory's read that never rose, 0..1

    @property
    def deciding_db(self) -> float:
        """What the best weights are chosen by: as often as not there is a mask."""
        return self.psnr_db if self.psnr_guided_db is None else 0.5 * (self.psnr_db + self.psnr_guided_db)


def score(
    network: MemoryNet, examples: Sequence[Example], task: str, device: str, after_each: Callable[[], None]
) -> Scores:
    """Restore every example in one piece and compare it with its truth. ``after_each`` may raise to stop."""
    protocol = metrics.TASK_PROTOCOL[task]
    plain: list[tuple[float, float]] = []
    guided: list[tuple[float, float]] = []
    given: list[float] = []
    usages: list[Tensor] = []
    with torch.inference_mode(), Listener(network.memory) as listener:
        for example in examples:
            x = torch.from_numpy(example.degraded).to(device).permute(2, 0, 1)[None].float() / 255
            plain.append(_score_one(network, x, None, example, protocol, usages))
            if example.mask is not None:
                mask = torch.from_numpy(example.mask).to(device)[None, None].float() / 255
                guided.append(_score_one(network, x, mask, example, protocol))
            given.append(metrics.psnr_db(example.degraded, example.truth, protocol))
            after_each()
    psnr_db, ssim = np.mean(plain, axis=0).tolist()
    told: list[float | None] = np.mean(guided, axis=0).tolist() if guided else [None, None]
    usage = torch.stack(usages).mean(0) if usages else None
    return Scores(
        protocol,
        len(examples),
        psnr_db,
        ssim,
        float(np.mean(given)),
        told[0],
        told[1],
        usage,
        listener.silent,
    )


def _score_one(
    network: MemoryNet,
    x: Tensor,
    mask: Tensor | None,
    example: Example,
    protocol: str,
    usages: list[Tensor] | None = None,
) -> tuple[float, float]:
    output = network(x, mask)
    if usages is not None and output.address is not None:
        usages.append(usage_of(output.address.weights))
    restored = to_pixels(output.restored, np.dtype(np.uint8))
    return metrics.psnr_db(restored, example.truth, protocol), metrics.ssim(restored, example.truth, protocol)
