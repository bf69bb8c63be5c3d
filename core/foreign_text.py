"""Small text files that others may have written: JSON and TOML of bounded size, whose nonsense is a ValueError.

A parser handed a stranger's file recurses until Python gives up, waits at a pipe for ever, or makes gigabytes out of
kilobytes. Whoever reads such a file reads it through here, so that one bad file is one error.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

MOST_BYTES = 4 << 20
_MOST_DOTS = 16
# tomllib takes time and memory by the square of the parts of a dotted key: 40 kB took 1.5 GB.
_DOTTED = re.compile(
    r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){%d}""" % _MOST_DOTS  # noqa: UP031
)


class NotRegular(OSError):
    """A pipe, a device or a socket stands where a file should."""


def check_is_regular(path: Path) -> None:
    """Raises OSError: absent, a folder, or something that may never end."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise NotRegular(f"{path.name} is no regular file")


def read_text(path: Path, most_bytes: int = MOST_BYTES, errors: str = "strict") -> str:
    """UTF-8. Raises OSError; ValueError: too large, or no UTF-8 (``errors`` as of :meth:`bytes.decode`)."""
    check_is_regular(path)
    with path.open("rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ValueError(f"more than {most_bytes:,} bytes")
    return data.decode(errors=errors)


def parse_json(text: str | bytes) -> Any:
    """Raises ValueError, also for brackets within brackets within brackets."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("brackets too deep inside each other") from error


def read_json(path: Path, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """The object in a JSON file. Raises OSError; ValueError: too large, no JSON, or no object."""
    found = parse_json(read_text(path, most_bytes))
    if not isinstance(found, dict):
        raise ValueError(f"expected an object, found {type(found).__name__}")
    return found


def read_toml(path: Path) -> dict[str, Any]:
    """Raises OSError; ValueError, of which TOMLDecodeError is one."""
    text = read_text(path, 1 << 20).replace("\r\n", "\n")
    if _DOTTED.search(text):
        raise ValueError(f"a key of more than {_MOST_DOTS} parts")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("brackets too deep inside each other") from error
