"""Synthetic cast shadows, and the mask of a real one.

Model, in linear light. A lit surface receives direct sunlight and ambient light; a shadow takes the direct part
away and leaves the ambient one. With the matte m (0 lit, 1 full shadow, between them in the penumbra) and the
ambient share a of each channel

    shadowed = lit * (1 - m * (1 - a)) + m * veil

as in Le & Samaras, "Shadow Removal via Shadow Image Decomposition" (ICCV 2019, arXiv 1908.08628, Eq. 2 to 5:
a linear function per channel, composed by a matte) and Inoue & Yamasaki, "Learning from Synthetic Shadows for
Shadow Detection and Removal" (SynShadow, IEEE TCSVT 2020, arXiv 2101.01713, which draws the parameters of that
function at random). Skylight is bluer than sunlight, so a of blue exceeds a of red. a varies slowly over the
picture (less sky is seen near the caster), and small relief is less dark than that (it was shaded before). The
veil is light scattered in the lens. The penumbra is the outline blurred by the sun's disc, narrow near the
caster and wide far from it. The ranges follow what was measured on real pairs: a of red 0.06 to 0.5, blue to
red 0.95 to 2.1.

Outlines are drawn, not taken from files: smooth blobs, polygons, edges larger than any picture, bars, limbs and
leaves. Linear light is taken as the stored value to the power of 2.2.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from core.cv import cv2
from core.data.degrade.base import Bounds, as_stored, parameter, smooth_field

_GAMMA = 2.2
_TRIES = 4  # drawings of the outlines, until they cover neither nothing nor everything
_COVER = (0.02, 0.8)  # share of a picture: a photo all in shadow could not be told from a dark one


@dataclass(frozen=True, slots=True)
class ShadowParams:
    """Ranges of the shadow model. Lengths in pixels; ``ambient`` is a share of the lit surface's linear light."""

    shadows: tuple[float, ...] = parameter(
        (0.6, 0.27, 0.13), "Shadows", "How many shadows fall on a photo", names=("one", "two", "three")
    )  # probability of 1, 2, 3, ... outlines
    outlines: tuple[float, ...] = parameter(
        (0.26, 0.14, 0.16, 0.12, 0.2, 0.12),
        "Outlines",
        "What casts the shadow",
        names=("blob", "polygon", "edge", "bars", "limbs", "leaves"),
    )
    size_px: Bounds = parameter(
        Bounds(40.0, 1000.0), "Size", "Radius of an outline", 10.0, 3000.0, "px", basic=True
    )
    thickness_px: Bounds = parameter(Bounds(4.0, 110.0), "Thickness", "Of bars and limbs", 1.0, 400.0, "px")
    leaf_px: Bounds = parameter(Bounds(6.0, 70.0), "Leaves", "Radius of a leaf", 2.0, 200.0, "px")
    penumbra_px: Bounds = parameter(
        Bounds(0.7, 5.0),
        "Softness",
        "Blur of the edge at its sharpest, as a standard deviation",
        0.2,
        40.0,
        "px",
        basic=True,
    )
    widening: Bounds = parameter(
        Bounds(1.0, 7.0),
        "Softer far away",
        "How many times wider the edge is far from what casts it",
        1.0,
        20.0,
    )
    ambient: Bounds = parameter(
        Bounds(0.07, 0.6),
        "Light left",
        "Share of the light that shadows leave, in red",
        0.02,
        1.0,
        "%",
        basic=True,
    )
    tint: Bounds = parameter(
        Bounds(-0.03, 0.38),
        "Blueness",
        "How much bluer shadows are: blue keeps the light left to the power of 1 less this",
        -0.2,
        0.9,
        basic=True,
    )
    unevenness: float = parameter(
        0.25, "Unevenness", "How much the depth of a shadow varies over a photo", basic=True
    )
    relief: Bounds = parameter(
        Bounds(0.0, 0.25), "Flattening", "Share of small contrast that shadow takes away", unit="%"
    )
    veil: Bounds = parameter(Bounds(0.0, 0.006), "Veil", "Light scattered in the lens", 0.0, 0.05, "%")
    lit_patches: float = parameter(
        0.06, "Patches of light", "Share of photos where light falls into a shadow"
    )
    jpeg: float = parameter(0.1, "JPEG", "Share of photos compressed afterwards")
    untouched: float = parameter(
        0.04, "Left clean", "Share of photos without shadow, so that a clean photo comes back as it went in"
    )

    def __post_init__(self) -> None:
        for name, count in (("shadows", None), ("outlines", len(_OUTLINES))):
            shares = getattr(self, name)
            if not shares or abs(sum(shares) - 1) > 1e-8 or min(shares) < 0:
                raise ValueError(f"{name} {shares}: need probabilities that sum to 1")
            if count is not None and len(shares) != count:
                raise ValueError(f"{name} {shares}: need {count} of them")
        for name in ("unevenness", "lit_patches", "jpeg", "untouched"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} {value}: need a share from 0 to 1")
        for name in ("size_px", "thickness_px", "leaf_px", "penumbra_px", "widening", "ambient"):
            if getattr(self, name).low <= 0:
                raise ValueError(f"{name} {getattr(self, name)}: must be above 0")
        for name, low, high in (
            ("ambient", 0.0, 1.0), ("tint", -0.5, 0.9), ("relief", 0.0, 1.0), ("veil", 0.0, 0.1),
            ("size_px", 0.0, 4000.0), ("thickness_px", 0.0, 2000.0), ("penumbra_px", 0.0, 64.0), ("widening", 1.0, 64.0),
        ):  # fmt: skip
            value = getattr(self, name)
            if value.low < low or value.high > high:
                raise ValueError(f"{name} {value}: need values from {low:g} to {high:g}")


