"""Which optimizer learns which weights of the network, and how its state is put back where it was."""

from __future__ import annotations

import torch
from torch import Tensor

from core.model.network import MemoryNet
from core.model.tensors import dtype_of
from core.training.learning.muon import BOOST, Muon
from core.training.recipe import TrainRecipe

_HIDDEN = ("down1", "encoder", "down2", "middle", "up2", "decoder", "up1", "finish")


def optimizers(network: MemoryNet, recipe: TrainRecipe, precision: str) -> list[torch.optim.Optimizer]:
    """The convolutions between hidden features go to Muon, if the recipe says so; all else to AdamW.

    Every group carries a ``boost`` that multiplies the learning rate.
    """
    hidden = [
        parameter
        for name, parameter in network.named_parameters()
        if recipe.optimizer == "muon" and parameter.ndim == 4 and name.split(".")[0] in _HIDDEN
    ]
    taken = {id(parameter) for parameter in hidden}
    rest = [parameter for parameter in network.parameters() if id(parameter) not in taken]
    found: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            [{"params": rest, "boost": 1.0}],
            lr=recipe.lr,
            betas=(0.9, 0.99),
            weight_decay=recipe.weight_decay,
            fused=True,
        )
    ]
    if hidden:
        groups = [{"params": hidden, "boost": BOOST}]
        found.append(Muon(groups, lr=recipe.lr, weight_decay=recipe.weight_decay, dtype=dtype_of(precision)))
    return found


def beside(parameter: Tensor, stored: Tensor) -> Tensor:
    """A stored part of an optimizer's state, where fused updates look for it: on the parameter's device (steps
    are counted there, too) and laid out in memory as the parameter, for they walk memory and not indices.

    Always a copy: a tensor read from a file keeps the whole file mapped, and where readers hold files, undeletable."""
    if stored.shape == parameter.shape:
        return torch.empty_like(parameter.detach()).copy_(stored)
    return stored.to(parameter.device, copy=True)
