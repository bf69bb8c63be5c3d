"""A task of a person's own: a name, pairs to learn from, and a model that restores like any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import tasks
from core.cv import cv2
from core.images import io as image_io
from core.jobs import JobControl, ignore
from core.model import catalog, checkpoint
from core.restoring import outputs
from core.restoring.restore import RestoreRequest, restore
from core.tasks import TASKS
from core.training.recipe import RecipeError, TrainRecipe, problems_of
from core.training.trainer import train
from tests.small import photo
from tests.training_kit import RECIPE, curve_of

HAZE = replace(
    RECIPE, name="haze", task="dehaze", protocol="Y", kind="pairs", train=("DATA/pairs",),
    validation=("DATA/pairs",), hold_out=0.4, steps=8,
)  # fmt: skip


def make_pairs(folder: Path) -> Path:
    """Hazy and clear photos of several scenes."""
    for name in ("input", "target"):
        (folder / "pairs" / name).mkdir(parents=True)
    for seed in range(8):
        clear = photo(72, 64, seed)
        hazy = np.rint(clear * 0.6 + 90).astype(np.uint8)
        cv2.imwrite(str(folder / "pairs" / "target" / f"s{seed}_1.png"), clear)
        cv2.imwrite(str(folder / "pairs" / "input" / f"s{seed}_1.png"), hazy)
    return folder


def test_a_run_of_ones_own_task_leaves_a_model_that_restores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_pairs(tmp_path / "data")
    assert TrainRecipe.from_dict(HAZE.as_dict()) == HAZE
    result = train(HAZE, (data,), tmp_path / "run", ignore, JobControl())
    scored = [line for line in curve_of(tmp_path / "run") if line["kind"] == "validation"]
    assert scored and scored[-1]["protocol"] == "Y"
    model = checkpoint.load(result.model)
    assert model.task == "dehaze"

    entry = catalog.entry(result.model)
    assert entry.error is None and entry.task == "dehaze" and catalog.model_task(result.model) == "dehaze"
    source = data / "pairs" / "input" / "s0_1.png"
    picture = image_io.read(source)
    restored = restore(picture, RestoreRequest("dehaze", result.model, device="cpu"), ignore, JobControl())
    assert restored.pixels.shape == picture.pixels.shape
    target = outputs.output_path(source, tmp_path / "out", task="dehaze")
    assert target.name == "s0_1.restored.png"
    outputs.save(restored, picture, target)
    told = image_io.read_provenance(target)
    assert told is not None and told["task"] == "dehaze"


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"kind": "clean", "hold_out": 0.0}, "task", "pairs to learn from"),
        ({"task": "De haze"}, "task", "a name of your own"),
        ({"task": ""}, "task", "a name of your own"),
        ({"protocol": "LAB"}, "protocol", "need one of"),
    ],
)
def test_what_does_not_go_is_said(changes: dict[str, object], field: str, said: str) -> None:
    values = {name: getattr(HAZE, name) for name in HAZE.__dataclass_fields__} | changes
    assert said in problems_of(values)[field]
    with pytest.raises(RecipeError):
        replace(HAZE, **changes)  # type: ignore[arg-type]


def test_its_protocol_is_the_tasks_unless_it_says_another() -> None:
    assert replace(HAZE, protocol="").scored_by == "RGB"
    assert HAZE.scored_by == "Y"
    assert RECIPE.scored_by == TASKS["derain"].protocol
    assert replace(RECIPE, protocol="RGB").scored_by == "RGB"
    assert "protocol" not in RECIPE.as_dict()["run"], "recipes from before keep their sum"


def test_names_of_tasks() -> None:
    for name in ("dehaze", "de-haze", "x2", *TASKS):
        assert tasks.is_name(name)
    for name in ("", "-a", "a-", "a--b", "A", "a b", "a/b", "..", "é", "a" * 31):
        assert not tasks.is_name(name)
    assert tasks.of("derain") is TASKS["derain"]
    assert tasks.of("lens-flare").verb == "Lens flare"
