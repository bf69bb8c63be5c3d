"""Helpers for tests of the window."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, QEvent, QEventLoop, Qt
from PySide6.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLabel, QWidget

_NO_NAMES = ("", "...", "…")


def walk(widget: QWidget) -> list[QWidget]:
    """The widget and every widget below it."""
    return [widget, *widget.findChildren(QWidget)]


def unnamed_focusable(widget: QWidget) -> list[str]:
    """Every widget at or below ``widget`` that takes the keyboard's focus and has nothing to be called by.

    A button's or a label's own words, or a label whose buddy the widget is, name it as well as an accessible
    name does. What a combo or spin box is made of is called by the box's name.
    """
    buddies = {label.buddy() for label in widget.findChildren(QLabel) if label.buddy() is not None}
    unnamed = []
    for each in walk(widget):
        if each.focusPolicy() == Qt.FocusPolicy.NoFocus or each in buddies:
            continue
        if isinstance(each, QLabel) or _belongs_to_a_box(each):
            continue
        name = each.accessibleName()
        if not name and isinstance(each, QAbstractButton):
            name = each.text().replace("&", "")
        if name.strip() in _NO_NAMES:
            unnamed.append(path_of(each))
    return unnamed


def _belongs_to_a_box(widget: QWidget) -> bool:
    at = widget.parentWidget()
    while at is not None:
        if isinstance(at, QComboBox | QAbstractSpinBox):
            return True
        at = at.parentWidget()
    return False


def tab_order(window: QWidget) -> list[QWidget]:
    """What Tab goes through now, in order, from the window's first."""
    found = []
    at = window.nextInFocusChain()
    while at is not window:
        takes = bool(at.focusPolicy() & Qt.FocusPolicy.TabFocus)
        if takes and at.isVisibleTo(window) and at.isEnabled() and at.window() is window:
            found.append(at)
        at = at.nextInFocusChain()
    return found


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
