"""What a recipe leaves out by name: neither trained nor validated on, and recipes without it are what they were."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.cli import program as cli
from core.data.dataset import PairingError, find_pairs
from core.data.left_out import LeftOut, Namer
from core.doctor.examination import DoctorReport, Finding, examine
from core.doctor.leave import line_for
from core.images import io as image_io
from core.jobs import JobControl, ignore
from core.model import catalog
from core.training.data import read_data
from core.training.recipe import RecipeError, TrainRecipe, problems_of
from core.training.trainer import TrainingError, train
from tests.doctor.test_doctor import pairs, photos, save, scene
from tests.small import photo
from tests.training_kit import RECIPE, make_data

CLEAN = TrainRecipe(train=("DATA/clean",), validation=("DATA/val",), patch_px=32, validate_crop_px=32)
PAIRS = replace(CLEAN, kind="pairs", train=("DATA/set",), validation=("DATA/set",), hold_out=0.3)
MIXED = replace(CLEAN, kind="mixed", pairs=("DATA/set",), validation=("DATA/set",), hold_out=0.3)


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
    recipe = TrainRecipe.from_toml(catalog.recipe("derain"))
    assert recipe.leave_out == ()
    assert "leave_out" not in recipe.to_toml()  # nor in its sum: runs of before know their recipe again
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


# --- the doctor ----------------------------------------------------------------------------------


def look(recipe: TrainRecipe, root: Path) -> DoctorReport:
    return examine(recipe, (root,), ignore, JobControl())


def kinds(report: DoctorReport) -> dict[str, Finding]:
    return {finding.kind: finding for finding in report.findings}


def shifted_pairs(root: Path) -> Path:
    """Twelve pairs; two that are trained on are moved, and one of those has a clean photo's name."""
    pairs(root, count=12)
    photos(root, train=3, validation=2)
    held = examples_of(PAIRS, root)
    for name in [str(n) for n in range(12) if str(n) not in held and n < 9][:2]:
        picture = image_io.read(root / "set/target" / f"{name}.png").pixels
        save(root / "set/input" / f"{name}.png", np.roll(picture, (9, 12), (0, 1)))
    return root


def test_shifted_pairs_can_be_left_out_and_are_not_looked_at_again(tmp_path: Path) -> None:
    shifted_pairs(tmp_path)
    before = look(MIXED, tmp_path)
    moved = kinds(before)["shifted"]
    assert len(moved.leave_out) == 2
    assert len(moved.paths) == 4
    after = look(replace(MIXED, leave_out=moved.leave_out), tmp_path)
    assert "shifted" not in kinds(after)
    assert (before.pairs, before.left_out) == (after.pairs + 2, 0)
    assert after.left_out == 2
    assert after.photos == before.photos  # of whose names one is that of a pair
    assert after.files == before.files - 4
    said = kinds(after)["left_out"]
    assert said.severity == "note" and said.text.startswith("2 left out: ")
    assert set(said.paths) == set(moved.paths)
    assert set(said.leave_out) == set(moved.leave_out)
    assert read_data(replace(MIXED, leave_out=moved.leave_out), (tmp_path,))[2] == (
        after.pairs + after.photos
    )


def test_what_stops_training_can_be_left_out_and_then_does_not(tmp_path: Path) -> None:
    pairs(tmp_path, count=12)
    photos(tmp_path, train=4, validation=2)
    (tmp_path / "clean/torn.png").write_bytes(b"no picture")
    save(tmp_path / "set/input/alone.png", scene(30))
    save(tmp_path / "set/input/4.png", scene(4, 96, 96))
    recipe = replace(MIXED, train=("DATA/clean",))
    found = kinds(look(recipe, tmp_path))
    names = [name for kind in ("unreadable", "unpaired", "size") for name in found[kind].leave_out]
    assert names == ["torn", "alone", "4"]
    assert look(recipe, tmp_path).has_errors
    better = look(replace(recipe, leave_out=tuple(names)), tmp_path)
    assert not better.has_errors
    assert better.left_out == 3
    read_data(replace(recipe, leave_out=tuple(names)), (tmp_path,))


def test_of_copies_one_stays(tmp_path: Path) -> None:
    photos(tmp_path, train=4, validation=3)
    for copy in ("clean/0b.png", "clean/0c.png", "val/1.png"):
        original = "clean/1.png" if copy == "val/1.png" else "clean/0.png"
        (tmp_path / copy).write_bytes((tmp_path / original).read_bytes())
    found = kinds(look(CLEAN, tmp_path))
    assert found["duplicate"].leave_out == ("0b", "0c")
    assert found["overlap"].leave_out == ("clean/1",)  # what is scored on stays
    after = look(replace(CLEAN, leave_out=("0b", "0c", "clean/1")), tmp_path)
    assert not {"duplicate", "overlap"} & kinds(after).keys()
    assert (after.photos, after.validation_count, after.left_out) == (3, 4, 3)


