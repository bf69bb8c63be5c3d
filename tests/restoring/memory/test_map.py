"""The map of samples and slots, and where restoring moves places, against what they are made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import extras
from core.images import io as image_io
from core.model import checkpoint
from core.model.exemplars import SampleMemory
from core.restoring.memory import look as memory_look
from core.restoring.memory import map as memory_map
from core.restoring.memory.record import MemoryLook
from core.restoring.restore import RestoreRequest
from core.training.exemplar_fill import fill
from tests.image_makers import without_extras
from tests.small import photo, save_small_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def looks(model: Path) -> tuple[MemoryLook, MemoryLook]:
    request = RestoreRequest(model=model, device="cpu", precision="fp32", scale="1")
    before = memory_look.look(image_io.from_array(photo(136, 104, 3)), request)
    after = memory_look.look(image_io.from_array(photo(136, 104, 9)), request)
    return before, after


def test_the_map_holds_every_sample_and_slot_and_keeps_what_is_widest(
    model: Path, looks: tuple[MemoryLook, MemoryLook]
) -> None:
    samples = fill(checkpoint.load(model).network, [("a.png", photo(96, 96, 1))], lambda x, _rng: x * 0.6)
    found = memory_map.memory_map(looks[0], samples)
    count = samples.count("positive") + samples.count("negative")
    assert found.samples.shape == (count, 2) == (len(found.sample_of), 2)
    assert found.slots.shape == (len(looks[0].usage), 2)
    assert found.place(np.zeros((3, samples.dim), np.float32)).shape == (3, 2) and 0 < found.kept <= 1
    kind, index = found.sample_of[-1]
    assert np.allclose(
        found.place(samples.embeddings(kind).numpy()[index][None]), found.samples[-1], atol=1e-5
    )
    assert found.samples.var(0).sum() + found.slots.var(0).sum() > 0
    assert found.explained is not None and 0 < found.explained <= 1
    again = memory_map.memory_map(looks[0], samples)
    assert np.array_equal(found.slots, again.slots)
    left, low, right, high = found.bounds
    assert left < right and low < high
    alone = memory_map.memory_map(looks[0], SampleMemory(7))
    assert not len(alone.samples) and alone.slots.shape == found.slots.shape


def test_neighbours_that_stay_neighbours_are_counted() -> None:
    line = np.cumsum(np.linspace(0.05, 0.17, 12, dtype=np.float32))  # no two are equally far from a third
    members = np.stack((np.cos(line), np.sin(line)), 1)
    assert memory_map.kept(members, np.stack((line, 0 * line), 1), 3) == 1
    shuffled = np.random.default_rng(0).permutation(line)
    assert memory_map.kept(members, np.stack((shuffled, 0 * line), 1), 3) < 0.6


@pytest.mark.skipif(bool(extras.missing("map")), reason="needs the extra map")
def test_a_map_by_likeness_keeps_neighbours_together(
    model: Path, looks: tuple[MemoryLook, MemoryLook]
) -> None:
    samples = fill(checkpoint.load(model).network, [("a.png", photo(96, 96, 1))], lambda x, _rng: x * 0.6)
    flat, found = memory_map.memory_map(looks[0], samples), memory_map.likeness_map(looks[0], samples)
    assert found.samples.shape == flat.samples.shape and found.slots.shape == flat.slots.shape
    assert found.explained is None and found.kept > 0.3
    assert np.array_equal(found.slots, memory_map.likeness_map(looks[0], samples).slots)
    left, low, right, high = found.bounds
    (x, y) = found.place(looks[0].held.table[:1])[0]
    assert left <= x <= right and low <= y <= high


def test_what_brings_a_map_by_likeness_is_said(
    looks: tuple[MemoryLook, MemoryLook], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_extras(monkeypatch)
    with pytest.raises(extras.MissingExtra, match=r"need scikit-learn.*python -m pip install scikit-learn"):
        memory_map.likeness_map(looks[0], None)


def test_the_response_is_the_difference_of_both_sides(looks: tuple[MemoryLook, MemoryLook]) -> None:
    look = looks[0]
    positive, negative = memory_map.likeness(look)
    response = 1 / (1 + np.exp(-look.held.sharpness * (negative - positive)))
    assert np.allclose(response, look.before.values, atol=1e-4)


def test_moves_are_means_of_before_and_after(looks: tuple[MemoryLook, MemoryLook]) -> None:
    before, after = looks
    found = {move.name: move for move in memory_map.moves(before, after, [(33, 17, 1, 1), (0, 0, 136, 104)])}
    assert found["photo"].before.response == pytest.approx(before.before.mean, abs=1e-5)
    assert found["photo"].after.response == pytest.approx(after.before.mean, abs=1e-5)
    assert found["2"] == replace(found["photo"], name="2")
    assert found["1"].before.response == pytest.approx(float(before.before.values[2, 4]), abs=1e-6)
    damaged = before.before.values > 0.5
    assert ("damaged" in found) == bool(damaged.any())
    with pytest.raises(ValueError, match="one photo and one model"):
        memory_map.moves(before, replace(after, model_sha256="other"))
