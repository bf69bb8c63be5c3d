"""A photo restored at the scale of its damage: a look at reduced copies, passes from coarse to fine, a verdict.

The look. The coarsest copy, 320 to 640 px long, is restored whole, and at every finer scale a few windows are.
Where the network changes most (root mean square) and its memory takes most for damage, there it knows what it sees.
Cost of the look at 12 megapixels: less than half a megapixel.

The passes. One pass at the finest copy of about a megapixel that shows a good part of the most takes rain of all sizes best: such a
copy is as large as the photos that models learned from, a smaller one loses what is thin, and what a coarse pass leaves of
a streak no finer one knows as rain. What was changed in a copy is enlarged and put on the photo's own pixels
(:class:`copies.Correction`). Where no such copy shows it, passes start at the coarsest that shows some; then the next finer
scale of the result is looked at, and restored as well if much is left there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from core import tasks
from core.cv import cv2
from core.data import taught
from core.events import Looked, PassTile, TileDone
from core.jobs import Emit, JobControl, ignore
from core.model.config import STRIDE_PX
from core.restoring import copies, scales, smear, tiling
from core.restoring.scales import AUTO, WHOLE
from core.restoring.verdict import LEAST_CHANGE, LITTLE, NO_MEASURE, NOTHING, Measure, Thresholds, Verdict

WINDOW_PX = 112  # of a copy, a multiple of the network's stride; four of them show each finer scale
ONE_PASS_PX = 1_200_000  # of a copy, or a sixteenth of the photo: at most so many are one pass's worth
SHOWS = 0.7  # of the most that is seen at a scale: the pass goes over the finest such copy with as much
PREFER_COARSE = 0.4  # of the most: where there is no such copy, the passes start at the coarsest with as much
GO_ON = (
    0.4  # of the most that was seen at a scale: a finer one that still shows this much is restored as well
)
PREFER_COARSE_SMEAR = (
    0.8  # the same for smears: on eight composites the coarser copy restored better down to this
)
# of a copy, the longest smear that is undone well: the finest copy is restored in which it is no longer
UNDONE_PX = 24
# levels of 255, root mean square, that undoing a smear changes from where it is much: of 41 mosaics of clean/, smeared by
# 4 to 24 px, those changed by 3 and more had 9 levels of damage and more, 8 being much for any task
MUCH_UNDONE = 3.0
PREVIEW_PX = 600_000  # of a copy; a preview goes no finer
SMALL = "the photo is as small as those the model learned from"
_CARRY_TILE_PX = 1024  # of the photo; what the window is shown at a time


class Passes(Protocol):
    """What :class:`core.restoring.passes.Network` does."""

    @property
    def thresholds(self) -> Thresholds | None: ...

    @property
    def unsmears(self) -> bool: ...

    def restore(
        self,
        pixels: np.ndarray,
        mask: np.ndarray | None,
        focus: tiling.Region | None,
        emit: Emit,
    ) -> tuple[np.ndarray, Measure]: ...

    def look(self, windows: np.ndarray, masks: np.ndarray | None) -> Measure: ...


class Request(Protocol):
    """Of :class:`core.restoring.records.RestoreRequest`, what is asked here."""

    @property
    def task(self) -> str: ...
    @property
    def scale(self) -> str: ...
    @property
    def mask(self) -> np.ndarray | None: ...
    @property
    def only(self) -> np.ndarray | None: ...
    @property
    def taught(self) -> np.ndarray | None: ...
    @property
    def focus(self) -> tiling.Region | None: ...
    @property
    def undo(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Found:
    """The restored photo, its own array or ``pixels`` itself where nothing was found."""

    pixels: np.ndarray
    verdict: Verdict
    measure: Measure = NO_MEASURE  # what was seen where it was restored


@dataclass(frozen=True, slots=True)
class Undone:
    """A copy of a photo, or the photo (divisor 1), and the same with its smear undone, which is what the network restores."""

    by: int
    copy: np.ndarray
    shown: np.ndarray

    @property
    def levels(self) -> float:
        """How much undoing it changes, root mean square, of 255."""
        change = cv2.norm(self.copy, self.shown, cv2.NORM_L2) / self.copy.size**0.5
        return float(change / np.iinfo(self.copy.dtype).max * 255)


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at each scale, coarsest first, and where it was seen best."""

    levels: tuple[tuple[int, Measure], ...]  # divisor, what was seen
    best: int  # the divisor where the passes start
    before: np.ndarray | None = None  # the coarsest copy and its restoration, (h, w, 3) uint16
    after: np.ndarray | None = None
    smear: smear.Smear | None = None  # that the photo tells
    undone: Undone | None = None
    is_one_pass: bool = False  # over a copy of about a megapixel, which leaves nothing to finer ones

    @property
    def clearest(self) -> int:
        """The divisor of the scale that shows most, which decides whether there is anything and how much is gone."""
        return max(self.levels, key=lambda level: level[1].sight)[0]

    @property
    def measure(self) -> Measure:
        """What was seen at :attr:`clearest`."""
        return dict(self.levels)[self.clearest]


