"""Tells the desktop that something ended, for a person who is not looking at the window."""

from __future__ import annotations

import logging

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication, QSystemTrayIcon, QWidget

from core.model.catalog import RESOURCES

_SHOWN_MS = 20_000

log = logging.getLogger(__name__)


class DesktopNotice(QObject):
    """A message of the desktop where it has such; else the window's entry in the task bar asks for a look."""

    clicked = Signal()  # on the message: the person wants to see

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self._tray: QSystemTrayIcon | None = None
        self._hide = QTimer(self, singleShot=True, interval=_SHOWN_MS)
        self._hide.timeout.connect(self.withdraw)

    def tell(self, title: str, text: str) -> bool:
        """True when the desktop shows the message itself. Never raises."""
        QApplication.alert(self._over.window())  # blinks only while the window is not the active one
        if not (QSystemTrayIcon.isSystemTrayAvailable() and QSystemTrayIcon.supportsMessages()):
            log.info("no desktop notifications here: %s %s", title, text)
            return False
        if self._tray is None:
            self._tray = QSystemTrayIcon(QIcon(str(RESOURCES / "icons" / "memorynet.png")), self)
            self._tray.messageClicked.connect(self.clicked)
            self._tray.activated.connect(lambda _reason: self.clicked.emit())
        self._tray.setToolTip(f"{title} {text}")
        self._tray.show()
        self._tray.showMessage(title, text, QSystemTrayIcon.MessageIcon.NoIcon, _SHOWN_MS)
        self._hide.start()
        return True

    def withdraw(self) -> None:
        """The icon goes with its message: the program does not live in the tray."""
        self._hide.stop()
        if self._tray is not None:
            self._tray.hide()
