"""``memorynet inspect``: what the memory sees in photos, as pictures and numbers; one bad file never stops the rest."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import __version__
from core import cli_common as common
from core.events import LadderStep, TileDone
from core.jobs import Cancelled, JobControl
from core.problems import describe

if TYPE_CHECKING:
    import numpy as np

    from core.checkpoint import LoadedModel
    from core.contact_sheet import NearSample
    from core.exemplars import SampleMemory
    from core.health import MemoryHealth
    from core.image_io import Picture
    from core.inspection import Inspection
    from core.restore import RestoreRequest

_SUFFIX = "inspected"  # of folders beside photos
_NUMBERS = "inspection.json"

_EXAMPLES = """\
examples:
  memorynet inspect beach.jpg                     writes beach.inspected/ beside it
  memorynet inspect photos/ --out seen/           writes seen/NAME/ for each photo
  memorynet inspect street.png --mask shadow.png  tells where the damage is

what is written for each photo:
  negative-before.png, negative-after.png   how much each place looks like damage
  positive-part.png, ...                    which slot each place looks up most, by polarity
                                            (positive: clean structure, negative: damage) and
                                            granularity (part, instance, semantic)
  contact-sheet.png                         the most used slots, with the places of the photo that
                                            look them up and the learned samples most like them
  inspection.json                           all the numbers
