"""Pixels out of files: Pillow for 8 bits, OpenCV and tifffile for 16, one array as the result.

The final array is made first, upright; decoders fill a view of it that is turned back to the file's own
orientation. So a rotated picture costs no further copy, and a band at a time is all that is converted.
"""

from __future__ import annotations

import io
import logging
import lzma
import math
import os
import threading
import zlib
from collections import ChainMap
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from core.images import apart, foreign, png_strips
from core.images.colour import cmyk_to_srgb, row_bands, srgb_profile
from core.images.sniff import ByteSource, unreadable
from core.images.types import MAX_METADATA_BYTES, DamagedImage, Header, ImageError

_BAND_PIXELS = 2_000_000
_LARGE_PIXELS = 16_000_000
_CORNER_PX = 4
_STRAY = bytes(range(1, 255)) * 2  # no marker in it
_PACKBITS, _LZW = 32773, 5
_TIFFFILE_COMPRESSIONS = frozenset([1, 8, 32946, 34925, _PACKBITS])
_LZMA = 34925
_UNPACKED_HERE = frozenset([8, 32946, _LZMA])
_CV2_COMPRESSIONS = frozenset([_LZW, _PACKBITS])  # tifffile alone has no LZW, and a slow PackBits


class Canvas:
    """The upright result and the same memory seen in the orientation of the file.

    ``pixels`` (H, W, 3) and ``alpha`` (H, W) or None are what the caller gets; ``stored`` and
    ``stored_alpha`` are what a decoder fills.
    """

    def __init__(self, width: int, height: int, dtype: type, has_alpha: bool, orientation: int) -> None:
        upright = (width, height) if orientation >= 5 else (height, width)
        self.pixels: np.ndarray = np.empty((*upright, 3), dtype)
        self.alpha: np.ndarray | None = np.empty(upright, dtype) if has_alpha else None
        self.stored = as_stored(self.pixels, orientation)
        self.stored_alpha = as_stored(self.alpha, orientation) if self.alpha is not None else None

    def put(self, rows: slice | tuple[slice, slice], values: np.ndarray) -> None:
        """Store a part: (h, w) grey, (h, w, 2) grey + alpha, (h, w, 3) RGB or (h, w, 4) RGBA."""
        if values.ndim == 2:
            values = values[..., None]
        channels = values.shape[2]
        self.stored[rows] = values[..., : 3 if channels >= 3 else 1]
        if self.stored_alpha is not None and channels in (2, 4):
            self.stored_alpha[rows] = values[..., -1]


def as_stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """A view of an upright array as the file with this EXIF orientation holds it."""
    match orientation:
        case 2:
            return upright[:, ::-1]
        case 3:
            return upright[::-1, ::-1]
        case 4:
            return upright[::-1]
        case 5:
            return upright.swapaxes(0, 1)
        case 6:
            return np.rot90(upright, 1)
        case 7:
            return upright[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return np.rot90(upright, -1)
    return upright


def decode(source: ByteSource, header: Header, about_px: int | None = None) -> Canvas:
    """The whole picture upright. With ``about_px`` a JPEG or JPEG 2000 may come out smaller, but with
    no edge below that. May change ``header.icc`` and add to ``header.notes`` (CMYK).

    Raises DamagedImage, UnsupportedImage, UnreadableFile.
    """
    try:
        if header.format in ("HEIC", "RAW"):
            return _decode_foreign(source, header, about_px)
        if header.format == "TIFF" and header.bit_depth == 16:
            return _decode_tiff16(source, header)
        if header.format == "WEBP" or header.bit_depth == 16:
            return _decode_cv2(source, header)
        return _decode_pillow(source, header, about_px)
    except (ImageError, MemoryError):
        raise
    except OSError as error:
        if error.errno is not None:
            raise unreadable(source.path, error) from error
        raise DamagedImage(source.path, f"pixel data: {error}") from error
    except Exception as error:
        # Decoders fail on nonsense in any way they like (struct.error, IndexError, SyntaxError,
        # zlib.error, cv2.error); for whoever opens the file it is all the same.
        raise DamagedImage(source.path, f"pixel data: {type(error).__name__}: {error}") from error


def _decode_foreign(source: ByteSource, header: Header, about_px: int | None) -> Canvas:
    canvas = Canvas(0, 0, np.uint8, False, 1)
    if header.format == "HEIC":
        canvas.pixels, canvas.alpha = foreign.decode_heic(source, header)
    else:
        canvas.pixels = foreign.decode_raw(source, header, about_px)
    canvas.stored, canvas.stored_alpha = canvas.pixels, canvas.alpha
    return canvas


# --- Pillow --------------------------------------------------------------------------------------


def _open_pillow(source: ByteSource, header: Header, content: BinaryIO | None = None) -> Any:
    """``content``: other bytes than the file's, with the same header."""
    # The plug-in is called itself, not Image.open: that one refuses large pictures by a global limit
    # of its own, and ours has been applied to the header already.
    from PIL import (
        AvifImagePlugin,
        BmpImagePlugin,
        Jpeg2KImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        TiffImagePlugin,
    )

    plugin: Any = {
        "PNG": PngImagePlugin.PngImageFile,
        "JPEG": JpegImagePlugin.JpegImageFile,
        "TIFF": TiffImagePlugin.TiffImageFile,
        "AVIF": AvifImagePlugin.AvifImageFile,
        "BMP": BmpImagePlugin.BmpImageFile,
        "JPEG2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    }[header.format]
    if header.format == "PNG":
        # Pillow refuses a profile of more than 1 MB, which the header was read past already: we write such, too.
        PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, MAX_METADATA_BYTES)
    bytes_of = source.file if content is None else content
    bytes_of.seek(0)
    file: Any = _WithoutExif(bytes_of, header.exif_at) if header.exif_at else bytes_of
    image: Any = plugin(file)
    if header.format == "TIFF":
        # This plug-in asks for the global limit when it makes its image; so it finds one made.
        core: Any = Image.core
        image.im = core.new(image.mode, getattr(image, "_tile_size", image.size))
    return image


class _WithoutExif:
    """A JPEG whose EXIF segment bears another name: Pillow would take it apart and warn of its flaws."""

    def __init__(self, file: BinaryIO, at: int) -> None:
        self._file, self._at = file, at
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int = -1) -> bytes:
        start = self._file.tell()
        data = self._file.read(size)
        inside = self._at - start
        if 0 <= inside < len(data):
            data = data[:inside] + b"_" + data[inside + 1 :]
        return data


