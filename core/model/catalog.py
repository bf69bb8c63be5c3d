"""The one place that turns a name into a path: models, recipes, bundled samples.

Only ``config.json`` beside a model's weights is read, so listing models never imports torch. A broken
folder is listed with what is wrong with it.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import appdirs

import core
from core import foreign_text, tasks
from core.tasks import TASKS, Task

RESOURCES = Path(core.__file__).resolve().parents[1] / "resources"
WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"
MODELS_VARIABLE = "MEMORYNET_MODELS"
"""Environment variable with further folders of models, separated as in PATH."""
HOME_VARIABLE = "MEMORYNET_HOME"
"""Environment variable: everything of a person's own is kept in this folder instead of the usual ones."""


class CatalogError(ValueError):
    """No model, recipe or task of that name; the message lists what there is."""

    problem_key = "catalog"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    name: str
    path: Path  # the folder
    task: str  # "" when unknown
    parameters: int  # 0 when unknown
    bundled: bool
    error: str | None  # why it cannot be used; the other fields are then what could be found out
    reads_damage: bool = True  # whether it has a memory of damage; True when unknown


@dataclass(frozen=True, slots=True)
class Sample:
    """A photo that ships with the program."""

    name: str  # for people
    path: Path
    truth: Path | None  # the same photo undamaged, where that ships, too
    credit: str  # "author, licence"
    task: str = ""  # that undoes its damage; "" for a clean one


# --- models --------------------------------------------------------------------------------------


def user_models_dir() -> Path:
    """Where people put models of their own, one folder each."""
    home = os.environ.get(HOME_VARIABLE)
    data = Path(home).expanduser() / "data" if home else Path(appdirs.user_data_dir("MemoryNet"))
    return data / "models"


def models(extra: Sequence[Path] = ()) -> tuple[ModelEntry, ...]:
    """Every model at hand: the bundled ones, then the person's own, each folder in name order.

    ``extra`` are further folders to look in. The first holder of a name keeps it; a second is listed with
    an error that says so.
    """
    found: dict[str, ModelEntry] = {}
    shadowed = []
    for root, bundled in _model_roots(extra):
        for folder in _subfolders(root):
            entry = _entry(folder, bundled)
            first = found.setdefault(entry.name, entry)
            if first is not entry and first.path.resolve() != entry.path.resolve():
                reason = f"the name {entry.name} is taken by {first.path}; rename the folder or give its path"
                shadowed.append(
                    ModelEntry(entry.name, entry.path, entry.task, entry.parameters, bundled, reason)
                )
    return (*found.values(), *shadowed)


def resolve(name_or_path: str | os.PathLike[str], extra: Sequence[Path] = ()) -> Path:
    """A name, folder or file to its path; loading is checked elsewhere. Raises :class:`CatalogError`."""
    text = os.fspath(name_or_path)
    entries = models(extra)
    for entry in entries:
        if entry.name == text:
            if entry.error is not None:
                raise CatalogError(f"model {text}: {entry.error}")
            return entry.path
    path = Path(text).expanduser()
    if path.exists():
        return path
    names = [entry.name for entry in entries if entry.error is None]
    raise CatalogError(f"no model {text!r}: neither a file or folder nor a name{_did_you_mean(text, names)}")


def model_problem(name_or_path: str | os.PathLike[str]) -> str | None:
    """Why there is nothing to load, going by names alone; None where there may be."""
    try:
        path = resolve(name_or_path)
    except CatalogError as error:
        return str(error)
    if path.is_dir() and not (path / WEIGHTS_NAME).is_file():
        return f"{path}: no model in this folder (expected {WEIGHTS_NAME})"
    return None


def model_task(name_or_path: str | os.PathLike[str]) -> str:
    """The task a model learned, by its description alone; "" when there is no such model or it does not say."""
    try:
        path = resolve(name_or_path)
        task = _text(_config(path if path.is_dir() else path.parent), "task")
    except (OSError, ValueError):
        return ""
    return task if task in TASKS or tasks.is_name(task) else ""


def default_model(task: str) -> Path:
    """The model a task uses when none is named: the bundled small one first. Raises :class:`CatalogError`."""
    task_info(task)
    usable = [entry for entry in models() if entry.error is None and entry.task == task]
    if not usable:
        raise CatalogError(
            f"no model for {task} is at hand; put one into {user_models_dir()} or name its path"
        )
    usable.sort(key=lambda entry: (not entry.bundled, entry.name != tasks.of(task).default_model))
    return usable[0].path


