"""The formats that are read and written, one record each: what they are called, by which names, and what they hold.

Formats that are read alone (HEIC, camera raw) stand in :mod:`core.images.types`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_UNBOUNDED_PX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Format:
    """A format, as this project writes it.

    Attributes:
        name: as :attr:`core.images.types.PictureInfo.format` has it.
        title, word: what people read, and what they may choose it for.
        extensions: lower case, with their dots; its own first.
        bits: per channel, at most.
        metadata: whether it holds ICC, EXIF and XMP.
        loses: whether it is written with a quality, and may lose something.
    """

    name: str
    title: str
    word: str
    extensions: tuple[str, ...]
    bits: int = 8
    alpha: bool = True
    grey: bool = True
    metadata: bool = True
    loses: bool = False
    max_edge_px: int = _UNBOUNDED_PX
    max_pixels: int = 2**40

    @property
    def extension(self) -> str:
        return self.extensions[0]

    @property
    def words(self) -> str:
        """What people choose from: "PNG, lossless"."""
        return f"{self.title}, {self.word}" if self.word else self.title


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        each.name: each
        for each in (
            Format("PNG", "PNG", "lossless", (".png",), bits=16),
            Format(
                "JPEG", "JPEG", "small", (".jpg", ".jpeg", ".jpe", ".jfif"),
                alpha=False, loses=True, max_edge_px=65_500,
            ),
            Format("TIFF", "TIFF", "lossless", (".tif", ".tiff"), bits=16),
            Format("WEBP", "WebP", "small", (".webp",), grey=False, loses=True, max_edge_px=16_383),
            Format(
                "AVIF", "AVIF", "smallest", (".avif",),
                bits=12, loses=True, max_edge_px=32_768, max_pixels=16_384**2,
            ),
            Format(
                "JPEG2000", "JPEG 2000", "", (".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc"),
                bits=16, loses=True,
            ),
            Format("BMP", "BMP", "bare pixels", (".bmp", ".dib"), metadata=False),
        )
    }
)  # fmt: skip
"""By name, in the order in which they are offered."""
