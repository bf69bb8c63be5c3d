"""What a field of the recipe says of itself: section, title, help, unit, bounds. Form, command line and check read it."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def spec(
    default: Any,
    section: str,
    title: str,
    text: str,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    basic: bool = False,
    multiple: int = 0,
    holds: str = "",
    words: tuple[str, ...] = (),
    omit_default: bool = False,
    own: bool = False,
) -> Any:
    """``basic``: among the few a form shows first. ``holds``: "model", or "folders" or "names" for a list of them.

    ``words`` say the choices to people, in their order. ``omit_default``: not written while it has its default, so that
    recipes from before there was the field keep their sum, and runs of theirs go on. ``own``: the choices are those known
    here, and others may be named.
    """
    meta = {
        "section": section,
        "title": title,
        "help": text,
        "unit": unit,
        "low": low,
        "high": high,
        "choices": choices,
        "basic": basic,
        "multiple": multiple,
        "holds": holds,
        "words": words,
        "omit_default": omit_default,
        "own": own,
    }
    return field(default=default, metadata=meta)
