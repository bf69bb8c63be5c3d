"""The header of a TIFF file: which page, which pixels, whether all of them are there."""

from __future__ import annotations

import struct

import numpy as np

from core.images import exif as image_exif
from core.images.sniff import ByteSource, check_size
from core.images.types import Header, TiffLayout

_MOST_STRIPS = 500_000
_SLACK_BYTES = 1 << 16
_MOST_UNPACKED = {1: 1, 5: 1400, 7: 512, 8: 1032, 32946: 1032, 32773: 64, 34925: 8000, 50000: 40_000}
"""By compression, what at most becomes of a byte: bytes, or pixels for JPEG (7)."""
_CFA, _LINEAR_RAW, _LAB, _LOGL, _LOGLUV = 32803, 34892, 8, 32844, 32845


def tiff(source: ByteSource, thorough: bool) -> Header:
    """Raises UnsupportedImage, DamagedImage, ImageTooLarge and, on nonsense, anything."""
    reader = image_exif.TiffReader(source.at)
    pages = reader.chain()
    if not pages:
        raise source.damaged("TIFF without a picture")
    # Bit 0 of the sub-file type marks a reduced copy, bit 2 a mask: neither is a page of its own.
    kinds = [reader.number(page, 254, 0) for page in pages]
    for page in pages:
        if _is_raw(reader, page):
            raise source.unsupported(
                "is a camera raw file named as a TIFF; give it its own name (.dng), or develop it first",
                kind="raw",
            )
    full = [page for page, kind in zip(pages, kinds, strict=True) if not kind & 5]
    if len(full) > 1:
        raise source.unsupported(f"is a TIFF with {len(full)} pages", kind="pages", pages=len(full))
    if pages[0] is not (full or pages)[0]:
        raise source.unsupported("is a TIFF whose picture is not its first page", kind="pages")
    header = _tiff_page(source, reader, pages[0])
    if len(pages) > 1:
        header.notes.append("A reduced copy or mask behind the picture")
    return header


def _is_raw(reader: image_exif.TiffReader, page: image_exif.Directory) -> bool:
    if 50706 in page.entries or reader.number(page, 262, 1) in (_CFA, _LINEAR_RAW):
        return True
    subs = page.entries.get(330)
    if subs is None or subs.count > 32:
        return False
    for offset in reader.numbers(subs):
        try:
            if reader.number(reader.directory(offset), 262, 1) in (_CFA, _LINEAR_RAW):
                return True
        except image_exif.ExifError:
            continue
    return False


def _tiff_page(source: ByteSource, reader: image_exif.TiffReader, page: image_exif.Directory) -> Header:
    number = reader.number
    width, height = number(page, 256, 0), number(page, 257, 0)
    if width < 1 or height < 1:
        raise source.damaged(f"claims a size of {width} x {height} px")
    check_size(source, width, height)
    samples = number(page, 277, 1)
    bits_entry, format_entry, extra_entry = (page.entries.get(tag) for tag in (258, 339, 338))
    bits = set(reader.numbers(bits_entry)) if bits_entry else {1}
    formats = set(reader.numbers(format_entry)) if format_entry else {1}
    extra = reader.numbers(extra_entry) if extra_entry else []
    photometric, compression = number(page, 262, 1), number(page, 259, 1)
    if formats & {3, 5, 6} or photometric in (_LOGL, _LOGLUV):
        raise source.unsupported("is a TIFF with floating-point (HDR) pixels", kind="float")
    if 2 in formats:
        raise source.unsupported("is a TIFF with signed pixels", kind="signed")
    if len(bits) != 1 or not bits <= {1, 2, 4, 8, 16}:
        raise source.unsupported(f"is a TIFF with {sorted(bits)} bits per channel", bits=sorted(bits))
    modes = {0: ("grey", 1), 1: ("grey", 1), 2: ("rgb", 3), 3: ("palette", 1), 5: ("cmyk", 4), 6: ("rgb", 3)}
    if photometric not in modes:
        what = "CIE Lab colours" if photometric in (_LAB, 9, 10) else f"colour model {photometric}"
        raise source.unsupported(f"is a TIFF with {what}; convert it to RGB first", photometric=photometric)
    mode, colours = modes[photometric]
    if samples < colours or samples > colours + 1:
        raise source.unsupported(f"is a TIFF with {samples} channels", samples=samples)
    header = Header("TIFF", width, height, mode, bits.pop())
    header.has_alpha = samples == colours + 1 and (not extra or extra[0] != 0 or mode != "cmyk")
    header.tiff = TiffLayout(
        compression=compression,
        photometric=photometric,
        samples=samples,
        planar=samples > 1 and number(page, 284, 1) == 2,
        big_endian=reader.endian == ">",
        premultiplied=bool(extra) and extra[0] == 1,
        orientation_at=page.entries[274].value_at if 274 in page.entries else 0,
    )
    if mode == "cmyk" and header.stored_bits == 16:
        header.notes.append("16-bit CMYK values were read as 8-bit")
    header.stored_bits = max(header.stored_bits, 8)
    _check_tiff_strips(source, reader, page)
    value = number(page, image_exif.ORIENTATION, 1)
    header.orientation = value if 1 <= value <= 8 else 1
    header.icc = _tiff_bytes(reader, page, image_exif.ICC_PROFILE)
    header.xmp = _tiff_bytes(reader, page, image_exif.XMP_PACKET)
    tree = image_exif.tag_tree(reader, page)
    if tree.speaks:
        header.exif = image_exif.build_block(tree, header.orientation)
    header.dpi = _tiff_dpi(reader, page)
    return header


