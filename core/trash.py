"""The system's trash, and the way back out of it where the system keeps notes that can be read (freedesktop.org)."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Trashed:
    """Something in the trash that can be had back."""

    came_from: Path
    lies_at: Path
    note: Path  # the trash's own about it

    def take_back(self) -> None:
        """Put it where it was. Raises OSError, FileExistsError when something else is there by now."""
        if os.path.lexists(self.came_from):
            raise FileExistsError(f"{self.came_from}: there is something of that name again")
        shutil.move(self.lies_at, self.came_from)
        self.note.unlink(missing_ok=True)


def move(path: Path) -> Trashed | None:
    """Move a file or folder to the trash. None: it can be had back by the system's own means only.

    Raises OSError: there is no trash for this disk, or it cannot be used.
    """
    import send2trash

    path = path.absolute()
    send2trash.send2trash(str(path))
    with contextlib.suppress(
        OSError, ValueError
    ):  # where its notes cannot be read, the trash is the person's matter
        return _find(path)
    return None


def _find(path: Path) -> Trashed | None:
    """The newest note of something that came from here."""
    found: list[tuple[int, Trashed]] = []
    for trash, root in _trashes(path):
        for note in (trash / "info").glob("*.trashinfo"):
            lies_at = trash / "files" / note.name.removesuffix(".trashinfo")
            lines = note.read_text("utf-8", "replace").splitlines()
            original = next((line.removeprefix("Path=") for line in lines if line.startswith("Path=")), "")
            if original and root / unquote(original) == path and os.path.lexists(lies_at):
                found.append((note.stat().st_mtime_ns, Trashed(path, lies_at, note)))
    return max(found, key=lambda each: each[0])[1] if found else None


def _trashes(path: Path) -> Iterator[tuple[Path, Path]]:
    """Trash folders something of ``path`` may have gone to, and what relative paths in their notes start from."""
    if sys.platform in ("win32", "darwin"):
        return
    home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    yield home / "Trash", Path("/")
    top = path.parent
    while not top.is_mount() and top != top.parent:
        top = top.parent
    yield top / ".Trash" / str(os.getuid()), top
    yield top / f".Trash-{os.getuid()}", top
