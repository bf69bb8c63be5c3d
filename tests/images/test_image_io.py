"""Pictures in and out: every format, every kind of pixel, everything that travels with them."""

from __future__ import annotations

import io
import os
import struct
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.cv import cv2
from core.images import exif as image_exif
from core.images import io as image_io
from core.images import place
from core.images import xmp as image_xmp
from core.images.io import WriteOptions
from tests.image_makers import (
    MAKER_NOTE,
    XMP,
    cmyk_profile,
    exif_block,
    grey_profile,
    interlaced_png_bytes,
    photo,
    pillow_bytes,
    png_bytes,
    png_chunk,
    rgb_profile,
    tifffile_bytes,
)

EXTENSIONS = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "TIFF": ".tif",
    "WEBP": ".webp",
    "AVIF": ".avif",
    "BMP": ".bmp",
    "JPEG2000": ".jp2",
}
WITH_METADATA = [name for name in EXTENSIONS if name != "BMP"]
PROVENANCE = {"software": "MemoryNet", "version": "1.2", "model": 'a "<b>" & ç', "strength": "0.5"}


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def lines(receipt: image_io.Receipt) -> dict[str, tuple[bool, str]]:
    return {line.what: (line.kept, line.detail) for line in receipt.lines}


# --- reading what others wrote -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "tiff_deflate"}, 0),
        ("TIFF", {"compression": "packbits"}, 0),
        ("TIFF", {"compression": "jpeg", "quality": 95}, 12),
        ("JPEG", {"quality": 95}, 12),
        ("JPEG", {"quality": 95, "progressive": True}, 12),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 16),
        ("AVIF", {"quality": 95}, 16),
        ("JPEG2000", {}, 0),
        ("JPEG2000", {"no_jp2": True}, 0),
    ],
)
def test_reads_8_bit_colour(tmp_path: Path, format: str, options: dict, tolerance: int) -> None:
    pixels = photo(70, 50)
    path = put(tmp_path, "any name at all", pillow_bytes(pixels, format, **options))
    picture = image_io.read(path)
    assert picture.info.format == format
    assert (picture.info.width, picture.info.height, picture.info.bit_depth) == (70, 50, 8)
    assert picture.info.mode == "rgb" and not picture.info.has_alpha and picture.alpha is None
    assert picture.pixels.dtype == np.uint8 and picture.pixels.flags.c_contiguous
    assert np.abs(picture.pixels.astype(int) - pixels).max() <= tolerance
    info = image_io.read_info(path)
    assert info == replace(picture.info)
    assert info.file_bytes == path.stat().st_size


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "AVIF", "BMP", "JPEG2000"])
def test_grey_stays_grey(tmp_path: Path, format: str) -> None:
    pixels = photo(40, 66, channels=1)[..., 0]
    path = put(tmp_path, "grey", pillow_bytes(pixels, format))
    picture = image_io.read(path)
    assert picture.info.mode == image_io.read_info(path).mode == "grey"
    assert picture.pixels.shape == (66, 40, 3)
    assert (picture.pixels == picture.pixels[..., :1]).all()
    out = tmp_path / f"out{EXTENSIONS[format]}"
    receipt = image_io.write(out, picture, WriteOptions(quality=100))
    assert lines(receipt)["Colour"] == (True, "grey")
    with Image.open(out) as again:
        assert again.mode == "L"
        assert np.abs(np.asarray(again).astype(int) - picture.pixels[..., 0]).max() <= 3


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_reads_every_channel_layout(tmp_path: Path, depth: type, channels: int, kind: str) -> None:
    pixels = np.random.default_rng(1).integers(0, np.iinfo(depth).max + 1, (21, 17, channels)).astype(depth)
    if kind == "png":
        data = png_bytes(pixels)
    else:
        grey = channels < 3
        extra = ["unassalpha"] if channels in (2, 4) else None
        data = tifffile_bytes(
            pixels[..., 0] if channels == 1 else pixels,
            photometric="minisblack" if grey else "rgb",
            extrasamples=extra,
            planarconfig="contig" if channels > 1 else None,
        )
    path = put(tmp_path, "a.png", data)
    picture = image_io.read(path)
    assert picture.info.has_alpha == image_io.read_info(path).has_alpha == (channels in (2, 4))
    assert picture.info.mode == ("grey" if channels < 3 else "rgb")
    assert picture.pixels.dtype == depth
    colour = pixels[..., :3] if channels >= 3 else np.repeat(pixels[..., :1], 3, -1)
    assert np.array_equal(picture.pixels, colour)
    if channels in (2, 4):
        assert picture.alpha is not None and np.array_equal(picture.alpha, pixels[..., -1])


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zlib", "predictor": True, "rowsperstrip": 4},
        {"compression": "zlib", "tile": (16, 16)},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"planarconfig": "separate"},
        {"planarconfig": "separate", "compression": "zlib", "predictor": True, "rowsperstrip": 5},
        {"bigtiff": True, "byteorder": ">", "tile": (32, 16), "planarconfig": "separate"},
    ],
)
@pytest.mark.parametrize("alpha", [False, True])
def test_reads_16_bit_tiff_layouts(tmp_path: Path, options: dict, alpha: bool) -> None:
    pixels = photo(53, 39, np.uint16, 4 if alpha else 3)
    stored = np.moveaxis(pixels, -1, 0) if options.get("planarconfig") == "separate" else pixels
    extra = ["unassalpha"] if alpha else None
    data = tifffile_bytes(np.ascontiguousarray(stored), photometric="rgb", extrasamples=extra, **options)
    picture = image_io.read(put(tmp_path, "deep.tif", data))
    assert picture.info.bit_depth == 16
    assert np.array_equal(picture.pixels, pixels[..., :3])
    if alpha:
        assert picture.alpha is not None and np.array_equal(picture.alpha, pixels[..., 3])


