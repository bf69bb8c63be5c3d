"""Pictures of what the contrastive term compared. For looking only: nothing here reaches a weight or a random draw.

The bank knows embeddings; :class:`Album` keeps, by the bank's tags, a small picture of the place each member comes
from. It is not saved: in a continued run, members from before have no picture until they are replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.events import ContrastDrawn, ContrastSample
from core.model.bank import NO_TAG, Bank
from core.model.config import STRIDE_PX

POSITIVE, DEGRADED, WRONG = "positive", "degraded", "wrong"
PICTURE_PX = 64  # edge of a picture around its cell, or that of the crop where it is smaller
ANCHORS = 4
NEAREST = 4  # nearest wrong samples set against each anchor
_APART_CELLS = 4  # between two anchors of one crop: the same place again would tell nothing new


@dataclass(frozen=True, slots=True)
class Shot:
    """A place as it looked at ``step``."""

    picture: np.ndarray  # (T, T, 3) uint8; (0, 0, 3) when it was not kept
    cell: tuple[int, int, int] | None  # x, y and edge in px of the compared cell within the picture
    step: int | None  # None: not known any more


_LOST = Shot(np.zeros((0, 0, 3), np.uint8), None, None)


class Album:
    """Pictures by tag: bounded, because the bank's members are."""

    def __init__(self) -> None:
        self._shots: dict[int, Shot] = {}
        self._next_tag = NO_TAG + 1

    def __len__(self) -> int:
        return len(self._shots)

    def tags_for(self, count: int) -> Tensor:
        """(count,) int64, none of them given before."""
        first = self._next_tag
        self._next_tag += count
        return torch.arange(first, self._next_tag)

    def put(self, tags: Sequence[int], shots: Sequence[Shot]) -> None:
        self._shots.update(zip(tags, shots, strict=True))

    def get(self, tag: int) -> Shot:
        """One without a picture for a tag that is not in the album."""
        return self._shots.get(tag, _LOST)

    def keep_only(self, tags: Iterable[int]) -> None:
        """Forget the pictures of members that are no more."""
        held = set(tags)
        self._shots = {tag: shot for tag, shot in self._shots.items() if tag in held}


@dataclass(frozen=True, slots=True)
class Compared:
    """What one contrastive term looked at. It keeps tensors of the step alive: not to be held beyond it."""

    anchor: Tensor  # (B, D, h, w) embeddings of the restoration, unit length
    truth: Tensor
    given: Tensor  # of the input
    weight: Tensor  # (B, h, w): how much each position counts
    restored_picture: Tensor  # (B, 3, P, P) in 0..1, P = 8 h
    truth_picture: Tensor
    given_picture: Tensor


