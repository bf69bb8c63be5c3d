"""A mixture of training data, source by source: shares that make room for each other, folders, what comes after.

The rows only show; every wish is a signal with the whole mixture as it should be. One source is selected: its row is
unfolded, and whoever shows the panel shows its samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QRectF, QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QButtonGroup,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QRadioButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core.data.degrade.base import parameter
from core.data.source import BUNDLED, DataSource
from memorynet_gui.look.theme import set_role
from memorynet_gui.newrun.degrade_rows import ParameterRow
from memorynet_gui.newrun.mixing import (
    LEAST_SHARE,
    added,
    kind_words,
    kinds_for,
    named,
    parts,
    with_part,
    without,
)
from memorynet_gui.newrun.presets import SourceFound
from memorynet_gui.newrun.recipe_fields import sentence
from memorynet_gui.widgets.buttons import text_button
from memorynet_gui.widgets.fold import FoldButton
from memorynet_gui.widgets.glyph import GlyphButton
from memorynet_gui.widgets.parts import DirectSlider, Elided
from memorynet_gui.widgets.range_slider import TICKS

_TITLE_PX, _PERCENT_PX, _LABEL_PX, _INDENT_PX = 172, 48, 116, 29
_BAR_PX = 3


@dataclass(frozen=True)
class _Rows:
    """What of a source is set by a slider of its own."""

    hold_out: float = parameter(
        0.0, "Held out", "Share of scenes that are kept to score on and never learnt from", 0.0, 0.9, "%"
    )
    soft_share: float = parameter(
        0.0, "Out of focus", "Share of samples whose photo is soft behind the damage, as out of focus"
    )
    camera_share: float = parameter(
        0.0, "Camera", "Share of samples that are reduced and compressed afterwards, both sides alike"
    )
    sharp_share: float = parameter(
        0.0, "Sharpened", "Share of samples that are sharpened afterwards, as phones do, both sides alike"
    )
    noise_share: float = parameter(
        0.0, "Noise", "Share of samples that get a camera's noise afterwards, both sides alike"
    )


_FIELDS: Mapping[str, Field[Any]] = {item.name: item for item in fields(_Rows)}


class FolderLine(QWidget):
    """Folders by their names, a button to choose one, and one to take them away."""

    chosen = Signal(object)  # Path
    cleared = Signal()

    def __init__(self, title: str, none: str) -> None:
        super().__init__()
        self._title, self._none = title, none
        label = QLabel(title)
        label.setFixedWidth(_LABEL_PX)
        self.shown = Elided()
        set_role(self.shown, "secondary")
        self.choose = QPushButton()
        self.choose.setProperty("compact", True)
        self.choose.clicked.connect(self._ask)
        self.clear = GlyphButton(f"Take away: {title.lower()}", "mdi6.close", QSize(20, 20))
        self.clear.clicked.connect(self.cleared)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(label)
        row.addWidget(self.shown, 1)
        row.addWidget(self.clear)
        row.addWidget(self.choose)

    def set_folders(self, folders: Sequence[str], adds: bool = True) -> None:
        """``adds``: a further one comes beside those there are, else instead of them."""
        self._folders = tuple(folders)
        self.shown.set_full(", ".join(_folder_name(folder) for folder in folders) or self._none)
        self.shown.setToolTip("\n".join(folders) or self._none)
        self.shown.setAccessibleName(f"{self._title}: {', '.join(folders) or self._none}")
        self.clear.setVisible(bool(folders))
        word = "Add…" if folders and adds else "Choose…"
        self.choose.setText(word)
        self.choose.setAccessibleName(f"{word.rstrip('…')} a folder: {self._title.lower()}")
        self.choose.setToolTip("Choose a folder; it is only read, never changed")

    def _ask(self) -> None:
        own = [folder for folder in self._folders if Path(folder).is_absolute()]
        dialog = QFileDialog(
            self, f"Folder: {self._title.lower()}", str(Path(own[-1]).parent if own else Path.home())
        )
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: self.chosen.emit(Path(name)))
        dialog.open()


class SourceRow(QWidget):
    """One source. ``changed`` carries the source as it should be, ``part_moved`` its part of all samples."""

    changed = Signal(object)  # DataSource
    part_moved = Signal(float)
    remove_requested = Signal()

    def __init__(self, number: int, kind: str, task: str) -> None:
        super().__init__()
        self.kind = kind
        self.source = DataSource(kind)
        self._problem: str | None = None
        self._found = SourceFound()
        self._data: tuple[Path, ...] = ()
        words = f"{number} · {kind_words(kind, task)}"  # as problems and the curves of a run call it
        self.radio = QRadioButton(words)
        self.radio.setFixedWidth(_TITLE_PX)
        self.radio.setToolTip("Show its samples below, and what can be set")
        self.radio.toggled.connect(self._select)
        self.slider = DirectSlider()
        self.slider.setRange(round(LEAST_SHARE * TICKS), TICKS)
        self.slider.setSingleStep(TICKS // 100)
        self.slider.setPageStep(TICKS // 10)
        self.slider.setToolTip("Its share of all samples; the others make room.\nshare in the file")
        self.slider.valueChanged.connect(lambda tick: self.part_moved.emit(tick / TICKS))
        self.percent = QLabel()
        self.percent.setFixedWidth(_PERCENT_PX)
        self.percent.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.remove = GlyphButton(f"Remove: {words}", "mdi6.close", QSize(20, 20))
        self.remove.clicked.connect(self.remove_requested)
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self.radio)
        top.addWidget(self.slider, 1)
        top.addWidget(self.percent)
        top.addWidget(self.remove)
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.words.setIndent(_INDENT_PX)
        self.words.setAccessibleName(f"What there is: {words}")
        self.details = self._build_details()
        self.details.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 6, 8, 8)
        layout.setSpacing(2)
        layout.addLayout(top)
        layout.addWidget(self.words)
        layout.addWidget(self.details)

    def _build_details(self) -> QWidget:
        details = QWidget()
        inside = QVBoxLayout(details)
        inside.setContentsMargins(_INDENT_PX, 4, 0, 0)
        inside.setSpacing(6)
        is_pairs = self.kind == "pairs"
        self.folders = FolderLine(
            "Pairs" if is_pairs else "Photos", "none yet" if is_pairs else "the training photos"
        )
        self.folders.chosen.connect(self._add_folder)
        self.folders.cleared.connect(lambda: self._edit(folders=()))
        inside.addWidget(self.folders)
        self.layers = FolderLine("Layers", "none yet")
        if self.kind == "layers":
            self.layers.chosen.connect(lambda path: self._edit(layers=named(path, self._data)))
            self.layers.cleared.connect(lambda: self._edit(layers=""))
            inside.addWidget(self.layers)
        self.numbers: dict[str, ParameterRow] = {}
        self.more = QWidget()
        below = QVBoxLayout(self.more)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(6)
        for name, item in _FIELDS.items():
            if name == "hold_out" and not is_pairs:
                continue
            row = self.numbers[name] = ParameterRow(item, is_range=False)
            row.changed.connect(lambda field, value: self._edit(**{field: value}))
            (inside if name == "hold_out" else below).addWidget(row)
        self.fold = FoldButton("More", "What a camera does to the samples afterwards")
        self.fold.setAccessibleName(f"More: {self.radio.text()}")
        self.fold.toggled.connect(self.more.setVisible)
        self.more.hide()
        inside.addWidget(self.fold, 0, Qt.AlignmentFlag.AlignLeft)
        inside.addWidget(self.more)
        return details

    # --- showing -------------------------------------------------------------------------------------

    def show_source(self, source: DataSource, part: float, is_only: bool, data: tuple[Path, ...]) -> None:
        """Without a signal. ``data``: what DATA stands for."""
        self.source, self._data = source, data
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(part * TICKS))
        self.slider.setEnabled(not is_only)
        text = f"{part:.0%}".replace("%", " %")
        self.percent.setText(text)
        self.slider.setAccessibleName(f"Share: {self.radio.text()}")
        self.slider.setAccessibleDescription(text)
        self.remove.setEnabled(not is_only)
        self.remove.setToolTip(
            "The last source stays: a mixture needs one" if is_only else "Learn without this source"
        )
        self.folders.set_folders(source.folders)
        self.layers.set_folders((source.layers,) if source.layers else (), adds=False)
        for name, row in self.numbers.items():
            row.set_value(getattr(source, name))

    def set_problem(self, need: str | None) -> None:
        """What the recipe's check says of it ("layers: need ...")."""
        self._problem = need
        self._say()

    def set_found(self, found: SourceFound) -> None:
        self._found = found
        self._say()

    @property
    def problem(self) -> str | None:
        """As a sentence."""
        if self._problem is not None:
            field, _, rest = self._problem.partition(": ")
            return sentence(rest if field in _PLAIN else self._problem)
        return self._found.problem

    def _say(self) -> None:
        problem = self.problem
        where = ""
        if not self.details.isVisibleTo(self) and self.source.folders:
            where = f" in {', '.join(_folder_name(folder) for folder in self.source.folders)}"
        text = problem or f"{self._found.words}{where if self._found.words else ''}"
        self.words.setText(text.replace("/", "/\u200b"))  # long paths may be broken there
        self.words.setVisible(bool(text))
        set_role(self.words, "error" if problem else "caption")
        self.radio.setAccessibleDescription(text)

    def _select(self, on: bool) -> None:
        self.details.setVisible(on)
        self._say()
        self.update()

    # --- wishes --------------------------------------------------------------------------------------

    def _edit(self, **values: Any) -> None:
        self.changed.emit(replace(self.source, **values))

    def _add_folder(self, folder: Path) -> None:
        name = named(folder, self._data)
        self._edit(folders=tuple(dict.fromkeys((*self.source.folders, name))))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.radio.setChecked(True)
        super().mousePressEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        if not self.radio.isChecked():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.palette().color(QPalette.ColorRole.Window))
        painter.drawRoundedRect(self.rect(), 4, 4)
        bar = QRectF(0, 4, _BAR_PX, self.height() - 8)
        painter.fillRect(bar, self.palette().color(QPalette.ColorRole.Highlight))
        painter.end()


