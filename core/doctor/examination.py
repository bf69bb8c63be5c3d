"""The dataset doctor: what is wrong with the data of a recipe, before training on it costs time. It only reads.

Names first, then headers, then thumbnails; a file that cannot be read is named and the next one is looked at.
Importing this module does not import torch.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import tasks
from core.data.dataset import few_photos
from core.data.degrade import DegradationError
from core.data.degrade.blur import Motion, MotionError
from core.doctor.data import ERROR, NOTE, WARNING, Finding, Gathered, gather, names_of
from core.doctor.leave import offered
from core.doctor.look import Examiner, Look, PairThumbnail, look_at_all
from core.doctor.preview import registered, samples_for_preview
from core.doctor.repeats import Known, find_repeats
from core.images.io import ImageError, PictureInfo
from core.images.metrics import SSIM_MIN_PX
from core.jobs import Emit, JobControl
from core.model import catalog
from core.model.config import STRIDE_PX
from core.training.recipe import RecipeError, TrainRecipe
from core.training.recipe_check import source_problems
from core.training.recipe_folders import resolve_file

__all__ = [
    "ERROR",
    "NOTE",
    "WARNING",
    "DoctorReport",
    "Finding",
    "PairThumbnail",
    "examine",
    "samples_for_preview",
]


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """``findings`` come errors first. Counts are of what can be used by its name."""

    findings: tuple[Finding, ...]
    pairs: int  # to train on
    photos: int  # clean ones to train on
    validation_count: int
    layout: str  # "photos", "input/target", "photos and input/target"
    examples: tuple[PairThumbnail, ...]
    files: int  # looked into
    seconds: float
    left_out: int = 0  # photos and pairs, and pictures without partner, that the recipe leaves out

    def of(self, severity: str) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == severity)

    @property
    def has_errors(self) -> bool:
        return any(finding.severity == ERROR for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: everything but the pictures."""
        return {
            "pairs": self.pairs,
            "photos": self.photos,
            "validation": self.validation_count,
            "left_out": self.left_out,
            "layout": self.layout,
            "files": self.files,
            "seconds": round(self.seconds, 2),
            "findings": [
                {"kind": item.kind, "severity": item.severity, "text": item.text, "paths": list(map(str, item.paths)),
                 "leave_out": list(item.leave_out)}
                for item in self.findings
            ],
        }  # fmt: skip


def examine(recipe: TrainRecipe, data: tuple[Path, ...], emit: Emit, control: JobControl) -> DoctorReport:
    """Look at everything that ``recipe`` would train and validate on.

    Emits ItemStarted and ItemDone for each photo or pair. Nothing that is wrong with the data raises: it is a
    :class:`Finding`.

    Args:
        data: what DATA stands for in the recipe's folders.

    Raises:
        Cancelled: stopped by ``control``, at once.
    """
    began = time.monotonic()
    control.checkpoint()
    found = gather(recipe, data)
    _check_settings(found, recipe, data)
    looks = list(look_at_all(found.units, Examiner(recipe, found.units), emit, control))
    _judge(found, recipe, looks)
    known = [Known(look.unit.target, look.unit.validates, look.unit.input is not None, look.info.file_bytes, look.print)
             for look in looks if look.info is not None and look.print is not None]  # fmt: skip
    for finding in find_repeats(known, control):
        found.add(finding.kind, finding.severity, finding.text, finding.paths, finding.spare)
    findings = offered(found.findings, found)
    kept = found.count(False, True), found.count(False, False)
    return DoctorReport(
        findings=tuple(findings),
        pairs=kept[0],
        photos=kept[1],
        validation_count=sum(unit.validates for unit in found.units),
        layout=" and ".join(dict.fromkeys(found.layouts)),
        examples=tuple(look.example for look in looks if look.example is not None),
        files=len({path for unit in found.units for path in unit.files}),
        seconds=time.monotonic() - began,
        left_out=len(found.left),
    )


