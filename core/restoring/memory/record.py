"""One photo as the memory sees it, kept: all that is asked of it afterwards is arithmetic on arrays of numpy.

For every cell of the memory's grid (8 x 8 px) the record holds what the cell asks (its query) and the one number that
sparsemax takes off its scores: all weights follow from these, exactly. What the slots hold and who gave it stands beside,
so that shares and sources follow, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.model.config import STRIDE_PX
from core.model.exemplars import SampleMemory
from core.restoring.memory.inspection import Response
from core.restoring.memory.places import NearSamples, Origin, PlaceSeen, SlotShare, Source
from core.restoring.records import RestoreError

Group = tuple[str, str]
"""polarity and granularity"""

_LEAK = 0.2  # of the activation behind the read
_BASELINE_PLACES = 256  # of the photo, evenly spread, that a place is compared with
_REGION_CELLS = 4096  # of a region are looked at, evenly spread, where it has more: the mean is the same
_HEARD_CELLS = 20_000
_APART = 3  # cells between two places that are told as sources


@dataclass(frozen=True, slots=True)
class Held:
    """The memory's own numbers, all float32: what it learned and how what is read acts."""

    table: np.ndarray  # (R, D) learned slots, unit length
    sharpness: float  # cosines are multiplied by it before they become weights
    learned: np.ndarray  # (R, C) what each slot learned, as it is read; zero where the model does not read it
    actual: np.ndarray  # (R, C) what it holds of the photo, as it is read; zero without an actual memory
    light: np.ndarray  # (3, C) from what is read, past the activation, to red, green and blue
    made_of: Mapping[Group, np.ndarray]  # (M, slots of the next finer granularity): of which each is the sum


