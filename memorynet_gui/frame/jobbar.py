"""The bar at the bottom: what computes and with how much memory; the running job and how to stop it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from memorynet_gui.base.words import clock, size_text
from memorynet_gui.look.theme import set_surface
from memorynet_gui.widgets.glyph import GlyphButton
from memorynet_gui.widgets.parts import Elided

if TYPE_CHECKING:
    from core.model.tensors import Device

HEIGHT_PX = 30
_METER = QSize(180, 4)
_BUTTON = QSize(24, 24)
_MEMORY_POLL_MS = 2000
_BUSY_STEP_MS = 40


def device_text(device: Device) -> str:
    """``CPU · bf16 · 2 threads``: kind, fastest precision, and how many threads share the work."""
    kind, _, rest = device.title.partition(", ")
    return " · ".join(part for part in (kind, device.precisions[0], rest) if part)


class Meter(QWidget):
    """A thin line that fills; a piece that wanders while the share is unknown."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._share: float | None = 0.0
        self._phase = 0.0
        self._wander = QTimer(self)
        self._wander.setInterval(_BUSY_STEP_MS)
        self._wander.timeout.connect(self._step)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(60)
        self.setAccessibleName("Progress")

    def sizeHint(self) -> QSize:
        return _METER

    @property
    def share(self) -> float | None:
        return self._share

    def set_share(self, share: float | None) -> None:
        self._share = None if share is None else min(max(share, 0.0), 1.0)
        self._run()
        text = "working" if self._share is None else f"{100 * self._share:.0f} %"
        self.setAccessibleDescription(text)
        self.update()

    def showEvent(self, _event: object) -> None:
        self._run()

    def hideEvent(self, _event: object) -> None:
        self._wander.stop()

    def _run(self) -> None:
        if self._share is None and self.isVisible():
            if not self._wander.isActive():
                self._wander.start()
        else:
            self._wander.stop()

    def _step(self) -> None:
        self._phase = (self._phase + 0.02) % 1.0
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        whole = QRectF(0, (self.height() - _METER.height()) / 2, self.width(), _METER.height())
        painter.setBrush(self.palette().color(QPalette.ColorRole.Button))
        painter.drawRoundedRect(whole, 2, 2)
        if self._share is None:
            length = whole.width() / 4
            part = QRectF(
                (whole.width() + length) * self._phase - length, whole.top(), length, whole.height()
            )
            part = part.intersected(whole)
        else:
            part = QRectF(whole.topLeft(), whole.size())
            part.setWidth(whole.width() * self._share)
        if part.width() > 0:
            painter.setBrush(self.palette().color(QPalette.ColorRole.Highlight))
            painter.drawRoundedRect(part, 2, 2)
        painter.end()


@dataclass(frozen=True, slots=True)
class _Told:
    """What one of the two has to say."""

    text: str
    share: float | None
    seconds_left: float | None
    name: str = ""


