"""Measures where a model's own looks turn from nothing to little to much, and whether they tell how much is gone.

Seeded: clean photos come back clean or damaged by the task's own degradation, lightly and fully, in their own size
and as camera-size composites (a mosaic of photos under one damage three times as large). Damage is drawn as the model's own
recipe says. What comes out stands in the model's ``config.json`` (:class:`core.restoring.verdict.Thresholds`); the weights are not touched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core import atomic, foreign_text
from core.cv import cv2
from core.data.degrade import DEGRADATIONS, DegradationError
from core.events import ItemDone
from core.images import io as image_io
from core.jobs import Emit, JobControl, ignore
from core.model import checkpoint
from core.restoring import copies, scaled, scales
from core.restoring.passes import Network
from core.restoring.records import RestoreRequest
from core.restoring.verdict import NOTHING, RECORD, Measure, Thresholds, features

LEAST_RANK = 0.7  # of the rank correlation; below it words only
MUCH_LEVELS = 8.0  # root mean square damage, levels of 255, from which one speaks of much
_CLEAN_BELOW = 0.9  # share of clean photos in which nothing is to be found
_DAMAGED_ABOVE = 0.1  # share of damaged ones that may be taken for clean where both cannot be had
_KINDS = (("clean", 0.0), ("light", 0.35), ("full", 1.0))  # how much of the drawn damage is put on
_CELL = 480, 320  # px of a mosaic's photo
_MOSAIC = 3  # photos along an edge, and how much larger than they the damage is
_RIDGE = 1e-2
_JPEG_QUALITY = 92


class CalibrationError(ValueError):
    """There is nothing to measure on, or no folder to keep what was measured."""

    problem_key = "calibration"


@dataclass(frozen=True, slots=True)
class _Trial:
    kind: str
    before: Measure
    after: Measure
    damage: float  # root mean square, levels
    gone: float  # 1 - error after / error before, squared errors


class _Blind(Network):
    """Restores whatever it sees."""

    @property
    def thresholds(self) -> Thresholds | None:
        return None


def calibrate(
    model: Path,
    task: str,
    photos: Sequence[np.ndarray],
    *,
    damaged: int = 10,
    camera: int = 8,
    device: str = "auto",
    precision: str = "auto",
    seed: int = 0,
    emit: Emit = ignore,
    control: JobControl | None = None,
) -> Thresholds:
    """Measure ``model`` on clean photos (H, W, 3) uint8. Emits an :class:`ItemDone` for each trial.

    All photos are looked at clean, the first ``damaged`` of them also with light and full damage, and ``camera``
    mosaics damaged (half as many clean).

    Raises:
        CalibrationError: fewer than four photos.
        RestoreError, CheckpointError, Cancelled: as :func:`core.restoring.restore.restore`.
    """
    if len(photos) < 4:
        raise CalibrationError(f"{len(photos)} photos: need at least 4 clean ones")
    control = control or JobControl()
    request = RestoreRequest(task=task, model=model, device=device, precision=precision)
    network = _Blind(request, ignore, control)
    params = own_params(task, network.model.provenance)
    plans: list[tuple[str, float, int]] = []
    for kind, share in _KINDS:
        count = len(photos) if share == 0 else min(damaged, len(photos))
        plans += [(kind, share, index) for index in range(count)]
    plans += [("camera clean", 0.0, index) for index in range(-(-camera // 2))]
    plans += [("camera", (0.35, 1.0)[index % 2], index) for index in range(camera)]
    trials = []
    for number, (kind, share, index) in enumerate(plans, 1):
        control.checkpoint()
        rng = np.random.default_rng((seed, number))
        if kind.startswith("camera"):
            clean, spoiled = spoil(_mosaic(photos, rng), task, params, share, rng, _MOSAIC)
        else:
            clean, spoiled = spoil(photos[index], task, params, share, rng, 1)
        trials.append(_try(kind, clean, spoiled, request, network, control))
        emit(ItemDone(number, len(plans), kind, None, None))
    return _thresholds(trials)


def own_params(task: str, provenance: Mapping[str, Any]) -> Any:
    """Parameters of the damage that a model learned from, without photos left clean or nearly so, or undone in part; the task's
    own where its record says nothing that is known here."""
    made = DEGRADATIONS[task]
    recipe = provenance.get("recipe")
    values = recipe.get("degradation") if isinstance(recipe, Mapping) else None
    try:
        params = made.params(values if isinstance(values, Mapping) else {})
    except DegradationError:
        params = made.params({})
    params = made.always(params)
    return replace(params, **{name: 0.0 for name in ("nearly", "undone") if hasattr(params, name)})


def keep(model: Path, thresholds: Thresholds) -> None:
    """Write them into the ``config.json`` of a model folder. Raises :class:`CalibrationError`, OSError."""
    file = model / checkpoint.CONFIG_FILE
    try:
        config = foreign_text.read_json(file)
        config.setdefault("provenance", {})[RECORD] = thresholds.as_dict()
    except (OSError, ValueError, AttributeError) as error:
        raise CalibrationError(f"{model}: no {checkpoint.CONFIG_FILE} to write to: {error}") from error
    atomic.write_text(file, json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def read_photos(folder: Path, most: int = 24, longest_px: int = 640) -> list[np.ndarray]:
    """Clean photos of a folder, (H, W, 3) uint8, evenly chosen by name and reduced to ``longest_px``."""
    paths = list(image_io.find_images(folder, True))
    if len(paths) > most:
        paths = [paths[round(at)] for at in np.linspace(0, len(paths) - 1, most)]
    found = []
    for path in paths:
        pixels = image_io.read(path).pixels
        if pixels.dtype != np.uint8:
            pixels = np.rint(pixels / 257).astype(np.uint8)
        found.append(_at_most(pixels, longest_px))
    return found


def _at_most(pixels: np.ndarray, longest_px: int) -> np.ndarray:
    share = longest_px / max(pixels.shape[:2])
    if share >= 1:
        return pixels
    size = round(pixels.shape[1] * share), round(pixels.shape[0] * share)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _mosaic(photos: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Nine photos in three rows: a large picture with detail down to its pixels."""
    width, height = _CELL
    out = np.empty((_MOSAIC * height, _MOSAIC * width, 3), np.uint8)
    for row in range(_MOSAIC):
        for column in range(_MOSAIC):
            photo = photos[int(rng.integers(len(photos)))]
            scale = max(width / photo.shape[1], height / photo.shape[0])
            size = max(width, round(photo.shape[1] * scale)), max(height, round(photo.shape[0] * scale))
            fitted = cv2.resize(photo, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
            out[row * height : (row + 1) * height, column * width : (column + 1) * width] = fitted[
                :height, :width
            ]
    return out


def spoil(
    photo: np.ndarray, task: str, params: Any, share: float, rng: np.random.Generator, by: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """A photo and the same damaged, both uint8; ``share`` of the damage, drawn ``by`` times as large."""
    made = DEGRADATIONS[task]
    truth: np.ndarray = photo.astype(np.float32) / 255
    if share == 0:
        return photo, as_jpeg(photo)
    if made.resize is not None:  # light damage is small damage, and large damage leaves no fine detail
        params = made.resize(params, by * share)
        pair = made.bind_pair(params)
        spoiled, truth = pair(truth, rng, 0) if pair is not None else (made.bind(params)(truth, rng), truth)
        return np.rint(truth * 255).astype(np.uint8), as_jpeg(np.rint(spoiled * 255).astype(np.uint8))
    small = truth if by == 1 else copies.reduced(photo, by).astype(np.float32) / 65535
    change: np.ndarray = np.asarray((made.bind(params)(small, rng) - small) * share)
    if by > 1:
        change = cv2.resize(change, (photo.shape[1], photo.shape[0]), interpolation=cv2.INTER_CUBIC)
    out = np.rint(np.clip(truth + change, 0, 1) * 255).astype(np.uint8)
    return np.rint(truth * 255).astype(np.uint8), as_jpeg(out)


def as_jpeg(pixels: np.ndarray) -> np.ndarray:
    encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[..., ::-1], np.uint8)


def _try(
    kind: str,
    clean: np.ndarray,
    spoiled: np.ndarray,
    request: RestoreRequest,
    network: _Blind,
    control: JobControl,
) -> _Trial:
    found = scaled.restore(spoiled, request, network, ignore, control)
    by = scales.divisor(found.verdict.scale)
    after = scaled.see(found.pixels, None, by, network, control)
    damage, left = _rms(spoiled, clean), _rms(found.pixels, clean)
    return _Trial(kind, found.measure, after, damage, 1 - (left / max(damage, 1e-6)) ** 2)


def _rms(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(one.astype(np.float32) - other), dtype=np.float64)))


