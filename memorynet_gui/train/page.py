"""The Train page: set up a run, watch it learn, steer it, keep it, restore with what it learned."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, QTimer, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication, QHideEvent, QPaintEvent, QShowEvent
from PySide6.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from core.problems import Problem
from core.training.run_folder import RunFolder
from memorynet_gui.base.page import AppContext, Page
from memorynet_gui.base.problems import describe
from memorynet_gui.train import overlays
from memorynet_gui.train.flow import TrainFlow, TrainOrder
from memorynet_gui.train.follow import Follower
from memorynet_gui.train.inspector import TrainInspector
from memorynet_gui.train.library import RunLibrary
from memorynet_gui.train.runs_view import RunList, can_continue, is_elsewhere
from memorynet_gui.train.starts import Starts
from memorynet_gui.train.toolbar import CURVES, TrainToolbar
from memorynet_gui.train.words import live_of, with_live

if TYPE_CHECKING:
    from core.events import ContrastDrawn
    from core.training.recipe import TrainRecipe
    from core.training.runs import Run
    from memorynet_gui.train.run_menu import RunMenu, RunNow
    from memorynet_gui.train.stage import TrainStage
    from memorynet_gui.train.stores import Stores

_SOON_MS = 100  # a small network tells more often than anyone can read
_CLOCK_MS = 1000

log = logging.getLogger(__name__)


class TrainPage(Page):
    page_id = "train"
    title = "Train"
    icon = "mdi6.chart-line"

    def __init__(self, context: AppContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.context = context
        self.flow = TrainFlow(context.training, parent=self)
        self.library = RunLibrary(context.settings, self)
        self.starts = Starts(context, self.flow, self.library)
        self.toolbar = TrainToolbar(self)
        self._inspector = TrainInspector()
        self._follower = Follower(self, context, self.flow, lambda folder: folder == self._shown)
        self._stage: TrainStage | None = None
        self._stores: Stores | None = None
        self._menu: RunMenu | None = None
        self._shown: Path | None = None
        self._part = CURVES
        self._shut = self._chosen = False
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._build()
        self._soon = QTimer(self, singleShot=True, interval=_SOON_MS)
        self._soon.timeout.connect(self.refresh)
        self._clock = QTimer(self, interval=_CLOCK_MS)
        self._clock.timeout.connect(self._show_live)
        self._connect()
        self.toolbar.set_looks(context.settings.curves_smoothed, context.settings.curves_log)
        self.refresh()

    # --- building --------------------------------------------------------------------------------

    def _build(self) -> None:
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(0)

    def _connect(self) -> None:
        flow, panel, library = self.flow, self._inspector, self.library
        flow.progressed.connect(self._progressed)
        self._connect_follower()
        library.changed.connect(self._library_changed)
        library.failed.connect(self._library_failed)
        self.context.settings.changed.connect(self._setting_changed)
        self.toolbar.wanted.connect(self._do)
        self.toolbar.part_chosen.connect(self._set_part)
        self.toolbar.smoothed_chosen.connect(self._set_smoothed)
        self.toolbar.log_chosen.connect(self._set_log)
        panel.pause_requested.connect(flow.pause)
        panel.resume_requested.connect(flow.resume)
        panel.save_requested.connect(lambda: self._do("save_run"))
        panel.stop_requested.connect(self.context.stop_wanted)
        panel.continue_requested.connect(lambda: self.starts.go_on(self._shown))
        panel.clone_requested.connect(lambda: self.clone_run(self._shown))
        panel.export_requested.connect(lambda: self._do("export_run"))
        panel.trash_requested.connect(lambda: self.trash_run(self._shown))
        panel.trash_row_requested.connect(self.trash_run)
        panel.folder_requested.connect(lambda: self.open_folder(self._shown))
        panel.restore_requested.connect(lambda: self.restore_with(self._shown))
        panel.notes_written.connect(library.set_notes)
        panel.details_requested.connect(lambda text: QGuiApplication.clipboard().setText(text))
        panel.run_shown.connect(self.show_run)
        panel.overlays_changed.connect(self._show_overlays)
        panel.menu_requested.connect(self._popup_menu)

    def _connect_follower(self) -> None:
        follower = self._follower
        follower.begun.connect(self._begun)
        follower.came.connect(lambda folder, event: self.stores().append(folder, event))
        follower.frame_came.connect(self._frame_came)
        follower.contrast_came.connect(self._contrast_came)
        follower.records_changed.connect(self.library.refresh)
        follower.ended.connect(self.refresh)
        follower.run_wanted.connect(self.show_run)
        follower.restore_wanted.connect(self.restore_with)
        follower.not_begun.connect(self._not_begun)

    def stage(self) -> TrainStage:
        """The middle, made when it is first needed: it brings the plotting library."""
        if self._stage is None:
            began = time.perf_counter()
            from memorynet_gui.train.stage import TrainStage
            from memorynet_gui.train.stores import Stores

            settings = self.context.settings
            self._stores = Stores(self)
            self._stores.failed.connect(
                lambda folder, error: self._library_failed(
                    f"read the curves of {folder.name}", describe(error)
                )
            )
            stage = self._stage = TrainStage(self.context)
            stage.board.set_smoothed(settings.curves_smoothed)
            stage.board.set_log(settings.curves_log)
            stage.board.charts_failed.connect(
                lambda error: self._library_failed("draw the curves", describe(error))
            )
            stage.new_run.start_requested.connect(self._start_requested)
            stage.new_run.valid_changed.connect(lambda _on: self.status_changed.emit())
            self._layout.addWidget(stage, 1)
            log.debug("the middle of the Train page took %.0f ms", 1000 * (time.perf_counter() - began))
        return self._stage

    def stores(self) -> Stores:
        """The curves at hand; made with the stage."""
        self.stage()
        assert self._stores is not None
        return self._stores

    def _run_menu(self) -> RunMenu:
        if self._menu is None:
            from memorynet_gui.train.run_menu import RunMenu

            menu = self._menu = RunMenu(self.context, self.library, lambda: self.stage().board, self)
            menu.show_wanted.connect(self.show_run)
            menu.continue_wanted.connect(self.starts.go_on)
            menu.clone_wanted.connect(self.clone_run)
            menu.restore_wanted.connect(self.restore_with)
            menu.folder_wanted.connect(self.open_folder)
            menu.trash_wanted.connect(self.trash_run)
            menu.compare_wanted.connect(self.run_list.turn)
            menu.gone.connect(self.forget_run)
        return self._menu

    def _now(self, run: Run) -> RunNow:
        from memorynet_gui.train.run_menu import RunNow

        flow, folder = self.flow, run.folder
        return RunNow(
            run, folder == self._shown, flow.trains(folder), folder in self.run_list.overlays(), flow.busy
        )

    def _popup_menu(self, folder: Path, where: QPoint) -> None:
        if (run := self.run_of(folder)) is not None:
            self._run_menu().popup(self._now(run), where)

    def _popup_export(self) -> None:
        if (run := self._run()) is not None:
            self._run_menu().popup_export(self._now(run), self._inspector.export)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._stage is None:
            QTimer.singleShot(0, self, self._after_first_paint)

    def _after_first_paint(self) -> None:
        if not self._shut and self._stage is None:
            self.stage()
            self._choose_first()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.library.watch(True)
        self._clock.start()
        self.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.library.watch(False)
        self._clock.stop()

    # --- the window's side -----------------------------------------------------------------------

    def inspector(self) -> TrainInspector:
        return self._inspector

    @property
    def run_list(self) -> RunList:
        return self._inspector.list

    def toolbar_widgets(self) -> dict[str, list[QWidget]]:
        return self.toolbar.widgets()

    @property
    def shown(self) -> Path | None:
        """The run that is shown; None while a new one is set up."""
        return self._shown

    @property
    def is_settled(self) -> bool:
        """Whether it was decided what the page begins with."""
        return self._chosen

    def overlay_others(self) -> None:
        """Lay the other runs' curves under the shown one's, as far as the list allows."""
        self.run_list.tick([run.folder for run in self._runs() if run.folder != self._shown])

    def open_paths(self, paths: list[Path]) -> None:
        """A recipe, or folders to learn from."""
        recipes = [path for path in paths if path.suffix.lower() == ".toml"]
        folders = [path for path in paths if path.is_dir()]
        if recipes:
            self.open_recipe(recipes[0])
        elif folders:
            self.new_run()
            self.stage().new_run.set_data(tuple(folders))
        else:
            self.context.banner("Drop folders of photos to learn from, or a recipe (.toml).")

    def can(self, action_id: str) -> bool:
        run = self._run()
        answers: dict[str, Callable[[], bool]] = {
            "new_run": lambda: True,
            "open_recipe": lambda: True,
            "start_run": lambda: self._can_start(run),
            "save_run": lambda: self.flow.busy and not self.flow.stopping,
            "export_run": lambda: run is not None and run.recipe is not None,
            "cancel": lambda: self._exports() or self._checks(),
        }
        return answers[action_id]() if action_id in answers else False

    def _can_start(self, run: Run | None) -> bool:
        if self._stage is None:
            return False
        if run is None:  # while another one trains, starting says why not, or when
            return self._stage.is_new and self._stage.new_run.is_valid
        return can_continue(run, False)

    def handle(self, action_id: str) -> None:
        handlers: dict[str, Callable[[], object]] = {
            "new_run": self.new_run,
            "open_recipe": self._ask_for_recipe,
            "start_run": self._start_or_continue,
            "save_run": self.flow.save_now,
            "export_run": self._popup_export,
            "cancel": self._cancel,
        }
        handlers[action_id]()

    def _exports(self) -> bool:
        return self._menu is not None and self._menu.exporter.busy

    def _checks(self) -> bool:
        return self._stage is not None and self._stage.checks.busy

    def _cancel(self) -> None:
        if self._exports() and self._menu is not None:
            self._menu.exporter.cancel()
        elif self._checks() and self._stage is not None:
            self._stage.checks.cancel()

    def stop_question(self) -> str | None:
        order = self.flow.order
        if order is None or self.flow.stopping:
            return None
        return (
            f"{order.name} is at step {self.flow.step:,} of {order.recipe.steps:,}. What it has learned is saved, and "
            "training can go on from here later."
        )

    def stop_long_work(self) -> None:
        self.flow.stop()

    def close_blockers(self) -> str | None:
        order = self.flow.order
        if order is not None:
            return (
                f"{order.name} is training, step {self.flow.step:,} of {order.recipe.steps:,}. What it has learned "
                "is saved, and training goes on from here next time."
            )
        return None

    def keep_open_word(self) -> str:
        return "Keep training" if self.flow.busy else super().keep_open_word()

    def shut_down(self) -> None:
        if self._shut:
            return
        self._shut = True
        for timer in (self._soon, self._clock):
            timer.stop()
        self._inspector.notes.tell()
        self._follower.shut_down()
        self.starts.shut_down()
        self.flow.shut_down()
        self.library.shut_down()
        if self._stores is not None:
            self._stores.shut_down()
        if self._stage is not None:
            self._stage.shut_down()

    def _do(self, action_id: str) -> None:
        if self.can(action_id):
            self.handle(action_id)

    # --- starting --------------------------------------------------------------------------------

    def new_run(self) -> None:
        """Set up a new run; what runs goes on."""
        self._shown = None
        self._chosen = True
        self.stage().show_new()
        self.refresh()

    def open_recipe(self, path: Path) -> None:
        """Set up a run from a recipe file; one that cannot be used says why."""
        from core.training.recipe import RecipeError, TrainRecipe

        self.context.settings.recipe_folder = path.parent
        try:
            TrainRecipe.from_toml(path)
        except (OSError, RecipeError) as error:
            self.context.banner(describe(error).sentence, kind="warning")
            return
        self.new_run()
        self.stage().new_run.open_recipe(path)

    def set_up(self, recipe: TrainRecipe, data: tuple[Path, ...] = ()) -> None:
        """Offer a recipe in the form, with the folders it learned from before."""
        self.new_run()
        view = self.stage().new_run
        view.set_recipe(recipe)
        if data:
            view.set_data(data)

    def _ask_for_recipe(self) -> None:
        dialog = QFileDialog(self, "Open a recipe", str(self.context.settings.recipe_folder or Path.home()))
        dialog.setNameFilters(["Recipes (*.toml)", "All files (*)"])
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: self.open_recipe(Path(name)))
        dialog.open()

    def _start_or_continue(self) -> None:
        if self._shown is None:
            self.stage().new_run.start()
        else:
            self.starts.go_on(self._shown)

    def _start_requested(self, recipe: TrainRecipe, data: tuple[Path, ...], out: Path) -> None:
        self.starts.begin(self.starts.order(recipe, tuple(data), out))

    # --- a run of the list -----------------------------------------------------------------------

    def show_run(self, folder: Path) -> None:
        """Curves, film and inspector of this run."""
        run = self.run_of(folder)
        if run is None:
            return
        stage = self.stage()
        self._shown = folder
        self._chosen = True
        stage.show_run(run.name, folder, self.stores().of(folder, self.flow.trains(folder)))
        self.show_contrast()
        self.refresh()
        self._show_overlays()

    def _begun(self, order: TrainOrder) -> None:
        self.stores().begin(order.folder, order.resume)
        self.show_run(order.folder)
        self.library.refresh()

    def _not_begun(self, folder: Path) -> None:
        if folder == self._shown:
            self.new_run()

    def _contrast_came(self, folder: Path) -> None:
        if folder == self._shown:
            self.show_contrast()

    def _frame_came(self, folder: Path, step: int) -> None:
        if folder == self._shown:
            self.stage().film.frame_came(step)

    def _ticked(self) -> list[Run]:
        return [run for folder in self.run_list.overlays() if (run := self.run_of(folder)) is not None]

    def _show_overlays(self) -> None:
        if self._stage is None or self._stores is None:
            return
        here = self.flow.order.folder if self.flow.order is not None else None
        overlays.show(self._stage, self._stores, self._ticked(), self._shown, here)
        self._tell_differences()

    def _tell_differences(self) -> None:
        self._inspector.show_differences(overlays.differences(self._run(), self._ticked()))

    def clone_run(self, folder: Path | None) -> None:
        """A new run with this one's recipe under a free name."""
        if folder is None:
            return
        run = self.library.find(folder)
        data = tuple(Path(name) for name in run.state.data) if run is not None and run.state else ()

        def read() -> TrainRecipe:
            from core.training import runs

            return runs.clone(folder)

        self.library.do(read, lambda recipe: self.set_up(recipe, data), "read the recipe")

    def trash_run(self, folder: Path | None) -> None:
        """The system's trash gives it back; a run that trains stays."""
        run = self.run_of(folder)
        if run is None or folder is None:
            return
        if self.flow.trains(folder) or is_elsewhere(run, False):
            self.context.banner(f"{run.name} trains. It can go to the trash when it has ended.")
            return
        self._run_menu().trash(run)

    def forget_run(self, folder: Path) -> None:
        """It is gone from the disk."""
        if self._stores is not None:
            self._stores.drop(folder)
        self._follower.forget(folder)
        self.context.settings.trained_models = tuple(
            model for model in self.context.settings.trained_models if folder not in model.parents
        )
        if self._shown == folder:
            others = [run.folder for run in self._runs() if run.folder != folder]
            if others:
                self.show_run(others[0])
            else:
                self.new_run()

    def open_folder(self, folder: Path | None) -> None:
        if folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def restore_with(self, folder: Path | None) -> None:
        """Hand the run's best model to the Restore page."""
        run = self.library.find(folder)
        if run is not None and run.model is not None:
            self.context.model_wanted.emit(run.model)

    # --- what is shown ---------------------------------------------------------------------------

    def _run(self) -> Run | None:
        return self.run_of(self._shown)

    def run_of(self, folder: Path | None) -> Run | None:
        """What is known of it; None when the list has no such run."""
        if folder is None:
            return None
        return next((run for run in self._runs() if run.folder == folder), None)

    def _runs(self) -> tuple[Run, ...]:
        """Those on the disk; first the one that trains here, also before it has written anything."""
        return with_live(self.library.runs, self.flow.order, self.flow.paused)

    def _library_changed(self) -> None:
        if self._shut:
            return
        if self._stores is not None:
            renewed = self._stores.renew(self._runs(), self.flow.order.folder if self.flow.order else None)
            if self._shown in renewed:
                self.stage().film.refresh()
        self._choose_first()
        if self._shown is not None and self._run() is None:  # somebody moved it away
            self.forget_run(self._shown)
        self.refresh()
        self._tell_differences()

    def _choose_first(self) -> None:
        """The newest run, or setting up the first one."""
        if self._chosen or self._stage is None or not self.library.is_read:
            return
        runs = self._runs()
        if runs:
            self.show_run(runs[0].folder)
        else:
            self.new_run()

    def _library_failed(self, words: str, problem: Problem) -> None:
        self.context.banner(f"Could not {words}. {problem.sentence}", kind="warning")

    def _progressed(self) -> None:
        if not self._soon.isActive():
            self._soon.start()

    def refresh(self) -> None:
        """Make list, inspector, toolbar and job bar say what is true now."""
        if self._shut:
            return
        runs, run = self._runs(), self._run()
        here = self.flow.order.folder if self.flow.order is not None else None
        self._inspector.show_runs(runs, here, self._shown, self.library.is_read)
        self._show_live()
        self.toolbar.show_run(run is not None, run is not None and run.recipe is not None, self._part)
        self._follower.show_job()
        self.status_changed.emit()

    def _show_live(self) -> None:
        run = self._run()
        if run is None:
            self._inspector.show_run(None, None)
            return
        live = live_of(self.flow) if self.flow.trains(run.folder) else None
        self._inspector.show_run(run, live, None if live is not None else self._follower.problem_of(run))

    def show_contrast(self) -> None:
        """What the run compared last: as it is told, else as its folder kept it."""
        run = self._run()
        if self._stage is None or run is None:
            return
        drawn = self._follower.contrast if self.flow.trains(run.folder) else None
        self._stage.show_contrast(drawn)
        if drawn is None:
            kept = RunFolder(run.folder).contrast
            self.library.do(
                kept, lambda found: self._contrast_read(run.folder, found), "read what was compared"
            )

    def _contrast_read(self, folder: Path, drawn: ContrastDrawn | None) -> None:
        live = self._follower.contrast if self.flow.trains(folder) else None
        if self._stage is not None and folder == self._shown and drawn is not None and live is None:
            self._stage.show_contrast(drawn)

    def _set_part(self, part: str) -> None:
        self._part = part
        self.stage().set_part(part)
        self.refresh()

    def _set_smoothed(self, on: bool) -> None:
        self.context.settings.curves_smoothed = on
        self.stage().board.set_smoothed(on)

    def _set_log(self, on: bool) -> None:
        self.context.settings.curves_log = on
        self.stage().board.set_log(on)

    def _setting_changed(self, name: str) -> None:
        if name == "runs_folder":
            self.library.refresh()
