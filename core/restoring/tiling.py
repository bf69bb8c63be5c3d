"""Cutting a picture into tiles whose owned interiors partition it, each computed with a halo around it.

A tile's *owned* rectangle is what it contributes; its *window* is what the network sees: the owned rectangle
and a halo as wide as the network's field, cut off only where the (padded) picture ends. Owned corners and
windows start at multiples of the network's stride, so that every tile sees the same grid as the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Region = tuple[int, int, int, int]
"""x, y, width, height in pixels"""


@dataclass(frozen=True, slots=True)
class Tile:
    """Owned rectangle ``x, y, width, height`` in picture pixels."""

    x: int
    y: int
    width: int
    height: int


def plan(width: int, height: int, tile_px: int, stride_px: int, focus: Region | None = None) -> list[Tile]:
    """Tiles of at most ``tile_px`` owned edge, those nearest ``focus`` first (else reading order).

    ``tile_px`` is rounded up to a multiple of ``stride_px``. Raises ValueError for sizes below 1.
    """
    if width < 1 or height < 1 or tile_px < 1:
        raise ValueError(f"picture {width}x{height} px, tile {tile_px} px: need at least 1")
    edge = -(-tile_px // stride_px) * stride_px
    tiles = [
        Tile(x, y, min(edge, width - x), min(edge, height - y))
        for y in range(0, height, edge)
        for x in range(0, width, edge)
    ]
    if focus is not None:
        tiles.sort(key=lambda tile: (not overlap(tile, focus), _distance2(tile, focus)))
    return tiles


def split(tile: Tile, tile_px: int, stride_px: int) -> list[Tile]:
    """The same rectangle in smaller tiles."""
    parts = plan(tile.width, tile.height, tile_px, stride_px)
    return [Tile(tile.x + part.x, tile.y + part.y, part.width, part.height) for part in parts]


def window(tile: Tile, width: int, height: int, halo_px: int, stride_px: int) -> Region:
    """What the network sees for ``tile``: x, y, width, height within the padded picture.

    The padded picture ends at the next multiple of the stride, so a window's right or bottom edge may lie
    beyond the picture by less than a stride; :func:`cut` fills that. A tile that does not start at a multiple of the
    stride gets a window that does.
    """
    right_end = -(-width // stride_px) * stride_px
    bottom_end = -(-height // stride_px) * stride_px
    halo = -(-halo_px // stride_px) * stride_px
    left, top = (max(0, at // stride_px * stride_px - halo) for at in (tile.x, tile.y))
    right = min(right_end, -(-(tile.x + tile.width) // stride_px) * stride_px + halo)
    bottom = min(bottom_end, -(-(tile.y + tile.height) // stride_px) * stride_px + halo)
    return left, top, right - left, bottom - top


def cut(pixels: np.ndarray, region: Region) -> np.ndarray:
    """Pixels (H, W, C) of a window; beyond the right and bottom edge the last row and column repeat."""
    x, y, width, height = region
    inside = pixels[y : y + height, x : x + width]
    down, right = height - inside.shape[0], width - inside.shape[1]
    if down or right:
        inside = np.pad(inside, ((0, down), (0, right), (0, 0)), mode="edge")
    return inside


def owned(tile: Tile, region: Region) -> tuple[slice, slice]:
    """Rows and columns of the tile's owned rectangle within its window."""
    top, left = tile.y - region[1], tile.x - region[0]
    return slice(top, top + tile.height), slice(left, left + tile.width)


def overlap(tile: Tile, focus: Region) -> bool:
    """Whether any of a tile lies in a region."""
    x, y, width, height = focus
    return tile.x < x + width and x < tile.x + tile.width and tile.y < y + height and y < tile.y + tile.height


def _distance2(tile: Tile, focus: Region) -> float:
    dx = tile.x + tile.width / 2 - (focus[0] + focus[2] / 2)
    dy = tile.y + tile.height / 2 - (focus[1] + focus[3] / 2)
    return dx * dx + dy * dy
