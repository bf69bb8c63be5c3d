"""Dropped photos are looked at before anything is restored; the shown one gets its before and after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication

from core.restoring.records import Choice, Made
from core.restoring.verdict import LITTLE, Verdict
from memorynet_gui.restore import looker as looking
from memorynet_gui.restore.command import arguments
from memorynet_gui.restore.queue_item import (
    Item,
    ItemState,
    LookNote,
    ResultNote,
    item_as_json,
    item_from_json,
)
from tests.restore_page_kit import Desk, desk, rainy, wait, write


@pytest.fixture
def at(qapp: QApplication, tmp_path: Path) -> Iterator[Desk]:
    with desk(qapp, tmp_path / "own") as made:
        yield made


def test_a_dropped_photo_is_looked_at_and_previewed(at: Desk, tmp_path: Path) -> None:
    wet, dry = rainy()
    first, second = write(tmp_path / "wet.png", wet), write(tmp_path / "dry.png", dry)
    at.settings.look_automatically = True
    shown: list[np.ndarray] = []
    at.page.looker.previewed.connect(lambda _id, rgb: shown.append(rgb) if rgb is not None else None)
    at.add(first, second)
    wait(lambda: all(at.item(path).look is not None for path in (first, second)), 240)
    wait(lambda: shown, 240)
    item = at.item(first)
    assert (
        item.state is ItemState.WAITING
        and item.look is not None
        and item.look.verdict.found in ("little", "much")
    )
    assert "rain" in item.status and item.result is None, "only looked at"
    assert np.abs(shown[0].astype(int) - dry).mean() < np.abs(wet.astype(int) - dry).mean()
    assert at.panel.verdict_words.isVisibleTo(at.panel) and "rain found" in at.panel.verdict_words.text()
    assert "Preview" in at.panel.verdict_note.text()
    task = at.panel.choices.task
    task.setCurrentIndex(task.findData("deshadow"))
    # of rain nothing is said where shadows are chosen
    wait(lambda: not at.panel.verdict_words.isVisibleTo(at.panel))
    at.page.session.update(item.id, look=LookNote(at.page.looker._key(item)[0], Verdict(LITTLE)))
    corrected = "Mask (M) shows what is taken for shadow, to correct it."
    wait(lambda: at.panel.verdict_note.text().endswith(corrected))
    task.setCurrentIndex(task.findData("derain"))
    wait(lambda: at.panel.verdict_words.isVisibleTo(at.panel), 240)
    at.page.handle("run")
    at.wait_idle()
    done = at.item(first)
    assert done.result is not None and done.result.made.verdict.found == item.look.verdict.found
    assert done.status.startswith("✓ ")
    words = arguments(done)
    assert words[words.index("--scale") + 1] == "auto"


def test_nothing_is_looked_at_when_turned_off(
    at: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    monkeypatch.setattr(looking, "look_at", lambda item_id, *_more: looks.append(item_id))
    path = write(tmp_path / "wet.png", rainy()[0])
    at.add(path)
    at.wait_shown(path)
    wait(lambda: not at.page.looker._soon.isActive())
    assert not looks and at.item(path).status == "to do"


def test_a_photo_that_cannot_be_looked_at_is_left_to_the_run(at: Desk, tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nnot at all")
    at.settings.look_automatically = True
    at.add(path)
    wait(lambda: at.page.looker._failed or at.item(path).state is ItemState.FAILED)
    assert at.item(path).look is None


def test_the_choice_of_scale_is_remembered_and_outlives_the_queue(at: Desk) -> None:
    scale = at.panel.choices.scale
    scale.combo.setCurrentIndex(scale.combo.findData("1/4"))
    assert at.settings.scale == "1/4" and at.panel.choices.choice().scale == "1/4"
    found = Verdict("much", 0.8, "1/4")
    made = Made(
        "derain",
        "derain-s",
        "0" * 64,
        "cpu",
        "fp32",
        64,
        1.0,
        1.0,
        (),
        "unchanged",
        "none",
        "none",
        "1/4",
        verdict=found,
    )
    note = ResultNote(Choice("derain", "derain-s", scale="1/4"), made, 9, 9, 8, 1, 1)
    item = Item(Path("a.jpg"), state=ItemState.DONE, result=note)
    again = item_from_json(item_as_json(item))
    assert again.result == note and again.status == "✓ most gone"
    assert "1/4" in arguments(again) and "--tile" not in arguments(again)


def test_a_look_speaks_of_its_task() -> None:
    look = LookNote(Choice("deshadow", "deshadow-s"), Verdict("nothing", scale="1/8"))
    item = Item(Path("a.jpg"), look=look)
    assert item.status == "no shadow"
    marked = LookNote(Choice("deshadow", "deshadow-s"), Verdict(), masks=("ab", ""))
    assert (marked.short, marked.words) == ("marked", "The shadow is where you marked it")


def test_what_is_shown_as_restored_is_of_what_is_chosen(at: Desk, tmp_path: Path) -> None:
    wet, _dry = rainy()
    path = write(tmp_path / "wet.png", wet)
    at.settings.look_automatically = True
    at.add(path)
    canvas, task = at.page.canvas, at.panel.choices.task
    wait(lambda: canvas._scene.restored is not None, 240)
    task.setCurrentIndex(task.findData("deshadow"))
    assert canvas._scene.restored is None, "rain gone is no preview of shadows"
    task.setCurrentIndex(task.findData("derain"))
    wait(lambda: canvas._scene.restored is not None, 240)
