"""Where the program keeps its things, and what it remembers between starts.

One JSON file in the configuration folder, written a moment after the last change, whole or not at all. A
damaged file is set aside and a folder that cannot be written is told once; neither stops the program.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar, overload

import appdirs
from PySide6.QtCore import QObject, QTimer, Signal

from core import atomic, foreign_text, tasks
from core.images.types import FORMAT_EXTENSION, SMALLEST_EDGE_PX, WriteOptions
from core.model.catalog import HOME_VARIABLE
from core.model.memory_edit import LEAST_THOROUGH, MOST_THOROUGH
from core.restoring.records import NAMING, Choice, check_naming

APP_NAME = "MemoryNet"

FILE_NAME = "settings.json"
SAVE_DELAY_MS = 500
RECENT_MAX = 12
THEMES = ("system", "dark", "light")
COMPARE_MODES = ("wipe", "side", "difference", "restored")

_CHOSEN = tuple(
    each.name for each in fields(Choice) if each.name != "model"
)  # one model is kept for each task

PRESET = (
    *("output_folder", "save_naming", "save_format", "save_quality"),
    *("save_bit_depth", "save_longest_px", "strip_gps"),
)
"""What a preset of saving holds: place, names, format, quality, depth, size, privacy."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class _Value(Generic[T]):
    """One remembered value: typed, checked when set and when read, announced when it changes."""

    def __init__(
        self,
        default: T,
        load: Callable[[Any], T],
        dump: Callable[[T], Any] | None = None,
    ) -> None:
        self.default, self.load = default, load
        self.dump: Callable[[T], Any] = dump or (lambda value: value)

    def __set_name__(self, _owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, obj: None, owner: type) -> _Value[T]: ...
    @overload
    def __get__(self, obj: Settings, owner: type) -> T: ...
    def __get__(self, obj: Settings | None, owner: type) -> _Value[T] | T:
        return self if obj is None else obj._values.get(self.name, self.default)

    def __set__(self, obj: Settings, value: T) -> None:
        checked = self.load(self.dump(value))
        if checked != self.__get__(obj, type(obj)):
            obj._values[self.name] = checked
            obj._changed(self.name)


def _one_of(*allowed: str) -> Callable[[Any], str]:
    def load(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"{value!r}, need one of {', '.join(allowed)}")
        return str(value)

    return load


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r}, need text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r}, need true or false")
    return value


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def load(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"{value!r}, need a whole number from {low} to {high}")
        return value

    return load


def _number(low: float, high: float) -> Callable[[Any], float]:
    def load(value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"{value!r}, need a number from {low:g} to {high:g}")
        return float(value)

    return load


def _format(value: Any) -> str:
    if value not in FORMAT_EXTENSION:
        raise ValueError(f"{value!r}, need one of {', '.join(FORMAT_EXTENSION)}")
    return str(value)


def _bit_depth(value: Any) -> int:
    if value not in (8, 16):
        raise ValueError(f"{value!r}, need 8 or 16")
    return int(value)


def _or_none(load: Callable[[Any], T]) -> Callable[[Any], T | None]:
    return lambda value: None if value is None else load(value)


def _path(value: Any) -> Path:
    if not _text(value):
        raise ValueError("an empty path")
    return Path(value)


def _paths(value: Any) -> tuple[Path, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r}, need a list of paths")
    return tuple(_path(entry) for entry in value)[:RECENT_MAX]


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except binascii.Error as problem:
        raise ValueError(f"not base64: {problem}") from None


def _sizes(value: Any) -> Mapping[str, tuple[int, ...]]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r}, need an object of lists")
    size = _whole(0, 100_000)
    return MappingProxyType({_text(name): tuple(size(px) for px in row) for name, row in value.items()})


def _naming(value: Any) -> str:
    check_naming(_text(value))
    return str(value)


def _presets(value: Any) -> Mapping[str, Mapping[str, Any]]:
    if not isinstance(value, dict) or not all(isinstance(kept, dict) for kept in value.values()):
        raise ValueError(f"{value!r}, need an object of objects")
    return MappingProxyType(
        {
            _text(name): MappingProxyType({key: raw for key, raw in kept.items() if key in PRESET})
            for name, kept in value.items()
        }
    )


def _dump_presets(value: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: dict(kept) for name, kept in value.items()}


def _dump_path(value: Path | None) -> str | None:
    return None if value is None else os.fspath(value)


def _dump_paths(value: tuple[Path, ...]) -> list[str]:
    return [os.fspath(path) for path in value]


def _dump_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _dump_sizes(value: Mapping[str, tuple[int, ...]]) -> dict[str, list[int]]:
    return {name: list(row) for name, row in value.items()}


