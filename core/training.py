"""Training as a job: a frozen recipe in, checkpoints and events out.

A run folder (:mod:`core.run_folder`) holds ``recipe.toml`` (what runs), ``curve.jsonl`` (one line a report or
validation), ``checkpoints/step-N.safetensors`` (everything needed to go on, the newest two kept) and ``model/``
(the averaged weights with the best validation score).

Resuming is exact: every random choice depends on (seed, step), never on how the process got there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core import atomic, checkpoint, metrics, training_state
from core.events import CheckpointSaved, Notice, StepDone, TrainStarted, Validated
from core.jobs import Emit, JobControl
from core.recipe import TrainRecipe
from core.run_folder import RunFolder, TrainingError
from core.sampling import Prefetcher
from core.tensors import choose_device, choose_precision
from core.training_curve import Curve
from core.training_data import read_data
from core.training_learner import Learner, learning_rate
from core.training_state import Checkpoints
from core.training_validation import Scores, score

__all__ = ["TrainResult", "TrainingError", "learning_rate", "train"]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a finished run leaves behind."""

    model: Path
    steps: int
    best_psnr_db: float  # where there are masks, the mean of without and with them
    best_step: int
    seconds: float


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
    """Train by ``recipe`` into the run folder ``out``.

    Args:
        data: what DATA stands for in the recipe's folders.
        resume: go on from the newest checkpoint that loads; its recipe must be this one.
        device: ``"auto"`` or a device's name.

    Raises:
        RecipeError: a folder of the recipe does not exist or holds nothing usable.
        TrainingError: ``out`` already holds a run and ``resume`` is off, or holds another recipe's.
        Cancelled: stopped by ``control``; a checkpoint was saved first.
    """
    run = _Run(recipe, data, out, emit, control, device)
    return run.go(resume)


