"""Where a restored photo goes, what it records about its making, and whether it has to be made again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core import __version__, tasks
from core.images import io as image_io
from core.images.blend import blend
from core.images.io import EXTENSION_FORMAT, FORMAT_EXTENSION, Picture, Receipt, WriteOptions
from core.restoring.records import NAMING, check_naming

if TYPE_CHECKING:
    import numpy as np

    from core.restoring.records import Made, Restored, RestoreRequest

SOFTWARE = "MemoryNet"
MASK_SUFFIX, ONLY_SUFFIX = ".mask", ".only"
_DEFAULTS = WriteOptions()
_MAX_NAME_BYTES = 240
"""File systems end at 255; a sidecar's ".json" and a "-2" still have to fit."""
_BARE_CODESTREAMS = frozenset([".j2k", ".j2c", ".jpc"])


def output_path(
    source: str | os.PathLike[str],
    out_dir: str | os.PathLike[str] | None = None,
    root: str | os.PathLike[str] | None = None,
    task: str = tasks.DEFAULT,
    format: str | None = None,
    naming: str = NAMING,
) -> Path:
    """``NAME.derained.EXT`` beside ``source``, or as ``naming`` says; or in ``out_dir``, with the folders between ``root`` and
    ``source`` kept.

    EXT is that of ``format``; without one it stays, unless the content is of another format than the
    extension says (then the content's) or the format cannot be written (then PNG). Since the name always
    differs from the source's (a ``naming`` that makes the same one is not heeded), the source is never the answer.
    ``task`` may be several, as :attr:`core.restoring.records.Made.task` has them. Nothing is created. Raises ValueError for an unknown task or format, and what :func:`check_naming` raises.
    """
    source = Path(source)
    if not all(tasks.is_name(name) for name in task.split(tasks.AND)):
        raise ValueError(f"task {task!r} is no name of one")
    if format is not None and format not in FORMAT_EXTENSION:
        raise ValueError(f"format {format!r} is none of {', '.join(FORMAT_EXTENSION)}")
    folder = source.parent
    if out_dir is not None:
        folder = Path(out_dir)
        if root is not None:
            folder /= _below(source.parent, Path(root))
    extension = _extension(source, format)
    check_naming(naming)
    for pattern in (naming, NAMING):
        before, _, after = (
            part.replace("{done}", tasks.of(task).suffix) for part in pattern.partition("{name}")
        )
        after += extension
        room = _MAX_NAME_BYTES - len(before.encode()) - len(after.encode())
        target = folder / f"{before}{_shortened(source.stem, room)}{after}"
        if target != source:
            break
    return target


def _below(folder: Path, root: Path) -> Path:
    for here, base in (
        (folder, root),
        (folder.absolute(), root.absolute()),
        (folder.resolve(), root.resolve()),
    ):
        try:
            relative = here.relative_to(base)
        except ValueError:
            continue
        if ".." not in relative.parts:
            return relative
    return Path()


def _extension(source: Path, format: str | None) -> str:
    written = source.suffix
    if format is None:
        format = image_io.sniff(source) or EXTENSION_FORMAT.get(written.lower(), "PNG")
        format = image_io.WRITTEN_AS.get(format, format)
    if EXTENSION_FORMAT.get(written.lower()) == format and written.lower() not in _BARE_CODESTREAMS:
        return written
    return FORMAT_EXTENSION[format]


def _shortened(stem: str, max_bytes: int) -> str:
    data = os.fsencode(stem)
    while len(data) > max_bytes:
        stem = stem[:-1]
        data = os.fsencode(stem)
    return stem


def mask_path(
    source: str | os.PathLike[str], target: str | os.PathLike[str], suffix: str = MASK_SUFFIX
) -> Path:
    """Where a mask of a photo is kept: ``NAME.mask.png`` of the source, beside its result."""
    tail = f"{suffix}.png"
    return Path(target).parent / (_shortened(Path(source).stem, _MAX_NAME_BYTES - len(tail)) + tail)


def save_mask(mask: np.ndarray, path: str | os.PathLike[str], overwrite: bool = False) -> Receipt:
    """A mask (H, W) uint8 as a grey picture. Raises what :func:`core.images.io.write` raises."""
    return image_io.write(path, image_io.from_array(mask), WriteOptions(overwrite=overwrite))


