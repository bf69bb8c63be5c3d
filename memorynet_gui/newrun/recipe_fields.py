"""One field of a recipe as a row: its title, something to set it by, and what it does or why it cannot be so.

Everything is made from the field's metadata in :mod:`core.training.recipe`; a field that is added there needs nothing here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import MISSING, Field
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core.training.recipe_check import number_text
from memorynet_gui.look.theme import set_role
from memorynet_gui.widgets.parts import DetailCombo

TITLE_PX = 120
_EDIT_PX = 252
_NUMBER_PX = 112
_BROWSE_PX, _GAP_PX = 36, 8
_LIST_LINES = 2
_LIST_LINES_AT_MOST = 6


class Editor(QWidget):
    """Holds one value. ``value()`` of what cannot be read is the text as it stands: the check says what is wrong."""

    changed = Signal()  # by the person only

    @abstractmethod
    def value(self) -> Any:
        """As the recipe wants it, or the text as it stands."""

    @abstractmethod
    def set_value(self, value: Any) -> None:
        """Shown without a signal."""

    @abstractmethod
    def field_widget(self) -> QWidget:
        """What takes the keyboard."""


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(_GAP_PX)
    for widget in widgets:
        row.addWidget(widget)
    return row


class LineEditor(Editor):
    """A text or a number. Numbers may be written with separators or as 1e-3."""

    def __init__(self, kind: type, unit: str) -> None:
        super().__init__()
        self._kind = kind
        self._edit = QLineEdit()
        self._edit.setFixedWidth(_EDIT_PX if kind is str else _NUMBER_PX)
        self._edit.textEdited.connect(lambda _text: self.changed.emit())
        row = _row(self._edit)
        if unit:
            label = QLabel(unit)
            set_role(label, "caption")
            row.addWidget(label)
        row.addStretch(1)
        self.setLayout(row)

    def value(self) -> Any:
        text = self._edit.text().strip()
        return text if self._kind is str else read_number(text, self._kind)

    def set_value(self, value: Any) -> None:
        text = repr(value) if isinstance(value, float) else str(value)
        if self.value() != value or self._edit.text() == "":
            self._edit.setText(text)

    def field_widget(self) -> QWidget:
        return self._edit


def read_number(text: str, kind: type) -> int | float | str:
    """A number as people write it: "8,000", "8 000", "1e-3". What is none comes back as it was given."""
    plain = "".join(text.split()).replace("_", "")
    if "," in plain:
        head, *groups = plain.split(",")
        if all(len(group.split(".")[0]) == 3 for group in groups) and head:
            plain = head + "".join(groups)
    try:
        number = float(plain)
    except ValueError:
        return text
    if kind is float:
        return number
    try:
        return int(plain)
    except ValueError:
        return int(number) if number.is_integer() else text


class _Combo(QComboBox):
    """Editable, and deaf to the wheel: scrolling past must not change it."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


_OWN = "own…"  # in the list, for a name that is typed; no task is called so


class ChoiceEditor(Editor):
    """``own``: a name may be typed instead; what it says while it is empty."""

    def __init__(
        self, title: str, tooltip: str, choices: tuple[str, ...], words: tuple[str, ...], own: str = ""
    ) -> None:
        super().__init__()
        self._combo = DetailCombo(title, tooltip)
        self._combo.setFixedWidth(_EDIT_PX)
        for choice, word in zip(choices, words or choices, strict=True):
            self._combo.add(word, choice if word != choice else "", choice)
        self._own = QLineEdit()
        self._own.setPlaceholderText(own)
        self._own.setAccessibleName(f"{title}, a name of your own")
        self._own.setToolTip(tooltip)
        self._own.setFixedWidth(_EDIT_PX)
        self._own.hide()
        if own:
            self._combo.add("Of your own…", "from pairs", _OWN)
        self._combo.activated.connect(self._picked)
        self._own.textEdited.connect(lambda _text: self.changed.emit())
        both = QVBoxLayout(self)
        both.setContentsMargins(0, 0, 0, 0)
        both.setSpacing(4)
        both.addWidget(self._combo)
        both.addWidget(self._own)

    def _picked(self, _index: int) -> None:
        is_own = self._combo.currentData() == _OWN
        self._own.setVisible(is_own)
        if is_own:
            self._own.setFocus()
        self.changed.emit()

    def value(self) -> Any:
        chosen = self._combo.currentData()
        return self._own.text().strip() if chosen == _OWN else chosen

    def set_value(self, value: Any) -> None:
        own_row = self._combo.findData(_OWN)
        if own_row >= 0:
            is_own = self._combo.findData(value) < 0
            self._own.setVisible(is_own)
            if is_own:
                if self._own.text().strip() != value:
                    self._own.setText(str(value))
                self._combo.setCurrentIndex(own_row)
                return
        if self._combo.findData(value) < 0:  # of a newer version, say: shown, and refused by the check
            self._combo.add(str(value), "", value)
        self._combo.setCurrentIndex(self._combo.findData(value))

    def field_widget(self) -> QWidget:
        return self._combo


