"""Where in a photo the damage lies, guessed from what a model's memory of damage answers to.

In the copy of a photo that is looked at, each cell of the memory's grid has a negative response (how much it looks like damage) and
a change (how much the network takes out there). Their product is what a model's own thresholds are measured in
(:class:`core.restoring.verdict.Thresholds`), here place by place instead of for the whole photo. Blur has no such amount: where
it is strong the network changes nothing, so there the response is taken as it is. In a photo whose most damaged places answer
strongly enough, all counts that answers by a good part of as much. That is laid along the edges of the photo without its damage,
for streaks would only disturb. The numbers were chosen on ``clean`` and are reported on ``clean_val``
(``benchmarks/damage_guess.py``). No torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.cv import cv2
from core.data.guidance import Guess
from core.images.edges import guided
from core.jobs import Emit, JobControl
from core.model.config import STRIDE_PX
from core.restoring import copies, scaled, scales

_LEAST_SHARE = 0.01  # of the photo: less is no place
_GAP_CELLS = 3  # radius of what is filled between damaged cells
_MOST_DAMAGED = 0.95  # quantile of a photo's cells
_RADIUS_PX, _EPS = 16, 0.01  # guided filter, of the copy; of squared natural logarithm
_STEEP = 3.0  # it leaves a wide ramp between inside and outside
_DARK = 8.0  # levels, added before the logarithm
_AROUND = 0.01  # of the photo's longer edge: how far around a shadow its light reaches


@dataclass(frozen=True, slots=True)
class _Way:
    """How one kind of damage is told from what its cells say."""

    spread_cells: float  # standard deviation of the mean over cells, for damage leaves gaps
    least: float  # what the most damaged cells have at least
    part: float  # of what they have: from here on a cell counts


_BY_AMOUNT = _Way(2.5, 3.75, 0.12)  # least: in units of what the model calls nothing
_BY_RESPONSE = _Way(4.0, 0.5, 0.6)  # least: more like damage than not


def seen_best(
    pixels: np.ndarray, request: scaled.Request, network: scaled.Passes, emit: Emit, control: JobControl
) -> tuple[np.ndarray, np.ndarray]:
    """The copy of a photo in which its damage is seen best, of at most about a megapixel, and what the network makes of it, both
    (h, w, 3) uint16: its last pass. The network is told nothing, and shown the photo as it is."""
    height, width = pixels.shape[:2]
    if request.scale == scales.AUTO:
        seen = scaled.look(pixels, request, network, emit, control)
        by, coarsest = seen.best, seen.levels[0][0]
        if by == coarsest and seen.before is not None and seen.after is not None:
            return seen.before, seen.after
    else:
        by = scales.divisor(request.scale)
    while height * width / by**2 > scaled.ONE_PASS_PX and by < scales.SMALLEST:
        by *= 2
    control.checkpoint()
    before = copies.reduced(pixels, by)
    after, _measure = network.restore(before, None, None, scaled.PassEmit(emit, scales.name(by)))
    return before, after


def guess(
    before: np.ndarray,
    after: np.ndarray,
    responses: np.ndarray,
    nothing_below: float | None,
    width: int,
    height: int,
) -> Guess | None:
    """The damaged places of a photo of ``width`` x ``height``, or None where there are none to be seen.

    Args:
        before, after: the copy of it and what the network makes of that, (H, W, 3) of one depth.
        responses: (h, w) float32 in 0..1, the memory's negative response to the copy, on its grid.
        nothing_below: the model's own threshold; None to go by the responses alone.
    """
    if nothing_below is None:
        found = _found(responses, _BY_RESPONSE)
    else:
        found = _found(responses * _changes(before, after, responses.shape) / nothing_below, _BY_AMOUNT)
    if not found.any():
        return None
    inside = cv2.resize(found, _size(responses.shape), interpolation=cv2.INTER_LINEAR)
    guide = cv2.GaussianBlur(np.log(_levels(after) + _DARK).mean(2), (0, 0), 1)
    soft = guided(guide, inside[: before.shape[0], : before.shape[1]], _RADIUS_PX, _EPS)
    soft = np.clip((soft - 0.5) * _STEEP + 0.5, 0, 1)
    mask = np.rint(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR) * 255).astype(np.uint8)
    place = Guess.of(mask)
    return place if place.share >= _LEAST_SHARE else None


def widened(shadow: Guess) -> Guess:
    """What may change where a shadow was guessed: with the half-shade around it."""
    reach = max(1, round(_AROUND * max(shadow.mask.shape)))
    soft = cv2.GaussianBlur(cv2.dilate(shadow.mask, _disc(reach)), (0, 0), reach / 3)
    return Guess.of(np.maximum(np.asarray(soft), shadow.mask))


def _found(values: np.ndarray, way: _Way) -> np.ndarray:
    """(h, w) float32 0 | 1."""
    even = cv2.GaussianBlur(np.asarray(values, np.float32), (0, 0), way.spread_cells)
    most = float(np.quantile(even, _MOST_DAMAGED))
    found = ((even > way.part * most) & (most > way.least)).astype(np.float32)
    return np.asarray(cv2.morphologyEx(found, cv2.MORPH_CLOSE, _disc(_GAP_CELLS)))


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def _changes(before: np.ndarray, after: np.ndarray, cells: tuple[int, ...]) -> np.ndarray:
    """(h, w) float32: levels of 255 that are changed, mean of each cell."""
    width, height = _size(cells)
    change = np.abs(_levels(after) - _levels(before)).mean(2)
    rows, columns = change.shape
    change = cv2.copyMakeBorder(change, 0, height - rows, 0, width - columns, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(change, (cells[1], cells[0]), interpolation=cv2.INTER_AREA))


def _size(cells: tuple[int, ...]) -> tuple[int, int]:
    """Width and height in pixels of the memory's grid (h, w)."""
    return cells[1] * STRIDE_PX, cells[0] * STRIDE_PX


def _levels(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) * np.float32(255 / np.iinfo(pixels.dtype).max)