def free_path(path: str | os.PathLike[str]) -> Path:
    """``path``, or the first of ``NAME-2.EXT``, ``NAME-3.EXT``, ... that does not exist."""
    path = Path(path)
    candidate, number = path, 1
    while os.path.lexists(candidate):
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate


def provenance(restored: Made, strength: float) -> dict[str, str]:
    """What every output records about the network's part in it; all values are text."""
    return {
        "software": SOFTWARE,
        "version": __version__,
        "model": restored.model_name,
        "model_sha256": restored.model_sha256,
        "task": restored.task,
        "strength": _strength_text(strength),
        "precision": restored.precision,
        "tile_px": str(restored.tile_px),
        **restored.record(),
    }


def save(
    restored: Restored,
    picture: Picture,
    path: str | os.PathLike[str],
    strength: float = 1.0,
    options: WriteOptions = _DEFAULTS,
) -> Receipt:
    """Blend ``restored`` into ``picture`` and write the result to ``path`` with its provenance.

    At strength 1 the pixels are the restored ones exactly. Raises what :func:`core.images.io.write`
    raises, and ValueError when the two pictures do not match.
    """
    same_kind = (
        restored.pixels.shape == picture.pixels.shape and restored.pixels.dtype == picture.pixels.dtype
    )
    if strength == 1.0 and same_kind:
        pixels = restored.pixels  # spares a copy of the whole picture
    else:
        pixels = blend(picture.pixels, restored.pixels, strength)
    record = provenance(restored, strength) | _source_and_options(picture, options)
    return image_io.write(path, replace(picture, pixels=pixels), options, record)


def _source_and_options(picture: Picture, options: WriteOptions) -> dict[str, str]:
    record = {"output": _options_text(options)}
    info = picture.info
    if info.file_bytes:  # as it was when it was read: it may have changed while it was being restored
        record["source"] = _identity(info.file_bytes, info.file_mtime_ns)
    return record


def _strength_text(strength: float) -> str:
    return format(strength, ".6g")


def _options_text(options: WriteOptions) -> str:
    depth = options.bit_depth or "own"
    place = (
        "place removed" if options.strip_gps else "position kept"
    )  # versions before removed the position alone
    size = f", longest edge {options.longest_px}" if options.longest_px is not None else ""
    return f"quality {options.quality}, depth {depth}, {place}{size}"


def _identity(file_bytes: int, mtime_ns: int) -> str:
    return f"{file_bytes}-{mtime_ns}"


def fingerprint(
    source: str | os.PathLike[str],
    model_sha256: str,
    request: RestoreRequest,
    strength: float = 1.0,
    options: WriteOptions = _DEFAULTS,
) -> dict[str, str]:
    """What an output must have recorded to count as made by this request from this very source file.

    The source counts as the same by its size and time of change. ``precision`` "auto" and ``tile_px``
    None ask for nothing in particular. Raises UnreadableFile when the source is gone.
    """
    source = Path(source)
    try:
        facts = source.stat()
    except OSError as error:
        raise image_io.UnreadableFile(source, error.strerror or str(error), error.errno) from error
    wanted = {
        "software": SOFTWARE,
        "version": __version__,
        "model_sha256": model_sha256,
        "task": request.task,
        "strength": _strength_text(strength),
        "output": _options_text(options),
        **request.record(),
        "source": _identity(facts.st_size, facts.st_mtime_ns),
    }
    if request.precision != "auto":
        wanted["precision"] = request.precision
    if request.tile_px is not None:
        wanted["tile_px"] = str(request.tile_px)
    return wanted


def is_current(path: str | os.PathLike[str], request_fingerprint: Mapping[str, str]) -> bool:
    """Whether ``path`` is a whole output of exactly this request. Never raises for a bad file."""
    try:
        recorded = image_io.read_provenance(path) or {}
        if any(recorded.get(key) != value for key, value in request_fingerprint.items()):
            return False
        image_io.read_provenance(path, thorough=True)  # whole to its end; slower, so it is asked last
    except image_io.ImageError:
        return False
    return True
