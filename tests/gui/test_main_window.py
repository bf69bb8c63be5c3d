"""The window around the pages: what it forwards, remembers, asks and cleans up."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QMessageBox, QPushButton, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from core.images.io import from_array, write
from core.jobs import Emit, JobControl
from core.model.tensors import Device
from memorynet_gui.base import actions
from memorynet_gui.base.page import AppContext, Page
from memorynet_gui.base.settings import Settings
from memorynet_gui.frame.main_window import INSPECTOR_PX, MainWindow
from memorynet_gui.look.theme import Theme
from memorynet_gui.restore.page import RestorePage
from tests.ui import settle, tab_order, wait_until

pytestmark = [
    pytest.mark.qt_log_level_fail("WARNING"),
    pytest.mark.qt_log_ignore("This plugin does not support"),  # the offscreen platform's own
]


class Notepad(Page):
    """A page that does nothing but remember what the window asked of it."""

    page_id, title, icon = "first", "First", "mdi6.image-outline"

    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.context = context
        self.opened: list[list[Path]] = []
        self.handled: list[str] = []
        self.possible: set[str] = set()
        self.blocker: str | None = None
        self.question: str | None = None
        self.shut_downs = 0
        self.field = QLineEdit(accessibleName="Notes")
        layout = QVBoxLayout(self)
        layout.addWidget(self.field)
        self.panel = QWidget()
        inner = QVBoxLayout(self.panel)
        self.panel_button = QPushButton(f"{self.title} panel")
        inner.addWidget(self.panel_button)
        inner.addWidget(QLabel("\n".join(f"line {number}" for number in range(100))))
        self.tool = QPushButton(f"{self.title} tool")

    def inspector(self) -> QWidget:
        return self.panel

    def toolbar_widgets(self) -> dict[str, list[QWidget]]:
        return {"left": [self.tool]}

    def open_paths(self, paths: list[Path]) -> None:
        self.opened.append(paths)

    def handle(self, action_id: str) -> None:
        self.handled.append(action_id)
        if action_id == "cancel":
            self.context.runner.cancel()

    def stop_long_work(self) -> None:
        self.handled.append("stop")

    def can(self, action_id: str) -> bool:
        return action_id in self.possible

    def close_blockers(self) -> str | None:
        return self.blocker

    def stop_question(self) -> str | None:
        return self.question

    def shut_down(self) -> None:
        self.shut_downs += 1


class Second(Notepad):
    page_id, title, icon = "second", "Second", "mdi6.chart-line"


def work(emit: Emit, control: JobControl) -> None:
    while True:
        control.checkpoint()
        emit("step")
        time.sleep(0.002)


Make = Callable[..., MainWindow]


@pytest.fixture
def make(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> Iterator[Make]:
    made: list[MainWindow] = []
    theme = Theme(qapp, "dark")

    def build(*pages: type[Page]) -> MainWindow:
        window = MainWindow(Settings(tmp_path / "home"), theme, pages or (Notepad, Second))
        made.append(window)
        window.show()
        settle()
        return window

    yield build
    for window in made:
        window.close_now()
        window.deleteLater()
    settle()
    assert not [t for t in threading.enumerate() if t.name.startswith("memorynet-job")]


@pytest.fixture
def window(make: Make) -> MainWindow:
    return make()


def page_of(window: MainWindow) -> Notepad:
    page = window.page
    assert isinstance(page, Notepad)
    return page


# --- pages ---------------------------------------------------------------------------------------


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


# --- files ---------------------------------------------------------------------------------------


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


def test_files_of_another_start_come_to_the_window_that_is_open(window: MainWindow, tmp_path: Path) -> None:
    window.showMinimized()
    assert window.take_over([tmp_path / "a.jpg"], False)
    assert page_of(window).opened == [[tmp_path / "a.jpg"]] and not window.isMinimized()
    assert window.take_over([], False) and len(page_of(window).opened) == 1
    window.close()
    assert not window.take_over([tmp_path / "b.jpg"], False), "it is closing: the other start opens its own"


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


# --- actions -------------------------------------------------------------------------------------


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


# --- the job bar ---------------------------------------------------------------------------------


def test_pause_and_cancel_of_the_bar_reach_the_job(window: MainWindow) -> None:
    bar, runner = window.job_bar, window.runner
    assert not bar.pause.isVisible()
    runner.start(work)
    window.context.job_bar.set_job("Restoring a.png", 0.25, 14.2)
    assert bar.text.full == "Restoring a.png"
    assert bar.left.text() == "0:14 left"
    assert bar.meter.share == 0.25
    QTest.mouseClick(bar.pause, Qt.MouseButton.LeftButton)
    assert runner.paused
    assert bar.pause.accessibleName() == "Resume the job"
    assert bar.text.full == "Paused · Restoring a.png"
    QTest.mouseClick(bar.pause, Qt.MouseButton.LeftButton)
    assert not runner.paused
    assert bar.text.full == "Restoring a.png"
    QTest.mouseClick(bar.cancel, Qt.MouseButton.LeftButton)
    assert runner.cancelling
    assert not bar.cancel.isEnabled()
    wait_until(lambda: not runner.busy)
    window.context.job_bar.clear_job()
    assert not bar.pause.isVisible()
    assert not bar.meter.isVisible()
    assert bar.text.full == ""


def test_a_job_that_cannot_be_stopped_shows_no_buttons(window: MainWindow) -> None:
    window.context.job_bar.set_job("Saving 2 of 7", 0.2, None)
    assert window.job_bar.meter.isVisible()
    assert not window.job_bar.cancel.isVisible()


def test_the_next_job_can_be_cancelled_again(window: MainWindow) -> None:
    for _ in range(2):
        window.runner.start(work)
        window.job_bar.set_job("Restoring", None, None)
        assert window.job_bar.cancel.isEnabled()
        QTest.mouseClick(window.job_bar.cancel, Qt.MouseButton.LeftButton)
        wait_until(lambda: not window.runner.busy)


def test_escape_cancels_what_is_in_front_and_the_bar_whatever_runs(window: MainWindow) -> None:
    first = page_of(window)
    first.possible = {"cancel"}
    window.runner.start(work)
    window.job_bar.set_job("Restoring", None, None)
    window.show_page("second")  # the work goes on while another page shows
    settle()
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert first.handled == [] and window.runner.busy
    window.show_page(first.page_id)
    settle()
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert first.handled == ["cancel"]
    wait_until(lambda: not window.runner.busy)
    window.show_page("second")
    window.runner.start(work)
    settle()
    QTest.mouseClick(window.job_bar.cancel, Qt.MouseButton.LeftButton)
    assert first.handled == ["cancel", "cancel"]
    assert page_of(window).handled == []
    wait_until(lambda: not window.runner.busy)


@pytest.mark.parametrize("stops", [True, False])
def test_long_work_is_not_stopped_by_escape_and_asked_about_by_its_button(
    window: MainWindow, stops: bool
) -> None:
    page, training = page_of(window), window.context.training
    page.question = "It has learned for hours."
    training.start(work)
    window.job_bar.set_long("rain-1", "Training rain-1", None, None)
    settle()
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert page.handled == [] and training.busy
    for ask in (
        window.job_bar.cancel.click,
        window.context.stop_wanted.emit,
    ):  # the bar's button, and a page's
        asked: list[str] = []
        answer("Stop training" if stops else "Keep training", asked)
        ask()
        assert asked == ["It has learned for hours."]
        assert page.handled == ["stop"] * stops and training.busy
        if stops:
            break
    training.cancel()
    wait_until(lambda: not training.busy)


def test_other_work_goes_before_training_and_the_bar_says_so(window: MainWindow) -> None:
    page, bar, training, runner = page_of(window), window.job_bar, window.context.training, window.runner
    page.possible, page.question = {"cancel"}, "It has learned for hours."
    steps: list[object] = []
    training.event.connect(steps.append)
    training.start(work)
    bar.set_long("rain-1", "Training rain-1 · step 8 of 40", 0.2, 60.0)
    assert bar.text.full == "Training rain-1 · step 8 of 40" and bar.pause.isVisible()
    wait_until(lambda: len(steps) > 3)
    runner.start(work)
    bar.set_job("Restoring a.png", 0.5, 3.0)
    assert training.held and bar.text.full == "Restoring a.png · rain-1 waits meanwhile"
    time.sleep(0.05)
    settle()
    stood_at = len(steps)
    time.sleep(0.05)
    settle()
    assert len(steps) == stood_at, "it stands"
    bar.pause.click()  # both are for what the bar shows
    assert runner.paused and not training.paused
    bar.cancel.click()
    assert page.handled == ["cancel"] and not training.cancelling
    wait_until(lambda: not runner.busy)
    bar.clear_job()
    assert bar.text.full == "Training rain-1 · step 8 of 40" and bar.meter.share == 0.2
    wait_until(lambda: len(steps) > stood_at)
    assert not training.held, "it goes on by itself"
    bar.pause.click()
    assert training.paused and bar.text.full.startswith("Paused · Training")
    training.cancel()
    wait_until(lambda: not training.busy)
    bar.clear_long()
    assert bar.text.full == "" and not bar.pause.isVisible()


def test_long_work_that_is_begun_meanwhile_waits_for_its_turn(window: MainWindow) -> None:
    training, steps = window.context.training, []
    window.runner.start(work)
    training.event.connect(steps.append)
    training.start(work)
    time.sleep(0.05)
    settle()
    assert training.busy and training.held and steps == []
    window.runner.cancel()
    wait_until(lambda: len(steps) > 3)
    window.runner.start(work)
    window.close_now()
    assert not training.busy, "it stands and is ended all the same"


def test_escape_without_work_is_left_alone(window: MainWindow) -> None:
    settle()
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert page_of(window).handled == []


def test_devices_arrive_from_another_thread(window: MainWindow) -> None:
    devices = (
        Device("cuda:0", "NVIDIA H100 80GB HBM3", ("bf16", "fp32")),
        Device("cpu", "CPU, 8 threads", ("fp32",)),
    )
    heard: list[tuple[Device, ...]] = []
    window.context.devices_ready.connect(lambda: heard.append(window.context.devices()))
    thread = threading.Thread(target=lambda: window.devices_found.emit(devices, ""))
    thread.start()
    thread.join()
    wait_until(lambda: bool(heard))
    assert heard == [devices]
    assert window.job_bar.device.text() == "NVIDIA H100 80GB HBM3"
    assert window.job_bar.device.toolTip().endswith("NVIDIA H100 80GB HBM3 · bf16")
    assert window.job_bar.memory.text().endswith(("MB", "GB"))


def test_advice_about_the_card_is_told(window: MainWindow) -> None:
    window.devices_found.emit(
        (Device("cpu", "CPU, 1 thread", ("fp32",)),), "an NVIDIA card is present but unused"
    )
    wait_until(lambda: bool(window.banner.cards))
    assert [card.text for card in window.banner.cards] == ["An NVIDIA card is present but unused."]
    assert window.job_bar.device.text() == "CPU"


def test_without_torch_the_window_says_so_and_stays(window: MainWindow) -> None:
    window.devices_failed.emit(ImportError("libtorch_cpu.so: cannot open shared object file"))
    wait_until(lambda: bool(window.banner.cards))
    assert "libtorch_cpu.so" in window.banner.cards[0].text
    assert window.isVisible()


def test_an_unforeseen_error_is_shown_once(window: MainWindow) -> None:
    error = KeyError("odd")
    window.show_error(error)
    window.show_error(error)
    assert window._errors is not None
    (dialog,) = window._errors.open
    assert dialog.isVisible()
    assert not dialog.isModal()
    dialog.close()


# --- sizes ---------------------------------------------------------------------------------------


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


# --- keyboard ------------------------------------------------------------------------------------


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


# --- closing -------------------------------------------------------------------------------------


def answer(button_text: str, asked: list[str]) -> None:
    """Press a button of the question once it is there."""

    def press() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(10, press)
            return
        asked.append(box.informativeText())
        next(button for button in box.buttons() if button.text() == button_text).click()

    QTimer.singleShot(0, press)


def test_closing_while_nothing_would_be_lost_does_not_ask(window: MainWindow) -> None:
    window.resize(1111, 711)
    page = page_of(window)
    assert window.close()
    assert not window.isVisible()
    assert page.shut_downs == 1
    assert window.settings.file.exists()
    assert window.shut_down()
    assert page.shut_downs == 1


def test_closing_asks_and_keeps_everything_when_told_to(window: MainWindow) -> None:
    page = page_of(window)
    page.blocker = "Two photos are being restored."
    window.runner.start(work)
    asked: list[str] = []
    answer("Keep open", asked)
    assert not window.close()
    assert asked == ["Two photos are being restored."]
    assert window.isVisible()
    assert window.runner.busy
    assert not window.runner.cancelling
    assert page.shut_downs == 0


def test_closing_asks_then_cancels_and_joins(window: MainWindow) -> None:
    page = page_of(window)
    page.blocker = "A photo is being restored."
    window.show_page("second")  # a page that does not show may lose something, too
    ended: list[bool] = []
    window.runner.cancelled.connect(lambda: ended.append(True))
    window.runner.start(work)
    asked: list[str] = []
    answer("Stop and close", asked)
    assert window.close()
    assert asked == ["A photo is being restored."]
    assert ended == [True]
    assert not window.runner.busy
    assert page.shut_downs == 1


def test_escape_keeps_the_window_open(window: MainWindow) -> None:
    page_of(window).blocker = "Something would be lost."

    def press() -> None:
        box = QApplication.activeModalWidget()
        if box is None:
            QTimer.singleShot(10, press)
        else:
            QTest.keyClick(box, Qt.Key.Key_Escape)

    QTimer.singleShot(0, press)
    assert not window.close()
    assert window.isVisible()


def test_close_now_does_not_ask(window: MainWindow) -> None:
    page_of(window).blocker = "A photo is being restored."
    window.runner.start(work)
    window.close_now()
    assert not window.isVisible()
    assert not window.runner.busy


def test_a_page_that_fails_to_shut_down_does_not_keep_the_others_from_it(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong() -> None:
        raise OSError(28, "No space left on device")

    first = page_of(window)
    monkeypatch.setattr(first, "shut_down", wrong)
    window.show_page("second")
    second = page_of(window)
    window.runner.start(work)
    assert window.close()
    assert second.shut_downs == 1
    assert not window.runner.busy
    assert "No space left" in caplog.text
    assert window.settings.file.exists()


# --- the ground ----------------------------------------------------------------------------------


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
