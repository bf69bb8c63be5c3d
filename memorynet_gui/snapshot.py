"""The window draws itself into a picture file: ``python -m memorynet_gui.snapshot PHOTO TARGET``.

For machines without a display and for the pictures in the documents: a real window, in a home of its own, restores
the photo and is grabbed when it is done. Nothing of the person's settings or queue is read or changed.
"""

from __future__ import annotations

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEventLoop, QTimer

from core import tasks
from core.model import catalog
from core.problems import describe

if TYPE_CHECKING:
    from memorynet_gui.frame.main_window import MainWindow

TIMEOUT_S = 150.0
_POLL_MS = 20
_SETTLE_S = 0.5  # animations, thumbnails and sharpening that come after the last tile


class SnapshotError(Exception):
    """The window could not be brought into the state to be shown; the message says what it was waiting for."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What the picture shows."""

    photos: tuple[Path, ...]  # bundled samples bring their truth; none: the empty state
    width: int = 1440
    height: int = 900
    theme: str = "dark"  # "dark" | "light"
    mode: str = "wipe"  # "wipe" | "side" | "difference" | "restored"
    restore: bool = True
    task: str = tasks.DEFAULT  # one of the catalog's
    model: str | None = None  # a name or a path; None: the task's default
    runs: Path | None = (
        None  # a folder of training runs: the newest is shown on the Train page, over the others
    )
    new_run: bool = False  # with ``runs``: a run is being set up instead
    memory: bool = False  # the Memory page, with the place pinned that looks most like damage
    review: bool = False  # what is taken for shadow in several photos, before they are restored
    below: str = ""  # with ``memory``: what lies below the photo, see memorynet_gui.memory.drawer


def draw(scene: Scene, target: Path) -> None:
    """Write the picture as PNG. Raises SnapshotError, OSError, and ImageError for a photo that cannot be opened."""
    from core.images import io as image_io
    from memorynet_gui import app as program
    from memorynet_gui.base.settings import Settings
    from memorynet_gui.frame.main_window import MainWindow
    from memorynet_gui.look.theme import Theme

    for photo in scene.photos:
        image_io.read_info(photo)  # the window would wait for a better one
    application = program.make_application()
    with tempfile.TemporaryDirectory(prefix="memorynet-snapshot-") as home:
        settings = Settings(Path(home))
        settings.theme, settings.compare_mode = scene.theme, scene.mode
        settings.runs_folder = scene.runs
        settings.task = scene.task
        if scene.model is not None:
            settings.set_model(settings.task, scene.model)
        window = MainWindow(settings, Theme(application, scene.theme))
        try:
            window.resize(scene.width, scene.height)
            window.show()
            thread = program.load_torch(window)
            _wait(lambda: not thread.is_alive() and bool(window.context.devices()), "PyTorch")
            if scene.runs is not None:
                _show_run(window, scene.new_run)
            elif scene.memory:
                _show_memory(window, scene)
            elif scene.photos:
                window.open_paths(list(scene.photos))
                _wait(lambda: window.page.can("run_all"), "the photo")
            _settle()
            if scene.review:
                window.page.handle("run_all")
                _wait(lambda: not window.runner.busy, "the shadows")
            elif scene.photos and scene.restore and not scene.memory:
                window.page.handle("run_all")
                if window.page.can("run_all"):  # several shadows are looked at first: all are used as guessed
                    window.page.handle("run_all")
                _wait(lambda: not window.runner.busy and not window.page.can("run_all"), "the restored photo")
                if not window.page.can("save"):
                    raise SnapshotError("the photo could not be restored")
            _settle()
            _wait(lambda: not getattr(window.page, "is_measuring", False), "the scores")
            if not window.grab().save(str(target), "PNG"):
                raise OSError(f"{target}: the picture could not be written")
        finally:
            window.close_now()
            _settle()