class Settings(QObject):
    """Remembered values as attributes; ``changed`` carries the name of the one that changed.

    Setting a value that makes no sense raises ValueError; one read from the file is left at its default.
    ``home`` overrides where everything is kept (otherwise MEMORYNET_HOME, otherwise the user's folders).
    """

    changed = Signal(str)
    save_failed = Signal(str)  # a sentence, once, when the file cannot be written

    theme = _Value("system", _one_of(*THEMES))
    task = _Value(tasks.DEFAULT, _text)
    models = _Value[Mapping[str, str]](
        MappingProxyType({}),
        lambda value: MappingProxyType({_text(k): _text(v) for k, v in dict(value).items()}),
        dict,
    )  # the model chosen last, by task
    device = _Value("auto", _text)  # "auto" "cpu" "cuda:0" "mps"
    precision = _Value("auto", _text)  # "auto" "fp32" "bf16"
    tile_px = _Value[int | None](None, _or_none(_whole(16, 8192)))  # None: as free memory allows
    strength_percent = _Value(100, _whole(0, 100))
    thoroughness = _Value(LEAST_THOROUGH, _number(LEAST_THOROUGH, MOST_THOROUGH))
    scale = _Value("auto", _text)
    undo = _Value(True, _flag)  # a smear, before the network sees the photo
    look_automatically = _Value(True, _flag)  # at every dropped photo, before anything is restored
    strip_gps = _Value(False, _flag)
    save_as_they_finish = _Value(False, _flag)  # of more than one photo
    output_folder = _Value[Path | None](None, _or_none(_path), _dump_path)  # None: beside the original
    save_format = _Value[str | None](None, _or_none(_format))  # None: as the original
    save_quality = _Value(95, _whole(1, 100))
    save_bit_depth = _Value[int | None](None, _or_none(_bit_depth))  # None: as the original
    save_longest_px = _Value[int | None](None, _or_none(_whole(SMALLEST_EDGE_PX, 100_000)))  # None: as it is
    save_naming = _Value(NAMING, _naming)
    export_presets = _Value[Mapping[str, Mapping[str, Any]]](MappingProxyType({}), _presets, _dump_presets)
    compare_mode = _Value("wipe", _one_of(*COMPARE_MODES))
    page = _Value("restore", _text)
    recent_files = _Value[tuple[Path, ...]]((), _paths, _dump_paths)
    open_folder = _Value[Path | None](None, _or_none(_path), _dump_path)  # last used in the open dialog
    save_folder = _Value[Path | None](None, _or_none(_path), _dump_path)  # last used in the save dialog
    model_folder = _Value[Path | None](None, _or_none(_path), _dump_path)  # last a model was opened from
    trained_models = _Value[tuple[Path, ...]]((), _paths, _dump_paths)  # of runs, chosen for restoring
    runs_folder = _Value[Path | None](None, _or_none(_path), _dump_path)  # None: the usual one
    recipe_folder = _Value[Path | None](None, _or_none(_path), _dump_path)  # last a recipe was opened from
    export_folder = _Value[Path | None](None, _or_none(_path), _dump_path)  # last a run was exported to
    notify_at_end = _Value(True, _flag)  # a desktop notification when training ends
    tensorboard = _Value(False, _flag)  # write event files for it beside every run
    curves_smoothed = _Value(True, _flag)
    curves_log = _Value(True, _flag)
    window_geometry = _Value(b"", _bytes, _dump_bytes)
    panel_sizes = _Value[Mapping[str, tuple[int, ...]]](MappingProxyType({}), _sizes, _dump_sizes)
    inspector_shown = _Value(True, _flag)
    filmstrip_shown = _Value(True, _flag)

    def __init__(self, home: Path | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        variable = os.environ.get(HOME_VARIABLE)
        self._home = home or (Path(variable).expanduser() if variable else None)
        self._values: dict[str, Any] = {}
        self._unknown: dict[str, Any] = {}  # of a newer version: kept when writing
        self._told_failure = False
        self._saver = QTimer(self)
        self._saver.setSingleShot(True)
        self._saver.setInterval(SAVE_DELAY_MS)
        self._saver.timeout.connect(self.save)
        self._load()

    # --- places ------------------------------------------------------------------------------

    def _place(self, name: str, users_own: Callable[[str], str]) -> Path:
        return self._home / name if self._home else Path(users_own(APP_NAME))

    @property
    def config_dir(self) -> Path:
        return self._place("config", appdirs.user_config_dir)

    @property
    def data_dir(self) -> Path:
        return self._place("data", appdirs.user_data_dir)

    @property
    def cache_dir(self) -> Path:
        return self._place("cache", appdirs.user_cache_dir)

    @property
    def log_dir(self) -> Path:
        return self._place("log", appdirs.user_log_dir)

    @property
    def models_dir(self) -> Path:
        """Where people put models of their own; the catalog, which looks there, decides."""
        from core.model.catalog import user_models_dir

        return user_models_dir()

    @property
    def file(self) -> Path:
        return self.config_dir / FILE_NAME

    # --- conveniences ------------------------------------------------------------------------

    def add_recent(self, *paths: Path) -> None:
        """Newest first, each once, at most RECENT_MAX."""
        kept = [path for path in self.recent_files if path not in paths]
        self.recent_files = (*dict.fromkeys(paths), *kept)[:RECENT_MAX]

    def clear_recent(self) -> None:
        self.recent_files = ()

    def panel(self, name: str) -> tuple[int, ...] | None:
        """Remembered sizes (px) of a splitter, None when there are none."""
        return self.panel_sizes.get(name)

    def set_panel(self, name: str, sizes: tuple[int, ...] | list[int]) -> None:
        self.panel_sizes = MappingProxyType({**self.panel_sizes, name: tuple(sizes)})

    @property
    def choice(self) -> Choice:
        """What was chosen for restoring last; setting it remembers each part, and the model for its task."""
        model = self.models.get(self.task, "")
        return Choice(model=model, **{name: getattr(self, name) for name in _CHOSEN})

    @choice.setter
    def choice(self, choice: Choice) -> None:
        for name in _CHOSEN:
            setattr(self, name, getattr(choice, name))
        if choice.model:
            self.set_model(choice.task, choice.model)

    def set_model(self, task: str, model: str) -> None:
        self.models = MappingProxyType({**self.models, task: model})

    @property
    def save_options(self) -> WriteOptions:
        return WriteOptions(
            self.save_format,
            self.save_quality,
            self.save_bit_depth,
            self.strip_gps,
            longest_px=self.save_longest_px,
        )

    # --- presets of saving -------------------------------------------------------------------

    def keep_preset(self, name: str) -> None:
        """Keep how results are saved now under this name, in the place of one that has it already."""
        kept = {key: getattr(type(self), key).dump(getattr(self, key)) for key in PRESET}
        self.export_presets = MappingProxyType({**self.export_presets, name: kept})

    def use_preset(self, name: str) -> None:
        """Save as kept under this name from now on. Raises KeyError; what no longer makes sense is left as it is."""
        for key, raw in self.export_presets[name].items():
            try:
                setattr(self, key, getattr(type(self), key).load(raw))
            except (ValueError, TypeError) as problem:
                log.warning("preset %s: %s left as it is: %s", name, key, problem)

    def drop_preset(self, name: str) -> None:
        left = {key: kept for key, kept in self.export_presets.items() if key != name}
        self.export_presets = MappingProxyType(left)

    @property
    def preset(self) -> str:
        """The name under which exactly what is chosen now is kept; empty when there is none."""
        now = {key: getattr(type(self), key).dump(getattr(self, key)) for key in PRESET}
        return next((name for name, kept in self.export_presets.items() if dict(kept) == now), "")

    def reset(self) -> None:
        """Everything back to its default."""
        for name in tuple(self._values):
            del self._values[name]
            self._changed(name)

    # --- keeping -----------------------------------------------------------------------------

    def _changed(self, name: str) -> None:
        self._saver.start()
        self.changed.emit(name)

    def _load(self) -> None:
        try:
            text = self.file.read_text("utf-8")
        except FileNotFoundError:
            return
        except UnicodeDecodeError as problem:
            self._put_aside(problem)
            return
        except OSError as problem:
            log.warning("settings not read: %s", problem)
            return
        try:
            stored = foreign_text.parse_json(text)
            if not isinstance(stored, dict):
                raise ValueError(f"expected an object, found {type(stored).__name__}")
        except ValueError as problem:
            self._put_aside(problem)
            return
        percent = stored.pop("thoroughness_percent", None)  # as it was kept before
        if isinstance(percent, int):
            stored.setdefault("thoroughness", percent / 100)
        for name, raw in stored.items():
            value = getattr(type(self), name, None)
            if not isinstance(value, _Value):
                self._unknown[name] = raw
                continue
            try:
                self._values[name] = value.load(raw)
            except (ValueError, TypeError) as problem:
                log.warning("setting %s left at its default: %s", name, problem)

    def _put_aside(self, problem: Exception) -> None:
        broken = self.file.with_name(FILE_NAME + ".broken")
        log.warning("damaged settings moved to %s: %s", broken, problem)
        try:
            self.file.replace(broken)
        except OSError as failure:
            log.warning("damaged settings could not be moved: %s", failure)

    def save(self) -> None:
        """Write now; called by itself a moment after a change, and by the window before it closes."""
        self._saver.stop()
        stored = dict(self._unknown)
        for name, current in self._values.items():
            stored[name] = getattr(type(self), name).dump(current)
        text = json.dumps(stored, indent=1, sort_keys=True) + "\n"
        try:
            atomic.write_text(self.file, text, flush=False)  # the window would wait for the disk
        except OSError as problem:
            log.warning("settings not written: %s", problem)
            if not self._told_failure:
                self._told_failure = True
                self.save_failed.emit(
                    f"Settings cannot be kept: {problem.strerror or problem} ({self.config_dir})."
                )
