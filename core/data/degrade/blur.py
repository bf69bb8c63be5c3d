"""Synthetic blur of shaken hands and of moving things, and the camera that took it.

Model, in linear light. While the shutter is open the camera turns and moves along a smooth path, so that each place
of the picture runs along a path of its own; the photo is the mean of the sharp pictures seen on the way:

    blurred(x) = sum_k  w_k * sharp(A_k x),     sum_k w_k = 1

The path is drawn, or a piece of one that a real hand made (:class:`Motion`), played at another speed, turned and mirrored.
It is two turns out of the picture's plane, one in it and a little forward motion, of which A_k is the affine
part about the middle of the crop, as seen from where the crop lies in the photo. Samples are a step of
at most :data:`_SPACING_PX` apart along the path, weighed by the time spent there, so that no ghosts show. The truth
is what is seen at the mean of the path. Measured on a hand-held clip at 240 frames a second: paths of 8 to 32 frames are nearly straight
(end to end 0.98 of their length, for one in ten 0.6), the fastest frame is 1.2 to 1.5 times the mean one, and turning in
the plane moves a place 500 px off the middle by a tenth of the path, for one in ten by a third.

A thing may move before a still background, the other way round, or both: two layers, the near one with
a soft outline, are composed at every moment and then averaged, so that edges cover and uncover as they do. A layer, or all, may be out of focus.

Then the camera, alike on both sides, because it is not the damage: light beyond what the sensor holds is averaged first
and clipped then; shot and read noise, stronger where white balance amplifies red and blue, which demosaicing has smeared and the camera has smoothed, is one and the
same on both sides and spares what is saturated; a tone curve, sharpening, JPEG. Rim et al., "Realistic Blur Synthesis for Learning Image
Deblurring" (ECCV 2022, arXiv 2202.08771) found noise and saturation to decide whether networks that learn from
synthetic blur undo real blur. A share of the pictures is sharp: with noise or without, they are to come back as they are.

Linear light is taken as the stored value to the power of 2.2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path as FilePath

import numpy as np

from core import foreign_text
from core.cv import cv2
from core.data import unsmear
from core.data.degrade.base import Bounds, parameter

MARGIN_PX = 32
"""How far around a crop pictures should reach, so that what moves in is known; the rest is mirrored."""

_GAMMA = 2.2
_SPACING_PX = 1.2  # between two samples of a path; bilinear warps hide what lies between
_MOMENTS = 48  # of a path before it is sampled by its length
_PHOTO_PX = (1000, 700)  # a crop lies somewhere in a photo of this size
_FOCAL_PX = 1000.0
_FALSE = 0.06  # of the smears that are undone: there are none
_BENT = 0.2  # width of a path against its length, above which it is seldom told
_LENGTH_OFF, _ANGLE_OFF_DEG = 0.14, 5.0  # standard deviations of what is told, of the logarithm of the length
_FULL = 0.85  # stored levels above this may have been beyond what the sensor holds


@dataclass(frozen=True, slots=True)
class BlurParams:
    """Ranges of the blur model. Lengths in pixels of the degraded picture, light linear."""

    length_px: Bounds = parameter(
        Bounds(1.5, 28.0), "Length", "How long the smear is", 0.5, 120.0, "px", basic=True
    )
    straight: float = parameter(
        0.5, "Straight paths", "Share of photos whose smear is nearly a line; others bend", basic=True
    )
    roll: Bounds = parameter(
        Bounds(0.0, 0.4),
        "Turning",
        "How much the camera turns in the picture's plane, against its other turns",
        0.0,
        2.0,
        "%",
        basic=True,
    )
    forward: Bounds = parameter(
        Bounds(0.0, 0.15), "Forward motion", "How much it moves ahead, against its turns", 0.0, 2.0, "%"
    )
    moving: float = parameter(
        0.2,
        "Moving things",
        "Share of photos where a thing moves otherwise than what is behind it",
        basic=True,
    )
    unfocused: float = parameter(
        0.1, "Out of focus", "Share of photos where a layer is out of focus", basic=True
    )
    focus_px: Bounds = parameter(
        Bounds(0.7, 3.0), "Focus", "Radius of a point that is out of focus", 0.3, 12.0, "px"
    )
    recorded: float = parameter(
        0.5, "Recorded paths", "Share of paths that a real hand has made, where a recording is given"
    )
    nearly: float = parameter(
        0.15, "Nearly sharp", "Share of blurred photos with less than the shortest smear", basic=True
    )
    untouched: float = parameter(
        0.1, "Left sharp", "Share of photos without blur, so that a sharp photo comes back as it went in"
    )
    highlights: Bounds = parameter(
        Bounds(1.0, 6.0),
        "Highlights",
        "How many times brighter than white the brightest lights are",
        1.0,
        20.0,
    )
    dark: float = parameter(0.1, "Dark scenes", "Share of photos taken in little light")
    noise: float = parameter(0.6, "Noise", "Share of photos with noise, the same on both sides")
    shot_noise: Bounds = parameter(
        Bounds(0.0001, 0.004), "Shot noise", "Variance of noise in full light", 0.00001, 0.02
    )
    read_noise: Bounds = parameter(
        Bounds(0.000001, 0.0001), "Read noise", "Variance of noise without light", 0.0000001, 0.001
    )
    balance: Bounds = parameter(
        Bounds(1.0, 2.2),
        "White balance",
        "How many times red and blue are amplified, and their noise",
        1.0,
        4.0,
    )
    tone: float = parameter(0.3, "Tone curve", "Share of photos of more or less contrast")
    sharpened: float = parameter(0.2, "Sharpened", "Share of photos that the camera has sharpened")
    jpeg: float = parameter(0.3, "JPEG", "Share of photos compressed afterwards")
    undone: float = parameter(
        0.0,
        "Undone first",
        "Share of smeared photos whose smear is undone as well as its spectrum tells it, before the network sees them; "
        "a model that learns so is shown photos like that later, too",
    )

    def __post_init__(self) -> None:
        for name in (
            "straight", "moving", "unfocused", "recorded", "nearly", "untouched", "dark", "noise", "tone", "sharpened", "jpeg",
            "undone",
        ):  # fmt: skip
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} {value}: need a share from 0 to 1")
        for name, low, high in (
            ("length_px", 0.0, 200.0), ("roll", -1e-9, 4.0), ("forward", -1e-9, 4.0), ("focus_px", 0.0, 30.0),
            ("highlights", 0.999, 100.0), ("balance", 0.999, 16.0), ("shot_noise", 0.0, 1.0), ("read_noise", 0.0, 1.0),
        ):  # fmt: skip
            value = getattr(self, name)
            if value.low <= low or value.high > high:
                raise ValueError(f"{name} {value}: need values above {max(low, 0):g}, up to {high:g}")


class MotionError(ValueError):
    """A file of a camera's movement cannot be read; the message says why."""

    problem_key = "motion"


