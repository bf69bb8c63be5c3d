"""Cards to choose a ready recipe by."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from memorynet_gui.look import icons
from memorynet_gui.look.theme import app_font, caption_font
from memorynet_gui.newrun.presets import Preset
from memorynet_gui.widgets.buttons import PaintedButton

_PAD_PX, _ICON_PX, _MIN_PX = 12, 20, 150


class PresetCard(PaintedButton):
    """Title and what it is for; checked while it is what the form began from."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.preset = preset
        self.setText(preset.title)
        self.setAccessibleName(preset.title)
        self.setAccessibleDescription(preset.words)
        self.setToolTip(preset.words)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setMinimumWidth(_MIN_PX)
        self._title_font = app_font()
        self._title_font.setBold(True)
        self._words_font = caption_font()

    def nextCheckState(self) -> None:
        """A press asks; the owner says which is chosen."""

    def sizeHint(self) -> QSize:
        return QSize(200, self.heightForWidth(200))

    def minimumSizeHint(self) -> QSize:
        return QSize(_MIN_PX, self.heightForWidth(_MIN_PX))

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._places(width)[1].bottom() + _PAD_PX

    def _places(self, width: int) -> tuple[QRect, QRect]:
        room = width - 2 * _PAD_PX
        title_room = room - _ICON_PX - 8
        flags = int(Qt.TextFlag.TextWordWrap)
        measure = QFontMetrics(self._title_font)
        title = measure.boundingRect(QRect(0, 0, title_room, 1000), flags, self.text())
        title = QRect(_PAD_PX + _ICON_PX + 8, _PAD_PX, title_room, max(title.height(), _ICON_PX))
        measure = QFontMetrics(self._words_font)
        words = measure.boundingRect(QRect(0, 0, room, 1000), flags, self.preset.words)
        return title, QRect(_PAD_PX, title.bottom() + 6, room, words.height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        whole = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        over = self.underMouse() and self.isEnabled()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(palette.color(QPalette.ColorRole.Midlight if over else QPalette.ColorRole.Button))
        painter.drawRoundedRect(whole, 4, 4)
        if self.isChecked() or self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            text = (
                QPalette.ColorRole.Text
                if self.hasFocus() and self.isChecked()
                else QPalette.ColorRole.Highlight
            )
            painter.setPen(QPen(palette.color(text), 2))
            painter.drawRoundedRect(whole, 4, 4)
        title, words = self._places(self.width())
        role = QPalette.ColorRole.Highlight if self.isChecked() else QPalette.ColorRole.Text
        icons.draw(
            painter, self.preset.icon, QRectF(_PAD_PX, _PAD_PX, _ICON_PX, _ICON_PX), palette.color(role)
        )
        flags = int(Qt.TextFlag.TextWordWrap)
        painter.setPen(palette.color(QPalette.ColorRole.Text))
        painter.setFont(self._title_font)
        painter.drawText(title, flags | int(Qt.AlignmentFlag.AlignVCenter), self.text())
        painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
        painter.setFont(self._words_font)
        painter.drawText(words, flags, self.preset.words)
        painter.end()


class PresetCards(QWidget):
    """Side by side, all as tall as the tallest."""

    chosen = Signal(object)  # Preset

    def __init__(self, presets: Sequence[Preset]) -> None:
        super().__init__()
        self.cards = {preset.key: PresetCard(preset) for preset in presets}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for card in self.cards.values():
            card.clicked.connect(lambda _on=False, card=card: self.chosen.emit(card.preset))
            row.addWidget(card, 1)

    def set_chosen(self, key: str | None) -> None:
        """None: the form holds something else."""
        for name, card in self.cards.items():
            card.setChecked(name == key)
