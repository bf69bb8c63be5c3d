"""Small files that claim to be huge: refused by what they can hold, before anything is decoded."""

from __future__ import annotations

import io
import lzma
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from core.images import io as image_io
from core.images import xmp as image_xmp
from core.images.io import DamagedImage
from tests.image_makers import photo, png_bytes, png_chunk


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def refused_at_once(path: Path) -> None:
    began = time.process_time()  # of this process's own: what else the machine does is no fault of it
    with pytest.raises(DamagedImage):
        image_io.read(path)
    assert time.process_time() - began < 1


def encoded(format: str, pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format)
    return buffer.getvalue()


def test_a_jpeg_too_small_for_its_size(tmp_path: Path) -> None:
    data = bytearray(encoded("JPEG", np.zeros((16, 16, 3), np.uint8)))
    frame = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, frame + 5, 20_000, 20_000)
    refused_at_once(put(tmp_path / "a.jpg", bytes(data)))


def test_a_jpeg_of_two_thousand_scans(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photo(64, 64)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    refused_at_once(put(tmp_path / "a.jpg", data[:last] + data[last:-2] * 2000 + data[-2:]))


def test_a_png_and_a_jpeg2000_too_small_for_their_size(tmp_path: Path) -> None:
    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)
    refused_at_once(put(tmp_path / "a.png", png))
    data = bytearray(encoded("JPEG2000", np.zeros((16, 16, 3), np.uint8)))
    at = data.index(b"\xff\x4f\xff\x51") + 8
    struct.pack_into(">II", data, at, 20_000, 20_000)
    refused_at_once(put(tmp_path / "a.jp2", bytes(data)))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "JPEG2000"])
def test_a_sheet_of_one_colour_is_no_bomb(tmp_path: Path, format: str) -> None:
    """What honest files hold least."""
    sheet = image_io.from_array(np.zeros((1000, 1500, 3), np.uint8))
    path = tmp_path / f"a{image_io.FORMAT_EXTENSION[format]}"
    image_io.write(path, sheet, image_io.WriteOptions(quality=5))
    assert image_io.read(path).pixels.shape == (1000, 1500, 3)


def test_of_many_profiles_one_is_unpacked(tmp_path: Path) -> None:
    bomb = png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(33 << 20), 1))
    text = png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(33 << 20), 1))
    path = put(tmp_path / "a.png", png_bytes(photo(8, 8), (bomb + text) * 60))
    began = time.process_time()
    assert image_io.read_info(path).icc_name is None
    assert time.process_time() - began < 1, "60 of each took seconds"


def test_a_packet_of_a_million_elements_is_left_aside() -> None:
    packet = b"<a>" + b"<b/>" * 1_000_000 + b"</a>"
    began = time.process_time()
    assert not image_xmp.for_output(packet, None, strip_gps=False).source_kept
    assert time.process_time() - began < 1


def test_a_bmp_that_leaves_its_rows_out(tmp_path: Path) -> None:
    edge, rows = 19_900, b"\x00\x02\xff\xff" * 80 + b"\x00\x01"
    head = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 54 + 1024)
    head += struct.pack("<IiiHHIIiiII", 40, edge, edge, 1, 8, 1, len(rows), 0, 0, 256, 0)
    refused_at_once(put(tmp_path / "a.bmp", head + bytes(1024) + rows))
    runs = b"\xff\x07" * 5 + b"\xe1\x07\x00\x00"  # 1500 px of one row, as an honest encoder has it
    head = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 54 + 1024)
    head += struct.pack("<IiiHHIIiiII", 40, 1500, 100, 1, 8, 1, 100 * len(runs), 0, 0, 256, 0)
    palette = b"".join(bytes([value, value, value, 0]) for value in range(256))
    sheet = put(tmp_path / "b.bmp", head + palette + runs * 100 + b"\x00\x01")
    assert (image_io.read(sheet).pixels == 7).all()


def test_a_heic_too_small_for_its_size(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    packed = io.BytesIO()
    heif.from_bytes("RGB", (64, 48), bytes(64 * 48 * 3)).save(packed)
    data = bytearray(packed.getvalue())
    struct.pack_into(">II", data, data.index(b"ispe") + 8, 19_000, 20_000)
    refused_at_once(put(tmp_path / "a.heic", bytes(data)))


@pytest.mark.parametrize("compression", ["tiff_adobe_deflate", "tiff_lzw", "packbits", "lzma", "jpeg", None])
def test_a_tiff_too_small_for_its_size(tmp_path: Path, compression: str | None) -> None:
    path = tmp_path / "a.tif"
    sheet = np.zeros((1000, 1000, 3), np.uint8)
    Image.fromarray(sheet).save(path, compression=compression)
    assert image_io.read(path).pixels.max() <= 2, "a sheet of one colour is read"
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags  # type: ignore[union-attr]
        places = {code: (tags[code].valueoffset, tags[code].dtype) for code in (256, 257, 278)}
    data = bytearray(path.read_bytes())
    for code, value in ((256, 19_000), (257, 20_000), (278, 20_000)):
        at, kind = places[code]
        struct.pack_into("<I" if kind == 4 else "<H", data, at, value)
    refused_at_once(put(path, bytes(data)))


def test_a_tiff_of_millions_of_strips(tmp_path: Path) -> None:
    data = bytearray(encoded("TIFF", photo(8, 8)))
    at = data.index(struct.pack("<HHI", 273, 4, 1))
    struct.pack_into("<I", data, at + 4, 14_000_000)
    refused_at_once(put(tmp_path / "a.tif", bytes(data)))


@pytest.mark.parametrize("compression", [8, 32946, 34925])
def test_a_tiff_strip_that_unpacks_to_far_more_than_the_picture(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "a.tif"
    pixels = photo(64, 48, np.uint16)
    image_io.write(path, image_io.from_array(pixels))
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags  # type: ignore[union-attr]
        at = {code: tags[code].valueoffset for code in (259, 273, 279)}
    whole = path.read_bytes()

    def with_strip(packed: bytes) -> None:
        data = bytearray(whole) + packed
        struct.pack_into("<H", data, at[259], compression)
        struct.pack_into("<I", data, at[273], len(whole))
        struct.pack_into("<I", data, at[279], len(packed))
        path.write_bytes(bytes(data))

    pack = zlib.compress if compression != 34925 else lzma.compress
    rows = pixels.astype(np.int32)
    rows[:, 1:] -= pixels[:, :-1]
    with_strip(pack((rows % 65536).astype("<u2").tobytes()))
    assert (image_io.read(path).pixels == pixels).all(), "this is how such a strip is made"
    with_strip(pack(bytes(8 << 20)))
    with pytest.raises(DamagedImage, match="unpacks to more"):
        image_io.read(path)
    with_strip(pack(bytes(1000))[:-6])
    with pytest.raises(DamagedImage):
        image_io.read(path)
