"""A model file that was opened by hand, as an entry like those of the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.catalog import ModelEntry


def entry_of(path: Path) -> ModelEntry:
    """Load the model to see what it is; what is wrong with it goes into ``error``. Imports torch."""
    from core import checkpoint
    from core.catalog import TASKS, ModelEntry

    place = path.parent if path.name == checkpoint.WEIGHTS_FILE else path
    name = place.name
    try:
        loaded = checkpoint.load(place)
    except Exception as error:  # whatever is wrong with the file, the list says it
        return ModelEntry(name, place, "", 0, False, str(error))
    parameters = sum(parameter.numel() for parameter in loaded.network.parameters())
    unknown = None if loaded.task in TASKS else f"it is for the unknown task {loaded.task!r}"
    return ModelEntry(name, place, loaded.task, parameters, False, unknown)
