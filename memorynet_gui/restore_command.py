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

from memorynet_gui.queue_item import Item


def arguments(item: Item, out_dir: Path | None = None) -> list[str]:
    """What follows ``memorynet``: a list for :func:`core.cli.main`, no quoting done.

    ``out_dir`` None: the folder of the last save, or beside the source. Raises ValueError while the photo has
    not been restored.
    """
    note, saved = item.result, item.saved
    if note is None:
        raise ValueError(f"{item.name} has not been restored yet")
    if out_dir is None and saved is not None and saved.path.parent != item.path.parent:
        out_dir = saved.path.parent
    words = ["restore", str(item.path.absolute())]  # absolute: also keeps a leading "-" from being an option
    if out_dir is not None:
        words += ["--out", str(out_dir)]
    words += ["--task", note.task, "--model", note.model]
    words += ["--device", note.device, "--precision", note.precision, "--tile", str(note.tile_px)]
    words += ["--strength", f"{item.strength_percent / 100:.2f}"]
    if saved is not None:
        if saved.format is not None:
            words += ["--format", saved.format.lower()]
        if saved.quality != 95:
            words += ["--quality", str(saved.quality)]
        if saved.bit_depth is not None:
            words += ["--bit-depth", str(saved.bit_depth)]
        if saved.strip_gps:
            words.append("--strip-gps")
    return words


def quote(words: Sequence[str], windows: bool = sys.platform == "win32") -> str:
    """One line for the shell that the person has: POSIX rules, or those of Windows."""
    return " ".join(_windows_word(word) for word in words) if windows else shlex.join(words)


def _windows_word(word: str) -> str:
    quoted = subprocess.list2cmdline([word])
    if quoted == word and set(word) & set("&|<>^()%!@,;='`"):
        return f'"{word}"'  # cmd and PowerShell read these themselves outside quotes
    return quoted


def command(item: Item, out_dir: Path | None = None, windows: bool = sys.platform == "win32") -> str:
    """The whole line, quoted. Raises ValueError while the photo has not been restored."""
    return quote(["memorynet", *arguments(item, out_dir)], windows)
