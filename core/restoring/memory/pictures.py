"""Pictures of an inspection for people: maps over the photo, each with its title and legend.

All pictures are (h, w, 3) uint8 sRGB. Drawing is Pillow's and OpenCV's; no window is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from core.cv import cv2
from core.images.io import to_srgb
from core.model.config import GRANULARITIES, POLARITIES, STRIDE_PX
from core.model.memory_edit import UNCHANGED
from core.restoring.memory.inspection import Inspection, Response
from core.restoring.memory.places import PlaceSeen
from core.restoring.memory.record import MemoryLook

PAPER, INK, QUIET = (0x1B, 0x1B, 0x1B), (0xE6, 0xE6, 0xE6), (0xA6, 0xA6, 0xA6)
_LARGEST_PX, _SMALLEST_PX = 1600, 720  # longer edge of the photo in a map
_NARROWEST_PX = 640  # of a map, so that its words fit
_MARGIN_PX = 20
_TITLE_PX, _TEXT_PX = 24, 16
_PALETTE_SIZE = 64
_LEGEND_SLOTS = 8
_SOURCE_COLOUR = (0x4C, 0x9B, 0xE8)  # of the positive polarity

WORDS = {"positive": "Looks like clean structure", "negative": "Looks like damage"}
MEANING = {
    "part": "Each part slot is one learned pattern.",
    "instance": "Each instance slot sums up several part slots.",
    "semantic": "Each semantic slot sums up several instance slots.",
}

MAPS = tuple(f"{polarity}-{granularity}.png" for polarity in POLARITIES for granularity in GRANULARITIES)
SHEET = "contact-sheet.png"
PICTURES = ("negative-before.png", "negative-after.png", *MAPS, SHEET)
"""File names of all pictures of an inspection."""


def font(size_px: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


def shown_photo(pixels: np.ndarray, icc: bytes | None) -> np.ndarray:
    """A copy of (H, W, 3) uint8 | uint16 as the maps show it: of bounded size, in sRGB."""
    height, width = pixels.shape[:2]
    longer = max(height, width)
    scale = min(max(longer, _SMALLEST_PX), _LARGEST_PX) / longer
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size != (width, height):
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return to_srgb(pixels.reshape(size[1], size[0], 3), icc)


@lru_cache(maxsize=1)
def _palette() -> np.ndarray:
    """(64, 3) uint8 colours as unlike one another as there are: farthest-point traversal in CIELAB."""
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 1, 3)
    lab = cv2.cvtColor(colours.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[:, 0]
    vivid = (
        (lab[:, 0] > 45) & (lab[:, 0] < 90) & (np.hypot(lab[:, 1], lab[:, 2]) > 35)
    )  # greys are the photo's
    colours, lab = colours[vivid, 0], lab[vivid]
    chosen = [int(np.argmin(np.abs(colours.astype(int) - (255, 180, 0)).sum(1)))]
    distance = np.linalg.norm(lab - lab[chosen[0]], axis=1)
    while len(chosen) < _PALETTE_SIZE:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(lab - lab[chosen[-1]], axis=1))
    return colours[chosen]


def slot_colour(slot: int) -> tuple[int, int, int]:
    """The same slot has the same colour in every picture; from the 65th on colours repeat."""
    red, green, blue = (int(value) for value in _palette()[slot % _PALETTE_SIZE])
    return red, green, blue


# --- maps ----------------------------------------------------------------------------------------


def maps(photo: np.ndarray, restored: np.ndarray, inspection: Inspection) -> dict[str, np.ndarray]:
    """All maps by their file names. ``photo`` and ``restored`` are as :func:`shown_photo` gives them."""
    found = {
        "negative-before.png": response_map(photo, inspection, inspection.before, "before"),
        "negative-after.png": response_map(restored, inspection, inspection.after, "after"),
    }
    for polarity in POLARITIES:
        for granularity in GRANULARITIES:
            found[f"{polarity}-{granularity}.png"] = slot_map(photo, inspection, polarity, granularity)
    return found


def response_map(photo: np.ndarray, inspection: Inspection, response: Response, when: str) -> np.ndarray:
    """Where ``photo`` (see :func:`shown_photo`) looks like damage; ``when`` is "before" or "after"."""
    values = _over(response.values, photo, inspection, smooth=True)
    heat = cv2.applyColorMap((values * 255 + 0.5).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    shown = _mixed(_greyed(photo), heat, _heat_opacity(values))
    title = f"Looks like damage: {when}"
    is_changed = when == "after" and inspection.restored.memory != UNCHANGED
    memory = f" (memory {inspection.restored.memory})" if is_changed else ""
    words = (
        f"{when.capitalize()} restoration{memory} {_percent(response.area)} of the photo looks more like damage than "
        f"like clean structure (mean {response.mean:.2f})."
    )
    return _framed(shown, title, (words,), _heat_legend)


def slot_map(photo: np.ndarray, inspection: Inspection, polarity: str, granularity: str) -> np.ndarray:
    """Which slot of a group each place of ``photo`` looks up most."""
    found = inspection.maps[polarity, granularity]
    strongest = _over(found.slots[0], photo, inspection, smooth=False)
    weight = _over(found.weights[0], photo, inspection, smooth=False)
    count = inspection.slices[polarity, granularity]
    colours = np.array([slot_colour(slot) for slot in range(count.stop - count.start)], np.uint8)
    shown = _mixed(_greyed(photo), colours[strongest.astype(np.int64)], 0.15 + 0.6 * weight)
    words = [
        f"{MEANING[granularity]} Colour: the slot a place looks up most; the stronger, the more it counts there."
    ]
    if not inspection.is_read[polarity, granularity]:
        words.append("This model looks these slots up, but does not read them.")
    leads = np.bincount(found.slots[0].ravel(), minlength=len(colours)) / found.slots[0].size
    order = [int(slot) for slot in np.argsort(-leads, kind="stable") if leads[slot] > 0]
    entries = [(slot_colour(slot), f"slot {slot}: {_percent(float(leads[slot]))}") for slot in order]
    if len(entries) > _LEGEND_SLOTS:
        rest = float(sum(leads[slot] for slot in order[_LEGEND_SLOTS:]))
        more = (PAPER, f"{len(order) - _LEGEND_SLOTS} more: {_percent(rest)}")
        entries = [*entries[:_LEGEND_SLOTS], more]
    return _framed(
        shown,
        f"{WORDS[polarity]}: {granularity} slots",
        tuple(words),
        lambda width: _swatches(entries, width),
    )


def source_picture(photo: np.ndarray, look: MemoryLook, place: PlaceSeen, by: int = 1) -> np.ndarray:
    """Where in ``photo`` (see :func:`shown_photo`) the positive content was collected that a place is given.

    Args:
        by: how many pixels of the file are one of what was looked at, along each edge: the words tell the file's.
    """
    values = look.source_map(place)
    peak = float(values.max())
    height, width = photo.shape[:2]
    values = values / peak if peak > 0 else values
    rows, columns = values.shape
    to_x, to_y = width / look.copy_size[0], height / look.copy_size[1]
    size = max(width, round(columns * STRIDE_PX * to_x)), max(height, round(rows * STRIDE_PX * to_y))
    large = cv2.resize(values, size, interpolation=cv2.INTER_LINEAR).reshape(size[1], size[0])[
        :height, :width
    ]
    shown = _mixed(_greyed(photo), np.array(_SOURCE_COLOUR, np.uint8), 0.75 * np.clip(large, 0, 1))
    scale = width / look.width
    corner = place.x_px * scale, place.y_px * scale
    across, down = (max(6.0, edge * scale) for edge in place.size_px)
    sheet = Image.fromarray(shown)
    draw = ImageDraw.Draw(sheet)
    middle = corner[0] + across / 2, corner[1] + down / 2
    for source in look.sources(place):
        x, y = (source.x_px + source.width_px / 2) * scale, (source.y_px + source.height_px / 2) * scale
        draw.line((*middle, x, y), fill=(255, 255, 255), width=1)
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), outline=(255, 255, 255), width=2)
    draw.rectangle((*corner, corner[0] + across, corner[1] + down), outline=(255, 255, 255), width=2)
    words = (
        f"Blue: places of the photo whose content is read at {place.x_px * by}, {place.y_px * by} under positive slots; "
        f"{place.actual:.0%} of all that is read there is the photo's own. Largest share of one place {peak:.1%}.",
    )
    title = "Rebuilt from these places"
    return _framed(np.asarray(sheet), title, words, lambda w: Image.new("RGB", (w, 1), PAPER))


def _over(values: np.ndarray, photo: np.ndarray, inspection: Inspection, *, smooth: bool) -> np.ndarray:
    """(h, w) on the memory's grid -> (H, W) of the shown photo, float32."""
    height, width = photo.shape[:2]
    rows, columns = values.shape
    # the grid may reach beyond the photo by less than a cell
    size = (
        max(width, round(columns * STRIDE_PX * width / inspection.width)),
        max(height, round(rows * STRIDE_PX * height / inspection.height)),
    )
    how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    larger = cv2.resize(values.astype(np.float32), size, interpolation=how)
    return np.asarray(larger).reshape(size[1], size[0])[:height, :width]


