"""Quiet messages at the top of the picture: a sentence, sometimes one thing to do about it, and a way to
close it. They lie over the page and never move it; what must stay readable they leave free
(:func:`memorynet_gui.look.theme.keep_clear`).
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QEnterEvent, QFontMetrics
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from memorynet_gui.look.theme import KEPT_CLEAR, palette
from memorynet_gui.look.tokens import DARK
from memorynet_gui.widgets.glyph import GlyphButton

SHOWN_MAX = 3
INFO_MS = 6000
WITH_ACTION_MS = 15_000
_WIDTH_MAX = 640
_MARGIN_PX = 12
_CLOSE = QSize(24, 24)

KINDS = ("info", "warning")


class BannerCard(QFrame):
    """One message. ``gone`` comes when it was closed, acted on or has been there long enough."""

    gone = Signal()

    def __init__(
        self,
        text: str,
        action_text: str | None,
        callback: Callable[[], object] | None,
        kind: str,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.text, self.kind = text, kind
        self.count = 1
        self._callback = callback
        self.setProperty("role", "banner")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName(text)
        self.label = QLabel(text)
        self.label.setWordWrap(True)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)  # a new policy forgets that the words wrap
        self.label.setSizePolicy(policy)
        self.close_button = GlyphButton("Close this message", "mdi6.close", _CLOSE)
        self.close_button.setPalette(palette(DARK))  # a card is dark in both themes
        self.close_button.clicked.connect(self.gone)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(16, 8, 8, 8)
        layout.setSpacing(8)
        layout.addWidget(self.label, 1)
        self.action_button: QPushButton | None = None
        if action_text:
            self.action_button = QPushButton(action_text)
            self.action_button.setAccessibleName(action_text)
            self.action_button.setToolTip(action_text)
            self.action_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self.action_button.clicked.connect(self._act)
            layout.addWidget(self.action_button, 0, Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignVCenter)
        self.timer = QTimer(self)
        self.timer.setSingleShot(True)
        self.timer.timeout.connect(self._time_over)

    def start_clock(self) -> None:
        """A warning stays until it is closed; what only tells goes by itself, long texts later."""
        if self.kind == "info":
            reading_ms = 40 * len(self.text)
            self.timer.start((WITH_ACTION_MS if self.action_button else INFO_MS) + reading_ms)

    def again(self) -> None:
        """The same was said once more."""
        self.count += 1
        self.label.setText(f"{self.text} (×{self.count})")
        self.start_clock()

    def natural_width(self) -> int:
        """Wide enough for the sentence on one line (px)."""
        around = self.sizeHint().width() - self.label.sizeHint().width()
        return around + QFontMetrics(self.label.font()).horizontalAdvance(self.label.text()) + 8

    def _act(self) -> None:
        callback = self._callback
        self.gone.emit()  # first: the callback may well open something or raise
        if callback is not None:
            callback()

    def _time_over(self) -> None:
        focus = QApplication.focusWidget()
        if self.underMouse() or (focus is not None and self.isAncestorOf(focus)):
            self.timer.start(INFO_MS)  # it is being read or about to be used
        else:
            self.gone.emit()

    def enterEvent(self, event: QEnterEvent) -> None:
        self.timer.stop()
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self.start_clock()
        super().leaveEvent(event)


class Banner(QWidget):
    """Where messages appear. Takes no room itself: put it into a layout above what the cards may cover."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(0)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._cards: list[BannerCard] = []
        self._shelf = QWidget(self)
        self._column = QVBoxLayout(self._shelf)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(8)
        self._shelf.hide()
        self._host: QWidget | None = None

    @property
    def cards(self) -> tuple[BannerCard, ...]:
        """What shows, oldest first."""
        return tuple(self._cards)

    def say(
        self,
        text: str,
        action_text: str | None = None,
        callback: Callable[[], object] | None = None,
        kind: str = "info",
    ) -> BannerCard:
        """Show a sentence. ``kind`` "warning" stays until closed; "info" goes by itself.

        The same sentence again counts up instead of stacking; past SHOWN_MAX the oldest makes room, one that
        goes by itself before one that stays. Raises ValueError for another kind.
        """
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r}, need one of {', '.join(KINDS)}")
        known = next((card for card in self._cards if card.text == text), None)
        if known is not None:
            known._callback = callback
            known.again()
            self._place()
            return known
        while len(self._cards) >= SHOWN_MAX:
            self._remove(next((card for card in self._cards if card.kind == "info"), self._cards[0]))
        card = BannerCard(text, action_text, callback, kind, self._shelf)
        card.gone.connect(lambda: self._remove(card))
        self._cards.append(card)
        self._column.addWidget(card, 0, Qt.AlignmentFlag.AlignHCenter)
        card.start_clock()
        self._place()
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, text))
        return card

    def withdraw(self, card: BannerCard) -> None:
        """Take a card away whose sentence is true no longer; nothing happens when it has gone already."""
        self._remove(card)

    def clear(self) -> None:
        for card in tuple(self._cards):
            self._remove(card)

    def _remove(self, card: BannerCard) -> None:
        if card not in self._cards:
            return
        self._cards.remove(card)
        card.timer.stop()
        card.hide()
        self._column.removeWidget(card)
        card.deleteLater()
        self._place()

    # --- placing -------------------------------------------------------------------------------

    def _adopt_host(self) -> None:
        """The cards live in what this lies in, so that they may hang out of its zero height."""
        host = self.parentWidget()
        if host is self._host:
            return
        if self._host is not None:
            self._host.removeEventFilter(self)
        self._host = host
        if host is not None:
            host.installEventFilter(self)
            self._shelf.setParent(host)

    def _place(self) -> None:
        self._adopt_host()
        if not self._cards or self._host is None:
            self._shelf.hide()
            return
        room = max(self.width(), 1) - 2 * _MARGIN_PX
        height = 0
        widest = 0
        for card in self._cards:
            width = max(min(card.natural_width(), room, _WIDTH_MAX), min(200, room))
            card.setFixedWidth(width)
            card.setFixedHeight(max(card.heightForWidth(width), card.minimumSizeHint().height(), 40))
            height += card.height() + (self._column.spacing() if height else 0)
            widest = max(widest, width)
        corner = self.mapTo(self._host, QPoint((self.width() - widest) // 2, _MARGIN_PX))
        self._shelf.setGeometry(self._free(self._host, QRect(corner, QSize(widest, height))))
        self._shelf.show()
        self._shelf.raise_()

    def _free(self, host: QWidget, wished: QRect) -> QRect:
        """``wished``, or the next place below it that covers nothing which is kept clear; where there is none, itself."""
        clear = [
            QRect(widget.mapTo(host, QPoint(0, 0)), widget.size())
            for widget in host.findChildren(QWidget)
            if widget.property(KEPT_CLEAR) and widget.isVisible()
        ]
        tops = [wished.top(), *sorted(rect.bottom() + 1 + _MARGIN_PX for rect in clear)]
        for top in tops:
            place = QRect(QPoint(wished.left(), top), wished.size())
            fits = wished.top() <= top and place.bottom() < host.height()
            if fits and not any(place.intersects(rect) for rect in clear):
                return place
        return wished

    def place_anew(self) -> None:
        """Another page came in front."""
        QTimer.singleShot(0, self, self._place)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._host and event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):
            QTimer.singleShot(0, self, self._place)
        return super().eventFilter(watched, event)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.Type.ParentChange, QEvent.Type.FontChange):
            self._place()
        super().changeEvent(event)

    def resizeEvent(self, _event: QEvent) -> None:
        self._place()
