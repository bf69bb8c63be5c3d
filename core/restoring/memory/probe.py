"""What a change of the memory does to pixels, answered fast: one photo, one region, many edits.

What comes before the memory is the same for every edit, so it is computed once for a region and kept; an edit then
costs little more than half of a restoration, and needs less of the surroundings.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core import tasks
from core.data import taught as taughts
from core.images.io import Picture
from core.jobs import JobControl
from core.model import catalog
from core.model.config import STRIDE_PX
from core.model.memory_edit import MemoryEdit
from core.model.tensors import choose_device, choose_precision, to_pixels
from core.restoring import shadow_light, tiling
from core.restoring.memory.inspection import check_memory
from core.restoring.passes import load_model, shown
from core.restoring.records import RestoreRequest
from core.restoring.views import (
    given_actual,
    network_input,
    summary_address,
    taught_on_grid,
)

LARGEST_PX = 250_000
"""Most pixels of a region: on two ordinary cores an edit of them answers within a second."""
AROUND_PX = 64
"""Edge of the square around a place in which the effect on that place is measured."""
_RELIT_PX = 1_200_000
"""Up to this size a photo that is told where a shadow lies gets the light beside it, which takes a pass over all of it."""
_SUMMARY_TILE_PX = 640
_RESULTS_KEPT = 4
_KEPT = 2  # regions whose features are held: up to 224 bytes a pixel at width 32


@dataclass(frozen=True, slots=True)
class Change:
    """How two restorations of a region differ, in levels of 255."""

    mean: float  # absolute, over all channels
    largest: float
    signed: tuple[float, float, float]  # mean of red, green and blue: above 0 brightens

    @property
    def is_measurable(self) -> bool:
        """Whether any pixel differs by at least a level."""
        return self.largest >= 1.0

    def as_dict(self) -> dict[str, Any]:
        return {
            "mean_levels": round(self.mean, 4),
            "largest_levels": round(self.largest, 3),
            "signed_levels": [round(value, 4) for value in self.signed],
        }


def change_between(before: np.ndarray, after: np.ndarray) -> Change:
    """Of two (H, W, 3) uint8 | uint16 of one size and depth."""
    scale = 255.0 / float(np.iinfo(before.dtype).max)
    apart = (after.astype(np.float32) - before.astype(np.float32)) * scale
    size = np.abs(apart)
    red, green, blue = (float(v) for v in apart.mean((0, 1), dtype=np.float64))
    return Change(float(size.mean(dtype=np.float64)), float(size.max()), (red, green, blue))


def around(x: float, y: float, width: int, height: int, edge_px: int = AROUND_PX) -> tiling.Region:
    """A region of about ``edge_px`` around a place of a photo, from the memory's grid on and within the photo."""
    columns, rows = min(edge_px, width), min(edge_px, height)
    x0 = min(max(0, round(x) - columns // 2), width - columns)
    y0 = min(max(0, round(y) - rows // 2), height - rows)
    left, top = x0 // STRIDE_PX * STRIDE_PX, y0 // STRIDE_PX * STRIDE_PX
    return left, top, x0 + columns - left, y0 + rows - top


def preview_region(
    visible: tiling.Region, width: int, height: int, at: tuple[int, int] | None = None
) -> tiling.Region:
    """What of the visible region answers first: all of it, or :data:`LARGEST_PX` of it around a place or its middle."""
    x, y, w, h = visible
    x, y = max(0, x), max(0, y)
    w, h = min(w, width - x), min(h, height - y)
    if w * h > LARGEST_PX:
        shrink = (LARGEST_PX / (w * h)) ** 0.5
        small_w, small_h = max(STRIDE_PX, int(w * shrink)), max(STRIDE_PX, int(h * shrink))
        middle_x, middle_y = at if at is not None else (x + w // 2, y + h // 2)
        x = min(max(x, middle_x - small_w // 2), x + w - small_w)
        y = min(max(y, middle_y - small_h // 2), y + h - small_h)
        w, h = small_w, small_h
    left, top = x // STRIDE_PX * STRIDE_PX, y // STRIDE_PX * STRIDE_PX
    return left, top, min(x + w - left, width - left), min(y + h - top, height - top)


class Probe:
    """Regions of one photo restored under edits of the memory. Not for two threads at once.

    Args:
        request: its mask, if any, is of the photo's size; ``guess`` says that one was looked for and none was found.
        actual: (R, D) float32, what the slots hold of this photo (:attr:`core.restoring.memory.record.MemoryLook.actual`); None
            for a model without an actual memory.

    Raises:
        RestoreError, CheckpointError, DeviceError: as :func:`core.restoring.restore.restore`.
    """

    def __init__(self, picture: Picture, request: RestoreRequest, actual: np.ndarray | None) -> None:
        path = request.model if request.model is not None else catalog.default_model(request.task)
        self.device = choose_device(request.device)
        self._model = load_model(path, self.device, choose_precision(request.precision, self.device))
        check_memory(self._model)
        self.height, self.width = picture.pixels.shape[:2]
        self._pixels = shown(picture.pixels, self._model, request, JobControl().checkpoint)
        own = self._summary(actual) if actual is not None and actual.size else None
        self._untaught = _Told(request.mask, None, own)
        self._guesses = request.guess
        self._relights = tasks.of(request.task).changes_light and self.height * self.width <= _RELIT_PX
        self._taught: tuple[np.ndarray, _Told] | None = None
        self._encoded: OrderedDict[tuple[tiling.Region, bool], _Encoded] = OrderedDict()
        self._results: OrderedDict[tuple[tiling.Region, MemoryEdit | None, bool], np.ndarray] = OrderedDict()

    def check(self, edit: MemoryEdit | None) -> None:
        """Raises MemoryEditError for an edit that the model cannot be read with."""
        if edit is not None:
            edit.table(self._model.network.config)

    def restore(
        self,
        region: tiling.Region,
        edit: MemoryEdit | None = None,
        *,
        actual: np.ndarray | None = None,
        mute_memory: bool = False,
        taught: np.ndarray | None = None,
        control: JobControl | None = None,
    ) -> np.ndarray:
        """A region x, y, w, h restored, (h, w, 3) in the photo's depth, read only: the same pixels as of the whole photo restored
        with this edit, within the rounding of the network's numbers.

        Args:
            region: within the photo; x and y are multiples of 8.
            actual: (R, D) to hold instead of the photo's own content.
            mute_memory: without the memory; an edit has no effect then.
            taught: uint8, of the size of the photo or of one that this is a reduced copy of, see
                :mod:`core.data.taught`; where it denies damage the caller puts the photo's own pixels back.

        Raises:
            ValueError: a region that is not within the photo or does not start on the grid.
            MemoryEditError, RestoreError, Cancelled.
        """
        x, y, w, h = region
        inside = x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= self.width and y + h <= self.height
        if not inside or x % STRIDE_PX or y % STRIDE_PX:
            raise ValueError(
                f"region {region}: need one of {self.width}x{self.height} px on a grid of {STRIDE_PX}"
            )
        key = region, edit, mute_memory
        if (
            actual is None and taught is None and key in self._results
        ):  # what a change is compared with is asked for at every change
            self._results.move_to_end(key)
            return self._results[key]
        between = (control or JobControl()).checkpoint
        told = self._untaught if taught is None else self._with_taught(taught, between)
        mask = told.mask if self._relights else None
        whole = 0, 0, self.width, self.height
        if mask is not None and region != whole:  # the light beside a shadow is measured on all of the photo
            lit = self.restore(
                whole, edit, actual=actual, mute_memory=mute_memory, taught=taught, control=control
            )
            return lit[y : y + h, x : x + w]
        network = self._model.network
        rows = edit.rows(network.config) if edit is not None and edit.changes(network.config) else None
        with torch.inference_mode():
            held = self._encode(region, told, between)
            restored = network.decode(
                held.image,
                held.features,
                told.own if actual is None else self._summary(actual),
                rows,
                mute_memory=mute_memory,
                taught=taught_on_grid(told.taught, held.window, self.device, told.mask is not None),
                between=between,
            )
            found = to_pixels(restored[..., held.rows, held.columns], self._pixels.dtype)
        if mask is not None:
            found = shadow_light.relit(self._pixels, mask, found)
        if actual is None and taught is None:
            self._results[key] = found
            while len(self._results) > _RESULTS_KEPT:
                self._results.popitem(last=False)
        return found

    def _summary(self, actual: np.ndarray) -> Tensor:
        return given_actual(actual, self._model, self.device)

    def _with_taught(self, taught: np.ndarray, between: Callable[[], None]) -> _Told:
        """What the network is told with what is taught; asked for again and again."""
        if self._taught is None or self._taught[0] is not taught:
            small = taughts.reduced(taught, self.width, self.height)
            mask = self._amended(small)
            for key in [key for key in self._encoded if key[-1]]:
                del self._encoded[key]  # of what was taught before
            own = None if self._untaught.own is None else self._content(mask, small, between)
            self._taught = taught, _Told(mask, small, own)
        return self._taught[1]

    def _amended(self, label: np.ndarray) -> np.ndarray | None:
        """What is known of a shadow's place, with what is taught of it."""
        mask = self._untaught.mask
        if mask is None and self._guesses:  # none was found: what is asserted is all there is
            mask = np.zeros((self.height, self.width), np.uint8)
        if mask is None:
            return None
        mask = taughts.amended(mask, label)
        return mask if mask.any() else None

    def _content(self, mask: np.ndarray | None, taught: np.ndarray, between: Callable[[], None]) -> Tensor:
        network = self._model.network
        assert network.memory is not None
        with torch.inference_mode():
            address, guide = summary_address(
                network, self._pixels, mask, _SUMMARY_TILE_PX, self.device, between, taught
            )
            return network.memory.summarise(address, guide)

    def _encode(self, region: tiling.Region, told: _Told, between: Callable[[], None]) -> _Encoded:
        is_amended = told.mask is not self._untaught.mask
        key = region, is_amended
        if key in self._encoded:
            self._encoded.move_to_end(key)
            return self._encoded[key]
        network = self._model.network
        tile = tiling.Tile(*region)
        outer = tiling.window(tile, self.width, self.height, network.config.halo_px, STRIDE_PX)
        inner = tiling.window(tile, self.width, self.height, network.config.decode_halo_px, STRIDE_PX)
        image, guide = network_input(self._pixels, told.mask, outer, self.device)
        features = network.encode(image, guide, between)
        left, top = inner[0] - outer[0], inner[1] - outer[1]

        def cut(values: Tensor, scale: int) -> Tensor:
            rows = slice(top // scale, (top + inner[3]) // scale)
            columns = slice(left // scale, (left + inner[2]) // scale)
            # a copy, so that what lies around it is let go
            return values[..., rows, columns].clone(memory_format=torch.channels_last)

        full, half, quarter = features
        own_rows, own_columns = tiling.owned(tile, inner)
        held = _Encoded(
            cut(image, 1), (cut(full, 1), cut(half, 2), cut(quarter, 4)), own_rows, own_columns, inner
        )
        self._encoded[key] = held
        while len(self._encoded) > _KEPT:
            self._encoded.popitem(last=False)
        return held


@dataclass(frozen=True, slots=True)
class _Told:
    """What the network knows of the photo beside its pixels."""

    mask: np.ndarray | None  # (H, W) uint8, where the damage is
    taught: np.ndarray | None  # (H, W) uint8, see core.data.taught
    own: Tensor | None  # (1, R, D), what its slots hold of the photo


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A region and what of its surroundings decoding looks at."""

    image: Tensor  # (1, 3, H, W) float32
    features: tuple[Tensor, Tensor, Tensor]
    rows: slice  # of the region within it
    columns: slice
    window: tiling.Region  # of the photo, what is decoded
