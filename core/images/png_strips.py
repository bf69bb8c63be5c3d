"""A large PNG strip by strip, so that a thumbnail of it needs no more memory than a strip.

Pillow decodes a PNG whole. But a PNG is rows, each written as what differs from the row above: so the rows of a strip, with the
last row of the strip before in front of them, are a PNG of their own, and that is what Pillow is given.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from PIL import Image, PngImagePlugin

from core.images.sniff import ByteSource

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_READ_BYTES = 1 << 20


def can(source: ByteSource) -> bool:
    """Whether the file, a PNG whose header is known to be sound, is of 8 bits and not interlaced."""
    depth, colour, _, _, interlaced = source.at(24, 5)
    return depth == 8 and colour in _CHANNELS and not interlaced


def strips(source: ByteSource, rows: int) -> Iterator[Image.Image]:
    """Images of ``rows`` rows each, the last of what is left, in the file's own mode. Raises DamagedImage, and what Pillow
    and zlib raise."""
    width, height = struct.unpack(">II", source.at(16, 8))
    kind = source.at(24, 5)
    line = 1 + width * _CHANNELS[kind[1]]
    palette = b"".join(_chunk(name, data) for name, data in _chunks(source) if name in (b"PLTE", b"tRNS"))
    packed, above = _unpacked(source, rows * line), b""
    for top in range(0, height, rows):
        count = min(rows, height - top)
        data = next(packed, b"")
        if len(data) < count * line:
            raise source.damaged(f"PNG ends in row {top + len(data) // line:,} of {height:,}")
        lead = len(above) > 0
        size = struct.pack(">II", width, count + lead)
        # packed as it is: nobody keeps it
        pixels = zlib.compress(above + data[: count * line], 0)
        file = (
            _SIGNATURE
            + _chunk(b"IHDR", size + kind)
            + palette
            + _chunk(b"IDAT", pixels)
            + _chunk(b"IEND", b"")
        )
        image: Any = PngImagePlugin.PngImageFile(io.BytesIO(file))
        image.load()
        above = b"\0" + image.crop((0, image.height - 1, width, image.height)).tobytes()  # a row as it is
        yield image.crop((0, int(lead), width, image.height)) if lead else image


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _chunks(source: ByteSource) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of those before the pixels."""
    position = 8
    while True:
        length, name = struct.unpack(">I4s", source.at(position, 8))
        if name in (b"IDAT", b"IEND"):
            return
        if name in (b"PLTE", b"tRNS"):
            yield name, source.at(position + 8, length)
        position += length + 12


def _unpacked(source: ByteSource, size: int) -> Iterator[bytes]:
    """What the pixels unpack to, ``size`` bytes at a time."""
    unpacker, kept = zlib.decompressobj(), bytearray()
    for data in _pixels(source):
        left = data
        while left:
            kept += unpacker.decompress(left, size - len(kept))
            left = unpacker.unconsumed_tail
            if len(kept) == size:
                yield bytes(kept)
                kept.clear()
    kept += unpacker.flush(_READ_BYTES)
    yield bytes(kept)


def _pixels(source: ByteSource) -> Iterator[bytes]:
    position, name = 8, b""
    while name != b"IEND":
        length, name = struct.unpack(">I4s", source.at(position, 8))
        if name == b"IDAT":
            for start in range(0, length, _READ_BYTES):
                yield source.at(position + 8 + start, min(_READ_BYTES, length - start))
        position += length + 12
