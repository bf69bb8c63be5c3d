"""What the Restore page runs on other threads: restore one photo, save, measure, copy.

The functions are plain: the window's runner and the tests call them alike. What is slow to load (OpenCV, torch)
they import themselves, on the thread they run on: the page needs only the records here to be there at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core import tasks
from core.events import LadderStep, Notice, PassTile, RestoreStarted, TileDone
from core.jobs import Emit, JobControl
from core.restoring.records import Choice, Restored
from memorynet_gui.base.errors import ResultGone, SizeMismatch, SourceChanged
from memorynet_gui.base.problems import Problem, describe
from memorynet_gui.base.taught_store import TaughtStore
from memorynet_gui.restore.mask_store import MaskStore
from memorynet_gui.restore.queue_item import Item, ResultNote
from memorynet_gui.restore.results import ResultStore

if TYPE_CHECKING:
    from core.images.io import Picture, Receipt, WriteOptions
    from core.images.metrics import Score


@dataclass(frozen=True, slots=True)
class RestoreOrder:
    """Everything one restoration needs, frozen when it starts."""

    item: Item
    choice: Choice
    focus: tuple[int, int, int, int] | None
    store: ResultStore = field(compare=False, repr=False)
    masks: MaskStore | None = field(default=None, compare=False, repr=False)
    taught: TaughtStore | None = field(default=None, compare=False, repr=False)

    def mask(self, name: str) -> np.ndarray | None:
        return self.masks.get(name) if self.masks is not None and name else None


@dataclass(frozen=True, slots=True)
class TileShown:
    """A restored tile, ready for the screen: ``rgb`` is (h, w, 3) uint8 sRGB."""

    item_id: str
    index: int
    count: int
    x: int
    y: int
    rgb: np.ndarray
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class RestoreOutcome:
    item_id: str
    note: ResultNote
    rgb: np.ndarray  # (H, W, 3) uint8 sRGB, for the screen
    kept_in_memory: Problem | None  # why the result is not on the disk


def restore_photo(order: RestoreOrder, emit: Emit, control: JobControl) -> RestoreOutcome:
    """Read, restore and keep one photo. Emits RestoreStarted, TileShown, LadderStep and Notice events.

    Raises ImageError, CheckpointError, Cancelled, and whatever the device reports.
    """
    from core.images import io as image_io

    control.checkpoint()
    item, choice = order.item, order.choice
    stamp = item.path.stat() if item.path.exists() else None
    picture = image_io.read(item.path)
    control.checkpoint()
    from core.restoring import restore  # loads torch the first time

    control.checkpoint()

    def forward(event: object) -> None:
        if isinstance(event, TileDone):
            rgb = image_io.to_srgb(event.pixels, picture.icc)
            emit(TileShown(item.id, event.index, event.count, event.x, event.y, rgb, event.seconds_left))
        elif isinstance(event, RestoreStarted | PassTile | LadderStep | Notice):
            emit(event)

    def said_of(task: str) -> dict[str, Any]:
        """What a person painted for a task, on this page and on the Memory page."""
        taught = (
            order.taught.of(item.path, task) if order.taught is not None and order.masks is not None else None
        )
        fits = taught is not None and taught.shape == picture.pixels.shape[:2]
        mask = order.mask(item.mask) if tasks.of(task).takes_masks else None
        return {"mask": mask, "taught": taught if fits else None}

    only = order.mask(item.only)
    restored: Restored | None = None
    if choice.task == tasks.AUTO:
        from core.restoring import which

        if item.said:
            choice = which.choice_of(choice, item.said, which.models())
        else:
            restored, choice = which.restore_auto(
                picture, choice, forward, control, said_of, focus=order.focus, only=only
            )
    said = said_of(choice.task)
    if restored is None:
        request = choice.request(focus=order.focus, only=only, **said)
        restored = restore.restore(picture, restore.guessing(request), forward, control)
    taught_name = ""
    if said["taught"] is not None and restored.made.taught != "none":
        assert order.masks is not None
        taught_name = order.masks.put(
            said["taught"]
        )  # what this result was made with, whatever is taught later
    note = ResultNote(
        choice=choice,
        made=restored.made,
        width=picture.info.width,
        height=picture.info.height,
        bit_depth=picture.info.bit_depth,
        source_bytes=stamp.st_size if stamp else 0,
        source_mtime_ns=stamp.st_mtime_ns if stamp else 0,
        mask_name=item.mask if said["mask"] is not None else "",
        only_name=item.only if only is not None else "",
        taught_name=taught_name,
    )
    rgb = image_io.to_srgb(restored.pixels, picture.icc)
    error = order.store.put(item.id, restored.pixels)
    return RestoreOutcome(item.id, note, rgb, describe(error) if error else None)


def is_same_source(path: Path, note: ResultNote) -> bool:
    """Whether the file is still the one that was restored. Raises OSError when it is gone."""
    stamp = path.stat()
    return (stamp.st_size, stamp.st_mtime_ns) == (note.source_bytes, note.source_mtime_ns)


def load_result(item: Item, store: ResultStore) -> tuple[Picture, Restored]:
    """The source photo and its kept restoration at full strength.

    Raises SourceChanged, ResultGone, and what reading the photo raises.
    """
    from core.images import io as image_io

    note = item.result
    pixels = store.get(item.id)
    if note is None or pixels is None:
        raise ResultGone(item.name)
    picture = image_io.read(item.path)
    if not is_same_source(item.path, note) or picture.pixels.shape != pixels.shape:
        raise SourceChanged(item.name)
    return picture, Restored.of(note.made, pixels)


def save_photo(item: Item, store: ResultStore, target: Path, options: WriteOptions | None = None) -> Receipt:
    """Write the restored photo at its strength. Raises ImageError, SourceChanged, ResultGone."""
    from core.images import io as image_io
    from core.restoring import outputs

    picture, restored = load_result(item, store)
    return outputs.save(
        restored, picture, target, item.strength_percent / 100, options or image_io.WriteOptions()
    )


def blended_rgb(item: Item, store: ResultStore) -> np.ndarray:
    """The restored photo at its strength as (H, W, 3) uint8 sRGB, for the clipboard."""
    from core.images import io as image_io

    picture, restored = load_result(item, store)
    from core.images.blend import blend

    return image_io.to_srgb(blend(picture.pixels, restored.pixels, item.strength_percent / 100), picture.icc)


@dataclass(frozen=True, slots=True)
class Quality:
    """Scores of the photo before and (None while it is not restored) after, against one reference."""

    item_id: str
    reference: Path
    before: Score
    after: Score | None


def measure(item: Item, reference: Path, task: str, store: ResultStore) -> Quality:
    """PSNR and SSIM by the task's protocol. Raises SizeMismatch, ImageError, MetricError."""
    from core.images import io as image_io
    from core.images import metrics

    truth = image_io.read(reference)
    picture = image_io.read(item.path)
    if truth.pixels.shape != picture.pixels.shape:
        raise SizeMismatch(
            f"{reference.name} has {truth.info.width}×{truth.info.height} px, "
            f"{item.name} {picture.info.width}×{picture.info.height} px"
        )
    protocol = tasks.of(task).protocol
    before = metrics.score(picture.pixels, truth.pixels, protocol)
    pixels = store.get(item.id) if item.result is not None else None
    if pixels is None or pixels.shape != picture.pixels.shape:
        return Quality(item.id, reference, before, None)
    from core.images.blend import blend

    after = blend(picture.pixels, pixels, item.strength_percent / 100)
    return Quality(item.id, reference, before, metrics.score(after, truth.pixels, protocol))
