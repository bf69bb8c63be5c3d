"""What ``memorynet inspect`` says about a photo and about the memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.cli import photos
from core.model.config import POLARITIES
from core.restoring import scales

if TYPE_CHECKING:
    from core.model.health import MemoryHealth


def photo_lines(item: photos.Item) -> list[str]:
    from core.model.memory_edit import UNCHANGED

    found = item.facts
    before, after = (found["negative_response"][side] for side in ("before", "after"))
    size = photos.size_words(found["width"], found["height"])
    lines = [
        f"{item.source} -> {item.target}{os.sep}  ({size} in {found['seconds']:.1f} s)",
        f"    looks like damage: {before['area']:.1%} of the photo before, {after['area']:.1%} after "
        f"(mean {before['mean']:.3f}, then {after['mean']:.3f})",
    ]
    if found["memory"] != UNCHANGED:
        lines.append(f"    restored with its memory {found['memory']}")
    lines.append(f"    {'polarity':9} {'slots':9} {'used':>8} {'evenness':>9}   most looked up")
    for group in found["health_on_this_photo"]["groups"]:
        key = (group["polarity"], group["granularity"])
        top = [slot for slot in found["top_slots"] if (slot["polarity"], slot["granularity"]) == key][:3]
        names = ", ".join(f"{slot['slot']} ({slot['usage']:.0%}{_effect_words(slot)})" for slot in top)
        used = f"{group['slots'] - len(group['dead'])} of {group['slots']}"
        unread = "" if found["is_read"][" ".join(key)] else "; not read by this model"
        lines.append(f"    {key[0]:9} {key[1]:9} {used:>8} {group['entropy']:>9.2f}   {names}{unread}")
    for place in found.get("places", ()):
        lines += _place_lines(place, scales.divisor(found["scale"]))
    lines += [f"    {note}" for note in found["notes"]]
    return lines


def _effect_words(slot: Mapping[str, Any]) -> str:
    """How much muting it changes, where that was measured."""
    effect = slot.get("effect_of_muting")
    return "" if effect is None else f", muted {effect['mean_levels']:.2f} levels"


def _place_lines(place: Mapping[str, Any], by: int) -> list[str]:
    """``by``: how many pixels of the photo are one of the copy that was looked at; the lines tell the photo's."""
    at = ",".join(map(str, place["asked_px"]))
    read, effect = place["read"], place["effect_of_memory"]
    red, green, blue = effect["signed_levels"]
    lines = [
        f"    place {at}: looks like damage {place['negative_response']:.2f}; of what is read "
        f"{read['learned_share']:.0%} was learned, {read['actual_share']:.0%} is the photo's own",
        f"        the memory changes the photo by {effect['mean_levels']:.2f} of 255 levels around it "
        f"(red {red:+.2f}, green {green:+.2f}, blue {blue:+.2f})",
    ]
    for polarity in POLARITIES:
        slots = [slot for slot in place["slots"] if slot["polarity"] == polarity]
        slots = sorted(slots, key=lambda slot: -slot["weight"])[:4]
        names = ", ".join(f"{slot['granularity']} {slot['slot']} {slot['weight']:.2f}" for slot in slots)
        lines.append(f"        {polarity}: {names}")
    origin = place["sources"]["positive"]
    if origin["places"]:
        first = origin["places"][0]
        lines.append(
            f"        half of the photo's own content comes from {origin['half_from']:.0%} of the photo (50 % if all gave alike); "
            f"most from {first['x_px'] * by},{first['y_px'] * by}, {first['share'] / origin['even_share']:.0f} times an average place"
        )
    for near in place.get("nearest_samples", ()):
        values = ", ".join(f"{sample['similarity']:.2f}" for sample in near["samples"])
        lines.append(
            f"        nearest {near['kind']} samples {values} "
            f"(a usual place has {near['usual_nearest']:.2f}, a random sample {near['random_pair']:.2f})"
        )
    return lines


def health_lines(health: MemoryHealth, photos: int) -> list[str]:
    over = "this photo" if photos == 1 else f"these {photos} photos"
    lines = [
        f"Health of the memory over {over}: {health.dead} of {health.slots} slots unused, "
        f"{health.duplicates} duplicates, evenness {health.entropy:.2f} (0 one slot does all, 1 all alike)."
    ]
    if health.silent is not None:
        lines.append(
            f"Of the units that pass on what is read, {health.silent:.0%} stayed silent "
            "(when all do, the memory changes little or nothing)."
        )
    if photos == 1 and health.dead:
        lines.append("One photo uses few of them; judge what is unused over many photos.")
    return lines
