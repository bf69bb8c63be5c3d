"""The sample memory: patches of real photos, kept with the embeddings the network's memory gives them.

*Positive* samples are clean places; *negative* ones are degraded places and the network's own wrong results;
*actual* ones belong to the photo at hand and are never saved. What is kept is decided by :mod:`core.model.bank`.

A sample stands for one cell of the memory's grid (8 x 8 px): its embedding is the unit query of that cell alone,
so that it compares with any query the network makes; its thumbnail is the patch of ``thumbnail_px`` around the
cell's centre. :mod:`core.training.exemplar_fill` fills it.

On disk it is ``samples.safetensors`` beside the weights it was made with: embeddings as float16, each kind's
thumbnails as one lossless WebP sheet, the photos' names (never their folders) in the header.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from core import __version__, foreign_text
from core.model import checkpoint
from core.model.bank import LARGEST_BOUND, Bank, Nearest
from core.problems import describe

SAMPLES_FILE = "samples.safetensors"
POSITIVE, DEGRADED, WRONG, ACTUAL = "positive", "degraded", "wrong", "actual"
NEGATIVE = "negative"
"""Degraded and wrong samples together, in this order."""
DEFAULT_BOUNDS: Mapping[str, int] = {POSITIVE: 256, DEGRADED: 192, WRONG: 64, ACTUAL: 256}

_FORMAT, _FORMAT_VERSION = "memorynet-samples", 1
_SAVED = (POSITIVE, DEGRADED, WRONG)
_SHEET_COLUMNS = 32
_LARGEST_FILE_BYTES = 64 << 20
_LONGEST_NAME = 200


class SampleError(Exception):
    """The sample memory is missing, damaged or made with other weights, or cannot be filled as asked."""

    problem_key = "samples"


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One sample, for showing."""

    kind: str  # "positive" | "degraded" | "wrong" | "actual"
    source: str  # the photo's file name
    x_px: int  # left edge of the patch in the photo
    y_px: int
    thumbnail: np.ndarray  # (T, T, 3) uint8


