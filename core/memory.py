"""Prototype memory: features in, features and (on request) a record of what was retrieved out.

Three granularities after MemoryNet (arXiv 2309.01377): *part* prototypes are learned vectors; each
*instance* prototype is a learned weighted summary of the parts; each *semantic* prototype is a learned
weighted summary of the instances. Every granularity exists in two polarities: positive slots hold clean
structure, negative slots hold degradation. What differs from the paper: the memory is addressed in deep
feature space by cosine similarity, the weights are sparse (sparsemax, Martins & Astudillo 2016,
arXiv 1602.02068, Alg. 1), and the read is added through a zero-initialised projection, so that a new
memory is the identity.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GRANULARITIES = ("part", "instance", "semantic")
POLARITIES = ("positive", "negative")
TOP_SLOTS = 4


@dataclass(frozen=True, slots=True)
class SlotRead:
    """The strongest slots at each position, for one granularity and polarity, strongest first."""

    slots: Tensor  # (B, K, h, w) int64, K = min(4, number of slots)
    weights: Tensor  # (B, K, h, w) float32, 0..1; over all slots they sum to 1


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What the memory answered at each position of its grid (1/8 of the picture's edge).

    ``reads[polarity][granularity]`` holds the top slots; ``negative_response`` (B, h, w) in 0..1 says how
    much more a position resembles degradation than clean structure.
    """

    reads: dict[str, dict[str, SlotRead]]
    negative_response: Tensor


@dataclass(frozen=True, slots=True)
class MemoryRead:
    features: Tensor  # (B, C, 2h, 2w): what to add to the backbone's features
    query: Tensor  # (B, D, h, w), unit length along D, float32
    polarity_logit: Tensor  # (B, h, w): > 0 where degradation explains the position better
    retrieval: Retrieval | None


def sparsemax(scores: Tensor) -> Tensor:
    """Euclidean projection of the last axis onto the simplex: continuous, sums to 1, mostly zeros."""
    ordered, _ = torch.sort(scores, dim=-1, descending=True)
    ranks = torch.arange(1, scores.shape[-1] + 1, device=scores.device, dtype=scores.dtype)
    cumulative = ordered.cumsum(-1) - 1
    # size of the support; at least 1, unless a score is no number, which the caller is to notice itself
    support = (ranks * ordered > cumulative).sum(-1, keepdim=True).clamp_min(1)
    threshold = cumulative.gather(-1, support - 1) / support
    return (scores - threshold).clamp_min(0)


