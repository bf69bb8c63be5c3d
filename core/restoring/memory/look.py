"""The memory looked at over a photo: one pass, tile by tile, of which a :class:`MemoryLook` is kept.

Questions about places and slots are answered by that record (:mod:`core.restoring.memory.record`) without a new pass; what a
change of the memory does to pixels takes the network: :mod:`core.restoring.memory.probe`.

In a notebook::

    from core.images import io as image_io
    from core.restoring.memory.look import look
    from core.restoring.records import RestoreRequest
    seen = look(image_io.read("street.jpg"), RestoreRequest(task="derain"))
    place = seen.place(1200, 800)  # all slot weights there, strongest first in place.slots
    seen.sources(place)  # where in the photo its content was collected
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core import tasks
from core.events import LookProgress
from core.images.io import Picture
from core.jobs import Emit, JobControl, ignore
from core.model import catalog
from core.model.checkpoint import LoadedModel
from core.model.config import STRIDE_PX
from core.model.memory import Address, PrototypeMemory
from core.model.tensors import choose_device, choose_precision
from core.restoring import copies, restore, scaled, scales, smear, tiling
from core.restoring.memory.inspection import Response, check_memory
from core.restoring.memory.record import Held, MemoryLook
from core.restoring.passes import (
    Network,
    is_out_of_memory,
    load_model,
    shown,
    tile_for,
)
from core.restoring.records import SMALLEST_TILE_PX, RestoreError, RestoreRequest
from core.restoring.views import Gathered, is_reduced, network_input, reduced_size, summary_address


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


def guided(picture: Picture, request: RestoreRequest, control: JobControl | None = None) -> RestoreRequest:
    """The request with what restoring finds out of where the damage is: where a mask is to be guessed, that. Where no shadow
    is found there is none, and ``guess`` stays.

    Raises what :func:`core.restoring.restore.restore` raises.
    """
    if not request.guess or request.mask is not None:
        return request
    found = restore.guess(picture, request, ignore, control or JobControl())
    return request if found is None else replace(request, mask=found.mask, guess=False)


def in_copy(picture: Picture, request: RestoreRequest, by: int) -> tuple[Picture, RestoreRequest]:
    """A copy of the photo whose pixels are the mean of ``by`` x ``by``, and the request with its mask for it."""
    mask = None if request.mask is None else copies.reduced_mask(request.mask, by)
    if (
        request.undo and tasks.of(request.task).smears
    ):  # as restoring does: what the photo itself tells is undone in a copy
        seen = smear.agreed(picture.pixels)
        request = replace(request, undo=seen is not None, smear=None if seen is None else seen.reduced(by))
    return copies.reduced_picture(picture, by), replace(request, mask=mask)


def scale_for(picture: Picture, request: RestoreRequest, control: JobControl) -> int:
    """At which reduction of a photo its damage is seen best, as restoring finds it: 1, 2, 4, ...

    Raises RestoreError: the network has no memory; else as restoring does.
    """
    height, width = picture.pixels.shape[:2]
    # a shadow that was looked for in vain was looked for there, too
    if (request.mask is not None or request.guess) and tasks.of(request.task).changes_light:
        return scales.learned(width, height)
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
        pixels = shown(picture.pixels, model, request, control.checkpoint)
        address, guide = summary_address(
            model.network, pixels, request.mask, tile_px, device, control.checkpoint
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
        self.shown = shown(picture.pixels, model, request, control.checkpoint)  # what the network restores
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
        # told where the damage is, or shown a smear undone, a response would not say what there is
        is_other = self.mask is not None or self.shown is not self.pixels
        unguided = np.empty_like(query) if is_other else query
        before = np.empty(grid, np.float32)
        after = None if self.restored is None else np.empty(grid, np.float32)
        with torch.inference_mode():
            table = memory.table()
            sharpness = float(memory.sharpness)
            total = torch.zeros(len(table), dtype=torch.float32)
            passes = 1 if self.restored is None else 2
            count = passes * len(self.tiles)
            # a large photo's own content comes from a smaller copy, any other's from these very tiles
            at_once = memory.actual and not is_reduced(self.width, self.height)
            gathered = Gathered(self.width, self.height) if at_once else None
            for index, tile in enumerate(self.tiles, 1):
                self.control.checkpoint()
                place, address = self._owned(self.shown, self.mask, tile, gathered)
                query[place] = address.query[0].permute(1, 2, 0).float().cpu().numpy()
                scores = (sharpness * (address.query[0].flatten(1).float().T @ table.T)).cpu()
                weights = address.weights[0].float().cpu()
                for number, rows in enumerate(slices.values()):
                    threshold[(number, *place)] = _thresholds(
                        scores[:, rows], weights[:, rows], before[place].shape
                    )
                total += weights.sum(0)
                if is_other:
                    address = self._owned(self.pixels, None, tile)[1]
                    unguided[place] = address.query[0].permute(1, 2, 0).float().cpu().numpy()
                before[place] = torch.sigmoid(address.polarity_logit)[0].float().cpu().numpy()
                self.emit(LookProgress(index, count))
            for index, tile in enumerate(self.tiles if after is not None else (), len(self.tiles) + 1):
                assert self.restored is not None and after is not None
                self.control.checkpoint()
                place, address = self._owned(self.restored, None, tile)
                after[place] = torch.sigmoid(address.polarity_logit)[0].float().cpu().numpy()
                self.emit(LookProgress(index, count))
            actual, claims, copy_size = self._own_content(gathered)
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
            unguided=unguided,
            threshold=threshold,
            before=Response(before),
            after=None if after is None else Response(after),
            usage=(total / (grid[0] * grid[1])).numpy(),
            held=held,
            actual=np.zeros((0, 0), np.float32) if actual is None else actual[0].float().cpu().numpy(),
            claims=claims,
            copy_size=copy_size,
            undone=self.shown is not self.pixels,
        )

    def _owned(
        self,
        pixels: np.ndarray,
        mask: np.ndarray | None,
        tile: tiling.Tile,
        gathered: Gathered | None = None,
    ) -> tuple[tuple[slice, slice], Address]:
        """The cells a tile owns on the grid, and where they look, which is added to ``gathered``."""
        network = self.model.network
        region = tiling.window(tile, self.width, self.height, network.config.halo_px, STRIDE_PX)
        x, guide = network_input(pixels, mask, region, self.device)
        address = network.address(x, guide, between=self.control.checkpoint)
        if gathered is not None:
            gathered.add(tile, region, address, guide)
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

    def _own_content(self, gathered: Gathered | None) -> tuple[Tensor | None, np.ndarray, tuple[int, int]]:
        """The photo's content (1, R, D), who gave it (R, n, m), and the size of the copy it was collected from."""
        memory = self.memory
        if not memory.actual:
            return None, np.zeros((0, 0, 0), np.float32), (self.width, self.height)
        if gathered is not None:
            address, guide = gathered.address()
        else:
            address, guide = summary_address(
                self.model.network,
                self.shown,
                self.mask,
                self.tile_px,
                self.device,
                self.control.checkpoint,
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
            made_of={group: shares.cpu().numpy() for group, shares in memory.made_of().items()},
        )


def _thresholds(scores: Tensor, weights: Tensor, shape: tuple[int, ...]) -> np.ndarray:
    """Sparsemax subtracts one number from all scores (N, M) of a place and cuts off below 0: that number, on the grid."""
    best = weights.argmax(1, keepdim=True)
    found = scores.gather(1, best) - weights.gather(1, best)
    return found.reshape(shape).numpy()
