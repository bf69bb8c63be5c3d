"""Prototype memory: features in, what to change about them (and, on request, a record of what was retrieved) out.

Three granularities after MemoryNet (arXiv 2309.01377): *part* prototypes are learned vectors; each
*instance* prototype is a learned weighted summary of the parts; each *semantic* prototype is a learned
weighted summary of the instances. Every granularity exists in two polarities: positive slots hold clean
structure, negative slots hold degradation. The third memory is the *actual* one: beside what it learned, a
slot holds what this very photo shows where the slot is addressed, clean places under the positive slots,
damaged places under the negative ones.

What differs from the paper: the memory is addressed in deep feature space by cosine similarity, the weights
are sparse (sparsemax, Martins & Astudillo 2016, arXiv 1602.02068, Alg. 1), and what is read modulates the
features through a zero-initialised projection without bias, so that a new memory, and one whose slots are
all muted, is the identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.model.config import GRANULARITIES, POLARITIES, slot_rows

TOP_SLOTS = 4
_EMPTY = 1e-3  # a slot claimed by less than this share of the photo fades to nothing


@dataclass(frozen=True, slots=True)
class Address:
    """Where in the memory each position looks. N = h*w positions; rows are ordered as in :meth:`row_slices`."""

    query: Tensor  # (B, D, h, w), unit length along D, float32
    value: (
        Tensor  # (B, D, h, w), what a position contributes to the actual memory, float32; empty without one
    )
    weights: Tensor  # (B, N, R), sums to 1 over the slots of each polarity and granularity
    polarity_logit: Tensor  # (B, h, w): > 0 where degradation explains the position better


_CERTAIN = 12.0  # log-odds of what a person says


def overruled(address: Address, taught: Tensor) -> Address:
    """Where the memory is looked up once a person has taught what is damage, (B, 1, h, w) in -1 (it is not) to 1 (it is).

    The response becomes what is taught, as far as it is taught. Negative slots are read less where damage is denied, and not
    at all where it is denied fully; what is looked up stays as it is.
    """
    label = taught.float()[:, 0]  # (B, h, w)
    logit = torch.lerp(address.polarity_logit.float(), torch.sign(label) * _CERTAIN, label.abs())
    weights = address.weights.clone()  # (B, N, R)
    strength = 1 + label.clamp(max=0)
    negative = weights.shape[-1] // 2  # rows of positive slots come first
    weights[..., negative:] *= strength.flatten(1).unsqueeze(-1).to(weights)
    return Address(address.query, address.value, weights, logit)


@dataclass(frozen=True, slots=True)
class RowEdit:
    """Contents of the memory as they are to be read instead: row r gives ``gain[r] * content[source[r]]``."""

    source: Tensor  # (R,) int64
    gain: Tensor  # (R,) float32
    learned: bool = True  # applies to what the slots learned
    actual: bool = True  # applies to what the photo put into them


@dataclass(frozen=True, slots=True)
class Effect:
    """What a read does to the features and to the picture."""

    scale: Tensor  # (B, C, h, w): the features are to be multiplied by 1 + scale
    shift: Tensor  # (B, C, h, w): and this added
    light: Tensor  # (B, 3, h, w): the picture's red, green and blue are to be multiplied by 1 + light

    @staticmethod
    def of(found: Tensor) -> Effect:
        """From (B, 2 C + 3, h, w)."""
        channels = (found.shape[1] - 3) // 2
        return Effect(*found.split((channels, channels, 3), 1))


@dataclass(frozen=True, slots=True)
class MemoryRead:
    effect: Effect
    address: Address


def sparsemax(scores: Tensor) -> Tensor:
    """Euclidean projection of the last axis onto the simplex: continuous, sums to 1, mostly zeros."""
    # an exporter follows no loop whose length the values decide
    find = _support_by_order if torch.compiler.is_compiling() else _support_by_trial
    support = find(scores.detach())
    threshold = ((scores * support).sum(-1, keepdim=True) - 1) / support.sum(-1, keepdim=True).clamp_min(1)
    return (scores - threshold).clamp_min(0)


def _support_by_trial(scores: Tensor) -> Tensor:
    """Which scores are above the threshold, (..., M) of 0 and 1: those that are not are left out of the next trial, until
    none is (Michelot 1986). The first leaves few in, so this takes a quarter of the time of sorting 64 scores."""
    threshold = scores.amax(-1, keepdim=True) - 1
    count = torch.full_like(threshold, torch.inf)
    for _ in range(scores.shape[-1]):
        above = (scores - threshold).clamp_min_(0)
        total = above.sum(-1, keepdim=True)
        left = above.sign_().sum(-1, keepdim=True)
        if torch.equal(left, count):
            break
        # at least 1 is above, unless a score is NaN, which the caller is to notice itself
        count, threshold = left, threshold + (total - 1) / left.clamp_min(1)
    return above


def _support_by_order(scores: Tensor) -> Tensor:
    """The same by sorting (Martins & Astudillo 2016, Alg. 1), in a fixed number of operations."""
    ordered, _ = torch.sort(scores, dim=-1, descending=True)
    ranks = torch.arange(1, scores.shape[-1] + 1, device=scores.device, dtype=scores.dtype)
    cumulative = ordered.cumsum(-1) - 1
    count = (ranks * ordered > cumulative).sum(-1, keepdim=True).clamp_min(1)
    return (scores > cumulative.gather(-1, count - 1) / count).to(scores.dtype)


def _drawn(*shape: int, deviation: float = 1.0) -> Tensor:
    """Normal noise. On the meta device, where loading asks for shapes only, torch would import its compiler and a
    computer algebra system to draw it: seconds, and tens of them inside a Qt program."""
    values = torch.empty(*shape)
    return values if values.is_meta else values.normal_(std=deviation)


class PlainRead(nn.Module):
    """No memory: the same effects at the same place from one convolution, to tell what the contents are worth."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(channels, channels, 2, stride=2)
        self.out = nn.Conv2d(channels, 2 * channels + 3, 1, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, features: Tensor) -> Effect:
        return Effect.of(self.out(F.leaky_relu(self.look(features), 0.2)))


