"""``memorynet restore --task auto``: each photo for what it shows, nothing where that is not sure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.cli import program as cli
from core.cv import cv2
from core.images import io as image_io
from core.restoring import which
from core.restoring.which import RIGHT, Which
from tests.small import photo

SIGNS = {
    "rain": {"derain": 9.0, "deshadow": -9.0},
    "both": {"derain": 9.0, "deshadow": 9.0},  # taken, where shadows are not asked for
    "none": {"derain": -9.0, "deshadow": -9.0},
    "odd": {"derain": RIGHT["derain"][0], "deshadow": -9.0},
}


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four photos, told apart by their size instead of by what the networks see."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(SIGNS):
        cv2.imwrite(str(folder / f"{name}.png"), photo(48 + 8 * number, 48, number))

    def look(picture: image_io.Picture, *_given: object, **_more: object) -> Which:
        return Which(SIGNS[picture.info.path.stem])

    monkeypatch.setattr(which, "look", look)
    monkeypatch.setattr(which, "ASKED", ())
    return folder


def run(*words: object) -> int:
    return cli.main(["restore", *map(str, words), "--task", "auto", "--device", "cpu", "--scale", "1"])


def test_each_photo_gets_what_it_shows(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(photos, "--out", out, "--mask", "none") == 0
    said = capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {"rain.derained.png", "both.restored.png"}
    assert "none.png: nothing to take out was found; nothing was written" in said
    assert "odd.png: not sure whether it is rain; nothing was done, name it with --task" in said
    assert "Rain, then shadows" in said
    told = image_io.read_provenance(out / "both.restored.png")
    assert told is not None and told["task"] == "derain, deshadow" and told["model"] == "derain-s, deshadow-s"
    assert run(photos / "rain.png", "--out", out, "--resume") == 0
    assert "done already" in capsys.readouterr().out


def test_json_says_what_was_seen(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(photos / "odd.png", photos / "rain.png", "--out", tmp_path / "out", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["task"] == "auto" and told["undecided"] == 1 and told["restored"] == 1
    odd, rain = told["images"]
    assert odd["which"] == "unsure" and odd["output"] is None and odd["tasks"] == []
    assert rain["which"] == "derain" and rain["tasks"] == ["derain"] and 0.9 < rain["chances"]["derain"] <= 1


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--model", "derain-s"], "not with --model"), (["--mask", "m.png"], "not with --mask")],
)
def test_what_does_not_go_with_it(
    words: list[str], said: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photos / "rain.png", *words) == 2
    assert said in capsys.readouterr().err


def test_only_restore_takes_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate", "pairs", "--task", "auto"]) == 2
    assert "unknown task 'auto'" in capsys.readouterr().err
