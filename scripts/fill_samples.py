"""Fill the sample memory of a model from the photos that ship, and write it beside the model's weights.

    python scripts/fill_samples.py MODEL_FOLDER [--photos FOLDER] [--older MODEL_FOLDER ...] [--visits 3] [--seed 0]

The bundled photos kept apart for validation are left out. ``--photos`` takes clean photos of one's own instead;
what is shipped is filled from the bundled ones, which may be passed on. ``--older`` adds what earlier weights
of the same task got wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.events import ItemStarted, Notice
from core.images import io as image_io
from core.model import catalog
from core.training.own_samples import fill_model


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--photos", type=Path, help="a folder of clean photos (default: the bundled ones)")
    parser.add_argument("--older", type=Path, nargs="*", default=[], help="models of earlier training steps")
    parser.add_argument("--visits", type=int, default=3, help="looks at each photo, degraded anew each time")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    if options.photos is None:
        photos = list(catalog.sample_photos(validation=False))
    else:
        photos = list(image_io.find_images(options.photos, recursive=True))
    found = fill_model(
        options.model, photos, seed=options.seed, visits=options.visits, older=options.older, emit=_say
    )
    for kind, filled in found.kinds.items():
        print(
            f"{kind:9} {filled.count:4} of {filled.bound:4} from {filled.photos:3} photos, "
            f"smallest distance {filled.smallest_distance:.3f}"
        )
    size = found.file.stat().st_size / 1e6
    print(f"{found.file}: {size:.3f} MB from {len(photos)} photos in {found.seconds:.0f} s")
    return 0


def _say(event: object) -> None:
    if isinstance(event, ItemStarted):
        print(f"{event.index}/{event.count} {event.name}", file=sys.stderr)
    elif isinstance(event, Notice):
        print(event.text, file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
