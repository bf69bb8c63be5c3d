"""What the Memory page says, in plain words; the numbers stand behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from core import tasks
from core.model.memory_edit import Slots, Step
from core.restoring.verdict import LITTLE
from core.restoring.verdict import behind as verdict_behind
from core.restoring.verdict import words as verdict_words
from core.tasks import damage

if TYPE_CHECKING:
    from core.model.health import GroupHealth
    from core.restoring.memory.inspection import Response
    from core.restoring.memory.map import Move
    from core.restoring.memory.places import NearSamples, Origin, PlaceSeen, SlotShare
    from core.restoring.memory.probe import Change
    from core.restoring.memory.slots import SlotFacts
    from core.restoring.verdict import Verdict
    from memorynet_gui.memory.bench.records import SlotEffect, Tried

_TOLD = 2  # changes of the memory that the headline names
_ALL_OVER, _MOST = 0.5, 0.75  # of the photo, of what was found: neither half has it all
_HARDLY = 0.02  # share of the photo: less is a cell here and there
STANDS_OUT = 0.02
"""Of a cosine: a sample that is more alike by less than this says nothing that every place does not."""
_EVEN, _UNEVEN = 0.8, 0.5  # of the entropy of usage
_MUCH_SILENT = 0.5
_STIRRED = 0.05  # of a response
_CLEARLY = 0.75  # of the response of a place
_FEW = 0.1  # of the photo: what gives half of a content is a part of it, and not all of it


def percent(share: float) -> str:
    if 0 < share < 0.01:
        return "under 1 %"
    return f"{share * 100:.0f} %"


def verdict(
    task: str,
    before: Response,
    after: Response | None,
    found: Verdict | None,
    mask: np.ndarray | None = None,
    guesses: bool = False,
) -> str:
    """Above the photo: where damage was recognised, and how much of it is gone. Only a measured verdict may say that; what the
    memory sees in the restored photo is another measure, which stands behind (:func:`behind_verdict`).

    Args:
        after: None while the restored photo is yet to be looked at.
        found: of the restoration.
        mask: (H, W) uint8, where the damage is said to lie; ``guesses``: by the program and not by a person.
    """
    what = damage(task)
    said = verdict_words(found, task) if found is not None else ""
    first = f"{said}. " if said else ""
    takes, whole = "The memory takes", "this photo"
    if mask is not None:
        share = percent(float((mask > 127).mean()))
        first += f"A cast {what} was guessed" if guesses else f"{what.capitalize()} is marked"
        first += f" on {share} of the photo. "
        takes, whole = "Without that hint, place by place, the memory takes", "it"
    if before.area < _HARDLY:
        return (
            f"{first}The memory takes hardly anything here for {what} ({percent(before.area)} of the photo), and what "
            "little lights up may be structure that looks like it."
        )
    seen = f"{first}{takes} {percent(before.area)} of {whole} for {what}{where_words(before.damaged)}"
    if tasks.of(task).smears:
        seen += "; it hardly shows where a photo is smooth"
    if found is not None and (found.unchanged or (found.found == LITTLE and mask is None)):
        seen += f"; what only looks like {what} may be among it"
    if found is not None and found.unchanged:
        return f"{seen}."
    if after is None:
        return f"{seen}. Point at a place to see why."
    if found is not None and found.gone is not None:
        return f"{seen}."
    return f"{seen}. How much of it is gone cannot be told, so drag the line over the photo and look."


def behind_verdict(task: str, after: Response | None, found: Verdict | None) -> str:
    """What stands behind :func:`verdict`: how it is known, and what the memory sees in the restored photo."""
    said = [verdict_behind(found)] if found is not None else []
    if after is not None and not (found is not None and found.unchanged):
        said.append(
            f"Of the restored photo the memory takes {percent(after.area)} for {damage(task)}: its own eye, which may overlook "
            "the same place twice."
        )
    return " ".join(text for text in said if text)


def where_words(seen: np.ndarray) -> str:
    """ ", most of it at the upper left"; "" where it is all over the photo or in several places.

    Args:
        seen: (h, w) bool, the cells that look like damage.
    """
    if not seen.any() or seen.mean() > _ALL_OVER:
        return ""
    rows, columns = (np.nonzero(seen)[axis] / seen.shape[axis] for axis in (0, 1))
    upper, left = float((rows < 0.5).mean()), float((columns < 0.5).mean())
    vertical = "upper" if upper >= _MOST else "lower" if upper <= 1 - _MOST else ""
    side = "left" if left >= _MOST else "right" if left <= 1 - _MOST else ""
    if vertical and side:
        return f", most of it at the {vertical} {side}"
    if side:
        return f", most of it at the {side}"
    if vertical:
        return f", most of it in the {vertical} half"
    middle = (np.abs(rows - 0.5) < 0.25) & (np.abs(columns - 0.5) < 0.25)
    return ", most of it in the middle" if middle.mean() >= _MOST else ""


def told_words(is_told: bool, guesses: bool) -> str:
    """What the network knows of where a shadow lies."""
    if not guesses:
        return "as painted"
    return "as guessed" if is_told else "no cast shadow found"


def changed_words(steps: Sequence[str], not_found: str = "") -> str:
    """Above the photo while a change of the memory is tried: what is compared, and where the tint went.

    Args:
        steps: what is changed, each as a phrase: "Mute negative part 61".
        not_found: damage that was looked for in vain, so that restoring leaves the photo alone.
    """
    shown = [f"{step[:1].lower()}{step[1:].rstrip('.')}" for step in steps[:_TOLD]]
    if len(steps) > _TOLD:
        shown.append(f"{len(steps) - _TOLD} more")
    return (
        f"Compared: the photo restored with the memory as it is, and with this change: {'; '.join(shown)}. "
        "The tint rests until the change is taken back."
    ) + (f" No {not_found} was found, so both are what comes of not being told where." if not_found else "")


def twins_words(task: str, name: str, other: str) -> str:
    """Above the photo while what two models make of it is compared."""
    return (
        f"Compared: what {name} makes of the photo, and {other}. Tinted: what each takes for {damage(task)}."
    )


def place_words(task: str, place: PlaceSeen) -> str:
    what = damage(task)
    if place.response >= _CLEARLY:
        judged = f"Looks like {what}"
    elif place.damaged:
        judged = f"May be {what}"
    elif place.response > 1 - _CLEARLY:
        judged = "Looks rather undamaged"
    else:
        judged = "Looks undamaged"
    return f"{judged} ({place.response:.2f} of 1)."


SLOTS_ARE = (
    "Slots are what the memory knows, from small (part) to large (semantic). A place looks up those it resembles; their "
    "weights add up to 1 within each kind."
)
OF_UNDONE = (
    " The network is shown this photo with its smear undone, and slots are looked up in that picture; how much a place looks like "
    "damage, and the samples most like it, are told of the photo as it is."
)


def read_words(place: PlaceSeen, has_actual: bool) -> str:
    """How much of what is read was learned, and how much the photo's own."""
    if place.strength == 0:
        return "The memory has nothing to say here."
    if not has_actual:
        return "All that is read here was learned: this model keeps nothing of the photo itself."
    return f"Of what is read here {percent(place.learned)} was learned, {percent(place.actual)} is this photo's own."


