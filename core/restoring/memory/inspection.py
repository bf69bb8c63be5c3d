"""Inspection as a job: a photo and a frozen request in, what the memory sees in it before and after out.

The photo is looked at in full size, tile by tile as it is restored, so that the maps show what took part in its
restoration, and no reduced copy of it. Arrays of the result are plain numpy.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.events import PassTile, TileDone
from core.images.io import Picture
from core.jobs import Emit, JobControl
from core.model import catalog
from core.model.checkpoint import LoadedModel
from core.model.config import GRANULARITIES, POLARITIES, STRIDE_PX
from core.model.health import Listener, MemoryHealth, health, silent_share
from core.model.memory import TOP_SLOTS, Address, PrototypeMemory
from core.model.tensors import choose_device, choose_precision, to_tensor
from core.restoring import copies, scales, smear, tiling
from core.restoring.passes import is_out_of_memory, load_model, shown
from core.restoring.records import SMALLEST_TILE_PX, Restored, RestoreError, RestoreRequest
from core.restoring.restore import restore

SHOWN_SLOTS: Mapping[str, int] = {"part": 6, "instance": 4, "semantic": 3}
"""How many of the most used slots are told about."""
SHOWN_CELLS = 6  # strongest places of a slot
_TIE = 0.05  # of weight: less is no difference
_APART_CELLS = 4  # they are at least this far from one another, so that they show different things
DAMAGED_FROM = 0.5  # of the negative response: from here on a place looks more like damage than not
_PASSES = 3  # over the photo: restoring it, looking at it, looking at the result


@dataclass(frozen=True, slots=True)
class SlotMap:
    """The strongest slots at each cell of the memory's grid (8 x 8 px), strongest first."""

    slots: np.ndarray  # (K, h, w) uint16, K = min(4, number of slots)
    weights: np.ndarray  # (K, h, w) float32, 0..1; over all slots they sum to 1
    cosines: np.ndarray  # (K, h, w) float32, -1..1: how like the slot the cell is

    def weight_of(self, slot: int) -> np.ndarray:
        """(h, w): how strongly each cell looks up a slot; 0 where it is not among the K strongest."""
        return self._of(slot, self.weights)

    def cosine_of(self, slot: int) -> np.ndarray:
        """(h, w): how like the slot each cell is; 0 where it is not among the K strongest."""
        return self._of(slot, self.cosines)

    def _of(self, slot: int, values: np.ndarray) -> np.ndarray:
        return np.where(self.slots == slot, values, 0).sum(0)


@dataclass(frozen=True, slots=True)
class Place:
    """A cell where a slot is looked up strongly."""

    column: int  # on the memory's grid
    row: int
    weight: float  # 0..1

    def as_dict(self) -> dict[str, Any]:
        x, y = self.centre_px
        return {
            "column": self.column,
            "row": self.row,
            "x_px": x,
            "y_px": y,
            "weight": round(self.weight, 4),
        }

    @property
    def centre_px(self) -> tuple[int, int]:
        """In the photo; for a cell that reaches over its edge, in the photo's padding."""
        return self.column * STRIDE_PX + STRIDE_PX // 2, self.row * STRIDE_PX + STRIDE_PX // 2


@dataclass(frozen=True, slots=True)
class TopSlot:
    """One of the slots this photo uses most."""

    polarity: str
    granularity: str
    slot: int  # counted from 0 within its polarity and granularity
    row: int  # in the table of all slots
    usage: float  # mean weight over the photo, 0..1
    leads: float  # share of the cells where no other slot is stronger
    places: tuple[Place, ...]  # strongest first

    def as_dict(self) -> dict[str, Any]:
        return {
            "polarity": self.polarity,
            "granularity": self.granularity,
            "slot": self.slot,
            "usage": round(self.usage, 6),
            "leads": round(self.leads, 6),
            "places": [place.as_dict() for place in self.places],
        }