def task_info(task: str) -> Task:
    """Raises :class:`CatalogError` for a task that is neither known nor that of a model at hand."""
    if task not in TASKS and task not in {entry.task for entry in models() if entry.error is None}:
        raise CatalogError(f"no task {task!r}{_did_you_mean(task, list(TASKS))}")
    return tasks.of(task)


def _model_roots(extra: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    yield RESOURCES / "weights", True
    for folder in os.environ.get(MODELS_VARIABLE, "").split(os.pathsep):
        if folder:
            yield Path(folder).expanduser(), False
    yield user_models_dir(), False
    for root in extra:
        yield Path(root), False


def _subfolders(root: Path) -> list[Path]:
    try:
        return sorted(child for child in root.iterdir() if child.is_dir() and child.name[0] not in "._")
    except OSError:  # absent, a file, or not ours to read: no models there
        return []


def entry(folder: Path) -> ModelEntry:
    """A model's folder wherever it lies, as a person's own, by what its description says."""
    return _entry(folder, False)


def _entry(folder: Path, bundled: bool) -> ModelEntry:
    task, parameters, error, reads_damage = "", 0, None, True
    try:
        config = _config(folder)
        task, parameters = _text(config, "task"), _count(config, "parameters")
        reads_damage = _reads_damage(config)
        if not tasks.is_name(task):
            error = f"{CONFIG_NAME}: task {task!r} is none"
        elif not (folder / WEIGHTS_NAME).is_file():
            error = f"{WEIGHTS_NAME} is missing"
    except (OSError, ValueError) as problem:
        error = f"{CONFIG_NAME}: {_reason(problem)}"
    return ModelEntry(folder.name, folder, task, parameters, bundled, error, reads_damage)


def _config(folder: Path) -> dict[str, Any]:
    return foreign_text.read_json(folder / CONFIG_NAME)


def _reads_damage(config: Mapping[str, Any]) -> bool:
    """As :attr:`core.model.config.NetworkConfig.reads_damage`, also of a file that is not complete."""
    network = config.get("network")
    if not isinstance(network, dict):
        return True
    polarities = network.get("polarities", ["negative"])
    reads = bool(network.get("granularities", True))
    return reads and isinstance(polarities, list) and "negative" in polarities


def _text(config: Mapping[str, Any], key: str) -> str:
    value = config.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key} is {value!r}, need text")
    return value


def _count(config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{key} is {value!r}, need a whole number")
    return value


def _reason(problem: Exception) -> str:
    if isinstance(problem, FileNotFoundError):
        return "missing"
    if isinstance(problem, OSError):
        return problem.strerror or str(problem)
    if isinstance(problem, (json.JSONDecodeError, UnicodeDecodeError)):
        return f"not valid JSON ({problem})"
    return str(problem)


# --- recipes and samples -------------------------------------------------------------------------


def recipes() -> tuple[str, ...]:
    """Names of the bundled recipes."""
    return tuple(sorted(path.stem for path in (RESOURCES / "recipes").glob("*.toml")))


def recipe(name: str | os.PathLike[str]) -> Path:
    """A bundled recipe's name, or a TOML file, to its path. Raises :class:`CatalogError`."""
    text = os.fspath(name)
    bundled = RESOURCES / "recipes" / f"{text}.toml"
    if text in recipes():
        return bundled
    path = Path(text).expanduser()
    if path.is_file():
        return path
    raise CatalogError(f"no recipe {text!r}: neither a file nor a name{_did_you_mean(text, list(recipes()))}")


def samples() -> tuple[Sample, ...]:
    """The photos that ship, in the order of ``resources/samples/samples.json``: the rainy ones first."""
    root = RESOURCES / "samples"
    try:
        rows = json.loads((root / "samples.json").read_text("utf-8"))
    except FileNotFoundError:
        return ()
    return tuple(_sample(root, row) for row in rows)


def sample_photos(validation: bool) -> tuple[Path, ...]:
    """The clean photos that ship: those kept apart to validate on, or the others to train on."""
    root = RESOURCES / "samples"
    rows = json.loads((root / "samples.json").read_text("utf-8"))
    return tuple(
        root / row["file"]
        for row in rows
        if not row.get("truth") and not row.get("task") and bool(row.get("validation")) is validation
    )


def _sample(root: Path, row: Mapping[str, Any]) -> Sample:
    truth = root / row["truth"] if row.get("truth") else None
    task = row.get("task", "derain" if truth else "")
    return Sample(row["name"], root / row["file"], truth, f"{row['credit']}, {row['licence']}", task)


def _did_you_mean(text: str, known: Sequence[str]) -> str:
    if not known:
        return "; there are none"
    close = difflib.get_close_matches(text.lower(), known, n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f" (known: {', '.join(known)}){hint}"
