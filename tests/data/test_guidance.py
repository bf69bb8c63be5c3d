"""Masks: what is taken for one, what is refused, and which input each belongs to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.data import guidance
from core.data.dataset import Pair, PairingError
from core.data.guidance import MaskError, check_size, find_masks, note, read_mask
from core.images import io as image_io
from core.problems import describe
from tests.small import photo


def mask(width: int = 30, height: int = 20) -> np.ndarray:
    return np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image_io.write(path, image_io.from_array(pixels))
    return path


def test_grey_pictures_of_any_kind_are_masks(tmp_path: Path) -> None:
    grey = mask()
    three = np.repeat(grey[..., None], 3, -1)
    opaque = np.concatenate((three, np.full((20, 30, 1), 255, np.uint8)), -1)
    for name, pixels in (
        ("one.png", grey[..., None]),
        ("three.png", three),
        ("opaque.png", opaque),
        ("deep.tif", three.astype(np.uint16) * 257),
    ):
        found = read_mask(write(tmp_path / name, pixels))
        assert found.dtype == np.uint8 and np.array_equal(found, grey), name
    lossy = read_mask(write(tmp_path / "lossy.jpg", three))
    assert np.abs(lossy.astype(int) - grey).max() < 8


def test_other_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match=r"photo\.png: has colours"):
        read_mask(write(tmp_path / "photo.png", photo(30, 20)))
    clear = np.repeat(mask()[..., None], 4, -1)
    with pytest.raises(MaskError, match=r"clear\.png: is transparent in places"):
        read_mask(write(tmp_path / "clear.png", clear))
    with pytest.raises(image_io.UnreadableFile):
        read_mask(tmp_path / "absent.png")
    with pytest.raises(MaskError, match="m: 30x20 px, need the photo's 20x30 px") as refused:
        check_size(mask(), 20, 30, "m")
    check_size(mask(), 30, 20)
    assert describe(refused.value).what == "The mask cannot be used."


def test_the_note_is_of_the_pixels_and_the_shape() -> None:
    zeros = np.zeros((2, 6), np.uint8)
    assert note(None) == guidance.NO_MASK
    assert len({note(zeros), note(zeros.reshape(3, 4)), note(zeros + 1), note(None)}) == 4
    assert note(np.asfortranarray(mask())) == note(mask())


def pair(name: str) -> Pair:
    return Pair(Path(f"in/{name}.jpg"), Path(f"out/{name}.png"), name)


def test_masks_go_by_the_name_of_the_input(tmp_path: Path) -> None:
    for name in ("1.PNG", "Sub/Zwölf.png", "unused.png"):
        write(tmp_path / name, mask())
    found = find_masks(tmp_path, [pair("1"), pair("sub/zwo\u0308lf")])
    assert [path.name for path in found.values()] == ["1.PNG", "Zwölf.png"]
    with pytest.raises(PairingError, match=r"no mask for 7 of the inputs: 2\.jpg, .* and 2 more") as refused:
        find_masks(tmp_path, [pair("1"), *(pair(str(n)) for n in range(2, 9))])
    assert [path.name for path in refused.value.unpaired] == [f"{n}.jpg" for n in range(2, 9)]
    write(tmp_path / "1.tif", mask())
    with pytest.raises(PairingError, match="two masks of one name"):
        find_masks(tmp_path, [pair("1")])
    with pytest.raises(PairingError, match="does not exist"):
        find_masks(tmp_path / "absent", [])
    with pytest.raises(PairingError, match="is not a folder"):
        find_masks(tmp_path / "1.tif", [])
