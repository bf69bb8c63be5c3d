"""Rain. Streaks are drawn three ways, because rain in photos looks so: single sharp lines along a common direction with
some scatter, the same at several depths at once (near ones large and soft, far ones small), and fields of motion-blurred
drops (noise, thresholded and smeared along the direction of fall, the recipe known from image editors).

Layers differ in size and direction like rain at different distances. They are composed additively, or by screen blending
(light over light), and a smooth veil (mist) may lie over the picture. Streak geometry follows the observations of Garg &
Nayar, "Vision and Rain" (IJCV 2007): streaks are brighter than what they cover, semi-transparent, near-neutral.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.cv import cv2
from core.data.degrade.base import Bounds, as_stored, parameter, smooth_field


@dataclass(frozen=True, slots=True)
class RainParams:
    """Ranges of the rain model. Lengths and widths in pixels, angles in degrees from the vertical."""

    layers: tuple[float, ...] = parameter(
        (0.78, 0.15, 0.05, 0.02),
        "Layers",
        "How many layers of rain lie over each other",
        names=("one", "two", "three", "four"),
    )  # probability of 1, 2, 3, ... layers
    drawn: float = parameter(0.35, "Single streaks", "Share of layers of sharp streaks of one size")
    deep: float = parameter(
        0.3, "Rain in depth", "Share of layers of near and far streaks; what is left is motion-blurred drops"
    )
    length_px: Bounds = parameter(
        Bounds(5.0, 90.0), "Length", "How long streaks are", 2.0, 200.0, "px", basic=True
    )
    width_px: Bounds = parameter(
        Bounds(0.6, 4.5), "Width", "How wide streaks are", 0.3, 12.0, "px", basic=True
    )
    angle_spread_deg: float = parameter(
        24.0,
        "Slant",
        "How far the rain falls from the vertical, as a standard deviation",
        0.0,
        60.0,
        "°",
        basic=True,
    )
    any_angle: float = parameter(0.02, "Any direction", "Share of photos whose rain comes from anywhere")
    scatter_deg: Bounds = parameter(
        Bounds(0.2, 6.0), "Scatter", "How much streaks of one photo differ in direction", 0.0, 30.0, "°"
    )
    cover: Bounds = parameter(
        Bounds(0.004, 0.16), "Amount", "Share of the photo that streaks cover", 0.001, 0.5, "%", basic=True
    )
    strength: Bounds = parameter(
        Bounds(0.12, 0.95), "Strength", "How bright streaks are", 0.0, 1.5, "%", basic=True
    )
    screen: float = parameter(
        0.12, "Screen blending", "Share of photos where light lies over light; the rest is added"
    )
    mist: float = parameter(0.03, "Mist", "Share of photos with a veil of mist", basic=True)
    mist_strength: Bounds = parameter(
        Bounds(0.03, 0.3), "Strength of mist", "How dense the veil is", 0.0, 0.8, "%"
    )
    jpeg: float = parameter(0.04, "JPEG", "Share of photos compressed after the rain")
    untouched: float = parameter(
        0.06, "Left clean", "Share of photos without rain, so that a clean photo comes back as it went in"
    )

    def __post_init__(self) -> None:
        if not self.layers or abs(sum(self.layers) - 1) > 1e-8 or min(self.layers) < 0:
            raise ValueError(f"layers {self.layers}: need probabilities that sum to 1")
        for name in ("drawn", "deep", "any_angle", "screen", "mist", "jpeg", "untouched"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} {value}: need a share from 0 to 1")
        if self.drawn + self.deep > 1:
            raise ValueError(f"drawn {self.drawn} and deep {self.deep}: together at most 1")
        for name in ("length_px", "width_px", "cover"):
            if getattr(self, name).low <= 0:
                raise ValueError(f"{name} {getattr(self, name)}: must be above 0")


def rain(clean: np.ndarray, rng: np.random.Generator, params: RainParams | None = None) -> np.ndarray:
    """Rain over a clean picture; see the module's text for the model. Result rounded to 8-bit levels."""
    p = params or RainParams()
    if rng.random() < p.untouched:
        return clean.astype(np.float32, copy=True)
    height, width = clean.shape[:2]
    if rng.random() < p.any_angle:
        angle = float(rng.uniform(-90, 90))
    else:
        angle = float(np.clip(rng.normal(0, p.angle_spread_deg), -60, 60))
    count = int(rng.choice(len(p.layers), p=np.asarray(p.layers))) + 1
    light = np.zeros((height, width), np.float32)
    for _ in range(count):
        layer_angle = angle + float(rng.normal(0, 8.0)) * (count > 1)
        kind = rng.choice(3, p=_shares(p))
        layer = (_drawn_layer, _deep_layer, _smeared_layer)[kind](height, width, layer_angle, rng, p)
        layer *= p.strength.draw(rng) / count**0.5
        light += layer
    if rng.random() < 0.25:  # nearer and farther parts of a scene carry more and less rain
        light *= smooth_field(height, width, rng, 0.35, 1.0)
    tint = 1 + rng.normal(0, 0.02, 3).astype(np.float32)  # rain is near-neutral
    layer_rgb = light[..., None] * tint
    rainy: np.ndarray = clean.astype(np.float32, copy=True)
    if rng.random() < p.screen:
        np.clip(layer_rgb, 0, 1, out=layer_rgb)
        rainy = 1 - (1 - rainy) * (1 - layer_rgb)
    else:
        rainy += layer_rgb
    if rng.random() < p.mist:
        veil = smooth_field(height, width, rng, 0.4, 1.0)[..., None] * p.mist_strength.draw(rng)
        airlight = float(rng.uniform(0.6, 0.95))
        rainy = rainy * (1 - veil) + airlight * veil
    return as_stored(rainy, rng, p.jpeg)