@pytest.mark.parametrize("compression", [1, 5, 8, 32773])
@pytest.mark.parametrize("alpha", [False, True])
def test_reads_16_bit_tiff_of_another_library(tmp_path: Path, alpha: bool, compression: int) -> None:
    pixels = photo(40, 30, np.uint16, 4 if alpha else 3)
    order = [2, 1, 0, 3] if alpha else [2, 1, 0]
    path = tmp_path / "lzw.tif"
    assert cv2.imwrite(
        str(path), np.ascontiguousarray(pixels[..., order]), [cv2.IMWRITE_TIFF_COMPRESSION, compression]
    )
    picture = image_io.read(path)
    assert np.array_equal(picture.pixels, pixels[..., :3])
    assert (picture.alpha is not None) == alpha


def test_16_bit_tiff_where_0_is_white(tmp_path: Path) -> None:
    pixels = photo(20, 10, np.uint16, 1)[..., 0]
    picture = image_io.read(put(tmp_path, "w.tif", tifffile_bytes(pixels, photometric="miniswhite")))
    assert np.array_equal(picture.pixels[..., 1], 65535 - pixels)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_premultiplied_tiff_is_divided_by_its_alpha(tmp_path: Path, depth: type) -> None:
    top = np.iinfo(depth).max
    stored = np.array([[[top // 2, top // 4, 0, top // 2], [0, 0, 0, 0]]], depth)
    data = tifffile_bytes(stored, photometric="rgb", extrasamples=["assocalpha"])
    picture = image_io.read(put(tmp_path, "pre.tif", data))
    assert np.abs(picture.pixels[0, 0].astype(int) - [top, top // 2, 0]).max() <= top // 200
    assert picture.alpha is not None and picture.alpha[0].tolist() == [top // 2, 0]


def test_palette_becomes_rgb(tmp_path: Path) -> None:
    image = Image.fromarray(photo(40, 30)).quantize(17)
    path = put(tmp_path, "p.png", pillow_bytes(image, "PNG"))
    picture = image_io.read(path)
    assert picture.info.mode == "palette"
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))
    receipt = image_io.write(tmp_path / "o.png", picture)
    assert lines(receipt)["Colour"] == (False, "palette written as RGB")


def test_palette_with_transparent_colours(tmp_path: Path) -> None:
    image = Image.fromarray(photo(40, 30)).quantize(4)
    data = pillow_bytes(image, "PNG", transparency=bytes([0, 100, 255, 255]))
    picture = image_io.read(put(tmp_path, "p.png", data))
    index = np.asarray(image)
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, np.array([0, 100, 255, 255], np.uint8)[index])
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_png_with_one_transparent_colour(tmp_path: Path, depth: type, channels: int) -> None:
    pixels = np.random.default_rng(2).integers(0, 200, (9, 8, channels)).astype(depth)
    key = struct.pack(f">{channels}H", *pixels[3, 4].tolist())
    picture = image_io.read(put(tmp_path, "k.png", png_bytes(pixels, png_chunk(b"tRNS", key))))
    hit = (pixels == pixels[3, 4]).all(-1)
    assert picture.alpha is not None and picture.alpha.dtype == depth
    assert np.array_equal(picture.alpha, np.where(hit, 0, np.iinfo(depth).max))
    assert np.array_equal(picture.pixels, np.broadcast_to(pixels, (9, 8, 3)))


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (33, 20)])
def test_interlaced_png(tmp_path: Path, depth: type, size: tuple[int, int]) -> None:
    pixels = photo(*size, depth, 4)
    picture = image_io.read(put(tmp_path, "i.png", interlaced_png_bytes(pixels)))
    assert np.array_equal(picture.pixels, pixels[..., :3])
    assert picture.alpha is not None and np.array_equal(picture.alpha, pixels[..., 3])


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
def test_1_bit_pictures(tmp_path: Path, format: str) -> None:
    image = Image.fromarray(photo(33, 20)).convert("1")
    picture = image_io.read(put(tmp_path, "bit", pillow_bytes(image, format)))
    assert picture.info.mode == "grey" and picture.info.bit_depth == 8
    assert np.array_equal(picture.pixels[..., 0], np.where(np.asarray(image), 255, 0))


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_without_profile_is_converted_plainly(tmp_path: Path, format: str) -> None:
    ink = np.zeros((16, 24, 4), np.uint8)
    ink[..., 1] = 200  # magenta
    image = Image.frombytes("CMYK", (24, 16), ink.tobytes())
    options = {"quality": 100} if format == "JPEG" else {}
    path = put(tmp_path, "ink", pillow_bytes(image, format, **options))
    picture = image_io.read(path)
    assert picture.info.mode == image_io.read_info(path).mode == "cmyk"
    assert np.abs(picture.pixels[8, 12].astype(int) - [255, 55, 255]).max() <= 3
    assert picture.icc is None
    receipt = image_io.write(tmp_path / "out.png", picture)
    assert ("From the source", False) in {(line.what, line.kept) for line in receipt.lines}
    assert any("plainly" in line.detail for line in receipt.lines)


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_with_profile_is_converted_by_it(tmp_path: Path, format: str) -> None:
    ink = np.zeros((16, 24, 4), np.uint8)
    ink[..., 1] = 255
    image = Image.frombytes("CMYK", (24, 16), ink.tobytes())
    data = pillow_bytes(
        image, format, icc_profile=cmyk_profile(), **({"quality": 100} if format == "JPEG" else {})
    )
    picture = image_io.read(put(tmp_path, "ink", data))
    red, green, blue = (int(v) for v in picture.pixels[8, 12])
    assert max(red, green, blue) - min(red, green, blue) <= 3, "the test profile knows no hues"
    assert 150 < red < 220
    assert picture.icc is not None and picture.info.icc_name is not None
    assert any("Ink test" in note for note in picture.notes)
    assert np.abs(image_io.to_srgb(picture.pixels, picture.icc).astype(int) - picture.pixels).max() <= 1


@pytest.mark.parametrize("alpha", [False, True])
def test_16_bit_jpeg2000_keeps_every_level(tmp_path: Path, alpha: bool) -> None:
    pixels = photo(80, 70, np.uint16, 4 if alpha else 3)
    path = tmp_path / "deep.jp2"
    image_io.write(path, image_io.from_array(pixels))
    picture = image_io.read(path)
    assert picture.info.bit_depth == 16
    assert np.array_equal(picture.pixels, pixels[..., :3])
    assert not alpha or (picture.alpha is not None and np.array_equal(picture.alpha, pixels[..., 3]))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_avif_keeps_12_bits(tmp_path: Path, channels: int) -> None:
    picture = replace(
        image_io.from_array(photo(90, 70, np.uint16, channels)), exif=exif_block(), xmp=XMP, icc=None
    )
    receipt = image_io.write(tmp_path / "a.avif", picture, WriteOptions(quality=100), PROVENANCE)
    assert lines(receipt)["Depth"] == (False, "reduced from 16 to 12 bits: AVIF holds no more")
    first = image_io.read(tmp_path / "a.avif")
    assert first.info.bit_depth == image_io.read_info(tmp_path / "a.avif").bit_depth == 16
    assert first.info.mode == picture.info.mode
    assert image_io.read_provenance(tmp_path / "a.avif") == PROVENANCE and first.exif
    assert np.abs(first.pixels.astype(int) - picture.pixels).mean() < 64, "8 bits would be 64 off by rounding"
    assert len(np.unique(first.pixels)) > 1000
    assert lines(image_io.write(tmp_path / "b.avif", first))["Depth"] == (True, "12 bits per channel")
    receipt = image_io.write(tmp_path / "c.avif", first, WriteOptions(bit_depth=8))
    assert lines(receipt)["Depth"][0] is False
    assert image_io.read_info(tmp_path / "c.avif").bit_depth == 8


@pytest.mark.parametrize("bits", [10, 12])
def test_reads_deep_avif_of_another_library(tmp_path: Path, bits: int) -> None:
    pixels = photo(60, 40, np.uint16) >> (16 - bits)
    path = tmp_path / "deep.avif"
    params = [cv2.IMWRITE_AVIF_DEPTH, bits, cv2.IMWRITE_AVIF_QUALITY, 100]
    assert cv2.imwrite(str(path), np.ascontiguousarray(pixels[..., ::-1]), params)
    read = image_io.read(path).pixels
    assert np.abs(read / 65535 - pixels / (2**bits - 1)).max() < 0.01
    assert image_io.thumbnail(path, 30).shape == (20, 30, 3)


def test_the_content_decides_not_the_extension(tmp_path: Path) -> None:
    path = put(tmp_path, "photo.png", pillow_bytes(photo(9, 9), "JPEG"))
    assert image_io.read_info(path).format == image_io.read(path).info.format == "JPEG"
    assert image_io.sniff(path) == "JPEG"


@pytest.mark.parametrize("name", ["дождь в лесу.png", "雨 ☔.png", 'a\'b "c" %d\n.png', "é" * 100 + ".png"])
def test_odd_names(tmp_path: Path, name: str) -> None:
    pixels = photo(12, 10, np.uint16)
    path = tmp_path / name
    image_io.write(path, image_io.from_array(pixels), provenance=PROVENANCE)
    assert np.array_equal(image_io.read(path).pixels, pixels)
    assert image_io.thumbnail(path, 8).shape == (7, 8, 3)


def test_jpeg_with_a_second_picture_behind_the_first_says_so(tmp_path: Path) -> None:
    first, second = (Image.fromarray(photo(32, 24, seed=i)) for i in (1, 2))
    data = pillow_bytes(first, "MPO", save_all=True, append_images=[second])
    picture = image_io.read(put(tmp_path, "stereo.jpg", data))
    assert any("Further pictures" in note for note in picture.notes)
    assert np.abs(picture.pixels.astype(int) - np.asarray(first)).max() < 40


def test_jpeg_with_stray_bytes_after_its_end(tmp_path: Path) -> None:
    data = pillow_bytes(photo(32, 24), "JPEG")
    path = put(tmp_path, "motion.jpg", data + b"\0\0\0\x18ftypmp42" + bytes(5000))
    assert image_io.read(path).info.width == 32


@pytest.mark.parametrize("format", EXTENSIONS)
def test_pillows_own_limit_neither_hinders_nor_changes(
    tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    picture = image_io.from_array(photo(70, 50, channels=4))
    path = tmp_path / f"a{EXTENSIONS[format]}"
    image_io.write(path, picture)
    assert image_io.read(path).pixels.shape == (50, 70, 3)
    assert image_io.thumbnail(path, 30).shape == (21, 30, 3)
    assert Image.MAX_IMAGE_PIXELS == 50


# --- orientation ---------------------------------------------------------------------------------


def turned(upright: np.ndarray, orientation: int) -> np.ndarray:
    """How a camera that notes this orientation stores an upright scene, by EXIF's words: where the
    stored first row and first column lie in the scene."""
    sides = {
        1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
        5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
    }  # fmt: skip
    first_row, first_column = sides[orientation]
    if first_row in ("left", "right"):
        upright = upright.swapaxes(0, 1)  # rows of the file are columns of the scene
    if first_row in ("bottom", "right"):
        upright = upright[::-1]
    if first_column in ("bottom", "right"):
        upright = upright[:, ::-1]
    return np.ascontiguousarray(upright)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "kind", ["png8", "png16", "jpeg", "webp", "tiff8", "tiff16", "tiff16 lzw", "avif", "jp2"]
)
def test_orientation_is_applied_once(tmp_path: Path, orientation: int, kind: str) -> None:
    depth = np.uint16 if "16" in kind else np.uint8
    scene = photo(48, 32, depth)
    stored = turned(scene, orientation)
    exif = exif_block(orientation=orientation)
    extension = "jp2" if kind == "jp2" else kind.partition(" ")[0].rstrip("0123456789")
    if kind.startswith("png"):
        data = png_bytes(stored, png_chunk(b"eXIf", exif))
    elif kind == "tiff16 lzw":
        scene = np.repeat(scene[..., :1], 3, -1)  # Pillow writes 16 bits in grey only
        grey = np.ascontiguousarray(stored[..., 0])
        data = pillow_bytes(grey, "TIFF", compression="tiff_lzw", tiffinfo={274: orientation})
    elif kind.startswith("tiff"):
        data = tifffile_bytes(stored, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    elif kind == "jp2":
        image_io.write(tmp_path / "plain.jp2", image_io.from_array(stored), WriteOptions(quality=100))
        uuid = b"JpgTiffExif->JP2" + exif
        plain = (tmp_path / "plain.jp2").read_bytes()
        data = plain + struct.pack(">I4s", 8 + len(uuid), b"uuid") + uuid
    else:
        options = {
            "jpeg": {"quality": 97, "subsampling": 0},
            "webp": {"lossless": True},
            "avif": {"quality": 97},
        }
        data = pillow_bytes(stored, extension.upper(), exif=b"Exif\0\0" + exif, **options[kind])
    path = put(tmp_path, f"turned.{extension}", bytes(data))

    info = image_io.read_info(path)
    assert (info.width, info.height, info.orientation) == (48, 32, orientation)
    picture = image_io.read(path)
    assert picture.pixels.flags.c_contiguous
    assert np.abs(picture.pixels.astype(int) - scene).max() <= (0 if kind not in ("jpeg", "avif") else 14)
    small = image_io.thumbnail(path, 24)
    assert small.shape == (16, 24, 3)

    out = tmp_path / ("out" + EXTENSIONS[info.format])
    image_io.write(out, picture, WriteOptions(quality=100))
    again = image_io.read(out)
    assert again.info.orientation == 1
    assert np.abs(again.pixels.astype(int) - picture.pixels).max() <= (
        0 if kind not in ("jpeg", "avif") else 8
    )


# --- round trips ---------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", [".png", ".tif"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    depth=st.sampled_from([np.uint8, np.uint16]),
    channels=st.sampled_from([1, 3, 4]),
    seed=st.integers(0, 2**32 - 1),
)
def test_png_and_tiff_keep_every_value(
    tmp_path: Path, extension: str, width: int, height: int, depth: type, channels: int, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, np.iinfo(depth).max + 1, (height, width, channels))
    original = image_io.from_array(pixels.astype(depth))
    path = tmp_path / f"trip{extension}"
    image_io.write(path, original, WriteOptions(overwrite=True))
    picture = image_io.read(path)
    assert picture.pixels.dtype == depth
    assert np.array_equal(picture.pixels, original.pixels)
    assert picture.info.mode == original.info.mode
    if channels == 4:
        assert picture.alpha is not None and np.array_equal(picture.alpha, pixels[..., 3])
    # and another decoder agrees
    if extension == ".tif":
        seen, order = tifffile.imread(path), [0, 1, 2, 3][:channels]
    else:
        seen, order = (
            cv2.imread(str(path), cv2.IMREAD_UNCHANGED),
            {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels],
        )
    assert np.array_equal(seen.reshape(height, width, -1)[..., order], pixels.astype(depth))


@pytest.mark.parametrize("extension", [".png", ".tif"])
def test_pictures_of_several_bands(tmp_path: Path, extension: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.images.encode._BAND_PIXELS", 300)
    pixels = np.random.default_rng(3).integers(0, 65536, (95, 60, 4)).astype(np.uint16)
    path = tmp_path / f"bands{extension}"
    image_io.write(path, image_io.from_array(pixels))
    picture = image_io.read(path)
    assert np.array_equal(picture.pixels, pixels[..., :3])
    assert picture.alpha is not None and np.array_equal(picture.alpha, pixels[..., 3])


@pytest.mark.parametrize("extension", [".webp", ".bmp", ".jp2"])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (37, 61)])
def test_lossless_at_quality_100(tmp_path: Path, extension: str, size: tuple[int, int]) -> None:
    pixels = photo(*size)
    path = tmp_path / f"trip{extension}"
    image_io.write(path, image_io.from_array(pixels), WriteOptions(quality=100))
    assert np.array_equal(image_io.read(path).pixels, pixels)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "JPEG2000", "AVIF"])
