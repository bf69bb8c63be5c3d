"""Pictures for the screen, and finding them in folders."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from core.cv import cv2
from core.images import io as image_io
from tests.image_makers import (
    cmyk_profile,
    grey_profile,
    photo,
    pillow_bytes,
    png_bytes,
    rgb_profile,
    tifffile_bytes,
)
from tests.images.io_kit import put

# --- screen -------------------------------------------------------------------------------------


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


# --- finding ------------------------------------------------------------------------------------


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