class SampleMemory:
    """Bounded, diverse banks of samples by kind.

    Args:
        dim: D, length of an embedding: the network's ``memory_dim``.
        bounds: most samples of each kind, 1 to 4096; kinds left out have their default.
        thumbnail_px: T, edge of the patches; even, 8 to 64.
        weights_sha256: of the weights file that made the embeddings; "" when unknown.
    """

    def __init__(
        self,
        dim: int,
        bounds: Mapping[str, int] | None = None,
        thumbnail_px: int = 32,
        weights_sha256: str = "",
    ) -> None:
        if not (8 <= thumbnail_px <= 64 and thumbnail_px % 2 == 0):
            raise ValueError(f"thumbnail_px {thumbnail_px}: need an even number from 8 to 64")
        if unknown := sorted(set(bounds or ()) - set(DEFAULT_BOUNDS)):
            raise ValueError(f"bounds of {unknown}: known are {', '.join(DEFAULT_BOUNDS)}")
        self.thumbnail_px, self.weights_sha256 = thumbnail_px, weights_sha256
        self._bank = Bank(dim, {**DEFAULT_BOUNDS, **(bounds or {})})
        edge = thumbnail_px
        self._thumbnails = {kind: np.empty((0, edge, edge, 3), np.uint8) for kind in self.bounds}
        self._at = {kind: np.empty((0, 2), np.int64) for kind in self.bounds}
        self._sources: dict[str, list[str]] = {kind: [] for kind in self.bounds}

    @property
    def dim(self) -> int:
        return self._bank.dim

    @property
    def bounds(self) -> Mapping[str, int]:
        return self._bank.bounds

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of all photos a sample comes from, in order."""
        return tuple(sorted({name for names in self._sources.values() for name in names}))

    def count(self, kind: str) -> int:
        return sum(self._bank.count(part) for part in _parts(kind))

    def embeddings(self, kind: str) -> Tensor:
        """(M, D) float32 on the processor, of unit length to float16's precision."""
        return self._bank.members(*_parts(kind))

    def weights(self, kind: str) -> Tensor:
        """(M,) float32: how many cells each sample of one of the four kinds stands for."""
        return self._bank.weights(kind)

    def smallest_distance(self, kind: str) -> float:
        """Distance between the two closest samples of one of the four kinds; inf for fewer than two."""
        return self._bank.smallest_distance(kind)

    def exemplar(self, kind: str, index: int) -> Exemplar:
        """The sample at ``index`` of :meth:`embeddings`. Raises IndexError: there are not so many."""
        if not 0 <= index < self.count(kind):
            raise IndexError(f"{kind} sample {index}: there are {self.count(kind)}")
        for part in _parts(kind):
            if index < self._bank.count(part):
                break
            index -= self._bank.count(part)
        x, y = self._at[part][index].tolist()
        return Exemplar(part, self._sources[part][index], x, y, self._thumbnails[part][index].copy())

    def nearest(self, queries: Tensor, kind: str, k: int = 1) -> Nearest:
        """The ``k`` samples of a kind most like each of (N, D) queries; exact. See :meth:`core.model.bank.Bank.nearest`."""
        return self._bank.nearest(queries, _parts(kind), k)

    def add(
        self,
        kind: str,
        embedding: Tensor,
        thumbnails: np.ndarray,
        source: str | Sequence[str],
        at: np.ndarray,
    ) -> int:
        """Offer N samples of one of the four kinds; returns how many were taken.

        Args:
            embedding: (N, D), finite.
            thumbnails: (N, T, T, 3) uint8.
            source: name or path of the photo, or of each sample's; only the file name is kept.
            at: (N, 2) whole numbers, x and y of each patch's upper left pixel in its photo.

        Raises ValueError: a shape, type or kind that does not fit, or numbers that are not finite.
        """
        count, edge = len(embedding), self.thumbnail_px
        names = [source] * count if isinstance(source, str) else list(source)
        if thumbnails.shape != (count, edge, edge, 3) or thumbnails.dtype != np.uint8:
            raise ValueError(
                f"thumbnails {thumbnails.shape} {thumbnails.dtype}: need ({count}, {edge}, {edge}, 3) uint8"
            )
        if len(names) != count or at.shape != (count, 2):
            raise ValueError(f"{len(names)} sources, positions {at.shape}: need {count} of each")
        if not bool(torch.isfinite(embedding).all()):
            raise ValueError(f"embeddings of {kind} samples are not all finite numbers")
        # rounded as they will be saved, so that a loaded memory is the saved one
        rounded = F.normalize(embedding.detach().float().cpu(), dim=1, eps=1e-6).half().float()
        placed = self._bank.add(rounded, kind)
        grow = self._bank.count(kind) - len(self._at[kind])
        self._thumbnails[kind] = np.concatenate((self._thumbnails[kind], thumbnails[:grow]))
        self._at[kind] = np.concatenate((self._at[kind], at[:grow].astype(np.int64)))
        self._sources[kind] += [""] * grow
        for place in placed:
            self._thumbnails[kind][place.slot] = thumbnails[place.candidate]
            self._at[kind][place.slot] = at[place.candidate]
            self._sources[kind][place.slot] = _file_name(names[place.candidate])
        return len(placed)

    def clear(self, kind: str) -> None:
        """Forget all samples of one of the four kinds (the actual ones, when the photo changes)."""
        self._bank.clear(kind)
        self._thumbnails[kind], self._at[kind] = self._thumbnails[kind][:0], self._at[kind][:0]
        self._sources[kind] = []


# --- on disk -------------------------------------------------------------------------------------


