from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from core.training.learning import losses


def pictures(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return torch.rand(2, 3, 16, 16, generator=g), torch.rand(2, 3, 16, 16, generator=g)


def test_relative_error_counts_each_picture_by_how_much_of_its_own_error_is_left() -> None:
    truth = torch.zeros(2, 3, 8, 8)
    restored = torch.stack([torch.full((3, 8, 8), 0.1), torch.full((3, 8, 8), 0.01)]).requires_grad_()
    assert losses.relative(truth, truth).item() == 0
    by_hand = 0.016 * (math.log(0.01 / 3e-5 + 1) + math.log(0.0001 / 3e-5 + 1)) / 2
    assert losses.relative(restored, truth).item() == pytest.approx(by_hand, rel=1e-5)
    losses.relative(restored, truth).backward()
    assert restored.grad is not None
    much, little = restored.grad.flatten(1).abs().mean(1)
    assert little > 5 * much  # by pixel both would be alike


def test_the_root_lies_between_counting_pixels_and_counting_pictures() -> None:
    truth = torch.zeros(2, 3, 8, 8)
    made = [torch.full((3, 8, 8), 0.1), torch.full((3, 8, 8), 0.01)]

    def more_for_little(loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> float:
        restored = torch.stack(made).requires_grad_()
        (gradient,) = torch.autograd.grad(loss(restored, truth), restored)
        much, little = gradient.flatten(1).abs().mean(1)
        return float(little / much)

    by_hand = (math.sqrt(0.01 + 3e-5) + math.sqrt(0.0001 + 3e-5)) / 2
    assert losses.root(torch.stack(made), truth).item() == pytest.approx(by_hand, rel=1e-5)
    squared = more_for_little(lambda a, b: ((a - b) ** 2).mean())
    assert squared < more_for_little(losses.root) < more_for_little(losses.relative)


def test_charbonnier_by_hand() -> None:
    a, b = torch.full((1, 3, 2, 2), 0.5), torch.full((1, 3, 2, 2), 0.2)
    assert losses.charbonnier(a, b, eps=0.4).item() == pytest.approx(0.5, abs=1e-6)  # sqrt(0.3^2 + 0.4^2)
    assert losses.charbonnier(a, a, eps=1e-3).item() == pytest.approx(1e-3, rel=1e-3)


def test_edge_ignores_a_constant_offset_and_sees_a_step() -> None:
    a, _ = pictures(1)
    assert losses.edge(a + 0.1, a).item() == pytest.approx(0, abs=1e-6)
    step = a.clone()
    step[..., 8:] += 0.3
    assert losses.edge(step, a).item() == pytest.approx(0.3 / 15, rel=1e-3)


def unit(*shape: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_contrastive_by_hand() -> None:
    anchor = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1)
    positive = torch.tensor([0.6, 0.8]).reshape(1, 1, 2, 1, 1)  # cosine 0.6
    degraded = torch.tensor([0.0, 1.0]).reshape(1, 1, 2, 1, 1)  # cosine 0
    weight = torch.ones(1, 1, 1)
    loss, near, far = losses.contrastive(anchor, positive, degraded, weight, temperature=0.5)
    assert loss.item() == pytest.approx(-math.log(math.exp(1.2) / (math.exp(1.2) + 1)), abs=1e-6)
    assert near.item() == pytest.approx(0.4, abs=1e-6)
    assert far.item() == pytest.approx(1.0, abs=1e-6)
    wrong = torch.cat((degraded, -degraded), 1)  # a second negative of cosine 0
    more, _, _ = losses.contrastive(anchor, positive, wrong, weight, temperature=0.5)
    assert more.item() == pytest.approx(-math.log(math.exp(1.2) / (math.exp(1.2) + 2)), abs=1e-6)
    clean = torch.cat((positive, torch.tensor([1.0, 0.0]).reshape(1, 1, 2, 1, 1)), 1)  # cosines 0.6 and 1
    both, near, _ = losses.contrastive(anchor, clean, degraded, weight, temperature=0.5)
    second = -math.log(math.exp(2) / (math.exp(2) + 1))
    assert both.item() == pytest.approx((loss.item() + second) / 2, abs=1e-6)
    assert near.item() == pytest.approx(0.4, abs=1e-6)  # the distance is that to the truth


def test_contrastive_prefers_the_truth_and_counts_only_damage() -> None:
    truth, rain = unit(1, 8, 4, 4, seed=1), unit(1, 8, 4, 4, seed=2)
    weight = torch.zeros(1, 4, 4)
    weight[0, 0] = 1
    good = losses.contrastive(truth, truth[:, None], rain[:, None], weight)[0]
    bad = losses.contrastive(rain, truth[:, None], rain[:, None], weight)[0]
    assert good < bad
    changed = truth.clone()
    changed[:, :, 1:] = rain[:, :, 1:]  # where nothing was damaged
    assert torch.equal(losses.contrastive(changed, truth[:, None], rain[:, None], weight)[0], good)


def test_losses_are_finite_in_bf16_and_without_damage() -> None:
    a, b = (x.bfloat16().requires_grad_() for x in pictures(3))
    q = unit(2, 8, 2, 2, seed=3).bfloat16().requires_grad_()
    total = losses.charbonnier(a, b) + losses.edge(a, b)
    total = total + losses.contrastive(q, q.detach()[:, None], q.detach()[:, None], torch.zeros(2, 2, 2))[0]
    total = total + losses.polarity(q[:, 0], losses.damage_map(a, b, 8))
    total.backward()
    assert torch.isfinite(total)
    assert all(torch.isfinite(x.grad).all() for x in (a, b, q) if x.grad is not None)


def test_damage_map_marks_the_cells_that_differ() -> None:
    a, _ = pictures(4)
    b = a.clone()
    b[0, :, 8:, :8] += 0.5
    assert torch.equal(
        losses.damage_map(b, a, 8), torch.tensor([[[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    )


def test_polarity_asks_for_damage_and_its_neighbours() -> None:
    damage = torch.zeros(1, 7, 7)
    damage[0, 3, 3] = 1
    asked = torch.zeros(1, 7, 7)
    asked[0, 2:5, 2:5] = 1
    right = losses.polarity(20 * (asked - 0.5), damage)
    assert right.item() < 1e-3
    assert losses.polarity(20 * (damage - 0.5), damage).item() > 1


def test_polarity_counts_the_crops_it_is_told_to() -> None:
    logit, damage = torch.randn(3, 4, 4), torch.rand(3, 4, 4)
    counts = torch.tensor([True, False, True])
    expected = (losses.polarity(logit[:1], damage[:1]) + losses.polarity(logit[2:], damage[2:])) / 2
    assert losses.polarity(logit, damage, counts).item() == pytest.approx(expected.item(), rel=1e-5)
    assert losses.polarity(logit, damage, counts & False).item() == 0.0


def test_balance_is_nothing_for_equal_use_and_one_for_a_single_slot() -> None:
    assert losses.balance(torch.zeros(5, 8)).item() == pytest.approx(0, abs=1e-6)
    one = torch.zeros(5, 8)
    one[:, 3] = 100
    assert losses.balance(one).item() == pytest.approx(1, abs=1e-3)
    each = 100 * torch.eye(8)  # every position looks at one slot, together at all of them
    assert losses.balance(each).item() == pytest.approx(0, abs=1e-3)
    assert losses.balance(torch.zeros(5, 1)).item() == 0


def test_balance_moves_slots_that_nobody_uses() -> None:
    scores = torch.zeros(6, 4)
    scores[:, 0] = 9.0
    scores.requires_grad_()
    losses.balance(scores).backward()
    assert scores.grad is not None
    assert (scores.grad[:, 0] > 0).all()  # less of what is used
    assert (scores.grad[:, 1:] < 0).all()  # more of the rest
