"""Runs training: one run at a time through a worker of its own, what comes back goes out as signals.

An order is frozen when it starts. While photos are restored the run stands between two steps, and goes on by itself. A
run that ends, however it ends, ends with one :class:`TrainEnding`, after the worker is free again.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from core.events import CheckpointSaved, Notice, StepDone, TrainStarted, TrainWaiting, Validated
from core.jobs import Cancelled, Emit, JobControl, TrainControl
from core.problems import Problem
from core.training.recipe import TrainRecipe
from core.training.run_folder import RunDamaged, RunFolder
from memorynet_gui.base.jobs import JobRunner
from memorynet_gui.base.problems import describe
from memorynet_gui.newrun import ready
from memorynet_gui.train.awake import StayAwake

if TYPE_CHECKING:
    from core.training.trainer import TrainResult

DONE, STOPPED, FAILED = "done", "stopped", "failed"
SHUT_DOWN_MS = 120_000
"""How long closing may wait for the last step and its checkpoint; the window is hidden meanwhile."""

log = logging.getLogger(__name__)

Train = Callable[["TrainOrder", Emit, JobControl], Any]


@dataclass(frozen=True, slots=True)
class TrainOrder:
    """Everything a run needs, frozen when it was started."""

    recipe: TrainRecipe
    data: tuple[Path, ...]
    folder: Path
    resume: bool = False
    device: str = "auto"
    tensorboard: bool = False  # event files beside the run; needs the extra of that name

    @property
    def name(self) -> str:
        """What people know the run by: its folder's name."""
        return self.folder.name


@dataclass(frozen=True, slots=True)
class TrainEnding:
    """How a run ended and what is left of it."""

    order: TrainOrder
    kind: str  # DONE STOPPED FAILED
    step: int  # the last one that was told
    kept_step: int  # of the newest checkpoint of this sitting; 0: none
    best_psnr_db: float | None
    best_step: int
    seconds: float  # worked, over all sittings
    problem: Problem | None = None
    asked: bool = False  # a person stopped it


def train_run(order: TrainOrder, emit: Emit, control: JobControl) -> TrainResult:
    """The job, on the worker: torch is imported here and not before.

    Raises what training raises, and :class:`core.extras.MissingExtra`.
    """
    control.checkpoint()  # other work may go first
    ready.for_training()
    from core.training import trainer as training
    from core.training.tensorboard_log import TensorBoardLog

    board = TensorBoardLog(order.folder, emit) if order.tensorboard else None

    def tell(event: object) -> None:
        emit(event)
        if board is not None:
            board.tell(event)

    try:
        result = training.train(
            order.recipe, order.data, order.folder, tell, control, resume=order.resume, device=order.device
        )
        if not result.stopped:
            from core.doctor.aftercare import calibrate_run

            with contextlib.suppress(Cancelled):  # the run is done, whatever comes of this
                calibrate_run(order.recipe, order.data, result.model, order.device, tell, control)
        return result
    finally:
        if board is not None:
            board.close()


