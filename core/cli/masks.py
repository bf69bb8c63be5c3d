"""``memorynet masks``: where the inputs of a folder of pairs differ from their truths by a shadow, as masks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from core.cli import common, stopping

_EXAMPLES = """\
examples:
  memorynet masks shadow_pairs/ --out masks/
  memorynet evaluate shadow_pairs/ --task deshadow --masks masks/

White is where the truth is brighter than the input by a shadow. Folders below the inputs are kept.
exit codes: 0 all went well, 1 something failed, 2 bad arguments, 130 stopped with Ctrl+C"""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "masks",
        help="write the shadow masks of a folder of pairs",
        description="Write, for every pair of a folder, a grey picture that is white where a shadow lies on the input.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="a folder that holds inputs and truths")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the masks")
    parser.add_argument("--overwrite", action="store_true", help="replace masks that are there already")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from core.cli.words import describe
    from core.data.dataset import PairingError, find_pairs
    from core.restoring import pair_masks

    if not args.pairs.is_dir():
        reason = "is not a folder" if args.pairs.exists() else "does not exist"
        raise common.UsageError(f"{args.pairs} {reason}")
    if args.out.exists() and not args.out.is_dir():
        raise common.UsageError(f"--out {args.out}: is a file, need a folder")
    try:
        pairs = find_pairs(args.pairs).pairs
    except PairingError as error:
        print(f"{error}.", file=sys.stderr)
        for path in error.unpaired:
            print(f"  {path}", file=sys.stderr)
        return common.EXIT_FAILED
    failed, empty = 0, 0
    with stopping.interruptible() as control, common.Progress("pairs") as progress:
        for index, pair in enumerate(pairs):
            control.checkpoint()
            progress.show(f"{index + 1} of {len(pairs)}  {pair.name}", index, len(pairs))
            try:
                empty += not pair_masks.write(pair, args.out, args.overwrite)
            except Exception as error:  # whatever is wrong with one pair, the rest is done
                failed += 1
                print(f"{pair.name}: {describe(error).sentence}", file=sys.stderr)
    print(f"{args.out}: {len(pairs) - failed} masks of {len(pairs)} pairs")
    if empty:
        print(f"  {empty} of them all black: no shadow was found between input and truth")
    return common.EXIT_FAILED if failed else common.EXIT_OK
