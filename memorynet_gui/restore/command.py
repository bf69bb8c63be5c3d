"""The command line that does again what the window did, byte for byte.

Device, precision and tile are those the photo was really restored with, not "auto": another machine state
(less free memory, a card in use) must not change the outcome.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from core import tasks
from core.images.types import WriteOptions
from core.restoring.records import NAMING, command_words
from memorynet_gui.restore.queue_item import DEFAULT_OPTIONS, Item, SaveNote


def arguments(item: Item, save: SaveNote | None = None, masks: Path | None = None) -> list[str]:
    """What follows ``memorynet``: a list for :func:`core.cli.program.main`, no quoting done.

    ``masks`` is the folder of painted masks. ``save`` None: the way it was saved last, or else beside the source with
    everything by default. Raises ValueError while the photo has not been restored.
    """
    note = item.result
    if note is None:
        raise ValueError(f"{item.name} has not been restored yet")
    words = ["restore", str(item.path.absolute())]  # absolute: also keeps a leading "-" from being an option
    save = save or item.saved
    if save is not None and save.path.parent != item.path.parent:
        words += ["--out", str(save.path.parent)]
    words += command_words(note.choice, note.made)
    words += ["--strength", f"{item.strength_percent / 100:.2f}"]
    for option, recorded, name in (
        ("--mask", note.made.mask, note.mask_name),
        ("--only", note.made.only, note.only_name),
        ("--taught", note.made.taught, note.taught_name),
    ):
        if option != "--only" and tasks.AND in note.made.task:
            continue  # the photo says what is done, and finds its shadows
        if name and masks is not None:
            words += [option, str(masks / f"{name}.png")]
        elif option == "--mask" and tasks.of(note.made.task).takes_masks:
            words += [option, recorded]  # "none" or "auto"
    if save is not None and save.naming != NAMING:
        words += ["--naming", save.naming]
    return words + ([] if save is None else _save_words(save.options))


def _save_words(options: WriteOptions) -> list[str]:
    words = []
    if options.format is not None:
        words += ["--format", options.format.lower()]
    if options.quality != DEFAULT_OPTIONS.quality:
        words += ["--quality", str(options.quality)]
    if options.bit_depth is not None:
        words += ["--bit-depth", str(options.bit_depth)]
    if options.longest_px is not None:
        words += ["--longest-edge", str(options.longest_px)]
    if options.strip_gps:
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
