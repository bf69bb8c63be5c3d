"""What a page is to the window, and what the window is to a page."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from memorynet_gui.base.jobs import NICENESS_OF_LONG_WORK, JobRunner, Yielding

if TYPE_CHECKING:
    import numpy as np

    from core.model.tensors import Device
    from core.restoring.records import Choice
    from core.restoring.verdict import Verdict
    from memorynet_gui.base.settings import Settings
    from memorynet_gui.look.theme import Theme


class Page(QWidget):
    """One of the pages in the rail. The window calls these; a page never reaches into the window.

    Subclasses set the three class attributes and override what they offer.
    """

    page_id = ""
    title = ""
    icon = ""  # qtawesome name, of the mdi6 outline family

    status_changed = Signal()  # what can() or close_blockers() answers may have changed

    def inspector(self) -> QWidget:
        """The panel at the right of the window; empty unless a page has one."""
        return QWidget()

    def toolbar_widgets(self) -> dict[str, list[QWidget]]:
        """Widgets for the toolbar's ``"left"``, ``"centre"`` and ``"right"``."""
        return {}

    def open_paths(self, paths: list[Path]) -> None:
        """Files or folders were dropped on the window or named at the start."""

    def handle(self, action_id: str) -> None:
        """Do what the action of :mod:`memorynet_gui.base.actions` says. Called only when :meth:`can` said yes."""

    def can(self, action_id: str) -> bool:
        return False

    def close_blockers(self) -> str | None:
        """What closing now would lose, as a sentence, or None."""
        return None

    def keep_open_word(self) -> str:
        """What the button says that leaves the window open when :meth:`close_blockers` has something."""
        return "Keep open"

    def stop_question(self) -> str | None:
        """What to ask before :meth:`stop_long_work`; None while there is no such work."""
        return None

    def stop_long_work(self) -> None:
        """End what takes hours, with what it has made so far; the person has agreed."""

    def use_model(self, path: Path) -> None:
        """Work with this model from now on; pages that use none leave it."""

    def shut_down(self) -> None:
        """Cancel what runs and wait for it."""


@dataclass(frozen=True, slots=True)
class PageLater:
    """Stands for a page in the rail until it is first shown: the first paint does not wait for its imports."""

    page_id: str
    title: str
    icon: str
    module: str
    name: str  # of the class within it

    def __call__(self, context: AppContext, parent: QWidget | None = None) -> Page:
        made: Page = getattr(importlib.import_module(self.module), self.name)(context, parent)
        return made


class JobBar(Protocol):
    """The bar at the bottom: one for every kind of work. Long work is seen while nothing else is at work."""

    def set_job(self, text: str, share: float | None, seconds_left: float | None) -> None:
        """``share`` 0..1, None when unknown."""

    def clear_job(self) -> None: ...

    def set_long(self, name: str, text: str, share: float | None, seconds_left: float | None) -> None:
        """What goes on behind other work, like :meth:`set_job`; ``name`` says that it waits meanwhile."""

    def clear_long(self) -> None: ...


@dataclass(frozen=True, slots=True)
class PhotoAtHand:
    """The photo one page works on, told to the others through the context; pictures are read only."""

    path: Path
    state: object  # equal for the same photo in the same state, whatever was decoded anew
    choice: Choice  # it was restored with, at the scale where its damage was seen, or is to be
    rgb: np.ndarray | None = field(default=None, compare=False, repr=False)  # (H, W, 3) uint8 sRGB
    restored_rgb: np.ndarray | None = field(
        default=None, compare=False, repr=False
    )  # the same, full strength
    result: Callable[[], np.ndarray | None] | None = field(
        default=None, compare=False, repr=False
    )  # (H, W, 3) as restored, in the file's depth; from any thread
    reference: Path | None = None  # the same photo undamaged
    verdict: Verdict | None = None  # what was found and how much of it is gone, of a result
    mask: Callable[[], np.ndarray | None] | None = field(
        default=None, compare=False, repr=False
    )  # (H, W) uint8, where a person painted that damage is; from any thread
    is_plain: bool = True  # the result is of this choice alone, over all of the photo


class AppContext(QObject):
    """What every page may use. Made once by the window.

    ``runner`` does what a person waits for, ``training`` what takes hours and lets that go first.
    """

    devices_ready = Signal()  # torch was imported; devices() is filled
    page_wanted = Signal(str)  # page_id: the window shows it
    stop_wanted = Signal()  # long work is to end: the window asks first
    model_wanted = Signal(object)  # Path of a model's folder to restore with: the window hands it on

    def __init__(
        self,
        settings: Settings,
        runner: JobRunner,
        theme: Theme,
        banner: Callable[..., Callable[[], None]],
        job_bar: JobBar,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.settings = settings
        self.runner = runner
        self.training = JobRunner(self, NICENESS_OF_LONG_WORK)
        self._yielding = Yielding(self.training, runner, self)
        self.theme = theme
        # banner(text, action_text=None, callback=None); what it returns takes the banner away again
        self.banner = banner
        self.job_bar = job_bar
        self._devices: tuple[Device, ...] = ()
        self.photo: PhotoAtHand | None = None  # of the Restore page; set by it, looked at by others

    def devices(self) -> tuple[Device, ...]:
        """Empty until torch is there; then best first."""
        return self._devices

    def set_devices(self, devices: tuple[Any, ...]) -> None:
        self._devices = devices
        self.devices_ready.emit()