@dataclass(frozen=True, slots=True)
class MemoryLook:
    """One photo as the memory sees it. The grid is (h, w) = the photo's (height, width) / 8, rounded up."""

    width: int
    height: int
    model: Path
    model_name: str
    model_sha256: str
    task: str
    slices: Mapping[Group, slice]  # rows of the R slots
    is_read: Mapping[Group, bool]  # a model may look slots up that it does not read
    has_actual: bool
    query: np.ndarray  # (h, w, D) float32, unit length: what each cell asks the memory
    unguided: (
        np.ndarray
    )  # the same where nobody says where the damage is; query itself where there is no mask
    threshold: (
        np.ndarray
    )  # (G, h, w) float32, by group in the order of slices: weight = max(0, score - threshold)
    before: Response
    after: Response | None  # of the restored picture, where one was handed in
    usage: np.ndarray  # (R,) float32, mean weight over the photo
    held: Held
    actual: np.ndarray  # (R, D) float32: the photo's content, slot by slot; (0, 0) without an actual memory
    claims: (
        np.ndarray
    )  # (R, n, m) float32: share of each slot's content that each cell of the reduced copy gave
    copy_size: tuple[int, int]  # width, height in px of the copy whose cells claims are
    undone: bool = False  # query is of the photo with its smear undone, as the network is shown it; unguided is of the photo
    _baseline: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.query.shape[:2]
        return rows, columns

    def group_of(self, row: int) -> tuple[Group, int]:
        """A row of the table as its group and its number within it. Raises IndexError."""
        for group, rows in self.slices.items():
            if rows.start <= row < rows.stop:
                return group, row - rows.start
        raise IndexError(f"row {row}: there are {len(self.usage)}")

    def cell(self, x: float, y: float) -> tuple[int, int]:
        """Row and column of the cell at a pixel. Raises RestoreError outside of the photo."""
        if not (0 <= x < self.width and 0 <= y < self.height):
            raise RestoreError(f"place {x:g},{y:g}: the photo has {self.width}x{self.height} px")
        return int(y) // STRIDE_PX, int(x) // STRIDE_PX

    def place_px(self, row: int, column: int) -> tuple[int, int]:
        """A pixel of the photo in the middle of a cell; on its edge where the middle lies beyond."""
        half = STRIDE_PX // 2
        return min(column * STRIDE_PX + half, self.width - 1), min(row * STRIDE_PX + half, self.height - 1)

    # --- places ---------------------------------------------------------------------------------

    def _weights(self, cells: tuple[slice, slice]) -> np.ndarray:
        """(N, R) float32: how strongly each of the N cells of a block looks up each slot; sums to 1 in every group."""
        scores = self.held.sharpness * (self._queries(cells) @ self.held.table.T)  # (N, R)
        weights = np.empty_like(scores)
        for index, rows in enumerate(self.slices.values()):
            threshold = self.threshold[index][cells].reshape(-1, 1)
            weights[:, rows] = np.maximum(scores[:, rows] - threshold, 0)
        return weights

    def _queries(self, cells: tuple[slice, slice]) -> np.ndarray:
        """(N, D) of the N cells of a block."""
        return self.query[cells].reshape(-1, self.query.shape[-1])

    def place(self, x: float, y: float) -> PlaceSeen:
        """Everything about the cell at pixel (x, y) of the photo. Raises RestoreError outside of it."""
        return self.region(x, y)

    def region(self, x: float, y: float, width: float = 1, height: float = 1) -> PlaceSeen:
        """The same of all cells that a rectangle of the photo touches, on average: weights and cosines count every cell
        alike, shares by how much is read there. What reaches beyond the photo is cut off.

        Raises RestoreError: (x, y) lies outside of the photo, or the rectangle is empty.
        """
        row, column = self.cell(x, y)
        if width <= 0 or height <= 0:
            raise RestoreError(f"region {width:g}x{height:g} px: need at least one pixel")
        last_row, last_column = self.cell(min(x + width, self.width) - 1, min(y + height, self.height) - 1)
        rows, columns = max(row, last_row) + 1 - row, max(column, last_column) + 1 - column
        whole = slice(row, row + rows), slice(column, column + columns)
        cells = _thinned(*whole)
        held = self.held
        every = self._weights(cells)  # (N, R)
        weights = every.mean(0)
        cosines = held.table @ self._queries(cells).mean(0)
        read = every @ (held.learned + held.actual)  # (N, C)
        squares = (read * read).sum(1)  # (N,)
        total = float(squares.sum(dtype=np.float64))
        if total > 0:
            # of each cell: its slots' contents on the read, weighed by how much is read there
            by_learned = (every * (read @ held.learned.T)).sum(0) / total
            by_actual = (every * (read @ held.actual.T)).sum(0) / total
        else:
            by_learned = by_actual = np.zeros(len(weights), np.float32)
        slots = []
        for (polarity, granularity), group in self.slices.items():
            for index in np.flatnonzero(weights[group] > 0) + group.start:
                slots.append(
                    SlotShare(
                        polarity,
                        granularity,
                        int(index) - group.start,
                        int(index),
                        float(weights[index]),
                        float(cosines[index]),
                        float(by_learned[index]),
                        float(by_actual[index]),
                    )
                )
        acting = np.where(read > 0, read, _LEAK * read).mean(0)
        red, green, blue = (float(v) for v in held.light @ acting)
        return PlaceSeen(
            column,
            row,
            column * STRIDE_PX,
            row * STRIDE_PX,
            float(self.before.values[whole].mean()),
            tuple(slots),
            float(np.sqrt(squares).mean()),
            (red, green, blue),
            columns,
            rows,
        )

    def query_of(self, place: PlaceSeen) -> np.ndarray:
        """(D,) float32, unit length: what a place looks like to the memory, whatever a mask says of it; a region on average."""
        cells = _thinned(
            slice(place.row, place.row + place.rows), slice(place.column, place.column + place.columns)
        )
        mean = self.unguided[cells].reshape(-1, self.unguided.shape[-1]).mean(0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-6), np.float32)

    def slot_map(self, row: int) -> np.ndarray:
        """(h, w) float32: how strongly each cell looks up a slot of the table, 0..1. Raises IndexError."""
        group, _number = self.group_of(row)
        index = list(self.slices).index(group)
        scores = self.query @ (self.held.sharpness * self.held.table[row])
        found: np.ndarray = np.maximum(scores - self.threshold[index], 0)
        return found

    def heard(self) -> np.ndarray:
        """(C,) bool: which units between the read and the features rise above zero at some place, of many evenly spread.

        See :class:`core.model.health.Listener`: what is read reaches the features through these alone.
        """
        rows, columns = self.grid
        step = max(1, int(np.ceil((rows * columns / _HEARD_CELLS) ** 0.5)))
        content = self.held.learned + self.held.actual  # (R, C)
        risen = np.zeros(content.shape[1], bool)
        for row in range(0, rows, step):
            read = self._weights((slice(row, row + 1), slice(0, columns, step))) @ content
            risen |= (read > 0).any(0)
        return risen

    # --- where content came from ------------------------------------------------------------------

    def source_map(
        self, place: PlaceSeen, slot: SlotShare | None = None, polarity: str = "positive"
    ) -> np.ndarray:
        """(n, m) float32 over the cells of the reduced copy: where the content was collected that a place is given.

        Each slot's claims, weighed by how strongly the place looks it up. Sums to 1, or to 0 where nothing was
        collected.

        Args:
            slot: of this slot alone; None: of all slots of ``polarity`` that the model reads.
        """
        if not self.has_actual:
            return np.zeros((1, 1), np.float32)
        total = np.zeros(self.claims.shape[1:], np.float32)
        chosen = [slot] if slot is not None else place.of(polarity)
        for each in chosen:
            if slot is not None or self.is_read[each.polarity, each.granularity]:
                total += each.weight * self.claims[each.row]
        amount = float(total.sum(dtype=np.float64))
        return total / amount if amount > 0 else total

    def sources(
        self, place: PlaceSeen, slot: SlotShare | None = None, polarity: str = "positive", count: int = 5
    ) -> tuple[Source, ...]:
        """The strongest places of :meth:`source_map`, apart from one another, strongest first."""
        return self.strongest(self.source_map(place, slot, polarity), count)

    def origin(
        self, place: PlaceSeen, slot: SlotShare | None = None, polarity: str = "positive", count: int = 5
    ) -> Origin:
        """:meth:`sources`, and how much they say: how far the content is spread over the photo."""
        shares = self.source_map(place, slot, polarity)
        ordered = np.sort(shares, axis=None)[::-1].cumsum(dtype=np.float64)
        given = bool(ordered[-1] > 0)
        half = (int(np.searchsorted(ordered, 0.5 * ordered[-1])) + 1) / shares.size if given else 0.0
        return Origin(self.strongest(shares, count), min(1.0, half), 1 / shares.size)

    def strongest(self, sources: np.ndarray, count: int = 5) -> tuple[Source, ...]:
        """The strongest places of a map as :meth:`source_map` gives it, apart from one another."""
        left = sources.copy()
        to_x, to_y = self.width / self.copy_size[0], self.height / self.copy_size[1]
        found: list[Source] = []
        while len(found) < count:
            row, column = (int(i) for i in np.unravel_index(int(left.argmax()), left.shape))
            if left[row, column] <= 0:
                break
            x, y = round(column * STRIDE_PX * to_x), round(row * STRIDE_PX * to_y)
            found.append(
                Source(
                    x,
                    y,
                    min(round(STRIDE_PX * to_x), self.width - x),
                    min(round(STRIDE_PX * to_y), self.height - y),
                    float(sources[row, column]),
                )
            )
            left[max(0, row - _APART) : row + _APART + 1, max(0, column - _APART) : column + _APART + 1] = 0
        return tuple(found)

    # --- samples ----------------------------------------------------------------------------------

    def nearest(
        self, place: PlaceSeen, samples: SampleMemory, kind: str = "negative", count: int = 4
    ) -> NearSamples:
        """Stored samples most like a place, beside what places of this photo get on average.

        Raises ValueError: samples of another model, whose numbers mean something else.
        """
        if samples.dim != self.query.shape[-1]:
            raise ValueError(f"samples of {samples.dim} numbers, the model's have {self.query.shape[-1]}")
        query = torch.from_numpy(self.query_of(place)[None])
        near = samples.nearest(query, kind, count)
        if kind not in self._baseline:
            self._baseline[kind] = self._usual(samples, kind)
        random, usual = self._baseline[kind]
        return NearSamples(
            kind,
            tuple(
                (samples.exemplar(kind, int(index)), float(similarity))
                for index, similarity in zip(near.indices[0], near.similarities[0], strict=True)
            ),
            random,
            usual,
        )

    def _usual(self, samples: SampleMemory, kind: str) -> tuple[float, float]:
        flat = self.unguided.reshape(-1, self.unguided.shape[-1])
        spread = np.linspace(0, len(flat) - 1, min(len(flat), _BASELINE_PLACES)).round().astype(int)
        members = samples.embeddings(kind).numpy()
        if not len(members):
            return 0.0, 0.0
        cosines = flat[spread] @ members.T
        return float(cosines.mean()), float(np.median(cosines.max(1)))

    def as_dict(self) -> dict[str, Any]:
        """What holds for the whole photo, as plain JSON."""
        return {
            "width": self.width,
            "height": self.height,
            "task": self.task,
            "model": self.model_name,
            "model_sha256": self.model_sha256,
            "smear_undone": self.undone,
            "negative_response": {
                "before": self.before.as_dict(),
                "after": None if self.after is None else self.after.as_dict(),
            },
            "usage": [round(float(value), 6) for value in self.usage],
        }


def _thinned(rows: slice, columns: slice) -> tuple[slice, slice]:
    """A block of cells, or every second, third, ... row and column of one that has too many."""
    count = (rows.stop - rows.start) * (columns.stop - columns.start)
    step = max(1, int(np.ceil((count / _REGION_CELLS) ** 0.5)))
    return slice(rows.start, rows.stop, step), slice(columns.start, columns.stop, step)
