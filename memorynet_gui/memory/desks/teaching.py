"""Teach it: paint over places of the photo what is damage and what is not. Kept with the photo, whatever it is called."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from core.tasks import damage
from memorynet_gui.base.background import Background
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.problems import describe
from memorynet_gui.compare.masks.bar import MaskBar
from memorynet_gui.compare.masks.files import ask_what_to_load, ask_where_to_save
from memorynet_gui.compare.masks.mask import Mask
from memorynet_gui.compare.masks.tool import MaskTool
from memorynet_gui.memory.canvas import MemoryCanvas
from memorynet_gui.memory.edits import Edits, name_of
from memorynet_gui.memory.stage import MemoryStage
from memorynet_gui.memory.tints import on_photo
from memorynet_gui.memory.words import taught_words

log = logging.getLogger(__name__)

DENIED, ASSERTED = "denied", "asserted"
_COLOURS = {DENIED: "positive", ASSERTED: "negative"}


class TeachDesk(QObject):
    """``toggle`` begins and ends painting; what was painted then becomes a change of the memory that can be undone."""

    changed = Signal()  # active, what undo can do, or what is painted

    def __init__(
        self, context: AppContext, stage: MemoryStage, canvas: MemoryCanvas, edits: Edits, over: QWidget
    ) -> None:
        super().__init__(over)
        self._context, self._stage, self._edits, self._over = context, stage, edits, over
        self._masks: dict[str, Mask] = {}
        self._use = DENIED
        self._is_edited = False  # since painting began
        self._background = Background(self)
        self.bar = MaskBar(((DENIED, "This is not damage", ""), (ASSERTED, "This is damage", "")))
        self.bar.hide()
        self.tool = MaskTool(canvas, self)
        self.tool.under = canvas.paint_tints
        bar, tool = self.bar, self.tool
        bar.use_chosen.connect(self._set_use)
        bar.serve(tool)
        bar.wanted.connect(self._do)
        tool.edited.connect(self._edited)
        tool.left.connect(self.stop)
        edits.changed.connect(self._keep)
        self._kept: tuple[object, str] = (None, "")  # the bench, and what of its photo is kept

    @property
    def active(self) -> bool:
        return self.tool.active

    @property
    def can_start(self) -> bool:
        return self._stage.bench is not None

    @property
    def values(self) -> np.ndarray | None:
        """What is said now, (H, W) uint8 as :mod:`core.data.taught` has it; None: nothing."""
        if not self.active:
            return self._edits.now.taught
        if all(mask.is_empty for mask in self._masks.values()):
            return None
        from core.data import taught

        return taught.combined(self._masks[DENIED].values, self._masks[ASSERTED].values)

    def toggle(self) -> None:
        if self.active:
            self.stop()
        else:
            self.start()

    def start(self) -> None:
        bench = self._stage.bench
        if bench is None:
            return
        from core.data import taught

        height, width = bench.rgb.shape[:2]
        known = self._edits.now.taught
        halves = (None, None) if known is None else taught.parts(known)
        self._masks = {
            use: Mask(height, width, half) for use, half in zip((DENIED, ASSERTED), halves, strict=True)
        }
        self._is_edited = False
        what = damage(bench.look.task)
        self.bar.name_use(
            DENIED, f"This is not {what}", f"Paint over what is no {what}: there the photo stays as it is"
        )
        self.bar.name_use(
            ASSERTED,
            f"This is {what}",
            f"Paint over {what} that was overlooked: what lies there is not taken for clean structure",
        )
        self.bar.set_use(self._use)
        self._show()
        self.bar.show()
        self.changed.emit()

    def stop(self) -> None:
        """What was painted is tried on the photo."""
        if not self.active:
            return
        values, is_edited = self.values, self._is_edited
        self.drop()
        if is_edited:
            self._edits.teach(values)

    def drop(self) -> None:
        """Another photo comes: what is being painted goes with the one before."""
        if self.active:
            self.tool.stop()
            self.bar.hide()
            self._masks = {}
            self._stage.set_painting(False)
            self.changed.emit()

    def shut_down(self) -> None:
        self._background.shut_down()

    # --- painting --------------------------------------------------------------------------------

    def _set_use(self, use: str) -> None:
        self._use = use
        self.bar.set_use(use)
        if self.active:
            self._show()

    def _show(self) -> None:
        bench = self._stage.bench
        assert bench is not None
        self._stage.set_painting(True)
        self.tool.start(self._masks[self._use], bench.rgb, QColor(on_photo(_COLOURS[self._use])))
        self._say()

    def _say(self) -> None:
        bench, mask = self._stage.bench, self._masks[self._use]
        assert bench is not None
        self.bar.set_steps(mask.can_undo, mask.can_redo)
        what, values = damage(bench.look.task), self.values
        self.bar.say(
            f"Paint over what lights up and is no {what}, or over {what} that does not light up."
            if values is None
            else taught_words(values, what)
        )

    def _edited(self) -> None:
        """The newer word holds: what is painted now is taken out of the other mask."""
        self._is_edited = True
        mask = self._masks[self._use]
        other = self._masks[ASSERTED if self._use == DENIED else DENIED]
        if not other.is_empty:
            other.replace(np.minimum(other.values, 255 - mask.values))
        self._say()
        self.changed.emit()

    def _do(self, wish: str) -> None:
        if self.tool.do(wish) or self._use not in self._masks:
            return
        if wish == "done":
            self.stop()
        elif wish in ("load", "save"):
            self._ask(wish == "save")

    # --- files -----------------------------------------------------------------------------------

    def _ask(self, saves: bool) -> None:
        bench = self._stage.bench
        if bench is None:
            return
        path = bench.subject.path
        beside = path.with_name(f"{path.stem}.taught.png")
        if saves:
            ask_where_to_save(self._over, "Save what is taught", beside, self.save)
        else:
            ask_what_to_load(self._over, "Load what is taught", beside, self.load)

    def save(self, path: Path) -> None:
        """Write what is taught as ``memorynet restore --taught`` takes it."""
        from core.restoring import outputs

        values = self.values
        if values is None:
            self._context.banner("Nothing is painted yet, so there is nothing to save.")
            return
        try:
            outputs.save_mask(values, path, overwrite=True)
        except Exception as error:  # full disk, no rights: said, not raised
            self._context.banner(f"What is taught was not saved. {describe(error).sentence}")
            return
        self._context.banner(
            f"Saved as {path.name}; it can be opened here again or given to the command line."
        )

    def load(self, path: Path) -> None:
        """What is taught becomes that of a file, which must be grey and of the photo's size."""
        from core.data import guidance, taught

        if not self.active:
            return
        height, width = self._masks[DENIED].shape
        try:
            values = guidance.read_mask(path)
            taught.check(values, width, height, path.name)
        except Exception as error:  # whatever is wrong with the file, what is painted stays
            self._context.banner(f"It was not loaded. {describe(error).sentence}")
            return
        for use, half in zip((DENIED, ASSERTED), taught.parts(values), strict=True):
            box = self._masks[use].replace(half)
            if use == self._use:
                self.tool.did(box)
        self._is_edited = True
        self._say()
        self.changed.emit()

    def _keep(self) -> None:
        """Keep what is taught with the photo, so that it is there when the photo is looked into again."""
        bench, now = self._stage.bench, self._edits.now
        if bench is None or not bench.key:
            return
        if self._kept[0] is not bench:
            self._kept = bench, name_of(bench.taught)
        if self._kept[1] == now.taught_name:
            return
        self._kept, values = (bench, now.taught_name), now.taught
        store, key = self._stage.taught_store, bench.key
        self._background.call(lambda: store.put(key, values), lambda _none: None, self._keep_failed)

    def _keep_failed(self, error: Exception) -> None:
        self._context.banner(f"What you taught could not be kept. {describe(error).sentence}")
