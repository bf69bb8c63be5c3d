"""How long the comparison canvas takes to repaint: pan, zoom, wipe, strength, tiles, on a large photo.

    python benchmarks/canvas.py [--megapixels 50] [--size 1100x740] [--scale 1]

Runs without a screen. Each line is one gesture: real mouse and wheel events where there are such, the change
and the repaint that follows timed together; and the lateness of a 5 ms timer while the pyramid of a newly
opened photo is built beside the window. A frame at 60 Hz lasts 16.7 ms.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from PySide6.QtCore import QEvent, QEventLoop, QPoint, QPointF, Qt, QThreadPool, QTimer
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication

from core.cv import cv2
from memorynet_gui.compare.view import CompareView

LEFT = Qt.MouseButton.LeftButton


def photo(megapixels: float, seed: int) -> np.ndarray:
    """A 3:2 picture with detail at every scale, (H, W, 3) uint8."""
    h = round(math.sqrt(megapixels * 1e6 / 1.5))
    w = round(h * 1.5)
    rng = np.random.default_rng(seed)
    out = np.zeros((h, w, 3), np.uint8)
    for cells in (6, 60, 600):
        coarse = rng.integers(0, 80, (cells, cells, 3), np.uint8)
        cv2.add(out, cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC), dst=out)
    return out


def mouse(view: CompareView, kind: QEvent.Type, at: QPointF) -> None:
    held = LEFT if kind != QEvent.Type.MouseButtonRelease else Qt.MouseButton.NoButton
    button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else LEFT
    event = QMouseEvent(kind, at, view.mapToGlobal(at), button, held, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(view, event)


def wheel(view: CompareView, at: QPointF, notches: int) -> None:
    event = QWheelEvent(
        at,
        view.mapToGlobal(at),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, event)


def drag(view: CompareView, start: QPointF, steps: Iterable[QPointF], app: QApplication) -> list[float]:
    """Milliseconds from each mouse move to the end of the repaint it causes."""
    mouse(view, QEvent.Type.MouseButtonPress, start)
    took = [timed(app, lambda at=at: mouse(view, QEvent.Type.MouseMove, at)) for at in steps]
    mouse(view, QEvent.Type.MouseButtonRelease, start)
    return took


def timed(app: QApplication, change: Callable[[], object]) -> float:
    start = time.perf_counter()
    change()
    app.processEvents()  # posts of update() become the repaint
    return 1000 * (time.perf_counter() - start)


def line(name: str, took: list[float]) -> None:
    ms = np.array(took)
    print(
        f"{name:<34}{len(ms):>6}{np.median(ms):>9.2f}{np.percentile(ms, 99):>9.2f}{ms.max():>9.2f}",
        flush=True,
    )


def swing(centre: QPointF, reach: float, count: int) -> list[QPointF]:
    """Pointer places on a wide loop, as a hand drags."""
    turns = np.linspace(0, 4 * math.pi, count)
    return [centre + QPointF(reach * math.sin(t), 0.6 * reach * math.sin(1.7 * t)) for t in turns]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=50)
    parser.add_argument("--size", default="1100x740", help="canvas in logical pixels")
    parser.add_argument("--scale", type=float, default=1, help="device pixels per logical pixel")
    options = parser.parse_args()
    os.environ["QT_SCALE_FACTOR"] = str(options.scale)
    width, height = (int(edge) for edge in options.size.split("x"))

    app = QApplication([])
    view = CompareView()
    view.resize(width, height)
    view.show()
    before, after = photo(options.megapixels, 0), photo(options.megapixels, 1)
    h, w = before.shape[:2]
    print(
        f"photo {w}x{h} ({w * h / 1e6:.1f} MP), canvas {width}x{height} at {options.scale:g}x, ms per repaint"
    )
    print(f"{'':<34}{'count':>6}{'median':>9}{'p99':>9}{'worst':>9}")

    late: list[float] = []
    due = [0.0]

    def tick() -> None:
        now = time.perf_counter()
        late.append(max(0.0, 1000 * (now - due[0])))
        due[0] = now + 0.005

    def settle() -> None:
        """Until the pyramids are built; they are begun a moment after the photo is handed over."""
        until = time.perf_counter() + 0.4
        while time.perf_counter() < until or not QThreadPool.globalInstance().waitForDone(0):
            app.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 5)
            time.sleep(0.0005)

    opening, restored = [], []
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    for _ in range(5):
        due[0] = time.perf_counter() + 0.005
        timer.start(5)
        opening.append(timed(app, lambda: view.set_original(before)))
        settle()
        restored.append(timed(app, lambda: view.set_restored(after)))
        settle()
        timer.stop()
    line("open: call and first paint", opening)
    line("whole result: call and paint", restored)
    line("5 ms timer late while building", late)

    centre = QPointF(width / 2, height / 2)
    beside = QPointF(width * 0.3, height * 0.3)
    reach = min(width, height) * 0.35
    for mode in ("wipe", "side", "difference"):
        view.set_mode(mode)
        for name, zoom in (("2 x fit", 2.0), ("100 %", 1.0), ("300 %", 3.0)):
            view.fit()
            view.zoom_by(zoom if name == "2 x fit" else zoom / view.zoom)
            if name == "300 %":
                view.zoom_by(3.0)
            app.processEvents()
            line(f"pan, {mode}, {name}", drag(view, beside, swing(beside, reach, 300), app))
        view.fit()
        app.processEvents()
        notches = [1] * 12 + [-1] * 12
        line(
            f"wheel, {mode}",
            [timed(app, lambda n=n: wheel(view, beside, n)) for _ in range(5) for n in notches],
        )
    view.fit()
    for mode in ("wipe", "side", "difference"):
        view.set_mode(mode)
        app.processEvents()
        line(
            f"strength slider, {mode}",
            [timed(app, lambda s=s: view.set_strength(s)) for s in np.linspace(0.01, 0.99, 100)],
        )
    view.set_strength(1.0)
    view.set_mode("wipe")
    app.processEvents()
    line("wipe drag, fit", drag(view, centre, swing(centre, width * 0.4, 300), app))
    view.set_wipe(0.0)
    view.set_restored(None)
    tiles = [(x, y) for y in range(0, h, 768) for x in range(0, w, 768)]
    line(
        "tile of 768 px arrives, fit",
        [
            timed(app, lambda x=x, y=y: view.update_tile(x, y, after[y : y + 768, x : x + 768]))
            for x, y in tiles
        ],
    )
    view.close()


if __name__ == "__main__":
    main()
