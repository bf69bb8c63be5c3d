"""What is told about every slot, on a small real model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core.images import io as image_io
from core.model import checkpoint
from core.model.memory import sparsemax
from core.restoring.memory import look as memory_look
from core.restoring.memory import slots as memory_slots
from core.restoring.memory.record import MemoryLook
from core.restoring.restore import RestoreRequest
from core.training.exemplar_fill import fill
from tests.small import photo, save_small_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def look(model: Path) -> MemoryLook:
    request = RestoreRequest(model=model, device="cpu", precision="fp32")
    return memory_look.look(image_io.from_array(photo(136, 104, 3)), request)


def test_every_slot_is_told_once_in_the_order_of_the_table(look: MemoryLook) -> None:
    facts = memory_slots.slot_facts(look)
    assert [each.row for each in facts] == list(range(2 * (12 + 6 + 3)))
    for group in look.slices:
        used = [each.usage for each in facts if (each.polarity, each.granularity) == group]
        assert sum(used) == pytest.approx(1, abs=1e-4)
    for each in facts:
        assert each.slot not in [other.slot for other in each.near]
        cosines = [other.cosine for other in each.near]
        assert cosines == sorted(cosines, reverse=True) and not each.typical
        table = look.held.table
        rows = look.slices[each.polarity, each.granularity]
        first = each.near[0]
        assert first.cosine == pytest.approx(
            float(table[each.row] @ table[rows.start + first.slot]), abs=1e-5
        )


def test_coarser_slots_are_made_of_finer_ones(model: Path, look: MemoryLook) -> None:
    network = checkpoint.load(model).network
    assert network.memory is not None
    for facts in memory_slots.slot_facts(look):
        assert bool(facts.made_of) == (facts.granularity != "part")
        assert list(facts.made_of) == sorted(facts.made_of, key=lambda each: -each.share)
    made = look.held.made_of["negative", "instance"]
    assert np.allclose(made.sum(1), 1, atol=1e-5)
    summed = made @ network.memory.parts[1].detach().numpy()
    summed /= np.linalg.norm(summed, axis=1, keepdims=True)
    assert np.allclose(summed, look.held.table[look.slices["negative", "instance"]], atol=1e-4)


def test_health_is_in_words(look: MemoryLook) -> None:
    facts = memory_slots.slot_facts(look)
    for each in facts:
        count = sum((o.polarity, o.granularity) == (each.polarity, each.granularity) for o in facts)
        assert (each.health == "unused") == (each.usage * count < 0.01)
        assert bool(each.health) == bool(each.health_words)
    assert memory_slots._health(0.6, 12, ()) == "overused" and memory_slots._health(0.6, 3, ()) == ""
    twin = (memory_slots.Likeness(2, 0.99),)
    assert memory_slots._health(0.2, 12, twin) == "duplicate"


def test_typical_samples_come_from_strong_to_weak(model: Path, look: MemoryLook) -> None:
    network = checkpoint.load(model).network
    samples = fill(network, [("a", photo(96, 96, 1)), ("b", photo(96, 96, 2))], lambda x, _rng: x * 0.7)
    facts = memory_slots.slot_facts(look, samples)
    told = [each for each in facts if each.typical]
    assert told
    rows = look.slices["positive", "part"]
    scores = look.held.sharpness * (
        samples.embeddings("positive") @ torch.from_numpy(look.held.table[rows]).T
    )
    weights = sparsemax(scores).numpy()
    for each in told:
        given = [weight for _sample, weight in each.typical]
        assert given == sorted(given, reverse=True) and given[-1] > 0
        if (each.polarity, each.granularity) == ("positive", "part"):
            column = weights[:, each.slot]
            assert given[0] == pytest.approx(column.max(), abs=1e-5)
            if len(given) == 4:
                assert given[-1] == pytest.approx(column[column > 0].min(), abs=1e-5)
    assert all(np.isfinite(each.usage) for each in facts)
