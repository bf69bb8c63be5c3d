"""Masks on the command line: guessed, given, restricting, kept, and made of pairs; bad ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cli import program as cli
from core.data import guidance
from core.images import io as image_io
from core.model import checkpoint
from core.restoring import restore as restoring
from core.restoring import which
from tests.restoring.test_shadow_light import disc, ground, levels
from tests.small import photo, small_network


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "small"
    told = {"guidance": True}
    return checkpoint.save(folder, small_network(), name="small", task="deshadow", provenance=told)


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    return write(tmp_path / "photos/a.png", photo(64, 48, 1))


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image_io.write(path, image_io.from_array(pixels))
    return path


def half(dtype: type = np.uint8) -> np.ndarray:
    """(48, 64) white in the left half, a ramp in the middle."""
    across = np.clip((40 - np.arange(64)) / 16, 0, 1) * np.iinfo(dtype).max
    return np.tile(np.rint(across).astype(dtype), (48, 1))


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


def restored(
    capsys: pytest.CaptureFixture[str], shot: Path, model: Path, *more: object
) -> tuple[np.ndarray, dict[str, str], dict[str, Any]]:
    code, out, err = run(
        capsys,
        "restore",
        shot,
        "--model",
        model,
        "--out",
        shot.parent / "out",
        "--overwrite",
        "--json",
        *more,
    )
    assert code == 0, err
    found = json.loads(out)
    path = Path(found["images"][0]["output"])
    return image_io.read(path).pixels, image_io.read_provenance(path) or {}, found["images"][0]


@pytest.fixture
def found_half(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guess that always finds the left half."""

    def guess(before: np.ndarray, after: np.ndarray, width: int, height: int) -> guidance.Guess:
        return guidance.Guess(half()[:height, :width], 0.5)

    monkeypatch.setattr(restoring.shadow_guess, "guess", guess)


def test_without_a_cast_shadow_nothing_changes_and_that_is_said(
    capsys: pytest.CaptureFixture[str], shot: Path, model: Path
) -> None:
    pixels, record, facts = restored(capsys, shot, model)  # the default guesses
    assert np.array_equal(pixels, image_io.read(shot).pixels)
    assert record["mask"] == "auto"
    assert "no cast shadow found, nothing changed" in facts["notes"]
    assert facts["unchanged"]
    other, record, _facts = restored(capsys, shot, model, "--mask", "none")
    assert not np.array_equal(pixels, other)
    assert record["mask"] == "none"


@pytest.mark.usefixtures("found_half")
def test_a_guessed_mask_is_that_mask_given(
    capsys: pytest.CaptureFixture[str], shot: Path, model: Path
) -> None:
    guessed, _record, facts = restored(capsys, shot, model, "--mask", "auto", "--save-mask")
    saved = Path(facts["mask_saved"])
    assert saved.name == "a.mask.png"
    assert np.array_equal(image_io.read(saved).pixels[..., 0], half())
    given, record, _facts = restored(capsys, shot, model, "--mask", saved)
    assert np.array_equal(guessed, given)
    assert len(record["mask"]) == 16
    code, out, _err = run(
        capsys, "restore", shot.parent, "--recursive", "--model", model, "--json", "--overwrite"
    )
    assert code == 0 and json.loads(out)["count"] == 1, "a saved mask is no photo"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_outside_not_a_bit_changes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path, dtype: type
) -> None:
    shot = write(tmp_path / "deep/a.png", photo(64, 48, 1, dtype))
    only = write(tmp_path / "only.png", half(np.uint16))  # 16-bit masks are masks
    before = image_io.read(shot).pixels
    whole, _record, _facts = restored(capsys, shot, model, "--mask", "none")
    part, record, _facts = restored(capsys, shot, model, "--mask", "none", "--only", only)
    assert part.dtype == dtype and len(record["only"]) == 16
    left, right = slice(0, 24), slice(40, 64)
    assert np.array_equal(part[:, right], before[:, right])
    assert np.array_equal(part[:, left], whole[:, left])
    assert not np.array_equal(part[:, left], before[:, left])
    low, high = np.minimum(before, whole), np.maximum(before, whole)
    assert ((part >= low) & (part <= high)).all()


