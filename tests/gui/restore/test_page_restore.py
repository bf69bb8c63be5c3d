"""The Restore page with real photos, the real model and the real worker."""

from __future__ import annotations

import os
import shlex
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core import tasks
from core.cli import program as cli
from core.images import io as image_io
from core.images import metrics
from core.images.blend import blend
from core.jobs import JobControl
from core.model import catalog
from core.restoring import passes, restore
from memorynet_gui.restore.command import arguments, command, quote
from memorynet_gui.restore.page import RestorePage
from memorynet_gui.restore.queue_item import ItemState, Origin
from memorynet_gui.restore.saves import pixels_of
from tests.image_makers import without_extras
from tests.restore_page_kit import TILE_PX, Desk, desk, heap_of_its_own, rainy, wait, write


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("photos")
    wet, dry = rainy()
    return {
        "png": write(folder / "rain.png", wet),
        "second": write(folder / "second.png", wet[:80, :96]),
        "truth": write(folder / "truth.png", dry),
        "jpeg": write(folder / "Zoë's rain; & more.jpg", wet, quality=90),
    }


@pytest.fixture
def place(photos: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """The photos in a folder of this test's own."""
    folder = tmp_path / "in"
    folder.mkdir()
    own = {}
    for key, path in photos.items():
        own[key] = folder / path.name
        own[key].write_bytes(path.read_bytes())
    return own


@pytest.fixture
def at(qapp: QApplication, tmp_path: Path) -> Iterator[Desk]:
    with desk(qapp, tmp_path / "own") as made:
        yield made


# --- photos in -------------------------------------------------------------------------------------


def drop(target, paths: list[Path]) -> None:  # type: ignore[no-untyped-def]
    """A real drag and drop; the data has to outlive the events."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    at, action = target.rect().center(), Qt.DropAction.CopyAction
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(at, action, data, buttons, keys)
    QApplication.sendEvent(target, enter)
    assert enter.isAccepted() is True
    QApplication.sendEvent(target, QDropEvent(QPointF(at), action, data, buttons, keys))


def test_files_and_folders_dropped_on_the_photo_are_queued(at: Desk, place: dict[str, Path]) -> None:
    at.add(place["png"])
    deep = place["png"].parent / "more" / "deeper"
    deep.mkdir(parents=True)
    inside = deep / "in.jpg"
    inside.write_bytes(place["jpeg"].read_bytes())
    (deep / "in.derained.jpg").write_bytes(b"a result of an earlier run")
    (deep / "notes.txt").write_text("not a photo")
    drop(at.page.canvas, [place["jpeg"], deep.parent])
    wait(lambda: len(at.page.session) == 3)
    assert [item.path for item in at.page.session.items()] == [place["png"], place["jpeg"], inside]


def test_an_empty_folder_is_said(at: Desk, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    at.page.open_paths([tmp_path / "empty"])
    wait(lambda: at.said)
    assert at.said[0].text == "There are no photos in empty."


def test_pictures_of_a_folder_that_cannot_be_read_are_said_once(
    at: Desk, place: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_extras(monkeypatch)
    folder = place["png"].parent / "phone"
    (folder / "deeper").mkdir(parents=True)
    for name in ("a.heic", "by hand.heic", "deeper/b.heic"):
        (folder / name).write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (folder / "notes.txt").write_text("not a photo")
    drop(at.page.canvas, [folder, folder / "by hand.heic", folder / "deeper"])
    wait(lambda: at.said)
    (said,) = at.said
    assert said.text == (
        "2 files are pictures MemoryNet cannot read: a.heic (HEIC), b.heic (HEIC). "
        "HEIC opens once python -m pip install pillow-heif has been run."
    )
    assert said.callback is not None
    said.callback()
    assert QGuiApplication.clipboard().text() == (
        f"{folder / 'a.heic'} (HEIC)\n{folder / 'deeper' / 'b.heic'} (HEIC)"
    )
    assert [item.name for item in at.page.session.items()] == ["by hand.heic"], "a file by hand has a row"


def test_the_empty_state_offers_samples_that_bring_their_truth(at: Desk) -> None:
    assert len(at.page.empty.buttons) == 3
    QTest.mouseClick(at.page.empty.buttons[1], Qt.MouseButton.LeftButton)
    sample = at.page.empty.buttons[1].sample
    item = at.page.session.current
    assert item is not None and item.path == sample.path and item.origin is Origin.SAMPLE
    assert item.reference == sample.truth
    at.wait_shown(sample.path)


def test_a_picture_on_the_clipboard_becomes_a_lossless_file(at: Desk) -> None:
    wet, _ = rainy()
    image = QImage(wet.tobytes(), wet.shape[1], wet.shape[0], wet.shape[1] * 3, QImage.Format.Format_RGB888)
    QGuiApplication.clipboard().setImage(image)
    at.page.handle("paste")
    wait(lambda: len(at.page.session) == 1)
    item = at.page.session.at(0)
    assert item.origin is Origin.PASTED and item.path.is_relative_to(at.settings.data_dir)
    np.testing.assert_array_equal(image_io.read(item.path).pixels, wet)


def test_files_on_the_clipboard_are_queued_and_nothing_is_said_to_be_nothing(
    at: Desk, place: dict[str, Path]
) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(place["png"]))])
    QGuiApplication.clipboard().setMimeData(data)
    at.page.handle("paste")
    wait(lambda: len(at.page.session) == 1)
    QGuiApplication.clipboard().setText("only words")
    at.page.handle("paste")
    assert at.said[-1].text == "There is no photo on the clipboard."


@pytest.mark.parametrize("format_", [QImage.Format.Format_ARGB32_Premultiplied, QImage.Format.Format_RGBA64])
def test_alpha_of_a_pasted_picture_is_kept(format_: QImage.Format) -> None:
    image = QImage(5, 3, format_)
    image.fill(Qt.GlobalColor.transparent)
    image.setPixelColor(2, 1, Qt.GlobalColor.red)
    pixels = pixels_of(image)
    assert pixels.shape == (3, 5, 4)
    full = np.iinfo(pixels.dtype).max
    assert pixels[1, 2].tolist() == [full, 0, 0, full] and pixels[0, 0, 3] == 0


# --- restoring -------------------------------------------------------------------------------------


def test_a_photo_is_restored_tile_by_tile_on_the_canvas(at: Desk, place: dict[str, Path]) -> None:
    wet, _ = rainy()
    at.add(place["png"])
    at.wait_shown(place["png"])
    seen: list[tuple[int, int]] = []
    at.page.flow.tile_came.connect(lambda tile: seen.append((tile.x, tile.y)))
    at.page.handle("run")
    assert at.states() == ["running"]
    at.wait_idle()
    item = at.item(place["png"])
    assert item.state is ItemState.DONE and item.result is not None
    assert item.result.made.tile_px == TILE_PX and len(set(seen)) == len(seen) == 6
    expected = restore.restore(
        image_io.read(place["png"]),
        restore.RestoreRequest(tile_px=TILE_PX),
        lambda _event: None,
        JobControl(),
    )
    np.testing.assert_array_equal(at.page.store.get(item.id), expected.pixels)
    at.page.canvas.set_mode("restored")
    for x, y in ((0, 0), (100, 90), (159, 127)):
        assert at.page.canvas.sample(x, y) == tuple(expected.pixels[y, x])
    assert not np.array_equal(expected.pixels, wet)
    assert any(text.startswith("Remove rain · rain.png") for text in at.bar.texts)
    assert at.bar.cleared > 0


def test_other_pages_are_told_of_the_photo_and_its_result(at: Desk, place: dict[str, Path]) -> None:
    assert at.context.photo is None
    at.add(place["second"])
    at.wait_shown(place["second"])
    waiting = at.context.photo
    assert waiting is not None and waiting.path == place["second"] and waiting.result is None
    item = at.restored(place["second"])
    told = at.context.photo
    assert told is not None and told != waiting and item.result is not None and told.result is not None
    kept = at.page.store.get(item.id)
    assert kept is not None and np.array_equal(told.result(), kept)
    assert told.restored_rgb is not None and (told.choice.task, told.choice.scale) == (
        item.result.made.task,
        item.result.made.verdict.scale,
    )
    at.page.handle("remove")
    assert at.context.photo is None


def test_what_is_in_sight_comes_first(at: Desk, place: dict[str, Path]) -> None:
    at.add(place["png"])
    at.wait_shown(place["png"])
    canvas = at.page.canvas
    canvas.resize(160, 120)
    canvas.actual_size()
    canvas.zoom_by(3.0)
    canvas.pan_by(-5000, -5000)  # the lower right corner
    region = canvas.visible_region()
    assert region is not None and region[0] > 100 and region[1] > 80
    first: list[tuple[int, int]] = []
    at.page.flow.tile_came.connect(lambda tile: first.append((tile.x, tile.y)))
    at.page.handle("run")
    at.wait_idle()
    x, y = first[0]
    assert x + TILE_PX > region[0] and y + TILE_PX > region[1], (first, region)


def test_coming_back_to_a_photo_that_runs_shows_its_tiles(at: Desk, place: dict[str, Path]) -> None:
    at.add(place["png"], place["second"])
    first = at.item(place["png"])
    at.page.session.set_current(first.id)
    at.wait_shown(place["png"])
    at.page.handle("run")
    wait(lambda: at.item(place["png"]).tile >= 2)
    at.runner.pause()
    tiles = at.page.flow.tiles(first.id)
    at.page.session.set_current(at.item(place["second"]).id)
    at.wait_shown(place["second"])
    at.page.session.set_current(first.id)
    at.wait_shown(place["png"])
    at.page.canvas.set_mode("restored")
    for tile in tiles:
        assert at.page.canvas.sample(tile.x + 5, tile.y + 5) == tuple(tile.rgb[5, 5])
    at.runner.resume()
    at.wait_idle()
    assert at.item(place["png"]).state is ItemState.DONE


def test_a_bad_file_is_a_row_with_a_sentence_and_the_batch_goes_on(at: Desk, place: dict[str, Path]) -> None:
    bad = place["png"].parent / "cut.png"
    bad.write_bytes(place["png"].read_bytes()[:2000])
    at.add(place["second"], bad, place["png"])
    at.page.session.set_current(at.item(place["second"]).id)
    at.run_all()
    assert at.states() == ["done", "failed", "done"]
    problem = at.item(bad).problem
    assert problem is not None and problem.expected and "cut.png" in problem.sentence
    at.page.session.set_current(at.item(bad).id)
    wait(at.panel.problem_box.isVisible)
    assert at.panel.problem_box.what.text() == problem.what
    assert at.panel.restore.text() == "Try again"
    bad.write_bytes(place["png"].read_bytes())
    QTest.mouseClick(at.panel.restore, Qt.MouseButton.LeftButton)
    at.wait_idle()
    assert at.states() == ["done", "done", "done"]
    wait(lambda: not at.panel.problem_box.isVisible())


def test_retry_all_runs_only_what_failed(at: Desk, place: dict[str, Path]) -> None:
    bad = place["png"].parent / "empty.jpg"
    bad.write_bytes(b"")
    at.add(bad, place["second"])
    at.page.session.set_current(at.item(bad).id)
    wait(lambda: at.item(bad).state is ItemState.FAILED)  # looking at it was enough
    bad.write_bytes(place["jpeg"].read_bytes())
    at.page.filmstrip.retry.click()
    at.wait_idle()
    assert at.states() == ["done", "waiting"]


def test_a_model_that_cannot_be_loaded_stops_the_batch(
    at: Desk, place: dict[str, Path], tmp_path: Path
) -> None:
    at.add(place["png"], place["second"])
    from core.model.checkpoint import CheckpointError

    def broken(*_args: object) -> object:
        raise CheckpointError("derain-s: 3 tensors are missing")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(restore, "restore", broken)
        at.run_all()
    assert at.states() == ["waiting", "waiting"]
    assert "3 tensors are missing" in at.said[-1].text
    at.run_all()
    assert at.states() == ["done", "done"]


def hold(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> tuple[threading.Event, threading.Event]:
    """Make a function wait on its way in: (it has come, it may go on)."""
    came, go = threading.Event(), threading.Event()
    real = getattr(module, name)

    def held(*args: object, **kwargs: object) -> object:
        came.set()
        assert go.wait(30)
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, held)
    return came, go


@pytest.mark.parametrize("stage", ["reading", "loading the model", "first tile", "keeping"])
def test_cancel_at_every_stage_keeps_what_was_done(
    at: Desk, place: dict[str, Path], monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    at.add(place["second"], place["png"], place["jpeg"])
    at.page.session.set_current(at.item(place["second"]).id)
    at.wait_shown(place["second"])
    at.page.handle("run")
    at.wait_idle()
    at.page.session.set_current(at.item(place["png"]).id)
    at.wait_shown(place["png"])
    before = place["png"].read_bytes()
    if stage == "first tile":
        at.page.handle("run_all")
        wait(lambda: at.item(place["png"]).tile >= 1)
        at.page.handle("cancel")
    else:
        where = {
            "reading": (image_io, "read"),
            "loading the model": (passes, "load_model"),
            "keeping": (type(at.page.store), "put"),
        }[stage]
        came, go = hold(monkeypatch, *where)
        at.page.handle("run_all")
        wait(came.is_set)
        at.page.handle("cancel")
        go.set()
    at.wait_idle()
    if stage == "keeping":  # the work was over: throwing it away would please nobody
        assert at.states() == ["done", "done", "waiting"]
    else:
        assert at.states() == ["done", "cancelled", "waiting"]
        assert not at.page.store.has(at.item(place["png"]).id)
    assert at.page.store.has(at.item(place["second"]).id)
    assert place["png"].read_bytes() == before
    assert sorted(path.name for path in place["png"].parent.iterdir()) == sorted(
        path.name for path in place.values()
    )
    monkeypatch.undo()
    at.page.handle("retry") if stage != "keeping" else at.run_all()
    at.wait_idle()
    assert at.item(place["png"]).state is ItemState.DONE


def test_cancelling_a_second_run_keeps_the_first_result(at: Desk, place: dict[str, Path]) -> None:
    item = at.restored(place["png"])
    pixels = at.page.store.get(item.id)
    at.page.handle("run")
    wait(lambda: at.item(place["png"]).tile >= 1)
    at.page.handle("cancel")
    at.wait_idle()
    assert at.item(place["png"]).state is ItemState.DONE
    np.testing.assert_array_equal(at.page.store.get(item.id), pixels)
    at.wait_shown(place["png"])
    at.page.canvas.set_mode("restored")
    assert pixels is not None
    assert at.page.canvas.sample(150, 120) == tuple(pixels[120, 150])


def test_pause_holds_and_resume_goes_on(
    at: Desk, place: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stands, checkpoint = threading.Event(), JobControl.checkpoint

    def watched(control: JobControl) -> None:
        if control.paused:
            stands.set()
        checkpoint(control)

    monkeypatch.setattr(JobControl, "checkpoint", watched)
    at.add(place["png"])
    at.page.handle("run")
    wait(lambda: at.item(place["png"]).tile >= 1)
    at.runner.pause()
    wait(stands.is_set)
    QApplication.processEvents()  # a tile that was done before
    tile = at.item(place["png"]).tile
    QTest.qWait(50)
    assert at.item(place["png"]).tile == tile < 6 and at.page.flow.busy
    at.runner.resume()
    at.wait_idle()
    assert at.states() == ["done"]


def test_photos_added_while_it_runs_join_and_choices_are_frozen(at: Desk, place: dict[str, Path]) -> None:
    at.add(place["png"])
    at.page.handle("run_all")
    at.settings.tile_px = 256
    at.add(place["second"])
    at.wait_idle()
    notes = [item.result for item in at.page.session.items()]
    assert [note.made.tile_px for note in notes if note] == [TILE_PX, TILE_PX]


def test_removing_the_photo_that_runs_stops_it_alone(at: Desk, place: dict[str, Path]) -> None:
    at.add(place["png"], place["second"])
    at.page.session.set_current(at.item(place["png"]).id)
    at.page.handle("run_all")
    wait(lambda: at.item(place["png"]).tile >= 1)
    at.page.handle("remove")
    at.wait_idle()
    assert [item.path for item in at.page.session.items()] == [place["second"]]
    assert at.states() == ["done"]
    at.page.handle("undo")
    assert sorted(at.states()) == ["cancelled", "done"]


def test_a_busy_runner_is_said_not_queued_behind(at: Desk, place: dict[str, Path]) -> None:
    at.add(place["png"])
    go = threading.Event()
    at.runner.start(lambda _emit, _control: go.wait(30))
    at.page.handle("run")
    assert "Something else is running" in at.said[-1].text
    assert at.states() == ["waiting"]
    go.set()
    wait(lambda: not at.runner.busy)
    at.run_all()
    assert at.states() == ["done"]


# --- strength and quality --------------------------------------------------------------------------


def test_strength_is_live_and_runs_nothing(at: Desk, place: dict[str, Path]) -> None:
    wet, _ = rainy()
    item = at.restored(place["png"])
    pixels = at.page.store.get(item.id)
    assert pixels is not None
    at.page.canvas.set_mode("restored")
    at.panel.strength.setValue(40)
    assert not at.runner.busy
    assert at.item(place["png"]).strength_percent == 40
    expected = blend(wet, pixels, 0.4)
    for x, y in ((3, 3), (120, 100), (150, 10)):
        shown = np.array(at.page.canvas.sample(x, y), np.int16)
        assert np.abs(shown - expected[y, x].astype(np.int16)).max() <= 1
    assert at.panel.strength_row.value.text() == "40 %"


def test_the_strength_comes_to_where_its_line_is_pressed(at: Desk, place: dict[str, Path]) -> None:
    at.restored(place["png"])
    slider = at.panel.strength
    width, y = slider.width(), slider.height() // 2
    left = Qt.MouseButton.LeftButton
    QTest.mousePress(slider, left, pos=QPoint(width // 4, y))
    assert abs(slider.value() - 25) <= 3
    QTest.mouseMove(slider, QPoint(width // 2, y))  # and the handle follows
    QTest.mouseRelease(slider, left, pos=QPoint(width // 2, y))
    assert abs(slider.value() - 50) <= 3
    wait(lambda: at.item(place["png"]).strength_percent == slider.value())
    QTest.mouseClick(slider, left, pos=QPoint(width - 2, y))
    assert slider.value() == 100


def test_strength_of_all_selected_photos(at: Desk, place: dict[str, Path]) -> None:
    at.add(place["png"], place["second"], place["jpeg"])
    at.page.handle("select_all")
    at.panel.strength.setValue(70)
    wait(lambda: [item.strength_percent for item in at.page.session.items()] == [70, 70, 70])


def test_a_reference_gives_the_protocols_numbers(at: Desk, place: dict[str, Path]) -> None:
    wet, dry = rainy()
    at.add(place["png"])
    at.wait_shown(place["png"])
    drop(at.panel.reference, [place["truth"]])
    wait(lambda: at.panel.psnr.isVisible() and at.panel.psnr.before.text() != "…")
    before = metrics.score(wet, dry, "Y")
    assert at.panel.psnr.before.text() == f"{before.psnr_db:.2f} dB"
    assert not at.panel.psnr.after.isVisible()
    assert at.panel.psnr.name.text() == "PSNR (Y)"
    assert "MATLAB" in at.panel.psnr.toolTip()
    at.page.handle("run")
    at.wait_idle()
    at.panel.strength.setValue(80)
    pixels = at.page.store.get(at.item(place["png"]).id)
    assert pixels is not None
    after = metrics.score(blend(wet, pixels, 0.8), dry, "Y")
    wait(lambda: at.panel.psnr.after.text() == f"{after.psnr_db:.2f} dB")
    assert at.panel.ssim.after.text() == f"{after.ssim:.4f}"
    assert after.psnr_db > before.psnr_db + 1
    QTest.mouseClick(at.panel.reference_drop, Qt.MouseButton.LeftButton)
    assert not at.panel.psnr.isVisible() and at.panel.reference.isVisible()


def test_a_reference_of_another_size_is_a_sentence(at: Desk, place: dict[str, Path]) -> None:
    at.add(place["png"])
    at.page.stage.set_reference(place["second"])
    wait(lambda: "another size" in at.panel.quality_note.text())
    assert "second.png has 96×80 px, rain.png 160×128 px" in at.panel.quality_note.text()
    at.page.stage.set_reference(place["png"].parent / "gone.png")
    wait(lambda: "gone.png" in at.panel.quality_note.text())


# --- saving ----------------------------------------------------------------------------------------


def test_save_goes_beside_the_original_and_never_over_anything(at: Desk, place: dict[str, Path]) -> None:
    source = place["jpeg"]
    before = source.read_bytes()
    taken = source.with_name(f"{source.stem}.derained.jpg")
    taken.write_bytes(b"somebody's own")
    at.restored(source)
    QTest.mouseClick(at.panel.save, Qt.MouseButton.LeftButton)
    wait(lambda: at.item(source).is_saved)
    saved = at.item(source).saved
    assert saved is not None and saved.path == taken.with_name(f"{source.stem}.derained-2.jpg")
    assert source.read_bytes() == before and taken.read_bytes() == b"somebody's own"
    assert at.panel.save.text() == "Saved ✓"

    first = saved.path.read_bytes()
    at.panel.strength.setValue(50)
    assert at.panel.save.text() == "Save"
    assert at.save(source) == saved.path, "our own file is written anew"
    assert saved.path.read_bytes() != first

    saved.path.write_bytes(b"edited elsewhere")
    at.panel.strength.setValue(60)
    assert at.save(source) == taken.with_name(f"{source.stem}.derained-3.jpg")
    assert saved.path.read_bytes() == b"edited elsewhere"


def window_and_command(at: Desk, source: Path, again: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run the command that the window gives; its file and the window's are equal byte by byte."""
    item = at.item(source)
    assert item.saved is not None
    at.page.handle("copy_command")
    line = QGuiApplication.clipboard().text()
    words = shlex.split(line)
    assert words == ["memorynet", *arguments(item)]
    moved = item.saved.path.read_bytes()
    item.saved.path.unlink()
    assert cli.main(words[1:]) == 0, capsys.readouterr().err
    made = Path(again)
    assert made.read_bytes() == moved


@pytest.mark.parametrize("strength", [100, 63])
def test_the_copied_command_makes_the_same_bytes(
    at: Desk, place: dict[str, Path], capsys: pytest.CaptureFixture[str], strength: int
) -> None:
    source = place["jpeg"]
    at.restored(source)
    at.panel.strength.setValue(strength)
    saved = at.save(source)
    window_and_command(at, source, saved, capsys)


def test_the_command_before_a_save_is_what_the_save_will_do(
    at: Desk, place: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at.settings.output_folder = tmp_path / "out put"
    at.settings.save_format = "WEBP"
    at.settings.save_quality = 80
    at.restored(place["png"])
    at.page.handle("copy_command")
    words = shlex.split(QGuiApplication.clipboard().text())
    saved = at.save(place["png"])
    assert saved == tmp_path / "out put" / "rain.derained.webp"
    data = saved.read_bytes()
    saved.unlink()
    assert cli.main(words[1:]) == 0, capsys.readouterr().err
    assert saved.read_bytes() == data


def test_sixteen_bits_alpha_and_save_as_by_command_too(
    at: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wet, _ = rainy()
    deep = wet.astype(np.uint16) * 257 + np.arange(160, dtype=np.uint16)[None, :, None] % 200
    alpha = np.linspace(0, 65535, 128 * 160).astype(np.uint16).reshape(128, 160, 1)
    source = write(tmp_path / "deep.tif", np.concatenate([deep, alpha], axis=2))
    at.restored(source)
    at.panel.strength.setValue(90)
    out = tmp_path / "there"
    out.mkdir()
    at.page.handle("save_as")
    from memorynet_gui.restore.save_as import SaveAsDialog

    (dialog,) = at.page.findChildren(SaveAsDialog)
    dialog.name.setText(str(out / "deep.derained.png"))
    assert dialog.format.currentData() == "PNG" and dialog.bit_depth.currentData() == 16
    dialog.strip_gps.setChecked(True)
    QTest.mouseClick(dialog.save, Qt.MouseButton.LeftButton)
    wait(lambda: at.item(source).is_saved)
    made = image_io.read(out / "deep.derained.png")
    assert made.pixels.dtype == np.uint16
    np.testing.assert_array_equal(made.alpha, alpha[:, :, 0])
    window_and_command(at, source, out / "deep.derained.png", capsys)


def test_save_as_refuses_the_original_and_asks_before_replacing(at: Desk, place: dict[str, Path]) -> None:
    from memorynet_gui.restore.save_as import SaveAsDialog

    at.restored(place["png"])
    shown = at.page.stage.shown
    assert shown is not None
    dialog = SaveAsDialog(place["png"], shown.info)
    chosen: list[object] = []
    dialog.chosen.connect(lambda path, options: chosen.append((path, options)))
    before = place["png"].read_bytes()
    dialog.save.click()
    assert not chosen and "never overwritten" in dialog.note.text()
    other = place["second"]
    dialog.name.setText(str(other))
    dialog.save.click()
    assert not chosen and dialog.save.text() == "Replace"
    dialog.format.setCurrentIndex(dialog.format.findData("JPEG"))
    assert dialog.path() == other.with_suffix(".jpg") and dialog.save.text() == "Save"
    dialog.name.setText(str(other))
    dialog.save.click()
    dialog.save.click()
    ((path, options),) = chosen  # type: ignore[misc]
    assert path == other and options.overwrite
    at.page.saver.save(at.item(place["png"]), path, options)
    wait(lambda: at.item(place["png"]).is_saved)
    assert image_io.read(other).pixels.shape == (128, 160, 3)
    assert place["png"].read_bytes() == before


def test_a_save_that_fails_is_said_and_loses_nothing(
    at: Desk, place: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.restoring import outputs

    item = at.restored(place["png"])

    def full(*_args: object, **_kwargs: object) -> None:
        raise image_io.WriteFailed(place["png"].with_name("x.png"), "No space left on device", 28)

    monkeypatch.setattr(outputs, "save", full)
    at.page.handle("save")
    wait(lambda: at.said)
    assert at.said[-1].text.startswith("rain.png was not saved.")
    assert "No space left" in at.said[-1].text
    monkeypatch.undo()
    assert not at.item(place["png"]).is_saved and at.page.store.has(item.id)
    assert at.save(place["png"]).exists()


def test_of_many_saves_only_those_that_were_written_count(
    at: Desk, place: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.restoring import outputs

    at.add(place["png"], place["jpeg"], place["second"])
    at.run_all()
    real = outputs.save

    def full(restored: object, picture: image_io.Picture, path: Path, *rest: object) -> object:
        if path.name.startswith("second"):
            return real(restored, picture, path, *rest)  # type: ignore[arg-type]
        raise image_io.WriteFailed(path, "No space left on device", 28)

    monkeypatch.setattr(outputs, "save", full)
    at.said.clear()
    at.page.handle("save_all")
    wait(lambda: not at.page.saver.saving_ids and len(at.said) == 2)
    written, unwritten = at.said
    assert written.text == "1 photo saved." and written.action == "Show in folder"
    assert unwritten.text.startswith("2 photos were not saved. The first is ")
    assert "No space left on device" in unwritten.text
    assert unwritten.action == "Another folder…"

    monkeypatch.undo()
    at.said.clear()
    at.page.handle("save_all")
    wait(lambda: at.said)
    assert [said.text for said in at.said] == ["2 photos saved."]


def test_a_source_changed_since_is_not_blended_with_an_old_result(at: Desk, place: dict[str, Path]) -> None:
    at.restored(place["png"])
    wet, _ = rainy()
    write(place["png"], 255 - wet, overwrite=True)
    at.page.handle("save")
    wait(lambda: at.said)
    assert "The photo was changed after it had been restored. rain.png." in at.said[-1].text
    assert at.item(place["png"]).saved is None


def test_samples_and_pasted_pictures_are_not_saved_beside_themselves(at: Desk, tmp_path: Path) -> None:
    from memorynet_gui.restore.saves import pictures_folder

    sample = catalog.samples()[0]
    at.page.session.add([sample.path], Origin.SAMPLE)
    item = at.item(sample.path)
    target = at.page.saver.plan(replace(item, result=None)).path
    assert target.parent == pictures_folder() and target.parent.is_relative_to(tmp_path)


def test_save_all_copy_before_after_and_drag(at: Desk, place: dict[str, Path], tmp_path: Path) -> None:
    at.add(place["png"], place["second"])
    at.run_all()
    wait(at.page.filmstrip.save_all.isVisible)
    assert at.page.filmstrip.save_all.text() == "Save all 2"
    at.page.session.set_current(at.item(place["png"]).id)
    at.wait_shown(place["png"])
    pixels = at.page.store.get(at.item(place["png"]).id)
    assert pixels is not None

    QGuiApplication.clipboard().clear()
    at.page.handle("copy")
    wait(lambda: not QGuiApplication.clipboard().image().isNull())
    np.testing.assert_array_equal(pixels_of(QGuiApplication.clipboard().image())[:, :, :3], pixels)
    assert at.said[-1].text == "The result is on the clipboard."

    at.said.clear()
    at.page.results_out.save_comparison(tmp_path / "both.png")
    wait(lambda: (tmp_path / "both.png").exists() and at.said)
    both = image_io.read(tmp_path / "both.png").pixels
    assert both.shape[1] > 2 * 160
    np.testing.assert_array_equal(both[:128, :160], rainy()[0])

    original = place["png"].read_bytes()
    at.said.clear()
    at.page.results_out.save_comparison(place["png"])  # and the dialog's question was answered with yes
    wait(lambda: at.said)
    assert "was not saved" in at.said[-1].text
    assert place["png"].read_bytes() == original

    at.page.results_out.prepare_drag()
    wait(lambda: at.page.results_out.drag_path is not None)
    np.testing.assert_array_equal(image_io.read(at.page.results_out.drag_path).pixels, pixels)
    assert at.page.results_out.drag_path.is_relative_to(at.settings.cache_dir)

    at.page.handle("save_all")
    wait(lambda: all(item.is_saved for item in at.page.session.items()))
    at.page.results_out.prepare_drag()
    saved = at.item(place["png"]).saved
    assert saved is not None and at.page.results_out.drag_path == saved.path


def test_a_full_store_stops_the_queue_and_saving_goes_on(at: Desk, place: dict[str, Path]) -> None:
    at.page.store.budget_bytes = 100_000  # one result of 160x128 fits, two do not
    at.add(place["png"], place["jpeg"], place["second"])
    at.page.session.set_current(at.item(place["png"]).id)
    at.page.handle("run_all")
    wait(lambda: at.page.flow.held)
    assert at.states() == ["done", "waiting", "waiting"]
    bar = at.page.batch.bar
    assert bar.go_on.isVisible() and bar.says.full.startswith("Paused: ")
    assert "Paused" in at.bar.texts[-1]
    QTest.mouseClick(bar.go_on, Qt.MouseButton.LeftButton)
    wait(lambda: at.states()[1] == "done" and at.page.flow.held)
    assert at.item(place["png"]).is_saved and at.states()[2] == "waiting"
    assert not at.page.store.has(at.item(place["png"]).id), "saved, so it made room"
    at.page.session.set_current(at.item(place["png"]).id)
    at.wait_shown(place["png"])
    at.page.stage.reopen()
    at.wait_shown(place["png"])
    assert at.page.stage.shown is not None and at.page.stage.shown.restored_is_saved_file
    assert not at.page.stage.can_blend


def test_a_result_the_disk_refuses_is_said_and_blocks_closing(
    at: Desk, place: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from memorynet_gui.restore import results

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results.np, "save", full)
    at.restored(place["png"])
    assert "kept in memory only" in at.said[-1].text
    assert "would be lost" in (at.page.close_blockers() or "")
    monkeypatch.undo()
    at.save(place["png"])
    assert at.page.close_blockers() is None


# --- the list --------------------------------------------------------------------------------------


def test_delete_removes_and_undo_brings_back(at: Desk, place: dict[str, Path]) -> None:
    at.add(place["png"], place["second"], place["jpeg"])
    at.page.session.set_current(at.item(place["second"]).id)
    strip = at.page.filmstrip.list
    strip.setFocus()
    QTest.keyClick(strip, Qt.Key.Key_Delete)
    assert [item.path for item in at.page.session.items()] == [place["png"], place["jpeg"]]
    assert at.said[-1].action == "Undo" and place["second"].exists()
    at.page.handle("undo")
    assert len(at.page.session) == 3 and at.page.session.current == at.item(place["second"])
    assert at.said[-1].withdrawn  # its "Undo" would take back something else
    at.page.handle("redo")
    assert len(at.page.session) == 2
    at.page.handle("select_all")
    at.page.handle("remove")
    assert len(at.page.session) == 0 and at.page.empty.isVisible()
    at.page.handle("undo")
    assert len(at.page.session) == 2 and not at.page.empty.isVisible()


def test_undo_of_everything_leaves_the_inspector_at_work(at: Desk, place: dict[str, Path]) -> None:
    at.add(place["png"], place["second"])
    at.page.activateWindow()
    strip = at.page.filmstrip.list
    strip.setFocus()
    wait(strip.hasFocus)
    at.page.handle("select_all")
    QTest.keyClick(strip, Qt.Key.Key_Delete)
    assert at.page.empty.isAncestorOf(QApplication.focusWidget()) and not at.panel.restore.isEnabled()
    at.page.handle("undo")  # the strip has the keys again as soon as it shows
    assert at.page.session.current is not None
    assert at.panel.restore.isEnabled() and at.panel.strength.isEnabled()


def test_next_and_previous_walk_the_strip(at: Desk, place: dict[str, Path]) -> None:
    at.add(place["png"], place["second"])
    at.page.session.set_current(at.item(place["png"]).id)
    at.page.handle("next")
    at.wait_shown(place["second"])
    assert at.page.filmstrip.list.currentIndex().row() == 1
    at.page.handle("previous")
    at.wait_shown(place["png"])
    QTest.keyClick(at.page.filmstrip.list, Qt.Key.Key_Right)
    assert at.page.session.current == at.item(place["second"])


def test_space_held_shows_the_original(at: Desk, place: dict[str, Path]) -> None:
    at.restored(place["png"])
    for widget in (at.page.canvas, at.page.filmstrip.list, at.panel.strength):
        QTest.keyPress(widget, Qt.Key.Key_Space)
        assert at.page.canvas.showing_original, widget
        QTest.keyRelease(widget, Qt.Key.Key_Space)
        assert not at.page.canvas.showing_original, widget


def test_the_toolbar_tells_the_zoom(at: Desk, place: dict[str, Path]) -> None:
    assert at.page.toolbar.zoom.text() == ""
    at.restored(place["png"])
    at.page.handle("zoom_100")
    assert at.page.toolbar.zoom.text() == "100 %"
    at.page.canvas.zoom_by(2.0, None)
    assert at.page.toolbar.zoom.text() == "200 %"


def test_a_broken_model_file_shows_why(at: Desk, place: dict[str, Path], tmp_path: Path) -> None:
    at.add(place["png"])
    good = at.panel.choices.choice().model
    assert good == "derain-s"
    bad = tmp_path / "mine.safetensors"
    bad.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    at.page.chooser.open_model(bad)
    wait(at.panel.choices.model_error.isVisible)
    assert "mine.safetensors cannot be used" in at.panel.choices.model_error.text()
    assert at.panel.choices.choice().model == ""
    at.page.handle("run")
    assert at.states() == ["waiting"] and "no model" in at.said[-1].text
    at.panel.choices.model.setCurrentIndex(at.panel.choices.model.findData(good))
    at.panel.choices.model.activated.emit(at.panel.choices.model.currentIndex())
    assert at.panel.choices.choice().model == good


def test_a_model_opened_by_its_path_restores_and_repeats(
    at: Desk, place: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my models" / "mine"
    folder.mkdir(parents=True)
    for file in (catalog.RESOURCES / "weights" / "derain-s").iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    at.page.chooser.open_model(folder / "model.safetensors")
    wait(lambda: at.panel.choices.choice().model == str(folder))
    at.restored(place["second"])
    saved = at.save(place["second"])
    window_and_command(at, place["second"], saved, capsys)


def test_tasks_without_a_model_cannot_be_chosen(at: Desk) -> None:
    usable = {tasks.AUTO, *(entry.task for entry in catalog.models() if entry.error is None)}
    for row in range(at.panel.choices.task.count()):
        index = at.panel.choices.task.model().index(row, 0)
        enabled = bool(index.flags() & Qt.ItemFlag.ItemIsEnabled)
        assert enabled == (at.panel.choices.task.itemData(row) in usable)
    assert at.panel.choices.task.currentText() == "Remove rain"


def test_choices_are_remembered_also_when_devices_come_late(
    qapp: QApplication, tmp_path: Path, place: dict[str, Path]
) -> None:
    from core.model.tensors import Device

    devices = (
        Device("mps", "Apple GPU", ("fp32", "bf16")),
        Device("cpu", "CPU, 2 threads", ("bf16", "fp32")),
    )
    home = tmp_path / "own"
    with desk(qapp, home) as at:
        at.context.set_devices(devices)
        at.settings.device, at.settings.precision = "cpu", "fp32"
    with desk(qapp, home) as at:
        assert at.panel.choices.choice().device == "auto", "nobody knows yet what there is"
        at.context.set_devices(devices)
        choice = at.panel.choices.choice()
        assert (choice.device, choice.precision, choice.tile_px) == ("cpu", "fp32", TILE_PX)


# --- a restart -------------------------------------------------------------------------------------


def test_everything_is_there_again_after_a_restart(
    qapp: QApplication, tmp_path: Path, place: dict[str, Path]
) -> None:
    home = tmp_path / "own"
    with desk(qapp, home) as at:
        at.add(place["png"], place["second"], place["jpeg"])
        at.page.session.set_current(at.item(place["png"]).id)
        at.wait_shown(place["png"])
        at.page.handle("run")
        at.wait_idle()
        at.panel.strength.setValue(77)
        pixels = at.page.store.get(at.item(place["png"]).id)
        at.page.session.set_current(at.item(place["jpeg"]).id)
        at.wait_shown(place["jpeg"])
        at.page.handle("run")
        wait(lambda: at.item(place["jpeg"]).tile >= 1)
        assert "being restored" in (at.page.close_blockers() or "")
        at.page.shut_down()
        assert not at.runner.busy
    with desk(qapp, home) as at:
        assert at.states() == ["done", "waiting", "waiting"]
        item = at.item(place["png"])
        assert item.strength_percent == 77
        np.testing.assert_array_equal(at.page.store.get(item.id), pixels)
        at.page.session.set_current(item.id)
        at.wait_shown(place["png"])
        assert at.page.stage.can_blend
        at.save(place["png"])
        at.page.session.remove([item.id])
        assert at.page.store.has(item.id), "undo may want it"
    with desk(qapp, home) as at:
        assert at.states() == ["waiting", "waiting"]
        assert not at.page.store.has(item.id)


def test_an_unsaved_result_that_was_swept_away_waits_again(
    qapp: QApplication, tmp_path: Path, place: dict[str, Path]
) -> None:
    home = tmp_path / "own"
    with desk(qapp, home) as at:
        at.restored(place["png"])
        at.restored(place["second"])
        at.save(place["second"])
    for file in (home / "cache" / "results").iterdir():
        file.unlink()
    with desk(qapp, home) as at:
        assert at.states() == ["waiting", "done"]
        at.page.session.set_current(at.item(place["second"]).id)
        at.wait_shown(place["second"])
        assert at.page.stage.shown is not None and at.page.stage.shown.restored_is_saved_file
        assert not at.panel.save_as.isEnabled()


# --- in the window ---------------------------------------------------------------------------------


def test_the_window_hands_keys_and_drops_to_the_page(
    qapp: QApplication, tmp_path: Path, place: dict[str, Path]
) -> None:
    from memorynet_gui.base.settings import Settings
    from memorynet_gui.frame.main_window import MainWindow
    from memorynet_gui.look.theme import Theme

    window = MainWindow(Settings(tmp_path / "own"), Theme(qapp, "light"))
    window.resize(1024, 640)
    window.show()
    page = window.page
    assert isinstance(page, RestorePage)
    try:
        window.activateWindow()
        drop(window, [place["png"], place["second"]])
        wait(lambda: len(page.session) == 2)
        wait(lambda: page.stage.shown is not None and page.stage.shown.path == place["png"])
        window.settings.tile_px = TILE_PX
        key, control = Qt.Key, Qt.KeyboardModifier.ControlModifier
        QTest.keyClick(window, key.Key_Return, control)
        wait(lambda: page.session.at(0).tile >= 1)
        QTest.keyClick(window, key.Key_Escape)
        wait(lambda: not page.flow.busy)
        assert page.session.at(0).state is ItemState.CANCELLED
        QTest.keyClick(window, key.Key_Return, control | Qt.KeyboardModifier.ShiftModifier)
        wait(lambda: page.session.summary.done == 2)
        wait(lambda: not page.flow.busy)
        for pressed, mode in ((key.Key_2, "side"), (key.Key_3, "difference"), (key.Key_4, "restored")):
            QTest.keyClick(window, pressed)
            assert page.canvas.mode == mode and page.toolbar.modes[mode].isChecked()
            assert window.settings.compare_mode == mode
        fitted = page.canvas.zoom
        QTest.keyClick(window, key.Key_Z)
        assert page.canvas.zoom == 1.0 != fitted
        QTest.keyClick(window, key.Key_S, control)
        wait(lambda: page.session.at(0).is_saved)
        QTest.keyClick(window, key.Key_PageDown)
        assert page.session.current == page.session.at(1)
        QTest.keyClick(window, key.Key_Delete)
        assert len(page.session) == 1
        wait(window.actions_by_id["undo"].isEnabled)
        QTest.keyClick(window, key.Key_Z, control)
        assert len(page.session) == 2
    finally:
        window.close_now()
        window.deleteLater()


# --- many, and everybody ---------------------------------------------------------------------------


def test_a_folder_of_ten_thousand_is_collected_without_a_stall(at: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for index in range(10_000):
        (folder / f"{index:05}.png").touch()
    worst = 0.0  # of this thread's own time: what else the machine does is not the window's fault
    with heap_of_its_own():
        at.page.open_paths([folder])
        while len(at.page.session) < 10_000:
            began = time.thread_time()
            QApplication.processEvents()
            worst = max(worst, time.thread_time() - began)
        assert at.page.session.current == at.page.session.at(0)
        began = time.thread_time()
        at.page.handle("select_all")
        worst = max(worst, time.thread_time() - began)
    assert worst < 0.1, f"the window was held for {1000 * worst:.0f} ms"


def test_a_name_that_is_no_text_is_shown_restored_and_saved(at: Desk, place: dict[str, Path]) -> None:
    odd = Path(os.fsdecode(os.fsencode(place["second"].parent) + b"/caf\xe9 \xff.png"))
    try:
        odd.write_bytes(place["second"].read_bytes())
    except OSError:
        return  # this file system takes text only
    item = at.restored(odd)
    at.page.filmstrip.grab()
    assert at.save(odd).exists()
    at.page.handle("copy_command")
    assert item.result is not None


def test_every_control_has_a_name_and_a_tooltip(at: Desk, place: dict[str, Path]) -> None:
    from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QComboBox, QScrollBar, QWidget

    at.restored(place["png"])
    toolbar = [widget for part in at.page.toolbar_widgets().values() for widget in part]
    nameless, silent = [], []
    for top in (at.page, at.panel, *toolbar):
        for widget in (top, *top.findChildren(QWidget)):
            if isinstance(widget, QScrollBar) or widget.parent() is None:
                continue
            focusable = widget.focusPolicy() != Qt.FocusPolicy.NoFocus and not _inner(widget)
            if focusable and not widget.accessibleName():
                nameless.append(widget)
            if isinstance(widget, QAbstractButton | QAbstractSlider | QComboBox) and not widget.toolTip():
                silent.append(widget)
    assert not nameless and not silent


def _inner(widget) -> bool:  # type: ignore[no-untyped-def]
    """Qt's own parts: the list inside a combo box, a view's viewport."""
    parent = widget.parent()
    while parent is not None:
        if parent.metaObject().className() == "QComboBoxPrivateContainer":
            return True
        parent = parent.parent()
    return widget.objectName().startswith("qt_")


def test_quoting_for_both_shells(at: Desk, place: dict[str, Path]) -> None:
    item = at.restored(place["second"])
    odd = replace(item, path=Path("/photos/it's 100% wet & cold/-rain $HOME.png"))
    assert shlex.split(command(odd, windows=False)) == ["memorynet", *arguments(odd)]
    assert quote(["memorynet", "C:\\a b\\c.png", "d&e.png", "plain.png"], windows=True) == (
        'memorynet "C:\\a b\\c.png" "d&e.png" plain.png'
    )
    assert arguments(odd)[1].startswith("/")
