"""Optional parts of the installation: what needs which packages, and the command that brings them."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from types import MappingProxyType

EXTRAS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "onnx": ("onnx", "onnxscript", "onnxruntime"),
        "tensorboard": ("tensorboard",),
        "heic": ("pillow_heif",),
        "raw": ("rawpy",),
        "map": ("sklearn",),
    }
)
"""Extra of pyproject.toml -> the modules it brings."""
_PACKAGES = {"sklearn": "scikit-learn"}  # where a module is not named as its package
_PURPOSE = {
    "onnx": "ONNX files",
    "tensorboard": "TensorBoard files",
    "heic": "HEIC pictures",
    "raw": "Camera raw files",
    "map": "Maps by likeness",
}


class MissingExtra(Exception):
    """Packages that are not installed by default are needed; the message says which and how to get them."""

    problem_key = "extra"


def missing(extra: str) -> tuple[str, ...]:
    """The modules of ``extra`` that are not installed. Imports none of them."""
    return tuple(module for module in EXTRAS[extra] if importlib.util.find_spec(module) is None)


def _package(module: str) -> str:
    return _PACKAGES.get(module, module).replace("_", "-")


def command(extra: str) -> str:
    """What brings the extra: ``python -m pip install pillow-heif``."""
    return f"python -m pip install {' '.join(map(_package, EXTRAS[extra]))}"


def require(extra: str) -> None:
    """Raises :class:`MissingExtra` unless everything of ``extra`` is installed."""
    absent = [_PACKAGES.get(module, module) for module in missing(extra)]
    if absent:
        names = " and ".join((", ".join(absent[:-1]), absent[-1])) if len(absent) > 1 else absent[0]
        are = "are" if len(absent) > 1 else "is"
        raise MissingExtra(
            f"{_PURPOSE[extra]} need {names}, which {are} not installed; "
            f"{command(extra)} brings what is missing"
        )
