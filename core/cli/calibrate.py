"""``memorynet calibrate``: measures what a model's looks at a photo mean, and writes it into its config.json."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.cli import common, stopping
from core.events import ItemDone

_EXAMPLES = """\
example:
  memorynet calibrate runs/rain-1/model --photos clean/

Training does this by itself at its end. Clean photos are looked at as they are and with seeded
damage, light and full, in their own size and as camera-size composites. The thresholds stand in
config.json; the weights do not change.
"""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "calibrate",
        help="measure from when on a model says that it found something",
        description="Measure from when on a model says that it found nothing, a little or much, and how much is gone.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("model", metavar="NAME|PATH", help="a model's name or folder")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR", help="a folder of clean photos")
    parser.add_argument(
        "--count", type=common.whole_type(4, 10_000), default=24, metavar="N",
        help="at most N of them, chosen evenly by name [24]",
    )  # fmt: skip
    parser.add_argument(
        "--device", type=common.device_type, default="auto", metavar="DEVICE",
        help="auto, cpu, cuda:N or mps [auto: the fastest]",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from core.model import catalog

    if not args.photos.is_dir():
        raise common.UsageError(f"--photos {args.photos}: is no folder")
    try:
        path = catalog.resolve(args.model)
    except ValueError as error:
        raise common.UsageError(str(error)) from error
    with stopping.interruptible() as control:
        stopping.import_aside(control, "core.restoring.calibration")
        from core.model import checkpoint
        from core.restoring import calibration

        task = checkpoint.load(path).task
        photos = calibration.read_photos(args.photos, args.count)
        with common.Progress("trials") as progress:

            def watch(event: object) -> None:
                if isinstance(event, ItemDone):
                    progress.show(event.name, event.index, event.count)

            try:
                found = calibration.calibrate(
                    path, task, photos, device=args.device, emit=watch, control=control
                )
                calibration.keep(path, found)
            except calibration.CalibrationError as error:
                raise common.UsageError(str(error)) from error
    if args.json:
        common.print_json({"model": str(path), "task": task, **found.as_dict()})
        return common.EXIT_OK
    print(f"{path}: nothing below {found.nothing_below:g} levels, much from {found.much_from:g}")
    kind = "words only" if found.gone is None else "a number is told"
    rank = "too few trials" if found.rank_correlation is None else f"{found.rank_correlation:.2f}"
    print(f"  how much is gone, rank correlation {rank}: {kind}")
    for kind, row in (found.photos or {}).items():
        print(f"  {kind:13} " + "  ".join(f"{name} {value}" for name, value in row.items()))
    return common.EXIT_OK
