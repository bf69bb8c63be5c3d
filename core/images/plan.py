"""What goes into a written file, and the receipt for it: size, depth, colour, profile, metadata."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from core.images import exif as image_exif
from core.images import place
from core.images import xmp as image_xmp
from core.images.colour import profile_name, profile_space, to_srgb
from core.images.encode import (
    MAX_JPEG_SEGMENT_BYTES,
    MIN_DEEP_JPEG2000_EDGE_PX,
    EncodeJob,
    flattened,
)
from core.images.formats import FORMATS
from core.images.types import Picture, ReceiptLine, WriteOptions


def plan(
    format_name: str,
    picture: Picture,
    options: WriteOptions,
    provenance: Mapping[str, str] | None,
    sidecar: Path | None,
) -> tuple[EncodeJob, list[ReceiptLine]]:
    """The job for the encoder, and the receipt it will deserve."""
    limits = FORMATS[format_name]
    lines: list[ReceiptLine] = []
    height, width = picture.pixels.shape[:2]
    lines.append(ReceiptLine("Size", True, f"{width} × {height} px"))
    depth = _plan_depth(format_name, picture, options, lines)
    grey = _plan_colour(format_name, picture, lines)
    pixels, alpha = picture.pixels, picture.alpha
    if alpha is not None and not limits.alpha:
        pixels, alpha = flattened(pixels, alpha), None
        lines.append(ReceiptLine("Transparency", False, f"laid on white: {format_name} has none"))
    elif alpha is not None:
        lossy = format_name == "AVIF" or (format_name == "JPEG2000" and depth == 8 and options.quality < 100)
        lines.append(ReceiptLine("Transparency", True, "kept, compressed" if lossy else "unchanged"))
    icc = _plan_profile(format_name, picture, grey, lines)
    exif = _plan_exif(format_name, picture, options, lines)
    xmp = _plan_xmp(format_name, picture, options, provenance, lines)
    lines.extend(_places(picture, options, exif, xmp if picture.xmp else None))
    if provenance:
        where = f"in {sidecar.name}" if sidecar else "in the file's XMP"
        lines.append(ReceiptLine("Provenance", True, where))
    lines.extend(ReceiptLine("From the source", False, note) for note in picture.notes)
    job = EncodeJob(format_name, pixels, alpha, grey, depth, options.quality, icc, exif, xmp, picture.dpi)
    return job, lines


def _plan_depth(format_name: str, picture: Picture, options: WriteOptions, lines: list[ReceiptLine]) -> int:
    have = 16 if picture.pixels.dtype == np.uint16 else 8
    most = FORMATS[format_name].bits
    depth = (options.bit_depth or have) if most > 8 else 8
    reason = f"{format_name} holds no more"
    small = min(picture.pixels.shape[:2]) < MIN_DEEP_JPEG2000_EDGE_PX
    if format_name == "JPEG2000" and depth == 16 and small:
        depth, reason = 8, f"16-bit JPEG 2000 needs {MIN_DEEP_JPEG2000_EDGE_PX} px"
    written = min(depth, most)
    came_so = format_name == picture.info.format == "AVIF"  # its 10 or 12 bits were spread over 16
    if written >= have or (came_so and depth >= have):
        lines.append(ReceiptLine("Depth", True, f"{written} bits per channel"))
    else:
        why = "as asked" if options.bit_depth == 8 else reason
        lines.append(ReceiptLine("Depth", False, f"reduced from {have} to {written} bits: {why}"))
    return depth


def _plan_colour(format_name: str, picture: Picture, lines: list[ReceiptLine]) -> bool:
    mode = picture.info.mode
    grey = mode == "grey" and FORMATS[format_name].grey
    if mode == "grey":
        detail = "grey" if grey else f"grey written as RGB: {format_name} has no grey"
        lines.append(ReceiptLine("Colour", grey, detail))
    elif mode == "palette":
        lines.append(ReceiptLine("Colour", False, "palette written as RGB"))
    elif mode == "cmyk":
        lines.append(ReceiptLine("Colour", False, "CMYK written as RGB"))
    return grey


LEAST_PROFILE_BYTES = 132
"""The header of a profile and its number of tags; less makes a file that others cannot open."""


def _plan_profile(format_name: str, picture: Picture, grey: bool, lines: list[ReceiptLine]) -> bytes | None:
    if not picture.icc:
        return None
    name = profile_name(picture.icc) or ""
    if not FORMATS[format_name].metadata:
        lines.append(ReceiptLine("Colour profile", False, f"{name}: {format_name} has no place for it"))
        return None
    if len(picture.icc) < LEAST_PROFILE_BYTES:
        lines.append(ReceiptLine("Colour profile", False, "damaged: too short to be one"))
        return None
    if profile_space(picture.icc) == "GRAY" and not grey:
        lines.append(ReceiptLine("Colour profile", False, f"{name} is for grey pictures, written as RGB"))
        return None
    lines.append(ReceiptLine("Colour profile", True, name))
    return picture.icc


def _places(
    picture: Picture, options: WriteOptions, exif: bytes | None, xmp: bytes | None
) -> list[ReceiptLine]:
    """What becomes of the place the photo was taken at; ``exif`` and ``xmp`` are what is written of the source's."""
    in_exif, in_xmp = place.in_exif(picture.exif), image_xmp.places(picture.xmp)
    gps = in_xmp.gps or place.GPS in in_exif.named
    if not options.strip_gps:
        kept = (exif is not None and place.GPS in in_exif.named) or (xmp is not None and in_xmp.gps)
        detail = "still in the file" if kept else "lost with the EXIF"
        return [ReceiptLine("GPS position", kept, detail)] if gps else []
    lines = [ReceiptLine("GPS position", False, "removed as asked")] if gps else []
    others = [name for name in in_exif.named if name != place.GPS]
    others += ["XMP fields that can name a place or are not known here"] if in_xmp.other else []
    if others:
        lines.append(ReceiptLine("What can name the place", False, f"removed as asked: {', '.join(others)}"))
    if (exif is not None and in_exif.captions) or (xmp is not None and in_xmp.captions):
        lines.append(ReceiptLine("Caption and keywords", True, "kept; read them, they may name the place"))
    return lines


