"""How well a memory uses its slots, and new life for slots that nothing uses.

A slot is *dead* when almost nothing looks it up, a *duplicate* when another slot says the same. Both are
room that was paid for and holds nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from core.model.config import POLARITIES
from core.model.memory import PrototypeMemory

DEAD_SHARE = 0.01
"""A slot with less than this part of an equal share of the weight is dead."""
DUPLICATE_COSINE = 0.98
_POOL = 32  # candidates looked at for each part slot to be filled, hardest first
_LEAN = 1.0  # how much a new summary leans to one slot: as strongly as to all the others together

Slices = Mapping[tuple[str, str], slice]
"""(polarity, granularity) -> rows, as :meth:`core.model.memory.PrototypeMemory.row_slices` gives them"""


@dataclass(frozen=True, slots=True)
class GroupHealth:
    """The slots of one polarity and granularity; slots are counted from 0 within the group."""

    polarity: str
    granularity: str
    slots: int
    entropy: float  # of the usage, 0..1: 1 when all slots are used alike, 0 when one does all the work
    effective_slots: float  # as many equally used slots have the same entropy
    dead: tuple[int, ...]
    duplicates: tuple[tuple[int, int], ...]  # (slot, the earlier slot that says the same), one pair a slot

    def as_dict(self) -> dict[str, Any]:
        return {
            "polarity": self.polarity,
            "granularity": self.granularity,
            "slots": self.slots,
            "entropy": round(self.entropy, 4),
            "effective_slots": round(self.effective_slots, 2),
            "dead": list(self.dead),
            "duplicates": [list(pair) for pair in self.duplicates],
        }


@dataclass(frozen=True, slots=True)
class MemoryHealth:
    """Health of every polarity and granularity, in the order of the table's rows."""

    groups: tuple[GroupHealth, ...]
    dead_below: float  # of an equal share
    silent: float | None = None  # share of the units behind the read, see Listener; None: not known

    @property
    def entropy(self) -> float:
        """Mean over the groups, 0..1."""
        return float(np.mean([group.entropy for group in self.groups])) if self.groups else 0.0

    @property
    def slots(self) -> int:
        return sum(group.slots for group in self.groups)

    @property
    def dead(self) -> int:
        return sum(len(group.dead) for group in self.groups)

    @property
    def duplicates(self) -> int:
        return sum(len(group.duplicates) for group in self.groups)

    def group(self, polarity: str, granularity: str) -> GroupHealth:
        """Raises KeyError for a group the memory does not have."""
        for group in self.groups:
            if (group.polarity, group.granularity) == (polarity, granularity):
                return group
        raise KeyError(f"{polarity} {granularity}")

    def as_dict(self) -> dict[str, Any]:
        return {
            "entropy": round(self.entropy, 4),
            "slots": self.slots,
            "dead": self.dead,
            "duplicates": self.duplicates,
            "dead_below": self.dead_below,
            "silent": None if self.silent is None else round(self.silent, 4),
            "groups": [group.as_dict() for group in self.groups],
        }


def usage_of(weights: Tensor) -> Tensor:
    """Mean weight of each slot over all positions: (..., N, R) -> (R,) float32; sums to 1 in every group.

    Raises ValueError when there is no position to take the mean of.
    """
    flat = weights.detach().reshape(-1, weights.shape[-1])
    if not len(flat):
        raise ValueError(f"weights of {tuple(weights.shape)}: no position to take the mean of")
    return flat.float().mean(0)


def health(
    usage: Tensor | np.ndarray,
    table: Tensor | np.ndarray,
    slices: Slices,
    dead_below: float = DEAD_SHARE,
    duplicate_cosine: float = DUPLICATE_COSINE,
    silent: float | None = None,
) -> MemoryHealth:
    """What is used and what is not.

    Args:
        usage: (R,) from :func:`usage_of`, or a mean of several; not negative.
        table: (R, D), what the slots learned.
        slices: which rows belong together.
        dead_below: of an equal share; see :data:`DEAD_SHARE`.
        silent: from :class:`Listener`, where one listened.

    Raises ValueError: shapes that do not go together, or numbers that are none.
    """
    used, rows = _array(usage), _array(table)
    if used.ndim != 1 or rows.ndim != 2 or len(rows) != len(used):
        raise ValueError(f"usage {used.shape} and table {rows.shape}: need (R,) and (R, D)")
    if not (np.isfinite(used).all() and np.isfinite(rows).all()) or (used < 0).any():
        raise ValueError("usage and table: need finite numbers, and usage not below 0")
    groups = []
    for (polarity, granularity), place in slices.items():
        entropy, effective = _entropy(used[place])
        groups.append(
            GroupHealth(
                polarity,
                granularity,
                len(used[place]),
                entropy,
                effective,
                tuple(np.flatnonzero(_dead(used[place], dead_below)).tolist()),
                _duplicates(rows[place], duplicate_cosine),
            )
        )
    return MemoryHealth(tuple(groups), dead_below, silent)