def near_title(near: NearSamples, kind: str, is_its_side: bool) -> str:
    """``kind``: "damage" or "clean places". A place that is no more alike than any other is not said to look like it, nor one
    that the memory takes for the opposite.

    Args:
        is_its_side: whether the memory takes the place for what these samples are of.
    """
    stands_out = bool(near.samples) and near.samples[0][1] - near.usual >= STANDS_OUT
    return (
        f"Looks like {'this' if kind == 'damage' else 'these'} {kind}"
        if stands_out and is_its_side
        else f"Most alike of the stored {kind}"
    )


def near_words(near: NearSamples) -> str:
    """The similarity, held against what a usual place of the photo gets."""
    if not near.samples:
        return "There are no stored samples of this kind."
    best = near.samples[0][1]
    beside = f"{cosine(best)} of 1; a usual place of this photo {cosine(near.usual)}, a random sample {cosine(near.random)}"
    if best <= near.usual:
        return f"No more alike than most places of this photo are ({beside})."
    if best - near.usual < STANDS_OUT:
        return f"Hardly more alike than most places of this photo are ({beside})."
    return f"More alike than most places of this photo are ({beside})."


def cosine(value: float) -> str:
    """With as many places as tell it from 1."""
    return f"{value:.3f}" if value > 0.985 else f"{value:.2f}".replace("-0.00", "0.00")


