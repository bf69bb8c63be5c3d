"""The folders and files that a recipe names, found on this machine: what DATA stands for, and what ships."""

from __future__ import annotations

from pathlib import Path

from core.data.source import BUNDLED
from core.training.recipe import RecipeError


class DataNotNamed(RecipeError):
    """A folder below DATA is needed, and nothing says which folder that is."""

    problem_key = "data-not-named"


class FolderMissing(RecipeError):
    """A folder that the recipe names does not exist; the message names it."""

    problem_key = "folder-missing"


def resolve_folders(folders: tuple[str, ...], data: tuple[Path, ...]) -> tuple[Path, ...]:
    """Recipe folders to real ones; ``DATA/x`` is looked for below each of ``data`` in turn.

    Names of :data:`core.data.source.BUNDLED` stand for photos that ship, not for folders, and are left out.

    Raises:
        FolderMissing: a folder does not exist.
        RecipeError: DATA stands for nothing.
    """
    found = []
    for folder in folders:
        if folder in BUNDLED:
            continue
        if folder == "DATA" or folder.startswith("DATA/"):
            rest = folder[5:]
            if not data:
                raise DataNotNamed(f"{folder}: say where DATA is")
            options = [base / rest for base in data]
        else:
            options = [Path(folder).expanduser()]
        match = next((option for option in options if option.is_dir()), None)
        if match is None:
            places = [str(option) for option in options if str(option) != folder]
            tried = f" (looked for {', '.join(places)})" if places else ""
            raise FolderMissing(f"{folder}: no such folder{tried}")
        found.append(match)
    return tuple(found)


def resolve_file(file: str, data: tuple[Path, ...]) -> Path:
    """As :func:`resolve_folders`, for one file. Raises :class:`RecipeError`."""
    folder, _, name = file.rpartition("/")
    path = (resolve_folders((folder,), data)[0] if folder else Path()) / name
    if not path.is_file():
        raise RecipeError(f"{file}: no such file")
    return path
