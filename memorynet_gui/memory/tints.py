"""Which tints lie over the photo: damage before and after, the area of a slot, or where content came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtGui import QColor

from core.tasks import damage
from memorynet_gui.look.tokens import DARK
from memorynet_gui.memory.overlay import Tint
from memorynet_gui.memory.words import times

if TYPE_CHECKING:
    from core.restoring.memory.places import SlotShare
    from core.restoring.memory.record import MemoryLook
    from memorynet_gui.memory.bench.records import Bench
    from memorynet_gui.memory.panel.panel import MemoryPanel
    from memorynet_gui.memory.pins import Spot
    from memorynet_gui.memory.stage import MemoryStage

Both = tuple[Tint | None, Tint | None]
"""Over the original and over the restored photo"""


def on_photo(polarity: str) -> QColor:
    """Photos are bright and dark alike, so the colour on them is the dark theme's in both themes."""
    return QColor(DARK[polarity])


def tints(
    stage: MemoryStage,
    panel: MemoryPanel,
    hot_slot: int,
    twin_slot: int,
    place: Spot | None,
    slot: SlotShare | None,
    taught: np.ndarray | None,
    is_painting: bool,
) -> Both:
    """What the panel asks for; a slot under the pointer (row of the table, -1: none) goes first, unless the panel asks for
    sources and ``place`` looks it up.

    Args:
        twin_slot: of the other model, row of its table; it lies over what that one makes of the photo, where it is shown.
        place: what is looked at of the photo.
        slot: which it looks up, and whose content alone is asked about.
        taught: what a person says is damage and is not, (H, W) uint8.
        is_painting: whether they are saying it just now.
    """
    bench = stage.bench
    if bench is None:
        return None, None
    opacity = panel.opacity.value() / 100
    if panel.overlay == "sources" and place is not None and hot_slot in (-1, slot.row if slot else -1):
        tint = source_tint(bench, place, slot, opacity)
        return tint, tint
    if hot_slot >= 0:
        tint = slot_tint(bench.look, bench.cell_px, hot_slot, opacity)
        return tint, None if stage.shows_twin_model else tint
    twin = stage.twin_model
    if twin_slot >= 0 and twin is not None:
        tint = slot_tint(twin.look, bench.cell_px, twin_slot, opacity)
        return None if stage.shows_twin_model else tint, tint
    threshold = panel.threshold.value() / 100
    values = bench.look.before.values
    if is_painting:
        if taught is not None:
            from core.data.taught import overruled

            values = overruled(values, taught, bench.cell_px)
        before = damage_tint(bench, values, threshold, opacity)
        return before, before
    if panel.overlay == "damage" and stage.shows_twin_model and twin is not None:
        other = damage_tint(bench, twin.look.before.values, threshold, opacity)
        return damage_tint(bench, values, threshold, opacity), other
    if panel.overlay != "damage" or stage.shows_change:  # what a change is to be judged by is the photo
        return None, None
    before = damage_tint(bench, values, threshold, opacity)
    if stage.after is not None:
        return before, damage_tint(bench, stage.after.values, threshold, opacity)
    # while nothing is restored the original shows everywhere
    return before, before if stage.restored_rgb is None and not stage.arrives else None


def damage_tint(bench: Bench, values: np.ndarray, threshold: float, opacity: float) -> Tint:
    what = damage(bench.look.task)
    return Tint(
        values,
        on_photo("negative").name(),
        f"Looks like {what}",
        "clean 0",
        f"1 {what}",
        threshold,
        opacity,
        (bench.cell_px, bench.cell_px),
    )


def slot_tint(look: MemoryLook, cell_px: int, row: int, opacity: float) -> Tint:
    (polarity, granularity), number = look.group_of(row)
    title = f"Looks up {polarity} {granularity} {number}"
    return Tint(
        look.slot_map(row),
        on_photo(polarity).name(),
        title,
        "0",
        "weight 1",
        0.0,
        opacity,
        (cell_px, cell_px),
    )


def sample_tint(bench: Bench, kind: str, index: int, opacity: float) -> Tint | None:
    """How like a stored sample each place is, whatever a mask says of it: the similarity that the panel tells."""
    samples = bench.samples
    if samples is None or samples.dim != bench.look.query.shape[-1]:
        return None
    like = bench.look.unguided @ samples.embeddings(kind)[index].numpy()
    polarity = "positive" if kind == "positive" else "negative"
    cell = bench.cell_px, bench.cell_px
    return Tint(
        np.clip(like, 0, 1),
        on_photo(polarity).name(),
        "Like this sample",
        "0",
        "cosine 1",
        0.0,
        opacity,
        cell,
    )


def source_tint(bench: Bench, place: Spot, slot: SlotShare | None, opacity: float) -> Tint:
    """The one scale that is not fixed: shares sum to 1 over the photo, so the legend says what its end means.

    Args:
        slot: of its content alone; None: of all that the place reads of the photo under positive slots.
    """
    look = bench.look
    values = look.source_map(bench.place(place), slot)
    peak = float(values.max())
    cell = bench.cell_px * look.width / look.copy_size[0], bench.cell_px * look.height / look.copy_size[1]
    return Tint(
        values / peak if peak > 0 else values,
        on_photo("positive" if slot is None else slot.polarity).name(),
        "Gives its content to this place" if slot is None else f"Gives {slot.name} its content",
        "0",
        f"{times(peak * values.size)} an average place" if peak > 0 else "none",
        0.0,
        opacity,
        cell,
    )
