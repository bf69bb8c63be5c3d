"""How long the curves take to repaint: ``python benchmarks/curves.py [--points 1000000] [--seconds 20]``.

Four linked charts, each curve of a million points, on the display or offscreen without one. Real wheel events and
the pans of a dragging hand; the change and the repaints of all four cards that follow are timed together. First
while nothing else runs, then while a real network trains on the window's worker and its reports join the curves.
``cpu`` is this thread's own share of the wall clock's time: on a busy machine the rest is waiting.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.display import why_no_display  # noqa: E402

if why_no_display() is not None:
    os.environ["QT_QPA_PLATFORM"] = "offscreen"

import numpy as np  # noqa: E402
from PySide6.QtCore import QEventLoop, QPoint, QPointF, Qt, QTimer  # noqa: E402
from PySide6.QtGui import QWheelEvent  # noqa: E402
from PySide6.QtWidgets import QApplication  # noqa: E402

from memorynet_gui import app as program  # noqa: E402  (sets what torch's threads need)
from memorynet_gui.base.jobs import JobRunner  # noqa: E402
from memorynet_gui.curves.board import CurveBoard  # noqa: E402
from memorynet_gui.curves.store import CurveStore  # noqa: E402
from memorynet_gui.look.theme import Theme  # noqa: E402

AIM_IDLE_MS, AIM_TRAINING_MS = 16.0, 33.0
REST_MS = 15  # between two gestures, as between two frames of a hand that drags
NAMES = (
    *("loss", "pixel", "edge", "contrastive", "polarity", "polarity_truth", "balance"),
    *("distance_positive", "distance_negative", "images_per_s", "data_wait", "process_mb", "lr", "grad_norm"),
)

Took = list[tuple[float, float]]
"""Milliseconds on the wall's clock and of this thread's own work."""


def filled(points: int) -> CurveStore:
    """A run whose every step was reported, and validated every thousandth of the way."""
    store = CurveStore()
    rng = np.random.default_rng(0)
    steps = np.arange(1, points + 1)
    fall = np.exp(-steps / (points / 6))
    for at, name in enumerate(NAMES):
        values = (0.02 + 0.1 * fall) * (1 + 0.2 * rng.standard_normal(points)) * 0.7**at
        series = store._curves.series(store._curves.of_steps, name)
        series.extend(steps, values)
        series.build()
    checked = steps[:: max(points // 1000, 1)]
    for name, height in (("psnr_db", 30.0), ("ssim", 0.9), ("is_best", 1.0)):
        series = store._curves.series(store._curves.of_validations, name)
        series.extend(checked, height * (1 - 0.2 * np.exp(-checked / (points / 6))))
    return store


def rest(ms: float) -> None:
    """Run the event loop as the program does."""
    loop = QEventLoop()
    QTimer.singleShot(round(ms), loop.quit)
    loop.exec()


def timed(app: QApplication, change: Callable[[], object]) -> tuple[float, float]:
    wall, own = time.perf_counter(), time.thread_time()
    change()
    app.processEvents()  # posts of update() become the repaints
    return 1000 * (time.perf_counter() - wall), 1000 * (time.thread_time() - own)


def wheel(board: CurveBoard, share: float, notches: int) -> None:
    plot = board._cards[0].plot
    area = plot.area()
    at = QPointF(area.left() + share * area.width(), area.center().y())
    event = QWheelEvent(
        at, plot.viewport().mapToGlobal(at), QPoint(), QPoint(0, 120 * notches), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(plot.viewport(), event)


def gestures(app: QApplication, board: CurveBoard, points: int, seconds: float) -> dict[str, Took]:
    """Pans at three zooms, wheel in and out, crosshair: each for its part of the seconds."""
    found: dict[str, Took] = {}
    for name, width in (
        ("pan over 80 %", 0.8),
        ("pan over 10 %", 0.1),
        ("pan over 1,000 points", 1000 / points),
    ):
        took = found.setdefault(name, [])
        until, at = time.monotonic() + seconds / 5, 0
        while time.monotonic() < until or at < 10:
            first = (0.5 + 0.5 * np.sin(at / 25)) * (1 - width) * points
            took.append(
                timed(app, lambda first=first, last=first + width * points: board.show_steps(first, last))
            )
            at += 1
            rest(REST_MS)
    board.fit()
    rest(REST_MS)
    until, at = time.monotonic() + seconds / 5, 0
    took = found.setdefault("wheel at the pointer", [])
    while time.monotonic() < until or at < 10:
        notches = 1 if at // 20 % 2 == 0 else -1
        took.append(timed(app, lambda notches=notches: wheel(board, 0.4, notches)))
        at += 1
        rest(REST_MS)
    board.fit()
    until, at = time.monotonic() + seconds / 5, 0
    took = found.setdefault("crosshair", [])
    while time.monotonic() < until or at < 10:
        step = (0.5 + 0.5 * np.sin(at / 25)) * points
        took.append(timed(app, lambda step=step: board._pointed(board._cards[0], step)))
        at += 1
        rest(REST_MS)
    return found


def line(name: str, took: Took) -> None:
    wall, own = np.array(took).T
    print(
        f"  {name:<24}{len(wall):>6}{np.median(wall):>9.1f}{np.percentile(wall, 99):>9.1f}{wall.max():>9.1f}"
        f"{np.median(own):>9.1f}",
        flush=True,
    )


def show(title: str, found: dict[str, Took], aim_ms: float) -> None:
    print(f"{title} (aim: median at most {aim_ms:.0f} ms)")
    print(f"  {'ms a repaint':<24}{'count':>6}{'median':>9}{'p99':>9}{'worst':>9}{'cpu':>9}")
    for name, took in found.items():
        line(name, took)
    moves = [each for name, took in found.items() if name != "crosshair" for each in took]
    line("all pans and zooms", moves)


def begin_training(runner: JobRunner, folder: Path) -> None:
    """Preset S on the photos that ship, with more steps than will be waited for."""

    def job(emit: Callable[[object], None], control: object) -> object:
        from core.training.recipe import TrainRecipe
        from core.training.trainer import train

        bundled = {"train": ("SAMPLES/train",), "validation": ("SAMPLES/validation",)}
        recipe = TrainRecipe(name="bench", steps=1_000_000, log_every=1, validate_every=1_000_000, **bundled)
        return train(recipe, (), folder, emit, control)  # type: ignore[arg-type]

    runner.start(job)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="of gestures, idle and again while training"
    )
    parser.add_argument("--size", default="1030x610", help="of the board in logical pixels")
    parser.add_argument("--idle-only", action="store_true")
    args = parser.parse_args()
    width, height = (int(edge) for edge in args.size.split("x"))
    app = program.make_application()
    Theme(app, "dark")
    began = time.perf_counter()
    store = filled(args.points)
    filled_s = time.perf_counter() - began
    board = CurveBoard()
    board.resize(width, height)
    began = time.perf_counter()
    board.show()
    app.processEvents()
    shown_s = time.perf_counter() - began
    board.set_run("bench", store)
    rest(500)
    shown = sum(
        len(stroke.polygon) for card in board._cards for stroke in card.plot.canvas.scene_shown.strokes
    )
    print(
        f"{len(NAMES)} curves of {args.points:,} points in {filled_s:.1f} s, {shown:,} of them drawn on "
        f"{width}x{height}; first show with import {1000 * shown_s:.0f} ms; load {os.getloadavg()[0]:.1f} "
        f"on {os.cpu_count()} cores"
    )
    show("idle", gestures(app, board, args.points, args.seconds), AIM_IDLE_MS)
    if not args.idle_only:
        return _while_training(app, board, store, args)
    return 0


def _while_training(app: QApplication, board: CurveBoard, store: CurveStore, args: argparse.Namespace) -> int:
    from core.events import StepDone

    runner, problems, reports = JobRunner(), [], []

    def take(event: object) -> None:
        if isinstance(event, StepDone):
            reports.append(event.step)
            store.append(replace(event, step=args.points + event.step))

    runner.event.connect(take)
    runner.failed.connect(problems.append)
    with tempfile.TemporaryDirectory(prefix="memorynet-curves-", ignore_cleanup_errors=True) as folder:
        begin_training(runner, Path(folder) / "run")
        while len(reports) < 2 and not problems:
            rest(50)
        if not problems:
            before = len(reports)
            found = gestures(app, board, args.points, args.seconds)
            show(f"training, {len(reports) - before} steps meanwhile", found, AIM_TRAINING_MS)
        runner.shut_down(60_000)
    if problems:
        print(f"the training failed: {problems[0]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # torch's threads may still be at work; tearing them down can hang
