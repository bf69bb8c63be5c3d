"""The program ``memorynet``: the window, or the command line when the first word is a command. See :func:`main`."""

from __future__ import annotations

import os

# Spinning threads starve a machine with few cores; must be set before anything imports torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import contextlib
import difflib
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from memorynet_gui.frame.main_window import MainWindow

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130
EXIT_AFTER_PAINT = "MEMORYNET_EXIT_AFTER_PAINT"
"""Environment variable: 1 prints the milliseconds from the process's start to the first paint, then quits."""

SAMPLE_OPTION = "--sample"
NEW_WINDOW_OPTION = "--new-window"
_WINDOW_OPTIONS = (SAMPLE_OPTION, NEW_WINDOW_OPTION)
_NATIVE_PLATFORMS = ("xcb", "wayland")  # of Qt: those that need a display to be there

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Open the window (no words, photos, folders, ``--sample``, ``--new-window``) or run a command; returns the exit code.

    Where a window is open already it gets the photos and comes to the front, unless a new one is asked for.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    first = words[0] if words else ""
    if first and first not in _WINDOW_OPTIONS and not _is_path(first):
        try:
            from core.cli import program as cli
        except KeyboardInterrupt:  # afterwards the command line deals with it
            print("Stopped.", file=sys.stderr)
            return EXIT_INTERRUPTED

        if first in cli.COMMANDS or first in ("-h", "--help", "--version"):
            return cli.main(words)
        return _unknown(first, cli.COMMANDS)
    wants_sample = SAMPLE_OPTION in words
    names = [word for word in words if word not in (*_WINDOW_OPTIONS, "--")]
    for name in names:
        if not _is_path(name):
            return _unknown(name, ())
    with contextlib.ExitStack() as kept:
        reason = _why_no_display(kept)
        if reason is not None:
            print(
                f"memorynet: no window can be opened here ({reason}). "
                'Try "memorynet demo" or "memorynet restore PHOTO": neither needs a display.',
                file=sys.stderr,
            )
            return EXIT_USAGE
        make_application()  # connects to the display while the connection that asked still stands
    paths = [Path(name).absolute() for name in names]
    return _open_window(paths, wants_sample, is_alone=NEW_WINDOW_OPTION in words)


def _is_path(word: str) -> bool:
    """Whether the word names something on the disk. A command's name does not, unless written as a path."""
    with contextlib.suppress(OSError, ValueError):
        if not Path(word).exists():
            return False
        if not set(word) & {".", "/", os.sep}:
            from core.cli.program import COMMANDS

            return word not in COMMANDS
        return True
    return False


def _unknown(word: str, commands: Sequence[str]) -> int:
    close = difflib.get_close_matches(word, [*commands, *_WINDOW_OPTIONS, "--help", "--version"], n=1)
    hint = f'; did you mean "{close[0]}"?' if close else ""
    if word.startswith("-"):
        line = f'there is no option "{word}"{hint}'
    elif commands and not close and ("/" in word or "." in word):
        line = f'there is no file or folder "{word}"'
    elif commands:
        line = f'"{word}" is neither a command ({", ".join(commands)}) nor a photo or folder{hint}'
    else:
        line = f'there is no file or folder "{word}"{hint}'
    print(f"memorynet: {line}", file=sys.stderr)
    return EXIT_USAGE


def _why_no_display(kept: contextlib.ExitStack) -> str | None:
    from core.display import why_no_display

    environment = dict(os.environ)
    if environment.get("QT_QPA_PLATFORM", "").split(":")[0].split("-")[0] in _NATIVE_PLATFORMS:
        del environment["QT_QPA_PLATFORM"]  # asks for a screen all the same: look whether one is there
    return why_no_display(environment, kept=kept)


def make_application() -> QApplication:
    """The one QApplication, with the program's name on it."""
    from PySide6.QtWidgets import QApplication

    from core import __version__

    running = QApplication.instance()
    app = running if isinstance(running, QApplication) else QApplication(["memorynet"])
    app.setApplicationName("MemoryNet")
    app.setApplicationDisplayName("MemoryNet")
    app.setApplicationVersion(__version__)
    app.setDesktopFileName("memorynet")
    return app


