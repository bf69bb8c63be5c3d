from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.training.learning.muon import Muon, orthogonal


@given(
    st.integers(0, 2**31 - 1),
    st.integers(2, 24),
    st.integers(2, 40),
    st.sampled_from([torch.float32, torch.bfloat16]),
)
@settings(max_examples=60, deadline=None)
def test_singular_vectors_stay_and_singular_values_become_alike(
    seed: int, rows: int, columns: int, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(seed)
    u = torch.linalg.qr(torch.randn(rows, rows, generator=generator)).Q
    v = torch.linalg.qr(torch.randn(columns, columns, generator=generator)).Q
    rank = min(rows, columns)
    values = torch.rand(rank, generator=generator) * 0.9 + 0.1
    matrix = u[:, :rank] @ torch.diag(values) @ v[:, :rank].T
    found = orthogonal(matrix[None], dtype=dtype)[0]
    inside = u[:, :rank].T @ found @ v[:, :rank]  # diagonal when the singular vectors were kept
    assert (inside - torch.diag(inside.diagonal())).abs().max() < 0.25  # bfloat16: 0.11 in 12,000 draws
    assert inside.diagonal().min() > 0.5
    assert inside.diagonal().max() < 1.4


def test_a_step_does_not_depend_on_the_size_of_the_gradient() -> None:
    steps = []
    for scale in (1.0, 1000.0):
        weight = torch.nn.Parameter(torch.zeros(4, 3, 3, 3))
        weight.grad = scale * torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(1))
        Muon([weight], lr=0.1, weight_decay=0.0).step()
        steps.append(weight.detach().clone())
    assert steps[0].abs().max() > 0.01
    assert torch.allclose(steps[0], steps[1], atol=1e-3)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_solves_a_convolution_whatever_the_layout(layout: torch.memory_format) -> None:
    generator = torch.Generator().manual_seed(2)
    wanted = torch.nn.Conv2d(6, 5, 3, padding=1, bias=False).requires_grad_(False)
    wanted.weight.copy_(0.2 * torch.randn(wanted.weight.shape, generator=generator))
    learner = torch.nn.Conv2d(6, 5, 3, padding=1, bias=False).to(memory_format=layout)
    optimizer = Muon(learner.parameters(), lr=0.02, weight_decay=0.0)
    x = torch.randn(4, 6, 12, 12, generator=generator)
    for step in range(150):
        optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / 150)
        loss = (learner(x) - wanted(x)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 5e-3  # from about 2


def test_parameters_without_a_gradient_are_left_alone() -> None:
    weight = torch.nn.Parameter(torch.ones(3, 3))
    Muon([weight], lr=0.1).step()
    assert torch.equal(weight, torch.ones(3, 3))


def test_singular_values_far_below_the_norm_stay_small_and_others_reach_the_promised_range() -> None:
    for least, low in ((1.0, 0.68), (0.1, 0.68), (0.01, 0.68), (1e-4, 0.0)):
        values = torch.tensor([1.0, 1.0, 1.0, least])
        found = torch.linalg.svdvals(orthogonal(torch.diag(values)[None])[0])
        assert low - 0.02 < found.min() <= found.max() < 1.22
        assert found.min() < 0.5 or low > 0


def test_a_closure_is_called_with_gradients_and_its_loss_returned() -> None:
    weight = torch.nn.Parameter(torch.ones(3, 3))

    def closure() -> float:
        loss = weight.square().sum()
        loss.backward()
        return float(loss.detach())

    assert Muon([weight], lr=0.1).step(closure) == 9.0
    assert not torch.equal(weight, torch.ones(3, 3))
