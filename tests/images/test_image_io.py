"""Pictures from files that others wrote, upright."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.cv import cv2
from core.images import io as image_io
from core.images.io import WriteOptions
from tests.image_makers import (
    XMP,
    cmyk_profile,
    exif_block,
    interlaced_png_bytes,
    photo,
    pillow_bytes,
    png_bytes,
    png_chunk,
    tifffile_bytes,
)
from tests.images.io_kit import EXTENSIONS, PROVENANCE, lines, put

# --- reading what others wrote ------------------------------------------------------------------


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


@pytest.mark.parametrize("channels", [2, 4])
def test_bmp_keeps_transparency(tmp_path: Path, channels: int) -> None:
    colour, cover = photo(37, 23), photo(37, 23, seed=1)[..., :1]
    pixels = np.concatenate([colour if channels == 4 else colour[..., :1], cover], axis=-1)
    source = put(tmp_path, "a.png", png_bytes(pixels))
    picture = image_io.read(source)
    receipt = image_io.write(tmp_path / "a.bmp", replace(picture, dpi=(300.0, 300.0)))
    again = image_io.read(tmp_path / "a.bmp")
    assert image_io.read_info(tmp_path / "a.bmp").has_alpha and again.info.has_alpha
    assert again.alpha is not None and np.array_equal(again.alpha, pixels[..., -1])
    assert np.array_equal(again.pixels, picture.pixels)
    assert again.dpi == pytest.approx((300, 300), abs=0.1)
    assert "unchanged" in next(line.detail for line in receipt.lines if line.what == "Transparency")
    theirs = cv2.imread(str(tmp_path / "a.bmp"), cv2.IMREAD_UNCHANGED)
    assert theirs is not None and np.array_equal(theirs[..., 3], pixels[..., -1]), "another library agrees"


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


# --- orientation --------------------------------------------------------------------------------


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
