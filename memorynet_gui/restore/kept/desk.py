"""Puts a result aside, shows it beside the present one in the same canvas, and exchanges the two."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from memorynet_gui.base.background import Background
from memorynet_gui.base.errors import ResultGone
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.problems import describe
from memorynet_gui.compare.view import CompareView
from memorynet_gui.restore.flow import RestoreFlow
from memorynet_gui.restore.queue_item import Item, ItemState, Kept, kept_key
from memorynet_gui.restore.results import ResultStore
from memorynet_gui.restore.session import Session
from memorynet_gui.restore.stage import Stage

BEFORE_AND_AFTER = ("Original", "Restored", "Not restored yet")
BOTH = ("Kept", "Present", "Present")
_AGAIN_MS = 150  # the strength slider moves faster than a photo is blended


@dataclass(frozen=True, slots=True)
class _Both:
    """Both results at their strengths, (H, W, 3) uint8 sRGB."""

    kept: np.ndarray
    present: np.ndarray


class KeptDesk(QObject):
    """``keep``, ``compare``, ``exchange`` and ``let_go`` are for the photo that is shown."""

    changed = Signal()

    def __init__(
        self,
        context: AppContext,
        session: Session,
        store: ResultStore,
        stage: Stage,
        flow: RestoreFlow,
        canvas: CompareView,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._context, self._session, self._store = context, session, store
        self._stage, self._flow, self._canvas = stage, flow, canvas
        self._background = Background(self)
        self._compared: str | None = None  # id of the photo whose results are compared
        self._then: str | None = None  # id of the photo whose results are compared once it shows again
        self._busy: set[str] = set()  # ids whose result is being copied or exchanged
        self._again = QTimer(self, singleShot=True, interval=_AGAIN_MS)
        self._again.timeout.connect(self._load)
        flow.started.connect(self._stop_if)
        session.current_changed.connect(self._other_photo)
        stage.showed.connect(self._shown)

    def shut_down(self) -> None:
        self._again.stop()
        self._background.shut_down()

    # --- what can be done --------------------------------------------------------------------------

    @property
    def comparing(self) -> bool:
        """Whether the canvas shows both results of the photo at hand."""
        return self._compared is not None

    @property
    def can_keep(self) -> bool:
        """Whether there is a whole result to put aside."""
        item = self._session.current
        return item is not None and self._is_whole(item) and item.id not in self._busy

    @property
    def can_compare(self) -> bool:
        item = self._session.current
        return self.can_keep and item is not None and item.kept is not None

    def _is_whole(self, item: Item) -> bool:
        return item.state is ItemState.DONE and item.result is not None and self._store.has(item.id)

    # --- putting aside -------------------------------------------------------------------------------

    def keep(self) -> None:
        """Put the present result aside; one that was kept before goes, and can be brought back."""
        item = self._session.current
        if not self.can_keep or item is None or item.result is None:
            return
        store, key, note = self._store, kept_key(item.id), item.result
        pixels = item.result.width * item.result.height * 3 * (2 if note.bit_depth == 16 else 1)
        if not store.has_room(pixels):
            self._context.banner("There is no room to keep another result. Save some of them first.")
            return
        kept = Kept(key, note, item.strength_percent)
        self._busy.add(item.id)
        self._background.call(
            lambda: store.copy(item.id, key),
            lambda _error: self._is_kept(item, kept),
            lambda error: self._not_done(item, error),
        )

    def _is_kept(self, item: Item, kept: Kept) -> None:
        self._busy.discard(item.id)
        now = self._session.get(item.id)
        if now is None:
            self._store.drop(kept.key)
            return
        self._replace(now, kept)
        if now.kept is None:
            self._context.banner("Kept. Restore with other settings, then compare the two.")

    def let_go(self) -> None:
        item = self._session.current
        if item is not None and item.kept is not None:
            self._replace(item, None)
            gone = item.kept
            self._context.banner(
                "The kept result is let go.", "Undo", lambda: self._bring_back(item.id, gone)
            )

    def _bring_back(self, item_id: str, kept: Kept) -> None:
        item = self._session.get(item_id)
        if item is not None and self._store.has(kept.key):
            self._replace(item, kept)

    def _replace(self, item: Item, kept: Kept | None) -> None:
        """What is let go stays as long as there is room, or until the program ends."""
        self.compare(False)
        if item.kept is not None:
            self._store.set_expendable(item.kept.key, True)
        if kept is not None:
            self._store.set_expendable(kept.key, False)
        self._session.update(item.id, kept=kept)
        self.changed.emit()

    def exchange(self) -> None:
        """The kept result becomes the present one, and the present one is kept."""
        item = self._session.current
        if not self.can_compare or item is None or item.kept is None or item.result is None:
            return
        store, kept = self._store, item.kept
        other = replace(kept, note=item.result, strength_percent=item.strength_percent)
        self._busy.add(item.id)
        self._background.call(
            lambda: store.exchange(item.id, kept.key),
            lambda _none: self._exchanged(item, kept, other),
            lambda error: self._not_done(item, error),
        )

    def _exchanged(self, item: Item, kept: Kept, other: Kept) -> None:
        self._busy.discard(item.id)
        self._then = item.id if self._compared == item.id else None
        self.compare(False)
        saved = None if item.saved is None else replace(item.saved, strength_percent=None)
        self._session.update(
            item.id,
            result=kept.note,
            strength_percent=kept.strength_percent,
            kept=other,
            saved=saved,
            receipt=(),
        )
        self._stage.reopen_result(item.id)
        self.changed.emit()

    def _not_done(self, item: Item, error: Exception) -> None:
        self._busy.discard(item.id)
        self._context.banner(f"The result was not kept. {describe(error).sentence}")
        self.changed.emit()

    # --- comparing -----------------------------------------------------------------------------------

    def compare(self, on: bool) -> None:
        """Both results in the canvas, or the photo before and after again."""
        item = self._session.current
        if on and self.can_compare and item is not None:
            self._compared = item.id
            self._load()
        elif self._compared is not None:
            self._compared = None
            self._again.stop()
            self._canvas.words = BEFORE_AND_AFTER
            self._stage.show_again()
        self.changed.emit()

    def strength_moved(self) -> None:
        if self.comparing:
            self._again.start()

    def _load(self) -> None:
        item, store = self._session.get(self._compared), self._store
        if item is None or item.kept is None:
            return
        self._background.call(
            lambda: both_rgb(item, store), lambda both: self._show(item, both), self._failed, key="both"
        )

    def _show(self, item: Item, both: _Both) -> None:
        current, shown = self._session.current, self._stage.shown
        if self._compared != item.id or current is None or current.id != item.id or shown is None:
            return
        if both.kept.shape != shown.rgb.shape:
            self.compare(False)
            return
        canvas = self._canvas
        canvas.words = BOTH
        canvas.exchange_original(both.kept, item.name, shown.alpha)
        canvas.set_strength(1.0)
        canvas.set_restored(both.present)

    def _failed(self, error: Exception) -> None:
        self.compare(False)
        self._context.banner(f"The two cannot be compared. {describe(error).sentence}")

    def _stop_if(self, item_id: str) -> None:
        if self._compared == item_id:
            self.compare(False)

    def _other_photo(self, item: Item | None) -> None:
        if item is None or item.id != self._compared:
            self._forget()

    def _shown(self) -> None:
        """The canvas was filled anew, with another photo or this one before and after."""
        self._forget()
        then, self._then = self._then, None
        current = self._session.current
        if current is not None and current.id == then:
            self.compare(True)

    def _forget(self) -> None:
        if self.comparing:
            self._compared = None
            self._again.stop()
            self._canvas.words = BEFORE_AND_AFTER
            self._canvas.update()
            self.changed.emit()


def both_rgb(item: Item, store: ResultStore) -> _Both:
    """Raises ResultGone, and what reading the photo raises."""
    from core.images import io as image_io
    from core.images.blend import blend

    assert item.kept is not None
    picture = image_io.read(item.path)
    found = []
    for key, percent in ((item.kept.key, item.kept.strength_percent), (item.id, item.strength_percent)):
        pixels = store.get(key)
        if pixels is None or pixels.shape != picture.pixels.shape:
            raise ResultGone(item.name)
        found.append(image_io.to_srgb(blend(picture.pixels, pixels, percent / 100), picture.icc))
    return _Both(*found)