class JobBar(QWidget):
    """Satisfies :class:`memorynet_gui.base.page.JobBar`. Wishes are signals; the window fulfils them."""

    pause_requested = Signal()
    resume_requested = Signal()
    cancel_requested = Signal()
    turned = Signal()  # from the job to long work, or back

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._is_paused = False
        self._job: _Told | None = None
        self._long: _Told | None = None
        self._was_long = False
        self._controls = (False, False)  # of the job, of long work
        set_surface(self, "bar")
        self.setFixedHeight(HEIGHT_PX)
        self.device = _caption("Starting…")
        self.device.setToolTip("Where photos are restored")
        self.memory = _caption("")
        self.memory.setToolTip("Memory this program uses")
        self.text = Elided()
        self.text.setProperty("role", "caption")
        self.text.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.meter = Meter()
        self.left = _caption("")
        self.pause = GlyphButton("Pause the job", "mdi6.pause", _BUTTON)
        self.cancel = GlyphButton("Cancel the job", "mdi6.close", _BUTTON)
        self.cancel.setToolTip("Stop this")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 0, 10, 0)
        layout.setSpacing(0)
        layout.addWidget(self.device)
        layout.addSpacing(18)
        layout.addWidget(self.memory)
        layout.addSpacing(24)
        layout.addWidget(self.text, 1)
        layout.addSpacing(16)
        layout.addWidget(self.meter)
        layout.addSpacing(16)
        layout.addWidget(self.left)
        layout.addSpacing(8)
        layout.addWidget(self.pause)
        layout.addWidget(self.cancel)
        self.pause.clicked.connect(self._toggle_pause)
        self.cancel.clicked.connect(self.cancel_requested)
        self._poll = QTimer(self)
        self._poll.setInterval(_MEMORY_POLL_MS)
        self._poll.timeout.connect(self.measure_memory)
        self.clear_job()

    def set_devices(self, devices: Sequence[Device]) -> None:
        """Best first; the first is the one ``auto`` takes."""
        self.device.setText(devices[0].title.partition(", ")[0] if devices else "No device")
        if devices:
            self.device.setToolTip(f"Where photos are restored: {device_text(devices[0])}")
        self.measure_memory()
        self._poll.start()

    def set_device_problem(self, text: str) -> None:
        self.device.setText("Restoring is not available")
        self.device.setToolTip(text)

    @property
    def shows_long(self) -> bool:
        """Whether what is seen, and steered by the buttons, is long work."""
        return self._job is None and self._long is not None

    def set_job(self, text: str, share: float | None, seconds_left: float | None) -> None:
        self._job = _Told(text, share, seconds_left)
        self._show()

    def clear_job(self) -> None:
        self._job = None
        self._show()

    def set_long(self, name: str, text: str, share: float | None, seconds_left: float | None) -> None:
        self._long = _Told(text, share, seconds_left, name)
        self._show()

    def clear_long(self) -> None:
        self._long = None
        self._show()

    def set_paused(self, is_paused: bool) -> None:
        self._is_paused = is_paused
        word = "Resume" if is_paused else "Pause"
        self.pause.set_glyph(f"{word} the job", "mdi6.play" if is_paused else "mdi6.pause", word)
        self._show_text()

    def set_cancelling(self) -> None:
        """The job was asked to stop and has not yet."""
        self.text.set_full("Stopping…")
        self.pause.setEnabled(False)
        self.cancel.setEnabled(False)

    def _toggle_pause(self) -> None:
        (self.resume_requested if self._is_paused else self.pause_requested).emit()

    def measure_memory(self) -> None:
        import psutil

        used = psutil.Process().memory_info().rss
        self.memory.setText(size_text(used) + _gpu_text())

    def _show_text(self) -> None:
        work = self._job or self._long
        words = work.text if work is not None else ""
        if self._job is not None and self._long is not None:
            words += f" · {self._long.name} waits meanwhile"
        self.text.set_full(f"Paused · {words}" if self._is_paused and words else words)

    def set_controls(self, of_job: bool, of_long: bool) -> None:
        """Whether the job can be paused and cancelled, and whether long work can."""
        self._controls = (of_job, of_long)
        self.pause.setEnabled(True)
        self.cancel.setEnabled(True)
        self._show()

    def _show(self) -> None:
        work = self._job or self._long
        if work is None:
            self.set_paused(False)
        self._show_text()
        self.meter.set_share(work.share if work is not None else 0.0)
        left = work.seconds_left if work is not None else None
        self.left.setText("" if left is None else f"{clock(left)} left")
        self.meter.setVisible(work is not None)
        self.left.setVisible(work is not None)
        for button in (self.pause, self.cancel):
            button.setVisible(work is not None and self._controls[self.shows_long])
        if self.shows_long != self._was_long:
            self._was_long = self.shows_long
            self.turned.emit()


def _gpu_text() -> str:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "cuda") or not torch.cuda.is_initialized():
        return ""
    held = sum(torch.cuda.memory_reserved(index) for index in range(torch.cuda.device_count()))
    return f" · GPU {size_text(held)}"


def _caption(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "caption")
    return label