class PrototypeMemory(nn.Module):
    """Three-granularity, two-polarity memory of prototypes, read at half the resolution of its input.

    Args:
        channels: C of the features it reads for and modulates.
        dim: D, length of a slot.
        slots: number of part, instance and semantic slots of each polarity.
        granularities, polarities: those that are read; all exist.
        actual: whether slots also hold the photo's own content.
    """

    def __init__(
        self,
        channels: int,
        dim: int,
        slots: tuple[int, int, int],
        granularities: tuple[str, ...] = GRANULARITIES,
        polarities: tuple[str, ...] = POLARITIES,
        actual: bool = True,
    ) -> None:
        super().__init__()
        self.slots, self.granularities, self.polarities, self.actual = (
            slots,
            granularities,
            polarities,
            actual,
        )
        part, instance, semantic = slots
        self.parts = nn.Parameter(_drawn(len(POLARITIES), part, dim, deviation=dim**-0.5))
        self.to_instance = nn.Parameter(_drawn(len(POLARITIES), instance, part))
        self.to_semantic = nn.Parameter(_drawn(len(POLARITIES), semantic, instance))
        self.sharpness = nn.Parameter(torch.tensor(8.0))  # multiplies the cosine; larger is sparser
        self.query = nn.Conv2d(channels, dim, 2, stride=2)
        self.value = nn.Conv2d(channels, dim, 2, stride=2) if actual else None
        read = dim * len(polarities) * len(granularities) * (2 if actual else 1)
        self.mix = nn.Conv2d(read, channels, 1, bias=False)  # applied to the slots' contents
        self.activation = nn.LeakyReLU(0.2)  # leaky, for a unit below zero everywhere would learn no more
        self.out = nn.Conv2d(channels, 2 * channels + 3, 1, bias=False)
        nn.init.zeros_(self.out.weight)  # a new memory is the identity

    def row_slices(self) -> dict[tuple[str, str], slice]:
        """(polarity, granularity) -> its rows in a table of all R slots; R = 2 (parts + instances + semantics)."""
        return slot_rows(self.slots)

    def prototypes(self) -> list[Tensor]:
        """Part, instance and semantic slots, each (2, M, D), unit length along D, float32."""
        part = self.parts.float()
        instance = torch.softmax(self.to_instance.float(), -1) @ part  # (2, I, P) @ (2, P, D)
        semantic = torch.softmax(self.to_semantic.float(), -1) @ instance
        return [F.normalize(level, dim=-1, eps=1e-6) for level in (part, instance, semantic)]

    def made_of(self) -> dict[tuple[str, str], Tensor]:
        """(polarity, granularity) -> (M, slots of the next finer one), float32: how much of each goes into a slot; sums to 1."""
        found = {}
        for index, polarity in enumerate(POLARITIES):
            for granularity, weights in zip(
                GRANULARITIES[1:], (self.to_instance, self.to_semantic), strict=True
            ):
                found[polarity, granularity] = torch.softmax(weights[index].float(), -1)
        return found

    def table(self) -> Tensor:
        """All learned slots, (R, D), unit length, float32."""
        levels = self.prototypes()
        return torch.cat([level[p] for p in range(len(POLARITIES)) for level in levels])

    def embed(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> unit queries (B, D, H/2, W/2), float32."""
        return F.normalize(self.query(features).float(), dim=1, eps=1e-6)

    def scores(self, query: Tensor) -> dict[tuple[str, str], Tensor]:
        """(B, D, h, w) -> for each polarity and granularity (B, h, w, M): sharpened cosines with its slots, float32."""
        table = self.sharpness.float() * self.table()
        places = query.float().permute(0, 2, 3, 1)
        return {key: places @ table[rows].T for key, rows in self.row_slices().items()}

    def polarity_logit(self, query: Tensor) -> Tensor:
        """(B, D, h, w) -> (B, h, w): log-odds that the nearest part slots are negative ones."""
        with torch.autocast(query.device.type, enabled=False):
            part = self.prototypes()[0]
            sharp = self.sharpness.float()
            score = sharp * torch.einsum("bdhw,pmd->pbmhw", query.float(), part)
            positive, negative = torch.logsumexp(score, dim=2)
        return negative - positive

    def address(self, features: Tensor) -> Address:
        """Where each position of ``features`` (B, C, H, W), H and W even, looks in the memory."""
        query = self.embed(features)
        value = query.new_empty(0) if self.value is None else self.value(features).float()
        with torch.autocast(query.device.type, enabled=False):
            flat = query.flatten(2).transpose(1, 2)  # (B, N, D)
            scores = flat @ (self.sharpness.float() * self.table()).T  # (B, N, R), cosine
            scores = scores.unflatten(
                -1, (len(POLARITIES), -1)
            )  # both have as many slots of each granularity
            weights = torch.cat([sparsemax(each) for each in scores.split(self.slots, -1)], -1).flatten(2)
            positive, negative = torch.logsumexp(scores[..., : self.slots[0]], -1).unbind(-1)
            logit = (negative - positive).reshape(len(query), *query.shape[2:])
        return Address(query, value, weights, logit)

    def summarise(self, address: Address, guidance: Tensor | None = None, group: int = 1) -> Tensor:
        """The actual memory: the mean value of the positions that claim a slot, (B / group, R, D).

        Positive slots collect from trusted positions, negative ones from damaged ones: by ``guidance``
        (B, 1, h, w) in 0..1 where it says anything, else by the memory's own negative response.

        Args:
            group: this many neighbours in the batch show one photo and share a summary.
        """
        claim = self.claims(address, guidance, group)  # (B, N, R)
        value = address.value.flatten(2).transpose(1, 2)  # (B, N, D)
        b, n, rows = claim.shape
        claim = claim.reshape(b // group, group * n, rows)
        value = value.reshape(b // group, group * n, -1)
        with torch.autocast(value.device.type, enabled=False):
            return (claim.transpose(1, 2) @ value) / self.claimed(claim).unsqueeze(-1)

    @staticmethod
    def claimed(claim: Tensor) -> Tensor:
        """(B, N, R) from :meth:`claims` -> (B, R): what a slot's collected values are divided by."""
        return claim.sum(1) + _EMPTY * claim.shape[1]

    def claims(self, address: Address, guidance: Tensor | None = None, group: int = 1) -> Tensor:
        """(B, N, R) 0..1: how much each position gives to each slot of the actual memory; see :meth:`summarise`."""
        damaged = torch.sigmoid(address.polarity_logit)
        if guidance is not None:
            guide = guidance.float()[:, 0]
            is_guided = guide.reshape(len(guide) // group, -1).amax(1).gt(0).repeat_interleave(group)
            damaged = torch.where(is_guided[:, None, None], guide, damaged)
        damaged = damaged.flatten(1).unsqueeze(-1)  # (B, N, 1)
        half = address.weights.shape[-1] // 2
        trust = torch.cat(((1 - damaged).expand(-1, -1, half), damaged.expand(-1, -1, half)), -1)
        return address.weights * trust

    def read(
        self,
        address: Address,
        summary: Tensor | None,
        edit: RowEdit | None = None,
    ) -> MemoryRead:
        """What the memory holds where ``address`` looks.

        Args:
            summary: (B, R, D) from :meth:`summarise`; None reads an actual memory without content.
            edit: read other contents than those held.
        """
        b, _, h, w = address.query.shape
        with torch.autocast(address.query.device.type, enabled=False):
            learned = _edited(self.table().unsqueeze(0), edit if edit is not None and edit.learned else None)
            actual = None
            if self.actual and summary is not None:
                actual = _edited(summary.float(), edit if edit is not None and edit.actual else None)
            # contents are few and positions many: contents go through the projection, not what was read of them
            content = self._projected(learned, actual)
            read = (address.weights @ content).transpose(1, 2).reshape(b, -1, h, w)
        found = self.out(self.activation(read.to(self.out.weight.dtype)))
        return MemoryRead(Effect.of(found), address)

    def contents(self, summary: Tensor | None) -> tuple[Tensor, Tensor]:
        """What slots learned and what they hold of the photo, each (R, C) as it is read: what a place reads is the sum
        of both, weighed by its weights, before the activation.

        Args:
            summary: (1, R, D) from :meth:`summarise`; None: nothing of a photo.
        """
        learned = self.table().unsqueeze(0)
        first = self._projected(learned, None)[0]
        if summary is None or not self.actual:
            return first, torch.zeros_like(first)
        return first, self._projected(torch.zeros_like(learned), summary.float())[0]

    def _projected(self, learned: Tensor, actual: Tensor | None) -> Tensor:
        """(B, R, D) of what slots learned and of what the photo put into them -> (B, R, C): each row by the part of
        ``mix`` that belongs to its granularity and polarity; zero where these are not read."""
        channels, dim = self.mix.weight.shape[0], learned.shape[-1]
        kinds = 2 if self.actual else 1
        mix = (
            self.mix.weight.float().reshape(channels, -1, kinds, dim).permute(1, 2, 3, 0)
        )  # (P G, kinds, D, C)
        read = {
            (polarity, granularity): index
            for index, (polarity, granularity) in enumerate(product(self.polarities, self.granularities))
        }
        parts = []
        for key, rows in self.row_slices().items():
            if key not in read:
                parts.append(learned.new_zeros(learned.shape[0], rows.stop - rows.start, channels))
                continue
            part = learned[:, rows] @ mix[read[key], 0]
            parts.append(part if actual is None else part + actual[:, rows] @ mix[read[key], 1])
        largest = max(len(part) for part in parts)
        return torch.cat([part.expand(largest, -1, -1) for part in parts], 1)


def _edited(content: Tensor, edit: RowEdit | None) -> Tensor:
    """(B, R, D) with the rows exchanged and weighed as ``edit`` says."""
    if edit is None:
        return content
    return content[:, edit.source.to(content.device)] * edit.gain.to(content).unsqueeze(-1)
