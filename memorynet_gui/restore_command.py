"""The command line that does again what the window did, byte for byte.

Device, precision and tile are those the photo was really restored with, not "auto": another machine state
(less free memory, a card in use) must not change the outcome.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from memorynet_gui.queue_item import Item, ResultNote


def arguments(
    path: Path, note: ResultNote, strength_percent: int = 100, out_dir: Path | None = None
) -> list[str]:
    """What follows ``memorynet``: a list for :func:`core.cli.main`, no quoting done."""
    found = ["restore"]
    source = str(path)
    options = [
        *(["--out", str(out_dir)] if out_dir is not None else []),
        *("--task", note.task),
        *("--model", note.model),
        *("--device", note.device),
        *("--precision", note.precision),
        *("--tile", str(note.tile_px)),
        *("--strength", f"{strength_percent / 100:.2f}"),
    ]
    if source.startswith("-"):  # argparse would take the name for an option
        source = str(Path.cwd() / path)
    return [*found, source, *options]


def quote(words: Sequence[str], windows: bool = sys.platform == "win32") -> str:
    """One line for the shell that the person has: POSIX rules, or those of Windows."""
    return " ".join(_windows_word(word) for word in words) if windows else shlex.join(words)


def _windows_word(word: str) -> str:
    quoted = subprocess.list2cmdline([word])
    if quoted == word and set(word) & set("&|<>^()%!@,;='`"):
        return f'"{word}"'  # cmd and PowerShell read these themselves outside quotes
    return quoted


def command(item: Item, out_dir: Path | None = None, windows: bool = sys.platform == "win32") -> str:
    """The whole line. Raises ValueError while the photo has not been restored."""
    if item.result is None:
        raise ValueError(f"{item.name} has not been restored yet")
    words = ["memorynet", *arguments(item.path, item.result, item.strength_percent, out_dir)]
    return quote(words, windows)
