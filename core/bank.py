"""Bounded banks of embeddings that stay diverse, with exact nearest-neighbour search. Tensors only.

What is kept is decided by the max-min rule. A bank that has room takes the candidate farthest from its members
first (farthest-point traversal: Gonzalez 1985, "Clustering to minimize the maximum intercluster distance",
Theoretical Computer Science 38; greedy dispersion: Ravi, Rosenkrantz & Tayi 1994, Operations Research 42). A full
bank takes a candidate only if that candidate is farther from every member than the two closest members are from
each other, and it replaces one of those two. So the smallest distance within a full bank never falls, and a
flood of near-duplicates of one thing takes one place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

LARGEST_BOUND = 4096
_SAME_COSINE = 0.99995  # nearer than this (0.6 degrees) is the same thing again
_SCORES_AT_ONCE = 1 << 22  # cosines held at a time while searching: 16 MB


@dataclass(frozen=True, slots=True)
class Nearest:
    """The members nearest to each query, nearest first."""

    indices: Tensor  # (N, K) int64, into :meth:`Bank.members` of the same kinds
    similarities: Tensor  # (N, K) float32, cosine in -1..1


@dataclass(frozen=True, slots=True)
class Placed:
    """A candidate that was taken in."""

    slot: int  # the member it became; below the count before, it replaced that one
    candidate: int


class Bank:
    """Embeddings by kind, at most ``bounds[kind]`` of each, compared by direction.

    Its whole state is :meth:`state_dict`; nothing is random, so a bank that goes on from its saved state goes on
    the same, bit for bit on one machine.

    Args:
        dim: D, length of an embedding.
        bounds: kind -> most members, 1 to :data:`LARGEST_BOUND`.
        device: where the members live.
        max_age: members added more than this many steps ago are forgotten by the next :meth:`add` of their kind.
            Needed while a network trains: its embeddings drift, and what is stale looks far from all that is
            new, so that the max-min rule would keep it for ever. None keeps everything.

    Raises ValueError: ``dim``, a bound or ``max_age`` is out of range.
    """

    def __init__(
        self,
        dim: int,
        bounds: Mapping[str, int],
        device: str | torch.device = "cpu",
        max_age: int | None = None,
    ) -> None:
        if dim < 1:
            raise ValueError(f"dim {dim}: need at least 1")
        for kind, bound in bounds.items():
            if not 1 <= bound <= LARGEST_BOUND:
                raise ValueError(f"bound of {kind} {bound}: need 1 to {LARGEST_BOUND}")
        if max_age is not None and max_age < 1:
            raise ValueError(f"max_age {max_age}: need at least 1 step")
        self.dim, self.bounds, self.max_age = dim, dict(bounds), max_age
        self.device = torch.device(device)
        self._embedding = {kind: torch.empty(0, dim, device=self.device) for kind in self.bounds}
        self._step = {kind: torch.empty(0, dtype=torch.int64, device=self.device) for kind in self.bounds}

    def count(self, kind: str) -> int:
        return len(self._embedding[self._known(kind)])

    def members(self, *kinds: str) -> Tensor:
        """(M, D) float32 as they were given; of several kinds one after the other. Not to be written to."""
        found = [self._embedding[self._known(kind)] for kind in kinds]
        return found[0] if len(found) == 1 else torch.cat(found)

    @torch.no_grad()
    def add(self, queries: Tensor, kind: str, step: int = 0, limit: int | None = None) -> list[Placed]:
        """Offer (N, D) candidates; at most ``limit`` are taken, those that add most first.

        Rows that are no finite numbers or without direction are passed over.

        Raises ValueError: another shape than (N, D), or an unknown kind.
        """
        self._known(kind)
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise ValueError(f"candidates of {tuple(queries.shape)}: need (N, {self.dim})")
        if self.max_age is not None:
            self.forget(kind, step - self.max_age)
        raw = queries.detach().to(self.device, torch.float32)
        length = raw.norm(dim=1)
        usable = torch.nonzero(torch.isfinite(length) & (length > 1e-6))[:, 0]
        raw = raw[usable]
        with torch.autocast(self.device.type, enabled=False):
            placed = _place(
                self._embedding[kind], raw, self.bounds[kind], len(raw) if limit is None else limit
            )
        if not placed:
            return []
        # a slot may be written twice: the last writer stays
        last = {at.slot: at.candidate for at in placed}
        grown = max(len(self._embedding[kind]), max(last) + 1)
        embedding, steps = raw.new_empty(grown, self.dim), self._step[kind].new_empty(grown)
        embedding[: len(self._embedding[kind])] = self._embedding[kind]
        steps[: len(self._step[kind])] = self._step[kind]
        slots = torch.tensor(list(last), device=self.device)
        embedding[slots] = raw[torch.tensor(list(last.values()), device=self.device)]
        steps[slots] = step
        self._embedding[kind], self._step[kind] = embedding, steps
        places = usable.tolist()
        return [Placed(slot, places[candidate]) for slot, candidate in last.items()]

    def load_members(self, kind: str, embedding: Tensor, step: int = 0) -> None:
        """Put (M, D) members in place of those held, as they are. Raises ValueError: too many, or another shape."""
        state = {**self.state_dict(), f"{kind}.embedding": embedding}
        state[f"{kind}.step"] = torch.full((len(embedding),), step, dtype=torch.int64)
        self.load_state_dict(state)

    def forget(self, kind: str, before_step: int) -> None:
        """Drop the members added before a step."""
        kept = self._step[self._known(kind)] >= before_step
        if not bool(kept.all()):
            self._embedding[kind], self._step[kind] = self._embedding[kind][kept], self._step[kind][kept]

    def clear(self, kind: str) -> None:
        self._embedding[kind] = self._embedding[self._known(kind)][:0]
        self._step[kind] = self._step[kind][:0]

    @torch.no_grad()
    def nearest(self, queries: Tensor, kinds: str | Sequence[str], k: int = 1) -> Nearest:
        """The ``k`` members of highest cosine to each of (N, D) queries, by comparing with all of them.

        Fewer than ``k`` columns where there are fewer members; none for an empty bank.

        Raises ValueError: another shape, ``k`` below 1 or an unknown kind.
        """
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise ValueError(f"queries of {tuple(queries.shape)}: need (N, {self.dim})")
        if k < 1:
            raise ValueError(f"k {k}: need at least 1")
        with torch.autocast(self.device.type, enabled=False):
            members = _unit(self.members(*((kinds,) if isinstance(kinds, str) else kinds)))
            k = min(k, len(members))
            indices = torch.empty(len(queries), k, dtype=torch.int64, device=self.device)
            similarities = torch.empty(len(queries), k, device=self.device)
            rows = max(1, _SCORES_AT_ONCE // max(1, len(members)))
            for at in range(0, len(queries) if k else 0, rows):
                chunk = _unit(queries[at : at + rows].detach().to(self.device, torch.float32))
                top = (chunk @ members.T).topk(k, dim=1)
                similarities[at : at + rows], indices[at : at + rows] = top.values, top.indices
        return Nearest(indices, similarities)

    def smallest_distance(self, kind: str) -> float:
        """Distance (0..2) between the two closest members' directions; inf for fewer than two."""
        if self.count(kind) < 2:
            return float("inf")
        cosine = float(_between(_unit(self.members(kind))).max())
        return float(max(0.0, 2 - 2 * cosine) ** 0.5)

    def state_dict(self) -> dict[str, Tensor]:
        """Copies of all that makes the bank, as plain tensors: (M, D) float32 and (M,) int64 for each kind."""
        state: dict[str, Tensor] = {}
        for kind in self.bounds:
            state[f"{kind}.embedding"] = self._embedding[kind].clone()
            state[f"{kind}.step"] = self._step[kind].clone()
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from :meth:`state_dict`. Raises ValueError, with nothing changed, when it does not fit."""
        expected = {f"{kind}.{part}" for kind in self.bounds for part in ("embedding", "step")}
        if set(state) != expected:
            raise ValueError(f"bank of {sorted(state)}: need {sorted(expected)}")
        for kind, bound in self.bounds.items():
            embedding, steps = state[f"{kind}.embedding"], state[f"{kind}.step"]
            fits = embedding.ndim == 2 and embedding.shape[1] == self.dim and len(embedding) <= bound
            if not fits or steps.shape != embedding.shape[:1]:
                raise ValueError(
                    f"bank's {kind} of {tuple(embedding.shape)} with {tuple(steps.shape)} steps: "
                    f"need (M, {self.dim}), M at most {bound}"
                )
        for kind in self.bounds:
            self._embedding[kind] = state[f"{kind}.embedding"].to(self.device, torch.float32, copy=True)
            self._step[kind] = state[f"{kind}.step"].to(self.device, torch.int64, copy=True)

    def _known(self, kind: str) -> str:
        if kind not in self.bounds:
            raise ValueError(f"kind {kind!r}: known are {', '.join(self.bounds)}")
        return kind


def _unit(rows: Tensor) -> Tensor:
    return F.normalize(rows, dim=1, eps=1e-6)


def _between(members: Tensor) -> Tensor:
    """(M, M) cosines of unit rows, with nothing where a member meets itself."""
    return (members @ members.T).fill_diagonal_(-2.0)


def _place(members: Tensor, candidates: Tensor, bound: int, limit: int) -> list[Placed]:
    """Which candidates (N, D) to take and where to put them, in order; see the module's text for the rule.

    It ends: every replacement removes one of the closest pairs and adds none that close.
    """
    count = len(members)
    taken: list[Placed] = []
    if not len(candidates) or limit < 1:
        return []
    unit = _unit(candidates)
    held = unit.new_zeros(bound, unit.shape[1])
    held[:count] = _unit(members)
    pairs = unit.new_full((bound, bound), -2.0)  # cosines within the bank
    pairs[:count, :count] = _between(held[:count])
    cosine = unit.new_full((len(unit), bound), -2.0)  # of each candidate to each member
    cosine[:, :count] = unit @ held[:count].T
    nearest = cosine.amax(1)  # (N,): what a candidate is measured by
    while len(taken) < limit:
        best = int(nearest.argmin())
        closeness = float(nearest[best])
        if closeness > _SAME_COSINE:
            break
        if count < bound:
            slot, count = count, count + 1
        else:
            loser = _of_closest_pair(pairs, closeness)
            if loser is None:
                break
            slot = loser
        taken.append(Placed(slot, best))
        held[slot] = unit[best]
        row = held @ unit[best]
        row[slot], row[count:] = -2.0, -2.0
        pairs[slot], pairs[:, slot] = row, row
        cosine[:, slot] = unit @ unit[best]
        cosine[best] = 2.0  # offered once
        nearest = cosine.amax(1)
    return taken


def _of_closest_pair(pairs: Tensor, closeness: float) -> int | None:
    """Of the two closest members the one nearer to the others, if they are closer than ``closeness``."""
    first, second = divmod(int(pairs.argmax()), len(pairs))
    if not float(pairs[first, second]) > closeness:
        return None
    if len(pairs) < 3:
        return max(first, second)
    rest = [float(pairs[one].topk(2).values[1]) for one in (first, second)]
    return first if rest[0] > rest[1] else second
