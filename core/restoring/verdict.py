"""What was found in a photo and what became of it, in a few words that no number stands beside.

A pass of the network is measured (:class:`Measure`); a model's own :class:`Thresholds`, found at the end of its
training (:mod:`core.restoring.calibration`), turn that into a :class:`Verdict`. A model without them restores as
ever and gives no verdict. No torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from core import tasks
from core.restoring.scales import WHOLE
from core.tasks import TASKS

NOTHING, LITTLE, MUCH = "nothing", "little", "much"
RECORD = "verdict"  # the key in a model's provenance, see core.model.checkpoint.MEASURED_SINCE
LEAST_CHANGE = 0.5  # levels of 255 where damage responds: less is not called restored
_GONE = (
    # from this share on: in a sentence before "of it gone", and below a thumbnail
    (0.95, "nearly all", "nearly gone"),
    (0.8, "most", "most gone"),
    (0.7, "about three quarters", "¾ gone"),
    (0.58, "about two thirds", "⅔ gone"),
    (0.42, "about half", "½ gone"),
    (0.29, "about a third", "⅓ gone"),
    (0.12, "a little", "little gone"),
    (0.0, "hardly any", "hardly gone"),
)
"""A share is an estimate: its words claim no more than it can hold, and are all that is said of it."""
_SOME_GONE = 0.29
_FLOOR = 1e-3


@dataclass(frozen=True, slots=True)
class Measure:
    """What one pass saw and did, over all pixels it looked at. Levels are of 255."""

    change: float  # root mean square of the correction, levels
    amount: float  # mean of |correction| times negative response, levels; without a memory |correction| alone
    response: float | None  # mean negative response, 0..1; None without a memory
    where: float  # mean |correction| where damage responds, levels

    @property
    def sight(self) -> float:
        """How well the damage is seen at this size, to compare scales by: large where it is changed and responds."""
        return self.change if self.response is None else self.change * self.response

    @staticmethod
    def of(changes2: float, weighted: float, responses: float, cells: int, has_memory: bool) -> Measure:
        """From sums over ``cells`` equal places: squared and weighted change in levels, response."""
        cells = max(1, cells)
        return Measure(
            math.sqrt(changes2 / cells),
            weighted / cells,
            responses / cells if has_memory else None,
            weighted / responses if responses > _FLOOR else 0.0,
        )


NO_MEASURE = Measure(0.0, 0.0, None, 0.0)


def features(before: Measure, after: Measure | None) -> tuple[float, ...]:
    """What tells how much of the damage is gone: a photo's first look and one at its result. Law: finite numbers."""
    second = after or Measure(0.0, 0.0, 0.0, 0.0)
    return (
        1.0,
        before.response or 0.0,
        second.response or 0.0,
        math.log(before.amount + 0.05),
        math.log(second.amount + 0.05),
        math.log((second.change + 0.1) / (before.change + 0.1)),
    )


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where a model's own measures turn from nothing to little to much, in levels of :attr:`Measure.amount`.

    ``gone`` weighs :func:`features` to the share of the damage's energy (squared error) that is gone, which is nearer to what one sees
    than the share of its amplitude: half of that and three quarters of this are the same. None where no number is told because it would not rank as the truth does.
    ``photos`` says what it was measured on: kind -> count, share found, mean gone, for people to read.
    """

    nothing_below: float
    much_from: float
    gone: tuple[float, ...] | None = None
    rank_correlation: float | None = None
    photos: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def of(provenance: Mapping[str, Any]) -> Thresholds | None:
        """Those of a model's record; None where it has none or they make no sense."""
        record = provenance.get(RECORD)
        if not isinstance(record, Mapping):
            return None
        try:
            low, high = float(record["nothing_below"]), float(record["much_from"])
            weights = record.get("gone")
            gone = None if weights is None else tuple(float(weight) for weight in weights)
        except (KeyError, TypeError, ValueError):
            return None
        whole = features(Measure(0, 0, 0, 0), None)
        if not 0 <= low <= high or (gone is not None and len(gone) != len(whole)):
            return None
        return Thresholds(low, high, gone, record.get("rank_correlation"), record.get("photos"))

    def found(self, measure: Measure) -> str:
        if measure.amount < self.nothing_below:
            return NOTHING
        return MUCH if measure.amount >= self.much_from else LITTLE

    def share_gone(self, before: Measure, after: Measure | None) -> float | None:
        """0..1, or None where it cannot be told."""
        if self.gone is None or after is None:
            return None
        values = features(before, after)
        return min(1.0, max(0.0, math.fsum(w * x for w, x in zip(self.gone, values, strict=True))))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said about a photo."""

    found: str | None = None  # "nothing" "little" "much"; None: the model has no thresholds
    gone: float | None = None  # 0..1; None: cannot be told
    scale: str = WHOLE  # at which it was restored, or would have been
    why: str = ""  # why this scale, one sentence
    unchanged: bool = False  # nothing was found, so the photo came back as it went in
    smear_px: float | None = (
        None  # how long the smear is, in the photo's pixels; None: it has none, or cannot be told
    )
    smear_deg: float | None = None  # which way it runs: 0..180 from the horizontal, counter-clockwise
    undone: bool = False  # whether the smear was undone before the network restored the photo

    def short(self, task: str, done: str = "") -> str:
        """Two or three words for under a thumbnail: "much rain", "✓ no rain", "✓ most gone"."""
        if self.found is None:
            return done or "waiting"
        if self.gone is not None:
            return f"{done} {_gone(self.gone)[2]}".strip()
        amount = {NOTHING: "no", LITTLE: "some", MUCH: "much"}[self.found]
        return f"{done} {amount} {_damage(task)}".strip()

    def as_dict(self) -> dict[str, Any]:
        return {
            "found": self.found,
            "gone": None if self.gone is None else round(self.gone, 3),
            "scale": self.scale,
            "scale_why": self.why,
            "unchanged": self.unchanged,
            "smear_px": None if self.smear_px is None else round(self.smear_px, 1),
            "smear_deg": self.smear_deg,
            "smear_undone": self.undone,
        }


NO_VERDICT = Verdict()


def words(verdict: Verdict, task: str, restored: bool = True) -> str:
    """One sentence for a photographer; ``restored`` False: the photo was only looked at. Empty: no verdict."""
    damage = _damage(task)
    if verdict.found is None:
        return ""
    if verdict.found == NOTHING:
        what = (TASKS[task].nothing if task in TASKS else "") or f"No {damage} found"
        return f"{what}, nothing changed" if restored and verdict.unchanged else what
    what = f"{'A little' if verdict.found == LITTLE else 'Much'} {damage} found"
    if task in TASKS and TASKS[task].smears:
        what += _smear_words(verdict)
    if not restored or verdict.gone is None:
        return what
    return f"{what}, {_gone(verdict.gone)[1]} of it gone"


def _damage(task: str) -> str:
    return TASKS[task].damage if task in TASKS else "damage"


def _gone(share: float) -> tuple[float, str, str]:
    return next(row for row in _GONE if share >= row[0] or row is _GONE[-1])


def behind(verdict: Verdict) -> str:
    """What stands behind :func:`words`: how the share is known, and at which scale the damage was looked for."""
    said = []
    if verdict.gone is not None and verdict.found != NOTHING:
        said.append("How much is gone is an estimate, from what the model still sees in the result.")
    if verdict.why:
        used = "full size" if verdict.scale == WHOLE else verdict.scale
        said.append(f"Looked for at {used}: {verdict.why.rstrip('.')}.")
    return " ".join(said)


def _smear_words(verdict: Verdict) -> str:
    if verdict.smear_px is None or verdict.smear_deg is None:
        return " (how long and which way cannot be told)"
    turned = verdict.smear_deg % 180
    if turned <= 15 or turned >= 165:
        way = "level"
    elif 75 <= turned <= 105:
        way = "upright"
    else:
        way = "rising to the right" if turned < 90 else "falling to the right"
    return f" (about {verdict.smear_px:.0f} px long, {way})"


def advice(verdict: Verdict, task: str) -> str:
    """What could help where hardly anything was found or taken; empty where nothing needs to."""
    if verdict.found == NOTHING:
        noun = TASKS[task].noun if task in TASKS else "damage"
        if tasks.of(task).takes_masks:
            return "If you see one, mark it: a mask says where it is."
        return f"If you see {noun}, try another scale or another task."
    if tasks.of(task).takes_masks:  # which reads no more firmly, and whose light is found small anyway
        return "If some is left, mark it: a mask says where it is." if verdict.found == LITTLE else ""
    firmer = "more thoroughness or another scale" if tasks.of(task).more_is_stronger else "another scale"
    if verdict.gone is not None and verdict.gone < _SOME_GONE:
        return f"{firmer.capitalize()} may take more."
    if verdict.found == LITTLE and verdict.gone is None:
        return f"If something is left, try {firmer}."
    return ""
