"""Small parts an inspector is made of: headings, rows, combos with a quiet second word, a shrinking scroller."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import (
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QDragEnterEvent,
    QDropEvent,
    QFontMetrics,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionComboBox,
    QStyleOptionSlider,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from core.problems import Problem

DETAIL_ROLE = Qt.ItemDataRole.UserRole + 7


def heading(text: str) -> QLabel:
    label = QLabel(text.upper())
    label.setProperty("role", "heading")
    label.setAccessibleName(text)
    return label


def wrapped(role: str = "secondary") -> QLabel:
    """A label whose words go on in the next line, and can be copied."""
    label = QLabel()
    label.setWordWrap(True)
    label.setProperty("role", role)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def labelled(name: str, combo: QWidget) -> QHBoxLayout:
    """A line of a form: the name before what it names."""
    label = QLabel(name)
    label.setProperty("role", "secondary")
    label.setBuddy(combo)
    label.setMinimumWidth(72)
    row = QHBoxLayout()
    row.setSpacing(8)
    row.addWidget(label)
    row.addWidget(combo, 1)
    return row


class DirectSlider(QSlider):
    """A horizontal slider whose handle comes to where its line is pressed, as in a photographer's tools.

    ``takes_wheel`` is for one that sets nothing: scrolling past must not change a setting on the way.
    """

    def __init__(self, parent: QWidget | None = None, *, takes_wheel: bool = False) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._takes_wheel = takes_wheel

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self._takes_wheel:
            super().wheelEvent(event)
        else:
            event.ignore()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            option = QStyleOptionSlider()
            self.initStyleOption(option)
            kind, style = QStyle.ComplexControl.CC_Slider, self.style()
            handle = style.subControlRect(kind, option, QStyle.SubControl.SC_SliderHandle, self)
            groove = style.subControlRect(kind, option, QStyle.SubControl.SC_SliderGroove, self)
            x = event.position().toPoint().x()
            if not handle.left() <= x <= handle.right():
                self.setValue(
                    QStyle.sliderValueFromPosition(
                        self.minimum(),
                        self.maximum(),
                        x - groove.left() - handle.width() // 2,
                        groove.width() - handle.width(),
                        self.layoutDirection() == Qt.LayoutDirection.RightToLeft,
                    )
                )
        super().mousePressEvent(event)  # the handle lies below the pointer now and follows it


_END_SHARE = 0.7


def elided_within(metrics: QFontMetrics, text: str, width_px: int) -> str:
    """``text`` shortened so that most of what is left is its end: a camera's photos differ in their last digits."""
    if metrics.horizontalAdvance(text) <= width_px:
        return text
    room = width_px - metrics.horizontalAdvance("…")
    end = next(
        (text[i:] for i in range(len(text)) if metrics.horizontalAdvance(text[i:]) <= room * _END_SHARE), ""
    )
    room -= metrics.horizontalAdvance(end)
    start = next(
        (text[:i] for i in range(len(text), 0, -1) if metrics.horizontalAdvance(text[:i]) <= room), ""
    )
    return f"{start}…{end}"


class Elided(QLabel):
    """A label that shortens its text in the middle; the whole is in its tooltip."""

    def __init__(self, text: str = "", mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle) -> None:
        super().__init__()
        self._full = ""
        self._mode = mode
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.set_full(text)

    def set_full(self, text: str) -> None:
        self._full = text
        self.setToolTip(text)
        self._elide()

    @property
    def full(self) -> str:
        return self._full

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._full, self._mode, max(self.width(), 40)))


class Row(QWidget):
    """ "Size, depth            4608×3072, 8 bit" """

    def __init__(self, name: str, value: str = "", tooltip: str = "", strong: bool = False) -> None:
        super().__init__()
        self.name = QLabel(name)
        self.name.setProperty("role", "secondary")
        self.value = Elided(value, Qt.TextElideMode.ElideRight)
        self.value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.name)
        layout.addWidget(self.value, 1)
        if tooltip:
            self.setToolTip(tooltip)

    def set_value(self, text: str) -> None:
        self.value.set_full(text)


class ChangeRow(QWidget):
    """ "PSNR (Y)            26.42 → **35.10 dB**" """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = QLabel(name)
        self.name.setProperty("role", "secondary")
        self.before, self.after = QLabel(), QLabel()
        self.after.setProperty("role", "strong")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.name)
        layout.addStretch(1)
        layout.addWidget(self.before)
        layout.addWidget(self.after)

    def set_values(self, before: str, after: str) -> None:
        self.before.setText(f"{before} →" if after else before)
        self.after.setText(after)
        self.after.setVisible(bool(after))


class DetailCombo(QComboBox):
    """A combo box whose items have a quiet second word at the right ("derain-s      1.4 M · bundled")."""

    def __init__(self, name: str, tooltip: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setToolTip(tooltip)
        self.setItemDelegate(_DetailDelegate(self))
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def add(self, text: str, detail: str, data: Any, enabled: bool = True, tooltip: str = "") -> None:
        self.addItem(text, data)
        row = self.count() - 1
        self.setItemData(row, detail, DETAIL_ROLE)
        if tooltip:
            self.setItemData(row, tooltip, Qt.ItemDataRole.ToolTipRole)
        if not enabled:
            item = self.model().item(row)  # type: ignore[attr-defined]
            item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEnabled)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()  # scrolling the inspector must not change a setting on the way

    def showPopup(self) -> None:
        """As wide as its words, wherever the closed box is."""
        view = self.view()
        bar = view.verticalScrollBar().sizeHint().width() if self.count() > self.maxVisibleItems() else 0
        view.setMinimumWidth(max(self.width(), view.sizeHintForColumn(0) + bar))
        super().showPopup()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        text = option.currentText
        option.currentText = ""
        style = self.style()
        style.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option, painter, self)
        inner = style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self
        ).adjusted(2, 0, -4, 0)
        detail = str(self.currentData(DETAIL_ROLE) or "")
        _paint_two(painter, inner, text, detail, option.palette, self.isEnabled())
        painter.end()


