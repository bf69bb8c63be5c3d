"""Everything that leaves the Restore page as a file or through the clipboard; all of it off the window's thread."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QStandardPaths, Signal
from PySide6.QtGui import QImage

from core.images.types import ReceiptLine, WriteOptions
from core.restoring.records import NAMING
from core.tasks import DEFAULT as DEFAULT_TASK
from memorynet_gui.base.background import Background
from memorynet_gui.base.problems import describe
from memorynet_gui.base.settings import Settings
from memorynet_gui.restore.job import blended_rgb, save_photo
from memorynet_gui.restore.queue_item import Item, Origin, SaveNote
from memorynet_gui.restore.results import ResultStore
from memorynet_gui.restore.session import Session

log = logging.getLogger(__name__)

COMPARISON_MAX_PX = 4096
_FREE_NAME_TRIES = 5


@dataclass(frozen=True, slots=True)
class _Saved:
    note: SaveNote
    receipt: tuple[ReceiptLine, ...]


class Saver(QObject):
    """Saves results one after the other. Their rows say so; ``failed`` carries what could not be."""

    saved = Signal(str)  # item id
    failed = Signal(str, object)  # item id, Problem
    progressed = Signal()  # saving_ids or done_count changed
    idle = Signal()

    def __init__(
        self, session: Session, store: ResultStore, settings: Settings, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._store, self._settings = session, store, settings
        self._background = Background(self)
        self.saving_ids: set[str] = set()
        self.done_count = 0
        self.place_refused: set[str] = set()  # ids of photos whose folder took nothing: another one may

    # --- saving ----------------------------------------------------------------------------------

    def unsaved(self) -> list[Item]:
        """Restored photos that are not saved as they are now and whose pixels are kept. One that came back as it went
        in needs no saving: it lies there already."""
        return [item for item in self._session.items() if item.wants_saving and self._store.has(item.id)]

    def save_all(self) -> int:
        items = [item for item in self.unsaved() if item.id not in self.saving_ids]
        for item in items:
            self.save(item)
        return len(items)

    def save(self, item: Item, target: Path | None = None, options: WriteOptions | None = None) -> None:
        """Write the result; without ``target`` to its usual place, under a free name when that is taken."""
        if item.id in self.saving_ids:
            return
        if not self.saving_ids:
            self.done_count = 0
        self.saving_ids.add(item.id)
        self.place_refused.discard(item.id)
        settings = _Wanted.of(self._settings)
        self._background.call(
            lambda: _write(item, self._store, settings, target, options),
            lambda done: self._done(item, done),
            lambda error: self._not_done(item, error),
        )
        self.progressed.emit()

    def plan(self, item: Item) -> SaveNote:
        """How and where :meth:`save` would write: what "copy as command" says before anything is saved."""
        if item.saved is not None:
            return item.saved
        wanted = _Wanted.of(self._settings)
        return SaveNote(wanted.target(item), None, wanted.options, naming=wanted.naming)

    def _done(self, item: Item, done: _Saved) -> None:
        now = self._session.get(item.id)
        if now is not None and now.result == item.result:  # not restored anew meanwhile
            self._session.update(item.id, saved=done.note, receipt=done.receipt)
        self.saving_ids.discard(item.id)
        self.saved.emit(item.id)
        self._ended()

    def _not_done(self, item: Item, error: Exception) -> None:
        from core.images.types import WriteFailed

        if isinstance(error, WriteFailed | OSError):
            self.place_refused.add(item.id)
        self.saving_ids.discard(item.id)
        self.failed.emit(item.id, describe(error))
        self._ended()

    def _ended(self) -> None:
        self.done_count += 1
        self.progressed.emit()
        if not self.saving_ids:
            self.idle.emit()

    def shut_down(self) -> None:
        """Wait for the saves that were promised."""
        self._background.shut_down()

    # --- other ways out --------------------------------------------------------------------------

    def copy(
        self, item: Item, then: Callable[[QImage], object], failed: Callable[[Exception], object]
    ) -> None:
        """The result at its strength as a picture for the clipboard."""
        from memorynet_gui.base.thumbnails import image_from_rgb

        self._background.call(lambda: image_from_rgb(blended_rgb(item, self._store)), then, failed)

    def comparison(
        self, item: Item, target: Path, then: Callable[[Path], object], failed: Callable[[Exception], object]
    ) -> None:
        """One picture with the photo before and after, written to ``target``."""
        self._background.call(lambda: _write_comparison(item, self._store, target), then, failed)

    def drag_file(
        self, item: Item, then: Callable[[Path], object], failed: Callable[[Exception], object]
    ) -> None:
        """A file that holds the result as it is now: the saved one, or one in the cache folder."""
        if item.saved is not None and item.is_saved and _is_ours(item.saved):
            then(item.saved.path)
            return
        folder = self._settings.cache_dir / "dragged" / item.id
        wanted = _Wanted.of(self._settings, folder)
        self._background.call(
            lambda: _write(item, self._store, wanted, None, None, replace_any=True).note.path, then, failed
        )

    def keep_pasted(
        self, image: QImage, then: Callable[[Path], object], failed: Callable[[Exception], object]
    ) -> None:
        """A clipboard picture as a lossless file of its own, so that it queues like any other photo."""
        folder = self._settings.data_dir / "pasted"
        pixels = pixels_of(image)
        self._background.call(lambda: _write_pasted(pixels, folder), then, failed)

    def run(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Something else that must not run beside a save."""
        self._background.call(work, then, lambda error: log.warning("%s", error))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The save settings, read on the window's thread when the save is asked for."""

    folder: Path | None
    options: WriteOptions
    naming: str

    @staticmethod
    def of(settings: Settings, folder: Path | None = None) -> _Wanted:
        return _Wanted(folder or settings.output_folder, settings.save_options, settings.save_naming)

    def target(self, item: Item) -> Path:
        """The usual place: beside the original, unless that is no place of the person's."""
        from core.restoring import outputs

        folder = self.folder
        if folder is None and item.origin is not Origin.FILE:
            folder = pictures_folder()
        task = item.result.made.task if item.result is not None else DEFAULT_TASK
        return outputs.output_path(
            item.path, folder, task=task, format=self.options.format, naming=self.naming
        )


