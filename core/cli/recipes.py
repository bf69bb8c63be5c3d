"""A recipe as a command is given it: the file, and a Python file of the person's own that it may name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.cli import common

if TYPE_CHECKING:
    from core.training.recipe import TrainRecipe


def read(name: str) -> TrainRecipe:
    """A bundled recipe or a file, checked whole. Raises UsageError: all that is wrong with it."""
    from core.model import catalog
    from core.training.recipe import RecipeError, TrainRecipe

    try:
        return TrainRecipe.from_toml(catalog.recipe(name), damage=True)
    except (catalog.CatalogError, RecipeError) as error:
        raise common.UsageError(str(error)) from error


def run_own_code(file: Path | None, recipe: TrainRecipe) -> None:
    """Only what the recipe names, and only where it is named on the command line as well. Raises UsageError."""
    if file is None and not recipe.code:
        return
    if file is None or file.name != recipe.code:
        named = f"names {recipe.code} as its code" if recipe.code else "names no code"
        raise common.UsageError(
            f"the recipe {named}; a Python file is run only when it is named here too: --code PATH/{recipe.code or 'FILE'}"
        )
    from core.data.degrade import own

    try:
        tasks_made = own.load(file)
    except own.OwnCodeError as error:
        raise common.UsageError(f"--code {error}") from error
    if recipe.task not in tasks_made:
        raise common.UsageError(
            f"--code {file.name}: makes {', '.join(tasks_made)}, and the task is {recipe.task}"
        )
