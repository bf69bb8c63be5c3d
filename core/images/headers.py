"""What each format's header says, and whether the file is whole, without decoding a pixel.

Libraries forgive a file that was cut short, some by inventing the rest. So the structure is walked here
from the first byte to the last one that matters, and only a whole file goes to a decoder.
"""

from __future__ import annotations

import binascii
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np

from core.images import exif as image_exif
from core.images import foreign
from core.images.headers_boxes import avif, jpeg2000
from core.images.headers_tiff import tiff
from core.images.sniff import ByteSource, check_size, detect
from core.images.types import MAX_METADATA_BYTES, MAX_PIXELS, Header, ImageError, ImageTooLarge, Passes

_CHUNK_BYTES = 4 << 20
_DEFLATE_MOST = 1032
"""Bytes that deflate makes of one, at most."""
_JPEG_MOST_PX = 512
"""Pixels that a byte of Huffman-coded JPEG stands for, at most: a block of 64 takes a bit."""
_RUNS_MOST_PX = 128
"""Pixels that a byte of a run-length coded BMP stands for, at most: 255 take two. To leave rows out is for films."""
_MOST_SCANS = 500
_BAD_PROFILE = "The colour profile was damaged"


def read_header(source: ByteSource, thorough: bool) -> Header:
    """The header of ``source``.

    ``thorough`` also checks everything a decoder might forgive (checksums, the end of the pixel data);
    it reads the whole file once. Raises UnsupportedImage, DamagedImage, EmptyFile, ImageTooLarge.
    """
    format_name = detect(source)
    try:
        header = _READERS[format_name](source, thorough)
    except (ImageError, OSError, MemoryError):
        raise
    except Exception as error:
        # Numbers out of a damaged header may break any step of the arithmetic done with them.
        raise source.damaged(f"{format_name} header: {type(error).__name__}: {error}") from error
    if header.width < 1 or header.height < 1:
        raise source.damaged(f"claims a size of {header.width} x {header.height} px")
    if header.width * header.height > MAX_PIXELS:
        raise ImageTooLarge(source.path, header.width, header.height)
    if header.format not in ("AVIF", "TIFF", "HEIC", "RAW"):
        header.orientation = image_exif.orientation(header.exif)
    return header


def _inflate(data: bytes) -> bytes | None:
    """zlib data of bounded size; None when it is broken or a bomb."""
    try:
        machine = zlib.decompressobj()
        out = machine.decompress(data, MAX_METADATA_BYTES)
    except zlib.error:
        return None
    return out if machine.eof else None


# --- PNG -----------------------------------------------------------------------------------------

_PNG_MODES = {0: ("grey", 1), 2: ("rgb", 3), 3: ("palette", 1), 4: ("grey", 2), 6: ("rgb", 4)}
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def _png(source: ByteSource, thorough: bool) -> Header:
    length, kind = struct.unpack(">I4s", source.at(8, 8))
    if kind != b"IHDR" or length != 13:
        raise source.damaged(f"PNG starts with chunk {kind!r} of {length} bytes, not with IHDR")
    width, height, depth, colour, _, _, _ = struct.unpack(">IIBBBBB", source.at(16, 13))
    if colour not in _PNG_MODES or depth not in _PNG_DEPTHS[colour]:
        raise source.damaged(f"PNG with colour type {colour} at {depth} bits")
    check_size(source, width, height)
    header = Header("PNG", width, height, _PNG_MODES[colour][0], depth if depth == 16 else 8)
    header.has_alpha = colour in (4, 6)
    position, pixel_chunks, pixel_bytes, ended = 8, 0, 0, False
    while not ended:
        length, kind = struct.unpack(">I4s", source.at(position, 8))
        body_at = position + 8
        position = body_at + length + 4
        if position > source.size:
            raise source.cut_short(position)
        if kind == b"IDAT":
            pixel_chunks += 1
            pixel_bytes += length
        if thorough and kind in (b"IHDR", b"PLTE", b"IDAT", b"tRNS"):
            _check_png_crc(source, kind, body_at, length)
        if kind == b"IEND":
            ended = True
        elif kind in _PNG_METADATA and length <= MAX_METADATA_BYTES:
            _png_metadata(source, header, kind, source.at(body_at, length))
    if not pixel_chunks:
        raise source.damaged("PNG without pixel data")
    header.exif, header.xmp = header.exif or None, header.xmp or None
    channels = 1 if colour == 3 else _PNG_MODES[colour][1]
    needed = width * height * channels * depth // 8
    if pixel_bytes * _DEFLATE_MOST + _CHUNK_BYTES < needed:
        raise source.damaged(f"holds {pixel_bytes:,} bytes of pixel data, too few for {width} x {height} px")
    return header


