"""The processes that train one run together: one, unless torch's launcher (``torchrun``) started more.

Every process holds the same network and learns from its share of each batch; gradients are averaged by
DistributedDataParallel. Only the first one writes, tells and validates. Before anything that all have to take part in,
they :meth:`~Ranks.agree` that all of them can: whoever cannot says so there, and nobody waits for it in vain.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from core.jobs import Cancelled
from core.training.run_folder import TrainingError
from core.training.steering import StopAsked

GO_ON, STOP, CANCEL, FAIL = range(4)
_PATIENCE = timedelta(days=365)  # a run may be paused, or wait for room on a disk, for as long as it takes


class Ranks:
    """One process alone; see :func:`ranks_here` for the others."""

    rank = 0
    count = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def share(self, photos: int) -> slice:
        """Which of a batch's photos are this process's. Raises TrainingError: there are fewer than processes."""
        if photos < self.count:
            raise TrainingError(
                f"{self.count} processes cannot share a batch of {photos} photo{'s' * (photos > 1)}: "
                "start fewer processes or take a larger batch"
            )
        return slice(photos * self.rank // self.count, photos * (self.rank + 1) // self.count)

    def device(self, name: str) -> str:
        """This process's device, for what was asked for."""
        return name

    def agree(self, code: int = GO_ON) -> None:
        """Wait for the others; raises what the gravest of all codes stands for, but in who gave it."""

    def wrap(self, module: nn.Module, device: str) -> nn.Module:
        """``module`` with gradients that are means over the processes."""
        return module

    def unsynced(self, module: nn.Module) -> contextlib.AbstractContextManager[Any]:
        """Gradients of what is done within stay this process's, until the next time."""
        return contextlib.nullcontext()

    def add_up(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """Sums of scalars over the processes. All must give the same names."""
        return values

    def gather(self, thing: Any) -> list[Any]:
        """Every process's ``thing``, by rank."""
        return [thing]

    def from_first(self, thing: Any) -> Any:
        """The first process's ``thing``."""
        return thing

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Make tensors, the same ones in every process, what they are in the first."""

    def close(self) -> None:
        """Leave the others."""


class _Together(Ranks):
    def __init__(self) -> None:
        self.is_ours = not dist.is_initialized()
        if self.is_ours:
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE)
        self.rank, self.count = dist.get_rank(), dist.get_world_size()
        # words between processors: no device waits for them
        self._words = dist.new_group(backend="gloo", timeout=_PATIENCE)

    def device(self, name: str) -> str:
        if name in ("auto", "cuda") and torch.cuda.is_available():
            name = f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % torch.cuda.device_count()}"
            torch.cuda.set_device(name)
        return name

    def agree(self, code: int = GO_ON) -> None:
        codes = torch.tensor([code, self.rank if code == FAIL else -1])
        dist.all_reduce(codes, dist.ReduceOp.MAX, group=self._words)
        gravest, failed = codes.tolist()
        if gravest == GO_ON or code != GO_ON:
            return
        if gravest == FAIL:
            raise TrainingError(f"process {failed} of {self.count} could not go on; it says why")
        raise Cancelled if gravest == CANCEL else StopAsked

    def wrap(self, module: nn.Module, device: str) -> nn.Module:
        places = [torch.device(device)] if device.startswith("cuda") else None
        return DistributedDataParallel(module, device_ids=places)

    def unsynced(self, module: nn.Module) -> contextlib.AbstractContextManager[Any]:
        assert isinstance(module, DistributedDataParallel)
        return module.no_sync()

    def add_up(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        total = torch.stack([value.detach().float() for value in values.values()])
        dist.all_reduce(total)
        return dict(zip(values, total.unbind(), strict=True))

    def gather(self, thing: Any) -> list[Any]:
        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, thing, group=self._words)
        return found

    def from_first(self, thing: Any) -> Any:
        found = [thing]
        dist.broadcast_object_list(found, src=0, group=self._words)
        return found[0]

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            # memory is walked, not indices: a channels_last weight must not arrive rearranged
            plain = tensor.detach().contiguous()
            dist.broadcast(plain, src=0, group=None if plain.is_cuda else self._words)
            tensor.detach().copy_(plain)

    def close(self) -> None:
        if self.is_ours and dist.is_initialized():
            dist.destroy_process_group()


def ranks_here() -> Ranks:
    """The processes that ``torchrun`` started, or this one alone.

    Raises what torch raises when they cannot find each other.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and dist.is_torchelastic_launched():
        return _Together()
    return Ranks()


def is_first_here() -> bool:
    """Whether this process is the one that speaks, without asking the others."""
    return os.environ.get("RANK", "0") == "0" or "TORCHELASTIC_RUN_ID" not in os.environ
