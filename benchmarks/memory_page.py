"""How long the Memory page's answers take: what follows the pointer on a 12-megapixel photo looked at in its own size.

    python benchmarks/memory_page.py [--megapixels 12] [--times 20]

The record is made of a bundled photo and repeated to the size asked for: the arithmetic is the same as of a real one.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.images import io as image_io
from core.model import catalog, exemplars
from core.model.memory_edit import MemoryEdit, Slots, Step
from core.restoring import memory_look, memory_probe
from core.restoring.inspection import Response
from core.restoring.restore import RestoreRequest

MUTED = MemoryEdit((Step("mute", Slots("negative")),))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    picture = image_io.read(catalog.samples()[0].path)
    request = RestoreRequest(task="derain")
    small = memory_look.look(picture, request)
    look = enlarged(small, options.megapixels * 1e6)
    samples, _problem = exemplars.load_beside(look.model)
    assert samples is not None
    rng = np.random.default_rng(0)
    spots = [(int(x), int(y)) for x, y in rng.uniform(0, (look.width, look.height), (options.times, 2))]
    place = look.place(*spots[0])
    look.nearest(place, samples)  # the baselines are made once for a photo
    print(f"{look.width}x{look.height} px, {look.grid[0] * look.grid[1]:,} cells; median (largest) ms")
    say("a place: all weights and shares", spots, lambda at: look.place(*at))
    say("its nearest samples", spots, lambda at: look.nearest(look.place(*at), samples))
    say("where its content came from", spots, lambda at: look.sources(look.place(*at)))
    rows = range(min(options.times, len(look.usage)))
    say("the map of a slot", list(rows), look.slot_map)
    probe = memory_probe.Probe(picture, request, small.actual)
    region = memory_probe.preview_region((0, 0, small.width, small.height), small.width, small.height)
    probe.restore(region)
    megapixels = region[2] * region[3] / 1e6
    say(f"a change, preview of {megapixels:.2f} MP", list(range(5)), lambda _n: probe.restore(region, MUTED))
    return 0


def enlarged(look: memory_look.MemoryLook, pixels: float) -> memory_look.MemoryLook:
    """The record repeated down and right until the photo has as many pixels."""
    times = max(1, round((pixels / (look.width * look.height)) ** 0.5))
    rows, columns = look.grid
    return replace(
        look,
        width=columns * times * 8,
        height=rows * times * 8,
        query=np.tile(look.query, (times, times, 1)),
        threshold=np.tile(look.threshold, (1, times, times)),
        before=Response(np.tile(look.before.values, (times, times))),
    )


def say(what: str, each: list, work: Callable) -> None:  # type: ignore[type-arg]
    took = []
    for one in each:
        began = time.perf_counter()
        work(one)
        took.append(1000 * (time.perf_counter() - began))
    print(f"{what:36} {statistics.median(took):8.1f} ({max(took):.1f})")


if __name__ == "__main__":
    raise SystemExit(main())