@torch.no_grad()
def shots(pictures: Tensor, cells: Tensor, step: int) -> list[Shot]:
    """The surroundings of cells.

    Args:
        pictures: (B, 3, P, P) in 0..1; what lies outside is cut off.
        cells: (N, 3) int64, number of the picture, row and column on the memory's grid.
    """
    if not len(cells):
        return []
    height, width = pictures.shape[-2:]
    edge = min(PICTURE_PX, height, width)
    number, row, column = cells.to(pictures.device).unbind(1)
    # shifted inwards at the crop's edge: a picture shows nothing that is not there
    top = (row * STRIDE_PX + (STRIDE_PX - edge) // 2).clamp(0, height - edge)
    left = (column * STRIDE_PX + (STRIDE_PX - edge) // 2).clamp(0, width - edge)
    span = torch.arange(edge, device=pictures.device)
    y, x = (top[:, None] + span)[:, :, None], (left[:, None] + span)[:, None, :]
    cut = pictures.permute(0, 2, 3, 1)[number[:, None, None], y, x]  # (N, T, T, 3)
    levels = (cut.detach().float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    at = torch.stack((column * STRIDE_PX - left, row * STRIDE_PX - top), 1).cpu().tolist()
    # copies of their own: one that stays must not keep its neighbours in memory
    return [
        Shot(one.copy(), (x_px, y_px, STRIDE_PX), step) for one, (x_px, y_px) in zip(levels, at, strict=True)
    ]


@torch.no_grad()
def draw(step: int, task: str, compared: Compared, bank: Bank, album: Album) -> ContrastDrawn | None:
    """Some anchors of the term with everything they were compared with; None when nothing was damaged.

    ``bank`` is to hold what it held when the term was made.
    """
    weight = compared.weight.float()  # (B, h, w)
    differs = (compared.truth_picture - compared.given_picture).abs().flatten(1).amax(1) > 0
    weight = torch.where(
        differs[:, None, None], weight, 0.0
    )  # of a pair that is equal there is nothing to see
    cells = torch.from_numpy(_anchors(weight.cpu().numpy(), step))
    if not len(cells):
        return None
    number, row, column = cells.to(compared.anchor.device).unbind(1)
    anchor, truth, given = (
        side[number, :, row, column].float() for side in (compared.anchor, compared.truth, compared.given)
    )  # (N, D)
    clean = _neighbours(bank, album, truth, anchor, (POSITIVE,), 1)
    wrong = _neighbours(bank, album, anchor, anchor, (DEGRADED, WRONG), NEAREST)
    to_truth, to_given = _cosine(anchor, truth), _cosine(anchor, given)
    restored, target, source = (
        shots(picture, cells, step)
        for picture in (compared.restored_picture, compared.truth_picture, compared.given_picture)
    )
    groups = tuple(
        (
            _sample("anchor", restored[index], 1.0),
            _sample("truth", target[index], to_truth[index]),
            *clean[index],
            _sample("input", source[index], to_given[index]),
            *wrong[index],
        )
        for index in range(len(cells))
    )
    counts = weight[number, row, column] / weight.mean().clamp(min=1e-12)
    return ContrastDrawn(step, groups, task, tuple(counts.cpu().tolist()))


def _anchors(weight: np.ndarray, step: int) -> np.ndarray:
    """(N, 3) int64, N at most :data:`ANCHORS`: cells drawn as heavily as the term weighs them, from crops in turns.

    By a generator of its own, so that looking changes no other draw, and by the step, so that a step shows the same
    whenever it is made.
    """
    rng = np.random.default_rng(step)
    left = np.where(np.isfinite(weight), weight, 0).astype(np.float64)  # (B, h, w)
    crops = rng.permutation(np.flatnonzero(left.sum((1, 2)) > 0)).tolist()
    found: list[tuple[int, int, int]] = []
    while crops and len(found) < ANCHORS:
        crop = crops.pop(0)
        share = left[crop].ravel() / left[crop].sum()
        row, column = (int(i) for i in np.unravel_index(rng.choice(len(share), p=share), left.shape[1:]))
        found.append((crop, row, column))
        near = (crop, *(slice(max(0, at - _APART_CELLS + 1), at + _APART_CELLS) for at in (row, column)))
        left[near] = 0
        if left[crop].sum() > 0:
            crops.append(crop)
    return np.array(found, np.int64).reshape(-1, 3)


def _neighbours(
    bank: Bank, album: Album, queries: Tensor, anchor: Tensor, kinds: tuple[str, ...], k: int
) -> list[list[ContrastSample]]:
    """The ``k`` members nearest to each of the queries as the term takes them: none where there are fewer.

    Their similarity is the one to the anchor, which decides about the pull, whatever they were found by.
    """
    kind_of = [kind for kind in kinds for _ in range(bank.count(kind))]
    if len(kind_of) < k:
        return [[] for _ in queries]
    indices = bank.nearest(queries, kinds, k).indices
    alike = _cosine(anchor.unsqueeze(1), bank.members(*kinds)[indices])  # (N, k)
    tags = bank.tags(*kinds).tolist()
    return [
        [
            _sample(kind_of[member], album.get(tags[member]), cosine)
            for member, cosine in zip(members, cosines, strict=True)
        ]
        for members, cosines in zip(indices.cpu().tolist(), alike, strict=True)
    ]


def _cosine(one: Tensor, other: Tensor) -> Any:
    """Cosines along the last axis, as (nested) lists."""
    return torch.nn.functional.cosine_similarity(one, other.float(), dim=-1).clamp(-1, 1).cpu().tolist()


def _sample(kind: str, shot: Shot, similarity: float) -> ContrastSample:
    return ContrastSample(kind, shot.picture, similarity, shot.step, shot.cell)
