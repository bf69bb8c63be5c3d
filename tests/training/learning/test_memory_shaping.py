from __future__ import annotations

from dataclasses import replace

import torch

from core.model.health import usage_of
from core.model.network import MemoryNet, with_memory
from core.training.learning.learner import _new_network
from core.training.learning.memory import MemoryShaper
from core.training.recipe import TrainRecipe
from tests.small import SMALL, small_network

RECIPE = TrainRecipe(preset="custom", width=8, batch=2, crops_per_photo=1, contrastive_every=2)


def crops(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    clean = torch.rand(2, 3, 32, 32, generator=generator) * 0.5
    rain = (torch.rand(2, 1, 32, 32, generator=generator) > 0.8).float() * 0.4
    return clean + rain, clean


def test_terms_are_finite_and_move_what_they_should() -> None:
    network = small_network(1).train()
    shaper = MemoryShaper(network, RECIPE, "cpu")
    for step in (0, 1, 2):
        x, y = crops(step)
        terms: dict[str, torch.Tensor] = {}
        curves = shaper.terms(step, x, y, network(x), terms)
        assert all(torch.isfinite(term) for term in terms.values())
        expensive = {"polarity_truth", "contrastive"}
        assert expensive <= set(terms) if step % 2 == 0 else not expensive & set(terms)
        assert {"polarity", "balance"} <= set(terms)
        assert set(curves) == ({"distance_positive", "distance_negative"} if step % 2 == 0 else set())
        torch.stack(list(terms.values())).sum().backward()
    assert shaper.bank.count("positive") == 0  # until the step is done
    shaper.keep(2)
    assert shaper.bank.count("positive") > 0
    assert shaper.bank.count("degraded") > 0
    assert network.memory is not None
    assert network.memory.parts.grad is not None
    assert network.memory.parts.grad.abs().sum() > 0


def test_contrast_moves_the_restoration_and_not_the_yardstick() -> None:
    network = small_network(2).train()
    recipe = replace(RECIPE, polarity_weight=0.0, balance_weight=0.0)
    shaper = MemoryShaper(network, recipe, "cpu")
    x, y = crops(5)
    with torch.no_grad():
        output = network(x)
    restored = output.restored.clone().requires_grad_()
    terms: dict[str, torch.Tensor] = {}
    shaper.terms(0, x, y, replace(output, restored=restored), terms)
    terms["contrastive"].backward()
    assert restored.grad is not None
    assert restored.grad.abs().sum() > 0
    assert all(p.grad is None or not p.grad.any() for p in network.parameters())


def test_dead_slots_get_new_life_and_living_ones_are_left_alone() -> None:
    network = small_network(3).train()
    assert network.memory is not None
    with torch.no_grad():  # all part slots but two point where no query does
        x, y = crops(7)
        query = network(x).address.query.permute(0, 2, 3, 1).flatten(0, 2)
        network.memory.parts[:, 2:] = -query.mean(0) * 3
        network.memory.parts[:, :2] = query[[0, 9]]
        network.memory.sharpness.fill_(30.0)
    before = network.memory.parts.detach().clone()
    usage = usage_of(network(x).address.weights)
    shaper = MemoryShaper(network, replace(RECIPE, steps=100), "cpu")
    report = shaper.health(usage)
    assert report is not None
    assert report.dead > 10
    renewed = shaper.reseed(10, usage, x, y)
    rows = renewed["memory.parts"]
    assert rows.any()
    assert not rows[:, :2].any()
    assert torch.equal(network.memory.parts[:, :2], before[:, :2])
    after = shaper.health(usage_of(network(x).address.weights))
    assert after is not None
    assert after.dead < report.dead
    assert shaper.reseed(90, usage, x, y) == {}  # too late to learn with them


def test_a_network_without_a_memory_has_nothing_to_shape() -> None:
    network = MemoryNet(with_memory(SMALL, "none"))
    shaper = MemoryShaper(network, RECIPE, "cpu")
    x, y = crops(1)
    terms: dict[str, torch.Tensor] = {}
    assert shaper.terms(0, x, y, network(x), terms) == {}
    assert terms == {}
    assert shaper.reseed(1, torch.ones(42), x, y) == {}
    assert shaper.health(torch.ones(42)) is None


def test_polarity_is_taught_by_looks_where_no_mask_is_given() -> None:
    network = small_network(3).train()
    shaper = MemoryShaper(network, replace(RECIPE, contrastive_weight=0.0), "cpu")
    x, y = crops(1)
    guidance = torch.zeros(2, 1, 32, 32)
    guidance[1] = 1

    def learnt(guidance: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
        terms: dict[str, torch.Tensor] = {}
        shaper.terms(0, x, y, network(x, guidance), terms, guidance)
        return {name: terms[name].item() for name in ("polarity", "polarity_truth")}

    other = y.clone()
    other[1] = y[0]  # what the told crop suffered plays no part
    assert learnt(guidance, other)["polarity"] == learnt(guidance, y)["polarity"] > 0
    assert learnt(torch.ones_like(guidance), y) == {"polarity": 0.0, "polarity_truth": 0.0}


def test_a_recipe_may_say_how_many_slots_there_are() -> None:
    recipe = replace(RECIPE, part_slots=6, instance_slots=4, semantic_slots=2)
    assert _new_network(recipe).config.slots == (6, 4, 2)
    assert "part_slots = 6" in recipe.to_toml() and "slots" not in RECIPE.to_toml()
    assert _new_network(replace(recipe, memory="part")).config.slots == (6, 4, 2)
