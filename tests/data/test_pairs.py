"""Pairing by name: every published layout, name differences, and the refusal of what has no partner."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.dataset import PairingError, find_pairs
from core.images.io import UnreadableFile


def _fill(root: Path, **folders: list[str]) -> Path:
    for folder, names in folders.items():
        for name in names:
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"only names are read here")
    return root


def _names(root: Path) -> list[tuple[str, str]]:
    return [(pair.input.name, pair.target.name) for pair in find_pairs(root).pairs]


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [
        ("input", "target"), ("rain", "norain"), ("rainy", "gt"), ("blur", "sharp"), ("lq", "gt"),
        ("rainy_image", "ground_truth"), ("Input", "GroundTruth"), ("shadow", "shadow_free"),
        ("blurry", "gt"), ("train_A", "train_C"), ("test_a", "test_c"), ("A", "C"), ("hazy", "clear"),
    ],
)  # fmt: skip
def test_layouts(tmp_path: Path, inputs: str, targets: str) -> None:
    _fill(tmp_path, **{inputs: ["a.png", "b.png"], targets: ["b.png", "a.png"]})
    pairing = find_pairs(tmp_path)
    assert [(p.name, p.target.parent.name) for p in pairing.pairs] == [("a", targets), ("b", targets)]
    assert pairing.layout == f"{inputs}/{targets}"
    assert pairing.unpaired == ()


def test_istd_with_its_masks(tmp_path: Path) -> None:
    _fill(tmp_path, train_A=["1-1.png"], train_B=["1-1.png"], train_C=["1-1.png"])
    (pair,) = find_pairs(tmp_path).pairs
    assert (pair.input.parent.name, pair.target.parent.name) == ("train_A", "train_C")


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [
        (["rain-001.png", "rain-002.png"], ["norain-001.png", "norain-002.png"]),
        (["rain-1.png", "rain-2.png"], ["norain-001.png", "norain-002.png"]),
        (["norain-001x2.png", "norain-002x2.png"], ["norain-001.png", "norain-002.png"]),
        (["001_rain.png", "002_rain.png"], ["001_clean.png", "002_clean.png"]),
        (["A.JPG", "b.Jpeg"], ["a.png", "B.tif"]),
        (["im_0001.png", "im_0002.png"], ["photo 1 final.png", "photo 2 final.png"]),
        (["1_input.png", "2_input.png"], ["1_ground_truth.png", "2_ground_truth.png"]),
        (["input.png"], ["target.png"]),
        (["cat-no-rain-1.png", "dog-1.png"], ["cat-1.png", "dog-1.png"]),
        (["🌧.png", "🌂.png"], ["🌂.png", "🌧.png"]),
        ([unicodedata.normalize("NFD", "Zürich.png")], [unicodedata.normalize("NFC", "Zürich.png")]),
        (["雨_1.png", "雨_2.png"], ["晴_1.png", "晴_2.png"]),
    ],
)
def test_names_that_differ(tmp_path: Path, inputs: list[str], targets: list[str]) -> None:
    _fill(tmp_path, input=inputs, target=targets)
    pairing = find_pairs(tmp_path)
    order = {name: place for place, name in enumerate(inputs)}
    found = {(order[pair.input.name], pair.target.name) for pair in pairing.pairs}
    if inputs[0].startswith("🌧"):  # the same names in another order
        targets = targets[::-1]
    assert found == set(enumerate(targets))


def test_several_versions_of_one_truth(tmp_path: Path) -> None:
    _fill(tmp_path, rainy_image=["901_1.jpg", "901_2.jpg", "902_1.jpg"], ground_truth=["901.jpg", "902.jpg"])
    assert _names(tmp_path) == [("901_1.jpg", "901.jpg"), ("901_2.jpg", "901.jpg"), ("902_1.jpg", "902.jpg")]


def test_trees_pair_within_their_folders(tmp_path: Path) -> None:
    _fill(
        tmp_path, **{"blur/s1": ["1.png"], "blur/s2": ["1.png"], "sharp/s1": ["1.png"], "sharp/s2": ["1.png"]}
    )
    pairing = find_pairs(tmp_path)
    assert [pair.name for pair in pairing.pairs] == ["s1/1", "s2/1"]
    assert all(pair.input.parent.name == pair.target.parent.name for pair in pairing.pairs)


def test_other_files_are_not_pictures(tmp_path: Path) -> None:
    _fill(tmp_path, input=["a.png", "Thumbs.db", ".DS_Store", "._a.png", "notes.txt"], target=["a.png"])
    assert _names(tmp_path) == [("a.png", "a.png")]


@pytest.mark.parametrize(
    ("inputs", "targets", "left"),
    [
        (["a.png", "b.png"], ["a.png"], ["input/b.png"]),
        (["a.png"], ["a.png", "z.png"], ["target/z.png"]),
        (["a.png", "a.jpg"], ["a.png"], ["input/a.jpg", "input/a.png", "target/a.png"]),  # which one?
        (["cat.png"], ["dog.png"], ["input/cat.png", "target/dog.png"]),  # one each is no proof
        (["🌧.png"], ["🌂.png"], ["input/🌧.png", "target/🌂.png"]),
        (["1_1.png", "2.png"], ["1.png", "2.png"], ["input/1_1.png", "target/1.png"]),
    ],
)
def test_refuses_with_the_list(
    tmp_path: Path, inputs: list[str], targets: list[str], left: list[str]
) -> None:
    _fill(tmp_path, input=inputs, target=targets)
    with pytest.raises(PairingError) as caught:
        find_pairs(tmp_path)
    assert sorted(p.relative_to(tmp_path).as_posix() for p in caught.value.unpaired) == sorted(left)
    assert all(name in str(caught.value) for name in left)
    loose = find_pairs(tmp_path, strict=False)
    assert sorted(loose.unpaired) == sorted(caught.value.unpaired)


def test_a_long_list_is_cut_in_words_only(tmp_path: Path) -> None:
    _fill(tmp_path, input=[f"{i}.png" for i in range(50)], target=["0.png"])
    with pytest.raises(PairingError, match=r"49 pictures .* and 41 more") as caught:
        find_pairs(tmp_path)
    assert len(caught.value.unpaired) == 49


def test_no_layout_is_said(tmp_path: Path) -> None:
    with pytest.raises(PairingError, match="does not exist"):
        find_pairs(tmp_path / "absent")
    (tmp_path / "file").write_text("x")
    with pytest.raises(PairingError, match="not a folder"):
        find_pairs(tmp_path / "file")
    with pytest.raises(PairingError, match="found no folders"):
        find_pairs(_fill(tmp_path / "flat", **{".": ["a.png"]}))
    with pytest.raises(PairingError, match="found cats, dogs"):
        find_pairs(_fill(tmp_path / "other", cats=["a.png"], dogs=["a.png"]))
    with pytest.raises(PairingError, match="more than one layout"):
        find_pairs(_fill(tmp_path / "both", rain=["a.png"], norain=["a.png"], blur=["a.png"]))
    with pytest.raises(PairingError, match="choose one: test, train"):
        find_pairs(
            _fill(tmp_path / "nested", **{f"{s}/{s}_{x}": ["1.png"] for s in ("train", "test") for x in "AC"})
        )
    _fill(tmp_path / "empty", input=["a.png"])
    (tmp_path / "empty/target").mkdir()
    with pytest.raises(PairingError, match="target: no pictures"):
        find_pairs(tmp_path / "empty")


_stems = st.lists(
    st.text("abAB019-_ é雨", min_size=1, max_size=6).filter(lambda s: s.strip(" .") == s),
    max_size=6,
    unique=True,
)


@settings(max_examples=60, deadline=None)
@given(_stems, _stems)
def test_every_picture_is_paired_once_or_named(
    tmp_path_factory: pytest.TempPathFactory, inputs: list[str], targets: list[str]
) -> None:
    root = tmp_path_factory.mktemp("pairs")
    _fill(
        root, input=[f"{s}.png" for s in ["first", *inputs]], target=[f"{s}.png" for s in ["first", *targets]]
    )
    pairing = find_pairs(root, strict=False)
    used = [p.input for p in pairing.pairs] + [p.target for p in pairing.pairs] + list(pairing.unpaired)
    everything = sorted(path for path in root.rglob("*.png"))
    assert sorted(set(used)) == everything
    assert len({pair.input for pair in pairing.pairs}) == len(pairing.pairs)


def test_a_folder_that_may_not_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(_folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", locked)
    with pytest.raises(UnreadableFile, match="Permission denied"):
        find_pairs(tmp_path)
