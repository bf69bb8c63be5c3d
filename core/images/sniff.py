"""Which kind of file this is, by its content alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from core.images.types import (
    MAX_PIXELS,
    DamagedImage,
    EmptyFile,
    ImageError,
    ImageTooLarge,
    NotAnImage,
    UnreadableFile,
    UnsupportedImage,
)

_RAW = "a camera raw file; develop it to TIFF or JPEG first"
_HEIC = "a HEIC picture; export it as JPEG, PNG or TIFF first"

_UNSUPPORTED_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF, animated or not"),
    (b"8BPS", "a Photoshop document; export it as TIFF or PNG first"),
    (b"v/1\x01", "an OpenEXR picture with floating-point (HDR) pixels"),
    (b"#?RADIANCE", "a Radiance picture with floating-point (HDR) pixels"),
    (b"#?RGBE", "a Radiance picture with floating-point (HDR) pixels"),
    (b"PF\n", "a PFM picture with floating-point (HDR) pixels"),
    (b"Pf\n", "a PFM picture with floating-point (HDR) pixels"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"II\xbc", "a JPEG XR picture"),
    (b"FUJIFILMCCD-RAW", _RAW),
    (b"IIRO", _RAW),
    (b"IIRS", _RAW),
    (b"MMOR", _RAW),
    (b"IIU\0", _RAW),
    (b"FOVb", _RAW),
    (b"\0MRM", _RAW),
    (b"%PDF", "a PDF document"),
    (b"\0\0\1\0", "an icon file"),
    (b"qoif", "a QOI picture"),
    (b"gimp xcf", "a GIMP document; export it as TIFF or PNG first"),
    (b"DDS ", "a DDS texture"),
    (b"SDPX", "a DPX film frame"),
    (b"XPDS", "a DPX film frame"),
    (b"SIMPLE  =", "a FITS picture"),
    *((b"P%d%c" % (kind, space), "a PNM picture") for kind in range(1, 8) for space in b"\n\r\t "),
)
_NOT_IMAGES: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"ID3", "an audio file"),
    (b"OggS", "an audio or video file"),
)
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
_AVIF_BRANDS = frozenset([b"avif"])
_HEIC_BRANDS = frozenset([b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"])


class ByteSource:
    """An open image file, read at any place; a short read means that the file was cut."""

    def __init__(self, path: str | os.PathLike[str], file: BinaryIO, mtime_ns: int = 0) -> None:
        self.path = path
        self.file = file
        self.mtime_ns = mtime_ns
        self.size = file.seek(0, os.SEEK_END)

    def at(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. Raises DamagedImage where the file ends before them."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise self.cut_short(offset + length)
        self.file.seek(offset)
        data = self.file.read(length)
        if len(data) < length:
            raise self.cut_short(offset + length)
        return data

    def cut_short(self, needed: int) -> DamagedImage:
        return DamagedImage(
            self.path,
            f"ends too early, after {self.size:,} bytes",
            size_bytes=self.size,
            needed_bytes=needed,
        )

    def damaged(self, reason: str, **facts: object) -> DamagedImage:
        return DamagedImage(self.path, reason, **facts)

    def unsupported(self, reason: str, **facts: object) -> UnsupportedImage:
        return UnsupportedImage(self.path, reason, **facts)


def unreadable(path: str | os.PathLike[str], error: OSError) -> UnreadableFile:
    return UnreadableFile(path, error.strerror or str(error) or type(error).__name__, error.errno)


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[ByteSource]:
    """The regular file at ``path``, for reading. Raises UnreadableFile, also for what fails while it is open."""
    try:
        # A device or a pipe would block or never end; only regular files are opened.
        facts = os.stat(path)  # noqa: PTH116
        mode = facts.st_mode
        if stat.S_ISDIR(mode):
            raise UnreadableFile(path, "is a folder")
        if not stat.S_ISREG(mode):
            raise UnreadableFile(path, "is not a regular file")
        file = open(path, "rb")  # noqa: SIM115, PTH123
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:  # a NUL byte in the name
        raise UnreadableFile(path, str(error)) from error
    with file:
        try:
            yield ByteSource(path, file, facts.st_mtime_ns)
        except OSError as error:
            raise unreadable(path, error) from error


def check_size(source: ByteSource, width: int, height: int) -> None:
    """Raises ImageTooLarge above the limit; asked before anything costly is done for the picture."""
    if width * height > MAX_PIXELS:
        raise ImageTooLarge(source.path, width, height)


def detect(source: ByteSource) -> str:
    """The format of a file this project opens. Raises the ImageError that names what else it is."""
    if source.size == 0:
        raise EmptyFile(source.path, "the file is empty (0 bytes)")
    head = source.at(0, min(source.size, 4096))
    for name, test in _TESTS:
        if test(head):
            if name == "TIFF":
                _refuse_raw_tiff(source, head)
            return name
    raise _refusal(source, head)


def _is_avif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and bool(_AVIF_BRANDS & _brands(head))


_TESTS: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("PNG", lambda h: h.startswith(b"\x89PNG\r\n\x1a\n")),
    ("JPEG", lambda h: h.startswith(b"\xff\xd8\xff")),
    ("TIFF", lambda h: h[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    ("WEBP", lambda h: h.startswith(b"RIFF") and h[8:12] == b"WEBP"),
    ("JPEG2000", lambda h: h.startswith((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xffO\xffQ"))),
    ("AVIF", _is_avif),
    ("BMP", lambda h: h.startswith(b"BM") and len(h) >= 18 and h[14] in (12, 16, 40, 52, 56, 64, 108, 124)),
)
_STARTS = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"II*\0",
    b"MM\0*",
    b"RIFF",
    b"\0\0\0\x0cjP  \r\n\x87\n",
    b"BM",
)


def _brands(head: bytes) -> set[bytes]:
    size = int.from_bytes(head[:4], "big")
    body = head[8 : min(max(size, 16), len(head))]
    return {body[:4]} | {body[i : i + 4] for i in range(8, len(body) - 3, 4)}


def _refuse_raw_tiff(source: ByteSource, head: bytes) -> None:
    extension = os.path.splitext(os.fspath(source.path))[1].lower()  # noqa: PTH122
    if head[8:10] == b"CR" or extension in RAW_EXTENSIONS:
        raise source.unsupported(f"is {_RAW}", kind="raw")


def _refusal(source: ByteSource, head: bytes) -> ImageError:
    for start, what in _UNSUPPORTED_STARTS:
        if head.startswith(start):
            return source.unsupported(f"is {what}", kind=what)
    if head[4:8] == b"ftyp":
        brands = _brands(head)
        if b"avis" in brands:
            return source.unsupported("is an animated AVIF", kind="animation")
        if brands & _HEIC_BRANDS or b"mif1" in brands or b"msf1" in brands:
            return source.unsupported(f"is {_HEIC}", kind="heic")
        if b"crx " in brands:
            return source.unsupported(f"is {_RAW}", kind="raw")
        return NotAnImage(source.path, "is a video or another media file, not a picture", kind="media")
    for start in _STARTS:
        if len(head) < 18 and (start.startswith(head) or head.startswith(start)):
            return source.cut_short(18)
    for start, what in _NOT_IMAGES:
        if head.startswith(start):
            return NotAnImage(source.path, f"is {what}, not a picture", kind=what)
    text = _as_text(head)
    if text is not None:
        lower = text.lstrip("\ufeff \t\r\n").lower()
        if "<svg" in lower:
            return source.unsupported("is an SVG drawing; export it as PNG first", kind="svg")
        if lower.startswith(("<!doctype html", "<html")):
            return NotAnImage(source.path, "is a web page, not a picture", kind="html")
        return NotAnImage(source.path, "is a text file, not a picture", kind="text")
    extension = os.path.splitext(os.fspath(source.path))[1].lower()  # noqa: PTH122
    if extension in RAW_EXTENSIONS:
        return source.unsupported(f"is {_RAW}", kind="raw")
    return NotAnImage(
        source.path, f"is of no known picture format (starts with {head[:8].hex(' ')})", kind="unknown"
    )


def _as_text(head: bytes) -> str | None:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = head.decode("utf-16", "replace")
    else:
        try:
            text = head.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.start < len(head) - 4:
                return None
            text = head[: error.start].decode("utf-8")
    control = sum(1 for c in text if ord(c) < 32 and c not in "\t\r\n\f")
    return text if control == 0 else None
