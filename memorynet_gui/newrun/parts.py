"""What stands around the steps of a new run: the recipe's file at the top, where runs are kept, the bar that starts it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from memorynet_gui.look.theme import set_role, set_surface
from memorynet_gui.widgets.buttons import text_button
from memorynet_gui.widgets.parts import Elided

if TYPE_CHECKING:
    from memorynet_gui.base.settings import Settings


class RecipeHead(QWidget):
    """Which recipe this is, and its ways from and to a file."""

    load_chosen = Signal(object)  # Path
    save_chosen = Signal(object)  # Path
    copy_requested = Signal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._name = ""
        title = QLabel("New run")
        set_role(title, "title")
        self.source = Elided("", Qt.TextElideMode.ElideMiddle)
        self.source.setAccessibleName("Which recipe this is")
        self.load = text_button("Load…", "Open a recipe from a file")
        self.save = text_button("Save as…", "Keep this recipe as a file that people can read")
        self.copy = text_button("Duplicate", "Go on with a copy of this recipe under another name")
        self.load.clicked.connect(self._ask_load)
        self.save.clicked.connect(self._ask_save)
        self.copy.clicked.connect(self.copy_requested)
        row = _row(self, title)
        row.addWidget(self.source, 1)
        for each in (self.load, self.save, self.copy):
            row.addWidget(each)

    def say(self, text: str, is_problem: bool = False) -> None:
        self.source.set_full(text)
        set_role(self.source, "error" if is_problem else "secondary")

    def show_name(self, name: str, can_save: bool) -> None:
        """``name`` is offered for the file."""
        self._name = name
        self.save.setEnabled(can_save)

    def _ask_load(self) -> None:
        dialog = self._dialog("Open a recipe")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters(["Recipes (*.toml)", "All files (*)"])
        dialog.fileSelected.connect(lambda name: self._chosen(Path(name), self.load_chosen.emit))
        dialog.open()

    def _ask_save(self) -> None:
        dialog = self._dialog("Save the recipe")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(["Recipes (*.toml)"])
        dialog.setDefaultSuffix("toml")
        dialog.selectFile(f"{self._name}.toml")
        dialog.fileSelected.connect(lambda name: self._chosen(Path(name), self.save_chosen.emit))
        dialog.open()

    def _dialog(self, title: str) -> QFileDialog:
        dialog = QFileDialog(self, title, str(self._settings.recipe_folder or Path.home()))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return dialog

    def _chosen(self, path: Path, tell: Callable[[Path], object]) -> None:
        self._settings.recipe_folder = path.parent
        tell(path)


class RunsPlace(QWidget):
    """The folder that runs are kept in, which is a setting of the program."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        words = QLabel("Kept in")
        set_role(words, "secondary")
        self._place = Elided("", Qt.TextElideMode.ElideMiddle)
        self.change = text_button("Change…", "Choose another folder for runs, this one and those to come")
        self.change.clicked.connect(self._ask)
        row = _row(self, words)
        row.addWidget(self._place, 1)
        row.addWidget(self.change)
        settings.changed.connect(self._show)
        self._show()

    @property
    def folder(self) -> Path:
        from core.training import runs

        return self._settings.runs_folder or runs.default_folder()

    def _show(self, _name: str = "") -> None:
        self._place.set_full(str(self.folder))

    def _ask(self) -> None:
        dialog = QFileDialog(self, "Folder for runs", str(self.folder))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(lambda name: setattr(self._settings, "runs_folder", Path(name)))
        dialog.open()


class StartBar(QWidget):
    """What will run, or why it cannot start; always in sight."""

    start_requested = Signal()
    show_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        set_surface(self, "panel")
        self.reason = QLabel()
        self.reason.setWordWrap(True)
        self.reason.setAccessibleName("What will run, or why it cannot start")
        self.show_button = text_button("Show", "Go to what needs another value")
        self.show_button.setProperty("compact", True)
        self.start = text_button("Start training", "Freeze the recipe as it stands and begin (Ctrl+Enter)")
        set_role(self.start, "primary")
        self.show_button.clicked.connect(self.show_requested)
        self.start.clicked.connect(self.start_requested)
        row = _row(self, self.reason, 12)
        row.setContentsMargins(16, 10, 16, 10)
        row.setStretch(0, 1)
        row.addWidget(self.show_button)
        row.addWidget(self.start)

    def say(self, text: str, can_start: bool, can_show: bool, is_said_above: bool = False) -> None:
        """``is_said_above``: the fault itself stands where it can be mended, in red; here is where that is."""
        self.reason.setText(text)
        set_role(self.reason, "error" if can_show and not is_said_above else "secondary")
        self.start.setEnabled(can_start)
        self.show_button.setVisible(can_show)


def card(*parts: QWidget) -> QFrame:
    """Parts below each other on a surface of their own."""
    made = QFrame()
    set_role(made, "card")
    layout = QVBoxLayout(made)
    layout.setContentsMargins(20, 16, 20, 18)
    layout.setSpacing(14)
    for part in parts:
        layout.addWidget(part)
    return made


def step(number: str, title: str, *parts: QWidget) -> QFrame:
    """A card with a number."""
    mark, words, head = QLabel(number), QLabel(title), QWidget()
    set_role(mark, "secondary")
    set_role(words, "title")
    mark.setAccessibleName(f"Step {number}")
    row = _row(head, mark, 10)
    row.addWidget(words, 1)
    return card(head, *parts)


def line() -> QWidget:
    """A hairline between parts of a step."""
    made = QWidget()
    made.setFixedHeight(1)
    set_surface(made, "window")
    return made


def _row(owner: QWidget, first: QWidget, spacing: int = 8) -> QHBoxLayout:
    row = QHBoxLayout(owner)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(spacing)
    row.addWidget(first)
    return row
