"""Results of many photos: saved as they finish, and what is said when there is room for no more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from memorynet_gui.base.problems import Problem
from memorynet_gui.base.settings import Settings
from memorynet_gui.base.words import size_text
from memorynet_gui.restore.batch.bar import BatchBar
from memorynet_gui.restore.flow import RestoreFlow
from memorynet_gui.restore.job import RestoreOutcome
from memorynet_gui.restore.results import ResultStore
from memorynet_gui.restore.saves import Saver
from memorynet_gui.restore.session import Session


class BatchDesk(QObject):
    """Between the bar and the rest. A batch that waits for room goes on by itself once something is saved."""

    changed = Signal()  # whether the batch is held

    def __init__(
        self,
        settings: Settings,
        session: Session,
        store: ResultStore,
        flow: RestoreFlow,
        saver: Saver,
        over: QWidget,
    ) -> None:
        super().__init__(over)
        self._settings, self._session, self._store = settings, session, store
        self._flow, self._saver, self._over = flow, saver, over
        self._refused = ""  # why results are not saved as they finish, though they are to be
        self.bar = BatchBar()
        self.bar.as_they_finish.connect(self._set_saving)
        self.bar.beside_wanted.connect(lambda: self.save_to(None))
        self.bar.folder_wanted.connect(self.ask_for_folder)
        self.bar.preset_chosen.connect(settings.use_preset)
        self.bar.save_and_go_on.connect(self._save_all)
        settings.changed.connect(lambda _name: self.show())
        session.summary_changed.connect(self._counted)
        flow.finished.connect(self._finished)
        flow.out_of_room.connect(self.show)
        flow.idle.connect(self.show)
        saver.saved.connect(lambda _id: self._go_on())
        saver.failed.connect(self._not_saved)
        self.show()

    def show(self) -> None:
        """Make the bar say what is true now."""
        bar, settings = self.bar, self._settings
        bar.set_saving(settings.save_as_they_finish)
        bar.set_place(settings.output_folder, sorted(settings.export_presets), settings.preset)
        held = self._flow.held
        if held:
            bar.say(self._why_held(), paused=True)
        elif self._refused and settings.save_as_they_finish:
            bar.say(self._refused, paused=True)
        elif settings.save_as_they_finish:
            bar.say("Each result is saved as soon as it is there; unchanged photos are not.", paused=False)
        else:
            bar.say("Results are kept here until you save them.", paused=False)
        bar.setVisible(held or len(self._session) > 1)
        self.changed.emit()

    def _why_held(self) -> str:
        if self._refused:
            return f"Paused. {self._refused}"
        kept = len(self._store.in_memory_only())
        if kept:
            return f"Paused: the disk takes no more results, {kept:,} are kept in memory only."
        return f"Paused: {size_text(self._store.used_bytes)} of results are not saved, and there is room for no more."

    def _set_saving(self, on: bool) -> None:
        self._settings.save_as_they_finish = on
        self._refused = ""
        if on:
            self._save_all()
        self.show()

    def _save_all(self) -> None:
        self._refused = ""
        if not self._saver.save_all():
            self._go_on()
        self.show()

    def ask_for_folder(self, item_ids: Sequence[str] = ()) -> None:
        """Another place for results; those that could not be saved, and ``item_ids``, go there at once."""
        start = self._settings.output_folder or Path.home()
        dialog = QFileDialog(self._over, "Save results to", str(start))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: self.save_to(Path(name), item_ids))
        dialog.open()

    def save_to(self, folder: Path | None, item_ids: Sequence[str] = ()) -> None:
        """Results go to ``folder`` from now on, None: each beside its original; what waits to be saved goes there now."""
        self._settings.output_folder = folder
        for item in map(self._session.get, item_ids):
            if item is not None:
                self._saver.save(item)
        waits = bool(self._refused) or self._flow.held
        if waits or self._settings.save_as_they_finish:
            self._save_all()
        self.show()

    def _finished(self, outcome: RestoreOutcome) -> None:
        item = self._session.get(outcome.item_id)
        is_wanted = self._settings.save_as_they_finish and len(self._session) > 1
        if item is not None and item.wants_saving and is_wanted and not self._refused:
            self._saver.save(item)

    def _not_saved(self, _item_id: str, problem: Problem) -> None:
        """One sentence for all that follow: nothing is tried again until a place is chosen or saving is asked for."""
        if self._settings.save_as_they_finish:
            self._refused = f"Results cannot be saved. {problem.sentence}"
            self.show()

    def _counted(self) -> None:
        if not self._session.summary.waiting:
            self._go_on()  # nothing is left to wait for
        self.bar.setVisible(self._flow.held or len(self._session) > 1)

    def _go_on(self) -> None:
        if self._flow.held:
            self._flow.go_on()
            self.show()
