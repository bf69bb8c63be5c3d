"""Changes to what a network's memory holds, made at run time: mute, boost or swap slots.

An edit moves and weighs *contents*; where a place of the photo looks in the memory stays as it was. So muting
shows what a slot contributes, and swapping shows whether it matters which slot holds what. Importing this
module does not import torch.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import foreign_text
from core.model.config import GRANULARITIES, POLARITIES, NetworkConfig, slot_rows

if TYPE_CHECKING:
    from core.model.memory import RowEdit

VERSION = 1
ACTIONS = ("mute", "boost", "swap")
CONTENTS = ("both", "learned", "actual")
MAX_GAIN = 8.0
"""Beyond it the convolutions that follow are far outside of what they have ever seen."""
LEAST_THOROUGH, MOST_THOROUGH = 1.0, 2.0
"""Of :func:`thorough`: 2 costs fine detail already, so there is no use for more."""
_MAX_FILE_BYTES = 1 << 20

UNCHANGED, MUTED = "unchanged", "muted"


class MemoryEditError(ValueError):
    """The edit cannot be used; the message names the place in it, its value and what is allowed."""

    problem_key = "memory-edit"


@dataclass(frozen=True, slots=True)
class Slots:
    """A choice of slots: those of one polarity and granularity, or of all where a field is empty.

    Args:
        polarity: ``"positive"``, ``"negative"`` or ``""`` for both.
        granularity: ``"part"``, ``"instance"``, ``"semantic"`` or ``""`` for all.
        numbers: slots of this granularity, counted from 0; empty for all of them.

    Raises:
        MemoryEditError: an unknown name, a number below 0 or named twice, numbers without a granularity.
    """

    polarity: str = ""
    granularity: str = ""
    numbers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _one_of("polarity", self.polarity, POLARITIES)
        _one_of("granularity", self.granularity, GRANULARITIES)
        numbers = self.numbers
        if not isinstance(numbers, tuple) or any(type(n) is not int or n < 0 for n in numbers):
            raise MemoryEditError(f"slots {_shown(numbers)}: need a list of whole numbers from 0 on")
        if twice := sorted({number for number in numbers if numbers.count(number) > 1}):
            raise MemoryEditError(f"slots {_list(numbers)}: {_list(twice)} named twice")
        if numbers and not self.granularity:
            raise MemoryEditError(
                f"slots {_list(numbers)}: name their granularity ({', '.join(GRANULARITIES)})"
            )

    def __str__(self) -> str:
        words = [self.polarity, self.granularity, _list(self.numbers) if self.numbers else "slots"]
        return " ".join(word for word in words if word)

    def rows(self, counts: tuple[int, int, int]) -> list[int]:
        """Their rows in a table of all slots, which holds ``counts`` slots of each polarity (see
        :func:`core.model.config.slot_rows`). Raises MemoryEditError for a slot that is not there."""
        found = []
        for (polarity, granularity), rows in slot_rows(counts).items():
            if self.polarity not in ("", polarity) or self.granularity not in ("", granularity):
                continue
            count = rows.stop - rows.start
            if beyond := [number for number in self.numbers if number >= count]:
                raise MemoryEditError(
                    f"slots {_list(beyond)}: this model has {count} {granularity} slots, 0 to {count - 1}"
                )
            found += [rows.start + number for number in (self.numbers or range(count))]
        return found

    def as_dict(self) -> dict[str, Any]:
        values = {"polarity": self.polarity, "granularity": self.granularity, "slots": list(self.numbers)}
        return {key: value for key, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class Step:
    """One change: ``action`` "mute" (read nothing), "boost" (read ``gain`` times as much) or "swap".

    Args:
        gain: 1 to 8, for "boost" alone.
        other: for "swap" alone; the first slot of the one exchanges its content with the first of the other, and
            so on. They need to be as many, and none may stand on both sides.
    """

    action: str
    slots: Slots = field(default_factory=Slots)
    gain: float = 1.0
    other: Slots | None = None

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise MemoryEditError(f"action {self.action!r}: need {', '.join(ACTIONS)}")
        number = isinstance(self.gain, (int, float)) and not isinstance(self.gain, bool)
        if not number or not 1.0 <= self.gain <= MAX_GAIN:
            raise MemoryEditError(f"gain {_shown(self.gain)}: need a number from 1 to {MAX_GAIN:g}")
        object.__setattr__(self, "gain", float(self.gain))  # 2 and 2.0 are one edit with one fingerprint
        if self.action != "boost" and self.gain != 1.0:
            raise MemoryEditError(f"gain {self.gain:g}: goes with boost, not with {self.action}")
        if (self.action == "swap") != (self.other is not None):
            raise MemoryEditError(
                'swap: say "with" which slots' if self.action == "swap" else f'{self.action}: takes no "with"'
            )

    def as_dict(self) -> dict[str, Any]:
        found = {"action": self.action, **self.slots.as_dict()}
        if self.action == "boost":
            found["gain"] = self.gain
        if self.other is not None:
            found["with"] = self.other.as_dict()
        return found


@dataclass(frozen=True, slots=True)
class MemoryEdit:
    """Steps done one after the other; a content that is moved takes its gain along.

    Args:
        contents: what is edited: what the slots ``"learned"``, what they hold of the ``"actual"`` photo, or
            ``"both"``.

    Raises:
        MemoryEditError: contents of another name.
    """

    steps: tuple[Step, ...] = ()
    contents: str = "both"

    def __post_init__(self) -> None:
        if self.contents not in CONTENTS:
            raise MemoryEditError(f"contents {_shown(self.contents)}: need {', '.join(CONTENTS)}")

    def table(self, config: NetworkConfig) -> tuple[list[int], list[float]]:
        """Of all R slots: whose content is read instead of their own, and how many times.

        Raises:
            MemoryEditError: the network lacks the memory or a slot, slots that cannot be swapped, a gain that
                several steps raise beyond 8.
        """
        if self.steps and not config.has_memory:
            raise MemoryEditError("this model has no memory to edit")
        if self.steps and self.contents == "actual" and not config.actual:
            raise MemoryEditError("contents 'actual': this model has no actual memory")
        count = len(POLARITIES) * sum(config.slots)
        source, gain = list(range(count)), [1.0] * count
        for index, step in enumerate(self.steps, 1):
            try:
                _apply(step, config.slots, source, gain)
            except MemoryEditError as error:
                raise MemoryEditError(f"step {index}, {step.action}: {error}") from error
        return source, gain

    def rows(self, config: NetworkConfig) -> RowEdit:
        """The edit as the network takes it. Raises what :meth:`table` raises."""
        import torch

        from core.model.memory import RowEdit

        source, gain = self.table(config)
        return RowEdit(
            torch.tensor(source),
            torch.tensor(gain, dtype=torch.float32),
            learned=self.contents != "actual",
            actual=self.contents != "learned",
        )

    def changes(self, config: NetworkConfig) -> bool:
        """Whether anything is read that would not be read anyway. Raises what :meth:`table` raises."""
        source, gain = self.table(config)
        return source != list(range(len(source))) or any(value != 1.0 for value in gain)

    # --- as text ------------------------------------------------------------------------------------

    def as_dict(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "contents": self.contents,
            "steps": [step.as_dict() for step in self.steps],
        }

    def to_json(self) -> str:
        return json.dumps(self.as_dict(), indent=2) + "\n"

    @staticmethod
    def from_json(text: str) -> MemoryEdit:
        """Raises MemoryEditError: no JSON, an unknown key or version, a value that is not allowed."""
        try:
            values = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            raise MemoryEditError(
                f"not valid JSON: {error.msg} in line {error.lineno}, column {error.colno}"
            ) from error
        except MemoryEditError:
            raise
        except (ValueError, RecursionError) as error:  # numbers of thousands of digits, brackets in brackets
            raise MemoryEditError(f"not valid JSON: {error}") from error
        return MemoryEdit.from_dict(values)

    @staticmethod
    def from_dict(values: Any) -> MemoryEdit:
        """Raises MemoryEditError as :meth:`from_json`."""
        _known("edit", values, ("version", "contents", "steps"))
        version = values.get("version")
        if type(version) is not int or version != VERSION:
            given = "no version" if version is None else f"version {_shown(version)}"
            raise MemoryEditError(f'{given}: this program reads "version": {VERSION}')
        steps = values.get("steps", [])
        if not isinstance(steps, list):
            raise MemoryEditError(f"steps {_shown(steps)}: need a list")
        found = []
        for index, step in enumerate(steps, 1):
            try:
                found.append(_step(step))
            except MemoryEditError as error:
                raise MemoryEditError(f"step {index}: {error}") from error
        return MemoryEdit(tuple(found), values.get("contents", "both"))

    @staticmethod
    def read(path: Path) -> MemoryEdit:
        """An edit from a JSON file. Raises MemoryEditError with the file's name, also if it cannot be read."""
        try:
            foreign_text.check_is_regular(path)
            with path.open("rb") as file:
                data = file.read(_MAX_FILE_BYTES + 1)
        except OSError as error:
            raise MemoryEditError(f"{path}: {error.strerror or error}") from error
        try:
            if len(data) > _MAX_FILE_BYTES:
                raise MemoryEditError(f"more than {_MAX_FILE_BYTES >> 20} MiB; an edit is a short JSON text")
            return MemoryEdit.from_json(data.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise MemoryEditError(f"{path}: not a text in UTF-8 (byte {error.start})") from error
        except MemoryEditError as error:
            raise MemoryEditError(f"{path}: {error}") from error

    def sha256(self) -> str:
        """Of the canonical text: equal edits have equal sums."""
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def thorough(thoroughness: float, edit: MemoryEdit | None = None) -> MemoryEdit | None:
    """The edit that reads the memory of damage ``thoroughness`` times: takes more of what looks like damage, and sooner
    or later fine detail with it.

    Args:
        thoroughness: 1 to 2; at 1 the answer is ``edit`` itself, so nothing changes.
        edit: done first; what the negative slots hold after it is what is read more often.

    Raises:
        MemoryEditError: no number from 1 to 2, or an ``edit`` of the learned or of the actual contents alone.
    """
    number = isinstance(thoroughness, (int, float)) and not isinstance(thoroughness, bool)
    if not number or not LEAST_THOROUGH <= thoroughness <= MOST_THOROUGH:
        allowed = f"{LEAST_THOROUGH:g} to {MOST_THOROUGH:g}"
        raise MemoryEditError(f"thoroughness {_shown(thoroughness)}: need a number from {allowed}")
    if thoroughness == LEAST_THOROUGH:
        return edit
    steps = edit.steps if edit is not None else ()
    if edit is not None and steps and edit.contents != "both":
        raise MemoryEditError(
            f"thoroughness {_shown(thoroughness)}: holds for both contents, and the edit is of the "
            f"{edit.contents} ones alone"
        )
    return MemoryEdit((*steps, Step("boost", Slots("negative"), thoroughness)))


def note(edit: MemoryEdit | None, muted: bool = False) -> str:
    """What a result records about its memory: ``"unchanged"``, ``"muted"``, ``"read with thoroughness"`` and how
    much, or ``"edited"`` and the edit's sum; after it the thoroughness where it has both."""
    if muted:
        return MUTED
    if edit is None or not edit.steps:
        return UNCHANGED
    last = edit.steps[-1]
    is_thorough = (last.action, last.slots, edit.contents) == ("boost", Slots("negative"), "both")
    if not is_thorough or not LEAST_THOROUGH < last.gain <= MOST_THOROUGH:
        return f"edited {edit.sha256()[:16]}"
    words = f"read with thoroughness {last.gain:.6g}"
    rest = edit.steps[:-1]
    return f"{note(MemoryEdit(rest))}, {words}" if rest else words


def _apply(step: Step, counts: tuple[int, int, int], source: list[int], gain: list[float]) -> None:
    rows = step.slots.rows(counts)
    if step.other is None:
        for row in rows:
            gain[row] *= 0.0 if step.action == "mute" else step.gain
            if gain[row] > MAX_GAIN:
                raise MemoryEditError(
                    f"gain {gain[row]:g} of {step.slots} with the steps before: need at most {MAX_GAIN:g}"
                )
        return
    others = step.other.rows(counts)
    if len(rows) != len(others):
        raise MemoryEditError(
            f"{step.slots} are {len(rows)}, {step.other} are {len(others)}: need as many of both"
        )
    if set(rows) & set(others):
        raise MemoryEditError(f"{step.slots} with {step.other}: the same slot stands on both sides")
    for row, other in zip(rows, others, strict=True):
        source[row], source[other] = source[other], source[row]
        gain[row], gain[other] = gain[other], gain[row]


def _step(values: Any) -> Step:
    keys = ("action", "polarity", "granularity", "slots", "gain", "with")
    _known("a step", values, keys)
    if "action" not in values:
        raise MemoryEditError(f"no action: need {', '.join(ACTIONS)}")
    action = values["action"]
    if "gain" in values and action != "boost":
        raise MemoryEditError(f"gain {_shown(values['gain'])}: goes with boost, not with {action}")
    if action == "boost" and "gain" not in values:
        raise MemoryEditError(f"boost: say the gain, 1 to {MAX_GAIN:g}")
    other = None
    if "with" in values:
        _known('"with"', values["with"], keys[1:4])
        try:
            other = _slots(values["with"])
        except MemoryEditError as error:
            raise MemoryEditError(f"with: {error}") from error
    return Step(action, _slots(values), values.get("gain", 1.0), other)


def _slots(values: Mapping[str, Any]) -> Slots:
    numbers = values.get("slots", [])
    if not isinstance(numbers, list):
        raise MemoryEditError(f"slots {_shown(numbers)}: need a list of whole numbers from 0 on")
    return Slots(values.get("polarity", ""), values.get("granularity", ""), tuple(numbers))


def _one_of(name: str, value: Any, known: Sequence[str]) -> None:
    if value != "" and value not in known:
        raise MemoryEditError(f"{name} {_shown(value)}: need {' or '.join(known)}, or leave it out for all")


def _known(what: str, values: Any, known: Sequence[str]) -> None:
    if not isinstance(values, dict):
        raise MemoryEditError(f"{what} {_shown(values)}: need an object with {', '.join(known)}")
    if unknown := [key for key in values if key not in known]:
        close = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0.6)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise MemoryEditError(f"unknown key {_shown(unknown[0])} (known: {', '.join(known)}){hint}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON allows a key twice and keeps the last; what was meant, nobody knows."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise MemoryEditError(f"key {_shown(key)} stands twice")
        found[key] = value
    return found


def _no_constant(name: str) -> float:
    raise MemoryEditError(f"{name}: is no number that JSON knows")


def _shown(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) and math.isfinite(value) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _list(numbers: Sequence[int]) -> str:
    text = ", ".join(map(str, numbers[:8]))
    return text if len(numbers) <= 8 else f"{text}, ..."
