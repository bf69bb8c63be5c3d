"""Files that are either whole or not there. Nothing else in the program writes in two steps.

:func:`write_atomically` is for files of the program's own folders, :func:`beside` for those that lie among a person's: it
passes on the rights of a file that it replaces, and what a killed writer left there is told from what is being written.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where nobody can remove a file that is being written
    fcntl = None  # type: ignore[assignment]

READERS_HOLD = os.name == "nt"
"""Whether a file cannot be exchanged while somebody reads it; readers of ours are done within moments."""
_PATIENCE_S, _POLL_S = 5.0, 0.02
_LITTER = re.compile(r"\.writing-[0-9a-f]{16}\.part")
_LITTER_AGE_S = 60.0


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
        exchange(temporary, path)
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


def exchange(temporary: Path, path: Path) -> None:
    """``temporary`` takes the place of ``path``, once nobody reads that any more. Raises OSError."""
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


class Temporary:
    """A file that is being written; see :func:`beside`."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file = path, file

    def finish(self) -> None:
        """On the disk, not only on its way there."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()


@contextlib.contextmanager
def beside(target: Path) -> Iterator[Temporary]:
    """A hidden file in the target's folder that is gone afterwards, unless it was exchanged for the target."""
    path = target.with_name(f".writing-{secrets.token_hex(8)}.part")
    try:
        with _create(path) as file:
            _hold(file)
            with contextlib.suppress(OSError, AttributeError):  # a file that is replaced passes on its rights
                os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
            yield Temporary(path, file)
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _create(path: Path) -> BinaryIO:
    return path.open("x+b")


def _hold(file: BinaryIO) -> None:
    """For as long as it is open; the system lets go of it however the program ends."""
    if fcntl is not None:
        with contextlib.suppress(OSError):  # some network disks cannot
            fcntl.flock(file, fcntl.LOCK_EX)


def remove_litter(folder: Path) -> None:
    """Remove what killed writers of :func:`beside` have left right in ``folder``; a file somebody writes to stays.

    Only where the system lets files be held (POSIX), for only there can the two be told apart.
    """
    if fcntl is None:
        return
    for path in folder.glob(".writing-*.part"):
        if not _LITTER.fullmatch(path.name) or path.is_symlink():
            continue
        with contextlib.suppress(OSError), path.open("rb") as file:  # held: it is being written
            if time.time() - path.stat().st_mtime > _LITTER_AGE_S:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


@lru_cache(maxsize=256)
def tidy(folder: Path) -> None:
    """:func:`remove_litter` once per folder: a batch writes thousands of files into one."""
    remove_litter(folder)


def sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system lets folders be synced."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