def _plan_exif(
    format_name: str, picture: Picture, options: WriteOptions, lines: list[ReceiptLine]
) -> bytes | None:
    if not picture.exif:
        return None
    if not FORMATS[format_name].metadata:
        lines.append(ReceiptLine("EXIF", False, f"{format_name} has no place for it"))
        return None
    height, width = picture.pixels.shape[:2]
    prepare = place.exif_without if options.strip_gps else image_exif.for_output
    small = None if format_name == "TIFF" else _exif_thumbnail(picture)
    try:
        exif, has_thumbnail = prepare(picture.exif, width, height, small)
        if format_name == "JPEG" and len(exif) > MAX_JPEG_SEGMENT_BYTES:
            exif, has_thumbnail = prepare(picture.exif, width, height, None)
            exif = exif[:MAX_JPEG_SEGMENT_BYTES] if not any(exif[MAX_JPEG_SEGMENT_BYTES:]) else exif
    except image_exif.ExifError as error:
        lines.append(ReceiptLine("EXIF", False, f"damaged in the source ({error})"))
        return None
    if format_name == "JPEG" and len(exif) > MAX_JPEG_SEGMENT_BYTES:
        lines.append(ReceiptLine("EXIF", False, f"{len(exif)} bytes are too many for JPEG"))
        return None
    if format_name == "TIFF" and not image_exif.block_tree(exif).speaks:
        lines.append(ReceiptLine("EXIF", True, "held nothing but the orientation, which is applied"))
        return None
    detail = "kept, thumbnail renewed" if has_thumbnail else "kept"
    moved = format_name == "TIFF" or picture.info.format in ("TIFF", "RAW")
    if moved and image_exif.has_maker_note(exif):
        detail += "; the maker's private notes moved and may be unreadable"
    lines.append(ReceiptLine("EXIF", True, detail))
    return exif


def _exif_thumbnail(picture: Picture) -> bytes:
    """A JPEG of at most 160 px, sRGB, of the new picture."""
    pixels = picture.pixels
    step = max(1, max(pixels.shape[:2]) // 640)
    image = Image.fromarray(to_srgb(np.ascontiguousarray(pixels[::step, ::step]), picture.icc))
    image.thumbnail((160, 160))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return buffer.getvalue()


def _plan_xmp(
    format_name: str,
    picture: Picture,
    options: WriteOptions,
    provenance: Mapping[str, str] | None,
    lines: list[ReceiptLine],
) -> bytes | None:
    if not FORMATS[format_name].metadata:
        if picture.xmp:
            lines.append(ReceiptLine("XMP", False, f"{format_name} has no place for it"))
        return None
    packet = image_xmp.for_output(picture.xmp, provenance, options.strip_gps)
    kept, detail = packet.source_kept, "kept" if packet.source_kept else "damaged in the source"
    if format_name == "JPEG" and packet.xmp and len(packet.xmp) > MAX_JPEG_SEGMENT_BYTES:
        kept, detail = False, f"{len(packet.xmp)} bytes are too many for JPEG"
        packet = image_xmp.for_output(None, provenance, options.strip_gps)
    if picture.xmp:
        lines.append(ReceiptLine("XMP", kept, detail))
    return packet.xmp
