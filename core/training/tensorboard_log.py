"""TensorBoard event files beside a run, written from the events that everybody else sees too.

Training knows nothing of it: whoever starts a run hands each event to :meth:`TensorBoardLog.tell` as well. A run that
goes on, or goes back to an earlier checkpoint, tells TensorBoard from which step on to forget what it had.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from pathlib import Path
from typing import Any

from core import extras
from core.events import FilmFrame, Notice, StepDone, TrainStarted, Validated
from core.images import io as image_io
from core.images.types import ImageError
from core.jobs import Emit, ignore

FOLDER = "tensorboard"
_FLUSH_S = 30


class TensorBoardLog:
    """Writes to ``run_folder/tensorboard``. Nothing is imported or written before the run has started.

    What goes wrong with these files never stops the run: ``emit`` gets a Notice that says why, and the next validation
    tries anew.

    Args:
        film: whether the validation crops are kept as pictures too.

    Raises:
        MissingExtra: the extra "tensorboard" is not installed.
    """

    def __init__(self, run_folder: Path, emit: Emit = ignore, *, film: bool = True) -> None:
        extras.require("tensorboard")
        self.folder = run_folder / FOLDER
        self._emit, self._wants_film = emit, film
        self._writer: Any = None
        self._step = 0  # the newest that an event came of
        self._has_originals = False
        self._is_resting = self._has_warned = False

    def tell(self, event: object) -> None:
        """Take note of one event; those that say nothing to TensorBoard pass by."""
        if self._is_resting and not isinstance(event, Validated):
            return
        try:
            self._tell(event)
            self._is_resting = False
        except (OSError, ValueError, RuntimeError) as error:
            self._is_resting = True
            self.close()
            if not self._has_warned:  # once is enough
                self._has_warned = True
                self._emit(Notice(f"TensorBoard files have gaps from here on: {error}"))

    def close(self) -> None:
        """Write what is left. May be called more than once."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(
                OSError, ValueError, RuntimeError
            ):  # a full disk; the run itself says so
                writer.close()

    def _tell(self, event: object) -> None:
        match event:
            case TrainStarted():
                self._begin(event.step)
            case StepDone():
                if event.step <= self._step:  # back to an earlier checkpoint
                    self._begin(event.step - 1)
                self._step = event.step
                self._scalars(event.step, _of_step(event))
            case Validated():
                self._scalars(event.step, _of_validation(event))
            case FilmFrame() if self._wants_film:
                self._pictures(event)

    def _begin(self, step: int) -> None:
        """Open a file; what earlier ones hold beyond ``step`` will come again and is not to be shown twice."""
        self.close()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own imports are deprecated here and there
            from torch.utils.tensorboard import SummaryWriter
        has_older = self.folder.is_dir() and any(self.folder.glob("events.out.tfevents.*"))
        self._writer = SummaryWriter(
            str(self.folder), purge_step=step + 1 if has_older else None, flush_secs=_FLUSH_S
        )
        self._step = step
        self._has_originals = has_older

    def _scalars(self, step: int, values: dict[str, float]) -> None:
        if self._writer is None:
            self._begin(step - 1)
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def _pictures(self, event: FilmFrame) -> None:
        """The crops of this step; input and truth once."""
        if self._writer is None:
            self._begin(event.step - 1)
        folder = Path(event.folder)
        if not self._has_originals:
            self._has_originals = True
            for kind in ("input", "truth"):
                self._add(folder.glob(f"{kind}-*.webp"), kind, 0)
        self._add(folder.glob(f"step-{event.step:08d}-*.webp"), "restored", event.step)

    def _add(self, files: Any, kind: str, step: int) -> None:
        for file in sorted(files):
            try:
                pixels = image_io.read(file).pixels
            except (ImageError, OSError):  # a picture less is no reason to give up the curves
                continue
            self._writer.add_image(
                f"film-{file.stem.rsplit('-', 1)[-1]}/{kind}", pixels, step, dataformats="HWC"
            )


def _of_step(event: StepDone) -> dict[str, float]:
    values = {f"{_group(name)}/{name}": value for name, value in event.terms.items()}
    values |= {
        "loss/total": event.loss,
        "training/learning_rate": event.lr,
        "training/gradient_norm": event.grad_norm,
        "speed/images_per_s": event.images_per_s,
        "speed/data_wait": event.data_wait,
        "machine/process_mb": event.process_mb,
    }
    if event.device_mb is not None:
        values["machine/device_mb"] = event.device_mb
    return values


def _of_validation(event: Validated) -> dict[str, float]:
    values = {
        "validation/psnr_db": event.psnr_db,
        "validation/ssim": event.ssim,
        "validation/input_psnr_db": event.input_psnr_db,
    }
    if event.psnr_guided_db is not None:
        values["validation/psnr_guided_db"] = event.psnr_guided_db
    values |= {f"memory/{name.removeprefix('memory_')}": float(value) for name, value in event.memory.items()}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _group(name: str) -> str:
    """Terms are summed into the loss; distances are only looked at."""
    return "contrast" if name.startswith("distance_") else "loss"
