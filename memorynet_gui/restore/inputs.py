"""How photos come onto the Restore page: dialogs, drops, the clipboard, samples."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QFileDialog, QWidget

from memorynet_gui.base.collector import Collector
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.problems import describe
from memorynet_gui.restore.queue_item import Origin
from memorynet_gui.restore.saves import Saver
from memorynet_gui.restore.session import Session

if TYPE_CHECKING:
    from core.images.io import PassedOver
    from core.model.catalog import Sample

log = logging.getLogger(__name__)

RECENT_AT_ONCE = 12


class PhotosIn(QObject):
    """Everything ends in :meth:`open_paths`; folders are read off the window's thread."""

    recent_changed = Signal()
    reference_set = Signal()  # the current photo has got one without asking

    def __init__(self, context: AppContext, session: Session, saver: Saver, over: QWidget) -> None:
        super().__init__(over)
        self._context, self._session, self._saver, self._over = context, session, saver, over
        self._show_next = True  # the first photo of what is being collected
        self._collector = Collector(self)
        self._collector.found.connect(self._found)
        self._collector.finished.connect(self._collected)

    def shut_down(self) -> None:
        self._collector.shut_down()

    def open_paths(self, paths: list[Path]) -> None:
        """Queue files and whole folders. Bundled samples bring their truth."""
        from core.model import catalog

        root = catalog.RESOURCES / "samples"
        ours = [path for path in paths if path.is_relative_to(root)]
        samples = {sample.path: sample for sample in (catalog.samples() if ours else ())}
        for path in paths:
            if path in samples:
                self.open_sample(samples[path])
        others = [path for path in paths if path not in samples]
        if others:
            settings = self._context.settings
            settings.add_recent(*[path.absolute() for path in others[:RECENT_AT_ONCE] if path.suffix])
            self.recent_changed.emit()
            self._collector.collect(others)

    def open_sample(self, sample: Sample) -> None:
        session = self._session
        session.add([sample.path], Origin.SAMPLE)
        item = session.find(sample.path)
        if item is not None and item.reference is None and sample.truth is not None:
            session.update(item.id, reference=sample.truth)
            session.set_current(item.id)
            self.reference_set.emit()

    def ask_for_files(self) -> None:
        from core.images.types import EXTENSIONS

        dialog = self._dialog(QFileDialog.FileMode.ExistingFiles, "Open photos")
        patterns = " ".join(f"*{extension}" for extension in sorted(EXTENSIONS))
        dialog.setNameFilters([f"Photos ({patterns})", "All files (*)"])
        dialog.open()

    def ask_for_folder(self) -> None:
        self._dialog(QFileDialog.FileMode.Directory, "Open a folder of photos").open()

    def _dialog(self, mode: QFileDialog.FileMode, title: str) -> QFileDialog:
        settings = self._context.settings
        dialog = QFileDialog(self._over, title, str(settings.open_folder or Path.home()))
        dialog.setFileMode(mode)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        def chosen(names: list[str]) -> None:
            paths = [Path(name) for name in names]
            if paths:
                settings.open_folder = paths[0].parent
                self.open_paths(paths)

        dialog.filesSelected.connect(chosen)
        return dialog

    def paste(self) -> None:
        """Files or a picture from the clipboard."""
        clipboard = QGuiApplication.clipboard()
        files = [Path(url.toLocalFile()) for url in clipboard.mimeData().urls() if url.isLocalFile()]
        if files:
            self.open_paths(files)
            return
        image: QImage = clipboard.image()
        if image.isNull():
            self._context.banner("There is no photo on the clipboard.")
            return
        self._saver.keep_pasted(
            image,
            lambda path: self._session.add([path], Origin.PASTED),
            lambda error: self._context.banner(
                f"The clipboard's photo could not be taken. {describe(error).sentence}"
            ),
        )

    def _found(self, paths: list[Path]) -> None:
        self._session.add(paths, select=self._show_next)
        self._show_next = False

    def _collected(self, count: int, problems: list[str], passed_over: list[PassedOver]) -> None:
        log.info("%d photos found", count)
        self._show_next = True
        if len(problems) == 1:
            self._context.banner(problems[0])
        elif problems:
            self._context.banner(
                f"{len(problems)} folders gave no photos.",
                "Copy list",
                lambda: QGuiApplication.clipboard().setText("\n".join(problems)),
            )
        if passed_over:
            from core.images.io import passed_over_line

            listed = "\n".join(f"{one.path} ({one.kind})" for one in passed_over)
            self._context.banner(
                passed_over_line(passed_over),
                "Copy list",
                lambda: QGuiApplication.clipboard().setText(listed),
            )
