"""``memorynet check``: what is wrong with a recipe's data, and what training by it would cost."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli import common, recipes, stopping

if TYPE_CHECKING:
    from core.doctor.examination import DoctorReport
    from core.training.estimate import Estimate
    from core.training.recipe import TrainRecipe

_EXAMPLES = """\
examples:
  memorynet check quick-look
  memorynet check derain --data photos/ --estimate
  memorynet check my-recipe.toml --data pairs/ --files      names every file
  memorynet check my-recipe.toml --data pairs/ --json > findings.json

Nothing is changed or written. Errors are what training would stop at or what would make its scores
worthless; warnings are probably not meant so; notes are good to know.
What findings name can be left out by the recipe, with leave_out = [...] in [data]; nobody's files
change.
exit codes: 0 no errors, 1 errors found, 2 bad arguments, 130 stopped with Ctrl+C"""
_WIDEST, _NARROWEST = 120, 60
_COLUMN = 10


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "check",
        help="look for faults in a recipe's data before training",
        description="Look for faults in the data of a recipe and, if asked, measure what training would cost here.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe file (TOML) or the name of a bundled one")
    parser.add_argument(
        "--data", type=Path, action="append", default=[], metavar="DIR",
        help="what DATA stands for in the recipe; may be given more than once",
    )  # fmt: skip
    parser.add_argument(
        "--code", type=Path, metavar="FILE",
        help="run this Python file, which the recipe names as its code: it makes the damage of a task of your own",
    )  # fmt: skip
    parser.add_argument(
        "--estimate", action="store_true", help="run a few real steps and say how long training takes here"
    )
    parser.add_argument(
        "--device", type=common.device_type, default="auto", metavar="DEVICE",
        help="auto, cpu, cuda:N or mps, for --estimate [auto: the fastest]",
    )  # fmt: skip
    parser.add_argument("--files", action="store_true", help="name every file of every finding")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    for folder in args.data:
        if not folder.is_dir():
            raise common.UsageError(f"--data {folder}: no such folder")
    recipe = recipes.read(args.recipe)
    recipes.run_own_code(args.code, recipe)
    if not args.data and any(
        folder == "DATA" or folder.startswith("DATA/") for folder in recipe.all_folders()
    ):
        raise common.UsageError(f"{args.recipe}: say where DATA is (--data DIR)")
    with stopping.interruptible() as control:
        stopping.import_aside(control, "core.doctor.examination")
        from core.doctor.examination import examine

        with common.Progress("photos") as progress:
            report = examine(recipe, tuple(args.data), progress.follow, control)
        if not args.json:
            print("\n".join(lines(recipe, report, args.files)), flush=True)
        estimate = _estimate(args, recipe, report, control) if args.estimate else None
    if args.json:
        document = {"recipe": recipe.name, **report.as_dict()}
        if args.estimate:
            document["estimate"] = estimate.as_dict() if estimate else None
        common.print_json(document)
    elif estimate is not None:
        print("\n".join(estimate_lines(recipe, estimate)))
    return common.EXIT_FAILED if report.has_errors else common.EXIT_OK


def _estimate(
    args: argparse.Namespace, recipe: TrainRecipe, report: DoctorReport, control: Any
) -> Estimate | None:
    """None, said on stderr, where the data's errors would stop training."""
    if report.has_errors:
        print("No estimate: training would stop at the errors.", file=sys.stderr)
        return None
    stopping.import_aside(control, "core.training.estimate")
    from core.model import tensors
    from core.training.estimate import estimate

    try:
        device = tensors.choose_device(args.device)
    except tensors.DeviceError as error:
        raise common.UsageError(str(error)) from error
    with common.Progress("steps") as progress:
        return estimate(recipe, tuple(args.data), progress.follow, control, device)


def lines(recipe: TrainRecipe, report: DoctorReport, every_file: bool = False) -> list[str]:
    """The report as a table: how grave a finding is, then what it says; and what the recipe could leave out."""
    from core.doctor.leave import line_for

    counts = [
        f"{count:,} {thing}{'s' * (count > 1)}"
        for count, thing in ((report.pairs, "pair"), (report.photos, "photo"))
        if count
    ]
    head = (
        f"{recipe.name}: {' and '.join(counts) or 'nothing'} to train on, {report.validation_count:,} to validate on"
        f"{f', {report.left_out:,} left out' if report.left_out else ''}"
        f"{f' ({report.layout})' if report.layout else ''}; {report.files:,} files in {common.clock(report.seconds)}"
    )
    found = [head]
    for finding in report.findings:
        could = " Could be left out." if finding.leave_out and finding.kind != "left_out" else ""
        found += _rows(finding.severity, f"{finding.text}{could}")
        if every_file:
            found += [f"{'':{_COLUMN + 2}}{path}" for path in finding.paths]
    if line := line_for(recipe.leave_out, report.findings):
        found += ["To leave out what errors and warnings name, put into [data] of the recipe:", line]
    return [*found, _verdict(report)]


def _rows(first: str, text: str) -> list[str]:
    width = min(_WIDEST, max(_NARROWEST, shutil.get_terminal_size().columns))
    return textwrap.wrap(
        text, width, initial_indent=f"  {first:{_COLUMN}}", subsequent_indent=" " * (_COLUMN + 2),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _verdict(report: DoctorReport) -> str:
    words = []
    for severity in ("error", "warning", "note"):
        count = len(report.of(severity))
        if count:
            words.append(f"{count} {severity}{'s' * (count > 1)}")
    return f"{', '.join(words)}." if words else "Nothing to object to."


def estimate_lines(recipe: TrainRecipe, found: Estimate) -> list[str]:
    rows = [
        ("time", f"{common.clock(found.total_seconds)} for {recipe.steps:,} steps of {_seconds(found.seconds_per_step)}, "
                 f"of it {common.clock(found.validation_seconds)} of validation"),
        ("speed", f"{found.images_per_s:.1f} images/s, {found.data_wait:.0%} of a step spent waiting for data"),
        ("memory", f"at most about {_mb(found.peak_mb)}" + (f", on the device {_mb(found.device_peak_mb)}"
                   if found.device_peak_mb is not None else "") + f"; {_mb(found.free_mb)} were free"),
        ("suggested", f"batch {found.suggested_batch}, patch {found.suggested_patch_px} px: {found.reason}"),
    ]  # fmt: skip
    head = f"Estimate from {found.measured_steps} steps on {found.device} in {found.precision}:"
    return [head, *(row for name, text in rows for row in _rows(name, text))]


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def _mb(value: float) -> str:
    return f"{value / 1000:.1f} GB" if value >= 1000 else f"{value:.0f} MB"
