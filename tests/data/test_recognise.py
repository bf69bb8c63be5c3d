"""What a folder that somebody chose is: names only, no pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.data.dataset import find_pairs, is_held_out, scene_of
from core.data.recognise import recognise
from core.training.recipe import TrainRecipe
from tests.image_makers import without_extras


def _fill(root: Path, **folders: list[str]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for folder, names in folders.items():
        for name in names:
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"only names are read here")
    return root


NAMES = [f"{index}.png" for index in range(1, 21)]


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [("input", "target"), ("rain", "norain"), ("rainy", "gt"), ("blur", "sharp"), ("train_A", "train_C")],
)
def test_one_set_of_pairs_is_split_by_scene(tmp_path: Path, inputs: str, targets: str) -> None:
    folder = _fill(tmp_path / "set", **{inputs: NAMES, targets: NAMES})
    found = recognise(folder)
    assert (found.kind, found.layout, found.pairs, found.photos) == ("pairs", f"{inputs}/{targets}", 20, 0)
    assert found.notes == ()
    recipe = replace(TrainRecipe(), **found.suggestion)  # type: ignore[arg-type]
    assert recipe.kind == "pairs"
    assert recipe.train == recipe.validation == (str(folder),)
    held = [name for name in NAMES if is_held_out(scene_of(Path(name).stem), recipe.hold_out)]
    assert 0 < len(held) < len(NAMES)


def test_istd_brings_its_masks(tmp_path: Path) -> None:
    names = ["1-1.png", "1-2.png", "2-1.png"]
    for part in ("train", "test"):
        _fill(tmp_path / part, **{f"{part}_A": names, f"{part}_B": names[:2], f"{part}_C": names})
    found = recognise(tmp_path)
    assert (found.kind, found.pairs, found.masks, found.unpaired) == ("pairs", 6, 4, 0)
    assert found.layout == "train_A/train_C"
    assert found.suggestion["train"] == (str(tmp_path / "train"),)
    assert found.suggestion["validation"] == (str(tmp_path / "test"),)
    pairing = find_pairs(tmp_path / "train")
    assert pairing.masks == tmp_path / "train/train_B"
    assert [pair.mask for pair in pairing.pairs] == [
        tmp_path / "train/train_B" / name for name in names[:2]
    ] + [None]


def test_masks_beside_inputs_and_targets(tmp_path: Path) -> None:
    _fill(tmp_path, shadow=["1_input.png", "2_input.png"], shadow_free=["1_free.png", "2_free.png"])
    assert [pair.mask for pair in find_pairs(tmp_path).pairs] == [None, None]
    _fill(tmp_path, mask=["1_mask.png", "2_mask.png", "3_mask.png"])
    assert [pair.mask.name for pair in find_pairs(tmp_path).pairs if pair.mask] == [
        "1_mask.png",
        "2_mask.png",
    ]


def test_scenes_in_folders_of_their_own_are_kept_whole(tmp_path: Path) -> None:
    for scene in range(12):
        _fill(tmp_path / f"GOPR{scene}", blur=["1.png", "2.png"], sharp=["1.png", "2.png"])
    found = recognise(tmp_path)
    recipe = replace(TrainRecipe(), **found.suggestion)  # type: ignore[arg-type]
    assert found.pairs == 24
    assert len(recipe.train) == 11
    assert len(recipe.validation) == 1
    assert not set(recipe.train) & set(recipe.validation)


def test_clean_photos_are_validated_on_those_that_ship_or_on_their_own(tmp_path: Path) -> None:
    flat = recognise(_fill(tmp_path / "flat", **{".": ["a.jpg", "b.jpg", "notes.txt"]}))
    assert (flat.kind, flat.layout, flat.pairs, flat.photos) == ("clean", "photos", 0, 2)
    assert replace(TrainRecipe(), **flat.suggestion).validation == ("SAMPLES/validation",)  # type: ignore[arg-type]
    mixed = recognise(_fill(tmp_path / "flat", Öl=["c.jpg"], notes=["d.txt"]))
    assert mixed.photos == 2 and mixed.notes[0].startswith("Photos in folders below are not taken (Öl);")
    div = recognise(_fill(tmp_path / "div", DIV_train_HR=["1.png", "2.png"], DIV_valid_HR=["3.png"]))
    assert (div.kind, div.photos) == ("clean", 2)
    assert div.suggestion["train"] == (str(tmp_path / "div/DIV_train_HR"),)
    assert div.suggestion["validation"] == (str(tmp_path / "div/DIV_valid_HR"),)


def test_one_side_stands_for_its_set(tmp_path: Path) -> None:
    _fill(tmp_path / "set", input=NAMES, target=NAMES)
    found = recognise(tmp_path / "set/input")
    assert found.kind == "pairs"
    assert found.suggestion["train"] == (str(tmp_path / "set"),)
    assert any("both are taken" in note for note in found.notes)
    assert recognise(tmp_path / "set/target").kind == "clean"  # clean photos are clean photos
    _fill(tmp_path / "mine", rain=["x.jpg"], clean=["y.jpg"])  # two folders of photos that are no set
    assert recognise(tmp_path / "mine/rain").kind == "clean"


def test_what_cannot_be_used_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_extras(monkeypatch)
    assert "does not exist" in recognise(tmp_path / "absent").notes[0]
    (tmp_path / "file").write_text("x")
    assert "not a folder" in recognise(tmp_path / "file").notes[0]
    (tmp_path / "empty").mkdir()
    assert "no photos" in recognise(tmp_path / "empty").notes[0]
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(12))
    assert "HEIC" in recognise(tmp_path / "raw").notes[0]
    _fill(tmp_path / "odd", input=["cat.png"], target=["dog.png"])
    assert "belong together" in recognise(tmp_path / "odd").notes[0]
    _fill(tmp_path / "many", rain=["a.png"], norain=["a.png"], blur=["a.png"])
    assert "more than one layout" in recognise(tmp_path / "many").notes[0]
    for name in ("absent", "file", "empty", "raw", "odd", "many"):
        found = recognise(tmp_path / name)
        assert (found.kind, dict(found.suggestion)) == ("empty", {})


def test_both_sides_in_one_folder_are_no_clean_photos(tmp_path: Path) -> None:
    names = [f"{index}_{side}.png" for index in range(5) for side in ("input", "gt")]
    found = recognise(_fill(tmp_path / "mixed", **{".": names}))
    assert any("input and target" in note for note in found.notes)
    assert not any("both sides" in note for note in recognise(_fill(tmp_path / "b", **{".": NAMES})).notes)


def test_a_single_scene_cannot_be_split(tmp_path: Path) -> None:
    names = ["s1_a_1.png", "s1_a_2.png"]
    found = recognise(_fill(tmp_path / "set", input=names, target=names))
    assert found.suggestion["hold_out"] == 0.0
    assert any("second folder" in note for note in found.notes)
    left = recognise(_fill(tmp_path / "more", input=[*NAMES, "z.png"], target=NAMES))
    assert left.unpaired == 1