_PNG_METADATA = frozenset([b"tRNS", b"acTL", b"iCCP", b"eXIf", b"iTXt", b"zTXt", b"tEXt", b"pHYs", b"cICP"])


def _check_png_crc(source: ByteSource, kind: bytes, at: int, length: int) -> None:
    crc = zlib.crc32(kind)
    for start in range(0, length, _CHUNK_BYTES):
        crc = zlib.crc32(source.at(at + start, min(_CHUNK_BYTES, length - start)), crc)
    if crc != int.from_bytes(source.at(at + length, 4), "big"):
        raise source.damaged(f"PNG chunk {kind.decode('latin-1')} at byte {at - 8} fails its checksum")


def _png_metadata(source: ByteSource, header: Header, kind: bytes, data: bytes) -> None:
    if kind == b"acTL":
        frames = int.from_bytes(data[:4], "big")
        if frames > 1:
            raise source.unsupported(f"is an animated PNG with {frames} frames", kind="animation")
    elif kind == b"cICP" and len(data) >= 2 and data[1] in (16, 18):
        raise source.unsupported("is an HDR picture (PQ or HLG encoding)", kind="hdr")
    elif kind == b"tRNS":
        header.has_alpha = True
        if header.mode != "palette" and len(data) >= 2 and len(data) % 2 == 0:
            header.colour_key = struct.unpack(f">{len(data) // 2}H", data)
    elif kind == b"iCCP" and header.icc is None and _BAD_PROFILE not in header.notes:  # one is allowed
        _, _, packed = data.partition(b"\0")
        header.icc = _inflate(packed[1:]) or None
        if header.icc is None:
            header.notes.append(_BAD_PROFILE)
    elif kind == b"eXIf":
        header.exif = image_exif.strip_prefix(data)
    elif kind == b"pHYs" and len(data) == 9 and data[8] == 1:
        x, y = struct.unpack(">II", data[:8])
        header.dpi = (x * 0.0254, y * 0.0254)
    elif kind == b"iTXt":
        keyword, _, rest = data.partition(b"\0")
        if keyword == b"XML:com.adobe.xmp" and len(rest) > 2 and header.xmp is None:
            text = rest[2:].split(b"\0", 2)[-1]
            header.xmp = (_inflate(text) or b"") if rest[0] else text  # of several the first counts
    elif kind in (b"zTXt", b"tEXt"):
        keyword, _, rest = data.partition(b"\0")
        if keyword in (b"Raw profile type exif", b"Raw profile type APP1") and header.exif is None:
            text_value = _inflate(rest[1:]) if kind == b"zTXt" else rest
            header.exif = image_exif.strip_prefix(_raw_profile(text_value or b"")) or b""


def _raw_profile(text: bytes) -> bytes | None:
    """ImageMagick's way to keep EXIF in PNG text: name, length, hexadecimal digits."""
    parts = text.strip().split(b"\n", 2)
    if len(parts) < 3:
        return None
    try:
        data = binascii.unhexlify(b"".join(parts[2].split()))
    except (binascii.Error, ValueError):
        return None
    return data if data.startswith((b"Exif\0\0", b"II*\0", b"MM\0*")) else None


# --- JPEG ----------------------------------------------------------------------------------------

_PROGRESSIVE = (0xC2, 0xCA)
_SOF = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_XMP_START = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"


