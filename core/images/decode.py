"""Pixels out of files into one upright array: Pillow for 8 bits; :mod:`core.images.decode16` has what Pillow has not."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from core.images import apart, foreign, png_strips
from core.images.canvas import Canvas
from core.images.colour import cmyk_to_srgb, row_bands, srgb_profile
from core.images.decode16 import CV2_COMPRESSIONS, decode_cv2, decode_tiff16
from core.images.sniff import ByteSource, unreadable
from core.images.types import MAX_METADATA_BYTES, DamagedImage, Header, ImageError

_BAND_PIXELS = 2_000_000
_LARGE_PIXELS = 16_000_000
_CORNER_PX = 4
_STRAY = bytes(range(1, 255)) * 2  # no marker in it


def decode(source: ByteSource, header: Header, about_px: int | None = None) -> Canvas:
    """The whole picture upright. With ``about_px`` a JPEG or JPEG 2000 may come out smaller, but with
    no edge below that. May change ``header.icc`` and add to ``header.notes`` (CMYK).

    Raises DamagedImage, UnsupportedImage, UnreadableFile.
    """
    try:
        if header.format in ("HEIC", "RAW"):
            return _decode_foreign(source, header, about_px)
        if header.format == "TIFF" and header.bit_depth == 16:
            return decode_tiff16(source, header)
        if header.format == "WEBP" or header.bit_depth == 16:
            return decode_cv2(source, header)
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
    if header.tiff is not None and header.tiff.compression not in CV2_COMPRESSIONS:
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
