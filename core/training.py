"""Training as a job: a frozen recipe in, checkpoints and events out.

A run folder (:mod:`core.run_folder`) holds ``recipe.toml`` (what runs), ``state.json`` (how far it is),
``curve.jsonl`` (one line a report, validation or setback), ``checkpoints/step-N.safetensors`` (everything needed to
go on, the newest two kept), ``model/`` (the averaged weights with the best validation score) and ``film/``.

Resuming is exact: every random choice depends on (seed, step), never on how the process got there.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor

from core import atomic, checkpoint, metrics, training_state
from core.events import CheckpointSaved, FilmFrame, Notice, StepDone, TrainStarted, Validated
from core.guidance import MaskError
from core.image_types import ImageError
from core.jobs import Cancelled, Emit, JobControl
from core.problems import describe
from core.recipe import TrainRecipe
from core.run_folder import (
    DONE,
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    RunBusy,
    RunDamaged,
    RunFolder,
    RunState,
    TrainingError,
)
from core.sampling import Prefetcher, Sample
from core.tensors import choose_device, choose_precision
from core.training_curve import Curve
from core.training_data import read_data
from core.training_film import Film
from core.training_guard import MOST_IN_A_ROW, Guard
from core.training_learner import Learner, learning_rate
from core.training_state import Checkpoints
from core.training_steering import Disk, Steering, StopAsked
from core.training_validation import Scores, score

__all__ = ["TrainResult", "TrainingError", "learning_rate", "train"]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a finished run leaves behind."""

    model: Path
    steps: int
    best_psnr_db: (
        float  # where there are masks, the mean of without and with them; -inf before the first validation
    )
    best_step: int
    seconds: float  # of this sitting
    stopped: bool = False  # ended early because it was asked to; it can go on later


def train(
    recipe: TrainRecipe,
    data: tuple[Path, ...],
    out: Path,
    emit: Emit,
    control: JobControl,
    *,
    resume: bool = False,
    device: str = "auto",
) -> TrainResult:
    """Train by ``recipe`` into the run folder ``out``, which nobody else may write to meanwhile.

    A full disk is waited for (:class:`core.events.TrainWaiting`), an exploding loss sends the run back to its last
    good checkpoint with a lower rate, a device without enough memory gets the batch in parts; the latter two are
    told with a :class:`core.events.Notice`.

    Args:
        data: what DATA stands for in the recipe's folders; with ``resume`` empty for what the run was begun with.
        control: a :class:`core.jobs.TrainControl` can also ask to save or to stop.
        resume: go on from the newest checkpoint that loads; its recipe must be this one.
        device: ``"auto"`` or a device's name.

    Raises:
        RecipeError: a folder of the recipe does not exist or holds nothing usable.
        TrainingError: ``out`` already holds a run and ``resume`` is off, or holds another recipe's; the loss explodes
            again and again; memory does not do for the crops of one photo; a photo or the run's folder is gone.
        RunBusy: somebody else trains in ``out``.
        OSError: the run's folder cannot be written to.
        Cancelled: stopped by ``control``; a checkpoint was saved first.
    """
    folder = RunFolder(out)
    if folder.is_locked():
        raise RunBusy(out)
    before = _state_before(folder, emit) if resume else None
    if before is not None and not data:
        data = tuple(Path(path) for path in before.data)
    run = _Run(recipe, data, folder, emit, control, device, before)
    with folder.locked():
        return run.go(resume)


class _Exploded(Exception):
    """The loss or the weights cannot be gone on with; the message says what is wrong with them."""


