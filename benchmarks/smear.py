"""How often the spectrum tells a smear's length and direction, and how right it is, on seeded blur.

    python benchmarks/smear.py --photos DATA/clean_val [--count 24]

Each photo is blurred along straight and bent paths of several lengths, with noise and JPEG as the blur recipe draws
them, and left sharp. The truth of a path is the line of its main axis with the same spread of places: of a bent one what a
straight smear comes closest to. "Told" is a share of the photos; what is right is a share of those told: the length within a
factor of 1.5, the direction within 15 degrees.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.data.degrade import DEGRADATIONS
from core.data.degrade.base import Bounds
from core.data.degrade.blur import BlurParams, blur_pair, random_path
from core.data.degrade.blur import Path as Way
from core.model import catalog
from core.restoring import calibration, smear
from core.training.recipe import TrainRecipe

CASES = (  # length in px, whether straight
    (0.0, True), (3.0, True), (6.0, True), (10.0, True), (16.0, True), (25.0, True), (10.0, False), (18.0, False),
)  # fmt: skip
LENGTH_FACTOR, DIRECTION_DEG = 1.5, 15.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--count", type=int, default=24)
    options = parser.parse_args()
    photos = calibration.read_photos(options.photos, options.count)
    print("| smear | told | length right | direction right |")
    print("| --- | --- | --- | --- |")
    totals = []
    for case, (length, straight) in enumerate(CASES):
        rows = [_one(photo, length, straight, (7, index, case)) for index, photo in enumerate(photos)]
        told = [(found, truth) for found, truth in rows if found is not None and found.is_certain]
        name = f"{length:g} px, {'straight' if straight else 'bent'}" if length else "none: sharp"
        if not length:
            print(f"| {name} | {len(told)} of {len(rows)} | | |")
            continue
        totals += [(found, truth) for found, truth in told]
        print(f"| {name} | {len(told) / len(rows):.0%} | {_right(told)} |")
    blurred = len(photos) * (len(CASES) - 1)
    print(f"| all blurred | {len(totals) / blurred:.0%} | {_right(totals)} |")
    return 0


def _one(
    photo: np.ndarray, length: float, straight: bool, seed: tuple[int, int, int]
) -> tuple[smear.Smear | None, tuple[float, float]]:
    recipe = DEGRADATIONS["deblur"].params(TrainRecipe.from_toml(catalog.recipe("deblur")).degradation)
    params: BlurParams = replace(
        recipe, straight=float(straight), nearly=0.0, moving=0.0, unfocused=0.0, undone=0.0, untouched=0.0 if length else 1.0,
        length_px=Bounds(max(length, 1.0), max(length, 1.0)),
    )  # fmt: skip
    blurred, _ = blur_pair(photo.astype(np.float32) / 255, np.random.default_rng(seed), params)
    found = smear.find(np.rint(blurred * 255).astype(np.uint8))
    path = _path_of(seed, params, length)
    return found, path.line[:2] if path else (0.0, 0.0)


def _path_of(seed: tuple[int, int, int], params: BlurParams, length: float) -> Way | None:
    """The path that :func:`blur_pair` draws from the same seed."""
    if not length:
        return None
    rng = np.random.default_rng(seed)
    rng.random(5)
    how = rng.spawn(4)[0]
    params.highlights.draw_log(how)
    how.uniform()  # the gain of the scene
    params.length_px.draw_log(how)
    return random_path(length, how, params)


def _right(told: list[tuple[smear.Smear, tuple[float, float]]]) -> str:
    if not told:
        return " | "
    lengths = [abs(np.log(found.length_px / truth[0])) <= np.log(LENGTH_FACTOR) for found, truth in told]
    ways = [abs((found.angle_deg - truth[1] + 90) % 180 - 90) <= DIRECTION_DEG for found, truth in told]
    return f"{np.mean(lengths):.0%} | {np.mean(ways):.0%}"


if __name__ == "__main__":
    raise SystemExit(main())