_ANEW = "nothing: learn anew"


class ModelEditor(Editor):
    """A model by its name, or a folder; empty for none."""

    def __init__(self, models: Callable[[], list[str]]) -> None:
        super().__init__()
        self._models = models
        self._combo = _Combo()
        self._combo.setEditable(True)
        self._combo.setFixedWidth(_EDIT_PX - _BROWSE_PX - _GAP_PX)
        line = self._combo.lineEdit()
        assert line is not None
        line.setPlaceholderText(_ANEW)
        self._combo.activated.connect(self._picked)
        self._combo.editTextChanged.connect(lambda _text: self.changed.emit())
        self._browse = QPushButton("…")
        self._browse.setFixedWidth(_BROWSE_PX)
        self._browse.setAccessibleName("Choose the folder of a model")
        self._browse.setToolTip("Choose the folder of a model or of a run")
        self._browse.clicked.connect(self._choose)
        row = _row(self._combo, self._browse)
        row.addStretch(1)
        self.setLayout(row)
        self._fill()

    def _fill(self) -> None:
        with QSignalBlocker(self._combo):
            self._combo.addItems([_ANEW, *self._models()])
            self._combo.setCurrentIndex(-1)

    def _picked(self, index: int) -> None:
        if index == 0:  # what stands there says it; the row itself is no name of a model
            with QSignalBlocker(self._combo):
                self._combo.setCurrentIndex(-1)

    def value(self) -> Any:
        text = self._combo.currentText().strip()
        return "" if text == _ANEW else text

    def set_value(self, value: Any) -> None:
        if value != self.value():
            with QSignalBlocker(self._combo):
                self._combo.setEditText(str(value))

    def field_widget(self) -> QWidget:
        return self._combo

    def _choose(self) -> None:
        dialog = QFileDialog(self, "Model to start from")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._take)
        dialog.open()

    def _take(self, name: str) -> None:
        folder = Path(name)
        run_model = folder / "model"  # the folder of a run holds its model there
        self._combo.setEditText(str(run_model if run_model.is_dir() else folder))


class LinesEditor(Editor):
    """Texts, one a line; as high as they need, up to a few lines."""

    def __init__(self, placeholder: str) -> None:
        super().__init__()
        self._edit = QPlainTextEdit()
        self._edit.setTabChangesFocus(True)
        self._edit.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._edit.setMinimumWidth(_EDIT_PX)
        self._edit.setPlaceholderText(placeholder)
        self._edit.textChanged.connect(self._fit)
        self._edit.textChanged.connect(self.changed)
        self._row = _row(self._edit)
        self.setLayout(self._row)
        self._fit()

    def value(self) -> Any:
        return tuple(line.strip() for line in self._edit.toPlainText().splitlines() if line.strip())

    def set_value(self, value: Any) -> None:
        if value != self.value():
            with QSignalBlocker(self._edit):
                self._edit.setPlainText("\n".join(map(str, value)))
            self._fit()

    def field_widget(self) -> QWidget:
        return self._edit

    def _fit(self) -> None:
        lines = min(max(self._edit.blockCount(), _LIST_LINES), _LIST_LINES_AT_MOST)
        self._edit.setFixedHeight(self._edit.fontMetrics().lineSpacing() * lines + 24)


class FoldersEditor(LinesEditor):
    """Folders, one a line."""

    def __init__(self, title: str) -> None:
        super().__init__("one folder a line")
        self._add = QPushButton("Add…")
        self._add.setAccessibleName(f"Add a folder to: {title.lower()}")
        self._add.setToolTip("Choose a folder and add it")
        self._add.clicked.connect(self._choose)
        self._row.addWidget(self._add, 0, Qt.AlignmentFlag.AlignTop)

    def _choose(self) -> None:
        dialog = QFileDialog(self, "Add a folder")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._edit.appendPlainText)
        dialog.open()


