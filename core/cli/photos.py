"""What the commands share that take photos one by one: finding them, doing each, saying how it went.

Imported for every ``--help``, so it must stay light: no torch, no numpy at the top.
"""

from __future__ import annotations

import abc
import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from core.cli import common, share, stopping
from core.cli.words import describe
from core.events import LadderStep, Notice, PassTile, TileDone
from core.jobs import Cancelled, JobControl

if TYPE_CHECKING:
    import numpy as np

    from core.images.io import PassedOver, UnreadableFile
    from core.jobs import Emit
    from core.model.memory_edit import MemoryEdit
    from core.restoring.records import RestoreRequest

FAILED, WAITING = "failed", "waiting"


class NoPhotos(Exception):
    """A folder without a photo to work on."""

    problem_key = "no-photos"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: no photos{'; ' if reason else ''}{reason}")
        self.path, self.reason = path, reason


@dataclass(slots=True)
class Item:
    """One photo of the run: where it comes from, where it goes, and what became of it."""

    source: Path
    root: Path | None = None  # the folder it was found in
    target: Path | None = None
    status: str = WAITING  # or FAILED, or a word of the command for what it has done
    error: Exception | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    remote_error: str = ""  # what is wrong with it, as another process reports

    @property
    def is_done(self) -> bool:
        return self.status not in (FAILED, WAITING)

    def fail(self, error: Exception) -> None:
        self.status, self.error = FAILED, error

    def as_dict(self) -> dict[str, Any]:
        return {
            "input": str(self.source),
            "output": str(self.target) if self.is_done and self.target is not None else None,
            "status": self.status,
            "error": self.remote_error or (describe(self.error).sentence if self.error is not None else None),
            **self.facts,
        }

    def take_report(self, report: dict[str, Any]) -> None:
        """What another process did with it, as its :meth:`as_dict` has it."""
        facts = dict(report)
        del facts["input"]
        output, self.status, error = (facts.pop(name) for name in ("output", "status", "error"))
        self.target = Path(output) if output is not None else self.target
        self.remote_error, self.facts = error or "", facts


def size_words(width: int, height: int) -> str:
    """ "12.2 MP"; small pictures by their edges, for they would all be of 0.0 MP."""
    megapixels = width * height / 1e6
    return f"{megapixels:.1f} MP" if megapixels >= 0.1 else f"{width}×{height} px"


