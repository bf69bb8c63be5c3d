"""Small but real networks and pictures for tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from core.cv import cv2
from core.model import catalog, checkpoint
from core.model.config import NetworkConfig
from core.model.network import MemoryNet
from core.tasks import TASKS

SMALL = NetworkConfig(width=4, blocks=(1, 1, 2), memory_dim=8, slots=(12, 6, 3))


def small_network(seed: int = 0, trained: bool = True) -> MemoryNet:
    """A small network; ``trained`` fills the zero-initialised projections so that it does something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = MemoryNet(SMALL)
    if trained:
        with torch.no_grad():
            assert network.memory is not None
            for layer in (network.last, network.memory.out):
                layer.weight.copy_(0.1 * torch.randn(layer.weight.shape, generator=generator))
    return network.eval()


def save_small_model(
    folder: Path, seed: int = 0, name: str = "small", trained: bool = True, task: str = "derain"
) -> Path:
    return checkpoint.save(
        folder, small_network(seed, trained), name=name, task=task, provenance={"note": "made by a test"}
    )


def photo(width: int, height: int, seed: int = 0, dtype: type = np.uint8) -> np.ndarray:
    """(H, W, 3) smooth structure with texture and edges, full range."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    channels = []
    for _ in range(3):
        fx, fy, phase = rng.uniform(0.02, 0.3, 3)
        channels.append(0.5 + 0.35 * np.sin(fx * x + fy * y + 6 * phase) + 0.1 * ((x // 13 + y // 7) % 2))
    picture = np.stack(channels, -1) + rng.normal(0, 0.02, (height, width, 3))
    top = np.iinfo(dtype).max
    return np.rint(np.clip(picture, 0, 1) * top).astype(dtype)


@contextmanager
def small_samples(folder: Path) -> Iterator[None]:
    """Small photos in the place of those that ship ("SAMPLES/train" and "SAMPLES/validation"): to decode these takes longer
    than a short run of a small network does."""
    folder.mkdir(parents=True)
    paths = [folder / f"{seed}.jpg" for seed in range(6)]
    for seed, path in enumerate(paths):
        cv2.imwrite(str(path), photo(72, 64, seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            catalog, "sample_photos", lambda validation: tuple(paths[4:] if validation else paths[:4])
        )
        yield


def small_resources(folder: Path) -> Path:
    """What ships, with small networks under the names of the shipped models.

    Restoring with one takes an eighth of the time, and what happens around it is the same.
    """
    folder.mkdir(parents=True)
    for shipped in catalog.RESOURCES.iterdir():
        if shipped.name != "weights":
            (folder / shipped.name).symlink_to(shipped)
    for number, task in enumerate(TASKS.values()):
        provenance = catalog.RESOURCES / "weights" / task.default_model / catalog.CONFIG_NAME
        guidance = json.loads(provenance.read_text())["provenance"]["guidance"]
        checkpoint.save(
            folder / "weights" / task.default_model,
            small_network(number),
            name=task.default_model,
            task=task.name,
            provenance={
                "guidance": guidance,
                "verdict": {"nothing_below": 0.0, "much_from": 1e3, "gone": None},
            },
        )
    return folder
