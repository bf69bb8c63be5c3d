"""Fill the sample memory of a model from the photos that ship, and write it beside the model's weights.

    python scripts/fill_samples.py MODEL_FOLDER [--photos FOLDER] [--older MODEL_FOLDER ...] [--visits 3] [--seed 0]

The bundled photos kept apart for validation are left out. ``--photos`` takes clean photos of one's own instead;
what is shipped is filled from the bundled ones, which may be passed on. ``--older`` adds what earlier weights
of the same task got wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.data.degrade import DEGRADATIONS
from core.events import ItemStarted, Notice
from core.images import io as image_io
from core.model import catalog, checkpoint, exemplars
from core.training.exemplar_fill import fill


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--photos", type=Path, help="a folder of clean photos (default: the bundled ones)")
    parser.add_argument("--older", type=Path, nargs="*", default=[], help="models of earlier training steps")
    parser.add_argument("--visits", type=int, default=3, help="looks at each photo, degraded anew each time")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    model = checkpoint.load(options.model)
    if model.task not in DEGRADATIONS:
        parser.error(f"{model.name}: no degradation is known for {model.task}")
    if options.photos is None:
        photos = list(catalog.sample_photos(validation=False))
    else:
        photos = list(image_io.find_images(options.photos, recursive=True))
    degradation = DEGRADATIONS[model.task]
    began = time.monotonic()
    memory = fill(
        model.network,
        photos,
        degradation.bind(degradation.always(degradation.defaults)),
        options.seed,
        visits=options.visits,
        older=[checkpoint.load(path).network for path in options.older],
        weights_sha256=model.sha256,
        emit=_say,
    )
    seconds = time.monotonic() - began
    folder = options.model if options.model.is_dir() else options.model.parent
    file = exemplars.save(
        memory, folder, {"task": model.task, "visits": options.visits, "seed": options.seed}
    )
    for kind in (exemplars.POSITIVE, exemplars.DEGRADED, exemplars.WRONG):
        sources = len({memory.exemplar(kind, index).source for index in range(memory.count(kind))})
        print(
            f"{kind:9} {memory.count(kind):4} of {memory.bounds[kind]:4} from {sources:3} photos, "
            f"smallest distance {memory.smallest_distance(kind):.3f}"
        )
    print(f"{file}: {file.stat().st_size / 1e6:.3f} MB from {len(photos)} photos in {seconds:.0f} s")
    return 0


def _say(event: object) -> None:
    if isinstance(event, ItemStarted):
        print(f"{event.index}/{event.count} {event.name}", file=sys.stderr)
    elif isinstance(event, Notice):
        print(event.text, file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
