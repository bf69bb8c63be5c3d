"""Whether a window can be opened is asked before Qt would end the program."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from core.display import why_no_display

linux = pytest.mark.skipif(sys.platform != "linux", reason="X11 and Wayland")


def test_nothing_set() -> None:
    assert why_no_display({}, "linux") == "neither DISPLAY nor WAYLAND_DISPLAY is set"


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_other_systems_always_have_one(platform: str) -> None:
    assert why_no_display({}, platform) is None


def test_a_platform_chosen_by_hand_is_believed() -> None:
    assert why_no_display({"QT_QPA_PLATFORM": "offscreen"}, "linux") is None


@linux
@pytest.mark.parametrize(
    "display", [":98765", "unix:98765", "localhost:59000.0", "nonsense", ":", "127.0.0.1:1"]
)
def test_a_display_that_does_not_answer(display: str) -> None:
    assert why_no_display({"DISPLAY": display}, "linux") == f"no display answers at DISPLAY={display}"


@linux
def test_a_display_that_answers(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as wayland, socket.socket() as x11:
        wayland.bind(str(tmp_path / "wayland-7"))
        wayland.listen()
        found = {"WAYLAND_DISPLAY": "wayland-7", "XDG_RUNTIME_DIR": str(tmp_path)}
        assert why_no_display(found, "linux") is None
        assert why_no_display({"WAYLAND_DISPLAY": str(tmp_path / "wayland-7")}, "linux") is None
        x11.bind(("127.0.0.1", 0))
        x11.listen()
        number = x11.getsockname()[1] - 6000
        if number >= 0:
            assert why_no_display({"DISPLAY": f"127.0.0.1:{number}.0"}, "linux") is None


@linux
def test_make_asks_it_like_this() -> None:
    def ask(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "core.display"]
        root = Path(__file__).resolve().parent.parent
        return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)

    none = ask({})
    assert none.returncode == 1
    assert none.stderr == "No display here (neither DISPLAY nor WAYLAND_DISPLAY is set).\n"
    assert ask({"QT_QPA_PLATFORM": "offscreen"}).returncode == 0