def _thresholds(trials: Sequence[_Trial]) -> Thresholds:
    clean = np.array([trial.before.amount for trial in trials if "clean" in trial.kind])
    spoiled = [trial for trial in trials if "clean" not in trial.kind]
    amounts = np.array([trial.before.amount for trial in spoiled])
    most_clean, least_spoiled = np.quantile(clean, _CLEAN_BELOW), np.quantile(amounts, _DAMAGED_ABOVE)
    low = float(np.sqrt(max(most_clean, 1e-3) * max(least_spoiled, 1e-3)))
    if most_clean > least_spoiled:  # both cannot be had: clean photos stay untouched
        low = float(most_clean)
    is_much = np.array([trial.damage >= MUCH_LEVELS for trial in spoiled])
    high = max(low, _split(amounts, is_much))
    seen = [trial for trial in spoiled if trial.before.amount >= low]
    weights, rank = _fit([features(t.before, t.after) for t in seen], [t.gone for t in seen])
    gone = tuple(round(float(w), 6) for w in weights) if rank is not None and rank >= LEAST_RANK else None
    found = Thresholds(round(low, 5), round(high, 5), gone, None if rank is None else round(rank, 3))
    return replace(found, photos=_table(trials, found))


def _split(amounts: np.ndarray, is_much: np.ndarray) -> float:
    """The amount that tells much from little best, both counting alike."""
    if is_much.all() or not is_much.any():
        return float(amounts.min() if is_much.all() else amounts.max())
    tries = np.sort(amounts)
    right = [
        0.5 * (amounts[is_much] >= at).mean() + 0.5 * (amounts[~is_much] < at).mean() for at in tries.tolist()
    ]
    return float(tries[int(np.argmax(right))])


