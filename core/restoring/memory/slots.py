"""Every slot of a memory, as one photo uses it: how much, what it answers to, what it resembles, whether it is of use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.model.config import GRANULARITIES
from core.model.exemplars import Exemplar, SampleMemory
from core.model.health import DEAD_SHARE, DUPLICATE_COSINE
from core.model.memory import sparsemax
from core.restoring.memory.record import MemoryLook

OVERUSED = 0.5
"""A slot with more than this of the weight of its group does the work of the others, where there are several."""
SEVERAL = 4
INGREDIENTS = 4  # of a slot are told
TYPICAL = 4  # samples from as many steps of the activation


@dataclass(frozen=True, slots=True)
class Likeness:
    """Another slot of the same polarity and granularity."""

    slot: int
    cosine: float  # -1..1


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A slot of the next finer granularity that went into one."""

    granularity: str
    slot: int
    row: int  # in the table of all slots
    share: float  # 0..1


@dataclass(frozen=True, slots=True)
class SlotFacts:
    polarity: str
    granularity: str
    slot: int  # counted from 0 within its polarity and granularity
    row: int  # in the table of all slots
    is_read: bool
    usage: float  # mean weight over the photo or photos, 0..1; sums to 1 in its group
    near: tuple[Likeness, ...]  # most alike first
    health: str  # "" | "unused" | "duplicate" | "overused": here; a photo does not need every slot
    typical: tuple[tuple[Exemplar, float], ...]  # stored samples with their weight, from strong to weak
    made_of: tuple[Ingredient, ...] = ()  # most of it first; a part is made of nothing
    usual_cosine: float | None = (
        None  # of two slots of its kind on average, beside which those of ``near`` say something
    )

    @property
    def name(self) -> str:
        return f"{self.polarity} {self.granularity} {self.slot}"

    @property
    def health_words(self) -> str:
        """Why it may need a look, as a sentence; "" where it does not."""
        if self.health == "unused":
            return "Hardly any place looks it up."
        if self.health == "duplicate":
            twin = self.near[0]
            return f"Says the same as {self.granularity} {twin.slot} (cosine {twin.cosine:.3f})."
        if self.health == "overused":
            return f"Does {self.usage * 100:.0f} % of the work of its kind; the others have little to say."
        return ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "polarity": self.polarity,
            "granularity": self.granularity,
            "slot": self.slot,
            "is_read": self.is_read,
            "usage": round(self.usage, 6),
            "health": self.health,
            "usual_cosine": None if self.usual_cosine is None else round(self.usual_cosine, 4),
            "near": [{"slot": other.slot, "cosine": round(other.cosine, 4)} for other in self.near],
            "made_of": [
                {"granularity": each.granularity, "slot": each.slot, "share": round(each.share, 4)}
                for each in self.made_of
            ],
        }


def slot_facts(
    look: MemoryLook,
    samples: SampleMemory | None = None,
    near: int = 3,
    used: np.ndarray | None = None,
) -> tuple[SlotFacts, ...]:
    """All slots in the order of the table.

    Args:
        used: (R,) mean weight of each slot over other photos than this one; None: over this photo.
        samples: of the same model, for what each slot answers to; None or of another size: no samples are told.
        near: how many slots most like each are told.
    """
    found: list[SlotFacts] = []
    for (polarity, granularity), rows in look.slices.items():
        table = look.held.table[rows]
        usage = (look.usage if used is None else used)[rows]
        alike = table @ table.T
        usual = float(alike[np.triu_indices(len(table), 1)].mean()) if len(table) > 1 else None
        np.fill_diagonal(alike, -2)
        weights = _sample_weights(look, samples, polarity, table)
        for slot in range(len(table)):
            order = np.argsort(-alike[slot], kind="stable")[: min(near, len(table) - 1)]
            others = tuple(Likeness(int(other), float(alike[slot, other])) for other in order)
            found.append(
                SlotFacts(
                    polarity,
                    granularity,
                    slot,
                    rows.start + slot,
                    look.is_read[polarity, granularity],
                    float(usage[slot]),
                    others,
                    _health(float(usage[slot]), len(table), others),
                    _typical(samples, polarity, None if weights is None else weights[:, slot]),
                    _made_of(look, polarity, granularity, slot),
                    usual,
                )
            )
    return tuple(found)


def _made_of(look: MemoryLook, polarity: str, granularity: str, slot: int) -> tuple[Ingredient, ...]:
    shares = look.held.made_of.get((polarity, granularity))
    if shares is None:
        return ()
    finer = GRANULARITIES[GRANULARITIES.index(granularity) - 1]
    start = look.slices[polarity, finer].start
    order = np.argsort(-shares[slot], kind="stable")[:INGREDIENTS]
    return tuple(Ingredient(finer, int(at), start + int(at), float(shares[slot, at])) for at in order)


def _health(usage: float, count: int, near: Sequence[Likeness]) -> str:
    if usage * count < DEAD_SHARE:
        return "unused"
    if near and near[0].cosine > DUPLICATE_COSINE:
        return "duplicate"
    return "overused" if count >= SEVERAL and usage > OVERUSED else ""


def _sample_weights(
    look: MemoryLook, samples: SampleMemory | None, polarity: str, table: np.ndarray
) -> np.ndarray | None:
    """(M, slots): how strongly each stored sample of the polarity looks up each slot of a group."""
    if samples is None or samples.dim != table.shape[1] or not samples.count(polarity):
        return None
    scores = look.held.sharpness * (samples.embeddings(polarity) @ torch.from_numpy(table).T)
    return sparsemax(scores).numpy()


def _typical(
    samples: SampleMemory | None, polarity: str, weights: np.ndarray | None
) -> tuple[tuple[Exemplar, float], ...]:
    """Not the strongest alone: they would all look like one another, and say nothing of what else answers."""
    if samples is None or weights is None:
        return ()
    answering = np.flatnonzero(weights > 0)
    if not len(answering):
        return ()
    order = answering[np.argsort(-weights[answering], kind="stable")]
    picked = dict.fromkeys(
        np.linspace(0, len(order) - 1, min(TYPICAL, len(order))).round().astype(int).tolist()
    )
    return tuple((samples.exemplar(polarity, int(order[at])), float(weights[order[at]])) for at in picked)
