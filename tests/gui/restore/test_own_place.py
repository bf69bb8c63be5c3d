from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from memorynet_gui.base.own_place import OwnPlace


def test_a_second_window_has_a_place_of_its_own(tmp_path: Path) -> None:
    first = OwnPlace(tmp_path / "data", tmp_path / "cache")
    second = OwnPlace(tmp_path / "data", tmp_path / "cache")
    assert first.queue_file.name == "queue.json"
    assert {first.queue_file, first.results_dir}.isdisjoint({second.queue_file, second.results_dir})
    first.release()
    again = OwnPlace(tmp_path / "data", tmp_path / "cache")
    assert again.queue_file == first.queue_file
    for place in (second, again):
        place.release()


def test_a_killed_window_leaves_its_place_free(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from memorynet_gui.base.own_place import OwnPlace;"
        f"place = OwnPlace(Path({str(tmp_path)!r}), Path({str(tmp_path)!r}));"
        "assert place.number == 1; os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], timeout=60, check=False
    )
    assert done.returncode == -9
    assert (tmp_path / "queue.lock").exists()
    place = OwnPlace(tmp_path, tmp_path)
    assert place.number == 1
    place.release()


def test_a_folder_that_cannot_be_made_is_no_reason_not_to_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    place = OwnPlace(tmp_path / "file" / "data", tmp_path)
    assert place.queue_file.name == "queue.json"
    place.release()
