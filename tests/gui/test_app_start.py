"""Starting the program: what opens the window, what runs a command, and what is loaded when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.cli import program as cli
from memorynet_gui import app

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "resources" / "samples" / "rainy" / "dogs.jpg"
NO_DISPLAY = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "QT_QPA_PLATFORM": ""}
LATER = ("torch", "cv2", "skimage", "scipy", "qtawesome", "pyqtgraph", "PIL", "tifffile", "rich", "psutil")
"""What the window does not need to be seen."""

# Starts the program without torch (it takes seconds) and does something once the window is there.
DRIVER = """
import sys, threading
from memorynet_gui import app
from memorynet_gui.frame import main_window
app.load_torch = lambda window: threading.Thread()
opened = []
main_window.MainWindow.open_paths = lambda window, paths: opened.append(paths) or window.close_now()
init = main_window.MainWindow.__init__
def watched(window, *args):
    init(window, *args)
    window.first_painted.connect(lambda: print("painted", flush=True))
main_window.MainWindow.__init__ = watched
code = app.main(sys.argv[1:])
print("opened", [str(path) for paths in opened for path in paths])
print("code", code)
"""


def start(*words: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    env = {name: value for name, value in env.items() if value}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *words], env=env, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)


def run(*words: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    process = start(*words, environment=environment)
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    return process.returncode, out, err


# --- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["info", "--help"]])
def test_commands_run_without_qt(words: list[str]) -> None:
    code, out, err = run(
        "-c",
        "import sys; from memorynet_gui.app import main; code = main(sys.argv[1:]);"
        "print('qt' if any(name.startswith('PySide6') for name in sys.modules) else 'no qt'); sys.exit(code)",
        *words,
        environment=NO_DISPLAY,
    )
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "no qt"


def test_every_command_of_the_core_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def fake(words: list[str]) -> int:
        seen.append(words)
        return 7

    monkeypatch.setattr(cli, "main", fake)
    for command in cli.COMMANDS:
        assert app.main([command, "x.png", "--json"]) == 7
    assert seen == [[command, "x.png", "--json"] for command in cli.COMMANDS]


def test_a_folder_named_like_a_command_needs_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "restore").mkdir()
    monkeypatch.chdir(tmp_path)
    opened: list[tuple[list[Path], bool]] = []
    monkeypatch.setattr(cli, "main", lambda words: 7)
    monkeypatch.setattr(
        app, "_open_window", lambda paths, sample, is_alone: opened.append((paths, sample)) or 0
    )
    assert app.main(["restore"]) == 7
    assert app.main(["./restore"]) == 0
    assert opened == [([tmp_path / "restore"], False)]


def test_photos_folders_and_the_sample_open_the_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "a photo.png"
    photo.touch()
    opened: list[tuple[list[Path], bool]] = []
    monkeypatch.setattr(
        app, "_open_window", lambda paths, sample, is_alone: opened.append((paths, sample)) or 0
    )
    assert app.main([]) == 0
    assert app.main(["--sample"]) == 0
    assert app.main([str(photo), str(tmp_path)]) == 0
    assert opened == [([], False), ([], True), ([photo, tmp_path], False)]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["restor"], 'did you mean "restore"?'),
        (["--sampel"], 'did you mean "--sample"?'),
        (["gone.png"], 'no file or folder "gone.png"'),
        (["--sample", "gone.png"], 'no file or folder "gone.png"'),
        (["frobnicate"], "neither a command (restore, inspect"),
        (["--frobnicate"], 'no option "--frobnicate"'),
        (["x\0y"], "neither a command"),
        (["a" * 5000], "neither a command"),
    ],
)
def test_what_is_unknown_gives_one_line_and_exit_code_2(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert line in err


# --- display -------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="only there the display may be missing")
@pytest.mark.parametrize("platform", ["", "xcb", "wayland-egl"])
def test_without_a_display_it_says_so_and_what_works(platform: str) -> None:
    code, out, err = run("main.py", environment={**NO_DISPLAY, "QT_QPA_PLATFORM": platform})
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "neither DISPLAY nor WAYLAND_DISPLAY is set" in err
    assert "memorynet demo" in err


@pytest.mark.skipif(sys.platform != "linux", reason="X11")
def test_a_display_that_does_not_answer_is_no_crash() -> None:
    code, _out, err = run("main.py", environment={**NO_DISPLAY, "DISPLAY": ":4711"})
    assert code == 2
    assert "no display answers at DISPLAY=:4711" in err


# --- the window ----------------------------------------------------------------------------------


def test_nothing_heavy_is_loaded_before_the_first_paint_which_is_told() -> None:
    code, out, err = run(
        "-c",
        "import runpy, sys\n"
        "from memorynet_gui.frame import main_window\n"
        "init = main_window.MainWindow.__init__\n"
        "def watched(window, *args):\n"
        "    init(window, *args)\n"
        "    window.first_painted.connect(lambda: print(*sorted(sys.modules)))\n"
        "main_window.MainWindow.__init__ = watched\n"
        "runpy.run_path('main.py', run_name='__main__')",
        environment={app.EXIT_AFTER_PAINT: "1"},
    )
    assert (code, err) == (0, "")
    modules, painted_ms = out.splitlines()
    assert 20 < float(painted_ms) < 60_000
    loaded = modules.split()
    assert "PySide6.QtWidgets" in loaded
    assert "memorynet_gui.restore.page" in loaded
    assert [name for name in LATER if name in loaded] == []


def test_a_photo_named_at_the_start_is_opened() -> None:
    code, out, err = run("-c", DRIVER, str(SAMPLE.relative_to(ROOT)))
    assert code == 0, err
    assert out.splitlines() == ["painted", f"opened {[str(SAMPLE)]}", "code 0"]


def test_the_sample_is_bundled_and_has_its_truth() -> None:
    from core.model import catalog

    code, out, err = run("-c", DRIVER, "--sample")
    assert code == 0, err
    opened = out.splitlines()[1].removeprefix("opened ")
    with_truth = [str(sample.path) for sample in catalog.samples() if sample.truth is not None]
    assert opened in [str([path]) for path in with_truth]


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signal to a child")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_in_the_terminal_closes_the_window(number: signal.Signals, tmp_path: Path) -> None:
    process = start("-c", DRIVER, environment={"MEMORYNET_HOME": str(tmp_path / "kept")})
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "painted\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert out.splitlines() == ["opened []", f"code {128 + number}"]
    assert "Traceback" not in err
    assert (tmp_path / "kept" / "config" / "settings.json").exists()


# --- torch ---------------------------------------------------------------------------------------


def test_threads_of_torch_do_not_spin() -> None:
    code, out, _err = run(
        "-c",
        "import os, memorynet_gui.app; print(os.environ['OMP_WAIT_POLICY'])",
        environment={"OMP_WAIT_POLICY": ""},
    )
    assert (code, out) == (0, "PASSIVE\n")


class Listener:
    """Stands in for the window's two signals."""

    def __init__(self) -> None:
        self.found: list[tuple[object, str]] = []
        self.failed: list[Exception] = []
        self.devices_found = self
        self.devices_failed = self

    def emit(self, value: object, advice: str | None = None) -> None:
        if isinstance(value, Exception):
            self.failed.append(value)
        else:
            self.found.append((value, advice or ""))


def test_devices_are_found_on_a_thread_of_their_own() -> None:
    listener = Listener()
    thread = app.load_torch(listener)  # type: ignore[arg-type]
    assert thread is not threading.current_thread()
    thread.join(60)
    ((devices, _advice),) = listener.found
    assert devices[-1].name == "cpu"  # type: ignore[index]
    assert listener.failed == []


def test_a_torch_that_cannot_be_loaded_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "core.model.tensors", None)
    listener = Listener()
    app.load_torch(listener).join(60)  # type: ignore[arg-type]
    assert listener.found == []
    assert isinstance(listener.failed[0], ImportError)
