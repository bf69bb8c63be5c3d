"""Models as ONNX graphs: what they compute, what they say, and when none is written."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from core import extras
from core.events import ItemStarted
from core.export import (
    ExportError,
)
from core.export import onnx as export_onnx
from core.images import io as image_io
from core.jobs import Cancelled, JobControl, ignore
from core.model import checkpoint
from tests.export.export_kit import assert_tells_no_places, run, trained_model
from tests.small import photo, save_small_model, small_network

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
