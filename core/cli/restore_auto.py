"""``memorynet restore --task auto``: each photo for what it shows."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import tasks
from core.cli import common, photos, stopping
from core.cli.restore_batch import Batch, read_only

if TYPE_CHECKING:
    from core.jobs import JobControl
    from core.model.checkpoint import LoadedModel
    from core.model.memory_edit import MemoryEdit


class AutoBatch(Batch):
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
        self.words: dict[Path, str] = {}
        self._begin(tasks.AUTO)
        self.only, self.guess_only = read_only(args, self.items)

    def one(self, index: int, item: photos.Item, progress: common.Progress) -> None:
        from core.images import io as image_io
        from core.restoring import outputs, which

        args = self.args
        watch, notes = self.watch(index, item, progress)
        picture = image_io.read(item.source)
        seen = which.look(picture, self.paths, self.control, device=args.device, precision=args.precision)
        item.facts = seen.as_dict()
        self.words[item.source] = seen.words
        if not seen.is_sure or not seen.tasks:
            item.status = "undecided" if not seen.is_sure else "untouched"
            return
        requests = [
            photos.request(
                args, task, self.paths[task], None, self.edit, common.guesses(args.mask, self.models[task]), self.only,
                guess_only=self.guess_only,
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
        seen_facts = dict(item.facts)
        self._save(item, picture, restored, options, notes)
        item.facts = {**seen_facts, **item.facts}

    def lines(self, item: photos.Item) -> Iterator[str]:
        if item.status == "undecided":
            yield f"{item.source}: {self.words[item.source].lower()}; nothing was done, name it with --task"
        elif item.status == "untouched":
            yield f"{item.source}: {self.words[item.source].lower()}; nothing was written"
        else:
            yield from super().lines(item)
            if item.status == "restored":
                yield f"    {self.words[item.source]}"

    def settings(self) -> dict[str, Any]:
        args = self.args
        return {
            "task": tasks.AUTO,
            "model": ", ".join(model.name for model in self.models.values()),
            "model_sha256": ", ".join(model.sha256 for model in self.models.values()),
            "only": str(args.only) if args.only else None,
            "strength": args.strength,
            "scale": args.scale,
            "keep_smear": not args.undo,
        }


class _Several:
    """Models as one, to be told of."""

    def __init__(self, models: Sequence[LoadedModel]) -> None:
        self.task = ", ".join(model.task for model in models)
        self.name = ", ".join(model.name for model in models)
        self.sha256 = ", ".join(model.sha256 for model in models)


def models_of_all(
    args: argparse.Namespace, edit: MemoryEdit | None, control: JobControl
) -> tuple[Mapping[str, Path], Mapping[str, LoadedModel]]:
    """Every task's own model, where it lies and as it is. Raises UsageError for options that speak of one model."""
    if args.model:
        raise common.UsageError("--task auto: each task takes its own model, not with --model")
    if isinstance(args.mask, Path):
        raise common.UsageError(f"--task auto: not with --mask {args.mask}; a mask says that it is a shadow")
    stopping.import_aside(control, "core.restoring.restore")
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
