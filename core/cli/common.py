"""What the commands share: argument types, one-line errors and progress.

Imported for every ``--help``, so it must stay light: no torch, no numpy, no rich at the top.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from core import tasks
from core.cli import stopping
from core.events import ItemDone, ItemStarted, Notice
from core.jobs import JobControl

if TYPE_CHECKING:
    from core.model.checkpoint import LoadedModel
    from core.model.config import NetworkConfig
    from core.model.memory_edit import MemoryEdit
    from core.restoring.records import Choice

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2

_PLAIN_EVERY_S = 10.0  # between lines of progress when nobody watches a terminal


class UsageError(Exception):
    """An argument that only turns out wrong once files or models are looked at. One line, exit code 2."""


class Parser(argparse.ArgumentParser):
    """argparse, with errors of one clear line and suggestions for what is nearly right."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {' '.join(message.split())} (see {self.prog} --help)\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        # argparse collects what it does not know and complains in the main parser's name; here the command
        # that was given the argument complains, and says what it may have meant
        found, unknown = super().parse_known_args(args, namespace)
        inputs = getattr(found, "inputs", None)
        if isinstance(inputs, list) and not any(word.startswith("-") for word in unknown):
            inputs += unknown  # photos named after an option belong to those before it
            unknown = []
        if unknown:
            known = [option for action in self._actions for option in action.option_strings]
            first = unknown[0].split("=")[0]
            self.error(f"unknown argument {first}{suggest(first, known)}")
        return found, unknown


def suggest(text: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(text, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


# --- argument types ------------------------------------------------------------------------------


def task_type(text: str) -> str:
    """A task of the program, or one that a model at hand has learned."""
    if text not in tasks.TASKS:
        from core.model import catalog

        known = tuple(dict.fromkeys((*tasks.TASKS, *(e.task for e in catalog.models() if e.error is None))))
        if text not in known:
            raise argparse.ArgumentTypeError(
                f"unknown task {text!r} (known: {', '.join(known)}){suggest(text.lower(), known)}"
            )
    return text


def task_or_auto_type(text: str) -> str:
    """As :func:`task_type`, or "auto": the photo says it."""
    return text if text == tasks.AUTO else task_type(text)


def device_type(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"need auto, cpu, cuda:N or mps, got {text!r}")
    return text


def precision_type(text: str) -> str:
    if text not in ("auto", "fp32", "bf16"):
        raise argparse.ArgumentTypeError(f"need auto, fp32 or bf16, got {text!r}")
    return text


def tile_type(text: str) -> int | None:
    """ "auto" is None; otherwise the owned edge in pixels."""
    if text == "auto":
        return None
    return _whole(text, 64, 65536, "px")


def strength_type(text: str) -> float:
    return _number(text, "0.0", "1.0")


def whole_type(low: int, high: int) -> Callable[[str], int]:
    """An argument type for whole numbers from ``low`` to ``high``."""
    return lambda text: _whole(text, low, high)


def thoroughness_type(text: str) -> float:
    return _number(text, "1", "2")


def scale_type(text: str) -> str:
    found = re.fullmatch(r"1/(\d{1,2})", text)
    if text not in ("auto", "1") and not (found and int(found[1]) in (2, 4, 8, 16, 32, 64)):
        raise argparse.ArgumentTypeError(f"need auto, 1, 1/2, 1/4, ... or 1/64, got {text}")
    return text


def mask_type(text: str) -> str | Path:
    """``"none"``, ``"auto"``, or the path of a file; one of these names is given as ./none."""
    return text if text in ("none", "auto") else Path(text)


def _number(text: str, low: str, high: str) -> float:
    """Bounds as they are to be read."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not float(low) <= value <= float(high):
        raise argparse.ArgumentTypeError(f"need a number from {low} to {high}, got {text}")
    return value


def quality_type(text: str) -> int:
    return _whole(text, 1, 100)


def naming_type(text: str) -> str:
    from core.restoring.records import check_naming

    try:
        check_naming(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def edge_type(text: str) -> int:
    return _whole(text, 16, 100_000)


def depth_type(text: str) -> int:
    if text not in ("8", "16"):
        raise argparse.ArgumentTypeError(f"need 8 or 16, got {text}")
    return int(text)


def format_type(text: str) -> str:
    from core.images.formats import FORMATS

    word = text.lower().lstrip(".")
    for each in FORMATS.values():
        if word == each.name.lower() or f".{word}" in each.extensions:
            return each.name
    known = [name.lower() for name in FORMATS]
    raise argparse.ArgumentTypeError(
        f"unknown format {text!r} (known: {', '.join(known)}){suggest(text.lower(), known)}"
    )


def _whole(text: str, low: int, high: int, unit: str = "") -> int:
    value = int(text) if re.fullmatch(r"[+-]?\d{1,9}", text) else None
    if value is None or not low <= value <= high:
        raise argparse.ArgumentTypeError(f"need {low} to {high} {unit}".rstrip() + f", got {text}")
    return value


def add_model_options(parser: argparse.ArgumentParser, auto: bool = False) -> None:
    """The options that every command with a network shares. ``auto``: a photo may say its task by itself."""
    itself = (
        "; auto: what each photo shows, one after the other, and nothing where that is not sure"
        if auto
        else ""
    )
    parser.add_argument(
        "--task", type=task_or_auto_type if auto else task_type, metavar="TASK",
        help=f"what to remove: {tasks.names()}{itself} [the model's own task, else {tasks.DEFAULT}]",
    )  # fmt: skip
    parser.add_argument(
        "--model",
        metavar="NAME|PATH",
        help="a model's name, folder or file, or a training run's [the task's default]",
    )
    parser.add_argument(
        "--device", type=device_type, default="auto", metavar="DEVICE",
        help="auto, cpu, cuda:N or mps [auto: the fastest]",
    )  # fmt: skip
    parser.add_argument(
        "--precision", type=precision_type, default="auto", metavar="PRECISION",
        help="auto, fp32 or bf16 [auto: bf16 where the hardware is faster at it]",
    )  # fmt: skip
    parser.add_argument(
        "--tile", type=tile_type, default=None, metavar="PX",
        help="edge of the tiles in pixels, at least 64, or auto [auto: by free memory]",
    )  # fmt: skip


def add_memory_options(parser: argparse.ArgumentParser) -> None:
    """The options that every command that restores shares."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--no-memory", action="store_true", help="leave out what the network's memory adds, to see its worth"
    )
    group.add_argument(
        "--memory-edit", type=Path, metavar="FILE",
        help="mute, boost or swap slots of the memory as a JSON file says",
    )  # fmt: skip
    parser.add_argument(
        "--thoroughness", type=thoroughness_type, default=1.0, metavar="1..2",
        help="reads the memory of damage more strongly, 1 to 2: takes more of heavy rain, and sooner or later "
        "fine detail with it; comes after a memory edit [1.0]",
    )  # fmt: skip


def add_scale_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scale", type=scale_type, default="auto", metavar="SCALE",
        help="at which size of the photo the damage is looked for: 1 the photo itself, 1/2, 1/4, ... a smaller "
        "copy, whose correction is carried up to the photo's own pixels [auto: where it is seen best]",
    )  # fmt: skip
    parser.add_argument(
        "--keep-smear", dest="undo", action="store_false",
        help="leave a smear to the network alone; models that learned from such photos are shown blurred ones with "
        "what can be told of their smear undone",
    )  # fmt: skip


