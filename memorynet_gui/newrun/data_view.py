"""Which photos to learn from: folders chosen or dropped, and in words what they were recognised as."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QFontMetrics,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from memorynet_gui.look.theme import app_font, set_role
from memorynet_gui.newrun.presets import DataFound
from memorynet_gui.widgets.glyph import GlyphButton
from memorynet_gui.widgets.parts import Elided

_NAME_PX = 320
_HINT = (
    "Drop folders here: clean photos, or pairs such as input/target, rain/norain or blur/sharp. "
    "They are only read, never changed."
)


class DataPanel(QWidget):
    """Shows what the recipe would read; every wish is a signal."""

    folders_chosen = Signal(object)  # tuple[Path, ...], all of them
    bundled_chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folders: tuple[Path, ...] = ()
        self._lit, self._problem = False, ""
        self.setAcceptDrops(True)
        self.choose = QPushButton("Choose a folder…")
        self.choose.setAccessibleName("Choose a folder of photos")
        self.choose.setToolTip("Choose a folder of clean photos or of pairs; or drop it here")
        self.choose.clicked.connect(self._choose)
        self.bundled = QPushButton("Use the photos that ship")
        self.bundled.setAccessibleName("Use the photos that ship")
        self.bundled.setToolTip("A few photos that come with MemoryNet: enough for a first try")
        self.bundled.clicked.connect(self.bundled_chosen)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(8)
        self._buttons.addWidget(self.choose)
        self._buttons.addWidget(self.bundled)
        self._buttons.addStretch(1)
        self._rows = QVBoxLayout()
        self._rows.setSpacing(4)
        self.words, self.notes, self.problem = QLabel(), QLabel(_HINT), QLabel()
        for label, role, name in (
            (self.words, "", "What the photos are"),
            (self.notes, "caption", "Notes about the photos"),
            (self.problem, "error", "What is wrong with the photos"),
        ):
            label.setWordWrap(True)
            label.setAccessibleName(name)
            set_role(label, role)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(
            self._buttons
        )  # first: what is said of photos comes and goes, and would push them about
        layout.addLayout(self._rows)
        for label in (self.words, self.problem, self.notes):
            layout.addWidget(label)
        self.show_found(DataFound(), ())

    def add_button(self, button: QPushButton) -> None:
        """Another way to say what is learnt from, after those there are."""
        self._buttons.insertWidget(self._buttons.count() - 1, button)
        self.setTabOrder(self.bundled, button)

    @property
    def folders(self) -> tuple[Path, ...]:
        return self._folders

    def set_folders(self, folders: tuple[Path, ...]) -> None:
        """Those that were chosen, each with a way to take it back."""
        if folders == self._folders:
            return
        self._folders = folders
        while (item := self._rows.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.setParent(None)
                widget.deleteLater()
        for folder in folders:
            self._rows.addWidget(self._row(folder))
        self.choose.setText("Add a folder…" if folders else "Choose a folder…")

    def show_bundled(self, on: bool) -> None:
        """Whether it is the photos that ship that are learnt from."""
        self.bundled.setEnabled(not on)

    def show_looking(self) -> None:
        self.words.setText("Looking at the photos…")
        self.words.show()
        self.problem.hide()

    def show_found(self, found: DataFound, notes: tuple[str, ...]) -> None:
        self.words.setText("\n".join(found.lines))
        self.words.setVisible(bool(found.lines))
        # a fault is said once: that of a source of a mixture beside the source
        self._problem = "" if any(source.problem for source in found.sources) else found.problem or ""
        self.problem.setText(self._problem)
        self.problem.setVisible(bool(self._problem))
        self.notes.setText("\n".join(notes) if notes else _HINT)
        self.notes.setVisible(bool(notes) or not self._folders)

    def point_to(self, place: str | None) -> None:
        """The fault is said there, and here only where that is; None: it is said here."""
        self.problem.setText(place or self._problem)
        set_role(self.problem, "error" if place is None else "secondary")

    def _row(self, folder: Path) -> QWidget:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        font = app_font()
        font.setBold(True)
        shown = QFontMetrics(font).elidedText(
            folder.name or str(folder), Qt.TextElideMode.ElideMiddle, _NAME_PX
        )
        name = QLabel(shown)
        set_role(name, "strong")
        name.setToolTip(str(folder))
        place = Elided(str(folder.parent))
        set_role(place, "caption")
        take = GlyphButton(f"Take {folder.name} away", "mdi6.close", QSize(20, 20))
        take.clicked.connect(
            lambda: self.folders_chosen.emit(tuple(other for other in self._folders if other != folder))
        )
        layout.addWidget(name)
        layout.addWidget(place, 1)
        layout.addWidget(take)
        return row

    def add(self, folders: list[Path]) -> None:
        self.folders_chosen.emit(tuple(dict.fromkeys((*self._folders, *folders))))

    def _choose(self) -> None:
        start = str(self._folders[-1].parent) if self._folders else str(Path.home())
        dialog = QFileDialog(self, "Folder of photos to learn from", start)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: self.add([Path(name)]))
        dialog.open()

    # --- dropping ------------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(Path(url.toLocalFile()).is_dir() for url in event.mimeData().urls() if url.isLocalFile()):
            event.acceptProposedAction()
            self._light(True)

    def dragLeaveEvent(self, _event: QDragLeaveEvent) -> None:
        self._light(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self._light(False)
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        folders = [path for path in paths if path.is_dir()]
        if folders:
            event.acceptProposedAction()
            self.add(folders)

    def _light(self, on: bool) -> None:
        self._lit = on
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._lit:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 2))
            painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), 4, 4)
            painter.end()
