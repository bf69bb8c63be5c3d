"""Parameters of degradations explain themselves, and the range a slider spans is one that is allowed."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any

import pytest

from core.data.degrade import DEGRADATIONS, Bounds

PARAMETERS = [(task, item) for task, made in DEGRADATIONS.items() for item in fields(made.defaults)]


@pytest.mark.parametrize(("task", "item"), PARAMETERS, ids=lambda value: getattr(value, "name", value))
def test_a_parameter_explains_itself_and_its_range_is_allowed(task: str, item: Field[Any]) -> None:
    meta, made = item.metadata, DEGRADATIONS[task]
    default = getattr(made.defaults, item.name)
    assert meta["title"]
    assert meta["help"]
    if isinstance(default, tuple):
        assert len(meta["names"]) == len(default)
        return
    low, high = meta["low"], meta["high"]
    if isinstance(default, Bounds):
        assert low <= default.low <= default.high <= high
        assert getattr(made.params({item.name: (low, high)}), item.name) == Bounds(low, high)
        return
    assert low <= default <= high
    room = (
        1 - made.defaults.drawn
        if item.name == "deep"
        else 1 - made.defaults.deep
        if item.name == "drawn"
        else high
    )
    for value in (low, min(high, room)):
        assert getattr(made.params({item.name: value}), item.name) == value


def test_every_task_shows_a_few_parameters_first() -> None:
    for made in DEGRADATIONS.values():
        basic = [item for item in fields(made.defaults) if item.metadata["basic"]]
        assert 3 <= len(basic) <= 8
