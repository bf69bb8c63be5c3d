"""The comparison: its modes, the wipe line, badges, focus and drops."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent, QPalette
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from memorynet_gui.compare.view import MODES, CompareView
from tests.gui.compare.compare_kit import BLUE, LEFT, RED, colour, drag, flat, photo, pixels, shown

# --- modes --------------------------------------------------------------------------------------


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


# --- the wipe line ------------------------------------------------------------------------------


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


def texts(view: CompareView) -> list[str]:
    return [badge.text for badge in view._badges()]


# --- badges, focus, words -----------------------------------------------------------------------


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


# --- drops --------------------------------------------------------------------------------------


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
