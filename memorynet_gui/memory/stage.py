"""The photo in the middle of the Memory page: opened, restored, looked at again, and changes tried on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from core.events import LookProgress, PassTile
from memorynet_gui.base.page import PhotoAtHand
from memorynet_gui.base.taught_store import TaughtStore
from memorynet_gui.memory.bench import opening, trying
from memorynet_gui.memory.bench.records import (
    Base,
    Bench,
    PhotoOpened,
    Region,
    Subject,
    TileArrived,
    Tried,
    Twin,
)
from memorynet_gui.memory.edits import Edits
from memorynet_gui.memory.flow import MemoryFlow

if TYPE_CHECKING:
    from core.restoring.memory.inspection import Response
    from core.restoring.memory.record import MemoryLook
    from memorynet_gui.memory.canvas import MemoryCanvas

AS_IS = ("Original", "Restored", "Not restored yet")
CHANGED = ("Memory as it is", "Memory changed", "Being tried")


class MemoryStage(QObject):
    """Knows what is there of the photo and keeps the canvas true to it.

    Without a change the canvas compares the photo with the restored one; with one it compares the restored photo with
    what the changed memory makes of it.
    """

    changed = Signal()  # bench, base, after or what is shown
    tried = Signal(object)  # Tried: how a change turns out, first of a part, then of all
    progressed = Signal(str, object, object)  # words, share or None, seconds left or None

    def __init__(
        self,
        flow: MemoryFlow,
        canvas: MemoryCanvas,
        edits: Edits,
        store: TaughtStore,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.taught_store = store
        self._paints = False
        self.twin_model: Twin | None = None  # the photo with another model
        self._shows_twin = False
        self._flow, self._canvas, self._edits = flow, canvas, edits
        self.subject: Subject | None = None
        self.reference: Path | None = None  # the photo undamaged
        self.bench: Bench | None = None
        self.base: Base | None = None  # what is shown as restored
        self.twin: Base | None = (
            None  # what a change is compared with: the same where it was made as changes are
        )
        self.after_look: MemoryLook | None = None  # the restored photo as the memory sees it
        self.rgb: np.ndarray | None = None
        self.restored_rgb: np.ndarray | None = None
        self.arrives = False  # part of the restored photo shows already
        self.place_first: Callable[[], Region | None] = lambda: None  # what a change is tried on first
        self._shows_change = False
        flow.event.connect(self._event)
        edits.changed.connect(self._edits_changed)

    # --- the photo -------------------------------------------------------------------------------

    def open(
        self,
        subject: Subject,
        at_hand: PhotoAtHand | None,
        reference: Path | None,
    ) -> None:
        """Another photo or another model; what is decoded already of a photo at hand shows at once."""
        self._flow.drop()
        self.subject, self.bench, self.base, self.after_look = subject, None, None, None
        self.reference = reference
        self.twin = self.twin_model = None
        self._shows_twin = self.arrives = False
        self.rgb = None if at_hand is None else at_hand.rgb
        self.restored_rgb = None if at_hand is None else at_hand.restored_rgb
        self._edits.forget()
        self._show_pictures(fresh=True)
        store = self.taught_store
        self._flow.want(
            "open",
            lambda emit, control: opening.open_photo(subject, at_hand, reference, store, emit, control),
            self._opened,
        )
        self.changed.emit()

    def close(self) -> None:
        self._flow.drop()
        self.subject = self.bench = self.base = self.twin = self.after_look = None
        self.rgb = self.restored_rgb = None
        self._edits.forget()
        self._show_pictures(fresh=True)
        self.changed.emit()

    @property
    def focus(self) -> Region | None:
        return self._canvas.visible_region()

    def _opened(self, bench: Bench) -> None:
        self.bench, self.subject = bench, bench.subject
        if bench.restored is not None and bench.restored_rgb is not None:
            self.base = Base(bench.restored, bench.restored_rgb, bench.subject.verdict, bench.is_comparable)
            self.twin = self.base if self.base.is_comparable else None
            self._want_after()
        else:
            self._want_base()
        self._edits.begin_with(bench.taught)
        self.changed.emit()

    def set_twin_model(self, twin: Twin | None) -> None:
        """What another model sees and makes of the photo; None: no other."""
        self.twin_model = twin
        if twin is None:
            self.show_twin_model(False)

    def show_twin_model(self, on: bool) -> None:
        """Compare what both models make of the photo, instead of before and after."""
        on = on and self.twin_model is not None and self.base is not None
        if on != self._shows_twin:
            self._shows_twin = on
            self._show_pictures(fresh=False)

    @property
    def shows_twin_model(self) -> bool:
        """Whether the canvas compares two models; a change that is tried goes before."""
        return self._shows_twin and not self._shows_change and not self._paints

    def set_painting(self, on: bool) -> None:
        """While something is painted over it, the photo itself shows, whatever is tried."""
        if on != self._paints:
            self._paints = on
            self._show_pictures(fresh=False)

    def _want_base(self) -> None:
        bench, focus = self.bench, self.focus
        if bench is None:
            return
        self._flow.want(
            "base", lambda emit, control: trying.restore_base(bench, focus, emit, control), self._base_came
        )

    def _base_came(self, base: Base) -> None:
        self.base, self.restored_rgb = base, base.rgb
        self.twin = base if base.is_comparable else None
        self._show_pictures(fresh=False)
        self._want_after()
        if self._edits.now.trial().changes:
            self._try()
        self.changed.emit()

    def _want_after(self) -> None:
        bench, base = self.bench, self.base
        if bench is not None and base is not None:
            self._flow.want(
                "after",
                lambda emit, control: trying.look_after(bench, base.pixels, emit, control),
                self._after_came,
            )

    @property
    def after(self) -> Response | None:
        """How much each place of the restored photo still looks like damage."""
        return None if self.after_look is None else self.after_look.before

    @property
    def is_kept(self) -> bool:
        """Whether nothing was found in the photo, so that restoring leaves it as it is."""
        found = self.base.verdict if self.base is not None else None
        return found is not None and found.unchanged

    def _after_came(self, look: MemoryLook) -> None:
        self.after_look = look
        self.changed.emit()

    # --- changes ---------------------------------------------------------------------------------

    @property
    def shows_change(self) -> bool:
        """Whether the canvas compares the memory as it is with the changed one."""
        return self._shows_change

    def _edits_changed(self) -> None:
        wants_change = self._edits.now.trial().changes
        # the twin knows nothing of the change, so it is good for the next one as well
        self._flow.drop("preview", "whole", *(() if wants_change else ("twin",)))
        if wants_change != self._shows_change or not wants_change:
            self._shows_change = wants_change
            self._show_pictures(fresh=False)
            self.changed.emit()
        if wants_change:
            self._try()

    def _try(self) -> None:
        """What is in sight first, in a small part; all of it then."""
        bench, trial = self.bench, self._edits.now.trial()
        visible = self.focus
        if bench is None or visible is None:
            return
        from core.restoring.memory.probe import preview_region

        look, place = bench.look, self.place_first()
        x, y, w, h = visible
        left, top = bench.in_copy((max(0, x), max(0, y)))
        right, bottom = bench.in_copy((x + w - 1, y + h - 1))
        visible = left, top, right - left + 1, bottom - top + 1
        at = None
        if place is not None:
            at = bench.in_copy((place[0] + place[2] // 2, place[1] + place[3] // 2))
        region = preview_region(visible, look.width, look.height, at)
        self._flow.want(
            "preview",
            lambda emit, control: trying.try_region(bench, trial, region, emit, control),
            self._previewed,
        )

    def _previewed(self, tried: Tried) -> None:
        x, y, _w, _h = tried.region
        if self._shows_change:
            self._canvas.set_restored(None)  # what an earlier change made of the rest is true no longer
            self._canvas.update_tile(x, y, tried.rgb)
        self.tried.emit(tried)
        self._try_whole()

    def _try_whole(self) -> None:
        """All of the photo with the change; first, if need be, all of it made in the same way without."""
        bench, base, trial, focus = self.bench, self.twin, self._edits.now.trial(), self.focus
        if bench is None or self._flow.is_open("base"):
            return
        if base is None:
            self._flow.want(
                "twin",
                lambda emit, control: trying.restore_twin(bench, focus, emit, control),
                self._twin_came,
            )
        else:
            self._flow.want(
                "whole",
                lambda emit, control: trying.try_whole(bench, base.pixels, trial, focus, emit, control),
                self._whole_came,
            )

    def _twin_came(self, twin: Base) -> None:
        self.twin = twin
        if self._shows_change:
            self._show_pictures(fresh=False)
            self._try()

    def _whole_came(self, tried: Tried) -> None:
        if self._shows_change:
            self._canvas.set_restored(tried.rgb)
        self.tried.emit(tried)

    # --- the canvas ------------------------------------------------------------------------------

    def _show_pictures(self, fresh: bool) -> None:
        """``fresh``: another photo, so fitted anew."""
        canvas = self._canvas
        title = self.subject.path.name if self.subject is not None else ""
        left = self.rgb
        if self._shows_change and not self._paints:
            left = self.twin.rgb if self.twin is not None else self.restored_rgb
            left = self.rgb if left is None else left
        right = None if self._shows_change or left is None else self.restored_rgb
        words = CHANGED if self._shows_change else AS_IS
        if self.shows_twin_model and self.twin_model is not None and self.base is not None:
            left, right = self.base.rgb, self.twin_model.base.rgb
            words = "This model", "The other model", "The other model"
        canvas.words = words
        if fresh:
            canvas.set_original(left, None, title)
        else:
            canvas.exchange_original(left, title)
        canvas.set_restored(right)

    def _event(self, kind: str, event: Any) -> None:
        if isinstance(event, PhotoOpened) and kind == "open":
            if self.rgb is None or self.rgb.shape != event.rgb.shape:
                self.rgb, self.restored_rgb = event.rgb, event.restored_rgb
                self._show_pictures(fresh=True)
                self.changed.emit()
            elif event.restored_rgb is not None and self.restored_rgb is None:
                self.restored_rgb = event.restored_rgb
                self._show_pictures(fresh=False)
        elif isinstance(event, TileArrived):
            shown = (kind == "base" and not self._shows_change and not self._shows_twin) or (
                kind == "whole" and self._shows_change
            )
            if shown:
                self._canvas.update_tile(event.x, event.y, event.rgb)
                if kind == "base" and not self.arrives:
                    self.arrives = True
                    self.changed.emit()
            text = (
                "Restoring to compare"
                if kind in ("base", "twin", "model")
                else "Trying the change on the whole photo"
            )
            self.progressed.emit(
                f"{text} · piece {event.index} of {event.count}",
                event.index / event.count,
                event.seconds_left,
            )
        elif isinstance(event, PassTile):
            text = f"At {event.scale} of the photo's size · piece {event.index} of {event.count}"
            self.progressed.emit(text, event.index / event.count, event.seconds_left)
        elif isinstance(event, LookProgress):
            text = "Looking into the photo" if kind == "open" else "Looking at the restored photo"
            self.progressed.emit(f"{text} · {event.index} of {event.count}", event.index / event.count, None)

    def with_model(self, model: str, task: str) -> Subject | None:
        """The photo at hand with another model; what was found with this one is not said of that."""
        if self.subject is None:
            return None
        return replace(
            self.subject, choice=replace(self.subject.choice, model=model, task=task), verdict=None
        )
