"""``memorynet check``: a table for people, a document for programs, and an exit code for scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.cli import common as cli_common
from core.cli import program as cli
from core.model import tensors
from core.training.estimate import Estimate
from core.training.recipe import TrainRecipe
from tests.doctor.test_doctor import photos, save, scene

FOUND = Estimate(
    1.5, 15000.0, 2300.0, 8, 128, "why not", "cuda:0", "bf16", 9, 5.3, 0.04, 900.0, 80_000.0, 640.0, True
)


@pytest.fixture(autouse=True)
def _no_lines_of_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_common, "_PLAIN_EVERY_S", 1e9)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(TrainRecipe(
        name="mine", train=("DATA/clean",), validation=("DATA/val",), patch_px=32, preset="custom", width=8, batch=2,
        steps=10, validate_every=5, validate_crop_px=48,
    ).to_toml())  # fmt: skip
    return file


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main(["check", *map(str, words)])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def test_nothing_to_object_to(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, recipe, "--data", photos(tmp_path / "data"))
    assert code == 0
    assert "mine: 12 photos to train on, 2 to validate on (photos); 14 files in 0:0" in out
    assert out.splitlines()[-1] == "Nothing to object to."
    assert err == ""


def test_errors_are_told_and_exit_with_one(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = photos(tmp_path / "data")
    (data / "clean/bad.png").write_bytes(b"")
    save(data / "clean/small.png", scene(1, 64, 20))
    code, out, err = run(capsys, recipe, "--data", data, "--files", "--estimate")
    assert code == 1
    assert "  error     1 file cannot be read: bad.png (" in out
    assert "  warning   1 photo is smaller than the patch of 32 px" in out
    assert f"            {data / 'clean/bad.png'}\n" in out
    assert out.splitlines()[-1] == "1 error, 1 warning."
    assert "No estimate" in err
    code, out, _ = run(capsys, recipe, "--data", data, "--json")
    document = json.loads(out)
    assert code == 1
    assert document["photos"] == 14
    assert [finding["severity"] for finding in document["findings"]] == ["error", "warning"]
    assert document["findings"][0]["paths"] == [str(data / "clean/bad.png")]


def test_an_estimate_can_be_asked_for(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.training.estimate.estimate", lambda *_: FOUND)
    data = photos(tmp_path / "data")
    code, out, _ = run(capsys, recipe, "--data", data, "--estimate", "--device", "cpu", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["estimate"]["device"] == "cuda:0"
    assert document["estimate"]["seconds_per_step"] == 1.5
    code, out, _ = run(capsys, recipe, "--data", data, "--estimate", "--device", "cpu")
    assert code == 0
    for word in ("Estimate from", "time", "speed", "memory", "suggested   batch 8, patch 128 px"):
        assert word.replace("   ", " ") in out.replace("  ", " "), out


def test_an_estimate_in_words() -> None:
    from core.cli.check import estimate_lines

    text = " ".join(" ".join(estimate_lines(TrainRecipe(), FOUND)).split())
    assert (
        "Estimate from 9 steps on cuda:0 in bf16: time 4:10:00 for 8,000 steps of 1.50 s, of it 15:00 of validation"
        in text
    )
    assert "speed 5.3 images/s, 4% of a step spent waiting for data" in text
    assert "memory at most about 2.3 GB, on the device 640 MB; 80.0 GB were free" in text
    assert "suggested batch 8, patch 128 px: why not" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("nowhere", "no recipe 'nowhere'"),
        ("derain", "say where DATA is (--data DIR)"),
        ("derain --data {tmp}/none", "no such folder"),
        ("{tmp}/broken.toml", "not valid TOML"),
        ("quick-look --device gpu", "need auto, cpu, cuda:N or mps"),
        ("quick-look --jsn", "did you mean --json?"),
        ("", "required: RECIPE"),
    ],
)
def test_bad_arguments_exit_with_two(
    words: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.toml").write_text("[run\n")
    code, out, err = run(capsys, *words.format(tmp=tmp_path).split())
    assert code == 2
    assert said in err
    assert out == ""
    assert len(err.splitlines()) == 1


def test_a_device_that_is_not_there(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> str:
        raise tensors.DeviceError(f"device {name!r}: this machine offers cpu")

    monkeypatch.setattr(tensors, "choose_device", refuse)
    code, _, err = run(
        capsys, recipe, "--data", photos(tmp_path / "data"), "--estimate", "--device", "cuda:7"
    )
    assert code == 2
    assert "device 'cuda:7'" in err