def _decode_pillow(source: ByteSource, header: Header, about_px: int | None) -> Canvas:
    image: Any = _open_pillow(source, header)
    # Of all formats, Pillow turns TIFF upright by itself.
    orientation = 1 if header.format == "TIFF" else header.orientation
    expected = (header.width, header.height)
    if header.format == "TIFF" and header.orientation >= 5:
        expected = expected[::-1]
    if image.size != expected:
        raise source.damaged(f"decodes to {image.size} px where the header says {expected}")
    halvings = 0 if about_px is None else _ask_for_less(image, header, about_px)
    if header.format == "JPEG2000" and apart.is_worth_it(*image.size):
        canvas = _decode_apart(source, header, image.size, halvings)
        if canvas is not None:
            return canvas
    shrunk = _shrunk(image.size, about_px)
    strips = shrunk > 1 and header.format == "PNG" and png_strips.can(source)
    if not strips:
        image.load()
    if image.mode == "CMYK":
        image, note, used = cmyk_to_srgb(image, header.icc)
        header.notes.append(note)
        header.icc = srgb_profile() if used else None
    has_alpha = image.has_transparency_data or image.mode in ("LA", "PA", "RGBA")
    if image.mode in ("1", "L") and not has_alpha:
        wanted = "L"
    elif image.mode == "LA" or (image.mode in ("1", "L") and has_alpha):
        wanted = "LA"
    elif image.mode in ("P", "PA", "RGB", "RGBA", "RGBX", "YCbCr"):
        wanted = "RGBA" if has_alpha else "RGB"
    else:
        raise source.unsupported(f"is a {header.format} with pixels of kind {image.mode}", mode=image.mode)
    header.has_alpha = has_alpha
    width, height = image.size
    small = -(-width // shrunk), -(-height // shrunk)
    canvas = Canvas(*small, np.uint8, has_alpha, orientation)
    count = max(1, _BAND_PIXELS // width // shrunk)  # rows of the canvas in a band
    bands = png_strips.strips(source, count * shrunk) if strips else _bands(image, count * shrunk)
    for number, band in enumerate(bands):
        fit = band if band.mode == wanted else band.convert(wanted)
        part = np.asarray(fit.reduce(shrunk) if shrunk > 1 else fit)
        canvas.put(slice(number * count, number * count + len(part)), part)
    if header.format == "JPEG" and about_px is None and header.mode != "cmyk":
        share = _missing_share(source, header, canvas.stored)
        if _lacks_sharpness(source, header, canvas.stored):
            header.notes.append(
                "The last passes of the photo were not all in the file: it is less sharp than it was"
            )
        elif share:
            header.notes.append(
                f"Part of the pixels, about {share:.0%} of the photo, was not in the file: it is plain there"
            )
    return canvas


def bytes_to_shrink(source: ByteSource, header: Header) -> int:
    """About how much memory a smaller picture of this one takes while it is made."""
    if header.format in ("JPEG", "JPEG2000") or (header.format == "PNG" and png_strips.can(source)):
        return 0  # decoded smaller, or strip by strip
    channels = 1 if header.mode in ("grey", "palette") else 3
    decoded = header.width * header.height * (channels + header.has_alpha) * header.bit_depth // 8
    by_cv2 = header.format == "WEBP" or header.bit_depth == 16
    if header.tiff is not None and header.tiff.compression not in _CV2_COMPRESSIONS:
        by_cv2 = False
    return decoded * 2 if by_cv2 else decoded * 4 // 3  # OpenCV holds the whole picture twice


def _shrunk(size: tuple[int, int], about_px: int | None) -> int:
    """By how much a large picture is made smaller band by band, so that all of it is never there at once."""
    if about_px is None or size[0] * size[1] < _LARGE_PIXELS:
        return 1
    return max(1, max(size) // (2 * about_px))


def _bands(image: Any, rows: int) -> Iterator[Any]:
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))


def _missing_share(source: ByteSource, header: Header, stored: np.ndarray) -> float:
    """The share 0..1 of a JPEG that its decoder filled up without a word, because the scan ends before the picture does.

    What it fills up with is even, up to the last corner. An even corner alone may be a white margin; so the picture is
    decoded again with stray bytes behind its scan: only one that lacks data takes them for pixels.
    """
    corner = stored[-1, -1]
    if not header.ends_at or (stored[-_CORNER_PX:, -_CORNER_PX:] != corner).any():
        return 0.0
    if not _takes_stray_bytes(source, header, stored):
        return 0.0
    filled = (stored == corner).all((1, 2))
    lowest = int(np.flatnonzero(~filled)[-1]) + 1 if not filled.all() else 0
    return max((len(stored) - lowest) / len(stored), 0.01)


def _lacks_sharpness(source: ByteSource, header: Header, stored: np.ndarray) -> bool:
    """Whether a progressive JPEG, which ends properly, lacks a pass or the end of its last one. Then it is even nowhere, only
    less sharp."""
    if header.passes is None or not header.ends_at:
        return False
    return not header.passes.are_all_there or _takes_stray_bytes(source, header, stored)


def _takes_stray_bytes(source: ByteSource, header: Header, stored: np.ndarray) -> bool:
    """Whether a JPEG comes out otherwise than ``stored`` with stray bytes behind its last scan."""
    data = bytes(source.at(0, header.ends_at))
    if data.endswith(b"\xff"):
        return False  # would make markers of what is put behind it
    image = _open_pillow(source, header, io.BytesIO(data + _STRAY + b"\xff\xd9"))
    try:
        image.load()
    except OSError:  # what was read first is as good as before
        return False
    if image.mode not in ("L", "RGB"):
        return False
    for rows in reversed(row_bands(stored, _BAND_PIXELS)):
        again = np.asarray(image.crop((0, rows.start, image.width, rows.stop)))
        if (again.reshape(*again.shape[:2], -1) != stored[rows]).any():
            return True
    return False


def _decode_apart(source: ByteSource, header: Header, size: tuple[int, int], reduce: int) -> Canvas | None:
    """None: it is of a rare kind that is decoded here. ``size`` is the whole picture's, halved ``reduce`` times."""
    pixels = size[0] * size[1] >> 2 * reduce
    rows = max(1, _BAND_PIXELS // size[0])
    try:
        with apart.decoded(Path(source.path), pixels, reduce, rows) as (mode, (width, height), stream):
            if mode not in ("L", "LA", "RGB", "RGBA"):
                return None
            header.has_alpha = mode in ("LA", "RGBA")
            canvas = Canvas(width, height, np.uint8, header.has_alpha, header.orientation)
            for top in range(0, height, rows):
                band = np.empty((min(rows, height - top), width, len(mode)), np.uint8)
                apart.read_into(stream, band)
                canvas.put(slice(top, top + len(band)), band)
            return canvas
    except apart.ApartFailed as error:
        raise source.damaged(f"pixel data: {error}") from error


def _ask_for_less(image: Any, header: Header, about_px: int) -> int:
    """How many times a JPEG 2000 will come out halved."""
    halvings = 0
    if header.format == "JPEG":
        image.draft(None, (about_px, about_px))
    elif header.format == "JPEG2000":
        while min(image.size) >> (halvings + 1) >= about_px and halvings < 3:
            halvings += 1
        image.reduce = halvings
    return halvings


# --- OpenCV --------------------------------------------------------------------------------------


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


def _decode_cv2(source: ByteSource, header: Header) -> Canvas:
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


# --- 16-bit TIFF ---------------------------------------------------------------------------------


def _decode_tiff16(source: ByteSource, header: Header) -> Canvas:
    layout = header.tiff
    assert layout is not None
    # OpenCV takes channels that lie side by side; grey with alpha it reduces to 8 bits.
    plain = not layout.planar and not (header.mode == "grey" and layout.samples > 1)
    if plain and layout.compression in _CV2_COMPRESSIONS:
        canvas = _decode_cv2(source, header)
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
