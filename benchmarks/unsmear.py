"""What restoring a smeared photo gains at each scale, and at the one that is chosen, on seeded blur.

    python benchmarks/unsmear.py --data DATA [--model MODEL] [--count 6] [--scales 1 1/2 1/4 auto]

Photos of ``clean_val``, four to a mosaic of 1,150 x 830 px, are smeared along pieces of the recorded movement, with the
camera's noise and JPEG as the model's recipe draws them. Gains in PSNR (RGB), dB. "undone" is the inverse filter alone, without a
network, where the smear is seen.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.data.degrade import blur_from
from core.data.degrade.base import Bounds
from core.data.degrade.blur import Motion
from core.images import io as image_io
from core.images.metrics import psnr_db
from core.jobs import JobControl, ignore
from core.model import catalog
from core.restoring import calibration, smear
from core.restoring.records import RestoreRequest
from core.restoring.restore import restore
from core.training.recipe import TrainRecipe

LENGTHS_PX = (4, 8, 16, 24, 40)
MARGIN_PX = 64
PART_PX = 480, 640  # of each of the four photos


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--scales", nargs="+", default=["1", "1/2", "1/4", "auto"])
    options = parser.parse_args()
    photos = calibration.read_photos(options.data / "clean_val", 4 * options.count)
    made = blur_from(Motion.read(options.data / "motion" / "handheld_240fps.json"))
    recipe = made.params(TrainRecipe.from_toml(catalog.recipe("deblur")).degradation)
    print(f"| smear | seen | undone | {' | '.join(options.scales)} |")
    print("|" + " --- |" * (3 + len(options.scales)))
    rows = []
    for length in LENGTHS_PX:
        params = replace(
            recipe, nearly=0.0, moving=0.0, unfocused=0.0, untouched=0.0, undone=0.0, recorded=1.0,
            length_px=Bounds(length, length),
        )  # fmt: skip
        pair = made.bind_pair(params)
        assert pair is not None
        here = []
        for index in range(len(photos) // 4):
            clean = _mosaic(photos[4 * index : 4 * index + 4]).astype(np.float32) / 255
            sides = pair(clean, np.random.default_rng((11, length, index)), MARGIN_PX)
            here.append(_gains(*(np.rint(side * 255).astype(np.uint8) for side in sides), options))
        rows += here
        _print(f"{length} px", here)
    _print("all", rows)
    return 0


def _print(name: str, rows: list[list[float]]) -> None:
    means = np.mean(rows, axis=0)
    print(f"| {name} | {means[0]:.0%} | {' | '.join(f'{gain:+.2f}' for gain in means[1:])} |", flush=True)


def _mosaic(photos: list[np.ndarray]) -> np.ndarray:
    height, width = PART_PX
    parts = [photo if photo.shape[1] > photo.shape[0] else np.rot90(photo) for photo in photos]
    parts = [part[:height, :width] for part in parts]
    return np.concatenate([np.concatenate(parts[:2], 1), np.concatenate(parts[2:], 1)], 0)


def _gains(blurred: np.ndarray, sharp: np.ndarray, options: argparse.Namespace) -> list[float]:
    """Whether the smear is seen, and what is gained by undoing it alone and by restoring at each scale."""
    before = psnr_db(blurred, sharp, "RGB")
    undone = smear.sharper(blurred, lambda: None)
    found = [float(undone is not blurred), psnr_db(undone, sharp, "RGB") - before]
    for scale in options.scales:
        request = RestoreRequest(task="deblur", model=options.model, scale=scale)
        done = restore(image_io.from_array(blurred), request, ignore, JobControl())
        found.append(psnr_db(done.pixels, sharp, "RGB") - before)
    return found


if __name__ == "__main__":
    sys.exit(main())
