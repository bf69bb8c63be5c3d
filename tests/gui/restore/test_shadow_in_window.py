"""A shadow in the real window with the real model: dropped, guessed, corrected, restored, saved, and again by its command."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core.cli import program as cli
from core.images import io as image_io
from core.model import catalog
from memorynet_gui.base.settings import Settings
from memorynet_gui.compare.masks.mask import Brush
from memorynet_gui.frame.main_window import MainWindow
from memorynet_gui.look.theme import Theme
from tests.gui.restore.page_kit import drop
from tests.gui.restore.test_mask_desk import drag, painted, pen
from tests.restore_page_kit import wait, write

pytestmark = pytest.mark.usefixtures("shipped_models")
SIZE_PX = 256
LONG_S = 240.0


@pytest.fixture
def window(qapp: QApplication, tmp_path: Path) -> Iterator[MainWindow]:
    settings = Settings(tmp_path / "home")
    settings.task = "deshadow"
    made = MainWindow(settings, Theme(qapp, "dark"))
    made.resize(1024, 640)
    made.show()
    made.activateWindow()
    yield made
    made.close_now()
    made.deleteLater()


def test_dropped_guessed_corrected_restored_saved_and_byte_equal_by_its_command(
    window: MainWindow, tmp_path: Path
) -> None:
    gravel = next(sample.path for sample in catalog.samples() if sample.path.stem == "gravel")
    shot = write(tmp_path / "gravel.png", image_io.thumbnail(gravel, SIZE_PX))
    before, key, control = shot.read_bytes(), Qt.Key, Qt.KeyboardModifier.ControlModifier
    page = window.page
    drop(window, [shot])
    wait(lambda: page.canvas._scene.restored is not None, LONG_S)  # the preview of the guess
    by_guess = page.looker.preview(page.session.current)
    QTest.keyClick(window, key.Key_M)
    wait(lambda: page.masks.active and page.masks._guessing is None, LONG_S)
    guess = painted(window).copy()
    assert guess.any() and not guess.all() and page.session.current.result is None, "seen before it is used"
    page.masks.tool.set_brush(Brush(24, 0.6, 0.8))
    drag(window, (30, 20), (60, 20))
    drag(window, (80, 60), (80, 70), keys=Qt.KeyboardModifier.AltModifier)
    pen(window, QEvent.Type.TabletPress, 110, 90, 0.5)
    pen(window, QEvent.Type.TabletMove, 120, 80, 1.0)
    pen(window, QEvent.Type.TabletRelease, 120, 80, 0.0)
    corrected = painted(window).copy()
    assert not np.array_equal(guess, corrected)
    QTest.keyClick(page.canvas, key.Key_Escape)
    assert page.canvas._scene.restored is None, "the guess's result is none of this mask"
    wait(lambda: "found" not in page._inspector.verdict_words.text())  # nor is what was said of it
    QTest.keyClick(window, key.Key_Return, control)
    wait(lambda: page.session.current.result is not None, LONG_S)
    item = page.session.current
    assert np.array_equal(page.masks.store.get(item.result.mask_name), corrected)
    assert not np.array_equal(page.store.get(item.id), by_guess)
    QTest.keyClick(window, key.Key_S, control)
    wait(lambda: page.session.current.saved is not None)
    saved = page.session.current.saved.path
    first = saved.read_bytes()
    saved.unlink()
    QTest.keyClick(window, key.Key_C, control | Qt.KeyboardModifier.ShiftModifier)
    program, *words = shlex.split(QApplication.clipboard().text())
    assert program == "memorynet" and cli.main(words) == 0
    assert saved.read_bytes() == first and shot.read_bytes() == before
