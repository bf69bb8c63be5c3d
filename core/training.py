"""Training as a job: a frozen recipe in, checkpoints and events out.

A run folder holds ``recipe.toml`` (what runs), ``curve.jsonl`` (one line a report or validation),
``checkpoints/step-N.safetensors`` (everything needed to go on, the newest two kept) and ``model/`` (the
averaged weights with the best validation score).

Resuming is exact: every random choice depends on (seed, step), never on how the process got there.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core import atomic, checkpoint, losses, metrics
from core.events import CheckpointSaved, Notice, StepDone, TrainStarted, Validated
from core.jobs import Emit, JobControl
from core.memory_training import MemoryShaper
from core.network import MemoryNet, NetworkConfig
from core.optimizers import beside, optimizers
from core.recipe import TrainRecipe
from core.run_folder import read_curve
from core.sampling import Prefetcher
from core.tensors import choose_device, choose_precision, dtype_of
from core.training_data import read_data
from core.training_validation import Scores, score

_KEEP_CHECKPOINTS = 2


class TrainingError(Exception):
    """The run cannot start or go on; the message says why."""


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


def learning_rate(recipe: TrainRecipe, step: int) -> float:
    """Rate of step ``step`` (from 0): linear warm-up, then half a cosine down to ``lr_end``."""
    warm = min(recipe.warmup_steps, recipe.steps)
    if step < warm:
        return recipe.lr * (step + 1) / warm
    share = (step - warm) / max(1, recipe.steps - warm)
    return float(recipe.lr_end + (recipe.lr - recipe.lr_end) * 0.5 * (1 + np.cos(np.pi * share)))


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
        self.recipe, self.out, self.emit, self.control = recipe, out, emit, control
        self.device = choose_device(device)
        self.precision = choose_precision(recipe.precision, self.device)
        self.source, self.examples, self.photos = read_data(recipe, data)
        self.network = _new_network(recipe).to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = {key: value.detach().clone() for key, value in self.network.state_dict().items()}
        self.optimizers = optimizers(self.network, recipe)
        self.shaper = MemoryShaper(self.network, recipe, self.device)
        self.step = 0
        self.is_whole = True  # False while a step has changed some of the state and not yet all of it
        self.validated_step = 0
        self.window: list[dict[str, Tensor]] = []  # the steps since the last report
        self.best_psnr_db, self.best_step = float("-inf"), 0
        self.started = time.monotonic()
        self.last_saved = self.started

    # --- the loop ------------------------------------------------------------------------------------

    def go(self, resume: bool) -> TrainResult:
        resumed = self._prepare_folder(resume)
        parameters = sum(p.numel() for p in self.network.parameters())
        self.emit(
            TrainStarted(
                self.step, self.recipe.steps, parameters, self.photos, self.device, self.precision, resumed
            )
        )
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
            if self.is_whole and self._is_finite():
                self._save_checkpoint()
            raise
        finally:
            batches.close()
        return TrainResult(
            self.out / "model", self.step, self.best_psnr_db, self.best_step, time.monotonic() - self.started
        )

    def _is_due(self) -> bool:
        """Whether this step ends with a validation."""
        return self.step > 0 and (
            self.step % self.recipe.validate_every == 0 or self.step == self.recipe.steps
        )

    def _is_finite(self) -> bool:
        """Weights that are no numbers stay so: kept, they would push the last good checkpoint out."""
        return all(bool(torch.isfinite(parameter).all()) for parameter in self.network.parameters())

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
            degraded, truth, mask = batches.take()
            waited += time.monotonic() - before
            self._update(torch.from_numpy(degraded), torch.from_numpy(truth), torch.from_numpy(mask))
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

    def _update(self, degraded: Tensor, truth: Tensor, mask: Tensor) -> None:
        """One step on (B, P, P, 3) crops and their (B, P, P, 1) masks.

        Its loss terms, weighted scalars on the device, join the window."""
        recipe = self.recipe
        rate = learning_rate(recipe, self.step)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["boost"]
        x = degraded.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        y = truth.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        guidance = None  # costs nothing where no sample has a mask
        if self.source.has_masks:
            guidance = mask.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        with self._autocast():
            output = self.network(x, guidance, group=recipe.crops_per_photo)
            terms = {"pixel": losses.charbonnier(output.restored, y)}
            if recipe.edge_weight:
                terms["edge"] = recipe.edge_weight * losses.edge(output.restored, y)
            curves = self.shaper.terms(self.step, x, y, output, terms, guidance)
        total = torch.stack(list(terms.values())).sum()
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip_norm)
        self.is_whole = False
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self._update_average()
        self.shaper.keep(self.step)
        kept = {key: value.detach() for key, value in terms.items()}
        self.window.append({"loss": total.detach(), "grad_norm": norm.detach(), **kept, **curves})
        self.step += 1
        self.is_whole = True

    def _update_average(self) -> None:
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        keys = list(self.average)
        current = self.network.state_dict()
        torch._foreach_lerp_([self.average[k] for k in keys], [current[k] for k in keys], 1 - decay)

    def _autocast(self) -> torch.autocast:
        kind = torch.device(self.device).type
        return torch.autocast(kind, torch.bfloat16, enabled=self.precision == "bf16")

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
        if not self._is_finite():
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
        self._append({"kind": "step", "step": self.step, "loss": loss, "lr": event.lr, "grad_norm": norm, **means,
                      "images_per_s": round(event.images_per_s, 2), "data_wait": round(event.data_wait, 4)})  # fmt: skip
        self.emit(event)

    # --- validation ----------------------------------------------------------------------------------

    def _validate(self) -> None:
        began = time.monotonic()
        network = copy.deepcopy(self.network)  # a new one would draw weights from torch's generator
        network.load_state_dict(self.average)
        network = network.to(self.device, dtype_of(self.precision)).to(memory_format=torch.channels_last)
        network.eval()
        scores = score(network, self.examples, self.recipe.task, self.device, self.control.checkpoint)
        is_best = scores.deciding_db > self.best_psnr_db
        if is_best:
            self.best_psnr_db, self.best_step = scores.deciding_db, self.step
            self._save_model(scores)
        guided = {} if scores.psnr_guided_db is None else {"psnr_guided_db": scores.psnr_guided_db, "ssim_guided": scores.ssim_guided}  # fmt: skip
        memory = {} if scores.usage is None else self._look_after_memory(scores.usage)
        self._append({"kind": "validation", "step": self.step, "psnr_db": scores.psnr_db, "ssim": scores.ssim, **guided, "is_best": is_best, **memory})  # fmt: skip
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

    def _look_after_memory(self, usage: Tensor) -> dict[str, float]:
        """New life for dead slots; what the curves say about the memory."""
        health = self.shaper.health(usage)
        if health is None:
            return {}
        batch = self.source.batch(self.step - 1, self.recipe.batch)  # the one just learnt from
        x, y, mask = (torch.from_numpy(side).to(self.device).permute(0, 3, 1, 2) for side in batch)
        with self._autocast():
            renewed = self.shaper.reseed(self.step, usage, x, y, mask if self.source.has_masks else None)
        parameters = dict(self.network.named_parameters())
        for name, rows in renewed.items():
            self.average[name][rows] = parameters[name].detach()[rows]
            for optimizer in self.optimizers:
                for value in optimizer.state.get(parameters[name], {}).values():
                    if value.shape == parameters[name].shape:
                        value[rows] = 0
        return {
            "memory_entropy": round(health.entropy, 4),
            "memory_dead": health.dead,
            "memory_duplicates": health.duplicates,
            "memory_renewed": sum(int(rows.sum()) for rows in renewed.values()),
        }

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
            self.out / "model", self.network, name=self.recipe.name, task=self.recipe.task, provenance=provenance, state=self.average
        )  # fmt: skip

    # --- keeping -------------------------------------------------------------------------------------

    def _prepare_folder(self, resume: bool) -> str | None:
        stored = self.out / "recipe.toml"
        if stored.exists():
            if not resume:
                raise TrainingError(
                    f"{self.out}: already holds a run; go on with it (--resume) or choose another folder"
                )
            if TrainRecipe.from_toml(stored).sha256() != self.recipe.sha256():
                raise TrainingError(
                    f"{self.out}: holds a run of another recipe; a run goes on with its own recipe only"
                )
        else:
            atomic.write_text(stored, self.recipe.to_toml())
        if not resume:
            return None
        return self._load_newest()

    def _load_newest(self) -> str | None:
        """Name of the checkpoint gone on from; None when the run was stopped before its first one."""
        files = sorted((self.out / "checkpoints").glob("step-*.safetensors"), reverse=True)
        for file in files:
            try:
                tensors, header = checkpoint.read_tensors(file)
                self._restore_state(tensors, json.loads(header["training"]))
            except (checkpoint.CheckpointError, KeyError, ValueError, RuntimeError) as error:
                self.emit(Notice(f"{file.name} cannot be read ({error}) and is passed over"))
                continue
            self._truncate_curve()
            return file.name
        if files:  # beginning anew would write over the curve and the best model
            raise TrainingError(
                f"{self.out}: none of its {len(files)} checkpoints can be read; start again in another folder"
            )
        self._truncate_curve()
        return None

    def _save_checkpoint(self) -> None:
        file = self.out / "checkpoints" / f"step-{self.step:08d}.safetensors"
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        tensors |= {f"bank.{k}": v for k, v in self.shaper.bank.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for optimizer in self.optimizers:
                for key, value in optimizer.state.get(parameter, {}).items():
                    tensors[f"optimizer.{key}.{name}"] = value
        state = {
            "step": self.step,
            "best_psnr_db": self.best_psnr_db if np.isfinite(self.best_psnr_db) else None,
            "best_step": self.best_step,
            "validated_step": self.validated_step,
            "window": [{name: float(value) for name, value in entry.items()} for entry in self.window],
            "recipe_sha256": self.recipe.sha256(),
        }
        checkpoint.save_tensors(file, tensors, {"training": json.dumps(state)})
        for old in sorted(file.parent.glob("step-*.safetensors"))[:-_KEEP_CHECKPOINTS]:
            old.unlink(missing_ok=True)
        self.last_saved = time.monotonic()
        self.emit(CheckpointSaved(self.step, str(file), self.best_step == self.step))

    def _restore_state(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        if state["recipe_sha256"] != self.recipe.sha256():
            raise ValueError("it belongs to another recipe")
        part = {prefix: {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
                for prefix in ("network.", "average.", "optimizer.", "bank.")}  # fmt: skip
        self.network.load_state_dict(part["network."])
        self.shaper.bank.load_state_dict(part["bank."])
        for key, value in self.average.items():
            value.copy_(part["average."][key])
        parameters = dict(self.network.named_parameters())
        for entry, stored in part["optimizer."].items():
            key, name = entry.split(".", 1)
            parameter = parameters[name]
            tensor = beside(parameter, stored)
            for optimizer in self.optimizers:
                if any(known is parameter for group in optimizer.param_groups for known in group["params"]):
                    optimizer.state[parameter][key] = tensor
        self.step = int(state["step"])
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

    def _append(self, entry: dict[str, Any]) -> None:
        with (self.out / "curve.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def _truncate_curve(self) -> None:
        """Lines past what we go on from will be written again."""
        until = {"validation": self.validated_step}
        lines = read_curve(self.out) if self.step else []
        kept = [line for line in lines if line["step"] <= until.get(line["kind"], self.step)]
        atomic.write_text(self.out / "curve.jsonl", "".join(json.dumps(line) + "\n" for line in kept))


def _new_network(recipe: TrainRecipe) -> MemoryNet:
    if recipe.start_from:
        return checkpoint.load(Path(recipe.start_from)).network.requires_grad_(True).train()
    config = (
        NetworkConfig(width=recipe.width)
        if recipe.preset == "custom"
        else NetworkConfig.preset(recipe.preset)
    )
    if recipe.memory != "all":
        config = config.with_memory(recipe.memory)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return MemoryNet(config)
