"""A training run that takes a second: a tiny network, a few photos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.cv import cv2
from core.events import StepDone
from core.jobs import Cancelled, JobControl
from core.model.config import NetworkConfig
from core.training.learning import learner
from core.training.recipe import TrainRecipe
from core.training.run_folder import RunFolder, read_curve
from core.training.trainer import train
from tests.small import photo

RECIPE = TrainRecipe(
    name="tiny", preset="custom", width=4, steps=20, batch=2, patch_px=16, warmup_steps=4, lr=2e-3,
    train=("DATA/clean",), validation=("DATA/val",), validate_every=8, validate_crop_px=32, log_every=2,
    contrastive_every=3, checkpoint_minutes=1000.0, ema=0.9, precision="bf16",
)  # fmt: skip

TINY = replace(
    RECIPE,
    steps=12,
    validate_every=4,
    log_every=1,
    contrastive_every=2,
)
"""A run of less than a second."""

_MEASURED = {"images_per_s", "data_wait", "process_mb", "device_mb"}


class Shallow:
    """In the place of a learner's ``NetworkConfig``: one block each where networks of a width of one's own have up to four.

    A step takes two thirds of the time, and training is the same loop.
    """

    preset = staticmethod(NetworkConfig.preset)

    def __new__(cls, width: int) -> NetworkConfig:  # type: ignore[misc]
        return NetworkConfig(width=width, blocks=(1, 1, 2))


def make_data(folder: Path) -> Path:
    """Clean photos to train and to validate on."""
    for name, seeds in (("clean", range(5)), ("val", range(50, 52))):
        (folder / name).mkdir(parents=True)
        for seed in seeds:
            cv2.imwrite(str(folder / name / f"{seed}.png"), photo(72, 64, seed))
    return folder


def train_and_tell(recipe: Path, data: Path, run: Path, cancel_at: int = 0, is_shallow: bool = True) -> None:
    """For a process of its own: prints each step it is told of, and at the end how many events that were, if it is cancelled."""
    if is_shallow:
        learner.NetworkConfig = Shallow  # type: ignore[misc, assignment]
    control, seen = JobControl(), list[object]()

    def emit(event: object) -> None:
        seen.append(event)
        if isinstance(event, StepDone):
            print(event.step, flush=True)
            if event.step == cancel_at:
                control.cancel()

    try:
        train(TrainRecipe.from_toml(recipe), (data,), run, emit, control, device="cpu")
    except Cancelled:
        print("cancelled after", len(seen), "events", flush=True)


def curve_of(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's curve, without what depends on the machine's mood."""
    return [{k: v for k, v in line.items() if k not in _MEASURED} for line in read_curve(run)]


def state_of(run: Path) -> str:
    state = RunFolder(run).state()
    assert state is not None
    return state.state


def steps_kept(run: Path) -> list[int]:
    return sorted(int(file.stem[5:]) for file in (run / "checkpoints").glob("step-*.safetensors"))


def at_step(step: int, action: Callable[[], object]) -> Callable[[object], None]:
    def emit(event: object) -> None:
        if isinstance(event, StepDone) and event.step == step:
            action()

    return emit
