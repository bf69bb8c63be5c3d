"""``memorynet export`` and ``memorynet import``: models out of and into other hands."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core import extras, foreign_text, tasks
from core.cli import common, stopping
from core.cli.runs import size_text

KINDS = ("folder", "onnx", "huggingface")

_EXPORT_EXAMPLES = """\
examples:
  memorynet export derain-s --to onnx --out derain.onnx   one file for ONNX Runtime, of any size
  memorynet export runs/mine --to folder --out mine        half precision, configuration, card
  memorynet export mine --to huggingface --out hub/mine   config.json, model.safetensors, README

No file says where anything lay on this machine. The licence is yours to state.
"""
_IMPORT_EXAMPLES = """\
examples:
  memorynet import weights.pth --task derain --out models/mine
  memorynet import runs/mine/checkpoints/step-00000500.safetensors --task derain --out models/mine

The network's shape is read from the tensors; where it fits more than one, --config says which.
"""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "export",
        help="write a model as a folder, an ONNX file or in the Hugging Face layout",
        description="Write a model as a folder with card, as an ONNX file that was compared with PyTorch on a photo,\n"
        "or in the folder layout of the Hugging Face hub.",
        epilog=_EXPORT_EXAMPLES,
    )
    parser.add_argument(
        "model", metavar="MODEL", help="a model's name, folder or file, or a run's name or folder"
    )
    parser.add_argument("--to", choices=KINDS, required=True, help="what to write")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="the folder or file; it must not exist"
    )
    parser.add_argument(
        "--photo", type=Path, metavar="PHOTO", help="what the ONNX file is compared on [a bundled photo]"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    parser.set_defaults(run=run_export)

    parser = commands.add_parser(
        "import",
        help="make a model folder from plain weights",
        description="Make a model folder from a state_dict of our network: .safetensors, or .pth, .pt, .ckpt, of\n"
        "which nothing is run.",
        epilog=_IMPORT_EXAMPLES,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the weights")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the model folder; it must not exist"
    )
    parser.add_argument(
        "--task", type=common.task_type, metavar="TASK",
        help=f"what the model removes: {tasks.names()} [what the file says]",
    )  # fmt: skip
    parser.add_argument(
        "--name", default="", metavar="NAME", help="of the model [the file's, else the folder's]"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a config.json with the network's shape [by the tensors]"
    )
    parser.set_defaults(run=run_import)


def run_export(args: argparse.Namespace) -> int:
    model = common.find_model(args.model)
    if args.photo is not None and args.to != "onnx":
        raise common.UsageError(f"--photo {args.photo}: only --to onnx compares on a photo")
    if args.photo is not None and not args.photo.is_file():
        raise common.UsageError(f"--photo {args.photo}: no such file")
    if args.to == "onnx":
        extras.require("onnx")
    with stopping.interruptible() as control:
        stopping.import_aside(control, "core.export")
        from core import export

        with common.Progress() as progress:
            if args.to == "onnx":
                photo = args.photo or _sample()
                report = export.export_onnx(model, args.out, photo, progress.follow, control)
            elif args.to == "folder":
                export.export_model(model, args.out, progress.follow, control)
            else:
                export.save_pretrained(model, args.out, progress.follow, control)
    if args.to == "onnx":
        if args.json:
            common.print_json(asdict(report) | {"path": str(report.path)})
            return common.EXIT_OK
        sizes = " and ".join(f"{width} x {height}" for width, height in report.sizes)
        print(
            f"{report.path}: {size_text(report.file_bytes)}, opset {report.opset}, takes {', '.join(report.inputs)}"
        )
        print(
            f"On {report.photo} ({sizes} px) it differs from PyTorch by at most "
            f"{report.max_difference_levels:.2g} levels of 255."
        )
        return common.EXIT_OK
    files = sorted(args.out.iterdir())
    if args.json:
        common.print_json(
            {"path": str(args.out), "files": {file.name: file.stat().st_size for file in files}}
        )
        return common.EXIT_OK
    print(f"{args.out}: " + ", ".join(f"{file.name} ({size_text(file.stat().st_size)})" for file in files))
    return common.EXIT_OK


def run_import(args: argparse.Namespace) -> int:
    if not args.file.is_file():
        raise common.UsageError(f"{args.file}: no such file")
    with stopping.interruptible() as control:
        stopping.import_aside(control, "core.export")
        from core import export
        from core.export import import_weights

        config = None
        if args.config is not None:
            if not args.config.is_file():
                raise common.UsageError(f"--config {args.config}: no such file")
            config = import_weights.read_config(args.config)
        folder = export.import_state_dict(
            args.file, args.out, name=args.name, task=args.task or "", config=config
        )
        print(
            f"{folder}: a model for {tasks.of(_task(folder)).noun}; memorynet restore PHOTO --model {folder}"
        )
    return common.EXIT_OK


def _task(folder: Path) -> str:
    from core.model import catalog

    return str(foreign_text.read_json(folder / catalog.CONFIG_NAME)["task"])


def _sample() -> Path:
    from core.model import catalog

    samples = catalog.samples()
    if not samples:
        raise common.UsageError("--photo: there is no bundled photo here, name one")
    return samples[0].path
