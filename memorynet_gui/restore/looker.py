"""Looks at dropped photos in the background: what was found stands in the strip before anything is restored, and the
shown photo gets its before and after with no button pressed.

The shown photo goes first, then the newest. While a job runs (restoring, training) nothing is looked at.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from core import tasks
from core.jobs import Cancelled, JobControl
from core.restoring.records import Choice
from core.restoring.verdict import LITTLE, NOTHING, Verdict
from memorynet_gui.base.background import Background
from memorynet_gui.base.jobs import JobRunner
from memorynet_gui.base.settings import Settings
from memorynet_gui.restore.mask_store import MaskStore
from memorynet_gui.restore.panel.choices import Choices
from memorynet_gui.restore.queue_item import Item, ItemState, LookNote
from memorynet_gui.restore.session import Session

log = logging.getLogger(__name__)

SOON_MS = 30
PREVIEWS_KEPT = 2  # of the photos shown last
Masks = tuple[str, str]  # names in the store: where the damage is, what may change
Key = tuple[Choice, Masks]  # what a look depends on besides the photo
MOST_PIXELS = 120_000_000  # larger photos are looked at when they are restored


@dataclass(frozen=True, slots=True)
class Sight:
    """What came of looking at one photo; ``rgb`` (H, W, 3) uint8 sRGB where a preview was wanted and something found."""

    item_id: str
    note: LookNote
    rgb: np.ndarray | None


class Looker(QObject):
    """Keeps :attr:`Item.look` true for waiting photos."""

    previewed = Signal(str, object)  # item id, (H, W, 3) uint8 sRGB or None: none of what is chosen now

    def __init__(
        self,
        session: Session,
        choices: Choices,
        runner: JobRunner,
        settings: Settings,
        masks: MaskStore,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._choices, self._runner, self._settings = session, choices, runner, settings
        self._masks = masks
        self.painting: Callable[[], bool] = lambda: False  # a mask that changes is looked at once it is done
        self._background = Background(self)
        self._control: JobControl | None = None
        self._looking_at: str | None = None
        self._previews: OrderedDict[tuple[str, Key], np.ndarray] = OrderedDict()
        self._failed: set[tuple[str, Key]] = set()
        self._shut = False
        self._soon = QTimer(self, singleShot=True, interval=SOON_MS)
        self._soon.timeout.connect(self._next)
        session.current_changed.connect(lambda _item: self._turn())
        session.changed.connect(self._row_changed)
        session.inserted.connect(self.wake)
        choices.changed.connect(self._turn)
        settings.changed.connect(lambda name: self.wake() if name == "look_automatically" else None)
        runner.ended.connect(self.wake)

    def shut_down(self) -> None:
        self._shut = True
        self._soon.stop()
        self.stop()
        self._background.shut_down()

    def stop(self) -> None:
        """A job begins and wants the processor to itself; what was looked at is looked at again later."""
        if self._control is not None:
            self._control.cancel()

    def wake(self) -> None:
        if not self._shut:
            self._soon.start()

    def preview(self, item: Item) -> np.ndarray | None:
        """What is at hand of a photo that waits, for the present choice."""
        return self._previews.get((item.id, self._key(item)))

    def _turn(self) -> None:
        """The person looks elsewhere: what is being looked at may no longer be what matters, nor what is shown."""
        current = self._session.current
        if current is not None and current.state is ItemState.WAITING:
            self.previewed.emit(current.id, self.preview(current))
        if current is not None and self._looking_at not in (None, current.id) and self._wants(current):
            self.stop()
        self.wake()

    def _row_changed(self, row: int) -> None:
        item = self._session.at(row)
        look = item.look if item.state is ItemState.WAITING else None
        if look is not None and look.masks != self._key(item)[1]:
            self._turn()

    def _key(self, item: Item) -> Key:
        choice = self._choices.choice()
        if choice.task == tasks.AUTO and item.said:
            choice = self._choices.choice_of(item.said)
        counts = choice.task == tasks.AUTO or tasks.of(choice.task).takes_masks
        return choice.as_looked, (item.mask if counts else "", item.only)

    def _wants(self, item: Item) -> bool:
        key = self._key(item)
        choice, masks = key
        if item.state is not ItemState.WAITING or not choice.model or (item.id, key) in self._failed:
            return False
        is_current = self._session.current is not None and self._session.current.id == item.id
        if item.look is None or item.look.choice != choice:
            return True
        if item.look.masks != masks:
            return not (is_current and self.painting())
        return is_current and item.look.verdict.found != NOTHING and (item.id, key) not in self._previews

    def _next(self) -> None:
        if self._shut or self._control is not None or not self._settings.look_automatically:
            return
        if self._runner.busy:
            return
        current = self._session.current
        item = current if current is not None and self._wants(current) else None
        if item is None:
            item = next((each for each in reversed(self._session.items()) if self._wants(each)), None)
        if item is None:
            return
        control, key, item_id = JobControl(), self._key(item), item.id
        self._control, self._looking_at = control, item_id
        want_pixels = current is not None and current.id == item_id
        self._background.call(
            lambda: look_at(item, key, want_pixels, control, self._masks),
            lambda sight: self._seen(key, sight),
            lambda error: self._not_seen(key, item_id, error),
        )

    def _free(self) -> None:
        self._control, self._looking_at = None, None
        self.wake()

    def _seen(self, key: Key, sight: Sight) -> None:
        self._free()
        item = self._session.get(sight.item_id)
        if item is None or item.state is not ItemState.WAITING:
            return
        if sight.rgb is not None:
            self._previews[sight.item_id, key] = sight.rgb
            while len(self._previews) > PREVIEWS_KEPT:
                self._previews.popitem(last=False)
        self._session.update(sight.item_id, look=sight.note)
        if sight.rgb is not None and key == self._key(item):
            self.previewed.emit(sight.item_id, sight.rgb)

    def _not_seen(self, key: Key, item_id: str, error: Exception) -> None:
        self._free()
        if not isinstance(error, Cancelled):  # restoring it says what is wrong; a look stays silent
            log.info("not looked at: %s", error)
            self._failed.add((item_id, key))


def look_at(item: Item, key: Key, want_pixels: bool, control: JobControl, store: MaskStore) -> Sight:
    """Read a photo and look at it. Raises what reading and the network raise, and Cancelled."""
    from core.images import io as image_io

    path, (choice, masks) = item.path, key
    info = image_io.read_info(path)
    if info.width * info.height > MOST_PIXELS:
        raise ValueError(f"{path.name}: too large to look at beforehand")
    picture = image_io.read(path)
    control.checkpoint()
    from core.restoring import restore

    seen, asked = None, choice
    if choice.task == tasks.AUTO:
        from core.restoring import which

        paths = which.models()
        seen = which.look(picture, paths, control, device=choice.device, precision=choice.precision)
        if not seen.is_sure or not seen.tasks:
            return Sight(item.id, LookNote(choice, Verdict(NOTHING), seen, masks), None)
        asked = which.choice_of(choice, seen.tasks[0], paths)
        if not want_pixels:
            return Sight(item.id, LookNote(choice, Verdict(LITTLE), seen, masks), None)
    mask, only = (store.get(name) if name else None for name in masks)
    request = asked.request(mask=mask if tasks.of(asked.task).takes_masks else None, only=only)
    verdict, pixels = restore.preview(picture, restore.guessing(request), control, want_pixels)
    control.checkpoint()
    rgb = None if pixels is picture.pixels else image_io.to_srgb(pixels, picture.icc)
    return Sight(item.id, LookNote(choice, verdict, seen, masks), rgb)
