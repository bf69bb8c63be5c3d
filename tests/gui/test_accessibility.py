"""Everything that takes the keyboard has a name for those who cannot see it, a way in, and words that fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QRect, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QSlider,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot

from core.model import catalog
from core.problems import describe
from memorynet_gui.base.settings import Settings
from memorynet_gui.frame.error import ErrorDialog
from memorynet_gui.frame.main_window import MainWindow
from memorynet_gui.look.theme import Theme
from tests.ui import path_of, settle, tab_order, unnamed_focusable, wait_until, walk

pytestmark = [
    pytest.mark.qt_log_level_fail("WARNING"),
    pytest.mark.qt_log_ignore("This plugin does not support"),  # the offscreen platform's own
]


@pytest.fixture
def window(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> Iterator[MainWindow]:
    window = MainWindow(Settings(tmp_path / "home"), Theme(qapp, "dark"))
    window.resize(1024, 640)
    window.show()
    settle()
    yield window
    window.close_now()
    window.deleteLater()
    settle()


def with_photos(window: MainWindow) -> None:
    """Every bundled rainy photo in the queue, the first one on the canvas."""
    window.open_paths([sample.path for sample in catalog.samples() if sample.truth is not None])
    wait_until(lambda: window.page.can("mode_wipe"), 30)
    settle()


# --- the helper itself ---------------------------------------------------------------------------


def test_the_helper_finds_what_has_no_name(qtbot: QtBot) -> None:
    box = QWidget()
    qtbot.addWidget(box)
    layout = QVBoxLayout(box)
    label = QLabel("&Size")
    buddy, named, bare = QSpinBox(), QLineEdit(accessibleName="Name"), QSlider()
    label.setBuddy(buddy)
    dots = QToolButton(text="…")
    for widget in (label, buddy, named, bare, QPushButton("Open"), QToolButton(), dots, QComboBox()):
        layout.addWidget(widget)
    found = [path.rpartition("/")[2] for path in unnamed_focusable(box)]
    assert sorted(found) == ["QComboBox", "QSlider", "QToolButton", "QToolButton"]


# --- names ---------------------------------------------------------------------------------------


def test_every_focusable_widget_has_a_name_when_empty(window: MainWindow) -> None:
    wait_until(lambda: bool(window.page.findChildren(QAbstractButton)))
    settle()
    assert unnamed_focusable(window) == []


def test_every_focusable_widget_has_a_name_with_photos_and_a_job(window: MainWindow) -> None:
    with_photos(window)
    window.job_bar.set_controls(True, False)
    window.job_bar.set_job("Restoring", None, 3.0)
    window.banner.say("3 files could not be read.", "Show", lambda: None)
    settle()
    assert unnamed_focusable(window) == []


def test_dialogs_and_sheets_too(window: MainWindow) -> None:
    window._dispatch("settings")
    window._dispatch("shortcuts")
    assert window._settings_dialog is not None
    assert unnamed_focusable(window._settings_dialog) == []
    error = ErrorDialog(describe(OSError(28, "No space left on device")), window)
    assert unnamed_focusable(error) == []
    error.close()
    window._settings_dialog.close()


def test_a_screen_reader_hears_the_name_and_what_it_is(window: MainWindow) -> None:
    with_photos(window)
    names = set()
    for widget in tab_order(window):
        interface = QAccessible.queryAccessibleInterface(widget)
        assert interface is not None, path_of(widget)
        assert interface.text(QAccessible.Text.Name), path_of(widget)
        names.add(interface.text(QAccessible.Text.Name))
    assert {"Restore", "Keyboard shortcuts", "More"} <= names


def test_a_button_without_words_has_a_tooltip(window: MainWindow) -> None:
    with_photos(window)
    silent = [
        path_of(button)
        for button in window.findChildren(QAbstractButton)
        if button.focusPolicy() != Qt.FocusPolicy.NoFocus and not button.text() and not button.toolTip()
    ]
    assert silent == []


def test_the_meter_tells_its_progress(window: MainWindow) -> None:
    window.job_bar.set_job("Restoring", 0.42, None)
    interface = QAccessible.queryAccessibleInterface(window.job_bar.meter)
    assert interface.text(QAccessible.Text.Name) == "Progress"
    assert interface.text(QAccessible.Text.Description) == "42 %"


# --- keyboard ------------------------------------------------------------------------------------


def is_alternative(widget: QWidget) -> bool:
    """One of several of which one is on: Tab goes to that one, the arrows from there to the others."""
    group = widget.group() if isinstance(widget, QAbstractButton) else None
    return group is not None and group.exclusive() and not widget.isChecked()  # type: ignore[attr-defined]


def test_tab_reaches_everything_and_comes_back(window: MainWindow) -> None:
    with_photos(window)
    window.activateWindow()
    expected = {widget for widget in tab_order(window) if not is_alternative(widget)}
    seen: list[QWidget] = []
    for _ in range(len(expected) + 1):
        focused = QApplication.focusWidget()
        assert focused is not None
        seen.append(focused)
        QTest.keyClick(focused, Qt.Key.Key_Tab)
    assert expected <= set(seen)


def test_buttons_drawn_by_hand_answer_space_and_enter(window: MainWindow) -> None:
    pressed: list[bool] = []
    window.help.clicked.connect(lambda: pressed.append(True))
    window.help.clicked.disconnect(window._toggle_shortcuts)
    for key in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
        QTest.keyClick(window.help, key)
    assert len(pressed) == 3


@pytest.mark.dressed
def test_focus_can_be_seen(window: MainWindow) -> None:
    """What is drawn by hand draws its own ring."""
    window.activateWindow()
    for button in (window.help, window.more, *window.rail.buttons().values()):
        window.page.setFocus()
        settle()
        before = button.grab().toImage()
        button.setFocus()
        settle()
        assert button.hasFocus()
        assert button.grab().toImage() != before, path_of(button)


# --- room ----------------------------------------------------------------------------------------


@pytest.mark.dressed
@pytest.mark.parametrize(("width", "height"), [(1024, 640), (1440, 900), (3840, 2160)])
def test_nothing_in_the_bars_is_cut_or_overlaps(window: MainWindow, width: int, height: int) -> None:
    window.resize(width, height)
    with_photos(window)
    window.job_bar.set_controls(True, False)
    window.job_bar.set_job(
        "Restoring " + "a very long name " * 20 + ".tif · 2 of 6 · tile 8 of 20", 0.4, 4000
    )
    settle()
    assert (window.width(), window.height()) == (width, height)
    for bar in (window.toolbar, window.job_bar, window.rail):
        parts = [w for w in walk(bar) if w.isVisible() and isinstance(w, QAbstractButton | QLabel)]
        frames = [(w, QRect(w.mapTo(bar, w.rect().topLeft()), w.size())) for w in parts]
        for part, frame in frames:
            assert bar.rect().contains(frame), f"{path_of(part)}: {frame} outside {bar.rect()}"
            hint = part.minimumSizeHint().width()
            assert frame.width() >= hint, f"{path_of(part)}: {frame.width()} px, needs {hint}"
        for number, (first, one) in enumerate(frames):
            for second, other in frames[number + 1 :]:
                assert not one.intersects(other), f"{path_of(first)} over {path_of(second)}"


@pytest.mark.dressed
def test_the_window_can_be_as_small_as_it_says(window: MainWindow) -> None:
    window.resize(window.minimumSize())
    with_photos(window)
    assert window.size() == window.minimumSize()
    assert window.width() <= 1024
    assert window.height() <= 640
    assert not window.toolbar.name.isVisible() or window.toolbar.name.width() >= 40
    for button in window.toolbar.findChildren(QAbstractButton):
        if button.isVisible():
            frame = QRect(button.mapTo(window, button.rect().topLeft()), button.size())
            assert window.rect().contains(frame), path_of(button)


@pytest.mark.dressed
def test_colours_changed_under_way_reach_what_is_drawn_by_hand(window: MainWindow) -> None:
    before = window.rail.grab().toImage().pixelColor(4, 200).lightness()
    window.settings.theme = "light"
    settle()
    QApplication.sendEvent(window, QEvent(QEvent.Type.PaletteChange))
    after = window.rail.grab().toImage().pixelColor(4, 200).lightness()
    window.settings.theme = "dark"
    assert before < 60
    assert after > 200