def pictures_folder() -> Path:
    """Where results go that have no folder of their own: samples and pasted pictures."""
    place = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
    return Path(place or Path.home()) / "MemoryNet"


def _write(
    item: Item,
    store: ResultStore,
    wanted: _Wanted,
    target: Path | None,
    options: WriteOptions | None,
    replace_any: bool = False,
) -> _Saved:
    from core.images import io as image_io
    from core.restoring import outputs

    options = options or wanted.options
    free = target is None
    place = wanted.target(item) if target is None else target
    if free:
        if replace_any or (item.saved is not None and _is_own_place(item.saved, place)):
            place = item.saved.path if item.saved is not None and not replace_any else place
            options = replace(options, overwrite=True)
        else:
            place = outputs.free_path(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    for left in reversed(range(_FREE_NAME_TRIES)):
        try:
            receipt = save_photo(item, store, place, options)
            break
        except image_io.WouldOverwrite:
            if not free or not left:
                raise
            place = outputs.free_path(place)  # somebody took the name in between
    facts = receipt.path.stat()
    kept = replace(options, overwrite=False)
    naming = wanted.naming if free else NAMING
    note = SaveNote(receipt.path, item.strength_percent, kept, facts.st_size, facts.st_mtime_ns, naming)
    return _Saved(note, receipt.lines)


def _is_ours(saved: SaveNote) -> bool:
    """Whether the file is still the one that was written; then it may be written anew."""
    try:
        facts = saved.path.stat()
    except OSError:
        return False
    return (facts.st_size, facts.st_mtime_ns) == (saved.file_bytes, saved.file_mtime_ns)


def _is_own_place(saved: SaveNote, place: Path) -> bool:
    """Whether ``saved`` lies at ``place`` or under the free name that was taken instead of it."""
    same = saved.path.parent == place.parent and saved.path.suffix == place.suffix
    return same and saved.path.stem.startswith(place.stem) and _is_ours(saved)


def _write_comparison(item: Item, store: ResultStore, target: Path) -> Path:
    from core.images import io as image_io
    from core.images.before_after import before_after

    picture = image_io.read(item.path)
    before, info = _fitted(image_io.to_srgb(picture.pixels, picture.icc)), picture.info
    del picture
    after = _fitted(blended_rgb(item, store))
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet = image_io.from_array(before_after(before, after, ("Original", "Restored")), item.path.stem)
    # the dialog has asked about overwriting, but the original stays even then: the sheet is known as its child
    sheet = replace(sheet, info=replace(sheet.info, path=info.path, file_bytes=info.file_bytes))
    overwrite = image_io.WriteOptions(quality=92, overwrite=True)
    return image_io.write(target, sheet, overwrite).path


def _fitted(rgb: np.ndarray) -> np.ndarray:
    """No edge longer than COMPARISON_MAX_PX."""
    height, width = rgb.shape[:2]
    scale = COMPARISON_MAX_PX / max(height, width)
    if scale >= 1:
        return rgb
    from core.cv import cv2

    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))


def _write_pasted(pixels: np.ndarray, folder: Path) -> Path:
    from core.images import io as image_io
    from core.restoring import outputs

    folder.mkdir(parents=True, exist_ok=True)
    path = outputs.free_path(folder / f"pasted {datetime.now():%Y-%m-%d %H.%M.%S}.png")
    return image_io.write(path, image_io.from_array(pixels, path.stem)).path


def pixels_of(image: QImage) -> np.ndarray:
    """(H, W, 3 or 4) uint8 | uint16 of any QImage; alpha only where the picture has some."""
    deep = image.depth() > 32
    alpha = image.hasAlphaChannel()
    if deep:
        format_ = QImage.Format.Format_RGBA64 if alpha else QImage.Format.Format_RGBX64
    else:
        format_ = QImage.Format.Format_RGBA8888 if alpha else QImage.Format.Format_RGBX8888
    image = image.convertToFormat(format_)
    kind = np.uint16 if deep else np.uint8
    rows = np.frombuffer(image.constBits(), kind).reshape(image.height(), -1)
    pixels = rows[:, : image.width() * 4].reshape(image.height(), image.width(), 4)
    return np.ascontiguousarray(pixels if alpha else pixels[:, :, :3]).copy()


def sweep_dragged(cache_dir: Path) -> None:
    """Remove files that were made for dragging out by earlier runs of the program."""
    for folder, _, names in os.walk(cache_dir / "dragged", topdown=False):
        for name in names:
            Path(folder, name).unlink(missing_ok=True)
        Path(folder).rmdir()