def _show_memory(window: MainWindow, scene: Scene) -> None:
    from memorynet_gui.memory.page import MemoryPage

    window.show_page(MemoryPage.page_id)
    page = window.page
    assert isinstance(page, MemoryPage)
    if not scene.photos:
        return
    window.open_paths(list(scene.photos))
    _wait(lambda: page.stage.after is not None or page.panel.problem.isVisible(), "the memory of the photo")
    bench = page.stage.bench
    if bench is None:
        raise SnapshotError("the photo could not be looked into")
    values = bench.look.before.values
    row, column = divmod(int(values.argmax()), values.shape[1])
    x, y = bench.look.place_px(row, column)
    page.pins.pin(x * bench.by, y * bench.by)
    if scene.below:
        page.toolbar.explore.click()
        page.drawer.show_view(scene.below)
    _wait(lambda: not page.flow.busy, "what the memory does there")


def _show_run(window: MainWindow, new_run: bool) -> None:
    from memorynet_gui.train.page import TrainPage

    window.show_page(TrainPage.page_id)
    page = window.page
    assert isinstance(page, TrainPage)
    _wait(lambda: page.library.is_read and page.is_settled, "the runs")
    if new_run:
        page.new_run()
    else:
        if page.shown is None:
            raise SnapshotError(f"{page.library.folder}: holds no training run")
        page.overlay_others()
    _settle()


def _wait(condition: Callable[[], bool], what: str) -> None:
    """Run a real event loop (one that also deletes what is to be deleted later) until the condition holds."""
    until = time.monotonic() + TIMEOUT_S
    loop, clock = QEventLoop(), QTimer()
    clock.timeout.connect(lambda: loop.quit() if condition() or time.monotonic() > until else None)
    clock.start(_POLL_MS)
    loop.exec()
    clock.stop()
    if not condition():
        raise SnapshotError(f"waited {TIMEOUT_S:.0f} s for {what}")


def _settle() -> None:
    until = time.monotonic() + _SETTLE_S
    _wait(lambda: time.monotonic() > until, "the window to come to rest")


def main(argv: Sequence[str] | None = None) -> int:
    """0 when the picture was written, else 1 and a sentence on stderr."""
    parser = argparse.ArgumentParser(prog="memorynet_gui.snapshot", description=__doc__.partition("\n")[0])
    parser.add_argument("photos", nargs="*", type=Path, metavar="PHOTO")
    parser.add_argument("target", type=Path, metavar="TARGET")
    parser.add_argument("--size", default="1440x900", metavar="WxH")
    parser.add_argument("--theme", default="dark", choices=("dark", "light"))
    parser.add_argument("--mode", default="wipe", choices=("wipe", "side", "difference", "restored"))
    parser.add_argument("--task", default=tasks.DEFAULT, choices=tuple(catalog.TASKS))
    parser.add_argument("--model", metavar="NAME|PATH")
    parser.add_argument(
        "--runs", type=Path, metavar="DIR", help="show the newest training run of this folder"
    )
    parser.add_argument("--new-run", action="store_true", help="with --runs: show a run being set up")
    parser.add_argument("--memory", action="store_true", help="show the Memory page")
    parser.add_argument(
        "--below",
        default="",
        choices=("slots", "moves", "map", "health", "twins"),
        help="with --memory: and that below the photo",
    )
    parser.add_argument(
        "--review",
        action="store_true",
        help="show what is taken for shadow in several photos, with --task deshadow",
    )
    parser.add_argument("--unrestored", action="store_true", help="show the photo as it is")
    args = parser.parse_args(argv)
    width, _, height = args.size.partition("x")
    scene = Scene(
        photos=tuple(photo.absolute() for photo in args.photos),
        width=int(width),
        height=int(height),
        theme=args.theme,
        mode=args.mode,
        restore=not args.unrestored,
        task=args.task,
        model=args.model,
        runs=args.runs.absolute() if args.runs else None,
        new_run=args.new_run,
        memory=args.memory,
        below=args.below,
        review=args.review,
    )
    try:
        draw(scene, args.target)
    except Exception as error:
        print(describe(error).sentence, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # torch's threads may still be at work; tearing them down can hang
