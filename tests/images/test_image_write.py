"""Pictures written and read back: nothing lost, and whole or not there."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.cv import cv2
from core.images import io as image_io
from core.images.io import WriteOptions
from tests.image_makers import (
    photo,
    rgb_profile,
)
from tests.images.io_kit import EXTENSIONS, lines

# --- round trips --------------------------------------------------------------------------------


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


def test_without_alpha_pictures_are_laid_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., 3] = 128
    path = tmp_path / "a.jpg"
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


# --- what is written is whole -------------------------------------------------------------------


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
