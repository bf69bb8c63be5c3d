"""Models on disk: weights as safetensors, everything about them as JSON. Nothing executes on load.

A model is a folder ``NAME/`` with ``model.safetensors``, ``config.json`` and usually ``card.md``. The
safetensors file repeats the configuration in its header, so that the file alone is enough.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from core import __version__, atomic, foreign_text
from core.model.config import NetworkConfig
from core.model.network import MemoryNet

FORMAT = "memorynet"
FORMAT_VERSION = 1
WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
MEASURED_SINCE = "verdict"
"""The key in the provenance that :mod:`core.restoring.calibration` writes, without touching the weights."""
UNSMEARS = "unsmears"
"""The key in the provenance that is true for a model trained on photos whose smear was undone first as it can be told (``undone``
of :class:`core.data.degrade.blur.BlurParams`), which is therefore shown photos like that."""
CHECKSUM = "memorynet-sha256"
"""Key of a safetensors header: the sum of its tensors and of the rest of the header."""


class CheckpointError(Exception):
    """The file is not a usable MemoryNet model; the message says what was expected and what was found."""

    problem_key = "model"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network ready to run, and where it came from."""

    network: MemoryNet
    name: str
    task: str
    sha256: str  # of the weights file
    parameters: int
    provenance: Mapping[str, Any]
    path: Path

    @property
    def unsmears(self) -> bool:
        """Whether it is shown photos with a straight smear undone, see :data:`UNSMEARS`."""
        return self.provenance.get(UNSMEARS) is True


def save_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
    """Atomic safetensors file with a checksum in its header. Raises OSError when the disk does."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {**header, CHECKSUM: _checksum(plain, header)}
    data = safetensors.torch.save(plain, metadata=metadata)
    atomic.write_bytes(path, _in_order(data))


def _in_order(data: bytes) -> bytes:
    """The file with its metadata sorted: the library's order changes from call to call, and with it the file's sum."""
    end = 8 + int.from_bytes(data[:8], "little")
    head = json.loads(data[8:end])
    head["__metadata__"] = dict(sorted(head["__metadata__"].items()))
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, memoryview(data)[end:]))


def _checksum(tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> str:
    """SHA-256 of what the file says, whatever the order it is written in."""
    machine = hashlib.sha256(json.dumps(dict(header), sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        machine.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        machine.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return machine.hexdigest()


def save(
    folder: Path,
    network: MemoryNet,
    *,
    name: str,
    task: str,
    provenance: Mapping[str, Any],
    dtype: torch.dtype = torch.float32,
    state: Mapping[str, Tensor] | None = None,
) -> Path:
    """Write a model folder, each file atomically, and return it.

    Args:
        dtype: what the weights are stored as; bfloat16 and float16 halve the file.
        state: weights to store instead of the network's own (averaged ones).
    """
    config = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": name,
        "task": task,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "network": network.config.as_dict(),
        "provenance": {"memorynet": __version__, "torch": torch.__version__, **provenance},
    }
    weights = state if state is not None else network.state_dict()
    stored = {key: tensor.to(dtype) for key, tensor in weights.items()}
    text = json.dumps(config, indent=2, ensure_ascii=False)
    save_tensors(folder / WEIGHTS_FILE, stored, {"memorynet": json.dumps(config)})
    atomic.write_text(folder / CONFIG_FILE, text + "\n")
    return folder


def load(path: Path, device: str = "cpu") -> LoadedModel:
    """A model from its folder, its ``.safetensors`` file, or a ``.pth``/``.pt``/``.ckpt`` of plain tensors.

    Raises:
        CheckpointError: missing, damaged, or not a MemoryNet model; the reason is in the message.
    """
    file = path / WEIGHTS_FILE if path.is_dir() else path
    if not file.is_file():
        raise CheckpointError(f"{path}: no model here (expected {file.name})")
    weights, config = read_weights(file)
    if config is None:
        config = _read_config(file.with_name(CONFIG_FILE))
    if not isinstance(config, dict):
        kind = type(config).__name__
        raise CheckpointError(
            f"{file.name}: its configuration cannot be used: it is a {kind}, not a dictionary"
        )
    try:
        shape = NetworkConfig.from_dict(config["network"])
        task = str(config["task"])
        provenance = {**(config.get("provenance") or {}), **_measured_since(file)}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{file.name}: its configuration cannot be used: {error}") from error
    network = build(file.name, shape, weights)
    return LoadedModel(
        network=network.to(device=device, memory_format=torch.channels_last),  # type: ignore[call-overload]
        name=str(config.get("name") or file.parent.name),
        task=task,
        sha256=file_sha256(file),
        parameters=sum(tensor.numel() for tensor in network.parameters()),
        provenance=provenance,
        path=path,
    )


def build(name: str, config: NetworkConfig, weights: Mapping[str, Tensor]) -> MemoryNet:
    """A network of ``config`` with copies of ``weights``, ready to restore, on the processor.

    ``name`` is who is to blame. Raises :class:`CheckpointError` when the weights are not such a network's.
    """
    try:
        with torch.device("meta"):  # shapes only: what a stranger's file asks for must not take our memory
            network = MemoryNet(config)
    except (TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{name}: its configuration cannot be used: {error}") from error
    expected = network.state_dict()
    _compare(name, expected, weights)
    plain = {key: weights[key].to(tensor.dtype, copy=True) for key, tensor in expected.items()}
    network.load_state_dict(plain, assign=True)
    return network.eval().requires_grad_(False)


def read_weights(file: Path) -> tuple[dict[str, Tensor], Any]:
    """The tensors of a ``.safetensors``, or of a ``.pth``, ``.pt`` or ``.ckpt`` (nothing in it is run), and the
    configuration as the file holds it, None where it holds none. Raises :class:`CheckpointError` when damaged."""
    pickled = file.suffix.lower() in (".pth", ".pt", ".ckpt")
    return _load_pickled(file) if pickled else _load_safetensors(file)


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_tensors(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header of a safetensors file, whose checksum must hold where it has one (others' files and those
    of older versions have none). Raises :class:`CheckpointError` when damaged."""
    try:
        with safetensors.safe_open(file, framework="pt") as opened:
            header = dict(opened.metadata() or {})
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 - not a mapping
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{file.name}: damaged or not a safetensors file: {error}") from error
    checksum = header.pop(CHECKSUM, None)
    if checksum is not None and checksum != _checksum(tensors, header):
        raise CheckpointError(f"{file.name}: damaged: its checksum does not fit what it holds")
    return tensors, header


