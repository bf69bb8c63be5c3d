"""A degradation of one's own, from a plain Python file that a person names: their code, run because they said so.

The file defines ``DEGRADATIONS``: a task's name to a function ``(clean, rng) -> degraded`` (pictures (H, W, 3) float32 in
0..1, the generator decides everything that is random), or to a :class:`core.data.degrade.RegisteredDegradation` with
parameters that a recipe can set. Nothing of a model, a run or a checkpoint ever leads here.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.data.degrade import DegradationError, RegisteredDegradation, register
from core.data.degrade.base import parameter
from core.tasks import TASKS

NAME = "DEGRADATIONS"


class OwnCodeError(DegradationError):
    """The file cannot be run, or does not define what it should; the message says which."""


@dataclass(frozen=True, slots=True)
class OwnParams:
    """What a plain function gets by itself."""

    untouched: float = parameter(0.05, "Left clean", "Share of photos that stay as they are")

    def __post_init__(self) -> None:
        if not 0 <= self.untouched <= 1:
            raise ValueError(f"untouched {self.untouched}: need a share from 0 to 1")


def load(path: Path) -> tuple[str, ...]:
    """Run the file and register what it defines, for this process; the names of its tasks.

    Raises OwnCodeError; whatever the code itself raises becomes one, with the original as its cause.
    """
    if not path.is_file():
        raise OwnCodeError(f"{path}: no such file")
    try:
        defined = runpy.run_path(str(path)).get(NAME)
    except Exception as error:  # it is somebody's own code
        raise OwnCodeError(f"{path.name}: {type(error).__name__}: {error}") from error
    if not isinstance(defined, Mapping) or not defined:
        raise OwnCodeError(
            f"{path.name}: need {NAME}, a dictionary from a task's name to what makes its damage"
        )
    made = {str(task): _registered(path.name, str(task), given) for task, given in defined.items()}
    for task, degradation in made.items():
        register(task, degradation)
    return tuple(made)


def _registered(file: str, task: str, given: Any) -> RegisteredDegradation:
    if task in TASKS:
        raise OwnCodeError(f"{file}: {task} is the program's own; take another name")
    if isinstance(given, RegisteredDegradation):
        if not hasattr(given.defaults, "untouched"):
            raise OwnCodeError(f"{file}: the parameters of {task} need 'untouched', the share left clean")
        return given
    if not callable(given):
        raise OwnCodeError(f"{file}: {task} is a {type(given).__name__}, need a function (clean, rng)")
    return RegisteredDegradation(task, OwnParams(), make=_checked(file, task, given))


def _checked(
    file: str, task: str, function: Callable[[np.ndarray, np.random.Generator], np.ndarray]
) -> Callable[[np.ndarray, np.random.Generator, Any], np.ndarray]:
    def make(clean: np.ndarray, rng: np.random.Generator, params: OwnParams) -> np.ndarray:
        if rng.random() < params.untouched:
            return clean.astype(np.float32, copy=True)
        found = np.asarray(function(clean.copy(), rng), np.float32)
        if found.shape != clean.shape or not np.isfinite(found).all():
            raise OwnCodeError(f"{file}: {task} made {found.shape} of {clean.shape}, or NaN values")
        return np.clip(found, 0, 1)

    return make