@dataclass(frozen=True, slots=True)
class Response:
    """How much each cell looks like damage, by the memory's own judgement: a mask that was given has no say."""

    values: np.ndarray  # (h, w) float32, 0..1

    @property
    def mean(self) -> float:
        return float(self.values.mean(dtype=np.float64))

    @property
    def area(self) -> float:
        """Share of the cells that look more like damage than not."""
        return float(self.damaged.mean())

    @property
    def damaged(self) -> np.ndarray:
        """(h, w) bool: the cells that look more like damage than not."""
        found: np.ndarray = self.values > DAMAGED_FROM
        return found

    def as_dict(self) -> dict[str, float]:
        return {
            "mean": round(self.mean, 6),
            "area": round(self.area, 6),
            "largest": round(float(self.values.max()), 6),
        }


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the memory sees in a photo, or in the reduced copy of it at which it was restored (``scale``).

    The grid is (h, w) = (height, width) / 8, rounded up, of what was looked at.
    """

    width: int  # of what was looked at
    height: int
    restored: Restored
    maps: Mapping[tuple[str, str], SlotMap]  # by polarity and granularity
    is_read: Mapping[tuple[str, str], bool]  # whether this network reads them; it addresses all
    before: Response
    after: Response
    usage: np.ndarray  # (R,) float32, mean weight over the photo; sums to 1 in every group
    table: np.ndarray  # (R, D) float32, what the slots learned, unit length
    slices: Mapping[tuple[str, str], slice]  # (polarity, granularity) -> rows of usage and table
    top: tuple[TopSlot, ...]  # in the order of slices, most used first
    seconds: float  # restoring and looking; without loading the model and without pauses
    notes: tuple[str, ...]
    scale: str = scales.WHOLE
    pixels_before: np.ndarray | None = None  # (height, width, 3), what was looked at, before and after
    pixels_after: np.ndarray | None = None
    heard: np.ndarray | None = (
        None  # (C,) bool, see core.model.health.Listener; None: the memory was not read
    )

    def health(self) -> MemoryHealth:
        """Of the memory as this photo alone uses it: slots for other photos count as dead here."""
        return health(self.usage, self.table, self.slices, silent=silent_share(self.heard))

    def top_of(self, polarity: str, granularity: str) -> tuple[TopSlot, ...]:
        return tuple(top for top in self.top if (top.polarity, top.granularity) == (polarity, granularity))

    def maps_dict(self) -> dict[str, Any]:
        """The maps, as plain JSON: rows of columns, upper left first. Slots are those with most weight, strongest first."""
        return {
            "negative_response": {
                side: _rounded(response.values)
                for side, response in (("before", self.before), ("after", self.after))
            },
            "slots": {
                " ".join(group): {
                    "slots": found.slots.tolist(),
                    "weights": _rounded(found.weights),
                    "cosines": _rounded(found.cosines),
                }
                for group, found in self.maps.items()
            },
        }

    def as_dict(self) -> dict[str, Any]:
        """All numbers but the maps, as plain JSON."""
        rows, columns = self.before.values.shape
        return {
            "width": self.width,
            "height": self.height,
            "scale": self.scale,
            "grid": {
                "columns": columns,
                "rows": rows,
                "cell_px": STRIDE_PX * scales.divisor(self.scale),  # of the photo
            },
            "task": self.restored.task,
            "model": self.restored.model_name,
            "model_sha256": self.restored.model_sha256,
            "device": self.restored.device,
            "precision": self.restored.precision,
            "tile_px": self.restored.tile_px,
            "memory": self.restored.memory,
            "mask": self.restored.mask,
            "seconds": round(self.seconds, 4),
            "negative_response": {
                "before": self.before.as_dict(),
                "after": self.after.as_dict(),
                "damaged_from": DAMAGED_FROM,
            },
            "usage": {
                polarity: {
                    granularity: [
                        round(float(value), 6) for value in self.usage[self.slices[polarity, granularity]]
                    ]
                    for granularity in GRANULARITIES
                }
                for polarity in POLARITIES
            },
            "is_read": {" ".join(group): read for group, read in self.is_read.items()},
            "top_slots": [top.as_dict() for top in self.top],
            "health_on_this_photo": self.health().as_dict(),
            "notes": list(self.notes),
        }


def _rounded(values: np.ndarray) -> list[Any]:
    """As lists, to four digits."""
    found: list[Any] = np.round(values.astype(np.float64), 4).tolist()
    return found


def inspect(picture: Picture, request: RestoreRequest, emit: Emit, control: JobControl) -> Inspection:
    """Restore ``picture`` and look at it, and at the result, as the memory does.

    A mask, an edited or a muted memory hold for the restoration. Emits what :func:`core.restoring.restore.restore` emits;
    a :class:`TileDone` of the passes that look on repeats the restored pixels of its tile.

    Raises:
        RestoreError: the network has no memory; else as :func:`core.restoring.restore.restore`.
    """
    path = request.model if request.model is not None else catalog.default_model(request.task)
    device = choose_device(request.device)
    listener = Listener(None)
    try:
        model = load_model(path, device, choose_precision(request.precision, device))
        check_memory(model)
        listener = Listener(model.network.memory)
    except (RuntimeError, MemoryError) as error:  # restoring goes on with the processor, and so does this
        if not is_out_of_memory(error):
            raise
    progress = _Progress(emit, control)
    with listener:
        restored = restore(picture, replace(request, model=path), progress.restoring, control)
    heard = listener.heard if restored.device == device else None  # on another device it is another network
    # the device and precision that were enough to restore it, which takes more of both
    model = load_model(path, restored.device, restored.precision)
    check_memory(model)
    look = _Look(picture, request, restored, model, heard, progress, control)
    return look.run()


def check_memory(model: LoadedModel) -> None:
    """Raises RestoreError for a model without a memory to look into."""
    if model.network.memory is None:
        raise RestoreError(f"model {model.name} has no memory to inspect")


class _Progress:
    """One count of tiles for all passes."""

    def __init__(self, emit: Emit, control: JobControl) -> None:
        self.emit, self.control = emit, control
        self.began = time.monotonic() - control.waited_s
        self.done = 0  # tiles of the first pass, as many as it took

    def worked_s(self) -> float:
        return time.monotonic() - self.control.waited_s - self.began

    def restoring(self, event: object) -> None:
        if isinstance(event, TileDone):
            self.done = event.index
            left = (
                None if event.seconds_left is None else event.seconds_left * 2
            )  # looking takes as long again
            event = replace(event, count=event.count * _PASSES, seconds_left=left)
        self.emit(event)

    def looking(self, tile: tiling.Tile, pixels: np.ndarray, number: int, count: int) -> None:
        """``number`` of ``count`` tiles of the passes that look on."""
        index, total = self.done + number, self.done + count
        left = self.worked_s() * (count - number) / max(1, index)
        self.emit(TileDone(index, total, tile.x, tile.y, tile.width, tile.height, pixels, left))

    def looking_at_copy(self, scale: str, number: int, count: int) -> None:
        index, total = self.done + number, self.done + count
        self.emit(PassTile(index, total, scale, self.worked_s() * (count - number) / max(1, index)))


class _Look:
    def __init__(
        self,
        picture: Picture,
        request: RestoreRequest,
        restored: Restored,
        model: LoadedModel,
        heard: np.ndarray | None,
        progress: _Progress,
        control: JobControl,
    ) -> None:
        self.request, self.restored = request, restored
        self.model, self.heard, self.progress, self.control = model, heard, progress, control
        by = scales.divisor(restored.verdict.scale)
        self.before, self.after, self.mask = picture.pixels, restored.pixels, restored.guide
        if by > 1:  # the network never saw the photo in its full size
            self.before, self.after = copies.reduced(self.before, by), copies.reduced(self.after, by)
            self.mask = None if self.mask is None else copies.reduced_mask(self.mask, by)
        seen = smear.find(picture.pixels) if restored.verdict.undone else None
        told = replace(request, undo=seen is not None, smear=None if seen is None else seen.reduced(by))
        self.shown = shown(self.before, model, told, control.checkpoint)  # what the network restored
        self.height, self.width = self.before.shape[:2]
        self.tile_px = restored.tile_px
        self.notes = list(restored.notes)
        if self.shown is not self.before:
            self.notes.append(
                "slots are those of the photo with its smear undone, as the network is shown it"
            )

    @property
    def memory(self) -> PrototypeMemory:
        memory = self.model.network.memory
        assert memory is not None
        return memory

    def run(self) -> Inspection:
        while True:
            try:
                return self._run()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or self.tile_px <= SMALLEST_TILE_PX:
                    raise
            self.tile_px = max(SMALLEST_TILE_PX, self.tile_px // 2 // STRIDE_PX * STRIDE_PX)
            self.notes.append(f"memory ran short while looking; went on with pieces of {self.tile_px} px")

    def _run(self) -> Inspection:
        slices = self.memory.row_slices()
        grid = -(-self.height // STRIDE_PX), -(-self.width // STRIDE_PX)
        maps = {}
        for group, rows in slices.items():
            shape = (min(TOP_SLOTS, rows.stop - rows.start), *grid)
            maps[group] = SlotMap(
                np.zeros(shape, np.uint16), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
            )
        before, after = np.zeros(grid, np.float32), np.zeros(grid, np.float32)
        total = np.zeros(slices[POLARITIES[-1], GRANULARITIES[-1]].stop, np.float64)
        tiles = tiling.plan(self.width, self.height, self.tile_px, STRIDE_PX, self.request.focus)
        mask = self.mask
        with torch.inference_mode():
            learned = self.memory.table()
            for index, tile in enumerate(tiles, 1):
                self.control.checkpoint()
                place = _grid_place(tile)
                address = self._address(self.shown, mask, tile)
                for group, found in _strongest(address, learned, slices).items():
                    maps[group].slots[:, *place] = found.slots
                    maps[group].weights[:, *place] = found.weights
                    maps[group].cosines[:, *place] = found.cosines
                total += address.weights.cpu().sum((0, 1), dtype=torch.float64).numpy()  # mps has no float64
                # told where the damage is, or shown a smear undone, a response would not say what there is
                if mask is not None or self.shown is not self.before:
                    address = self._address(self.before, None, tile)
                before[place] = _response(address)
                self._say(tile, index, 2 * len(tiles))
            for index, tile in enumerate(tiles, len(tiles) + 1):
                self.control.checkpoint()
                after[_grid_place(tile)] = _response(self._address(self.after, None, tile))
                self._say(tile, index, 2 * len(tiles))
        usage = (total / (grid[0] * grid[1])).astype(np.float32)
        config = self.model.network.config
        return Inspection(
            width=self.width,
            height=self.height,
            restored=self.restored,
            maps=maps,
            is_read={(p, g): p in config.polarities and g in config.granularities for p, g in slices},
            before=Response(before),
            after=Response(after),
            usage=usage,
            table=learned.cpu().numpy(),
            slices=slices,
            top=_top_slots(maps, usage, slices),
            seconds=self.progress.worked_s(),
            notes=tuple(self.notes),
            scale=self.restored.verdict.scale,
            pixels_before=self.before,
            pixels_after=self.after,
            heard=self.heard,
        )

    def _address(self, pixels: np.ndarray, mask: np.ndarray | None, tile: tiling.Tile) -> Address:
        """Where the cells a tile owns look in the memory."""
        network = self.model.network
        device = self.restored.device
        region = tiling.window(tile, self.width, self.height, network.config.halo_px, STRIDE_PX)
        guide = None if mask is None else to_tensor(tiling.cut(mask[..., None], region), device)
        x = to_tensor(tiling.cut(pixels, region), device)
        address = network.address(x, guide, between=self.control.checkpoint)
        left, top = (tile.x - region[0]) // STRIDE_PX, (tile.y - region[1]) // STRIDE_PX
        rows, columns = _cells(tile)
        owned = (..., slice(top, top + rows), slice(left, left + columns))
        weights = address.weights.transpose(1, 2).unflatten(2, address.query.shape[-2:])  # (1, R, h, w)
        return Address(
            query=address.query[owned],
            value=address.value[owned],
            weights=weights[owned].flatten(2).transpose(1, 2),
            polarity_logit=address.polarity_logit[owned],
        )

    def _say(self, tile: tiling.Tile, number: int, count: int) -> None:
        if self.after is not self.restored.pixels:  # a copy's tile is none of the photo's
            self.progress.looking_at_copy(self.restored.verdict.scale, number, count)
            return
        pixels = self.after[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
        self.progress.looking(tile, pixels.copy(), number, count)


def _cells(tile: tiling.Tile) -> tuple[int, int]:
    """Rows and columns of the memory's grid that a tile owns."""
    return -(-tile.height // STRIDE_PX), -(-tile.width // STRIDE_PX)


def _grid_place(tile: tiling.Tile) -> tuple[slice, slice]:
    row, column = tile.y // STRIDE_PX, tile.x // STRIDE_PX
    rows, columns = _cells(tile)
    return slice(row, row + rows), slice(column, column + columns)


def _strongest(
    address: Address, learned: Tensor, slices: Mapping[tuple[str, str], slice]
) -> dict[tuple[str, str], SlotMap]:
    """The strongest slots of each group; ``learned`` (R, D) is the table of all."""
    shape = address.query.shape[-2:]
    cosines = address.query[0].flatten(1).T @ learned.T  # (N, R)
    found = {}
    for group, rows in slices.items():
        top = address.weights[0, :, rows].topk(min(TOP_SLOTS, rows.stop - rows.start), dim=-1)
        alike = cosines[:, rows].gather(-1, top.indices)
        found[group] = SlotMap(*(_on_grid(values, shape) for values in (top.indices, top.values, alike)))
    return found


def _on_grid(values: Tensor, shape: tuple[int, ...]) -> np.ndarray:
    return values.T.reshape(-1, *shape).cpu().numpy()


def _response(address: Address) -> np.ndarray:
    return torch.sigmoid(address.polarity_logit)[0].float().cpu().numpy()


def _top_slots(
    maps: Mapping[tuple[str, str], SlotMap], usage: np.ndarray, slices: Mapping[tuple[str, str], slice]
) -> tuple[TopSlot, ...]:
    found = []
    for (polarity, granularity), rows in slices.items():
        here = usage[rows]
        order = np.argsort(-here, kind="stable")[: SHOWN_SLOTS[granularity]]
        shown = maps[polarity, granularity]
        for slot in order.tolist():
            if here[slot] > 0:
                found.append(
                    TopSlot(
                        polarity,
                        granularity,
                        slot,
                        rows.start + slot,
                        float(here[slot]),
                        float((shown.slots[0] == slot).mean()),
                        _places(shown.weight_of(slot), shown.cosine_of(slot)),
                    )
                )
    return tuple(found)


def _places(weight: np.ndarray, cosine: np.ndarray) -> tuple[Place, ...]:
    """The strongest cells, no two near each other; fewer where there are no more. Both arguments are (h, w).

    Where the weights are about equal (many are 1), those most like the slot come first.
    """
    left = np.where(weight > 0, weight + _TIE * cosine, -np.inf)
    found = []
    for _ in range(SHOWN_CELLS):
        row, column = (int(i) for i in np.unravel_index(int(left.argmax()), left.shape))
        if not np.isfinite(left[row, column]):
            break
        found.append(Place(column, row, float(weight[row, column])))
        reach = _APART_CELLS - 1
        left[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1] = -np.inf
    return tuple(found)
