"""The photos that ship: present, sound, small, and each named with its licence."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "resources" / "samples"
ENTRIES: list[dict[str, Any]] = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))
SHADED = [entry for entry in ENTRIES if entry.get("task") == "deshadow"]
CAMERA = [entry for entry in ENTRIES if entry["truth"] is None and entry.get("task")]
BLURRED = [entry for entry in ENTRIES if entry.get("task") == "deblur"]
RAINY = [entry for entry in ENTRIES if entry["truth"] is not None and "task" not in entry]
CLEAN = [entry for entry in ENTRIES if entry["truth"] is None and entry not in CAMERA]
FREE_LICENCES = {"CC0 1.0", "CC BY 4.0", "CC BY-SA 4.0", "Public domain"}


@pytest.fixture(scope="module")
def make_samples() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_samples", ROOT / "scripts" / "make_samples.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def pixels(file: str) -> np.ndarray:
    with Image.open(SAMPLES / file) as image:
        return np.asarray(image.convert("RGB"), np.float64)


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a - b) ** 2)))


def test_the_list_and_the_folders_agree() -> None:
    on_disk = {path.relative_to(SAMPLES).as_posix() for path in SAMPLES.rglob("*.jpg")}
    assert {entry["file"] for entry in ENTRIES} == on_disk
    assert len(ENTRIES) == len(on_disk), "a file is listed twice"
    assert 16 <= len(CLEAN) <= 22
    assert len(RAINY) == 4
    assert len(CAMERA) == 1
    assert len(SHADED) == 3, "as many as the empty page shows"
    assert len(BLURRED) == 2


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["file"])
def test_each_photo_decodes_and_carries_nothing_else(entry: dict[str, Any]) -> None:
    with Image.open(SAMPLES / entry["file"]) as image:
        image.load()
        assert image.format == "JPEG"
        assert image.mode == "RGB"
        if entry in CAMERA:
            assert 8e6 < image.width * image.height < 16e6, "what a camera makes"
            assert (SAMPLES / entry["file"]).stat().st_size <= 1_000_000
        else:
            assert min(image.size) >= 300 and max(image.size) <= 720
        assert not set(image.info) & {"exif", "icc_profile", "comment", "xmp"}
    assert pixels(entry["file"]).std() > 10, "an almost empty picture shows nothing"


@pytest.mark.parametrize("entry", RAINY, ids=lambda entry: entry["file"])
def test_rainy_photos_match_their_truth(entry: dict[str, Any]) -> None:
    rainy, truth = pixels(entry["file"]), pixels(entry["truth"])
    assert rainy.shape == truth.shape
    assert entry["truth"] in {clean["file"] for clean in CLEAN}
    assert 20 < psnr_db(rainy, truth) < 30, "plainly rainy, and still the same photo"
    assert rainy.mean() > truth.mean(), "rain adds light"


@pytest.mark.parametrize("entry", SHADED, ids=lambda entry: entry["file"])
def test_shaded_photos_match_their_truth(entry: dict[str, Any]) -> None:
    shaded, truth = pixels(entry["file"]), pixels(entry["truth"])
    assert shaded.shape == truth.shape
    assert entry["truth"] in {clean["file"] for clean in CLEAN}
    darker = (truth - shaded).mean(2) > 20
    assert 0.02 < darker.mean() < 0.3, "a shadow, and most of the photo without"
    assert np.abs(truth - shaded).mean(2)[~darker].mean() < 4


@pytest.mark.parametrize("entry", BLURRED, ids=lambda entry: entry["file"])
def test_blurred_photos_match_their_truth_and_say_what_they_are(entry: dict[str, Any]) -> None:
    blurred, truth = pixels(entry["file"]), pixels(entry["truth"])
    assert blurred.shape == truth.shape and entry["truth"] in {clean["file"] for clean in CLEAN}
    assert 18 < psnr_db(blurred, truth) < 32, "plainly blurred, and still the same photo"
    edges = [np.abs(np.diff(photo.mean(2), axis=1)).mean() for photo in (blurred, truth)]
    assert edges[0] < 0.8 * edges[1]
    assert "(computed)" in entry["name"], "nobody is to take it for a real one"


def test_every_photo_is_credited_under_a_free_licence() -> None:
    text = (SAMPLES / "LICENSES.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| `")}
    assert set(rows) == {f"`{entry['file']}`" for entry in ENTRIES}
    for entry in ENTRIES:
        assert entry["credit"] and entry["credit"] in rows[f"`{entry['file']}`"]
        assert entry["licence"] in FREE_LICENCES
        assert f" {entry['licence']} " in rows[f"`{entry['file']}`"]
        assert f"- {entry['licence']}: https://" in text


def test_a_small_recipe_can_train_and_validate_on_them() -> None:
    roomy = {entry["file"] for entry in CLEAN if min(pixels(entry["file"]).shape[:2]) >= 384}
    validation = {entry["file"] for entry in CLEAN if entry["validation"]}
    assert len(roomy - validation) >= 8
    assert len(validation) == 4
    assert validation <= roomy
    assert validation == {entry["truth"] for entry in RAINY}, "what is shown was never trained on"


def test_everything_together_is_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) <= 4_000_000


def test_the_script_makes_rain_again_from_the_truth(make_samples: ModuleType, tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "clean", tmp_path / "clean")
    shutil.copytree(SAMPLES / "shaded", tmp_path / "shaded")
    shutil.copytree(SAMPLES / "camera", tmp_path / "camera")
    shutil.copytree(SAMPLES / "blurred", tmp_path / "blurred")
    (tmp_path / "rainy").mkdir()
    (tmp_path / "rainy" / "stray.jpg").write_bytes(b"old")
    assert make_samples.main(["--rainy", "--out", str(tmp_path)]) == 0
    made = {path.name for path in (tmp_path / "rainy").iterdir()}
    assert made == {Path(entry["file"]).name for entry in RAINY}
    assert json.loads((tmp_path / "samples.json").read_text(encoding="utf-8")) == ENTRIES
    assert (tmp_path / "LICENSES.md").read_bytes() == (SAMPLES / "LICENSES.md").read_bytes()
    for entry in RAINY:
        with Image.open(tmp_path / entry["file"]) as image:
            assert 20 < psnr_db(np.asarray(image, np.float64), pixels(entry["truth"])) < 30


def test_clean_photos_are_cropped_shrunk_and_made_srgb(make_samples: ModuleType) -> None:
    photo = make_samples.Photo("x", "X", "p", "x.jpg", "A", "CC0 1.0", crop=(0.5, 0.0, 1.0, 1.0))
    original = Image.new("RGB", (4000, 1000), (200, 30, 30))
    original.paste((10, 20, 200), (2000, 0, 4000, 1000))
    made = make_samples.prepare(photo, original)
    assert made.size == (720, 360)
    assert np.asarray(made).reshape(-1, 3).max(0).tolist() == [10, 20, 200]
    small = Image.new("RGB", (300, 200))
    whole = make_samples.Photo("x", "X", "p", "x.jpg", "A", "CC0 1.0")
    assert make_samples.prepare(whole, small).size == (300, 200)
    turned = Image.new("RGB", (300, 200))
    turned.getexif()[0x0112] = 6
    assert make_samples.prepare(whole, turned).size == (200, 300)


def test_the_script_wants_a_step(make_samples: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        make_samples.main([])
    assert exit_.value.code == 2
    assert "--lomiri" in capsys.readouterr().err
