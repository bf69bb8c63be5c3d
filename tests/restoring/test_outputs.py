"""Where results go, what they record, when they count as done; and the blend."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from core.images import io as image_io
from core.images.blend import blend
from core.images.io import WriteOptions
from core.model.memory_edit import thorough
from core.restoring import outputs
from core.restoring.records import Made, Restored, RestoreRequest
from core.tasks import TASKS
from tests.image_makers import photo, pillow_bytes, png_bytes

SHA = "a" * 64


ASKED = RestoreRequest()
MADE = Made("derain", "derain-s", SHA, "cpu", "fp32", 512, 1.0, 1.0, (), "unchanged", "none", "none", "auto")


def restored(pixels: np.ndarray, **changes: Any) -> Restored:
    return replace(Restored.of(MADE, pixels), **changes)


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_beside_the_source_by_default(task: str) -> None:
    assert outputs.output_path("photos/beach.JPG", task=task) == Path(
        f"photos/beach.{TASKS[task].suffix}.JPG"
    )


@pytest.mark.parametrize(
    ("source", "format", "name"),
    [
        ("a.jpg", None, "a.derained.jpg"),
        ("a.JPEG", "JPEG", "a.derained.JPEG"),
        ("a.jpg", "PNG", "a.derained.png"),
        ("a.tiff", "TIFF", "a.derained.tiff"),
        ("a.heic", None, "a.derained.png"),
        ("a.cr2", None, "a.derained.png"),
        ("a", None, "a.derained.png"),
        ("a.b.c.webp", "AVIF", "a.b.c.derained.avif"),
        ("scan.j2k", None, "scan.derained.jp2"),
        ("雨.png", None, "雨.derained.png"),
        (".png", None, ".png.derained.png"),
    ],
)
def test_names(source: str, format: str | None, name: str) -> None:
    assert outputs.output_path(source, format=format) == Path(name)


def test_the_content_names_the_extension_when_the_two_differ(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.png"
    wrong.write_bytes(pillow_bytes(photo(8, 8), "JPEG"))
    assert outputs.output_path(wrong) == tmp_path / "wrong.derained.jpg"


def test_the_tree_is_kept_below_the_output_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "in" / "day 1" / "sea" / "a.png"
    expected = Path("out") / "day 1" / "sea" / "a.derained.png"
    assert outputs.output_path(source, "out", tmp_path / "in") == expected
    assert outputs.output_path(source, "out") == Path("out") / "a.derained.png"
    assert outputs.output_path(source, "out", tmp_path / "elsewhere") == Path("out") / "a.derained.png"
    monkeypatch.chdir(tmp_path)
    assert outputs.output_path(source, "out", "in") == expected
    assert outputs.output_path(Path("in/day 1/sea/a.png"), "out", tmp_path / "in") == expected
    assert outputs.output_path(Path("in/../in/day 1/sea/a.png"), "out", tmp_path / "in") == expected


def test_long_names_stay_within_what_disks_allow(tmp_path: Path) -> None:
    source = tmp_path / ("é" * 125 + ".png")
    target = outputs.output_path(source)
    assert len(os.fsencode(target.name)) <= 240
    assert target.name.endswith("é.derained.png")
    image_io.write(target, image_io.from_array(photo(4, 4)))


@pytest.mark.parametrize("arguments", [{"task": "../haze"}, {"format": "GIF"}])
def test_unknown_task_or_format(arguments: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"is no name of one|is none of"):
        outputs.output_path("a.png", **arguments)


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=80))
def test_the_source_is_never_the_answer(name: str) -> None:
    if name in (".", ".."):
        return
    target = outputs.output_path(Path("folder") / name)
    assert target.name.casefold() != name.casefold()
    assert target.parent == Path("folder")


def test_free_path(tmp_path: Path) -> None:
    path = tmp_path / "a.derained.jpg"
    assert outputs.free_path(path) == path
    path.touch()
    assert outputs.free_path(path).name == "a.derained-2.jpg"
    (tmp_path / "a.derained-2.jpg").symlink_to("nowhere")
    assert outputs.free_path(path).name == "a.derained-3.jpg"


# --- blend ---------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from([np.uint8, np.uint16]), st.floats(0, 1))
def test_blend_is_the_rounded_sum(data: st.DataObject, depth: type, strength: float) -> None:
    shape = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)))
    before, after = (data.draw(arrays.arrays(depth, shape)) for _ in range(2))
    result = blend(before, after, strength)
    exact = before + strength * (after.astype(np.float64) - before)
    assert result.dtype == depth
    # Strength counts in steps of 2**-20: a sixteenth of a level at most, at 16 bits.
    assert np.abs(result - exact).max() <= 0.5 + np.iinfo(depth).max / 2**20
    assert ((result >= np.minimum(before, after)) & (result <= np.maximum(before, after))).all()


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_blend_at_the_ends_is_exact_and_a_copy(depth: type) -> None:
    before, after = photo(30, 20, depth, seed=1), photo(30, 20, depth, seed=2)
    for strength, expected in ((0.0, before), (1.0, after)):
        result = blend(before, after, strength)
        assert np.array_equal(result, expected) and not np.shares_memory(result, expected)


def test_blend_half_rounds_up_both_ways() -> None:
    low, high = np.full((1, 1, 3), 10, np.uint8), np.full((1, 1, 3), 13, np.uint8)
    assert blend(low, high, 0.5)[0, 0, 0] == blend(high, low, 0.5)[0, 0, 0] == 12


def test_blend_in_bands_equals_blend_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = photo(50, 41, np.uint16, seed=1), photo(50, 41, np.uint16, seed=2)
    whole = blend(before, after, 0.37)
    monkeypatch.setattr("core.images.blend._BAND_VALUES", 400)
    assert np.array_equal(blend(before, after, 0.37), whole)


@pytest.mark.parametrize(
    ("before", "after", "strength"),
    [
        (np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 3), np.uint8), 0.5),
        (np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint16), 0.5),
        (np.zeros((2, 2, 3), np.float32), np.zeros((2, 2, 3), np.float32), 0.5),
        (np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8), 1.01),
        (np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8), float("nan")),
    ],
)
def test_blend_refuses(before: np.ndarray, after: np.ndarray, strength: float) -> None:
    with pytest.raises(ValueError, match=r"blend|strength"):
        blend(before, after, strength)


def test_restore_blends_by_the_same_definition() -> None:
    from core.restoring import restore

    assert restore.blend is blend


# --- saving --------------------------------------------------------------------------------------


def source_in(folder: Path, depth: type = np.uint16) -> image_io.Picture:
    path = folder / "source.png"
    path.write_bytes(png_bytes(photo(40, 30, depth)))
    return image_io.read(path)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_save_writes_the_blend(tmp_path: Path, depth: type, strength: float) -> None:
    picture = source_in(tmp_path, depth)
    after = photo(40, 30, depth, seed=7)
    receipt = outputs.save(restored(after), picture, tmp_path / "out" / "a.png", strength)
    written = image_io.read(receipt.path).pixels
    assert written.dtype == depth
    assert np.array_equal(written, blend(picture.pixels, after, strength))


def test_save_refuses_another_pictures_result(tmp_path: Path) -> None:
    picture = source_in(tmp_path)
    for wrong in (photo(30, 40, np.uint16), photo(40, 30, np.uint8)):
        with pytest.raises(ValueError, match="blend"):
            outputs.save(restored(wrong), picture, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def test_save_never_over_the_source(tmp_path: Path) -> None:
    picture = source_in(tmp_path)
    with pytest.raises(image_io.WouldOverwrite):
        outputs.save(restored(picture.pixels), picture, picture.info.path, 1.0, WriteOptions(overwrite=True))


@pytest.mark.parametrize("extension", [".png", ".jpg", ".tif", ".webp", ".avif", ".bmp", ".jp2"])
def test_every_output_says_how_it_was_made(tmp_path: Path, extension: str) -> None:
    picture = source_in(tmp_path)
    after = photo(40, 30, np.uint16, seed=7)
    receipt = outputs.save(restored(after), picture, tmp_path / f"a{extension}", 0.85)
    record = image_io.read_provenance(receipt.path)
    assert record is not None
    assert record["software"] == "MemoryNet" and record["version"]
    assert (record["model"], record["model_sha256"], record["task"]) == ("derain-s", SHA, "derain")
    assert (record["strength"], record["precision"], record["tile_px"]) == ("0.85", "fp32", "512")
    assert any(line.what == "Provenance" and line.kept for line in receipt.lines)
    assert (receipt.sidecar is not None) == (extension == ".bmp")


def test_a_picture_without_a_file_has_a_record_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clipboard").write_text("a file that has nothing to do with it")
    picture = image_io.from_array(photo(40, 30))
    receipt = outputs.save(restored(picture.pixels), picture, "pasted.png")
    record = image_io.read_provenance(receipt.path)
    assert record is not None and "source" not in record


# --- resume --------------------------------------------------------------------------------------


def test_an_output_is_current_for_its_own_request_only(tmp_path: Path) -> None:
    picture = source_in(tmp_path)
    source = picture.info.path
    target = outputs.output_path(source)
    request = outputs.fingerprint(source, SHA, ASKED, 0.5)
    assert not outputs.is_current(target, request), "nothing there yet"
    outputs.save(restored(picture.pixels), picture, target, 0.5)
    assert outputs.is_current(target, request)
    assert outputs.is_current(
        target, outputs.fingerprint(source, SHA, RestoreRequest(precision="fp32", tile_px=512), 0.5)
    )
    for other in (
        outputs.fingerprint(source, "b" * 64, ASKED, 0.5),
        outputs.fingerprint(source, SHA, RestoreRequest("deblur"), 0.5),
        outputs.fingerprint(source, SHA, ASKED, 0.51),
        outputs.fingerprint(source, SHA, RestoreRequest(precision="bf16"), 0.5),
        outputs.fingerprint(source, SHA, RestoreRequest(precision="fp32", tile_px=256), 0.5),
        outputs.fingerprint(source, SHA, ASKED, 0.5, options=WriteOptions(quality=80)),
        outputs.fingerprint(source, SHA, ASKED, 0.5, options=WriteOptions(strip_gps=True)),
        outputs.fingerprint(source, SHA, RestoreRequest(mute_memory=True), 0.5),
        outputs.fingerprint(source, SHA, RestoreRequest(memory_edit=thorough(1.5)), 0.5),
        outputs.fingerprint(source, SHA, RestoreRequest(mask=np.full((40, 30), 255, np.uint8)), 0.5),
    ):
        assert not outputs.is_current(target, other)


def test_a_changed_source_or_version_makes_an_output_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = source_in(tmp_path)
    source = picture.info.path
    target = outputs.output_path(source)
    outputs.save(restored(picture.pixels), picture, target)
    assert outputs.is_current(target, outputs.fingerprint(source, SHA, ASKED))
    with monkeypatch.context() as patch:
        patch.setattr(outputs, "__version__", "999")
        assert not outputs.is_current(target, outputs.fingerprint(source, SHA, ASKED))
    os.utime(source, ns=(1, 1))
    assert not outputs.is_current(target, outputs.fingerprint(source, SHA, ASKED))
    source.unlink()
    with pytest.raises(image_io.UnreadableFile):
        outputs.fingerprint(source, SHA, ASKED)


def test_a_source_that_changed_while_it_was_restored_is_done_again(tmp_path: Path) -> None:
    picture = source_in(tmp_path)
    source = picture.info.path
    target = outputs.output_path(source)
    source.write_bytes(png_bytes(photo(40, 30, np.uint16, seed=9)))
    os.utime(source, ns=(1, picture.info.file_mtime_ns + 1))
    outputs.save(restored(picture.pixels), picture, target)
    assert not outputs.is_current(target, outputs.fingerprint(source, SHA, ASKED))


@pytest.mark.parametrize("extension", [".png", ".jpg", ".tif", ".webp", ".avif", ".bmp", ".jp2"])
def test_an_output_cut_short_is_made_again(tmp_path: Path, extension: str) -> None:
    picture = source_in(tmp_path)
    target = tmp_path / f"a{extension}"
    request = outputs.fingerprint(picture.info.path, SHA, ASKED)
    outputs.save(restored(picture.pixels), picture, target)
    assert outputs.is_current(target, request)
    data = target.read_bytes()
    target.write_bytes(data[: len(data) - 100])
    assert not outputs.is_current(target, request)


def test_foreign_damaged_or_missing_outputs_are_not_current(tmp_path: Path) -> None:
    picture = source_in(tmp_path)
    target = outputs.output_path(picture.info.path)
    request = outputs.fingerprint(picture.info.path, SHA, ASKED)
    for content in (b"", b"text", png_bytes(photo(8, 8)), pillow_bytes(photo(8, 8), "JPEG")[:50]):
        target.write_bytes(content)
        assert not outputs.is_current(target, request)
    outputs.save(restored(picture.pixels), picture, target, 1.0, WriteOptions(overwrite=True))
    assert outputs.is_current(target, request)
    whole = target.read_bytes()
    target.write_bytes(whole[: len(whole) // 2])
    assert not outputs.is_current(target, request)


def test_saving_is_repeatable_to_the_byte(tmp_path: Path) -> None:
    picture = source_in(tmp_path)
    after = restored(photo(40, 30, np.uint16, seed=3))
    for extension in (".png", ".jpg", ".tif", ".webp", ".jp2"):
        one, two = (tmp_path / f"{name}{extension}" for name in ("one", "two"))
        outputs.save(after, picture, one, 0.7)
        outputs.save(replace(after), picture, two, 0.7)
        assert one.read_bytes() == two.read_bytes()


def test_the_rooms_that_the_window_needs_first_are_light() -> None:
    code = (
        "import sys, core.images.io, core.restoring.outputs;"
        "print([name for name in ('torch', 'cv2', 'tifffile', 'PySide6', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
