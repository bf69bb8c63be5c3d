"""The Restore page: restoring, cancelling, strength and measured quality."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QScrollArea

from core.images import io as image_io
from core.images import metrics
from core.images.blend import blend
from core.jobs import JobControl
from core.restoring import passes, restore
from memorynet_gui.restore.queue_item import ItemState
from tests.gui.restore.page_kit import drop
from tests.restore_page_kit import TILE_PX, Desk, rainy, wait
from tests.ui import settle

pytestmark = pytest.mark.usefixtures("small_models_ship")


@pytest.mark.dressed
def test_what_is_said_of_a_photo_does_not_move_the_buttons(at: Desk, place: dict[str, Path]) -> None:
    at.add(place["png"])
    at.wait_shown(place["png"])
    QTest.qWait(20)
    before = at.panel.restore.mapTo(at.panel, QPoint())
    at.restored(place["png"])
    assert at.panel.verdict_words.isVisible()
    QTest.qWait(20)
    assert at.panel.restore.mapTo(at.panel, QPoint()) == before
    at.panel.resize(300, 420)
    QTest.qWait(20)
    assert at.panel.save.mapTo(at.panel, at.panel.save.rect().bottomRight()).y() < 420
    rows = [
        at.panel.receipt.rows.itemAt(row).widget().name.text() for row in range(at.panel.receipt.rows.count())
    ]
    assert "Found" not in rows  # it stands above, once


@pytest.mark.dressed
def test_quality_and_receipt_are_seen_in_a_small_window(at: Desk, place: dict[str, Path]) -> None:
    """The panel is as large as the window of 1024x640 px leaves it."""
    at.panel.resize(296, 566)
    at.restored(place["png"])
    (scroll,) = at.panel.findChildren(QScrollArea)
    rows = at.panel.receipt.rows

    def is_seen() -> bool:
        last = rows.itemAt(rows.count() - 1).widget()
        return 0 < last.mapTo(scroll.viewport(), last.rect().bottomLeft()).y() < scroll.viewport().height()

    wait(lambda: rows.count() >= 5 and is_seen() and scroll.verticalScrollBar().maximum() == 0, 10)
    assert at.panel.verdict_words.isVisible() and at.panel.reference.isVisible()
    ends = at.panel.strength_row
    for height, is_beside in ((566, True), (826, False)):
        at.panel.resize(296, height)
        wait(lambda beside=is_beside: (ends.left.y() < ends.slider.geometry().bottom()) is beside)
        assert ends.slider.width() > 100


# --- restoring ----------------------------------------------------------------------------------


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
    assert told.is_plain and told.mask is None, "nothing was painted, and rain is not told where it is"
    at.page.handle("remove")
    settle()
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
    at: Desk,
    place: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    second_tile: Callable[[], threading.Event],
    stage: str,
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
        go = second_tile()
        at.page.handle("run_all")
        wait(lambda: at.item(place["png"]).tile >= 1)
        at.page.handle("cancel")
        go.set()
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


def test_cancelling_a_second_run_keeps_the_first_result(
    at: Desk, place: dict[str, Path], second_tile: Callable[[], threading.Event]
) -> None:
    item = at.restored(place["png"])
    pixels = at.page.store.get(item.id)
    go = second_tile()
    at.page.handle("run")
    wait(lambda: at.item(place["png"]).tile >= 1)
    at.page.handle("cancel")
    go.set()
    at.wait_idle()
    assert at.item(place["png"]).state is ItemState.DONE
    np.testing.assert_array_equal(at.page.store.get(item.id), pixels)
    at.wait_shown(place["png"])
    at.page.canvas.set_mode("restored")
    assert pixels is not None
    assert at.page.canvas.sample(150, 120) == tuple(pixels[120, 150])


def test_pause_holds_and_resume_goes_on(
    at: Desk,
    place: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    second_tile: Callable[[], threading.Event],
) -> None:
    stands, checkpoint = threading.Event(), JobControl.checkpoint

    def watched(control: JobControl) -> None:
        if control.paused:
            stands.set()
        checkpoint(control)

    monkeypatch.setattr(JobControl, "checkpoint", watched)
    at.add(place["png"])
    go = second_tile()
    at.page.handle("run")
    wait(lambda: at.item(place["png"]).tile >= 1)
    at.runner.pause()
    go.set()
    wait(stands.is_set)
    QTest.qWait(100)  # what was done before is told in turns
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


def test_removing_the_photo_that_runs_stops_it_alone(
    at: Desk, place: dict[str, Path], second_tile: Callable[[], threading.Event]
) -> None:
    go = second_tile()
    at.add(place["png"], place["second"])
    at.page.session.set_current(at.item(place["png"]).id)
    at.page.handle("run_all")
    wait(lambda: at.item(place["png"]).tile >= 1)
    at.page.handle("remove")
    go.set()
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


# --- strength and quality -----------------------------------------------------------------------


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


def test_a_reference_gives_the_protocols_numbers(
    shipped_models: None, at: Desk, place: dict[str, Path]
) -> None:
    wet, dry = rainy()
    at.add(place["png"])
    at.wait_shown(place["png"])
    drop(at.panel.reference, [place["truth"]])
    wait(lambda: at.panel.psnr.isVisible() and not at.page.is_measuring)
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