def test_alpha_and_the_colour_below_it_travel_untouched(tmp_path: Path, format: str) -> None:
    pixels = photo(70, 66, channels=4)
    pixels[:20, :, 3] = 0
    pixels[20:40, :, 3] = 255
    path = tmp_path / f"a{EXTENSIONS[format]}"
    receipt = image_io.write(path, image_io.from_array(pixels), WriteOptions(quality=100))
    picture = image_io.read(path)
    assert picture.alpha is not None and lines(receipt)["Transparency"][0]
    assert np.abs(picture.alpha.astype(int) - pixels[..., 3]).max() <= (3 if format == "AVIF" else 0)
    assert np.abs(picture.pixels.astype(int) - pixels[..., :3]).max() <= (6 if format == "AVIF" else 0)


@pytest.mark.parametrize("format", ["JPEG", "BMP"])
def test_without_alpha_pictures_are_laid_on_white(tmp_path: Path, format: str) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., 3] = 128
    path = tmp_path / f"a{EXTENSIONS[format]}"
    receipt = image_io.write(path, image_io.from_array(pixels))
    assert np.abs(image_io.read(path).pixels.astype(int) - 127).max() <= 1
    assert not lines(receipt)["Transparency"][0]


def test_depth_is_rounded_and_spread_exactly(tmp_path: Path) -> None:
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    picture = image_io.from_array(deep)
    receipt = image_io.write(tmp_path / "a.png", picture, WriteOptions(bit_depth=8))
    assert np.array_equal(image_io.read(tmp_path / "a.png").pixels[..., 0], np.rint(deep / 257.0))
    assert not lines(receipt)["Depth"][0]
    shallow = image_io.from_array(np.arange(256, dtype=np.uint8).reshape(16, 16))
    image_io.write(tmp_path / "b.png", shallow, WriteOptions(bit_depth=16))
    assert np.array_equal(
        image_io.read(tmp_path / "b.png").pixels[..., 0], np.arange(256).reshape(16, 16) * 257
    )


