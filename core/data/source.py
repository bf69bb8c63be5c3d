"""One source of a mixture of training data, as a recipe names it. Importing this module imports neither torch nor cv2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

KINDS = ("drawn", "layers", "pairs", "clean")
"""Damage that is drawn, published layers of it, real or rendered pairs, photos that must come back as they went in."""

_TAKES: Mapping[str, frozenset[str]] = {
    "drawn": frozenset(
        {"folders", "soft_share", "camera_share", "sharp_share", "noise_share", "degradation"}
    ),
    "layers": frozenset(
        {"folders", "layers", "soft_share", "camera_share", "sharp_share", "noise_share", "degradation"}
    ),
    "pairs": frozenset({"folders", "hold_out", "camera_share", "sharp_share", "noise_share"}),
    "clean": frozenset({"folders", "soft_share", "camera_share", "sharp_share", "noise_share"}),
}


_MOST: Mapping[str, float] = {
    "hold_out": 0.9,
    "soft_share": 1.0,
    "camera_share": 1.0,
    "sharp_share": 1.0,
    "noise_share": 1.0,
}


class DataSourceError(ValueError):
    """A source cannot be used; the message names the field, its value and what is allowed."""

    problem_key = "source"


BUNDLED: Mapping[str, bool] = MappingProxyType({"SAMPLES/train": False, "SAMPLES/validation": True})
"""Folders of a recipe that mean the photos that ship -> whether those kept apart for validation."""


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where a share of the samples comes from.

    Attributes:
        kind: one of :data:`KINDS`.
        share: of all samples, relative to the other sources' shares; above 0.
        folders: clean photos, or pairs for kind pairs; empty: the recipe's training folders.
        layers: for kind layers, the folder of grey pictures of what rain added.
        hold_out: for kind pairs, the share of scenes kept to validate on, 0 to 0.9.
        soft_share: share of the samples whose photo lies out of focus, whole or in parts, behind the damage; 0 to 1.
        camera_share, sharp_share, noise_share: shares of the samples that are reduced and compressed, sharpened,
            and made noisy, after the damage, the clean side alike; 0 to 1.
        degradation: parameters of the damage, in place of the recipe's own.
    """

    kind: str = "drawn"
    share: float = 1.0
    folders: tuple[str, ...] = ()
    layers: str = ""
    hold_out: float = 0.0
    soft_share: float = 0.0
    camera_share: float = 0.0
    sharp_share: float = 0.0
    noise_share: float = 0.0
    degradation: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = [] if self.kind in KINDS else [f"kind {self.kind!r}: need one of {', '.join(KINDS)}"]
        if not 0 < self.share < 1e6:
            wrong.append(f"share {self.share}: need more than 0")
        for name, most in _MOST.items():
            if not 0 <= getattr(self, name) <= most:
                wrong.append(f"{name} {getattr(self, name)}: need 0 to {most:g}")
        taken = _TAKES.get(self.kind, frozenset(_DEFAULTS)) | {"kind", "share"}
        wrong += [
            f"{item.name}: a source of kind {self.kind} does not take it"
            for item in fields(self)
            if getattr(self, item.name) != _default(item.name) and item.name not in taken
        ]
        if wrong:  # all at once: who mends one should not meet the next
            raise DataSourceError("; ".join(wrong))

    @property
    def lacks(self) -> str:
        """What must still be said before it can be used ("layers: need ..."); empty when nothing is missing.

        It may stand in a form that somebody fills in; a recipe does not take it.
        """
        if self.kind == "layers" and not self.layers:
            return "layers: need the folder of the layers"
        if self.kind == "pairs" and not self.folders:
            return "folders: need folders of pairs"
        return ""

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> DataSource:
        """As a table of the TOML file. Raises :class:`DataSourceError`."""
        found: dict[str, Any] = {}
        wrong: list[str] = []
        unknown = [key for key in values if key not in _DEFAULTS]
        if unknown:
            wrong.append(f"{', '.join(unknown)}: unknown; known are {', '.join(_DEFAULTS)}")
        for key, value in values.items():
            if key in unknown:
                continue
            want = _DEFAULTS[key]
            if isinstance(want, tuple) and isinstance(value, list) and all(isinstance(v, str) for v in value):
                found[key] = tuple(value)
            elif isinstance(want, float) and isinstance(value, int | float) and not isinstance(value, bool):
                found[key] = float(value)
            elif isinstance(want, str) and isinstance(value, str):
                found[key] = value
            elif isinstance(want, dict) and isinstance(value, Mapping):
                found[key] = dict(value)
            else:
                wrong.append(f"{key} {value!r}: need {_WORDS[type(want)]}")
        try:
            source = DataSource(**found)
            wrong += [source.lacks] if source.lacks and not wrong else []
        except DataSourceError as error:
            wrong.append(str(error))
        if wrong:
            raise DataSourceError("; ".join(wrong))
        return source

    def as_dict(self) -> dict[str, Any]:
        """What differs from the defaults, kind and share always."""
        found: dict[str, Any] = {"kind": self.kind, "share": self.share}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name not in found and value != _default(item.name):
                found[item.name] = (
                    list(value)
                    if isinstance(value, tuple)
                    else dict(value)
                    if item.name == "degradation"
                    else value
                )
        return found

    def all_folders(self) -> tuple[str, ...]:
        """Every folder that it names."""
        return self.folders + ((self.layers,) if self.layers else ())


_DEFAULTS: dict[str, Any] = {
    "kind": "drawn",
    "share": 1.0,
    "folders": (),
    "layers": "",
    "hold_out": 0.0,
    "soft_share": 0.0,
    "camera_share": 0.0,
    "sharp_share": 0.0,
    "noise_share": 0.0,
    "degradation": {},
}
_WORDS = {str: "a text", float: "a number", tuple: "a list of folders", dict: "parameters and their values"}


def _default(name: str) -> Any:
    return _DEFAULTS[name]