def _greyed(photo: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    return np.repeat((grey * 0.8 + 10)[..., None], 3, -1)


def _heat_opacity(values: np.ndarray) -> np.ndarray:
    """What looks clean stays a photo."""
    return 0.05 + 0.6 * values


def _mixed(photo: np.ndarray, colour: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    share = opacity[..., None].astype(np.float32)
    return np.clip(photo * (1 - share) + colour * share + 0.5, 0, 255).astype(np.uint8)


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %" if share >= 0.01 or share <= 0 else "under 1 %"


# --- around them ---------------------------------------------------------------------------------


def _framed(
    shown: np.ndarray, title: str, words: tuple[str, ...], legend_of: Callable[[int], Image.Image]
) -> np.ndarray:
    """A map between its title and its legend, which is made for a width."""
    height, width = shown.shape[:2]
    inner = max(width, _NARROWEST_PX)
    legend = legend_of(inner)
    lines = [line for text in words for line in wrapped(text, inner, _TEXT_PX)]
    line_px = round(_TEXT_PX * 1.4)
    top = _MARGIN_PX + round(_TITLE_PX * 1.5) + line_px * len(lines) + 8
    sheet = Image.new(
        "RGB", (inner + 2 * _MARGIN_PX, top + height + _MARGIN_PX + legend.height + _MARGIN_PX), PAPER
    )
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN_PX, _MARGIN_PX), title, fill=INK, font=font(_TITLE_PX))
    for index, line in enumerate(lines):
        y = _MARGIN_PX + round(_TITLE_PX * 1.5) + line_px * index
        draw.text((_MARGIN_PX, y), line, fill=QUIET, font=font(_TEXT_PX))
    sheet.paste(Image.fromarray(shown), (_MARGIN_PX + (inner - width) // 2, top))
    sheet.paste(legend, (_MARGIN_PX, top + height + _MARGIN_PX))
    return np.asarray(sheet)


def wrapped(text: str, width_px: int, size_px: float) -> list[str]:
    """``text`` in lines that fit."""
    face = font(size_px)
    lines: list[str] = []
    for word in text.split():
        if lines and face.getlength(f"{lines[-1]} {word}") <= width_px:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def shortened(text: str, width_px: float, size_px: float) -> str:
    """``text``, or its ends with an ellipsis between, as long as fits; never empty."""
    face = font(size_px)
    if face.getlength(text) <= width_px:
        return text
    for kept in range(len(text) - 1, 1, -1):
        short = f"{text[: (kept + 1) // 2]}...{text[len(text) - kept // 2 :]}"
        if face.getlength(short) <= width_px:
            return short
    return text[:1]


def _heat_legend(width: int) -> Image.Image:
    """The colours as they look over a middle grey photo."""
    bar_px, height = min(width, 420), 22
    values = np.tile(np.linspace(0, 1, bar_px, dtype=np.float32), (height, 1))
    heat = cv2.applyColorMap((values * 255 + 0.5).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    grey = np.full((height, bar_px, 3), 110, np.float32)
    legend = Image.new("RGB", (width, height + 26), PAPER)
    legend.paste(Image.fromarray(_mixed(grey, heat, _heat_opacity(values))), (0, 0))
    draw = ImageDraw.Draw(legend)
    small = font(_TEXT_PX)
    for x, text, anchor in (
        (0, "0 clean", "lt"),
        (bar_px // 2, "0.5", "mt"),
        (bar_px - 1, "damage 1", "rt"),
    ):
        draw.text((x, height + 6), text, fill=INK, font=small, anchor=anchor)
    return legend


def _swatches(entries: list[tuple[tuple[int, int, int], str]], width: int) -> Image.Image:
    face = font(_TEXT_PX)
    box, gap = 18, 8
    column = round(max(face.getlength(text) for _, text in entries)) + box + gap + 20
    columns = max(1, width // column)
    rows = -(-len(entries) // columns)
    legend = Image.new("RGB", (width, rows * 26), PAPER)
    draw = ImageDraw.Draw(legend)
    for index, (colour, text) in enumerate(entries):
        x, y = index % columns * column, index // columns * 26
        draw.rectangle((x, y, x + box, y + box), fill=colour)
        draw.text((x + box + gap, y + box / 2), text, fill=INK, font=face, anchor="lm")
    return legend
