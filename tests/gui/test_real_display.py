"""The window on a real X display. The same laws are tested offscreen in test_app_start and test_main_window; here
it is Qt's xcb plug-in, its libraries and the keys as the X server sends them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from memorynet_gui import app

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(
    shutil.which("Xvfb") is None, reason="no virtual X display (Xvfb) is installed"
)

# Reads the screen, not the widget: a pixel of the rail, far below its button, beside the colour it should have.
DRIVER = """
import sys, threading
from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication
from memorynet_gui import app
from memorynet_gui.frame import main_window

app.load_torch = lambda window: threading.Thread()  # it takes seconds and is not what is asked here
init = main_window.MainWindow.__init__
def watched(window, *args):
    init(window, *args)
    def look():
        screen = window.screen().grabWindow(0).toImage()
        spot = window.rail.mapToGlobal(window.rail.rect().center())
        found, meant = screen.pixelColor(spot).name(), window.theme.token("panel").name()
        print(QGuiApplication.platformName(), found, meant, flush=True)
        window.close()
    window.first_painted.connect(lambda: QTimer.singleShot(500, look))
main_window.MainWindow.__init__ = watched
sys.exit(app.main([]))
"""


@pytest.fixture
def display() -> Iterator[str]:
    """A virtual screen of 1280x800; the server itself finds a free number and tells it."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    server = subprocess.Popen(
        command, pass_fds=(writing,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            number = told.readline().strip()
        assert number, f"Xvfb ended with code {server.wait(10)}"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(10)


def run_on(display: str, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **extra, "DISPLAY": display, "PYTHONPATH": str(ROOT)}
    for name in ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_first_paint_is_told_and_qt_complains_of_nothing(display: str) -> None:
    ended = run_on(display, "main.py", **{app.EXIT_AFTER_PAINT: "1"})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert 20 < float(ended.stdout) < 60_000


def test_the_window_stands_on_the_screen_and_closes(display: str) -> None:
    ended = run_on(display, "-c", DRIVER)
    assert (ended.returncode, ended.stderr) == (0, "")
    platform, found, meant = ended.stdout.split()
    assert platform == "xcb"
    assert found == meant
