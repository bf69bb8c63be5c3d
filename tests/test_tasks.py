"""Every task is whole: its record, its degradation and its recipes belong together."""

from __future__ import annotations

import pytest

from core import tasks
from core.data.degrade import DEGRADATIONS
from core.images.metrics import PROTOCOLS
from core.model import catalog
from core.tasks import TASKS, Task
from core.training.recipe import TrainRecipe


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_what_a_task_names_exists(task: Task) -> None:
    assert TASKS[task.name] is task
    assert task.name in DEGRADATIONS
    assert {task.protocol, *task.also} <= set(PROTOCOLS)
    for name in task.recipes.values():
        assert TrainRecipe.from_toml(catalog.recipe(name)).task == task.name
    assert task.recipes["standard"], "it can be trained from the window"


def test_tasks_are_told_apart() -> None:
    assert set(DEGRADATIONS) == set(TASKS)
    for attribute in ("verb", "suffix", "tag", "default_model"):
        assert len({getattr(task, attribute) for task in TASKS.values()}) == len(TASKS)
    words = [word for task in TASKS.values() for word in (*task.input_words, *task.target_words)]
    assert len(words) == len(set(words)) and all(word == word.lower() for word in words)
    assert tasks.DEFAULT in TASKS
    assert tasks.names().startswith("derain, deshadow") and tasks.names("and").endswith(
        f" and {list(TASKS)[-1]}"
    )
    assert all(task.damage in tasks.damages() for task in TASKS.values())
    assert tasks.damage("dehaze") == "damage"
