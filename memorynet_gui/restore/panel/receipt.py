"""The receipt of a photo: what is known of it, of its restoration and of the saved file, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from core.model.memory_edit import LEAST_THOROUGH
from core.restoring.scales import AUTO, WHOLE
from memorynet_gui.base.words import clock, short_folder
from memorynet_gui.restore.queue_item import Item, ItemState, thoroughness_words
from memorynet_gui.widgets.parts import Row, column, heading

if TYPE_CHECKING:
    from core.images.io import PictureInfo


class Receipt(QWidget):
    """Hidden while there is nothing to tell."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = column(6)
        self._told: list[tuple[str, str, str]] = []
        layout = column(8, heading("Receipt"))
        layout.addLayout(self.rows)
        self.setLayout(layout)
        self.hide()

    def show_item(self, item: Item | None, info: PictureInfo | None) -> None:
        rows = [] if item is None else _rows(item, info)
        if rows == self._told:  # most that is told of a photo changes nothing of it
            return
        self._told = rows
        while self.rows.count():
            taken = self.rows.takeAt(0)
            widget = taken.widget() if taken is not None else None
            if widget is not None:
                widget.deleteLater()
        for name, value, tooltip in rows:
            self.rows.addWidget(Row(name, value, tooltip))
        self.setVisible(bool(rows))


def _rows(item: Item, info: PictureInfo | None) -> list[tuple[str, str, str]]:
    """(name, value, tooltip): what is known of the photo, of its restoration, of the saved file."""
    rows: list[tuple[str, str, str]] = []
    if item.receipt and item.is_saved:
        for line in item.receipt:
            mark = "✓" if line.kept else "✕"
            rows.append((line.what, f"{line.detail} {mark}", line.detail))
    elif info is not None:
        rows.append(("Size, depth", f"{info.width}×{info.height}, {info.bit_depth} bit", ""))
        rows.append(("Format", f"{info.format}{', alpha' if info.has_alpha else ''}", ""))
        if info.icc_name:
            rows.append(("Colour profile", info.icc_name, info.icc_name))
    note = item.result
    if note is not None and item.state is ItemState.DONE:
        made, verdict = note.made, note.made.verdict
        speed = f"{made.megapixels_per_s:.2g} megapixels a second"
        ran = f"on {made.device} in {made.precision}, in pieces of {made.tile_px} px"
        rows.append(("Time", _seconds(made.seconds), f"{speed}, {ran}"))
        used = "full size" if verdict.scale == WHOLE else verdict.scale
        asked = f"{used} (automatic)" if made.scale == AUTO else used
        rows.append(("Scale", asked, verdict.why))
        if verdict.undone and verdict.smear_px is not None:
            tooltip = "What the photo tells of its smear was undone; the network restored what that leaves"
            rows.append(("Smear", f"{verdict.smear_px:.0f} px, undone first", tooltip))
        elif not note.choice.undo:
            rows.append(("Smear", "left to the network", "It was asked not to undo a smear first"))
        rows.append(("Model", made.model_name, f"sha256 {made.model_sha256}"))
        if made.mask != "none":
            origin = "guessed" if made.mask == "auto" else "as painted"
            rows.append(("Mask", origin, f"Where the damage is: {made.mask}"))
        if made.only != "none":
            rows.append(("Restored", "only where marked", f"The mask of what may change: {made.only}"))
        if made.taught != "none":
            rows.append(
                ("Taught", "as painted", f"On the Memory page, what is damage and what is not: {made.taught}")
            )
        thoroughness = note.choice.thoroughness
        if thoroughness != LEAST_THOROUGH:
            tooltip = f"The memory of damage was read {thoroughness:.3g} times as strongly"
            rows.append(("Thoroughness", thoroughness_words(thoroughness), tooltip))
        rows.extend(("Note", text, text) for text in made.notes)
    if item.saved is not None:
        rows.append(("Saved as", item.saved.path.name, str(item.saved.path)))
        rows.append(("In folder", short_folder(item.saved.path.parent), str(item.saved.path.parent)))
    return rows


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else clock(seconds)
