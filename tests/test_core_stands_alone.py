"""The core must not reach for the window, and the window's start must not wait for torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CORE = Path(__file__).parents[1] / "core"
WINDOW_MODULES = {"PySide6", "qtpy", "pyqtgraph", "qtawesome", "memorynet_gui", "shiboken6"}
LIGHT_MODULES = (
    "core.images.io",
    "core.model.catalog",
    "core.model.config",
    "core.model.memory_edit",
    "core.tasks",
    "core.restoring.outputs",
    "core.images.metrics",
    "core.data.dataset",
    "core.training.recipe",
    "core.jobs",
    "core.events",
    "core.problems",
    "core.training.run_folder",
    "core.training.runs",
    "core.model.card",
    "core.extras",
)


def _modules() -> dict[str, Path]:
    """Every module of the core by its dotted name, however deep it lies."""
    found = {}
    for path in sorted(CORE.rglob("*.py")):
        parts = path.relative_to(CORE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    assert {"core", "core.events", *LIGHT_MODULES} <= set(found)
    return found


def test_importing_core_loads_no_window_and_light_modules_load_no_torch() -> None:
    light = ", ".join(LIGHT_MODULES)
    every = ", ".join(name for name in _modules() if not name.endswith(".__main__"))
    code = (
        f"import gc, sys\ngc.disable()\nimport {light}\nassert 'torch' not in sys.modules, 'torch'\n"
        f"import {every}\n"
        f"reached = {sorted(WINDOW_MODULES)!r}\n"
        "found = [name for name in reached if name in sys.modules]\nassert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=CORE.parent, timeout=120)


def test_threads_of_torch_do_not_spin_whatever_is_imported_first() -> None:
    code = (
        "import os, sys\nos.environ.pop('OMP_WAIT_POLICY', None)\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch': os._exit(0 if os.environ.get('OMP_WAIT_POLICY') == 'PASSIVE' else 1)\n"
        "sys.meta_path.insert(0, Watch())\n"
        "import core.training.learning.learner\nsys.exit('torch was not imported')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=CORE.parent, timeout=300)


def test_no_room_is_crowded() -> None:
    for top in ("core", "memorynet_gui", "tests"):
        for folder in {path.parent for path in (CORE.parent / top).rglob("*.py")}:
            modules = list(folder.glob("*.py"))
            assert len(modules) <= 25, f"{folder.name} has {len(modules)} modules"
