"""Places of the photo that are kept, and the one that is looked at now. No widgets."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from memorynet_gui.memory.overlay import CELL_PX, Mark

MOST = 9
"""As many as can be told apart on a photo, and one digit each."""

Pixel = tuple[int, int]
Spot = tuple[int, int, int, int]
"""x, y, width, height in pixels of the photo; width and height are 0 for a place, which is the cell it lies in"""


class Pins(QObject):
    changed = Signal()  # places, chosen or looked
    chosen_changed = Signal()  # a place is to be told about in full: a pin was set or chosen

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.places: list[Spot] = []
        self.chosen = -1
        self.looked: Pixel | None = None  # under the pointer, or where the arrow keys went
        self.cell_px = CELL_PX  # of the memory's grid, in pixels of the photo

    @property
    def place(self) -> Spot | None:
        """What is told about: the place looked at, else the chosen pin."""
        if self.looked is not None:
            return *self.looked, 0, 0
        return self.places[self.chosen] if 0 <= self.chosen < len(self.places) else None

    @property
    def number(self) -> str:
        """Of the pin that is told about, "" while a place is only looked at."""
        return str(self.chosen + 1) if self.looked is None and self.chosen >= 0 else ""

    def marks(self) -> list[Mark]:
        return [self.mark(spot, str(number)) for number, spot in enumerate(self.places, 1)]

    def mark(self, spot: Spot, label: str = "") -> Mark:
        """All the cells that a place or a region touches."""
        x, y, width, height = spot
        cell = self.cell_px
        left, top = x // cell, y // cell
        columns, rows = (x + max(1, width) - 1) // cell + 1 - left, (y + max(1, height) - 1) // cell + 1 - top
        return Mark(left * cell, top * cell, columns * cell, rows * cell, label)

    def look(self, pixel: Pixel | None) -> None:
        if pixel != self.looked:
            self.looked = pixel
            self.changed.emit()

    def pin(self, x: int, y: int, width: int = 0, height: int = 0) -> None:
        """Keep a place or a region; what has a pin already is chosen instead, and beyond :data:`MOST` the oldest makes
        room."""
        spot = x, y, width, height
        cells = self.mark(spot)
        known = next((i for i, place in enumerate(self.places) if self.mark(place) == cells), None)
        if known is not None:
            self.choose(known)
            return
        if len(self.places) >= MOST:
            del self.places[0]
        self.places.append(spot)
        self.choose(len(self.places) - 1)

    def choose(self, index: int) -> None:
        self.chosen, self.looked = index, None
        self.changed.emit()
        self.chosen_changed.emit()

    def step(self, by: int) -> None:
        """The next pin or the one before, round and round."""
        if self.places:
            self.choose((self.chosen + by) % len(self.places))

    def unpin(self) -> None:
        """Take off the chosen pin; the newest one left is chosen."""
        if 0 <= self.chosen < len(self.places):
            del self.places[self.chosen]
            self.chosen, self.looked = len(self.places) - 1, None
            self.changed.emit()
            self.chosen_changed.emit()

    def unclick(self) -> None:
        """The click before was the first half of a double-click, which zooms: the pin it set goes."""
        if self.places and self.chosen == len(self.places) - 1:
            self.unpin()

    def clear(self) -> None:
        self.places, self.chosen, self.looked = [], -1, None
        self.changed.emit()
