"""The comparison: odd photos, alpha, themes, screens, pictures before and after, memory."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt, QThreadPool
from PySide6.QtGui import QColor, QPalette
from pytestqt.qtbot import QtBot

from memorynet_gui.compare.scene import CHECKER_DARK, CHECKER_LIGHT
from memorynet_gui.compare.view import MODES, CompareView
from tests.gui.compare.compare_kit import (
    BLUE,
    GREEN,
    LEFT,
    RED,
    colour,
    drag,
    flat,
    photo,
    settle,
    shown,
    wheel,
)

ROOT = Path(__file__).resolve().parents[3]


# --- odd photos ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "size"),
    [
        *product(MODES, [(1, 1), (1, 5000), (5000, 1), (3, 2), (257, 255)]),
        ("wipe", (20_000, 1000)),
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


# --- alpha, theme, device pixels ----------------------------------------------------------------


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


# --- memory -------------------------------------------------------------------------------------


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