def times(factor: float) -> str:
    """ "1.4 times", "12 times" """
    return f"{factor:.0f} times" if factor >= 9.95 else f"{factor:.1f} times"


def origin_title(origin: Origin, slot: SlotShare | None, is_kept: bool = False) -> str:
    """``is_kept``: the photo is left as it is, so what is read here is not put in."""
    if slot is not None:
        return f"What {slot.name} holds of your photo"
    if is_kept:
        return (
            "Looks up these places of your photo"
            if is_told(origin)
            else "Looks up places all over your photo"
        )
    return (
        "Rebuilt from these places of your photo" if is_told(origin) else "Rebuilt from all over your photo"
    )


def is_told(origin: Origin) -> bool:
    """Whether few enough places give the content that showing them says where it comes from."""
    return origin.half_from <= _FEW


def origin_words(origin: Origin, is_kept: bool = False) -> str:
    """How much it says that these places give most."""
    if not origin.places:
        return "Nothing of the photo was collected for this place."
    half, most = percent(origin.half_from), times(origin.most)
    if is_told(origin):
        return (
            f"Half of what is {'read' if is_kept else 'filled in'} here comes from {half} of the photo. Lines lead to the places that give most: {most} "
            "as much as an average one."
        )
    return (
        f"A mixture of the whole photo: half of it comes from {half}, so no single place says much. Lines lead to those that "
        f"give most: {most} as much as an average one."
    )


def change_words(change: Change, is_kept: bool = False) -> str:
    """What the memory does to the pixels of a place; ``is_kept``: would do, for the photo is left as it is."""
    if not change.is_measurable:
        return "The memory has no measurable effect here."
    mean = sum(change.signed) / 3
    light = "brighter" if mean > 0.05 else "darker" if mean < -0.05 else ""
    if is_kept:
        by = f"{change.mean:.1f} of 255 levels" + (f", {light}" if light else "")
        return (
            f"The memory would change the photo here by {by}; nothing was found in it, so it stays as it is."
        )
    light = f"it gets {light}" if light else "it keeps its brightness"
    return f"The memory changes the photo here by {change.mean:.1f} of 255 levels; {light}."


def channel_words(change: Change) -> str:
    """The same by colour, signed; "" where nothing can be measured."""
    if not change.is_measurable:
        return ""
    red, green, blue = change.signed
    return f"Effect of the read, mean levels: red {red:+.1f}, green {green:+.1f}, blue {blue:+.1f}."


def tried_words(tried: Tried) -> str:
    """What a change of the memory does, so far or on all of the photo."""
    where = "in the whole photo" if tried.is_whole else "in the part tried first"
    if not tried.change.is_measurable:
        return f"No measurable effect {where}."
    words = f"{tried.change.mean:.2f} levels of 255 differ on average {where} (at most {tried.change.largest:.0f})"
    if tried.psnr_gain_db is not None:
        words += f"; PSNR {tried.psnr_gain_db:+.2f} dB"
    return words + "."


def slot_words(facts: SlotFacts, effect: SlotEffect | None, over: str) -> str:
    """What is known of one slot: its use, what muting it does where that was measured, and whether it needs a look."""
    said = [f"Mean weight {over} {facts.usage * 100:.2f} % of its kind."]
    if not facts.is_read:
        said.append("Looked up, but not read by this model.")
    if effect is not None:
        change = effect.change
        does = f"changes {change.mean:.2f} levels" if change.is_measurable else "changes nothing measurable"
        gain = effect.psnr_gain_db
        truth = "" if gain is None else f" (PSNR {gain:+.2f} dB)"
        said.append(f"Muting it {does}{truth} where it is looked up most.")
    if facts.health_words:
        said.append(facts.health_words)
    return " ".join(said)


