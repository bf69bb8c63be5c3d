"""How many results are not saved, and how many were made with other settings than those chosen now."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from memorynet_gui.restore.outdated import outdated
from memorynet_gui.restore.panel.choices import Choices
from memorynet_gui.restore.saves import Saver
from memorynet_gui.restore.session import Session

_REST_MS = 150


class Counts(QObject):
    """A look at every photo, so not at once: ``soon`` asks for it."""

    unsaved_counted = Signal(int)
    again_changed = Signal()

    def __init__(
        self, session: Session, saver: Saver, choices: Choices, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._saver, self._choices = session, saver, choices
        self._again = 0
        self._rest = QTimer(self, singleShot=True, interval=_REST_MS)
        self._rest.timeout.connect(self._count)
        choices.changed.connect(self.soon)

    @property
    def again(self) -> int:
        """Restored photos of which the present settings would make another picture."""
        return self._again if self._any else 0

    @property
    def _any(self) -> bool:
        summary = self._session.summary
        return summary.done + summary.left > 0

    def soon(self) -> None:
        self._rest.start()

    def shut_down(self) -> None:
        self._rest.stop()

    def _count(self) -> None:
        self.unsaved_counted.emit(len(self._saver.unsaved()) if self._session.summary.done else 0)
        before = self._again
        self._again = len(outdated(self._session.items(), self._choices.choice())) if self._any else 0
        if self._again != before:
            self.again_changed.emit()
