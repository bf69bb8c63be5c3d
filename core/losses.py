"""Training losses. All take (B, 3, H, W) pictures or (B, D, h, w) unit embeddings and return a scalar, float32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def charbonnier(restored: Tensor, truth: Tensor, eps: float = 1e-3) -> Tensor:
    """Mean of sqrt(d^2 + eps^2): a smooth L1 (Charbonnier et al., ICIP 1994)."""
    difference = restored.float() - truth.float()
    return torch.sqrt(difference * difference + eps * eps).mean()


def edge(restored: Tensor, truth: Tensor) -> Tensor:
    """L1 between horizontal and vertical first differences: keeps edges where the truth has them."""
    difference = restored.float() - truth.float()
    across = (difference[..., :, 1:] - difference[..., :, :-1]).abs().mean()
    down = (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
    return across + down


def contrastive(
    anchor: Tensor,
    positive: Tensor,
    degraded: Tensor,
    weight: Tensor,
    wrong: Tensor | None = None,
    temperature: float = 0.1,
) -> tuple[Tensor, Tensor, Tensor]:
    """InfoNCE at each position between the restoration, its truth and the degraded input.

    After van den Oord et al. 2018 (arXiv 1807.03748, Eq. 4), the positive and negatives of a position i as
    in MemoryNet (arXiv 2309.01377): with cosines s(·,·) and temperature t,

        L_i = -log( e^{s(a_i,p_i)/t} / (e^{s(a_i,p_i)/t} + sum_j e^{s(a_i,n_j)/t}) )

    where the n_j are the degraded input's embedding at i and, when given, further wrong samples.

    Args:
        anchor: (B, D, h, w) embeddings of the restoration.
        positive: (B, D, h, w) embeddings of the truth.
        degraded: (B, D, h, w) embeddings of the degraded input.
        weight: (B, h, w) how much each position was damaged, at least 0.
        wrong: (N, D) further negatives.

    Returns:
        The weighted mean of L_i, and the weighted mean cosine distances to positive and negative (for curves).
    """
    anchor, positive, degraded = anchor.float(), positive.float(), degraded.float()
    to_positive = (anchor * positive).sum(1)  # (B, h, w), cosine
    to_negative = (anchor * degraded).sum(1)
    scores = torch.stack((to_positive, to_negative), -1)  # (B, h, w, 2)
    if wrong is not None and len(wrong):
        further = torch.einsum("bdhw,nd->bhwn", anchor, wrong.float())
        scores = torch.cat((scores, further), -1)
    per_position = -F.log_softmax(scores / temperature, -1)[..., 0]
    total = weight.sum().clamp_min(1e-6)
    loss = (per_position * weight).sum() / total
    with torch.no_grad():
        near = 1 - (to_positive * weight).sum() / total
        far = 1 - (to_negative * weight).sum() / total
    return loss, near, far


def polarity(logit: Tensor, damage: Tensor) -> Tensor:
    """Teaches the slots their polarity: clean positions answer positive, damaged ones negative.

    Binary cross-entropy of the memory's log-odds (B, h, w) with ``damage`` (B, h, w) in 0..1, spread to the
    neighbouring positions: between two streaks it rains, and what lies there is not to be trusted.
    """
    around = F.max_pool2d(damage.float().unsqueeze(1), 3, stride=1, padding=1)[:, 0]
    return F.binary_cross_entropy_with_logits(logit.float(), around)


def damage_map(degraded: Tensor, truth: Tensor, cell_px: int, full_at: float = 0.06) -> Tensor:
    """How much each memory cell was damaged: mean |difference| over the cell, 1 from ``full_at`` on; (B, h, w)."""
    difference = (degraded.float() - truth.float()).abs().mean(1, keepdim=True)
    return (F.avg_pool2d(difference, cell_px) / full_at).clamp(0, 1)[:, 0]