def _shares(p: RainParams) -> tuple[float, float, float]:
    return p.drawn, p.deep, max(0.0, 1 - p.drawn - p.deep)


def _drawn_layer(
    height: int, width: int, angle_deg: float, rng: np.random.Generator, p: RainParams
) -> np.ndarray:
    """Single streaks with scatter in direction, length and brightness; (H, W) float32, peak about 1."""
    length = p.length_px.draw_log(rng)
    thickness = p.width_px.draw_log(rng)
    cover = p.cover.draw_log(rng)
    scatter = p.scatter_deg.draw(rng)
    brightness_low = rng.uniform(0.2, 1.0)
    layer = _strokes(
        height,
        width,
        angle_deg,
        rng,
        length,
        thickness,
        cover,
        scatter,
        lambda n: rng.uniform(brightness_low, 1.0, n),
    )
    if rng.random() < 0.6:  # ends fade as the drop enters and leaves the exposure
        layer = _smear(layer, max(3.0, length * float(rng.uniform(0.1, 0.6))), angle_deg)
    if rng.random() < 0.7:
        layer = cv2.GaussianBlur(layer, (0, 0), float(rng.uniform(0.3, 0.5 + 0.25 * thickness)))
    return _normalised(layer)


def _deep_layer(
    height: int, width: int, angle_deg: float, rng: np.random.Generator, p: RainParams
) -> np.ndarray:
    """Rain in depth: near drops long, wide, soft and few, far ones short, thin and many; most are faint.

    (H, W) float32, peak about 1. The number of drops at a depth grows with the square of the distance, so every
    depth covers about the same share of the picture; brightness is drawn from an exponential distribution.
    """
    length = p.length_px.draw_log(rng)
    thickness = p.width_px.draw_log(rng)
    cover = p.cover.draw_log(rng)
    scatter = p.scatter_deg.draw(rng)
    faint = float(rng.uniform(0.2, 0.6))
    focus = float(rng.uniform(0.3, 1.0))  # the depth, as a share of the nearest drop's size, that is sharp
    total = np.zeros((height, width), np.float32)
    for size in (1.0, 0.6, 0.35):
        layer = _strokes(
            height, width, angle_deg, rng, length * size, max(thickness * size, 0.6), cover / 2, scatter,
            lambda n: np.clip(rng.exponential(faint, n), 0.05, 1.0),
        )  # fmt: skip
        layer = _smear(layer, max(3.0, 0.4 * length * size), angle_deg)
        blur = 0.3 + 1.2 * thickness * size * abs(size - focus)
        total += cv2.GaussianBlur(layer, (0, 0), min(blur, 3.0)) * float(rng.uniform(0.5, 1.0))
    if rng.random() < 0.4:  # drops wobble as they fall, so that a streak is not evenly bright
        grain = rng.uniform(0.4, 1.3, (max(2, height // 3), max(2, width // 3))).astype(np.float32)
        total *= cv2.resize(grain, (width, height), interpolation=cv2.INTER_LINEAR)
    return _normalised(total)


def _strokes(
    height: int,
    width: int,
    angle_deg: float,
    rng: np.random.Generator,
    length: float,
    thickness: float,
    cover: float,
    scatter_deg: float,
    brightness: Callable[[int], np.ndarray],
) -> np.ndarray:
    """Line segments that cover about ``cover`` of (height, width); (H, W) float32 in 0..1."""
    margin = int(length * 1.5) + 2
    h, w = height + 2 * margin, width + 2 * margin
    count = int(np.clip(cover * h * w / (max(length, 2.0) * max(thickness, 1.0)), 1, 6000))
    x, y = rng.uniform(0, w, count), rng.uniform(0, h, count)
    theta = np.deg2rad(angle_deg + rng.normal(0, scatter_deg, count))
    half = 0.5 * length * np.clip(1 + rng.normal(0, rng.uniform(0.05, 0.5), count), 0.2, 2.0)
    dx, dy = np.sin(theta) * half, np.cos(theta) * half
    shift = 4  # fractional bits of a pixel position
    ends = np.rint(np.stack((x - dx, y - dy, x + dx, y + dy), 1) * (1 << shift)).astype(int)
    ends -= margin << shift
    canvas = np.zeros((height, width), np.uint8)
    drawn_px = max(1, round(thickness))
    for (x0, y0, x1, y1), value in zip(ends.tolist(), (255 * brightness(count)).tolist(), strict=True):
        cv2.line(canvas, (x0, y0), (x1, y1), value, drawn_px, cv2.LINE_AA, shift)
    layer: np.ndarray = canvas.astype(np.float32) / 255
    return layer * thickness if thickness < 1 else layer


def _smeared_layer(
    height: int, width: int, angle_deg: float, rng: np.random.Generator, p: RainParams
) -> np.ndarray:
    """Thresholded noise smeared along the direction of fall; (H, W) float32, peak about 1."""
    length = min(p.length_px.draw_log(rng), 61.0)
    scale = min(p.width_px.draw_log(rng), 3.0)
    cover = p.cover.draw_log(rng)
    margin = int(length) + 2
    h = max(2, round((height + 2 * margin) / max(scale, 1.0)))
    w = max(2, round((width + 2 * margin) / max(scale, 1.0)))
    drops = rng.random((h, w), np.float32)
    seeds = float(np.clip(cover * max(scale, 1.0) / length * 3, 2e-4, 0.25))
    drops = np.clip((drops - (1 - seeds)) / seeds, 0, 1)
    if scale > 1:
        drops = cv2.resize(drops, (width + 2 * margin, height + 2 * margin), interpolation=cv2.INTER_CUBIC)
    layer = _smear(np.maximum(drops, 0), length, angle_deg)
    scatter = p.scatter_deg.draw(rng)
    if rng.random() < 0.3:  # a second smear at a slightly other angle widens the streaks' middles
        layer = _smear(layer, max(3.0, length / 2), angle_deg + scatter)
    layer = layer[margin : margin + height, margin : margin + width]
    layer = _normalised(layer)
    return np.clip(layer, 0, 1.2) ** float(rng.uniform(0.8, 1.6))


def _normalised(layer: np.ndarray) -> np.ndarray:
    """Scaled so that the bright middle of a streak is about 1, wherever it was rained on at all."""
    lit = layer[layer > 0.02 * max(float(layer.max()), 1e-6)]
    if lit.size == 0:
        return layer
    return (layer / max(float(np.quantile(lit, 0.97)), 1e-3)).astype(np.float32)


def _smear(layer: np.ndarray, length_px: float, angle_deg: float) -> np.ndarray:
    """Motion blur along a direction given in degrees from the vertical."""
    size = max(3, int(np.ceil(length_px)) | 1)
    kernel = np.zeros((size, size), np.uint8)
    centre = (size - 1) / 2
    half = min(length_px, size) / 2
    dx, dy = np.sin(np.deg2rad(angle_deg)) * half, np.cos(np.deg2rad(angle_deg)) * half
    ends = [round(v * 16) for v in (centre - dx, centre - dy, centre + dx, centre + dy)]
    cv2.line(kernel, (ends[0], ends[1]), (ends[2], ends[3]), 255, 1, cv2.LINE_AA, 4)
    weights = kernel.astype(np.float32)
    return cv2.filter2D(
        layer, cv2.CV_32F, weights / max(float(weights.sum()), 1.0), borderType=cv2.BORDER_REFLECT
    )
