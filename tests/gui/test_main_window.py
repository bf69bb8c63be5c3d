"""The window: its pages, files, actions, sizes and keys."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core.images.io import from_array, write
from memorynet_gui.base import actions
from memorynet_gui.base.settings import Settings
from memorynet_gui.frame.main_window import MainWindow
from memorynet_gui.frame.page_and_inspector import INSPECTOR_PX
from memorynet_gui.look.theme import Theme
from memorynet_gui.restore.page import RestorePage
from tests.gui.window_kit import Make, Notepad, Second, page_of
from tests.ui import settle, tab_order, wait_until

pytestmark = [
    pytest.mark.dressed,
    pytest.mark.qt_log_level_fail("WARNING"),
    pytest.mark.qt_log_ignore("This plugin does not support"),  # the offscreen platform's own
]


# --- pages --------------------------------------------------------------------------------------


def test_the_rail_shows_page_inspector_and_tools_together(window: MainWindow) -> None:
    first = page_of(window)
    assert first.isVisible()
    assert first.panel_button.isVisible()
    assert first.tool.isVisible()
    QTest.mouseClick(window.rail.buttons()["second"], Qt.MouseButton.LeftButton)
    second = page_of(window)
    assert second is not first
    assert isinstance(second, Second)
    assert second.isVisible()
    assert second.panel_button.isVisible()
    assert second.tool.isVisible()
    assert not first.isVisible()
    assert not first.panel_button.isVisible()
    assert not first.tool.isVisible()
    assert window.rail.buttons()["second"].isChecked()
    assert not window.rail.buttons()["first"].isChecked()
    window.show_page("first")
    assert window.page is first


def test_a_page_is_made_when_it_is_first_shown(window: MainWindow) -> None:
    assert set(window._pages) == {"first"}
    window.show_page("second")
    assert set(window._pages) == {"first", "second"}


def test_the_page_is_remembered(make: Make) -> None:
    window = make()
    window.show_page("second")
    window.close_now()
    assert make().page.page_id == "second"


def test_a_remembered_page_that_is_no_more_falls_back_to_the_first(make: Make) -> None:
    window = make()
    window.show_page("second")
    window.close_now()
    assert make(Notepad).page.page_id == "first"


def drop(window: MainWindow, urls: list[QUrl]) -> bool:
    data = QMimeData()
    data.setUrls(urls)
    no_keys, left = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
    enter = QDragEnterEvent(QPoint(400, 300), Qt.DropAction.CopyAction, data, left, no_keys)
    enter.ignore()
    QApplication.sendEvent(window, enter)
    if enter.isAccepted():
        down = QDropEvent(QPointF(400, 300), Qt.DropAction.CopyAction, data, left, no_keys)
        QApplication.sendEvent(window, down)
    return enter.isAccepted()


# --- files --------------------------------------------------------------------------------------


def test_files_of_another_start_come_to_the_window_that_is_open(window: MainWindow, tmp_path: Path) -> None:
    window.showMinimized()
    assert window.take_over([tmp_path / "a.jpg"], False)
    assert page_of(window).opened == [[tmp_path / "a.jpg"]] and not window.isMinimized()
    assert window.take_over([], False) and len(page_of(window).opened) == 1
    window.close()
    assert not window.take_over([tmp_path / "b.jpg"], False), "it is closing: the other start opens its own"


class Restoring(Notepad):
    page_id, title = "restore", "Restore"


class Training(Second):
    page_id, title = "train", "Train"


def test_files_named_at_a_start_go_to_the_page_they_belong_to(make: Make, tmp_path: Path) -> None:
    window = make(Restoring, Training)
    window.show_page("train")
    assert window.take_over([tmp_path / "a.jpg", tmp_path / "folder"], False)
    assert window.page.page_id == "restore" and len(page_of(window).opened) == 1
    assert window.take_over([tmp_path / "mine.TOML"], False)
    assert window.page.page_id == "train" and page_of(window).opened == [[tmp_path / "mine.TOML"]]
    assert window.take_over([], True) and window.page.page_id == "restore", "a sample is a photo"


def test_files_dropped_anywhere_go_to_the_page_that_shows(window: MainWindow, tmp_path: Path) -> None:
    window.show_page("second")
    photo, folder = tmp_path / "a photo ü.png", tmp_path
    urls = [QUrl.fromLocalFile(str(path)) for path in (photo, folder)]
    assert drop(window, [*urls, QUrl("https://example.org/x.png")])
    assert page_of(window).opened == [[photo, folder]]
    window.show_page("first")
    assert page_of(window).opened == []


def test_what_is_not_on_this_computer_is_refused(window: MainWindow) -> None:
    assert not drop(window, [QUrl("https://example.org/x.png")])
    assert not drop(window, [])
    assert page_of(window).opened == []


# --- actions ------------------------------------------------------------------------------------


def test_a_key_reaches_the_page_that_can(window: MainWindow) -> None:
    page = page_of(window)
    page.possible = {"open", "next"}
    page.status_changed.emit()
    settle()
    page.setFocus()
    for key in (Qt.Key.Key_O, Qt.Key.Key_S):
        QTest.keyClick(window, key, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(window, Qt.Key.Key_BracketRight)
    assert page.handled == ["open", "next"]


def test_actions_follow_what_the_page_can(window: MainWindow) -> None:
    page = page_of(window)
    settle()
    assert not window.actions_by_id["save"].isEnabled()
    page.possible = {"save"}
    page.status_changed.emit()
    settle()
    assert window.actions_by_id["save"].isEnabled()
    window.show_page("second")
    settle()
    assert not window.actions_by_id["save"].isEnabled()


def test_typing_in_a_field_is_no_shortcut(window: MainWindow) -> None:
    page = page_of(window)
    page.possible = {"mode_wipe", "next"}
    page.status_changed.emit()
    settle()
    page.field.setFocus()
    QTest.keyClicks(page.field, "1]?z")
    assert page.field.text() == "1]?z"
    assert page.handled == []


def test_every_action_can_be_reached_with_the_mouse(window: MainWindow) -> None:
    menu = window.menu()
    entries = [entry for entry in menu.actions() if not entry.isSeparator()]
    reachable = {
        inner.objectName()
        for entry in entries
        for inner in (entry.menu().actions() if entry.menu() else [entry])
    }
    assert reachable == {action.id for action in actions.ACTIONS.values() if not action.held}
    assert window.more.isVisible()


def test_the_menu_says_what_is_on(window: MainWindow) -> None:
    menu = window.menu()
    window.settings.inspector_shown = False
    window.settings.compare_mode = "difference"
    menu.aboutToShow.emit()
    assert not window.actions_by_id["toggle_inspector"].isChecked()
    assert window.actions_by_id["mode_difference"].isChecked()
    assert not window.actions_by_id["mode_wipe"].isChecked()


@pytest.mark.parametrize("key", [Qt.Key.Key_F1, Qt.Key.Key_Question])
def test_the_sheet_comes_and_goes_with_its_key(window: MainWindow, key: Qt.Key) -> None:
    QTest.keyClick(window, key)
    assert window._sheet is not None
    assert window._sheet.isVisible()
    QTest.keyClick(window._sheet, Qt.Key.Key_Escape)
    assert not window._sheet.isVisible()


def test_the_question_mark_button_opens_the_sheet(window: MainWindow) -> None:
    QTest.mouseClick(window.help, Qt.MouseButton.LeftButton)
    assert window._sheet is not None
    assert window._sheet.isVisible()


def test_settings_open_without_stopping_the_window(window: MainWindow) -> None:
    QTest.keyClick(window, Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)
    dialog = window._settings_dialog
    assert dialog is not None
    assert dialog.isVisible()
    assert not dialog.isModal()
    dialog.close()
    window._dispatch("settings")
    assert window._settings_dialog is not None
    assert window._settings_dialog.isVisible()


def test_the_theme_follows_the_setting(window: MainWindow) -> None:
    window.settings.theme = "light"
    assert window.theme.name == "light"
    window.settings.theme = "dark"
    assert window.theme.name == "dark"


def test_full_screen_and_back(window: MainWindow) -> None:
    QTest.keyClick(window, Qt.Key.Key_F11)
    assert window.isFullScreen()
    QTest.keyClick(window, Qt.Key.Key_F11)
    assert not window.isFullScreen()


# --- sizes --------------------------------------------------------------------------------------


def test_size_and_panel_are_remembered(make: Make) -> None:
    window = make()
    window.resize(1000, 610)
    settle()
    assert window.splitter.sizes()[1] == INSPECTOR_PX
    window.splitter.moveSplitter(window.splitter.width() - 350, 1)
    settle()
    width = window.splitter.sizes()[1]
    assert 340 <= width <= 350
    window.close()
    again = make()  # as narrow as its words allow: the screen is 800 x 800 here
    assert (again.width(), again.height()) == (1000, 610)
    assert again.splitter.sizes()[1] == width


def test_widening_the_window_widens_the_page_only(window: MainWindow) -> None:
    window.resize(1100, 700)
    settle()
    before = window.splitter.sizes()
    window.resize(1500, 700)
    settle()
    after = window.splitter.sizes()
    assert after[1] == before[1]
    assert after[0] == before[0] + 400


def test_the_inspector_hides_and_comes_back_as_wide(window: MainWindow) -> None:
    window.resize(1200, 760)
    settle()
    window.splitter.moveSplitter(window.splitter.width() - 350, 1)
    settle()
    width = window.splitter.sizes()[1]
    QTest.keyClick(window, Qt.Key.Key_F8)
    assert not window.inspectors.isVisible()
    QTest.keyClick(window, Qt.Key.Key_F8)
    assert window.inspectors.isVisible()
    settle()
    assert window.splitter.sizes()[1] == width


def test_an_inspector_dragged_shut_is_hidden_and_can_be_brought_back(window: MainWindow) -> None:
    window.resize(1200, 760)
    settle()
    window.splitter.moveSplitter(window.splitter.width() - 2, 1)
    settle()
    assert not window.settings.inspector_shown
    assert not window.inspectors.isVisible()
    QTest.keyClick(window, Qt.Key.Key_F8)
    settle()
    assert window.splitter.sizes()[1] == INSPECTOR_PX


def test_a_hidden_inspector_stays_hidden_next_time(make: Make) -> None:
    window = make()
    QTest.keyClick(window, Qt.Key.Key_F8)
    window.close()
    assert not make().inspectors.isVisible()


def test_damaged_geometry_is_no_obstacle(make: Make, tmp_path: Path) -> None:
    settings = Settings(tmp_path / "home")
    settings.window_geometry = b"nonsense"
    settings.panel_sizes = {"window": (5,)}
    settings.save()
    window = make()
    assert window.isVisible()
    assert window.splitter.sizes()[1] == INSPECTOR_PX


# --- keyboard -----------------------------------------------------------------------------------


def test_tab_reads_the_window_as_the_eye_does(window: MainWindow) -> None:
    window.show_page("second")
    window.show_page("first")
    page = page_of(window)
    window.job_bar.set_job("Restoring", 0.5, None)
    window.job_bar.set_controls(True, False)
    window.activateWindow()
    page.tool.setFocus()
    QTest.keyClick(window, Qt.Key.Key_Tab)
    order = tab_order(window)
    start = order.index(page.tool)
    expected = [
        page.tool,
        window.help,
        window.more,
        *window.rail.buttons().values(),
        page.field,
        page.panel_button,
        window.job_bar.pause,
        window.job_bar.cancel,
    ]
    assert [*order[start:], *order[:start]] == expected
    assert QApplication.focusWidget() is window.help


# --- the ground ---------------------------------------------------------------------------------


def test_qt_does_not_drop_references_to_none(window: MainWindow) -> None:
    """A binding that does ends the program after some hundred signals: 6.12.0 did on Python 3.11."""
    settle()
    before = sys.getrefcount(None)
    for _ in range(200):
        window.update()
        window.job_bar.set_job("Restoring", 0.5, 3.0)
        QApplication.processEvents()
    assert before - sys.getrefcount(None) < 100


def test_the_window_says_when_it_was_first_painted(make: Make) -> None:
    window = make()
    again: list[bool] = []
    wait_until(lambda: window._painted)
    window.first_painted.connect(lambda: again.append(True))
    settle()
    count = len(again)
    window.update()
    QApplication.sendEvent(window, QEvent(QEvent.Type.PaletteChange))
    settle()
    assert len(again) == count


def test_closing_before_the_queue_was_read_loses_nothing(qapp: QApplication, tmp_path: Path) -> None:
    """The results of last time belong to photos the session does not know yet."""
    theme = Theme(qapp, "dark")
    photo = tmp_path / "photo.png"
    write(photo, from_array(np.full((40, 60, 3), 90, np.uint8)))
    window = MainWindow(Settings(tmp_path / "home"), theme)
    window.show()
    page = window.page
    assert isinstance(page, RestorePage)
    wait_until(lambda: page._knows_queue)
    window.open_paths([photo])
    wait_until(lambda: page.session.current is not None)
    item = page.session.current
    assert item is not None
    assert page.store.put(item.id, np.zeros((40, 60, 3), np.uint8)) is None
    window.close_now()

    hasty = MainWindow(Settings(tmp_path / "home"), theme)
    hasty.show()
    hasty.close_now()
    settle()

    again = MainWindow(Settings(tmp_path / "home"), theme)
    page = again.page
    assert isinstance(page, RestorePage)
    wait_until(lambda: len(page.session) == 1)
    assert page.store.has(item.id)
    again.close_now()


def test_a_button_that_goes_grey_leaves_the_keys_to_the_page(window: MainWindow) -> None:
    """And does not arm whatever comes after it for the next press of Space."""
    page = page_of(window)
    button = page.panel_button
    button.setFocus()
    assert button.hasFocus()
    button.setEnabled(False)
    assert window.focusWidget() is page
    button.setEnabled(True)
    button.setFocus()
    assert button.hasFocus()