class Named(Protocol):
    """What is told of a model, as of :class:`core.model.checkpoint.LoadedModel`."""

    @property
    def task(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> str: ...


class Batch(abc.ABC):
    """Photos in turn; one that fails never stops the rest. A command says what is done with each."""

    done_words: ClassVar[tuple[str, ...]]  # every status of a photo that is done
    step_word: ClassVar[str]  # what the progress of one photo counts
    stopped_words: ClassVar[str]  # what holds for the photos that were done when the run was stopped

    def __init__(self, args: argparse.Namespace, model: Named, control: JobControl) -> None:
        self.args, self.model, self.control = args, model, control
        self.share = share.of_environment(control)
        args.device = self.share.device(args.device)
        self.items: list[Item] = []
        self.passed_over: list[PassedOver] = []
        self.originals: set[Path] = set()
        self.began = time.monotonic()

    def take(self, items: list[Item], passed_over: list[PassedOver]) -> None:
        self.items, self.passed_over = items, passed_over
        self.originals = {item.source.resolve() for item in items}

    def run(self) -> int:
        """Every item in turn, then the closing words or the JSON. Returns the exit code."""
        stopped = False
        try:
            self.share.begin([str(item.source) for item in self.items], self.control)
            self._go()
        except Cancelled:
            stopped = True
        return self._report(stopped)

    # --- for the command to say ---------------------------------------------------------------------

    @abc.abstractmethod
    def one(self, index: int, item: Item, progress: common.Progress) -> None:
        """Do one photo and set its status. Raises Cancelled, and what is wrong with the photo."""

    @abc.abstractmethod
    def lines(self, item: Item) -> Iterable[str]:
        """What is told about a photo at hand, unless JSON was asked for."""

    @abc.abstractmethod
    def settings(self) -> dict[str, Any]:
        """What the JSON says about the run beside task and model."""

    def more(self) -> dict[str, Any]:
        """What the process that reports wants to know beside the photos; JSON takes it."""
        return {}

    def take_more(self, _more: dict[str, Any]) -> None:
        """That of another process."""
        return

    def findings(self) -> dict[str, Any]:
        """What the JSON says over all photos."""
        return {}

    def closing_lines(self) -> Iterable[str]:
        """What is told over all photos, unless JSON was asked for."""
        return ()

    def last_lines(self) -> Iterable[str]:
        """What is told at the very end of a run of several photos that was not stopped."""
        return ()

    # --- doing it -----------------------------------------------------------------------------------

    def _go(self) -> None:
        with common.Progress() as progress:  # the label counts the photos
            for index, item in enumerate(self.items):
                if not self.share.mine(index):
                    continue
                self.control.checkpoint()
                if item.status == WAITING:
                    try:
                        self.one(index, item, progress)
                    except Cancelled:
                        raise
                    except Exception as error:  # whatever is wrong with one photo, the rest is done
                        item.fail(error)
                self._say(item)

    def watch(self, index: int, item: Item, progress: common.Progress) -> tuple[Emit, list[str]]:
        """Shows that a photo has begun. Returns what takes the events of its job, and the notes these leave."""
        count = len(self.items)
        label = item.source.name if count == 1 else f"{index + 1} of {count}  {item.source.name}"
        progress.show(label, index, count)
        notes: list[str] = []

        def watch(event: object) -> None:
            if isinstance(event, TileDone | PassTile):
                share = event.index / event.count
                left = self._seconds_left(index + share) if count > 1 else event.seconds_left or 0.0
                note = f"{self.step_word} {event.index} of {event.count}, {common.clock(left)} left"
                progress.show(label, index + share, count, note)
            elif isinstance(event, LadderStep):
                notes.append(event.reason)
            elif isinstance(event, Notice):
                notes.append(event.text)

        return watch, notes

    def _seconds_left(self, done: float) -> float:
        """For the whole run, ``done`` photos (and parts of one) into it."""
        return (time.monotonic() - self.began) / done * (len(self.items) - done)

    # --- saying it ----------------------------------------------------------------------------------

    def _say(self, item: Item) -> None:
        if item.error is not None:
            say_error(item.source, item.error)
        if not self.args.json:
            for line in self.lines(item):
                print(line, flush=True)

    def _gather(self, stopped: bool) -> bool | None:
        """What all processes have done, where this is the one that reports; whether any was stopped. None: another one
        reports."""
        own = {index: item.as_dict() for index, item in enumerate(self.items) if self.share.mine(index)}
        report = {"stopped": stopped, "items": list(own.values()), "more": self.more()}
        everyone = self.share.gather(report, self.control)
        if everyone is None:
            return None
        for rank, each in enumerate(everyone):
            if rank == self.share.rank:
                continue
            items = self.items[rank :: self.share.count]
            for at, item in enumerate(items):
                if each is not None:
                    item.take_report(each["items"][at])
                elif item.status == WAITING:
                    item.fail(share.Lost(rank))
            if each is None:
                say_error(Path(f"process {rank}"), share.Lost(rank))
            else:
                self.take_more(each["more"])
                stopped = stopped or each["stopped"]
        return stopped

    def _report(self, stopped: bool) -> int:
        from core.images.io import passed_over_line

        any_stopped = self._gather(stopped)
        if (
            any_stopped is None
        ):  # what went wrong is told by the one that reports; ending badly would end the others
            return stopping.EXIT_INTERRUPTED if stopped else common.EXIT_OK
        stopped = any_stopped
        statuses = [item.status for item in self.items]
        counts = {status: statuses.count(status) for status in (*self.done_words, FAILED, WAITING)}
        seconds = time.monotonic() - self.began
        if self.args.json:
            common.print_json(
                {
                    "task": self.model.task,
                    "model": self.model.name,
                    "model_sha256": self.model.sha256,
                    **self.settings(),
                    "mask": str(self.args.mask) if self.args.mask is not None else None,
                    "count": len(self.items),
                    **{status: counts[status] for status in (*self.done_words, FAILED)},
                    "stopped": stopped,
                    "seconds": round(seconds, 3),
                    **self.findings(),
                    "images": [item.as_dict() for item in self.items],
                    "passed_over": [{"input": str(one.path), "kind": one.kind} for one in self.passed_over],
                }
            )
        else:
            for line in self.closing_lines():
                print(line)
        if self.passed_over:
            print(passed_over_line(self.passed_over), file=sys.stderr)
        if stopped:
            done = sum(item.is_done for item in self.items)
            words = f"Stopped: {done} of {len(self.items)} photos are {self.stopped_words}"
            print(words, file=sys.stderr)
            return stopping.EXIT_INTERRUPTED
        if not self.args.json and len(self.items) > 1:
            parts = [f"{number} {status}" for status, number in counts.items() if number]
            print(f"{len(self.items)} photos in {common.clock(seconds)}: {', '.join(parts)}")
            for line in self.last_lines():
                print(line)
        return common.EXIT_FAILED if counts[FAILED] else common.EXIT_OK


def say_error(source: Path, error: Exception) -> None:
    """What is wrong with a photo, where it does not end up in the results."""
    print(f"{source}: {describe(error).sentence}", file=sys.stderr, flush=True)


def check_out(args: argparse.Namespace) -> None:
    """Raises UsageError when --out cannot be a folder."""
    if args.out is not None and args.out.exists() and not args.out.is_dir():
        raise common.UsageError(f"--out {args.out}: is a file, need a folder")


def collect(
    inputs: Sequence[str],
    photos: Callable[[Path, Callable[[UnreadableFile], None], Callable[[PassedOver], None]], Iterable[Path]],
    why_none: Callable[[Path], str],
) -> tuple[list[Item], list[PassedOver]]:
    """Photos in the order given, folders in name order, each file once; what cannot be listed has failed.

    And the pictures in folders that cannot be read, unless they were given by name: then they are items.

    Args:
        photos: those of a folder; told where to hand what cannot be listed and what is passed over.
        why_none: the reason why a folder holds no photos; empty: it is just so.
    """
    items: dict[Path, Item] = {}
    passed_over: dict[Path, PassedOver] = {}
    for given in map(Path, inputs):
        unreadable: list[UnreadableFile | NoPhotos] = []
        if given.is_dir():
            others: list[PassedOver] = []
            found = [Item(path, given) for path in photos(given, unreadable.append, others.append)]
            passed_over.update((one.path.absolute(), one) for one in others)
            if not found and not unreadable:
                unreadable.append(NoPhotos(given, why_none(given)))
        else:
            found = [Item(given)]
        for error in unreadable:
            found.append(Item(error.path, given))
            found[-1].fail(error)
        for item in found:
            items.setdefault(item.source.absolute(), item)
    return list(items.values()), [one for path, one in passed_over.items() if path not in items]


def request(
    args: argparse.Namespace,
    task: str,
    path: Path,
    mask: np.ndarray | None,
    edit: MemoryEdit | None,
    guess: bool = False,
    only: np.ndarray | None = None,
    taught: np.ndarray | None = None,
    guess_only: bool = False,
) -> RestoreRequest:
    """What is asked of :func:`core.restoring.restore.restore` for each photo; ``path`` is the model's."""
    return common.choice(args, task).request(
        edit,
        path,
        mute_memory=args.no_memory,
        mask=mask,
        guess=guess,
        only=only,
        taught=taught,
        guess_only=guess_only,
    )


def add_taught(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--taught", type=Path, metavar="FILE",
        help="what is damage and what is not, for one photo: a grey picture of its size, white where damage is asserted, "
        "black where it is denied (there the photo stays as it is), middle grey where nothing is said",
    )  # fmt: skip


def read_taught(args: argparse.Namespace, items: Sequence[Item]) -> np.ndarray | None:
    """What --taught names, of the size of the one photo there is. Raises UsageError."""
    path: Path | None = args.taught
    if path is None:
        return None
    from core.data import guidance, taught
    from core.images import io as image_io

    if len(items) != 1:
        raise common.UsageError(f"--taught {path}: goes with one photo, {len(items)} were given")
    if args.no_memory:
        raise common.UsageError(f"--taught {path}: not with --no-memory, which leaves out what is taught")
    try:
        values = guidance.read_mask(path)
        if items[0].status != FAILED:
            info = image_io.read_info(items[0].source)
            taught.check(values, info.width, info.height, str(path))
    except (guidance.MaskError, taught.TaughtError) as error:
        raise common.UsageError(f"--taught {error}") from error
    except image_io.ImageError as error:
        raise common.UsageError(f"--taught {path}: {describe(error).sentence}") from error
    return values


def read_mask(path: Path | None, items: Sequence[Item], option: str = "--mask") -> np.ndarray | None:
    """What an option names, (H, W) uint8, for the one photo there is. Raises UsageError."""
    if path is None:
        return None
    from core.data import guidance
    from core.images import io as image_io

    if len(items) != 1:
        raise common.UsageError(f"{option} {path}: goes with one photo, {len(items)} were given")
    try:
        mask = guidance.read_mask(path)
        guidance.check_marks(mask, str(path))
        return mask
    except guidance.MaskError as error:
        raise common.UsageError(f"{option} {error}") from error
    except image_io.ImageError as error:
        raise common.UsageError(f"{option} {path}: {describe(error).sentence}") from error
