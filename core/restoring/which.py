"""Which damage a photo shows: rain, shadows, blur, several, none, or it cannot be said.

Each task's own model looks at reduced copies of the photo (:func:`core.restoring.scaled.preview`); how far what it sees
lies above what its own measures call nothing is its *sign*. Shadows are what a guess finds. A network that knows one damage
takes another for its own, so they are asked one after the other: rain lies before everything, and blur is looked for
in what taking it out leaves. Whether what was taken out is rain is told by its looks (:func:`streaks`), whether a
photo is blurred also by how fine its detail is (:func:`fineness`), and blur explains some of the other signs away
(:func:`_weighed`). The numbers were found on seeded photos that nothing is reported on; ``benchmarks/which_task.py``
measures and ``docs/auto.md`` tells. Where the chances do not decide, nothing is decided: somebody has to say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from core import tasks
from core.cv import cv2
from core.images.io import Picture
from core.jobs import Emit, JobControl, ignore
from core.model import catalog
from core.restoring import copies, restore, scaled, scales, smear
from core.restoring.passes import Network, load_model
from core.restoring.records import Choice, Restored, RestoreRequest
from core.restoring.verdict import NO_VERDICT, NOTHING, Verdict, words
from core.tasks import TASKS

FIRST = "derain"  # lies before everything: what it leaves is what the others look at
SURE, UNLIKELY = 0.6, 0.4  # from and up to here a probability decides
ASKED = (
    "deshadow",
)  # never sure: cast shadows stand in every third good photo, and whether they are to go is a matter of taste
MOST_ASKED = 0.55  # of their chance
MOST_SURE = 0.97  # of any sign: about one in thirty was wrong, however strong
LOOKED_AT_PX = (
    384  # the middle of a photo that is restored in its own size; what falls over all of it is seen there
)
NO_SHADOW, LEAST_SHARE = (
    -3.0,
    0.01,
)  # the sign of no shadow; the share of the photo from which a shadow counts
FINENESS = (
    "fineness"  # beside the tasks' signs: how much finer the finest detail is than that twice as coarse, log
)
STREAKS = "streaks"  # and how much what was taken for rain is like streaks of it, log
RIGHT: Mapping[str, tuple[float, float]] = {
    # task: the weighed sign at which it is as likely as not, and how steep the chance is there
    "derain": (2.25, 1.0),
    "deshadow": (1.0, 2.5),
    "deblur": (1.0, 4.0),
}
_SMEARED = 1.5  # the sign of blur, at least, of a photo whose smear can be undone
_UNSEEN = -1.0  # the sign of blur where no model looks for it
_BY_FINENESS = 1.0  # of blur: what is blurred has little fine detail
_BY_STREAKS, _STREAKY = 5.0, 1.55  # of rain: how it looks says more than how much is seen
_RAIN_OF_BLUR, _SHADOW_OF_BLUR = 4.0, 2.0  # how much of one sign blur explains


@dataclass(frozen=True, slots=True)
class Which:
    """What was seen. ``signs``: by task, :data:`STREAKS` and :data:`FINENESS`, natural logarithms; of a task 0 where its
    model begins to see its damage."""

    signs: Mapping[str, float] = field(default_factory=dict)

    @property
    def chances(self) -> dict[str, float]:
        """Task -> probability that its damage is there, in the order in which damages are taken."""
        weighed = _weighed(self.signs)
        return {task: _chance(task, weighed[task]) for task in TASKS if task in weighed}

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those whose damage is there, to be taken one after the other: rain, which lies before all, shadows, and
        blur at last, because sharpening brings out whatever is left."""
        return tuple(task for task, chance in self.chances.items() if chance >= SURE)

    @property
    def is_sure(self) -> bool:
        doubtful = [task for task, chance in self.chances.items() if UNLIKELY < chance < SURE]
        return not doubtful or (bool(self.tasks) and set(doubtful) <= set(ASKED))

    @property
    def name(self) -> str:
        """A task's, "several", "none" or "unsure"."""
        if not self.is_sure:
            return "unsure"
        return "none" if not self.tasks else self.tasks[0] if len(self.tasks) == 1 else "several"

    @property
    def confidence(self) -> float:
        """That all of what is said is right, 0..1."""
        chances = {
            task: chance for task, chance in self.chances.items() if task not in ASKED or not self.tasks
        }
        return math.prod(max(chance, 1 - chance) for chance in chances.values())

    @property
    def words(self) -> str:
        """One sentence for a photographer."""
        maybe = [TASKS[task].noun for task, chance in self.chances.items() if UNLIKELY < chance < SURE]
        if not self.is_sure:
            return f"Not sure whether it is {' or '.join(maybe)}"
        if not self.tasks:
            return "Nothing to take out was found"
        nouns = ", then ".join(TASKS[task].noun for task in self.tasks)
        also = f"; {' and '.join(maybe)} may be there, too" if maybe else ""
        return f"{nouns[0].upper()}{nouns[1:]} ({100 * self.confidence:.0f} % sure){also}"

    @property
    def short(self) -> str:
        """Two or three words for under a thumbnail."""
        if not self.is_sure:
            return "not sure"
        first, *more = [TASKS[task].noun for task in self.tasks] or ["nothing found"]
        return f"{first} and {len(more)} more" if len(more) > 1 else ", ".join((first, *more))

    @property
    def behind(self) -> str:
        """The numbers behind :attr:`words`."""
        return ", ".join(f"{TASKS[task].noun} {100 * chance:.0f} %" for task, chance in self.chances.items())

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
    signs: dict[str, float] = {}
    left = picture.pixels
    if len(scales.candidates(left.shape[1], left.shape[0])) == 1:
        left = _middle(left)
    for task, model in models.items():
        control.checkpoint()
        request = RestoreRequest(task=task, model=model, device=device, precision=precision)
        if restore.can_guess(model, task):
            found = restore.guess(picture, request, ignore, control)
            signs[task] = NO_SHADOW if found is None else math.log(found.share / LEAST_SHARE)
            continue
        signs[task], without = _sign(left, request, control, want_pixels=task == FIRST)
        if task == FIRST:
            signs[STREAKS] = streaks(left, without)
            left = without
    if "deblur" in signs and _is_smeared(picture.pixels, control):
        signs["deblur"] = max(signs["deblur"], _SMEARED)
    signs[FINENESS] = fineness(left)
    return Which(signs)


