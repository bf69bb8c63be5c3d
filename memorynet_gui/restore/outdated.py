"""Whether what is shown of a photo was made with other settings than those chosen now."""

from __future__ import annotations

from collections.abc import Iterable

from core import tasks
from core.restoring.records import Choice
from memorynet_gui.restore.queue_item import Item, ItemState, setting_words


def outdated(items: Iterable[Item], choice: Choice) -> list[str]:
    """Ids of the restored photos of which ``choice`` would make another picture, and of those left out of another task, in
    their order; none without a model."""
    return (
        [item.id for item in items if _differing(item, choice) or _wanted(item, choice)]
        if choice.model
        else []
    )


def made_with(item: Item, choice: Choice) -> str:
    """What of the old settings differs, in words: "thoroughness normal, full size"; empty when nothing does."""
    return ", ".join(_differing(item, choice))


def _wanted(item: Item, choice: Choice) -> bool:
    """Whether a photo was left as it is for another task: that says nothing of this one."""
    return item.state is ItemState.LEFT and item.left != choice.task


def _differing(item: Item, choice: Choice) -> list[str]:
    """Device, precision and tile are left out: they change how long it takes, not what comes."""
    note = item.result
    if item.state is not ItemState.DONE or note is None:
        return []
    then = note.choice
    is_auto = choice.task == tasks.AUTO  # what the photo showed, or what was said of it
    if then.task != ((item.said or then.task) if is_auto else choice.task):
        return [tasks.of(then.task).verb]
    found = []
    if then.model != choice.model and not is_auto:
        found.append(f"model {note.made.model_name}")
    found += [
        words for name, words in setting_words(then).items() if getattr(then, name) != getattr(choice, name)
    ]
    if tasks.of(then.task).takes_masks and note.mask_name != item.mask:
        found.append("another mask" if note.mask_name else "no mask of yours")
    if note.only_name != item.only:
        found.append("another mask of what may change" if note.only_name else "no limit to what may change")
    return found
