"""Masks of pairs: what a careful person would paint, white where input and truth differ by a shadow. No torch."""

from __future__ import annotations

from pathlib import Path

from core.data.dataset import Pair
from core.data.degrade import DEGRADATIONS
from core.images import io as image_io
from core.images.metrics import MetricError, to_8bit
from core.restoring import outputs


def write(pair: Pair, folder: Path, overwrite: bool = False) -> bool:
    """Write the mask of a pair to ``folder``/NAME.png; returns whether it marks anything.

    Raises ImageError for what cannot be read or written, MetricError for sides of two sizes.
    """
    find = DEGRADATIONS["deshadow"].find_mask
    assert find is not None
    sides = [to_8bit(image_io.read(path).pixels) for path in (pair.input, pair.target)]
    if sides[0].shape != sides[1].shape:
        (h, w), (th, tw) = sides[0].shape[:2], sides[1].shape[:2]
        raise MetricError(f"{pair.name}: sizes differ, input {w}x{h} px, target {tw}x{th} px")
    mask = find(sides[0], sides[1])
    path = folder / f"{pair.name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    outputs.save_mask(mask, path, overwrite)
    return bool(mask.any())
