"""Turns dropped files and folders into photo paths, off the window's thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from memorynet_gui.base.background import Background
from memorynet_gui.base.problems import describe

if TYPE_CHECKING:
    from core.images.io import PassedOver

BATCH = 500


class Collector(QObject):
    """``collect(paths)``: files as they are, folders with everything below them, in batches by ``found``."""

    found = Signal(list)  # list[Path]
    finished = Signal(
        int, list, list
    )  # photos found, sentences about what was not, core.images.io.PassedOver

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = Background(self)
        self._stop = threading.Event()

    def collect(self, paths: Iterable[Path]) -> None:
        given = tuple(paths)
        self._background.call(lambda: self._run(given))

    def shut_down(self) -> None:
        self._stop.set()
        self._background.shut_down(finish=False)

    def _run(self, paths: tuple[Path, ...]) -> None:
        """On another thread."""
        count = 0
        batch: list[Path] = []
        problems: list[str] = []
        passed_over: dict[Path, PassedOver] = {}
        for path in _photos(paths, problems, passed_over):
            if self._stop.is_set():
                return
            batch.append(path)
            count += 1
            if len(batch) == BATCH:
                self.found.emit(batch)
                batch = []
        if batch:
            self.found.emit(batch)
        self.finished.emit(count, problems, list(passed_over.values()))


def _photos(
    paths: tuple[Path, ...], problems: list[str], passed_over: dict[Path, PassedOver]
) -> Iterator[Path]:
    """A file dropped by hand always counts, even a strange one: its row will say what is wrong with it.

    Below a folder, results of earlier runs are passed over, as on the command line.
    """
    from core import tasks
    from core.images import io as image_io

    made = tuple(f".{suffix}" for suffix in tasks.suffixes())
    paths = tuple(given.absolute() for given in paths)
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        count = 0
        unread: list[Exception] = []
        others: list[PassedOver] = []
        for photo in image_io.find_images(path, True, unread.append, others.append):
            if not photo.stem.lower().endswith(made):
                count += 1
                yield photo
        problems.extend(describe(error).sentence for error in unread)
        passed_over.update((one.path, one) for one in others if one.path not in paths)
        if not count and not unread and not others:
            problems.append(f"There are no photos in {path.name}.")
