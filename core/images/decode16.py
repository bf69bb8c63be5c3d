"""Pixels of 16 bits, and of WebP, out of files: OpenCV, and tifffile for the TIFFs that OpenCV does not take."""

from __future__ import annotations

import logging
import lzma
import math
import os
import threading
import zlib
from collections import ChainMap
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.images import apart
from core.images.canvas import Canvas
from core.images.colour import row_bands
from core.images.sniff import ByteSource
from core.images.types import Header

_BAND_PIXELS = 2_000_000
_PACKBITS, _LZW = 32773, 5
_TIFFFILE_COMPRESSIONS = frozenset([1, 8, 32946, 34925, _PACKBITS])
_LZMA = 34925
_UNPACKED_HERE = frozenset([8, 32946, _LZMA])
CV2_COMPRESSIONS = frozenset([_LZW, _PACKBITS])  # tifffile alone has no LZW, and a slow PackBits


@lru_cache(maxsize=1)
def quiet_cv2() -> Any:
    """OpenCV, which reports failures to our exceptions and not to stderr as well."""
    from core.cv import cv2

    log: Any = cv2.utils.logging
    log.setLogLevel(log.LOG_LEVEL_SILENT)
    return cv2


def _imread(source: ByteSource, header: Header) -> np.ndarray:
    """The file as OpenCV sees it: (H, W), (H, W, 3) BGR or (H, W, 4) BGRA."""
    if header.format == "JPEG2000" and apart.is_worth_it(header.width, header.height):
        try:
            return apart.decoded_deep(Path(source.path), header.width * header.height)
        except apart.ApartFailed as error:
            raise source.damaged(f"pixel data: {error}") from error
    cv2 = quiet_cv2()
    path = os.fspath(source.path)
    if header.tiff is not None and header.orientation != 1:
        # OpenCV gives up on 16-bit TIFFs that are not upright, so it gets to read that this one is.
        data = np.fromfile(path, np.uint8)
        at = header.tiff.orientation_at
        data[at : at + 2] = (0, 1) if header.tiff.big_endian else (1, 0)
        values = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    elif os.name == "posix" or path.isascii():
        values = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    else:  # on Windows OpenCV cannot open every name
        values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise source.damaged("pixel data cannot be decoded")
    return np.asarray(values)


def decode_cv2(source: ByteSource, header: Header) -> Canvas:
    values = _imread(source, header)
    if values.shape[:2] != (header.height, header.width):
        raise source.damaged(
            f"decodes to {values.shape[1]} x {values.shape[0]} px, the header says"
            f" {header.width} x {header.height}"
        )
    expected = np.uint16 if header.bit_depth == 16 else np.uint8
    if values.dtype != expected:
        raise source.damaged(f"decodes to {values.dtype} where the header says {header.stored_bits} bits")
    if 8 < header.stored_bits < 16:
        _stretch(values, header.stored_bits)
    return _from_bgr(values, header)


