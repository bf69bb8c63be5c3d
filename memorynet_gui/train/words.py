"""What the Train page knows, as what it shows: a run's end in words, a live run as a record, a run that just began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.problems import Problem
from core.training.run_folder import FAILED as RUN_FAILED
from core.training.run_folder import PAUSED, RUNNING, RunState
from memorynet_gui.train.flow import DONE, FAILED, TrainEnding, TrainFlow, TrainOrder
from memorynet_gui.train.inspector import Live
from memorynet_gui.train.runs_view import score_text

if TYPE_CHECKING:
    from core.training.runs import Run


HELD = "It stands while other work goes first, and goes on by itself."


def ending_text(ending: TrainEnding, has_card: bool = False) -> str:
    """What a banner says at the end of a run, and what of it is left; ``has_card``: the reason stands elsewhere."""

    name, best = ending.order.name, score_text(ending.best_psnr_db)
    if ending.kind == DONE:
        recipe = ending.order.recipe
        score = f" Best validation PSNR ({recipe.scored_by}): {best}." if best and ending.best_step else ""
        return f"{name} is trained: all {recipe.steps:,} steps are done.{score}"
    if ending.kind == FAILED:
        assert ending.problem is not None
        if has_card and not ending.step:  # of what it did in earlier sittings nothing was told yet
            return f"{name} did not get going. The run is kept; what went wrong stands at the right."
        if has_card:
            return f"{name} stopped at step {ending.step:,}. The run is kept; what went wrong stands at the right."
        return f"{name} stopped. {ending.problem.sentence}"
    if not ending.step and not ending.kept_step:
        return f"{name} was stopped before its first step."
    kept = f"step {ending.kept_step or ending.step:,} is kept, and training can go on from there."
    return f"{name} was stopped: {kept}"


def stored_problem(run: Run) -> Problem | None:
    """Why a run of an earlier time failed, as far as its folder says."""
    if run.state is None or run.state.state != RUN_FAILED or not run.state.reason:
        return None
    return Problem("Training stopped with an error.", run.state.reason, "Put that right, then continue.", "")


def live_of(flow: TrainFlow) -> Live:
    """The run that trains, at this moment. Only while there is one."""
    assert flow.order is not None
    started = flow.started
    return Live(
        step=flow.step,
        steps=flow.order.recipe.steps,
        elapsed_s=flow.elapsed_s,
        seconds_left=flow.seconds_left(),
        kept_age_s=flow.kept_age_s,
        best_psnr_db=flow.best_psnr_db,
        best_step=flow.best_step,
        paused=flow.paused,
        stopping=flow.stopping,
        waits_because=flow.waits_because,
        state="paused" if flow.paused else "lets others go first" if flow.held else "training",
        state_note=HELD if flow.held and not flow.paused else "",
        photos=started.photos if started is not None else None,
        parameters=started.parameters if started is not None else None,
        where=f"{started.device} · {started.precision}" if started is not None else "",
        went_on_from=started.step if started is not None else 0,
    )


def with_live(runs: Sequence[Run], order: TrainOrder | None, is_paused: bool) -> tuple[Run, ...]:
    """Those on the disk; before them the one that trains here, also while it has not written anything yet."""
    if order is None:
        return tuple(runs)
    here = next((run for run in runs if run.folder == order.folder), None) or _just_begun(order)
    if here.state is not None:
        here = replace(here, state=replace(here.state, state=PAUSED if is_paused else RUNNING))
    return (here, *(run for run in runs if run.folder != order.folder))


def _just_begun(order: TrainOrder) -> Run:
    from core.training.runs import Run

    state = RunState(RUNNING, 0, order.recipe.steps, data=tuple(str(path) for path in order.data))
    return Run(order.folder, order.name, state, order.recipe, "", 0, None)
