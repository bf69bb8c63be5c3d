"""What is asked of a restoration and what came of it: one record for each, passed on whole by everybody.

A new setting is a field of :class:`Choice`, what it asks of the network a line of :meth:`Choice.request`, what an
output says of it a line of :meth:`RestoreRequest.record` and a field of :class:`Made`, and how the command line is told
a line of :func:`command_words`: all of it here. Importing this module imports neither torch nor numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import tasks
from core.model import catalog, memory_edit
from core.model.memory_edit import LEAST_THOROUGH, MemoryEdit
from core.restoring import scales
from core.restoring.verdict import NO_VERDICT, Verdict

if TYPE_CHECKING:
    import numpy as np

    from core.restoring.smear import Smear
    from core.restoring.tiling import Region

SMALLEST_TILE_PX = 64
NAMING = "{name}.{done}"
"""How results are named: after the photo, with what was done."""


class RestoreError(ValueError):
    """The request cannot be carried out; the message says why."""

    problem_key = "request"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is chosen for every photo of a run: plain values, which can be compared, kept and written down."""

    task: str = tasks.DEFAULT
    model: str = (
        ""  # a catalogue name or a path; "" is the task's own for the core, none at all for the window
    )
    device: str = "auto"
    precision: str = "auto"
    tile_px: int | None = None
    thoroughness: float = LEAST_THOROUGH  # see core.model.memory_edit.thorough
    scale: str = scales.AUTO
    undo: bool = True  # whether a smear that is seen is undone first, by models that learned from such photos

    @property
    def as_looked(self) -> Choice:
        """What of it decides what is seen in a photo beforehand (:func:`core.restoring.restore.preview`)."""
        return replace(self, tile_px=None, thoroughness=LEAST_THOROUGH)

    @property
    def model_path(self) -> Path:
        """Raises CatalogError."""
        return catalog.resolve(self.model) if self.model else catalog.default_model(self.task)

    def request(
        self, edit: MemoryEdit | None = None, model: Path | None = None, **of_the_photo: Any
    ) -> RestoreRequest:
        """The request for one photo: with what is known of it, by the names of :class:`RestoreRequest`.

        ``model`` is for those who have found the model already. Raises CatalogError, MemoryEditError and RestoreError.
        """
        return RestoreRequest(
            task=self.task,
            model=model or self.model_path,
            device=self.device,
            precision=self.precision,
            tile_px=self.tile_px,
            memory_edit=memory_edit.thorough(self.thoroughness, edit),
            scale=self.scale,
            undo=self.undo,
            **of_the_photo,
        )


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What to do with a picture.

    Args:
        task: a key of :data:`core.tasks.TASKS`.
        model: folder or file of the model; None is the task's own.
        device: ``"auto"``, ``"cpu"``, ``"cuda:N"`` or ``"mps"``.
        precision: ``"auto"``, ``"fp32"`` or ``"bf16"``.
        tile_px: owned edge of a tile, at least 64; None chooses by free memory.
        focus: x, y, width, height in pixels, restored first.
        mute_memory: leave out what the network's memory adds.
        memory_edit: read other contents of the memory than those held; not together with ``mute_memory``.
        mask: (H, W) uint8 of the picture's size, where the damage is (255) and is not (0); None is unknown. For
            models trained with masks only.
        guess: where there is no mask, guess one first (:mod:`core.restoring.shadow_guess`); a picture in which no
            cast shadow is found comes back as it is. For shadows, and models trained with masks.
        only: (H, W) uint8 of the picture's size: what is restored at all (255), to the bit what is not (0), and how
            much between them.
        guess_only: where ``only`` is not given, guess that: the places where the model's own memory sees damage
            (:mod:`core.restoring.damage_guess`), for shadows the guessed shadow. A picture without such a place comes back as it is.
        smear: of a picture that is a copy of a photo, what that tells of its smear; None: the picture itself is asked.
        actual: (R, D) float32, what the slots are to hold of a photo instead of this one's own content: of another
            photo of the same place, from :attr:`core.restoring.memory.record.MemoryLook.actual`.
        taught: (H, W) uint8 of the picture's size, what a person says is damage (255) and is not (0), 128 where nothing is
            said: see :mod:`core.data.taught`. Not together with ``mute_memory``.
        scale: at which the damage is looked for: ``"auto"``, ``"1"`` (the photo itself), ``"1/2"``, ``"1/4"``, ...
        undo: whether a smear that is seen is undone before the network restores the photo (:mod:`core.restoring.smear`), by models that
            learned from such photos; the others never do.

    Raises:
        RestoreError: a tile too small, a memory both muted and edited or filled, a mask or a scale that is none.
    """

    task: str = tasks.DEFAULT
    model: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    tile_px: int | None = None
    focus: Region | None = None
    mute_memory: bool = False
    memory_edit: MemoryEdit | None = None
    mask: np.ndarray | None = field(default=None, compare=False, repr=False)  # arrays do not compare as one
    actual: np.ndarray | None = field(default=None, compare=False, repr=False)
    scale: str = scales.AUTO
    guess: bool = False
    only: np.ndarray | None = field(default=None, compare=False, repr=False)
    taught: np.ndarray | None = field(default=None, compare=False, repr=False)
    undo: bool = True
    guess_only: bool = False
    smear: Smear | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.tile_px is not None and self.tile_px < SMALLEST_TILE_PX:
            raise RestoreError(f"tile {self.tile_px} px: need at least {SMALLEST_TILE_PX}")
        if self.mute_memory and self.memory_edit is not None:
            raise RestoreError("a muted memory cannot be edited: ask for one of both")
        if self.mute_memory and self.actual is not None:
            raise RestoreError("a muted memory holds no photo: ask for one of both")
        if self.mute_memory and self.taught is not None:
            raise RestoreError("a muted memory cannot be taught: ask for one of both")
        for mask in (self.mask, self.only, self.taught):
            if mask is not None and (mask.ndim != 2 or mask.dtype != "uint8"):
                raise RestoreError(f"mask of {mask.shape} {mask.dtype}: need (height, width) uint8")
        if self.guess and not tasks.of(self.task).can_guess:
            raise RestoreError(f"a mask can be guessed for shadows, not for {self.task}")
        try:
            scales.check(self.scale)
        except scales.ScaleError as error:
            raise RestoreError(str(error)) from error

    def record(self) -> dict[str, str]:
        """What every output records of what was asked; fields of :class:`Made`."""
        from core.data import guidance

        memory = memory_edit.note(self.memory_edit, self.mute_memory)
        return {
            "memory": memory if self.actual is None else f"{memory}, holding another photo",
            "mask": guidance.GUESSED if self.guess and self.mask is None else guidance.note(self.mask),
            "only": guidance.GUESSED if self.guess_only and self.only is None else guidance.note(self.only),
            "taught": guidance.note(self.taught),
            "scale": self.scale,
        }


@dataclass(frozen=True, slots=True)
class Made:
    """How a restored photo came about: plain values, enough to describe it and to make it again."""

    task: str
    model_name: str
    model_sha256: str
    device: str
    precision: str
    tile_px: int
    seconds: float  # without loading the model and without pauses
    megapixels_per_s: float
    notes: tuple[str, ...]  # what the person should know, such as steps down the memory ladder
    memory: str  # what was read: see core.model.memory_edit.note
    mask: str  # what told where the damage is, and what it was restricted to: see core.data.guidance.note
    only: str
    scale: str  # "auto" or the scale that was asked for
    taught: str = "none"  # what a person said of the damage: see core.data.guidance.note
    verdict: Verdict = NO_VERDICT  # what was found, at which scale, and how much of it is gone

    def record(self) -> dict[str, str]:
        """What every output records of it, beside who made it and how strongly it was blended."""
        record = {"memory": self.memory, "mask": self.mask, "only": self.only, "taught": self.taught}
        record |= {"scale": self.scale, "scale_used": self.verdict.scale}
        if self.verdict.found is not None:
            record["found"] = self.verdict.found
        if self.verdict.gone is not None:
            record["gone"] = f"{self.verdict.gone:.2f}"
        if self.verdict.smear_px is not None and self.verdict.smear_deg is not None:
            record["smear"] = f"{self.verdict.smear_px:.0f} px, {self.verdict.smear_deg:.0f} degrees"
            record["smear"] += ", undone" if self.verdict.undone else ""
        return record

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Made:
        """The reverse of :func:`dataclasses.asdict`, after JSON; what another version recorded beside it is passed over.

        Raises KeyError and TypeError.
        """
        known = {each.name: data[each.name] for each in fields(Made) if each.name in data}
        return Made(**{**known, "notes": tuple(data["notes"]), "verdict": Verdict(**data["verdict"])})


@dataclass(frozen=True, slots=True)
class Restored(Made):
    """The restored picture at full strength and how it came about."""

    pixels: np.ndarray = field(kw_only=True)  # (H, W, 3), the picture's depth
    guide: np.ndarray | None = field(default=None, kw_only=True, compare=False, repr=False)
    """(H, W) uint8, the mask that was used"""
    limit: np.ndarray | None = field(default=None, kw_only=True, compare=False, repr=False)
    """(H, W) uint8, where anything could change; None: everywhere"""

    @property
    def made(self) -> Made:
        return Made(**{each.name: getattr(self, each.name) for each in fields(Made)})

    @staticmethod
    def of(made: Made, pixels: np.ndarray) -> Restored:
        return Restored(**{each.name: getattr(made, each.name) for each in fields(Made)}, pixels=pixels)


def check_naming(naming: str) -> None:
    """Raises ValueError for what is no way to name results: "{name}" in it once, "{done}" if wanted, and no folder."""
    rest = naming.replace("{done}", "").replace("{name}", "", 1)
    if "{name}" not in naming or any(sign in rest for sign in '{}/\\:*?"<>|\0\n') or len(naming) > 100:
        raise ValueError(
            f'naming {naming!r}: need "{{name}}" once, "{{done}}" if wanted, and signs that file names may have'
        )


def command_words(choice: Choice, made: Made) -> list[str]:
    """The options of ``memorynet restore`` that do again what was done, whatever "auto" would choose by then."""
    if tasks.AND in made.task:  # no option names several: the photo says it again
        return ["--task", tasks.AUTO, "--device", made.device, "--precision", made.precision]
    words = ["--task", made.task, "--model", choice.model]
    words += ["--device", made.device, "--precision", made.precision, "--scale", choice.scale]
    if made.verdict.scale == scales.WHOLE:  # of copies each has a tile of its own
        words += ["--tile", str(made.tile_px)]
    if not choice.undo:
        words.append("--keep-smear")
    if choice.thoroughness != LEAST_THOROUGH:
        words += ["--thoroughness", f"{choice.thoroughness:.2f}"]
    return words
