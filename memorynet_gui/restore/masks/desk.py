"""Painting masks on the Restore page: which mask is at hand, guessing, loading, saving, keeping it with its photo."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from core import tasks
from core.restoring.records import Choice
from memorynet_gui.base.background import Background
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.problems import describe
from memorynet_gui.compare.masks.bar import MaskBar
from memorynet_gui.compare.masks.files import ask_what_to_load, ask_where_to_save
from memorynet_gui.compare.masks.mask import Mask
from memorynet_gui.compare.masks.tool import MaskTool
from memorynet_gui.compare.view import CompareView
from memorynet_gui.restore.mask_store import MaskStore
from memorynet_gui.restore.masks.guessing import find_damage, find_shadow
from memorynet_gui.restore.panel.choices import Choices
from memorynet_gui.restore.queue_item import Item
from memorynet_gui.restore.session import Session
from memorynet_gui.restore.stage import Stage

if TYPE_CHECKING:
    from core.data.guidance import Guess

log = logging.getLogger(__name__)

DAMAGE, ONLY, NOT = "damage", "only", "not"
USES = (
    (DAMAGE, "Where the damage is", "Paint over the shadow: the network is told where it lies"),
    (ONLY, "Only here", "Paint over what may change: everywhere else not a bit changes"),
    (NOT, "Not here", "Paint over what must stay: there not a bit changes"),
)
_GUESSED = {
    DAMAGE: "Let the program find the shadow",
    ONLY: "Let the program find the places where it sees damage: only there anything changes",
    NOT: "Let the program find the places where it sees no damage: they stay as they are",
}
_COLOURS = {DAMAGE: QColor("#e0483e"), ONLY: QColor("#2fa36b"), NOT: QColor("#3a7bd5")}
_WHITE = 255
_EMPTY = {
    DAMAGE: "Paint over the shadow; while nothing is painted, the program looks for it when it restores",
    ONLY: "Paint over what may change, or let Guess look for it; nothing painted: all",
    NOT: "Paint over what must stay as it is, or let Guess look for it; nothing painted: all may change",
}
_PAINTED = {DAMAGE: "marked as shadow", ONLY: "may change", NOT: "stays as it is"}
_NOT_FOUND = {
    DAMAGE: "No cast {} found: paint over it if you see one",
    ONLY: "No place with {} found, nothing is marked: paint over what may change",
    NOT: "No place with {} found, nothing is marked: paint over what must stay as it is",
}
_FOUND = {
    ONLY: "where {} is seen. Brush and eraser correct it, Undo takes it back",
    NOT: "there no {} is seen. Brush and eraser correct it, Undo takes it back",
}
_KEEP_MS = 600  # after the last stroke
_NO_MASKS = "Masks of the damage guide the removal of shadows: choose that as the task, or Auto"
_UNSURE = "It counts if shadows are taken out: say so in the panel, or leave it to the photo"


class MaskDesk(QObject):
    """``toggle`` begins and ends painting; ``masks_of`` says what a photo is restored with."""

    changed = Signal()  # active, or what undo can do

    def __init__(
        self,
        context: AppContext,
        session: Session,
        stage: Stage,
        canvas: CompareView,
        choices: Choices,
        store: MaskStore,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._context, self._session, self._stage, self._over = context, session, stage, parent
        self._choices, self.store = choices, store
        self.bar = MaskBar(USES, _GUESSED)
        self.bar.hide()
        self.tool = MaskTool(canvas, self)
        self._use = DAMAGE
        self._limit = ONLY  # or NOT: which of the two says what may change; both say the same in other words
        self._item_id: str | None = None  # whose masks are at hand
        self._waits = False  # painting goes on as soon as the next photo is read
        self._masks: dict[str, Mask] = {}
        self._names = ("", "")  # what the photo's masks were called when they were read or kept last
        self._changed: set[str] = set()  # uses whose mask is not kept yet
        self._background = Background(self)
        self._guessing: str | None = None  # the photo's id
        self._sought = "damage"  # what is being looked for in it
        self._was_seen = False
        self._shut = False
        self._keep_soon = QTimer(self, singleShot=True, interval=_KEEP_MS)
        self._keep_soon.timeout.connect(self.keep)
        bar, tool = self.bar, self.tool
        bar.use_chosen.connect(self.set_use)
        bar.serve(tool)
        bar.wanted.connect(self.do)
        tool.edited.connect(self._edited)
        tool.left.connect(self.stop)
        stage.changed.connect(self._follow)
        choices.changed.connect(self._follow_task)
        session.changed.connect(lambda _row: self._follow_said())

    def shut_down(self) -> None:
        self._shut = True
        self._keep_soon.stop()
        self.keep()
        self._background.shut_down()

    @property
    def active(self) -> bool:
        return self.tool.active

    @property
    def can_start(self) -> bool:
        return self._stage.shown is not None

    # --- beginning and ending ----------------------------------------------------------------------

    def toggle(self) -> None:
        if self.active:
            self.stop()
        else:
            self.start()

    def start(self) -> None:
        """Paint over the photo that is shown; a shadow that nobody has marked is guessed at once."""
        if not self._take():
            return
        self._waits = False
        self._use = DAMAGE if self._is_seen() else self._limit
        self.bar.set_possible(DAMAGE, bool(self._task()), _NO_MASKS)
        self.bar.set_use(self._use)
        self._show()
        self.bar.show()
        if self._use == DAMAGE and self._masks[DAMAGE].is_empty:
            self.guess()
        self.changed.emit()

    def stop(self) -> None:
        self._waits = False
        if self.active:
            self.tool.stop()
            self.bar.hide()
            self.keep()
            self.changed.emit()

    def _task(self) -> str:
        """That which a mask of the damage would guide: the one that is chosen, or that of which Auto may take out what
        the photo shows. "": none."""
        chosen, item = self._choices.choice().task, self._session.current
        if chosen == tasks.AUTO and item is not None and item.said:
            chosen = item.said
        possible = self._choices.usable_tasks if chosen == tasks.AUTO else (chosen,)
        return next((task for task in possible if tasks.of(task).takes_masks), "")

    def _is_seen(self) -> bool:
        """Whether the photo is restored for the task that masks guide, as far as anybody knows yet."""
        task, item = self._task(), self._session.current
        if not task or self._choices.choice().task != tasks.AUTO or item is None:
            return bool(task)
        seen = item.look.which.tasks if item.look is not None and item.look.which is not None else ()
        return task in (item.said, *seen)

    def _take(self) -> bool:
        """Have the masks of the photo that is shown at hand."""
        shown, item = self._stage.shown, self._session.current
        if shown is None or item is None or shown.item_id != item.id:
            return False
        if self._item_id != item.id or self._names != (item.mask, item.only):
            self.keep()
            item = self._session.current or item
            height, width = shown.rgb.shape[:2]
            damage, only = (self._kept(item, use, shown.rgb) for use in (DAMAGE, ONLY))
            spared = None if only is None else _WHITE - only
            self._limit = (
                NOT if spared is not None and spared.mean() < _WHITE / 2 else ONLY
            )  # the smaller to paint
            self._masks = {
                DAMAGE: Mask(height, width, damage),
                ONLY: Mask(height, width, only if self._limit == ONLY else None),
                NOT: Mask(height, width, spared if self._limit == NOT else None),
            }
            item = self._session.current or item
            self._item_id, self._names = item.id, (item.mask, item.only)
        return True

    def _kept(self, item: Item, use: str, rgb: np.ndarray) -> np.ndarray | None:
        name = item.mask if use == DAMAGE else item.only
        if not name:
            return None
        try:
            values = self.store.get(name)
        except Exception as error:  # a file that is gone is no reason not to paint
            self._context.banner(f"The mask of {item.name} is gone. {describe(error).sentence}")
            self._session.update(item.id, **{"mask" if use == DAMAGE else "only": ""})
            return None
        return values if values.shape == rgb.shape[:2] else None

    def _follow(self) -> None:
        """Another photo is shown."""
        shown = self._stage.shown
        self._waits = self._waits and self._session.current is not None
        if not self.active and not self._waits:
            return
        if shown is None:
            if self.active:
                self._waits = self._session.current is not None
                self.tool.stop()
                self.bar.hide()
                self.changed.emit()
        elif self._waits or shown.item_id != self._item_id:
            self.tool.stop()
            self.start()

    def _follow_task(self) -> None:
        if self.active:
            possible = bool(self._task())
            self.bar.set_possible(DAMAGE, possible, _NO_MASKS)
            if not possible:
                self.set_use(self._limit)

    def _follow_said(self) -> None:
        """Where the photo is to say what it shows, it was seen, or somebody has said it."""
        if self.active and self._is_seen() != self._was_seen:
            self._follow_task()
            self._say()

    def set_use(self, use: str) -> None:
        if use not in (DAMAGE, self._limit):
            self._say_it_as(use)
        self._use = use
        self.bar.set_use(use)
        if self.active:
            self._show()

    def _say_it_as(self, limit: str) -> None:
        """What may change and what must stay are two ways to say one thing: it goes over from the one to the other."""
        if self._masks:
            before, now = self._masks[self._limit], self._masks[limit]
            if not before.is_empty:
                now.replace(_WHITE - before.values)
            elif not now.is_empty:
                now.clear()
        self._limit = limit

    def _show(self) -> None:
        shown = self._stage.shown
        assert shown is not None
        mask = self._masks[self._use]
        self.tool.start(mask, shown.rgb, _COLOURS[self._use])
        self._say()

    def _say(self) -> None:
        mask = self._masks[self._use]
        self._was_seen = self._is_seen()
        self.bar.set_steps(mask.can_undo, mask.can_redo)
        if self._guessing is not None:
            self.bar.say(f"Looking for the {self._sought}…")
        elif mask.is_empty:
            self.bar.say(_EMPTY[self._use])
        else:
            share = float(np.count_nonzero(mask.values > 127)) / mask.values.size
            unsure = "" if self._use != DAMAGE or self._is_seen() else f". {_UNSURE}"
            self.bar.say(f"{100 * share:.0f} % of the photo {_PAINTED[self._use]}{unsure}")

    # --- what is done ----------------------------------------------------------------------------

    def do(self, wish: str) -> None:
        """A wish of the bar."""
        if self.tool.do(wish) or self._use not in self._masks:
            return
        if wish == "done":
            self.stop()
        elif wish == "guess":
            self.guess()
        elif wish in ("load", "save"):
            self._ask(wish == "save")

    def _edited(self) -> None:
        self._changed.add(self._use)
        self._keep_soon.start()
        self._say()
        self.changed.emit()

    def guess(self) -> None:
        """Let the program find the shadow, or the places that may change; what it finds is shown and can be undone."""
        item = self._session.current
        if item is None or self._guessing is not None or self._shut:
            return
        path, item_id, use = item.path, item.id, self._use
        if use == DAMAGE:
            task = self._task()
            if not tasks.of(task).can_guess:
                return
            choice = self._choice_of(task)
            find, sought = partial(find_shadow, path, choice), "shadow"
        else:
            seen = self._seen_tasks()
            find = partial(find_damage, path, [self._choice_of(task) for task in seen])
            sought = tasks.of(seen[0]).damage if len(seen) == 1 else "damage"
        self._guessing, self._sought = item_id, sought
        self._say()
        self._background.call(find, lambda found: self._guessed(item_id, use, found), self._guess_failed)

    def _choice_of(self, task: str) -> Choice:
        chosen = self._choices.choice()
        return chosen if chosen.task == task else self._choices.choice_of(task)

    def _seen_tasks(self) -> tuple[str, ...]:
        """Those that the photo is restored for, as far as anybody knows yet."""
        chosen, item = self._choices.choice().task, self._session.current
        if chosen != tasks.AUTO:
            return (chosen,)
        if item is not None and item.said:
            return (item.said,)
        return item.look.which.tasks if item is not None and item.look is not None and item.look.which else ()

    def _guessed(self, item_id: str, use: str, found: Guess | None) -> None:
        self._guessing = None
        if item_id != self._item_id or not self.active:
            return
        if use != DAMAGE:
            use = self._limit  # said the other way round while it was looked for
        mask = self._masks[use]
        if found is None:
            self._say()
            self.bar.say(_NOT_FOUND[use].format(self._sought))
        elif found.mask.shape == mask.shape:
            box = mask.replace(_WHITE - found.mask if use == NOT else found.mask)
            if self._use == use:
                self.tool.did(box)
            self._changed.add(use)
            self._say()
            if self._use == use and use in _FOUND:
                self.bar.say(f"{self.bar.says.text()}: {_FOUND[use].format(self._sought)}")

    def _guess_failed(self, error: Exception) -> None:
        self._guessing = None
        if self.active:
            self._say()
            self.bar.say(f"The {self._sought} could not be looked for: {describe(error).sentence}")

    # --- files -----------------------------------------------------------------------------------

    def _ask(self, saves: bool) -> None:
        item = self._session.current
        if item is None:
            return
        beside = item.path.with_name(f"{item.path.stem}.mask.png")
        if saves:
            ask_where_to_save(self._over, "Save the mask", beside, self.save)
        else:
            ask_what_to_load(self._over, "Load a mask", beside, self.load)

    def load(self, path: Path) -> None:
        """The mask at hand becomes that of a file, which must be grey and of the photo's size."""
        from core.data import guidance

        mask = self._masks.get(self._use)
        if mask is None:
            return
        try:
            values = guidance.read_mask(path)
            guidance.check_size(values, mask.shape[1], mask.shape[0], path.name)
            guidance.check_marks(values, path.name)
        except Exception as error:  # whatever is wrong with the file, the mask stays
            self._context.banner(f"The mask was not loaded. {describe(error).sentence}")
            return
        self.tool.did(mask.replace(_WHITE - values if self._use == NOT else values))

    def save(self, path: Path) -> None:
        """Write the mask at hand as a grey picture, as ``--mask`` or ``--only`` take it."""
        from core.restoring import outputs

        mask = self._masks.get(self._use)
        if mask is None:
            return
        try:
            outputs.save_mask(self._as_file(self._use), path, overwrite=True)
        except Exception as error:  # full disk, no rights: said, not raised
            self._context.banner(f"The mask was not saved. {describe(error).sentence}")
            return
        self._context.banner(f"Saved as {path.name}.")

    def _as_file(self, use: str) -> np.ndarray:
        """White where the damage is, or where something may change."""
        values = self._masks[use].values
        return _WHITE - values if use == NOT else values

    # --- keeping ---------------------------------------------------------------------------------

    def keep(self) -> None:
        """Write what was painted beside the list, so that it is there after a restart and when the photo is restored."""
        self._keep_soon.stop()
        if self._item_id is None or not self._changed:
            return
        names: dict[str, str] = {}
        try:
            for use in {DAMAGE if use == DAMAGE else self._limit for use in self._changed}:
                names["mask" if use == DAMAGE else "only"] = (
                    "" if self._masks[use].is_empty else self.store.put(self._as_file(use))
                )
        except Exception as error:  # a full disk must not cost the strokes
            self._context.banner(f"The mask could not be kept. {describe(error).sentence}")
            return
        self._changed.clear()
        item = self._session.update(self._item_id, **names)
        if item is not None:
            self._names = item.mask, item.only

    def sweep(self) -> None:
        """Masks that no photo in the list has, nor any result of one, go."""
        names = set()
        for item in self._session.items():
            names |= {item.mask, item.only}
            for note in (item.result, item.kept.note if item.kept is not None else None):
                if note is not None:
                    names |= {note.mask_name, note.only_name, note.taught_name}
        self.store.keep_only(names)
