"""Metrics against hand-computed values, scikit-image, and an SSIM written out from its definition."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import color
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from core.images import metrics
from core.tasks import TASKS


def _noise(height: int, width: int, seed: int = 0, dtype: type = np.uint8) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, (height, width, 3), dtype, endpoint=True)


def _pair(height: int = 40, width: int = 50) -> tuple[np.ndarray, np.ndarray]:
    truth = _noise(height, width, 1)
    shift = np.random.default_rng(2).integers(-30, 31, truth.shape)
    return np.clip(truth + shift, 0, 255).astype(np.uint8), truth


def test_ssim_as_a_volume_is_what_a_three_dimensional_window_gives() -> None:
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(3)
    a = rng.integers(0, 256, (24, 31, 3), dtype=np.uint8)
    b = np.clip(a.astype(int) + rng.integers(-40, 41, a.shape), 0, 255).astype(np.uint8)
    x, y = a.astype(float), b.astype(float)

    def mean(volume: np.ndarray) -> np.ndarray:
        return np.asarray(gaussian_filter(volume, 1.5, mode="nearest", radius=5))

    mx, my = mean(x), mean(y)
    vx, vy, xy = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = 2.55**2, 7.65**2
    expected = ((2 * mx * my + c1) * (2 * xy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean()
    assert metrics.ssim_3d(a, b) == pytest.approx(expected, abs=1e-6)
    assert metrics.ssim_3d(a, a) == pytest.approx(1.0)
    assert metrics.ssim_3d(a, b) == pytest.approx(metrics.ssim_3d(b, a))


def test_psnr_by_hand() -> None:
    # every value off by 5: MSE 25, 10 log10(255^2 / 25) = 34.1514 dB
    a = np.full((7, 9, 3), 100, np.uint8)
    assert metrics.psnr_db(a, a + 5, "RGB") == pytest.approx(10 * math.log10(65025 / 25))
    # on Y the same shift is 5 * 219/255
    assert metrics.psnr_db(a, a + 5, "Y") == pytest.approx(20 * math.log10(255 / (5 * 219 / 255)))
    # one channel of one of four pixels off by 10: MSE 100 / 12
    b = np.full((2, 2, 3), 50, np.uint8)
    c = b.copy()
    c[0, 1, 2] = 60
    assert metrics.psnr_db(b, c, "RGB") == pytest.approx(10 * math.log10(65025 * 12 / 100))


def test_equal_pictures_are_infinitely_close() -> None:
    a = _noise(16, 16)
    assert metrics.psnr_db(a, a.copy(), "Y") == math.inf
    assert metrics.ssim(a, a.copy(), "RGB") == pytest.approx(1.0)
    assert metrics.lab_mae(a, a.copy()) == 0.0


def test_luma_is_matlab_rgb2ycbcr() -> None:
    # by hand: black 16, white 235, each primary 16 plus its weight
    pixels = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    assert metrics.luma(pixels)[0] == pytest.approx([16.0, 235.0, 81.481, 144.553, 40.966])
    busy = _noise(20, 20, 3)
    assert metrics.luma(busy) == pytest.approx(color.rgb2ycbcr(busy)[..., 0])


def test_psnr_agrees_with_scikit_image() -> None:
    a, b = _pair()
    assert metrics.psnr_db(a, b, "RGB") == pytest.approx(peak_signal_noise_ratio(b, a, data_range=255))
    y_a, y_b = color.rgb2ycbcr(a)[..., 0], color.rgb2ycbcr(b)[..., 0]
    assert metrics.psnr_db(a, b, "Y") == pytest.approx(peak_signal_noise_ratio(y_b, y_a, data_range=255))


def test_ssim_agrees_with_its_definition() -> None:
    a, b = _pair(15, 13)
    x, y = metrics.luma(a), metrics.luma(b)
    axis = np.arange(-5, 6)
    line = np.exp(-(axis**2) / (2 * 1.5**2))
    window = np.outer(line, line) / np.outer(line, line).sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for row in range(15 - 10):
        for column in range(13 - 10):
            p, q = x[row : row + 11, column : column + 11], y[row : row + 11, column : column + 11]
            mean_p, mean_q = (window * p).sum(), (window * q).sum()
            var_p = (window * p * p).sum() - mean_p**2
            var_q = (window * q * q).sum() - mean_q**2
            both = (window * p * q).sum() - mean_p * mean_q
            values.append(
                (2 * mean_p * mean_q + c1)
                * (2 * both + c2)
                / ((mean_p**2 + mean_q**2 + c1) * (var_p + var_q + c2))
            )
    assert metrics.ssim(a, b, "Y") == pytest.approx(np.mean(values), abs=1e-10)


def test_ssim_in_rgb_is_the_mean_of_the_channels() -> None:
    a, b = _pair()
    channels = [
        structural_similarity(
            a[..., c].astype(float), b[..., c].astype(float), data_range=255,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )
        for c in range(3)
    ]  # fmt: skip
    assert metrics.ssim(a, b, "RGB") == pytest.approx(np.mean(channels))


@pytest.mark.parametrize("protocol", ["Y", "RGB"])
@pytest.mark.parametrize("height", [511, 512, 523, 1100])
def test_bands_change_nothing(height: int, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = _pair(height, 24)
    banded = (
        metrics.psnr_db(a, b, protocol),
        metrics.ssim(a, b, protocol),
        metrics.lab_mae(a, b),
        metrics.ssim_3d(a, b),
    )
    monkeypatch.setattr(metrics, "_BAND_ROWS", 10_000)
    whole = (
        metrics.psnr_db(a, b, protocol),
        metrics.ssim(a, b, protocol),
        metrics.lab_mae(a, b),
        metrics.ssim_3d(a, b),
    )
    assert banded == pytest.approx(whole, abs=1e-9)


def test_16_bit_is_rounded_to_8_bits_first() -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.floor(ramp / 257 + 0.5).astype(np.uint8)
    assert np.array_equal(metrics.to_8bit(np.dstack([ramp] * 3))[..., 0], expected)
    eight = _noise(30, 30, 4)
    sixteen = eight.astype(np.uint16) * 257 + 60  # within half a level of 8 bits
    sixteen[eight == 255] = 65535
    assert metrics.psnr_db(sixteen, eight, "RGB") == math.inf


def test_lab_error_by_hand() -> None:
    # greys differ in L only: L* of sRGB 128 is 53.585, of 0 it is 0
    grey = np.full((4, 4, 3), 128, np.uint8)
    assert metrics.lab_mae(grey, np.zeros_like(grey)) == pytest.approx(53.585, abs=0.01)
    # pure red against black: L 53.24, a 80.09, b 67.20 in the published tables
    red = np.zeros((3, 3, 3), np.uint8)
    red[..., 0] = 255
    assert metrics.lab_mae(red, np.zeros_like(red)) == pytest.approx(53.24 + 80.09 + 67.20, abs=0.05)


def test_lab_error_of_a_region() -> None:
    a = np.full((6, 8, 3), 128, np.uint8)
    b = a.copy()
    b[:, :2] = 0
    inside = np.zeros((6, 8), bool)
    inside[:, :2] = True
    assert metrics.lab_mae(a, b, inside) == pytest.approx(53.585, abs=0.01)
    assert metrics.lab_mae(a, b, ~inside) == 0.0
    assert metrics.lab_mae(a, b) == pytest.approx(53.585 / 4, abs=0.01)
    with pytest.raises(metrics.MetricError, match="empty"):
        metrics.lab_mae(a, b, np.zeros((6, 8), bool))
    with pytest.raises(metrics.MetricError, match=r"\(8, 6\)"):
        metrics.lab_mae(a, b, inside.T)


@pytest.mark.parametrize("size", [(1, 1), (10, 300), (300, 10)])
def test_too_small_for_ssim(size: tuple[int, int]) -> None:
    a, b = _noise(*size, 1), _noise(*size, 2)
    with pytest.raises(metrics.MetricError, match=f"{size[1]}x{size[0]} px"):
        metrics.ssim(a, b, "Y")
    scored = metrics.score(a, b, "Y")
    assert scored.ssim is None and math.isfinite(scored.psnr_db)
    assert metrics.score(_noise(11, 11, 1), _noise(11, 11, 2), "Y").ssim is not None


def test_what_cannot_be_compared_is_named() -> None:
    a = _noise(20, 30)
    with pytest.raises(metrics.MetricError, match="30x20 px against 20x30 px"):
        metrics.psnr_db(a, a.transpose(1, 0, 2), "Y")
    with pytest.raises(metrics.MetricError, match="float32"):
        metrics.psnr_db(a.astype(np.float32), a, "Y")
    with pytest.raises(metrics.MetricError, match="'luma'"):
        metrics.psnr_db(a, a, "luma")
    with pytest.raises(metrics.MetricError, match=r"\(20, 30\)"):
        metrics.ssim(a[..., 0], a[..., 0], "RGB")


@settings(max_examples=25, deadline=None)
@given(st.integers(11, 30), st.integers(11, 30), st.integers(0, 1000), st.sampled_from(["Y", "Y8", "RGB"]))
def test_symmetric_and_bounded(height: int, width: int, seed: int, protocol: str) -> None:
    a, b = _noise(height, width, seed), _noise(height, width, seed + 1)
    assert metrics.psnr_db(a, b, protocol) == pytest.approx(metrics.psnr_db(b, a, protocol))
    value = metrics.ssim(a, b, protocol)
    assert -1.0 <= value <= 1.0
    assert value == pytest.approx(metrics.ssim(b, a, protocol))


def test_every_task_has_a_protocol_with_a_sentence() -> None:
    used = {key for task in TASKS.values() for key in (task.protocol, *task.also)}
    assert used <= set(metrics.PROTOCOLS)
    assert all(len(metrics.PROTOCOLS[key]) > 40 for key in used)


def test_measuring_does_not_import_torch() -> None:
    code = (
        "import sys, numpy as np, core.images.metrics as m; a = np.zeros((12, 12, 3), np.uint8);"
        "m.score(a, a + 1, 'Y'); m.lab_mae(a, a); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_y_rounded_as_matlab_returns_it() -> None:
    """``rgb2ycbcr(uint8(...))``: white is 235, black 16, and pure red 81 where 81.481 is not rounded."""
    colours = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0]]], np.uint8)
    assert np.allclose(metrics.luma(colours), [[235, 16, 81.481]])
    assert metrics._planes(colours, "Y8")[..., 0].tolist() == [[235, 16, 81]]
    a, b = _pair()
    rounded = np.floor(metrics.luma(a) + 0.5) - np.floor(metrics.luma(b) + 0.5)
    assert metrics.psnr_db(a, b, "Y8") == pytest.approx(10 * np.log10(255**2 / np.mean(rounded**2)))
