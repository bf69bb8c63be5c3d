"""``memorynet inspect --usage``: how much each slot of a memory is used over many photos; nothing is restored or written."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli import common, photos

if TYPE_CHECKING:
    from core.jobs import JobControl
    from core.model.checkpoint import LoadedModel
    from core.restoring.memory.usage import Usage

_TOP = 6  # slots of a kind that are named


def run(
    args: argparse.Namespace, items: list[photos.Item], path: Path, model: LoadedModel, control: JobControl
) -> int:
    """Prints lines or JSON. Returns the exit code: 1 where a photo could not be looked at."""
    from core.events import ItemDone, ItemStarted
    from core.restoring.memory import usage as memory_usage

    if args.place or args.out is not None:
        raise common.UsageError(
            "--usage: tells about all photos together and writes nothing; leave out --place and --out"
        )
    request = photos.request(args, model.task, path, None, None, common.guesses(args.mask, model))
    paths = [item.source for item in items if item.status == photos.WAITING]
    if not paths:
        raise common.UsageError("--usage: there are no photos to look at")
    with common.Progress("photos") as progress:

        def watch(event: object) -> None:
            if isinstance(event, ItemStarted):
                progress.show(event.name, event.index - 1, event.count)
            elif isinstance(event, ItemDone) and event.error is not None:
                photos.say_error(Path(event.name), event.error)

        found = memory_usage.usage_over(paths, request, watch, control)
    if args.json:
        common.print_json(
            {"task": model.task, "model": model.name, "model_sha256": model.sha256, **_facts(found, model)}
        )
    else:
        for line in _lines(found, model):
            print(line)
    return common.EXIT_FAILED if found.failed else common.EXIT_OK


def _rows(model: LoadedModel) -> Any:
    memory = model.network.memory
    assert memory is not None
    return memory.row_slices()


def _facts(found: Usage, model: LoadedModel) -> dict[str, Any]:
    """By polarity and granularity: mean weight of each slot, and in how many photos it is used."""
    record = found.as_dict()
    for name, values in (("usage", record["usage"]), ("used_in", record["used_in"])):
        by_kind: dict[str, dict[str, Any]] = {}
        for (polarity, granularity), rows in _rows(model).items():
            by_kind.setdefault(polarity, {})[granularity] = values[rows]
        record[name] = by_kind
    return record


def _lines(found: Usage, model: LoadedModel) -> list[str]:
    count = len(found.photos)
    lines = [
        f"{model.name} over {count} photo{'s' if count > 1 else ''}: mean weight of the slots used most, and in how many photos"
    ]
    for (polarity, granularity), rows in _rows(model).items():
        mean, used = found.mean[rows], found.used_in[rows]
        group = found.health.group(polarity, granularity)
        top = (-mean).argsort(kind="stable")[:_TOP]
        names = ", ".join(
            f"{slot} {mean[slot]:.1%} ({used[slot]})" for slot in top.tolist() if mean[slot] > 0
        )
        lines.append(
            f"    {polarity:9} {granularity:9} {group.slots - len(group.dead)} of {group.slots} used, evenness "
            f"{group.entropy:.2f}: {names}"
        )
    health = found.health
    lines.append(
        f"{health.dead} of {health.slots} slots unused, {health.duplicates} duplicates, evenness {health.entropy:.2f}."
    )
    if health.silent is not None:
        lines.append(f"Of the units that pass on what is read, {health.silent:.0%} stayed silent.")
    return lines