def beside_words(facts: SlotFacts) -> str:
    """After "most alike": what the cosines are to be held against."""
    usual = facts.usual_cosine
    return "" if usual is None else f" (cosine; two of its kind have {cosine(usual)} on average)"


def health_words(
    group: GroupHealth, clusters: Sequence[Sequence[int]], is_read: bool, silent: float | None
) -> str:
    """What the numbers of a kind of slots mean, and why they may need a look."""
    kind = f"{group.granularity} slots of {'clean structure' if group.polarity == 'positive' else 'damage'}"
    said = []
    if not is_read:
        said.append(f"This model looks {kind} up, but does not read them.")
    used = group.slots - len(group.dead)
    if used == 0:
        said.append("None of them is looked up.")
    elif group.dead:
        some = "one is" if len(group.dead) == 1 else f"{len(group.dead)} are"
        said.append(f"Of {group.slots}, {some} hardly looked up at all.")
    else:
        said.append(f"All {group.slots} are looked up.")
    if used > 1:
        even = (
            "evenly" if group.entropy >= _EVEN else "unevenly" if group.entropy < _UNEVEN else "fairly evenly"
        )
        said.append(f"The work is shared {even}: as if {group.effective_slots:.0f} did all of it alike.")
    if clusters:
        names = "; ".join(", ".join(map(str, cluster)) for cluster in clusters[:3])
        more = f" and {len(clusters) - 3} more groups" if len(clusters) > 3 else ""
        said.append(f"These say the same (framed at the upper left): {names}{more}.")
    else:
        said.append("No two of them say the same.")
    if silent is not None:
        said.append(
            f"Of the units that pass on what the whole memory reads, {percent(silent)} stay silent here"
            + (", so much of it never reaches the features." if silent > _MUCH_SILENT else ".")
        )
    return " ".join(said)


MOVES = {"photo": "the photo", "damaged": "places taken for {}"}
"""What moves are called that are no pins: see :func:`core.restoring.memory.map.moves`."""


def move_words(move: Move, title: str, damage: str) -> str:
    """ "Pin 1 looked 0.93 like rain and now looks 0.12." """
    before, after = move.before.response, move.after.response
    name = title[:1].upper() + title[1:]
    verb = "looks" if move.name != "damaged" else "look"
    if move.crosses:
        end = "it has changed sides" if move.name != "damaged" else "they have changed sides"
    elif after < before - _STIRRED:
        end = f"less like {damage} than before"
    elif after > before + _STIRRED:
        end = f"more like {damage} than before"
    else:
        end = "hardly moved"
    return f"{name} looked {before:.2f} like {damage} and now {verb} {after:.2f}: {end}."


def taught_words(taught: np.ndarray, what: str) -> str:
    """ "You say: 3 % of the photo is not rain, 1 % is." """
    from core.data import taught as taughts

    denied, asserted = (float((part > 127).mean()) for part in taughts.parts(taught))
    told = []
    if denied or not asserted:
        told.append(f"{percent(denied)} of the photo is not {what}")
    if asserted:
        told.append(f"{percent(asserted)} is" if told else f"{percent(asserted)} of the photo is {what}")
    return f"You say: {', '.join(told)}."


def slots_words(slots: Slots) -> str:
    """ "negative part 61", "all negative slots", "the whole memory" """
    if slots.numbers:
        numbers = ", ".join(map(str, slots.numbers))
        return f"{slots.polarity} {slots.granularity} {numbers}".strip()
    words = " ".join(word for word in (slots.polarity, slots.granularity) if word)
    return f"all {words} slots" if words else "the whole memory"


def step_words(step: Step) -> str:
    name = slots_words(step.slots)
    if step.action == "mute":
        return f"Mute {name}"
    if step.action == "swap" and step.other is not None:
        return f"Swap {name} with {slots_words(step.other)}"
    return f"Read {name} {step.gain:.3g} times"
