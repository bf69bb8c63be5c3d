"""The middle of the Train page: setting up a new run, or a run's curves, its film and what its contrast compares.

Importing this brings the plotting library: the page does it after the window has been painted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from core.events import ContrastDrawn
from memorynet_gui.curves.board import CurveBoard
from memorynet_gui.newrun.checks import Checks
from memorynet_gui.newrun.view import NewRunView
from memorynet_gui.train.contrast_view import ContrastView
from memorynet_gui.train.film_view import TrainFilm
from memorynet_gui.train.toolbar import CONTRAST

if TYPE_CHECKING:
    from memorynet_gui.base.page import AppContext
    from memorynet_gui.curves.store import CurveStore

_MARGIN_PX = 12


class TrainStage(QStackedWidget):
    """``show_new`` or ``show_run``; both sides stay as they are while the other is shown."""

    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.new_run = NewRunView(context)
        self.checks = Checks(context, self.new_run, self)
        self.board = CurveBoard()
        self.film = TrainFilm()
        self.contrast = ContrastView(context.theme)
        self._middle = QStackedWidget()
        self._middle.addWidget(self.board)
        self._middle.addWidget(self.contrast)
        self._run = QWidget()
        column = QVBoxLayout(self._run)
        column.setContentsMargins(_MARGIN_PX, _MARGIN_PX, _MARGIN_PX, _MARGIN_PX)
        column.setSpacing(_MARGIN_PX)
        column.addWidget(self._middle, 1)
        column.addWidget(self.film)
        self.addWidget(self.new_run)
        self.addWidget(self._run)

    @property
    def is_new(self) -> bool:
        """Whether a new run is being set up."""
        return self.currentWidget() is self.new_run

    def show_new(self) -> None:
        self.setCurrentWidget(self.new_run)

    def show_run(self, name: str, folder: Path, store: CurveStore) -> None:
        self.board.set_run(name, store)
        self.film.set_run(folder)
        self.setCurrentWidget(self._run)

    def set_overlays(self, runs: Sequence[tuple[str, CurveStore]]) -> None:
        self.board.set_overlays(list(runs))

    def set_part(self, part: str) -> None:
        """CURVES or CONTRAST."""
        self._middle.setCurrentWidget(self.contrast if part == CONTRAST else self.board)
        self.film.setVisible(part != CONTRAST)

    def show_contrast(self, drawn: ContrastDrawn | None) -> None:
        """None: nothing was compared yet, or the run does not train here."""
        if drawn is None:
            self.contrast.clear()
        else:
            self.contrast.show_drawn(drawn)

    def shut_down(self) -> None:
        """Wait for what reads pictures and data."""
        self.new_run.shut_down()
        self.film.shut_down()
