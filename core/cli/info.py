"""``memorynet info``: what this machine and this installation can do, or where a model comes from."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import sys
from typing import TYPE_CHECKING, Any

from core import __version__
from core.cli import common, stopping

if TYPE_CHECKING:
    from core.model.checkpoint import LoadedModel

_PACKAGES = ("torch", "PySide6_Essentials", "numpy", "opencv-python", "pillow", "scikit-image", "safetensors")


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "info",
        help="devices, versions and models; or one model's origin",
        description="Show devices, precisions, versions and models; with MODEL, where that model comes from.",
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a model's name, folder or file")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    return _model(args) if args.model else _installation(args)


def _load_torch(module: str) -> None:
    with stopping.interruptible() as control:
        stopping.import_aside(control, module)
        control.checkpoint()


def _installation(args: argparse.Namespace) -> int:
    from core.model import catalog

    _load_torch("core.model.tensors")
    from core.model import tensors

    devices = tensors.describe_devices()
    advice = tensors.cuda_advice()
    models = catalog.models()
    versions = {"memorynet": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    if args.json:
        common.print_json(
            {
                "versions": versions,
                "platform": platform.platform(),
                "devices": [
                    {"name": d.name, "title": d.title, "precisions": list(d.precisions)} for d in devices
                ],
                "cuda_advice": advice,
                "models": [
                    {
                        "name": m.name,
                        "path": str(m.path),
                        "task": m.task,
                        "parameters": m.parameters,
                        "bundled": m.bundled,
                        "error": m.error,
                    }
                    for m in models
                ],
                "recipes": list(catalog.recipes()),
                "user_models": str(catalog.user_models_dir()),
            }
        )
        return common.EXIT_OK
    print(f"MemoryNet {__version__} on {platform.platform()}")
    print("  " + ", ".join(f"{name} {version}" for name, version in versions.items() if name != "memorynet"))
    print("Devices (best first)")
    for device in devices:
        print(
            f"  {device.name:8} {device.title}; {' or '.join(device.precisions)} (auto: {device.precisions[0]})"
        )
    if advice:
        print(f"  {advice}")
    print("Models")
    for entry in models:
        size = f"{entry.parameters / 1e6:.2f} M parameters" if entry.parameters else "size unknown"
        origin = "comes with MemoryNet" if entry.bundled else str(entry.path)
        print(f"  {entry.name:16} {entry.task or 'unknown task':9} {size}; {origin}")
        if entry.error:
            print(f"    cannot be used: {entry.error}")
    if not models:
        print("  none")
    print(f"  models of your own go to {catalog.user_models_dir()}, one folder each")
    print(f"Recipes: {', '.join(catalog.recipes()) or 'none'}")
    return common.EXIT_OK


def _model(args: argparse.Namespace) -> int:
    from core.model import catalog

    try:
        path = catalog.resolve(args.model)
    except catalog.CatalogError as error:
        raise common.UsageError(str(error)) from error
    _load_torch("core.model.checkpoint")
    from core.model import checkpoint

    try:
        model = checkpoint.load(path)
    except checkpoint.CheckpointError as error:
        print(" ".join(f"memorynet info: {error}".splitlines()), file=sys.stderr)
        return common.EXIT_FAILED
    if args.json:
        common.print_json(_facts(model))
        return common.EXIT_OK
    facts = _facts(model)
    provenance = facts.pop("provenance")
    for key, value in facts.items():
        print(f"{key:11} {json.dumps(value) if isinstance(value, dict) else value}")
    print("provenance")
    for line in _tree(provenance, 2):
        print(line)
    card = (path if path.is_dir() else path.parent) / "card.md"
    if card.is_file():
        print(f"model card  {card}")
    return common.EXIT_OK


def _facts(model: LoadedModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "task": model.task,
        "path": str(model.path),
        "parameters": model.parameters,
        "sha256": model.sha256,
        "network": model.network.config.as_dict(),
        "halo_px": model.network.config.halo_px,
        "provenance": dict(model.provenance),
    }


def _tree(value: Any, indent: int) -> list[str]:
    """Nested mappings as indented lines."""
    lines: list[str] = []
    for key, inner in value.items():
        if isinstance(inner, dict):
            lines.append(f"{' ' * indent}{key}")
            lines += _tree(inner, indent + 2)
        else:
            text = ", ".join(map(str, inner)) if isinstance(inner, list) else inner
            lines.append(f"{' ' * indent}{key}: {text}")
    return lines