def test_all_copies_in_training_of_what_is_scored_on(tmp_path: Path) -> None:
    photos(tmp_path, train=5, validation=1)
    for number in (0, 1):
        (tmp_path / f"clean/{number}.png").write_bytes((tmp_path / "val/500.png").read_bytes())
    names = kinds(look(CLEAN, tmp_path))["overlap"].leave_out
    assert names == ("0", "1")
    assert "overlap" not in kinds(look(replace(CLEAN, leave_out=names), tmp_path))


def test_nothing_is_offered_that_would_leave_nothing(tmp_path: Path) -> None:
    photos(tmp_path, train=3, validation=1)
    (tmp_path / "val/500.png").write_bytes(b"no picture")
    found = kinds(look(CLEAN, tmp_path))
    assert found["unreadable"].leave_out == ()
    save(tmp_path / "val/501.png", photo(72, 64, 501))
    assert kinds(look(CLEAN, tmp_path))["unreadable"].leave_out == ("500",)


def test_a_name_that_a_form_could_not_hold_is_not_offered(tmp_path: Path) -> None:
    photos(tmp_path, train=3, validation=1)
    (tmp_path / "clean/two\nlines.png").write_bytes(b"no picture")
    assert kinds(look(CLEAN, tmp_path))["unreadable"].leave_out == ()


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (replace(CLEAN, leave_out=("0", "1", "2")), "All 3 photos to train on are left out."),
        (replace(CLEAN, leave_out=("500", "501")), "All 2 photos to validate on are left out."),
        (replace(PAIRS, leave_out=tuple(map(str, range(12)))), "pairs to train on are left out."),
    ],
)
def test_the_doctor_says_that_everything_is_left_out(tmp_path: Path, recipe: TrainRecipe, said: str) -> None:
    pairs(tmp_path, count=12)
    photos(tmp_path, train=3, validation=2)
    report = look(recipe, tmp_path)
    assert any(said in finding.text for finding in report.of("error"))
    assert "scenes" not in kinds(report)


def test_names_that_say_nothing_are_noted(tmp_path: Path) -> None:
    photos(tmp_path, train=3, validation=2)
    report = look(replace(CLEAN, leave_out=("gone", "2", "gone.png")), tmp_path)
    assert kinds(report)["unmatched"].text == (
        "2 names to leave out are in none of the folders: gone, gone.png."
    )
    assert kinds(report)["unmatched"].severity == "note"
    assert report.left_out == 1


# --- the command line ----------------------------------------------------------------------------


def test_the_check_prints_the_line_for_the_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos(tmp_path, train=4, validation=2)
    (tmp_path / "clean/torn.png").write_bytes(b"no picture")
    (tmp_path / "clean/0b.png").write_bytes((tmp_path / "clean/0.png").read_bytes())
    file = tmp_path / "mine.toml"
    recipe = replace(CLEAN, leave_out=("3",))
    file.write_text(recipe.to_toml(), "utf-8")
    assert cli.main(["check", str(file), "--data", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "5 photos to train on, 2 to validate on, 1 left out (photos)" in out
    assert " ".join(out.split()).count("Could be left out.") == 2
    line = next(line for line in out.splitlines() if line.startswith("leave_out"))
    assert line == 'leave_out = ["3", "torn", "0b"]'
    file.write_text(recipe.to_toml().replace('leave_out = [\n    "3",\n]', line), "utf-8")
    assert cli.main(["check", str(file), "--data", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["left_out"] == 3
    assert [item["leave_out"] for item in document["findings"] if item["kind"] == "left_out"] == [
        ["0b", "3", "torn"]
    ]


def test_what_is_offered_together_leaves_some(tmp_path: Path) -> None:
    data, held = pairs(tmp_path, 4) / "set", pairs(tmp_path / "held", 5) / "set"
    for index in range(3):  # the same on both sides: three of four could go, or the one of two sizes
        (data / f"input/{index}.png").write_bytes((data / f"target/{index}.png").read_bytes())
    save(data / "target/3.png", scene(3, 48, 40))
    for path in held.glob("*/[0-3].png"):
        path.unlink()
    report = examine(
        replace(PAIRS, train=(str(data),), validation=(str(held),), hold_out=0.0), (), ignore, JobControl()
    )
    assert {"size", "same"} <= set(kinds(report))
    assert kinds(report)["size"].leave_out == ("3",)
    assert kinds(report)["same"].leave_out == ()
    assert line_for((), report.findings) == 'leave_out = ["3"]'


def test_a_long_line_is_broken_and_still_toml() -> None:
    names = [f'a "long" name of photo {number:03}' for number in range(40)]
    finding = Finding("unreadable", "error", "", leave_out=tuple(names))
    line = line_for(("first",), [finding, replace(finding, severity="note", leave_out=("never",))])
    assert tomllib.loads(line) == {"leave_out": ["first", *names]}
    assert max(map(len, line.splitlines())) < 60
    assert line_for(("first",), [replace(finding, severity="note")]) == ""


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
