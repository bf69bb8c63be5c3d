"""The comparison: zoom, pan, and tiles as they come."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from memorynet_gui.compare.view import CompareView
from tests.gui.compare.compare_kit import BLUE, GREEN, LEFT, RED, drag, flat, photo, settle, shown, wheel

# --- zoom and pan -------------------------------------------------------------------------------


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


# --- tiles --------------------------------------------------------------------------------------


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
