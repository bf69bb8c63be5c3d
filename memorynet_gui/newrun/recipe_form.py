"""A recipe as a form: the few fields that most people change, and all others folded away.

Made from :class:`core.training.recipe.TrainRecipe` alone. The values live here, not in the widgets: the folded part is built when
it is first looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.training.recipe import RecipeError, TrainRecipe, problems_of
from memorynet_gui.newrun.presets import shown_name
from memorynet_gui.newrun.recipe_fields import FieldRow, sentence
from memorynet_gui.widgets.fold import FoldButton
from memorynet_gui.widgets.parts import heading

SECTIONS = {
    "run": "Run",
    "data": "Photos",
    "network": "Network",
    "training": "Training",
    "loss": "Loss",
    "keeping": "Checks and checkpoints",
}
_FIELDS = {item.name: item for item in fields(TrainRecipe)}
_GAP_PX = 10
_START_BRINGS = (
    "preset",
    "width",
    "memory",
    "part_slots",
    "instance_slots",
    "semantic_slots",
)  # fields a model to start from decides


class RecipeForm(QWidget):
    """``recipe()`` is a recipe only while ``is_valid``; what is wrong stands beside its field."""

    changed = Signal()  # any value, by whomever
    edited = Signal(str)  # a field, by the person
    valid_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: dict[str, Any] = _values_of(TrainRecipe())
        self._problems: dict[str, str] = {}
        self._rows: dict[str, FieldRow] = {}
        self._said: dict[str, str] = {}
        basics = QVBoxLayout()
        basics.setSpacing(_GAP_PX)
        for name, item in _FIELDS.items():
            if item.metadata.get("basic"):
                basics.addWidget(self._row(name))
        self.fold = FoldButton(
            "All settings", "Everything a recipe says, for those who know what they look for"
        )
        self.fold.toggled.connect(self._unfold)
        self._more: QWidget | None = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(16)
        self._layout.addLayout(basics)
        self.rest = QWidget()  # whoever shows the form may put it elsewhere
        self._rest_layout = QVBoxLayout(self.rest)
        self._rest_layout.setContentsMargins(0, 0, 0, 0)
        self._rest_layout.setSpacing(8)
        self._rest_layout.addWidget(self.fold, 0, Qt.AlignmentFlag.AlignLeft)
        self._layout.addWidget(self.rest)
        self._show_values()

    # --- values --------------------------------------------------------------------------------------

    def set_recipe(self, recipe: TrainRecipe) -> None:
        self.set_values(_values_of(recipe))

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Put some values in. Raises KeyError for what is no field of a recipe."""
        if unknown := [name for name in values if name not in _FIELDS]:
            raise KeyError(unknown[0])
        self._values.update(values)
        for name in values:
            self._said.pop(name, None)
        self._show_values()
        self._check()
        self.changed.emit()

    def values(self) -> dict[str, Any]:
        """By field, as they stand; one that cannot be read is the text that was typed."""
        return dict(self._values)

    def value(self, name: str) -> Any:
        return self._values[name]

    def recipe(self) -> TrainRecipe:
        """Raises :class:`core.training.recipe.RecipeError` while something is wrong."""
        for name, need in self._problems.items():
            raise RecipeError(f"{name} {self._values[name]!r}: {need}")
        return TrainRecipe(**self._values)

    @property
    def is_valid(self) -> bool:
        return not self._problems

    @property
    def problems(self) -> Mapping[str, str]:
        """Field -> what it needs ("need 1 to 100")."""
        return self._problems

    def first_problem(self) -> str | None:
        """ "Steps: need 1 to 10,000,000." """
        for name, need in self._problems.items():
            if name == "sources":  # it says which
                return sentence(need)
            return f"{_FIELDS[name].metadata['title']}: {sentence(need)[0].lower()}{sentence(need)[1:]}"
        return None

    # --- showing -------------------------------------------------------------------------------------

    def say(self, name: str, text: str) -> None:
        """Something beside the field, until its value changes. Raises KeyError for what is no field of a recipe."""
        if name not in _FIELDS:
            raise KeyError(name)
        self._said[name] = text
        if name in self._rows:
            self._show_state(self._rows[name])

    def row(self, name: str) -> FieldRow:
        """The field's row; unfolds what hides it. Raises KeyError for a field without a row."""
        if name not in self._rows:
            self.fold.setChecked(True)
        return self._rows[name]

    def reveal(self, name: str) -> FieldRow | None:
        """Give the field the keyboard. None where it has no row: degradations and sources have views of their own."""
        if name in {"degradation", "sources"}:
            return None
        row = self.row(name)
        if self._more is not None and self._more.isAncestorOf(row):
            self.fold.setChecked(True)
        row.editor.field_widget().setFocus(Qt.FocusReason.OtherFocusReason)
        return row

    def _row(self, name: str) -> FieldRow:
        row = FieldRow(_FIELDS[name], _model_names)
        row.changed.connect(self._edit)
        row.editor.set_value(self._values[name])
        self._rows[name] = row
        self._show_state(row)
        return row

    def _show_state(self, row: FieldRow) -> None:
        """What stands beside the field, and whether it can be changed."""
        start = str(self._values["start_from"])
        row.set_problem(self._problems.get(row.name))
        row.say(self._said.get(row.name))
        row.hold(f"{shown_name(start)} brings its own" if start and row.name in _START_BRINGS else None)
        row.editor.setEnabled(not row.is_held)

    def _unfold(self, on: bool) -> None:
        if on and self._more is None:
            self._more = QWidget()
            layout = QVBoxLayout(self._more)
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(_GAP_PX)
            for section, title in SECTIONS.items():
                names = [n for n, item in _FIELDS.items() if item.metadata["section"] == section]
                hidden = [name for name in names if name not in self._rows]
                if hidden:
                    layout.addSpacing(6)
                    layout.addWidget(heading(title))
                for name in hidden:
                    layout.addWidget(self._row(name))
            self._rest_layout.addWidget(self._more)
        if self._more is not None:
            self._more.setVisible(on)

    def _edit(self, name: str, value: Any) -> None:
        self._values[name] = value
        self._said.pop(name, None)
        self._check()
        self.edited.emit(name)
        self.changed.emit()

    def _show_values(self) -> None:
        for name, row in self._rows.items():
            row.editor.set_value(self._values[name])

    def _check(self) -> None:
        was = self.is_valid
        self._problems = problems_of(self._values)
        for row in self._rows.values():
            self._show_state(row)
        if self.is_valid is not was:
            self.valid_changed.emit(self.is_valid)


def _values_of(recipe: TrainRecipe) -> dict[str, Any]:
    values = {name: getattr(recipe, name) for name in _FIELDS}
    return values | {"degradation": dict(recipe.degradation)}


def _model_names() -> list[str]:
    from core.model import catalog

    return [entry.name for entry in catalog.models() if entry.error is None]
