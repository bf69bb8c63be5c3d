"""A checkpoint of a training run as a model: the averaged weights after any step that is kept, not only the best ones."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from pathlib import Path

from core.export.folder import publish
from core.export.import_weights import guess_config
from core.model import checkpoint
from core.model.checkpoint import CheckpointError
from core.training.run_folder import RunFolder, checkpoint_step

_KEPT = 8
_AVERAGED = "average."


def checkpoint_name(file: Path) -> str:
    """In words: "mist-3 · step 2,400"."""
    return f"{file.parent.parent.name} · step {checkpoint_step(file) or 0:,}"


def checkpoint_model(file: Path, folder: Path) -> Path:
    """The model's folder below ``folder``, made once for each state of ``file``; of those made before, the newest stay.

    Args:
        file: ``checkpoints/step-N.safetensors`` of a run.

    Raises:
        CheckpointError: it cannot be read, or holds no network of ours.
        ImportFailed, OSError, RecipeError: the run cannot be read, or nothing can be written; nothing is left behind.
    """
    run = RunFolder(file.parent.parent)
    try:
        stamp = file.stat()
    except OSError as error:
        raise CheckpointError(f"{file.name}: is gone; a run keeps its newest checkpoints only") from error
    text = f"{file.resolve()} {stamp.st_size} {stamp.st_mtime_ns}"
    target = folder / f"{run.path.name}-{file.stem}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    if (target / checkpoint.WEIGHTS_FILE).is_file():
        return target
    tensors, _header = checkpoint.read_tensors(file)
    weights = {
        key.removeprefix(_AVERAGED): value for key, value in tensors.items() if key.startswith(_AVERAGED)
    }
    if not weights:
        raise CheckpointError(f"{file.name}: is no checkpoint of a run: it holds no averaged weights")
    try:
        best = checkpoint.load(run.model)
        task, config, provenance = best.task, best.network.config, dict(best.provenance)
    except CheckpointError:  # before its first validation a run has no model
        task, config, provenance = run.recipe().task, guess_config(file.name, weights), {}
    provenance.pop(checkpoint.MEASURED_SINCE, None)  # was measured of other weights
    network = checkpoint.build(file.name, config, weights)
    provenance |= {"run": run.path.name, "step": checkpoint_step(file)}
    with publish(target) as place:
        checkpoint.save(place, network, name=checkpoint_name(file), task=task, provenance=provenance)
    _make_room(folder, target)
    return target


def _make_room(folder: Path, kept: Path) -> None:
    with contextlib.suppress(OSError):
        others = sorted(
            (place for place in folder.iterdir() if place != kept and "-step-" in place.name),
            key=lambda place: place.stat().st_mtime,
            reverse=True,
        )
        for place in others[_KEPT - 1 :]:
            shutil.rmtree(place, ignore_errors=True)
