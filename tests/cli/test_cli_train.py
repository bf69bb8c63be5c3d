"""The command line: evaluating and training."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from core.training.recipe import TrainRecipe
from tests.cli.cli_kit import run, write
from tests.forked import Forked, command
from tests.image_makers import without_extras
from tests.small import photo

# --- evaluate -----------------------------------------------------------------------------------


def test_evaluate_json(capsys: pytest.CaptureFixture[str], pairs: Path, model: Path) -> None:
    code, out, err = run(capsys, "evaluate", pairs, "--task", "derain", "--model", model, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    wanted = ["task", "protocol", "count", "input", "restored", "megapixels_per_s", "device", "precision", "model", "images"]  # fmt: skip
    assert [key for key in found if key in wanted] == wanted
    assert (found["task"], found["protocol"], found["count"], found["model"]) == ("derain", "Y", 2, "small")
    assert set(found["input"]) == set(found["restored"]) == {"psnr_db", "ssim"}
    assert len(found["images"]) == 2


def test_evaluate_in_words(capsys: pytest.CaptureFixture[str], pairs: Path, model: Path) -> None:
    code, out, _ = run(capsys, "evaluate", pairs, "--model", model)
    assert code == 0
    assert "2 pairs measured (rain/norain), small on cpu" in out
    assert "Y    restored  PSNR" in out and "RGB  input     PSNR" in out and "studio-range" in out


def test_evaluate_measures_what_was_saved(
    capsys: pytest.CaptureFixture[str], pairs: Path, model: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "saved"
    code, first, _ = run(capsys, "evaluate", pairs, "--model", model, "--save", saved, "--csv")
    assert code == 0 and first.startswith("name,width,height,input_Y_psnr_db,")
    code, second, err = run(capsys, "evaluate", pairs, "--results", saved, "--csv")
    assert (code, err) == (0, "")
    columns = range(first.splitlines()[0].split(",").index("seconds"))
    for one, two in zip(first.splitlines(), second.splitlines(), strict=True):
        assert [one.split(",")[at] for at in columns] == [two.split(",")[at] for at in columns]
    code, out, _ = run(capsys, "evaluate", pairs, "--results", saved, "--markdown")
    assert code == 0 and "± " in out and "| saved |" in out
    code, out, _ = run(capsys, "evaluate", pairs, "--results", saved)
    assert code == 0 and f"pictures of {saved}" in out and "standard deviation" in out and "Y8 " in out
    for wrong, why in (
        (("--results", saved, "--model", model), "do not go together"),
        (("--results", saved, "--save", saved), "not allowed with"),
        (("--save", pairs), "holds the pictures that are measured"),
        (("--results", tmp_path / "none"), "does not exist"),
    ):
        code, _, err = run(capsys, "evaluate", pairs, *wrong)
        assert code != 0 and why in err


def test_evaluate_names_what_it_cannot_pair(
    capsys: pytest.CaptureFixture[str], pairs: Path, model: Path
) -> None:
    extra = [pairs / f"rain/odd-{index}.png" for index in range(12)]
    for path in extra:
        write(path, photo(20, 20))
    code, out, err = run(capsys, "evaluate", pairs, "--model", model, "--json")
    assert (code, out) == (1, "")
    assert all(str(path) in err for path in extra)


def test_evaluate_names_pictures_it_cannot_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, pairs: Path, model: Path
) -> None:
    without_extras(monkeypatch)
    folder = next(path for path in pairs.iterdir() if path.is_dir())
    (folder / "more.nef").write_bytes(b"MM\0*\0\0\0\x08" + bytes(16))
    code, out, err = run(capsys, "evaluate", pairs, "--model", model, "--json")
    assert code == 0 and json.loads(out)["count"] > 0
    assert err.startswith("1 file is a picture MemoryNet cannot read: more.nef (camera raw).")


def test_evaluate_with_a_bad_pair(capsys: pytest.CaptureFixture[str], pairs: Path, model: Path) -> None:
    (pairs / "rain/rain-0.png").write_bytes(b"")
    code, out, err = run(capsys, "evaluate", pairs, "--model", model, "--json")
    found = json.loads(out)
    assert code == 1 and found["count"] == 1 and "empty" in found["images"][0]["error"]
    assert err.startswith("rain-0: ")


def _recipe(tmp_path: Path, steps: int = 4, **more: Any) -> Path:
    for index in range(3):
        write(tmp_path / f"data/clean/{index}.png", photo(48, 48, index))
        write(tmp_path / f"data/clean_val/v{index}.png", photo(32, 32, 10 + index))
    recipe = TrainRecipe(
        name="tiny", preset="custom", width=4, steps=steps, batch=2, patch_px=16, warmup_steps=1, log_every=1,
        validate_every=max(2, steps // 2), validate_crop_px=32, precision="fp32", **more,
    )  # fmt: skip
    path = tmp_path / "tiny.toml"
    path.write_text(recipe.to_toml())
    return path


# --- train --------------------------------------------------------------------------------------


def test_train_and_use_the_model(capsys: pytest.CaptureFixture[str], tmp_path: Path, photos: Path) -> None:
    recipe, out_dir = _recipe(tmp_path), tmp_path / "run"
    words = ("train", recipe, "--data", tmp_path / "data", "--out", out_dir)
    code, out, err = run(capsys, *words)
    told = err.splitlines()
    assert code == 0 and told[0].startswith("Only 3 photos to train on") and len(told) == 2
    assert "kept beside the model" in told[1]
    assert "Trained 4 steps" in out and f"Model: {out_dir / 'model'}" in out and "studio-range" in out
    assert run(capsys, "restore", photos / "a.png", "--model", out_dir / "model")[0] == 0
    code, out, err = run(capsys, *words)
    assert code == 2 and "already holds a run" in err and err.count("\n") == 1
    code, out, err = run(capsys, *words, "--resume")
    assert code == 0 and "at step 4" in out


def test_train_refuses_a_bad_recipe(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[training]\nsteps = -1\n")
    code, out, err = run(capsys, "train", path, "--out", tmp_path / "run")
    assert (code, out) == (2, "") and "steps -1: need 1 to" in err
    path.write_text("[training\n")
    assert "not valid TOML" in run(capsys, "train", path, "--out", tmp_path / "run")[2]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"degradation": {"drizzle": 3}}, "drizzle: unknown"),
        ({"start_from": "derain-z"}, "no model 'derain-z'"),
        ({"start_from": "DATA"}, "DATA"),
        ({"task": "deblur", "motion": "DATA/none.json"}, "none.json: no such file"),
        ({"task": "deblur", "motion": "DATA/walk.json"}, "need homographies"),
        ({"task": "dehaze", "code": "haze.py"}, "named here too"),
    ],
)
def test_a_recipe_is_a_bad_argument_wherever_its_fault_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, more: dict[str, Any], said: str
) -> None:
    path = _recipe(tmp_path, **more)
    (tmp_path / "data/walk.json").write_text("{}")
    code, out, err = run(capsys, "train", path, "--data", tmp_path / "data", "--out", tmp_path / "run")
    assert (code, out, err.count("\n")) == (2, "", 1) and said in err
    code, out, err = run(capsys, "check", path, "--data", tmp_path / "data")
    assert code in (1, 2) and said in " ".join((out + err).split()), "found before training is asked for"


def test_a_run_that_fails_is_no_bad_argument(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.training import trainer as training

    def fail(*_args: Any, **_options: Any) -> None:
        raise training.TrainingError("step 3: the loss is nan; a lower learning rate usually helps")

    words = ("train", _recipe(tmp_path), "--data", tmp_path / "data", "--out")
    monkeypatch.setattr(training._Loop, "_validate", fail)
    code, _, err = run(capsys, *words, tmp_path / "run")
    assert code == 1 and "step 3: the loss is nan" in err
    assert list((tmp_path / "run/checkpoints").glob("step-*")), "what was learned before is kept"
    (tmp_path / "data/clean_val/v0.png").unlink()
    (tmp_path / "data/clean_val/v1.png").unlink()
    (tmp_path / "data/clean_val/v2.png").unlink()
    code, _, err = run(capsys, *words, tmp_path / "other")
    assert code == 2 and "no photos in it" in err


def test_ctrl_c_in_training_keeps_a_checkpoint(tmp_path: Path) -> None:
    recipe, out_dir = _recipe(tmp_path, steps=100_000), tmp_path / "run"
    words = ("train", recipe, "--data", tmp_path / "data", "--out", out_dir)
    process = Forked(tmp_path, command, *map(str, words))
    curve = out_dir / "curve.jsonl"
    deadline = time.monotonic() + 60
    while not (curve.is_file() and curve.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    code, err = process.wait(60), process.err.read_text()
    assert code == 130, err
    assert "is kept in" in err and "--resume goes on from there" in err and "Traceback" not in err
    assert list((out_dir / "checkpoints").glob("step-*.safetensors"))
