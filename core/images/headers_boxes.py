"""Headers of formats that are boxes within boxes: JPEG 2000 and AVIF."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from core.images import exif as image_exif
from core.images.sniff import ByteSource, check_size
from core.images.types import MAX_METADATA_BYTES, Header

# --- JPEG 2000 -----------------------------------------------------------------------------------

XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
EXIF_UUID = b"JpgTiffExif->JP2"
_MOST_PX = 100_000
"""Pixels for each byte of a codestream, at most: a photo has one or two, a sheet of one colour of 12 MP some 50,000."""


def boxes(source: ByteSource, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, offset of the content, its length) of each box between two places of a file."""
    position = start
    while position + 8 <= end:
        length, kind = struct.unpack(">I4s", source.at(position, 8))
        head = 8
        if length == 1:
            length, head = struct.unpack(">Q", source.at(position + 8, 8))[0], 16
        elif length == 0:
            length = end - position
        if length < head:
            raise source.damaged(f"box {kind!r} at byte {position} has length {length}")
        if position + length > end:
            raise source.cut_short(position + length)
        yield kind, position + head, length - head
        position += length


def jpeg2000(source: ByteSource, thorough: bool) -> Header:
    if source.at(0, 4) == b"\xffO\xffQ":
        return _codestream(source, 0, source.size, thorough)
    header: Header | None = None
    found = Header("JPEG2000", 0, 0)
    palette = has_cdef_alpha = False
    cmyk = False
    for kind, at, length in boxes(source, 0, source.size):
        if kind == b"jp2h":
            for inner, inner_at, inner_length in boxes(source, at, at + length):
                if inner == b"colr" and inner_length >= 3 and found.icc is None:
                    data = source.at(inner_at, inner_length)
                    if data[0] == 2:
                        found.icc = data[3:]
                    elif data[0] == 1 and len(data) >= 7:
                        cmyk = int.from_bytes(data[3:7], "big") == 12
                elif inner == b"pclr":
                    palette = True
                elif inner == b"cdef":
                    data = source.at(inner_at, inner_length)
                    kinds = {data[i + 2 : i + 4] for i in range(2, len(data) - 5, 6)}
                    has_cdef_alpha = bool(kinds & {b"\0\1", b"\0\2"})
        elif kind == b"jp2c" and header is None:
            header = _codestream(source, at, at + length, thorough)
        elif kind == b"uuid" and 16 < length <= MAX_METADATA_BYTES:
            identity = source.at(at, 16)
            if identity == XMP_UUID:
                found.xmp = source.at(at + 16, length - 16)
            elif identity == EXIF_UUID:
                found.exif = image_exif.strip_prefix(source.at(at + 16, length - 16))
    if header is None:
        raise source.damaged("JPEG 2000 file without a codestream")
    header.icc, header.exif, header.xmp = found.icc, found.exif, found.xmp
    if cmyk:
        raise source.unsupported("is a CMYK JPEG 2000 picture; convert it to RGB first", kind="cmyk")
    if palette:
        header.mode = "palette"
    header.has_alpha = header.has_alpha or has_cdef_alpha
    return header


def _codestream(source: ByteSource, start: int, end: int, thorough: bool) -> Header:
    if source.at(start, 4) != b"\xffO\xffQ":
        raise source.damaged("JPEG 2000 codestream without its start")
    fields = struct.unpack(">HHIIIIIIIIH", source.at(start + 4, 38))
    _, _, x1, y1, x0, y0, _, _, _, _, components = fields
    if not 1 <= components <= 4:
        raise source.unsupported(f"is a JPEG 2000 picture with {components} channels")
    sizes = source.at(start + 42, 3 * components)
    depths = {(value & 0x7F) + 1 for value in sizes[::3]}
    if any(value & 0x80 for value in sizes[::3]) or len(depths) > 1 or max(depths) > 16:
        raise source.unsupported(f"is a JPEG 2000 picture with {sorted(depths)} bits per channel or signed")
    header = Header("JPEG2000", x1 - x0, y1 - y0, "grey" if components <= 2 else "rgb", max(depths))
    header.has_alpha = components in (2, 4)
    check_size(source, header.width, header.height)
    if (end - start) * _MOST_PX < header.width * header.height:
        raise source.damaged(f"holds {end - start:,} bytes, too few for {header.width} x {header.height} px")
    if thorough:
        _check_codestream_end(source, start, end)
    return header


def _check_codestream_end(source: ByteSource, start: int, end: int) -> None:
    """Walk the tile parts; the decoder would fill missing ones with grey."""
    position = start + 2
    while True:
        marker, length = struct.unpack(">HH", source.at(position, 4))
        if marker == 0xFFD9:
            return
        if marker != 0xFF90:
            position += 2 + length
        else:
            part = int.from_bytes(source.at(position + 6, 4), "big")
            if part == 0:  # this tile part reaches to the end
                if source.at(end - 2, 2) != b"\xff\xd9":
                    raise source.damaged("JPEG 2000 codestream without its end")
                return
            position += part
        if position + 2 > end:
            raise source.cut_short(position + 2)
        if source.at(position, 2) == b"\xff\xd9":
            return


# --- AVIF ----------------------------------------------------------------------------------------


def avif(source: ByteSource, thorough: bool) -> Header:
    has_meta = False
    for kind, at, length in boxes(source, 0, source.size):
        if kind == b"meta":
            has_meta = True
            meta = source.at(at, min(length, MAX_METADATA_BYTES))
            for match in re.finditer(rb"ispe\0\0\0\0(.{4})(.{4})", meta, re.DOTALL):
                check_size(source, *(int.from_bytes(part, "big") for part in match.groups()))
            colour = meta.find(b"colrnclx")
            if colour >= 0 and int.from_bytes(meta[colour + 10 : colour + 12], "big") in (16, 18):
                raise source.unsupported("is an HDR picture (PQ or HLG encoding)", kind="hdr")
            config = meta.find(b"av1C")
            deep = config >= 0 and len(meta) > config + 6 and meta[config + 6] & 0x40
            twelve = deep and meta[config + 6] & 0x20
    if not has_meta:
        raise source.damaged("AVIF without its description")
    from PIL.AvifImagePlugin import AvifImageFile

    source.file.seek(0)
    try:
        image = AvifImageFile(source.file)
    except Exception as error:
        raise source.damaged(f"AVIF header: {error}") from error
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise source.unsupported(f"is an animated AVIF with {frames} frames", kind="animation")
    header = Header("AVIF", *image.size, "grey" if image.mode in ("L", "LA") else "rgb")
    header.has_alpha = image.mode in ("RGBA", "LA")
    header.icc = image.info.get("icc_profile") or None
    header.exif = image_exif.strip_prefix(image.info.get("exif"))
    header.xmp = image.info.get("xmp") or None
    header.orientation = image_exif.orientation(header.exif)
    header.stored_bits = (12 if twelve else 10) if deep else 8
    return header
