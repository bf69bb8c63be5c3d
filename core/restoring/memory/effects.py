"""What a slot does to a photo: the photo restored without it, where the photo looks it up most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.jobs import JobControl
from core.model.memory_edit import MemoryEdit, Slots, Step
from core.restoring.memory.probe import Change, Probe, around, change_between
from core.restoring.memory.record import MemoryLook
from core.restoring.tiling import Region


@dataclass(frozen=True, slots=True)
class SlotEffect:
    """How muting one slot changes a region of what the memory sees."""

    row: int  # in the table of all slots
    region: Region
    change: Change

    def as_dict(self) -> dict[str, Any]:
        return {"region_px": list(self.region), **self.change.as_dict()}


def strongest_region(seen: MemoryLook, row: int) -> Region:
    """Around the place that looks a slot up most. Raises IndexError."""
    where = seen.slot_map(row)
    at_row, at_column = (int(i) for i in np.unravel_index(int(where.argmax()), where.shape))
    return around(*seen.place_px(at_row, at_column), seen.width, seen.height)


def muting(seen: MemoryLook, row: int) -> MemoryEdit:
    """The edit that mutes one slot of the table. Raises IndexError."""
    (polarity, granularity), slot = seen.group_of(row)
    return MemoryEdit((Step("mute", Slots(polarity, granularity, (slot,))),))


def slot_effect(seen: MemoryLook, probe: Probe, row: int, control: JobControl | None = None) -> SlotEffect:
    """Restores a region with the slot and without. Raises IndexError, Cancelled, and what the device reports."""
    control = control or JobControl()
    region = strongest_region(seen, row)
    before = probe.restore(region, control=control)
    after = probe.restore(region, muting(seen, row), control=control)
    return SlotEffect(row, region, change_between(before, after))
