"""What the memory does with a photo, kept so that questions about places and slots are answered without a new pass.

:func:`look` goes over the photo once and keeps, for every cell of the memory's grid (8 x 8 px), where it looks; the
rest follows by arithmetic: all weights of a place, the map of a slot, how much of what is read was learned and how
much is the photo's own, and from which places of the photo that comes. Arrays are plain numpy, numbers of a place
take a few milliseconds. What a change of the memory does to pixels takes the network: :mod:`core.restoring.memory.probe`.

In a notebook::

    from core.images import io as image_io
    from core.restoring.memory.look import look
    from core.restoring.records import RestoreRequest
    seen = look(image_io.read("street.jpg"), RestoreRequest(task="derain"))
    place = seen.place(1200, 800)  # all slot weights there, strongest first in place.slots
    seen.sources(place)  # where in the photo its content was collected
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.events import LookProgress
from core.images.io import Picture
from core.jobs import Emit, JobControl, ignore
from core.model import catalog
from core.model.checkpoint import LoadedModel
from core.model.config import STRIDE_PX
from core.model.exemplars import Exemplar, SampleMemory
from core.model.memory import Address, PrototypeMemory
from core.model.tensors import choose_device, choose_precision
from core.restoring import scaled, scales, tiling
from core.restoring.memory.inspection import DAMAGED_FROM, Response, check_memory
from core.restoring.passes import (
    Network,
    is_out_of_memory,
    is_reduced,
    load_model,
    network_input,
    reduced_size,
    summary_address,
    tile_for,
)
from core.restoring.records import SMALLEST_TILE_PX, RestoreError, RestoreRequest

Group = tuple[str, str]
"""polarity and granularity"""

_LEAK = 0.2  # of the activation behind the read
_BASELINE_PLACES = 256  # of the photo, evenly spread, that a place is compared with
_REGION_CELLS = 4096  # of a region are looked at, evenly spread, where it has more: the mean is the same
_HEARD_CELLS = 20_000
_APART = 3  # cells between two places that are told as sources


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


@dataclass(frozen=True, slots=True)
class Held:
    """The memory's own numbers, all float32: what it learned and how what is read acts."""

    table: np.ndarray  # (R, D) learned slots, unit length
    sharpness: float  # cosines are multiplied by it before they become weights
    learned: np.ndarray  # (R, C) what each slot learned, as it is read; zero where the model does not read it
    actual: np.ndarray  # (R, C) what it holds of the photo, as it is read; zero without an actual memory
    light: np.ndarray  # (3, C) from what is read, past the activation, to red, green and blue


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

    def weights_at(self, row: int, column: int) -> np.ndarray:
        """(R,) float32: how strongly a cell looks up each slot; sums to 1 in every group."""
        return self._weights((slice(row, row + 1), slice(column, column + 1)))[0]

    def _weights(self, cells: tuple[slice, slice]) -> np.ndarray:
        """(N, R) of the N cells of a block."""
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
        """(D,) float32, unit length: what a place asks the memory, a region on average."""
        cells = _thinned(
            slice(place.row, place.row + place.rows), slice(place.column, place.column + place.columns)
        )
        mean = self._queries(cells).mean(0)
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
        flat = self.query.reshape(-1, self.query.shape[-1])
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
            "negative_response": {
                "before": self.before.as_dict(),
                "after": None if self.after is None else self.after.as_dict(),
            },
            "usage": [round(float(value), 6) for value in self.usage],
        }


