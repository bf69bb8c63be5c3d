"""Names to paths: what ships, what people add, and folders that are broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.images.metrics import PROTOCOLS
from core.model import catalog


def _model(root: Path, name: str, task: str = "derain", parameters: int = 12) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"the catalog does not open weights")
    (folder / "config.json").write_text(json.dumps({"name": name, "task": task, "parameters": parameters}))
    return folder


@pytest.fixture
def resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "resources"
    for name in ("weights", "recipes", "samples"):
        (root / name).mkdir(parents=True)
    monkeypatch.setattr(catalog, "RESOURCES", root)
    monkeypatch.delenv(catalog.MODELS_VARIABLE, raising=False)
    monkeypatch.delenv(catalog.HOME_VARIABLE, raising=False)
    return root


def test_bundled_come_first_then_the_persons_own(
    resources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _model(resources / "weights", "derain-s", parameters=1_400_000)
    _model(catalog.user_models_dir(), "mine")
    first, second = tmp_path / "one", tmp_path / "two"
    _model(first, "from-variable")
    _model(second, "deblur-x", task="deblur")
    monkeypatch.setenv(catalog.MODELS_VARIABLE, f"{first}{os.pathsep}{second}")
    extra = _model(tmp_path / "extra", "extra").parent
    found = catalog.models([extra])
    assert [(e.name, e.bundled) for e in found] == [
        ("derain-s", True), ("from-variable", False), ("deblur-x", False), ("mine", False), ("extra", False),
    ]  # fmt: skip
    assert found[0].parameters == 1_400_000 and found[0].task == "derain"
    assert all(entry.error is None for entry in found)
    assert catalog.resolve("mine") == catalog.user_models_dir() / "mine"
    assert catalog.resolve("extra", [extra]) == extra / "extra"
    with pytest.raises(catalog.CatalogError):
        catalog.resolve("extra")


def test_a_home_of_its_own(resources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(catalog.HOME_VARIABLE, str(tmp_path / "portable"))
    _model(tmp_path / "portable/data/models", "carried")
    assert catalog.resolve("carried") == tmp_path / "portable/data/models/carried"


def test_a_taken_name_is_said(resources: Path) -> None:
    first = _model(resources / "weights", "derain-s")
    _model(catalog.user_models_dir(), "derain-s")
    bundled, own = catalog.models()
    assert bundled.error is None and own.error is not None and str(first) in own.error
    assert catalog.resolve("derain-s") == first


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, "config.json: missing"),
        ("{", "not valid JSON"),
        ("[1]", "expected an object, found list"),
        ('{"parameters": 1}', "task is None"),
        ('{"task": "derain", "parameters": "many"}', "parameters is 'many'"),
        ('{"task": "De haze", "parameters": 1}', "task 'De haze'"),
        ("\udcff", "not valid JSON"),
    ],
)
def test_a_broken_folder_is_listed_with_its_error(resources: Path, config: str | None, expected: str) -> None:
    good = _model(resources / "weights", "good")
    broken = _model(resources / "weights", "broken")
    if config is None:
        (broken / "config.json").unlink()
    else:
        (broken / "config.json").write_bytes(config.encode(errors="surrogateescape"))
    entries = {entry.name: entry for entry in catalog.models()}
    assert entries["good"].error is None
    assert expected in str(entries["broken"].error)
    with pytest.raises(catalog.CatalogError, match="broken"):
        catalog.resolve("broken")
    assert catalog.default_model("derain") == good


def test_weights_that_are_missing(resources: Path) -> None:
    (_model(resources / "weights", "derain-s") / "model.safetensors").unlink()
    (entry,) = catalog.models()
    assert entry.error == "model.safetensors is missing"
    with pytest.raises(catalog.CatalogError, match="no model for derain"):
        catalog.default_model("derain")


def test_hidden_and_stray_files_are_no_models(resources: Path) -> None:
    (resources / "weights" / ".cache").mkdir()
    (resources / "weights" / "LICENSE.md").write_text("text")
    assert catalog.models() == ()


def test_default_prefers_the_bundled_small_one(resources: Path) -> None:
    own = _model(catalog.user_models_dir(), "a-model-of-mine")
    assert catalog.default_model("derain") == own
    big = _model(resources / "weights", "derain-b")
    assert catalog.default_model("derain") == big
    small = _model(resources / "weights", "derain-s")
    assert catalog.default_model("derain") == small
    with pytest.raises(catalog.CatalogError, match="no model for deblur"):
        catalog.default_model("deblur")


def test_paths_are_taken_as_they_are(
    resources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _model(tmp_path / "elsewhere", "mine")
    assert catalog.resolve(folder) == folder
    assert catalog.resolve(str(folder / "model.safetensors")) == folder / "model.safetensors"
    monkeypatch.chdir(folder.parent)
    assert catalog.resolve("mine") == Path("mine")
    named = _model(resources / "weights", "mine")
    assert catalog.resolve("mine") == named, "a name wins over a folder that happens to lie here"
    assert catalog.resolve("./mine") == Path("mine")


def test_close_names_are_suggested(resources: Path) -> None:
    with pytest.raises(catalog.CatalogError, match="there are none"):
        catalog.resolve("derain-s")
    _model(resources / "weights", "derain-s")
    with pytest.raises(catalog.CatalogError, match=r"'derian-s'.*did you mean derain-s\?"):
        catalog.resolve("derian-s")
    with pytest.raises(catalog.CatalogError, match=r"'deran'.*did you mean derain\?"):
        catalog.task_info("deran")
    with pytest.raises(catalog.CatalogError, match=r"known: derain, deshadow, deblur\)$"):
        catalog.default_model("zzz")


def test_recipes(resources: Path, tmp_path: Path) -> None:
    bundled = resources / "recipes" / "derain.toml"
    bundled.write_text("")
    own = tmp_path / "own.toml"
    own.write_text("")
    assert catalog.recipes() == ("derain",)
    assert catalog.recipe("derain") == bundled
    assert catalog.recipe(own) == own
    with pytest.raises(catalog.CatalogError, match="did you mean derain"):
        catalog.recipe("derani")
    with pytest.raises(catalog.CatalogError):
        catalog.recipe("../recipes/derain")


def test_samples_follow_their_index(resources: Path) -> None:
    assert catalog.samples() == ()
    rows = [
        {"name": "Coffee", "file": "rainy/c.jpg", "truth": "clean/c.jpg", "credit": "A", "licence": "CC0"},
        {"name": "Street", "file": "clean/s.jpg", "truth": None, "credit": "B", "licence": "CC BY"},
    ]
    (resources / "samples" / "samples.json").write_text(json.dumps(rows))
    coffee, street = catalog.samples()
    root = resources / "samples"
    assert (coffee.path, coffee.truth) == (root / "rainy/c.jpg", root / "clean/c.jpg")
    assert (street.path, street.truth, street.credit) == (root / "clean/s.jpg", None, "B, CC BY")


def test_tasks_speak_to_people() -> None:
    assert set(catalog.TASKS) == {"derain", "deshadow", "deblur"}
    for info in catalog.TASKS.values():
        assert info.protocol in PROTOCOLS
        assert info.verb.endswith(info.noun)
    assert len({info.suffix for info in catalog.TASKS.values()}) == 3


def test_what_ships_is_whole() -> None:
    """Whatever stands in resources/ of this checkout: no broken model, no sample whose file is absent."""
    for entry in catalog.models():
        assert entry.error is None, entry
    for sample in catalog.samples():
        assert sample.path.is_file() and sample.credit
        assert sample.truth is None or sample.truth.is_file()
    for name in catalog.recipes():
        assert catalog.recipe(name).is_file()


def test_listing_does_not_import_torch_or_qt() -> None:
    code = (
        "import sys, core.model.catalog as c; c.models(); c.samples();"
        "sys.exit(any(m in sys.modules for m in ('torch', 'PySide6', 'cv2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
