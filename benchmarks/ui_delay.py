"""How late the window answers while it works: ``python benchmarks/ui_delay.py [--seconds 60] [--megapixels 12]``.

Opens the real window (on the display, or offscreen without one), lets it restore a large photo made from a bundled
sample, again whenever it is done, and watches a 10 ms timer of the window's thread: how late is each beat? The same
timer runs before that while nothing is restored, and in a process of its own, which shares nothing with the window
but the processor, while it is: as late as that one any window would be.
``--stacks`` names what the window's thread was in when a beat was overdue.
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
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.display import why_no_display  # noqa: E402

if why_no_display() is not None:
    os.environ["QT_QPA_PLATFORM"] = "offscreen"

from PySide6.QtCore import QEventLoop, Qt, QTimer  # noqa: E402

from memorynet_gui import app as program  # noqa: E402  (sets what torch's threads need)

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
        return (
            f"  {name:10} {len(late):6} beats   p50 {quantile(late, 0.5):6.1f}   p99 {quantile(late, 0.99):6.1f}   "
            f"worst {late[-1]:6.1f} ms late (own work in that one {self.own_ms[worst]:.0f} ms; "
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

    from core import catalog, image_io

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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--idle-seconds", type=float, default=15.0)
    parser.add_argument("--megapixels", type=float, default=12.0)
    parser.add_argument("--stacks", action="store_true", help="say where the window's thread was")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="memorynet-ui-delay-", ignore_cleanup_errors=True) as home:
        code = measure(Path(home), args)
        sys.stdout.flush()
    os._exit(code)  # torch's threads may still be at work; tearing them down can hang


def measure(home: Path, args: argparse.Namespace) -> int:
    application = program.make_application()
    from memorynet_gui.main_window import MainWindow
    from memorynet_gui.settings import Settings
    from memorynet_gui.theme import Theme

    window = MainWindow(Settings(home), Theme(application, "dark"))
    window.show()
    program.load_torch(window)
    wait(lambda: bool(window.context.devices()), "torch")
    window.open_paths([make_photo(home, args.megapixels)])
    page, runner = window.page, window.runner
    wait(lambda: page.can("mode_wipe"), "the photo")

    idle = Heartbeat()
    until = time.monotonic() + 2  # pyramid, thumbnail and the like come to rest
    wait(lambda: time.monotonic() > until, "rest")
    idle.start()
    until = time.monotonic() + args.idle_seconds
    wait(lambda: time.monotonic() > until, "the idle beats")
    idle.stop()

    runs: list[bool] = []
    runner.finished.connect(lambda _result: runs.append(True))
    problems: list[object] = []
    runner.failed.connect(problems.append)
    busy = Heartbeat()
    watchdog = Watchdog(busy)
    beside = subprocess.Popen(
        [sys.executable, "-c", _BESIDE, str(args.seconds)], stdout=subprocess.PIPE, text=True
    )
    busy.start()
    if args.stacks:
        watchdog.start()
    until = time.monotonic() + args.seconds

    def again() -> bool:
        if not runner.busy and page.can("run") and not problems:
            page.handle("run")
        return time.monotonic() > until or bool(problems)

    wait(again, "the beats", args.seconds + _TIMEOUT_S)
    busy.stop()
    watchdog.over.set()
    if problems:
        beside.kill()
        print(f"the photo could not be restored: {problems[0]}", file=sys.stderr)
        return 1

    device = window.job_bar.device.text()
    print(f"a {BEAT_MS} ms timer of the window, {args.megapixels:g} megapixels restored on {device}")
    print(idle.line("idle"))
    print(busy.line("restoring"))
    other = [float(word) for word in beside.communicate()[0].split()]
    print(
        f"  beside it  {len(other):6} beats   p50 {quantile(other, 0.5):6.1f}   p99 {quantile(other, 0.99):6.1f}   "
        f"worst {other[-1]:6.1f} ms late (a process that does nothing else)"
    )
    late = sorted(busy.late_ms)
    print(
        f"  aim: p99 at most {AIM_P99_MS:.0f} ms, worst at most {AIM_WORST_MS:.0f} ms; "
        f"{sum(ms > AIM_WORST_MS for ms in late)} beats later than that; {len(runs)} restorations finished"
    )
    if hasattr(os, "getloadavg"):
        print(
            f"  the machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} (this program's share included)"
        )
    for where, count in watchdog.seen.most_common(12):
        print(f"  overdue, seen {count:4} times: {where}")
    window.close_now()
    return 0


if __name__ == "__main__":
    sys.exit(main())