def save(memory: SampleMemory, folder: Path, made_by: Mapping[str, Any] | None = None) -> Path:
    """Write ``samples.safetensors`` into a model's folder, atomically; the actual samples stay out of it.

    The same samples give the same bytes. Raises OSError when the disk does.

    Args:
        made_by: plain JSON about how it was filled (task, seed); no paths.
    """
    names = sorted({name for kind in _SAVED for name in memory._sources[kind]})
    number = {name: index for index, name in enumerate(names)}
    tensors: dict[str, Tensor] = {}
    for kind in _SAVED:
        tensors[f"{kind}.embedding"] = memory.embeddings(kind).half()
        tensors[f"{kind}.weight"] = memory.weights(kind)
        tensors[f"{kind}.at"] = torch.from_numpy(memory._at[kind]).to(torch.int32)
        sources = [number[name] for name in memory._sources[kind]]
        tensors[f"{kind}.source"] = torch.tensor(sources, dtype=torch.int32)
        tensors[f"{kind}.thumbnails"] = _sheet_bytes(memory._thumbnails[kind])
    header = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "memorynet": __version__,
        "weights_sha256": memory.weights_sha256,
        "dim": memory.dim,
        "thumbnail_px": memory.thumbnail_px,
        "bounds": dict(memory.bounds),
        "sources": names,
        "made_by": dict(made_by or {}),
    }
    file = folder / SAMPLES_FILE
    checkpoint.save_tensors(file, tensors, {_FORMAT: json.dumps(header, ensure_ascii=False)})
    return file


def load(path: Path) -> SampleMemory:
    """A sample memory from its file, or from the folder it lies in.

    Raises :class:`SampleError`: missing, damaged or not a sample memory; the message says which.
    """
    file = path / SAMPLES_FILE if path.is_dir() else path
    try:
        if not file.is_file():
            raise SampleError(f"{file.parent.name}: holds no {file.name}")
        if file.stat().st_size > _LARGEST_FILE_BYTES:
            raise SampleError(f"{file.name}: {file.stat().st_size >> 20} MB, expected at most 64")
        tensors, headers = checkpoint.read_tensors(file)
    except (checkpoint.CheckpointError, OSError) as error:
        raise SampleError(str(error)) from error
    if _FORMAT not in headers:
        raise SampleError(f"{file.name}: not a sample memory (its header lacks {_FORMAT})")
    try:
        return _from_tensors(foreign_text.parse_json(headers[_FORMAT]), tensors)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise SampleError(f"{file.name}: damaged: {reason}") from error


def load_beside(model: Path) -> tuple[SampleMemory | None, str | None]:
    """The sample memory beside a model, or None and a sentence for people: a photo is restored without it, too.

    It is refused when it was made with other weights, whose embeddings mean something else.

    Args:
        model: the model's folder or its weights file.
    """
    folder = model if model.is_dir() else model.parent
    weights = folder / checkpoint.WEIGHTS_FILE if model.is_dir() else model
    try:
        memory = load(folder / SAMPLES_FILE)
        if memory.weights_sha256 != _sha256(weights):
            raise SampleError(f"{SAMPLES_FILE}: was made with other weights than {weights.name} beside it")
    except SampleError as error:
        return None, describe(error).sentence
    return memory, None


def _sha256(weights: Path) -> str:
    try:
        return checkpoint.file_sha256(weights)
    except OSError as error:
        raise SampleError(f"{weights.name}: cannot be read: {error.strerror or error}") from error


