"""Evaluation as a job: a folder of pairs and a model in, a table of scores by protocol out.

Instead of a model it takes a folder of pictures that another one made.
"""

from __future__ import annotations

import abc
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from core import tasks
from core.data import guidance
from core.data.dataset import Pair, find_pairs
from core.events import ItemDone, ItemStarted
from core.images import io as image_io
from core.images import metrics
from core.images.metrics import MetricError, Score
from core.images.types import Picture
from core.jobs import Cancelled, Emit, JobControl, ignore
from core.model import catalog, memory_edit
from core.model.memory_edit import MemoryEdit
from core.model.tensors import choose_device, choose_precision
from core.problems import describe
from core.restoring import outputs
from core.restoring.evaluation_table import (
    REGIONS,
    SIDES,
    EvaluationRow,
    EvaluationTable,
    RegionScores,
    Scores,
)
from core.restoring.passes import check_takes_masks, load_model, takes_masks
from core.restoring.records import Choice, Restored, RestoreError, RestoreRequest
from core.restoring.restore import restore
from core.restoring.verdict import NO_VERDICT, Verdict


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    folder: Path
    choice: Choice = field(default_factory=Choice)
    mute_memory: bool = False  # leave out what the network's memory adds, to see what it is worth
    memory_edit: MemoryEdit | None = None  # to which the choice's thoroughness comes
    masks: Path | None = (
        None  # folder of masks, each of its input's name: for regions, and for models that take them
    )
    guess: bool = False  # see core.restoring.records.RestoreRequest, where there is no mask
    results: Path | None = (
        None  # folder of pictures to measure instead of restoring, each of its input's name
    )
    save: Path | None = None  # where what was restored is written, as PNG of its input's name
    part: tuple[int, int] = (
        0,
        1,
    )  # (r, n): of the pairs only every n-th from number r on, see evaluation_text.merged

    @property
    def task(self) -> str:
        return self.choice.task

    def of_each(self) -> RestoreRequest:
        """What is asked for each picture, but for its mask. Raises as :meth:`core.restoring.records.Choice.request`."""
        return self.choice.request(self.memory_edit, mute_memory=self.mute_memory, guess=self.guess)


def evaluate(
    request: EvaluateRequest,
    emit: Emit = ignore,
    control: JobControl | None = None,
) -> EvaluationTable:
    """Restore every input of the folder and measure it against its truth.

    A pair that cannot be read, restored or compared becomes a row with an error; the others go on.

    Raises:
        PairingError: no layout, or pictures without a partner, a mask or a result.
        ValueError: ``save`` is the folder of the inputs or of the truths.
        CatalogError, CheckpointError, DeviceError, RestoreError, MemoryEditError: the model or the device cannot be used at all.
        Cancelled: stopped by ``control``.
    """
    control = control or JobControl()
    info = catalog.task_info(request.task)
    pairing = find_pairs(request.folder)
    protocols = ("Y", "Y8", "RGB") if info.protocol == "Y" else ("RGB",)
    if request.save is not None:
        refuse_to_mix(request.save, pairing.pairs)
    masks = guidance.find_masks(request.masks, pairing.pairs) if request.masks is not None else {}
    runner: _Measurer
    if request.results is not None:
        results = guidance.find_beside(request.results, pairing.pairs, "result", or_target=True)
        runner = _Comparer(request.task, protocols, masks, results, control)
    else:
        runner = _Runner(request, protocols, masks, control)
    rows = []
    began = time.monotonic()
    first, step = request.part
    pairs = pairing.pairs[first::step]
    count = len(pairs)
    for index, pair in enumerate(pairs, 1):
        control.checkpoint()
        emit(ItemStarted(index, count, pair.name))
        error: Exception | None = None
        try:
            row = runner.measure(pair)
        except Cancelled:
            raise
        except Exception as caught:  # whatever is wrong with one picture, the rest is measured
            error = caught
            row = EvaluationRow(pair.name, error=describe(caught).sentence)
        rows.append(row)
        left = (time.monotonic() - began) / index * (count - index)
        emit(ItemDone(index, count, pair.name, error, left))
    return EvaluationTable(
        task=request.task,
        protocol=info.protocol,
        protocols=protocols,
        folder=request.folder,
        layout=pairing.layout,
        rows=tuple(rows),
        memory=memory_edit.note(
            memory_edit.thorough(request.choice.thoroughness, request.memory_edit), request.mute_memory
        ),
        masks=request.masks,
        scale=request.choice.scale,
        guess=request.guess,
        results=request.results,
        **runner.summary(),
    )