def _load_safetensors(file: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """The weights, and the configuration where the file holds one."""
    tensors, header = read_tensors(file)
    try:
        config = foreign_text.parse_json(header.get("memorynet", "null"))
    except ValueError as error:
        raise CheckpointError(f"{file.name}: its header is not valid JSON: {error}") from error
    return tensors, config


def _load_pickled(file: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """The weights, and the configuration where the file holds one."""
    _refuse_blown_up(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle dialects; what matters raises
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{file.name}: refused, it holds more than tensors and could run code"
        ) from error
    except Exception as error:  # nonsense breaks the reader in any way it likes
        raise CheckpointError(f"{file.name}: damaged or not a PyTorch file: {error}") from error
    config = None
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        config = content.get("config")
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise CheckpointError(
            f"{file.name}: expected a dictionary of named tensors, found {type(content).__name__}"
        )
    # a tensor with a stride of 0, or many that share a storage, claim far more than the file holds
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in content.values())
    if claimed > file.stat().st_size:
        raise CheckpointError(
            f"{file.name}: its tensors claim {claimed:,} bytes, the file has {file.stat().st_size:,}"
        )
    return content, config


def _measured_since(weights: Path) -> dict[str, Any]:
    """What was measured of a model after its weights were written stands in its ``config.json`` alone."""
    try:
        config = foreign_text.read_json(weights.with_name(CONFIG_FILE))
        return {MEASURED_SINCE: config["provenance"][MEASURED_SINCE]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _refuse_blown_up(file: Path) -> None:
    """PyTorch packs without compression; what unpacks to more than the file is no model of its making."""
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # the older format, or nonsense: the reader says what is wrong
    if unpacked > file.stat().st_size:
        raise CheckpointError(f"{file.name}: unpacks to {unpacked:,} bytes; PyTorch's own files do not grow")


def _read_config(path: Path) -> dict[str, Any]:
    try:
        return foreign_text.read_json(path)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent.name}: no MemoryNet configuration (expected {path.name})"
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path.name}: cannot be read: {error}") from error


def _compare(name: str, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or extra:
        raise CheckpointError(
            f"{name}: not a MemoryNet of this configuration: expected {len(expected)} keys, found {len(found)}; "
            f"missing {_some(missing)}; unknown {_some(extra)}"
        )
    for key, tensor in expected.items():
        if tensor.shape != found[key].shape:
            raise CheckpointError(
                f"{name}: {key} expected shape {tuple(tensor.shape)}, found {tuple(found[key].shape)}"
            )
        if not found[key].is_floating_point() or found[key].is_meta or found[key].layout != torch.strided:
            raise CheckpointError(
                f"{name}: {key} is {found[key].dtype}, {found[key].layout} on {found[key].device}; "
                "need plain floating-point numbers"
            )
        if not bool(torch.isfinite(found[key].float()).all()):
            raise CheckpointError(f"{name}: {key} holds values that are not finite numbers")


def _some(keys: list[str]) -> str:
    return (", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")) if keys else "none"
