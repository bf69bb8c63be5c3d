"""The curves of one training run, fed by its events or read from its folder. Knows no widget."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from core import foreign_text
from core.events import StepDone, TrainStarted, Validated, deciding_db
from core.jobs import Cancelled
from core.training.run_folder import RunDamaged, RunFolder, iterate_curve
from memorynet_gui.base.background import Background
from memorynet_gui.curves.series import SMOOTHING, Series

CHANGED_MS = 200
"""Not more often than this do views hear of new points."""
_AT_ONCE_BYTES = 256_000  # read in a few milliseconds; more is read on another thread
DECIDING = "psnr_deciding_db"
"""The series a run with masks is judged by: the mean of without and with them. Others are by ``psnr_db``."""
_STEP, _VALIDATION, _OTHER = 0, 1, 2
_KINDS = {"step": _STEP, "validation": _VALIDATION}
_NO_CURVES = frozenset({"kind", "step", "input_psnr_db", "protocol"})
_LOOK_UP_EVERY = 1024  # lines; how soon a reading that nobody wants any more ends


class Curves:
    """Series by name, of steps and of validations. Not a QObject: it may be filled on any thread."""

    def __init__(self, smoothing: float = SMOOTHING) -> None:
        self._smoothing = smoothing
        self.of_steps: dict[str, Series] = {}
        self.of_validations: dict[str, Series] = {}
        self.input_psnr_db: float | None = None
        self.protocol = ""  # a key of core.images.metrics.PROTOCOLS

    def get(self, name: str) -> Series | None:
        return self.of_steps.get(name) or self.of_validations.get(name)

    def add_steps(self, step: int, values: Mapping[str, float | None]) -> None:
        """What is there from ``step`` on, validations included, belongs to a course that was given up."""
        for series in (*self.of_steps.values(), *self.of_validations.values()):
            series.cut(step)
        self._add(self.of_steps, step, values)

    def add_validation(self, step: int, values: Mapping[str, float | None]) -> None:
        """A validation follows the report of its own step."""
        for series in self.of_steps.values():
            series.cut(step + 1)
        for series in self.of_validations.values():
            series.cut(step)
        self._add(self.of_validations, step, values)

    def cut_after(self, step: int) -> None:
        """Forget what comes after ``step``: a run goes on from there."""
        for series in (*self.of_steps.values(), *self.of_validations.values()):
            series.cut(step + 1)

    def _add(self, into: dict[str, Series], step: int, values: Mapping[str, float | None]) -> None:
        for name, value in values.items():
            if value is not None:
                self.series(into, name).append(step, float(value))

    def series(self, into: dict[str, Series], name: str) -> Series:
        if name not in into:
            into[name] = Series(name, self._smoothing)
        return into[name]


def read(run: Path, smoothing: float = SMOOTHING, is_wanted: Callable[[], bool] = lambda: True) -> Curves:
    """The curves of a run's folder; empty ones when it has none yet. No Qt in here: for any thread.

    A course that was given up (a line is followed by one of an earlier step) does not appear.

    Raises:
        Cancelled: ``is_wanted`` said no.
        OSError, RunDamaged: the file cannot be read.
    """
    steps, kinds = array("q"), array("b")
    rows: dict[str, array[int]] = {}
    numbers: dict[str, array[float]] = {}
    of_validation: set[str] = set()
    curves = Curves(smoothing)
    for count, line in enumerate(iterate_curve(run)):
        if count % _LOOK_UP_EVERY == 0 and not is_wanted():
            raise Cancelled
        if not isinstance(line, dict) or type(line.get("step")) is not int:
            continue
        kind = _KINDS.get(str(line.get("kind")), _OTHER)
        if kind == _OTHER:
            continue
        row = len(steps)
        steps.append(line["step"])
        kinds.append(kind)
        if kind == _VALIDATION:
            _take_note(curves, line.get("input_psnr_db"), line.get("protocol"))
            plain, guided = line.get("psnr_db"), line.get("psnr_guided_db")
            if isinstance(plain, (int, float)) and isinstance(guided, (int, float)):
                line[DECIDING] = deciding_db(plain, guided)
        for name, value in line.items():
            if name in _NO_CURVES or not isinstance(value, (int, float)):
                continue
            if name not in rows:
                rows[name], numbers[name] = array("q"), array("d")
                if kind == _VALIDATION:
                    of_validation.add(name)
            rows[name].append(row)
            numbers[name].append(value)
    step, stays = _what_stays(np.array(steps, np.int64), np.array(kinds, np.int8))
    for name, listed in rows.items():
        at = np.array(listed, np.int64)
        at, values = at[stays[at]], np.array(numbers[name], np.float64)[stays[at]]
        into = curves.of_validations if name in of_validation else curves.of_steps
        series = curves.series(into, name)
        series.extend(step[at], values)
        series.build()
    if curves.input_psnr_db is None:
        _note_of_model(run, curves)
    return curves


def _what_stays(steps: np.ndarray, kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) steps and whether a line stays, by the rules of :meth:`Curves.add_steps` and ``add_validation``."""
    never = np.iinfo(np.int64).max

    def lowest_later(kind: int) -> np.ndarray:
        own = np.where(kinds == kind, steps, never)
        return np.append(np.minimum.accumulate(own[::-1])[::-1][1:], never)

    if not len(steps):
        return steps, np.zeros(0, bool)
    later_step, later_validation = lowest_later(_STEP), lowest_later(_VALIDATION)
    is_step = kinds == _STEP
    stays = steps < later_step
    stays &= np.where(is_step, steps <= later_validation, steps < later_validation)
    return steps, stays


