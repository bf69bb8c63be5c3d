"""How well cast shadows are guessed: on pairs against where they differ, on clean photos by what is marked at all.

    python benchmarks/shadow_guess.py --pairs DATA/pairs/shadow [--scenes NAME ...] --clean DATA/clean_val [--restore]
    python benchmarks/shadow_guess.py --pairs DATA/pairs/shadow --scenes NAME ... --slivers

Intersection over union with the shadow of each pair, averaged over pairs (0 where none is found), in total and for the
scenes that are named (the part of a name before its last underscore) and the others. ``--restore`` also restores by the
guess: what that gains over the input and over the network told nothing, and at how many decibels clean photos come back
(RGB; unchanged ones count as 60). ``--slivers`` puts four seeded slivers of the truth, 5 to 19 px wide, into the shadow of each pair of these
scenes, restores it with a mask that covers them, and says by how many levels of 255 they are off then (mean of the pairs).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.cv import cv2
from core.data.dataset import find_pairs
from core.data.degrade import DEGRADATIONS
from core.images import io as image_io
from core.images.metrics import psnr_db, to_8bit
from core.jobs import JobControl, ignore
from core.model import catalog
from core.restoring import restore
from core.restoring.records import RestoreRequest

TASK = "deshadow"
MOST_DB = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--scenes", nargs="*", default=[], help="reported apart from the others")
    parser.add_argument("--clean", type=Path, help="photos without cast shadows")
    parser.add_argument("--model", default="deshadow-s")
    parser.add_argument("--restore", action="store_true")
    parser.add_argument(
        "--slivers", action="store_true", help="lit places that the mask covers, nothing else"
    )
    options = parser.parse_args()
    request = RestoreRequest(task=TASK, model=catalog.resolve(options.model))
    if options.slivers:
        on_slivers(options.pairs, set(options.scenes), request)
        return 0
    if options.pairs is not None:
        on_pairs(options.pairs, set(options.scenes), request, options.restore)
    if options.clean is not None:
        on_clean(options.clean, request, options.restore)
    return 0


def on_pairs(folder: Path, scenes: set[str], request: RestoreRequest, wants_restored: bool) -> None:
    find_mask = DEGRADATIONS[TASK].find_mask
    assert find_mask is not None
    rows: dict[str, list[tuple[float, ...]]] = {}
    for pair in find_pairs(folder).pairs:
        picture, truth = image_io.read(pair.input), to_8bit(image_io.read(pair.target).pixels)
        shadow = find_mask(to_8bit(picture.pixels), truth) > 127
        guess = restore.guess(picture, request, ignore, JobControl())
        found = np.zeros_like(shadow) if guess is None else guess.mask > 127
        row = [float((found & shadow).sum() / max(1, (found | shadow).sum()))]
        if wants_restored:
            told, untold = (_restored(picture, request, by_guess) for by_guess in (True, False))
            row += [psnr_db(each, truth, "RGB") for each in (to_8bit(picture.pixels), untold, told)]
        print(f"{pair.name}: {' '.join(f'{value:.2f}' for value in row)}", flush=True)
        rows.setdefault("named" if pair.name.rsplit("_", 1)[0] in scenes else "others", []).append(tuple(row))
    columns = "IoU, dB in, told nothing, guessed" if wants_restored else "IoU"
    for name, of in (*rows.items(), ("all", [row for each in rows.values() for row in each])):
        means = ", ".join(f"{value:.3f}" for value in np.mean(of, axis=0))
        print(f"{name} ({len(of)}), {columns}: {means}; none found in {sum(row[0] == 0 for row in of)}")


def on_slivers(folder: Path, scenes: set[str], request: RestoreRequest) -> None:
    find_mask = DEGRADATIONS[TASK].find_mask
    assert find_mask is not None
    rng, off = np.random.default_rng(7), []
    for pair in find_pairs(folder).pairs:
        if pair.name.rsplit("_", 1)[0] not in scenes:
            continue
        picture, truth = image_io.read(pair.input), to_8bit(image_io.read(pair.target).pixels)
        mask = find_mask(to_8bit(picture.pixels), truth)
        rows, columns = np.nonzero(cv2.erode((mask > 127).astype(np.uint8), np.ones((9, 9), np.uint8)))
        slivers = np.zeros(mask.shape, np.uint8)
        for at in rng.integers(len(rows), size=4):
            turn, reach = rng.uniform(0, np.pi), rng.uniform(20, 60)
            along = np.array([np.cos(turn), np.sin(turn)]) * reach
            ends = (np.array([columns[at], rows[at]]) + side * along for side in (-1, 1))
            cv2.line(slivers, *(tuple(map(int, end)) for end in ends), 255, int(rng.integers(5, 20)))
        slivers[mask < 128] = 0
        share = cv2.GaussianBlur(slivers.astype(np.float32) / 255, (0, 0), 1.2)[..., None]
        pixels = np.rint(to_8bit(picture.pixels) * (1 - share) + truth * share).astype(np.uint8)
        told = replace(request, mask=mask)
        restored = restore.restore(image_io.from_array(pixels), told, ignore, JobControl()).pixels
        where = slivers > 127
        off.append(float(np.abs(restored[where].astype(int) - truth[where]).mean()))
        print(f"{pair.name}: {off[-1]:.1f}", flush=True)
    print(f"slivers off by {np.mean(off):.1f} levels, mean of {len(off)}")


def on_clean(folder: Path, request: RestoreRequest, wants_restored: bool) -> None:
    marked, back = [], []
    for path in image_io.find_images(folder, False):
        picture = image_io.read(path)
        guess = restore.guess(picture, request, ignore, JobControl())
        marked.append(guess is not None)
        if guess is not None:
            print(f"{path.name}: {100 * guess.share:.1f} % marked", flush=True)
        if wants_restored:
            db = (
                MOST_DB
                if guess is None
                else psnr_db(_restored(picture, request, True), picture.pixels, "RGB")
            )
            back.append(min(MOST_DB, db))
    print(f"{folder.name}: marked in {sum(marked)} of {len(marked)}")
    if back:
        print(f"come back at {np.mean(back):.2f} dB (median {np.median(back):.2f}, worst {np.min(back):.2f})")


def _restored(picture: image_io.Picture, request: RestoreRequest, by_guess: bool) -> np.ndarray:
    asked = replace(request, guess=by_guess)
    return to_8bit(restore.restore(picture, asked, ignore, JobControl()).pixels)


if __name__ == "__main__":
    raise SystemExit(main())
