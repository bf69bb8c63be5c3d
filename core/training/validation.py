"""Scores of a network on validation photos, with and without being told where the damage is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from core.events import deciding_db
from core.images import metrics
from core.model.health import Listener, usage_of
from core.model.memory import Address
from core.model.network import MemoryNet
from core.model.tensors import to_pixels
from core.training.data import Example

EQUAL_DB = 100.0
"""What a restored photo counts that equals its truth: its PSNR is infinite, and no run could ever be better."""

GROUP_CAP_DB = 50.0
"""What a photo counts at most where sources are mixed: what comes back almost as it was must not outweigh the rest."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over the photos, by ``protocol`` (a key of :data:`core.images.metrics.PROTOCOLS`).

    Those whose input equals its truth are left out of all PSNR, unless there are no others: nothing is to be
    restored there, and one of them would make the mean infinite. Of a mixture it is the mean of its sources' means
    instead, where no photo counts more than :data:`GROUP_CAP_DB`.
    """

    protocol: str
    photos: int
    psnr_db: float
    ssim: float
    input_psnr_db: float
    psnr_guided_db: float | None = None  # with the masks given; None where there are none
    ssim_guided: float | None = None
    usage: Tensor | None = None  # (R,) mean weight of each memory slot; None without a memory
    silent: float | None = None  # share of the units behind the memory's read that never rose, 0..1
    groups: Mapping[str, float] = field(default_factory=dict)  # PSNR by source, of a mixture: each capped

    @property
    def deciding_db(self) -> float:
        return deciding_db(self.psnr_db, self.psnr_guided_db)


def score(
    network: MemoryNet,
    examples: Sequence[Example],
    protocol: str,
    device: str,
    after_each: Callable[[], None],
    watch: Callable[[int, np.ndarray], None] | None = None,
) -> Scores:
    """Restore every example in one piece and compare it with its truth.

    Args:
        protocol: "Y" or "RGB".
        after_each: may raise to stop.
        watch: is shown each example's number and what the network made of it, (H, W, 3) uint8, no mask given.
    """
    plain: dict[int, tuple[float, float]] = {}
    guided: dict[int, tuple[float, float]] = {}
    given: dict[int, float] = {}
    usages: list[Tensor] = []
    with torch.inference_mode(), Listener(network.memory) as listener:
        for index, example in enumerate(examples):
            x = torch.from_numpy(example.degraded).to(device).permute(2, 0, 1)[None].float() / 255
            restored, address = _restore(network, x, None)
            plain[index] = _compare(restored, example, protocol)
            if address is not None:
                usages.append(usage_of(address.weights))
            if watch is not None:
                watch(index, restored)
            if example.mask is not None:
                mask = torch.from_numpy(example.mask).to(device)[None, None].float() / 255
                guided[index] = _compare(_restore(network, x, mask)[0], example, protocol)
            given[index] = metrics.psnr_db(example.degraded, example.truth, protocol)
            after_each()
    groups = _by_group(examples, {index: value for index, (value, _) in plain.items()})
    if groups:
        in_groups = _by_group(examples, {index: value for index, (value, _) in guided.items()})
        return Scores(
            protocol,
            len(examples),
            _mean(list(groups.values())),
            _mean([value for _, value in plain.values()]),
            _mean(list(_by_group(examples, given).values())),
            _mean(list(in_groups.values())) if in_groups else None,
            _mean([value for _, value in guided.values()]) if guided else None,
            torch.stack(usages).mean(0) if usages else None,
            listener.silent,
            groups,
        )
    damaged = {index for index, value in given.items() if not math.isinf(value)}
    return Scores(
        protocol,
        len(examples),
        _mean_db({index: value for index, (value, _) in plain.items()}, damaged),
        _mean([value for _, value in plain.values()]),
        _mean_db(given, damaged),
        _mean_db({index: value for index, (value, _) in guided.items()}, damaged) if guided else None,
        _mean([value for _, value in guided.values()]) if guided else None,
        torch.stack(usages).mean(0) if usages else None,
        listener.silent,
    )


def _by_group(examples: Sequence[Example], found: Mapping[int, float]) -> dict[str, float]:
    """Mean capped PSNR in dB of each source of a mixture; empty without one."""
    values: dict[str, list[float]] = {}
    for index, value in found.items():
        if examples[index].group:
            values.setdefault(examples[index].group, []).append(min(value, GROUP_CAP_DB))
    return {group: _mean(each) for group, each in values.items()}


def _mean_db(found: Mapping[int, float], damaged: set[int]) -> float:
    values = [value for index, value in found.items() if index in damaged] or list(found.values())
    return _mean([min(value, EQUAL_DB) for value in values])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _restore(network: MemoryNet, x: Tensor, mask: Tensor | None) -> tuple[np.ndarray, Address | None]:
    """(H, W, 3) uint8, and where the memory was looked up."""
    output = network(x, mask)
    # weights that explode while training get a bad score here; the guard is who sends the run back
    return to_pixels(output.restored.nan_to_num(0.0).clamp(0, 1), np.dtype(np.uint8)), output.address


def _compare(restored: np.ndarray, example: Example, protocol: str) -> tuple[float, float]:
    return metrics.psnr_db(restored, example.truth, protocol), metrics.ssim(restored, example.truth, protocol)
