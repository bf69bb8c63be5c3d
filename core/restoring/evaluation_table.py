"""What came of an evaluation: scores of every pair, and means over those that could be measured. Without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from core import tasks
from core.images import metrics
from core.model import memory_edit
from core.restoring import scales
from core.restoring.verdict import NO_VERDICT, Verdict

REGIONS, SIDES = ("shadow", "lit", "damage", "rest"), ("input", "restored")


@dataclass(frozen=True, slots=True)
class Scores:
    """One picture, or a mean over pictures, against the truth. None where the number cannot be had."""

    psnr_db: float | None  # inf for a picture equal to its truth
    ssim: float | None


@dataclass(frozen=True, slots=True)
class RegionScores:
    """The pixels of a region, or a mean over pictures, against the truth."""

    psnr_db: float  # RGB; inf where they equal the truth
    lab_mae: float


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """One pair. With ``error`` set the maps are empty; else both hold the protocols of the table.

    The maps go from protocol ("Y", "RGB") to scores. ``*_lab_mae`` are given for shadows only, ``*_ssim_3d``
    for blur only.
    """

    name: str
    width: int = 0
    height: int = 0
    input: Mapping[str, Scores] = field(default_factory=dict)
    restored: Mapping[str, Scores] = field(default_factory=dict)
    input_lab_mae: float | None = None
    restored_lab_mae: float | None = None
    input_ssim_3d: float | None = None
    restored_ssim_3d: float | None = None
    seconds: float = 0.0
    error: str | None = None
    verdict: Verdict = NO_VERDICT
    regions: Mapping[str, Mapping[str, RegionScores]] = field(default_factory=dict)
    """By region of the mask that was given ("shadow" and "lit" where light is changed, else "damage" and "rest") and side
    ("input", "restored")."""
    guessed: bool | None = None  # whether a shadow was found by itself; None: it was not looked for


@dataclass(frozen=True, slots=True)
class EvaluationTable:
    """What came out, means over the pictures that could be measured."""

    task: str
    protocol: str  # the task's own; the others in ``protocols`` stand beside it, labelled
    protocols: tuple[str, ...]
    folder: Path
    layout: str
    rows: tuple[EvaluationRow, ...]
    megapixels_per_s: (
        float | None
    )  # of restoring alone: no loading, decoding or measuring; None: nothing restored
    device: str
    precision: str
    model: str
    model_sha256: str
    memory: str = memory_edit.UNCHANGED  # see core.model.memory_edit.note
    masks: Path | None = None
    uses_masks: bool = False  # whether the model was given the masks, too, and did not only score by them
    scale: str = scales.AUTO
    guess: bool = False
    results: Path | None = None  # whose pictures were measured; then nothing says what made them

    @property
    def measured(self) -> tuple[EvaluationRow, ...]:
        return tuple(row for row in self.rows if row.error is None)

    @property
    def failed(self) -> tuple[EvaluationRow, ...]:
        return tuple(row for row in self.rows if row.error is not None)

    def mean(self, side: str, protocol: str) -> Scores:
        """``side`` "input" or "restored". Pictures equal to their truth have no finite PSNR and are left out
        of its mean; :meth:`identical` counts them."""
        scores: list[Scores] = [getattr(row, side)[protocol] for row in self.measured]
        return Scores(_mean([s.psnr_db for s in scores]), _mean([s.ssim for s in scores]))

    def spread(self, side: str, protocol: str) -> Scores:
        """Standard deviation over the pictures that :meth:`mean` counts (n - 1); None for fewer than two."""
        scores: list[Scores] = [getattr(row, side)[protocol] for row in self.measured]
        return Scores(_deviation([s.psnr_db for s in scores]), _deviation([s.ssim for s in scores]))

    def mean_lab_mae(self, side: str) -> float | None:
        return _mean([getattr(row, f"{side}_lab_mae") for row in self.measured])

    def mean_ssim_3d(self, side: str) -> float | None:
        return _mean([getattr(row, f"{side}_ssim_3d") for row in self.measured])

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that at least one row has scores of."""
        return tuple(name for name in REGIONS if any(name in row.regions for row in self.measured))

    def mean_region(self, region: str, side: str) -> tuple[float | None, float | None]:
        """PSNR in dB and LAB error, means over the pictures that have the region."""
        scores = [row.regions[region][side] for row in self.measured if region in row.regions]
        return _mean([s.psnr_db for s in scores]), _mean([s.lab_mae for s in scores])

    def identical(self, side: str) -> int:
        """How many pictures equal their truth exactly."""
        scores = (getattr(row, side)[self.protocol].psnr_db for row in self.measured)
        return sum(psnr is not None and math.isinf(psnr) for psnr in scores)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON: null for what does not exist, never NaN or Infinity."""
        others: dict[str, dict[str, Any]] = {
            protocol.lower(): {
                "protocol": metrics.PROTOCOLS[protocol],
                "input": _scores_dict(self.mean("input", protocol)),
                "restored": _scores_dict(self.mean("restored", protocol)),
                "spread": self._spread_dict(protocol),
            }
            for protocol in self.protocols
            if protocol != self.protocol
        }
        if "LAB" in tasks.of(self.task).also:
            others["lab_mae"] = {
                "protocol": metrics.PROTOCOLS["LAB"],
                "input": _rounded(self.mean_lab_mae("input")),
                "restored": _rounded(self.mean_lab_mae("restored")),
            }
        if "SSIM3D" in tasks.of(self.task).also:
            others["ssim_3d"] = {
                "protocol": metrics.PROTOCOLS["SSIM3D"],
                "input": _rounded(self.mean_ssim_3d("input")),
                "restored": _rounded(self.mean_ssim_3d("restored")),
            }
        return {
            "task": self.task,
            "protocol": self.protocol,
            "protocol_note": metrics.PROTOCOLS[self.protocol],
            "count": len(self.measured),
            "failed": len(self.failed),
            "identical": {"input": self.identical("input"), "restored": self.identical("restored")},
            "input": _scores_dict(self.mean("input", self.protocol)),
            "restored": _scores_dict(self.mean("restored", self.protocol)),
            "spread": self._spread_dict(self.protocol),
            **others,
            "megapixels_per_s": _rounded(self.megapixels_per_s),
            "device": self.device,
            "precision": self.precision,
            "model": self.model,
            "model_sha256": self.model_sha256,
            "memory": self.memory,
            "scale": self.scale,
            "masks": str(self.masks) if self.masks is not None else None,
            "told_masks": self.uses_masks,
            "guess": self.guess,
            "regions": {
                region: {side: _region_dict(*self.mean_region(region, side)) for side in SIDES}
                for region in self.regions
            },
            "results": None if self.results is None else str(self.results),
            "folder": str(self.folder),
            "layout": self.layout,
            "images": [self._row_dict(row) for row in self.rows],
        }

    def _spread_dict(self, protocol: str) -> dict[str, Any]:
        return {side: _scores_dict(self.spread(side, protocol)) for side in SIDES}

    def _row_dict(self, row: EvaluationRow) -> dict[str, Any]:
        if row.error is not None:
            return {"name": row.name, "error": row.error}
        found: dict[str, Any] = {
            "name": row.name,
            "width": row.width,
            "height": row.height,
            "input": _scores_dict(row.input[self.protocol]),
            "restored": _scores_dict(row.restored[self.protocol]),
        }
        for protocol in self.protocols:
            if protocol != self.protocol:
                found[protocol.lower()] = {
                    "input": _scores_dict(row.input[protocol]),
                    "restored": _scores_dict(row.restored[protocol]),
                }
        if row.restored_lab_mae is not None:
            found["lab_mae"] = {
                "input": _rounded(row.input_lab_mae),
                "restored": _rounded(row.restored_lab_mae),
            }
        if row.restored_ssim_3d is not None:
            found["ssim_3d"] = {
                "input": _rounded(row.input_ssim_3d),
                "restored": _rounded(row.restored_ssim_3d),
            }
        if row.regions:
            found["regions"] = {
                region: {side: _region_dict(s.psnr_db, s.lab_mae) for side, s in sides.items()}
                for region, sides in row.regions.items()
            }
        if row.guessed is not None:
            found["shadow_found"] = row.guessed
        found["verdict"] = row.verdict.as_dict()
        found["seconds"] = _rounded(row.seconds)
        return found


def _region_dict(psnr_db: float | None, lab_mae: float | None) -> dict[str, float | None]:
    return {"psnr_db": _rounded(psnr_db), "lab_mae": _rounded(lab_mae)}


def _mean(values: Sequence[float | None]) -> float | None:
    finite = [value for value in values if value is not None and math.isfinite(value)]
    return fmean(finite) if finite else None


def _deviation(values: Sequence[float | None]) -> float | None:
    finite = [value for value in values if value is not None and math.isfinite(value)]
    return stdev(finite) if len(finite) > 1 else None


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 4)


def _scores_dict(scores: Scores) -> dict[str, float | None]:
    return {"psnr_db": _rounded(scores.psnr_db), "ssim": _rounded(scores.ssim)}
