"""How much of the rain in real photos a model takes away, against what two published networks agree on.

    python benchmarks/real_rain_share.py --data DATA [--model NAME|PATH] [--thoroughness 1] [--scale auto] [--json]

``DATA/real/rain_reference`` holds ``input/`` and ``reference/`` (same names). For each photo, with r = reference -
input and d = result - input (8-bit RGB):

    share  = <d, r> / <r, r>          1: takes what both networks take; 0: nothing of it
    beside = ||d - share r|| / ||r||  what else it changes, in units of the reference's change

For measuring only: nothing is trained on another network's output, and nothing chosen by it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from core.images import io as image_io  # noqa: E402
from core.jobs import JobControl, ignore  # noqa: E402
from core.model import catalog, memory_edit  # noqa: E402
from core.restoring.restore import RestoreRequest, restore  # noqa: E402


def share_and_beside(source: np.ndarray, reference: np.ndarray, result: np.ndarray) -> tuple[float, float]:
    """Of three (H, W, 3) pictures of one size; see the module's text. Raises ValueError for other shapes."""
    if not source.shape == reference.shape == result.shape:
        raise ValueError(f"sizes differ: {source.shape}, {reference.shape}, {result.shape}")
    change = reference.astype(np.float64) - source
    done = result.astype(np.float64) - source
    share = float((done * change).sum() / (change * change).sum())
    return share, float(np.linalg.norm(done - share * change) / np.linalg.norm(change))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="holds real/rain_reference")
    parser.add_argument("--model", type=catalog.resolve, default=None, metavar="NAME|PATH")
    parser.add_argument("--thoroughness", type=float, default=1.0, metavar="1..2")
    parser.add_argument("--scale", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args(arguments)
    folder = options.data / "real" / "rain_reference"
    if not (folder / "input").is_dir():
        parser.error(f"{folder}: no input/ and reference/ there")
    request = RestoreRequest(
        model=options.model,
        device=options.device,
        scale=options.scale,
        memory_edit=memory_edit.thorough(options.thoroughness),
    )
    rows = []
    for path in sorted((folder / "input").iterdir()):
        picture, reference = image_io.read(path), image_io.read(folder / "reference" / path.name).pixels
        done = restore(picture, request, ignore, JobControl())
        share, beside = share_and_beside(picture.pixels, reference, done.pixels)
        rows.append({"photo": path.stem, "share": share, "beside": beside, **done.verdict.as_dict()})
        if not options.json:
            print(
                f"{path.stem:>8}  share {share:6.3f}  beside {beside:6.3f}  {done.verdict.found or ''}",
                flush=True,
            )
    mean = {name: fmean(float(str(row[name])) for row in rows) for name in ("share", "beside")}
    if options.json:
        print(json.dumps({"count": len(rows), **mean, "rows": rows}))
    else:
        print(f"    mean  share {mean['share']:6.3f}  beside {mean['beside']:6.3f}  n={len(rows)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