def test_grey_source_restored_with_a_tint_is_written_grey(tmp_path: Path) -> None:
    picture = image_io.from_array(np.full((4, 4), 1000, np.uint16))
    tinted = picture.pixels.copy()
    tinted[..., 0] += 100
    image_io.write(tmp_path / "a.tif", replace(picture, pixels=tinted))
    again = image_io.read(tmp_path / "a.tif")
    assert again.info.mode == "grey"
    assert again.pixels[0, 0, 0] == 1030  # 0.299 of the red's 100, rounded


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
def test_from_array(shape: tuple[int, ...]) -> None:
    source = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    picture = image_io.from_array(source)
    source[:] = 0
    assert picture.pixels.any(), "must be a copy"
    assert picture.pixels.shape == (5, 7, 3)
    assert picture.info.mode == ("grey" if shape[2:] in ((), (1,)) else "rgb")
    assert picture.info.file_bytes == 0


@pytest.mark.parametrize(
    "bad", [np.zeros((3, 3), float), np.zeros((3, 3, 2), np.uint8), np.zeros((0, 3, 3), np.uint8)]
)
def test_from_array_refuses(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="pixels"):
        image_io.from_array(bad)


# --- metadata ------------------------------------------------------------------------------------


def rich_picture(**changes: object) -> image_io.Picture:
    """An upright photo that came with everything (as if read from a rotated camera JPEG)."""
    plain = image_io.from_array(photo(80, 64))
    thumbnail = pillow_bytes(photo(32, 24, seed=9), "JPEG")
    picture = replace(
        plain,
        icc=rgb_profile(1.8, "Test 1.8"),
        exif=exif_block(thumbnail=thumbnail),
        xmp=XMP,
        dpi=(300.0, 300.0),
    )
    return replace(picture, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("format", WITH_METADATA)
@pytest.mark.parametrize("endian", ["<", ">"])
def test_metadata_survives(tmp_path: Path, format: str, endian: str) -> None:
    picture = rich_picture(exif=exif_block(endian, thumbnail=pillow_bytes(photo(32, 24), "JPEG")))
    path = tmp_path / f"rich{EXTENSIONS[format]}"
    receipt = image_io.write(path, picture, provenance=PROVENANCE)
    again = image_io.read(path)

    assert again.icc == picture.icc and again.info.icc_name == "Test 1.8"
    assert lines(receipt)["Colour profile"] == (True, "Test 1.8")

    exif = Image.Exif()
    exif.load(b"Exif\0\0" + (again.exif or b""))
    assert exif[271] == "Camera!" and exif.get(274, 1) == 1
    sub = exif.get_ifd(34665)
    assert (sub[40962], sub[40963]) == (80, 64)
    assert sub[37500] == MAKER_NOTE
    assert sub[33434] == pytest.approx(1 / 250)
    assert exif.get_ifd(34853)[2] == (48.0, 51.0, 30.0)
    assert lines(receipt)["EXIF"][0] and lines(receipt)["GPS position"] == (True, "still in the file")

    assert again.xmp is not None
    assert b"Pluie &amp; soleil" in again.xmp and b'Rating="4"' in again.xmp
    assert b'tiff:Orientation="1"' in again.xmp and b"48,51.5N" in again.xmp
    assert image_io.read_provenance(path) == PROVENANCE
    with Image.open(path) as other:  # others still open it
        assert other.size == (80, 64)
        assert "icc_profile" in other.info or format == "JPEG2000"


@pytest.mark.parametrize("format", WITH_METADATA)
def test_metadata_survives_a_second_time(tmp_path: Path, format: str) -> None:
    first, second = (tmp_path / f"{i}{EXTENSIONS[format]}" for i in (1, 2))
    image_io.write(first, rich_picture(), provenance=PROVENANCE)
    image_io.write(second, image_io.read(first), provenance={"model": "newer"})
    again = image_io.read(second)
    assert again.exif is not None and again.icc is not None
    assert image_io.read_provenance(second) == {"model": "newer"}, "the old record must be gone"
    assert again.xmp is not None and again.xmp.count(b"Pluie") == 1


@pytest.mark.parametrize("format", WITH_METADATA)
def test_gps_is_stripped_on_request(tmp_path: Path, format: str) -> None:
    picture = rich_picture()
    path = tmp_path / f"nogps{EXTENSIONS[format]}"
    receipt = image_io.write(path, picture, WriteOptions(strip_gps=True))
    again = image_io.read(path)
    assert not place.in_exif(again.exif).named and not image_xmp.places(again.xmp).gps
    data = path.read_bytes()
    degrees = struct.pack("<6I", 48, 1, 51, 1, 30, 1)
    for trace in (b"48,51.5N", b"2,17.4E", b"123.4", b"WGS-84", degrees):
        assert trace not in data
    assert lines(receipt)["GPS position"] == (False, "removed as asked")
    assert again.exif is not None and not image_exif.has_maker_note(again.exif)
    assert again.xmp is not None and b"Pluie" in again.xmp


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "JPEG2000"])
def test_maker_notes_do_not_move(tmp_path: Path, format: str) -> None:
    """Their offsets count from the start of the block."""
    picture = rich_picture()
    assert picture.exif is not None
    path = tmp_path / f"m{EXTENSIONS[format]}"
    image_io.write(path, picture)
    exif = image_io.read(path).exif
    assert exif is not None
    assert exif.index(MAKER_NOTE) == picture.exif.index(MAKER_NOTE)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "JPEG2000"])
