"""Measure a shipped model and write the numbers into its card.

    python benchmarks/model_card.py derain-s --data DATA

DATA holds ``clean_val/`` (clean photos, never trained on) and ``bench/`` (see BENCHES).
Nothing is chosen by these numbers; they are what the card says between its two markers.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.data.dataset import find_pairs
from core.data.degrade import DEGRADATIONS
from core.images import io as image_io
from core.images import metrics
from core.jobs import JobControl, ignore
from core.model import catalog
from core.model.checkpoint import CONFIG_FILE, WEIGHTS_FILE, load
from core.restoring import pair_masks
from core.restoring.evaluation import EvaluateRequest, evaluate
from core.restoring.evaluation_table import EvaluationTable
from core.restoring.records import Choice
from core.restoring.restore import RestoreRequest, restore
from core.tasks import TASKS

BENCHES = {
    "derain": ("rain100l_dev", "rain100h_dev", "realrain_dev"),
    "deshadow": ("shadow_real_dev",),
    "deblur": ("gopro_dev",),
}
MASKS_SAID = (
    "- Mask given: white where input and truth of the pair differ, which a user would paint. Restored: the default, with "
    "the mask that is guessed, and unchanged where no cast shadow is found. No mask: the network alone."
)
UNCHANGED_DB = 60.0
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()
    path = catalog.resolve(options.model)
    task = load(path).task
    rows, protocols, worst, precision, device = [], [], [], "", ""
    for name in BENCHES[task]:
        guess = DEGRADATIONS[task].find_mask is not None
        request = EvaluateRequest(
            options.data / "bench" / name, Choice(task, str(path), precision=options.precision), guess=guess
        )
        table = evaluate(request, ignore, JobControl())
        others = [evaluate(replace(request, mute_memory=True), ignore, JobControl())]
        if DEGRADATIONS[task].find_mask is not None:
            with tempfile.TemporaryDirectory() as masks:
                for pair in find_pairs(request.folder).pairs:
                    pair_masks.write(pair, Path(masks))
                others.append(evaluate(replace(request, masks=Path(masks)), ignore, JobControl()))
                others.append(evaluate(replace(request, guess=False), ignore, JobControl()))
        precision, device = table.precision, table.device
        for protocol in table.protocols:
            before, after = table.mean("input", protocol), table.mean("restored", protocol)
            cells = [
                f"{before.psnr_db:.2f} / {before.ssim:.4f}",
                f"**{after.psnr_db:.2f} / {after.ssim:.4f}**",
            ]
            for other in others:
                mean = other.mean("restored", protocol)
                cells.append(f"{mean.psnr_db:.2f} / {mean.ssim:.4f}")
            rows.append(_row(name, len(table.measured), protocol, cells))
            protocols.append(protocol)
        if table.mean_lab_mae("restored") is not None:
            errors = [
                table.mean_lab_mae("input"),
                *(each.mean_lab_mae("restored") for each in (table, *others)),
            ]
            cells = [
                f"**{error:.2f}**" if index == 1 else f"{error:.2f}" for index, error in enumerate(errors)
            ]
            rows.append(_row(name, len(table.measured), "LAB", cells))
            protocols.append("LAB")
        if (also := table.mean_ssim_3d("restored")) is not None:
            cells = [f"{table.mean_ssim_3d('input'):.4f}", f"**{also:.4f}**"]
            cells += [f"{each.mean_ssim_3d('restored'):.4f}" for each in others]
            rows.append(_row(name, len(table.measured), "SSIM3D", cells))
            protocols.append("SSIM3D")
        worst.append(_worst(name, table))
        print(*rows, sep="\n", flush=True)
    kept = [
        _kept_clean(photo, path, task, options.precision)
        for photo in image_io.find_images(options.data / "clean_val", False)
    ]
    model = load(path)
    titles = ["pairs", "protocol", "input PSNR / SSIM", "restored", "memory muted"]
    if DEGRADATIONS[task].find_mask is not None:
        titles += ["mask given", "no mask"]
    lines = [
        f"Measured {datetime.date.today()} on {device} ({platform.machine()}, {os.cpu_count()} processors), {precision}, by "
        f"`python benchmarks/model_card.py {options.model} --data DATA`:",
        "",
        f"| {' | '.join(titles)} |",
        f"|{' --- |' * len(titles)}",
        *rows,
        "",
        *(f"- {protocol}: {metrics.PROTOCOLS[protocol]}." for protocol in dict.fromkeys(protocols)),
        *([MASKS_SAID] if len(titles) > 5 else []),
        *worst,
        f"- Clean photos in, mean over {len(kept)} of `clean_val`: come back at {np.mean(kept):.2f} dB RGB "
        f"(median {np.median(kept):.2f}, worst {min(kept):.2f}; one that is unchanged counts as {UNCHANGED_DB:g}).",
        f"- {model.parameters:,} parameters, {(path / WEIGHTS_FILE).stat().st_size / 1e6:.2f} MB, sha256 `{model.sha256}`.",
    ]
    card = path / "card.md"
    text = card.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    card.write_text(head + BEGIN + "\n" + "\n".join(lines) + "\n" + END + tail, encoding="utf-8")
    print(f"{card.name} written beside {CONFIG_FILE}")
    return 0


def _row(name: str, count: int, protocol: str, cells: list[str]) -> str:
    return f"| `bench/{name}` ({count}) | {protocol} | {' | '.join(cells)} |"


def _worst(name: str, table: EvaluationTable) -> str:
    """The photo that restoring helped least, or harmed most, and how many it harmed."""
    protocol = TASKS[table.task].protocol
    gains, unchanged = {}, 0
    for row in table.measured:
        before, after = row.input[protocol].psnr_db, row.restored[protocol].psnr_db
        if before is not None and after is not None and before != after:  # both infinite: a truth that stayed
            gains[row.name] = after - before
        unchanged += before is not None and before == after
    if not gains:
        return f"- `bench/{name}`: every photo came back as it went in."
    least = min(gains, key=lambda each: gains[each])
    worse = sum(gain < 0 for gain in gains.values())
    alone = f" {unchanged} came back as they went in, since nothing was found in them." if unchanged else ""
    return (
        f"- `bench/{name}`, photo by photo: {worse} of {len(table.measured)} end below the input in PSNR ({protocol}); the worst, "
        f"`{least}`, changes by {gains[least]:+.2f} dB.{alone}"
    )


def _kept_clean(photo: Path, model: Path, task: str, precision: str) -> float:
    picture = image_io.read(photo)
    restored = restore(
        picture,
        RestoreRequest(
            task=task, model=model, precision=precision, guess=DEGRADATIONS[task].find_mask is not None
        ),
        ignore,
        JobControl(),
    )
    return min(metrics.psnr_db(restored.pixels, picture.pixels, "RGB"), UNCHANGED_DB)


if __name__ == "__main__":
    raise SystemExit(main())
