"""What can be done with a run of the list: its menu, the menu of exports, and the way to the trash."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QMenu, QMessageBox, QWidget

from core import atomic
from core.problems import Problem
from memorynet_gui.base.actions import ACTIONS
from memorynet_gui.train.export import MODEL, ONNX, PRETRAINED, Exporter
from memorynet_gui.train.runs_view import can_continue, is_elsewhere

if TYPE_CHECKING:
    from core.training.runs import Run
    from memorynet_gui.train.page import TrainPage


class RunMenu:
    """Made by the page when it is first asked for."""

    def __init__(self, page: TrainPage) -> None:
        self._page = page
        self.exporter = Exporter(page.context, page)

    # --- menus -----------------------------------------------------------------------------------

    def build(self, run: Run) -> QMenu:
        page = self._page
        here = page.flow.trains(run.folder)
        busy = page.flow.busy or page.flow.waiting is not None
        menu = QMenu(page)
        menu.setToolTipsVisible(True)
        folder = run.folder
        menu.addAction("Show", lambda: page.show_run(folder)).setEnabled(page.shown != folder)
        menu.addAction("Continue", lambda: page.starts.go_on(folder)).setEnabled(
            can_continue(run, here) and not busy
        )
        menu.addAction("Clone", lambda: page.clone_run(folder)).setEnabled(run.recipe is not None)
        menu.addAction("Restore with this model", lambda: page.restore_with(folder)).setEnabled(
            run.model is not None
        )
        menu.addMenu(self.build_export(run, menu))
        menu.addSeparator()
        menu.addAction("Open folder", lambda: page.open_folder(folder))
        menu.addAction("Move to trash", lambda: page.trash_run(folder)).setEnabled(
            not here and not is_elsewhere(run, here)
        )
        return menu

    def build_export(self, run: Run, parent: QWidget) -> QMenu:
        from core import extras

        export = self.exporter
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
        is_shown = self._page.shown == run.folder
        menu.addAction(
            "Curves as picture…",
            lambda: export.ask_for_file(
                f"{run.name}.png", "PNG (*.png)", "Save the curves as a picture", self._write_picture
            ),
        ).setEnabled(is_shown)
        menu.addAction(
            "Curves as table…",
            lambda: export.ask_for_file(
                f"{run.name}.csv", "CSV (*.csv)", "Save the curves as a table", self._write_table
            ),
        ).setEnabled(is_shown)
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
        write = self._page.stage().board.csv_writer()
        self._page.library.do(
            lambda: write(target), lambda _none: self.exporter.said(target), f"write {target.name}"
        )

    def _write_picture(self, target: Path) -> None:
        self._page.stage().board.export_png(target)
        self.exporter.said(target)

    def _write_recipe(self, run: Run, target: Path) -> None:
        assert run.recipe is not None
        atomic.write_text(target, run.recipe.to_toml())
        self.exporter.said(target)

    def popup(self, folder: Path, where: QPoint) -> None:
        run = self._page.run_of(folder)
        if run is not None:
            self._show(self.build(run), where)

    def popup_export(self, folder: Path | None, below: QWidget) -> None:
        run = self._page.run_of(folder)
        if run is not None:
            menu = self.build_export(run, self._page)
            self._show(menu, below.mapToGlobal(QPoint(0, below.height() + 4)))

    @staticmethod
    def _show(menu: QMenu, where: QPoint) -> None:
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(where)

    # --- away with it ----------------------------------------------------------------------------

    def trash(self, run: Run) -> None:
        """To the system's trash; where there is none, asks before it is gone for good."""
        page, folder = self._page, run.folder

        def moved(_none: object) -> None:
            page.context.banner(f"{run.name} is in the trash.")
            gone(_none)

        def gone(_none: object) -> None:
            page.forget_run(folder)
            page.library.refresh()

        def move() -> Problem | None:
            from core.training import runs
            from memorynet_gui.base.problems import describe

            try:
                runs.move_to_trash(folder)
            except runs.NoTrash as error:
                return describe(error)
            return None

        def delete() -> None:
            from core.training import runs

            runs.delete_for_good(folder)

        def tried(problem: Problem | None) -> None:
            if problem is None:
                moved(None)
            elif self._confirm(run, problem):
                page.library.do(delete, gone, "delete the run")

        page.library.do(move, tried, "move the run to the trash")

    def _confirm(self, run: Run, problem: Problem) -> bool:
        box = QMessageBox(self._page)
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