def look(
    picture: Picture,
    request: RestoreRequest,
    emit: Emit = ignore,
    control: JobControl | None = None,
    *,
    restored: np.ndarray | None = None,
) -> MemoryLook:
    """Look at ``picture`` as the memory does, at full size, tile by tile; nothing is restored.

    Emits a :class:`core.events.LookProgress` after each tile.

    Args:
        request: task, model, device, precision, tile and mask count; edits do not change where places look.
        restored: (H, W, 3) of the picture's size and depth, to say how much of it still looks like damage.

    Raises:
        RestoreError: the network has no memory, or is for another task; ``restored`` has another size.
        CheckpointError, DeviceError, Cancelled.
    """
    control = control or JobControl()
    path = request.model if request.model is not None else catalog.default_model(request.task)
    device = choose_device(request.device)
    model = load_model(path, device, choose_precision(request.precision, device))
    check_memory(model)
    if model.task != request.task:
        raise RestoreError(f"model {model.name} is for {model.task}, not for {request.task}")
    height, width = picture.pixels.shape[:2]
    if restored is not None and restored.shape != picture.pixels.shape:
        raise RestoreError(f"restored picture {restored.shape}: the photo is {picture.pixels.shape}")
    precision = choose_precision(request.precision, device)
    tile_px = request.tile_px or tile_for(model.network, width, height, device, precision)
    while True:
        try:
            return _Look(picture, restored, request, path, model, device, tile_px, emit, control).run()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or tile_px <= SMALLEST_TILE_PX:
                raise
        tile_px = max(SMALLEST_TILE_PX, min(tile_px, max(width, height)) // 2 // STRIDE_PX * STRIDE_PX)


def scale_for(picture: Picture, request: RestoreRequest, control: JobControl) -> int:
    """At which reduction of a photo its damage is seen best, as restoring finds it: 1, 2, 4, ...

    Raises RestoreError: the network has no memory; else as restoring does.
    """
    height, width = picture.pixels.shape[:2]
    network = Network(request, ignore, control)
    check_memory(network.model)
    if len(scales.candidates(width, height)) == 1:
        return 1
    return scaled.look(picture.pixels, request, network, ignore, control).best


def own_content(picture: Picture, request: RestoreRequest, control: JobControl | None = None) -> np.ndarray:
    """(R, D) float32: what a photo puts into the memory, for :attr:`core.restoring.records.RestoreRequest.actual`.

    Raises as :func:`look`, and RestoreError for a model without an actual memory.
    """
    control = control or JobControl()
    path = request.model if request.model is not None else catalog.default_model(request.task)
    device = choose_device(request.device)
    precision = choose_precision(request.precision, device)
    model = load_model(path, device, precision)
    check_memory(model)
    memory = model.network.memory
    assert memory is not None
    if not memory.actual:
        raise RestoreError(f"model {model.name} has no memory of the photo at hand")
    height, width = picture.pixels.shape[:2]
    tile_px = request.tile_px or tile_for(model.network, width, height, device, precision)
    with torch.inference_mode():
        address, guide = summary_address(
            model.network, picture.pixels, request.mask, tile_px, device, control.checkpoint
        )
        return memory.summarise(address, guide)[0].float().cpu().numpy()


class _Look:
    def __init__(
        self,
        picture: Picture,
        restored: np.ndarray | None,
        request: RestoreRequest,
        path: Path,
        model: LoadedModel,
        device: str,
        tile_px: int,
        emit: Emit,
        control: JobControl,
    ) -> None:
        self.pixels, self.restored, self.mask = picture.pixels, restored, request.mask
        self.path, self.model, self.device, self.tile_px = path, model, device, tile_px
        self.emit, self.control = emit, control
        self.height, self.width = picture.pixels.shape[:2]
        self.tiles = tiling.plan(self.width, self.height, tile_px, STRIDE_PX, request.focus)

    @property
    def memory(self) -> PrototypeMemory:
        memory = self.model.network.memory
        assert memory is not None
        return memory

    def run(self) -> MemoryLook:
        network, memory = self.model.network, self.memory
        config = network.config
        slices = memory.row_slices()
        grid = -(-self.height // STRIDE_PX), -(-self.width // STRIDE_PX)
        query = np.empty((*grid, config.memory_dim), np.float32)
        threshold = np.empty((len(slices), *grid), np.float32)
        before = np.empty(grid, np.float32)
        after = None if self.restored is None else np.empty(grid, np.float32)
        with torch.inference_mode():
            table = memory.table()
            sharpness = float(memory.sharpness)
            total = torch.zeros(len(table), dtype=torch.float32)
            passes = 1 if self.restored is None else 2
            count = passes * len(self.tiles)
            for index, tile in enumerate(self.tiles, 1):
                self.control.checkpoint()
                place, address = self._owned(self.pixels, self.mask, tile)
                query[place] = address.query[0].permute(1, 2, 0).float().cpu().numpy()
                scores = (sharpness * (address.query[0].flatten(1).float().T @ table.T)).cpu()
                weights = address.weights[0].float().cpu()
                for number, rows in enumerate(slices.values()):
                    threshold[(number, *place)] = _thresholds(
                        scores[:, rows], weights[:, rows], before[place].shape
                    )
                total += weights.sum(0)
                if self.mask is not None:  # told where the damage is, a response would repeat it
                    address = self._owned(self.pixels, None, tile)[1]
                before[place] = torch.sigmoid(address.polarity_logit)[0].float().cpu().numpy()
                self.emit(LookProgress(index, count))
            for index, tile in enumerate(self.tiles if after is not None else (), len(self.tiles) + 1):
                assert self.restored is not None and after is not None
                self.control.checkpoint()
                place, address = self._owned(self.restored, None, tile)
                after[place] = torch.sigmoid(address.polarity_logit)[0].float().cpu().numpy()
                self.emit(LookProgress(index, count))
            actual, claims, copy_size = self._own_content()
            held = self._held(actual)
        return MemoryLook(
            width=self.width,
            height=self.height,
            model=self.path,
            model_name=self.model.name,
            model_sha256=self.model.sha256,
            task=self.model.task,
            slices=slices,
            is_read={(p, g): p in config.polarities and g in config.granularities for p, g in slices},
            has_actual=memory.actual,
            query=query,
            threshold=threshold,
            before=Response(before),
            after=None if after is None else Response(after),
            usage=(total / (grid[0] * grid[1])).numpy(),
            held=held,
            actual=np.zeros((0, 0), np.float32) if actual is None else actual[0].float().cpu().numpy(),
            claims=claims,
            copy_size=copy_size,
        )

    def _owned(
        self, pixels: np.ndarray, mask: np.ndarray | None, tile: tiling.Tile
    ) -> tuple[tuple[slice, slice], Address]:
        """The cells a tile owns on the grid, and where they look."""
        network = self.model.network
        region = tiling.window(tile, self.width, self.height, network.config.halo_px, STRIDE_PX)
        x, guide = network_input(pixels, mask, region, self.device)
        address = network.address(x, guide, between=self.control.checkpoint)
        left, top = (tile.x - region[0]) // STRIDE_PX, (tile.y - region[1]) // STRIDE_PX
        rows, columns = -(-tile.height // STRIDE_PX), -(-tile.width // STRIDE_PX)
        owned = (..., slice(top, top + rows), slice(left, left + columns))
        weights = address.weights.transpose(1, 2).unflatten(2, address.query.shape[-2:])
        place = (
            slice(tile.y // STRIDE_PX, tile.y // STRIDE_PX + rows),
            slice(tile.x // STRIDE_PX, tile.x // STRIDE_PX + columns),
        )
        return place, Address(
            query=address.query[owned],
            value=address.value,
            weights=weights[owned].flatten(2).transpose(1, 2),
            polarity_logit=address.polarity_logit[owned],
        )

    def _own_content(self) -> tuple[Tensor | None, np.ndarray, tuple[int, int]]:
        """The photo's content (1, R, D), who gave it (R, n, m), and the size of the copy it was collected from."""
        memory = self.memory
        if not memory.actual:
            return None, np.zeros((0, 0, 0), np.float32), (self.width, self.height)
        network = self.model.network
        address, guide = summary_address(
            network, self.pixels, self.mask, self.tile_px, self.device, self.control.checkpoint
        )
        claim = memory.claims(address, guide)  # (1, N, R)
        share = claim / memory.claimed(claim).unsqueeze(1)
        rows, columns = address.query.shape[-2:]
        claims = share[0].T.unflatten(1, (rows, columns)).float().cpu().numpy()
        return memory.summarise(address, guide), np.ascontiguousarray(claims), self._copy_size()

    def _copy_size(self) -> tuple[int, int]:
        if not is_reduced(self.width, self.height):
            return self.width, self.height
        return reduced_size(self.width, self.height)

    def _held(self, actual: Tensor | None) -> Held:
        memory = self.memory
        learned, own = memory.contents(actual)
        return Held(
            table=memory.table().cpu().numpy(),
            sharpness=float(memory.sharpness),
            learned=learned.float().cpu().numpy(),
            actual=own.float().cpu().numpy(),
            light=memory.out.weight[-3:, :, 0, 0].float().cpu().numpy(),
        )


def _thinned(rows: slice, columns: slice) -> tuple[slice, slice]:
    """A block of cells, or every second, third, ... row and column of one that has too many."""
    count = (rows.stop - rows.start) * (columns.stop - columns.start)
    step = max(1, int(np.ceil((count / _REGION_CELLS) ** 0.5)))
    return slice(rows.start, rows.stop, step), slice(columns.start, columns.stop, step)


def _thresholds(scores: Tensor, weights: Tensor, shape: tuple[int, ...]) -> np.ndarray:
    """Sparsemax subtracts one number from all scores (N, M) of a place and cuts off below 0: that number, on the grid."""
    best = weights.argmax(1, keepdim=True)
    found = scores.gather(1, best) - weights.gather(1, best)
    return found.reshape(shape).numpy()
