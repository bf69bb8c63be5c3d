"""Thumbnails of large pictures are made band by band."""

from __future__ import annotations

import functools
import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from core.images import decode, png_strips
from core.images import io as image_io
from core.images.io import DamagedImage
from core.images.sniff import opened
from tests.image_makers import photo

MODES = ("L", "LA", "RGB", "RGBA", "P")


@functools.cache
def drawn(mode: str, width: int = 301, height: int = 203) -> Image.Image:
    pixels = photo(width, height, channels=4)
    pixels[..., 3] = np.linspace(0, 255, width).astype(np.uint8)
    image = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(9))
    return image.convert("RGB").quantize(64) if mode == "P" else image.convert(mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rows", [1, 7, 203, 500])
def test_strips_are_the_rows_of_the_picture(tmp_path: Path, mode: str, rows: int) -> None:
    image = drawn(mode)
    path = tmp_path / "a.png"
    image.save(path)
    with opened(path) as source:
        assert png_strips.can(source)
        found = list(png_strips.strips(source, rows))
    assert all(strip.mode == image.mode and strip.height == rows for strip in found[:-1])
    whole = np.concatenate([np.asarray(strip) for strip in found])
    assert np.array_equal(whole, np.asarray(image))
    if mode == "P":
        assert found[0].getpalette() == image.getpalette()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_a_thumbnail_in_bands_is_that_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, kind: str
) -> None:
    if kind == "BMP" and mode in ("LA", "RGBA"):
        pytest.skip("no transparency there")
    exif = Image.Exif()
    exif[0x0112] = 6
    image, path = drawn(mode), tmp_path / f"a.{kind.lower()}"
    image.save(path, **({"exif": exif} if kind == "PNG" else {}))
    whole = image_io.thumbnail(path, 30)
    monkeypatch.setattr(decode, "_LARGE_PIXELS", 1)
    monkeypatch.setattr(decode, "_BAND_PIXELS", 4000)
    banded = image_io.thumbnail(path, 30)
    assert banded.shape == whole.shape
    assert np.abs(banded.astype(int) - whole).mean() < 4 and np.abs(banded.astype(int) - whole).max() < 40


def test_a_large_png_that_ends_too_soon_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_LARGE_PIXELS", 1)
    buffer = io.BytesIO()
    drawn("RGB").save(buffer, "PNG")
    data = buffer.getvalue()
    at = data.index(b"IDAT") - 4
    rows = zlib.decompress(b"".join(_pixels(data)))[: 100 * (1 + 3 * 301)]
    half = data[:at] + png_strips._chunk(b"IDAT", zlib.compress(rows)) + png_strips._chunk(b"IEND", b"")
    path = tmp_path / "a.png"
    path.write_bytes(half)
    with pytest.raises(DamagedImage, match="row 100 of 203"):
        image_io.thumbnail(path, 30)


def _pixels(data: bytes) -> list[bytes]:
    found, at = [], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            found.append(data[at + 8 : at + 8 + length])
        at += length + 12
    return found


def test_what_would_take_a_gigabyte_comes_as_even_grey(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = drawn("RGB")
    for kind in ("JPEG", "PNG", "TIFF", "WEBP"):
        path = tmp_path / f"a.{kind.lower()}"
        image.save(path)
        monkeypatch.setattr(image_io, "_MOST_FOR_A_THUMBNAIL", 301 * 203 * 3)
        small = image_io.thumbnail(path, 30)
        assert small.shape == (20, 30, 3)
        assert (np.ptp(small) > 30) == (kind in ("JPEG", "PNG")), kind  # decoded smaller, or in strips
        monkeypatch.setattr(image_io, "_MOST_FOR_A_THUMBNAIL", 301 * 203 * 8)
        assert np.ptp(image_io.thumbnail(path, 30)) > 30