def _check_settings(found: Gathered, recipe: TrainRecipe, data: tuple[Path, ...]) -> None:
    """What of the recipe only the data's readers would refuse."""
    for number, need in source_problems(recipe.task, recipe.sources).items():
        found.add("sources", ERROR, f"[[source]] {number}: {need}.")
    if recipe.kind != "pairs":
        try:
            registered(recipe.task).params(recipe.degradation)
        except DegradationError as error:
            found.add("degradation", ERROR, f"{error}.")
    if recipe.motion:
        try:
            Motion.read(resolve_file(recipe.motion, data))
        except (RecipeError, MotionError, OSError) as error:
            found.add("motion", ERROR, f"motion: {error}.")
    if recipe.start_from:
        if problem := catalog.model_problem(recipe.start_from):
            found.add("start_from", ERROR, f"start_from: {problem}.")
        learned = catalog.model_task(recipe.start_from)
        if learned not in ("", recipe.task):
            found.add("start_from", NOTE, f"The model to start from learned to {tasks.of(learned).verb.lower()}; this "
                      f"recipe is to {tasks.of(recipe.task).verb.lower()}.")  # fmt: skip


# --- judging -------------------------------------------------------------------------------------


def _judge(found: Gathered, recipe: TrainRecipe, looks: Sequence[Look]) -> None:
    _judge_files(found, looks)
    _judge_sizes(found, recipe, looks)
    _judge_pairs(found, looks)
    _judge_task(found, recipe.task, looks)
    _judge_kinds(found, looks)
    train = sum(not look.unit.validates for look in looks)
    if few := few_photos(train):
        found.add("few", WARNING, few)
    if train and train == len(looks) and not any(item.severity == ERROR for item in found.findings):
        found.add("empty", ERROR, "There is nothing to validate on.")


def _judge_files(found: Gathered, looks: Sequence[Look]) -> None:
    bad = {path: error for look in looks for path, error in look.troubles}
    if bad:
        first = [f"{path.name} ({_reason(error)})" for path, error in bad.items()]
        found.add("unreadable", ERROR, f"{_files(len(bad))} cannot be read: {names_of(first)}. Training would stop there; "
                  "replace or remove them.", list(bad), list(bad))  # fmt: skip
    masks = {look.unit.mask: look.mask_trouble for look in looks if look.mask_trouble and look.unit.mask}
    if masks:
        first = [f"{path.name} ({why})" for path, why in masks.items()]
        found.add("masks", ERROR, f"{_files(len(masks))} cannot serve as masks: {names_of(first)}. A mask is grey and of its "
                  "photo's size.", list(masks), list(masks))  # fmt: skip


