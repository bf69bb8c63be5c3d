"""Pictures to tensors and back; which device and precision to use."""

from __future__ import annotations

import ctypes.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


class DeviceError(ValueError):
    """The device or precision asked for is not to be had on this machine."""

    problem_key = "device"


_MOST = 1e4
"""Black is 0 and white 1: a network that comes near this has computed nonsense, if not yet infinities."""


class NotFinite(ArithmeticError):
    """What a network made of a picture is no picture."""

    problem_key = "not-finite"


@dataclass(frozen=True, slots=True)
class Device:
    name: str  # "cpu", "cuda:0", "mps"
    title: str  # "CPU, 8 threads", "NVIDIA H100"
    precisions: tuple[str, ...]  # best first


def describe_devices() -> tuple[Device, ...]:
    """Every device this torch can use, best first."""
    found = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            name = f"cuda:{index}"
            found.append(Device(name, torch.cuda.get_device_name(index), _precisions(name)))
    if torch.backends.mps.is_available():
        found.append(Device("mps", "Apple GPU", _precisions("mps")))
    threads = torch.get_num_threads()
    found.append(Device("cpu", f"CPU, {threads} thread{'s' * (threads != 1)}", _precisions("cpu")))
    return tuple(found)


def choose_device(name: str) -> str:
    """``"auto"`` or a device's name to a device's name. Raises :class:`DeviceError`."""
    known = [device.name for device in describe_devices()]
    if name == "auto":
        return known[0]
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in known:
        advice = cuda_advice() if wanted.startswith("cuda") else None
        raise DeviceError(
            f"device {name!r}: this machine offers {', '.join(known)}" + (f"; {advice}" if advice else "")
        )
    return wanted


def choose_precision(name: str, device: str) -> str:
    """``"auto"``, ``"fp32"`` or ``"bf16"`` to one of the latter two. Raises :class:`DeviceError`."""
    if name == "auto":
        return _precisions(device)[0]
    if name not in ("fp32", "bf16"):
        raise DeviceError(f"precision {name!r}: need auto, fp32 or bf16")
    return name


def _precisions(device: str) -> tuple[str, ...]:
    """What the device computes, fastest first. bf16 leads only where the hardware has it: of processors those with matrix units
    (AMX) and of ARM those that name it. With AVX512-BF16 alone it takes 1.6 times as long as fp32."""
    if device.startswith("cuda"):
        fast = torch.cuda.get_device_capability(torch.device(device)) >= (8, 0)
    elif device == "cpu":
        # keys differ by processor family; an ARM build may name none of them
        capabilities = torch.cpu.get_capabilities()
        fast = any(capabilities.get(key) for key in ("amx_bf16", "bf16"))
    else:
        fast = False
    return ("bf16", "fp32") if fast else ("fp32", "bf16")


def cuda_advice() -> str | None:
    """A sentence when an NVIDIA card is present but this torch cannot use it, else None."""
    if torch.cuda.is_available():
        return None
    present = Path("/proc/driver/nvidia/version").exists() or bool(ctypes.util.find_library("nvcuda"))
    if not present:
        return None
    if torch.version.cuda is None:
        return "an NVIDIA card is present but this PyTorch was built without CUDA; the README says how to get one that has it"
    return f"an NVIDIA card is present but PyTorch's CUDA {torch.version.cuda} cannot use it; its driver may be too old"


def dtype_of(precision: str) -> torch.dtype:
    return torch.bfloat16 if precision == "bf16" else torch.float32


def to_tensor(pixels: np.ndarray, device: str = "cpu") -> Tensor:
    """(H, W, 3) uint8 | uint16 | float32 in 0..1 -> (1, 3, H, W) float32 in 0..1, channels last."""
    scale = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}[pixels.dtype.name]
    if pixels.dtype == np.uint16:
        pixels = pixels.astype(np.float32)  # torch computes little with uint16
    tensor = torch.from_numpy(np.ascontiguousarray(pixels)).to(device).float()
    return (tensor / scale).permute(2, 0, 1).unsqueeze(0)  # a view: strides are channels_last already


def to_pixels(tensor: Tensor, dtype: np.dtype) -> np.ndarray:
    """(1, 3, H, W) or (3, H, W) in 0..1 -> (H, W, 3) uint8 | uint16, clipped and rounded to nearest.

    Raises :class:`NotFinite`: rounded, NaN would be a black place that looks like a result.
    """
    if tensor.ndim == 4:
        tensor = tensor[0]
    if tensor.numel() and not float(tensor.detach().abs().amax()) <= _MOST:  # NaN compares as False
        raise NotFinite(
            "what the model made of it are no finite numbers; its weights are damaged or overflow"
        )
    top = float(np.iinfo(dtype).max)
    levels = tensor.detach().float().clamp(0, 1).mul(top).round().permute(1, 2, 0)
    return levels.cpu().numpy().astype(dtype)
