"""Writing pictures where something is in the way or the disk fails: nothing is lost or half done."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import atomic
from core.images import io as image_io
from core.images.io import WriteOptions
from tests.image_makers import (
    XMP,
    exif_block,
    photo,
    png_bytes,
    rgb_profile,
)
from tests.images.bad_kit import RGB

# --- writing: what must never be overwritten ----------------------------------------------------


def test_the_source_is_never_overwritten(tmp_path: Path) -> None:
    source = tmp_path / "Photo.png"
    source.write_bytes(png_bytes(RGB))
    before = source.read_bytes()
    picture = image_io.read(source)
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.png").symlink_to(source)
    os.link(source, tmp_path / "hard.png")
    (tmp_path / "folder").symlink_to(tmp_path, target_is_directory=True)
    targets = [
        source,
        tmp_path / "link.png",
        tmp_path / "hard.png",
        tmp_path / "sub" / ".." / "Photo.png",
        tmp_path / "folder" / "Photo.png",
        tmp_path / "PHOTO.PNG",
        tmp_path / "photo.png",
    ]
    for target in targets:
        with pytest.raises(image_io.WouldOverwrite) as caught:
            image_io.write(target, picture, WriteOptions(overwrite=True))
        assert caught.value.is_source and caught.value.path == target
    source.unlink()
    with pytest.raises(image_io.WouldOverwrite):  # not even its empty place
        image_io.write(source, picture, WriteOptions(overwrite=True))
    assert (tmp_path / "hard.png").read_bytes() == before


def test_source_by_a_relative_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(png_bytes(RGB))
    monkeypatch.chdir(tmp_path)
    picture = image_io.read("a.png")
    with pytest.raises(image_io.WouldOverwrite):
        image_io.write(tmp_path / "a.png", picture, WriteOptions(overwrite=True))


def test_an_existing_target_needs_permission(tmp_path: Path) -> None:
    target = tmp_path / "t.png"
    target.write_text("precious")
    with pytest.raises(image_io.WouldOverwrite) as caught:
        image_io.write(target, image_io.from_array(RGB))
    assert not caught.value.is_source and target.read_text() == "precious"
    image_io.write(target, image_io.from_array(RGB), WriteOptions(overwrite=True))
    assert np.array_equal(image_io.read(target).pixels, RGB)
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(image_io.WouldOverwrite):
        image_io.write(tmp_path / "dangling.png", image_io.from_array(RGB))


def test_a_target_that_appears_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "t.png"
    real = image_io.encode

    def slow(job: Any, file: Any) -> None:
        real(job, file)
        target.write_text("someone else's")

    monkeypatch.setattr(image_io, "encode", slow)
    with pytest.raises(image_io.WouldOverwrite):
        image_io.write(target, image_io.from_array(RGB))
    assert target.read_text() == "someone else's"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == ["t.png"]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"format": "JPEG"}, "a.png"),
        ({"format": "GIF"}, "a.gif"),
        ({"quality": 0}, "a.jpg"),
        ({"bit_depth": 12}, "a.png"),
    ],
)
def test_options_that_contradict(tmp_path: Path, options: dict, name: str) -> None:
    with pytest.raises(ValueError, match=r"extension says|is none of|outside|neither"):
        image_io.write(tmp_path / name, image_io.from_array(RGB), WriteOptions(**options))


def test_arrays_that_are_no_picture(tmp_path: Path) -> None:
    good = image_io.from_array(np.dstack([RGB, RGB[..., 0]]))
    assert good.alpha is not None
    for changes in (
        {"pixels": RGB[..., 0]},
        {"pixels": RGB.astype(np.float32)},
        {"pixels": RGB[:10]},
        {"alpha": good.alpha.astype(np.uint16)},
    ):
        with pytest.raises(ValueError, match=r"pixels"):
            image_io.write(tmp_path / "a.png", replace(good, **changes))
    assert _leftovers(tmp_path) == ["home"]


def test_a_size_the_format_cannot_hold(tmp_path: Path) -> None:
    picture = image_io.from_array(np.zeros((1, 16_384, 3), np.uint8))
    with pytest.raises(image_io.UnsupportedImage, match="16384 x 1"):
        image_io.write(tmp_path / "a.webp", picture)
    assert not image_io.can_hold("JPEG", 70_000, 3) and image_io.can_hold("PNG", 70_000, 3)


def _leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _raise(number: int) -> Callable[..., None]:
    def fail(*_args: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


STAGES = ["mkdir", "create", "write", "fsync", "replace"]

FORMATS = [".png", ".jpg", ".tif", ".webp", ".avif", ".bmp", ".jp2"]


def _break(monkeypatch: pytest.MonkeyPatch, stage: str, number: int, after: int = 0) -> None:
    if stage == "mkdir":
        monkeypatch.setattr(Path, "mkdir", _raise(number))
    elif stage == "create":
        monkeypatch.setattr(atomic, "_create", _raise(number))
    elif stage in ("fsync", "replace"):
        monkeypatch.setattr(os, stage, _raise(number))
    else:

        class FullDisk(io.FileIO):
            """Takes ``after`` bytes, as a disk that fills up."""

            room = after

            def write(self, data: Any) -> int:
                self.room -= len(memoryview(data).cast("B"))
                if self.room < 0:
                    raise OSError(number, os.strerror(number))
                return super().write(data) or 0

        monkeypatch.setattr(atomic, "_create", lambda path: FullDisk(path, "x+"))


# --- writing: disks that fail -------------------------------------------------------------------


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_a_failing_disk_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extension: str, stage: str, number: int
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    target = folder / f"photo{extension}"
    target.write_bytes(b"the old result")
    picture = image_io.from_array(photo(64, 64))
    with monkeypatch.context() as patch:
        _break(patch, stage, number)
        with pytest.raises(image_io.WriteFailed) as caught:
            image_io.write(target, picture, WriteOptions(overwrite=True))
    assert caught.value.errno == number and caught.value.path == target
    assert _leftovers(folder) == [target.name]
    assert target.read_bytes() == b"the old result"


@pytest.mark.parametrize("extension", FORMATS)
def test_a_disk_that_fills_up_at_any_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extension: str
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    picture = replace(image_io.from_array(photo(64, 64)), exif=exif_block(), xmp=XMP, icc=rgb_profile())
    image_io.write(folder / f"whole{extension}", picture)
    size = (folder / f"whole{extension}").stat().st_size
    for room in (0, 1, 100, size // 3, size // 2, size - 1):
        with monkeypatch.context() as patch:
            _break(patch, "write", errno.ENOSPC, after=room)
            with pytest.raises(image_io.WriteFailed) as caught:
                image_io.write(folder / f"photo{extension}", picture)
        assert caught.value.errno == errno.ENOSPC
        assert _leftovers(folder) == [f"whole{extension}"]


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_FSIZE is a Unix limit")
@pytest.mark.parametrize("extension", [".png", ".jpg", ".tif", ".jp2"])
def test_a_real_limit_of_the_system(tmp_path: Path, extension: str) -> None:
    """Not an injected error: the kernel itself refuses after 4 kB."""
    target = tmp_path / f"a{extension}"
    target.write_bytes(b"old")
    code = f"""
