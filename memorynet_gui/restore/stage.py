"""The photo in the middle: opened in the background, restored tile by tile, measured against a reference."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QImage

from core import tasks
from memorynet_gui.base.background import Background
from memorynet_gui.base.problems import Problem, describe
from memorynet_gui.base.thumbnails import Thumbnails
from memorynet_gui.compare.view import CompareView
from memorynet_gui.restore.flow import Region, RestoreFlow
from memorynet_gui.restore.job import Quality, RestoreOutcome, TileShown, measure
from memorynet_gui.restore.photo_loader import PhotoLoader, Shown
from memorynet_gui.restore.queue_item import Item, ItemState
from memorynet_gui.restore.results import ResultStore
from memorynet_gui.restore.saves import pixels_of
from memorynet_gui.restore.session import Session

PREVIEW_AFTER_MS = 80  # most photos are open by then, and nothing needs to flicker
PREVIEW_PX = 1600
MEASURE_AFTER_MS = 300  # the strength slider moves faster than SSIM
MEASURED_KEPT = 64


class Stage(QObject):
    """Keeps the canvas true to the session's current photo."""

    changed = Signal()  # shown, problem or can_blend: the inspector should look again
    quality_changed = Signal()
    showed = Signal()  # the canvas was filled with a photo, before and after

    def __init__(
        self,
        session: Session,
        flow: RestoreFlow,
        store: ResultStore,
        canvas: CompareView,
        thumbnails: Thumbnails,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._flow, self._store = session, flow, store
        self._canvas, self._thumbnails = canvas, thumbnails
        self.loader = PhotoLoader(store, self)
        self.shown: Shown | None = None
        self.problem: Problem | None = None  # why the current photo cannot be shown
        self.preview: Callable[[Item], np.ndarray | None] = lambda _item: None  # what a look has made of it
        self._last_row = 0
        self._preview = QTimer(self)
        self._preview.setSingleShot(True)
        self._preview.setInterval(PREVIEW_AFTER_MS)
        self._preview.timeout.connect(self._show_preview)
        self._measurer = Background(self)
        self._measured: OrderedDict[tuple[object, ...], Quality | str] = OrderedDict()
        self._measuring: tuple[object, ...] | None = None
        self._measure_soon = QTimer(self)
        self._measure_soon.setSingleShot(True)
        self._measure_soon.setInterval(MEASURE_AFTER_MS)
        self._measure_soon.timeout.connect(self._measure)
        self.task = tasks.DEFAULT
        self._shut = False
        session.current_changed.connect(self._current_changed)
        self.loader.opened.connect(self._opened)
        self.loader.failed.connect(self._open_failed)
        flow.tile_came.connect(self._tile_came)
        flow.finished.connect(self._restored)

    def shut_down(self) -> None:
        self._shut = True
        self._preview.stop()
        self._measure_soon.stop()
        self.loader.shut_down()
        self._measurer.shut_down()

    # --- which photo -----------------------------------------------------------------------------

    def focus(self, item: Item) -> Region | None:
        """What is in sight of this photo, to be restored first."""
        return self._canvas.visible_region() if self._is_on_canvas(item.id) else None

    @property
    def can_blend(self) -> bool:
        """Whether the full-strength result is there to be blended."""
        item = self._session.current
        return item is not None and self._store.has(item.id)

    def _is_on_canvas(self, item_id: str) -> bool:
        return self.shown is not None and self.shown.item_id == item_id

    def _current_changed(self, item: Item | None) -> None:
        if self._shut:  # the queue of last time came when the window was closing already
            return
        self._preview.stop()
        self.shown = None
        self.problem = None
        if item is None:
            self._canvas.set_original(None)
        else:
            row = self._session.current_row or 0
            shown = self.loader.open(item, self._neighbour(row))
            self._last_row = row
            if shown is not None:
                self._show(shown)
            else:
                self._preview.start()
        self.changed.emit()
        self._ask_quality(at_once=True)

    def reopen(self) -> None:
        """Read the current photo anew: its file or its result may have changed."""
        item = self._session.current
        if item is not None:
            self.loader.forget(item.id)
            self._thumbnails.forget(item.path)
            self._current_changed(item)

    def _neighbour(self, row: int) -> Item | None:
        """The photo that comes next if the person goes on in the same direction."""
        ahead = row + (1 if row >= self._last_row else -1)
        return self._session.at(ahead) if 0 <= ahead < len(self._session) else None

    def _show_preview(self) -> None:
        """The thumbnail, enlarged, until the photo is decoded."""
        item = self._session.current
        if item is None or self.shown is not None:
            return
        image = self._thumbnails.get(item.path)
        if image is None:
            self._canvas.set_original(None)
            return
        size = image.size().scaled(QSize(PREVIEW_PX, PREVIEW_PX), Qt.AspectRatioMode.KeepAspectRatio)
        large: QImage = image.scaled(
            size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        self._canvas.set_original(pixels_of(large), None, item.name)

    def _opened(self, shown: Shown) -> None:
        item = self._session.current
        if item is not None and item.id == shown.item_id:
            self._preview.stop()
            self._show(shown)
            self.changed.emit()

    def _show(self, shown: Shown) -> None:
        item = self._session.get(shown.item_id)
        if item is None:
            return
        self.shown = shown
        self._canvas.set_original(shown.rgb, shown.alpha, item.name)
        self._canvas.set_strength(1.0 if shown.restored_is_saved_file else item.strength_percent / 100)
        tiles = self._flow.tiles(item.id)
        if item.state is ItemState.RUNNING:
            for tile in tiles:
                self._canvas.update_tile(tile.x, tile.y, tile.rgb)
        elif shown.restored is not None and item.state is ItemState.DONE:
            self._canvas.set_restored(shown.restored)
        elif item.state is ItemState.WAITING:
            preview = self.preview(item)
            if preview is not None:
                self.previewed(item.id, preview)
        self.showed.emit()

    def show_again(self) -> None:
        """Before and after, where something else was shown of the same photo; zoom and place stay."""
        shown, item = self.shown, self._session.current
        if shown is None or item is None or shown.item_id != item.id:
            return
        self._canvas.exchange_original(shown.rgb, item.name, shown.alpha)
        self._apply_strength()
        if shown.restored is not None and item.state is ItemState.DONE:
            self._canvas.set_restored(shown.restored)

    def reopen_result(self, item_id: str) -> None:
        """Another result has taken the place of the present one."""
        self.loader.forget(item_id)
        current = self._session.current
        if current is not None and current.id == item_id:
            self._current_changed(current)

    def _open_failed(self, item_id: str, problem: Problem) -> None:
        item = self._session.get(item_id)
        if item is None:
            return
        if item.state in (ItemState.WAITING, ItemState.CANCELLED):
            self._session.update(item_id, state=ItemState.FAILED, problem=problem)
        current = self._session.current
        if current is not None and current.id == item_id:
            self._preview.stop()
            self.shown = None
            self.problem = problem
            self._canvas.set_original(None)
            self.changed.emit()

    # --- restoring -------------------------------------------------------------------------------

    def started(self, item_id: str) -> None:
        """A run begins: what was restored before is no longer what is being made."""
        if self._is_on_canvas(item_id):
            assert self.shown is not None
            self.shown = replace(self.shown, restored=None, restored_is_saved_file=False)
            self._canvas.set_restored(None)
            self._apply_strength()
        else:
            self._reopen_if_unseen(item_id)

    def stopped(self, item_id: str) -> None:
        """A run was cancelled or failed: half a restoration is none; an earlier one is shown again."""
        self.loader.forget(item_id)
        current = self._session.current
        if current is not None and current.id == item_id:
            self._current_changed(current)

    def _reopen_if_unseen(self, item_id: str) -> None:
        """The current photo could not be shown before; it may have been repaired since."""
        current = self._session.current
        if current is not None and current.id == item_id and self.problem is not None:
            self.reopen()

    def previewed(self, item_id: str, rgb: np.ndarray | None) -> None:
        """A look shows what restoring would do; nothing is kept of it. None: it would do something else now."""
        item = self._session.get(item_id)
        if item is None or item.state is not ItemState.WAITING or not self._is_on_canvas(item_id):
            return
        assert self.shown is not None
        if self.shown.restored is None and (rgb is None or self.shown.rgb.shape == rgb.shape):
            self._canvas.set_restored(rgb)

    def _tile_came(self, tile: TileShown) -> None:
        if self._is_on_canvas(tile.item_id):
            self._canvas.update_tile(tile.x, tile.y, tile.rgb)

    def _restored(self, outcome: RestoreOutcome) -> None:
        if self._is_on_canvas(outcome.item_id):
            assert self.shown is not None
            if self.shown.rgb.shape != outcome.rgb.shape:  # the file was changed while it was open
                self.reopen()
                return
            self.shown = replace(self.shown, restored=outcome.rgb, restored_is_saved_file=False)
            self.loader.put(self.shown)
            self._canvas.set_restored(outcome.rgb)
            self.changed.emit()
            self._ask_quality(at_once=True)
        else:
            self.loader.forget(outcome.item_id)
            self._reopen_if_unseen(outcome.item_id)

    # --- strength and quality --------------------------------------------------------------------

    def set_strength(self, percent: int) -> None:
        """Of the current photo; the canvas follows at once, the numbers a moment later."""
        item = self._session.current
        if item is None:
            return
        self._session.update(item.id, strength_percent=percent)
        self._apply_strength()
        self._ask_quality(at_once=False)

    def _apply_strength(self) -> None:
        item = self._session.current
        baked = self.shown is not None and self.shown.restored_is_saved_file
        if item is not None and not baked:
            self._canvas.set_strength(item.strength_percent / 100)

    def set_reference(self, path: Path | None) -> None:
        item = self._session.current
        if item is not None:
            self._session.update(item.id, reference=path)
            self._ask_quality(at_once=True)

    def set_task(self, task: str) -> None:
        """The task whose protocol measures photos that have not been restored yet."""
        self.task = task
        self._ask_quality(at_once=True)

    def ask_quality(self) -> None:
        """The reference of the current photo was set elsewhere."""
        self._ask_quality(at_once=True)

    def quality(self) -> Quality | str | None:
        """Numbers, a sentence why there are none, or None: no reference, or still being measured."""
        key = self._key()
        return None if key is None else self._measured.get(key)

    def _key(self) -> tuple[object, ...] | None:
        item = self._session.current
        if item is None or item.reference is None:
            return None
        restored = item.state is ItemState.DONE and item.result is not None
        task = item.result.made.task if item.result is not None else self.task
        return (
            item.id,
            item.reference,
            task,
            item.result if restored else None,
            item.strength_percent if restored else None,
        )

    def _ask_quality(self, at_once: bool) -> None:
        key = self._key()
        if key is not None and key not in self._measured:
            if at_once:
                self._measure()
            else:
                self._measure_soon.start()
        self.quality_changed.emit()

    def _measure(self) -> None:
        item, key = self._session.current, self._key()
        if item is None or item.reference is None or key is None or key in self._measured:
            return
        if self._measuring is not None:
            return  # the answer to come will ask again, for what is wanted then
        self._measuring = key
        reference, store = item.reference, self._store
        task = str(key[2])
        subject = item if key[3] is not None else replace(item, result=None)
        self._measurer.call(
            lambda: measure(subject, reference, task, store),
            lambda quality: self._measured_now(key, quality),
            lambda error: self._measured_now(key, describe(error).sentence),
        )

    def _measured_now(self, key: tuple[object, ...], answer: Quality | str) -> None:
        self._measuring = None
        self._measured[key] = answer
        while len(self._measured) > MEASURED_KEPT:
            self._measured.popitem(last=False)
        self.quality_changed.emit()
        if key != self._key():
            self._ask_quality(at_once=True)
