"""The window: rail, toolbar, the current page with its inspector, and the job bar."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QPaintEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QMenu,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from memorynet_gui.base import actions
from memorynet_gui.base.jobs import JobRunner
from memorynet_gui.base.page import AppContext, Page, PageLater
from memorynet_gui.base.settings import Settings
from memorynet_gui.frame.banner import Banner
from memorynet_gui.frame.jobbar import JobBar
from memorynet_gui.frame.page_and_inspector import PageAndInspector
from memorynet_gui.frame.placing import DEFAULT_SIZE, FRAME_PX, first_size, kept_inside
from memorynet_gui.frame.question import Question
from memorynet_gui.frame.rail import Rail
from memorynet_gui.frame.tab_order import put_in_order
from memorynet_gui.frame.toolbar import Toolbar
from memorynet_gui.look.theme import Theme, set_surface
from memorynet_gui.widgets.drop_glow import DropGlow, files_from_outside
from memorynet_gui.widgets.glyph import GlyphButton

if TYPE_CHECKING:
    from core.model.tensors import Device
    from memorynet_gui.frame.error import ErrorDialogs
    from memorynet_gui.frame.settings_view import SettingsDialog
    from memorynet_gui.frame.shortcuts import ShortcutsSheet

MIN_SIZE = QSize(
    1000, 560
)  # narrower, the toolbar's words would be cut; taller, it would not fit below a title bar
_FRAMED_MS = 250  # after the first paint the window manager has put its frame around the window
_TOOL = QSize(32, 28)
_RESTORE = "restore"  # the page that takes photos and uses models
_TRAIN = "train"  # the page that takes recipes

log = logging.getLogger(__name__)


MEMORY = PageLater("memory", "Memory", "mdi6.view-grid-outline", "memorynet_gui.memory.page", "MemoryPage")
TRAIN = PageLater("train", "Train", "mdi6.chart-line", "memorynet_gui.train.page", "TrainPage")


def page_types() -> tuple[type[Page] | PageLater, ...]:
    """The pages there are, in the rail's order."""
    from memorynet_gui.restore.page import RestorePage

    return (RestorePage, MEMORY, TRAIN)


