"""What is told of one place of a photo: records, and how they read as JSON. Who fills them is :mod:`core.restoring.memory.record`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.model.config import STRIDE_PX
from core.model.exemplars import Exemplar
from core.restoring.memory.inspection import DAMAGED_FROM


@dataclass(frozen=True, slots=True)
class SlotShare:
    """What one slot gives to one place."""

    polarity: str
    granularity: str
    slot: int  # counted from 0 within its polarity and granularity
    row: int  # in the table of all slots
    weight: float  # 0..1; sums to 1 over the slots of its polarity and granularity
    cosine: float  # -1..1, how like the slot the place is
    learned: float  # share of all that is read here, which sums to 1 over all slots; below 0 where it pulls against it
    actual: float  # the same, of what the slot holds of the photo

    @property
    def name(self) -> str:
        return f"{self.polarity} {self.granularity} {self.slot}"

    @property
    def share(self) -> float:
        return self.learned + self.actual

    def as_dict(self) -> dict[str, Any]:
        return {
            "polarity": self.polarity,
            "granularity": self.granularity,
            "slot": self.slot,
            "weight": round(self.weight, 5),
            "cosine": round(self.cosine, 4),
            "learned_share": round(self.learned, 5),
            "actual_share": round(self.actual, 5),
        }


@dataclass(frozen=True, slots=True)
class PlaceSeen:
    """One cell of the memory's grid, or the mean over a region of cells: everything but what needs the network."""

    column: int
    row: int
    x_px: int  # upper left pixel of the cell, which is 8 x 8 px
    y_px: int
    response: float  # 0..1: how much it looks like damage
    slots: tuple[SlotShare, ...]  # all with a weight above 0, in the order of the table
    strength: float  # length of what is read, before it acts; 0: the memory says nothing here
    light: tuple[
        float, float, float
    ]  # signed: red, green and blue are multiplied by 1 + light by the read itself
    columns: int = 1  # cells of the region
    rows: int = 1

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height; at the photo's lower and right edge the last cells may reach beyond it."""
        return self.columns * STRIDE_PX, self.rows * STRIDE_PX

    @property
    def damaged(self) -> bool:
        return self.response > DAMAGED_FROM

    @property
    def learned(self) -> float:
        """Share of what is read that was learned; with :attr:`actual` it sums to 1, or both are 0."""
        return sum(slot.learned for slot in self.slots)

    @property
    def actual(self) -> float:
        """Share of what is read that the photo itself put into the memory."""
        return sum(slot.actual for slot in self.slots)

    def of(self, polarity: str, granularity: str = "") -> tuple[SlotShare, ...]:
        """Slots of a polarity, and granularity if one is named, the heaviest first."""
        found = [s for s in self.slots if s.polarity == polarity and granularity in ("", s.granularity)]
        return tuple(sorted(found, key=lambda slot: -slot.weight))

    def as_dict(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "row": self.row,
            "x_px": self.x_px,
            "y_px": self.y_px,
            "columns": self.columns,
            "rows": self.rows,
            "negative_response": round(self.response, 5),
            "read": {
                "strength": round(self.strength, 5),
                "learned_share": round(self.learned, 5),
                "actual_share": round(self.actual, 5),
                "light": [round(value, 5) for value in self.light],
            },
            "slots": [slot.as_dict() for slot in self.slots],
        }


@dataclass(frozen=True, slots=True)
class Source:
    """A place of the photo that content came from; in a reduced copy a cell stands for more than 8 x 8 px."""

    x_px: int  # of the photo
    y_px: int
    width_px: int
    height_px: int
    share: float  # 0..1 of the content asked for

    @property
    def box_px(self) -> tuple[int, int, int, int]:
        """x, y, width, height."""
        return self.x_px, self.y_px, self.width_px, self.height_px

    def as_dict(self) -> dict[str, Any]:
        return {
            "x_px": self.x_px,
            "y_px": self.y_px,
            "width_px": self.width_px,
            "height_px": self.height_px,
            "share": round(self.share, 5),
        }


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in a photo the content came from that a place, or a slot, holds, and how much that says: what is a mean over the
    whole photo has places that give most, too."""

    places: tuple[Source, ...]  # those that give most, apart from one another, strongest first
    half_from: float  # the smallest share of the photo that gives half of it: 0.5 where all places give alike
    even: float  # the share that each place would give then

    @property
    def most(self) -> float:
        """How many times what an average place gives the strongest gives; 0 where nothing was collected."""
        return self.places[0].share / self.even if self.places else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {
            "places": [source.as_dict() for source in self.places],
            "half_from": round(self.half_from, 5),
            "even_share": round(self.even, 8),
        }


@dataclass(frozen=True, slots=True)
class NearSamples:
    """The stored samples most like a place, with what any place would get, without which a similarity says little."""

    kind: str  # "positive" | "negative"
    samples: tuple[tuple[Exemplar, float], ...]  # with their cosine, nearest first
    random: float  # mean cosine of places of this photo, evenly spread, with samples of the kind
    usual: float  # median over these places of the cosine with their nearest sample

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "random_pair": round(self.random, 4),
            "usual_nearest": round(self.usual, 4),
            "samples": [
                {
                    "kind": sample.kind,
                    "source": sample.source,
                    "x_px": sample.x_px,
                    "y_px": sample.y_px,
                    "similarity": round(similarity, 4),
                }
                for sample, similarity in self.samples
            ],
        }
