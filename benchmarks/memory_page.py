"""How long the Memory page's answers take: what follows the pointer on a 12-megapixel photo looked at in its own size.

    python benchmarks/memory_page.py [--task derain] [--megapixels 12] [--times 20] [--window]

The record is made of a bundled photo and repeated to the size asked for: the arithmetic is the same as of a real one.
Beside each time stands what this thread worked of it, and the whole program: what counts on a machine that others share.
``--window`` opens the page itself, offscreen, on a bundled photo of a camera's size: how long until it shows and until it
can be asked once the photo is restored, what highlights take, painted, and how soon a change of the memory is seen, beside
one plain pass over as many pixels.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.images import io as image_io
from core.jobs import JobControl
from core.model import catalog, exemplars
from core.model.memory_edit import MemoryEdit, Slots, Step
from core.restoring import restore as restoring
from core.restoring.memory import look as memory_look
from core.restoring.memory import probe as memory_probe
from core.restoring.memory.inspection import Response
from core.restoring.memory.record import MemoryLook
from core.restoring.restore import RestoreRequest


def gained(number: int) -> MemoryEdit:
    """Another change each time: what was asked before is known."""
    return MemoryEdit((Step("boost", Slots("negative"), 1 + (number + 1) / 16),))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", default="derain", choices=("derain", "deshadow", "deblur"))
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument(
        "--window", action="store_true", help="the page itself; minutes, since it restores the photo"
    )
    options = parser.parse_args()
    if options.window:
        return window(options.times, options.task)
    picture = image_io.read(next(sample.path for sample in catalog.samples() if sample.task == options.task))
    # a photo of shadows is asked as it is restored: told where the shadow lies
    request = memory_look.guided(picture, restoring.guessing(RestoreRequest(task=options.task)), JobControl())
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
    probe.restore(region, gained(0))  # what comes before the memory is kept from now on
    say(
        f"a change, preview of {megapixels:.2f} MP",
        list(range(1, 6)),
        lambda n: probe.restore(region, gained(n)),
    )
    return 0


def window(times: int, task: str) -> int:
    """The real window on a camera-size photo: the Restore page restores it, then the Memory page opens."""
    import os
    import tempfile

    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from memorynet_gui import app as program
    from memorynet_gui import snapshot
    from memorynet_gui.base.settings import Settings
    from memorynet_gui.frame.main_window import MainWindow
    from memorynet_gui.look.theme import Theme

    snapshot.TIMEOUT_S = 1800
    wait = snapshot._wait
    damaged = [sample.path for sample in catalog.samples() if sample.task == task]
    photo = max(damaged, key=lambda path: path.stat().st_size)
    application = program.make_application()
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(Path(home))
        settings.task = task
        main_window = MainWindow(settings, Theme(application, "dark"))
        main_window.resize(1440, 900)
        main_window.show()
        thread = program.load_torch(main_window)
        wait(lambda: not thread.is_alive() and bool(main_window.context.devices()), "PyTorch")
        main_window.open_paths([photo])
        wait(lambda: main_window.page.can("run_all"), "the photo")
        main_window.page.handle("run_all")
        wait(lambda: main_window.page.can("save") and not main_window.runner.busy, "the restored photo")
        began, worked, spent = time.perf_counter(), time.thread_time(), time.process_time()
        main_window.show_page("memory")
        application.processEvents()
        shown, worked = time.perf_counter(), time.thread_time() - worked
        page: Any = main_window.page
        wait(lambda: page.stage.bench is not None, "the memory of the photo")
        asked, spent = time.perf_counter(), time.process_time() - spent
        wait(lambda: page.stage.after is not None, "the memory of the restored photo")
        looked = time.perf_counter()
        wait(lambda: not page.flow.busy, "the rest")
        height, width = page.stage.rgb.shape[:2]
        print(f"{photo.name}, {width}x{height} px; ms after the page was asked for")
        for what, at in (
            ("it shows the photo", shown),
            ("it can be asked", asked),
            ("after restoring, too", looked),
        ):
            print(f"{what:36} {1000 * (at - began):8.0f}")
        print(f"{'of a core: this thread, until it shows':36} {1000 * worked:8.0f}")
        print(f"{'all, until it can be asked':36} {1000 * spent:8.0f}", flush=True)
        rng = np.random.default_rng(0)
        spots = [(int(x), int(y)) for x, y in rng.uniform(0, (width, height), (times, 2))]

        def painted(work: Callable[[], object]) -> None:
            work()
            page.canvas.repaint()
            main_window.repaint()

        say("hover: panel, lines and box painted", spots, lambda at: painted(lambda: page.pins.look(at)))
        say(
            "a slot lit in the photo, painted",
            list(range(times)),
            lambda row: painted(lambda: page.places.light_slot(row)),
        )
        preview(page, wait, min(times, 8))
        page.toolbar.explore.click()
        page.drawer.show_view("map")
        say("hover with the map", spots, lambda at: painted(lambda: page.pins.look(at)))
        main_window.close_now()
    return 0


def preview(page: Any, wait: Callable[..., None], times: int) -> None:
    """How long until a change of the memory is seen in what is in sight, beside one pass over as many pixels."""
    from PySide6.QtCore import QEventLoop, QTimer

    page.canvas.actual_size()
    bench, regions = page.stage.bench, []
    page.stage.tried.connect(regions.append)

    def answered(count: int) -> None:
        """Asked much more often than :func:`wait` does: it is the answer that is timed."""
        loop, clock = QEventLoop(), QTimer()
        clock.timeout.connect(lambda: loop.quit() if len(regions) > count else None)
        clock.start(1)
        loop.exec()

    def change(number: int) -> None:
        before = len(regions)
        page.edits.set_gain(Slots("negative"), 1 + (number + 2) / 16)
        answered(before)

    def burst(number: int) -> None:
        """Twelve changes as a hand on the slider makes them; only the newest is wanted."""
        before = len(regions)
        for step in range(12):
            page.edits.set_gain(Slots("negative"), 2 + number % 4 + step / 16)
            loop = QEventLoop()
            QTimer.singleShot(16, loop.quit)
            loop.exec()
            before = max(before, len(regions))
        answered(before)

    change(-1)  # what comes before the memory is kept from now on
    x, y, w, h = memory_probe.preview_region(
        (0, 0, bench.look.width, bench.look.height), bench.look.width, bench.look.height
    )
    part = replace(bench.picture, pixels=np.ascontiguousarray(bench.seen.pixels[y : y + h, x : x + w]))
    request = replace(bench.request, scale="1", mask=None, guess=False)

    def plain(_number: int) -> None:
        restoring.restore(part, request, lambda _event: None, JobControl())

    wait(lambda: not page.flow.busy, "the rest")
    plain(0)
    say(f"one pass over {w * h / 1e6:.2f} MP", list(range(times)), plain)
    for what, work in (("a change, seen", change), ("the last of twelve in 0.2 s, seen", burst)):
        wait(lambda: not page.flow.busy, "the rest")
        say(what, list(range(times)), work)
    page.edits.reset()
    wait(lambda: not page.flow.busy, "the rest")


def enlarged(look: MemoryLook, pixels: float) -> MemoryLook:
    """The record repeated down and right until the photo has as many pixels."""
    times = max(1, round((pixels / (look.width * look.height)) ** 0.5))
    rows, columns = look.grid
    return replace(
        look,
        width=columns * times * 8,
        height=rows * times * 8,
        query=np.tile(look.query, (times, times, 1)),
        unguided=np.tile(look.unguided, (times, times, 1)),
        threshold=np.tile(look.threshold, (1, times, times)),
        before=Response(np.tile(look.before.values, (times, times))),
    )


def say(what: str, each: list, work: Callable) -> None:  # type: ignore[type-arg]
    took, own, all_of_it = [], [], []
    for one in each:
        began, worked, spent = time.perf_counter(), time.thread_time(), time.process_time()
        work(one)
        took.append(1000 * (time.perf_counter() - began))
        own.append(1000 * (time.thread_time() - worked))
        all_of_it.append(1000 * (time.process_time() - spent))
    print(
        f"{what:36} {statistics.median(took):8.1f} ({max(took):.1f}), of a core: this thread {statistics.median(own):.1f}, "
        f"all {statistics.median(all_of_it):.1f}",
        flush=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
