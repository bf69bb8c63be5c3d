"""From which photos a run learns: the folders that were chosen, what the recipe reads of them, and what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from core.data.source import BUNDLED
from memorynet_gui.base.background import Background
from memorynet_gui.base.problems import describe
from memorynet_gui.newrun import mixing
from memorynet_gui.newrun.data_view import DataPanel
from memorynet_gui.newrun.presets import (
    DataFound,
    describe_data,
    fits,
    folders_of,
    needs_folder,
    recognise_all,
)
from memorynet_gui.newrun.recipe_form import RecipeForm

FIELDS = ("kind", "train", "pairs", "validation", "hold_out", "leave_out", "sources", "task")
"""Fields of the recipe that say which photos, and for what."""
_SHIPPED = {
    "kind": "clean", "train": ("SAMPLES/train",), "validation": ("SAMPLES/validation",), "pairs": (), "hold_out": 0.0,
    "leave_out": (), "sources": (),
}  # fmt: skip
_REST_MS = 150


class PhotosDesk(QObject):
    """Looks into folders on another thread; answers to earlier questions are passed over.

    Attributes:
        folders: chosen by the person.
        data: what DATA stands for.
        found: None while it is being looked at.
    """

    looking = Signal()
    found_out = Signal()
    data_changed = Signal()  # DATA stands for other folders; the form holds what it held
    none_found = Signal()  # no photos in the folders that were chosen
    damage_kept = Signal(object)  # fields of a mixture that goes: how it drew its damage

    def __init__(self, form: RecipeForm, panel: DataPanel, parent: QObject) -> None:
        super().__init__(parent)
        self._form, self._panel = form, panel
        self.folders: tuple[Path, ...] = ()
        self.data: tuple[Path, ...] = ()
        self.found: DataFound | None = None
        self._notes: tuple[str, ...] = ()
        self._ticket = 0
        self._background = Background(self)
        self._rest = QTimer(self, singleShot=True, interval=_REST_MS)
        self._rest.timeout.connect(self._look)

    @property
    def is_settled(self) -> bool:
        """Whether what the form names now has been looked at."""
        return self.found is not None and not self._rest.isActive()

    @property
    def lacks_data(self) -> bool:
        return not self.data and needs_folder(self._form.values())

    def shut_down(self) -> None:
        """Wait for what is being looked at; nothing follows."""
        self._rest.stop()
        self._background.shut_down()

    # --- what is chosen --------------------------------------------------------------------------

    def choose(self, folders: tuple[Path, ...]) -> None:
        """Learn from these: as DATA where the recipe's own folders are found in them, else as what they look like."""
        self.folders = tuple(folders)
        self._panel.set_folders(self.folders)
        if self.folders:
            self.apply()

    def use_bundled(self) -> None:
        """Learn from the photos that ship."""
        self.folders, self.data, self._notes = (), (), ()
        self._panel.set_folders(())
        self._learn_from(_SHIPPED)

    def begin(self) -> None:
        """Another recipe comes: what is still being found out was of the one before."""
        self._next_ticket()
        self._notes, self.data = (), ()
        self._panel.set_folders(self.folders)

    def form_changed(self) -> None:
        """Look again, once the form rests."""
        self._panel.show_bundled(tuple(self._form.value("train")) == _SHIPPED["train"])
        self.found = None
        self._rest.start()

    def apply(self) -> None:
        """Let the form's recipe learn from the folders that were chosen."""
        folders, values = self.folders, self._form.values()
        if needs_folder(values) and fits(values, folders):
            self.data, self._notes = folders, ()
            self.data_changed.emit()
            return
        self.found = None
        self._panel.show_looking()
        self.looking.emit()
        ticket = self._next_ticket()
        self._background.call(
            lambda: recognise_all(folders),
            lambda answer: self._recognised(ticket, answer),
            lambda error: self._look_failed(ticket, error),
        )

    def _learn_from(self, found: Mapping[str, Any]) -> None:
        """Fields that say which photos. A mixture that does not fit them leaves its damage behind."""
        values = self._form.values()
        if mixing.keeps_mixture(values):
            self._form.set_values(mixing.with_folders(values, found))
            return
        drawn = mixing.drawn_of(values) if values["kind"] == "sources" else {}
        self.damage_kept.emit(drawn)
        self._form.set_values({**found, **drawn})

    # --- what is found ---------------------------------------------------------------------------

    def _recognised(self, ticket: int, answer: tuple[dict[str, Any], tuple[str, ...]]) -> None:
        if ticket != self._ticket:
            return
        suggestion, notes = answer
        self._notes, self.data = notes, ()
        if suggestion:
            self._learn_from(suggestion)
            return
        problem = " ".join(notes) or "There are no photos in the folder."
        self._notes = ()
        self.found = DataFound(problem=problem)
        self.none_found.emit()
        self._show(self.found)

    def _look(self) -> None:
        """Ask what is in the folders that the recipe names now."""
        values = {name: self._form.value(name) for name in FIELDS}
        if self._form.problems.keys() & (set(FIELDS) - {"sources"}):
            self._show(DataFound(problem="The folders of the recipe need another value; see All settings."))
            return
        data, ticket = self.data, self._next_ticket()
        self._background.call(
            lambda: describe_data(values, data),
            lambda found: self._looked(ticket, found),
            lambda error: self._look_failed(ticket, error),
        )

    def _next_ticket(self) -> int:
        self._rest.stop()
        self._ticket += 1
        return self._ticket

    def _looked(self, ticket: int, found: DataFound) -> None:
        if ticket == self._ticket and not self._rest.isActive():  # else the form changed in the meantime
            self._show(found)

    def _look_failed(self, ticket: int, error: Exception) -> None:
        self._looked(ticket, DataFound(problem=describe(error).sentence))

    def _show(self, found: DataFound) -> None:
        self.found = found
        notes = self._notes
        all_ship = all(folder in BUNDLED for folder in folders_of(self._form.values()))
        if self.folders and found.problem is None and all_ship:
            notes = (*notes, "This recipe does not read the folders above.")
        self._panel.show_found(found, notes)
        self.found_out.emit()
