"""The library of training runs: what lies in a folder, in which state, and what may be done with it. No torch.

A run is a folder as :mod:`core.training.run_folder` describes it. Listing never fails for one that is damaged: it is listed
with what is wrong with it. Runs of before there was a ``state.json`` are read from their recipe and curve.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from core import atomic, foreign_text, trash
from core.events import deciding_db
from core.model import catalog
from core.problems import describe
from core.training.recipe import RecipeError, TrainRecipe
from core.training.run_folder import (
    DONE,
    FAILED,
    INTERRUPTED,
    PAUSED,
    RUNNING,
    STOPPED,
    RunBusy,
    RunDamaged,
    RunFolder,
    RunState,
    iterate_curve,
)

STATES = (RUNNING, PAUSED, INTERRUPTED, STOPPED, DONE, FAILED)
_NAME_LENGTH = 80  # leaves room for a number behind it on every disk
_LONGEST_BYTES = 240
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # Windows' names for devices
_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')  # by one system or another


class NotARun(Exception):
    """The folder holds no training run."""

    problem_key = "no-run"

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder}: holds no training run")
        self.folder = folder


class NoTrash(Exception):
    """The folder could not be moved to the trash; it is where it was. :func:`delete_for_good` needs no trash."""

    problem_key = "no-trash"

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"{folder.name}: {reason}")
        self.folder = folder


@dataclass(frozen=True, slots=True)
class Run:
    """One run as it was found. Where something cannot be read, ``error`` says so and the rest is what is known."""

    folder: Path
    name: str  # the folder's
    state: RunState | None  # None: nothing says how far it is
    recipe: TrainRecipe | None
    notes: str
    size_bytes: int
    error: str | None
    model: Path | None = None  # the folder of the best weights so far, once there are any

    @property
    def best_psnr_db(self) -> float | None:
        return None if self.state is None else self.state.best_psnr_db

    @property
    def updated(self) -> float:
        """Seconds since 1970 when it last wrote, 0 when unknown."""
        return 0.0 if self.state is None else self.state.updated


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not the same in all recipes compared."""

    section: str
    key: str
    title: str
    values: tuple[
        Any, ...
    ]  # one a recipe, in their order; None where a degradation's own value is not stated


# --- finding ---------------------------------------------------------------------------------------


def default_folder() -> Path:
    """Where runs go when nothing else is said, beside the person's own models. It may not exist yet."""
    return catalog.user_models_dir().parent / "runs"


def is_run(folder: Path) -> bool:
    run = RunFolder(folder)
    signs = (run.recipe_file, run.state_file, run.curve_file, run.checkpoints)
    return any(os.path.exists(sign) for sign in signs)  # noqa: PTH110 - which raises nothing, whatever the disk says


def find(folder: Path) -> tuple[Run, ...]:
    """The runs right below ``folder``, newest first, or ``folder`` itself where it is a run.

    A folder that does not exist holds none. Raises OSError when it cannot be listed.
    """
    if is_run(folder):
        return (read(folder),)
    try:
        inside = [child for child in folder.iterdir() if not child.name.startswith(".") and child.is_dir()]
    except FileNotFoundError:
        return ()
    found = [read(child) for child in inside if is_run(child)]
    # one may have gone to the trash meanwhile
    return tuple(sorted((run for run in found if run.folder.exists()), key=_order))


def models(folder: Path) -> tuple[Path, ...]:
    """The best weights of the runs below, by the runs' names; nothing is read."""
    try:
        places = [RunFolder(place) for place in folder.iterdir()]
    except OSError:
        return ()
    has = [
        run for run in places if (run.model / catalog.WEIGHTS_NAME).is_file() and run.recipe_file.is_file()
    ]
    return tuple(run.model for run in sorted(has, key=lambda run: run.path.name))


def resolve(name: str, folder: Path) -> Path:
    """A run's name within the library ``folder``, or its path. Raises :class:`NotARun`."""
    for option in (folder / name, Path(name).expanduser()):
        if option.is_dir() and is_run(option):
            return option
    raise NotARun(Path(name).expanduser())


