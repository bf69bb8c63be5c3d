"""The bar at the top: the program's name, what the current page puts there, and the window's own buttons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QStackedWidget, QWidget

from memorynet_gui.look.theme import set_surface

HEIGHT_PX = 44
_SPACING_PX = 8


class _Row(QWidget):
    """One page's widgets: at the left, in the middle of what is left over, at the right."""

    def __init__(self, widgets: Mapping[str, Sequence[QWidget]]) -> None:
        super().__init__()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(_SPACING_PX)
        for part in ("left", "centre", "right"):
            if part != "left":
                layout.addStretch(1)
            for widget in widgets.get(part, ()):
                layout.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)


class Toolbar(QWidget):
    def __init__(self, name: str, own: Sequence[QWidget], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_surface(self, "bar")
        self.setFixedHeight(HEIGHT_PX)
        self.name = QLabel(name)
        self.name.setProperty("role", "strong")
        self._rows = QStackedWidget()
        self._own = list(own)
        self._index: dict[str, int] = {}
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 0, 14, 0)
        layout.setSpacing(_SPACING_PX)
        layout.addWidget(self.name)
        layout.addSpacing(_SPACING_PX)
        layout.addWidget(self._rows, 1)
        for widget in own:
            layout.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)

    def add(self, page_id: str, widgets: Mapping[str, Sequence[QWidget]]) -> None:
        row = _Row(widgets)
        row.installEventFilter(self)
        self._index[page_id] = self._rows.addWidget(row)

    def show_page(self, page_id: str) -> None:
        self._rows.setCurrentIndex(self._index[page_id])
        self._make_room()

    def eventFilter(self, watched: object, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self._make_room()
        return super().eventFilter(watched, event)  # type: ignore[arg-type]

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        """The name is the first to go when the window is narrow."""
        row = self._rows.currentWidget()
        if row is None:
            return
        parts = [
            row.minimumSizeHint().width(),
            *(w.sizeHint().width() for w in self._own if not w.isHidden()),
        ]
        needed = sum(parts) + _SPACING_PX * len(parts) + 28
        self.name.setVisible(self.width() >= needed + self.name.sizeHint().width() + 2 * _SPACING_PX)
