"""What a picture is to this project, and every way in which a file can fail to be one.

These are the records and exceptions of :mod:`core.images.io`, kept apart so that its parts can share
them; everyone else imports them from there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core import extras
from core.images.formats import FORMATS

MAX_PIXELS = 400_000_000
"""A picture with more pixels than this is refused before anything is decoded."""

SMALLEST_EDGE_PX = 16
"""Nothing is written with a longest edge below this on purpose."""

MAX_METADATA_BYTES = 32 << 20
"""A profile or packet above this size is left aside."""

EXTENSION_FORMAT = {extension: each.name for each in FORMATS.values() for extension in each.extensions}
"""Extension (lower case, with its dot) -> format; the content has the last word when reading."""

FORMAT_EXTENSION = {each.name: each.extension for each in FORMATS.values()}

HEIC_EXTENSIONS = frozenset([".heic", ".heif", ".hif"])
RAW_EXTENSIONS = frozenset(
    [
        ".3fr",
        ".arw",
        ".cr2",
        ".cr3",
        ".dcr",
        ".dng",
        ".erf",
        ".iiq",
        ".kdc",
        ".mef",
        ".mos",
        ".mrw",
        ".nef",
        ".nrw",
        ".orf",
        ".pef",
        ".raf",
        ".raw",
        ".rw2",
        ".rwl",
        ".sr2",
        ".srf",
        ".srw",
        ".x3f",
    ]
)
_SHARED_NAMES = frozenset([".raw", ".mos", ".dcr", ".srf"])
"""Of other things, too: such a file is opened where it is named, but a folder is not searched for it."""

WRITTEN_AS = {"HEIC": "JPEG", "RAW": "TIFF"}
"""Formats that are read alone -> the format of what is made of them."""


def _searched() -> frozenset[str]:
    found = set(EXTENSION_FORMAT)
    if not extras.missing("heic"):
        found |= HEIC_EXTENSIONS
    if not extras.missing("raw"):
        found |= RAW_EXTENSIONS - _SHARED_NAMES
    return frozenset(found)


EXTENSIONS: frozenset[str] = _searched()


class ImageError(Exception):
    """Something about one image file. ``path``, ``reason`` and ``facts`` say what."""

    problem_key = "image"

    def __init__(self, path: str | os.PathLike[str], reason: str, **facts: object) -> None:
        self.path = Path(path)
        self.reason = reason
        self.facts = facts
        super().__init__(f"{self.path.name or self.path}: {reason}")


class UnsupportedImage(ImageError):
    """A whole, healthy file of a kind this project does not open (or cannot write)."""

    problem_key = "image-unsupported"


class DamagedImage(ImageError):
    """The file starts like an image, but it is cut short or its content makes no sense."""

    problem_key = "image-damaged"


class NotAnImage(UnsupportedImage):
    """The content is no image at all, whatever the name says."""

    problem_key = "image-none"


class EmptyFile(ImageError):
    """The file holds zero bytes."""

    problem_key = "image-empty"


class ImageTooLarge(ImageError):
    """More pixels than :data:`MAX_PIXELS`; nothing was decoded."""

    problem_key = "image-too-large"

    def __init__(self, path: str | os.PathLike[str], width: int, height: int) -> None:
        self.width, self.height = width, height
        megapixels = width * height / 1e6
        super().__init__(
            path,
            f"{width} x {height} px is {megapixels:,.0f} megapixels; the limit is {MAX_PIXELS // 10**6}",
            width=width,
            height=height,
            max_pixels=MAX_PIXELS,
        )


class UnreadableFile(ImageError):
    """The system would not hand the file over: missing, a folder, no permission, a failing disk."""

    problem_key = "image-unreadable"

    def __init__(self, path: str | os.PathLike[str], reason: str, errno: int | None = None) -> None:
        self.errno = errno
        super().__init__(path, reason, errno=errno)


class WouldOverwrite(ImageError):
    """The target exists (``is_source``: it is the picture's own file) and stays untouched."""

    problem_key = "would-overwrite"

    def __init__(self, path: str | os.PathLike[str], is_source: bool) -> None:
        self.is_source = is_source
        reason = "is the original picture" if is_source else "exists already"
        super().__init__(path, reason, is_source=is_source)


class WriteFailed(ImageError):
    """Writing did not finish; no half-written file remains and an existing target is untouched."""

    problem_key = "image-unwritten"

    def __init__(self, path: str | os.PathLike[str], reason: str, errno: int | None = None) -> None:
        self.errno = errno
        super().__init__(path, reason, errno=errno)


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """What a file's header says; nothing was decoded for it."""

    path: Path
    format: str  # "PNG" "JPEG" "TIFF" "WEBP" "AVIF" "BMP" "JPEG2000"; "HEIC" "RAW"
    width: int  # as displayed: EXIF orientation already applied
    height: int
    mode: str  # "grey" "rgb" "palette" "cmyk"
    bit_depth: int  # 8 | 16: what `read` hands out
    has_alpha: bool
    orientation: int  # EXIF 1..8 as stored in the file
    icc_name: str | None
    file_bytes: int  # 0: the picture came from memory, there is no file
    file_mtime_ns: int = 0  # with file_bytes: which version of the file was read


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture. Pixel values are in the file's own encoding (``icc`` says which)."""

    info: PictureInfo
    pixels: np.ndarray  # (H, W, 3) uint8 | uint16, RGB, upright
    alpha: np.ndarray | None  # (H, W), same depth, not premultiplied
    icc: bytes | None
    exif: bytes | None  # a TIFF block ("II*\0..." or "MM\0*..."), without the "Exif\0\0" of JPEG
    xmp: bytes | None
    notes: tuple[str, ...] = ()  # what reading already left behind, for the receipt
    dpi: tuple[float, float] | None = None  # print resolution, horizontal and vertical


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How to write. ``quality`` 1..100 counts for JPEG, WebP, AVIF and JPEG 2000 (100: lossless for the
    latter three where they can); ``bit_depth`` None keeps the picture's own; a picture with a longer edge than
    ``longest_px`` is written smaller, None: never."""

    format: str | None = None  # None: what the path's extension names, else the source's own format
    quality: int = 95
    bit_depth: int | None = None
    strip_gps: bool = False
    overwrite: bool = False  # never the source, whatever this says
    longest_px: int | None = None

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in FORMAT_EXTENSION:
            raise ValueError(f"format {self.format!r} is none of {', '.join(FORMAT_EXTENSION)}")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"quality {self.quality} is outside 1..100")
        if self.bit_depth not in (None, 8, 16):
            raise ValueError(f"bit_depth {self.bit_depth} is neither 8 nor 16")
        if self.longest_px is not None and self.longest_px < SMALLEST_EDGE_PX:
            raise ValueError(f"longest_px {self.longest_px} is below {SMALLEST_EDGE_PX}")


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    what: str  # "Colour profile"
    kept: bool
    detail: str  # "Display P3"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What stands in the written file, read back from it before it took its place."""

    path: Path
    sidecar: Path | None
    lines: tuple[ReceiptLine, ...]


@dataclass(frozen=True, slots=True)
class TiffLayout:
    compression: int
    photometric: int
    samples: int
    planar: bool
    big_endian: bool
    premultiplied: bool
    orientation_at: int  # where the tag's value stands in the file; 0: there is none


class Passes:
    """How much of every coefficient the passes of a progressive JPEG bring, by component and frequency."""

    def __init__(self, components: bytes) -> None:
        self._bits_left = {name: [_ALL_BITS] * 64 for name in components}

    def add(self, scan: bytes) -> None:
        """The head of a scan: which components and frequencies it is of, and down to which bit. Nonsense counts for
        nothing: the decoder has its own mind about it."""
        count = scan[0] if scan else 0
        if len(scan) < 4 + 2 * count:
            return
        first, last, bits = scan[1 + 2 * count : 4 + 2 * count]
        for name in scan[1 : 1 + 2 * count : 2]:
            if name in self._bits_left and first <= last < 64:
                left = self._bits_left[name]
                left[first : last + 1] = [min(each, bits & 15) for each in left[first : last + 1]]

    @property
    def are_all_there(self) -> bool:
        return not any(bits for left in self._bits_left.values() for bits in left)


_ALL_BITS = 14


@dataclass(slots=True)
class Header:
    """A file's header, sizes as stored (orientation not yet applied)."""

    format: str
    width: int
    height: int
    mode: str = "rgb"  # "grey" "rgb" "palette" "cmyk"
    stored_bits: int = 8
    has_alpha: bool = False
    orientation: int = 1
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    notes: list[str] = field(default_factory=list)
    colour_key: tuple[int, ...] | None = None  # PNG: the one colour that is transparent
    tiff: TiffLayout | None = None
    exif_at: int = 0  # JPEG: where the segment's content stands
    ends_at: int = 0  # JPEG: where the marker stands that ends it; 0: not looked for
    passes: Passes | None = None  # of a progressive JPEG; None: it is none

    @property
    def bit_depth(self) -> int:
        """What decoding hands out: 16 for more than 8 bits where the decoder keeps them."""
        return 16 if self.stored_bits > 8 and self.mode != "cmyk" else 8
