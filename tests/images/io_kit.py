"""What tests of reading and writing pictures share."""

from __future__ import annotations

from pathlib import Path

from core.images import io as image_io

EXTENSIONS = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "TIFF": ".tif",
    "WEBP": ".webp",
    "AVIF": ".avif",
    "BMP": ".bmp",
    "JPEG2000": ".jp2",
}

PROVENANCE = {"software": "MemoryNet", "version": "1.2", "model": 'a "<b>" & ç', "strength": "0.5"}


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def lines(receipt: image_io.Receipt) -> dict[str, tuple[bool, str]]:
    return {line.what: (line.kept, line.detail) for line in receipt.lines}
