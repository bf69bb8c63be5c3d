"""The samples that training is shown: drawn by seed and number alone, in order, from photos that may not fit the memory."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cv import cv2
from core.data.sampling import PhotoPool, Prefetcher, SampleSource
from tests.small import photo
from tests.training_kit import make_data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data(tmp_path / "data")


@pytest.fixture
def source(data: Path) -> SampleSource:
    pool = PhotoPool(sorted((data / "clean").iterdir()))
    return SampleSource(pool, None, noisy, 32, 3)


def noisy(clean: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    noise = rng.normal(0, 0.1, clean.shape).astype(np.float32)
    return clean + noise, (noise[..., 0] > 0).astype(np.float32)


def test_sample_i_depends_on_seed_and_i_alone(source: SampleSource) -> None:
    forwards = [source.sample(i) for i in range(8)]
    backwards = [source.sample(i) for i in reversed(range(8))][::-1]
    for one, other in zip(forwards, backwards, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    elsewhere = replace(source, seed=4)
    assert not np.array_equal(elsewhere.sample(0)[0], forwards[0][0])


def test_an_epoch_visits_every_photo_once(source: SampleSource, monkeypatch: pytest.MonkeyPatch) -> None:
    read, seen = PhotoPool.__getitem__, []

    def noted(pool: PhotoPool, index: int) -> np.ndarray:
        seen.append(index)
        return read(pool, index)

    monkeypatch.setattr(PhotoPool, "__getitem__", noted)
    for index in range(15):
        source.sample(index)
    epochs = [seen[start : start + 5] for start in (0, 5, 10)]
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_the_prefetcher_keeps_the_order_and_passes_errors_on() -> None:
    def make(step: int) -> Any:
        time.sleep(0.002 * (step % 3))
        if step == 6:
            raise OSError("photo gone")
        return np.full(1, step), np.full(1, step), np.zeros(1)

    prefetcher = Prefetcher(make, 2, 9, threads=3)
    assert [int(prefetcher.take()[0][0]) for _ in range(4)] == [2, 3, 4, 5]
    with pytest.raises(OSError, match="photo gone"):
        prefetcher.take()
    prefetcher.close()


def test_photos_smaller_than_the_patch_are_mirrored(data: Path) -> None:
    cv2.imwrite(str(data / "clean" / "9.png"), photo(9, 5))
    pool = PhotoPool([data / "clean" / "9.png"])
    degraded, clean, mask = SampleSource(pool, None, noisy, 32, 1).sample(0)
    assert degraded.shape == clean.shape == (32, 32, 3)
    assert mask.shape == (32, 32, 1)


def test_the_pool_leaves_memory_to_others(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = sorted((data / "clean").iterdir())
    one = photo(72, 64).nbytes
    memory = type("Memory", (), {"available": 4 * (2 * one + 1)})
    monkeypatch.setattr("core.data.sampling.psutil.virtual_memory", lambda: memory)
    pool = PhotoPool(paths)
    assert [pool[index] is pool[index] for index in range(4)] == [True, True, False, False]


def test_the_pool_reads_again_beyond_its_budget(data: Path) -> None:
    paths = sorted((data / "clean").iterdir())
    rich, poor = PhotoPool(paths), PhotoPool(paths, budget_bytes=0)
    assert rich[0] is rich[0]
    assert poor[0] is not poor[0]
    assert np.array_equal(rich[0], poor[0])
