"""Files for tests, made on the fly by other hands than the code under test."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from core import extras
from core.images import find
from core.images import io as image_io

XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
    b' xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    b' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:drone="http://www.dji.com/drone-dji/1.0/"'
    b' xmp:Rating="4" tiff:Orientation="6" exif:GPSLatitude="48,51.5N" exif:GPSLongitude="2,17.4E"'
    b' drone:AbsoluteAltitude="+123.4">'
    b"<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>Pluie &amp; soleil</rdf:li></rdf:Alt></dc:title>"
    b"<exif:GPSMapDatum>WGS-84</exif:GPSMapDatum>"
    b'</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def photo(width: int, height: int, dtype: type = np.uint8, channels: int = 3, seed: int = 0) -> np.ndarray:
    """(height, width, channels): a smooth scene with a little noise, lossy formats keep it well."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [
        np.sin(x / (9 + c)) * np.cos(y / (7 + 2 * c)) * 0.35 + 0.5 + rng.normal(0, 0.004, x.shape)
        for c in range(channels)
    ]
    top = np.iinfo(dtype).max
    return (np.clip(np.stack(planes, -1), 0, 1) * top).astype(dtype)


def pillow_bytes(image: Image.Image | np.ndarray, format: str, **options: Any) -> bytes:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def tifffile_bytes(pixels: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bytes(
    pixels: np.ndarray, extra: bytes = b"", size: tuple[int, int] | None = None, after: bytes = b""
) -> bytes:
    """A PNG by hand: unfiltered rows; ``extra`` chunks go before the pixels, ``after`` behind them."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    depth = 8 * pixels.dtype.itemsize
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", *(size or (width, height)), depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + extra
        + png_chunk(b"IDAT", zlib.compress(raw))
        + after
        + png_chunk(b"IEND", b"")
    )


def interlaced_png_bytes(pixels: np.ndarray) -> bytes:
    """The same by Adam7: seven passes, each over a coarser grid than the next."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    raw = b""
    passes = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ]
    for x, y, step_x, step_y in passes:
        part = pixels[y::step_y, x::step_x]
        if part.size:
            rows = part.astype(pixels.dtype.newbyteorder(">")).reshape(part.shape[0], -1)
            raw += b"".join(b"\0" + row.tobytes() for row in rows)
    depth, colour = 8 * pixels.dtype.itemsize, {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 1)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


# --- EXIF ----------------------------------------------------------------------------------------

MAKER_NOTE = b"MAKER\0" + bytes(range(200))


def exif_block(
    endian: str = "<",
    orientation: int | None = 6,
    gps: bool = True,
    thumbnail: bytes | None = None,
    maker_note: bool = True,
    size: tuple[int, int] = (40, 30),
) -> bytes:
    """An EXIF block laid out by hand, as a camera would: IFD0, Exif, maker's note, GPS, IFD1, thumbnail."""
    block = bytearray((b"II*\0" if endian == "<" else b"MM\0*") + struct.pack(endian + "I", 8))
    pointers: dict[str, int] = {}

    def directory(entries: list[tuple[int, int, int, bytes | str]]) -> None:
        """Values longer than four bytes follow at once; a str value is a pointer to be filled in later."""
        start = len(block)
        block.extend(struct.pack(endian + "H", len(entries)) + bytes(12 * len(entries) + 4))
        for i, (tag, kind, count, value) in enumerate(sorted(entries, key=lambda entry: entry[0])):
            at = start + 2 + 12 * i
            struct.pack_into(endian + "HHI", block, at, tag, kind, count)
            if isinstance(value, str):
                pointers[value] = at + 8
            elif len(value) <= 4:
                block[at + 8 : at + 8 + len(value)] = value
            else:
                struct.pack_into(endian + "I", block, at + 8, len(block))
                block.extend(value + bytes(len(value) % 2))
        pointers["next"] = start + 2 + 12 * len(entries)

    def point(name: str) -> None:
        struct.pack_into(endian + "I", block, pointers[name], len(block))

    def short(value: int) -> bytes:
        return struct.pack(endian + "H", value)

    main: list[tuple[int, int, int, bytes | str]] = [
        (271, 2, 8, b"Camera!\0"),
        (306, 2, 20, b"2024:05:06 07:08:09\0"),
        (34665, 4, 1, "exif"),
    ]
    if orientation is not None:
        main.append((274, 3, 1, short(orientation)))
    if gps:
        main.append((34853, 4, 1, "gps"))
    directory(main)
    next_at = pointers["next"]
    point("exif")
    exif: list[tuple[int, int, int, bytes | str]] = [
        (33434, 5, 1, struct.pack(endian + "II", 1, 250)),
        (40962, 4, 1, struct.pack(endian + "I", size[0])),
        (40963, 4, 1, struct.pack(endian + "I", size[1])),
    ]
    if maker_note:
        exif.append((37500, 7, len(MAKER_NOTE), MAKER_NOTE))
    directory(exif)
    if gps:
        point("gps")
        degrees = struct.pack(endian + "6I", 48, 1, 51, 1, 30, 1)
        directory([(1, 2, 2, b"N\0"), (2, 5, 3, degrees), (3, 2, 2, b"E\0"), (4, 5, 3, degrees)])
    if thumbnail is not None:
        struct.pack_into(endian + "I", block, next_at, len(block))
        directory(
            [
                (259, 3, 1, short(6)),
                (274, 3, 1, short(orientation or 1)),
                (513, 4, 1, "thumb"),
                (514, 4, 1, struct.pack(endian + "I", len(thumbnail))),
            ]
        )
        point("thumb")
        block.extend(thumbnail)
    return bytes(block)


