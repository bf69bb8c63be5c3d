"""Damage made by a person's own Python file: run when it is asked for on the command line, and never else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.cli.program import main
from core.data import degrade
from core.data.degrade import DEGRADATIONS, own
from core.jobs import JobControl, ignore
from core.model import checkpoint
from core.training.recipe import RecipeError, TrainRecipe
from core.training.trainer import train
from tests.small import photo
from tests.training_kit import RECIPE, make_data

HAZE = """
from pathlib import Path
Path(__file__).with_name("ran").touch()

def haze(clean, rng):
    depth = rng.uniform(0.3, 0.7)
    return clean * (1 - depth) + 0.8 * depth

DEGRADATIONS = {"dehaze": haze}
"""
DEHAZE = replace(RECIPE, task="dehaze", code="haze.py", steps=4, validate_every=4, name="mine")


@pytest.fixture
def haze(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "haze.py").write_text(HAZE)
    yield tmp_path / "haze.py"
    degrade._KNOWN.pop("dehaze", None)


def test_a_function_becomes_a_degradation(haze: Path) -> None:
    assert own.load(haze) == ("dehaze",) and (haze.parent / "ran").exists()
    made = DEGRADATIONS["dehaze"]
    clean = photo(24, 16, 1).astype(np.float32) / 255
    params = made.always(made.params({}))
    one, two = (made.bind(params)(clean, np.random.default_rng(3)) for _ in range(2))
    assert (one == two).all() and one.dtype == np.float32 and one.min() >= 0 and one.max() <= 1
    assert (one != clean).any()
    kept = made.bind(made.params({"untouched": 1.0}))(clean, np.random.default_rng(3))
    assert (kept == clean).all()


def test_the_command_runs_it_only_when_it_is_named_twice(
    haze: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, ran = make_data(tmp_path / "data"), tmp_path / "ran"
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(DEHAZE.to_toml())
    words = ["train", str(recipe), "--data", str(data), "--out", str(tmp_path / "run")]
    assert main(words) == 2 and "named here too: --code PATH/haze.py" in capsys.readouterr().err
    other = haze.with_name("other.py")
    other.write_text(HAZE)
    assert main([*words, "--code", str(other)]) == 2
    plain = tmp_path / "plain.toml"
    plain.write_text(RECIPE.to_toml())
    assert main([words[0], str(plain), *words[2:], "--code", str(haze)]) == 2
    assert "names no code" in capsys.readouterr().err
    with pytest.raises(
        RecipeError, match=r"haze\.py, which is run only when it is named on the command line"
    ):
        train(DEHAZE, (data,), tmp_path / "window", ignore, JobControl())
    check = ["check", str(recipe), "--data", str(data)]
    assert main(check) == 2 and "named here too" in capsys.readouterr().err
    assert not ran.exists() and not (tmp_path / "run").exists()
    assert main([*check, "--code", str(haze)]) == 0 and ran.exists()
    ran.unlink()
    assert main([*words, "--code", str(haze)]) == 0
    model = checkpoint.load(tmp_path / "run" / "model")
    assert model.task == "dehaze" and model.provenance["recipe"]["data"]["code"] == "haze.py"
    # who gets the model, or goes on with the run, runs nothing of it
    ran.unlink()
    assert main(["train", "--resume", "--out", str(tmp_path / "run")]) == 2 and not ran.exists()


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("DEGRADATIONS = {", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("x = 1", "need DEGRADATIONS"),
        ("DEGRADATIONS = {'derain': print}", "the program's own"),
        ("DEGRADATIONS = {'dehaze': 3}", "need a function"),
    ],
)
def test_what_is_wrong_with_it_is_said(tmp_path: Path, code: str, why: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(code)
    with pytest.raises(own.OwnCodeError, match=why):
        own.load(file)
    with pytest.raises(own.OwnCodeError, match="no such file"):
        own.load(tmp_path / "absent.py")


def test_a_recipe_names_a_file_and_no_place() -> None:
    for name in ("/tmp/haze.py", "..\\haze.py"):
        with pytest.raises(RecipeError, match="name alone"):
            replace(DEHAZE, code=name)
    assert "code" not in TrainRecipe().to_toml()
