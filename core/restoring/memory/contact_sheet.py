"""The contact sheet of an inspection: what its most used slots answer to, in this photo and in what was learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from core.images.io import to_srgb
from core.model.config import GRANULARITIES, POLARITIES, STRIDE_PX
from core.model.exemplars import WRONG, Exemplar, SampleMemory
from core.restoring import scales
from core.restoring.memory.inspection import SHOWN_CELLS, Inspection, Place, TopSlot
from core.restoring.memory.pictures import INK, PAPER, QUIET, WORDS, font, shortened, slot_colour, wrapped

SHOWN_SAMPLES = 4
PATCH_PX = 32  # of the photo, around a cell; as the samples have
_LEAST_USAGE = 0.005  # slots used less are not shown, but for the first of each group
_ROWS: Mapping[str, int] = {"part": 4, "instance": 3, "semantic": 2}  # of each polarity
_TILE_PX = 104
_STEP_PX = _TILE_PX + 10
_CAPTION_PX = 13
_ROW_PX = _TILE_PX + 48
_LABEL_PX = 190
_MARGIN_PX = 24
_GAP_PX = 26  # between the photo's patches and the samples


@dataclass(frozen=True, slots=True)
class NearSample:
    """A learned sample and how like a slot it is."""

    exemplar: Exemplar
    similarity: float  # cosine, -1..1
    usual: float  # of any sample of the same polarity with the slot, on average

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.exemplar.kind,
            "source": self.exemplar.source,
            "x_px": self.exemplar.x_px,
            "y_px": self.exemplar.y_px,
            "similarity": round(self.similarity, 4),
            "any_sample": round(self.usual, 4),
        }


def nearest_samples(
    inspection: Inspection, samples: SampleMemory | None, count: int = SHOWN_SAMPLES
) -> dict[int, tuple[NearSample, ...]]:
    """The samples of the same polarity most like each top slot, by the slot's row in the table."""
    if samples is None:
        return {top.row: () for top in inspection.top}
    found = {}
    for top in inspection.top:
        query = torch.from_numpy(inspection.table[top.row : top.row + 1])
        nearest = samples.nearest(query, top.polarity, count)
        usual = float((samples.embeddings(top.polarity) @ query[0].float()).mean())
        found[top.row] = tuple(
            NearSample(samples.exemplar(top.polarity, int(index)), float(similarity), usual)
            for index, similarity in zip(nearest.indices[0], nearest.similarities[0], strict=True)
        )
    return found


def contact_sheet(
    pixels: np.ndarray,
    icc: bytes | None,
    inspection: Inspection,
    near: Mapping[int, Sequence[NearSample]],
    without_samples: str = "",
) -> np.ndarray:
    """(h, w, 3) uint8 sRGB: a row for each of the most used slots.

    Args:
        pixels: (H, W, 3) uint8 | uint16, the photo that was inspected.
        near: from :func:`nearest_samples`.
        without_samples: why there are none, as a sentence.
    """
    has_samples = any(near.values())
    sheet = _Sheet(_chosen(inspection), has_samples, without_samples, scales.divisor(inspection.scale))
    for polarity in POLARITIES:
        for granularity in GRANULARITIES:
            rows = [top for top in sheet.tops if (top.polarity, top.granularity) == (polarity, granularity)]
            if not rows:
                continue
            is_read = inspection.is_read[polarity, granularity]
            sheet.heading(f"{WORDS[polarity]}: {granularity} slots" + ("" if is_read else " (not read)"))
            for top in rows:
                patches = [_patch(pixels, icc, place) for place in top.places]
                sheet.row(top, patches, near[top.row])
    return np.asarray(sheet.image)


def _chosen(inspection: Inspection) -> list[TopSlot]:
    chosen = []
    for (polarity, granularity), count in (((p, g), _ROWS[g]) for p in POLARITIES for g in GRANULARITIES):
        tops = inspection.top_of(polarity, granularity)[:count]
        chosen += [top for index, top in enumerate(tops) if index == 0 or top.usage >= _LEAST_USAGE]
    return chosen


@dataclass(frozen=True, slots=True)
class _Patch:
    pixels: np.ndarray  # (32, 32, 3) uint8 sRGB
    left: int  # of the cell within it, pixels
    top: int


def _patch(pixels: np.ndarray, icc: bytes | None, place: Place) -> _Patch:
    """The photo around a cell, moved inside at its edges; of smaller photos the last pixels repeat."""
    height, width = pixels.shape[:2]
    x, y = (_start(centre, edge) for centre, edge in zip(place.centre_px, (width, height), strict=True))
    rows = np.minimum(np.arange(y, y + PATCH_PX), height - 1)
    columns = np.minimum(np.arange(x, x + PATCH_PX), width - 1)
    patch = to_srgb(np.ascontiguousarray(pixels[rows][:, columns]), icc)
    return _Patch(patch, place.column * STRIDE_PX - x, place.row * STRIDE_PX - y)


