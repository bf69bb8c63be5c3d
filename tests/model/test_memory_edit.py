"""Edits of the memory: their text form, what is refused, and which rows they move."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model import memory, memory_edit
from core.model.config import NetworkConfig
from core.model.memory_edit import MemoryEdit, MemoryEditError, Slots, Step, note
from core.problems import describe
from tests.small import SMALL, small_network

COUNTS = dict(zip(memory_edit.GRANULARITIES, SMALL.slots, strict=True))
POLARITY = st.sampled_from(["", *memory_edit.POLARITIES])


@st.composite
def choices(draw: st.DrawFn, size: int | None = None, polarity: str | None = None) -> Slots:
    granularity = draw(st.sampled_from(memory_edit.GRANULARITIES))
    count = COUNTS[granularity]
    numbers = draw(
        st.lists(st.integers(0, count - 1), min_size=size or 0, max_size=size or count, unique=True)
    )
    where = draw(POLARITY) if polarity is None else polarity
    return Slots(where, granularity, tuple(numbers))


@st.composite
def swaps(draw: st.DrawFn) -> Step:
    """As many slots of either polarity, or a polarity with the other."""
    if draw(st.booleans()):
        return Step("swap", Slots("positive"), other=Slots("negative"))
    size = draw(st.integers(1, min(SMALL.slots)))
    return Step("swap", draw(choices(size, "negative")), other=draw(choices(size, "positive")))


STEPS = st.one_of(
    st.builds(lambda slots: Step("mute", slots), choices()),
    st.builds(lambda slots, gain: Step("boost", slots, gain), choices(), st.floats(1, 1.2)),
    swaps(),
)
EDITS = st.builds(
    lambda steps, contents: MemoryEdit(tuple(steps), contents),
    st.lists(STEPS, max_size=8),
    st.sampled_from(memory_edit.CONTENTS),
)


# --- what it means -------------------------------------------------------------------------------


def test_names_and_rows_are_those_of_the_memory() -> None:
    """This module spells them again, so that it loads without torch."""
    assert (memory_edit.POLARITIES, memory_edit.GRANULARITIES) == (memory.POLARITIES, memory.GRANULARITIES)
    held = small_network().memory
    assert held is not None
    for (polarity, granularity), rows in held.row_slices().items():
        assert Slots(polarity, granularity).rows(SMALL.slots) == list(range(rows.start, rows.stop))
        assert Slots(polarity, granularity, (2, 0)).rows(SMALL.slots) == [rows.start + 2, rows.start]
    assert Slots().rows(SMALL.slots) == list(range(42))


@given(EDITS)
@settings(max_examples=50, deadline=None)
def test_contents_are_moved_and_weighed_never_invented(edit: MemoryEdit) -> None:
    source, gain = edit.table(SMALL)
    assert sorted(source) == list(range(42))
    assert all(value == 0 or 1 <= value <= memory_edit.MAX_GAIN for value in gain)
    rows = edit.rows(SMALL)
    assert rows.source.tolist() == source
    assert torch.allclose(rows.gain, torch.tensor(gain))
    assert (rows.learned, rows.actual) == (edit.contents != "actual", edit.contents != "learned")


@given(st.lists(swaps(), min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_a_swap_done_back_is_nothing(steps: list[Step]) -> None:
    assert MemoryEdit(tuple(steps[:1])).changes(SMALL)
    assert not MemoryEdit((*steps, *steps[::-1])).changes(SMALL)


def test_boosting_by_one_is_nothing() -> None:
    assert not MemoryEdit((Step("boost", Slots("positive"), 1.0),)).changes(SMALL)
    assert MemoryEdit((Step("boost", Slots("positive"), 1.5),)).changes(SMALL)
    assert not MemoryEdit().changes(SMALL)


def test_steps_are_done_in_order_and_contents_keep_their_gain() -> None:
    boost = Step("boost", Slots("positive", "part", (1,)), 2)
    swap = Step("swap", Slots("positive", "part", (1,)), other=Slots("negative", "part", (4,)))
    mute = Step("mute", Slots("positive", "part", (1,)))
    at = 21 + 4
    source, gain = MemoryEdit((boost, swap)).table(SMALL)
    assert (source[1], source[at], gain[1], gain[at]) == (at, 1, 1.0, 2.0)
    source, gain = MemoryEdit((swap, boost)).table(SMALL)
    assert (source[1], source[at], gain[1], gain[at]) == (at, 1, 2.0, 1.0)
    assert MemoryEdit((mute, boost)).table(SMALL)[1][1] == 0.0


def test_only_what_was_asked_for_is_edited() -> None:
    network = small_network(3)
    assert network.memory is not None
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    silent = {
        contents: MemoryEdit((Step("mute"),), contents).rows(SMALL) for contents in memory_edit.CONTENTS
    }
    with torch.inference_mode():
        address = network.address(x)
        summary = network.summarise(x)
        read = network.memory.read
        muted = {name: read(address, summary, edit).effect.shift for name, edit in silent.items()}
        assert torch.equal(muted["actual"], read(address, None).effect.shift)
        assert not torch.equal(muted["learned"], muted["actual"])
        assert not torch.equal(muted["learned"], read(address, summary).effect.shift)
        assert not muted["both"].any() and muted["learned"].any()


# --- as text -------------------------------------------------------------------------------------


@given(EDITS)
@settings(max_examples=60, deadline=None)
def test_json_and_back(edit: MemoryEdit) -> None:
    text = edit.to_json()
    again = MemoryEdit.from_json(text)
    assert again == edit
    assert again.sha256() == edit.sha256()
    assert json.loads(text)["version"] == memory_edit.VERSION


def test_the_example_of_the_help_is_read() -> None:
    from core.cli import restore as cli_restore

    text = cli_restore._EXAMPLES
    start = text.index('{"version"')
    edit = MemoryEdit.from_json(text[start : text.index("]}\n") + 2])
    assert [step.action for step in edit.steps] == ["mute", "boost", "swap"]
    assert edit.steps[0].slots == Slots("negative", "part", (3, 17))
    assert edit.changes(NetworkConfig())


def test_sums_tell_edits_apart() -> None:
    one = MemoryEdit((Step("boost", Slots("positive"), 2),))
    assert one.sha256() == MemoryEdit((Step("boost", Slots("positive"), 2.0),)).sha256()
    others = (
        MemoryEdit(one.steps, "actual"),
        MemoryEdit((Step("boost", Slots("positive"), 3),)),
        MemoryEdit(),
    )
    assert len({edit.sha256() for edit in (one, *others)}) == 4
    assert note(None) == note(MemoryEdit()) == "unchanged"
    assert note(None, muted=True) == "muted"
    assert note(one) == f"edited {one.sha256()[:16]}"


def step(**values: Any) -> dict[str, Any]:
    return {"version": 1, "steps": [values]}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], r"edit \[\]: need an object with version, contents, steps"),
        ({}, 'no version: this program reads "version": 1'),
        ({"version": 2}, "version 2"),
        ({"version": True}, "version True"),
        ({"version": 1, "setps": []}, r"unknown key 'setps' \(known: version, contents, steps\); did you mean steps"),
        ({"version": 1, "steps": {}}, r"steps {}: need a list"),
        ({"version": 1, "contents": "all"}, "contents 'all': need both, learned, actual"),
        ({"version": 1, "steps": ["mute"]}, "step 1: a step 'mute': need an object"),
        (step(), "step 1: no action: need mute, boost, swap"),
        (step(action="delete"), "step 1: action 'delete'"),
        (step(action="mute", slot=[1]), "unknown key 'slot'.*did you mean slots"),
        (step(action="mute", polarity="neutral"), "polarity 'neutral': need positive or negative"),
        (step(action="mute", granularity=["part"]), r"granularity \['part'\]"),
        (step(action="mute", slots=[1]), "slots 1: name their granularity"),
        (step(action="mute", granularity="part", slots=3), "slots 3: need a list"),
        (step(action="mute", granularity="part", slots=[-1]), r"slots \(-1,\): need a list of whole numbers"),
        (step(action="mute", granularity="part", slots=[1.0]), "whole numbers"),
        (step(action="mute", granularity="part", slots=[True]), "whole numbers"),
        (step(action="mute", granularity="part", slots=[1, 2, 1]), "slots 1, 2, 1: 1 named twice"),
        (step(action="mute", gain=2), "gain 2: goes with boost, not with mute"),
        (step(action="mute", **{"with": {}}), 'mute: takes no "with"'),
        (step(action="boost"), "boost: say the gain, 1 to 8"),
        (step(action="boost", gain=0.5), "gain 0.5: need a number from 1 to 8"),
        (step(action="boost", gain=9), "gain 9"),
        (step(action="boost", gain="2"), "gain '2'"),
        (step(action="boost", gain=True), "gain True"),
        (step(action="boost", gain=None), "gain None"),
        (step(action="swap"), 'swap: say "with" which slots'),
        (step(action="swap", **{"with": []}), r'"with" \[\]: need an object'),
        (step(action="swap", **{"with": {"gain": 2}}), 'unknown key .gain.'),
        (step(action="swap", **{"with": {"slots": [1]}}), "with: slots 1: name their granularity"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_value(values: Any, expected: str) -> None:
    with pytest.raises(MemoryEditError, match=expected):
        MemoryEdit.from_json(json.dumps(values))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "not valid JSON: .* line 1, column 1"),
        ('{"version": 1,\n "steps": [}', "not valid JSON: .* line 2"),
        ('{"version": 1, "version": 1}', "key 'version' stands twice"),
        ('{"version": 1, "steps": [{"action": "boost", "gain": NaN}]}', "NaN: is no number"),
        ('{"version": 1, "steps": [{"action": "boost", "gain": 1e999}]}', "gain inf"),
        ('{"version": ' + "9" * 5000 + "}", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_texts_that_are_no_edit(text: str, expected: str) -> None:
    with pytest.raises(MemoryEditError, match=expected):
        MemoryEdit.from_json(text)


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["version", "steps", "contents", "action", "slots", "with"]), inner, max_size=4)))  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_any_json_is_an_edit_or_refused_in_words(values: Any) -> None:
    try:
        MemoryEdit.from_dict(values)
    except MemoryEditError as error:
        problem = describe(error)
        assert problem.expected and problem.what == "The memory edit is not valid."


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([Step("mute", Slots("", "semantic", (2, 3)))], "step 1, mute: slots 3: this model has 3 semantic slots, 0 to 2"),
        ([Step("mute"), Step("swap", Slots("positive", "part"), other=Slots("positive", "instance"))], "step 2, swap: positive part slots are 12, positive instance slots are 6"),
        ([Step("swap", Slots("positive"), other=Slots("", "part", (1,)))], "need as many of both"),
        ([Step("swap", Slots("positive"), other=Slots("positive"))], "the same slot stands on both sides"),
        ([Step("boost", Slots("negative"), 4), Step("boost", Slots("", "part", (1,)), 3)], "step 2, boost: gain 12 of part 1 with the steps before: need at most 8"),
    ],
)  # fmt: skip
def test_slots_that_a_model_lacks_and_steps_that_do_not_work_out(steps: list[Step], expected: str) -> None:
    with pytest.raises(MemoryEditError, match=expected):
        MemoryEdit(tuple(steps)).rows(SMALL)


def test_models_without_the_memory() -> None:
    mute = (Step("mute"),)
    with pytest.raises(MemoryEditError, match="no memory to edit"):
        MemoryEdit(mute).table(NetworkConfig(granularities=(), polarities=()))
    assert not MemoryEdit().changes(NetworkConfig(granularities=(), polarities=()))
    with pytest.raises(MemoryEditError, match="no actual memory"):
        MemoryEdit(mute, "actual").table(NetworkConfig(actual=False))
    assert MemoryEdit(mute, "both").changes(NetworkConfig(actual=False))


def test_files(tmp_path: Path) -> None:
    edit = MemoryEdit((Step("mute", Slots("negative", "part", (3,))),))
    path = tmp_path / "edit.json"
    path.write_bytes(b"\xef\xbb\xbf" + edit.to_json().encode())  # as some editors save it
    assert MemoryEdit.read(path) == edit
    with pytest.raises(MemoryEditError, match=r"absent\.json: No such file"):
        MemoryEdit.read(tmp_path / "absent.json")
    with pytest.raises(MemoryEditError, match="directory"):
        MemoryEdit.read(tmp_path)
    path.write_bytes(b'{"version": 1, "contents": "\xe4"}')
    with pytest.raises(MemoryEditError, match=r"edit.json: not a text in UTF-8 \(byte 28\)"):
        MemoryEdit.read(path)
    path.write_bytes(b" " * (2 << 20))
    with pytest.raises(MemoryEditError, match=r"edit\.json: more than 1 MiB"):
        MemoryEdit.read(path)
    path.write_text('{"version": 3}')
    with pytest.raises(MemoryEditError, match=r"edit\.json: version 3"):
        MemoryEdit.read(path)


def test_it_loads_without_torch() -> None:
    code = (
        "import sys, core.model.memory_edit, core.data.guidance; from core.model.memory_edit import *;"
        "MemoryEdit.from_json(MemoryEdit((Step('mute'),)).to_json());"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
