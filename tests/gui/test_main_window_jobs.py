"""The window: the job bar, and closing while work goes on."""

from __future__ import annotations

import threading
import time

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox

from core.jobs import Emit, JobControl
from core.model.tensors import Device
from memorynet_gui.frame.main_window import MainWindow
from tests.gui.window_kit import page_of
from tests.ui import settle, wait_until

pytestmark = [
    pytest.mark.qt_log_level_fail("WARNING"),
    pytest.mark.qt_log_ignore("This plugin does not support"),  # the offscreen platform's own
]


def work(emit: Emit, control: JobControl) -> None:
    while True:
        control.checkpoint()
        emit("step")
        time.sleep(0.002)


# --- the job bar --------------------------------------------------------------------------------


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


# --- closing ------------------------------------------------------------------------------------


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
