"""How well the places of damage are guessed: on photos damaged in a part of them, and on clean ones by what is marked at all.

    python benchmarks/damage_guess.py derain --photos DATA/clean_val [--count 24] [--layers DATA/rain_layers]
    python benchmarks/damage_guess.py deblur --photos DATA/clean_val

A seeded half, third or ellipse of each photo, feathered, has damage as the model's own recipe draws it (that one sees: 5 levels of
255 in root mean square or more). Intersection over union with that place, 0 where none is found; PSNR (RGB, 8 bit, whole photo)
of the damaged photo, restored everywhere, only in the guess, and only in the true place; and of the same photos undamaged, how many
are marked and how much of them. ``--layers`` lays published layers of rain on instead of drawn rain. The numbers of
:mod:`core.restoring.damage_guess` were chosen on ``--photos DATA/clean --count 40``.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.cv import cv2
from core.images import io as image_io
from core.images.metrics import psnr_db
from core.jobs import JobControl, ignore
from core.model import catalog, checkpoint
from core.restoring import calibration, restore
from core.restoring.records import RestoreRequest

LEAST_LEVELS = 5.0
TRIES = 12
FEATHER_PX = 6.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("task")
    parser.add_argument("--photos", type=Path, required=True, help="folder of clean photos")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--model", default="")
    parser.add_argument("--layers", type=Path, help="folder of grey layers of rain")
    parser.add_argument("--clean-only", action="store_true", help="only what is marked of clean photos")
    options = parser.parse_args()
    model = catalog.resolve(options.model) if options.model else catalog.default_model(options.task)
    request = RestoreRequest(task=options.task, model=model)
    photos = calibration.read_photos(options.photos, options.count)
    marked = []
    for photo in photos:
        found = place(calibration.as_jpeg(photo), request)
        marked.append(0.0 if found is None else float((found > 127).mean()))
    shares = [share for share in marked if share]
    print(
        f"clean: {len(shares)} of {len(photos)} marked, {100 * np.mean(shares or [0]):.0f} % of each",
        flush=True,
    )
    if options.clean_only:
        return 0
    rows = []
    for index, photo in enumerate(photos):
        truth, damaged, where = spoilt(photo, index, options.task, model, options.layers)
        found = place(damaged, request)
        everywhere, there, exact = (
            restored(damaged, request, only)
            for only in (None, np.zeros(where.shape, np.uint8) if found is None else found, np.rint(where * 255).astype(np.uint8))
        )  # fmt: skip
        inside = np.zeros(where.shape, bool) if found is None else found > 127
        union = (inside | (where > 0.5)).sum()
        rows.append(
            (
                float((inside & (where > 0.5)).sum() / max(1, union)),
                float(found is not None),
                *(psnr_db(each, truth, "RGB") for each in (damaged, everywhere, there, exact)),
            )
        )
        print(f"{index}: {' '.join(f'{value:.2f}' for value in rows[-1])}", flush=True)
    iou, is_found, *db = np.mean(rows, axis=0)
    of_found = np.mean([row[0] for row in rows if row[1]])
    print(
        f"{options.photos.name}: found {100 * is_found:.0f} % of {len(rows)}, IoU {iou:.3f}, of those found {of_found:.3f}"
    )
    print(
        "dB damaged, restored everywhere, in the guess, in the true place: "
        + ", ".join(f"{v:.2f}" for v in db)
    )
    better = sum(row[4] > row[3] for row in rows)
    print(f"restored in the guess {better} are better than restored everywhere")
    return 0


def spoilt(
    photo: np.ndarray, index: int, task: str, model: Path, layers: Path | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and damaged photo, (H, W, 3) uint8, and where it is damaged, (H, W) float32 in 0..1."""
    rng = np.random.default_rng((5, index))
    params = calibration.own_params(task, checkpoint.load(model).provenance)
    for _ in range(TRIES):
        if layers is None:
            truth, all_over = calibration.spoil(photo, task, params, 1.0, rng)
        else:
            truth, all_over = photo, with_layer(photo, layers, rng)
        where = region(*truth.shape[:2], rng)
        off = np.square(all_over.astype(np.float32) - truth)[where > 0.5]
        if np.sqrt(off.mean()) >= LEAST_LEVELS:
            break
    mixed = truth * (1 - where[..., None]) + all_over * where[..., None]
    return truth, np.rint(mixed).astype(np.uint8), where


def with_layer(photo: np.ndarray, layers: Path, rng: np.random.Generator) -> np.ndarray:
    paths = list(image_io.find_images(layers, False))
    layer = image_io.read(paths[int(rng.integers(len(paths)))]).pixels
    layer = cv2.resize(layer, (photo.shape[1], photo.shape[0]), interpolation=cv2.INTER_LINEAR)
    return calibration.as_jpeg(np.clip(photo.astype(int) + layer, 0, 255).astype(np.uint8))


def region(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """(H, W) float32: 30 to 60 % from one side, or an ellipse."""
    where = np.zeros((height, width), np.float32)
    if rng.random() < 0.5:
        side, share = int(rng.integers(4)), float(rng.uniform(0.3, 0.6))
        down, right = round(height * share), round(width * share)
        box = (np.s_[:, :right], np.s_[:, width - right :], np.s_[:down], np.s_[height - down :])[side]
        where[box] = 1
    else:
        half = rng.uniform(0.18, 0.35, 2)
        middle = rng.uniform(0.2, 0.8, 2)
        y, x = np.mgrid[:height, :width]
        where[((x / width - middle[0]) / half[0]) ** 2 + ((y / height - middle[1]) / half[1]) ** 2 < 1] = 1
    return np.asarray(cv2.GaussianBlur(where, (0, 0), FEATHER_PX))


def place(pixels: np.ndarray, request: RestoreRequest) -> np.ndarray | None:
    found = restore.guess_only(image_io.from_array(pixels), request, ignore, JobControl())
    return None if found is None else found.mask


def restored(pixels: np.ndarray, request: RestoreRequest, only: np.ndarray | None) -> np.ndarray:
    if only is not None and not only.any():
        return pixels
    asked = replace(request, only=only)
    return restore.restore(image_io.from_array(pixels), asked, ignore, JobControl()).pixels


if __name__ == "__main__":
    raise SystemExit(main())
