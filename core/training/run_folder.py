"""What a training run's folder holds, and who may write to it. No torch.

``recipe.toml`` (what runs), ``state.json`` (how far it is), ``curve.jsonl`` (one line a report or validation),
``checkpoints/step-N.safetensors`` (everything needed to go on), ``model/`` (the best averaged weights),
``film/`` (validation crops over time), ``contrast.npz`` (what the contrastive term compared last) and ``notes.txt`` (a
person's words, which training never touches).
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import filelock

from core import atomic, foreign_text
from core.events import ContrastDrawn, ContrastSample
from core.training.recipe import TrainRecipe

RUNNING, PAUSED, STOPPED, DONE, FAILED = "running", "paused", "stopped", "done", "failed"
INTERRUPTED = "interrupted"
"""Says it runs and nobody holds its lock: the program or the machine went down."""

_MOST_LINE_BYTES = 1 << 20
_MOST_CONTRAST_BYTES = 16 << 20  # unpacked; 4 places of 8 pictures are a third of a megabyte

# who asks whether a lock is held holds it for a moment, too
_BEGINNING_S = 1.0
_ASKING_S, _ASKING_POLL_S = 0.03, 0.005


def _picture(values: Any) -> Any:
    """Raises ValueError: no (h, w, 3) uint8."""
    if values.ndim != 3 or values.shape[2] != 3 or values.dtype.name != "uint8":
        raise ValueError(f"a picture of {values.shape} {values.dtype}")
    return values


class TrainingError(Exception):
    """The run cannot start or go on; the message says why."""

    problem_key = "training"


class RunExists(TrainingError):
    """The folder of a new run holds one already."""

    problem_key = "run-exists"


class RunBusy(Exception):
    """Another program writes to this run."""

    problem_key = "run-busy"

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder}: another program is training here")
        self.folder = folder


class RunDamaged(Exception):
    """The folder's record cannot be read; the message says what is wrong with it."""

    problem_key = "run-damaged"


@dataclass(frozen=True, slots=True)
class RunState:
    """How far a run is, as its trainer last wrote it."""

    state: str  # RUNNING PAUSED STOPPED DONE FAILED; INTERRUPTED is found by whoever reads
    step: int
    steps: int
    best_psnr_db: float | None = None
    best_step: int = 0
    seconds: float = 0.0  # worked, over all sittings
    started: float = 0.0  # seconds since 1970
    updated: float = 0.0
    data: tuple[str, ...] = ()  # what DATA stood for, so that the run can go on without being told again
    device: str = ""
    precision: str = ""
    parameters: int = 0
    reason: str = ""  # why it failed or waits, as a sentence


_CHECKPOINT = re.compile(r"step-(\d+)\.safetensors")


def checkpoint_step(file: Path) -> int | None:
    """The step a run's checkpoint was made after, by its name; None: it is none."""
    found = _CHECKPOINT.fullmatch(file.name)
    return int(found[1]) if found else None


def checkpoint_files(folder: Path) -> list[Path]:
    """Newest first; empty where there is no such folder."""
    steps = {
        file: step
        for file in folder.glob("step-*.safetensors")
        if (step := checkpoint_step(file)) is not None and file.is_file()
    }
    return sorted(steps, key=steps.__getitem__, reverse=True)


