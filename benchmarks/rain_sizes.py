"""Camera-size photos under rain of several sizes at once: which copy is restored, what it brings, and in which time.

    python benchmarks/rain_sizes.py --data DATA [--size 4032x1536] [--scales auto,1/8,1/4,1/2] [--only 0,3] [--json]

Seeded composites: photos of ``DATA/clean_val`` enlarged and laid side by side, with grain, under layers of ``DATA/rain_layers``
at 2, 4 and 8 times their size and under drawn streaks of several widths, saved as JPEG of quality 95. Each is restored at every
scale that is named (``1`` for the time of full size); PSNR on Y. Seconds are those of the processor, so that other programs count
less: set ``OMP_NUM_THREADS=1`` where others run beside. What ``auto`` does was chosen on these.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from core.cv import cv2  # noqa: E402
from core.data.degrade.base import Bounds  # noqa: E402
from core.data.degrade.layers import upright  # noqa: E402
from core.data.degrade.rain import RainParams, rain  # noqa: E402
from core.images import io as image_io  # noqa: E402
from core.images import metrics  # noqa: E402
from core.jobs import JobControl, ignore  # noqa: E402
from core.model import catalog  # noqa: E402
from core.restoring.restore import RestoreRequest, restore  # noqa: E402

_GRAIN = 1.5  # levels, standard deviation
_LAYER = (321, 481)  # the layers that are taken; all others stand
Paint = Callable[["_Rain"], np.ndarray]


class _Rain:
    """Light that rain adds, (H, W) float32 in levels of 255, drawn from one seed."""

    def __init__(self, rng: np.random.Generator, layers: Sequence[Path], width: int, height: int) -> None:
        self.rng, self.layers, self.width, self.height = rng, layers, width, height

    def strength(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def layer(self, by: int, strength: float) -> np.ndarray:
        """A published layer at ``by`` times its size, repeated to cover the photo."""
        found = None
        while found is None or found.shape != _LAYER:
            path = self.layers[int(self.rng.integers(len(self.layers)))]
            found = image_io.read(path).pixels[..., 0]
        light = upright(found).astype(np.float32)
        large = cv2.resize(light, None, fx=by, fy=by, interpolation=cv2.INTER_CUBIC).clip(0)
        times = -(-self.height // large.shape[0]), -(-self.width // large.shape[1])
        return np.asarray(np.tile(large, times)[: self.height, : self.width] * strength)

    def drawn(self, by: int, **ranges: Any) -> np.ndarray:
        size = -(-self.height // by), -(-self.width // by), 3
        light = rain(np.zeros(size, np.float32), self.rng, RainParams(untouched=0, **ranges))
        large = cv2.resize(light, (self.width, self.height), interpolation=cv2.INTER_CUBIC)
        return np.asarray(255 * large.clip(0).max(2))

    def on_one_side(self) -> np.ndarray:
        """(H, W) from 0 to 1."""
        y, x = np.mgrid[0 : self.height, 0 : self.width].astype(np.float32)
        turn = self.rng.uniform(0, 2 * np.pi)
        along = np.cos(turn) * (x / self.width - 0.5) + np.sin(turn) * (y / self.height - 0.5)
        return np.asarray(1 / (1 + np.exp(-8 * along)))


def _camera(light: _Rain) -> np.ndarray:
    """As over the camera-size sample that ships."""
    fine = light.drawn(
        1,
        length_px=Bounds(90, 170),
        width_px=Bounds(3.2, 6),
        cover=Bounds(0.05, 0.1),
        strength=Bounds(0.15, 0.3),
    )
    return fine + light.drawn(
        1,
        length_px=Bounds(220, 420),
        width_px=Bounds(4.5, 10),
        cover=Bounds(0.012, 0.03),
        strength=Bounds(0.3, 0.5),
    )


def _near_and(light: _Rain, by: int, low: float, high: float) -> np.ndarray:
    return light.layer(8, light.strength(0.25, 0.5)) + light.layer(by, light.strength(low, high))


def _three(light: _Rain) -> np.ndarray:
    near = light.layer(8, light.strength(0.2, 0.4))
    return near + light.layer(4, light.strength(0.15, 0.3)) + light.layer(2, light.strength(0.1, 0.3))


def _partly(light: _Rain) -> np.ndarray:
    near = light.layer(8, light.strength(0.25, 0.5))
    return near + light.layer(2, light.strength(0.25, 0.5)) * light.on_one_side()


def _wide_and_thin(light: _Rain) -> np.ndarray:
    wide = light.drawn(2, length_px=Bounds(100, 300), width_px=Bounds(4, 10))
    return wide + light.drawn(2, length_px=Bounds(20, 60), width_px=Bounds(1, 2), cover=Bounds(0.03, 0.1))


COMPOSITES: tuple[tuple[str, Paint], ...] = (
    ("layers of 8 and 2 times", lambda light: _near_and(light, 2, 0.15, 0.4)),
    ("layers of 8 and 4 times", lambda light: _near_and(light, 4, 0.15, 0.4)),
    ("layers of 8, 4 and 2 times", _three),
    ("as a camera shows it", _camera),
    ("a layer of 8 times, one of 2 on one side", _partly),
    ("wide and thin streaks", _wide_and_thin),
    ("a layer of 8 times alone", lambda light: light.layer(8, light.strength(0.25, 0.5))),
    ("drawn rain of 8 and 2 times", lambda light: light.drawn(8) + light.drawn(2)),
    ("as a camera shows it, again", _camera),
    ("as a camera shows it, once more", _camera),
)


def composite(data: Path, index: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """One of :data:`COMPOSITES`: clean and rainy, each (height, width, 3) uint8."""
    rng = np.random.default_rng([11, index])
    photos, layers = (sorted((data / name).iterdir()) for name in ("clean_val", "rain_layers"))
    cell = 1008 if index % 3 else 504
    rows, columns = -(-height // cell), -(-width // cell)
    mosaic = np.empty((rows * cell, columns * cell, 3), np.uint8)
    for y in range(0, rows * cell, cell):
        for x in range(0, columns * cell, cell):
            pixels = image_io.read(photos[int(rng.integers(len(photos)))]).pixels
            mosaic[y : y + cell, x : x + cell] = cv2.resize(
                pixels, (cell, cell), interpolation=cv2.INTER_CUBIC
            )
    grainy = mosaic[:height, :width] + rng.normal(0, _GRAIN, (height, width, 3))
    clean = grainy.astype(np.float32).clip(0, 255)
    light = COMPOSITES[index][1](_Rain(rng, layers, width, height))
    clean8 = np.rint(clean).astype(np.uint8)
    rainy = np.rint(np.clip(clean8 + light[..., None], 0, 255)).astype(np.uint8)
    encoded = cv2.imencode(".jpg", rainy[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None
    return clean8, np.ascontiguousarray(decoded[..., ::-1], np.uint8)


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    width, height = (int(edge) for edge in options.size.split("x"))
    rows = []
    for index in options.only:
        clean, rainy = composite(options.data, index, width, height)
        row: dict[str, Any] = {"composite": index, "rain": COMPOSITES[index][0]}
        row["input_db"] = metrics.psnr_db(rainy, clean, "Y")
        picture = image_io.from_array(rainy)
        for scale in options.scales:
            request = RestoreRequest(model=options.model, device="cpu", scale=scale)
            if not rows and scale == options.scales[0]:  # loading and warming up are in no time
                small = image_io.from_array(np.ascontiguousarray(rainy[::8, ::8]))
                restore(small, request, ignore, JobControl())
            began = time.process_time()
            done = restore(picture, request, ignore, JobControl())
            seconds = time.process_time() - began
            db = metrics.psnr_db(done.pixels, clean, "Y")
            row[scale] = {"db": db, "seconds": seconds, "scale": done.verdict.scale}
        rows.append(row)
        print(_line(row, options.scales), file=sys.stderr, flush=True)
    return rows


def _line(row: dict[str, Any], scales: Sequence[str]) -> str:
    told = []
    for scale in scales:
        found = row[scale]
        used = f" ({found['scale']})" if scale == "auto" else ""
        told.append(f"{scale}{used} {found['db']:.2f} in {found['seconds']:.1f} s")
    return f"{row['composite']} {row['rain']:<42} {row['input_db']:.2f} -> {', '.join(told)}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="holds clean_val and rain_layers"
    )
    parser.add_argument("--size", default="4032x1536", metavar="WxH", help="of each composite, px")
    parser.add_argument("--scales", type=lambda text: text.split(","), default=["auto", "1/8", "1/4", "1/2"])
    parser.add_argument(
        "--only",
        type=lambda text: [int(part) for part in text.split(",")],
        default=list(range(len(COMPOSITES))),
        metavar="N,N",
    )
    parser.add_argument("--model", type=catalog.resolve, default=None, metavar="NAME|PATH")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args(arguments)
    rows = measure(options)
    if options.json:
        print(json.dumps({"rows": rows}))
        return 0
    for scale in options.scales:
        print(f"{scale:<5} {fmean(row[scale]['db'] for row in rows):.2f} dB, ", end="")
        print(f"{sum(row[scale]['seconds'] for row in rows):.1f} s of processor")
    print(f"input {fmean(row['input_db'] for row in rows):.2f} dB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
