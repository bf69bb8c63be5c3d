"""What is asked about a run before it starts: are the photos sound, how long will it take. And what the answers hold for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from core.training.recipe import TrainRecipe
from memorynet_gui.newrun.checks_view import DoctorPanel, EstimatePanel
from memorynet_gui.newrun.presets import folders_of
from memorynet_gui.newrun.recipe_form import RecipeForm

if TYPE_CHECKING:
    from core.doctor.examination import DoctorReport
    from core.training.estimate import Estimate

_EXAMINE, _ESTIMATE = "examine", "estimate"


class Questions(QObject):
    """The two panels of checks, one question at a time. ``data`` says what DATA stands for now."""

    examine_requested = Signal(object, object)  # TrainRecipe, tuple[Path, ...]
    estimate_requested = Signal(object, object)
    cancel_requested = Signal()
    changed = Signal()  # a question was asked or answered

    def __init__(self, form: RecipeForm, data: Callable[[], tuple[Path, ...]], parent: QObject) -> None:
        super().__init__(parent)
        self._form, self._data = form, data
        self._asked: dict[str, tuple[TrainRecipe, tuple[Path, ...]]] = {}
        self._asking: str | None = None
        self.doctor, self.estimate = DoctorPanel(), EstimatePanel()
        self.doctor.requested.connect(lambda: self._ask(_EXAMINE))
        self.doctor.leave_requested.connect(self._leave_out)
        self.doctor.take_back_requested.connect(self._take_back)
        self.estimate.requested.connect(lambda: self._ask(_ESTIMATE))
        for panel in (self.doctor, self.estimate):
            panel.cancel_requested.connect(self.cancel_requested)
        self.estimate.use_requested.connect(
            lambda batch, patch_px: form.set_values({"batch": batch, "patch_px": patch_px})
        )

    @property
    def is_open(self) -> bool:
        """Whether an answer is being waited for."""
        return self._asking is not None

    def allow(self, examine: bool, estimate: bool) -> None:
        """What may be asked now."""
        self.doctor.button.setEnabled(examine)
        self.estimate.button.setEnabled(estimate)

    def _ask(self, what: str) -> None:
        if not self._form.is_valid or self._asking is not None:
            return
        frozen = self._form.recipe(), self._data()
        self._asked[what], self._asking = frozen, what
        self._panel(what).begin()
        self.changed.emit()
        signal = self.examine_requested if what == _EXAMINE else self.estimate_requested
        signal.emit(*frozen)

    def show_progress(self, text: str, share: float | None) -> None:
        """How far the check is that was asked for last. ``share`` 0..1, None when unknown."""
        if self._asking is not None:
            self._panel(self._asking).show_progress(text, share)

    def show_report(self, report: DoctorReport) -> None:
        self._asking = None
        recipe, _ = self._asked.get(_EXAMINE) or (self._form.recipe(), ())
        self.doctor.show_report(report, list(folders_of(self._form.values())), recipe.leave_out)
        self.check_stale()
        self.changed.emit()

    def show_estimate(self, estimate: Estimate) -> None:
        self._asking = None
        recipe, _ = self._asked.get(_ESTIMATE) or (self._form.recipe(), ())
        self.estimate.show_estimate(estimate, recipe.batch, recipe.patch_px)
        self.check_stale()
        self.changed.emit()

    def show_problem(self, sentence: str) -> bool:
        """The check that was asked for ended with this; False: none was asked for."""
        if self._asking is None:
            return False
        panel = self._panel(self._asking)
        self._asking = None
        panel.show_problem(sentence)
        self.changed.emit()
        return True

    def show_cancelled(self) -> None:
        if self._asking is not None:
            self._panel(self._asking).clear()
            self._asking = None
            self.changed.emit()

    def _panel(self, what: str) -> DoctorPanel | EstimatePanel:
        return self.doctor if what == _EXAMINE else self.estimate

    def _leave_out(self, names: tuple[str, ...]) -> None:
        self._form.set_values({"leave_out": tuple(dict.fromkeys((*self._form.value("leave_out"), *names)))})

    def _take_back(self, names: tuple[str, ...]) -> None:
        kept = tuple(name for name in self._form.value("leave_out") if name not in names)
        self._form.set_values({"leave_out": kept})

    def take_other_photos(self) -> None:
        """What was said of photos was of others."""
        if self._asking != _EXAMINE:
            self.doctor.set_stale()

    def check_stale(self) -> None:
        """An answer holds for what was asked: name and length aside for the photos, the name aside for the time.

        Of photos that were looked at some may be left out; what was not looked at must not come in.
        """
        now = self._form.recipe() if self._form.is_valid else None
        photos_aside = {"name": "x", "steps": 1, "lr": 1.0, "leave_out": ()}
        for what, aside in ((_EXAMINE, photos_aside), (_ESTIMATE, {"name": "x"})):
            if what not in self._asked or self._asking == what:
                continue
            recipe, data = self._asked[what]
            same = (
                now is not None and replace(recipe, **aside) == replace(now, **aside) and data == self._data()
            )
            if what == _EXAMINE and now is not None and same:
                same = set(recipe.leave_out) <= set(now.leave_out)
                if same:
                    self.doctor.set_left_out(now.leave_out)
            if not same:
                self._panel(what).set_stale()
