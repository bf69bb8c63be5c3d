"""One photo of the queue, and the file the queue is kept in.

Items are frozen: a change makes a new one. The file holds one short line per item.
"""

from __future__ import annotations

import json
import logging
import os
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import atomic, foreign_text, tasks
from core.images.types import ReceiptLine, WriteOptions
from core.model import memory_edit
from core.problems import Problem
from core.restoring.records import NAMING, Choice, Made
from core.restoring.scales import AUTO, WHOLE
from core.restoring.verdict import Verdict
from core.restoring.verdict import words as verdict_words

if TYPE_CHECKING:
    from core.restoring.which import Which

log = logging.getLogger(__name__)

FORMAT = 1
DEFAULT_OPTIONS = WriteOptions()


class ItemState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LEFT = "left"  # a person said that nothing of it is to go


class Origin(StrEnum):
    FILE = "file"
    PASTED = "pasted"  # a clipboard picture, written to the data folder
    SAMPLE = "sample"  # ships with the program, possibly where nothing may be written


def thoroughness_words(thoroughness: float) -> str:
    """Of 1 to 2: "normal", "+50 %"; 100 % would read as all of it, beside a strength where it is."""
    return "normal" if thoroughness == memory_edit.LEAST_THOROUGH else f"{100 * (thoroughness - 1):+.0f} %"


def task_words(choice: Choice) -> str:
    """What a restoration does, in words: "Remove rain"."""
    return "Take out what each shows" if choice.task == tasks.AUTO else tasks.of(choice.task).verb


def was_marked(made: Made) -> bool:
    """Whether nothing was looked for: somebody had said where the damage is."""
    from core.data.guidance import (
        GUESSED,
        NO_MASK,
    )  # decodes pictures, which the first paint does not wait for

    return made.verdict.found is None and made.mask not in (NO_MASK, GUESSED)


def made_words(made: Made) -> str:
    """For under the thumbnail: "✓ most gone", "✓ as marked"."""
    return "✓ as marked" if was_marked(made) else made.verdict.short(made.task, "✓")


def setting_words(choice: Choice) -> dict[str, str]:
    """Each setting that makes another picture, by its field, in words. Device, precision and tile only take longer."""
    return {
        "thoroughness": f"thoroughness {thoroughness_words(choice.thoroughness)}",
        "scale": _SCALES.get(choice.scale, f"scale {choice.scale}"),
        "undo": "smear undone first" if choice.undo else "smear left to the network",
    }


_SCALES = {AUTO: "automatic scale", WHOLE: "full size"}
_USUAL = Choice()


def choice_words(choice: Choice) -> str:
    """The same with what is not as usual: "Remove rain · my-model · thoroughness +50 % · scale 1/2"."""
    parts = [task_words(choice)]
    if choice.task != tasks.AUTO and choice.model != tasks.of(choice.task).default_model:
        parts.append(Path(choice.model).name)
    parts += [
        words
        for name, words in setting_words(choice).items()
        if getattr(choice, name) != getattr(_USUAL, name)
    ]
    return " · ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class SaveNote:
    """Where and how the result was saved last; enough for the command line to do it again."""

    path: Path
    strength_percent: int | None  # None: of an earlier result
    options: WriteOptions = DEFAULT_OPTIONS
    file_bytes: int = 0  # with file_mtime_ns: whether it is still the file that was written
    file_mtime_ns: int = 0
    naming: str = NAMING


@dataclass(frozen=True, slots=True)
class ResultNote:
    """Everything about one restoration except its pixels; enough to describe, repeat and save it."""

    choice: Choice  # that was asked for
    made: Made
    width: int
    height: int
    bit_depth: int
    source_bytes: int  # with source_mtime_ns: which version of the source file this belongs to
    source_mtime_ns: int
    mask_name: str = ""  # in the mask store, where one was painted
    only_name: str = ""
    taught_name: str = ""  # what was taught on the Memory page, likewise


@dataclass(frozen=True, slots=True)
class Kept:
    """A result that was put aside, so that one with other settings can be seen beside it."""

    key: str  # of its pixels in the result store
    note: ResultNote
    strength_percent: int

    def words(self, beside: ResultNote | None, strength_percent: int) -> str:
        """What it was made with, as far as it differs from the present result: "thoroughness +50 %, strength 60 %"."""
        mine, other = self.note, beside
        said = []
        if other is None or mine.made.task != other.made.task:
            said.append(task_words(mine.choice))
        if other is None or mine.made.model_name != other.made.model_name:
            said.append(mine.made.model_name)
        for name, words in setting_words(mine.choice).items():
            if other is None or getattr(mine.choice, name) != getattr(other.choice, name):
                said.append(words)
        if other is not None and (mine.mask_name, mine.only_name, mine.taught_name) != (
            other.mask_name,
            other.only_name,
            other.taught_name,
        ):
            said.append("other masks")
        if self.strength_percent != strength_percent:
            said.append(f"strength {self.strength_percent} %")
        return ", ".join(said) or "the same settings"