def choice(args: argparse.Namespace, task: str) -> Choice:
    """What the shared options choose: each is a field of its name, as far as the command has it."""
    from core.restoring.records import Choice

    given = {each.name: getattr(args, each.name) for each in fields(Choice) if each.name in args}
    return Choice(**given | {"task": task, "model": args.model or "", "tile_px": args.tile})


def memory_edit(args: argparse.Namespace) -> MemoryEdit | None:
    """What --memory-edit names. Raises :class:`UsageError`, also where --thoroughness does not go with it; whether a model
    has these slots is asked later."""
    from core.model.memory_edit import MemoryEdit, MemoryEditError, thorough

    if args.no_memory and args.thoroughness != 1.0:
        raise UsageError(
            f"--thoroughness {args.thoroughness:g}: not with --no-memory, which leaves out what it reads"
        )
    try:
        edit = MemoryEdit.read(args.memory_edit) if args.memory_edit is not None else None
    except MemoryEditError as error:
        raise UsageError(f"--memory-edit {error}") from error
    try:
        thorough(args.thoroughness, edit)
    except MemoryEditError as error:
        raise UsageError(f"--{error}") from error
    return edit


def check_memory_edit(args: argparse.Namespace, edit: MemoryEdit | None, config: NetworkConfig) -> None:
    """Raises :class:`UsageError` when the model lacks what the edit or the thoroughness speaks of."""
    from core.model.memory_edit import MemoryEditError, thorough

    thoroughness = f"--thoroughness {args.thoroughness:g}"
    if args.thoroughness != 1.0 and not config.reads_damage:
        raise UsageError(f"{thoroughness}: this model has no memory of damage to read more strongly")
    if (whole := thorough(args.thoroughness, edit)) is not None:
        try:
            whole.table(config)
        except MemoryEditError as error:
            named = [f"--memory-edit {args.memory_edit}"] if args.memory_edit is not None else []
            if args.thoroughness != 1.0:
                named.append(thoroughness)
            raise UsageError(f"{' with '.join(named)}: {error}") from error