@dataclass(frozen=True, slots=True)
class Motion:
    """How a camera moved from frame to frame while somebody held it.

    ``speeds``: (N, 4) float64, what :func:`random_path` draws otherwise: turns to the side and up, in the plane, ahead.
    """

    speeds: np.ndarray

    @staticmethod
    def read(file: FilePath) -> Motion:
        """From JSON: ``homographies``, each nine numbers row by row, x from -1 to 1 over the width and y alike.

        Raises MotionError, OSError.
        """
        try:
            rows = np.asarray(foreign_text.read_json(file)["homographies"], np.float64).reshape(-1, 3, 3)
        except (KeyError, TypeError, ValueError) as error:
            raise MotionError(f"{file.name}: need homographies of nine numbers each: {error}") from error
        if len(rows) < 2 or not np.isfinite(rows).all():
            raise MotionError(f"{file.name}: need at least two homographies of finite numbers")
        half, away = _PHOTO_PX[0] / 2, 500.0
        side, up = rows[:, 0, 2] * half, rows[:, 1, 2] * half
        roll = (rows[:, 1, 0] - rows[:, 0, 1]) / 2 * away
        ahead = ((rows[:, 0, 0] + rows[:, 1, 1]) / 2 - 1) * away
        return Motion(np.stack((side, up, roll, ahead), 1))

    def piece(self, rng: np.random.Generator) -> np.ndarray:
        """(4, _MOMENTS): some of it, at another speed, forwards or backwards, turned and mirrored."""
        most = min(len(self.speeds), 48)
        count = int(np.clip(np.exp(rng.uniform(np.log(3.0), np.log(most))), 2, most))
        first = int(rng.integers(0, len(self.speeds) - count + 1))
        some = self.speeds[first : first + count]
        if rng.random() < 0.5:
            some = -some[::-1]
        moments = np.linspace(0, count - 1, _MOMENTS)
        side, up, roll, ahead = (np.interp(moments, np.arange(count), some[:, i]) for i in range(4))
        if rng.random() < 0.5:
            side, roll = -side, -roll
        turn = float(rng.uniform(0, 2 * np.pi))
        side, up = np.cos(turn) * side - np.sin(turn) * up, np.sin(turn) * side + np.cos(turn) * up
        return np.stack((side, up, roll, ahead))


