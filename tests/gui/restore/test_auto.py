"""The task "Auto" in the window: photos say what they need, and a click overrules them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core import tasks
from core.cli import program as cli
from core.cv import cv2
from core.images.io import Picture
from core.restoring import which
from core.restoring.which import RIGHT, Which
from memorynet_gui.restore.command import arguments
from memorynet_gui.restore.masks import desk as mask_desk
from memorynet_gui.restore.queue_item import ItemState
from tests.restore_page_kit import Desk, desk, wait
from tests.small import photo

pytestmark = pytest.mark.usefixtures("small_models_ship")

SIGNS = {
    "rain": {"derain": 9.0, "deshadow": -9.0},
    "both": {"derain": 9.0, "deshadow": 9.0},
    "none": {"derain": -9.0, "deshadow": -9.0},
    "odd": {"derain": RIGHT["derain"][0], "deshadow": -9.0},
}


@pytest.fixture
def at(qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    def look(picture: Picture, *_given: object, **_more: object) -> Which:
        return Which(SIGNS[picture.info.path.stem])

    monkeypatch.setattr(which, "look", look)
    monkeypatch.setattr(which, "ASKED", ())
    with desk(qapp, tmp_path / "own") as made:
        choices = made.panel.choices
        choices.task.setCurrentIndex(choices.task.findData(tasks.AUTO))
        yield made


def make(folder: Path, *names: str) -> list[Path]:
    found = []
    for number, name in enumerate(names):
        found.append(folder / f"{name}.png")
        cv2.imwrite(str(found[-1]), photo(96 + 8 * number, 72, number))
    return found


def test_photos_get_what_they_show_and_an_unsure_one_asks(at: Desk, tmp_path: Path) -> None:
    choice = at.panel.choices.choice()
    assert choice.task == tasks.AUTO and choice.model and not at.panel.choices.model.isEnabled()
    rain, both, none, odd = make(tmp_path, "rain", "both", "none", "odd")
    at.add(rain, both, none, odd)
    at.run_all()
    first = at.item(rain)
    assert first.state is ItemState.DONE and first.result is not None
    assert first.result.made.task == "derain" and first.result.choice.task == "derain"
    second = at.item(both).result
    assert second is not None and second.made.task == "derain, deshadow"
    third = at.item(none).result
    assert third is not None and third.made.verdict.unchanged
    assert "Nothing to take out was found" in third.made.notes

    asked = at.item(odd)
    assert asked.state is ItemState.FAILED and asked.problem is not None
    assert "Choose the task" in asked.problem.sentence or "Choose the task" in asked.problem.todo
    at.page.session.set_current(asked.id)
    wait(at.panel.said.isVisible)
    assert list(at.panel.said.buttons)[:2] == ["derain", "deshadow"]
    # a question, not an accident: nothing to report, and nothing that would only be asked again
    assert not at.panel.problem_box.isVisible() and not at.panel.restore.isEnabled()
    assert asked.status == "⚠ not sure" and "Say what it is" in at.panel.verdict_note.text()
    assert at.page.session.summary.text == "4 photos · 3 done · 1 asks"
    assert not at.page.filmstrip.retry.isVisible() and not at.page.can("retry")
    at.page.work.retry([])
    assert at.item(odd).asks and not at.page.flow.busy
    # what came back as it went in is not among those that wait to be saved
    wait(lambda: at.page.filmstrip.save_all.text() == "Save all 2")
    at.page.handle("save_all")
    wait(lambda: not at.page.saver.saving_ids)
    assert at.item(both).saved.path.name == "both.restored.png"  # type: ignore[union-attr]
    assert (
        arguments(at.item(both))[2:4] == ["--task", "auto"]
        and cli.main([*arguments(at.item(both)), "--overwrite"]) == 0
    )
    assert at.item(rain).is_saved and at.item(none).saved is None and not at.item(none).wants_saving
    at.page.handle("save_all")
    assert "nothing was found" in at.said[-1].text
    choices = at.panel.choices
    choices.task.setCurrentIndex(choices.task.findData("derain"))
    wait(at.panel.restore.isEnabled)
    assert at.panel.restore.text() == "Restore"
    choices.task.setCurrentIndex(choices.task.findData(tasks.AUTO))
    wait(lambda: not at.panel.restore.isEnabled())
    QTest.mouseClick(at.panel.said.buttons["deshadow"], Qt.MouseButton.LeftButton)
    assert at.item(odd).said == "deshadow" and at.item(odd).state is ItemState.WAITING
    at.page.handle("run")
    at.wait_idle()
    done = at.item(odd).result
    assert done is not None and done.made.task == "deshadow"


def test_what_was_painted_and_taught_counts_for_the_task_that_is_taken(at: Desk, tmp_path: Path) -> None:
    rain, odd = make(tmp_path, "rain", "odd")
    store = at.page.flow.taught
    assert store is not None and at.page.flow.masks is not None
    taught = np.full((72, 96), 128, np.uint8)
    taught[:20] = 0  # said on the Memory page: no rain there
    store.put(store.key(rain, "derain"), taught)
    at.add(rain, odd)
    mask = np.zeros((72, 104), np.uint8)
    mask[30:] = 255
    at.page.session.update(at.item(odd).id, said="deshadow", mask=at.page.flow.masks.put(mask))
    at.run_all()
    first, second = at.item(rain).result, at.item(odd).result
    assert first is not None and second is not None
    assert first.made.task == "derain" and len(first.made.taught) == 16 and first.taught_name
    assert second.made.task == "deshadow" and second.mask_name and second.made.mask not in ("none", "auto")


def test_a_shadow_can_be_marked_under_auto(at: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(mask_desk, "find_shadow", lambda _path, choice: asked.append(choice.task))
    (odd,) = make(tmp_path, "odd")
    at.add(odd)
    at.wait_shown(odd)
    masks, item = at.page.masks, at.item(odd)
    at.page.handle("paint_mask")
    button = masks.bar.uses.buttons["damage"]
    assert button.isEnabled() and masks.bar.uses.key == "only" and not asked  # nobody says it is one
    masks.set_use("damage")
    masks.do("invert")
    assert "if shadows are taken out" in masks.bar.says.text()
    at.page._task_said("deshadow")
    assert masks.bar.says.text() == "100 % of the photo marked as shadow"
    masks.guess()
    wait(lambda: masks._guessing is None)
    assert asked == ["deshadow"]
    at.page._task_said("derain")  # rain cannot be marked, and the button says where it can
    assert not button.isEnabled() and "Auto" in button.toolTip() and masks.bar.uses.key == "only"
    masks.stop()
    assert at.page.session.get(item.id).mask  # type: ignore[union-attr]


def test_a_look_says_what_it_shows(at: Desk, tmp_path: Path) -> None:
    at.settings.look_automatically = True
    rain, odd = make(tmp_path, "rain", "odd")
    at.add(rain, odd)
    wait(lambda: all(at.item(path).look is not None for path in (rain, odd)), 240)
    assert at.item(rain).status == "rain" and at.item(odd).status == "not sure"
    at.page.session.set_current(at.item(odd).id)
    wait(lambda: at.panel.verdict_words.text() == "Not sure whether it is rain")
    assert "Say what it is" in at.panel.verdict_note.text()
    QTest.mouseClick(at.panel.said.buttons["derain"], Qt.MouseButton.LeftButton)
    wait(lambda: at.item(odd).look is not None and at.item(odd).look.which is None, 240)  # type: ignore[union-attr]
    assert at.item(odd).look.choice.task == "derain"  # type: ignore[union-attr]
    QTest.mouseClick(at.panel.said.buttons["derain"], Qt.MouseButton.LeftButton)
    assert at.item(odd).said == ""


def test_one_task_of_the_list_is_as_ever(at: Desk, tmp_path: Path) -> None:
    choices = at.panel.choices
    choices.task.setCurrentIndex(choices.task.findData("derain"))
    assert choices.model.isEnabled() and choices.choice().model == "derain-s"
    (rain,) = make(tmp_path, "rain")
    at.add(rain)
    assert not at.panel.said.isVisible()
