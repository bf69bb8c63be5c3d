"""``memorynet demo``: the whole way once, without a display: restore a bundled photo, measure it, show it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from core import tasks
from core.cli import common, stopping
from core.cli.words import describe
from core.events import TileDone

_WINDOW_TIMEOUT_S = 180.0
_OWN_FOLDER = Path("output/demo")  # pictures of an earlier demo are replaced here, and nowhere else


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "demo",
        help="restore a bundled photo and show what came out",
        description="Restore a bundled rainy photo, measure the result against the truth, and write result,\n"
        "before/after picture and a picture of the window to a folder. Needs no display.",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=_OWN_FOLDER,
        metavar="DIR",
        help="folder for the pictures [output/demo]",
    )
    common.add_model_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.out.exists() and not args.out.is_dir():
        raise common.UsageError(f"--out {args.out}: is a file, need a folder")
    with stopping.interruptible() as control:
        task, model, path = common.load_model(args, control)
        from core.images import io as image_io
        from core.images import metrics
        from core.images.before_after import before_after
        from core.model import catalog
        from core.restoring import outputs
        from core.restoring.restore import restore

        sample = next((s for s in catalog.samples() if s.truth is not None), None)
        if sample is None or sample.truth is None:
            raise common.UsageError(f"no sample photo with its truth in {catalog.RESOURCES / 'samples'}")
        picture, truth = image_io.read(sample.path), image_io.read(sample.truth).pixels
        print(f"{sample.name} ({sample.credit}), {picture.info.width} x {picture.info.height} px")
        request = common.choice(args, task).request(model=path)
        with common.Progress("tiles") as progress:

            def watch(event: object) -> None:
                if isinstance(event, TileDone):
                    progress.show("restoring", event.index, event.count)

            restored = restore(picture, request, watch, control)
    print(
        f"{model.name} on {restored.device} in {restored.precision}: {restored.seconds:.2f} s, "
        f"{restored.megapixels_per_s:.2f} megapixels/s"
    )
    protocol = tasks.of(task).protocol
    for side, pixels in (("input", picture.pixels), ("restored", restored.pixels)):
        score = metrics.score(pixels, truth, protocol)
        print(f"  {protocol} {side:9} PSNR {score.psnr_db:.3f} dB  SSIM {score.ssim or 0:.4f}")
    print(f"  {protocol}: {metrics.PROTOCOLS[protocol]}")

    always = image_io.WriteOptions(overwrite=True)
    args.out.mkdir(parents=True, exist_ok=True)

    def place(wanted: Path) -> Path:
        return wanted if args.out == _OWN_FOLDER else outputs.free_path(wanted)

    target = place(outputs.output_path(sample.path, args.out, None, task))
    written = [outputs.save(restored, picture, target, 1.0, always).path]
    both = before_after(
        image_io.to_srgb(picture.pixels, picture.icc), image_io.to_srgb(restored.pixels, picture.icc)
    )
    written.append(
        image_io.write(
            place(args.out / "before-after.png"), image_io.from_array(both, "before-after"), always
        ).path
    )
    window = place(args.out / "window.png")
    problem = _picture_of_the_window(sample.path, window, path)
    if problem is None:
        written.append(window)
    print(f"Written to {args.out.resolve()}:")
    for file in written:
        print(f"  {file.name}")
    if problem is not None:
        print(f"No picture of the window: {problem}", file=sys.stderr)
        return common.EXIT_FAILED
    return common.EXIT_OK


def _picture_of_the_window(photo: Path, target: Path, model: Path) -> str | None:
    """Have the window draw itself, offscreen and in a process of its own; the reason if it could not.

    A process of its own, because Qt ends the program when a system library is missing.
    """
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-m", "memorynet_gui.snapshot", str(photo), str(target)]
    command += ["--model", str(model.absolute())]
    target.unlink(missing_ok=True)  # one of an earlier time must not pass for this one
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_WINDOW_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return describe(error).sentence
    if done.returncode == 0 and target.is_file():
        return None
    last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
    return last[0] if last else f"the window's process ended with code {done.returncode}"
