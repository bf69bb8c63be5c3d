"""A run as it is kept: its state, its folder, and how the one goes into the other and comes back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor

from core import atomic
from core.events import CheckpointSaved, ContrastDrawn, Notice
from core.images import metrics
from core.jobs import Cancelled, Emit, JobControl
from core.model import checkpoint
from core.model.tensors import choose_device, choose_precision
from core.problems import describe
from core.training import state as training_state
from core.training.curve import Curve
from core.training.data import read_data
from core.training.film import Film
from core.training.guard import Guard
from core.training.learning.learner import Learner
from core.training.ranks import CANCEL, FAIL, STOP, Ranks
from core.training.recipe import TrainRecipe
from core.training.run_folder import (
    PAUSED,
    RUNNING,
    RunDamaged,
    RunExists,
    RunFolder,
    RunState,
    TrainingError,
)
from core.training.state import Checkpoints
from core.training.steering import Disk, Steering, StopAsked
from core.training.validation import Scores

NEVER = -1
"""The step of the last validation before the first one."""


class KeptRun:
    """What a run is between two steps. Only the first of its processes writes.

    ``before`` is what an earlier sitting wrote of itself; ``control`` and ``emit`` are the first process's.
    """

    def __init__(
        self,
        recipe: TrainRecipe,
        data: tuple[Path, ...],
        folder: RunFolder,
        emit: Emit,
        control: JobControl,
        device: str,
        before: RunState | None,
        ranks: Ranks,
    ) -> None:
        self.ranks = ranks
        self.recipe, self.folder, self.emit, self.control = recipe, folder, emit, control
        self.data = tuple(str(path.absolute()) for path in data)
        self.checkpoints, self.curve = Checkpoints(folder.checkpoints), Curve(folder.path)
        self.steering = Steering(control, self._save_as_asked, self._tell_paused)
        self.disk = Disk(folder.path, emit, self.steering.refuse_if_stopping, self._tell_waiting)
        self.device = choose_device(ranks.device(device))
        self.precision = choose_precision(recipe.precision, self.device)
        self.source, self.examples, self.photos = read_data(recipe, data)
        self.film = Film(folder.film, self.examples)
        self.share = ranks.share(recipe.batch // recipe.crops_per_photo)
        self.learner = self._new_learner()
        self.guard = Guard()
        self.validated_step = NEVER
        self.window: list[dict[str, Tensor]] = []  # the steps since the last report
        self.unwritten: list[dict[str, Any]] = []  # lines of the curve
        self.best_psnr_db, self.best_step = float("-inf"), 0
        self.drawn: ContrastDrawn | None = None  # since the last validation, which keeps it
        self.is_lost = False  # exploded for good: not worth keeping
        self.process = psutil.Process()
        self.began, self.began_waited_s = time.monotonic(), control.waited_s
        self.last_saved = self.began
        self.first_began = before.started if before else time.time()
        self.seconds_before = before.seconds if before else 0.0

    def _new_learner(self) -> Learner:
        def tell(text: str) -> None:
            self.emit(Notice(text))

        return Learner(self.recipe, self.device, self.precision, self.source.has_masks, tell, self.ranks)

    def begin_anew(self) -> None:
        """As if nothing had been learned yet; what was found out about memory holds."""
        part = self.learner.part
        self.learner = self._new_learner()
        self.learner.part = part
        self.guard = Guard()
        self.window, self.unwritten = [], []
        self.validated_step, self.best_psnr_db, self.best_step = NEVER, float("-inf"), 0

    @property
    def step(self) -> int:
        return self.learner.step

    def worked_s(self) -> float:
        """A clock that stands still while the job is paused or waits for the disk."""
        paused_s = self.control.waited_s - self.began_waited_s
        return time.monotonic() - self.began - paused_s - self.disk.waited_s

    def apart(self, action: Callable[[], object]) -> None:
        """What the first process does while the others wait for it, and hear whether it went well."""
        with agreed(self.ranks):
            if self.ranks.is_first:
                action()

    def save_model(self, scores: Scores | None) -> None:
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
            **({checkpoint.UNSMEARS: True} if self.recipe.unsmears else {}),
        }
        checkpoint.save(
            self.folder.model, self.learner.network, name=self.recipe.name, task=self.recipe.task,
            provenance=provenance, state=self.learner.average,
        )  # fmt: skip

    # --- telling -------------------------------------------------------------------------------------

    def tell_state(self, state: str, reason: str = "", patient: bool = True) -> None:
        """``patient``: wait for room on the disk; else what cannot be written is not, for something waits already."""
        now = RunState(
            state=state,
            step=self.step,
            steps=self.recipe.steps,
            best_psnr_db=self.best_psnr_db if np.isfinite(self.best_psnr_db) else None,
            best_step=self.best_step,
            seconds=round(self.seconds_before + self.worked_s(), 3),
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
        self.tell_state(PAUSED if paused else RUNNING, patient=False)

    def _tell_waiting(self, reason: str) -> None:
        self.tell_state(PAUSED if reason else RUNNING, reason, patient=False)

    def log(self, entry: dict[str, Any]) -> None:
        """A line of the curve. While there is no room for it, checkpoints carry it."""
        self.unwritten.append(entry)
        self.disk.write(lambda: self.curve.append(self.unwritten))
        self.unwritten = []

    # --- keeping -------------------------------------------------------------------------------------

    def prepare_folder(self, resume: bool) -> str | None:
        """Name of the checkpoint gone on from; None when there is none."""
        self.apart(lambda: self._check_recipe(resume))
        self.apart(self._refuse_links)
        if not resume:
            return None
        self.apart(self._remove_leftovers)
        files = self.checkpoints.files()
        found = self.take_on(iter(files))
        if files and found is None:  # beginning anew would write over the curve and the best model
            count = len(files)
            which = "its only checkpoint cannot" if count == 1 else f"none of its {count} checkpoints can"
            raise TrainingError(f"{self.folder.path}: {which} be read; start again in another folder")
        self.apart(self.trim)
        if found is not None and np.isfinite(self.best_psnr_db):
            self._look_after_the_model()
        return None if found is None else found.name

    def _look_after_the_model(self) -> None:
        """A best model that is gone or damaged is none: the next validation makes another."""
        problem: list[str] = []

        def look() -> None:
            try:
                checkpoint.load(self.folder.model)
            except checkpoint.CheckpointError as error:
                problem.append(str(error))

        self.apart(look)
        if self.ranks.from_first(bool(problem)):
            self.best_psnr_db, self.best_step = float("-inf"), 0
            if problem:
                self.emit(
                    Notice(
                        f"The best model of this run cannot be used ({problem[0]}). "
                        "The next validation keeps another, which may be worse than that was."
                    )
                )

    def _refuse_links(self) -> None:
        """A run removes its own old checkpoints and frames: behind a link they may be somebody else's."""
        for folder in (self.checkpoints.folder, self.folder.model, self.folder.film):
            if folder.is_symlink():
                raise TrainingError(
                    f"{folder}: is a link, and a run removes old files in there; put the folder itself in its place, "
                    "or link the whole run"
                )

    def _remove_leftovers(self) -> None:
        """Of a sitting that was killed while it wrote: each may be as large as a checkpoint."""
        for folder in (self.folder.path, self.checkpoints.folder, self.folder.model, self.folder.film):
            atomic.remove_leftovers(folder)

    def _check_recipe(self, resume: bool) -> None:
        out, stored = self.folder.path, self.folder.recipe_file
        if not stored.exists():
            self.disk.write(lambda: atomic.write_text(stored, self.recipe.to_toml()))
            return
        if not resume:
            raise RunExists(f"{out}: already holds a run")
        if TrainRecipe.from_toml(stored).sha256() != self.recipe.sha256():
            raise TrainingError(
                f"{out}: holds a run of another recipe; a run goes on with its own recipe only"
            )

    def take_on(self, files: Iterator[Path]) -> Path | None:
        """The first checkpoint that can be gone on from, in all processes."""
        found: list[Path | None] = []
        self.apart(lambda: found.append(self._load_first(files)))
        file: Path | None = self.ranks.from_first(found[0] if found else None)
        with agreed(self.ranks):
            if file is not None and not self.ranks.is_first and self._load_first(iter((file,))) is None:
                raise TrainingError(
                    f"{file}: process {self.ranks.rank} cannot read it, and all of them have to"
                )
        return file

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

    def trim(self) -> None:
        """What was written after the step that is gone on from will be written again."""

        def trim() -> None:
            self.checkpoints.remove_later_than(self.step)
            lost = self.curve.truncate(self.step, self.validated_step, self.guard.setbacks, self.unwritten)
            if lost:
                lines = "1 line" if lost == 1 else f"{lost} lines"
                self.emit(
                    Notice(f"{self.curve.file.name}: {lines} could not be read; the curve goes on without")
                )
            self.film.trim(self.validated_step)

        self.disk.write(trim)
        self.unwritten = []

    def keep_what_there_is(self) -> None:
        """Whatever stopped us, what was learned since the last checkpoint is worth keeping. Never raises OSError."""
        if self.is_lost or not (self.learner.is_whole and self.learner.is_finite()):
            return
        try:
            self.save_checkpoint(patient=False)
        except (OSError, TrainingError) as error:
            self._tell_unkept(error)

    def _tell_unkept(self, error: Exception) -> None:
        kept = next(
            (file.stem.removeprefix("step-").lstrip("0") or "0" for file in self.checkpoints.files()), None
        )
        older = f"step {kept} is kept" if kept is not None else "no earlier step is kept"
        self.emit(Notice(f"Step {self.step} could not be kept, {older}. {describe(error).sentence}"))

    def leave_a_model(self) -> None:
        """For a run that is to end before its time: a checkpoint, and a model even before the first validation."""
        if not np.isfinite(self.best_psnr_db) and self.step > 0:
            self.disk.write_once(lambda: self.save_model(None))
        self.keep_what_there_is()

    def save_checkpoint(self, patient: bool = True) -> None:
        """``patient``: as of :meth:`tell_state`; else raises OSError and TrainingError."""
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
        self.tell_state(PAUSED if self.control.paused else RUNNING, patient=patient)
        is_best = np.isfinite(self.best_psnr_db) and self.best_step == self.step
        self.emit(CheckpointSaved(self.step, str(file), bool(is_best)))

    def _save_as_asked(self) -> None:
        if self.learner.is_finite():
            self.save_checkpoint()
        else:  # the next report sends the run back, and has to find a checkpoint to go back to
            self.emit(Notice(f"Step {self.step} is not kept: its weights are not finite any more."))

    def _restore_state(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        if state["recipe_sha256"] != self.recipe.sha256():
            raise ValueError("it belongs to another recipe: another network or other settings")
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


@contextlib.contextmanager
def agreed(ranks: Ranks) -> Iterator[None]:
    """What each process does for itself; afterwards all of them go on, or none."""
    try:
        yield
    except BaseException as error:
        ranks.agree(code_of(error))
        raise
    ranks.agree()


def code_of(error: BaseException) -> int:
    if isinstance(error, StopAsked):
        return STOP
    return FAIL if isinstance(error, Exception) and not isinstance(error, Cancelled) else CANCEL


def state_before(folder: RunFolder, emit: Emit) -> RunState | None:
    """What the last sitting wrote. A damaged record is no reason not to go on."""
    try:
        return folder.state()
    except RunDamaged as error:
        emit(Notice(f"{error}; what it says is passed over"))
        return None


def device_mb(device: str) -> float | None:
    """Memory that torch holds on the device, in use or for the next step. Waits for nothing."""
    if device.startswith("cuda"):
        return round(torch.cuda.memory_reserved(torch.device(device)) / 1e6, 1)
    if device == "mps":
        return round(torch.mps.driver_allocated_memory() / 1e6, 1)
    return None