def _from_tensors(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> SampleMemory:
    if header["format"] != _FORMAT or header["format_version"] != _FORMAT_VERSION:
        raise ValueError(f"format {header['format']!r} version {header['format_version']!r} is not known")
    dim, edge = _whole(header["dim"], 1, 4096), _whole(header["thumbnail_px"], 8, 64)
    bounds = {str(kind): _whole(bound, 1, LARGEST_BOUND) for kind, bound in header["bounds"].items()}
    names = [str(name) for name in header["sources"]]
    memory = SampleMemory(dim, bounds, edge, str(header["weights_sha256"]))
    state = memory._bank.state_dict()
    for kind in _SAVED:
        embedding, at, source = (tensors[f"{kind}.{part}"] for part in ("embedding", "at", "source"))
        count = len(embedding)
        if embedding.shape != (count, dim) or at.shape != (count, 2) or source.shape != (count,):
            raise ValueError(f"{kind}: {tuple(embedding.shape)}, {tuple(at.shape)}, {tuple(source.shape)}")
        if not embedding.is_floating_point():
            raise ValueError(f"{kind}: embeddings of {embedding.dtype}")
        if at.is_floating_point() or source.is_floating_point():
            raise ValueError(f"{kind}: positions or sources that are not whole numbers")
        if count and not 0 <= int(source.min()) <= int(source.max()) < len(names):
            raise ValueError(f"{kind}: names {int(source.max())} of {len(names)} sources")
        state[f"{kind}.embedding"], state[f"{kind}.weight"] = embedding, tensors[f"{kind}.weight"]
        state[f"{kind}.step"] = torch.zeros(count, dtype=torch.int64)
        memory._thumbnails[kind] = _from_sheet(tensors[f"{kind}.thumbnails"], count, edge)
        memory._at[kind] = at.numpy().astype(np.int64)
        memory._sources[kind] = [_file_name(names[index]) for index in source.tolist()]
    memory._bank.load_state_dict(state)
    return memory


def _whole(value: object, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{value!r}: expected a whole number from {low} to {high}")
    return value


def _sheet_bytes(thumbnails: np.ndarray) -> Tensor:
    """(M, T, T, 3) uint8 -> the bytes of a lossless WebP, :data:`_SHEET_COLUMNS` patches to a row."""
    count, edge = thumbnails.shape[:2]
    if not count:
        return torch.empty(0, dtype=torch.uint8)
    rows = -(-count // _SHEET_COLUMNS)
    cells = np.zeros((rows * _SHEET_COLUMNS, edge, edge, 3), np.uint8)
    cells[:count] = thumbnails
    sheet = cells.reshape(rows, _SHEET_COLUMNS, edge, edge, 3).swapaxes(1, 2)
    data = io.BytesIO()
    picture = Image.fromarray(sheet.reshape(rows * edge, _SHEET_COLUMNS * edge, 3))
    picture.save(data, "WEBP", lossless=True, quality=80, method=4)  # a tenth larger, 20 times faster
    return torch.frombuffer(bytearray(data.getvalue()), dtype=torch.uint8)


def _from_sheet(data: Tensor, count: int, edge: int) -> np.ndarray:
    """The inverse of :func:`_sheet_bytes`. Raises ValueError: another picture than expected, or none."""
    if not count:
        return np.empty((0, edge, edge, 3), np.uint8)
    if data.dtype != torch.uint8 or data.ndim != 1:
        raise ValueError(f"thumbnails of {data.dtype}, {tuple(data.shape)}: expected bytes")
    rows = -(-count // _SHEET_COLUMNS)
    expected = (_SHEET_COLUMNS * edge, rows * edge)
    try:
        with Image.open(io.BytesIO(data.numpy().tobytes()), formats=("WEBP",)) as picture:
            if picture.size != expected:  # before decoding: what a header claims must not take our memory
                raise ValueError(f"thumbnails of {picture.size} px, expected {expected}")
            sheet = np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError("thumbnails are no WebP picture") from error  # Pillow's words name an address
    cells = sheet.reshape(rows, edge, _SHEET_COLUMNS, edge, 3).swapaxes(1, 2)
    return np.ascontiguousarray(cells.reshape(-1, edge, edge, 3)[:count])


def _parts(kind: str) -> tuple[str, ...]:
    return (DEGRADED, WRONG) if kind == NEGATIVE else (kind,)


def _file_name(name: str) -> str:
    """The last part of a path of any system, printable and not too long."""
    last = PureWindowsPath(name).name
    return "".join(letter for letter in last if letter.isprintable())[:_LONGEST_NAME]