def in_clusters(
    rows: np.ndarray, duplicate_cosine: float = DUPLICATE_COSINE
) -> tuple[np.ndarray, tuple[tuple[int, ...], ...]]:
    """An order of slots (M, D) for a matrix of their cosines, and the clusters that stand first in it.

    A cluster is what a chain of duplicates joins, the largest first. The others follow, each the most like the one
    before it, so that what is alike lies near the diagonal.
    """
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    alike = unit @ unit.T
    left = set(range(len(rows)))
    found = []
    while left:
        cluster, waiting = set(), [min(left)]
        while waiting:
            slot = waiting.pop()
            cluster.add(slot)
            twins = set(np.flatnonzero(alike[slot] > duplicate_cosine).tolist())
            waiting += sorted(twins & left - cluster - set(waiting))
        left -= cluster
        found.append(tuple(sorted(cluster)))
    clusters = sorted((one for one in found if len(one) > 1), key=lambda one: (-len(one), one))
    order = [slot for cluster in clusters for slot in cluster]
    single = [one[0] for one in found if len(one) == 1]
    at = order[-1] if order else single[0] if single else 0
    while single:
        at = max(single, key=lambda slot: float(alike[at, slot]))
        single.remove(at)
        order.append(at)
    return np.array(order, np.int64), tuple(clusters)


class Listener:
    """Hears which units between the memory's read and the features ever rise above zero, while it is entered.

    What is read passes through an activation on its way to the features. A unit that stays at or below zero for
    every place has nothing to say there; when all do, the memory changes little or nothing, however well its slots
    are used.
    """

    def __init__(self, memory: PrototypeMemory | None) -> None:
        self._memory = memory
        self._heard: Tensor | None = None  # (C,) bool
        self._hook: RemovableHandle | None = None

    def __enter__(self) -> Listener:
        if self._memory is not None:
            self._hook = self._memory.activation.register_forward_hook(self._listen)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def _listen(self, _module: object, _inputs: object, output: Tensor) -> None:
        risen = output.detach().amax((0, 2, 3)) > 0  # (C,)
        self._heard = risen if self._heard is None else self._heard | risen

    @property
    def heard(self) -> np.ndarray | None:
        """(C,) bool, which units rose; None without a memory or when nothing was read."""
        return None if self._heard is None else self._heard.cpu().numpy()

    @property
    def silent(self) -> float | None:
        """Share of the units that never rose, 0..1; None as for :attr:`heard`."""
        return silent_share(self.heard)


def silent_share(*heard: np.ndarray | None) -> float | None:
    """Share of the units that rose in none of several (C,) bool; None where one of them is not known."""
    known = [each for each in heard if each is not None]
    return float(1 - np.any(known, axis=0).mean()) if known and len(known) == len(heard) else None


def dead_rows(usage: Tensor | np.ndarray, slices: Slices, dead_below: float = DEAD_SHARE) -> tuple[int, ...]:
    """Rows of the table that are dead: what :func:`reseed` is to be given."""
    used = _array(usage)
    found: list[int] = []
    for place in slices.values():
        found += (place.start + np.flatnonzero(_dead(used[place], dead_below))).tolist()
    return tuple(found)


def _array(values: Tensor | np.ndarray) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().float().cpu().numpy()
    return np.asarray(values, np.float64)


def _dead(used: np.ndarray, below: float) -> np.ndarray:
    total = used.sum()
    return used * len(used) < below * total if total > 0 else np.ones(len(used), bool)


def _entropy(used: np.ndarray) -> tuple[float, float]:
    """Normalised to 0..1, and as a number of slots. A group of one slot is used as evenly as can be."""
    total = used.sum()
    if total <= 0:
        return 0.0, 0.0
    share = used[used > 0] / total
    nats = max(0.0, float(-(share * np.log(share)).sum()))
    return (min(1.0, nats / math.log(len(used))) if len(used) > 1 else 1.0), math.exp(nats)


def _duplicates(rows: np.ndarray, cosine: float) -> tuple[tuple[int, int], ...]:
    """Each slot too like an earlier one that is not itself a duplicate: without them no such pair is left."""
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    alike = unit @ unit.T
    kept: list[int] = []
    found = []
    for slot in range(len(rows)):
        twin = next((other for other in kept if alike[slot, other] > cosine), None)
        if twin is None:
            kept.append(slot)
        else:
            found.append((slot, twin))
    return tuple(found)


# --- new life ------------------------------------------------------------------------------------


