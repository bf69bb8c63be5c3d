"""The library: public names that are there and cheap, arrays that come back as they went in, documents that run."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import core
from core.images import io as image_io
from core.images.metrics import to_8bit
from core.model import catalog
from core.model.checkpoint import CheckpointError
from tests.small import photo, save_small_model

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> core.Model:
    return core.load(save_small_model(tmp_path_factory.mktemp("models") / "small"))


def test_every_public_name_is_there_and_documented() -> None:
    text = (ROOT / "docs" / "library.md").read_text("utf-8")
    stub = (ROOT / "core" / "__init__.pyi").read_text("utf-8")
    for name in core.__all__:
        assert getattr(core, name) is not None
        if not name.startswith("__"):
            assert re.search(rf"`(core\.)?{name}\b", text), f"{name} is not in docs/library.md"
            assert re.search(rf"\b{name} as {name}\b", stub), f"{name} is not in core/__init__.pyi"
    assert set(core.__all__) <= set(dir(core))
    with pytest.raises(AttributeError, match="no attribute 'restroe'"):
        core.restroe  # type: ignore[attr-defined]  # noqa: B018


def test_what_is_public_stays() -> None:
    """A name, an argument or an option that goes, or is called otherwise, asks for a new major version."""
    names = (
        "DEGRADATIONS PROTOCOLS TASKS Cancelled EvaluateRequest EvaluationTable Inspection JobControl MemoryNet Model "
        "NetworkConfig Options Picture Restored TrainRecipe TrainResult WriteOptions __version__ evaluate "
        "from_pretrained load models psnr_db read restore ssim train write"
    )
    assert set(names.split()) <= set(core.__all__)
    for function, first in (
        (core.restore, ["picture", "task", "model", "strength"]),
        (core.load, ["name_or_path"]),
        (core.from_pretrained, ["folder"]),
        (core.Model.restore, ["self", "picture", "strength"]),
        (core.train, ["recipe", "data", "out", "emit", "control"]),
        (core.evaluate, ["request", "emit", "control"]),
    ):
        assert list(inspect.signature(function).parameters)[: len(first)] == first
    options = {field.name for field in fields(core.Options)}
    assert {"scale", "mask", "only", "thoroughness", "guess", "device", "precision", "tile_px"} <= options


def test_importing_it_is_cheap_and_brings_neither_numpy_nor_torch_nor_qt() -> None:
    code = (
        "import sys, core; core.JobControl; core.TASKS; "
        "assert not {'numpy', 'torch', 'PySide6', 'cv2'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)


def test_what_comes_back_has_the_shape_and_type_of_what_went_in(model: core.Model) -> None:
    rgb = photo(24, 16, 1)
    whole = model.restore(rgb)
    assert whole.shape == (16, 24, 3) and whole.dtype == np.uint8 and (whole != rgb).any()
    kinds: list[tuple[Callable[[np.ndarray], np.ndarray], float]] = [
        (lambda a: a.astype(np.uint16) * 257, 257.0),
        (lambda a: a.astype(np.float32) / 255, 1 / 255),
        (lambda a: a.astype(np.float64) / 255, 1 / 255),
        (lambda a: (a / 255).astype(np.float16), 1 / 255),
    ]
    for make, level in kinds:
        given = make(rgb)
        before = given.copy()
        made = model.restore(given)
        assert made.shape == given.shape and made.dtype == given.dtype and (given == before).all()
        assert np.abs(made / level - whole).max() <= 1.0, given.dtype
    alpha = np.dstack([rgb, photo(24, 16, 2)[..., 0]])
    with_alpha = model.restore(alpha)
    assert (with_alpha[..., 3] == alpha[..., 3]).all() and (with_alpha[..., :3] == whole).all()
    for grey in (rgb[..., 0], rgb[..., :1]):
        assert model.restore(grey).shape == grey.shape
    assert (model.restore(rgb, strength=0.0) == rgb).all()


def test_a_path_is_read_and_gives_what_its_pixels_give(model: core.Model, tmp_path: Path) -> None:
    rgb = photo(24, 16, 1)
    image_io.write(tmp_path / "a.png", image_io.from_array(rgb))
    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        assert (core.restore(path, model=model.path) == model.restore(rgb)).all()
    only = np.zeros((16, 24), np.uint8)
    only[:, :12] = 255
    partly = core.restore(rgb, model=str(model.path), only=only, scale="1", device="cpu", precision="fp32")
    assert (partly[:, 12:] == rgb[:, 12:]).all()


def test_records_of_a_photo(model: core.Model) -> None:
    rgb = photo(64, 48, 1)
    found, seen = model.details(rgb), model.look(rgb)
    assert (to_8bit(found.pixels) == model.restore(rgb)).all() and found.model_sha256 == model.sha256
    assert seen.usage.shape == seen.table.shape[:1] and seen.before.values.shape == (6, 8)
    assert sum(each.numel() for each in model.network().parameters()) == model.parameters


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        (np.full((8, 8, 3), 1.5, np.float32), "0.* to 1.5|float pictures go from 0 to 1"),
        (np.full((8, 8, 3), np.nan), "NaN"),
        (np.zeros((8, 8, 2), np.uint8), "shape"),
        (np.zeros((8, 8, 3), np.int64), "int64"),
        (np.zeros((0, 8, 3), np.float32), "at least one pixel"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(model: core.Model, picture: np.ndarray, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        model.restore(picture)


def test_models_are_found_by_name_folder_and_run(model: core.Model, tmp_path: Path) -> None:
    assert core.load("derain-s").task == "derain"
    run = tmp_path / "run"
    (run).mkdir()
    (run / "recipe.toml").write_text("")
    save_small_model(run / "model", name="mine")
    assert core.load(run).name == "mine"
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "recipe.toml").write_text("")
    with pytest.raises(CheckpointError, match="never validated"):
        core.load(tmp_path / "begun")
    assert core.from_pretrained(str(model.path)).sha256 == model.sha256
    with pytest.raises(catalog.CatalogError, match="derain-z"):
        core.load("derain-z")
    with pytest.raises(CheckpointError):
        core.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="is for derain, not for deshadow"):
        core.restore(photo(8, 8), "deshadow", model=model.path)
    with pytest.raises(TypeError, match="sharpness"):
        model.restore(photo(8, 8), sharpness=2)


# --- documents that run ----------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Small photos of the names the documents use."""
    for name, task in (("rain.jpg", "derain"), ("shade.jpg", "deshadow")):
        sample = next(each for each in catalog.samples() if each.task == task)
        pixels = image_io.read(sample.path).pixels[:96, :128]
        image_io.write(tmp_path / name, image_io.from_array(pixels))
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.mark.usefixtures("desk")
def test_the_page_runs_from_top_to_bottom(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "library.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 5
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/library.md", "exec"), names)
    assert "derain-s derain" in capsys.readouterr().out


def test_the_notebook_runs_from_top_to_bottom(monkeypatch: pytest.MonkeyPatch) -> None:
    read = core.read

    def small(path: Path) -> image_io.Picture:
        return image_io.from_array(read(path).pixels[:96, :128])

    monkeypatch.setattr(core, "read", small)
    cells = json.loads((ROOT / "docs" / "quick_start.ipynb").read_text("utf-8"))["cells"]
    names: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "docs/quick_start.ipynb", "exec"), names)
            assert cell["outputs"] == [], "kept without outputs"
    assert core.psnr_db(names["dry"], names["truth"], "Y") > core.psnr_db(names["photo"], names["truth"], "Y")
