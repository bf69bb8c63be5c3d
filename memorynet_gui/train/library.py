"""The runs of the folder that was chosen: read in the background, kept as a tuple, newest first."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from core.problems import Problem
from memorynet_gui.base.background import Background
from memorynet_gui.base.problems import describe
from memorynet_gui.base.settings import Settings

if TYPE_CHECKING:
    from core.training.runs import Run

_REFRESH_MS = 5_000  # runs of other programs change by themselves

log = logging.getLogger(__name__)


class RunLibrary(QObject):
    """``refresh`` asks the disk; ``runs`` is what it said last."""

    changed = Signal()
    failed = Signal(str, object)  # what was tried, as words to follow "could not"; Problem

    def __init__(self, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._background = Background(self)
        self._runs: tuple[Run, ...] = ()
        self._is_reading = self._again = self._closed = False
        self.is_read = False
        """Whether the disk was asked at least once."""
        self._last_failure = ""
        self._clock = QTimer(self, interval=_REFRESH_MS)
        self._clock.timeout.connect(self.refresh)

    @property
    def folder(self) -> Path:
        """Where new runs go and runs are looked for."""
        from core.training import runs

        return self._settings.runs_folder or runs.default_folder()

    @property
    def runs(self) -> tuple[Run, ...]:
        return self._runs

    def find(self, folder: Path | None) -> Run | None:
        return next((run for run in self._runs if run.folder == folder), None)

    def watch(self, is_on: bool) -> None:
        """Look again every few seconds, while somebody looks at it."""
        if is_on and not self._closed:
            self.refresh()
            self._clock.start()
        else:
            self._clock.stop()

    def refresh(self) -> None:
        if self._closed:
            return
        if self._is_reading:
            self._again = True
            return
        self._is_reading, self._again = True, False
        folder = self.folder

        def read() -> tuple[Run, ...]:
            from core.training import runs

            return runs.find(folder)

        self._background.call(read, self._read, self._not_read)

    def set_notes(self, folder: Path, text: str) -> None:
        """Keep a person's words about a run."""

        def write() -> None:
            from core.training import runs

            runs.set_notes(folder, text)

        self._change(write, "keep the notes")

    def do(self, work: Callable[[], Any], then: Callable[[Any], object], words: str) -> None:
        """Something else short about runs, off the window's thread. ``words`` follow "could not"."""
        if not self._closed:
            self._background.call(work, then, lambda error: self.failed.emit(words, describe(error)))

    def shut_down(self) -> None:
        """Notes given so far are written first."""
        self._closed = True
        self._clock.stop()
        self._background.shut_down()

    def _change(
        self, work: Callable[[], None], words: str, then: Callable[[], object] = lambda: None
    ) -> None:
        def done(_none: object) -> None:
            then()
            self.refresh()

        self.do(work, done, words)

    def _read(self, runs: tuple[Run, ...]) -> None:
        self._is_reading = False
        self._last_failure = ""
        is_new = runs != self._runs or not self.is_read
        self._runs, self.is_read = runs, True
        if is_new:
            self.changed.emit()
        if self._again:
            self.refresh()

    def _not_read(self, error: Exception) -> None:
        self._is_reading = False
        problem: Problem = describe(error)
        if not self.is_read:
            self.is_read = True
            self.changed.emit()
        if problem.sentence != self._last_failure:  # asked every few seconds, told once
            self._last_failure = problem.sentence
            log.warning("runs not read: %s", problem.sentence)
            self.failed.emit("read the runs", problem)
