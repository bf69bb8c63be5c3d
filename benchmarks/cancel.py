"""How long a cancel takes to take hold while a large photo is being restored.

    python benchmarks/cancel.py [--model derain-s] [--scale auto] [--times 20]

Restores the bundled rainy photo of 13 megapixels on a thread, cancels at a seeded random moment and measures until the
job has ended. Prints median and worst; the aim for preset S on a processor is 500 ms.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.images import io as image_io
from core.jobs import Cancelled, JobControl, ignore
from core.model import catalog
from core.restoring.restore import RestoreRequest, restore


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="derain-s")
    parser.add_argument("--scale", default="1")
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    picture = image_io.read(Path(__file__).parents[1] / "resources/samples/camera/dragonfly.jpg")
    request = RestoreRequest(model=catalog.resolve(options.model), device="cpu", scale=options.scale)
    longest_s = (
        3.0 if options.scale == "1" else 1.2
    )  # a photo at auto takes no longer than that on two quiet cores
    waits_ms = [_once(picture, request, float(rng.uniform(0.1, longest_s))) for _ in range(options.times)]
    print(
        f"{platform.machine()}, {os.cpu_count()} processors: cancelled after median {np.median(waits_ms):.0f} ms, "
        f"worst {max(waits_ms):.0f} ms of {len(waits_ms)}"
    )
    return 0


def _once(picture: image_io.Picture, request: RestoreRequest, after_s: float) -> float:
    control = JobControl()
    ended = threading.Event()

    def work() -> None:
        try:
            restore(picture, request, ignore, control)
        except Cancelled:
            ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(after_s)
    began = time.perf_counter()
    control.cancel()
    if not ended.wait(60):
        raise RuntimeError("the job ended before it was cancelled; use a larger picture")
    wait_ms = 1000 * (time.perf_counter() - began)
    thread.join()
    return wait_ms


if __name__ == "__main__":
    raise SystemExit(main())
