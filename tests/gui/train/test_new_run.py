"""Setting up a run: ready recipes, folders put into words, what keeps it from starting, what is frozen at Start."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from core.doctor.examination import DoctorReport, Finding, PairThumbnail, examine
from core.jobs import JobControl, ignore
from core.model import catalog
from core.training import runs
from core.training.estimate import Estimate
from core.training.recipe import TrainRecipe
from memorynet_gui.base.jobs import JobRunner
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.settings import Settings
from memorynet_gui.look.theme import Theme
from memorynet_gui.newrun import view as newrun_view
from memorynet_gui.newrun.checks_view import duration_text
from memorynet_gui.newrun.presets import PRESETS, load
from memorynet_gui.newrun.view import NewRunView
from tests.gui.train.test_recipe_form import type_into
from tests.restore_page_kit import Bar, write
from tests.small import photo, save_small_model
from tests.ui import settle, unnamed_focusable, wait_until

QUICK, FINE, STANDARD = PRESETS


@pytest.fixture
def view(qapp: QApplication, tmp_path: Path) -> Iterator[NewRunView]:
    settings = Settings(tmp_path / "settings")
    settings.runs_folder = tmp_path / "runs"
    context = AppContext(settings, JobRunner(), Theme(qapp, "dark"), lambda *_a, **_k: lambda: None, Bar())
    made = NewRunView(context)
    made.resize(760, 560)
    made.show()
    yield made
    made.shut_down()
    made.deleteLater()
    settle()


def looked(view: NewRunView) -> None:
    wait_until(lambda: view.why_not() != "Looking at the photos…", 60)


def folder_of(tmp_path: Path, name: str, count: int = 3) -> Path:
    folder = tmp_path / name
    for number in range(count):
        write(folder / f"{number}.png", photo(64, 48, number))
    return folder


def pairs_of(tmp_path: Path, name: str, count: int = 8) -> Path:
    folder = tmp_path / name
    for number in range(count):
        for side in ("rain", "norain"):
            write(folder / side / f"scene{number}_1.png", photo(48, 48, number))
    return folder


def report(*findings: Finding) -> DoctorReport:
    tiny = np.zeros((16, 24, 3), np.uint8)
    return DoctorReport(findings, 0, 13, 4, "photos", (PairThumbnail("a", tiny, tiny, True),), 17, 0.1)


def estimated(batch: int, patch_px: int) -> Estimate:
    return Estimate(0.5, 7200.0, 2100.0, batch, patch_px, "it uses the free memory", "cpu", "bf16", 3, 8.0, 0.01, 60.0, 9000.0, None, True)  # fmt: skip


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
    view.use_bundled()
    looked(view)
    assert view.recipe().train == ("SAMPLES/train",)
    assert view.why_not() is None


def test_an_answer_about_the_recipe_before_is_not_taken_for_this_ones(
    view: NewRunView, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go = threading.Event(), threading.Event()
    real = newrun_view.describe_data

    def held(*order: Any) -> Any:
        asked.set()
        assert go.wait(30)
        return real(*order)

    looked(view)
    monkeypatch.setattr(newrun_view, "describe_data", held)
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
    assert view.data_folders == (root,)
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


def test_a_report_is_of_the_photos_that_were_checked(view: NewRunView, tmp_path: Path) -> None:
    looked(view)
    view.doctor.button.click()
    view.show_report(report(Finding("layout", "error", "SAMPLES/train: torn.", ())))
    assert view.why_not() is not None and not view.doctor.found.isHidden()
    empty = tmp_path / "empty"
    empty.mkdir()
    view.set_data((empty,))
    looked(view)
    assert view.doctor.found.isHidden()


def test_long_names_are_cut_where_one_sees_it(view: NewRunView, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "photos of a very long weekend in the mountains, the second of three days")
    view.set_data((folder,))
    looked(view)
    shown = [label.text() for label in view.data.findChildren(QLabel) if label.toolTip() == str(folder)]
    assert shown[0].startswith("photos of") and "…" in shown[0] and shown[0].endswith("days")


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


def test_the_check_of_the_photos_is_asked_for_and_shown(view: NewRunView) -> None:
    looked(view)
    asked: list[tuple[TrainRecipe, tuple[Path, ...]]] = []
    view.examine_requested.connect(lambda *args: asked.append(args))
    view.doctor.button.click()
    assert asked == [(view.recipe(), ())]
    assert not view.doctor.button.isEnabled()
    assert not view.estimate.button.isEnabled()
    view.show_progress("3 of 17", 3 / 17)
    assert view.doctor.summary.text() == "3 of 17"
    stops = Finding("unreadable", "error", "1 file cannot be read.", (Path("a/b.png"),))
    view.show_report(report(stops, Finding("few", "warning", "Only 13 photos.")))
    assert "1 thing would stop training" in view.doctor.summary.text()
    assert not view.is_valid
    assert "step 3" in view.bar.reason.text()
    type_into(view.form, "seed", "5")  # asked about other data: the answer does not hold
    looked(view)
    assert view.is_valid
    assert "changed since" in view.doctor.summary.text()
    view.doctor.button.click()
    view.show_report(report())
    assert "Nothing wrong" in view.doctor.summary.text()
    assert view.is_valid


def test_the_estimate_is_shown_and_its_suggestion_taken(view: NewRunView) -> None:
    looked(view)
    view.estimate.button.click()
    assert view.is_checking
    view.show_estimate(estimated(6, 64))
    assert "About 2 h" in view.estimate.summary.text() or "120 min" in view.estimate.summary.text()
    use = next(b for b in view.estimate.findChildren(QPushButton) if b.text() == "Use it")
    use.click()
    assert (view.recipe().batch, view.recipe().patch_px) == (6, 64)
    assert "changed since" in view.estimate.summary.text()
    looked(view)
    view.estimate.button.click()
    view.show_estimate(estimated(6, 64))
    assert not [b for b in view.estimate.findChildren(QPushButton) if b.text() == "Use it"]
    view.estimate.button.click()
    view.show_problem("The disk is on fire.")
    assert view.estimate.summary.text() == "The disk is on fire."
    assert not view.is_checking
    view.estimate.button.click()
    view.show_cancelled()
    assert view.estimate.button.isEnabled()


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


def test_it_fits_a_small_window(view: NewRunView, qtbot: QtBot) -> None:
    looked(view)
    view.form.fold.setChecked(True)
    settle()
    inside = view.area.widget()
    assert inside is not None
    assert inside.minimumSizeHint().width() <= 640
    assert inside.width() <= view.area.viewport().width()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(40, "40 s"), (600, "10 min"), (7200, "2 h"), (7800, "2 h 10 min"), (40 * 3600, "1 day 16 h"), (96 * 3600, "4 days")],
)  # fmt: skip
def test_durations_are_said_in_words(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_new_runs_are_kept_where_runs_are_found(view: NewRunView) -> None:
    view.context.settings.runs_folder = None
    assert view.place.folder == runs.default_folder()


def left_out_report() -> DoctorReport:
    torn = Finding(
        "unreadable", "error", "1 file cannot be read: torn.", (Path("a/torn.png"),), (), ("torn",)
    )
    names = tuple(f"a_very_long_name_of_a_photo_from_the_mountains_{number:02}" for number in range(40))
    moved = Finding("shifted", "warning", f"40 pairs are moved: {', '.join(names[:4])} and 36 more.",
                    tuple(Path(f"a/{name}.png") for name in names), (), names)  # fmt: skip
    return report(torn, moved, Finding("few", "note", "Only 13 photos."))


def button_of(view: NewRunView, words: str) -> QPushButton:
    return next(b for b in view.doctor.found.findChildren(QPushButton) if b.text() == words)


def test_what_was_found_can_be_left_out_and_taken_back_in(view: NewRunView) -> None:
    looked(view)
    view.doctor.button.click()
    view.show_report(left_out_report())
    assert not view.is_valid
    button_of(view, "Leave it out").click()
    assert view.recipe().leave_out == ("torn",)
    looked(view)
    assert view.is_valid  # what would have stopped it is left out
    assert view.doctor.summary.text() == "1 left out since. 1 more thing worth a look."
    assert not view.doctor.found.isHidden()
    button_of(view, "Leave these out").click()
    assert len(view.recipe().leave_out) == 41
    assert "Nothing else wrong" in view.doctor.summary.text()
    assert view.form.row("leave_out").editor.value() == view.recipe().leave_out
    button_of(view, "Take back in").click()  # the first, which stops training
    assert "torn" not in view.recipe().leave_out and len(view.recipe().leave_out) == 40
    looked(view)
    assert not view.is_valid
    view.form.row("leave_out").editor.field_widget().setPlainText("")  # by hand
    assert view.recipe().leave_out == ()
    assert "1 thing would stop training" in view.doctor.summary.text()
    assert unnamed_focusable(view) == []


def test_what_was_left_out_before_the_check_has_to_be_looked_at_when_it_comes_back(view: NewRunView) -> None:
    looked(view)
    view.form.set_values({"leave_out": ("torn", "old")})
    looked(view)
    view.doctor.button.click()
    out = Finding("left_out", "note", "1 left out: torn.", (Path("a/torn.png"),), (), ("torn",))
    view.show_report(replace(report(out), left_out=1))
    assert view.doctor.summary.text().startswith("13 photos to learn from, 4 to score on, 1 left out.")
    button_of(view, "Take back in").click()
    assert view.recipe().leave_out == ("old",)
    assert view.doctor.found.isHidden()
    assert "changed since" in view.doctor.summary.text()


def test_long_names_of_findings_keep_their_ends(view: NewRunView) -> None:
    looked(view)
    view.doctor.button.click()
    long = "x" * 60 + "-last.png"
    view.show_report(report(Finding("folder", "warning", f"{long}: is odd.")))
    row = next(label for label in view.doctor.found.findChildren(QLabel) if "is odd" in label.text())
    assert "-last.png: is odd." in row.text() and "…" in row.text() and len(row.text()) < 60
    assert long in row.toolTip()


def test_a_picture_without_partner_can_be_found_and_left_out(view: NewRunView, tmp_path: Path) -> None:
    """It keeps the photos from being counted; the doctor is asked all the same."""
    folder = pairs_of(tmp_path, "set")
    write(folder / "rain" / "alone_1.png", photo(48, 48, 99))
    view.form.set_values(
        {"kind": "pairs", "train": (str(folder),), "validation": (str(folder),), "hold_out": 0.3}
    )
    looked(view)
    assert "no partner" in (view.why_not() or "")
    assert view.doctor.button.isEnabled() and not view.estimate.button.isEnabled()
    view.doctor.button.click()
    view.show_report(examine(view.recipe(), (), ignore, JobControl()))
    said = view.data.problem
    assert ("step 3" in said.text(), said.property("role")) == (True, "secondary"), "the check says it now"
    button_of(view, "Leave it out").click()
    assert view.recipe().leave_out == ("alone_1",)
    looked(view)
    assert view.is_valid
    assert view.data.words.text().endswith("1 left out.")


def test_photos_left_out_are_not_counted_nor_shown(view: NewRunView, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "mine", count=4)
    view.set_data((folder,))
    looked(view)
    assert view.recipe().train == (str(folder),)
    view.form.set_values({"leave_out": ("1", "mine/3.png")})
    looked(view)
    assert "2 clean photos" in view.data.words.text() and view.data.words.text().endswith("2 left out.")
    view.form.set_values({"leave_out": ("0", "1", "2", "3")})
    looked(view)
    assert view.why_not() == "All that would be learnt from is left out; see All settings."
    view.use_bundled()
    looked(view)
    assert view.is_valid and view.recipe().leave_out == ()
