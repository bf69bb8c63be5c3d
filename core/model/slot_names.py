"""Names and notes that people give to the slots of a model, kept beside it; of a bundled model in a folder of their own.

A file ``slots.json`` speaks of one model's weights: another model in the same place has other slots, so what was said
of the earlier one is not shown for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import atomic, foreign_text
from core.model import catalog
from core.model.config import GRANULARITIES, POLARITIES

FILE = "slots.json"
LONGEST_NAME, LONGEST_NOTE = 60, 2000
_VERSION = 1

SlotKey = tuple[str, str, int]
"""polarity, granularity, number"""


class SlotNamesError(ValueError):
    """The file is not one of names, or a name cannot be kept; the message says why."""

    problem_key = "slot-names"


@dataclass(frozen=True, slots=True)
class SlotNote:
    name: str = ""  # one line
    note: str = ""


def file_of(model: Path, weights_sha256: str) -> Path:
    """Where the names of a model's slots are kept: beside its weights, where people may write there; else in the user's folder.

    Args:
        model: its folder or its weights file.
    """
    folder = (model.parent if model.name == catalog.WEIGHTS_NAME else model).absolute()
    bundled = folder.is_relative_to(catalog.RESOURCES)
    if not bundled and os.access(folder, os.W_OK):
        return folder / FILE
    return catalog.user_models_dir().parent / "slots" / f"{folder.name}-{weights_sha256[:12]}.json"


def read(model: Path, weights_sha256: str) -> dict[SlotKey, SlotNote]:
    """What was said of a model's slots; empty where nothing was, or only of other weights.

    Raises SlotNamesError: there is a file that cannot be read.
    """
    file = file_of(model, weights_sha256)
    if not file.exists():
        return {}
    try:
        values = foreign_text.read_json(file)
        if values.get("version") != _VERSION:
            raise ValueError(f"version {values.get('version')!r}: this program reads {_VERSION}")
        if values.get("weights_sha256") != weights_sha256:
            return {}
        return dict(_entry(entry) for entry in values["slots"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SlotNamesError(f"{file.name}: {error}") from error


def write(model: Path, weights_sha256: str, notes: Mapping[SlotKey, SlotNote]) -> Path:
    """Keep them; the file. Raises SlotNamesError for a text that is too long, OSError when the disk does not take it."""
    kept = {key: note for key, note in notes.items() if note != SlotNote()}
    for (polarity, granularity, slot), note in kept.items():
        if len(note.name) > LONGEST_NAME or len(note.note) > LONGEST_NOTE or "\n" in note.name:
            raise SlotNamesError(
                f"{polarity} {granularity} {slot}: need a name of one line, at most {LONGEST_NAME} letters, "
                f"and a note of at most {LONGEST_NOTE}"
            )
    document = {
        "version": _VERSION,
        "weights_sha256": weights_sha256,
        "slots": [
            {"polarity": key[0], "granularity": key[1], "slot": key[2], "name": note.name, "note": note.note}
            for key, note in sorted(kept.items())
        ],
    }
    file = file_of(model, weights_sha256)
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(file, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return file


def _entry(values: Any) -> tuple[SlotKey, SlotNote]:
    polarity, granularity, slot = values["polarity"], values["granularity"], values["slot"]
    name, note = values["name"], values["note"]
    if polarity not in POLARITIES or granularity not in GRANULARITIES or type(slot) is not int or slot < 0:
        raise ValueError(f"no slot {polarity!r} {granularity!r} {slot!r}")
    if not isinstance(name, str) or not isinstance(note, str):
        raise TypeError(f"{polarity} {granularity} {slot}: name and note need to be text")
    return (polarity, granularity, slot), SlotNote(name[:LONGEST_NAME], note[:LONGEST_NOTE])
