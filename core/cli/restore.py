"""``memorynet restore``: photos and folders in, restored photos out; one bad file never stops the rest."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core import tasks
from core.cli import common, photos, stopping
from core.cli.restore_auto import AutoBatch, models_of_all
from core.cli.restore_batch import Batch

_EXAMPLES = """\
examples:
  memorynet restore beach.jpg                     writes beach.derained.jpg beside it
  memorynet restore photos/ --out dry/ --recursive    keeps the folders below photos/
  memorynet restore scan.tif --strength 0.7 --format png
  memorynet restore photos/ --out dry/ --resume   goes on where it was stopped
  memorynet restore wall.jpg --task deshadow --save-mask    guesses where the shadow is
  memorynet restore wall.jpg --task deshadow --mask wall.mask.png   corrected by hand
  memorynet restore gate.jpg --only auto --save-mask    only where rain is seen
  memorynet restore photos/ --task auto           what each photo shows; where not sure, nothing
  memorynet restore near.jpg --scale 1/8          where the drops are larger than it thought
  memorynet restore beach.jpg --memory-edit calm.json
  memorynet restore beach.jpg --taught beach.taught.png    as it was taught on the Memory page

the three memories:
  The positive memory holds what clean pictures are made of, learned from many of them. A
  place that resembles one of its slots reads there what sound structure looks like.
  The negative memory holds what damage looks like: streaks, veils, shadows. A place that
  resembles one of its slots counts as damaged, and reads there what has to be taken back.
  The actual memory holds this very photo: under each slot, what the photo itself shows where
  that slot is found, sound places apart from damaged ones. So every place can read from all
  of the photo, however far away; it is made anew for each photo and then forgotten.

a memory edit says in JSON which slots to mute, boost (1 to 8 times) or swap, numbered from 0:
  {"version": 1, "contents": "both", "steps": [
    {"action": "mute", "polarity": "negative", "granularity": "part", "slots": [3, 17]},
    {"action": "boost", "polarity": "positive", "gain": 2},
    {"action": "swap", "polarity": "positive", "with": {"polarity": "negative"}}]}
  contents: learned, actual or both; polarity: positive or negative; granularity: part,
  instance or semantic. What is left out means all.
"""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "restore",
        help="restore photos or folders of photos",
        description="Restore photos. Originals are never changed; results carry the model and settings\n"
        "that made them. Pictures in a folder of kinds that cannot be read (animations, HDR, HEIC where\n"
        "its extra is missing, ...) are passed over: they are named at the end and count as no failure.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="a photo or a folder of photos")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the results [beside each photo]")
    common.add_model_options(parser, auto=True)
    parser.add_argument(
        "--strength", type=common.strength_type, default=1.0, metavar="0..1",
        help="blend with the original: 0.0 leaves it, 1.0 restores fully [1.0]",
    )  # fmt: skip
    common.add_scale_option(parser)
    common.add_memory_options(parser)
    parser.add_argument(
        "--mask", type=common.mask_type, metavar="none|auto|FILE",
        help="where the damage is: a grey picture of the photo's size, white on damage, for one photo; auto: "
        "guessed, and a photo without a cast shadow stays as it is; for models trained with masks [auto for shadows, "
        "else none]",
    )  # fmt: skip
    parser.add_argument(
        "--only", type=common.mask_type, metavar="none|auto|FILE",
        help="restore only here: a grey picture of the photo's size, for one photo; where it is black not a bit changes; auto: "
        "where the model sees damage, and a photo without such a place stays as it is [none: everywhere]",
    )  # fmt: skip
    photos.add_taught(parser)
    parser.add_argument(
        "--save-mask",
        action="store_true",
        help="write the masks that were used beside the result: NAME.mask.png, and NAME.only.png of --only",
    )
    parser.add_argument("--recursive", action="store_true", help="go into folders below the given ones")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="skip photos whose result was made by the same model and settings",
    )
    parser.add_argument(
        "--format", type=common.format_type, metavar="FORMAT",
        help="png, jpeg, tiff, webp, avif, bmp or jpeg2000 [the photo's own]",
    )  # fmt: skip
    parser.add_argument(
        "--quality", type=common.quality_type, default=95, metavar="1..100", help="for lossy formats [95]"
    )
    parser.add_argument(
        "--bit-depth", type=common.depth_type, metavar="8|16", help="bits a channel [the photo's own]"
    )
    parser.add_argument(
        "--longest-edge",
        type=common.edge_type,
        metavar="PX",
        help="write larger photos at this size [as they are]",
    )
    parser.add_argument(
        "--naming",
        type=common.naming_type,
        metavar="NAMES",
        help="names of results: {name} of the photo, {done} what was done [{name}.{done}]",
    )
    parser.add_argument(
        "--strip-gps",
        action="store_true",
        help="leave out of the results all metadata that can name the place",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there already")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    photos.check_out(args)
    edit = common.memory_edit(args)  # before torch is loaded: a slip of the pen is quick to find
    with stopping.interruptible() as control:
        if args.task == tasks.AUTO:
            if args.taught is not None:
                raise common.UsageError(f"--taught {args.taught}: name the task whose damage it speaks of")
            return AutoBatch(args, *models_of_all(args, edit, control), edit, control).run()
        task, model, path = common.load_model(args, control)
        common.check_memory_edit(args, edit, model.network.config)
        return Batch(args, task, model, path, edit, control).run()
