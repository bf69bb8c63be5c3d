"""What goes into a written file, and the receipt for it: size, depth, colour, profile, metadata."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from core.images import exif as image_exif
from core.images import xmp as image_xmp
from core.images.colour import profile_name, profile_space, to_srgb
from core.images.encode import (
    CAPABILITIES,
    MAX_JPEG_SEGMENT_BYTES,
    MIN_DEEP_JPEG2000_EDGE_PX,
    EncodeJob,
    flattened,
)
from core.images.types import Picture, ReceiptLine, WriteOptions


def plan(
    format_name: str,
    picture: Picture,
    options: WriteOptions,
    provenance: Mapping[str, str] | None,
    sidecar: Path | None,
) -> tuple[EncodeJob, list[ReceiptLine]]:
    """The job for the encoder, and the receipt it will deserve."""
    limits = CAPABILITIES[format_name]
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
    exif, exif_gps = _plan_exif(format_name, picture, options, lines)
    xmp, xmp_gps = _plan_xmp(format_name, picture, options, provenance, lines)
    if options.strip_gps and (exif_gps or xmp_gps):
        lines.append(ReceiptLine("GPS position", False, "removed as asked"))
    elif exif_gps or xmp_gps:
        kept = limits.metadata and (exif is not None or xmp is not None)
        lines.append(ReceiptLine("GPS position", kept, "still in the file" if kept else "lost with the EXIF"))
    if provenance:
        where = f"in {sidecar.name}" if sidecar else "in the file's XMP"
        lines.append(ReceiptLine("Provenance", True, where))
    lines.extend(ReceiptLine("From the source", False, note) for note in picture.notes)
    job = EncodeJob(format_name, pixels, alpha, grey, depth, options.quality, icc, exif, xmp, picture.dpi)
    return job, lines


def _plan_depth(format_name: str, picture: Picture, options: WriteOptions, lines: list[ReceiptLine]) -> int:
    have = 16 if picture.pixels.dtype == np.uint16 else 8
    most = CAPABILITIES[format_name].bits
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
    grey = mode == "grey" and CAPABILITIES[format_name].grey
    if mode == "grey":
        detail = "grey" if grey else f"grey written as RGB: {format_name} has no grey"
        lines.append(ReceiptLine("Colour", grey, detail))
    elif mode == "palette":
        lines.append(ReceiptLine("Colour", False, "palette written as RGB"))
    elif mode == "cmyk":
        lines.append(ReceiptLine("Colour", False, "CMYK written as RGB"))
    return grey


def _plan_profile(format_name: str, picture: Picture, grey: bool, lines: list[ReceiptLine]) -> bytes | None:
    if not picture.icc:
        return None
    name = profile_name(picture.icc) or ""
    if not CAPABILITIES[format_name].metadata:
        lines.append(ReceiptLine("Colour profile", False, f"{name}: {format_name} has no place for it"))
        return None
    if profile_space(picture.icc) == "GRAY" and not grey:
        lines.append(ReceiptLine("Colour profile", False, f"{name} is for grey pictures, written as RGB"))
        return None
    lines.append(ReceiptLine("Colour profile", True, name))
    return picture.icc


def _plan_exif(
    format_name: str, picture: Picture, options: WriteOptions, lines: list[ReceiptLine]
) -> tuple[bytes | None, bool]:
    """The block to write, and whether the source's had a position in it."""
    if not picture.exif:
        return None, False
    gps = image_exif.has_gps(picture.exif)
    if not CAPABILITIES[format_name].metadata:
        lines.append(ReceiptLine("EXIF", False, f"{format_name} has no place for it"))
        return None, gps
    height, width = picture.pixels.shape[:2]
    small = None if format_name == "TIFF" else _exif_thumbnail(picture)
    try:
        exif, has_thumbnail = image_exif.for_output(picture.exif, width, height, small, options.strip_gps)
        if format_name == "JPEG" and len(exif) > MAX_JPEG_SEGMENT_BYTES:
            exif, has_thumbnail = image_exif.for_output(picture.exif, width, height, None, options.strip_gps)
            exif = exif[:MAX_JPEG_SEGMENT_BYTES] if not any(exif[MAX_JPEG_SEGMENT_BYTES:]) else exif
    except image_exif.ExifError as error:
        lines.append(ReceiptLine("EXIF", False, f"damaged in the source ({error})"))
        return None, gps
    if format_name == "JPEG" and len(exif) > MAX_JPEG_SEGMENT_BYTES:
        lines.append(ReceiptLine("EXIF", False, f"{len(exif)} bytes are too many for JPEG"))
        return None, gps
    if format_name == "TIFF" and not image_exif.block_tree(exif).speaks:
        lines.append(ReceiptLine("EXIF", True, "held nothing but the orientation, which is applied"))
        return None, gps
    detail = "kept, thumbnail renewed" if has_thumbnail else "kept"
    moved = format_name == "TIFF" or picture.info.format == "TIFF"
    if moved and image_exif.has_maker_note(exif):
        detail += "; the maker's private notes moved and may be unreadable"
    lines.append(ReceiptLine("EXIF", True, detail))
    return exif, gps


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
) -> tuple[bytes | None, bool]:
    """The packet to write, and whether the source's had a position in it."""
    gps = image_xmp.has_gps(picture.xmp)
    if not CAPABILITIES[format_name].metadata:
        if picture.xmp:
            lines.append(ReceiptLine("XMP", False, f"{format_name} has no place for it"))
        return None, gps
    packet = image_xmp.for_output(picture.xmp, provenance, options.strip_gps)
    kept, detail = packet.source_kept, "kept" if packet.source_kept else "damaged in the source"
    if format_name == "JPEG" and packet.xmp and len(packet.xmp) > MAX_JPEG_SEGMENT_BYTES:
        kept, detail = False, f"{len(packet.xmp)} bytes are too many for JPEG"
        packet = image_xmp.for_output(None, provenance, options.strip_gps)
    if picture.xmp:
        lines.append(ReceiptLine("XMP", kept, detail))
    return packet.xmp, gps