def _open_window(paths: list[Path], wants_sample: bool, is_alone: bool) -> int:
    """``is_alone``: whatever other window is open."""
    app = make_application()
    from memorynet_gui.base import logs, one_window
    from memorynet_gui.base.settings import Settings
    from memorynet_gui.frame.main_window import MainWindow
    from memorynet_gui.look.theme import Theme

    settings = Settings()
    is_alone = is_alone or bool(os.environ.get(EXIT_AFTER_PAINT))
    if not is_alone and one_window.hand_over(settings.data_dir, paths, wants_sample):
        return EXIT_OK
    logging_set_up = logs.set_up(settings.log_dir)
    window = MainWindow(settings, Theme(app, settings.theme))
    window.log_file = logging_set_up.file
    listener = None if is_alone else one_window.OneWindow(settings.data_dir, window.take_over, window)
    logging_set_up.uncaught.happened.connect(window.show_error)
    interrupted = _close_on_interrupt(window)
    threads: list[threading.Thread] = []
    if os.environ.get(EXIT_AFTER_PAINT):
        window.first_painted.connect(lambda: (print(f"{_process_age_ms():.0f}", flush=True), app.quit()))
    else:
        window.first_painted.connect(lambda: threads.append(load_torch(window)))
        prepare_training(window, threads)
    window.show()
    if wants_sample:
        window.first_painted.connect(window.open_sample)
    if paths:
        window.first_painted.connect(lambda: window.open_named(paths))
    code = app.exec()
    if listener is not None:
        listener.close()
    is_down = window.shut_down()
    logging_set_up.stop()
    number = interrupted()
    code = 128 + number if number else code if is_down else EXIT_FAILED
    if not is_down or any(thread.is_alive() for thread in threads):
        # Python would tear torch down under a thread that is still inside it, and Qt aborts over a running one
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    return code


def load_torch(window: MainWindow) -> threading.Thread:
    """Import torch on a thread of its own and tell the window which devices there are, or why none."""

    from memorynet_gui.base import warm_up

    def work() -> None:
        try:
            with warm_up.imports():
                from core.model.tensors import cuda_advice, describe_devices

            window.devices_found.emit(describe_devices(), cuda_advice() or "")
        except RuntimeError as error:  # the window is gone, or torch cannot start here
            log.exception("devices")
            with contextlib.suppress(RuntimeError):
                window.devices_failed.emit(error)
        except Exception as error:
            log.exception("torch could not be loaded")
            window.devices_failed.emit(error)

    thread = threading.Thread(target=work, name="memorynet-torch", daemon=True)
    thread.start()
    return thread


def prepare_training(window: MainWindow, threads: list[threading.Thread]) -> None:
    """Import what a run needs once the Train page shows, torch is there and no job runs.

    Who only restores is spared the second and the 100 MB that takes. ``threads`` gets the thread that does it.
    """
    from memorynet_gui.newrun import ready

    begun: list[threading.Thread] = []

    def look(*_ignored: object) -> None:
        is_time = window.page.page_id == "train" and window.context.devices() and not window.runner.busy
        if is_time and not begun:
            begun.append(ready.begin_for_training())
            threads.extend(begun)

    window.stack.currentChanged.connect(look)
    window.context.devices_ready.connect(look)
    window.runner.ended.connect(look)


def _close_on_interrupt(window: MainWindow) -> Callable[[], int]:
    """Make Ctrl+C in the terminal close the window; returns a function that says which signal did, 0 for none.

    Python runs its handlers between bytecodes only, and Qt's loop runs none while idle: the signal's number is
    written to a socket that the loop watches.
    """
    from PySide6.QtCore import QSocketNotifier

    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    hit: list[int] = []

    def on_signal(number: int, _frame: object) -> None:
        hit.append(number)

    def wake() -> None:
        with contextlib.suppress(BlockingIOError):
            reading.recv(64)
        if hit:
            window.close_now()

    notifier = QSocketNotifier(reading.fileno(), QSocketNotifier.Type.Read, window)
    notifier.activated.connect(wake)
    signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    for name in (
        "SIGINT",
        "SIGTERM",
        "SIGHUP",
    ):  # the last one where there is one, and nobody said to ignore it
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, on_signal)
    window.sockets = (reading, writing)  # type: ignore[attr-defined]  # as long as the window lives
    return lambda: hit[-1] if hit else 0


def _process_age_ms() -> float:
    """Since this process was started, not since Python began to run it."""
    if sys.platform == "linux":
        after_name = Path("/proc/self/stat").read_text("utf-8").rpartition(")")[2].split()
        started_s = int(after_name[19]) / os.sysconf("SC_CLK_TCK")
        return 1000 * (time.clock_gettime(time.CLOCK_BOOTTIME) - started_s)
    import psutil

    return float(1000 * (time.time() - psutil.Process().create_time()))


if __name__ == "__main__":
    sys.exit(main())
