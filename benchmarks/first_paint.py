"""How long the program takes until its window is painted: ``python benchmarks/first_paint.py [--runs 9]``.

Every run is a process of its own with an empty home; the first is not counted (it fills the caches of the disk and
writes Python's byte code). Three numbers per run: the window's own, from the process's start to the first paint;
the wall clock of whoever started it; and the processor time. The platform is the real display when there is one, else offscreen.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.display import why_no_display  # noqa: E402

AIM_MS = 600.0


@dataclass(frozen=True, slots=True)
class Start:
    own_ms: float  # process start to first paint, as the process itself says
    wall_ms: float  # seen from outside: includes making the process and its line of output
    cpu_ms: float  # processor time, which a busy machine does not stretch as much; its end included


def start_once(home: Path, platform: str | None) -> Start:
    """Raises RuntimeError with what the program said when it did not paint."""
    environment = {**os.environ, "MEMORYNET_HOME": str(home), "MEMORYNET_EXIT_AFTER_PAINT": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(home / "bytecode")  # leaves the checkout as it is
    if platform is not None:
        environment["QT_QPA_PLATFORM"] = platform
    began, used = time.perf_counter(), os.times()
    with subprocess.Popen(
        [sys.executable, str(ROOT / "main.py")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        wall_ms = 1000 * (time.perf_counter() - began)
        _, problem = process.communicate(timeout=60)
    if process.returncode != 0 or not line.strip():
        raise RuntimeError(
            f"the program ended with code {process.returncode}: {problem.strip() or 'no words'}"
        )
    now = os.times()
    cpu_s = now.children_user + now.children_system - used.children_user - used.children_system
    return Start(float(line), wall_ms, 1000 * cpu_s)


def measure(runs: int) -> list[Start]:
    """``runs`` starts after one that is not counted."""
    platform = None if why_no_display() is None else "offscreen"
    with tempfile.TemporaryDirectory(prefix="memorynet-first-paint-") as home:
        return [start_once(Path(home), platform) for _ in range(runs + 1)][1:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=9)
    starts = measure(max(parser.parse_args().runs, 1))
    print(f"first paint, {len(starts)} warm starts (aim: under {AIM_MS:.0f} ms)")
    for name, column in (
        ("since the process's start", [start.own_ms for start in starts]),
        ("seen from outside", [start.wall_ms for start in starts]),
        ("processor time", [start.cpu_ms for start in starts]),
    ):
        values = sorted(column)
        print(
            f"  {name:26} median {statistics.median(values):6.0f} ms   "
            f"best {values[0]:6.0f}   worst {values[-1]:6.0f}"
        )
    if hasattr(os, "getloadavg"):
        busy = os.getloadavg()[0]
        print(f"  the machine: {os.cpu_count()} cores, load {busy:.1f}" + (" (busy)" if busy > 1 else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