@dataclass(frozen=True, slots=True)
class LookNote:
    """What was seen in a photo before it is restored."""

    choice: Choice  # as far as a look depends on it
    verdict: Verdict
    which: Which | None = None  # what the photo shows, where it is to say that itself
    masks: tuple[str, str] = ("", "")  # that it was looked at with: of the damage, of what may change

    @property
    def short(self) -> str:
        """For under the thumbnail."""
        if self.masks[0] and self.verdict.found is None:
            return "marked"
        return self.which.short if self.which is not None else self.verdict.short(self.choice.task)

    @property
    def words(self) -> str:
        """One sentence; empty where nothing can be said."""
        if self.masks[0] and self.verdict.found is None:
            return f"The {tasks.of(self.choice.task).damage} is where you marked it"
        return (
            self.which.words
            if self.which is not None
            else verdict_words(self.verdict, self.choice.task, restored=False)
        )


_ids = (
    random.Random()
)  # of its own, seeded by the system: asking that for each of ten thousand photos holds the window


@dataclass(frozen=True, slots=True)
class Item:
    """One photo of the queue."""

    path: Path
    id: str = field(default_factory=lambda: f"{_ids.getrandbits(64):016x}")
    origin: Origin = Origin.FILE
    state: ItemState = ItemState.WAITING
    strength_percent: int = 100
    tile: int = 0
    tile_count: int = 0
    seconds_left: float | None = None
    problem: Problem | None = None
    result: ResultNote | None = None
    saved: SaveNote | None = None
    receipt: tuple[ReceiptLine, ...] = ()
    reference: Path | None = None
    mask: str = ""  # where the damage is: a name in the mask store; "": none
    only: str = ""  # where it may be restored, likewise
    look: LookNote | None = None  # of this start only, like what follows
    kept: Kept | None = None  # another result, put aside
    said: str = ""  # the task that a person said it needs, where the photo is to say that itself
    left: str = ""  # the task that it was left out of; what is chosen then, also Auto

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_saved(self) -> bool:
        """Saved, and nothing changed since."""
        return self.saved is not None and self.saved.strength_percent == self.strength_percent

    @property
    def asks(self) -> bool:
        """Nothing went wrong: what it shows could not be told, and somebody has to say what is to go."""
        return self.state is ItemState.FAILED and self.problem is not None and self.problem.key == "which"

    @property
    def can_be_retried(self) -> bool:
        """Failed or cancelled. One that asks would only ask again."""
        return self.state in (ItemState.FAILED, ItemState.CANCELLED) and not self.asks

    @property
    def is_unchanged(self) -> bool:
        """Restored, and nothing was found: the result is the photo itself."""
        return self.state is ItemState.DONE and self.result is not None and self.result.made.verdict.unchanged

    @property
    def wants_saving(self) -> bool:
        """Whether "Save all" means it: what is restored, is another picture than the photo, and is not saved as it is."""
        return self.state is ItemState.DONE and not self.is_saved and not self.is_unchanged

    @property
    def status(self) -> str:
        """The few words under the thumbnail."""
        if self.state is ItemState.RUNNING:
            return f"{self.tile}/{self.tile_count}" if self.tile_count else "starting"
        return {
            ItemState.WAITING: self.look.short if self.look else "to do",
            ItemState.DONE: made_words(self.result.made) if self.result else "✓",
            ItemState.FAILED: "⚠ not sure" if self.asks else "⚠ retry",
            ItemState.CANCELLED: "cancelled",
            ItemState.LEFT: "left as it is",
        }[self.state]


def item_as_json(item: Item) -> dict[str, Any]:
    """What of ``item`` outlives the program; a running photo is a waiting one after a restart."""
    state = ItemState.WAITING if item.state is ItemState.RUNNING else item.state
    found: dict[str, Any] = {"path": str(item.path), "id": item.id, "state": state.value}
    if item.origin is not Origin.FILE:
        found["origin"] = item.origin.value
    if item.strength_percent != 100:
        found["strength_percent"] = item.strength_percent
    for key in ("problem", "result"):
        value = getattr(item, key)
        if value is not None:
            found[key] = asdict(value)
    if item.kept is not None:
        found["kept"] = asdict(item.kept)
    if item.saved is not None:
        options = asdict(item.saved.options)
        found["saved"] = {**asdict(item.saved), "path": str(item.saved.path), "options": options}
    if item.receipt:
        found["receipt"] = [asdict(line) for line in item.receipt]
    for key in ("mask", "only", "left"):
        if getattr(item, key):
            found[key] = getattr(item, key)
    if item.reference is not None:
        found["reference"] = str(item.reference)
    return found


