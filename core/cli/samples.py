"""``memorynet samples``: fill the sample memory of a model of one's own from photos of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.cli import common, stopping
from core.cli.runs import size_text

_EXAMPLES = """\
examples:
  memorynet samples mine --from photos/       clean photos of the kind the model is for
  memorynet samples runs/mine --from photos/ --visits 3

Samples are what the Memory page and memorynet inspect show as "looks like": patches of clean
photos, of the same photos damaged, and of what the model made of them. They are kept beside the
model's weights and go nowhere else; a run that is trained leaves some from its own photos. Give
clean photos: what is wrong in them is remembered as clean.
"""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "samples",
        help="fill the samples that a model of your own shows",
        description="Fill the sample memory of a model of your own from clean photos.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "model", metavar="MODEL", help="a model's name, folder or file, or a run's name or folder"
    )
    parser.add_argument(
        "--from", dest="photos", type=Path, required=True, metavar="FOLDER", help="clean photos, also in folders below"
    )  # fmt: skip
    parser.add_argument(
        "--visits", type=common.whole_type(1, 16), default=1, metavar="N", help="looks at each photo [1]"
    )
    parser.add_argument(
        "--seed", type=common.whole_type(0, 2**31), default=0, metavar="N", help="of the damage [0]"
    )
    parser.add_argument(
        "--device", type=common.device_type, default="auto", help="auto, cpu, cuda:N or mps [auto]"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from core.images import io as image_io
    from core.model import catalog

    model = common.find_model(args.model)
    if model.resolve().is_relative_to(catalog.RESOURCES):
        raise common.UsageError(
            f"{args.model}: ships with samples that are not changed; make it yours first with "
            f"memorynet export {args.model} --to folder --out DIR"
        )
    if not args.photos.is_dir():
        raise common.UsageError(f"--from {args.photos}: no such folder")
    photos = list(image_io.find_images(args.photos, recursive=True))
    if not photos:
        raise common.UsageError(f"--from {args.photos}: no photos in it")
    with stopping.interruptible() as control:
        stopping.import_aside(control, "core.training.own_samples")
        from core.model.tensors import choose_device
        from core.training.own_samples import fill_model

        with common.Progress() as progress:
            found = fill_model(
                model,
                photos,
                seed=args.seed,
                visits=args.visits,
                device=choose_device(args.device),
                emit=progress.follow,
                control=control,
            )
    if args.json:
        common.print_json(found.as_dict())
        return common.EXIT_OK
    for kind, filled in found.kinds.items():
        print(f"{kind:9} {filled.count:4} of at most {filled.bound:4}, from {filled.photos} photos")
    print(
        f"{found.file}: {size_text(found.file.stat().st_size)} from {len(photos)} photos in {found.seconds:.0f} s"
    )
    return common.EXIT_OK