def _jpeg(source: ByteSource, thorough: bool) -> Header:
    header: Header | None = None
    icc_parts: dict[int, bytes] = {}
    icc_total, is_huffman = 0, True
    seen = Header("JPEG", 0, 0)  # gathers metadata until the frame header comes
    for marker, at, length in _jpeg_segments(source, thorough):
        if marker in _SOF:
            header = _jpeg_frame(source, marker, source.at(at, length)) if header is None else header
            is_huffman = is_huffman and marker < 0xC9
            if marker in _PROGRESSIVE:
                seen.passes = Passes(source.at(at, length)[6::3])
        elif marker == 0xDA and seen.passes is not None:
            seen.passes.add(source.at(at, length))
        elif marker == 0xD9:
            seen.ends_at = at
        elif marker == 0xE0 and seen.dpi is None:
            seen.dpi = _jfif_dpi(source.at(at, length))
        elif marker == 0xE1:
            data = source.at(at, length)
            if data.startswith(b"Exif\0") and seen.exif is None:
                seen.exif_at = at
                seen.exif = image_exif.strip_prefix(data[:6].replace(b"Exif\0\xff", b"Exif\0\0") + data[6:])
            elif data.startswith(_XMP_START) and seen.xmp is None:
                seen.xmp = data[len(_XMP_START) :]
            elif data.startswith(_XMP_MORE):
                _note(seen, "The extended part of the XMP packet was not kept")
        elif marker == 0xE2:
            data = source.at(at, length)
            if data.startswith(b"ICC_PROFILE\0") and len(data) > 14:
                icc_parts[data[12]], icc_total = data[14:], data[13]
            elif data.startswith(b"MPF\0"):
                _note(seen, "Further pictures behind the first one (previews, gain map) were not kept")
        elif marker == 0xED and b"8BIM\x04\x04" in source.at(at, length):
            _note(seen, "Captions and keywords in the old form (IPTC) were not kept")
    if header is None:
        raise source.damaged("JPEG without a frame header")
    check_size(source, header.width, header.height)
    if is_huffman and source.size * _JPEG_MOST_PX < header.width * header.height:
        raise source.damaged(f"holds {source.size:,} bytes, too few for {header.width} x {header.height} px")
    header.exif, header.xmp, header.dpi, header.notes = seen.exif, seen.xmp, seen.dpi, seen.notes
    header.exif_at, header.ends_at, header.passes = seen.exif_at, seen.ends_at, seen.passes
    if icc_parts:
        if set(icc_parts) == set(range(1, icc_total + 1)):
            header.icc = b"".join(icc_parts[i] for i in sorted(icc_parts))
        else:
            _note(header, "The colour profile was incomplete")
    return header


def _note(header: Header, text: str) -> None:
    if text not in header.notes:
        header.notes.append(text)


def _jpeg_segments(source: ByteSource, thorough: bool) -> Iterator[tuple[int, int, int]]:
    """(marker, offset, length) of each segment; ends at the first scan, or with EOI when ``thorough``."""
    position, scans = 2, 0
    while True:
        marker, position = _next_marker(source, position)
        if marker == 0xD9:
            if not scans:
                raise source.damaged("JPEG without pixel data")
            yield marker, position - 2, 0
            return
        if marker == 0xD8 or 0xD0 <= marker <= 0xD7 or marker == 0x01:
            continue
        length = int.from_bytes(source.at(position, 2), "big")
        if length < 2:
            raise source.damaged(f"JPEG segment {marker:#04x} at byte {position} has length {length}")
        if position + length > source.size:
            raise source.cut_short(position + length)
        yield marker, position + 2, length - 2
        position += length
        if marker == 0xDA:
            scans += 1
            if scans > _MOST_SCANS:
                raise source.damaged(f"JPEG with more than {_MOST_SCANS} scans, made to take for ever")
            if not thorough:
                return
            position = _skip_scan(source, position)


def _next_marker(source: ByteSource, position: int) -> tuple[int, int]:
    """The next marker at or after ``position`` (stray bytes are skipped), and what follows it."""
    while True:
        block = source.at(position, min(65536, max(source.size - position, 2)))
        at = block.find(b"\xff")
        if at < 0:
            position += len(block)
            continue
        after = at + 1
        while after < len(block) and block[after] == 0xFF:
            after += 1
        if after == len(block):
            position += max(after - 1, 1)
            if source.size - position < 2:
                raise source.cut_short(source.size + 2)
        elif block[after] == 0:
            position += after + 1
        else:
            return block[after], position + after + 1


def _skip_scan(source: ByteSource, position: int) -> int:
    """Where the entropy-coded data that starts at ``position`` ends: the next real marker."""
    while True:
        length = min(_CHUNK_BYTES, source.size - position)
        if length < 2:
            raise source.cut_short(source.size + 2)
        data = np.frombuffer(source.at(position, length), np.uint8)
        marks = np.flatnonzero(data[:-1] == 0xFF)
        follow = data[marks + 1]
        real = marks[(follow != 0) & (follow != 0xFF) & ((follow < 0xD0) | (follow > 0xD7))]
        if real.size:
            return position + int(real[0])
        position += length - 1  # a marker may straddle the border
        if length == 2 and source.size - position < 2:
            raise source.cut_short(source.size + 2)


def _jpeg_frame(source: ByteSource, marker: int, data: bytes) -> Header:
    if len(data) < 6:
        raise source.damaged(f"JPEG frame header of {len(data)} bytes")
    precision, height, width, components = struct.unpack(">BHHB", data[:6])
    if marker in (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF):
        raise source.unsupported("is a lossless or hierarchical JPEG, a kind for scanners and medicine")
    if precision != 8:
        raise source.unsupported(f"is a JPEG with {precision} bits per channel")
    if components not in (1, 3, 4):
        raise source.unsupported(f"is a JPEG with {components} colour channels")
    return Header("JPEG", width, height, {1: "grey", 3: "rgb", 4: "cmyk"}[components])