class _Run:
    def __init__(
        self,
        recipe: TrainRecipe,
        data: tuple[Path, ...],
        folder: RunFolder,
        emit: Emit,
        control: JobControl,
        device: str,
        before: RunState | None,
    ) -> None:
        self.recipe, self.folder, self.emit, self.control = recipe, folder, emit, control
        self.data = tuple(str(path.absolute()) for path in data)
        self.checkpoints, self.curve = Checkpoints(folder.checkpoints), Curve(folder.path)
        self.steering = Steering(control, self._save_checkpoint, self._tell_paused)
        self.disk = Disk(folder.path, emit, self.steering.refuse_if_stopping, self._tell_waiting)
        self.device = choose_device(device)
        self.precision = choose_precision(recipe.precision, self.device)
        self.source, self.examples, self.photos = read_data(recipe, data)
        self.film = Film(folder.film, self.examples)
        self.learner = self._new_learner()
        self.guard = Guard()
        self.validated_step = 0
        self.window: list[dict[str, Tensor]] = []  # the steps since the last report
        self.unwritten: list[dict[str, Any]] = []  # lines of the curve
        self.best_psnr_db, self.best_step = float("-inf"), 0
        self.is_lost = False  # exploded for good: not worth keeping
        self.process = psutil.Process()
        self.began, self.began_waited_s = time.monotonic(), control.waited_s
        self.last_saved = self.began
        self.first_began = before.started if before else time.time()
        self.seconds_before = before.seconds if before else 0.0

    def _new_learner(self) -> Learner:
        def tell(text: str) -> None:
            self.emit(Notice(text))

        return Learner(self.recipe, self.device, self.precision, self.source.has_masks, tell)

    @property
    def step(self) -> int:
        return self.learner.step

    # --- the loop ------------------------------------------------------------------------------------

    def go(self, resume: bool) -> TrainResult:
        resumed = self._prepare_folder(resume)
        stopped = False
        try:
            self._tell_state(RUNNING)
            self.film.begin(self.disk.write)
            self.emit(
                TrainStarted(
                    self.step, self.recipe.steps, self.learner.parameters, self.photos, self.device, self.precision,
                    resumed,
                )
            )  # fmt: skip
            try:
                self._learn_all()
            except StopAsked:
                stopped = self.step < self.recipe.steps or self.validated_step < self.step
                self._leave_a_model()
            self._tell_state(STOPPED if stopped else DONE, patient=not stopped)
        except BaseException as error:
            self._keep_what_there_is()
            broken = isinstance(error, Exception) and not isinstance(error, Cancelled | StopAsked)
            self._tell_state(FAILED, describe(error).sentence, patient=False) if broken else self._tell_state(
                STOPPED, patient=False
            )
            raise
        seconds = time.monotonic() - self.began
        return TrainResult(self.folder.model, self.step, self.best_psnr_db, self.best_step, seconds, stopped)

    def _learn_all(self) -> None:
        while True:
            try:
                with contextlib.closing(self._batches()) as batches:
                    if self._is_due() and self.validated_step < self.step:  # stopped in the midst of it
                        self._validate()
                    for _ in self._steps(batches):
                        self.steering.look()
                return
            except _Exploded as error:
                reason = str(error)
            self._go_back(reason)

    def _batches(self) -> Prefetcher:
        return Prefetcher(
            lambda step: self.source.batch(step, self.recipe.batch), self.step, self.recipe.steps
        )

    def _is_due(self) -> bool:
        """Whether this step ends with a validation."""
        return self.step > 0 and (
            self.step % self.recipe.validate_every == 0 or self.step == self.recipe.steps
        )

    def _worked_s(self) -> float:
        """A clock that stands still while the job is paused or waits for the disk."""
        paused_s = self.control.waited_s - self.began_waited_s
        return time.monotonic() - self.began - paused_s - self.disk.waited_s

    def _steps(self, batches: Prefetcher) -> Iterator[int]:
        recipe = self.recipe
        waited = 0.0
        since = self._worked_s()
        first, began = self.step, since
        reported = first
        while self.step < recipe.steps:
            before = time.monotonic()
            samples = self._samples(batches.take)
            waited += time.monotonic() - before
            self.window.append(self.learner.learn(samples))
            due = self._is_due()
            if self.step % recipe.log_every == 0 or due:
                now = self._worked_s()
                left = (recipe.steps - self.step) * (now - began) / (self.step - first)
                self._report(self.step - reported, now - since, waited, left)
                waited, reported = 0.0, self.step
                if due:
                    self._validate()
                if due or time.monotonic() - self.last_saved > 60 * recipe.checkpoint_minutes:
                    self._save_checkpoint()
                since = self._worked_s()
            yield self.step

    def _samples(self, take: Callable[[], Sample]) -> Sample:
        """Raises TrainingError: a photo that was there is gone or damaged."""
        try:
            return take()
        except (ImageError, MaskError, OSError) as error:
            path = getattr(error, "path", None) or getattr(error, "filename", None)
            where = f" ({path})" if path else ""
            raise TrainingError(
                f"step {self.step + 1}: a training photo cannot be read any more: {error}{where}; the run goes on "
                "from here once it is back"
            ) from error

    def _report(self, steps: int, seconds: float, waited: float, left: float) -> None:
        """Means over the window; the speed is that of the ``steps`` of it which this process made."""
        window, self.window = self.window, []
        names = dict.fromkeys(name for entry in window for name in entry)
        means = {
            name: float(torch.stack([entry[name].float() for entry in window if name in entry]).mean())
            for name in names
        }
        loss, norm = means.pop("loss"), means.pop("grad_norm")
        if wrong := self.guard.judge(loss, self.learner.is_finite()):
            raise _Exploded(wrong)
        event = StepDone(
            step=self.step,
            loss=loss,
            terms=means,
            lr=learning_rate(self.recipe, self.step - 1) * self.learner.lr_scale,
            grad_norm=norm,
            images_per_s=steps * self.recipe.batch / max(seconds, 1e-9),
            data_wait=waited / max(seconds, 1e-9),
            seconds_left=left,
            process_mb=round(self.process.memory_info().rss / 1e6, 1),
            device_mb=_device_mb(self.device),
        )
        self._log({"kind": "step", "step": self.step, "loss": loss, "lr": event.lr, "grad_norm": norm, **means,
                   "images_per_s": round(event.images_per_s, 2), "data_wait": round(event.data_wait, 4),
                   "process_mb": event.process_mb, "device_mb": event.device_mb})  # fmt: skip
        self.emit(event)
        if (drawn := self.learner.shaper.take_drawn()) is not None:
            self.emit(drawn)

    # --- when the loss explodes ----------------------------------------------------------------------

    def _go_back(self, reason: str) -> None:
        """To the last checkpoint from before the trouble, or to the start, with a lower rate."""
        failed, setbacks, count = self.step, self.guard.setbacks, self.guard.in_a_row
        back = self._load_first(
            file
            for file in self.checkpoints.files()
            if training_state.read_state(file).get("suspicious", 0) == 0
        )
        if back is None:
            self._begin_anew()
        self.guard.setbacks = setbacks
        if setbacks and setbacks[-1].step == self.step and count >= MOST_IN_A_ROW:
            self.is_lost = True
            raise TrainingError(
                f"step {failed}: {reason}, also after going back to step {self.step} {count} times with ever lower "
                "rates; a lower learning rate or other data may help"
            )
        setback = self.guard.note_setback(self.step, failed, reason)
        self.learner.lr_scale = setback.lr_scale
        # first of all: whoever resumes from here must know of it, and not of what came after
        self._save_checkpoint()
        self.disk.write(lambda: self._trim(self.step, self.validated_step))
        self.emit(
            Notice(
                f"In step {failed} {reason}: went back to step {self.step}, and the learning rate is now "
                f"{setback.lr_scale:.3g} times that of the recipe."
            )
        )

    def _begin_anew(self) -> None:
        part = self.learner.part
        self.learner = self._new_learner()
        self.learner.part = part
        self.guard = Guard()
        self.window, self.unwritten = [], []
        self.validated_step, self.best_psnr_db, self.best_step = 0, float("-inf"), 0

    # --- validation ----------------------------------------------------------------------------------

    def _validate(self) -> None:
        began = time.monotonic()
        scores = score(
            self.learner.averaged(), self.examples, self.recipe.task, self.device, self.steering.look, self.film.watch
        )  # fmt: skip
        batch = None
        if scores.usage is not None:  # the one just learnt from
            batch = self._samples(lambda: self.source.batch(self.step - 1, self.recipe.batch))
        is_best = scores.deciding_db > self.best_psnr_db
        if is_best:
            self.disk.write(lambda: self._save_model(scores))
        self.film.keep(self.step, self.disk.write)
        # from here to the end of the block nothing waits and nothing can be asked to stop
        self.learner.is_whole = False
        if is_best:
            self.best_psnr_db, self.best_step = scores.deciding_db, self.step
        memory: dict[str, float] = {}
        if scores.usage is not None and batch is not None:
            memory = self.learner.renew_memory(scores.usage, batch)
        if scores.silent is not None:
            memory["memory_silent"] = round(scores.silent, 4)
        self.validated_step = self.step
        self.learner.is_whole = True
        guided = {} if scores.psnr_guided_db is None else {"psnr_guided_db": scores.psnr_guided_db, "ssim_guided": scores.ssim_guided}  # fmt: skip
        self._log({"kind": "validation", "step": self.step, "psnr_db": scores.psnr_db, "ssim": scores.ssim, **guided, "is_best": is_best, **memory})  # fmt: skip
        self.emit(
            Validated(
                step=self.step,
                psnr_db=scores.psnr_db,
                ssim=scores.ssim,
                input_psnr_db=scores.input_psnr_db,
                protocol=metrics.PROTOCOLS[scores.protocol],
                is_best=is_best,
                seconds=time.monotonic() - began,
                psnr_guided_db=scores.psnr_guided_db,
                memory=memory,
            )
        )
        self.emit(FilmFrame(self.step, str(self.folder.film)))

    def _save_model(self, scores: Scores | None) -> None:
        """The averaged weights; ``scores`` None: nobody has measured them."""
        validation: dict[str, Any] | None = None
        if scores is not None:
            validation = {
                "psnr_db": round(scores.psnr_db, 3),
                "ssim": round(scores.ssim, 4),
                "input_psnr_db": round(scores.input_psnr_db, 3),
                "protocol": metrics.PROTOCOLS[scores.protocol],
                "photos": scores.photos,
            }
            if scores.psnr_guided_db is not None:
                validation["psnr_guided_db"] = round(scores.psnr_guided_db, 3)
        provenance = {
            "recipe": self.recipe.without_places(),
            "recipe_sha256": self.recipe.sha256(),
            "step": self.step,
            "training_photos": self.photos,
            "validation": validation,
            "guidance": self.source.has_masks and self.recipe.guidance_share > 0,
        }
        checkpoint.save(
            self.folder.model, self.learner.network, name=self.recipe.name, task=self.recipe.task,
            provenance=provenance, state=self.learner.average,
        )  # fmt: skip

    # --- telling -------------------------------------------------------------------------------------

    def _tell_state(self, state: str, reason: str = "", patient: bool = True) -> None:
        """``patient``: wait for room on the disk; else what cannot be written is not, for something waits already."""
        now = RunState(
            state=state,
            step=self.step,
            steps=self.recipe.steps,
            best_psnr_db=self.best_psnr_db if np.isfinite(self.best_psnr_db) else None,
            best_step=self.best_step,
            seconds=round(self.seconds_before + self._worked_s(), 3),
            started=self.first_began,
            data=self.data,
            device=self.device,
            precision=self.precision,
            parameters=self.learner.parameters,
            reason=reason,
        )
        if patient:
            self.disk.write(lambda: self.folder.write_state(now))
            return
        with contextlib.suppress(OSError, TrainingError):
            self.disk.write_once(lambda: self.folder.write_state(now))

    def _tell_paused(self, paused: bool) -> None:
        self._tell_state(PAUSED if paused else RUNNING, patient=False)

    def _tell_waiting(self, reason: str) -> None:
        self._tell_state(PAUSED if reason else RUNNING, reason, patient=False)

    def _log(self, entry: dict[str, Any]) -> None:
        """A line of the curve. While there is no room for it, checkpoints carry it."""
        self.unwritten.append(entry)
        self.disk.write(lambda: self.curve.append(self.unwritten))
        self.unwritten = []

    # --- keeping -------------------------------------------------------------------------------------

    def _prepare_folder(self, resume: bool) -> str | None:
        """Name of the checkpoint gone on from; None when there is none."""
        out, stored = self.folder.path, self.folder.recipe_file
        if stored.exists():
            if not resume:
                raise TrainingError(
                    f"{out}: already holds a run; go on with it (--resume) or choose another folder"
                )
            if TrainRecipe.from_toml(stored).sha256() != self.recipe.sha256():
                raise TrainingError(
                    f"{out}: holds a run of another recipe; a run goes on with its own recipe only"
                )
        else:
            self.disk.write(lambda: atomic.write_text(stored, self.recipe.to_toml()))
        if not resume:
            return None
        files = self.checkpoints.files()
        found = self._load_first(iter(files))
        if files and found is None:  # beginning anew would write over the curve and the best model
            raise TrainingError(
                f"{out}: none of its {len(files)} checkpoints can be read; start again in another folder"
            )
        self.disk.write(lambda: self._trim(self.step, self.validated_step))
        return None if found is None else found.name

    def _load_first(self, files: Iterator[Path]) -> Path | None:
        """Take on the first checkpoint that can be."""
        for file in files:
            try:
                self._restore_state(*training_state.read(file))
            except (checkpoint.CheckpointError, KeyError, TypeError, ValueError, RuntimeError) as error:
                self.emit(Notice(f"{file.name} cannot be read ({error}) and is passed over"))
                continue
            return file
        return None

    def _trim(self, step: int, validated_step: int) -> None:
        """What was written after the step that is gone on from will be written again."""
        self.checkpoints.remove_later_than(step)
        self.curve.truncate(step, validated_step, self.guard.setbacks, self.unwritten)
        self.unwritten = []
        self.film.trim(validated_step)

    def _keep_what_there_is(self) -> None:
        """Whatever stopped us, what was learned since the last checkpoint is worth keeping. Never raises OSError."""
        if self.is_lost or not (self.learner.is_whole and self.learner.is_finite()):
            return
        try:
            self._save_checkpoint(patient=False)
        except (OSError, TrainingError) as error:
            self._tell_unkept(error)

    def _tell_unkept(self, error: Exception) -> None:
        kept = next(
            (file.stem.removeprefix("step-").lstrip("0") or "0" for file in self.checkpoints.files()), None
        )
        older = f"step {kept} is kept" if kept is not None else "no earlier step is kept"
        self.emit(Notice(f"Step {self.step} could not be kept, {older}. {describe(error).sentence}"))

    def _leave_a_model(self) -> None:
        """For a run that is to end before its time: a checkpoint, and a model even before the first validation."""
        if self.best_step == 0 and self.step > 0:
            self.disk.write_once(lambda: self._save_model(None))
        self._keep_what_there_is()

    def _save_checkpoint(self, patient: bool = True) -> None:
        state = {
            "step": self.step,
            "best_psnr_db": self.best_psnr_db if np.isfinite(self.best_psnr_db) else None,
            "best_step": self.best_step,
            "validated_step": self.validated_step,
            "window": [{name: float(value) for name, value in entry.items()} for entry in self.window],
            "unwritten": self.unwritten,
            "guard": self.guard.as_dict(),
            "suspicious": self.guard.suspicious,
            "part": self.learner.part,
            "recipe_sha256": self.recipe.sha256(),
        }
        write = self.disk.write if patient else self.disk.write_once
        tensors = self.learner.tensors()
        # while the loss is suspicious nothing older may go: it may have to be gone back to
        file = write(
            lambda: self.checkpoints.save(self.step, tensors, state, keep_all=self.guard.suspicious > 0)
        )
        self.last_saved = time.monotonic()
        self._tell_state(RUNNING, patient=patient)
        self.emit(CheckpointSaved(self.step, str(file), self.best_step == self.step))

    def _restore_state(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        if state["recipe_sha256"] != self.recipe.sha256():
            raise ValueError("it belongs to another recipe")
        guard = Guard.from_dict(state["guard"]) if "guard" in state else Guard()
        best = state["best_psnr_db"]
        best_psnr_db, best_step = float("-inf") if best is None else float(best), int(state["best_step"])
        window = [
            {name: torch.tensor(value, device=self.device) for name, value in entry.items()}
            for entry in state.get("window", ())
        ]
        self.learner.restore(tensors, int(state["step"]))
        self.learner.lr_scale = guard.lr_scale
        self.learner.part = min(int(state.get("part", self.recipe.batch)), self.recipe.batch)
        self.guard, self.window, self.unwritten = guard, window, list(state.get("unwritten", ()))
        self.validated_step = int(state.get("validated_step", self.step))
        self.best_psnr_db, self.best_step = best_psnr_db, best_step


def _state_before(folder: RunFolder, emit: Emit) -> RunState | None:
    """What the last sitting wrote. A damaged record is no reason not to go on."""
    try:
        return folder.state()
    except RunDamaged as error:
        emit(Notice(f"{error}; what it says is passed over"))
        return None


def _device_mb(device: str) -> float | None:
    """Memory that torch holds on the device, in use or for the next step. Waits for nothing."""
    if device.startswith("cuda"):
        return round(torch.cuda.memory_reserved(torch.device(device)) / 1e6, 1)
    if device == "mps":
        return round(torch.mps.driver_allocated_memory() / 1e6, 1)
    return None
