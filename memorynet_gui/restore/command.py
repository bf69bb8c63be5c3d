"""The command line that does again what the window did, byte for byte.

Device, precision and tile are those the photo was really restored with, not "auto": another machine state
(less free memory, a card in use) must not change the outcome.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from core.restoring.scales import WHOLE
from memorynet_gui.restore.queue_item import DEFAULT_QUALITY, Item, SaveNote


def arguments(item: Item, save: SaveNote | None = None, masks: Path | None = None) -> list[str]:
    """What follows ``memorynet``: a list for :func:`core.cli.program.main`, no quoting done.

    ``masks`` is the folder of painted masks. ``save`` None: the way it was saved last, or else beside the source with everything by default. Raises
    ValueError while the photo has not been restored.
    """
    note = item.result
    if note is None:
        raise ValueError(f"{item.name} has not been restored yet")
    words = ["restore", str(item.path.absolute())]  # absolute: also keeps a leading "-" from being an option
    save = save or item.saved
    if save is not None and save.path.parent != item.path.parent:
        words += ["--out", str(save.path.parent)]
    words += ["--task", note.task, "--model", note.model]
    words += ["--device", note.device, "--precision", note.precision, "--scale", note.scale]
    if note.scale_used == WHOLE:  # of copies each has a tile of its own
        words += ["--tile", str(note.tile_px)]
    words += ["--strength", f"{item.strength_percent / 100:.2f}"]
    for option, told, name in (("--mask", note.mask, note.mask_name), ("--only", note.only, note.only_name)):
        if name and masks is not None:
            words += [option, str(masks / f"{name}.png")]
        elif option == "--mask" and note.task == "deshadow":
            words += [option, told]  # "none" or "auto"
    if note.thoroughness_percent != 100:
        words += ["--thoroughness", f"{note.thoroughness_percent / 100:.2f}"]
    if save is not None:
        if save.format is not None:
            words += ["--format", save.format.lower()]
        if save.quality != DEFAULT_QUALITY:
            words += ["--quality", str(save.quality)]
        if save.bit_depth is not None:
            words += ["--bit-depth", str(save.bit_depth)]
        if save.strip_gps:
            words.append("--strip-gps")
    return words


def quote(words: Sequence[str], windows: bool = sys.platform == "win32") -> str:
    """One line for the shell that the person has: POSIX rules, or those of Windows."""
    return " ".join(_windows_word(word) for word in words) if windows else shlex.join(words)


def _windows_word(word: str) -> str:
    import subprocess  # here: only Windows pays for it

    quoted = subprocess.list2cmdline([word])
    if quoted == word and set(word) & set("&|<>^()%!@,;='`"):
        return f'"{word}"'  # cmd and PowerShell read these themselves outside quotes
    return quoted


def command(
    item: Item,
    save: SaveNote | None = None,
    windows: bool = sys.platform == "win32",
    masks: Path | None = None,
) -> str:
    """The whole line, quoted. Raises ValueError while the photo has not been restored."""
    return quote(["memorynet", *arguments(item, save, masks)], windows)
