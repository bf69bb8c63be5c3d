"""Where the photo lies in its pane: the arithmetic of zoom, pan and fit, without Qt.

Three kinds of coordinates: *image* pixels (origin at the photo's top left corner, pixel ``i`` spans
``[i, i + 1)``), *view* pixels (device pixels of one pane) and *canvas* pixels (device pixels counted from the
photo's top left corner, always whole on screen: the photo is placed at :attr:`ViewTransform.origin`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

MAX_ZOOM = 32.0
FIT_ENLARGES_TO = 4.0
"""Fit enlarges a small photo to at most this many device pixels per image pixel."""
NEAREST_FROM = 2.0
"""From this zoom on single pixels are shown as squares; below, the photo is interpolated."""
_SAME = 1e-9
_STACK_GAIN = (
    1.5  # how much larger photos must get before they are stacked: side by side is what was asked for
)
_PARTIAL = 1e-3  # a device pixel covered less than this is not drawn


@dataclass(frozen=True, slots=True)
class ViewTransform:
    """A photo of ``image_w`` x ``image_h`` pixels seen through a pane of ``view_w`` x ``view_h`` device pixels.

    ``zoom`` is device pixels per image pixel (1.0 is 100 %); ``(centre_x, centre_y)`` is the image point in
    the middle of the pane; ``margin`` is what fit leaves free on every side, in device pixels.
    Immutable: every change returns a new transform.
    """

    image_w: int
    image_h: int
    view_w: float
    view_h: float
    zoom: float
    centre_x: float
    centre_y: float
    margin: float = 0.0

    @classmethod
    def fitted(
        cls, image_w: int, image_h: int, view_w: float, view_h: float, margin: float = 0.0
    ) -> ViewTransform:
        """The whole photo, centred. Raises ``ValueError`` for an empty photo."""
        if image_w < 1 or image_h < 1:
            raise ValueError(f"photo of {image_w}x{image_h} px, need at least 1x1")
        start = cls(
            image_w, image_h, max(1.0, view_w), max(1.0, view_h), 1.0, image_w / 2, image_h / 2, margin
        )
        return replace(start, zoom=start.fit_zoom)

    # --- sizes ---------------------------------------------------------------------------------

    @property
    def fit_zoom(self) -> float:
        """The zoom at which the whole photo shows: any reduction, or an enlargement of at most 400 %.

        From 200 % on pixels are drawn as squares, so the enlargement is whole and they stay equal in size.
        """
        free_w = self.view_w - 2 * min(self.margin, self.view_w / 8)
        free_h = self.view_h - 2 * min(self.margin, self.view_h / 8)
        zoom = min(free_w / self.image_w, free_h / self.image_h, FIT_ENLARGES_TO)
        return float(math.floor(zoom)) if zoom >= NEAREST_FROM else zoom

    @property
    def min_zoom(self) -> float:
        """Zooming out ends where the whole photo shows, or at 100 % for a photo smaller than the pane."""
        return min(self.fit_zoom, 1.0)

    @property
    def canvas_size(self) -> tuple[int, int]:
        """Width and height of the whole zoomed photo in device pixels, at least 1 each."""
        w, h = self.image_w * self.zoom, self.image_h * self.zoom
        return max(1, math.ceil(w - _PARTIAL)), max(1, math.ceil(h - _PARTIAL))

    @property
    def origin(self) -> tuple[int, int]:
        """Where the photo's top left corner lies in the pane, in whole device pixels."""
        return (
            round(self.view_w / 2 - self.centre_x * self.zoom),
            round(self.view_h / 2 - self.centre_y * self.zoom),
        )

    @property
    def shown_rect(self) -> tuple[int, int, int, int]:
        """The part of the pane the photo covers: left, top, right, bottom in device pixels (may be empty)."""
        (x, y), (w, h) = self.origin, self.canvas_size
        left, top = max(0, x), max(0, y)
        return (
            left,
            top,
            max(left, min(math.ceil(self.view_w), x + w)),
            max(top, min(math.ceil(self.view_h), y + h)),
        )

    @property
    def can_pan(self) -> bool:
        return self.zoom > self.fit_zoom * (1 + _SAME)

    # --- points ----------------------------------------------------------------------------------

    def to_view(self, x: float, y: float) -> tuple[float, float]:
        """Image point to pane point."""
        return (
            (x - self.centre_x) * self.zoom + self.view_w / 2,
            (y - self.centre_y) * self.zoom + self.view_h / 2,
        )

    def to_image(self, view_x: float, view_y: float) -> tuple[float, float]:
        """Pane point to image point (outside the photo where the pane shows none)."""
        return (
            (view_x - self.view_w / 2) / self.zoom + self.centre_x,
            (view_y - self.view_h / 2) / self.zoom + self.centre_y,
        )

    def visible(self) -> tuple[int, int, int, int]:
        """``(x, y, w, h)`` of the image pixels that show at least in part; never empty."""
        x0, y0 = (-at / self.zoom for at in self.origin)
        x1, y1 = x0 + self.view_w / self.zoom, y0 + self.view_h / self.zoom
        left = min(max(0, math.floor(x0 + _SAME)), self.image_w - 1)
        top = min(max(0, math.floor(y0 + _SAME)), self.image_h - 1)
        right = max(left + 1, min(self.image_w, math.ceil(x1 - _SAME)))
        bottom = max(top + 1, min(self.image_h, math.ceil(y1 - _SAME)))
        return left, top, right - left, bottom - top

    # --- changes ---------------------------------------------------------------------------------

    def resized(self, view_w: float, view_h: float, margin: float) -> ViewTransform:
        """The same image point in the middle of a pane of another size, at the same zoom."""
        moved = replace(self, view_w=max(1.0, view_w), view_h=max(1.0, view_h), margin=margin)
        return moved._settled()

    def at_zoom(self, zoom: float, view_x: float, view_y: float) -> ViewTransform:
        """Zoom so that the image point under ``(view_x, view_y)`` stays there.

        A pointer beside the photo stands for the nearest point of the photo. Once the whole photo shows
        it is centred, since nothing is left to point at.
        """
        zoom = min(MAX_ZOOM, max(self.min_zoom, zoom))
        x, y = self.to_image(view_x, view_y)
        x, y = min(max(x, 0.0), self.image_w), min(max(y, 0.0), self.image_h)
        view_x, view_y = self.to_view(x, y)
        moved = replace(
            self,
            zoom=zoom,
            centre_x=x - (view_x - self.view_w / 2) / zoom,
            centre_y=y - (view_y - self.view_h / 2) / zoom,
        )
        return moved._settled()

    def zoomed(self, factor: float, view_x: float, view_y: float) -> ViewTransform:
        """Zoom by ``factor`` at a pane point; a step across 100 % stops there first."""
        zoom = self.zoom * factor
        if (self.zoom - 1) * (zoom - 1) < 0 and abs(self.zoom - 1) > _SAME:
            zoom = 1.0
        return self.at_zoom(zoom, view_x, view_y)

    def panned(self, dx: float, dy: float) -> ViewTransform:
        """Drag the photo by ``(dx, dy)`` device pixels; its edges stop at the edges of the pane."""
        if not self.can_pan:
            return self
        return replace(
            self,
            centre_x=self._stop(self.centre_x, -dx / self.zoom, self.image_w, self.view_w),
            centre_y=self._stop(self.centre_y, -dy / self.zoom, self.image_h, self.view_h),
        )

    def _stop(self, centre: float, move: float, size: int, view: float) -> float:
        half = view / 2 / self.zoom
        low, high = (half, size - half) if 2 * half < size else (size / 2, size / 2)
        # zooming at the pointer may have left the photo beyond its stop: never jump back, only go no further
        return min(max(centre + move, min(low, centre)), max(high, centre))

    def _settled(self) -> ViewTransform:
        if self.can_pan:
            return self
        return replace(self, centre_x=self.image_w / 2, centre_y=self.image_h / 2)


def side_panes(
    view_w: int, view_h: int, gap: int, image_w: int, image_h: int
) -> tuple[tuple[int, int, int, int], tuple[int, int, int, int]]:
    """``(x, y, w, h)`` of two equal panes: side by side, or one above the other where that shows far more.

    All in device pixels; ``gap`` lies between them.
    """
    half_w, half_h = max(1, (view_w - gap) // 2), max(1, (view_h - gap) // 2)
    beside = min(half_w / image_w, view_h / image_h)
    above = min(view_w / image_w, half_h / image_h)
    if above > _STACK_GAIN * beside:
        return (0, 0, view_w, half_h), (0, view_h - half_h, view_w, half_h)
    return (0, 0, half_w, view_h), (view_w - half_w, 0, half_w, view_h)