def _is_smeared(pixels: np.ndarray, control: JobControl) -> bool:
    """Whether the whole photo tells a smear that can be undone: rain hides none, and is none (:mod:`core.restoring.steepness`)."""
    by = scales.learned(pixels.shape[1], pixels.shape[0])
    small = copies.reduced(pixels, by) if by > 1 else pixels
    return smear.sharper(small, control.checkpoint) is not small


def _sign(
    pixels: np.ndarray, request: RestoreRequest, control: JobControl, want_pixels: bool
) -> tuple[float, np.ndarray]:
    """The sign of a task in a photo, and where wanted the photo without what was found."""
    network = Network(request, ignore, control)
    thresholds = network.thresholds
    if thresholds is None or thresholds.nothing_below <= 0:
        return -math.inf, pixels  # it cannot say
    seen = scaled.preview(pixels, request, network, control, want_pixels)
    return math.log(max(seen.measure.amount, 1e-4) / thresholds.nothing_below), seen.pixels


def fineness(pixels: np.ndarray) -> float:
    """Of a photo (H, W, 3) uint8 | uint16, where it is no longer than those that models learn from: the logarithm of the
    finest band's root mean square over the next one's. 0 to 0.4 in sharp photos, below -0.1 in most blurred ones."""
    height, width = pixels.shape[:2]
    part = _middle(copies.reduced(pixels, scales.learned(width, height))).astype(np.float32) / 257
    grey = part @ np.array([0.299, 0.587, 0.114], np.float32)
    soft, softer = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (0.7, 1.4))
    fine, coarse = (float(np.sqrt(np.mean(np.square(band)))) for band in (grey - soft, soft - softer))
    return math.log((fine + 1e-3) / (coarse + 1e-3))


def streaks(before: np.ndarray, after: np.ndarray) -> float:
    """Of what was taken out of a photo (H, W, 3) uint8 | uint16: the logarithm of how much of it runs one way (0..1) over how
    coloured it is (0..1). Rain runs one way and has no colour, texture that is taken for rain is neither: 1.8 to 4 and 0 to 1.5.
    0 where nothing was taken."""
    by = scales.learned(before.shape[1], before.shape[0])
    taken = copies.reduced(before, by).astype(np.float32) - copies.reduced(after, by)
    much = float(np.abs(taken).mean())
    if much == 0:
        return 0.0
    grey = taken.mean(2)
    coloured = float(np.abs(taken - grey[..., None]).mean()) / much
    soft = cv2.GaussianBlur(grey, (0, 0), 1)
    turned = (cv2.Sobel(soft, cv2.CV_32F, 1, 0) + 1j * cv2.Sobel(soft, cv2.CV_32F, 0, 1)) ** 2
    one_way = abs(complex(turned.mean())) / max(float(np.abs(turned).mean()), 1e-9)
    return math.log((one_way + 0.01) / (coloured + 0.01))