def _fit(rows: Sequence[tuple[float, ...]], gone: Sequence[float]) -> tuple[np.ndarray, float | None]:
    """Weights of :func:`features`, and the rank correlation of what is told of each trial by all the others."""
    if len(rows) < 8:
        return np.zeros(0), None
    x, y = np.asarray(rows, np.float64), np.clip(np.asarray(gone, np.float64), 0, 1)
    ridge = _RIDGE * len(x) * np.diag([0.0, *[1.0] * (x.shape[1] - 1)]) + 1e-9 * np.eye(x.shape[1])
    inverse = np.linalg.inv(x.T @ x + ridge)
    weights = inverse @ (x.T @ y)
    leverage = np.einsum("ij,jk,ik->i", x, inverse, x)
    alone = y - (y - x @ weights) / np.maximum(1 - leverage, 1e-6)  # each told by the others
    return weights, _rank_correlation(alone, y)


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's; 0 where all are alike."""
    ranks = [np.argsort(np.argsort(values)).astype(np.float64) for values in (one, other)]
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _table(trials: Sequence[_Trial], thresholds: Thresholds) -> dict[str, Any]:
    """By kind: how many, what was found, how much damage there was and how much of it went, really and as told."""
    table: dict[str, Any] = {}
    for kind in dict.fromkeys(trial.kind for trial in trials):
        of = [trial for trial in trials if trial.kind == kind]
        found = [thresholds.found(trial.before) for trial in of]
        row: dict[str, Any] = {"count": len(of), **{word: found.count(word) for word in dict.fromkeys(found)}}
        row["damage_levels"] = round(float(np.mean([trial.damage for trial in of])), 2)
        if "clean" not in kind:
            row["gone"] = round(float(np.mean([trial.gone for trial in of])), 3)
            predicted = [
                thresholds.share_gone(t.before, t.after)
                for t, word in zip(of, found, strict=True)
                if word != NOTHING
            ]
            known = [share for share in predicted if share is not None]
            row["gone_told"] = round(float(np.mean(known)), 3) if known else None
        table[kind] = row
    return table
