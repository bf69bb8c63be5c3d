"""Which damage a photo shows: decided from signs, or not at all; several are taken in their order."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from core.cv import cv2
from core.images import io as image_io
from core.images import metrics
from core.jobs import JobControl, ignore
from core.model import catalog
from core.restoring import which
from core.restoring.restore import RestoreRequest, restore
from core.restoring.which import NO_SHADOW, NotSure, Which
from core.tasks import TASKS
from tests.restoring.test_smear import smeared, streaky
from tests.small import photo

ROOT = Path(__file__).resolve().parents[2]
YES, NO, MAYBE = 5.0, -5.0, None
STREAKY = which._STREAKY + 1


def seen(**signs: float | None) -> Which:
    """``None``: right where it is as likely as not."""
    return Which({task: which.RIGHT[task][0] if sign is None else sign for task, sign in signs.items()})


def test_one_damage_several_none_and_unsure_are_told_apart() -> None:
    assert seen(derain=YES, deshadow=NO, deblur=NO).name == "derain"
    both = Which({"deblur": 1.3, "derain": YES, "deshadow": NO, which.STREAKS: STREAKY})
    assert both.name == "several" and both.tasks == ("derain", "deblur"), "sharpening comes last"
    assert seen(derain=NO, deshadow=NO, deblur=NO).name == "none"
    unsure = seen(derain=MAYBE, deshadow=NO, deblur=NO)
    assert unsure.name == "unsure" and not unsure.is_sure
    assert unsure.words == "Not sure whether it is rain"
    assert "name the task" in str(NotSure(unsure))
    assert seen(derain=NO, deblur=-math.inf).name == "none", "a model that cannot say speaks for nothing"


def test_chances_grow_with_signs_and_say_how_sure() -> None:
    chances = [which._chance("derain", sign) for sign in (-50, -1, 0, 1, 50)]
    assert chances == sorted(chances) and 0 < chances[0] < 0.05 and 0.95 < chances[-1] < 1
    clear, vague = seen(derain=2 * YES, deblur=NO), seen(derain=YES - 1, deblur=0.1)
    assert clear.confidence > vague.confidence > 0
    assert clear.words.startswith("Rain (") and "% sure" in clear.words
    told = clear.as_dict()
    assert (
        told["which"] == "derain"
        and told["tasks"] == ["derain"]
        and set(told["chances"]) == {"derain", "deblur"}
    )


def test_shadows_are_asked_for_and_hold_nothing_else_up() -> None:
    alone = seen(derain=NO, deshadow=9.0, deblur=NO)
    assert alone.name == "unsure" and alone.words == "Not sure whether it is shadows"
    beside = seen(derain=YES, deshadow=9.0, deblur=NO)
    assert beside.tasks == ("derain",) and beside.is_sure
    assert beside.words.startswith("Rain (") and beside.words.endswith("; shadows may be there, too")


def test_one_damage_explains_some_of_what_another_network_sees() -> None:
    """Blur looks like rain to the rain's network; what it takes for rain is like streaks of it only where it rains."""
    signs = {"derain": 3.0, "deshadow": NO, which.STREAKS: 1.9}
    assert Which(signs).name == "derain", "where nobody looks for blur"
    assert Which({**signs, "deblur": 1.3, which.FINENESS: -0.2}).name == "deblur"
    assert Which({**signs, "deblur": 0.4, which.FINENESS: 0.3}).name == "derain", "fine detail is not blurred"
    assert Which({**signs, which.STREAKS: 0.5}).name == "none"
    assert Which({**signs, which.STREAKS: 3.0, "deblur": 1.3}).name == "several"


