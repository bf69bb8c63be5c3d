"""A second start of the program: its files go to the window that is open."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtNetwork import QLocalServer, QLocalSocket
from PySide6.QtWidgets import QApplication

from memorynet_gui.base import one_window
from memorynet_gui.base.one_window import OneWindow, hand_over

ROOT = Path(__file__).parents[2]


class Window:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.taken: list[tuple[list[Path], bool]] = []
        self.takes = True

    def take(self, paths: list[Path], sample: bool) -> bool:
        self.taken.append((paths, sample))
        return self.takes


@pytest.fixture
def window() -> Window:
    return Window()


@pytest.fixture
def listener(qapp: QApplication, tmp_path: Path, window: Window) -> Iterator[OneWindow]:
    made = OneWindow(tmp_path, window.take)
    assert made.is_listening
    yield made
    made.close()
    made.deleteLater()


def start(folder: Path, *paths: Path, sample: bool = False) -> bool:
    """What a second start does; a process of its own, for Qt's waiting keeps the interpreter."""
    words = [ascii(str(path)) for path in paths]
    code = (
        "from pathlib import Path; from memorynet_gui.base.one_window import hand_over; "
        f"print(hand_over(Path({str(folder)!r}), [Path(name) for name in [{', '.join(words)}]], {sample}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.003)
    return process.communicate(timeout=10)[0].strip() == "True"


def test_files_go_to_the_window_that_is_open(listener: OneWindow, window: Window, tmp_path: Path) -> None:
    odd = Path("/photos/Zoë's\nrain \udcff.jpg")  # a line break, and a name that is no text
    assert start(tmp_path, odd, Path("/photos/b.jpg"))
    assert start(tmp_path, sample=True)
    assert start(tmp_path)
    assert window.taken == [([odd, Path("/photos/b.jpg")], False), ([], True), ([], False)]


def test_nobody_listens_elsewhere_or_later(listener: OneWindow, window: Window, tmp_path: Path) -> None:
    assert not hand_over(tmp_path / "other", [])
    listener.close()
    assert not hand_over(tmp_path, [])
    assert not window.taken


def test_a_window_that_closes_takes_nothing(listener: OneWindow, window: Window, tmp_path: Path) -> None:
    window.takes = False
    assert not start(tmp_path, Path("/a.jpg"))


def test_nonsense_is_no_harm(listener: OneWindow, window: Window, tmp_path: Path) -> None:
    for words in (b"nonsense\n", b'{"paths": 3}\n', b"[]\n", b"[" * 100_000 + b"\n"):
        socket = QLocalSocket()
        socket.connectToServer(one_window._name(tmp_path))
        assert socket.waitForConnected(3000)
        socket.write(words)
        end = time.monotonic() + 10
        while not socket.canReadLine() and time.monotonic() < end:
            QApplication.processEvents()
        assert bytes(socket.readLine().data()) == b"not taken\n"
    assert not window.taken
    assert start(tmp_path, Path("/a.jpg"))


def test_what_a_crashed_window_left_is_cleared_away(
    qapp: QApplication, tmp_path: Path, window: Window
) -> None:
    name = one_window._name(tmp_path)
    server = QLocalServer()
    assert server.listen(name)
    left = Path(server.fullServerName())
    if not left.exists():
        pytest.skip("this system leaves nothing")
    kept = left.with_name(left.name + "-kept")
    left.rename(kept)
    server.close()
    kept.rename(left)
    made = OneWindow(tmp_path, window.take)
    assert made.is_listening and start(tmp_path, Path("/a.jpg"))
    second = OneWindow(tmp_path, lambda _paths, _sample: True)
    assert not second.is_listening, "the first one still answers"
    made.close()
