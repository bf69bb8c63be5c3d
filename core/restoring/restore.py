"""Restoration as a job: a picture and a frozen request in, tiles streaming out, one restored picture.

What one pass of the network over a photo or a copy of it does stands in :mod:`core.restoring.passes`, which passes there
are in :mod:`core.restoring.scaled`, what goes in and comes out in :mod:`core.restoring.records`.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np

from core import tasks
from core.data import guidance, taught
from core.events import Looked
from core.images.blend import blend, within
from core.images.io import Picture
from core.jobs import Emit, JobControl, ignore
from core.model import catalog, checkpoint
from core.model.tensors import choose_precision
from core.restoring import damage_guess, scaled, scales, shadow_guess, smear
from core.restoring.passes import Network, check_takes_masks, load_model
from core.restoring.records import Restored, RestoreError, RestoreRequest
from core.restoring.verdict import LITTLE, MUCH, NOTHING, Measure, Verdict

__all__ = [
    "Network", "RestoreError", "RestoreRequest", "Restored", "blend", "guess", "guess_only", "preview", "restore",
]  # fmt: skip

_KEPT_GUESSES = (
    2  # the photo at hand is asked again by previews, Auto and the Memory page, there with two models
)
_guesses: OrderedDict[tuple[object, ...], guidance.Guess | None] = OrderedDict()  # the newest last
_guesses_lock = threading.Lock()
_KEPT_PREVIEW_BYTES = 100_000_000  # a larger one is made again: it would stay in memory beside the photo
_MUCH_SHARE = 0.15  # of the photo, from which on a shadow is much: half of 91 real ones cover more than 0.17


def restore(picture: Picture, request: RestoreRequest, emit: Emit, control: JobControl) -> Restored:
    """Restore ``picture`` at the scale asked for, or at that where its damage is seen best.

    Emits :class:`RestoreStarted` for each pass, a :class:`TileDone` for each tile of the picture, a
    :class:`PassTile` for each of a reduced copy, :class:`Looked` once it is known what there is to do, and a
    :class:`LadderStep` whenever the device ran out of memory and the job went on with less. A picture in which
    nothing is found at ``"auto"`` comes back as it is. Of what :func:`preview` restored just now, nothing is emitted.

    Raises:
        RestoreError, MemoryEditError, MaskError, DeviceError, CheckpointError: the request cannot be met.
        Cancelled: stopped by ``control``, which is asked between the network's blocks.
        RuntimeError, MemoryError: the device failed in a way less memory does not help.
    """
    height, width = picture.pixels.shape[:2]
    try:
        scales.check(request.scale, width, height)
    except scales.ScaleError as error:
        raise RestoreError(str(error)) from error
    network = Network(request, emit, control)
    if request.mask is not None:
        check_takes_masks(network.model)
        guidance.check_size(request.mask, width, height)
        guidance.check_marks(request.mask)
    if request.only is not None:
        guidance.check_size(request.only, width, height, "the mask of what to restore")
        guidance.check_marks(request.only, "the mask of what to restore")
    if request.taught is not None:
        taught.check(request.taught, width, height)
    if (previewed := _previewed.take(picture, request, network)) is not None:
        return previewed
    began = time.monotonic() - control.waited_s
    asked = request
    nothing: Verdict | None = None  # of a photo that stays as it is
    if request.guess_only and request.only is None:
        place = guess_only(picture, request, emit, control)
        if place is None:
            nothing = _no_place(width, height)
        else:
            request = replace(request, only=place.mask)
            network.notes.append(f"restored over {_percent(place.share)} of the photo")
    found_mask: guidance.Guess | None = None
    if nothing is None and request.guess and request.mask is None:
        found_mask = _guessed(picture.pixels, network, emit, control)
        request = replace(request, mask=None if found_mask is None else found_mask.mask)
        if found_mask is not None:
            network.notes.append(f"shadow over {_percent(found_mask.share)} of the photo")
    if request.taught is not None:
        request = _amended(request, asked, width, height)
    if nothing is None and asked.guess and request.mask is None:
        network.notes.append("no cast shadow found, nothing changed")
        nothing = _no_shadow(width, height)
    if nothing is not None:
        emit(Looked(NOTHING, nothing.scale, nothing.why))
        found = scaled.Found(picture.pixels, nothing, Measure(0.0, 0.0, None, 0.0))
    else:
        found = scaled.restore(picture.pixels, request, network, emit, control)
        if asked.guess and found_mask is not None:
            found = replace(found, verdict=_with_share(found.verdict, found_mask))
    if found.verdict.found == NOTHING and found.pixels is not picture.pixels and scaled.insists(request):
        found = replace(found, verdict=replace(found.verdict, found=LITTLE, gone=None))
    pixels = found.pixels
    kept = None if request.taught is None else taught.kept(request.taught)
    for where in (request.only, kept):
        if where is not None:
            pixels = within(picture.pixels, pixels, where)
    seconds = max(time.monotonic() - control.waited_s - began, 1e-9)
    return Restored(
        task=request.task,
        model_name=network.model.name,
        model_sha256=network.model.sha256,
        device=network.device,
        precision=network.precision,
        tile_px=network.tile_px,
        seconds=seconds,
        megapixels_per_s=width * height / 1e6 / seconds,
        notes=tuple(network.notes),
        verdict=found.verdict,
        **asked.record(),
        pixels=pixels,
        guide=request.mask,
        limit=request.only,
    )


def _amended(request: RestoreRequest, asked: RestoreRequest, width: int, height: int) -> RestoreRequest:
    """What is known of a shadow's place, with what is taught of it."""
    assert request.taught is not None
    mask = request.mask
    if mask is None and asked.guess:  # none was found: what is asserted is all there is
        mask = np.zeros((height, width), np.uint8)
    if mask is None:
        return request
    mask = taught.amended(mask, request.taught)
    return replace(request, mask=mask if mask.any() else None)


