"""What is looked at before training costs time: the dataset doctor's findings, and what the run will take."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QHelpEvent, QImage, QPainter, QPainterPath, QPaintEvent, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QToolTip, QVBoxLayout, QWidget

from memorynet_gui.base.thumbnails import image_from_rgb
from memorynet_gui.look.theme import set_role
from memorynet_gui.widgets.parts import Row

if TYPE_CHECKING:
    from core.doctor.examination import DoctorReport, Finding
    from core.training.estimate import Estimate

_PAIR_PX, _GAP_PX = 72, 8
_PATHS_IN_TOOLTIP = 20
_WORD_AT_MOST = 48  # characters: a longer name does not wrap and would be cut at the row's end
_ROLES = {"error": "error", "warning": "warning", "note": "secondary"}
_SIGNS = {"error": "✕", "warning": "!", "note": "·"}
_WORDS = {"error": "Stops training", "warning": "Worth a look", "note": "Good to know"}


class CheckPanel(QWidget):
    """A button that asks for something to be looked at, the progress of that, and a place for what was found."""

    requested = Signal()
    cancel_requested = Signal()

    def __init__(self, ask: str, ask_again: str, tooltip: str, words: str) -> None:
        super().__init__()
        self._ask, self._ask_again, self._words = ask, ask_again, words
        self.button = QPushButton(ask)
        self.button.setAccessibleName(ask)
        self.button.setToolTip(tooltip)
        self.button.clicked.connect(self.requested)
        self.summary = QLabel(words)
        self.summary.setWordWrap(True)
        set_role(self.summary, "caption")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(f"Progress: {ask.lower()}")
        self.cancel = QPushButton("Cancel")
        self.cancel.setAccessibleName(f"Cancel: {ask.lower()}")
        self.cancel.setToolTip("Stop looking")
        self.cancel.setProperty("compact", True)
        self.cancel.clicked.connect(self.cancel_requested)
        top = QHBoxLayout()
        top.setSpacing(12)
        top.addWidget(self.button)
        top.addWidget(self.summary, 1)
        top.addWidget(self.cancel)
        self.found = QWidget()
        self._found = QVBoxLayout(self.found)
        self._found.setContentsMargins(0, 4, 0, 0)
        self._found.setSpacing(6)
        self.found.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(top)
        layout.addWidget(self.bar)
        layout.addWidget(self.found)
        self._busy(False)

    def begin(self) -> None:
        """Somebody was asked; an answer or a problem follows."""
        self.clear()
        self._busy(True)
        self.bar.setRange(0, 0)
        self._say("…", "caption")

    def show_progress(self, text: str, share: float | None) -> None:
        """``share`` 0..1, None when unknown."""
        self.bar.setRange(0, 1000 if share is not None else 0)
        if share is not None:
            self.bar.setValue(round(1000 * min(max(share, 0.0), 1.0)))
        self._say(text, "caption")

    def show_problem(self, sentence: str) -> None:
        self._busy(False)
        self._say(sentence, "error")

    def set_stale(self) -> None:
        """What it was found for has changed."""
        if not self.found.isHidden():
            self.clear()
            self._say("The recipe or the photos have changed since.", "caption")

    def clear(self) -> None:
        while (item := self._found.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.setParent(None)
                widget.deleteLater()
        self.found.hide()
        self.button.setText(self._ask)
        self._busy(False)
        self._say(self._words, "caption")

    def _answer(self, summary: str, role: str, widgets: list[QWidget]) -> None:
        self.clear()
        self.button.setText(self._ask_again)
        for widget in widgets:
            self._found.addWidget(widget)
        self.found.setVisible(bool(widgets))
        self._say(summary, role)

    def _busy(self, on: bool) -> None:
        self.bar.setVisible(on)
        self.cancel.setVisible(on)
        self.button.setEnabled(not on)

    def _say(self, text: str, role: str) -> None:
        self.summary.setText(text)
        set_role(self.summary, role)


class DoctorPanel(CheckPanel):
    """Findings by severity, and pairs to look at. What a finding names can be left out, and taken back in."""

    leave_requested = Signal(object)  # tuple[str, ...], names for the recipe
    take_back_requested = Signal(object)

    def __init__(self) -> None:
        self._rows: list[_FindingRow] = []
        self._report: DoctorReport | None = None
        self._left: frozenset[str] = frozenset()  # by the recipe that was looked at
        super().__init__(
            "Check the photos",
            "Check again",
            "Look into every photo: partners, sizes, alignment, repeats, files that cannot be read. Nothing is changed.",
            "Finds what would spoil the training, before it costs time.",
        )

    @property
    def stops(self) -> bool:
        """Whether something that was found would stop training and is not left out."""
        return any(row.finding.severity == "error" and not row.is_left_out for row in self._rows)

    def clear(self) -> None:
        self._rows, self._report = [], None
        super().clear()

    def set_left_out(self, names: Collection[str]) -> None:
        """What the recipe leaves out now: all that it left out when it was looked at, and perhaps more."""
        if self._report is None:
            return
        for row in self._rows:
            row.set_left_out(names)
        self._say(*self._summary(len(set(names) - self._left)))

    def _summary(self, left_since: int) -> tuple[str, str]:
        """What was found in a sentence or two, and its role."""
        report = self._report
        assert report is not None
        trained = []
        if report.photos:
            trained.append(_many(report.photos, "photo"))
        if report.pairs:
            trained.append(_many(report.pairs, "pair"))
        head = f"{' and '.join(trained) or 'Nothing'} to learn from, {report.validation_count:,} to score on"
        if report.left_out:
            head += f", {report.left_out:,} left out"
        if left_since:
            head = f"{left_since:,} left out since"
        open_rows = [row.finding.severity for row in self._rows if not row.is_left_out]
        errors, warnings = open_rows.count("error"), open_rows.count("warning")
        more = " more" if left_since else ""
        if errors:
            return f"{head}. {_many(errors, f'{more} thing'.strip())} would stop training.", "error"
        if warnings:
            return f"{head}. {_many(warnings, f'{more} thing'.strip())} worth a look.", "warning"
        return f"{head}. Nothing{' else' if left_since else ''} wrong was found.", "ok"

    def show_report(
        self, report: DoctorReport, folders: Sequence[str] = (), left_out: Sequence[str] = ()
    ) -> None:
        """``folders`` of the recipe stand in findings by their names alone: their paths are in the tooltips.

        ``left_out``: the names that the recipe left out when it was looked at.
        """
        rows = [_FindingRow(finding, folders) for finding in report.findings]
        for row in rows:
            row.leave_requested.connect(self.leave_requested)
            row.take_back_requested.connect(self.take_back_requested)
        widgets: list[QWidget] = [*rows]
        if report.examples:
            strip = PairStrip()
            strip.set_pairs(
                [
                    (item.name, image_from_rgb(item.input), image_from_rgb(item.target))
                    for item in report.examples
                ]
            )
            made = any(item.is_made for item in report.examples)
            caption = QLabel("Damaged by the program and clean" if made else "Damaged and clean")
            set_role(caption, "caption")
            widgets += [strip, caption]
        self._answer("", "caption", widgets)
        self._rows, self._report, self._left = rows, report, frozenset(left_out)
        self.set_left_out(left_out)


class _FindingRow(QWidget):
    """What was found, a way to the files, and one to leave them out."""

    leave_requested = Signal(object)  # tuple[str, ...]
    take_back_requested = Signal(object)

    def __init__(self, finding: Finding, folders: Sequence[str]) -> None:
        super().__init__()
        self.finding = finding
        self.is_left_out = False
        sentence = finding.text
        for named in sorted(folders, key=len, reverse=True):
            sentence = sentence.replace(f"{named}:", f"{Path(named).name}:")
        role = _ROLES.get(finding.severity, "secondary")
        self._role = role
        self._sign = sign = QLabel()
        sign.setFixedWidth(12)
        self._text = text = QLabel(_shortened(sentence))
        text.setWordWrap(True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        more = len(finding.paths) - _PATHS_IN_TOOLTIP
        names = [str(path) for path in finding.paths[:_PATHS_IN_TOOLTIP]]
        if not names and text.text() != sentence:
            names = [sentence]
        tooltip = "\n".join([*names, f"and {more:,} more"] if more > 0 else names)
        for label in (sign, text):
            label.setToolTip(tooltip or _WORDS.get(finding.severity, ""))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(text, 1)
        self._leave: QPushButton | None = None
        if finding.leave_out:
            self._leave = QPushButton()
            self._leave.setProperty("compact", True)
            set_role(self._leave, "quiet")
            self._leave.clicked.connect(self._toggle)
            row.addWidget(self._leave, 0, Qt.AlignmentFlag.AlignTop)
        if finding.paths:
            folder = finding.paths[0].parent
            show = QPushButton("Show")
            show.setAccessibleName(f"Show {finding.paths[0].name} in its folder")
            show.setToolTip(f"Open {folder}")
            show.setProperty("compact", True)
            show.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))))
            row.addWidget(show, 0, Qt.AlignmentFlag.AlignTop)
        self._show_state()

    def set_left_out(self, names: Collection[str]) -> None:
        """``names``: all that the recipe leaves out."""
        self.is_left_out = bool(self.finding.leave_out) and set(self.finding.leave_out) <= set(names)
        self._show_state()

    def _toggle(self) -> None:
        wish = self.take_back_requested if self.is_left_out else self.leave_requested
        wish.emit(self.finding.leave_out)

    def _show_state(self) -> None:
        severity, left = self.finding.severity, self.is_left_out
        self._sign.setText("·" if left else _SIGNS.get(severity, "·"))
        self._sign.setAccessibleName("Left out" if left else _WORDS.get(severity, severity))
        set_role(self._sign, "secondary" if left else self._role)
        set_role(self._text, "secondary" if left or severity == "note" else "")
        if self._leave is None:
            return
        names = self.finding.leave_out
        one = len(names) == 1
        shown = ", ".join(names[:_PATHS_IN_TOOLTIP]) + (" and more" if len(names) > _PATHS_IN_TOOLTIP else "")
        if left:
            words, why = "Take back in", "Train with them again"
        else:
            words = "Leave it out" if one else "Leave these out"
            why = "Train without: the files stay as they are, the recipe names them under Left out"
        self._leave.setText(words)
        self._leave.setAccessibleName(f"{words}: {shown}")
        self._leave.setToolTip(f"{why}.\n{shown}")


def _shortened(text: str) -> str:
    """Long names without their middle."""
    half = _WORD_AT_MOST // 2
    return re.sub(
        rf"\S{{{_WORD_AT_MOST + 1},}}", lambda found: f"{found[0][:half]}…{found[0][1 - half :]}", text
    )


class PairStrip(QWidget):
    """Pairs as squares, damaged left and clean right; as many as there is room for."""

    def __init__(self) -> None:
        super().__init__()
        self._pairs: list[tuple[str, QImage, QImage]] = []
        self.setFixedHeight(_PAIR_PX)
        self.setAccessibleName("Pairs of damaged and clean photos")

    def set_pairs(self, pairs: list[tuple[str, QImage, QImage]]) -> None:
        self._pairs = pairs
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(3 * (2 * _PAIR_PX + _GAP_PX), _PAIR_PX)

    @property
    def shown_count(self) -> int:
        return min(len(self._pairs), max(1, (self.width() + _GAP_PX) // (2 * _PAIR_PX + 1 + _GAP_PX)))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        for at in range(self.shown_count):
            left = at * (2 * _PAIR_PX + 1 + _GAP_PX)
            shape = QPainterPath()
            shape.addRoundedRect(QRectF(left, 0, 2 * _PAIR_PX + 1, _PAIR_PX), 4, 4)
            painter.setClipPath(shape)
            painter.fillPath(shape, self.palette().color(QPalette.ColorRole.Window))
            for side, image in enumerate(self._pairs[at][1:]):
                square = QRectF(left + side * (_PAIR_PX + 1), 0, _PAIR_PX, _PAIR_PX)
                edge = min(image.width(), image.height())
                middle = QRectF((image.width() - edge) / 2, (image.height() - edge) / 2, edge, edge)
                painter.drawImage(square, image, middle)
        painter.end()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            at = event.pos().x() // (2 * _PAIR_PX + 1 + _GAP_PX)
            if 0 <= at < self.shown_count:
                QToolTip.showText(event.globalPos(), self._pairs[at][0], self)
                return True
        return super().event(event)


class EstimatePanel(CheckPanel):
    """Time, memory and a suggestion that can be taken."""

    use_requested = Signal(int, int)  # batch, patch_px

    def __init__(self) -> None:
        super().__init__(
            "Estimate time and memory",
            "Estimate again",
            "Run a few steps, really, and say what the whole would take on this machine",
            "A few real steps tell how long it takes here.",
        )

    def show_estimate(self, estimate: Estimate, batch: int, patch_px: int) -> None:
        """``batch`` and ``patch_px`` are the recipe's, which the suggestion is compared with."""
        summary = (
            f"About {duration_text(estimate.total_seconds)} on {estimate.device} in {estimate.precision}."
        )
        rows: list[QWidget] = [
            Row("A step", f"{estimate.seconds_per_step:.3g} s · {estimate.images_per_s:.3g} crops/s"),
            Row("Checks in between", duration_text(estimate.validation_seconds)),
            Row("Memory", memory_text(estimate)),
        ]
        if estimate.data_wait > 0.05:
            rows.append(
                Row(
                    "Waiting for photos",
                    f"{estimate.data_wait:.0%} of a step",
                    "Smaller photos are read faster",
                )
            )
        suggested = (estimate.suggested_batch, estimate.suggested_patch_px)
        is_same = suggested == (batch, patch_px)
        if not is_same or estimate.reason:
            rows.append(self._suggestion(estimate, is_same))
        self._answer(summary, "ok" if estimate.fits else "warning", rows)

    def _suggestion(self, estimate: Estimate, is_same: bool) -> QWidget:
        box = QWidget()
        row = QHBoxLayout(box)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        batch, patch_px = estimate.suggested_batch, estimate.suggested_patch_px
        reason = estimate.reason.rstrip(".")
        head = (
            "Batch and patch suit this machine"
            if is_same
            else f"Better here: batch {batch}, patch {patch_px} px"
        )
        words = QLabel(f"{head}: {reason}." if reason else f"{head}.")
        words.setWordWrap(True)
        set_role(words, "secondary" if is_same else "")
        row.addWidget(words, 1)
        if not is_same:
            use = QPushButton("Use it")
            use.setAccessibleName("Use the suggested batch and patch")
            use.setToolTip(f"Put batch {batch} and patch {patch_px} px into the recipe")
            use.clicked.connect(lambda: self.use_requested.emit(batch, patch_px))
            row.addWidget(use, 0, Qt.AlignmentFlag.AlignTop)
        return box


def duration_text(seconds: float) -> str:
    """ "40 s", "12 min", "3 h 20 min", "2 days 4 h" """
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 36:
        return f"{hours} h {minutes} min" if hours < 10 and minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{_many(days, 'day')} {hours} h" if hours else _many(days, "day")


def memory_text(estimate: Estimate) -> str:
    parts = [f"{estimate.peak_mb / 1000:.1f} GB of this computer"]
    if estimate.device_peak_mb is not None:
        parts.insert(0, f"{estimate.device_peak_mb / 1000:.1f} GB of {estimate.device}")
    return f"{' · '.join(parts)} · {estimate.free_mb / 1000:.1f} GB free"


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
