"""What the network is shown of a photo: windows of it, with its mask and what is taught.

And what its actual memory is collected from: the photo itself, or a reduced copy of a large one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from core.cv import cv2
from core.data import taught as taughts
from core.model import checkpoint
from core.model.config import STRIDE_PX
from core.model.memory import Address, overruled
from core.model.network import MemoryNet
from core.model.tensors import to_tensor
from core.restoring import scales, tiling
from core.restoring.records import RestoreError

# Photos and copies with a longer edge give their actual memory from a reduced copy. It has to show the damage at the size it
# is restored at: from a copy of 448 px, passes over 1,000 px and more took thin rain for the photo's own and left it all.
SUMMARY_WHOLE_PX = SUMMARY_PX = scales.SEEN_WHOLE_PX


def given_actual(actual: np.ndarray, model: checkpoint.LoadedModel, device: str) -> torch.Tensor:
    """(1, R, D) of :attr:`RestoreRequest.actual`. Raises RestoreError when the model has no room for it."""
    memory = model.network.memory
    if memory is None or not memory.actual:
        raise RestoreError(
            f"model {model.name} has no memory of the photo at hand that another could stand in for"
        )
    need = (2 * sum(memory.slots), model.network.config.memory_dim)
    if actual.shape != need or not np.isfinite(actual).all():
        raise RestoreError(
            f"content of another photo {actual.shape}: model {model.name} needs {need}, made by the same model"
        )
    return torch.from_numpy(np.ascontiguousarray(actual, np.float32)).to(device).unsqueeze(0)


def network_input(
    pixels: np.ndarray, mask: np.ndarray | None, region: tiling.Region, device: str
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What the network sees of a region of a picture and, where there is one, of its mask."""
    x = to_tensor(tiling.cut(pixels, region), device)
    if mask is None:
        return x, None
    return x, to_tensor(tiling.cut(mask[..., None], region), device)


class Gathered:
    """Where the places of a picture look, put together from its tiles.

    In the picture's own order, not tile by tile: sums in another order round otherwise, and in bf16 the network makes whole
    levels of that.
    """

    def __init__(self, width: int, height: int) -> None:
        self._grid = -(-height // STRIDE_PX), -(-width // STRIDE_PX)
        self._canvas: dict[str, torch.Tensor] = {}

    def add(
        self, tile: tiling.Tile, region: tiling.Region, address: Address, guide: torch.Tensor | None
    ) -> None:
        """What a tile owns of the ``address`` of ``region`` around it; ``guide`` (1, 1, h, w) is the mask there."""
        found = {
            "query": address.query,
            "value": address.value,
            "weights": address.weights.transpose(1, 2).unflatten(2, address.query.shape[-2:]),  # (1, R, h, w)
            "logit": address.polarity_logit.unsqueeze(1),
        }
        if guide is not None:
            found["guide"] = functional.avg_pool2d(guide, STRIDE_PX)
        for name, values in found.items():
            if name not in self._canvas:
                self._canvas[name] = values.new_empty((1, values.shape[1], *self._grid))
            _put(self._canvas[name], values, tile, region)

    def address(self) -> tuple[Address, torch.Tensor | None]:
        """Of the whole picture, and what its mask says of each place, once every tile is there."""
        canvas = self._canvas
        address = Address(
            query=canvas["query"],
            value=canvas["value"],
            weights=canvas["weights"].flatten(2).transpose(1, 2).contiguous(),
            polarity_logit=canvas["logit"][:, 0],
        )
        return address, canvas.get("guide")


def summary_address(
    network: MemoryNet,
    pixels: np.ndarray,
    mask: np.ndarray | None,
    tile_px: int,
    device: str,
    between: Callable[[], None],
    taught: np.ndarray | None = None,
) -> tuple[Address, torch.Tensor | None]:
    """Where the places of a photo (H, W, 3) look that its actual memory is collected from, and what its mask (H, W)
    says of them: both as :meth:`core.model.memory.PrototypeMemory.summarise` takes them, on the grid of :func:`reduced_copy`.
    """
    pixels = reduced_copy(pixels)
    mask = None if mask is None else reduced_mask(mask)
    height, width = pixels.shape[:2]
    gathered = Gathered(width, height)
    for tile in tiling.plan(width, height, tile_px, STRIDE_PX):
        region = tiling.window(tile, width, height, network.config.halo_px, STRIDE_PX)
        x, guide = network_input(pixels, mask, region, device)
        gathered.add(tile, region, network.address(x, guide, between=between), guide)
    address, guide = gathered.address()
    if taught is not None:
        taught = taughts.reduced(taught, width, height)
        grid = address.query.shape[-2:]
        whole = 0, 0, grid[1] * STRIDE_PX, grid[0] * STRIDE_PX
        label = taught_on_grid(taught, whole, device, guide is not None)
        assert label is not None
        address = overruled(address, label)
    return address, guide


def taught_on_grid(
    taught: np.ndarray | None,
    region: tiling.Region,
    device: str | torch.device,
    is_guided: bool = False,
) -> torch.Tensor | None:
    """(1, 1, h, w) in -1..1 on the memory's grid of a region, as :func:`core.model.memory.overruled` takes it.

    Where a mask guides the network it holds what is asserted already.
    """
    if taught is None:
        return None
    cells = region[3] // STRIDE_PX, region[2] // STRIDE_PX
    label = taughts.signed(taughts.on_grid(tiling.cut(taught[..., None], region)[..., 0], *cells, STRIDE_PX))
    if is_guided:
        label = np.minimum(label, 0)
    return torch.from_numpy(label)[None, None].to(device)


def is_reduced(width: int, height: int) -> bool:
    """Whether the actual memory of a photo of this size is made from a smaller copy of it."""
    return max(width, height) > SUMMARY_WHOLE_PX


def reduced_copy(pixels: np.ndarray) -> np.ndarray:
    """What the actual memory is made from: the photo (H, W, 3) itself, or a copy of longer edge SUMMARY_PX."""
    height, width = pixels.shape[:2]
    if not is_reduced(width, height):
        return pixels
    return cv2.resize(pixels, reduced_size(width, height), interpolation=cv2.INTER_AREA)


def reduced_mask(mask: np.ndarray) -> np.ndarray:
    """What the actual memory is split by: the mask (H, W) itself, or a copy as small as the picture's."""
    height, width = mask.shape
    if not is_reduced(width, height):
        return mask
    # 16 bit: a spot that is all the damage there is must not round to a mask that says nothing
    return cv2.resize(mask.astype(np.uint16) * 257, reduced_size(width, height), interpolation=cv2.INTER_AREA)


def reduced_size(width: int, height: int) -> tuple[int, int]:
    """Of the copy of a photo that :func:`is_reduced`."""
    scale = SUMMARY_PX / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _put(canvas: torch.Tensor, grid: torch.Tensor, tile: tiling.Tile, region: tiling.Region) -> None:
    """Positions of a window on the memory's grid (..., h, w): those that the tile owns into their place."""
    rows, columns = -(-tile.height // STRIDE_PX), -(-tile.width // STRIDE_PX)
    left, top = tile.x // STRIDE_PX, tile.y // STRIDE_PX
    inner_left, inner_top = left - region[0] // STRIDE_PX, top - region[1] // STRIDE_PX
    canvas[..., top : top + rows, left : left + columns] = grid[
        ..., inner_top : inner_top + rows, inner_left : inner_left + columns
    ]