def _weighed(signs: Mapping[str, float]) -> dict[str, float]:
    """Each task's sign with what the others explain of it taken off."""
    blur = signs.get("deblur", _UNSEEN) - _BY_FINENESS * signs.get(FINENESS, 0.0)
    found = dict(signs)
    if "deblur" in signs:
        found["deblur"] = blur
    explained = max(0.0, blur) if "deblur" in signs else 0.0
    if "derain" in signs:
        streaky = _BY_STREAKS * (signs.get(STREAKS, _STREAKY) - _STREAKY)
        found["derain"] = signs["derain"] + streaky - _RAIN_OF_BLUR * explained
    if "deshadow" in signs:
        found["deshadow"] = signs["deshadow"] - _SHADOW_OF_BLUR * explained
    return found


def _middle(pixels: np.ndarray) -> np.ndarray:
    top, left = (max(0, (edge - LOOKED_AT_PX) // 2) for edge in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + LOOKED_AT_PX, left : left + LOOKED_AT_PX])


def _chance(task: str, sign: float) -> float:
    middle, steep = RIGHT.get(task, (0.0, 4.0))
    at = max(-50.0, min(50.0, steep * (sign - middle)))
    most = MOST_ASKED if task in ASKED else MOST_SURE
    return min(most, max(1 - MOST_SURE, 1 / (1 + math.exp(-at))))


def choice_of(choice: Choice, task: str, models: Mapping[str, Path]) -> Choice:
    """What is chosen, for one task and its own model."""
    path = models[task]
    try:
        is_known = catalog.resolve(path.name) == path
    except catalog.CatalogError:
        is_known = False
    return replace(choice, task=task, model=path.name if is_known else str(path))


def restore_auto(
    picture: Picture,
    choice: Choice,
    emit: Emit,
    control: JobControl,
    of_task: Callable[[str], Mapping[str, Any]] = lambda _task: {},
    **of_the_photo: Any,
) -> tuple[Restored, Choice]:
    """Restore a photo for what it shows, and the choice that comes to: that of the last task taken.

    ``of_the_photo`` and, of each task that is taken, ``of_task`` are what else a request has: focus, only; mask, taught.
    A photo that shows nothing comes back as it is. Raises NotSure, CatalogError where no model is at hand, and what
    :func:`core.restoring.restore.restore` raises.
    """
    paths = models()
    if not paths:
        raise catalog.CatalogError("no model is at hand")
    seen = look(picture, paths, control, device=choice.device, precision=choice.precision)
    if not seen.is_sure:
        raise NotSure(seen)
    if not seen.tasks:
        likeliest = max(seen.chances, key=lambda task: seen.chances[task])
        return _untouched(picture, choice_of(choice, likeliest, paths), seen), choice_of(
            choice, likeliest, paths
        )
    chosen = [choice_of(choice, task, paths) for task in seen.tasks]
    requests = [restore.guessing(each.request(**of_the_photo, **of_task(each.task))) for each in chosen]
    restored = restore_each(picture, requests, emit, control)
    return replace(restored, notes=(f"Seen: {seen.behind}", *restored.notes)), chosen[-1]


def _untouched(picture: Picture, choice: Choice, seen: Which) -> Restored:
    record = choice.request().record()
    model = load_model(choice.model_path, "cpu", "fp32")
    return Restored(
        task=choice.task,
        model_name=model.name,
        model_sha256=model.sha256,
        device="cpu",
        precision="fp32",
        tile_px=0,
        seconds=0.0,
        megapixels_per_s=0.0,
        notes=(seen.words, f"Seen: {seen.behind}"),
        memory=record["memory"],
        mask=record["mask"],
        only=record["only"],
        scale=record["scale"],
        verdict=Verdict(NOTHING, why="no model sees its damage in it", unchanged=True),
        pixels=picture.pixels,
    )


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
        f"{TASKS[each.task].noun}: {found[0].lower()}{found[1:]}"
        for each in done
        if (found := words(each.verdict, each.task))
    ]
    return replace(
        done[-1],
        task=tasks.AND.join(each.task for each in done),
        model_name=", ".join(each.model_name for each in done),
        model_sha256=", ".join(each.model_sha256 for each in done),
        seconds=seconds,
        megapixels_per_s=width * height / 1e6 / seconds,
        notes=(*notes, *(note for each in done for note in each.notes)),
        verdict=NO_VERDICT,
    )
