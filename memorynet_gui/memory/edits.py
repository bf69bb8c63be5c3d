"""What is changed about the memory, with undo: no widgets, no pixels.

Each slot or group of slots has at most one change of how strongly it is read, and swaps stand beside them, so that a
slider which moves does not pile up steps.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtCore import QObject, Signal

from core.model.memory_edit import MAX_GAIN, MemoryEdit, Slots, Step
from memorynet_gui.memory.bench.records import Trial

UNDO_DEPTH = 100


@dataclass(frozen=True)
class Changes:
    """All that is changed. The content of the photo that is held instead and what is taught compare by a sum of them."""

    steps: tuple[Step, ...] = ()
    contents: str = "both"  # what steps change: "both" "learned" "actual"
    other_name: str = ""  # of the photo whose content is held instead of this one's own
    other: np.ndarray | None = None
    taught: np.ndarray | None = None  # (H, W) uint8, see core.data.taught
    taught_name: str = ""  # a sum of it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Changes) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        # photos of two folders may have one name
        return self.steps, self.contents, self.other_name, name_of(self.other), self.taught_name

    def edit(self) -> MemoryEdit:
        return MemoryEdit(self.steps, self.contents)

    @property
    def held(self) -> str:
        """What stands in the place of the photo's own content, as a phrase; "" for nothing."""
        return f"Hold {self.other_name} instead of its own content" if self.other is not None else ""

    def trial(self) -> Trial:
        return Trial(self.edit() if self.steps else None, self.other, self.other_name, self.taught)


def name_of(values: np.ndarray | None) -> str:
    """A sum of what is taught, or of what a photo holds; "" of nothing."""
    return "" if values is None else hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


class Edits(QObject):
    """The changes at hand."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._now = Changes()
        self._past: list[Changes] = []
        self._future: list[Changes] = []

    @property
    def now(self) -> Changes:
        return self._now

    @property
    def can_undo(self) -> bool:
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        return bool(self._future)

    def gain_of(self, slots: Slots) -> float:
        """How many times the content of these very slots is read: 0 muted, 1 as it is."""
        for step in self._now.steps:
            if step.slots == slots and step.action in ("mute", "boost"):
                return 0.0 if step.action == "mute" else step.gain
        return 1.0

    def set_gain(self, slots: Slots, gain: float, *, merge: bool = False) -> None:
        """Read these slots ``gain`` times: 0 mutes, 1 takes the change back, up to 8.

        Args:
            merge: the same hand is still at the same slider, so that one undo takes back all of it.
        """
        if not 0 <= gain <= MAX_GAIN:
            raise ValueError(f"gain {gain}: need 0 to {MAX_GAIN:g}")
        step = None
        if gain == 0:
            step = Step("mute", slots)
        elif gain > 1:
            step = Step("boost", slots, gain)
        steps, replaced = [], False
        for each in self._now.steps:
            if each.slots == slots and each.action in ("mute", "boost"):
                replaced = True
                if step is not None:
                    steps.append(step)
            else:
                steps.append(each)
        if not replaced and step is not None:
            steps.append(step)
        self._put(replace(self._now, steps=tuple(steps)), merge)

    def swap(self, slots: Slots, other: Slots) -> None:
        """Exchange contents. Raises MemoryEditError: not as many of both."""
        self._put(replace(self._now, steps=(*self._now.steps, Step("swap", slots, other=other))))

    def remove(self, index: int) -> None:
        """Take back one step."""
        steps = self._now.steps
        self._put(replace(self._now, steps=steps[:index] + steps[index + 1 :]))

    def set_contents(self, contents: str) -> None:
        self._put(replace(self._now, contents=contents))

    def hold_photo(self, name: str, content: np.ndarray | None) -> None:
        """Hold another photo's content instead of this one's own; None goes back to it."""
        self._put(replace(self._now, other_name=name if content is not None else "", other=content))

    def teach(self, taught: np.ndarray | None) -> None:
        """What a person says is damage and is not; None: nothing any more."""
        self._put(replace(self._now, taught=taught, taught_name=name_of(taught)))

    def begin_with(self, taught: np.ndarray | None) -> None:
        """What was taught of a photo earlier is there from the start: it is no step that undo takes back."""
        self._past.clear()
        self._future.clear()
        changes = Changes(taught=taught, taught_name=name_of(taught))
        if changes != self._now:
            self._now = changes
            self.changed.emit()

    def reset(self) -> None:
        self._put(Changes())

    def take(self, edit: MemoryEdit) -> None:
        """Changes that were loaded, instead of those at hand."""
        self._put(replace(self._now, steps=edit.steps, contents=edit.contents))

    def forget(self) -> None:
        """Another photo or model: nothing is changed and nothing can be undone."""
        self._past.clear()
        self._future.clear()
        if self._now != Changes():
            self._now = Changes()
            self.changed.emit()

    def undo(self) -> None:
        if self._past:
            self._future.append(self._now)
            self._now = self._past.pop()
            self.changed.emit()

    def redo(self) -> None:
        if self._future:
            self._past.append(self._now)
            self._now = self._future.pop()
            self.changed.emit()

    def _put(self, changes: Changes, merge: bool = False) -> None:
        if changes == self._now:
            return
        if not merge or not self._past:
            self._past.append(self._now)
            del self._past[:-UNDO_DEPTH]
        self._future.clear()
        self._now = changes
        self.changed.emit()
