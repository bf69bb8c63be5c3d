"""The error dialog: what happened, why, what to do, and the details for a report."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDesktopServices,
    QGuiApplication,
    QPainter,
    QPaintEvent,
    QPalette,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from memorynet_gui.base.problems import Problem, title
from memorynet_gui.look import icons
from memorynet_gui.widgets.buttons import text_button

WIDTH_PX = 520
OPEN_MAX = 3
_DETAILS_PX = 200

log = logging.getLogger(__name__)


class _Mark(QWidget):
    """The sign at the left, in the palette's colour for what is wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(QSize(24, 24))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        colour = self.palette().color(QPalette.ColorRole.BrightText)
        icons.draw(painter, "mdi6.alert-circle-outline", QRectF(self.rect()), colour)
        painter.end()


class ErrorDialog(QDialog):
    """One problem. ``modal`` only where going on could lose work."""

    closed = Signal()

    def __init__(
        self,
        problem: Problem,
        parent: QWidget | None = None,
        modal: bool = False,
        log_file: Path | None = None,
    ) -> None:
        super().__init__(parent)
        self.problem = problem
        self.count = 1
        self._log_file = log_file
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(modal)
        self.setWindowTitle(title(problem))
        self.what = _words(problem.what, "strong")
        self.why = _words(problem.why, "")
        self.todo = _words(problem.todo, "")
        self.times = _words("", "caption")
        self.times.hide()
        self.copy = text_button(
            "Copy details", "Copy what happened, with the technical details, for a report"
        )
        self.copy.clicked.connect(self.copy_details)
        self.show_details = text_button("Show details", "The technical details, for a report")
        self.show_details.setCheckable(True)
        self.show_details.toggled.connect(self._toggle_details)
        self.open_log = text_button("Open log folder", "Show the folder with the program's log")
        self.open_log.setVisible(log_file is not None)
        self.open_log.clicked.connect(self._open_log)
        self.close_button = text_button("Close", "Close this message (Esc)")
        self.close_button.setProperty("role", "primary")
        self.close_button.setDefault(True)
        self.close_button.clicked.connect(self.close)
        self.details = QPlainTextEdit(problem.details)
        self.details.setReadOnly(True)
        self.details.setAccessibleName("Details")
        self.details.setToolTip("The technical details, for a report")
        self.details.setMinimumHeight(_DETAILS_PX)
        self.details.setProperty("role", "mono")
        self.details.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.details.setTabChangesFocus(True)
        self.details.hide()
        self._lay_out()
        self.close_button.setFocus()

    def _lay_out(self) -> None:
        words = QVBoxLayout()
        words.setSpacing(8)
        for label in (self.what, self.why, self.todo, self.times):
            words.addWidget(label)
        words.addStretch(1)
        top = QHBoxLayout()
        top.setSpacing(16)
        top.addWidget(_Mark(), 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(words, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        for button in (self.copy, self.show_details, self.open_log):
            buttons.addWidget(button)
        buttons.addStretch(1)
        buttons.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 16)
        layout.setSpacing(16)
        layout.addLayout(top)
        layout.addWidget(self.details, 1)
        layout.addLayout(buttons)
        # Qt's own minimum reckons with the words at their narrowest
        layout.setSizeConstraint(QVBoxLayout.SizeConstraint.SetNoConstraint)
        self.setMinimumWidth(WIDTH_PX)
        self._fit()

    def _fit(self) -> None:
        layout = self.layout()
        assert layout is not None
        width = max(self.width() if self.isVisible() else 0, WIDTH_PX)
        height = layout.totalHeightForWidth(width)
        self.setMinimumHeight(height)
        self.resize(width, height)

    # --- what it does --------------------------------------------------------------------------

    def report(self) -> str:
        """What "Copy details" copies."""
        times = f"\n(happened {self.count} times)" if self.count > 1 else ""
        return f"{self.problem.sentence}{times}\n\n{self.problem.details}\n"

    def copy_details(self) -> None:
        QGuiApplication.clipboard().setText(self.report())
        self.copy.setText("Copied")
        QTimer.singleShot(1500, self.copy, lambda: self.copy.setText("Copy details"))

    def again(self) -> None:
        """The same happened once more."""
        self.count += 1
        self.times.setText(f"Happened {self.count:,} times.")
        self.times.show()
        self._fit()

    def _toggle_details(self, shown: bool) -> None:
        self.details.setVisible(shown)
        self.show_details.setText("Hide details" if shown else "Show details")
        self._fit()

    def _open_log(self) -> None:
        if self._log_file is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._log_file.parent)))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange and self.layout() is not None:
            self._fit()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._fit()  # only now do the labels have the font they are shown in

    def closeEvent(self, event: QCloseEvent) -> None:
        self.closed.emit()
        super().closeEvent(event)

    def reject(self) -> None:
        self.close()  # Esc: the same way out as the button


class ErrorDialogs:
    """Shows problems, each once: a repetition counts up, and beyond OPEN_MAX open ones the log has to do."""

    def __init__(self, parent: QWidget | None, log_file: Callable[[], Path | None] = lambda: None) -> None:
        self._parent, self._log_file = parent, log_file
        self._open: list[ErrorDialog] = []

    @property
    def open(self) -> tuple[ErrorDialog, ...]:
        return tuple(self._open)

    def show(self, problem: Problem, modal: bool = False) -> ErrorDialog | None:
        """The dialog it is told in, None when there are too many already."""
        for dialog in self._open:
            if (dialog.problem.what, dialog.problem.why) == (problem.what, problem.why):
                dialog.again()
                return dialog
        if len(self._open) >= OPEN_MAX:
            log.error("not shown, %d messages are open: %s", OPEN_MAX, problem.sentence)
            return None
        dialog = ErrorDialog(problem, self._parent, modal, self._log_file())
        self._open.append(dialog)
        dialog.closed.connect(lambda: self._open.remove(dialog) if dialog in self._open else None)
        dialog.show()
        return dialog


def _words(text: str, role: str) -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
    policy.setHeightForWidth(True)  # a new policy forgets that the words wrap
    label.setSizePolicy(policy)
    if not text:
        label.hide()  # showing one that has no parent yet would open a window
    if role:
        label.setProperty("role", role)
    return label