class MainWindow(QWidget):
    first_painted = Signal()
    devices_found = Signal(object, str)  # (Device, ...), advice or ""; may be emitted from any thread
    devices_failed = Signal(object)  # the exception

    def __init__(
        self,
        settings: Settings,
        theme: Theme,
        pages: Sequence[type[Page] | PageLater] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("MemoryNet")
        self.setMinimumSize(MIN_SIZE)
        self.setAcceptDrops(True)
        self.settings, self.theme = settings, theme
        self.runner = JobRunner(self)
        self._types = {kind.page_id: kind for kind in (page_types() if pages is None else pages)}
        self._pages: dict[str, Page] = {}
        self._current = ""
        self._painted = self._closing = False
        self._question = Question(self)
        self._is_down: bool | None = None
        self._given_size = QSize()
        self._menu: QMenu | None = None
        self._sheet: ShortcutsSheet | None = None
        self._settings_dialog: SettingsDialog | None = None
        self._errors: ErrorDialogs | None = None
        self.log_file: Path | None = None
        with theme.undressed():
            self._build()
            self.context = AppContext(settings, self.runner, theme, self._say, self.job_bar, self)
            self.actions_by_id = actions.build(self, self._dispatch, self._can)
            self.addActions(list(self.actions_by_id.values()))
            self._refresh_soon = QTimer(self)  # many things change at once: ask once
            self._refresh_soon.setSingleShot(True)
            self._refresh_soon.setInterval(0)
            self._refresh_soon.timeout.connect(self.refresh_actions)
            self._connect()
            first = settings.page if settings.page in self._types else next(iter(self._types))
            self.show_page(first)
            self._restore_sizes()

    # --- building --------------------------------------------------------------------------------

    def _build(self) -> None:
        self.rail = Rail()
        for kind in self._types.values():
            self.rail.add(kind.page_id, kind.title, kind.icon)
        self.rail.chosen.connect(self.show_page)
        self.help = GlyphButton("Keyboard shortcuts", "mdi6.help", _TOOL, filled=True)
        self.more = GlyphButton("More", "mdi6.dots-horizontal", _TOOL, filled=True)
        self.more.clicked.connect(self._show_menu)
        self.toolbar = Toolbar("MemoryNet", (self.help, self.more))
        self.banner = Banner()
        self.stack = QStackedWidget()
        self.stack.currentChanged.connect(self.banner.place_anew)
        self.inspectors = QStackedWidget()
        set_surface(self.inspectors, "panel")
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.banner)
        column.addWidget(self.stack, 1)
        self.splitter = PageAndInspector(self.settings, middle, self.inspectors)
        self.job_bar = JobBar()
        body = QHBoxLayout()
        body.setSpacing(0)
        body.addWidget(self.rail)
        body.addWidget(self.splitter, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.toolbar)
        layout.addLayout(body, 1)
        layout.addWidget(self.job_bar)
        self.glow = DropGlow(self)

    def _connect(self) -> None:
        self.devices_found.connect(self._on_devices, Qt.ConnectionType.QueuedConnection)
        self.devices_failed.connect(self._on_no_devices, Qt.ConnectionType.QueuedConnection)
        for runner in (self.runner, self.context.training):
            for signal in (runner.started, runner.ended, runner.paused_changed):
                signal.connect(self._job_changed)
        self.job_bar.turned.connect(self._job_changed)
        self.job_bar.pause_requested.connect(lambda: self._steered().pause())
        self.job_bar.resume_requested.connect(lambda: self._steered().resume())
        self.job_bar.cancel_requested.connect(self.cancel_job)
        self.help.clicked.connect(self._toggle_shortcuts)
        self.settings.changed.connect(self._setting_changed)
        self.settings.save_failed.connect(lambda text: self.banner.say(text, kind="warning"))
        self.context.page_wanted.connect(self.show_page)
        self.context.model_wanted.connect(self._restore_with)
        self.context.stop_wanted.connect(self._stop_long_work)
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._focus_moved)

    def _focus_moved(self, before: QWidget | None, now: QWidget | None) -> None:
        """A button that goes grey once it has done its work leaves the keys to the page, not to whatever comes after
        it: Space would press that."""
        if (
            before is None
            or now is None
            or now is self
            or not (self.isAncestorOf(before) and self.isAncestorOf(now))
        ):
            return
        if not before.isEnabled() and self._current:
            self.page.setFocus()

    # --- pages -----------------------------------------------------------------------------------

    @property
    def page(self) -> Page:
        """The one that shows."""
        return self._pages[self._current]

    def show_page(self, page_id: str) -> None:
        """Show the page, made on its first show."""
        if page_id not in self._pages:
            self._make_page(page_id)
        page = self._pages[page_id]
        self._current = page_id
        self.stack.setCurrentWidget(page)
        self.inspectors.setCurrentIndex(self.stack.currentIndex())
        self.toolbar.show_page(page_id)
        self.rail.show_current(page_id)
        page.setFocus()  # its keys work at once; Tab goes on from there
        self.settings.page = page_id
        self._refresh_soon.start()

    def _make_page(self, page_id: str) -> None:
        page = self._types[page_id](self.context, self)  # type: ignore[arg-type]
        self._pages[page_id] = page
        page.setAccessibleName(page.accessibleName() or page.title)
        self.stack.addWidget(page)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(page.inspector())
        self.inspectors.addWidget(scroll)
        self.toolbar.add(page_id, page.toolbar_widgets())
        page.status_changed.connect(self._refresh_soon.start)

    def _restore_with(self, model: Path) -> None:
        """One page has made a model, another one uses it; neither knows of the other."""
        if _RESTORE in self._types:
            self.show_page(_RESTORE)
            self.page.use_model(model)

    def open_paths(self, paths: list[Path]) -> None:
        """Hand files or folders to the page that shows."""
        self.page.open_paths(paths)

    def open_named(self, paths: list[Path]) -> None:
        """Files named at a start ("Open with", the command line): they belong to a page, whichever was shown last."""
        is_recipe = all(path.suffix.lower() == ".toml" for path in paths)
        wanted = _TRAIN if is_recipe else _RESTORE
        if wanted in self._types:
            self.show_page(wanted)
        self.open_paths(paths)

    def take_over(self, paths: list[Path], wants_sample: bool) -> bool:
        """Another start hands its files to this window, which comes to the front. False when it is closing."""
        if self._closing:
            return False
        if paths:
            self.open_named(paths)
        if wants_sample:
            self.open_sample()
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()
        return True

    def open_sample(self) -> None:
        """Load a bundled photo that has its truth."""
        from core.model import catalog

        found = next((sample for sample in catalog.samples() if sample.truth is not None), None)
        if found is None:
            log.warning("no sample photo with its truth")
            return
        self.open_named([found.path])

    # --- actions ---------------------------------------------------------------------------------

    def _can(self, action_id: str) -> bool:
        if actions.ACTIONS[action_id].page not in ("", self._current):
            return False
        if actions.ACTIONS[action_id].where != actions.GLOBAL:
            return self.page.can(action_id)
        if action_id == "pause":
            return self._steered().busy and not self._steered().cancelling
        if action_id == "cancel":
            return self._cancels_at_once() and not self.runner.cancelling
        return True

    def _dispatch(self, action_id: str) -> None:
        if actions.ACTIONS[action_id].where != actions.GLOBAL:
            self.page.handle(action_id)
            return
        {
            "pause": self.toggle_pause,
            "cancel": lambda: self._cancel_at_once() if self._can("cancel") else None,
            "toggle_inspector": self._toggle_inspector,
            "full_screen": self._toggle_full_screen,
            "shortcuts": self._toggle_shortcuts,
            "settings": self._show_settings,
            "quit": self.close,
        }[action_id]()

    def refresh_actions(self) -> None:
        """Enable what can be done now; check what is on."""
        self.actions_by_id.refresh()
        self.actions_by_id["pause"].setChecked(self._steered().paused)
        self.actions_by_id["toggle_inspector"].setChecked(self.settings.inspector_shown)
        self.actions_by_id["toggle_filmstrip"].setChecked(self.settings.filmstrip_shown)
        self.actions_by_id[f"mode_{self.settings.compare_mode}"].setChecked(True)

    def menu(self) -> QMenu:
        """Every action for the mouse: the window's own, and the others by group."""
        if self._menu is None:
            self.actions_by_id.set_icons(self.theme)
            self._menu = QMenu(self)
            for group in actions.GROUPS:
                entries = [self.actions_by_id[a.id] for a in actions.in_group(group) if not a.held]
                if group == actions.WINDOW:
                    self._menu.addSeparator()
                    self._menu.addActions(entries)
                else:
                    self._menu.addMenu(group).addActions(entries)
            self._menu.aboutToShow.connect(self.refresh_actions)
        return self._menu

    def _show_menu(self) -> None:
        menu = self.menu()
        right = self.more.mapToGlobal(QPoint(self.more.width(), self.more.height() + 4))
        menu.popup(right - QPoint(menu.sizeHint().width(), 0))

    def _steered(self) -> JobRunner:
        """Whose job pause and cancel are for: what the job bar shows, else what a person waits for."""
        training = self.context.training
        is_training = training.busy and (self.job_bar.shows_long or not self.runner.busy)
        return training if is_training else self.runner

    def toggle_pause(self) -> None:
        runner = self._steered()
        (runner.resume if runner.paused else runner.pause)()

    def _job_owner(self) -> Page | None:
        """The page whose short work can be cancelled, the one that shows first."""
        return next((p for p in (self.page, *self._pages.values()) if p.can("cancel")), None)

    def _cancels_at_once(self) -> bool:
        """Whether the key that cancels has something in front of it to cancel: the work of the page that shows, or
        work that is no page's. Long work ends by a button that asks."""
        owner = self._job_owner()
        return self.runner.busy if owner is None else owner is self.page

    def cancel_job(self) -> None:
        """Cancel what the job bar shows: by the page whose work it is, which knows what else waits. Long work is asked
        about."""
        if self._steered() is self.context.training:
            self._stop_long_work()
        else:
            self._cancel_at_once()

    def _cancel_at_once(self) -> None:
        owner = self._job_owner()
        (owner.handle if owner is not None else lambda _id: self.runner.cancel())("cancel")
        self._job_changed()

    def _stop_long_work(self) -> None:
        """Ask, and end it."""
        for page in self._pages.values():
            question = page.stop_question()
            if question is not None and self._asked_to_stop(question):
                page.stop_long_work()
                self._job_changed()

    def _asked_to_stop(self, text: str) -> bool:
        return self._question.ask("Stop training", "Stop training?", text, "Stop training", "Keep training")

    def _job_changed(self) -> None:
        steered = self._steered()
        self.job_bar.set_controls(self.runner.busy, self.context.training.busy)
        self.job_bar.set_paused(steered.paused)
        if steered.cancelling:
            self.job_bar.set_cancelling()
        self._refresh_soon.start()

    def _toggle_inspector(self) -> None:
        self.settings.inspector_shown = not self.settings.inspector_shown

    def _toggle_full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def _toggle_shortcuts(self) -> None:
        if self._sheet is None:
            from memorynet_gui.frame.shortcuts import ShortcutsSheet

            self._sheet = ShortcutsSheet(self)
        self._sheet.toggle()

    def _show_settings(self) -> None:
        if self._settings_dialog is None:
            from memorynet_gui.frame.settings_view import SettingsDialog

            self._settings_dialog = SettingsDialog(self.context, self)
        self._settings_dialog.show()
        self._settings_dialog.raise_()
        self._settings_dialog.activateWindow()

    def _say(
        self,
        text: str,
        action_text: str | None = None,
        callback: Callable[[], object] | None = None,
        kind: str = "info",
    ) -> Callable[[], None]:
        card = self.banner.say(text, action_text, callback, kind)
        return lambda: self.banner.withdraw(card)

    def show_error(self, error: BaseException) -> None:
        """Tell what nobody foresaw."""
        from memorynet_gui.base.problems import describe
        from memorynet_gui.frame.error import ErrorDialogs

        if self._errors is None:
            self._errors = ErrorDialogs(self, lambda: self.log_file)
        self._errors.show(describe(error))

    def _setting_changed(self, name: str) -> None:
        if name == "theme":
            self.theme.set_mode(self.settings.theme)
        elif name == "inspector_shown":
            self.splitter.show_inspector(self.settings.inspector_shown)
        elif name in ("window_geometry", "panel_sizes"):
            return
        self._refresh_soon.start()

    # --- devices ---------------------------------------------------------------------------------

    def _on_devices(self, devices: tuple[Device, ...], advice: str) -> None:
        self.job_bar.set_devices(devices)
        self.context.set_devices(devices)
        if advice:
            self.banner.say(advice[0].upper() + advice[1:] + ".", kind="warning")

    def _on_no_devices(self, error: Exception) -> None:
        self.job_bar.set_device_problem(str(error))
        self.banner.say(
            f"Photos can be viewed but not restored: PyTorch could not be loaded ({error}).", kind="warning"
        )

    # --- keyboard --------------------------------------------------------------------------------

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Tab goes through toolbar, rail, page, inspector, job bar: as one reads, whatever was made when."""
        parts = (self.toolbar, self.rail, self.stack, self.inspectors, self.job_bar)
        put_in_order(self, parts, last=(self.help, self.more))
        return super().focusNextPrevChild(forward)

    # --- drops -----------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if files_from_outside(event):
            event.acceptProposedAction()
            self.glow.light(True)

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [Path(name) for name in files_from_outside(event)]
        if paths:
            event.acceptProposedAction()
            self.open_paths(paths)

    # --- showing and closing -----------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            QTimer.singleShot(0, self.first_painted.emit)
            QTimer.singleShot(_FRAMED_MS, self, self._keep_on_screen)

    def _keep_on_screen(self) -> None:
        """Title bar and job bar are in sight, whatever frame the window has got."""
        free = (
            Qt.WindowState.WindowMaximized | Qt.WindowState.WindowFullScreen | Qt.WindowState.WindowMinimized
        )
        if self.windowState() & free or self.size() != self._given_size:  # somebody has decided already
            return
        place = kept_inside(
            self.geometry(), self.frameGeometry(), self.screen().availableGeometry(), self.minimumSize()
        )
        if place != self.geometry():
            self.setGeometry(place)

    def _restore_sizes(self) -> None:
        geometry = self.settings.window_geometry
        if not geometry or not self.restoreGeometry(QByteArray(geometry)):
            screen = QGuiApplication.primaryScreen()
            room = screen.availableSize() if screen else DEFAULT_SIZE + FRAME_PX
            self.resize(first_size(room, MIN_SIZE))
        self._given_size = self.size()
        self.splitter.restore()

    def _remember_sizes(self) -> None:
        self.settings.window_geometry = bytes(self.saveGeometry().data())
        self.splitter.remember()

    def close_now(self) -> None:
        """Close without asking: whoever wants this has said so already."""
        self._closing = True
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        if self._question.is_open:
            event.ignore()
            return
        blockers = {page: text for page in self._pages.values() if (text := page.close_blockers())}
        if blockers and not self._closing and not self._ask_to_close(blockers):
            event.ignore()
            return
        self._closing = True
        self._remember_sizes()
        self.hide()
        self.shut_down()
        event.accept()

    def _ask_to_close(self, blockers: Mapping[Page, str]) -> bool:
        words = {page.keep_open_word() for page in blockers}
        keep = words.pop() if len(words) == 1 else "Keep open"
        texts = "\n".join(blockers.values())
        return self._question.ask("Close MemoryNet", "Stop and close?", texts, "Stop and close", keep)

    def shut_down(self) -> bool:
        """Cancel and join all work, keep the settings; True when nothing runs any more. Safe to call again."""
        if self._is_down is None:
            self._is_down = False  # should one of these lead back here
            for page in self._pages.values():
                try:
                    page.shut_down()
                except Exception:  # the others, the job and the settings still need their end
                    log.exception("the page %s was not shut down", page.page_id)
            self._is_down = all([self.runner.shut_down(), self.context.training.shut_down()])
            self.settings.save()
        return self._is_down