def refuse_to_mix(save: Path, pairs: Sequence[Pair]) -> None:
    """Raises ValueError: results among the pictures they are measured on would be taken for those the next time."""
    for pair in pairs:
        for path in (pair.input, pair.target):
            if save.resolve() in path.resolve().parents:
                raise ValueError(f"{save} holds the pictures that are measured; save to another folder")


@dataclass(frozen=True, slots=True)
class _Made:
    """What is measured of one pair."""

    pixels: np.ndarray  # (H, W, 3)
    seconds: float = 0.0
    verdict: Verdict = NO_VERDICT
    guessed: bool | None = None


class _Measurer(abc.ABC):
    """Measures one pair after the other; who comes after it says what is measured."""

    def __init__(
        self, task: str, protocols: tuple[str, ...], masks: Mapping[Path, Path], control: JobControl
    ) -> None:
        self.task, self.protocols, self.masks, self.control = task, protocols, masks, control

    @abc.abstractmethod
    def summary(self) -> dict[str, Any]:
        """What a table says of all of them."""

    @abc.abstractmethod
    def made(self, pair: Pair, picture: Picture, mask: np.ndarray | None) -> _Made:
        """What is compared with the truth."""

    def measure(self, pair: Pair) -> EvaluationRow:
        """Raises what reading, restoring or comparing raises."""
        picture, truth = image_io.read(pair.input), image_io.read(pair.target).pixels
        if picture.pixels.shape != truth.shape:  # before the time is spent on restoring it
            (h, w), (th, tw) = picture.pixels.shape[:2], truth.shape[:2]
            raise MetricError(f"{pair.name}: sizes differ, input {w}x{h} px, target {tw}x{th} px")
        mask: np.ndarray | None = None
        if pair.input in self.masks:
            mask = guidance.read_mask(self.masks[pair.input])
            guidance.check_size(mask, picture.info.width, picture.info.height, self.masks[pair.input].name)
        made = self.made(pair, picture, mask)
        task = tasks.of(self.task)
        regions: dict[str, dict[str, RegionScores]] = {}
        if mask is not None:
            names = REGIONS[:2] if task.changes_light else REGIONS[2:]
            regions = _regions(names, mask > 127, picture.pixels, made.pixels, truth)
        return EvaluationRow(
            name=pair.name,
            width=picture.info.width,
            height=picture.info.height,
            input=self._scores(picture.pixels, truth),
            restored=self._scores(made.pixels, truth),
            input_lab_mae=metrics.lab_mae(picture.pixels, truth) if "LAB" in task.also else None,
            restored_lab_mae=metrics.lab_mae(made.pixels, truth) if "LAB" in task.also else None,
            input_ssim_3d=metrics.ssim_3d(picture.pixels, truth) if "SSIM3D" in task.also else None,
            restored_ssim_3d=metrics.ssim_3d(made.pixels, truth) if "SSIM3D" in task.also else None,
            seconds=made.seconds,
            verdict=made.verdict,
            regions=regions,
            guessed=made.guessed,
        )

    def _scores(self, pixels: np.ndarray, truth: np.ndarray) -> dict[str, Scores]:
        found: dict[str, Scores] = {}
        for protocol in self.protocols:
            self.control.checkpoint()
            score: Score = metrics.score(pixels, truth, protocol)
            found[protocol] = Scores(score.psnr_db, score.ssim)
        return found


