"""Pictures in a folder that cannot be read: which are named, which files are left unmentioned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.images import io as image_io
from core.images.io import PassedOver
from tests.image_makers import without_extras

PICTURES = {
    "a.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
    "b.CR2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(16), "camera raw"),
    "c.nef": (b"MM\0*\0\0\0\x08" + bytes(16), "camera raw"),
    "d.raf": (b"FUJIFILMCCD-RAW 0201", "camera raw"),
    "e.psd": (b"8BPS\0\1" + bytes(20), "Photoshop"),
    "f.exr": (b"v/1\1\2\0\0\0channels\0", "OpenEXR, HDR"),
    "g.hdr": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n", "Radiance HDR"),
    "h.tga": (bytes(2) + b"\2" + bytes(9) + b"\x10\0\x10\0\x18\0" + b"\x80" * 768, "Targa"),
    "i.heif": (b"", "HEIC"),
}
NO_PICTURES = {
    "notes.txt": b"rain on Monday",
    "a.json": b"{}",
    "labels.hdr": b"ENVI\nsamples = 512\n",
    "brain.hdr": b"\x5c\1\0\0" + bytes(344),
    "run.fit": b"\x0e\x10\x43\x08\x28\x06\0\0.FIT" + bytes(40),
    "letter.psd": b"only words",
    "clip.mov": b"\0\0\0\x14ftypqt  ",
    ".hidden.heic": PICTURES["a.heic"][0],
}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    without_extras(monkeypatch)


def passed_over(folder: Path, recursive: bool = False) -> list[PassedOver]:
    found: list[PassedOver] = []
    list(image_io.find_images(folder, recursive, on_passed_over=found.append))
    return found


def test_kinds_are_told_and_other_files_are_not(tmp_path: Path) -> None:
    for name, content in {**{n: c for n, (c, _) in PICTURES.items()}, **NO_PICTURES}.items():
        (tmp_path / name).write_bytes(content)
    frames = [Image.fromarray(np.full((4, 4, 3), level, np.uint8)) for level in (0, 250)]
    frames[0].save(tmp_path / "j.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "folder.heic").mkdir()
    expected = {name: kind for name, (_, kind) in PICTURES.items()} | {"j.gif": "GIF"}
    assert {one.path.name: one.kind for one in passed_over(tmp_path)} == expected


def test_a_readable_picture_under_another_name_says_so(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "phone.heic", "JPEG")
    Image.new("RGB", (4, 4)).save(tmp_path / "two.mpo", "JPEG")
    assert [one.kind for one in passed_over(tmp_path)] == ["JPEG named .heic", "several pictures in one file"]


def test_what_is_named_is_what_cannot_be_read(tmp_path: Path) -> None:
    for name, (content, _) in PICTURES.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(image_io.ImageError):
            image_io.read(tmp_path / name)


def test_folders_below_only_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.heic").write_bytes(PICTURES["a.heic"][0])
    assert passed_over(tmp_path) == []
    assert [one.path for one in passed_over(tmp_path, True)] == [tmp_path / "deep" / "a.heic"]


def test_nothing_is_opened_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.heic").write_bytes(PICTURES["a.heic"][0])
    (tmp_path / "notes.txt").write_text("rain")

    def refuse(path: object) -> object:
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr("core.images.find.opened", refuse)
    assert list(image_io.find_images(tmp_path, False)) == []


@pytest.mark.parametrize(
    ("count", "line"),
    [
        (1, "1 file is a picture MemoryNet cannot read: p0.heic (HEIC)."),
        (3, "3 files are pictures MemoryNet cannot read: p0.heic (HEIC), p1.heic (HEIC), p2.heic (HEIC)."),
        (
            1234,
            "1,234 files are pictures MemoryNet cannot read: p0.heic (HEIC), p1.heic (HEIC), p2.heic (HEIC), "
            "p3.heic (HEIC), p4.heic (HEIC) and 1,229 more.",
        ),
    ],
)
def test_the_line(count: int, line: str) -> None:
    found = [PassedOver(Path(f"/photos/p{index}.heic"), "HEIC") for index in range(count)]
    remedy = "HEIC opens once python -m pip install pillow-heif has been run."
    assert image_io.passed_over_line(found) == f"{line} {remedy}"


def test_long_names_keep_their_ends() -> None:
    line = image_io.passed_over_line([PassedOver(Path("a holiday " * 20 + "0042.heic"), "HEIC")])
    assert len(line) < 170 and "a holiday" in line and "0042.heic (HEIC)" in line