import resource, numpy as np
from core.images import io as image_io
picture = image_io.from_array(np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8))
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    image_io.write({str(target)!r}, picture, image_io.WriteOptions(overwrite=True))
except image_io.WriteFailed as error:
    print("failed", error.errno)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("failed"), done.stderr
    assert target.read_bytes() == b"old"
    assert not list(tmp_path.glob(".writing*"))


def test_an_encoder_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_job: Any, file: Any) -> None:
        file.write(b"half of it")
        raise ValueError("bad table")

    monkeypatch.setattr(image_io, "encode", broken)
    with pytest.raises(image_io.WriteFailed, match="bad table"):
        image_io.write(tmp_path / "a.png", image_io.from_array(RGB))
    assert _leftovers(tmp_path) == ["home"]


def test_a_result_that_reads_back_wrong_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(_job: Any, file: Any) -> None:
        file.write(png_bytes(RGB[:5]))

    monkeypatch.setattr(image_io, "encode", wrong)
    with pytest.raises(image_io.WriteFailed, match="reads back"):
        image_io.write(tmp_path / "a.png", image_io.from_array(RGB))
    assert _leftovers(tmp_path) == ["home"]


def test_being_interrupted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_job: Any, file: Any) -> None:
        file.write(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(image_io, "encode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        image_io.write(tmp_path / "a.png", image_io.from_array(RGB))
    assert _leftovers(tmp_path) == ["home"]


# --- the sidecar --------------------------------------------------------------------------------


def test_sidecar_where_the_format_has_no_place(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "a.bmp"
    receipt = image_io.write(target, image_io.from_array(RGB), provenance={"model": "é"})
    assert receipt.sidecar == target.with_name("a.bmp.json")
    assert image_io.read_provenance(target) == {"model": "é"}
    assert "é" in receipt.sidecar.read_text("utf-8")
    image_io.write(target, image_io.from_array(RGB), WriteOptions(overwrite=True), {"model": "2"})
    assert image_io.read_provenance(target) == {"model": "2"}


def test_someone_elses_file_of_the_sidecars_name_is_kept(tmp_path: Path) -> None:
    other = tmp_path / "a.bmp.json"
    other.write_text('{"mine": true}')
    with pytest.raises(image_io.WouldOverwrite) as caught:
        image_io.write(
            tmp_path / "a.bmp", image_io.from_array(RGB), WriteOptions(overwrite=True), {"model": "2"}
        )
    assert caught.value.path == other
    assert not (tmp_path / "a.bmp").exists()
    for text in ("[1]", "not json", '{"namespace": "other"}'):
        other.write_text(text)
        image_io.write(tmp_path / "b.bmp", image_io.from_array(RGB), WriteOptions(overwrite=True))
        (tmp_path / "b.bmp").replace(tmp_path / "a.bmp")
        assert image_io.read_provenance(tmp_path / "a.bmp") is None


@pytest.mark.parametrize("failing_call", [1, 2])
@pytest.mark.parametrize("existing", [False, True])
def test_picture_and_sidecar_come_together_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing_call: int, existing: bool
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    target = folder / "a.bmp"
    if existing:
        image_io.write(target, image_io.from_array(RGB), provenance={"model": "old"})
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    real, calls = os.replace, []

    def replace_(source: Any, destination: Any) -> None:
        calls.append(destination)
        if len(calls) == failing_call:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, destination)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace_)
        with pytest.raises(image_io.WriteFailed):
            image_io.write(
                target, image_io.from_array(255 - RGB), WriteOptions(overwrite=True), {"model": "new"}
            )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_files_get_the_rights_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        image_io.write(tmp_path / "a.png", image_io.from_array(RGB))
    finally:
        os.umask(before)
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o640
    (tmp_path / "a.png").chmod(0o604)
    image_io.write(tmp_path / "a.png", image_io.from_array(RGB), WriteOptions(overwrite=True))
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o604


def test_memory_that_ends_while_writing_is_no_fault_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_args: object) -> None:
        raise MemoryError

    monkeypatch.setattr(image_io, "encode", exhausted)
    with pytest.raises(MemoryError):
        image_io.write(tmp_path / "a.png", image_io.from_array(photo(8, 8)))
    assert list(tmp_path.glob("*.p*")) == list(tmp_path.glob(".*.part")) == []
