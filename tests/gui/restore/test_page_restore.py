"""The Restore page: how photos come in, and the page in its window."""

from __future__ import annotations

import os
import shlex
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core.images import io as image_io
from memorynet_gui.restore.command import arguments, command, quote
from memorynet_gui.restore.page import RestorePage
from memorynet_gui.restore.queue_item import ItemState, Origin
from memorynet_gui.restore.saves import pixels_of
from tests.gui.restore.page_kit import drop
from tests.image_makers import without_extras
from tests.restore_page_kit import TILE_PX, Desk, heap_of_its_own, rainy, wait

pytestmark = pytest.mark.usefixtures("small_models_ship")

# --- photos in ----------------------------------------------------------------------------------


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


# --- in the window ------------------------------------------------------------------------------


def test_the_window_hands_keys_and_drops_to_the_page(
    qapp: QApplication,
    tmp_path: Path,
    place: dict[str, Path],
    second_tile: Callable[[], threading.Event],
) -> None:
    from memorynet_gui.base.settings import Settings
    from memorynet_gui.frame.main_window import MainWindow
    from memorynet_gui.look.theme import Theme

    settings = Settings(tmp_path / "own")
    settings.look_automatically = False  # a look's tile would be the first that is begun
    window = MainWindow(settings, Theme(qapp, "light"))
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
        go = second_tile()
        QTest.keyClick(window, key.Key_Return, control)
        wait(lambda: page.session.at(0).tile >= 1)
        QTest.keyClick(window, key.Key_Escape)
        go.set()
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


# --- many, and everybody ------------------------------------------------------------------------


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
