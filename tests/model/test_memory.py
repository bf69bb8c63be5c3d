from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.memory import (
    PrototypeMemory,
    RowEdit,
    _support_by_order,
    _support_by_trial,
    sparsemax,
)
from tests.small import small_network

SEEDS = st.integers(0, 2**31 - 1)


def features(seed: int, batch: int = 1, edge: int = 8) -> torch.Tensor:
    return torch.randn(batch, 16, edge, edge, generator=torch.Generator().manual_seed(seed))


@given(SEEDS, st.integers(1, 40), st.floats(0.1, 50))
@settings(max_examples=60, deadline=None)
def test_sparsemax_is_a_point_of_the_simplex(seed: int, size: int, scale: float) -> None:
    scores = scale * torch.randn(5, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    weights = sparsemax(scores)
    assert (weights >= 0).all()
    assert torch.allclose(weights.sum(-1), torch.ones(5, dtype=torch.float64))
    order = scores.argsort(-1)
    assert (weights.gather(-1, order).diff(dim=-1) >= -1e-12).all()  # larger score, no smaller weight


@given(SEEDS, st.integers(1, 70), st.floats(0.001, 50))
@settings(max_examples=60, deadline=None)
def test_both_ways_to_find_the_support_agree(seed: int, size: int, scale: float) -> None:
    scores = scale * torch.randn(40, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert torch.equal(_support_by_trial(scores), _support_by_order(scores))


def test_a_score_that_is_no_number_ends_the_search() -> None:
    weights = sparsemax(torch.tensor([[1.0, float("nan"), 0.0], [1.0, 0.5, 0.0]]))
    assert weights[0].isnan().any() and torch.allclose(weights[1], torch.tensor([0.75, 0.25, 0.0]))


def test_sparsemax_by_hand() -> None:
    # threshold t with (1.0 - t) + (0.8 - t) = 1 is 0.4; 0.1 lies below it
    assert torch.allclose(sparsemax(torch.tensor([1.0, 0.8, 0.1])), torch.tensor([0.6, 0.4, 0.0]))
    assert torch.allclose(sparsemax(torch.tensor([3.0, 1.0])), torch.tensor([1.0, 0.0]))


def small_memory(seed: int) -> PrototypeMemory:
    memory = small_network(seed).memory
    assert memory is not None
    return memory


def change(memory: PrototypeMemory, x: torch.Tensor, **options: Any) -> torch.Tensor:
    """All that a read of ``x`` changes, in one tensor; by default the photo is ``x`` alone."""
    address = memory.address(x)
    options.setdefault("summary", memory.summarise(address))
    read = memory.read(address, **options)
    return torch.cat((read.effect.scale, read.effect.shift, read.effect.light), 1)


def test_new_memory_is_the_identity() -> None:
    memory = PrototypeMemory(16, 8, (12, 6, 3))
    assert not change(memory, features(1)).any()


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_weights_sum_to_one_in_every_granularity_and_polarity(seed: int) -> None:
    memory = small_memory(seed)
    weights = memory.address(features(seed)).weights
    assert weights.shape == (1, 16, 42)
    for rows in memory.row_slices().values():
        assert torch.allclose(weights[..., rows].sum(-1), torch.ones(1, 16), atol=1e-5)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_order_of_part_slots_means_nothing(seed: int) -> None:
    memory = small_memory(seed)
    before = change(memory, features(seed))
    shuffle = torch.randperm(12, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        memory.parts.copy_(memory.parts[:, shuffle])
        memory.to_instance.copy_(memory.to_instance[:, :, shuffle])
    assert torch.allclose(before, change(memory, features(seed)), atol=1e-5)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_exchanging_contents_and_addresses_alike_means_nothing(seed: int) -> None:
    """An edit moves contents and leaves addresses: only together do they leave the read as it was."""
    memory = small_memory(seed)
    address = memory.address(features(seed))
    summary = memory.summarise(address)
    source = torch.arange(42)
    source[:12] = torch.randperm(12, generator=torch.Generator().manual_seed(seed))
    edit = RowEdit(source, torch.ones(42))
    before = memory.read(address, summary).effect.shift
    assert not torch.allclose(before, memory.read(address, summary, edit).effect.shift, atol=1e-6)
    along = replace(address, weights=address.weights[..., source])
    assert torch.allclose(before, memory.read(along, summary, edit).effect.shift, atol=1e-6)


def test_muting_every_slot_leaves_nothing_to_read() -> None:
    memory = small_memory(2)
    assert change(memory, features(2)).any()
    assert not change(memory, features(2), edit=RowEdit(torch.arange(42), torch.zeros(42))).any()


def test_the_actual_memory_is_read() -> None:
    memory = small_memory(3)
    x, other = features(3), features(30)
    own = change(memory, x)
    assert not torch.allclose(own, change(memory, x, summary=memory.summarise(memory.address(other))))
    assert not torch.allclose(own, change(memory, x, summary=None))
    empty = torch.zeros_like(memory.summarise(memory.address(x)))
    assert torch.equal(change(memory, x, summary=empty), change(memory, x, summary=None))


def test_what_a_slot_holds_is_the_mean_of_those_who_claim_it() -> None:
    memory = small_memory(4)
    address = memory.address(features(4))
    told = torch.zeros(1, 1, 4, 4)
    told[..., 2:] = 1
    value = address.value.flatten(2)[0].T  # (16, D)
    claim = address.weights[0] * torch.cat(
        ((1 - told.flatten())[:, None].expand(-1, 21), told.flatten()[:, None].expand(-1, 21)), 1
    )
    for row in (0, 13, 21, 41):
        expected = (claim[:, row, None] * value).sum(0) / (claim[:, row].sum() + 1e-3 * 16)
        assert torch.allclose(memory.summarise(address, told)[0, row], expected, atol=1e-6)


def test_positive_slots_hold_trusted_places_only_and_negative_ones_damaged_only() -> None:
    memory = small_memory(5)
    left = torch.zeros(1, 1, 4, 4)
    left[..., :2] = 1  # damaged
    x = features(5)
    changed = x.clone()
    changed[..., :4] = features(50)[..., :4]
    one, other = (memory.summarise(memory.address(v), left) for v in (x, changed))
    assert torch.allclose(one[:, :21], other[:, :21], atol=1e-6)
    assert not torch.allclose(one[:, 21:], other[:, 21:], atol=1e-3)


def test_neighbours_of_a_group_share_what_one_photo_would_hold() -> None:
    memory = small_memory(6)
    x = features(6, batch=4)
    grouped = memory.summarise(memory.address(x), group=2)
    side_by_side = torch.cat((torch.cat((x[0], x[1]), -1)[None], torch.cat((x[2], x[3]), -1)[None]))
    assert torch.allclose(grouped, memory.summarise(memory.address(side_by_side)), atol=1e-6)


def test_gradients_are_finite_under_bf16() -> None:
    network = small_network(6).train()
    x = torch.rand(2, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        output = network(x)
    assert output.address is not None
    (output.restored.square().mean() + output.address.polarity_logit.square().mean()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
