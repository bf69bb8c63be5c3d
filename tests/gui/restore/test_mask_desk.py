"""Painting masks on the Restore page, with real mouse, pen and key events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QPointingDevice, QTabletEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core.cli import program as cli
from core.data import guidance
from core.images import io as image_io
from core.restoring import passes
from core.restoring import restore as restoring
from core.restoring.verdict import NO_VERDICT
from memorynet_gui.compare.masks.mask import Brush
from memorynet_gui.restore.command import arguments
from memorynet_gui.restore.masks import desk as mask_desk
from memorynet_gui.restore.masks.desk import DAMAGE, NOT, ONLY
from tests.restore_page_kit import Desk, desk, wait, write
from tests.restoring.test_shadow_light import disc, ground, levels

pytestmark = pytest.mark.usefixtures("small_models_ship")

LEFT = Qt.MouseButton.LeftButton
SIZE = (120, 160)


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    truth, mask = ground(*SIZE), disc(*SIZE, 35)
    return write(tmp_path / "wall.png", levels(np.where((mask > 0)[..., None], truth * 0.4, truth)))


@pytest.fixture
def page(qapp: QApplication, tmp_path: Path, shot: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(mask_desk, "find_shadow", lambda _path, _choice: None)
    with desk(qapp, tmp_path / "home") as made:
        made.settings.look_automatically = False
        made.add(shot)
        made.wait_shown(shot)
        choices = made.panel.choices
        choices.task.setCurrentIndex(choices.task.findData("deshadow"))
        made.page.handle("paint_mask")
        wait(lambda: made.page.masks._guessing is None)
        made.page.masks.tool.set_brush(Brush(10, 0.0, 1.0))
        yield made


def at(page: Desk, x: float, y: float) -> QPoint:
    return page.page.canvas.from_image(x, y).toPoint()


def drag(
    page: Desk, *points: tuple[float, float], keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    canvas = page.page.canvas
    QTest.mousePress(canvas, LEFT, keys, at(page, *points[0]))
    for point in points[1:]:
        move = at(page, *point)
        QTest.mouseMove(canvas, move)
        QApplication.sendEvent(
            canvas,
            _mouse_move(canvas, move, keys),
        )
    QTest.mouseRelease(canvas, LEFT, keys, at(page, *points[-1]))


def _mouse_move(canvas: object, to: QPoint, keys: Qt.KeyboardModifier) -> QEvent:
    from PySide6.QtGui import QMouseEvent

    where = QPointF(to)
    return QMouseEvent(QEvent.Type.MouseMove, where, where, Qt.MouseButton.NoButton, LEFT, keys)


def pen(page: Desk, kind: QEvent.Type, x: float, y: float, pressure: float, eraser: bool = False) -> None:
    where = QPointF(at(page, x, y))
    types = QPointingDevice.PointerType
    device = QPointingDevice(
        "pen", 7, QPointingDevice.DeviceType.Stylus, types.Eraser if eraser else types.Pen,
        QPointingDevice.Capability.Pressure, 1, 2,
    )  # fmt: skip
    event = QTabletEvent(
        kind, device, where, where, pressure, 0.0, 0.0, 0.0, 0.0, 0.0,
        Qt.KeyboardModifier.NoModifier, LEFT, LEFT,
    )  # fmt: skip
    QApplication.sendEvent(page.page.canvas, event)
    assert event.isAccepted()


def painted(page: Desk) -> np.ndarray:
    mask = page.page.masks.tool.mask
    assert mask is not None
    return mask.values


def test_a_stroke_of_the_mouse_is_seen_and_undone(page: Desk) -> None:
    canvas = page.page.canvas
    before = canvas.grab().toImage()
    drag(page, (40, 60), (100, 60))
    assert painted(page)[60, 70] == 255 and painted(page)[80, 70] == 0
    seen = at(page, 70, 60)
    assert canvas.grab().toImage().pixelColor(seen) != before.pixelColor(seen)
    page.page.handle("undo")
    assert not painted(page).any()
    page.page.handle("redo")
    assert painted(page)[60, 70] == 255


def test_alt_erases_and_shift_draws_straight(page: Desk) -> None:
    drag(page, (20, 20), (20, 20))
    drag(page, (140, 100), (140, 100), keys=Qt.KeyboardModifier.ShiftModifier)
    assert painted(page)[60, 80] == 255, "a straight line from where the last stroke ended"
    drag(page, (70, 60), (90, 60), keys=Qt.KeyboardModifier.AltModifier)
    assert painted(page)[60, 80] == 0 and painted(page)[30, 35] > 0


def test_alt_shows_at_once_that_the_next_stroke_takes_away(page: Desk) -> None:
    canvas, tool = page.page.canvas, page.page.masks.tool
    tool.set_brush(Brush(40, 0.5, 0.6))
    middle = at(page, 80, 60)
    QTest.mouseMove(canvas, middle)
    QApplication.sendEvent(canvas, _mouse_move(canvas, middle, Qt.KeyboardModifier.NoModifier))
    plain = canvas.grab().toImage()
    QTest.keyPress(canvas, Qt.Key.Key_Alt)
    held = canvas.grab().toImage()
    assert tool.takes_away and held != plain, "no mouse has moved, and the cursor says it"
    QTest.keyRelease(canvas, Qt.Key.Key_Alt)
    assert not tool.takes_away and canvas.grab().toImage() == plain
    tool.set_brush(Brush(40, 0.0, 0.6))
    assert canvas.grab().toImage() != plain, "the ring of the feather"
    soft = canvas.grab().toImage()
    tool.set_brush(Brush(40, 0.0, 1.0))
    assert canvas.grab().toImage() != soft, "the flow"


def test_the_bars_tools_and_changes_do_what_they_say(page: Desk) -> None:
    tool, bar, canvas = page.page.masks.tool, page.page.masks.bar, page.page.canvas
    changes = {action.text(): action for action in bar.more.menu().actions() if action.text()}

    def size() -> int:
        return int(np.count_nonzero(painted(page) > 127))

    drag(page, (40, 60), (110, 60))
    first = size()
    for name, grows in (("Wider", True), ("Narrower", False)):
        before = size()
        changes[name].trigger()
        assert (size() > before) == grows, name
    assert size() == pytest.approx(first, rel=0.1)
    hard = painted(page).copy()
    changes["Softer"].trigger()
    assert np.count_nonzero((painted(page) > 0) & (painted(page) < 255)) > np.count_nonzero(
        (hard > 0) & (hard < 255)
    )
    changes["Swap inside and outside"].trigger()
    assert painted(page)[5, 5] == 255 and painted(page)[60, 70] == 0
    changes["Clear"].trigger()
    assert not painted(page).any()
    page.page.handle("undo")
    assert painted(page)[5, 5] == 255

    QTest.mouseClick(bar.tools.buttons["eraser"], LEFT)
    assert tool.tool == "eraser"
    drag(page, (10, 10), (30, 10))
    assert painted(page)[10, 20] == 0
    changes["Clear"].trigger()
    QTest.keyClick(canvas, Qt.Key.Key_B)
    assert tool.tool == "brush" and bar.tools.buttons["brush"].isChecked()
    bar.flow.setValue(50)
    drag(page, (40, 60), (110, 60))
    assert painted(page)[60, 70] == pytest.approx(128, abs=2)
    bar.feather.setValue(100)
    bar.flow.setValue(100)
    assert tool.brush.feather == 1.0 and tool.brush.flow == 1.0

    alt = Qt.KeyboardModifier.AltModifier
    for key, points in (
        (Qt.Key.Key_L, ((20, 20), (140, 20), (140, 100), (20, 100))),
        (Qt.Key.Key_P, ((80, 60), (80, 60))),
    ):
        changes["Clear"].trigger()
        QTest.keyClick(canvas, key)
        drag(page, *points)
        assert painted(page)[60, 80] == 255
        drag(page, *points, keys=alt)
        assert painted(page)[60, 80] == 0


def test_a_hundred_steps_are_undone_and_redone(page: Desk) -> None:
    for step in range(104):
        drag(page, (20 + step, 20), (20 + step, 20))
    last = painted(page).copy()
    for _ in range(104):
        page.page.handle("undo")
    assert painted(page).any() and not page.page.masks.bar.undo.isEnabled(), "the first four are beyond reach"
    for _ in range(100):
        page.page.handle("redo")
    assert np.array_equal(painted(page), last)


def test_brackets_change_the_size_and_not_the_photo(page: Desk) -> None:
    page.page.canvas.setFocus()
    size = page.page.masks.tool.brush.size_px
    QTest.keyClick(page.page.canvas, Qt.Key.Key_BracketRight)
    assert page.page.masks.tool.brush.size_px > size
    QTest.keyClick(page.page.canvas, Qt.Key.Key_BracketLeft)
    assert page.page.masks.tool.brush.size_px == pytest.approx(size)
    QTest.keyClick(page.page.canvas, Qt.Key.Key_O)
    assert not page.page.masks.tool.shown and not page.page.masks.bar.overlay.isChecked()


def test_a_click_on_the_bar_leaves_the_keys_to_the_brush(page: Desk) -> None:
    canvas, tool, bar = page.page.canvas, page.page.masks.tool, page.page.masks.bar
    QTimer.singleShot(0, lambda: bar.more.menu().close())
    for widget in (bar.tools.buttons["eraser"], bar.overlay, bar.flow, bar.more, bar.undo):
        canvas.setFocus()
        QTest.mouseClick(widget, LEFT)
        assert page.page.focusWidget() is canvas, widget.accessibleName()
    size = tool.brush.size_px
    QTest.keyClick(page.page.focusWidget(), Qt.Key.Key_BracketRight)
    assert tool.tool == "eraser" and tool.brush.size_px > size
    bar.overlay.setFocus(Qt.FocusReason.TabFocusReason)
    assert page.page.focusWidget() is bar.overlay, "all can still be reached without a mouse"


def test_the_pen_draws_as_wide_as_it_is_pressed_and_its_other_end_erases(page: Desk) -> None:
    types = QEvent.Type
    page.page.masks.tool.set_brush(Brush(20, 0.0, 1.0))
    for y, pressure in ((30, 1.0), (90, 0.3)):
        pen(page, types.TabletPress, 40, y, pressure)
        pen(page, types.TabletMove, 100, y, pressure)
        pen(page, types.TabletRelease, 100, y, 0.0)
    widths = [int((painted(page)[y - 15 : y + 15, 70] > 127).sum()) for y in (30, 90)]
    assert widths[0] == pytest.approx(20, abs=1) and widths[1] == pytest.approx(6, abs=1)
    pen(page, types.TabletPress, 70, 30, 1.0, eraser=True)
    pen(page, types.TabletRelease, 70, 30, 0.0, eraser=True)
    assert painted(page)[30, 70] == 0


def test_patch_and_lasso(page: Desk) -> None:
    tool = page.page.masks.tool
    tool.set_tool("lasso")
    drag(page, (10, 10), (50, 10), (50, 50), (10, 50))
    assert painted(page)[30, 30] == 255 and painted(page)[80, 80] == 0
    tool.set_tool("patch")
    drag(page, (80, 60), (80, 60))
    assert painted(page)[60, 80] == 255, "the dark patch"
    assert painted(page)[5, 155] == 0


def test_a_mask_drawn_a_little_off_goes_along_the_shadows_edge(page: Desk) -> None:
    tool, bar = page.page.masks.tool, page.page.masks.bar
    exact = disc(*SIZE, 35) > 0
    tool.set_tool("patch")
    drag(page, (80, 60), (80, 60))
    page.page.masks.do("grow")
    page.page.masks.do("grow")
    drawn = painted(page).copy()
    snap = next(action for action in bar.more.menu().actions() if action.text().startswith("Along"))
    snap.trigger()

    def off(mask: np.ndarray) -> int:
        return int(np.count_nonzero((mask > 127) != exact))

    assert off(painted(page)) < off(drawn) / 4, (off(painted(page)), off(drawn))
    page.page.masks.do("undo")
    assert np.array_equal(painted(page), drawn)


def test_a_mask_stays_with_its_photo_over_a_restart(
    page: Desk, qapp: QApplication, tmp_path: Path, shot: Path
) -> None:
    drag(page, (40, 60), (100, 60))
    page.page.masks.set_use(ONLY)
    drag(page, (40, 90), (100, 90))
    first = {use: mask.values.copy() for use, mask in page.page.masks._masks.items()}
    page.page.masks.stop()
    item = page.item(shot)
    assert item.mask and item.only and item.mask != item.only
    page.close()
    with desk(qapp, tmp_path / "home") as again:
        again.wait_shown(shot)
        choices = again.panel.choices
        choices.task.setCurrentIndex(choices.task.findData("deshadow"))
        again.page.handle("paint_mask")
        for use in (DAMAGE, ONLY):
            assert np.array_equal(again.page.masks._masks[use].values, first[use])


def test_what_must_stay_is_painted_as_such(page: Desk, shot: Path, tmp_path: Path) -> None:
    """ "Not here" says of the rest what "Only here" says of a place, in one click."""
    masks, bar = page.page.masks, page.page.masks.bar
    QTest.mouseClick(bar.uses.buttons[NOT], LEFT)
    drag(page, (20, 20), (60, 20))
    painted = masks._masks[NOT].values.copy()
    assert painted[20, 40] == 255 and "stays as it is" in bar.says.text()
    masks.keep()
    assert np.array_equal(masks.store.get(page.item(shot).only), 255 - painted)
    masks.save(tmp_path / "only.png")
    assert np.array_equal(image_io.read(tmp_path / "only.png").pixels[..., 0], 255 - painted), (
        "as --only takes it"
    )
    QTest.mouseClick(bar.uses.buttons[ONLY], LEFT)  # the same, said the other way round
    assert np.array_equal(masks._masks[ONLY].values, 255 - painted) and "may change" in bar.says.text()
    QTest.mouseClick(bar.uses.buttons[NOT], LEFT)
    assert np.array_equal(masks._masks[NOT].values, painted)
    masks.load(tmp_path / "only.png")
    assert np.array_equal(masks._masks[NOT].values, painted)
    QTest.mouseClick(bar.done, LEFT)
    masks._item_id = None  # as after a restart
    page.page.handle("paint_mask")
    assert masks._limit == NOT and np.array_equal(masks._masks[NOT].values, painted)
    masks.set_use(NOT)
    masks.do("clear")
    masks.keep()
    assert not page.item(shot).only


def test_the_command_does_what_the_window_did(
    page: Desk, shot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk_ = page.page.masks
    page.page.masks.tool.set_brush(Brush(70, 0.2, 1.0))
    drag(page, (80, 60), (82, 60))
    desk_.set_use(ONLY)
    drag(page, (80, 60), (82, 60))
    taught = np.full(SIZE, 128, np.uint8)
    taught[70:] = 0  # said on the Memory page: no shadow there
    store = page.page.flow.taught
    assert store is not None
    store.put(store.key(shot, "deshadow"), taught)
    page.page.handle("run")
    page.wait_idle()
    item = page.item(shot)
    assert item.result is not None and len(item.result.made.mask) == 16 and len(item.result.made.only) == 16
    assert len(item.result.made.taught) == 16
    saved = page.save(shot)
    words = arguments(page.item(shot), masks=page.page.place.masks_dir)
    first = saved.read_bytes()
    pixels = image_io.read(saved).pixels
    assert np.array_equal(pixels[:20], image_io.read(shot).pixels[:20]), "outside not a bit changes"
    assert np.array_equal(pixels[70:], image_io.read(shot).pixels[70:]), "what is denied stays"
    assert not np.array_equal(pixels, image_io.read(shot).pixels)
    assert cli.main([*words, "--overwrite"]) == 0
    assert saved.read_bytes() == first


def test_what_was_marked_is_said_to_be_where_nothing_else_is_said(page: Desk, shot: Path) -> None:
    drag(page, (60, 60), (90, 60))
    page.page.handle("run")
    page.wait_idle()
    item = page.item(shot)
    assert item.result is not None
    made = replace(item.result.made, verdict=NO_VERDICT)  # as of a model that says nothing of what it found
    page.page.session.update(item.id, result=replace(item.result, made=made))
    assert page.item(shot).status == "✓ as marked"
    page.panel._show_verdict(page.item(shot))
    assert page.panel.verdict_words.text() == "The shadow was taken out where you marked it"
    guessed = replace(item.result, made=replace(made, mask="auto"))
    page.page.session.update(item.id, result=guessed)
    assert page.item(shot).status == "✓"


def test_a_preview_follows_the_mask_and_restoring_has_it_at_hand(
    page: Desk, shot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown is what Restore makes, with the mask and within what may change; that is not computed twice."""
    page.settings.tile_px = None  # as it is unless somebody chooses
    shown: list[np.ndarray | None] = []
    page.page.looker.previewed.connect(lambda _id, rgb: shown.append(rgb))
    page.page.masks.tool.set_brush(Brush(70, 0.2, 1.0))
    drag(page, (80, 60), (82, 60))
    page.page.masks.set_use(ONLY)
    drag(page, (80, 60), (82, 60))
    page.page.masks.keep()
    page.settings.look_automatically = True
    wait(lambda: page.item(shot).look is not None)
    page.page.masks.set_use(DAMAGE)
    drag(page, (60, 30), (100, 30))
    page.page.masks.keep()
    wait(lambda: not page.page.looker._soon.isActive())
    assert page.item(shot).look.masks[0] != page.item(shot).mask, "not while it is painted"  # type: ignore[union-attr]
    page.page.masks.stop()
    wait(lambda: page.item(shot).look.masks == (page.item(shot).mask, page.item(shot).only))  # type: ignore[union-attr]
    wait(lambda: shown[-1] is not None)
    monkeypatch.setattr(passes.Network, "restore", lambda *_all, **_more: pytest.fail("restored twice"))
    page.page.handle("run")
    page.wait_idle()
    item = page.item(shot)
    assert (
        item.result is not None and item.result.mask_name == item.mask and item.result.only_name == item.only
    )
    assert np.array_equal(page.page.store.get(item.id), shown[-1])
    assert np.array_equal(shown[-1][:20], image_io.read(shot).pixels[:20]), "outside not a bit changes"