def _stretch(values: np.ndarray, bits: int) -> None:
    """Spread 9- to 15-bit values over 16 bits, in place."""
    top = 2**bits - 1
    for rows in row_bands(values, _BAND_PIXELS):
        band = values[rows].astype(np.uint32)
        values[rows] = (np.minimum(band, top) * 65535 + top // 2) // top


def _from_bgr(values: np.ndarray, header: Header) -> Canvas:
    channels = 1 if values.ndim == 2 else values.shape[2]
    key = header.colour_key if channels in (1, 3) else None
    has_alpha = header.has_alpha and (channels == 4 or key is not None)
    header.has_alpha = has_alpha
    canvas = Canvas(0, 0, np.uint8, False, 1)
    if channels == 3 and not has_alpha and header.orientation == 1:
        # Nothing but the order of the channels is wrong: swap it where it stands.
        for rows in row_bands(values, _BAND_PIXELS):
            values[rows] = values[rows, :, ::-1].copy()
        canvas.pixels = canvas.stored = values
        return canvas
    canvas = Canvas(values.shape[1], values.shape[0], values.dtype.type, has_alpha, header.orientation)
    for rows in row_bands(values, _BAND_PIXELS):
        band = values[rows]
        if channels >= 3:
            band = band[..., [2, 1, 0, 3][:channels]]
        canvas.put(rows, band)
        if key is not None and canvas.stored_alpha is not None:
            hit = (band.reshape(*band.shape[:2], -1) == np.array(key, values.dtype)).all(-1)
            canvas.stored_alpha[rows] = np.where(hit, 0, np.iinfo(values.dtype).max)
    return canvas


# --- TIFF ----------------------------------------------------------------------------------------


def decode_tiff16(source: ByteSource, header: Header) -> Canvas:
    layout = header.tiff
    assert layout is not None
    # OpenCV takes channels that lie side by side; grey with alpha it reduces to 8 bits.
    plain = not layout.planar and not (header.mode == "grey" and layout.samples > 1)
    if plain and layout.compression in CV2_COMPRESSIONS:
        canvas = decode_cv2(source, header)
    elif layout.compression in _TIFFFILE_COMPRESSIONS:
        canvas = _decode_tifffile(source, header)
    else:
        raise source.unsupported(
            f"is a 16-bit TIFF with compression {layout.compression}"
            f"{' and separate colour planes' if layout.planar else ''}; save it uncompressed or as ZIP first",
            compression=layout.compression,
        )
    if header.mode == "grey" and layout.photometric == 0:  # 0 is white
        for rows in row_bands(canvas.pixels):
            np.invert(canvas.pixels[rows], out=canvas.pixels[rows])
    if layout.premultiplied and canvas.alpha is not None:
        _undo_premultiplication(canvas)
        header.notes.append("Premultiplied colours were divided by the transparency")
    return canvas


@lru_cache(maxsize=1)
def _tifffile() -> Any:
    """tifffile, which else tells stderr about every oddity that our exceptions speak of already."""
    import tifffile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    return tifffile


_swapping = threading.Lock()


def _bounded(page: Any) -> None:
    """Let nothing of a page unpack to more than twice what its strips or tiles hold: 3 MB of zeros made gigabytes.

    tifffile asks once per page what unpacks it, which is when it is told of ours.
    """
    most = 2 * math.prod(page.chunks) * page.bitspersample // 8 + (1 << 20)

    def unpack(data: Any, *_others: Any, **_more: Any) -> bytes:
        machine: Any = zlib.decompressobj() if page.compression != _LZMA else lzma.LZMADecompressor()
        out: bytes = machine.decompress(bytes(data), most)
        if len(out) >= most:
            raise ValueError(f"a strip unpacks to more than {most:,} bytes")
        if not machine.eof:
            raise ValueError("a strip is cut short")
        return out

    table: Any = _tifffile().TIFF
    with _swapping:
        before = table.DECOMPRESSORS
        table.DECOMPRESSORS = ChainMap(dict.fromkeys(_UNPACKED_HERE, unpack), before)
        try:
            page.decode  # noqa: B018  # kept by the page from now on
        finally:
            table.DECOMPRESSORS = before


def _decode_tifffile(source: ByteSource, header: Header) -> Canvas:
    layout = header.tiff
    assert layout is not None
    canvas = Canvas(header.width, header.height, np.uint16, header.has_alpha, header.orientation)
    covered = 0
    source.file.seek(0)
    with _tifffile().TiffFile(source.file, name=Path(source.path).name) as file:
        page: Any = file.pages[0]
        if page.compression in _UNPACKED_HERE:
            _bounded(page)
        for data, (sample, _, y, x, _), shape in page.segments():
            if data is None:
                raise source.damaged(f"TIFF strip at row {y} cannot be decoded")
            _, rows, columns, _ = shape
            rows, columns = min(rows, header.height - y), min(columns, header.width - x)
            part = data[0, :rows, :columns]  # (rows, columns, samples)
            if part.shape[:2] != (rows, columns):
                raise source.damaged(f"TIFF strip at row {y} is too short")
            where = (slice(y, y + rows), slice(x, x + columns))
            covered += rows * columns
            if not layout.planar:
                canvas.put(where, part)
            elif header.mode == "grey" and sample == 0:
                canvas.put(where, part[..., 0])
            elif header.mode != "grey" and sample < 3:
                canvas.stored[(*where, sample)] = part[..., 0]
            elif canvas.stored_alpha is not None:
                canvas.stored_alpha[where] = part[..., 0]
    planes = layout.samples if layout.planar else 1
    if covered != header.width * header.height * planes:
        raise source.damaged("TIFF strips do not cover the picture")
    return canvas


def _undo_premultiplication(canvas: Canvas) -> None:
    assert canvas.alpha is not None
    for rows in row_bands(canvas.pixels, _BAND_PIXELS):
        alpha = canvas.alpha[rows][..., None].astype(np.uint64)
        band = canvas.pixels[rows].astype(np.uint64) * 65535 + alpha // 2
        canvas.pixels[rows] = np.minimum(band // np.maximum(alpha, 1), 65535)