@pytest.mark.parametrize("old_bytes", [100, 60_000])
def test_the_exif_thumbnail_shows_the_new_picture(tmp_path: Path, format: str, old_bytes: int) -> None:
    stale = b"\xff\xd8 the old picture \xff\xd9".ljust(old_bytes, b"x")
    pixels = np.zeros((120, 200, 3), np.uint8)
    pixels[..., 1] = 200
    picture = replace(image_io.from_array(pixels), exif=exif_block(thumbnail=stale))
    path = tmp_path / f"t{EXTENSIONS[format]}"
    image_io.write(path, picture)
    assert b"the old picture" not in path.read_bytes()
    exif = image_io.read(path).exif
    assert exif is not None
    reader = image_exif.block_reader(exif)
    second = reader.chain()[1]
    start, length = (reader.number(second, tag, 0) for tag in (513, 514))
    with Image.open(io.BytesIO(exif[start : start + length])) as thumbnail:
        assert thumbnail.size == (160, 96)
        assert np.abs(np.asarray(thumbnail)[50, 50].astype(int) - [0, 200, 0]).max() <= 4


def test_too_much_exif_for_jpeg_loses_its_thumbnail_then_gives_up(tmp_path: Path) -> None:
    picture = rich_picture(exif=exif_block(thumbnail=bytes(64_000)))
    receipt = image_io.write(tmp_path / "a.jpg", picture)
    assert lines(receipt)["EXIF"][0]
    huge = rich_picture(exif=exif_block() + b"x" * 70_000)
    receipt = image_io.write(tmp_path / "b.jpg", huge)
    kept, detail = lines(receipt)["EXIF"]
    assert not kept and "too many" in detail
    assert image_io.read(tmp_path / "b.jpg").exif is None
    receipt = image_io.write(tmp_path / "b.png", huge)
    assert lines(receipt)["EXIF"][0]


