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
from core.cli import common, photos, share, usage

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
_RESTORED = "restored"  # the photo without its damage, in its own format where that can be written

_EXAMPLES = """\
examples:
  memorynet inspect beach.jpg                     writes beach.inspected/ beside it
  memorynet inspect photos/ --out seen/           writes seen/NAME/ for each photo
  memorynet inspect street.png --mask shadow.png  tells where the damage is
  memorynet inspect beach.jpg --no-memory         what looks like damage after restoring without
  memorynet inspect beach.jpg --place 1200,800    everything about that place of the photo
  memorynet inspect beach.jpg --place 1200,800,300,200    the same of a region, on average
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
learned samples most like it beside the similarity that any place of the photo has.

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
        "--mask", type=Path, metavar="FILE",
        help="where the damage is: a grey picture of the photo's size, white on damage; for one photo",
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
        help="write the maps into inspection.json, too: the response before and after, and the slots of every cell "
        "with their weights",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace pictures that are there already")
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
    mask = photos.read_mask(args.mask, items)
    with common.interruptible() as control:
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
    done_words = ("inspected",)
    step_word = "step"
    stopped_words = "inspected and kept."

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
        self.request = photos.request(args, model.task, path, mask, edit, taught=taught)
        self.memory_note = memory_edit.note(edit, args.no_memory)
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
        self._refuse_others_files(item.target, item.source)
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
        files = self._write(item, picture, found, pictures, numbers)
        item.facts = {**numbers, "files": files}
        item.status = "inspected"
        self.usages.append(found.usage)
        self.heard.append(found.heard)

    def _asked(self, picture: Picture, found: Inspection) -> tuple[Picture, MemoryLook, Probe]:
        """What questions are put to: the photo, or the copy of it that was restored, its record, and a way to try changes."""
        from core.jobs import ignore
        from core.restoring import copies, scales
        from core.restoring.memory.look import look
        from core.restoring.memory.probe import Probe

        mask, by = self.request.mask, scales.divisor(found.scale)
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
                    polarity: [source.as_dict() for source in seen.sources(place, polarity=polarity)]
                    for polarity in ("positive", "negative")
                },
            }
            if self.samples is not None:
                record["nearest_samples"] = [
                    seen.nearest(place, self.samples, kind).as_dict() for kind in ("positive", "negative")
                ]
            records.append(record)
            pictures[_place_name((x, y, *size))] = drawing.source_picture(photo, seen, place)
        return records

    def _refuse_others_files(self, folder: Path, source: Path) -> None:
        """Raises WouldOverwrite before time is spent."""
        from core.images.io import WouldOverwrite
        from core.restoring.memory.pictures import PICTURES

        places = [_place_name(place) for place in self.args.place]
        restored = _restored_file(folder, source)
        for target in (*(folder / name for name in (*PICTURES, *places, _NUMBERS)), restored):
            if target.resolve() in self.originals:  # --overwrite is about results
                raise WouldOverwrite(target, is_source=True)
            if os.path.lexists(target) and not self.args.overwrite:
                raise WouldOverwrite(target, is_source=False)

    def _write(
        self,
        item: photos.Item,
        picture: Picture,
        found: Inspection,
        pictures: Mapping[str, np.ndarray],
        numbers: Mapping[str, Any],
    ) -> list[str]:
        from core import atomic
        from core.images import io as image_io
        from core.restoring import outputs

        assert item.target is not None
        options = image_io.WriteOptions(overwrite=self.args.overwrite)
        for name, pixels in pictures.items():
            image_io.write(item.target / name, image_io.from_array(pixels, name), options)
        restored = _restored_file(item.target, item.source)
        outputs.save(found.restored, picture, restored, options=options)
        record = {"software": "MemoryNet", "versions": _versions(), "input": str(item.source), **numbers}
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        atomic.write_text(item.target / _NUMBERS, text)
        return [*pictures, restored.name, _NUMBERS]

    # --- saying it ----------------------------------------------------------------------------------

    def lines(self, item: photos.Item) -> list[str]:
        return _lines(item) if item.is_done else []

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
        lines = _health_lines(health, len(self.usages))
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


# --- words ---------------------------------------------------------------------------------------


def _lines(item: photos.Item) -> list[str]:
    from core.model.memory_edit import UNCHANGED

    found = item.facts
    before, after = (found["negative_response"][side] for side in ("before", "after"))
    size = found["width"] * found["height"] / 1e6
    lines = [
        f"{item.source} -> {item.target}{os.sep}  ({size:.1f} MP in {found['seconds']:.1f} s)",
        f"    looks like damage: {before['area']:.1%} of the photo before, {after['area']:.1%} after "
        f"(mean {before['mean']:.3f}, then {after['mean']:.3f})",
    ]
    if found["memory"] != UNCHANGED:
        lines.append(f"    restored with its memory {found['memory']}")
    lines.append(f"    {'polarity':9} {'slots':9} {'used':>8} {'evenness':>9}   most looked up")
    for group in found["health_on_this_photo"]["groups"]:
        key = (group["polarity"], group["granularity"])
        top = [slot for slot in found["top_slots"] if (slot["polarity"], slot["granularity"]) == key][:3]
        names = ", ".join(f"{slot['slot']} ({slot['usage']:.0%}{_effect_words(slot)})" for slot in top)
        used = f"{group['slots'] - len(group['dead'])} of {group['slots']}"
        unread = "" if found["is_read"][" ".join(key)] else "; not read by this model"
        lines.append(f"    {key[0]:9} {key[1]:9} {used:>8} {group['entropy']:>9.2f}   {names}{unread}")
    for place in found.get("places", ()):
        lines += _place_lines(place)
    lines += [f"    {note}" for note in found["notes"]]
    return lines


def _effect_words(slot: Mapping[str, Any]) -> str:
    """How much muting it changes, where that was measured."""
    effect = slot.get("effect_of_muting")
    return "" if effect is None else f", muted {effect['mean_levels']:.2f} levels"


def _place_lines(place: Mapping[str, Any]) -> list[str]:
    at = ",".join(map(str, place["asked_px"]))
    read, effect = place["read"], place["effect_of_memory"]
    red, green, blue = effect["signed_levels"]
    lines = [
        f"    place {at}: looks like damage {place['negative_response']:.2f}; of what is read "
        f"{read['learned_share']:.0%} was learned, {read['actual_share']:.0%} is the photo's own",
        f"        the memory changes {effect['mean_levels']:.2f} levels of 255 around it "
        f"(red {red:+.2f}, green {green:+.2f}, blue {blue:+.2f})",
    ]
    for polarity in ("positive", "negative"):
        slots = [slot for slot in place["slots"] if slot["polarity"] == polarity]
        slots = sorted(slots, key=lambda slot: -slot["weight"])[:4]
        names = ", ".join(f"{slot['granularity']} {slot['slot']} {slot['weight']:.2f}" for slot in slots)
        lines.append(f"        {polarity}: {names}")
    for near in place.get("nearest_samples", ()):
        values = ", ".join(f"{sample['similarity']:.2f}" for sample in near["samples"])
        lines.append(
            f"        nearest {near['kind']} samples {values} "
            f"(any place has {near['usual_nearest']:.2f}, random pairs {near['random_pair']:.2f})"
        )
    return lines


def _health_lines(health: MemoryHealth, photos: int) -> list[str]:
    over = "this photo" if photos == 1 else f"these {photos} photos"
    lines = [
        f"Health of the memory over {over}: {health.dead} of {health.slots} slots unused, "
        f"{health.duplicates} duplicates, evenness {health.entropy:.2f} (0 one slot does all, 1 all alike)."
    ]
    if health.silent is not None:
        lines.append(
            f"Of the units that pass on what is read, {health.silent:.0%} stayed silent "
            "(when all do, the memory changes little or nothing)."
        )
    if photos == 1 and health.dead:
        lines.append("One photo uses few of them; judge what is unused over many photos.")
    return lines
