"""What a recipe starts from: a model by its name, or its folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.model import catalog, checkpoint
from core.tasks import TASKS
from core.training.learning.learner import _new_network
from core.training.recipe import TrainRecipe
from memorynet_gui.newrun.presets import PRESETS, load
from tests.small import save_small_model


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    pairs = zip(first.state_dict().items(), second.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def test_a_shipped_model_by_its_name() -> None:
    made = _new_network(replace(TrainRecipe(), start_from="derain-s", part_slots=3))  # it brings its own
    assert same(made, checkpoint.load(catalog.resolve("derain-s")).network)
    assert made.training
    assert all(parameter.requires_grad for parameter in made.parameters())


def test_a_folder(tmp_path: Path) -> None:
    folder = save_small_model(tmp_path / "mine", seed=3)
    made = _new_network(replace(TrainRecipe(), start_from=str(folder)))
    assert same(made, checkpoint.load(folder).network)


def test_neither_names_what_there_is() -> None:
    with pytest.raises(catalog.CatalogError, match="did you mean derain-s"):
        _new_network(replace(TrainRecipe(), start_from="derain-z"))


def test_every_ready_recipe_starts_from_the_model_of_its_task() -> None:
    shipped = {entry.name for entry in catalog.models() if entry.bundled}
    for preset in PRESETS:
        for task, name in preset.recipes.items():
            recipe = load(name)
            assert recipe.task == task
            if recipe.start_from:
                assert recipe.start_from == TASKS[task].default_model
                assert recipe.start_from not in shipped or catalog.model_problem(recipe.start_from) is None
    assert {"derain-s", "deshadow-s"} <= shipped, "others may come"
