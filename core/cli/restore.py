"""``memorynet restore``: photos and folders in, restored photos out; one bad file never stops the rest."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from core import tasks
from core.cli import common, photos

if TYPE_CHECKING:
    import numpy as np

    from core.images.io import PassedOver, Picture, Receipt, UnreadableFile, WriteOptions
    from core.jobs import JobControl
    from core.model.checkpoint import LoadedModel
    from core.model.memory_edit import MemoryEdit
    from core.restoring.records import Restored
    from core.restoring.verdict import Verdict

_SCREENFUL = 20  # lines

_EXAMPLES = """\
examples:
  memorynet restore beach.jpg                     writes beach.derained.jpg beside it
  memorynet restore photos/ --out dry/ --recursive    keeps the folders below photos/
  memorynet restore scan.tif --strength 0.7 --format png
  memorynet restore photos/ --out dry/ --resume   goes on where it was stopped
  memorynet restore storm.jpg --thoroughness 1.5  where rain is left over
  memorynet restore wall.jpg --task deshadow --save-mask    guesses where the shadow is
  memorynet restore wall.jpg --task deshadow --mask wall.mask.png   corrected by hand
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
        "--only", type=Path, metavar="FILE",
        help="restore only here: a grey picture of the photo's size; where it is black not a bit changes",
    )  # fmt: skip
    photos.add_taught(parser)
    parser.add_argument(
        "--save-mask",
        action="store_true",
        help="write the mask that was used beside the result, NAME.mask.png",
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
    with common.interruptible() as control:
        if args.task == tasks.AUTO:
            if args.taught is not None:
                raise common.UsageError(f"--taught {args.taught}: name the task whose damage it speaks of")
            return _AutoBatch(args, *_models_of_all(args, edit, control), edit, control).run()
        task, model, path = common.load_model(args, control)
        common.check_memory_edit(args, edit, model.network.config)
        return _Batch(args, task, model, path, edit, control).run()


class _Batch(photos.Batch):
    done_words: ClassVar[tuple[str, ...]] = ("restored", "skipped")
    step_word = "tile"
    stopped_words = "restored and kept, the one at hand left nothing behind. --resume goes on from here."

    def __init__(
        self,
        args: argparse.Namespace,
        task: str,
        model: LoadedModel,
        path: Path,
        edit: MemoryEdit | None,
        control: JobControl,
    ) -> None:
        super().__init__(args, model, control)
        self._begin(task)
        if isinstance(args.mask, Path):
            common.check_takes_masks(model)
        guess = common.guesses(args.mask, model)
        mask = _mask(args.mask if isinstance(args.mask, Path) else None, self.items, "--mask")
        only = _mask(args.only, self.items, "--only")
        taught = photos.read_taught(args, self.items)
        self.request = photos.request(args, task, path, mask, edit, guess, only, taught)
        self._plan_targets()

    def _begin(self, task: str) -> None:
        from core.images.io import WriteOptions

        args = self.args
        self.task = task
        self.verdicts: dict[Path, Verdict] = {}
        self.options: WriteOptions = WriteOptions(
            format=args.format,
            quality=args.quality,
            bit_depth=args.bit_depth,
            strip_gps=args.strip_gps,
            overwrite=args.overwrite,
            longest_px=args.longest_edge,
        )
        self.take(*_collect(args))

    # --- what there is to do ------------------------------------------------------------------------

    def _plan_targets(self) -> None:
        from core.restoring import outputs

        taken: dict[Path, Path] = {}
        for item in self.items:
            if item.status == photos.FAILED:
                continue
            try:
                target = outputs.output_path(
                    item.source,
                    self.args.out,
                    item.root,
                    self.task,
                    self.args.format,
                    self.args.naming or outputs.NAMING,
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

    def one(self, index: int, item: photos.Item, progress: common.Progress) -> None:
        from core.images import io as image_io
        from core.restoring.restore import restore

        assert item.target is not None
        options = self._options_for(item.source, item.target)
        if options is None:
            item.status = "skipped"
            return
        watch, notes = self.watch(index, item, progress)
        picture = image_io.read(item.source)
        restored = restore(picture, self.request, watch, self.control)
        self.control.checkpoint()
        self._save(item, picture, restored, options, notes)

    def _save(
        self,
        item: photos.Item,
        picture: Picture,
        restored: Restored,
        options: WriteOptions,
        notes: Sequence[str],
    ) -> None:
        from core.restoring import outputs

        assert item.target is not None
        receipt = outputs.save(restored, picture, item.target, self.args.strength, options)
        item.target = receipt.path
        saved_mask = None
        if self.args.save_mask and restored.guide is not None:
            saved_mask = outputs.mask_path(item.source, item.target)
            outputs.save_mask(restored.guide, saved_mask, options.overwrite)
        item.status = "restored"
        item.facts = _facts(restored, receipt, (*restored.notes, *notes))
        item.facts["mask_saved"] = str(saved_mask) if saved_mask else None
        self.verdicts[item.source] = restored.verdict

    def _options_for(self, source: Path, target: Path) -> WriteOptions | None:
        """How to write this result; None: it is there already. Raises WouldOverwrite before time is spent."""
        from core.images import io as image_io
        from core.restoring import outputs

        if not os.path.lexists(target):
            return self.options
        if self.args.resume:
            wanted = outputs.fingerprint(
                source, self.model.sha256, self.request, self.args.strength, self.options
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

    def lines(self, item: photos.Item) -> Iterator[str]:
        if item.status == "skipped":
            yield f"{item.source}: done already, {item.target}"
        elif item.status == "restored":
            facts = item.facts
            size = facts["width"] * facts["height"] / 1e6
            yield (
                f"{item.source} -> {item.target}  "
                f"({size:.1f} MP in {facts['seconds']:.1f} s, {facts['megapixels_per_s']:.2f} MP/s)"
            )
            yield from self._verdict_lines(item)
            for line in facts["receipt"]:
                if not line["kept"]:
                    yield f"    {line['what']}: {line['detail']}"
            if facts["mask_saved"]:
                yield f"    mask: {facts['mask_saved']}"
            for note in facts["notes"]:
                yield f"    {note}"

    def settings(self) -> dict[str, Any]:
        return {
            "only": str(self.args.only) if self.args.only else None,
            "taught": str(self.args.taught) if self.args.taught else None,
            "strength": self.args.strength,
            "scale": self.args.scale,
            "memory": self.request.record()["memory"],
        }

    def _verdict_lines(self, item: photos.Item) -> Iterator[str]:
        from core.restoring.verdict import advice, words

        verdict = self.verdicts[item.source]
        told = words(verdict, self.task)
        at = "" if verdict.scale == "1" else f"at {verdict.scale} of its size"
        line = ", ".join(part for part in (told, at) if part)
        if line:
            yield f"    {line[0].upper()}{line[1:]}"
        if help_text := advice(verdict, self.task):
            yield f"    {help_text}"

    def last_lines(self) -> Iterator[str]:
        failed = [item.source for item in self.items if item.status == photos.FAILED]
        if failed and len(self.items) > _SCREENFUL:  # their reasons may have scrolled away
            for source in failed[:_SCREENFUL]:
                yield f"    failed: {source}"
            if len(failed) > _SCREENFUL:
                yield f"    and {len(failed) - _SCREENFUL:,} more"


class _AutoBatch(_Batch):
    """Each photo for what it shows, by the models' own looks (:mod:`core.restoring.which`)."""

    done_words = ("restored", "skipped", "untouched", "undecided")

    def __init__(
        self,
        args: argparse.Namespace,
        paths: Mapping[str, Path],
        models: Mapping[str, LoadedModel],
        edit: MemoryEdit | None,
        control: JobControl,
    ) -> None:
        photos.Batch.__init__(self, args, _Several(tuple(models.values())), control)
        self.models, self.edit = models, edit
        self.paths = paths
        self.targets: dict[Path, Path] = {}  # target -> source
        self.said: dict[Path, str] = {}
        self._begin(tasks.AUTO)
        self.only = _mask(args.only, self.items, "--only")

    def one(self, index: int, item: photos.Item, progress: common.Progress) -> None:
        from core.images import io as image_io
        from core.restoring import outputs, which

        args = self.args
        watch, notes = self.watch(index, item, progress)
        picture = image_io.read(item.source)
        seen = which.look(picture, self.paths, self.control, device=args.device, precision=args.precision)
        item.facts = seen.as_dict()
        self.said[item.source] = seen.words
        if not seen.is_sure or not seen.tasks:
            item.status = "undecided" if not seen.is_sure else "untouched"
            return
        requests = [
            photos.request(
                args, task, self.paths[task], None, self.edit, common.guesses(args.mask, self.models[task]), self.only
            )
            for task in seen.tasks
        ]  # fmt: skip
        # what the name, the verdict and --resume go by; several at once are made anew
        self.task = seen.tasks[0] if len(seen.tasks) == 1 else "several"
        self.request, self.model = requests[-1], _Several([self.models[task] for task in seen.tasks])
        item.target = outputs.output_path(
            item.source, args.out, item.root, self.task, args.format, args.naming or outputs.NAMING
        )
        first = self.targets.setdefault(item.target, item.source)
        if first is not item.source:
            raise FileExistsError(17, f"{first} goes to the same name already", str(item.target))
        options = self._options_for(item.source, item.target)
        if options is None:
            item.status = "skipped"
            return
        restored = which.restore_each(picture, requests, watch, self.control)
        self.control.checkpoint()
        told = dict(item.facts)
        self._save(item, picture, restored, options, notes)
        item.facts = {**told, **item.facts}

    def lines(self, item: photos.Item) -> Iterator[str]:
        if item.status == "undecided":
            yield f"{item.source}: {self.said[item.source].lower()}; nothing was done, name it with --task"
        elif item.status == "untouched":
            yield f"{item.source}: {self.said[item.source].lower()}; nothing was written"
        else:
            yield from super().lines(item)
            if item.status == "restored":
                yield f"    {self.said[item.source]}"

    def settings(self) -> dict[str, Any]:
        args = self.args
        return {
            "task": tasks.AUTO,
            "model": ", ".join(model.name for model in self.models.values()),
            "model_sha256": ", ".join(model.sha256 for model in self.models.values()),
            "only": str(args.only) if args.only else None,
            "strength": args.strength,
            "scale": args.scale,
        }


class _Several:
    """Models as one, to be told of."""

    def __init__(self, models: Sequence[LoadedModel]) -> None:
        self.task = ", ".join(model.task for model in models)
        self.name = ", ".join(model.name for model in models)
        self.sha256 = ", ".join(model.sha256 for model in models)


def _models_of_all(
    args: argparse.Namespace, edit: MemoryEdit | None, control: JobControl
) -> tuple[Mapping[str, Path], Mapping[str, LoadedModel]]:
    """Every task's own model, where it lies and as it is. Raises UsageError for options that speak of one model."""
    if args.model:
        raise common.UsageError("--task auto: each task takes its own model, not with --model")
    if isinstance(args.mask, Path):
        raise common.UsageError(f"--task auto: not with --mask {args.mask}; a mask says that it is a shadow")
    common.import_aside(control, "core.restoring.restore")
    from core.model.checkpoint import CheckpointError
    from core.restoring import which
    from core.restoring.restore import load_model

    found, paths = {}, which.models()
    try:
        for task, path in paths.items():
            found[task] = load_model(path, "cpu", "fp32")
            common.check_memory_edit(args, edit, found[task].network.config)
    except CheckpointError as error:
        raise common.UsageError(str(error)) from error
    if not found:
        raise common.UsageError("--task auto: no model is at hand")
    return paths, found


def _mask(path: Path | None, items: Sequence[photos.Item], option: str) -> np.ndarray | None:
    """What an option names, of the size of the one photo there is. Raises UsageError."""
    from core.data.guidance import MaskError, check_size
    from core.images import io as image_io

    mask = photos.read_mask(path, items, option)
    if mask is not None and items[0].status != photos.FAILED:
        try:
            info = image_io.read_info(items[0].source)
            check_size(mask, info.width, info.height, str(path))
        except MaskError as error:
            raise common.UsageError(f"{option} {error}") from error
        except image_io.ImageError:
            pass  # the photo's own trouble is told where photos are
    return mask


def _is_ours(path: Path) -> bool:
    from core.images import io as image_io

    try:
        return image_io.read_provenance(path) is not None
    except image_io.ImageError:
        return False


def _facts(restored: Restored, receipt: Receipt, notes: Sequence[str]) -> dict[str, Any]:
    height, width = restored.pixels.shape[:2]
    return {
        "width": width,
        "height": height,
        **restored.verdict.as_dict(),
        "device": restored.device,
        "precision": restored.precision,
        "tile_px": restored.tile_px,
        "seconds": round(restored.seconds, 4),
        "megapixels_per_s": round(restored.megapixels_per_s, 4),
        "sidecar": str(receipt.sidecar) if receipt.sidecar else None,
        "receipt": [{"what": line.what, "kept": line.kept, "detail": line.detail} for line in receipt.lines],
        "notes": list(notes),
    }


def _collect(args: argparse.Namespace) -> tuple[list[photos.Item], list[PassedOver]]:
    """The photos to restore, without results of earlier runs, and the pictures passed over."""
    return photos.collect(
        args.inputs,
        lambda folder, *on: _photos(folder, args.recursive, args.out, *on),
        lambda folder: _without_photos(folder, args.recursive),
    )


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
    from core import tasks
    from core.images import io as image_io
    from core.restoring.outputs import MASK_SUFFIX

    suffixes = tuple(f".{suffix}" for suffix in tasks.suffixes())
    root = folder.resolve()
    results = out.resolve() if out is not None and root in out.resolve().parents else None

    def is_result(path: Path) -> bool:
        return path.stem.lower().endswith((*suffixes, MASK_SUFFIX)) or (
            results is not None and path.resolve().is_relative_to(results)
        )

    def tell(one: PassedOver) -> None:
        if not is_result(one.path):
            on_passed_over(one)

    for path in image_io.find_images(folder, recursive, on_error, tell):
        if not is_result(path):
            yield path
