"""How late the window answers while it works: ``python benchmarks/ui_delay.py [--page train] [--seconds 60]``.

Opens the real window (on the display, or offscreen without one), lets it work, and watches a 10 ms timer of the
window's thread: how late is each beat? The same timer runs before that while the window has nothing to do, and in a
process of its own, which shares nothing with the window but the processor, while it works: as late as that one any
window would be.

``--page restore``: a large photo made from a bundled sample (``--megapixels 12``) is restored, again whenever done.
``--page train``: the real Train page starts a run of preset S on the photos that ship, in a folder that is removed
afterwards, and shows its curves and film as they grow. It reports after every step and validates, writes film and
checkpoint every ``--validate-every`` 20 steps, much more often than runs do, so that all of it comes up. Beats from
the Start to the first report have a line of their own.

``--stacks`` names what the window's thread was in when a beat was overdue. Panning and zooming the curves while a
run learns is timed by ``benchmarks/curves.py``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.display import why_no_display  # noqa: E402

if why_no_display() is not None:
    os.environ["QT_QPA_PLATFORM"] = "offscreen"

from PySide6.QtCore import QEventLoop, Qt, QTimer  # noqa: E402

from memorynet_gui import app as program  # noqa: E402  (sets what torch's threads need)

if TYPE_CHECKING:
    from memorynet_gui.frame.main_window import MainWindow

BEAT_MS = 10
AIM_P99_MS, AIM_WORST_MS = 16.0, 100.0
OVERDUE_MS = 40.0
_TIMEOUT_S = 180.0


@dataclass(slots=True)
class Heartbeat:
    """A 10 ms timer on the thread it is made on. ``late_ms``: beyond the 10; ``own_ms``: this thread's own work."""

    late_ms: list[float] = field(default_factory=list)
    own_ms: list[float] = field(default_factory=list)
    last: float = 0.0
    _last_own: float = 0.0
    _timer: QTimer | None = None

    def start(self) -> None:
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self.last, self._last_own = time.perf_counter(), time.thread_time()
        self._timer.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()

    def _beat(self) -> None:
        now, own = time.perf_counter(), time.thread_time()
        self.late_ms.append(max(1000 * (now - self.last) - BEAT_MS, 0.0))
        self.own_ms.append(1000 * (own - self._last_own))
        self.last, self._last_own = now, own

    def line(self, name: str) -> str:
        late = sorted(self.late_ms)
        worst = max(range(len(self.late_ms)), key=self.late_ms.__getitem__)
        after_s = sum(ms + BEAT_MS for ms in self.late_ms[: worst + 1]) / 1000
        return (
            f"  {name:10} {len(late):6} beats   p50 {quantile(late, 0.5):6.1f}   p99 {quantile(late, 0.99):6.1f}   "
            f"worst {late[-1]:6.1f} ms late (after {after_s:.1f} s, own work {self.own_ms[worst]:.0f} ms; "
            f"most own work in any {max(self.own_ms):.0f} ms)"
        )


def quantile(ordered: list[float], share: float) -> float:
    """The smallest value that at least ``share`` of them do not exceed."""
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1e6) * len(ordered) // 1_000_000) - 1))]


_BESIDE = f"""
import time, sys
late, last = [], time.perf_counter()
until = last + float(sys.argv[1])
while last < until:
    time.sleep({BEAT_MS / 1000})
    now = time.perf_counter()
    late.append(max(1000 * (now - last) - {BEAT_MS}, 0))
    last = now
late.sort()
print(*late)
"""


class Watchdog(threading.Thread):
    """Writes down where the window's thread is while a beat is overdue."""

    def __init__(self, heart: Heartbeat) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._heart, self._of = heart, threading.get_ident()
        self.seen: Counter[str] = Counter()
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.005):
            if 1000 * (time.perf_counter() - self._heart.last) < OVERDUE_MS + BEAT_MS:
                continue
            frame = sys._current_frames().get(self._of)
            if frame is not None:
                stack = traceback.extract_stack(frame)[-4:]
                self.seen[
                    " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(stack))
                ] += 1


