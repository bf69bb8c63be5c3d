"""Looking for the shadows of many photos, one after the other, on the worker: frozen orders in, an event for each photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.jobs import Cancelled, Emit, JobControl
from core.restoring.records import Choice
from memorynet_gui.base.problems import Problem, describe
from memorynet_gui.restore.mask_store import MaskStore

if TYPE_CHECKING:
    from core.data.guidance import Guess

SMALL_PX = 320  # longest edge of what is laid over a thumbnail


@dataclass(frozen=True, slots=True)
class Wanted:
    """A photo whose mask is to be seen: painted already (``mask``, a name in the store), or to be guessed."""

    item_id: str
    path: Path
    mask: str = ""


@dataclass(frozen=True, slots=True)
class LookingFor:
    """A photo's turn has come."""

    item_id: str
    number: int  # from 1
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What came of one photo: a mask, or none because no cast shadow is found, or a problem."""

    item_id: str
    mask: str = ""  # its name in the store; "": no cast shadow
    share: float = 0.0  # of the photo that lies in shadow, 0..1
    small: np.ndarray | None = None  # (h, w) uint8, the mask at the size of a thumbnail
    problem: Problem | None = None


def look_for_shadows(
    wanted: Sequence[Wanted], choice: Choice, store: MaskStore, emit: Emit, control: JobControl
) -> bool:
    """Emits :class:`LookingFor` and :class:`Seen` for each photo; one that cannot be looked at stops no other.

    False when the model takes no masks, so that there is nothing to be looked for. Raises Cancelled, and what loading
    the model raises.
    """
    from core.restoring import restore

    if not restore.can_guess(choice.model_path, choice.task):
        return False
    for number, one in enumerate(wanted, 1):
        control.checkpoint()
        emit(LookingFor(one.item_id, number, len(wanted)))
        try:
            emit(_kept(one, store) if one.mask else _looked(one, choice, store, control))
        except Cancelled:
            raise
        except Exception as error:  # told on its tile
            emit(Seen(one.item_id, problem=describe(error)))
    return True


def _kept(one: Wanted, store: MaskStore) -> Seen:
    from core.data.guidance import share_of

    mask = store.get(one.mask)
    return Seen(one.item_id, one.mask, share_of(mask), small(mask))


def _looked(one: Wanted, choice: Choice, store: MaskStore, control: JobControl) -> Seen:
    found = find_shadow(one.path, choice, control)
    if found is None:
        return Seen(one.item_id)
    return Seen(one.item_id, store.put(found.mask), found.share, small(found.mask))


def find_shadow(path: Path, choice: Choice, control: JobControl | None = None) -> Guess | None:
    """What the program takes for the shadow of a photo. Raises what reading and the network raise, and Cancelled."""
    from core.images import io as image_io
    from core.jobs import ignore
    from core.restoring import restore

    control = control or JobControl()
    picture = image_io.read(path)
    control.checkpoint()
    return restore.guess(picture, choice.as_looked.request(guess=True), ignore, control)


def find_damage(path: Path, choices: Sequence[Choice], control: JobControl | None = None) -> Guess | None:
    """Where the program sees damage of any of the tasks, as ``--only auto`` finds it for one; without any choice it is what the photo
    shows. Raises what reading and the network raise, and Cancelled."""
    from core.data.guidance import Guess
    from core.images import io as image_io
    from core.jobs import ignore
    from core.restoring import restore, which

    control = control or JobControl()
    picture = image_io.read(path)
    control.checkpoint()
    if not choices:
        paths = which.models()
        seen = which.look(picture, paths, control)
        choices = [which.choice_of(Choice(), task, paths) for task in (seen.tasks if seen.is_sure else ())]
    guesses = [restore.guess_only(picture, choice.as_looked.request(), ignore, control) for choice in choices]
    masks = [guess.mask for guess in guesses if guess is not None]
    if not masks:
        return None
    return Guess.of(np.maximum.reduce(masks))


def small(mask: np.ndarray) -> np.ndarray:
    """(h, w) uint8 of a mask (H, W) uint8, no larger than a thumbnail."""
    from core.cv import cv2

    scale = SMALL_PX / max(mask.shape)
    if scale >= 1:
        return mask.copy()
    size = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA))
