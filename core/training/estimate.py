"""What a run would cost on this machine: a few real steps of its recipe, measured, and nothing written.

The steps are :class:`core.training.learning.learner.Learner`'s own on the recipe's own data, as
:func:`core.training.trainer.train` makes them.
"""

from __future__ import annotations

import gc
import math
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import torch

from core.data.sampling import MixedSource, PhotoPool, Prefetcher, Sample, SampleSource, Source
from core.events import ItemDone, ItemStarted
from core.jobs import Emit, JobControl
from core.model.tensors import choose_device, choose_precision
from core.training.data import Example, read_data
from core.training.learning.learner import Learner
from core.training.recipe import TrainRecipe
from core.training.validation import score

_THREADS = 2  # that make batches, as in training
_BUDGET_S = 20.0  # for the measured steps, once there is one of each kind
_PLAN = (True, False, False) * 3  # whether a measured step is one with the further passes of the contrast
_VALIDATED = 3  # photos, the first of which only warms up
_SHARE_FREE = 0.8  # of the memory that is free, which a run may take
_ROOMY = 0.6  # and one with a larger batch than the recipe's
_WORTH = 1.15  # gain in images/s that a doubled batch has to bring
_LARGEST_BATCH = 256
_LEAST_PATCH_PX = 32
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Estimate:
    """Measured on ``device`` with what else ran at the time. Memory in MB of 10**6 bytes."""

    seconds_per_step: float  # waiting for data included
    total_seconds: float  # all steps and validations
    peak_mb: float  # of this process, photos kept in memory included
    suggested_batch: int
    suggested_patch_px: int
    reason: str  # why these two, to stand after them
    device: str
    precision: str
    measured_steps: int
    images_per_s: float
    data_wait: float  # share of a step spent waiting for data, 0..1
    validation_seconds: float  # all validations together
    free_mb: float  # before, of the memory that counts: the device's, else the system's
    device_peak_mb: float | None  # None on the processor
    fits: bool  # whether the recipe's batch goes through the memory in one piece

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def estimate(
    recipe: TrainRecipe, data: tuple[Path, ...], emit: Emit, control: JobControl, device: str = "auto"
) -> Estimate:
    """Run a few steps of ``recipe`` and a part of its validation, and say what all of it would cost.

    Emits ItemStarted and ItemDone for each step. Memory that does not do for the recipe's batch is noticed in small
    steps first, so that the machine is not brought down.

    Raises:
        RecipeError, PairingError, DegradationError, ImageError, MaskError: what the data's readers raise.
        CatalogError, CheckpointError: the model to start from is not there, or cannot be loaded.
        DeviceError: no such device.
        TrainingError: the device's memory is too small for the crops of one photo.
        Cancelled: stopped by ``control``.
    """
    device = choose_device(device)
    control.checkpoint()
    source, examples, _ = read_data(recipe, data)
    control.checkpoint()
    with _Meter(device) as meter:
        bench = _Bench(recipe, source, examples, device, meter, emit, control)
        try:
            return bench.measure()
        finally:
            del bench, source
            gc.collect()
            if device.startswith("cuda"):
                torch.cuda.empty_cache()


