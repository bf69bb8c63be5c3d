"""``memorynet restore``: photos and folders in, restored photos out; one bad file never stops the rest."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import cli_common as common
from core.events import LadderStep, Notice, TileDone
from core.jobs import Cancelled, JobControl
from core.problems import describe

if TYPE_CHECKING:
    import numpy as np

    from core.checkpoint import LoadedModel
    from core.image_io import PassedOver, Receipt, UnreadableFile, WriteOptions
    from core.memory_edit import MemoryEdit
    from core.restore import Restored, RestoreRequest

_SCREENFUL = 20  # lines

_EXAMPLES = """\
examples:
  memorynet restore beach.jpg                     writes beach.derained.jpg beside it
  memorynet restore photos/ --out dry/ --recursive    keeps the folders below photos/
  memorynet restore scan.tif --strength 0.7 --format png
  memorynet restore photos/ --out dry/ --resume   goes on where it was stopped
  memorynet restore beach.jpg --memory-edit calm.json

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
        "that made them. Pictures in a folder of kinds that cannot be read (HEIC, camera raw, GIF,\n"
        "Photoshop, HDR, ...) are passed over: they are named at the end and count as no failure.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="a photo or a folder of photos")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the results [beside each photo]")
    common.add_model_options(parser)
    parser.add_argument(
        "--strength", type=common.strength_type, default=1.0, metavar="0..1",
        help="blend with the original: 0.0 leaves it, 1.0 restores fully [1.0]",
    )  # fmt: skip
    common.add_memory_options(parser)
    parser.add_argument(
        "--mask", type=Path, metavar="FILE",
        help="where the damage is: a grey picture of the photo's size, white on damage; for one photo and "
        "models trained with masks",
    )  # fmt: skip
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
    parser.add_argument("--strip-gps", action="store_true", help="leave the place out of the results")
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there already")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    parser.set_defaults(run=run)


