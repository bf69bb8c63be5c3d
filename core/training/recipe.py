"""The training recipe: one frozen, validated definition, readable by people as TOML.

Title, help, unit and bounds of every field stand in its metadata; a form, the command line and the
validation all read them from here. Importing this module does not import torch.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePath
from typing import Any

import tomli_w

from core import foreign_text, tasks
from core.data.source import BUNDLED, DataSource
from core.model.config import MEMORIES, PRESETS
from core.tasks import TASKS
from core.training.recipe_check import (
    all_problems,
    damage_problems,
    find_problems,
    sources_of,
)
from core.training.recipe_field import spec


class RecipeError(ValueError):
    """The recipe cannot be used; the message names the field, its value and what is allowed."""

    problem_key = "recipe"


@dataclass(frozen=True, slots=True)
class TrainRecipe:
    """One training run, completely. Equal recipes on equal data give equal curves."""

    name: str = spec("derain-s", "run", "Name", "Name of the model that comes out", basic=True)
    task: str = spec(
        tasks.DEFAULT,
        "run",
        "Task",
        "What the model learns; a name of your own, such as dehaze, for a task that you have pairs for",
        choices=tuple(TASKS),
        basic=True,
        words=tuple(task.verb for task in TASKS.values()),
        own=True,
    )
    protocol: str = spec(
        "",
        "run",
        "Scored by",
        "Y, the luminance, or RGB, all three channels; empty is what the task's literature reports, RGB for a task "
        "of your own",
        choices=("", "Y", "RGB"),
        words=("As the task", "Luminance (Y)", "All channels (RGB)"),
        omit_default=True,
    )
    seed: int = spec(1, "run", "Seed", "Decides crops, degradations and first weights", low=0, high=2**31 - 1)

    kind: str = spec(
        "clean", "data", "Kind of data",
        "Clean photos degraded on the fly, pairs of degraded and clean, mixed: both, or sources: a mixture of "
        "any of them by stated shares",
        choices=("clean", "pairs", "mixed", "sources"),
        words=("Clean photos", "Pairs", "Both", "A mixture"),
    )  # fmt: skip
    train: tuple[str, ...] = spec(
        ("DATA/clean",),
        "data",
        "Training folders",
        "DATA stands for the folder given at start",
        holds="folders",
    )
    pairs: tuple[str, ...] = spec(
        (), "data", "Folders of pairs", "Trained on beside the clean photos, for kind mixed", holds="folders"
    )
    pairs_share: float = spec(
        0.5,
        "data",
        "Share of pairs",
        "Share of training photos that are pairs, for kind mixed",
        low=0.0,
        high=1.0,
    )
    validation: tuple[str, ...] = spec(
        ("DATA/clean_val",),
        "data",
        "Validation folders",
        "Never trained on; pairs unless the kind is clean",
        holds="folders",
    )
    leave_out: tuple[str, ...] = spec(
        (),
        "data",
        "Left out",
        "Photos and pairs neither trained nor validated on, by file name; with the folder before it, input/001, "
        "where names repeat",
        holds="names",
        omit_default=True,
    )
    hold_out: float = spec(
        0.0,
        "data",
        "Scenes held out",
        "Share of scenes kept for validation where a folder of pairs is in training and in validation; "
        "a scene is the name up to its last underscore",
        low=0.0,
        high=0.9,
    )
    camera_share: float = spec(
        0.0,
        "data",
        "Camera afterwards",
        "Share of photos that are reduced and compressed after they were damaged, the clean side alike",
        low=0.0,
        high=1.0,
    )
    code: str = spec(
        "",
        "data",
        "Own code",
        "Name of a Python file that makes the damage of a task of your own; it is run only where the command line "
        "names it, too",
        omit_default=True,
    )
    motion: str = spec(
        "",
        "data",
        "Recorded movement",
        "A JSON file of how a hand-held camera moved, whose pieces blur is drawn along, too; DATA as for folders",
        omit_default=True,
    )
    guidance_share: float = spec(
        0.5,
        "data",
        "Share with a mask",
        "Share of training photos whose mask of the damage is shown to the network, where there is one",
        low=0.0,
        high=1.0,
    )

    preset: str = spec(
        "S",
        "network",
        "Size",
        "Large is about twice the work; a model to start from brings its own",
        choices=(*PRESETS, "custom"),
        words=("Small", "Large", "By width"),
        basic=True,
    )
    width: int = spec(32, "network", "Width", "Channels at full resolution, for size custom", low=4, high=256)
    memory: str = spec(
        "all",
        "network",
        "Memory",
        "Parts of the memory to leave out, for comparisons; what they save is spent on convolutions",
        choices=tuple(MEMORIES),
    )
    part_slots: int = spec(
        64,
        "network",
        "Slots for parts",
        "What the memory holds of the smallest structures, for clean and for damage each; a model to start from brings "
        "its own",
        low=1,
        high=1024,
        omit_default=True,
    )
    instance_slots: int = spec(
        16,
        "network",
        "Slots for things",
        "The same of what parts make up",
        low=1,
        high=1024,
        omit_default=True,
    )
    semantic_slots: int = spec(
        8, "network", "Slots for kinds", "The same of kinds of things", low=1, high=1024, omit_default=True
    )
    start_from: str = spec(
        "",
        "network",
        "Start from",
        "Name or folder of a model to go on from",
        basic=True,
        holds="model",
    )

    steps: int = spec(
        8000,
        "training",
        "Steps",
        "Rounds of learning; more take longer and teach more",
        low=1,
        high=10_000_000,
        basic=True,
    )
    batch: int = spec(8, "training", "Batch", "Crops a step", low=1, high=4096)
    patch_px: int = spec(
        128, "training", "Patch", "Edge of a crop, a multiple of 8", "px", low=16, high=2048, multiple=8
    )
    crops_per_photo: int = spec(
        2,
        "training",
        "Crops of a photo",
        "Neighbours in a batch that show one photo and share its actual memory; the batch must be a multiple",
        low=1,
        high=64,
    )
    optimizer: str = spec(
        "muon",
        "training",
        "Optimizer",
        "muon learns faster here; adamw is the common one",
        choices=("muon", "adamw"),
    )
    lr: float = spec(
        1e-3, "training", "Learning rate", "Highest rate, reached after the warm-up", low=1e-8, high=1.0
    )
    lr_end: float = spec(1e-6, "training", "Last learning rate", "Where the cosine ends", low=0.0, high=1.0)
    warmup_steps: int = spec(
        200, "training", "Warm-up", "Steps until the highest rate", "steps", low=0, high=1_000_000
    )
    weight_decay: float = spec(1e-4, "training", "Weight decay", "AdamW's decoupled decay", low=0.0, high=1.0)
    clip_norm: float = spec(
        0.5, "training", "Gradient clip", "Largest norm of a step's gradient", low=1e-4, high=1e4
    )
    ema: float = spec(
        0.999,
        "training",
        "Averaging",
        "Decay of the averaged weights, which are what is kept",
        low=0.0,
        high=0.99999,
    )
    precision: str = spec(
        "auto", "training", "Precision", "Number format of the convolutions", choices=("auto", "bf16", "fp32")
    )

    pixel_loss: str = spec(
        "absolute",
        "loss",
        "Pixel loss",
        "absolute: how far the pixels are off; relative: how much of each crop's own error is left, so that "
        "crops that can hardly be restored do not drown the others; root: in between, so that crops full of edges count "
        "more than flat ones",
        choices=("absolute", "relative", "root"),
        words=("By pixel", "By crop", "In between"),
        omit_default=True,
    )
    edge_weight: float = spec(0.05, "loss", "Edge weight", "Share of the edge term", low=0.0, high=10.0)
    contrastive_weight: float = spec(
        0.001, "loss", "Contrastive weight", "Pulls towards truth, away from the input", low=0.0, high=10.0
    )
    polarity_weight: float = spec(
        0.01, "loss", "Polarity weight", "Teaches memory slots clean from degraded", low=0.0, high=10.0
    )
    balance_weight: float = spec(
        0.005, "loss", "Balance weight", "Keeps memory slots in use alike", low=0.0, high=10.0
    )
    contrastive_every: int = spec(
        4,
        "loss",
        "Contrastive every",
        "Steps from one contrastive term to the next",
        "steps",
        low=1,
        high=1000,
    )

    smooth_weight: float = spec(
        0.0,
        "loss",
        "Smooth addressing",
        "Lets neighbouring places look up the same slots",
        low=0.0,
        high=10.0,
        omit_default=True,
    )
    spread_weight: float = spec(
        0.0,
        "loss",
        "Spread of embeddings",
        "Keeps embeddings of unlike places apart, so that similarity says something",
        low=0.0,
        high=10.0,
        omit_default=True,
    )
    actual_dropped: float = spec(
        0.0,
        "loss",
        "Photo's content dropped",
        "Share of samples, and of slots in the others, that do without the photo's own content: what the slots "
        "learned has to carry then",
        low=0.0,
        high=1.0,
        omit_default=True,
    )

    validate_every: int = spec(
        500,
        "keeping",
        "Validate every",
        "Steps from one validation to the next",
        "steps",
        low=1,
        high=1_000_000,
    )
    validate_seed: int = spec(
        1000,
        "keeping",
        "Validation seed",
        "Decides the degradation of validation photos",
        low=0,
        high=2**31 - 1,
    )
    validate_crop_px: int = spec(
        384,
        "keeping",
        "Validation crop",
        "Centre crop of validation photos, a multiple of 8",
        "px",
        low=16,
        high=8192,
        multiple=8,
    )
    checkpoint_minutes: float = spec(
        5.0, "keeping", "Checkpoint every", "Longest time without a checkpoint", "min", low=0.0, high=1440.0
    )
    log_every: int = spec(
        10, "keeping", "Report every", "Steps from one report to the next", "steps", low=1, high=10_000
    )

    degradation: Mapping[str, Any] = field(
        default_factory=dict, metadata={"section": "degradation", "title": "Degradation"}
    )
    sources: tuple[DataSource, ...] = field(
        default=(),
        metadata={"section": "source", "title": "Sources", "help": "What is mixed, for kind sources"},
    )

    def __post_init__(self) -> None:
        found = _problems({item.name: getattr(self, item.name) for item in fields(self)})
        if found:
            raise RecipeError("; ".join(found))

    @staticmethod
    def from_dict(values: Mapping[str, Any], damage: bool = False) -> TrainRecipe:
        """From sections as in the TOML file.

        ``damage``: parameters of the damage are checked, too, as training does before its first step; imports cv2.
        Raises :class:`RecipeError`, which names everything that is wrong: who mends one should not meet the next.
        """
        known = {item.name: item for item in fields(TrainRecipe)}
        flat: dict[str, Any] = {}
        found: list[str] = []
        sources: dict[int, DataSource] = {}
        lost: list[str] = []  # what is wrong with the other sources; those that are left say little
        for section, content in values.items():
            if section == "source":
                sources, lost = sources_of(content)
                flat["sources"] = tuple(sources.values())
            elif not isinstance(content, Mapping):
                found.append(f"{section}: stands outside a section; sections are {_sections()}")
            elif section == "degradation":
                flat["degradation"] = dict(content)
            else:
                here = {key for key in content if key in known and known[key].metadata["section"] == section}
                if unknown := [key for key in content if key not in here]:
                    found.append(
                        f"[{section}] {', '.join(unknown)}: unknown; known here are {_keys(section)}"
                    )
                flat |= {
                    key: tuple(content[key]) if isinstance(content[key], list) else content[key]
                    for key in content
                    if key in here
                }
        found += lost + _problems({**_defaults(), **flat}, but_for="sources" if lost else "")
        if damage:
            found += damage_problems({**_defaults(), **flat}, sources)
        if found:
            raise RecipeError("; ".join(found))
        return TrainRecipe(**flat)

    @staticmethod
    def from_toml(path: Path, damage: bool = False) -> TrainRecipe:
        """As :meth:`from_dict`. Raises RecipeError, which names the file; OSError."""
        try:
            values = foreign_text.read_toml(path)
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(f"{path.name}: not valid TOML: {error}") from error
        except UnicodeDecodeError as error:
            raise RecipeError(f"{path.name}: not a text file: {error}") from error
        except ValueError as error:
            raise RecipeError(f"{path.name}: cannot be read: {error}") from error
        try:
            return TrainRecipe.from_dict(values, damage)
        except RecipeError as error:
            raise RecipeError(f"{path.name}: {error}") from error

    def as_dict(self) -> dict[str, Any]:
        sections: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "degradation":
                if value:
                    sections["degradation"] = dict(value)
                continue
            if item.name == "sources":
                if value:
                    sections["source"] = [source.as_dict() for source in value]
                continue
            if item.metadata["omit_default"] and value == item.default:
                continue
            sections.setdefault(item.metadata["section"], {})[item.name] = (
                list(value) if isinstance(value, tuple) else value
            )
        return sections

    @property
    def unsmears(self) -> bool:
        """Whether it shows the network photos whose smear was undone first, which those of real pairs are not."""
        drawn: list[Mapping[str, Any]] = [self.degradation] if self.kind in ("clean", "mixed") else []
        if self.kind == "sources":
            drawn = [each.degradation or self.degradation for each in self.sources if each.kind == "drawn"]
        return any(isinstance(each.get("undone"), int | float) and each["undone"] > 0 for each in drawn)

    def without_places(self) -> dict[str, Any]:
        """As :meth:`as_dict`, for those who get the model: folders of this machine by their last name only."""
        found = self.as_dict()
        data, network = found["data"], found["network"]
        for key in ("train", "pairs", "validation", "leave_out"):
            if key in data:
                data[key] = [_last_name(folder) for folder in data[key]]
        network["start_from"] = _last_name(network["start_from"])
        if "motion" in data:
            data["motion"] = _last_name(data["motion"])
        for source in found.get("source", ()):
            if "folders" in source:
                source["folders"] = [_last_name(folder) for folder in source["folders"]]
            if "layers" in source:
                source["layers"] = _last_name(source["layers"])
        return found

    @property
    def scored_by(self) -> str:
        """Key of :data:`core.images.metrics.PROTOCOLS`."""
        return self.protocol or tasks.of(self.task).protocol

    def all_folders(self) -> tuple[str, ...]:
        """Every folder that is named, each once."""
        of_sources = (folder for source in self.sources for folder in source.all_folders())
        return tuple(dict.fromkeys((*self.train, *self.pairs, *self.validation, *of_sources)))

    def to_toml(self) -> str:
        return tomli_w.dumps(self.as_dict())

    def sha256(self) -> str:
        return hashlib.sha256(self.to_toml().encode()).hexdigest()


def problems_of(values: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the values of a recipe to be: field name -> what is needed there ("need 1 to 100").

    Args:
        values: by field name; a field that is left out has its default. ``degradation`` is checked against the
            parameters of the task's degradation, too, which is what training would do before its first step.

    Empty means that ``TrainRecipe(**values)`` is one.
    """
    specs = {item.name: item for item in fields(TrainRecipe)}
    return all_problems(_defaults() | {name: value for name, value in values.items() if name in specs}, specs)


def _defaults() -> dict[str, Any]:
    return {item.name: {} if item.name == "degradation" else item.default for item in fields(TrainRecipe)}


def _problems(values: Mapping[str, Any], but_for: str = "") -> list[str]:
    """What is wrong with the values of all fields, each with its name and value."""
    return [
        f"{name} {list(value) if isinstance(value := values[name], tuple) else repr(value)}: {need}"
        for name, need in find_problems(values, {item.name: item for item in fields(TrainRecipe)}).items()
        if name != but_for
    ]


def _last_name(folder: str) -> str:
    if folder in BUNDLED or folder == "DATA" or folder.startswith("DATA/"):
        return folder
    return PurePath(folder).name


def _sections() -> str:
    return ", ".join(dict.fromkeys(item.metadata["section"] for item in fields(TrainRecipe)))


def _keys(section: str) -> str:
    keys = [item.name for item in fields(TrainRecipe) if item.metadata["section"] == section]
    return ", ".join(keys) if keys else f"none (sections are {_sections()})"