def resized(params: BlurParams, by: float) -> BlurParams:
    """The same blur in a photo of ``by`` times as many pixels along an edge: smears and circles of confusion grow."""

    def grown(bounds: Bounds) -> Bounds:
        return Bounds(bounds.low * by, bounds.high * by)

    return replace(params, length_px=grown(params.length_px), focus_px=grown(params.focus_px))


@dataclass(frozen=True, slots=True)
class Path:
    """A way of the picture while the shutter is open, with the time spent at each of its places."""

    warps: (
        np.ndarray
    )  # (N, 2, 3) float64: place in the blurred picture -> place in the sharp one, about its middle
    weights: np.ndarray  # (N,) sums to 1

    @property
    def is_still(self) -> bool:
        return len(self.weights) == 1

    @property
    def line(self) -> tuple[float, float, float]:
        """The straight smear most like it: its length in px, its angle in degrees from the horizontal, counter-clockwise as
        one looks at the picture, and how wide the path is against its length, 0 for a line."""
        places = self.warps[:, :, 2] - self.weights @ self.warps[:, :, 2]
        spread, axes = np.linalg.eigh(places.T @ (self.weights[:, None] * places))
        width2, length2 = np.maximum(spread, 0)
        if length2 <= 0:
            return 0.0, 0.0, 0.0
        along = axes[:, 1]
        angle = float(np.rad2deg(np.arctan2(-along[1], along[0])))  # rows of an image run downwards
        return float(np.sqrt(12 * length2)), angle % 180, float(np.sqrt(width2 / length2))


def blur(clean: np.ndarray, rng: np.random.Generator, params: BlurParams | None = None) -> np.ndarray:
    """Blur as a camera takes it on a clean picture; see the module's text. Result rounded to 8-bit levels."""
    return blur_pair(clean, rng, params)[0]


