"""What tests of the Restore page share beside its desk."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QApplication

from core.cli import program as cli
from memorynet_gui.restore.command import arguments
from tests.restore_page_kit import Desk


def drop(target, paths: list[Path]) -> None:  # type: ignore[no-untyped-def]
    """A real drag and drop; the data has to outlive the events."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    at, action = target.rect().center(), Qt.DropAction.CopyAction
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(at, action, data, buttons, keys)
    QApplication.sendEvent(target, enter)
    assert enter.isAccepted() is True
    QApplication.sendEvent(target, QDropEvent(QPointF(at), action, data, buttons, keys))


def window_and_command(at: Desk, source: Path, again: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run the command that the window gives; its file and the window's are equal byte by byte."""
    item = at.item(source)
    assert item.saved is not None
    at.page.handle("copy_command")
    line = QGuiApplication.clipboard().text()
    words = shlex.split(line)
    assert words == ["memorynet", *arguments(item)]
    moved = item.saved.path.read_bytes()
    item.saved.path.unlink()
    assert cli.main(words[1:]) == 0, capsys.readouterr().err
    made = Path(again)
    assert made.read_bytes() == moved