def _tiff_bytes(reader: image_exif.TiffReader, page: image_exif.Directory, tag: int) -> bytes | None:
    entry = page.entries.get(tag)
    return (reader.raw(entry) or None) if entry is not None else None


def _tiff_dpi(reader: image_exif.TiffReader, page: image_exif.Directory) -> tuple[float, float] | None:
    values = []
    for tag in (282, 283):
        entry = page.entries.get(tag)
        if entry is None or entry.type != 5 or entry.count != 1:
            return None
        top, bottom = struct.unpack(reader.endian + "II", reader.raw(entry))
        values.append(top / bottom if bottom else 0.0)
    scale = {2: 1.0, 3: 2.54}.get(reader.number(page, 296, 2))
    return (values[0] * scale, values[1] * scale) if scale and min(values) > 0 else None


def _check_tiff_strips(source: ByteSource, reader: image_exif.TiffReader, page: image_exif.Directory) -> None:
    """Every strip or tile must lie inside the file, and there must be as many as the size asks for."""
    number = reader.number
    tiled = 322 in page.entries
    offsets, sizes = (page.entries.get(tag) for tag in ((324, 325) if tiled else (273, 279)))
    if offsets is None:
        raise source.damaged("TIFF without pixel data")
    if max(entry.count for entry in (offsets, sizes) if entry is not None) > _MOST_STRIPS:
        raise source.damaged(f"TIFF in more than {_MOST_STRIPS:,} strips or tiles")
    starts = np.array(reader.numbers(offsets), np.int64)
    width, height = number(page, 256, 0), number(page, 257, 0)
    if tiled:
        tile_w, tile_h = number(page, 322, 0), number(page, 323, 0)
        if tile_w < 1 or tile_h < 1:
            raise source.damaged(f"TIFF with tiles of {tile_w} x {tile_h} px")
        expected = -(-width // tile_w) * -(-height // tile_h)
    else:
        rows = min(number(page, 278, height) or height, max(height, 1))
        expected = -(-height // rows) if rows else 0
    if number(page, 284, 1) == 2:
        expected *= number(page, 277, 1)
    if len(starts) < expected:
        raise source.damaged(f"TIFF with {len(starts)} strips or tiles instead of {expected}")
    if sizes is None:
        if len(starts) > 1 or number(page, 259, 1) != 1:
            raise source.damaged("TIFF that does not say how long its strips are")
        lengths = np.array([width * height * number(page, 277, 1) * number(page, 258, 8) // 8], np.int64)
    else:
        lengths = np.array(reader.numbers(sizes), np.int64)
    if len(lengths) < expected or (lengths[:expected] == 0).any():
        raise source.damaged("TIFF with empty strips")
    end = int((starts[:expected] + lengths[:expected]).max())
    if end > source.size:
        raise source.cut_short(end)
    compression, samples = number(page, 259, 1), number(page, 277, 1)
    if compression in _MOST_UNPACKED:
        held = source.size  # not the sum of the strips: they may all be the same bytes
        held *= _MOST_UNPACKED[compression] * (samples if compression == 7 else 1)
        if number(page, 262, 1) == 6:
            held *= 3  # colour may be held at a quarter of the pixels
        if held + _SLACK_BYTES < width * height * samples * number(page, 258, 1) // 8:
            raise source.damaged(f"holds {source.size:,} bytes, too few for {width} x {height} px")
