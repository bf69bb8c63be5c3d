"""Models out of and into other hands: folders, ONNX, the Hugging Face layout, plain weights; no places told."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core import extras, places
from core.cli import program as cli
from core.events import ItemStarted, Notice
from core.export import (
    ExportError,
    ImportFailed,
    export_model,
    from_pretrained,
    guess_config,
    import_state_dict,
    save_pretrained,
)
from core.export import onnx as export_onnx
from core.export.import_weights import read_config
from core.images import io as image_io
from core.jobs import Cancelled, JobControl, ignore
from core.model import card as model_card
from core.model import catalog, checkpoint
from core.model.config import MEMORIES, NetworkConfig
from core.model.network import MemoryNet, with_memory
from core.training.recipe import TrainRecipe
from tests.small import SMALL, photo, save_small_model, small_network

PROTOCOL = "Y channel, MATLAB studio-range rgb2ycbcr (16 to 235)"


def trained_model(folder: Path, place: Path, **more: Any) -> Path:
    """A small model that records about itself what a training run records, and places of this machine beside."""
    recipe = TrainRecipe(
        name="mine", steps=500, train=(str(place / "my photos"),), start_from=str(place / "first")
    )
    provenance = {
        "recipe": recipe.without_places(),
        "recipe_sha256": recipe.sha256(),
        "step": 450,
        "training_photos": 1234,
        "validation": {"psnr_db": 31.456, "ssim": 0.91, "input_psnr_db": 25.5, "protocol": PROTOCOL, "photos": 24},
        "guidance": False,
        "note": f"made from {place}/secret/photos.zip by hand",
        "folders": [str(place), {"deep": f"file://{place}/x"}],
    }  # fmt: skip
    return checkpoint.save(folder, small_network(1), name="mine", task="derain", provenance=provenance | more)


def output_of(model: Path) -> torch.Tensor:
    network = checkpoint.load(model).network
    x = torch.from_numpy(photo(32, 24)).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        restored: torch.Tensor = network(x).restored
    return restored


def assert_tells_no_places(folder: Path, *places_to_hide: Path) -> None:
    files = [folder] if folder.is_file() else list(folder.rglob("*"))
    assert files
    for file in files:
        data = file.read_bytes()
        for place in (
            *places_to_hide,
            Path.home(),
            Path(__file__).parents[2],
            Path(torch.__file__).parents[1],
        ):
            assert str(place).encode() not in data, f"{file.name} names {place}"
        assert b"secret" not in data


# --- places ----------------------------------------------------------------------------------------


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


# --- the folder ------------------------------------------------------------------------------------


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


# --- Hugging Face layout ---------------------------------------------------------------------------


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


# --- plain weights ---------------------------------------------------------------------------------


def save_weights(file: Path, weights: dict[str, torch.Tensor]) -> Path:
    if file.suffix == ".safetensors":
        checkpoint.save_tensors(file, weights, {})
    else:
        torch.save(weights, file)
    return file


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.pt"])
@pytest.mark.parametrize("prefix", ["", "module.", "module._orig_mod.", "network."])
def test_plain_weights_become_a_model(tmp_path: Path, name: str, prefix: str) -> None:
    network = small_network(2)
    file = save_weights(tmp_path / name, {prefix + key: value for key, value in network.state_dict().items()})
    target = import_state_dict(file, tmp_path / "mine", task="deshadow")
    loaded = checkpoint.load(target)
    assert (loaded.name, loaded.task) == ("mine", "deshadow")
    assert loaded.network.config == SMALL
    assert loaded.provenance["imported_from"] == name
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[key], value)
    card = model_card.text(
        model_card.CardFacts("mine", "deshadow", 1, "float32", 8, 8, {}, loaded.provenance)
    )
    assert f"the weights were imported from {name}" in card


def test_a_runs_checkpoint_gives_its_averaged_weights(tmp_path: Path) -> None:
    now, mean = small_network(2).state_dict(), small_network(3).state_dict()
    tensors = {f"network.{key}": value for key, value in now.items()}
    tensors |= {f"average.{key}": value for key, value in mean.items()}
    tensors |= {"optimizer.exp_avg.first.weight": torch.zeros(3), "bank.positive": torch.zeros(2, 8)}
    file = save_weights(tmp_path / "step-00000010.safetensors", tensors)
    loaded = checkpoint.load(import_state_dict(file, tmp_path / "mine", task="derain"))
    assert torch.equal(loaded.network.state_dict()["first.weight"], mean["first.weight"])


@pytest.mark.parametrize("kind", list(MEMORIES))
def test_the_shape_is_read_from_the_tensors(kind: str) -> None:
    config = with_memory(replace(SMALL, width=8, blocks=(2, 1, 3), slots=(10, 5, 2)), kind)
    with torch.device("meta"):
        weights = MemoryNet(config).state_dict()
    twins = [
        other for other, values in MEMORIES.items() if len(values[0]) == 1 and values[1] == MEMORIES[kind][1]
    ]
    if kind in twins:  # one granularity or another: the same shapes
        with pytest.raises(ImportFailed, match=r"more than one memory \(part, instance, semantic\)"):
            guess_config("w.pth", weights)
        return
    found = guess_config("w.pth", weights)
    if not config.has_memory:  # nothing tells the sizes of a memory that is not there
        found = replace(found, memory_dim=config.memory_dim, slots=config.slots)
    assert found == config


@pytest.mark.parametrize("preset", ["S", "B"])
def test_the_shape_of_a_preset_is_read_from_the_tensors(preset: str) -> None:
    with torch.device("meta"):
        weights = MemoryNet(NetworkConfig.preset(preset)).state_dict()
    assert guess_config("w", weights) == NetworkConfig.preset(preset)


def test_what_the_file_says_goes_before_guesses(tmp_path: Path) -> None:
    config = with_memory(SMALL, "instance")
    network = MemoryNet(config)
    told = {"network": config.as_dict(), "task": "derain", "name": "said", "provenance": {"step": 7}}
    torch.save({"state_dict": network.state_dict(), "config": told}, tmp_path / "w.pth")
    loaded = checkpoint.load(import_state_dict(tmp_path / "w.pth", tmp_path / "mine"))
    assert (loaded.name, loaded.task, loaded.provenance["step"]) == ("said", "derain", 7)
    assert loaded.network.config == config
    (tmp_path / "config.json").write_text(json.dumps(told))
    (tmp_path / "network.json").write_text(json.dumps(told["network"]))
    plain = save_weights(tmp_path / "plain.pth", dict(network.state_dict()))
    for file in ("config.json", "network.json"):
        out = tmp_path / f"by-{file}"
        import_state_dict(plain, out, task="derain", config=read_config(tmp_path / file))
        assert checkpoint.load(out).network.config == config


class _Runs:
    """What a pickle that runs code looks like."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("pwned"),))


