"""What learns: the network with its averaged weights, optimizers and sample memory, and how one step changes them."""

from __future__ import annotations

import contextlib
import copy
import gc
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from core.data.sampling import Sample
from core.jobs import ignore
from core.model import catalog, checkpoint
from core.model.config import NetworkConfig
from core.model.network import MemoryNet, with_memory
from core.model.tensors import dtype_of
from core.problems import speaks_of_short_memory
from core.training.learning import losses
from core.training.learning.memory import MemoryShaper
from core.training.learning.optimizers import beside, optimizers
from core.training.ranks import Ranks
from core.training.recipe import TrainRecipe
from core.training.run_folder import TrainingError

_PARTS = ("network.", "average.", "optimizer.", "bank.")


def learning_rate(recipe: TrainRecipe, step: int) -> float:
    """Rate of step ``step`` (from 0): linear warm-up, then half a cosine down to ``lr_end``."""
    warm = min(recipe.warmup_steps, recipe.steps)
    if step < warm:
        return recipe.lr * (step + 1) / warm
    share = (step - warm) / max(1, recipe.steps - warm)
    return float(recipe.lr_end + (recipe.lr - recipe.lr_end) * 0.5 * (1 + np.cos(np.pi * share)))


class Learner:
    """A network while it learns. Nothing here is random and nothing touches the disk.

    Args:
        device, precision: names as :mod:`core.model.tensors` gives them.
        has_masks: whether any sample tells where its damage is.
        tell: hears a sentence when a step is done in another way than meant.
        ranks: the processes that learn the same from shares of each batch.
    """

    def __init__(
        self,
        recipe: TrainRecipe,
        device: str,
        precision: str,
        has_masks: bool,
        tell: Callable[[str], object] = ignore,
        ranks: Ranks | None = None,
    ) -> None:
        self.recipe, self.device, self.precision, self.has_masks = recipe, device, precision, has_masks
        self.tell, self.ranks = tell, ranks or Ranks()
        self.network = _new_network(recipe).to(device).to(memory_format=_layout(device, precision))  # type: ignore[call-overload]
        self.average = {key: value.detach().clone() for key, value in self.network.state_dict().items()}
        self.optimizers = optimizers(self.network, recipe, precision)
        self.shaper = MemoryShaper(self.network, recipe, device, self.ranks)
        self.step = 0  # steps done
        self.lr_scale = 1.0  # what the recipe's learning rate is multiplied by
        self.part = recipe.batch  # crops that go through the network at a time
        self.terms = self.ranks.wrap(_Terms(self), device)
        self.is_whole = True  # False while a step has changed some of the state and not yet all of it

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())

    def is_finite(self) -> bool:
        """Weights with NaN or infinity stay so: kept, they would push the last good checkpoint out."""
        return all(bool(torch.isfinite(parameter).all()) for parameter in self.network.parameters())

    def autocast(self) -> torch.autocast:
        kind = torch.device(self.device).type
        return torch.autocast(kind, torch.bfloat16, enabled=self.precision == "bf16")

    # --- a step --------------------------------------------------------------------------------------

    @property
    def next_rate(self) -> float:
        """Learning rate of the step to come."""
        return learning_rate(self.recipe, self.step) * self.lr_scale

    def learn(self, samples: Sample) -> dict[str, Tensor]:
        """One step on (B, P, P, 3) crops and their (B, P, P, 1) masks: this process's share of the batch.

        Returns the weighted loss terms, their sum ``"loss"``, the norm of the gradient and what is only for the
        curves: scalars on the device, so that nothing waits for it.

        Raises :class:`core.training.run_folder.TrainingError`: the device's memory is too small for the crops of one photo.
        """
        rate = self.next_rate
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["boost"]
        seen = self.ranks.add_up(self._gradients(samples))
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        self.is_whole = False
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self._update_average()
        self.shaper.keep(self.step)
        self.step += 1
        self.is_whole = True
        return seen | {"grad_norm": norm.detach()}

    def _gradients(self, samples: Sample) -> dict[str, Tensor]:
        """Those of the mean loss over the batch, in smaller parts from now on where memory does not do for all."""
        while True:
            try:
                return self._in_parts(samples)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                reason = (str(error).splitlines() or ["out of memory"])[0]
            self._take_smaller_parts(reason)  # out here the error holds on to no tensors any more

    def _in_parts(self, samples: Sample) -> dict[str, Tensor]:
        """The gradient of the batch, summed up part by part, each weighed by its share of the crops.

        That is the gradient of the whole batch for all terms that are means over crops: pixel, edge and polarity.
        ``balance`` (how evenly a batch uses the slots) and ``contrastive`` (weighed by the damage in it) are those
        of each part, and the half that is contrasted is half of each part.
        """
        count = len(samples[0])
        seen: dict[str, Tensor] = {}
        for at in range(0, count, self.part):
            some = (
                samples[0][at : at + self.part],
                samples[1][at : at + self.part],
                samples[2][at : at + self.part],
            )
            share = len(some[0]) / self.recipe.batch
            is_last = at + self.part >= count
            with contextlib.nullcontext() if is_last else self.ranks.unsynced(self.terms):
                found = self._backward(some, share)
            for key, value in found.items():
                seen[key] = value * share if key not in seen else seen[key] + value * share
        return seen

    def _backward(self, samples: Sample, share: float) -> dict[str, Tensor]:
        x, y, mask = self.on_device(samples)
        with self.autocast():
            terms, curves = self.terms(x, y, mask)
        total = torch.stack(list(terms.values())).sum()
        (total * (share * self.ranks.count)).backward()  # processes are averaged, not summed up
        return {"loss": total.detach()} | {key: value.detach() for key, value in terms.items()} | curves

    def _take_smaller_parts(self, reason: str) -> None:
        if (
            self.ranks.count > 1
        ):  # the others may be waiting for this process's gradients, part by part as agreed
            raise TrainingError(
                f"step {self.step + 1}: there is not enough memory on {self.device} for this process's share of the "
                f"batch ({reason}); more processes, a smaller batch or a smaller patch need less"
            )
        self.shaper.forget_offers()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        gc.collect()
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
        group = self.recipe.crops_per_photo
        groups = self.part // group
        if groups <= 1:
            raise TrainingError(
                f"step {self.step + 1}: there is not enough memory on {self.device} even for {group} crop"
                f"{'s' * (group > 1)} of {self.recipe.patch_px} px at a time ({reason}); a smaller patch needs less"
            )
        self.part = -(-groups // 2) * group
        self.tell(
            f"Memory on {self.device} ran out in step {self.step + 1}: each batch of {self.recipe.batch} now goes "
            f"through in parts of {self.part}, and the step is still that of the whole batch."
        )

    def on_device(self, samples: Sample) -> tuple[Tensor, Tensor, Tensor | None]:
        """Crops (B, 3, P, P) and their masks (B, 1, P, P); no masks, which costs nothing, where no sample has one."""
        x, y, mask = (
            torch.from_numpy(side).to(self.device, non_blocking=True).permute(0, 3, 1, 2) for side in samples
        )
        return x, y, mask if self.has_masks else None

    def _update_average(self) -> None:
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        keys = list(self.average)
        current = self.network.state_dict()
        torch._foreach_lerp_([self.average[k] for k in keys], [current[k] for k in keys], 1 - decay)

    # --- validation ----------------------------------------------------------------------------------

    def averaged(self) -> MemoryNet:
        """A copy of the network with the averaged weights, ready to restore."""
        network = copy.deepcopy(self.network)  # a new one would draw weights from torch's generator
        network.load_state_dict(self.average)
        network = network.to(self.device, dtype_of(self.precision)).to(memory_format=torch.channels_last)
        return network.eval()

    def renew_memory(self, usage: Tensor, samples: Sample) -> dict[str, float]:
        """New life for dead slots, from a batch; what the curves say about the memory.

        ``usage`` (R,) is the mean weight of each slot. Empty for a network without a memory.
        """
        health = self.shaper.health(usage)
        if health is None:
            return {}
        x, y, mask = self.on_device(samples)
        with self.autocast():
            renewed = self.shaper.reseed(self.step, usage, x, y, mask)
        parameters = dict(self.network.named_parameters())
        for name, rows in renewed.items():
            self.average[name][rows] = parameters[name].detach()[rows]
            for optimizer in self.optimizers:
                for value in optimizer.state.get(parameters[name], {}).values():
                    if value.shape == parameters[name].shape:
                        value[rows] = 0
        return {
            "memory_entropy": round(health.entropy, 4),
            "memory_dead": health.dead,
            "memory_duplicates": health.duplicates,
            "memory_renewed": sum(int(rows.sum()) for rows in renewed.values()),
        }

    # --- keeping -------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """All that a later :meth:`restore` needs, by name; live tensors, not copies."""
        found = {f"network.{key}": value for key, value in self.network.state_dict().items()}
        found |= {f"average.{key}": value for key, value in self.average.items()}
        found |= {f"bank.{key}": value for key, value in self.shaper.bank.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for optimizer in self.optimizers:
                for key, value in optimizer.state.get(parameter, {}).items():
                    found[f"optimizer.{key}.{name}"] = value
        return found

    def align(self) -> None:
        """Be what the first process is. All take part, after as many steps."""
        self.ranks.copy_from_first(self.network.state_dict().values())
        self.ranks.copy_from_first(self.average.values())
        for parameter in self.network.parameters():
            for optimizer in self.optimizers:
                state = optimizer.state.get(parameter, {})
                self.ranks.copy_from_first(state[key] for key in sorted(state))

    def restore(self, tensors: Mapping[str, Tensor], step: int) -> None:
        """Go on from :meth:`tensors` after ``step`` steps. Raises KeyError, ValueError, RuntimeError: they do not fit."""
        part = {prefix: {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
                for prefix in _PARTS}  # fmt: skip
        self.network.load_state_dict(part["network."])
        self.shaper.bank.load_state_dict(part["bank."])
        for key, value in self.average.items():
            value.copy_(part["average."][key])
        parameters = dict(self.network.named_parameters())
        for optimizer in self.optimizers:
            optimizer.state.clear()  # of a later step, where the run goes back
        for entry, stored in part["optimizer."].items():
            key, name = entry.split(".", 1)
            parameter = parameters[name]
            tensor = beside(parameter, stored)
            for optimizer in self.optimizers:
                if any(known is parameter for group in optimizer.param_groups for known in group["params"]):
                    optimizer.state[parameter][key] = tensor
        self.step = step


class _Terms(nn.Module):
    """All that gradients come from, as one module: what averages gradients over processes has to see all of it."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.network = learner.network
        self._learner = [learner]  # in a list, so that it is no part of this module

    def forward(
        self, x: Tensor, y: Tensor, mask: Tensor | None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Weighted loss terms, and what is only for the curves."""
        (learner,) = self._learner
        recipe = learner.recipe
        keep_actual = learner.shaper.keep_actual(learner.step, len(x))
        output = self.network(x, mask, group=recipe.crops_per_photo, keep_actual=keep_actual)
        pixel = {"absolute": losses.charbonnier, "relative": losses.relative, "root": losses.root}[
            recipe.pixel_loss
        ]
        terms = {"pixel": pixel(output.restored, y)}
        if recipe.edge_weight:
            terms["edge"] = recipe.edge_weight * losses.edge(output.restored, y)
        return terms, learner.shaper.terms(learner.step, x, y, output, terms, mask)


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or speaks_of_short_memory(str(error))


def _layout(device: str, precision: str) -> torch.memory_format:
    """How weights and features lie in memory while they learn. Without bf16 units a processor takes two and a half
    times as long for the gradient of a channels-last weight as for the other layout's (AVX2, 64 channels)."""
    slow = device == "cpu" and precision == "fp32"
    return torch.contiguous_format if slow else torch.channels_last


def _new_network(recipe: TrainRecipe) -> MemoryNet:
    if recipe.start_from:
        return checkpoint.load(catalog.resolve(recipe.start_from)).network.requires_grad_(True).train()
    config = (
        NetworkConfig(width=recipe.width)
        if recipe.preset == "custom"
        else NetworkConfig.preset(recipe.preset)
    )
    slots = (recipe.part_slots, recipe.instance_slots, recipe.semantic_slots)
    config = replace(config, slots=slots)
    if recipe.memory != "all":
        config = with_memory(config, recipe.memory)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return MemoryNet(config)
