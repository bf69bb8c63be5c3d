"""Turns dropped files and folders into photo paths, off the window's thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from PySide6.QtCore import QObject, QRunnable, QThreadPool, Signal

from memorynet_gui.problems import describe

BATCH = 500


class Collector(QObject):
    """``collect(paths)``: files as they are, folders with everything below them, in batches by ``found``."""

    found = Signal(list)  # list[Path]
    finished = Signal(int, list)  # photos found, sentences about what was not

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._stop = threading.Event()

    def collect(self, paths: Iterable[Path]) -> None:
        self._pool.start(_Collect(self, tuple(paths)))

    def shut_down(self) -> None:
        self._stop.set()
        self._pool.clear()
        self._pool.waitForDone()

    def _run(self, paths: tuple[Path, ...]) -> None:
        """On the pool's thread."""
        count = 0
        batch: list[Path] = []
        problems: list[str] = []
        for path in _photos(paths, problems):
            if self._stop.is_set():
                return
            batch.append(path)
            count += 1
            if len(batch) == BATCH:
                self.found.emit(batch)
                batch = []
        if batch:
            self.found.emit(batch)
        self.finished.emit(count, problems)


class _Collect(QRunnable):
    def __init__(self, collector: Collector, paths: tuple[Path, ...]) -> None:
        super().__init__()
        self._collector, self._paths = collector, paths

    def run(self) -> None:
        self._collector._run(self._paths)


def _photos(paths: Iterable[Path], problems: list[str]) -> Iterator[Path]:
    """A file dropped by hand always counts, even a strange one: its row will say what is wrong with it.

    Below a folder, results of earlier runs are passed over, as on the command line.
    """
    from core import catalog, image_io

    made = tuple(f".{info.suffix}" for info in catalog.TASKS.values())
    for path in (given.absolute() for given in paths):
        if not path.is_dir():
            yield path
            continue
        count = 0
        unread: list[Exception] = []
        for photo in image_io.find_images(path, recursive=True, on_error=unread.append):
            if not photo.stem.lower().endswith(made):
                count += 1
                yield photo
        problems.extend(describe(error).sentence for error in unread)
        if not count and not unread:
            problems.append(f"There are no photos in {path.name}.")