def check_takes_masks(model: LoadedModel) -> None:
    """Raises :class:`UsageError` when the model was trained without masks."""
    from core.restoring.passes import check_takes_masks
    from core.restoring.records import RestoreError

    try:
        check_takes_masks(model)
    except RestoreError as error:
        raise UsageError(str(error)) from error


def guesses(asked: str | Path | None, model: LoadedModel) -> bool:
    """Whether a mask is to be guessed: where that was asked for, or nothing was and the model removes shadows.

    Raises :class:`UsageError` where it was asked for and cannot be done.
    """
    can = tasks.of(model.task).can_guess and model.provenance.get("guidance") is True
    if asked == "auto" and not can:
        check_takes_masks(model)
        raise UsageError(f"--mask auto: a mask can be guessed for shadows, not for {model.task}")
    return can and asked in (None, "auto")


def find_model(text: str) -> Path:
    """A model by name or path, or the best weights of a run. Raises :class:`UsageError`."""
    from core.model import catalog
    from core.training import runs

    if text not in (entry.name for entry in catalog.models()):
        with contextlib.suppress(runs.NotARun):
            found = runs.read(runs.resolve(text, runs.default_folder())).model
            if found is None:
                raise UsageError(f"{text}: the run has no model yet, it was never validated")
            return found
    try:
        return catalog.resolve(text)
    except catalog.CatalogError as error:
        raise UsageError(str(error)) from error


def load_model(args: argparse.Namespace, control: JobControl) -> tuple[str, LoadedModel, Path]:
    """Task, model and its path by the shared options. Loads torch.

    Raises :class:`UsageError` when model, device and task do not go together, Cancelled when stopped meanwhile.
    """
    from core.model import catalog

    try:
        task = args.task or tasks.DEFAULT
        path = find_model(args.model) if args.model else catalog.default_model(task)
        stopping.import_aside(control, "core.restoring.restore")
        from core.model import tensors
        from core.model.checkpoint import CheckpointError
        from core.restoring import passes

        device = tensors.choose_device(args.device)
        precision = tensors.choose_precision(args.precision, device)
        control.checkpoint()  # the first look at a graphics card takes its time
    except ValueError as error:
        raise UsageError(str(error)) from error
    try:
        # on the processor: a full card is the job's to deal with, which can go on without it
        model = passes.load_model(path, "cpu", precision if device == "cpu" else "fp32")
    except CheckpointError as error:
        raise UsageError(str(error)) from error
    if args.task and model.task != args.task:
        raise UsageError(f"model {model.name} is for {model.task}, not for {args.task}")
    return model.task, model, path


# --- output --------------------------------------------------------------------------------------


def forgiving_streams() -> None:
    """A file name that the terminal cannot show must not end the program."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            with contextlib.suppress(ValueError, OSError):
                reconfigure(errors="backslashreplace")


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def clock(seconds: float) -> str:
    """0:07, 12:40, 1:02:03"""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{second:02d}" if hours else f"{minutes}:{second:02d}"


class Progress:
    """A bar on a terminal, a line now and then elsewhere; always on stderr, so that stdout stays clean.

    Use as a context manager. ``show`` may be called as often as one likes. ``unit`` is what is counted, for the
    lines; empty where the labels count already.
    """

    def __init__(self, unit: str = "") -> None:
        self._unit = unit
        self._bar: Any = None
        self._row: Any = None
        self._last = time.monotonic()

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[note]}", markup=False),
                console=Console(stderr=True),
                transient=True,
                # lines printed meanwhile go above the bar, unless stdout leads elsewhere
                redirect_stdout=sys.stdout.isatty(),
            )
            self._row = self._bar.add_task("", total=None, note="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, what: str, done: float, total: float, note: str = "") -> None:
        """``done`` of ``total``; ``note`` says what else is worth knowing (time left)."""
        if self._bar is not None:
            self._bar.update(self._row, description=what, completed=done, total=total, note=note)
        elif time.monotonic() - self._last >= _PLAIN_EVERY_S:
            self._last = time.monotonic()
            of = f"{done:g} of {total:g} {self._unit}" if self._unit else ""
            words = ", ".join(text for text in (of, note) if text)
            print(f"{what}: {words}" if words else what, file=sys.stderr, flush=True)

    def follow(self, event: object) -> None:
        """How far a job is that goes from item to item, by its events; its notices are printed."""
        if isinstance(event, ItemStarted):
            self.show(self._label(event), event.index - 1, event.count)
        elif isinstance(event, ItemDone) and event.seconds_left is not None:
            self.show(self._label(event), event.index, event.count, f"{clock(event.seconds_left)} left")
        elif isinstance(event, Notice):
            print(event.text, file=sys.stderr)

    def _label(self, event: ItemStarted | ItemDone) -> str:
        return f"{event.index} of {event.count}  {event.name}" if self._unit else event.name
