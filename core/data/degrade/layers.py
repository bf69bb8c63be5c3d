"""Rain from published layers: light that rain added to a photo once, laid anew over any other.

A layer is what rain added to a clean photo, as a grey picture. Laid over another photo at another size, turned,
thinned, blurred, faded or summed with a second one, a few hundred layers make rain of any density, with streaks that
no drawing of lines has: of several depths, soft, dense, irregular. How a layer is varied is our own; that rain is
the background plus bright streaks that are independent of it is the model of Kang et al., "Automatic single-image-based
rain streaks removal" (IEEE TIP 2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from core.cv import cv2
from core.data.degrade import RegisteredDegradation
from core.data.degrade.base import Bounds, as_stored, parameter, smooth_field


class Layers(Protocol):
    """Pictures (H, W, 3) or (H, W), uint8: the light that rain added."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class LayerParams:
    """How layers are varied. Shares are of photos."""

    size: Bounds = parameter(
        Bounds(0.4, 2.5), "Size", "How many times its own size a layer is shown at", 0.2, 4.0, "×", basic=True
    )
    strength: Bounds = parameter(
        Bounds(0.08, 1.1),
        "Strength",
        "How bright streaks are, as a share of the layer's own",
        0.0,
        2.0,
        "%",
        basic=True,
    )
    summed: float = parameter(0.2, "Two layers", "Share of photos under two layers")
    thinned: float = parameter(0.35, "Thinned", "Share of photos whose faint streaks are taken away")
    blurred: float = parameter(0.25, "Out of focus", "Share of photos whose rain is blurred")
    faded: float = parameter(
        0.3, "Uneven", "Share of photos that carry more rain in one place than in another"
    )
    turned_deg: float = parameter(
        8.0, "Turned", "How far a layer is turned, as a standard deviation", 0.0, 45.0, "°"
    )
    screen: float = parameter(
        0.35, "Screen blending", "Share of photos where light lies over light; the rest is added"
    )
    veil: float = parameter(0.2, "Veil", "Share of photos with a veil that thickens where it rains more")
    veil_strength: Bounds = parameter(
        Bounds(0.03, 0.35), "Strength of the veil", "How dense the veil is", 0.0, 0.8, "%"
    )
    untouched: float = parameter(0.0, "Left clean", "Share of photos without rain")

    def __post_init__(self) -> None:
        for name in ("summed", "thinned", "blurred", "faded", "screen", "veil", "untouched"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)}: need a share from 0 to 1")
        if self.size.low <= 0.05:
            raise ValueError(f"size {self.size}: must be above 0.05")
        if self.strength.low < 0:
            raise ValueError(f"strength {self.strength}: must not be below 0")


def layered_rain(
    clean: np.ndarray, rng: np.random.Generator, params: LayerParams, layers: Layers
) -> np.ndarray:
    """Rain of ``layers`` over a clean picture (H, W, 3) float32 in 0..1; result rounded to 8-bit levels."""
    p = params
    if rng.random() < p.untouched:
        return clean.astype(np.float32, copy=True)
    height, width = clean.shape[:2]
    count = 2 if rng.random() < p.summed else 1
    size, strength = p.size.draw_log(rng), p.strength.draw(rng)
    angle = float(np.clip(rng.normal(0, p.turned_deg), -60, 60))
    light: np.ndarray = np.zeros((height, width), np.float32)
    for _ in range(count):
        own = size * float(np.exp(rng.normal(0, 0.25))) if count > 1 else size
        light += _piece(layers[int(rng.integers(len(layers)))], height, width, own, angle, rng)
    if rng.random() < p.thinned:
        floor = float(rng.uniform(0.05, 0.5)) * max(float(light.max()), 1e-3)
        light = np.maximum(light - floor, 0) * np.float32(1 / (1 - 0.6 * floor))
    if rng.random() < p.blurred:
        light = cv2.GaussianBlur(light, (0, 0), float(rng.uniform(0.4, 2.2)))
    if rng.random() < p.faded:
        light *= smooth_field(height, width, rng, 0.0, 1.0)
    light *= strength / count**0.5
    tint = 1 + rng.normal(0, 0.02, 3).astype(np.float32)  # rain is near-neutral
    layer_rgb = light[..., None] * tint
    rainy: np.ndarray = clean.astype(np.float32, copy=True)
    if rng.random() < p.veil:
        around = cv2.GaussianBlur(light, (0, 0), 0.15 * max(height, width))
        dense = np.clip(0.5 + 0.5 * around / max(float(around.max()), 1e-3), 0, 1)[..., None]
        veil = dense * smooth_field(height, width, rng, 0.5, 1.0)[..., None] * p.veil_strength.draw(rng)
        rainy = rainy * (1 - veil) + float(rng.uniform(0.55, 0.95)) * veil
    if rng.random() < p.screen:
        rainy = 1 - (1 - rainy) * (1 - np.clip(layer_rgb, 0, 1))
    else:
        rainy += layer_rgb
    return as_stored(rainy, rng, 0.0)


def rain_from(layers: Layers) -> RegisteredDegradation:
    """Rain from these layers, with its parameters."""
    return RegisteredDegradation(
        "layers",
        LayerParams(),
        make=lambda clean, rng, params: layered_rain(clean, rng, params, layers),
    )


LAYERS = rain_from(())
"""What its parameters are asked of, without layers at hand."""


def upright(layer: np.ndarray) -> np.ndarray:
    """A layer (H, W) with its streaks standing: turned by a quarter where they run more across than down.

    Rain falls. A layer that lies comes from a photo that was turned on its side after the rain was added (a third of those
    of Rain200H), and a network that learns from it takes shelves, boards and waves for rain.
    """
    across, down = cv2.Sobel(layer, cv2.CV_32F, 1, 0), cv2.Sobel(layer, cv2.CV_32F, 0, 1)
    return (
        layer if float(cv2.norm(across)) >= float(cv2.norm(down)) else np.ascontiguousarray(np.rot90(layer))
    )


def _piece(
    layer: np.ndarray, height: int, width: int, size: float, angle_deg: float, rng: np.random.Generator
) -> np.ndarray:
    """(height, width) float32 in 0..1: a random piece of ``layer``, ``size`` times as large, mirrored where it ends."""
    grey = upright(layer if layer.ndim == 2 else layer[..., 1])
    h, w = grey.shape
    centre = rng.uniform(0, w), rng.uniform(0, h)
    turn, flip = np.deg2rad(angle_deg), -1.0 if rng.random() < 0.5 else 1.0
    cos, sin = np.cos(turn) / size, np.sin(turn) / size
    # where a pixel of the piece lies in the layer; mirrored left to right only, for rain falls
    across = flip * np.array((cos, -sin, 0.0))
    down = np.array((sin, cos, 0.0))
    across[2] = centre[0] - across[0] * width / 2 - across[1] * height / 2
    down[2] = centre[1] - down[0] * width / 2 - down[1] * height / 2
    matrix = np.stack((across, down)).astype(np.float32)
    if size < 1:  # streaks thinner than a pixel fade instead of breaking up
        grey = cv2.GaussianBlur(grey, (0, 0), 0.5 / size)
    piece = cv2.warpAffine(
        grey,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    return piece.astype(np.float32) / 255
