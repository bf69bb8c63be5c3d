"""The desktop hears that training ended, where there is a desktop that listens."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication, QSystemTrayIcon, QWidget

from memorynet_gui.train import notice as train_notice
from memorynet_gui.train.notice import DesktopNotice


class Tray(QObject):
    """Stands for the system's tray, which no offscreen platform has."""

    messageClicked = Signal()
    activated = Signal(object)
    MessageIcon = QSystemTrayIcon.MessageIcon
    available = True
    made: ClassVar[list[Tray]] = []

    def __init__(self, _icon: Any, parent: QObject) -> None:
        super().__init__(parent)
        self.told: list[tuple[str, str]] = []
        self.is_shown = False
        Tray.made.append(self)

    @staticmethod
    def isSystemTrayAvailable() -> bool:
        return Tray.available

    @staticmethod
    def supportsMessages() -> bool:
        return True

    def setToolTip(self, _text: str) -> None:
        return

    def show(self) -> None:
        self.is_shown = True

    def hide(self) -> None:
        self.is_shown = False

    def showMessage(self, title: str, text: str, _icon: Any, _ms: int) -> None:
        assert self.is_shown
        self.told.append((title, text))


@pytest.fixture
def alerted(monkeypatch: pytest.MonkeyPatch, qapp: QApplication) -> list[QWidget]:
    seen: list[QWidget] = []
    monkeypatch.setattr(train_notice, "QSystemTrayIcon", Tray)
    monkeypatch.setattr(train_notice.QApplication, "alert", seen.append)
    monkeypatch.setattr(Tray, "made", [])
    monkeypatch.setattr(Tray, "available", True)
    return seen


def test_the_desktop_shows_the_message_and_the_icon_goes_again(alerted: list[QWidget]) -> None:
    window = QWidget()
    notice = DesktopNotice(window)
    clicks: list[int] = []
    notice.clicked.connect(lambda: clicks.append(1))
    assert notice.tell("Training ended", "rain-3 is trained.")
    assert notice.tell("Training ended", "rain-4 is trained.")
    (tray,) = Tray.made
    assert [text for _, text in tray.told] == ["rain-3 is trained.", "rain-4 is trained."]
    assert tray.is_shown and alerted == [window, window]
    tray.messageClicked.emit()
    assert clicks == [1]
    notice.withdraw()
    assert not tray.is_shown
    window.deleteLater()


def test_without_a_tray_the_window_asks_for_a_look(alerted: list[QWidget]) -> None:
    Tray.available = False
    window = QWidget()
    notice = DesktopNotice(window)
    assert not notice.tell("Training ended", "rain-3 is trained.")
    assert alerted == [window] and Tray.made == []
    notice.withdraw()
    window.deleteLater()


def test_the_offscreen_platform_is_no_trouble(qapp: QApplication) -> None:
    window = QWidget()
    assert not DesktopNotice(window).tell("Training ended", "rain-3 is trained.")
    window.deleteLater()