class _Meter:
    """Watches how much memory is taken: of the device, where it is no processor, else of this process."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._process = psutil.Process()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory meter", daemon=True)
        self.process_peak = self.now = self._process.memory_info().rss
        self.highest = self.now  # since the process was last forgotten
        self.free = self._free()

    def __enter__(self) -> _Meter:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_S):
            self._look()

    def _look(self) -> None:
        self.now = self._process.memory_info().rss
        self.highest = max(self.highest, self.now)
        self.process_peak = max(self.process_peak, self.now)

    def _free(self) -> int:
        if self.device.startswith("cuda"):
            return int(torch.cuda.mem_get_info(self.device)[0])
        return int(psutil.virtual_memory().available)

    @property
    def device_peak(self) -> int | None:
        if self.device.startswith("cuda"):
            return int(torch.cuda.max_memory_reserved(self.device))
        if self.device == "mps":
            return int(torch.mps.driver_allocated_memory())
        return None

    def held(self) -> int:
        """Bytes taken now, of the memory that counts."""
        if self.device.startswith("cuda"):
            return int(torch.cuda.memory_allocated(self.device))
        self._look()
        return self.now

    def forget(self) -> None:
        """Begin a new peak."""
        if self.device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(self.device)
        self._look()
        self.highest = self.now

    def peak(self) -> int:
        """Most bytes taken since :meth:`forget`, of the memory that counts."""
        if self.device.startswith("cuda"):
            return int(torch.cuda.max_memory_allocated(self.device))
        self._look()
        return self.highest


@dataclass(slots=True)
class _Timed:
    """Steps of one batch size."""

    batch: int
    contrast_s: list[float]
    plain_s: list[float]
    waited_s: float
    made_s: list[float]  # a batch, on the thread that made it

    @property
    def count(self) -> int:
        return len(self.contrast_s) + len(self.plain_s)

    def compute_s(self, every: int) -> float:
        """Of a mean step without waiting: every ``every``-th contrasts."""
        contrast = statistics.median(self.contrast_s)
        plain = statistics.median(self.plain_s) if self.plain_s else contrast
        return (contrast + (every - 1) * plain) / every

    def step_s(self, every: int) -> float:
        """With waiting. The batches made ahead hide for a few steps that they come too slowly."""
        made = statistics.median(self.made_s) / _THREADS if self.made_s else 0.0
        return max(self.compute_s(every) + self.waited_s / self.count, made)


class _Bench:
    def __init__(
        self,
        recipe: TrainRecipe,
        source: Source,
        examples: list[Example],
        device: str,
        meter: _Meter,
        emit: Emit,
        control: JobControl,
    ) -> None:
        self.recipe, self.source, self.examples = recipe, source, examples
        self.device, self.meter, self.emit, self.control = device, meter, emit, control
        self.precision = choose_precision(recipe.precision, device)
        self.began, self.done, self.planned = time.monotonic(), 0, 2 + 2 + len(_PLAN) + 1
        self.before = meter.held()
        self.learner = Learner(recipe, device, self.precision, source.has_masks)
        self.every = recipe.contrastive_every
        self.next_batch = 0

    def measure(self) -> Estimate:
        recipe, group = self.recipe, self.recipe.crops_per_photo
        with self._item("a small step"):
            self._learn(self.source.batch(0, group), True)  # the optimizers make their state in the first one
        fixed = self.meter.held()
        self.meter.forget()
        with self._item("a small step"):
            small_s = self._learn(self.source.batch(1, group), True)
        per_crop = max(0, self.meter.peak() - fixed) / group
        limit = self.before + _SHARE_FREE * self.meter.free
        is_safe = self.device != "cpu" or fixed + per_crop * recipe.batch < limit
        if is_safe:
            self.meter.forget()
            timed = self._timed(recipe.batch)
            per_crop = max(1.0, self.meter.peak() - fixed) / self.learner.part
            fits = self.learner.part >= recipe.batch
        else:  # by what is known of small steps, which are rather slow for their size
            timed = _Timed(recipe.batch, [small_s * recipe.batch / group], [], 0.0, [])
            fits = False
        step_s = timed.step_s(self.every)
        validation_s = self._validation_s()
        growth = sum(pool.still_to_come() for pool in _pools(self.source))
        if fits and self.device == "cpu":  # a device holds no photos
            fits = fixed + per_crop * recipe.batch + growth < limit
        roomy = (
            fixed + per_crop * recipe.batch,
            fixed,
            per_crop,
            limit - (growth if self.device == "cpu" else 0),
        )
        batch, patch_px, reason = self._suggest(timed, fits, *roomy)
        beyond = 0 if is_safe else per_crop * (recipe.batch - group)
        return Estimate(
            seconds_per_step=step_s,
            total_seconds=recipe.steps * step_s + validation_s,
            peak_mb=(self.meter.process_peak + growth + beyond) / 1e6,
            suggested_batch=batch,
            suggested_patch_px=patch_px,
            reason=reason,
            device=self.device,
            precision=self.precision,
            measured_steps=timed.count if is_safe else 1,
            images_per_s=recipe.batch / step_s,
            data_wait=max(0.0, 1 - timed.compute_s(self.every) / step_s),
            validation_seconds=validation_s,
            free_mb=self.meter.free / 1e6,
            device_peak_mb=None if self.meter.device_peak is None else self.meter.device_peak / 1e6,
            fits=fits,
        )

    @contextmanager
    def _item(self, name: str) -> Iterator[None]:
        self.control.checkpoint()
        self.done += 1
        self.planned = max(self.planned, self.done)
        self.emit(ItemStarted(self.done, self.planned, name))
        yield
        left = (time.monotonic() - self.began) / self.done * (self.planned - self.done)
        self.emit(ItemDone(self.done, self.planned, name, None, left))
        self.control.checkpoint()

    def _learn(self, samples: Sample, contrasts: bool) -> float:
        """Seconds of one real step."""
        self.learner.step = self.every * (1 + self.done) + (0 if contrasts or self.every == 1 else 1)
        began = time.monotonic()
        self.learner.learn(samples)
        if self.device.startswith("cuda"):
            torch.cuda.synchronize(self.device)
        elif self.device == "mps":
            torch.mps.synchronize()
        return time.monotonic() - began

    def _timed(self, batch: int, plan: tuple[bool, ...] = _PLAN) -> _Timed:
        """``plan`` after two steps to warm up, as far as the time goes."""
        self.learner.part = batch
        found = _Timed(batch, [], [], 0.0, [])
        first = self.next_batch + 2

        def make(number: int) -> Sample:
            began = time.monotonic()
            samples = self.source.batch(number, batch)
            if number >= first:  # the first ones also wait for the disk
                found.made_s.append(time.monotonic() - began)
            return samples

        batches = Prefetcher(make, self.next_batch, self.next_batch + 2 + len(plan), threads=_THREADS)
        self.next_batch += 2 + len(plan)
        try:
            began = time.monotonic()
            for contrasts in (True, False):
                if time.monotonic() - began < 0.5 * _BUDGET_S:
                    with self._item("warming up"):
                        self._learn(batches.take(), contrasts)
            began = time.monotonic()
            for place, contrasts in enumerate(plan):
                with self._item(f"batch of {batch}"):
                    before = time.monotonic()
                    samples = batches.take()
                    found.waited_s += time.monotonic() - before
                    (found.contrast_s if contrasts else found.plain_s).append(self._learn(samples, contrasts))
                if place >= 1 and time.monotonic() - began > _BUDGET_S:
                    break
        finally:
            batches.close()
        return found

    def _validation_s(self) -> float:
        some = self.examples[:_VALIDATED]
        network = self.learner.averaged()
        with self._item("validation"):
            score(network, some[:1], self.recipe.scored_by, self.device, self.control.checkpoint)
            timed = some[1:] or some
            began = time.monotonic()
            score(network, timed, self.recipe.scored_by, self.device, self.control.checkpoint)
            each_s = (time.monotonic() - began) / len(timed)
        times = math.ceil(self.recipe.steps / self.recipe.validate_every) + bool(self.recipe.start_from)
        return times * len(self.examples) * each_s

    # --- suggesting --------------------------------------------------------------------------------------

    def _suggest(
        self, timed: _Timed, fits: bool, need: float, fixed: float, per_crop: float, limit: float
    ) -> tuple[int, int, str]:
        recipe, group = self.recipe, self.recipe.crops_per_photo
        free = _gb(self.meter.free)
        if not fits:
            most = int(max(0.0, limit - fixed) / max(per_crop, 1.0)) // group * group
            if self.learner.part < recipe.batch:  # the device has said so
                most = min(most or group, self.learner.part)
            if most >= group:
                return min(most, recipe.batch), recipe.patch_px, (
                    f"the recipe's batch of {recipe.batch} would need about {_gb(need)} of the {free} that are free"
                )  # fmt: skip
            room = max(0.0, limit - fixed) / max(per_crop * group, 1.0)
            patch_px = max(_LEAST_PATCH_PX, int(recipe.patch_px * math.sqrt(room)) // 8 * 8)
            return group, min(patch_px, recipe.patch_px), (
                f"even {group} crops of {recipe.patch_px} px would need about {_gb(fixed + group * per_crop)} of the "
                f"{free} that are free"
            )  # fmt: skip
        if self.device == "cpu":
            return recipe.batch, recipe.patch_px, (
                f"the recipe's own, which fit into the {free} that are free; on a processor a larger batch only makes "
                "the steps longer"
            )  # fmt: skip
        return self._suggest_larger(timed, fixed, per_crop, limit)

    def _suggest_larger(
        self, timed: _Timed, fixed: float, per_crop: float, limit: float
    ) -> tuple[int, int, str]:
        """A device that the recipe's batch does not fill takes a larger one nearly for nothing: tried, not guessed."""
        recipe = self.recipe
        speed = first = recipe.batch / timed.step_s(self.every)
        batch = recipe.batch
        while 2 * batch <= _LARGEST_BATCH and fixed + per_crop * 2 * batch < _ROOMY * limit:
            tried = self._timed(2 * batch, _PLAN[:3])
            found = 2 * batch / tried.step_s(self.every)
            if self.learner.part < 2 * batch or found < _WORTH * speed:
                break
            batch, speed = 2 * batch, found
        if batch == recipe.batch:
            return (
                batch,
                recipe.patch_px,
                "the recipe's own; twice the batch would not be faster for its size",
            )
        as_many = math.ceil(recipe.steps * recipe.batch / batch)
        return batch, recipe.patch_px, (
            f"{speed:.0f} images/s instead of {first:.0f}; as many photos are seen in {as_many:,} steps"
        )  # fmt: skip


def _pools(source: Source) -> list[PhotoPool]:
    if isinstance(source, MixedSource):
        return _pools(source.first) + _pools(source.second)
    if isinstance(source, SampleSource):
        return [pool for pool in (source.truths, source.inputs) if pool is not None]
    return []


def _gb(count: float) -> str:
    return f"{count / 1e9:.1f} GB"
