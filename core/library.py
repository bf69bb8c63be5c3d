"""MemoryNet as a library: what ``import core`` offers beside the records of its rooms.

    import core

    dry = core.restore("rain.jpg")                          # a path or an array in, an array out
    model = core.load("derain-s")
    dry = model.restore(photo, strength=0.8)

Pictures are RGB as stored: (H, W, 3), (H, W, 4) with alpha, (H, W, 1) or (H, W) grey; uint8, uint16, or float16, float32
and float64 from 0 to 1, which are worked on with 16 bits. What comes back has the shape and the type of what went in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.images import io as image_io
from core.images.blend import blend
from core.images.types import Picture
from core.jobs import JobControl, ignore
from core.model import catalog
from core.restoring.records import Choice

if TYPE_CHECKING:
    from core.model.network import MemoryNet
    from core.restoring.memory.inspection import Inspection
    from core.restoring.records import Restored, RestoreRequest

Source = str | os.PathLike[str] | np.ndarray
_DEEP = 65535


@dataclass(frozen=True, slots=True)
class Options(Choice):
    """What :func:`restore` and :class:`Model` take by name: each setting of a run
    (:class:`core.restoring.records.Choice`), and what is known of the photo.

    ``mask`` and ``only`` are (H, W) uint8, 255 where the damage is and where anything may change; ``guess`` None: shadows
    are looked for where no mask is given; ``guess_only``: anything may change only where the model sees damage. Task and model are those of the :class:`Model` that is asked.
    """

    mask: np.ndarray | None = None
    only: np.ndarray | None = None
    guess: bool | None = None
    guess_only: bool = False

    def asked_of(self, task: str, model: Path) -> RestoreRequest:
        """Loads torch. Raises RestoreError, MemoryEditError."""
        from core.restoring.restore import guessing

        choice = replace(self, task=task)
        request = choice.request(model=model, mask=self.mask, only=self.only, guess_only=self.guess_only)
        return guessing(request) if self.guess is None else replace(request, guess=self.guess)


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be loaded: :func:`load` has tried it."""

    name: str
    task: str
    parameters: int
    sha256: str  # of the weights
    path: Path
    provenance: Mapping[str, Any]

    def restore(self, picture: Source, *, strength: float = 1.0, **options: Any) -> np.ndarray:
        """The picture without its damage, as it came: shape and type. ``options`` are those of :class:`Options`.

        Raises ValueError for arrays and options that cannot be used, ImageError for files, else what
        :func:`core.restoring.restore.restore` does.
        """
        source = _read(picture)
        pixels = self._restored(source, Options(**options)).pixels
        return _as_it_came(picture, source, blend(source.pixels, pixels, strength))

    def details(self, picture: Source, **options: Any) -> Restored:
        """The same at full strength, as a record: the verdict, the scale, how long it took; pixels are (H, W, 3)."""
        return self._restored(_read(picture), Options(**options))

    def look(self, picture: Source, **options: Any) -> Inspection:
        """What the memory sees in a picture: responses before and after, slots and how much each is used; see
        :class:`core.restoring.memory.inspection.Inspection`."""
        from core.restoring.memory.inspection import inspect

        return inspect(_read(picture), self._request(Options(**options)), ignore, JobControl())

    def network(self, device: str = "cpu") -> MemoryNet:
        """The torch module itself, with its weights, ready to restore (``eval``). (B, 3, H, W) from 0 to 1."""
        from core.model import checkpoint

        return checkpoint.load(self.path, device).network

    def _request(self, options: Options) -> RestoreRequest:
        return options.asked_of(self.task, self.path)

    def _restored(self, picture: Picture, options: Options) -> Restored:
        from core.restoring import restore as restoring

        return restoring.restore(picture, self._request(options), ignore, JobControl())


def load(name_or_path: str | os.PathLike[str]) -> Model:
    """A model by its name ("derain-s"), its folder or file, or a training run's folder, which stands for its best.

    Loads torch. Raises CatalogError: there is none; CheckpointError: it cannot be used.
    """
    from core.model import checkpoint
    from core.training.run_folder import RunFolder

    path = catalog.resolve(name_or_path)
    run = RunFolder(path)
    is_run = run.recipe_file.is_file()
    if is_run and not run.model.is_dir():
        raise checkpoint.CheckpointError(f"{path}: the run has no model yet, it was never validated")
    found = checkpoint.load(run.model if is_run else path)
    return Model(found.name, found.task, found.parameters, found.sha256, found.path, found.provenance)


def restore(
    picture: Source,
    task: str | None = None,
    *,
    model: str | os.PathLike[str] | None = None,
    strength: float = 1.0,
    **options: Any,
) -> np.ndarray:
    """A picture without its damage: a path or an array in, an array of its shape and type out.

    Args:
        task: "derain", "deshadow", ... None is the model's own, "derain" where none is named.
        model: as :func:`load` takes it; None is the task's own.
        strength: 0 (nothing happens) to 1.
        options: those of :class:`Options`.

    Raises ValueError where ``model`` is for another task, else as :meth:`Model.restore` and :func:`load`.
    """
    from core.tasks import DEFAULT

    found = load(model if model is not None else catalog.default_model(task or DEFAULT))
    if task is not None and found.task != task:
        raise ValueError(f"model {found.name} is for {found.task}, not for {task}")
    return found.restore(picture, strength=strength, **options)


def from_pretrained(folder: str | os.PathLike[str]) -> Model:
    """A model from a local folder in the layout of the Hugging Face hub. Nothing is fetched. Raises CheckpointError."""
    from core.export import folder as exported

    found = exported.from_pretrained(folder)
    return Model(found.name, found.task, found.parameters, found.sha256, found.path, found.provenance)


def _read(picture: Source) -> Picture:
    """Raises ValueError for arrays that are no pictures, ImageError for files."""
    if not isinstance(picture, np.ndarray):
        return image_io.read(picture)
    if not np.issubdtype(picture.dtype, np.floating):
        return image_io.from_array(picture, "array")
    if picture.size and not np.isfinite(picture).all():
        raise ValueError("the picture holds NaN or infinite values")
    if picture.size and (picture.min() < 0 or picture.max() > 1):
        raise ValueError(
            f"the picture reaches from {picture.min():g} to {picture.max():g}; float pictures go from 0 to 1"
        )
    deep = np.rint(picture.astype(np.float64) * _DEEP).astype(np.uint16)
    return image_io.from_array(deep, "array")


def _as_it_came(picture: Source, source: Picture, pixels: np.ndarray) -> np.ndarray:
    """(H, W, 3) as an array of the shape and type of what was given; of a file (H, W, 3), with alpha (H, W, 4)."""
    if source.alpha is not None:
        pixels = np.dstack([pixels, source.alpha])
    if not isinstance(picture, np.ndarray):
        return pixels
    if picture.ndim == 2 or picture.shape[2] == 1:
        pixels = np.rint(pixels.mean(axis=2)).astype(pixels.dtype).reshape(picture.shape)
    if np.issubdtype(picture.dtype, np.floating):
        return (pixels / _DEEP).astype(picture.dtype)
    return pixels
