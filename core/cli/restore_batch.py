"""The photos of one ``memorynet restore``: which there are, where each goes, and what is said of it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
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


class Batch(photos.Batch):
    """Photos and folders for one task, with one model."""

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
        mask = read_mask(args.mask if isinstance(args.mask, Path) else None, self.items, "--mask")
        only, guess_only = read_only(args, self.items)
        taught = photos.read_taught(args, self.items)
        self.request = photos.request(args, task, path, mask, edit, guess, only, taught, guess_only)
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
        saved: dict[str, str | None] = {}
        for name, suffix, mask in (
            ("mask_saved", outputs.MASK_SUFFIX, restored.guide),
            ("only_saved", outputs.ONLY_SUFFIX, restored.limit),
        ):
            saved[name] = None
            if self.args.save_mask and mask is not None:
                path = outputs.mask_path(item.source, item.target, suffix)
                outputs.save_mask(mask, path, options.overwrite)
                saved[name] = str(path)
        item.status = "restored"
        item.facts = _facts(restored, receipt, (*restored.notes, *notes))
        item.facts |= saved
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
            size = photos.size_words(facts["width"], facts["height"])
            yield (
                f"{item.source} -> {item.target}  "
                f"({size} in {facts['seconds']:.1f} s, {facts['megapixels_per_s']:.2f} MP/s)"
            )
            yield from self._verdict_lines(item)
            for line in facts["receipt"]:
                if not line["kept"]:
                    yield f"    {line['what']}: {line['detail']}"
            for name in ("mask", "only"):
                if facts[f"{name}_saved"]:
                    yield f"    {name}: {facts[f'{name}_saved']}"
            for note in facts["notes"]:
                yield f"    {note}"

    def settings(self) -> dict[str, Any]:
        return {
            "only": str(self.args.only) if self.args.only else None,
            "taught": str(self.args.taught) if self.args.taught else None,
            "strength": self.args.strength,
            "scale": self.args.scale,
            "keep_smear": not self.args.undo,
            "memory": self.request.record()["memory"],
        }

    def _verdict_lines(self, item: photos.Item) -> Iterator[str]:
        from core.restoring.verdict import advice, words

        verdict = self.verdicts[item.source]
        found = words(verdict, self.task)
        at = "" if verdict.scale == "1" else f"at {verdict.scale} of its size"
        line = ", ".join(part for part in (found, at) if part)
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


def read_only(args: argparse.Namespace, items: Sequence[photos.Item]) -> tuple[np.ndarray | None, bool]:
    """What --only names, and whether it is to be guessed. Raises UsageError."""
    return read_mask(args.only if isinstance(args.only, Path) else None, items, "--only"), args.only == "auto"


def read_mask(path: Path | None, items: Sequence[photos.Item], option: str) -> np.ndarray | None:
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
    from core.images import io as image_io
    from core.restoring.outputs import MASK_SUFFIX, ONLY_SUFFIX

    suffixes = tuple(f".{suffix}" for suffix in tasks.suffixes())
    root = folder.resolve()
    results = out.resolve() if out is not None and root in out.resolve().parents else None

    def is_result(path: Path) -> bool:
        return path.stem.lower().endswith((*suffixes, MASK_SUFFIX, ONLY_SUFFIX)) or (
            results is not None and path.resolve().is_relative_to(results)
        )

    def tell(one: PassedOver) -> None:
        if not is_result(one.path):
            on_passed_over(one)

    for path in image_io.find_images(folder, recursive, on_error, tell):
        if not is_result(path):
            yield path
