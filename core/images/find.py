"""Which files of a folder are pictures, and which of those this project cannot read.

Extensions choose; what no extension chose is not opened. Only a file that is named like a picture of a kind
nobody here reads is looked into, because such names are shared with files that are no pictures.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core import extras
from core.images.sniff import detect, opened, unreadable
from core.images.types import EXTENSIONS, RAW_EXTENSIONS, ImageError, NotAnImage, UnreadableFile

_KIND = {
    **dict.fromkeys(RAW_EXTENSIONS, "camera raw"),
    **dict.fromkeys((".heic", ".heif", ".hif", ".heics", ".heifs"), "HEIC"),
    **dict.fromkeys((".psd", ".psb"), "Photoshop"),
    **dict.fromkeys((".pbm", ".pgm", ".ppm", ".pnm", ".pam"), "PNM"),
    **dict.fromkeys((".jxr", ".wdp", ".hdp"), "JPEG XR"),
    **dict.fromkeys((".fits", ".fit", ".fts"), "FITS"),
    ".gif": "GIF",
    ".apng": "animated PNG",
    ".avifs": "animated AVIF",
    ".mpo": "several pictures in one file",
    ".exr": "OpenEXR, HDR",
    ".hdr": "Radiance HDR",
    ".pfm": "PFM, HDR",
    ".jxl": "JPEG XL",
    ".xcf": "GIMP",
    ".svg": "SVG drawing",
    ".tga": "Targa",
    ".pcx": "PCX",
    ".ico": "icon",
    ".qoi": "QOI",
    ".dds": "DDS texture",
    ".dpx": "DPX film frame",
}
"""Extension (lower case, with its dot) -> the kind in a few words."""

_LIKE_OURS = frozenset([".apng", ".avifs", ".mpo"])
"""They begin like a format that is read, but hold more than the one picture that would be shown."""

_OTHERS_TOO = frozenset([".hdr", ".fit", ".fts", ".fits"])
"""Also the name of measurements, sports and map data: only what begins like a picture counts."""

_SHOWN_NAMES = 5
_NAME_LENGTH = 40  # characters

_NUMBERS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A picture of a kind that :func:`core.images.io.read` does not open."""

    path: Path
    kind: str  # "HEIC", "camera raw"


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts photo2 before photo10, upper and lower case alike."""
    parts = _NUMBERS.split(name.casefold())
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part)


def find_images(
    path: str | os.PathLike[str],
    recursive: bool,
    on_error: Callable[[UnreadableFile], None] | None = None,
    on_passed_over: Callable[[PassedOver], None] | None = None,
) -> Iterator[Path]:
    """The image files of a folder by their extension, in natural order, subfolders after the files.

    Hidden files and folders are skipped, links to folders are not followed. A folder that cannot be
    listed is handed to ``on_error`` and skipped, ``path`` itself too; without ``on_error`` a failing
    ``path`` raises UnreadableFile. Pictures of kinds that cannot be read are handed to ``on_passed_over``;
    what is no picture at all is not. A ``path`` that is a file is yielded as it is.
    """
    root = Path(path)
    if root.is_file():
        yield root
        return
    try:
        with os.scandir(root) as entries:
            listed = sorted(entries, key=lambda entry: (natural_key(entry.name), entry.name))
    except OSError as error:
        problem = unreadable(root, error)
        if on_error is None:
            raise problem from error
        on_error(problem)
        return
    folders: list[Path] = []
    for entry in listed:
        if entry.name.startswith("."):
            continue
        extension = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122
        try:
            if entry.is_dir():
                if recursive and not entry.is_symlink():
                    folders.append(Path(entry.path))
            elif extension in EXTENSIONS:
                if entry.is_file():
                    yield Path(entry.path)
            elif on_passed_over is not None and extension in _KIND and entry.is_file():
                kind = _kind(entry.path, extension)
                if kind is not None:
                    on_passed_over(PassedOver(Path(entry.path), kind))
        except OSError as error:
            if on_error is not None:
                on_error(unreadable(entry.path, error))
    for folder in folders:
        yield from find_images(folder, True, on_error if on_error is not None else _ignore, on_passed_over)


def _ignore(_problem: UnreadableFile) -> None:
    """Below the folder that was asked for, one that cannot be listed does not stop the others."""


def _kind(path: str, extension: str) -> str | None:
    """What kind of picture stands behind a name of :data:`_KIND`; None: it is no picture."""
    kind = _KIND[extension]
    try:
        with opened(path) as source:
            ours = detect(source)
    except NotAnImage as error:
        # Targa and its like begin with nothing in particular: there the name is all there is
        unknown = error.facts.get("kind") == "unknown" and extension not in _OTHERS_TOO
        return kind if unknown else None
    except ImageError:
        return kind
    return kind if extension in _LIKE_OURS else f"{ours} named {extension}"


def passed_over_line(found: Sequence[PassedOver]) -> str:
    """All of it in one sentence for people, the first few by name. ``found`` holds at least one."""
    count = len(found)
    names = [f"{_shortened(one.path.name)} ({one.kind})" for one in found[:_SHOWN_NAMES]]
    if count > _SHOWN_NAMES:
        names[-1] += f" and {count - _SHOWN_NAMES:,} more"
    subject = "1 file is a picture" if count == 1 else f"{count:,} files are pictures"
    sentence = f"{subject} MemoryNet cannot read: {', '.join(names)}."
    kinds = {one.kind for one in found}
    remedies = [
        f"{kind} opens once {extras.command(extra)} has been run."
        for kind, extra in (("HEIC", "heic"), ("camera raw", "raw"))
        if kind in kinds and extras.missing(extra)
    ]
    return " ".join([sentence, *(remedy[0].upper() + remedy[1:] for remedy in remedies)])


def _shortened(name: str) -> str:
    """With its end, which tells the kind and often the number."""
    if len(name) <= _NAME_LENGTH:
        return name
    half = (_NAME_LENGTH - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
