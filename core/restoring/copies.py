"""Reduced copies of a photo, and the way back from what was changed in them to the photo's own pixels.

Reductions are whole numbers, so that copy and enlargement can be made in strips that equal the whole. No torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from core.cv import cv2
from core.images.io import Picture
from core.restoring import tiling

_STRIP_PX = 500_000  # of the photo, worked on at a time: what fits a processor's cache goes twice as fast
_MARGIN = 2  # pixels of the copy around a region, for the bicubic kernel
_LIGHT_RADIUS_PX = 2  # of the copy
_LIGHT_EPS = 0.01  # of a squared logarithm
_STREAK_RADIUS_PX = 1  # of the copy
_STREAK_EPS = 16.0  # of squared luminance in levels of 255: what varies less is grain
_DARKEST = 1 / 64  # of full scale; below, a gain says nothing


def reduced(pixels: np.ndarray, by: int, region: tiling.Region | None = None) -> np.ndarray:
    """The mean of ``by`` x ``by`` pixels each of a photo (H, W, 3) uint8 | uint16, as (h, w, 3) uint16.

    16 bits whatever the photo has, so that the correction is not rounded before it is enlarged. ``region`` (x, y,
    width, height) in pixels of the copy; the last row and column repeat where the photo ends within a mean.
    """
    height, width = pixels.shape[:2]
    rows, columns = -(-height // by), -(-width // by)
    x, y, w, h = region or (0, 0, columns, rows)
    out = np.empty((h, w, 3), np.uint16)
    top = 257.0 if pixels.dtype == np.uint8 else 1.0
    strip = max(1, _STRIP_PX // max(1, w * by * by))
    for row in range(0, h, strip):
        count = min(strip, h - row)
        part = tiling.cut(pixels, (x * by, (y + row) * by, w * by, count * by)).astype(np.float32)
        means = cv2.resize(part, (w, count), interpolation=cv2.INTER_AREA) if by > 1 else part
        out[row : row + count] = np.rint(means.reshape(count, w, 3) * top)
    return out


def reduced_picture(picture: Picture, by: int) -> Picture:
    """The photo itself, or a copy of it with fewer pixels and all else."""
    return picture if by == 1 else replace(picture, pixels=reduced(picture.pixels, by))


def reduced_mask(mask: np.ndarray, by: int) -> np.ndarray:
    """As :func:`reduced`, for a mask (H, W) uint8 -> (h, w) uint8; what is touched at all stays above 0."""
    if by == 1:
        return mask
    height, width = mask.shape
    rows, columns = -(-height // by), -(-width // by)
    out = np.empty((rows, columns), np.uint8)
    strip = max(1, _STRIP_PX // max(1, columns * by * by))
    for row in range(0, rows, strip):
        count = min(strip, rows - row)
        part = tiling.cut(mask[..., None], (0, row * by, columns * by, count * by)).astype(np.float32)
        means = cv2.resize(part, (columns, count), interpolation=cv2.INTER_AREA)
        out[row : row + count] = np.ceil(np.round(means, 3)).reshape(count, columns)
    return out


class Correction:
    """What restoring a copy changed, ready to be carried up to the photo it was made of.

    Args:
        before, after: the copy and its restoration, (h, w, 3) uint16.
        by: the copy's divisor.
        kind: ``"plain"``: the change is enlarged and added. ``"light"``: it is one of light (a shadow's): smooth but for the photo's own edges, and a factor. It is
            fitted, channel by channel, to the copy's logarithm place by place (a guided filter, He et al. 2013) and applied by
            that of the photo (in a penumbra over plain ground one is a straight line over the other), so that the light ends where the photo's edge is and not where a pixel of the copy ended.
            ``"streaks"``: what was taken away is brighter than what it hides and has edges sharper than a copy shows. So what
            of the photo's luminance the copy does not resolve goes as far as what it resolves went: by the slope of the change by
            luminance, place by place, between none and all of it. Where nothing was changed the slope is 0: grain stays.
    """

    def __init__(self, before: np.ndarray, after: np.ndarray, by: int, kind: str = "plain") -> None:
        self._by, self._kind = by, kind
        if kind == "light":
            maps = _light_maps(before, after)
        elif kind == "streaks":
            maps = _streak_maps(before, after)
        else:
            maps = _change(before, after)
        # channel by channel, here and below: four times as fast as in threes
        self._maps = [np.ascontiguousarray(maps[..., channel]) for channel in range(maps.shape[2])]

    def put(self, photo: np.ndarray, region: tiling.Region) -> np.ndarray:
        """The photo's pixels of a region (x, y, width, height in its own pixels), corrected, in its depth."""
        x, y, width, height = region
        rows = max(1, _STRIP_PX // 2 // width)
        if height > rows:
            parts = ((x, y + at, width, min(rows, height - at)) for at in range(0, height, rows))
            return np.concatenate([self.put(photo, part) for part in parts])
        pixels = photo[y : y + height, x : x + width]
        depth = cv2.CV_8U if photo.dtype == np.uint8 else cv2.CV_16U
        rgb = [
            np.ascontiguousarray(pixels[..., channel]).astype(np.float32)
            for channel in range(pixels.shape[2])
        ]
        maps = self._enlarged(region)
        if self._kind == "light":
            top = np.float32(np.iinfo(photo.dtype).max)
            changes = [
                values * (np.exp(slope * np.log(values / top + _DARKEST) + rest) - 1)
                for values, slope, rest in zip(rgb, maps[:3], maps[3:], strict=True)
            ]
        else:
            level = np.float32(np.iinfo(photo.dtype).max / 255)  # of the photo's depth to one of 255
            changes = [level * change for change in maps[:3]]
            if self._kind == "streaks":
                unresolved = _grey(rgb) - level * maps[6]
                changes = [
                    change + slope * unresolved for change, slope in zip(changes, maps[3:6], strict=True)
                ]
        # rounds to nearest and keeps within the depth
        out = [cv2.add(values, change, dtype=depth) for values, change in zip(rgb, changes, strict=True)]
        return np.asarray(cv2.merge(out)).reshape(pixels.shape)

    def put_all(self, photo: np.ndarray) -> np.ndarray:
        """The whole photo corrected; made in strips, so that it takes little more memory than it returns."""
        out = np.empty_like(photo)
        for region in strips(photo):
            x, y, width, height = region
            out[y : y + height, x : x + width] = self.put(photo, region)
        return out

    def _enlarged(self, region: tiling.Region) -> list[np.ndarray]:
        """The maps over a region of the photo, each (height, width) float32, as cut out of the whole enlarged."""
        x, y, width, height = region
        by = self._by
        rows, columns = self._maps[0].shape
        left, top = max(0, x // by - _MARGIN), max(0, y // by - _MARGIN)
        right = min(columns, -(-(x + width) // by) + _MARGIN)
        bottom = min(rows, -(-(y + height) // by) + _MARGIN)
        size = (right - left) * by, (bottom - top) * by
        inner = (
            slice(y - top * by, y - top * by + height),
            slice(x - left * by, x - left * by + width),
        )
        parts = (values[top:bottom, left:right] for values in self._maps)
        if by == 1:
            return [part[inner] for part in parts]
        return [cv2.resize(part, size, interpolation=cv2.INTER_CUBIC)[inner] for part in parts]


def strips(photo: np.ndarray) -> Iterator[tiling.Region]:
    """Regions of the photo's full width that partition it, each of a bounded number of pixels."""
    height, width = photo.shape[:2]
    step = max(1, _STRIP_PX // max(1, width))
    for y in range(0, height, step):
        yield 0, y, width, min(step, height - y)


def _grey(rgb: list[np.ndarray]) -> np.ndarray:
    """(H, W) float32, the luminance of three channels, as it is stored."""
    red, green, blue = rgb
    return np.asarray(cv2.scaleAdd(blue, 0.114, cv2.addWeighted(red, 0.299, green, 0.587, 0)))


def _luminance(rgb: np.ndarray) -> np.ndarray:
    """(H, W) of (H, W, 3), as it is stored."""
    return np.asarray(rgb @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def _change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(h, w, 3) float32, in levels of 255."""
    return (after.astype(np.float32) - before) / 257


def _streak_maps(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(h, w, 7) float32: the change of each channel in levels of 255, its slope by luminance in -1..0, the luminance."""
    change = _change(before, after)
    guide = _luminance(before.astype(np.float32)) / 257
    slopes, _offsets = _fitted(change, guide[..., None], _STREAK_RADIUS_PX, _STREAK_EPS, (-1.0, 0.0))
    return np.concatenate((change, slopes, guide[..., None]), 2)


def _light_maps(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(h, w, 6) float32: slope and offset of each channel's log gain by its own logarithm, 0 at full scale."""
    dark = _DARKEST * 65535
    log = np.log(before.astype(np.float32) + dark) - np.float32(np.log(65535))
    gain = np.log(after.astype(np.float32) + dark) - np.float32(np.log(65535)) - log  # (h, w, 3)
    slopes, offsets = _fitted(gain, log, _LIGHT_RADIUS_PX, _LIGHT_EPS, (-1.0, 0.0))
    return np.concatenate((slopes, offsets), 2)


def _fitted(
    values: np.ndarray,
    guide: np.ndarray,
    radius_px: int,
    eps: float,
    slopes_within: tuple[float, float] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Slope and offset of (h, w, 3) ``values`` by ``guide``, (h, w, 1) or one for each channel, around each place, as a guided
    filter fits them."""
    size = (2 * radius_px + 1,) * 2

    def mean(of: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.blur(of, size, borderType=cv2.BORDER_REFLECT_101), np.float32).reshape(of.shape)

    centre = mean(guide)
    spread = mean(guide * guide) - centre * centre
    middle = mean(values)
    slope = (mean(values * guide) - centre * middle) / (spread + eps)
    if slopes_within is not None:
        slope = np.clip(slope, *slopes_within)
    return mean(slope), mean(middle - slope * centre)
