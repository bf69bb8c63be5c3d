"""Names of slots: kept with the weights they speak of, in the user's folder where the model is not theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.model import catalog, slot_names
from core.model.slot_names import SlotNamesError, SlotNote

KEY = ("negative", "part", 7)


def test_names_are_there_again_for_the_same_weights_only(tmp_path: Path) -> None:
    notes = {KEY: SlotNote("Steep streaks", "In front of trees."), ("positive", "part", 0): SlotNote()}
    file = slot_names.write(tmp_path, "ab" * 32, notes)
    assert file == tmp_path / "slots.json"
    assert slot_names.read(tmp_path, "ab" * 32) == {KEY: SlotNote("Steep streaks", "In front of trees.")}
    assert slot_names.read(tmp_path, "cd" * 32) == {}
    assert slot_names.read(tmp_path / "elsewhere", "ab" * 32) == {}


def test_a_bundled_models_names_stand_in_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(catalog.HOME_VARIABLE, str(tmp_path))
    model = catalog.default_model("derain")
    file = slot_names.write(model, "ab" * 32, {KEY: SlotNote("Veil")})
    assert file.is_relative_to(tmp_path) and not (model / "slots.json").exists()
    assert slot_names.read(model, "ab" * 32)[KEY].name == "Veil"


@pytest.mark.parametrize(
    "text",
    ["[]", "{", '{"version": 2}', '{"version": 1, "weights_sha256": "a", "slots": [{"polarity": "up"}]}',
     '{"version": 1, "weights_sha256": "a", "slots": [{"polarity": "negative", "granularity": "part", "slot": -1, '
     '"name": "", "note": ""}]}'],
)  # fmt: skip
def test_a_damaged_file_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "slots.json").write_text(text, "utf-8")
    with pytest.raises(SlotNamesError, match=r"slots\.json"):
        slot_names.read(tmp_path, "a")


def test_a_name_is_one_line(tmp_path: Path) -> None:
    for note in (SlotNote("two\nlines"), SlotNote("x" * 61), SlotNote("", "x" * 2001)):
        with pytest.raises(SlotNamesError, match="negative part 7"):
            slot_names.write(tmp_path, "a", {KEY: note})
