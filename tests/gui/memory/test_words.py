"""What the Memory page says in words."""

from __future__ import annotations

import numpy as np
import pytest

from core.restoring.memory.inspection import Response
from core.restoring.memory.places import Origin, Source
from core.restoring.memory.probe import Change
from core.restoring.verdict import Verdict
from memorynet_gui.memory.words import (
    behind_verdict,
    change_words,
    origin_title,
    origin_words,
    verdict,
    where_words,
)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ((slice(0, 9), slice(0, 9)), ", most of it at the upper left"),
        ((slice(12, 20), slice(18, 30)), ", most of it at the lower right"),
        ((slice(0, 20), slice(0, 8)), ", most of it at the left"),
        ((slice(14, 20), slice(0, 30)), ", most of it in the lower half"),
        ((slice(7, 13), slice(10, 20)), ", most of it in the middle"),
        ((slice(0, 20, 5), slice(0, 30, 5)), ""),
        ((slice(0, 20), slice(0, 16)), ""),
        ((slice(0, 0), slice(0, 0)), ""),
    ],
)
def test_where_damage_lies_is_said_in_words(part: tuple[slice, slice], words: str) -> None:
    seen = np.zeros((20, 30), bool)
    seen[part] = True
    assert where_words(seen) == words


def test_how_much_is_gone_is_said_or_that_it_cannot_be_told() -> None:
    before, after = (Response(np.full((4, 4), level, np.float32)) for level in (0.9, 0.1))
    told = verdict("derain", before, after, Verdict("much", 0.85))
    assert told == "Much rain found, most of it gone. The memory takes 100 % of this photo for rain."
    little = verdict("derain", before, after, Verdict("little", 0.3))
    assert little.endswith("of this photo for rain; what only looks like rain may be among it.")
    assert "of this photo for blur; it hardly shows where" in verdict(
        "deblur", before, after, Verdict("much")
    )
    behind = behind_verdict("derain", after, Verdict("much", 0.85))
    assert (
        behind.startswith("How much is gone is an estimate") and "takes 0 % for rain: its own eye" in behind
    )
    for found in (Verdict("much"), None):
        assert "How much of it is gone cannot be told" in verdict("deshadow", before, after, found)


def test_what_is_marked_stands_beside_what_the_memory_takes_for_damage() -> None:
    before, after = (Response(np.full((4, 4), level, np.float32)) for level in (0.9, 0.8))
    mask = np.zeros((4, 4), np.uint8)
    mask[0] = 255
    guessed = verdict("deshadow", before, after, Verdict("little"), mask, True)
    assert guessed.startswith(
        "A little shadow found. A cast shadow was guessed on 25 % of the photo. Without that hint"
    )
    assert "100 % of it for shadow. How much" in guessed
    assert "Shadow is marked on 25 % of the photo." in verdict("deshadow", before, after, None, mask)
    nothing = verdict("deshadow", before, before, Verdict("nothing", unchanged=True))
    assert nothing.endswith(
        "takes 100 % of this photo for shadow; what only looks like shadow may be among it."
    )
    kept = behind_verdict("deshadow", before, Verdict("nothing", unchanged=True))
    assert "restored" not in nothing + kept, "it came back as it went in"


def test_of_a_photo_that_stays_as_it_is_nothing_is_said_to_change() -> None:
    change = Change(1.6, 9.0, (2.0, 1.0, 1.0))
    assert change_words(change) == "The memory changes the photo here by 1.6 of 255 levels; it gets brighter."
    kept = change_words(change, is_kept=True)
    assert "would change the photo here by 1.6 of 255 levels, brighter; nothing was found" in kept
    origin = Origin((Source(8, 8, 8, 8, 0.4),), 0.01, 0.001)
    assert origin_title(origin, None).startswith("Rebuilt from these")
    assert origin_title(origin, None, True).startswith("Looks up these")
    assert "filled in" in origin_words(origin) and "filled in" not in origin_words(origin, True)