def _judge_sizes(found: Gathered, recipe: TrainRecipe, looks: Sequence[Look]) -> None:
    if differ := [look for look in looks if look.is_mismatched]:
        first = [f"{look.unit.name} ({_sizes(look)})" for look in differ]
        found.add("size", ERROR, f"The two sides of {_pairs(len(differ))} differ in size: {names_of(first)}.",
                  _both(differ), _both(differ))  # fmt: skip
    sized = [(look.unit, look.info) for look in looks if look.info is not None]
    small = [
        unit.target
        for unit, info in sized
        if not unit.validates and min(info.width, info.height) < recipe.patch_px
    ]
    if small:
        found.add("small", WARNING, f"{_photos(len(small))} {_are(small)} smaller than the patch of {recipe.patch_px} px and "
                  f"would be mirrored up to it: {names_of(small)}.", small, small)  # fmt: skip
    least = -(-SSIM_MIN_PX // STRIDE_PX) * STRIDE_PX
    tiny = [unit.target for unit, info in sized if unit.validates and min(info.width, info.height) < least]
    if tiny:
        found.add("small", ERROR, f"{_photos(len(tiny))} {_are(tiny)} too small to validate on, below {least} px: "
                  f"{names_of(tiny)}.", tiny, tiny)  # fmt: skip


def _judge_pairs(found: Gathered, looks: Sequence[Look]) -> None:
    by_folder: dict[str, list[Look]] = defaultdict(list)
    for look in looks:
        if look.unit.input is not None:
            by_folder[look.unit.folder].append(look)
    for folder, here in by_folder.items():
        of = f"{folder}: {{}} of {len(here):,} pairs"
        if shifted := sorted((look for look in here if look.shift_px), key=lambda look: -look.shift_px):
            first = [f"{look.unit.name} ({_px(look.shift_px)})" for look in shifted]
            found.add("shifted", WARNING, f"{of.format(f'{len(shifted):,}')} seem not to lie on each other: "
                      f"{names_of(first)}. A network learns to blur what is not in its place.",
                      _both(shifted), _both(shifted))  # fmt: skip
        if strange := [look for look in here if look.is_strange]:
            found.add("different", WARNING, f"{of.format(f'{len(strange):,}')} do not seem to show the same: "
                      f"{names_of([look.unit.name for look in strange])}. Perhaps wrong pictures were "
                      "paired.", _both(strange), _both(strange))  # fmt: skip
        if same := [look for look in here if look.is_same]:
            severity = WARNING if len(same) > 0.2 * len(here) else NOTE
            found.add("same", severity, f"{of.format(f'{len(same):,}')} look the same on both sides: "
                      f"{names_of([look.unit.name for look in same])}. From these is learnt to leave photos as they "
                      "are.", _both(same), _both(same))  # fmt: skip


def _judge_task(found: Gathered, task: str, looks: Sequence[Look]) -> None:
    """Pairs that are another task's, by the names of their folders or by what is darker in most of them."""
    if task not in tasks.TASKS:
        return
    by_folder: dict[str, list[tuple[Look, Path]]] = defaultdict(list)
    for look in looks:
        if look.unit.input is not None:
            by_folder[look.unit.folder].append((look, look.unit.input))
    for folder, here in by_folder.items():
        named = {other.name for _, path in here if (other := tasks.of_folder(path.parent.name)) is not None}
        shaded = [look for look, _ in here if look.is_shaded]
        if named:
            other = tasks.of(sorted(named)[0])
            why = f"by the name of their folder, {here[0][1].parent.name}, these are pairs of {other.noun}"
            is_other = task not in named
        else:
            why = f"{len(shaded):,} of {_pairs(len(here))} differ as shadows do: large parts are darker, none is brighter"
            is_other = 2 * len(shaded) > len(here) and not tasks.of(task).changes_light
        if is_other:
            paths = [path for _, path in here]
            found.add("task", WARNING, f"{folder}: {why}. This recipe is to {tasks.of(task).verb.lower()}; choose the task "
                      "that they are of, or other pairs.", paths)  # fmt: skip


def _judge_kinds(found: Gathered, looks: Sequence[Look]) -> None:
    infos = {
        path: info
        for look in looks
        for path, info in look.infos.items()
        if path != look.unit.mask
    }  # fmt: skip
    odd: list[tuple[str, str, Callable[[PictureInfo], bool]]] = [
        ("depth", "of 16 bit and trained on in 8", lambda info: info.bit_depth == 16),
        ("alpha", "partly transparent, which training does not see", lambda info: info.has_alpha),
        ("grey", "grey and teach nothing about colours", lambda info: info.mode == "grey"),
        ("cmyk", "meant for print (CMYK) and converted", lambda info: info.mode == "cmyk"),
        ("profile", "in colours other than sRGB, which are taken as they are stored",
         lambda info: info.icc_name is not None and "srgb" not in info.icc_name.casefold()),
    ]  # fmt: skip
    for kind, words, is_odd in odd:
        if paths := [path for path, info in infos.items() if is_odd(info)]:
            found.add(kind, NOTE, f"{_files(len(paths))} {_are(paths)} {words}: {names_of(paths)}.", paths)


def _reason(error: Exception) -> str:
    if isinstance(error, ImageError):
        return error.reason
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"


def _sizes(look: Look) -> str:
    assert look.unit.input is not None
    one, other = look.infos[look.unit.input], look.infos[look.unit.target]
    return f"{one.width}x{one.height} and {other.width}x{other.height} px"


def _both(looks: Sequence[Look]) -> list[Path]:
    return [path for look in looks for path in (look.unit.input, look.unit.target) if path is not None]


def _px(length: float) -> str:
    return f"{length:.1f} px" if length < 3 else f"{length:.0f} px"


def _are(things: Sequence[object]) -> str:
    return "is" if len(things) == 1 else "are"


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count:,} photos"


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count:,} pairs"
