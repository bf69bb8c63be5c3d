"""What can be done with a run of the list: its menu, the menu of exports, and the way to the trash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, Signal, SignalInstance
from PySide6.QtWidgets import QMenu, QMessageBox, QWidget

from core import atomic
from core.problems import Problem
from memorynet_gui.base.actions import ACTIONS
from memorynet_gui.train.export import MODEL, ONNX, PRETRAINED, Exporter
from memorynet_gui.train.runs_view import can_continue, is_elsewhere

if TYPE_CHECKING:
    from core.training.runs import Run
    from core.trash import Trashed
    from memorynet_gui.base.page import AppContext
    from memorynet_gui.curves.board import CurveBoard
    from memorynet_gui.train.library import RunLibrary


@dataclass(frozen=True, slots=True)
class RunNow:
    """A run of the list, and what holds for it at this moment."""

    run: Run
    is_shown: bool
    trains_here: bool
    is_compared: bool
    is_busy: bool  # something trains, this run or another


class RunMenu(QObject):
    """Made by the page when it is first asked for. What is chosen comes as a signal with the run's folder."""

    show_wanted = Signal(object)
    continue_wanted = Signal(object)
    clone_wanted = Signal(object)
    restore_wanted = Signal(object)
    folder_wanted = Signal(object)
    trash_wanted = Signal(object)
    compare_wanted = Signal(object)
    gone = Signal(object)  # it is no longer on the disk

    def __init__(
        self, context: AppContext, library: RunLibrary, board: Callable[[], CurveBoard], over: QWidget
    ) -> None:
        super().__init__(over)
        self._context, self._library, self._board, self._over = context, library, board, over
        self.exporter = Exporter(context, over)

    # --- menus -----------------------------------------------------------------------------------

    def build(self, now: RunNow) -> QMenu:
        run, folder = now.run, now.run.folder
        menu = QMenu(self._over)
        menu.setToolTipsVisible(True)

        def add(text: str, wanted: SignalInstance, is_possible: bool) -> None:
            menu.addAction(text, lambda: wanted.emit(folder)).setEnabled(is_possible)

        add("Show", self.show_wanted, not now.is_shown)
        compare = menu.addAction("Compare with the shown run", lambda: self.compare_wanted.emit(folder))
        compare.setCheckable(True)
        compare.setChecked(now.is_compared and not now.is_shown)
        compare.setEnabled(not now.is_shown)
        compare.setToolTip("Lay its curves under those shown, as its dot in the list does")
        add("Continue", self.continue_wanted, can_continue(run, now.trains_here) and not now.is_busy)
        add("Clone", self.clone_wanted, run.recipe is not None)
        add("Restore with this model", self.restore_wanted, run.model is not None)
        menu.addMenu(self.build_export(now, menu))
        menu.addSeparator()
        add("Open folder", self.folder_wanted, True)
        add(
            "Move to trash", self.trash_wanted, not now.trains_here and not is_elsewhere(run, now.trains_here)
        )
        return menu

    def build_export(self, now: RunNow, parent: QWidget) -> QMenu:
        from core import extras

        run, export = now.run, self.exporter
        menu = QMenu(ACTIONS["export_run"].text.rstrip("…"), parent)
        menu.setToolTipsVisible(True)
        for text, kind in (
            ("Model folder…", MODEL),
            ("Model in the Hugging Face layout…", PRETRAINED),
            ("ONNX file…", ONNX),
        ):
            action = menu.addAction(text, partial(export.ask_for_model, run, kind))
            action.setEnabled(run.model is not None)
            absent = extras.missing("onnx") if kind == ONNX else ()
            if absent:
                action.setEnabled(False)
                action.setToolTip(f"ONNX files need {', '.join(absent)}, which are not installed")
            elif run.model is None:
                action.setToolTip("There is no model before the first validation")
        menu.addSeparator()
        menu.addAction(
            "Curves as picture…",
            lambda: export.ask_for_file(
                f"{run.name}.png", "PNG (*.png)", "Save the curves as a picture", self._write_picture
            ),
        ).setEnabled(now.is_shown)
        menu.addAction(
            "Curves as table…",
            lambda: export.ask_for_file(
                f"{run.name}.csv", "CSV (*.csv)", "Save the curves as a table", self._write_table
            ),
        ).setEnabled(now.is_shown)
        menu.addAction(
            "Recipe…",
            lambda: export.ask_for_file(
                f"{run.name}.toml",
                "Recipes (*.toml)",
                "Save the recipe",
                lambda target: self._write_recipe(run, target),
            ),
        ).setEnabled(run.recipe is not None)
        return menu

    def _write_table(self, target: Path) -> None:
        """On another thread: a million rows take a while."""
        write = self._board().csv_writer()
        self._library.do(
            lambda: write(target), lambda _none: self.exporter.written(target), f"write {target.name}"
        )

    def _write_picture(self, target: Path) -> None:
        self._board().export_png(target)
        self.exporter.written(target)

    def _write_recipe(self, run: Run, target: Path) -> None:
        assert run.recipe is not None
        atomic.write_text(target, run.recipe.to_toml())
        self.exporter.written(target)

    def popup(self, now: RunNow, where: QPoint) -> None:
        self._show(self.build(now), where)

    def popup_export(self, now: RunNow, below: QWidget) -> None:
        menu = self.build_export(now, self._over)
        self._show(menu, below.mapToGlobal(QPoint(0, below.height() + 4)))

    @staticmethod
    def _show(menu: QMenu, where: QPoint) -> None:
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(where)

    # --- away with it ----------------------------------------------------------------------------

    def trash(self, run: Run) -> None:
        """To the system's trash; where there is none, asks before it is gone for good."""
        folder = run.folder

        def moved(trashed: Trashed | None) -> None:
            sentence = f"{run.name} is in the trash."
            if trashed is None:
                self._context.banner(sentence)
            else:
                self._context.banner(sentence, "Put it back", lambda: put_back(trashed))
            gone(None)

        def put_back(trashed: Trashed) -> None:
            self._library.do(trashed.take_back, lambda _none: self._back(run), f"put {run.name} back")

        def gone(_none: object) -> None:
            self.gone.emit(folder)
            self._library.refresh()

        def move() -> Trashed | Problem | None:
            from core.training import runs
            from memorynet_gui.base.problems import describe

            try:
                return runs.move_to_trash(folder)
            except runs.NoTrash as error:
                return describe(error)

        def delete() -> None:
            from core.training import runs

            runs.delete_for_good(folder)

        def tried(came: Trashed | Problem | None) -> None:
            if not isinstance(came, Problem):
                moved(came)
            elif self._confirm(run, came):
                self._library.do(delete, gone, "delete the run")

        self._library.do(move, tried, "move the run to the trash")

    def _back(self, run: Run) -> None:
        self._context.banner(f"{run.name} is back.", "Show", lambda: self.show_wanted.emit(run.folder))
        self._library.refresh()

    def _confirm(self, run: Run, problem: Problem) -> bool:
        box = QMessageBox(self._over)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setWindowTitle("Delete for good")
        box.setText(f"Delete {run.name} for good?")
        box.setInformativeText(f"{problem.what} {problem.why}".strip())
        delete = box.addButton("Delete for good", QMessageBox.ButtonRole.DestructiveRole)
        keep = box.addButton("Keep", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        box.exec()
        return box.clickedButton() is delete
