"""Whether Qt and OpenCV find every system library they need; prints what is missing and exits with 1.

Qt ends the process when a plug-in cannot be loaded, so it is tried in a process of its own. Nothing else
than the standard library is imported here.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TRIAL = """
from PySide6.QtWidgets import QApplication, QLabel
from PySide6.QtGui import QOffscreenSurface
import PySide6.QtSvg
app = QApplication([])
QLabel("x").grab()
import cv2
"""


def main() -> int:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    trial = subprocess.run(
        [sys.executable, "-c", TRIAL], env=environment, capture_output=True, text=True, check=False
    )
    if trial.returncode != 0:
        lines = trial.stderr.strip().splitlines() or [f"exit code {trial.returncode}"]
        print(f"Qt or OpenCV cannot start: {lines[-1]}")
        return 1
    missing = missing_for_a_window()
    if missing:
        print(f"Qt cannot open a window, missing: {', '.join(missing)}")
        return 1
    return 0


def missing_for_a_window() -> list[str]:
    """Shared libraries that Qt's X11 plug-in asks for and the system does not have (Linux only)."""
    found = importlib.util.find_spec("PySide6")
    if sys.platform != "linux" or found is None or found.origin is None or shutil.which("ldd") is None:
        return []
    plugin = Path(found.origin).parent / "Qt" / "plugins" / "platforms" / "libqxcb.so"
    listed = subprocess.run(["ldd", str(plugin)], capture_output=True, text=True, check=False).stdout
    return sorted(set(re.findall(r"^\s*(\S+) => not found", listed, re.MULTILINE)))


if __name__ == "__main__":
    sys.exit(main())