@torch.no_grad()
def reseed(
    memory: PrototypeMemory,
    dead_rows: Sequence[int],
    queries: Tensor | Mapping[str, Tensor],
    seed: int | torch.Generator,
) -> tuple[int, ...]:
    """Fill dead slots anew and return the rows of the table that were changed, in order.

    A *part* slot becomes a hard sample: of the hardest candidates those farthest from every living slot and
    from one another (farthest-point traversal, see :mod:`core.model.bank`), so that no duplicate is made. With too
    few different candidates the rest of the dead slots stays as it is. *Instance* and *semantic* slots are
    learned summaries and have no sample; their row of ``to_instance`` or ``to_semantic`` is drawn anew,
    leaning to one slot below each, since an even mix of everything resembles nothing.

    The same arguments give the same memory. Momentum and averages of the changed rows are the caller's.

    Args:
        dead_rows: rows of :meth:`PrototypeMemory.table`.
        queries: (N, D) candidates, the hardest first, for both polarities (none is used twice) or for each.
        seed: for the rows drawn anew.

    Raises ValueError: a row that is not there, or candidates of another shape.
    """
    slices = memory.row_slices()
    count = 2 * sum(memory.slots)
    rows = sorted(set(dead_rows))
    if rows and not (rows[0] >= 0 and rows[-1] < count):
        raise ValueError(f"rows {rows[0]} to {rows[-1]}: the memory has {count}")
    dim = memory.parts.shape[-1]
    shared = isinstance(queries, Tensor)
    given = dict.fromkeys(POLARITIES, queries) if isinstance(queries, Tensor) else dict(queries)
    for polarity, candidates in given.items():
        if polarity not in POLARITIES or candidates.ndim != 2 or candidates.shape[1] != dim:
            raise ValueError(f"candidates for {polarity} {tuple(candidates.shape)}: need (N, {dim})")
    generator = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)
    changed: list[int] = []
    taken: list[int] = []
    for index, polarity in enumerate(POLARITIES):
        place = slices[polarity, "part"]
        dead = [row - place.start for row in rows if place.start <= row < place.stop]
        if dead and polarity in given:
            filled = _fill_parts(memory.parts[index], dead, given[polarity], taken if shared else [])
            changed += [place.start + slot for slot in filled]
        for granularity, mixing, below in (
            ("instance", memory.to_instance, "part"),
            ("semantic", memory.to_semantic, "instance"),
        ):
            place = slices[polarity, granularity]
            lower = slices[polarity, below]
            # those that stay dead make no summary alive
            still = {
                row - lower.start for row in rows if lower.start <= row < lower.stop and row not in changed
            }
            summaries = [row - place.start for row in rows if place.start <= row < place.stop]
            _draw_summaries(mixing[index], summaries, still, generator)
            changed += [place.start + slot for slot in summaries]
    return tuple(sorted(changed))


def _fill_parts(parts: Tensor, dead: list[int], queries: Tensor, taken: list[int]) -> list[int]:
    """Write candidates into the ``dead`` rows of (P, D); ``taken`` are used ones, and grows. Returns the rows."""
    candidates = queries.detach().to(parts.device, torch.float32)
    usable = torch.isfinite(candidates).all(1) & (candidates.norm(dim=1) > 1e-6)
    usable[taken] = False
    places = torch.nonzero(usable)[:, 0][: _POOL * len(dead)]
    if not len(places):
        return []
    unit = F.normalize(candidates[places], dim=1)
    living = torch.ones(len(parts), dtype=torch.bool, device=parts.device)
    living[dead] = False
    lengths = parts.float().norm(dim=1)
    length = (lengths[living] if bool(living.any()) else lengths).mean()
    if not float(length) > 0:
        length = torch.ones_like(length)
    nearest = unit.new_full((len(unit),), -2.0)
    if bool(living.any()):
        nearest = (unit @ F.normalize(parts[living].float(), dim=1, eps=1e-6).T).amax(1)
    filled = []
    for slot in dead:
        best = int(nearest.argmin())  # of equal ones the first, which is the hardest
        if float(nearest[best]) > DUPLICATE_COSINE:
            break
        parts[slot] = (unit[best] * length).to(parts.dtype)
        taken.append(int(places[best]))
        filled.append(slot)
        nearest = torch.maximum(nearest, unit @ unit[best])
    return filled


def _draw_summaries(mixing: Tensor, slots: list[int], avoid: set[int], generator: torch.Generator) -> None:
    """Draw rows ``slots`` of the logits (M, L) anew, each leaning to another of the L slots below."""
    below = mixing.shape[1]
    if not slots:
        return
    logits = torch.randn(len(slots), below, generator=generator)
    order = torch.randperm(below, generator=generator).tolist()
    order = [slot for slot in order if slot not in avoid] or order
    for row, values in enumerate(logits):
        chosen = order[row % len(order)]
        others = torch.cat((values[:chosen], values[chosen + 1 :]))
        values[chosen] = _LEAN * torch.logsumexp(others, 0) if len(others) else 0.0
    mixing[slots] = logits.to(mixing)