class NoPhotos(Exception):
    """A folder with nothing to restore."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: no photos{'; ' if reason else ''}{reason}")
        self.path, self.reason = path, reason


@dataclass(slots=True)
class _Item:
    """One photo of the run: where it comes from, where it goes, and what became of it."""

    source: Path
    root: Path | None  # the folder it was found in
    target: Path | None = None
    status: str = "waiting"  # restored | skipped | failed | waiting
    error: Exception | None = None
    restored: dict[str, Any] = field(default_factory=dict)

    def fail(self, error: Exception) -> None:
        self.status, self.error = "failed", error

    def as_dict(self) -> dict[str, Any]:
        return {
            "input": str(self.source),
            "output": str(self.target) if self.status in ("restored", "skipped") else None,
            "status": self.status,
            "error": describe(self.error).sentence if self.error is not None else None,
            **self.restored,
        }


def run(args: argparse.Namespace) -> int:
    if args.out is not None and args.out.exists() and not args.out.is_dir():
        raise common.UsageError(f"--out {args.out}: is a file, need a folder")
    edit = common.memory_edit(args)  # before torch is loaded: a slip of the pen is quick to find
    with common.interruptible() as control:
        task, model, path = common.load_model(args, control)
        common.check_memory_edit(args, edit, model.network.config)
        batch = _Batch(args, task, model, path, edit, control)
        stopped = False
        try:
            batch.go()
        except Cancelled:
            stopped = True
        return batch.report(stopped)


class _Batch:
    def __init__(
        self,
        args: argparse.Namespace,
        task: str,
        model: LoadedModel,
        path: Path,
        edit: MemoryEdit | None,
        control: JobControl,
    ) -> None:
        from core import guidance, memory_edit
        from core.image_io import WriteOptions
        from core.restore import RestoreRequest

        self.args, self.task, self.model, self.control = args, task, model, control
        self.options: WriteOptions = WriteOptions(
            format=args.format,
            quality=args.quality,
            bit_depth=args.bit_depth,
            strip_gps=args.strip_gps,
            overwrite=args.overwrite,
        )
        self.began = time.monotonic()
        self.items, self.passed_over = _collect(
            [Path(text) for text in args.inputs], args.recursive, args.out
        )
        if args.mask is not None:
            common.check_takes_masks(model)
        mask = _mask(args.mask, self.items)
        self.request: RestoreRequest = RestoreRequest(
            task=task,
            model=path,
            device=args.device,
            precision=args.precision,
            tile_px=args.tile,
            mute_memory=args.no_memory,
            memory_edit=edit,
            mask=mask,
        )
        self.memory_note, self.mask_note = memory_edit.note(edit, args.no_memory), guidance.note(mask)
        self.originals = {item.source.resolve() for item in self.items}
        self._plan_targets()

    # --- what there is to do ------------------------------------------------------------------------

    def _plan_targets(self) -> None:
        from core import outputs

        taken: dict[Path, Path] = {}
        for item in self.items:
            if item.status == "failed":
                continue
            try:
                target = outputs.output_path(
                    item.source, self.args.out, item.root, self.task, self.args.format
                )
            except Exception as error:
                item.fail(error)
                continue
            first = taken.setdefault(target, item.source)
            if first is not item.source:
                item.fail(FileExistsError(17, f"{first} goes to the same name already", str(target)))
                continue
            item.target = target

    # --- doing it -----------------------------------------------------------------------------------

    def go(self) -> None:
        """Every item in turn. Raises Cancelled."""
        with common.Progress() as progress:  # the label counts the photos
            for index, item in enumerate(self.items):
                self.control.checkpoint()
                if item.status == "waiting":
                    try:
                        self._one(index, item, progress)
                    except Cancelled:
                        raise
                    except Exception as error:  # whatever is wrong with one photo, the rest is restored
                        item.fail(error)
                self._say(item)

    def _one(self, index: int, item: _Item, progress: common.Progress) -> None:
        from core import image_io, outputs
        from core.restore import restore

        assert item.target is not None
        options = self._options_for(item.source, item.target)
        if options is None:
            item.status = "skipped"
            return
        count = len(self.items)
        label = item.source.name if count == 1 else f"{index + 1} of {count}  {item.source.name}"
        progress.show(label, index, count)
        picture = image_io.read(item.source)
        notes: list[str] = []

        def watch(event: object) -> None:
            if isinstance(event, TileDone):
                share = event.index / event.count
                left = self._seconds_left(index + share) if count > 1 else event.seconds_left or 0.0
                note = f"tile {event.index} of {event.count}, {common.clock(left)} left"
                progress.show(label, index + share, count, note)
            elif isinstance(event, LadderStep):
                notes.append(event.reason)
            elif isinstance(event, Notice):
                notes.append(event.text)

        restored = restore(picture, self.request, watch, self.control)
        self.control.checkpoint()
        receipt = outputs.save(restored, picture, item.target, self.args.strength, options)
        item.target = receipt.path
        item.status = "restored"
        item.restored = _facts(restored, receipt, (*restored.notes, *notes))

    def _seconds_left(self, done: float) -> float:
        """For the whole run, ``done`` photos (and parts of one) into it."""
        return (time.monotonic() - self.began) / done * (len(self.items) - done)

    def _options_for(self, source: Path, target: Path) -> WriteOptions | None:
        """How to write this result; None: it is there already. Raises WouldOverwrite before time is spent."""
        from core import image_io, outputs

        if not os.path.lexists(target):
            return self.options
        if self.args.resume:
            args = self.args
            wanted = outputs.fingerprint(
                source,
                self.model.sha256,
                self.task,
                args.strength,
                args.precision,
                args.tile,
                self.options,
                self.memory_note,
                self.mask_note,
            )
            if outputs.is_current(target, wanted):
                return None
        if target.resolve() in self.originals:  # another photo of this run: --overwrite is about results
            raise image_io.WouldOverwrite(target, is_source=True)
        if self.args.resume and _is_ours(target):
            # made by another model, other settings or from an older version of the photo
            return replace(self.options, overwrite=True)
        if not self.options.overwrite:
            raise image_io.WouldOverwrite(target, is_source=False)
        return self.options

    # --- saying it ----------------------------------------------------------------------------------

    def _say(self, item: _Item) -> None:
        if item.error is not None:
            print(f"{item.source}: {describe(item.error).sentence}", file=sys.stderr, flush=True)
        if self.args.json:
            return
        if item.status == "skipped":
            print(f"{item.source}: done already, {item.target}", flush=True)
        elif item.status == "restored":
            facts = item.restored
            size = facts["width"] * facts["height"] / 1e6
            print(
                f"{item.source} -> {item.target}  "
                f"({size:.1f} MP in {facts['seconds']:.1f} s, {facts['megapixels_per_s']:.2f} MP/s)",
                flush=True,
            )
            for line in facts["receipt"]:
                if not line["kept"]:
                    print(f"    {line['what']}: {line['detail']}", flush=True)
            for note in facts["notes"]:
                print(f"    {note}", flush=True)

    def report(self, stopped: bool) -> int:
        """The closing words or the JSON, and the exit code."""
        from core.image_io import passed_over_line

        counts = {
            status: sum(item.status == status for item in self.items)
            for status in ("restored", "skipped", "failed", "waiting")
        }
        seconds = time.monotonic() - self.began
        if self.args.json:
            common.print_json(
                {
                    "task": self.task,
                    "model": self.model.name,
                    "model_sha256": self.model.sha256,
                    "strength": self.args.strength,
                    "memory": self.memory_note,
                    "mask": str(self.args.mask) if self.args.mask is not None else None,
                    "count": len(self.items),
                    **{status: counts[status] for status in ("restored", "skipped", "failed")},
                    "stopped": stopped,
                    "seconds": round(seconds, 3),
                    "images": [item.as_dict() for item in self.items],
                    "passed_over": [{"input": str(one.path), "kind": one.kind} for one in self.passed_over],
                }
            )
        if self.passed_over:
            print(passed_over_line(self.passed_over), file=sys.stderr)
        if stopped:
            finished = counts["restored"] + counts["skipped"]
            print(
                f"Stopped: {finished} of {len(self.items)} photos are restored and kept, the one at hand left "
                "nothing behind. --resume goes on from here.",
                file=sys.stderr,
            )
            return common.EXIT_INTERRUPTED
        if not self.args.json and len(self.items) > 1:
            words = [f"{number} {status}" for status, number in counts.items() if number]
            print(f"{len(self.items)} photos in {common.clock(seconds)}: {', '.join(words)}")
            failed = [item.source for item in self.items if item.status == "failed"]
            if failed and len(self.items) > _SCREENFUL:  # their reasons may have scrolled away
                for source in failed[:_SCREENFUL]:
                    print(f"    failed: {source}")
                if len(failed) > _SCREENFUL:
                    print(f"    and {len(failed) - _SCREENFUL:,} more")
        return common.EXIT_FAILED if counts["failed"] else common.EXIT_OK


def _mask(path: Path | None, items: Sequence[_Item]) -> np.ndarray | None:
    """What --mask names, for the one photo there is. Raises UsageError."""
    if path is None:
        return None
    from core import image_io
    from core.guidance import MaskError, check_size, read_mask

    if len(items) != 1:
        raise common.UsageError(f"--mask {path}: goes with one photo, {len(items)} were given")
    try:
        mask = read_mask(path)
    except MaskError as error:
        raise common.UsageError(f"--mask {error}") from error
    except image_io.ImageError as error:
        raise common.UsageError(f"--mask {path}: {describe(error).sentence}") from error
    if items[0].status != "failed":
        try:
            info = image_io.read_info(items[0].source)
            check_size(mask, info.width, info.height, str(path))
        except MaskError as error:
            raise common.UsageError(f"--mask {error}") from error
        except image_io.ImageError:
            pass  # the photo's own trouble is told where photos are
    return mask


def _is_ours(path: Path) -> bool:
    from core import image_io

    try:
        return image_io.read_provenance(path) is not None
    except image_io.ImageError:
        return False


def _facts(restored: Restored, receipt: Receipt, notes: Sequence[str]) -> dict[str, Any]:
    height, width = restored.pixels.shape[:2]
    return {
        "width": width,
        "height": height,
        "device": restored.device,
        "precision": restored.precision,
        "tile_px": restored.tile_px,
        "seconds": round(restored.seconds, 4),
        "megapixels_per_s": round(restored.megapixels_per_s, 4),
        "sidecar": str(receipt.sidecar) if receipt.sidecar else None,
        "receipt": [{"what": line.what, "kept": line.kept, "detail": line.detail} for line in receipt.lines],
        "notes": list(notes),
    }


def _collect(
    inputs: Sequence[Path], recursive: bool, out: Path | None
) -> tuple[list[_Item], list[PassedOver]]:
    """Photos in the order given, folders in name order, each file once; what cannot be listed has failed.

    And the pictures in folders that cannot be read, unless they were given by name: then they are items.
    """
    items: dict[Path, _Item] = {}
    passed_over: dict[Path, PassedOver] = {}
    for given in inputs:
        unreadable: list[UnreadableFile | NoPhotos] = []
        if given.is_dir():
            others: list[PassedOver] = []
            found = [
                _Item(path, given)
                for path in _photos(given, recursive, out, unreadable.append, others.append)
            ]
            passed_over.update((one.path.absolute(), one) for one in others)
            if not found and not unreadable:
                unreadable.append(NoPhotos(given, _without_photos(given, recursive)))
        else:
            found = [_Item(given, None)]
        for error in unreadable:
            found.append(_Item(error.path, given))
            found[-1].fail(error)
        for item in found:
            items.setdefault(item.source.absolute(), item)
    return list(items.values()), [one for path, one in passed_over.items() if path not in items]


def _without_photos(folder: Path, recursive: bool) -> str:
    """What may be the reason that a folder holds nothing to restore; empty: it is just so."""
    if recursive:
        return ""
    try:
        below = sum(path.is_dir() and not path.name.startswith(".") for path in folder.iterdir())
    except OSError:
        return ""
    if not below:
        return ""
    folders = "folder below it was" if below == 1 else "folders below it were"
    return f"the {below:,} {folders} left out; --recursive goes into them"


def _photos(
    folder: Path,
    recursive: bool,
    out: Path | None,
    on_error: Callable[[UnreadableFile], None],
    on_passed_over: Callable[[PassedOver], None],
) -> Iterator[Path]:
    """A folder's photos without results of earlier runs: those in ``out`` and those named as results."""
    from core import catalog, image_io

    suffixes = tuple(f".{info.suffix}" for info in catalog.TASKS.values())
    root = folder.resolve()
    results = out.resolve() if out is not None and root in out.resolve().parents else None

    def is_result(path: Path) -> bool:
        return path.stem.lower().endswith(suffixes) or (
            results is not None and path.resolve().is_relative_to(results)
        )

    def tell(one: PassedOver) -> None:
        if not is_result(one.path):
            on_passed_over(one)

    for path in image_io.find_images(folder, recursive, on_error, tell):
        if not is_result(path):
            yield path
