"""One picture of a photo before and after, for looking at and showing around; no window needed."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_PAPER, _INK = (0x1B, 0x1B, 0x1B), (0xE6, 0xE6, 0xE6)
_STACKS_FROM = 2.0  # photos wider than this many heights stand one above the other


def before_after(
    before: np.ndarray, after: np.ndarray, captions: tuple[str, str] = ("Before", "After")
) -> np.ndarray:
    """Two (H, W, 3) uint8 sRGB pictures with a caption each, side by side; (h, w, 3) uint8.

    Raises ValueError when their shapes differ.
    """
    if before.shape != after.shape or before.ndim != 3 or before.dtype != np.uint8:
        raise ValueError(f"need two equal (H, W, 3) uint8 pictures, got {before.shape} and {after.shape}")
    height, width = before.shape[:2]
    gap = max(2, round(0.006 * max(height, width)))
    strip = max(18, round(0.035 * max(height, width)))
    stacked = width > _STACKS_FROM * height
    step_x, step_y = (0, height + strip + gap) if stacked else (width + gap, 0)
    sheet = Image.new("RGB", (width + step_x, height + strip + step_y), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(max(10, round(strip * 0.5)))
    for index, (pixels, caption) in enumerate(zip((before, after), captions, strict=True)):
        x, y = index * step_x, index * step_y
        sheet.paste(Image.fromarray(np.ascontiguousarray(pixels)), (x, y))
        draw.text((x + strip * 0.35, y + height + strip / 2), caption, fill=_INK, font=font, anchor="lm")
    return np.asarray(sheet)