class FieldRow(QWidget):
    """Title, editor, and beside them what the field is for or, while it is wrong, what it needs."""

    changed = Signal(str, object)  # field name, value

    def __init__(self, field: Field[Any], models: Callable[[], list[str]]) -> None:
        super().__init__()
        meta = field.metadata
        self.name, self._help = field.name, str(meta["help"])
        self.title = str(meta["title"])
        self._problem: str | None = None
        self._said: str | None = None
        self._held: str | None = None
        self._tooltip = tooltip = explain(field)
        self.editor = _editor(field, tooltip, models)
        widget = self.editor.field_widget()
        widget.setAccessibleName(self.title)
        widget.setToolTip(tooltip)
        label = QLabel(self.title)
        label.setFixedWidth(TITLE_PX)
        label.setBuddy(widget)
        label.setToolTip(tooltip)
        label.setWordWrap(True)
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        below = isinstance(self.editor, LinesEditor)
        row = _row(label, self.editor)
        top = Qt.AlignmentFlag.AlignTop if below else Qt.AlignmentFlag.AlignVCenter
        row.setAlignment(label, top)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        if below:
            row.setStretch(1, 1)
            layout.addLayout(row)
            layout.addLayout(_row(_space(TITLE_PX), self.note))
        else:
            self.editor.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            self.editor.setFixedWidth(max(_EDIT_PX, self.editor.sizeHint().width()))
            row.addWidget(self.note, 1)
            layout.addLayout(row)
        self.editor.changed.connect(lambda: self.changed.emit(self.name, self.editor.value()))
        self.set_problem(None)

    @property
    def problem(self) -> str | None:
        return self._problem

    def set_problem(self, need: str | None) -> None:
        """What the field needs ("need 1 to 100"), None when it is well."""
        self._problem = need
        self._show_note()

    def say(self, text: str | None) -> None:
        """Stands where the help does; None: the help again."""
        self._said = text
        self._show_note()

    def hold(self, why: str | None) -> None:
        """Why the field has no say, None when it has. Whether it takes the keyboard is for the form to decide."""
        self._held = why
        self.setToolTip(f"Not in use: {why}." if why else "")
        self.editor.field_widget().setToolTip(
            f"Not in use: {why}.\n{self._tooltip}" if why else self._tooltip
        )
        self._show_note()

    @property
    def is_held(self) -> bool:
        """Whether it has no say. One that is wrong can be put right all the same."""
        return self._held is not None and self._problem is None

    def _show_note(self) -> None:
        need = self._problem
        text = sentence(need) if need else self._held or self._said or self._help
        self.note.setText(text)
        set_role(self.note, "error" if need else "caption")
        self.editor.field_widget().setAccessibleDescription(text)


def sentence(need: str) -> str:
    """ "need 1 to 100" -> "Need 1 to 100." """
    return f"{need[:1].upper()}{need[1:]}."


def explain(field: Field[Any]) -> str:
    """A tooltip: what the field does, what it may be, its name in the file, its default."""
    meta = field.metadata
    lines = [f"{meta['help']}."]
    if meta["low"] is not None:
        lines.append(f"{number_text(meta['low'])} to {number_text(meta['high'])} {meta['unit']}".rstrip())
    default = field.default if field.default is not MISSING else None
    shown = ", ".join(default) if isinstance(default, tuple) else default
    lines.append(f"{field.name} in the file" + (f", {shown} unless set" if shown not in ("", None) else ""))
    return "\n".join(lines)


def _editor(field: Field[Any], tooltip: str, models: Callable[[], list[str]]) -> Editor:
    meta = field.metadata
    if meta["choices"]:
        own = "such as dehaze" if meta["own"] else ""
        return ChoiceEditor(meta["title"], tooltip, meta["choices"], meta["words"], own)
    if meta["holds"] == "model":
        return ModelEditor(models)
    if meta["holds"] == "names":
        return LinesEditor("one name a line")
    if isinstance(field.default, tuple):
        return FoldersEditor(meta["title"])
    return LineEditor(type(field.default), meta["unit"])


def _space(width_px: int) -> QWidget:
    space = QWidget()
    space.setFixedWidth(width_px)
    return space
