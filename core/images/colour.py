"""Colour profiles and bit depths: what the numbers in a picture look like on the screen."""

from __future__ import annotations

import io
import logging
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

_log = logging.getLogger(__name__)
_BAND_PIXELS = 4_000_000


def to_8bit(values: np.ndarray) -> np.ndarray:
    """uint16 to uint8, 65535 -> 255, rounded to nearest; uint8 comes back as it is."""
    if values.dtype == np.uint8:
        return values
    out = np.empty(values.shape, np.uint8)
    for band in row_bands(values):
        # (v + 128) // 257 rounds v / 257 to nearest and needs 17 bits.
        out[band] = (values[band].astype(np.uint32) + 128) // 257
    return out


def to_16bit(values: np.ndarray) -> np.ndarray:
    """uint8 to uint16, 255 -> 65535; uint16 comes back as it is."""
    if values.dtype == np.uint16:
        return values
    return values.astype(np.uint16) * np.uint16(257)


def row_bands(values: np.ndarray, band_pixels: int = _BAND_PIXELS) -> list[slice]:
    """Slices of whole rows that cover ``values`` (H, W, ...) in pieces of some megapixels."""
    height, width = values.shape[:2]
    rows = max(1, band_pixels // max(width, 1))
    return [slice(y, min(y + rows, height)) for y in range(0, height, rows)]


def profile_space(icc: bytes) -> str:
    """The colour space a profile describes: "RGB", "GRAY", "CMYK", "Lab" ... ("" when unreadable)."""
    return icc[16:20].decode("latin-1").strip() if len(icc) >= 128 else ""


@lru_cache(maxsize=64)
def profile_name(icc: bytes | None) -> str | None:
    """What a profile calls itself, "unnamed profile" or "unreadable profile"; None for none."""
    if not icc:
        return None
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc)))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return "unreadable profile"
    return name.strip("\0 \r\n\t") or "unnamed profile"


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@lru_cache(maxsize=8)
def _to_srgb_transform(icc: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None: the profile is as good as sRGB, or of no use. The transform may be used by several threads."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.NOCACHE | ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        _log.warning("colour profile of %d bytes cannot be used (%s); showing as sRGB", len(icc), error)
        return None
    if mode == "RGB":
        steps = np.array([0, 16, 64, 128, 192, 240, 255], np.uint8)
        probe = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3)
        shown = np.asarray(transform.apply(Image.fromarray(probe)))
        if np.abs(shown.astype(np.int16) - probe).max() <= 1:
            return None
    return transform


def to_srgb(pixels: np.ndarray, icc: bytes | None) -> np.ndarray:
    """(h, w, 3) uint8 | uint16 in the encoding ``icc`` describes -> (h, w, 3) uint8 sRGB for the screen.

    No profile counts as sRGB. A broken profile is logged and counts as none. The result may be
    ``pixels`` itself when nothing needs doing.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"pixels of shape {pixels.shape}, {pixels.dtype}; need (h, w, 3) uint8 or uint16")
    space = profile_space(icc) if icc else ""
    mode = {"RGB": "RGB", "GRAY": "L"}.get(space)
    transform = _to_srgb_transform(icc, mode) if icc and mode else None
    if icc and mode is None:
        _log.warning("a colour profile for %r does not fit RGB pixels; showing as sRGB", space)
    if transform is None or pixels.size == 0:
        return to_8bit(pixels)
    out = np.empty(pixels.shape, np.uint8)
    for band in row_bands(pixels):
        values = to_8bit(pixels[band])
        if mode == "L":
            values = grey_of(values)
        out[band] = np.asarray(transform.apply(Image.fromarray(np.ascontiguousarray(values))))
    return out


def grey_of(pixels: np.ndarray) -> np.ndarray:
    """(h, w, 3) -> (h, w): rounded luma (Rec. 601); exactly the channel where all three are equal."""
    total = pixels[..., 0].astype(np.uint32) * 299
    total += pixels[..., 1].astype(np.uint32) * 587
    total += pixels[..., 2].astype(np.uint32) * 114
    total += 500
    return (total // 1000).astype(pixels.dtype)


def cmyk_to_srgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, str, bool]:
    """A Pillow CMYK image as RGB, how that was done, and whether the profile was used."""
    if icc and profile_space(icc) == "CMYK":
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(icc)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.PERCEPTUAL,
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
            _log.warning("CMYK profile cannot be used (%s); converting plainly", error)
        else:
            assert converted is not None
            return converted, f"CMYK was converted to sRGB with its profile ({profile_name(icc)})", True
    return image.convert("RGB"), "CMYK without a usable profile was converted to RGB plainly", False