def read(folder: Path) -> Run:
    """One run. Raises nothing for what is damaged: see :attr:`Run.error`."""
    run = RunFolder(folder)
    errors: list[str] = []
    recipe = state = None
    try:
        recipe = run.recipe()
    except FileNotFoundError:
        errors.append(f"{run.recipe_file.name} is missing.")
    except (OSError, RecipeError) as error:
        errors.append(describe(error).sentence)
    try:
        state = run.state()
        if state is not None:
            _check(run.state_file, state)
    except (OSError, RunDamaged) as error:
        errors.append(describe(error).sentence)
        state = None
    if state is None or state.best_psnr_db is None:
        try:
            state, lost = _from_curve(run, recipe, state)
            if lost:
                lines = "1 line" if lost == 1 else f"{lost} lines"
                errors.append(f"{run.curve_file.name} cannot be read in {lines}, the others count.")
        except (OSError, ValueError, RunDamaged) as error:
            errors.append(f"{run.curve_file.name} cannot be read: {error}.")
    notes = ""
    with contextlib.suppress(OSError, ValueError):  # mostly: there are none
        notes = foreign_text.read_text(run.notes_file, errors="replace").strip()
    has_model = os.path.isfile(run.model / catalog.WEIGHTS_NAME)  # noqa: PTH113 - as above
    return Run(
        folder=folder,
        name=folder.name,
        state=state,
        recipe=recipe,
        notes=notes,
        size_bytes=_size_bytes(folder),
        error=" ".join(errors) or None,
        model=run.model if has_model else None,
    )


def _order(run: Run) -> tuple[float, str]:
    return -run.updated, run.name


def _check(file: Path, state: RunState) -> None:
    """JSON may hold anything; what the fields promise is looked at here. Raises :class:`RunDamaged`."""
    if state.state not in STATES:
        raise RunDamaged(f"{file.name}: state is {state.state!r}, need one of {', '.join(STATES)}")
    for item in fields(RunState):
        value = getattr(state, item.name)
        kind = str(item.type)
        if kind.startswith("float"):
            right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            right = right or (value is None and "None" in kind)
        elif kind == "int":
            right = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        elif kind == "str":
            right = isinstance(value, str)
        else:  # a tuple of folders
            right = all(isinstance(part, str) for part in value)
        if not right:
            raise RunDamaged(f"{file.name}: {item.name} is {value!r}, need {kind}")


def _from_curve(run: RunFolder, recipe: TrainRecipe | None, state: RunState | None) -> tuple[RunState, int]:
    """What the curve tells about a run that has no state, or a state without a score; how many lines are lost.

    Raises OSError, ValueError and :class:`RunDamaged`.
    """
    try:
        found = run.curve_file.stat()
        step, best, best_step, lost = _best_of_curve(run.path, found.st_mtime_ns, found.st_size)
    except FileNotFoundError:
        step, best, best_step, lost = 0, None, 0, 0
    if state is not None:
        return replace(state, best_psnr_db=best, best_step=best_step), lost
    steps = recipe.steps if recipe is not None else 0
    kind = DONE if 0 < steps <= step else RUNNING if run.is_locked() else INTERRUPTED
    began, wrote = _modified(run.recipe_file), _modified(run.curve_file)
    return RunState(kind, step, steps, best, best_step, started=began, updated=wrote or began), lost


@functools.lru_cache(maxsize=256)  # a library that is watched asks again and again
def _best_of_curve(folder: Path, _mtime_ns: int, _size: int) -> tuple[int, float | None, int, int]:
    """Newest step, best score in dB and its step, as the curve has them; how many lines say nothing."""
    step, best, best_step = 0, None, 0
    lost: list[int] = []
    for line in iterate_curve(folder, lost.append):
        step = max(step, line["step"])
        score = _score(line) if line.get("kind") == "validation" else None
        if score is not None and (best is None or score > best):
            best, best_step = score, line["step"]
    return step, best, best_step, len(lost)


