"""The recipe form: made from the fields alone, one validation with the file, nothing lost on the way."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLineEdit, QPlainTextEdit, QStyle, QStyleOptionComboBox
from pytestqt.qtbot import QtBot

from core.data.degrade import DEGRADATIONS
from core.tasks import TASKS
from core.training.recipe import RecipeError, TrainRecipe
from memorynet_gui.look.theme import Theme
from memorynet_gui.newrun.recipe_fields import read_number
from memorynet_gui.newrun.recipe_form import RecipeForm
from memorynet_gui.widgets.parts import DETAIL_ROLE, DetailCombo
from tests.ui import unnamed_focusable

SHIPPED = sorted((Path(__file__).parents[3] / "resources" / "recipes").glob("*.toml"))


def form(qtbot: QtBot) -> RecipeForm:
    made = RecipeForm()
    qtbot.addWidget(made)
    made.resize(760, 900)
    made.show()
    return made


def type_into(shown: RecipeForm, name: str, text: str) -> None:
    edit = shown.row(name).editor.field_widget()
    assert isinstance(edit, QLineEdit)
    edit.setText(text)
    edit.textEdited.emit(text)  # what a key press does, of which setText says nothing


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_recipe_comes_out_as_it_went_in(qtbot: QtBot, path: Path) -> None:
    shown = form(qtbot)
    shown.fold.setChecked(True)
    recipe = TrainRecipe.from_toml(path)
    shown.set_recipe(recipe)
    assert shown.recipe() == recipe
    for item in fields(TrainRecipe):
        if item.name not in {"degradation", "sources"}:
            assert shown.row(item.name).editor.value() == getattr(recipe, item.name), item.name


def test_every_field_has_a_row_with_its_title_its_help_and_a_name(qtbot: QtBot) -> None:
    shown = form(qtbot)
    shown.fold.setChecked(True)
    for item in fields(TrainRecipe):
        if item.name in {"degradation", "sources"}:
            continue
        row = shown.row(item.name)
        assert row.title == item.metadata["title"]
        assert row.note.text() == item.metadata["help"]
        assert item.name in row.editor.field_widget().toolTip()
        assert row.editor.field_widget().accessibleName() == item.metadata["title"]
    assert unnamed_focusable(shown) == []


def test_what_is_wrong_stands_beside_its_field_and_goes_again(qtbot: QtBot) -> None:
    shown = form(qtbot)
    told: list[bool] = []
    shown.valid_changed.connect(told.append)
    for wrong, need in (
        ("many", "Need a whole number."),
        ("0", "Need 1 to 10,000,000."),
        ("", "Need a whole number."),
    ):
        type_into(shown, "steps", wrong)
        assert not shown.is_valid
        assert shown.row("steps").note.text() == need
        assert shown.first_problem() == f"Steps: {need[0].lower()}{need[1:]}"
        with pytest.raises(RecipeError, match="steps"):
            shown.recipe()
    type_into(shown, "steps", "12,000")
    assert shown.recipe().steps == 12_000
    assert shown.row("steps").note.text() == shown.row("steps")._help
    assert told == [False, True]


def test_fields_that_depend_on_each_other_are_checked_together(qtbot: QtBot) -> None:
    shown = form(qtbot)
    shown.set_recipe(replace(TrainRecipe(), batch=8, crops_per_photo=4))
    type_into(shown, "batch", "6")
    assert "multiple" in shown.row("batch").note.text()
    type_into(shown, "crops_per_photo", "3")
    assert shown.recipe().batch == 6


def test_the_form_and_the_file_say_the_same(qtbot: QtBot) -> None:
    shown = form(qtbot)
    type_into(shown, "lr", "7")
    with pytest.raises(RecipeError) as from_form:
        shown.recipe()
    with pytest.raises(RecipeError) as from_file:
        TrainRecipe.from_dict({"training": {"lr": 7.0}})
    assert str(from_form.value) == str(from_file.value)


def test_a_problem_in_the_folded_part_can_be_found(qtbot: QtBot) -> None:
    shown = form(qtbot)
    shown.set_values({"hold_out": 0.5})
    assert not shown.is_valid
    assert not shown.fold.isChecked()
    row = shown.reveal("hold_out")
    assert row is not None
    assert shown.fold.isChecked()
    assert "only pairs" in row.note.text().lower()
    assert row.editor.field_widget().hasFocus() or not shown.isActiveWindow()


def test_choices_folders_and_models_are_chosen(qtbot: QtBot) -> None:
    shown = form(qtbot)
    task = shown.row("task").editor.field_widget()
    assert isinstance(task, QComboBox)
    offered = [task.itemText(at) for at in range(task.count())]
    assert offered == [*(what.verb for name, what in TASKS.items() if name in DEGRADATIONS), "Of your own…"]
    shadows = offered.index(TASKS["deshadow"].verb)
    task.setCurrentIndex(shadows)
    task.activated.emit(shadows)
    start = shown.row("start_from").editor.field_widget()
    assert isinstance(start, QComboBox)
    assert start.findText("derain-s") > 0
    assert all(start.itemText(at) for at in range(start.count())), "no row is blank"
    start.setEditText("derain-s")
    folders = shown.row("train").editor.field_widget()
    assert isinstance(folders, QPlainTextEdit)
    folders.setPlainText("one\n\n two \n")
    recipe = shown.recipe()
    assert (recipe.task, recipe.start_from, recipe.train) == ("deshadow", "derain-s", ("one", "two"))


def test_a_start_model_brings_its_own_size(qtbot: QtBot) -> None:
    shown = form(qtbot)
    size = shown.row("preset")
    assert size.editor.isEnabled()
    shown.set_values({"start_from": "/runs/rain-7/model"})
    assert not size.editor.isEnabled()
    assert size.note.text() == "rain-7 brings its own"
    assert "rain-7 brings its own" in size.toolTip()
    assert "rain-7 brings its own" in size.editor.field_widget().toolTip()
    shown.fold.setChecked(True)
    assert [shown.row(name).editor.isEnabled() for name in ("width", "memory", "steps")] == [
        False,
        False,
        True,
    ]
    assert not size.editor.isEnabled()
    shown.set_values({"width": 1})
    assert shown.row("width").editor.isEnabled(), "what is wrong can be put right"
    shown.set_values({"width": 8})
    assert not shown.row("width").editor.isEnabled()
    start = shown.row("start_from").editor.field_widget()
    assert isinstance(start, QComboBox)
    start.setCurrentIndex(0)  # the row that says so in words
    start.activated.emit(0)
    assert shown.value("start_from") == "" and start.currentText() == ""
    assert all(row.editor.isEnabled() for row in shown._rows.values())
    assert size.note.text() == size._help
    assert "Not in use" not in size.editor.field_widget().toolTip() + size.toolTip()


def test_what_is_said_beside_a_field_stands_until_it_changes(qtbot: QtBot) -> None:
    shown = form(qtbot)
    shown.say("steps", "Told so")
    assert shown.row("steps").note.text() == "Told so"
    shown.set_values({"seed": 4})
    assert shown.row("steps").note.text() == "Told so"
    type_into(shown, "steps", "0")
    assert shown.row("steps").note.text() == "Need 1 to 10,000,000."
    type_into(shown, "steps", "9")
    assert shown.row("steps").note.text() == shown.row("steps")._help
    with pytest.raises(KeyError):
        shown.say("stepz", "no")


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("8,000", int, 8000), ("8 000", int, 8000), ("1e4", int, 10_000), ("1.5", int, "1.5"), ("1,5", int, "1,5"),
        ("1e-3", float, 0.001), (".5", float, 0.5), ("1,234.5", float, 1234.5), ("x", float, "x"), ("", int, ""),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text: str, kind: type, expected: object) -> None:
    assert read_number(text, kind) == expected
    assert type(read_number(text, kind)) is type(expected)


@pytest.mark.dressed
def test_choices_are_read_to_their_end(qapp: QApplication, qtbot: QtBot) -> None:
    Theme(qapp, "dark")
    form = RecipeForm()
    qtbot.addWidget(form)
    form.show()
    form.fold.setChecked(True)
    for combo in form.findChildren(DetailCombo):
        style, option = combo.style(), QStyleOptionComboBox()
        combo.initStyleOption(option)
        field = style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, combo
        )
        for row in range(combo.count()):
            words = [combo.itemText(row), str(combo.itemData(row, DETAIL_ROLE) or "")]
            needed = sum(combo.fontMetrics().horizontalAdvance(word) for word in words)
            assert needed + 18 <= field.width(), words


def test_a_task_of_ones_own_is_named_and_needs_pairs(qtbot: QtBot) -> None:
    shown = form(qtbot)
    task = shown.row("task").editor.field_widget()
    assert isinstance(task, QComboBox)
    own = task.count() - 1
    task.setCurrentIndex(own)
    task.activated.emit(own)
    line = shown.row("task").editor.findChild(QLineEdit)
    assert line is not None and line.isVisibleTo(shown) and "task" in shown.problems
    QTest.keyClicks(line, "dehaze")
    assert shown.value("task") == "dehaze" and "pairs" in shown.problems["task"]
    shown.set_values({"kind": "pairs", "protocol": "Y"})
    assert shown.recipe().task == "dehaze" and shown.recipe().scored_by == "Y"
    shown.set_values({"task": "derain"})
    assert not line.isVisibleTo(shown) and shown.value("task") == "derain"
    shown.set_values({"task": "descratch"})
    assert line.isVisibleTo(shown) and line.text() == "descratch"
