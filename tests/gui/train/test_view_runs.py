"""The list of runs and the inspector beside it, with runs as they lie on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core.data.source import DataSource
from core.problems import Problem
from core.training import runs
from core.training.recipe import TrainRecipe
from core.training.run_folder import DONE, FAILED, INTERRUPTED, PAUSED, RUNNING, STOPPED, RunFolder
from memorynet_gui.look.theme import Theme
from memorynet_gui.train.inspector import Live, TrainInspector, age_text, network_text, task_text
from memorynet_gui.train.runs_view import (
    OVERLAYS_MAX,
    ROW_PX,
    RunList,
    can_continue,
    detail_text,
    difference_text,
    is_elsewhere,
)
from tests.run_makers import make_run
from tests.ui import settle, unnamed_focusable


@pytest.fixture
def theme(qapp: QApplication) -> Theme:
    return Theme(qapp, "dark")


@pytest.fixture
def three(tmp_path: Path) -> tuple[runs.Run, ...]:
    make_run(tmp_path, "rain-3", age_s=0, contrastive_weight=0.003)
    make_run(tmp_path, "rain-2", STOPPED, step=12, best_psnr_db=28.5, age_s=60)
    make_run(tmp_path, "rain-1", RUNNING, step=3, best_psnr_db=None, age_s=120)
    found = runs.find(tmp_path)
    assert [run.name for run in found] == ["rain-3", "rain-2", "rain-1"]
    return found


# --- words ---------------------------------------------------------------------------------------


def test_what_stands_beside_a_run(three: tuple[runs.Run, ...]) -> None:
    assert [detail_text(run, False) for run in three] == ["30.00 dB", "28.50 dB · stopped", "interrupted"]
    assert detail_text(three[0], True) == "30.00 dB · training"
    state = three[0].state
    assert state is not None
    paused = replace(three[0], state=replace(state, state=PAUSED))
    assert detail_text(paused, True) == "30.00 dB · paused"
    broken = replace(three[0], state=None, recipe=None, error="recipe.toml is missing.")
    assert detail_text(broken, False) == "cannot be read"


@pytest.mark.parametrize(
    ("state", "step", "may"),
    [
        (INTERRUPTED, 5, True),
        (STOPPED, 5, True),
        (FAILED, 5, True),
        (DONE, 20, False),
        (STOPPED, 20, False),
        (RUNNING, 5, False),
        (PAUSED, 5, False),
    ],
)
def test_which_runs_can_go_on(tmp_path: Path, state: str, step: int, may: bool) -> None:
    run = runs.read(make_run(tmp_path, "rain", step=step))
    assert run.state is not None
    run = replace(run, state=replace(run.state, state=state))
    assert can_continue(run, False) is may
    assert not can_continue(run, True)
    assert is_elsewhere(run, False) is (state in (RUNNING, PAUSED))


def test_a_locked_run_is_somebody_elses(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "rain", RUNNING, step=5)
    with RunFolder(folder).locked():
        run = runs.read(folder)
        assert detail_text(run, False) == "30.00 dB · running elsewhere"
        assert is_elsewhere(run, False) and not can_continue(run, False)
    assert can_continue(runs.read(folder), False)


def test_differences_in_words(three: tuple[runs.Run, ...]) -> None:
    newer, older = three[0].recipe, three[1].recipe
    assert newer is not None and older is not None
    found = runs.differences((older, newer))
    assert difference_text("rain-3", "rain-2", found) == (
        "rain-3 differs from rain-2: contrastive weight 0.001 → 0.003"
    )
    assert difference_text("a", "b", ()) == "a has the recipe of b"
    many = runs.differences(
        (older, replace(older, lr=2e-3, steps=10_000, seed=2, train=("DATA/x", "DATA/y")))
    )
    text = difference_text("a", "b", many)
    assert "steps 20 → 10,000" in difference_text("a", "b", many, most=9)
    assert text.endswith("and 1 more") and "training folders DATA/clean → DATA/x, DATA/y" in text


# --- the list ------------------------------------------------------------------------------------


@pytest.fixture
def listed(theme: Theme, three: tuple[runs.Run, ...]) -> Iterator[RunList]:
    view = RunList()
    view.resize(268, 200)
    view.set_runs(three, None, three[0].folder)
    view.show()
    settle()
    yield view
    view.deleteLater()
    settle()


def press(view: RunList, row: int, x: int) -> None:
    rect = view.visualRect(view.model().index(row, 0))
    QTest.mouseClick(
        view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(rect.left() + x, rect.center().y())
    )


def test_a_click_shows_and_a_click_on_the_dot_overlays(listed: RunList, three: tuple[runs.Run, ...]) -> None:
    shown: list[Path] = []
    told: list[int] = []
    listed.shown.connect(shown.append)
    listed.overlays_changed.connect(lambda: told.append(1))
    press(listed, 1, 100)
    assert shown == [three[1].folder] and listed.overlays() == ()
    press(listed, 1, 10)
    press(listed, 2, 10)
    assert shown == [three[1].folder] and listed.overlays() == (three[1].folder, three[2].folder)
    press(listed, 1, 10)
    assert listed.overlays() == (three[2].folder,) and len(told) == 3


def test_the_keyboard_does_the_same(listed: RunList, three: tuple[runs.Run, ...]) -> None:
    shown: list[Path] = []
    removed: list[Path] = []
    listed.shown.connect(shown.append)
    listed.trash_requested.connect(removed.append)
    listed.setFocus()
    listed.setCurrentIndex(listed.model().index(0, 0))
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Space, Qt.Key.Key_Delete):
        QTest.keyClick(listed, key)
    assert shown == removed == [three[1].folder]
    assert listed.overlays() == (three[1].folder,)
    assert listed.model().index(1, 0).data(Qt.ItemDataRole.AccessibleTextRole) == "rain-2, 28.50 dB · stopped"


def test_the_shown_run_does_not_lie_over_itself(listed: RunList, three: tuple[runs.Run, ...]) -> None:
    press(listed, 1, 10)
    listed.set_runs(three, None, three[1].folder)
    assert listed.overlays() == ()
    listed.set_runs(three, None, three[0].folder)  # and lies under another one again
    assert listed.overlays() == (three[1].folder,)
    listed.set_runs(three[:1], None, three[0].folder)
    assert listed.overlays() == ()


@pytest.mark.dressed
def test_the_list_grows_with_the_runs_up_to_a_point(theme: Theme, tmp_path: Path) -> None:
    view = RunList()
    heights = []
    for count in (1, 3, 30):
        for number in range(count):
            if not (tmp_path / f"run-{number}").exists():
                make_run(tmp_path, f"run-{number}", step=2, best_psnr_db=None)
        view.set_runs(runs.find(tmp_path), None, None)
        heights.append(view.height())
    assert heights[1] - heights[0] == 2 * ROW_PX and heights[2] < 12 * ROW_PX
    for row in range(OVERLAYS_MAX + 3):
        view.setCurrentIndex(view.model().index(row, 0))
        QTest.keyClick(view, Qt.Key.Key_Space)
    assert len(view.overlays()) == OVERLAYS_MAX
    view.deleteLater()


# --- the inspector -------------------------------------------------------------------------------


@pytest.fixture
def panel(theme: Theme) -> Iterator[TrainInspector]:
    made = TrainInspector()
    made.resize(300, 900)
    made.show()
    yield made
    made.deleteLater()
    settle()


LIVE = Live(
    step=8,
    steps=20,
    elapsed_s=2830,
    seconds_left=655,
    kept_age_s=38,
    best_psnr_db=34.71,
    best_step=7,
    paused=False,
    stopping=False,
    waits_because=None,
    state="training",
    state_note="",
    photos=783,
    parameters=1_400_000,
    where="cpu · bf16",
)


def test_a_run_that_trains_is_steered(panel: TrainInspector, three: tuple[runs.Run, ...]) -> None:
    heard: list[str] = []
    panel.pause_requested.connect(lambda: heard.append("pause"))
    panel.resume_requested.connect(lambda: heard.append("resume"))
    panel.save_requested.connect(lambda: heard.append("save"))
    panel.stop_requested.connect(lambda: heard.append("stop"))
    panel.show_run(three[2], LIVE)
    assert panel.steering.isVisible() and not panel.proceed.isVisible()
    assert panel.time_row.value.full == "47:10 · 10:55"
    assert panel.kept_row.value.full == "38 s ago"
    assert panel.best_row.value.full == "34.71 dB at 7" and panel.best_row.name.text() == "Best PSNR (Y)"
    assert panel.steps.value.full == "8 of 20" and panel.photos.value.full == "783"
    assert panel.network.value.full == "width 4 · 1.4 M · memory on"
    for button in (panel.pause, panel.save, panel.stop):
        button.click()
    panel.show_run(three[2], replace(LIVE, paused=True))
    assert panel.pause.text() == "Resume"
    panel.pause.click()
    assert heard == ["pause", "save", "stop", "resume"]
    panel.show_run(three[2], replace(LIVE, stopping=True))
    assert not any(button.isEnabled() for button in (panel.pause, panel.save, panel.stop))
    panel.show_run(three[2], replace(LIVE, waits_because="The disk is full."))
    assert panel.note.isVisible() and panel.note.text() == "The disk is full."
    assert not panel.trash.isEnabled()


def test_a_run_that_stopped_can_go_on(panel: TrainInspector, three: tuple[runs.Run, ...]) -> None:
    panel.show_run(three[1], None)
    assert panel.proceed.isVisible() and not panel.steering.isVisible()
    assert panel.state_row.value.full == "stopped" and panel.trash.isEnabled()
    assert not panel.restore.isEnabled() and "before the first validation" in panel.restore.toolTip()
    panel.show_run(three[0], None)
    assert not panel.proceed.isVisible() and panel.state_row.value.full == "done"
    panel.show_run(three[0], None, Problem("It broke.", "a reason", "Mend it.", ""))
    assert panel.problem_box.isVisible() and panel.problem_box.why.text() == "a reason"
    assert not panel.problem_box.copy.isVisible()
    panel.show_run(None, None)
    assert not panel.recipe_part.isVisible() and not panel.problem_box.isVisible()


def test_a_run_of_another_program_says_so(panel: TrainInspector, tmp_path: Path) -> None:
    folder = make_run(tmp_path, "rain", RUNNING, step=5, model=True)
    with RunFolder(folder).locked():
        panel.show_run(runs.read(folder), None)
    assert not panel.proceed.isVisible() and not panel.trash.isEnabled()
    assert "Another program" in panel.note.text() and panel.restore.isEnabled()


def test_notes_are_told_for_the_run_they_were_written_for(
    panel: TrainInspector, three: tuple[runs.Run, ...]
) -> None:
    told: list[tuple[Path, str]] = []
    panel.notes_written.connect(lambda folder, text: told.append((folder, text)))
    panel.show_run(three[0], None)
    QTest.keyClicks(panel.notes, "thin rain")
    panel.show_run(three[0], None)  # it is refreshed while somebody types
    assert panel.notes.toPlainText() == "thin rain" and told == []
    panel.show_run(three[1], None)
    assert told == [(three[0].folder, "thin rain")]
    assert panel.notes.toPlainText() == ""
    panel.show_run(replace(three[0], notes="thin rain"), None)
    assert panel.notes.toPlainText() == "thin rain"
    panel.notes.tell()
    assert len(told) == 1


def test_everything_has_a_name(panel: TrainInspector, three: tuple[runs.Run, ...]) -> None:
    panel.show_runs(three, None, three[1].folder, True)
    panel.show_run(three[1], LIVE, Problem("It broke.", "a reason", "Mend it.", "details"))
    assert unnamed_focusable(panel) == []
    panel.show_runs((), None, None, False)
    assert panel.empty.isVisible() and "Looking" in panel.empty.text()
    panel.show_runs((), None, None, True)
    assert "No runs yet" in panel.empty.text() and not panel.list.isVisible()


def test_words_of_recipes(three: tuple[runs.Run, ...]) -> None:
    recipe = three[0].recipe
    assert recipe is not None
    assert task_text(recipe) == "Remove rain (synthetic)"
    of_each: dict[str, dict[str, Any]] = {
        "mixed": {"pairs": ("p",)},
        "sources": {"sources": (DataSource("drawn"),)},
    }
    kinds = next(item for item in fields(TrainRecipe) if item.name == "kind").metadata["choices"]
    texts = [task_text(replace(recipe, kind=kind, **of_each.get(kind, {}))) for kind in kinds]
    assert len(set(texts)) == len(kinds) and texts[-1] == "Remove rain (a mixture)"
    assert network_text(replace(recipe, preset="S", memory="none"), 0) == "S · no memory"
    assert network_text(replace(recipe, start_from="/models/derain-s"), 4321) == "from derain-s · 4,321"
    assert [age_text(seconds) for seconds in (38.2, 300, 7300)] == ["38 s", "5 min", "2 h"]
