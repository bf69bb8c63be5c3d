"""What the person does with results: save, save as, copy, drag out, before and after, the command line."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, QObject, Qt, QUrl, Signal
from PySide6.QtGui import QDrag, QGuiApplication, QImage
from PySide6.QtWidgets import QFileDialog, QWidget

from memorynet_gui.base.page import AppContext
from memorynet_gui.base.problems import Problem, describe
from memorynet_gui.restore.command import command
from memorynet_gui.restore.flow import RestoreFlow
from memorynet_gui.restore.menu import show_in_folder
from memorynet_gui.restore.saves import Saver
from memorynet_gui.restore.session import Session
from memorynet_gui.restore.stage import Stage

if TYPE_CHECKING:
    from core.images.io import WriteOptions

log = logging.getLogger(__name__)


class ResultsOut(QObject):
    """The words and dialogs around :class:`Saver`."""

    changed = Signal()  # something was saved, or is being saved
    elsewhere_wanted = Signal(list)  # ids of photos to save into another folder

    def __init__(
        self,
        context: AppContext,
        session: Session,
        stage: Stage,
        flow: RestoreFlow,
        saver: Saver,
        over: QWidget,
    ) -> None:
        super().__init__(over)
        self._context, self._session, self._stage = context, session, stage
        self._flow, self._saver, self._over = flow, saver, over
        self._written: list[Path] = []  # by the saves under way, told in one go when the last has ended
        self._unwritten: list[tuple[str, str, Problem]] = []  # id, name, why
        self.masks_dir: Path | None = None
        self.drag_path: Path | None = None
        saver.saved.connect(self._saved)
        saver.failed.connect(self._save_failed)
        saver.progressed.connect(self._progressed)
        saver.idle.connect(self._idle)

    # --- saving ----------------------------------------------------------------------------------

    def save(self) -> None:
        """Save the current photo; one that is saved as it is shows where it lies."""
        item = self._session.current
        if item is None:
            return
        if item.is_saved and item.saved is not None and item.saved.path.exists():
            show_in_folder(item.saved.path)
        else:
            self._saver.save(item)

    def save_all(self) -> None:
        left = sum(item.is_unchanged and not item.is_saved for item in self._session.items())
        if not self._saver.save_all():
            self._context.banner(
                "Nothing is left to save: in the rest nothing was found, they stay as they are."
                if left
                else "Every result is saved already."
            )

    def save_as(self) -> None:
        item, shown = self._session.current, self._stage.shown
        if item is None or shown is None:
            return
        from memorynet_gui.restore.save_as import SaveAsDialog

        settings = self._context.settings
        suggested = self._saver.plan(item).path
        if settings.save_folder is not None:
            suggested = settings.save_folder / suggested.name
        dialog = SaveAsDialog(suggested, shown.info, settings.save_quality, settings.strip_gps, self._over)

        def chosen(path: Path, options: WriteOptions) -> None:
            settings.save_folder = path.parent
            self._saver.save(self._session.get(item.id) or item, path, options)

        dialog.chosen.connect(chosen)
        dialog.show()

    def _saved(self, item_id: str) -> None:
        item = self._session.get(item_id)
        if item is not None and item.saved is not None:
            self._written.append(item.saved.path)
        self.changed.emit()

    def _save_failed(self, item_id: str, problem: Problem) -> None:
        item = self._session.get(item_id)
        self._unwritten.append((item_id, item.name if item is not None else "The photo", problem))
        self.changed.emit()

    def _progressed(self) -> None:
        open_count, done = len(self._saver.saving_ids), self._saver.done_count
        if open_count > 1 and not self._flow.busy:
            total = open_count + done
            self._context.job_bar.set_job(f"Saving {done + 1} of {total}", done / total, None)
        self.changed.emit()

    def _idle(self) -> None:
        if not self._flow.busy:
            self._context.job_bar.clear_job()
        self._say_what_was_saved()

    def _say_what_was_saved(self) -> None:
        """One banner for what was written, one for what was not; a single save shows on its button."""
        written, unwritten = self._written, self._unwritten
        self._written, self._unwritten = [], []
        if len(written) + len(unwritten) > 1 and written:
            last = written[-1]
            noun = "photo" if len(written) == 1 else "photos"
            self._context.banner(
                f"{len(written):,} {noun} saved.", "Show in folder", lambda: show_in_folder(last)
            )
        if not unwritten:
            return
        _, name, problem = unwritten[0]
        if len(unwritten) == 1:
            what = f"{name} was not saved."
        else:
            what = f"{len(unwritten):,} photos were not saved. The first is {name}:"
            details = "\n\n".join(f"{name}\n{problem.details}" for _, name, problem in unwritten)
            problem = replace(problem, details=details)
        ids = [item_id for item_id, _, _ in unwritten]
        if self._saver.place_refused.isdisjoint(ids):
            self.say(what, problem)
        else:
            self._context.banner(
                f"{what} {problem.sentence}", "Another folder…", lambda: self.elsewhere_wanted.emit(ids)
            )

    # --- clipboard -------------------------------------------------------------------------------

    def copy(self) -> None:
        item = self._session.current
        if item is not None:
            self._saver.copy(
                item,
                self._copied,
                lambda error: self.say("The result was not copied.", describe(error)),
            )

    def _copied(self, image: QImage) -> None:
        QGuiApplication.clipboard().setImage(image)
        self._context.banner("The result is on the clipboard.")

    def copy_command(self) -> None:
        item = self._session.current
        if item is not None:
            QGuiApplication.clipboard().setText(command(item, self._saver.plan(item), masks=self.masks_dir))
            self._context.banner("The command is on the clipboard.")

    # --- before and after ------------------------------------------------------------------------

    def ask_for_comparison(self) -> None:
        item = self._session.current
        if item is None:
            return
        folder = self._context.settings.save_folder or self._saver.plan(item).path.parent
        name = f"{item.path.stem}.before-after.png"
        dialog = QFileDialog(self._over, "Save before and after", str(folder / name))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(["PNG (*.png)", "JPEG (*.jpg)"])
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda chosen: self.save_comparison(Path(chosen)))
        dialog.open()

    def save_comparison(self, target: Path) -> None:
        item = self._session.current
        if item is not None:
            self._saver.comparison(
                item,
                target,
                lambda path: self._context.banner(
                    f"Saved as {path.name}.", "Show in folder", lambda: show_in_folder(path)
                ),
                lambda error: self.say("The picture was not saved.", describe(error)),
            )

    # --- dragging out ----------------------------------------------------------------------------

    def prepare_drag(self) -> None:
        """Have a file ready by the time the hand has moved far enough for a drag."""
        item = self._session.current
        self.drag_path = None
        if item is not None:
            self._saver.drag_file(
                item, self._drag_ready, lambda error: log.info("nothing to drag: %s", error)
            )

    def _drag_ready(self, path: Path) -> None:
        self.drag_path = path

    def drag_out(self) -> None:
        if self.drag_path is None or not self.drag_path.exists():
            self.prepare_drag()
        if self.drag_path is None:
            self._context.banner("The file is being made ready; drag once more in a moment.")
            return
        drag = QDrag(self._over)
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(self.drag_path))])
        drag.setMimeData(data)
        drag.exec(Qt.DropAction.CopyAction)

    def say(self, what: str, problem: Problem) -> None:
        """A banner with what failed and why; the details can be copied."""
        self._context.banner(
            f"{what} {problem.sentence}",
            "Copy details",
            lambda: QGuiApplication.clipboard().setText(problem.details),
        )