def look(pixels: np.ndarray, request: Request, network: Passes, emit: Emit, control: JobControl) -> Look:
    """At which of several scales the damage is seen best."""
    height, width = pixels.shape[:2]
    tries = _candidates(width, height, request)
    coarsest = tries[0]
    seen = _smear(pixels, request)
    before = copies.reduced(pixels, coarsest)
    mask = None if request.mask is None else copies.reduced_mask(request.mask, coarsest)
    control.checkpoint()
    emit_pass = PassEmit(emit, scales.name(coarsest))
    after, measure = network.restore(before, mask, None, emit_pass)
    levels = [(coarsest, measure)]
    for by in tries[1:]:
        levels.append((by, see(pixels, request.mask, by, network, control)))
    undone = _undo(pixels, seen, tries, request, network, control)
    if _smears(request):
        levels = [(by, _with_smear(level, seen, network, undone)) for by, level in levels]
    best, is_one_pass = _best(levels, width * height, request)
    best = best if undone is None else undone.by
    return Look(tuple(levels), best, before, after, seen, undone, is_one_pass)


def _best(levels: Sequence[tuple[int, Measure]], photo_px: int, request: Request) -> tuple[int, bool]:
    """The divisor of the copy where the passes start, of ``levels``, coarsest first, and whether one pass is all."""
    most = max(level.sight for _by, level in levels)
    if not _smears(request) and tasks.of(request.task).correction != "light":  # which is found small
        one_pass_px = max(ONE_PASS_PX, photo_px / 16)
        for by, level in reversed(levels):
            if photo_px / by**2 <= one_pass_px and level.sight >= SHOWS * most:
                return by, True
    least = (PREFER_COARSE_SMEAR if _smears(request) else PREFER_COARSE) * most
    return next(by for by, level in levels if level.sight >= least), False


def _smear(pixels: np.ndarray, request: Request) -> smear.Smear | None:
    """Of a task whose damage has a length and a direction."""
    return smear.find(pixels) if _smears(request) else None


def insists(request: Request) -> bool:
    """Whether it was said where damage is, whatever is seen of it over the whole photo: taught, or as the smaller part that may
    change."""
    if request.taught is not None and taught.asserts(request.taught):
        return True
    only = request.only
    return only is not None and bool(2 * np.count_nonzero(only > 127) < only.size)


def _smears(request: Request) -> bool:
    return tasks.of(request.task).smears


def _telling(verdict: Verdict, seen: smear.Smear | None, is_undone: bool) -> Verdict:
    """With how long the smear is and which way it runs, where blur was found and the photo tells it."""
    if verdict.found == NOTHING or seen is None or not seen.is_certain:
        return verdict
    return replace(verdict, smear_px=seen.length_px, smear_deg=seen.angle_deg, undone=is_undone)


def _with_smear(
    measure: Measure, seen: smear.Smear | None, network: Passes, undone: Undone | None
) -> Measure:
    """The measure with what the photo's spectrum says. A smear that is undone is one that was found, whatever the network sees, and the
    more of it the more that changes."""
    amount = smear.amount(measure.response, measure.change, seen)
    thresholds = network.thresholds
    if undone is not None and thresholds is not None:
        share = undone.levels / MUCH_UNDONE
        least = thresholds.nothing_below + share * (thresholds.much_from - thresholds.nothing_below)
        amount = max(amount, least)
    return replace(measure, amount=amount)


def _undo(
    pixels: np.ndarray,
    seen: smear.Smear | None,
    tries: Sequence[int],
    request: Request,
    network: Passes,
    control: JobControl,
) -> Undone | None:
    """The smear undone in the finest copy, of ``tries`` from coarse to fine, in which it is short enough for that; None: none is
    undone there."""
    if not (network.unsmears and request.undo) or seen is None or smear.where(pixels, seen) is None:
        return None
    by = next((by for by in reversed(tries) if seen.length_px / by <= UNDONE_PX), tries[0])
    copy = copies.reduced(pixels, by) if by > 1 else pixels
    shown = smear.sharper(copy, control.checkpoint, seen.reduced(by))
    return None if shown is copy else Undone(by, copy, shown)


