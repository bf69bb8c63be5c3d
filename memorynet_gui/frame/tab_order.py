"""The order in which Tab goes through a window."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget


def put_in_order(window: QWidget, parts: Sequence[QWidget], last: Sequence[QWidget]) -> None:
    """Part by part, each in the order it has; of a part, those in ``last`` come after the others."""
    by_part: dict[QWidget, list[QWidget]] = {part: [] for part in parts}
    at = window.nextInFocusChain()
    while at is not None and at is not window:
        part = next((part for part in parts if part.isAncestorOf(at)), None)
        if part is not None and at.focusPolicy() & Qt.FocusPolicy.TabFocus:
            by_part[part].append(at)
        at = at.nextInFocusChain()
    for widgets in by_part.values():
        widgets.sort(key=lambda widget: widget in last)
    ordered = [widget for part in parts for widget in by_part[part]]
    for before, after in itertools.pairwise(ordered):
        QWidget.setTabOrder(before, after)