def test_too_much_xmp_for_jpeg_still_records_the_provenance(tmp_path: Path) -> None:
    picture = rich_picture(xmp=XMP.replace(b"Pluie", b"Pluie" * 20_000))
    receipt = image_io.write(tmp_path / "a.jpg", picture, provenance=PROVENANCE)
    assert not lines(receipt)["XMP"][0]
    assert image_io.read_provenance(tmp_path / "a.jpg") == PROVENANCE


@pytest.mark.parametrize("source", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_reads_metadata_that_others_wrote(tmp_path: Path, source: str) -> None:
    options: dict = {"icc_profile": rgb_profile(2.2, "Other")}
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", 6
    exif.get_ifd(34665)[33434] = 0.004
    options["exif"] = exif
    if source == "PNG":
        from PIL.PngImagePlugin import PngInfo

        texts = PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
        options["pnginfo"] = texts
    elif source == "TIFF":
        exif[700] = XMP
        options["exif"] = exif.tobytes()
    else:
        options["xmp"] = XMP
    picture = image_io.read(put(tmp_path, "other", pillow_bytes(photo(40, 30), source, **options)))
    assert picture.info.icc_name == "Other"
    assert picture.info.orientation == 6 and picture.pixels.shape == (40, 30, 3)
    assert picture.xmp is not None and b"Pluie" in picture.xmp
    again = Image.Exif()
    again.load(b"Exif\0\0" + (picture.exif or b""))
    assert again[271] == "Maker" and again.get_ifd(34665)[33434] == pytest.approx(0.004)


def test_png_with_exif_behind_the_pixels_or_in_imagemagicks_text(tmp_path: Path) -> None:
    exif = exif_block(orientation=3)
    behind = png_bytes(photo(8, 8), after=png_chunk(b"eXIf", exif))
    assert image_io.read(put(tmp_path, "a.png", behind)).info.orientation == 3
    text = b"\nexif\n%8d\n" % (len(exif) + 6) + (b"Exif\0\0" + exif).hex().encode() + b"\n"
    old = png_bytes(photo(8, 8), png_chunk(b"tEXt", b"Raw profile type exif\0" + text))
    assert image_io.read(put(tmp_path, "b.png", old)).exif == exif


def test_jpeg_profile_in_several_segments(tmp_path: Path) -> None:
    icc = rgb_profile() + bytes(150_000)
    path = put(tmp_path, "a.jpg", pillow_bytes(photo(8, 8), "JPEG", icc_profile=icc))
    assert image_io.read(path).icc == icc


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_print_resolution_is_kept(tmp_path: Path, format: str) -> None:
    path = put(tmp_path, "in", pillow_bytes(photo(20, 10), format, dpi=(240, 240)))
    out = tmp_path / f"out{EXTENSIONS[format]}"
    image_io.write(out, image_io.read(path))
    with Image.open(out) as image:
        assert float(image.info["dpi"][0]) == pytest.approx(240, abs=0.1)


def test_grey_profile_goes_with_grey_only(tmp_path: Path) -> None:
    picture = replace(image_io.from_array(photo(20, 10)[..., 0]), icc=grey_profile())
    assert lines(image_io.write(tmp_path / "a.png", picture))["Colour profile"][0]
    assert image_io.read(tmp_path / "a.png").icc == picture.icc
    assert not lines(image_io.write(tmp_path / "a.webp", picture))["Colour profile"][0]
    assert image_io.read(tmp_path / "a.webp").icc is None


def test_what_points_to_lost_pictures_is_taken_out_of_the_xmp() -> None:
    gain = XMP.replace(
        b' xmp:Rating="4"',
        b' xmp:Rating="4" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"',
    )
    packet = image_xmp.for_output(gain, None, strip_gps=False)
    assert packet.xmp is not None and b'hdrgm:Version="1.0"' not in packet.xmp and b"Pluie" in packet.xmp


def test_provenance_survives_another_programs_way_to_write_it() -> None:
    packet = image_xmp.for_output(None, PROVENANCE, strip_gps=False)
    assert packet.xmp is not None
    elements = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:m="urn:memorynet:provenance:1.0#"><m:model>abc</m:model>'
        b"</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    assert image_xmp.read_provenance(elements) == {"model": "abc"}


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), st.text(max_size=40), min_size=1))
def test_any_text_can_be_provenance(record: dict[str, str]) -> None:
    packet = image_xmp.for_output(XMP, record, strip_gps=True)
    found = image_xmp.read_provenance(packet.xmp)
    assert found is not None and set(found) == set(record)
    for key, value in record.items():
        if value.isprintable():
            assert found[key] == value