def test_resume_tells_masks_apart(capsys: pytest.CaptureFixture[str], shot: Path, model: Path) -> None:
    only = write(shot.parent.parent / "only.png", half())

    def status(*more: object) -> str:
        words = ("restore", shot, "--model", model, "--out", shot.parent / "out", "--resume", "--json", *more)
        return str(json.loads(run(capsys, *words)[1])["images"][0]["status"])

    assert status() == "restored"
    assert [status(), status("--mask", "auto")] == ["skipped", "skipped"]
    assert [status("--mask", "none"), status("--mask", "none")] == ["restored", "skipped"]
    assert [status("--only", only), status("--only", only)] == ["restored", "skipped"]


@pytest.mark.parametrize("option", ["--mask", "--only"])
@pytest.mark.parametrize(
    ("name", "pixels", "expected"),
    [
        ("size", np.full((10, 10), 255, np.uint8), "10x10 px, need the photo's 64x48 px"),
        ("colour", photo(64, 48), "has colours"),
        ("alpha", np.full((48, 64, 4), 99, np.uint8), "is transparent in places"),
        ("black", np.zeros((48, 64), np.uint8), "is black all over, so it marks nothing"),
        ("absent", None, "No such file or directory"),
    ],
)
def test_bad_masks_are_told_in_a_line(
    capsys: pytest.CaptureFixture[str],
    shot: Path,
    model: Path,
    option: str,
    name: str,
    pixels: np.ndarray | None,
    expected: str,
) -> None:
    path = shot.parent.parent / f"{name}.png"
    if pixels is not None:
        write(path, pixels)
    code, _out, err = run(capsys, "restore", shot, "--model", model, option, path)
    assert code == 2 and expected in err and err.count("\n") == 1 and option in err


def test_a_white_mask_is_taken(capsys: pytest.CaptureFixture[str], shot: Path, model: Path) -> None:
    white = write(shot.parent.parent / "white.png", np.full((48, 64), 255, np.uint8))
    pixels, _record, _facts = restored(capsys, shot, model, "--mask", white, "--only", white)
    assert not np.array_equal(pixels, image_io.read(shot).pixels)


def test_what_cannot_be_guessed(capsys: pytest.CaptureFixture[str], shot: Path) -> None:
    code, _out, err = run(capsys, "restore", shot, "--task", "derain", "--mask", "auto")
    assert code == 2 and err.count("\n") == 1


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    truth, mask = ground(120, 160), disc(120, 160, 35)
    shadowed = np.where((mask > 0)[..., None], truth * 0.4, truth)
    for name, picture in (("one", shadowed), ("two", truth)):
        write(tmp_path / f"pairs/input/{name}.png", levels(picture))
        write(tmp_path / f"pairs/target/{name}.png", levels(truth))
    return tmp_path / "pairs"


