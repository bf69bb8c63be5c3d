"""Painting masks on the Restore page, with real mouse, pen and key events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QPointingDevice, QTabletEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core.cli import program as cli
from core.images import io as image_io
from core.restoring import restore as restoring
from core.restoring import shadow_guess
from memorynet_gui.compare.masks.mask import Brush
from memorynet_gui.restore.command import arguments
from memorynet_gui.restore.masks import desk as mask_desk
from memorynet_gui.restore.masks.desk import DAMAGE, ONLY
from tests.restore_page_kit import Desk, desk, wait, write
from tests.restoring.test_shadow_light import disc, ground, levels

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


def test_brackets_change_the_size_and_not_the_photo(page: Desk) -> None:
    page.page.canvas.setFocus()
    size = page.page.masks.tool.brush.size_px
    QTest.keyClick(page.page.canvas, Qt.Key.Key_BracketRight)
    assert page.page.masks.tool.brush.size_px > size
    QTest.keyClick(page.page.canvas, Qt.Key.Key_BracketLeft)
    assert page.page.masks.tool.brush.size_px == pytest.approx(size)
    QTest.keyClick(page.page.canvas, Qt.Key.Key_O)
    assert not page.page.masks.tool.shown and not page.page.masks.bar.overlay.isChecked()


def test_the_pen_draws_as_wide_as_it_is_pressed_and_its_other_end_erases(page: Desk) -> None:
    def pen(kind: QEvent.Type, x: float, y: float, pressure: float, eraser: bool = False) -> None:
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

    page.page.masks.tool.set_brush(Brush(20, 0.0, 1.0))
    for y, pressure in ((30, 1.0), (90, 0.3)):
        pen(QEvent.Type.TabletPress, 40, y, pressure)
        pen(QEvent.Type.TabletMove, 100, y, pressure)
        pen(QEvent.Type.TabletRelease, 100, y, 0.0)
    widths = [int((painted(page)[y - 15 : y + 15, 70] > 127).sum()) for y in (30, 90)]
    assert widths[0] == pytest.approx(20, abs=1) and widths[1] == pytest.approx(6, abs=1)
    pen(QEvent.Type.TabletPress, 70, 30, 1.0, eraser=True)
    pen(QEvent.Type.TabletRelease, 70, 30, 0.0, eraser=True)
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


def test_a_guess_is_shown_before_anything_is_changed(page: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    found = shadow_guess.Guess(disc(*SIZE, 35), 0.2)
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
    page.page.masks.save(tmp_path / "kept.png")
    page.page.masks.do("clear")
    page.page.masks.load(tmp_path / "kept.png")
    assert np.array_equal(painted(page), wanted)
    for name, pixels in (("size", np.full((9, 9), 255, np.uint8)), ("colour", levels(ground(*SIZE)))):
        page.page.masks.load(write(tmp_path / f"{name}.png", pixels))
        assert np.array_equal(painted(page), wanted)
        assert "The mask was not loaded." in page.said[-1].text
    page.page.masks.load(tmp_path / "absent.png")
    assert "The mask was not loaded." in page.said[-1].text


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
