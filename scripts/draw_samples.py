"""Draw what training by a recipe would show: pairs of truth and damaged crop, one sheet of them.

    python scripts/draw_samples.py deblur --data DIR --out sheet.png
    python scripts/draw_samples.py deblur --data DIR --out sheet.png --beside photos-with-real-blur/

The crops come from the recipe's own training source, camera and all. With ``--beside`` crops of other
photos stand below them, to see whether what is made looks like what is real.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # the script may be run from any folder and without an install

from core.cv import cv2  # noqa: E402
from core.images import io as image_io  # noqa: E402
from core.images import metrics  # noqa: E402
from core.model import catalog  # noqa: E402
from core.training.data import read_data  # noqa: E402
from core.training.recipe import TrainRecipe  # noqa: E402

COLUMNS = 4  # pairs side by side


def rows_of(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """(H, W, 3) of equal tiles, row by row; what is missing in the last row stays black."""
    blank = np.zeros_like(tiles[0])
    filled = [*tiles, *[blank] * (-len(tiles) % columns)]
    return np.vstack([np.hstack(filled[at : at + columns]) for at in range(0, len(filled), columns)])


def samples(recipe: TrainRecipe, data: tuple[Path, ...], count: int, first: int) -> list[np.ndarray]:
    """``count`` tiles (P, 2P, 3) uint8: truth and damaged crop."""
    source, _, _ = read_data(recipe, data)
    found = []
    for index in range(first, first + count):
        damaged, truth, _ = source.sample(index)
        found.append(np.rint(np.hstack([truth, damaged]) * 255).astype(np.uint8))
    return found


def real(folder: Path, patch_px: int, count: int, seed: int) -> list[np.ndarray]:
    """``count`` tiles (P, 2P, 3) uint8: two crops of a photo side by side."""
    photos = list(image_io.find_images(folder, recursive=False))
    rng = np.random.default_rng(seed)
    found = []
    for index in range(count):
        picture = metrics.to_8bit(image_io.read(photos[index % len(photos)]).pixels)
        crops = []
        for _ in range(2):
            top, left = (int(rng.integers(0, max(1, n - patch_px))) for n in picture.shape[:2])
            crop = picture[top : top + patch_px, left : left + patch_px]
            down, right = patch_px - crop.shape[0], patch_px - crop.shape[1]
            crops.append(np.pad(crop, ((0, down), (0, right), (0, 0))))
        found.append(np.hstack(crops))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe", help="name of a recipe that ships, or a file")
    parser.add_argument("--data", type=Path, action="append", default=[], metavar="DIR", help="DATA")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the sheet, a PNG")
    parser.add_argument("--beside", type=Path, metavar="DIR", help="photos to compare with")
    parser.add_argument("--count", type=int, default=24, help="pairs [24]")
    parser.add_argument("--first", type=int, default=0, help="number of the first sample [0]")
    parser.add_argument("--patch", type=int, default=192, metavar="PX", help="edge of a crop [192]")
    options = parser.parse_args(arguments)
    recipe = TrainRecipe.from_toml(catalog.recipe(options.recipe))
    recipe = replace(recipe, patch_px=options.patch, crops_per_photo=1)
    tiles = samples(recipe, tuple(options.data), options.count, options.first)
    if options.beside is not None:
        tiles += real(options.beside, options.patch, options.count, options.first)
    ok, data = cv2.imencode(".png", rows_of(tiles, COLUMNS)[..., ::-1])
    if not ok:
        raise OSError(f"{options.out}: could not be encoded")
    options.out.write_bytes(data.tobytes())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