def make_photo(folder: Path, megapixels: float) -> Path:
    """A bundled rainy sample, repeated (mirrored at the joints) until it has that many megapixels; 3:2."""
    import numpy as np

    from core.images import io as image_io
    from core.model import catalog

    sample = next(sample for sample in catalog.samples() if sample.truth is not None)
    small = image_io.read(sample.path).pixels
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    width = round(height * 1.5)
    rows = np.arange(height) % (2 * small.shape[0])
    columns = np.arange(width) % (2 * small.shape[1])
    rows = np.minimum(rows, 2 * small.shape[0] - 1 - rows)
    columns = np.minimum(columns, 2 * small.shape[1] - 1 - columns)
    path = folder / "large.jpg"
    image_io.write(path, image_io.from_array(small[rows][:, columns], "large"), image_io.WriteOptions("JPEG"))
    return path


def wait(condition: Callable[[], bool], what: str, timeout_s: float = _TIMEOUT_S) -> None:
    """Run the event loop as the program does. Raises TimeoutError."""
    until = time.monotonic() + timeout_s
    loop, clock = QEventLoop(), QTimer()
    clock.timeout.connect(lambda: loop.quit() if condition() or time.monotonic() > until else None)
    clock.start(50)
    loop.exec()
    clock.stop()
    if not condition():
        raise TimeoutError(f"waited {timeout_s:.0f} s for {what}")


def rest(seconds: float) -> None:
    until = time.monotonic() + seconds
    wait(lambda: time.monotonic() > until, "the time to pass", seconds + _TIMEOUT_S)


class Work(ABC):
    """What the window does while it is watched. ``problems``: what went wrong with it."""

    page_id: str
    beats: str  # the name of its line

    def __init__(self, window: MainWindow, home: Path, args: argparse.Namespace) -> None:
        self.window, self.home, self.args = window, home, args
        self.problems: list[object] = []
        window.runner.failed.connect(self.problems.append)

    @abstractmethod
    def get_ready(self) -> None:
        """As a person would who is about to press the button. Raises TimeoutError."""

    @abstractmethod
    def begin(self) -> None:
        """Press it, and come back when what is to be watched has begun. Raises TimeoutError."""

    @abstractmethod
    def go_on(self) -> None:
        """Asked again and again while the window is watched."""

    @abstractmethod
    def title(self) -> str:
        """What was watched, on what."""

    @abstractmethod
    def done(self) -> str:
        """How much of it was done meanwhile."""


class Restoring(Work):
    """A large photo, again and again."""

    page_id, beats = "restore", "restoring"

    def get_ready(self) -> None:
        self.count = 0
        self.window.runner.finished.connect(self._finished)
        self.window.open_paths([make_photo(self.home, self.args.megapixels)])
        wait(lambda: self.window.page.can("mode_wipe"), "the photo")

    def _finished(self, _result: object) -> None:
        self.count += 1

    def begin(self) -> None:
        """Nothing: the first press is watched like those that follow."""

    def go_on(self) -> None:
        page = self.window.page
        if not self.window.runner.busy and page.can("run") and not self.problems:
            page.handle("run")

    def title(self) -> str:
        return f"{self.args.megapixels:g} megapixels restored on {self.window.job_bar.device.text()}"

    def done(self) -> str:
        return f"{self.count} restorations finished"


class Training(Work):
    """A run of preset S on the bundled photos, its curves and film in sight."""

    page_id, beats = "train", "training"

    def get_ready(self) -> None:
        from core.training.recipe import TrainRecipe
        from memorynet_gui.train.page import TrainPage

        page = self.window.page
        assert isinstance(page, TrainPage)
        self.page, self.came = page, Counter[str]()
        page.flow.event_came.connect(lambda event: self.came.update([type(event).__name__]))
        page.flow.ended.connect(lambda ending: self.problems.append(f"the run ended: {ending}"))
        wait(lambda: page.is_settled, "the page")
        recipe = TrainRecipe(
            name="watched",
            train=("SAMPLES/train",),
            validation=("SAMPLES/validation",),
            preset="S",
            patch_px=self.args.patch,
            steps=1_000_000,
            log_every=1,
            validate_every=self.args.validate_every,
        )
        page.set_up(recipe)
        wait(lambda: page.can("start_run"), "the form")

    def begin(self) -> None:
        self.page.handle("start_run")
        wait(lambda: self.came["StepDone"] > 0 or bool(self.problems), "the first step")
        self.came.clear()

    def go_on(self) -> None:
        """Nothing: a run goes on by itself."""

    def title(self) -> str:
        order, started = self.page.flow.order, self.page.flow.started
        assert order is not None and started is not None
        made = order.recipe
        return (
            f"a run of preset {made.preset} ({made.batch} crops of {made.patch_px} px a step) on {started.device}, "
            f"{started.precision}, with the Train page open"
        )

    def done(self) -> str:
        came = self.came
        return (
            f"{came['StepDone']} steps, {came['Validated']} validations, {came['FilmFrame']} film frames, "
            f"{came['CheckpointSaved']} checkpoints; the curves show {self._shown_steps()} steps"
        )

    def _shown_steps(self) -> int:
        stores, order = self.page._stores, self.page.flow.order
        if stores is None or order is None:
            return 0
        loss = stores.of(order.folder, True).series("loss")
        return 0 if loss is None else len(loss.steps)


