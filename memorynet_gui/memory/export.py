"""What the Memory page shows, as files: the picture with its overlay, all numbers of places and slots, the whole record."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.restoring.memory.inspection import Response
    from memorynet_gui.memory.bench.records import Bench, PlaceEffect, SlotEffect
    from memorynet_gui.memory.pins import Spot

KINDS = {
    ".csv": "Slots as a table (*.csv)",
    ".npz": "Maps and weights for numpy (*.npz)",
    ".json": "Pinned places with all weights (*.json)",
    ".png": "The photo as it is shown, tints and pins over it (*.png)",
    ".page.png": "The whole page as it is shown (*.page.png)",
}
"""The end of a file's name -> what is written."""


def kind_of(path: Path) -> str:
    """A key of :data:`KINDS`; "" for other names."""
    ends = [kind for kind in KINDS if path.name.lower().endswith(kind)]
    return max(ends, key=len, default="")


def slots_csv(bench: Bench, effects: dict[int, SlotEffect], places: Iterable[Spot] = ()) -> str:
    """One line a slot; effects only where they were measured, and the weight at each pinned place, however small."""
    pinned = [bench.place(at) for at in places]
    weights = [{slot.row: slot.weight for slot in place.slots} for place in pinned]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["polarity", "granularity", "slot", "row", "is_read", "usage", "health", "nearest_slot", "nearest_cosine", "usual_cosine",
         "mute_mean_levels", "mute_largest_levels", "mute_psnr_gain_db",
         *(f"weight_pin_{number}" for number in range(1, len(pinned) + 1))]
    )  # fmt: skip
    for facts in bench.slots:
        near = facts.near[0] if facts.near else None
        effect = effects.get(facts.row)
        gain = None if effect is None else effect.psnr_gain_db
        writer.writerow(
            [facts.polarity, facts.granularity, facts.slot, facts.row, int(facts.is_read), f"{facts.usage:.6f}",
             facts.health, "" if near is None else near.slot, "" if near is None else f"{near.cosine:.4f}",
             "" if facts.usual_cosine is None else f"{facts.usual_cosine:.4f}",
             "" if effect is None else f"{effect.change.mean:.4f}",
             "" if effect is None else f"{effect.change.largest:.3f}", "" if gain is None else f"{gain:.4f}",
             *(f"{weight.get(facts.row, 0.0):.6f}" for weight in weights)]
        )  # fmt: skip
    return text.getvalue()


def places_json(
    bench: Bench, after: Response | None, places: Iterable[Spot], effects: dict[Spot, PlaceEffect]
) -> str:
    """Everything about the pinned places, with every weight; pixels are those of what the memory sees.

    ``after``: how much the restored photo looks like damage, as far as that is known.
    """
    look = replace(bench.look, after=after)
    told = []
    for at in places:
        place = bench.place(at)
        effect = effects.get(at)
        record = {
            "photo_px": list(at if at[2] else at[:2]),
            **place.as_dict(),
            "sources": look.origin(place).as_dict(),
            "effect_of_memory": None if effect is None else effect.of_memory.as_dict(),
        }
        if bench.samples is not None:
            record["nearest_samples"] = [
                look.nearest(place, bench.samples, kind).as_dict() for kind in ("positive", "negative")
            ]
        told.append(record)
    document = {"photo": bench.subject.path.name, "scale": f"1/{bench.by}", **look.as_dict(), "places": told}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def record_npz(bench: Bench, after: np.ndarray | None, path: Path) -> None:
    """The response before and after, what every cell asks and all its weights, learned slots, the photo's own content and who
    gave it, and of which photo and model all this is.

    ``query`` is (h, w, D) float16, unit length; ``weights`` (R, h, w) float16 in the order of ``groups`` (polarity, granularity,
    first row, end); ``claims`` (R, n, m) float16 is the share of each slot's content that each cell of the copy of ``copy_size``
    px gave. Raises OSError.
    """
    look = bench.look
    weights = np.stack([look.slot_map(row).astype(np.float16) for row in range(len(look.usage))])
    groups = [
        (polarity, granularity, rows.start, rows.stop)
        for (polarity, granularity), rows in look.slices.items()
    ]
    data = io.BytesIO()
    np.savez_compressed(
        data,
        photo=np.array(bench.subject.path.name),
        task=np.array(look.task),
        model=np.array(look.model_name),
        model_sha256=np.array(look.model_sha256),
        response_before=look.before.values,
        response_after=np.zeros((0, 0), np.float32) if after is None else after,
        query=look.query.astype(np.float16),
        weights=weights,
        groups=np.array(groups, dtype=np.str_),
        usage=look.usage,
        learned=look.held.table,
        actual=look.actual,
        claims=look.claims.astype(np.float16),
        copy_size=np.array(look.copy_size),
        cell_px=np.array(bench.cell_px),
    )
    from core import atomic

    atomic.write_bytes(path, data.getvalue())