def test_bad_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    weights = dict(small_network().state_dict())
    out = tmp_path / "out"

    def refused(error: type[Exception], said: str, content: Any, **options: Any) -> None:
        file = tmp_path / "w.pth"
        torch.save(content, file)
        with pytest.raises(error, match=said):
            import_state_dict(file, out, **{"task": "derain"} | options)
        assert not out.exists()

    refused(ImportFailed, "w.pth: it does not say its task; name one of derain", weights, task="")
    refused(ImportFailed, "task 'De noise' is unknown", weights, task="De noise")
    refused(ImportFailed, "first.weight is missing; there are conv.weight", {"conv.weight": torch.zeros(3)})
    refused(ImportFailed, "first.weight is missing; there are nothing", {})
    refused(ImportFailed, "width 2: need 4 to 256", {"first.weight": torch.zeros(2, 4, 3, 3)})
    refused(ImportFailed, "blocks", {"first.weight": torch.zeros(8, 4, 3, 3)})
    refused(ImportFailed, "fit no MemoryNet", weights | {"extra.weight": torch.zeros(1)})
    refused(
        ImportFailed,
        "missing last.bias",
        {k: v for k, v in weights.items() if k != "last.bias"},
        config=SMALL,
    )
    refused(ImportFailed, "not finite", weights | {"last.bias": torch.full((3,), float("nan"))})
    refused(ImportFailed, "unknown keys", {"state_dict": weights, "config": {"network": {"depth": 3}}})
    refused(checkpoint.CheckpointError, "could run code", {"a": _Runs()})
    assert not (tmp_path / "pwned").exists()
    with pytest.raises(ImportFailed, match="no such file"):
        import_state_dict(tmp_path / "absent.pth", out, task="derain")
    (tmp_path / "bad.json").write_text("[")
    with pytest.raises(ImportFailed, match="not valid JSON"):
        read_config(tmp_path / "bad.json")


# --- ONNX ------------------------------------------------------------------------------------------

needs_onnx = pytest.mark.skipif(bool(extras.missing("onnx")), reason="needs the extra onnx")


@pytest.fixture(scope="module")
def guided(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, Path, export_onnx.OnnxReport, list[object]]]:
    """A model that takes masks, exported once: the exporter takes its time."""
    place = tmp_path_factory.mktemp("onnx")
    model = trained_model(place / "model", place, guidance=True)
    picture = place / "photo.png"
    image_io.write(picture, image_io.from_array(photo(75, 50)))
    events: list[object] = []
    target = place / "mine.onnx"
    report = export_onnx.export_onnx(model, target, picture, events.append, JobControl())
    yield model, target, report, events


