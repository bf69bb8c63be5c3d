"""The sample memory of a person's own model, filled from photos of their own and kept beside its weights only."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data.degrade import DEGRADATIONS
from core.data.left_out import LeftOut
from core.jobs import Emit, JobControl, ignore
from core.model import checkpoint, exemplars
from core.model.exemplars import DEGRADED, POSITIVE, WRONG, SampleError
from core.training.data import clean_photos
from core.training.exemplar_fill import fill
from core.training.recipe import TrainRecipe

PHOTOS_OF_A_RUN = 24
"""As many of a run's photos give the samples that it leaves: enough for full banks, in a minute or two."""


@dataclass(frozen=True, slots=True)
class KindFilled:
    """The samples of one kind."""

    count: int
    bound: int  # most there may be
    photos: int  # that they come from
    smallest_distance: float  # between the two closest, 0..2; inf for fewer than two

    def as_dict(self) -> dict[str, Any]:
        apart = None if self.count < 2 else round(self.smallest_distance, 4)
        return {
            "count": self.count, "bound": self.bound, "photos": self.photos, "smallest_distance": apart
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class SamplesFilled:
    file: Path
    kinds: Mapping[str, KindFilled]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return {
            "file": str(self.file),
            "file_bytes": self.file.stat().st_size,
            "seconds": round(self.seconds, 1),
            "kinds": {kind: filled.as_dict() for kind, filled in self.kinds.items()},
        }


def fill_model(
    model: Path,
    photos: Sequence[Path],
    *,
    seed: int = 0,
    visits: int = 1,
    older: Sequence[Path] = (),
    device: str = "cpu",
    emit: Emit = ignore,
    control: JobControl | None = None,
) -> SamplesFilled:
    """Fill a model's sample memory from clean photos and write it beside its weights, in place of an earlier one.

    Args:
        model: the model's folder or its weights file.
        visits: how often each photo is looked at, each time in other places and damaged anew.
        older: models of earlier training steps, whose mistakes are kept too.
        emit: takes an ItemStarted and ItemDone for each look at a photo, and a Notice for one that is passed over.

    Raises:
        SampleError: the model has no memory, no damage is known for its task, or no photo could be used.
        CheckpointError, OSError, Cancelled.
    """
    began = time.monotonic()
    loaded = checkpoint.load(model, device)
    if loaded.task not in DEGRADATIONS:
        raise SampleError(f"{loaded.name}: no damage is known that could be drawn for {loaded.task}")
    damage = DEGRADATIONS[loaded.task]
    memory = fill(
        loaded.network,
        photos,
        damage.bind(damage.always(damage.defaults)),
        seed,
        visits=visits,
        older=[checkpoint.load(path, device).network for path in older],
        weights_sha256=loaded.sha256,
        emit=emit,
        control=control,
    )
    folder = model if model.is_dir() else model.parent
    file = exemplars.save(memory, folder, {"task": loaded.task, "visits": visits, "seed": seed})
    kinds = {}
    for kind in (POSITIVE, DEGRADED, WRONG):
        sources = {memory.exemplar(kind, index).source for index in range(memory.count(kind))}
        kinds[kind] = KindFilled(
            memory.count(kind), memory.bounds[kind], len(sources), memory.smallest_distance(kind)
        )
    return SamplesFilled(file, kinds, time.monotonic() - began)


def fill_from_run(
    recipe: TrainRecipe, data: tuple[Path, ...], model: Path, device: str, control: JobControl
) -> SamplesFilled | None:
    """What a run leaves beside its model: samples from some of the photos it learned from, evenly spread over them.

    None for a model without a memory. Raises as :func:`fill_model`, and what reading the recipe's folders raises.
    """
    if not checkpoint.load(model).network.config.has_memory:
        return None
    photos = clean_photos(recipe, data, LeftOut(recipe.leave_out))
    every = max(1, -(-len(photos) // PHOTOS_OF_A_RUN))
    return fill_model(model, photos[::every], seed=recipe.seed, device=device, control=control)