def _candidates(width: int, height: int, request: Request) -> tuple[int, ...]:
    if _smears(request):
        return scales.candidates(width, height, 0)
    found = scales.candidates(width, height, scales.LEARNED_PX)
    return tuple(by for by in found if by == found[0] or max(width, height) / by <= scales.SEEN_WHOLE_PX)


def preview(
    pixels: np.ndarray, request: Request, network: Passes, control: JobControl, want_pixels: bool
) -> Found:
    """What there is in a photo, without restoring more of it than a look takes; its pixels, where wanted, are the
    photo with what was found so far taken out, else the photo itself. Costs at most :data:`PREVIEW_PX` of network."""
    height, width = pixels.shape[:2]
    thresholds = network.thresholds
    if len(_candidates(width, height, request)) == 1:
        by, why = 1, SMALL
        found_smear = _smear(pixels, request)
        undone = _undo(pixels, found_smear, (1,), request, network, control)
        if undone is not None and not want_pixels:
            out, measure = pixels, see(pixels, request.mask, 1, network, control)
        else:
            shown = pixels if undone is None else undone.shown
            out, measure = network.restore(shown, request.mask, None, ignore)
            measure = _as_it_is(pixels, request, 1, measure, undone, network, control)
        if _smears(request):
            measure = _with_smear(measure, found_smear, network, undone)
    else:
        seen = look(pixels, request, network, ignore, control)
        by, measure, why, out = seen.best, seen.measure, _why(seen), pixels
        found_smear, undone = seen.smear, seen.undone
        if want_pixels and (thresholds is None or thresholds.found(measure) != NOTHING or insists(request)):
            before, after, taken = seen.before, seen.after, seen.levels[0][0]
            if (by != taken or seen.undone is not None) and height * width / by**2 <= PREVIEW_PX:
                before, taken = copies.reduced(pixels, by), by
                mask = None if request.mask is None else copies.reduced_mask(request.mask, by)
                shown = before if seen.undone is None else seen.undone.shown
                after, _ = network.restore(shown, mask, None, ignore)
            assert before is not None and after is not None
            control.checkpoint()
            kind = tasks.of(request.task).correction
            out = copies.Correction(before, after, taken, kind).put_all(pixels)
    found = None if thresholds is None else thresholds.found(measure)
    if found == NOTHING and insists(request):
        found = LITTLE
    nothing = found == NOTHING
    verdict = Verdict(found, None, scales.name(by), why, unchanged=nothing)
    verdict = _telling(verdict, found_smear, want_pixels and undone is not None)
    return Found(pixels if nothing or not want_pixels else out, verdict, measure)