def test_a_guess_is_shown_before_anything_is_changed(page: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    found = guidance.Guess(disc(*SIZE, 35), 0.2)
    monkeypatch.setattr(mask_desk, "find_shadow", lambda _path, _choice: found)
    page.page.masks.do("guess")
    wait(lambda: painted(page).any())
    assert np.array_equal(painted(page), found.mask)
    assert "marked as shadow" in page.page.masks.bar.says.text()
    page.page.handle("undo")
    assert not painted(page).any()


def test_masks_are_loaded_and_saved_and_bad_ones_told(page: Desk, tmp_path: Path) -> None:
    drag(page, (40, 60), (100, 60))
    wanted = painted(page).copy()
    for name in ("kept.png", "kept.tif"):
        page.page.masks.save(tmp_path / name)
        assert image_io.read_info(tmp_path / name).mode == "grey"
        page.page.masks.do("clear")
        page.page.masks.load(tmp_path / name)
        assert np.array_equal(painted(page), wanted)
    page.page.masks.load(tmp_path / "absent.png")
    assert "The mask was not loaded." in page.said[-1].text


@pytest.mark.parametrize(
    ("name", "pixels", "says"),
    [
        ("size", np.full((9, 9), 255, np.uint8), "size.png: 9x9 px, need the photo's 160x120 px"),
        ("colour", levels(ground(*SIZE)), "colour.png: has colours"),
        ("alpha", np.full((*SIZE, 4), 99, np.uint8), "alpha.png: is transparent in places"),
        ("black", np.zeros(SIZE, np.uint8), "black.png: is black all over, so it marks nothing"),
        ("white", np.full(SIZE, 255, np.uint8), ""),
        ("deep", np.full(SIZE, 65535, np.uint16), ""),
    ],
)
def test_a_mask_from_a_file_is_taken_or_told_why_not(
    page: Desk, tmp_path: Path, name: str, pixels: np.ndarray, says: str
) -> None:
    drag(page, (40, 60), (100, 60))
    before = painted(page).copy()
    page.page.masks.load(write(tmp_path / f"{name}.png", pixels))
    if says:
        assert np.array_equal(painted(page), before)
        assert page.said[-1].text.startswith("The mask was not loaded.") and says in page.said[-1].text
    else:
        assert (painted(page) == 255).all()


def test_a_kept_mask_that_disappears_is_said_and_painted_anew(page: Desk, shot: Path) -> None:
    drag(page, (40, 60), (100, 60))
    page.page.masks.stop()
    for file in page.page.place.masks_dir.glob("*.png"):
        file.unlink()
    page.page.handle("run")
    page.wait_idle()
    problem = page.item(shot).problem
    assert problem is not None and problem.what == "The mask cannot be used."
    assert "is not where it was kept, or damaged; paint it again (M)" in problem.sentence
    page.wait_shown(shot)
    page.page.masks._item_id = None  # as after a restart
    page.page.handle("paint_mask")
    assert "The mask of wall.png is gone." in page.said[-1].text and not page.item(shot).mask
    drag(page, (40, 60), (100, 60))
    page.page.handle("run")
    page.wait_idle()
    assert page.item(shot).problem is None and page.item(shot).result is not None


def test_a_brush_of_a_thousand_pixels_over_24_megapixels_is_fluent() -> None:
    from memorynet_gui.compare.masks.mask import Mask

    mask = Mask(4000, 6000)
    mask.begin(Brush(1000, 0.5, 0.8))
    times = []
    for step in range(12):
        since = time.process_time()
        mask.line((1500 + 40 * step, 2000), (1540 + 40 * step, 2000))
        times.append(time.process_time() - since)
    mask.end()
    assert np.median(times) < 0.1, times


def test_what_can_be_guessed_is_asked_as_on_the_command_line(tmp_path: Path) -> None:
    assert not restoring.can_guess(tmp_path, "derain")
    assert not restoring.can_guess(tmp_path / "none", "deshadow")