class SourcesPanel(QWidget):
    """All sources of a mixture; hidden without one. ``mix``, the button that makes it, stands where its owner puts it."""

    changed = Signal(object)  # tuple[DataSource, ...], by the person
    selected_changed = Signal()
    mix_requested = Signal()
    one_requested = Signal(int)  # number of the source to go on with, from 1

    def __init__(self) -> None:
        super().__init__()
        self._task = ""
        self._sources: tuple[DataSource, ...] = ()
        self._data: tuple[Path, ...] = ()
        self._taken: tuple[tuple[DataSource, ...], tuple[DataSource, ...]] | None = None  # before and after
        self._selected = 0
        self._bound: tuple[object, ...] = ()  # what the rows were made for
        self.rows: list[SourceRow] = []
        self._group = QButtonGroup(self)
        self._list = QVBoxLayout()
        self._list.setSpacing(2)
        self.mix = text_button(
            "Mix several sources", "Learn from more than one kind of photos, by shares of your own"
        )
        self.mix.setParent(self)
        self.one = text_button("Use one source", "")
        self.add = text_button("Add a source", "Learn from something else, too")
        self.undo = text_button("Bring it back", "")
        self._menu = QMenu(self)
        self.add.setMenu(self._menu)
        self.mix.clicked.connect(self.mix_requested)
        self.one.clicked.connect(lambda: self.one_requested.emit(self._selected + 1))
        self.undo.clicked.connect(self._bring_back)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        for each in (self.add, self.undo):
            buttons.addWidget(each)
        buttons.addStretch(1)
        buttons.addWidget(self.one)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(self._list)
        layout.addLayout(buttons)
        self._show_buttons()

    @property
    def sources(self) -> tuple[DataSource, ...]:
        return self._sources

    @property
    def selected(self) -> int:
        """Place of the source that is unfolded, from 0."""
        return self._selected

    def show_mixture(
        self, task: str, sources: tuple[DataSource, ...], data: tuple[Path, ...], problems: Mapping[int, str]
    ) -> None:
        """``problems``: number of a source, from 1 -> what the recipe's check says of it. Empty: no mixture."""
        self._sources, self._data, self._task = sources, data, task
        if self._taken is not None and self._taken[1] != sources:
            self._taken = None
        bound = (task, tuple(source.kind for source in sources))
        if bound != self._bound:
            self._bound = bound
            self._make_rows()
        shares = parts(sources)
        for number, (row, source) in enumerate(zip(self.rows, sources, strict=True), 1):
            row.show_source(source, shares[number - 1], len(sources) == 1, data)
            row.set_problem(problems.get(number))
        self._show_buttons()

    def show_found(self, found: Sequence[SourceFound]) -> None:
        """What each source would read; empty while it is being looked at or cannot be."""
        for at, row in enumerate(self.rows):
            row.set_found(found[at] if at < len(found) else SourceFound())

    def select(self, index: int) -> None:
        if 0 <= index < len(self.rows):
            self.rows[index].radio.setChecked(True)

    def first_problem(self) -> str | None:
        """ "Source 2: need the folder of the layers." """
        for number, row in enumerate(self.rows, 1):
            if row.problem is not None:
                return f"Source {number}: {row.problem[0].lower()}{row.problem[1:]}"
        return None

    def reveal(self, number: int | None = None) -> QWidget:
        """Unfold a source, counted from 1, or the first with a problem, and give it the keyboard."""
        wrong = [at for at, row in enumerate(self.rows) if row.problem is not None]
        at = number - 1 if number is not None else wrong[0] if wrong else self._selected
        if not 0 <= at < len(self.rows):
            button = self.add if self.rows else self.mix
            button.setFocus(Qt.FocusReason.OtherFocusReason)
            return self
        self.select(at)
        row = self.rows[at]
        target: QWidget = row.radio
        if row.kind == "layers" and not row.source.layers:
            target = row.layers.choose
        elif row.kind == "pairs" and not row.source.folders:
            target = row.folders.choose
        target.setFocus(Qt.FocusReason.OtherFocusReason)
        return row

    # --- rows ----------------------------------------------------------------------------------------

    def _make_rows(self) -> None:
        for row in self.rows:
            self._group.removeButton(row.radio)
            row.setParent(None)
            row.deleteLater()
        self.rows = []
        for at, source in enumerate(self._sources):
            row = SourceRow(at + 1, source.kind, self._task)
            row.radio.toggled.connect(lambda on, at=at: self._chosen(at) if on else None)
            row.changed.connect(lambda made, at=at: self._edit(at, made))
            row.part_moved.connect(lambda part, at=at: self.changed.emit(with_part(self._sources, at, part)))
            # the row is among those that go: not while its own button is being pressed
            row.remove_requested.connect(lambda at=at: QTimer.singleShot(0, self, lambda: self._remove(at)))
            self._group.addButton(row.radio)
            self._list.addWidget(row)
            self.rows.append(row)
        self._selected = min(self._selected, max(len(self.rows) - 1, 0))
        self._menu.clear()
        for kind in kinds_for(self._task):
            self._menu.addAction(kind_words(kind, self._task), partial(self._add, kind))
        if self.rows:
            self.rows[self._selected].radio.setChecked(True)

    def _chosen(self, at: int) -> None:
        self._selected = at
        self._show_buttons()
        self.selected_changed.emit()

    def _edit(self, at: int, source: DataSource) -> None:
        self.changed.emit((*self._sources[:at], source, *self._sources[at + 1 :]))

    def _add(self, kind: str) -> None:
        self._selected = len(self._sources)
        hold_out = 0.1 if kind == "pairs" else 0.0
        self.changed.emit(added(self._sources, DataSource(kind, hold_out=hold_out)))
        if self.rows:
            self.reveal(len(self.rows))

    def _remove(self, at: int) -> None:
        if len(self._sources) < 2 or at >= len(self._sources):
            return
        before, after = self._sources, without(self._sources, at)
        if at <= self._selected:
            self._selected = max(self._selected - 1, 0)
        self.undo.setText(f"Bring back: {kind_words(before[at].kind, self._task)}")
        self.undo.setAccessibleName(self.undo.text())
        self._taken = before, after
        self.changed.emit(after)
        self.add.setFocus(Qt.FocusReason.OtherFocusReason)

    def _bring_back(self) -> None:
        if self._taken is not None:
            before, _ = self._taken
            self.changed.emit(before)
            self.add.setFocus(Qt.FocusReason.OtherFocusReason)

    def _show_buttons(self) -> None:
        is_mixture = bool(self._sources)
        self.setVisible(is_mixture)
        self.mix.setVisible(not is_mixture)
        for each in (self.add, self.one):
            each.setVisible(is_mixture)
        self.undo.setVisible(is_mixture and self._taken is not None)
        if self._selected < len(self._sources):
            kind = self._sources[self._selected].kind
            kept = kind_words(kind if kind in {"drawn", "pairs"} else "drawn", self._task)
            self.one.setToolTip(
                f"Learn from one thing alone: {kept[0].lower()}{kept[1:]}. The mixture can be brought back."
            )


_PLAIN = frozenset(item.name for item in fields(DataSource))
"""Fields whose names are not said before what they need: the row shows which is meant."""


def _folder_name(folder: str) -> str:
    if folder in BUNDLED:
        return "the photos that ship"
    return folder if folder == "DATA" or folder.startswith("DATA/") else Path(folder).name
