"""The evaluation job on a small real model: means, error rows, timing, JSON without NaN."""

from __future__ import annotations

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
from core.restoring import evaluation, restore
from core.restoring.evaluation import EvaluateRequest, EvaluationRow, EvaluationTable, Scores, evaluate
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
    table = evaluate(EvaluateRequest(tmp_path / "data", model=model, precision="fp32"), events.append)
    assert (table.protocol, table.protocols, table.layout) == ("Y", ("Y", "RGB"), "rain/norain")
    for protocol in ("Y", "RGB"):
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
        assert table.mean("restored", protocol).ssim == pytest.approx(np.mean([s for _, s in after]))
    assert [type(event) for event in events] == [ItemStarted, ItemDone] * 2
    assert table.megapixels_per_s == pytest.approx(
        (40 * 30 + 33 * 52) / 1e6 / sum(row.seconds for row in table.rows)
    )


def test_the_json_has_the_promised_shape(tmp_path: Path, model: Path) -> None:
    _pairs(tmp_path / "data", [(40, 30)])
    request = EvaluateRequest(tmp_path / "data", model=model, precision="fp32", device="cpu")
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
    table = evaluate(EvaluateRequest(data, model=model), events.append)
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
    found = evaluate(EvaluateRequest(tmp_path / "data", model=model)).as_dict()
    assert found["restored"] == {"psnr_db": None, "ssim": None}
    assert found["megapixels_per_s"] is None
    json.dumps(found, allow_nan=False)


def test_small_pictures_have_no_ssim(tmp_path: Path, model: Path) -> None:
    _pairs(tmp_path / "data", [(1, 1), (40, 30)])
    table = evaluate(EvaluateRequest(tmp_path / "data", model=model))
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


def test_refusals(tmp_path: Path, model: Path) -> None:
    _pairs(tmp_path / "data", [(40, 30)])
    with pytest.raises(restore.RestoreError, match="small is for derain, not for deblur"):
        evaluate(EvaluateRequest(tmp_path / "data", task="deblur", model=model))
    with pytest.raises(PairingError):
        evaluate(EvaluateRequest(tmp_path, model=model))
    control = JobControl()
    control.cancel()
    with pytest.raises(Cancelled):
        evaluate(EvaluateRequest(tmp_path / "data", model=model), ignore, control)


def test_16_bit_inputs_are_measured_at_8_bits(tmp_path: Path, model: Path) -> None:
    truth = photo(40, 30, 1)
    _write(tmp_path / "data/input/a.png", truth.astype(np.uint16) * 257)
    _write(tmp_path / "data/target/a.png", truth)
    (row,) = evaluate(EvaluateRequest(tmp_path / "data", model=model)).rows
    assert row.error is None and row.input["Y"].psnr_db == math.inf


def test_a_card_too_full_for_the_model_is_no_end(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = restore.load_model

    def full(path: Path, device: str, precision: str) -> object:
        if device == "mps":
            raise RuntimeError("MPS backend out of memory")
        return load(path, device, precision)

    _pairs(tmp_path / "set", [(24, 20)])
    for module in (restore, evaluation):
        monkeypatch.setattr(module, "load_model", full)
        monkeypatch.setattr(module, "choose_device", lambda name: "mps")
    table = evaluate(EvaluateRequest(tmp_path / "set", model=model))
    assert (len(table.measured), table.device) == (1, "cpu")