"""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "inspect",
        help="show what the memory sees in photos",
        description="Restore photos and show what the network's memory sees in them, before and after.\n"
        "Originals are never changed.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("inputs", nargs="+", metavar="IMAGE", help="a photo or a folder of photos")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for the pictures, in DIR/NAME/ [beside each photo]"
    )
    common.add_model_options(parser)
    parser.add_argument(
        "--mask", type=Path, metavar="FILE",
        help="where the damage is: a grey picture of the photo's size, white on damage; for one photo",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace pictures that are there already")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    parser.set_defaults(run=run)


@dataclass(slots=True)
class _Item:
    source: Path
    folder: Path | None = None
    status: str = "waiting"  # inspected | failed | waiting
    error: Exception | None = None
    found: dict[str, Any] = field(default_factory=dict)

    def fail(self, error: Exception) -> None:
        self.status, self.error = "failed", error

    def as_dict(self) -> dict[str, Any]:
        return {
            "input": str(self.source),
            "output": str(self.folder) if self.status == "inspected" else None,
            "status": self.status,
            "error": describe(self.error).sentence if self.error is not None else None,
            **self.found,
        }


def run(args: argparse.Namespace) -> int:
    if args.out is not None and args.out.exists() and not args.out.is_dir():
        raise common.UsageError(f"--out {args.out}: is a file, need a folder")
    items = _collect([Path(text) for text in args.inputs])
    mask = _mask(args.mask, items)
    with common.interruptible() as control:
        _task, model, path = common.load_model(args, control)
        from core import inspection
        from core.restore import RestoreError, check_takes_masks

        try:
            inspection.check_memory(model)
            if mask is not None:
                check_takes_masks(model)
        except RestoreError as error:
            raise common.UsageError(str(error)) from error
        batch = _Batch(args, items, mask, model, path, control)
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
        items: list[_Item],
        mask: np.ndarray | None,
        model: LoadedModel,
        path: Path,
        control: JobControl,
    ) -> None:
        from core.exemplars import load_beside
        from core.restore import RestoreRequest

        self.args, self.items, self.model, self.control = args, items, model, control
        self.request: RestoreRequest = RestoreRequest(
            task=model.task,
            model=path,
            device=args.device,
            precision=args.precision,
            tile_px=args.tile,
            mask=mask,
        )
        self.samples: SampleMemory | None
        self.samples, self.without_samples = load_beside(path)
        self.began = time.monotonic()
        self.usages: list[np.ndarray] = []  # (R,) of each photo
        self.originals = {item.source.resolve() for item in items}
        self._plan_folders()

    def _plan_folders(self) -> None:
        taken: dict[Path, Path] = {}
        for item in self.items:
            if item.status == "failed":
                continue
            stem = item.source.stem
            item.folder = (
                self.args.out / stem if self.args.out else item.source.with_name(f"{stem}.{_SUFFIX}")
            )
            first = taken.setdefault(item.folder, item.source)
            if first is not item.source:
                item.fail(FileExistsError(17, f"{first} goes to the same folder already", str(item.folder)))

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
                    except Exception as error:  # whatever is wrong with one photo, the rest is inspected
                        item.fail(error)
                self._say(item)

    def _one(self, index: int, item: _Item, progress: common.Progress) -> None:
        from core import image_io
        from core.contact_sheet import nearest_samples
        from core.inspection import inspect

        assert item.folder is not None
        self._refuse_others_files(item.folder)
        count = len(self.items)
        label = item.source.name if count == 1 else f"{index + 1} of {count}  {item.source.name}"
        progress.show(label, index, count)
        picture = image_io.read(item.source)
        notes: list[str] = []

        def watch(event: object) -> None:
            if isinstance(event, TileDone):
                share = event.index / event.count
                left = self._seconds_left(index + share) if count > 1 else event.seconds_left or 0.0
                note = f"step {event.index} of {event.count}, {common.clock(left)} left"
                progress.show(label, index + share, count, note)
            elif isinstance(event, LadderStep):
                notes.append(event.reason)

        found = inspect(picture, self.request, watch, self.control)
        near = nearest_samples(found, self.samples)
        pictures = _pictures(picture, found, near, self.without_samples or "")
        numbers = found.as_dict()
        for told, top in zip(numbers["top_slots"], found.top, strict=True):
            told["nearest_samples"] = [sample.as_dict() for sample in near[top.row]]
        numbers["notes"] += notes
        numbers["without_samples"] = self.without_samples
        self.control.checkpoint()
        files = self._write(item, pictures, numbers)
        item.found = {**numbers, "files": files}
        item.status = "inspected"
        self.usages.append(found.usage)

    def _refuse_others_files(self, folder: Path) -> None:
        """Raises WouldOverwrite before time is spent."""
        from core.image_io import WouldOverwrite
        from core.inspection_pictures import PICTURES

        for name in (*PICTURES, _NUMBERS):
            target = folder / name
            if target.resolve() in self.originals:  # --overwrite is about results
                raise WouldOverwrite(target, is_source=True)
            if os.path.lexists(target) and not self.args.overwrite:
                raise WouldOverwrite(target, is_source=False)

    def _write(
        self, item: _Item, pictures: Mapping[str, np.ndarray], numbers: Mapping[str, Any]
    ) -> list[str]:
        from core import checkpoint, image_io

        assert item.folder is not None
        options = image_io.WriteOptions(overwrite=self.args.overwrite)
        for name, pixels in pictures.items():
            image_io.write(item.folder / name, image_io.from_array(pixels, name), options)
        record = {"software": "MemoryNet", "versions": _versions(), "input": str(item.source), **numbers}
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

        def write(temporary: Path) -> None:
            temporary.write_text(text, encoding="utf-8")

        checkpoint.write_atomically(item.folder / _NUMBERS, write)
        return [*pictures, _NUMBERS]

    def _seconds_left(self, done: float) -> float:
        """For the whole run, ``done`` photos (and parts of one) into it."""
        return (time.monotonic() - self.began) / done * (len(self.items) - done)

    # --- saying it ----------------------------------------------------------------------------------

    def _say(self, item: _Item) -> None:
        if item.error is not None:
            print(f"{item.source}: {describe(item.error).sentence}", file=sys.stderr, flush=True)
        if self.args.json or item.status != "inspected":
            return
        for line in _lines(item):
            print(line, flush=True)

    def report(self, stopped: bool) -> int:
        """The closing words or the JSON, and the exit code."""
        counts = {
            status: sum(item.status == status for item in self.items)
            for status in ("inspected", "failed", "waiting")
        }
        health = self._health()
        seconds = time.monotonic() - self.began
        if self.args.json:
            common.print_json(
                {
                    "task": self.model.task,
                    "model": self.model.name,
                    "model_sha256": self.model.sha256,
                    "versions": _versions(),
                    "mask": str(self.args.mask) if self.args.mask is not None else None,
                    "without_samples": self.without_samples,
                    "count": len(self.items),
                    "inspected": counts["inspected"],
                    "failed": counts["failed"],
                    "stopped": stopped,
                    "seconds": round(seconds, 3),
                    "health": health.as_dict() if health is not None else None,
                    "images": [item.as_dict() for item in self.items],
                }
            )
        elif health is not None:
            for line in _health_lines(health, len(self.usages)):
                print(line)
            if self.without_samples:
                print(f"The contact sheets show no learned samples: {self.without_samples}")
        if stopped:
            print(
                f"Stopped: {counts['inspected']} of {len(self.items)} photos are inspected and kept.",
                file=sys.stderr,
            )
            return common.EXIT_INTERRUPTED
        if not self.args.json and len(self.items) > 1:
            words = [f"{number} {status}" for status, number in counts.items() if number]
            print(f"{len(self.items)} photos in {common.clock(seconds)}: {', '.join(words)}")
        return common.EXIT_FAILED if counts["failed"] else common.EXIT_OK

    def _health(self) -> MemoryHealth | None:
        """Of the memory over all photos, each counting alike."""
        import numpy as np

        from core.health import health

        memory = self.model.network.memory
        if not self.usages or memory is None:
            return None
        return health(np.mean(self.usages, axis=0), memory.table(), memory.row_slices())


def _collect(inputs: Sequence[Path]) -> list[_Item]:
    """Photos in the order given, folders in name order, each file once; what cannot be listed has failed."""
    from core import image_io
    from core.cli_restore import NoPhotos

    items: dict[Path, _Item] = {}
    for given in inputs:
        unreadable: list[image_io.UnreadableFile | NoPhotos] = []
        found = [_Item(given)]
        if given.is_dir():
            found = [_Item(path) for path in image_io.find_images(given, False, unreadable.append)]
            if not found and not unreadable:
                unreadable.append(NoPhotos(given, ""))
        for error in unreadable:
            found.append(_Item(error.path))
            found[-1].fail(error)
        for item in found:
            items.setdefault(item.source.absolute(), item)
    return list(items.values())


def _mask(path: Path | None, items: Sequence[_Item]) -> np.ndarray | None:
    """What --mask names, for the one photo there is. Raises UsageError."""
    if path is None:
        return None
    from core.guidance import MaskError, read_mask
    from core.image_io import ImageError

    if len(items) != 1:
        raise common.UsageError(f"--mask {path}: goes with one photo, {len(items)} were given")
    try:
        return read_mask(path)
    except MaskError as error:
        raise common.UsageError(f"--mask {error}") from error
    except ImageError as error:
        raise common.UsageError(f"--mask {path}: {describe(error).sentence}") from error


def _pictures(
    picture: Picture, found: Inspection, near: Mapping[int, Sequence[NearSample]], without_samples: str
) -> dict[str, np.ndarray]:
    """File name -> pixels, in the order of :data:`core.inspection_pictures.PICTURES`."""
    from core import inspection_pictures as drawing
    from core.contact_sheet import contact_sheet

    photo = drawing.shown_photo(picture.pixels, picture.icc)
    restored = drawing.shown_photo(found.restored.pixels, picture.icc)
    maps = drawing.maps(photo, restored, found)
    sheet = contact_sheet(picture.pixels, picture.icc, found, near, without_samples)
    return {**maps, drawing.SHEET: sheet}


def _versions() -> dict[str, str]:
    import torch

    return {"memorynet": __version__, "torch": str(torch.__version__), "python": platform.python_version()}


# --- words ---------------------------------------------------------------------------------------


def _lines(item: _Item) -> list[str]:
    found = item.found
    before, after = (found["negative_response"][side] for side in ("before", "after"))
    size = found["width"] * found["height"] / 1e6
    lines = [
        f"{item.source} -> {item.folder}{os.sep}  ({size:.1f} MP in {found['seconds']:.1f} s)",
        f"    looks like damage: {before['area']:.1%} of the photo before, {after['area']:.1%} after "
        f"(mean {before['mean']:.3f}, then {after['mean']:.3f})",
        f"    {'polarity':9} {'slots':9} {'used':>8} {'evenness':>9}   most looked up",
    ]
    for group in found["health_on_this_photo"]["groups"]:
        key = (group["polarity"], group["granularity"])
        top = [slot for slot in found["top_slots"] if (slot["polarity"], slot["granularity"]) == key][:3]
        names = ", ".join(f"{slot['slot']} ({slot['usage']:.0%})" for slot in top)
        used = f"{group['slots'] - len(group['dead'])} of {group['slots']}"
        unread = "" if found["is_read"][" ".join(key)] else "; not read by this model"
        lines.append(f"    {key[0]:9} {key[1]:9} {used:>8} {group['entropy']:>9.2f}   {names}{unread}")
    lines += [f"    {note}" for note in found["notes"]]
    return lines


def _health_lines(health: MemoryHealth, photos: int) -> list[str]:
    over = "this photo" if photos == 1 else f"these {photos} photos"
    lines = [
        f"Health of the memory over {over}: {health.dead} of {health.slots} slots unused, "
        f"{health.duplicates} duplicates, evenness {health.entropy:.2f} (0 one slot does all, 1 all alike)."
    ]
    if photos == 1 and health.dead:
        lines.append("One photo uses few of them; judge what is unused over many photos.")
    return lines