@needs_onnx
def test_onnx_equals_pytorch_at_other_sizes(
    guided: tuple[Path, Path, export_onnx.OnnxReport, list[object]],
) -> None:
    import onnxruntime

    model, target, report, events = guided
    assert report.path == target
    assert report.file_bytes == target.stat().st_size
    assert report.opset >= 18
    assert report.inputs == ("image", "guidance")
    assert report.sizes == ((72, 48), (32, 48))
    assert report.max_difference_levels < 0.01
    assert report.photo == "photo.png"
    assert [event.index for event in events if isinstance(event, ItemStarted)] == [1, 2, 3, 4]
    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    network = checkpoint.load(model).network
    changed = []
    for width, height in ((16, 16), (104, 40)):
        image = torch.from_numpy(photo(width, height)).permute(2, 0, 1)[None].float().contiguous() / 255
        masks = torch.zeros(1, 1, height, width), torch.ones(1, 1, height, width)
        results = []
        for mask in masks:
            (found,) = session.run(None, {"image": image.numpy(), "guidance": mask.numpy()})
            with torch.inference_mode():
                expected = network(image, mask).restored.clamp(0, 1).numpy()
            assert found.shape == (1, 3, height, width)
            assert np.abs(found - expected).max() * 255 < 0.01
            results.append(found)
        changed.append(np.abs(results[0] - results[1]).max() * 255)
        assert np.abs(results[0] - image.numpy()).max() * 255 > 1  # it restores something
    assert min(changed) > 0.05  # the mask tells


@needs_onnx
def test_onnx_says_what_it_takes_and_no_places(
    guided: tuple[Path, Path, export_onnx.OnnxReport, list[object]],
) -> None:
    import onnx

    model, target, _, _ = guided
    graph = onnx.load(target)
    onnx.checker.check_model(graph, full_check=True)
    facts = {entry.key: entry.value for entry in graph.metadata_props}
    assert facts["name"] == "mine"
    assert facts["weights_sha256"] == checkpoint.load(model).sha256
    assert "multiples of 8 px, at least 16" in facts["image"]
    assert "1 where the damage is" in facts["guidance"]
    assert json.loads(facts["provenance"])["step"] == 450
    assert_tells_no_places(target, model.parent)
    assert [item.dim_param for item in graph.graph.input[0].type.tensor_type.shape.dim[2:]] == [
        "8*height8",
        "8*width8",
    ]


@needs_onnx
def test_onnx_that_differs_is_not_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    guided: tuple[Path, Path, export_onnx.OnnxReport, list[object]],
) -> None:
    import onnx

    model, target, _, _ = guided
    picture = model.parent / "photo.png"
    other = checkpoint.save(
        tmp_path / "other", small_network(7), name="other", task="derain", provenance={"guidance": True}
    )
    monkeypatch.setattr(
        export_onnx, "_translate", lambda *_: onnx.load(target)
    )  # the graph of another network
    out = tmp_path / "out.onnx"
    with pytest.raises(ExportError, match="other: the ONNX graph differs from PyTorch by"):
        export_onnx.export_onnx(other, out, picture, ignore, JobControl())
    assert not out.exists()
    with pytest.raises(ExportError, match="exists already"):
        export_onnx.export_onnx(model, target, picture, ignore, JobControl())
    control = JobControl()
    control.cancel()
    with pytest.raises(Cancelled):
        export_onnx.export_onnx(model, out, picture, ignore, control)
    tiny = tmp_path / "tiny.png"
    image_io.write(tiny, image_io.from_array(photo(40, 12)))
    with pytest.raises(ExportError, match="40x12 px, need at least 16"):
        export_onnx.export_onnx(model, out, tiny, ignore, JobControl())
    assert not out.exists()


# --- the commands ----------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


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


def test_without_the_extra_export_says_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    gone = ("onnxscript", "onnxruntime")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in gone else find(name))
    model = save_small_model(tmp_path / "small")
    with pytest.raises(extras.MissingExtra, match="need onnxscript and onnxruntime, which are not installed"):
        export_onnx.export_onnx(model, tmp_path / "x.onnx", tmp_path / "photo.png", ignore, JobControl())
    code, _, err = run(capsys, "export", model, "--to", "onnx", "--out", tmp_path / "x.onnx")
    assert code == 1
    assert "python -m pip install onnx onnxscript onnxruntime" in err
    assert not (tmp_path / "x.onnx").exists()
