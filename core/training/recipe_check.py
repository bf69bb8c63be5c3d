"""What is wrong with a recipe's values, field by field: the one check behind TOML, command line and form.

A sentence says what is needed, without the field's name: whoever shows it knows which field it stands beside.
Importing this module imports neither torch nor cv2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field
from typing import Any

from core import tasks
from core.data.source import DataSource, DataSourceError
from core.tasks import TASKS

_NAME_FORBIDS = "/\\:"


def find_problems(values: Mapping[str, Any], specs: Mapping[str, Field[Any]]) -> dict[str, str]:
    """Field name -> what it needs instead ("need 1 to 100"), in the order of ``specs``; empty when all is well.

    Args:
        values: a value for every field of ``specs``.
        specs: the recipe's fields, whose metadata says type, bounds and choices.

    Fields that are wrong by themselves are left out of what is checked between fields.
    """
    found: dict[str, str] = {}
    for name, spec in specs.items():
        sentence = _own_problem(values[name], spec)
        if sentence is not None:
            found[name] = sentence
    for name, partners, sentence in _between(values, found):
        if name not in found and not any(partner in found for partner in partners):
            found[name] = sentence
    return {name: found[name] for name in specs if name in found}


def all_problems(values: Mapping[str, Any], specs: Mapping[str, Field[Any]]) -> dict[str, str]:
    """:func:`find_problems`, and what the damage of task and sources does not take."""
    found = find_problems(values, specs)
    if not found.keys() & {"task", "sources"}:
        for number, need in source_problems(values["task"], values["sources"]).items():
            found["sources"] = f"source {number}: {need}"
            break
    if values["degradation"] and not found.keys() & {"task", "degradation"}:
        sentence = degradation_problem(values["task"], values["degradation"])
        if sentence is not None:
            found["degradation"] = sentence
    return found


def degradation_problem(task: str, values: Mapping[str, Any]) -> str | None:
    """Why the degradation that ``task`` undoes does not take these parameters; None when it does. Imports cv2."""
    from core.data.degrade import DEGRADATIONS, DegradationError

    if task not in DEGRADATIONS:
        return None  # the task's own problem
    try:
        DEGRADATIONS[task].params(values)
    except DegradationError as error:
        return str(error).removeprefix("degradation ")
    return None


def source_problems(task: str, sources: Sequence[DataSource]) -> dict[int, str]:
    """Number of a source, from 1 -> what is wrong with it; empty when all is well. Imports cv2 where one says how it
    is damaged."""
    found = {}
    for number, source in enumerate(sources, 1):
        need = _source_problem(task, source) or source_damage_problem(task, source)
        if need is not None:
            found[number] = need
    if not found and (need := _score_problem(sources)):
        found[1] = need
    return found


def source_damage_problem(task: str, source: DataSource) -> str | None:
    """Why a source's damage does not take the parameters it gives; None when it does. Imports cv2 where it gives any."""
    if not source.degradation or source.kind != "layers":
        return degradation_problem(task, source.degradation) if source.degradation else None
    from core.data.degrade import DegradationError
    from core.data.degrade.layers import LAYERS

    try:
        LAYERS.params(source.degradation)
    except DegradationError as error:
        return str(error).removeprefix("degradation ")
    return None


def _source_problem(task: str, source: DataSource) -> str | None:
    if source.lacks:
        return source.lacks
    if source.kind == "layers" and not (task in TASKS and TASKS[task].has_layers):
        return f"layers are of rain, and the task is {task}"
    return None


def _score_problem(sources: Sequence[DataSource]) -> str | None:
    if sources and all(source.kind == "pairs" and not source.hold_out for source in sources):
        return "hold_out: need a share of scenes to score on where all sources are pairs"
    return None


def number_text(value: float) -> str:
    """A bound as people write it: 10,000,000 and 0.99999 and 1e-08."""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.10g}"


def _own_problem(value: Any, spec: Field[Any]) -> str | None:
    meta = spec.metadata
    if meta["section"] == "source":
        is_list = isinstance(value, tuple) and all(isinstance(part, DataSource) for part in value)
        return None if is_list else "need a list of sources"
    default = spec.default if spec.default is not MISSING else {}
    if isinstance(default, dict):
        return None if isinstance(value, Mapping) else "need parameters and their values"
    kind = tuple if isinstance(default, tuple) else type(default)
    fits = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
    if kind is tuple and fits:
        fits = all(isinstance(part, str) for part in value)
    if not fits:
        return "need a list of names" if meta["holds"] == "names" else f"need {_KINDS[kind]}"
    if meta["holds"] == "names" and not all(part.strip() for part in value):
        return "need names that are not empty"
    low, high = meta["low"], meta["high"]
    # written so that a NaN, which compares with nothing, is refused
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        return f"need {number_text(low)} to {number_text(high)} {meta['unit']}".rstrip()
    if meta["own"]:
        return None if value in meta["choices"] or tasks.is_name(value) else (
            f"need one of {', '.join(meta['choices'])}, or a name of your own in small letters, such as dehaze"
        )  # fmt: skip
    if meta["choices"] and value not in meta["choices"]:
        return f"need one of {', '.join(meta['choices'])}"
    if meta["multiple"] and value % meta["multiple"]:
        return f"need a multiple of {meta['multiple']}"
    return None


