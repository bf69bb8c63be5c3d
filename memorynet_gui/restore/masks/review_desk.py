"""The look at a batch's masks on the Restore page: in front of the photos, behind the brush while one is corrected."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from memorynet_gui.base.page import AppContext
from memorynet_gui.base.thumbnails import Thumbnails
from memorynet_gui.restore.masks.desk import MaskDesk
from memorynet_gui.restore.masks.review import GuessReview
from memorynet_gui.restore.masks.review_view import ReviewView
from memorynet_gui.restore.panel.choices import Choices
from memorynet_gui.restore.session import Session
from memorynet_gui.restore.stage import Stage


class ReviewDesk(QObject):
    """``in_front``: the tiles are what the page shows; else the photo is, also while a mask is corrected by hand."""

    changed = Signal()  # in_front, or what can be done

    def __init__(
        self,
        context: AppContext,
        session: Session,
        stage: Stage,
        masks: MaskDesk,
        choices: Choices,
        thumbnails: Thumbnails,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._session, self._stage, self._masks, self._choices = session, stage, masks, choices
        self.review = GuessReview(context, session, masks.store, choices.choice_of, self)
        self.view = ReviewView(self.review, thumbnails, parent)
        self._correcting: str | None = None  # item id
        self._painting = False  # whether its photo has come and is being painted on
        review = self.review
        review.opened.connect(self._opened)
        review.closed.connect(self._closed)
        self.view.correct_wanted.connect(self.correct)
        stage.changed.connect(self._photo_came)
        masks.changed.connect(self._painted)
        choices.changed.connect(self._choice_changed)

    @property
    def active(self) -> bool:
        return self.review.active

    @property
    def in_front(self) -> bool:
        return self.review.active and self._correcting is None

    def actions(self) -> dict[str, Callable[[], object]]:
        """What the window's actions mean while the tiles are in front; those that are missing mean nothing."""
        review = self.review
        return {
            "run_all": review.go,
            "run": review.go,
            "cancel": review.stop if review.looking else review.close,
            "paint_mask": self.view.correct.click,
        }

    def _opened(self) -> None:
        self.changed.emit()
        self.view.show_first()

    def _closed(self) -> None:
        self._correcting, self._painting = None, False
        self.changed.emit()

    def _choice_changed(self) -> None:
        """Other damage, or a model that sees other shadows: what is shown is not what would be used."""
        choice = self._choices.choice()
        if self.active and self.review.fits(choice):
            self.review.take(choice)
        elif self.active:
            self.review.close()

    # --- correcting by hand ------------------------------------------------------------------------

    def correct(self, item_id: str) -> None:
        """The photo, large, with its mask under the brush; the tiles are back once that is done."""
        if self.review.tile(item_id) is None or self._session.get(item_id) is None:
            return
        self.review.prepare(item_id)
        self._correcting, self._painting = item_id, False
        self._session.set_current(item_id)
        self.changed.emit()
        self._photo_came()

    def _photo_came(self) -> None:
        if self._correcting is None or self._painting:
            return
        current = self._session.current
        if current is None or current.id != self._correcting or self._stage.problem is not None:
            self._back()  # it cannot be shown: its tile says why
        elif self._stage.shown is not None and self._stage.shown.item_id == self._correcting:
            self._painting = True
            self._masks.start()

    def _painted(self) -> None:
        """The brush is put away, or goes to another photo of the list."""
        if self._painting and not self._masks.active:
            self._back()

    def _back(self) -> None:
        self._correcting, self._painting = None, False
        self.review.follow()
        self.changed.emit()
        if self.active:
            self.view.show_first()
