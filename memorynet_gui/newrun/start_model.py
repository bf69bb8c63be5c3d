"""The model a new run starts from, when the task changes: that of the new task takes its place, and it comes back with its own."""

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
        self._put = ""  # in its place; empty where none ships for the task
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
        """Whether the field holds what a change of the task left there."""
        return bool(self._taken_out) and self._form.value("start_from") == self._put

    def follow(self, task: str) -> dict[str, Any]:
        """What the form's new task does to the field: new values, none when it may stay."""
        start = str(self._form.value("start_from"))
        if not self.is_out:
            learned = catalog.model_task(start) if start else ""
            if learned in ("", task):
                return {}
            self._taken_out = start
        elif catalog.model_task(self._taken_out) == task:
            start, self._taken_out = self._taken_out, ""
            return {"start_from": start}
        own = tasks.of(task).default_model
        self._put = own if catalog.model_problem(own) is None else ""
        return {"start_from": self._put}

    def say(self) -> None:
        """Beside the field, what became of the model; to be called after the values were put in."""
        if not self.is_out:
            return
        verb = tasks.of(catalog.model_task(self._taken_out)).verb.lower()
        gone = f"{shown_name(self._taken_out)} learned to {verb} and was taken out"
        if self._put:
            self._form.say("start_from", f"{gone}; {self._put} is in its place")
        else:
            self._form.say("start_from", f"{gone}; choose it to start from it anyway")