def _score(line: Mapping[str, Any]) -> float | None:
    plain, guided = line.get("psnr_db"), line.get("psnr_guided_db")
    if not isinstance(plain, int | float):
        return None
    score = deciding_db(plain, guided if isinstance(guided, int | float) else None)
    return score if math.isfinite(score) else None


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _size_bytes(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # a checkpoint that made room for its successor
                total += (Path(parent) / name).lstat().st_size
    return total


# --- new ones, notes, clones -----------------------------------------------------------------------


def free_folder(parent: Path, name: str) -> Path:
    """``parent/NAME``, or NAME-2, NAME-3, ... while that exists. Looks only; nothing is made.

    What no disk takes in a name becomes a hyphen.
    """
    plain = _FORBIDDEN.sub("-", name).strip(". ")[:_NAME_LENGTH]
    plain = plain.encode(errors="replace")[:_LONGEST_BYTES].decode(errors="ignore").strip(". ") or "run"
    if _RESERVED.fullmatch(plain):
        plain = f"run-{plain}"
    return next(folder for folder in _numbered(parent, plain) if not os.path.lexists(folder))


def new_folder(parent: Path, name: str) -> Path:
    """Make a folder for a new run and return it: never one that exists, not even an empty one. Raises OSError."""
    parent.mkdir(parents=True, exist_ok=True)
    while True:
        folder = free_folder(parent, name)
        try:
            folder.mkdir()
        except FileExistsError:  # somebody else took it between looking and making
            continue
        return folder


def _numbered(parent: Path, name: str) -> Iterator[Path]:
    yield parent / name
    number = 2
    while True:
        yield parent / f"{name}-{number}"
        number += 1


def set_notes(folder: Path, text: str) -> None:
    """Keep a person's words with a run; nothing but spaces takes them away. Raises OSError, :class:`NotARun`."""
    if not is_run(folder):
        raise NotARun(folder)
    file = RunFolder(folder).notes_file
    if text.strip():
        atomic.write_text(file, text.strip() + "\n")
    else:
        file.unlink(missing_ok=True)


def clone(folder: Path) -> TrainRecipe:
    """The run's recipe under a name that no run beside it has. Raises OSError and RecipeError."""
    recipe = RunFolder(folder).recipe()
    taken = {recipe.name}
    for sibling in folder.absolute().parent.iterdir():
        taken.add(sibling.name)
        with contextlib.suppress(OSError, RecipeError):  # no run, or one whose name cannot be known
            taken.add(RunFolder(sibling).recipe().name)
    stem = re.sub(r"-\d+$", "", recipe.name) or recipe.name
    name = next(path.name for path in _numbered(Path(), stem) if path.name not in taken)
    return replace(recipe, name=name)


# --- away with it ----------------------------------------------------------------------------------


def move_to_trash(folder: Path) -> trash.Trashed | None:
    """Move a run to the system's trash. What comes back puts it where it was, where the system lets that be done.

    Raises:
        NotARun: whatever the folder is, it is not ours to remove.
        RunBusy: a program is training there.
        NoTrash: the system has no trash for this disk, or could not use it.
    """
    _check_removable(folder)
    try:
        return trash.move(folder)
    except OSError as error:
        raise NoTrash(folder, error.strerror or str(error)) from error


def delete_for_good(folder: Path) -> None:
    """Remove a run so that nothing brings it back. Raises :class:`NotARun`, RunBusy, OSError."""
    _check_removable(folder)
    shutil.rmtree(folder)


def _check_removable(folder: Path) -> None:
    if not is_run(folder):
        raise NotARun(folder)
    if RunFolder(folder).is_locked():
        raise RunBusy(folder)


# --- comparing -------------------------------------------------------------------------------------


def differences(recipes: Sequence[TrainRecipe]) -> tuple[Difference, ...]:
    """What is not the same in all ``recipes``, in the order of the recipe's fields; names are not compared."""
    found = []
    for item in fields(TrainRecipe):
        section, title = item.metadata["section"], item.metadata["title"]
        values = tuple(getattr(recipe, item.name) for recipe in recipes)
        if item.name == "name":
            continue
        if item.name == "degradation":
            keys = dict.fromkeys(key for value in values for key in value)
            for key in keys:
                own = tuple(value.get(key) for value in values)
                if _differ(own):
                    found.append(Difference(section, key, key.replace("_", " ").capitalize(), own))
        elif _differ(values):
            found.append(Difference(section, item.name, title, values))
    return tuple(found)


def _differ(values: tuple[Any, ...]) -> bool:
    return any(value != values[0] for value in values[1:])
