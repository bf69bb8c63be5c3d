"""``memorynet inspect``: what the memory sees in photos, as pictures and numbers; one bad file never stops the rest."""

from __future__ import annotations

import argparse
import json
import os
import platform
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import __version__
from core.cli import common, inspect_words, photos, share, stopping, usage
from core.model.config import POLARITIES

if TYPE_CHECKING:
    import numpy as np

    from core.images.io import PassedOver, Picture
    from core.jobs import JobControl
    from core.model.checkpoint import LoadedModel
    from core.model.exemplars import SampleMemory
    from core.model.health import MemoryHealth
    from core.model.memory_edit import MemoryEdit
    from core.restoring.memory.contact_sheet import NearSample
    from core.restoring.memory.inspection import Inspection
    from core.restoring.memory.probe import Probe
    from core.restoring.memory.record import MemoryLook

_SUFFIX = "inspected"  # of folders beside photos
_NUMBERS = "inspection.json"
_OF_THE_FILE = ("software", "versions", "input")  # what a record has beside what is told of the photo
_SOFTWARE = "MemoryNet"
_MOST_NUMBERS = 64 << 20  # bytes; with the maps of a large photo
_RESTORED = "restored"  # the photo without its damage, in its own format where that can be written

_EXAMPLES = """\
examples:
  memorynet inspect beach.jpg                     writes beach.inspected/ beside it
  memorynet inspect photos/ --out seen/           writes seen/NAME/ for each photo
  memorynet inspect street.png --mask shadow.png  tells where the damage is
  memorynet inspect beach.jpg --no-memory         what looks like damage after restoring without
  memorynet inspect beach.jpg --place 1200,800    everything about that place of the photo
  memorynet inspect beach.jpg --place 1200,800,300,200    the same of a region, on average
  memorynet inspect photos/ --out seen/ --resume  goes on where it was stopped
  memorynet inspect photos/ --usage               how much each slot is used, over all of them

what is written for each photo:
  negative-before.png, negative-after.png   how much each place looks like damage
  positive-part.png, ...                    which slot each place looks up most, by polarity
                                            (positive: clean structure, negative: damage) and
                                            granularity (part, instance, semantic)
  contact-sheet.png                         the most used slots, with the places of the photo that
                                            look them up and the learned samples most like them
  restored.png (.jpg, .tif, ...)            the photo as it was restored, to look at beside them
  inspection.json                           all the numbers; with --maps the maps, too
  place-X-Y.png                             with --place: where in the photo the content of the
                                            memory came from that is read at this place

photos of one name (a.jpg and a.png; with --out also those of two folders) get folders of their
own: a, a-2, a-3, ... in the order the photos come in.

--place X,Y may be given several times (pixels, from the upper left; X,Y,W,H for a region). It
tells all slot weights there, how much of what is read was learned and how much is the photo's own,
what the memory does to the pixels around it (restored with and without, in levels of 255), and the
learned samples most like it beside the similarity that a usual place of the photo has.

--effects tells by how many levels of 255 the photo changes around the place that looks a slot up
most when that slot is muted.

--no-memory, --memory-edit, --taught and --thoroughness change what restoring reads from the slots,
so they show in negative-after.png and its numbers alone. Where the photo looks in the memory, and
so every other picture, stays as it is; a slot that is muted is still looked up. memorynet restore
--help explains the memory and how to edit it.
"""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "inspect",
        help="show what the memory sees in photos",
        description="Restore photos and show what the network's memory sees in them, before and after.\n"
        "Originals are never changed. Pictures in a folder of kinds that cannot be read (animations,\n"
        "Photoshop, HDR, ...) are passed over: they are named at the end and count as no failure.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("inputs", nargs="+", metavar="IMAGE", help="a photo or a folder of photos")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for the pictures, in DIR/NAME/ [beside each photo]"
    )
    common.add_model_options(parser)
    common.add_scale_option(parser)
    common.add_memory_options(parser)
    parser.add_argument(
        "--mask", type=common.mask_type, metavar="none|auto|FILE",
        help="where the damage is: a grey picture of the photo's size, white on damage, for one photo; or auto: it is "
        "guessed, as restoring does; for models trained with masks [auto for shadows, none for all else]",
    )  # fmt: skip
    photos.add_taught(parser)
    parser.add_argument(
        "--place", type=_place_type, action="append", default=[], metavar="X,Y[,W,H]",
        help="tell everything about this place or region, in pixels; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--usage", action="store_true",
        help="only tell how much each slot is used over all the photos, and how many stay unused; writes nothing",
    )  # fmt: skip
    parser.add_argument(
        "--effects", action="store_true",
        help="measure what muting each of the most used slots changes, where the photo looks it up most; takes longer",
    )  # fmt: skip
    parser.add_argument(
        "--maps", action="store_true",
        help="write the maps into inspection.json, too: the response before and after, the slots of every cell with their "
        "weights, and of each --place where in the photo its content came from",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace pictures that are there already")
    parser.add_argument(
        "--resume", action="store_true",
        help="skip photos that were inspected just so already, and finish those that were begun",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    parser.set_defaults(run=run)


def _place_type(text: str) -> tuple[int, ...]:
    """Two numbers for a place, four for a region."""
    try:
        place = tuple(int(part) for part in text.split(","))
    except ValueError:
        place = ()
    if len(place) not in (2, 4):
        raise argparse.ArgumentTypeError(f"need whole numbers X,Y or X,Y,WIDTH,HEIGHT, got {text!r}")
    if min(place[:2]) < 0 or min(place[2:], default=1) < 1:
        raise argparse.ArgumentTypeError(f"need a place from 0,0 on and at least a pixel of it, got {text}")
    return place


def run(args: argparse.Namespace) -> int:
    from core.images import io as image_io

    photos.check_out(args)
    edit = common.memory_edit(args)
    items, passed_over = photos.collect(
        args.inputs, lambda folder, *on: image_io.find_images(folder, False, *on), lambda _: ""
    )
    mask = photos.read_mask(args.mask if isinstance(args.mask, Path) else None, items)
    with stopping.interruptible() as control:
        _task, model, path = common.load_model(args, control)
        from core.restoring.memory import inspection
        from core.restoring.records import RestoreError

        try:
            inspection.check_memory(model)
        except RestoreError as error:
            raise common.UsageError(str(error)) from error
        if args.usage:
            if not share.of_environment(control).is_first:
                return common.EXIT_OK  # one table over all photos is one process's work
            return usage.run(args, items, path, model, control)
        if mask is not None:
            common.check_takes_masks(model)
        common.check_memory_edit(args, edit, model.network.config)
        return _Batch(args, items, passed_over, mask, edit, model, path, control).run()


class _Batch(photos.Batch):
    done_words = ("inspected", "skipped")
    step_word = "step"
    stopped_words = "inspected and kept. --resume goes on from here."

    def __init__(
        self,
        args: argparse.Namespace,
        items: list[photos.Item],
        passed_over: list[PassedOver],
        mask: np.ndarray | None,
        edit: MemoryEdit | None,
        model: LoadedModel,
        path: Path,
        control: JobControl,
    ) -> None:
        from core.model import memory_edit
        from core.model.exemplars import load_beside

        super().__init__(args, model, control)
        self.network = model.network
        self.take(items, passed_over)
        taught = photos.read_taught(args, items)
        guess = common.guesses(args.mask, model)
        self.request = photos.request(args, model.task, path, mask, edit, guess, taught=taught)
        self.memory_note = memory_edit.note(self.request.memory_edit, args.no_memory)
        self.samples: SampleMemory | None
        self.samples, self.without_samples = load_beside(path)
        self.usages: list[np.ndarray] = []  # (R,) of each photo
        self.heard: list[np.ndarray | None] = []  # (C,) of each photo
        self._plan_folders()

    def _plan_folders(self) -> None:
        """Photos of one name get NAME, NAME-2, NAME-3, ... in their order, whatever is on the disk already."""
        waiting = [item for item in self.items if item.status == photos.WAITING]
        taken: set[tuple[Path, str]] = set()
        others = []
        for item in waiting:
            item.target = self._folder(item.source, item.source.stem)
            if _same(item.target) in taken:
                others.append(item)
            taken.add(_same(item.target))
        for item in others:  # last, so that a photo that is itself called NAME-2 keeps its name
            number = 1
            while item.target is None or _same(item.target) in taken:
                number += 1
                item.target = self._folder(item.source, f"{item.source.stem}-{number}")
            taken.add(_same(item.target))

    def _folder(self, source: Path, name: str) -> Path:
        out: Path | None = self.args.out
        return out / name if out is not None else source.with_name(f"{name}.{_SUFFIX}")

    # --- doing it -----------------------------------------------------------------------------------

    def one(self, index: int, item: photos.Item, progress: common.Progress) -> None:
        from core.images import io as image_io
        from core.restoring.memory.contact_sheet import nearest_samples
        from core.restoring.memory.inspection import inspect

        assert item.target is not None
        wanted = self._wanted(item.source)
        known = _record_in(item.target) if self.args.resume else {}
        if known and known.get("made_by") == wanted and _all_there(item.target, known):
            self._take_known(item, known)
            return
        self._refuse_others_files(item.target, item.source, _files_of(known))
        watch, notes = self.watch(index, item, progress)
        picture = image_io.read(item.source)
        found = inspect(picture, self.request, watch, self.control)
        near = nearest_samples(found, self.samples)
        pictures = _pictures(picture, found, near, self.without_samples or "")
        numbers = found.as_dict()
        for slot, top in zip(numbers["top_slots"], found.top, strict=True):
            slot["nearest_samples"] = [sample.as_dict() for sample in near[top.row]]
        if self.args.maps:
            numbers["maps"] = found.maps_dict()
        numbers["notes"] += notes
        numbers["without_samples"] = self.without_samples
        if self.args.place or self.args.effects:
            asked = self._asked(picture, found)
            if self.args.place:
                numbers["places"] = self._places(*asked, found, pictures)
            if self.args.effects:
                self._measure_effects(*asked[1:], found, numbers)
        self.control.checkpoint()
        numbers["files"] = [*pictures, _restored_file(item.target, item.source).name, _NUMBERS]
        numbers["made_by"] = wanted
        self._write(item, picture, found, pictures, numbers, overwrite=self.args.overwrite or bool(known))
        item.facts = numbers
        item.status = "inspected"
        self.usages.append(found.usage)
        self.heard.append(found.heard)

    def _wanted(self, source: Path) -> dict[str, Any]:
        """What a record must name as what it was made by to count as this one."""
        from core.restoring import outputs

        asked = {"places": [list(place) for place in self.args.place], "effects": self.args.effects}
        return {
            **outputs.fingerprint(source, self.model.sha256, self.request),
            **asked,
            "maps": self.args.maps,
            "samples": self.samples is not None,
        }

    def _take_known(self, item: photos.Item, known: Mapping[str, Any]) -> None:
        """What a run before wrote of this photo."""
        import numpy as np

        memory = self.network.memory
        assert memory is not None
        usage = np.zeros(len(memory.table()), np.float32)
        for (polarity, granularity), rows in memory.row_slices().items():
            usage[rows] = known["usage"][polarity][granularity]
        self.usages.append(usage)
        self.heard.append(None)
        item.facts = {key: value for key, value in known.items() if key not in _OF_THE_FILE}
        item.status = "skipped"

    def _asked(self, picture: Picture, found: Inspection) -> tuple[Picture, MemoryLook, Probe]:
        """What questions are put to: the photo, or the copy of it that was restored, its record, and a way to try changes."""
        from core.jobs import ignore
        from core.restoring import copies, scales
        from core.restoring.memory.look import look
        from core.restoring.memory.probe import Probe

        mask, by = found.restored.guide, scales.divisor(found.scale)
        request = replace(self.request, mask=None if mask is None else copies.reduced_mask(mask, by))
        assert found.pixels_before is not None
        picture = replace(picture, pixels=found.pixels_before)
        seen = look(picture, request, ignore, self.control, restored=found.pixels_after)
        return picture, seen, Probe(picture, request, seen.actual)

    def _measure_effects(
        self, seen: MemoryLook, probe: Probe, found: Inspection, numbers: dict[str, Any]
    ) -> None:
        """What muting each of the most used slots changes joins what is told of them."""
        from core.restoring.memory.effects import slot_effect

        for told, top in zip(numbers["top_slots"], found.top, strict=True):
            told["effect_of_muting"] = slot_effect(seen, probe, top.row, self.control).as_dict()

    def _places(
        self,
        picture: Picture,
        seen: MemoryLook,
        probe: Probe,
        found: Inspection,
        pictures: dict[str, np.ndarray],
    ) -> list[dict[str, Any]]:
        """What is told about the places asked for; their pictures join ``pictures``."""
        import numpy as np

        from core.restoring import scales
        from core.restoring.memory import pictures as drawing
        from core.restoring.memory.probe import around, change_between, preview_region

        by = scales.divisor(found.scale)
        photo = drawing.shown_photo(picture.pixels, picture.icc)
        records = []
        for x, y, *size in self.args.place:
            if size:
                w, h = (
                    -(-(start + edge) // by) - start // by for start, edge in zip((x, y), size, strict=True)
                )
                place = seen.region(x // by, y // by, w, h)
                region = preview_region((x // by, y // by, w, h), seen.width, seen.height)
            else:
                place = seen.place(x // by, y // by)
                region = around(x // by, y // by, seen.width, seen.height)
            with_memory = probe.restore(region, control=self.control)
            without = probe.restore(region, mute_memory=True, control=self.control)
            record = {
                "asked_px": [x, y, *size],
                **place.as_dict(),
                "effect_of_memory": {
                    "region_px": list(region),
                    **change_between(without, with_memory).as_dict(),
                },
                "sources": {
                    polarity: seen.origin(place, polarity=polarity).as_dict() for polarity in POLARITIES
                },
            }
            if self.args.maps:
                record["source_maps"] = {
                    polarity: np.round(seen.source_map(place, polarity=polarity), 7).tolist()
                    for polarity in POLARITIES
                }
            if self.samples is not None:
                record["nearest_samples"] = [
                    seen.nearest(place, self.samples, kind).as_dict() for kind in ("positive", "negative")
                ]
            records.append(record)
            pictures[_place_name((x, y, *size))] = drawing.source_picture(photo, seen, place, by)
        return records

    def _refuse_others_files(self, folder: Path, source: Path, ours: frozenset[str]) -> None:
        """Raises WouldOverwrite before time is spent. ``ours`` are files that a run before began to write."""
        from core.images.io import WouldOverwrite
        from core.restoring.memory.pictures import PICTURES

        places = [_place_name(place) for place in self.args.place]
        restored = _restored_file(folder, source)
        for target in (*(folder / name for name in (*PICTURES, *places, _NUMBERS)), restored):
            if target.resolve() in self.originals:  # --overwrite is about results
                raise WouldOverwrite(target, is_source=True)
            if os.path.lexists(target) and not self.args.overwrite and target.name not in ours:
                raise WouldOverwrite(target, is_source=False)

    def _write(
        self,
        item: photos.Item,
        picture: Picture,
        found: Inspection,
        pictures: Mapping[str, np.ndarray],
        numbers: Mapping[str, Any],
        overwrite: bool,
    ) -> None:
        """The numbers first: they name the files, so that a run that goes on knows what is its own and what is missing."""
        from core import atomic
        from core.images import io as image_io
        from core.restoring import outputs

        assert item.target is not None
        record = {"software": _SOFTWARE, "versions": _versions(), "input": str(item.source), **numbers}
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        atomic.write_text(item.target / _NUMBERS, text)
        options = image_io.WriteOptions(overwrite=overwrite)
        for name, pixels in pictures.items():
            image_io.write(item.target / name, image_io.from_array(pixels, name), options)
        outputs.save(found.restored, picture, _restored_file(item.target, item.source), options=options)

    # --- saying it ----------------------------------------------------------------------------------

    def lines(self, item: photos.Item) -> list[str]:
        if item.status == "skipped":
            return [f"{item.source}: done already, {item.target}{os.sep}"]
        return inspect_words.photo_lines(item) if item.is_done else []

    def settings(self) -> dict[str, Any]:
        return {"versions": _versions(), "memory": self.memory_note, "without_samples": self.without_samples}

    def more(self) -> dict[str, Any]:
        return {
            "usages": [usage.tolist() for usage in self.usages],
            "heard": [None if heard is None else heard.tolist() for heard in self.heard],
        }

    def take_more(self, more: dict[str, Any]) -> None:
        import numpy as np

        self.usages += [np.asarray(usage) for usage in more["usages"]]
        self.heard += [None if heard is None else np.asarray(heard) for heard in more["heard"]]

    def findings(self) -> dict[str, Any]:
        health = self._health()
        return {"health": health.as_dict() if health is not None else None}

    def closing_lines(self) -> list[str]:
        health = self._health()
        if health is None:
            return []
        lines = inspect_words.health_lines(health, len(self.usages))
        if self.without_samples:
            lines.append(f"The contact sheets show no learned samples: {self.without_samples}")
        return lines

    def _health(self) -> MemoryHealth | None:
        """Of the memory over all photos, each counting alike."""
        import numpy as np

        from core.model.health import health, silent_share

        memory = self.network.memory
        if not self.usages or memory is None:
            return None
        usage, silent = np.mean(self.usages, axis=0), silent_share(*self.heard)
        return health(usage, memory.table(), memory.row_slices(), silent=silent)


def _record_in(folder: Path) -> dict[str, Any]:
    """What a run before wrote into the folder; empty where it is not ours or not whole."""
    from core import foreign_text

    try:
        record = foreign_text.read_json(folder / _NUMBERS, _MOST_NUMBERS)
    except (OSError, ValueError):
        return {}
    return record if record.get("software") == _SOFTWARE else {}


def _files_of(record: Mapping[str, Any]) -> frozenset[str]:
    files = record.get("files")
    return (
        frozenset(filter(lambda name: isinstance(name, str), files))
        if isinstance(files, list)
        else frozenset()
    )


def _all_there(folder: Path, record: Mapping[str, Any]) -> bool:
    """Files are written whole or not at all."""
    return all((folder / name).is_file() for name in _files_of(record))


def _place_name(place: Sequence[int]) -> str:
    """Of the picture of a place or region."""
    return f"place-{'-'.join(map(str, place))}.png"


def _restored_file(folder: Path, source: Path) -> Path:
    """Of the source's kind where that can be written, else PNG, as ``memorynet restore`` does."""
    from core.restoring import outputs

    return folder / f"{_RESTORED}{outputs.output_path(source).suffix}"


def _same(folder: Path) -> tuple[Path, str]:
    """Alike for all names of one folder, also on disks that do not tell a from A or two spellings of ü."""
    return folder.parent.resolve(), unicodedata.normalize("NFC", folder.name).casefold()


def _pictures(
    picture: Picture, found: Inspection, near: Mapping[int, Sequence[NearSample]], without_samples: str
) -> dict[str, np.ndarray]:
    """File name -> pixels, in the order of :data:`core.restoring.memory.pictures.PICTURES`."""
    from core.restoring.memory import pictures as drawing
    from core.restoring.memory.contact_sheet import contact_sheet

    assert found.pixels_before is not None and found.pixels_after is not None
    photo = drawing.shown_photo(found.pixels_before, picture.icc)
    restored = drawing.shown_photo(found.pixels_after, picture.icc)
    maps = drawing.maps(photo, restored, found)
    sheet = contact_sheet(found.pixels_before, picture.icc, found, near, without_samples)
    return {**maps, drawing.SHEET: sheet}


def _versions() -> dict[str, str]:
    import torch

    return {"memorynet": __version__, "torch": str(torch.__version__), "python": platform.python_version()}