def test_masks_of_pairs_and_scores_by_region(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, pairs: Path, model: Path
) -> None:
    code, out, _err = run(capsys, "masks", pairs, "--out", tmp_path / "masks")
    assert code == 0 and "2 masks of 2 pairs" in out and "1 of them all black" in out
    mask = image_io.read(tmp_path / "masks/one.png").pixels[..., 0]
    wanted = disc(120, 160, 35) > 0
    assert ((mask > 127) & wanted).sum() / ((mask > 127) | wanted).sum() > 0.9
    write_over(tmp_path / "masks/two.png", mask)
    words = ("evaluate", pairs, "--model", model, "--masks", tmp_path / "masks")
    code, out, err = run(capsys, *words, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert set(found["regions"]) == {"shadow", "lit"}
    shadow, lit = found["regions"]["shadow"]["input"], found["regions"]["lit"]["input"]
    assert lit["psnr_db"] is None or shadow["psnr_db"] < lit["psnr_db"]
    assert shadow["lab_mae"] > lit["lab_mae"]
    code, out, _err = run(capsys, *words)
    assert "shadow restored" in out and "lit    restored" in out


def write_over(path: Path, pixels: np.ndarray) -> None:
    path.unlink()
    write(path, pixels)


def test_masks_are_not_written_over(capsys: pytest.CaptureFixture[str], tmp_path: Path, pairs: Path) -> None:
    run(capsys, "masks", pairs, "--out", tmp_path / "masks")
    code, _out, err = run(capsys, "masks", pairs, "--out", tmp_path / "masks")
    assert code == 1 and "one" in err
    assert run(capsys, "masks", pairs, "--out", tmp_path / "masks", "--overwrite")[0] == 0


def test_evaluate_guesses_by_itself(capsys: pytest.CaptureFixture[str], pairs: Path, model: Path) -> None:
    code, out, _err = run(capsys, "evaluate", pairs, "--model", model)
    assert code == 0 and "guessed; 1 without a cast shadow, unchanged" in out


# --- only where damage is seen ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rain_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rain") / "small"
    return checkpoint.save(folder, small_network(), name="small", task="derain", provenance={})


@pytest.fixture
def seen_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rain that is always seen in the left half."""

    def guess(*_of_the_copy: object) -> guidance.Guess:
        return guidance.Guess(half(), 0.5)

    monkeypatch.setattr(restoring.damage_guess, "guess", guess)


@pytest.mark.usefixtures("seen_left")
@pytest.mark.parametrize("task", ["derain", "auto"])
def test_a_guessed_place_is_that_place_given(
    capsys: pytest.CaptureFixture[str],
    shot: Path,
    rain_model: Path,
    task: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = image_io.read(shot).pixels
    chosen: tuple[object, ...] = ("--task", task)
    if task == "auto":
        monkeypatch.setattr(which, "models", lambda: {"derain": rain_model})
        monkeypatch.setattr(which, "look", lambda *_all, **_more: which.Which({"derain": 9.0}))
    else:
        chosen += ("--model", rain_model)
    out = shot.parent / "out"
    words = ("restore", shot, *chosen, "--out", out, "--overwrite", "--json")
    code, said, err = run(capsys, *words, "--only", "auto", "--save-mask")
    assert code == 0, err
    facts = json.loads(said)["images"][0]
    assert json.loads(said)["only"] == "auto" and facts["mask_saved"] is None
    assert "restored over 50 % of the photo" in facts["notes"]
    saved, result = Path(facts["only_saved"]), Path(facts["output"])
    assert saved.name == "a.only.png" and np.array_equal(image_io.read(saved).pixels[..., 0], half())
    guessed, record = image_io.read(result).pixels, image_io.read_provenance(result) or {}
    assert record["only"] == "auto"
    assert np.array_equal(guessed[:, 40:], before[:, 40:]), "elsewhere not a bit changes"
    assert not np.array_equal(guessed[:, :24], before[:, :24])
    code, _said, err = run(capsys, *words, "--only", saved)
    assert code == 0, err
    assert np.array_equal(image_io.read(result).pixels, guessed)
    assert len((image_io.read_provenance(result) or {})["only"]) == 16
    code, said, _err = run(
        capsys, "restore", shot.parent, "--recursive", "--model", rain_model, "--json", "--overwrite"
    )
    assert code == 0 and json.loads(said)["count"] == 1, "a saved mask is no photo"


def test_without_a_place_that_looks_damaged_nothing_changes_and_that_is_said(
    capsys: pytest.CaptureFixture[str], shot: Path, rain_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring.damage_guess, "guess", lambda *_of_the_copy: None)
    pixels, record, facts = restored(capsys, shot, rain_model, "--only", "auto", "--save-mask")
    assert np.array_equal(pixels, image_io.read(shot).pixels)
    assert record["only"] == "auto" and facts["unchanged"] and facts["only_saved"] is None
    out = shot.parent / "out"
    code, said, _err = run(
        capsys, "restore", shot, "--model", rain_model, "--out", out, "--overwrite", "--only", "auto"
    )
    assert code == 0 and "No rain found, nothing changed" in said


def test_resume_tells_a_guessed_place_from_none(
    capsys: pytest.CaptureFixture[str], shot: Path, rain_model: Path
) -> None:
    out = shot.parent / "out"

    def status(*more: object) -> str:
        words = ("restore", shot, "--model", rain_model, "--out", out, "--resume", "--json", *more)
        return str(json.loads(run(capsys, *words)[1])["images"][0]["status"])

    assert status() == "restored"
    assert [status("--only", "auto"), status("--only", "auto")] == ["restored", "skipped"]
    assert [status("--only", "none"), status()] == ["restored", "skipped"]


def test_a_guessed_shadow_may_change_with_what_lies_around_it(
    capsys: pytest.CaptureFixture[str], shot: Path, model: Path, found_half: None
) -> None:
    _pixels, record, facts = restored(capsys, shot, model, "--only", "auto", "--save-mask")
    assert record["mask"] == record["only"] == "auto"
    mask, only = (image_io.read(Path(facts[name])).pixels[..., 0] for name in ("mask_saved", "only_saved"))
    assert np.array_equal(mask, half()) and (only >= mask).all() and only.sum() > mask.sum()
