"""Models that the catalogue does not know, as entries like its own: opened by hand, or made by a training run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.training.run_folder import RunFolder, checkpoint_files, checkpoint_step

if TYPE_CHECKING:
    from core.model.catalog import ModelEntry


def entry_of(path: Path) -> ModelEntry:
    """Load the model to see what it is; what is wrong with it goes into ``error``. Imports torch."""
    from core.model import checkpoint
    from core.model.catalog import ModelEntry
    from core.tasks import is_name

    place = path.parent if path.name == checkpoint.WEIGHTS_FILE else path
    name = name_of(place)
    try:
        loaded = checkpoint.load(place)
    except Exception as error:  # whatever is wrong with the file, the list says it
        return ModelEntry(name, place, "", 0, False, str(error))
    parameters = sum(parameter.numel() for parameter in loaded.network.parameters())
    unknown = None if is_name(loaded.task) else f"its task is called {loaded.task!r}, which is no name"
    return ModelEntry(
        name, place, loaded.task, parameters, False, unknown, loaded.network.config.reads_damage
    )


def trained_entries(folders: Iterable[Path]) -> list[ModelEntry]:
    """Models of training runs as their own descriptions say, without loading them; those that are gone left out."""
    from core.model import catalog

    return [replace(catalog.entry(folder), name=name_of(folder)) for folder in folders if folder.is_dir()]


def checkpoint_entries(run: Path, task: str) -> list[ModelEntry]:
    """What a training run keeps beside its best weights, the newest first: files, which :func:`as_model` makes models."""
    from core.export.from_run import checkpoint_name
    from core.model.catalog import ModelEntry

    files = checkpoint_files(RunFolder(run).checkpoints)
    return [ModelEntry(checkpoint_name(file), file, task, 0, False, None) for file in files]


def as_model(place: Path, folder: Path) -> Path:
    """The folder of a model; of a run's checkpoint it is made below ``folder``. Raises what that raises. Imports torch."""
    if checkpoint_step(place) is None:
        return place
    from core.export.from_run import checkpoint_model

    return checkpoint_model(place, folder)


def run_of(model: Path) -> Path | None:
    """The training run whose best weights these are."""
    run = RunFolder(model.parent)
    return run.path if model.name == run.model.name and run.recipe_file.is_file() else None


def name_of(place: Path) -> str:
    """A model's folder goes by its name; within a run, where it is always "model", by the run's."""
    run = run_of(place)
    return place.name if run is None else run.name
