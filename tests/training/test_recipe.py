from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model import catalog
from core.training.recipe import RecipeError, TrainRecipe, problems_of
from core.training.recipe_folders import FolderMissing, resolve_folders

SHIPPED = sorted((Path(__file__).parents[2] / "resources" / "recipes").glob("*.toml"))


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
        ("training", "patch_px", 100, "multiple of 8"),
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


@given(
    st.fixed_dictionaries({}, optional={
        "name": st.sampled_from(["mine", "", "a/b", ".x", " "]),
        "steps": st.one_of(st.integers(-2, 20), st.just("many"), st.booleans()),
        "batch": st.integers(0, 9),
        "crops_per_photo": st.integers(0, 4),
        "lr": st.floats(allow_nan=True, allow_infinity=True),
        "lr_end": st.floats(-0.1, 1.1),
        "kind": st.sampled_from(["clean", "pairs", "mixed", "dirty"]),
        "pairs": st.sampled_from([(), ("a",), (1,)]),
        "hold_out": st.sampled_from([0.0, 0.2, 2.0]),
        "train": st.sampled_from([(), ("a",)]),
        "patch_px": st.integers(8, 40),
    })
)  # fmt: skip
@settings(max_examples=300)
def test_what_is_named_as_wrong_is_what_a_recipe_refuses(values: dict[str, Any]) -> None:
    problems = problems_of(values)
    if not problems:
        TrainRecipe(**values)
        return
    with pytest.raises(RecipeError) as caught:
        TrainRecipe(**values)
    said = str(caught.value)
    assert said.startswith(f"{next(iter(problems))} ") and said.endswith(f": {[*problems.values()][-1]}")
    assert all(f"{name} " in said and f": {need}" in said for name, need in problems.items())


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        TrainRecipe(steps=0, patch_px=33, lr=-1.0)
    assert all(name in str(caught.value) for name in ("steps 0", "patch_px 33", "lr -1.0"))


def test_all_that_is_wrong_with_a_file_is_said_at_once(tmp_path: Path) -> None:
    """Wherever it stands: keys, sections, values, sources and what the damage takes."""
    file = tmp_path / "r.toml"
    file.write_text(
        'stray = 1\n[data]\nkind = "sources"\n[training]\nsteps = 0\nspeed = 1\nhaste = 2\n[sky]\nblue = 1\n'
        '[degradation]\nmist = 7\nfrogs = 1\ncats = 2\n[[source]]\ncolour = 1\nshare = -1\nkind = "dreamt"\n'
        '[[source]]\ndegradation = {mist = 8}\n[[source]]\nkind = "layers"\nfolders = 3\n'
    )
    with pytest.raises(RecipeError) as caught:
        TrainRecipe.from_toml(file, damage=True)
    said = str(caught.value)
    for what in (
        "r.toml: stray: stands outside a section", "[training] speed, haste: unknown", "[sky] blue: unknown",
        "steps 0: need", "frogs, cats: unknown", "mist 7", "[[source]] 1: colour: unknown", "share -1.0: need",
        "kind 'dreamt': need", "[[source]] 2: degradation mist 8", "[[source]] 3: folders 3: need",
    ):  # fmt: skip
        assert said.count(what) == 1, what
    with pytest.raises(RecipeError) as without:
        TrainRecipe.from_toml(file)
    assert "frogs" not in str(without.value), "a run is listed whatever its damage once took"


def test_a_parameter_of_the_degradation_is_checked_with_its_task() -> None:
    assert problems_of({"degradation": {"mist": 0.5}}) == {}
    assert "mist 7" in problems_of({"degradation": {"mist": 7}})["degradation"]
    assert "unknown" in problems_of({"task": "deshadow", "degradation": {"mist": 0.5}})["degradation"]
    assert set(problems_of({"task": "denoise", "degradation": {"mist": 0.5}})) == {"task"}


def test_no_shipped_recipe_has_problems_or_names_a_place_of_a_machine() -> None:
    for path in SHIPPED:
        recipe = TrainRecipe.from_toml(path)
        assert problems_of({item.name: getattr(recipe, item.name) for item in fields(recipe)}) == {}
        folders = (*recipe.train, *recipe.pairs, *recipe.validation, recipe.start_from)
        assert not any(Path(folder).is_absolute() for folder in folders), path


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
    with pytest.raises(RecipeError, match="DATA/clean: say where DATA is"):
        resolve_folders(("DATA/clean",), ())
    with pytest.raises(FolderMissing, match="no such folder"):
        resolve_folders(("DATA/none",), (tmp_path / "a",))