WORKS: dict[str, type[Work]] = {work.page_id: work for work in (Restoring, Training)}


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="memorynet-ui-delay-", ignore_cleanup_errors=True) as home:
        code = measure(Path(home), args)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # torch's threads may still be at work; tearing them down can hang


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--page", choices=tuple(WORKS), default="restore", help="what the window works at")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--idle-seconds", type=float, default=15.0)
    parser.add_argument("--megapixels", type=float, default=12.0, help="of the photo, for --page restore")
    parser.add_argument("--validate-every", type=int, default=20, metavar="STEPS", help="for --page train")
    parser.add_argument("--patch", type=int, default=128, metavar="PX", help="for --page train")
    parser.add_argument("--stacks", action="store_true", help="say where the window's thread was")
    return parser.parse_args(arguments)


def measure(home: Path, args: argparse.Namespace) -> int:
    application = program.make_application()
    from memorynet_gui.base.settings import Settings
    from memorynet_gui.frame.main_window import MainWindow
    from memorynet_gui.look.theme import Theme

    settings = Settings(home)
    settings.page, settings.runs_folder = args.page, home / "runs"
    window = MainWindow(settings, Theme(application, "dark"))
    window.show()
    program.load_torch(window)
    program.prepare_training(window, [])
    try:
        wait(lambda: bool(window.context.devices()), "torch")
        return watch(window, WORKS[args.page](window, home, args), args)
    finally:
        window.close_now()


def watch(window: MainWindow, work: Work, args: argparse.Namespace) -> int:
    """Idle, at work, and the process beside it."""
    work.get_ready()
    rest(2)  # pyramid, thumbnail and the like come to rest
    idle, starting, busy = Heartbeat(), Heartbeat(), Heartbeat()
    idle.start()
    rest(args.idle_seconds)
    idle.stop()

    watchdogs = [Watchdog(starting), Watchdog(busy)]
    starting.start()
    if args.stacks:
        watchdogs[0].start()
    work.begin()
    starting.stop()
    watchdogs[0].over.set()
    beside = subprocess.Popen(
        [sys.executable, "-c", _BESIDE, str(args.seconds)], stdout=subprocess.PIPE, text=True
    )
    busy.start()
    if args.stacks:
        watchdogs[1].start()
    until = time.monotonic() + args.seconds

    def over() -> bool:
        work.go_on()
        return time.monotonic() > until or bool(work.problems)

    wait(over, "the beats", args.seconds + _TIMEOUT_S)
    busy.stop()
    watchdogs[1].over.set()
    if work.problems:
        beside.kill()
        print(f"the window could not work at it: {work.problems[0]}", file=sys.stderr)
        return 1

    print(f"a {BEAT_MS} ms timer of the window, {work.title()}")
    print(idle.line("idle"))
    if starting.late_ms:
        print(starting.line("starting"))
    print(busy.line(work.beats))
    other = [float(word) for word in beside.communicate()[0].split()]
    print(
        f"  beside it  {len(other):6} beats   p50 {quantile(other, 0.5):6.1f}   p99 {quantile(other, 0.99):6.1f}   "
        f"worst {other[-1]:6.1f} ms late (a process that does nothing else)"
    )
    print(
        f"  aim: p99 at most {AIM_P99_MS:.0f} ms, worst at most {AIM_WORST_MS:.0f} ms; "
        f"{sum(ms > AIM_WORST_MS for ms in busy.late_ms)} beats later than that; {work.done()}"
    )
    if hasattr(os, "getloadavg"):
        print(
            f"  the machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} (this program's share included)"
        )
    for name, watchdog in zip(("starting", work.beats), watchdogs, strict=True):
        for where, count in watchdog.seen.most_common(12):
            print(f"  overdue while {name}, seen {count:4} times: {where}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
