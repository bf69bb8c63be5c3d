"""The runs that are ticked in the list: their curves under the shown one's, and how their recipes differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from memorynet_gui.train.runs_view import difference_text

if TYPE_CHECKING:
    from core.training.runs import Run
    from memorynet_gui.train.stage import TrainStage
    from memorynet_gui.train.stores import Stores


def show(
    stage: TrainStage, stores: Stores, ticked: Sequence[Run], shown: Path | None, here: Path | None
) -> None:
    """Curves of what is ticked now; those nobody looks at any more are let go, but of what trains ``here``."""
    stage.set_overlays([(run.name, stores.of(run.folder, False)) for run in ticked])
    if shown is not None:
        stores.keep_only({shown, *(run.folder for run in ticked), *([here] if here is not None else [])})


def differences(shown: Run | None, ticked: Sequence[Run]) -> list[str]:
    """How the shown run's recipe differs from those of the ticked ones, a text for each."""
    from core.training import runs

    if shown is None or shown.recipe is None:
        return []
    return [
        difference_text(shown.name, other.name, runs.differences((other.recipe, shown.recipe)))
        for other in ticked
        if other.recipe is not None
    ]
