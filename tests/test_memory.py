from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.memory import GRANULARITIES, POLARITIES, PrototypeMemory, sparsemax
from tests.small import small_network

SEEDS = st.integers(0, 2**31 - 1)


def features(seed: int, batch: int = 1, edge: int = 8) -> torch.Tensor:
    return torch.randn(batch, 32, edge, edge, generator=torch.Generator().manual_seed(seed))


@given(SEEDS, st.integers(1, 40), st.floats(0.1, 50))
@settings(max_examples=60, deadline=None)
def test_sparsemax_is_a_point_of_the_simplex(seed: int, size: int, scale: float) -> None:
    scores = scale * torch.randn(5, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    weights = sparsemax(scores)
    assert (weights >= 0).all()
    assert torch.allclose(weights.sum(-1), torch.ones(5, dtype=torch.float64))
    order = scores.argsort(-1)
    assert (weights.gather(-1, order).diff(dim=-1) >= -1e-12).all()  # larger score, no smaller weight


def test_sparsemax_by_hand() -> None:
    # threshold t with (1.0 - t) + (0.8 - t) = 1 is 0.4; 0.1 lies below it
    assert torch.allclose(sparsemax(torch.tensor([1.0, 0.8, 0.1])), torch.tensor([0.6, 0.4, 0.0]))
    assert torch.allclose(sparsemax(torch.tensor([3.0, 1.0])), torch.tensor([1.0, 0.0]))


def test_new_memory_is_the_identity() -> None:
    memory = PrototypeMemory(32, 8, (12, 6, 3))
    read = memory(features(1), summary=torch.randn(1, 5, 8))
    assert torch.equal(read.features, torch.zeros_like(features(1)))


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_retrieved_weights_are_ordered_and_at_most_one(seed: int) -> None:
    torch.manual_seed(seed)
    memory = PrototypeMemory(32, 8, (12, 6, 3))
    retrieval = memory(features(seed), want_retrieval=True).retrieval
    assert retrieval is not None
    assert set(retrieval.reads) == set(POLARITIES)
    for by_granularity in retrieval.reads.values():
        assert tuple(by_granularity) == GRANULARITIES
        for name, read in by_granularity.items():
            assert read.slots.shape == read.weights.shape == (1, 3 if name == "semantic" else 4, 4, 4)
            assert (read.weights.diff(dim=1) <= 0).all()
            assert (read.weights >= 0).all()
            assert (read.weights.sum(1) <= 1 + 1e-5).all()
            if name == "semantic":  # all three slots are kept, so nothing is missing from the sum
                assert torch.allclose(read.weights.sum(1), torch.ones(1, 4, 4), atol=1e-5)
    assert ((retrieval.negative_response >= 0) & (retrieval.negative_response <= 1)).all()


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_order_of_part_slots_means_nothing(seed: int) -> None:
    network = small_network(seed)
    memory = network.memory
    before = memory(features(seed)).features
    shuffle = torch.randperm(12, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        memory.parts.copy_(memory.parts[:, shuffle])
        memory.to_instance.copy_(memory.to_instance[:, :, shuffle])
    assert torch.allclose(before, memory(features(seed)).features, atol=1e-5)


def test_summary_is_read_once_its_projection_is_not_zero() -> None:
    memory = small_network(3).memory
    x = features(3)
    summary = memory.summarise(x)
    assert summary.shape == (1, 24, 8)
    without, with_summary = memory(x).features, memory(x, summary).features
    assert not torch.allclose(without, with_summary)
    with torch.no_grad():
        memory.actual_out.weight.zero_()
    assert torch.allclose(without, memory(x, summary).features)


def test_summary_counts_only_weighted_positions() -> None:
    memory = small_network(4).memory
    x = features(4)
    left = torch.zeros(1, 1, 4, 4)
    left[..., :2] = 1
    changed = x.clone()
    changed[..., 4:] = torch.randn(1, 32, 8, 4)  # the half that does not count
    assert torch.allclose(memory.summarise(x, left), memory.summarise(changed, left), atol=1e-6)
    assert not torch.allclose(memory.summarise(x), memory.summarise(changed), atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_retrieval_does_not_change_the_result(dtype: torch.dtype) -> None:
    network = small_network(5).to(dtype)
    x = torch.rand(1, 3, 32, 40, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        plain, recorded = network(x), network(x, want_retrieval=True)
    assert plain.retrieval is None
    assert recorded.retrieval is not None
    assert torch.equal(plain.restored, recorded.restored)


def test_gradients_are_finite_under_bf16() -> None:
    network = small_network(6).train()
    x = torch.rand(2, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        output = network(x)
    (output.restored.square().mean() + output.polarity_logit.square().mean()).backward()
    for name, parameter in network.named_parameters():
        if parameter.grad is None:
            assert name.startswith("memory.actual_out"), name
        else:
            assert torch.isfinite(parameter.grad).all(), name
