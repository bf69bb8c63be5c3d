"""The part of the panel about a place: what it looks like, where its content came from, which slots it looks up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from memorynet_gui.memory import words
from memorynet_gui.memory.likeness import CELL_PX, Likeness, Pair, Patch, patch_of
from memorynet_gui.memory.panel.bars import SlotBars
from memorynet_gui.widgets.fold import FoldButton
from memorynet_gui.widgets.parts import Elided, column, heading, wrapped

if TYPE_CHECKING:
    from core.restoring.memory.places import NearSamples, Origin, PlaceSeen, SlotShare
    from core.restoring.memory.record import MemoryLook
    from memorynet_gui.memory.bench.records import PlaceEffect

SOURCES_SHOWN = 5
_MEASURED = "What the memory does to the pixels here is being measured…"
_BARS = {
    "negative": "Slots of damage: orange was learned, grey is this photo's own",
    "positive": "Slots of clean structure: blue was learned, grey is this photo's own",
}


class PlacePanel(QWidget):
    slot_hovered = Signal(int)  # row of the table, -1: none
    slot_chosen = Signal(int)
    unpin_requested = Signal()

    def __init__(self, colours: Callable[[str], QColor], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = Elided("", Qt.TextElideMode.ElideRight)
        self.title.setProperty("role", "strong")
        self.unpin = QPushButton("Unpin")
        self.unpin.setProperty("compact", True)
        self.unpin.setToolTip("Take this pin off the photo (Del)")
        self.unpin.setAccessibleName("Unpin this place")
        self.unpin.clicked.connect(self.unpin_requested)
        self.judged = wrapped("")
        self.negative_words, self.positive_words = wrapped("caption"), wrapped("caption")
        self.negative = Likeness("Stored samples of damage most like this place")
        self.positive = Likeness("Stored clean samples most like this place")
        self.no_samples = wrapped("caption")
        self.sources = Likeness("Places of this photo that its content came from")
        self.source_words, self.read, self.effect = wrapped("caption"), wrapped(), wrapped()
        self._slots_are, self.channels = wrapped("caption"), wrapped("caption")
        self.compared = Pair(("without memory", "with memory"))
        self.bars = {polarity: SlotBars(polarity, colours) for polarity in ("negative", "positive")}
        self._captions = {polarity: wrapped("caption") for polarity in _BARS}
        self.all_weights = FoldButton(
            "All weights", "Show every slot that is looked up here, not only the strongest"
        )
        self.all_weights.toggled.connect(self._show_all)
        for bars in self.bars.values():
            bars.hovered.connect(self.slot_hovered)
            bars.chosen.connect(self.slot_chosen)
        self._hint = wrapped()
        self._hint.setText(
            "Point at the photo to see what a place looks like to the memory. Click to pin it, drag for a region; the arrow keys "
            "move by one cell, with Ctrl and Shift they draw a region, Enter pins."
        )
        self._body = QWidget()
        self._build()
        self.show_place(None, None, None, None, None, "", None, pinned="")

    def _show_all(self, on: bool) -> None:
        for bars in self.bars.values():
            bars.set_all(on)
        self._say_bars()

    def _say_bars(self) -> None:
        for polarity, title in _BARS.items():
            against = ", hatched pulls against the rest" if self.bars[polarity].pulls else ""
            self._captions[polarity].setText(title + against)

    def _build(self) -> None:
        top = QHBoxLayout()
        top.setContentsMargins(0, 0, 0, 0)
        top.addWidget(self.title, 1)
        top.addWidget(self.unpin)
        body = column(4)
        body.addLayout(top)
        body.addWidget(self.judged)
        body.addWidget(self.compared)
        body.addWidget(self.effect)
        self._likes: list[QWidget] = []
        self._near_titles = {"damage": wrapped(""), "clean places": wrapped("")}
        for title, row, said in zip(
            self._near_titles.values(),
            (self.negative, self.positive),
            (self.negative_words, self.positive_words),
            strict=True,
        ):
            body.addSpacing(6)
            for widget in (title, row, said):
                body.addWidget(widget)
                self._likes.append(widget)
        body.addWidget(self.no_samples)
        body.addSpacing(6)
        self._source_title = wrapped("")
        self._source_title.setText("Rebuilt from these places of your photo")
        for widget in (self._source_title, self.sources, self.source_words):
            body.addWidget(widget)
        body.addSpacing(8)
        body.addWidget(heading("In the memory's terms"))
        body.addWidget(self._slots_are)
        body.addWidget(self.read)
        body.addWidget(self.channels)
        for polarity in _BARS:
            body.addSpacing(2)
            body.addWidget(self._captions[polarity])
            body.addWidget(self.bars[polarity])
        body.addWidget(self.all_weights)
        self._body.setLayout(body)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(heading("Place"))
        layout.addWidget(self._hint)
        layout.addWidget(self._body)

    def show_place(
        self,
        look: MemoryLook | None,
        place: PlaceSeen | None,
        rgb: np.ndarray | None,
        negative: NearSamples | None,
        positive: NearSamples | None,
        without_samples: str,
        origin: Origin | None,
        pinned: str,
        by: int = 1,
        slot: SlotShare | None = None,
        is_kept: bool = False,
    ) -> None:
        """Everything about a place; None empties the panel.

        Args:
            origin: where the content came from: all that the place is given of the photo, or what ``slot`` holds of it.
            rgb: what the memory sees, (h, w, 3) uint8.
            pinned: the pin's number, "" while the place is only looked at.
            by: how many pixels of the photo are one of what the memory sees, along each edge.
            is_kept: the photo is left as it is, for nothing was found in it.
        """
        self._is_kept = is_kept
        shown = look is not None and place is not None and rgb is not None
        self._body.setVisible(shown)
        self._hint.setVisible(not shown)
        if look is None or place is None or rgb is None:
            return
        at = f"{place.x_px * by}, {place.y_px * by} px"
        is_region = place.columns * place.rows > 1
        if is_region:
            width, height = place.size_px
            at = f"{width * by} × {height * by} px at {at}"
        self.title.set_full(f"Pin {pinned} · {at}" if pinned else at)
        if is_region:
            self.title.setToolTip(f"{self.title.full}: the mean over the region")
        self.unpin.setVisible(bool(pinned))
        self.judged.setText(words.place_words(look.task, place))
        self._slots_are.setText(words.SLOTS_ARE + (words.OF_UNDONE if look.undone else ""))
        self.read.setText(words.read_words(place, look.has_actual))
        width, height = place.size_px
        here = patch_of(rgb, place.x_px + (width - CELL_PX) // 2, place.y_px + (height - CELL_PX) // 2)
        for kind, row, said, near in (
            ("damage", self.negative, self.negative_words, negative),
            ("clean places", self.positive, self.positive_words, positive),
        ):
            row.show_patches(here, near)
            is_its_side = place.damaged == (kind == "damage")
            self._near_titles[kind].setText(
                words.near_title(near, kind, is_its_side) if near is not None else ""
            )
            said.setText(words.near_words(near) if near is not None else "")
        for widget in self._likes:
            widget.setVisible(negative is not None)
        self.no_samples.setVisible(negative is None)
        self.no_samples.setText(without_samples)
        self._show_sources(look, rgb, origin, slot, by)
        for bars in self.bars.values():
            bars.show_place(place, look.is_read)
        self._say_bars()

    def _show_sources(
        self, look: MemoryLook, rgb: np.ndarray, origin: Origin | None, slot: SlotShare | None, by: int
    ) -> None:
        shown = look.has_actual and origin is not None
        for widget in (self._source_title, self.sources, self.source_words):
            widget.setVisible(shown)
        if not shown or origin is None:
            return
        patches = []
        for source in origin.places[:SOURCES_SHOWN]:
            x, y = source.x_px + source.width_px // 2 - 4, source.y_px + source.height_px // 2 - 4
            more = words.times(source.share / origin.even)
            tip = f"at {source.x_px * by}, {source.y_px * by} px: {source.share * 100:.2f} % of the content, {more} as much as an average place"
            patches.append(
                Patch(patch_of(rgb, x, y), more.replace(" times", "×"), tip, words.is_told(origin))
            )
        self.sources.show_these(patches)
        # of a slot under the pointer other words are said: what stands below must not move away from under it
        for widget, text in (
            (self._source_title, words.origin_title(origin, slot, self._is_kept)),
            (self.source_words, words.origin_words(origin, self._is_kept)),
        ):
            widget.setText(text)
            widget.setMinimumHeight(max(widget.minimumHeight(), widget.heightForWidth(widget.width())))

    def show_effect(self, effect: PlaceEffect | None) -> None:
        """What the memory does to the pixels there; None: not measured yet. Of a pin the room is kept, so that what stands below
        does not move away when it comes."""
        for widget in (self.effect, self.compared, self.channels):
            widget.setVisible(effect is not None or not self.unpin.isHidden())
        if effect is None:
            self.effect.setText(_MEASURED if not self.unpin.isHidden() else "")
            self.channels.setText("")
            self.compared.clear()
            return
        self.channels.setText(words.channel_words(effect.of_memory))
        self.effect.setText(words.change_words(effect.of_memory, self._is_kept))
        self.compared.show_images(effect.without_rgb, effect.with_rgb)