_KINDS = {str: "a text", int: "a whole number", float: "a number", tuple: "a list of folders"}


def _between(
    values: Mapping[str, Any], found: Mapping[str, str]
) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """(field, the fields it was compared with, what it needs), as long as the fields compared are well."""

    def well(*names: str) -> bool:
        return not any(name in found for name in names)

    if well("name"):
        name = values["name"]
        if not name or any(c in name for c in _NAME_FORBIDS) or name.startswith(".") or not name.strip():
            yield "name", (), "need a word that can name a folder"
    if well("batch", "crops_per_photo") and values["batch"] % values["crops_per_photo"]:
        crops = values["crops_per_photo"]
        yield "batch", ("crops_per_photo",), f"need a multiple of crops_per_photo, {crops}"
    if well("task", "kind", "sources") and values["task"] not in TASKS:
        known = ", ".join(TASKS)
        drawn = any(source.kind != "pairs" for source in values["sources"])
        has_code = bool(values["code"]) and values["kind"] in ("clean", "mixed")
        if not has_code and (values["kind"] not in ("pairs", "sources") or drawn):
            yield "task", ("kind", "sources"), f"need one of {known}, or pairs to learn from (kind pairs)"
    if well("code") and any(c in values["code"] for c in _NAME_FORBIDS):
        yield "code", (), "need a file's name alone; where it lies is said on the command line"
    if well("task", "motion") and values["motion"] and not tasks.of(values["task"]).smears:
        yield "motion", ("task",), f"a camera's movement makes blur, and the task is {values['task']}"
    for name in ("train", "validation"):
        if well(name) and not values[name]:
            yield name, (), "need at least one folder"
    if well("kind", "pairs") and (values["kind"] == "mixed") is not bool(values["pairs"]):
        is_mixed = values["kind"] == "mixed"
        yield "pairs", ("kind",), (
            "kind mixed needs folders of pairs" if is_mixed else f"only kind mixed takes them, not {values['kind']}"
        )  # fmt: skip
    if well("kind", "sources") and (values["kind"] == "sources") is not bool(values["sources"]):
        is_mixture = values["kind"] == "sources"
        yield "sources", ("kind",), (
            "kind sources needs some, each a table [[source]]" if is_mixture
            else f"only kind sources takes them, not {values['kind']}"
        )  # fmt: skip
    if well("task", "sources"):
        needs = [
            f"source {number}: {need}"
            for number, source in enumerate(values["sources"], 1)
            if (need := _source_problem(values["task"], source))
        ]
        if needs:
            yield "sources", ("task",), "; ".join(needs)
        if need := _score_problem(values["sources"]):
            yield "sources", (), f"source 1: {need}"
    if well("kind", "hold_out") and values["hold_out"] and values["kind"] in {"clean", "sources"}:
        yield "hold_out", ("kind",), (
            "only pairs have scenes, and the kind is clean" if values["kind"] == "clean"
            else "each source of pairs says its own"
        )  # fmt: skip
    if well("lr", "lr_end") and values["lr_end"] > values["lr"]:
        yield "lr_end", ("lr",), f"must not exceed lr, {values['lr']:g}"


def sources_of(content: Any) -> tuple[dict[int, DataSource], list[str]]:
    """Those that can be used by their numbers from 1, and what is wrong with the others."""
    if not isinstance(content, list) or not all(isinstance(part, Mapping) for part in content):
        return {}, ["source: need tables, each headed [[source]]"]
    found, wrong = {}, []
    for number, part in enumerate(content, 1):
        try:
            found[number] = DataSource.from_dict(part)
        except DataSourceError as error:
            wrong.append(f"[[source]] {number}: {error}")
    return found, wrong


def damage_problems(values: Mapping[str, Any], sources: Mapping[int, DataSource]) -> list[str]:
    """What the damage does not take of the parameters that are given for it."""
    task = values["task"]
    if not isinstance(task, str):
        return []
    sentence = degradation_problem(task, values["degradation"]) if values["degradation"] else None
    found = [] if sentence is None else [f"degradation {sentence}"]
    for number, source in sources.items():
        if (need := source_damage_problem(task, source)) is not None:
            found.append(f"[[source]] {number}: degradation {need}")
    return found
