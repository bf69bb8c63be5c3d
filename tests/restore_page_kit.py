"""What the tests of the Restore page share: small real photos and a page with a real runner and real settings."""

from __future__ import annotations

import functools
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PySide6.QtWidgets import QApplication

from core.images import io as image_io
from core.model import catalog
from memorynet_gui.base.jobs import JobRunner
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.settings import Settings
from memorynet_gui.look.theme import Theme
from memorynet_gui.restore.page import RestorePage
from memorynet_gui.restore.queue_item import Item, ItemState

TILE_PX = 64
LIMIT_S = 60.0


@dataclass
class Bar:
    """Stands for the job bar: remembers what it was told."""

    texts: list[str] = field(default_factory=list)
    cleared: int = 0

    def set_job(self, text: str, share: float | None, seconds_left: float | None) -> None:
        assert share is None or 0 <= share <= 1
        assert seconds_left is None or seconds_left >= 0
        self.texts.append(text)

    def clear_job(self) -> None:
        self.cleared += 1


@dataclass
class Said:
    text: str
    action: str | None
    callback: Callable[[], object] | None
    withdrawn: bool = False

    def withdraw(self) -> None:
        self.withdrawn = True


class Desk:
    """A page with everything real around it but the window."""

    def __init__(self, qapp: QApplication, home: Path) -> None:
        self.settings = Settings(home)
        self.settings.look_automatically = False  # test_looker looks
        self.runner = JobRunner()
        self.said: list[Said] = []
        self.bar = Bar()
        self.theme = Theme(qapp, "dark")
        self.context = AppContext(
            self.settings,
            self.runner,
            self.theme,
            self._say,
            self.bar,
        )
        self.page = RestorePage(self.context)
        self.page.resize(900, 700)
        self.page.show()
        self.panel = self.page.inspector()
        self.panel.resize(300, 700)
        self.panel.show()
        self.loaded = False
        self.page.session.loaded.connect(self._loaded)
        wait(lambda: self.loaded)
        self.settings.tile_px = TILE_PX

    def _say(
        self, text: str, action: str | None = None, callback: Callable[[], object] | None = None
    ) -> Callable[[], None]:
        self.said.append(Said(text, action, callback))
        return self.said[-1].withdraw

    def _loaded(self) -> None:
        self.loaded = True

    def add(self, *paths: Path) -> list[Item]:
        """Drop files; the rows they became."""
        self.page.open_paths(list(paths))
        wait(lambda: all(self.page.session.find(path) for path in paths))
        return [self.item(path) for path in paths]

    def item(self, path: Path) -> Item:
        found = self.page.session.find(path)
        assert found is not None
        return found

    def states(self) -> list[str]:
        return [item.state.value for item in self.page.session.items()]

    def wait_idle(self) -> None:
        wait(lambda: not self.page.flow.busy and not self.runner.busy)

    def run_all(self) -> None:
        self.page.handle("run_all")
        self.wait_idle()

    def wait_shown(self, path: Path) -> None:
        wait(lambda: self.page.stage.shown is not None and self.page.stage.shown.path == path)

    def restored(self, path: Path) -> Item:
        """Add, restore, show."""
        self.add(path)
        self.page.session.set_current(self.item(path).id)
        self.wait_shown(path)
        self.page.handle("run")
        self.wait_idle()
        item = self.item(path)
        assert item.state is ItemState.DONE, item.problem
        return item

    def save(self, path: Path) -> Path:
        self.page.saver.save(self.item(path))
        wait(lambda: not self.page.saver.saving_ids)
        saved = self.item(path).saved
        assert saved is not None, [said.text for said in self.said]
        return saved.path

    def close(self) -> None:
        self.page.shut_down()
        self.settings.save()
        self.page.deleteLater()
        self.panel.deleteLater()
        QApplication.processEvents()


def wait(until: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    """Run the event loop until it is true."""
    end = time.monotonic() + limit_s
    while not until():
        assert time.monotonic() < end, "waited in vain"
        QApplication.processEvents()
        time.sleep(0.003)  # unlike QTest.qWait, which keeps the interpreter's lock from the worker
    QApplication.processEvents()  # what follows from it is shown a turn later


@contextmanager
def desk(qapp: QApplication, home: Path) -> Iterator[Desk]:
    made = Desk(qapp, home)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def heap_of_its_own() -> Iterator[None]:
    """What the tests before have left is not walked by the collector meanwhile, nor later: it would be timed, too."""
    gc.collect()
    gc.freeze()
    yield


@functools.cache
def rainy() -> tuple[np.ndarray, np.ndarray]:
    """A corner of the first sample: (128, 160, 3) uint8 in the rain and without, both read-only."""
    sample = catalog.samples()[0]
    assert sample.truth is not None
    cut = np.s_[60 : 60 + 128, 40 : 40 + 160]
    wet, dry = (image_io.read(path).pixels[cut].copy() for path in (sample.path, sample.truth))
    wet.flags.writeable = dry.flags.writeable = False
    return wet, dry


def write(path: Path, pixels: np.ndarray, **options: object) -> Path:
    image_io.write(path, image_io.from_array(pixels), image_io.WriteOptions(**options))  # type: ignore[arg-type]
    return path
