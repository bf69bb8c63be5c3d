"""What training imports late, imported when it suits whoever asks."""

from __future__ import annotations

from dataclasses import replace

_EDGE_PX = 16


def import_all() -> None:
    """Read a bundled photo, learn a step with a tiny network, compare two pictures: what that brings is there then.

    Torch's optimizers bring its compiler along (a second's work and 800 modules), the first validation brings SciPy.
    Doing it, rather than a list of modules, stays right with another torch. Runs on the processor, leaves
    torch's generator as it is; up to two seconds the first time, a few hundredths afterwards.
    """
    import numpy as np

    from core.images import io as image_io
    from core.images import metrics
    from core.model import catalog
    from core.training import estimate, tensorboard_log, trainer  # noqa: F401
    from core.training.learning.learner import Learner
    from core.training.recipe import TrainRecipe

    recipe = replace(
        TrainRecipe(name="tiny", preset="custom", width=4),
        batch=2,
        crops_per_photo=1,
        patch_px=_EDGE_PX,
        contrastive_every=1,
    )
    learner = Learner(recipe, "cpu", "fp32", has_masks=True)
    crops = np.full((2, _EDGE_PX, _EDGE_PX, 3), 0.5, np.float32)
    learner.learn((crops, crops * 0.5, np.ones((2, _EDGE_PX, _EDGE_PX, 1), np.float32)))
    learner.averaged()
    for sample in catalog.samples()[:1]:
        image_io.read(sample.path)
    grey = np.full((_EDGE_PX, _EDGE_PX, 3), 128, np.uint8)
    metrics.score(grey, grey, recipe.scored_by)
