"""Which damage a photo shows: rain, shadows, blur, several, none, or it cannot be said.

Each task's own model looks at reduced copies of the photo (:func:`core.restoring.scaled.preview`); how far what it sees
lies above what its own measures call nothing is its *sign*. Shadows are what a guess finds. A sign is turned into a
probability by how often such signs were right on seeded photos (:data:`RIGHT`; ``benchmarks/which_task.py`` measures
and ``docs/auto.md`` tells). Where the probabilities do not decide, nothing is decided: somebody has to say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.images.io import Picture
from core.jobs import Emit, JobControl, ignore
from core.model import catalog
from core.restoring import restore, scaled, scales
from core.restoring.restore import Network, Restored, RestoreRequest
from core.restoring.verdict import NO_VERDICT, words
from core.tasks import TASKS

SURE, UNLIKELY = 0.7, 0.4  # from and up to here a probability decides
LOOKED_AT_PX = (
    384  # the middle of a photo that is restored in its own size; what falls over all of it is seen there
)
NO_SHADOW, LEAST_SHARE = (
    -3.0,
    0.01,
)  # the sign of no shadow; the share of the photo from which a shadow counts
RIGHT: Mapping[str, tuple[float, float]] = {
    # task: the sign at which it is as likely as not, and how steep the probability is there
    "derain": (0.35, 4.0),
    "deshadow": (0.0, 1.5),
    "deblur": (0.1, 5.0),
}


@dataclass(frozen=True, slots=True)
class Which:
    """What was seen. ``signs``: natural logarithms, 0 where a model begins to see its damage."""

    signs: Mapping[str, float] = field(default_factory=dict)

    @property
    def chances(self) -> dict[str, float]:
        """Task -> probability that its damage is there, in the order in which damages are taken."""
        return {task: _chance(task, self.signs[task]) for task in TASKS if task in self.signs}

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those whose damage is there, to be taken one after the other: rain, which lies before all, shadows, and
        blur at last, because sharpening brings out whatever is left."""
        return tuple(task for task, chance in self.chances.items() if chance >= SURE)

    @property
    def is_sure(self) -> bool:
        return all(not UNLIKELY < chance < SURE for chance in self.chances.values())

    @property
    def name(self) -> str:
        """A task's, "several", "none" or "unsure"."""
        if not self.is_sure:
            return "unsure"
        return "none" if not self.tasks else self.tasks[0] if len(self.tasks) == 1 else "several"

    @property
    def confidence(self) -> float:
        """That all of what is said is right, 0..1."""
        return math.prod(max(chance, 1 - chance) for chance in self.chances.values())

    @property
    def words(self) -> str:
        """One sentence for a photographer."""
        if not self.is_sure:
            maybe = [TASKS[task].noun for task, chance in self.chances.items() if chance > UNLIKELY]
            return f"Not sure whether it is {' or '.join(maybe)}"
        if not self.tasks:
            return "Nothing to take out was found"
        nouns = [TASKS[task].noun for task in self.tasks]
        said = ", then ".join(nouns)
        return f"{said[0].upper()}{said[1:]} ({100 * self.confidence:.0f} % sure)"

    def as_dict(self) -> dict[str, Any]:
        return {
            "which": self.name,
            "tasks": list(self.tasks) if self.is_sure else [],
            "chances": {task: round(chance, 3) for task, chance in self.chances.items()},
        }


class NotSure(ValueError):
    """Which damage a photo shows cannot be said by itself; ``which`` has what was seen."""

    problem_key = "which"

    def __init__(self, which: Which) -> None:
        super().__init__(f"{which.words}; name the task")
        self.which = which


def models(usable: Sequence[catalog.ModelEntry] | None = None) -> dict[str, Path]:
    """The model of each task that has one, the bundled one first."""
    entries = catalog.models() if usable is None else usable
    found: dict[str, Path] = {}
    for task, info in TASKS.items():
        of = [entry for entry in entries if entry.task == task and entry.error is None]
        of.sort(key=lambda entry: (not entry.bundled, entry.name != info.default_model))
        if of:
            found[task] = of[0].path
    return found


def look(
    picture: Picture,
    models: Mapping[str, Path],
    control: JobControl,
    *,
    device: str = "auto",
    precision: str = "auto",
) -> Which:
    """What each model sees in a photo. About a second a model on a processor, whatever the photo's size.

    Raises what :func:`core.restoring.restore.restore` raises.
    """
    signs = {}
    for task, model in models.items():
        control.checkpoint()
        request = RestoreRequest(task=task, model=model, device=device, precision=precision)
        signs[task] = _sign(picture, request, control)
    return Which(signs)


def _sign(picture: Picture, request: RestoreRequest, control: JobControl) -> float:
    assert request.model is not None
    if restore.can_guess(request.model, request.task):
        found = restore.guess(picture, request, ignore, control)
        return NO_SHADOW if found is None else math.log(found.share / LEAST_SHARE)
    network = Network(request, ignore, control)
    thresholds = network.thresholds
    if thresholds is None or thresholds.nothing_below <= 0:
        return -math.inf  # it cannot say
    pixels = picture.pixels
    if len(scales.candidates(pixels.shape[1], pixels.shape[0])) == 1:
        pixels = _middle(pixels)
    seen = scaled.preview(pixels, request, network, control, want_pixels=False).measure
    return math.log(max(seen.amount, 1e-4) / thresholds.nothing_below)


def _middle(pixels: np.ndarray) -> np.ndarray:
    top, left = (max(0, (edge - LOOKED_AT_PX) // 2) for edge in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + LOOKED_AT_PX, left : left + LOOKED_AT_PX])


def _chance(task: str, sign: float) -> float:
    middle, steep = RIGHT.get(task, (0.0, 4.0))
    at = max(-50.0, min(50.0, steep * (sign - middle)))
    return 1 / (1 + math.exp(-at))


def restore_each(
    picture: Picture,
    requests: Sequence[RestoreRequest],
    emit: Emit,
    control: JobControl,
) -> Restored:
    """Restore a photo for several tasks, each from what the one before has left.

    What comes back is the last one's, with the names of all tasks, models and sums, their notes and times together.
    Raises ValueError for no request, and what :func:`core.restoring.restore.restore` raises.
    """
    if not requests:
        raise ValueError("no task: nothing to restore for")
    done: list[Restored] = []
    for request in requests:
        control.checkpoint()
        done.append(restore.restore(picture, request, emit, control))
        picture = replace(picture, pixels=done[-1].pixels)
    if len(done) == 1:
        return done[0]
    seconds = sum(each.seconds for each in done)
    height, width = picture.pixels.shape[:2]
    notes = [
        f"{TASKS[each.task].noun}: {said[0].lower()}{said[1:]}"
        for each in done
        if (said := words(each.verdict, each.task))
    ]
    return replace(
        done[-1],
        task=", ".join(each.task for each in done),
        model_name=", ".join(each.model_name for each in done),
        model_sha256=", ".join(each.model_sha256 for each in done),
        seconds=seconds,
        megapixels_per_s=width * height / 1e6 / seconds,
        notes=(*notes, *(note for each in done for note in each.notes)),
        verdict=NO_VERDICT,
    )