def test_no_provenance_in_a_foreign_file(tmp_path: Path) -> None:
    assert (
        image_io.read_provenance(put(tmp_path, "a.jpg", pillow_bytes(photo(8, 8), "JPEG", xmp=XMP))) is None
    )
    assert image_io.read_provenance(put(tmp_path, "a.bmp", pillow_bytes(photo(8, 8), "BMP"))) is None


# --- screen --------------------------------------------------------------------------------------


def test_to_srgb_honours_the_profile() -> None:
    pixels = np.full((3, 5, 3), 128, np.uint8)
    # Linear light 128/255 = 0.502 is 1.055 * 0.502 ** (1 / 2.4) - 0.055 = 0.7367 in sRGB.
    assert np.abs(image_io.to_srgb(pixels, rgb_profile(1.0)).astype(int) - 188).max() <= 1
    assert (
        np.abs(image_io.to_srgb(pixels.astype(np.uint16) * 257, rgb_profile(1.0)).astype(int) - 188).max()
        <= 1
    )
    assert np.abs(image_io.to_srgb(pixels, grey_profile(1.0)).astype(int) - 188).max() <= 1


def test_to_srgb_without_or_with_a_useless_profile(caplog: pytest.LogCaptureFixture) -> None:
    pixels = photo(20, 10)
    assert np.array_equal(image_io.to_srgb(pixels, None), pixels)
    for broken in (b"x", bytes(500), rgb_profile()[:300], cmyk_profile()):
        caplog.clear()
        assert np.array_equal(image_io.to_srgb(pixels, broken), pixels)
        assert "profile" in caplog.text
    deep = pixels.astype(np.uint16) * 257
    assert np.array_equal(image_io.to_srgb(deep, None), pixels)


def test_to_srgb_of_srgb_changes_nothing() -> None:
    from core.images.colour import srgb_profile

    pixels = photo(64, 64)
    assert np.array_equal(image_io.to_srgb(pixels, srgb_profile()), pixels)


