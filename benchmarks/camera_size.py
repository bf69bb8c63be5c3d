"""Camera-size photos with rain as a camera shows it: how much better, and how much faster than at full size.

    python benchmarks/camera_size.py --data DATA [--wallpapers DIR] [--photos 6] [--full 1] [--json]

Photos of 8 to 12 megapixels of Debian's ``lomiri-wallpapers-16.04`` (``apt-get download lomiri-wallpapers-16.04``,
``dpkg -x`` somewhere, ``--wallpapers`` says where; found by itself when installed) under rain of
``DATA/bench/rain100l_dev``: rainy minus clean, the largest of the three channels, enlarged (bicubic) to cover
the photo, added, saved as JPEG of quality 95. Each is restored at ``auto`` and, the first ``--full`` of them, at ``--scale 1``;
PSNR on Y against the photo itself. Times are those of the restore job: no decoding, no saving. Must: 35 dB on
average, every photo better than it came, at most 1/12 of the time of scale 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from core.cv import cv2  # noqa: E402
from core.images import io as image_io  # noqa: E402
from core.images import metrics  # noqa: E402
from core.jobs import JobControl, ignore  # noqa: E402
from core.model import catalog  # noqa: E402
from core.restoring.restore import RestoreRequest, restore  # noqa: E402

PACKAGE = "lomiri-wallpapers-16.04"
INSTALLED = Path("/usr/share/backgrounds")
NAMES = (
    "Bridge_by_Sander_Klootwijk.jpg",
    "umang_by_Abhishek_Mudgal.jpg",
    "Wine_by_Jakkub_Mede.jpg",
    "picosdeeuropa_by_Aitzol_Berasategi.jpg",
    "sunset_by_Aitzol_Berasategi.jpg",
    "Dragonfly_by_Bolly.jpg",
)
"""All photos of the package between 8 and 13.4 megapixels."""
MUST_DB, MUST_SHARE = 35.0, 1 / 12


def with_rain(photo: np.ndarray, rainy: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """A photo (H, W, 3) uint8 under the rain of a pair, enlarged to cover it, after JPEG of quality 95."""
    layer = (rainy.astype(np.float32) - clean).max(2).clip(0)  # (h, w)
    height, width = photo.shape[:2]
    share = max(height / layer.shape[0], width / layer.shape[1])
    size = max(width, round(layer.shape[1] * share)), max(height, round(layer.shape[0] * share))
    large = cv2.resize(layer, size, interpolation=cv2.INTER_CUBIC)[:height, :width]
    out = np.rint(np.clip(photo + large[..., None].clip(0), 0, 255)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "rainy.jpg"
        image_io.write(target, image_io.from_array(out), image_io.WriteOptions(quality=95))
        return image_io.read(target).pixels


def measure(options: argparse.Namespace) -> dict[str, Any]:
    folder = options.data / "bench" / "rain100l_dev"
    pairs = sorted((folder / "input").iterdir())
    rows = []
    for index, name in enumerate(NAMES[: options.photos]):
        photo = image_io.read(options.wallpapers / name).pixels
        pair = pairs[(7 * index + 3) % len(pairs)]
        target = folder / "target" / pair.name.replace("rain-", "norain-")
        spoiled = with_rain(photo, image_io.read(pair).pixels, image_io.read(target).pixels)
        picture = image_io.from_array(spoiled, name)
        row: dict[str, Any] = {
            "photo": name,
            "megapixels": round(photo.shape[0] * photo.shape[1] / 1e6, 1),
            "input_db": metrics.psnr_db(spoiled, photo, "Y"),
        }
        for scale in ("auto", "1") if index < options.full else ("auto",):
            request = RestoreRequest(
                model=options.model, device=options.device, precision=options.precision, scale=scale
            )
            if index == 0 and scale == "auto":  # loading and warming up are in no time
                small = image_io.from_array(np.ascontiguousarray(spoiled[::8, ::8]), "warm")
                restore(small, request, ignore, JobControl())
            done = restore(picture, request, ignore, JobControl())
            row[scale] = {
                "db": metrics.psnr_db(done.pixels, photo, "Y"),
                "seconds": done.seconds,
                **done.verdict.as_dict(),
            }
            row.update(device=done.device, precision=done.precision)
        rows.append(row)
        print(_line(row), file=sys.stderr, flush=True)
    both = [row for row in rows if "1" in row]
    share = None
    if both:
        share = sum(row["auto"]["seconds"] for row in both) / sum(row["1"]["seconds"] for row in both)
    mean_db = fmean(row["auto"]["db"] for row in rows)
    return {
        "mean_db": mean_db,
        "mean_input_db": fmean(row["input_db"] for row in rows),
        "every_photo_better": all(row["auto"]["db"] > row["input_db"] for row in rows),
        "time_share_of_scale_1": share,
        "met": mean_db >= MUST_DB
        and (share is None or share <= MUST_SHARE)
        and all(row["auto"]["db"] > row["input_db"] for row in rows),
        "rows": rows,
    }


def _line(row: dict[str, Any]) -> str:
    auto = row["auto"]
    text = (
        f"{row['photo']:<42} {row['megapixels']:5.1f} MP  {row['input_db']:.2f} -> {auto['db']:.2f} dB at "
        f"{auto['scale']} in {auto['seconds']:.2f} s ({auto['found']})"
    )
    if "1" in row:
        text += f"; scale 1: {row['1']['db']:.2f} dB in {row['1']['seconds']:.1f} s"
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="holds bench/rain100l_dev")
    parser.add_argument(
        "--wallpapers", type=Path, default=INSTALLED, metavar="DIR", help=f"photos of {PACKAGE}"
    )
    parser.add_argument("--photos", type=int, default=len(NAMES), metavar="N")
    parser.add_argument(
        "--full", type=int, default=1, metavar="N", help="how many are also restored at scale 1"
    )
    parser.add_argument("--model", type=catalog.resolve, default=None, metavar="NAME|PATH")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args(arguments)
    missing = [name for name in NAMES[: options.photos] if not (options.wallpapers / name).is_file()]
    if missing:
        parser.error(
            f"{options.wallpapers}: {', '.join(missing)} not there; apt-get download {PACKAGE}, dpkg -x it "
            "and name its usr/share/backgrounds with --wallpapers"
        )
    if not 0 <= options.full <= options.photos or not 1 <= options.photos <= len(NAMES):
        parser.error(f"need 0 <= --full <= --photos <= {len(NAMES)}")
    found = measure(options)
    if options.json:
        print(json.dumps(found))
    else:
        share = found["time_share_of_scale_1"]
        times = "not compared" if share is None else f"1/{1 / share:.1f} of scale 1"
        print(
            f"{len(found['rows'])} photos: {found['mean_input_db']:.2f} -> {found['mean_db']:.2f} dB Y, every one better: "
            f"{'yes' if found['every_photo_better'] else 'no'}, time {times}"
        )
    return 0 if found["met"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
