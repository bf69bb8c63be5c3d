"""What is measured of a run's model once it is trained: from when on it may say that it found something."""

from __future__ import annotations

from pathlib import Path

from core.data.degrade import DEGRADATIONS
from core.events import Notice
from core.jobs import Emit, JobControl, ignore
from core.problems import describe
from core.restoring import calibration
from core.restoring.verdict import Thresholds
from core.tasks import TASKS
from core.training.data import read_data
from core.training.recipe import TrainRecipe

LEAST_STEPS = 500  # of a run; a model of fewer is a trial, and what it finds means little
LEAST_PHOTOS, MOST_PHOTOS = 4, 24


def calibrate_run(
    recipe: TrainRecipe,
    data: tuple[Path, ...],
    model: Path,
    device: str = "auto",
    emit: Emit = ignore,
    control: JobControl | None = None,
) -> Thresholds | None:
    """Measure the model that a run has left on the clean side of its validation photos, and keep it with the model.

    None for a trial, for too few photos, and where it went wrong: that is told as a :class:`core.events.Notice` and
    costs nobody the model. Raises Cancelled.
    """
    if recipe.steps < LEAST_STEPS or recipe.task not in DEGRADATIONS:
        return None
    if TASKS[
        recipe.task
    ].changes_light:  # unasked, a shadow and a dark thing look alike to it: measured, 8 of 10 missed
        return None
    try:
        photos = [example.truth for example in read_data(recipe, data)[1][:MOST_PHOTOS]]
        if len(photos) < LEAST_PHOTOS:
            return None
        found = calibration.calibrate(model, recipe.task, photos, device=device, control=control)
        calibration.keep(model, found)
    except (calibration.CalibrationError, OSError, RuntimeError, ValueError) as error:
        emit(
            Notice(
                f"When the model may say that it found something was not measured: {describe(error).sentence}"
            )
        )
        return None
    rank = "" if found.rank_correlation is None else f" (rank correlation {found.rank_correlation:.2f})"
    number = f"a number for how much is gone{rank}" if found.gone is not None else "words only"
    emit(Notice(f"Measured when the model may say that it found something; {number}."))
    return found
