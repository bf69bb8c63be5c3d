"""Which damage a photo shows, told by the models themselves: a confusion table, and what is said of real photos.

    python benchmarks/which_task.py --data DATA [--photos clean_val] [--count 24] [--signs FILE] [--model deblur=PATH]

Each photo of ``DATA/clean_val`` is shown as it is, with seeded rain, a seeded shadow and seeded blur (from the models'
own recipes, as ``memorynet calibrate`` draws them, so that one sees it), and every third with rain and blur. Real photos of
``DATA/real`` have no truth but the folder they lie in. ``--signs`` keeps what was seen in a file, to go on from
there. The numbers of :mod:`core.restoring.which` were found on ``--photos clean``, which nothing is reported on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.images import io as image_io
from core.jobs import JobControl
from core.model import catalog, checkpoint
from core.restoring import calibration, which
from core.restoring.which import Which
from core.tasks import TASKS

NONE = "none"
FOLDERS = {"rain": "derain", "shadow": "deshadow", "blur": "deblur"}
LEAST_LEVELS = 5.0  # of 255, root mean square: a seeded damage that is fainter is drawn anew, up to so often
TRIES = 12
COLUMNS = (*TASKS, "several", NONE, "unsure")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photos", default="clean_val", help="folder of clean photos below DATA")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--real", type=int, default=1000, help="at most so many photos of each real folder")
    parser.add_argument("--signs", type=Path, help="a JSON file to keep what was seen in")
    parser.add_argument("--model", action="append", default=[], metavar="TASK=PATH")
    options = parser.parse_args()
    models = which.models()
    for given in options.model:
        task, _, path = given.partition("=")
        models[task] = catalog.resolve(path)
    kept: dict[str, dict[str, float]] = {}
    if options.signs is not None and options.signs.is_file():
        kept = json.loads(options.signs.read_text("utf-8"))
    rows: list[tuple[str, Which]] = []
    for name, truth, pixels in shown(options.data, options.photos, options.count, options.real, models):
        if name not in kept:
            seen = which.look(image_io.from_array(pixels(), name), models, JobControl())
            kept[name] = {task: float(sign) for task, sign in seen.signs.items()}
            if options.signs is not None:
                options.signs.write_text(json.dumps(kept), "utf-8")
        rows.append((truth, Which(kept[name])))
    table(rows)
    return 0


def shown(data: Path, photos: str, count: int, real: int, models: dict[str, Path]) -> Iterator[tuple]:
    """(name, truth, a function that gives (H, W, 3) uint8), photo by photo."""
    clean = calibration.read_photos(data / photos, count)
    params = {
        task: calibration.own_params(task, checkpoint.load(path).provenance) for task, path in models.items()
    }
    for index, photo in enumerate(clean):
        yield f"{photos} {index} {NONE}", NONE, lambda photo=photo: calibration.as_jpeg(photo)
        for number, task in enumerate(models):
            rng = np.random.default_rng((77, index, number))
            yield (
                f"{photos} {index} {task}",
                task,
                lambda photo=photo, task=task, rng=rng: spoilt(photo, task, params[task], rng),
            )
        if index % 3 == 0 and {"derain", "deblur"} <= set(models):
            rng = np.random.default_rng((77, index, 9))

            def both(photo: np.ndarray = photo, rng: np.random.Generator = rng) -> np.ndarray:
                blurred = spoilt(photo, "deblur", params["deblur"], rng)
                return spoilt(blurred, "derain", params["derain"], rng)

            yield f"{photos} {index} both", "several", both
    for folder, task in FOLDERS.items():
        if (data / "real" / folder).is_dir():
            for path in list(image_io.find_images(data / "real" / folder, False))[:real]:
                yield f"real {folder} {path.name}", f"real {task}", lambda path=path: _eight(path)


def spoilt(photo: np.ndarray, task: str, params: Any, rng: np.random.Generator) -> np.ndarray:
    """A photo (H, W, 3) uint8 with damage that one can see; the last draw where there is none."""
    for _ in range(TRIES):
        truth, damaged = calibration.spoil(photo, task, params, 1.0, rng)
        if np.sqrt(np.mean(np.square(damaged.astype(np.float32) - truth))) >= LEAST_LEVELS:
            break
    return damaged


def _eight(path: Path) -> np.ndarray:
    pixels = image_io.read(path).pixels
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels / 257).astype(np.uint8)


def table(rows: list[tuple[str, Which]]) -> None:
    print(f"| shown \\ told | {' | '.join(COLUMNS)} |")
    print(f"|{' --- |' * (len(COLUMNS) + 1)}")
    truths = list(dict.fromkeys(truth for truth, _seen in rows))
    for truth in truths:
        told = [seen.name for each, seen in rows if each == truth]
        print(f"| {truth} ({len(told)}) | {' | '.join(str(told.count(column)) for column in COLUMNS)} |")
    four = [(truth, seen.name) for truth, seen in rows if truth in (*TASKS, NONE)]
    if four:
        right = sum(truth == told for truth, told in four)
        unsure = sum(told == "unsure" for _truth, told in four)
        wrong = len(four) - right - unsure
        print(f"of four: {100 * right / len(four):.0f} % right, {100 * unsure / len(four):.0f} % not said, "
              f"{100 * wrong / len(four):.0f} % wrong ({len(four)})")  # fmt: skip
        clean = [told for truth, told in four if truth == NONE]
        taken = sum(told not in (NONE, "unsure") for told in clean)
        print(f"clean taken for damaged: {100 * taken / max(1, len(clean)):.0f} % ({taken} of {len(clean)})")


if __name__ == "__main__":
    raise SystemExit(main())
