"""The comparison view as a hand and an eye meet it: real events in, pixels and signals out."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QThreadPool, QUrl
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QImage, QKeyEvent, QPalette, QWheelEvent
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from memorynet_gui.compare.scene import CHECKER_DARK, CHECKER_LIGHT
from memorynet_gui.compare.view import MODES, CompareView

LEFT = Qt.MouseButton.LeftButton
ROOT = Path(__file__).resolve().parents[3]


def photo(w: int, h: int, seed: int = 0) -> np.ndarray:
    """Smooth enough to interpolate, different everywhere."""
    y, x = np.mgrid[:h, :w].astype(np.float32)
    waves = [np.sin(x / (37 + 11 * c) + seed) * np.cos(y / (29 + 7 * c)) for c in range(3)]
    return (127 + 110 * np.stack(waves, -1)).astype(np.uint8)


def flat(w: int, h: int, colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((h, w, 3), colour, np.uint8)


RED, GREEN, BLUE = (200, 30, 30), (30, 180, 40), (20, 40, 210)


@pytest.fixture
def view(qtbot: QtBot) -> Iterator[CompareView]:
    view = CompareView()
    qtbot.addWidget(view)
    view.resize(640, 480)
    view.show()
    qtbot.waitExposed(view)
    yield view
    QThreadPool.globalInstance().waitForDone()


@pytest.fixture
def compared(view: CompareView) -> CompareView:
    view.set_original(flat(592, 432, RED))  # exactly 100 % within the margin
    view.set_restored(flat(592, 432, BLUE))
    assert view.zoom == 1.0
    return view


def shown(view: QWidget) -> np.ndarray:
    """What is on screen, (H, W, 3) device pixels."""
    return pixels(view.grab().toImage())


def pixels(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    raw = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return raw[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()


def colour(view: QWidget, x: int, y: int) -> tuple[int, int, int]:
    red, green, blue = shown(view)[y, x].tolist()
    return red, green, blue


def wheel(
    view: QWidget, at: QPointF, turned: int, modifiers: Qt.KeyboardModifier | None = None
) -> QWheelEvent:
    event = QWheelEvent(
        at,
        view.mapToGlobal(at),
        QPoint(),
        QPoint(0, turned),
        Qt.MouseButton.NoButton,
        modifiers or Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, event)
    return event


def drag(qtbot: QtBot, view: QWidget, start: QPoint, end: QPoint) -> None:
    qtbot.mousePress(view, LEFT, pos=start)
    for step in (0.3, 0.7, 1.0):
        qtbot.mouseMove(view, start + (end - start) * step)
    qtbot.mouseRelease(view, LEFT, pos=end)


def settle(qtbot: QtBot, view: CompareView) -> None:
    """Until the pyramids are built and the view has told where it looks."""
    qtbot.wait(60)
    QThreadPool.globalInstance().waitForDone()
    qtbot.wait(20)


# --- modes ---------------------------------------------------------------------------------------


def test_wipe_shows_the_original_left_and_the_restored_right(compared: CompareView):
    assert compared.mode == "wipe"
    assert colour(compared, 150, 240) == RED
    assert colour(compared, 500, 240) == BLUE
    assert compared.sample(10, 10) == RED
    assert compared.sample(590, 10) == BLUE
    compared.set_wipe(0.1)
    assert colour(compared, 150, 240) == BLUE
    assert compared.sample(10, 10) == RED
    assert compared.sample(150, 10) == BLUE


def test_side_by_side_shows_both_with_one_zoom_and_pan(view: CompareView, qtbot: QtBot):
    before, after = photo(900, 700, 1), photo(900, 700, 2)
    view.set_original(before)
    view.set_restored(after)
    view.set_mode("side")
    view.actual_size()
    drag(qtbot, view, QPoint(100, 300), QPoint(20, 220))  # in the left pane: both follow
    x, y, w, h = view.visible_region()
    assert (w, h) == (319, 480)
    got = shown(view)
    inner = np.s_[60:450, 30:300]  # away from the badges
    np.testing.assert_array_equal(got[:, :319][inner], before[y : y + h, x : x + w][inner])
    np.testing.assert_array_equal(got[:, 321:][inner], after[y : y + h, x : x + w][inner])


def test_difference_is_amplified_on_black(view: CompareView):
    view.set_original(flat(592, 432, (100, 100, 100)))
    view.set_restored(flat(592, 432, (110, 95, 200)))
    view.set_mode("difference")
    assert colour(view, 320, 200) == (40, 20, 255)
    assert view.sample(5, 5) == (40, 20, 255)
    view.set_strength(0.5)
    assert view.sample(5, 5)[0] == 20


def test_restored_alone(compared: CompareView):
    compared.set_mode("restored")
    assert colour(compared, 150, 240) == colour(compared, 500, 240) == BLUE


def test_strength_blends_without_a_new_picture(compared: CompareView):
    compared.set_mode("restored")
    compared.set_strength(0.25)
    expected = np.array(RED) + 0.25 * (np.array(BLUE) - np.array(RED))
    assert np.abs(np.array(colour(compared, 320, 200)) - expected).max() <= 0.5
    compared.set_strength(0)
    assert colour(compared, 320, 200) == RED
    compared.set_strength(1)
    assert colour(compared, 320, 200) == BLUE
    with pytest.raises(ValueError, match=r"1\.5"):
        compared.set_strength(1.5)


def test_modes_are_told_once_and_unknown_ones_refused(compared: CompareView, qtbot: QtBot):
    told: list[str] = []
    compared.mode_changed.connect(told.append)
    for mode in (*MODES[1:], MODES[-1]):
        compared.set_mode(mode)
    assert told == ["side", "difference", "restored"]
    with pytest.raises(ValueError, match="blink"):
        compared.set_mode("blink")


class SpaceHolder(QWidget):
    """Wires the Space key as a page does."""

    def __init__(self, view: CompareView) -> None:
        super().__init__()
        self.view = view
        QVBoxLayout(self).addWidget(view)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self.view.set_show_original(True)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self.view.set_show_original(False)


@pytest.mark.parametrize("mode", MODES)
def test_space_reaches_the_page_and_shows_the_original(compared: CompareView, qtbot: QtBot, mode: str):
    page = SpaceHolder(compared)
    page.resize(700, 560)
    page.show()
    compared.set_mode(mode)
    right = QPoint(compared.width() * 3 // 4, compared.height() // 2 + 40)
    before = colour(compared, right.x(), right.y())
    assert before != RED
    qtbot.keyPress(compared, Qt.Key.Key_Space)
    assert compared.showing_original
    assert colour(compared, right.x(), right.y()) == RED
    assert compared.sample(590, 10) == RED
    qtbot.keyRelease(compared, Qt.Key.Key_Space)
    assert colour(compared, right.x(), right.y()) == before
    compared.setParent(None)
    page.close()


# --- the wipe line -------------------------------------------------------------------------------


def test_dragging_the_line_moves_it_with_the_pointer(compared: CompareView, qtbot: QtBot):
    drag(qtbot, compared, QPoint(322, 120), QPoint(182, 400))  # two pixels beside the line
    assert compared.wipe == pytest.approx((180 - 24) / 592, abs=1e-3)
    assert colour(compared, 200, 100) == BLUE
    assert colour(compared, 160, 100) == RED
    drag(qtbot, compared, QPoint(180, 240), QPoint(5000, 240))  # by the handle, beyond the edge
    assert compared.wipe == 1.0


def test_dragging_elsewhere_leaves_the_line(compared: CompareView, qtbot: QtBot):
    drag(qtbot, compared, QPoint(200, 120), QPoint(300, 200))
    assert compared.wipe == 0.5
    assert compared.fitted


def test_no_line_before_anything_is_restored(view: CompareView, qtbot: QtBot):
    view.set_original(flat(592, 432, RED))
    drag(qtbot, view, QPoint(320, 240), QPoint(100, 240))
    assert view.wipe == 0.5
    assert colour(view, 320, 240) == RED  # neither line nor handle


def test_only_what_the_line_uncovers_is_repainted(compared: CompareView, qtbot: QtBot):
    """Partial repaints must leave the same picture as a full one."""
    for place in (0.4, 0.9, 0.02, 0.6):
        compared.set_wipe(place)
        QApplication.processEvents()
    partial = pixels(compared.screen().grabWindow(compared.winId()).toImage())
    assert partial[100, 100].tolist() == list(RED)  # it is this window that was grabbed
    np.testing.assert_array_equal(partial, shown(compared))


# --- zoom and pan --------------------------------------------------------------------------------


def test_wheel_keeps_the_image_point_under_the_pointer(view: CompareView):
    view.set_original(photo(3000, 2000))
    at = QPointF(411, 187)
    start = view.to_image(at)
    zooms = []
    view.zoom_changed.connect(zooms.append)
    for turned in [120] * 14 + [15] * 9 + [-120] * 6 + [240] * 4 + [-120] * 5:
        assert wheel(view, at, turned).isAccepted()
        now = view.to_image(at)
        assert abs(now.x() - start.x()) * view.zoom < 1
        assert abs(now.y() - start.y()) * view.zoom < 1
    assert zooms[-1] == view.zoom
    assert all(one != other for one, other in pairwise(zooms))
    for _ in range(60):
        wheel(view, at, -120)
    assert view.fitted
    assert view.visible_region() == (0, 0, 3000, 2000)


def test_the_pixel_painted_under_the_pointer_stays_there(view: CompareView):
    """The law of the transform holds on the screen too: a marked pixel does not walk away."""
    a = flat(1200, 900, (40, 40, 40))
    a[300, 700] = (255, 255, 255)
    view.set_original(a)
    view.actual_size()
    marked = view._transform.to_view(700.5, 300.5)
    at = QPointF(*marked)
    for _ in range(12):
        wheel(view, at, 120)
        if view.zoom >= 4:
            bright = np.argwhere(shown(view)[60:, :, 0] > 200) + np.array((60, 0))  # below the badge
            top, left = bright.min(axis=0)
            bottom, right = bright.max(axis=0)
            assert top - 1 <= at.y() <= bottom + 1
            assert left - 1 <= at.x() <= right + 1
            assert abs((right - left + 1) - view.zoom) <= 1


def test_drag_pans_and_stops_at_the_edge(view: CompareView, qtbot: QtBot):
    a = photo(2000, 1500)
    view.set_original(a)
    view.actual_size()
    x, y, w, h = view.visible_region()
    drag(qtbot, view, QPoint(300, 300), QPoint(250, 380))
    assert view.visible_region() == (x + 50, y - 80, w, h)
    np.testing.assert_array_equal(shown(view)[60:], a[y - 80 + 60 : y - 80 + h, x + 50 : x + 50 + w])
    for _ in range(6):
        drag(qtbot, view, QPoint(10, 10), QPoint(630, 470))
    assert view.visible_region()[:2] == (0, 0)


def test_double_click_and_z_switch_between_fit_and_100_percent(view: CompareView, qtbot: QtBot):
    view.set_original(photo(2000, 1500))
    fit = view.zoom
    at = QPointF(200, 150)
    under = view.to_image(at)
    qtbot.mouseDClick(view, LEFT, pos=at.toPoint())
    assert view.zoom == 1.0
    assert not view.fitted
    now = view.to_image(at)
    assert abs(now.x() - under.x()) <= 1
    assert abs(now.y() - under.y()) <= 1
    qtbot.mouseDClick(view, LEFT, pos=QPoint(400, 300))
    assert view.zoom == fit
    qtbot.keyClick(view, Qt.Key.Key_Z)
    assert view.zoom == 1.0
    qtbot.keyClick(view, Qt.Key.Key_Z)
    assert view.fitted


def test_keys_pan_zoom_and_move_the_line(view: CompareView, qtbot: QtBot):
    view.set_original(photo(2000, 1500))
    view.set_restored(photo(2000, 1500, 3))
    left = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Left, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(view, left)
    assert not left.isAccepted()  # nothing to pan: the page may go to another photo
    qtbot.keyClick(view, Qt.Key.Key_Plus)
    qtbot.keyClick(view, Qt.Key.Key_Equal)
    zoom = view.zoom
    x, y, _, _ = view.visible_region()
    qtbot.keyClick(view, Qt.Key.Key_Right)
    qtbot.keyClick(view, Qt.Key.Key_Up)
    x1, y1, _, _ = view.visible_region()
    assert x1 - x == pytest.approx(64 / zoom, abs=2)
    assert y - y1 == pytest.approx(64 / zoom, abs=2)
    qtbot.keyClick(view, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert view.wipe == pytest.approx(0.48)
    for _ in range(40):
        qtbot.keyClick(view, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert view.wipe == 1.0
    for _ in range(5):
        qtbot.keyClick(view, Qt.Key.Key_Minus)
    assert view.fitted


@pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_1, Qt.Key.Key_O, Qt.Key.Key_Escape])
def test_other_keys_are_left_to_the_page(compared: CompareView, key: Qt.Key):
    event = QKeyEvent(QEvent.Type.KeyPress, key, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(compared, event)
    assert not event.isAccepted()


def test_fit_follows_the_window_and_another_zoom_does_not(view: CompareView):
    view.set_original(photo(2000, 1500))
    view.resize(900, 700)
    assert view.visible_region() == (0, 0, 2000, 1500)
    assert view.zoom == pytest.approx(852 / 2000)
    view.actual_size()
    view.resize(500, 400)
    assert view.zoom == 1.0
    assert view.visible_region()[2:] == (500, 400)


def test_a_small_photo_is_enlarged_in_whole_steps(view: CompareView):
    view.set_original(photo(250, 100))
    assert view.zoom == 2.0
    view.set_original(photo(20, 10))
    assert view.zoom == 4.0
    view.toggle_fit()
    assert view.zoom == 1.0


def test_the_visible_region_is_told_once_the_view_rests(view: CompareView, qtbot: QtBot):
    told: list[object] = []
    view.visible_region_changed.connect(told.append)
    view.set_original(photo(2000, 1500))
    qtbot.waitUntil(lambda: bool(told))
    assert told == [(0, 0, 2000, 1500)]
    for _ in range(8):
        wheel(view, QPointF(300, 200), 120)
        qtbot.wait(5)
    assert len(told) == 1
    qtbot.waitUntil(lambda: len(told) == 2)
    assert told[1] == view.visible_region()
    view.set_wipe(0.3)
    qtbot.wait(220)
    assert len(told) == 2  # the line is no change of the region


def test_a_very_large_canvas_is_drafted_during_a_gesture_and_then_sharpened(view: CompareView, qtbot: QtBot):
    view.resize(3200, 2000)
    a = photo(2600, 1900)
    view.set_original(a)
    view.set_mode("restored")
    view.fit()
    sharp_at_fit = shown(view)
    assert not view._drafted  # opening and resizing are no gestures
    view.set_strength(0.5)
    view.set_strength(1.0)
    draft = shown(view)
    assert view._drafted
    qtbot.waitUntil(lambda: not view._drafted)
    np.testing.assert_array_equal(shown(view), sharp_at_fit)
    inner = np.s_[100:1900, 300:2900]
    apart = np.abs(draft[inner].astype(int) - sharp_at_fit[inner])
    assert 0 < apart.max() < 40  # coarser, but in place
    assert apart.mean() < 2


# --- tiles ---------------------------------------------------------------------------------------


def test_tiles_stream_in_over_the_original(view: CompareView, qtbot: QtBot):
    before, after = photo(1200, 900, 1), photo(1200, 900, 2)
    view.set_original(before)
    view.set_mode("restored")
    view.actual_size()
    settle(qtbot, view)
    shown(view)  # the tiles are cached now
    x, y, w, h = view.visible_region()
    view.update_tile(400, 300, after[300:556, 400:656])
    expected = before.copy()
    expected[300:556, 400:656] = after[300:556, 400:656]
    qtbot.wait(200)  # the outline of an arriving tile has faded
    np.testing.assert_array_equal(shown(view)[60:], expected[y + 60 : y + h, x : x + w])
    assert view.sample(399, 300) == tuple(before[300, 399].tolist())
    assert view.sample(400, 300) == tuple(after[300, 400].tolist())
    for ty in range(0, 900, 256):
        for tx in range(0, 1200, 256):
            view.update_tile(tx, ty, after[ty : ty + 256, tx : tx + 256])
    qtbot.wait(200)
    np.testing.assert_array_equal(shown(view)[60:], after[y + 60 : y + h, x : x + w])
    view.set_restored(after)
    np.testing.assert_array_equal(shown(view)[60:], after[y + 60 : y + h, x : x + w])


def test_streaming_and_the_whole_result_look_the_same_at_fit(view: CompareView, qtbot: QtBot):
    before, after = photo(2100, 1500, 1), photo(2100, 1500, 2)
    view.set_mode("restored")
    view.set_original(before)
    for ty in range(0, 1500, 700):
        for tx in range(0, 2100, 700):
            view.update_tile(tx, ty, after[ty : ty + 700, tx : tx + 700])
    settle(qtbot, view)
    qtbot.wait(200)
    streamed = shown(view)
    view.set_restored(after)
    np.testing.assert_array_equal(shown(view), streamed)  # no flash of a subsample
    settle(qtbot, view)
    np.testing.assert_array_equal(shown(view), streamed)


def test_the_tile_outline_fades(view: CompareView, qtbot: QtBot):
    view.set_original(flat(592, 432, RED))
    view.set_mode("restored")
    view.update_tile(100, 100, flat(200, 200, RED))
    lit = shown(view)
    qtbot.waitUntil(lambda: not view._arrivals, timeout=2000)
    assert not view._arrival_timer.isActive()
    assert (lit[200:300, 124:127] != shown(view)[200:300, 124:127]).any()
    assert (shown(view)[200:300, 100:300] == RED).all()


def test_a_tile_after_a_whole_result_goes_over_it_and_leaves_the_array_alone(compared: CompareView):
    after = flat(592, 432, BLUE)
    compared.set_restored(after)
    compared.update_tile(0, 0, flat(10, 10, GREEN))
    compared.set_wipe(0)
    assert compared.sample(5, 5) == GREEN
    assert compared.sample(50, 5) == BLUE
    assert (after == BLUE).all()


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda v: v.set_restored(flat(10, 20, RED)), "10x20 px, the original 592x432 px"),
        (lambda v: v.update_tile(590, 0, flat(4, 4, RED)), r"4x4 px at \(590, 0\)"),
        (lambda v: v.update_tile(-1, 0, flat(4, 4, RED)), r"\(-1, 0\)"),
        (lambda v: v.set_original(np.zeros((4, 4), np.uint8)), r"uint8 \(4, 4\)"),
        (lambda v: v.set_original(np.zeros((4, 4, 3), np.uint16)), "uint16"),
        (lambda v: v.set_original(np.zeros((0, 4, 3), np.uint8)), r"\(0, 4, 3\)"),
        (lambda v: v.set_original(flat(4, 4, RED), np.zeros((4, 5), np.uint8)), r"\(4, 5\)"),
        (lambda v: v.zoom_by(0), "0"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_size(
    compared: CompareView, act: Callable[[CompareView], None], words: str
):
    with pytest.raises(ValueError, match=words):
        act(compared)
    assert compared.sample(590, 10) == BLUE  # and nothing has changed


def test_a_result_without_a_photo_is_refused(view: CompareView):
    with pytest.raises(ValueError, match="without an original"):
        view.set_restored(flat(4, 4, RED))
    with pytest.raises(ValueError, match="without an original"):
        view.update_tile(0, 0, flat(4, 4, RED))
    with pytest.raises(ValueError, match="no photo"):
        view.render_comparison()


# --- odd photos ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "size"),
    [
        *product(MODES, [(1, 1), (1, 5000), (5000, 1), (3, 2), (257, 255)]),
        ("wipe", (20_000, 3000)),
    ],
)
def test_every_size_survives_every_gesture(view: CompareView, qtbot: QtBot, size: tuple[int, int], mode: str):
    w, h = size
    view.set_original(flat(w, h, RED), np.full((h, w), 128, np.uint8), title="odd")
    view.set_mode(mode)
    shown(view)
    view.set_restored(flat(w, h, BLUE))
    at = QPoint(320, 240)
    for _ in range(6):
        wheel(view, QPointF(at), 240)
        drag(qtbot, view, at, QPoint(100, 400))
        shown(view)
    qtbot.mouseDClick(view, LEFT, pos=at)
    view.set_wipe(0.9)
    view.set_strength(0.3)
    view.update_tile(w - 1, h - 1, flat(1, 1, GREEN))
    shown(view)
    view.fit()
    assert view.visible_region() == (0, 0, w, h)
    shown(view)
    assert not view.render_comparison(300).isNull()
    settle(qtbot, view)
    shown(view)


@pytest.mark.parametrize("mode", MODES)
def test_no_photo_survives_every_gesture(view: CompareView, qtbot: QtBot, mode: str):
    view.set_mode(mode)
    view.set_original(photo(300, 200))
    view.set_original(None)
    view.set_restored(None)
    at = QPoint(320, 240)
    wheel(view, QPointF(at), 120)
    drag(qtbot, view, at, QPoint(10, 10))
    qtbot.mouseDClick(view, LEFT, pos=at)
    for key in (Qt.Key.Key_Z, Qt.Key.Key_Plus, Qt.Key.Key_Left):
        qtbot.keyClick(view, key)
    view.set_strength(0.5)
    view.set_wipe(0.2)
    view.set_show_original(True)
    view.fit()
    view.actual_size()
    view.zoom_by(2)
    assert view.visible_region() is None
    assert view.zoom == 0.0
    assert view.to_image(QPointF(1, 1)) is None
    window = view.palette().color(QPalette.ColorRole.Window)
    assert colour(view, 320, 240) == (window.red(), window.green(), window.blue())


def test_a_photo_that_runs_backwards_in_memory_is_shown_right(view: CompareView, qtbot: QtBot):
    a = photo(900, 700)
    view.set_original(a[::-1, :, ::-1])
    view.actual_size()
    x, y, w, h = view.visible_region()
    np.testing.assert_array_equal(shown(view)[60:], a[::-1, :, ::-1][y + 60 : y + h, x : x + w])
    settle(qtbot, view)


# --- alpha, theme, device pixels -----------------------------------------------------------------


@pytest.mark.parametrize(("window", "checker"), [("#1b1b1b", CHECKER_DARK), ("#f0f0f0", CHECKER_LIGHT)])
def test_alpha_is_shown_over_a_checkerboard_of_the_theme(
    view: CompareView, window: str, checker: tuple[int, int]
):
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Window, QColor(window))
    view.set_original(flat(592, 432, RED), np.zeros((432, 592), np.uint8))
    view.setPalette(palette)
    got = shown(view)
    assert got[100 + 24, 200 + 24].tolist() == [checker[(100 // 8 + 200 // 8) % 2]] * 3
    assert got[100 + 24, 208 + 24].tolist() == [checker[(100 // 8 + 208 // 8) % 2]] * 3
    assert got[5, 5].tolist() == list(QColor(window).getRgb()[:3])


HIGH_DPI = """
import sys
import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QWidget
from memorynet_gui.compare.view import CompareView
app = QApplication([])
window = QWidget()
window.resize(420, 320)
view = CompareView(window)
view.setGeometry({x}, {y}, 360, 280)
window.show()
rng = np.random.default_rng(0)
a = rng.integers(0, 256, (900, 1100, 3), dtype=np.uint8)
view.set_original(a)
view.actual_size()
view.pan_by(7, -5)
image = window.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
raw = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
got = raw[:, : image.width() * 3].reshape(image.height(), image.width(), 3)
ratio = view.devicePixelRatioF()
x, y, w, h = view.visible_region()
assert abs(ratio - {ratio}) < 1e-6, ratio
assert view.zoom == 1.0
assert abs(w - 360 * ratio) <= 1 and abs(h - 280 * ratio) <= 1, (w, h)
# 100 % is one image pixel per device pixel, untouched: find it to the pixel, away from badge and edges
left, top = round({x} * ratio) + 100, round({y} * ratio) + 100
patch = got[top : top + 120, left : left + 200]
places = [(dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1)
          if (a[y + 100 + dy : y + 220 + dy, x + 100 + dx : x + 300 + dx] == patch).all()]