def test_rain_runs_one_way_and_has_no_colour() -> None:
    clean = photo(128, 160, 5)
    rng = np.random.default_rng(3)
    spots = (rng.random((160, 128)) < 0.02).astype(np.float32)
    falling = cv2.filter2D(spots, -1, np.ones((15, 1), np.float32))[..., None] * 60
    anyhow = cv2.GaussianBlur(spots, (0, 0), 1.5)[..., None] * 600
    tint = np.array([1.0, 0.7, 0.3], np.float32)

    def like(light: np.ndarray) -> float:
        return which.streaks(
            (np.minimum(clean, 150) + np.clip(light, 0, 100)).astype(np.uint8), np.minimum(clean, 150)
        )

    assert like(falling) > like(anyhow) + 1
    assert like(falling) > like(falling * tint) + 1
    assert which.streaks(clean, clean) == 0
    assert which.streaks(clean.astype(np.uint16) * 257, clean.astype(np.uint16) * 257 // 2) == pytest.approx(
        which.streaks(clean, clean // 2), abs=0.2
    )


def test_streaks_of_rain_that_run_one_way_are_no_blur() -> None:
    """Blur is looked for in what is left once the rain is gone; the smear of a photo that is smeared stays."""
    models = {task: which.models()[task] for task in ("derain", "deblur")}
    path = next(path for path in catalog.sample_photos(validation=False) if path.stem == "path")
    clean = metrics.to_8bit(image_io.read(path).pixels)[:, :384]
    rainy = streaky(clean, 0)
    found = which.look(image_io.from_array(rainy), models, JobControl())
    assert found.name == "derain" and found.chances["deblur"] < which.UNLIKELY
    assert abs(found.signs[which.FINENESS] - which.fineness(clean)) < abs(
        which.fineness(rainy) - which.fineness(clean)
    )
    blurred = which.look(image_io.from_array(smeared(clean, 8, 60)), models, JobControl())
    assert blurred.name == "deblur"
    assert which.look(image_io.from_array(clean), models, JobControl()).name == "none"


def test_a_blurred_photo_is_less_fine() -> None:
    sharp = photo(160, 128, 4)
    soft = cv2.GaussianBlur(sharp, (0, 0), 1.5)
    assert which.fineness(soft) < which.fineness(sharp) - 0.2
    assert which.fineness(sharp.astype(np.uint16) * 257) == pytest.approx(which.fineness(sharp), abs=0.01)
    assert np.isfinite(which.fineness(np.zeros((8, 8, 3), np.uint8)))


def test_the_models_that_ship_name_their_own_samples() -> None:
    """A rainy sample and a shaded one, and a clean photo; blur where its weights are at hand."""
    models = which.models()
    assert list(models)[:2] == ["derain", "deshadow"] and set(models) <= set(TASKS)
    rainy = next(sample for sample in catalog.samples() if sample.path.parent.name == "rainy")
    found = which.look(image_io.read(rainy.path), {"derain": models["derain"]}, JobControl())
    assert found.name == "derain"


def test_no_shadow_no_sign(tmp_path: Path) -> None:
    flat = image_io.from_array(np.full((96, 128, 3), 140, np.uint8))
    found = which.look(flat, {"deshadow": which.models()["deshadow"]}, JobControl())
    assert found.signs["deshadow"] == NO_SHADOW and found.name == "none"


def test_several_are_taken_one_after_the_other() -> None:
    models = which.models()
    picture = image_io.from_array(photo(64, 96, 3))
    requests = [
        RestoreRequest(task=task, model=models[task], device="cpu", scale="1")
        for task in ("derain", "deshadow")
    ]
    both = which.restore_each(picture, requests, ignore, JobControl())
    first = restore(picture, requests[0], ignore, JobControl())
    from dataclasses import replace

    second = restore(replace(picture, pixels=first.pixels), requests[1], ignore, JobControl())
    assert np.array_equal(both.pixels, second.pixels)
    assert both.task == "derain, deshadow" and both.model_name == "derain-s, deshadow-s"
    assert which.restore_each(picture, requests[:1], ignore, JobControl()).task == "derain"
    with pytest.raises(ValueError, match="no task"):
        which.restore_each(picture, [], ignore, JobControl())


def test_the_table_counts_what_was_told(capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("which_task", ROOT / "benchmarks" / "which_task.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yes, no = seen(derain=YES, deblur=NO), seen(derain=NO, deblur=NO)
    module.table([("derain", yes), ("derain", no), ("none", no), ("none", yes), ("real derain", yes)])
    said = capsys.readouterr().out
    counts = " | ".join(str(int(column in ("derain", "none"))) for column in module.COLUMNS)
    assert f"| derain (2) | {counts} |" in said
    assert "of four: 50 % right" in said and "clean taken for damaged: 50 % (1 of 2)" in said


def test_a_smear_that_can_be_undone_is_blur_whatever_the_network_says() -> None:
    path = next(path for path in catalog.sample_photos(validation=False) if path.stem == "path")
    clean = metrics.to_8bit(image_io.read(path).pixels)
    models = {"deblur": which.models()["deblur"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(which, "_sign", lambda pixels, *_rest, **_more: (-2.0, pixels))
        assert which.look(image_io.from_array(smeared(clean, 10, 30)), models, JobControl()).name == "deblur"
        assert which.look(image_io.from_array(clean), models, JobControl()).name == "none"
        assert which.look(image_io.from_array(streaky(clean, 0)), models, JobControl()).name == "none"
