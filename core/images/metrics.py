"""How far a picture is from its truth. A number without its protocol is not a number.

Every function takes RGB pictures as stored, (H, W, 3) uint8 or uint16. 16-bit pictures are rounded to
8 bits first, as are the outputs that published numbers are computed on; the two may differ in depth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

Protocol = str  # "Y" | "Y8" | "RGB"

PROTOCOLS: Mapping[str, str] = MappingProxyType(
    {
        "Y": (
            "Y channel, MATLAB studio-range rgb2ycbcr (16 to 235) of 8-bit pictures, Y itself not rounded, "
            "peak 255; SSIM with an 11x11 Gaussian window, sigma 1.5, population covariance"
        ),
        "Y8": (
            "Y channel as above, rounded to whole levels as MATLAB's rgb2ycbcr returns it for 8-bit pictures, "
            "peak 255; SSIM as above"
        ),
        "RGB": (
            "RGB, all three channels of 8-bit pictures, peak 255; SSIM as the mean of the channels, "
            "11x11 Gaussian window, sigma 1.5, population covariance"
        ),
        "LAB": (
            "mean over the pixels of |dL| + |da| + |db| in CIELAB (sRGB, D65) of 8-bit pictures; "
            "the shadow literature calls this RMSE"
        ),
        "SSIM3D": (
            "SSIM of 8-bit RGB pictures as volumes of three layers, 11x11x11 Gaussian window, sigma 1.5, edges "
            "repeated; published GoPro tables use this form, which gives higher values"
        ),
    }
)
"""Protocol key to the sentence that goes with the number."""

SSIM_MIN_PX = 11
"""Below this edge the SSIM window does not fit and :func:`ssim` refuses."""

_PEAK = 255.0
_Y_WEIGHTS = np.array([65.481, 128.553, 24.966]) / 255.0  # MATLAB rgb2ycbcr, for R, G, B in 0..255
_Y_OFFSET = 16.0
_BAND_ROWS = 512  # floats exist for one band at a time, so that 100 MP pictures fit
_SSIM_RADIUS = SSIM_MIN_PX // 2


class MetricError(ValueError):
    """The two pictures cannot be compared: shape, type, size or protocol. The message holds the values."""

    problem_key = "metric"


@dataclass(frozen=True, slots=True)
class Score:
    """PSNR and SSIM of one picture against its truth, by one protocol."""

    psnr_db: float  # inf when the pictures are equal
    ssim: float | None  # None when the picture is smaller than the 11x11 window
    protocol: Protocol


def score(picture: np.ndarray, truth: np.ndarray, protocol: Protocol) -> Score:
    """Both numbers at once. Raises :class:`MetricError` as :func:`psnr_db` does."""
    psnr = psnr_db(picture, truth, protocol)
    fits = min(picture.shape[:2]) >= SSIM_MIN_PX
    return Score(psnr, ssim(picture, truth, protocol) if fits else None, protocol)


def to_8bit(pixels: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 | uint16 to uint8, rounding half up (65535 = 255 * 257)."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    raise MetricError(f"expected uint8 or uint16 pixels, got {pixels.dtype}")


def luma(pixels: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 | uint16 to the (H, W) float64 Y of MATLAB's rgb2ycbcr, 16..235, not rounded."""
    return to_8bit(pixels).astype(np.float64) @ _Y_WEIGHTS + _Y_OFFSET


def psnr_db(a: np.ndarray, b: np.ndarray, protocol: Protocol) -> float:
    """Peak signal-to-noise ratio in dB, peak 255 in all protocols; ``inf`` for equal pictures.

    Raises :class:`MetricError` for shapes that differ, other types than uint8 and uint16, and unknown
    protocols.
    """
    _check(a, b, protocol)
    squared, count = 0.0, 0
    for top, bottom in _bands(a.shape[0]):
        difference = _planes(a[top:bottom], protocol) - _planes(b[top:bottom], protocol)
        squared += float(np.sum(difference * difference))
        count += difference.size
    if squared == 0.0:
        return float("inf")
    return float(10.0 * np.log10(_PEAK * _PEAK * count / squared))


