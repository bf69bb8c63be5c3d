"""What cameras write beside JPEG: HEIC and camera raw, read by libraries that are installed on wish.

They are only read. What is restored of them is written as ``WRITTEN_AS`` of :mod:`core.images.types` says, unless another format is asked for.
"""

from __future__ import annotations

import os
import struct
from typing import Any

import numpy as np

from core.images import exif as image_exif
from core.images.colour import row_bands, srgb_profile
from core.images.sniff import ByteSource
from core.images.types import DamagedImage, Header, ImageError

_BAND_PIXELS = 2_000_000
_PQ_OR_HLG = (16, 18)  # transfer characteristics of HDR
_SRGB_GAMMA = (2.4, 12.92)


def heic(source: ByteSource, _thorough: bool) -> Header:
    """The header of a HEIC picture; libheif has turned it upright already. Raises what the others raise."""
    file = _open_heif(source)
    width, height = file.size
    nclx = file.info.get("nclx_profile") or {}
    if nclx.get("transfer_characteristics") in _PQ_OR_HLG:
        raise source.unsupported("is an HDR picture (PQ or HLG encoding)", kind="hdr")
    header = Header("HEIC", width, height, "rgb", int(file.info.get("bit_depth", 8)))
    header.has_alpha = bool(file.has_alpha)
    header.icc = file.info.get("icc_profile") or None
    packet = file.info.get("exif")
    header.exif = image_exif.strip_prefix(packet) if packet else None
    header.xmp = file.info.get("xmp") or None
    if len(_images(file)) > 1:
        header.notes.append("Further pictures in the file were left aside")
    return header


def decode_heic(source: ByteSource, header: Header) -> tuple[np.ndarray, np.ndarray | None]:
    """(H, W, 3) and alpha (H, W) or None, uint8 or, of 10 and 12 bits, spread over uint16."""
    file = _open_heif(source)
    values = np.array(file)  # a copy: libheif's own memory is read-only and goes with the file
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=2)
    if values.shape[:2] != (header.height, header.width):
        raise source.damaged(f"decodes to {values.shape[1]} x {values.shape[0]} px, not {file.size}")
    if values.dtype == np.uint16 and 8 < header.stored_bits < 16:
        _fill_low_bits(values, header.stored_bits)
    alpha = values[..., 3].copy() if values.shape[2] == 4 else None
    return np.ascontiguousarray(values[..., :3]), alpha


def _fill_low_bits(values: np.ndarray, bits: int) -> None:
    """libheif shifts; the highest value has to become 65535 all the same. In place."""
    for rows in row_bands(values, _BAND_PIXELS):
        values[rows] |= values[rows] >> bits


def _open_heif(source: ByteSource) -> Any:
    import pillow_heif

    source.file.seek(0)
    try:
        return pillow_heif.open_heif(source.file, convert_hdr_to_8bit=False)
    except (ValueError, EOFError, RuntimeError, SyntaxError) as error:
        raise DamagedImage(source.path, f"HEIC: {error}") from error


def _images(file: Any) -> list[Any]:
    return list(file)


def raw(source: ByteSource, _thorough: bool) -> Header:
    """What a camera raw file will be once it is developed: 16 bits, upright, sRGB."""
    with _open_raw(source) as file:
        sizes = file.sizes
        width, height = sizes.width, sizes.height
        if sizes.flip in (5, 6):  # a quarter turn
            width, height = height, width
        if sizes.pixel_aspect != 1:
            raise source.unsupported("is a camera raw file whose pixels are no squares", kind="raw")
    header = Header("RAW", width, height, "rgb", 16)
    header.icc = srgb_profile()
    header.exif = _exif_of(source)
    header.notes.append("Developed from camera raw with the camera's own white balance")
    return header


def decode_raw(source: ByteSource, header: Header, about_px: int | None = None) -> np.ndarray:
    """(H, W, 3) uint16 in sRGB; half as large where no edge falls below ``about_px``."""
    import rawpy

    halved = about_px is not None and min(header.width, header.height) >= 2 * about_px
    with _open_raw(source) as file:
        try:
            values = file.postprocess(
                use_camera_wb=True,
                output_bps=16,
                output_color=rawpy.ColorSpace.sRGB,
                gamma=_SRGB_GAMMA,
                half_size=halved,
            )
        except rawpy.LibRawError as error:
            raise DamagedImage(source.path, f"camera raw: {_words(error)}") from error
    if not halved and values.shape[:2] != (header.height, header.width):
        raise source.damaged(f"decodes to {values.shape[1]} x {values.shape[0]} px")
    return np.ascontiguousarray(values)


def _open_raw(source: ByteSource) -> Any:
    import rawpy

    try:
        return rawpy.imread(os.fspath(source.path))
    except rawpy.LibRawUnspecifiedError as error:
        raise DamagedImage(source.path, f"camera raw: {_words(error)}") from error
    except rawpy.LibRawFileUnsupportedError as error:
        raise source.unsupported(
            "is a camera raw file of a kind that is not known here", kind="raw"
        ) from error
    except rawpy.LibRawError as error:
        raise DamagedImage(source.path, f"camera raw: {_words(error)}") from error


def _words(error: Exception) -> str:
    message = error.args[0] if error.args else str(error)
    return message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)


def _exif_of(source: ByteSource) -> bytes | None:
    """The descriptive tags, of raw files that are built like a TIFF; of the others none is read."""
    try:
        reader = image_exif.TiffReader(source.at)
        tree = image_exif.tag_tree(reader, reader.chain()[0])
        return image_exif.build_block(tree) if tree.speaks else None
    except (ImageError, image_exif.ExifError, struct.error, ArithmeticError, LookupError, ValueError):
        return None