def shadow(
    clean: np.ndarray, rng: np.random.Generator, params: ShadowParams | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Shadows on a clean picture, and their matte; see the module's text for the model.

    Returns:
        The picture (H, W, 3) float32 rounded to 8-bit levels, and (H, W) float32: 0 lit, 1 in full shadow.
    """
    p = params or ShadowParams()
    height, width = clean.shape[:2]
    if rng.random() < p.untouched:
        return clean.astype(np.float32, copy=True), np.zeros((height, width), np.float32)
    matte = _matte(height, width, rng, p)
    red = p.ambient.draw_log(rng)
    tint = p.tint.draw(rng)
    # a pale shadow is near-neutral and a deep one bluer, as in real pairs; green lies between, nearer to red
    powers = 1 - tint * np.array([0.0, rng.uniform(0.2, 0.5), 1.0], np.float32)
    field_power = smooth_field(height, width, rng, 1 - p.unevenness, 1 + p.unevenness)
    log_ambient = np.log(red) * field_power
    linear = cv2.pow(np.ascontiguousarray(clean, np.float32), _GAMMA)
    relief = p.relief.draw(rng)
    if relief > 0.02:
        log_ambient = log_ambient - relief * _small_contrast(linear)
    ambient = np.minimum(cv2.exp(log_ambient[..., None] * powers), 1)
    veil = p.veil.draw(rng) if rng.random() < 0.5 else 0.0
    m = matte[..., None]
    shadowed = linear * (1 - m * (1 - ambient)) + m * veil
    return as_stored(cv2.pow(shadowed, 1 / _GAMMA), rng, p.jpeg), matte


def _small_contrast(linear: np.ndarray) -> np.ndarray:
    """Log luminance against its surroundings, (H, W) float32 within -1..1."""
    luminance = linear @ np.array([0.21, 0.72, 0.07], np.float32) + np.float32(0.02)
    around = cv2.blur(luminance, (9, 9), borderType=cv2.BORDER_REFLECT)
    return np.clip(cv2.log(luminance / around), -1, 1)


# --- mattes ----------------------------------------------------------------------------------------------


def _matte(height: int, width: int, rng: np.random.Generator, p: ShadowParams) -> np.ndarray:
    """(H, W) float32 in 0..1. There is one sun: where outlines overlap it is not darker."""
    for _ in range(_TRIES):
        count = int(rng.choice(len(p.shadows), p=np.asarray(p.shadows))) + 1
        light = np.ones((height, width), np.float32)
        for _ in range(count):
            light *= 1 - _one_shadow(height, width, rng, p)
        if rng.random() < p.lit_patches:
            light = 1 - light
        cover = 1 - float(light.mean())
        if _COVER[0] <= cover <= _COVER[1]:
            break
    return np.clip(1 - light if cover <= _COVER[1] else light, 0, 1)  # rounding exceeds 1 by a hair


def _one_shadow(height: int, width: int, rng: np.random.Generator, p: ShadowParams) -> np.ndarray:
    draw = _OUTLINES[int(rng.choice(len(_OUTLINES), p=np.asarray(p.outlines)))]
    narrow = p.penumbra_px.draw_log(rng)
    wide = min(narrow * p.widening.draw_log(rng), 64.0)
    margin = int(2.5 * wide) + 2
    h, w = height + 2 * margin, width + 2 * margin
    # the place in the picture where the outline passes (or, for every fourth, its middle lies)
    anchor = np.array([rng.uniform(0, width), rng.uniform(0, height)]) + margin
    outline = draw(h, w, anchor, rng, p)
    matte = _penumbra(outline, narrow, wide, rng)[margin : margin + height, margin : margin + width]
    return matte * float(rng.uniform(0.85, 1.0)) if rng.random() < 0.15 else matte


def _penumbra(outline: np.ndarray, narrow: float, wide: float, rng: np.random.Generator) -> np.ndarray:
    """``outline`` (H, W) float32 blurred from ``narrow`` at one side to ``wide`` (standard deviations) at the other."""
    levels = 1 if wide < 1.3 * narrow else 2 if wide < 3 * narrow else 3
    sigmas = np.geomspace(narrow, wide, levels)
    blurred = [_blur(outline, float(sigma)) for sigma in sigmas]
    if levels == 1:
        return blurred[0]
    height, width = outline.shape
    angle = rng.uniform(0, 2 * np.pi)
    across, down = np.cos(angle), np.sin(angle)
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32) * np.float32(width * across)
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32) * np.float32(height * down)
    reach = (abs(width * across) + abs(height * down)) * rng.uniform(0.4, 1.0)
    place = np.clip((y[:, None] + x) / np.float32(reach) + np.float32(0.5), 0, 1) * np.float32(levels - 1)
    matte = blurred[0]
    for level in range(1, levels):
        matte = matte + (blurred[level] - blurred[level - 1]) * np.clip(place - (level - 1), 0, 1)
    return np.clip(matte, 0, 1)


def _blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur; a wide one on a reduced copy, which looks the same and costs a fraction."""
    factor = 1
    while sigma / factor > 5:
        factor *= 2
    if factor == 1:
        return cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    height, width = picture.shape
    small = cv2.resize(picture, (-(-width // factor), -(-height // factor)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / factor, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


# --- outlines: (H, W) float32, 1 inside ------------------------------------------------------------------------


def _fill(height: int, width: int, points: np.ndarray) -> np.ndarray:
    canvas = np.zeros((height, width), np.uint8)
    fixed = np.rint(np.clip(points, -8000, 8000) * 16).astype(np.int32)  # four fractional bits
    cv2.fillPoly(canvas, [fixed], 255, cv2.LINE_AA, 4)
    return canvas.astype(np.float32) / 255


def _placed(points: np.ndarray, anchor: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turned, and moved so that a point of the outline (seldom the middle) lies at ``anchor``."""
    points = points @ _turn(float(rng.uniform(0, 2 * np.pi)))
    if rng.random() < 0.75:
        points = points - points[int(rng.integers(len(points)))]
    return points + anchor


def _turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _stretch(rng: np.random.Generator) -> np.ndarray:
    """Low sun draws shadows out."""
    return np.array([1.0, 1 / np.exp(rng.uniform(0, np.log(4)))])


def _blob(h: int, w: int, anchor: np.ndarray, rng: np.random.Generator, p: ShadowParams) -> np.ndarray:
    theta = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    orders = np.arange(1, int(rng.integers(3, 12)))
    weights = rng.normal(0, rng.uniform(0.15, 0.55), len(orders)) / orders**0.8
    wave = np.cos(orders[:, None] * theta + rng.uniform(0, 2 * np.pi, (len(orders), 1)))
    radius = p.size_px.draw_log(rng) * np.exp(np.clip(weights @ wave, -1.5, 1.0))
    points = np.stack((np.cos(theta), np.sin(theta)), 1) * radius[:, None] * _stretch(rng)
    return _fill(h, w, _placed(points, anchor, rng))


def _polygon(h: int, w: int, anchor: np.ndarray, rng: np.random.Generator, p: ShadowParams) -> np.ndarray:
    count = int(rng.integers(3, 9))
    theta = np.sort(rng.uniform(0, 2 * np.pi, count))
    radius = p.size_px.draw_log(rng) * rng.uniform(0.5, 1.0, count)
    points = np.stack((np.cos(theta), np.sin(theta)), 1) * radius[:, None] * _stretch(rng)
    # a point of an edge, not only of a corner, may lie at the anchor
    between = np.concatenate((points, 0.5 * (points + np.roll(points, -1, axis=0))))
    order = np.arange(2 * count).reshape(2, count).T.ravel()
    return _fill(h, w, _placed(between[order], anchor, rng))


def _edge(h: int, w: int, anchor: np.ndarray, rng: np.random.Generator, p: ShadowParams) -> np.ndarray:
    """One side of a line: straight, wavy as a tree line or stepped as a row of roofs."""
    reach = 1.5 * float(np.hypot(h, w))
    along = np.linspace(-reach, reach, 160)
    kind = rng.random()
    if kind < 0.4:
        profile = np.zeros_like(along)
    elif kind < 0.75:
        waves = np.exp(rng.uniform(np.log(15), np.log(500), 8))  # wave lengths in pixels
        sines = np.sin(2 * np.pi * along / waves[:, None] + rng.uniform(0, 2 * np.pi, (8, 1)))
        profile = rng.uniform(0.02, 0.12) * (waves * rng.uniform(0, 1, 8)) @ sines
    else:
        step = np.exp(rng.uniform(np.log(20), np.log(250)))
        heights = rng.uniform(0, step, int(2 * reach / step) + 2)
        profile = heights[((along + reach) / step).astype(int)]
    profile = profile - profile[len(profile) // 2]
    points = np.stack((along, profile), 1)
    points = np.concatenate((points, [[reach, 4 * reach], [-reach, 4 * reach]]))
    return _fill(h, w, points @ _turn(float(rng.uniform(0, 2 * np.pi))) + anchor)


def _bars(h: int, w: int, anchor: np.ndarray, rng: np.random.Generator, p: ShadowParams) -> np.ndarray:
    """Posts, railings, window bars: near-parallel strips across the whole picture."""
    reach = 1.5 * float(np.hypot(h, w))
    thickness = p.thickness_px.draw_log(rng)
    period = thickness * rng.uniform(1.6, 5.0)
    count = int(rng.integers(1, 12))
    turn = _turn(float(rng.uniform(0, 2 * np.pi)))
    fan = rng.uniform(-0.06, 0.06)  # strips drift apart with distance
    first = -int(rng.integers(0, count))
    outline = np.zeros((h, w), np.float32)
    for index in range(first, first + count):
        half = 0.5 * thickness * rng.uniform(0.9, 1.1)
        middle, slope = index * period, index * fan
        strip = np.array([[-reach, -slope * reach - half], [reach, slope * reach - half],
                          [reach, slope * reach + half], [-reach, -slope * reach + half]])  # fmt: skip
        strip[:, 1] += middle
        np.maximum(outline, _fill(h, w, strip @ turn + anchor), out=outline)
    return outline


def _limbs(h: int, w: int, anchor: np.ndarray, rng: np.random.Generator, p: ShadowParams) -> np.ndarray:
    """Branches, arms, people, cables: bent strokes that grow thinner, some out of one another."""
    canvas = np.zeros((h, w), np.uint8)
    thickest = p.thickness_px.draw_log(rng)
    start, heading, size = anchor, float(rng.uniform(0, 2 * np.pi)), p.size_px.draw_log(rng)
    for limb in range(int(rng.integers(1, 7))):
        thickness = thickest * (1.0 if limb == 0 else rng.uniform(0.3, 0.8))
        length = max(size, 2 * thickness) * (2.0 if limb == 0 else rng.uniform(0.4, 1.2))
        bend, taper, parts = rng.normal(0, 0.12), rng.uniform(0.2, 1.0), 14
        direction = (heading if limb == 0 else heading + rng.uniform(-1.2, 1.2)) + np.cumsum(
            bend + rng.normal(0, 0.1, parts)
        )
        steps = np.stack((np.cos(direction), np.sin(direction)), 1) * length / parts
        path = np.concatenate(([[0.0, 0.0]], np.cumsum(steps, 0)))
        # the first stroke passes through the anchor, further ones leave from somewhere along it
        path = path + (start if limb else anchor - path[int(rng.integers(parts))])
        if limb == 0:
            trunk = path
        ends = np.rint(np.clip(path, -8000, 8000) * 16).astype(int).tolist()
        for part, (one, other) in enumerate(itertools.pairwise(ends)):
            drawn_px = max(1, round(thickness * (1 - (1 - taper) * part / parts)))
            cv2.line(canvas, one, other, 255, drawn_px, cv2.LINE_AA, 4)
        start = trunk[int(rng.integers(parts))]
    return canvas.astype(np.float32) / 255


def _leaves(h: int, w: int, anchor: np.ndarray, rng: np.random.Generator, p: ShadowParams) -> np.ndarray:
    """Foliage with dapples of light: thresholded low-pass noise of three octaves, mostly within a crown."""
    leaf = p.leaf_px.draw_log(rng)
    noise = np.zeros((h, w), np.float32)
    for octave, weight in ((1.0, 1.0), (0.5, 0.6), (3.0, 0.9)):
        cells = (max(4, int(w / (leaf * octave)) + 3), max(4, int(h / (leaf * octave)) + 3))
        coarse = rng.standard_normal((cells[1], cells[0])).astype(np.float32)
        noise += np.float32(weight) * cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)
    threshold = float(np.quantile(noise[::4, ::4], rng.uniform(0.25, 0.75)))
    inside = np.clip((noise - threshold) / np.float32(max(0.15, 2.0 / leaf)) + np.float32(0.5), 0, 1)
    if rng.random() < 0.7:
        crown = (_blob if rng.random() < 0.5 else _edge)(h, w, anchor, rng, p)
        inside *= _blur(crown, min(leaf, 20.0))
    return inside


_OUTLINES = (_blob, _polygon, _edge, _bars, _limbs, _leaves)


# --- masks of real pairs -------------------------------------------------------------------------------------


def find_shadow(shadowed: np.ndarray, lit: np.ndarray) -> np.ndarray:
    """Where a real pair differs by a shadow: (H, W) uint8, 255 in it, with a soft edge.

    Both pictures (H, W, 3) uint8 of one size. The logarithm of the luminance ratio is smoothed, thresholded
    halfway (in the logarithm) between lit and the shadow's own depth, and cleaned of specks and holes.
    """
    logs = []
    for picture in (shadowed, lit):
        smooth = cv2.GaussianBlur(picture.astype(np.float32) / 255, (0, 0), 1.5)
        luminance = cv2.pow(smooth, _GAMMA) @ np.array([0.21, 0.72, 0.07], np.float32)
        logs.append(cv2.log(luminance + np.float32(0.004)))
    drop = cv2.GaussianBlur(logs[1] - logs[0], (0, 0), 1.5)
    nearly_same = drop[np.abs(drop) < 0.15]
    if nearly_same.size > 0.1 * drop.size:  # the exposures may differ a little
        drop = drop - np.median(nearly_same)
    deep = drop[drop > 0.25]
    if deep.size < 0.002 * drop.size:
        return np.zeros(drop.shape, np.uint8)
    threshold = float(np.clip(0.5 * np.median(deep), 0.18, 0.6))
    edge = max(3, round(min(drop.shape) / 80) | 1)
    disc, larger = (cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (n, n)) for n in (edge, 2 * edge + 1))
    found: np.ndarray = (drop > threshold).astype(np.uint8)
    found = np.asarray(cv2.morphologyEx(found, cv2.MORPH_OPEN, disc))
    found = np.asarray(cv2.morphologyEx(found, cv2.MORPH_CLOSE, larger))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(found)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if count == 1:
        return np.zeros(drop.shape, np.uint8)
    keep = np.flatnonzero(areas >= max(0.03 * areas.max(), 0.0008 * drop.size)) + 1
    found = np.isin(labels, keep).astype(np.float32)
    return np.rint(cv2.GaussianBlur(found, (0, 0), 1.5) * 255).astype(np.uint8)
