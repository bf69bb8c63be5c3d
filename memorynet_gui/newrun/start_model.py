"""The model a new run starts from, when the task changes: it leaves the form, which says so, and comes back with its task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core import tasks
from core.model import catalog
from memorynet_gui.newrun.presets import shown_name

if TYPE_CHECKING:
    from memorynet_gui.newrun.recipe_form import RecipeForm


class StartModel:
    """A model of another task may be started from: whoever chooses it again keeps it."""

    def __init__(self, form: RecipeForm) -> None:
        self._form = form
        self._taken_out = ""
        self.problem: str | None = None

    def look(self) -> None:
        """Ask the disk for the model that stands in the field, and say beside it when there is none."""
        start = str(self._form.value("start_from"))
        self.problem = catalog.model_problem(start) if start else None
        if self.problem is not None:
            self._form.say("start_from", f"There is no model in {shown_name(start)}")

    def forget(self) -> None:
        """Another recipe is in the form."""
        self._taken_out = ""

    @property
    def is_out(self) -> bool:
        """Whether the field is empty because the task changed."""
        return bool(self._taken_out) and not self._form.value("start_from")

    def follow(self, task: str) -> dict[str, Any]:
        """What the form's new task does to the field: new values, none when it may stay."""
        start = str(self._form.value("start_from"))
        if self.is_out and catalog.model_task(self._taken_out) == task:
            start, self._taken_out = self._taken_out, ""
            return {"start_from": start}
        learned = catalog.model_task(start) if start else ""
        if learned in ("", task):
            return {}
        self._taken_out = start
        return {"start_from": ""}

    def say(self) -> None:
        """Beside the field, why it is empty; to be called after the values were put in."""
        if not self.is_out:
            return
        verb = tasks.of(catalog.model_task(self._taken_out)).verb.lower()
        self._form.say(
            "start_from",
            f"{shown_name(self._taken_out)} learned to {verb} and was taken out; choose it to start from it anyway",
        )