def blur_pair(
    clean: np.ndarray,
    rng: np.random.Generator,
    params: BlurParams | None = None,
    margin_px: int = 0,
    motion: Motion | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """A blurred picture, and the sharp one that the same camera would have taken.

    Args:
        clean: (H, W, 3) float32 in 0..1.
        margin_px: how much of ``clean`` on each side is only there to move in.
        motion: how a real hand moved, to play pieces of.

    Returns:
        Blurred and sharp, (H - 2 * margin_px, W - 2 * margin_px, 3) float32, rounded to 8-bit levels.
    """
    p = params or BlurParams()
    # what there is is decided first, of how it looks later: with another share, other photos stay as they were
    sharpness, nearly, moves, defocused, is_dark = rng.random(5)
    how, camera, balance, told = rng.spawn(4)
    light = _scene_light(clean, is_dark < p.dark, how, p)
    # undoing a smear takes a margin, too, which is left of that for moving in
    edge_px = margin_px // 2 if p.undone else 0
    margin_px -= edge_px
    path = Path(np.eye(2, 3)[None], np.ones(1))
    if sharpness < p.untouched:
        sharp = light[margin_px : light.shape[0] - margin_px, margin_px : light.shape[1] - margin_px]
        blurred = sharp
    else:
        is_nearly = nearly < p.nearly
        length = float(how.uniform(0.2, p.length_px.low)) if is_nearly else p.length_px.draw_log(how)
        focus = p.focus_px.draw_log(how) if defocused < p.unfocused else 0.0
        if is_nearly:
            focus = min(focus, 1.0)
        if moves < p.moving:
            blurred, sharp, path = _layers(light, length, focus, how, p, margin_px, motion)
        else:
            path = random_path(length, how, p, motion)
            seen = _unfocus(light, focus)
            sharp = light[margin_px : light.shape[0] - margin_px, margin_px : light.shape[1] - margin_px]
            blurred = average(seen, path, margin_px)
    blurred, sharp = _camera(blurred, sharp, camera, p, _gains(balance, p))
    if p.undone:
        blurred = _undone(blurred, path, told, p)
        inner = slice(edge_px, blurred.shape[0] - edge_px), slice(edge_px, blurred.shape[1] - edge_px)
        blurred, sharp = blurred[inner], sharp[inner]
    return blurred, sharp


# --- light ---------------------------------------------------------------------------------------------------


def _scene_light(clean: np.ndarray, dark: bool, rng: np.random.Generator, p: BlurParams) -> np.ndarray:
    """(H, W, 3) float32 linear light, 1 where the sensor is full, above where there was more."""
    stored = np.ascontiguousarray(clean, np.float32)
    light: np.ndarray = cv2.pow(stored, _GAMMA)
    brightest = p.highlights.draw_log(rng)
    gain = float(np.exp(rng.uniform(np.log(0.12), np.log(0.6)))) if dark else float(rng.uniform(0.75, 1.0))
    if dark:
        light = light * gain
    if brightest > 1.0:
        full = np.clip((stored.min(axis=2) - _FULL) / (1 - _FULL), 0, 1) ** 2
        light *= (1 + np.float32((brightest / (gain if dark else 1.0)) - 1) * full)[..., None]
    return light


# --- paths ---------------------------------------------------------------------------------------------------


def random_path(
    length_px: float, rng: np.random.Generator, p: BlurParams | None = None, motion: Motion | None = None
) -> Path:
    """A path whose smear in the middle of the picture is about ``length_px`` long; none for 0."""
    p = p or BlurParams()
    if motion is not None and rng.random() < p.recorded:
        return _path(motion.piece(rng), length_px, rng)
    is_straight = rng.random() < p.straight
    # turns to the side and up (in px), in the plane and ahead (px at 500 px from the photo's middle)
    smooth = float(np.exp(rng.uniform(np.log(4.0), np.log(20.0))))
    speed: np.ndarray = rng.standard_normal((4, _MOMENTS + 48)).astype(np.float32)
    speed = cv2.GaussianBlur(speed, (0, 0), sigmaX=smooth, sigmaY=1e-6, borderType=cv2.BORDER_REFLECT)[
        :, 24:-24
    ]
    speed = speed / max(float(np.sqrt((speed**2).mean())), 1e-6)
    drift = rng.standard_normal((4, 1)) * (rng.uniform(2.0, 8.0) if is_straight else rng.uniform(0.0, 1.5))
    speed = speed + drift
    speed[2] *= p.roll.draw(rng)
    speed[3] *= p.forward.draw(rng)
    return _path(speed, length_px, rng)


def _path(speed: np.ndarray, length_px: float, rng: np.random.Generator) -> Path:
    """From speeds (4, _MOMENTS) of any unit, made so long, seen from somewhere in the photo."""
    way = np.concatenate((np.zeros((4, 1)), np.cumsum(speed, axis=1)), axis=1).T  # (T, 4)
    at = rng.uniform(-0.5, 0.5, 2) * _PHOTO_PX  # the crop's middle, seen from the photo's
    moves = np.stack([_seen_from(step, at) for step in way])  # (T, 2, 3), per px of the path
    steps = np.linalg.norm(np.diff(moves[:, :, 2], axis=0), axis=1)  # of the crop's middle
    total = float(steps.sum())
    if length_px <= 0 or total <= 0:
        return Path(np.eye(2, 3)[None], np.ones(1))
    moves *= length_px / total
    steps *= length_px / total
    count = max(3, int(np.ceil(length_px / _SPACING_PX)) + 1)
    along = np.concatenate(([0.0], np.cumsum(steps)))
    marks = np.linspace(0, length_px, count)
    times = np.interp(marks, along, np.arange(len(along)))
    borders = np.concatenate(([0.0], 0.5 * (times[1:] + times[:-1]), [float(_MOMENTS)]))
    weights = np.diff(borders) / _MOMENTS
    low = np.minimum(times.astype(int), _MOMENTS - 1)
    part = (times - low)[:, None, None]
    seen = moves[low] * (1 - part) + moves[low + 1] * part
    # the truth is where things were on the average: another moment could not be told from the blurred photo
    return Path(np.eye(2, 3) + seen - np.tensordot(weights, seen, 1), weights)


def _seen_from(step: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(2, 3): what a turn ``step`` of the camera does to coordinates about ``at``, which is seen from the photo's middle."""
    side, up, roll, ahead = step
    x, y = at / _FOCAL_PX
    shift = np.array([side * (1 + x * x) + up * x * y, up * (1 + y * y) + side * x * y])
    change = (
        np.array([[2 * x * side + y * up, x * up], [y * side, 2 * y * up + x * side]]) / _FOCAL_PX
        + np.array([[ahead, -roll], [roll, ahead]]) / 500
    )
    shift = shift + np.array([[ahead, -roll], [roll, ahead]]) @ at / 500
    return np.column_stack((change, shift))


def average(light: np.ndarray, path: Path, margin_px: int = 0) -> np.ndarray:
    """Mean of ``light`` (H, W, C) float32 along a path, less the margin; beyond its borders it is mirrored."""
    height, width = (n - 2 * margin_px for n in light.shape[:2])
    if path.is_still:
        return light[margin_px : margin_px + height, margin_px : margin_px + width]
    source = _four(light)
    total = np.zeros((height, width, 4), np.float32)
    for warp, weight in zip(path.warps, path.weights, strict=True):
        cv2.scaleAdd(
            _warped(source, warp, height, width, margin_px, len(path.weights)), float(weight), total, total
        )
    return total[..., : light.shape[2]]


def _four(light: np.ndarray) -> np.ndarray:
    """Four channels, which are warped in half the time of three."""
    if light.shape[2] == 4:
        return light
    return np.asarray(cv2.merge([*cv2.split(light), np.zeros(light.shape[:2], np.float32)]))


def _warped(
    source: np.ndarray, warp: np.ndarray, height: int, width: int, margin_px: int, count: int
) -> np.ndarray:
    middle = np.array([0.5 * (width - 1), 0.5 * (height - 1)])
    matrix = warp.copy()
    matrix[:, 2] += middle + margin_px - warp[:, :2] @ middle
    # bilinear sampling softens: where few samples do not hide it, cubic ones
    kind = cv2.INTER_CUBIC if count <= 8 else cv2.INTER_LINEAR
    return np.asarray(
        cv2.warpAffine(
            source,
            matrix,
            (width, height),
            flags=kind | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
    )


# --- what a spectrum tells ------------------------------------------------------------------------------------


def _undone(blurred: np.ndarray, path: Path, rng: np.random.Generator, p: BlurParams) -> np.ndarray:
    """``blurred`` (H, W, 3) as it is after its smear was undone as well as it can be told, or itself.

    What :func:`core.restoring.smear.find` tells of smears is off by this much (``docs/blur.md``), bent ones are told less
    often, and now and then it sees one that is not there.
    """
    chance, wrong, by, off = *rng.random(2), rng.normal(), rng.normal()
    length, angle, bent = path.line
    false_length, false_angle = (
        float(np.exp(rng.uniform(np.log(2.0), np.log(16.0)))),
        float(rng.uniform(0, 180)),
    )
    if length < unsmear.SHORTEST_PX:
        share = _FALSE * p.undone
    else:
        share = p.undone if bent < _BENT else p.undone / 2
    if chance >= share:
        return blurred
    if wrong < _FALSE or length < unsmear.SHORTEST_PX:
        length, angle = false_length, false_angle
    return unsmear.undo(blurred, length * float(np.exp(_LENGTH_OFF * by)), angle + _ANGLE_OFF_DEG * off)


# --- layers --------------------------------------------------------------------------------------------------


def _layers(
    light: np.ndarray,
    length_px: float,
    focus_px: float,
    rng: np.random.Generator,
    p: BlurParams,
    margin_px: int,
    motion: Motion | None = None,
) -> tuple[np.ndarray, np.ndarray, Path]:
    """A thing before a background, each on its way; blurred and sharp, (h, w, 3) linear light, and the longer way."""
    height, width = light.shape[:2]
    mask = _thing(height, width, rng)
    behind = (
        light if rng.random() < 0.5 else np.ascontiguousarray(light[:, ::-1])
    )  # the same scene, or another
    which = rng.random()
    near = random_path(0.0 if which < 0.35 else length_px, rng, p, motion)
    far = random_path(0.0 if which > 0.7 else length_px * float(rng.uniform(0.1, 1.0)), rng, p, motion)
    near, far = _in_step(near, far)
    focused = rng.random()
    seen_near, seen_far = light, behind
    thing = _four_with(light, mask)
    if focus_px:
        if focused < 0.4:
            thing = _unfocus(thing, focus_px)
        elif focused < 0.8:
            seen_far = _unfocus(behind, focus_px)
        else:
            thing, seen_far = _unfocus(thing, focus_px), _unfocus(behind, focus_px)
    h, w = height - 2 * margin_px, width - 2 * margin_px
    background, total = _four(seen_far), np.zeros((h, w, 4), np.float32)
    inner = slice(margin_px, margin_px + h), slice(margin_px, margin_px + w)
    count = len(near.weights)
    for index in range(count):
        front = thing[inner] if near.is_still else _warped(thing, near.warps[index], h, w, margin_px, count)
        back = (
            background[inner]
            if far.is_still
            else _warped(background, far.warps[index], h, w, margin_px, count)
        )
        moment = front + back * (1 - front[..., 3:])
        cv2.scaleAdd(moment, float(near.weights[index]), total, total)
    cover = mask[inner][..., None]
    sharp = seen_near[inner] * cover + behind[inner] * (1 - cover)
    return total[..., :3], sharp, max(near, far, key=lambda path: path.line[0])


def _in_step(near: Path, far: Path) -> tuple[Path, Path]:
    """Both paths sampled at the same moments: those of the longer one, as each spends its time evenly enough."""
    count = max(len(near.weights), len(far.weights))
    times = np.linspace(0, 1, count)
    weights = np.full(count, 1 / count)

    def at(path: Path) -> Path:
        if path.is_still:
            return Path(np.repeat(path.warps, count, axis=0), weights)
        own = np.cumsum(path.weights) - 0.5 * path.weights
        flat = path.warps.reshape(len(own), 6)
        moved = np.stack([np.interp(times, own, flat[:, i]) for i in range(6)], axis=1)
        return Path(moved.reshape(count, 2, 3), weights)

    return at(near), at(far)


def _thing(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """(H, W) float32, 1 within a random outline: smooth noise of a few cells, cut over about two pixels."""
    cells = int(rng.integers(3, 8))
    coarse = rng.standard_normal((cells, cells)).astype(np.float32)
    noise = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    level = float(np.quantile(noise[::4, ::4], rng.uniform(0.3, 0.75)))
    steep = min(height, width) / cells / 2.5
    return np.clip((noise - np.float32(level)) * np.float32(steep) + np.float32(0.5), 0, 1)


def _four_with(light: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.merge([*cv2.split(light * mask[..., None]), mask]))


def _unfocus(light: np.ndarray, radius_px: float) -> np.ndarray:
    """``light`` with each point spread over a disc with a soft rim."""
    if radius_px <= 0:
        return light
    edge = int(np.ceil(radius_px)) + 1
    y, x = np.mgrid[-edge : edge + 1, -edge : edge + 1].astype(np.float32)
    disc = np.clip(np.float32(radius_px + 0.5) - np.sqrt(x * x + y * y), 0, 1)
    return np.asarray(cv2.filter2D(light, cv2.CV_32F, disc / disc.sum(), borderType=cv2.BORDER_REFLECT))


# --- the camera ----------------------------------------------------------------------------------------------


def _camera(
    blurred: np.ndarray,
    sharp: np.ndarray,
    rng: np.random.Generator,
    p: BlurParams,
    gains: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Both sides, linear light in, stored levels out; what is drawn at random is the same for both."""
    height, width = sharp.shape[:2]
    noisy, toned, sharpens, compressed = rng.random(4) < (p.noise, p.tone, p.sharpened, p.jpeg)
    shot, read = p.shot_noise.draw_log(rng), p.read_noise.draw_log(rng)
    grain = _grain(height, width, rng) if noisy else None
    bend = float(np.exp(rng.normal(0, 0.25))) if toned else 1.0
    amount, radius = float(rng.uniform(0.1, 0.7)), float(rng.uniform(0.6, 1.4))
    quality = int(rng.integers(60, 97)) if compressed else 0
    found = []
    for light in (blurred, sharp) if blurred is not sharp else (sharp,):
        seen = np.ascontiguousarray(light)
        if grain is not None:
            by = (
                np.float32(1) if gains is None else gains
            )  # white balance amplifies what the sensor saw, noise and all
            deviation = cv2.sqrt(np.maximum(seen, 0) * (np.float32(shot) * by) + np.float32(read) * by * by)
            seen = seen + grain * deviation * (seen < 1)  # a full sensor shows no noise
        stored = np.asarray(cv2.pow(np.clip(seen, 0, 1), bend / _GAMMA))
        if sharpens:
            soft = cv2.GaussianBlur(stored, (0, 0), radius)
            stored = np.asarray(cv2.addWeighted(stored, 1 + amount, soft, -amount, 0))
        found.append(_stored(stored, quality))
    return found[0], found[-1].copy() if len(found) == 1 else found[1]


def _gains(rng: np.random.Generator, p: BlurParams) -> np.ndarray:
    """(3,) float32, what white balance multiplies the channels by; that of green is 1."""
    return np.array([p.balance.draw_log(rng), 1.0, p.balance.draw_log(rng)], np.float32)


def _grain(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) float32 noise of variance about 1 as a camera leaves it: demosaiced, then smoothed more or less."""
    h, w = height + height % 2, width + width % 2
    raw = rng.standard_normal((h, w), dtype=np.float32)
    levels = np.clip(raw * 4000 + 32768, 0, 65535).astype(np.uint16)
    grain: np.ndarray = (cv2.cvtColor(levels, cv2.COLOR_BayerBG2RGB).astype(np.float32) - 32768) / 4000
    smoothing = float(rng.uniform(0.0, 1.3))
    if smoothing > 0.3:
        grain = cv2.GaussianBlur(grain, (0, 0), smoothing)
    return np.ascontiguousarray(grain[:height, :width])


def _stored(picture: np.ndarray, quality: int) -> np.ndarray:
    levels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    if quality:
        ok, data = cv2.imencode(".jpg", levels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        if ok:
            levels = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1]
    return levels.astype(np.float32) / 255
