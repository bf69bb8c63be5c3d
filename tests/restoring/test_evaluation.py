"""The evaluation job on a small real model: means, error rows, timing, JSON without NaN."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import PairingError
from core.events import ItemDone, ItemStarted
from core.images import io as image_io
from core.images import metrics
from core.jobs import Cancelled, JobControl, ignore
from core.restoring import evaluation, evaluation_text, passes, restore
from core.restoring.evaluation import EvaluateRequest, evaluate
from core.restoring.evaluation_table import EvaluationRow, EvaluationTable, Scores
from core.restoring.records import Choice
from tests.small import photo, save_small_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_small_model(tmp_path / "small")


def _write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image_io.write(path, image_io.from_array(pixels))


def _pairs(folder: Path, sizes: list[tuple[int, int]]) -> list[tuple[np.ndarray, np.ndarray]]:
    made = []
    for index, (width, height) in enumerate(sizes):
        truth = photo(width, height, index)
        rain = np.random.default_rng(index).integers(0, 60, truth.shape[:2])[..., None]
        rainy = np.minimum(truth.astype(int) + rain, 255).astype(np.uint8)
        _write(folder / f"rain/rain-{index}.png", rainy)
        _write(folder / f"norain/norain-{index}.png", truth)
        made.append((rainy, truth))
    return made


def test_means_are_those_of_the_pictures(tmp_path: Path, model: Path) -> None:
    made = _pairs(tmp_path / "data", [(40, 30), (33, 52)])
    events: list[object] = []
    table = evaluate(
        EvaluateRequest(tmp_path / "data", Choice(model=str(model), precision="fp32")), events.append
    )
    assert (table.protocol, table.protocols, table.layout) == ("Y", ("Y", "Y8", "RGB"), "rain/norain")
    for protocol in ("Y", "Y8", "RGB"):
        before = [metrics.psnr_db(a, b, protocol) for a, b in made]
        assert table.mean("input", protocol).psnr_db == pytest.approx(np.mean(before))
        after = []
        for rainy, truth in made:
            request = restore.RestoreRequest(model=model, precision="fp32")
            result = restore.restore(image_io.from_array(rainy), request, ignore, JobControl())
            after.append(
                (
                    metrics.psnr_db(result.pixels, truth, protocol),
                    metrics.ssim(result.pixels, truth, protocol),
                )
            )
        assert table.mean("restored", protocol).psnr_db == pytest.approx(np.mean([p for p, _ in after]))
        assert table.spread("restored", protocol).psnr_db == pytest.approx(
            np.std([p for p, _ in after], ddof=1)
        )
        assert table.mean("restored", protocol).ssim == pytest.approx(np.mean([s for _, s in after]))
    assert [type(event) for event in events] == [ItemStarted, ItemDone] * 2
    assert table.megapixels_per_s == pytest.approx(
        (40 * 30 + 33 * 52) / 1e6 / sum(row.seconds for row in table.rows)
    )


def test_the_json_has_the_promised_shape(tmp_path: Path, model: Path) -> None:
    _pairs(tmp_path / "data", [(40, 30)])
    request = EvaluateRequest(tmp_path / "data", Choice(model=str(model), precision="fp32", device="cpu"))
    found = json.loads(json.dumps(evaluate(request).as_dict(), allow_nan=False))
    assert found["task"] == "derain" and found["protocol"] == "Y" and found["count"] == 1
    for side in ("input", "restored"):
        assert set(found[side]) == {"psnr_db", "ssim"}
        assert set(found["rgb"][side]) == {"psnr_db", "ssim"}
        assert found["images"][0][side] == found[side]
    assert found["rgb"]["protocol"].startswith("RGB")
    assert found["device"] == "cpu" and found["precision"] == "fp32" and found["model"] == "small"
    assert found["megapixels_per_s"] > 0


def test_a_bad_picture_is_a_row_and_the_rest_goes_on(tmp_path: Path, model: Path) -> None:
    data = tmp_path / "data"
    _pairs(data, [(40, 30), (40, 30), (40, 30), (40, 30)])
    (data / "rain/rain-0.png").write_bytes(b"")
    whole = (data / "norain/norain-1.png").read_bytes()
    (data / "norain/norain-1.png").write_bytes(whole[: len(whole) // 2])
    (data / "norain/norain-2.png").unlink()
    _write(data / "norain/norain-2.png", photo(41, 30))
    events: list[object] = []
    table = evaluate(EvaluateRequest(data, Choice(model=str(model))), events.append)
    assert [row.name for row in table.failed] == ["rain-0", "rain-1", "rain-2"]
    assert "empty" in str(table.failed[0].error)
    assert "norain-1.png" in str(table.failed[1].error)
    assert "40x30" in str(table.failed[2].error) and "41x30" in str(table.failed[2].error)
    found = table.as_dict()
    assert (found["count"], found["failed"]) == (1, 3)
    assert found["images"][0] == {"name": "rain-0", "error": table.failed[0].error}
    assert sum(isinstance(event, ItemDone) and event.error is not None for event in events) == 3


def test_nothing_measured_is_null_not_a_number(tmp_path: Path, model: Path) -> None:
    _pairs(tmp_path / "data", [(40, 30)])
    (tmp_path / "data/rain/rain-0.png").write_bytes(b"text")
    found = evaluate(EvaluateRequest(tmp_path / "data", Choice(model=str(model)))).as_dict()
    assert found["restored"] == {"psnr_db": None, "ssim": None}
    assert found["megapixels_per_s"] is None
    json.dumps(found, allow_nan=False)


def test_small_pictures_have_no_ssim(tmp_path: Path, model: Path) -> None:
    _pairs(tmp_path / "data", [(1, 1), (40, 30)])
    table = evaluate(EvaluateRequest(tmp_path / "data", Choice(model=str(model))))
    small, large = table.rows
    assert small.error is None and small.input["Y"].ssim is None and large.input["Y"].ssim is not None
    assert table.mean("input", "Y").ssim == large.input["Y"].ssim


def test_equal_pictures_are_counted_not_averaged() -> None:
    def row(name: str, psnr: float) -> EvaluationRow:
        scores = {"RGB": Scores(psnr, 0.5)}
        return EvaluationRow(name, 20, 20, scores, scores)

    table = EvaluationTable(
        "deblur", "RGB", ("RGB",), Path("d"), "blur/sharp", (row("a", math.inf), row("b", 30.0)), 1.0, "cpu", "fp32", "m", "0"
    )  # fmt: skip
    assert table.mean("input", "RGB").psnr_db == 30.0
    found = table.as_dict()
    assert found["identical"] == {"input": 1, "restored": 1}
    assert found["images"][0]["input"] == {"psnr_db": None, "ssim": 0.5}


def test_pictures_of_another_network_score_as_restoring_did(tmp_path: Path, model: Path) -> None:
    """What was saved is measured again as what it was: the same numbers, with no network in sight."""
    data, saved = tmp_path / "data", tmp_path / "saved"
    _pairs(data, [(40, 30), (33, 52)])
    restored = evaluate(EvaluateRequest(data, Choice(model=str(model), precision="fp32"), save=saved))
    assert sorted(path.name for path in saved.iterdir()) == ["rain-0.png", "rain-1.png"]
    (saved / "rain-1.png").rename(saved / "norain-1.png")  # some programs keep the truth's name
    measured = evaluate(EvaluateRequest(data, results=saved))
    for one, two in zip(restored.rows, measured.rows, strict=True):
        assert (one.name, one.input, one.restored) == (two.name, two.input, two.restored)
    found = measured.as_dict()
    assert found["results"] == str(saved) and found["model"] == "" and found["megapixels_per_s"] is None
    assert found["spread"]["restored"]["psnr_db"] > 0 and found["y8"]["restored"]["psnr_db"] is not None
    (saved / "rain-0.png").unlink()
    with pytest.raises(PairingError, match=r"no result for 1 of the inputs: rain-0\.png"):
        evaluate(EvaluateRequest(data, results=saved))
    for folder in (data / "rain", data, data / "norain"):
        with pytest.raises(ValueError, match="holds the pictures that are measured"):
            evaluate(EvaluateRequest(data, Choice(model=str(model)), save=folder))


@pytest.mark.parametrize(("task", "names"), [("deshadow", ("shadow", "lit")), ("derain", ("damage", "rest"))])
def test_regions_of_results_are_those_of_the_masks(tmp_path: Path, task: str, names: tuple[str, str]) -> None:
    data = tmp_path / "data"
    ((rainy, truth),) = _pairs(data, [(40, 30)])
    mask = np.zeros((30, 40), np.uint8)
    mask[:, :10] = 255
    _write(tmp_path / "masks/rain-0.png", np.repeat(mask[..., None], 3, axis=2))
    made = truth.copy()
    made[:, 10:] = rainy[:, 10:]
    _write(tmp_path / "results/rain-0.png", made)
    request = EvaluateRequest(data, Choice(task=task), results=tmp_path / "results", masks=tmp_path / "masks")
    table = evaluate(request)
    assert table.regions == names
    (row,) = table.rows
    inside, outside = (row.regions[name] for name in names)
    assert math.isinf(inside["restored"].psnr_db) and not math.isinf(inside["input"].psnr_db)
    assert outside["restored"] == outside["input"]


def test_tables_for_other_programs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _pairs(data, [(40, 30), (33, 52), (20, 20)])
    (data / "rain/rain-2.png").write_bytes(b"")
    table = evaluate(EvaluateRequest(data, results=data / "rain"))
    rows = list(csv.DictReader(io.StringIO(evaluation_text.as_csv(table))))
    assert [row["name"] for row in rows] == ["rain-0", "rain-1", "rain-2"]
    assert float(rows[0]["input_Y_psnr_db"]) == pytest.approx(table.rows[0].input["Y"].psnr_db, abs=1e-4)
    assert rows[2]["input_Y_psnr_db"] == "" and "empty" in rows[2]["error"] and not rows[0]["error"]
    text = evaluation_text.as_markdown(table)
    mean, spread = table.mean("input", "Y").psnr_db, table.spread("input", "Y").psnr_db
    assert f"| {mean:.2f} ± {spread:.2f} |" in text and "| rain |" in text
    lines = text.splitlines()
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1
    assert all(f"- {key}: {metrics.PROTOCOLS[key]}" in lines for key in ("Y", "Y8", "RGB"))


def test_refusals(tmp_path: Path, model: Path) -> None:
    _pairs(tmp_path / "data", [(40, 30)])
    with pytest.raises(restore.RestoreError, match="small is for derain, not for deblur"):
        evaluate(EvaluateRequest(tmp_path / "data", Choice(task="deblur", model=str(model))))
    with pytest.raises(PairingError):
        evaluate(EvaluateRequest(tmp_path, Choice(model=str(model))))
    control = JobControl()
    control.cancel()
    with pytest.raises(Cancelled):
        evaluate(EvaluateRequest(tmp_path / "data", Choice(model=str(model))), ignore, control)


def test_16_bit_inputs_are_measured_at_8_bits(tmp_path: Path, model: Path) -> None:
    truth = photo(40, 30, 1)
    _write(tmp_path / "data/input/a.png", truth.astype(np.uint16) * 257)
    _write(tmp_path / "data/target/a.png", truth)
    (row,) = evaluate(EvaluateRequest(tmp_path / "data", Choice(model=str(model)))).rows
    assert row.error is None and row.input["Y"].psnr_db == math.inf


def test_a_card_too_full_for_the_model_is_no_end(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = passes.load_model

    def full(path: Path, device: str, precision: str) -> object:
        if device == "mps":
            raise RuntimeError("MPS backend out of memory")
        return load(path, device, precision)

    _pairs(tmp_path / "set", [(24, 20)])
    for module in (passes, evaluation):
        monkeypatch.setattr(module, "load_model", full)
        monkeypatch.setattr(module, "choose_device", lambda name: "mps")
    table = evaluate(EvaluateRequest(tmp_path / "set", Choice(model=str(model))))
    assert (len(table.measured), table.device) == (1, "cpu")