assert len(places) == 1, places
point = view.to_image(QPointF(100 / ratio, 100 / ratio))
assert abs(point.x() - x - 100) <= 1.5 and abs(point.y() - y - 100) <= 1.5, point
print("sharp", places[0])
"""


@pytest.mark.parametrize(("ratio", "x", "y"), [(1.0, 0, 0), (1.25, 13, 7), (1.5, 11, 3), (2.0, 5, 9)])
def test_100_percent_is_one_image_pixel_per_device_pixel(ratio: float, x: int, y: int):
    env = {
        **os.environ,
        "QT_SCALE_FACTOR": str(ratio),
        "QT_QPA_PLATFORM": "offscreen",
        "PYTHONPATH": str(ROOT),
    }
    script = HIGH_DPI.format(ratio=ratio, x=x, y=y)
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "sharp" in done.stdout


# --- badges, focus, words ------------------------------------------------------------------------


def texts(view: CompareView) -> list[str]:
    return [badge.text for badge in view._badges()]


def test_badges_say_what_is_shown(view: CompareView):
    view.set_original(flat(592, 432, RED))
    assert texts(view) == ["Original"]
    view.set_mode("side")
    assert texts(view) == ["Original", "Not restored yet"]
    view.set_mode("wipe")
    view.set_restored(flat(592, 432, BLUE))
    assert texts(view) == ["Original", "Restored"]
    view.set_strength(0.86)
    assert texts(view) == ["Original", "Restored 86 %"]
    view.set_wipe(0.02)
    assert texts(view) == ["Restored 86 %"]
    view.set_show_original(True)
    assert texts(view) == ["Original"]
    view.set_show_original(False)
    view.set_mode("difference")
    assert texts(view) == []


def test_badges_do_not_cover_a_tiny_photo(view: CompareView):
    view.set_original(flat(30, 20, RED))
    view.set_restored(flat(30, 20, BLUE))
    assert texts(view) == []
    view.set_mode("restored")
    got = shown(view)
    assert (got[200:280, 260:380] == BLUE).all()


def test_the_restored_badge_is_dragged_out_of_the_window(compared: CompareView, qtbot: QtBot):
    badge = next(badge for badge in compared._badges() if badge.grip)
    at = badge.rect.center().toPoint()
    asked: list[int] = []
    compared.drag_out_requested.connect(lambda: asked.append(1))
    qtbot.mouseMove(compared, at)
    assert compared.cursor().shape() == Qt.CursorShape.OpenHandCursor
    qtbot.mouseClick(compared, LEFT, pos=at)
    assert asked == []
    drag(qtbot, compared, at, at + QPoint(0, 100))
    assert asked == [1]
    assert compared.wipe == 0.5


def test_the_cursor_says_what_the_mouse_would_do(compared: CompareView, qtbot: QtBot):
    qtbot.mouseMove(compared, QPoint(320, 100))
    assert compared.cursor().shape() == Qt.CursorShape.SplitHCursor
    qtbot.mouseMove(compared, QPoint(150, 300))
    assert compared.cursor().shape() == Qt.CursorShape.ArrowCursor
    compared.zoom_by(3)
    qtbot.mouseMove(compared, QPoint(151, 300))
    assert compared.cursor().shape() == Qt.CursorShape.OpenHandCursor
    qtbot.mousePress(compared, LEFT, pos=QPoint(151, 300))
    assert compared.cursor().shape() == Qt.CursorShape.ClosedHandCursor
    qtbot.mouseRelease(compared, LEFT, pos=QPoint(151, 300))
    assert compared.cursor().shape() == Qt.CursorShape.OpenHandCursor


def test_the_focus_ring_shows_for_keys_and_not_for_the_mouse(compared: CompareView, qtbot: QtBot):
    accent = compared.palette().color(QPalette.ColorRole.Highlight)
    ring = (accent.red(), accent.green(), accent.blue())
    compared.activateWindow()
    compared.clearFocus()
    compared.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.waitUntil(compared.hasFocus)
    assert colour(compared, 1, 200) == ring
    qtbot.mouseClick(compared, LEFT, pos=QPoint(60, 60))
    assert colour(compared, 1, 200) != ring
    qtbot.keyClick(compared, Qt.Key.Key_Plus)
    assert colour(compared, 1, 200) == ring


def test_screen_readers_hear_what_is_compared(view: CompareView, qtbot: QtBot):
    assert view.accessibleName()
    assert view.accessibleDescription() == "No photo is open."
    view.set_original(flat(592, 432, RED), title="bridge.jpg")
    assert view.accessibleDescription().startswith("bridge.jpg, 592 by 432 pixels, zoom 100 %")
    view.set_restored(flat(592, 432, BLUE))
    view.set_strength(0.5)
    view.set_wipe(0.25)
    qtbot.waitUntil(lambda: "the line is at 25%" in view.accessibleDescription())
    assert "Strength 50%" in view.accessibleDescription()


# --- drops ---------------------------------------------------------------------------------------


def test_dropped_files_are_handed_on(view: CompareView):
    mime = QMimeData()
    mime.setUrls(
        [
            QUrl.fromLocalFile("/photos/größe 1.jpg"),
            QUrl("https://example.org/a.jpg"),
            QUrl.fromLocalFile("/b"),
        ]
    )
    dropped: list[list[str]] = []
    view.files_dropped.connect(dropped.append)
    keys, copy = Qt.KeyboardModifier.NoModifier, Qt.DropAction.CopyAction
    enter = QDragEnterEvent(QPoint(50, 50), copy, mime, LEFT, keys)
    QApplication.sendEvent(view, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(view, QDropEvent(QPointF(50, 50), copy, mime, LEFT, keys))
    assert dropped == [["/photos/größe 1.jpg", "/b"]]


def test_a_drag_without_files_is_refused(view: CompareView):
    mime = QMimeData()
    mime.setText("words")
    enter = QDragEnterEvent(
        QPoint(5, 5), Qt.DropAction.CopyAction, mime, LEFT, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(view, enter)
    assert not enter.isAccepted()


# --- before/after picture ------------------------------------------------------------------------


def test_the_comparison_picture_holds_both_at_full_size(view: CompareView):
    before, after = photo(400, 300, 1), photo(400, 300, 2)
    view.set_original(before)
    view.set_restored(after)
    view.zoom_by(7)  # whatever the window shows
    got = pixels(view.render_comparison())
    np.testing.assert_array_equal(got[:300, :400], before)
    np.testing.assert_array_equal(got[:300, -400:], after)
    assert got.shape[1] > 800
    assert got.shape[0] >= 318
    caption = got[300:]
    assert caption.max() > 150  # words
    assert caption.min() < 40  # on dark paper


def test_the_comparison_picture_keeps_to_its_limit_and_strength(view: CompareView):
    view.set_original(flat(3000, 2000, RED))
    view.set_restored(flat(3000, 2000, BLUE))
    view.set_strength(0.5)
    image = view.render_comparison(1000)
    assert 990 <= max(image.width(), image.height()) <= 1000
    got = pixels(image)
    assert got[100, 100].tolist() == list(RED)
    assert np.abs(got[100, -100].astype(int) - (np.array(RED) + np.array(BLUE)) / 2).max() <= 1
    with pytest.raises(ValueError, match="0"):
        view.render_comparison(0)


def test_a_panorama_is_compared_one_above_the_other(view: CompareView):
    view.set_original(flat(900, 200, RED))
    view.set_restored(flat(900, 200, BLUE))
    image = view.render_comparison()
    assert image.width() == 900
    got = pixels(image)
    assert got[100, 450].tolist() == list(RED)
    assert got[image.height() // 2 + 100, 450].tolist() == list(BLUE)


# --- memory --------------------------------------------------------------------------------------


def test_photos_gone_from_the_view_are_gone_from_memory(view: CompareView, qtbot: QtBot):
    alive: list[weakref.ref[np.ndarray]] = []
    for seed in range(5):
        before, after = photo(1500, 1000, seed), photo(1500, 1000, seed + 1)
        alive += [weakref.ref(before), weakref.ref(after)]
        view.set_original(before)
        view.update_tile(0, 0, after[:300, :300])
        shown(view)
        view.set_restored(after)
        shown(view)
        if seed % 2:
            settle(qtbot, view)
    del before, after
    view.set_original(None)
    settle(qtbot, view)
    gc.collect()
    assert [ref for ref in alive if ref() is not None] == []
    assert len(view._tiles) == 0


def test_the_tile_cache_is_bounded(view: CompareView, qtbot: QtBot):
    view.set_original(flat(4000, 3000, RED))
    view.set_restored(flat(4000, 3000, BLUE))
    view.actual_size()
    for _ in range(30):
        drag(qtbot, view, QPoint(600, 440), QPoint(100, 60))
        shown(view)
    assert len(view._tiles) <= view._tiles.limit <= 3 * 4 * 3


def test_a_view_may_be_closed_while_its_pyramid_is_built(qtbot: QtBot):
    for _ in range(4):
        view = CompareView()
        view.set_original(flat(5000, 3000, RED))
        view.show()
        qtbot.wait(35)  # the worker has just begun
        view.close()
        view.deleteLater()
        del view
        qtbot.wait(1)
    gc.collect()
    assert QThreadPool.globalInstance().waitForDone(5000)
    qtbot.wait(10)
