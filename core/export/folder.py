"""Models to pass on: a folder for MemoryNet, or in the layout of the Hugging Face hub. Offline, no hub needed.

Nothing that is written tells of the machine: paths in what a model records are cut to their last name, and the
sample memory, which holds patches of the training photos, stays behind.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from core import atomic, foreign_text
from core.events import ItemStarted, Notice
from core.jobs import Emit, JobControl, ignore
from core.model import card as model_card
from core.model import checkpoint
from core.model.checkpoint import LoadedModel
from core.model.config import STRIDE_PX
from core.places import without_places

CARD_FILE = "card.md"
README_FILE = "README.md"
_LARGEST_HALF = float(torch.finfo(torch.float16).max)


class ExportError(Exception):
    """The model cannot be exported as asked; the message says why. Nothing was left behind."""

    problem_key = "export"


def export_model(model: Path, target: Path, emit: Emit, control: JobControl) -> Path:
    """Write ``model`` into the new folder ``target``: weights in half precision, configuration and card.

    Args:
        model: a model's folder or file.
        target: must not exist, or be an empty folder.

    Raises:
        ExportError: ``target`` is taken, or the weights do not fit half precision.
        CheckpointError: ``model`` cannot be loaded.
        Cancelled, OSError: nothing is left behind.
    """
    with publish(target) as folder:
        emit(ItemStarted(1, 2, "reading the model"))
        loaded = checkpoint.load(model)
        control.checkpoint()
        emit(ItemStarted(2, 2, "writing the folder"))
        state = loaded.network.state_dict()
        for key, tensor in state.items():
            most = float(tensor.abs().max()) if tensor.numel() else 0.0
            if most > _LARGEST_HALF:
                raise ExportError(
                    f"{loaded.name}: {key} reaches {most:g}, half precision ends at {_LARGEST_HALF:g}; "
                    "the huggingface layout keeps single precision"
                )
        checkpoint.save(
            folder, loaded.network, name=loaded.name, task=loaded.task,
            provenance=without_places(dict(loaded.provenance)), dtype=torch.float16,
        )  # fmt: skip
        atomic.write_text(folder / CARD_FILE, _card(loaded, "float16"))
        if (_own_folder(model) / "samples.safetensors").is_file():
            emit(Notice("The sample memory was left out: it holds patches of the training photos."))
        control.checkpoint()
    return target


def save_pretrained(
    model: LoadedModel | Path, target: Path, emit: Emit = ignore, control: JobControl | None = None
) -> Path:
    """Write a model as ``config.json``, ``model.safetensors`` and ``README.md`` into the new folder ``target``.

    The weights keep every bit: half precision is used only where it holds them exactly.

    Raises:
        ExportError: ``target`` exists and is no empty folder.
        CheckpointError: ``model`` cannot be loaded.
        Cancelled, OSError: nothing is left behind.
    """
    control = control or JobControl()
    with publish(target) as folder:
        emit(ItemStarted(1, 2, "reading the model"))
        loaded = checkpoint.load(model) if isinstance(model, Path) else model
        control.checkpoint()
        emit(ItemStarted(2, 2, "writing the folder"))
        state = loaded.network.state_dict()
        dtype = torch.float16 if all(map(_is_half, state.values())) else torch.float32
        stored = str(dtype).removeprefix("torch.")
        config = {
            "architectures": ["MemoryNet"],
            "model_type": "memorynet",
            "library_name": "memorynet",
            "torch_dtype": stored,
            "format": checkpoint.FORMAT,
            "format_version": checkpoint.FORMAT_VERSION,
            "name": loaded.name,
            "task": loaded.task,
            "parameters": loaded.parameters,
            "network": loaded.network.config.as_dict(),
            "provenance": without_places(dict(loaded.provenance)),
        }
        tensors = {key: tensor.to(dtype) for key, tensor in state.items()}
        # "format" is what other readers of such folders ask for; the configuration stands in its own file alone
        checkpoint.save_tensors(folder / checkpoint.WEIGHTS_FILE, tensors, {"format": "pt"})
        text = json.dumps(config, indent=2, ensure_ascii=False)
        atomic.write_text(folder / checkpoint.CONFIG_FILE, text + "\n")
        readme = model_card.front_matter(loaded.task) + _card(loaded, stored)
        atomic.write_text(folder / README_FILE, readme)
        control.checkpoint()
    return target


def from_pretrained(folder: str | os.PathLike[str], device: str = "cpu") -> LoadedModel:
    """A model from a local folder that :func:`save_pretrained` wrote. Nothing is fetched.

    Raises:
        CheckpointError: the folder is absent, damaged, or holds another kind of model.
    """
    folder = Path(folder)
    for name in (checkpoint.CONFIG_FILE, checkpoint.WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise checkpoint.CheckpointError(f"{folder}: no model here (expected {name}); nothing is fetched")
    return checkpoint.load(folder, device)


def card_facts(model: LoadedModel, stored: str) -> model_card.CardFacts:
    config = model.network.config
    return model_card.CardFacts(
        name=model.name,
        task=model.task,
        parameters=model.parameters,
        stored=stored,
        halo_px=config.halo_px,
        stride_px=STRIDE_PX,
        network=config.as_dict(),
        provenance=model.provenance,
    )


def _card(model: LoadedModel, stored: str) -> str:
    """The model's own card where somebody wrote one, else one from what the model records."""
    own = _own_folder(model.path) / CARD_FILE
    try:
        text = foreign_text.read_text(own)
    except (OSError, ValueError):
        text = ""
    return str(without_places(text)) if text.strip() else model_card.text(card_facts(model, stored))


def _own_folder(model: Path) -> Path:
    return model if model.is_dir() else model.parent


def _is_half(tensor: Tensor) -> bool:
    return bool((tensor.half().float() == tensor.float()).all())


@contextmanager
def publish(target: Path) -> Iterator[Path]:
    """A folder to write to, which becomes ``target`` as a whole when all went well and is gone when not."""
    check_free(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        folder.mkdir()
        yield folder
        if target.exists():
            target.rmdir()  # only an empty one goes, whatever has happened meanwhile
        folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_free(target: Path) -> None:
    """Raises :class:`ExportError` unless ``target`` is absent or an empty folder."""
    if not os.path.lexists(target):
        return
    if not target.is_dir() or any(target.iterdir()):
        raise ExportError(f"{target}: exists already; choose another place")