def _start(centre: int, edge: int) -> int:
    """Of a patch around ``centre``. It ends with the last cell, which may reach beyond the photo."""
    cells_edge = -(-edge // STRIDE_PX) * STRIDE_PX
    return max(0, min(centre - PATCH_PX // 2, cells_edge - PATCH_PX))


class _Sheet:
    """Grows downwards; its height is known from the start."""

    def __init__(self, tops: Sequence[TopSlot], has_samples: bool, why: str, by: int) -> None:
        """``by``: how many pixels of the photo are one of the copy that was looked at, along each edge."""
        self.tops, self.by = tops, by
        groups = len({(top.polarity, top.granularity) for top in tops})
        self.samples_x = _MARGIN_PX + _LABEL_PX + SHOWN_CELLS * _STEP_PX + _GAP_PX
        gap = _STEP_PX - _TILE_PX
        width = self.samples_x + (SHOWN_SAMPLES * _STEP_PX if has_samples else -_GAP_PX) - gap + _MARGIN_PX
        words = (
            "Each row is one slot of the memory. The framed square is the place that looks the slot up; the number "
            "below it says how much of that place's attention the slot gets (1: all of it), and where that is, in pixels of the photo."
        )
        after = (
            " The number below a learned sample says how like the slot it is (1: the same; what any sample has "
            "on average stands at the left); wrong ones are mistakes the network itself once made."
            if has_samples
            else f" {why}"
        )
        lines = wrapped(words + after, width - 2 * _MARGIN_PX, 16)
        top = _MARGIN_PX + 40 + 23 * len(lines) + 14
        self.image = Image.new(
            "RGB", (width, top + 26 + 46 * groups + _ROW_PX * len(tops) + _MARGIN_PX), PAPER
        )
        self.draw = ImageDraw.Draw(self.image)
        self.draw.text((_MARGIN_PX, _MARGIN_PX), "What the memory answers with", fill=INK, font=font(26))
        for index, line in enumerate(lines):
            self.draw.text((_MARGIN_PX, _MARGIN_PX + 40 + 23 * index), line, fill=QUIET, font=font(16))
        own = _MARGIN_PX + _LABEL_PX
        self.draw.text((own, top), "Strongest places in this photo", fill=INK, font=font(16))
        if has_samples:
            self.draw.text((self.samples_x, top), "Nearest learned samples", fill=INK, font=font(16))
        self.y = top + 26

    def heading(self, text: str) -> None:
        self.draw.line((_MARGIN_PX, self.y + 6, self.image.width - _MARGIN_PX, self.y + 6), fill=(70, 70, 70))
        self.draw.text((_MARGIN_PX, self.y + 14), text, fill=INK, font=font(18))
        self.y += 46

    def row(self, top: TopSlot, patches: Sequence[_Patch], near: Sequence[NearSample]) -> None:
        x = _MARGIN_PX
        self.draw.rectangle((x, self.y + 2, x + 20, self.y + 22), fill=slot_colour(top.slot))
        self.draw.text((x + 30, self.y + 12), f"slot {top.slot}", fill=INK, font=font(18), anchor="lm")
        self.draw.text((x, self.y + 32), f"{top.usage:.1%} of all attention", fill=QUIET, font=font(14))
        self.draw.text((x, self.y + 50), f"leads in {top.leads:.1%} of places", fill=QUIET, font=font(14))
        if near:
            self.draw.text((x, self.y + 68), f"any sample {near[0].usual:.2f}", fill=QUIET, font=font(14))
        x += _LABEL_PX
        for patch, place in zip(patches, top.places, strict=True):
            self._tile(x, patch.pixels)
            self._frame(x, patch)
            px, py = (value * self.by for value in place.centre_px)
            self._caption(x, f"{place.weight:.2f}", f"at {px}, {py}")
            x += _STEP_PX
        for index, sample in enumerate(near):
            x = self.samples_x + index * _STEP_PX
            self._tile(x, sample.exemplar.thumbnail)
            wrong = ", wrong" if sample.exemplar.kind == WRONG else ""
            self._caption(x, f"{sample.similarity:.2f}{wrong}", sample.exemplar.source)
        self.y += _ROW_PX

    def _tile(self, x: int, pixels: np.ndarray) -> None:
        patch = Image.fromarray(pixels).resize((_TILE_PX, _TILE_PX), Image.Resampling.BICUBIC)
        self.image.paste(patch, (x, self.y))

    def _frame(self, x: int, patch: _Patch) -> None:
        """Around the cell within its patch."""
        scale = _TILE_PX / PATCH_PX
        left, top = x + patch.left * scale, self.y + patch.top * scale
        right, bottom = left + STRIDE_PX * scale - 1, top + STRIDE_PX * scale - 1
        self.draw.rectangle((left, top, right, bottom), outline=(0, 0, 0))
        self.draw.rectangle((left + 1, top + 1, right - 1, bottom - 1), outline=(255, 255, 255))

    def _caption(self, x: int, *lines: str) -> None:
        for index, text in enumerate(lines):
            words = shortened(text, _TILE_PX, _CAPTION_PX)
            y = self.y + _TILE_PX + 4 + 16 * index
            self.draw.text((x, y), words, fill=QUIET, font=font(_CAPTION_PX))
