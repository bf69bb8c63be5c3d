"""Setting up a run: ready recipes, folders put into words, what keeps it from starting, what is frozen at Start."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QComboBox, QLabel
from pytestqt.qtbot import QtBot

from core.model import catalog
from core.training import runs
from core.training.recipe import TrainRecipe
from memorynet_gui.newrun import photos_desk
from memorynet_gui.newrun.presets import PRESETS, load
from memorynet_gui.newrun.view import NewRunView
from tests.gui.newrun.new_run_kit import folder_of, looked, pairs_of, view
from tests.gui.newrun.test_recipe_form import type_into
from tests.restore_page_kit import write
from tests.small import photo, save_small_model
from tests.ui import settle, unnamed_focusable, wait_until

__all__ = ["view"]  # a fixture

QUICK, FINE, STANDARD = PRESETS


def test_it_offers_a_recipe_that_can_start_at_once(view: NewRunView) -> None:
    looked(view)
    assert view.why_not() is None
    assert view.bar.start.isEnabled()
    assert view.recipe() == load("quick-look")
    assert "13 clean photos that ship" in view.data.words.text()
    assert unnamed_focusable(view) == []


def test_start_freezes_what_is_there(view: NewRunView) -> None:
    looked(view)
    started: list[tuple[TrainRecipe, tuple[Path, ...], Path]] = []
    view.start_requested.connect(lambda *args: started.append(args))
    type_into(view.form, "steps", "7")
    looked(view)
    view.bar.start.click()
    type_into(view.form, "steps", "8")
    looked(view)
    view.start()
    (first, data, folder), (second, _, other) = started
    assert (first.steps, second.steps) == (7, 8)
    assert data == ()
    assert folder.parent == view.place.folder
    assert folder.is_dir()
    assert other.name == f"{folder.name}-2", "never a folder that exists"


def test_a_wrong_value_disables_start_and_says_why(view: NewRunView) -> None:
    looked(view)
    told: list[bool] = []
    view.valid_changed.connect(told.append)
    started: list[object] = []
    view.start_requested.connect(lambda *args: started.append(args))
    view.form.fold.setChecked(True)
    type_into(view.form, "lr", "nonsense")
    assert not view.bar.start.isEnabled()
    assert not view.is_valid
    assert view.bar.reason.text() == "Learning rate: need a number."
    view.start()
    assert started == []
    type_into(view.form, "lr", "1e-4")
    looked(view)
    assert view.bar.start.isEnabled()
    assert told[0] is False
    assert told[-1] is True


def test_a_run_folder_that_cannot_be_made_is_said(view: NewRunView, tmp_path: Path) -> None:
    looked(view)
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    view.context.settings.runs_folder = blocked
    started: list[object] = []
    view.start_requested.connect(lambda *args: started.append(args))
    view.start()
    assert started == []
    assert "file" in view.bar.reason.text()


def test_ready_recipes_ask_for_photos_and_keep_those_chosen(view: NewRunView, tmp_path: Path) -> None:
    view.choose_preset(FINE)
    looked(view)
    assert view.why_not() == "Choose the folder with your photos."
    mine = folder_of(tmp_path, "mine", 12)
    view.set_data((mine,))
    looked(view)
    assert view.why_not() is None
    assert view.recipe() == replace(load("fine-tune"), train=(str(mine),))
    assert "12 clean photos in mine" in view.data.words.text()
    view.choose_preset(STANDARD)
    looked(view)
    wait_until(lambda: view.recipe().train == (str(mine),), 60)
    looked(view)
    assert view.why_not() is None
    assert view.cards.cards["standard"].isChecked()
    view.set_data(())
    looked(view)
    assert view.why_not() == "Choose the folder with your photos."
    view.photos.use_bundled()
    looked(view)
    assert view.recipe().train == ("SAMPLES/train",)
    assert view.why_not() is None


def test_an_answer_about_the_recipe_before_is_not_taken_for_this_ones(
    view: NewRunView, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go = threading.Event(), threading.Event()
    real = photos_desk.describe_data

    def held(*order: Any) -> Any:
        asked.set()
        assert go.wait(30)
        return real(*order)

    looked(view)
    monkeypatch.setattr(photos_desk, "describe_data", held)
    type_into(view.form, "steps", "7")
    wait_until(asked.is_set)
    view.choose_preset(FINE)
    go.set()
    answers: list[str | None] = []

    def needs_a_folder() -> bool:
        answers.append(view.why_not())
        return answers[-1] == "Choose the folder with your photos."

    wait_until(needs_a_folder, 60)
    assert None not in answers, "the one before could start at once"


def test_a_folder_laid_out_as_the_recipe_says_stands_for_data(view: NewRunView, tmp_path: Path) -> None:
    root, recipe = tmp_path / "photos", load("derain")
    of_pairs = {folder for source in recipe.sources if source.kind == "pairs" for folder in source.folders}
    for folder in recipe.all_folders():
        make = pairs_of if folder in of_pairs else folder_of
        make(root, folder.removeprefix("DATA/"))
    view.choose_preset(STANDARD)
    view.set_data((root,))
    looked(view)
    assert view.recipe() == recipe
    assert view.photos.data == (root,)
    assert "Learns from" in view.data.words.text()
    assert view.why_not() is None


def test_pairs_are_recognised_and_bring_their_own_damage(view: NewRunView, tmp_path: Path) -> None:
    sets = pairs_of(tmp_path, "wet")
    view.choose_preset(STANDARD)
    view.set_data((sets,))
    wait_until(lambda: view.form.value("kind") == "pairs", 60)
    looked(view)
    assert "8 pairs (rain/norain) in wet" in view.data.words.text()
    assert view.preview.isHidden()
    assert view.recipe().hold_out > 0
    view.data.add([folder_of(tmp_path, "dry")])
    wait_until(lambda: view.form.value("kind") == "mixed", 60)
    looked(view)
    recipe = view.recipe()
    assert (recipe.train, recipe.pairs) == ((str(tmp_path / "dry"),), (str(sets),))
    assert not view.preview.isHidden()
    assert view.why_not() is None


def test_a_picture_without_a_partner_is_refused_as_training_does(view: NewRunView, tmp_path: Path) -> None:
    sets = pairs_of(tmp_path, "wet")
    view.set_data((sets,))
    wait_until(lambda: view.form.value("kind") == "pairs", 60)
    looked(view)
    assert "· 8 pairs ·" in view.bar.reason.text()
    write(sets / "rain" / "lonely.png", photo(48, 48, 1))
    view.set_data((sets,))
    wait_until(lambda: not view.is_valid and "Looking" not in view.bar.reason.text(), 60)
    said = view.data.problem.text()
    assert (
        "1 picture in rain/norain has no partner" in said and "lonely.png" in said and "Leave it out" in said
    )
    assert view.data.problem.property("role") == "error"
    assert "step 2" in view.bar.reason.text()
    assert view.bar.reason.property("role") == "secondary", "the fault stands in red once"


def test_what_is_not_read_or_not_there_is_said(view: NewRunView, tmp_path: Path) -> None:
    view.set_data((pairs_of(tmp_path, "wet"),))
    wait_until(lambda: view.form.value("kind") == "pairs", 60)
    looked(view)
    view.choose_preset(QUICK)  # learns from the photos that ship
    looked(view)
    assert "does not read the folders above" in view.data.notes.text()
    view.choose_preset(STANDARD)
    view.form.set_values({"task": "deshadow"})
    view.choose_preset(QUICK)
    looked(view)
    assert "none to remove shadows yet" in view.head.source.full and view.recipe().task == "derain"
    assert view.recipe() == load("quick-look"), (
        "what was found for the recipe before is not put into this one"
    )
    assert "does not read the folders above" in view.data.notes.text()


def test_long_names_are_cut_where_one_sees_it(view: NewRunView, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "photos of a very long weekend in the mountains, the second of three days")
    view.set_data((folder,))
    looked(view)
    shown = [label.text() for label in view.data.findChildren(QLabel) if label.toolTip() == str(folder)]
    assert shown[0].startswith("photos of") and "…" in shown[0] and shown[0].endswith("days")


def test_the_buttons_stay_where_they_are_whatever_is_said(
    view: NewRunView, tmp_path: Path, qtbot: QtBot
) -> None:
    view.show()
    looked(view)
    folder, places = folder_of(tmp_path, "photos"), []
    view.data.show_looking()
    for chosen in ((), (folder,), (folder, tmp_path)):
        view.data.set_folders(chosen)
        settle()
        places.append((view.data.choose.pos(), view.data.bundled.y(), view.sources.mix.y()))
    assert view.data.words.text() == "Looking at the photos…" and len(set(places)) == 1, places


def test_a_folder_without_photos_is_said_and_cannot_start(view: NewRunView, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    view.choose_preset(FINE)
    view.set_data((empty,))
    looked(view)
    assert not view.is_valid
    assert "no photos" in view.bar.reason.text().lower()


def test_another_task_brings_its_own_recipe_and_damage(view: NewRunView) -> None:
    view.choose_preset(STANDARD)
    task = view.form.row("task").editor.field_widget()
    assert isinstance(task, QComboBox)
    task.setCurrentIndex(1)
    task.activated.emit(1)
    assert view.recipe() == load("deshadow")
    assert view.preview.task == "deshadow"
    view.choose_preset(QUICK)
    assert view.form.value("task") == "derain"
    assert view.preview.parameters() == load("quick-look").degradation


def test_fine_tuning_goes_on_from_the_shipped_model_of_the_task(view: NewRunView) -> None:
    view.choose_preset(FINE)
    assert (view.recipe().task, view.recipe().start_from) == ("derain", "derain-s")
    choose_task(view, 1)
    assert (view.recipe().task, view.recipe().start_from) == ("deshadow", "deshadow-s")
    assert view.preview.task == "deshadow"
    choose_task(view, 0)
    assert view.recipe() == load("fine-tune")


def choose_task(view: NewRunView, index: int) -> None:
    task = view.form.row("task").editor.field_widget()
    assert isinstance(task, QComboBox)
    task.setCurrentIndex(index)
    task.activated.emit(index)


def test_a_start_model_of_another_task_gives_way_to_that_of_the_task(view: NewRunView) -> None:
    view.choose_preset(QUICK)
    row = view.form.row("start_from")
    assert view.recipe().start_from == "derain-s"
    choose_task(view, 1)
    assert (view.recipe().task, view.recipe().start_from) == ("deshadow", "deshadow-s")
    assert "derain-s learned to remove rain" in row.note.text() and "deshadow-s is in its" in row.note.text()
    assert row.editor.value() == "deshadow-s"
    choose_task(view, 0)
    assert view.recipe() == load("quick-look"), "back as it was"
    assert row.note.text() == row._help


def test_a_start_model_of_another_task_is_taken_out_where_the_task_has_none(
    view: NewRunView, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = catalog.model_problem
    monkeypatch.setattr(
        catalog, "model_problem", lambda start: "none" if start == "deshadow-s" else problem(start)
    )
    view.choose_preset(QUICK)
    row = view.form.row("start_from")
    choose_task(view, 1)
    assert (view.recipe().task, view.recipe().start_from) == ("deshadow", "")
    assert "choose it to start from it anyway" in row.note.text()
    assert view.form.row("preset").editor.isEnabled()
    choose_task(view, 0)
    assert view.recipe() == load("quick-look"), "back as it was"


def test_a_start_model_of_another_task_may_be_chosen_again(view: NewRunView) -> None:
    view.choose_preset(QUICK)
    choose_task(view, 1)
    row = view.form.row("start_from")
    start = row.editor.field_widget()
    assert isinstance(start, QComboBox)
    start.setEditText("derain-s")
    assert view.recipe().start_from == "derain-s"
    assert row.note.text() == row._help
    type_into(view.form, "steps", "7")
    choose_task(view, 0)
    assert (view.recipe().start_from, view.recipe().steps) == ("derain-s", 7)
    choose_task(view, 1)
    choose_task(view, 0)
    assert (view.recipe().start_from, view.recipe().steps) == ("derain-s", 7), "it comes back with its task"


def test_what_a_start_model_learned_is_asked_of_the_model(view: NewRunView, tmp_path: Path) -> None:
    shadows = save_small_model(tmp_path / "dark", task="deshadow")
    for start, stays in ((str(shadows), True), (str(tmp_path / "gone"), True), ("derain-s", False)):
        view.set_recipe(replace(TrainRecipe(), start_from=start))
        choose_task(view, 1)
        assert view.recipe().start_from == (start if stays else "deshadow-s")


def test_a_folder_without_a_model_cannot_be_started_from(view: NewRunView, tmp_path: Path) -> None:
    looked(view)
    assert view.is_valid
    for start in (str(tmp_path), "nobody"):
        view.form.set_values({"start_from": start})
        looked(view)
        assert (view.why_not() or "").startswith("Start from: ") and start in (view.why_not() or "")
        assert not view.bar.start.isEnabled()
    view.form.set_values({"start_from": str(save_small_model(tmp_path / "model"))})
    looked(view)
    assert view.is_valid


def test_the_look_of_the_damage_goes_into_the_recipe(view: NewRunView) -> None:
    looked(view)
    view.preview.reset.click()
    assert view.recipe().degradation == {}
    view.preview.row("mist").slider.setValue(500)  # type: ignore[union-attr]
    assert view.recipe().degradation == {"mist": 0.5}
    assert "changed" in view.head.source.full


def test_recipes_are_loaded_saved_and_duplicated(view: NewRunView, tmp_path: Path) -> None:
    looked(view)
    recipe = replace(load("quick-look"), name="wet", steps=99)
    file = tmp_path / "wet.toml"
    file.write_text(recipe.to_toml())
    view.open_recipe(file)
    assert view.recipe() == recipe
    assert view.head.source.full == "wet.toml"
    assert not any(card.isChecked() for card in view.cards.cards.values())
    view.duplicate()
    assert view.recipe().name == "wet-2"
    view.duplicate()
    assert view.recipe().name == "wet-3"
    kept = tmp_path / "kept.toml"
    assert view.save_recipe(kept)
    assert TrainRecipe.from_toml(kept) == view.recipe()
    assert not view.save_recipe(file / "below-a-file.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("[training]\nstepz = 3\n")
    before = view.recipe()
    view.open_recipe(bad)
    assert "stepz" in view.head.source.full
    assert view.recipe() == before


def test_a_recipe_of_a_run_keeps_its_own_folders(view: NewRunView, tmp_path: Path) -> None:
    mine = folder_of(tmp_path, "mine")
    recipe = replace(TrainRecipe(), train=(str(mine),), validation=("SAMPLES/validation",))
    view.set_recipe(recipe)
    looked(view)
    assert view.recipe() == recipe
    assert view.why_not() is None
    mine.rename(tmp_path / "gone")
    view.form.set_values({})
    looked(view)
    assert "no such folder" in (view.why_not() or "")


@pytest.mark.dressed
def test_it_fits_a_small_window(view: NewRunView, qtbot: QtBot) -> None:
    looked(view)
    view.form.fold.setChecked(True)
    settle()
    inside = view.area.widget()
    assert inside is not None
    assert inside.minimumSizeHint().width() <= 640
    assert inside.width() <= view.area.viewport().width()


def test_new_runs_are_kept_where_runs_are_found(view: NewRunView) -> None:
    view.context.settings.runs_folder = None
    assert view.place.folder == runs.default_folder()