class _Comparer(_Measurer):
    """Measures pictures that lie there already."""

    def __init__(
        self,
        task: str,
        protocols: tuple[str, ...],
        masks: Mapping[Path, Path],
        results: Mapping[Path, Path],
        control: JobControl,
    ) -> None:
        super().__init__(task, protocols, masks, control)
        self.results = results

    def made(self, pair: Pair, picture: Picture, mask: np.ndarray | None) -> _Made:
        path = self.results[pair.input]
        pixels = image_io.read(path).pixels
        if pixels.shape != picture.pixels.shape:
            (h, w), (rh, rw) = picture.pixels.shape[:2], pixels.shape[:2]
            raise MetricError(f"{path.name}: sizes differ, input {w}x{h} px, result {rw}x{rh} px")
        return _Made(pixels)

    def summary(self) -> dict[str, Any]:
        nothing = {"device": "", "precision": "", "model": "", "model_sha256": ""}
        return {"megapixels_per_s": None, "uses_masks": False, **nothing}


class _Runner(_Measurer):
    """Restores, and knows what it ran on."""

    def __init__(
        self,
        request: EvaluateRequest,
        protocols: tuple[str, ...],
        masks: Mapping[Path, Path],
        control: JobControl,
    ) -> None:
        super().__init__(request.task, protocols, masks, control)
        self.request = of_each = request.of_each()
        # a model or device that cannot be used fails here, once, instead of in every row
        self.device = choose_device(of_each.device)
        self.precision = choose_precision(of_each.precision, self.device)
        assert of_each.model is not None
        # a full card is no reason: restore() knows a way
        loaded = load_model(of_each.model, "cpu", self.precision)
        if loaded.task != request.task:
            raise RestoreError(f"model {loaded.name} is for {loaded.task}, not for {request.task}")
        self.name, self.sha256 = loaded.name, loaded.sha256
        if of_each.memory_edit is not None:
            of_each.memory_edit.table(loaded.network.config)
        if request.guess:
            check_takes_masks(loaded)
        self.uses_masks = bool(masks) and takes_masks(loaded)
        self.save = request.save
        self.pixels, self.seconds = 0, 0.0

    def made(self, pair: Pair, picture: Picture, mask: np.ndarray | None) -> _Made:
        request = replace(self.request, mask=mask if self.uses_masks else None)
        restored = restore(picture, request, ignore, self.control)
        self._note(restored)
        if self.save is not None:
            path = self.save / f"{pair.name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            outputs.save(restored, picture, path, options=image_io.WriteOptions(overwrite=True))
        guessed = restored.guide is not None if request.guess and mask is None else None
        return _Made(restored.pixels, restored.seconds, restored.verdict, guessed)

    def _note(self, restored: Restored) -> None:
        self.pixels += restored.pixels.shape[0] * restored.pixels.shape[1]
        self.seconds += restored.seconds
        self.device, self.precision = restored.device, restored.precision

    def summary(self) -> dict[str, Any]:
        return {
            "megapixels_per_s": self.pixels / 1e6 / self.seconds if self.seconds > 0 else None,
            "uses_masks": self.uses_masks,
            "device": self.device,
            "precision": self.precision,
            "model": self.name,
            "model_sha256": self.sha256,
        }


def _regions(
    names: Sequence[str], mask: np.ndarray, before: np.ndarray, after: np.ndarray, truth: np.ndarray
) -> dict[str, dict[str, RegionScores]]:
    """Scores within the mask and outside it, by ``names``; a region without pixels is left out."""
    found = {}
    for name, where in zip(names, (mask, ~mask), strict=True):
        if where.any():
            found[name] = {
                side: RegionScores(
                    metrics.region_psnr_db(pixels, truth, where), metrics.lab_mae(pixels, truth, where)
                )
                for side, pixels in zip(SIDES, (before, after), strict=True)
            }
    return found