def test_to_srgb_from_several_threads() -> None:
    pixels, icc = photo(300, 200), rgb_profile(1.4, "threads")
    expected = image_io.to_srgb(pixels, icc)
    wrong: list[int] = []

    def work() -> None:
        for _ in range(10):
            if not np.array_equal(image_io.to_srgb(pixels, icc), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("max_px", [1, 7, 64, 5000])
def test_thumbnail_size(tmp_path: Path, max_px: int) -> None:
    path = put(tmp_path, "a.jpg", pillow_bytes(photo(301, 200), "JPEG"))
    small = image_io.thumbnail(path, max_px)
    assert small.dtype == np.uint8 and max(small.shape[:2]) == min(max_px, 301)
    assert min(small.shape[:2]) == max(1, round(min(1.0, max_px / 301) * 200))


def test_thumbnails_agree_across_formats_and_depths(tmp_path: Path) -> None:
    y, x = np.mgrid[0:400, 0:600]
    pixels = np.stack([x // 3, y // 2, (x + y) // 4], -1).astype(np.uint8)
    deep = pixels.astype(np.uint16) * 257
    reference = cv2.resize(pixels, (60, 40), interpolation=cv2.INTER_AREA).astype(int)
    for name, data in {
        "a.png": png_bytes(pixels),
        "b.png": png_bytes(deep),
        "c.tif": tifffile_bytes(deep, photometric="rgb"),
        "d.jpg": pillow_bytes(pixels, "JPEG", quality=95),
        "e.jp2": pillow_bytes(pixels, "JPEG2000"),
        "f.webp": pillow_bytes(pixels, "WEBP"),
        "g.avif": pillow_bytes(pixels, "AVIF"),
    }.items():
        small = image_io.thumbnail(put(tmp_path, name, data), 60)
        assert small.shape == (40, 60, 3), name
        assert np.abs(small.astype(int) - reference).mean() < 3, name


def test_thumbnail_lays_transparency_on_grey(tmp_path: Path) -> None:
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[:, 20:] = 255
    small = image_io.thumbnail(put(tmp_path, "a.png", png_bytes(pixels)), 10)
    assert small[5, 1].tolist() == [128, 128, 128] and small[5, 8].tolist() == [255, 255, 255]


# --- finding -------------------------------------------------------------------------------------


def test_find_images_in_natural_order(tmp_path: Path) -> None:
    names = ["img10.png", "img2.JPG", "Img1.tif", "notes.txt", ".hidden.png", "z.webp", "a.avif"]
    for name in names:
        (tmp_path / name).touch()
    for folder in ("sub2", "sub10", ".cache"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "b.bmp").touch()
    (tmp_path / "folder.png").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in image_io.find_images(tmp_path, False)]
    assert found == ["a.avif", "Img1.tif", "img2.JPG", "img10.png", "z.webp"]
    deep = [path.relative_to(tmp_path).as_posix() for path in image_io.find_images(tmp_path, True)]
    assert deep == [*found, "sub2/b.bmp", "sub10/b.bmp"]


def test_find_images_of_a_file_and_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.touch()
    assert list(image_io.find_images(path, True)) == [path]
    with pytest.raises(image_io.UnreadableFile) as caught:
        list(image_io.find_images(tmp_path / "missing", True))
    assert caught.value.path == tmp_path / "missing"
    problems: list[image_io.UnreadableFile] = []
    assert list(image_io.find_images(tmp_path / "missing", True, problems.append)) == []
    assert len(problems) == 1


def test_a_folder_that_cannot_be_listed_does_not_stop_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("a", "closed", "z"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "p.png").touch()
    real = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    problems: list[image_io.UnreadableFile] = []
    found = list(image_io.find_images(tmp_path, True, problems.append))
    assert [path.parent.name for path in found] == ["a", "z"]
    assert [(problem.path.name, problem.errno) for problem in problems] == [("closed", 13)]
    assert len(list(image_io.find_images(tmp_path, True))) == 2


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.png").touch()
    (tmp_path / "sub" / "up").symlink_to(tmp_path, target_is_directory=True)
    assert len(list(image_io.find_images(tmp_path, True))) == 1


# --- what is written is whole ------------------------------------------------------------------------


def test_a_png_with_a_large_profile_is_read_again(tmp_path: Path) -> None:
    icc = rgb_profile() + np.random.default_rng(1).bytes(1_500_000)
    picture = replace(image_io.from_array(photo(16, 12)), icc=icc)
    image_io.write(tmp_path / "a.png", picture)
    found = image_io.read(tmp_path / "a.png")
    assert found.icc == icc and (found.pixels == picture.pixels).all()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF", "JPEG2000"])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_profile_too_short_to_be_one_is_left_out_and_said(tmp_path: Path, format: str, size: int) -> None:
    picture = replace(image_io.from_array(photo(16, 12)), icc=b"x" * size)
    path = tmp_path / f"a{EXTENSIONS[format]}"
    receipt = image_io.write(path, picture)
    assert lines(receipt)["Colour profile"] == (False, "damaged: too short to be one")
    assert image_io.read(path).icc is None


@pytest.mark.parametrize("extension", [".png", ".tif"])
def test_what_does_not_decode_is_not_taken_for_written(
    tmp_path: Path, extension: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk or an encoder that spoils what lies between a good header and a good end."""
    path = tmp_path / f"a{extension}"
    image_io.write(path, image_io.from_array(photo(64, 48, seed=1)))
    before = path.read_bytes()
    encode = image_io.encode

    def spoil(job: Any, file: BinaryIO) -> None:
        encode(job, file)
        at = file.seek(0, 2) // 2
        file.seek(at)
        file.write(bytes(200))

    monkeypatch.setattr(image_io, "encode", spoil)
    with pytest.raises((image_io.WriteFailed, image_io.DamagedImage)):
        image_io.write(path, image_io.from_array(photo(64, 48, seed=2)), WriteOptions(overwrite=True))
    assert path.read_bytes() == before and not list(tmp_path.glob(".writing*"))


@pytest.mark.skipif(os.name != "posix", reason="where files can be held")
def test_what_a_killed_writer_left_is_removed_by_the_next_and_nothing_else(tmp_path: Path) -> None:
    import fcntl

    old = time.time() - 3600
    names = {
        "dead": f".writing-{'0' * 16}.part",
        "alive": f".writing-{'1' * 16}.part",
        "young": f".writing-{'2' * 16}.part",
        "a person's": ".writing-notes.part",
    }
    for name in names.values():
        (tmp_path / name).write_bytes(b"x")
        if name != names["young"]:
            os.utime(tmp_path / name, (old, old))
    with (tmp_path / names["alive"]).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        image_io.write(tmp_path / "a.png", image_io.from_array(photo(16, 12)))
        found = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert found == {"a.png", names["alive"], names["young"], names["a person's"]}
