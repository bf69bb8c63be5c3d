"""The strip above a photo while a mask is painted: what it is for, the tools, what to do with all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from memorynet_gui.compare.masks.mask import Brush
from memorynet_gui.compare.masks.tool import LEAST_PX, MOST_PX, MaskTool
from memorynet_gui.widgets.glyph import GlyphButton
from memorynet_gui.widgets.parts import DirectSlider
from memorynet_gui.widgets.segments import Segments

_TOOLS = (
    ("brush", "Brush", "Paint (B). Alt takes away, Shift draws a straight line, [ and ] change the size"),
    ("eraser", "Eraser", "Take away (E)"),
    (
        "patch",
        "Patch",
        "Click a place: all that looks like it and hangs together is painted (P). Alt takes away",
    ),
    ("lasso", "Lasso", "Draw around a place (L). Alt takes away"),
)
_CHANGES = (
    ("grow", "Wider"),
    ("shrink", "Narrower"),
    ("feather", "Softer"),
    ("snap", "Along the photo's edges"),
    ("invert", "Swap inside and outside"),
    ("", ""),
    ("clear", "Clear"),
    ("", ""),
    ("load", "Load a mask…"),
    ("save", "Save this mask…"),
)
_GLYPH = QSize(32, 28)
_SIZE_STEPS = 200  # of the slider; it goes by the same factor everywhere


class MaskBar(QFrame):
    """Every wish is a signal.

    Args:
        uses: (key, words, tooltip) of what a mask may be for; the first is chosen.
        guessed: the uses for which the program can look for itself, with what is said of that.
    """

    use_chosen = Signal(str)
    tool_chosen = Signal(str)
    brush_changed = Signal(object)  # Brush
    wanted = Signal(str)  # guess, grow, shrink, feather, snap, invert, clear, load, save, undo, redo, done
    shown_changed = Signal(bool)

    def __init__(
        self,
        uses: Sequence[tuple[str, str, str]],
        guessed: Mapping[str, str] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._guessed = guessed or {}
        self.setProperty("surface", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._brush = Brush()
        self.uses, self.tools = Segments(uses), Segments(_TOOLS)
        self._tips = {key: tooltip for key, _words, tooltip in uses}
        self.uses.chosen.connect(self.use_chosen)
        self.tools.chosen.connect(self.tool_chosen)
        self.diameter = self._slider(
            "Size", "Diameter of the brush in pixels of the photo: [ and ]", _SIZE_STEPS
        )
        self.feather = self._slider("Feather", "How softly the brush ends", 100)
        self.flow = self._slider("Flow", "How much one stroke adds", 100)
        self.guess = self._button("Guess", "guess", "")
        self.undo = self._glyph("Undo", "undo", "Take the last step back (Ctrl+Z)")
        self.redo = self._glyph("Redo", "redo", "Do it again (Ctrl+Shift+Z)")
        self.overlay = QPushButton("Show")
        self.overlay.setCheckable(True)
        self.overlay.setChecked(True)
        self.overlay.setToolTip("Show or hide what is painted (O)")
        self.overlay.setAccessibleName("Show the mask")
        self.overlay.toggled.connect(self.shown_changed)
        self.done = self._button("Done", "done", "Back to comparing; the mask is kept (Esc)")
        self.done.setProperty("role", "primary")
        self.more = QToolButton()
        self.more.setText("Change")
        self.more.setToolTip("Wider, narrower, softer, along the photo's edges, swapped; load and save")
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more.setAccessibleName("Change the whole mask")
        menu = QMenu(self.more)
        for name, text in _CHANGES:
            if name:
                menu.addAction(text).triggered.connect(lambda _on=False, name=name: self.wanted.emit(name))
            else:
                menu.addSeparator()
        self.more.setMenu(menu)
        self.says = QLabel()
        self.says.setProperty("role", "caption")
        self.says.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._lay_out()
        self.set_brush(self._brush)
        self.set_use(uses[0][0])
        self.set_tool("brush")

    def serve(self, tool: MaskTool) -> None:
        """Choose the tool, its brush and whether the mask is seen, and follow what keys choose there.

        A click on the bar leaves the keys to the canvas, so that [ and ] go on meaning the brush; Tab still comes by.
        """
        for widget in self.findChildren(QWidget):
            if widget.focusPolicy() & Qt.FocusPolicy.ClickFocus:
                widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName("Mask")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setFocusProxy(tool.canvas)
        self.tool_chosen.connect(tool.set_tool)
        self.brush_changed.connect(tool.set_brush)
        self.shown_changed.connect(tool.set_shown)
        tool.brush_changed.connect(lambda: self.set_brush(tool.brush))
        tool.tool_changed.connect(self.set_tool)
        tool.shown_changed.connect(self.set_shown)

    def _lay_out(self) -> None:
        first, second = QHBoxLayout(), QHBoxLayout()
        for row in (first, second):
            row.setSpacing(8)
        first.addWidget(self.uses)
        first.addWidget(self.guess)
        first.addStretch(1)
        for widget in (self.undo, self.redo, self.overlay, self.done):
            first.addWidget(widget)
        second.addWidget(self.tools)
        for slider in (self.diameter, self.feather, self.flow):
            label = QLabel(slider.accessibleName())
            label.setProperty("role", "secondary")
            second.addWidget(label)
            second.addWidget(slider, 1)
        second.addWidget(self.more)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(8)
        layout.addLayout(first)
        layout.addLayout(second)
        layout.addWidget(self.says)

    # --- what it shows ---------------------------------------------------------------------------

    def set_use(self, use: str) -> None:
        self.uses.choose(use)
        self.guess.setVisible(use in self._guessed)
        self.guess.setToolTip(self._guessed.get(use, ""))

    def set_tool(self, tool: str) -> None:
        self.tools.choose(tool)

    def name_use(self, use: str, words: str, tooltip: str) -> None:
        """What a mask is for, in words that depend on what is at hand."""
        button = self.uses.buttons[use]
        button.setText(words)
        button.setAccessibleName(words)
        button.setToolTip(tooltip)
        self._tips[use] = tooltip

    def set_possible(self, use: str, possible: bool, why: str) -> None:
        """Whether masks of a use can be used at all."""
        button = self.uses.buttons[use]
        button.setEnabled(possible)
        button.setToolTip(self._tips[use] if possible else why)

    def set_brush(self, brush: Brush) -> None:
        self._brush = brush
        for slider, value in (
            (self.diameter, _step_of(brush.size_px)),
            (self.feather, round(100 * brush.feather)),
            (self.flow, round(100 * brush.flow)),
        ):
            with QSignalBlocker(slider):
                slider.setValue(value)
        self.diameter.setToolTip(f"{brush.size_px:.0f} px of the photo: [ and ]")

    def set_shown(self, shown: bool) -> None:
        with QSignalBlocker(self.overlay):
            self.overlay.setChecked(shown)

    def set_steps(self, can_undo: bool, can_redo: bool) -> None:
        self.undo.setEnabled(can_undo)
        self.redo.setEnabled(can_redo)

    def say(self, text: str) -> None:
        self.says.setText(text)
        self.says.setToolTip(text)

    # --- building --------------------------------------------------------------------------------

    def _button(self, text: str, wish: str, tooltip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tooltip)
        button.setAccessibleName(text)
        button.clicked.connect(lambda: self.wanted.emit(wish))
        return button

    def _glyph(self, name: str, wish: str, tooltip: str) -> GlyphButton:
        """A sign instead of a word: a small window has room for the words of what a mask is for."""
        button = GlyphButton(name, f"mdi6.{wish}", _GLYPH, filled=True)
        button.set_glyph(name, f"mdi6.{wish}", tooltip)
        button.clicked.connect(lambda: self.wanted.emit(wish))
        return button

    def _slider(self, name: str, tooltip: str, steps: int) -> DirectSlider:
        slider = DirectSlider()
        slider.setRange(0 if steps != 100 else 1 if name == "Flow" else 0, steps)
        slider.setMinimumWidth(48)
        slider.setAccessibleName(name)
        slider.setToolTip(tooltip)
        slider.valueChanged.connect(lambda _value: self._slid())
        return slider

    def _slid(self) -> None:
        size = LEAST_PX * (MOST_PX / LEAST_PX) ** (self.diameter.value() / _SIZE_STEPS)
        if _step_of(self._brush.size_px) == self.diameter.value():
            size = self._brush.size_px  # another slider moved: no rounding
        self._brush = replace(
            self._brush, size_px=size, feather=self.feather.value() / 100, flow=self.flow.value() / 100
        )
        self.brush_changed.emit(self._brush)


def _step_of(size_px: float) -> int:
    from math import log

    return round(_SIZE_STEPS * log(max(size_px, LEAST_PX) / LEAST_PX) / log(MOST_PX / LEAST_PX))
