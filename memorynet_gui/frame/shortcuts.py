"""The sheet of shortcuts: lies over the window and goes at the next key or click. Made from the actions."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QColor, QHideEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from memorynet_gui.base import actions
from memorynet_gui.widgets.parts import heading

_THREE = (("File", "Training"), ("Photos", "Work", "Window"), ("View", "Mouse"))
_TWO = (("File", "Photos", "Training"), ("Work", "View", "Window", "Mouse"))
_MARGIN_PX = 24
_SCRIM = QColor(0, 0, 0, 150)

Line = tuple[tuple[str, ...], str]
"""keys, what they do"""


def _shown_keys(action: actions.Action) -> tuple[str, ...]:
    """The first key, and a second one where it is a shorter way (not another writing of the first)."""
    first, *others = action.keys
    return tuple(actions.key_text(key) for key in (first, *(key for key in others if "+" not in key)))


def lines() -> dict[str, list[Line]]:
    """The content by heading."""
    by_group: dict[str, list[Line]] = {}
    for group in actions.GROUPS:
        by_group[group] = [
            (_shown_keys(action), action.text.rstrip("…"))
            for action in actions.in_group(group)
            if action.keys
        ]
    by_group["Mouse"] = [((gesture,), words) for gesture, words in actions.MOUSE]
    return by_group


class ShortcutsSheet(QWidget):
    """A child of the window as large as the window. Hidden until :meth:`toggle`."""

    closed = Signal()

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._before: QWidget | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Shortcuts. Press Escape to close.")
        self.card = QFrame(self)
        self.card.setProperty("role", "sheet")
        title = QLabel("What the keys do")
        title.setProperty("role", "title")
        hint = QLabel("Esc closes")
        hint.setProperty("role", "caption")
        top = QHBoxLayout()
        top.addWidget(title)
        top.addStretch(1)
        top.addWidget(hint, 0, Qt.AlignmentFlag.AlignBottom)
        inside = QWidget()
        self._groups = {group: _group(group, entries) for group, entries in lines().items()}
        self._arranged: tuple[tuple[str, ...], ...] = ()
        row = QHBoxLayout(inside)
        row.setContentsMargins(0, 0, 12, 0)
        row.setSpacing(40)
        self._columns = [QVBoxLayout() for _ in _THREE]
        for column in self._columns:
            column.setSpacing(24)
            row.addLayout(column)
        self._scroll = QScrollArea()
        self._scroll.setWidget(inside)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        layout = QVBoxLayout(self.card)
        layout.setContentsMargins(32, 24, 20, 24)
        layout.setSpacing(16)
        layout.addLayout(top)
        layout.addWidget(self._scroll, 1)
        self._inside = inside
        self._arrange(_THREE)
        self._wide_px = inside.sizeHint().width()
        window.installEventFilter(self)
        self.hide()

    # --- coming and going ----------------------------------------------------------------------

    def toggle(self) -> None:
        if self.isVisible():
            self.dismiss()
        else:
            self._before = QApplication.focusWidget()
            self._place()
            self.show()
            self.raise_()
            self.setFocus()

    def dismiss(self) -> None:
        self.hide()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        before, self._before = self._before, None
        if before is not None and before.isVisible():
            before.setFocus()
        self.closed.emit()

    def _place(self) -> None:
        window = self.parentWidget()
        assert window is not None
        self.setGeometry(window.rect())
        around = 32 + 20 + 12
        room = self.width() - 2 * _MARGIN_PX - around
        self._arrange(_THREE if room >= self._wide_px else _TWO)
        wanted = self._inside.sizeHint()
        width = wanted.width() + around
        height = wanted.height() + 24 + 24 + 16 + 32
        width = min(width, self.width() - 2 * _MARGIN_PX)
        height = min(height, self.height() - 2 * _MARGIN_PX)
        self.card.setGeometry((self.width() - width) // 2, (self.height() - height) // 2, width, height)

    def _arrange(self, columns: tuple[tuple[str, ...], ...]) -> None:
        if columns == self._arranged:
            return
        self._arranged = columns
        for layout in self._columns:
            while layout.count():
                layout.takeAt(0)
        for layout, groups in zip(self._columns, columns, strict=False):
            for group in groups:
                layout.addWidget(self._groups[group])
            layout.addStretch(1)
        self._inside.layout().activate()  # type: ignore[union-attr]

    # --- events --------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            # no key may reach the window through the sheet, except the ones that toggle it and quit
            keys = [key for action in ("shortcuts", "quit") for key in actions.ACTIONS[action].keys]
            if not any(actions.matches(event, key) for key in keys):
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        bar = self._scroll.verticalScrollBar()
        steps = {
            Qt.Key.Key_Down: bar.singleStep(),
            Qt.Key.Key_Up: -bar.singleStep(),
            Qt.Key.Key_PageDown: bar.pageStep(),
            Qt.Key.Key_PageUp: -bar.pageStep(),
        }
        if event.key() in steps:
            bar.setValue(bar.value() + steps[Qt.Key(event.key())])
        elif event.key() not in (
            Qt.Key.Key_Shift,
            Qt.Key.Key_Control,
            Qt.Key.Key_Alt,
            Qt.Key.Key_Meta,
            Qt.Key.Key_AltGr,
        ):
            self.dismiss()
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not self.card.geometry().contains(event.position().toPoint()):
            self.dismiss()
        event.accept()

    def focusNextPrevChild(self, _next: bool) -> bool:
        return True  # nothing here takes the focus, and nothing behind it may

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and watched is self.parent() and self.isVisible():
            self._place()
        return super().eventFilter(watched, event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), _SCRIM)
        painter.end()


def _group(name: str, entries: list[Line]) -> QWidget:
    group = QWidget()
    column = QVBoxLayout(group)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(8)
    column.addWidget(heading(name))
    grid = QGridLayout()
    grid.setHorizontalSpacing(16)
    grid.setVerticalSpacing(4)
    grid.setColumnStretch(0, 1)
    for row, (keys, words) in enumerate(entries):
        grid.addWidget(QLabel(words), row, 0)
        held = QHBoxLayout()
        held.setSpacing(4)
        held.addStretch(1)
        for key in keys:
            label = QLabel(key)
            label.setProperty("role", "key")
            held.addWidget(label)
        grid.addLayout(held, row, 1)
    column.addLayout(grid)
    return group