class _DetailDelegate(QStyledItemDelegate):
    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        self.initStyleOption(option, index)
        text = option.text
        option.text = ""
        style = option.widget.style() if option.widget else QApplication.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        enabled = bool(index.flags() & Qt.ItemFlag.ItemIsEnabled)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        rect = option.rect.adjusted(8, 0, -8, 0)
        _paint_two(painter, rect, text, str(index.data(DETAIL_ROLE) or ""), option.palette, enabled, selected)

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        size = super().sizeHint(option, index)
        detail = str(index.data(DETAIL_ROLE) or "")
        extra = option.fontMetrics.horizontalAdvance(detail) + 40
        return QSize(min(size.width() + extra, 480), max(size.height(), 28))


def _paint_two(
    painter: QPainter,
    rect: QRect,
    text: str,
    detail: str,
    palette: QPalette,
    enabled: bool,
    selected: bool = False,
) -> None:
    group = QPalette.ColorGroup.Normal if enabled else QPalette.ColorGroup.Disabled
    strong = QPalette.ColorRole.HighlightedText if selected and enabled else QPalette.ColorRole.Text
    quiet = strong if selected or not enabled else QPalette.ColorRole.PlaceholderText
    metrics = painter.fontMetrics()
    align = Qt.AlignmentFlag.AlignVCenter
    # the text goes first; a detail that does not fit beside it as it is would be a riddle
    text_px = min(metrics.horizontalAdvance(text), max(rect.width() * 3 // 5, 48))
    if metrics.horizontalAdvance(detail) > rect.width() - text_px - 12:
        detail = ""
    room = rect.width() - (metrics.horizontalAdvance(detail) + 12 if detail else 0)
    painter.setPen(palette.color(group, strong))
    painter.drawText(
        rect, Qt.AlignmentFlag.AlignLeft | align, metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, room)
    )
    painter.setPen(palette.color(group, quiet))
    painter.drawText(rect, Qt.AlignmentFlag.AlignRight | align, detail)


class SnugScroll(QScrollArea):
    """As tall as what is in it when there is room, scrolling when there is not."""

    def __init__(self, inside: QWidget) -> None:
        super().__init__()
        self._inside = inside
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inside.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._inside and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)

    def sizeHint(self) -> QSize:
        inside = self._inside
        height = inside.heightForWidth(self.width()) if inside.hasHeightForWidth() else -1
        hint = inside.sizeHint()
        return QSize(hint.width(), max(height, hint.height()) + 2)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self.updateGeometry()  # wrapped sentences change their height with the width


class DropButton(QPushButton):
    """A button that also takes one dropped file."""

    dropped = Signal(str)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.setAcceptDrops(True)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        local = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if local:
            event.acceptProposedAction()
            self.dropped.emit(local[0])


class DragHandle(QPushButton):
    """Drag it out of the window to hand the result over. ``pressed`` is the moment to get it ready."""

    drag_started = Signal()

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.setAccessibleName(name)
        self._press: QPoint | None = None
        self.setCursor(Qt.CursorShape.OpenHandCursor)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._press = event.position().toPoint()
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._press is None or not event.buttons() & Qt.MouseButton.LeftButton:
            return
        far = (event.position().toPoint() - self._press).manhattanLength()
        if far >= QApplication.startDragDistance():
            self._press = None
            self.setDown(False)
            self.drag_started.emit()


class ProblemBox(QFrame):
    """What happened, why, what to do, and the details for a report. Hidden while there is no problem."""

    details_requested = Signal(str)  # text for the clipboard

    def __init__(self) -> None:
        super().__init__()
        self._problem: Problem | None = None
        self.setProperty("role", "problem")
        self.what, self.why, self.todo = QLabel(), QLabel(), QLabel()
        self.what.setProperty("role", "strong")
        self.what.setAccessibleName("What happened")
        self.why.setAccessibleName("Why")
        self.todo.setAccessibleName("What to do")
        for label in (self.why, self.todo):
            label.setProperty("role", "secondary")
        for label in (self.what, self.why, self.todo):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.copy = QPushButton("Copy details")
        self.copy.setToolTip("Copy the technical details for a report")
        self.copy.setAccessibleName("Copy details")
        self.copy.clicked.connect(
            lambda: self.details_requested.emit(self._problem.details if self._problem else "")
        )
        inner = column(4, self.what, self.why, self.todo)
        inner.setContentsMargins(12, 10, 12, 10)
        row = QHBoxLayout()
        row.addWidget(self.copy)
        row.addStretch(1)
        inner.addSpacing(4)
        inner.addLayout(row)
        self.setLayout(inner)

    def show_problem(self, problem: Problem | None) -> None:
        self._problem = problem
        self.setVisible(problem is not None)
        if problem is None:
            return
        self.what.setText(problem.what)
        self.why.setText(problem.why)
        self.why.setVisible(bool(problem.why))
        self.todo.setText(problem.todo)
        self.todo.setVisible(bool(problem.todo))
        self.copy.setVisible(bool(problem.details))


def column(spacing: int, *widgets: QWidget) -> QVBoxLayout:
    layout = QVBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(spacing)
    for widget in widgets:
        layout.addWidget(widget)
    return layout
