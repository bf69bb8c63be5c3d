"""``memorynet train`` goes on with a run that it is told nothing but the folder of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.cli import program as cli
from core.jobs import TrainControl
from core.training.run_folder import RunFolder
from core.training.trainer import train
from tests.training_kit import RECIPE, at_step, make_data

TINY = replace(RECIPE, width=4, steps=4, patch_px=16, validate_every=4, validate_crop_px=32, log_every=1)


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_run_goes_on_as_it_was_begun(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data, out, control = make_data(tmp_path / "data"), tmp_path / "run", TrainControl()
    train(TINY, (data,), out, at_step(2, control.stop), control)
    with RunFolder(out).locked():
        code, _, err = run(capsys, "train", "--resume", "--out", out)
        assert code == 2 and "another program is training here" in err and err.count("\n") == 1
    code, told, err = run(capsys, "train", "--resume", "--out", out)
    assert code == 0 and err.startswith("Only 5 photos")
    assert err.count("\n") == 2 and "were kept beside the model" in err
    assert "at step 2" in told and "Trained 4 steps, the last 2 of them in 0:" in told
    data.rename(tmp_path / "elsewhere")
    code, _, err = run(capsys, "train", "--resume", "--out", out)
    assert code == 2 and str(data) in err
    assert run(capsys, "train", "--resume", "--out", out, "--data", tmp_path / "elsewhere")[0] == 0


def test_a_run_has_to_be_named_or_be_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words, said in (
        (("train", "--out", tmp_path / "run"), "need a RECIPE"),
        (("train", "--resume", "--out", tmp_path / "run"), "holds no run to go on with"),
    ):
        code, out, err = run(capsys, *words)
        assert (code, out) == (2, "") and said in err and err.count("\n") == 1
    assert not (tmp_path / "run").exists()
