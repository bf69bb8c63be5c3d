"""Taking the places of one machine out of what is passed on: of a path only its last name stays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

_PART = r"[^\s/\\\"'`<>()\[\]{},;]+"
_IN_TEXT = re.compile(
    rf"file://(?:/{_PART})+/?"  # a path dressed as an address
    rf"|(?<![\w.:/~\\-])(?:~{_PART}|~)?(?:/{_PART}){{2,}}/?"  # two names at least: "/or" is none
    rf"|(?<![\w.:/~\\-])~/{_PART}/?"
    rf"|(?<![\w/\\])[A-Za-z]:[\\/](?:{_PART}[\\/]?)+"
    rf"|\\\\{_PART}(?:\\{_PART})+\\?"
)


def without_places(value: Any) -> Any:
    """``value`` (text, numbers, lists and mappings of them, as JSON has them) without paths of this machine."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return {without_places(key): without_places(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_places(inner) for inner in value]
    return value


def _text(text: str) -> str:
    if "\n" not in text and _is_path(text):
        return _last_name(text)
    home = str(Path.home())
    if len(home) > 1:  # names with spaces end a path found in running text too early
        text = re.sub(rf"(?<!\w){re.escape(home)}(?!\w)", "~", text)
    return _IN_TEXT.sub(lambda found: _last_name(found.group()), text)


def _is_path(text: str) -> bool:
    absolute = PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()
    return (absolute and len(text) > 1) or text.startswith(("~/", "file://"))


def _last_name(path: str) -> str:
    names = [name for name in re.split(r"[/\\]", path) if name]
    return names[-1] if names else path
