"""``memorynet train``: a recipe in, a run folder with checkpoints and a model out."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import extras
from core.cli import common, recipes, stopping
from core.cli.words import message
from core.events import CheckpointSaved, Notice, StepDone, TrainStarted, TrainWaiting, Validated
from core.jobs import Cancelled, Emit, ignore

if TYPE_CHECKING:
    from core.training.recipe import TrainRecipe

_EXAMPLES = """\
examples:
  memorynet train quick-look --out runs/first       minutes, on photos that ship with MemoryNet
  memorynet train derain --data photos/ --out runs/rain
  memorynet train my-recipe.toml --data photos/ --data more/ --out runs/mine
  memorynet train --resume --out runs/rain         goes on exactly where it stopped, as it was begun

With several processors or graphics cards, torch's own launcher shares each batch among them:
  torchrun --nproc-per-node 2 --no-python memorynet train derain --data photos/ --out runs/rain

In a recipe, DATA/clean stands for a folder "clean" below one of the --data folders.
"""
_LINE_EVERY_S = 30.0


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "train",
        help="train a model by a recipe",
        description="Train a model. The run folder keeps the recipe, the curve, checkpoints and the best model.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "recipe", metavar="RECIPE", nargs="?",
        help="a recipe file (TOML) or the name of a bundled one; with --resume the run knows its own",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, action="append", default=[], metavar="DIR",
        help="what DATA stands for in the recipe; may be given more than once; with --resume the run knows it",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="RUN_DIR", help="the run folder")
    parser.add_argument(
        "--code", type=Path, metavar="FILE",
        help="run this Python file, which the recipe names as its code: it makes the damage of a task of your own",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on with the run that RUN_DIR holds")
    parser.add_argument(
        "--device", type=common.device_type, default="auto", metavar="DEVICE",
        help="auto, cpu, cuda:N or mps [auto: the fastest]",
    )  # fmt: skip
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="write event files for TensorBoard to RUN_DIR/tensorboard as well",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from core.training.recipe import RecipeError
    from core.training.run_folder import RunBusy

    if args.tensorboard:
        extras.require("tensorboard")
    for folder in args.data:
        if not folder.is_dir():
            raise common.UsageError(f"--data {folder}: no such folder")
    if args.out.exists() and not args.out.is_dir():
        raise common.UsageError(f"--out {args.out}: is a file, need a folder")
    recipe, data = _what_to_train(args)
    recipes.run_own_code(args.code, recipe)
    with stopping.interruptible() as control:
        stopping.import_aside(control, "core.training.trainer")
        from core.data.degrade import DegradationError
        from core.data.degrade.blur import MotionError
        from core.model import tensors
        from core.model.catalog import CatalogError
        from core.model.checkpoint import CheckpointError
        from core.training import ranks as training_ranks
        from core.training import trainer as training

        try:
            tensors.choose_device(args.device)
        except tensors.DeviceError as error:
            raise common.UsageError(str(error)) from error
        with common.Progress() as progress, _event_files(args) as note:
            teller = _Teller(progress, recipe.steps)

            def tell(event: object) -> None:
                teller.tell(event)
                note(event)

            try:
                result = training.train(
                    recipe,
                    data,
                    args.out,
                    tell,
                    control,
                    resume=args.resume,
                    device=args.device,
                )
                if training_ranks.is_first_here() and not result.stopped:
                    from core.doctor.aftercare import calibrate_run

                    calibrate_run(recipe, data, result.model, args.device, tell, control)
            except (
                training.TrainingError,
                RecipeError,
                DegradationError,
                MotionError,
                CatalogError,
                CheckpointError,
                RunBusy,
            ) as error:
                if teller.started:  # the run itself failed, not what was asked for
                    raise
                raise common.UsageError(message(error)) from error
            except Cancelled:
                if not training_ranks.is_first_here():  # the first process says it for all
                    return stopping.EXIT_INTERRUPTED
                kept = f"step {teller.kept} is kept in {args.out}" if teller.kept else "no step was finished"
                print(f"Stopped: {kept}. --resume goes on from there.", file=sys.stderr)
                return stopping.EXIT_INTERRUPTED
    if not training_ranks.is_first_here():
        return common.EXIT_OK
    here = f", the last {result.steps - teller.first:,} of them" if teller.first else ""
    print(
        f"Trained {result.steps} steps{here} in {common.clock(result.seconds)}. Best validation "
        f"{result.best_psnr_db:.3f} dB{teller.what} at step {result.best_step}. Model: {result.model}"
    )
    return common.EXIT_OK


@contextlib.contextmanager
def _event_files(args: argparse.Namespace) -> Iterator[Emit]:
    """What takes events for TensorBoard, where that was asked for."""
    from core.training.ranks import is_first_here

    if not args.tensorboard or not is_first_here():
        yield ignore
        return
    from core.training.tensorboard_log import TensorBoardLog

    def say(event: object) -> None:
        print(getattr(event, "text", event), file=sys.stderr, flush=True)

    log = TensorBoardLog(args.out, say)
    try:
        yield log.tell
    finally:
        log.close()


def _what_to_train(args: argparse.Namespace) -> tuple[TrainRecipe, tuple[Path, ...]]:
    """The recipe and what DATA stands for: as given, else as the run was begun. Raises UsageError."""
    from core.training.recipe import RecipeError
    from core.training.recipe_folders import resolve_folders
    from core.training.run_folder import RunDamaged, RunFolder

    folder, data = RunFolder(args.out), tuple(args.data)
    if args.recipe is None and not args.resume:
        raise common.UsageError("need a RECIPE, or --resume to go on with the run in --out")
    try:
        if args.resume and not data and (state := folder.state()) is not None:
            data = tuple(Path(path) for path in state.data)
        if args.recipe is not None:
            recipe = recipes.read(args.recipe)
        elif folder.recipe_file.is_file():
            recipe = folder.recipe()
        else:
            raise common.UsageError(f"--out {args.out}: holds no run to go on with")
        resolve_folders(recipe.all_folders(), data)
    except (RecipeError, RunDamaged) as error:
        raise common.UsageError(message(error)) from error
    return recipe, data


class _Teller:
    """Events of a run in words: lines for what matters, the bar for the rest."""

    def __init__(self, progress: common.Progress, steps: int) -> None:
        self.progress, self.steps = progress, steps
        self.started = False
        self.first = 0  # steps done in earlier sittings
        self.protocol = self.what = ""  # what is measured, and what the best is chosen by
        self.kept = 0  # newest step on the disk
        self.last_line = time.monotonic()

    def tell(self, event: object) -> None:
        if isinstance(event, TrainStarted):
            self.started, self.first = True, event.step
            start = (
                f"from {event.resumed_from} at step {event.step}" if event.resumed_from else "from the start"
            )
            print(
                f"{event.parameters / 1e6:.2f} M parameters, {event.photos} photo{'s' * (event.photos != 1)}, "
                f"{event.device} in "
                f"{event.precision}, {event.steps} steps {start}",
                flush=True,
            )
            from core.data.dataset import few_photos  # not for --help: it imports numpy

            if few := few_photos(event.photos):
                print(few, file=sys.stderr, flush=True)
        elif isinstance(event, StepDone):
            terms = ", ".join(f"{name} {value:.4f}" for name, value in event.terms.items())
            speed = f"{event.images_per_s:.1f} images/s"
            left = f"{common.clock(event.seconds_left)} left"
            self.progress.show(
                f"step {event.step} of {self.steps}",
                event.step,
                self.steps,
                f"loss {event.loss:.4f}, {speed}, {left}",
            )
            if time.monotonic() - self.last_line >= _LINE_EVERY_S:
                self.last_line = time.monotonic()
                wait = f"{event.data_wait:.0%} waiting for data"
                print(
                    f"step {event.step}: loss {event.loss:.4f} ({terms}), rate {event.lr:.2e}, "
                    f"gradient {event.grad_norm:.3f}, {speed}, {wait}, {left}",
                    flush=True,
                )
        elif isinstance(event, Validated):
            if event.protocol != self.protocol:  # a sentence; once is enough
                self.protocol = event.protocol
                print(f"Validation is measured on {event.protocol}", flush=True)
            guided = event.psnr_guided_db
            masked = (
                ""
                if guided is None
                else f"; with masks {guided:.3f} dB, mean of both {event.deciding_db:.3f} dB"
            )
            best = ", the best so far" if event.is_best and event.step else ""
            when = f"step {event.step}" if event.step else "before the first step"
            print(
                f"{when}: validation {event.psnr_db:.3f} dB, SSIM {event.ssim:.4f} "
                f"(input {event.input_psnr_db:.3f} dB){masked}{best}",
                flush=True,
            )
            self.what = "" if guided is None else " (mean of without and with masks)"
        elif isinstance(event, CheckpointSaved):
            self.kept = event.step
        elif isinstance(event, TrainWaiting):
            waits = f"Waiting. {event.reason}" if event.reason else "Going on."
            print(waits, file=sys.stderr, flush=True)
        elif isinstance(event, Notice):
            print(event.text, file=sys.stderr, flush=True)
