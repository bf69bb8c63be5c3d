"""Files that are either whole or not there."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """``write`` a temporary neighbour of ``path``, flush it to the disk, then rename it into place.

    Whatever stood at ``path`` stays whole until the rename. Raises what ``write`` or the disk raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Atomic. Raises OSError."""
    write_atomically(path, lambda temporary: _put(temporary, data))


def write_text(path: Path, text: str) -> None:
    """Atomic, UTF-8. Raises OSError."""
    write_bytes(path, text.encode())


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)