def item_from_json(data: Mapping[str, Any]) -> Item:
    """The reverse of :func:`item_as_json`. Raises KeyError, TypeError or ValueError for anything else."""
    result = data.get("result")
    problem = data.get("problem")
    saved = data.get("saved")
    reference = data.get("reference")
    strength = int(data.get("strength_percent", 100))
    if not 0 <= strength <= 100:
        raise ValueError(f"strength_percent {strength}, need 0 to 100")
    return Item(
        path=Path(data["path"]),
        id=str(data["id"]),
        origin=Origin(data.get("origin", "file")),
        state=ItemState(data["state"]),
        strength_percent=strength,
        problem=Problem(**problem) if problem else None,
        result=_result_from_json(result) if result else None,
        saved=_saved_from_json(saved) if saved else None,
        receipt=tuple(ReceiptLine(**line) for line in data.get("receipt", ())),
        reference=Path(reference) if reference else None,
        mask=_mask_name(data.get("mask", "")),
        only=_mask_name(data.get("only", "")),
        kept=_kept_from_json(data["kept"]) if data.get("kept") else None,
        left=str(data.get("left", "")),
    )


def _result_from_json(data: Mapping[str, Any]) -> ResultNote:
    data = data if "made" in data else _nested(data)
    return ResultNote(**{**data, "choice": Choice(**data["choice"]), "made": Made.from_dict(data["made"])})


def _kept_from_json(data: Mapping[str, Any]) -> Kept:
    key, strength = data["key"], int(data["strength_percent"])
    if not isinstance(key, str) or not _KEPT_KEY.fullmatch(key) or not 0 <= strength <= 100:
        raise ValueError(f"kept result {key!r} at {strength} %")
    return Kept(key, _result_from_json(data["note"]), strength)


def kept_key(item_id: str) -> str:
    """A new name in the result store for a result of this photo that is put aside."""
    return f"{item_id}-{os.urandom(4).hex()}"


_KEPT_KEY = re.compile(r"[0-9a-f]+-[0-9a-f]+")  # no way to another place than the store


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """A result as queues held it before choice and making had records of their own."""
    data = {"scale": WHOLE, "thoroughness_percent": 100, "mask": "none", "only": "none", **flat}
    thoroughness = data.pop("thoroughness_percent") / 100
    verdict = {
        name: data.pop(old)
        for name, old in (
            ("found", "found"), ("gone", "gone"), ("scale", "scale_used"), ("why", "scale_why"), ("unchanged", "unchanged"),
        )
        if old in data
    }  # fmt: skip
    asked = {"task": data["task"], "model": data.pop("model"), "scale": data["scale"]}
    made = {each.name: data.pop(each.name) for each in fields(Made) if each.name in data}
    made |= {"memory": memory_edit.note(memory_edit.thorough(thoroughness)), "verdict": verdict}
    return {**data, "choice": {**asked, "thoroughness": thoroughness}, "made": made}


def _saved_from_json(data: Mapping[str, Any]) -> SaveNote:
    """Before the options had a record of their own, they stood beside the path."""
    left = dict(data)
    options = left.pop("options", None)
    if options is None:
        options = {each.name: left.pop(each.name) for each in fields(WriteOptions) if each.name in left}
    return SaveNote(**{**left, "path": Path(left["path"]), "options": WriteOptions(**options)})


def _mask_name(value: Any) -> str:
    """Raises ValueError for what would be another place than the store."""
    if not isinstance(value, str) or not all(sign in "0123456789abcdef" for sign in value):
        raise ValueError(f"mask {value!r}, need a name in the store")
    return value


def write_queue(file: Path, items: Sequence[Item], current_id: str | None) -> None:
    """Write the queue as JSON, atomically. One short line per item keeps other threads running."""
    lines = [json.dumps(item_as_json(item)) for item in items]
    text = '{"format": %d, "current": %s, "items": [\n%s\n]}\n' % (  # noqa: UP031
        FORMAT,
        json.dumps(current_id),
        ",\n".join(lines),
    )
    atomic.write_text(file, text)


def read_queue(file: Path) -> tuple[list[Item], str | None, str]:
    """Items, current id, and a sentence when something was wrong. Never raises for a damaged file."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return [], None, ""
    except (OSError, UnicodeDecodeError) as exc:
        return [], None, _set_aside(file, exc)
    try:
        data = foreign_text.parse_json(text)
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']}, this program reads {FORMAT}")
        items = [item_from_json(entry) for entry in data["items"]]
        current = data["current"]
        return items, current if isinstance(current, str) else None, ""
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        return [], None, _set_aside(file, exc)


def _set_aside(file: Path, exc: Exception) -> str:
    aside = file.with_name(f"{file.name}.damaged-{datetime.now():%Y%m%d-%H%M%S}")
    log.warning("queue %s could not be read: %r", file, exc)
    try:
        file.replace(aside)
    except OSError as failed:
        log.warning("and could not be set aside: %s", failed)
        return "The list of photos from last time could not be read."
    return f"The list of photos from last time could not be read. It was set aside as {aside.name}."
