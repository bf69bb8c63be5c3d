"""How large the photos are that wait: headers, read in the background."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, QTimer

from memorynet_gui.base.background import Background
from memorynet_gui.restore.queue_item import Item
from memorynet_gui.restore.session import Session

_SLICE = 200  # files by turn: a header takes well under a millisecond
_SOON_MS = 50

Size = tuple[int, int]  # width, height


class Sizes(QObject):
    """``of(item)`` answers at once, with None for what has not been read yet or cannot be."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._known: dict[Path, Size | None] = {}
        self._background = Background(self)
        self._reading = False
        self._soon = QTimer(self, singleShot=True, interval=_SOON_MS)
        self._soon.timeout.connect(self._read_some)
        session.adding_finished.connect(lambda _added, _known: self._soon.start())
        session.loaded.connect(self._soon.start)

    def shut_down(self) -> None:
        self._soon.stop()
        self._background.shut_down()

    def of(self, item: Item) -> Size | None:
        if item.result is not None:
            return item.result.width, item.result.height
        return self._known.get(item.path)

    def _read_some(self) -> None:
        wanted = [
            item.path
            for item in self._session.items()
            if item.result is None and item.path not in self._known
        ][:_SLICE]
        if wanted and not self._reading:
            self._reading = True
            self._background.call(lambda: _read(wanted), self._take, lambda _error: None)

    def _take(self, found: dict[Path, Size | None]) -> None:
        self._reading = False
        self._known.update(found)
        self._soon.start()


def _read(paths: list[Path]) -> dict[Path, Size | None]:
    from core.images import io as image_io

    found: dict[Path, Size | None] = {}
    for path in paths:
        try:
            info = image_io.read_info(path)
            found[path] = info.width, info.height
        except image_io.ImageError:
            found[path] = None  # restoring it will say why
    return found
