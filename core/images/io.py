"""The only way between image files and arrays.

Reading: the content decides what a file is, its header is judged before a pixel is decoded, and a file
that is cut short is refused rather than filled up. Writing: into a temporary file beside the target,
which takes the target's place only when it is complete and was read back; never over the original.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from core import atomic, foreign_text
from core.images import xmp as image_xmp
from core.images.canvas import Canvas
from core.images.colour import profile_name, row_bands, to_srgb
from core.images.decode import bytes_to_shrink, decode
from core.images.encode import EncodeJob, encode
from core.images.find import PassedOver, find_images, natural_key, passed_over_line
from core.images.formats import FORMATS
from core.images.headers import read_header
from core.images.plan import plan
from core.images.sniff import ByteSource, detect, opened
from core.images.types import (
    EXTENSION_FORMAT,
    EXTENSIONS,
    FORMAT_EXTENSION,
    HEIC_EXTENSIONS,
    MAX_PIXELS,
    RAW_EXTENSIONS,
    WRITTEN_AS,
    DamagedImage,
    EmptyFile,
    Header,
    ImageError,
    ImageTooLarge,
    NotAnImage,
    Picture,
    PictureInfo,
    Receipt,
    ReceiptLine,
    UnreadableFile,
    UnsupportedImage,
    WouldOverwrite,
    WriteFailed,
    WriteOptions,
)

__all__ = [
    "EXTENSIONS",
    "EXTENSION_FORMAT",
    "FORMAT_EXTENSION",
    "MAX_PIXELS",
    "WRITTEN_AS",
    "DamagedImage",
    "EmptyFile",
    "ImageError",
    "ImageTooLarge",
    "NotAnImage",
    "PassedOver",
    "Picture",
    "PictureInfo",
    "Receipt",
    "ReceiptLine",
    "UnreadableFile",
    "UnsupportedImage",
    "WouldOverwrite",
    "WriteFailed",
    "WriteOptions",
    "can_hold",
    "find_images",
    "from_array",
    "natural_key",
    "passed_over_line",
    "read",
    "read_info",
    "read_provenance",
    "sidecar_path",
    "sniff",
    "thumbnail",
    "to_srgb",
    "write",
]

_DEFAULTS = WriteOptions()
MOST_DECODED_BACK_PX = 64_000_000
"""Larger pictures are not decoded again after they were written."""
_EXACT = frozenset({"PNG", "TIFF", "BMP"})  # what they hold is what they were given

# --- reading -------------------------------------------------------------------------------------


def read_info(path: str | os.PathLike[str]) -> PictureInfo:
    """What the header says; cheap, decodes nothing. Raises a subclass of ImageError."""
    with opened(path) as source:
        return _info(source, read_header(source, thorough=False))


def sniff(path: str | os.PathLike[str]) -> str | None:
    """The format the content begins like; None when the file cannot be read or is none of ours."""
    try:
        with opened(path) as source:
            return detect(source)
    except ImageError:
        return None


def read(path: str | os.PathLike[str]) -> Picture:
    """The picture, upright, in the file's own colour encoding and depth (8 or 16 bits).

    Grey and palette pictures come as RGB, CMYK is converted. Raises a subclass of ImageError:
    UnreadableFile, EmptyFile, NotAnImage, UnsupportedImage, ImageTooLarge, DamagedImage.
    """
    with opened(path) as source:
        header = read_header(source, thorough=True)
        canvas = decode(source, header)
        return Picture(
            _info(source, header),
            canvas.pixels,
            canvas.alpha,
            header.icc,
            header.exif,
            header.xmp,
            tuple(header.notes),
            header.dpi,
        )


def _info(source: ByteSource, header: Header) -> PictureInfo:
    width, height = header.width, header.height
    if header.orientation >= 5:
        width, height = height, width
    return PictureInfo(
        path=Path(source.path),
        format=header.format,
        width=width,
        height=height,
        mode=header.mode,
        bit_depth=header.bit_depth,
        has_alpha=header.has_alpha,
        orientation=header.orientation,
        icc_name=profile_name(header.icc),
        file_bytes=source.size,
        file_mtime_ns=source.mtime_ns,
    )


def from_array(pixels: np.ndarray, name: str = "clipboard") -> Picture:
    """A picture without a file: (H, W, 3), (H, W, 4: RGBA), (H, W, 1) or (H, W), uint8 or uint16.

    The array is copied. Raises ValueError for other shapes or types, ImageTooLarge.
    """
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"pixels are {pixels.dtype}; need uint8 or uint16")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or pixels.size == 0:
        raise ValueError(f"pixels of shape {pixels.shape}; need (H, W, 1|3|4) with at least one pixel")
    height, width, channels = pixels.shape
    if width * height > MAX_PIXELS:
        raise ImageTooLarge(name, width, height)
    canvas = Canvas(width, height, pixels.dtype.type, channels == 4, 1)
    canvas.put(slice(None), pixels)
    info = PictureInfo(
        path=Path(name),
        format="PNG",
        width=width,
        height=height,
        mode="grey" if channels == 1 else "rgb",
        bit_depth=8 if pixels.dtype == np.uint8 else 16,
        has_alpha=channels == 4,
        orientation=1,
        icc_name=None,
        file_bytes=0,
    )
    return Picture(info, canvas.pixels, canvas.alpha, None, None, None)


_MOST_FOR_A_THUMBNAIL = 1_000_000_000  # bytes


def thumbnail(path: str | os.PathLike[str], max_px: int) -> np.ndarray:
    """(h, w, 3) uint8 sRGB, upright, no edge longer than ``max_px``, never enlarged.

    Transparency is laid on middle grey. JPEG and JPEG 2000 are decoded at reduced size. What has to be decoded whole and
    would take more than a gigabyte comes as even grey. Raises a subclass of ImageError, or ValueError for ``max_px`` < 1.
    """
    if max_px < 1:
        raise ValueError(f"max_px {max_px} is less than 1")
    with opened(path) as source:
        header = read_header(source, thorough=True)
        is_shown = bytes_to_shrink(source, header) <= _MOST_FOR_A_THUMBNAIL
        canvas = decode(source, header, about_px=max_px) if is_shown else None
    width, height = header.width, header.height
    if header.orientation >= 5:
        width, height = height, width
    scale = min(1.0, max_px / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if canvas is None:
        return np.full((size[1], size[0], 3), 128, np.uint8)
    shown = to_srgb(_resized(canvas.pixels, size), header.icc)
    if canvas.alpha is not None:
        alpha = _resized(canvas.alpha, size)
        cover = (alpha.astype(np.float32) / np.iinfo(alpha.dtype).max)[..., None]
        shown = (shown * cover + 128 * (1 - cover) + 0.5).astype(np.uint8)
    return np.ascontiguousarray(shown)


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if (values.shape[1], values.shape[0]) == size:
        return values
    from core.cv import cv2

    # Areas are averaged; a coarse stride would save time but show as moiré.
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA)).reshape(
        size[1], size[0], *values.shape[2:]
    )


# --- provenance ----------------------------------------------------------------------------------


def sidecar_path(path: str | os.PathLike[str]) -> Path:
    """NAME.EXT.json, where the provenance of formats without metadata stands."""
    path = Path(path)
    return path.with_name(path.name + ".json")


def read_provenance(path: str | os.PathLike[str], thorough: bool = False) -> dict[str, str] | None:
    """What :func:`write` recorded about a file (software, model, ...), from its XMP or its sidecar.

    None when the file was not written by this project. Raises a subclass of ImageError when the file
    cannot be opened or is not an image; if ``thorough``, which reads all of it, also when it was cut short.
    """
    with opened(path) as source:
        header = read_header(source, thorough)
    found = image_xmp.read_provenance(header.xmp)
    if found is None and header.format in FORMATS and not FORMATS[header.format].metadata:
        found = _read_sidecar(sidecar_path(path))
    return found


def _read_sidecar(path: Path) -> dict[str, str] | None:
    try:
        data = foreign_text.read_json(path)
    except (OSError, ValueError):
        return None
    if data.get("namespace") != image_xmp.NAMESPACE:
        return None
    return {key: value for key, value in data.items() if key != "namespace" and isinstance(value, str)}


# --- writing -------------------------------------------------------------------------------------


def can_hold(format: str, width: int, height: int) -> bool:
    """Whether a picture of this size fits into the format at all."""
    limits = FORMATS[format]
    return max(width, height) <= limits.max_edge_px and width * height <= limits.max_pixels


def write(
    path: str | os.PathLike[str],
    picture: Picture,
    options: WriteOptions = _DEFAULTS,
    provenance: Mapping[str, str] | None = None,
) -> Receipt:
    """Write ``picture`` and say what of it survived.

    The format is ``options.format``, else the one the extension names, else the source's own. Missing
    folders are made. ``provenance`` goes into the file's XMP, or into a sidecar where the format has no
    place for it. Raises WouldOverwrite, UnsupportedImage (the format cannot hold the size), WriteFailed,
    MemoryError; after any of them the target is as it was and no temporary file remains. ValueError for options that
    contradict each other.
    """
    target = Path(path)
    whole = picture.pixels.shape[1::-1]
    picture = _fitting(picture, options.longest_px)
    named = EXTENSION_FORMAT.get(target.suffix.lower())
    format_name = options.format or named or WRITTEN_AS.get(picture.info.format, picture.info.format)
    if target.suffix.lower() in HEIC_EXTENSIONS | RAW_EXTENSIONS:
        raise UnsupportedImage(
            target, "pictures of this kind are read but not written; choose JPEG, PNG or TIFF"
        )
    if named is not None and named != format_name:
        raise ValueError(f"{target.name}: the extension says {named}, the options say {format_name}")
    pixels, alpha = picture.pixels, picture.alpha
    if (
        pixels.ndim != 3
        or pixels.shape[2] != 3
        or pixels.size == 0
        or pixels.dtype not in (np.uint8, np.uint16)
    ):
        raise ValueError(f"pixels of shape {pixels.shape}, {pixels.dtype}; need (H, W, 3) uint8 or uint16")
    if alpha is not None and (alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype):
        raise ValueError(f"alpha {alpha.shape} {alpha.dtype} beside pixels {pixels.shape} {pixels.dtype}")
    height, width = pixels.shape[:2]
    if not can_hold(format_name, width, height):
        raise UnsupportedImage(target, f"{format_name} cannot hold {width} x {height} px", format=format_name)
    sidecar = sidecar_path(target) if provenance and not FORMATS[format_name].metadata else None
    _check_target(target, picture, options)
    if sidecar is not None:
        _check_sidecar(sidecar, options)

    job, lines = plan(format_name, picture, options, provenance, sidecar)
    if (width, height) != whole:
        lines[0] = ReceiptLine("Size", False, f"{width} × {height} px, reduced from {whole[0]} × {whole[1]}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        atomic.tidy(target.parent)
        with atomic.beside(target) as image_file:
            encode(job, image_file.file)
            image_file.finish()
            _read_back(image_file.path, job)
            if sidecar is None:
                _take_place(image_file.path, target, options.overwrite)
            else:
                record = {"namespace": image_xmp.NAMESPACE, **(provenance or {})}
                with atomic.beside(sidecar) as side_file:
                    side_file.file.write(json.dumps(record, indent=2, ensure_ascii=False).encode())
                    side_file.finish()
                    with _undone_on_failure(sidecar):
                        _take_place(side_file.path, sidecar, True)
                        _take_place(image_file.path, target, options.overwrite)
        atomic.sync_folder(target.parent)
    except (ImageError, MemoryError):
        raise
    except OSError as error:
        raise WriteFailed(target, error.strerror or str(error), error.errno) from error
    except Exception as error:
        # Encoders report in many ways; the target is untouched after all of them.
        raise WriteFailed(target, f"{type(error).__name__}: {error}") from error
    return Receipt(target, sidecar, tuple(lines))


def _fitting(picture: Picture, longest_px: int | None) -> Picture:
    """The picture itself, or one whose longer edge is ``longest_px``: areas averaged, nothing enlarged."""
    if longest_px is None or picture.pixels.ndim != 3 or max(picture.pixels.shape[:2]) <= longest_px:
        return picture
    height, width = picture.pixels.shape[:2]
    scale = longest_px / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return replace(
        picture,
        info=replace(picture.info, width=size[0], height=size[1]),
        pixels=_resized(picture.pixels, size),
        alpha=None if picture.alpha is None else _resized(picture.alpha, size),
    )


def _check_target(target: Path, picture: Picture, options: WriteOptions) -> None:
    source = picture.info.path
    if picture.info.file_bytes and _same_file(target, source):
        raise WouldOverwrite(target, is_source=True)
    if target.is_dir():
        raise WriteFailed(target, "is a folder")
    if not options.overwrite and os.path.lexists(target):
        raise WouldOverwrite(target, is_source=False)


def _check_sidecar(sidecar: Path, options: WriteOptions) -> None:
    if os.path.lexists(sidecar) and not (options.overwrite and _read_sidecar(sidecar) is not None):
        raise WouldOverwrite(sidecar, is_source=False)  # someone else's file of that name


def _same_file(target: Path, source: Path) -> bool:
    """By inode where both exist; else by name, where case does not count: on the next disk it may not."""
    with contextlib.suppress(OSError):
        if target.samefile(source):
            return True
    try:
        names = [os.path.normcase(item.resolve()).casefold() for item in (target, source)]
    except (OSError, RuntimeError):
        return False
    return names[0] == names[1]


def _take_place(temporary: Path, target: Path, overwrite: bool) -> None:
    if not overwrite and os.path.lexists(target):  # someone made it while we were encoding
        raise WouldOverwrite(target, is_source=False)
    atomic.exchange(temporary, target)


@contextmanager
def _undone_on_failure(sidecar: Path) -> Iterator[None]:
    """The sidecar goes first; should the picture not follow, the old state comes back."""
    before = sidecar.read_bytes() if sidecar.exists() else None
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            if before is None:
                sidecar.unlink(missing_ok=True)
            else:
                sidecar.write_bytes(before)
        raise


def _read_back(path: Path, job: EncodeJob) -> None:
    """What was written must say what was meant, and decode to it. Raises ValueError, DamagedImage.

    Pictures of more than :data:`MOST_DECODED_BACK_PX` are looked at from end to end only: decoded they would take their
    memory a second time.
    """
    is_large = job.pixels.shape[0] * job.pixels.shape[1] > MOST_DECODED_BACK_PX
    with opened(path) as source:
        header = read_header(source, thorough=True)
        canvas = None if is_large else decode(source, header)
    height, width = job.pixels.shape[:2]
    meant = (job.format, width, height, job.depth, job.alpha is not None)
    found = (header.format, header.width, header.height, header.bit_depth, header.has_alpha)
    if meant != found:
        raise ValueError(f"the written file reads back as {found} instead of {meant}")
    for what in ("icc", "exif", "xmp"):
        wanted, written = getattr(job, what), getattr(header, what)
        if wanted and not written:
            raise ValueError(f"the written file has lost its {what.upper()} block")
    if canvas is not None and job.format in _EXACT and not _is_same(job, canvas):
        raise ValueError("the written file decodes to other pixels")


def _is_same(job: EncodeJob, canvas: Canvas) -> bool:
    for rows in row_bands(job.pixels):
        meant = job.band(rows)
        colour = meant if meant.ndim == 2 else meant[..., : 1 if job.grey else 3]
        found = canvas.pixels[rows]
        if not (found == (colour[..., None] if colour.ndim == 2 else colour)).all():
            return False
        if job.alpha is not None and (canvas.alpha is None or (canvas.alpha[rows] != meant[..., -1]).any()):
            return False
    return True
