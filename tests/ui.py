"""Helpers for tests of the window."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, QEvent, QEventLoop, Qt
from PySide6.QtWidgets import QAbstractButton, QLabel, QWidget

_FIRST_CHARACTER_OF_NOTHING = ("", "...", "…")


def walk(widget: QWidget) -> list[QWidget]:
    """The widget and every widget below it."""
    return [widget, *widget.findChildren(QWidget)]


def unnamed_focusable(widget: QWidget) -> list[str]:
    """Every widget at or below ``widget`` that takes the keyboard's focus and has nothing to be called by.

    A label whose buddy the widget is, or a button's own words, name it as well as an accessible name does.
    Widgets that only hand their focus on (a combo's line edit, a spin box's) count as named by their owner.
    """
    buddies = {label.buddy() for label in widget.findChildren(QLabel) if label.buddy() is not None}
    unnamed = []
    for each in walk(widget):
        if each.focusPolicy() == Qt.FocusPolicy.NoFocus or each.focusProxy() is not None:
            continue
        name = each.accessibleName()
        if not name and isinstance(each, QAbstractButton):
            name = each.text().replace("&", "")
        if each in buddies or name.strip() not in _FIRST_CHARACTER_OF_NOTHING:
            continue
        owner = each.parentWidget()
        if owner is not None and owner.focusProxy() is each and owner.accessibleName():
            continue
        unnamed.append(path_of(each))
    return unnamed


def path_of(widget: QWidget) -> str:
    """``MainWindow/QSplitter/Inspector/QSlider``: enough to find the widget in the code."""
    names = []
    at: QWidget | None = widget
    while at is not None:
        names.append(type(at).__name__ + (f"#{at.objectName()}" if at.objectName() else ""))
        at = at.parentWidget()
    return "/".join(reversed(names))


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Run the event loop until the condition holds. Raises AssertionError when it does not in time."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, f"not within {timeout_s} s: {condition}"
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        time.sleep(0.001)


def settle(rounds: int = 5) -> None:
    """Let queued events, deletions included, run."""
    for _ in range(rounds):
        QCoreApplication.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
