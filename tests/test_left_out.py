"""What a recipe leaves out by name: neither trained nor validated on, and recipes without it are what they were."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import catalog
from core.dataset import PairingError, find_pairs
from core.jobs import JobControl, ignore
from core.left_out import LeftOut, Namer
from core.recipe import RecipeError, TrainRecipe, problems_of
from core.training import TrainingError, train
from core.training_data import read_data
from tests.test_doctor import pairs, photos, save
from tests.training_kit import RECIPE, make_data

CLEAN = TrainRecipe(train=("DATA/clean",), validation=("DATA/val",), patch_px=32, validate_crop_px=32)
PAIRS = replace(CLEAN, kind="pairs", train=("DATA/set",), validation=("DATA/set",), hold_out=0.3)
MIXED = replace(CLEAN, kind="mixed", pairs=("DATA/set",), validation=("DATA/set",), hold_out=0.3)
BEFORE = (
    "16bfff2ca2cbfb0908e76d5956e2c83c351bb2a363ddb1080f891343ae179158"  # of derain-finish, before the field
)


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file", "is_meant"),
    [
        ("a", "x/a.png", True),
        ("a.png", "x/a.png", True),
        ("x/a", "x/a.png", True),
        ("x/a.png", "/data/x/a.png", True),
        ("y/a", "x/a.png", False),
        ("a.jpg", "x/a.png", False),
        ("x", "x/a.png", False),
        ("b", "x/ab.png", False),
        ("A", "x/a.png", False),
        ("a.v2", "x/a.v2.png", True),
        ("a", "x/a.v2.png", False),
        ("u\u0308ber", "\u00fcber.png", True),  # one file system's u and dots, another's \u00fc
        ("deep/down/x/a", "x/a.png", False),
    ],
)
def test_a_name_is_a_stem_or_a_file_name_with_or_without_folders(
    name: str, file: str, is_meant: bool
) -> None:
    assert LeftOut((name,)).matching((Path(file),)) == ((name,) if is_meant else ())


def test_a_pair_goes_by_either_side() -> None:
    sides = Path("set/input/rain-1.png"), Path("set/target/norain-1.png")
    assert LeftOut(("norain-1",)).matching(sides) == ("norain-1",)
    assert LeftOut(("norain-1", "rain-1.png", "2")).matching(sides) == ("rain-1.png", "norain-1")
    assert not LeftOut(())


def test_the_shortest_name_that_means_one_and_no_other() -> None:
    groups = [
        (Path("set/input/1.png"), Path("set/target/1.png")),
        (Path("set/input/2.png"), Path("set/target/2.png")),
        (Path("clean/2.png"),),
        (Path("clean/3.png"),),
        (Path("clean/3.jpg"),),
        (Path("a/deep/4.png"),),
        (Path("b/deep/4.png"),),
    ]
    names = [Namer(groups).name(group[0]) for group in groups]
    assert names == ["1", "input/2", "clean/2", "3.png", "3.jpg", "a/deep/4", "b/deep/4"]
    for name, group in zip(names, groups, strict=True):
        assert [other for other in groups if LeftOut((name,)).matching(other)] == [group]


# --- the recipe ----------------------------------------------------------------------------------


def test_recipes_that_leave_nothing_out_are_what_they_were() -> None:
    recipe = TrainRecipe.from_toml(catalog.recipe("derain-finish"))
    assert recipe.leave_out == ()
    assert "leave_out" not in recipe.to_toml()
    assert recipe.sha256() == BEFORE
    assert TrainRecipe.from_dict(tomllib.loads("[data]\nleave_out = []")).sha256() == TrainRecipe().sha256()


def test_names_are_written_and_read() -> None:
    recipe = replace(PAIRS, leave_out=("7", "input/8", "ü 9.png"))
    again = TrainRecipe.from_dict(tomllib.loads(recipe.to_toml()))
    assert again == recipe
    assert recipe.sha256() != PAIRS.sha256()


def test_exports_name_no_folders() -> None:
    said = replace(PAIRS, leave_out=("/home/me/photos/7.png", "8")).without_places()
    assert said["data"]["leave_out"] == ["7.png", "8"]
    assert "leave_out" not in PAIRS.without_places()["data"]


@pytest.mark.parametrize(
    ("value", "need"),
    [
        ("7", "need a list of names"),
        ((7,), "need a list of names"),
        (("7", " "), "need names that are not empty"),
    ],
)
def test_what_is_no_list_of_names_is_refused(value: object, need: str) -> None:
    assert problems_of({"leave_out": value}) == {"leave_out": need}


# --- data ----------------------------------------------------------------------------------------


def examples_of(recipe: TrainRecipe, root: Path) -> list[str]:
    return sorted(example.name for example in read_data(recipe, (root,))[1])


def test_photos_left_out_are_neither_trained_nor_validated_on(tmp_path: Path) -> None:
    photos(tmp_path, train=4, validation=3)
    recipe = replace(CLEAN, leave_out=("2", "501.png", "no such photo"))
    assert read_data(CLEAN, (tmp_path,))[2] == 4
    assert read_data(recipe, (tmp_path,))[2] == 3
    assert examples_of(recipe, tmp_path) == ["500.png", "502.png"]


def test_pairs_left_out_are_neither_trained_nor_validated_on(tmp_path: Path) -> None:
    pairs(tmp_path, count=12)
    _, examples, count = read_data(PAIRS, (tmp_path,))
    held = sorted(example.name for example in examples)
    trained = next(str(n) for n in range(12) if str(n) not in held)
    recipe = replace(PAIRS, leave_out=(trained, held[0]))
    assert read_data(recipe, (tmp_path,))[2] == count - 1
    assert examples_of(recipe, tmp_path) == held[1:]


def test_both_kinds_at_once(tmp_path: Path) -> None:
    pairs(tmp_path, count=12)
    photos(tmp_path, train=4)
    count = read_data(MIXED, (tmp_path,))[2]
    held = examples_of(MIXED, tmp_path)
    trained = next(str(n) for n in range(4) if str(n) not in held)
    assert read_data(replace(MIXED, leave_out=(f"input/{trained}",)), (tmp_path,))[2] == count - 1
    assert read_data(replace(MIXED, leave_out=(f"clean/{trained}",)), (tmp_path,))[2] == count - 1
    assert read_data(replace(MIXED, leave_out=(trained,)), (tmp_path,))[2] == count - 2


def test_the_network_sees_nothing_of_them(tmp_path: Path) -> None:
    """Black photos among others: whatever is drawn, no black."""
    photos(tmp_path, train=3)
    for name in ("black-1", "black-2"):
        save(tmp_path / "clean" / f"{name}.png", np.zeros((64, 72, 3), np.uint8))
    recipe = replace(CLEAN, leave_out=("black-1", "black-2.png"))

    def darkest(recipe: TrainRecipe) -> float:
        source = read_data(recipe, (tmp_path,))[0]
        return min(float(source.sample(index)[1].max()) for index in range(24))

    assert darkest(CLEAN) == 0
    assert darkest(recipe) > 0


def test_what_training_stops_at_can_be_left_out(tmp_path: Path) -> None:
    """A picture without partner, sides of two sizes, a photo to validate on that is no picture."""
    pairs(tmp_path, count=12)
    save(tmp_path / "set/input/alone.png", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(PairingError, match="alone"):
        read_data(PAIRS, (tmp_path,))
    one = replace(PAIRS, leave_out=("alone",))
    read_data(one, (tmp_path,))
    save(tmp_path / "set/input/5.png", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(RecipeError, match=r"5\.png: 64x64 px"):
        read_data(one, (tmp_path,))
    read_data(replace(one, leave_out=("alone", "5")), (tmp_path,))

    photos(tmp_path, train=3, validation=2)
    (tmp_path / "val/500.png").write_bytes(b"no picture")
    read_data(replace(CLEAN, leave_out=("500",)), (tmp_path,))


def test_pairing_goes_by_all_names(tmp_path: Path) -> None:
    """A truth that several inputs share stays when one of them is left out, and goes by its own name with all."""
    for number in (1, 2, 3):
        save(tmp_path / "set/input" / f"901_{number}.png", np.zeros((32, 32, 3), np.uint8))
        save(tmp_path / "set/input" / f"902_{number}.png", np.zeros((32, 32, 3), np.uint8))
    for name in ("901", "902"):
        save(tmp_path / "set/target" / f"{name}.png", np.zeros((32, 32, 3), np.uint8))
    found = find_pairs(tmp_path / "set", leave_out=LeftOut(("901_2", "902")))
    assert [pair.name for pair in found.pairs] == ["901_1", "901_3"]
    assert found.unpaired == ()
    assert [files[0].stem for files in found.left_out] == ["901_2", "902_1", "902_2", "902_3"]


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (replace(CLEAN, leave_out=("0", "1", "2")), "leave_out: leaves none of 3 photos to train on"),
        (replace(CLEAN, leave_out=("500",)), "leave_out: leaves none of 1 photo to validate on"),
        (replace(MIXED, leave_out=("clean/0", "clean/1", "clean/2")), "none of 3 photos to train on"),
    ],
)
def test_everything_left_out_is_said(tmp_path: Path, recipe: TrainRecipe, said: str) -> None:
    pairs(tmp_path, count=12)
    photos(tmp_path, train=3, validation=1)
    with pytest.raises(RecipeError, match=said):
        read_data(recipe, (tmp_path,))


def test_every_pair_left_out_is_said(tmp_path: Path) -> None:
    pairs(tmp_path, count=12)
    held = examples_of(PAIRS, tmp_path)
    with pytest.raises(RecipeError, match=rf"leaves none of {len(held)} pairs to validate on"):
        read_data(replace(PAIRS, leave_out=tuple(held)), (tmp_path,))
    with pytest.raises(RecipeError, match=rf"leaves none of {12 - len(held)} pairs to train on"):
        read_data(replace(PAIRS, leave_out=tuple(map(str, range(12)))), (tmp_path,))


# --- runs of before ------------------------------------------------------------------------------


def test_a_run_from_before_goes_on(tmp_path: Path) -> None:
    """Its recipe.toml has no such key; a recipe that leaves photos out is another one."""
    data = make_data(tmp_path / "data")
    recipe = replace(RECIPE, steps=2, validate_every=2)
    train(recipe, (data,), tmp_path / "run", ignore, JobControl())
    stored = tmp_path / "run" / "recipe.toml"
    assert "leave_out" not in stored.read_text("utf-8")
    train(TrainRecipe.from_toml(stored), (data,), tmp_path / "run", ignore, JobControl(), resume=True)
    with pytest.raises(TrainingError, match="another recipe"):
        train(replace(recipe, leave_out=("x",)), (data,), tmp_path / "run", ignore, JobControl(), resume=True)