class TrainFlow(QObject):
    """``start`` begins, ``pause``, ``resume``, ``save_now`` and ``stop`` steer."""

    began = Signal(object)  # TrainOrder: the worker has it
    event_came = Signal(object)  # every event of the run, in order
    progressed = Signal()  # what the properties answer has changed
    notice = Signal(str)  # a sentence for the banner
    ended = Signal(object)  # TrainEnding; the worker is free

    def __init__(
        self,
        runner: JobRunner,
        awake: StayAwake | None = None,
        train: Train | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._runner, self._train = runner, train or train_run
        self._awake = awake or StayAwake()
        self._order: TrainOrder | None = None
        self._control = TrainControl()
        self._ending: TrainEnding | None = None
        self._asked_to_stop = self._closing = False
        self._forget()
        runner.event.connect(self._event)
        runner.finished.connect(self._finished)
        runner.failed.connect(self._failed)
        runner.cancelled.connect(self._cancelled)
        runner.ended.connect(self._worker_free)
        runner.paused_changed.connect(self._paused_changed)
        runner.held_changed.connect(self._held_changed)

    def _forget(self) -> None:
        self.started: TrainStarted | None = None
        self.last_step: StepDone | None = None
        self.kept: CheckpointSaved | None = None
        self.waits_because: str | None = None
        self.best_psnr_db: float | None = None
        self.best_step = 0
        self._kept_at = 0.0
        self._before_s = 0.0  # worked in earlier sittings
        self._worked_s = 0.0  # up to the last pause
        self._since = 0.0  # the clock runs since then; 0: it stands

    # --- state -----------------------------------------------------------------------------------

    @property
    def order(self) -> TrainOrder | None:
        """What trains now."""
        return self._order

    @property
    def busy(self) -> bool:
        return self._order is not None

    @property
    def paused(self) -> bool:
        return self.busy and self._runner.paused

    @property
    def stopping(self) -> bool:
        return self.busy and self._runner.cancelling

    @property
    def finishing(self) -> bool:
        """Whether the last step is behind it, or somebody has asked it to end: it is over in a moment."""
        return self.busy and (self.stopping or self.step >= self._order.recipe.steps)  # type: ignore[union-attr]

    @property
    def held(self) -> bool:
        """Whether the run stands so that other work goes first."""
        return self.busy and self._runner.held

    def trains(self, folder: Path) -> bool:
        """Whether the run of this folder is the one that trains here."""
        return self._order is not None and self._order.folder == folder

    @property
    def step(self) -> int:
        if self.last_step is not None:
            return self.last_step.step
        return self.started.step if self.started is not None else 0

    @property
    def elapsed_s(self) -> float:
        """Worked on this run, pauses left out, earlier sittings included."""
        running = time.monotonic() - self._since if self._since else 0.0
        return self._before_s + self._worked_s + running

    @property
    def kept_age_s(self) -> float | None:
        """Since the newest checkpoint of this sitting; None before it."""
        return time.monotonic() - self._kept_at if self.kept is not None else None

    def text(self) -> str:
        """ "Training rain-s-13 · step 8,120 of 10,000" """
        if self._order is None:
            return ""
        if self.stopping:
            return f"Stopping {self._order.name}…"
        parts = [f"Training {self._order.name}"]
        if self.waits_because is not None:
            parts.append("waiting")
        elif self.started is None:
            parts.append("getting ready")
        elif self.finishing:
            parts.append("finishing")
        else:
            parts.append(f"step {self.step:,} of {self._order.recipe.steps:,}")
        if self.held:
            parts.append("lets other work go first")
        return " · ".join(parts)

    def share(self) -> float | None:
        """0..1; None until the first step."""
        if self._order is None or self.started is None:
            return None
        return min(self.step / self._order.recipe.steps, 1.0)

    def seconds_left(self) -> float | None:
        return self.last_step.seconds_left if self.last_step is not None else None

    # --- asking ----------------------------------------------------------------------------------

    def start(self, order: TrainOrder) -> bool:
        """Begin, as soon as nothing else is at work. False while another run trains; then nothing has happened."""
        if self._runner.busy or self._closing:
            return False
        self._forget()
        self._order = order
        self._ending = None
        self._asked_to_stop = False
        self._before_s = _worked_before(order)
        self._control = TrainControl()
        train = self._train
        self._runner.start(lambda emit, control: train(order, emit, control), self._control)
        self._start_clock()
        self._awake.hold()
        self.began.emit(order)
        self.progressed.emit()
        return True

    def pause(self) -> None:
        if self.busy:
            self._runner.pause()

    def resume(self) -> None:
        if self.busy:
            self._runner.resume()

    def save_now(self) -> None:
        """A checkpoint after the step at hand, also while paused."""
        if self.busy:
            self._control.save_now()

    def stop(self) -> None:
        """End after the step at hand; the run stays and its model can be used."""
        if self.busy:
            self._asked_to_stop = True
            self._runner.stop()
            self.progressed.emit()

    def shut_down(self) -> None:
        """Checkpoint, and wait for it; the run goes on from there next time."""
        self._closing = True
        if self.busy:
            self._asked_to_stop = True
            self._runner.shut_down(SHUT_DOWN_MS)
        self._awake.shut_down()

    # --- hearing ---------------------------------------------------------------------------------

    def _event(self, event: Any) -> None:
        if self._order is None:
            return
        if isinstance(event, TrainStarted):
            self.started = event
        elif isinstance(event, StepDone):
            self.last_step = event
        elif isinstance(event, Validated):
            if event.is_best:
                self.best_psnr_db, self.best_step = event.deciding_db, event.step
        elif isinstance(event, CheckpointSaved):
            self.kept, self._kept_at = event, time.monotonic()
        elif isinstance(event, TrainWaiting):
            self.waits_because = event.reason
            self._stop_clock()  # to wait for a disk is no work
            self._start_clock()
        elif isinstance(event, Notice):
            self.notice.emit(f"{self._order.name}: {event.text}")
        self.event_came.emit(event)
        self.progressed.emit()

    def _paused_changed(self, is_paused: bool) -> None:
        if not self.busy:
            return
        if is_paused:
            self._stop_clock()
            self._awake.release()  # a pause may last: the machine need not stay up for it
        else:
            self._start_clock()
            self._awake.hold()
        self.progressed.emit()

    def _held_changed(self, is_held: bool) -> None:
        if not self.busy:
            return
        if is_held:
            self._stop_clock()
        else:
            self._start_clock()
        self.progressed.emit()

    def _start_clock(self) -> None:
        """If there is work."""
        if self.waits_because is None and not self.paused and not self.held:
            self._since = time.monotonic()

    def _stop_clock(self) -> None:
        if self._since:
            self._worked_s += time.monotonic() - self._since
            self._since = 0.0

    def _finished(self, result: Any) -> None:
        if self.busy:
            self._end(STOPPED if getattr(result, "stopped", False) else DONE)

    def _failed(self, error: Any) -> None:
        if self.busy:
            self._end(FAILED, describe(error))

    def _cancelled(self) -> None:
        if self.busy:
            self._end(STOPPED)

    def _end(self, kind: str, problem: Problem | None = None) -> None:
        assert self._order is not None
        self._stop_clock()
        self._awake.release()
        self._ending = TrainEnding(
            self._order,
            kind,
            self.step,
            self.kept.step if self.kept is not None else 0,
            self.best_psnr_db,
            self.best_step,
            self.elapsed_s,
            problem,
            self._asked_to_stop,
        )

    def _worker_free(self) -> None:
        """Only now may the next job start, and everybody has heard of this one."""
        ending, self._ending = self._ending, None
        if ending is not None:
            self._order = None
            self.ended.emit(ending)
            self.progressed.emit()


def _worked_before(order: TrainOrder) -> float:
    if not order.resume:
        return 0.0
    try:
        state = RunFolder(order.folder).state()
    except (OSError, RunDamaged) as error:  # training will say what is wrong with it
        log.info("%s: %s", order.folder, error)
        return 0.0
    return state.seconds if state is not None else 0.0
