"""The tasks: what can be removed from photos, one record each. Nothing else in the program lists them.

A person's own task has a name and pairs to learn from, no more (:func:`of`). A new task of the program is a record here, a degradation of its name in :data:`core.data.degrade.DEGRADATIONS`, and a recipe.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Task:
    """A task, in the words people see and by the conventions of its literature.

    Attributes:
        name: as recipes, models and the command line call it.
        verb, noun: "Remove shadows", "shadows".
        damage: the noun for a place, "shadow".
        suffix: of the names of restored photos, "deshadowed".
        protocol: key of :data:`core.images.metrics.PROTOCOLS`; the one that is reported.
        also: further keys of PROTOCOLS that an evaluation adds.
        tag: of models on the Hugging Face hub.
        input_words, target_words: names of folders of the published data sets, in lower case.
        recipes: key of a preset of the window -> the recipe that ships for this task.
        changes_light: whether the damage lies in the light of large parts of the photo, not in detail.
        nothing: what is said where none of the damage is found; empty: "No rain found".
        smears: whether the damage has a length and a direction that the photo tells (:mod:`core.restoring.smear`).
        takes_masks: whether a mask of the damage guides its models.
        can_guess: whether such a mask can be guessed, as that of a cast shadow (:mod:`core.restoring.shadow_guess`).
        more_is_stronger: whether its damage is taken out more firmly where its memory is read more strongly.
        has_layers: whether published layers of the damage can be laid over clean photos.
    """

    name: str
    verb: str
    noun: str
    damage: str
    suffix: str
    protocol: str
    tag: str
    input_words: tuple[str, ...]
    target_words: tuple[str, ...]
    also: tuple[str, ...] = ()
    recipes: Mapping[str, str] = field(default_factory=dict)
    changes_light: bool = False
    takes_masks: bool = False
    can_guess: bool = False
    more_is_stronger: bool = True
    has_layers: bool = False
    nothing: str = ""
    smears: bool = False

    @property
    def correction(self) -> str:
        """How a change made in a copy goes up to the photo: a ``kind`` of :class:`core.restoring.copies.Correction`."""
        return "light" if self.changes_light else "streaks" if self.has_layers else "plain"

    @property
    def default_model(self) -> str:
        """Name of the bundled model that is taken when none is named."""
        return f"{self.name}-s"


DEFAULT = "derain"
"""The task that is meant when none is named."""

TASKS: Mapping[str, Task] = MappingProxyType(
    {
        task.name: task
        for task in (
            Task(
                "derain", "Remove rain", "rain", "rain", "derained",
                protocol="Y",
                tag="image-deraining",
                input_words=("rain", "rainy", "rainy_image"),
                target_words=("norain", "no_rain"),
                recipes={"quick-look": "quick-look", "fine-tune": "fine-tune", "standard": "derain"},
                has_layers=True,
                more_is_stronger=False,  # at half as much again rain comes back
            ),
            Task(
                "deshadow", "Remove shadows", "shadows", "shadow", "deshadowed",
                protocol="RGB",
                also=("LAB",),
                tag="shadow-removal",
                input_words=("shadow", "shadowed"),
                target_words=("shadow_free", "shadowfree", "shadow-free", "noshadow", "no_shadow"),
                recipes={"fine-tune": "fine-tune-shadow", "standard": "deshadow"},
                changes_light=True,
                more_is_stronger=False,  # it spoils what is lit
                nothing="No cast shadow found",
                takes_masks=True,
                can_guess=True,
            ),
            Task(
                "deblur", "Sharpen blur", "blur", "blur", "deblurred",
                protocol="RGB",
                also=("SSIM3D",),
                tag="image-deblurring",
                input_words=("blur", "blurry", "blurred"),
                target_words=("sharp",),
                recipes={"fine-tune": "fine-tune-blur", "standard": "deblur"},
                more_is_stronger=False,  # it gets no sharper
                nothing="Already sharp",
                smears=True,
            ),
        )
    }
)  # fmt: skip
"""By name, in the order in which they are offered."""


AUTO = "auto"
"""What stands for a task where each photo is to say it (:mod:`core.restoring.which`)."""

AND = ", "
"""Between the names of tasks that were done one after the other on one photo."""

OTHERS_SUFFIX = "restored"
"""Of names of photos restored by a person's own task, or for several tasks one after the other."""

_OWN_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME = 30


def is_name(task: str) -> bool:
    """Whether a task may be called so: small letters, digits and single hyphens between them, 30 at most."""
    return len(task) <= _LONGEST_NAME and task != AUTO and _OWN_NAME.fullmatch(task) is not None


def of(name: str) -> Task:
    """The record of a task; for one that is not in :data:`TASKS`, a person's own, what can be said of any."""
    if name in TASKS:
        return TASKS[name]
    words = name.replace("-", " ")
    return Task(
        name, words.capitalize(), "damage", "damage", OTHERS_SUFFIX,
        protocol="RGB",
        tag="image-to-image",
        input_words=(),
        target_words=(),
    )  # fmt: skip


def of_folder(name: str) -> Task | None:
    """The task whose damaged photos lie in a folder of this name in the published data sets; None: it does not say."""
    return next((task for task in TASKS.values() if name.lower() in task.input_words), None)


def suffixes() -> tuple[str, ...]:
    """Of names of restored photos, each once."""
    return (*(task.suffix for task in TASKS.values()), OTHERS_SUFFIX)


def names(last: str = "or") -> str:
    """All of them for a sentence: ``derain, deshadow or deblur``."""
    return _listed(list(TASKS), last)


def damages(last: str = "or") -> str:
    """What they take away, for a sentence: ``rain, shadow or blur``."""
    return _listed([task.damage for task in TASKS.values()], last)


def _listed(words: Sequence[str], last: str) -> str:
    *first, end = words
    return f"{', '.join(first)} {last} {end}"


def damage(task: str) -> str:
    """What the task takes away, as a word for a place; "damage" for a task that is unknown here."""
    return TASKS[task].damage if task in TASKS else "damage"
