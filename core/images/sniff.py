"""Which kind of file this is, by its content alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from core import extras
from core.images.types import (
    MAX_PIXELS,
    RAW_EXTENSIONS,
    DamagedImage,
    EmptyFile,
    ImageError,
    ImageTooLarge,
    NotAnImage,
    UnreadableFile,
    UnsupportedImage,
)

_RAW = "a camera raw file"
_HEIC = "a HEIC picture"

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
_RAW_STARTS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM")
_DEVELOP = "develop it to TIFF or JPEG"
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
            return "RAW" if name == "TIFF" and _is_raw_tiff(source, head) else name
    foreign = _foreign(source, head)
    if foreign is None:
        raise _refusal(source, head)
    return foreign


def _foreign(source: ByteSource, head: bytes) -> str | None:
    """ "HEIC" or "RAW" where what reads it is installed. Raises UnsupportedImage, which says how to get it, where not."""
    if head[4:8] == b"ftyp":
        brands = _brands(head)
        if b"avis" not in brands and (brands & _HEIC_BRANDS or b"mif1" in brands or b"msf1" in brands):
            return need(source, "heic", _HEIC, "export it as JPEG, PNG or TIFF")
        return need(source, "raw", _RAW, _DEVELOP) if b"crx " in brands else None
    if any(head.startswith(start) for start in _RAW_STARTS):
        return need(source, "raw", _RAW, _DEVELOP)
    known = any(head.startswith(start) for start, _ in (*_UNSUPPORTED_STARTS, *_NOT_IMAGES))
    if not known and len(head) >= 18 and _as_text(head) is None and _is_named_raw(source):
        return need(source, "raw", _RAW, _DEVELOP)
    return None


def need(source: ByteSource, extra: str, what: str, otherwise: str) -> str:
    """The format that ``extra`` reads. Raises UnsupportedImage where it is not installed: what to do about it."""
    if extras.missing(extra):
        remedy = (
            f'it opens once the extra "{extra}" is there ({extras.command(extra)}); else {otherwise} first'
        )
        raise source.unsupported(f"is {what}; {remedy}", kind=extra)
    return extra.upper()


def _is_named_raw(source: ByteSource) -> bool:
    return os.path.splitext(os.fspath(source.path))[1].lower() in RAW_EXTENSIONS  # noqa: PTH122


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


def _is_raw_tiff(source: ByteSource, head: bytes) -> bool:
    if head[8:10] != b"CR" and not _is_named_raw(source):
        return False
    need(source, "raw", _RAW, _DEVELOP)
    return True


def _refusal(source: ByteSource, head: bytes) -> ImageError:
    for start, what in _UNSUPPORTED_STARTS:
        if head.startswith(start):
            return source.unsupported(f"is {what}", kind=what)
    if head[4:8] == b"ftyp":
        brands = _brands(head)
        if b"avis" in brands:
            return source.unsupported("is an animated AVIF", kind="animation")
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
