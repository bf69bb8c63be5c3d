"""Training losses, scalars in float32 of (B, 3, H, W) pictures or of what the memory made of them, and the damage map."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def charbonnier(restored: Tensor, truth: Tensor, eps: float = 1e-3) -> Tensor:
    """Mean of sqrt(d^2 + eps^2): a smooth L1 (Charbonnier et al., ICIP 1994)."""
    difference = restored.float() - truth.float()
    return torch.sqrt(difference * difference + eps * eps).mean()


def relative(restored: Tensor, truth: Tensor, floor: float = 3e-5) -> Tensor:
    """Mean over the pictures of log(mean square error + floor), so that each counts by how much of its error is left.

    A picture that is hardly damaged then teaches as much as one that is damaged beyond repair, whose
    large error would else drown it. Scaled so that its gradient is about as large as :func:`charbonnier`'s at an error of 30 dB.
    """
    difference = restored.float() - truth.float()
    error = (difference * difference).flatten(1).mean(1)
    return 0.016 * torch.log((error + floor) / floor).mean()


def root(restored: Tensor, truth: Tensor, floor: float = 3e-5) -> Tensor:
    """Mean over the pictures of the root of (mean square error + floor): between :func:`charbonnier`, where crops that can hardly be
    restored drown the others, and :func:`relative`, where flat ones, which blur hardly changes, teach as much as those full of edges.

    Its gradient at an error of 30 dB is about that of both.
    """
    difference = restored.float() - truth.float()
    return torch.sqrt((difference * difference).flatten(1).mean(1) + floor).mean()


def edge(restored: Tensor, truth: Tensor) -> Tensor:
    """L1 between horizontal and vertical first differences: keeps edges where the truth has them."""
    difference = restored.float() - truth.float()
    across = (difference[..., :, 1:] - difference[..., :, :-1]).abs().mean()
    down = (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
    return across + down


def contrastive(
    anchor: Tensor, positives: Tensor, negatives: Tensor, weight: Tensor, temperature: float = 0.1
) -> tuple[Tensor, Tensor, Tensor]:
    """InfoNCE at each position between the restoration and what it should and should not resemble.

    After van den Oord et al. 2018 (arXiv 1807.03748, Eq. 4), as a mean over several positives (Khosla et al.
    2020, arXiv 2004.11362, Eq. 2), the samples as in MemoryNet (arXiv 2309.01377). With cosines s(·,·), temperature
    t, positives p_k and negatives n_j of a position i,

        L_i = mean_k -log( e^{s(a_i,p_k)/t} / (e^{s(a_i,p_k)/t} + sum_j e^{s(a_i,n_j)/t}) )

    Args:
        anchor: (B, D, h, w) embeddings of the restoration.
        positives: (B, K, D, h, w) of the truth, first, and further clean samples.
        negatives: (B, J, D, h, w) of the degraded input, first, and further wrong samples.
        weight: (B, h, w) how much each position was damaged, at least 0.

    Returns:
        The weighted mean of L_i, and the weighted mean cosine distances to truth and degraded input (for curves).
    """
    anchor = anchor.float().unsqueeze(1)
    to_positives = (anchor * positives.float()).sum(2)  # (B, K, h, w), cosine
    to_negatives = (anchor * negatives.float()).sum(2)  # (B, J, h, w)
    against = torch.logsumexp(to_negatives / temperature, 1, keepdim=True)  # (B, 1, h, w)
    per_position = F.softplus(against - to_positives / temperature).mean(1)
    total = weight.sum().clamp_min(1e-6)
    loss = (per_position * weight).sum() / total
    with torch.no_grad():
        near = 1 - (to_positives[:, 0] * weight).sum() / total
        far = 1 - (to_negatives[:, 0] * weight).sum() / total
    return loss, near, far


def polarity(logit: Tensor, damage: Tensor, counts: Tensor | None = None) -> Tensor:
    """Teaches the slots their polarity: clean positions answer positive, damaged ones negative.

    Binary cross-entropy of the memory's log-odds (B, h, w) with ``damage`` (B, h, w) in 0..1, spread to the
    neighbouring positions: between two streaks it rains, and what lies there is not to be trusted. ``counts`` (B,)
    in 0..1 weighs the crops; where it is zero for all of them, so is the term.
    """
    around = F.max_pool2d(damage.float().unsqueeze(1), 3, stride=1, padding=1)[:, 0]
    if counts is None:
        return F.binary_cross_entropy_with_logits(logit.float(), around)
    each = F.binary_cross_entropy_with_logits(logit.float(), around, reduction="none").flatten(1).mean(1)
    return (each * counts.float()).sum() / counts.float().sum().clamp_min(1.0)


def balance(scores: Tensor) -> Tensor:
    """How far slots are from being used alike over a batch: 0 when they are, 1 when one does all the work.

    1 minus the normalised entropy of the mean softmax over ``scores`` (N, M). As in codebooks kept alive by the
    entropy of their mean use (Baevski et al. 2020, arXiv 2006.11477, Eq. 4): a slot that nobody looks up gets no
    gradient from the read, but it gets one from here.
    """
    if scores.shape[-1] < 2:
        return scores.sum() * 0
    share = torch.softmax(scores.float(), -1).mean(0)
    entropy = -(share * share.clamp_min(1e-9).log()).sum()
    return 1 - entropy / math.log(scores.shape[-1])


def smooth(scores: Mapping[Any, Tensor]) -> Tensor:
    """How often neighbouring places would look up different slots: mean -log of the chance that two of them, each
    drawing a slot by the softmax of its scores (B, h, w, M), draw the same; the mean over the groups of slots.

    Neighbours in place of the nearest neighbours of Van Gansbeke et al. 2020 (arXiv 2005.12320, Eq. 2); the term
    :func:`balance` keeps all places from choosing one slot.
    """
    found = []
    for group in scores.values():
        chance = torch.softmax(group.float(), -1)
        for same in (
            (chance[:, :, 1:] * chance[:, :, :-1]).sum(-1),
            (chance[:, 1:] * chance[:, :-1]).sum(-1),
        ):
            found.append(-same.clamp_min(1e-6).log().mean())
    return torch.stack(found).mean()


def spread(query: Tensor) -> Tensor:
    """Mean cosine of random pairs of places: the squared length of the mean of (B, D, h, w) unit embeddings."""
    mean = query.float().mean((0, 2, 3))
    return (mean * mean).sum()


def damage_map(degraded: Tensor, truth: Tensor, cell_px: int, full_at: float = 0.06) -> Tensor:
    """How much each memory cell was damaged: mean |difference| over the cell, 1 from ``full_at`` on; (B, h, w)."""
    difference = (degraded.float() - truth.float()).abs().mean(1, keepdim=True)
    return (F.avg_pool2d(difference, cell_px) / full_at).clamp(0, 1)[:, 0]
