"""Mixtures of training data as values of a form: made of a recipe without one, turned back, shares that sum to 1.

No widgets here. ``values`` are a recipe's fields by name, as :class:`memorynet_gui.newrun.recipe_form.RecipeForm` holds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.data.source import BUNDLED, KINDS, DataSource
from core.tasks import TASKS
from core.training.recipe import RecipeError
from core.training.recipe_folders import resolve_folders

LEAST_SHARE = 0.01  # of a source: with nothing it were none
_HOLD_OUT = 0.1  # where pairs of another folder were scored on, which a mixture does not do

FIELDS = (
    "kind", "train", "pairs", "pairs_share", "validation", "hold_out", "camera_share", "degradation", "sources",
)  # fmt: skip
"""What of a recipe says where its samples come from."""

SAMPLES_TRAIN, SAMPLES_VALIDATION = (
    tuple(name for name, apart in BUNDLED.items() if apart is kept) for kept in (False, True)
)


def kinds_for(task: str) -> tuple[str, ...]:
    """Kinds of sources that the task can learn from."""
    has_layers = task in TASKS and TASKS[task].has_layers
    return tuple(kind for kind in KINDS if kind != "layers" or has_layers)


def kind_words(kind: str, task: str) -> str:
    """ "Drawn rain", "Pairs" """
    noun = TASKS[task].noun if task in TASKS else "damage"
    return {"drawn": f"Drawn {noun}", "layers": "Rain from layers", "pairs": "Pairs"}.get(
        kind, "Clean photos"
    )


# --- to a mixture and back -----------------------------------------------------------------------


def mixture_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that make a mixture of what is learnt from now, of one or two sources, with the same meaning.

    Only what is scored on changes where it was pairs of a folder of their own: a mixture scores on scenes of its pairs
    that are held out, and on clean photos.
    """
    kind = values["kind"]
    drawn = DataSource("drawn", camera_share=values["camera_share"], degradation=dict(values["degradation"]))
    made: dict[str, Any] = {
        "kind": "sources", "pairs": (), "hold_out": 0.0, "camera_share": 0.0, "degradation": {},
    }  # fmt: skip
    if kind == "clean":
        return made | {"sources": (drawn,)}
    folders = values["pairs"] if kind == "mixed" else values["train"]
    paired = DataSource("pairs", folders=tuple(folders), hold_out=values["hold_out"] or _HOLD_OUT)
    made["validation"] = SAMPLES_VALIDATION
    if kind == "pairs":
        return made | {"sources": (paired,), "train": SAMPLES_TRAIN, "degradation": values["degradation"]}
    share = min(max(values["pairs_share"], LEAST_SHARE), 1 - LEAST_SHARE)
    return made | {"sources": (replace(drawn, share=round(1 - share, 6)), replace(paired, share=share))}


def one_of(values: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Fields of a recipe that learns from one source of a mixture, counted from 1.

    Layers and photos to leave alone do not stand by themselves: instead of them damage is drawn on the photos.
    """
    sources: Sequence[DataSource] = values["sources"]
    source = sources[number - 1] if sources else DataSource()
    made: dict[str, Any] = {"sources": (), "pairs": ()}
    if source.kind == "pairs" and source.folders:
        return made | {
            "kind": "pairs", "train": source.folders, "validation": source.folders,
            "hold_out": source.hold_out or _HOLD_OUT,
        }  # fmt: skip
    return (
        made
        | {"kind": "clean", "train": source.folders or tuple(values["train"]), "hold_out": 0.0}
        | drawn_of(values)
    )


def drawn_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """How a mixture draws its damage, as fields of a recipe without one. Empty where it draws none."""
    drawn = next((source for source in values["sources"] if source.kind == "drawn"), None)
    if drawn is None:
        return {}
    return {
        "camera_share": drawn.camera_share,
        "degradation": dict(drawn.degradation or values["degradation"]),
    }


def said_by_each(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same mixture, with the recipe's own degradation said by the drawn sources that leave it to the recipe."""
    if not values["degradation"]:
        return {}
    sources = tuple(
        replace(source, degradation=dict(values["degradation"]))
        if source.kind == "drawn" and not source.degradation
        else source
        for source in values["sources"]
    )
    return {"sources": sources, "degradation": {}}


def with_folders(values: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """A mixture that also learns from folders, given as fields of a recipe without one: clean photos become what its
    sources draw on, pairs a source."""
    made: dict[str, Any] = {}
    if found["kind"] != "pairs":
        made["train"] = found["train"]
    if found["kind"] == "clean":
        made["validation"] = found["validation"]
        return made
    folders = tuple(found["pairs"] if found["kind"] == "mixed" else found["train"])
    sources = tuple(values["sources"])
    if any(source.kind == "pairs" and source.folders == folders for source in sources):
        return made
    new = DataSource("pairs", folders=folders, hold_out=found["hold_out"] or _HOLD_OUT)
    return made | {"sources": added(sources, new)}


def keeps_mixture(values: Mapping[str, Any]) -> bool:
    """Whether a mixture goes on with other training photos: none of its sources speaks of DATA."""
    return values["kind"] == "sources" and not any(
        is_data(folder) for source in values["sources"] for folder in source.all_folders()
    )


# --- shares --------------------------------------------------------------------------------------


def parts(sources: Sequence[DataSource]) -> tuple[float, ...]:
    """Shares that sum to 1."""
    total = sum(source.share for source in sources)
    return tuple(source.share / total for source in sources)


def with_part(sources: Sequence[DataSource], index: int, part: float) -> tuple[DataSource, ...]:
    """One source gets this part of all samples, the others make room and keep their proportions; none goes below
    :data:`LEAST_SHARE`."""
    count = len(sources)
    if count == 1:
        return (replace(sources[0], share=1.0),)
    least = min(LEAST_SHARE, 0.5 / count)
    part = min(max(part, least), 1 - least * (count - 1))
    # what others have beyond the least makes room
    above = [0.0 if at == index else max(old - least, 0.0) for at, old in enumerate(parts(sources))]
    free, rest = 1 - part - least * (count - 1), sum(above)
    shares = [
        round(part if at == index else least + free * (old / rest if rest > 1e-9 else 1 / (count - 1)), 4)
        for at, old in enumerate(above)
    ]
    largest = max((at for at in range(count) if at != index), key=lambda at: shares[at])
    shares[largest] = round(shares[largest] + 1 - sum(shares), 6)  # what rounding lost
    return tuple(replace(source, share=share) for source, share in zip(sources, shares, strict=True))


def added(sources: Sequence[DataSource], source: DataSource) -> tuple[DataSource, ...]:
    """With one more, which gets as much as an even division gives it."""
    total = sum(each.share for each in sources) or 1.0
    grown = (*sources, replace(source, share=total / max(len(sources), 1)))
    return with_part(grown, len(grown) - 1, 1 / len(grown))


def without(sources: Sequence[DataSource], index: int) -> tuple[DataSource, ...]:
    return tuple(source for at, source in enumerate(sources) if at != index)


# --- folders -------------------------------------------------------------------------------------


def is_data(folder: str) -> bool:
    return folder == "DATA" or folder.startswith("DATA/")


def named(folder: Path, data: tuple[Path, ...]) -> str:
    """A folder as a recipe names it: by DATA where it lies there, else by its full path."""
    for base in data:
        try:
            below = folder.resolve().relative_to(base.resolve()).as_posix()
            name = "DATA" if below == "." else f"DATA/{below}"
            if resolve_folders((name,), data)[0].resolve() == folder.resolve():
                return name
        except (ValueError, RecipeError, OSError):
            continue
    return str(folder)
