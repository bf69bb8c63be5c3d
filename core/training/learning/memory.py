"""What shapes the memory while a network trains: polarity, contrast over a sample memory, and new life for dead slots."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from core.events import ContrastDrawn
from core.model.bank import Bank
from core.model.config import STRIDE_PX
from core.model.health import MemoryHealth, dead_rows, health, reseed
from core.model.network import MemoryNet, NetworkOutput
from core.training.learning import losses
from core.training.learning.contrast_pictures import (
    DEGRADED,
    NEAREST,
    POSITIVE,
    WRONG,
    Album,
    Compared,
    draw,
    shots,
)
from core.training.ranks import Ranks
from core.training.recipe import TrainRecipe

_BOUND = 256  # samples of a kind
_TAKEN = 16  # at most, from one step
_KEPT_STEPS = 1000  # embeddings of older weights than this are forgotten
_DRAW_EVERY_S = 4.0  # what was compared is for a person's eyes
_RESEED_UNTIL = 0.6  # share of the steps; later a new slot would not find its place


class MemoryShaper:
    """Loss terms beside those on pixels, and the sample memory they draw on. Nothing in it is random.

    A step may call :meth:`terms` several times, for parts of its batch. What is offered to the bank is collected from
    all processes that train together, so that they all keep the same one.
    """

    def __init__(
        self, network: MemoryNet, recipe: TrainRecipe, device: str, ranks: Ranks | None = None
    ) -> None:
        self.network, self.recipe = network, recipe
        kinds = dict.fromkeys((POSITIVE, DEGRADED, WRONG), _BOUND)
        self.bank = Bank(network.config.memory_dim, kinds, device, max_age=_KEPT_STEPS)
        self.album = Album()
        self.ranks = ranks or Ranks()
        self._offered: dict[str, list[_Offer]] = {}  # by kind, what the terms of a step would add to the bank
        self._offered_step = -1
        self._compared: Compared | None = None  # of the last terms, when it is time to show some of it
        self._drawn: ContrastDrawn | None = None
        self._drawn_at = float("-inf")
        self.still = _Embedder(network)

    def keep_actual(self, step: int, crops: int) -> Tensor | None:
        """(B, R) of 0 and 1: which slots of which crops may hold the photo's own content in this step; None: all.

        A share of the crops does without any of it, and the same share of the slots of the others. Depends on
        the recipe's seed and the step alone, so that a resumed run goes on as it would have.
        """
        memory, share = self.network.memory, self.recipe.actual_dropped
        if memory is None or not share:
            return None
        rows = max(part.stop for part in memory.row_slices().values())
        rng = np.random.default_rng([self.recipe.seed, 5, step, self.ranks.rank])
        kept = (rng.random((crops, 1)) >= share) & (rng.random((crops, rows)) >= share)
        return torch.from_numpy(kept.astype(np.float32)).to(memory.parts.device)

    def terms(
        self,
        step: int,
        x: Tensor,
        y: Tensor,
        output: NetworkOutput,
        terms: dict[str, Tensor],
        guidance: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Adds weighted terms to ``terms`` and returns what is only for the curves.

        Polarity comes at every step, for it costs nothing; what needs further passes through the network every
        few steps and on half the batch. The bank takes in what was seen when :meth:`keep` says that the step
        was done: a step that breaks off before must leave no trace in what is resumed from.
        """
        if step != self._offered_step:
            self.forget_offers()
            self._offered_step = step
        self._compared = None
        recipe, memory, address = self.recipe, self.network.memory, output.address
        if memory is None or address is None:
            return {}
        damage = losses.damage_map(x, y, STRIDE_PX)
        # a crop that comes with its mask would teach to tell damage by the mask, not by its looks
        unmasked = None if guidance is None else guidance.flatten(1).amax(1) == 0
        if recipe.polarity_weight:
            polarity = losses.polarity(address.polarity_logit, damage, unmasked)
            terms["polarity"] = recipe.polarity_weight * polarity
        if recipe.balance_weight:
            with torch.autocast(x.device.type, enabled=False):
                scores = memory.scores(address.query)
                groups = [losses.balance(group.flatten(0, 2)) for group in scores.values()]
            terms["balance"] = recipe.balance_weight * torch.stack(groups).mean()
        if recipe.smooth_weight or recipe.spread_weight:
            with torch.autocast(x.device.type, enabled=False):
                if recipe.smooth_weight:
                    terms["smooth"] = recipe.smooth_weight * losses.smooth(memory.scores(address.query))
                if recipe.spread_weight:
                    terms["spread"] = recipe.spread_weight * losses.spread(address.query)
        if step % recipe.contrastive_every or not (recipe.contrastive_weight or recipe.polarity_weight):
            return {}
        half = max(1, len(x) // 2)
        # every side is told the same, so that no embedding can be known by the mask instead of by its looks
        guide = None if guidance is None else guidance[:half]
        x, y, damage, restored = x[:half], y[:half], damage[:half], output.restored[:half]
        with torch.no_grad():
            truth_query = memory.embed(self.network.memory_features(y, guide))
        if recipe.polarity_weight:
            counts = None if unmasked is None else unmasked[:half]
            clean = losses.polarity(memory.polarity_logit(truth_query), torch.zeros_like(damage), counts)
            terms["polarity_truth"] = recipe.polarity_weight * clean
        if not recipe.contrastive_weight:
            return {}
        # the weights are held still here, so that the term moves the restoration and not the yardstick
        still = {f"network.{k}": v.detach() for k, v in self.network.state_dict(keep_vars=True).items()}
        anchor = functional_call(self.still, still, (restored, guide))
        compared = Compared(anchor, truth_query.detach(), address.query[:half].detach(),
                            damage, restored.detach(), y, x)  # fmt: skip
        return self._contrast(compared, losses.damage_map(restored.detach(), y, STRIDE_PX), terms)

    def keep(self, step: int) -> None:
        """Let the bank take in what the last :meth:`terms`, those of ``step``, have seen."""
        if self._compared is not None:  # before the bank changes
            self._drawn = draw(step, self.recipe.task, self._compared, self.bank, self.album)
            self._drawn_at = time.monotonic()
        for kind, offers in self._all_offers().items():
            rows = torch.cat([offer.rows for offer in offers])
            tags = torch.cat([self.album.tags_for(len(offer.rows)) for offer in offers])
            placed = self.bank.add(rows, kind, step, limit=_TAKEN, tags=tags)
            taken = torch.tensor([place.candidate for place in placed], dtype=torch.int64)
            first = 0
            for offer in offers:
                own = taken[(taken >= first) & (taken < first + len(offer.rows))]
                if offer.cells is not None and offer.pictures is not None:
                    cells = offer.cells[(own - first).to(offer.cells.device)]
                    self.album.put(tags[own].tolist(), shots(offer.pictures, cells, step))
                first += len(offer.rows)
        if self._offered:
            self.album.keep_only(self.bank.tags(*self.bank.bounds).tolist())
        self.forget_offers()

    def forget_offers(self) -> None:
        """What was seen since the last :meth:`keep` is not to be kept: the step begins anew."""
        self._offered, self._offered_step, self._compared = {}, -1, None

    def _all_offers(self) -> dict[str, list[_Offer]]:
        """Those of all processes, by rank; what the others saw comes without its picture."""
        ranks, own = self.ranks, self._offered
        if (
            ranks.count == 1 or not own
        ):  # whether there is contrast depends on the step alone: all have some or none
            return own
        own = {
            kind: [replace(offer, rows=offer.rows.cpu()) for offer in offers] for kind, offers in own.items()
        }
        everyone = ranks.gather(
            {kind: torch.cat([offer.rows for offer in offers]) for kind, offers in own.items()}
        )
        return {
            kind: [
                offer
                for rank, theirs in enumerate(everyone)
                for offer in (offers if rank == ranks.rank else [_Offer(theirs[kind], None, None)])
            ]
            for kind, offers in own.items()
        }

    def take_drawn(self) -> ContrastDrawn | None:
        """Some of what a contrastive term compared since the last call, once every few seconds at most, else None.

        Looking changes nothing about the training.
        """
        drawn, self._drawn = self._drawn, None
        return drawn

    def _contrast(self, compared: Compared, left: Tensor, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """The contrastive term, whose embeddings are offered to the bank.

        ``left`` (B, h, w) is what the restoration left of the damage.
        """
        anchor, truth, given = compared.anchor, compared.truth, compared.given
        clean = self._nearest(truth, (POSITIVE,), 1)
        wrong = self._nearest(anchor.detach(), (DEGRADED, WRONG), NEAREST)
        positives = truth.unsqueeze(1) if clean is None else torch.stack((truth, clean[:, 0]), 1)
        negatives = given.unsqueeze(1) if wrong is None else torch.cat((given.unsqueeze(1), wrong), 1)
        loss, near, far = losses.contrastive(anchor, positives, negatives, compared.weight)
        terms["contrastive"] = self.recipe.contrastive_weight * loss
        rows = {
            POSITIVE: (truth, compared.weight >= 0, compared.truth_picture),
            DEGRADED: (given, compared.weight > 0.5, compared.given_picture),
            # met again when the weights have moved on
            WRONG: (anchor.detach(), left > 0.5, compared.restored_picture),
        }
        for kind, (embedding, where, pictures) in rows.items():
            cells = torch.nonzero(where)  # (N, 3)
            cells = cells[:: max(1, len(cells) // 256)]
            number, row, column = cells.unbind(1)
            rows_there = embedding[number, :, row, column].float()
            self._offered.setdefault(kind, []).append(_Offer(rows_there, cells, pictures))
        if time.monotonic() - self._drawn_at >= _DRAW_EVERY_S:
            self._compared = replace(compared, anchor=anchor.detach())
        return {"distance_positive": near, "distance_negative": far}

    def _nearest(self, query: Tensor, kinds: tuple[str, ...], k: int) -> Tensor | None:
        """(B, D, h, w) -> (B, K, D, h, w), the nearest samples; None while there are too few."""
        members = self.bank.members(*kinds)
        if len(members) < k:
            return None
        b, d, h, w = query.shape
        found = self.bank.nearest(query.float().permute(0, 2, 3, 1).reshape(-1, d), kinds, k).indices
        return members[found].reshape(b, h, w, k, d).permute(0, 3, 4, 1, 2)

    # --- health --------------------------------------------------------------------------------------

    @torch.no_grad()
    def reseed(
        self, step: int, usage: Tensor, x: Tensor, y: Tensor, guidance: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Fill dead slots anew from the hardest places of a batch, as long as there is time left to learn with them.

        Args:
            usage: (R,) mean weight of each slot.
            x, y, guidance: (B, 3, P, P) degraded and clean crops to take hard samples from, and their masks.

        Returns:
            For each parameter with new slots its name and which (2, M) of its rows are new: the caller's averages
            and momenta of these rows belong to slots that are no more.
        """
        memory = self.network.memory
        if memory is None or step >= _RESEED_UNTIL * self.recipe.steps:
            return {}
        dead = dead_rows(usage, memory.row_slices())
        if not dead:
            return {}
        output = self.network(x, guidance, group=self.recipe.crops_per_photo)
        assert output.address is not None
        queries = output.address.query.float().permute(0, 2, 3, 1).flatten(0, 2)  # (N, D)
        left = losses.damage_map(output.restored, y, STRIDE_PX, full_at=10.0).flatten()  # never full
        damaged = losses.damage_map(x, y, STRIDE_PX).flatten() > 0.5
        hardest = left.argsort(descending=True, stable=True)
        candidates = {
            "positive": queries[hardest[~damaged[hardest]]],
            "negative": queries[hardest[damaged[hardest]]],
        }
        slots = {"parts": memory.parts, "to_instance": memory.to_instance, "to_semantic": memory.to_semantic}
        before = {name: value.clone() for name, value in slots.items()}
        reseed(memory, dead, {name: rows for name, rows in candidates.items() if len(rows)}, step)
        new = {f"memory.{name}": (value != before[name]).any(-1) for name, value in slots.items()}
        return {name: rows for name, rows in new.items() if bool(rows.any())}

    def health(self, usage: Tensor) -> MemoryHealth | None:
        """``usage`` (R,) as :func:`core.model.health.usage_of` gives it."""
        memory = self.network.memory
        return None if memory is None else health(usage, memory.table(), memory.row_slices())


@dataclass(frozen=True, slots=True)
class _Offer:
    """Candidates for the bank and where they come from."""

    rows: Tensor  # (N, D)
    cells: Tensor | None  # (N, 3) int64: number of the picture, row and column on the memory's grid
    pictures: Tensor | None  # (B, 3, P, P) in 0..1; None for what another process saw


class _Embedder(nn.Module):
    def __init__(self, network: MemoryNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor, guidance: Tensor | None) -> Tensor:
        return self.network.embed(picture, guidance)
