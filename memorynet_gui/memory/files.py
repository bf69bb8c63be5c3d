"""Photos and changes of the memory, out of and into files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QWidget

from core.model.memory_edit import MemoryEdit, MemoryEditError
from memorynet_gui.base.background import Background
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.problems import describe
from memorynet_gui.memory import export
from memorynet_gui.memory.bench.records import PlaceEffect, SlotEffect
from memorynet_gui.memory.edits import Edits
from memorynet_gui.memory.pins import Spot
from memorynet_gui.memory.stage import MemoryStage


class MemoryFiles(QObject):
    """Asks for names, and reads and writes what is small."""

    photo_chosen = Signal(object)  # Path of a photo to look into
    other_chosen = Signal(object)  # Path of a photo whose content is to be held

    def __init__(self, context: AppContext, stage: MemoryStage, edits: Edits, over: QWidget) -> None:
        super().__init__(over)
        self._context, self._stage, self._edits, self._over = context, stage, edits, over
        self._writer = Background(self)
        # what the page knows: pinned places, what was measured there and of slots, the picture as it is shown
        self.places: Callable[[], Iterable[Spot]] = tuple
        self.place_effects: Callable[[], dict[Spot, PlaceEffect]] = dict
        self.slot_effects: Callable[[], dict[int, SlotEffect]] = dict
        self.picture: Callable[[], QImage] = QImage
        self.page: Callable[[], QImage] = QImage  # with all that stands around the picture

    def save(self, path: Path) -> None:
        """Write the changes as ``memorynet restore --memory-edit`` takes them."""
        from core import atomic

        try:
            atomic.write_text(path, self._edits.now.edit().to_json())
        except OSError as error:
            self._context.banner(f"The changes could not be written. {describe(error).sentence}")
            return
        now = self._edits.now
        left = [
            words
            for words, there in (
                ("the photo that is held instead", now.other is not None),
                ("what you taught (Teach saves it)", now.taught is not None),
            )
            if there
        ]
        more = f" Not part of the file: {' and '.join(left)}." if left else ""
        self._context.banner(f"Changes written to {path.name}.{more}")

    def load(self, path: Path) -> None:
        """Take changes from a file; one that does not fit the model says so and changes nothing."""
        bench = self._stage.bench
        try:
            edit = MemoryEdit.read(path)
            if bench is not None:
                bench.check(edit)
        except (MemoryEditError, OSError) as error:
            self._context.banner(f"These changes cannot be used. {describe(error).sentence}")
            return
        self._edits.take(edit)

    def export(self, path: Path) -> None:
        """Write what the name asks for: see :data:`memorynet_gui.memory.export.KINDS`. The answer is a banner."""
        bench = self._stage.bench
        if bench is None:
            return
        kind, after = export.kind_of(path), self._stage.after
        values = None if after is None else after.values
        places, effects, of_slots = list(self.places()), dict(self.place_effects()), dict(self.slot_effects())
        shown = self.picture() if kind == ".png" else self.page() if kind == ".page.png" else None

        def write() -> None:
            from core import atomic

            if kind == ".csv":
                atomic.write_text(path, export.slots_csv(bench, of_slots, places))
            elif kind == ".json":
                atomic.write_text(path, export.places_json(bench, after, places, effects))
            elif kind == ".npz":
                export.record_npz(bench, values, path)
            elif shown is None or not shown.save(str(path)):
                raise OSError(f"{path.name}: cannot be written")

        if not kind:
            self._context.banner(
                f"{path.name}: a name ends with {', '.join(export.KINDS)} to say what is written."
            )
            return
        self._writer.call(
            write,
            lambda _none: self._context.banner(f"Written to {path.name}."),
            lambda error: self._context.banner(
                f"{path.name} could not be written. {describe(error).sentence}"
            ),
        )

    def shut_down(self) -> None:
        self._writer.shut_down()

    def ask_export(self) -> None:
        dialog = self._dialog("Export what the memory sees", "")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(list(export.KINDS.values()))
        suffixes = {words: kind for kind, words in export.KINDS.items()}
        dialog.setDefaultSuffix("csv")
        dialog.filterSelected.connect(lambda words: dialog.setDefaultSuffix(suffixes[words][1:]))
        bench = self._stage.bench
        dialog.selectFile(f"{bench.subject.path.stem}-memory" if bench is not None else "memory")
        dialog.fileSelected.connect(lambda name: self.export(Path(name)))
        dialog.open()

    def ask_photo(self) -> None:
        self._photo_dialog("Look into a photo", self.photo_chosen.emit)

    def ask_other(self) -> None:
        self._photo_dialog("Hold the content of another photo", self.other_chosen.emit)

    def ask_save(self) -> None:
        dialog = self._dialog("Save the changes of the memory", "Changes of a memory (*.json)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("json")
        dialog.selectFile("memory-edit.json")
        dialog.fileSelected.connect(lambda name: self.save(Path(name)))
        dialog.open()

    def ask_load(self) -> None:
        dialog = self._dialog("Load changes of the memory", "Changes of a memory (*.json)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(lambda name: self.load(Path(name)))
        dialog.open()

    def _photo_dialog(self, title: str, then: Callable[[Path], object]) -> None:
        from core.images.types import EXTENSIONS

        patterns = " ".join(f"*{extension}" for extension in sorted(EXTENSIONS))
        dialog = self._dialog(title, f"Photos ({patterns})")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(lambda name: then(Path(name)))
        dialog.open()

    def _dialog(self, title: str, kind: str) -> QFileDialog:
        dialog = QFileDialog(self._over, title, str(self._context.settings.open_folder or Path.home()))
        dialog.setNameFilters([kind, "All files (*)"])
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return dialog
