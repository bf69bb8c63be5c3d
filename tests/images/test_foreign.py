"""HEIC and camera raw: read where the libraries are installed, and what is said where they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.images import io as image_io
from core.restoring import outputs
from tests.image_makers import without_extras


def picture() -> np.ndarray:
    """(48, 64, 3) uint8: four flat quarters, which no codec spoils."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:24, :32] = (200, 40, 40)
    pixels[:24, 32:] = (40, 200, 40)
    pixels[24:, :32] = (40, 40, 200)
    pixels[24:, 32:] = (120, 120, 120)
    return pixels


def heic(path: Path, pixels: np.ndarray, **options: object) -> Path:
    heif = pytest.importorskip("pillow_heif")
    mode = {np.dtype(np.uint8): "RGB", np.dtype(np.uint16): "RGB;16"}[pixels.dtype]
    height, width = pixels.shape[:2]
    file = heif.from_bytes(mode, (width, height), pixels.tobytes())
    file.save(path, quality=95, chroma=444, **options)
    return path


def dng(path: Path, orientation: int = 1) -> Path:
    """A small digital negative: a Bayer mosaic of one grey, written as TIFF."""
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("rawpy")
    mosaic = np.full((64, 96), 20_000, np.uint16)
    mosaic[:, 48:] = 40_000
    one = (1, 1)
    matrix = tuple(number for value in (1, 0, 0, 0, 1, 0, 0, 0, 1) for number in (value, 1))
    tifffile.imwrite(
        path,
        mosaic,
        photometric=32803,
        compression=None,
        metadata=None,
        software=False,
        extratags=[
            (274, "H", 1, orientation, True),
            (271, "s", 0, "MemoryNet", True),
            (33421, "H", 2, (2, 2), True),  # the mosaic repeats after 2x2
            (33422, "B", 4, bytes([0, 1, 1, 2]), True),
            (50706, "B", 4, bytes([1, 4, 0, 0]), True),
            (50708, "s", 0, "MemoryNet test", True),
            (50721, "2i", 9, matrix, True),
            (50728, "2I", 3, one * 3, True),
            (50717, "H", 1, 65535, True),
            (50778, "H", 1, 21, True),
        ],
    )
    return path


def test_heic_is_read_as_any_other_picture(tmp_path: Path) -> None:
    path = heic(tmp_path / "a.HEIC", picture())
    info = image_io.read_info(path)
    assert (info.format, info.width, info.height, info.bit_depth) == ("HEIC", 64, 48, 8)
    read = image_io.read(path)
    assert read.pixels.shape == (48, 64, 3)
    assert np.abs(read.pixels.astype(int) - picture()).mean() < 2
    assert image_io.thumbnail(path, 32).shape == (24, 32, 3)
    assert ".heic" in image_io.EXTENSIONS and list(image_io.find_images(tmp_path, False)) == [path]


def test_ten_bits_of_heic_become_sixteen(tmp_path: Path) -> None:
    deep = picture().astype(np.uint16) * 257
    path = heic(tmp_path / "deep.heic", deep)
    read = image_io.read(path)
    assert read.info.bit_depth == 16 and read.pixels.dtype == np.uint16
    assert np.abs(read.pixels.astype(int) - deep).mean() < 2 * 257


def test_heic_metadata_goes_on_into_what_is_written(tmp_path: Path) -> None:
    from PIL import Image, ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tags = Image.Exif()
    tags[0x010F] = "A camera"
    path = heic(tmp_path / "a.heic", picture(), exif=tags.tobytes(), icc_profile=profile)
    read = image_io.read(path)
    assert read.icc == profile and read.exif is not None and b"A camera" in read.exif
    target = outputs.output_path(path)
    assert target.name == "a.derained.jpg"
    image_io.write(target, read)
    again = image_io.read(target)
    assert again.icc == profile and again.exif is not None and b"A camera" in again.exif
    assert again.info.orientation == 1


@pytest.mark.parametrize(("orientation", "size"), [(1, (96, 64)), (6, (64, 96)), (3, (96, 64))])
def test_camera_raw_is_developed(tmp_path: Path, orientation: int, size: tuple[int, int]) -> None:
    path = dng(tmp_path / "a.dng", orientation)
    info = image_io.read_info(path)
    assert (info.format, info.width, info.height, info.bit_depth) == ("RAW", *size, 16)
    read = image_io.read(path)
    assert read.pixels.shape == (size[1], size[0], 3) and read.pixels.dtype == np.uint16
    assert any("white balance" in note for note in read.notes) and read.icc
    dark, light = read.pixels.min(), read.pixels.max()
    assert 0 < dark < light
    if orientation == 6:  # the lighter right half lies below
        assert read.pixels[-10:].mean() > read.pixels[:10].mean()
    assert read.exif is not None and b"MemoryNet" in read.exif
    assert max(image_io.thumbnail(path, 24).shape[:2]) == 24
    assert outputs.output_path(path).name == "a.derained.tif"
    receipt = image_io.write(outputs.output_path(path), read)
    assert image_io.read_info(receipt.path).bit_depth == 16


def test_damaged_ones_are_said_to_be(tmp_path: Path) -> None:
    whole = heic(tmp_path / "a.heic", picture()).read_bytes()
    cut = tmp_path / "cut.heic"
    for share in (0.3, 0.7, 0.95):
        cut.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(image_io.ImageError):
            image_io.read(cut)
    negative = dng(tmp_path / "a.dng").read_bytes()
    (tmp_path / "cut.dng").write_bytes(negative[: len(negative) // 2])
    with pytest.raises(image_io.ImageError):
        image_io.read(tmp_path / "cut.dng")


def test_neither_is_written(tmp_path: Path) -> None:
    for name in ("a.heic", "a.nef"):
        with pytest.raises(image_io.UnsupportedImage, match="read but not written"):
            image_io.write(tmp_path / name, image_io.from_array(picture()))
        assert not (tmp_path / name).exists()


def test_without_the_libraries_it_is_said_which_extra_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_extras(monkeypatch)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    (tmp_path / "b.cr2").write_bytes(b"II*\0\x10\0\0\0CR\2\0" + bytes(40))
    for name, command in (("a.heic", "pip install pillow-heif"), ("b.cr2", "pip install rawpy")):
        with pytest.raises(image_io.UnsupportedImage, match=command) as caught:
            image_io.read(tmp_path / name)
        assert 'the extra "' in caught.value.reason
        assert image_io.sniff(tmp_path / name) is None
    found: list[image_io.PassedOver] = []
    assert not list(image_io.find_images(tmp_path, False, on_passed_over=found.append))
    line = image_io.passed_over_line(found)
    assert "a.heic (HEIC), b.cr2 (camera raw)." in line
    assert "HEIC opens once python -m pip install pillow-heif has been run." in line
    assert "Camera raw opens once python -m pip install rawpy has been run." in line
