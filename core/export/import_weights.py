"""Plain weights of our network, without a word about where they come from, into a model folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core import foreign_text, tasks
from core.export.folder import check_free, publish
from core.model import catalog, checkpoint
from core.model.checkpoint import CheckpointError
from core.model.config import MEMORIES, NetworkConfig
from core.model.network import MemoryNet, with_memory

_PREFIXES = ("average.", "network.", "module.", "model.", "_orig_mod.")
"""What wrappers and checkpoints put before a name. A run's checkpoint holds averaged weights beside the others:
they are what restores best, so they come first."""


class ImportFailed(Exception):
    """The file does not hold the weights of a network of ours; the message says what is amiss."""

    problem_key = "import"


def import_state_dict(
    file: Path,
    target: Path,
    *,
    name: str = "",
    task: str = "",
    config: NetworkConfig | None = None,
) -> Path:
    """Write the model folder ``target`` from a file of named tensors.

    Args:
        file: ``.safetensors``, or ``.pth``, ``.pt``, ``.ckpt``, of which nothing is run. Names may carry a
            wrapper's prefix (``module.``), and a checkpoint of a training run gives its averaged weights.
        target: must not exist, or be an empty folder.
        name: of the model; by default what the file says, else the folder's.
        task: one of the catalog's; may be left out where the file says it.
        config: the network's shape; by default what the file says, else guessed from the tensors.

    Raises:
        ImportFailed: no or other weights, an unknown task, or shapes that fit several networks.
        CheckpointError: the file is damaged or holds more than tensors.
        ExportError: ``target`` is taken.
        OSError: nothing is left behind.
    """
    check_free(target)
    if not file.is_file():
        raise ImportFailed(f"{file}: no such file")
    tensors, header = checkpoint.read_weights(file)
    header = header if isinstance(header, dict) else {}
    weights = _plain_names(tensors)
    task = task or str(header.get("task") or "")
    if not tasks.is_name(task):
        unknown = f"task {task!r} is unknown" if task else "it does not say its task"
        raise ImportFailed(
            f"{file.name}: {unknown}; name one of {', '.join(catalog.TASKS)}, or one of your own in small letters"
        )
    if config is None and "network" in header:
        config = _config(file.name, header["network"])
    try:
        network = checkpoint.build(file.name, config or guess_config(file.name, weights), weights)
    except CheckpointError as error:
        raise ImportFailed(str(error)) from error
    provenance = dict(header.get("provenance") or {}) | {
        "imported_from": file.name,
        "imported_sha256": checkpoint.file_sha256(file),
    }
    with publish(target) as folder:
        checkpoint.save(
            folder, network, name=name or str(header.get("name") or "") or target.name, task=task, provenance=provenance
        )  # fmt: skip
    return target


def read_config(file: Path) -> NetworkConfig:
    """The network's shape from a model's ``config.json``, or from a file of its part ``network`` alone.

    Raises :class:`ImportFailed`, OSError.
    """
    try:
        found = foreign_text.read_json(file)
    except ValueError as error:
        raise ImportFailed(f"{file.name}: not valid JSON: {error}") from error
    return _config(file.name, found.get("network", found))


def guess_config(name: str, weights: Mapping[str, Tensor]) -> NetworkConfig:
    """The configuration whose network has tensors of just these names and shapes.

    Raises:
        ImportFailed: there is none, or more than one; ``name`` is who is to blame.
    """
    first = weights.get("first.weight")
    if first is None or first.ndim != 4:
        some = ", ".join(sorted(weights)[:3]) or "nothing"
        raise ImportFailed(f"{name}: no weights of a MemoryNet: first.weight is missing; there are {some}")
    width = first.shape[0]
    quarter, spare = _count(weights, "middle"), 0
    last = weights.get(f"middle.{quarter - 1}.conv1.weight")
    if last is not None and last.shape[0] != 4 * width:  # only the spare block is wider or narrower within
        quarter, spare = quarter - 1, last.shape[0]
    found = []
    try:
        base = NetworkConfig(
            width=width, blocks=(_count(weights, "finish"), _count(weights, "encoder"), quarter),
            **_memory_sizes(weights),
        )  # fmt: skip
        shapes = {key: tensor.shape for key, tensor in weights.items()}
        for kind in MEMORIES:
            config = replace(with_memory(base, kind), spare=spare)
            with torch.device("meta"):
                state = MemoryNet(config).state_dict()
            if {key: tensor.shape for key, tensor in state.items()} == shapes:
                found.append((kind, config))
    except (ValueError, RuntimeError) as error:
        raise ImportFailed(f"{name}: no weights of a MemoryNet: {error}") from error
    if len(found) == 1:
        return found[0][1]
    if found:
        kinds = ", ".join(kind for kind, _ in found)
        raise ImportFailed(
            f"{name}: the shapes fit networks of more than one memory ({kinds}); give the config.json"
        )
    raise ImportFailed(f"{name}: the shapes fit no MemoryNet of this version; give the config.json")


def _memory_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    parts, instance = weights.get("memory.parts"), weights.get("memory.to_instance")
    semantic = weights.get("memory.to_semantic")
    if parts is None or instance is None or semantic is None or parts.ndim != 3:
        return {}
    return {
        "memory_dim": parts.shape[2],
        "slots": (parts.shape[1], *(level.shape[1] for level in (instance, semantic) if level.ndim == 3)),
    }


def _plain_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without what a wrapper put before each name, and without what else a checkpoint holds."""
    weights = dict(tensors)
    while "first.weight" not in weights:
        prefix = next((p for p in _PREFIXES if f"{p}first.weight" in weights), None)
        prefix = prefix or next((p for p in _PREFIXES if any(key.startswith(p) for key in weights)), None)
        if prefix is None:
            break
        weights = {key[len(prefix) :]: value for key, value in weights.items() if key.startswith(prefix)}
    return weights


def _count(weights: Mapping[str, Tensor], stage: str) -> int:
    pattern = re.compile(rf"{stage}\.(\d+)\.")
    return len({found.group(1) for key in weights if (found := pattern.match(key))})


def _config(name: str, values: Any) -> NetworkConfig:
    try:
        if not isinstance(values, dict):
            raise TypeError(f"it is a {type(values).__name__}, not an object")
        return NetworkConfig.from_dict(values)
    except (TypeError, ValueError) as error:
        raise ImportFailed(f"{name}: its configuration cannot be used: {error}") from error
