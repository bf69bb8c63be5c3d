from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import catalog
from core.recipe import RecipeError, TrainRecipe, resolve_folders

SHIPPED = sorted((Path(__file__).parents[1] / "resources" / "recipes").glob("*.toml"))


@given(
    st.integers(1, 10_000), st.floats(1e-6, 0.5), st.sampled_from(["S", "B", "custom"]), st.integers(0, 99)
)
@settings(max_examples=50)
def test_toml_and_back_is_the_same_recipe(steps: int, lr: float, preset: str, seed: int) -> None:
    recipe = TrainRecipe(steps=steps, lr=lr, preset=preset, seed=seed, lr_end=0.0, degradation={"mist": 0.25})
    import tomllib

    again = TrainRecipe.from_dict(tomllib.loads(recipe.to_toml()))
    assert again == recipe
    assert again.sha256() == recipe.sha256()


def test_every_field_explains_itself() -> None:
    for item in fields(TrainRecipe):
        assert item.metadata["title"], item.name
        if item.name != "degradation":
            assert item.metadata["help"], item.name


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_load(path: Path) -> None:
    recipe = TrainRecipe.from_toml(path)
    assert catalog.recipe(path.stem) == path
    assert recipe.task in catalog.TASKS


@pytest.mark.parametrize(
    ("section", "key", "value", "said"),
    [
        ("training", "steps", 0, "steps 0"),
        ("training", "steps", "many", "steps 'many'"),
        ("training", "steps", True, "steps True"),
        ("training", "lr", -1.0, "lr -1"),
        ("training", "patch_px", 100, "multiples of 8"),
        ("training", "stepz", 5, "stepz: unknown"),
        ("trainin", "steps", 5, "sections are"),
        ("network", "preset", "XL", "preset 'XL'"),
        ("run", "name", "../evil", "name"),
        ("run", "task", "denoise", "task 'denoise'"),
        ("data", "train", [], "at least one folder"),
        ("data", "train", [1], "list of folders"),
    ],
)
def test_bad_values_are_named(section: str, key: str, value: Any, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        TrainRecipe.from_dict({section: {key: value}})
    assert said in str(caught.value)


def test_a_degradation_outside_its_section_is_named() -> None:
    with pytest.raises(RecipeError, match="degradation: stands outside a section"):
        TrainRecipe.from_dict({"degradation": 3})


def test_damaged_files_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("[run\n")
    with pytest.raises(RecipeError, match=r"broken\.toml: not valid TOML"):
        TrainRecipe.from_toml(broken)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match=r"binary\.toml"):
        TrainRecipe.from_toml(binary)


def test_data_stands_for_the_folders_given(tmp_path: Path) -> None:
    (tmp_path / "a" / "clean").mkdir(parents=True)
    (tmp_path / "b" / "more").mkdir(parents=True)
    found = resolve_folders(("DATA/clean", "DATA/more"), (tmp_path / "a", tmp_path / "b"))
    assert found == (tmp_path / "a" / "clean", tmp_path / "b" / "more")
    with pytest.raises(RecipeError, match="--data"):
        resolve_folders(("DATA/clean",), ())
    with pytest.raises(RecipeError, match="no such folder"):
        resolve_folders(("DATA/none",), (tmp_path / "a",))
