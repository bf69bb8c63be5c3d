"""Looking at one photo or pair: header first, then a thumbnail; several at a time, none of them kept."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from core.data.degrade import DEGRADATIONS, DegradationError
from core.doctor.data import Unit
from core.doctor.pixels import Alignment, Fingerprint, align, is_shaded
from core.doctor.preview import degraded_thumbnail, reduced
from core.events import ItemDone, ItemStarted
from core.images import io as image_io
from core.images.io import PictureInfo
from core.jobs import Emit, JobControl
from core.training.recipe import TrainRecipe

EXAMPLES = 12
EXAMPLE_PX = 160
_PAIR_PX = 256  # what alignment is judged on
_CLOSE_PX = 512  # a part of a large pair at full size
_CLOSE_AT_MOST = 60_000_000  # pixels; a larger pair is not decoded whole
_LEAST_SHIFT_PX = 1.0  # at full size: less is what scaling does
_SAME_LEVELS = 2  # of 255: what saving as JPEG changes in a thumbnail
_COLOURED = 8  # of 255: lossy formats colour a grey picture by this much
_POLL_S = 0.05
_T = TypeVar("_T")


def _shown_damage(recipe: TrainRecipe) -> Mapping[str, Any]:
    """Parameters of what examples are damaged by: of a mixture those of its first drawn source."""
    drawn = (source.degradation for source in recipe.sources if source.kind == "drawn" and source.degradation)
    return next(drawn, recipe.degradation)


@dataclass(frozen=True, slots=True)
class PairThumbnail:
    """What training sees of one pair: both (h, w, 3) uint8, no edge longer than 160 px."""

    name: str
    input: np.ndarray  # degraded; made from the target where ``is_made``
    target: np.ndarray
    is_made: bool


@dataclass(slots=True)
class Look:
    """What one photo or pair showed. ``troubles`` are files and what is wrong with each."""

    unit: Unit
    infos: dict[Path, PictureInfo] = field(default_factory=dict)
    troubles: list[tuple[Path, Exception]] = field(default_factory=list)
    mask_trouble: str = ""
    is_mismatched: bool = False
    is_same: bool = False
    shift_px: float = 0.0  # at full size; 0 where both lie on each other
    is_strange: bool = False
    is_shaded: bool = False  # as a shadow does it
    print: Fingerprint | None = None
    example: PairThumbnail | None = None

    @property
    def info(self) -> PictureInfo | None:
        return self.infos.get(self.unit.target)


class Examiner:
    """Looks at one unit; on several threads at a time."""

    def __init__(self, recipe: TrainRecipe, units: Sequence[Unit]) -> None:
        self.recipe = recipe
        make = DEGRADATIONS.get(recipe.task)
        self.reads_masks = make is not None and make.find_mask is not None and recipe.guidance_share > 0
        try:
            self.make, self.params = make, make.params(_shown_damage(recipe)) if make else None
        except DegradationError:
            self.make, self.params = None, None  # said elsewhere
        train = [unit for unit in units if not unit.validates]
        shown = np.linspace(0, len(train) - 1, min(EXAMPLES, len(train)))
        self.shown = {id(train[round(place)]) for place in shown}

    def look(self, unit: Unit) -> Look:
        look = Look(unit)
        for path in (unit.input, unit.target):
            if path is not None and (info := self._try(look, path, image_io.read_info)) is not None:
                look.infos[path] = info
        if unit.mask is not None and self.reads_masks:
            self._try(look, unit.mask, lambda path: self._look_at_mask(look, path))
        if unit.input is None:
            self._try(look, unit.target, lambda path: self._look_at_photo(look, path))
        else:
            self._look_at_pair(look, unit.input)
        return look

    def _try(self, look: Look, path: Path, work: Callable[[Path], _T]) -> _T | None:
        """What ``work`` finds in a file; None, and a trouble noted, when it cannot."""
        if any(path == bad for bad, _ in look.troubles):
            return None
        try:
            return work(path)
        except Exception as error:  # whatever is wrong with one file, the others are looked at
            look.troubles.append((path, error))
            return None

    def _look_at_photo(self, look: Look, path: Path) -> None:
        unit = look.unit
        shown = id(unit) in self.shown
        picture = image_io.thumbnail(path, 2 * EXAMPLE_PX if shown else EXAMPLE_PX)
        look.print = Fingerprint.of(reduced(picture, EXAMPLE_PX))
        if shown and self.make is not None:
            rng = np.random.default_rng([self.recipe.seed, *unit.name.encode()])
            spoiled = degraded_thumbnail(self.make, self.params, picture, rng)
            look.example = PairThumbnail(
                unit.name, reduced(spoiled, EXAMPLE_PX), reduced(picture, EXAMPLE_PX), True
            )

    def _look_at_pair(self, look: Look, source: Path) -> None:
        unit = look.unit
        a, b = (
            self._try(look, path, lambda path: image_io.thumbnail(path, _PAIR_PX))
            for path in (source, unit.target)
        )
        if b is not None:
            look.print = Fingerprint.of(reduced(b, EXAMPLE_PX))
        if a is None or b is None:
            return
        shown = id(unit) in self.shown
        if shown:
            look.example = PairThumbnail(unit.name, reduced(a, EXAMPLE_PX), reduced(b, EXAMPLE_PX), False)
        one, other = look.infos[source], look.infos[unit.target]
        if (one.width, one.height) != (other.width, other.height):
            look.is_mismatched = True
            return
        look.is_same = int(np.abs(a.astype(np.int16) - b).max()) <= _SAME_LEVELS
        look.is_shaded = is_shaded(a, b)
        scale = max(one.width, one.height) / max(a.shape[:2])
        found = align(a, b)
        if found is not None:
            look.is_strange = found.is_strange
            look.shift_px = _shift_px(found, scale)
        if shown and scale > 2 and one.width * one.height <= _CLOSE_AT_MOST and not look.is_strange:
            self._look_closely(look, source, unit.target)

    def _look_closely(self, look: Look, source: Path, target: Path) -> None:
        """A shift of few pixels does not show in a thumbnail of a large picture."""
        one, other = (self._try(look, path, _middle) for path in (source, target))
        if look.shift_px or one is None or other is None:
            return
        found = align(one, other)
        if found is not None:
            look.shift_px = _shift_px(found, 1.0)

    def _look_at_mask(self, look: Look, mask: Path) -> None:
        info, photo = image_io.read_info(mask), look.info
        look.infos[mask] = info
        if photo is not None and (info.width, info.height) != (photo.width, photo.height):
            look.mask_trouble = f"{info.width}x{info.height} px for {photo.width}x{photo.height} px"
        elif (
            info.mode != "grey"
            and int(np.ptp(image_io.thumbnail(mask, EXAMPLE_PX), axis=-1).max()) > _COLOURED
        ):
            look.mask_trouble = "has colours"


def _shift_px(found: Alignment, scale: float) -> float:
    """At full size; 0 where nothing speaks for a shift."""
    shift_px = found.shift_px * scale
    return shift_px if found.is_shifted and shift_px >= _LEAST_SHIFT_PX else 0.0


def _middle(path: Path) -> np.ndarray:
    """The middle of a picture at full size: at most (512, 512, 3) uint8."""
    pixels = image_io.read(path).pixels
    top, left = (max(0, (n - _CLOSE_PX) // 2) for n in pixels.shape[:2])
    part = pixels[top : top + _CLOSE_PX, left : left + _CLOSE_PX]
    return np.ascontiguousarray(part if part.dtype == np.uint8 else (part // 257).astype(np.uint8))


def look_at_all(units: Sequence[Unit], examiner: Examiner, emit: Emit, control: JobControl) -> Iterator[Look]:
    """In order. A few are under way at a time, so that neither memory nor a cancel depends on how many there are."""
    threads = max(1, min(4, os.cpu_count() or 1))
    pool = ThreadPoolExecutor(threads, thread_name_prefix="doctor")
    waiting: deque[Future[Look]] = deque()
    began, count, given = time.monotonic(), len(units), 0
    try:
        for index, unit in enumerate(units, 1):
            while given < min(count, index + 2 * threads):
                waiting.append(pool.submit(examiner.look, units[given]))
                given += 1
            emit(ItemStarted(index, count, unit.name))
            future = waiting.popleft()
            while not wait([future], _POLL_S).done:
                control.checkpoint()
            control.checkpoint()
            look = future.result()
            error = look.troubles[0][1] if look.troubles else None
            left = (time.monotonic() - began) / index * (count - index)
            emit(ItemDone(index, count, unit.name, error, left))
            yield look
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