def _take_note(curves: Curves, input_psnr_db: Any, protocol: Any) -> None:
    if isinstance(input_psnr_db, (int, float)):
        curves.input_psnr_db = float(input_psnr_db)
    if isinstance(protocol, str) and protocol:
        curves.protocol = _key_of(protocol)


def _key_of(protocol: str) -> str:
    """ "Y" for the sentence that stands for it (or for "Y" itself); empty for one that is not known."""
    from core.images.metrics import PROTOCOLS

    known = {sentence: key for key, sentence in PROTOCOLS.items()}
    return known.get(protocol, protocol if protocol in PROTOCOLS else "")


def _note_of_model(run: Path, curves: Curves) -> None:
    """Where lines lack the score of the untouched input it stands with the best model. No model: it is unknown."""
    try:
        config = foreign_text.read_json(RunFolder(run).model / "config.json")
        validation = config["provenance"]["validation"]
        _take_note(curves, validation.get("input_psnr_db"), validation.get("protocol"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return


class CurveStore(QObject):
    """Holds the curves of the run that is looked at. ``changed`` comes at most five times a second."""

    changed = Signal()
    loaded = Signal()  # what load() was asked for is there
    failed = Signal(object)  # Exception: the folder's curve could not be read

    def __init__(self, parent: QObject | None = None, smoothing: float = SMOOTHING) -> None:
        super().__init__(parent)
        self._smoothing = smoothing
        self._curves = Curves(smoothing)
        self._early: list[object] | None = None  # events that came while the folder was being read
        self._stop_reading: threading.Event | None = None
        self._background: Background | None = None
        self._last_s = float("-inf")
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._tell)

    # --- in --------------------------------------------------------------------------------------

    def append(self, event: object) -> None:
        """Take in an event of the run; those that are no part of a curve are passed over."""
        if self._early is not None:
            self._early.append(event)
            return
        if isinstance(event, StepDone):
            self._curves.add_steps(event.step, _of_step(event))
        elif isinstance(event, Validated):
            _take_note(self._curves, event.input_psnr_db, event.protocol)
            self._curves.add_validation(event.step, _of_validation(event))
        elif isinstance(event, TrainStarted):
            self._curves.cut_after(event.step)
        else:
            return
        self._change()

    def load(self, run_folder: Path, *, keep: bool = False) -> None:
        """Replace everything by what a run's folder holds. Long curves are read on another thread.

        ``loaded`` or ``failed`` follows, at once for a short curve. Events that come meanwhile are kept for after.
        ``keep``: of the same run, so that what is there stays until the new is read.
        """
        before = self._curves
        self.clear()
        if keep:
            self._curves = before
        try:
            size = RunFolder(run_folder).curve_file.stat().st_size
        except OSError:
            size = 0
        if size <= _AT_ONCE_BYTES:
            try:
                self._take(read(run_folder, self._smoothing))
            except (OSError, RunDamaged) as error:
                self.failed.emit(error)
            return
        stop = self._stop_reading = threading.Event()
        self._early = []
        if self._background is None:
            self._background = Background(self)
        smoothing = self._smoothing
        self._background.call(
            lambda: read(run_folder, smoothing, lambda: not stop.is_set()),
            lambda curves: self._read(stop, curves, None),
            lambda error: self._read(stop, None, error),
        )

    def clear(self) -> None:
        """Forget everything; a reading under way is given up."""
        if self._stop_reading is not None:
            self._stop_reading.set()
        self._stop_reading, self._early = None, None
        self._curves = Curves(self._smoothing)
        self._change()

    def shut_down(self) -> None:
        """Give up reading and wait for it. Nothing is loaded after this."""
        if self._stop_reading is not None:
            self._stop_reading.set()
        if self._background is not None:
            self._background.shut_down()
        self._timer.stop()

    def _read(self, stop: threading.Event, curves: Curves | None, error: Exception | None) -> None:
        if stop is not self._stop_reading:
            return  # something else is wanted by now
        early, self._early = self._early or [], None
        self._stop_reading = None
        if curves is not None:
            self._take(curves)
        for event in early:
            self.append(event)
        if error is not None:
            self.failed.emit(error)

    def _take(self, curves: Curves) -> None:
        self._curves = curves
        self._change()
        self.loaded.emit()

    # --- out -------------------------------------------------------------------------------------

    @property
    def is_loading(self) -> bool:
        return self._early is not None

    @property
    def names(self) -> tuple[str, ...]:
        """Of every series, those of steps first, in the order in which they came up."""
        return (*self._curves.of_steps, *self._curves.of_validations)

    @property
    def step_names(self) -> tuple[str, ...]:
        return tuple(self._curves.of_steps)

    def series(self, name: str) -> Series | None:
        """None when nothing of that name has come yet. Not to be kept: another run brings others."""
        return self._curves.get(name)

    def newest(self, name: str, smoothed: bool = False) -> float | None:
        found = self._curves.get(name)
        if not found:
            return None
        return float((found.smoothed if smoothed else found.values)[-1])

    @property
    def last_step(self) -> int:
        """0 while there is nothing."""
        every = (*self._curves.of_steps.values(), *self._curves.of_validations.values())
        return max((int(series.steps[-1]) for series in every if len(series)), default=0)

    @property
    def best(self) -> tuple[int, float] | None:
        """(step, PSNR in dB) of the weights that are kept as the model; the score they were chosen by."""
        marks = self._curves.get("is_best")
        scores = self._curves.get(DECIDING) or self._curves.get("psnr_db")
        if not marks or not scores:
            return None
        at = np.flatnonzero(marks.values > 0)
        if not len(at):
            return None
        step = int(marks.steps[at[-1]])
        index = scores.nearest(step)
        assert index is not None
        return step, float(scores.values[index])

    @property
    def input_psnr_db(self) -> float | None:
        """Of the validation photos as they were given; None when that is not known."""
        return self._curves.input_psnr_db

    @property
    def protocol(self) -> str:
        """What the scores are measured on, "Y" or "RGB"; empty when that is not known."""
        return self._curves.protocol

    # --- telling ---------------------------------------------------------------------------------

    def _change(self) -> None:
        if not self._timer.isActive():
            since_ms = 1000 * (time.monotonic() - self._last_s)
            self._timer.start(int(min(max(CHANGED_MS - since_ms, 0), CHANGED_MS)))

    def _tell(self) -> None:
        self._last_s = time.monotonic()
        self.changed.emit()


def _of_step(event: StepDone) -> dict[str, float | None]:
    return {
        "loss": event.loss,
        "lr": event.lr,
        "grad_norm": event.grad_norm,
        **event.terms,
        "images_per_s": event.images_per_s,
        "data_wait": event.data_wait,
        "process_mb": event.process_mb or None,  # 0: not measured
        "device_mb": event.device_mb,
    }


def _of_validation(event: Validated) -> dict[str, float | None]:
    return {
        "psnr_db": event.psnr_db,
        "ssim": event.ssim,
        "psnr_guided_db": event.psnr_guided_db,
        DECIDING: None if event.psnr_guided_db is None else event.deciding_db,
        "is_best": float(event.is_best),
        **event.memory,
    }