class RunFolder:
    """The places in a run's folder. Making one touches nothing on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe_file = path / "recipe.toml"
        self.state_file = path / "state.json"
        self.curve_file = path / "curve.jsonl"
        self.notes_file = path / "notes.txt"
        self.lock_file = path / ".lock"
        self.checkpoints = path / "checkpoints"
        self.model = path / "model"
        self.film = path / "film"
        self.contrast_file = path / "contrast.npz"

    def write_contrast(self, drawn: ContrastDrawn) -> None:
        """Raises OSError."""
        import numpy as np

        groups = [[[s.kind, s.similarity, s.step, s.cell] for s in group] for group in drawn.groups]
        record = {"step": drawn.step, "task": drawn.task, "weights": drawn.weights, "groups": groups}
        pictures: dict[str, Any] = {
            f"{row}-{column}": sample.picture
            for row, group in enumerate(drawn.groups)
            for column, sample in enumerate(group)
        }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, told=np.frombuffer(json.dumps(record).encode(), np.uint8), **pictures)
        atomic.write_bytes(self.contrast_file, buffer.getvalue())

    def contrast(self) -> ContrastDrawn | None:
        """What was compared last, as far as that was kept and can be read. Never raises for a damaged file."""
        import numpy as np

        try:
            foreign_text.check_is_regular(self.contrast_file)
            with zipfile.ZipFile(self.contrast_file) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > _MOST_CONTRAST_BYTES:
                    return None
            with np.load(self.contrast_file, allow_pickle=False) as kept:
                record = foreign_text.parse_json(kept["told"].tobytes())
                groups = tuple(
                    tuple(
                        ContrastSample(
                            str(kind),
                            _picture(kept[f"{row}-{column}"]),
                            float(similarity),
                            None if step is None else int(step),
                            None if cell is None else (int(cell[0]), int(cell[1]), int(cell[2])),
                        )
                        for column, (kind, similarity, step, cell) in enumerate(group)
                    )
                    for row, group in enumerate(record["groups"])
                )
                weights = tuple(map(float, record["weights"]))
                return ContrastDrawn(int(record["step"]), groups, str(record["task"]), weights)
        except (
            Exception
        ):  # an archive of somebody else's fails in any way it likes, want of memory among them
            return None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other writers out, this process included. The system lets go of it when the process dies.

        Raises:
            RunBusy: somebody else holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.lock_file, is_singleton=False)
        try:
            lock.acquire(timeout=_BEGINNING_S)
        except filelock.Timeout as error:
            raise RunBusy(self.path) from error
        try:
            yield
        finally:
            lock.release()

    def is_locked(self) -> bool:
        """Whether somebody writes to the run, this process included."""
        if not self.lock_file.exists():
            return False
        lock = filelock.FileLock(self.lock_file, is_singleton=False)
        try:
            lock.acquire(timeout=_ASKING_S, poll_interval=_ASKING_POLL_S)
        except filelock.Timeout:
            return True
        except OSError:  # a folder that may only be read is nobody's to write to
            return False
        lock.release()
        return False

    def recipe(self) -> TrainRecipe:
        """Raises OSError and :class:`core.training.recipe.RecipeError`."""
        return TrainRecipe.from_toml(self.recipe_file)

    def state(self) -> RunState | None:
        """None when the run has written none. Raises :class:`RunDamaged`, OSError."""
        if not self.state_file.exists():
            return None
        found = read_json(self.state_file)
        known = {item.name for item in fields(RunState)}
        values = {key: value for key, value in found.items() if key in known}
        try:
            state = RunState(**values | {"data": tuple(values.get("data", ()))})
        except TypeError as error:
            raise RunDamaged(f"{self.state_file}: {error}") from error
        if state.state in (RUNNING, PAUSED) and not self.is_locked():
            values = asdict(state) | {"state": INTERRUPTED}
            state = RunState(**values | {"data": tuple(values["data"])})
        return state

    def write_state(self, state: RunState) -> None:
        """Atomic. Raises OSError."""
        from core.atomic import write_text

        write_text(self.state_file, json.dumps(asdict(state) | {"updated": time.time()}, indent=1) + "\n")


def read_json(path: Path) -> Mapping[str, Any]:
    """Raises :class:`RunDamaged` when it holds no JSON object, OSError."""
    try:
        return foreign_text.read_json(path)
    except ValueError as error:
        raise RunDamaged(f"{path}: {error}") from error


def read_curve(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's ``curve.jsonl``; what cannot be read, such as a last line that was half written when the
    process was killed, is left out.

    Raises OSError; RunDamaged: it is no text.
    """
    return list(iterate_curve(run))


def iterate_curve(run: Path, on_lost: Callable[[int], None] | None = None) -> Iterator[dict[str, Any]]:
    """As :func:`read_curve`, one line at a time: a long run's curve takes a gigabyte as dictionaries.

    ``on_lost`` is told the number (from 1) of each line that says nothing: no JSON, or no kind and step.
    """
    path = RunFolder(run).curve_file
    try:
        foreign_text.check_is_regular(path)
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        number = 0
        while data := file.readline(_MOST_LINE_BYTES):
            number += 1
            try:
                line = foreign_text.parse_json(data.decode())
            except UnicodeDecodeError as error:
                raise RunDamaged(f"{path.name}: {error}") from error
            except ValueError:
                line = None
            if isinstance(line, dict) and type(line.get("step")) is int and isinstance(line.get("kind"), str):
                yield line
            elif on_lost is not None and data.endswith(b"\n"):  # a last line may be half written
                on_lost(number)