# --- colour profiles -----------------------------------------------------------------------------


def _profile(space: bytes, connection: bytes, device: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, data = bytearray(struct.pack(">I", len(tags))), bytearray()
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += struct.pack(">4sII", name, start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    body = bytes(table + data)
    head = struct.pack(">I4sI4s4s4s", 128 + len(body), b"test", 0x02100000, device, space, connection)
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + body


def _text(value: str) -> bytes:
    data = value.encode() + b"\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(data)) + data + bytes(78)


def _xyz(x: float, y: float, z: float) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in (x, y, z)))


def _gamma(value: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256))


def rgb_profile(gamma: float = 1.0, name: str = "Linear test") -> bytes:
    """A matrix profile with sRGB's primaries and a pure power curve."""
    return _profile(
        b"RGB ",
        b"XYZ ",
        b"mntr",
        {
            b"desc": _text(name),
            b"wtpt": _xyz(0.9642, 1.0, 0.8249),
            b"rXYZ": _xyz(0.4361, 0.2225, 0.0139),
            b"gXYZ": _xyz(0.3851, 0.7169, 0.0971),
            b"bXYZ": _xyz(0.1431, 0.0606, 0.7141),
            **{curve: _gamma(gamma) for curve in (b"rTRC", b"gTRC", b"bTRC")},
        },
    )


def grey_profile(gamma: float = 1.0) -> bytes:
    tags = {b"desc": _text("Grey test"), b"wtpt": _xyz(0.9642, 1.0, 0.8249), b"kTRC": _gamma(gamma)}
    return _profile(b"GRAY", b"XYZ ", b"mntr", tags)


def cmyk_profile() -> bytes:
    """Every ink dims lightness alike and has no hue: nothing like the plain conversion."""
    table = bytearray(b"mft1" + bytes(4) + bytes([4, 3, 2, 0]))
    table += struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    table += bytes(range(256)) * 4
    for node in range(16):
        inks = node.bit_count()
        table += bytes([255 - 63 * inks, 128, 128])
    table += bytes(range(256)) * 3
    tags = {b"desc": _text("Ink test"), b"wtpt": _xyz(0.9642, 1.0, 0.8249), b"A2B0": bytes(table)}
    return _profile(b"CMYK", b"Lab ", b"prtr", tags)


def without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where neither HEIC nor camera raw can be read."""
    monkeypatch.setattr(extras, "missing", lambda extra: extras.EXTRAS[extra])
    monkeypatch.setattr(find, "EXTENSIONS", frozenset(image_io.EXTENSION_FORMAT))
