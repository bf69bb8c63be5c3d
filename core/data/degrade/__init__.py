"""Seeded synthetic degradations: clean picture in, degraded picture out.

Every function takes a clean picture (H, W, 3) float32 in 0..1, RGB as stored (gamma-encoded), a
``numpy.random.Generator`` and its parameters, and returns a new float32 array in 0..1. The same generator
state gives the same picture. :data:`DEGRADATIONS` registers them by the task that undoes them; each has a module of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from core.data.degrade.base import Bounds
from core.data.degrade.blur import MARGIN_PX, BlurParams, Motion, blur_pair, resized
from core.data.degrade.rain import RainParams, rain
from core.data.degrade.shadow import ShadowParams, find_shadow, shadow

Degradation = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""(clean (H, W, 3) float32 in 0..1, generator) -> degraded, same shape and range."""

MaskedDegradation = Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]
"""As :data:`Degradation`, with where it is damaged: (H, W) float32 in 0..1."""

PairDegradation = Callable[[np.ndarray, np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
"""(clean (H, W, 3) float32 in 0..1, generator, margin in px) -> degraded and its truth, both less the margin."""


class DegradationError(ValueError):
    """A parameter of a degradation is unknown or out of range."""

    problem_key = "degradation"


@dataclass(frozen=True, slots=True)
class RegisteredDegradation:
    """A degradation with its parameters, so that a recipe can name them.

    One of ``make`` (returns the degraded picture), ``make_with_mask`` (returns its mask, too) and ``make_pair``
    (returns its truth, too, which is not the clean picture itself) is given. The latter also takes how
    much of the picture is a margin, there to move in and cut away afterwards; ``margin_px`` is what it likes to have.
    ``find_mask`` finds the mask of a real pair: (degraded, truth), both (H, W, 3) uint8 -> (H, W) uint8.
    """

    name: str
    defaults: Any  # a frozen dataclass
    make: Callable[[np.ndarray, np.random.Generator, Any], np.ndarray] | None = None
    make_with_mask: Callable[[np.ndarray, np.random.Generator, Any], tuple[np.ndarray, np.ndarray]] | None = (
        None
    )
    find_mask: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    make_pair: Callable[[np.ndarray, np.random.Generator, Any, int], tuple[np.ndarray, np.ndarray]] | None = (
        None
    )
    margin_px: int = 0
    resize: Callable[[Any, float], Any] | None = None
    """The parameters of the same damage so many times as large, where that is not an enlarged picture of it."""

    def __post_init__(self) -> None:
        if sum(made is not None for made in (self.make, self.make_with_mask, self.make_pair)) != 1:
            raise ValueError(f"{self.name}: need one of make, make_with_mask and make_pair")

    @property
    def has_mask(self) -> bool:
        """Whether it is known where a picture is damaged, so that the network can be told."""
        return self.make_with_mask is not None

    def params(self, values: Mapping[str, Any]) -> Any:
        """The defaults with ``values`` put in; two-number lists become ranges. Raises :class:`DegradationError`."""
        known = {item.name: getattr(self.defaults, item.name) for item in fields(self.defaults)}
        changed: dict[str, Any] = {}
        wrong: list[str] = []
        unknown = [key for key in values if key not in known]
        if unknown:
            wrong.append(f"{', '.join(unknown)}: unknown; known are {', '.join(known)}")
        for key, value in values.items():
            if key in unknown:
                continue
            try:
                if isinstance(known[key], Bounds):
                    changed[key] = Bounds(*map(float, value))
                elif isinstance(known[key], tuple):
                    changed[key] = tuple(map(float, value))
                else:
                    changed[key] = float(value)
                replace(self.defaults, **{key: changed[key]})  # its own checks, named after this key
            except (TypeError, ValueError) as error:
                named = f"{error}" if f"{error}".startswith(f"{key} ") else f"{key} {value!r}: {error}"
                wrong.append(f"{named}; the default is {known[key]}")
        if wrong:  # all at once: who mends one should not meet the next
            raise DegradationError(f"degradation {'; '.join(wrong)}")
        return replace(self.defaults, **changed)

    def always(self, params: Any) -> Any:
        """The same parameters with nothing left clean: what validation is measured on."""
        return replace(params, untouched=0.0)

    def bind(self, params: Any) -> Degradation:
        masked = self.bind_with_mask(params)
        return lambda clean, rng: masked(clean, rng)[0]

    def bind_with_mask(self, params: Any) -> MaskedDegradation:
        """A degradation without masks gives zeros, which is to say: unknown."""
        with_mask, make, pair = self.make_with_mask, self.make, self.make_pair
        if with_mask is not None:
            return lambda clean, rng: with_mask(clean, rng, params)
        if pair is not None:
            return lambda clean, rng: (pair(clean, rng, params, 0)[0], np.zeros(clean.shape[:2], np.float32))
        assert make is not None
        return lambda clean, rng: (make(clean, rng, params), np.zeros(clean.shape[:2], np.float32))

    def bind_pair(self, params: Any) -> PairDegradation | None:
        """For a degradation whose truth is not the clean picture itself; None for the others."""
        pair = self.make_pair
        if pair is None:
            return None
        return lambda clean, rng, margin_px: pair(clean, rng, params, margin_px)


def blur_from(motion: Motion) -> RegisteredDegradation:
    """Blur as :data:`DEGRADATIONS` has it, a share of it along pieces of a recorded movement."""

    def made(
        clean: np.ndarray, rng: np.random.Generator, params: BlurParams, margin_px: int
    ) -> tuple[np.ndarray, np.ndarray]:
        return blur_pair(clean, rng, params, margin_px, motion)

    return replace(DEGRADATIONS["deblur"], make_pair=made)


_KNOWN: dict[str, RegisteredDegradation] = {
    "derain": RegisteredDegradation("rain", RainParams(), make=rain),
    "deshadow": RegisteredDegradation("shadow", ShadowParams(), make_with_mask=shadow, find_mask=find_shadow),
    "deblur": RegisteredDegradation(
        "blur", BlurParams(), make_pair=blur_pair, margin_px=MARGIN_PX, resize=resized
    ),
}

DEGRADATIONS: Mapping[str, RegisteredDegradation] = MappingProxyType(_KNOWN)
"""Task -> the degradation that it undoes."""


def register(task: str, degradation: RegisteredDegradation) -> None:
    """Another one, for this process: of a person's own task."""
    _KNOWN[task] = degradation
