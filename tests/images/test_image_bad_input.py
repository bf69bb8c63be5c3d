"""Files that are no picture, a damaged or a dangerous one: refused in words, never a crash."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import random
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.images import exif as image_exif
from core.images import io as image_io
from core.images import place
from core.images import xmp as image_xmp
from core.images.io import WriteOptions
from tests.image_makers import (
    XMP,
    exif_block,
    interlaced_png_bytes,
    photo,
    pillow_bytes,
    png_bytes,
    png_chunk,
    rgb_profile,
    tifffile_bytes,
    without_extras,
)
from tests.images.bad_kit import DEEP, RGB


def _written(extension: str, picture: image_io.Picture, folder: Path) -> bytes:
    path = folder / f"made{extension}"
    image_io.write(path, picture, WriteOptions(overwrite=True), {"software": "x"})
    return path.read_bytes()


MAKERS: dict[str, Callable[[Path], bytes]] = {
    "png": lambda _: pillow_bytes(RGB, "PNG"),
    "palette.png": lambda _: pillow_bytes(Image.fromarray(RGB).quantize(16), "PNG"),
    "interlaced.png": lambda _: interlaced_png_bytes(RGB),
    "deep.png": lambda folder: _written(".png", image_io.from_array(DEEP), folder),
    "jpeg": lambda _: pillow_bytes(RGB, "JPEG", exif=b"Exif\0\0" + exif_block()),
    "progressive.jpeg": lambda _: pillow_bytes(RGB, "JPEG", progressive=True),
    "grey.jpeg": lambda _: pillow_bytes(RGB[..., 0], "JPEG", restart_marker_rows=1),
    "cmyk.jpeg": lambda _: pillow_bytes(Image.fromarray(RGB).convert("CMYK"), "JPEG"),
    "plain.tiff": lambda _: pillow_bytes(RGB, "TIFF"),
    "lzw.tiff": lambda _: pillow_bytes(RGB, "TIFF", compression="tiff_lzw"),
    "jpeg.tiff": lambda _: pillow_bytes(RGB, "TIFF", compression="jpeg"),
    "deep.tiff": lambda _: tifffile_bytes(DEEP, photometric="rgb", compression="zlib", rowsperstrip=8),
    "deep plain.tiff": lambda _: tifffile_bytes(DEEP, photometric="rgb"),
    "own.tiff": lambda folder: _written(".tif", image_io.from_array(DEEP), folder),
    "webp": lambda _: pillow_bytes(RGB, "WEBP"),
    "lossless.webp": lambda _: pillow_bytes(RGB, "WEBP", lossless=True),
    "alpha.webp": lambda _: pillow_bytes(np.dstack([RGB, RGB[..., 0]]), "WEBP", exif=exif_block()),
    "avif": lambda _: pillow_bytes(RGB, "AVIF", speed=9),
    "bmp": lambda _: pillow_bytes(RGB, "BMP"),
    "palette.bmp": lambda _: pillow_bytes(Image.fromarray(RGB).quantize(16), "BMP"),
    "jp2": lambda _: pillow_bytes(RGB, "JPEG2000"),
    "lossy.jp2": lambda _: pillow_bytes(RGB, "JPEG2000", irreversible=True, quality_layers=[20]),
    "j2k": lambda _: pillow_bytes(RGB, "JPEG2000", no_jp2=True),
    "deep.jp2": lambda folder: _written(".jp2", image_io.from_array(DEEP), folder),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_cut_file_is_refused_at_any_length(tmp_path: Path, kind: str) -> None:
    data = MAKERS[kind](tmp_path)
    path = tmp_path / "cut.img"
    path.write_bytes(data)
    whole = image_io.read(path).pixels
    step = max(1, len(data) // 30)
    lengths = {*range(1, len(data), step), *range(max(1, len(data) - 12), len(data)), 1, 2, 8, 17}
    for length in sorted(lengths):
        path.write_bytes(data[:length])
        try:
            picture = image_io.read(path)
        except (image_io.DamagedImage, image_io.NotAnImage) as error:
            assert error.path == path and "cut.img" in str(error)
        else:
            assert np.array_equal(picture.pixels, whole), f"garbage from {length} of {len(data)} bytes"
        with pytest.raises(image_io.ImageError):
            if length < len(data) // 2:
                image_io.thumbnail(path, 16)
            else:
                raise image_io.DamagedImage(path, "only the first half is checked twice")


@pytest.mark.parametrize("kind", MAKERS)
def test_damaged_bytes_raise_nothing_but_image_errors(tmp_path: Path, kind: str) -> None:
    data = MAKERS[kind](tmp_path)
    path = tmp_path / "hurt.img"
    dice = random.Random(kind)
    for _ in range(40):
        hurt = bytearray(data)
        for _ in range(dice.choice([1, 1, 4])):
            hurt[dice.randrange(min(len(hurt), dice.choice([64, 400, len(hurt)])))] = dice.choice(
                [0, 255, 127, 1]
            )
        path.write_bytes(hurt)
        for action in (image_io.read, image_io.read_info, image_io.read_provenance):
            try:
                action(path)
            except image_io.ImageError as error:
                assert error.path == path


@pytest.mark.parametrize("kind", ["png", "palette.png", "deep.png", "deep.tiff", "own.tiff"])
def test_formats_with_checksums_notice_a_single_wrong_bit(tmp_path: Path, kind: str) -> None:
    data = bytearray(MAKERS[kind](tmp_path))
    path = tmp_path / "bit.img"
    path.write_bytes(data)
    whole = image_io.read(path).pixels
    for at in range(100, len(data), max(1, len(data) // 40)):
        data[at] ^= 0x10
        path.write_bytes(data)
        data[at] ^= 0x10
        with contextlib.suppress(image_io.ImageError):
            assert np.array_equal(image_io.read(path).pixels, whole), f"garbage from a wrong bit at {at}"


def _ftyp(*brands: bytes) -> bytes:
    body = brands[0] + bytes(4) + b"".join(brands)
    return struct.pack(">I", len(body) + 8) + b"ftyp" + body + bytes(100)


def _frames(format: str, **options: Any) -> bytes:
    frames = [Image.fromarray(photo(16, 16, seed=i)) for i in range(3)]
    return pillow_bytes(frames[0], format, save_all=True, append_images=frames[1:], **options)


UNSUPPORTED: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "gif": ("a.gif", lambda: pillow_bytes(RGB, "GIF"), "GIF"),
    "animated gif": ("a.png", lambda: _frames("GIF"), "GIF"),
    "animated png": ("a.png", lambda: _frames("PNG"), "3 frames"),
    "animated webp": ("a.webp", lambda: _frames("WEBP"), "3 frames"),
    "animated avif": ("a.avif", lambda: _frames("AVIF", speed=9), "animated AVIF"),
    "pages": ("a.tif", lambda: _frames("TIFF"), "3 pages"),
    "deep pages": ("a.tif", lambda: tifffile_bytes(np.zeros((2, 9, 9), np.uint16), photometric="minisblack"), "2 pages"),
    "float tiff": ("a.tif", lambda: tifffile_bytes(np.zeros((9, 9, 3), np.float32), photometric="rgb"), "HDR"),
    "half tiff": ("a.tif", lambda: tifffile_bytes(np.zeros((9, 9), np.float16)), "HDR"),
    "32 bits": ("a.tif", lambda: tifffile_bytes(np.zeros((9, 9), np.uint32)), "32"),
    "signed": ("a.tif", lambda: tifffile_bytes(np.zeros((9, 9), np.int16)), "signed"),
    "lab": ("a.tif", lambda: tifffile_bytes(np.zeros((9, 9, 3), np.uint8), photometric="cielab"), "Lab"),
    "channels": ("a.tif", lambda: tifffile_bytes(np.zeros((9, 9, 7), np.uint8), photometric="rgb"), "7 channels"),
    "dng": ("a.dng", lambda: tifffile_bytes(RGB, photometric="rgb"), "raw"),
    "dng by tag": (
        "a.tif", lambda: tifffile_bytes(RGB, photometric="rgb", extratags=[(50706, "B", 4, (1, 4, 0, 0), True)]), "raw",
    ),
    "cfa": ("a.tif", lambda: tifffile_bytes(RGB[..., 0], photometric="cfa"), "raw"),
    "cr2": ("a.cr2", lambda: b"II*\0\x10\0\0\0CR\2\0" + bytes(500), "raw"),
    "raf": ("a.raf", lambda: b"FUJIFILMCCD-RAW 0201" + bytes(500), "raw"),
    "orf": ("a.orf", lambda: b"IIRO\x08\0\0\0" + bytes(500), "raw"),
    "rw2": ("a.rw2", lambda: b"IIU\0\x08\0\0\0" + bytes(500), "raw"),
    "cr3": ("a.cr3", lambda: _ftyp(b"crx ", b"isom"), "raw"),
    "heic": ("a.heic", lambda: _ftyp(b"heic", b"mif1"), "HEIC"),
    "heic as jpg": ("a.jpg", lambda: _ftyp(b"mif1", b"heic"), "HEIC"),
    "svg": ("a.svg", lambda: b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "svg with bom": ("a.svg", lambda: b"\xef\xbb\xbf  <svg></svg>", "SVG"),
    "psd": ("a.psd", lambda: b"8BPS\0\1" + bytes(50), "Photoshop"),
    "exr": ("a.exr", lambda: b"v/1\x01\2\0\0\0" + bytes(50), "HDR"),
    "hdr": ("a.hdr", lambda: b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", "HDR"),
    "hdr png": ("a.png", lambda: png_bytes(RGB, png_chunk(b"cICP", bytes([9, 16, 0, 1]))), "HDR"),
    "jxl": ("a.jxl", lambda: b"\xff\x0a" + bytes(50), "JPEG XL"),
    "pnm": ("a.ppm", lambda: b"P6\n2 2\n255\n" + bytes(12), "PNM"),
    "pdf": ("a.pdf", lambda: b"%PDF-1.7\n" + bytes(50), "PDF"),
    "lossless jpeg": ("a.jpg", lambda: pillow_bytes(RGB, "JPEG").replace(b"\xff\xc0", b"\xff\xc3", 1), "lossless"),
    "12 bit jpeg": (
        "a.jpg", lambda: pillow_bytes(RGB, "JPEG").replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c", 1), "12 bits",
    ),
}  # fmt: skip


# --- what else a file can be --------------------------------------------------------------------


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_unsupported_kinds_say_which(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_extras(monkeypatch)
    name, make, word = UNSUPPORTED[case]
    path = tmp_path / name
    path.write_bytes(make())
    for action in (image_io.read, image_io.read_info, lambda p: image_io.thumbnail(p, 20)):
        with pytest.raises(image_io.UnsupportedImage) as caught:
            action(path)
        assert word in caught.value.reason and not isinstance(caught.value, image_io.NotAnImage)
        assert caught.value.path == path


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"Dear diary,\nit rained again.\n", "text"),
        ("Журнал: снова дождь\n".encode() * 900, "text"),
        ("Notizen".encode("utf-16"), "text"),
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (b"PK\x03\x04" + bytes(100), "zip"),
        (b"\x7fELF" + bytes(100), "program"),
        (_ftyp(b"isom", b"mp42"), "video"),
        (bytes(1000), "known"),
        (bytes(range(256)) * 5, "known"),
    ],
)
def test_what_is_no_picture_says_what_it_is(tmp_path: Path, data: bytes, word: str) -> None:
    path = tmp_path / "holiday.png"
    path.write_bytes(data)
    with pytest.raises(image_io.NotAnImage, match=word):
        image_io.read(path)
    assert image_io.sniff(path) is None


def test_empty_missing_folder_pipe(tmp_path: Path) -> None:
    empty = tmp_path / "e.png"
    empty.touch()
    with pytest.raises(image_io.EmptyFile):
        image_io.read(empty)
    with pytest.raises(image_io.UnreadableFile) as missing:
        image_io.read(tmp_path / "none.png")
    assert missing.value.errno == errno.ENOENT
    with pytest.raises(image_io.UnreadableFile, match="folder"):
        image_io.read_info(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(image_io.UnreadableFile, match="regular"):
        image_io.read(tmp_path / "pipe.png")
    with pytest.raises(image_io.UnreadableFile):
        image_io.read(tmp_path / "nul\0byte.png")
    with pytest.raises(image_io.UnreadableFile):
        image_io.read(tmp_path / ("long" * 100))


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "closed.png"
    path.write_bytes(png_bytes(RGB))

    def refuse(*_args: object, **_options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(image_io.UnreadableFile) as caught:
        image_io.read(path)
    assert caught.value.errno == errno.EACCES


def test_a_disk_that_fails_while_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sick.png"
    path.write_bytes(png_bytes(RGB))

    class SickFile(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:  # type: ignore[override]
            if self.tell() > 100:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size) or b""

    monkeypatch.setattr("builtins.open", lambda name, mode: SickFile(name, "r"))
    with pytest.raises(image_io.UnreadableFile) as caught:
        image_io.read(path)
    assert caught.value.errno == errno.EIO


def _bombs() -> dict[str, bytes]:
    wide = 30_000
    jpeg = bytearray(pillow_bytes(RGB, "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", wide, wide)
    bmp = bytearray(pillow_bytes(RGB, "BMP"))
    bmp[18:26] = struct.pack("<ii", wide, wide)
    jp2 = bytearray(pillow_bytes(RGB, "JPEG2000"))
    size = jp2.index(b"\xff\x4f\xff\x51")
    jp2[size + 8 : size + 16] = struct.pack(">II", wide, wide)
    avif = bytearray(pillow_bytes(RGB, "AVIF", speed=9))
    at = avif.index(b"ispe") + 8
    avif[at : at + 8] = struct.pack(">II", wide, wide)
    webp = bytearray(pillow_bytes(np.dstack([RGB, RGB[..., 0]]), "WEBP"))
    at = webp.index(b"VP8X") + 12
    webp[at : at + 6] = (wide - 1).to_bytes(3, "little") * 2
    tiff = bytearray(pillow_bytes(RGB, "TIFF"))
    reader = image_exif.block_reader(tiff)
    entries = reader.directory(reader.first).entries
    for tag in (256, 257):
        code = "<H" if entries[tag].type == 3 else "<I"
        struct.pack_into(code, tiff, entries[tag].value_at, wide)
    return {
        "png": png_bytes(RGB, size=(wide, wide)),
        "jpeg": bytes(jpeg),
        "bmp": bytes(bmp),
        "jp2": bytes(jp2),
        "avif": bytes(avif),
        "webp": bytes(webp),
        "tiff": bytes(tiff),
    }


# --- too large ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "jp2", "avif", "webp", "tiff"])
def test_a_bomb_is_refused_undecoded(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(_bombs()[kind])

    def must_not_run(*_args: object) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(image_io, "decode", must_not_run)
    for action in (image_io.read, image_io.read_info, lambda p: image_io.thumbnail(p, 10)):
        with pytest.raises(image_io.ImageTooLarge, match="30000 x 30000 px") as caught:
            action(path)
        assert (caught.value.width, caught.value.height) == (30_000, 30_000)


def test_the_limit_is_400_megapixels(tmp_path: Path) -> None:
    path = tmp_path / "edge.png"
    path.write_bytes(png_bytes(RGB, size=(20_000, 20_000)))
    for look in (image_io.read_info, image_io.read):
        with pytest.raises(image_io.DamagedImage, match="too few for 20000 x 20000 px"):  # not: too large
            look(path)
    path.write_bytes(png_bytes(RGB, size=(20_001, 20_000)))
    with pytest.raises(image_io.ImageTooLarge):
        image_io.read_info(path)


def test_bombs_in_the_metadata_are_left_aside(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(40_000_000), 1)
    extra = png_chunk(b"iCCP", b"x\0\0" + bomb) + png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb)
    path = tmp_path / "text.png"
    path.write_bytes(png_bytes(DEEP, extra))
    info = image_io.read_info(path)
    assert info.icc_name is None
    try:
        picture = image_io.read(path)
    except image_io.DamagedImage:
        return  # a decoder may refuse the chunk on grounds of its own
    assert picture.icc is None and picture.xmp is None


def test_thin_and_tiny_pictures(tmp_path: Path) -> None:
    for size in ((1, 1), (1, 5000), (5000, 1)):
        pixels = photo(*size)
        for extension in (".png", ".jpg", ".tif", ".webp", ".bmp", ".jp2"):
            path = tmp_path / f"t{size[0]}{extension}"
            image_io.write(path, image_io.from_array(pixels), WriteOptions(overwrite=True))
            assert image_io.read(path).pixels.shape == pixels.shape
            assert max(image_io.thumbnail(path, 50).shape[:2]) == min(50, max(size))


SICK_EXIF = {
    "nonsense": b"II*\0 this is no directory",
    "short": b"MM",
    "outside": b"II*\0" + struct.pack("<I", 10**6),
    "circle": b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 271, 2, 4, 0) + struct.pack("<I", 8),
    "huge count": b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 274, 3, 2**31, 8) + bytes(4),
    "65535 entries": b"II*\0\x08\0\0\0\xff\xff" + bytes(100),
    "cut": exif_block(orientation=1, thumbnail=bytes(50))[:120],
}


# --- sick metadata ------------------------------------------------------------------------------


@pytest.mark.parametrize("case", SICK_EXIF)
def test_sick_exif_does_not_stop_the_picture(tmp_path: Path, case: str) -> None:
    path = tmp_path / "in.png"
    path.write_bytes(png_bytes(RGB, png_chunk(b"eXIf", SICK_EXIF[case])))
    picture = image_io.read(path)
    assert np.array_equal(picture.pixels, RGB)
    for extension in (".png", ".jpg", ".tif", ".webp", ".avif", ".jp2"):
        out = tmp_path / f"out{extension}"
        receipt = image_io.write(out, picture, WriteOptions(strip_gps=True, overwrite=True))
        assert any(line.what == "EXIF" for line in receipt.lines)
        assert image_io.read(out).info.orientation == 1


def test_every_cut_of_an_exif_block_is_survived() -> None:
    block = exif_block(thumbnail=bytes(40))
    for length in range(len(block)):
        cut = block[:length]
        image_exif.orientation(cut)
        place.in_exif(cut)
        image_exif.has_maker_note(cut)
        for thumbnail in (None, b"t" * 60):
            with contextlib.suppress(image_exif.ExifError):
                image_exif.for_output(cut, 10, 10, thumbnail)
        with contextlib.suppress(image_exif.ExifError):
            image_exif.build_block(image_exif.block_tree(cut))
        with contextlib.suppress(image_exif.ExifError):
            place.exif_without(cut, 10, 10, b"t" * 60)


def test_random_damage_to_an_exif_block_is_survived() -> None:
    block, dice = exif_block(thumbnail=bytes(40)), random.Random(5)
    for _ in range(600):
        hurt = bytearray(block)
        for _ in range(dice.choice([1, 2, 5])):
            hurt[dice.randrange(len(hurt))] = dice.choice([0, 1, 255, dice.randrange(256)])
        image_exif.orientation(bytes(hurt))
        with contextlib.suppress(image_exif.ExifError):
            image_exif.without_orientation(image_exif.for_output(bytes(hurt), 9, 9, b"x" * 50)[0])
        place.in_exif(bytes(hurt))
        with contextlib.suppress(image_exif.ExifError):
            place.exif_without(bytes(hurt), 9, 9, b"x" * 50)


@pytest.mark.parametrize(
    "xmp",
    [
        b"not xml at all",
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>",
        XMP[:200],
        b"<!DOCTYPE a [<!ENTITY x 'y'><!ENTITY z '&x;&x;&x;'>]>" + XMP,
        b"<a>" * 50_000 + b"</a>" * 50_000,
        b"<?xml version='1.0' encoding='no-such-encoding'?><a/>",
        b"\xff\xfe\x00",
    ],
)
def test_sick_xmp_does_not_stop_the_picture(tmp_path: Path, xmp: bytes) -> None:
    picture = replace(image_io.from_array(RGB), xmp=xmp)
    receipt = image_io.write(tmp_path / "a.tif", picture, WriteOptions(strip_gps=True), {"model": "m"})
    assert ("XMP", False) in {(line.what, line.kept) for line in receipt.lines}
    assert image_io.read_provenance(tmp_path / "a.tif") == {"model": "m"}
    assert image_xmp.read_provenance(xmp) is None


@pytest.mark.parametrize("icc", [b"short", bytes(200), rgb_profile()[:150], b"\xff" * 3000])
def test_sick_profile_does_not_stop_the_picture(tmp_path: Path, icc: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes(RGB, png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc))))
    picture = image_io.read(path)
    assert picture.info.icc_name is not None
    assert np.array_equal(image_io.to_srgb(picture.pixels, picture.icc), RGB)
    assert image_io.thumbnail(path, 20).shape == (16, 20, 3)
    image_io.write(tmp_path / "b.png", picture)


def scan_cut(jpeg: bytes, share: float) -> bytes:
    """Without the rest of its scan, but with a proper end."""
    began = jpeg.rindex(b"\xff\xda")
    return jpeg[: began + round(share * (len(jpeg) - began))].rstrip(b"\xff") + b"\xff\xd9"


@pytest.mark.parametrize("options", [{}, {"subsampling": 2}, {"restart_marker_rows": 1}, {"optimize": True}])
@pytest.mark.parametrize("grey", [False, True])
def test_a_jpeg_without_half_its_scan_is_told_of(tmp_path: Path, options: dict, grey: bool) -> None:
    pixels = photo(200, 160)
    whole = pillow_bytes(pixels[..., 0] if grey else pixels, "JPEG", quality=90, **options)
    path = tmp_path / "a.jpg"
    path.write_bytes(whole)
    assert not image_io.read(path).notes
    path.write_bytes(scan_cut(whole, 0.5))
    (note,) = image_io.read(path).notes
    assert "not in the file" in note
    said = int(re.findall(r"(\d+)%", note)[0])
    assert 25 < said < 75


@pytest.mark.parametrize("grey", [False, True])
def test_a_progressive_jpeg_without_its_last_passes_is_told_of(tmp_path: Path, grey: bool) -> None:
    pixels = photo(200, 160)
    whole = pillow_bytes(pixels[..., 0] if grey else pixels, "JPEG", quality=90, progressive=True)
    path = tmp_path / "a.jpg"
    path.write_bytes(whole)
    assert not image_io.read(path).notes
    began = [found.start() for found in re.finditer(b"\xff\xda", whole)]
    passes = [whole[:at] + b"\xff\xd9" for at in began[1:]]  # the huffman tables of the next one may stay
    for cut in (*passes, scan_cut(whole, 0.5), scan_cut(whole, 0.9)):
        path.write_bytes(cut)
        (note,) = image_io.read(path).notes
        assert "less sharp" in note
    path.write_bytes(
        whole[: began[-1] + 3] + b"\xff" * 9 + whole[began[-1] + 12 :]
    )  # nonsense counts for nothing
    with contextlib.suppress(image_io.ImageError):
        image_io.read(path)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_even_end_of_a_jpeg_is_no_fault(tmp_path: Path, level: int) -> None:
    pixels = photo(200, 160)
    pixels[80:] = level
    path = tmp_path / "a.jpg"
    for options in ({}, {"progressive": True}, {"restart_marker_rows": 1}):
        path.write_bytes(pillow_bytes(pixels, "JPEG", quality=90, **options))
        assert not image_io.read(path).notes
    path.write_bytes(pillow_bytes(np.full((160, 200, 3), level, np.uint8), "JPEG"))
    assert not image_io.read(path).notes
