"""Put a run's model where the application finds it, in half precision.

    python scripts/ship_model.py RUN_DIR [--to resources/weights] [--photos DIR]

Writes ``NAME/model.safetensors`` (float16) and ``NAME/config.json``; the model card is written by hand from
what ``memorynet evaluate`` and ``benchmarks/model_card.py`` measure. Of folders and files of this machine that the model's
record names (the run's own, or those of whoever averaged its weights) only the last name is kept. With ``--photos``, a folder of clean photos, it is
measured anew from when on the model finds something (as ``memorynet calibrate`` does).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from core.model import checkpoint
from core.places import without_places
from core.restoring import calibration


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--to", type=Path, default=Path(__file__).parents[1] / "resources" / "weights")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="clean photos to calibrate on")
    options = parser.parse_args(words)
    model = checkpoint.load(options.run / "model")
    kept = {key: value for key, value in model.provenance.items() if key not in ("memorynet", "torch")}
    folder = checkpoint.save(
        options.to / model.name,
        model.network,
        name=model.name,
        task=model.task,
        provenance=without_places(kept),
        dtype=torch.float16,
    )
    size = (folder / checkpoint.WEIGHTS_FILE).stat().st_size
    if options.photos is not None:
        found = calibration.calibrate(folder, model.task, calibration.read_photos(options.photos))
        calibration.keep(folder, found)
        print(
            f"nothing below {found.nothing_below:g} levels, much from {found.much_from:g}, {found.rank_correlation}"
        )
    print(f"{folder}: {model.parameters:,} parameters, {size / 1e6:.2f} MB, step {kept.get('step')}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
