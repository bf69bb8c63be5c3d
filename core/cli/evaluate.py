"""``memorynet evaluate``: scores of a folder of pairs, by protocol."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import tasks
from core.cli import common, share, stopping

if TYPE_CHECKING:
    from core.restoring.evaluation_table import EvaluationTable, Scores

_LAYOUTS = """\
folders it understands:
  input/target  rain/norain  rainy/gt  blur/sharp  lq/gt  NAME_A/NAME_C, and the like
  Pictures pair by name, whatever their extensions; also rain-001 with norain-001.
  Nothing is measured while a picture has no partner; the list says which.

example:
  memorynet evaluate rain100l --task derain --json > scores.json
  memorynet evaluate shadows --task deshadow --masks masks/     memorynet masks makes them
  memorynet evaluate rain100l --no-memory         says what the memory is worth
  memorynet evaluate rain100l --results theirs/   measures pictures that another program made
  memorynet evaluate rain100l --save ours/ --csv > scores.csv

memorynet restore --help explains the memory and how to edit it.
"""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="measure a model on a folder of pairs",
        description="Restore every input of a folder of pairs and measure input and result against the truth.",
        epilog=_LAYOUTS,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder that holds inputs and truths")
    common.add_model_options(parser)
    common.add_scale_option(parser)
    common.add_memory_options(parser)
    parser.add_argument(
        "--masks", type=common.mask_type, metavar="none|auto|FOLDER",
        help="where the damage is: a folder of grey pictures, white on damage, each of its input's name and size, for "
        "scores by region and for models trained with masks; auto: guessed for each [auto for shadows, else none]",
    )  # fmt: skip
    made = parser.add_mutually_exclusive_group()
    made.add_argument(
        "--results", type=Path, metavar="FOLDER",
        help="restore nothing: measure the pictures of this folder, each of its input's or its truth's name",
    )  # fmt: skip
    made.add_argument("--save", type=Path, metavar="DIR", help="keep what is restored there, as PNG")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    form.add_argument("--csv", action="store_true", help="print a table with a line for each picture")
    form.add_argument("--markdown", action="store_true", help="print the means as a table for documents")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if not args.folder.is_dir():
        reason = "is not a folder" if args.folder.exists() else "does not exist"
        raise common.UsageError(f"{args.folder} {reason}")
    folder = args.masks if isinstance(args.masks, Path) else None
    if folder is not None and not folder.is_dir():
        reason = "is not a folder" if args.masks.exists() else "does not exist"
        raise common.UsageError(f"--masks {args.masks} {reason}")
    if args.results is not None:
        _refuse_model_options(args)
    edit = common.memory_edit(args)
    from core.data.dataset import PairingError, find_pairs
    from core.data.guidance import find_beside, find_masks
    from core.images.io import PassedOver, passed_over_line

    passed_over: list[PassedOver] = []
    try:
        pairing = find_pairs(
            args.folder, on_passed_over=passed_over.append
        )  # before torch is loaded: names are quick to check
        if folder is not None:
            find_masks(folder, pairing.pairs)
        if args.results is not None:
            find_beside(args.results, pairing.pairs, "result", or_target=True)
    except PairingError as error:
        print(f"{error}.", file=sys.stderr)
        for path in error.unpaired:
            print(f"  {path}", file=sys.stderr)
        if passed_over:  # perhaps the partners
            print(passed_over_line(passed_over), file=sys.stderr)
        return common.EXIT_FAILED
    with stopping.interruptible() as control:
        if args.results is not None:
            choice, guess = common.choice(args, args.task or tasks.DEFAULT), False
            stopping.import_aside(control, "core.restoring.evaluation")
        else:
            task, model, path = common.load_model(args, control)
            choice = replace(common.choice(args, task), model=str(path))
            common.check_memory_edit(args, edit, model.network.config)
            guess = common.guesses(args.masks, model)
        from core.restoring.evaluation import EvaluateRequest, evaluate, refuse_to_mix

        shared = share.of_environment(control)
        names = [pair.name for pair in pairing.pairs]

        if args.save is not None:
            try:
                refuse_to_mix(args.save, pairing.pairs)
            except ValueError as error:
                raise common.UsageError(f"--save {error}") from error

        request = EvaluateRequest(
            args.folder,
            replace(choice, device=shared.device(args.device)),
            mute_memory=args.no_memory,
            memory_edit=edit,
            masks=folder,
            guess=guess,
            results=args.results,
            save=args.save,
            part=(shared.rank, shared.count),
        )
        shared.begin(names, control)
        with common.Progress("pairs") as progress:
            table = evaluate(request, progress.follow, control)
        from core.restoring import evaluation_text

        if not shared.alone:
            parts = shared.gather(evaluation_text.part_as_json(table), control)
            if parts is None:
                return common.EXIT_OK  # the first process reports, on failures too
            table = evaluation_text.merged(table, parts, names)
    if args.json:
        common.print_json(table.as_dict())
    elif args.csv:
        print(evaluation_text.as_csv(table), end="")
    elif args.markdown:
        print(evaluation_text.as_markdown(table), end="")
    else:
        print("\n".join(lines(table)))
    for row in table.failed:
        print(f"{row.name}: {row.error}", file=sys.stderr)
    if passed_over:
        print(passed_over_line(passed_over), file=sys.stderr)
    return common.EXIT_FAILED if table.failed else common.EXIT_OK


def _refuse_model_options(args: argparse.Namespace) -> None:
    """Raises UsageError: what steers a network says nothing of pictures that are there already."""
    given = {
        "--model": args.model,
        "--no-memory": args.no_memory,
        "--memory-edit": args.memory_edit,
        "--thoroughness": args.thoroughness != 1.0,
        "--masks auto": args.masks == "auto",
    }
    for option, is_given in given.items():
        if is_given:
            raise common.UsageError(f"{option} and --results do not go together: nothing is restored")


def lines(table: EvaluationTable) -> list[str]:
    """The table in words, every number with its protocol."""
    from core.images.metrics import PROTOCOLS
    from core.model.memory_edit import UNCHANGED

    by = f"{table.model} on {table.device} in {table.precision}"
    if table.results is not None:
        by = f"pictures of {table.results}"
    found = [f"{table.folder}: {len(table.measured)} pairs measured ({table.layout}), {by}"]
    if table.memory != UNCHANGED:
        found.append(f"  memory {table.memory}")
    if table.masks is not None:
        what = "told where the damage is" if table.uses_masks else "regions"
        found.append(f"  {what} by {table.masks}")
    if table.guess:
        nothing = sum(row.guessed is False for row in table.measured)
        unchanged = f"; {nothing} without a cast shadow, unchanged" if nothing else ""
        found.append(f"  where the shadow is was guessed{unchanged}")
    if not table.measured:
        return found
    for protocol in table.protocols:
        for side in ("input", "restored"):
            words = _words(table.mean(side, protocol), table.spread(side, protocol))
            found.append(f"  {protocol:4} {side:9} {words}")
    if table.mean_lab_mae("input") is not None:
        for side in ("input", "restored"):
            found.append(f"  LAB  {side:9} error {table.mean_lab_mae(side):.3f}")
    has_3d = table.mean_ssim_3d("input") is not None
    if has_3d:
        for side in ("input", "restored"):
            found.append(f"  SSIM3D  {side:9} {table.mean_ssim_3d(side):.4f}")
    for region in table.regions:
        for side in ("input", "restored"):
            psnr, lab = table.mean_region(region, side)
            value = "none" if psnr is None else f"{psnr:.3f} dB"
            found.append(f"  {region:6} {side:9} PSNR {value}  LAB error {lab or 0.0:.3f}")
    for side in ("input", "restored"):
        if table.identical(side):
            found.append(
                f"  {table.identical(side)} {side} equal their truth exactly and are left out of its PSNR"
            )
    if len(table.measured) > 1:
        found.append("  ±: standard deviation over the pictures")
    if table.megapixels_per_s is not None:
        found.append(f"  {table.megapixels_per_s:.2f} megapixels/s, loading and measuring not counted")
    named = [*table.protocols, *(["LAB"] if table.mean_lab_mae("input") is not None else [])]
    named += ["SSIM3D"] if has_3d else []
    found += [f"  {protocol}: {PROTOCOLS[protocol]}" for protocol in named]
    return found


def _words(mean: Scores, spread: Scores) -> str:
    psnr = "   none   " if mean.psnr_db is None else f"{mean.psnr_db:7.3f} dB"
    ssim = "none" if mean.ssim is None else f"{mean.ssim:.4f}"
    around = "" if spread.psnr_db is None else f" ± {spread.psnr_db:.2f}"
    around_ssim = "" if spread.ssim is None else f" ± {spread.ssim:.4f}"
    return f"PSNR {psnr}{around}  SSIM {ssim}{around_ssim}"
