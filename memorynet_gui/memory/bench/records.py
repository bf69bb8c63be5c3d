"""What is asked of the worker about a photo and its memory, and what comes back: frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core import tasks
from core.model.memory_edit import MemoryEdit, thorough
from core.model.slot_names import SlotKey, SlotNote

if TYPE_CHECKING:
    from core.images.io import Picture
    from core.model.exemplars import SampleMemory
    from core.model.health import MemoryHealth
    from core.restoring.memory.map import MemoryMap
    from core.restoring.memory.places import PlaceSeen
    from core.restoring.memory.probe import Change, Probe
    from core.restoring.memory.record import MemoryLook
    from core.restoring.memory.slots import SlotFacts
    from core.restoring.records import Choice, RestoreRequest
    from core.restoring.verdict import Verdict

Region = tuple[int, int, int, int]
CELL_PX = 8  # of the memory's grid, in pixels of what it sees


@dataclass(frozen=True, slots=True)
class Subject:
    """Which photo is looked at, and with which model; equal orders give equal answers."""

    path: Path
    choice: Choice
    state: object = None  # of the photo where it came from: another one is another order
    verdict: Verdict | None = None  # of the result that came with it


@dataclass(frozen=True, slots=True)
class PhotoOpened:
    """An event: the photo is decoded. Both are (H, W, 3) uint8 sRGB."""

    rgb: np.ndarray
    restored_rgb: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Bench:
    """A photo that can be questioned. ``picture`` and ``probe`` are for the worker.

    The memory sees it at the scale of its damage: ``look``, ``probe`` and ``seen_rgb`` are of the copy whose pixels are
    the mean of ``by`` x ``by`` of the photo's.
    """

    subject: Subject
    picture: Picture
    rgb: np.ndarray  # (H, W, 3) uint8 sRGB
    by: int  # 1: the photo itself
    seen: Picture
    seen_rgb: np.ndarray  # (h, w, 3) uint8 sRGB
    look: MemoryLook
    probe: Probe
    request: RestoreRequest  # without a mask
    mask: (
        np.ndarray | None
    )  # (H, W) uint8: where a shadow is known to lie, painted or guessed as restoring does
    guesses: bool  # a mask is guessed, for none is painted
    samples: SampleMemory | None
    without_samples: str  # why there are none, as a sentence
    slots: tuple[SlotFacts, ...]
    health: MemoryHealth  # as this photo uses it
    names: Mapping[SlotKey, SlotNote]  # what a person calls slots of this model
    map: MemoryMap
    key: str  # of what is taught about this photo, see TaughtStore
    taught: np.ndarray | None  # (H, W), what was taught earlier
    restored: np.ndarray | None  # (H, W, 3) in the file's depth, with the memory as it is
    restored_rgb: np.ndarray | None
    truth: np.ndarray | None = field(default=None, repr=False)  # (H, W, 3), the photo undamaged
    is_plain: bool = True  # what was restored elsewhere is of this choice alone, over all of the photo

    @property
    def cell_px(self) -> int:
        """Edge of a cell of the memory's grid, in pixels of the photo."""
        return CELL_PX * self.by

    def in_copy(self, at: tuple[int, int]) -> tuple[int, int]:
        """A pixel of the photo as one of what the memory sees."""
        return min(at[0] // self.by, self.look.width - 1), min(at[1] // self.by, self.look.height - 1)

    def place(self, spot: Region) -> PlaceSeen:
        """Everything about a place or region of the photo, from what is recorded; of a place width and height are 0."""
        return self.look.region(*self.region(spot))

    def region(self, spot: Region) -> Region:
        """A place or region of the photo as a region of what the memory sees, within it."""
        x, y = self.in_copy(spot[:2])
        last_x, last_y = self.in_copy((spot[0] + max(1, spot[2]) - 1, spot[1] + max(1, spot[3]) - 1))
        return x, y, last_x + 1 - x, last_y + 1 - y

    def in_photo(self, region: Region) -> Region:
        """A region of what the memory sees, in pixels of the photo."""
        height, width = self.rgb.shape[:2]
        x, y, w, h = (value * self.by for value in region)
        return x, y, min(w, width - x), min(h, height - y)

    @property
    def is_comparable(self) -> bool:
        """Whether what was restored elsewhere was made as changes are tried: in one pass at this scale."""
        return (
            self.is_one_pass
            and self.is_plain
            and self.restored is not None
            and self.taught is None
            and not np.array_equal(self.restored, self.picture.pixels)
        )

    @property
    def is_one_pass(self) -> bool:
        """Whether restoring goes over the photo once, at the scale that is looked at: told where a shadow lies, it does."""
        return self.mask is not None if self.takes_masks else self.by == 1

    @property
    def takes_masks(self) -> bool:
        return tasks.of(self.subject.choice.task).takes_masks

    def check(self, edit: MemoryEdit) -> None:
        """Raises MemoryEditError for an edit of slots that this model does not have."""
        self.probe.check(thorough(self.subject.choice.thoroughness, edit))


@dataclass(frozen=True, slots=True)
class Base:
    """The photo restored with the memory as it is."""

    pixels: np.ndarray
    rgb: np.ndarray
    verdict: Verdict | None = None
    is_comparable: bool = True  # made in one pass at the scale that is looked at, as changes are


@dataclass(frozen=True, slots=True)
class Twin:
    """The same photo with another model, looked at on the same scale."""

    look: MemoryLook
    health: MemoryHealth
    slots: tuple[SlotFacts, ...]
    base: Base
    after: MemoryLook  # of the photo as this model restores it


@dataclass(frozen=True, slots=True)
class TileArrived:
    """An event: a tile of a restoration, ready for the screen."""

    x: int
    y: int
    rgb: np.ndarray
    index: int
    count: int
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Tried:
    """A change of the memory tried on a part of the photo, or on all of it."""

    region: Region
    rgb: np.ndarray  # (h, w, 3) uint8 sRGB of the region
    change: Change  # against the memory as it is
    psnr_gain_db: float | None  # where the truth is known
    is_whole: bool


@dataclass(frozen=True, slots=True)
class PlaceEffect:
    """What the memory does to the pixels around a place."""

    spot: Region  # as it was asked for
    of_memory: Change  # with it against without it
    with_rgb: np.ndarray = field(repr=False)  # (h, w, 3) uint8 sRGB, what was compared
    without_rgb: np.ndarray = field(repr=False)


@dataclass(frozen=True, slots=True)
class SlotEffect:
    """What muting one slot changes where this photo uses it most."""

    row: int
    region: Region
    change: Change
    psnr_gain_db: float | None  # of muting it


@dataclass(frozen=True, slots=True)
class Trial:
    """How the memory is to be read instead."""

    edit: MemoryEdit | None = None
    other: np.ndarray | None = field(default=None, repr=False)  # (R, D): another photo's content
    other_name: str = ""
    taught: np.ndarray | None = field(default=None, repr=False)  # (H, W): what is damage and what is not

    @property
    def changes(self) -> bool:
        changed = self.edit is not None and bool(self.edit.steps)
        return changed or self.other is not None or self.taught is not None

    def full_edit(self, thoroughness: float) -> MemoryEdit | None:
        """With what the photo is restored with anyway. Raises MemoryEditError where the two do not go together."""
        return thorough(thoroughness, self.edit)
