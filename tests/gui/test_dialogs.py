"""The error dialog, the banner and the sheet of shortcuts, used as a person would."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QApplication, QLabel, QPlainTextEdit, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from memorynet_gui.base import actions
from memorynet_gui.base.problems import Problem
from memorynet_gui.frame import banner as view_banner
from memorynet_gui.frame.banner import SHOWN_MAX, Banner
from memorynet_gui.frame.error import OPEN_MAX, ErrorDialog, ErrorDialogs
from memorynet_gui.frame.shortcuts import ShortcutsSheet, lines
from memorynet_gui.look.theme import Theme, keep_clear
from tests.ui import unnamed_focusable

pytestmark = pytest.mark.dressed

PROBLEM = Problem(
    "The disk is full.", "/photos/a.jpg: No space left", "Free some space.", "Traceback …\nOSError"
)


@pytest.fixture
def window(app: QApplication, qtbot: QtBot) -> QWidget:
    Theme(app, "dark")
    window = QWidget()
    window.resize(900, 600)
    qtbot.addWidget(window)
    return window


def show(window: QWidget, qtbot: QtBot) -> None:
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)


def words(widget: QWidget) -> list[str]:
    return [label.text() for label in widget.findChildren(QLabel) if label.isVisible() and label.text()]


# --- error dialog ----------------------------------------------------------------------------------


def test_an_error_says_what_why_and_what_to_do_in_that_order(window: QWidget, qtbot: QtBot) -> None:
    dialog = ErrorDialog(PROBLEM, window)
    dialog.show()
    labels = [dialog.what, dialog.why, dialog.todo]
    assert words(dialog) == [PROBLEM.what, PROBLEM.why, PROBLEM.todo]
    assert [label.y() for label in labels] == sorted(label.y() for label in labels)
    assert not dialog.isModal()
    assert not dialog.details.isVisible()
    assert unnamed_focusable(dialog) == []
    assert ErrorDialog(PROBLEM, window, modal=True).isModal()


def test_copy_details_copies_everything(window: QWidget, qtbot: QtBot) -> None:
    dialog = ErrorDialog(PROBLEM, window)
    dialog.show()
    dialog.again()
    qtbot.mouseClick(dialog.copy, Qt.MouseButton.LeftButton)
    copied = QGuiApplication.clipboard().text()
    for part in (PROBLEM.what, PROBLEM.why, PROBLEM.todo, PROBLEM.details, "2 times"):
        assert part in copied
    assert dialog.copy.text() == "Copied"


def test_details_unfold_and_fold(window: QWidget, qtbot: QtBot) -> None:
    dialog = ErrorDialog(PROBLEM, window)
    dialog.show()
    small = dialog.height()
    qtbot.mouseClick(dialog.show_details, Qt.MouseButton.LeftButton)
    assert dialog.details.isVisible()
    assert dialog.details.toPlainText() == PROBLEM.details
    assert dialog.height() >= small + 200
    qtbot.mouseClick(dialog.show_details, Qt.MouseButton.LeftButton)
    assert dialog.height() == small


def test_long_words_are_all_visible(window: QWidget, qtbot: QtBot) -> None:
    long = dataclasses.replace(PROBLEM, why="/photos/" + "a rather long folder name/" * 20 + "x.jpg")
    dialog = ErrorDialog(long, window)
    dialog.show()
    qtbot.wait(10)
    for label in (dialog.what, dialog.why, dialog.todo):
        assert label.height() >= label.heightForWidth(label.width())
    assert dialog.todo.geometry().bottom() < dialog.copy.geometry().top()


@pytest.mark.parametrize("key", [Qt.Key.Key_Escape, Qt.Key.Key_Return])
def test_a_key_closes_it(window: QWidget, qtbot: QtBot, key: Qt.Key) -> None:
    dialog = ErrorDialog(PROBLEM, window)
    show(dialog, qtbot)
    with qtbot.waitSignal(dialog.closed):
        qtbot.keyClick(dialog, key)


def test_the_log_folder_is_offered_where_there_is_one(
    window: QWidget, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    without = ErrorDialog(PROBLEM, window)
    without.show()
    assert not without.open_log.isVisible()
    dialog = ErrorDialog(PROBLEM, window, log_file=Path("/var/log/memorynet/memorynet.log"))
    dialog.show()
    qtbot.mouseClick(dialog.open_log, Qt.MouseButton.LeftButton)
    assert opened == ["/var/log/memorynet"]


def test_the_same_error_counts_up_and_many_do_not_flood(window: QWidget, qtbot: QtBot) -> None:
    dialogs = ErrorDialogs(window)
    first = dialogs.show(PROBLEM)
    assert dialogs.show(dataclasses.replace(PROBLEM, details="another traceback")) is first
    assert first is not None
    assert first.count == 2
    assert "Happened 2 times." in words(first)
    for number in range(10):
        dialogs.show(dataclasses.replace(PROBLEM, why=str(number)))
    assert len(dialogs.open) == OPEN_MAX
    first.close()
    assert len(dialogs.open) == OPEN_MAX - 1
    assert dialogs.show(PROBLEM) is not first


# --- banner ----------------------------------------------------------------------------------------


@pytest.fixture
def banner(window: QWidget, qtbot: QtBot) -> Banner:
    banner = Banner()
    layout = QVBoxLayout(window)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    layout.addWidget(banner)
    layout.addWidget(QPlainTextEdit(), 1)
    window.show()
    return banner


def texts(banner: Banner) -> list[str]:
    return [card.text for card in banner.cards]


def test_a_message_lies_over_the_page_without_moving_it(
    banner: Banner, window: QWidget, qtbot: QtBot
) -> None:
    page = window.findChild(QPlainTextEdit)
    assert page is not None
    before = page.geometry()
    card = banner.say("3 files could not be read", "Show", lambda: None)
    qtbot.wait(10)
    assert card.isVisible()
    assert page.geometry() == before
    middle = card.mapTo(window, card.rect().center())
    assert abs(middle.x() - window.width() // 2) <= 1
    assert middle.y() < 80
    assert window.childAt(middle) in (card, card.label)
    assert unnamed_focusable(card) == []


def test_messages_leave_free_what_is_kept_clear(banner: Banner, window: QWidget, qtbot: QtBot) -> None:
    def rect(card: QWidget) -> QRect:
        return QRect(card.mapTo(window, QPoint(0, 0)), card.size())

    plain = rect(banner.say("saved"))
    legend = QLabel("legend", window)
    legend.setGeometry(0, plain.top(), window.width(), 30)
    keep_clear(legend)
    banner.place_anew()
    qtbot.wait(10)
    assert rect(banner.cards[0]).top() == plain.top(), "it cannot be seen yet"
    legend.show()
    banner.place_anew()
    qtbot.waitUntil(lambda: rect(banner.cards[0]).top() > legend.geometry().bottom())
    legend.setGeometry(window.rect())
    banner.place_anew()
    qtbot.waitUntil(
        lambda: rect(banner.cards[0]).top() == plain.top()
    )  # nowhere else: it is said all the same


def test_the_action_is_done_once_and_the_message_goes(banner: Banner, qtbot: QtBot) -> None:
    done: list[str] = []
    card = banner.say("3 files could not be read", "Show", lambda: done.append("shown"))
    assert card.action_button is not None
    qtbot.mouseClick(card.action_button, Qt.MouseButton.LeftButton)
    assert done == ["shown"]
    assert texts(banner) == []


def test_closing_does_nothing_else(banner: Banner, qtbot: QtBot) -> None:
    done: list[str] = []
    card = banner.say("x", "Act", lambda: done.append("acted"))
    qtbot.mouseClick(card.close_button, Qt.MouseButton.LeftButton)
    assert (done, texts(banner)) == ([], [])


def test_what_only_tells_goes_by_itself_a_warning_stays(
    banner: Banner, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_banner, "INFO_MS", 10)
    banner.say("saved")
    banner.say("could not", kind="warning")
    qtbot.waitUntil(lambda: texts(banner) == ["could not"], timeout=3000)
    qtbot.wait(300)
    assert texts(banner) == ["could not"]


def test_it_waits_for_a_keyboard_that_is_on_it(
    banner: Banner, window: QWidget, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(window, qtbot)
    monkeypatch.setattr(view_banner, "WITH_ACTION_MS", 10)
    monkeypatch.setattr(view_banner, "INFO_MS", 10)
    card = banner.say("x", "Act", lambda: None)
    assert card.action_button is not None
    card.action_button.setFocus()
    qtbot.wait(200)
    assert texts(banner) == ["x"]
    window.findChild(QPlainTextEdit).setFocus()  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: texts(banner) == [], timeout=3000)


def test_the_same_counts_up_and_the_stack_stays_small(banner: Banner) -> None:
    card = banner.say("saved")
    assert banner.say("saved") is card
    assert card.label.text() == "saved (×2)"
    banner.say("careful", kind="warning")
    for number in range(5):
        banner.say(f"message {number}")
    assert len(banner.cards) == SHOWN_MAX
    assert texts(banner) == ["careful", "message 3", "message 4"]
    banner.withdraw(banner.cards[1])
    banner.withdraw(card)  # gone already
    assert texts(banner) == ["careful", "message 4"]
    banner.clear()
    assert banner.cards == ()


def test_cards_follow_the_window(banner: Banner, window: QWidget, qtbot: QtBot) -> None:
    card = banner.say(
        "a sentence that is rather long and goes on for more than one line " * 3, "Do something"
    )
    for width in (420, 1600, 900):
        window.resize(width, 500)
        qtbot.wait(20)
        left, right = card.mapTo(window, QPoint(0, 0)).x(), card.mapTo(window, card.rect().bottomRight()).x()
        assert 0 <= left < right < window.width()
        assert card.label.height() >= card.label.heightForWidth(card.label.width())


def test_an_action_that_raises_still_takes_the_message_away(banner: Banner, qtbot: QtBot) -> None:
    def fail() -> None:
        raise ValueError("in the callback")

    card = banner.say("x", "Act", fail)
    with qtbot.captureExceptions() as caught:
        card.action_button.click()  # type: ignore[union-attr]
    assert len(caught) == 1
    assert texts(banner) == []


def test_an_unknown_kind_is_refused(banner: Banner) -> None:
    with pytest.raises(ValueError, match="shout"):
        banner.say("x", kind="shout")


# --- shortcuts -------------------------------------------------------------------------------------


def test_the_sheet_has_every_action_with_a_key() -> None:
    shown = {what for entries in lines().values() for _, what in entries}
    for action in actions.ACTIONS.values():
        if action.keys:
            assert action.text.rstrip("…") in shown
    first = {keys[0] for entries in lines().values() for keys, _ in entries}
    assert {action.shortcut_text for action in actions.ACTIONS.values() if action.keys} <= first


@pytest.fixture
def with_keys(window: QWidget, qtbot: QtBot) -> tuple[QWidget, ShortcutsSheet, list[str]]:
    done: list[str] = []
    sheet = ShortcutsSheet(window)

    def dispatch(action_id: str) -> None:
        done.append(action_id)
        if action_id == "shortcuts":
            sheet.toggle()

    window.addActions(list(actions.build(window, dispatch).values()))
    show(window, qtbot)
    window.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    window.setFocus()
    return window, sheet, done


@pytest.mark.parametrize("key", [Qt.Key.Key_F1, Qt.Key.Key_Question])
def test_the_sheet_comes_and_goes_with_its_keys(
    with_keys: tuple[QWidget, ShortcutsSheet, list[str]], qtbot: QtBot, key: Qt.Key
) -> None:
    window, sheet, _ = with_keys
    qtbot.keyClick(window, key)
    assert sheet.isVisible()
    assert sheet.geometry() == window.rect()
    assert sheet.rect().contains(sheet.card.geometry())
    qtbot.keyClick(sheet, key)
    assert not sheet.isVisible()
    assert window.hasFocus()


@pytest.mark.parametrize("key", [Qt.Key.Key_Escape, Qt.Key.Key_Delete, Qt.Key.Key_3])
def test_under_the_sheet_no_key_does_harm(
    with_keys: tuple[QWidget, ShortcutsSheet, list[str]], qtbot: QtBot, key: Qt.Key
) -> None:
    _window, sheet, done = with_keys
    sheet.toggle()
    qtbot.keyClick(sheet, key)
    assert not sheet.isVisible()
    assert done == []


def test_a_click_beside_the_sheet_closes_it(
    with_keys: tuple[QWidget, ShortcutsSheet, list[str]], qtbot: QtBot
) -> None:
    _window, sheet, _ = with_keys
    sheet.toggle()
    qtbot.mouseClick(sheet, Qt.MouseButton.LeftButton, pos=sheet.card.geometry().center())
    assert sheet.isVisible()
    qtbot.mouseClick(sheet, Qt.MouseButton.LeftButton, pos=QPoint(2, 2))
    assert not sheet.isVisible()


def test_the_sheet_fits_every_window(
    with_keys: tuple[QWidget, ShortcutsSheet, list[str]], qtbot: QtBot
) -> None:
    window, sheet, _ = with_keys
    sheet.toggle()
    for width, height in ((800, 520), (1024, 640), (3840, 2160)):
        window.resize(width, height)
        qtbot.wait(10)
        assert sheet.rect().contains(sheet.card.geometry())
        assert not sheet._scroll.horizontalScrollBar().isVisible()
    assert unnamed_focusable(sheet) == []
