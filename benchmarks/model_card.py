"""Measure a shipped model and write the numbers into its card.

    python benchmarks/model_card.py derain-s --data DATA

DATA holds ``clean_val/`` (clean photos, never trained on) and ``bench/`` (``rain100l_dev``, ``realrain_dev``).
Nothing is chosen by these numbers; they are what the card says between its two markers.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from core import catalog, image_io, metrics
from core.checkpoint import CONFIG_FILE, WEIGHTS_FILE, load
from core.evaluation import EvaluateRequest, evaluate
from core.jobs import JobControl, ignore
from core.restore import RestoreRequest, restore

BEGIN, END = "<!-- measured -->", "<!-- /measured -->"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()
    path = catalog.resolve(options.model)
    rows, precision, device = [], "", ""
    for name in ("rain100l_dev", "realrain_dev"):
        request = EvaluateRequest(options.data / "bench" / name, "derain", path, precision=options.precision)
        table = evaluate(request, ignore, JobControl())
        muted = evaluate(replace(request, mute_memory=True), ignore, JobControl())
        precision, device = table.precision, table.device
        for protocol in table.protocols:
            before, after = table.mean("input", protocol), table.mean("restored", protocol)
            without = muted.mean("restored", protocol)
            rows.append(
                f"| `bench/{name}` ({len(table.measured)}) | {protocol} | {before.psnr_db:.2f} / {before.ssim:.4f} "
                f"| **{after.psnr_db:.2f} / {after.ssim:.4f}** | {without.psnr_db:.2f} / {without.ssim:.4f} |"
            )
            print(rows[-1], flush=True)
    kept = [
        _kept_clean(photo, path, options.precision)
        for photo in image_io.find_images(options.data / "clean_val", False)
    ]
    model = load(path)
    lines = [
        f"Measured {datetime.date.today()} on {device} ({platform.machine()}, {os.cpu_count()} processors), {precision}, by "
        f"`python benchmarks/model_card.py {options.model} --data DATA`:",
        "",
        "| pairs | protocol | input PSNR / SSIM | restored | memory muted |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
        *(f"- {protocol}: {metrics.PROTOCOLS[protocol]}." for protocol in ("Y", "RGB")),
        f"- Clean photos in, mean over {len(kept)} of `clean_val`: come back at {np.mean(kept):.2f} dB RGB "
        f"(worst {min(kept):.2f}).",
        f"- {model.parameters:,} parameters, {(path / WEIGHTS_FILE).stat().st_size / 1e6:.2f} MB, sha256 `{model.sha256}`.",
    ]
    card = path / "card.md"
    text = card.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    card.write_text(head + BEGIN + "\n" + "\n".join(lines) + "\n" + END + tail, encoding="utf-8")
    print(f"{card.name} written beside {CONFIG_FILE}")
    return 0


def _kept_clean(photo: Path, model: Path, precision: str) -> float:
    picture = image_io.read(photo)
    restored = restore(picture, RestoreRequest(model=model, precision=precision), ignore, JobControl())
    return min(metrics.psnr_db(restored.pixels, picture.pixels, "RGB"), 99.0)


if __name__ == "__main__":
    raise SystemExit(main())
