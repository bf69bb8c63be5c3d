"""Training as a job: a frozen recipe in, checkpoints and events out.

A run folder (:mod:`core.training.run_folder`) holds ``recipe.toml`` (what runs), ``state.json`` (how far it is),
``curve.jsonl`` (one line a report, validation or setback), ``checkpoints/step-N.safetensors`` (everything needed to
go on, the newest two kept), ``model/`` (the averaged weights with the best validation score) and ``film/``.

Resuming is exact: every random choice depends on (seed, step), never on how the process got there.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from core.data.guidance import MaskError
from core.data.sampling import Prefetcher, Sample
from core.events import FilmFrame, Notice, StepDone, TrainStarted, Validated
from core.images import metrics
from core.images.types import ImageError, UnreadableFile
from core.jobs import Cancelled, Emit, JobControl, ignore
from core.problems import describe
from core.training import state as training_state
from core.training.guard import MOST_IN_A_ROW
from core.training.kept import KeptRun, agreed, code_of, device_mb, state_before
from core.training.learning.learner import learning_rate
from core.training.ranks import FAIL, Ranks, ranks_here
from core.training.recipe import TrainRecipe
from core.training.run_folder import (
    DONE,
    FAILED,
    RUNNING,
    STOPPED,
    RunFolder,
    TrainingError,
)
from core.training.steering import StopAsked
from core.training.validation import Scores, score

__all__ = ["TrainResult", "TrainingError", "learning_rate", "train"]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a finished run leaves behind."""

    model: Path
    steps: int
    best_psnr_db: float  # -inf before the first validation; with masks the mean of without and with them
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

    Under ``torchrun`` every process calls this alike; they share each batch, and only the first one writes, tells
    events and listens to its ``control``.

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
        PairingError, DegradationError, ImageError, MaskError: see :func:`core.training.data.read_data`.
        CatalogError, CheckpointError: the model to start from is not there, or cannot be loaded.
        DeviceError: no such device.
        TrainingError: ``out`` already holds a run and ``resume`` is off, or holds another recipe's; the loss explodes
            again and again; memory does not do for the crops of one photo; a photo or the run's folder is gone.
        RunBusy: somebody else trains in ``out``.
        OSError: the run's folder cannot be written to.
        Cancelled: stopped by ``control``; a checkpoint was saved first.
    """
    ranks = ranks_here()
    try:
        return _train(recipe, data, RunFolder(out), emit, control, resume, device, ranks)
    finally:
        ranks.close()
        # a run refers to itself in circles, and its photos alone may take gigabytes
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _train(
    recipe: TrainRecipe,
    data: tuple[Path, ...],
    folder: RunFolder,
    emit: Emit,
    control: JobControl,
    resume: bool,
    device: str,
    ranks: Ranks,
) -> TrainResult:
    if not ranks.is_first:  # the first process speaks for all and is spoken to
        emit, control = ignore, JobControl()
    with contextlib.ExitStack() as held:
        with agreed(ranks):
            is_there = folder.path.is_dir()
            if ranks.is_first and is_there:
                held.enter_context(folder.locked())
            before = state_before(folder, emit) if resume else None
            if before is not None and not data:
                data = tuple(Path(path) for path in before.data)
            run = KeptRun(recipe, data, folder, emit, control, device, before, ranks)
            if ranks.is_first and not is_there:  # data that cannot be used leaves no empty folder behind
                held.enter_context(folder.locked())
        return _Loop(run).go(resume)


class _Exploded(Exception):
    """The loss or the weights cannot be gone on with; the message says what is wrong with them."""


class _Loop:
    """Over a run: steps, reports, validations, and the way back when the loss explodes. What changes is the run's."""

    def __init__(self, run: KeptRun) -> None:
        self.run = run

    # --- the loop ------------------------------------------------------------------------------------

    def go(self, resume: bool) -> TrainResult:
        resumed = self.run.prepare_folder(resume)
        stopped = False
        try:
            self.run.apart(lambda: self._begin(resumed))
            try:
                self._learn_all()
            except StopAsked:
                stopped = self.run.step < self.run.recipe.steps or self.run.validated_step < self.run.step
                if self.run.ranks.is_first:
                    self.run.leave_a_model()
            if self.run.ranks.is_first:
                self._warn_of_no_gain()
                if not stopped:
                    self._leave_samples()
                self.run.tell_state(STOPPED if stopped else DONE, patient=not stopped)
        except BaseException as error:
            if self.run.ranks.is_first:
                self._end_badly(error)
            raise
        seconds = time.monotonic() - self.run.began
        return TrainResult(
            self.run.folder.model, self.run.step, self.run.best_psnr_db, self.run.best_step, seconds, stopped
        )

    def _warn_of_no_gain(self) -> None:
        if self.run.step > 0 and self.run.best_step == 0 and self.run.best_psnr_db > float("-inf"):
            self.run.emit(
                Notice(
                    f"No step was better on the validation photos than the model this run started from "
                    f"({self.run.best_psnr_db:.2f} dB): the run's model is still that one. A lower learning rate, or "
                    "photos more like those it will be used on, may help."
                )
            )

    def _leave_samples(self) -> None:
        """What the Memory page shows as alike. The run is done: nothing that goes wrong here makes it undone."""
        from core.training.own_samples import fill_from_run  # reads the recipe's data, as this does

        try:
            filled = fill_from_run(
                self.run.recipe,
                tuple(Path(path) for path in self.run.data),
                self.run.folder.model,
                self.run.device,
                self.run.control,
            )
            if filled is not None:
                counts = ", ".join(f"{one.count} {kind}" for kind, one in filled.kinds.items())
                photos = max(one.photos for one in filled.kinds.values())
                self.run.emit(
                    Notice(
                        f"Samples of {photos} photos of this run were kept beside the model ({counts}): the Memory page shows them."
                    )
                )
        except Cancelled:
            pass
        except Exception as error:
            self.run.emit(Notice(f"No samples were kept beside the model. {describe(error).sentence}"))

    def _begin(self, resumed: str | None) -> None:
        self.run.tell_state(RUNNING)
        self.run.film.begin(self.run.disk.write)
        self.run.emit(
            TrainStarted(
                self.run.step, self.run.recipe.steps, self.run.learner.parameters, self.run.photos, self.run.device, self.run.precision, resumed
            )
        )  # fmt: skip

    def _end_badly(self, error: BaseException) -> None:
        self.run.keep_what_there_is()
        if code_of(error) == FAIL:
            self.run.tell_state(FAILED, describe(error).sentence, patient=False)
        else:
            self.run.tell_state(STOPPED, patient=False)

    def _learn_all(self) -> None:
        while True:
            try:
                with contextlib.closing(self._batches()) as batches:
                    # before the first step, or stopped in the midst of it
                    if self._is_due() and self.run.validated_step < self.run.step:
                        self._validate()
                    self._steps(batches)
                return
            except _Exploded as error:
                reason = str(error)
            self._go_back(reason)

    def _batches(self) -> Prefetcher:
        return Prefetcher(
            lambda step: self.run.source.batch(step, self.run.recipe.batch, self.run.share),
            self.run.step,
            self.run.recipe.steps,
        )

    def _is_due(self) -> bool:
        """Whether this step ends with a validation.

        Before the first step it is what a run starts from: fine-tuning has to be better than that. A new network
        is the identity, whose score every validation tells as that of the input.
        """
        if self.run.step == 0:
            return bool(self.run.recipe.start_from)
        return self.run.step % self.run.recipe.validate_every == 0 or self.run.step == self.run.recipe.steps

    def _steps(self, batches: Prefetcher) -> None:
        recipe = self.run.recipe
        waited = 0.0
        since = self.run.worked_s()
        first, began = self.run.step, since
        reported = first
        while self.run.step < recipe.steps:
            with agreed(self.run.ranks):
                if self.run.ranks.is_first and self.run.step > first:
                    self.run.steering.look()
                before = time.monotonic()
                samples = self._samples(batches.take)
                waited += time.monotonic() - before
            self.run.window.append(self.run.learner.learn(samples))
            if self._is_due() or self.run.step % recipe.log_every == 0:
                now = self.run.worked_s()
                left = (recipe.steps - self.run.step) * (now - began) / (self.run.step - first)
                self._report(self.run.step - reported, now - since, waited, left)
                waited, reported = 0.0, self.run.step
                if self._is_due():
                    self._validate()
                self.run.apart(self._save_checkpoint_if_due)
                since = self.run.worked_s()
        self.run.apart(self.run.steering.look)

    def _save_checkpoint_if_due(self) -> None:
        if self._is_due() or time.monotonic() - self.run.last_saved > 60 * self.run.recipe.checkpoint_minutes:
            self.run.save_checkpoint()

    def _samples(self, take: Callable[[], Sample]) -> Sample:
        """Raises TrainingError: a photo that was there is gone or damaged."""
        try:
            return take()
        except (ImageError, MaskError, OSError) as error:
            path = getattr(error, "path", None) or getattr(error, "filename", None)
            where = f" ({path})" if path else ""
            if isinstance(error, UnreadableFile | OSError):
                what, todo = "cannot be read any more", "the run goes on from here once it is back"
            else:  # it may never have been sound: only decoding tells
                what = "is no use"
                todo = "put a sound copy in its place and go on, or check the photos, leave it out and begin anew"
            raise TrainingError(
                f"Step {self.run.step + 1}: a training photo {what}: {error}{where}; {todo}"
            ) from error

    def _report(self, steps: int, seconds: float, waited: float, left: float) -> None:
        """Means over the window; the speed is that of the ``steps`` of it which this process made."""
        window, self.run.window = self.run.window, []
        names = dict.fromkeys(name for entry in window for name in entry)
        means = {
            name: float(torch.stack([entry[name].float() for entry in window if name in entry]).mean())
            for name in names
        }
        loss, norm = means.pop("loss"), means.pop("grad_norm")
        if wrong := self.run.ranks.from_first(self.run.guard.judge(loss, self.run.learner.is_finite())):
            raise _Exploded(wrong)
        event = StepDone(
            step=self.run.step,
            loss=loss,
            terms=means,
            lr=learning_rate(self.run.recipe, self.run.step - 1) * self.run.learner.lr_scale,
            grad_norm=norm,
            images_per_s=steps * self.run.recipe.batch / max(seconds, 1e-9),
            data_wait=waited / max(seconds, 1e-9),
            seconds_left=left,
            process_mb=round(self.run.process.memory_info().rss / 1e6, 1),
            device_mb=device_mb(self.run.device),
        )
        line = {"kind": "step", "step": self.run.step, "loss": loss, "lr": event.lr, "grad_norm": norm, **means,
                "images_per_s": round(event.images_per_s, 2), "data_wait": round(event.data_wait, 4),
                "process_mb": event.process_mb, "device_mb": event.device_mb}  # fmt: skip
        self.run.apart(lambda: self.run.log(line))
        self.run.emit(event)
        if (drawn := self.run.learner.shaper.take_drawn()) is not None:
            self.run.drawn = drawn
            self.run.emit(drawn)

    # --- when the loss explodes ----------------------------------------------------------------------

    def _go_back(self, reason: str) -> None:
        """To the last checkpoint from before the trouble, or to the start, with a lower rate."""
        failed, setbacks, count = self.run.step, self.run.guard.setbacks, self.run.guard.in_a_row
        files = (
            file
            for file in self.run.checkpoints.files()
            if not training_state.read_state(file).get("suspicious")
        )
        if self.run.take_on(files) is None:
            self.run.begin_anew()
        self.run.guard.setbacks = setbacks
        if setbacks and setbacks[-1].step == self.run.step and count >= MOST_IN_A_ROW:
            self.run.is_lost = True
            raise TrainingError(
                f"step {failed}: {reason}, also after going back to step {self.run.step} {count} times with ever lower "
                "rates; a lower learning rate or other data may help"
            )
        setback = self.run.guard.note_setback(self.run.step, failed, reason)
        self.run.learner.lr_scale = setback.lr_scale
        # first of all: whoever resumes from here must know of it, and not of what came after
        self.run.apart(self.run.save_checkpoint)
        self.run.apart(self.run.trim)
        self.run.emit(
            Notice(
                f"In step {failed} {reason}: went back to step {self.run.step}, and the learning rate is now "
                f"{setback.lr_scale:.3g} times that of the recipe."
            )
        )

    # --- validation ----------------------------------------------------------------------------------

    def _validate(self) -> None:
        began = time.monotonic()
        found: list[tuple[Scores, Sample | None]] = []
        self.run.apart(lambda: found.append(self._score()))
        # from here to the end of the block nothing waits and nothing can be asked to stop
        self.run.learner.is_whole = False
        memory: dict[str, float] = {}
        is_best = False
        for scores, batch in found:
            if is_best := scores.deciding_db > self.run.best_psnr_db:
                self.run.best_psnr_db, self.run.best_step = scores.deciding_db, self.run.step
            if scores.usage is not None and batch is not None:
                memory = self.run.learner.renew_memory(scores.usage, batch)
        if self.run.ranks.from_first(memory.get("memory_renewed")):
            self.run.learner.align()
        self.run.best_psnr_db, self.run.best_step = self.run.ranks.from_first(
            (self.run.best_psnr_db, self.run.best_step)
        )
        self.run.validated_step = self.run.step
        self.run.learner.is_whole = True
        self.run.apart(lambda: self._tell_scores(found[0][0], is_best, memory, time.monotonic() - began))

    def _score(self) -> tuple[Scores, Sample | None]:
        """Measures and keeps the averaged weights; with the batch that was learnt from last, if one is needed.

        Nothing that makes the run is changed: until the scores are told, all of this can be done again.
        """
        scores = score(
            self.run.learner.averaged(), self.run.examples, self.run.recipe.scored_by, self.run.device, self.run.steering.look, self.run.film.watch
        )  # fmt: skip
        batch = None
        if scores.usage is not None and self.run.step > 0:  # what was not learned yet is not renewed
            batch = self._samples(lambda: self.run.source.batch(self.run.step - 1, self.run.recipe.batch))
        if scores.deciding_db > self.run.best_psnr_db:
            self.run.disk.write(lambda: self.run.save_model(scores))
        self.run.film.keep(self.run.step, self.run.disk.write)
        return scores, batch

    def _tell_scores(self, scores: Scores, is_best: bool, memory: dict[str, float], seconds: float) -> None:
        if scores.silent is not None:
            memory = memory | {"memory_silent": round(scores.silent, 4)}
        guided = {} if scores.psnr_guided_db is None else {"psnr_guided_db": scores.psnr_guided_db, "ssim_guided": scores.ssim_guided}  # fmt: skip
        line = {"kind": "validation", "step": self.run.step, "psnr_db": scores.psnr_db, "ssim": scores.ssim, **guided,
                "input_psnr_db": scores.input_psnr_db, "protocol": scores.protocol, "is_best": is_best,
                **{f"psnr_db {name}": value for name, value in scores.groups.items()}, **memory}  # fmt: skip
        self.run.log(line)
        if self.run.drawn is not None:
            drawn, self.run.drawn = self.run.drawn, None
            self.run.disk.write(lambda: self.run.folder.write_contrast(drawn))
        self.run.emit(
            Validated(
                step=self.run.step,
                psnr_db=scores.psnr_db,
                ssim=scores.ssim,
                input_psnr_db=scores.input_psnr_db,
                protocol=metrics.PROTOCOLS[scores.protocol],
                is_best=is_best,
                seconds=seconds,
                psnr_guided_db=scores.psnr_guided_db,
                memory=memory,
                groups=scores.groups,
            )
        )
        self.run.emit(FilmFrame(self.run.step, str(self.run.folder.film)))