def region_psnr_db(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    """As :func:`psnr_db` in RGB, over the pixels of an (H, W) bool mask.

    Raises :class:`MetricError` as that does, and when ``where`` is empty or of another size.
    """
    _check(a, b, "RGB")
    if where.shape != a.shape[:2] or where.dtype != np.bool_ or not where.any():
        raise MetricError(f"the mask is {where.shape} {where.dtype}, need {a.shape[:2]} bool and not empty")
    squared = 0.0
    for top, bottom in _bands(a.shape[0]):
        difference = _planes(a[top:bottom], "RGB") - _planes(b[top:bottom], "RGB")
        squared += float(np.square(difference[where[top:bottom]]).sum())
    if squared == 0.0:
        return float("inf")
    return float(10.0 * np.log10(_PEAK * _PEAK * 3 * np.count_nonzero(where) / squared))


def ssim(a: np.ndarray, b: np.ndarray, protocol: Protocol) -> float:
    """Structural similarity, -1..1: Gaussian 11x11, sigma 1.5, population covariance, valid pixels only.

    Raises :class:`MetricError` as :func:`psnr_db`, and for pictures smaller than 11 px on an edge.
    """
    from skimage.metrics import structural_similarity  # a third of a second; not everyone measures

    _check(a, b, protocol)
    height, width = a.shape[:2]
    if min(height, width) < SSIM_MIN_PX:
        raise MetricError(f"SSIM needs at least {SSIM_MIN_PX}x{SSIM_MIN_PX} px, got {width}x{height} px")
    total = 0.0
    rows = height - 2 * _SSIM_RADIUS  # window centres
    for top, bottom in _bands(rows):
        # the band's centres, with the half window around them that their windows reach into
        reach = slice(top, bottom + 2 * _SSIM_RADIUS)
        mean = structural_similarity(
            _planes(a[reach], protocol),
            _planes(b[reach], protocol),
            data_range=_PEAK,
            gaussian_weights=True,
            sigma=1.5,
            truncate=3.5,  # radius int(3.5 * 1.5 + 0.5) = 5: 11x11
            use_sample_covariance=False,
            channel_axis=2,
        )
        total += float(mean) * (bottom - top)
    return total / rows


def ssim_3d(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity of the pictures taken as (H, W, 3) volumes, protocol "SSIM3D", -1..1.

    As MATLAB's ``ssim`` does with an RGB picture: the Gaussian window (11x11x11, sigma 1.5) reaches over the channels,
    too, and what lies beyond the borders is repeated. Raises :class:`MetricError` as :func:`psnr_db`.
    """
    from core.cv import cv2

    _check(a, b, "RGB")
    weights = cv2.getGaussianKernel(SSIM_MIN_PX, 1.5)[:, 0]
    across = np.zeros((3, 3))  # from channel (row) to channel (column): those beyond are the outermost again
    for to in range(3):
        for offset, weight in enumerate(weights, -_SSIM_RADIUS):
            across[min(max(to + offset, 0), 2), to] += weight

    def blurred(volume: np.ndarray) -> np.ndarray:
        window = (SSIM_MIN_PX, SSIM_MIN_PX)
        flat: np.ndarray = cv2.GaussianBlur(volume, window, 1.5, borderType=cv2.BORDER_REPLICATE)
        return flat @ across

    c1, c2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2
    total, height = 0.0, a.shape[0]
    for top, bottom in _bands(height):
        first, last = max(0, top - _SSIM_RADIUS), min(height, bottom + _SSIM_RADIUS)
        x, y = (to_8bit(picture[first:last]).astype(np.float64) for picture in (a, b))
        mean_x, mean_y = blurred(x), blurred(y)
        var_x, var_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
        together = blurred(x * y) - mean_x * mean_y
        values = (2 * mean_x * mean_y + c1) * (2 * together + c2)
        values = values / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
        total += float(values[top - first : bottom - first].sum())
    return total / a.size


def lab_mae(a: np.ndarray, b: np.ndarray, where: np.ndarray | None = None) -> float:
    """Mean over the pixels of |dL| + |da| + |db| in CIELAB, protocol "LAB".

    ``where`` is an (H, W) bool mask of the pixels that count (a shadow region); None counts all.
    Raises :class:`MetricError` as :func:`psnr_db`, and when ``where`` is empty or of another size.
    """
    from skimage.color import rgb2lab

    _check(a, b, "RGB")
    if where is not None and (where.shape != a.shape[:2] or where.dtype != np.bool_):
        raise MetricError(f"the mask is {where.shape} {where.dtype}, need {a.shape[:2]} bool")
    total, count = 0.0, 0
    for top, bottom in _bands(a.shape[0]):
        difference = np.abs(rgb2lab(to_8bit(a[top:bottom])) - rgb2lab(to_8bit(b[top:bottom]))).sum(axis=2)
        chosen = difference if where is None else difference[where[top:bottom]]
        total += float(chosen.sum(dtype=np.float64))
        count += chosen.size
    if count == 0:
        raise MetricError("the mask is empty: no pixel to compare")
    return total / count


def _planes(pixels: np.ndarray, protocol: Protocol) -> np.ndarray:
    """(H, W, C) float64, 0..255: C = 1 for "Y" and "Y8", 3 for "RGB"."""
    if protocol == "Y":
        return luma(pixels)[:, :, None]
    if protocol == "Y8":
        return np.floor(luma(pixels) + 0.5)[:, :, None]  # MATLAB rounds half up
    return to_8bit(pixels).astype(np.float64)


def _bands(rows: int) -> Iterator[tuple[int, int]]:
    for top in range(0, rows, _BAND_ROWS):
        yield top, min(top + _BAND_ROWS, rows)


def _check(a: np.ndarray, b: np.ndarray, protocol: Protocol) -> None:
    if protocol not in ("Y", "Y8", "RGB"):
        raise MetricError(f"unknown protocol {protocol!r}, known are Y, Y8 and RGB")
    for pixels in (a, b):
        if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
            raise MetricError(f"expected (height, width, 3) pixels, got {pixels.shape}")
        if pixels.dtype not in (np.uint8, np.uint16):
            raise MetricError(f"expected uint8 or uint16 pixels, got {pixels.dtype}")
    if a.shape != b.shape:
        raise MetricError(f"sizes differ: {a.shape[1]}x{a.shape[0]} px against {b.shape[1]}x{b.shape[0]} px")
