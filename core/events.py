"""Every record that crosses from a job to whoever watches it (window, command line, tests).

Arrays are CPU numpy arrays the receiver may keep; no live tensor ever crosses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core import tasks

if TYPE_CHECKING:
    import numpy as np

Task = str  # a name of core.tasks


# --- restoration ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RestoreStarted:
    """The model is loaded, the first tile is about to run."""

    width: int
    height: int
    tile_count: int
    tile_px: int  # owned edge; the halo comes on top
    halo_px: int
    device: str  # "cpu", "cuda:0", "mps"
    precision: str  # "fp32" | "bf16"


@dataclass(frozen=True, slots=True)
class TileDone:
    """One owned tile is restored. ``pixels`` is (height, width, 3) in the picture's stored depth."""

    index: int  # 1-based: "tile 8 of 20"
    count: int
    x: int
    y: int
    width: int
    height: int
    pixels: np.ndarray
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class LookProgress:
    """``index`` of ``count`` tiles of a photo have been looked at as the memory does."""

    index: int  # 1-based
    count: int


@dataclass(frozen=True, slots=True)
class PassTile:
    """A tile of a reduced copy is restored; the photo itself has nothing new to show yet."""

    index: int  # 1-based
    count: int
    scale: str  # of the copy, "1/8"
    seconds_left: float | None  # of this pass


@dataclass(frozen=True, slots=True)
class Looked:
    """It is known what there is in the photo, before it is restored at ``scale``."""

    found: str | None  # "nothing" "little" "much"; None: the model has no thresholds
    scale: str
    why: str  # one sentence


@dataclass(frozen=True, slots=True)
class LadderStep:
    """The device ran out of memory and the job went on with less."""

    reason: str
    device: str
    tile_px: int


# --- training ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrainStarted:
    """The data is read and the first step is about to run; ``step`` > 0 when a run is continued."""

    step: int
    steps: int
    parameters: int
    photos: int
    device: str
    precision: str
    resumed_from: str | None


@dataclass(frozen=True, slots=True)
class StepDone:
    """Means over the steps since the last event. ``terms`` maps a loss term to its weighted value."""

    step: int
    loss: float
    terms: dict[str, float]
    lr: float
    grad_norm: float
    images_per_s: float
    data_wait: float  # share of the step spent waiting for data, 0..1
    seconds_left: float
    process_mb: float = 0.0  # resident memory of this process
    device_mb: float | None = None  # memory held on the device; None on the processor


def deciding_db(psnr_db: float, psnr_guided_db: float | None) -> float:
    """What the best weights of a run are chosen by, and what its score is everywhere: as often as not there is a mask."""
    return psnr_db if psnr_guided_db is None else 0.5 * (psnr_db + psnr_guided_db)


@dataclass(frozen=True, slots=True)
class Validated:
    """Scores of the averaged weights on the validation photos; at step 0 those of the model a run starts from."""

    step: int
    psnr_db: float
    ssim: float
    input_psnr_db: float
    protocol: str
    is_best: bool
    seconds: float
    psnr_guided_db: float | None = None  # with the masks of the damage given; None for a task without masks
    memory: Mapping[str, float] = field(
        default_factory=dict
    )  # "memory_entropy", "memory_dead", ... as in the curve
    groups: Mapping[str, float] = field(default_factory=dict)  # PSNR in dB by source of a mixture

    @property
    def deciding_db(self) -> float:
        return deciding_db(self.psnr_db, self.psnr_guided_db)


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    step: int
    path: str
    is_best: bool


@dataclass(frozen=True, slots=True)
class FilmFrame:
    """The fixed validation crops, restored by the weights of ``step``, are in the run's ``film`` folder."""

    step: int
    folder: str


@dataclass(frozen=True, slots=True)
class ContrastSample:
    """A picture the contrastive term looked at.

    ``step`` and ``cell`` are None and the picture is empty, (0, 0, 3), for a sample that the run brought with it when
    it was continued: its embedding is kept, its picture is not.
    """

    kind: str  # "anchor" "truth" "positive" "input" "degraded" "wrong"
    picture: np.ndarray  # (h, w, 3) uint8
    similarity: float  # cosine to the anchor, -1..1; 1 for the anchor
    step: int | None = None  # at which it looked like this
    cell: tuple[int, int, int] | None = None  # x, y and edge in px of the compared place within the picture


@dataclass(frozen=True, slots=True)
class ContrastDrawn:
    """What the contrastive term of ``step`` compared: one tuple of samples an anchor, the anchor first."""

    step: int
    groups: tuple[tuple[ContrastSample, ...], ...]
    task: Task = tasks.DEFAULT
    weights: tuple[float, ...] = ()
    """How much each anchor counts in the term, by the damage there, in means over all places."""


@dataclass(frozen=True, slots=True)
class TrainWaiting:
    """The run cannot go on now (a full disk) and tries again by itself. ``reason`` is None when it goes on."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the person should know and the job dealt with by itself."""

    text: str


# --- evaluation and batches ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ItemStarted:
    index: int  # 1-based
    count: int
    name: str


@dataclass(frozen=True, slots=True)
class ItemDone:
    """One file of a batch is finished: ``error`` is None when it went well."""

    index: int
    count: int
    name: str
    error: Exception | None
    seconds_left: float | None