def see(
    pixels: np.ndarray, mask: np.ndarray | None, by: int, network: Passes, control: JobControl
) -> Measure:
    """What a pass at a scale would see, from four windows: one of each quarter of the photo."""
    height, width = (-(-edge // by) for edge in pixels.shape[:2])
    tops, heights = _places(height)
    lefts, widths = _places(width)
    windows, masks = [], []
    small = None if mask is None else copies.reduced_mask(mask, by)
    for top in tops:
        for left in lefts:
            control.checkpoint()
            inside = left, top, min(widths, width - left), min(heights, height - top)
            region = 0, 0, widths, heights
            windows.append(tiling.cut(copies.reduced(pixels, by, inside), region))
            if small is not None:
                x, y, w, h = inside
                masks.append(tiling.cut(small[y : y + h, x : x + w, None], region)[..., 0])
    return network.look(np.stack(windows), np.stack(masks) if masks else None)


def _as_it_is(
    pixels: np.ndarray,
    request: Request,
    by: int,
    seen: Measure,
    undone: Undone | None,
    network: Passes,
    control: JobControl,
) -> Measure:
    """What there is in a photo, after a pass at a scale saw ``seen``: that, unless it was shown something else."""
    return seen if undone is None else see(pixels, request.mask, by, network, control)


def _places(edge: int) -> tuple[tuple[int, ...], int]:
    """Where windows start along an edge of a copy, and how long they are."""
    if edge <= WINDOW_PX:
        return (0,), -(-edge // STRIDE_PX) * STRIDE_PX
    if edge < 2 * WINDOW_PX:
        return ((edge - WINDOW_PX) // 2 // STRIDE_PX * STRIDE_PX,), WINDOW_PX
    quarter = edge // 4
    return tuple(at - WINDOW_PX // 2 for at in (quarter, edge - quarter)), WINDOW_PX


def restore(pixels: np.ndarray, request: Request, network: Passes, emit: Emit, control: JobControl) -> Found:
    """See the module's text. Raises what the network raises, and Cancelled."""
    return _Run(pixels, request, network, emit, control).run()


class _Run:
    def __init__(
        self, pixels: np.ndarray, request: Request, network: Passes, emit: Emit, control: JobControl
    ) -> None:
        self.pixels, self.request, self.network = pixels, request, network
        self.emit, self.control = emit, control
        self.height, self.width = pixels.shape[:2]
        self.smear: smear.Smear | None = None
        self.undone: Undone | None = None
        self.left: dict[int, Measure] = {}  # what a look at the result saw, by divisor

    def run(self) -> Found:
        found = self._run()
        return replace(found, verdict=_telling(found.verdict, self.smear, self.undone is not None))

    def _run(self) -> Found:
        if self.request.scale != AUTO:
            by = scales.divisor(self.request.scale)
            self._look_for_smear(by)
            out, measure = self._seen(*self._pass(self.pixels, by), by)
            return Found(out, self._verdict(out, measure, by, "the scale that was asked for"), measure)
        if tasks.of(self.request.task).changes_light and self.request.mask is not None:
            by = scales.learned(self.width, self.height)
            out, measure = self._pass(self.pixels, by)
            why = "it is known where the shadow is, and at this size the model learned from shadows"
            return Found(out, self._verdict(out, measure, by, why), measure)
        if len(_candidates(self.width, self.height, self.request)) == 1:
            return self._small()
        seen = look(self.pixels, self.request, self.network, self.emit, self.control)
        self.smear, self.undone = seen.smear, seen.undone
        self.control.checkpoint()
        thresholds = self.network.thresholds
        found = None if thresholds is None else thresholds.found(seen.measure)
        why = _why(seen)
        name = scales.name(seen.best)
        self.emit(Looked(found, name, why))
        if found == NOTHING and not insists(self.request):
            verdict = Verdict(NOTHING, None, name, why, unchanged=True)
            return Found(self.pixels, verdict, seen.measure)
        is_done = seen.best == seen.levels[0][0] and seen.undone is None
        if seen.before is not None and seen.after is not None and is_done:
            out, first = self._carry(self.pixels, seen.before, seen.after, seen.best), seen.levels[0][1]
            seen = replace(seen, before=None, after=None)  # its copies are let go
        else:
            self._show_first(seen)
            seen = replace(seen, before=None, after=None)
            out, first = self._seen(*self._pass(self.pixels, seen.best), seen.best)
        measure = first if seen.best == seen.clearest else seen.measure
        finer: list[str] = []
        most = seen.measure.sight
        # what is left of a smear at a finer scale is not another one
        is_all = seen.is_one_pass or _smears(self.request)
        for by in () if is_all else [by for by, _level in seen.levels if by < seen.best]:
            left = self._left(out, by)
            if left.sight < GO_ON * most or left.amount < LEAST_CHANGE:
                continue
            if thresholds is not None and thresholds.found(left) == NOTHING:
                continue
            out, _ = self._pass(out, by)
            self.left.clear()
            finer.append(scales.name(by))
        if finer:
            why += f"; more was found at {' and '.join(finer)}"
        verdict = self._verdict(out, measure, seen.clearest, why)
        return Found(out, replace(verdict, scale=name), measure)

    def _small(self) -> Found:
        """A photo so small that only its own size is tried: the pass is the look."""
        why = SMALL
        self._look_for_smear(1)
        out, measure = self._seen(*self._pass(self.pixels, 1), 1)
        thresholds = self.network.thresholds
        if thresholds is not None and thresholds.found(measure) == NOTHING and not insists(self.request):
            return Found(self.pixels, Verdict(NOTHING, None, WHOLE, why, unchanged=True), measure)
        return Found(out, self._verdict(out, measure, 1, why), measure)

    def _look_for_smear(self, by: int) -> None:
        """Where the scale is given."""
        self.smear = _smear(self.pixels, self.request)
        self.undone = _undo(self.pixels, self.smear, (by,), self.request, self.network, self.control)

    def _seen(self, out: np.ndarray, measure: Measure, by: int) -> tuple[np.ndarray, Measure]:
        measure = _as_it_is(self.pixels, self.request, by, measure, self.undone, self.network, self.control)
        if _smears(self.request):
            measure = _with_smear(measure, self.smear, self.network, self.undone)
        return out, measure

    def _verdict(self, out: np.ndarray, measure: Measure, by: int, why: str) -> Verdict:
        thresholds = self.network.thresholds
        if thresholds is None:
            return Verdict(scale=scales.name(by), why=why)
        found = thresholds.found(measure)
        if found != NOTHING and measure.where < LEAST_CHANGE:  # seen, but hardly touched
            least = found if _smears(self.request) else LITTLE
            return Verdict(least, 0.0 if thresholds.gone is not None else None, scales.name(by), why)
        gone = None
        if found != NOTHING and thresholds.gone is not None:
            gone = thresholds.share_gone(measure, self._left(out, by))
        return Verdict(found, gone, scales.name(by), why)

    def _left(self, out: np.ndarray, by: int) -> Measure:
        """What is still seen in the result, which may have been asked before."""
        if by not in self.left:
            self.left[by] = see(out, self.request.mask, by, self.network, self.control)
        return self.left[by]

    # --- passes ----------------------------------------------------------------------------------

    def _pass(self, photo: np.ndarray, by: int) -> tuple[np.ndarray, Measure]:
        """All of ``photo`` restored at a scale."""
        focus, mask = self.request.focus, self.request.mask
        undone = (
            self.undone if photo is self.pixels and self.undone is not None and self.undone.by == by else None
        )
        if by == 1:
            return self.network.restore(photo if undone is None else undone.shown, mask, focus, self.emit)
        before = copies.reduced(photo, by) if undone is None else undone.copy
        small = None if mask is None else copies.reduced_mask(mask, by)
        if focus is not None:
            x, y, width, height = focus
            focus = x // by, y // by, -(-width // by), -(-height // by)
        shown = before if undone is None else undone.shown
        after, measure = self.network.restore(shown, small, focus, PassEmit(self.emit, scales.name(by)))
        return self._carry(photo, before, after, by), measure

    def _show_first(self, seen: Look) -> None:
        """Until the pass comes there, what is in sight stands as the coarsest copy has it, if that shows some of it."""
        focus, (by, coarsest) = self.request.focus, seen.levels[0]
        if focus is None or seen.before is None or seen.after is None:
            return
        if coarsest.sight < PREFER_COARSE * seen.measure.sight:
            return
        correction = self._correction(seen.before, seen.after, by)
        tiles = [tile for tile in self._carried() if tiling.overlap(tile, focus)]
        for index, tile in enumerate(tiles, 1):
            self.control.checkpoint()
            region = tile.x, tile.y, tile.width, tile.height
            self.emit(TileDone(index, len(tiles), *region, correction.put(self.pixels, region), None))

    def _correction(self, before: np.ndarray, after: np.ndarray, by: int) -> copies.Correction:
        return copies.Correction(before, after, by, tasks.of(self.request.task).correction)

    def _carried(self) -> list[tiling.Tile]:
        """The tiles of the photo in which a correction is put on it, those in sight first."""
        return tiling.plan(self.width, self.height, _CARRY_TILE_PX, STRIDE_PX, self.request.focus)

    def _carry(self, photo: np.ndarray, before: np.ndarray, after: np.ndarray, by: int) -> np.ndarray:
        """The photo with the copy's correction, told tile by tile, those in sight first."""
        correction = self._correction(before, after, by)
        out = np.empty_like(photo)
        tiles = self._carried()
        for index, tile in enumerate(tiles, 1):
            self.control.checkpoint()
            region = tile.x, tile.y, tile.width, tile.height
            part = correction.put(photo, region)
            out[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] = part
            self.emit(TileDone(index, len(tiles), *region, part, None))
        return out


class PassEmit:
    """Passes on what a pass over a copy tells, without its pixels: they are not the photo's."""

    def __init__(self, emit: Emit, scale: str) -> None:
        self._emit, self._scale = emit, scale

    def __call__(self, event: object) -> None:
        if isinstance(event, TileDone):
            event = PassTile(event.index, event.count, self._scale, event.seconds_left)
        self._emit(event)


def _why(seen: Look) -> str:
    """One sentence with the numbers behind it."""
    levels = ", ".join(f"{scales.name(by)}: {measure.sight:.1f}" for by, measure in seen.levels)
    which = "finest of the small copies" if seen.is_one_pass else "coarsest scale"
    return f"the {which} at which the network sees and changes much (levels of 255 by scale: {levels})"