class _Run:
    def __init__(
        self,
        recipe: TrainRecipe,
        data: tuple[Path, ...],
        out: Path,
        emit: Emit,
        control: JobControl,
        device: str,
    ) -> None:
        self.recipe, self.emit, self.control = recipe, emit, control
        self.folder = RunFolder(out)
        self.checkpoints, self.curve = Checkpoints(self.folder.checkpoints), Curve(out)
        self.device = choose_device(device)
        self.precision = choose_precision(recipe.precision, self.device)
        self.source, self.examples, self.photos = read_data(recipe, data)
        self.learner = Learner(recipe, self.device, self.precision, self.source.has_masks)
        self.validated_step = 0
        self.window: list[dict[str, Tensor]] = []  # the steps since the last report
        self.best_psnr_db, self.best_step = float("-inf"), 0
        self.started = time.monotonic()
        self.last_saved = self.started

    @property
    def step(self) -> int:
        return self.learner.step

    # --- the loop ------------------------------------------------------------------------------------

    def go(self, resume: bool) -> TrainResult:
        resumed = self._prepare_folder(resume)
        self.emit(
            TrainStarted(
                self.step, self.recipe.steps, self.learner.parameters, self.photos, self.device, self.precision, resumed
            )
        )  # fmt: skip
        batches = Prefetcher(
            lambda step: self.source.batch(step, self.recipe.batch), self.step, self.recipe.steps
        )
        try:
            if self._is_due() and self.validated_step < self.step:  # stopped in the midst of it
                self._validate()
            for _ in self._steps(batches):
                self.control.checkpoint()
        except BaseException:
            # whatever stopped us, what was learned since the last checkpoint is worth keeping
            if self.learner.is_whole and self.learner.is_finite():
                self._save_checkpoint()
            raise
        finally:
            batches.close()
        return TrainResult(
            self.folder.model, self.step, self.best_psnr_db, self.best_step, time.monotonic() - self.started
        )

    def _is_due(self) -> bool:
        """Whether this step ends with a validation."""
        return self.step > 0 and (
            self.step % self.recipe.validate_every == 0 or self.step == self.recipe.steps
        )

    def _worked_s(self) -> float:
        """A clock that stands still while the job is paused."""
        return time.monotonic() - self.control.waited_s

    def _steps(self, batches: Prefetcher) -> Iterator[int]:
        recipe = self.recipe
        waited = 0.0
        since = self._worked_s()
        first, began = self.step, since
        reported = first
        while self.step < recipe.steps:
            before = time.monotonic()
            samples = batches.take()
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

    def _report(self, steps: int, seconds: float, waited: float, left: float) -> None:
        """Means over the window; the speed is that of the ``steps`` of it which this process made."""
        window, self.window = self.window, []
        names = dict.fromkeys(name for entry in window for name in entry)
        means = {
            name: float(torch.stack([entry[name].float() for entry in window if name in entry]).mean())
            for name in names
        }
        loss, norm = means.pop("loss"), means.pop("grad_norm")
        if not np.isfinite(loss):
            raise TrainingError(f"step {self.step}: the loss is {loss}; a lower learning rate usually helps")
        if not self.learner.is_finite():
            raise TrainingError(
                f"step {self.step}: the weights are no numbers any more (loss {loss}, gradient {norm}); "
                "a lower learning rate usually helps"
            )
        event = StepDone(
            step=self.step,
            loss=loss,
            terms=means,
            lr=learning_rate(self.recipe, self.step - 1),
            grad_norm=norm,
            images_per_s=steps * self.recipe.batch / max(seconds, 1e-9),
            data_wait=waited / max(seconds, 1e-9),
            seconds_left=left,
        )
        self.curve.append({"kind": "step", "step": self.step, "loss": loss, "lr": event.lr, "grad_norm": norm, **means,
                           "images_per_s": round(event.images_per_s, 2), "data_wait": round(event.data_wait, 4)})  # fmt: skip
        self.emit(event)
        if (drawn := self.learner.shaper.take_drawn()) is not None:
            self.emit(drawn)

    # --- validation ----------------------------------------------------------------------------------

    def _validate(self) -> None:
        began = time.monotonic()
        scores = score(
            self.learner.averaged(), self.examples, self.recipe.task, self.device, self.control.checkpoint
        )
        is_best = scores.deciding_db > self.best_psnr_db
        if is_best:
            self.best_psnr_db, self.best_step = scores.deciding_db, self.step
            self._save_model(scores)
        guided = {} if scores.psnr_guided_db is None else {"psnr_guided_db": scores.psnr_guided_db, "ssim_guided": scores.ssim_guided}  # fmt: skip
        memory: dict[str, float] = {}
        if scores.usage is not None:
            batch = self.source.batch(self.step - 1, self.recipe.batch)  # the one just learnt from
            memory = self.learner.renew_memory(scores.usage, batch)
        if scores.silent is not None:
            memory["memory_silent"] = round(scores.silent, 4)
        self.curve.append({"kind": "validation", "step": self.step, "psnr_db": scores.psnr_db, "ssim": scores.ssim, **guided, "is_best": is_best, **memory})  # fmt: skip
        self.validated_step = self.step
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
            )
        )

    def _save_model(self, scores: Scores) -> None:
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

    # --- keeping -------------------------------------------------------------------------------------

    def _prepare_folder(self, resume: bool) -> str | None:
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
            atomic.write_text(stored, self.recipe.to_toml())
        if not resume:
            return None
        return self._load_newest()

    def _load_newest(self) -> str | None:
        """Name of the checkpoint gone on from; None when the run was stopped before its first one."""
        files = self.checkpoints.files()
        for file in files:
            try:
                self._restore_state(*training_state.read(file))
            except (checkpoint.CheckpointError, KeyError, ValueError, RuntimeError) as error:
                self.emit(Notice(f"{file.name} cannot be read ({error}) and is passed over"))
                continue
            self.curve.truncate(self.step, self.validated_step)
            return file.name
        if files:  # beginning anew would write over the curve and the best model
            raise TrainingError(
                f"{self.folder.path}: none of its {len(files)} checkpoints can be read; start again in another folder"
            )
        self.curve.truncate(self.step, self.validated_step)
        return None

    def _save_checkpoint(self) -> None:
        state = {
            "step": self.step,
            "best_psnr_db": self.best_psnr_db if np.isfinite(self.best_psnr_db) else None,
            "best_step": self.best_step,
            "validated_step": self.validated_step,
            "window": [{name: float(value) for name, value in entry.items()} for entry in self.window],
            "recipe_sha256": self.recipe.sha256(),
        }
        file = self.checkpoints.save(self.step, self.learner.tensors(), state)
        self.last_saved = time.monotonic()
        self.emit(CheckpointSaved(self.step, str(file), self.best_step == self.step))

    def _restore_state(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        if state["recipe_sha256"] != self.recipe.sha256():
            raise ValueError("it belongs to another recipe")
        self.learner.restore(tensors, int(state["step"]))
        self.validated_step = int(state.get("validated_step", self.step))
        self.window = [
            {name: torch.tensor(value, device=self.device) for name, value in entry.items()}
            for entry in state.get("window", ())
        ]
        best = state["best_psnr_db"]
        self.best_psnr_db, self.best_step = (
            (float("-inf") if best is None else float(best)),
            int(state["best_step"]),
        )
