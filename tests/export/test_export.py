"""Models out of and into other hands: folders, the Hugging Face layout, the commands; no places told."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core import places
from core.events import Notice
from core.export import (
    ExportError,
    export_model,
    from_pretrained,
    import_state_dict,
    save_pretrained,
)
from core.jobs import Cancelled, JobControl, ignore
from core.model import card as model_card
from core.model import catalog, checkpoint
from core.training.recipe import TrainRecipe
from tests.export.export_kit import PROTOCOL, assert_tells_no_places, output_of, run, trained_model
from tests.small import save_small_model, small_network

# --- places ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/jo/my photos", "my photos"),
        ("C:\\Users\\Jo\\Pics", "Pics"),
        ("D:/a/b", "b"),
        ("\\\\server\\share\\a", "a"),
        ("~/photos/rain", "rain"),
        ("file:///home/jo/x.png", "x.png"),
        ("see `/tmp/a/b`, (/home/jo/x).", "see `b`, (x)."),
        ("from C:\\Users\\Jo\\x to ~/y", "from x to y"),
        ("one line\n/home/jo/x/\n", "one line\nx\n"),
        ("https://example.org/a/b and and/or 16/235, 1 / 2", "https://example.org/a/b and and/or 16/235, 1 / 2"),
        ("DATA/clean", "DATA/clean"),
        ("core/data/degrade/__init__.py", "core/data/degrade/__init__.py"),
        ("/", "/"),
        ("", ""),
    ],
)  # fmt: skip
def test_of_paths_the_last_name_stays(text: str, expected: str) -> None:
    assert places.without_places(text) == expected
    assert places.without_places({text: [text, 1.5, None, True]}) == {expected: [expected, 1.5, None, True]}


def test_the_own_home_goes_also_where_names_have_spaces(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "Jo van Doe"))
    assert "Doe" not in places.without_places(f"made from {tmp_path}/Jo van Doe/a b/c and more")


# --- the folder -----------------------------------------------------------------------------------


def test_a_folder_with_card_and_without_places(tmp_path: Path) -> None:
    model = trained_model(tmp_path / "model", tmp_path)
    (model / "samples.safetensors").write_bytes(b"patches of photos")
    events: list[object] = []
    target = tmp_path / "out" / "passed-on"
    assert export_model(model, target, events.append, JobControl()) == target
    assert sorted(file.name for file in target.iterdir()) == ["card.md", "config.json", "model.safetensors"]
    assert_tells_no_places(target, tmp_path)
    weights, _ = checkpoint.read_tensors(target / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    loaded = checkpoint.load(target)
    assert (loaded.name, loaded.task) == ("mine", "derain")
    assert loaded.provenance["step"] == 450
    assert loaded.provenance["folders"] == [tmp_path.name, {"deep": "x"}]
    assert torch.allclose(output_of(target), output_of(model), atol=2e-3)
    assert any(isinstance(event, Notice) and "sample memory" in event.text for event in events)
    card = (target / "card.md").read_text()
    for fact in (
        "# mine", "Remove rain from photos.", "1,234 photos, degraded as training goes; folders my photos",
        "step 450 of 500", "8 crops of 128 px", "muon", "Started from:** first", "| PSNR restored, dB | 31.456 |",
        "| PSNR of the photos as given, dB | 25.5 |", "| SSIM restored | 0.91 |", PROTOCOL, "half precision",
        "## Licence\n\nNone is stated.", "```toml\n[run]\nname = \"mine\"",
    ):  # fmt: skip
        assert fact in card, fact


def test_what_ships_tells_no_places(tmp_path: Path) -> None:
    """Also of weights that somebody averaged by hand, whose recipe names folders in full."""
    place = tmp_path / "runs"
    recipe = TrainRecipe(
        name="mine", train=(str(place / "my photos"), "DATA/clean"), start_from=f"{place}/a/b"
    )
    model = trained_model(
        place / "run" / "model", place, recipe=recipe.as_dict(), mean_of={f"{place}/x": 0.5}
    )
    ship = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "ship_model.py"))["main"]
    assert ship([str(model.parent), "--to", str(tmp_path / "weights")]) == 0
    shipped = tmp_path / "weights" / "mine"
    assert_tells_no_places(shipped, tmp_path)
    record = checkpoint.load(shipped).provenance
    assert record["recipe"]["data"]["train"] == ["my photos", "DATA/clean"]
    assert record["recipe"]["network"]["start_from"] == "b" and record["mean_of"] == {"x": 0.5}


def test_a_mean_lies_between_a_runs_averaged_weights_and_a_models(tmp_path: Path) -> None:
    mean = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "mean_of_models.py"))["main"]
    run_model = trained_model(tmp_path / "run" / "model", tmp_path)
    other = save_small_model(tmp_path / "other")
    with pytest.raises(SystemExit):  # no checkpoint there
        mean([str(run_model.parent), str(other), "--share", "0.5", "--out", str(tmp_path / "none")])
    own = checkpoint.load(other).network.float().state_dict()
    average = {key: value + 1 for key, value in own.items()}
    (tmp_path / "run" / "checkpoints").mkdir()
    for step, added in ((8, 5.0), (12, 0.0)):  # the newest counts
        save_file(
            {f"average.{key}": (value + added).contiguous() for key, value in average.items()},
            tmp_path / "run" / "checkpoints" / f"step-{step:08}.safetensors",
        )
    for share in (0.0, 0.25, 1.0):
        out = tmp_path / f"mean {share}"
        assert mean([str(run_model.parent), str(other), "--share", str(share), "--out", str(out)]) == 0
        made = checkpoint.load(out / "model")
        for key, value in made.network.float().state_dict().items():
            assert torch.allclose(value, own[key] + share, atol=1e-5), key
        assert made.provenance["step"] == 12 and made.provenance["mean"]["share"] == share
    with pytest.raises(SystemExit):
        mean([str(run_model.parent), str(other), "--share", "2", "--out", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()


def test_a_card_written_by_hand_is_kept(tmp_path: Path) -> None:
    model = trained_model(tmp_path / "model", tmp_path)
    (model / "card.md").write_text(f"# Mine\n\nRain of my garden, in {tmp_path}/secret/garden.\n")
    target = export_model(model, tmp_path / "out", ignore, JobControl())
    assert (target / "card.md").read_text() == "# Mine\n\nRain of my garden, in garden.\n"


def test_a_card_says_what_nobody_recorded(tmp_path: Path) -> None:
    model = save_small_model(tmp_path / "small")
    card = (export_model(model, tmp_path / "out", ignore, JobControl()) / "card.md").read_text()
    assert "## Training\n\nNot recorded." in card
    assert "## Measured\n\nNothing is recorded." in card
    odd = model_card.CardFacts(
        "x", "unheard-of", 1, "float32", 8, 8, {}, {"recipe": {"data": 5}, "validation": {}}
    )
    assert "no memory" in model_card.text(odd)


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    model = save_small_model(tmp_path / "small")
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    file = tmp_path / "file"
    file.write_text("mine")
    for target in (taken, file, model):
        for write in (
            lambda: export_model(model, target, ignore, JobControl()),  # noqa: B023 - called at once
            lambda: save_pretrained(model, target),  # noqa: B023
            lambda: import_state_dict(model / "model.safetensors", target),  # noqa: B023
        ):
            with pytest.raises(ExportError, match="exists already"):
                write()
    assert (taken / "mine.txt").read_text() == "mine"
    empty = tmp_path / "empty"
    empty.mkdir()
    export_model(model, empty, ignore, JobControl())
    assert (empty / "card.md").is_file()


def test_nothing_is_left_behind_by_what_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(tmp_path.iterdir())
    model = save_small_model(tmp_path / "small")
    control = JobControl()
    control.cancel()
    with pytest.raises(Cancelled):
        export_model(model, tmp_path / "out", ignore, control)
    with pytest.raises(checkpoint.CheckpointError):
        export_model(tmp_path / "absent", tmp_path / "out", ignore, JobControl())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.atomic.write_text", full)
    with pytest.raises(OSError, match="No space"):
        save_pretrained(model, tmp_path / "out")
    assert set(tmp_path.iterdir()) == before | {model}


def test_weights_beyond_half_precision_are_refused(tmp_path: Path) -> None:
    network = small_network()
    with torch.no_grad():
        network.first.weight[0, 0, 0, 0] = 1e6
    model = checkpoint.save(tmp_path / "big", network, name="big", task="derain", provenance={})
    with pytest.raises(ExportError, match=r"first.weight reaches 1e\+06, half precision ends at 65504"):
        export_model(model, tmp_path / "out", ignore, JobControl())
    assert not (tmp_path / "out").exists()
    assert torch.equal(output_of(save_pretrained(model, tmp_path / "hf")), output_of(model))


# --- Hugging Face layout --------------------------------------------------------------------------


def test_save_pretrained_and_back(tmp_path: Path) -> None:
    model = trained_model(tmp_path / "model", tmp_path)
    target = save_pretrained(model, tmp_path / "hub" / "mine")
    assert sorted(file.name for file in target.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert_tells_no_places(target, tmp_path)
    loaded = from_pretrained(target)
    assert (loaded.name, loaded.task, loaded.provenance["step"]) == ("mine", "derain", 450)
    assert torch.equal(output_of(target), output_of(model))  # to the last bit
    weights, header = checkpoint.read_tensors(target / "model.safetensors")
    assert header == {"format": "pt"}
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    config = json.loads((target / "config.json").read_text())
    assert config["architectures"] == ["MemoryNet"]
    assert (config["model_type"], config["torch_dtype"]) == ("memorynet", "float32")
    readme = (target / "README.md").read_text()
    _, front, card = readme.split("---\n", 2)
    assert "library_name: memorynet\npipeline_tag: image-to-image\n" in front
    assert "- image-deraining\n" in front
    assert "\nlicense" not in front  # nobody has stated one
    assert card.startswith("\n# mine\n")
    again = save_pretrained(loaded, tmp_path / "again")  # from a loaded model
    assert (again / "model.safetensors").read_bytes() == (target / "model.safetensors").read_bytes()


def test_half_precision_only_where_it_is_exact(tmp_path: Path) -> None:
    model = checkpoint.save(
        tmp_path / "half", small_network(), name="half", task="derain", provenance={}, dtype=torch.float16
    )
    target = save_pretrained(model, tmp_path / "out")
    weights, _ = checkpoint.read_tensors(target / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    assert torch.equal(output_of(target), output_of(model))


def test_the_catalog_knows_both_kinds_of_folder(tmp_path: Path) -> None:
    model = save_small_model(tmp_path / "small")
    library = tmp_path / "library"
    export_model(model, library / "plain", ignore, JobControl())
    save_pretrained(model, library / "hub")
    found = {entry.name: entry for entry in catalog.models((library,)) if not entry.bundled}
    assert {name: entry.error for name, entry in found.items()} == {"plain": None, "hub": None}


def test_from_pretrained_fetches_nothing(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "someone" / "model"):
        with pytest.raises(checkpoint.CheckpointError, match=r"expected config.json.*nothing is fetched"):
            from_pretrained(folder)


# --- the commands ---------------------------------------------------------------------------------


def test_export_and_import_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(catalog.HOME_VARIABLE, str(tmp_path / "own"))
    run_folder = tmp_path / "own" / "data" / "runs" / "first"
    trained_model(run_folder / "model", tmp_path)
    (run_folder / "recipe.toml").write_text(TrainRecipe().to_toml())
    for index, name in enumerate(
        ("first", run_folder, run_folder / "model")
    ):  # by name, as a run, as a model
        code, out, _ = run(capsys, "export", name, "--to", "folder", "--out", tmp_path / f"out-{index}")
        assert code == 0
        assert "card.md" in out
    code, out, _ = run(capsys, "export", "first", "--to", "huggingface", "--out", tmp_path / "hub", "--json")
    assert set(json.loads(out)["files"]) == {"README.md", "config.json", "model.safetensors"}
    code, _, err = run(capsys, "export", "first", "--to", "folder", "--out", tmp_path / "hub")
    assert code == 1
    assert "The model was not exported." in err
    weights = tmp_path / "hub" / "model.safetensors"
    code, out, _ = run(capsys, "import", weights, "--task", "derain", "--out", tmp_path / "back")
    assert code == 0
    assert "a model for rain" in out
    assert torch.equal(output_of(tmp_path / "back"), output_of(run_folder / "model"))
    code, _, err = run(capsys, "import", weights, "--out", tmp_path / "again")
    assert code == 1
    assert "The weights were not imported. model.safetensors: it does not say its task" in err


def test_a_run_without_model_and_bad_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "recipe.toml").write_text(TrainRecipe().to_toml())
    out = tmp_path / "out"
    for words, said in (
        (("export", fresh, "--to", "folder", "--out", out), "the run has no model yet"),
        (("export", "nothing-such", "--to", "folder", "--out", out), "no model 'nothing-such'"),
        (("export", "derain-s", "--to", "word", "--out", out), "invalid choice: 'word'"),
        (("export", "derain-s", "--to", "folder", "--out", out, "--photo", "a.png"), "only --to onnx"),
        (("export", "derain-s", "--to", "onnx", "--out", out, "--photo", "a.png"), "a.png: no such file"),
        (("import", tmp_path / "absent.pth", "--out", out), "no such file"),
        (
            ("import", fresh / "recipe.toml", "--out", out, "--config", tmp_path / "no.json"),
            "no.json: no such file",
        ),
    ):
        code, _, err = run(capsys, *words)
        assert code == 2, err
        assert said in err