def guess(
    picture: Picture, request: RestoreRequest, emit: Emit, control: JobControl
) -> guidance.Guess | None:
    """The mask that restoring with ``request.guess`` would use; None where no cast shadow is found.

    Emits :class:`PassTile` while it looks. Raises what :func:`restore` raises.
    """
    return _guessed(picture.pixels, Network(replace(request, guess=True), emit, control), emit, control)


def _guessed(pixels: np.ndarray, network: Network, emit: Emit, control: JobControl) -> guidance.Guess | None:
    """What was found last is kept: whoever asks the same again does not wait for another pass."""
    check_takes_masks(network.model)
    before = shadow_guess.copy_of(pixels)
    height, width = pixels.shape[:2]
    key = (width, height, *_seen_by(network), hashlib.sha256(before.tobytes()).digest())
    with _guesses_lock:
        if key in _guesses:
            _guesses.move_to_end(key)
            return _guesses[key]
    by = -(-width // before.shape[1])
    after, _seen = network.restore(before, None, None, scaled.PassEmit(emit, f"1/{by}" if by > 1 else "1"))
    control.checkpoint()
    found = shadow_guess.guess(before, after, width, height)
    with _guesses_lock:
        _guesses[key] = found
        while len(_guesses) > _KEPT_GUESSES:
            _guesses.popitem(last=False)
    return found


def guess_only(
    picture: Picture, request: RestoreRequest, emit: Emit, control: JobControl
) -> guidance.Guess | None:
    """The mask that restoring with ``request.guess_only`` would be limited to; None where no damage is found in any place.

    The model's own memory is asked, told nothing and as it was learned, whatever is edited or taught. Emits :class:`PassTile` while it
    looks. Raises RestoreError for a model that cannot say where damage is, and what :func:`restore` raises.
    """
    height, width = picture.pixels.shape[:2]
    bare = replace(
        request, mask=None, only=None, taught=None, actual=None, memory_edit=None, mute_memory=False, tile_px=None,
        guess=False, guess_only=False,
    )  # fmt: skip
    if can_guess(request.model or catalog.default_model(request.task), request.task):
        found = guess(picture, bare, emit, control)
        return None if found is None else damage_guess.widened(found)
    if tasks.of(request.task).smears and smear.agreed(picture.pixels) is not None:
        return guidance.Guess(np.full((height, width), 255, np.uint8), 1.0)
    network = Network(bare, emit, control)
    thresholds = network.thresholds
    nothing_below = None if tasks.of(request.task).smears or thresholds is None else thresholds.nothing_below
    before, after = damage_guess.seen_best(picture.pixels, bare, network, emit, control)
    control.checkpoint()
    if network.responses is None:
        raise RestoreError(f"model {network.model.name} has no memory that could say where damage is")
    return damage_guess.guess(before, after, network.responses, nothing_below or None, width, height)


def _seen_by(network: Network) -> tuple[object, ...]:
    """All but the photo that a guess depends on."""
    asked = network.request
    actual = None if asked.actual is None else hashlib.sha256(asked.actual.tobytes()).digest()
    edited = asked.memory_edit, asked.mute_memory, actual
    return network.model.sha256, network.device, network.precision, *edited


def _no_shadow(width: int, height: int) -> Verdict:
    """Of a photo in whose copy, the one in which shadows are looked for, there is none."""
    why = "nothing in it is darker than its surroundings the way a cast shadow is"
    return Verdict(NOTHING, None, scales.name(scales.learned(width, height)), why, unchanged=True)


def _no_place(width: int, height: int) -> Verdict:
    """Of a photo of whose copy, the one that is looked at, no place answers to the memory of damage as damage does."""
    why = "no place in it looks to the memory as damage does"
    return Verdict(NOTHING, None, scales.name(scales.learned(width, height)), why, unchanged=True)


def _with_share(verdict: Verdict, found: guidance.Guess) -> Verdict:
    """What was guessed says how much was found, unless the model can say it itself."""
    if verdict.found not in (None, NOTHING):
        return verdict
    return replace(verdict, found=MUCH if found.share >= _MUCH_SHARE else LITTLE)


def can_guess(model: Path, task: str) -> bool:
    """Whether :attr:`RestoreRequest.guess` may be asked of a model; False as well where it cannot be loaded."""
    if not tasks.of(task).can_guess:
        return False
    try:
        return load_model(model, "cpu", choose_precision("auto", "cpu")).provenance.get("guidance") is True
    except (checkpoint.CheckpointError, RuntimeError, MemoryError):
        return False  # restoring says what is wrong with it


def guessing(request: RestoreRequest) -> RestoreRequest:
    """With a mask guessed where none is given and it can be: what is done unless somebody says otherwise."""
    can = request.mask is None and request.model is not None and can_guess(request.model, request.task)
    return replace(request, guess=can)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"


def preview(
    picture: Picture, request: RestoreRequest, control: JobControl, want_pixels: bool = True
) -> tuple[Verdict, np.ndarray]:
    """What there is in ``picture``, and where wanted what it looks like without it: (H, W, 3) in its depth.

    Takes about a second at 12 megapixels. A shadow whose place is given or guessed is restored as :func:`restore` does it,
    which, asked for the same next, has it at hand. Raises as :func:`restore`.
    """
    if not tasks.of(request.task).changes_light or not (request.guess or request.mask is not None):
        network = Network(request, ignore, control)
        found = scaled.preview(picture.pixels, request, network, control, want_pixels)
        pixels = found.pixels if request.only is None else within(picture.pixels, found.pixels, request.only)
        return found.verdict, pixels
    if not want_pixels:
        found_mask = guess(picture, request, ignore, control) if request.mask is None else None
        if request.mask is None and found_mask is None:
            height, width = picture.pixels.shape[:2]
            return _no_shadow(width, height), picture.pixels
        return Verdict() if found_mask is None else _with_share(Verdict(), found_mask), picture.pixels
    restored = restore(picture, request, ignore, control)
    if restored.pixels is not picture.pixels and restored.pixels.nbytes <= _KEPT_PREVIEW_BYTES:
        _previewed.put(picture, request, Network(request, ignore, control), restored)
    return restored.verdict, restored.pixels


class _Previewed:
    """The photo that was restored to be looked at last, until it is asked for or another is; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[tuple[object, ...], Restored] | None = None

    def put(self, picture: Picture, request: RestoreRequest, network: Network, restored: Restored) -> None:
        with self._lock:
            self._kept = _asked(picture, request, network), restored

    def take(self, picture: Picture, request: RestoreRequest, network: Network) -> Restored | None:
        with self._lock:
            kept = self._kept
            if kept is None or kept[0] != _asked(picture, request, network):
                return None
            self._kept = None
            return kept[1]


def _asked(picture: Picture, request: RestoreRequest, network: Network) -> tuple[object, ...]:
    """All that a result depends on."""
    arrays = picture.pixels, request.mask, request.only, request.taught, request.actual
    sums = tuple(
        None if each is None else (each.shape, each.dtype, hashlib.sha256(each.tobytes()).digest())
        for each in arrays
    )
    return replace(request, focus=None), network.model.sha256, sums


_previewed = _Previewed()