class PrototypeMemory(nn.Module):
    """Read of a three-granularity, two-polarity prototype memory at half the resolution of its input.

    Args:
        channels: C of the features it reads for and adds to.
        dim: D, length of a slot.
        slots: number of part, instance and semantic slots of each polarity.
    """

    def __init__(self, channels: int, dim: int, slots: tuple[int, int, int]) -> None:
        super().__init__()
        self.slots = slots
        part, instance, semantic = slots
        self.parts = nn.Parameter(torch.randn(len(POLARITIES), part, dim) / dim**0.5)
        self.to_instance = nn.Parameter(torch.randn(len(POLARITIES), instance, part))
        self.to_semantic = nn.Parameter(torch.randn(len(POLARITIES), semantic, instance))
        self.sharpness = nn.Parameter(torch.tensor(8.0))  # multiplies the cosine; larger is sparser
        self.query = nn.Conv2d(channels, dim, 2, stride=2)
        self.out = nn.Conv2d(dim * len(POLARITIES) * len(GRANULARITIES), channels, 1)
        self.actual_out = nn.Conv2d(dim, channels, 1)
        for projection in (self.out, self.actual_out):  # a new memory is the identity
            nn.init.zeros_(projection.weight)
            if projection.bias is not None:
                nn.init.zeros_(projection.bias)

    def prototypes(self) -> list[Tensor]:
        """Part, instance and semantic slots, each (2, M, D), unit length along D, float32."""
        part = self.parts.float()
        instance = torch.softmax(self.to_instance.float(), -1) @ part  # (2, I, P) @ (2, P, D)
        semantic = torch.softmax(self.to_semantic.float(), -1) @ instance
        return [F.normalize(level, dim=-1, eps=1e-6) for level in (part, instance, semantic)]

    def embed(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> unit queries (B, D, H/2, W/2), float32."""
        return F.normalize(self.query(features).float(), dim=1, eps=1e-6)

    def polarity_logit(self, query: Tensor) -> Tensor:
        """(B, D, h, w) -> (B, h, w): log-odds that the nearest part slots are negative ones."""
        with torch.autocast(query.device.type, enabled=False):
            part = self.prototypes()[0]
            sharp = self.sharpness.float()
            score = sharp * torch.einsum("bdhw,pmd->pbmhw", query.float(), part)
            positive, negative = torch.logsumexp(score, dim=2)
        return negative - positive

    def forward(
        self, features: Tensor, summary: Tensor | None = None, want_retrieval: bool = False
    ) -> MemoryRead:
        """Read the memory for ``features`` (B, C, H, W), H and W even.

        ``summary`` (B, M, D), when given, is the *actual* memory: the photo's own content, slot by slot.
        """
        query = self.embed(features)
        b, d, h, w = query.shape
        reads: list[Tensor] = []
        found: dict[str, dict[str, SlotRead]] = {polarity: {} for polarity in POLARITIES}
        with torch.autocast(query.device.type, enabled=False):
            flat = query.flatten(2).transpose(1, 2)  # (B, N, D), N = h*w
            sharp = self.sharpness.float()
            for granularity, slots in zip(GRANULARITIES, self.prototypes(), strict=True):
                for index, polarity in enumerate(POLARITIES):
                    weight = sparsemax(sharp * (flat @ slots[index].T))  # (B, N, M), cosine scores
                    reads.append(weight @ slots[index])  # (B, N, D)
                    if want_retrieval:
                        top = weight.topk(min(TOP_SLOTS, weight.shape[-1]), dim=-1)
                        found[polarity][granularity] = SlotRead(
                            slots=top.indices.transpose(1, 2).reshape(b, -1, h, w),
                            weights=top.values.transpose(1, 2).reshape(b, -1, h, w),
                        )
            read = torch.cat(reads, -1).transpose(1, 2).reshape(b, -1, h, w)
            actual = None
            if summary is not None:
                own = F.normalize(summary.float(), dim=-1, eps=1e-6)
                weight = sparsemax(sharp * (flat @ own.transpose(1, 2)))  # (B, N, M)
                actual = (weight @ own).transpose(1, 2).reshape(b, d, h, w)
            logit = self.polarity_logit(query)
        added = self.out(read.to(features.dtype))
        if actual is not None:
            added = added + self.actual_out(actual.to(features.dtype))
        added = F.interpolate(added, scale_factor=2, mode="nearest")  # 1x1 convolutions commute with nearest
        retrieval = Retrieval(found, torch.sigmoid(logit)) if want_retrieval else None
        return MemoryRead(added, query, logit, retrieval)

    def summarise(self, features: Tensor, weight: Tensor | None = None) -> Tensor:
        """The photo's own content, one row for each part slot: (B, C, H, W) -> (B, 2P, D).

        Each slot collects the mean query of the positions it claims; ``weight`` (B, 1, H/2, W/2) in 0..1
        says which positions count.
        """
        query = self.embed(features).flatten(2).transpose(1, 2)  # (B, N, D)
        part = self.prototypes()[0].flatten(0, 1)  # (2P, D)
        claim = sparsemax(self.sharpness.float() * (query @ part.T))  # (B, N, 2P)
        if weight is not None:
            claim = claim * weight.flatten(2).transpose(1, 2).float()
        total = claim.sum(1).clamp_min(1e-6)  # (B, 2P)
        return (claim.transpose(1, 2) @ query) / total.unsqueeze(-1)