def _jfif_dpi(data: bytes) -> tuple[float, float] | None:
    if not data.startswith(b"JFIF\0") or len(data) < 12:
        return None
    unit, x, y = struct.unpack(">BHH", data[7:12])
    scale = {1: 1.0, 2: 2.54}.get(unit)
    return (x * scale, y * scale) if scale and x and y else None


# --- WebP ----------------------------------------------------------------------------------------


def _webp(source: ByteSource, thorough: bool) -> Header:
    end = 8 + int.from_bytes(source.at(4, 4), "little")
    if end > source.size:
        raise source.cut_short(end)
    header = Header("WEBP", 0, 0)
    position, has_pixels, frames = 12, False, 0
    while position + 8 <= end:
        kind, length = struct.unpack("<4sI", source.at(position, 8))
        at = position + 8
        if at + length > end:
            raise source.cut_short(at + length)
        position = at + length + length % 2
        if kind == b"VP8X":
            data = source.at(at, 10)
            header.has_alpha = bool(data[0] & 0x10)
            header.width = 1 + int.from_bytes(data[4:7], "little")
            header.height = 1 + int.from_bytes(data[7:10], "little")
        elif kind == b"ANMF":
            frames += 1
        elif kind in (b"VP8 ", b"VP8L"):
            has_pixels = True
            if not header.width:
                _webp_bitstream(source, header, kind, at)
        elif kind in (b"ICCP", b"EXIF", b"XMP ") and length <= MAX_METADATA_BYTES:
            data = source.at(at, length)
            if kind == b"ICCP":
                header.icc = data or None
            elif kind == b"EXIF":
                header.exif = image_exif.strip_prefix(data)
            else:
                header.xmp = data or None
    if frames:
        raise source.unsupported(f"is an animated WebP with {frames} frames", kind="animation")
    if not has_pixels:
        raise source.damaged("WebP without pixel data")
    return header


def _webp_bitstream(source: ByteSource, header: Header, kind: bytes, at: int) -> None:
    if kind == b"VP8L":
        data = source.at(at, 5)
        bits = int.from_bytes(data[1:5], "little")
        header.width, header.height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        header.has_alpha = bool(bits >> 28 & 1)
    else:
        data = source.at(at, 10)
        if data[3:6] != b"\x9d\x01\x2a":
            raise source.damaged("WebP whose pixel data does not start with a key frame")
        header.width = int.from_bytes(data[6:8], "little") & 0x3FFF
        header.height = int.from_bytes(data[8:10], "little") & 0x3FFF


# --- BMP -----------------------------------------------------------------------------------------


def _bmp(source: ByteSource, thorough: bool) -> Header:
    pixels_at, head = struct.unpack("<II", source.at(10, 8))
    compression = 0
    if head == 12:
        width, height, _, bits = struct.unpack("<HHHH", source.at(18, 8))
    else:
        width, height, _, bits, compression = struct.unpack("<iiHHI", source.at(18, 16))
    width, height = abs(width), abs(height)
    if bits not in (1, 2, 4, 8, 16, 24, 32):
        raise source.damaged(f"BMP with {bits} bits per pixel")
    if compression not in (0, 1, 2, 3, 6):
        raise source.unsupported(f"is a BMP with compression {compression}")
    if compression in (0, 3, 6):
        needed = pixels_at + (width * bits + 31) // 32 * 4 * height
        if needed > source.size and width * height <= MAX_PIXELS:
            raise source.cut_short(needed)
    elif source.size * _RUNS_MOST_PX < width * height <= MAX_PIXELS:
        raise source.damaged(f"holds {source.size:,} bytes, too few for {width} x {height} px")
    header = Header("BMP", width, height, "palette" if bits <= 8 else "rgb")
    if bits <= 8:
        step, first = (3, 26) if head == 12 else (4, 14 + head)
        table = np.frombuffer(source.at(first, max(pixels_at - first, 0) // step * step), np.uint8)
        entries = table.reshape(-1, step)
        if len(entries) and (entries[:, :1] == entries[:, 1:3]).all():
            header.mode = "grey"
    if head >= 56 and compression in (3, 6) and bits == 32:
        header.has_alpha = int.from_bytes(source.at(66, 4), "little") != 0
    x, y = struct.unpack("<ii", source.at(38, 8)) if head >= 40 else (0, 0)
    if x > 0 and y > 0:
        header.dpi = (x * 0.0254, y * 0.0254)
    return header


_READERS: dict[str, Callable[[ByteSource, bool], Header]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "TIFF": tiff,
    "WEBP": _webp,
    "AVIF": avif,
    "BMP": _bmp,
    "JPEG2000": jpeg2000,
    "HEIC": foreign.heic,
    "RAW": foreign.raw,
}
