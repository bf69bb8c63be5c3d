"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path

READERS_HOLD = os.name == "nt"
"""Whether a file cannot be exchanged while somebody reads it; readers of ours are done within moments."""
_PATIENCE_S, _POLL_S = 5.0, 0.02


def write_atomically(path: Path, write: Callable[[Path], None], *, flush: bool = True) -> None:
    """``write`` a temporary neighbour of ``path``, flush it to the disk, then rename it into place.

    Whatever stood at ``path`` stays whole until the rename. Without ``flush`` nobody waits for the disk, and a loss of
    power may take what was written last. Raises what ``write`` or the disk raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        write(temporary)
        if flush:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        _exchange(temporary, path)
    finally:
        with contextlib.suppress(
            OSError
        ):  # it only takes room, and why the file was not written matters more
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed :func:`write_atomically` left right in ``folder``. Only while nobody else writes there.

    Nothing behind a link is touched: it may lead to a folder of somebody else's.
    """
    if folder.is_symlink():
        return
    for file in folder.glob(".*.tmp"):
        if re.fullmatch(r"\..+\.[0-9a-f]{8}\.tmp", file.name):
            with contextlib.suppress(OSError):  # it only takes room
                file.unlink()


def _exchange(temporary: Path, path: Path) -> None:
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            temporary.replace(path)
        except PermissionError:
            if not READERS_HOLD or time.monotonic() > until:
                raise
            time.sleep(_POLL_S)
        else:
            return


def write_bytes(path: Path, data: bytes) -> None:
    """Atomic. Raises OSError."""
    write_atomically(path, lambda temporary: _put(temporary, data))


def write_text(path: Path, text: str, *, flush: bool = True) -> None:
    """Atomic, UTF-8. Raises OSError."""
    write_atomically(path, lambda temporary: _put(temporary, text.encode()), flush=flush)


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)
